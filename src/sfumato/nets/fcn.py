"""Fully convolutional nets FCN-32s, FCN-16s and FCN-8s (Long, Shelhamer and Darrell 2015).

Departures: any encoder takes the place of VGG-16; the two wide convolutions that the paper makes
of VGG-16's classifier are an option; enlarging repeats the border's scores, where the paper pads
the picture with 100 pixels and crops.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sfumato.errors import UsageError
from sfumato.nets.encoders import Encoder
from sfumato.nets.layers import STRIDES, crop, initialise

SCORED = (8, 16, 32)
"""Strides that have scores of their own; ``stride`` says which is the finest that is used."""


class FCN(nn.Module):
    """Scores of the deepest features, doubled and added to those of finer ones, then enlarged.

    Args:
        encoder: ImageNet features; ResNet-34 unless there is a reason for another.
        classes: number of classes, the background's included.
        stride: of the finest features that have a say: 32, 16 or 8.
        hidden: channels of the two convolutions before the deepest scores, 4096 in the paper
            ("fc6" and "fc7", with dropout); 0 = none.

    Raises:
        UsageError: another stride, or fewer than one class.
    """

    def __init__(self, encoder: Encoder, *, classes: int, stride: int = 8, hidden: int = 0) -> None:
        super().__init__()
        if stride not in SCORED:
            raise UsageError(f"stride of an FCN must be 8, 16 or 32, got {stride!r}")
        if classes < 1:
            raise UsageError(f"an FCN needs at least one class, got {classes}")
        self.encoder, self.stride = encoder, stride
        used = [s for s in SCORED if s >= stride]
        channels = [encoder.channels[STRIDES.index(s)] for s in used]
        # With a dilated encoder, two features can have one stride: then nothing is doubled.
        real = [min(s, encoder.output_stride) for s in used]
        self.hidden = _hidden(channels[-1], hidden) if hidden else nn.Identity()
        self.scores = nn.ModuleList(
            nn.Conv2d(width, classes, 1) for width in [*channels[:-1], hidden or channels[-1]]
        )
        self.enlarge = nn.ModuleList(
            Enlarge(classes, coarse // fine) if coarse > fine else nn.Identity()
            for fine, coarse in pairwise(real)
        )
        self.last = Enlarge(classes, real[0], learn=False)
        # Section 4.2: a finer stride starts from the predictions of the coarser. The paper starts
        # the deepest scores at zero, too, and found no difference.
        for name, values in self.scores.named_parameters():
            nn.init.zeros_(values)
            if name == f"{len(used) - 1}.weight":
                nn.init.normal_(values, std=0.01)

    def forward(self, x: Tensor) -> Tensor:
        """Logits ``[B, classes, H, W]`` of ImageNet-normalised RGB ``[B, 3, H, W]``, any size."""
        *skips, deepest = self.encoder(x)[-len(self.scores) :]
        scores = self.scores[-1](self.hidden(deepest))
        for i in reversed(range(len(skips))):
            own = self.scores[i](skips[i])
            scores = crop(self.enlarge[i](scores), own) + own
        return crop(self.last(scores), x)


class Enlarge(nn.Module):
    """A transposed convolution that starts as bilinear interpolation (section 3.3).

    Args:
        channels: of the input and of the output.
        factor: how many times larger, even.
        learn: False = it stays bilinear, as the paper's last one does, each channel by itself.
    """

    def __init__(self, channels: int, factor: int, *, learn: bool = True) -> None:
        super().__init__()
        self.factor = factor
        line = 1 - (torch.arange(2 * factor) + 0.5 - factor).abs() / factor
        kernel = line[:, None] * line
        if learn:
            weight = torch.zeros(channels, channels, *kernel.shape)
            weight[range(channels), range(channels)] = kernel
            self.weight = nn.Parameter(weight)
        else:
            self.register_buffer("weight", kernel.repeat(channels, 1, 1, 1), persistent=False)
        self.groups = 1 if learn else channels

    def forward(self, x: Tensor) -> Tensor:
        x = F.pad(x, (1, 1, 1, 1), mode="replicate")
        margin = self.factor + self.factor // 2
        return F.conv_transpose2d(
            x, self.weight, stride=self.factor, padding=margin, groups=self.groups
        )


def _hidden(channels: int, width: int) -> nn.Sequential:
    layers = nn.Sequential(
        nn.Conv2d(channels, width, 7, padding=3),
        nn.ReLU(inplace=True),
        nn.Dropout2d(0.5),
        nn.Conv2d(width, width, 1),
        nn.ReLU(inplace=True),
        nn.Dropout2d(0.5),
    )
    initialise(layers)
    return layers
