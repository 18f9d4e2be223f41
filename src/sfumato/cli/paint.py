"""``sfumato paint``: paint regions of photos."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sfumato.cli import _shared as shared
from sfumato.cli._shared import DEFAULT
from sfumato.errors import UsageError
from sfumato.settings import Settings

if TYPE_CHECKING:
    from sfumato.files import Job
    from sfumato.types import Painting


def paint(
    photos: Annotated[
        list[str],
        typer.Argument(help="Pictures, folders of pictures, or - for a pipe.", metavar="PHOTO..."),
    ],
    style: shared.Style = None,
    region: shared.Region = None,
    stylizer: shared.Stylizer = None,
    several: Annotated[
        list[str] | None,
        typer.Option(
            "--paint",
            "-p",
            help="A region and its style; repeatable, later ones over earlier ones.",
            metavar="REGION=STYLE[@STYLIZER]",
        ),
    ] = None,
    style_region: shared.StyleRegions = None,
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            help="File, folder (for several photos), or - for a pipe. (default: NAME-painted.png)",
            metavar="OUT",
        ),
    ] = None,
    segmenter: shared.Segmenter = DEFAULT.segmenter,
    matte: shared.Matte = DEFAULT.matte,
    blend: shared.Blend = DEFAULT.blend,
    strength: shared.Strength = DEFAULT.strength,
    keep_colors: shared.KeepColors = DEFAULT.keep_colors,
    style_scale: shared.StyleScale = DEFAULT.style_scale,
    size: shared.Size = DEFAULT.size,
    seed: shared.Seed = DEFAULT.seed,
    device: shared.Device = DEFAULT.device,
    max_memory: shared.MaxMemory = DEFAULT.max_memory,
    option: shared.Options = None,
    quality: shared.Quality = None,
    manifest: shared.Manifest = None,
    report: Annotated[
        str | None,
        typer.Option(
            "--report",
            help="Print seconds by stage, peak memory and the seam score, and write a page with "
            "pictures, settings and loss curves (default: OUT.html).",
            metavar="[FILE.html]",
        ),
    ] = None,
    preview: Annotated[
        str | None,
        typer.Option(
            "--preview",
            help="While a stylizer optimises, write the picture as it stands here every few "
            "seconds: a file, or a folder for several photos.",
            metavar="FILE",
        ),
    ] = None,
    overwrite: shared.Overwrite = False,
    quiet: shared.Quiet = False,
) -> None:
    """Paint the chosen part of photos in a style, and keep the rest."""
    specs = parse_layers(style, region, stylizer, several)
    settings = Settings(
        segmenter=segmenter, matte=matte, blend=blend, strength=strength, keep_colors=keep_colors,
        style_scale=style_scale, size=size, seed=seed, device=device, max_memory=max_memory,
        options=shared.parse_options(option),
    )  # fmt: skip
    from sfumato import files  # NumPy and OpenCV load here, not for --help
    from sfumato import report as reports
    from sfumato.studio import Studio

    for flag, name in (("--manifest", manifest), ("--report", report)):
        if name and len(photos) > 1:
            raise UsageError(f"several photos need a {flag[2:]} each: {flag} without a file name")
    if report is not None:
        reports.check_installed()
    console = shared.Console(quiet)
    job = files.prepare(specs, style_region or ())
    pairs = files.plan(photos, output, "painted", job.inputs)
    if report == "" and files.STREAM in (target for _, target in pairs):
        raise UsageError("name the page if the result goes through a pipe: --report FILE.html")
    previews = _previews(photos, preview, job)
    studio = Studio(settings, console.download)
    with shared.notes(console, "the style picture"):
        job = job.with_style_regions(studio)

    def work(source: str, target: str) -> bool:
        page = _beside(report, target, ".html")
        painting = files.paint_file(
            source,
            target,
            job,
            studio,
            quality=quality,
            overwrite=overwrite,
            manifest=_beside(manifest, target, ".json"),
            page=page,
            preview=previews.get(source),
            report=console.stage,
            measure=report is not None,
            watch=console.watch,
        )
        if page:
            console.note(_report(target, painting, page))
        if preview and not painting.course:
            console.note(f"note: {target} was painted in one go, so there is no preview of it")
        return shared.interrupted(console, painting)

    shared.each(console, "painting", pairs, work)


def parse_layers(
    style: str | None, region: str | None, stylizer: str | None, several: list[str] | None
) -> list[tuple[str, str, str | None]]:
    """(region, style, stylizer) triples from the options.

    Raises:
        UsageError: both ways of asking, or neither, or a malformed ``--paint``.
    """
    if several and (style or region):
        raise UsageError("use either --style with --region, or --paint 'REGION=STYLE', not both")
    if not several:
        if not style:
            raise UsageError("nothing to paint: give --style STYLE, or --paint 'REGION=STYLE'")
        return [(region or "everything", style, stylizer)]
    return [_parse_layer(text, stylizer) for text in several]


def _parse_layer(text: str, stylizer: str | None) -> tuple[str, str, str | None]:
    from sfumato import registry

    region, equals, style = _at_first_equals(text)
    if not (equals and region.strip() and style.strip()):
        raise UsageError(f"--paint takes REGION=STYLE[@STYLIZER]; got {text!r}")
    path, at, name = style.strip().rpartition("@")
    if at and name in registry.backends("stylize"):  # else the @ belongs to the file's name
        return region.strip(), path, name
    return region.strip(), style.strip(), stylizer


def _at_first_equals(text: str) -> tuple[str, str, str]:
    """Like ``text.partition("=")``, but a quoted path in the region may hold one."""
    quoted = False
    for i, character in enumerate(text):
        quoted ^= character == '"'
        if character == "=" and not quoted:
            return text[:i], "=", text[i + 1 :]
    return text, "", ""


def _beside(asked: str | None, target: str, ending: str) -> Path | None:
    """Where a file about the result goes; an empty name means beside it (main.join_file_names)."""
    return None if asked is None else Path(asked or f"{target}{ending}")


def _previews(photos: list[str], preview: str | None, job: Job) -> dict[str, Path]:
    """Each photo's preview file."""
    from sfumato import files

    if preview is None:
        return {}
    planned = files.plan(photos, preview, "preview", job.inputs, "--preview")
    return {source: Path(target) for source, target in planned}


def _report(target: str, painting: Painting, page: Path) -> str:
    seconds = "  ".join(f"{stage} {s:.2f} s" for stage, s in painting.timings.items())
    seams = "  ".join(f"{region} {score:.2f}" for region, score in painting.seams.items())
    return (
        f"{target}\n  time: {seconds}\n  memory: {_peak_memory()}\n  seam score: {seams}\n"
        f"  page: {page}"
    )


def _peak_memory() -> str:
    try:
        import resource
    except ImportError:  # Windows
        return "unknown"
    import sys

    unit = 1 if sys.platform == "darwin" else 1024  # bytes on macOS, kilobytes on Linux
    return f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6:.0f} MB at most"
