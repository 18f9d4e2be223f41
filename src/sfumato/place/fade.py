"""A figure that a photo's border cuts fades away there, where the painting goes on."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from sfumato.ops.blend import smoothstep
from sfumato.place.figure import SOLID, Figure, Sides, Spot
from sfumato.types import Mask

REACH = 0.12
"""Width of the fade, as a share of the figure's longer side."""

SEEN = 0.01
"""A cut side this near to the painting's border, as a share of its side, is cut by that too."""


def faded(figure: Figure, spot: Spot, shape: tuple[int, int], strength: float = 1.0) -> Figure:
    """The figure with soft ends where its photo ended and the painting does not.

    Args:
        figure: not flipped yet.
        spot: where it will lie.
        shape: the painting's ``(H, W)``.
        strength: 0 = straight cuts stay, 1 = they fade over :data:`REACH`.
    """
    reach = strength * REACH * max(figure.alpha.shape)
    if reach < 1:
        return figure
    ends = _ends(figure, _inside(figure, spot, shape))
    if not ends.any():
        return figure
    far = cv2.distanceTransform((~ends).astype(np.uint8), cv2.DIST_L2, 5)
    return replace(figure, alpha=figure.alpha * smoothstep(far / np.float32(reach)))


def _inside(figure: Figure, spot: Spot, shape: tuple[int, int]) -> Sides:
    """Which sides of the figure's box lie inside the painting, 1 or 0."""
    height, width = shape
    box = spot.box(figure.aspect)
    left, right = box.left > SEEN * width, box.right < (1 - SEEN) * width
    sides = (right, left) if spot.flip else (left, right)
    return Sides(sides[0], box.top > SEEN * height, sides[1], box.bottom < (1 - SEEN) * height)


def _ends(figure: Figure, inside: Sides) -> Mask:
    """The pixels along the sides where the photo ended: bool ``[h, w]``."""
    solid, ends = figure.alpha > SOLID, np.zeros(figure.alpha.shape, bool)
    for end, edge, cut, seen in zip(_edges(ends), _edges(solid), figure.cut, inside, strict=True):
        if cut > 0 and seen:
            end |= edge
    return ends


def _edges(mask: Mask) -> tuple[Mask, Mask, Mask, Mask]:
    """Views of the left, top, right and bottom row of pixels."""
    return mask[:, 0], mask[0], mask[:, -1], mask[-1]
