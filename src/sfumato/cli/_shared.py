"""What several commands share: option types, the progress bar, batches."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sfumato.errors import MissingExtraError, SfumatoError, SfumatoWarning, UsageError
from sfumato.settings import BLENDS, DEVICES, Settings

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID
    from rich.table import Table

    from sfumato.data.samples import Broken
    from sfumato.types import Image, Painting, Step

DEFAULT = Settings()

SHOWN = 5
"""Files with something wrong that are named; pages and JSON files name all."""

WIDE = 250  # columns of a table that nobody looks at in a terminal

Style = Annotated[
    str | None,
    typer.Option(
        "--style",
        "-s",
        help="A picture file or a built-in name ('sfumato styles').",
        metavar="STYLE",
    ),
]
Region = Annotated[
    str | None,
    typer.Option(
        "--region",
        "-r",
        help="What to paint: person, background, dog, point:x,y, box:x0,y0,x1,y1, cluster:k/n, "
        "file:MASK, everything; joined with + & - not. (default: everything)",
        metavar="REGION",
    ),
]
StyleRegions = Annotated[
    list[str] | None,
    typer.Option(
        "--style-region",
        help="Which part of the style picture to learn from, a region as above. Repeatable: once "
        "for all regions, or once for each.",
        metavar="REGION",
    ),
]
Stylizer = Annotated[
    str | None, typer.Option(help="Backend that paints ('sfumato backends').", metavar="NAME")
]
Segmenter = Annotated[
    str | None,
    typer.Option(
        help="Backend that finds things; default: the best for each class.", metavar="NAME"
    ),
]
Matte = Annotated[str, typer.Option(help="guided, closed-form or crf.", metavar="NAME")]
Blend = Annotated[str, typer.Option(help=f"{'|'.join(BLENDS)}.", metavar="NAME")]
Strength = Annotated[float, typer.Option(help="0 = the photo, 1 = the painting.", metavar="0..1")]
KeepColors = Annotated[bool, typer.Option("--keep-colors", help="Keep the photo's own colours.")]
StyleScale = Annotated[float, typer.Option(help="Size of the strokes, 0.25 to 4.")]
Size = Annotated[
    int,
    typer.Option(help="Longer side in pixels at which the nets work; the result keeps full size."),
]
Seed = Annotated[int, typer.Option(help="Seed of every random choice.")]
Device = Annotated[str, typer.Option(help=f"{'|'.join(DEVICES)}.", metavar="DEVICE")]
MaxMemory = Annotated[
    float | None,
    typer.Option(help="Gigabytes that an optimising stylizer may use.", metavar="GB"),
]
Options = Annotated[
    list[str] | None,
    typer.Option(
        "--option",
        "-O",
        help="An option of a backend; 'sfumato backends --json' shows them all. Repeatable.",
        metavar="BACKEND.OPTION=VALUE",
    ),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace existing files.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar, no notes.")]
Quality = Annotated[
    int | None, typer.Option(help="Of JPEG and WebP output, 1 to 100.", min=1, max=100)
]
Manifest = Annotated[
    str | None,
    typer.Option(
        "--manifest",
        help="Write down what was done, for 'sfumato replay' (default: OUT.json).",
        metavar="[FILE.json]",
    ),
]

STAGES = {"find": (0.0, 0.3), "stylize": (0.3, 0.55), "compose": (0.85, 0.15)}
"""Where each stage begins and how much of a photo's bar it takes."""

OPTIMISING = {"find": (0.0, 0.03), "stylize": (0.03, 0.94), "compose": (0.97, 0.03)}
"""The same where a stylizer optimises: beside it the rest takes no time."""


def parse_options(pairs: Sequence[str] | None) -> dict[str, dict[str, Any]]:
    """``["guided.radius=8"]`` -> ``{"guided": {"radius": "8"}}``; pydantic converts the values.

    Raises:
        UsageError: a pair is not BACKEND.OPTION=VALUE.
    """
    parsed: dict[str, dict[str, Any]] = {}
    for pair in pairs or ():
        key, equals, value = pair.partition("=")
        backend, dot, option = key.strip().partition(".")
        if not (equals and dot and backend and option):
            raise UsageError(
                f"-O takes BACKEND.OPTION=VALUE, for example -O guided.radius=0.01; got {pair!r}"
            )
        parsed.setdefault(backend, {})[option.strip()] = value.strip()
    return parsed


def group(text: str) -> typer.Typer:
    """A command with commands inside, also if it is only one so far: without the callback that
    one would be the command itself."""
    app = typer.Typer(help=text, no_args_is_help=True)
    app.callback()(lambda: None)
    return app


def tell_broken(console: Console, broken: Sequence[Broken]) -> None:
    """Name the first files that cannot be used, and count the others."""
    for one in broken[:SHOWN]:
        console.note(f"passed over: {one.path}: {one.reason}")
    if len(broken) > SHOWN:
        console.note(f"passed over: {len(broken) - SHOWN} more files")


class Console:
    """One progress bar over a batch, notes, and downloads, all on standard error."""

    def __init__(self, quiet: bool) -> None:
        self._quiet, self._done, self._stages = quiet, 0, STAGES
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._label = self._said = ""
        self._fetching: dict[str, TaskID | None] = {}

    @contextmanager
    def bar(self, label: str, total: int) -> Iterator[None]:
        """A bar with the time left; shown only where somebody can see it."""
        if self._quiet or not sys.stderr.isatty():
            yield
            return
        with _progress() as bar:
            self._bar, self._label = bar, label
            self._task = bar.add_task(label, total=total)
            yield
        self._bar = None

    def stage(self, name: str, fraction: float) -> None:
        """Progress within the present photo."""
        start, share = self._stages[name]
        self._move(self._done + start + share * fraction)

    def watch(self, step: Step, _: Callable[[], Image]) -> None:
        """An optimisation's steps: its notes, and how it stands (:data:`sfumato.types.Watch`)."""
        if step.note not in ("", self._said):  # the next photo's may be the same
            self._said = step.note
            self.note(f"note: {step.note}")
        if self._bar is None or self._task is None:
            return
        if self._stages is STAGES:
            self._stages = OPTIMISING
            self._bar.reset(self._task)  # what was quick so far says nothing of the time left
            self.stage("stylize", 0)
        loss = f"  loss {step.losses['total']:.3g}" if "total" in step.losses else ""
        size = f"{step.width}×{step.height}"
        text = f"{self._label}  {size}  step {step.number}/{step.total}{loss}"
        self._bar.update(self._task, description=text)

    def at(self, done: float, text: str) -> None:
        """How far the whole is, 0..1 of a bar with a total of 1, and in words."""
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=done, description=text)

    def next(self) -> None:
        """The present photo is finished."""
        self._done += 1
        self._move(self._done)
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, description=self._label)

    def download(self, label: str, done: int, total: int) -> None:
        """Progress of a weights file being fetched."""
        if self._quiet:
            return
        if self._bar is None:
            if label not in self._fetching:
                self._fetching[label] = None
                self.note(f"fetching {label} ({total / 1e6:.1f} MB)")
            return
        if label not in self._fetching:
            self._fetching[label] = self._bar.add_task(f"fetch {label}", total=total)
        task = self._fetching[label]
        if task is not None:
            self._bar.update(task, completed=done, visible=done < total)

    def note(self, text: str) -> None:
        """A line for the user, above the bar."""
        if self._quiet:
            return
        if self._bar is not None:
            self._bar.console.print(text, highlight=False, markup=False)
        else:
            sys.stderr.write(text + "\n")

    def _move(self, completed: float) -> None:
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=completed)


def check_installed(what: str, extra: str, libraries: Sequence[str]) -> None:
    """Raise MissingExtraError unless the libraries of an extra are there."""
    import importlib.util

    if any(importlib.util.find_spec(name) is None for name in libraries):
        raise MissingExtraError(what, extra)


def each(
    console: Console,
    label: str,
    jobs: Sequence[tuple[str, str]],
    work: Callable[[str, str], bool | None],
) -> None:
    """Run ``work(source, target)`` over a batch; bad files are reported at the end.

    One job alone raises its error. In a batch the good ones are written, and the exit code is 1.
    Work that was interrupted, but finished its picture, returns True; then no more is begun.
    """
    failures, stopped = [], False
    with console.bar(label, len(jobs)):
        for source, target in jobs:
            try:
                with notes(console, source if len(jobs) > 1 else ""):
                    stopped = bool(work(source, target))
            except SfumatoError as error:
                if len(jobs) == 1:
                    raise
                failures.append(str(error) if source in str(error) else f"{source}: {error}")
            console.next()
            if stopped:
                break
    if stopped:
        _tell(failures, len(jobs))
        raise KeyboardInterrupt
    report_failures(failures, len(jobs))


def interrupted(console: Console, painting: Painting) -> bool:
    """Whether the user stopped an optimisation on the way to this painting; says so."""
    stopped = [steps[-1] for steps in painting.course.values() if steps and steps[-1].interrupted]
    if stopped:
        at = f"step {stopped[0].number} of {stopped[0].total}"
        console.note(f"interrupted at {at}: kept the best picture so far")
    return bool(stopped)


def show(table: Table) -> None:
    """Print a table: as wide as the terminal, or uncut into a pipe."""
    from rich.console import Console as RichConsole

    RichConsole(width=None if sys.stdout.isatty() else WIDE).print(table)


def report_failures(failures: Sequence[str], total: int) -> None:
    """Say what failed, and exit with 1 if anything did."""
    _tell(failures, total)
    if failures:
        raise typer.Exit(1)


def _tell(failures: Sequence[str], total: int) -> None:
    for failure in failures:
        sys.stderr.write(f"sfumato: {failure}\n")
    if failures:
        sys.stderr.write(f"sfumato: {len(failures)} of {total} failed\n")


@contextmanager
def notes(console: Console, source: str) -> Iterator[None]:
    """Show the library's warnings as notes."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", SfumatoWarning)
        yield
    for warning in caught:
        if issubclass(warning.category, SfumatoWarning):
            console.note(f"note: {source + ': ' if source else ''}{warning.message}")


def _progress() -> Progress:
    from rich.console import Console as RichConsole
    from rich.progress import (
        BarColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeRemainingColumn,
    )

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
        console=RichConsole(stderr=True),
        transient=True,
    )
