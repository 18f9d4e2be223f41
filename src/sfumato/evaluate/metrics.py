"""Measures of a segmentation, in NumPy alone.

Those of whole confusion matrices are the ones of Long et al. (FCN, CVPR 2015, section 5): with
``n[i, j]`` = pixels of class i that were taken for class j and ``t[i] = sum_j n[i, j]``,

- pixel accuracy ``sum_i n[i, i] / sum_i t[i]``
- mean accuracy ``(1 / classes) sum_i n[i, i] / t[i]``
- mean IoU ``(1 / classes) sum_i n[i, i] / (t[i] + sum_j n[j, i] - n[i, i])``
- frequency-weighted IoU ``(sum_k t[k])^-1 sum_i t[i] n[i, i] / (t[i] + sum_j n[j, i] - n[i, i])``

They take stacks too, int ``[..., C, C]``, which is how the bootstrap runs them.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from sfumato.errors import UsageError
from sfumato.types import Mask

Labels = NDArray[np.integer[Any]]
"""Class numbers, ``[H, W]``."""

Counts = NDArray[np.integer[Any]]
"""Confusion matrices, ``[..., C, C]``: rows the truth, columns what was predicted."""

Floats = NDArray[np.float64]

TOLERANCE = 0.0075
"""How far an outline may be off, as a share of the picture's diagonal (Csurka et al.)."""

WIDTH = 0.01
"""How far from the true edge the trimap reaches, as a share of the picture's diagonal."""

RESAMPLES = 2000

_CHUNK = 100  # resamples at a time: memory stays small for large sets


@dataclass(frozen=True)
class Interval:
    """A figure and where it would probably lie on other pictures of the kind.

    Attributes:
        value: as measured; NaN where there was nothing to measure.
        low, high: ends of its bootstrap interval.
    """

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.4f} [{self.low:.3f}, {self.high:.3f}]"


def confusion(
    predicted: Labels, truth: Labels, classes: int, ignore: int = 255
) -> NDArray[np.int64]:
    """Pixels by true class (rows) and predicted class (columns): int64 ``[classes, classes]``.

    Args:
        predicted, truth: class numbers ``[H, W]``.
        classes: how many there are.
        ignore: true label of pixels that do not count.

    Raises:
        UsageError: the shapes differ, or a number that counts stands for no class.
    """
    if predicted.shape != truth.shape:
        raise UsageError(
            f"prediction and truth differ in shape: {predicted.shape} and {truth.shape}"
        )
    counted = truth != ignore
    rows, columns = truth[counted].astype(np.int64), predicted[counted].astype(np.int64)
    for name, values in (("truth", rows), ("prediction", columns)):
        if values.size and not (values.min() >= 0 and values.max() < classes):
            raise UsageError(
                f"the {name} holds class {values.min()} to {values.max()}; "
                f"expected 0 to {classes - 1}"
            )
    counts = np.bincount(rows * classes + columns, minlength=classes * classes)
    return counts.reshape(classes, classes)


def pixel_accuracy(counts: Counts) -> Floats:
    """Share of all pixels that are right, ``[...]``."""
    return ratio(_hits(counts).sum(-1), counts.sum((-2, -1)))


def accuracy(counts: Counts) -> Floats:
    """Share of each class's true pixels that were found (its recall), ``[..., C]``."""
    return ratio(_hits(counts), counts.sum(-1))


def mean_accuracy(counts: Counts) -> Floats:
    """Mean of :func:`accuracy` over the classes that the truth has, ``[...]``."""
    return mean(accuracy(counts))


def iou(counts: Counts) -> Floats:
    """Intersection over union of each class, ``[..., C]``; NaN for one that occurs nowhere."""
    hits = _hits(counts)
    return ratio(hits, counts.sum(-1) + counts.sum(-2) - hits)


def mean_iou(counts: Counts) -> Floats:
    """Mean of :func:`iou` over the classes that occur, ``[...]``."""
    return mean(iou(counts))


def frequency_weighted_iou(counts: Counts) -> Floats:
    """IoU weighted by how many true pixels a class has, ``[...]``."""
    true = counts.sum(-1)
    return ratio((true * np.nan_to_num(iou(counts))).sum(-1), true.sum(-1))


def dice(counts: Counts) -> Floats:
    """Dice coefficient (F1) of each class, ``[..., C]``; NaN for one that occurs nowhere."""
    return ratio(2 * _hits(counts), counts.sum(-1) + counts.sum(-2))


def boundary_f(
    predicted: Mask, truth: Mask, tolerance: float = TOLERANCE, valid: Mask | None = None
) -> float:
    """F1 of the outlines (Csurka et al., "What is a good evaluation measure for semantic
    segmentation?", BMVC 2013, section 2.3).

    Precision is the share of the predicted outline's pixels that have one of the true outline
    within reach (Euclidean), recall the same the other way round. A class's outline is its own
    pixels that touch others; the picture's edge makes none.

    Args:
        predicted, truth: bool ``[H, W]``.
        tolerance: the reach, as a share of the diagonal; never less than a pixel.
        valid: outline pixels elsewhere do not count; None = all do.

    Returns:
        0..1; 1 if neither has an outline, 0 if only one has.
    """
    reach = max(1.0, tolerance * float(np.hypot(*truth.shape)))
    ours, theirs = outline(predicted), outline(truth)
    if valid is not None:  # an outline along what is ignored says nothing
        inside = cv2.erode(valid.astype(np.uint8), _CROSS, borderValue=1) > 0
        ours, theirs = ours & inside, theirs & inside
    if not (ours.any() and theirs.any()):
        return float(ours.any() == theirs.any())
    precision = float((_distance(theirs)[ours] <= reach).mean())
    recall = float((_distance(ours)[theirs] <= reach).mean())
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def trimap_iou(
    predicted: Mask, truth: Mask, width: float = WIDTH, valid: Mask | None = None
) -> float:
    """IoU of the pixels near the true edge (Kohli et al., IJCV 2009, section 5).

    Args:
        predicted, truth: bool ``[H, W]``.
        width: how far the band reaches to both sides, as a share of the diagonal; never less
            than a pixel.
        valid: pixels elsewhere do not count; None = all do.

    Returns:
        0..1; NaN where the truth has no edge.
    """
    edge = outline(truth) | outline(~truth)
    if not edge.any():
        return float("nan")
    reach = max(1.0, width * float(np.hypot(*truth.shape)))
    band = _distance(edge) <= reach
    if valid is not None:
        band &= valid
    union = (predicted | truth) & band
    return float((predicted & truth & band).sum() / union.sum()) if union.any() else float("nan")


def outline(mask: Mask) -> Mask:
    """The mask's own pixels that touch (by a side) one that is not in it: bool ``[H, W]``."""
    solid = mask.astype(np.uint8)
    return np.asarray((solid > 0) & (cv2.erode(solid, _CROSS, borderValue=1) == 0))


def bootstrap(
    values: NDArray[Any],
    statistic: Callable[[NDArray[Any]], NDArray[Any]],
    seed: int = 0,
    *,
    resamples: int = RESAMPLES,
    level: float = 0.95,
) -> Interval:
    """A statistic and its percentile bootstrap interval (Efron 1979).

    Args:
        values: one a picture, ``[N, ...]``.
        statistic: from resampled values ``[B, N, ...]`` to ``[B]``.
        seed: of the resampling.
        resamples: how many.
        level: share of the resamples inside the interval.

    Returns:
        All NaN for no values at all. NaN among the resamples is left out.
    """
    nan = float("nan")
    if not len(values):
        return Interval(nan, nan, nan)
    value = float(statistic(values[None])[0])
    rng = np.random.default_rng(seed)
    found: list[NDArray[Any]] = []
    for start in range(0, resamples, _CHUNK):
        rows = rng.integers(0, len(values), (min(_CHUNK, resamples - start), len(values)))
        found.append(statistic(values[rows]))
    known = np.concatenate(found)
    known = known[np.isfinite(known)]
    if not known.size:
        return Interval(value, nan, nan)
    low, high = np.quantile(known, [(1 - level) / 2, (1 + level) / 2])
    return Interval(value, float(low), float(high))


def mean(values: NDArray[Any]) -> Floats:
    """Mean over the last axis, NaN left out; NaN where there is nothing else."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # "mean of empty slice": NaN is meant
        return np.asarray(np.nanmean(values, axis=-1), dtype=np.float64)


def ratio(part: NDArray[Any], whole: NDArray[Any]) -> Floats:
    """Part of the whole, NaN where that is 0."""
    whole = np.asarray(whole, dtype=np.float64)
    share = np.divide(part, whole, out=np.full(whole.shape, np.nan), where=whole > 0)
    return np.asarray(share, dtype=np.float64)


_CROSS = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]], np.uint8)


def _distance(pixels: Mask) -> NDArray[np.float32]:
    """How far each pixel is from the nearest of these."""
    far = cv2.distanceTransform((~pixels).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return np.asarray(far, dtype=np.float32)


def _hits(counts: Counts) -> NDArray[np.integer[Any]]:
    return np.asarray(np.diagonal(counts, axis1=-2, axis2=-1))
