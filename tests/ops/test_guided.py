from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from sfumato.errors import UsageError
from sfumato.ops import guided
from sfumato.ops.trimap import unknown_band

from .. import matting_scenes as scenes

SHAPES = [(1, 1), (1, 2), (1, 500), (500, 1), (2, 2), (3, 5), (17, 300)]


def direct_filter(guide, target, weight, radius: int, eps: float) -> np.ndarray:
    """He 2013, eq. 5-8 and 19-21, window by window, with our weights; cut off at the border."""
    height, width = target.shape
    guide = guide.reshape(height, width, -1).astype(np.float64)
    total, sums = np.zeros(target.shape), np.zeros(target.shape)
    for y in range(height):
        for x in range(width):
            cut = np.s_[max(0, y - radius) : y + radius + 1, max(0, x - radius) : x + radius + 1]
            colours, values = guide[cut].reshape(-1, guide.shape[2]), target[cut].ravel()
            w = (weight[cut].ravel() + guided.FLOOR).astype(np.float64)
            w /= w.sum()
            centred, spread = colours - w @ colours, values - w @ values
            covariance = (w * centred.T) @ centred + eps * np.eye(guide.shape[2])
            a = np.linalg.solve(covariance, (w * centred.T) @ spread)
            explained = a @ (w * centred.T) @ spread
            quality = (explained + guided.NOTHING) / (w @ spread**2 + guided.NOTHING)
            total[cut] += quality * (guide[cut] @ a + w @ values - a @ (w @ colours))
            sums[cut] += quality
    return total / sums


@pytest.mark.parametrize("channels", [(), (3,)])
@pytest.mark.parametrize("trusted", [True, False])
def test_agrees_with_the_formulas_away_from_the_border(channels, trusted):
    rng = np.random.default_rng(3)
    guide = cv2.GaussianBlur(rng.random((24, 28, *channels), dtype=np.float32), (0, 0), 1.5)
    target, weight = rng.random((2, 24, 28), dtype=np.float32)
    if trusted:
        weight = np.ones_like(weight)
    ours = guided.guided_filter(guide, target, 2, 1e-3, weight)
    expected = direct_filter(guide, target, weight, 2, 1e-3)
    inner = np.s_[4:-4, 4:-4]
    np.testing.assert_allclose(ours[inner], expected[inner], atol=1e-5)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("channels", [(), (3,)])
def test_filter_takes_any_size_and_keeps_constants(shape, channels):
    guide = np.random.default_rng(0).random((*shape, *channels), dtype=np.float32)
    target = np.full(shape, 0.3, np.float32)
    out = guided.guided_filter(guide, target, radius=9, eps=1e-4)
    assert out.shape == shape
    np.testing.assert_allclose(out, 0.3, atol=1e-5)


def test_a_flat_guide_gives_no_nan():
    guide = np.full((40, 40, 3), 0.7, np.float32)
    target = np.random.default_rng(0).random((40, 40), dtype=np.float32)
    model, quality = guided.coefficients(guide, target, 4, 1e-7, weight=np.zeros_like(target))
    assert np.isfinite(model).all()
    assert 0 <= quality.min() <= quality.max() < 0.05  # a flat guide explains nothing


@settings(max_examples=30, deadline=None)
@given(
    shape=st.sampled_from([*SHAPES, (30, 40)]),
    seed=st.integers(0, 1000),
    levels=st.sampled_from([2, 3, 100]),
    radius=st.integers(1, 12),
)
def test_refine_stays_in_range_and_leaves_solid_parts_alone(shape, seed, levels, radius):
    rng = np.random.default_rng(seed)
    image = rng.random((*shape, 3), dtype=np.float32)
    coarse = (rng.integers(0, levels, shape) / (levels - 1)).astype(np.float32)
    coarse = cv2.blur(coarse, (3, 3)).reshape(shape) if seed % 2 else coarse
    out = guided.refine(image, coarse, radius, 1e-4, 2)
    assert out.shape == shape
    assert out.dtype == np.float32
    assert np.isfinite(out).all()
    assert 0 <= out.min() <= out.max() <= 1
    solid = ~unknown_band(np.clip((coarse - 0.05) / 0.9, 0, 1).astype(np.float32), radius)
    np.testing.assert_array_equal(out[solid], np.round(coarse)[solid])


@pytest.mark.parametrize("off", [-2, 0, 2])
def test_refine_sharpens_a_blurred_edge_at_the_pictures_edge(off):
    image = np.zeros((80, 80, 3), np.float32)
    image[:, 40:] = (0.9, 0.6, 0.3)
    true = image[..., 0].astype(bool).astype(np.float32)
    coarse = cv2.GaussianBlur(np.roll(true, off, axis=1), (0, 0), 3)[:, 20:60]
    image, true = image[:, 20:60], true[:, 20:60]
    out = guided.refine(image, coarse, radius=8, eps=1e-4, rounds=2)
    assert np.abs(out - true).mean() < 0.4 * np.abs(coarse - true).mean()
    assert (out[:, 20] - out[:, 19]).min() > 0.7  # the step is where the picture's step is


def test_refine_does_not_leak_into_the_same_colour_far_away():
    """Two blobs of one colour, one selected: the other must stay unselected, exactly."""
    image = np.full((120, 120, 3), 0.1, np.float32)
    image[40:80, 20:50] = image[40:80, 70:100] = (0.8, 0.2, 0.2)
    coarse = np.zeros((120, 120), np.float32)
    coarse[42:78, 22:48] = 1
    out = guided.refine(image, cv2.GaussianBlur(coarse, (0, 0), 2), 6, 1e-4, 2)
    assert (out[:, 66:] == 0).all()
    assert (out[52:68, 32:38] == 1).all()


def test_refine_keeps_the_selection_where_colours_do_not_explain_it():
    rng = np.random.default_rng(0)
    image = np.full((80, 80, 3), 0.5, np.float32)  # nothing to see at the selection's edge,
    image[:, ::5] = 0.9  # but stripes across it
    image += rng.normal(0, 0.01, image.shape).astype(np.float32)
    coarse = np.zeros((80, 80), np.float32)
    coarse[40:] = 1
    coarse = cv2.GaussianBlur(coarse, (0, 0), 2)
    out = guided.refine(image, coarse, 8, 1e-4, 2)
    assert np.abs(out - coarse).max() < 0.15


def test_refine_brings_back_hair():
    image, alpha, _, _ = scenes.scene()
    coarse = cv2.GaussianBlur(alpha, (0, 0), 2)
    band = unknown_band(alpha, 5)
    out = guided.refine(image, coarse, 4, 1e-4, 2)
    error, before = (np.square(x - alpha)[band].mean() for x in (out, coarse))
    assert error < 0.6 * before


@pytest.mark.parametrize("kind", [np.uint8, np.float32])
def test_upsample_brings_back_detail_that_the_small_alpha_lost(kind):
    image, alpha, _, _ = scenes.scene(size=384)
    small = cv2.resize(image, (128, 128), interpolation=cv2.INTER_AREA)
    small_alpha = cv2.resize(alpha, (128, 128), interpolation=cv2.INTER_AREA)
    full = np.round(image * 255).astype(np.uint8) if kind is np.uint8 else image
    out = guided.upsample(small_alpha, small, full)
    cubic = cv2.resize(small_alpha, (384, 384), interpolation=cv2.INTER_CUBIC)
    band = unknown_band(alpha, 5)
    error, before = (np.square(x - alpha)[band].mean() for x in (out, cubic))
    assert error < 0.15 * before
    assert (out[alpha == 1] == 1).mean() > 0.96
    assert (out[alpha == 0] == 0).mean() > 0.96


def test_upsample_is_exact_away_from_the_edge_and_shows_no_tiles():
    rng = np.random.default_rng(0)
    small_alpha = np.zeros((100, 80), np.float32)
    small_alpha[30:70, 20:50] = 1
    guide = rng.random((100, 80, 3), dtype=np.float32)
    full = rng.random((1013, 811, 3), dtype=np.float32)
    out = guided.upsample(small_alpha, guide, full)
    assert (out[400:610, 280:430] == 1).all()
    assert (out[:200] == 0).all()
    assert (out[:, 620:] == 0).all()


def test_upsample_does_not_depend_on_tiles(monkeypatch):
    image, alpha, _, _ = scenes.scene(size=300)
    small = cv2.resize(image, (110, 90), interpolation=cv2.INTER_AREA)
    small_alpha = cv2.resize(alpha, (110, 90), interpolation=cv2.INTER_AREA)
    in_one = guided.upsample(small_alpha, small, image)
    whole = guided.tiles
    monkeypatch.setattr(guided, "tiles", lambda shape: whole(shape, 64))
    np.testing.assert_allclose(guided.upsample(small_alpha, small, image), in_one, atol=2e-3)


@pytest.mark.parametrize(
    ("small", "full"), [((1, 1), (1, 7)), ((1, 50), (3, 700)), ((4, 3), (4, 3))]
)
@pytest.mark.parametrize("value", [0, 1])
def test_upsample_of_solid_alphas_of_any_size(small, full, value):
    alpha = np.full(small, value, np.float32)
    photo = np.random.default_rng(0).integers(0, 256, (*full, 3), dtype=np.uint8)
    out = guided.upsample(alpha, np.ones((*small, 3), np.float32), photo)
    assert out.shape == full
    assert (out == value).all()


@given(alpha=arrays.arrays(np.float32, (6, 7), elements=st.floats(0, 1, width=32)))
@settings(max_examples=30, deadline=None)
def test_upsample_stays_in_range(alpha):
    guide = np.random.default_rng(0).random((6, 7, 3), dtype=np.float32)
    photo = np.random.default_rng(1).integers(0, 256, (31, 40, 3), dtype=np.uint8)
    out = guided.upsample(alpha, guide, photo)
    assert np.isfinite(out).all()
    assert 0 <= out.min() <= out.max() <= 1


def test_upsample_says_what_does_not_fit():
    alpha, guide = np.zeros((4, 4), np.float32), np.zeros((4, 4, 3), np.float32)
    with pytest.raises(UsageError, match="size"):
        guided.upsample(alpha, guide[:3], guide)
    with pytest.raises(UsageError, match="colour picture"):
        guided.upsample(alpha, guide, np.zeros((8, 8), np.uint8))
