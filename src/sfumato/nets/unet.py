"""U-Net (Ronneberger, Fischer and Brox 2015), plain or on a pretrained encoder.

Departures: convolutions are padded, so that the answer is as large as the picture; batch
normalisation follows each; there is no dropout.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sfumato.errors import UsageError
from sfumato.nets.encoders import Encoder
from sfumato.nets.layers import STRIDES, Channels, crop, initialise

LEVELS = 4
"""How often the plain net halves the picture."""


class UNet(nn.Module):
    """Contract, expand, and hand the fine features across at each size.

    Args:
        classes: number of classes, the background's included.
        encoder: what contracts; None = the paper's own path, trained from scratch.
        width: channels at the picture's own size, 64 in the paper, doubled with each halving.
            With an encoder: those at stride 2, up to eight times that at stride 16; half as many
            at the picture's own size, where an encoder has no features.

    Raises:
        UsageError: fewer than one class, or a width below 1 (with an encoder: below 2).
    """

    def __init__(self, *, classes: int, encoder: Encoder | None = None, width: int = 64) -> None:
        super().__init__()
        least = 1 if encoder is None else 2
        if classes < 1 or width < least:
            raise UsageError(
                f"a U-Net needs at least one class and a width of {least} or more, "
                f"got {classes} and {width}"
            )
        self.encoder = encoder
        self.contract = Contracting(width) if encoder is None else None
        if encoder is None:
            channels = [width << i for i in range(LEVELS + 1)]
            widths, strides = channels[:-1], [1 << i for i in range(LEVELS + 1)]
        else:
            channels = [0, *encoder.channels]
            widths = [width // 2, *(width << i for i in range(LEVELS))]
            strides = [1, *(min(s, encoder.output_stride) for s in STRIDES)]
        self.expand = nn.ModuleList()
        below = channels[-1]
        for i in reversed(range(len(widths))):
            doubles = strides[i + 1] > strides[i]
            self.expand.append(Expand(below, channels[i], widths[i], doubles=doubles))
            below = widths[i]
        self.score = nn.Conv2d(below, classes, 1)
        initialise(self.expand)

    def forward(self, x: Tensor) -> Tensor:
        """Logits ``[B, classes, H, W]`` of ImageNet-normalised RGB ``[B, 3, H, W]``, any size."""
        contract = self.encoder or self.contract
        assert contract is not None
        *skips, deep = contract(x)
        for expand in self.expand:
            # Beyond an encoder's finest features only the picture says how large to become.
            deep = expand(deep, skips.pop()) if skips else crop(expand(deep), x)
        found: Tensor = self.score(deep)
        return found


class Contracting(nn.Module):
    """The paper's contracting path: features at strides 1, 2, 4, 8 and 16."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.channels: Channels = (width, 2 * width, 4 * width, 8 * width, 16 * width)
        self.blocks = nn.ModuleList(
            double_conv(i, o) for i, o in zip((3, *self.channels), self.channels, strict=False)
        )
        initialise(self)

    def forward(self, x: Tensor) -> list[Tensor]:
        found = [self.blocks[0](x)]
        for block in self.blocks[1:]:
            # An odd row or column at the end is kept, so no size is refused.
            found.append(block(F.max_pool2d(found[-1], 2, ceil_mode=True)))
        return found


class Expand(nn.Module):
    """Double the size, halve the channels, take the skip in, convolve twice.

    Where a dilated encoder did not halve, nothing is doubled: a 1x1 convolution only.
    """

    def __init__(self, below: int, skip: int, width: int, *, doubles: bool) -> None:
        super().__init__()
        kernel = stride = 2 if doubles else 1
        self.up = nn.ConvTranspose2d(below, width, kernel, stride)
        self.convs = double_conv(width + skip, width)

    def forward(self, x: Tensor, skip: Tensor | None = None) -> Tensor:
        x = self.up(x)
        if skip is not None:
            x = torch.cat((skip, crop(x, skip)), dim=1)
        found: Tensor = self.convs(x)
        return found


def double_conv(channels: int, width: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels, width, 3, padding=1, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(inplace=True),
        nn.Conv2d(width, width, 3, padding=1, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(inplace=True),
    )
