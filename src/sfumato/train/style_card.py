"""The model card of a style net: what it is, how it was made, and what it is not for."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from pathlib import Path

from sfumato import styles
from sfumato.train.card import asked, file_row, table, versions
from sfumato.train.previews import STRIP
from sfumato.train.style_module import TERMS
from sfumato.train.style_recipe import StyleRecipe


def text(
    recipe: StyleRecipe,
    rows: Sequence[Mapping[str, float]],
    best: int,
    counts: tuple[int, int],
    *,
    command: str,
    device: str,
    off: float,
    net: Path,
    onnx: Path,
) -> str:
    """The card as Markdown.

    Args:
        recipe: how it was trained.
        rows: a row a round.
        best: number of the round that the net is from, from 0.
        counts: photos learnt from, and measured on.
        command: how the user asked for it; empty = from Python.
        device: what it was trained on.
        off: largest difference of the two files' answers.
        net, onnx: the written files.
    """
    name = Path(recipe.style).name
    minutes = sum(row.get("seconds", 0) for row in rows) / 60
    chosen = rows[best]
    return f"""# Style net: {name}

Paints any picture in the style of `{name}` in one pass: a feed-forward net after Johnson, Alahi
and Fei-Fei 2016, with instance normalisation, {recipe.width} channels at its finest.

```
sfumato paint photo.jpg --stylizer johnson --style {net.name} --region background -o out.jpg
```

![As it learnt]({STRIP})

## How it was made

{asked(command)}

- {rows[-1]["step"]:.0f} steps of {recipe.batch} squares of {recipe.size} pixels; the net is that of
  step {chosen["step"]:.0f}. {minutes:.1f} minutes on {device}, {platform.machine()}.
- The first {recipe.warmup} steps learn to leave photos as they are, which is quick and gives the
  style a sound picture to begin with.
- Features: VGG-19 with normalised weights; content at {recipe.content_layer}, Gram matrices at
  {", ".join(recipe.style_layers)}, of the style picture at {recipe.style_size} pixels.
- Weights: content {recipe.content_weight:g}, style {recipe.style_weight:g}, total variation
  {recipe.tv_weight:g}. Seed {recipe.seed}. Every setting is in `recipe.json`.
- {", ".join(versions())}.

Photos: {", ".join(f"`{Path(spec).name}`" for spec in recipe.photos)}, {counts[0]} to learn from,
{counts[1]} to measure on.

## What it reached

Weighted losses on the photos measured on, at the first round and at the chosen one:

{
        table(
            ("step", "loss", *TERMS),
            [
                (f"{row['step']:.0f}", *(f"{row[key]:.4f}" for key in ("val_loss", *TERMS)))
                for row in (rows[0], chosen)
            ],
        )
    }

The ONNX graph answers as the net within {off:.1g} of 1. Curves are in `curves.png`, figures of
every round in `metrics.csv`.

## What it is for

Painting, nothing else. Its marks have a fixed size in pixels, for which `style_scale` makes up.
Small features (faces below some fifty pixels) are painted over.

## Licence and provenance

The style picture: {_origin(recipe.style)}. The net holds neither it nor the photos, but has learnt
from both: look up their terms before passing it on, and pass this card on with it.

{table(("file", "MB", "SHA-256"), [file_row(path) for path in (net, onnx)])}
"""


def _origin(style: str) -> str:
    if styles.is_built_in(style):
        return f"`{style}`, drawn by Sfumato's own code"
    return f"the file `{Path(style).name}`"
