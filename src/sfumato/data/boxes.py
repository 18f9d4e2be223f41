"""Pictures with boxes around people and no masks: paintings, where nobody drew outlines."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sfumato.data._files import read_rgb, reason
from sfumato.data._listed import BACKGROUND, CLASSES, Broken, Listed, Sample
from sfumato.data.coco import class_numbers, locate, pictures_of
from sfumato.data.folder import Pair, read_pair


@dataclass(frozen=True, eq=False)
class Boxed:
    """A picture and its boxes.

    Attributes:
        image: uint8 ``[H, W, 3]``, sRGB, upright.
        boxes: float32 ``[N, 4]``: left, top, right, bottom in pixels; N may be 0.
        name: the file's path in its folder; for People-Art the first part is the movement.
    """

    image: NDArray[np.uint8]
    boxes: NDArray[np.float32]
    name: str

    @property
    def group(self) -> str:
        """The folder that the picture lies in (its movement), or nothing."""
        return self.name.rpartition("/")[0]


@dataclass(frozen=True, eq=False)
class BoxedFile:
    """A picture not read yet; ``crowds`` are boxes, too."""

    name: str
    image: Path
    boxes: NDArray[np.float32]
    crowds: NDArray[np.float32]


def open_boxes(path: Path, split: str, *, label: str = "person") -> Listed[Boxed]:
    """Boxes of one category from a JSON file in COCO's format, or the folder that it is in.

    Found and split as :func:`sfumato.data.coco.open_coco` does; outlines are not needed, and
    neither is pycocotools. Crowds are left out.

    Raises:
        UsageError: no such file, split or category, or nothing to read.
    """
    place = locate(path, split)
    data = place.data
    labels = class_numbers(data, (BACKGROUND, label), place.listing)
    boxes: dict[tuple[Any, bool], list[list[float]]] = defaultdict(list)
    for one in data["annotations"]:
        if one.get("category_id") in labels and one.get("bbox"):
            x, y, width, height = one["bbox"]
            corners = [x, y, x + width, y + height]
            boxes[one["image_id"], bool(one.get("iscrowd"))].append(corners)
    pictures, broken = pictures_of(data, place, split)
    entries = []
    for record, image in pictures:
        if wrong := reason(image, size=(int(record["height"]), int(record["width"]))):
            broken.append(Broken(str(image), wrong))
            continue
        single, crowds = (
            np.array(boxes[record["id"], crowd], np.float32).reshape(-1, 4)
            for crowd in (False, True)
        )
        entries.append(BoxedFile(str(record["file_name"]), image, single, crowds))
    source = f"{place.listing} ({split})"
    return Listed((BACKGROUND, label), entries, read_boxed, broken, source)


def open_unboxed(path: Path, split: str, classes: Sequence[str] = CLASSES) -> Listed[Sample]:
    """The pictures of such a set in which the classes have no box, crowds included.

    Their masks are all background: new grounds to put people before, and pictures on which
    whatever is found is a false alarm.

    Raises:
        UsageError: as for :func:`open_boxes`.
    """
    place = locate(path, split)
    data = place.data
    labels = class_numbers(data, classes, place.listing)
    boxed = {one["image_id"] for one in data["annotations"] if one.get("category_id") in labels}
    pictures, broken = pictures_of(data, place, split)
    entries = []
    for record, image in pictures:
        if record["id"] in boxed:
            continue
        if wrong := reason(image):
            broken.append(Broken(str(image), wrong))
        else:
            entries.append(Pair(str(record["file_name"]), image))
    read = partial(read_pair, classes=len(classes))
    return Listed(tuple(classes), entries, read, broken, f"{place.listing} ({split})")


def read_boxed(entry: BoxedFile) -> Boxed:
    """The picture and its boxes.

    Raises:
        PictureError: the picture is damaged.
    """
    return Boxed(read_rgb(entry.image), entry.boxes, entry.name)


def clipped(boxes: NDArray[Any], shape: tuple[int, int]) -> list[tuple[float, float, float, float]]:
    """The parts of boxes that lie in a picture of this shape."""
    height, width = shape
    return [
        (left, top, right, bottom)
        for left, top, right, bottom in np.clip(boxes, 0, [width, height, width, height]).tolist()
    ]
