"""A figure's colours come near to those around it, within bounds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from sfumato.place import colour

SHAPE = (48, 64)
SKIN = np.array([0.85, 0.62, 0.5], np.float32)


def disc(shape=SHAPE, radius=12):
    y, x = np.mgrid[: shape[0], : shape[1]]
    far = np.hypot(y - shape[0] / 2, x - shape[1] / 2)
    return np.clip(radius - far, 0, 1).astype(np.float32)


def plain(value, shape=SHAPE, noise=0.05, seed=0):
    speckle = np.random.default_rng(seed).normal(0, noise, (*shape, 3))
    return np.clip(np.array(value) + speckle, 0, 1).astype(np.float32)


def mean_lab(image, alpha):
    return np.average(colour.to_lab(image).reshape(-1, 3), axis=0, weights=alpha.ravel())


def harmonised(figure, painting, strength=1.0):
    alpha = disc()
    return colour.harmonise(figure, alpha, painting, colour.around(alpha), strength)


def test_what_is_near_counts_more():
    weight = colour.around(disc())
    assert weight[24, 32] == 0
    assert weight[24, 46] > 1.5 * weight[24, 62] > 0
    assert colour.around(np.zeros(SHAPE, np.float32)).min() == 1


def test_colours_move_towards_the_painting():
    figure, painting = plain((0.5, 0.5, 0.5)), plain((0.35, 0.45, 0.65))
    before, after, theirs = (
        mean_lab(i, disc()) for i in (figure, harmonised(figure, painting), painting)
    )
    assert np.linalg.norm(after - theirs) < 0.6 * np.linalg.norm(before - theirs)
    halfway = mean_lab(harmonised(figure, painting, 0.5), disc())
    np.testing.assert_allclose(halfway, (before + after) / 2, atol=1.0)
    np.testing.assert_array_equal(harmonised(figure, painting, 0), figure)


def test_a_face_in_front_of_the_night_does_not_turn_to_night():
    night = plain((0.04, 0.05, 0.12), noise=0.02)
    after = mean_lab(harmonised(plain(SKIN), night), disc())
    before = mean_lab(plain(SKIN), disc())
    assert before[0] - after[0] > 4  # darker
    assert after[0] > 8


def test_skin_keeps_its_hue_better_than_cloth():
    sea = plain((0.2, 0.5, 0.7))
    moved = {
        name: np.linalg.norm(
            mean_lab(harmonised(plain(c), sea), disc())[1:] - mean_lab(plain(c), disc())[1:]
        )
        for name, c in (("skin", SKIN), ("cloth", (0.55, 0.68, 0.4)))
    }
    assert moved["skin"] < 0.8 * moved["cloth"]


def test_a_drawing_without_colour_takes_the_figures_colour_away():
    grey = np.repeat(plain((0.5, 0.5, 0.5))[..., :1], 3, axis=2)
    before, after = (
        np.hypot(*mean_lab(i, disc())[1:]) for i in (plain(SKIN), harmonised(plain(SKIN), grey))
    )
    assert after < 0.35 * before


def test_tones_are_squeezed_into_the_paintings_and_never_stretched():
    ramp = np.tile(np.linspace(0, 1, SHAPE[1], dtype=np.float32)[None, :, None], (SHAPE[0], 1, 3))
    fog = plain((0.5, 0.5, 0.5), noise=0.03)
    full = np.ones(SHAPE, np.float32)
    made = colour.harmonise(ramp, full, fog, full)
    light = colour.to_lab(made)[..., 0]
    theirs = np.quantile(colour.to_lab(fog)[..., 0], colour.TONES)
    assert light.max() < theirs[1] + 2
    assert colour.LIFT - 2 < light.min() < colour.LIFT + 2 < theirs[0]
    calm = plain((0.5, 0.5, 0.5), noise=0.01)
    wide = colour.harmonise(calm, full, ramp, full)
    assert colour.to_lab(wide)[..., 0].std() < 1.05 * colour.to_lab(calm)[..., 0].std()


def dressed():
    """A face above a black suit, and what is the suit: bool ``[H, W]``."""
    image, suit = plain(SKIN, noise=0.02), np.zeros(SHAPE, bool)
    suit[22:] = True
    image[suit] = plain((0.03, 0.03, 0.04), noise=0.01)[suit]
    return image, suit & (disc() > 0.5)


def test_dark_clothes_before_a_bright_sky_stay_dark():
    figure, suit = dressed()
    made = harmonised(figure, plain((0.75, 0.82, 0.9), noise=0.02))
    before, after = (np.median(colour.to_lab(i)[suit, 0]) for i in (figure, made))
    assert before < after < before + colour.LIFT + 3
    face = (disc() > 0.5) & ~suit
    contrast = [np.median(colour.to_lab(i)[face, 0]) - np.median(colour.to_lab(i)[suit, 0])
                for i in (figure, made)]  # fmt: skip
    assert contrast[1] > 0.75 * contrast[0]


def test_blacks_stay_black_where_the_painter_had_black():
    figure, suit = dressed()
    sky = plain((0.75, 0.82, 0.9), noise=0.02)
    sky[:4, :8] = 0.02
    made = harmonised(figure, sky)
    before, after = (np.median(colour.to_lab(i)[suit, 0]) for i in (figure, made))
    assert after < before + 3


@pytest.mark.parametrize("alpha", [np.zeros(SHAPE, np.float32), np.ones(SHAPE, np.float32)])
def test_nothing_to_go_by_changes_nothing(alpha):
    figure = plain(SKIN)
    made = colour.harmonise(figure, alpha, plain((0, 0, 1)), colour.around(alpha))
    np.testing.assert_array_equal(made, figure)


@settings(max_examples=25, deadline=None)
@given(
    hnp.arrays(np.float32, (12, 9, 3), elements=st.floats(0, 1, width=32)),
    hnp.arrays(np.float32, (12, 9, 3), elements=st.floats(0, 1, width=32)),
    hnp.arrays(np.float32, (12, 9), elements=st.floats(0, 1, width=32)),
    st.floats(0, 1),
)
def test_any_colours_give_a_picture(figure, painting, alpha, strength):
    made = colour.harmonise(figure, alpha, painting, colour.around(alpha), strength)
    assert made.dtype == np.float32
    assert made.shape == figure.shape
    assert 0 <= made.min() <= made.max() <= 1  # False for NaN


@given(hnp.arrays(np.float32, (4, 5, 3), elements=st.floats(0, 1, width=32)))
def test_to_lab_and_back(image):
    np.testing.assert_allclose(colour.to_srgb(colour.to_lab(image)), image, atol=8e-3)  # of tables
