"""Drawn people: a skeleton of joints in a pose, and body, clothes and hair around it.

Everything is drawn with hard edges on a canvas of numbers, twice as fine as the picture, one
number a part; colours are looked up by part. Averaged down, colours and coverage have the same
smooth edges, so that the mask is exact: at least half of a pixel is person.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from sfumato.data._grounds import Colour, Colours, any_colour, pattern, skin_colour

FINE = 2

Point = NDArray[np.float64]

_SHIFT = 4  # fractional bits of OpenCV's fixed-point coordinates


@dataclass
class Canvas:
    """A ground and the parts drawn over it.

    Attributes:
        ground: uint8 ``[S, S, 3]``.
        parts: uint8 ``[FINE * S, FINE * S]``, number of the part; 0 = ground.
        paints: colour or texture (of the canvas's size) of each part from 1 on.
    """

    ground: Colours
    parts: NDArray[np.uint8]
    paints: list[Colour | Colours] = field(default_factory=list)

    @classmethod
    def over(cls, ground: Colours) -> Canvas:
        side = ground.shape[0] * FINE
        return cls(ground, np.zeros((side, side), np.uint8))

    @property
    def side(self) -> int:
        """Of the fine canvas, in its pixels."""
        return int(self.parts.shape[0])

    def paint(self, paint: Colour | Colours) -> int:
        """The number of a new part in this colour or texture."""
        self.paints.append(paint)
        return len(self.paints)

    def polygon(self, points: Sequence[Point] | Point, part: int) -> None:
        cv2.fillPoly(self.parts, [_fixed(np.asarray(points))], part, cv2.LINE_8, _SHIFT)

    def disc(self, centre: Point, radius: float, part: int) -> None:
        self.oval(centre, (radius, radius), 0, part)

    def oval(self, centre: Point, axes: tuple[float, float], angle: float, part: int) -> None:
        """Filled; ``axes`` are half lengths, ``angle`` in radians."""
        x, y = (int(v) for v in _fixed(centre))
        a, b = (max(1, round(v * (1 << _SHIFT))) for v in axes)
        degrees = float(np.degrees(angle))
        cv2.ellipse(
            self.parts, (x, y), (a, b), degrees, 0, 360, part, -1, cv2.LINE_8, _SHIFT
        )  # fmt: skip

    def limb(self, joints: Sequence[Point], radii: Sequence[float], part: int) -> None:
        """Tapered segments with round ends through the joints."""
        for (a, ra), (b, rb) in pairwise(zip(joints, radii, strict=True)):
            along = (b - a) / max(float(np.hypot(*(b - a))), 1e-6)
            side = np.array([-along[1], along[0]])
            self.polygon([a + side * ra, b + side * rb, b - side * rb, a - side * ra], part)
        for joint, radius in zip(joints, radii, strict=True):
            self.disc(joint, radius, part)

    def finish(self) -> tuple[Colours, NDArray[np.uint8]]:
        """The picture uint8 ``[S, S, 3]`` and the coverage by people uint8 ``[S, S]``, 0..255."""
        small = self.ground.shape[0]
        plain = np.zeros((256, 3), np.uint8)
        for number, paint in enumerate(self.paints, start=1):
            if isinstance(paint, tuple):
                plain[number] = paint
        colours = plain[self.parts]
        for number, paint in enumerate(self.paints, start=1):
            if not isinstance(paint, tuple):
                np.copyto(colours, paint, where=(self.parts == number)[..., None])
        body = np.where(self.parts > 0, np.uint8(255), np.uint8(0))
        share = cv2.resize(body, (small, small), interpolation=cv2.INTER_AREA)
        # Black where there is nobody: the average is the people's colours times their coverage.
        drawn = cv2.resize(colours, (small, small), interpolation=cv2.INTER_AREA).astype(np.float32)
        rest = 1 - share.astype(np.float32)[..., None] / 255
        image = np.clip(np.rint(drawn + self.ground * rest), 0, 255).astype(np.uint8)
        return image, np.asarray(share, np.uint8)


@dataclass(frozen=True)
class Look:
    """Numbers of the parts that a person is drawn with."""

    skin: int
    shade: int
    face: int
    hair: int
    top: int
    sleeve: int
    bottom: int
    shoe: int
    detail: int


def draw_portrait(canvas: Canvas, rng: np.random.Generator) -> None:
    """A head and shoulders, down to the chest or the hips, cut off by the lower edge."""
    head = rng.uniform(0.26, 0.46)
    neck = np.array([rng.uniform(0.35, 0.65), rng.uniform(0.12, 0.26) + head])
    _person(canvas, rng, neck * canvas.side, head * canvas.side)


def draw_figure(canvas: Canvas, rng: np.random.Generator, place: float) -> None:
    """A whole figure about ``place`` (0..1 from the left), near or far; its feet may be cut off."""
    head = rng.uniform(0.12, 0.17)
    top = rng.uniform(0.02, max(0.04, 0.9 - 7.2 * head))
    neck = np.array([place, top + 1.2 * head])
    _person(canvas, rng, neck * canvas.side, head * canvas.side)


def _person(canvas: Canvas, rng: np.random.Generator, neck: Point, unit: float) -> None:
    """A person whose head is ``unit`` pixels high."""
    look = _look(canvas, rng)
    lean = rng.normal(0, 0.07)
    up = np.array([np.sin(lean), -np.cos(lean)]) * unit
    right = np.array([np.cos(lean), np.sin(lean)]) * unit
    turn = rng.uniform(0.6, 1.0)  # seen from the front, or half from the side
    build = rng.uniform(0.85, 1.25)
    width = 0.74 * turn * build
    shoulders = [neck - up * 0.3 + right * width * sign for sign in (-1, 1)]
    hips = [neck - up * 2.75 + right * 0.62 * turn * build * sign for sign in (-1, 1)]
    behind = int(rng.integers(2))  # the arm that the trunk hides in part
    long_hair = rng.uniform() < 0.4
    head = neck + up * rng.uniform(0.66, 0.76) + right * rng.normal(0, 0.06)
    tilt = lean + rng.normal(0, 0.12)
    if long_hair:
        _back_hair(canvas, rng, head, tilt, unit, look)
    _arm(canvas, rng, shoulders[behind], 2 * behind - 1, unit * build, look)
    _legs(canvas, rng, hips, unit * build, look)
    _trunk(canvas, rng, neck, shoulders, hips, unit * build, look)
    canvas.limb([neck + up * 0.2, neck - up * 0.28], [0.2 * unit, 0.24 * unit], look.shade)
    _head(canvas, rng, head, tilt, unit, look)
    _arm(canvas, rng, shoulders[1 - behind], 1 - 2 * behind, unit * build, look)


def _look(canvas: Canvas, rng: np.random.Generator) -> Look:
    skin = skin_colour(rng)
    top, bottom = any_colour(rng), any_colour(rng)
    side = canvas.side
    cloth = canvas.paint(pattern(rng, side, top, any_colour(rng)))
    bare = canvas.paint(skin)
    dress = rng.uniform() < 0.25
    return Look(
        skin=bare,
        shade=canvas.paint(_darker(skin, 0.82)),
        face=canvas.paint(_darker(skin, rng.uniform(0.95, 1.05))),
        hair=canvas.paint(_hair_colour(rng)),
        top=cloth,
        sleeve=canvas.paint(_darker(top, 0.88)) if rng.uniform() < 0.7 else bare,
        bottom=cloth if dress else canvas.paint(pattern(rng, side, bottom, any_colour(rng))),
        shoe=canvas.paint(any_colour(rng)),
        detail=canvas.paint(_darker(skin, 0.35)),
    )


def _arm(
    canvas: Canvas, rng: np.random.Generator, shoulder: Point, side: int, unit: float, look: Look
) -> None:
    """From the shoulder: hanging, on the hip, folded before the body, raised or stretched out."""
    pose = rng.choice(5, p=(0.4, 0.2, 0.15, 0.13, 0.12))
    low, high, bend = (
        (0.02, 0.3, (-0.1, 0.25)),
        (0.6, 0.95, (-1.9, -1.4)),
        (0.1, 0.4, (-2.1, -1.3)),
        (1.9, 2.9, (-0.5, 0.6)),
        (1.0, 1.7, (-0.6, 0.9)),
    )[pose]
    first = rng.uniform(low, high)
    second = first + rng.uniform(*bend)
    elbow = shoulder + _away(first, side) * 1.35 * unit
    hand = elbow + _away(second, side) * 1.15 * unit
    upper, fore = rng.uniform(0.23, 0.3) * unit, rng.uniform(0.17, 0.22) * unit
    wrist = 0.13 * unit
    canvas.limb([elbow, hand], [fore, wrist], look.skin)
    canvas.disc(hand + _away(second, side) * 0.12 * unit, 0.19 * unit, look.skin)
    sleeve = rng.uniform(0.3, 1.15)
    if sleeve > 0.9:  # a long one
        end = elbow + (hand - elbow) * 0.88
        canvas.limb([shoulder, elbow, end], [upper, fore * 1.12, wrist * 1.3], look.sleeve)
    else:
        canvas.limb([shoulder, elbow], [upper * 0.9, fore], look.skin)
        end = shoulder + (elbow - shoulder) * sleeve
        canvas.limb([shoulder, end], [upper, upper * 0.95], look.sleeve)


def _legs(
    canvas: Canvas, rng: np.random.Generator, hips: list[Point], unit: float, look: Look
) -> None:
    """Standing, walking or sitting; trousers, shorts, or a skirt."""
    pose = rng.choice(3, p=(0.5, 0.35, 0.15))
    dressed = rng.choice(3, p=(0.5, 0.2, 0.3))
    knees, feet = [], []
    for k, side in enumerate((-1, 1)):
        first = (rng.uniform(0, 0.12), rng.uniform(0.1, 0.5), rng.uniform(0.9, 1.3))[pose]
        second = (first * 0.4, rng.uniform(-0.3, 0.35), rng.uniform(-0.1, 0.2))[pose]
        hip = hips[k] * 0.75 + hips[1 - k] * 0.25
        knees.append(hip + _away(first, side) * 1.75 * unit)
        feet.append(knees[-1] + _away(second, side) * 1.75 * unit)
        joints, radii = [hip, knees[-1], feet[-1]], [0.42 * unit, 0.28 * unit, 0.17 * unit]
        canvas.limb(joints, radii, look.bottom if dressed == 0 else look.skin)
        if dressed == 1:
            end = hip + (knees[-1] - hip) * rng.uniform(0.5, 0.95)
            canvas.limb([hip, end], [0.44 * unit, 0.36 * unit], look.bottom)
        toe = feet[-1] + np.array([side * 0.22, 0.12]) * unit
        canvas.limb(
            [feet[-1] + np.array([0, 0.1]) * unit, toe], [0.19 * unit, 0.14 * unit], look.shoe
        )
    if dressed == 2:
        share = rng.uniform(0.5, 1.7)  # how far down: 1 = the knee
        hem = [
            h + (k - h) * min(share, 1) + (f - k) * max(share - 1, 0)
            for h, k, f in zip(hips, knees, feet, strict=True)
        ]
        flare = np.array([rng.uniform(0.25, 0.7) * unit, 0])
        canvas.polygon([hips[0], hips[1], hem[1] + flare, hem[0] - flare], look.bottom)


def _trunk(
    canvas: Canvas,
    rng: np.random.Generator,
    neck: Point,
    shoulders: list[Point],
    hips: list[Point],
    unit: float,
    look: Look,
) -> None:
    """Shoulders to hips, drawn in at the waist; sometimes a jacket that hangs lower."""
    left, right = shoulders
    slope = (hips[0] + hips[1] - left - right) / 2
    middle = (right - left) / 2
    waist = rng.uniform(0.55, 0.85)
    belt = (left + right) / 2 + slope * 0.62
    low = (hips[0] + hips[1]) / 2 + slope * rng.choice([0.03, 0.08, 0.35], p=(0.5, 0.3, 0.2))
    hip = (hips[1] - hips[0]) / 2 * rng.uniform(1.0, 1.25)
    outline = [
        neck - slope * 0.02 - middle * 0.3, left - slope * 0.06, belt - middle * waist, low - hip,
        low + hip, belt + middle * waist, right - slope * 0.06, neck - slope * 0.02 + middle * 0.3,
    ]  # fmt: skip
    canvas.polygon(outline, look.top)
    for shoulder in shoulders:
        canvas.disc(shoulder, 0.27 * unit, look.top)


def _head(
    canvas: Canvas, rng: np.random.Generator, head: Point, tilt: float, unit: float, look: Look
) -> None:
    """Hair, face and, where they are large enough to see, its features; sometimes a hat."""
    up = np.array([np.sin(tilt), -np.cos(tilt)]) * unit
    right = np.array([np.cos(tilt), np.sin(tilt)]) * unit
    wide = rng.uniform(0.35, 0.42) * unit
    style = rng.uniform()
    if style > 0.12:
        mop = rng.uniform(1.08, 1.3)
        canvas.oval(head + up * 0.08, (wide * mop, 0.52 * unit), tilt, look.hair)
    canvas.oval(head - up * 0.04, (wide, 0.47 * unit), tilt, look.face)
    for sign in (-1, 1):
        canvas.disc(head + right * 0.37 * sign - up * 0.04, 0.075 * unit, look.shade)
        canvas.oval(
            head + right * 0.15 * sign + up * 0.04, (0.055 * unit, 0.035 * unit), tilt, look.detail
        )
    canvas.limb([head + up * 0.02, head - up * 0.12], [0.025 * unit, 0.045 * unit], look.shade)
    mouth = rng.uniform(0.07, 0.13)
    canvas.oval(head - up * 0.27, (mouth * unit, 0.03 * unit), tilt, look.detail)
    if 0.12 < style < 0.85:
        part = rng.uniform(-0.15, 0.15)
        canvas.oval(head + up * 0.38 + right * part, (wide * 0.9, 0.17 * unit), tilt, look.hair)
    elif style >= 0.85:
        brim = head + up * 0.26
        canvas.limb([brim - right * 0.6, brim + right * 0.6], [0.06 * unit] * 2, look.bottom)
        canvas.polygon(
            [brim - right * 0.4, brim - right * 0.32 + up * 0.42,
             brim + right * 0.32 + up * 0.42, brim + right * 0.4], look.bottom,
        )  # fmt: skip


def _back_hair(
    canvas: Canvas, rng: np.random.Generator, head: Point, tilt: float, unit: float, look: Look
) -> None:
    """Long hair that falls behind the shoulders."""
    down = -np.array([np.sin(tilt), -np.cos(tilt)]) * unit
    length = rng.uniform(0.5, 1.4)
    width = rng.uniform(0.42, 0.55) * unit
    canvas.limb([head, head + down * length], [width, width * rng.uniform(0.8, 1.2)], look.hair)


def _away(angle: float, side: int) -> Point:
    """The direction at an angle from straight down, outwards to a side (-1 left, 1 right)."""
    return np.array([side * np.sin(angle), np.cos(angle)])


def _hair_colour(rng: np.random.Generator) -> Colour:
    if rng.uniform() < 0.15:
        return any_colour(rng)
    value = rng.uniform(15, 200)
    warmth = rng.uniform(0.5, 1)
    return int(value), int(value * (0.5 + 0.45 * warmth)), int(value * warmth * 0.75)


def _darker(colour: Colour, times: float) -> Colour:
    red, green, blue = (min(255, int(v * times)) for v in colour)
    return red, green, blue


def _fixed(points: Point) -> NDArray[np.int32]:
    # A canvas pixel's centre is at a half in our lengths and at a whole number in OpenCV's.
    return np.round((points - 0.5) * (1 << _SHIFT)).astype(np.int32)
