"""Fields over the unit square: coordinates, noise, directions, light and paper.

All of them are functions of position in 0..1 and not of pixels, so that a style looks the same
at every size. Random numbers are drawn in amounts that do not depend on the size.
"""

from __future__ import annotations

import cv2
import numpy as np

from sfumato.drawn._colour import Floats
from sfumato.types import Image


def grid(size: int) -> tuple[Floats, Floats]:
    """Pixel centres in 0..1: ``x`` (right) and ``y`` (down), each float32 ``[size, size]``."""
    axis = (np.arange(size) + 0.5) / size
    x, y = np.meshgrid(axis, axis)
    return x.astype(np.float32), y.astype(np.float32)


def noise(rng: np.random.Generator, size: int, cells: int) -> Floats:
    """Smooth noise with ``cells`` bumps a side, about -1..1: float32 ``[size, size]``."""
    lattice = rng.uniform(-1, 1, (cells + 4, cells + 4)).astype(np.float32)
    step = cells / size
    start = step / 2 + 1  # middle of the first pixel, one bump in from the rim
    shift = np.asarray([[step, 0, start], [0, step, start]], dtype=np.float32)
    if step > 1:  # finer than the pixels: average, do not alias
        lattice = shrink_to(lattice, size + 4)
        shift = np.eye(2, 3, dtype=np.float32)
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    edge = cv2.BORDER_REFLECT_101
    return np.asarray(cv2.warpAffine(lattice, shift, (size, size), flags=flags, borderMode=edge))


def fractal(rng: np.random.Generator, size: int, cells: int, octaves: int = 5) -> Floats:
    """Fractal noise, about -1..1: octaves of :func:`noise`, each half as large and strong."""
    layers = [noise(rng, size, cells * 2**k) * 0.5**k for k in range(octaves)]
    return np.asarray(sum(layers), dtype=np.float32)


def warp(field: Floats, dx: Floats, dy: Floats) -> Floats:
    """``field`` read at a displaced place; displacements in units of the side, edges reflected."""
    size = field.shape[0]
    x, y = grid(size)
    column = ((x + dx) * size - 0.5).astype(np.float32)
    row = ((y + dy) * size - 0.5).astype(np.float32)
    edge = cv2.BORDER_REFLECT_101
    return np.asarray(cv2.remap(field, column, row, cv2.INTER_LINEAR, borderMode=edge))


def smoothstep(low: float, high: float, value: Floats) -> Floats:
    """0 below ``low``, 1 above ``high``, a smooth S between."""
    t = np.clip((value - low) / (high - low), 0, 1)
    return np.asarray(t * t * (3 - 2 * t), dtype=np.float32)


def blur(field: Floats, sigma: float) -> Floats:
    """Gaussian blur; ``sigma`` in units of the side."""
    return np.asarray(cv2.GaussianBlur(field, (0, 0), max(sigma * field.shape[0], 0.3)))


def relief(height: Floats, depth: float, angle: float = -2.2) -> tuple[Floats, Floats]:
    """Light a height map 0..1 from ``angle`` (radians, image axes; -2.2 = upper left).

    Returns:
        ``shade``: 1 on flat ground, more towards the light, less away from it.
        ``gloss``: 0..1, where wet paint would glint.
    """
    height = height.astype(np.float32, copy=False)  # what Sobel takes
    scale = depth * height.shape[0]
    gx = cv2.Sobel(height, cv2.CV_32F, 1, 0, ksize=3) * (scale / 8)
    gy = cv2.Sobel(height, cv2.CV_32F, 0, 1, ksize=3) * (scale / 8)
    norm = 1 / np.sqrt(gx * gx + gy * gy + 1)
    towards = -(gx * np.cos(angle) + gy * np.sin(angle)) * norm
    gloss = np.clip(towards * 0.75 + norm * 0.66, 0, 1) ** 24
    return np.asarray(1 + 0.55 * towards, np.float32), np.asarray(gloss, np.float32)


def impasto(picture: Floats, height: Floats, depth: float, gloss: float) -> Floats:
    """Thick paint: light the height map 0..1 (see :func:`relief`) and lay it over the colours."""
    shade, glint = relief(height, depth)
    level = 0.66**24  # what flat paint glints anyway
    return picture * shade[..., None] + (glint - level)[..., None] * gloss


def shrink(picture: Floats, times: int) -> Floats:
    """Average blocks of ``times`` x ``times`` pixels: ``[n*S, n*S, ...]`` -> ``[S, S, ...]``."""
    return shrink_to(picture, picture.shape[0] // times)


def shrink_to(picture: Floats, size: int) -> Floats:
    """Average down to ``[size, size, ...]``."""
    small = cv2.resize(
        picture.astype(np.float32, copy=False), (size, size), interpolation=cv2.INTER_AREA
    )
    return np.asarray(small)


def finished(picture: Floats) -> Image:
    """The drawing as a picture: float32, clipped to 0..1."""
    return np.clip(picture, 0, 1).astype(np.float32)


def paper(rng: np.random.Generator, size: int, cells: int = 170) -> Floats:
    """Tooth of rough paper, about -1..1: float32 ``[size, size]``."""
    return noise(rng, size, cells) + 0.6 * noise(rng, size, cells * 2)
