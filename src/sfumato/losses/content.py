"""What a picture shows, kept by keeping its features (Gatys et al. 2016, section 2.2)."""

from __future__ import annotations

from torch import Tensor


def content(x: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
    """Weighted mean squared distance of two feature maps: ``sum w (x - t)^2 / (C sum w)``.

    Equation 1 of Gatys et al. 2016 has ``1/2 sum (x - t)^2``; as a mean it means the same for
    layers and pictures of every size.

    Args:
        x, target: ``[..., C, h, w]``, alike; leading dimensions are averaged over.
        weight: ``[h, w]``, not below 0, how much each cell counts; None = all alike.

    Returns:
        A scalar; 0 where the weight is 0 everywhere.
    """
    cells = weight.sum() if weight is not None else x.new_tensor(x.shape[-2] * x.shape[-1])
    maps = x.numel() / max(1, x.shape[-3] * x.shape[-2] * x.shape[-1])
    return content_sum(x, target, weight) / (maps * cells.to(x)).clamp_min(1e-8)


def content_sum(x: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
    """``sum w (x - t)^2 / C``: :func:`content` before it is divided by the weight's sum.

    Over parts of a picture these sums add up to the whole picture's.
    """
    squares = (x - target).square()
    if weight is not None:
        squares = squares * weight.to(x)
    return squares.sum() / x.shape[-3]
