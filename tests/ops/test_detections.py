"""Boxes against boxes; whole detectors are tested with the backend that runs them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfumato.ops.classes import sigmoid
from sfumato.ops.detections import COCO, box_iou, logit, suppress

corners = st.tuples(*[st.integers(0, 20)] * 4).map(
    lambda c: (min(c[0], c[2]), min(c[1], c[3]), max(c[0], c[2]) + 1, max(c[1], c[3]) + 1)
)


def area(box):
    grid = np.zeros((22, 22), bool)
    grid[box[1] : box[3], box[0] : box[2]] = True
    return grid


@given(corners, corners)
def test_iou_is_that_of_the_pixels(a, b):
    (found,) = box_iou(np.array(a, np.float32), np.array([b], np.float32))
    expected = (area(a) & area(b)).sum() / (area(a) | area(b)).sum()
    assert found == pytest.approx(expected, abs=1e-6)


@given(st.lists(st.tuples(corners, st.integers(0, 100), st.integers(0, 1)), min_size=1, max_size=8))
def test_of_what_stays_no_two_overlap_and_each_that_goes_has_a_surer_double(found):
    boxes = np.array([box for box, _, _ in found], np.float32)
    scores = np.array([score for _, score, _ in found], np.float32)
    labels = np.array([label for _, _, label in found])
    kept = suppress(boxes, scores, labels, 0.5)

    def doubles(i, j):
        return labels[i] == labels[j] and box_iou(boxes[i], boxes[j : j + 1])[0] > 0.5

    assert not any(doubles(i, j) for i in kept for j in kept if i != j)
    for gone in set(range(len(found))) - set(kept):
        assert any(doubles(gone, i) and scores[i] >= scores[gone] for i in kept)
    assert list(scores[kept]) == sorted(scores[kept], reverse=True)


def test_logit_undoes_the_sigmoid():
    values = np.linspace(-10, 10, 21, dtype=np.float32)
    np.testing.assert_allclose(logit(sigmoid(values)), values, rtol=0.02)


def test_coco_has_eighty_classes():
    assert len(set(COCO)) == 80
