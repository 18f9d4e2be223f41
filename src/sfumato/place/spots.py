"""Where a figure may stand in a painting: by itself, by name, or by numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from sfumato.errors import UsageError, did_you_mean
from sfumato.ops.resize import resize
from sfumato.ops.trimap import check_pair
from sfumato.place.figure import Figure, Spot
from sfumato.place.light import better_flipped, direction
from sfumato.place.scene import Scene, look
from sfumato.place.terms import BUST, BUST_HEIGHT, TERMS, Poses, Stance
from sfumato.types import Alpha, Image

HEIGHTS = (0.15, 0.9)
"""Smallest and largest figure that is tried, as shares of the painting's height."""

SIZES = 10
"""Heights that are tried, in equal ratios."""

ACROSS = 33
"""Places from left to right that are tried."""

FEET = (0.5, 0.98)
"""Highest and lowest place for feet, as shares of the painting's height."""

DEPTHS = 9
"""Places for feet between those."""

APART = 0.5
"""Two spots of which one covers this much of the other (IoU of their boxes) are one."""

ANCHORS: Mapping[str, tuple[float, float]] = {
    "top-left": (0, 0), "top": (0.5, 0), "top-right": (1, 0),
    "left": (0, 0.5), "center": (0.5, 0.5), "right": (1, 0.5),
    "bottom-left": (0, 1), "bottom": (0.5, 1), "bottom-right": (1, 1),
}  # fmt: skip
"""Share of the room to the left of a figure, and above it."""

MARGIN = 0.03
"""Room between an anchored figure that stands and the painting's border."""

STANDING_HEIGHT = 0.7
"""Height of an anchored figure that stands; of a bust: :data:`~.terms.BUST_HEIGHT`."""


def find(
    painting: Image,
    figure: Figure,
    *,
    count: int = 6,
    occupied: Alpha | None = None,
    saliency: Alpha | None = None,
    heights: tuple[float, float] | None = None,
    flip: Literal["auto"] | bool = "auto",
) -> list[Spot]:
    """The best places for a figure, best first; the same every time.

    Args:
        painting: float32 ``[H, W, 3]``, sRGB, 0..1.
        figure: who is placed.
        count: how many, at most; fewer if there are no more that differ.
        occupied: float32 ``[H, W]``, 0..1, who must not be covered (:mod:`.attention`).
        saliency: float32 ``[H, W]``, 0..1, what should rather not be covered.
        heights: least and largest height of the figure's box, as shares of the painting's height;
            None = :data:`HEIGHTS`.
        flip: mirror the figure: yes, no, or if the light comes from the other side.

    Returns:
        At least one spot. Its score is the sum of its reasons, each at most 0: what there is
        against it (:data:`~.terms.TERMS`). Where no place is free it is the least bad one.

    Raises:
        UsageError: maps of another size than the painting's, or heights or a count that make no
            sense.
    """
    if count < 1:
        raise UsageError(f"expected a count of spots from 1, got {count}")
    for alpha in (occupied, saliency):
        if alpha is not None:
            check_pair(painting, alpha)
    scene = look(painting, occupied, saliency)
    lit = direction(figure.image, figure.alpha)
    turned = better_flipped(lit, scene.light) if flip == "auto" else flip
    stance = Stance(figure.flipped(), lit.mirrored()) if turned else Stance(figure, lit)
    spots = [
        spot for tall in _heights(scene, figure.aspect, heights)
        for spot in _weighed(scene, stance, tall, turned)
    ]  # fmt: skip
    spots.sort(key=lambda spot: -spot.score)
    return _different(spots, figure.aspect, count)


def anchor(name: str, figure: Figure, shape: tuple[int, int], height: float | None = None) -> Spot:
    """A place by name.

    A bust sits on the lower border wherever its name puts it to the left or right, except by
    ``center`` and ``top``, which are taken at their word; others keep a little distance.

    Args:
        name: one of :data:`ANCHORS`.
        figure: who is placed.
        shape: the painting's ``(H, W)``.
        height: of the figure's box, as :func:`at` has it; None = as usual for its kind, and as fits
            into the painting.

    Raises:
        UsageError: an unknown name, or no sensible height.
    """
    if name not in ANCHORS:
        raise UsageError(
            f"unknown anchor {name!r}{did_you_mean(name, ANCHORS)} (known: {', '.join(ANCHORS)})"
        )
    bust = figure.cut.bottom >= BUST
    usual = BUST_HEIGHT if bust else STANDING_HEIGHT
    margin = MARGIN * min(shape)
    gaps = [0 if cut > 0 else margin for cut in figure.cut]
    tall = min(usual * shape[0], (shape[1] - gaps[0] - gaps[2]) / figure.aspect)
    if height is not None:
        tall = _tall(height, shape)
    across, down = ANCHORS[name]
    wide = tall * figure.aspect
    left = gaps[0] + across * (shape[1] - wide - gaps[0] - gaps[2])
    top = gaps[1] + down * (shape[0] - tall - gaps[1] - gaps[3])
    if name == "center":
        left, top = (shape[1] - wide) / 2, (shape[0] - tall) / 2
    elif bust and down > 0:
        top = shape[0] - tall
    return Spot(left, top, tall)


def at(x: float, y: float, height: float, figure: Figure, shape: tuple[int, int]) -> Spot:
    """A place by numbers.

    Args:
        x, y: where the middle of the lower edge of the figure's box lies: where it stands.
            Fractions of the painting's width and height if neither is above 1, else pixels.
        height: of the figure's box: a fraction of the painting's height up to 1, else pixels.
        figure: who is placed.
        shape: the painting's ``(H, W)``.

    Raises:
        UsageError: no sensible height, or numbers that are not finite.
    """
    if not np.isfinite([x, y, height]).all():
        raise UsageError(f"expected numbers for x, y and height, got {x}, {y}, {height}")
    if max(x, y) <= 1:
        x, y = x * shape[1], y * shape[0]
    tall = _tall(height, shape)
    return Spot(x - tall * figure.aspect / 2, y - tall, tall)


def _tall(height: float, shape: tuple[int, int]) -> float:
    """A height in pixels from a fraction or pixels."""
    if not (np.isfinite(height) and height > 0):
        raise UsageError(f"expected a height above 0 (up to 1: of the painting's), got {height}")
    return height * shape[0] if height <= 1 else height


def _heights(
    scene: Scene, aspect: float, heights: tuple[float, float] | None
) -> NDArray[np.float64]:
    """Heights to try, in pixels of the scene."""
    least, most = heights or HEIGHTS
    if not 0 < least <= most:
        raise UsageError(f"expected 0 < least height <= largest height, got {least} and {most}")
    rows, columns = scene.shape
    # In a painting that is narrow for the figure, heights are shares of what fits.
    whole = rows if heights else min(rows, columns / aspect / HEIGHTS[1])
    return np.asarray(np.unique(np.geomspace(least, most, SIZES)) * whole, np.float64)


def _weighed(scene: Scene, stance: Stance, tall: float, flip: bool) -> list[Spot]:
    """All spots for one height, with their scores."""
    poses = _posed(scene, stance, tall)
    parts = {name: -weight * term(scene, stance, poses) for name, (weight, term) in TERMS.items()}
    total = np.sum(list(parts.values()), 0)
    scale = scene.size[0] / scene.shape[0], scene.size[1] / scene.shape[1]
    return [
        Spot(
            float(poses.left[i] * scale[1]),
            float(poses.top[i] * scale[0]),
            float(poses.height[i] * scale[0]),
            flip,
            float(total[i]),
            {name: float(part[i]) for name, part in parts.items()},
        )
        for i in range(len(total))
    ]


def _posed(scene: Scene, stance: Stance, tall: float) -> Poses:
    """The grid of places for one height, and what lies under the figure at each."""
    aspect = stance.figure.aspect
    size = max(1, round(tall)), max(1, round(tall * aspect))
    left, top = _grid(scene.shape, stance, tall)
    alpha = resize(stance.figure.alpha, size)
    # Positions at which the figure's box touches the painting at all, and nothing outside of it.
    row = np.clip(np.round(top).astype(int), -size[0], scene.shape[0]) + size[0]
    column = np.clip(np.round(left).astype(int), -size[1], scene.shape[1]) + size[1]

    def under(channel: Alpha) -> NDArray[np.float64]:
        padded = np.pad(channel, [(size[0], size[0]), (size[1], size[1])])
        sums = cv2.matchTemplate(padded, alpha, cv2.TM_CCORR)
        return np.asarray(np.maximum(sums[row, column], 0), np.float64)

    return Poses(
        left, top, np.full_like(left, tall), np.full_like(left, tall * aspect),
        under(scene.people), under(scene.occupied), under(scene.salient), under(scene.busy),
        under(np.ones(scene.shape, np.float32)), np.full_like(left, float(alpha.sum())),
    )  # fmt: skip


def _grid(
    shape: tuple[int, int], stance: Stance, tall: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Left and top of the boxes to try."""
    rows, columns = shape
    room = columns - tall * stance.figure.aspect
    across: Sequence[float] = list(np.linspace(min(0, room), max(0, room), ACROSS))
    cut = stance.figure.cut
    if stance.bust:
        # Where a side is cut, too, it is either at the painting's border, or sunk below it.
        starts = {stance.start(side) for side in ("left", "right")} | {1.0}
        down = [rows - tall * max(start, 0.5) for start in sorted(starts)]
    else:
        down = [rows * feet - tall for feet in np.linspace(*FEET, DEPTHS)]
        beside = [x for x, c in ((0.0, cut.left), (room, cut.right)) if c >= BUST]
        across = beside or across
        down = [0.0] if cut.top >= BUST else down
    left, top = np.meshgrid(across, down)
    return left.ravel(), top.ravel()


def _different(spots: list[Spot], aspect: float, count: int) -> list[Spot]:
    """Non-maximum suppression: the best first, without those that lie much on a better one."""
    boxes = np.array([spot.box(aspect) for spot in spots])
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    left = np.ones(len(spots), bool)
    chosen: list[Spot] = []
    while left.any() and len(chosen) < count:
        best = int(left.argmax())
        chosen.append(spots[best])
        low = np.maximum(boxes[:, :2], boxes[best, :2])
        high = np.minimum(boxes[:, 2:], boxes[best, 2:])
        shared = np.prod(np.clip(high - low, 0, None), 1)
        left &= shared / np.maximum(area + area[best] - shared, 1e-9) < APART
        left[best] = False
    return chosen
