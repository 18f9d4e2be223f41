from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sfumato.ops.permutohedral import lattice


def exact_mean(features: np.ndarray, values: np.ndarray) -> np.ndarray:
    distance = np.square(features[:, None] - features[None]).sum(axis=2)
    kernel = np.exp(-distance / 2)
    return kernel @ values / kernel.sum(axis=1)


@pytest.mark.parametrize(("d", "tolerance"), [(1, 0.02), (2, 0.03), (3, 0.05)])
def test_close_to_an_exact_gaussian_filter(d, tolerance):
    rng = np.random.default_rng(d)
    features = rng.uniform(0, 4, (1500, d)).astype(np.float32)
    values = (features[:, 0] > 2).astype(np.float32)
    grid = lattice(features)
    mean = grid.filter(values) / grid.filter(np.ones_like(values))
    assert np.abs(mean - exact_mean(features, values)).mean() < tolerance


@settings(max_examples=40, deadline=None)
@given(
    count=st.integers(1, 60),
    d=st.integers(1, 6),
    scale=st.sampled_from([0.0, 0.1, 1.0, 30.0, 300.0]),
    seed=st.integers(0, 1000),
)
def test_shares_are_barycentric_and_filtering_is_linear_and_positive(count, d, scale, seed):
    rng = np.random.default_rng(seed)
    grid = lattice(rng.normal(0, scale, (count, d)).astype(np.float32))
    assert grid.shares.min() > -1e-5
    np.testing.assert_allclose(grid.shares.sum(axis=0), 1, atol=1e-5)
    a, b = rng.random((2, count), dtype=np.float32)
    np.testing.assert_allclose(
        grid.filter(a + 2 * b), grid.filter(a) + 2 * grid.filter(b), rtol=1e-3, atol=1e-5
    )
    assert grid.filter(a + 0.01).min() > 0


def test_far_away_points_do_not_touch_one_another():
    features = np.array([[0, 0], [0.1, 0], [50, 50]], np.float32)
    grid = lattice(features)
    out = grid.filter(np.array([1, 1, 0], np.float32))
    assert out[2] == 0
    assert out[0] > 0
