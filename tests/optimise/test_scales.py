"""Coarse to fine: sizes and steps."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest

pytest.importorskip("torch", reason="optimising needs the torch extra")

from hypothesis import given, settings
from hypothesis import strategies as st

from sfumato.optimise.recipe import Recipe
from sfumato.optimise.scales import FEWEST, LEAST_SIDE, MOST, REFERENCE, plan


def _recipe(**changes):
    settings = {"source": "a test", "content": {"relu1_1": 1}, "style": {"relu1_1": 1}, "steps": 80}
    return Recipe(**settings | changes)


@st.composite
def pictures(draw):
    """Height and width of a picture and of a region in it."""
    shape = draw(st.integers(LEAST_SIDE, 5000)), draw(st.integers(LEAST_SIDE, 5000))
    return shape, tuple(draw(st.integers(1, n)) for n in shape)


@settings(max_examples=300, deadline=None)
@given(pictures(), st.integers(1, 2000), st.integers(1, 2000))
def test_sizes_grow_by_the_root_of_two_up_to_the_pictures_own(sizes, smallest, steps):
    shape, region = sizes
    scales = plan(shape, region, _recipe(smallest=smallest, steps=steps))
    assert (scales[-1].height, scales[-1].width) == shape
    for a, b in pairwise(scales):
        for n, m in ((a.height, b.height), (a.width, b.width)):
            assert m / math.sqrt(2) == pytest.approx(n, abs=1)
    for scale in scales:
        assert min(scale.height, scale.width) >= LEAST_SIDE
        assert FEWEST <= scale.steps <= MOST
        # The region has about as many pixels as were asked for, or is at full size.
        extent = max(region) * scale.height / shape[0]
        assert extent >= smallest * 0.98 - 1 or scale == scales[-1]


@settings(max_examples=100, deadline=None)
@given(pictures(), st.integers(16, 512))
def test_no_coarser_scale_is_left_out(sizes, smallest):
    shape, region = sizes
    first = plan(shape, region, _recipe(smallest=smallest))[0]
    extent = max(region) * max(first.height, first.width) / max(shape)
    least = min(first.height, first.width)
    coarser_would_do = (
        extent / math.sqrt(2) > smallest + 2 and least / math.sqrt(2) > LEAST_SIDE + 2
    )
    assert not coarser_would_do


def test_full_size_alone_takes_the_steps_as_they_are():
    for shape in ((33, 47), (512, 512), (4000, 3000)):
        (scale,) = plan(shape, (20, 20), _recipe(smallest=0, steps=5000))
        assert scale == (*shape, 5000)


def test_a_small_picture_has_one_scale():
    scales = plan((60, 90), (60, 90), _recipe(smallest=128))
    assert [scale[:2] for scale in scales] == [(60, 90)]


def test_a_small_region_begins_at_a_finer_scale():
    shape, recipe = (1024, 1024), _recipe(smallest=128)
    whole, half, tiny = (len(plan(shape, (n, n), recipe)) for n in (1024, 512, 100))
    assert (whole, half, tiny) == (7, 5, 1)
    assert len(plan(shape, (10, 1024), recipe)) == whole  # its longer side counts


def test_the_shorter_side_stops_the_shrinking():
    scales = plan((64, 4096), (64, 4096), _recipe(smallest=16))
    assert [scale.height for scale in scales] == [32, 45, 64]


def test_steps_at_the_reference_are_the_recipes_and_more_below_it():
    scales = plan((REFERENCE, 300), (REFERENCE, 300), _recipe(smallest=128, steps=80))
    assert [scale.height for scale in scales] == [128, 181, 256, 362, 512]
    assert scales[-1].steps == 80
    assert scales[-3].steps == 160
    assert [s.steps for s in scales] == sorted((s.steps for s in scales), reverse=True)
    large = plan((4 * REFERENCE, 4 * REFERENCE), (2048, 2048), _recipe(smallest=128, steps=80))
    assert large[-1].steps == 20


def test_cost_is_pixels_times_steps():
    (scale,) = plan((40, 50), (40, 50), _recipe(steps=7))
    assert scale.cost == 40 * 50 * 7
