"""COCO's format: outlines as polygons or run lengths in one JSON file beside the pictures.

Lin et al., "Microsoft COCO: Common objects in context", ECCV 2014. The file is read here and only
the outlines are drawn by pycocotools, whose own reader prints.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sfumato.data._files import ALL, SPLIT, in_split, read_json, read_rgb, reason, split_names
from sfumato.data._listed import CLASSES, IGNORED, Broken, Listed, Sample
from sfumato.errors import MissingExtraError, PictureError, UsageError, did_you_mean

ROBOFLOW = "_annotations.coco.json"

_SPLITS = ("train", "valid", "val", "test")


@dataclass(frozen=True)
class Shape:
    """One outline: class number (:data:`IGNORED` = a crowd) and polygons or run lengths."""

    label: int
    area: float
    outline: Any


@dataclass(frozen=True)
class Annotated:
    """A picture and its outlines, in the order of drawing."""

    name: str
    image: Path
    size: tuple[int, int]
    shapes: tuple[Shape, ...]


@dataclass(frozen=True)
class Located:
    """A JSON file and what it says, the folder of its pictures, and whether it holds all splits."""

    listing: Path
    data: Any
    images: Path
    every_split: bool


def open_coco(path: Path, split: str, classes: Sequence[str] = CLASSES) -> Listed[Sample]:
    """Outlines of things by their categories' names.

    ``path`` is a JSON file or a folder: COCO's own (``annotations/instances_train2017.json``
    beside ``train2017/``), Roboflow's export (``train/_annotations.coco.json`` beside the
    pictures; ``valid``, ``test``), or a folder with one JSON file. A file that names no split
    (in its name) is split by ``split.json`` beside it, or by the hash of the pictures' names.

    A class is a category's name, or a supercategory's (all that belongs to it). All the rest is
    background. Smaller things are drawn over larger ones; crowds are ignored where nothing else
    is outlined. Keypoints and boxes are passed over.

    Raises:
        UsageError: no such file, split or category, or nothing to read.
        MissingExtraError: pycocotools is not installed.
    """
    _require_pycocotools()
    place = locate(path, split)
    data = place.data
    labels = class_numbers(data, classes, place.listing)
    shapes: dict[Any, list[Shape]] = defaultdict(list)
    no_outline = set()
    for one in data["annotations"]:
        label = labels.get(one.get("category_id"))
        if label is None:
            continue
        outline = _outline(one.get("segmentation"))
        if outline is None:
            no_outline.add(one.get("image_id"))
            continue
        label = IGNORED if one.get("iscrowd") else label
        shapes[one.get("image_id")].append(Shape(label, float(one.get("area") or 0), outline))
    pictures, broken = pictures_of(data, place, split)
    entries = []
    for record, image in pictures:
        size = (int(record["height"]), int(record["width"]))
        wrong = reason(image, size=size)
        if wrong is None and record["id"] in no_outline:
            wrong = "something in it has a box but no outline"
        if wrong:
            broken.append(Broken(str(image), wrong))
            continue
        ordered = sorted(shapes[record["id"]], key=lambda s: (s.label != IGNORED, -s.area))
        entries.append(Annotated(str(record["file_name"]), image, size, tuple(ordered)))
    return Listed(tuple(classes), entries, read_annotated, broken, f"{place.listing} ({split})")


def read_annotated(entry: Annotated) -> Sample:
    """The picture with its outlines drawn.

    Raises:
        PictureError: the picture is damaged, or an outline is.
    """
    mask = np.zeros(entry.size, np.uint8)
    for shape in entry.shapes:
        mask[draw(shape.outline, entry.size, entry.name)] = shape.label
    return Sample(read_rgb(entry.image), mask, entry.name)


def draw(outline: Any, size: tuple[int, int], name: str) -> NDArray[np.bool_]:
    """Polygons (``[[x, y, x, y, ...], ...]``) or run lengths (compressed or not) as bool [H, W].

    Raises:
        PictureError: they cannot be drawn, or are of another size.
    """
    from pycocotools import mask as rle

    height, width = size
    try:
        if isinstance(outline, Mapping):
            runs = outline
            if isinstance(outline["counts"], list):
                runs = rle.frPyObjects(dict(outline), *outline["size"])
        else:
            runs = rle.merge(rle.frPyObjects(outline, height, width))
        drawn = np.asarray(rle.decode(runs), np.bool_)
    except Exception as error:  # a C library's complaints about lists it does not know
        raise PictureError(f"{name}: an outline cannot be drawn ({error})") from None
    if drawn.shape != size:
        raise PictureError(f"{name}: an outline is for {drawn.shape[1]} × {drawn.shape[0]} pixels")
    return drawn


def load(listing: Path) -> Any:
    """The JSON file with its lists of images, annotations and categories.

    Raises:
        UsageError: it is no such file.
    """
    data = read_json(listing)
    parts = ("images", "annotations", "categories")
    if not isinstance(data, Mapping) or not all(isinstance(data.get(p), list) for p in parts):
        raise UsageError(f"{listing} is no COCO file: expected lists of {', '.join(parts)}")
    return data


def class_numbers(data: Any, classes: Sequence[str], listing: Path) -> dict[Any, int]:
    """Category id -> class number, by name or supercategory (a name goes first).

    Raises:
        UsageError: a class is neither.
    """
    numbers: dict[Any, int] = {}
    for key in ("supercategory", "name"):
        for one in data["categories"]:
            for number, name in enumerate(classes[1:], start=1):
                if str(one.get(key, "")).casefold() == name.casefold():
                    numbers[one["id"]] = number
    for number, name in enumerate(classes[1:], start=1):
        if number not in numbers.values():
            used = {one.get("category_id") for one in data["annotations"]}
            known = [str(c.get("name")) for c in data["categories"] if c["id"] in used]
            hint = did_you_mean(name, known)
            shown = ", ".join(known) or "none"
            raise UsageError(f"{listing} has no category {name!r}{hint} (known: {shown})")
    return numbers


def pictures_of(
    data: Any, place: Located, split: str
) -> tuple[list[tuple[Any, Path]], list[Broken]]:
    """The records of a split's pictures with their files, and names listed in vain."""
    records = {str(record["file_name"]): record for record in data["images"]}
    names = list(records)
    broken: list[Broken] = []
    if place.every_split:
        names, broken = in_split(names, split, place.listing.parent)
    return [(records[name], place.images / name) for name in names], broken


def locate(path: Path, split: str) -> Located:
    """Where a split's outlines and pictures are.

    Raises:
        UsageError: nowhere.
    """
    root = path.parent if path.is_file() else path
    listing = _one_file(path, split) if path.is_file() else _in_folder(path, split)
    every = _split_word(listing) is None and listing.name != ROBOFLOW
    if root.name == "annotations":
        root = root.parent
    part = listing.stem.rpartition("_")[2]  # instances_train2017 -> train2017
    beside = listing.parent
    places = (
        beside, beside / "images", root / part, root / "images" / part, root / "images", root
    )  # fmt: skip
    data = load(listing)
    names = [str(record.get("file_name")) for record in data["images"][:50]]
    images = max(places, key=lambda p: sum((p / n).is_file() for n in names))
    return Located(listing, data, images, every)


def _one_file(path: Path, split: str) -> Path:
    """The file, or that of another split beside it."""
    word = _split_word(path)
    if word is None or split in (ALL, *split_names(word)):
        return path
    for name in split_names(split):
        other = path.with_name(path.name.replace(word, name))
        if other.is_file():
            return other
    raise UsageError(f"{path} is for {word!r}, and there is no such file for {split!r} beside it")


def _in_folder(folder: Path, split: str) -> Path:
    for name in split_names(split):
        if (folder / name / ROBOFLOW).is_file():
            return folder / name / ROBOFLOW
        found = sorted((folder / "annotations").glob(f"instances_{name}*.json"))
        if found:
            return found[0]
    listings = [
        listing
        for place in (folder, folder / "annotations")
        for listing in sorted(place.glob("*.json"))
        if listing.name != SPLIT
    ]
    if len(listings) == 1:
        return _one_file(listings[0], split)
    raise UsageError(
        f"{folder} has no outlines for {split!r}: expected {split}/{ROBOFLOW}, "
        f"annotations/instances_{split}….json, or one JSON file"
    )


def _split_word(listing: Path) -> str | None:
    stem = listing.stem.lower()
    return next((word for word in _SPLITS if word in stem), None)


def _outline(segmentation: Any) -> Any:
    """What can be drawn of it; None if nothing.

    Lists of fewer than three points are left out: pycocotools takes four numbers for a box.
    """
    if isinstance(segmentation, Mapping):
        return segmentation if "counts" in segmentation and "size" in segmentation else None
    polygons = [p for p in segmentation or () if isinstance(p, list) and len(p) >= 6]
    return polygons or None


def _require_pycocotools() -> None:
    try:
        import pycocotools.mask  # noqa: F401
    except ImportError:
        raise MissingExtraError("drawing COCO's outlines", "train") from None
