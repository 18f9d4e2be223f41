"""The tools that the drawn styles share."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sfumato.drawn import _cells, _colour, _field, _strokes

RNG = np.random.default_rng


def test_palette_reads_hex_words():
    assert _colour.palette("#ff0080 #000000").tolist() == [[1, 0, np.float32(128 / 255)], [0, 0, 0]]


@settings(deadline=None)
@given(st.lists(st.floats(0, 1), min_size=3, max_size=3))
def test_lab_goes_there_and_back(colour):
    rgb = np.asarray([colour], np.float32)
    assert np.allclose(_colour.to_rgb(_colour.to_lab(rgb)), rgb, atol=8e-3)


def test_ramp_starts_and_ends_with_its_colours_and_is_lighter_in_between():
    inks = _colour.palette("#0b1d51 #ffd35c")
    ramp = _colour.ramp(inks, np.linspace(0, 1, 5))
    assert np.allclose(ramp[[0, -1]], inks, atol=5e-3)
    assert (np.diff(_colour.to_lab(ramp)[:, 0]) > 0).all()


def test_multiply_prints_like_transparent_ink():
    white, ink = np.ones((1, 2, 3)), np.asarray([0.2, 0.5, 1.0])
    printed = _colour.multiply(white, ink, np.asarray([[0.0, 1.0]]))
    assert np.allclose(printed[0], [[1, 1, 1], ink])


@pytest.mark.parametrize("cells", [1, 3, 40, 300])
def test_noise_is_about_minus_one_to_one(cells):
    field = _field.noise(RNG(0), 128, cells)
    assert field.shape == (128, 128)
    assert np.abs(field).max() < 1.5
    assert field.std() > 0.05


@pytest.mark.parametrize("cells", [3, 20])
def test_noise_is_the_same_field_at_every_size(cells):
    small = _field.noise(RNG(0), 128, cells)
    large = _field.shrink(_field.noise(RNG(0), 256, cells), 2)
    assert np.abs(small - large).max() < 0.05


def test_flat_ground_is_lit_evenly_and_slopes_towards_the_light_are_brighter():
    shade, _ = _field.relief(np.full((16, 16), 0.5), 0.1)
    assert np.allclose(shade, 1)
    x, _ = _field.grid(16)
    rising, _ = _field.relief(
        x, 0.1, angle=np.pi
    )  # light from the left, ground rising to the right
    assert (rising[:, 1:-1] > 1).all()


def test_warp_by_nothing_changes_nothing():
    field = _field.fractal(RNG(0), 32, 4)
    still = np.zeros_like(field)
    assert np.allclose(_field.warp(field, still, still), field, atol=1e-5)


def test_voronoi_gives_every_pixel_its_nearest_point():
    points = RNG(0).uniform(0.02, 0.98, (12, 2))
    labels = _cells.voronoi(points, 64)
    x, y = _field.grid(64)
    distance = np.hypot(x[..., None] - points[:, 0], y[..., None] - points[:, 1])
    mine = np.take_along_axis(distance, labels[..., None], -1)[..., 0]
    assert (mine - distance.min(-1)).max() < 2 / 64  # points are rounded to pixels
    assert set(np.unique(labels)) == set(range(12))


def test_border_distance_is_zero_on_borders_only():
    labels = np.zeros((8, 8), np.int32)
    labels[:, 4:] = 1
    distance = _cells.border_distance(labels)
    assert (distance[:, 3] == 0).all()
    assert (np.delete(distance, 3, axis=1) > 0).all()


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_merge_is_the_common_refinement(seed):
    a, b = RNG(seed).integers(0, 4, (2, 6, 6)).astype(np.int32)
    labels, first, keys = _cells.merge(a, b)
    pairs = {(p, q): k for p, q, k in zip(a.flat, b.flat, labels.flat, strict=True)}
    assert len(pairs) == labels.max() + 1 == len(first) == len(set(keys))
    assert all(labels.flat[i] == n for n, i in enumerate(first))
    assert [pairs[a.flat[i], b.flat[i]] for i in first] == list(range(len(first)))


def test_scatter_covers_the_square_evenly():
    points = _strokes.scatter(RNG(0), 0.05)
    counts, *_ = np.histogram2d(*points.T, bins=5, range=[(0, 1), (0, 1)])
    assert counts.min() > 0.7 * counts.mean()
    assert counts.max() < 1.3 * counts.mean()


def test_traces_follow_the_field_and_are_centred():
    angle = np.full((_strokes.FIELD, _strokes.FIELD), np.pi / 6)
    start = np.asarray([[0.5, 0.4]])
    path = _strokes.trace(angle, start, np.asarray([0.2]), 5)
    assert np.allclose(path[0, 2], start[0])
    assert np.allclose(np.arctan2(*(path[0, -1] - path[0, 0])[::-1]), np.pi / 6)
    assert np.linalg.norm(path[0, -1] - path[0, 0]) == pytest.approx(0.2)


def test_painting_covers_the_canvas_in_the_colours_of_the_scene():
    red = np.broadcast_to(_colour.palette("#c03020"), (_strokes.FIELD, _strokes.FIELD, 3))
    canvas = _strokes.new_canvas(64, np.zeros(3))
    brush = _strokes.Brush(0.03, 0.15, 0.06, lightness=0, tint=0, streaks=0)
    _strokes.paint(canvas, red, np.zeros(red.shape[:2]), brush, RNG(0))
    covered = np.abs(canvas[..., :3].astype(int) - (192, 48, 32)).max(-1) <= 3
    assert covered.mean() > 0.99


def test_where_keeps_strokes_away():
    scene = np.ones((_strokes.FIELD, _strokes.FIELD, 3))
    canvas = _strokes.new_canvas(64, np.zeros(3))
    nowhere = np.zeros(scene.shape[:2])
    _strokes.paint(canvas, scene, nowhere, _strokes.Brush(0.1, 0.1, 0.1), RNG(0), where=nowhere)
    assert not canvas[..., :3].any()
