"""What is to be reached at one scale: targets, guides and the objective that compares with them."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from torch import Tensor

from sfumato.errors import SfumatoWarning, UsageError
from sfumato.losses import style as statistics
from sfumato.losses.colour import colours, histogram
from sfumato.losses.depth import depth
from sfumato.losses.laplacian import laplacian
from sfumato.losses.smoothness import total_variation
from sfumato.losses.style import Statistic, Summary
from sfumato.nets import vgg
from sfumato.nets.taps import Taps
from sfumato.ops import resize
from sfumato.optimise import memory
from sfumato.optimise.descent import Losses
from sfumato.optimise.guides import guide
from sfumato.optimise.objective import ContentGoal, Objective, PixelTerm, StyleGoal
from sfumato.optimise.patches import CELL, Patch, boxes, cover, tiled
from sfumato.optimise.recipe import Recipe
from sfumato.optimise.scales import LEAST_SIDE
from sfumato.types import Alpha, Image

MARGIN = 32
"""Pixels around what a patch answers for. conv4_2 sees 38, conv5_1 70; the outer ones hardly count
(Luo et al. 2016), and each pixel of margin costs as much as one of the picture."""

LEAST_TILE = 4 * MARGIN
"""Side in pixels below which a tile would be nothing but margin."""

STRIDE_OF_JITTER = 5
"""Cells by which the cuts between tiles move from step to step."""

Depth = Callable[[Tensor], Tensor]
"""RGB ``[1, 3, H, W]``, 0..1, to a depth map, differentiable."""


@dataclass(frozen=True)
class Part:
    """A region and the style that it is to take on.

    Attributes:
        region: float32 ``[H, W]``, 0..1, of the content's size, more than 0 somewhere.
        style: float32 ``[h, w, 3]``, 0..1.
        learnt: float32 ``[h, w]``, 0..1, the part of the style picture to learn from; None = all
            but :attr:`Tools.style_margin`.
    """

    region: Alpha
    style: Image
    learnt: Alpha | None = None


@dataclass(frozen=True)
class Tools:
    """What a painter works with.

    Attributes:
        taps: VGG-19, reading the recipe's layers.
        features: which weights those are (:attr:`Recipe.features`).
        depth: a depth net; needed where the recipe weighs depth.
        device: where tensors live.
        budget: bytes of memory that may be used.
        style_scale: size of the strokes.
        style_margin: how much of a style picture's sides is not learnt from.
        seed: of noise and of directions.
    """

    taps: Taps
    features: str
    depth: Depth | None
    device: torch.device
    budget: float
    style_scale: float = 1.0
    style_margin: float = 0.0
    seed: int = 0


class Goal:
    """What a picture of one size is compared with.

    Args:
        objective: the losses.
        free: bool ``[1, 1, H, W]``, what may change.
        most: pixels at most that may go through the net in one piece.
    """

    def __init__(self, objective: Objective, free: Tensor, most: int) -> None:
        self.free = free
        self._objective, self._most = objective, most
        self._boxes = boxes(free[0, 0].cpu().numpy(), MARGIN)
        self._evaluations = 0

    def evaluate(self, picture: Tensor) -> tuple[Losses, Tensor]:
        """Weighted losses and their gradient; smaller tiles where memory runs out."""
        self._evaluations += 1
        try:
            return self._objective(picture, self._patches())
        except (MemoryError, RuntimeError) as error:
            if not _out_of_memory(error):
                raise
            self._smaller_tiles()
        return self.evaluate(picture)

    def _patches(self) -> list[Patch]:
        shape, jitter = self.free.shape[-2:], self._evaluations * STRIDE_OF_JITTER * CELL
        if self._objective.together:
            return tiled(self._boxes, shape, MARGIN)
        return tiled(self._boxes, shape, MARGIN, most=self._most, jitter=jitter)

    def _smaller_tiles(self) -> None:
        self._most //= 2
        if self._most < LEAST_TILE**2:
            raise MemoryError("not enough memory to optimise this picture") from None
        self._objective = replace(self._objective, together=False)
        warnings.warn(
            f"memory ran out: going on in tiles of {math.isqrt(self._most)} pixels",
            SfumatoWarning,
            stacklevel=3,
        )


def at_scale(content: Image, parts: Sequence[Part], recipe: Recipe, tools: Tools) -> Goal:
    """Targets and guides for the content at this size.

    Args:
        content: float32 ``[H, W, 3]``, 0..1, resized to the scale.
        parts: regions and styles at full size.
        recipe, tools: see :func:`sfumato.optimise.painter.optimise`.

    Raises:
        UsageError: the memory allowed does not hold the picture.
    """
    shape = (content.shape[0], content.shape[1])
    regions = [resize.resize(part.region, shape) for part in parts]
    union = np.max(regions, axis=0)
    free = union > 0
    most = memory.pixels_at_once(tools.budget, free.size, tools.taps.dtype)
    if most < LEAST_TILE**2:
        raise UsageError(
            f"{tools.budget / 1e9:.1f} GB of memory do not hold a picture of "
            f"{shape[1]}x{shape[0]} pixels; allow more with --max-memory, or work at a smaller "
            "--size"
        )
    patches = cover(free, MARGIN, most=most)
    statistic = statistics.statistic(recipe.statistic, seed=tools.seed)
    content_weights = recipe.content_weights(tools.features)
    style_weights = recipe.style_weights(tools.features)
    areas = [float(region.sum()) for region in regions]
    picture = tensor(content, tools.device)
    objective = Objective(
        read=tools.taps,
        statistic=statistic,
        content=ContentGoal(
            _features(picture, patches, list(content_weights), tools.taps),
            _guides(union, list(content_weights), tools.device),
        ),
        styles=[
            StyleGoal(
                _guides(region, list(style_weights), tools.device),
                _summaries(part, max(shape), list(style_weights), statistic, most, tools),
                share=area / sum(areas),
            )
            for part, region, area in zip(parts, regions, areas, strict=True)
        ],
        content_weights=content_weights,
        style_weights=style_weights,
        pixels=_pixel_terms(picture, union, recipe, tools),
        together=sum(patch.seen.area for patch in patches) <= most,
    )
    return Goal(objective, torch.from_numpy(free)[None, None].to(tools.device), most)


def _guides(region: Alpha, layers: Sequence[str], device: torch.device) -> dict[str, Tensor]:
    return {layer: guide(region, layer).to(device) for layer in layers}


@torch.no_grad()
def _features(
    picture: Tensor, patches: Sequence[Patch], layers: Sequence[str], taps: Taps
) -> dict[str, Tensor]:
    """Activations of the picture where patches answer for it, and zeros elsewhere."""
    found: dict[str, Tensor] = {}
    for patch in patches:
        read = taps(picture[(..., *patch.seen.slices)])
        for layer in layers:
            stride = vgg.stride(layer)
            if layer not in found:
                size = [n // stride for n in picture.shape[-2:]]
                found[layer] = read[layer].new_zeros(read[layer].shape[0], *size)
            where = (slice(None), *patch.cells_of_picture(stride))
            found[layer][where] = read[layer][(slice(None), *patch.cells(stride))]
    return found


@torch.no_grad()
def _summaries(
    part: Part,
    side: int,
    layers: Sequence[str],
    statistic: Statistic,
    most: int,
    tools: Tools,
) -> dict[str, Summary]:
    """What is to be learnt from a style picture, read as large as the content's longer side.

    A style picture is not enlarged beyond its own pixels: it has no finer strokes to show.
    """
    longest = max(part.style.shape[:2])
    factor = min(1.0, side * tools.style_scale / longest)
    size = [max(LEAST_SIDE, round(n * factor)) for n in part.style.shape[:2]]
    style = tensor(resize.resize(part.style, tuple(size)), tools.device)
    if part.learnt is not None:
        learnt = resize.resize(part.learnt, tuple(size))
    else:
        learnt = np.zeros(size, np.float32)
        top, left = (round(n * tools.style_margin) for n in size)
        learnt[top : size[0] - top, left : size[1] - left] = 1
    guides = _guides(learnt, layers, tools.device)
    found: dict[str, list[Summary]] = {layer: [] for layer in layers}
    for patch in cover(learnt > 0, MARGIN, most=most):
        read = tools.taps(style[(..., *patch.seen.slices)])
        for layer in layers:
            stride = vgg.stride(layer)
            own = read[layer][(slice(None), *patch.cells(stride))]
            weight = guides[layer][patch.cells_of_picture(stride)]
            found[layer].append(statistic.summarise(own, weight))
    return {
        layer: statistic.prepare(statistic.combine(summaries)) for layer, summaries in found.items()
    }


def _pixel_terms(
    content: Tensor, union: Alpha, recipe: Recipe, tools: Tools
) -> Mapping[str, PixelTerm]:
    """The losses that read pixels, those with a weight."""
    region = torch.from_numpy(np.ascontiguousarray(union)).to(tools.device)
    terms = {}
    if recipe.tv_weight:
        terms["tv"] = PixelTerm(recipe.tv_weight, partial(total_variation, weight=region))
    if recipe.laplacian_weight:
        loss = partial(laplacian, target=content, weight=region)
        terms["laplacian"] = PixelTerm(recipe.laplacian_weight, loss)
    if recipe.histogram_weight:
        with torch.no_grad():
            wanted = colours(content[0], region)
        terms["histogram"] = PixelTerm(
            recipe.histogram_weight, lambda x: histogram(x[0], wanted, region)
        )
    if recipe.depth_weight and tools.depth is not None:
        with torch.no_grad():
            map_ = tools.depth(content)
        net = tools.depth
        terms["depth"] = PixelTerm(recipe.depth_weight, lambda x: depth(net(x), map_))
    return terms


def _out_of_memory(error: Exception) -> bool:
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or "memory" in str(error)


def tensor(picture: Image, device: torch.device) -> Tensor:
    """``[H, W, 3]`` to ``[1, 3, H, W]``."""
    return torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1)))[None].to(device)
