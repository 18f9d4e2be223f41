"""Orphist discs: rings and facets of pure colour turning into each other."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sfumato.drawn._cells import border_distance, merge, thrown
from sfumato.drawn._colour import palette, shift
from sfumato.drawn._field import finished, fractal, grid, noise, shrink, smoothstep
from sfumato.types import Image

WHEEL = palette(
    "#f6b01e #ef6a1f #d62b2f #8e1f5f #3a2a86 #1d5fb4 "
    "#25a0c4 #2f9e6e #a9c93c #f7e27a #f7efe0 #151626"
)
DISCS = 6
THROWS = 1013  # random numbers to colour facets with


def draw(size: int, rng: np.random.Generator) -> Image:
    """Draw the style at ``size`` x ``size``."""
    fine = 2 * size
    x, y = grid(fine)
    x = x + 0.004 * noise(rng, fine, 7)
    y = y + 0.004 * noise(rng, fine, 7)
    owner, ring, sector, fade = _discs(x, y, rng)
    cut = np.zeros_like(ring)
    for _ in range(3):  # long straight cuts shift the wheel, as light through a prism
        angle, offset = rng.uniform(0, np.pi), rng.uniform(-0.3, 0.3)
        cut = cut * 2 + (np.cos(angle) * (x - 0.5) + np.sin(angle) * (y - 0.5) > offset)
    panes, first, keys = merge(owner, ring, sector, cut.astype(np.int32))
    step = ring.flat[first] + 3 * sector.flat[first] + 5 * cut.flat[first]
    step = step + 4 * owner.flat[first] + thrown(rng.integers(0, 2, THROWS), keys)
    inks = WHEEL[step % len(WHEEL)]
    colours = shift(inks, 5 * thrown(rng.standard_normal((THROWS, 3)), keys))
    brushed = 0.07 * fractal(rng, fine, 30, 4) + 0.05 * np.sin(260 * fade)
    light = 0.80 + 0.30 * (fade * 9 % 1.0) + brushed
    picture = colours[panes] * light[..., None]
    seam = smoothstep(0.0026, 0.0008, border_distance(panes))
    picture = picture * (1 - 0.8 * seam[..., None])
    return finished(shrink(picture.astype(np.float32), 2))


def _discs(
    x: NDArray[Any], y: NDArray[Any], rng: np.random.Generator
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Topmost disc, ring and sector of every pixel, and its distance from that disc's centre."""
    spots = [(0.5, 0.5, 1.5), (0.16, 0.8, 0.36), (0.84, 0.2, 0.34)]
    spots += [(0.74, 0.76, 0.24), (0.2, 0.24, 0.22), (0.47, 0.47, 0.17)][: DISCS - 3]
    owner = np.zeros(x.shape, dtype=np.int32)
    ring, sector = owner.copy(), owner.copy()
    distance = np.zeros_like(x)
    for k, (cx, cy, reach) in enumerate(spots):
        cx, cy = cx + rng.uniform(-0.06, 0.06), cy + rng.uniform(-0.06, 0.06)
        d = np.hypot(x - cx, y - cy)
        over = d < reach
        parts = int(rng.choice([4, 6, 8]))
        twist = rng.uniform(-0.6, 0.6) * d  # the spokes lean, and the wheel seems to spin
        turn = (np.arctan2(y - cy, x - cx) / (2 * np.pi) + rng.uniform(0, 1) + twist) % 1 * parts
        owner = np.where(over, k, owner)
        widths = np.cumsum(rng.uniform(0.028, 0.085, 30))
        ring = np.where(over, np.searchsorted(widths, d), ring).astype(np.int32)
        sector = np.where(over, turn.astype(np.int32), sector)
        distance = np.where(over, d, distance)
    return owner, ring, sector, distance
