"""A picture's colours, kept by keeping their distribution, wherever in the picture they are."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from sfumato.losses.quantiles import Quantiles, distance, quantiles

AXES = (
    (1.0, 0.0, 0.0),  # red
    (0.0, 1.0, 0.0),  # green
    (0.0, 0.0, 1.0),  # blue
    (1.0, 1.0, 1.0),  # light and dark
    (1.0, -1.0, 0.0),  # red and green
    (1.0, 1.0, -2.0),  # yellow and blue
)
"""Directions in RGB along which colours are compared, scaled to unit length before use. The first
three and the last three are each orthogonal; together they see which channels go with which."""

MOST_PIXELS = 1 << 20
"""Pixels of larger pictures are averaged in squares until about this many are left."""


def colours(
    picture: Tensor, weight: Tensor | None = None, *, most_pixels: int = MOST_PIXELS
) -> Quantiles:
    """How a picture's colours are distributed along each of :data:`AXES`.

    It is what :func:`histogram` has to know of its target: compute that once, under ``no_grad``.

    Args:
        picture: RGB ``[3, H, W]``.
        weight: ``[H, W]``, not below 0, how much each pixel counts; None = all alike.
        most_pixels: see :data:`MOST_PIXELS`.
    """
    pixels, weights = _pixels(picture, weight, most_pixels)
    axes = F.normalize(torch.tensor(AXES, dtype=torch.float64), dim=1).to(pixels)
    return quantiles(axes @ pixels, weights)


def histogram(
    x: Tensor,
    target: Quantiles,
    weight: Tensor | None = None,
    *,
    most_pixels: int = MOST_PIXELS,
) -> Tensor:
    """Squared 2-Wasserstein distance of two pictures' colours, as a mean over :data:`AXES`.

    In one dimension that is the mean squared difference of the sorted values, between pictures
    of different areas that of the quantile functions; several directions make of it the sliced
    distance of Rabin et al. 2011, "Wasserstein barycenter and its application to texture mixing".

    Args:
        x: RGB ``[3, H, W]``.
        target: the colours to have, from :func:`colours`.
        weight, most_pixels: as in :func:`colours`. All pixels of an averaged square share its
            gradient: picking pixels instead would leave most of them without.

    Returns:
        A scalar; 0 where nothing has weight.
    """
    ours = colours(x, weight, most_pixels=most_pixels)
    return distance(ours, target)


def _pixels(picture: Tensor, weight: Tensor | None, most: int) -> tuple[Tensor, Tensor]:
    """The colours that count, ``[3, N]``, and how much each does, ``[N]``."""
    if weight is None:
        weight = picture.new_ones(picture.shape[-2:])
    weight = weight.to(picture)[None]
    side = math.ceil(math.sqrt(weight.numel() / most))
    if side > 1:
        total = F.avg_pool2d(picture * weight, side, ceil_mode=True)
        weight = F.avg_pool2d(weight, side, ceil_mode=True)
        picture = total / weight.clamp_min(torch.finfo(weight.dtype).tiny)
    counts = weight.flatten() > 0
    return picture.flatten(1)[:, counts], weight.flatten()[counts]
