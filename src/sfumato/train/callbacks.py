"""What is done beside the learning: files after each epoch, the guard, and word to the user."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import torch
from lightning.pytorch import Callback, Trainer

from sfumato.data.samples import Sample
from sfumato.nets import segmenters
from sfumato.train import curves, guard, predictions
from sfumato.train.module import Row, Training
from sfumato.train.workspace import BEST, CURVES, LAST, METRICS

FELL = 0.5
"""Share of its first value below which the training loss has fallen well."""


@dataclass(frozen=True)
class Stand:
    """How a training stands after a step or a validation.

    Attributes:
        epoch, epochs: finished, and planned; an epoch under way counts in parts.
        loss: of the last step, or the epoch's mean after a validation.
        iou: after a validation of a segmenter; None at other steps.
        val_loss: after a validation; None at other steps.
        note: something to tell the user now.
    """

    epoch: float
    epochs: int
    loss: float = math.nan
    iou: float | None = None
    val_loss: float | None = None
    note: str = ""


Watch: TypeAlias = Callable[[Stand], None]


def silent(stand: Stand) -> None:
    """The watch that says nothing."""


class Journal(Callback):
    """After each epoch: checkpoint, the best net, numbers, curves, and predictions.

    ``last.ckpt`` is the state at the end of an epoch, from which a training goes on;
    ``best.safetensors`` the net with the best IoU so far.
    """

    def __init__(self, folder: Path, samples: Sequence[Sample], patience: int) -> None:
        self.folder, self.samples, self.patience = folder, samples, patience

    def on_train_start(self, trainer: Trainer, module: Any) -> None:
        trainer.should_stop = self._is_over(module.history)

    def on_train_epoch_end(self, trainer: Trainer, module: Any) -> None:
        """The epoch's validation is over."""
        if trainer.is_global_zero:
            self._write(module)
        trainer.save_checkpoint(self.folder / LAST)
        trainer.should_stop = trainer.should_stop or self._is_over(module.history)

    def _write(self, module: Training) -> None:
        rows = module.history
        if best_epoch(rows) == len(rows) - 1:
            segmenters.save(module.best, self.folder / BEST, class_names=module.recipe.classes)
        curves.write_table(rows, self.folder / METRICS)
        curves.draw(rows, self.folder / CURVES, self.folder.name)
        net = module.best
        training = net.training
        net.eval()
        sheet = self.folder / "predictions" / f"epoch-{len(rows):03d}.png"
        sheet.parent.mkdir(exist_ok=True)
        predictions.write(net, self.samples, sheet)
        net.train(training)

    def _is_over(self, rows: Sequence[Row]) -> bool:
        return bool(rows and self.patience) and len(rows) - 1 - best_epoch(rows) >= self.patience


class Guard(Callback):
    """Watches for a collapse (:mod:`sfumato.train.guard`)."""

    def __init__(self, watch: Watch) -> None:
        self.watch, self.seen, self.sentence = watch, 0, ""

    def state_dict(self) -> dict[str, Any]:
        return {"seen": self.seen, "sentence": self.sentence}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.seen, self.sentence = state["seen"], state["sentence"]

    def on_validation_end(self, trainer: Trainer, module: Any) -> None:
        recipe, rows = module.recipe, module.history
        if recipe.collapse == "off":
            return
        counts = module.counts.sum(0).cpu().numpy()
        found = guard.find(counts, recipe.classes)
        self.seen = self.seen + 1 if found else 0
        if found is None or self.seen != recipe.collapse_checks:
            return
        fell = rows[-1]["loss"] < FELL * rows[0]["loss"]
        self.sentence = guard.advice(found, recipe, self.seen, fell=fell)
        if trainer.is_global_zero:
            self.watch(Stand(len(rows), trainer.max_epochs or 0, note=self.sentence))
        trainer.should_stop = trainer.should_stop or recipe.collapse == "stop"


class Report(Callback):
    """Tells the watch of steps, a few a second, and of each epoch's end."""

    def __init__(self, watch: Watch) -> None:
        self.watch, self.last = watch, 0.0

    def on_train_batch_end(
        self, trainer: Trainer, _module: Any, outputs: Any, _batch: Any, number: int
    ) -> None:
        if time.monotonic() - self.last < 0.2:  # reading the loss waits for the device
            return
        self.last = time.monotonic()
        done = trainer.current_epoch + (number + 1) / max(1, int(trainer.num_training_batches))
        loss = float(outputs["loss"]) * trainer.accumulate_grad_batches
        self.watch(Stand(done, trainer.max_epochs or 0, loss))

    def on_validation_end(self, trainer: Trainer, module: Any) -> None:
        row = module.history[-1]
        done, planned = len(module.history), trainer.max_epochs or 0
        self.watch(Stand(done, planned, row["loss"], row.get("iou"), row["val_loss"]))


def best_epoch(rows: Sequence[Row]) -> int:
    """Number of the epoch with the best IoU, from 0; the first of equals."""
    return max(range(len(rows)), key=lambda i: rows[i]["iou"])


def device_name(device: torch.device) -> str:
    """What a net was trained on, in words."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type.upper()
