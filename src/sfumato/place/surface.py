"""The surface of a painting given to a figure: the softness of its edges, its grain and canvas.

A photograph is as sharp as its lens and as clean as its sensor. A painting has been brushed,
has dried, has cracked, and has been photographed in its turn; what was put in later shows by
being sharper and smoother than all around it.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from sfumato.ops.colour import luma
from sfumato.types import Alpha, Image, Mask

Plane = NDArray[np.float32]
"""float32 ``[H, W]``."""

PROBES = (1.0, 2.0)
"""Blurs, in pixels, whose gradients are compared to tell how wide an edge is."""

DIFFERENCE = 1 / 3
"""Variance, in square pixels, of the blur that a central difference is."""

STRONG = 0.95
"""Quantile of the gradient from which on a pixel counts as an edge."""

SHARPEST = 0.5
"""Quantile of the widths of edges that stands for a picture: wider ones may be fog, or folds."""

SOFTEST = 0.006
"""Most that a figure is blurred, as a share of the side of a square as large: faces stay faces.
Its outline may become twice as soft."""

FINE = 1.3
"""Blur, in pixels, that takes grain, cracks and canvas away: what it takes is the surface."""

CALM = 0.25
"""Share of the pixels, the calmest first, in which the surface is measured: elsewhere there are
brush strokes and outlines."""

TONES = 5
"""Steps of lightness in which the surface is measured: paper shows in the lights, grain in the
darks."""

MOST_GRAIN = 0.035
"""Most deviation of added grain, as a share of white."""


class Grain(NamedTuple):
    """The deviation of a surface by lightness: ``[TONES]`` each."""

    tone: NDArray[np.float32]
    deviation: NDArray[np.float32]

    def at(self, light: Plane) -> Plane:
        """The deviation at each of these values of luma."""
        return np.interp(light, self.tone, self.deviation).astype(np.float32)


def edge_width(image: Image, weight: Alpha) -> float:
    """How wide the sharper edges of a picture are: the deviation of the blur that made them.

    Zhuo and Sim 2011, "Defocus map estimation from a single image": a step blurred by ``s`` and
    then by ``a`` has a gradient proportional to ``1 / sqrt(s² + a²)``, so the ratio of the
    gradients after two known blurs gives ``s``.

    Args:
        image: float32 ``[H, W, 3]``, sRGB, 0..1.
        weight: where to look, float32 ``[H, W]``, 0..1.

    Returns:
        pixels; 0 where there is no edge.
    """
    light = luma(image)
    fine, coarse = (_slope(_blur(light, s)) for s in PROBES)
    looked = weight > 0.25 * weight.max()
    if not looked.any():
        return 0.0
    ridge = fine >= cv2.dilate(fine, np.ones((3, 3), np.uint8))
    strong = looked & ridge & (fine >= np.quantile(fine[looked], STRONG)) & (fine > 1e-3)
    if not strong.any():
        return 0.0
    ratio = np.square(np.maximum(fine[strong] / np.maximum(coarse[strong], 1e-6), 1.01))
    own, wider = np.square(PROBES) + DIFFERENCE
    squared = np.clip((wider - ratio * own) / (ratio - 1), 0, 100)
    return float(np.sqrt(np.quantile(squared, SHARPEST)))


def softening(wanted: float, own: float, most: float) -> float:
    """The blur that makes edges of one width as wide as others, in pixels; 0 if they are."""
    return float(np.sqrt(np.clip(wanted**2 - own**2, 0, most**2)))


def soften(
    figure: Image, alpha: Alpha, painting: Image, weight: Alpha, strength: float = 1.0
) -> tuple[Image, Alpha]:
    """Make a figure and its outline as soft as the painting's edges; never sharper.

    Args:
        figure: its colours in the painting's frame, float32 ``[H, W, 3]``, sRGB, 0..1.
        alpha: where it is, float32 ``[H, W]``, 0..1.
        painting: float32 ``[H, W, 3]``.
        weight: how much each pixel of the painting counts, float32 ``[H, W]``.
        strength: share of the blur, 0..1.

    Returns:
        the figure and its alpha.
    """
    most = SOFTEST * float(np.sqrt((alpha > 0.5).sum()))
    wanted = edge_width(painting, weight)
    band = ((alpha > 0.02) & (alpha < 0.98)).astype(np.float32)
    inside = softening(wanted, edge_width(figure, _within(alpha)), most)
    outline = softening(wanted, edge_width(_three(alpha), band), 2 * most)
    return _blurred(figure, strength * inside), np.clip(_blurred(alpha, strength * outline), 0, 1)


def grained(
    figure: Image,
    alpha: Alpha,
    painting: Image,
    weight: Alpha,
    seed: int = 0,
    strength: float = 1.0,
) -> Image:
    """Give a figure the grain, cracks and canvas that the painting has around it.

    As much is added as is missing at each lightness, made of pieces of the painting's own surface.

    Args:
        figure, alpha, painting, weight: see :func:`soften`.
        seed: of the choice of pieces.
        strength: 0 = none, 1 = as much as the painting has.

    Returns:
        float32 ``[H, W, 3]``, sRGB, 0..1.
    """
    theirs, own = measured(painting, weight), measured(figure, alpha)
    if strength <= 0 or theirs is None or own is None:
        return figure
    light = _blur(luma(figure), FINE)
    lacking = np.square(theirs.at(light)) - np.square(own.at(light))
    missing = np.sqrt(np.clip(lacking, 0, MOST_GRAIN**2))
    side = int(np.clip(np.sqrt((alpha > 0.5).sum()) / 6, 16, 96)) // 2 * 2
    woven = weave(painting, weight, side, np.random.default_rng(seed))
    grain = np.asarray(strength * missing * woven, dtype=np.float32)
    return np.asarray(np.clip(figure + _three(grain), 0, 1), dtype=np.float32)


def measured(image: Image, weight: Alpha) -> Grain | None:
    """A picture's surface where it is calm: its deviation by lightness; None if nowhere."""
    light = luma(image)
    smooth = _blur(light, FINE)
    calm = _calm(smooth, weight)
    if calm.sum() < TONES:
        return None
    fine, tones = np.square(light - smooth)[calm], smooth[calm]
    steps = np.quantile(tones, np.linspace(0, 1, TONES + 1)[1:-1])
    step = np.searchsorted(steps, tones)
    count = np.bincount(step, minlength=TONES)
    there = count > 0
    tone = np.bincount(step, tones, TONES)[there] / count[there]
    deviation = np.sqrt(np.bincount(step, fine, TONES)[there] / count[there])
    return Grain(tone.astype(np.float32), deviation.astype(np.float32))


def weave(painting: Image, weight: Alpha, side: int, random: np.random.Generator) -> Plane:
    """A surface like the painting's, of its size, with a mean of 0 and a deviation of 1.

    Pieces of the painting's own surface, from its calm parts, overlap by half under windows
    whose squares add up to 1, so that their variance stays; cracks and threads stay whole.

    Args:
        painting: float32 ``[H, W, 3]``.
        weight: how much each pixel counts.
        side: of a piece in pixels, even.
        random: chooses the pieces.
    """
    light = luma(painting)
    smooth = _blur(light, FINE)
    fine, half = np.pad(light - smooth, side // 2, mode="symmetric"), side // 2
    share = cv2.blur(_calm(smooth, weight).astype(np.float32), (side, side))
    rows, columns = np.nonzero(share >= np.quantile(share, 0.9))
    window = np.sin(np.pi * (np.arange(side) + 0.5) / side).astype(np.float32)
    height, width = light.shape
    woven = np.zeros((height + 2 * side, width + 2 * side), np.float32)
    for top in range(0, height + half, half):
        for left in range(0, width + half, half):
            i = random.integers(len(rows))
            piece = fine[rows[i] : rows[i] + side, columns[i] : columns[i] + side]
            piece = (piece - piece.mean()) / max(float(piece.std()), 1e-4)
            woven[top : top + side, left : left + side] += piece * np.outer(window, window)
    return woven[half : half + height, half : half + width]


def _calm(smooth: Plane, weight: Alpha) -> Mask:
    """The calmer part of where there is weight."""
    slope = _blur(_slope(smooth), 2 * FINE)
    looked = weight > 0.25 * max(float(weight.max()), 1e-6)
    if not looked.any():
        return looked
    return np.asarray(looked & (slope <= np.quantile(slope[looked], CALM)))


def _slope(plane: Plane) -> Plane:
    across, down = (cv2.Sobel(plane, cv2.CV_32F, i, 1 - i, scale=1 / 8) for i in (1, 0))
    return np.hypot(across, down)


def _within(alpha: Alpha) -> Alpha:
    """The figure without its outline."""
    solid = np.pad((alpha > 0.5).astype(np.uint8), 1, mode="edge")
    return cv2.erode(solid, np.ones((9, 9), np.uint8))[1:-1, 1:-1].astype(np.float32)


def _blurred(plane: Plane, width: float) -> Plane:
    if width < 0.2:  # less changes nothing that could be seen
        return plane
    return _blur(plane, width)


def _blur(plane: Plane, width: float) -> Plane:
    blurred = cv2.GaussianBlur(plane, (0, 0), width, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(blurred, dtype=np.float32)


def _three(plane: Plane) -> Image:
    return np.asarray(cv2.merge((plane, plane, plane)), dtype=np.float32)
