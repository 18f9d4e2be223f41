"""What features have in common with a style's, wherever in the picture they are.

A statistic sums up features into a summary, adds up the summaries of a picture's parts, and
measures how far two summaries are apart. Adding up is what lets a picture of any size be worked
on part by part: the distance's gradient with respect to each part's summary is all that the part
needs to know of the rest.

Features come as ``[C, h, w]`` and a guide as ``[h, w]``, not below 0: how much each cell counts.
Cells at 0 take no part, and neither the guide's scale nor the region's size matters to the
distance. Sums are taken in float32 or wider whatever the features come in. Summaries of targets
may be made under ``no_grad`` but not under ``inference_mode``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar, Protocol

import torch
from torch import Tensor

from sfumato.errors import UsageError, did_you_mean
from sfumato.losses import quantiles

Summary = tuple[Tensor, ...]

LEAST_AREA = 1e-8
"""Areas below this, in cells, count as this, so that an empty region has a gradient of 0."""


class Statistic(Protocol):
    """One way to say what a style is."""

    @property
    def name(self) -> str:
        """As :func:`statistic` knows it."""

    def summarise(self, features: Tensor, guide: Tensor) -> Summary:
        """Features ``[C, h, w]``, where the guide ``[h, w]`` lets them count, in short."""

    def combine(self, parts: Sequence[Summary]) -> Summary:
        """The summary of all parts together, at least one; differentiable in each."""

    def prepare(self, target: Summary) -> Summary:
        """A target as :meth:`distance` wants it, which otherwise works that out on each call.

        What comes out is for :meth:`distance` alone: it cannot be combined any more.
        """

    def distance(self, ours: Summary, target: Summary) -> Tensor:
        """How far apart two summaries are: a scalar, 0 where they are equal.

        Differentiable in ``ours``. ``target`` is a summary, prepared (faster) or not.
        """


@dataclass(frozen=True)
class Gram:
    """Second moments of the channels, not centred (Gatys et al. 2016).

    Summary: ``A = sum g`` and ``G = sum g f f^T``. Distance: a quarter of the mean over the
    ``C x C`` entries of ``(G / A - G' / A')^2``. Where both areas are whole pictures of N cells
    that is exactly ``||G - G'||_F^2 / (2 N C)^2``: equation 4 of Gatys et al. 2016, and the style
    loss of Shenoy, "Naive background style transfer"; dividing by each one's own area makes it
    hold for regions and for pictures of different sizes.
    """

    name: ClassVar[str] = "gram"

    def summarise(self, features: Tensor, guide: Tensor) -> Summary:
        with _full_precision(features):
            return _area(features, guide), _moments(features, guide)[1]

    def combine(self, parts: Sequence[Summary]) -> Summary:
        return _added(parts)

    def prepare(self, target: Summary) -> Summary:
        return target

    def distance(self, ours: Summary, target: Summary) -> Tensor:
        (area, gram), (target_area, target_gram) = ours, target
        return (_over(gram, area) - _over(target_gram, target_area)).square().mean() / 4


@dataclass(frozen=True)
class MeanStd:
    """Each channel's mean and standard deviation, as AdaIN matches them.

    Summary: ``sum g``, ``sum g f`` and ``sum g f^2``. Distance: the mean over the channels of
    ``(mu - mu')^2 + (sigma - sigma')^2`` (Li et al. 2017, "Demystifying neural style transfer",
    section 4.2, which calls them the statistics of batch normalisation). ``EPS`` joins the
    variances, so that a constant channel has a gradient.
    """

    name: ClassVar[str] = "mean-std"
    EPS: ClassVar[float] = 1e-5

    def summarise(self, features: Tensor, guide: Tensor) -> Summary:
        with _full_precision(features):
            f, g = _flat(features, guide)
            return g.sum(), f @ g, f.square() @ g

    def combine(self, parts: Sequence[Summary]) -> Summary:
        return _added(parts)

    def prepare(self, target: Summary) -> Summary:
        return target

    def distance(self, ours: Summary, target: Summary) -> Tensor:
        (mean, std), (target_mean, target_std) = self._moments(ours), self._moments(target)
        return (mean - target_mean).square().mean() + (std - target_std).square().mean()

    def _moments(self, summary: Summary) -> tuple[Tensor, Tensor]:
        area, total, squares = summary
        mean = _over(total, area)
        variance = (_over(squares, area) - mean.square()).clamp_min(0)
        return mean, (variance + self.EPS).sqrt()


@dataclass(frozen=True)
class Wasserstein:
    """Mean and covariance of the channels, compared by optimal transport.

    Summary: ``sum g``, ``sum g f`` and ``sum g f f^T``. Distance: the squared 2-Wasserstein
    distance of the normal distributions with these moments, divided by C::

        |mu - mu'|^2 + tr(S + S' - 2 (S'^1/2 S S'^1/2)^1/2)

    (Dowson and Landau 1982, "The Fréchet distance between multivariate normal distributions").
    With any factor ``S' = L L^T`` the last trace is that of ``(L^T S L)^1/2``: the sum of the
    square roots of its eigenvalues. Taking L along the axes of S', without those where it has no
    variance, and in float64 keeps the small ones right, so that features of rank below C (fewer
    cells than channels) are as safe as others. A prepared target is its mean and L.
    """

    name: ClassVar[str] = "wasserstein"
    NONE: ClassVar[float] = 1e-9  # variance along an axis, of the largest, that counts as none

    def summarise(self, features: Tensor, guide: Tensor) -> Summary:
        with _full_precision(features):
            return _area(features, guide), *_moments(features, guide)

    def combine(self, parts: Sequence[Summary]) -> Summary:
        return _added(parts)

    def prepare(self, target: Summary) -> Summary:
        if len(target) == 2:
            return target
        mean, covariance = _mean_covariance(target)
        variances, axes = torch.linalg.eigh(covariance)
        kept = variances > self.NONE * variances[-1].clamp_min(0)
        return mean.detach(), (axes[:, kept] * variances[kept].sqrt()).detach()

    def distance(self, ours: Summary, target: Summary) -> Tensor:
        (mean, covariance), (aim, factor) = _mean_covariance(ours), self.prepare(target)
        shared = torch.linalg.eigvalsh(factor.T @ covariance @ factor)
        trace = covariance.trace() + factor.square().sum() - 2 * _sum_of_roots(shared)
        # Rounding may leave a hair less than nothing.
        result = ((mean - aim).square().sum() + trace.clamp_min(0)) / len(mean)
        return result.to(ours[0].device, ours[0].dtype)


@dataclass(frozen=True)
class Sliced:
    """The whole distribution of the features, seen along many directions (Heitz et al. 2021).

    "A sliced Wasserstein loss for neural texture synthesis": cells are projected onto C random
    directions and sorted; distance is the mean squared difference of the quantile functions,
    as a mean over the directions. Here the directions are orthonormal and stay the same from
    step to step (theirs are independent and drawn anew), so that line searches see one function.

    Summary: projections ``[C, N]`` of the N cells above 0, and their guide ``[N]``. It grows
    with the area, and each call sorts C times N values.

    Args:
        seed: of the directions.
    """

    name: ClassVar[str] = "sliced"
    seed: int = 0

    def summarise(self, features: Tensor, guide: Tensor) -> Summary:
        with _full_precision(features):
            f, g = _flat(features, guide)
            f, g = f[:, g > 0], g[g > 0]
            return _directions(len(f), self.seed).to(f) @ f, g

    def combine(self, parts: Sequence[Summary]) -> Summary:
        projections, guides = zip(*parts, strict=True)
        return torch.cat(projections, dim=1), torch.cat(guides)

    def prepare(self, target: Summary) -> Summary:
        return target if len(target) == 3 else tuple(quantiles.quantiles(*target))

    def distance(self, ours: Summary, target: Summary) -> Tensor:
        known = quantiles.Quantiles(*self.prepare(target))
        return quantiles.distance(quantiles.quantiles(*ours), known)


STATISTICS: Mapping[str, Callable[[int], Statistic]] = {
    "gram": lambda _: Gram(),
    "wasserstein": lambda _: Wasserstein(),
    "mean-std": lambda _: MeanStd(),
    "sliced": Sliced,
}
"""Name -> the statistic for a seed."""


def statistic(name: str, *, seed: int = 0) -> Statistic:
    """The statistic of this name in :data:`STATISTICS`; only ``sliced`` uses the seed.

    Raises:
        UsageError: there is none of this name.
    """
    if name not in STATISTICS:
        raise UsageError(
            f"unknown style statistic {name!r}{did_you_mean(name, STATISTICS)} "
            f"(expected {', '.join(STATISTICS)})"
        )
    return STATISTICS[name](seed)


def _full_precision(x: Tensor) -> AbstractContextManager[object]:
    """Keeps sums over thousands of cells out of a surrounding autocast to 16 bits."""
    kind = x.device.type
    return torch.autocast(kind, enabled=False) if kind in {"cpu", "cuda"} else nullcontext()


def _area(features: Tensor, guide: Tensor) -> Tensor:
    """``sum g``, in the features' type or float32."""
    return guide.detach().sum(dtype=torch.promote_types(features.dtype, torch.float32))


def _flat(features: Tensor, guide: Tensor) -> tuple[Tensor, Tensor]:
    """Features ``[C, h*w]`` and guide ``[h*w]``, both in the features' type or float32."""
    wide = torch.promote_types(features.dtype, torch.float32)
    return features.flatten(1).to(wide), guide.detach().flatten().to(wide)


class _Moments(torch.autograd.Function):
    """``sum g f`` and ``sum g f f^T`` of features ``[C, h, w]`` and a guide ``[h, w]``.

    Summed in float32 or wider. The way back keeps no second copy of the features and works in
    their own type and layout (cells first where channels are last in memory), as their gradient
    is of that type anyway: that is most of a statistic's time.
    """

    @staticmethod
    def forward(ctx: Any, features: Tensor, guide: Tensor) -> tuple[Tensor, Tensor]:
        uniform = bool((guide == 1).all())  # a whole picture: nothing to multiply
        ctx.save_for_backward(features, *(() if uniform else (guide,)))
        f, g = _flat(features, guide)
        return f @ g, f @ f.T if uniform else (f * g) @ f.T

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        features, *guides = ctx.saved_tensors
        of_first, of_second = (grad.to(features.dtype) for grad in grads)
        # [h*w, C]
        pulled = torch.addmm(of_first, features.flatten(1).T, of_second + of_second.T)
        for guide in guides:
            pulled = pulled * guide.to(pulled).flatten()[:, None]
        return pulled.T.reshape(features.shape), None


def _moments(features: Tensor, guide: Tensor) -> tuple[Tensor, Tensor]:
    """``[C]`` and ``[C, C]``; see :class:`_Moments`."""
    first, second = _Moments.apply(features, guide.detach())  # type: ignore[no-untyped-call]
    return first, second


def _added(parts: Sequence[Summary]) -> Summary:
    return tuple(torch.stack(same).sum(0) for same in zip(*parts, strict=True))


def _over(total: Tensor, area: Tensor) -> Tensor:
    return total / area.clamp_min(LEAST_AREA)


def _mean_covariance(sums: Summary) -> tuple[Tensor, Tensor]:
    """Mean ``[C]`` and covariance ``[C, C]``, in float64 on a device that has it."""
    area, total, products = (x.cpu() if x.device.type == "mps" else x for x in sums)
    area, total, products = area.double(), total.double(), products.double()
    mean = _over(total, area)
    return mean, _over(products, area) - torch.outer(mean, mean)


def _sum_of_roots(x: Tensor) -> Tensor:
    """Sum of the square roots of what is above 0; what is not has a gradient of 0."""
    positive = x > 0
    return torch.where(positive, x, 1).sqrt().where(positive, torch.zeros_like(x)).sum()


@cache
def _directions(channels: int, seed: int) -> Tensor:
    """Orthonormal directions in the rows, float64 ``[C, C]``."""
    with torch.inference_mode(False), torch.no_grad():  # cached: has to serve every caller
        generator = torch.Generator().manual_seed(seed)
        normal = torch.randn(channels, channels, generator=generator, dtype=torch.float64)
        orthonormal: Tensor = torch.linalg.qr(normal)[0]
        return orthonormal
