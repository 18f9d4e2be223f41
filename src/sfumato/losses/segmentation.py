"""How far predicted classes are from the true ones, pixel by pixel or region by region.

Every loss takes ``(logits [B, C, H, W], target int64 [B, H, W])`` and gives a scalar, not below 0:

- C >= 2: one score for each class; their softmax is the probability of the class.
- C = 1: the score of class 1 against a background whose score is 0; the softmax is its sigmoid.

Pixels whose target is ``ignore`` do not count; where none is left the loss is 0, and so is its
gradient. ``weights`` has one number, not below 0, for each class (two where C = 1): losses of
pixels weigh each pixel by its true class, losses of regions weigh the classes; both are means,
so only the ratios of the weights matter. Halves are computed in float32.
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from sfumato.errors import UsageError, did_you_mean

TINY = 1e-12


class Loss(Protocol):
    """Logits ``[B, C, H, W]`` and target classes int64 ``[B, H, W]`` to a scalar."""

    def __call__(
        self, logits: Tensor, target: Tensor, *, weights: Tensor | None = None, ignore: int = 255
    ) -> Tensor: ...


def cross_entropy(
    logits: Tensor, target: Tensor, *, weights: Tensor | None = None, ignore: int = 255
) -> Tensor:
    """Mean of ``-log p`` of the true class, p by softmax.

    Raises:
        ValueError: shapes that do not fit, here and in all losses below.
    """
    x, t = _pixels(logits, target, ignore)
    return _mean_over_pixels(F.cross_entropy(_scores(x), t, reduction="none"), t, weights)


def bce(
    logits: Tensor, target: Tensor, *, weights: Tensor | None = None, ignore: int = 255
) -> Tensor:
    """Binary cross-entropy: each class against all others, p by sigmoid.

    With one channel its sigmoid is the probability of class 1. With several, each pixel's loss
    is the mean over the channels, the background's own included, so that the largest score
    still names the class.
    """
    x, t = _pixels(logits, target, ignore)
    truth = (t == 1)[:, None] if x.shape[1] == 1 else _one_hot(t, x.shape[1])
    each = F.binary_cross_entropy_with_logits(x, truth.to(x), reduction="none").mean(dim=1)
    return _mean_over_pixels(each, t, weights)


def dice(
    logits: Tensor,
    target: Tensor,
    *,
    weights: Tensor | None = None,
    ignore: int = 255,
    smooth: float = 1.0,
) -> Tensor:
    """``1 - (2 sum p g + s) / (sum p + sum g + s)``, the mean over classes; p by softmax.

    The overlap of Milletari et al. 2016 ("V-Net") without the squares, and summed over all
    pixels of the batch rather than of each picture: a small region in one picture is then no
    all-or-nothing matter. ``smooth`` (in pixels) makes a class that is neither there nor
    predicted right, and lets one that is not there be unlearnt.
    """
    x, t = _pixels(logits, target, ignore)
    return _dice(_scores(x).softmax(dim=1), t, weights, smooth)


def bce_dice(
    logits: Tensor, target: Tensor, *, weights: Tensor | None = None, ignore: int = 255
) -> Tensor:
    """:func:`bce` plus the Dice loss of the same sigmoids."""
    x, t = _pixels(logits, target, ignore)
    p = x.sigmoid()
    if p.shape[1] == 1:
        p = torch.cat((1 - p, p), dim=1)
    pixelwise = bce(logits, target, weights=weights, ignore=ignore)
    return pixelwise + _dice(p, t, weights, smooth=1.0)


def lovasz(
    logits: Tensor, target: Tensor, *, weights: Tensor | None = None, ignore: int = 255
) -> Tensor:
    """Lovász-softmax: a convex bound of ``1 - IoU``, the mean over the classes that are there.

    Berman et al. 2018, equations 9 and 11, over the batch as one picture.
    """
    x, t = _pixels(logits, target, ignore)
    p = _scores(x).softmax(dim=1)
    weights = p.new_ones(p.shape[1]) if weights is None else weights.to(p)
    total, weight = p.sum() * 0, p.new_zeros(())
    for c in torch.unique(t).tolist():
        truth = (t == c).to(p)
        errors, order = (truth - p[:, c]).abs().sort(descending=True)
        total = total + weights[c] * (errors @ _lovasz_slopes(truth[order]))
        weight = weight + weights[c]
    return total / weight.clamp_min(TINY)


def focal(
    logits: Tensor,
    target: Tensor,
    *,
    weights: Tensor | None = None,
    ignore: int = 255,
    gamma: float = 2.0,
) -> Tensor:
    """Mean of ``-(1 - p)^gamma log p`` of the true class, p by softmax: easy pixels count less.

    Lin et al. 2017, equation 5; their alpha is ``weights``, and where they divide by the number
    of boxes, this is the (weighted) mean over pixels.

    Raises:
        ValueError: gamma below 0.
    """
    if not gamma >= 0:
        raise ValueError(f"expected gamma of 0 or more, got {gamma}")
    x, t = _pixels(logits, target, ignore)
    loss = F.cross_entropy(_scores(x), t, reduction="none")
    missing = -torch.expm1(-loss)  # 1 - p, exact for p near 1
    # Below the clamp the slope is 0: that of missing^gamma has no bound there if gamma < 1.
    return _mean_over_pixels(missing.clamp_min(TINY) ** gamma * loss, t, weights)


_LOSSES: dict[str, Loss] = {
    "cross_entropy": cross_entropy,
    "bce": bce,
    "dice": dice,
    "bce_dice": bce_dice,
    "lovasz": lovasz,
    "focal": focal,
}

NAMES = tuple(_LOSSES)


def loss(name: str) -> Loss:
    """The loss of that name.

    Raises:
        UsageError: there is none.
    """
    if name not in _LOSSES:
        hint = did_you_mean(name, NAMES)
        raise UsageError(f"unknown loss {name!r}{hint} (known: {', '.join(NAMES)})")
    return _LOSSES[name]


def _pixels(logits: Tensor, target: Tensor, ignore: int) -> tuple[Tensor, Tensor]:
    """Scores ``[N, C]`` and classes ``[N]`` of the pixels that count."""
    if logits.ndim != 4 or target.shape != (logits.shape[0], *logits.shape[2:]):
        raise ValueError(
            "expected logits [B, C, H, W] and a target [B, H, W] of the same size, got "
            f"{list(logits.shape)} and {list(target.shape)}"
        )
    counts = target != ignore
    x = logits.permute(0, 2, 3, 1)[counts]
    return x.to(torch.promote_types(x.dtype, torch.float32)), target[counts]


def _scores(x: Tensor) -> Tensor:
    """A single channel ``[N, 1]`` joined by a background whose score is 0; others as they are."""
    return torch.cat((torch.zeros_like(x), x), dim=1) if x.shape[1] == 1 else x


def _one_hot(t: Tensor, classes: int) -> Tensor:
    return F.one_hot(t, classes) if t.numel() else t.new_zeros((0, classes))


def _mean_over_pixels(each: Tensor, t: Tensor, weights: Tensor | None) -> Tensor:
    if weights is None:
        return each.sum() / max(1, each.numel())
    weight = weights.to(each)[t]
    return (weight * each).sum() / weight.sum().clamp_min(TINY)


def _dice(p: Tensor, t: Tensor, weights: Tensor | None, smooth: float) -> Tensor:
    truth = _one_hot(t, p.shape[1]).to(p)
    overlap, size = (p * truth).sum(dim=0), p.sum(dim=0) + truth.sum(dim=0)
    each = 1 - (2 * overlap + smooth) / (size + smooth)
    weights = torch.ones_like(each) if weights is None else weights.to(each)
    return (weights * each).sum() / weights.sum().clamp_min(TINY)


def _lovasz_slopes(truth: Tensor) -> Tensor:
    """How much ``1 - IoU`` grows with each pixel got wrong, in that order (algorithm 1)."""
    hits = truth.sum() - truth.cumsum(dim=0)
    union = truth.sum() + (1 - truth).cumsum(dim=0)
    return (1 - hits / union).diff(prepend=truth.new_zeros(1))
