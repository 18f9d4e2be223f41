"""``sfumato place``: put the person of a portrait into a painting."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from sfumato.cli import _shared as shared
from sfumato.cli._shared import DEFAULT
from sfumato.errors import UsageError
from sfumato.settings import Settings

if TYPE_CHECKING:
    from sfumato.place.placing import Placed, Placing


def place(
    portrait: Annotated[
        str, typer.Argument(help="Picture of the person, or - for a pipe.", metavar="PORTRAIT")
    ],
    painting: Annotated[str, typer.Argument(help="Picture that they go into.", metavar="PAINTING")],
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            help="File, folder, or - for a pipe. (default: PORTRAIT-placed.png)",
            metavar="OUT",
        ),
    ] = None,
    x: Annotated[
        float | None,
        typer.Option(
            "-x", help="Where the middle of the figure's lower edge goes: 0..1, or pixels."
        ),
    ] = None,
    y: Annotated[
        float | None, typer.Option("-y", help="The same from top to bottom: 0..1, or pixels.")
    ] = None,
    height: Annotated[
        float | None,
        typer.Option(help="Of the figure: share of the painting's height up to 1, or pixels."),
    ] = None,
    anchor: Annotated[
        str | None,
        typer.Option(help="A place by name: bottom, bottom-left, center, …", metavar="NAME"),
    ] = None,
    candidate: Annotated[
        int | None, typer.Option(help="Which of the places found; 1 = the best.", min=1)
    ] = None,
    candidates: Annotated[
        int | None,
        typer.Option(
            help="Look for this many places, and show them side by side (OUT-candidates.png).",
            min=1,
        ),
    ] = None,
    sheet: Annotated[
        Path | None,
        typer.Option(help="Where to show the places that were found.", metavar="FILE"),
    ] = None,
    flip: Annotated[
        bool | None,
        typer.Option(
            "--flip/--no-flip",
            help="Mirror the person. (default: if the light comes from the other side)",
        ),
    ] = None,
    region: Annotated[
        str | None,
        typer.Option(
            "--region",
            "-r",
            help="What to cut out of the portrait; see 'sfumato paint --help'. (default: person)",
            metavar="REGION",
        ),
    ] = None,
    stylizer: shared.Stylizer = None,
    colour: Annotated[
        float | None, typer.Option(help="Colours like those around.", metavar="0..1")
    ] = None,
    manner: Annotated[
        float | None, typer.Option(help="Brush work of the painting.", metavar="0..1")
    ] = None,
    softness: Annotated[
        float | None, typer.Option(help="Edges as soft as the painting's.", metavar="0..1")
    ] = None,
    grain: Annotated[
        float | None, typer.Option(help="Grain and canvas of the painting.", metavar="0..1")
    ] = None,
    shadow: Annotated[
        float | None, typer.Option(help="Shadow at the feet of who stands.", metavar="0..1")
    ] = None,
    fade: Annotated[
        float | None,
        typer.Option(help="Where the photo's border cuts the figure.", metavar="0..1"),
    ] = None,
    retouch: Annotated[
        bool,
        typer.Option("--retouch", help="Optimise the outline at last (gatys; takes minutes)."),
    ] = False,
    strength: Annotated[
        float, typer.Option(help="Of all steps: 0 = just pasted.", metavar="0..1")
    ] = DEFAULT.strength,
    segmenter: shared.Segmenter = DEFAULT.segmenter,
    matte: shared.Matte = DEFAULT.matte,
    blend: shared.Blend = DEFAULT.blend,
    style_scale: shared.StyleScale = DEFAULT.style_scale,
    size: shared.Size = DEFAULT.size,
    seed: shared.Seed = DEFAULT.seed,
    device: shared.Device = DEFAULT.device,
    option: shared.Options = None,
    quality: shared.Quality = None,
    manifest: shared.Manifest = None,
    overwrite: shared.Overwrite = False,
    quiet: shared.Quiet = False,
) -> None:
    """Put the person of a portrait into a painting, in its colours and its manner."""
    settings = Settings(
        segmenter=segmenter, matte=matte, blend=blend, strength=strength, style_scale=style_scale,
        size=size, seed=seed, device=device, options=shared.parse_options(option),
    )  # fmt: skip
    options = chosen(
        x=x, y=y, height=height, anchor=anchor, candidate=candidate,
        candidates=candidates, flip=flip,
        region=region, stylizer=stylizer, colour=colour, manner=manner, softness=softness,
        grain=grain, shadow=shadow, fade=fade, retouch=retouch or None,
    )  # fmt: skip
    from sfumato import files, placing_files
    from sfumato.studio import Studio

    console = shared.Console(quiet)
    studio = Studio(settings, console.download)
    if Path(portrait).is_dir():
        raise UsageError(f"{portrait} is a folder; place one portrait at a time")
    pairs = files.plan([portrait], output, "placed", [Path(painting)])

    def work(source: str, target: str) -> None:
        shown = sheet
        if candidates and shown is None:
            if target == files.STREAM:
                raise UsageError("name the sheet if the result goes through a pipe: --sheet FILE")
            shown = Path(target).with_name(f"{Path(target).stem}-candidates.png")
        placed = placing_files.place_file(
            source,
            painting,
            target,
            studio,
            options,
            quality=quality,
            overwrite=overwrite,
            manifest=None if manifest is None else Path(manifest or f"{target}.json"),
            sheet=shown,
            report=progress(console),
        )
        console.note(_said(placed))

    shared.each(console, "placing", pairs, work)


def chosen(**values: Any) -> Placing:
    """The options that were given.

    Raises:
        UsageError: one is out of bounds, or two do not go together.
    """
    from sfumato import registry
    from sfumato.place.placing import Placing

    given = {name: value for name, value in values.items() if value is not None}
    return cast(Placing, registry.parse_options(Placing, "place", given))


def progress(console: shared.Console) -> Any:
    """Shows the steps of a placement one after the other."""
    from sfumato.place.place import STEPS

    def report(step: str, fraction: float) -> None:
        console.at((STEPS.index(step) + fraction) / len(STEPS), f"placing  {step}")

    return report


def _said(placed: Placed) -> str:
    box = placed.spot.box(placed.figure.aspect)
    x, y = (box.left + box.right) / 2, box.bottom
    turned = ", mirrored" if placed.spot.flip else ""
    seconds = sum(placed.timings.values())
    return (
        f"placed at -x {x:.0f} -y {y:.0f} --height {placed.spot.height:.0f}{turned}"
        f" in {seconds:.1f} s"
    )
