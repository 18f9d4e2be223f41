"""The measures of a matte: by hand, and by their properties."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from sfumato.errors import UsageError
from sfumato.evaluate.mattes import gradient_error, mse, sad

MEASURES = [sad, mse, gradient_error]
ALPHAS = arrays.arrays(np.float32, (13, 17), elements=st.floats(0, 1, width=32))


def edge(at: int, shape: tuple[int, int] = (40, 60)) -> np.ndarray:
    alpha = np.zeros(shape, np.float32)
    alpha[:, at:] = 1
    return alpha


def test_sums_and_means_by_hand():
    truth, found = edge(30), edge(32)
    assert sad(found, truth) == pytest.approx(80 / 1000)
    assert mse(found, truth) == pytest.approx(80 / 2400)
    assert sad(found / 2, truth) == pytest.approx((80 + 28 * 40 / 2) / 1000)
    assert mse(found / 2, truth) == pytest.approx((80 + 28 * 40 / 4) / 2400)


def test_only_what_counts_is_counted():
    truth, found = edge(30), edge(32)
    where = np.zeros(truth.shape, bool)
    where[:10, 30:35] = True
    assert sad(found, truth, where) == pytest.approx(20 / 1000)
    assert mse(found, truth, where) == pytest.approx(20 / 50)
    nothing = np.zeros(truth.shape, bool)
    assert sad(found, truth, nothing) == 0 == gradient_error(found, truth, nothing)
    assert np.isnan(mse(found, truth, nothing))


def test_the_gradient_is_that_of_the_benchmarks_filters():
    """The two-dimensional kernel written out, for one bright pixel: its squares sum to 1 a
    direction, so that the whole error is 2 against a matte with nothing in it."""
    truth = np.zeros((21, 21), np.float32)
    truth[10, 10] = 1
    assert gradient_error(np.zeros_like(truth), truth) == pytest.approx(2 / 1000)
    y, x = np.mgrid[-4:5, -4:5]
    kernel = x * np.exp(-(x**2 + y**2) / (2 * 1.4**2))
    kernel /= np.sqrt(np.square(kernel).sum())
    corner = np.zeros(truth.shape, bool)
    corner[8, 13] = True  # seen from the pixel: 2 up, 3 to the right
    squares = kernel[2, 7] ** 2 + kernel[7, 2] ** 2
    assert gradient_error(np.zeros_like(truth), truth, corner) == pytest.approx(squares / 1000)


def test_the_gradient_error_sees_what_the_others_forgive():
    """Two mattes as far off in value: one even, one rough."""
    truth = np.full((40, 60), 0.5, np.float32)
    even = truth + np.float32(0.1)
    rough = truth + np.where(np.indices(truth.shape).sum(axis=0) // 2 % 2, 0.1, -0.1)
    rough = rough.astype(np.float32)
    assert sad(even, truth) == pytest.approx(sad(rough, truth))
    assert gradient_error(even, truth) == pytest.approx(0, abs=1e-9)
    assert gradient_error(rough, truth) > 0.001


@given(ALPHAS, ALPHAS)
@settings(max_examples=25, deadline=None)
def test_they_are_distances(found, truth):
    for measure in MEASURES:
        error = measure(found, truth)
        assert error >= 0
        assert measure(truth, truth) == 0
        assert measure(truth, found) == pytest.approx(error)
        # Mirrors and turns change nothing
        assert measure(found.T[::-1], truth.T[::-1]) == pytest.approx(error, rel=1e-4, abs=1e-9)


@given(ALPHAS, ALPHAS, st.integers(1, 12))
@settings(max_examples=25, deadline=None)
def test_sums_add_up(found, truth, row):
    above = np.zeros(truth.shape, bool)
    above[:row] = True
    for measure in (sad, gradient_error):
        parts = measure(found, truth, above) + measure(found, truth, ~above)
        assert parts == pytest.approx(measure(found, truth), rel=1e-6, abs=1e-12)


@pytest.mark.parametrize("measure", MEASURES)
def test_other_shapes_are_refused(measure):
    with pytest.raises(UsageError, match="one shape"):
        measure(np.zeros((4, 5), np.float32), np.zeros((5, 4), np.float32))
    with pytest.raises(UsageError, match="resize"):
        measure(np.zeros((4, 5)), np.zeros((4, 5)), np.ones((3, 5), bool))
