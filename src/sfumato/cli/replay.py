"""``sfumato replay``: make a manifest's picture again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sfumato.cli import _shared as shared

if TYPE_CHECKING:
    from sfumato.manifest import Manifest


def replay(
    manifest: Annotated[
        Path,
        typer.Argument(help="A file written by 'sfumato paint --manifest'.", metavar="MANIFEST"),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="Where to write. (default: the manifest's own output)",
            metavar="OUT",
        ),
    ] = None,
    overwrite: shared.Overwrite = False,
    quiet: shared.Quiet = False,
) -> None:
    """Make the same picture again from its manifest."""
    from sfumato import files
    from sfumato import manifest as manifests

    record = manifests.read(manifest)
    target = str(output or record.output.path)
    console = shared.Console(quiet)

    def work(_: str, target: str) -> bool:
        painting = files.replay(
            record,
            Path(target),
            overwrite=overwrite,
            report=console.stage,
            watch=console.watch,
            download=console.download,
        )
        return shared.interrupted(console, painting)

    shared.each(console, "replaying", [(str(manifest), target)], work)
    if manifests.record(Path(target)).sha256 == record.output.sha256:
        console.note(f"{target}: the same picture, byte for byte")
    else:
        console.note(
            f"{target}: differs from the recorded picture ({_why(record, manifests.libraries())})"
        )


def _why(record: Manifest, now: dict[str, str]) -> str:
    if record.interrupted:
        return "the recorded one was interrupted before its end"
    changed = [f"{n} {v} -> {now.get(n)}" for n, v in record.libraries.items() if now.get(n) != v]
    return ", ".join(changed) or "another machine or another file format?"
