"""A training from its recipe to the finished net."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from sfumato.data.augment import Restyle
from sfumato.data.generate import find_styles
from sfumato.data.on_the_fly import OnTheFly
from sfumato.errors import UsageError
from sfumato.evaluate.metrics import Counts
from sfumato.io._files import write_whole
from sfumato.nets import segmenters
from sfumato.nets.device import choose_device
from sfumato.nets.segmenters import Segmenting
from sfumato.train import card, loader, predictions
from sfumato.train.callbacks import (
    Guard,
    Journal,
    Report,
    Watch,
    best_epoch,
    device_name,
    silent,
)  # fmt: skip
from sfumato.train.loader import Sets
from sfumato.train.module import Row, Training, confusion
from sfumato.train.processes import helpers
from sfumato.train.recipe import Recipe
from sfumato.train.start import begin
from sfumato.train.workspace import BEST, CARD, COMMON, LAST, NET, ONNX, muted, prepare, trainer

WRITTEN = (*COMMON, "predictions")
"""All that a training leaves in its folder."""


@dataclass(frozen=True)
class Course:
    """How a training went.

    Attributes:
        rows: a row an epoch (:class:`sfumato.train.module.Training`).
        device: what it ran on, in words.
        note: what the collapse guard said; empty = nothing.
    """

    rows: list[Row]
    device: str
    note: str


@dataclass(frozen=True)
class Result:
    """What a training left.

    Attributes:
        folder: where everything is.
        net, onnx: the best net in half precision, and as ONNX.
        course: how it went.
        best: number of the epoch that the net is from, 0 = the first.
        counts: the saved net's confusion matrix on each set measured on, int64 ``[C, C]``.
    """

    folder: Path
    net: Path
    onnx: Path
    course: Course
    best: int
    counts: dict[str, Counts]


def train(
    recipe: Recipe,
    out: Path,
    *,
    resume: bool = False,
    overwrite: bool = False,
    command: str = "",
    restyle: Restyle | None = None,
    watch: Watch = silent,
) -> Result:
    """Train a segmenter; the best net, its card, curves and predictions are left in ``out``.

    Args:
        recipe: how.
        out: folder; made if it is not there.
        resume: go on where an earlier training in ``out`` ended or was killed: at the last
            finished epoch, and with the same curve as without the pause.
        overwrite: begin anew where there was one.
        command: how the user asked for it, for the card.
        restyle: paints samples anew (``augmentation.restyle`` says how often); with several
            devices it has to be picklable.
        watch: told of every stand.

    Raises:
        UsageError: data, net, device or folder cannot be used so.
        KeyboardInterrupt: the user stopped it; ``resume`` goes on.
    """
    restyle = restyle or painter_of(recipe)
    sets = loader.open_sets(recipe)
    module = begin_seeded(recipe, sets)
    prepare(out, recipe, WRITTEN, resume=resume, overwrite=overwrite)
    with helpers(recipe.devices, _help, recipe, out, restyle):
        course = fit(module, sets, out, restyle=restyle, watch=watch)
    net, onnx = finish(out)
    counts = measure(net, sets, recipe)
    best = best_epoch(course.rows)
    result = Result(out, out / NET, onnx, course, best, counts)
    text = card.text(
        recipe, sets.parts, counts, course.rows, best,
        command=command, device=course.device, note=course.note, net=result.net, onnx=onnx,
    )  # fmt: skip
    write_whole(out / CARD, text.encode(), overwrite=True)
    return result


def painter_of(recipe: Recipe) -> Restyle | None:
    """What paints samples on the fly, if the recipe asks for it.

    Raises:
        UsageError: it names no styles, or there are no such.
    """
    painting = recipe.painting
    if not recipe.augmentation.restyle:
        return None
    if not painting.styles:
        raise UsageError(
            "augmentation.restyle paints samples anew, but in which styles? Give "
            "--set painting.styles=DIR"
        )
    found, _ = find_styles(painting.styles, painting.split)
    strength = (painting.weakest, painting.strongest)
    return OnTheFly(found, painting.stylizer, painting.options, strength)


def begin_seeded(recipe: Recipe, sets: Sets) -> Training:
    """The net before its first step, as the recipe's seed has it.

    Raises:
        UsageError, WeightsError, MissingExtraError: as :func:`sfumato.train.start.begin`; also
            for an unknown loss.
    """
    torch.manual_seed(recipe.seed)
    return Training(begin(recipe), recipe, tuple(sets.validation))


def fit(
    module: Training,
    sets: Sets,
    folder: Path,
    *,
    restyle: Restyle | None = None,
    watch: Watch = silent,
    rank: int = 0,
) -> Course:
    """The training itself, in this process; goes on from the folder's checkpoint if it has one."""
    recipe = module.recipe
    with muted():
        module.to(memory_format=torch.channels_last)
        guard = Guard(watch)
        journal = Journal(folder, predictions.choose(sets.validation, recipe.size), recipe.patience)
        device = choose_device(recipe.device).type
        lightning = trainer(
            folder,
            device,
            [Report(watch), guard, journal],
            devices=recipe.devices,
            strategy="ddp" if recipe.devices > 1 else "auto",
            sync_batchnorm=recipe.devices > 1 and device == "cuda",
            precision=recipe.precision,
            max_epochs=planned_epochs(recipe, len(sets.training)),
            accumulate_grad_batches=recipe.accumulate,
            gradient_clip_val=recipe.clip or None,
        )
        last = folder / LAST
        lightning.fit(
            module,
            loader.training_loader(sets, recipe, rank=rank, restyle=restyle),
            loader.validation_loaders(sets, recipe, rank=rank),
            ckpt_path=last if last.exists() else None,
            weights_only=True,
        )
        return Course(module.history, device_name(lightning.strategy.root_device), guard.sentence)


def planned_epochs(recipe: Recipe, samples: int) -> int:
    """Epochs in all, if an epoch has that many samples."""
    if recipe.steps is None:
        return recipe.epochs
    return -(-recipe.steps * recipe.step_samples // samples)


def finish(folder: Path) -> tuple[Segmenting, Path]:
    """Write the best net in half precision and as ONNX; returns it as it was written."""
    best = segmenters.load(folder / BEST)
    segmenters.save(best, folder / NET, half=True, class_names=best.class_names)
    net = segmenters.load(folder / NET).eval()
    segmenters.export_onnx(net, folder / ONNX)
    return net, folder / ONNX


@torch.no_grad()
def measure(net: Segmenting, sets: Sets, recipe: Recipe) -> dict[str, Counts]:
    """The net's confusion matrix on each set, as the validations in between have them."""
    device = choose_device(recipe.device)
    net = net.to(device).eval()
    alone = recipe.model_copy(update={"devices": 1})
    size = len(recipe.classes)
    found: dict[str, Counts] = {}
    for name, batches in zip(sets.validation, loader.validation_loaders(sets, alone), strict=True):
        counts = torch.zeros(size, size, dtype=torch.int64, device=device)
        for picture, mask in batches:
            logits = net(picture.to(device).float() / 255)
            counts += confusion(logits.argmax(1), mask.to(device).long(), size)
        found[name] = counts.cpu().numpy()
    return found


def _help(recipe: Recipe, folder: Path, restyle: Restyle | None) -> None:
    """What each further process does."""
    import os

    rank = int(os.environ["LOCAL_RANK"])
    sets = loader.open_sets(recipe)
    fit(begin_seeded(recipe, sets), sets, folder, restyle=restyle, rank=rank)
