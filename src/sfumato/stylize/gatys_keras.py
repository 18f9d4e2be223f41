"""Optimisation, as gatys does it, in Keras on TensorFlow: for comparing the two libraries.

The method of Gatys, Ecker and Bethge 2016 with the same weights, presets, regions and steps as
``gatys``, computed by the other library (docs/decisions/keras.md). It knows Gram matrices, Adam and
a single scale; for everything else there is ``gatys``.
"""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import BaseModel, Field

from sfumato.errors import SfumatoWarning, UsageError, WeightsError
from sfumato.io import weights
from sfumato.ops import resize, trimap
from sfumato.types import (
    Alpha,
    Context,
    Image,
    Mask,
    Progress,
    Step,
    Style,
    Watch,
    no_progress,
)

if TYPE_CHECKING:
    from sfumato.optimise.descent import Losses
    from sfumato.optimise.goals_keras import Goal, Net
    from sfumato.optimise.recipe import Recipe

REQUIRES = ("keras", "tensorflow", "torch")
EXTRA = "tensorflow"
WEIGHTS = ("vgg19-normalised",)

LEAST_SIDE = 32
"""Smaller pictures are mirrored outwards to this size; VGG-19 would shrink them to nothing."""

ONLY: dict[str, Any] = {
    "statistic": "gram", "optimizer": "adam", "smallest": 0, "depth_weight": 0,
    "histogram_weight": 0, "averaging": 0, "tolerance": 0,
}  # fmt: skip
"""What a recipe may ask for here, where ``gatys`` knows more."""


class Options(BaseModel, extra="forbid"):
    """How the picture is optimised: a preset, and what is to differ from it."""

    preset: str = Field("paper5-second", description="A set of losses and steps.")
    content_weight: float | None = Field(None, ge=0, description="Of the content; None = preset's.")
    style_weight: float | None = Field(None, ge=0, description="Of the style; None = preset's.")
    tv_weight: float | None = Field(None, ge=0, description="Of smoothness; None = preset's.")
    laplacian_weight: float | None = Field(
        None, ge=0, description="Of the photo's edges; None = preset's."
    )
    depth_weight: float | None = Field(
        None, ge=0, le=0, description="0 = leave a preset's depth out."
    )
    statistic: Literal["gram"] | None = Field(None, description="gram = whatever a preset says.")
    optimizer: Literal["adam"] | None = Field(None, description="adam = whatever a preset says.")
    smallest: int | None = Field(None, ge=0, le=0, description="0 = full size only.")
    pooling: Literal["max", "avg"] | None = Field(None, description="VGG-19's; None = preset's.")
    learning_rate: float | None = Field(
        None, gt=0, le=10, description="Step in units of the picture's range; None = preset's."
    )
    steps: int | None = Field(None, ge=1, le=100_000, description="None = preset's.")
    start: Literal["content", "noise"] | None = Field(
        None, description="The photo, or noise; None = preset's."
    )
    style_scale: float = Field(
        1.0, ge=0.25, le=4, description="Size of the strokes; 2 = twice as large."
    )
    style_margin: float = Field(
        0.03,
        ge=0,
        lt=0.4,
        description="Share of the style picture's sides that is not learnt from.",
    )
    vgg: Path | None = Field(
        None, description="A file of VGG-19 weights, torchvision's layout or the normalised one."
    )


def build(options: Options, context: Context) -> GatysKeras:
    """The stylizer with its net loaded.

    Raises:
        UsageError: an unknown preset, one that asks for what is not here, a device that is not
            available, or Keras on another backend.
        WeightsError: the net's weights cannot be had.
    """
    recipe = recipe_for(options)
    from sfumato.nets import vgg, vgg_keras
    from sfumato.optimise.goals_keras import Net

    device = _device(context.device)
    path = options.vgg or weights.fetch(WEIGHTS[0], context.progress)
    if not path.is_file():
        raise WeightsError(f"{path} is not a file; gatys-keras.vgg names a file of VGG-19 weights")
    layers = list({**recipe.content, **recipe.style})
    loaded = vgg.load(path, layers=layers, padding="reflect", pooling=recipe.pooling)
    _, tf = vgg_keras.libraries()
    with tf.device(device):
        read = vgg_keras.reader(loaded)
    net = Net(read, loaded.features, options.style_scale, options.style_margin)
    return GatysKeras(recipe, net, device=device, seed=context.seed)


def recipe_for(options: Options) -> Recipe:
    """The preset with its changes.

    Raises:
        UsageError: it asks for more than :data:`ONLY`.
    """
    from sfumato.optimise.recipe import Recipe, preset

    changed = options.model_dump(include=set(Recipe.model_fields), exclude_none=True)
    if options.optimizer and not options.learning_rate:
        changed["learning_rate"] = None  # the preset's may belong to another optimiser
    recipe = preset(options.preset).model_copy(update=changed)
    beyond = [name for name, value in ONLY.items() if getattr(recipe, name) != value]
    if beyond:
        asked = ", ".join(f"{name}={getattr(recipe, name)}" for name in beyond)
        here = ", ".join(f"{name}={ONLY[name]}" for name in beyond)
        raise UsageError(
            f"gatys-keras has no {asked}, which preset {options.preset!r} asks for; paint with "
            f"gatys, or give {here}"
        )
    return recipe


class GatysKeras:
    """Paints by optimisation in TensorFlow; see :class:`sfumato.types.ManyStylizer`.

    Args:
        recipe: losses, weights and steps.
        net: VGG-19.
        device: TensorFlow's name of where to compute.
        seed: of noise.
    """

    supports_region = True
    supports_many = True
    supports_watch = True
    supports_style_region = True

    def __init__(self, recipe: Recipe, net: Net, *, device: str = "/CPU:0", seed: int = 0) -> None:
        self._recipe, self._net, self._device, self._seed = recipe, net, device, seed

    def __call__(
        self,
        content: Image,
        style: Style,
        *,
        region: Alpha | None = None,
        progress: Progress = no_progress,
        watch: Watch | None = None,
    ) -> Image:
        """Paint ``content`` where ``region`` reaches; see :meth:`paint_many`."""
        if region is None:
            region = np.ones(content.shape[:2], np.float32)
        return self.paint_many(content, [(style, region)], progress=progress, watch=watch)

    def paint_many(
        self,
        content: Image,
        layers: Sequence[tuple[Style, Alpha]],
        *,
        progress: Progress = no_progress,
        watch: Watch | None = None,
    ) -> Image:
        """Paint several regions in their styles together.

        Args:
            content: float32 ``[H, W, 3]``, sRGB, 0..1.
            layers: styles, and float32 ``[H, W]``, 0..1, where they go.
            progress: told the done fraction.
            watch: told of every step.

        Returns:
            float32 ``[H, W, 3]``, 0..1; where no region reaches, the content's own pixels.
            Interrupted (KeyboardInterrupt), the best so far.

        Raises:
            UsageError: a style without picture, NaN, sizes that do not match.
        """
        from sfumato.nets.vgg_keras import libraries
        from sfumato.optimise.goals import Part
        from sfumato.optimise.goals_keras import Goal

        for _, alpha in layers:
            trimap.check_pair(content, alpha)
        pictures = [_picture_of(style) for style, _ in layers]
        seen = [i for i, (_, alpha) in enumerate(layers) if (alpha > 0).any()]
        if not seen:
            return content.copy()
        height, width = content.shape[:2]
        work = resize.pad_to_multiple(content, 1, LEAST_SIDE)
        ends = [(0, n - m) for n, m in zip(work.shape[:2], (height, width), strict=True)]
        parts = [Part(np.pad(layers[i][1], ends), pictures[i], layers[i][0].region) for i in seen]
        first = work
        if self._recipe.start == "noise":
            noise = np.random.default_rng(self._seed).normal(0.5, 0.1, work.shape)
            first = np.clip(noise, 0, 1).astype(np.float32)

        def cropped(picture: Image) -> Image:
            return np.ascontiguousarray(picture[:height, :width])

        _, tf = libraries()
        with tf.device(self._device):
            goal = Goal(work, parts, self._recipe, self._net)
            free = goal.free[..., None]
            descent = Descent(np.where(free, first, work), goal.free, self._recipe.rate)

            def painted() -> Image:
                return cropped(np.where(free, descent.result(), work))

            self._descend(goal, descent, painted, content, progress, watch)
            return painted()

    def _descend(
        self, goal: Goal, descent: Descent, painted: Callable[[], Image], content: Image,
        progress: Progress, watch: Watch | None,
    ) -> None:  # fmt: skip
        """Take the steps and tell of each."""
        count = self._recipe.steps
        note = f"optimising in TensorFlow at {max(content.shape[:2])} pixels, {count} steps of adam"
        last, began = Step(0, count, *content.shape[:2]), time.perf_counter()
        if watch:
            watch(replace(last, note=note), lambda: content)
        try:
            for number, losses in enumerate(descent.steps(goal.evaluate, count), 1):
                progress(number / count)
                last = replace(
                    last, number=number, losses=losses, seconds=time.perf_counter() - began
                )
                if watch:
                    watch(last, painted)
        except KeyboardInterrupt:
            if watch:
                watch(replace(last, interrupted=True), painted)


class Descent:
    """Adam's way downhill, step by step that of :class:`sfumato.optimise.descent.Descent`.

    Args:
        picture: float32 ``[H, W, 3]``, 0..1; the start.
        free: bool ``[H, W]``, True where pixels may change.
        rate: in units of the picture's range.
    """

    def __init__(self, picture: Image, free: Mask, rate: float) -> None:
        from sfumato.nets.vgg_keras import libraries

        self._keras, self._tf = libraries()
        self._start = self._tf.constant(picture[None])
        self._free = self._tf.constant(free[None, ..., None])
        self._rate = rate
        self._best: tuple[float, Any] = (math.inf, self._start)
        self._first = math.inf
        self._begin(self._start)

    def steps(self, evaluate: Callable[[Any], tuple[Losses, Any]], count: int) -> Iterator[Losses]:
        """Take ``count`` steps; yields after each one the losses that it started from."""
        from sfumato.optimise.descent import PATIENCE

        done = failures = 0
        while done < count:
            losses, gradient = evaluate(self._picture.value)
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
            done += 1
            yield losses

    def result(self) -> Image:
        """The best picture so far, ``[H, W, 3]``, 0..1."""
        return np.clip(np.asarray(self._best[1][0], dtype=np.float32), 0, 1)

    def _begin(self, picture: Any) -> None:
        from sfumato.optimise.descent import BETAS, EPS

        self._picture = self._keras.Variable(picture, name="picture")
        self._adam = self._keras.optimizers.Adam(
            self._rate, beta_1=BETAS[0], beta_2=BETAS[1], epsilon=EPS
        )
        self._adam.build([self._picture])

    def _move(self, total: float, gradient: Any) -> None:
        tf, picture = self._tf, self._tf.identity(self._picture.value)
        if math.isinf(self._first):
            self._first = total
        if total < self._best[0]:
            self._best = (total, picture)
        # Where a pixel is at the end of its range, no step leads out of it.
        blocked = ((picture <= 0) & (gradient > 0)) | ((picture >= 1) & (gradient < 0))
        self._adam.apply([tf.where(self._free & ~blocked, gradient, 0.0)], [self._picture])
        moved = tf.clip_by_value(self._picture.value, 0.0, 1.0)
        self._picture.assign(tf.where(self._free, moved, self._start))

    def _ran_away(self, total: float, gradient: Any) -> bool:
        from sfumato.optimise.descent import RUNAWAY

        finite = bool(self._tf.reduce_all(self._tf.math.is_finite(gradient)))
        if not (finite and math.isfinite(total)):
            return True
        return total > max(RUNAWAY * self._best[0], self._first)


def _picture_of(style: Style) -> Image:
    picture, learnt = style.picture_for("gatys-keras"), style.region
    if learnt is None:
        learnt = np.ones(picture.shape[:2], np.float32)
    trimap.check_pair(picture, learnt)
    if not (learnt > 0).any():
        raise UsageError(f"the part of {style.name!r} to learn from is empty")
    return picture


def _device(name: str) -> str:
    """TensorFlow's name of a device.

    Raises:
        UsageError: TensorFlow does not see it.
    """
    from sfumato.nets.vgg_keras import libraries

    _, tf = libraries()
    gpus = tf.config.list_physical_devices("GPU") if name != "cpu" else []
    if name == "mps" or (name == "cuda" and not gpus):
        raise UsageError(
            f"TensorFlow sees no device {name!r} here; use --device cpu, or paint with gatys"
        )
    return "/GPU:0" if gpus else "/CPU:0"
