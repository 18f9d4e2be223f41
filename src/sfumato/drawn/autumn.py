"""Palette knife: an autumn avenue after rain, slabs of crimson, amber and teal."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sfumato.drawn._colour import Floats, blend, palette, ramp
from sfumato.drawn._field import fractal, grid, noise, smoothstep
from sfumato.drawn._strokes import FIELD, Brush, draw_strokes, finish, new_canvas, paint, trace
from sfumato.types import Image

LEAVES = palette("#2a0d1e #7d1128 #c8281e #f06a12 #ffae1f #ffe26e #fff6d0")
AIR = palette("#12304f #1f6f8f #56b3b4 #f6dd9c #fff8df")
TRUNK = palette("#140d18")[0]

PASSES = (
    Brush(0.036, 0.105, 0.055, bristles=12, lightness=4, streaks=3, ragged=0.08, steps=3),
    Brush(0.030, 0.075, 0.036, bristles=9, lightness=7, tint=7, streaks=3, ragged=0.06, steps=3),
    Brush(0.034, 0.048, 0.019, bristles=5, lightness=10, tint=9, streaks=3, ragged=0.1, steps=3),
)


def draw(size: int, rng: np.random.Generator) -> Image:
    """Draw the style at ``size`` x ``size``."""
    scene, angle = _scene(rng)
    canvas = new_canvas(size, LEAVES[0])
    paint(canvas, scene, angle, PASSES[0], rng)
    paint(canvas, scene, angle, PASSES[1], rng, where=np.full_like(angle, 0.75))
    _trunks(canvas, rng)
    paint(canvas, scene, angle, PASSES[2], rng, where=np.full_like(angle, 0.6))
    return finish(canvas, depth=0.013, gloss=0.2)


def _scene(rng: np.random.Generator) -> tuple[Floats, Floats]:
    x, y = grid(FIELD)
    cx, horizon = rng.uniform(0.44, 0.56), 0.56
    aside = np.abs(x - cx)
    light = np.exp(-((aside / 0.16) ** 2) - (((y - 0.42) / 0.26) ** 2))
    crown = 0.62 * fractal(rng, FIELD, 6, 3) * 0.7 + 0.46 + 0.5 * light - 0.5 * aside
    leaves = ramp(LEAVES, np.clip(crown, 0, 1))
    air = ramp(AIR, np.clip(0.15 + 1.1 * light + 0.2 * noise(rng, FIELD, 5), 0, 1))
    gap = smoothstep(-0.05, 0.25, light - 0.32 + 0.25 * noise(rng, FIELD, 9))
    above = blend(leaves, air, gap)
    # The wet road mirrors what stands above it, broken by level slabs of sky colour.
    depth = np.clip((y - horizon) / (1 - horizon), 0, 1)
    mirror = np.clip(((horizon - (y - horizon) * 1.1) * FIELD).astype(int), 0, FIELD - 1)
    column = np.clip((x + 0.02 * noise(rng, FIELD, 12)) * FIELD, 0, FIELD - 1).astype(int)
    wet = ramp(AIR, np.clip(0.1 + 0.35 * noise(rng, FIELD, 6) + 0.6 * light, 0, 1))
    road = blend(above[mirror, column] * 0.85, wet, 0.2 + 0.35 * depth)
    verge = smoothstep(-0.03, 0.03, aside - 0.16 - 0.55 * depth + 0.05 * noise(rng, FIELD, 8))
    carpet = ramp(LEAVES, np.clip(0.42 + 0.6 * noise(rng, FIELD, 18), 0, 1))
    below = blend(road, carpet, verge)
    scene = blend(above, below, smoothstep(-0.008, 0.008, y - horizon))
    angle = np.where(y < horizon, 1.2 + 1.4 * noise(rng, FIELD, 7), 0.12 * noise(rng, FIELD, 9))
    upright = (y >= horizon) & (verge < 0.5) & (noise(rng, FIELD, 14) > -0.1)
    return scene, np.where(upright, np.pi / 2, angle).astype(np.float32)


def _trunks(canvas: NDArray[Any], rng: np.random.Generator) -> None:
    side = np.asarray([-1, 1, -1, 1, -1, 1, -1, 1])
    near = np.asarray([1, 1, 0.72, 0.72, 0.5, 0.5, 0.36, 0.36]) * rng.uniform(0.92, 1.08, 8)
    x = 0.5 + side * (0.44 * near)
    starts = np.stack([x, 0.57 + 0.14 * near - 0.42 * near], axis=1).astype(np.float32)
    lean = np.full((FIELD, FIELD), np.pi / 2) + 0.3 * noise(rng, FIELD, 6)
    paths = trace(lean.astype(np.float32), starts, (0.85 * near).astype(np.float32), 12)
    brush = Brush(0.1, 0.5, 0.04, bristles=9, streaks=7, ragged=0.12)
    inks = np.repeat(TRUNK[None], 8, axis=0)
    draw_strokes(canvas, paths, (0.045 * near**1.5).astype(np.float32), inks, brush, rng)
