"""How well a split into clusters keeps apart what differs: inertia, silhouettes, the elbow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.floating[Any]]
"""Floats ``[N, D]``: N points."""


def inertia(pixels: Rows, owners: NDArray[np.integer[Any]]) -> float:
    """Mean squared distance of the rows from their cluster's mean.

    Args:
        pixels: float ``[N, D]``.
        owners: int ``[N]``, the cluster of each row.
    """
    total = 0.0
    for owner in np.unique(owners):
        own = pixels[owners == owner].astype(np.float64)
        total += float(((own - own.mean(axis=0)) ** 2).sum())
    return total / len(pixels)


def distances(rows: Rows) -> NDArray[np.float64]:
    """Euclidean distances between all rows: ``[N, D]`` -> float64 ``[N, N]``."""
    squares = np.zeros((len(rows), len(rows)))
    for column in rows.T.astype(np.float64):
        squares += (column[:, None] - column) ** 2
    return np.sqrt(squares, out=squares)


def silhouettes(
    apart: NDArray[np.float64], owners: NDArray[np.integer[Any]]
) -> NDArray[np.float64]:
    """How much nearer each row is to its own cluster than to the next one (Rousseeuw 1987).

    ``(b - a) / max(a, b)``: ``a`` the mean distance to the others of its cluster, ``b`` the least
    mean distance to the rows of another one. 1 = well inside, 0 = between two, below = misplaced;
    0 where it is alone in its cluster, or there is one cluster only.

    Args:
        apart: ``[N, N]``, see :func:`distances`.
        owners: int ``[N]``, the cluster of each row.

    Returns:
        float64 ``[N]``, -1..1.
    """
    names, place = np.unique(owners, return_inverse=True)
    counts = np.bincount(place)
    if len(names) < 2:
        return np.zeros(len(owners))
    member = np.zeros((len(owners), len(names)))
    every = np.arange(len(owners))
    member[every, place] = 1
    sums = apart @ member
    own = sums[every, place] / np.maximum(counts[place] - 1, 1)
    means = sums / counts
    means[every, place] = np.inf
    other = means.min(axis=1)
    larger = np.maximum(own, other)
    score = np.divide(other - own, larger, out=np.zeros(len(owners)), where=larger > 0)
    return np.where(counts[place] > 1, score, 0.0)


def knee(x: Sequence[float], y: Sequence[float]) -> int | None:
    """The x at which a falling curve lies furthest below the straight line between its ends.

    Both axes are brought to 0..1 first (Satopää et al. 2011, with no smoothing). None where there
    are fewer than three points, or the curve does not bend that way.
    """
    if len(x) < 3 or y[0] <= y[-1]:
        return None
    across = (np.array(x) - x[0]) / (x[-1] - x[0])
    down = (np.array(y) - y[-1]) / (y[0] - y[-1])
    depth = 1 - across - down
    lowest = int(np.argmax(depth))
    return int(x[lowest]) if depth[lowest] > 1e-9 else None
