"""What the net looks at: everything that may change, once, and little else."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("torch", reason="optimising needs the torch extra")

from sfumato.optimise.patches import CELL, cover

STRIDES = (1, 2, 4, 8, 16)
sides = st.integers(1, 150)
margins = st.sampled_from([0, 16, 48])
jitters = st.integers(0, 200)


@st.composite
def masks(draw):
    """A few rectangles, one of them perhaps cut out again."""
    free = np.zeros((draw(sides), draw(sides)), bool)
    for value in draw(st.lists(st.booleans(), max_size=4)):
        (top, bottom), (left, right) = (
            sorted((draw(st.integers(0, n)), draw(st.integers(0, n)))) for n in free.shape
        )
        free[top:bottom, left:right] = value
    return free


@st.composite
def limits(draw):
    """A margin, and a number of pixels that one cell and its margin fit in."""
    margin = draw(margins)
    return margin, (CELL + 2 * margin) ** 2 + draw(st.integers(0, 20_000))


def _times_owned(patches, shape):
    times = np.zeros(shape, int)
    for patch in patches:
        times[patch.own.slices] += 1
    return times


def _work(patches):
    return sum(patch.seen.area for patch in patches)


def _assert_cover(patches, free, margin):
    height, width = free.shape
    times = _times_owned(patches, free.shape)
    assert times.max(initial=0) <= 1
    assert (times[free] == 1).all()
    for patch in patches:
        own, seen = patch.own, patch.seen
        assert own.area > 0
        assert own.top % CELL == own.left % CELL == seen.top % CELL == seen.left % CELL == 0
        assert own.bottom % CELL == 0 or own.bottom == height
        assert own.right % CELL == 0 or own.right == width
        assert seen == own.grown(margin, free.shape)
        assert 0 <= seen.top <= own.top < own.bottom <= seen.bottom <= height
        assert 0 <= seen.left <= own.left < own.right <= seen.right <= width


@settings(max_examples=150, deadline=None)
@given(masks(), margins)
def test_patches_answer_once_for_every_pixel_that_may_change(free, margin):
    _assert_cover(cover(free, margin), free, margin)


@settings(max_examples=150, deadline=None)
@given(masks(), limits(), jitters)
def test_so_do_tiles_and_none_sees_more_than_it_may(free, limit, jitter):
    margin, most = limit
    patches = cover(free, margin, most=most, jitter=jitter)
    _assert_cover(patches, free, margin)
    assert all(patch.seen.area <= most for patch in patches)


def test_no_patch_is_smaller_than_a_cell_however_little_it_may_see():
    free = np.ones((40, 70), bool)
    patches = cover(free, 16, most=100)
    _assert_cover(patches, free, 16)
    assert max(patch.own.area for patch in patches) == CELL**2


@settings(max_examples=60, deadline=None)
@given(masks(), margins)
def test_cutting_never_makes_more_work_than_the_bounding_box(free, margin):
    patches = cover(free, margin)
    if patches:
        tops, lefts, bottoms, rights = zip(
            *((p.seen.top, p.seen.left, p.seen.bottom, p.seen.right) for p in patches), strict=True
        )
        box = (max(bottoms) - min(tops)) * (max(rights) - min(lefts))
        assert _work(patches) <= box


@settings(max_examples=60, deadline=None)
@given(masks(), limits(), jitters)
def test_cells_of_patches_are_the_pictures_own(free, limit, jitter):
    """Means of squares stand in for activations: each patch's are those of the whole picture."""
    margin, most = limit
    picture = np.arange(free.size, dtype=np.float64).reshape(free.shape)
    patches = cover(free, margin, most=most, jitter=jitter)
    for stride in STRIDES:
        of_picture = _means(picture, stride)
        answered = np.zeros(of_picture.shape, int)
        for patch in patches:
            own = _means(picture[patch.seen.slices], stride)[patch.cells(stride)]
            np.testing.assert_array_equal(own, of_picture[patch.cells_of_picture(stride)])
            answered[patch.cells_of_picture(stride)] += 1
        assert answered.max(initial=0) <= 1
        assert (answered[_means(free.astype(float), stride) > 0] == 1).all()


def _means(picture, stride):
    height, width = (n // stride for n in picture.shape)
    squares = picture[: height * stride, : width * stride].reshape(height, stride, width, stride)
    return squares.mean(axis=(1, 3))


def test_the_whole_picture_is_one_patch():
    (patch,) = cover(np.ones((50, 70), bool), 16)
    assert patch.own == patch.seen
    assert patch.own.slices == (slice(0, 50), slice(0, 70))


def test_nothing_free_needs_no_patch():
    assert cover(np.zeros((50, 70), bool), 16) == []


@pytest.mark.parametrize(("row", "column"), [(0, 0), (49, 69), (20, 33), (48, 64)])
def test_a_single_pixel_needs_its_cell(row, column):
    free = np.zeros((50, 70), bool)
    free[row, column] = True
    (patch,) = cover(free, 16)
    assert patch.own.top == row // CELL * CELL
    assert patch.own.left == column // CELL * CELL
    assert patch.own.area <= CELL**2
    assert patch.own.slices == (
        slice(row // CELL * CELL, min(row // CELL * CELL + CELL, 50)),
        slice(column // CELL * CELL, min(column // CELL * CELL + CELL, 70)),
    )


def test_a_small_region_is_worked_on_in_its_crop():
    free = np.zeros((400, 600), bool)
    free[130:170, 210:260] = True
    (patch,) = cover(free, 48)
    assert patch.own.slices == (slice(128, 176), slice(208, 272))
    assert patch.seen.slices == (slice(80, 224), slice(160, 320))


def test_a_hole_is_left_out_where_that_saves_work():
    free = np.ones((640, 640), bool)
    free[64:576, 64:576] = False
    patches = cover(free, 48)
    assert len(patches) > 1
    assert _work(patches) < 0.8 * free.size
    seen = np.zeros(free.shape, bool)
    for patch in patches:
        seen[patch.seen.slices] = True
    assert not seen[128:512, 128:512].any()


def test_a_hole_stays_where_margins_would_cost_more():
    free = np.ones((160, 160), bool)
    free[64:96, 64:96] = False
    assert len(cover(free, 48)) == 1


def test_far_apart_parts_are_seen_apart():
    free = np.zeros((600, 600), bool)
    free[:40, :40] = free[-40:, -40:] = True
    assert len(cover(free, 48)) == 2
    free = np.zeros((64, 96), bool)
    free[:16, :16] = free[-16:, -16:] = True
    assert len(cover(free, 48)) == 1


def test_jitter_moves_the_cuts():
    free = np.ones((400, 500), bool)
    plain, moved = (cover(free, 16, most=160**2, jitter=jitter) for jitter in (0, 3 * CELL))
    assert len(plain) > 1
    inner = [{patch.own.left for patch in patches} - {0} for patches in (plain, moved)]
    assert not inner[0] & inner[1]
    same = cover(free, 16, most=160**2, jitter=CELL - 1)
    assert same == plain  # cuts stay at multiples of a cell
