"""The measures: by hand, by their properties, and against TorchMetrics."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from sfumato.errors import UsageError
from sfumato.evaluate import metrics
from sfumato.evaluate.metrics import bootstrap, boundary_f, confusion, mean, trimap_iou

from .sets import square

NAN = float("nan")
MATRIX = np.array([[50, 10, 0], [5, 20, 5], [0, 0, 10]])


def test_the_formulas_by_hand():
    assert metrics.pixel_accuracy(MATRIX) == pytest.approx(80 / 100)
    assert metrics.accuracy(MATRIX) == pytest.approx([50 / 60, 20 / 30, 1])
    assert metrics.mean_accuracy(MATRIX) == pytest.approx((50 / 60 + 20 / 30 + 1) / 3)
    iou = [50 / 65, 20 / 40, 10 / 15]
    assert metrics.iou(MATRIX) == pytest.approx(iou)
    assert metrics.mean_iou(MATRIX) == pytest.approx(np.mean(iou))
    weighted = 0.6 * iou[0] + 0.3 * iou[1] + 0.1 * iou[2]
    assert metrics.frequency_weighted_iou(MATRIX) == pytest.approx(weighted)
    assert metrics.dice(MATRIX) == pytest.approx([100 / 115, 40 / 60, 20 / 25])


def test_stacks_give_what_each_matrix_gives():
    stack = np.stack([MATRIX, MATRIX.T, np.eye(3, dtype=int)])
    for measure in (metrics.mean_iou, metrics.pixel_accuracy, metrics.frequency_weighted_iou):
        assert measure(stack) == pytest.approx([float(measure(m)) for m in stack])


def test_a_class_that_occurs_nowhere_is_left_out_of_the_means():
    matrix = np.zeros((3, 3), int)
    matrix[:2, :2] = [[6, 2], [1, 3]]
    assert np.isnan(metrics.iou(matrix)[2])
    assert metrics.mean_iou(matrix) == pytest.approx((6 / 9 + 3 / 6) / 2)
    assert metrics.mean_accuracy(matrix) == pytest.approx((6 / 8 + 3 / 4) / 2)
    assert metrics.frequency_weighted_iou(matrix) == pytest.approx((8 * 6 / 9 + 4 * 3 / 6) / 12)
    assert np.isnan(metrics.mean_iou(np.zeros((3, 3), int)))


def test_rows_are_the_truth_and_ignored_pixels_count_nowhere():
    truth, predicted = np.array([[0, 0, 1, 255]]), np.array([[0, 1, 1, 0]])
    assert confusion(predicted, truth, 2).tolist() == [[1, 1], [0, 1]]
    for wrong in (np.array([[0, 2, 1, 0]]), np.array([[0, -1, 1, 0]])):
        with pytest.raises(UsageError, match="expected 0 to 1"):
            confusion(wrong, truth, 2)
    with pytest.raises(UsageError, match=r"differ in shape: \(1, 4\) and \(4, 1\)"):
        confusion(predicted, truth.T, 2)


LABELS = arrays.arrays(np.uint8, (12, 9), elements=st.integers(0, 2))


@pytest.mark.slow
@given(LABELS, LABELS)
@settings(max_examples=25, deadline=None)
def test_they_are_those_of_torchmetrics(predicted, truth):
    torch = pytest.importorskip("torch")
    functional = pytest.importorskip("torchmetrics.functional.classification")
    truth.flat[:3], predicted.flat[3:6] = [0, 1, 2], [0, 1, 2]  # TorchMetrics counts absent ones
    truth.flat[20] = 255
    p, t = (torch.from_numpy(a.astype(np.int64)) for a in (predicted, truth))
    more = {"num_classes": 3, "ignore_index": 255}
    counts = confusion(predicted, truth, 3)
    assert counts.tolist() == functional.multiclass_confusion_matrix(p, t, **more).tolist()

    def theirs(name, average):
        measure = getattr(functional, f"multiclass_{name}")
        return measure(p, t, average=average, **more).numpy()

    for ours, reference in (
        (metrics.pixel_accuracy, theirs("accuracy", "micro")),
        (metrics.accuracy, theirs("accuracy", "none")),
        (metrics.mean_accuracy, theirs("accuracy", "macro")),
        (metrics.iou, theirs("jaccard_index", "none")),
        (metrics.mean_iou, theirs("jaccard_index", "macro")),
        (metrics.frequency_weighted_iou, theirs("jaccard_index", "weighted")),
        (metrics.dice, theirs("f1_score", "none")),
    ):
        np.testing.assert_allclose(ours(counts), reference, atol=1e-6)


@given(arrays.arrays(np.bool_, (10, 14)), arrays.arrays(np.bool_, (10, 14)))
def test_dice_and_iou_say_the_same(predicted, truth):
    counts = confusion(predicted.astype(int), truth.astype(int), 2)
    iou, dice = metrics.iou(counts)[1], metrics.dice(counts)[1]
    assert np.isnan(dice) if np.isnan(iou) else dice == pytest.approx(2 * iou / (1 + iou))


def test_boundary_f_forgives_what_is_within_reach():
    truth = square(side=100, left=30, top=30, size=40)
    moved = np.roll(truth, 3, axis=1)
    diagonal = np.hypot(100, 100)
    assert boundary_f(truth, truth) == 1
    assert boundary_f(moved, truth, tolerance=3.01 / diagonal) == 1
    # Within a pixel only the upper and lower sides are right: 38 of their 40 pixels, and the one
    # of the left or right side that lies next to them.
    strict = boundary_f(moved, truth, tolerance=1.01 / diagonal)
    assert strict == pytest.approx(2 * 39 / (4 * 40 - 4))


@given(arrays.arrays(np.bool_, (10, 14)), arrays.arrays(np.bool_, (10, 14)))
def test_boundary_f_is_a_fair_share(a, b):
    assert 0 <= boundary_f(a, b) <= 1
    assert boundary_f(a, b) == pytest.approx(boundary_f(b, a))
    assert boundary_f(a, b, tolerance=0.01) <= boundary_f(a, b, tolerance=2)
    assert boundary_f(a, a) == 1


def test_no_outline_at_all():
    nothing, everything = np.zeros((9, 9), bool), np.ones((9, 9), bool)
    assert boundary_f(nothing, nothing) == boundary_f(everything, nothing) == 1
    assert boundary_f(square(9, 3, 3, 3), nothing) == 0
    assert np.isnan(trimap_iou(nothing, everything))


def test_trimap_iou_looks_only_near_the_edge():
    truth = square(side=100, left=20, top=20, size=60)
    hole = truth.copy()
    hole[45:55, 45:55] = False
    assert trimap_iou(hole, truth, 0.03) == 1  # far from the edge
    eaten = square(side=100, left=21, top=21, size=58)
    width = 1 / np.hypot(100, 100)
    # The band: edge pixels of both sides and one more to each; one of the inner two is gone.
    inner = 60**2 - 56**2
    assert trimap_iou(eaten, truth, width) == pytest.approx((58**2 - 56**2) / inner)
    assert trimap_iou(eaten, truth, 0.2) > trimap_iou(eaten, truth, 0.02)


def test_what_is_ignored_makes_no_edge():
    truth = square(side=60, left=20, top=20, size=20)
    valid = np.ones_like(truth)
    valid[:, 30:] = False  # the right half does not count, whatever is found there
    found = truth.copy()
    found[:, 34:] = False
    assert boundary_f(found, truth) < 1
    assert trimap_iou(found, truth) < 1
    assert boundary_f(found, truth, valid=valid) == 1
    assert trimap_iou(found, truth, valid=valid) == 1


def test_the_interval_is_that_of_the_mean_and_repeats():
    values = np.random.default_rng(1).normal(5, 2, 400)
    found = bootstrap(values, mean, seed=3)
    half = 1.96 * values.std() / 20
    assert found.value == pytest.approx(values.mean())
    assert (found.low, found.high) == pytest.approx(
        (values.mean() - half, values.mean() + half), abs=0.03
    )
    assert bootstrap(values, mean, seed=3) == found != bootstrap(values, mean, seed=4)
    assert found.low < bootstrap(values, mean, level=0.5).low


def test_intervals_of_little():
    assert str(bootstrap(np.array([]), mean)) == "nan [nan, nan]"
    one = bootstrap(np.array([0.25]), mean)
    assert (one.value, one.low, one.high) == (0.25, 0.25, 0.25)
    assert bootstrap(np.array([NAN, 0.5]), mean).value == 0.5
    assert np.isnan(bootstrap(np.array([NAN, NAN]), mean).low)


@pytest.mark.slow
def test_the_interval_holds_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(0)
    draws = [bootstrap(rng.exponential(1, 60), mean, i, resamples=500) for i in range(300)]
    assert 0.88 < np.mean([d.low <= 1 <= d.high for d in draws]) <= 0.98
