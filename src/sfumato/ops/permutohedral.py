"""Gaussian filtering in many dimensions at once, on the permutohedral lattice.

Adams, Baek, Davis, "Fast High-Dimensional Filtering Using the Permutohedral Lattice",
Eurographics 2010: every point is *splatted* onto the d + 1 corners of the simplex that holds it,
the lattice is *blurred* along its d + 1 directions, and the result is *sliced* back at the
points. Time and memory grow with the number of points, not with the volume of the space.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Lattice:
    """A lattice laid over one set of points; filters any values at these points.

    Attributes:
        corners: int32 ``[d + 1, N]``: the numbers of each point's simplex corners.
        shares: float32 ``[d + 1, N]``: the point's barycentric coordinates; they add up to 1.
        neighbours: int32 ``[d + 1, 2, M + 1]``: each corner's neighbours on either side along
            each direction. Number M is a corner that stays empty and stands for "none".
    """

    corners: NDArray[np.int32]
    shares: NDArray[np.float32]
    neighbours: NDArray[np.int32]

    def filter(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Sum of all values, weighted by a Gaussian of standard deviation 1 (up to a factor).

        Args:
            values: float32 ``[N]``.

        Returns:
            float32 ``[N]``. The factor is the same for all points: divide by the result for a
            constant 1 to get a mean.
        """
        count = self.neighbours.shape[2]
        weighted = (self.shares * values).ravel()
        grid = np.bincount(self.corners.ravel(), weighted, count)
        for before, after in self.neighbours:
            grid = 0.5 * grid + 0.25 * (grid[before] + grid[after])
            grid[-1] = 0
        sliced = (self.shares * grid.astype(np.float32)[self.corners]).sum(axis=0)
        return np.asarray(sliced, dtype=np.float32)


def lattice(features: NDArray[np.float32]) -> Lattice:
    """Lay a lattice over points.

    Args:
        features: float32 ``[N, d]``, finite, in units of the Gaussian's standard deviation.
    """
    d = features.shape[1]
    lifted = features @ _lift(d).T  # [N, d + 1], on the plane where coordinates add up to 0
    origin, rank = _simplex(lifted)
    shares = _barycentric((lifted - origin) / (d + 1), rank)
    # Corner k of a simplex: k steps up for the d + 1 - k coordinates that rank first, and
    # k - (d + 1) for the others (Adams 2010, section 3.1: the canonical simplex).
    k = np.arange(d + 1)[:, None, None]
    keys = origin.astype(np.int64) + k - (d + 1) * (rank > d - k)  # [d + 1, N, d + 1]
    codes, units = _encode(keys)
    known, corners = np.unique(codes, return_inverse=True)
    return Lattice(
        corners=corners.reshape(codes.shape).astype(np.int32),
        shares=shares.astype(np.float32),
        neighbours=_neighbours(known, units),
    )


def _lift(d: int) -> NDArray[np.float64]:
    """``[d + 1, d]``: rotates d-space into the lattice's plane, scaled for the blur's width.

    Splat, blur and slice together have a variance of ``2/3 (d + 1)^2`` in lattice units.
    """
    lift = np.triu(np.ones((d + 1, d)))
    lift[np.arange(1, d + 1), np.arange(d)] = -np.arange(1, d + 1)
    return np.asarray(lift * (d + 1) * np.sqrt(2 / 3) / np.linalg.norm(lift, axis=0))


def _simplex(lifted: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """The nearest lattice point whose coordinates all divide by d + 1, and the coordinates'
    order by their distance to it, the largest first: both ``[N, d + 1]``."""
    n = lifted.shape[1]
    origin = np.round(lifted / n) * n
    order = np.argsort(origin - lifted, axis=1, kind="stable")
    rank = np.empty_like(order)
    np.put_along_axis(rank, order, np.broadcast_to(np.arange(n), order.shape), axis=1)
    # Rounding may leave the plane: the coordinates it moved farthest go one step back.
    rank += (origin.sum(axis=1, keepdims=True) / n).round().astype(np.int64)
    back = (rank < 0).astype(np.int64) - (rank >= n)
    return origin + n * back, rank + n * back


def _barycentric(offset: NDArray[np.float64], rank: NDArray[np.int64]) -> NDArray[np.float64]:
    """Shares of the simplex' corners: ``[d + 1, N]`` (Adams 2010, proposition 4.2)."""
    count, n = offset.shape
    ranked = np.empty_like(offset)
    np.put_along_axis(ranked, rank, offset, axis=1)  # the largest offset first
    shares = np.empty((n, count))
    shares[0] = 1 - (ranked[:, 0] - ranked[:, -1])
    shares[1:] = (ranked[:, :-1] - ranked[:, 1:]).T[::-1]
    return shares


def _encode(keys: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """One whole number for each lattice point, and what one step of each coordinate adds to it.

    The last coordinate follows from the others. The code is linear, so that a neighbour's code
    is this code plus a constant; room for a step at both ends keeps rows from wrapping.
    """
    n = keys.shape[-1]
    free = keys[..., :-1]
    low = free.min(axis=(0, 1)) - n
    room = free.max(axis=(0, 1)) - low + n + 1
    units = np.concatenate([[1], np.cumprod(room[:-1])])
    return (free - low) @ units, units


def _neighbours(known: NDArray[np.int64], units: NDArray[np.int64]) -> NDArray[np.int32]:
    d, count = len(units), len(known)
    steps = np.append(units.sum() - (d + 1) * units, units.sum())  # one up, all but one d down
    table = np.full((d + 1, 2, count + 1), count, dtype=np.int32)
    for direction, step in enumerate(steps):
        for side, wanted in enumerate((known - step, known + step)):
            place = np.minimum(np.searchsorted(known, wanted), count - 1)
            table[direction, side, :count] = np.where(known[place] == wanted, place, count)
    return table
