"""What a result was made from and how, as JSON that can be replayed."""

from __future__ import annotations

import json
import platform
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

import sfumato
from sfumato import pipeline
from sfumato.errors import UsageError
from sfumato.io._cache import sha256_of
from sfumato.settings import Settings
from sfumato.types import Painting

LIBRARIES = ("numpy", "opencv-python-headless", "onnxruntime", "pillow", "torch")


class FileRecord(BaseModel, extra="forbid"):
    """A file that took part."""

    path: str
    sha256: str


class LayerRecord(BaseModel, extra="forbid"):
    """One ``region=style@stylizer``; ``file`` is set when the style is a picture file, and
    ``style_region`` when only a part of that picture was learnt from."""

    region: str
    style: str
    stylizer: str | None = None
    file: FileRecord | None = None
    style_region: str | None = None


class Manifest(BaseModel, extra="forbid"):
    """Everything needed to make the same picture again on the same machine, unless the user
    ``interrupted`` its making."""

    sfumato: str
    photo: FileRecord
    layers: list[LayerRecord]
    masks: list[FileRecord] = []
    settings: dict[str, Any]
    quality: int
    output: FileRecord
    weights: dict[str, str]
    timings: dict[str, float] = {}
    libraries: dict[str, str] = {}
    interrupted: bool = False

    def stale(self) -> list[str]:
        """A sentence for every input that is missing or no longer what it was."""
        records = [self.photo, *self.masks, *(r.file for r in self.layers if r.file)]
        return [problem for record in records if (problem := stale(record))]


def make(
    photo: Path,
    layers: Sequence[LayerRecord],
    masks: Sequence[Path],
    painting: Painting,
    quality: int,
    output: Path,
) -> Manifest:
    """The manifest of a painting that has just been written to ``output``."""
    return Manifest(
        sfumato=sfumato.__version__,
        photo=record(photo),
        layers=list(layers),
        masks=[record(mask) for mask in masks],
        settings=painting.settings,
        quality=quality,
        output=record(output),
        weights=painting.weights,
        timings=painting.timings,
        libraries=libraries(),
        interrupted=pipeline.was_interrupted(painting),
    )


def read(path: Path) -> Manifest:
    """Read a manifest.

    Raises:
        UsageError: the file cannot be read or is not a manifest.
    """
    try:
        manifest = Manifest.model_validate_json(path.read_text(encoding="utf-8"))
        Settings(**manifest.settings)
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read the manifest {path}: {error}") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise UsageError(f"{path} is not a manifest: {where}: {first['msg']}") from None
    except TypeError as error:
        raise UsageError(f"{path} is not a manifest of this version: {error}") from None
    return manifest


def text(manifest: Manifest) -> str:
    """The manifest as indented JSON."""
    return json.dumps(manifest.model_dump(), indent=2, ensure_ascii=False) + "\n"


def record(path: Path) -> FileRecord:
    """Absolute path and checksum of a file."""
    return FileRecord(path=str(path.resolve()), sha256=sha256_of(path))


def libraries() -> dict[str, str]:
    """Versions of Python and of the libraries that can change a result."""
    found = {"python": platform.python_version()}
    for name in LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def stale(known: FileRecord) -> str | None:
    """What is wrong if a file is missing or no longer what it was."""
    path = Path(known.path)
    if not path.is_file():
        return f"{path} is gone"
    return None if record(path) == known else f"{path} has changed since"
