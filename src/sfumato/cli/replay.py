"""``sfumato replay``: make a manifest's picture again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sfumato.cli import _shared as shared
from sfumato.cli.place import progress

if TYPE_CHECKING:
    from sfumato.manifest import Manifest
    from sfumato.placing_files import PlacingManifest


def replay(
    manifest: Annotated[
        Path,
        typer.Argument(
            help="A file written by 'paint --manifest' or 'place --manifest'.", metavar="MANIFEST"
        ),
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
    from sfumato import files, placing_files
    from sfumato import manifest as manifests

    record = placing_files.read_manifest(manifest) or manifests.read(manifest)
    target = str(output or record.output.path)
    console = shared.Console(quiet)

    def work(_: str, target: str) -> bool:
        if isinstance(record, placing_files.PlacingManifest):
            placing_files.replay(
                record,
                Path(target),
                overwrite=overwrite,
                report=progress(console),
                download=console.download,
            )
            return False
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


def _why(record: Manifest | PlacingManifest, now: dict[str, str]) -> str:
    if record.interrupted:
        return "the recorded one was interrupted before its end"
    changed = [f"{n} {v} -> {now.get(n)}" for n, v in record.libraries.items() if now.get(n) != v]
    return ", ".join(changed) or "another machine or another file format?"
