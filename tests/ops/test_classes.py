"""From class probabilities to segments."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from sfumato.ops.classes import segments, sigmoid, softmax

logits = arrays(
    np.float32,
    array_shapes(min_dims=3, max_dims=3, max_side=5),
    elements=st.floats(-1e4, 1e4, width=32),
)


@given(logits)
def test_softmax_gives_probabilities(values):
    found = softmax(values)
    assert np.isfinite(found).all()
    assert (found >= 0).all()
    assert (found <= 1).all()
    if len(values) > 1:
        np.testing.assert_allclose(found.sum(axis=0), 1, rtol=1e-5)
        np.testing.assert_array_equal(
            found.max(axis=0), np.take_along_axis(found, values.argmax(axis=0)[None], axis=0)[0]
        )


def test_two_classes_are_one_sigmoid():
    values = np.linspace(-8, 8, 33, dtype=np.float32).reshape(1, 1, 33)
    both = softmax(np.concatenate([np.zeros_like(values), values]))
    np.testing.assert_allclose(both[1], sigmoid(values)[0], atol=1e-6)
    assert sigmoid(np.array([-1e30, 0, 1e30], np.float32)) == pytest.approx([0, 0.5, 1])


def test_each_winning_class_is_a_segment():
    maps = np.zeros((4, 2, 3), np.float32)
    maps[0, 0] = maps[1, 1, :2] = maps[3, 1, 2] = 0.7
    found = segments(maps, ("background", "cat", "dog", "cow"), (2, 3, 3))
    assert found.labels == ("cat", "cow")
    assert found.scores == pytest.approx((0.7, 0.7))
    np.testing.assert_array_equal(found.select("cat"), maps[1] > 0)
    np.testing.assert_array_equal(found.alpha("cow"), maps[3])
    assert segments(maps[:1], ("background",), (2, 3)).labels == ()


def test_at_least_leaves_out_the_unsure():
    maps = np.array([[[0.9, 0.4]], [[0.1, 0.6]]], np.float32)
    found = segments(maps, ("cat", "dog"), (1, 2))
    assert found.at_least(0.8).labels == ("cat",)
    assert found.at_least(0.8).soft.shape == (1, 1, 2)
    assert found.at_least(1).masks.shape == (0, 1, 2)
