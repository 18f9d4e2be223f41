"""Drawn figures: the same by number, exact masks, and what there is to see."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sfumato.data._figures import FINE, Canvas
from sfumato.data._grounds import pattern
from sfumato.data.synthetic import Synthetic, draw
from sfumato.errors import UsageError


@given(st.integers(0, 10**6), st.integers(96, 256))
@settings(max_examples=20, deadline=None)
def test_any_number_and_side(number, side):
    samples = Synthetic(10**6 + 1, side=side)
    sample, again = samples[number], samples[number]
    assert sample.image.shape == (side, side, 3)
    assert sample.image.dtype == sample.mask.dtype == np.uint8
    assert sample.mask.shape == (side, side)
    assert set(np.unique(sample.mask)) <= {0, 1}
    np.testing.assert_array_equal(sample.image, again.image)
    np.testing.assert_array_equal(sample.mask, again.mask)


def test_splits_seeds_and_numbers_differ():
    first = Synthetic(3)[0].image
    for other in (Synthetic(3)[1], Synthetic(3, split="val")[0], Synthetic(3, seed=1)[0]):
        assert (other.image != first).mean() > 0.5


def test_the_mask_is_where_at_least_half_of_a_pixel_is_drawn_on():
    side = 64
    canvas = Canvas.over(np.full((side, side, 3), 40, np.uint8))
    part = canvas.paint((240, 200, 160))
    canvas.oval(np.array([60.0, 70.0]), (31.0, 22.5), 0.4, part)
    image, coverage = canvas.finish()
    share = (image.astype(float) - 40) / (np.array([240, 200, 160]) - 40.0)
    np.testing.assert_allclose(share, np.repeat(coverage[..., None] / 255, 3, axis=2), atol=0.02)
    y, x = np.mgrid[:side, :side] * FINE + FINE / 2  # middles of the pixels on the fine canvas
    dx, dy = x - 60, y - 70
    along, across = dx * np.cos(0.4) + dy * np.sin(0.4), dy * np.cos(0.4) - dx * np.sin(0.4)
    inside = (along / 31) ** 2 + (across / 22.5) ** 2 < 1
    assert ((coverage >= 128) != inside).sum() < 0.06 * inside.sum()
    assert abs(coverage.sum() / 255 * FINE**2 / (np.pi * 31 * 22.5) - 1) < 0.05
    middle = [np.average(axis, weights=coverage) for axis in (x, y)]
    np.testing.assert_allclose(middle, [60, 70], atol=0.2)


def test_nobody_one_or_two_near_and_far():
    masks = [Synthetic(120, side=96)[i].mask for i in range(120)]
    shares = np.array([mask.mean() for mask in masks])
    large = [
        sum(area > 150 for area in cv2.connectedComponentsWithStats(mask)[2][1:, cv2.CC_STAT_AREA])
        for mask in masks
    ]
    assert 2 <= (shares == 0).sum() <= 20
    assert sum(n == 2 for n in large) >= 2
    assert (shares > 0.35).sum() >= 15
    assert ((shares > 0.02) & (shares < 0.25)).sum() >= 12
    assert 0.2 < shares.mean() < 0.4


def test_colour_alone_does_not_tell_people_from_grounds():
    """The best guess from a pixel's colour, learnt from 60 pictures, on 30 others."""
    samples = [Synthetic(90, side=96)[i] for i in range(90)]
    counts = np.zeros((2, 16**3))
    for i in range(60):
        bins = (samples[i].image >> 4).astype(int) @ (256, 16, 1)
        for label in (0, 1):
            counts[label] += np.bincount(bins[samples[i].mask == label], minlength=16**3)
    person = counts[1] / counts.sum(axis=0).clip(1) > 0.35
    hit = union = 0
    for i in range(60, 90):
        guess = person[(samples[i].image >> 4).astype(int) @ (256, 16, 1)]
        truth = samples[i].mask == 1
        hit, union = hit + (guess & truth).sum(), union + (guess | truth).sum()
    assert hit / union < 0.5


def test_the_class_has_its_number_among_others():
    classes = ("background", "dog", "person")
    sample = Synthetic(1, classes=classes)[0]
    np.testing.assert_array_equal(sample.mask, Synthetic(1)[0].mask * 2)
    assert draw(np.random.default_rng(0), 96, "x").name == "x"
    with pytest.raises(UsageError, match="show 'person', not 'dog'"):
        Synthetic(1, classes=("background", "dog"))
    with pytest.raises(UsageError, match="64 to 256 pixels"):
        Synthetic(1, side=63)


@given(st.integers(0, 10**6))
@settings(max_examples=15, deadline=None)
def test_patterns_have_two_colours(seed):
    drawn = pattern(np.random.default_rng(seed), 64, (10, 20, 30), (200, 100, 50))
    assert {tuple(c) for c in drawn.reshape(-1, 3)} <= {(10, 20, 30), (200, 100, 50)}
