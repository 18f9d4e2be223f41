"""``sfumato inspect clusters`` and ``sfumato inspect grabcut``: how regions are found."""

from __future__ import annotations

from typing import Annotated

import typer

from sfumato.cli import _pages
from sfumato.cli import _shared as shared
from sfumato.cli._pages import Json, Photo
from sfumato.cli._shared import DEFAULT
from sfumato.settings import Settings

Size = Annotated[
    int, typer.Option(help="Longer side in pixels at which regions are found, as in 'paint'.")
]


def clusters(
    photo: Photo,
    k: Annotated[
        str, typer.Option("-k", help="How many clusters: 2..8, 4 or 2,4,6.", metavar="K")
    ] = "2..8",
    space: Annotated[
        str, typer.Option(help="Colours as the eye parts them (lab), or as stored (rgb).")
    ] = "lab",
    position: Annotated[
        float, typer.Option(help="How much it counts where a pixel lies.", metavar="0..1")
    ] = 0.0,
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            help="A folder for overview.png, k2.png, ..., or a file for all in one. "
            "(default: NAME-clusters.png)",
            metavar="DIR|FILE",
        ),
    ] = None,
    json_file: Json = None,
    size: Size = DEFAULT.size,
    seed: shared.Seed = DEFAULT.seed,
    option: shared.Options = None,
    overwrite: shared.Overwrite = False,
    quiet: shared.Quiet = False,
) -> None:
    """Split a photo into clusters of colour, and see how many there should be."""
    options = shared.parse_options(option)
    chosen = {"space": space, "position": position, **options.get("kmeans", {})}
    settings = Settings(size=size, seed=seed, options={**options, "kmeans": chosen})
    from sfumato.inspect import _figures
    from sfumato.inspect import clusters as recipe

    _figures.check_installed()
    counts = recipe.parse_counts(k)
    names = ("overview", *(f"k{count}" for count in counts))
    places = _pages.places_of(photo, output, "clusters", names)
    image = _pages.read(photo, places, json_file, overwrite)
    console = shared.Console(quiet)
    with console.bar("clustering", 1):
        found = recipe.inspect(
            image, counts, settings, progress=lambda done: console.at(0.5 * done, "clustering")
        )
        console.at(0.5, "drawing")
        _pages.write(recipe.pages(found, _pages.called(photo)), places, overwrite, console)
        _pages.write_json(json_file, found.as_dict(), overwrite)
    console.note(found.advice)


def grabcut(
    photo: Photo,
    box: Annotated[
        str,
        typer.Option(
            help="Around the subject: fractions 0..1, or pixels if any number is above 1.",
            metavar="X0,Y0,X1,Y1",
        ),
    ],
    steps: Annotated[
        int, typer.Option(help="Rounds of learning colours and cutting.", min=1, max=20)
    ] = 5,
    foreground: Annotated[
        list[str] | None,
        typer.Option(
            help="A stroke over what belongs to the subject, through these points. Repeatable.",
            metavar="X0,Y0,X1,Y1,…",
        ),
    ] = None,
    background: Annotated[
        list[str] | None,
        typer.Option(help="A stroke over what does not. Repeatable.", metavar="X0,Y0,X1,Y1,…"),
    ] = None,
    width: Annotated[
        float | None,
        typer.Option(
            help="Of the strokes: a fraction of the longer side, or pixels if above 1. "
            "(default: 0.015)"
        ),
    ] = None,
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            help="A folder for rounds.png, colours.png, energy.png and mask.png, or a file for "
            "the figures in one, with FILE-mask.png beside it. (default: NAME-grabcut.png)",
            metavar="DIR|FILE",
        ),
    ] = None,
    json_file: Json = None,
    size: Size = DEFAULT.size,
    seed: shared.Seed = DEFAULT.seed,
    option: shared.Options = None,
    overwrite: shared.Overwrite = False,
    quiet: shared.Quiet = False,
) -> None:
    """Watch GrabCut find a subject in a box, round by round, and help it with strokes."""
    settings = Settings(size=size, seed=seed, options=shared.parse_options(option))
    from sfumato.inspect import _figures, grabcut_figures
    from sfumato.inspect import grabcut as recipe
    from sfumato.regions import File

    _figures.check_installed()
    places = _pages.places_of(photo, output, "grabcut", ("rounds", "colours", "energy"), mask=True)
    image = _pages.read(photo, places, json_file, overwrite)
    wide = recipe.WIDTH if width is None else width
    strokes = [
        [recipe.parse_stroke(text, image.shape, wide) for text in texts or ()]
        for texts in (foreground, background)
    ]
    found_box = recipe.parse_box(box, image.shape)
    console = shared.Console(quiet)
    with console.bar("cutting", 1):
        study = recipe.inspect(
            image,
            found_box,
            settings,
            steps=steps,
            foreground=strokes[0],
            background=strokes[1],
            progress=lambda done: console.at(0.5 * done, "cutting"),
        )
        console.at(0.5, "drawing")
        pages = grabcut_figures.pages(study, _pages.called(photo))
        _pages.write(pages, places, overwrite, console, mask=study.mask)
        _pages.write_json(json_file, {**study.as_dict(), "mask": str(places.mask)}, overwrite)
    console.note(study.summary)
    if study.rounds[-1].mask.any():
        console.note(f"to paint it: --region '{File(str(places.mask))}'")
        if study.flags:
            console.note(f"or to find it again:{study.flags}")
