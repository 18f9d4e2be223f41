"""Jobs on files: read, paint or cut, write; shared by the command line and the server."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

import numpy as np

from sfumato import manifest as manifests
from sfumato import pipeline, regions, registry, styles
from sfumato import preview as previews
from sfumato import report as reports
from sfumato.errors import PictureError, UsageError
from sfumato.io import pictures
from sfumato.io._files import check_writable, write_whole
from sfumato.io.icc import quantise, unit
from sfumato.io.pictures import Picture
from sfumato.manifest import LayerRecord, Manifest
from sfumato.pipeline import Layer, Report
from sfumato.settings import Settings
from sfumato.studio import Studio
from sfumato.types import Alpha, Painting, Watch

READABLE = frozenset(
    f".{suffix}"
    for suffix in (
        "avif bmp gif heic heif jp2 jpeg jpg png ppm tif tiff webp".split()  # noqa: SIM905
    )
)
"""Endings by which a folder's pictures are told from its other files."""

STREAM = "-"
"""Stands for standard input as a photo, and standard output as a target."""


@dataclass(frozen=True)
class Job:
    """Layers ready to paint, with the records that a manifest needs."""

    layers: tuple[Layer, ...]
    records: tuple[LayerRecord, ...]
    masks: tuple[Path, ...]

    @property
    def inputs(self) -> tuple[Path, ...]:
        """Style and mask files, which no output may overwrite."""
        styles_ = tuple(Path(r.file.path) for r in self.records if r.file)
        return styles_ + self.masks

    def with_style_regions(self, studio: Studio) -> Job:
        """The job with its style regions found, once for all photos.

        Raises:
            SfumatoError: see :func:`sfumato.pipeline.with_style_regions`.
        """
        return replace(self, layers=tuple(pipeline.with_style_regions(self.layers, studio)))


def prepare(
    specs: Sequence[tuple[str, str, str | None]], style_regions: Sequence[str | None] = ()
) -> Job:
    """Read regions and styles once, before any photo.

    Args:
        specs: (region, style, stylizer) triples.
        style_regions: which part of the style pictures to learn from: one for all layers, or one
            for each.

    Raises:
        UsageError: a region or style is wrong, or there is none.
        PictureError: a style or mask file is not a picture.
    """
    if not specs:
        raise UsageError("nothing to paint: give --style STYLE, or --paint 'REGION=STYLE'")
    layers, records, masks = [], [], []
    parts = _one_each(style_regions, len(specs))
    for (region, spec, stylizer), part in zip(specs, parts, strict=True):
        masks += [mask for text in (region, part) if text is not None for mask in masks_of(text)]
        style = styles.resolve(spec)
        layers.append(layer := Layer(region, style, stylizer, part))
        file = None if styles.is_built_in(spec) else manifests.record(Path(spec))
        records.append(
            LayerRecord(
                region=lasting(region),
                style=spec,
                stylizer=stylizer,
                file=file,
                style_region=None if part is None else lasting(part),
            )
        )
        registry.find("stylize", layer.painter)
    for mask in masks:
        pictures.read_mask(mask)  # a bad mask is no fault of any one photo: say so at once
    return Job(tuple(layers), tuple(records), tuple(masks))


def paint_file(
    source: str | Path,
    target: str | Path,
    job: Job,
    studio: Studio,
    *,
    quality: int | None = None,
    overwrite: bool = False,
    manifest: Path | None = None,
    page: Path | None = None,
    preview: Path | None = None,
    report: Report | None = None,
    measure: bool = False,
    watch: Watch | None = None,
) -> Painting:
    """Paint one photo file (or ``-``) to another.

    Args:
        source, target: the photo, and where the result goes.
        job, studio: what to paint, and what with.
        quality: of JPEG and WebP.
        overwrite: whether files that exist may be replaced.
        manifest, page: where to write down what was done, as JSON and as HTML.
        preview: where to write the picture as it stands, every few seconds of an optimisation.
        report, measure, watch: see :func:`sfumato.pipeline.paint`.

    Raises:
        SfumatoError: with one clear sentence; then no result has been written.
    """
    check_target(target, [source, *job.inputs], overwrite)
    if manifest and STREAM in (str(source), str(target)):
        raise UsageError("a manifest needs files, not pipes: it names them to replay them")
    beside = [path for path in (manifest, page, preview) if path]
    check_beside(beside, [source, target, *job.inputs], overwrite)
    if preview:
        pictures.check_target(preview, overwrite=overwrite)
        watch = previews.beside(watch, preview, overwrite=overwrite)
    if page:
        reports.check_installed()
    quality = quality or pictures.QUALITY
    picture = read(source)
    photo = styles.opaque(picture)
    painting = pipeline.paint(
        photo, job.layers, studio=studio, report=report, measure=measure, watch=watch
    )
    painted = pictures.repaint(picture, painting.image, painting.matte.alpha > 0)
    write(_show(painted, painting.matte.alpha, job.layers), target, quality, overwrite)
    if manifest:
        made = manifests.make(Path(source), job.records, job.masks, painting, quality, Path(target))
        write_whole(manifest, manifests.text(made).encode(), overwrite=overwrite)
    if page:
        title = f"{Path(source).name} → {Path(target).name}"
        html = reports.page(painting, photo=photo, layers=job.layers, title=title)
        write_whole(page, html.encode(), overwrite=overwrite)
    return painting


def replay(
    manifest: Manifest,
    target: Path,
    *,
    overwrite: bool = False,
    report: Report | None = None,
    watch: Watch | None = None,
    download: Callable[[str, int, int], None] | None = None,
) -> Painting:
    """Make a manifest's picture again.

    Raises:
        UsageError: an input is gone or has changed.
        SfumatoError: as for :func:`paint_file`.
    """
    if stale := manifest.stale():
        raise UsageError(f"cannot replay: {'; '.join(stale)}")
    job = prepare(
        [(r.region, r.file.path if r.file else r.style, r.stylizer) for r in manifest.layers],
        [r.style_region for r in manifest.layers],
    )
    studio = Studio(Settings(**manifest.settings), download)
    return paint_file(
        manifest.photo.path, target, job, studio,
        quality=manifest.quality, overwrite=overwrite, report=report, watch=watch,
    )  # fmt: skip


def cut_file(
    source: str | Path,
    target: str | Path,
    region: str,
    studio: Studio,
    *,
    mask_only: bool = False,
    overwrite: bool = False,
) -> None:
    """Cut a region out of a photo file: RGBA, or with ``mask_only`` the alpha as a grey picture.

    Raises:
        SfumatoError: with one clear sentence; then nothing has been written.
    """
    check_target(target, [source, *masks_of(region)], overwrite)
    picture = read(source)
    matte = pipeline.cut(styles.opaque(picture), region, studio=studio)
    alpha = matte.alpha
    if picture.alpha is not None:
        alpha = alpha * unit(picture.alpha)
    if mask_only:
        pictures.write_alpha(alpha, _stream(target), overwrite=overwrite)
        return
    soft = (alpha > 0) & (alpha < 1)  # solid pixels keep the photo's own bytes
    cutout = pictures.repaint(picture, matte.foreground, soft)
    write(with_alpha(cutout, alpha), target, pictures.QUALITY, overwrite)


def read(source: str | Path) -> Picture:
    """Read a picture file, or standard input for ``-``."""
    if str(source) == STREAM:
        return pictures.read(sys.stdin.buffer)
    return pictures.read(source)


def write(picture: Picture, target: str | Path, quality: int, overwrite: bool) -> None:
    """Write a picture file, or PNG to standard output for ``-``."""
    pictures.write(picture, _stream(target), quality=quality, overwrite=overwrite)


def plan(
    photos: Sequence[str],
    output: str | None,
    ending: str,
    others: Iterable[Path] = (),
    flag: str = "-o",
) -> list[tuple[str, str]]:
    """Which photo goes where: (source, target) pairs, folders replaced by their pictures.

    One photo: ``output`` itself, or inside it if it is a folder. A folder or several photos:
    inside the folder ``output``, which is made, under their own names. No output: beside the
    photo, ``NAME-ending.png``.

    Args:
        photos: files, folders, or ``-``.
        output: what the user asked for.
        ending: for names of our own making.
        others: further inputs that no result may overwrite.
        flag: how the user asked, for the errors.

    Raises:
        UsageError: a folder is empty, ``output`` does not fit, or files would collide.
        PictureError: the folder cannot be made.
    """
    sources = _expand(photos)
    batch = len(photos) > 1 or sources != photos  # a folder of one is a batch too
    targets = _targets(sources, output, ending, batch, flag)
    taken = {Path(source).resolve() for source in sources if source != STREAM}
    taken |= {path.resolve() for path in others}
    for target in targets:
        if target != STREAM and Path(target).resolve() in taken:
            raise UsageError(f"{target} is an input; choose another name or folder with {flag}")
    if batch and output:
        _make_folder(output)
    return list(zip(sources, targets, strict=True))


def check_target(target: str | Path, inputs: Iterable[str | Path], overwrite: bool) -> None:
    """Refuse a target that cannot be written, exists, or is an input, before any work is done.

    Raises:
        UsageError, PictureError: saying what is in the way.
    """
    if str(target) == STREAM:
        return
    for source in inputs:
        if str(source) != STREAM and pictures.same_file(source, target):
            raise UsageError(f"{target} is an input; choose another name with -o")
    pictures.check_target(target, overwrite=overwrite)


def _one_each(style_regions: Sequence[str | None], count: int) -> Sequence[str | None]:
    if len(style_regions) <= 1:
        return (list(style_regions) or [None]) * count
    if len(style_regions) != count:
        raise UsageError(
            f"give --style-region once, or once for each of the {count} regions; "
            f"got {len(style_regions)}"
        )
    return style_regions


def lasting(region: str) -> str:
    """The region written so that its mask files are found from any folder."""
    parsed = regions.parse(region)
    return str(regions.with_files(parsed, lambda path: str(Path(path).resolve())))


def check_beside(paths: Sequence[Path], others: Sequence[str | Path], overwrite: bool) -> None:
    """Refuse files beside the result that cannot be written, or that another file has the name of.

    Args:
        paths: what will be written besides the result.
        others: the result, and the inputs.
        overwrite: whether files that exist may be replaced.

    Raises:
        UsageError, PictureError: saying what is in the way.
    """
    for i, path in enumerate(paths):
        if str(path) == STREAM:
            raise UsageError("only the result fits through a pipe; give the rest file names")
        if any(pictures.same_file(path, other) for other in [*others, *paths[:i]]):
            raise UsageError(f"{path} has another part in this job; choose another name")
        check_writable(path, overwrite=overwrite)


def _expand(photos: Sequence[str]) -> list[str]:
    """Photos with folders replaced by the pictures in them, in order, each once."""
    found: dict[str, None] = {}
    for photo in photos:
        path = Path(photo)
        if photo != STREAM and path.is_dir():
            inside = [str(p) for p in sorted(path.iterdir()) if _looks_like_picture(p)]
            if not inside:
                raise UsageError(f"there are no pictures in the folder {photo}")
            found.update(dict.fromkeys(inside))
        else:
            found[photo] = None
    return list(found)


def _targets(
    photos: Sequence[str], output: str | None, ending: str, batch: bool, flag: str
) -> list[str]:
    if output == STREAM and len(photos) > 1:
        raise UsageError(f"only one picture fits through a pipe; give a folder with {flag}")
    if output == STREAM or (output is None and photos == [STREAM]):
        return [STREAM]
    if output is not None and not batch and not _is_folder(output):
        return [output]
    if output is not None and Path(output).is_file():
        raise UsageError(f"a batch needs a folder after {flag}, but {output} is a file")
    results = [_target(photo, output, ending) for photo in photos]
    if len(set(results)) < len(results):
        twice = next(r for r in results if results.count(r) > 1)
        raise UsageError(f"two photos would both be written to {twice}; paint them separately")
    return results


def _make_folder(folder: str) -> None:
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise PictureError(f"the folder {folder} cannot be made: {reason}") from None


def _target(photo: str, folder: str | None, ending: str) -> str:
    stem = "stdin" if photo == STREAM else Path(photo).stem
    if folder is None:
        return str(Path(photo).with_name(f"{stem}-{ending}.png"))
    return str(Path(folder) / f"{stem}.png")


def masks_of(region: str) -> list[Path]:
    """The mask files that a region names."""
    leaves = regions.leaves(regions.parse(region))
    return [Path(leaf.path) for leaf in leaves if isinstance(leaf, regions.File)]


def _is_folder(output: str) -> bool:
    return Path(output).is_dir() or output.endswith(("/", "\\"))


def _show(picture: Picture, alpha: Alpha, layers: Sequence[Layer]) -> Picture:
    """Paint on a transparent place shows; painting everything keeps the picture's outline."""
    if picture.alpha is None or all(layer.region.strip() == "everything" for layer in layers):
        return picture
    return with_alpha(picture, np.maximum(unit(picture.alpha), alpha))


def with_alpha(picture: Picture, alpha: Alpha) -> Picture:
    """The picture with this transparency, at its own depth."""
    return replace(picture, alpha=quantise(alpha, picture.native.dtype))


def _stream(target: str | Path) -> str | Path | BinaryIO:
    return sys.stdout.buffer if str(target) == STREAM else target


def _looks_like_picture(path: Path) -> bool:
    return path.is_file() and path.suffix.lower() in READABLE and path.name[0] != "."
