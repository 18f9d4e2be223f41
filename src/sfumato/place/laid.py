"""A figure in its neighbourhood of a painting, and what is done to it there, step by step."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from sfumato.errors import NothingFoundError, UsageError
from sfumato.ops import foreground, trimap
from sfumato.place import colour, fade, light, manner, shadow, surface
from sfumato.place.figure import Figure, Spot, lay
from sfumato.place.terms import BUST
from sfumato.studio import Studio
from sfumato.types import Alpha, Image, Matte, Progress, Style, Stylizer, no_progress

NEIGHBOURHOOD = 0.8
"""How much of the painting around a figure takes part, as a share of its longer side."""

LARGEST = 8
"""A figure may be this many times as high as the painting."""


class Laid(NamedTuple):
    """A figure in its neighbourhood of the painting: arrays of one size.

    Attributes:
        window: rows and columns of the neighbourhood in the painting.
        painting: float32 ``[h, w, 3]``.
        figure: float32 ``[h, w, 3]``.
        alpha: float32 ``[h, w]``.
        around: float32 ``[h, w]``, how much each pixel of the painting counts.
    """

    window: trimap.Tile
    painting: Image
    figure: Image
    alpha: Alpha
    around: Alpha

    def back(self, painting: Image, composed: Image) -> Image:
        """The whole painting with its neighbourhood ``[h, w, 3]`` replaced."""
        image = painting.copy()
        image[self.window] = composed
        return image

    def matte(self, image: Image) -> Matte:
        """The figure in the whole painting's frame."""
        alpha = np.zeros(image.shape[:2], np.float32)
        alpha[self.window] = self.alpha
        return Matte(alpha, self.back(image, self.figure))


def lay_in(painting: Image, figure: Figure, spot: Spot, fading: float = 1.0) -> Laid:
    """The figure in its neighbourhood; what is farther away takes no part.

    Raises:
        UsageError: the spot is far larger than the painting.
        NothingFoundError: nothing of the figure lies inside.
    """
    shape = (painting.shape[0], painting.shape[1])
    box = spot.box(figure.aspect)
    side = max(spot.height, spot.height * figure.aspect)
    if side > LARGEST * max(shape):
        raise UsageError(
            f"the figure would be {side:.0f} pixels large, in a painting of {max(shape)}; "
            "choose a smaller height"
        )
    margin = NEIGHBOURHOOD * side
    rows, columns = (
        slice(max(0, math.floor(low - margin)), min(length, math.ceil(high + margin)))
        for low, high, length in ((box.top, box.bottom, shape[0]), (box.left, box.right, shape[1]))
    )
    size = (rows.stop - rows.start, columns.stop - columns.start)
    if min(size) > 0:
        moved = replace(spot, left=spot.left - columns.start, top=spot.top - rows.start)
        matte = lay(fade.faded(figure, spot, shape, fading), moved, size)
    if min(size) <= 0 or not (matte.alpha > 0.5).any():
        raise NothingFoundError("the figure lies outside the painting; choose another place")
    solid = foreground.fill(matte.foreground, matte.alpha**4)
    near = np.ascontiguousarray(painting[rows, columns])
    return Laid((rows, columns), near, solid, matte.alpha, colour.around(matte.alpha))


def coloured(laid: Laid, strength: float) -> Laid:
    """With the colours of the painting around it."""
    figure = colour.harmonise(laid.figure, laid.alpha, laid.painting, laid.around, strength)
    return laid._replace(figure=figure)


def painted(
    laid: Laid, stylizer: Stylizer | None, strength: float, progress: Progress = no_progress
) -> Laid:
    """In the painting's manner."""
    box = trimap.bounds(laid.alpha > 0, 0)
    if stylizer is None or box is None or strength <= 0:
        return laid
    style = manner.style_of(laid.painting, box)
    figure = manner.paint(laid.figure, laid.alpha, style, stylizer, strength, progress)
    return laid._replace(figure=figure)


def surfaced(laid: Laid, softness: float, grain: float, seed: int) -> Laid:
    """With the painting's surface."""
    figure, alpha = surface.soften(laid.figure, laid.alpha, laid.painting, laid.around, softness)
    figure = surface.grained(figure, alpha, laid.painting, laid.around, seed, grain)
    return laid._replace(figure=figure, alpha=alpha)


def shadowed(laid: Laid, figure: Figure, spot: Spot, strength: float) -> Image:
    """The painting with the shadow of a figure whose feet are to be seen: ``[h, w, 3]``."""
    feet = laid.window[0].start + laid.painting.shape[0] > spot.top + spot.height
    if strength <= 0 or figure.cut.bottom >= BUST or not feet:
        return laid.painting
    lit = light.direction(laid.painting, laid.around)
    shade = shadow.contact(laid.alpha, lit.angle if lit.strength >= light.CLEAR else None)
    left = shadow.depth(laid.painting, laid.around)
    return shadow.cast(laid.painting, np.float32(strength) * shade, left)


def retouched(
    image: Image, painting: Image, laid: Laid, studio: Studio, progress: Progress
) -> Image:
    """With a band along the outline optimised until it has the painting's statistics.

    Raises:
        WeightsError, MissingExtraError: the optimising stylizer cannot be had.
    """
    asked = studio.settings.options
    options = {**asked, "gatys": {**manner.RETOUCH, **asked.get("gatys", {})}}
    optimiser = Studio(replace(studio.settings, options=options)).stylizer("gatys")
    style = Style("the painting", image=laid.painting, region=laid.around)
    window = np.ascontiguousarray(image[laid.window])
    return laid.back(painting, manner.retouch(window, laid.alpha, style, optimiser, progress))
