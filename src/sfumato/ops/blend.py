"""Compositing by a soft mask, in linear light.

Everywhere here: where alpha is 0 the result is bit-identical to the background.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from sfumato.errors import UsageError
from sfumato.ops.colour import linear_to_srgb, srgb_to_linear, strips
from sfumato.ops.trimap import bounds
from sfumato.types import Alpha, Image

VISIBLE = 0.5 / 255
"""Alpha below half a step of an 8-bit picture cannot be seen, so that no border begins there:
mattes leave such dust far away from the true outline."""

_ROUNDING = 1e-3  # how far rounding may push a value out of 0..1 before we call it wrong


def checked(foreground: Image, background: Image, alpha: Alpha) -> Alpha:
    """Make sure that three arrays can be composed; returns alpha clipped to 0..1.

    Raises:
        UsageError: an array is not float32, the sizes differ or are 0, or values are not finite
            and within 0..1.
    """
    height, width = np.shape(background)[:2] if np.ndim(background) == 3 else (0, 0)
    wanted = {
        "background": (background, (height, width, 3)),
        "foreground": (foreground, (height, width, 3)),
        "alpha": (alpha, (height, width)),
    }
    for name, (array, shape) in wanted.items():
        if array.dtype != np.float32 or array.shape != shape or not array.size:
            raise UsageError(
                f"blending expects {name} as float32 {list(shape) if height else '[H, W, 3]'}, "
                f"got {array.dtype} {list(array.shape)}; all three must have the same size"
            )
        low, high = float(array.min()), float(array.max())
        if not (low >= -_ROUNDING and high <= 1 + _ROUNDING):  # also False for NaN
            raise UsageError(
                f"blending expects finite values within 0..1 in {name}, "
                f"got {low:g}..{high:g}; clip or rescale it first"
            )
    return np.clip(alpha, 0, 1) if low < 0 or high > 1 else alpha


def over(foreground: Image, background: Image, alpha: Alpha) -> Image:
    """``alpha * foreground + (1 - alpha) * background`` in linear light.

    The *over* operator of Porter & Duff 1984 for an opaque background. Gamma-encoded values are
    decoded first, since opacity is a share of light: mixed undecoded, soft edges come out dark.
    Only pixels with 0 < alpha < 1 are computed, the others copied.

    Args:
        foreground: float32 ``[H, W, 3]``, sRGB, 0..1.
        background: float32 ``[H, W, 3]``, sRGB, 0..1.
        alpha: float32 ``[H, W]``, 0..1, opacity of the foreground.

    Returns:
        float32 ``[H, W, 3]``, sRGB: exactly ``background`` at alpha 0, exactly ``foreground``
        at alpha 1.
    """
    result = np.array(background, order="C")
    for strip in strips(alpha.shape):
        _over_strip(foreground[strip], alpha[strip], result[strip])
    return result


def _over_strip(foreground: Image, alpha: Alpha, result: Image) -> None:
    """Lay ``foreground`` over ``result``, in place."""
    opaque = alpha >= 1
    cv2.copyTo(foreground, opaque.astype(np.uint8), result)
    soft = (alpha > 0) & ~opaque
    if not soft.any():
        return
    share = alpha[soft][:, None]
    front, back = srgb_to_linear(foreground[soft]), srgb_to_linear(result[soft])
    result[soft] = np.clip(linear_to_srgb(back + share * (front - back)), 0, 1)


def strength(painted: Image, original: Image, share: float) -> Image:
    """Mix the painting with the photo it was painted from.

    Plain mix of gamma-encoded values: equal steps of ``share`` then look like equal steps, which
    is what a dial should do. (Edges are another matter, see :func:`over`.)

    Args:
        painted: float32 ``[H, W, 3]``, sRGB, 0..1.
        original: float32 ``[H, W, 3]``, sRGB, 0..1.
        share: 0..1; 0 gives a copy of ``original``, 1 of ``painted``, exactly.

    Raises:
        UsageError: ``share`` is outside 0..1.
    """
    if not 0 <= share <= 1:
        raise UsageError(f"strength must lie within 0..1, got {share:g}")
    if share in (0, 1):
        return np.array(painted if share else original)
    mixed = cv2.addWeighted(painted, share, original, 1 - share, 0)
    return np.asarray(mixed, dtype=np.float32).reshape(painted.shape)


def depth(alpha: Alpha) -> NDArray[np.float32]:
    """How deep inside the painted region each pixel lies.

    Args:
        alpha: float32 ``[H, W]``, 0..1.

    Returns:
        float32 ``[H, W]``, distance in pixels to the nearest pixel outside of the region
        (alpha below :data:`VISIBLE`), 0 there, ``inf`` everywhere if no pixel is outside. The
        picture's own border is no border of the region.
    """
    inside = alpha > VISIBLE
    if inside.all():
        return np.full(alpha.shape, np.inf, np.float32)
    return np.asarray(cv2.distanceTransform(inside.astype(np.uint8), cv2.DIST_L2, 5))


def smoothstep(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """0 below 0, 1 above 1, and 3t² - 2t³ between, with level ends: no kink to be seen."""
    t = np.clip(values, 0, 1)
    return np.asarray(t * t * (3 - 2 * t))


def feathered(alpha: Alpha, radius: float) -> Alpha:
    """Widen alpha's transition, inwards only.

    Args:
        alpha: float32 ``[H, W]``, 0..1.
        radius: width of the ramp in pixels, measured from the region's outline inwards.

    Returns:
        float32 ``[H, W]``, nowhere above ``alpha``; equal to it deeper than ``radius``.
    """
    if radius < 1:  # less than a pixel is no ramp
        return alpha
    return alpha * smoothstep(depth(alpha) / np.float32(radius))


def bounding_box(alpha: Alpha, margin: int) -> tuple[slice, slice]:
    """Rows and columns of the region (alpha > 0) with a margin in pixels, cut at the picture.

    Returns:
        two slices; empty ones if alpha is 0 everywhere.
    """
    return bounds(alpha > 0, margin) or (slice(0, 0), slice(0, 0))
