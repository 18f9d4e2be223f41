"""FastDepth (Wofk et al. 2019): depth from one picture, quick and differentiable.

The published net after pruning (section III-C): a MobileNet encoder and the NNConv5 decoder, 5x5
depthwise-separable convolutions with nearest upsampling and additive skips. It was trained on
indoor scenes (NYU Depth v2) and is most at home there; elsewhere the order of near and far is
more to be trusted than the metres.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sfumato.errors import WeightsError

SIDE = 224
"""Height and width in pixels at which the net looks at every picture."""

STEM = 16
"""Channels after the first convolution, which halves the picture."""

ENCODER = (
    (56, 1), (88, 2), (120, 1), (144, 2), (256, 1), (408, 2), (376, 1),
    (272, 1), (288, 1), (296, 1), (328, 1), (480, 2), (512, 1),
)  # fmt: skip
"""Channels and stride of each encoder block; the widths are what pruning left."""

DECODER = (200, 256, 120, 56, 16)
"""Channels of each decoder block; the picture doubles after each."""

SKIPS = {1: 4, 2: 2, 3: 0}
"""Decoder block -> the encoder block whose output is added once its own is doubled."""


class FastDepth(nn.Module):
    """The net, batch normalisation folded into its convolutions."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, STEM, 3, stride=2, padding=1)
        self.encoder, self.decoder = nn.ModuleList(), nn.ModuleList()
        channels = STEM
        for width, stride in ENCODER:
            self.encoder.append(_separable(channels, width, 3, nn.ReLU6(), stride))
            channels = width
        for width in DECODER:
            self.decoder.append(_separable(channels, width, 5, nn.ReLU()))
            channels = width
        self.head = nn.Conv2d(channels, 1, 1)

    def forward(self, image: Tensor) -> Tensor:
        """Depth in metres, 0 and up, ``[B, 1, 224, 224]``, of RGB pictures ``[B, 3, H, W]``, 0..1.

        Pictures of any size are resized to the net's square (bilinear, averaging where they
        shrink), which changes their proportions: maps of one size compare pixel by pixel.
        """
        x = F.interpolate(image, (SIDE, SIDE), mode="bilinear", antialias=True)
        x = F.relu6(self.stem(x))
        kept = []
        for block in self.encoder:
            x = block(x)
            kept.append(x)
        for i, block in enumerate(self.decoder):
            x = block(x)
            if i == len(self.decoder) - 1:
                # The head works pixel by pixel, so it may as well come before the last doubling.
                x = F.relu(self.head(x))
            x = F.interpolate(x, scale_factor=2, mode="nearest")
            if i in SKIPS:
                x = x + kept[SKIPS[i]]
        return x


def load(path: Path) -> FastDepth:
    """A frozen :class:`FastDepth` with the weights of the ONNX file ``fastdepth_7.onnx``.

    Raises:
        WeightsError: the file holds something else.
    """
    net = FastDepth()
    convs = [module for module in net.modules() if isinstance(module, nn.Conv2d)]
    try:
        for conv, (weight, bias) in zip(convs, _folded_convs(path), strict=True):
            conv.load_state_dict({"weight": torch.tensor(weight), "bias": torch.tensor(bias)})
    except OSError:
        raise
    except Exception as error:  # parsing, names, counts and shapes each fail in their own way
        raise WeightsError(f"{path} does not hold FastDepth's convolutions: {error}") from error
    return net.eval().requires_grad_(False)


def _folded_convs(path: Path) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Weight and bias of each convolution in turn, with the normalisation after it folded in.

    In the file every convolution is without bias and followed by a batch normalisation.
    """
    import onnx

    graph = onnx.load(path).graph
    arrays = {item.name: onnx.numpy_helper.to_array(item) for item in graph.initializer}
    for conv, norm in zip(graph.node, graph.node[1:], strict=False):
        if conv.op_type != "Conv":
            continue
        if norm.op_type != "BatchNormalization" or norm.input[0] != conv.output[0]:
            raise ValueError(f"no batch normalisation follows the convolution {conv.output[0]}")
        scale, shift, mean, variance = (arrays[name].astype(np.float64) for name in norm.input[1:])
        (epsilon,) = (item.f for item in norm.attribute if item.name == "epsilon")
        gain = scale / np.sqrt(variance + epsilon)
        weight = arrays[conv.input[1]] * gain[:, None, None, None]
        yield weight.astype(np.float32), (shift - mean * gain).astype(np.float32)


def _separable(
    channels: int, width: int, kernel: int, activation: nn.Module, stride: int = 1
) -> nn.Sequential:
    """A convolution of each channel by itself, then one that mixes them, each rectified."""
    return nn.Sequential(
        nn.Conv2d(channels, channels, kernel, stride, kernel // 2, groups=channels),
        activation,
        nn.Conv2d(channels, width, 1),
        activation,
    )
