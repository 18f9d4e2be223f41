import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sfumato.ops.pyramid import agreement, collapse, extended, gaussian, laplacian, multiband

shapes = st.tuples(st.integers(1, 40), st.integers(1, 40))


@given(shapes, st.integers(0, 6), st.integers(0, 99))
def test_a_collapsed_pyramid_is_the_plane_again(shape, levels, seed):
    plane = np.random.default_rng(seed).random(shape, dtype=np.float32)
    assert np.abs(collapse(laplacian(plane, levels)) - plane).max() < 1e-5


def test_each_level_is_half_the_size_rounded_up():
    shapes = [p.shape for p in gaussian(np.zeros((13, 500), np.float32), 3)]
    assert shapes == [(13, 500), (7, 250), (4, 125), (2, 63)]


def test_bands_of_a_constant_are_empty():
    *bands, rest = laplacian(np.full((37, 21), 0.3, np.float32), 4)
    assert max(np.abs(b).max() for b in bands) < 1e-6
    assert rest == pytest.approx(np.full(rest.shape, 0.3), abs=1e-6)


def test_extension_keeps_the_known_and_carries_on_what_is_near():
    plane = np.where(np.arange(64) < 32, 0.7, 99).astype(np.float32) * np.ones((64, 1), np.float32)
    weight = (plane < 1).astype(np.float32)
    filled = extended(plane, weight, 8)
    assert (filled[weight == 1] == plane[weight == 1]).all()
    assert np.abs(filled - 0.7).max() < 0.01


@pytest.mark.parametrize("shape", [(1, 1), (1, 50), (3, 2)])
def test_extension_of_nothing_is_0(shape):
    assert (extended(np.ones(shape, np.float32), np.zeros(shape, np.float32), 5) == 0).all()


def scene():
    """A person-like disc on a wall, and a painting of it: other colours for both."""
    disc = np.zeros((256, 256), np.float32)
    cv2.circle(disc, (128, 128), 70, 1, -1)
    photo = disc[..., None] * np.float32([0.9, 0.4, 0.2]) + (1 - disc[..., None]) * 0.8
    painting = disc[..., None] * np.float32([0.9, 0.8, 0.1]) + (1 - disc[..., None]) * np.float32(
        [0.1, 0.2, 0.7]
    )
    return painting.astype(np.float32), photo.astype(np.float32), disc


def test_agreement_tells_a_surface_from_a_silhouette():
    painting, photo, disc = scene()
    along = np.zeros((256, 256), np.float32)
    along[:30] = 1
    assert agreement(painting, photo, along)[30].min() > 0.95
    outline = cv2.Canny((disc * 255).astype(np.uint8), 50, 100) > 0
    assert agreement(painting, photo, 1 - disc)[outline].max() < 0.05


def test_a_silhouette_gets_no_halo():
    painting, photo, disc = scene()
    result = multiband(painting, photo, 1 - disc, 30)
    assert np.abs(result - np.where(disc[..., None] == 1, photo, painting)).max() < 0.03


def test_broad_colours_change_over_slowly_and_deep_inside_nothing_changes():
    foreground = np.full((100, 300, 3), 0.2, np.float32)
    background = np.full((100, 300, 3), 0.8, np.float32)
    alpha = np.zeros((100, 300), np.float32)
    alpha[:, 100:] = 1
    row = multiband(foreground, background, alpha, 40)[50, :, 0]
    assert (row[:100] == np.float32(0.8)).all()
    assert (row[200:] == np.float32(0.2)).all()
    assert np.abs(np.diff(row)).max() < 0.06
    assert (np.diff(row) <= 1e-6).all()


def test_fine_strokes_begin_beside_the_border():
    x = np.arange(300)
    strokes = np.where(x % 4 < 2, 0.2, 0.4).astype(np.float32)
    foreground = np.broadcast_to(strokes[None, :, None], (100, 300, 3)).copy()
    background = np.full((100, 300, 3), 0.8, np.float32)
    alpha = np.zeros((100, 300), np.float32)
    alpha[:, 100:] = 1
    row = multiband(foreground, background, alpha, 60)[50, :, 0]
    assert np.ptp(row[106:110]) > 0.15  # full contrast of the strokes ...
    assert row[104:112].mean() > 0.6  # ... while the colour is still near the photo's


@settings(max_examples=25, deadline=None)
@given(shapes, st.integers(0, 99), st.floats(0.5, 60))
def test_no_colour_under_an_opaque_region_border_is_new(shape, seed, reach):
    rng = np.random.default_rng(seed)
    foreground, background = rng.random((2, *shape, 3), dtype=np.float32)
    alpha = (rng.random(shape) > 0.5).astype(np.float32)
    result = multiband(foreground, background, alpha, reach)
    assert (result[alpha == 0] == background[alpha == 0]).all()
    same = multiband(background, background, alpha, reach)
    assert np.abs(same - background).max() < 1e-6


@settings(max_examples=25, deadline=None)
@given(st.sampled_from([(700, 40), (64, 64), (1, 300), (5, 5)]), st.integers(0, 99))
def test_agreement_stays_within_its_range(shape, seed):
    rng = np.random.default_rng(seed)
    foreground, background = rng.random((2, *shape, 3), dtype=np.float32)
    alpha = np.zeros(shape, np.float32)
    alpha[rng.integers(shape[0]) :, rng.integers(shape[1]) :] = 1
    agreed = agreement(foreground, background, alpha)
    assert agreed.shape == shape
    assert agreed.min() >= 0
    assert agreed.max() <= 1 + 1e-5


def test_a_far_reach_reaches_far_and_stays_between_the_two_colours():
    foreground = np.full((100, 1000, 3), 0.2, np.float32)
    background = np.full((100, 1000, 3), 0.8, np.float32)
    alpha = np.ones((100, 1000), np.float32)
    alpha[:, :100] = 0
    row = multiband(foreground, background, alpha, 500)[50, :, 0]
    assert row[250] > 0.7
    assert row[900] == pytest.approx(0.2, abs=1e-3)
    assert row.min() > 0.19
    assert row.max() < 0.81
