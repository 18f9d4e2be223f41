"""Picture files of a data set: found, split, looked at cheaply, and read."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from sfumato.data._listed import Broken
from sfumato.errors import PictureError, UsageError
from sfumato.io import icc, pictures

SUFFIXES = frozenset(
    (".jpg", ".jpeg", ".jfif", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".avif", ".jp2")
)

ALL = "all"
"""The split that is everything."""

VAL_SHARE = 10
"""One in so many is for validation where nothing says which."""

SPLIT = "split.json"
"""The file that tells which names are of which split."""

ORIENTATION = 0x0112
"""EXIF's tag of how a picture is turned."""

_ALIASES = ("val", "valid", "validation")
_TAIL = 64


def find(folder: Path) -> tuple[dict[str, Path], list[Broken]]:
    """Picture files in a folder and the folders in it, by name: the path without its suffix.

    Returns:
        name -> path, in the order of the names; of two files of one name the second is broken.
    """
    found: dict[str, Path] = {}
    broken = []
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() not in SUFFIXES or path.name.startswith("."):
            continue
        name = path.relative_to(folder).with_suffix("").as_posix()
        if name in found:
            broken.append(Broken(str(path), f"{found[name].name} has the same name"))
        else:
            found[name] = path
    return found, broken


def sound(folder: Path, split: str | None = None) -> tuple[list[Path], list[Broken]]:
    """Pictures of a folder (of its ``images/``, if it has that) that their headers say can be used.

    Args:
        split: None = ``train`` where there is a ``split.json``, else all.

    Returns:
        paths in the order of their names, and files that cannot be used.

    Raises:
        UsageError: there is no such split.
    """
    names, broken = find(folder / "images" if (folder / "images").is_dir() else folder)
    wanted = split or ("train" if (folder / SPLIT).is_file() else ALL)
    chosen, missing = in_split(names, wanted, folder)
    reasons = {name: reason(names[name]) for name in chosen}
    broken += missing
    broken += [Broken(str(names[name]), wrong) for name, wrong in reasons.items() if wrong]
    return [names[name] for name, wrong in reasons.items() if not wrong], broken


def in_split(names: Iterable[str], split: str, folder: Path) -> tuple[list[str], list[Broken]]:
    """Those of the names that belong to a split, in their order.

    ``split.json`` in the folder (split -> names, with or without suffix) tells; without it one
    name in ten, by its hash, is for ``val`` and the others are for ``train``: the same ones
    everywhere, whatever files come or go.

    Returns:
        the names, and those that split.json lists in vain.

    Raises:
        UsageError: there is no such split, or split.json is not what it should be.
    """
    names = list(names)
    if split == ALL:
        return names, []
    listing = folder / SPLIT
    if not listing.is_file():
        if split_key(split, ("train", "val")) == "train":
            return [name for name in names if not _for_validation(name)], []
        return [name for name in names if _for_validation(name)], []
    table = read_json(listing)
    if not isinstance(table, Mapping) or not all(isinstance(v, list) for v in table.values()):
        raise UsageError(f"{listing}: expected a list of names for each split")
    wanted = [str(name) for name in table[split_key(split, table)]]
    known = {_stem(name): name for name in names} | {name: name for name in names}
    chosen = {known.get(name) or known.get(_stem(name)) for name in wanted}
    missing = [n for n in wanted if n not in known and _stem(n) not in known]
    broken = [
        Broken(str(folder / n), "split.json lists it, but there is no such file") for n in missing
    ]
    return [name for name in names if name in chosen], broken


def check_apart(source: Path, target: Path) -> None:
    """Make sure that a new set's folder is none, or one that has nothing to do with its source.

    Raises:
        UsageError: it is a file, or it and the source's folder lie in one another.
    """
    outer, inner = (source.parent if source.is_file() else source).resolve(), target.resolve()
    if inner == outer or outer in inner.parents or inner in outer.parents:
        raise UsageError(f"{target} and {source} lie in one another; choose another folder")
    if target.exists() and not target.is_dir():
        raise UsageError(f"{target} is a file; expected a folder for the new set")


def split_key(split: str, known: Iterable[str]) -> str:
    """The split by the name it has here (``val`` may be ``valid``).

    Raises:
        UsageError: there is none.
    """
    known = list(known)
    for name in (split, *(_ALIASES if split in _ALIASES else ())):
        if name in known:
            return str(name)
    raise UsageError(f"there is no split {split!r} (known: {', '.join([*known, ALL])})")


def split_names(split: str) -> tuple[str, ...]:
    """Names that a split goes by."""
    return (split, *(name for name in _ALIASES if name != split)) if split in _ALIASES else (split,)


def read_json(path: Path) -> Any:
    """A JSON file's contents.

    Raises:
        UsageError: it is none.
    """
    try:
        with path.open("rb") as file:
            return json.load(file)
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} cannot be read as JSON: {error}") from None


def header(path: Path) -> tuple[int, int]:
    """(height, width) of a picture file, upright, without decoding it.

    JPEG and PNG files that do not end as they should are decoded after all, to see whether they
    are cut short or only have something behind them.

    Raises:
        PictureError: missing, no picture, or cut short.
    """
    if not path.is_file():
        raise PictureError(f"{path} is missing")
    try:
        with path.open("rb") as file, PillowImage.open(file) as picture:
            width, height = picture.size
            kind = picture.format
            # Pillow would decode a PNG to look for EXIF behind the pixels.
            exif = picture.getexif() if kind != "PNG" or "exif" in picture.info else {}
            file.seek(0, 2)
            file.seek(max(0, file.tell() - _TAIL))
            tail = file.read()
    except Exception as error:  # decoders of broken files raise a dozen kinds
        raise PictureError(f"{path} is no picture ({error})") from None
    ends = {"JPEG": b"\xff\xd9", "PNG": b"IEND"}
    if kind in ends and ends[kind] not in tail:
        return pictures.read(path).size
    return (width, height) if exif.get(ORIENTATION, 1) >= 5 else (height, width)


def reason(path: Path, *, size: tuple[int, int] | None = None) -> str | None:
    """Why a picture cannot be used as far as its header tells, or None.

    Args:
        path: of the picture.
        size: (height, width) that it should have; None = any.
    """
    try:
        found = header(path)
    except PictureError as error:
        return str(error)
    return None if size is None else misfit(found, size)


def misfit(size: tuple[int, int], expected: tuple[int, int]) -> str | None:
    """What is wrong with a size, or None."""
    if size == expected:
        return None
    sideways = ", turned by its EXIF data" if size == expected[::-1] else ""
    (height, width), (h, w) = size, expected
    return f"{width} × {height} pixels{sideways}; expected {w} × {h}"


def read_rgb(path: Path) -> NDArray[np.uint8]:
    """A picture as uint8 ``[H, W, 3]``, sRGB, upright.

    Raises:
        PictureError: it cannot be read.
    """
    picture = pictures.read(path)
    if picture.icc is None and picture.native.dtype == np.uint8:
        return np.asarray(picture.native, np.uint8)
    return np.asarray(icc.quantise(picture.image, np.dtype(np.uint8)), np.uint8)


def read_palette(path: Path) -> NDArray[np.uint8] | None:
    """The numbers in a palette picture ``[H, W]`` with colours in its palette, else None.

    A palette of greys is only a way to store grey levels.

    Raises:
        PictureError: it cannot be read.
    """
    try:
        with PillowImage.open(path) as picture:
            if picture.mode != "P":
                return None
            colours = np.reshape(picture.getpalette() or [], (-1, 3))
            numbers = np.asarray(picture, np.uint8)
    except Exception as error:
        raise PictureError(f"{path} is damaged or cut short ({error})") from None
    return None if (colours == colours[:, :1]).all() else numbers


def _for_validation(name: str) -> bool:
    digest = hashlib.sha256(name.encode()).digest()
    return int.from_bytes(digest[:8], "big") % VAL_SHARE == 0


def _stem(name: str) -> str:
    suffix = Path(name).suffix
    return name.removesuffix(suffix) if suffix.lower() in SUFFIXES else name
