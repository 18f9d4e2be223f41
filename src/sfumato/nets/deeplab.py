"""DeepLabv3+ (Chen et al. 2018): look around at several rates, then mend the edges.

"Encoder-decoder with atrous separable convolution for semantic image segmentation".
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sfumato.errors import UsageError
from sfumato.nets.encoders import Encoder
from sfumato.nets.layers import initialise

RATES = (6, 12, 18)
"""Dilations of the pyramid at output stride 16 (section 4)."""

LOW_LEVEL = 48
"""Channels that the features of stride 4 are narrowed to (table 1)."""


class DeepLabV3Plus(nn.Module):
    """The net on an encoder of output stride 16 (8 is finer and slower, 32 coarser and quicker).

    Args:
        encoder: gives features at strides 2, 4, 8, 16 and 32, the deepest ones no coarser than
            its ``output_stride``.
        classes: channels of the logits.
        rates: dilations of the pyramid at output stride 16. At 8 they are doubled as in the
            paper, at 32 halved, so that they reach as many pixels.
        width: channels of the pyramid and the decoder.
        dropout: share of the pyramid's channels set to 0 in training.

    Raises:
        UsageError: rates that are no whole numbers of 1 or more at the encoder's stride.
    """

    def __init__(
        self,
        encoder: Encoder,
        *,
        classes: int,
        rates: Sequence[int] = RATES,
        width: int = 256,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        stride = encoder.output_stride
        if not rates or any(rate < 1 or rate * 16 % stride for rate in rates):
            raise UsageError(
                f"rates must be whole numbers of 1 or more, even ones at output stride 32; got "
                f"{tuple(rates)} at output stride {stride}"
            )
        self.encoder = encoder
        _, low, *_, deep = encoder.channels
        self.pyramid = Pyramid(deep, width, [rate * 16 // stride for rate in rates])
        self.dropout = nn.Dropout2d(dropout)
        self.low_level = _conv_norm(low, LOW_LEVEL, 1)
        self.decoder = nn.Sequential(separable(width + LOW_LEVEL, width), separable(width, width))
        self.classifier = nn.Conv2d(width, classes, 1)
        for part in (self.pyramid, self.low_level, self.decoder):
            initialise(part)
        nn.init.normal_(self.classifier.weight, std=0.01)
        nn.init.zeros_(self.classifier.bias)  # type: ignore[arg-type]  # it has one

    def forward(self, x: Tensor) -> Tensor:
        """Logits ``[B, classes, H, W]`` of ImageNet-normalised RGB ``[B, 3, H, W]``, any size."""
        _, low, *_, deep = self.encoder(x)
        y = self.dropout(self.pyramid(deep))
        y = torch.cat((_resized(y, low), self.low_level(low)), dim=1)
        return _resized(self.classifier(self.decoder(y)), x)


class Pyramid(nn.Module):
    """Atrous spatial pyramid pooling: 1x1, 3x3 at each rate, the whole picture's mean; fused.

    The branch of the mean has a bias in place of the paper's batch normalisation. That would see
    one number of each channel for each picture: with a single picture in the batch it cannot be
    trained at all, with a few its statistics are noise.
    """

    def __init__(self, channels: int, width: int, rates: Sequence[int]) -> None:
        super().__init__()
        branches = [_conv_norm(channels, width, 1)]
        branches += [separable(channels, width, dilation=rate) for rate in rates]
        self.branches = nn.ModuleList(branches)
        self.pooled = nn.Sequential(nn.Conv2d(channels, width, 1), nn.ReLU())
        self.fuse = _conv_norm(width * (len(branches) + 1), width, 1)

    def forward(self, x: Tensor) -> Tensor:
        """``[B, channels, h, w]`` to ``[B, width, h, w]``."""
        pooled = self.pooled(x.mean(dim=(2, 3), keepdim=True))
        around = [branch(x) for branch in self.branches]
        found: Tensor = self.fuse(torch.cat((*around, pooled.expand_as(around[0])), dim=1))
        return found


def separable(channels: int, width: int, *, dilation: int = 1) -> nn.Sequential:
    """A dilated 3x3 convolution of each channel by itself, then a 1x1 that mixes them.

    Both are normalised and rectified (section 3.1, figure 3; section 3.2).
    """
    return nn.Sequential(
        _conv_norm(channels, channels, 3, dilation=dilation, groups=channels),
        _conv_norm(channels, width, 1),
    )


def _conv_norm(
    channels: int, width: int, kernel: int, *, dilation: int = 1, groups: int = 1
) -> nn.Sequential:
    padding = dilation * (kernel // 2)
    return nn.Sequential(
        nn.Conv2d(
            channels, width, kernel, padding=padding, dilation=dilation, groups=groups, bias=False
        ),
        nn.BatchNorm2d(width),
        nn.ReLU(inplace=True),
    )


def _resized(x: Tensor, like: Tensor) -> Tensor:
    return F.interpolate(x, like.shape[-2:], mode="bilinear", align_corners=False)
