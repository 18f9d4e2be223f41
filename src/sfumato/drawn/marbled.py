"""Marbled paper: drops of ink spread on water and combed into feathers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sfumato.drawn._colour import Floats, palette
from sfumato.drawn._field import finished, fractal, grid, noise, paper, shrink
from sfumato.drawn._strokes import scatter
from sfumato.types import Image

INKS = palette("#0e2a47 #f3e7cf #12747c #e2643a #f0b541 #7fc3b4 #9c2338 #f3e7cf #1b1730")
STONES = 40
RINGS = 5


def draw(size: int, rng: np.random.Generator) -> Image:
    """Draw the style at ``size`` x ``size``."""
    fine = 2 * size
    x, y = grid(fine)
    wet = 0.012 * noise(rng, fine, 5)
    x, y = _stir(x + wet, y - wet, rng)
    x, y = _comb(x, y, rng)
    ink = _drops(x, y, rng)
    picture = INKS[ink]
    pooled = 1 + 0.05 * fractal(rng, fine, 5, 5) + 0.03 * noise(rng, fine, 160)
    result = shrink((picture * pooled[..., None]).astype(np.float32), 2)
    result = result * (1 + 0.02 * paper(rng, size))[..., None]
    return finished(result)


def _drops(x: Floats, y: Floats, rng: np.random.Generator) -> NDArray[Any]:
    """Ink number at every place, int ``[S, S]``.

    A drop of radius r at c pushes the ink around it outwards and keeps its area (Lu, Jaffer, Jin,
    Zhao and Mao, "Mathematical marbling", 2012); here run backwards, from the last drop to the
    first, so that each place finds the ink that ended there.
    """
    ink = np.full(x.shape, -1, dtype=np.int32)
    for centre in rng.permutation(scatter(rng, 0.21, 0.12))[:STONES]:
        # Drops let fall on one spot make rings whose areas are the drops' own.
        rings = np.cumsum(rng.uniform(0.025, 0.075, RINGS) ** 2).astype(np.float32)
        first = rng.integers(len(INKS))
        dx, dy = x - centre[0], y - centre[1]
        away = dx * dx + dy * dy + np.float32(1e-9)
        here = (away < rings[-1]) & (ink < 0)
        ink[here] = (first + np.searchsorted(rings, away[here])) % len(INKS)
        pull = np.sqrt(np.maximum(1 - rings[-1] / away, 0))
        x, y = centre[0] + dx * pull, centre[1] + dy * pull
    return np.where(ink < 0, 2, ink)


def _comb(x: Floats, y: Floats, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Rakes drawn through the ink, up and down by turns: sharp feathered chevrons."""
    teeth = 4.0
    phase = rng.uniform(0, 1)
    tooth = np.abs(((x * teeth + phase) % 1.0) - 0.5) * 2
    y = y + 0.16 * (np.exp(-3.2 * tooth) - 0.35) + 0.05 * np.sin(2 * np.pi * (x * 0.8 + phase))
    return x + 0.02 * np.sin(2 * np.pi * (y * 2.5 + phase)), y


def _stir(x: Floats, y: Floats, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """A stick turned in the bath at a few places."""
    for _ in range(4):
        cx, cy = rng.uniform(0.1, 0.9, 2)
        turn, reach = rng.choice([-1, 1]) * rng.uniform(1.6, 3.0), rng.uniform(0.1, 0.2)
        dx, dy = x - cx, y - cy
        angle = turn * np.exp(-(dx * dx + dy * dy) / reach**2)
        cos, sin = np.cos(angle), np.sin(angle)
        x, y = cx + dx * cos - dy * sin, cy + dx * sin + dy * cos
    return x.astype(np.float32), y.astype(np.float32)
