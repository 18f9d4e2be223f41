"""Edges and fine structure, kept by keeping the picture's Laplacian.

Li et al. 2017, "Laplacian-steered neural style transfer", as Zhao and Zhang use it in
"Depth-aware and Laplacian-steered instance style transfer" (equation 5).
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor
from torch.nn import functional as F

POOLS = (4, 16)
"""Sides of the squares that are averaged first: structure finer than that is left alone."""


def laplacian(
    x: Tensor, target: Tensor, weight: Tensor | None = None, *, pools: Sequence[int] = POOLS
) -> Tensor:
    """Mean squared distance of two pictures' Laplacians, summed over ``pools``.

    For each side p the pictures are averaged over squares of p x p pixels; then
    ``sum w (D(x) - D(t))^2 / sum w``, where D is the sum of the Laplacians of R, G and B. The
    papers sum over cells; as a mean it means the same for pictures of every size.

    Args:
        x, target: ``[..., 3, H, W]``, alike; leading dimensions are averaged over.
        weight: ``[H, W]``, not below 0, how much each pixel counts, averaged like the pictures;
            None = all alike.
        pools: sides of the squares, in pixels.

    Returns:
        A scalar. Squares at the right and lower border are cut off by it; a side that covers the
        whole picture leaves one cell, which has no neighbours, so its term is 0.
    """
    # D is linear: the Laplacian of the difference of the sums of channels says it all.
    difference = (x - target).sum(dim=-3)
    if weight is None:
        weight = x.new_ones(x.shape[-2:])
    return sum((_mean_square(difference, weight.to(x), pool) for pool in pools), x.new_zeros(()))


def operator(x: Tensor) -> Tensor:
    """Laplacian of ``[..., h, w]``: four times each cell minus its four neighbours.

    Cells beyond the border are those at the border: a flat picture's Laplacian is 0 throughout.
    """
    flat = x.reshape(1, -1, *x.shape[-2:])
    near = F.pad(flat, (1, 1, 1, 1), mode="replicate")
    cross = near[..., 1:-1, 2:] + near[..., 1:-1, :-2] + near[..., 2:, 1:-1] + near[..., :-2, 1:-1]
    return (4 * flat - cross).reshape(x.shape)


def _mean_square(difference: Tensor, weight: Tensor, pool: int) -> Tensor:
    squares = operator(_averaged(difference, pool)).square()
    weight = _averaged(weight, pool)
    maps = squares.shape[:-2].numel()
    return (squares * weight).sum() / (maps * weight.sum()).clamp_min(1e-8)


def _averaged(x: Tensor, pool: int) -> Tensor:
    flat = x.reshape(1, -1, *x.shape[-2:])
    pooled = F.avg_pool2d(flat, pool, ceil_mode=True)
    return pooled.reshape(*x.shape[:-2], *pooled.shape[-2:])
