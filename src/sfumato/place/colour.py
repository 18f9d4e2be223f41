"""The colours of a figure brought to those around it: statistics in CIELAB, with bounds.

Reinhard et al. 2001, "Color transfer between images", give a picture another's channel means and
deviations. We depart in the space (CIELAB, where equal steps look equal), in what is measured
(the painting near the figure counts most), and in the bounds: a figure is not its surroundings,
and a face in front of a night sky must not turn to night.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from sfumato.types import Alpha, Image

REACH = 0.6
"""Distance at which the painting counts 1/e, as a share of the side of a square as large as the
figure."""

EVERYWHERE = 0.08
"""Weight of the painting far away: a plain wall alone would leave no contrast."""

SHIFT = np.array([12, 14, 18], np.float32)
"""Most that the mean L*, a*, b* moves."""

FULL = 50.0
"""L* from which on all of the shift of lightness counts, down to nothing of it at 0: more or less
light leaves black black, and what lifts it is fog."""

TONES = (0.02, 0.98)
"""Quantiles of lightness that stand for a figure's darkest and lightest tone."""

PAINT = (0.002, 0.98)
"""The same for a painting: a few dark strokes show that the painter had dark paint."""

LIFT = 14.0
"""Most that blacks rise towards a painting that has none: any more is fog over the figure."""

LEAST_GAIN, MOST_GAIN = 0.15, 1.2
"""Bounds of the scale of a* and b*: a drawing without colour takes nearly all of it, but a gaudy
painting does not make faces burn."""

SPREAD = 0.6
"""Way, in octaves, from the figure's spread of colours to the painting's."""

SKIN_HUE, SKIN_WIDTH = 50.0, 35.0
"""Middle and half width of the hues of skin, degrees in the a*b* plane, whatever its lightness."""

SKIN_KEPT = 0.6
"""Share of a shift that skin is spared if it leads straight away from the hues of skin."""


class Statistics(NamedTuple):
    """What is measured of a picture's colours.

    Attributes:
        mean: of L*, a*, b*, float32 ``[3]``.
        spread: how far a* and b* lie from their means, root mean square.
        darkest, lightest: the ends of its range of L*.
    """

    mean: NDArray[np.float32]
    spread: float
    darkest: float
    lightest: float


def around(alpha: Alpha) -> Alpha:
    """How much each pixel of a painting says about a figure's surroundings.

    Args:
        alpha: the figure, float32 ``[H, W]``, 0..1.

    Returns:
        float32 ``[H, W]``, 0..1: 0 under the figure, falling off softly away from it.
    """
    inside = alpha > 0.5
    if not inside.any():
        return np.asarray(1 - alpha)
    far = cv2.distanceTransform((~inside).astype(np.uint8), cv2.DIST_L2, 5)
    near = np.exp(-far / np.float32(REACH * np.sqrt(inside.sum())))
    return np.asarray((EVERYWHERE + (1 - EVERYWHERE) * near) * (1 - alpha), dtype=np.float32)


def to_lab(image: Image) -> Image:
    """CIELAB (D65): L* 0..100, a* and b* about -100..100; float32 ``[H, W, 3]``."""
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2LAB), dtype=np.float32)


def to_srgb(lab: Image) -> Image:
    """Back from :func:`to_lab`, clipped to 0..1."""
    return np.clip(np.asarray(cv2.cvtColor(lab, cv2.COLOR_LAB2RGB), dtype=np.float32), 0, 1)


def statistics(lab: Image, weight: Alpha, ends: tuple[float, float] = TONES) -> Statistics | None:
    """Weighted statistics of a picture's colours; None where nothing has weight.

    Args:
        lab: float32 ``[H, W, 3]``.
        weight: float32 ``[H, W]``, 0..1.
        ends: quantiles of L* that stand for its darkest and lightest tone.
    """
    total = float(weight.sum(dtype=np.float64))
    if total < 1:
        return None
    share = weight / np.float32(total)
    mean = np.einsum("ijk,ij->k", lab, share, dtype=np.float64).astype(np.float32)
    apart = np.square(lab[..., 1:] - mean[1:]).sum(2)
    spread = math.sqrt((apart * share).sum(dtype=np.float64))
    counts, edges = np.histogram(lab[..., 0], bins=200, range=(0, 100), weights=share)
    darkest, lightest = np.interp(ends, np.concatenate([[0], np.cumsum(counts)]), edges)
    return Statistics(mean, spread, float(darkest), float(lightest))


def harmonise(
    figure: Image, alpha: Alpha, painting: Image, weight: Alpha, strength: float = 1.0
) -> Image:
    """Bring a figure's colours near to those of the painting around it.

    Args:
        figure: its colours in the painting's frame, float32 ``[H, W, 3]``, sRGB, 0..1.
        alpha: where it is, float32 ``[H, W]``, 0..1.
        painting: float32 ``[H, W, 3]``.
        weight: how much each pixel of the painting counts, float32 ``[H, W]``, 0..1;
            see :func:`around`.
        strength: 0 = as it was, 1 = as near as the bounds let it.

    Returns:
        float32 ``[H, W, 3]``, sRGB, 0..1.
    """
    lab = to_lab(figure)
    theirs_lab = to_lab(painting)
    own, theirs = statistics(lab, alpha), statistics(theirs_lab, weight)
    everywhere = statistics(theirs_lab, (weight > 0).astype(np.float32), PAINT)
    if own is None or theirs is None or everywhere is None or strength <= 0:
        return figure
    gain = _gain(own, everywhere)
    apart = theirs.mean - own.mean
    shift = SHIFT * np.tanh(apart / SHIFT)  # soft: near the bounds, too, more is more
    shift[1:] += (1 - min(1, gain)) * (apart - shift)[1:]  # sepia is sepia all over
    moved = own.mean + shift + gain * (lab - own.mean)
    moved[..., 0] = _toned(lab[..., 0], own, everywhere.darkest, theirs.lightest, float(shift[0]))
    share = np.broadcast_to(np.float32(strength), lab.shape).copy()
    share[..., 1:] *= 1 - _unlike_skin(shift) * min(1, gain) * skin(lab)[..., None]
    return to_srgb(lab + share * (moved - lab))


def _gain(own: Statistics, everywhere: Statistics) -> float:
    """Scale of a* and b*, so that sepia takes the blue out of a dress.

    Measured all over: near the figure there may be nothing but sky, in a colourful painting.
    """
    ratio = everywhere.spread / max(own.spread, 1.0)
    return float(np.clip(ratio**SPREAD, LEAST_GAIN, MOST_GAIN))


def _toned(
    lightness: NDArray[np.float32], own: Statistics, darkest: float, lightest: float, shift: float
) -> NDArray[np.float32]:
    """Lightness under more or less light, squeezed into the painting's range; never stretched.

    Whites may become as dim as the painting's, but blacks rise by :data:`LIFT` at most: dark
    clothes before a bright sky stay dark clothes.
    """
    lit = lightness + shift * np.minimum(1, lightness / FULL)
    low, high = (end + shift * min(1, end / FULL) for end in (own.darkest, own.lightest))
    bottom = float(np.clip(darkest, low, low + LIFT))
    top = max(bottom + 1, min(high, lightest))
    gain = min(1.0, (top - bottom) / max(high - low, 1.0))
    return np.asarray(bottom + gain * (lit - low), dtype=np.float32)


def _unlike_skin(shift: NDArray[np.float32]) -> float:
    """How much skin is spared of a shift: nothing of one to golden light, most of one to green."""
    hue = math.radians(SKIN_HUE)
    along = shift[1] * math.cos(hue) + shift[2] * math.sin(hue)
    return float(SKIN_KEPT * (1 - along / max(float(np.hypot(*shift[1:])), 1e-6)) / 2)


def skin(lab: Image) -> Alpha:
    """How much each colour is like skin of any tone: float32 ``[H, W]``, 0..1, without steps."""
    hue = np.degrees(np.arctan2(lab[..., 2], lab[..., 1]))
    chroma = np.hypot(lab[..., 1], lab[..., 2])
    like = np.clip(1.5 - np.abs(hue - SKIN_HUE) / SKIN_WIDTH, 0, 1)
    full = np.clip((chroma - 6) / 8, 0, 1) * np.clip((60 - chroma) / 15, 0, 1)
    return np.asarray(like * full, dtype=np.float32)
