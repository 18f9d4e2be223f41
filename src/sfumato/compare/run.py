"""Runs a plan: every row on every picture, each finished cell kept and found again."""

from __future__ import annotations

import hashlib
import io
import json
import multiprocessing
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

import sfumato
from sfumato import files, pipeline, regions, styles
from sfumato.compare.plan import Column, Plan, Row, effective
from sfumato.compare.work import Bench, Outcome, Tell, Work, finish, given_file
from sfumato.data.samples import BACKGROUND, open_samples
from sfumato.errors import PictureError, UsageError
from sfumato.evaluate.report import small_labels
from sfumato.io import pictures
from sfumato.io._cache import sha256_of
from sfumato.io._files import write_whole
from sfumato.io.icc import quantise, unit
from sfumato.ops.resize import fit
from sfumato.types import Image

INPUTS, CELLS = "inputs", "cells"
"""Folders beside the page: the pictures as they were worked on, and what came of each cell."""

FORM = 1
"""Raised when cells that were kept before are no longer to be believed."""


@dataclass(frozen=True)
class Shown:
    """One picture that the rows are done on.

    Attributes:
        name: what to call it; no two alike.
        file: the picture, 8 bits, reduced to the plan's side.
        style: for this picture, in place of the rows'.
        truth: class numbers as a grey PNG, 255 = does not count; None = not known.
        classes: what they stand for; empty = 1 is what each row looks for.
    """

    name: str
    file: Path
    style: str | None = None
    truth: Path | None = None
    classes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Comparison:
    """A plan that was run.

    Attributes:
        plan: what was compared.
        pictures: the columns, sets taken apart.
        cells: work and record of each cell, row by row (:func:`sfumato.compare.work.finish`).
        done: how many cells were done now; the others were kept from before, or are the same.
    """

    plan: Plan
    pictures: tuple[Shown, ...]
    cells: tuple[tuple[tuple[Work, dict[str, Any]], ...], ...]
    done: int = 0

    @property
    def twins(self) -> dict[str, str]:
        """Rows that say the same as one before them, and its name."""
        first: dict[str, str] = {}
        found = {}
        for row, cells in zip(self.plan.rows, self.cells, strict=True):
            key = cells[0][0].key
            if key in first:
                found[row.name] = first[key]
            first.setdefault(key, row.name)
        return found


def _nothing(*_: Any) -> None:
    pass


@dataclass(frozen=True)
class Listener:
    """Told how a run goes on; what is not given is not told.

    Attributes:
        begin: of a row and a picture that are about to be done, by name.
        stage: stage and done fraction of the cell (:data:`sfumato.pipeline.Report`).
        step: a step of an optimisation (:class:`sfumato.types.Step`).
        download: weights being fetched: label, bytes done, bytes in all.
        end: a cell is finished, or was kept.
        broken: of a row and a picture that could not be done, and why.
    """

    begin: Callable[[str, str], None] = _nothing
    stage: Callable[[str, float], None] = _nothing
    step: Callable[[Any], None] = _nothing
    download: Callable[[str, int, int], None] = _nothing
    end: Callable[[], None] = _nothing
    broken: Callable[[str, str, str], None] = _nothing

    def tell(self, what: str, *values: Any) -> None:
        getattr(self, what)(*values)


def run(
    plan: Plan,
    folder: Path,
    *,
    overwrite: bool = False,
    isolate: bool = True,
    listener: Listener | None = None,
) -> Comparison:
    """Do all cells that are not done yet, row by row.

    A row runs in a process of its own: its memory is its own then, with no other row's nets in
    it, and one that crashes ends nothing else. Within the row nets stay open, as in a batch: a
    process for every cell would open them anew each time. The clock starts when they are open.
    Measuring is done here, while that process waits.

    Args:
        plan: what to do.
        folder: where pictures and records are kept; made if it is not there.
        overwrite: do finished cells again.
        isolate: a process for each row; otherwise all in this one, which is quicker, and memory
            is then everything that it holds.
        listener: told how it goes.

    Raises:
        UsageError: the folder holds something else.
        PictureError: a picture cannot be read, or the folder cannot be written.
        WeightsError: VGG-19's weights, by which is measured, cannot be had.
        KeyboardInterrupt: interrupted; finished cells are kept.
    """
    listener = listener or Listener()
    ready(folder)
    shown = columns(plan, folder / INPUTS)
    grid = [[_work(row, one, folder / CELLS) for one in shown] for row in plan.rows]
    records: dict[str, dict[str, Any]] = {}
    if not overwrite:
        kept = {work.key: _kept(work) for works in grid for work in works}
        records = {key: record for key, record in kept.items() if record is not None}
    before = len(records)
    for works in grid:
        todo = {work.key: work for work in works if work.key not in records}
        for _ in range(len(works) - len(todo)):
            listener.end()
        if todo:
            records |= _do(list(todo.values()), isolate, listener)
    cells = tuple(tuple((work, records[work.key]) for work in works) for works in grid)
    return Comparison(plan, tuple(shown), cells, len(records) - before)


def ready(folder: Path) -> None:
    """Make the folder of a comparison.

    Raises:
        UsageError: it holds something else.
        PictureError: it cannot be made.
    """
    if folder.is_file():
        raise UsageError(f"{folder} is a file; a comparison needs a folder")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / CELLS).is_dir():
        raise UsageError(f"{folder} is not empty, and holds no comparison; name another folder")
    try:
        for name in (INPUTS, CELLS):
            (folder / name).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise PictureError(f"the folder {folder} cannot be made: {reason}") from None


def columns(plan: Plan, folder: Path) -> list[Shown]:
    """The plan's pictures, written as they are worked on.

    Raises:
        SfumatoError: a picture or a set cannot be read.
    """
    leaves = [leaf for row in plan.rows for leaf in regions.leaves(regions.parse(str(row.region)))]
    wanted = dict.fromkeys(leaf.name for leaf in leaves if isinstance(leaf, regions.Class))
    classes = tuple(dict.fromkeys((BACKGROUND, *(wanted or ("person",)))))
    found: list[Shown] = []
    alone = sum(column.data is not None for column in plan.pictures) == 1
    for column in plan.pictures:
        if column.data is not None:
            head = "" if alone else f"{column.name}/"
            found += _samples(column, head, classes, plan.side, folder)
        else:
            found.append(_picture(column, plan.side, folder))
    names = [one.name for one in found]
    for i, name in enumerate(names):
        if name in names[:i]:
            raise UsageError(f"two pictures are called {name!r}; give one of them another name")
    return found


def _picture(column: Column, side: int, folder: Path) -> Shown:
    photo = styles.opaque(files.read(str(column.picture)))
    small = fit(photo, side)
    file = _written(_bytes(small), folder)
    truth = None
    if column.truth:
        mask = pictures.read_mask(column.truth, photo.shape[:2])
        truth = _written((fit(mask, side) > 0.5).astype(np.uint8), folder)
    return Shown(str(column.name), file, column.style, truth)


def _samples(
    column: Column, head: str, classes: tuple[str, ...], side: int, folder: Path
) -> list[Shown]:
    samples = open_samples(str(column.data), column.split, classes=classes)
    found = []
    for i in range(min(len(samples), column.limit or len(samples))):
        sample = samples[i]
        if sample.name != samples.name(i):
            continue  # it is damaged, and another stands in for it
        small = fit(unit(sample.image), side)
        truth = small_labels(sample.mask, small.shape)
        name = f"{head}{sample.name}"
        file = _written(_bytes(small), folder)
        found.append(Shown(name, file, column.style, _written(truth, folder), samples.classes))
    if not found:
        raise UsageError(f"{column.data} has no picture that can be used")
    return found


def _bytes(image: Image) -> NDArray[np.uint8]:
    pipeline.check(image)
    return np.asarray(quantise(image, np.dtype(np.uint8)), np.uint8)


def _written(pixels: NDArray[np.uint8], folder: Path) -> Path:
    """The file of these pixels, named by them."""
    digest = hashlib.sha256(repr(pixels.shape).encode() + pixels.tobytes()).hexdigest()
    path = folder / f"{digest[:20]}.png"
    if not path.exists():
        stream = io.BytesIO()
        PillowImage.fromarray(pixels).save(stream, "png")
        write_whole(path, stream.getvalue(), overwrite=True)
    return path


def _work(row: Row, shown: Shown, folder: Path) -> Work:
    style = shown.style or row.style if row.kind in ("paint", "given") else None
    said = row.model_dump(exclude={"name", "note", "share_of_steps", "options"})
    options = {name: dict(own) for name, own in row.options.items()}
    if row.painter:
        options[row.painter] = effective(row.painter, options.get(row.painter, {}))
    named = [style, row.painting, given_file(row, shown.name) if row.kind == "given" else None]
    region = regions.parse(str(row.region))
    named += [leaf.path for leaf in regions.leaves(region) if isinstance(leaf, regions.File)]
    content = {
        "form": FORM,
        "sfumato": sfumato.__version__,
        "row": said | {"style": style},
        "options": options,
        "files": [sha256_of(Path(str(n))) for n in named if n and Path(str(n)).is_file()],
        "picture": shown.file.stem,
        "truth": shown.truth.stem if shown.truth and row.region != "everything" else None,
        "classes": shown.classes,
    }
    text = json.dumps(content, sort_keys=True, default=str)
    key = hashlib.sha256(text.encode()).hexdigest()[:20]
    return Work(
        key, row, shown.name, shown.file, style, shown.truth, shown.classes, folder
    )  # fmt: skip


def _kept(work: Work) -> dict[str, Any] | None:
    try:
        record: dict[str, Any] = json.loads(work.record.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return record if work.result.is_file() else None


def _do(works: Sequence[Work], isolate: bool, listener: Listener) -> dict[str, dict[str, Any]]:
    """The records of a row's cells."""
    records = {}
    child = _Child(listener.tell) if isolate else None
    bench = Bench(listener.tell)
    try:
        for work in works:
            listener.begin(work.row.name, work.name)
            outcome = child.do(work) if child else bench.do(work)
            records[work.key] = finish(work, outcome)
            if outcome.broken:
                listener.broken(work.row.name, work.name, outcome.broken)
            listener.end()
    finally:
        if child:
            child.close()
    return records


class _Child:
    """A process that does a row's cells, one when it is told to; a new one where it crashed."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self._process: Any = None
        self._pipe: Connection | None = None

    def do(self, work: Work) -> Outcome:
        """Have a cell done.

        Raises:
            KeyboardInterrupt: an optimisation was interrupted there.
        """
        pipe = self._start()
        try:
            pipe.send(work)
            while True:
                kind, *values = pipe.recv()
                if kind == "over":
                    outcome: Outcome = values[0]
                    return outcome
                if kind == "interrupted":
                    raise KeyboardInterrupt
                self._tell(kind, *values)
        except (EOFError, OSError):
            self._process.join()
            code = self._process.exitcode
            self._process = None
            why = f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"
            if code == -signal.SIGINT:
                raise KeyboardInterrupt from None
            if code == -getattr(signal, "SIGKILL", 9):
                why += ", as a system does that is out of memory"
            return Outcome(broken=f"the process that did it died ({why})")

    def close(self) -> None:
        if self._pipe is not None:
            with suppress(OSError):
                self._pipe.close()
        if self._process is not None:
            self._process.join(1)
            self._process.kill()
            self._process.join()

    def _start(self) -> Connection:
        if self._process is None:
            context = multiprocessing.get_context("spawn")  # torch cannot be forked
            self._pipe, theirs = context.Pipe()
            self._process = context.Process(target=_serve, args=(theirs,), daemon=True)
            with _deaf():
                self._process.start()
            theirs.close()
        assert self._pipe is not None
        return self._pipe


@contextmanager
def _deaf() -> Iterator[None]:
    """What is started meanwhile does not hear Ctrl-C, which is meant for this process: it ends
    the other without a word."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _serve(pipe: Connection) -> None:
    """In the process: do what comes, and say how it goes."""
    bench = Bench(lambda *event: pipe.send(event))
    try:
        while True:
            work = pipe.recv()
            pipe.send(("over", bench.do(work)))
    except (EOFError, OSError):  # there is no more to do, or nobody to do it for
        pass
    except KeyboardInterrupt:
        with suppress(OSError):
            pipe.send(("interrupted",))
