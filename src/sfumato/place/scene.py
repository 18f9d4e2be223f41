"""What a painting has to say about where somebody may stand."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from sfumato.ops.resize import fit, resize
from sfumato.place.ground import Ground, horizon
from sfumato.place.light import CLEAR, Light, direction
from sfumato.types import Alpha, Image

SIDE = 128
"""Spots are weighed in a painting of this longer side."""

LIKELY = 0.15
"""Evidence from which on a place is kept free: who is missed is covered, a false find costs no more
than room."""

SPECK = 0.0008
"""Smaller finds than this share of the painting are nobody."""

ROUND = 7.0
"""A person's area in units of the squared radius of the largest disc inside. A standing figure has
twice as much, but in a group its disc is larger: a find that has more is taken for several."""

LOCAL = 0.4
"""How much of that radius, as an exponent, is the disc's at each place, and not the whole find's:
one child among the grown-up is small, but an arm is not a person."""

AROUND = 0.7
"""How much the rest of a find's upright box counts as the person: nets miss an arm or a robe."""

MARGIN, BEYOND = 0.15, 0.5
"""What is nearer to a find than this share of the side of a square as large as its box counts this
much as the person, too."""

FINE = 1.0
"""Deviation of the blur that tells texture from form, in pixels of the small painting."""

FLAT = 2.0
"""Texture that does not matter even in a painting that has less, in units of CIELAB's L."""

CALM = 0.7
"""Texture up to this share of the painting's mean is its ground: brushwork, grass, paper."""


@dataclass(frozen=True, eq=False)
class Scene:
    """A painting as it is weighed, ``[h, w]`` pixels of :data:`SIDE` on the longer side.

    Attributes:
        size: the painting's own height and width.
        people: each pixel's share of the person that it shows; a whole person adds up to 1.
        occupied: where people are, 0..1.
        salient: share of the painting's saliency; adds up to 1.
        busy: texture that stands out: what exceeds :data:`CALM`; people too small for the nets do.
        heights: of the people found, as shares of the painting's height.
        ground: the horizon.
        light: by the people where their shading is clear, else by the whole painting.
    """

    size: tuple[int, int]
    people: Alpha
    occupied: Alpha
    salient: Alpha
    busy: Alpha
    heights: tuple[float, ...]
    ground: Ground
    light: Light

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of the maps."""
        return self.people.shape[0], self.people.shape[1]


def look(painting: Image, occupied: Alpha | None, saliency: Alpha | None) -> Scene:
    """Weigh a painting.

    Args:
        painting: float32 ``[H, W, 3]``, sRGB, 0..1.
        occupied, saliency: float32 ``[H, W]``, 0..1; None = nobody, nothing.
    """
    small = fit(painting, SIDE)
    shape = small.shape[:2]
    crowd = np.zeros(shape, np.float32) if occupied is None else resize(occupied, shape)
    salient = np.zeros(shape, np.float32) if saliency is None else resize(saliency, shape)
    people, heights = _persons(crowd)
    return Scene(
        (painting.shape[0], painting.shape[1]),
        people,
        crowd,
        salient / np.float32(max(float(salient.sum()), 1.0)),
        _texture(small),
        heights,
        horizon(painting),
        _light(painting, occupied),
    )


def _persons(occupied: Alpha) -> tuple[Alpha, tuple[float, ...]]:
    """Shares and heights of the people in a map of where they are.

    A group that stands together is one find. So that covering one of its people is not made light
    of, a find counts as no larger than the largest person that fits into it. Nets find less of a
    person than there is, and what they missed is near.
    """
    mask = (occupied > LIKELY).astype(np.uint8)
    count, labels, found, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    thick = cv2.distanceTransform(np.pad(mask, 1), cv2.DIST_L2, 5)[1:-1, 1:-1]
    people = np.zeros(mask.shape, np.float32)
    heights = []
    for number in range(1, count):
        area = float(found[number, cv2.CC_STAT_AREA])
        if area < SPECK * mask.size:
            continue
        x, y, wide, high = (int(n) for n in found[number, :4])
        own = labels == number
        box = np.where(own, np.float32(1), np.float32(AROUND))[y : y + high, x : x + wide]
        far, nearest = cv2.distanceTransformWithLabels(
            (~own).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
        )
        person = np.where(far <= MARGIN * math.sqrt(wide * high), np.float32(BEYOND), np.float32(0))
        person[y : y + high, x : x + wide] = box
        radius = np.zeros(int(nearest.max()) + 1, np.float32)
        radius[nearest[own]] = _radius(np.where(own, thick, np.float32(0)))[own]
        people += person / np.minimum(float(box.sum()), ROUND * radius[nearest] ** 2)
        if high > wide:
            heights.append(high / mask.shape[0])
    return people, tuple(heights)


def _radius(thick: Alpha) -> Alpha:
    """Radius of the person at each place of one find, from its distance to the find's edge."""
    local = thick.copy()
    for reach in range(1, int(thick.max()) + 1):
        # What lies in a disc of this radius that fits: further out than its middle by no more.
        to_middle = cv2.distanceTransform((thick < reach).astype(np.uint8), cv2.DIST_L2, 5)
        local[to_middle < reach] = reach
    whole = float(thick.max())
    return np.asarray(whole ** (1 - LOCAL) * np.maximum(local, 1) ** LOCAL, np.float32)


def _texture(small: Image) -> Alpha:
    lightness = cv2.cvtColor(small, cv2.COLOR_RGB2Lab)[..., 0]
    detail = np.abs(lightness - cv2.GaussianBlur(lightness, (0, 0), FINE))
    spread = cv2.GaussianBlur(detail, (0, 0), 2 * FINE)
    relative = spread / max(float(spread.mean()), FLAT)
    return np.asarray(2 * np.maximum(relative - CALM, 0), np.float32)


def _light(painting: Image, occupied: Alpha | None) -> Light:
    by_people = direction(painting, occupied) if occupied is not None else None
    if by_people is not None and by_people.strength >= CLEAR:
        return by_people
    return direction(painting)
