"""Mosaic of glass and gold tesserae laid in rows along every contour."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from sfumato.drawn._colour import Floats, jitter, palette
from sfumato.drawn._field import blur, finished, fractal, grid, noise, relief, shrink
from sfumato.drawn._strokes import sample, scatter
from sfumato.types import Image

GROUT = palette("#4a3a2c")[0]
TILE = 0.033  # side of a tessera
INKS = (  # one set of glass a region, outer rows first
    palette("#0a1f5c #12368c #1a54b0 #0d2a6e #2a74c4"),  # deep sea
    palette("#1595a8 #4fc0c4 #0e7a9a #a6e2e0 #1fa9b8"),  # turquoise
    palette("#d99a1c #f2c53d #ffe27a #c07a12 #fff1b0"),  # gold
    palette("#e4572e #f08a3c #c43a22 #f6b45a #e8702e"),  # coral
    palette("#f4ead0 #e8d6a8 #fff8e6 #d7c08a #f0e0bb"),  # marble
)


def draw(size: int, rng: np.random.Generator) -> Image:
    """Draw the style at ``size`` x ``size``."""
    fine = 2 * size
    canvas = np.zeros((fine, fine, 4), dtype=np.uint8)
    canvas[..., :3] = np.round(GROUT * 255)
    regions = _regions(rng)
    for region in np.unique(regions):
        _lay_rows(canvas, regions == region, INKS[region], rng)
    _fill_gaps(canvas, regions, rng)
    layers = canvas.astype(np.float32) / 255
    shade, gloss = relief(blur(layers[..., 3], 0.0011), 0.006)
    grain = 1 + 0.05 * fractal(rng, fine, 60, 4)
    lit = layers[..., :3] * (shade * grain)[..., None] + 0.05 * gloss[..., None]
    return finished(shrink(lit, 2))


def _regions(rng: np.random.Generator, size: int = 512) -> NDArray[np.int32]:
    """The design: a sun with rays and rolling waves, as region numbers ``[512, 512]``."""
    x, y = grid(size)
    cx, cy = rng.uniform(0.4, 0.6), rng.uniform(0.32, 0.4)
    d = np.hypot(x - cx, y - cy)
    bearing = np.arctan2(y - cy, x - cx) + 0.9 * np.sin(d * 9)
    design = np.where(np.sin(bearing * 5) > 0, 4, 1)
    design = np.where(d < 0.285, 3, design)
    design = np.where(d < 0.2, 2, design)
    design = np.where(d < 0.09, 3, design)
    for level, pace, kind in ((0.64, 3, 0), (0.78, 4, 1), (0.88, 3, 0), (0.98, 4, 2)):
        swell = 0.045 * np.sin(2 * np.pi * pace * x / 2 + rng.uniform(0, 6.28))
        design = np.where(y > level + swell + 0.01 * noise(rng, size, 4), kind, design)
    return design.astype(np.int32)


def _lay_rows(
    canvas: NDArray[np.uint8], region: NDArray[np.bool_], inks: Floats, rng: np.random.Generator
) -> None:
    """Rows of tesserae parallel to the region's rim, like the *andamento* of a mosaicist."""
    side = region.shape[0]
    padded = cv2.copyMakeBorder(region.astype(np.uint8), 40, 40, 40, 40, cv2.BORDER_REPLICATE)
    depth = cv2.distanceTransform(padded, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    depth = cv2.GaussianBlur(depth, (0, 0), 1.2) / side
    row = 0
    while TILE * (row + 0.5) < depth.max():
        inside = (depth > TILE * (row + 0.5)).astype(np.uint8)
        contours, _ = cv2.findContours(inside, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
        for contour in contours:
            line = (contour[:, 0].astype(np.float32) - 40 + 0.5) / side
            _lay_row(canvas, line, inks, row, rng)
        row += 1


def _lay_row(
    canvas: NDArray[np.uint8], line: Floats, inks: Floats, row: int, rng: np.random.Generator
) -> None:
    closed = np.concatenate([line, line[:1]])
    kernel = np.ones(9) / 9
    smooth = [np.convolve(np.pad(closed[:, i], 4, mode="wrap"), kernel, "valid") for i in (0, 1)]
    closed = np.stack(smooth, axis=1)
    travelled = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(closed, axis=0), axis=1))])
    count = int(travelled[-1] / TILE)
    if count < 2:
        return
    at = (np.arange(count) + rng.uniform(0, 1)) * (travelled[-1] / count)
    at = np.stack([at - TILE * 0.4, at, at + TILE * 0.4]) % travelled[-1]
    places = np.stack([np.interp(at, travelled, closed[:, i]) for i in (0, 1)], axis=-1)
    before, middle, after = places
    tangent = after - before
    tangent /= np.linalg.norm(tangent, axis=-1, keepdims=True) + 1e-9
    normal = np.stack([-tangent[:, 1], tangent[:, 0]], axis=-1)
    glass = inks[(row + rng.integers(0, 2, count) + (rng.uniform(0, 1, count) < 0.1)) % len(inks)]
    glass = jitter(glass, rng, 5, 5)
    half = TILE * rng.uniform(0.36, 0.45, (2, count, 1))
    skew = TILE * rng.uniform(-0.05, 0.05, (4, count, 2))
    corners = [(-1, -1), (1, -1), (1, 1), (-1, 1)]
    quads = np.stack([middle + i * tangent * half[0] + j * normal * half[1] for i, j in corners])
    quads = np.moveaxis(quads + skew, 0, 1)
    tilt = rng.uniform(120, 235, count)
    side = canvas.shape[0]
    fixed = np.ascontiguousarray(np.round(quads * side * 16), dtype=np.int32)
    for tile, centre, ink, height in zip(fixed, middle, glass, tilt, strict=True):
        px, py = np.clip((centre * side).astype(int), 0, side - 1)
        if canvas[py, px, 3]:  # rows meet here: the place is taken
            continue
        cv2.fillConvexPoly(canvas, tile, [*(ink * 255).tolist(), height], cv2.LINE_8, 4)


def _fill_gaps(
    canvas: NDArray[np.uint8], regions: NDArray[np.int32], rng: np.random.Generator
) -> None:
    """Chips of glass where the rows left more grout than a mosaicist would."""
    side = canvas.shape[0]
    room = cv2.distanceTransform((canvas[..., 3] == 0).astype(np.uint8), cv2.DIST_L2, 3) / side
    points = scatter(rng, TILE * 0.3, margin=0)
    points = points[sample(room, points) > 0.22 * TILE]
    angles = rng.uniform(0, np.pi, len(points))
    for centre, angle in zip(points, angles, strict=True):
        turn = angle + np.pi / 2 * np.arange(4)
        chip = centre + TILE * 0.3 * np.stack([np.cos(turn), np.sin(turn)], axis=1)
        if sample(canvas[..., 3], np.vstack([chip, centre]).astype(np.float32)).any():
            continue
        inks = INKS[int(sample(regions, centre))]
        ink = jitter(inks[rng.integers(len(inks))], rng, 5, 5)
        fixed = np.round(chip * side * 16).astype(np.int32)
        cv2.fillConvexPoly(canvas, fixed, [*(ink * 255).tolist(), 180.0], cv2.LINE_8, 4)
