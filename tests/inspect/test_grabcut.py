"""GrabCut looked into: the energy, the rounds, strokes, the figures."""

from __future__ import annotations

import itertools

import cv2
import numpy as np
import pytest

from sfumato import registry
from sfumato.errors import NothingFoundError, RegionError, UsageError
from sfumato.inspect import _figures, gibbs, grabcut, grabcut_figures
from sfumato.inspect.gibbs import GAMMA, Mixture, energy, mixture
from sfumato.inspect.grabcut import Stroke, parse_box, parse_stroke
from sfumato.ops.resize import fit
from sfumato.segment.grabcut import from_box, rounds
from sfumato.settings import Settings
from sfumato.studio import Studio
from sfumato.types import Context

BOX = (0.15, 0.1, 0.75, 0.9)


@pytest.fixture(autouse=True)
def _coarse(monkeypatch):
    """Figures of 500 pixels' width are drawn in a moment."""
    monkeypatch.setattr(_figures, "DPI", 50)


def drawn_disc(height=60, width=80, radius=18) -> tuple[np.ndarray, np.ndarray]:
    """A grainy red disc on grainy green, and its mask."""
    ys, xs = np.mgrid[:height, :width]
    disc = (ys - height * 0.5) ** 2 + (xs - width * 0.45) ** 2 < radius**2
    image = np.where(disc[..., None], (0.8, 0.25, 0.2), (0.25, 0.55, 0.3))
    noise = np.random.default_rng(1).normal(0, 0.05, image.shape)
    return np.clip(image + noise, 0, 1).astype(np.float32), disc


def by_the_book(image, mask, background, foreground) -> tuple[float, float]:
    """Rother 2004, eq. 2, 8 and 11, pixel by pixel."""
    z = np.rint(image.astype(np.float64) * 255)
    height, width = mask.shape
    places = list(itertools.product(range(height), range(width)))
    data = 0.0
    for place in places:
        model = foreground if mask[place] else background
        likelihood = 0.0
        for weight, mean, covariance in zip(
            model.weights, model.means, model.covariances, strict=True
        ):
            if weight > 0:
                away = z[place] - mean
                squared = away @ np.linalg.solve(covariance, away)
                likelihood += weight / np.sqrt(np.linalg.det(covariance)) * np.exp(-squared / 2)
        data -= np.log(likelihood)
    pairs = [
        (a, b)
        for a, b in itertools.combinations(places, 2)
        if max(abs(a[0] - b[0]), abs(a[1] - b[1])) == 1
    ]
    squares = {pair: ((z[pair[0]] - z[pair[1]]) ** 2).sum() for pair in pairs}
    beta = 1 / (2 * np.mean(list(squares.values())))
    edge = sum(
        GAMMA / np.hypot(a[0] - b[0], a[1] - b[1]) * np.exp(-beta * squares[a, b])
        for a, b in pairs
        if mask[a] != mask[b]
    )
    return data, edge


def tiny(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    image = rng.random((4, 5, 3), dtype=np.float32)
    image[1:3, 1:4] *= 0.5
    return image


def random_mixture(rng) -> Mixture:
    spread = rng.normal(0, 30, (5, 3, 3))
    covariances = spread @ spread.transpose(0, 2, 1) + 50 * np.eye(3)
    weights = np.array([0.4, 0.3, 0.2, 0.1, 0.0])
    return Mixture(weights, rng.uniform(0, 255, (5, 3)), covariances)


@pytest.mark.parametrize("seed", range(4))
def test_energy_is_that_of_the_paper(seed):
    rng = np.random.default_rng(seed)
    image, mask = tiny(seed), rng.random((4, 5)) < 0.5
    models = random_mixture(rng), random_mixture(rng)
    data, edge = by_the_book(image, mask, *models)
    found = energy(image, mask, *models)
    assert found.data == pytest.approx(data, rel=1e-9)
    assert found.edge == pytest.approx(edge, rel=1e-9)
    assert found.total == pytest.approx(data + edge, rel=1e-9)


@pytest.mark.parametrize("seed", range(6))
def test_no_segmentation_has_less_energy_than_the_cut(seed):
    """All of them tried: so this energy is the one that OpenCV's cut makes least."""
    image = tiny(seed)
    trimap = np.full((4, 5), cv2.GC_BGD, np.uint8)
    trimap[1:3, 1:4] = cv2.GC_PR_FGD
    trimap[1, 1] = cv2.GC_FGD
    (first,) = rounds(image, trimap, 1, seed=0)
    models = mixture(first.background), mixture(first.foreground)
    free = np.argwhere(trimap == cv2.GC_PR_FGD)
    energies = []
    for sides in itertools.product((False, True), repeat=len(free)):
        mask = trimap == cv2.GC_FGD
        mask[tuple(free.T)] = sides
        energies.append(energy(image, mask, *models).total)
    assert energy(image, first.mask, *models).total == pytest.approx(min(energies), rel=1e-9)
    assert max(energies) > min(energies) + 1


def test_energy_falls_on_a_photo(astronaut):
    study = grabcut.inspect(fit(astronaut, 128), (0.05, 0.02, 0.9, 0.98), steps=8)
    course = [value for one in study.rounds for value in (one.learned.total, one.cut.total)]
    assert all(later <= earlier + 1e-6 for earlier, later in itertools.pairwise(course))
    assert course[-1] < 0.95 * course[0]


def test_contrast_of_a_flat_picture_is_none():
    assert gibbs.contrast(np.full((3, 4, 3), 0.5, np.float32)) == 0
    assert gibbs.contrast(np.full((1, 1, 3), 0.5, np.float32)) == 0


def test_a_mixture_of_nothing_fits_no_colour():
    nothing = Mixture(np.zeros(5), np.zeros((5, 3)), np.zeros((5, 3, 3)))
    assert np.isposinf(gibbs.cost(tiny(0), nothing)).all()


def test_models_are_read_as_rgb():
    study = grabcut.inspect(drawn_disc()[0], BOX)
    last = study.rounds[-1]
    means = [m.weights @ m.means for m in (last.foreground, last.background)]
    np.testing.assert_allclose(means[0], np.array((0.8, 0.25, 0.2)) * 255, atol=6)
    np.testing.assert_allclose(means[1], np.array((0.25, 0.55, 0.3)) * 255, atol=6)
    assert last.foreground.weights.sum() == pytest.approx(1)


@pytest.mark.parametrize("make", [lambda: drawn_disc()[0], lambda: tiny(0)], ids=["disc", "tiny"])
@pytest.mark.parametrize("iterations", [1, 2, 6])
def test_rounds_one_by_one_are_the_rounds_at_once(make, iterations):
    image = make()
    trimap = from_box((0.2, 0.2, 0.8, 0.8), image.shape)
    *_, last = rounds(image, trimap, iterations, seed=3)
    bgr = np.ascontiguousarray((image[..., ::-1] * 255).round().astype(np.uint8))
    state, models = trimap.copy(), (np.zeros((1, 65)), np.zeros((1, 65)))
    cv2.setRNGSeed(3)
    cv2.grabCut(bgr, state, (0, 0, 0, 0), *models, iterations, cv2.GC_INIT_WITH_MASK)
    np.testing.assert_array_equal(last.state, state)
    np.testing.assert_array_equal(last.background, models[0])
    np.testing.assert_array_equal(last.foreground, models[1])


@pytest.mark.parametrize("box", ["0.1,0.02,0.9,0.98", "12,3,108,118"])
@pytest.mark.parametrize("options", [{}, {"size": 80}])
def test_the_mask_is_what_the_segmenter_finds(astronaut, box, options):
    photo = fit(astronaut, 120)
    study = grabcut.inspect(
        photo, parse_box(box, photo.shape), Settings(options={"grabcut": options})
    )
    found = registry.build("segment", "grabcut", Context(), {"box": box, **options})(photo)
    np.testing.assert_array_equal(study.mask, found.alpha("subject"))
    assert study.image.shape[:2] == ((80, 80) if options else (120, 120))


def test_the_flags_find_the_same(astronaut):
    photo, chosen = fit(astronaut, 150), Settings(size=100, seed=4)
    study = grabcut.inspect(photo, parse_box("15,3,900,140", photo.shape), chosen, steps=3)
    assert study.flags == (
        " --segmenter grabcut --region subject -O grabcut.box=0.1,0.02,1.0,0.9333333333333333"
        " -O grabcut.iterations=3 --size 100 --seed 4"
    )
    options = {"box": "0.1,0.02,1.0,0.9333333333333333", "iterations": 3}
    studio = Studio(Settings(size=100, seed=4, options={"grabcut": options}))
    found = studio.segmenter("grabcut")(fit(photo, 100)).alpha("subject")
    assert study.mask.shape == (150, 150)
    np.testing.assert_array_equal((study.rounds[-1].mask).astype(np.float32), found)


def test_counts_what_each_round_changes():
    image, disc = drawn_disc()
    study = grabcut.inspect(image, BOX)
    before = study.start
    assert before.sum() == 48 * 48
    for one in study.rounds:
        assert one.changed == (one.mask != before).sum()
        before = one.mask
    first = study.rounds[0]
    assert first.lost > 500
    assert (first.mask & disc).sum() / (first.mask | disc).sum() > 0.95
    assert study.settled is not None
    assert study.rounds[study.settled - 1].changed == 0
    assert study.summary.endswith(f"round {study.settled} changed nothing any more")


def test_strokes_are_certain_and_teach():
    image, disc = drawn_disc()
    image[disc & (np.arange(60)[:, None] < 24)] = image[0, 0]  # the top looks like the ground
    bare = grabcut.inspect(image, BOX).rounds[-1].mask
    assert not bare[16:20, 36].any()
    over, under = Stroke(((0.4, 0.3), (0.5, 0.3)), 0.05), Stroke(((0.45, 0.7),), 0.1)
    study = grabcut.inspect(image, BOX, foreground=[over], background=[under])
    for one in study.rounds:
        assert one.mask[18, 33:40].all()
        assert not one.mask[40:44, 34:38].any()
    assert (study.seeds == cv2.GC_FGD).sum() > 20
    assert study.flags == ""


def test_a_stroke_covers_its_line_with_round_ends():
    line = grabcut._covered(Stroke(((0.25, 0.5), (0.75, 0.5)), 0.1), (50, 100))
    rows, columns = np.nonzero(line)
    assert (rows.min(), rows.max()) == (20, 30)
    assert (columns.min(), columns.max()) == (20, 80)
    assert grabcut._covered(Stroke(((1.0, 1.0),), 1e-6), (5, 7)).sum() == 1


def test_strokes_are_pixels_as_soon_as_one_number_is_above_one():
    assert parse_stroke("0.1,0.2,1,0.9", (50, 100)).points == ((0.1, 0.2), (1.0, 0.9))
    assert parse_stroke("10,20,100,50", (50, 100), 4).points == ((0.1, 0.4), (1.0, 1.0))
    assert parse_stroke("10,20", (50, 100), 4).width == 0.04


@pytest.mark.parametrize("text", ["", "1", "1,2,3", "a,b", "-1,2", "nan,1", "inf,3", "5,60"])
def test_refuses_a_stroke_that_is_none(text):
    with pytest.raises(UsageError, match="stroke"):
        parse_stroke(text, (50, 100))


def test_refuses_a_stroke_without_width():
    with pytest.raises(UsageError, match="above 0"):
        parse_stroke("1,2", (50, 100), 0)


def test_boxes_are_read_as_regions_are():
    assert parse_box("0.1,0.2,1,0.9", (50, 100)) == (0.1, 0.2, 1, 0.9)
    assert parse_box("10,20,300,50", (50, 100)) == (0.1, 0.4, 1, 1)


@pytest.mark.parametrize("text", ["", "1,2,3", "5,5,5,9", "a", "0,0,1,1+person"])
def test_refuses_a_box_that_is_none(text):
    with pytest.raises(UsageError) as caught:
        parse_box(text, (50, 100))
    assert isinstance(caught.value, RegionError) or "nothing else" in str(caught.value)


def test_refuses_a_box_beside_the_picture():
    with pytest.raises(UsageError, match="outside the picture, which is 100 x 50"):
        parse_box("200,10,300,40", (50, 100))


def test_refuses_a_box_around_everything():
    with pytest.raises(UsageError, match="whole picture"):
        grabcut.inspect(drawn_disc()[0], (0, 0, 1, 1))


def test_refuses_strokes_that_leave_one_side_only():
    all_over = [Stroke(((0.5, 0.5),), 5.0)]
    for side in ("foreground", "background"):
        with pytest.raises(UsageError, match=f"everything {side}"):
            grabcut.inspect(drawn_disc()[0], BOX, **{side: all_over})


def test_one_colour_is_nothing_to_cut():
    with pytest.raises(NothingFoundError, match="one colour"):
        grabcut.inspect(np.full((20, 30, 3), 0.5, np.float32), BOX)


@pytest.mark.parametrize("steps", [0, 21])
def test_refuses_too_few_or_many_rounds(steps):
    with pytest.raises(UsageError, match=r"grabcut\.iterations"):
        grabcut.inspect(drawn_disc()[0], BOX, steps=steps)


@pytest.mark.parametrize("shape", [(1, 90), (90, 1), (2, 2), (37, 53)])
def test_any_shape_is_cut_and_drawn(shape):
    image = np.random.default_rng(0).random((*shape, 3), dtype=np.float32)
    study = grabcut.inspect(image, (0.2, 0.2, 0.6, 0.6), steps=3)
    assert study.mask.shape == shape
    assert all(np.isfinite(one.cut.total) for one in study.rounds)
    for figures in grabcut_figures.pages(study).values() if min(shape) == 1 else ():
        assert _figures.picture(figures).native.shape[1] == 500


def test_nothing_left_is_said_and_drawn():
    image = np.random.default_rng(0).random((40, 60, 3), dtype=np.float32)
    study = grabcut.inspect(image, (0.2, 0.1, 0.8, 0.95), steps=8)
    assert not study.rounds[-1].mask.any()
    assert study.summary == "nothing is left after 8 rounds: the box has no own colours"
    assert study.mask.max() == 0
    for figures in grabcut_figures.pages(study).values():
        _figures.picture(figures)


def test_figures_show_every_round():
    study = grabcut.inspect(drawn_disc()[0], BOX, steps=4)
    figure = grabcut_figures.steps(study, "disc.png")
    titles = [axes.texts[-1].get_text() for axes in figure.axes]
    assert titles == ["disc.png", "Round 1", "Round 2", "Round 3", "Round 4"]
    shown = np.asarray(figure.axes[-1].images[0].get_array())
    mask = study.rounds[-1].mask & study.rounds[-2].mask
    np.testing.assert_allclose(shown[mask], study.image[mask], atol=1e-6)
    assert list(grabcut_figures.pages(study)) == ["rounds", "colours", "energy"]


def test_the_record_is_plain():
    import json

    study = grabcut.inspect(drawn_disc()[0], BOX, steps=2, foreground=[Stroke(((0.45, 0.5),))])
    record = json.loads(json.dumps(study.as_dict()))
    assert record["box"] == list(BOX)
    assert record["strokes"]["foreground"][0]["points"] == [[0.45, 0.5]]
    assert [one["round"] for one in record["rounds"]] == [1, 2]
    last = record["rounds"][-1]
    assert last["cut"]["total"] == pytest.approx(last["cut"]["data"] + last["cut"]["edge"])
    assert len(last["models"]["background"]) == 5
