"""Cells: the unit square cut into labelled pieces, their colours and their borders."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from sfumato.drawn._colour import Floats

Labels = NDArray[np.int32]


def voronoi(points: Floats, size: int) -> Labels:
    """Index of the nearest of ``points`` ``[N, 2]`` (unit coordinates): int32 ``[size, size]``.

    Points that fall on one pixel share a cell; points outside the square are clamped to its rim.
    """
    index = np.clip((points * size).astype(np.int32), 0, size - 1)
    seeds = np.ones((size, size), dtype=np.uint8)
    seeds[index[:, 1], index[:, 0]] = 0
    _, nearest = cv2.distanceTransformWithLabels(
        seeds, cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL
    )
    owner = np.zeros(int(nearest.max()) + 1, dtype=np.int32)
    owner[nearest[index[:, 1], index[:, 0]]] = np.arange(len(points))
    return np.asarray(owner[nearest], dtype=np.int32)


def border_distance(labels: Labels) -> Floats:
    """Distance to the nearest border between two labels, in units of the side."""
    inside = np.ones(labels.shape, dtype=np.uint8)
    inside[:-1] &= (labels[:-1] == labels[1:]).astype(np.uint8)
    inside[:, :-1] &= (labels[:, :-1] == labels[:, 1:]).astype(np.uint8)
    distance = cv2.distanceTransform(inside, cv2.DIST_L2, cv2.DIST_MASK_5)
    return np.asarray(distance, dtype=np.float32) / np.float32(labels.shape[0])


def merge(*layers: Labels) -> tuple[Labels, NDArray[np.int64], NDArray[np.int64]]:
    """Common refinement of several labellings.

    Returns:
        ``labels``: int32 ``[S, S]``, renumbered from 0 to P - 1.
        ``first``: ``[P]``, flat index of one pixel of each label, to look up what it is made of.
        ``keys``: ``[P]``, a number for each label that is the same at every size (for
        :func:`thrown`), although small panes come and go with the size.
    """
    joint = np.zeros(layers[0].shape, dtype=np.int64)
    for layer in layers:
        joint = joint * 1009 + layer
    keys, first, labels = np.unique(joint, return_index=True, return_inverse=True)
    return labels.reshape(joint.shape).astype(np.int32), first, keys


def thrown(dice: NDArray[Any], keys: NDArray[np.int64]) -> NDArray[Any]:
    """One throw a label out of a table of random numbers ``[T, ...]`` -> ``[P, ...]``."""
    return np.asarray(dice[keys % len(dice)])
