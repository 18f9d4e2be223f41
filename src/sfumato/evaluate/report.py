"""What was measured: figures with intervals, over all pictures, by class and by group."""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

import sfumato
from sfumato.data.samples import Broken
from sfumato.evaluate.metrics import Interval
from sfumato.io.icc import quantise, unit
from sfumato.ops.resize import fit, resize

THUMBNAIL = 300
"""Longer side in pixels of the pictures that are kept to be shown."""

WORST = 12
"""How many of the worst cases are kept."""

NAMES = {
    "picture_iou": "IoU, mean over pictures",
    "dataset_iou": "IoU of all pixels together",
    "picture_dice": "Dice, mean over pictures",
    "dataset_dice": "Dice of all pixels together",
    "accuracy": "accuracy",
    "boundary_f": "boundary F",
    "trimap_iou": "trimap IoU",
    "pixel_accuracy": "pixel accuracy",
    "mean_accuracy": "mean accuracy",
    "mean_iou": "mean IoU",
    "frequency_weighted_iou": "frequency-weighted IoU",
    "pixels_inside": "predicted pixels inside boxes",
    "pixels_inside_per_picture": "the same, mean over pictures",
    "boxes_found": "boxes found",
    "boxes_found_per_picture": "the same, mean over pictures",
    "false_alarms": "false alarms where nobody is",
    "false_area": "area taken where nobody is",
}
"""The measures by what to call them."""

COLUMNS = {
    "masks": {
        "picture_iou": "IoU, mean over pictures",
        "dataset_iou": "IoU, all pixels",
        "mean_iou": "mean IoU",
        "frequency_weighted_iou": "fw IoU",
        "pixel_accuracy": "pixel acc.",
        "mean_accuracy": "mean acc.",
        "picture_dice": "Dice",
        "boundary_f": "boundary F",
        "trimap_iou": "trimap IoU",
    },
    "boxes": {
        "pixels_inside": "pixels inside boxes",
        "boxes_found": "boxes found",
        "false_alarms": "false alarms",
        "false_area": "area taken there",
    },
}
"""The measures that a table shows, by kind of set, with short names."""


@dataclass(frozen=True)
class Figures:
    """Measures of some pictures.

    Attributes:
        pictures: how many they were.
        measures: those of all classes together, by name (keys of :data:`NAMES`).
        classes: class name -> measure -> its figure.
    """

    pictures: int
    measures: Mapping[str, Interval]
    classes: Mapping[str, Mapping[str, Interval]] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Case:
    """A picture with what was found in it, small, to be shown.

    Attributes:
        name: of the picture.
        score: 0..1, the higher the better.
        text: the score in words.
        image: uint8 ``[h, w, 3]``.
        predicted: class numbers, uint8 ``[h, w]``.
        truth: class numbers, uint8 ``[h, w]``; None where only boxes are known.
        boxes: float ``[N, 4]``, left, top, right, bottom as shares of the picture's sides.
    """

    name: str
    score: float
    text: str
    image: NDArray[np.uint8]
    predicted: NDArray[np.uint8]
    truth: NDArray[np.uint8] | None = None
    boxes: NDArray[np.float32] | None = None


@dataclass(frozen=True, eq=False)
class Report:
    """One segmenter on one set of pictures.

    Attributes:
        segmenter, data: what they are called.
        kind: ``masks``, or ``boxes`` for a set that has only these.
        regions: what was looked for; with the background before them, the classes.
        overall: figures of all pictures.
        groups: the same for each folder of the set (for paintings, its movements); empty where
            it has none.
        pictures: of each picture its ``name``, ``group``, ``seconds`` and scores.
        worst: the worst cases, the worst first.
        confusion: int ``[C, C]``, all pictures' pixels by true class and predicted class.
        broken: files that could not be used.
        planned: pictures that were to be measured.
        interrupted: the user stopped it: the figures are of those measured until then.
        notes: what else is worth knowing.
    """

    segmenter: str
    data: str
    kind: str
    regions: tuple[str, ...]
    overall: Figures
    groups: Mapping[str, Figures]
    pictures: Sequence[Mapping[str, Any]]
    worst: Sequence[Case] = ()
    confusion: NDArray[np.int64] | None = None
    broken: Sequence[Broken] = ()
    planned: int = 0
    interrupted: bool = False
    notes: Sequence[str] = ()

    @property
    def headline(self) -> Interval | None:
        """The mean over pictures of the (first) region's IoU; None for boxes."""
        return self.overall.classes[self.regions[0]]["picture_iou"] if self.classes else None

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, the background first; none for boxes."""
        return tuple(self.overall.classes)

    @property
    def seconds(self) -> float:
        """Median seconds that a picture took to be segmented."""
        return float(np.median([p["seconds"] for p in self.pictures])) if self.pictures else 0.0

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON-able data; NaN is None."""
        return {
            "segmenter": self.segmenter,
            "data": self.data,
            "kind": self.kind,
            "regions": list(self.regions),
            "planned": self.planned,
            "interrupted": self.interrupted,
            "seconds": self.seconds,
            "measured": len(self.pictures),
            "measures": _plain(asdict(self.overall)["measures"]),
            "classes": _plain(asdict(self.overall)["classes"]),
            "groups": {name: _plain(asdict(figures)) for name, figures in self.groups.items()},
            "confusion": None if self.confusion is None else self.confusion.tolist(),
            "notes": list(self.notes),
            "broken": [asdict(broken) for broken in self.broken],
            "worst": [{"name": case.name, "score": case.score} for case in self.worst],
            "pictures": _plain(self.pictures),
        }


def as_dict(reports: Sequence[Report], split: str) -> dict[str, Any]:
    """All reports as plain JSON-able data.

    ``<region>_iou`` (``person_iou``) is the first segmenter's: the mean over the pictures of each
    picture's IoU, and of several sets with masks the plain mean of theirs.
    """
    first = [r for r in reports if r.segmenter == reports[0].segmenter and r.headline]
    values = [report.headline.value for report in first if report.headline]
    region = reports[0].regions[0]
    headline = {f"{region}_iou": float(np.mean(values))} if values else {}
    about = {"sfumato": sfumato.__version__, "split": split, "region": region}
    return {**about, **headline, "reports": [report.as_dict() for report in reports]}


class Worst:
    """Keeps the cases of the lowest score, however many come by.

    Args:
        count: how many to keep.
    """

    def __init__(self, count: int = WORST) -> None:
        self._count, self._number = count, 0
        self._heap: list[tuple[float, int, Case]] = []

    def offer(self, score: float, make: Callable[[], Case]) -> None:
        """Keep this case if it is among the worst; only then is it made."""
        if len(self._heap) == self._count and not (self._heap and -score > self._heap[0][0]):
            return
        self._number += 1
        heapq.heappush(self._heap, (-score, -self._number, make()))
        if len(self._heap) > self._count:
            heapq.heappop(self._heap)

    def cases(self) -> list[Case]:
        """The cases, the worst first."""
        return [case for *_, case in sorted(self._heap, key=lambda kept: kept[:2], reverse=True)]


T = TypeVar("T")


def by_group(
    pictures: Sequence[T], group: Callable[[T], str], figures: Callable[[Sequence[T]], Figures]
) -> dict[str, Figures]:
    """The figures of each group, by name; nothing where all pictures are of one."""
    names = sorted({group(picture) for picture in pictures})
    if len(names) < 2:
        return {}
    return {name: figures([p for p in pictures if group(p) == name]) for name in names}


def small(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A picture as it is kept: uint8 ``[h, w, 3]``."""
    return np.asarray(quantise(fit(unit(image), THUMBNAIL), np.dtype(np.uint8)), np.uint8)


def small_labels(labels: NDArray[np.uint8], shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """Class numbers as they are kept, of the kept picture's shape: the one that covers most."""
    present = [int(k) for k in np.flatnonzero(np.bincount(labels.ravel()))]
    shares = [resize((labels == k).astype(np.float32), shape[:2]) for k in present]
    return np.asarray(np.array(present, np.uint8)[np.argmax(shares, axis=0)])


def _plain(value: Any) -> Any:
    """Tuples as lists, NumPy numbers as Python's, NaN as None, all the way down."""
    if isinstance(value, Mapping):
        return {str(name): _plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, float | np.floating):
        return float(value) if math.isfinite(value) else None
    return value
