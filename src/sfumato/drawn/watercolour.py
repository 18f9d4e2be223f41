"""Watercolour: wet washes with dark rims and granulation on rough paper."""

from __future__ import annotations

import numpy as np

from sfumato.drawn._colour import Floats, multiply, palette
from sfumato.drawn._field import blur, finished, fractal, grid, noise, paper, smoothstep, warp
from sfumato.types import Image

SHEET = palette("#fdfaf1")[0]
INKS = palette("#12408f #e03a2c #f5a300 #0c7f78 #16245c #1f9fd8 #d42a63 #0f5a4c")
WASHES = 34


def draw(size: int, rng: np.random.Generator) -> Image:
    """Draw the style at ``size`` x ``size``."""
    tooth = paper(rng, size)
    picture = np.broadcast_to(SHEET, (size, size, 3)) * np.ones((1, 1, 1), np.float32)
    pool = [fractal(rng, size, 4, 6), fractal(rng, size, 3, 4), noise(rng, size, 3)]
    order = rng.permutation(len(INKS))
    for wash in range(WASHES):
        body = _wash(pool, rng, wash / WASHES)
        granules = np.clip(1 + 0.35 * tooth * rng.uniform(0.3, 1), 0, 2)
        picture = multiply(picture, INKS[order[wash % len(INKS)]], np.clip(body * granules, 0, 1))
    for ink in (0, 7, 1):
        picture = multiply(picture, INKS[ink], _spatter(size, rng))
    shade = 1 + 0.035 * (tooth - np.roll(tooth, 1, axis=(0, 1)))
    return finished(picture * shade[..., None])


def _wash(pool: list[Floats], rng: np.random.Generator, late: float) -> Floats:
    """Amount of ink 0..1 of one wash: flat inside, blooming, dark where it dried at the rim."""
    x, y = grid(pool[0].shape[0])
    cx, cy = rng.uniform(-0.05, 1.05, 2)
    rough, bleed, wet = (_turned(field, rng) for field in pool)
    reach = rng.uniform(0.16, 0.3) * (1.25 - 0.75 * late)
    tilt, flat = rng.uniform(0, np.pi), rng.uniform(0.35, 0.9)
    along = (x - cx) * np.cos(tilt) + (y - cy) * np.sin(tilt)
    across = (y - cy) * np.cos(tilt) - (x - cx) * np.sin(tilt)
    ragged = 0.06 * rough
    inside = reach - np.hypot(along, across / flat) + ragged * (0.5 + reach * 2)
    soft = 0.004 + 0.05 * smoothstep(0.2, 0.9, wet)  # wet-in-wet in places
    body = np.clip(inside / soft, 0, 1)
    rim = np.exp(-np.clip(inside, 0, None) / 0.006) * body * (soft < 0.02)
    pool = np.clip(0.42 + 0.34 * bleed, 0.06, 0.95)
    strength = rng.uniform(0.75, 1.15)
    return np.asarray(np.clip(body * pool * strength + 0.35 * rim * strength, 0, 1), np.float32)


def _turned(field: Floats, rng: np.random.Generator) -> Floats:
    """The field mirrored, turned and negated at random: fresh noise for the price of a copy."""
    flip_y, flip_x, sign = rng.choice([-1, 1], 3)
    return np.rot90(field, int(rng.integers(0, 4)))[::flip_y, ::flip_x] * np.float32(sign)


def _spatter(size: int, rng: np.random.Generator) -> Floats:
    x, y = grid(size)
    ink = np.zeros_like(x)
    for cx, cy, r in zip(*rng.uniform(0, 1, (3, 26)), strict=True):
        radius = 0.0015 + 0.009 * r**4
        ink = np.maximum(ink, smoothstep(0.001, -0.001, np.hypot(x - cx, y - cy) - radius))
    return np.asarray(0.7 * warp(blur(ink, 0.0008), 0 * x, 0 * y), dtype=np.float32)
