"""The model card: what a net is, how it was made, how good it is, and what it is not for."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path

import sfumato
from sfumato.evaluate import metrics
from sfumato.evaluate.metrics import Counts
from sfumato.train.recipe import Recipe

LIBRARIES = ("torch", "lightning", "numpy", "opencv-python-headless")


def text(
    recipe: Recipe,
    parts: Sequence[tuple[str, str, int, int]],
    counts: Mapping[str, Counts],
    rows: Sequence[Mapping[str, float]],
    best: int,
    *,
    command: str,
    device: str,
    note: str,
    net: Path,
    onnx: Path,
) -> str:
    """The card as Markdown.

    Args:
        recipe: how it was trained.
        parts: (where from, split, samples, broken files) of each set.
        counts: the saved net's confusion matrix on each set measured on.
        rows: a row an epoch.
        best: number of the epoch that the net is from, from 0.
        command: how the user asked for it; empty = from Python.
        device: what it was trained on.
        note: what the collapse guard said, if anything.
        net, onnx: the written files.
    """
    encoder = f" on {recipe.encoder}" if recipe.encoder else ""
    classes = ", ".join(recipe.classes[1:])
    minutes = sum(row.get("seconds", 0) for row in rows) / 60
    warning = f"**A collapse was seen while it was trained:** {note}.\n\n" if note else ""
    return f"""# {recipe.net}{encoder}: {classes}

{recipe.about}

{warning}## How it was made

{asked(command)}

- {_steps(recipe, rows, best)}; {minutes:.1f} minutes on {device}, {platform.machine()}.
- Seed {recipe.seed}; weights to begin with: {recipe.start}; every setting is in `recipe.json`.
- {", ".join(versions())}.

{table(("set", "split", "samples", "broken files"), parts)}

## How good it is

Measured on whole pictures in squares of {recipe.size} pixels, in one pass, with the half-precision
weights that are saved here. The net was chosen by these very pictures, so on others it does a
little worse; `sfumato evaluate segmenter` measures at full size, with edges and intervals.

{
        table(
            ("set", *(f"IoU {name}" for name in recipe.classes), "mean IoU", "pixel accuracy"),
            [_scores(name, matrix) for name, matrix in counts.items()],
        )
    }

Curves are in `curves.png`, figures of every epoch in `metrics.csv`, samples in `predictions/`.

## What it is for

Finding {classes} in pictures, to paint or cut them out. It gives a mask, not who somebody is, and
it is not for identifying, counting or judging people. Expect it to fail on what the sets above do
not show: other kinds of pictures, unusual poses, crowds, people cut off or hidden by things.

## Licence and provenance

The weights were learnt from the sets listed above{_started(recipe)}. Their terms, and the rights
of those who are shown, go on to what is made of these weights: look them up before passing the
weights on, and pass this card on with them.

{table(("file", "MB", "SHA-256"), [file_row(path) for path in (net, onnx)])}
"""


def _steps(recipe: Recipe, rows: Sequence[Mapping[str, float]], best: int) -> str:
    last, chosen = rows[-1], rows[best]
    return (
        f"{len(rows)} epochs, {last['step']:.0f} steps of {recipe.step_samples} samples; the net "
        f"is that of epoch {best + 1}, IoU {chosen['iou']:.4f}"
    )


def asked(command: str) -> str:
    """How the user asked for a training."""
    return f"```\n{command}\n```" if command else "Trained from Python."


def versions() -> list[str]:
    """What it was made with."""
    libraries = [f"{name} {metadata.version(name)}" for name in LIBRARIES]
    return [f"sfumato {sfumato.__version__}", f"Python {platform.python_version()}", *libraries]


def _started(recipe: Recipe) -> str:
    known = {"none": "", "imagenet": ", its encoder first from ImageNet"}
    return known.get(recipe.start, f", and before that from whatever `{recipe.start}` had seen")


def _scores(name: str, counts: Counts) -> list[str]:
    values = [*metrics.iou(counts), metrics.mean_iou(counts), metrics.pixel_accuracy(counts)]
    return [name, *(f"{float(value):.4f}" for value in values)]


def file_row(path: Path) -> list[str]:
    """Name, megabytes and checksum."""
    data = path.read_bytes()
    return [path.name, f"{len(data) / 1e6:.2f}", hashlib.sha256(data).hexdigest()]


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """In Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)
