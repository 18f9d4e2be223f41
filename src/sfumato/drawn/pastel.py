"""Soft pastel: sweeping chalk strokes in coral, mint and violet on dark paper."""

from __future__ import annotations

import numpy as np

from sfumato.drawn._colour import Floats, blend, palette, ramp
from sfumato.drawn._field import finished, fractal, grid, noise, paper, shrink, smoothstep
from sfumato.drawn._strokes import FIELD, SUPER, Brush, new_canvas, paint
from sfumato.types import Image

SHEET = palette("#1d1a33")[0]
SKY = palette("#3a4bb0 #7f9df0 #f5a8c8 #ff8f6b #ffd98a #fff3cf")
HILLS = (
    palette("#4a4fb5 #8a86e0 #c9b6f2"),
    palette("#1f7a86 #4cbfae #b5ecd0"),
    palette("#8a2f6b #e0597f #ffab9a"),
    palette("#123f5c #1f8a80 #8fe0b0"),
    palette("#2a1f5c #6b3fa0 #e58fc8"),
)

PASSES = (
    Brush(0.026, 0.20, 0.036, bristles=9, lightness=4, tint=5, streaks=4, ragged=0.12, steps=7),
    Brush(0.026, 0.15, 0.020, bristles=6, lightness=6, tint=7, streaks=5, ragged=0.15, steps=7),
    Brush(0.040, 0.12, 0.010, bristles=3, lightness=12, tint=10, streaks=5, steps=7),
)


def draw(size: int, rng: np.random.Generator) -> Image:
    """Draw the style at ``size`` x ``size``."""
    scene, angle = _scene(rng)
    canvas = new_canvas(size, SHEET)
    for brush in PASSES:
        paint(canvas, scene, angle, brush, rng)
    chalk = shrink(canvas.astype(np.float32) / 255, SUPER)
    tooth = paper(rng, size)
    # Chalk catches on the tooth of the paper and leaves its hollows dark.
    caught = 0.35 + 0.65 * smoothstep(-1.3, -0.1, tooth + 1.2 * (chalk[..., 3] - 0.3))
    dust = 1 + 0.05 * tooth
    picture = blend(np.broadcast_to(SHEET, chalk[..., :3].shape), chalk[..., :3], caught)
    return finished(picture * dust[..., None])


def _scene(rng: np.random.Generator) -> tuple[Floats, Floats]:
    x, y = grid(FIELD)
    sun_x, sun_y = rng.uniform(0.25, 0.75), rng.uniform(0.24, 0.32)
    d = np.hypot(x - sun_x, y - sun_y)
    glow = np.clip(1.05 - 1.9 * d + 0.12 * fractal(rng, FIELD, 4, 3), 0, 1)
    scene = ramp(SKY, glow)
    angle = np.arctan2(y - sun_y, x - sun_x) + np.pi / 2
    for k, colours in enumerate(HILLS):
        level = 0.46 + 0.125 * k
        pace, phase = rng.uniform(4, 8), rng.uniform(0, 6.28)
        ridge = level - rng.uniform(0.05, 0.09) * np.sin(pace * x + phase)
        below = y - ridge
        lit = 0.95 - 4.6 * below + 0.35 * np.sin(pace * x + phase + 1) + 0.2 * noise(rng, FIELD, 6)
        land = smoothstep(-0.004, 0.004, below)
        scene = blend(scene, ramp(colours, np.clip(lit, 0, 1)), land)
        slope = np.gradient(ridge, 1 / FIELD, axis=1)
        lean = np.arctan(slope) + (0.9 if k % 2 else -0.9) * np.clip(below / 0.12, 0, 1)
        angle = np.where(below > 0, lean, angle)
    return scene, angle.astype(np.float32)
