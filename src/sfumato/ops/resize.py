"""Pictures made smaller, larger, or padded; the one place that chooses interpolations."""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from sfumato.types import Image

Floats = NDArray[np.floating[Any]]


def fit(image: Floats, size: int) -> NDArray[np.float32]:
    """Shrink to ``size`` pixels on the longer side; smaller pictures stay as they are.

    Args:
        image: floats ``[H, W]`` or ``[H, W, C]``, 0..1.
        size: longest side allowed, in pixels.
    """
    height, width = image.shape[:2]
    scale = min(1.0, size / max(height, width))
    return resize(image, (max(1, round(height * scale)), max(1, round(width * scale))))


def resize(image: Floats, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Resize to ``(height, width)``: area mean for the sides that shrink, then bicubic for those
    that grow (its overshoot is clipped).

    Args:
        image: floats ``[H, W]`` or ``[H, W, C]``, 0..1.
        shape: new height and width.

    Returns:
        float32, 0..1, same number of axes; the same array if nothing changes.
    """
    result = np.asarray(image, dtype=np.float32)
    height, width = shape
    shrunk = min(height, image.shape[0]), min(width, image.shape[1])
    for (h, w), method in ((shrunk, cv2.INTER_AREA), ((height, width), cv2.INTER_CUBIC)):
        if result.shape[:2] != (h, w):
            scaled = cv2.resize(result, (w, h), interpolation=method)
            result = np.clip(scaled.reshape(h, w, *image.shape[2:]), 0, 1)
    return result


def shrunk(image: NDArray[np.float32], size: int) -> NDArray[np.float32]:
    """Like :func:`fit` for any values, differences and sums too: nothing is clipped."""
    height, width = image.shape[:2]
    scale = min(1.0, size / max(height, width))
    small = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(cv2.resize(image, small, interpolation=cv2.INTER_AREA), dtype=np.float32)


def enlarged(image: NDArray[np.float32], shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Bilinear to ``shape[:2]``, for any values: smooth parts stay within their range."""
    return np.asarray(
        cv2.resize(image, shape[1::-1], interpolation=cv2.INTER_LINEAR), dtype=np.float32
    )


def pad_to_multiple(image: Floats, multiple: int, minimum: int = 1) -> NDArray[np.float32]:
    """Mirror the right and bottom edges outwards until both sides divide by ``multiple``.

    Crop the result of the work with ``[:H, :W]``.

    Args:
        image: floats ``[H, W]`` or ``[H, W, C]``.
        multiple: what the new sides divide by.
        minimum: least new side, in pixels.
    """
    margins = [-(-max(n, minimum) // multiple) * multiple - n for n in image.shape[:2]]
    pads = [(0, margin) for margin in margins] + [(0, 0)] * (image.ndim - 2)
    padded = np.pad(image, pads, mode="reflect") if any(margins) else image
    return np.ascontiguousarray(padded, dtype=np.float32)


def area_shape(height: int, width: int, size: int, step: int = 32) -> tuple[int, int]:
    """Height and width of about ``size**2`` pixels in the picture's own shape.

    Both divide by ``step`` (how much a net shrinks its input). Pictures longer than 16:1 are
    squeezed, so that a 1 x 5000 one does not blow up.
    """
    scale = size / math.sqrt(height * width)
    high, wide = (
        min(4 * size, max(2 * step, round(side * scale / step) * step)) for side in (height, width)
    )
    return high, wide


def square(image: Image, side: int) -> Image:
    """The middle of a picture as a square: float32 ``[side, side, 3]``, 0..1."""
    short = min(image.shape[:2])
    top, left = ((n - short) // 2 for n in image.shape[:2])
    return resize(image[top : top + short, left : left + short], (side, side))
