"""Placements on files: a portrait and a painting in, the painting with the figure out."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ValidationError

import sfumato
from sfumato import files, regions, sheets, styles
from sfumato import manifest as manifests
from sfumato.errors import UsageError
from sfumato.io import pictures
from sfumato.io._files import write_whole
from sfumato.io.icc import unit
from sfumato.io.pictures import Picture
from sfumato.manifest import FileRecord
from sfumato.ops.resize import fit
from sfumato.pipeline import Report
from sfumato.place.figure import Spot
from sfumato.place.place import place
from sfumato.place.placing import Placed, Placing
from sfumato.settings import Settings
from sfumato.studio import Studio
from sfumato.types import Image

SHEET_SIDE = 2 * sheets.TILE
"""Longer side in pixels at which candidates are shown."""

SHEET_COLUMNS = 3


class PlacingManifest(BaseModel, extra="forbid"):
    """Everything needed to make the same placement again on the same machine."""

    sfumato: str
    portrait: FileRecord
    painting: FileRecord
    masks: list[FileRecord] = []
    options: Placing
    settings: dict[str, Any]
    quality: int
    output: FileRecord
    weights: dict[str, str]
    timings: dict[str, float] = {}
    libraries: dict[str, str] = {}

    @property
    def interrupted(self) -> bool:
        """A placement is made whole or not at all."""
        return False


def place_file(
    portrait: str | Path,
    painting: str | Path,
    target: str | Path,
    studio: Studio,
    options: Placing | None = None,
    *,
    quality: int | None = None,
    overwrite: bool = False,
    manifest: Path | None = None,
    sheet: Path | None = None,
    report: Report | None = None,
) -> Placed:
    """Place the figure of one picture file (or ``-``) into another.

    Args:
        portrait, painting, target: the two pictures, and where the result goes; it has the
            painting's size, depth and profile, and its very pixels where nothing was changed.
        studio, options: how; see :func:`sfumato.place.place.place`.
        quality: of JPEG and WebP.
        overwrite: whether files that exist may be replaced.
        manifest: where to write down what was done, as JSON.
        sheet: where to show all the places that were found, side by side.
        report: see :func:`sfumato.place.place.place`.

    Raises:
        SfumatoError: with one clear sentence; then no result has been written.
    """
    options = options or Placing()
    masks = files.masks_of(options.region)
    check_files(portrait, painting, target, masks, manifest, sheet, overwrite)
    if sheet and options.named:
        raise UsageError("candidates are looked for; leave out -x, -y and --anchor")
    quality = quality or pictures.QUALITY
    ground = files.read(painting)
    placed = place(
        styles.opaque(source := files.read(portrait)), styles.opaque(ground), studio=studio,
        options=_without_see_through(options, portrait, source), report=report,
    )  # fmt: skip
    files.write(_laid_over(ground, placed), target, quality, overwrite)
    if sheet:
        shown = pictures.from_image(candidates(ground.image, placed, studio, options))
        pictures.write(shown, sheet, quality=quality, overwrite=overwrite)
    if manifest:
        made = PlacingManifest(
            sfumato=sfumato.__version__,
            portrait=manifests.record(Path(portrait)),
            painting=manifests.record(Path(painting)),
            masks=[manifests.record(mask) for mask in masks],
            options=options.model_copy(update={"region": files.lasting(options.region)}),
            settings=placed.settings,
            quality=quality,
            output=manifests.record(Path(target)),
            weights=placed.weights,
            timings=placed.timings,
            libraries=manifests.libraries(),
        )
        text = json.dumps(made.model_dump(), indent=2, ensure_ascii=False) + "\n"
        write_whole(manifest, text.encode(), overwrite=overwrite)
    return placed


def check_files(
    portrait: str | Path,
    painting: str | Path,
    target: str | Path,
    masks: Sequence[Path],
    manifest: Path | None,
    sheet: Path | None,
    overwrite: bool,
) -> None:
    """Refuse, before any work is done, what cannot be read or written.

    Raises:
        UsageError, PictureError: saying what is in the way.
    """
    if files.STREAM == str(portrait) == str(painting):
        raise UsageError("only one of the portrait and the painting can come through a pipe")
    inputs = [portrait, painting, *masks]
    files.check_target(target, inputs, overwrite)
    if manifest and files.STREAM in (str(portrait), str(painting), str(target)):
        raise UsageError("a manifest needs files, not pipes: it names them to replay them")
    beside = [path for path in (manifest, sheet) if path]
    files.check_beside(beside, [*inputs, target], overwrite)
    if sheet:
        pictures.check_target(sheet, overwrite=overwrite)


def candidates(painting: Image, placed: Placed, studio: Studio, options: Placing) -> Image:
    """A contact sheet of all places that were found, numbered from the best.

    Args:
        painting: float32 ``[H, W, 3]``, sRGB, 0..1.
        placed: what was found.
        studio, options: how each is painted.

    Returns:
        float32 ``[h, w, 3]``, sRGB, 0..1.
    """
    small = fit(painting, SHEET_SIDE)
    scale = small.shape[0] / painting.shape[0]
    tiles, labels = [], []
    for number, spot in enumerate(placed.candidates, 1):
        shown = place(
            small, small, spot=_scaled(spot, scale), figure=placed.figure, options=options,
            studio=studio,
        )  # fmt: skip
        tiles.append(sheets.framed(shown.image))
        labels.append(f"{number}: {spot.score:.2f}")
    return sheets.grid(tiles, labels, SHEET_COLUMNS)


def read_manifest(path: Path) -> PlacingManifest | None:
    """A placement's manifest; None if the file is something else.

    Raises:
        UsageError: it is one, but a broken one.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(data, dict) or "portrait" not in data:
        return None
    try:
        manifest = PlacingManifest.model_validate(data)
        Settings(**manifest.settings)
    except (ValidationError, TypeError) as error:
        reason = str(error).splitlines()[0]
        raise UsageError(f"{path} is not a manifest of this version: {reason}") from None
    return manifest


def replay(
    manifest: PlacingManifest,
    target: Path,
    *,
    overwrite: bool = False,
    report: Report | None = None,
    download: Callable[[str, int, int], None] | None = None,
) -> Placed:
    """Make a placement again.

    Raises:
        UsageError: an input is gone or has changed.
        SfumatoError: as for :func:`place_file`.
    """
    inputs = [manifest.portrait, manifest.painting, *manifest.masks]
    if stale := [problem for record in inputs if (problem := manifests.stale(record))]:
        raise UsageError(f"cannot replay: {'; '.join(stale)}")
    return place_file(
        manifest.portrait.path, manifest.painting.path, target,
        Studio(Settings(**manifest.settings), download), manifest.options,
        quality=manifest.quality, overwrite=overwrite, report=report,
    )  # fmt: skip


def _without_see_through(options: Placing, portrait: str | Path, picture: Picture) -> Placing:
    """What a cut-out has left out already is no part of the figure."""
    if picture.alpha is None or '"' in str(portrait) or str(portrait) == files.STREAM:
        return options
    region = f'({options.region}) & file:"{portrait}"'
    regions.parse(region)
    return options.model_copy(update={"region": region})


def _laid_over(painting: Picture, placed: Placed) -> Picture:
    """The painting's file with what was changed; the figure shows on transparent places too."""
    changed = (placed.image != styles.opaque(painting)).any(2)
    result = pictures.repaint(painting, placed.image, changed)
    if painting.alpha is None:
        return result
    return files.with_alpha(result, np.maximum(unit(painting.alpha), placed.matte.alpha))


def _scaled(spot: Spot, scale: float) -> Spot:
    return replace(spot, left=scale * spot.left, top=scale * spot.top, height=scale * spot.height)
