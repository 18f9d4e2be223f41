"""EfficientNet-Lite0 as an encoder: EfficientNet-B0 (Tan and Le 2019) made for small machines.

Lite leaves the squeeze-and-excitation out and rectifies with a cut at 6 instead of swish. The
tensors are named as in the public PyTorch port: ``_conv_stem``, ``_blocks.N._depthwise_conv`` ….
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from sfumato.nets.layers import Channels, atrous, initialise

STEM, HEAD = 32, 1280
"""Channels after the first convolution and, with ``head``, after the last one."""

BLOCKS = ((3, 1, 16, 1, 1), (3, 6, 24, 2, 2), (5, 6, 40, 2, 2), (3, 6, 80, 3, 2),
          (5, 6, 112, 3, 1), (5, 6, 192, 4, 2), (3, 6, 320, 1, 1))  # fmt: skip
"""Kernel, expansion, channels, number of blocks and stride of the first of them (table 1)."""

TAPS = (0, 2, 4, 10)
"""``_blocks.N`` that are returned for strides 2, 4, 8 and 16; the last one is for 32."""

EPS, MOMENTUM = 1e-3, 0.01
"""Of batch normalisation, as the weights were trained (momentum in torch's sense)."""


class EfficientNetLite0(nn.Module):
    """The net without its classifier.

    Args:
        output_stride: 8, 16 or 32; the last strides give way to dilation.
        head: keep the last 1x1 convolution to 1280 channels, made for the classifier.

    Attributes:
        channels: of the five features.
        output_stride: as given.

    Raises:
        UsageError: another output stride.
    """

    def __init__(self, *, output_stride: int = 32, head: bool = False) -> None:
        super().__init__()
        self.output_stride = output_stride
        self.channels: Channels = (16, 24, 40, 112, HEAD if head else BLOCKS[-1][2])
        stem, *steps = atrous([2, *(stride for *_, stride in BLOCKS)], output_stride)
        self._conv_stem = SameConv(3, STEM, 3, stride=stem.stride, strides=True)
        self._bn0 = norm(STEM)
        self._blocks = nn.ModuleList()
        channels = STEM
        for (kernel, expansion, width, count, strides), step in zip(BLOCKS, steps, strict=True):
            for i in range(count):
                stride, dilation = (step.stride, step.first) if i == 0 else (1, step.rest)
                depthwise = SameConv(
                    channels * expansion,
                    channels * expansion,
                    kernel,
                    stride=stride,
                    dilation=dilation,
                    depthwise=True,
                    strides=i == 0 and strides > 1,
                )
                self._blocks.append(
                    Block(channels, width, expands=expansion > 1, depthwise=depthwise)
                )
                channels = width
        self.head = head
        if head:
            self._conv_head = nn.Conv2d(channels, HEAD, 1, bias=False)
            self._bn1 = norm(HEAD)
        initialise(self)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Features of ImageNet-normalised RGB ``[B, 3, H, W]`` at strides 2, 4, 8, 16 and 32.

        Their sizes are those of the picture divided by the stride, rounded up; no stride is
        larger than ``output_stride``.
        """
        x = F.relu6(self._bn0(self._conv_stem(x)))
        found = []
        for i, block in enumerate(self._blocks):
            x = block(x)
            if i in TAPS:
                found.append(x)
        return [*found, F.relu6(self._bn1(self._conv_head(x))) if self.head else x]


class Block(nn.Module):
    """Widen, convolve each channel by itself, narrow; a shortcut where the channels agree."""

    def __init__(self, channels: int, width: int, *, expands: bool, depthwise: SameConv) -> None:
        super().__init__()
        inner = depthwise.out_channels
        self.expands, self.shortcut = expands, channels == width
        if expands:
            self._expand_conv = nn.Conv2d(channels, inner, 1, bias=False)
            self._bn0 = norm(inner)
        self._depthwise_conv = depthwise
        self._bn1 = norm(inner)
        self._project_conv = nn.Conv2d(inner, width, 1, bias=False)
        self._bn2 = norm(width)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu6(self._bn0(self._expand_conv(x))) if self.expands else x
        y = F.relu6(self._bn1(self._depthwise_conv(y)))
        found: Tensor = self._bn2(self._project_conv(y))
        return x + found if self.shortcut else found


class SameConv(nn.Conv2d):
    """A convolution that pads as TensorFlow does for an even size, for which the net was made.

    Where it strides (or would, had dilation not taken its place), its window lies one cell
    further to the right and down than torch's. TensorFlow moves it back for odd sizes; here it
    stays, so that a picture's features do not jump when it grows by one pixel.
    """

    def __init__(
        self,
        channels: int,
        width: int,
        kernel: int,
        *,
        stride: int = 1,
        dilation: int = 1,
        depthwise: bool = False,
        strides: bool = False,
    ) -> None:
        groups = channels if depthwise else 1
        super().__init__(
            channels, width, kernel, stride, dilation=dilation, groups=groups, bias=False
        )
        before, after = (kernel // 2 - strides) * dilation, (kernel // 2 + strides) * dilation
        self.margin = (before, after, before, after)

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = super().forward(F.pad(x, self.margin))
        return found


def norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=EPS, momentum=MOMENTUM)
