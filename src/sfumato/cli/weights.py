"""``sfumato weights``: pretrained files."""

from __future__ import annotations

from typing import Annotated

import typer

from sfumato.cli import _shared as shared
from sfumato.errors import WeightsError

app = typer.Typer(help="List, fetch and verify pretrained weights.", no_args_is_help=True)

Names = Annotated[
    list[str] | None, typer.Argument(help="Default: all that are free to use.", metavar="[NAME]...")
]


@app.command("list")
def list_() -> None:
    """Every weights file: what it feeds, its licence, and whether it is here."""
    from rich.table import Table

    from sfumato.io import weights

    table = Table("name", "feeds", "MB", "licence", "here", box=None, pad_edge=False)
    for name, entry in weights.entries().items():
        where = weights.status(name)
        table.add_row(
            name,
            " ".join(entry.feeds),
            f"{entry.size / 1e6:.1f}",
            entry.licence,
            str(where.path or where.state),
        )
    shared.show(table)


@app.command()
def fetch(names: Names = None, quiet: shared.Quiet = False) -> None:
    """Fetch weights into the cache ahead of time."""
    from sfumato.io import weights

    console = shared.Console(quiet)
    wanted = names or [n for n, entry in weights.entries().items() if not entry.restricted]
    failures = []
    with console.bar("fetching", len(wanted)):
        for name in wanted:
            try:
                path = weights.fetch(name, console.download, allow_restricted=bool(names))
                typer.echo(f"{name}: {path}")
            except WeightsError as error:
                failures.append(str(error))
            console.next()
    shared.report_failures(failures, len(wanted))


@app.command()
def verify(names: Names = None) -> None:
    """Hash the weights that are here and compare with their known checksums."""
    from sfumato.io import weights

    here = names or [n for n in weights.entries() if weights.status(n).path]
    wrong = 0
    for name in here:
        try:
            typer.echo(f"{name}: ok, {weights.verify(name)}")
        except WeightsError as error:
            wrong += 1
            typer.echo(f"{name}: {error}")
    typer.echo(f"{len(here) - wrong} right, {wrong} wrong or missing")
    if wrong:
        raise typer.Exit(1)
