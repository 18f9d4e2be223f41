"""What the picture should become, as one number and its gradient.

Features are compared layer by layer, with the content's cell by cell and with each style's as a
whole; the picture's pixels are compared where a loss is about pixels. The net may look at the
picture in patches: their summaries are added up, and each patch is told the gradient of the
whole, so that patches change the memory that it takes and not the result.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor

from sfumato.losses.content import content_sum
from sfumato.losses.style import Statistic, Summary
from sfumato.nets import vgg
from sfumato.optimise.patches import Patch

Read: TypeAlias = Callable[[Tensor], Mapping[str, Tensor]]
"""RGB ``[1, 3, H, W]`` to activations ``[C, h, w]`` by layer name."""

Key: TypeAlias = tuple[int, str]  # number of a region, layer

CONTENT = "content"


@dataclass(frozen=True)
class StyleGoal:
    """One region and the style that it is to take on.

    Attributes:
        guides: layer -> ``[h, w]``, how much each cell counts.
        summaries: layer -> the style picture's prepared summary.
        share: the region's part of all that is painted; the shares add up to 1.
    """

    guides: Mapping[str, Tensor]
    summaries: Mapping[str, Summary]
    share: float


@dataclass(frozen=True)
class ContentGoal:
    """What is to be recognised again.

    Attributes:
        features: layer -> the content's activations ``[C, h, w]``.
        guides: layer -> ``[h, w]``, how much each cell counts.
    """

    features: Mapping[str, Tensor]
    guides: Mapping[str, Tensor]


@dataclass(frozen=True)
class PixelTerm:
    """A loss that reads the picture's own pixels.

    Attributes:
        weight: what it is multiplied by.
        loss: picture ``[1, 3, H, W]`` to a scalar.
    """

    weight: float
    loss: Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Objective:
    """The weighted sum of all losses.

    Attributes:
        read: the net.
        statistic: what of a style is compared.
        content: what is to be recognised.
        styles: what each region is to look like.
        content_weights, style_weights: of each layer, the term's own weight multiplied in.
        pixels: further terms by name.
        together: keep all patches' activations at once, which is quicker by a third than reading
            every patch twice, and takes the memory of all instead of one.
    """

    read: Read
    statistic: Statistic
    content: ContentGoal
    styles: Sequence[StyleGoal]
    content_weights: Mapping[str, float]
    style_weights: Mapping[str, float]
    pixels: Mapping[str, PixelTerm]
    together: bool = True

    def __call__(
        self, picture: Tensor, patches: Sequence[Patch]
    ) -> tuple[dict[str, float], Tensor]:
        """Each weighted term and their ``total``, and the total's gradient.

        Args:
            picture: ``[1, 3, H, W]``, RGB, about 0..1.
            patches: what is looked at.
        """
        picture = picture.detach().requires_grad_()
        if self.together or len(patches) == 1:
            terms = self._terms([self._parts(picture, patch) for patch in patches])
            terms |= self._pixel_terms(picture)
            (gradient,) = torch.autograd.grad(_sum(terms), picture)
        else:
            terms, gradient = self._one_by_one(picture, patches)
        values = {name: float(term.detach()) for name, term in terms.items()}
        return values | {"total": sum(values.values())}, gradient

    def _one_by_one(
        self, picture: Tensor, patches: Sequence[Patch]
    ) -> tuple[dict[str, Tensor], Tensor]:
        """The same with one patch's activations in memory at a time: first all summaries, then
        the gradient with respect to them, then its way back through each patch."""
        with torch.no_grad():
            parts = [self._parts(picture, patch) for patch in patches]
        leaves = [{key: _leaves(part) for key, part in seen.items()} for seen in parts]
        terms = self._terms(leaves)
        flat = [tensor for seen in leaves for part in seen.values() for tensor in part]
        gradients = iter(torch.autograd.grad(_sum(terms), flat, allow_unused=True))
        pixel_terms = self._pixel_terms(picture)
        total = torch.zeros_like(picture)
        if pixel_terms:
            total = torch.autograd.grad(_sum(pixel_terms), picture)[0].clone()
        for patch in patches:
            window = (..., *patch.seen.slices)
            seen = picture[window].detach().requires_grad_()
            found = [t for part in self._parts(seen, patch, cut_out=True).values() for t in part]
            pairs = zip(found, gradients, strict=False)  # patches take theirs in turn
            wanted = [(t, g) for t, g in pairs if g is not None and t.requires_grad]
            tensors, grads = [t for t, _ in wanted], [g for _, g in wanted]
            total[window] += torch.autograd.grad(tensors, seen, grads)[0]
        return terms | pixel_terms, total

    def _parts(
        self, picture: Tensor, patch: Patch, *, cut_out: bool = False
    ) -> dict[Key | str, Summary]:
        """What one patch adds: the styles' summaries, and the sum of content distances."""
        features = self.read(picture if cut_out else picture[(..., *patch.seen.slices)])
        parts: dict[Key | str, Summary] = {}
        for i, style in enumerate(self.styles):
            for layer in self.style_weights:
                weight = style.guides[layer][patch.cells_of_picture(vgg.stride(layer))]
                if weight.any():
                    own = features[layer][(slice(None), *patch.cells(vgg.stride(layer)))]
                    parts[i, layer] = self.statistic.summarise(own, weight)
        distances = []
        for layer, layer_weight in self.content_weights.items():
            cells = patch.cells_of_picture(vgg.stride(layer))
            weight = self.content.guides[layer]
            own = features[layer][(slice(None), *patch.cells(vgg.stride(layer)))]
            target = self.content.features[layer][(slice(None), *cells)]
            distance = content_sum(own.to(target.dtype), target, weight[cells])
            distances.append(layer_weight * distance / weight.sum().clamp_min(1e-8))
        if distances:
            parts[CONTENT] = (torch.stack(distances).sum(),)
        return parts

    def _terms(self, parts: Sequence[Mapping[Key | str, Summary]]) -> dict[str, Tensor]:
        """The content and style terms from what all patches add."""
        terms: dict[str, Tensor] = {}
        if found := [part[CONTENT][0] for part in parts if CONTENT in part]:
            terms[CONTENT] = torch.stack(found).sum()
        distances = []
        for i, style in enumerate(self.styles):
            for layer, weight in self.style_weights.items():
                if of_layer := [part[i, layer] for part in parts if (i, layer) in part]:
                    ours = self.statistic.combine(of_layer)
                    distance = self.statistic.distance(ours, style.summaries[layer])
                    distances.append(style.share * weight * distance)
        if distances:
            terms["style"] = torch.stack(distances).sum()
        return terms

    def _pixel_terms(self, picture: Tensor) -> dict[str, Tensor]:
        return {name: term.weight * term.loss(picture) for name, term in self.pixels.items()}


def _leaves(part: Summary) -> Summary:
    return tuple(tensor.detach().requires_grad_() for tensor in part)


def _sum(terms: Mapping[str, Tensor]) -> Tensor:
    return torch.stack(list(terms.values())).sum()
