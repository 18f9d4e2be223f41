"""``sfumato styles``: the built-in styles."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sfumato.cli import _shared as shared


def styles(
    names: Annotated[
        bool, typer.Option("--names", help="One name a line, the best default first.")
    ] = False,
    sheet: Annotated[
        Path | None,
        typer.Option("--sheet", help="Draw every style into one picture.", metavar="FILE"),
    ] = None,
    photo: Annotated[
        str | None,
        typer.Option(
            "--photo", help="With --sheet: paint this photo in every style.", metavar="PHOTO"
        ),
    ] = None,
    overwrite: shared.Overwrite = False,
    quiet: shared.Quiet = False,
) -> None:
    """Show the built-in styles."""
    from sfumato import styles as library

    if sheet:
        from sfumato import sheets

        console = shared.Console(quiet)
        count = len(library.catalogue())
        with console.bar("drawing", count):
            sheets.write(sheet, photo, overwrite, console.next, console.download)
        return
    if names:
        typer.echo("\n".join(style.name for style in library.catalogue()))
        return
    from rich.table import Table

    table = Table("style", "how it looks", "painted by", box=None, pad_edge=False)
    for style in library.catalogue():
        own = ", johnson" if library.own_net(style.name) else ""
        table.add_row(style.name, style.description, style.net or f"any stylizer{own}")
    shared.show(table)
