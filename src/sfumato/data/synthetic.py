"""Drawn people on drawn grounds: samples without any files, made when asked for.

Heads, trunks, limbs, hair and clothes in many poses, close and far, on textures with distractors
in the same colours. Enough to see that a net learns shapes, to test training and to teach it;
no stand-in for photographs.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from sfumato.data._figures import Canvas, draw_figure, draw_portrait
from sfumato.data._grounds import ground
from sfumato.data._listed import CLASSES, Broken, Sample
from sfumato.errors import UsageError

SIDES = (64, 256)

_NONE, _TWO = 0.06, 0.12
"""Shares of pictures with nobody and with two people."""

_CLOSE = 0.6
"""Share of portraits among pictures with one person."""


@dataclass(frozen=True, eq=False)
class Synthetic:
    """Drawn samples by number; number, split and seed tell all of a sample.

    Args:
        count: how many there are.
        split: splits differ in every picture.
        classes: the drawn people are the class ``person``.
        side: of the square pictures, 64..256 pixels.
        seed: of all random choices.

    Raises:
        UsageError: a number is out of bounds, or nothing is called ``person``.
    """

    count: int
    split: str = "train"
    classes: tuple[str, ...] = CLASSES
    side: int = 128
    seed: int = 0

    def __post_init__(self) -> None:
        if self.count < 1 or not SIDES[0] <= self.side <= SIDES[1]:
            raise UsageError(
                f"drawn samples: expected 1 or more of {SIDES[0]} to {SIDES[1]} pixels; "
                f"got {self.count} of {self.side}"
            )
        if "person" not in self.classes:
            raise UsageError(f"drawn samples show 'person', not {_listed(self.classes[1:])}")

    @property
    def broken(self) -> list[Broken]:
        """Nothing: there are no files."""
        return []

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, i: int, /) -> Sample:
        number = range(self.count)[i]
        rng = np.random.default_rng([self.seed, zlib.crc32(self.split.encode()), number])
        sample = draw(rng, self.side, self.name(number))
        mask = sample.mask * np.uint8(self.classes.index("person"))
        return Sample(sample.image, mask, sample.name)

    def name(self, i: int, /) -> str:
        """``synthetic/train/00007``."""
        return f"synthetic/{self.split}/{range(self.count)[i]:05d}"


def draw(rng: np.random.Generator, side: int, name: str) -> Sample:
    """One picture: mask 1 = person."""
    canvas = Canvas.over(ground(rng, side))
    people = rng.uniform()
    if people < _NONE:
        pass
    elif people < _NONE + _TWO:
        places = rng.uniform(0.2, 0.4), rng.uniform(0.6, 0.8)
        for place in places:
            draw_figure(canvas, rng, place)
    elif people < _NONE + _TWO + _CLOSE * (1 - _NONE - _TWO):
        draw_portrait(canvas, rng)
    else:
        draw_figure(canvas, rng, rng.uniform(0.25, 0.75))
    image, coverage = canvas.finish()
    return Sample(_lit(image, rng), (coverage >= 128).astype(np.uint8), name)


def _lit(image: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Uneven light and grain over figure and ground alike: neither gives the figure away."""
    side = image.shape[0]
    corners = rng.uniform(0.75, 1.15, (2, 2)).astype(np.float32)
    light = cv2.resize(corners, (side, side), interpolation=cv2.INTER_LINEAR)
    grain = rng.uniform(0, 5) * rng.standard_normal((side, side), dtype=np.float32)
    return np.clip(image * light[..., None] + grain[..., None], 0, 255).astype(np.uint8)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names))
