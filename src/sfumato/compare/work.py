"""One cell: a row's settings on one picture, done and measured."""

from __future__ import annotations

import json
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as PillowImage

from sfumato import files, pipeline, regions, styles
from sfumato.compare import measures
from sfumato.compare.plan import Row, options_of
from sfumato.errors import PictureError, SfumatoError, SfumatoWarning
from sfumato.evaluate import finding, segmenter
from sfumato.finder import Finder
from sfumato.io import pictures
from sfumato.io._files import write_whole
from sfumato.io.icc import unit
from sfumato.ops.resize import fit, resize
from sfumato.pipeline import Layer
from sfumato.place.place import place
from sfumato.studio import Studio
from sfumato.types import Alpha, Image, Painting, Step, Style

Tell = Callable[..., None]
"""Told what goes on: ``"stage", name, fraction``, ``"step", Step`` or ``"download", label, done,
total``."""

WARM = 64
"""Longer side in pixels of the picture on which nets are tried before the clock starts."""

LIKE = 0.02
"""How much the sides' ratio of a picture made elsewhere may differ from the photo's."""


@dataclass(frozen=True)
class Work:
    """One cell to do.

    Attributes:
        key: checksum of everything that the result depends on.
        row: how.
        name: of the picture.
        picture: its file, 8 bits, as large as it is worked on.
        style: what to paint it in.
        truth: file of class numbers, 255 = does not count; None = not known.
        classes: what the numbers stand for; empty = 1 is what the row looks for.
        folder: where the result goes: ``KEY.json`` and ``KEY.png``.
    """

    key: str
    row: Row
    name: str
    picture: Path
    style: str | None
    truth: Path | None
    classes: tuple[str, ...]
    folder: Path

    @property
    def record(self) -> Path:
        return self.folder / f"{self.key}.json"

    @property
    def result(self) -> Path:
        return self.folder / f"{self.key}.png"


@dataclass
class Made:
    """What came of it, before it is measured.

    Attributes:
        image: the picture, or None where something was only looked for.
        alpha: where something was painted or found.
        timings: seconds by stage.
        figures: measures that its making tells.
        losses: each weighted term of an optimisation at its end.
        weights: file name -> SHA-256.
    """

    image: Image | None
    alpha: Alpha | None
    timings: dict[str, float] = field(default_factory=dict)
    figures: dict[str, float] = field(default_factory=dict)
    losses: dict[str, float] = field(default_factory=dict)
    weights: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """How a cell ended: what was ``made``, or the sentence that says why it is ``broken``; and
    ``notes``, things worth saying that did not stop it."""

    made: Made | None = None
    broken: str = ""
    notes: tuple[str, ...] = ()


class Bench:
    """Does one cell after the other; nets stay open between them.

    Args:
        tell: told what goes on.
    """

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self._studio: Studio | None = None
        self._found: tuple[str, finding.Find] | None = None

    def do(self, work: Work) -> Outcome:
        """Do a cell; what went wrong is told, not raised.

        Raises:
            KeyboardInterrupt: an optimisation was interrupted; cut short, it compares to nothing.
        """
        made, broken = None, ""
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", SfumatoWarning)
            try:
                made = self._made(work, unit(_pixels(work.picture)))
            except SfumatoError as error:
                broken = str(error)
            except MemoryError:
                broken = "out of memory; try a smaller size"
            except Exception as error:  # one broken cell must not end the others
                broken = f"unexpected error: {type(error).__name__}: {error}"
        said = [str(w.message) for w in caught if issubclass(w.category, SfumatoWarning)]
        return Outcome(made, broken, tuple(dict.fromkeys(said)))

    def _made(self, work: Work, photo: Image) -> Made:
        row = work.row
        if row.kind == "given":
            return _given(work, photo)
        settings = row.settings
        download = self._download
        self._studio = self._studio.turned(settings) if self._studio else Studio(settings, download)
        if row.finds:
            return self._find(row, photo)
        if row.kind == "place":
            return self._place(row, photo)
        assert work.style is not None
        style = styles.resolve(work.style)
        return self._paint(row, style, photo, self._studio)

    def _paint(self, row: Row, style: Style, photo: Image, studio: Studio) -> Made:
        layer = Layer(row.region or "everything", style, row.stylizer, row.style_region)
        small = fit(photo, WARM)
        with suppress(SfumatoError), warnings.catch_warnings():
            warnings.simplefilter("ignore", SfumatoWarning)
            Finder(studio, small, small).at_work_size(regions.parse(layer.region))
        layer = pipeline.with_style_regions([layer], studio)[0]
        if prepare := getattr(studio.stylizer(layer.painter), "prepare", None):
            prepare(style)
        forget_peak()
        began = time.process_time()
        painting = pipeline.paint(
            photo, [layer], studio=studio, report=self._stage, measure=True,
            watch=lambda step, _: self._tell("step", step),
        )  # fmt: skip
        cost = {"cpu": time.process_time() - began, "memory": peak_memory()}
        if pipeline.was_interrupted(painting):
            raise KeyboardInterrupt
        end = _last(painting)
        seam = painting.seams.get(layer.region, 0.0)
        figures = {"seconds": sum(painting.timings.values()), **cost}
        figures |= {"steps": float(end.number)} if end else {}
        figures |= {"seam": seam} if seam else {}  # 0 = no border inside the picture
        return Made(
            painting.image, painting.matte.alpha, painting.timings, figures,
            dict(end.losses) if end else {}, painting.weights,
        )  # fmt: skip

    def _find(self, row: Row, photo: Image) -> Made:
        region = str(row.region)
        key = repr((row.kind, region, row.settings))
        if self._found is None or self._found[0] != key:
            find = finding.finder(
                row.segmenter, [region], row.settings,
                matte=row.kind == "cut", download=self._download,
            )  # fmt: skip
            with suppress(SfumatoError):
                find(fit(photo, WARM))
            self._found = (key, find)
        forget_peak()
        start, began = time.perf_counter(), time.process_time()
        alpha = self._found[1](photo)[0]
        seconds = round(time.perf_counter() - start, 4)
        cost = {"cpu": time.process_time() - began, "memory": peak_memory()}
        figures = {"seconds": seconds, **cost}
        return Made(None, alpha, {"find": seconds}, figures)

    def _place(self, row: Row, photo: Image) -> Made:
        painting = fit(styles.opaque(files.read(str(row.painting))), max(photo.shape[:2]))
        forget_peak()
        began = time.process_time()
        placed = place(
            photo, painting, studio=self._studio, options=options_of(row), report=self._stage
        )
        cost = {"cpu": time.process_time() - began, "memory": peak_memory()}
        figures = {"seconds": sum(placed.timings.values()), **cost}
        figures |= measures.kept(painting, placed.image)
        return Made(
            placed.image, placed.matte.alpha, placed.timings, figures, weights=placed.weights
        )

    def _stage(self, name: str, fraction: float) -> None:
        self._tell("stage", name, fraction)

    def _download(self, label: str, done: int, total: int) -> None:
        self._tell("download", label, done, total)


def finish(work: Work, outcome: Outcome) -> dict[str, Any]:
    """Measure what came of a cell and keep it, picture and record; a broken one is not kept.

    Returns:
        The record, plain JSON-able data: ``broken`` (a sentence, or empty), ``measures``,
        ``timings``, ``losses``, ``weights`` and ``notes``.

    Raises:
        SfumatoError: it cannot be written, or VGG-19's weights cannot be had.
    """
    made = outcome.made or Made(None, None)
    record: dict[str, Any] = {
        "key": work.key,
        "broken": outcome.broken,
        "measures": measured(work, made) if outcome.made else {},
        "timings": made.timings,
        "losses": made.losses,
        "weights": made.weights,
        "notes": list(outcome.notes),
    }
    if outcome.made:
        _keep(work, made)
        write_whole(work.record, json.dumps(record, indent=1).encode(), overwrite=True)
    return record


def measured(work: Work, made: Made) -> dict[str, float]:
    """All measures that a result allows, by name (:data:`sfumato.compare.measures.MEASURES`).

    The losses are taken where it was painted; the style's only if the style is a picture.
    """
    row, figures = work.row, dict(made.figures)
    if row.kind in ("paint", "given") and made.image is not None:
        photo = unit(_pixels(work.picture))
        style = styles.resolve(work.style) if work.style else Style("none")
        inside = made.alpha if made.alpha is not None and made.alpha.min() < 1 else None
        judge = measures.Judge(photo, style.image, region=inside)
        losses = judge(made.image)._asdict()
        figures |= {f"{name}_loss": v for name, v in losses.items() if v == v}
        figures |= measures.kept(photo, made.image)
    if work.truth and made.alpha is not None and row.region != "everything":
        truth = _pixels(work.truth)
        if work.classes:
            truth = segmenter.true_labels(truth, work.classes, [regions.parse(str(row.region))])
        figures |= measures.found(made.alpha, truth)
    return figures


def peak_memory() -> float:
    """Most that this process held since :func:`forget_peak`, in MB; where the system cannot
    forget it, since the process began."""
    status = Path("/proc/self/status")
    if status.exists():
        return int(status.read_text().split("VmHWM:")[1].split()[0]) / 1024
    try:
        import resource
    except ImportError:  # Windows
        return float("nan")
    import sys

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (
        1 << 20 if sys.platform == "darwin" else 1 << 10
    )


def forget_peak() -> None:
    """Begin to count the most memory anew (Linux)."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def _given(work: Work, photo: Image) -> Made:
    path = given_file(work.row, work.name)
    image = styles.opaque(files.read(path))
    ratios = [one.shape[1] / one.shape[0] for one in (photo, image)]
    if abs(ratios[1] / ratios[0] - 1) > LIKE:
        raise PictureError(
            f"{path} is {image.shape[1]} x {image.shape[0]} pixels; expected the shape of "
            f"{work.name}, {photo.shape[1]} x {photo.shape[0]}"
        )
    region = None
    if work.row.region != "everything":
        find = finding.finder(None, [str(work.row.region)], work.row.settings, matte=True)
        region = find(photo)[0]
    return Made(resize(image, photo.shape[:2]), region)


def given_file(row: Row, name: str) -> Path:
    """The picture that was made elsewhere for this column."""
    return Path(str(row.result).replace("{picture}", name))


def _pixels(path: Path) -> Any:
    with PillowImage.open(path) as file:
        return np.asarray(file)


def _last(painting: Painting) -> Step | None:
    ends = [steps[-1] for steps in painting.course.values() if steps]
    return ends[-1] if ends else None


def _keep(work: Work, made: Made) -> None:
    if made.image is not None:
        pictures.write(pictures.from_image(made.image), work.result, overwrite=True)
    elif made.alpha is not None:
        pictures.write_alpha(made.alpha, work.result, overwrite=True)
