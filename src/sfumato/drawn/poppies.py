"""Impressionist field of poppies: comma dabs of scarlet, green and summer sky."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sfumato.drawn._colour import Floats, blend, jitter, palette, ramp
from sfumato.drawn._field import fractal, grid, noise, smoothstep
from sfumato.drawn._strokes import (
    FIELD,
    Brush,
    draw_strokes,
    finish,
    new_canvas,
    paint,
    scatter,
    trace,
)
from sfumato.types import Image

SKY = palette("#2f6fc4 #5fa3e2 #a9d3f0 #fdf6e0 #fbe3b8")
MEADOW = palette("#0e2f2a #1f5f38 #5c9a3e #b5cc5a #f6e88e")
TREES = palette("#10263a #1d4b4a #3f7a52 #8fb06a")
FLOWERS = palette("#d6141f #f23a1d #ff6a3a #a80f24 #ff8fa0 #f7f1e4 #6f5bd0")
HORIZON = 0.4

PASSES = (
    Brush(0.027, 0.085, 0.034, bristles=8, lightness=4, tint=4, steps=5),
    Brush(0.023, 0.062, 0.019, bristles=5, lightness=5, tint=6, steps=5),
    Brush(0.026, 0.042, 0.011, bristles=3, lightness=7, tint=7, steps=5),
)


def draw(size: int, rng: np.random.Generator) -> Image:
    """Draw the style at ``size`` x ``size``."""
    scene, angle = _scene(rng)
    canvas = new_canvas(size, palette("#8a7a54")[0])
    for brush in PASSES:
        paint(canvas, scene, angle, brush, rng)
    _flowers(canvas, rng)
    return finish(canvas, depth=0.009, gloss=0.12)


def _scene(rng: np.random.Generator) -> tuple[Floats, Floats]:
    x, y = grid(FIELD)
    cloud = fractal(rng, FIELD, 4, 4) + 0.4 * np.sin(9 * y + 3 * x)
    sky = ramp(SKY, np.clip(0.12 + 1.3 * y + 0.5 * cloud, 0, 1))
    wood = HORIZON - 0.05 - 0.09 * np.clip(noise(rng, FIELD, 4), -0.4, 1)
    wood -= 0.02 * noise(rng, FIELD, 18)
    trees = ramp(TREES, np.clip(0.35 + 0.6 * noise(rng, FIELD, 12) - 1.5 * (y - wood), 0, 1))
    scene = blend(sky, trees, smoothstep(-0.006, 0.006, y - wood))
    depth = np.clip((y - HORIZON) / (1 - HORIZON), 0, 1)
    tone = 0.72 - 0.5 * depth + 0.4 * fractal(rng, FIELD, 7, 3)
    scene = blend(scene, ramp(MEADOW, np.clip(tone, 0, 1)), smoothstep(0, 0.01, y - HORIZON))
    grass = -np.pi / 2 + 0.5 * np.sin(5 * x + 3 * y) + 0.5 * noise(rng, FIELD, 6)
    drift = 0.25 * np.sin(6 * x) + 0.8 * noise(rng, FIELD, 4)
    return scene, np.where(y > HORIZON, grass, drift).astype(np.float32)


def _flowers(canvas: NDArray[Any], rng: np.random.Generator) -> None:
    """Dabs in drifts, small and dense far away, large near by."""
    points = scatter(rng, 0.016)
    depth = (points[:, 1] - HORIZON - 0.015) / (1 - HORIZON)
    drifts = noise(rng, FIELD, 5) + 0.5 * noise(rng, FIELD, 12)
    index = np.clip((points * FIELD).astype(int), 0, FIELD - 1)
    wanted = 0.45 * smoothstep(-0.35, 0.5, drifts[index[:, 1], index[:, 0]]) * (1.05 - 0.6 * depth)
    points = points[(depth > 0) & (rng.uniform(0, 1, len(points)) < wanted)]
    points = points[np.argsort(points[:, 1])]
    depth = (points[:, 1] - HORIZON) / (1 - HORIZON)
    weights = np.asarray([30, 28, 16, 10, 7, 5, 4]) / 100
    inks = jitter(FLOWERS[rng.choice(len(FLOWERS), len(points), p=weights)], rng, 5, 6)
    width = ((0.011 + 0.032 * depth) * rng.uniform(0.7, 1.2, len(points))).astype(np.float32)
    flat = np.full((FIELD, FIELD), 0.1, np.float32) + 0.5 * noise(rng, FIELD, 30)
    brush = Brush(0.01, 0.02, 0.01, bristles=4, lightness=4, streaks=6, ragged=0.3)
    paths = trace(flat, points, width * 1.25, 3)
    draw_strokes(canvas, paths, width * 0.85, inks, brush, rng)
