"""``sfumato cut``: cut regions out of photos."""

from __future__ import annotations

from typing import Annotated

import typer

from sfumato.cli import _shared as shared
from sfumato.cli._shared import DEFAULT
from sfumato.settings import Settings


def cut(
    photos: Annotated[
        list[str],
        typer.Argument(help="Pictures, folders of pictures, or - for a pipe.", metavar="PHOTO..."),
    ],
    region: Annotated[
        str,
        typer.Option(
            "--region", "-r", help="What to cut out; see 'sfumato paint --help'.", metavar="REGION"
        ),
    ] = "person",
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            help="File, folder (for several photos), or - for a pipe. (default: NAME-cut.png)",
            metavar="OUT",
        ),
    ] = None,
    mask: Annotated[
        bool, typer.Option("--mask", help="Write the alpha alone, as a grey picture.")
    ] = False,
    segmenter: shared.Segmenter = DEFAULT.segmenter,
    matte: shared.Matte = DEFAULT.matte,
    size: shared.Size = DEFAULT.size,
    seed: shared.Seed = DEFAULT.seed,
    device: shared.Device = DEFAULT.device,
    option: shared.Options = None,
    overwrite: shared.Overwrite = False,
    quiet: shared.Quiet = False,
) -> None:
    """Cut the chosen part out: RGBA with the old background's colours removed from the edges."""
    settings = Settings(
        segmenter=segmenter, matte=matte, size=size, seed=seed, device=device,
        options=shared.parse_options(option),
    )  # fmt: skip
    from sfumato import files
    from sfumato.studio import Studio

    console = shared.Console(quiet)
    pairs = files.plan(photos, output, "mask" if mask else "cut")
    studio = Studio(settings, console.download)

    def work(source: str, target: str) -> None:
        files.cut_file(source, target, region, studio, mask_only=mask, overwrite=overwrite)

    shared.each(console, "cutting", pairs, work)
