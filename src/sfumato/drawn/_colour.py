"""Colours for drawn styles: palettes written as hex words, mixed in CIE Lab.

Mixing in Lab keeps the lightness of a blend between its two ends, so that ramps from deep blue to
warm yellow do not sag through mud on the way.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]
"""Real numbers, float32 or float64: fields and colours on their way to becoming a picture."""


def palette(words: str) -> Floats:
    """Hex colours separated by blanks (``"#0b1d51 #ffd35c"``) -> float32 ``[K, 3]`` sRGB 0..1."""
    rows = [[int(word[i : i + 2], 16) for i in (1, 3, 5)] for word in words.split()]
    return np.asarray(rows, dtype=np.float32) / 255


def to_lab(rgb: Floats) -> Floats:
    """sRGB ``[..., 3]`` 0..1 -> CIE Lab ``[..., 3]``, L 0..100 (D65)."""
    flat = np.ascontiguousarray(rgb, dtype=np.float32).reshape(-1, 1, 3)
    return np.asarray(cv2.cvtColor(flat, cv2.COLOR_RGB2Lab), np.float32).reshape(rgb.shape)


def to_rgb(lab: Floats) -> Floats:
    """CIE Lab ``[..., 3]`` -> sRGB ``[..., 3]``, clipped to 0..1."""
    flat = np.ascontiguousarray(lab, dtype=np.float32).reshape(-1, 1, 3)
    rgb = np.asarray(cv2.cvtColor(flat, cv2.COLOR_Lab2RGB), np.float32).reshape(lab.shape)
    return np.clip(rgb, 0, 1)


def ramp(colours: Floats, t: Floats) -> Floats:
    """The palette ``[K, 3]`` as a continuous scale: ``t`` 0..1 of any shape -> ``[..., 3]`` sRGB.

    Neighbouring colours are mixed in Lab.
    """
    lab = to_lab(colours)
    stops = np.linspace(0, 1, len(lab))
    mixed = np.stack([np.interp(t, stops, lab[:, i]) for i in range(3)], axis=-1)
    return to_rgb(mixed.astype(np.float32))


def jitter(rgb: Floats, rng: np.random.Generator, lightness: float, tint: float) -> Floats:
    """Each colour moved a little in Lab: standard deviations of L and of a, b (Lab units)."""
    return shift(rgb, rng.standard_normal(rgb.shape) * (lightness, tint, tint))


def shift(rgb: Floats, lab: Floats) -> Floats:
    """Each colour ``[..., 3]`` moved by an offset in Lab units ``[..., 3]``."""
    return to_rgb(to_lab(rgb) + lab)


def blend(under: Floats, over: Floats, weight: Floats | float) -> Floats:
    """``under`` -> ``over`` by ``weight`` 0..1 (``[H, W]`` or a number), in sRGB."""
    w = np.asarray(weight, dtype=np.float32)
    return under + (over - under) * (w[..., None] if w.ndim else w)


def multiply(picture: Floats, ink: Floats, amount: Floats) -> Floats:
    """Print a transparent ink: ``amount`` 0..1 ``[H, W]`` of ``ink`` ``[3]`` over the picture."""
    return picture * (1 - amount[..., None] * (1 - ink))
