"""What is measured of a result: how near it is to photo and style, how well it found, its cost.

The losses are those of Gatys et al. 2016 ("Image style transfer using convolutional neural
networks"), taken alike of every picture, whatever the painter minimised: the normalised VGG-19
with average pooling (section 2), content at conv4_2, style at conv1_1, conv2_1, conv3_1, conv4_1
and conv5_1, 1/5 each, all after their rectifiers, in float32, the whole picture at once, the
style picture at the photo's size (its longer side made equal). With F and P of C channels and M
cells, G and A the sums F F^T::

    style    L_s = sum over layers of 1/5 |G / M - A / M'|^2 / (4 C^2)            (eq. 4, 5)
    content  L_c = |F - P|^2 / (2 M)                                              (eq. 1, / M)
    total    L   = L_s + 1e-3 L_c                                                 (eq. 7, / beta)

The content term is a mean over cells, as the style term is one; as a sum it would outweigh the
style a thousandfold, and by how much would depend on the picture's size.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sfumato.data.samples import IGNORED
from sfumato.errors import UsageError
from sfumato.evaluate import metrics
from sfumato.evaluate.segmenter import picture_iou
from sfumato.io import weights
from sfumato.ops.resize import pad_to_multiple, resize
from sfumato.ops.structure import edge_agreement, self_similarity
from sfumato.types import Alpha, Image

if TYPE_CHECKING:
    from torch import Tensor

    from sfumato.nets.vgg import VGG19

CONTENT = "relu4_2"
STYLE = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")

CONTENT_WEIGHT = 1e-3
"""alpha / beta: what the content loss weighs in the total."""

LEAST = 32
"""Smaller pictures are mirrored outwards to this side; VGG-19 would shrink them to nothing."""

NET = "vgg19-normalised"


@dataclass(frozen=True)
class Measure:
    """A figure of a cell: what to call it, which way is better, how to write it."""

    name: str
    label: str
    better: Literal["less", "more", ""] = ""
    form: str = "{:.3g}"
    about: str = ""


MEASURES = (
    Measure("seconds", "seconds", "less", "{:.2f}", "finding, painting and putting together"),
    Measure(
        "cpu",
        "CPU seconds",
        "less",
        "{:.2f}",
        "the same by the processors' clocks: of all cores together, whatever else the machine does",
    ),
    Measure("memory", "memory, MB", "less", "{:.0f}", "most that the process held"),
    Measure("steps", "steps", "", "{:.0f}", "of an optimisation"),
    Measure("content_loss", "content loss", "less", "{:.2f}", "VGG-19 at conv4_2"),
    Measure("style_loss", "style loss", "less", "{:.4f}", "Gram matrices of VGG-19, five layers"),
    Measure("total_loss", "total loss", "less", "{:.4f}", "style + 0.001 content"),
    Measure("edges", "edges kept", "more", "{:.3f}", "correlation with the photo's edges"),
    Measure("similarity", "likeness kept", "more", "{:.3f}", "which parts look alike, correlation"),
    Measure("seam", "seam", "less", "{:.2f}", "1 = as visible as what the sources have there"),
    Measure("iou", "IoU", "more", "{:.4f}", "of what was found with the truth"),
    Measure("boundary_f", "boundary F", "more", "{:.4f}", "of its outline"),
    Measure("trimap_iou", "trimap IoU", "more", "{:.4f}", "IoU near the true edge"),
)
"""All measures in the order of the tables. None of one cell has all."""

BY_NAME: Mapping[str, Measure] = {measure.name: measure for measure in MEASURES}


class Losses(NamedTuple):
    """What a picture is charged with; ``style`` and ``total`` are NaN without a style picture."""

    content: float
    style: float
    total: float


class Judge:
    """Measures pictures against one photo and one style.

    Args:
        photo: float32 ``[H, W, 3]``, sRGB, 0..1.
        style: float32 ``[h, w, 3]``; None for a style that has no picture.
        region: float32 ``[H, W]``, 0..1: both losses count only there, averaged over its area
            (shrunk by averaging to each layer's size).
        style_region: float32 ``[h, w]``, 0..1: the part of the style picture that counts.

    Raises:
        WeightsError: VGG-19's weights cannot be had.
        UsageError: the region is empty.
    """

    def __init__(
        self,
        photo: Image,
        style: Image | None,
        *,
        region: Alpha | None = None,
        style_region: Alpha | None = None,
    ) -> None:
        if region is not None and not (region > 0).any():
            raise UsageError("the region in which the losses are taken is empty")
        self._shape = photo.shape
        self._region = None if region is None else _padded(region, photo)
        self._photo = _features(photo, (CONTENT,))[CONTENT]
        self._style: dict[str, Tensor] = {}
        if style is not None:
            long = max(photo.shape[:2])
            scale = long / max(style.shape[:2])
            shape = tuple(max(1, round(side * scale)) for side in style.shape[:2])
            seen = resize(style, shape)
            part = None if style_region is None else resize(style_region, shape)
            guide = None if part is None else _padded(part, seen)
            found = _features(seen, STYLE)
            self._style = {name: _gram(f, guide) for name, f in found.items()}

    def __call__(self, picture: Image) -> Losses:
        """The losses of a picture of the photo's size, float32 ``[H, W, 3]``, 0..1.

        Raises:
            UsageError: another size.
        """
        if picture.shape != self._shape:
            raise UsageError(f"expected a picture of {self._shape}, got {picture.shape}")
        found = _features(picture, (CONTENT, *self._style))
        error = (found[CONTENT] - self._photo).square().sum(0) / 2
        weight = _at_size_of(self._region, found[CONTENT])
        content = float((error * weight).sum() / weight.sum())
        if not self._style:
            return Losses(content, float("nan"), float("nan"))
        style = float(np.mean([self._distance(name, found[name]) for name in STYLE]))
        return Losses(content, style, style + CONTENT_WEIGHT * content)

    def _distance(self, name: str, features: Tensor) -> float:
        difference = _gram(features, self._region) - self._style[name]
        return float(difference.square().mean()) / 4


def kept(photo: Image, picture: Image) -> dict[str, float]:
    """How much of the photo's structure a picture of its size has: ``edges`` and ``similarity``
    (:mod:`sfumato.ops.structure`)."""
    return {
        "edges": edge_agreement(photo, picture),
        "similarity": self_similarity(photo, picture),
    }


def found(alpha: Alpha, truth: NDArray[np.uint8]) -> dict[str, float]:
    """How well something was found (:mod:`sfumato.evaluate.metrics`).

    Args:
        alpha: float32 ``[H, W]``, 0..1; counts from above one half.
        truth: uint8 ``[H, W]``: 1 = it is there, 0 = not, 255 = does not count.

    Returns:
        ``iou``, ``boundary_f`` and ``trimap_iou`` (left out where the truth has no edge).
    """
    predicted, valid = alpha > 0.5, truth != IGNORED
    counts = metrics.confusion(predicted.astype(np.uint8), truth, 2, IGNORED)
    scores = {
        "iou": float(picture_iou(counts[None])[0, 1]),
        "boundary_f": metrics.boundary_f(predicted, truth == 1, valid=valid),
        "trimap_iou": metrics.trimap_iou(predicted, truth == 1, valid=valid),
    }
    return {name: score for name, score in scores.items() if score == score}


@cache
def _net() -> VGG19:
    from sfumato.nets import vgg

    path: Path = weights.fetch(NET)
    return vgg.load(path, layers=[*STYLE, CONTENT], padding="reflect", pooling="avg")


def _features(image: Image, layers: tuple[str, ...]) -> dict[str, Tensor]:
    """Layer -> ``[C, h, w]``."""
    import torch

    padded = pad_to_multiple(np.clip(image, 0, 1), 1, LEAST)
    planes = torch.from_numpy(np.ascontiguousarray(padded.transpose(2, 0, 1)))[None]
    found: dict[str, Tensor] = {}
    with torch.no_grad():
        for name, features in _net().activations(planes):
            if name in layers:
                found[name] = features[0].float()
            if len(found) == len(layers):
                break
    return found


def _gram(features: Tensor, guide: Any = None) -> Tensor:
    """Second moments as a weighted mean over the cells, ``[C, C]``."""
    flat, weight = features.flatten(1), _at_size_of(guide, features).flatten()
    gram: Tensor = (flat * weight) @ flat.T / weight.sum()
    return gram


def _at_size_of(guide: Alpha | None, features: Tensor) -> Tensor:
    """How much each cell counts, ``[h, w]``."""
    import torch
    from torch.nn import functional as F

    shape = features.shape[1:]
    if guide is None:
        return torch.ones(shape)
    return F.interpolate(torch.from_numpy(guide)[None, None], shape, mode="area")[0, 0]


def _padded(region: Alpha, image: Image) -> Alpha:
    """Nothing counts in what is added to a small picture."""
    height, width = (max(0, LEAST - side) for side in image.shape[:2])
    return np.ascontiguousarray(np.pad(region, ((0, height), (0, width))), np.float32)
