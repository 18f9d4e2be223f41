"""Any segmenter on pictures of which only people's boxes are known: paintings."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from sfumato import regions
from sfumato.data.boxes import Boxed, clipped, open_boxes
from sfumato.data.coco import locate
from sfumato.data.samples import ALL, Broken, Listed, recognise
from sfumato.errors import UsageError
from sfumato.evaluate import report
from sfumato.evaluate.finding import THRESHOLD, Find
from sfumato.evaluate.metrics import Floats, bootstrap, mean, ratio
from sfumato.evaluate.report import Case, Figures, Report, Worst
from sfumato.io.icc import unit
from sfumato.ops.trimap import rectangle
from sfumato.regions import Class
from sfumato.types import Mask, Progress, no_progress

PREFIX = "boxes:"

FOUND = 0.3
"""A box counts as found if predicted pixels fill this share of it."""

ALARM = 0.01
"""A picture without people is a false alarm if more than this share of it is predicted."""


@dataclass(frozen=True)
class Paintings:
    """Pictures with boxes, and pictures that show nobody; None where there are none.

    Attributes:
        note: where the latter come from.
    """

    people: Listed[Boxed] | None
    nobody: Listed[Boxed] | None
    note: str = ""

    @property
    def broken(self) -> list[Broken]:
        """Files that cannot be used, each once."""
        parts = [part for part in (self.people, self.nobody) if part is not None]
        return list(dict.fromkeys(broken for part in parts for broken in part.broken))

    def planned(self, limit: int | None = None) -> int:
        """Pictures to be measured if it is so many of each kind."""
        return sum(min(len(p), limit or len(p)) for p in (self.people, self.nobody) if p)


@dataclass(frozen=True)
class Score:
    """One picture: pixels predicted in all and inside boxes, boxes and how many were found."""

    name: str
    group: str
    seconds: float
    pixels: int
    predicted: int
    inside: int
    boxes: int
    found: int

    @property
    def area(self) -> float:
        """Share of the picture that was predicted."""
        return self.predicted / self.pixels

    @property
    def quality(self) -> float:
        """By which the worst pictures are chosen: 0..1."""
        if not self.boxes:
            return 1 - self.area
        return (self.found / self.boxes + self.inside / max(1, self.predicted)) / 2


def has_only_boxes(spec: str) -> bool:
    """Whether a data set is to be measured by boxes: ``boxes:path``, or a COCO file in which
    nothing has an outline."""
    if spec.startswith(PREFIX):
        return True
    path = Path(spec).expanduser()
    if not path.exists() or recognise(path) != "coco":
        return False
    marked = locate(path, ALL).data["annotations"] if _whole(path) else []
    return bool(marked) and not any(one.get("segmentation") for one in marked)


def open_paintings(spec: str, split: str, region: str = "person") -> Paintings:
    """The pictures of a split; where all of them show people, those that do not are taken from
    all other splits (nobody need have trained on them for false alarms to count).

    Args:
        spec: a path, or ``boxes:path``.
        split: as for :func:`sfumato.data.boxes.open_boxes`.
        region: one class.

    Raises:
        UsageError: the region is no class, or the data cannot be read.
    """
    wanted = regions.parse(region)
    if not (isinstance(wanted, Class) and wanted.pick is None):
        raise UsageError(f"boxes are of one class, such as person; got the region {region}")
    path = Path(spec.removeprefix(PREFIX)).expanduser()
    inside = open_boxes(path, split, label=wanted.name)
    people, nobody = _part(inside, True), _part(inside, False)
    note = f"without people: of {split}"
    if nobody is None and split != ALL:
        nobody, note = _part(open_boxes(path, ALL, label=wanted.name), False), "of other splits"
        note = f"without people: {note}, because all of {split} show some"
    return Paintings(people, nobody, note if nobody else "there is no picture without people")


def evaluate(
    find: Find,
    paintings: Paintings,
    *,
    region: str = "person",
    progress: Progress = no_progress,
    limit: int | None = None,
    names: tuple[str, str] = ("segmenter", "data"),
    seed: int = 0,
) -> Report:
    """Measure a segmenter by boxes.

    Args:
        find: what :func:`sfumato.evaluate.finding.finder` gives for one region.
        paintings: what :func:`open_paintings` gives.
        region: what is looked for.
        progress: told the done share after each picture.
        limit: the first so many pictures with people, and as many without; None = all.
        names: what to call the segmenter and the data.
        seed: of the bootstrap.

    Returns:
        The report; also when interrupted, of the pictures measured until then.

    Raises:
        KeyboardInterrupt: interrupted before the first picture was measured.
    """
    scores: list[Score] = []
    keepers, interrupted, done = (Worst(), Worst()), False, 0
    planned = paintings.planned(limit)
    try:
        for part, worst in zip((paintings.people, paintings.nobody), keepers, strict=True):
            for i in range(min(len(part), limit or len(part)) if part else 0):
                assert part is not None
                painting = part[i]
                if painting.name == part.name(i):
                    start = time.perf_counter()
                    predicted = find(unit(painting.image))[0] > THRESHOLD
                    score = compare(predicted, painting, time.perf_counter() - start)
                    scores.append(score)
                    worst.offer(score.quality, partial(_case, painting, predicted, score))
                done += 1
                progress(done / planned)
    except KeyboardInterrupt:
        if not scores:
            raise
        interrupted = True
    return Report(
        segmenter=names[0],
        data=names[1],
        kind="boxes",
        regions=(region,),
        overall=figures_of(scores, seed),
        groups=report.by_group(scores, lambda s: s.group, lambda part: figures_of(part, seed)),
        pictures=[_row(score) for score in scores],
        worst=[case for worst in keepers for case in worst.cases()],
        broken=paintings.broken,
        planned=planned,
        interrupted=interrupted,
        notes=[paintings.note] if paintings.note else [],
    )


def compare(predicted: Mask, painting: Boxed, seconds: float = 0.0) -> Score:
    """Everything that is kept of one picture."""
    shape = (predicted.shape[0], predicted.shape[1])
    tiles = [rectangle(box, shape) for box in clipped(painting.boxes, shape)]
    covered = np.zeros(predicted.shape, np.bool_)
    for tile in tiles:
        covered[tile] = True
    return Score(
        name=painting.name,
        group=painting.group,
        seconds=seconds,
        pixels=predicted.size,
        predicted=int(predicted.sum()),
        inside=int((predicted & covered).sum()),
        boxes=len(tiles),
        found=sum(bool(predicted[t].mean() >= FOUND) for t in tiles),
    )


def figures_of(scores: Sequence[Score], seed: int = 0) -> Figures:
    """All measures of some pictures, each with its interval over pictures.

    ``pixels_inside`` and ``boxes_found`` count all pictures' pixels and boxes together,
    ``…_per_picture`` are means over pictures; the former needs something predicted.
    """
    people = np.array(
        [(s.inside, s.predicted, s.found, s.boxes) for s in scores if s.boxes], np.float64
    ).reshape(-1, 4)
    areas = np.array([s.area for s in scores if not s.boxes], np.float64)

    def pooled(part: int, whole: int) -> Floats:
        return np.asarray(people[:, [part, whole]])

    measures = {
        "pixels_inside": bootstrap(pooled(0, 1), _pooled_share, seed),
        "pixels_inside_per_picture": bootstrap(_shares(pooled(0, 1)), mean, seed),
        "boxes_found": bootstrap(pooled(2, 3), _pooled_share, seed),
        "boxes_found_per_picture": bootstrap(_shares(pooled(2, 3)), mean, seed),
        "false_alarms": bootstrap((areas > ALARM).astype(np.float64), mean, seed),
        "false_area": bootstrap(areas, mean, seed),
    }
    return Figures(len(scores), measures)


def _pooled_share(stack: Floats) -> Floats:
    """Share of the sums over axis 1: ``[B, N, 2]`` to ``[B]``."""
    return _shares(stack.sum(axis=1))


def _shares(pairs: Floats) -> Floats:
    return ratio(pairs[..., 0], pairs[..., 1])


def _part(listed: Listed[Boxed], with_boxes: bool) -> Listed[Boxed] | None:
    entries = [entry for entry in listed.entries if bool(len(entry.boxes)) == with_boxes]
    return replace(listed, entries=entries) if entries else None


def _whole(path: Path) -> bool:
    """Whether one JSON file holds all splits, so that looking into it says all."""
    try:
        return locate(path, ALL).every_split
    except UsageError:  # it has a file for each split, as sets with outlines have
        return False


def _row(score: Score) -> dict[str, float | str]:
    row: dict[str, float | str] = {
        "name": score.name, "group": score.group, "seconds": score.seconds, "area": score.area,
    }  # fmt: skip
    if score.boxes:
        row |= {"boxes": score.boxes, "boxes_found": score.found}
        row["pixels_inside"] = score.inside / score.predicted if score.predicted else float("nan")
    return row


def _case(painting: Boxed, predicted: Mask, score: Score) -> Case:
    shown = report.small(painting.image)
    height, width = predicted.shape
    text = f"{score.area:.0%} taken for people, nobody there"
    if score.boxes:
        inside = score.inside / max(1, score.predicted)
        text = f"{score.found} of {score.boxes} boxes found, {inside:.0%} inside"
    return Case(
        name=painting.name,
        score=score.quality,
        text=text,
        image=shown,
        predicted=report.small_labels(predicted.astype(np.uint8), shown.shape),
        boxes=np.asarray(painting.boxes / (width, height, width, height), np.float32),
    )
