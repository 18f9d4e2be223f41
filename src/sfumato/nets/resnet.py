"""ResNet-34 and ResNet-50 (He et al. 2016) as encoders.

Their tensors are named as in torchvision's ``resnet34`` and ``resnet50``.
"""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn
from torch.nn import functional as F

from sfumato.errors import UsageError
from sfumato.nets.layers import Channels, Step, atrous, initialise

COUNTS = (3, 4, 6, 3)
"""Blocks of ``layer1`` .. ``layer4``, the same for both depths (table 1)."""

WIDTHS = (64, 128, 256, 512)

StrideOn = Literal["3x3", "1x1"]


class ResNet(nn.Module):
    """The net without its classifier.

    Args:
        depth: 34 (two 3x3 convolutions a block) or 50 (1x1, 3x3, 1x1).
        output_stride: 8, 16 or 32; the last strides give way to dilation.
        stride_on: of depth 50, which convolution of a stage's first block has the stride: the
            3x3 as torchvision and most others have it, or the first 1x1 as the paper, Caffe and
            Keras have it. Weights made for the one do badly with the other.

    Attributes:
        channels: of the five features.
        output_stride, stride_on: as given.

    Raises:
        UsageError: another depth, output stride or ``stride_on``.
    """

    def __init__(
        self, *, depth: int = 34, output_stride: int = 32, stride_on: StrideOn = "3x3"
    ) -> None:
        super().__init__()
        if depth not in (34, 50):
            raise UsageError(f"depth of a ResNet must be 34 or 50, got {depth!r}")
        if stride_on not in ("3x3", "1x1"):
            raise UsageError(f"stride_on must be '3x3' or '1x1', got {stride_on!r}")
        self.depth, self.output_stride, self.stride_on = depth, output_stride, stride_on
        grow = 1 if depth == 34 else Bottleneck.GROW
        a, b, c, d = (width * grow for width in WIDTHS)
        self.channels: Channels = (WIDTHS[0], a, b, c, d)
        self.conv1 = nn.Conv2d(3, WIDTHS[0], 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(WIDTHS[0])
        _, _, *steps = atrous([2, 2, 1, 2, 2, 2], output_stride)
        stages, channels = [], WIDTHS[0]
        for width, count, step in zip(WIDTHS, COUNTS, steps, strict=True):
            blocks: list[nn.Module] = []
            for i in range(count):
                own = step if i == 0 else Step(1, step.rest, step.rest)
                if depth == 34:
                    blocks.append(Basic(channels, width, step=own))
                else:
                    blocks.append(Bottleneck(channels, width, step=own, stride_on=stride_on))
                channels = width * grow
            stages.append(nn.Sequential(*blocks))
        self.layer1, self.layer2, self.layer3, self.layer4 = stages
        initialise(self)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Features of ImageNet-normalised RGB ``[B, 3, H, W]`` at strides 2, 4, 8, 16 and 32.

        Their sizes are those of the picture divided by the stride, rounded up; no stride is
        larger than ``output_stride``.
        """
        found = [F.relu(self.bn1(self.conv1(x)))]
        x = F.max_pool2d(found[0], 3, stride=2, padding=1)
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = stage(x)
            found.append(x)
        return found


class Basic(nn.Module):
    """Two 3x3 convolutions beside a shortcut (figure 5, left)."""

    def __init__(self, channels: int, width: int, *, step: Step) -> None:
        super().__init__()
        self.conv1 = conv3x3(channels, width, stride=step.stride, dilation=step.first)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = conv3x3(width, width, dilation=step.rest)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample = projection(channels, width, step.stride)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(y)) + (self.downsample(x) if self.downsample else x))


class Bottleneck(nn.Module):
    """Narrow, convolve, widen, beside a shortcut (figure 5, right)."""

    GROW = 4
    """Channels of the output for each one inside."""

    def __init__(self, channels: int, width: int, *, step: Step, stride_on: StrideOn) -> None:
        super().__init__()
        on_3x3 = stride_on == "3x3"
        # A stride that was left out before the 3x3 convolution has to widen that already.
        inner = (step.stride, step.first) if on_3x3 else (1, step.rest)
        self.conv1 = nn.Conv2d(channels, width, 1, 1 if on_3x3 else step.stride, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = conv3x3(width, width, stride=inner[0], dilation=inner[1])
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, width * self.GROW, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(width * self.GROW)
        self.downsample = projection(channels, width * self.GROW, step.stride)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)))
        y = F.relu(self.bn2(self.conv2(y)))
        return F.relu(self.bn3(self.conv3(y)) + (self.downsample(x) if self.downsample else x))


def conv3x3(channels: int, width: int, *, stride: int = 1, dilation: int = 1) -> nn.Conv2d:
    return nn.Conv2d(channels, width, 3, stride, dilation, dilation, bias=False)


def projection(channels: int, width: int, stride: int) -> nn.Sequential | None:
    """The shortcut where channels change, which is also wherever the published net strides."""
    if channels == width:
        return None
    return nn.Sequential(nn.Conv2d(channels, width, 1, stride, bias=False), nn.BatchNorm2d(width))
