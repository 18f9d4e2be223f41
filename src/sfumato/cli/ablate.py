"""``sfumato ablate``: the same photo with different settings, side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sfumato.cli import _shared as shared
from sfumato.cli._shared import DEFAULT
from sfumato.cli.paint import parse_layers
from sfumato.errors import UsageError
from sfumato.settings import Settings

SIZE = 512


def ablate(
    photo: Annotated[str, typer.Argument(help="A picture.", metavar="PHOTO")],
    vary: Annotated[
        list[str],
        typer.Option(
            "--vary",
            help="What to vary: a setting (strength), an option of the stylizer (content_weight) "
            "or of any backend (guided.radius). Once for a row, twice for columns and rows.",
            metavar="NAME=V1,V2,…",
        ),
    ],
    style: shared.Style = None,
    region: shared.Region = None,
    stylizer: shared.Stylizer = "gatys",
    style_region: shared.StyleRegions = None,
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            help="Where to draw the grid. (default: NAME-ablation.png)",
            metavar="GRID",
        ),
    ] = None,
    json_file: Annotated[
        Path | None,
        typer.Option("--json", help="Write losses, seconds and settings.", metavar="FILE"),
    ] = None,
    segmenter: shared.Segmenter = DEFAULT.segmenter,
    matte: shared.Matte = DEFAULT.matte,
    blend: shared.Blend = DEFAULT.blend,
    strength: shared.Strength = DEFAULT.strength,
    keep_colors: shared.KeepColors = DEFAULT.keep_colors,
    style_scale: shared.StyleScale = DEFAULT.style_scale,
    size: shared.Size = SIZE,
    seed: shared.Seed = DEFAULT.seed,
    device: shared.Device = DEFAULT.device,
    max_memory: shared.MaxMemory = DEFAULT.max_memory,
    option: shared.Options = None,
    overwrite: shared.Overwrite = False,
    quiet: shared.Quiet = False,
) -> None:
    """Paint a photo with every combination of some settings, and draw the grid with its losses."""
    specs = parse_layers(style, region, stylizer, None)
    settings = Settings(
        segmenter=segmenter, matte=matte, blend=blend, strength=strength, keep_colors=keep_colors,
        style_scale=style_scale, size=size, seed=seed, device=device, max_memory=max_memory,
        options=shared.parse_options(option),
    )  # fmt: skip
    from sfumato import ablate as recipe
    from sfumato import files

    varied = [recipe.parse(text) for text in vary]
    job = files.prepare(specs, style_region or ())
    cells = recipe.plan(settings, varied, stylizer)
    pairs = files.plan([photo], output, "ablation", job.inputs)
    if len(pairs) != 1:
        raise UsageError(f"ablate takes one photo, and {photo} is a folder of {len(pairs)}")
    console = shared.Console(quiet)
    source, target = pairs[0]
    with console.bar("ablating", len(cells)), shared.notes(console, ""):
        recipe.write(
            source,
            target,
            job,
            cells,
            columns=len(varied[0].values),
            json_file=json_file,
            overwrite=overwrite,
            next_cell=console.next,
            report=console.stage,
            watch=console.watch,
            download=console.download,
        )
