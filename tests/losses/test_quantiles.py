"""Quantile functions of weighted samples, and the distance between them."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="losses need the torch extra")

from hypothesis import given  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from sfumato.losses.quantiles import at_levels, distance, quantiles  # noqa: E402

numbers = st.floats(-10, 10, width=32)
samples = st.lists(numbers, min_size=1, max_size=20)


def _of(values, weights=None):
    values = torch.tensor(values, dtype=torch.float64).reshape(1, -1)
    weights = torch.ones(values.shape[1]) if weights is None else torch.tensor(weights)
    return quantiles(values, weights.double())


@given(st.lists(st.tuples(numbers, numbers), min_size=1, max_size=20))
def test_of_equal_counts_it_is_the_distance_of_sorted_values(pairs):
    a, b = zip(*pairs, strict=True)
    want = np.mean((np.sort(a) - np.sort(b)) ** 2)
    assert distance(_of(a), _of(b)).item() == pytest.approx(want, rel=1e-6, abs=1e-9)


@given(samples, samples)
def test_at_levels_is_numpys_interpolation(a, b):
    found = at_levels(_of(a), _of(b).levels)
    want = np.interp(
        (np.arange(len(b)) + 0.5) / len(b), (np.arange(len(a)) + 0.5) / len(a), sorted(a)
    )
    np.testing.assert_allclose(found[0], want, atol=1e-9)


@given(st.lists(st.tuples(numbers, st.floats(0.01, 5)), min_size=1, max_size=20))
def test_levels_are_the_middles_of_the_shares(pairs):
    values, weights = zip(*sorted(pairs, key=lambda pair: pair[0]), strict=True)
    found = _of(values, weights)
    share = np.array(weights) / np.sum(weights)
    np.testing.assert_allclose(found.values[0], values)
    if len({*values}) == len(values):  # equal values may come in any order
        np.testing.assert_allclose(found.shares[0], share)
        np.testing.assert_allclose(found.levels[0], share.cumsum() - share / 2)


def test_nearly_equal_weights_give_nearly_what_equal_ones_do():
    generator = torch.Generator().manual_seed(0)
    a, b = (torch.randn(4, n, generator=generator, dtype=torch.float64) for n in (50, 31))
    even = distance(quantiles(a, torch.ones(50)), quantiles(b, torch.ones(31)))
    for bent in ((50,), (31,), (50, 31)):
        of_a, of_b = (
            quantiles(x, torch.linspace(1, 1 + (1e-6 if len(x[0]) in bent else 0), len(x[0])))
            for x in (a, b)
        )
        torch.testing.assert_close(distance(of_a, of_b), even, rtol=1e-4, atol=0)


def test_heavier_samples_take_more_of_the_levels():
    one = _of([0.0, 1.0], [3.0, 1.0])
    np.testing.assert_allclose(one.levels[0], [0.375, 0.875])
    # All of the target lies at 2: three quarters have two to go, one quarter has one.
    assert distance(one, _of([2.0, 2.0])).item() == pytest.approx(0.75 * 4 + 0.25)


def test_of_one_sample_or_none():
    assert distance(_of([1.0, 3.0]), _of([2.0])).item() == 1
    assert distance(_of([2.0]), _of([1.0, 3.0])).item() == 0
    assert distance(_of([]), _of([1.0])).item() == 0
    assert distance(_of([1.0]), _of([])).item() == 0


def test_levels_of_very_many_samples_stay_right_in_float32():
    count = 1 << 21
    weights = torch.full((count,), 0.1)
    weights[0] = 0.2  # not all equal: the levels have to be summed up
    found = quantiles(torch.arange(count, dtype=torch.float32)[None], weights)
    want = (np.arange(count) + 1.5) / (count + 1)
    np.testing.assert_allclose(found.levels[0, 1:], want[1:], atol=1e-6)
