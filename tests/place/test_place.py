"""The whole story, with boxes for people and a stylizer that needs no net."""

from __future__ import annotations

import numpy as np
import pytest

from sfumato import pipeline
from sfumato.errors import NothingFoundError, UsageError
from sfumato.ops.blend import over
from sfumato.place import attention, light, manner, shadow
from sfumato.place.figure import Figure, Sides, Spot
from sfumato.place.laid import lay_in, shadowed
from sfumato.place.place import STEPS, chosen, place
from sfumato.place.placing import STRENGTHS, Placing
from sfumato.settings import Settings
from sfumato.studio import Studio
from sfumato.types import no_progress

BOX = "box:.25,.2,.75,1"


class Inverter:
    supports_region = False

    def __call__(self, content, style, *, region=None, progress=no_progress):
        progress(0.5)
        return (1 - content).astype(np.float32)


@pytest.fixture(autouse=True)
def _no_nets(request, monkeypatch):
    if not request.node.get_closest_marker("weights"):
        monkeypatch.setattr(Studio, "stylizer", lambda self, name: Inverter())
        for name in ("occupied", "saliency"):
            monkeypatch.setattr(
                attention, name, lambda image, studio, **_: np.zeros(image.shape[:2], np.float32)
            )


def noise(shape, low=0.0, high=1.0, seed=0):
    return np.random.default_rng(seed).uniform(low, high, (*shape, 3)).astype(np.float32)


PORTRAIT, PAINTING = noise((60, 48)), noise((90, 120), 0.3, 0.6, seed=1)
OPTIONS = Placing(region=BOX, anchor="bottom", height=0.6)


def standing():
    """A plain figure with nothing cut off."""
    solid = np.full((40, 16, 3), 0.4, np.float32)
    return Figure(solid, np.ones((40, 16), np.float32), solid, Sides(0, 0, 0, 0))


def test_the_result_is_the_painting_with_a_figure():
    placed = place(PORTRAIT, PAINTING, options=OPTIONS)
    assert placed.image.shape == PAINTING.shape
    assert placed.image.dtype == np.float32
    assert tuple(placed.timings) == STEPS
    assert placed.candidates == (placed.spot,)
    assert placed.spot.height == pytest.approx(54)
    away = placed.matte.alpha == 0
    assert 0.5 < away.mean() < 0.9
    np.testing.assert_array_equal(placed.image[away], PAINTING[away])
    assert np.abs(placed.image - PAINTING)[placed.matte.alpha == 1].mean() > 0.02
    np.testing.assert_array_equal(placed.image[placed.matte.alpha == 1],
                                  placed.matte.foreground[placed.matte.alpha == 1])  # fmt: skip


def test_without_strength_it_is_a_plain_paste():
    placed = place(PORTRAIT, PAINTING, Settings(strength=0), options=OPTIONS)
    laid = lay_in(PAINTING, placed.figure, placed.spot, 0)
    pasted = laid.back(PAINTING, over(laid.figure, laid.painting, laid.alpha))
    np.testing.assert_array_equal(placed.image, pasted)
    assert placed.options["manner"] == OPTIONS.manner  # as it was asked for
    by_options = place(PORTRAIT, PAINTING, options=OPTIONS.weakened(0))
    np.testing.assert_array_equal(by_options.image, pasted)


@pytest.mark.parametrize("step", [s for s in STRENGTHS if s not in ("shadow", "softness")])
def test_each_step_changes_the_picture(step):
    settings = Settings(seed=3)
    wide = noise((90, 120), 0.45, 0.55, seed=1)  # less grain than the figure, other colours
    options = OPTIONS.model_copy(update={"x": 0.5, "y": 0.8, "anchor": None})
    painting, portrait = (wide, PORTRAIT) if step != "grain" else (PAINTING, 0 * PORTRAIT + 0.5)
    parts = options.weakened(0).model_copy(update={step: 1.0})
    done, not_done = (
        place(portrait, painting, settings, options=o).image for o in (parts, options.weakened(0))
    )
    assert (done != not_done).any()


def test_the_same_again():
    first, again = (
        place(PORTRAIT, PAINTING, Settings(seed=5), options=OPTIONS).image for _ in range(2)
    )
    np.testing.assert_array_equal(first, again)
    other = place(PORTRAIT, PAINTING, Settings(seed=6), options=OPTIONS).image
    assert first.shape == other.shape


def test_by_numbers_by_name_or_by_a_spot():
    by_numbers = place(PORTRAIT, PAINTING, options=Placing(region=BOX, x=60, y=80, height=40))
    assert by_numbers.spot.top + by_numbers.spot.height == pytest.approx(80)
    assert by_numbers.spot.height == 40
    spot = Spot(10, 20, 40, flip=True)
    by_spot = place(PORTRAIT, PAINTING, spot=spot, options=OPTIONS)
    assert by_spot.spot is spot
    turned = place(PORTRAIT, PAINTING, options=OPTIONS.model_copy(update={"flip": True}))
    assert turned.spot.flip


def test_places_are_found_and_one_is_chosen():
    options = Placing(region=BOX, candidates=3, candidate=2)
    placed = place(PORTRAIT, PAINTING, options=options)
    assert 2 <= len(placed.candidates) <= 3
    assert placed.spot is placed.candidates[1]
    high = place(PORTRAIT, PAINTING, options=Placing(region=BOX, height=36)).spot.height
    assert high == pytest.approx(36, rel=0.05)
    with pytest.raises(UsageError, match="no place number 9"):
        chosen(placed.candidates, 9)


def test_a_figure_cut_out_already_is_not_looked_for():
    first = place(PORTRAIT, PAINTING, options=OPTIONS)
    again = place(
        noise((5, 5)), PAINTING, figure=first.figure, options=Placing(region="no such thing"),
        spot=first.spot,
    )  # fmt: skip
    np.testing.assert_array_equal(again.image, first.image)


@pytest.mark.parametrize(
    ("spot", "kind"),
    [(Spot(500, 0, 40), NothingFoundError), (Spot(0, -90, 40), NothingFoundError),
     (Spot(0, 0, 1e6), UsageError), (Spot(-4, 0, 0.2), NothingFoundError)],
)  # fmt: skip
def test_spots_outside_are_refused(spot, kind):
    with pytest.raises(kind, match=r"outside|smaller"):
        place(PORTRAIT, PAINTING, spot=spot, options=OPTIONS)


def test_what_makes_no_sense_is_refused():
    with pytest.raises(UsageError, match="both x and y"):
        Placing(x=0.5)
    with pytest.raises(UsageError, match="not both"):
        Placing(x=0.5, y=0.5, anchor="bottom")
    with pytest.raises(UsageError, match="float32"):
        place(np.zeros((4, 4, 3)), PAINTING)
    with pytest.raises(NothingFoundError, match="found no"):
        place(PORTRAIT, PAINTING, options=Placing(region="box:0,0,.5,1 & box:.6,0,1,1"))


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (300, 1), (7, 5)])
def test_paintings_of_any_shape(shape):
    options = Placing(region=BOX, anchor="center", height=1.0)
    placed = place(PORTRAIT, noise(shape), options=options)
    assert placed.image.shape == (*shape, 3)
    assert np.isfinite(placed.image).all()


@pytest.mark.parametrize("blend", ["alpha", "feather", "multiband", "poisson"])
def test_every_blend(blend):
    placed = place(PORTRAIT, PAINTING, Settings(blend=blend), options=OPTIONS)
    away = placed.matte.alpha == 0
    np.testing.assert_array_equal(placed.image[away], PAINTING[away])


def test_only_who_stands_in_the_picture_has_a_shadow(monkeypatch):
    monkeypatch.setattr(light, "direction", lambda image, weights=None: light.DARK)
    figure, painting = standing(), noise((90, 120), 0.5, 0.6)

    def shaded(figure, spot, strength=1.0):
        laid = lay_in(painting, figure, spot)
        return bool((shadowed(laid, figure, spot, strength) != laid.painting).any())

    assert shaded(figure, Spot(50, 30, 50))
    assert not shaded(figure, Spot(50, 30, 50), 0)
    assert not shaded(figure, Spot(50, 45, 50))  # the feet are below the border
    bust = Figure(figure.image, figure.alpha, figure.foreground, Sides(0, 0, 0, 1))
    assert not shaded(bust, Spot(50, 30, 50))
    assert shadow.LIGHTEST < 1


def test_the_photos_background_does_not_come_along():
    """Its colour is green; no green rim may be left around a soft figure."""
    alpha = np.clip((20 - np.hypot(*(np.mgrid[:50, :50] - 25.0))) / 8, 0, 1).astype(np.float32)
    red, green = np.float32([0.8, 0.1, 0.1]), np.float32([0, 1, 0])
    photo = over(np.broadcast_to(red, (50, 50, 3)).copy(),
                 np.broadcast_to(green, (50, 50, 3)).copy(), alpha)  # fmt: skip
    figure = Figure(photo, alpha, np.broadcast_to(red, (50, 50, 3)).copy(), Sides(0, 0, 0, 0))
    grey = np.full((80, 80, 3), 0.5, np.float32)
    made = place(
        photo, grey, spot=Spot(15, 15, 50), figure=figure,
        options=Placing(manner=0, colour=0, grain=0, shadow=0),
    ).image  # fmt: skip
    assert (made[..., 1] - made[..., 0]).max() < 0.01


def test_progress_is_told_in_order():
    told = []
    place(PORTRAIT, PAINTING, options=OPTIONS, report=lambda *now: told.append(now))
    assert [name for name, fraction in told if fraction == 1] == list(STEPS)
    assert ("manner", 0.5) in told
    assert all(0 <= fraction <= 1 for _, fraction in told)


def test_retouching_asks_for_the_optimiser(monkeypatch):
    asked = []

    def stylizer(self, name):
        asked.append((name, dict(self.settings.options)))
        return Inverter()

    monkeypatch.setattr(Studio, "stylizer", stylizer)
    options = OPTIONS.model_copy(update={"retouch": True})
    settings = Settings(options={"gatys": {"steps": 3}})
    placed = place(PORTRAIT, PAINTING, settings, options=options)
    assert asked[-1] == ("gatys", {"gatys": {**manner.RETOUCH, "steps": 3}})
    assert placed.settings["options"] == {"gatys": {"steps": 3}}
    np.testing.assert_array_equal(placed.image[:5], PAINTING[:5])


@pytest.mark.weights
def test_an_astronaut_in_a_real_style(astronaut):
    from sfumato.styles import resolve

    painting = resolve("nocturne").image
    placed = place(astronaut, painting, options=Placing(anchor="bottom"))
    pipeline.check(placed.image)
    hard = place(astronaut, painting, Settings(strength=0), options=Placing(anchor="bottom"))
    inside = placed.matte.alpha > 0.9

    def apart(image):
        return np.abs(image[inside].mean(0) - painting.mean((0, 1))).sum()

    assert apart(placed.image) < apart(hard.image)
    assert placed.weights
