"""``sfumato train``: nets of your own."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sfumato.cli import _shared as shared

if TYPE_CHECKING:
    from sfumato.train.callbacks import Stand
    from sfumato.train.run import Result

app = shared.group("Train nets on pictures of your own.")

Resume = Annotated[
    bool, typer.Option("--resume", help="Go on where a training in OUT ended or was killed.")
]

REQUIRES = ("torch", "lightning", "safetensors", "tensorboard", "matplotlib")


@app.command()
def segmenter(
    recipe: Annotated[
        str,
        typer.Argument(
            help="A recipe of the package (tiny, person, paper1-unet, …) or a TOML file.",
            metavar="RECIPE",
        ),
    ],
    data: Annotated[
        list[str] | None,
        typer.Option(
            help="What to learn from, in place of the recipe's: images/ with masks/, a COCO file, "
            "a VOC folder, or synthetic[:N]; with its share among several. Repeatable.",
            metavar="DIR[=WEIGHT]",
        ),
    ] = None,
    val: Annotated[
        list[str] | None,
        typer.Option(
            help="What to measure on. (default: the other split of the data)", metavar="DIR"
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="Folder for all that is made. (default: RECIPE-trained)",
            metavar="OUT",
        ),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            help="Another value for a field of the recipe: rate=1e-3, augmentation.flip=0, "
            "collapse=stop. Repeatable.",
            metavar="KEY=VALUE",
        ),
    ] = None,
    epochs: Annotated[
        int | None, typer.Option(help="Rounds; short for --set epochs=N.", metavar="N")
    ] = None,
    resume: Resume = False,
    overwrite: shared.Overwrite = False,
    quiet: shared.Quiet = False,
) -> None:  # fmt: skip
    """Train a net that finds things: the best net, its card, curves and samples go to OUT."""
    shared.check_installed("training", "train", REQUIRES)
    from sfumato.train import recipe as recipes

    changes = recipes.parse_changes(settings or ())
    if epochs is not None:
        changes |= {"epochs": epochs, "steps": None}
    if data:
        changes |= {"data": data, "validation": []}
    if val:
        changes["validation"] = val
    chosen = recipes.read(recipe, changes)
    out = output or Path(f"{Path(recipe).stem}-trained")
    from sfumato.train.run import train

    console = shared.Console(quiet)
    watch = _Watch(console)
    with _told(console, out):
        result = train(
            chosen, out, resume=resume, overwrite=overwrite, command=_command(), watch=watch
        )
    console.note(_summary(result))


@app.command()
def style(
    style: Annotated[
        str,
        typer.Argument(
            help="What to paint in: a picture file, or a drawn style that 'sfumato styles' lists.",
            metavar="STYLE",
        ),
    ],
    photos: Annotated[
        list[str],
        typer.Option(
            help="What to learn from: a folder of photos of any kind. Repeatable.", metavar="DIR"
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="Folder for all that is made. (default: STYLE-trained)",
            metavar="OUT",
        ),
    ] = None,
    size: Annotated[
        int | None, typer.Option(help="Side in pixels of what is learnt from.", metavar="N")
    ] = None,
    steps: Annotated[
        int | None, typer.Option(help="Steps in all, in whole rounds of 50.", metavar="N")
    ] = None,
    batch: Annotated[int | None, typer.Option(help="Squares a step.", metavar="N")] = None,
    width: Annotated[
        int | None,
        typer.Option(help="Channels of the net's finest features; 32 in the paper.", metavar="N"),
    ] = None,
    content_weight: Annotated[
        float | None, typer.Option(help="Of what the photo shows; more = closer to it.")
    ] = None,
    style_weight: Annotated[float | None, typer.Option(help="Of the style.")] = None,
    tv_weight: Annotated[
        float | None, typer.Option(help="Of smoothness; takes out fine noise.")
    ] = None,
    features: Annotated[
        str | None,
        typer.Option(help="Net whose features are compared: vgg19 is the only one.", metavar="NET"),
    ] = None,
    previews: Annotated[
        list[str] | None,
        typer.Option(
            help="Photo that is painted after each round, to look at. Repeatable.", metavar="PHOTO"
        ),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Of every random choice.", metavar="N")] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            help="Another value for a field of the recipe: rate=1e-3, style_size=384, "
            "precision=bf16-mixed. Repeatable.",
            metavar="KEY=VALUE",
        ),
    ] = None,
    resume: Resume = False,
    overwrite: shared.Overwrite = False,
    quiet: shared.Quiet = False,
) -> None:  # fmt: skip
    """Train a fast net for one style: the net, its card, curves and previews go to OUT."""
    shared.check_installed("training", "train", REQUIRES)
    from sfumato.train import style_recipe
    from sfumato.train.recipe import parse_changes

    given = {
        "size": size, "steps": steps, "batch": batch, "width": width, "features": features,
        "content_weight": content_weight, "style_weight": style_weight, "tv_weight": tv_weight,
        "previews": previews or None, "seed": seed,
    }  # fmt: skip
    chosen = style_recipe.make(
        parse_changes(settings or ())
        | {name: value for name, value in given.items() if value is not None}
        | {"style": style, "photos": photos}
    )
    out = output or Path(f"{Path(style).stem}-trained")
    from sfumato.train.style import train

    console = shared.Console(quiet)
    watch = _Watch(console, chosen.round)
    with _told(console, out):
        result = train(
            chosen, out, resume=resume, overwrite=overwrite, command=_command(), watch=watch
        )
    row = result.rows[result.best]
    console.note(
        f"{result.net} ({result.net.stat().st_size / 1e6:.1f} MB), the net of step "
        f"{row['step']:.0f}\n  paint with it: sfumato paint PHOTO --style {result.onnx}\n"
        f"  card: {result.folder / 'README.md'}"
    )
    if result.interrupted:
        console.note(f"interrupted: this is the best so far; --resume goes on in {out}")
        raise KeyboardInterrupt


@contextmanager
def _told(console: shared.Console, out: Path) -> Iterator[None]:
    """A training's bar and notes, and how to go on after an interrupt."""
    from sfumato.train.workspace import LAST

    try:
        with console.bar("training", 1), shared.notes(console, ""):
            yield
    except KeyboardInterrupt:
        goes_on = f"; --resume goes on in {out}" if (out / LAST).exists() else ""
        console.note(f"interrupted{goes_on}")
        raise


class _Watch:
    """Shows a training's stands: the bar, a line for each epoch or round, notes.

    Args:
        console: where.
        steps: in a round; None = rounds are epochs, and are called so.
    """

    def __init__(self, console: shared.Console, steps: int | None = None) -> None:
        self.console, self.steps = console, steps

    def __call__(self, stand: Stand) -> None:
        name, unit = ("epoch", 1) if self.steps is None else ("step", self.steps)
        at = f"{name} {int(stand.epoch * unit + 1e-6)}/{stand.epochs * unit}"
        loss = f"loss {stand.loss:.4f}"
        self.console.at(stand.epoch / stand.epochs, f"training  {at}  {loss}")
        if stand.note:
            self.console.note(f"note: {stand.note}")
        elif stand.iou is not None:
            self.console.note(f"{at}  {loss}  IoU {stand.iou:.4f}")
        elif stand.val_loss is not None:
            self.console.note(f"{at}  {loss}  measured {stand.val_loss:.4f}")


def _summary(result: Result) -> str:
    from sfumato.train.module import score

    scores = "  ".join(f"{name} {score(counts):.4f}" for name, counts in result.counts.items())
    size = result.net.stat().st_size / 1e6
    return (
        f"{result.net} ({size:.1f} MB), the net of epoch {result.best + 1}\n"
        f"  IoU: {scores}\n  card: {result.folder / 'README.md'}"
    )


def _command() -> str:
    """The command as it was typed."""
    arguments: list[Any] = sys.argv[1:]
    return shlex.join(["sfumato", *map(str, arguments)])
