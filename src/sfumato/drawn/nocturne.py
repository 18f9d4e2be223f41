"""Night sky of thick curling brush strokes, lamps and stars glowing in it."""

from __future__ import annotations

import numpy as np

from sfumato.drawn._colour import Floats, blend, palette, ramp
from sfumato.drawn._field import fractal, grid, noise, smoothstep
from sfumato.drawn._strokes import FIELD, Brush, finish, new_canvas, paint
from sfumato.types import Image

NIGHT = palette("#060d2e #0c2a70 #1a55ad #3b90d0 #8fcbe4 #eef4e4")
GLOW = palette("#8fcbe4 #dfe9c0 #ffe98a #ffc22e #ffab1f #fff6cf")
EARTH = palette("#060b22 #0d2a44 #17505a #35806a #a8b04e")

PASSES = (
    Brush(0.026, 0.19, 0.040, bristles=10, lightness=3, streaks=5, steps=9),
    Brush(0.021, 0.15, 0.024, bristles=7, lightness=6, streaks=6, steps=9),
    Brush(0.026, 0.11, 0.012, bristles=4, lightness=10, tint=6, streaks=4, steps=7),
)


def draw(size: int, rng: np.random.Generator) -> Image:
    """Draw the style at ``size`` x ``size``."""
    scene, angle = _scene(rng)
    canvas = new_canvas(size, NIGHT[0])
    for brush in PASSES:
        paint(canvas, scene, angle, brush, rng)
    return finish(canvas, depth=0.011)


def _scene(rng: np.random.Generator) -> tuple[Floats, Floats]:
    x, y = grid(FIELD)
    drift = 0.35 * noise(rng, FIELD, 3) + 0.5 * np.sin(7 * x + 2 * y)
    ux, uy = np.cos(drift) * 0.35, np.sin(drift) * 0.35
    sky = 0.40 + 0.34 * fractal(rng, FIELD, 5, 3) + 0.24 * np.sin(22 * y + 4 * np.sin(6 * x))
    glow = np.zeros_like(x)
    for cx, cy, r, sign in _vortices(rng):
        dx, dy = x - cx, y - cy
        d = np.sqrt(dx * dx + dy * dy) + 1e-6
        pull = np.exp(-((d / (2.1 * r)) ** 2))
        ux, uy = ux - sign * 2.2 * dy / d * pull, uy + sign * 2.2 * dx / d * pull
        sky += (0.1 + 0.3 * np.cos(d / r * 4.2)) * pull
    for cx, cy, r in _lamps(rng):
        dx, dy = x - cx, y - cy
        d = np.sqrt(dx * dx + dy * dy) + 1e-6
        pull = np.exp(-((d / (1.6 * r)) ** 2))
        ux, uy = ux - 5 * dy / d * pull, uy + 5 * dx / d * pull
        rings = np.exp(-((d / r) ** 2) * 0.75) + 0.14 * np.cos(d / r * 8) * pull
        glow = np.maximum(glow, rings)
    scene = ramp(NIGHT, np.clip(sky, 0, 1))
    scene = blend(scene, ramp(GLOW, np.clip(glow, 0, 1)), smoothstep(0.1, 0.35, glow))
    angle = np.arctan2(uy, ux)
    hill = 0.84 + 0.07 * np.sin(5 * x + 1) - 0.1 * x + 0.03 * noise(rng, FIELD, 5)
    land = smoothstep(-0.006, 0.006, y - hill)
    tone = 0.25 + 0.9 * (y - hill) + 0.35 * fractal(rng, FIELD, 8, 3)
    scene = blend(scene, ramp(EARTH, np.clip(tone, 0, 1)), land)
    slope = np.arctan2(np.gradient(hill, axis=1), 1 / FIELD) * 1.0 + 0.5 * np.sin(17 * x + 9 * y)
    return scene, np.where(land > 0.5, slope, angle).astype(np.float32)


def _vortices(rng: np.random.Generator) -> list[tuple[float, float, float, float]]:
    spots = [(0.36, 0.42, 0.13, 1.0), (0.62, 0.5, 0.09, -1.0), (0.1, 0.62, 0.08, 1.0)]
    shift = rng.uniform(-0.05, 0.05, (len(spots), 2))
    return [(x + dx, y + dy, r, s) for (x, y, r, s), (dx, dy) in zip(spots, shift, strict=True)]


def _lamps(rng: np.random.Generator) -> list[tuple[float, float, float]]:
    spots = [(0.84, 0.16, 0.115), (0.14, 0.14, 0.06), (0.42, 0.12, 0.05), (0.6, 0.26, 0.045)]
    spots += [(0.88, 0.48, 0.055), (0.3, 0.68, 0.035), (0.06, 0.38, 0.04), (0.7, 0.66, 0.04)]
    shift = rng.uniform(-0.04, 0.04, (len(spots), 2))
    return [(x + dx, y + dy, r) for (x, y, r), (dx, dy) in zip(spots, shift, strict=True)]
