"""``sfumato backends``: what can find, cut, paint and blend."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from sfumato.cli import _shared as shared


def backends(
    as_json: Annotated[bool, typer.Option("--json", help="Everything, with every option.")] = False,
) -> None:
    """List the backends, and how to install the missing ones."""
    from sfumato import registry

    found = [b for kind in registry.KINDS for b in registry.backends(kind).values()]
    if as_json:
        typer.echo(json.dumps([_entry(b) for b in found], indent=2))
        return
    from rich.table import Table

    table = Table("kind", "name", "what it is", "", box=None, pad_edge=False)
    for b in found:
        default = "default" if registry.DEFAULTS[b.kind] == b.name else ""
        table.add_row(b.kind, b.name, b.summary, b.install_line or default)
    shared.show(table)


def _entry(backend: Any) -> dict[str, Any]:
    from sfumato import registry

    return {
        "kind": backend.kind,
        "name": backend.name,
        "summary": backend.summary,
        "default": registry.DEFAULTS[backend.kind] == backend.name,
        "classes": list(backend.classes),
        "weights": list(backend.weights),
        "ready": not backend.missing,
        "install": backend.install_line,
        "options": registry.options_model(backend.kind, backend.name).model_json_schema(),
    }
