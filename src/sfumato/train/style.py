"""The training of a net that paints in one style (Johnson, Alahi and Fei-Fei 2016)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.pytorch import Callback, Trainer

from sfumato import __version__, styles
from sfumato.io import weights
from sfumato.io._files import write_whole
from sfumato.losses.perceptual import Perceptual, summaries
from sfumato.nets import transformer_net, vgg
from sfumato.nets.device import choose_device, place
from sfumato.nets.taps import Taps
from sfumato.nets.transformer_net import TransformerNet
from sfumato.ops.resize import fit as shrunk
from sfumato.train import curves, photos, previews, style_card
from sfumato.train.callbacks import Report, Watch, device_name, silent
from sfumato.train.module import Row
from sfumato.train.style_module import StyleTraining, best_round
from sfumato.train.style_recipe import StyleRecipe
from sfumato.train.workspace import (
    BEST,
    CARD,
    COMMON,
    CURVES,
    LAST,
    METRICS,
    NET,
    ONNX,
    muted,
    prepare,
    trainer,
)  # fmt: skip
from sfumato.types import Image

WRITTEN = (*COMMON, previews.FOLDER, previews.STRIP)
"""All that a training leaves in its folder."""


@dataclass(frozen=True)
class StyleResult:
    """What a training left.

    Attributes:
        folder: where everything is.
        net, onnx: the best net in half precision, for torch and as ONNX.
        rows: a row a round (:class:`sfumato.train.style_module.StyleTraining`).
        best: number of the round that the net is from, 0 = the first.
        interrupted: the user stopped it; this is the best so far.
    """

    folder: Path
    net: Path
    onnx: Path
    rows: list[Row]
    best: int
    interrupted: bool


def train(
    recipe: StyleRecipe,
    out: Path,
    *,
    resume: bool = False,
    overwrite: bool = False,
    command: str = "",
    watch: Watch = silent,
) -> StyleResult:
    """Train a style net; the best net, its card, curves and previews are left in ``out``.

    Args:
        recipe: how.
        out: folder; made if it is not there.
        resume: go on at the last finished round, with the same curve as without the pause.
        overwrite: begin anew where there was one.
        command: how the user asked for it, for the card.
        watch: told of every stand.

    Raises:
        UsageError: style, photos, device or folder cannot be used so.
        PictureError: the style or a preview is no picture.
        WeightsError: the features' weights cannot be had.
        KeyboardInterrupt: the user stopped it before its first round was over; later than that
            the best so far is the result.
    """
    picture = styles.resolve(recipe.style).picture_for("training")
    learnt, held = photos.find(recipe)
    shown = previews.read(recipe.previews)
    measured = photos.held_loader(held, recipe)
    device = choose_device(recipe.device)
    module = begin(recipe, picture, device)
    prepare(out, recipe, WRITTEN, resume=resume, overwrite=overwrite)
    interrupted = False
    try:
        with muted():
            lightning = trainer(
                out, device.type, [Report(watch), Journal(out, shown)],
                devices=1, precision=recipe.precision, max_epochs=recipe.rounds,
            )  # fmt: skip
            last = out / LAST
            lightning.fit(
                module,
                photos.training_loader(learnt, recipe),
                measured,
                ckpt_path=last if last.exists() else None,
                weights_only=True,
            )
    except KeyboardInterrupt:
        if not (module.history and (out / BEST).exists()):
            raise
        interrupted = True
    off = finish(out)
    result = StyleResult(
        out, out / NET, out / ONNX, module.history, best_round(module.history), interrupted
    )
    text = style_card.text(
        recipe, module.history, result.best, (len(learnt), len(held)),
        command=command, device=device_name(device), off=off, net=result.net, onnx=result.onnx,
    )  # fmt: skip
    write_whole(out / CARD, text.encode(), overwrite=True)
    return result


def begin(recipe: StyleRecipe, picture: Image, device: torch.device) -> StyleTraining:
    """The net before its first step, and what it is asked for.

    Raises:
        WeightsError: the features' weights cannot be had.
    """
    loss = perceptual(recipe, picture, device)
    torch.manual_seed(recipe.seed)
    net = place(TransformerNet(recipe.width, recipe.residuals), torch.device("cpu"))
    net.about = about(recipe)
    return StyleTraining(net, recipe, loss)


def perceptual(recipe: StyleRecipe, picture: Image, device: torch.device) -> Perceptual:
    """The loss, with what is to be matched of the style picture."""
    path = weights.fetch("vgg19-normalised")
    features = place(vgg.load_normalised(path, layers=recipe.layers), device)
    dtype = torch.float32 if recipe.precision == "32" else torch.bfloat16
    taps = Taps(features, dtype)
    small = np.ascontiguousarray(shrunk(picture, recipe.style_size).transpose(2, 0, 1))
    target = summaries(taps, torch.from_numpy(small)[None].to(device), recipe.style_layers)
    return Perceptual(
        taps,
        target,
        recipe.content_layer,
        recipe.content_weight,
        recipe.style_weight,
        recipe.tv_weight,
    )


def about(recipe: StyleRecipe) -> dict[str, Any]:
    """What a net's files say about it."""
    names = (
        "style_size", "size", "batch", "steps", "seed", "features", "content_layer", "style_layers",
        "content_weight", "style_weight", "tv_weight",
    )  # fmt: skip
    told = recipe.model_dump(mode="json", include=set(names))
    return {"style": Path(recipe.style).name, **told, "sfumato": __version__}


def finish(folder: Path) -> float:
    """Write the best net in half precision and as ONNX; returns by how much the two differ."""
    best = transformer_net.load(folder / BEST)
    transformer_net.save(best, folder / NET, half=True)
    net = transformer_net.load(folder / NET)
    return transformer_net.export_onnx(net, folder / ONNX, half=True)


class Journal(Callback):
    """After each round: checkpoint, the best net, numbers, curves, and previews."""

    def __init__(self, folder: Path, shown: Sequence[Image]) -> None:
        self.folder, self.shown = folder, shown

    def on_train_epoch_end(self, trainer: Trainer, module: Any) -> None:
        """The round's measurement is over."""
        rows = module.history
        if best_round(rows) == len(rows) - 1:
            transformer_net.save(module.net, self.folder / BEST, step=int(rows[-1]["step"]))
        curves.write_table(rows, self.folder / METRICS)
        curves.draw_style(rows, self.folder / CURVES, self.folder.name)
        previews.write(module.net, self.shown, self.folder, int(rows[-1]["step"]))
        trainer.save_checkpoint(self.folder / LAST)
