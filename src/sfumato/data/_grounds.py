"""Grounds for drawn figures: textures, and things that are no people in people's colours."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Colours = NDArray[np.uint8]
Colour = tuple[int, int, int]


def any_colour(rng: np.random.Generator) -> Colour:
    """A colour of moderate saturation and any lightness, as cloth and walls have."""
    hue, value = rng.uniform(0, 180), rng.uniform(30, 245)
    return _hsv(hue, 255 * rng.beta(1.6, 2.2), value)


def skin_colour(rng: np.random.Generator) -> Colour:
    """Skin in any common tone and light."""
    value = rng.uniform(70, 250)
    return _hsv(rng.uniform(4, 17), rng.uniform(60, 150), value)


def thing_colour(rng: np.random.Generator) -> Colour:
    """The colour of a distractor: now and then that of skin, wood and leather."""
    return skin_colour(rng) if rng.uniform() < 0.2 else any_colour(rng)


def pattern(rng: np.random.Generator, side: int, first: Colour, second: Colour) -> Colours:
    """Stripes, checks, dots, blotches or plain in two colours: uint8 ``[side, side, 3]``."""
    kind = rng.choice(5, p=(0.5, 0.18, 0.1, 0.1, 0.12))
    if kind == 0:
        where: NDArray[Any] = np.zeros((side, side), np.bool_)
    elif kind == 4:
        where = blotches(rng, side, int(rng.integers(6, 24))) > 0.5
    else:
        period, angle = side * rng.uniform(0.025, 0.09), rng.uniform(0, np.pi)
        x, y = np.meshgrid(np.arange(side, dtype=np.float32), np.arange(side, dtype=np.float32))
        turn = np.float32(2 * np.pi / period)
        across = np.sin((x * np.float32(np.cos(angle)) + y * np.float32(np.sin(angle))) * turn)
        along = np.sin((y * np.float32(np.cos(angle)) - x * np.float32(np.sin(angle))) * turn)
        where = (across > 0.2, (across > 0) ^ (along > 0), across + along > 1.2)[kind - 1]
    table = np.array([first, second], np.uint8)
    return np.asarray(table[where.astype(np.uint8)])


def blotches(rng: np.random.Generator, side: int, cells: int) -> NDArray[np.float32]:
    """Smooth noise, 0..1 about: float32 ``[side, side]``."""
    coarse = rng.uniform(0, 1, (cells, cells)).astype(np.float32)
    return np.asarray(cv2.resize(coarse, (side, side), interpolation=cv2.INTER_CUBIC))


def ground(rng: np.random.Generator, side: int) -> Colours:
    """A texture with distractors on it: uint8 ``[side, side, 3]``."""
    textures: tuple[Callable[[np.random.Generator, int], Colours], ...] = (
        _gradient, _clouds, _checks, _room, _foliage, _stripes
    )  # fmt: skip
    picture = textures[rng.integers(len(textures))](rng, side)
    for _ in range(rng.integers(0, 4)):
        _distractor(picture, rng)
    picture = _hazy(picture, rng.uniform(0.3, 0.7))
    sharp = rng.uniform() < 0.15
    return picture if sharp else _blurred(picture, rng.uniform(0.5, 2.2) * side / 128)


def _gradient(rng: np.random.Generator, side: int) -> Colours:
    corners = np.array([any_colour(rng) for _ in range(4)], np.uint8).reshape(2, 2, 3)
    return _enlarged(corners, side)


def _clouds(rng: np.random.Generator, side: int) -> Colours:
    first, second = (np.array(any_colour(rng), np.float32) for _ in range(2))
    layers = [blotches(rng, side, 3 * 2**k) * 0.55**k for k in range(5)]
    share = np.clip(sum(layers[1:], layers[0]) / 2.0, 0, 1)[..., None]
    return np.asarray(first + (second - first) * share, np.uint8)


def _checks(rng: np.random.Generator, side: int) -> Colours:
    cells = int(rng.integers(4, 20))
    colours = np.array([any_colour(rng), any_colour(rng)], np.float32)
    which = np.add.outer(np.arange(cells), np.arange(cells)) % 2
    tiles = colours[which] + rng.uniform(-18, 18, (cells, cells, 1))
    small = np.clip(tiles, 0, 255).astype(np.uint8)
    return np.asarray(cv2.resize(small, (side, side), interpolation=cv2.INTER_NEAREST), np.uint8)


def _stripes(rng: np.random.Generator, side: int) -> Colours:
    count = int(rng.integers(6, 30))
    row = np.array([any_colour(rng) for _ in range(3)], np.uint8)[rng.integers(0, 3, count)]
    bars = np.repeat(row[None], 2, axis=0)
    picture = cv2.resize(bars, (side, side), interpolation=cv2.INTER_NEAREST)
    return np.ascontiguousarray(picture if rng.uniform() < 0.5 else picture.swapaxes(0, 1))


def _room(rng: np.random.Generator, side: int) -> Colours:
    picture = _gradient(rng, side)
    floor = int(side * rng.uniform(0.6, 0.9))
    picture[floor:] = pattern(rng, side, any_colour(rng), any_colour(rng))[floor:]
    for _ in range(rng.integers(0, 4)):
        x, y = (int(v) for v in rng.uniform(0, 0.8, 2) * side)
        w, h = (int(v) for v in rng.uniform(0.1, 0.35, 2) * side)
        cv2.rectangle(picture, (x, y), (x + w, y + h), any_colour(rng), -1)
        cv2.rectangle(picture, (x, y), (x + w, y + h), any_colour(rng), max(1, side // 64))
    return picture


def _foliage(rng: np.random.Generator, side: int) -> Colours:
    picture = _gradient(rng, side)
    hue = rng.uniform(20, 75) if rng.uniform() < 0.7 else rng.uniform(0, 180)
    count = int(rng.integers(60, 160))
    centres = (rng.uniform(0, 1, (count, 2)) * side).astype(int).tolist()
    radii = np.maximum(1, rng.uniform(0.015, 0.075, (count, 2)) * side).astype(int).tolist()
    angles = rng.uniform(0, 180, count).tolist()
    for centre, axes, angle in zip(centres, radii, angles, strict=True):
        colour = _hsv(hue + rng.normal(0, 6), rng.uniform(60, 200), rng.uniform(30, 220))
        cv2.ellipse(picture, centre, axes, angle, 0, 360, colour, -1, cv2.LINE_AA)
    return picture


def _distractor(picture: Colours, rng: np.random.Generator) -> None:
    """A ball, a box, a polygon, a stick, a lamp post or a tree."""
    side = picture.shape[0]
    x, y = (int(v) for v in rng.uniform(0, 1, 2) * side)
    colour, other = thing_colour(rng), thing_colour(rng)
    kind = rng.integers(6)
    if kind == 0:
        axes = [max(2, int(v)) for v in rng.uniform(0.02, 0.14, 2) * side]
        cv2.ellipse(picture, (x, y), axes, rng.uniform(0, 180), 0, 360, colour, -1, cv2.LINE_AA)
    elif kind == 1:
        w, h = (int(v) for v in rng.uniform(0.04, 0.3, 2) * side)
        cv2.rectangle(picture, (x, y), (x + w, y + h), colour, -1)
    elif kind == 2:
        turns = np.sort(rng.uniform(0, 2 * np.pi, 5))
        reach = rng.uniform(0.04, 0.2, 5) * side
        points = np.stack([x + reach * np.cos(turns), y + reach * np.sin(turns)], axis=1)
        cv2.fillPoly(picture, [points.astype(np.int32)], colour, cv2.LINE_AA)
    elif kind == 3:
        end = [int(v) for v in (x, y) + rng.normal(0, 0.35, 2) * side]
        thick = max(1, int(rng.uniform(0.008, 0.05) * side))
        cv2.line(picture, (x, y), end, colour, thick, cv2.LINE_AA)
    else:  # a stem from below with a round top: like a person from afar, and none
        top, thick = int(side * rng.uniform(0.1, 0.6)), max(1, int(rng.uniform(0.01, 0.05) * side))
        cv2.line(picture, (x, side), (x, top), colour, thick, cv2.LINE_AA)
        if kind == 4:
            cv2.circle(
                picture, (x, top), int(side * rng.uniform(0.03, 0.08)), other, -1, cv2.LINE_AA
            )
            return
        for _ in range(9):
            dx, dy = rng.normal(0, 0.05, 2) * side
            radius = int(side * rng.uniform(0.03, 0.07))
            cv2.circle(picture, (int(x + dx), int(top + dy)), radius, other, -1, cv2.LINE_AA)


def _hazy(picture: Colours, share: float) -> Colours:
    """Nearer to its mean colour by this share, as what is far away."""
    mean = picture.mean(axis=(0, 1), keepdims=True)
    return np.asarray(np.rint(picture + share * (mean - picture)), np.uint8)


def _blurred(picture: Colours, sigma: float) -> Colours:
    """Out of focus, as grounds often are."""
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), sigma), np.uint8)


def _enlarged(corners: Colours, side: int) -> Colours:
    grown = cv2.resize(corners.astype(np.float32), (side, side), interpolation=cv2.INTER_LINEAR)
    return np.asarray(grown, np.uint8)


def _hsv(hue: float, saturation: float, value: float) -> Colour:
    """OpenCV's HSV (hue 0..180, the rest 0..255) as RGB numbers."""
    turn = (hue % 180) / 30
    chroma = value * saturation / 255
    rgb = [
        value - chroma * max(0.0, min(1.0, k, 4 - k)) for k in ((n + turn) % 6 for n in (5, 3, 1))
    ]  # the usual closed form of the HSV cone
    return int(rgb[0]), int(rgb[1]), int(rgb[2])
