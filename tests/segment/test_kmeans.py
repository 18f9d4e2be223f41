"""Colour clusters: what they are called, what they recover, and how often they agree."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sfumato import registry
from sfumato.errors import UsageError
from sfumato.segment.kmeans import Options, build
from sfumato.types import Context

COLOURS = np.array([(0.1, 0.2, 0.7), (0.8, 0.7, 0.2), (0.2, 0.6, 0.2), (0.9, 0.9, 0.9)], np.float32)


def stripes(heights: tuple[int, ...], width: int = 60) -> tuple[np.ndarray, np.ndarray]:
    """A picture of coloured stripes, and the number of the stripe for each pixel."""
    owner = np.repeat(np.arange(len(heights)), heights)[:, None].repeat(width, axis=1)
    return COLOURS[owner], owner


def test_recovers_colour_regions_exactly_largest_first():
    image, owner = stripes((10, 40, 20, 30))
    segments = build(Options(clusters=4), Context(seed=3))(image)
    assert segments.labels == ("1", "2", "3", "4")
    for label, stripe in zip(segments.labels, (1, 3, 2, 0), strict=True):
        np.testing.assert_array_equal(segments.select(label), owner == stripe)


def test_recovers_regions_under_grain():
    image, owner = stripes((10, 40, 20, 30))
    noise = np.random.default_rng(0).normal(0, 0.03, image.shape)
    image = np.clip(image + noise, 0, 1).astype(np.float32)
    segments = build(Options(clusters=4), Context())(image)
    found = np.argmax(segments.masks, axis=0)
    assert (found == np.array([3, 0, 2, 1])[owner]).mean() > 0.995


@settings(max_examples=25, deadline=None)
@given(
    height=st.integers(1, 24),
    width=st.integers(1, 24),
    clusters=st.integers(2, 16),
    levels=st.integers(1, 6),
    position=st.sampled_from([0, 0.5]),
    seed=st.integers(0, 2**40),
)
def test_is_a_partition_in_order_of_area(height, width, clusters, levels, position, seed):
    rng = np.random.default_rng(seed)
    image = (rng.integers(0, levels, (height, width, 3)) / max(levels - 1, 1)).astype(np.float32)
    options = Options(clusters=clusters, position=position, smooth=0)
    segments = build(options, Context(seed=seed))(image)
    assert 1 <= len(segments.labels) <= clusters
    np.testing.assert_array_equal(segments.masks.sum(axis=0), 1)
    areas = segments.masks.sum(axis=(1, 2))
    assert (areas > 0).all()
    assert list(areas) == sorted(areas, reverse=True)
    again = build(options, Context(seed=seed))(image)
    np.testing.assert_array_equal(again.masks, segments.masks)


def test_fewer_colours_than_clusters_give_fewer_clusters():
    image, owner = stripes((20, 10))
    segments = build(Options(clusters=9, smooth=0), Context())(image)
    assert segments.labels == ("1", "2")
    np.testing.assert_array_equal(segments.select("1"), owner == 0)
    assert not segments.select("3").any()


@pytest.mark.parametrize("shape", [(1, 1), (1, 500), (500, 1), (37, 53)])
def test_a_flat_picture_is_one_cluster(shape):
    image = np.full((*shape, 3), 0.4, dtype=np.float32)
    image.flat[0] += 0.001  # less than can be seen
    segments = build(Options(), Context())(image)
    assert segments.labels == ("1",)
    assert segments.masks.all()


def test_position_parts_equal_colours_that_lie_apart():
    image, _ = stripes((40, 20, 40))
    image[60:] = image[:40]
    by_colour = build(Options(clusters=3), Context())(image)
    by_place = build(Options(clusters=3, position=1), Context())(image)
    assert by_colour.labels == ("1", "2")
    assert by_colour.masks[0, 0, 0]
    assert by_colour.masks[0, -1, 0]
    top, bottom = (np.argmax(by_place.masks[:, row, 0]) for row in (5, 95))
    assert top != bottom


def test_large_pictures_are_learned_from_a_sample_and_assigned_whole():
    image, owner = stripes((200, 400), width=300)
    segments = build(Options(clusters=2), Context())(image)
    np.testing.assert_array_equal(segments.select("1"), owner == 1)


@pytest.mark.parametrize("clusters", [1, 17])
def test_refuses_too_few_or_many(clusters):
    with pytest.raises(UsageError, match=r"kmeans\.clusters"):
        registry.build("segment", "kmeans", Context(), {"clusters": clusters})
