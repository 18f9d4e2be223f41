"""Adaptive instance normalisation and its decoder (Huang and Belongie 2017).

The maths are pure functions on features; ``weights`` confine the statistics to a region.
"""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sfumato.nets.vgg import load_in_order

ENCODER_LAYER = "relu4_1"
"""The VGG-19 layer that the decoder turns back into a picture."""


def weighted_mean_std(
    features: Tensor, weights: Tensor, *, eps: float = 1e-5
) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each channel over the area that ``weights`` select.

    Args:
        features: ``[B, C, H, W]``.
        weights: ``[B, 1, H, W]``, not negative; soft borders count in part. Normalised to sum
            1, so the region's size does not matter. With no weight at all both results are
            those of features that are zero.
        eps: added to the variance, so that the deviation of a constant is not 0.

    Returns:
        Mean and deviation, each ``[B, C, 1, 1]``. Equations 5 and 6 of Huang and Belongie 2017
        where all weights are equal (their code divides by N - 1, this by N, as printed).
    """
    share = weights / weights.sum(dim=(2, 3), keepdim=True).clamp_min(1e-12)
    share = share.flatten(2).transpose(1, 2)  # [B, H*W, 1]
    flat = features.flatten(2)  # [B, C, H*W]
    mean = flat @ share  # [B, C, 1]
    variance = (flat - mean).square_() @ share
    return mean[..., None], (variance + eps).sqrt()[..., None]


def adain_affine(
    content_mean: Tensor,
    content_std: Tensor,
    style_mean: Tensor,
    style_std: Tensor,
    *,
    most: float = math.inf,
) -> tuple[Tensor, Tensor]:
    """AdaIN (equation 8) as ``scale * features + shift``; everything ``[B, C, 1, 1]``.

    ``most`` bounds the scale, which the paper does not: a small or flat region has hardly any
    deviation of its own, and would be blown up to noise.
    """
    scale = (style_std / content_std).clamp(max=most)
    return scale, style_mean - scale * content_mean


def adain(
    content: Tensor,
    style_mean: Tensor,
    style_std: Tensor,
    weights: Tensor,
    *,
    most: float = math.inf,
) -> Tensor:
    """Give ``content``'s weighted area the style's channel statistics (equation 8).

    Args:
        content: features ``[B, C, H, W]``.
        style_mean, style_std: ``[B, C, 1, 1]``.
        weights: ``[B, 1, H, W]``, where the content's own statistics are taken.
        most: see :func:`adain_affine`.

    Returns:
        ``[B, C, H, W]``; features outside the area are moved by the same map.
    """
    own = weighted_mean_std(content, weights)
    scale, shift = adain_affine(*own, style_mean, style_std, most=most)
    return scale * content + shift


def shares(weights: Tensor, *, reach: int = 4) -> Tensor:
    """How much each of L layers has to say at each place.

    The decoder mixes neighbouring features, so each style continues a little beyond its region;
    far from every region all layers mix.

    Args:
        weights: ``[L, 1, H, W]``, not negative, each with some weight.
        reach: how far a layer continues, in cells.

    Returns:
        ``[L, 1, H, W]``, summing to 1 over L; proportional to ``weights`` inside the regions.
    """
    side = 2 * reach + 1
    near = F.avg_pool2d(weights, side, stride=1, padding=reach, count_include_pad=False)
    extended = weights + 1e-3 * near + 1e-6 * weights.mean(dim=(2, 3), keepdim=True)
    return extended / extended.sum(dim=0)


class Decoder(nn.Module):
    """Turns VGG-19 ``relu4_1`` features back into a picture: the encoder mirrored.

    Pooling becomes nearest-neighbour enlargement, borders reflect, nothing is normalised.
    """

    CHANNELS = (512, 256, 256, 256, 256, 128, 128, 64, 64, 3)
    ENLARGE_AFTER = (0, 4, 6)

    def __init__(self) -> None:
        super().__init__()
        self.convs = nn.ModuleList(
            nn.Conv2d(i, o, 3, padding=1, padding_mode="reflect")
            for i, o in pairwise(self.CHANNELS)
        )

    def forward(self, features: Tensor) -> Tensor:
        """Features ``[B, 512, H, W]`` to RGB ``[B, 3, 8 * H, 8 * W]``, about 0..1, not clipped."""
        x = features
        for i, conv in enumerate(self.convs):
            x = conv(x)
            if i < len(self.convs) - 1:
                x = F.relu(x, inplace=not torch.is_grad_enabled())
            if i in self.ENLARGE_AFTER:
                x = F.interpolate(x, scale_factor=2, mode="nearest")
        return x


def load_decoder(path: Path) -> Decoder:
    """A frozen :class:`Decoder` with the weights in ``path``.

    Raises:
        WeightsError: the file holds something else.
    """
    net = Decoder()
    load_in_order(list(net.convs), path)
    return net.eval().requires_grad_(False)
