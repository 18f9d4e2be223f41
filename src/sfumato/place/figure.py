"""The figure that is placed, and where it stands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from sfumato.errors import NothingFoundError
from sfumato.ops.resize import resize
from sfumato.types import Alpha, Image, Matte

SOLID, FAINT = 0.5, 0.02
"""Alpha from which on a pixel is the figure's beyond doubt, and at all."""

TOUCH = 0.004
"""A figure this near to the photo's border, as a share of its longer side, is cut by it."""


class Sides(NamedTuple):
    """Something for each side of a box."""

    left: float
    top: float
    right: float
    bottom: float


@dataclass(frozen=True, eq=False)
class Figure:
    """A cut-out, cropped to its box.

    Attributes:
        image: the photo there, float32 ``[h, w, 3]``, sRGB, 0..1.
        alpha: float32 ``[h, w]``, 0..1.
        foreground: the colours without the old background, float32 ``[h, w, 3]``.
        cut: share of each side of the box, 0..1, along which the photo's border cuts the figure:
            a bust has its bottom cut.
    """

    image: Image
    alpha: Alpha
    foreground: Image
    cut: Sides

    @property
    def aspect(self) -> float:
        """Width by height."""
        return float(self.alpha.shape[1] / self.alpha.shape[0])

    def flipped(self) -> Figure:
        """Its mirror image."""
        left, top, right, bottom = self.cut
        return Figure(
            np.ascontiguousarray(self.image[:, ::-1]),
            np.ascontiguousarray(self.alpha[:, ::-1]),
            np.ascontiguousarray(self.foreground[:, ::-1]),
            Sides(right, top, left, bottom),
        )


@dataclass(frozen=True)
class Spot:
    """Where a figure's box lies in a painting, in the painting's pixels.

    Attributes:
        left, top: its upper left corner; may lie outside: the figure is cut there.
        height: of the box; the width follows from the figure's aspect.
        flip: mirrored, so that the light comes from the painting's side.
        score: how good it is; higher is better.
        reasons: the parts of the score by name.
    """

    left: float
    top: float
    height: float
    flip: bool = False
    score: float = 0.0
    reasons: Mapping[str, float] = field(default_factory=dict)

    def box(self, aspect: float) -> Sides:
        """Left, top, right, bottom for a figure of this aspect."""
        return Sides(self.left, self.top, self.left + self.height * aspect, self.top + self.height)


def figure_of(photo: Image, matte: Matte) -> Figure:
    """Crop a cut-out to its figure.

    Args:
        photo: float32 ``[H, W, 3]``, sRGB, 0..1.
        matte: of the same size.

    Raises:
        NothingFoundError: there is nothing in it.
    """
    solid = matte.alpha > SOLID
    if not solid.any():
        raise NothingFoundError("the portrait's matte is empty, so there is nobody to place")
    there = matte.alpha > FAINT
    rows, columns = np.flatnonzero(there.any(1)), np.flatnonzero(there.any(0))
    tall, wide = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    box, near = np.s_[tall, wide], max(1, round(TOUCH * max(solid.shape)))
    cut = Sides(
        float(solid[tall, :near].any(1).mean()),
        float(solid[:near, wide].any(0).mean()),
        float(solid[tall, -near:].any(1).mean()),
        float(solid[-near:, wide].any(0).mean()),
    )
    return Figure(photo[box], matte.alpha[box], matte.foreground[box], cut)


def lay(figure: Figure, spot: Spot, shape: tuple[int, int]) -> Matte:
    """The figure in a painting's frame.

    Args:
        figure: what is placed.
        spot: where.
        shape: the painting's ``(H, W)``.

    Returns:
        alpha ``[H, W]`` and foreground ``[H, W, 3]``; what lies outside the frame is lost.
    """
    figure = figure.flipped() if spot.flip else figure
    height = max(1, round(spot.height))
    size = (height, max(1, round(spot.height * figure.aspect)))
    alpha = np.zeros(shape, np.float32)
    foreground = np.zeros((*shape, 3), np.float32)
    left, top = round(spot.left), round(spot.top)
    inside = np.s_[max(0, top) : min(shape[0], top + size[0]),
                   max(0, left) : min(shape[1], left + size[1])]  # fmt: skip
    if inside[0].start >= inside[0].stop or inside[1].start >= inside[1].stop:
        return Matte(alpha, foreground)
    source = np.s_[inside[0].start - top : inside[0].stop - top,
                   inside[1].start - left : inside[1].stop - left]  # fmt: skip
    # Colours are weighted by alpha while they shrink: those under alpha 0 mean nothing.
    weighted = resize(figure.foreground * figure.alpha[..., None], size)
    small = resize(figure.alpha, size)
    plain = resize(figure.foreground, size)
    colours = np.where(
        small[..., None] > 1e-3, weighted / np.maximum(small[..., None], 1e-3), plain
    )
    alpha[inside] = small[source]
    foreground[inside] = np.clip(colours, 0, 1)[source]
    return Matte(alpha, foreground)
