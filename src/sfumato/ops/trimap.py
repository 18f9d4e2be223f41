"""Which pixels of a selection are certain, and which are still to be decided.

A matte is worked out only in a narrow *unknown band* around the selection's edge. Everything else
is solid and stays exactly 0 or 1, so that what is kept of a photo stays bit-identical.
"""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np

from sfumato.errors import UsageError
from sfumato.types import Alpha, Image, Mask

Tile = tuple[slice, slice]
"""Rows and columns of a rectangle of pixels."""


def check_pair(image: Image, alpha: Alpha) -> None:
    """Make sure that a picture and a selection belong together.

    Args:
        image: ``[H, W, 3]``.
        alpha: ``[H, W]``.

    Raises:
        UsageError: a wrong shape, no pixel at all, or values that are not finite numbers.
    """
    if image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
        raise UsageError(f"expected a colour picture [H, W, 3], got shape {image.shape}")
    if alpha.shape != image.shape[:2]:
        raise UsageError(
            f"the selection must have the picture's size: expected {image.shape[:2]}, "
            f"got {alpha.shape}; resize it first"
        )
    if not np.isfinite(image.sum(dtype=np.float64) + alpha.sum(dtype=np.float64)):
        raise UsageError("the picture or the selection holds NaN or infinity; clean it first")


def pixels(fraction: float, shape: tuple[int, ...], least: int = 1) -> int:
    """A length given as a fraction of the picture's longer side, in whole pixels."""
    return max(least, round(fraction * max(shape[:2])))


def unknown_band(alpha: Alpha, radius: int, solid: float = 0.0) -> Mask:
    """Pixels within ``radius`` of any that is not solid background or solid foreground.

    Args:
        alpha: ``[H, W]``, 0..1.
        radius: in pixels, at least 1.
        solid: values up to this far from 0 or 1 count as solid.

    Returns:
        bool ``[H, W]``; True = undecided. Between solid 0 and solid 1 there is always a band.
    """
    above = (alpha > solid).astype(np.uint8)  # not surely background
    below = (alpha < 1 - solid).astype(np.uint8)  # not surely foreground
    # A square is separable and so an order of magnitude faster than a disc at these radii.
    element = np.ones((2 * radius + 1, 2 * radius + 1), np.uint8)
    # The border of the picture is not an edge of the selection: OpenCV's default border is
    # neutral for both operations.
    return np.minimum(cv2.dilate(above, element), cv2.dilate(below, element)) > 0


def stretch(alpha: Alpha, ends: float) -> Alpha:
    """Spread values so that those within ``ends`` of 0 or 1 become exactly 0 or 1."""
    return np.asarray(np.clip((alpha - ends) / (1 - 2 * ends), 0, 1), dtype=np.float32)


def bounds(mask: Mask, margin: int) -> Tile | None:
    """The smallest rectangle around all True pixels, grown by a margin; None if there is none."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if rows.size == 0:
        return None
    tile = (slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1))
    return with_margin(tile, margin, mask.shape)[0]


def rectangle(corners: tuple[float, float, float, float], shape: tuple[int, ...]) -> Tile:
    """The whole pixels of ``x0, y0, x1, y1``, at least one, inside a picture of this shape.

    Args:
        corners: in pixels, x0 < x1 and y0 < y1; the upper left one lies in the picture.
        shape: height and width.
    """
    x0, y0, x1, y1 = corners
    left, top = min(round(x0), shape[1] - 1), min(round(y0), shape[0] - 1)
    return slice(top, max(top + 1, round(y1))), slice(left, max(left + 1, round(x1)))


def tiles(shape: tuple[int, ...], size: int = 256) -> Iterator[Tile]:
    """Cut a picture of this shape into rectangles of at most ``size`` x ``size`` pixels."""
    height, width = shape[:2]
    for top in range(0, height, size):
        for left in range(0, width, size):
            yield (
                slice(top, min(top + size, height)),
                slice(left, min(left + size, width)),
            )


def with_margin(tile: Tile, margin: int, shape: tuple[int, ...]) -> tuple[Tile, Tile]:
    """The tile grown by a margin as far as the picture goes, and the tile's place inside that."""
    grown = tuple(
        slice(max(0, part.start - margin), min(length, part.stop + margin))
        for part, length in zip(tile, shape, strict=False)
    )
    place = tuple(
        slice(part.start - outer.start, part.stop - outer.start)
        for part, outer in zip(tile, grown, strict=True)
    )
    return (grown[0], grown[1]), (place[0], place[1])
