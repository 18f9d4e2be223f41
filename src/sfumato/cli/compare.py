"""``sfumato compare``: several ways to do a thing on several pictures, measured, on one page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sfumato.cli import _shared as shared
from sfumato.errors import UsageError

if TYPE_CHECKING:
    from sfumato.compare.plan import Column, Plan
    from sfumato.compare.run import Comparison


def compare(
    plan: Annotated[
        str | None,
        typer.Argument(help="A plan's name (--list), or its file.", metavar="PLAN"),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="Folder for the page, the figures and every picture; what is finished there "
            "already is not done again. (default: NAME-comparison)",
            metavar="DIR",
        ),
    ] = None,
    listed: Annotated[bool, typer.Option("--list", help="Show the plans that come along.")] = False,
    pictures: Annotated[
        list[str] | None,
        typer.Option(
            "--pictures", "-p",
            help="A picture in place of the plan's own. Repeatable.",
            metavar="PICTURE",
        ),
    ] = None,
    data: Annotated[
        list[str] | None,
        typer.Option(
            help="Pictures whose truth is known, in place of the plan's own, as 'sfumato "
            "evaluate' takes them. Repeatable.",
            metavar="DATA",
        ),
    ] = None,
    split: Annotated[str, typer.Option(help="Of --data: train, val, ..., or all.")] = "val",
    limit: Annotated[
        int | None, typer.Option(min=1, help="So many pictures of each set at most.")
    ] = None,
    changes: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            help="Said of every row, over what the plan says: size=256, steps=100, "
            "share_of_steps=0.02, guided.radius=0.01. Repeatable.",
            metavar="KEY=VALUE",
        ),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of every random choice.")] = None,
    together: Annotated[
        bool,
        typer.Option(
            "--together",
            help="All rows in one process: quicker for small ones, but memory is then not each "
            "row's own.",
        ),
    ] = False,
    json_file: Annotated[
        Path | None,
        typer.Option("--json", help="Write all figures here, too.", metavar="FILE"),
    ] = None,
    overwrite: Annotated[
        bool,
        typer.Option("--overwrite", help="Do finished cells again, and replace --json FILE."),
    ] = False,
    quiet: shared.Quiet = False,
) -> None:  # fmt: skip
    """Do a thing in several ways on several pictures, measure, and write one page about it."""
    from sfumato import files
    from sfumato.compare import page, reading, run
    from sfumato.compare.plan import limited
    from sfumato.train.recipe import parse_changes

    if listed:
        _list(reading.names())
        return
    if plan is None:
        raise UsageError("name a plan ('sfumato compare --list'), or a file that ends in .yaml")
    wanted = {**parse_changes(changes or []), **({} if seed is None else {"seed": seed})}
    read = limited(reading.read(plan, wanted, _columns(pictures, data, split)), limit)
    page.check_installed()
    folder = output or Path(f"{read.name}-comparison")
    if json_file:
        files.check_beside([json_file], _inputs(read), overwrite)
    run.ready(folder)
    console = shared.Console(quiet)
    comparison = _run(read, folder, overwrite, not together, console)
    page.write(comparison, folder)
    if json_file:
        from sfumato.io._files import write_whole

        write_whole(json_file, page.numbers(comparison).encode(), overwrite=overwrite)
    _tell(comparison, folder, console)


def _columns(pictures: list[str] | None, data: list[str] | None, split: str) -> list[Column] | None:
    from sfumato.compare.plan import Column

    found = [{"picture": name} for name in pictures or ()]
    found += [{"data": spec, "split": split} for spec in data or ()]
    return [Column.model_validate(values) for values in found] or None


def _inputs(plan: Plan) -> list[str]:
    """Files that no output may overwrite."""
    named = [path for one in plan.pictures for path in (one.picture, one.truth, one.style)]
    named += [path for row in plan.rows for path in (row.style, row.painting)]
    return [path for path in named if path]


def _run(
    plan: Plan, folder: Path, overwrite: bool, isolate: bool, console: shared.Console
) -> Comparison:
    from sfumato.compare import run

    columns = run.columns(plan, folder / run.INPUTS)
    listener = run.Listener(
        stage=lambda name, done: console.stage(name, done) if name in shared.STAGES else None,
        step=lambda step: console.watch(step, lambda: None),  # type: ignore[arg-type,return-value]
        download=console.download,
        end=console.next,
    )
    with console.bar(f"comparing {plan.name}", len(plan.rows) * len(columns)):
        try:
            return run.run(plan, folder, overwrite=overwrite, isolate=isolate, listener=listener)
        except KeyboardInterrupt:
            console.note(f"interrupted; finished cells are kept in {folder}: the same command "
                         "goes on from there")  # fmt: skip
            raise


def _list(plans: dict[str, str]) -> None:
    from rich.table import Table

    table = Table("plan", "what", box=None, pad_edge=False)
    for name, title in plans.items():
        table.add_row(name, title)
    shared.show(table)


def _tell(comparison: Comparison, folder: Path, console: shared.Console) -> None:
    """The rows' means as a table, and where the page is; exit with 1 if anything broke."""
    from rich.table import Table

    from sfumato.compare import page
    from sfumato.compare import table as tables

    rows = tables.lines(comparison)
    measures = tables.known(rows)
    table = Table("way", *(m.label for m in measures), box=None, pad_edge=False)
    for line in rows:
        means = [(m.form, line.mean(m.name)) for m in measures]
        table.add_row(line.row.name, *("–" if v is None else f.format(v) for f, v in means))
    shared.show(table)
    for name, twin in comparison.twins.items():
        console.note(f"note: {name} says the same as {twin}: done once")
    console.note(f"{folder / page.PAGE}: {comparison.done} cells done now")
    failures = [f"{line.row.name}, {name}: {why}" for line in rows for name, why in line.broken]
    shared.report_failures(failures, sum(len(cells) for cells in comparison.cells))
