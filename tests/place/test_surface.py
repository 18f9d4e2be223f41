"""Edges as soft, and a surface as rough, as the painting's."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from sfumato.ops.colour import luma
from sfumato.place import surface

SHAPE = (160, 200)
FULL = np.ones(SHAPE, np.float32)


def blocks(blur=0.0, noise=0.0, seed=0, low=0.2, high=0.8):
    """Squares with edges as soft as the blur, and grain."""
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    plane = np.where((y // 40 + x // 40) % 2, high, low).astype(np.float32)
    if blur:
        plane = cv2.GaussianBlur(plane, (0, 0), blur)
    plane = plane + np.random.default_rng(seed).normal(0, noise, SHAPE)
    return np.repeat(np.clip(plane, 0, 1)[..., None], 3, axis=2).astype(np.float32)


def oval():
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    far = np.hypot((y - 80) / 60, (x - 100) / 60)
    return np.clip(60 * (1 - far) + 0.5, 0, 1).astype(np.float32)


@pytest.mark.parametrize("blur", [0.8, 1.5, 2.5])
def test_the_width_of_edges_is_measured(blur):
    assert surface.edge_width(blocks(blur), FULL) == pytest.approx(blur, rel=0.25)


def test_no_edges_have_no_width():
    assert surface.edge_width(blocks(low=0.5, high=0.5), FULL) == 0
    assert surface.edge_width(blocks(), 0 * FULL) == 0


def test_figures_become_as_soft_as_the_painting():
    sharp, alpha, soft = blocks(0.5), oval(), blocks(1.5)
    around = 1 - alpha
    figure, outline = surface.soften(sharp, alpha, soft, around)
    inside = surface._within(alpha)
    assert surface.edge_width(sharp, inside) < surface.edge_width(figure, inside)
    assert np.abs(np.diff(outline[80])).max() < 0.7 * np.abs(np.diff(alpha[80])).max()
    same, edge = surface.soften(sharp, alpha, soft, around, strength=0)
    np.testing.assert_array_equal(same, sharp)
    np.testing.assert_array_equal(edge, alpha)


def test_figures_are_never_sharpened_nor_lost():
    soft, alpha = blocks(2), oval()
    figure, _ = surface.soften(soft, alpha, blocks(0.5), 1 - alpha)
    np.testing.assert_array_equal(figure, soft)
    fog, _ = surface.soften(blocks(0.5), alpha, blocks(9), 1 - alpha)
    least = surface.SOFTEST * np.sqrt((alpha > 0.5).sum())
    assert surface.edge_width(fog, surface._within(alpha)) < 1.5 * (0.5 + least)


def test_a_soft_outline_does_not_leave_the_paintings_border():
    alpha = FULL.copy()
    alpha[:, :60] = 0
    _, outline = surface.soften(blocks(0.5), alpha, blocks(2), 1 - alpha + 0.01)
    np.testing.assert_array_equal(outline[:, -20:], 1)


def deviation(image, alpha):
    light = luma(image)
    fine = light - cv2.GaussianBlur(light, (0, 0), surface.FINE)
    return float(fine[alpha > 0.9].std())


def test_the_grain_that_is_missing_is_added():
    painting, figure, alpha = blocks(3, noise=0.04), blocks(6), oval()
    made = surface.grained(figure, alpha, painting, 1 - alpha, seed=1)
    flat = alpha * (np.abs(blocks(6) - 0.5).mean(2) < 0.3)
    assert deviation(made, alpha) == pytest.approx(deviation(painting, 1 - alpha), rel=0.3)
    assert deviation(figure, flat) < 0.2 * deviation(made, flat)


def test_no_grain_is_added_where_there_is_enough():
    painting, figure, alpha = blocks(3), blocks(3, noise=0.05), oval()
    made = surface.grained(figure, alpha, painting, 1 - alpha)
    assert np.abs(made - figure).max() < 0.01


def test_the_same_seed_gives_the_same_grain():
    painting, figure, alpha = blocks(3, noise=0.04), blocks(3), oval()
    one, again, other = (
        surface.grained(figure, alpha, painting, 1 - alpha, seed=seed) for seed in (4, 4, 5)
    )
    np.testing.assert_array_equal(one, again)
    assert (one != other).any()
    np.testing.assert_array_equal(surface.grained(figure, alpha, painting, 1 - alpha, 4, 0), figure)


def test_grain_follows_the_lightness():
    painting = blocks(0)
    speckle = np.random.default_rng(0).normal(0, 0.05, SHAPE).astype(np.float32)
    painting = np.clip(painting + (speckle * (painting[..., 0] > 0.5))[..., None], 0, 1)
    grain = surface.measured(painting, FULL)
    assert grain.at(np.float32([[0.8]])) > 3 * grain.at(np.float32([[0.2]]))


def test_a_woven_surface_has_the_paintings_threads():
    """Threads that run down stay so, with their period, a mean of 0 and a deviation near 1."""
    _, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    canvas = np.repeat((0.5 + 0.04 * np.sin(2 * np.pi * x / 4))[..., None], 3, 2)
    woven = surface.weave(canvas.astype(np.float32), FULL, 32, np.random.default_rng(0))
    assert woven.shape == SHAPE
    assert abs(woven.mean()) < 0.05
    assert woven.std() == pytest.approx(1, abs=0.25)
    spectrum = np.abs(np.fft.fft2(woven))
    row, column = np.unravel_index(spectrum[:, :101].argmax(), (SHAPE[0], 101))
    assert row in (0, 1, SHAPE[0] - 1)  # pieces end
    assert column == pytest.approx(SHAPE[1] / 4, abs=SHAPE[1] / 32)  # as fine as a piece tells


@settings(max_examples=15, deadline=None)
@given(
    hnp.arrays(np.float32, (14, 11, 3), elements=st.floats(0, 1, width=32)),
    hnp.arrays(np.float32, (14, 11), elements=st.floats(0, 1, width=32)),
)
def test_any_picture_stays_one(figure, alpha):
    painting = figure[::-1].copy()
    soft, outline = surface.soften(figure, alpha, painting, 1 - alpha)
    made = surface.grained(soft, outline, painting, 1 - alpha)
    for array in (soft, outline, made):
        assert 0 <= array.min() <= array.max() <= 1
