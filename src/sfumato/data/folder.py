"""Folders of pictures: ``images/`` with ``masks/`` of the same names, or pictures without masks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sfumato.data._files import (
    find,
    header,
    in_split,
    misfit,
    read_palette,
    read_rgb,
    reason,
)
from sfumato.data._listed import CLASSES, IGNORED, Broken, Listed, Sample
from sfumato.errors import PictureError, UsageError
from sfumato.io import pictures


@dataclass(frozen=True)
class Pair:
    """A picture and its mask; no mask = all of it is background."""

    name: str
    image: Path
    mask: Path | None = None


def open_pairs(folder: Path, split: str, classes: Sequence[str] = CLASSES) -> Listed[Sample]:
    """Pictures in ``images/`` with masks in ``masks/``; ``split.json`` tells the splits.

    A mask has its picture's name (any suffix) and size. With one class besides the background a
    mask is black and white as in :func:`sfumato.io.pictures.read_mask` (white from half grey on =
    the class), or holds numbers: 0, 1, and 255 = ignored. With more classes it always holds
    numbers. The numbers are grey levels, or palette entries if the palette has colours.

    Raises:
        UsageError: no such folders or split, or nothing to read.
    """
    images, masks = folder / "images", folder / "masks"
    for part in (images, masks):
        if not part.is_dir():
            raise UsageError(f"{part} is missing; expected images/ and masks/ in {folder}")
    names, broken = find(images)
    outlines, twice = find(masks)
    broken += twice
    broken += [
        Broken(str(p), "there is no picture to it") for n, p in outlines.items() if n not in names
    ]
    chosen, missing = in_split(names, split, folder)
    pairs = []
    for name in chosen:
        pair = Pair(name, names[name], outlines.get(name))
        if problem := _problem(pair):
            broken.append(problem)
        else:
            pairs.append(pair)
    read = partial(read_pair, classes=len(classes))
    return Listed(tuple(classes), pairs, read, broken + missing, f"{folder} ({split})")


def open_pictures(folder: Path, split: str, classes: Sequence[str] = CLASSES) -> Listed[Sample]:
    """Pictures that show nothing of the classes: their masks are all background.

    Good as new backgrounds, and to learn what is no person. The splits are told by
    ``split.json`` as in :func:`open_pairs`.

    Raises:
        UsageError: no such folder or split, or nothing to read.
    """
    images = folder / "images" if (folder / "images").is_dir() else folder
    if not images.is_dir():
        raise UsageError(f"{folder} is no folder")
    names, broken = find(images)
    chosen, missing = in_split(names, split, folder)
    reasons = {name: reason(names[name]) for name in chosen}
    pairs = [Pair(name, names[name]) for name, problem in reasons.items() if not problem]
    broken += [Broken(str(names[n]), problem) for n, problem in reasons.items() if problem]
    read = partial(read_pair, classes=len(classes))
    return Listed(tuple(classes), pairs, read, broken + missing, f"{folder} ({split})")


def read_pair(pair: Pair, *, classes: int) -> Sample:
    """The picture and its labels, for so many classes with the background.

    Raises:
        PictureError: a file is damaged, the sizes differ, or the mask's numbers are too high.
    """
    image = read_rgb(pair.image)
    if pair.mask is None:
        return Sample(image, np.zeros(image.shape[:2], np.uint8), pair.name)
    mask = read_labels(pair.mask, classes=classes)
    if wrong := misfit((mask.shape[0], mask.shape[1]), (image.shape[0], image.shape[1])):
        raise PictureError(f"{pair.mask}: {wrong}")
    return Sample(image, mask, pair.name)


def read_labels(path: Path, *, classes: int) -> NDArray[np.uint8]:
    """A mask of any mode as class numbers, uint8 ``[H, W]``; rules in :func:`open_pairs`.

    Raises:
        PictureError: it cannot be read, or holds numbers that stand for no class.
    """
    levels = read_palette(path)
    if levels is None:
        levels = np.rint(pictures.read_mask(path) * 255).astype(np.uint8)
    present = np.flatnonzero(np.bincount(levels.ravel(), minlength=256))
    strange = [int(k) for k in present if classes <= k < IGNORED]
    if classes == 2 and (strange or not ((present > 0) & (present < IGNORED)).any()):
        return (levels >= 128).astype(np.uint8)  # black and white
    if strange:
        raise PictureError(
            f"{path} holds the numbers {', '.join(map(str, strange[:5]))}; expected from 0 to "
            f"{classes - 1}, and {IGNORED} for what is ignored"
        )
    return levels


def _problem(pair: Pair) -> Broken | None:
    """What the headers say against a pair."""
    if pair.mask is None:
        return Broken(str(pair.image), "its mask is missing")
    if wrong := reason(pair.image):
        return Broken(str(pair.image), wrong)
    # The masks' own EXIF data is not heeded by those who draw them, and hardly ever there.
    if wrong := reason(pair.mask, size=header(pair.image)):
        return Broken(str(pair.mask), wrong)
    return None
