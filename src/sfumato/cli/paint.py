"""``sfumato paint``: paint regions of photos."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sfumato.cli import _shared as shared
from sfumato.cli._shared import DEFAULT
from sfumato.errors import UsageError
from sfumato.settings import BLENDS, Settings

if TYPE_CHECKING:
    from sfumato.types import Painting


def paint(
    photos: Annotated[
        list[str],
        typer.Argument(help="Pictures, folders of pictures, or - for a pipe.", metavar="PHOTO..."),
    ],
    style: Annotated[
        str | None,
        typer.Option(
            "--style",
            "-s",
            help="A picture file or a built-in name ('sfumato styles').",
            metavar="STYLE",
        ),
    ] = None,
    region: Annotated[
        str | None,
        typer.Option(
            "--region",
            "-r",
            help="What to paint: person, background, box:x0,y0,x1,y1, cluster:k/n, file:MASK, "
            "everything; joined with + & - not. (default: everything)",
            metavar="REGION",
        ),
    ] = None,
    stylizer: Annotated[
        str | None, typer.Option(help="Backend that paints ('sfumato backends').", metavar="NAME")
    ] = None,
    several: Annotated[
        list[str] | None,
        typer.Option(
            "--paint",
            "-p",
            help="A region and its style; repeatable, later ones over earlier ones.",
            metavar="REGION=STYLE[@STYLIZER]",
        ),
    ] = None,
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
    blend: Annotated[
        str, typer.Option(help=f"{'|'.join(BLENDS)}.", metavar="NAME")
    ] = DEFAULT.blend,
    strength: Annotated[
        float, typer.Option(help="0 = the photo, 1 = the painting.", metavar="0..1")
    ] = DEFAULT.strength,
    keep_colors: Annotated[
        bool, typer.Option("--keep-colors", help="Keep the photo's own colours.")
    ] = DEFAULT.keep_colors,
    style_scale: Annotated[
        float, typer.Option(help="Size of the strokes, 0.25 to 4.")
    ] = DEFAULT.style_scale,
    size: shared.Size = DEFAULT.size,
    seed: shared.Seed = DEFAULT.seed,
    device: shared.Device = DEFAULT.device,
    option: shared.Options = None,
    quality: Annotated[
        int | None, typer.Option(help="Of JPEG and WebP output, 1 to 100.", min=1, max=100)
    ] = None,
    manifest: Annotated[
        str | None,
        typer.Option(
            "--manifest",
            help="Write down what was done, for 'sfumato replay' (default: OUT.json).",
            metavar="[FILE.json]",
        ),
    ] = None,
    report: Annotated[
        bool,
        typer.Option("--report", help="Print seconds by stage, peak memory and the seam score."),
    ] = False,
    overwrite: shared.Overwrite = False,
    quiet: shared.Quiet = False,
) -> None:
    """Paint the chosen part of photos in a style, and keep the rest."""
    specs = parse_layers(style, region, stylizer, several)
    settings = Settings(
        segmenter=segmenter, matte=matte, blend=blend, strength=strength, keep_colors=keep_colors,
        style_scale=style_scale, size=size, seed=seed, device=device,
        options=shared.parse_options(option),
    )  # fmt: skip
    from sfumato import files  # NumPy and OpenCV load here, not for --help
    from sfumato.studio import Studio

    if manifest and len(photos) > 1:
        raise UsageError("several photos need a manifest each: --manifest without a file name")
    console = shared.Console(quiet)
    job = files.prepare(specs)
    pairs = files.plan(photos, output, "painted", job.inputs)
    studio = Studio(settings, console.download)

    def work(source: str, target: str) -> None:
        painting = files.paint_file(
            source,
            target,
            job,
            studio,
            quality=quality,
            overwrite=overwrite,
            manifest=_manifest(manifest, target),
            report=console.stage,
            measure=report,
        )
        if report:
            console.note(_report(target, painting))

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


def _manifest(asked: str | None, target: str) -> Path | None:
    """Where the manifest goes; an empty name means beside the result (see main.join_manifest)."""
    return None if asked is None else Path(asked or f"{target}.json")


def _report(target: str, painting: Painting) -> str:
    seconds = "  ".join(f"{stage} {s:.2f} s" for stage, s in painting.timings.items())
    seams = "  ".join(f"{region} {score:.2f}" for region, score in painting.seams.items())
    return f"{target}\n  time: {seconds}\n  memory: {_peak_memory()}\n  seam score: {seams}"


def _peak_memory() -> str:
    try:
        import resource
    except ImportError:  # Windows
        return "unknown"
    import sys

    unit = 1 if sys.platform == "darwin" else 1024  # bytes on macOS, kilobytes on Linux
    return f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6:.0f} MB at most"
