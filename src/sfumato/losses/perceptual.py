"""What a net that paints in one style is asked for (Johnson, Alahi and Fei-Fei 2016, section 3)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from sfumato.losses.content import content
from sfumato.losses.smoothness import total_variation
from sfumato.losses.style import Gram, Summary

Features = Callable[[Tensor], Mapping[str, Tensor]]
"""One RGB picture ``[1, 3, H, W]``, 0..1, to its features ``[C, h, w]`` by layer name."""


@dataclass(frozen=True)
class Perceptual:
    """Three terms, each already multiplied by its weight.

    The means that the terms are make a weight independent of the pictures' size; the paper's
    sums over the Gram matrices are such means, too, but for constants.

    Attributes:
        features: a frozen net's.
        style: the style picture's summaries by layer (:func:`summaries`).
        content_layer: where what a picture shows is compared.
        content_weight, style_weight, tv_weight: of the terms; the layers of a style share its
            weight evenly.
    """

    features: Features
    style: Mapping[str, Summary]
    content_layer: str
    content_weight: float = 1.0
    style_weight: float = 1.0
    tv_weight: float = 0.0

    def __call__(self, painted: Tensor, photos: Tensor) -> dict[str, Tensor]:
        """The terms ``content``, ``style`` and ``tv``, means over the batch.

        Args:
            painted: float32 ``[B, 3, H, W]``, about 0..1; differentiable in it.
            photos: what was painted, the same shape.
        """
        shown = painted.new_zeros(())
        styled = painted.new_zeros(())
        for i in range(len(painted)):
            found = self.features(painted[i : i + 1])
            with torch.no_grad():
                aim = self.features(photos[i : i + 1])[self.content_layer].float()
            shown = shown + content(found[self.content_layer].float(), aim)
            styled = styled + self._style(found)
        count = len(painted)
        return {
            "content": self.content_weight * shown / count,
            "style": self.style_weight * styled / count,
            "tv": self.tv_weight * total_variation(painted),
        }

    def _style(self, found: Mapping[str, Tensor]) -> Tensor:
        gram = Gram()
        parts = [
            gram.distance(gram.summarise(found[name], _whole(found[name])), target)
            for name, target in self.style.items()
        ]
        return torch.stack(parts).mean()


def summaries(features: Features, picture: Tensor, layers: tuple[str, ...]) -> dict[str, Summary]:
    """What is to be matched of a style picture ``[1, 3, H, W]``, 0..1, by layer."""
    gram = Gram()
    with torch.no_grad():
        found = features(picture)
        made = {name: gram.summarise(found[name], _whole(found[name])) for name in layers}
    return {name: gram.prepare(made[name]) for name in layers}


def _whole(features: Tensor) -> Tensor:
    return features.new_ones(features.shape[-2:])
