"""What in a data set is a picture, and what belongs to the pictures: to copy a set with other
pictures and every annotation as it was.

Known are folders of pairs, COCO's and Roboflow's, VOC's, and any other folder. Where each picture
has several copies, what speaks of it is repeated under the copies' names: masks and label files,
``split.json``, VOC's XML files and lists, COCO's records with new ids.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from sfumato.data import coco
from sfumato.data._files import ALL, SPLIT, SUFFIXES, read_json
from sfumato.data.voc import find_voc
from sfumato.errors import UsageError
from sfumato.files import READABLE
from sfumato.io._files import write_whole

Kind = Literal["pairs", "coco", "voc", "plain"]

PICTURES = SUFFIXES | READABLE
"""Endings of pictures, also of those that can be read only with an extra, or not be written: they
shall fail rather than be taken for something else."""


@dataclass(frozen=True)
class Layout:
    """A data set's files, by their paths in it (with ``/``).

    Attributes:
        root: the set's folder.
        kind: how its annotations are laid out.
        pictures: path -> (height, width) that its annotations are for, or None.
        others: everything else.
        listings: those of them that are COCO's.
    """

    root: Path
    kind: Kind
    pictures: Mapping[str, tuple[int, int] | None]
    others: tuple[str, ...]
    listings: tuple[str, ...] = ()


def survey(root: Path) -> Layout:
    """Find out what a folder's files are. Hidden files are left out.

    Raises:
        UsageError: no folder, or no pictures in it.
    """
    if not root.is_dir():
        raise UsageError(f"{root} is no folder; expected a data set, or a folder of pictures")
    files = [path.relative_to(root).as_posix() for path in sorted(root.rglob("*")) if _shown(path)]
    pictures: dict[str, tuple[int, int] | None]
    kind: Kind
    listings: tuple[str, ...] = ()
    if (root / "images").is_dir() and (root / "masks").is_dir():
        kind, pictures = "pairs", _inside(files, "images/")
    elif voc := find_voc(root):
        kind, pictures = "voc", _inside(files, f"{_relative(voc, root)}JPEGImages/")
    else:
        pictures, listings = _in_listings(root, files)
        kind, pictures = ("coco", pictures) if pictures else ("plain", _inside(files, ""))
    if not pictures:
        raise UsageError(f"there are no pictures in {root}")
    others = tuple(name for name in files if name not in pictures)
    return Layout(root, kind, pictures, others, listings)


def copy_name(picture: str, copy: int, copies: int) -> str:
    """Path of a copy, from 0: the picture's own if there is one of it, else ``NAME-1.jpg`` ..."""
    if copies == 1:
        return picture
    stem, dot, suffix = picture.rpartition(".")
    return f"{stem}-{copy + 1}{dot}{suffix}"


def carry(layout: Layout, target: Path, copies: int = 1) -> None:
    """Write everything but the pictures beside the pictures' copies.

    With one copy each file is the same, byte for byte. Files that are there already and say the
    same are left as they are.

    Raises:
        UsageError: a file cannot be read.
        PictureError: a file cannot be written.
    """
    repeated = _Repeated(layout, copies)
    for name in layout.others:
        for path, data in repeated.files(name):
            _put(target / path, data)


@dataclass(frozen=True)
class _Repeated:
    """Annotations of a set in which every picture has its copies."""

    layout: Layout
    copies: int

    def files(self, name: str) -> Iterator[tuple[str, bytes]]:
        """What becomes of one file: paths and contents."""
        path = self.layout.root / name
        if self.copies == 1:
            yield name, _read(path)
        elif rewrite := self._rule(name):
            yield name, rewrite(path)
        elif Path(name).stem in self._stems:  # a mask, an XML file, a text file of labels
            data = _read(path)
            for copy in range(self.copies):
                new = copy_name(name, copy, self.copies)
                yield new, _renamed(data, name, new)
        else:
            yield name, _read(path)

    @cached_property
    def _stems(self) -> set[str]:
        return {Path(name).stem for name in self.layout.pictures}

    def _rule(self, name: str) -> Callable[[Path], bytes] | None:
        """How a file that speaks of many pictures is rewritten."""
        if Path(name).name == SPLIT:
            return self._split
        if self.layout.kind == "voc" and "/ImageSets/" in f"/{name}" and name.endswith(".txt"):
            return self._lines
        if self.layout.kind == "coco" and name.endswith(".json"):
            return self._coco
        return None

    def _split(self, path: Path) -> bytes:
        table = read_json(path)
        if not isinstance(table, Mapping):
            raise UsageError(f"{path}: expected a list of names for each split")
        copied = {
            split: [self._name(str(name), k) for name in names for k in range(self.copies)]
            for split, names in table.items()
        }
        return json.dumps(copied, indent=1).encode()

    def _name(self, name: str, copy: int) -> str:
        """A name with or without suffix."""
        if Path(name).suffix.lower() in PICTURES:
            return copy_name(name, copy, self.copies)
        return f"{name}-{copy + 1}"

    def _lines(self, path: Path) -> bytes:
        lines = []
        for line in _read(path).decode().splitlines():
            name, space, rest = line.partition(" ")
            copied = [f"{name}-{k + 1}{space}{rest}" for k in range(self.copies)]
            lines += copied if name else [line]
        return ("\n".join(lines) + "\n").encode()

    def _coco(self, path: Path) -> bytes:
        table = read_json(path)
        if not (isinstance(table, dict) and "images" in table and "annotations" in table):
            return _read(path)
        images = [
            one | {"id": self._id(one["id"], k), "file_name": self._name(one["file_name"], k)}
            for one in table["images"]
            for k in range(self.copies)
        ]
        annotations = [
            one | {"image_id": self._id(one["image_id"], k)}
            | ({"id": self._id(one["id"], k)} if "id" in one else {})
            for one in table["annotations"]
            for k in range(self.copies)
        ]  # fmt: skip
        return json.dumps(table | {"images": images, "annotations": annotations}).encode()

    def _id(self, number: Any, copy: int) -> Any:
        return number * self.copies + copy if isinstance(number, int) else f"{number}-{copy + 1}"


def _in_listings(
    root: Path, files: Sequence[str]
) -> tuple[dict[str, tuple[int, int] | None], tuple[str, ...]]:
    """The pictures that the folder's COCO files name, with the sizes that they state; and these
    files."""
    known, named, listings = set(files), {}, []
    for name in files:
        if not name.endswith(".json") or Path(name).name == SPLIT:
            continue
        try:
            place = coco.locate(root / name, ALL)
        except UsageError:
            continue  # something else than pictures with annotations
        listings.append(name)
        for record in place.data["images"]:
            path = f"{_relative(place.images, root)}{record.get('file_name')}"
            if path in known:
                height, width = record.get("height"), record.get("width")
                stated = isinstance(height, int) and isinstance(width, int)
                named[path] = (height, width) if stated else None
    return dict(sorted(named.items())), tuple(listings)


def _inside(files: Sequence[str], folder: str) -> dict[str, tuple[int, int] | None]:
    found = (f for f in files if f.startswith(folder) and Path(f).suffix.lower() in PICTURES)
    return dict.fromkeys(found)


def _renamed(data: bytes, old: str, new: str) -> bytes:
    """VOC's XML files name their picture inside."""
    if not old.endswith(".xml"):
        return data
    pattern = rf"(<filename>\s*){re.escape(Path(old).stem)}(\.\w+\s*</filename>)"
    return re.sub(pattern.encode(), rb"\g<1>" + Path(new).stem.encode() + rb"\g<2>", data)


def _relative(folder: Path, root: Path) -> str:
    path = folder.relative_to(root).as_posix()
    return "" if path == "." else f"{path}/"


def _shown(path: Path) -> bool:
    return path.is_file() and not path.name.startswith(".")


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {str(error.strerror).lower()}") from None


def _put(target: Path, data: bytes) -> None:
    if target.is_file() and target.read_bytes() == data:
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    write_whole(target, data, overwrite=True)
