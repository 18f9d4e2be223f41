"""Woodcut of breaking waves: Prussian blues, foam claws, cream paper, a vermilion sun."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from sfumato.drawn._colour import Floats, blend, palette, ramp
from sfumato.drawn._field import finished, fractal, grid, noise, shrink, smoothstep, warp
from sfumato.types import Image

INKS = palette("#0a1f44 #15427c #2f74ae #86b8d0 #cfe0dc #f6ecd2")
SKY = palette("#2a5a8c #9db9bd #f0dfb8 #f7ebcf #f3cf9c")
SUN = palette("#d8412f")[0]

_FINE = 2  # drawn this many times finer, then averaged


def draw(size: int, rng: np.random.Generator) -> Image:
    """Draw the style at ``size`` x ``size``."""
    canvas = np.ascontiguousarray(np.round(_sky(size * _FINE, rng) * 255).astype(np.uint8))
    rows = ((0.50, 0.12, 2.4), (0.64, 0.26, 1.2), (0.83, 0.17, 1.7), (1.0, 0.22, 1.15))
    for level, height, count in rows:
        _wave(canvas, level, height, count, rng)
    picture = shrink(canvas.astype(np.float32) / 255, _FINE)
    return _print_on_wood(picture, rng)


def _sky(size: int, rng: np.random.Generator) -> Image:
    x, y = grid(size)
    t = np.clip(y * 1.5 + 0.03 * noise(rng, size, 3), 0, 1)  # bokashi: ink wiped by hand
    sun_x, sun_y = rng.uniform(0.62, 0.8), rng.uniform(0.2, 0.26)
    distance = np.hypot(x - sun_x, y - sun_y)
    return blend(ramp(SKY, t), SUN, smoothstep(0.112, 0.109, distance))


def _profile(
    level: float, height: float, count: float, phase: float, sink: float = 0.0
) -> tuple[Floats, Floats]:
    """A row of breaking waves: points ``[P, 2]`` from left to right, and crest-ness 0..1.

    ``sink`` 0..1 gives the same row deeper down in the water's body, calmer and more upright.
    """
    u = np.linspace(-0.5, 1.6, 1100)
    theta = 2 * np.pi * (count * u + phase)
    crest = (0.5 + 0.5 * np.sin(theta + 0.5 * np.cos(theta))) ** 1.6
    calm = (1 - sink) ** 3
    reach = height * calm * (1.15 * crest**2.2 + 0.75 * crest**9)  # the top runs ahead of the foot
    droop = 0.42 * height * calm * crest**12  # and its tip falls
    y = level + 0.25 * height + 1.0 * height * sink - height * (1 - 0.6 * sink) * crest + droop
    return np.stack([u - reach, y], axis=1).astype(np.float32), crest.astype(np.float32)


def _wave(
    canvas: NDArray[np.uint8], level: float, height: float, count: float, rng: np.random.Generator
) -> None:
    phase = rng.uniform(0, 1)
    line, crest = _profile(level, height, count, phase)
    foot = np.asarray([[1.9, 1.6], [-0.9, 1.6]], dtype=np.float32)
    _fill(canvas, np.concatenate([line, foot]), INKS[1])
    bands = 8
    for band in range(bands):  # stripes run up the wave's face, and swell in the hollow
        sink = (band + 0.7) / bands
        top, _ = _profile(level, height, count, phase, sink)
        swell = height / bands * (0.62 - 0.5 * crest) * (1 + 0.25 * np.sin(9 * line[:, 0] + band))
        below = top + np.stack([0 * swell, np.maximum(swell, 0.002)], axis=1)
        ink = INKS[(3, 0, 2, 5, 0, 3, 2, 0)[band % 8]]
        _fill(canvas, np.concatenate([top, below[::-1]]), ink)
    _stroke(canvas, line, INKS[0], 0.009)
    _foam(canvas, line, crest, height, rng)


def _foam(
    canvas: NDArray[np.uint8], line: Floats, crest: Floats, height: float, rng: np.random.Generator
) -> None:
    edge = np.flatnonzero(crest > 0.6)
    chosen = edge[:: max(1, len(edge) // 90)]
    radius = height * (0.016 + 0.085 * crest[chosen] ** 5) * rng.uniform(0.6, 1.25, len(chosen))
    centre = line[chosen] + rng.normal(0, 0.012 * height / 0.15, (len(chosen), 2))
    drip = rng.uniform(0, 1, len(chosen)) < 0.4
    centre[drip, 1] += height * 0.16 * rng.uniform(0.2, 1, drip.sum()) * crest[chosen][drip]
    for grow, ink in ((0.0048, INKS[0]), (0.0, INKS[5])):
        for (cx, cy), r in zip(centre, radius, strict=True):
            _disc(canvas, cx, cy, r + grow, ink)
    for (cx, cy), r in zip(centre[::2], radius[::2], strict=True):
        _disc(canvas, cx + r * 0.25, cy + r * 0.35, r * 0.42, INKS[4])
        _disc(canvas, cx + r * 0.1, cy + r * 0.15, r * 0.34, INKS[5])
    for _ in range(int(14 + 120 * height)):  # spray ahead of the crests
        cx, cy = line[rng.choice(edge)] + rng.normal(0, 0.28 * height, 2) * (1, 0.7)
        _disc(canvas, cx - 0.1 * height, cy - 0.22 * height, rng.uniform(0.0015, 0.0045), INKS[5])


def _print_on_wood(picture: Image, rng: np.random.Generator) -> Image:
    """Grain of the block and fibres of the paper show in the flat inks."""
    size = picture.shape[0]
    x, y = grid(size)
    rings = np.sin(150 * (y + 0.05 * noise(rng, size, 2)) + 5 * fractal(rng, size, 4, 3))
    fibre = noise(rng, size, 200) + fractal(rng, size, 40, 3)
    tone = 1 + 0.035 * warp(rings, 0.01 * np.sin(9 * x), 0 * y) + 0.03 * fibre
    return finished(picture * tone[..., None] + 0.012 * fibre[..., None])


def _fixed(points: Floats, canvas: NDArray[np.uint8]) -> NDArray[np.int32]:
    return np.ascontiguousarray(np.round(points * (canvas.shape[0] * 16)), dtype=np.int32)


def _fill(canvas: NDArray[np.uint8], points: Floats, ink: Floats) -> None:
    cv2.fillPoly(canvas, [_fixed(points, canvas)], (ink * 255).tolist(), cv2.LINE_8, 4)


def _stroke(canvas: NDArray[np.uint8], points: Floats, ink: Floats, width: float) -> None:
    thick = max(1, round(width * canvas.shape[0]))
    cv2.polylines(
        canvas, [_fixed(points, canvas)], False, (ink * 255).tolist(), thick, cv2.LINE_8, 4
    )


def _disc(canvas: NDArray[np.uint8], x: float, y: float, r: float, ink: Floats) -> None:
    at = _fixed(np.asarray([x, y]), canvas).tolist()
    radius = max(1, round(r * canvas.shape[0] * 16))
    cv2.circle(canvas, at, radius, (ink * 255).tolist(), cv2.FILLED, cv2.LINE_8, 4)
