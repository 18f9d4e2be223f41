"""PASCAL VOC's segmentation sets, with the further outlines of SBD beside them.

Everingham et al., "The PASCAL Visual Object Classes Challenge", IJCV 2010; Hariharan et al.,
"Semantic contours from inverse detectors", ICCV 2011 (SBD).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from sfumato.data._files import ALL, header, misfit, read_rgb, reason
from sfumato.data._listed import BACKGROUND, CLASSES, IGNORED, Broken, Listed, Sample
from sfumato.errors import MissingExtraError, PictureError, UsageError, did_you_mean

PASCAL = (
    BACKGROUND,
    *("aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow"),
    *("diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa"),
    *("train", "tvmonitor"),
)
"""The classes by number."""

AUGMENTED = "trainaug"
"""The split of VOC's train set and all of SBD that is not in VOC's val set."""

_SBD = ("SBD", "sbd", "benchmark_RELEASE", "SBD/benchmark_RELEASE")


@dataclass(frozen=True)
class Outlined:
    """A picture and its labels: a palette PNG, or a ``.mat`` file of SBD."""

    name: str
    image: Path
    mask: Path


def find_voc(folder: Path) -> Path | None:
    """The folder that has ``ImageSets/Segmentation``: this one or one of the usual ones in it."""
    inside = [*sorted(folder.glob("VOC20*")), *sorted(folder.glob("VOCdevkit/VOC20*"))]
    places = [path for path in (folder, *reversed(inside)) if _lists(path).is_dir()]
    return places[0] if places else None


def open_voc(folder: Path, split: str, classes: Sequence[str] = CLASSES) -> Listed[Sample]:
    """A split of VOC: ``train``, ``val``, ``trainval`` (= ``all``) or ``trainaug``.

    ``trainaug`` is read from ``trainaug.txt`` where it is there; otherwise it is VOC's train set
    and everything of SBD (``dataset/cls/*.mat``, beside the VOC folder or in it) but VOC's val
    set. VOC's own outlines go before SBD's. Labels of classes that are not asked for become
    background; the void borders (255) stay ignored.

    Raises:
        UsageError: no VOC folder, no such split or class, nothing to read, or no SBD.
    """
    root = find_voc(folder)
    if root is None:
        raise UsageError(f"expected ImageSets/Segmentation in {folder} or in VOC2012 in it")
    table = _table(classes)
    sbd = _find_sbd(root)
    names = _names(root, split, sbd)
    entries, broken = [], []
    for name in names:
        entry = _entry(root, sbd, name)
        wrong = reason(entry.image)
        if wrong is None and not entry.mask.is_file():
            wrong = "its outlines are missing"
        elif wrong is None and entry.mask.suffix == ".png":
            wrong = reason(entry.mask, size=header(entry.image))
        if wrong:
            broken.append(Broken(str(entry.image), wrong))
        else:
            entries.append(entry)
    read = partial(read_outlined, table=table)
    return Listed(tuple(classes), entries, read, broken, f"{root} ({split})")


def read_outlined(entry: Outlined, *, table: NDArray[np.uint8]) -> Sample:
    """The picture and its labels through ``table``: Pascal's number -> class number, uint8 [256].

    Raises:
        PictureError: a file is damaged, or the sizes differ.
        MissingExtraError: SBD's files need SciPy.
    """
    image = read_rgb(entry.image)
    labels = _read_mat(entry.mask) if entry.mask.suffix == ".mat" else _read_png(entry.mask)
    if wrong := misfit((labels.shape[0], labels.shape[1]), (image.shape[0], image.shape[1])):
        raise PictureError(f"{entry.mask}: {wrong}")
    return Sample(image, table[labels], entry.name)


def _table(classes: Sequence[str]) -> NDArray[np.uint8]:
    table = np.zeros(256, np.uint8)
    table[IGNORED] = IGNORED
    for number, name in enumerate(classes):
        if name not in PASCAL:
            hint = did_you_mean(name, PASCAL)
            raise UsageError(f"PASCAL VOC has no {name!r}{hint} (known: {', '.join(PASCAL)})")
        table[PASCAL.index(name)] = number
    return table


def _names(root: Path, split: str, sbd: Path | None) -> list[str]:
    wanted = "trainval" if split == ALL else split
    listing = _lists(root) / f"{wanted}.txt"
    if listing.is_file():
        return _lines(listing)
    if split != AUGMENTED:
        known = [path.stem for path in sorted(_lists(root).glob("*.txt"))]
        raise UsageError(f"there is no {listing} (known splits: {', '.join(known)}, {AUGMENTED})")
    if sbd is None:
        raise UsageError(
            f"{AUGMENTED} needs SBD: expected dataset/cls/*.mat in {root.parent / _SBD[0]}"
        )
    outlined = {path.stem for path in (sbd / "cls").glob("*.mat")}
    validation = set(_lines(_lists(root) / "val.txt"))
    return sorted((outlined | set(_lines(_lists(root) / "train.txt"))) - validation)


def _entry(root: Path, sbd: Path | None, name: str) -> Outlined:
    image = root / "JPEGImages" / f"{name}.jpg"
    mask = root / "SegmentationClass" / f"{name}.png"
    further = root / "SegmentationClassAug" / f"{name}.png"  # SBD as PNG, a common download
    if not mask.is_file() and further.is_file():
        mask = further
    elif not mask.is_file() and sbd is not None:
        mask = sbd / "cls" / f"{name}.mat"
        image = image if image.is_file() else sbd / "img" / f"{name}.jpg"
    return Outlined(name, image, mask)


def _find_sbd(root: Path) -> Path | None:
    """SBD's ``dataset`` folder in one of the usual places."""
    for place in (root, root.parent, root.parent.parent):
        for name in _SBD:
            if (place / name / "dataset" / "cls").is_dir():
                return place / name / "dataset"
    return None


def _read_png(path: Path) -> NDArray[np.uint8]:
    try:
        with PillowImage.open(path) as picture:
            if picture.mode not in ("P", "L"):
                raise PictureError(f"{path} has mode {picture.mode}; expected a palette picture")
            return np.asarray(picture, np.uint8)
    except PictureError:
        raise
    except Exception as error:  # decoders of broken files raise a dozen kinds
        raise PictureError(f"{path} is damaged or cut short ({error})") from None


def _read_mat(path: Path) -> NDArray[np.uint8]:
    try:
        from scipy.io import loadmat
    except ImportError:
        raise MissingExtraError("reading the .mat files of SBD", "train") from None
    try:
        return np.asarray(loadmat(str(path))["GTcls"]["Segmentation"][0, 0], np.uint8)
    except Exception as error:
        raise PictureError(f"{path} is damaged or no file of SBD ({error})") from None


def _lists(root: Path) -> Path:
    return root / "ImageSets" / "Segmentation"


def _lines(path: Path) -> list[str]:
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None
    return [line.split()[0] for line in text.splitlines() if line.split()]
