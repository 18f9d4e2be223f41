"""Pen and ink: hills modelled by cross-hatching on cream paper."""

from __future__ import annotations

import numpy as np

from sfumato.drawn._colour import Floats, blend, palette
from sfumato.drawn._field import blur, finished, fractal, grid, noise, paper, shrink, smoothstep
from sfumato.types import Image

SHEET, PEN = palette("#f5ead3 #14131c")
HILLS = 7
LINES = 92  # hatch lines a side


def draw(size: int, rng: np.random.Generator) -> Image:
    """Draw the style at ``size`` x ``size``."""
    fine = 2 * size
    x, y = grid(fine)
    tone, turn, outline = _landscape(x, y, rng)
    shake = 0.55 * noise(rng, fine, 40) + 0.9 * noise(rng, fine, 9)
    press = 0.16 * noise(rng, fine, 60) + 0.08 * noise(rng, fine, 150)
    inked = outline
    for start, angle in ((0.06, 0.0), (0.34, 1.05), (0.6, -0.8), (0.8, 1.57)):
        # One more set of lines wherever the tone is darker than the last set could make it.
        along = np.cos(turn + angle) * y - np.sin(turn + angle) * x
        wave = np.abs(((along * LINES + shake * 0.5) % 1.0) - 0.5) * 2
        thickness = np.clip((tone - start) * 0.95, 0, 0.62) * (tone > start) + press * 0.35
        inked = np.maximum(inked, smoothstep(0.08, -0.08, wave - thickness) * (tone > start))
    ink = shrink(np.asarray(inked, np.float32), 2)
    tooth = paper(rng, size)
    sheet = SHEET * (1 + 0.025 * tooth + 0.02 * fractal(rng, size, 3, 3))[..., None]
    picture = blend(sheet, PEN, ink * (0.94 + 0.06 * tooth))
    return finished(picture)


def _landscape(x: Floats, y: Floats, rng: np.random.Generator) -> tuple[Floats, Floats, Floats]:
    """Tone 0 (paper) .. 1 (black), direction of the first hatching, and pen outlines."""
    size = x.shape[0]
    sun_x, sun_y = rng.uniform(0.55, 0.75), 0.19
    distance = np.hypot(x - sun_x, y - sun_y)
    tone = np.clip(0.1 + 0.75 * (distance - 0.16) - 0.35 * y, 0, 0.6) * (distance > 0.12)
    turn = np.arctan2(y - sun_y, x - sun_x) + np.pi / 2
    outline = smoothstep(0.004, 0.002, np.abs(distance - 0.12))
    for hill in range(HILLS):
        base = 0.34 + 0.62 * (hill / (HILLS - 1)) ** 1.15
        swing = rng.uniform(0.05, 0.1)
        phase, pace = rng.uniform(0, 6.28), rng.uniform(3.5, 8)
        ridge = base - swing * np.sin(pace * x + phase) - 0.02 * np.sin(19 * x + 3 * phase)
        below = y - ridge
        land = below > 0
        lit = np.cos(pace * x + phase + 0.9)
        slope = np.arctan(-swing * pace * np.cos(pace * x + phase))
        shade = 0.38 - 0.42 * lit + 0.42 * np.exp(-below / 0.035) - 1.0 * below
        lump = 0.22 * noise(rng, size, 7)
        tone = np.where(land, np.clip(shade + lump, 0.0, 1), tone)
        turn = np.where(land, slope + 1.25 + 2.2 * below + 0.5 * lump, turn)
        outline = np.where(land, 0, outline)
        outline = np.maximum(outline, smoothstep(0.0035, 0.0015, np.abs(below)))
    return blur(tone.astype(np.float32), 0.003), turn.astype(np.float32), outline
