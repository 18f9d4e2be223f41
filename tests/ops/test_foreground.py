from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sfumato.errors import UsageError
from sfumato.ops import foreground

from .. import matting_scenes as scenes

SHAPES = [(1, 1), (1, 500), (500, 1), (2, 3), (33, 20)]


def error(estimate: np.ndarray, truth: np.ndarray, alpha: np.ndarray) -> float:
    """Mean absolute colour error in the soft band, weighted by alpha, in thousandths."""
    soft = (alpha > 0.02) & (alpha < 0.98)
    return 1000 * float((alpha * np.abs(estimate - truth).mean(axis=2))[soft].mean())


def blur_fusion(image: np.ndarray, alpha: np.ndarray, radii: tuple[int, ...]) -> np.ndarray:
    """Forte 2021 as it is written: one or two passes of plain box blurs."""
    share, fore, back = alpha[..., None], image, image
    for radius in radii:
        side = (2 * radius + 1, 2 * radius + 1)
        weight = cv2.blur(alpha, side)[..., None]
        smooth = cv2.blur(fore * share, side) / (weight + 1e-5)
        back = cv2.blur(back * (1 - share), side) / (1 - weight + 1e-5)
        fore = np.clip(smooth + share * (image - share * smooth - (1 - share) * back), 0, 1)
    return fore


# Measured on three scenes; a change that makes one worse must be seen. The picture's own pixels
# are what a cut-out without decontamination would show.
TABLE = {"raw pixels": 44.3, "blur fusion": 12.2, "blur fusion x2": 6.7, "ours": 3.33}


def measured(method) -> float:
    made = [scenes.scene(seed=seed) for seed in range(3)]
    return float(np.mean([error(method(image, a), truth, a) for image, a, truth, _ in made]))


METHODS = {
    "raw pixels": lambda image, _: image,
    "blur fusion": lambda image, alpha: blur_fusion(image, alpha, (17,)),
    "blur fusion x2": lambda image, alpha: blur_fusion(image, alpha, (17, 3)),
    "ours": lambda image, alpha: foreground.estimate(image, alpha)[0],
}


@pytest.mark.parametrize("name", METHODS)
def test_table_of_errors(name):
    assert measured(METHODS[name]) == pytest.approx(TABLE[name], rel=0.05)


@pytest.mark.slow
def test_beats_pymattings_multilevel():
    pymatting = pytest.importorskip("pymatting")
    multilevel = measured(
        lambda image, alpha: pymatting.estimate_foreground_ml(
            image.astype(np.float64), alpha.astype(np.float64)
        )
    )
    assert measured(METHODS["ours"]) < 0.7 * multilevel


def test_no_halo_of_a_green_screen():
    """Cut out of green and put on red: no green is left, where raw pixels show plenty."""
    alpha = scenes.strands(192)
    person = scenes.texture(192, (0.35, 0.2, 0.12), 0)
    green, red = (np.full_like(person, colour) for colour in ((0, 1, 0), (1, 0, 0)))
    picture = scenes.composite(person, green, alpha)
    cleaned, _ = foreground.estimate(picture, alpha)
    wanted = scenes.composite(person, red, alpha)
    soft = (alpha > 0.02) & (alpha < 0.98)

    def green_excess(colours: np.ndarray) -> np.ndarray:
        shown = scenes.composite(colours, red, alpha)
        return np.maximum(shown - wanted, 0)[soft][:, 1]

    assert green_excess(cleaned).mean() < 0.01
    assert green_excess(picture).mean() > 10 * green_excess(cleaned).mean()
    assert np.percentile(green_excess(cleaned), 99) < 0.08
    assert np.percentile(green_excess(picture), 99) > 0.2


def test_the_parts_make_the_picture_again():
    image, alpha, _, _ = scenes.scene()
    fore, back = foreground.estimate(image, alpha)
    assert np.abs(scenes.composite(fore, back, alpha) - image).mean() < 0.002


@settings(max_examples=30, deadline=None)
@given(
    shape=st.sampled_from([*SHAPES, (300, 280)]),
    seed=st.integers(0, 1000),
    kind=st.sampled_from(["hard", "soft", "faint", "zero", "one", "half"]),
)
def test_any_size_and_alpha(shape, seed, kind):
    rng = np.random.default_rng(seed)
    image = rng.random((*shape, 3), dtype=np.float32)
    soft = rng.random(shape, dtype=np.float32)
    alpha = {
        "hard": np.round(soft),
        "soft": np.clip(3 * soft - 1, 0, 1),
        "faint": soft * np.float32(1e-9),
        "zero": np.zeros_like(soft),
        "one": np.ones_like(soft),
        "half": np.full_like(soft, 0.5),
    }[kind]
    fore, back = foreground.estimate(image, alpha)
    filled = foreground.fill(image, alpha)
    for out in (fore, back, filled):
        assert out.shape == image.shape
        assert out.dtype == np.float32
        assert np.isfinite(out).all()
        assert -1e-6 <= out.min() <= out.max() <= 1 + 1e-6
    np.testing.assert_array_equal(fore[alpha == 1], image[alpha == 1])
    np.testing.assert_array_equal(back[alpha == 0], image[alpha == 0])
    np.testing.assert_array_equal(filled[alpha == 1], image[alpha == 1])


def test_pictures_above_work_size_are_exact_and_nearly_as_good(monkeypatch):
    image, alpha, truth, _ = scenes.scene(size=400)
    whole = error(foreground.estimate(image, alpha)[0], truth, alpha)
    monkeypatch.setattr(foreground, "WORK", 200)
    fore, back = foreground.estimate(image, alpha)
    np.testing.assert_array_equal(fore[alpha == 1], image[alpha == 1])
    np.testing.assert_array_equal(back[alpha == 0], image[alpha == 0])
    assert error(fore, truth, alpha) < min(2.5 * whole, 0.5 * error(image, truth, alpha))


def test_the_result_does_not_depend_on_tiles(monkeypatch):
    image, alpha, _, _ = scenes.scene(size=300)
    expected = foreground.estimate(image, alpha)
    whole = foreground.tiles
    monkeypatch.setattr(foreground, "tiles", lambda shape: whole(shape, 97))
    for out, wanted in zip(foreground.estimate(image, alpha), expected, strict=True):
        soft = (alpha > 0) & (alpha < 1)
        np.testing.assert_allclose(out[soft], wanted[soft], atol=1e-4)


def test_fill_continues_a_gradient_without_a_ghost():
    ramp = np.linspace(0.2, 0.8, 200, dtype=np.float32)
    image = np.repeat(np.tile(ramp, (160, 1))[..., None], 3, axis=2)
    hidden = image.copy()
    hidden[50:110, 70:130] = 0  # a black box in front of it
    keep = np.ones((160, 200), np.float32)
    keep[48:112, 68:132] = 0
    out = foreground.fill(hidden, keep)
    assert np.abs(out - image).max() < 0.12
    assert out[50:110, 70:130].min() > 0.3  # nothing of the black is left
    steps = np.abs(np.diff(out[..., 0], axis=1))
    assert steps.max() < 0.05  # and no outline


def test_fill_of_nothing_is_the_mean_colour():
    image = np.random.default_rng(0).random((9, 14, 3), dtype=np.float32)
    out = foreground.fill(image, np.zeros((9, 14), np.float32))
    np.testing.assert_allclose(out, np.broadcast_to(image.mean(axis=(0, 1)), out.shape), atol=1e-5)


def test_one_kept_pixel_colours_everything():
    image = np.zeros((300, 200, 3), np.float32)
    image[100, 50] = (1, 0.5, 0.25)
    keep = np.zeros((300, 200), np.float32)
    keep[100, 50] = 1
    out = foreground.fill(image, keep)
    np.testing.assert_allclose(out, np.broadcast_to(image[100, 50], out.shape), atol=1e-4)


@pytest.mark.parametrize("call", [foreground.estimate, foreground.fill])
def test_what_cannot_be_is_said(call):
    image, alpha = np.zeros((4, 5, 3), np.float32), np.zeros((4, 5), np.float32)
    with pytest.raises(UsageError, match="size"):
        call(image, alpha[:3])
    with pytest.raises(UsageError, match="colour picture"):
        call(image[..., 0], alpha)
    with pytest.raises(UsageError, match="NaN"):
        call(image, np.full_like(alpha, np.nan))
