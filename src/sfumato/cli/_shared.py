"""What several commands share: option types, the progress bar, batches."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sfumato.errors import SfumatoError, SfumatoWarning, UsageError
from sfumato.settings import DEVICES, Settings

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID
    from rich.table import Table

DEFAULT = Settings()

WIDE = 250  # columns of a table that nobody looks at in a terminal

Segmenter = Annotated[
    str | None,
    typer.Option(
        help="Backend that finds things; default: the best for each class.", metavar="NAME"
    ),
]
Matte = Annotated[str, typer.Option(help="guided, closed-form or crf.", metavar="NAME")]
Size = Annotated[
    int,
    typer.Option(help="Longer side in pixels at which the nets work; the result keeps full size."),
]
Seed = Annotated[int, typer.Option(help="Seed of every random choice.")]
Device = Annotated[str, typer.Option(help=f"{'|'.join(DEVICES)}.", metavar="DEVICE")]
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

STAGES = {"find": (0.0, 0.3), "stylize": (0.3, 0.55), "compose": (0.85, 0.15)}
"""Where each stage begins and how much of a photo's bar it takes."""


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


class Console:
    """One progress bar over a batch, notes, and downloads, all on standard error."""

    def __init__(self, quiet: bool) -> None:
        self._quiet, self._done = quiet, 0
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._fetching: dict[str, TaskID | None] = {}

    @contextmanager
    def bar(self, label: str, total: int) -> Iterator[None]:
        """A bar with the time left; shown only where somebody can see it."""
        if self._quiet or not sys.stderr.isatty():
            yield
            return
        with _progress() as bar:
            self._bar = bar
            self._task = bar.add_task(label, total=total)
            yield
        self._bar = None

    def stage(self, name: str, fraction: float) -> None:
        """Progress within the present photo."""
        start, share = STAGES[name]
        self._move(self._done + start + share * fraction)

    def next(self) -> None:
        """The present photo is finished."""
        self._done += 1
        self._move(self._done)

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


def each(
    console: Console, label: str, jobs: Sequence[tuple[str, str]], work: Callable[[str, str], None]
) -> None:
    """Run ``work(source, target)`` over a batch; bad files are reported at the end.

    One job alone raises its error. In a batch the good ones are written, and the exit code is 1.
    """
    failures = []
    with console.bar(label, len(jobs)):
        for source, target in jobs:
            try:
                with _notes(console, source if len(jobs) > 1 else ""):
                    work(source, target)
            except SfumatoError as error:
                if len(jobs) == 1:
                    raise
                failures.append(str(error) if source in str(error) else f"{source}: {error}")
            console.next()
    report_failures(failures, len(jobs))


def show(table: Table) -> None:
    """Print a table: as wide as the terminal, or uncut into a pipe."""
    from rich.console import Console as RichConsole

    RichConsole(width=None if sys.stdout.isatty() else WIDE).print(table)


def report_failures(failures: Sequence[str], total: int) -> None:
    """Say what failed, and exit with 1 if anything did."""
    for failure in failures:
        sys.stderr.write(f"sfumato: {failure}\n")
    if failures:
        sys.stderr.write(f"sfumato: {len(failures)} of {total} failed\n")
        raise typer.Exit(1)


@contextmanager
def _notes(console: Console, source: str) -> Iterator[None]:
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
