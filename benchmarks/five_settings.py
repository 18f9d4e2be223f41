"""Which of five settings made the better picture? Two models, one setting changed at a time.

    python benchmarks/five_settings.py
    python benchmarks/five_settings.py --size 96 --scale 0.06 --report

Nair and Chippa, "Separation of style and content", paint with two models, one in PyTorch and one in
TensorFlow, find the first one's picture better, and name five reasons: the number of epochs, the
steps per epoch, the weights of style and content, the weights of the style layers and the learning
rate. All five differ at once there. Here each model is given one of the other's settings, in
PyTorch (``gatys``); what the library has to do with it is asked by ``frameworks.py``.

"steps per epoch" is how often the papers' programs print: there is nothing to paint, and the table
says so. A sixth row, ``unprinted``, changes what the paper's table leaves out and each library's
lesson does its own way: how a Gram matrix is divided (by its channels and cells, or its cells) and
which weights VGG-19 has. Both start from the photo, as both lessons do; the table does not say it.

The losses are those of one judge (``_style_loss.py``) for all: content at conv4_2, style at five
layers with equal weights, on the normalised VGG-19; the style loss as a share of the photo's own.
``--scale`` shortens both models' steps alike (5000 and 2000 at 1). Photos are cut to 4:3.

Each finished picture is kept in ``--folder`` with its losses and is not painted again; ``--report``
prints the tables (Markdown) and writes the pictures of what is there.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from _style_loss import Image, Judge, fetched, fit, to_image, to_pillow
from PIL import Image as Pillow

ROOT = Path(__file__).resolve().parents[1]
CACHE = ROOT / ".cache" / "five_settings"
PICTURES = ROOT / "docs" / "images" / "compare"
PHOTOS = ROOT / "docs" / "images" / "photos"
PAIRS = (
    ("portrait", "nocturne"), ("canal", "waves"), ("portrait", "waves"), ("canal", "nocturne")
)  # fmt: skip

PRESETS = {1: "paper5-first", 2: "paper5-second"}
LAYERS = {1: (1.0, 0.75, 0.2, 0.2, 0.2), 2: (1.0, 0.8, 0.5, 0.3, 0.1)}
"""The style layers' weights as the paper's table prints them."""

SETTINGS = ("steps", "interval", "balance", "layers", "rate")
"""The paper's five, in its order: epochs, steps per epoch, style and content weights, layers'
weights, learning rate."""

WORDS = {
    None: "as printed",
    "steps": "the other's number of steps",
    "interval": "the other's steps per epoch (print-out)",
    "balance": "the other's style and content weights",
    "layers": "the other's weights of the style layers",
    "rate": "the other's learning rate",
    "unprinted": "the other's Gram division and VGG-19",
}
HEADS = {
    None: "as printed",
    "steps": "other's steps",
    "balance": "other's style : content",
    "layers": "other's layer weights",
    "rate": "other's learning rate",
    "unprinted": "other's Gram, VGG-19",
}


@dataclass(frozen=True)
class Model:
    """The number (1 or 2) of the model from which each setting is taken."""

    steps: int
    balance: int
    layers: int
    rate: int
    unprinted: int

    @staticmethod
    def printed(number: int) -> Model:
        return Model(number, number, number, number, number)

    def recipe(self, scale: float) -> Any:
        """The preset's recipe with these settings."""
        from sfumato.optimise.recipe import preset

        lesson, balance = preset(PRESETS[self.unprinted]), preset(PRESETS[self.balance])
        factors = [
            w / p for w, p in zip(lesson.style.values(), LAYERS[self.unprinted], strict=True)
        ]
        weights = [f * p for f, p in zip(factors, LAYERS[self.layers], strict=True)]
        return lesson.model_copy(
            update={
                "style": dict(zip(lesson.style, weights, strict=True)),
                "content_weight": balance.content_weight,
                "style_weight": balance.style_weight,
                "learning_rate": preset(PRESETS[self.rate]).learning_rate,
                "steps": steps_of(self.steps, scale),
            }
        )


def steps_of(number: int, scale: float) -> int:
    from sfumato.optimise.recipe import preset

    return round(preset(PRESETS[number]).steps * scale)


@dataclass(frozen=True)
class Run:
    """One descent.

    Attributes:
        photo, style: names.
        number: the model that it starts from.
        changed: the setting that is the other model's; None = as printed.
    """

    photo: str
    style: str
    number: int
    changed: str | None

    @property
    def name(self) -> str:
        return f"{self.photo}-{self.style}-{self.number}-{self.changed or 'printed'}"

    @property
    def model(self) -> Model:
        own = Model.printed(self.number)
        return replace(own, **{self.changed: 3 - self.number}) if self.changed else own


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--report", action="store_true", help="paint nothing more")
    parser.add_argument("--size", type=int, default=192)
    parser.add_argument("--scale", type=float, default=0.1, help="of the models' steps")
    parser.add_argument("--pairs", type=int, default=len(PAIRS), help="photos with styles")
    parser.add_argument("--change", nargs="*", default=["rate", "balance", "layers"],
                        help="settings that take runs of their own")  # fmt: skip
    parser.add_argument("--unprinted", type=int, default=len(PAIRS), help="pairs of the sixth row")
    parser.add_argument("--folder", type=Path, default=CACHE)
    parser.add_argument("--pictures", type=Path, default=PICTURES, help="of the report")
    args = parser.parse_args()
    folder = folder_of(args)
    if not args.report:
        for run in planned(args):
            if not (folder / f"{run.name}.npz").exists():
                paint(run, folder, args)
    args.pictures.mkdir(parents=True, exist_ok=True)
    report(folder, args)


def folder_of(args: argparse.Namespace) -> Path:
    """Where pictures of this size and length are kept."""
    folder: Path = args.folder / f"{args.size}-{args.scale:g}"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def planned(args: argparse.Namespace) -> Iterator[Run]:
    """The pairs in turn; within one, both models as printed first."""
    for i, (photo, style) in enumerate(PAIRS[: args.pairs]):
        changes = [*args.change, *(["unprinted"] if i < args.unprinted else [])]
        for changed in (None, *changes):
            for number in PRESETS:
                yield Run(photo, style, number, changed)


def read_pair(photo: str, style: str, size: int) -> tuple[Image, Image]:
    """The photo, cut to 4:3, and the drawn style."""
    from sfumato import drawn

    with Pillow.open(PHOTOS / f"{photo}.jpg") as file:
        whole = file.convert("RGB")
    height = min(whole.height, round(whole.width * 0.75))
    width = min(whole.width, round(height / 0.75))
    left, top = (whole.width - width) // 2, (whole.height - height) // 3
    cut = whole.crop((left, top, left + width, top + height))
    return to_image(fit(cut, size)), drawn.draw(style, 512)


def paint(run: Run, folder: Path, args: argparse.Namespace) -> None:
    """Descend and keep the pictures at both models' numbers of steps, as far as it gets."""
    from sfumato.optimise.painter import optimise

    photo, style = read_pair(run.photo, run.style, args.size)
    ends = {number: steps_of(number, args.scale) for number in PRESETS}
    recipe = run.model.recipe(args.scale)
    if run.changed is None:  # serves the row "steps", too
        recipe = recipe.model_copy(update={"steps": max(ends.values())})
    parts, tools = set_up(photo, style, recipe)
    seen: dict[str, Image] = {}
    shares: dict[str, float] = {}

    def watch(step: Any, picture: Any) -> None:
        for number, end in ends.items():
            if step.number == end:
                seen[str(number)] = picture()
                shares[str(number)] = step.losses["content"] / step.losses["total"]

    began = time.process_time()
    optimise(photo, parts, recipe, tools, watch=watch)
    seconds = time.process_time() - began
    judge = Judge(photo, style, fetched())
    losses = {number: judge(picture) for number, picture in seen.items()}
    note = {
        "photo_style": judge(photo).style,
        "content": {number: loss.content for number, loss in losses.items()},
        "style": {number: loss.style for number, loss in losses.items()},
        "content_share": shares,
        "steps": recipe.steps,
        "cpu_seconds": seconds,
        "precision": str(tools.taps.dtype).removeprefix("torch."),
    }
    keep(folder / run.name, note, seen)
    own = losses[str(run.number)]
    say(f"{run.name}: content {own.content:.3f}, style {own.style:.4f}, {seconds:.0f} CPU s")


def set_up(photo: Image, style: Image, recipe: Any) -> tuple[list[Any], Any]:
    """What :func:`sfumato.optimise.painter.optimise` wants."""
    import torch

    from sfumato.nets import vgg
    from sfumato.nets.taps import Taps
    from sfumato.optimise.goals import Part, Tools

    layers = list({**recipe.content, **recipe.style})
    net = vgg.load(fetched(), layers=layers, padding="reflect", pooling=recipe.pooling)
    fast = torch.ops.mkldnn._is_mkldnn_bf16_supported()
    taps = Taps(net, torch.bfloat16 if fast else torch.float32)
    parts = [Part(np.ones(photo.shape[:2], np.float32), style)]
    return parts, Tools(taps, net.features, None, torch.device("cpu"), 4e9)


def keep(stem: Path, note: Mapping[str, Any], pictures: Mapping[str, Image]) -> None:
    """Numbers first, pictures last: what has pictures is complete."""
    stem.with_suffix(".json").write_text(json.dumps(note, indent=1), encoding="utf-8")
    part = stem.with_suffix(".part.npz")
    np.savez_compressed(part, **dict(pictures))
    part.replace(stem.with_suffix(".npz"))


def found(run: Run, folder: Path) -> tuple[dict[str, Any], dict[str, Image]] | None:
    """The numbers and pictures of a run, if it is there."""
    stem = folder / run.name
    if not stem.with_suffix(".npz").exists():
        return None
    with np.load(stem.with_suffix(".npz")) as file:
        pictures = {name: file[name] for name in file.files}
    return json.loads(stem.with_suffix(".json").read_text(encoding="utf-8")), pictures


@dataclass(frozen=True)
class Outcome:
    """One picture: the judge's losses, the content's share of the loss that was descended, and
    how far it is from the model's own picture (0..255)."""

    content: float
    style: float
    photo_style: float
    share: float
    moved: float
    picture: Image


def outcome(
    photo: str, style: str, number: int, changed: str | None, folder: Path
) -> Outcome | None:
    """What model ``number`` paints with this setting of the other."""
    printed = found(Run(photo, style, number, None), folder)
    if printed is None:
        return None
    own, at = printed[1][str(number)], str(number)
    result = printed
    if changed == "steps":
        at = str(3 - number)
    elif changed not in (None, "interval"):  # how often is printed changes no picture
        other = found(Run(photo, style, number, changed), folder)
        if other is None:
            return None
        result = other
    note, pictures = result
    moved = float(np.abs(pictures[at] - own).mean()) * 255
    content, of_style = note["content"][at], note["style"][at]
    share = note["content_share"][at]
    return Outcome(content, of_style, note["photo_style"], share, moved, pictures[at])


def report(folder: Path, args: argparse.Namespace) -> None:
    """Print the tables of the pairs that are done (but for the sixth row), and draw them."""
    last = args.change[-1] if args.change else None
    done = [pair for pair in PAIRS if found(Run(*pair, 2, last), folder)]
    for number in PRESETS:
        print(f"\nModel {number}, {args.size} pixels, {steps_of(number, args.scale)} steps\n")
        print("| setting | pairs | content | style, of the photo's | moved, of 255 "
              "| content's share of its own loss |\n|---|---|---|---|---|---|")  # fmt: skip
        for changed in (None, *SETTINGS, "unprinted"):
            seen = [outcome(*pair, number, changed, folder) for pair in done]
            if of := [one for one in seen if one]:
                content, moved, share = (
                    sum(values) / len(of)
                    for values in zip(*((o.content, o.moved, o.share) for o in of), strict=True)
                )
                style = math.exp(sum(math.log(o.style / o.photo_style) for o in of) / len(of))
                figures = f"{content:.0f} | {style:.3f} | {moved:.1f} | {share:.0e}"
                print(f"| {WORDS[changed]} | {len(of)} | {figures} |")
    for photo, style in done:
        sheet(photo, style, folder, args)


def sheet(photo: str, style: str, folder: Path, args: argparse.Namespace) -> None:
    """Both models' rows, one setting changed in each column."""
    from sfumato import sheets
    from sfumato.io import pictures

    tiles, labels = [], []
    for number in PRESETS:
        for changed, head in HEADS.items():
            one = outcome(photo, style, number, changed, folder)
            if one is None:
                return
            large = fit(to_pillow(one.picture), 288)
            tiles.append(to_image(large))
            losses = f"content {one.content:.0f}, style {one.style / one.photo_style:.3f}"
            labels.append(f"{number}: {head}\n{losses}")
    page = pictures.from_image(sheets.grid(tiles, labels, columns=len(HEADS)))
    target = args.pictures / f"five-{photo}-{style}.jpg"
    pictures.write(page, target, quality=82, overwrite=True)


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
