"""Which rectangles of a picture the net has to look at, so that what is kept costs nothing.

The net reads a picture patch by patch. Each patch answers for its own cells and sees a margin
around them; the summaries of all patches add up to those of the picture. One mechanism serves
three wants: a small region is optimised on its crop, a hole in the region is left out, and a
picture larger than the memory is read in tiles.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from sfumato.types import Mask

CELL = 16
"""Patches begin at multiples of the deepest layer's stride: their cells are the picture's own."""


@dataclass(frozen=True)
class Box:
    """Rows ``top`` to ``bottom`` and columns ``left`` to ``right`` in pixels, ends excluded."""

    top: int
    left: int
    bottom: int
    right: int

    @property
    def area(self) -> int:
        return (self.bottom - self.top) * (self.right - self.left)

    @property
    def slices(self) -> tuple[slice, slice]:
        return slice(self.top, self.bottom), slice(self.left, self.right)

    def grown(self, margin: int, shape: tuple[int, int]) -> Box:
        """With a margin all around, within a picture of this shape."""
        return Box(
            max(0, self.top - margin),
            max(0, self.left - margin),
            min(shape[0], self.bottom + margin),
            min(shape[1], self.right + margin),
        )


@dataclass(frozen=True)
class Patch:
    """A part of the picture that goes through the net in one piece.

    Attributes:
        own: what it answers for.
        seen: ``own`` with its margin.
    """

    own: Box
    seen: Box

    def cells(self, stride: int) -> tuple[slice, slice]:
        """Where ``own`` lies in the patch's activations of this stride."""
        return _cells(self.own, stride, self.seen.top, self.seen.left)

    def cells_of_picture(self, stride: int) -> tuple[slice, slice]:
        """Where ``own`` lies in the whole picture's activations of this stride."""
        return _cells(self.own, stride, 0, 0)


def cover(free: Mask, margin: int, *, most: int | None = None, jitter: int = 0) -> list[Patch]:
    """Patches that together answer for every pixel that may change.

    Args:
        free: bool ``[H, W]``, what may change.
        margin: pixels that a patch sees beyond its own, a multiple of :data:`CELL`.
        most, jitter: see :func:`tiled`.

    Returns:
        Patches whose ``own`` boxes do not overlap; none if nothing is free.
    """
    return tiled(boxes(free, margin), free.shape, margin, most=most, jitter=jitter)


def boxes(free: Mask, margin: int) -> list[Box]:
    """Boxes, as few as save work, around everything that may change; see :func:`cover`."""
    size = (free.shape[0], free.shape[1])
    cells = _any_by_cell(free)
    whole = _bounds(cells, Box(0, 0, *cells.shape))
    if whole is None:
        return []

    def work(box: Box) -> int:
        return _in_pixels(box, size).grown(margin, size).area

    return [_in_pixels(box, size) for box in _cut(cells, whole, work)]


def tiled(
    own: Sequence[Box],
    shape: tuple[int, ...],
    margin: int,
    *,
    most: int | None = None,
    jitter: int = 0,
) -> list[Patch]:
    """Patches that answer for these boxes of a picture of this shape.

    Args:
        own: boxes.
        shape: height and width of the picture.
        margin: as in :func:`cover`.
        most: pixels at most that a patch may see; None = no limit.
        jitter: shifts the cuts between patches, in pixels; from step to step different ones wash
            out what little differs at the cuts.
    """
    size = (shape[0], shape[1])
    if most is not None:
        own = [part for box in own for part in _tiles(box, size, margin, most, jitter)]
    return [Patch(box, box.grown(margin, size)) for box in own]


def _cells(own: Box, stride: int, top: int, left: int) -> tuple[slice, slice]:
    rows = slice((own.top - top) // stride, (own.bottom - top) // stride)
    return rows, slice((own.left - left) // stride, (own.right - left) // stride)


def _any_by_cell(free: Mask) -> Mask:
    """Whether anything is free in each cell: bool ``[ceil(H / CELL), ceil(W / CELL)]``."""
    height, width = free.shape
    padded = np.pad(free, ((0, -height % CELL), (0, -width % CELL)))
    rows, columns = padded.shape[0] // CELL, padded.shape[1] // CELL
    return np.asarray(padded.reshape(rows, CELL, columns, CELL).any(axis=(1, 3)))


def _in_pixels(box: Box, shape: tuple[int, int]) -> Box:
    return Box(
        box.top * CELL,
        box.left * CELL,
        min(box.bottom * CELL, shape[0]),
        min(box.right * CELL, shape[1]),
    )


def _cut(cells: Mask, box: Box, work: Callable[[Box], int]) -> Iterator[Box]:
    """Cut a box of cells again and again while that saves work.

    Work is the pixels that a patch sees: cutting drops empty parts and adds margins.
    """
    best, chosen = work(box), None
    for pieces in _ways_to_cut(cells, box):
        parts = [part for piece in pieces if (part := _bounds(cells, piece))]
        if (needed := sum(map(work, parts))) < best:
            best, chosen = needed, parts
    if chosen is None:
        yield box
        return
    for part in chosen:
        yield from _cut(cells, part, work)


def _ways_to_cut(cells: Mask, box: Box) -> Iterator[Sequence[Box]]:
    """Along each row and column; and around the largest empty part, which no one cut reaches."""
    for row in range(box.top + 1, box.bottom):
        yield (
            Box(box.top, box.left, row, box.right),
            Box(row, box.left, box.bottom, box.right),
        )
    for column in range(box.left + 1, box.right):
        yield (
            Box(box.top, box.left, box.bottom, column),
            Box(box.top, column, box.bottom, box.right),
        )
    hole = _largest_empty(cells, box)
    if hole is not None:
        yield (
            Box(box.top, box.left, hole.top, box.right),
            Box(hole.bottom, box.left, box.bottom, box.right),
            Box(hole.top, box.left, hole.bottom, hole.left),
            Box(hole.top, hole.right, hole.bottom, box.right),
        )
        yield (
            Box(box.top, box.left, box.bottom, hole.left),
            Box(box.top, hole.right, box.bottom, box.right),
            Box(box.top, hole.left, hole.top, hole.right),
            Box(hole.bottom, hole.left, box.bottom, hole.right),
        )


def _largest_empty(cells: Mask, box: Box) -> Box | None:
    """The largest rectangle of a box in which no cell is occupied.

    Row by row, the empty cells above each column form a skyline; the largest rectangle under it
    ends where a column is lower than those before it.
    """
    best, found = 0, None
    heights = np.zeros(box.right - box.left, dtype=int)
    for row in range(box.top, box.bottom):
        heights = np.where(cells[row, box.left : box.right], 0, heights + 1)
        rising: list[tuple[int, int]] = []  # (first column, height), from low to high
        for column, height in enumerate([*heights.tolist(), 0]):
            first = column
            while rising and rising[-1][1] >= height:
                first, tall = rising.pop()
                if (area := tall * (column - first)) > best:
                    best = area
                    left = box.left + first
                    found = Box(row + 1 - tall, left, row + 1, box.left + column)
            rising.append((first, height))
    return found


def _bounds(cells: Mask, box: Box) -> Box | None:
    """The bounding box of the occupied cells within a box, or None; boxes may be empty."""
    inside = cells[box.slices]
    rows, columns = np.flatnonzero(inside.any(1)), np.flatnonzero(inside.any(0))
    if not rows.size:
        return None
    return Box(
        box.top + int(rows[0]),
        box.left + int(columns[0]),
        box.top + int(rows[-1]) + 1,
        box.left + int(columns[-1]) + 1,
    )


def _tiles(box: Box, shape: tuple[int, int], margin: int, most: int, jitter: int) -> Iterator[Box]:
    """A box cut into a grid of tiles that see at most ``most`` pixels each."""
    side = max(CELL, (int(most**0.5) - 2 * margin) // CELL * CELL)
    if box.grown(margin, shape).area <= most:
        yield box
        return
    for top, bottom in _cuts(box.top, box.bottom, side, jitter):
        for left, right in _cuts(box.left, box.right, side, jitter):
            yield Box(top, left, bottom, right)


def _cuts(start: int, stop: int, side: int, jitter: int) -> Sequence[tuple[int, int]]:
    """Equal parts of about ``side``, the cuts at multiples of :data:`CELL`, shifted by jitter."""
    count = max(1, -(-(stop - start) // side))
    step = -(-(stop - start) // count // CELL) * CELL if count > 1 else stop - start
    shift = jitter // CELL * CELL % step if count > 1 else 0
    marks = [start, *range(start + (shift or step), stop, step), stop]
    return list(pairwise(marks))
