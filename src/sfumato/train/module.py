"""The net in training: one step, one validation, what is optimised. Lightning does the rest."""

from __future__ import annotations

import math
import time
from typing import Any, TypeAlias

import numpy as np
import torch
from lightning.pytorch import LightningModule
from torch import Tensor, nn, optim
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from sfumato.data.samples import IGNORED
from sfumato.errors import UsageError
from sfumato.evaluate import metrics
from sfumato.losses.segmentation import loss
from sfumato.nets.segmenters import Segmenting, parameter_groups
from sfumato.train.loader import Item
from sfumato.train.recipe import Recipe, factor

Row: TypeAlias = dict[str, float]
"""One epoch in numbers (:meth:`Training.on_validation_epoch_end`)."""


class Training(LightningModule):
    """A net that learns by a recipe.

    Args:
        net: takes RGB ``[B, 3, H, W]``, 0..1, and returns logits ``[B, C, H, W]``.
        recipe: how.
        sets: names of the sets that it is measured on.

    Attributes:
        history: a row for each finished epoch.
        counts: confusion matrices of the last validation, int64 ``[sets, C, C]``.
    """

    def __init__(self, net: Segmenting, recipe: Recipe, sets: tuple[str, ...]) -> None:
        super().__init__()
        self.net, self.recipe, self.sets = net, recipe, sets
        self.criterion = loss(recipe.loss)
        self.averaged = _averaged(net, recipe.average) if recipe.average else None
        self.history: list[Row] = []
        self.began = time.monotonic()
        size = len(recipe.classes)
        weights = torch.tensor(recipe.class_weights) if recipe.class_weights else None
        self.register_buffer("class_weights", weights, persistent=False)
        self.class_weights: Tensor | None
        # No buffers: DDP would give every process those of the first.
        self.counts = torch.zeros(len(sets), size, size, dtype=torch.int64)
        self.learnt = torch.zeros(2)  # sum of the losses of this epoch, and how many they are
        self.measured = torch.zeros(2)

    @property
    def best(self) -> Segmenting:
        """The net that is measured and saved: the running average, if there is one."""
        return self.averaged.module if self.averaged is not None else self.net  # type: ignore[return-value]

    def training_step(self, batch: Item, _: int) -> Tensor:
        value = self._loss(self.net, batch)[0]
        self.learnt += torch.stack([value.detach().float(), value.new_ones(()).float()])
        self.log("loss/step", value.detach(), on_step=True)
        return value

    def optimizer_step(self, *arguments: Any, **options: Any) -> None:
        super().optimizer_step(*arguments, **options)
        if self.averaged is not None:
            self.averaged.update_parameters(self.net)

    def validation_step(self, batch: Item, _: int, dataloader_idx: int = 0) -> None:
        value, logits = self._loss(self.best, batch)
        if value.isfinite():  # a batch of nothing but ignored pixels has none
            self.measured += torch.stack(
                [value.float() * len(logits), value.new_tensor(len(logits)).float()]
            )
        classes = len(self.recipe.classes)
        self.counts[dataloader_idx] += confusion(logits.argmax(1), batch[1].long(), classes)

    def on_train_batch_start(self, _: Item, number: int) -> None:
        # Dropout then depends on the place in the training, and not on what was drawn before.
        place = (self.recipe.seed, self.current_epoch, number, self.global_rank)
        torch.manual_seed(int(np.random.SeedSequence(place).generate_state(1)[0]))

    def on_train_epoch_start(self) -> None:
        self.learnt = torch.zeros(2, device=self.device)
        self.began = time.monotonic()

    def on_validation_epoch_start(self) -> None:
        self.counts = torch.zeros_like(self.counts, device=self.device)
        self.measured = torch.zeros(2, device=self.device)

    def on_validation_epoch_end(self) -> None:
        """Add the epoch's row: its number, steps so far, the rate, losses, and IoU.

        ``iou`` is the mean over the sets of the mean over all classes but the background; with
        several sets, ``iou/SET`` are its parts. Sums run over all processes.

        Raises:
            UsageError: the training has diverged: its loss is no number any more.
        """
        reduce = self.trainer.strategy.reduce
        self.counts = reduce(self.counts, reduce_op="sum")
        learnt = reduce(self.learnt, reduce_op="sum")
        if not learnt.isfinite().all():
            raise UsageError(
                f"the loss is no number any more in epoch {self.current_epoch + 1}: the rate "
                f"{self.recipe.rate:g} is too high; give --set rate={self.recipe.rate / 10:g}, "
                "--set warmup=200 or --set clip=5"
            )
        measured = reduce(self.measured, reduce_op="sum")
        counts = self.counts.cpu().numpy()
        by_set = {name: score(c) for name, c in zip(self.sets, counts, strict=True)}
        known = [value for value in by_set.values() if math.isfinite(value)]
        row = {
            "epoch": float(self.current_epoch),
            "step": float(self.global_step),
            "rate": float(self.trainer.optimizers[0].param_groups[-1]["lr"]),
            "loss": float(learnt[0] / learnt[1]),
            "val_loss": float(measured[0] / measured[1]),
            "iou": sum(known) / len(known) if known else 0.0,
            "mean_iou": float(metrics.mean_iou(counts.sum(0))),
            "seconds": time.monotonic() - self.began,
            "foreground": float(counts[..., 1:].sum() / max(1, counts.sum())),
        }
        if len(self.sets) > 1:
            row |= {f"iou/{name}": value for name, value in by_set.items()}
        self.history.append(row)
        self.log_dict({f"epoch/{name}": value for name, value in row.items() if name != "epoch"})

    def configure_optimizers(self) -> Any:
        recipe = self.recipe
        groups = parameter_groups(self.net, recipe.rate, recipe.rate * recipe.encoder_rate)
        optimizer = optimiser(groups, recipe)
        total = int(self.trainer.estimated_stepping_batches)
        rule = optim.lr_scheduler.LambdaLR(optimizer, lambda step: factor(recipe, step, total))
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": rule, "interval": "step"},
        }

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["history"] = self.history

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self.history = list(checkpoint["history"])

    def _loss(self, net: nn.Module, batch: Item) -> tuple[Tensor, Tensor]:
        """The loss, and the logits in float32."""
        picture = batch[0].float() / 255
        logits = net(picture.contiguous(memory_format=torch.channels_last)).float()
        target = batch[1].long()
        value: Tensor = self.criterion(logits, target, weights=self.class_weights, ignore=IGNORED)
        return value, logits


def confusion(predicted: Tensor, truth: Tensor, classes: int) -> Tensor:
    """Like :func:`sfumato.evaluate.metrics.confusion`, where the tensors are: int64 ``[C, C]``."""
    counted = truth != IGNORED
    pairs = truth[counted] * classes + predicted[counted]
    return torch.bincount(pairs, minlength=classes * classes).reshape(classes, classes)


def score(counts: metrics.Counts) -> float:
    """Mean IoU of all classes but the background; NaN where none occurs."""
    return float(metrics.mean(metrics.iou(counts)[1:]))


def optimiser(groups: Any, recipe: Recipe) -> optim.Optimizer:
    """The optimiser that a recipe asks for."""
    decay = recipe.weight_decay
    if recipe.optimizer == "sgd":
        return optim.SGD(groups, recipe.rate, momentum=recipe.momentum, weight_decay=decay)
    kind = optim.AdamW if recipe.optimizer == "adamw" else optim.Adam
    return kind(groups, recipe.rate, weight_decay=decay)


def _averaged(net: nn.Module, decay: float) -> AveragedModel:
    """A running average that forgets its beginning sooner: after n steps it keeps no more than
    ``(1 + n) / (10 + n)`` a step."""

    def update(ours: Any, theirs: Any, count: Any) -> None:
        n = float(count)
        average: Any = get_ema_multi_avg_fn
        average(min(decay, (1 + n) / (10 + n)))(ours, theirs, count)

    averaged = AveragedModel(net, multi_avg_fn=update, use_buffers=True)
    averaged.requires_grad_(False)
    return averaged.eval()
