"""Colour spaces and colour transfer between pictures of one scene."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from sfumato.types import Image

STRIP = 1 << 20
"""Pixels in a strip, about."""

LUMA = np.array([0.2126, 0.7152, 0.0722], np.float32)
"""Shares of R, G and B in luminance: ITU-R BT.709, the primaries of sRGB."""


def srgb_to_linear(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Decode sRGB to linear light (IEC 61966-2-1).

    Args:
        values: float32 of any shape, 0..1.

    Returns:
        float32 of the same shape, 0..1, proportional to light.
    """
    curve = _power((values + np.float32(0.055)) / np.float32(1.055), 2.4)
    return np.where(values <= 0.04045, values / np.float32(12.92), curve)


def linear_to_srgb(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Encode linear light as sRGB (IEC 61966-2-1); inverse of :func:`srgb_to_linear`.

    Args:
        values: float32 of any shape, 0..1.

    Returns:
        float32 of the same shape, 0..1.
    """
    curve = np.float32(1.055) * _power(values, 1 / 2.4) - np.float32(0.055)
    return np.where(values <= 0.0031308, values * np.float32(12.92), curve)


def luminance(image: Image) -> NDArray[np.float32]:
    """Relative luminance Y of an sRGB picture (ITU-R BT.709), in linear light.

    Args:
        image: float32 ``[H, W, 3]``, sRGB, 0..1.

    Returns:
        float32 ``[H, W]``, 0..1.
    """
    return np.asarray(srgb_to_linear(image) @ LUMA, dtype=np.float32)


def luma(image: Image) -> NDArray[np.float32]:
    """Luma Y' of an sRGB picture: the weighted sum of gamma-encoded values (ITU-R BT.709).

    Args:
        image: float32 ``[H, W, 3]``, sRGB, 0..1.

    Returns:
        float32 ``[H, W]``, 0..1.
    """
    return np.asarray(image @ LUMA, dtype=np.float32)


def keep_colors(painted: Image, original: Image) -> Image:
    """The painting's light and brush work in the photo's own colours.

    Luma Y' comes from ``painted``, the chroma differences (R'-Y', G'-Y', B'-Y') from
    ``original``: luminance-only transfer after Gatys et al. 2016, "Preserving Color in Neural
    Artistic Style Transfer", section 4. Where the sum leaves the gamut, chroma shrinks towards
    the grey of the same luma instead of being clipped channel by channel, so that neither hue
    nor brush work breaks.

    Args:
        painted: float32 ``[H, W, 3]``, sRGB, 0..1.
        original: float32 ``[H, W, 3]``, sRGB, 0..1.

    Returns:
        float32 ``[H, W, 3]``, sRGB, 0..1; its luma is that of ``painted``.
    """
    result = np.empty_like(painted)
    for strip in strips(painted.shape):
        light = luma(painted[strip])[..., None]
        chroma = original[strip] - luma(original[strip])[..., None]
        highest = np.maximum(chroma.max(axis=2, keepdims=True), np.float32(1e-6))
        lowest = np.maximum(-chroma.min(axis=2, keepdims=True), np.float32(1e-6))
        room = np.clip(np.minimum((1 - light) / highest, light / lowest), 0, 1)
        np.clip(light + room * chroma, 0, 1, out=result[strip])
    return result


def strips(shape: tuple[int, ...]) -> Iterator[slice]:
    """Rows to work on at a time, about a million pixels each: bounds the memory used."""
    rows = max(1, STRIP // max(1, shape[1]))
    return (slice(top, top + rows) for top in range(0, shape[0], rows))


def _power(values: NDArray[np.float32], exponent: float) -> NDArray[np.float32]:
    # OpenCV's vectorised power is several times faster than NumPy's; both are exact to 1e-6.
    if not values.size:
        return values
    flat = np.maximum(values, np.float32(0)).reshape(1, -1)
    return np.asarray(cv2.pow(flat, exponent), dtype=np.float32).reshape(values.shape)
