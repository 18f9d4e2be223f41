"""Steps downhill: Rprop, Adam or L-BFGS, one evaluation of the objective a step."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator
from typing import Literal, TypeAlias

import torch
from torch import Tensor
from torch.nn import functional as F

from sfumato.errors import SfumatoWarning

Losses: TypeAlias = dict[str, float]
Evaluate: TypeAlias = Callable[[Tensor], tuple[Losses, Tensor]]
"""A picture to its weighted losses, ``total`` among them, and the total's gradient."""

Method = Literal["rprop", "adam", "lbfgs"]

SHRINK, GROW = 0.6, 1.3
"""Of Rprop: each pixel's own step is multiplied by one of them where its gradient turned round or
kept its sign (Riedmiller and Braun 1993). No step is noisy, so signs can be trusted; on pictures
it goes as far in a quarter of L-BFGS's steps (docs/decisions/rprop.md)."""

LEAST_STEP, LARGEST_STEP = 1e-6, 0.05
"""Of Rprop, in units of the picture's range."""

BETAS = (0.9, 0.99)
"""Of Adam: the gradients hardly change their scale, so the second moment may forget faster than
by the usual 0.999."""

EPS = 1e-16
"""Of Adam: losses are means over the picture, so that a pixel's gradient is tiny."""

HISTORY, LEAST_HISTORY, LARGE = 20, 4, 4_000_000
"""Pairs of steps that L-BFGS remembers, each as large as two pictures: all up to ``LARGE`` pixels,
above that as many as take the same memory. Noisy half-precision gradients need more than 10."""

WINDOW = 15
"""Steps over which the loss has to fall if it is not to count as flat."""

RUNAWAY = 5.0
"""A loss this many times its best so far, and above its first, has run away."""

PATIENCE = 6
"""Times that a descent may run away, and go on at half its rate, before it is given up."""


class Descent:
    """A picture on its way downhill.

    Args:
        picture: ``[1, 3, H, W]``, RGB, 0..1; the start.
        free: ``[1, 1, H, W]``, True where pixels may change; the others stay as they are.
        method: how.
        rate: Adam's step, or Rprop's first one, in units of the picture's range; L-BFGS
            multiplies its own by it.
        averaging: how much of the average of past pictures is kept a step; 0 = no average.
            The average is quieter than any one of them (Polyak and Juditsky 1992).
        tolerance: relative fall of the loss over :data:`WINDOW` steps below which it is flat.
        before: the coarser scale's descent, whose moments Adam goes on with. Rprop begins anew:
            steps that shrank where the coarse picture was settled are too short for new detail.
    """

    def __init__(
        self,
        picture: Tensor,
        free: Tensor,
        *,
        method: Method = "adam",
        rate: float = 0.02,
        averaging: float = 0.0,
        tolerance: float = 0.0,
        before: Descent | None = None,
    ) -> None:
        self._start, self._free = picture, free
        self._method, self._rate = method, rate
        self._averaging, self._tolerance = averaging, tolerance
        self._best, self._first = (math.inf, picture), math.inf
        self._average, self._averaged = torch.zeros_like(picture), 0
        self._begin(picture)
        if before is not None and method == "adam":
            self._go_on_with(before)

    def steps(self, evaluate: Evaluate, count: int) -> Iterator[Losses]:
        """Take up to ``count`` steps; yields after each one the losses that it started from.

        Ends early where the loss is flat. Where it is not finite or has run away, the descent
        goes back to its best picture and on at half the rate, a few times at most.
        """
        totals: list[float] = []
        failures = 0
        while len(totals) < count:
            losses, gradient = evaluate(self._picture)
            if self._ran_away(losses["total"], gradient):
                failures += 1
                if failures == PATIENCE:
                    warnings.warn(
                        f"the loss ran away at every rate down to {self._rate:.2g}: kept the best "
                        "picture; smaller weights or a smaller learning rate may help",
                        SfumatoWarning,
                        stacklevel=2,
                    )
                    return
                self._rate /= 2
                self._begin(self._best[1])
                continue
            self._move(losses["total"], gradient)
            totals.append(losses["total"])
            yield losses
            if self._tolerance and _flat(totals, self._tolerance):
                return

    def result(self) -> Tensor:
        """The average of the last pictures, or without averaging the best one, 0..1."""
        if self._averaged:
            return (self._average / (1 - self._averaging**self._averaged)).clamp(0, 1)
        return self._best[1].clamp(0, 1)

    def _begin(self, picture: Tensor) -> None:
        self._picture = picture.clone().contiguous().requires_grad_()
        self._optimizer: torch.optim.Optimizer
        if self._method == "rprop":
            self._optimizer = torch.optim.Rprop(
                [self._picture], lr=min(self._rate, LARGEST_STEP), etas=(SHRINK, GROW),
                step_sizes=(LEAST_STEP, LARGEST_STEP),
            )  # fmt: skip
        elif self._method == "adam":
            self._optimizer = torch.optim.Adam([self._picture], lr=self._rate, betas=BETAS, eps=EPS)
        else:
            pairs = int(history(picture[0, 0].numel()))
            self._optimizer = torch.optim.LBFGS(
                [self._picture], lr=self._rate, max_iter=1, history_size=pairs,
                tolerance_grad=0, tolerance_change=0,
            )  # fmt: skip

    def _move(self, total: float, gradient: Tensor) -> None:
        if math.isinf(self._first):
            self._first = total
        if total < self._best[0]:
            self._best = (total, self._picture.detach().clone())
        moving = self._free & ~self._blocked(gradient)
        self._picture.grad = torch.where(moving, gradient, 0).contiguous()
        # The closure's value is what L-BFGS compares steps by; it has just been computed.
        self._optimizer.step(lambda: total)
        with torch.no_grad():
            self._picture.clamp_(0, 1)
            self._picture.copy_(torch.where(self._free, self._picture, self._start))
            if self._averaging:
                self._average.lerp_(self._picture, 1 - self._averaging)
                self._averaged += 1

    def _blocked(self, gradient: Tensor) -> Tensor:
        """Where a pixel is at the end of its range and the step would lead out of it."""
        picture = self._picture.detach()
        return ((picture <= 0) & (gradient > 0)) | ((picture >= 1) & (gradient < 0))

    def _ran_away(self, total: float, gradient: Tensor) -> bool:
        if not math.isfinite(total) or not bool(gradient.isfinite().all()):
            return True
        return total > max(RUNAWAY * self._best[0], self._first)

    def _go_on_with(self, before: Descent) -> None:
        """Take over Adam's moments, resized to this picture."""
        state = before._optimizer.state[before._picture]
        if "exp_avg" not in state:
            return
        size = self._picture.shape[-2:]
        first = F.interpolate(state["exp_avg"], size, mode="bicubic", align_corners=False)
        second = F.interpolate(state["exp_avg_sq"], size, mode="bilinear", align_corners=False)
        self._optimizer.state[self._picture] = {
            "step": state["step"].clone(), "exp_avg": first, "exp_avg_sq": second.clamp_min(0)
        }  # fmt: skip


def history(pixels: int) -> float:
    """How many pairs of steps L-BFGS remembers for a picture of that many pixels."""
    return min(HISTORY, max(LEAST_HISTORY, HISTORY * LARGE / max(1, pixels)))


def _flat(totals: list[float], tolerance: float) -> bool:
    if len(totals) < 2 * WINDOW:
        return False
    before, now = sum(totals[-2 * WINDOW : -WINDOW]), sum(totals[-WINDOW:])
    return before - now < tolerance * abs(before)
