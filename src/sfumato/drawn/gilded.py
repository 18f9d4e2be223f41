"""Gilded ornament: spirals, eyes and squares in gold leaf, black and enamel."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from sfumato.drawn._colour import Floats, jitter, palette, ramp
from sfumato.drawn._field import blur, finished, fractal, noise, relief, shrink
from sfumato.drawn._strokes import FIELD, sample, scatter
from sfumato.types import Image

GOLD = palette("#6b360a #b3690c #e29a14 #ffc632 #ffe88f")
ENAMEL = palette("#0f5c5c #b3202c #123a7a #f4ead2 #1c7a4a #e0701e #5a2a78")
DARK = palette("#17100c")[0]
FIELDS = palette("#17100c #f8e7b0 #0d5560 #8a1420 #17100c #1a2f6c")


def draw(size: int, rng: np.random.Generator) -> Image:
    """Draw the style at ``size`` x ``size``."""
    canvas = np.zeros((2 * size, 2 * size, 4), dtype=np.uint8)
    _leaf(canvas, rng)
    _patches(canvas, rng)
    _spirals(canvas, rng)
    _eyes(canvas, rng)
    layers = canvas.astype(np.float32) / 255
    height = blur(layers[..., 3], 0.0008)
    height = height + 0.05 * fractal(rng, 2 * size, 50, 4)
    shade, gloss = relief(height, 0.010)
    metal = layers[..., 0] - layers[..., 2]  # gold shines, enamel less
    lit = layers[..., :3] * shade[..., None]
    lit += (gloss * np.clip(metal, 0.05, 0.6) * 0.25)[..., None] * GOLD[4]
    return finished(shrink(lit, 2))


def _fixed(points: Floats, canvas: NDArray[np.uint8]) -> NDArray[np.int32]:
    return np.ascontiguousarray(np.round(points * canvas.shape[0] * 16), dtype=np.int32)


def _ink(colour: Floats, height: float) -> list[float]:
    return [*(colour * 255).tolist(), height]


def _disc(
    canvas: NDArray[np.uint8], at: Floats, radius: float, colour: Floats, height: float
) -> None:
    reach = max(8, round(radius * canvas.shape[0] * 16))
    ink = _ink(colour, height)
    cv2.circle(canvas, _fixed(at, canvas).tolist(), reach, ink, cv2.FILLED, cv2.LINE_8, 4)


def _leaf(canvas: NDArray[np.uint8], rng: np.random.Generator) -> None:
    """A ground of small squares of gold leaf."""
    side = canvas.shape[0]
    cells = 30
    tone = np.clip(0.5 + 0.5 * noise(rng, cells, 5) + rng.normal(0, 0.12, (cells, cells)), 0, 1)
    gold = cv2.resize(ramp(GOLD, tone), (side, side), interpolation=cv2.INTER_NEAREST)
    canvas[..., :3] = np.clip(gold * 255 * (1 + 0.1 * fractal(rng, side, 12, 5)[..., None]), 0, 255)
    canvas[..., 3] = 60


def _patches(canvas: NDArray[np.uint8], rng: np.random.Generator) -> None:
    """Black, ivory and enamel rectangles in upright clusters."""
    crowd = noise(rng, FIELD, 4)
    for point in scatter(rng, 0.055):
        if sample(crowd, point) < 0.0:
            continue
        w, h = rng.choice([0.016, 0.024, 0.034]), rng.choice([0.024, 0.04, 0.058])
        box = np.asarray([[-w, -h], [w, -h], [w, h], [-w, h]]) / 2
        colour = DARK if rng.uniform() < 0.45 else ENAMEL[rng.integers(len(ENAMEL))]
        cv2.fillConvexPoly(canvas, _fixed(point + box * 1.5, canvas), _ink(DARK, 90), 8, 4)
        cv2.fillConvexPoly(canvas, _fixed(point + box * 1.2, canvas), _ink(colour, 130), 8, 4)
        if rng.uniform() < 0.5:
            cv2.fillConvexPoly(canvas, _fixed(point + box * 0.45, canvas), _ink(GOLD[4], 170), 8, 4)


def _spirals(canvas: NDArray[np.uint8], rng: np.random.Generator) -> None:
    """Large curls in dark outline with a raised gold core, thinner towards the eye."""
    for point in scatter(rng, 0.24, 0.1):
        turns = rng.uniform(2.2, 3.2)
        t = np.linspace(0, 1, 110)
        angle = 2 * np.pi * turns * t * rng.choice([-1, 1]) + rng.uniform(0, 6.28)
        radius = (0.014 + 0.1 * t) * rng.uniform(0.8, 1.2)
        curl = point + radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
        ground = (
            GOLD[rng.integers(1, 5)] if rng.uniform() < 0.6 else FIELDS[rng.integers(len(FIELDS))]
        )
        _disc(canvas, point, float(radius[-1]) * 1.12, DARK, 64)
        _disc(canvas, point, float(radius[-1]) * 1.06, jitter(ground, rng, 4, 3), 70)
        _ribbon(canvas, curl, 0.0062 + 0.0075 * t, DARK, 110)
        _ribbon(canvas, curl, 0.0022 + 0.0035 * t, GOLD[4], 200)


def _ribbon(
    canvas: NDArray[np.uint8], path: Floats, width: Floats, colour: Floats, height: float
) -> None:
    points = _fixed(path, canvas)
    thick = np.maximum(1, np.round(width * canvas.shape[0])).astype(int)
    ink = _ink(colour, height)
    for i in range(len(points) - 1):
        cv2.line(canvas, points[i].tolist(), points[i + 1].tolist(), ink, int(thick[i]), 8, 4)


def _eyes(canvas: NDArray[np.uint8], rng: np.random.Generator) -> None:
    """Rosettes: nested discs of enamel, gold and black, with a ring of beads."""
    for point in scatter(rng, 0.25, 0.0):
        r = rng.uniform(0.028, 0.048)
        colours = [DARK, GOLD[4], *ENAMEL[rng.permutation(len(ENAMEL))[:2]], GOLD[3], DARK]
        for k, colour in enumerate(colours):
            _disc(canvas, point, r * (1 - k / len(colours)), colour, 90 + 22 * k)
        for turn in np.linspace(0, 2 * np.pi, 14, endpoint=False):
            bead = point + 1.22 * r * np.asarray([np.cos(turn), np.sin(turn)])
            _disc(canvas, bead, r * 0.15, DARK, 100)
            _disc(canvas, bead, r * 0.10, GOLD[4], 200)
