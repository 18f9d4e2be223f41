"""How the values of weighted samples are distributed, as quantile functions in one dimension.

Between two such distributions the squared 2-Wasserstein distance is the mean squared difference
of their quantile functions (Peyré and Cuturi 2019, "Computational optimal transport", remark
2.30): no transport has to be searched for, sorting finds it.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Quantiles(NamedTuple):
    """K quantile functions, each by its value at N levels, straight between them.

    Attributes:
        values: ``[K, N]``, ascending along N.
        levels: ``[K, N]``, or ``[1, N]`` where all samples weigh the same; 0..1, ascending: how
            much of the whole weight lies below the middle of each sample.
        shares: as ``levels``: each sample's part of the whole weight, summing to 1.
    """

    values: Tensor
    levels: Tensor
    shares: Tensor


def quantiles(values: Tensor, weights: Tensor) -> Quantiles:
    """The quantile functions of K times N samples.

    Args:
        values: ``[K, N]``; gradients flow through.
        weights: ``[N]``, above 0.
    """
    ordered, order = values.sort(dim=-1)
    weights = weights.detach()
    if weights.numel() and bool((weights == weights[0]).all()):
        shares = torch.full_like(ordered[:1], 1 / len(weights), requires_grad=False)
        steps = torch.arange(len(weights), device=values.device, dtype=values.dtype)
        return Quantiles(ordered, ((steps + 0.5) / len(weights))[None], shares)
    shares = (weights / weights.sum().clamp_min(torch.finfo(weights.dtype).tiny))[order]
    shares = shares.to(values.dtype)
    return Quantiles(ordered, shares.cumsum(-1) - shares / 2, shares)


def at_levels(target: Quantiles, levels: Tensor) -> Tensor:
    """The K quantile functions' values at ``levels``, ``[K, N]`` or ``[1, N]``: ``[K, N]``.

    Straight lines between the samples, level beyond the first and the last.
    """
    count = target.values.shape[-1]
    if count == 1:
        return target.values.expand(-1, levels.shape[-1])
    rows = max(len(levels), len(target.levels))
    known, asked = target.levels.expand(rows, -1), levels.expand(rows, -1)
    right = torch.searchsorted(known.contiguous(), asked.contiguous()).clamp(1, count - 1)
    below, above = known.gather(-1, right - 1), known.gather(-1, right)
    way = ((asked - below) / (above - below).clamp_min(torch.finfo(known.dtype).tiny)).clamp(0, 1)
    right = right.expand(len(target.values), -1)
    return torch.lerp(target.values.gather(-1, right - 1), target.values.gather(-1, right), way)


def distance(ours: Quantiles, target: Quantiles) -> Tensor:
    """Squared 2-Wasserstein distance in one dimension, as a mean over K; scalar.

    Taken at the levels of ``ours``, so that each of its samples is told where to go; exact where
    both have as many samples of equal weight. 0 where either has none. Differentiable in
    ``ours.values``.
    """
    if not target.values.numel() or not ours.values.numel():
        return ours.values[:, :0].sum()  # 0, with a gradient of 0
    aims = at_levels(target, ours.levels)
    return ((ours.values - aims).square() * ours.shares).sum() / len(ours.values)
