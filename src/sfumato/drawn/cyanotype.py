"""Cyanotype: pressed ferns and seed heads printed white on Prussian blue."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from sfumato.drawn._colour import Floats, palette, ramp
from sfumato.drawn._field import blur, finished, fractal, grid, noise, paper, shrink, smoothstep
from sfumato.types import Image

BLUES = palette("#051a3a #0b3a78 #1f68b0 #7fb3d9 #e3eef0 #fdfbf2")


def draw(size: int, rng: np.random.Generator) -> Image:
    """Draw the style at ``size`` x ``size``."""
    fine = 2 * size
    light = np.zeros((fine, fine), dtype=np.uint8)
    for near in (0.45, 0.7, 1.0):  # the closer a leaf lay to the paper, the whiter its print
        layer = np.zeros_like(light)
        for _ in range(4):
            _fern(layer, rng, 0.5 + 0.35 * near)
        for _ in range(3):
            _seed_head(layer, rng)
        layer = np.round(blur(layer.astype(np.float32), 0.006 * (1 - near)) * near)
        light = np.maximum(light, layer.astype(np.uint8))
    shape = shrink(light.astype(np.float32) / 255, 2)
    x, y = grid(size)
    tooth = paper(rng, size)
    rim = np.minimum(np.minimum(x, 1 - x), np.minimum(y, 1 - y)) + 0.018 * fractal(rng, size, 5, 4)
    coated = smoothstep(0.004, 0.016, rim)  # the brush left a ragged margin of bare paper
    wash = 0.17 + 0.10 * fractal(rng, size, 3, 5) + 0.05 * np.sin(90 * x + 9 * noise(rng, size, 4))
    veins = 1 - 0.22 * np.abs(fractal(rng, size, 18, 3))
    tone = wash * (1 - shape) + shape * veins + 0.035 * tooth
    tone = np.maximum(tone * coated, 1 - coated)
    return finished(ramp(BLUES, np.clip(tone, 0, 1)))


def _fern(layer: NDArray[Any], rng: np.random.Generator, reach: float) -> None:
    """A frond: a bent stem with pairs of leaflets that grow and shrink along it."""
    root, aim = rng.uniform(0, 1, 2), rng.uniform(0, 2 * np.pi)
    root = root - 0.3 * reach * np.asarray([np.cos(aim), np.sin(aim)])
    pairs = 21
    stem = _bent(root, aim, reach, rng.normal(0, 0.9), pairs + 1)
    _line(layer, stem, 0.0045)
    for i in range(3, pairs):
        along = i / pairs
        length = 0.24 * reach * np.sin(np.pi * (0.18 + 0.82 * along)) ** 0.8
        heading = np.arctan2(*(stem[i + 1] - stem[i - 1])[::-1])
        for side in (-1, 1):
            pinna = _bent(stem[i], heading + side * (1.25 - 0.5 * along), length, side * -0.5, 16)
            _blade(layer, pinna, length)


def _blade(layer: NDArray[Any], pinna: Floats, length: float) -> None:
    """The blade of one pinna, tapering towards its tip."""
    for j in range(len(pinna) - 1):
        swell = np.sin(np.pi * (0.25 + 0.73 * j / (len(pinna) - 1)))
        _line(layer, pinna[j : j + 2], 0.124 * length * swell)


def _seed_head(layer: NDArray[Any], rng: np.random.Generator) -> None:
    """A dandelion clock: rays from a heart, a tuft at each end."""
    heart, radius = rng.uniform(0, 1, 2), rng.uniform(0.05, 0.1)
    stem = _bent(heart, rng.uniform(0.3, 2.8), 0.5, rng.normal(0, 0.5), 20)
    _line(layer, stem, 0.004)
    for angle in np.linspace(0, 2 * np.pi, 30, endpoint=False) + rng.uniform(0, 1):
        ray = np.asarray([np.cos(angle), np.sin(angle)]) * radius * rng.uniform(0.8, 1.05)
        _line(layer, np.stack([heart, heart + ray]), 0.0016)
        for fan in (-0.5, -0.2, 0.2, 0.5):
            hair = np.asarray([np.cos(angle + fan), np.sin(angle + fan)]) * radius * 0.3
            _line(layer, np.stack([heart + ray, heart + ray + hair]), 0.0012)
    _line(layer, np.stack([heart, heart + 1e-3]), 0.022)


def _bent(start: Floats, aim: float, length: float, bend: float, steps: int) -> Floats:
    """A curve ``[steps, 2]`` whose heading turns evenly by ``bend`` radians."""
    heading = aim + bend * np.linspace(0, 1, steps - 1)
    stride = np.stack([np.cos(heading), np.sin(heading)], axis=1) * (length / (steps - 1))
    return np.concatenate([start[None], start + np.cumsum(stride, axis=0)])


def _line(layer: NDArray[Any], path: Floats, width: float) -> None:
    side = layer.shape[0]
    points = np.ascontiguousarray(np.round(path * side * 16), dtype=np.int32)
    cv2.polylines(layer, [points], False, 255, max(1, round(width * side)), cv2.LINE_8, 4)
