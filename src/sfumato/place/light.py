"""Where the light comes from, by the shading."""

from __future__ import annotations

import math
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from sfumato.errors import UsageError
from sfumato.ops.resize import fit
from sfumato.ops.trimap import check_pair
from sfumato.types import Alpha, Image

SIDE = 96
"""Shading is smooth: it shows in a picture of this longer side."""

SMOOTH = 0.02
"""Deviation of the blur that takes brush strokes out, as a share of the longer side."""

HUE = 10.0
"""Colours of one surface lie within this many units of CIELAB's a and b."""

SHADED = 12.0
"""From this change of lightness (CIELAB's L) across the region on, the shading is plain to see."""

CLEAR = 0.3
"""Strength from which on a light is worth following."""


class Light(NamedTuple):
    """The main light of a picture.

    Attributes:
        angle: where it comes from, in radians from the right anticlockwise: 0 = from the right,
            pi/2 = from above.
        strength: 0..1; near 0 = it cannot be told.
    """

    angle: float
    strength: float

    def mirrored(self) -> Light:
        """The light in the mirror image."""
        return Light(_turned(math.pi - self.angle), self.strength)


DARK = Light(0.0, 0.0)
"""No light that could be told."""


def direction(image: Image, weights: Alpha | None = None) -> Light:
    """Where the light comes from.

    Lightness rises towards the light; so does any other change from light things to dark ones, such
    as from the sky to the earth or from a face to black hair. Therefore lightness is compared only
    between pixels of about the same colour: a plane through it by weighted least squares with an
    offset for each cell of CIELAB's a and b. Its slope gives the direction, and the share of the
    variance that the slope explains, damped where it is faint, the strength.

    Args:
        image: float32 ``[H, W, 3]``, sRGB, 0..1.
        weights: float32 ``[H, W]``, 0..1: what counts; a figure's alpha. None = all of it.

    Raises:
        UsageError: a wrong shape, or numbers that are not finite.
    """
    if weights is None:
        weights = np.ones(image.shape[:2], np.float32)
    check_pair(image, weights)
    if weights.min() < 0:
        raise UsageError("weights of the light must not be negative")
    small, share = fit(image, SIDE), fit(weights, SIDE).ravel().astype(np.float64)
    if share.sum() < 3:  # a plane has three unknowns
        return DARK
    lab = cv2.cvtColor(_blurred(small, share.reshape(small.shape[:2])), cv2.COLOR_RGB2Lab)
    lightness = lab[..., 0].astype(np.float64).ravel()
    at = _positions(small.shape[:2], share)
    surface = _surfaces(np.asarray(lab[..., 1:], np.float32).reshape(-1, 2))
    lightness, at = _within(lightness[:, None], surface, share)[:, 0], _within(at, surface, share)
    weighted = at * share[:, None]
    # A touch of ridge: a surface one pixel wide says nothing about its width.
    normal = weighted.T @ at + 1e-6 * share.sum() * np.eye(2)
    slope = np.linalg.solve(normal, weighted.T @ lightness)
    variance = float(share @ lightness**2) / share.sum()
    if variance < 1e-6:
        return DARK
    explained = float(slope @ weighted.T @ lightness) / share.sum() / variance
    steep = 2 * math.hypot(*slope) / SHADED
    strength = math.sqrt(max(0.0, min(1.0, explained))) * min(1.0, steep)
    return Light(math.atan2(-slope[1], slope[0]), strength)


def disagreement(a: Light, b: Light) -> float:
    """How surely two lights come from different sides: 0 = the same or unknown, 1 = opposite."""
    return (1 - math.cos(a.angle - b.angle)) / 2 * min(a.strength, b.strength)


def better_flipped(figure: Light, painting: Light) -> bool:
    """Whether a figure must be mirrored so that its light comes from the painting's side.

    Only if both lights are clear, and not only from above or below.
    """
    if min(figure.strength, painting.strength) < CLEAR:
        return False
    gain = disagreement(figure, painting) - disagreement(figure.mirrored(), painting)
    return gain > CLEAR / 2


def _blurred(image: Image, share: NDArray[np.float64]) -> Image:
    """Smoothed without taking in what has no weight."""
    deviation = SMOOTH * max(share.shape)
    soft = np.maximum(cv2.GaussianBlur(share, (0, 0), deviation), 1e-6)[..., None]
    blurred = cv2.GaussianBlur(image * share[..., None], (0, 0), deviation) / soft
    return np.asarray(np.clip(blurred, 0, 1), np.float32)


def _positions(shape: tuple[int, int], share: NDArray[np.float64]) -> NDArray[np.float64]:
    """``x, y`` of each pixel in units of the region's own spread, ``[H * W, 2]``."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    at = np.stack([x.ravel(), y.ravel()], 1).astype(np.float64)
    at -= share @ at / share.sum()
    spread = math.sqrt(float((share @ at**2).sum()) / 2 / share.sum())
    return at / max(spread, 1e-9)


def _surfaces(colours: NDArray[np.float32]) -> NDArray[np.intp]:
    """A number for each pixel: equal for about the same colour."""
    cells = np.round(colours / HUE).astype(np.int64)
    numbered: NDArray[np.intp] = np.unique(cells[:, 0] * 64 + cells[:, 1], return_inverse=True)[1]
    return numbered.ravel()


def _within(
    values: NDArray[np.float64], surface: NDArray[np.intp], share: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Values ``[N, C]`` less the weighted mean of their surface."""
    total = np.maximum(np.bincount(surface, share), 1e-9)
    means = [np.bincount(surface, share * channel) / total for channel in values.T]
    return values - np.stack(means, 1)[surface]


def _turned(angle: float) -> float:
    """The same angle in -pi..pi."""
    return math.atan2(math.sin(angle), math.cos(angle))
