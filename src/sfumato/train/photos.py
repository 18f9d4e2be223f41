"""Photos to squares of them. Which stands at a place of a round follows from seed, round and place
alone, as in :mod:`sfumato.train.loader`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from sfumato.data import _files
from sfumato.data.augment import augment
from sfumato.data.samples import Sample
from sfumato.errors import PictureError, UsageError
from sfumato.train.loader import Place, Places, readers
from sfumato.train.style_recipe import CROPS, StyleRecipe

HELD = 4
"""Photos that are measured on and not learnt from, if there are at least ten times as many."""


def find(recipe: StyleRecipe) -> tuple[list[Path], list[Path]]:
    """Photos to learn from, and those to measure on: some of the others, or of the same.

    Files in folders that are no pictures, or are cut short, are passed over.

    Raises:
        UsageError: there are none, or no such folder or split.
    """
    unique: dict[Path, None] = {}
    for spec in recipe.photos:
        path = Path(spec)
        if not path.exists():
            raise UsageError(f"{spec} does not exist; --photos is a folder of photos")
        sound = _files.sound(path, recipe.split)[0] if path.is_dir() else [path]
        unique |= dict.fromkeys(sound)
    found = list(unique)
    if not found:
        raise UsageError(f"there are no photos in {', '.join(recipe.photos)}")
    count = min(HELD, len(found))
    held = [found[(2 * k + 1) * len(found) // (2 * count)] for k in range(count)]
    learnt = [path for path in found if path not in held]
    return (learnt, held) if len(found) >= 10 * HELD else (found, held)


@dataclass(eq=False)
class Squares(Dataset[Tensor]):
    """Squares of photos by their place: uint8 ``[3, size, size]``.

    Attributes:
        photos: files; one that turns out to be damaged gives way to the next.
        recipe: size, seed, and how many there are in a round.
    """

    photos: Sequence[Path]
    recipe: StyleRecipe

    def __getitem__(self, place: Place) -> Tensor:
        number, i = place
        seed, size = self.recipe.seed, self.recipe.size
        turn, k = divmod(number * self.recipe.round * self.recipe.batch + i, len(self.photos))
        order = np.random.default_rng([seed, turn]).permutation(len(self.photos))
        image = self._sound(int(order[k]))
        sample = Sample(image, np.zeros(image.shape[:2], np.uint8), "")
        rng = np.random.default_rng([seed, number, i])
        return to_tensor(augment(sample, CROPS, rng, size=size).image)

    def _sound(self, first: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
        for k in range(len(self.photos)):
            try:
                return _files.read_rgb(self.photos[(first + k) % len(self.photos)])
            except PictureError:
                continue
        raise UsageError("none of the photos can be read")


def training_loader(photos: Sequence[Path], recipe: StyleRecipe) -> DataLoader[Tensor]:
    """Batches of a round."""
    return DataLoader(
        Squares(photos, recipe),
        batch_size=recipe.batch,
        sampler=Places(recipe.round * recipe.batch),  # places are what the squares take as numbers
        **readers(recipe.workers),
    )


def held_loader(photos: Sequence[Path], recipe: StyleRecipe) -> DataLoader[Tensor]:
    """The middles of photos, always the same.

    Raises:
        PictureError: one cannot be read.
    """
    return DataLoader(
        _Held([middle(_files.read_rgb(p), recipe.size) for p in photos]), batch_size=1
    )


def middle(image: np.ndarray[tuple[int, ...], np.dtype[np.uint8]], size: int) -> Tensor:
    """The middle of a picture uint8 ``[H, W, 3]`` as uint8 ``[3, size, size]``."""
    short = min(image.shape[:2])
    top, left = ((n - short) // 2 for n in image.shape[:2])
    square = image[top : top + short, left : left + short]
    kind = cv2.INTER_AREA if short > size else cv2.INTER_CUBIC
    return to_tensor(np.asarray(cv2.resize(square, (size, size), interpolation=kind), np.uint8))


def to_tensor(image: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> Tensor:
    """``[H, W, 3]`` to ``[3, H, W]``."""
    return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))


@dataclass(eq=False)
class _Held(Dataset[Tensor]):
    squares: Sequence[Tensor]

    def __getitem__(self, i: int) -> Tensor:
        return self.squares[i]

    def __len__(self) -> int:
        return len(self.squares)
