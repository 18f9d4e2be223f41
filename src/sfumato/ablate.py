"""One photo painted with every combination of some settings: a grid to compare."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from itertools import product
from pathlib import Path
from typing import Any, get_type_hints

import sfumato
from sfumato import files, pipeline, registry, sheets, styles
from sfumato.errors import UsageError, did_you_mean
from sfumato.files import Job
from sfumato.finder import Finder
from sfumato.io import pictures
from sfumato.io._files import write_whole
from sfumato.ops.resize import fit
from sfumato.pipeline import Report
from sfumato.settings import Settings
from sfumato.studio import Studio
from sfumato.types import Image, Painting, Watch

TILE = 480
"""Longer side in pixels of each picture in the grid."""

SHOWN = ("content", "style", "total")
"""The losses that are written under a picture; the numbers hold them all."""

_SETTINGS = [field.name for field in fields(Settings) if field.name != "options"]


@dataclass(frozen=True)
class Vary:
    """A setting or option, and the values to try, as they were written."""

    name: str
    values: tuple[str, ...]


@dataclass(frozen=True)
class Cell:
    """One combination: each varied name's value, and the settings that they make."""

    choice: dict[str, str]
    settings: Settings


@dataclass(frozen=True)
class Result:
    """What became of a cell.

    Attributes:
        cell: how it was painted.
        tile: float32 ``[h, w, 3]``, sRGB, 0..1: the painting, small.
        losses: each weighted term after the last step; empty where nothing is optimised.
        steps: of the optimisation.
        timings: seconds by stage.
    """

    cell: Cell
    tile: Image
    losses: Mapping[str, float]
    steps: int
    timings: Mapping[str, float]


def parse(text: str) -> Vary:
    """Read ``NAME=V1,V2,…``; with a ``;`` between them, values may hold commas.

    Raises:
        UsageError: it is not of that form, or a value comes twice.
    """
    name, _, rest = text.partition("=")
    values = tuple(value.strip() for value in rest.split(";" if ";" in rest else ","))
    if not (name.strip() and all(values)):
        raise UsageError(
            f"--vary takes NAME=V1,V2,… for example --vary strength=0.3,0.6,1; got {text!r}"
        )
    if len(set(values)) < len(values):
        raise UsageError(f"--vary {name.strip()} has a value twice: {', '.join(values)}")
    return Vary(name.strip(), values)


def plan(settings: Settings, varied: Sequence[Vary], stylizer: str | None = None) -> list[Cell]:
    """Every combination, row by row: the first name varies along the columns.

    Args:
        settings: of all that is not varied.
        varied: one or two names: fields of :class:`~sfumato.settings.Settings`, options of the
            stylizer, or of any backend as ``BACKEND.OPTION``.
        stylizer: whose options need no ``BACKEND.``; None = the default one.

    Raises:
        UsageError: a name is unknown, a value out of bounds, or there are too many names.
    """
    names = [vary.name for vary in varied]
    if not 1 <= len(set(names)) == len(names) <= 2:
        raise UsageError(
            "--vary takes one name for a row of pictures, or two different ones for a grid; "
            f"got {', '.join(names) or 'none'}"
        )
    stylizer = stylizer or registry.DEFAULTS["stylize"]
    cells = []
    for values in product(*(vary.values for vary in reversed(varied))):
        choice = dict(zip(names, reversed(values), strict=True))
        cell = settings
        for name, value in choice.items():
            cell = _with(cell, name, value, stylizer)
        Studio(cell)  # knows the names of backends
        cells.append(Cell(choice, cell))
    return cells


def paint(
    photo: Image,
    job: Job,
    cells: Sequence[Cell],
    *,
    next_cell: Callable[[], None],
    report: Report | None = None,
    watch: Watch | None = None,
    download: Callable[[str, int, int], None] | None = None,
) -> list[Result]:
    """Paint a photo once for each cell; regions are found once for all that find alike.

    Args:
        photo: float32 ``[H, W, 3]``, sRGB, 0..1.
        job: what to paint in which style.
        cells: how.
        next_cell: called after each.
        report, watch: see :func:`sfumato.pipeline.paint`.
        download: told of weights being fetched.

    Raises:
        SfumatoError: see :func:`sfumato.pipeline.paint`.
        KeyboardInterrupt: an optimisation was interrupted; cut short, it compares to nothing.
    """
    finders: dict[str, Finder] = {}
    results = []
    for cell in cells:
        studio = Studio(cell.settings, download)
        work = fit(photo, cell.settings.size)
        finder = finders.setdefault(_finding(cell.settings), Finder(studio, photo, work))
        painting = pipeline.paint(
            photo, job.layers, studio=studio, report=report, watch=watch, finder=finder
        )
        if pipeline.was_interrupted(painting):
            raise KeyboardInterrupt
        results.append(_result(cell, painting))
        next_cell()
    return results


def grid(results: Sequence[Result], columns: int) -> Image:
    """The results side by side, their values and losses below: float32 ``[H, W, 3]``."""
    return sheets.grid([r.tile for r in results], [_label(r) for r in results], columns)


def numbers(results: Sequence[Result]) -> list[dict[str, Any]]:
    """What was measured, as plain JSON-able data; losses are weighted, as they are summed."""
    return [
        {
            "choice": r.cell.choice,
            "losses": dict(r.losses),
            "steps": r.steps,
            "timings": dict(r.timings),
            "settings": r.cell.settings.as_dict(),
        }
        for r in results
    ]


def write(
    source: str,
    target: str | Path,
    job: Job,
    cells: Sequence[Cell],
    *,
    columns: int,
    json_file: Path | None = None,
    overwrite: bool = False,
    next_cell: Callable[[], None],
    report: Report | None = None,
    watch: Watch | None = None,
    download: Callable[[str, int, int], None] | None = None,
) -> list[Result]:
    """Paint a photo file once for each cell, and write the grid, and the numbers if wanted.

    Raises:
        SfumatoError: with one clear sentence; then nothing has been written.
        KeyboardInterrupt: see :func:`paint`; then too.
    """
    files.check_target(target, [source, *job.inputs], overwrite)
    files.check_beside([json_file] if json_file else [], [source, target, *job.inputs], overwrite)
    photo = styles.opaque(files.read(source))
    results = paint(
        photo, job, cells,
        next_cell=next_cell, report=report, watch=watch, download=download,
    )  # fmt: skip
    sheet = pictures.from_image(grid(results, columns))
    files.write(sheet, target, pictures.QUALITY, overwrite)
    if json_file:
        layers = [record.model_dump() for record in job.records]
        page = {"sfumato": sfumato.__version__, "photo": source, "layers": layers}
        text = json.dumps(page | {"cells": numbers(results)}, indent=2, ensure_ascii=False)
        write_whole(json_file, f"{text}\n".encode(), overwrite=overwrite)
    return results


def _with(settings: Settings, name: str, value: str, stylizer: str) -> Settings:
    """The settings with one more of them, or one option, changed."""
    if name in _SETTINGS:
        return replace(settings, **{name: _converted(name, value)})
    backend, dot, option = name.rpartition(".")
    if not dot:
        backend = stylizer
    kinds = {b: kind for kind in registry.KINDS for b in registry.backends(kind)}
    if backend not in kinds:
        hint = did_you_mean(backend, kinds)
        raise UsageError(f"--vary {name}: there is no backend {backend!r}{hint}")
    model = registry.options_model(kinds[backend], backend)
    if option not in model.model_fields:
        known = [*model.model_fields, *([] if dot else _SETTINGS)]
        raise UsageError(
            f"--vary {name}: {backend} has no option {option!r}{did_you_mean(option, known)} "
            f"(known: {', '.join(known)})"
        )
    options = {**settings.options.get(backend, {}), option: value}
    registry.parse_options(model, backend, options)
    return replace(settings, options={**settings.options, backend: options})


def _converted(name: str, value: str) -> Any:
    """A setting's value from its text."""
    from pydantic import TypeAdapter, ValidationError

    try:
        return TypeAdapter(get_type_hints(Settings)[name]).validate_python(value)
    except ValidationError as error:
        raise UsageError(f"--vary {name}: {error.errors()[0]['msg']} (got {value!r})") from None


def _finding(settings: Settings) -> str:
    """All that finding a region depends on."""
    painters = {*registry.backends("stylize"), *registry.backends("compose")}
    options = {name: o for name, o in settings.options.items() if name not in painters}
    names = ("segmenter", "matte", "size", "seed", "device")
    return repr([*(getattr(settings, name) for name in names), options])


def _result(cell: Cell, painting: Painting) -> Result:
    ends = [steps[-1] for steps in painting.course.values() if steps]
    end = ends[-1] if ends else None
    return Result(
        cell=cell,
        tile=fit(painting.image, TILE),
        losses=dict(end.losses) if end else {},
        steps=end.number if end else 0,
        timings=painting.timings,
    )


def _label(result: Result) -> str:
    """The values, and how it ended. Losses are weighted: where a weight varies, so does the
    measure, and the label says so."""
    choice = result.cell.choice
    weighted = "weighted " if any("weight" in name for name in choice) else ""
    values = [f"{name} = {value}" for name, value in choice.items()]
    losses = [
        f"{weighted}{name} {result.losses[name]:.3g}" for name in SHOWN if name in result.losses
    ]
    return "\n".join([*values, *losses, f"{result.timings['stylize']:.1f} s"])
