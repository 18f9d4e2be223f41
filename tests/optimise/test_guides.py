"""Soft regions on their way through the net."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="optimising needs the torch extra")

from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from sfumato.nets import vgg  # noqa: E402
from sfumato.optimise.guides import LEAST, guide  # noqa: E402

DEEPER = ["relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1"]


@st.composite
def regions(draw):
    """Rectangles of any strength, perhaps several, on pictures of any size."""
    region = np.zeros((draw(st.integers(32, 100)), draw(st.integers(32, 100))), np.float32)
    for _ in range(draw(st.integers(1, 3))):
        (top, bottom), (left, right) = (
            sorted((draw(st.integers(0, n - 1)), draw(st.integers(1, n)))) for n in region.shape
        )
        value = draw(st.floats(0.125, 1, width=32))
        region[top : max(bottom, top + 1), left : max(right, left + 1)] = value
    return region


def _shrunk(region, stride):
    """The plain mean of each cell."""
    height, width = (n // stride for n in region.shape)
    cells = region[: height * stride, : width * stride].reshape(height, stride, width, stride)
    return cells.mean(axis=(1, 3))


@settings(max_examples=60, deadline=None)
@given(regions(), st.sampled_from([*DEEPER, "conv4_2", "relu5_4"]))
def test_guides_are_the_shrunk_region_less_what_is_near_its_edge(region, layer):
    stride = vgg.stride(layer)
    found = guide(region, layer)
    assert found.dtype == torch.float32
    assert tuple(found.shape) == tuple(n // stride for n in region.shape)
    assert 0 <= found.min() <= found.max() <= 1
    whole = _shrunk(region, stride)
    assert (found.numpy() <= whole + 1e-5).all()
    assert found.sum() >= LEAST * whole.sum() * (1 - 1e-5)


@pytest.mark.parametrize("layer", DEEPER)
def test_a_whole_picture_counts_everywhere(layer):
    region = np.ones((65, 47), np.float32)
    assert (guide(region, layer) == 1).all()
    np.testing.assert_array_equal(
        guide(region, layer).shape, _shrunk(region, vgg.stride(layer)).shape
    )


@pytest.mark.parametrize("layer", DEEPER)
def test_the_pictures_border_is_not_an_edge_of_the_region(layer):
    region = np.zeros((256, 512), np.float32)
    region[:, :256] = 1
    found = guide(region, layer)
    assert (found[:, 0] == 1).all()
    assert (found[0] == found[-1]).all()
    assert (found == found[:1]).all()


def test_deeper_layers_keep_farther_away_from_the_edge():
    row, column = np.mgrid[:512, :512] - 256
    region = (np.hypot(row, column) < 200).astype(np.float32)
    depth = [_distance_kept(region, layer) for layer in DEEPER]
    assert all(a < b for a, b in pairwise(depth[1:]))
    assert depth[0] <= 4
    assert depth[-1] >= 32


def _distance_kept(region, layer):
    """Pixels between the disc's edge and the nearest cell that counts fully, about."""
    counted = float((guide(region, layer) > 0.999).sum()) * vgg.stride(layer) ** 2
    return np.sqrt(region.sum() / np.pi) - np.sqrt(counted / np.pi)


def test_thin_regions_are_guided_all_the_same():
    region = np.zeros((256, 256), np.float32)
    region[100:104] = 1
    for layer in DEEPER:
        found = guide(region, layer)
        assert found.sum() * vgg.stride(layer) ** 2 >= LEAST * region.sum()


def test_soft_edges_stay_soft():
    region = np.tile(np.linspace(0, 1, 64, dtype=np.float32), (64, 1))
    found = guide(region, "relu2_1")
    assert len(np.unique(found.numpy())) > 20
    assert (found[:, 1:] >= found[:, :-1]).all()
