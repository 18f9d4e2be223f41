"""``sfumato evaluate``: how well a segmenter finds what it should."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sfumato.cli import _shared as shared
from sfumato.cli._shared import DEFAULT
from sfumato.errors import UsageError
from sfumato.settings import Settings

if TYPE_CHECKING:
    from sfumato.evaluate.finding import Find
    from sfumato.evaluate.metrics import Interval
    from sfumato.evaluate.report import Report

app = shared.group("Measure on pictures whose truth is known.")

NET = "net"
"""The segmenter that runs a weights file of our own nets."""


@app.command()
def segmenter(
    data: Annotated[
        list[str],
        typer.Option(
            help="A folder with images/ and masks/, a COCO file or folder (boxes alone will do), "
            "a VOC folder, or synthetic:N. Repeatable.",
            metavar="DATA",
        ),
    ],
    split: Annotated[str, typer.Option(help="train, val, ..., or all.")] = "val",
    segmenter: Annotated[
        list[str] | None,
        typer.Option(
            help="Backend to measure ('sfumato backends'). Repeatable. (default: the one that "
            "'sfumato cut' takes)",
            metavar="NAME",
        ),
    ] = None,
    weights: Annotated[
        list[Path] | None,
        typer.Option(help="A net of our own by its weights or ONNX file. Repeatable."),
    ] = None,
    region: Annotated[
        list[str] | None,
        typer.Option(
            "--region",
            "-r",
            help="What to find, made of classes of the data. Repeatable: several are told apart. "
            "(default: person)",
            metavar="REGION",
        ),
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write all figures.", metavar="FILE")
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option(help="Write a page with plots and the worst cases.", metavar="FILE"),
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Measure the first so many pictures of each set.")
    ] = None,
    matte: Annotated[
        str | None,
        typer.Option(
            help="Measure what guided, closed-form or crf makes of it. (default: the bare net)",
            metavar="NAME",
        ),
    ] = None,
    size: shared.Size = DEFAULT.size,
    seed: shared.Seed = DEFAULT.seed,
    device: shared.Device = DEFAULT.device,
    option: shared.Options = None,
    overwrite: shared.Overwrite = False,
    quiet: shared.Quiet = False,
) -> None:
    """Measure segmenters on pictures with masks, or with boxes around people only."""
    settings = Settings(
        size=size, seed=seed, device=device, matte=matte or DEFAULT.matte,
        options=shared.parse_options(option),
    )  # fmt: skip
    from sfumato import files
    from sfumato.evaluate import page, report
    from sfumato.evaluate.finding import finder

    files.check_beside([path for path in (json_file, html) if path], [*(weights or [])], overwrite)
    if html:
        page.check_installed()
    regions = region or ["person"]
    console = shared.Console(quiet)
    short = [Path(spec).name for spec in data]
    sets = [
        _open(spec, split, regions, name if short.count(name) == 1 else spec)
        for spec, name in zip(data, short, strict=True)
    ]
    nets = _nets(segmenter or [], weights or [], regions, settings)
    planned = sum(one.planned(limit) for one in sets) * len(nets)
    with console.bar("evaluating", planned):
        finders = {
            name: finder(backend, regions, own, matte=bool(matte), download=console.download)
            for name, backend, own in nets
        }
        reports = _measure(finders, sets, limit, seed, console)
    _show(reports)
    _tell_broken(console, reports)
    if json_file:
        text = json.dumps(report.as_dict(reports, split), indent=2, ensure_ascii=False)
        _write(json_file, f"{text}\n", overwrite)
    if html:
        title = f"{', '.join(regions)}: {', '.join(dict.fromkeys(r.segmenter for r in reports))}"
        _write(html, page.page(reports, title=title, split=split), overwrite)
    measured = sum(len(one.pictures) for one in reports)
    if len(reports) < len(finders) * len(sets) or any(one.interrupted for one in reports):
        console.note(f"interrupted: {measured} of {planned} pictures were measured")
        raise KeyboardInterrupt


def _measure(
    finders: Mapping[str, Find],
    sets: Sequence[_Set],
    limit: int | None,
    seed: int,
    console: shared.Console,
) -> list[Report]:
    """Each segmenter on each set; interrupted, what there is until then."""
    reports: list[Report] = []
    try:
        for name, find in finders.items():
            for one in sets:
                names = (name, one.name)
                report = one.measure(
                    find, names=names, limit=limit, seed=seed, progress=lambda _: console.next()
                )
                reports.append(report)
                if report.interrupted:
                    return reports
    except KeyboardInterrupt:
        if not reports:
            raise
    return reports


@dataclass(frozen=True)
class _Set:
    """A data set that was opened, with how to measure on it."""

    name: str
    planned: Callable[[int | None], int]
    measure: Callable[..., Report]


def _open(spec: str, split: str, regions: Sequence[str], name: str) -> _Set:
    from sfumato import regions as language
    from sfumato.data.samples import BACKGROUND, open_samples
    from sfumato.evaluate import boxes, segmenter

    if boxes.has_only_boxes(spec):
        if len(regions) > 1:
            raise UsageError(f"{spec} has only boxes: measure one region at a time there")
        paintings = boxes.open_paintings(spec, split, regions[0])
        measure: Any = partial(boxes.evaluate, paintings=paintings, region=regions[0])
        return _Set(name, paintings.planned, measure)
    leaves = [leaf for text in regions for leaf in language.leaves(language.parse(text))]
    classes = dict.fromkeys(leaf.name for leaf in leaves if isinstance(leaf, language.Class))
    samples = open_samples(spec, split, classes=(BACKGROUND, *classes))
    measure = partial(segmenter.evaluate, samples=samples, region=regions)
    return _Set(name, lambda limit: min(len(samples), limit or len(samples)), measure)


def _nets(
    names: Sequence[str], weights: Sequence[Path], regions: Sequence[str], settings: Settings
) -> list[tuple[str, str | None, Settings]]:
    """What to call each, its backend, and its settings."""
    short = [*names, *(path.stem for path in weights)]
    found: list[tuple[str, str | None, Settings]] = [(n, n, settings) for n in dict.fromkeys(names)]
    for path in dict.fromkeys(weights):
        own = {**settings.options.get(NET, {}), "weights": str(path)}
        called = path.stem if short.count(path.stem) == 1 else str(path)
        found.append((called, NET, replace(settings, options={**settings.options, NET: own})))
    return found or [(_default(regions), None, settings)]


def _default(regions: Sequence[str]) -> str:
    """The segmenters that the pipeline takes for these regions."""
    from sfumato import regions as language
    from sfumato import registry

    leaves = [leaf for text in regions for leaf in language.leaves(language.parse(text))]
    classes = [leaf.name for leaf in leaves if isinstance(leaf, language.Class)]
    return " + ".join(dict.fromkeys(map(registry.segmenter_for, classes))) or "none"


def _show(reports: Sequence[Report]) -> None:
    """A table for sets with masks, another for sets with boxes."""
    from rich.table import Table

    from sfumato.evaluate.report import COLUMNS

    for kind, columns in COLUMNS.items():
        rows = [report for report in reports if report.kind == kind]
        if not rows:
            continue
        several = len(rows[0].regions) > 1
        heads = ["segmenter", "data", *(["class"] if several else []), "pictures"]
        table = Table(*heads, *columns.values(), "seconds", box=None, pad_edge=False)
        for report in rows:
            for region in report.regions if kind == "masks" else report.regions[:1]:
                figures = {**report.overall.measures, **report.overall.classes.get(region, {})}
                table.add_row(
                    report.segmenter,
                    report.data,
                    *([region] if several else []),
                    str(len(report.pictures)),
                    *(_text(figures[name], i == 0) for i, name in enumerate(columns)),
                    f"{report.seconds:.3f}",
                )
        shared.show(table)


def _text(figure: Interval, whole: bool) -> str:
    if figure.value != figure.value:
        return "–"
    return str(figure) if whole else f"{figure.value:.4f}"


def _tell_broken(console: shared.Console, reports: Sequence[Report]) -> None:
    shared.tell_broken(
        console, list(dict.fromkeys(one for report in reports for one in report.broken))
    )


def _write(path: Path, text: str, overwrite: bool) -> None:
    from sfumato.io._files import write_whole

    write_whole(path, text.encode(), overwrite=overwrite)
