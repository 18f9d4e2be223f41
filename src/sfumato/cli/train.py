"""``sfumato train``: nets of your own."""

from __future__ import annotations

import importlib.util
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sfumato.cli import _shared as shared
from sfumato.errors import MissingExtraError

if TYPE_CHECKING:
    from sfumato.train.callbacks import Stand
    from sfumato.train.run import Result

app = shared.group("Train nets on pictures of your own.")

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
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on where a training in OUT ended or was killed.")
    ] = False,
    overwrite: shared.Overwrite = False,
    quiet: shared.Quiet = False,
) -> None:  # fmt: skip
    """Train a net that finds things: the best net, its card, curves and samples go to OUT."""
    if not all(importlib.util.find_spec(name) for name in REQUIRES):
        raise MissingExtraError("training", "train")
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
    from sfumato.train.callbacks import LAST
    from sfumato.train.run import train

    console = shared.Console(quiet)
    watch = _Watch(console)
    try:
        with console.bar("training", 1), shared.notes(console, ""):
            result = train(
                chosen, out, resume=resume, overwrite=overwrite, command=_command(), watch=watch
            )
    except KeyboardInterrupt:
        goes_on = f"; --resume goes on in {out}" if (out / LAST).exists() else ""
        console.note(f"interrupted{goes_on}")
        raise
    console.note(_summary(result))


class _Watch:
    """Shows a training's stands: the bar, a line for each epoch, notes."""

    def __init__(self, console: shared.Console) -> None:
        self.console = console

    def __call__(self, stand: Stand) -> None:
        at = f"epoch {int(stand.epoch)}/{stand.epochs}"
        loss = f"loss {stand.loss:.4f}"
        self.console.at(stand.epoch / stand.epochs, f"training  {at}  {loss}")
        if stand.note:
            self.console.note(f"note: {stand.note}")
        elif stand.iou is not None:
            self.console.note(f"{at}  {loss}  IoU {stand.iou:.4f}")


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
