"""What the commands of ``sfumato inspect`` share: where figures go, and how they are written."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sfumato.cli import _shared as shared
from sfumato.errors import UsageError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from sfumato.types import Alpha, Image

Photo = Annotated[str, typer.Argument(help="A picture.", metavar="PHOTO")]
Json = Annotated[Path | None, typer.Option("--json", help="Write the numbers.", metavar="FILE")]


@dataclass(frozen=True)
class Places:
    """Where the figures go: each to a file of its own, or all to one; and the mask."""

    folder: Path | None
    files: Mapping[str, Path]
    mask: Path | None = None

    @property
    def all(self) -> list[Path]:
        return [*dict.fromkeys(self.files.values()), *([self.mask] if self.mask else [])]


def places_of(
    photo: str, output: str | None, ending: str, names: Sequence[str], mask: bool = False
) -> Places:
    """What ``-o`` means: a folder where it is one, ends like one, or has no ending of a file."""
    from sfumato import files

    if output == files.STREAM:
        raise UsageError("figures need a file or a folder: give one with -o")
    if Path(photo).is_dir():
        raise UsageError(f"{photo} is a folder; give one picture of it")
    stem = "stdin" if photo == files.STREAM else Path(photo).stem
    target = Path(output or Path(photo).with_name(f"{stem}-{ending}.png"))
    if output and (target.is_dir() or output.endswith(("/", "\\")) or not target.suffix):
        each = {name: target / f"{name}.png" for name in names}
        return Places(target, each, target / "mask.png" if mask else None)
    beside = target.with_name(f"{target.stem}-mask.png") if mask else None
    return Places(None, dict.fromkeys(names, target), beside)


def read(photo: str, places: Places, json_file: Path | None, overwrite: bool) -> Image:
    """The photo, once it is sure that everything can be written."""
    from sfumato import files, styles

    if places.folder is None or places.folder.exists():
        for path in places.all:
            files.check_target(path, [photo], overwrite)
    else:
        _check_folder(places.folder)
    if json_file:
        files.check_beside([json_file], [photo, *places.all], overwrite)
    return styles.opaque(files.read(photo))


def _check_folder(folder: Path) -> None:
    there = next(path for path in folder.absolute().parents if path.exists())
    if not (there.is_dir() and os.access(there, os.W_OK | os.X_OK)):
        raise UsageError(f"the folder {folder} cannot be made: {there} is closed, or no folder")


def write(
    pages: Mapping[str, Sequence[Figure]],
    places: Places,
    overwrite: bool,
    console: shared.Console,
    mask: Alpha | None = None,
) -> None:
    """Draw and write the figures, and the mask."""
    from sfumato import files
    from sfumato.inspect import _figures
    from sfumato.io import pictures

    if places.folder is not None:
        places.folder.mkdir(parents=True, exist_ok=True)
    together: dict[Path, list[Figure]] = {}
    for name, figures in pages.items():
        together.setdefault(places.files[name], []).extend(figures)
    for i, (path, figures) in enumerate(together.items()):
        files.write(_figures.picture(figures), path, pictures.QUALITY, overwrite)
        console.at(0.5 + 0.5 * (i + 1) / len(together), "drawing")
    if mask is not None and places.mask is not None:
        pictures.write_alpha(mask, places.mask, overwrite=overwrite)


def write_json(path: Path | None, record: dict[str, Any], overwrite: bool) -> None:
    if path is None:
        return
    import sfumato
    from sfumato.io._files import write_whole

    text = json.dumps({"sfumato": sfumato.__version__, **record}, indent=2, ensure_ascii=False)
    write_whole(path, f"{text}\n".encode(), overwrite=overwrite)


def called(photo: str) -> str:
    return "" if photo == "-" else Path(photo).name
