"""Neighbouring pixels alike: takes the fine noise out of optimised pictures."""

from __future__ import annotations

import torch
from torch import Tensor


def total_variation(x: Tensor, weight: Tensor | None = None) -> Tensor:
    """Mean squared difference to the right neighbour plus that to the lower one.

    ``sum w (x[i, j+1] - x[i, j])^2 / (C sum w)``, and the same downwards: the squared l2 norm of
    the gradient (the regulariser of Mahendran and Vedaldi 2015, "Understanding deep image
    representations by inverting them", equation 4, with beta = 2), not the l1 norm of the
    original total variation, which keeps edges but has no gradient where pixels are equal.

    Args:
        x: ``[..., C, H, W]``; leading dimensions are averaged over.
        weight: ``[H, W]``, not below 0, how much each pixel counts; None = all alike. A pair
            counts as its lesser pixel does, so that none reaches out of a region.

    Returns:
        A scalar; 0 for a direction that has no pairs.
    """
    if weight is None:
        weight = x.new_ones(x.shape[-2:])
    weight = weight.to(x)
    across = torch.minimum(weight[:, 1:], weight[:, :-1])
    down = torch.minimum(weight[1:], weight[:-1])
    return _mean_square(x.diff(dim=-1), across) + _mean_square(x.diff(dim=-2), down)


def _mean_square(x: Tensor, weight: Tensor) -> Tensor:
    maps = x.shape[:-2].numel()
    return (x.square() * weight).sum() / (maps * weight.sum()).clamp_min(1e-8)
