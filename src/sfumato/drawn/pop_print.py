"""Halftone pop print: dots of red, yellow and blue ink, a little out of register."""

from __future__ import annotations

import numpy as np

from sfumato.drawn._colour import Floats, multiply, palette
from sfumato.drawn._field import blur, finished, fractal, grid, noise, paper, shrink, smoothstep
from sfumato.types import Image

SHEET = palette("#fbf3e2")[0]
PINK, YELLOW, BLUE, BLACK = palette("#ee3b34 #ffcf3a #1b86b8 #14121f")
DOTS = 24  # halftone dots a side
SCREENS = {"pink": 0.26, "yellow": 0.0, "blue": 1.31}  # angles that keep moiré away


def draw(size: int, rng: np.random.Generator) -> Image:
    """Draw the style at ``size`` x ``size``."""
    fine = 2 * size
    x, y = grid(fine)
    pink, yellow, blue, line = _plates(x, y, rng)
    picture = np.broadcast_to(SHEET, (fine, fine, 3)).astype(np.float32)
    worn = 0.97 - 0.10 * smoothstep(0.35, 0.8, np.abs(fractal(rng, fine, 90, 3)))
    plates = ((YELLOW, yellow, "yellow"), (PINK, pink, "pink"), (BLUE, blue, "blue"))
    for ink, tone, name in plates:
        slip_x, slip_y = rng.uniform(-0.0035, 0.0035, 2)
        screen = _halftone(x + slip_x, y + slip_y, tone, SCREENS[name])
        picture = multiply(picture, ink, screen * worn)
    picture = multiply(picture, BLACK, line * 0.97)
    result = shrink(picture, 2) * (1 + 0.02 * paper(rng, size))[..., None]
    return finished(result)


def _halftone(x: Floats, y: Floats, tone: Floats, angle: float) -> Floats:
    """Round dots whose area follows ``tone`` 0..1; solid ink at 1."""
    u = (np.cos(angle) * x + np.sin(angle) * y) * DOTS % 1.0 - 0.5
    v = (np.cos(angle) * y - np.sin(angle) * x) * DOTS % 1.0 - 0.5
    radius = np.sqrt(np.clip(tone, 0, 1)) * 0.76 - 0.03
    return smoothstep(0.06, -0.06, np.hypot(u, v) - radius)


def _plates(
    x: Floats, y: Floats, rng: np.random.Generator
) -> tuple[Floats, Floats, Floats, Floats]:
    """A burst of rays behind hills of cloud, as three tone plates and a line plate."""
    size = x.shape[0]
    cx, cy = rng.uniform(0.35, 0.65), rng.uniform(0.4, 0.55)
    d = np.hypot(x - cx, y - cy)
    bearing = np.arctan2(y - cy, x - cx) + rng.uniform(0, 1)
    ray = np.sin(bearing * 10)
    on = smoothstep(-0.03, 0.03, ray)
    yellow = on * (0.95 - 0.2 * d) + (1 - on) * 0.0
    pink = (1 - on) * 0.0 + on * np.clip(d - 0.35, 0, 1) * 0.8
    blue = (1 - on) * np.clip(0.9 * (d - 0.15), 0, 0.6)
    line = smoothstep(0.0065, 0.0045, np.abs(ray) * d / 10)
    star = 0.2 + 0.055 * np.abs(((bearing * 9 / np.pi) % 2) - 1) * 2 - 0.055
    inside = smoothstep(0.002, -0.002, d - star)
    yellow = yellow * (1 - inside) + inside * 0.1
    pink = pink * (1 - inside) + inside * np.clip(0.95 - d * 3.2, 0.06, 1)
    blue = blue * (1 - inside)
    line = np.maximum(line * (1 - inside), smoothstep(0.0115, 0.009, np.abs(d - star)))
    for level, tone in ((0.72, 0.35), (0.86, 0.8)):
        puff = level - 0.09 * np.abs(np.sin(x * 9 + rng.uniform(0, 6.28) + level * 4))
        puff -= 0.04 * np.abs(np.sin(x * 21 + rng.uniform(0, 6.28))) + 0.02 * noise(rng, size, 4)
        cloud = smoothstep(-0.002, 0.002, y - puff)
        fall = np.clip((y - puff) * 3.4, 0, 1)
        blue = blue * (1 - cloud) + cloud * np.clip(tone * fall + 0.04, 0, 1)
        pink = pink * (1 - cloud) + cloud * (1 - tone) * fall * 0.4
        yellow = yellow * (1 - cloud)
        line = np.maximum(line * (1 - cloud), smoothstep(0.0115, 0.009, np.abs(y - puff)))
    return pink, yellow, blur(blue.astype(np.float32), 0.001), line
