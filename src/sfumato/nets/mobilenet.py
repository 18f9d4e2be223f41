"""MobileNetV2 (Sandler et al. 2018), width 1.0, as an encoder.

Its tensors are named as in torchvision's ``mobilenet_v2``: ``features.N...``.
"""

from __future__ import annotations

from torch import Tensor, nn

from sfumato.nets.layers import Channels, atrous, initialise

STEM, HEAD = 32, 1280
"""Channels after the first convolution and, with ``head``, after the last one."""

BLOCKS = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2),
          (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))  # fmt: skip
"""Expansion, channels, number of blocks and stride of the first of them (table 2)."""

TAPS = (1, 3, 6, 13)
"""``features.N`` that are returned for strides 2, 4, 8 and 16; the last one is for 32."""


class MobileNetV2(nn.Module):
    """The net without its classifier.

    Args:
        output_stride: 8, 16 or 32; the last strides give way to dilation.
        head: keep the last 1x1 convolution to 1280 channels. It was made for the classifier;
            nets that segment mostly end before it, at 320 channels, and so does this one.

    Attributes:
        channels: of the five features.
        output_stride: as given.

    Raises:
        UsageError: another output stride.
    """

    def __init__(self, *, output_stride: int = 32, head: bool = False) -> None:
        super().__init__()
        self.output_stride = output_stride
        self.channels: Channels = (16, 24, 32, 96, HEAD if head else BLOCKS[-1][1])
        stem, *steps = atrous([2, *(stride for *_, stride in BLOCKS)], output_stride)
        layers: list[nn.Module] = [conv_norm(3, STEM, 3, stride=stem.stride)]
        channels = STEM
        for (expansion, width, count, _), step in zip(BLOCKS, steps, strict=True):
            for i in range(count):
                stride, dilation = (step.stride, step.first) if i == 0 else (1, step.rest)
                block = InvertedResidual(
                    channels, width, expansion=expansion, stride=stride, dilation=dilation
                )
                layers.append(block)
                channels = width
        if head:
            layers.append(conv_norm(channels, HEAD, 1))
        self.features = nn.Sequential(*layers)
        initialise(self)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Features of ImageNet-normalised RGB ``[B, 3, H, W]`` at strides 2, 4, 8, 16 and 32.

        Their sizes are those of the picture divided by the stride, rounded up; no stride is
        larger than ``output_stride``.
        """
        found = []
        for i, layer in enumerate(self.features):
            x = layer(x)
            if i in TAPS:
                found.append(x)
        return [*found, x]


class InvertedResidual(nn.Module):
    """Widen, convolve each channel by itself, narrow without a rectifier (figure 3d).

    A shortcut goes round it where the channels agree: never where the published net strides.
    """

    def __init__(
        self, channels: int, width: int, *, expansion: int, stride: int, dilation: int
    ) -> None:
        super().__init__()
        inner = channels * expansion
        layers = [conv_norm(channels, inner, 1)] if expansion > 1 else []
        self.conv = nn.Sequential(
            *layers,
            conv_norm(inner, inner, 3, stride=stride, dilation=dilation, groups=inner),
            nn.Conv2d(inner, width, 1, bias=False),
            nn.BatchNorm2d(width),
        )
        self.shortcut = channels == width

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.conv(x)
        return x + found if self.shortcut else found


def conv_norm(
    channels: int,
    width: int,
    kernel: int,
    *,
    stride: int = 1,
    dilation: int = 1,
    groups: int = 1,
) -> nn.Sequential:
    """Convolution, batch normalisation, rectifier that is cut off at 6."""
    padding = dilation * (kernel // 2)
    return nn.Sequential(
        nn.Conv2d(channels, width, kernel, stride, padding, dilation, groups, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU6(inplace=True),
    )
