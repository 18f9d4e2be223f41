"""Rose window: jewel-coloured panes in dark lead, lit from behind."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sfumato.drawn._cells import border_distance, merge, thrown, voronoi
from sfumato.drawn._colour import Floats, palette, shift
from sfumato.drawn._field import finished, fractal, grid, noise, shrink, smoothstep
from sfumato.drawn._strokes import scatter
from sfumato.types import Image

LEAD = palette("#07080d")[0]
BLUES = palette("#1238b0 #1a64d8 #0c2478 #2b95e0 #1186b8 #3a55d0")
WARM = palette("#c4122a #f2a20c #e8641a #f8d85a")
PALE = palette("#f7e9b0 #bfe3ea #f4c64e #9fd8c0")
GREENS = palette("#0c8a5a #19b0a2 #0c6478 #6cc46a")
SETS = (WARM, BLUES, PALE, GREENS)

THROWS = 1013  # random numbers to colour panes with
PETALS = 10
RINGS = (0.085, 0.245, 0.385, 0.475)
TRACERY = (  # circles of stone lace: ring of centres, radius, phase in petals, set of colours
    (0.315, 0.062, 0.0, 2),
    (0.315, 0.036, 0.0, 0),
)


def draw(size: int, rng: np.random.Generator) -> Image:
    """Draw the style at ``size`` x ``size``."""
    fine = 2 * size
    panes, colours = _window(fine, rng)
    x, y = grid(fine)
    edge = border_distance(panes)
    # Mouth-blown glass: reams and seeds in it, each pane lighter in its middle.
    ream = 0.2 * fractal(rng, fine, 8, 5) + 0.08 * noise(rng, fine, 70)
    light = 0.9 + 0.55 * smoothstep(0, 0.05, edge) + ream
    glow = 1.2 - 0.55 * np.hypot(x - 0.5, y - 0.5)
    lit = colours[panes] * (light * glow)[..., None]
    lit = lit + (0.10 * smoothstep(0.4, 1.1, ream + 0.5))[..., None]
    width = 0.0062 * (1 + 0.2 * noise(rng, fine, 20))
    came = smoothstep(0.0012, -0.0012, edge - width)[..., None]
    solder = smoothstep(0.0035, 0.0, edge)[..., None] * 0.14
    lit = lit * (1 - came) + (LEAD + solder) * came
    return finished(shrink(lit.astype(np.float32), 2))


def _window(size: int, rng: np.random.Generator) -> tuple[NDArray[Any], Floats]:
    """Pane number of every pixel, int ``[S, S]``, and the colour of every pane ``[P, 3]``."""
    x, y = grid(size)
    turn = rng.uniform(0, 1)
    d = np.hypot(x - 0.5, y - 0.5)
    bearing = (np.arctan2(y - 0.5, x - 0.5) / (2 * np.pi) * PETALS - turn) % PETALS
    ring = np.searchsorted(np.asarray(RINGS), d).astype(np.int32)
    family = np.choose(np.minimum(ring, 4), (2, 1, 1, 3, 1)).astype(np.int32)
    spokes = np.where(ring % 2 == 1, bearing, (bearing + 0.5) % PETALS)
    piece = np.where(ring > 0, spokes.astype(np.int32), 0)
    piece = np.where(ring == 3, (bearing * 2).astype(np.int32), piece)
    lace = np.zeros_like(ring)
    for number, (reach, radius, phase, colours) in enumerate(TRACERY):
        for k in range(PETALS):
            angle = (k + phase + turn) / PETALS * 2 * np.pi
            cx, cy = 0.5 + reach * np.cos(angle), 0.5 + reach * np.sin(angle)
            inside = np.hypot(x - cx, y - cy) < radius
            lace = np.where(inside, 1 + number * PETALS + k, lace)
            family = np.where(inside, colours, family)
    along = np.clip((d - 0.088) / 0.155, 0, 1)  # pointed petals, split along their rib
    petal = np.abs(bearing % 1 - 0.5) < 0.43 * np.clip(np.sin(np.pi * along), 0, 1) ** 0.8
    lace = np.where(petal, 1000 + (bearing * 2).astype(np.int32), lace)
    family = np.where(petal, 0, family)
    heart = (d < 0.034).astype(np.int32)
    family = np.where(heart == 1, 0, family)
    outside = ring == len(RINGS)
    shards = voronoi(scatter(rng, 0.12), size)
    family = np.where(outside & (lace == 0), np.choose(shards % 5, (3, 1, 2, 1, 3)), family)
    piece = np.where(outside, shards, piece) * (lace == 0)
    panes, first, keys = merge(ring * (lace == 0), piece, lace, heart)
    number = piece.flat[first] + thrown(rng.integers(0, 2, THROWS), keys)
    sets = (SETS[f] for f in family.flat[first])
    glass = np.stack([inks[n % len(inks)] for inks, n in zip(sets, number, strict=True)])
    return panes, shift(glass, 5 * thrown(rng.standard_normal((THROWS, 3)), keys))
