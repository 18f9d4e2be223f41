"""The optimisation itself: from the coarsest scale to the finest, step by step."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from sfumato.ops import resize
from sfumato.optimise import goals, memory, scales
from sfumato.optimise.descent import Descent, Losses
from sfumato.optimise.goals import Part, Tools
from sfumato.optimise.recipe import Recipe
from sfumato.optimise.scales import Scale
from sfumato.types import Image, Mask, Progress, Step, Watch, no_progress


def optimise(
    content: Image,
    parts: Sequence[Part],
    recipe: Recipe,
    tools: Tools,
    *,
    start: Callable[[Image], Image] | None = None,
    progress: Progress = no_progress,
    watch: Watch | None = None,
) -> Image:
    """Paint the regions; pixels that none reaches are the content's own, to the bit.

    Args:
        content: float32 ``[H, W, 3]``, 0..1, both sides :data:`scales.LEAST_SIDE` or more.
        parts: regions and their styles; they may overlap.
        recipe: losses, weights and steps.
        tools: the nets, and where they run.
        start: paints the picture that the coarsest scale begins with; None = as it is.
        progress: told the fraction of the work that is done.
        watch: told of every step.

    Returns:
        float32 ``[H, W, 3]``, 0..1. Interrupted (KeyboardInterrupt), the best so far.

    Raises:
        UsageError: the memory allowed does not hold the picture.
    """
    free = np.max([part.region for part in parts], axis=0) > 0
    plan = scales.plan((content.shape[0], content.shape[1]), _extent(free), recipe)
    diary = _Diary(content, free, plan, progress, watch)
    descent: Descent | None = None
    before = content
    try:
        diary.begin(recipe, tools)
        for scale in plan:
            sketch = resize.resize(content, (scale.height, scale.width))
            goal = goals.at_scale(sketch, parts, recipe, tools)
            if descent is None:
                first = goals.tensor(start(sketch) if start else sketch, tools.device)
            else:
                first = _refined(descent.result(), sketch, before, tools.device)
            descent = Descent(
                torch.where(goal.free, first, goals.tensor(sketch, tools.device)), goal.free,
                method=recipe.optimizer, rate=recipe.rate, averaging=recipe.averaging,
                tolerance=recipe.tolerance, before=descent,
            )  # fmt: skip
            before = sketch
            for losses in descent.steps(goal.evaluate, scale.steps):
                diary.step(scale, losses, descent)
            diary.end(scale)
    except KeyboardInterrupt:
        if descent is None:
            raise
        diary.interrupted(descent)
    assert descent is not None  # a plan has at least one scale
    return _laid_over(content, free, descent)


class _Diary:
    """Counts steps and cost, and tells who wants to know."""

    def __init__(
        self,
        content: Image,
        free: Mask,
        plan: Sequence[Scale],
        progress: Progress,
        watch: Watch | None,
    ) -> None:
        self._content, self._free = content, free
        self._plan, self._progress, self._watch = plan, progress, watch
        self._total_cost = sum(scale.cost for scale in plan)
        self._planned = sum(scale.steps for scale in plan)
        self._done, self._cost, self._of_scale = 0, 0, 0
        self._began = time.perf_counter()
        self._last = Step(0, self._planned, *content.shape[:2])

    def begin(self, recipe: Recipe, tools: Tools) -> None:
        """Say what is about to be done and what it takes."""
        pixels = int(self._free.size)
        need = (memory.held(pixels) + memory.seen(pixels, tools.taps.dtype)) / 1e9
        sizes = " → ".join(str(max(scale.height, scale.width)) for scale in self._plan)
        note = (
            f"optimising at {sizes} pixels, {self._planned} steps of {recipe.optimizer} in all; "
            f"about {min(need, tools.budget / 1e9):.1f} GB of memory"
        )
        if need * 1e9 > tools.budget:
            note += f", in tiles, since {need:.1f} GB would be more than the memory allowed"
        if self._watch:
            self._watch(replace(self._last, note=note), lambda: self._content)

    def step(self, scale: Scale, losses: Losses, descent: Descent) -> None:
        self._done += 1
        self._of_scale += 1
        part = self._of_scale * scale.height * scale.width
        self._progress((self._cost + part) / self._total_cost)
        self._last = Step(
            self._done, self._planned, scale.height, scale.width, losses,
            time.perf_counter() - self._began,
        )  # fmt: skip
        if self._watch:
            self._watch(self._last, lambda: _laid_over(self._content, self._free, descent))

    def end(self, scale: Scale) -> None:
        """A scale that was flat early takes its steps left off the plan."""
        self._planned -= scale.steps - self._of_scale
        self._cost += scale.cost
        self._of_scale = 0
        self._progress(self._cost / self._total_cost)

    def interrupted(self, descent: Descent) -> None:
        if self._watch:
            last = replace(self._last, interrupted=True)
            self._watch(last, lambda: _laid_over(self._content, self._free, descent))


def _extent(free: Mask) -> tuple[int, int]:
    """Height and width of what may change."""
    rows, columns = np.flatnonzero(free.any(1)), np.flatnonzero(free.any(0))
    return int(rows[-1] - rows[0]) + 1, int(columns[-1] - columns[0]) + 1


def _laid_over(content: Image, free: Mask, descent: Descent) -> Image:
    """The descent's picture where pixels were free to change, at the content's size."""
    small = descent.result()[0].permute(1, 2, 0).cpu().numpy()
    painted = resize.resize(np.ascontiguousarray(small), content.shape[:2])
    return np.where(free[..., None], painted, content)


def _refined(picture: Tensor, sketch: Image, before: Image, device: torch.device) -> Tensor:
    """A coarser scale's picture at the size of ``sketch``, with the detail that the content has
    at this size and did not have ``before``."""
    detail = sketch - resize.enlarged(before, sketch.shape)
    larger = F.interpolate(picture, sketch.shape[:2], mode="bicubic", align_corners=False)
    return (larger + goals.tensor(detail, device)).clamp(0, 1)
