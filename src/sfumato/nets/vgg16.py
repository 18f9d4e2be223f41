"""VGG-16 (Simonyan and Zisserman 2015, configuration D) as an encoder.

Its tensors are named as in torchvision's ``vgg16``: ``features.N.weight`` and ``.bias``.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from sfumato.nets.layers import Channels, atrous, initialise

BLOCKS = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))
"""Channels and number of convolutions of each block; a pooling follows each."""


class VGG16(nn.Module):
    """The net without its classifier; its features are those after each pooling.

    Args:
        output_stride: 8, 16 or 32; the last strides give way to dilation.

    Attributes:
        channels: of the five features.
        output_stride: as given.

    Raises:
        UsageError: another output stride.
    """

    def __init__(self, *, output_stride: int = 32) -> None:
        super().__init__()
        self.output_stride = output_stride
        self.channels: Channels = (64, 128, 256, 512, 512)
        layers: list[nn.Module] = []
        channels, dilation = 3, 1
        for (width, count), step in zip(BLOCKS, atrous([2] * 5, output_stride), strict=True):
            for _ in range(count):
                layers.append(nn.Conv2d(channels, width, 3, padding=dilation, dilation=dilation))
                layers.append(nn.ReLU(inplace=True))
                channels = width
            layers.append(Pool(stride=step.stride, dilation=step.first))
            dilation = step.rest
        self.features = nn.Sequential(*layers)
        initialise(self)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Features of ImageNet-normalised RGB ``[B, 3, H, W]`` at strides 2, 4, 8, 16 and 32.

        Their sizes are those of the picture divided by the stride, rounded up; no stride is
        larger than ``output_stride``.
        """
        found = []
        for layer in self.features:
            x = layer(x)
            if isinstance(layer, Pool):
                found.append(x)
        return found


class Pool(nn.Module):
    """The maximum of 2x2 cells of a feature that is not negative.

    An odd row or column at the end counts, as in Caffe; torchvision's net drops it.
    """

    def __init__(self, *, stride: int, dilation: int) -> None:
        super().__init__()
        self.stride, self.dilation = stride, dilation

    def forward(self, x: Tensor) -> Tensor:
        x = F.pad(x, (0, self.dilation, 0, self.dilation))
        return F.max_pool2d(x, 2, self.stride, dilation=self.dilation)
