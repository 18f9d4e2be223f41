"""The shadow that ties a standing figure to the ground."""

from __future__ import annotations

import math

import cv2
import numpy as np

from sfumato.ops.colour import linear_to_srgb, luminance, srgb_to_linear
from sfumato.ops.trimap import bounds
from sfumato.types import Alpha, Image

FEET = 0.06
"""Lowest part of a figure, as a share of its height, that touches the ground."""

FLAT = 0.22
"""Height of the shadow against its width: the ground is seen at a low angle."""

REACH = 1.7
"""Width of the shadow against that of the feet."""

SOLES = 0.02
"""Reach of the dark line beneath each foot, as a share of the figure's height."""

BROAD = 0.7
"""Depth of the ellipse around both feet against that of the dark line beneath each."""

DARKEST, LIGHTEST = 0.25, 0.4
"""Bounds of the light that is left in a shadow."""


def contact(alpha: Alpha, light: float | None = None) -> Alpha:
    """Where a standing figure's shadow falls: a dark line beneath each foot in a soft ellipse.

    Args:
        alpha: the figure, float32 ``[H, W]``, 0..1.
        light: the direction that the light comes from, radians, 0 = from the right, a quarter
            turn = from above; the shadow grows to the other side. None = from above.

    Returns:
        float32 ``[H, W]``, 0..1; 1 = full shadow.
    """
    box = bounds(alpha > 0.5, 0)
    if box is None:
        return np.zeros_like(alpha)
    around, beneath = _ellipse(alpha, box[0], light), _beneath(alpha, box[0])
    return np.asarray(np.maximum(np.float32(BROAD) * around, beneath))


def _ellipse(alpha: Alpha, rows: slice, light: float | None) -> Alpha:
    """A soft ellipse around the feet."""
    tall = rows.stop - rows.start
    feet = (alpha[rows.stop - max(1, round(FEET * tall)) : rows.stop] > 0.5).any(0)
    columns = np.flatnonzero(feet)
    wide = REACH * max(columns[-1] + 1 - columns[0], 0.1 * tall) / 2
    away = -math.cos(light) if light is not None else 0.0
    centre = (columns.mean() + 0.6 * away * wide, rows.stop - 0.4 * FLAT * wide)
    shade = np.zeros(alpha.shape, np.float32)
    axes = (round(16 * wide * (1 + 0.4 * abs(away))), round(16 * wide * FLAT))
    at = (round(16 * centre[0]), round(16 * centre[1]))
    cv2.ellipse(shade, at, axes, 0, 0, 360, 1.0, -1, cv2.LINE_8, 4)  # in sixteenths of a pixel
    return np.asarray(cv2.GaussianBlur(shade, (0, 0), max(0.5, 0.5 * FLAT * wide)))


def _beneath(alpha: Alpha, rows: slice) -> Alpha:
    """The ground that a foot hides from the sky: a thin dark line along each sole."""
    tall = rows.stop - rows.start
    near, thin = max(1, round(FEET * tall)), max(1, round(SOLES * tall))
    solid = (alpha[: rows.stop] > 0.5).astype(np.uint8)
    ends = solid.copy()
    ends[:-1] &= 1 - solid[1:]  # nothing of the figure below
    ends[: rows.stop - near] = 0
    soles = np.zeros(alpha.shape, np.float32)
    soles[: rows.stop] = ends
    wide = cv2.dilate(soles, np.ones((2 * thin + 1, 2 * thin + 1), np.uint8))
    blurred = cv2.GaussianBlur(wide, (0, 0), sigmaX=thin, sigmaY=0.5 * thin)
    return np.asarray(blurred, dtype=np.float32)


def depth(painting: Image, weight: Alpha) -> float:
    """Light that is left in the painting's own shadows, against its middle tones: 0..1."""
    light = luminance(painting)[weight > 0.25 * max(float(weight.max()), 1e-6)]
    if not light.size:
        return LIGHTEST
    dark, middle = np.quantile(light, [0.05, 0.5])
    return float(np.clip(dark / max(float(middle), 1e-4), DARKEST, LIGHTEST))


def cast(painting: Image, shade: Alpha, left: float) -> Image:
    """Multiply a shadow onto a painting, in linear light.

    Args:
        painting: float32 ``[H, W, 3]``, sRGB, 0..1.
        shade: float32 ``[H, W]``, 0..1.
        left: light that is left in full shadow, 0..1.

    Returns:
        float32 ``[H, W, 3]``; exactly ``painting`` where there is no shade.
    """
    there = shade > 1 / 512  # less than half a step of an 8-bit picture
    result = painting.copy()
    share = 1 - (1 - np.float32(left)) * shade[there][:, None]
    result[there] = linear_to_srgb(srgb_to_linear(painting[there]) * share)
    return result
