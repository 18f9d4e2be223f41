"""Stroke-based rendering: brushes that follow a flow field and leave bristle marks.

A scene is a small colour picture and a direction field; passes of strokes, broad ones first,
repaint it (after Hertzmann, "Painterly rendering with curved brush strokes of multiple sizes",
SIGGRAPH 1998; here the "photo" is itself drawn by code). Each stroke is a bundle of bristles, and
each bristle one polyline in a four-channel canvas: red, green, blue and the height of the paint.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from sfumato.drawn._colour import Floats, jitter
from sfumato.drawn._field import finished, impasto, shrink
from sfumato.types import Image

FIELD = 256
"""Side of the colour and direction fields that strokes read from, in samples."""

SUPER = 2
"""Canvases are this many times finer than the result: hard lines drawn large and averaged down
are three times faster than OpenCV's anti-aliased ones, and as smooth."""

_SHIFT = 4  # fractional bits of OpenCV's fixed-point coordinates


@dataclass(frozen=True)
class Brush:
    """One pass of strokes. Lengths are fractions of the picture's side.

    Attributes:
        spacing: mean distance of neighbouring strokes.
        length, width: of a stroke.
        bristles: polylines a stroke is made of.
        lightness, tint: colour jitter between strokes, in Lab units.
        streaks: lightness jitter between the bristles of one stroke, in Lab units.
        wander: jitter of the direction, in radians.
        ragged: how unevenly the bristles begin and end, 0..1 of the length.
        steps: points on a stroke; 2 = straight.
    """

    spacing: float
    length: float
    width: float
    bristles: int = 7
    lightness: float = 5.0
    tint: float = 4.0
    streaks: float = 4.0
    wander: float = 0.1
    ragged: float = 0.25
    steps: int = 8


def scatter(rng: np.random.Generator, spacing: float, margin: float = 0.05) -> Floats:
    """Evenly scattered points ``[N, 2]`` (x, y): a jittered hexagonal lattice, shuffled."""
    rows = np.arange(-margin, 1 + margin, spacing * 0.866)
    columns = np.arange(-margin, 1 + margin, spacing)
    x, y = np.meshgrid(columns, rows)
    x[1::2] += spacing / 2
    points = np.stack([x.ravel(), y.ravel()], axis=1)
    points += rng.uniform(-0.38, 0.38, points.shape) * spacing
    return np.asarray(rng.permutation(points), dtype=np.float32)


def sample(field: NDArray[Any], points: Floats) -> NDArray[Any]:
    """Values of ``field`` ``[S, S, ...]`` at unit points ``[..., 2]``, nearest, edges clamped."""
    size = field.shape[0]
    index = np.clip((points * size).astype(np.int32), 0, size - 1)
    return np.asarray(field[index[..., 1], index[..., 0]])


def trace(angle: Floats, starts: Floats, length: Floats, steps: int) -> Floats:
    """Follow the direction field from each start: paths ``[N, steps, 2]``, centred on the start.

    Args:
        angle: direction in radians, ``[S, S]``.
        starts: ``[N, 2]``.
        length: of each path, ``[N]``.
    """
    turn = np.stack([np.cos(angle), np.sin(angle)], axis=-1).astype(np.float32)
    stride = (length / (steps - 1))[:, None]
    before, after = [starts], [starts]
    for _ in range((steps - 1) // 2):
        before.append(before[-1] - sample(turn, before[-1]) * stride)
    for _ in range(steps - 1 - (steps - 1) // 2):
        after.append(after[-1] + sample(turn, after[-1]) * stride)
    return np.stack(before[:0:-1] + after, axis=1)


def new_canvas(size: int, ground: Floats) -> NDArray[np.uint8]:
    """Canvas for a result of ``size`` pixels, primed with one colour.

    Returns:
        uint8 ``[SUPER * size, SUPER * size, 4]``: RGB and the height of the paint.
    """
    canvas = np.zeros((size * SUPER, size * SUPER, 4), dtype=np.uint8)
    canvas[..., :3] = np.round(ground * 255)
    canvas[..., 3] = 90
    return canvas


def finish(canvas: NDArray[np.uint8], depth: float, gloss: float = 0.16) -> Image:
    """Light the paint's height (``depth``: its thickness as a fraction of the side) and average
    the canvas down to its result: float32 ``[size, size, 3]``."""
    layers = canvas.astype(np.float32) / 255
    return finished(shrink(impasto(layers[..., :3], layers[..., 3], depth, gloss), SUPER))


def paint(
    canvas: NDArray[np.uint8],
    scene: Floats,
    angle: Floats,
    brush: Brush,
    rng: np.random.Generator,
    where: Floats | None = None,
) -> None:
    """One pass: scatter strokes, colour each from ``scene`` at its middle, draw them in place.

    Args:
        canvas: from :func:`new_canvas`.
        scene: colours to paint, ``[S, S, 3]`` sRGB 0..1.
        angle: direction of the strokes, radians, ``[S, S]``.
        where: probability of a stroke, 0..1, ``[S, S]``; None = everywhere.
    """
    starts = scatter(rng, brush.spacing)
    chance = rng.uniform(0, 1, len(starts))
    if where is not None:
        starts = starts[chance < sample(where, starts)]
    if not len(starts):
        return
    bend = rng.normal(0, brush.wander, len(starts)).astype(np.float32)
    length = (brush.length * rng.uniform(0.6, 1.25, len(starts))).astype(np.float32)
    paths = trace(angle, starts, length, brush.steps)
    paths = _rotate(paths, starts, bend)
    width = (brush.width * rng.uniform(0.7, 1.2, len(starts))).astype(np.float32)
    colours = jitter(sample(scene, starts), rng, brush.lightness, brush.tint)
    draw_strokes(canvas, paths, width, colours, brush, rng)


def draw_strokes(
    canvas: NDArray[np.uint8],
    paths: Floats,
    width: Floats,
    colours: Floats,
    brush: Brush,
    rng: np.random.Generator,
) -> None:
    """Draw bundles of bristles along ``paths`` ``[N, T, 2]``, ``width`` ``[N]``, in order."""
    count, steps, _ = paths.shape
    size, n = canvas.shape[0], brush.bristles
    across = np.linspace(-0.5, 0.5, n, dtype=np.float32)
    tangent = np.gradient(paths, axis=1)
    normal = np.stack([-tangent[..., 1], tangent[..., 0]], axis=-1)
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True) + 1e-9
    # The bundle presses flat in the middle of the stroke and closes towards its end.
    press = np.sqrt(np.sin(np.linspace(0.35, np.pi - 0.12, steps))).astype(np.float32)
    spread = (width[:, None] * press)[:, None, :, None] * across[None, :, None, None]
    lines = paths[:, None] + normal[:, None] * spread  # [N, n, T, 2]
    lines = _ragged_ends(lines, brush.ragged, rng)
    rows = np.repeat(colours[:, None], n, axis=1)
    rows = jitter(rows, rng, brush.streaks, brush.streaks * 0.3)
    # Paint is pushed to the edges of a stroke and stands up there.
    height = 0.45 + 0.7 * across**2 + rng.uniform(-0.18, 0.18, (count, n)).astype(np.float32)
    inks = np.concatenate([rows, height[..., None]], axis=-1)
    inks = np.clip(inks * 255, 0, 255).astype(np.float64)
    fixed = np.round((lines * size - 0.5) * (1 << _SHIFT)).astype(np.int32)
    thick = np.maximum(1, np.round(width * size / n * 1.5)).astype(int)
    for stroke, (bundle, ink) in enumerate(zip(fixed, inks.tolist(), strict=True)):
        for k in rng.permutation(n) if n > 1 else (0,):
            cv2.polylines(
                canvas, [bundle[k]], False, ink[k], int(thick[stroke]), cv2.LINE_8, _SHIFT
            )


def _rotate(paths: Floats, centres: Floats, angle: Floats) -> Floats:
    """Turn each path about its centre by its angle (radians)."""
    cos, sin = np.cos(angle)[:, None], np.sin(angle)[:, None]
    x, y = np.moveaxis(paths - centres[:, None], -1, 0)
    turned = np.stack([x * cos - y * sin, x * sin + y * cos], axis=-1)
    return np.asarray(centres[:, None] + turned)


def _ragged_ends(lines: Floats, ragged: float, rng: np.random.Generator) -> Floats:
    """Resample bristles ``[N, n, T, 2]`` so that each begins and ends a little elsewhere."""
    count, n, steps, _ = lines.shape
    begin = rng.uniform(0, ragged, (count, n, 1))
    end = 1 - rng.uniform(0, ragged, (count, n, 1))
    at = (begin + (end - begin) * np.linspace(0, 1, steps)) * (steps - 1)
    low = np.minimum(at.astype(np.int32), steps - 2)
    part = (at - low)[..., None].astype(np.float32)
    first = np.take_along_axis(lines, low[..., None], axis=2)
    second = np.take_along_axis(lines, low[..., None] + 1, axis=2)
    return np.asarray(first + (second - first) * part, dtype=np.float32)
