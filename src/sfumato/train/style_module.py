"""The style net in training: one step, one measurement, what is optimised."""

from __future__ import annotations

import math
import time
from typing import Any

import torch
from lightning.pytorch import LightningModule
from torch import Tensor, optim

from sfumato.errors import UsageError
from sfumato.losses.perceptual import Perceptual
from sfumato.nets.transformer_net import TransformerNet
from sfumato.train.module import Row
from sfumato.train.style_recipe import StyleRecipe

TERMS = ("content", "style", "tv")

LEAST_RATE = 0.02
"""What the rate ends at, as a share of its height."""


class StyleTraining(LightningModule):
    """A net that learns to paint in one style.

    Args:
        net: takes RGB ``[B, 3, H, W]``, 0..1, and returns the same.
        recipe: how.
        perceptual: what is asked for, on the device where the training is to be.

    Attributes:
        history: a row for each finished round.
    """

    def __init__(self, net: TransformerNet, recipe: StyleRecipe, perceptual: Perceptual) -> None:
        super().__init__()
        self.net, self.recipe, self.perceptual = net, recipe, perceptual
        self.history: list[Row] = []
        self.began = time.monotonic()
        self.learnt = torch.zeros(2)  # sum of the losses of this round, and how many they are
        self.measured = torch.zeros(len(TERMS) + 1)  # sums of the terms, and how many photos

    def training_step(self, batch: Tensor, _: int) -> Tensor:
        photos = _unit(batch)
        painted = self.net(photos).float()
        value: Tensor
        if self.global_step < self.recipe.warmup:
            value = (painted - photos).abs().mean()
        else:
            value = torch.stack([*self.perceptual(painted, photos).values()]).sum()
        self.learnt += torch.stack([value.detach(), value.new_ones(())])
        self.log("loss/step", value.detach(), on_step=True)
        return value

    def validation_step(self, batch: Tensor, _: int) -> None:
        photos = _unit(batch)
        terms = self.perceptual(self.net(photos).float(), photos)
        parts = torch.stack([terms[name] for name in TERMS] + [photos.new_ones(())])
        self.measured += parts * len(batch)

    def on_train_epoch_start(self) -> None:
        self.learnt = torch.zeros(2, device=self.device)
        self.began = time.monotonic()

    def on_validation_epoch_start(self) -> None:
        self.measured = torch.zeros(len(TERMS) + 1, device=self.device)

    def on_validation_epoch_end(self) -> None:
        """Add the round's row: its number, steps so far, the rate, the mean loss of its steps, and
        the loss and its terms on the photos that are measured on.

        Raises:
            UsageError: the training has diverged: its loss is no number any more.
        """
        means = (self.measured[:-1] / self.measured[-1]).tolist()
        loss = float(self.learnt[0] / self.learnt[1])
        if not math.isfinite(loss + sum(means)):
            raise UsageError(
                f"the loss is no number any more after {self.global_step} steps: the rate "
                f"{self.recipe.rate:g} is too high; give --set rate={self.recipe.rate / 10:g}"
            )
        row = {
            "epoch": float(self.current_epoch),
            "step": float(self.global_step),
            "rate": float(self.trainer.optimizers[0].param_groups[0]["lr"]),
            "loss": loss,
            "val_loss": sum(means),
            **dict(zip(TERMS, means, strict=True)),
            "seconds": time.monotonic() - self.began,
        }
        self.history.append(row)
        self.log_dict({f"round/{name}": x for name, x in row.items() if name != "epoch"})

    def configure_optimizers(self) -> Any:
        recipe = self.recipe
        optimizer = optim.Adam(self.net.parameters(), recipe.rate)
        total = recipe.rounds * recipe.round
        rule = optim.lr_scheduler.LambdaLR(optimizer, lambda step: factor(step, total))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": rule, "interval": "step"}}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["history"] = self.history

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self.history = list(checkpoint["history"])


def factor(step: int, total: int) -> float:
    """What the rate is multiplied by at a step, 0..1: a cosine."""
    done = min(1.0, step / max(1, total))
    return LEAST_RATE + (1 - LEAST_RATE) * (1 + math.cos(math.pi * done)) / 2


def best_round(rows: list[Row]) -> int:
    """Number of the round with the least loss on the photos measured on; the first of equals."""
    return min(range(len(rows)), key=lambda i: rows[i]["val_loss"])


def _unit(batch: Tensor) -> Tensor:
    return (batch.float() / 255).contiguous(memory_format=torch.channels_last)
