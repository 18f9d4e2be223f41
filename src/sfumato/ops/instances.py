"""One label, several of its kind: tell them apart and choose one."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from sfumato.types import Alpha, Mask, Segments

SPECK = 0.02
"""Parts smaller than this share of the largest one are specks that belong to nobody."""


def split(segments: Segments, label: str) -> list[Alpha]:
    """Every instance of a label as its own float32 ``[H, W]`` alpha, left to right.

    A segmenter that tells instances apart is taken at its word; otherwise an instance is a
    connected part of the mask (8 neighbours). Soft edge pixels go to the nearest part, and
    specks are left out.
    """
    rows = [i for i, name in enumerate(segments.labels) if name == label]
    if len(rows) > 1:
        soft = segments.masks if segments.soft is None else segments.soft
        parts = [np.asarray(soft[i], dtype=np.float32) for i in rows if segments.masks[i].any()]
    else:
        parts = _connected(segments.select(label), segments.alpha(label))
    return sorted(parts, key=lambda part: _centre(part)[0])


def choose(parts: list[Alpha], pick: str) -> Alpha | None:
    """``largest``, ``central`` or the N-th (from 1) of the parts; None if it does not exist."""
    if not parts:
        return None
    if pick == "largest":
        return max(parts, key=lambda part: float(part.sum()))
    if pick == "central":
        return min(parts, key=_distance_to_centre)
    number = int(pick)
    return parts[number - 1] if number <= len(parts) else None


def nearest_part(mask: Mask) -> tuple[NDArray[np.int32], NDArray[np.intp]]:
    """Number of the connected part (8 neighbours) that lies nearest to each pixel.

    Args:
        mask: bool ``[H, W]``, with some True pixel.

    Returns:
        int32 ``[H, W]``, and the parts' areas in pixels by number (number 0 is nobody's).
    """
    # OpenCV labels the parts of *zero* pixels and hands each label to the pixels around.
    _, nearest = cv2.distanceTransformWithLabels(
        np.where(mask, 0, 1).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_CCOMP
    )
    return np.asarray(nearest, dtype=np.int32), np.bincount(nearest[mask])


def _connected(mask: Mask, alpha: Alpha) -> list[Alpha]:
    if not mask.any():
        return []
    nearest, sizes = nearest_part(mask)
    keep = [i for i, size in enumerate(sizes) if size >= max(1.0, SPECK * sizes.max())]
    return [np.where(nearest == i, alpha, 0).astype(np.float32) for i in keep]


def _centre(part: Alpha) -> tuple[float, float]:
    ys, xs = np.nonzero(part > 0.5)
    if len(xs) == 0:
        ys, xs = np.nonzero(part >= part.max())
    return float(xs.mean()), float(ys.mean())


def _distance_to_centre(part: Alpha) -> float:
    (x, y), (h, w) = _centre(part), part.shape
    return float(((x + 0.5) / w - 0.5) ** 2 + ((y + 0.5) / h - 0.5) ** 2)
