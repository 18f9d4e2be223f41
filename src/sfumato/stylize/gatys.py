"""Optimisation: the picture itself is changed until VGG-19 sees content and style in it.

Gatys, Ecker and Bethge 2016, "Image style transfer using convolutional neural networks", with
the regions inside the loss, other statistics, depth and Laplacian terms, from coarse to fine.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import BaseModel, Field

from sfumato.errors import UsageError, WeightsError
from sfumato.io import weights
from sfumato.ops import resize, trimap
from sfumato.types import Alpha, Context, Image, Progress, Style, Watch, no_progress

if TYPE_CHECKING:
    import torch

    from sfumato.optimise.goals import Part, Tools
    from sfumato.optimise.recipe import Recipe

REQUIRES = ("torch",)
EXTRA = "torch"
WEIGHTS = ("vgg19-normalised", "fastdepth")

FEED_FORWARD = "magenta"
"""The stylizer whose painting a fast start begins with."""

LEAST_SIDE = 32
"""Smaller pictures are mirrored outwards to this size; VGG-19 would shrink them to nothing."""


class Options(BaseModel, extra="forbid"):
    """How the picture is optimised: a preset, and what is to differ from it."""

    preset: str = Field("fast", description="A set of losses and steps (docs/optimise.md).")
    content_weight: float | None = Field(None, ge=0, description="Of the content; None = preset's.")
    style_weight: float | None = Field(None, ge=0, description="Of the style; None = preset's.")
    tv_weight: float | None = Field(None, ge=0, description="Of smoothness; None = preset's.")
    laplacian_weight: float | None = Field(
        None, ge=0, description="Of the photo's edges; None = preset's."
    )
    depth_weight: float | None = Field(
        None, ge=0, description="Of the photo's depth; None = preset's."
    )
    histogram_weight: float | None = Field(
        None, ge=0, description="Of the photo's colours; None = preset's."
    )
    statistic: Literal["gram", "wasserstein", "sliced", "mean-std"] | None = Field(
        None, description="What of a style is compared; None = preset's."
    )
    pooling: Literal["max", "avg"] | None = Field(None, description="VGG-19's; None = preset's.")
    optimizer: Literal["rprop", "adam", "lbfgs"] | None = Field(
        None, description="None = preset's."
    )
    learning_rate: float | None = Field(
        None, gt=0, le=10, description="Step in units of the picture's range; None = preset's."
    )
    steps: int | None = Field(
        None,
        ge=1,
        le=100_000,
        description="At 512 pixels, or of a single scale; None = preset's.",
    )
    smallest: int | None = Field(
        None, ge=0, le=4096, description="Pixels of the coarsest scale; 0 = full size only."
    )
    start: Literal["content", "noise", "fast"] | None = Field(
        None, description="The photo, noise, or a feed-forward painting; None = preset's."
    )
    averaging: float | None = Field(
        None, ge=0, lt=1, description="Of past pictures; 0 = the best one; None = preset's."
    )
    tolerance: float | None = Field(
        None,
        ge=0,
        lt=1,
        description="Fall of the loss below which a scale ends; None = preset's.",
    )
    style_scale: float = Field(
        1.0, ge=0.25, le=4, description="Size of the strokes; 2 = twice as large."
    )
    style_margin: float = Field(
        0.03,
        ge=0,
        lt=0.4,
        description="Share of the style picture's sides that is not learnt from: frames, edges of "
        "scans. Not with a style region.",
    )
    vgg: Path | None = Field(
        None, description="A file of VGG-19 weights, torchvision's layout or the normalised one."
    )
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        "auto", description="Of activations; auto = bfloat16 where the processor multiplies in it."
    )
    max_memory: float | None = Field(
        None, gt=0, description="Gigabytes that may be used; None = half of the machine's."
    )


def build(options: Options, context: Context) -> Gatys:
    """The stylizer with its nets loaded.

    Raises:
        UsageError: an unknown preset, or a device that is not available.
        WeightsError: the nets' weights cannot be had.
    """
    from sfumato.nets import fastdepth, vgg
    from sfumato.nets.device import choose_device, place
    from sfumato.nets.taps import Taps
    from sfumato.optimise import memory
    from sfumato.optimise.goals import Tools
    from sfumato.optimise.recipe import preset

    changed = options.model_dump(include=set(type(preset(options.preset)).model_fields))
    update = {name: value for name, value in changed.items() if value is not None}
    if options.optimizer and not options.learning_rate:
        update["learning_rate"] = None  # the preset's belongs to its own optimiser
    recipe = preset(options.preset).model_copy(update=update)
    device = choose_device(context.device)
    path = options.vgg or weights.fetch(WEIGHTS[0], context.progress)
    if not path.is_file():
        raise WeightsError(f"{path} is not a file; gatys.vgg names a file of VGG-19 weights")
    net = vgg.load(
        path, layers=list({**recipe.content, **recipe.style}), padding="reflect",
        pooling=recipe.pooling,
    )  # fmt: skip
    depth = None
    if recipe.depth_weight:
        depth = place(fastdepth.load(weights.fetch(WEIGHTS[1], context.progress)), device)
    tools = Tools(
        taps=Taps(place(net, device), _dtype(options.precision, device)),
        features=net.features,
        depth=depth,
        device=device,
        budget=memory.limit(options.max_memory, device),
        style_scale=options.style_scale,
        style_margin=options.style_margin,
        seed=context.seed,
    )
    return Gatys(recipe, tools, load=context.load)


class Gatys:
    """Paints by optimisation; see :class:`sfumato.types.ManyStylizer`.

    Args:
        recipe: losses, weights and steps.
        tools: the nets, and where they run.
        load: builds other backends; for a feed-forward start.
    """

    supports_region = True
    supports_many = True
    supports_watch = True
    supports_style_region = True

    def __init__(
        self, recipe: Recipe, tools: Tools, *, load: Callable[[str, str], Any] | None = None
    ) -> None:
        self._recipe, self._tools, self._load = recipe, tools, load

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

        Raises:
            UsageError: a style without picture, NaN, sizes that do not match, too little memory.
        """
        from sfumato.optimise.goals import Part
        from sfumato.optimise.painter import optimise

        for _, alpha in layers:
            trimap.check_pair(content, alpha)
        pictures = [_picture_of(style) for style, _ in layers]
        seen = [i for i, (_, alpha) in enumerate(layers) if (alpha > 0).any()]
        if not seen:
            return content.copy()
        height, width = content.shape[:2]
        work = resize.pad_to_multiple(content, 1, LEAST_SIDE)

        def cropped(picture: Image) -> Image:
            return np.ascontiguousarray(picture[:height, :width])

        parts = [
            Part(_padded(layers[i][1], work.shape), pictures[i], layers[i][0].region) for i in seen
        ]
        start = partial(self._start, parts) if self._recipe.start != "content" else None
        painted = optimise(
            work, parts, self._recipe, self._tools, start=start, progress=progress,
            watch=watch and (lambda step, picture: watch(step, lambda: cropped(picture()))),
        )  # fmt: skip
        return cropped(painted)

    def _start(self, parts: Sequence[Part], sketch: Image) -> Image:
        """The picture to begin with: noise, or each region painted by a feed-forward net."""
        if self._recipe.start == "noise":
            noise = np.random.default_rng(self._tools.seed).normal(0.5, 0.1, sketch.shape)
            return np.clip(noise, 0, 1).astype(np.float32)
        if self._load is None:
            raise UsageError("a feed-forward start needs the registry; use start=content")
        painter = self._load("stylize", FEED_FORWARD)
        for part in parts:
            painted = painter(sketch, Style("style", _learnt_from(part)))
            alpha = resize.resize(part.region, sketch.shape[:2])
            sketch = sketch + alpha[..., None] * (painted - sketch)
        return sketch


def _learnt_from(part: Part) -> Image:
    """The style picture, cut to what is to be learnt from."""
    if part.learnt is None:
        return part.style
    rows, columns = np.flatnonzero(part.learnt.any(1)), np.flatnonzero(part.learnt.any(0))
    return part.style[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _padded(region: Alpha, shape: tuple[int, ...]) -> Alpha:
    """Nothing is to be painted in what was added to the picture."""
    height, width = (n - m for n, m in zip(shape, region.shape, strict=False))
    return np.pad(region, ((0, height), (0, width)))


def _picture_of(style: Style) -> Image:
    picture, learnt = style.picture_for("gatys"), style.region
    if learnt is None:
        learnt = np.ones(picture.shape[:2], np.float32)
    trimap.check_pair(picture, learnt)
    if not (learnt > 0).any():
        raise UsageError(f"the part of {style.name!r} to learn from is empty")
    return picture


def _dtype(precision: str, device: torch.device) -> torch.dtype:
    """What activations are kept in."""
    import torch

    if precision != "auto":
        return torch.bfloat16 if precision == "bfloat16" else torch.float32
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float32
    fast = device.type == "cpu" and torch.ops.mkldnn._is_mkldnn_bf16_supported()
    return torch.bfloat16 if fast else torch.float32
