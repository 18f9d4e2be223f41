"""Masks for a set of which only boxes are known, by a segmenter that is shown the boxes.

::

    outcome = outline(Path("art"), Path("art-outlined"))
    samples = open_samples("art-outlined", "train")

The new set is of pairs: ``images/``, ``masks/`` (:data:`IGNORED` where nothing is sure) and
``split.json``. Masks are ordinary palette pictures, to be looked at and corrected by hand.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePath
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from sfumato import registry, sheets
from sfumato.data._files import ALL, SPLIT, check_apart, in_split, read_json
from sfumato.data._listed import IGNORED, Broken, Listed
from sfumato.data.boxes import Boxed, BoxedFile, clipped, open_boxes, read_boxed
from sfumato.data.coco import locate
from sfumato.data.engines import DIED, spread
from sfumato.data.folder import read_labels
from sfumato.errors import PictureError, UsageError
from sfumato.io import pictures
from sfumato.io._files import write_whole
from sfumato.io.icc import unit
from sfumato.ops.trimap import rectangle
from sfumato.settings import Settings
from sfumato.studio import Studio
from sfumato.types import Alpha, Image, Mask, Prompt, PromptSegmenter

HEADER = "outline.json"
"""The file that says how the masks were made."""

TRUST = 0.5
"""Least intersection over union of a box with the box around what was found in it."""

MARGIN = 0.05
"""What is found may reach over its box by this share of its sides: boxes are drawn by hand."""

PALETTE = {1: (255, 255, 255), IGNORED: (255, 60, 160)}

Watch = Callable[[int, int], None]
"""Told after each picture: how many are done, and how many there are."""


@dataclass
class Outcome:
    """What a run did.

    Attributes:
        names: pictures that are in the set now, as its masks are called.
        kept: how many were there already.
        boxes: people in the new ones.
        doubtful: those in whose boxes nothing was found that fills them.
        left_out: pictures in which nothing was sure.
        broken: files that cannot be used.
        interrupted: the user stopped it.
    """

    names: list[str] = field(default_factory=list)
    kept: int = 0
    boxes: int = 0
    doubtful: int = 0
    left_out: list[str] = field(default_factory=list)
    broken: list[Broken] = field(default_factory=list)
    interrupted: bool = False

    def count(self, drawn: Drawn) -> None:
        """Add what became of one more picture."""
        self.boxes += drawn.boxes
        self.doubtful += drawn.doubtful
        if drawn.broken:
            self.broken.append(drawn.broken)
        else:
            (self.left_out if drawn.left_out else self.names).append(drawn.name)


def outline(
    source: Path,
    target: Path,
    *,
    settings: Settings | None = None,
    label: str = "person",
    split: str = ALL,
    trust: float = TRUST,
    workers: int = 1,
    limit: int | None = None,
    overwrite: bool = False,
    watch: Watch | None = None,
    download: Callable[[str, int, int], None] | None = None,
) -> Outcome:
    """Outline everything of one category that has a box, or go on with it.

    Args:
        source: a JSON file in COCO's format, or the folder that it is in.
        target: the new set's folder; masks that are there stay, so that they may be corrected.
        settings: the segmenter (:data:`sfumato.registry.PROMPTED` unless told), options, device.
        label: the category.
        split: one split only.
        trust: see :data:`TRUST`.
        workers: processes.
        limit: the first so many pictures.
        overwrite: begin anew where the folder's masks were made in another way.
        watch: told of each picture.
        download: told of weights being fetched.

    Raises:
        UsageError: the set cannot be read, the segmenter takes no boxes, or the folder holds
            something else.
        SfumatoError: the segmenter cannot be had.
    """
    if not 0 <= trust <= 1:
        raise UsageError(f"trust must be from 0 to 1; got {trust:g}")
    settings = settings or Settings()
    name = settings.segmenter or registry.PROMPTED
    if not registry.find("segment", name).prompts:
        every = registry.backends("segment")
        able = ", ".join(one for one in every if registry.find("segment", one).prompts)
        raise UsageError(f"the segmenter {name} cannot be shown boxes (able to: {able})")
    boxed = open_boxes(source, split, label=label)
    again = _begin(source, target, {
        "segmenter": name, "options": dict(settings.options.get(name, {})), "label": label,
        "trust": trust,
    }, overwrite)  # fmt: skip
    entries = _usable(boxed)
    _write_split(source, target, split, [entry.name for entry in entries])
    entries, outcome = entries[:limit], Outcome(broken=boxed.broken)
    done = [not again and _Place(target, entry.name).is_done for entry in entries]
    missing = [entry for entry, there in zip(entries, done, strict=True) if not there]
    outcome.names = [entry.name for entry, there in zip(entries, done, strict=True) if there]
    outcome.kept = len(outcome.names)
    make = partial(_Outliner, settings, name, target, trust, download if workers == 1 else None)
    try:
        records = spread(make, missing, workers, _died)
        for number, drawn in enumerate(records, start=outcome.kept + 1):
            outcome.count(drawn)
            if watch:
                watch(number, len(entries))
    except KeyboardInterrupt:
        outcome.interrupted = True
    order = {entry.name: i for i, entry in enumerate(entries)}
    outcome.names.sort(key=order.__getitem__)
    return outcome


def draw(
    find: Callable[[Prompt], Alpha], boxes: NDArray[np.float32], shape: tuple[int, int],
    trust: float = TRUST,
) -> tuple[NDArray[np.uint8], int]:  # fmt: skip
    """One picture's mask.

    Args:
        find: what is in a box, given as fractions of the picture's sides.
        boxes: ``[N, 4]``: left, top, right, bottom in pixels.
        shape: ``(H, W)``.
        trust: see :data:`TRUST`; the area of a box whose find is further off is ignored.

    Returns:
        uint8 ``[H, W]``: 0, 1, or :data:`IGNORED`; and how many boxes were not trusted.
    """
    height, width = shape
    mask, doubtful = np.zeros(shape, np.uint8), 0
    sure = np.zeros(shape, np.bool_)
    for left, top, right, bottom in clipped(boxes, shape):
        if right - left < 1 or bottom - top < 1:
            continue
        tile = rectangle((left, top, right, bottom), shape)
        more = np.array([left - right, top - bottom, right - left, bottom - top]) * MARGIN
        (around,) = clipped(np.array([[left, top, right, bottom]]) + more, shape)
        near = rectangle(around, shape)
        found = find((left / width, top / height, right / width, bottom / height)) > 0.5
        inside = np.zeros(shape, np.bool_)
        inside[near] = found[near]
        if agreement(inside, (left, top, right, bottom)) >= trust:
            sure |= inside
        else:
            mask[tile], doubtful = IGNORED, doubtful + 1
    mask[sure] = 1
    return mask, doubtful


def agreement(found: Mask, box: tuple[float, float, float, float]) -> float:
    """Intersection over union of a box (left, top, right, bottom in pixels) with the box around
    what was found, bool ``[H, W]``."""
    rows, columns = np.flatnonzero(found.any(1)), np.flatnonzero(found.any(0))
    if not len(rows):
        return 0.0
    left, top, right, bottom = columns[0], rows[0], columns[-1] + 1, rows[-1] + 1
    across = min(right, box[2]) - max(left, box[0])
    down = min(bottom, box[3]) - max(top, box[1])
    common = max(0.0, across) * max(0.0, down)
    both = (right - left) * (bottom - top) + (box[2] - box[0]) * (box[3] - box[1])
    return float(common / (both - common))


def contact_sheet(outcome: Outcome, target: Path, count: int = 24) -> Image:
    """Some of the pictures with what was found in them, float32 ``[H, W, 3]``, 0..1.

    Raises:
        UsageError: nothing was found.
    """
    tiles, labels = [], []
    for name in outcome.names[:: max(1, len(outcome.names) // count)][:count]:
        picture = pictures.read(target / "images" / name).image
        mask = read_labels(target / "masks" / Path(name).with_suffix(".png"), classes=2)
        tiles.append(sheets.framed(tinted(picture, mask)))
        labels.append(Path(name).stem[:32])
    if not tiles:
        raise UsageError("no picture was outlined, so there is nothing to show")
    return sheets.grid(tiles, labels)


def tinted(picture: Image, mask: NDArray[np.uint8]) -> Image:
    """The picture, with its outlines' insides in colour."""
    shown = picture.copy()
    for number, colour in ((1, (255, 0, 60)), (IGNORED, (60, 90, 255))):
        shown[mask == number] = (
            picture[mask == number] + unit(np.array(colour, np.uint8))
        ) / np.float32(2)
    return shown


@dataclass(frozen=True)
class Drawn:
    """What became of a picture: boxes in it, those in doubt, and why there is no mask."""

    name: str
    boxes: int = 0
    doubtful: int = 0
    left_out: bool = False
    broken: Broken | None = None


@dataclass(frozen=True)
class _Place:
    """Where a picture's files go."""

    target: Path
    name: str

    @property
    def copy(self) -> Path:
        return self.target / "images" / self.name

    @property
    def mask(self) -> Path:
        return (self.target / "masks" / self.name).with_suffix(".png")

    @property
    def is_done(self) -> bool:
        return self.mask.is_file() and self.copy.is_file()


class _Outliner:
    """Makes one picture's mask; holds the net."""

    def __init__(
        self,
        settings: Settings,
        segmenter: str,
        target: Path,
        trust: float,
        download: Callable[[str, int, int], None] | None = None,
    ) -> None:
        self.target, self.trust = target, trust
        self.segmenter = cast(PromptSegmenter, Studio(settings, download).segmenter(segmenter))

    def __call__(self, entry: BoxedFile) -> Drawn:
        place = _Place(self.target, entry.name)
        place.mask.unlink(missing_ok=True)  # made in another way
        try:
            image, data = read_boxed(entry).image, entry.image.read_bytes()
        except (PictureError, OSError) as error:
            return Drawn(entry.name, broken=Broken(str(entry.image), str(error)))
        mask, doubtful = self._mask(image, entry)
        if (mask == IGNORED).any() and not (mask == 1).any():
            return Drawn(entry.name, len(entry.boxes), doubtful, left_out=True)
        for path in (place.copy, place.mask):
            path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(place.copy, data, overwrite=True)
        write_whole(place.mask, _encoded(mask), overwrite=True)  # last: then it is finished
        return Drawn(entry.name, len(entry.boxes), doubtful)

    def _mask(self, image: NDArray[np.uint8], entry: BoxedFile) -> tuple[NDArray[np.uint8], int]:
        shape = (image.shape[0], image.shape[1])
        mask, doubtful = np.zeros(shape, np.uint8), 0
        if len(entry.boxes):
            mask, doubtful = draw(self.segmenter.look(unit(image)), entry.boxes, shape, self.trust)
        for crowd in clipped(entry.crowds, shape):
            tile = mask[rectangle(crowd, shape)]
            tile[tile == 0] = IGNORED
        return mask, doubtful


def _died(entry: BoxedFile) -> Drawn:
    return Drawn(entry.name, broken=Broken(str(entry.image), DIED))


def _usable(boxed: Listed[Boxed]) -> list[BoxedFile]:
    """Those whose names can be given to files in another folder, each with a mask of its own."""
    usable: dict[str, BoxedFile] = {}
    for entry in boxed.entries:
        path = PurePath(entry.name)
        if path.is_absolute() or ".." in path.parts:
            boxed.broken.append(Broken(entry.name, "its name leads out of the folder"))
        elif (name := path.with_suffix("").as_posix()) in usable:
            boxed.broken.append(Broken(entry.name, f"{usable[name].name} has the same name"))
        else:
            usable[name] = entry
    return list(usable.values())


def _encoded(mask: NDArray[np.uint8]) -> bytes:
    picture = PillowImage.fromarray(mask, "P")
    colours = np.zeros((256, 3), np.uint8)
    for number, colour in PALETTE.items():
        colours[number] = colour
    picture.putpalette(colours.tobytes())
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def _begin(source: Path, target: Path, head: Mapping[str, Any], overwrite: bool) -> bool:
    """Make the folder ready; whether masks that are there must be made anew."""
    check_apart(source, target)
    known, again = target / HEADER, False
    if known.is_file():
        if read_json(known) != head:
            if not overwrite:
                raise UsageError(
                    f"{target} was made in another way ({HEADER} tells); choose another folder, "
                    "or give --overwrite"
                )
            again = True
    elif target.is_dir() and any(target.iterdir()):
        raise UsageError(f"{target} holds other files; choose an empty or a new folder")
    for part in ("images", "masks"):
        (target / part).mkdir(parents=True, exist_ok=True)
    write_whole(known, json.dumps(head, indent=1).encode(), overwrite=True)
    return again


def _write_split(source: Path, target: Path, split: str, names: list[str]) -> None:
    """The source's splits, or the one that is made, beside those made before."""
    path = target / SPLIT
    place = locate(source, split)
    beside = place.listing.parent / SPLIT
    if split == ALL and place.every_split:
        table = read_json(beside) if beside.is_file() else {
            part: in_split(names, part, place.listing.parent)[0] for part in ("train", "val")
        }  # fmt: skip
    else:
        table = (read_json(path) if path.is_file() else {}) | {split: names}
    write_whole(path, json.dumps(table, indent=1).encode(), overwrite=True)
