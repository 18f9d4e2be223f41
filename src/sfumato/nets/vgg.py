"""VGG-19 as a source of named features (Simonyan and Zisserman 2015, configuration E).

The style-transfer literature reads its convolutions by name: ``conv1_1`` .. ``conv5_4`` before
the rectifier and ``relu1_1`` .. ``relu5_4`` after it. The classifier is left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sfumato.errors import WeightsError

BLOCKS = ((64, 2), (128, 2), (256, 4), (512, 4), (512, 4))
"""Channels and number of convolutions of each block; a pooling stands between blocks."""

CONVS = tuple(f"conv{block}_{i}" for block, (_, n) in enumerate(BLOCKS, 1) for i in range(1, n + 1))
"""``conv1_1`` .. ``conv5_4``, from the picture inwards."""

LAYERS = tuple(name for conv in CONVS for name in (conv, conv.replace("conv", "relu")))
"""Every layer that can be asked for, from the picture inwards."""

Padding = Literal["reflect", "replicate", "zeros"]
Pooling = Literal["max", "avg"]


class VGG19(nn.Module):
    """VGG-19, cut off after the deepest layer that is used.

    Args:
        layers: names from :data:`LAYERS` that :meth:`forward` returns.
        padding: what the 3x3 convolutions see beyond the border. The normalised weights were
            made for ``reflect``; the original network used ``zeros``, which darkens borders.
        pooling: ``max``, or ``avg`` as Gatys et al. 2016 prefer for optimisation.

    Raises:
        ValueError: an unknown layer, or none.
    """

    def __init__(
        self,
        *,
        layers: Sequence[str] = LAYERS,
        padding: Padding = "reflect",
        pooling: Pooling = "max",
    ) -> None:
        super().__init__()
        if unknown := [name for name in layers if name not in LAYERS]:
            raise ValueError(f"VGG-19 has no layer {unknown[0]!r}; expected {', '.join(LAYERS)}")
        if not layers:
            raise ValueError("expected at least one VGG-19 layer, got none")
        self.layers = tuple(layers)
        self.deepest = max(self.layers, key=LAYERS.index)
        self.pool = nn.MaxPool2d(2) if pooling == "max" else nn.AvgPool2d(2)
        # Turns RGB 0..1 into what the convolutions were trained on (BGR, 0..255, mean removed).
        self.preprocess = nn.Conv2d(3, 3, kernel_size=1)
        self.convs = nn.ModuleDict()
        channels = 3
        for name in CONVS[: LAYERS.index(self.deepest) // 2 + 1]:
            width, _ = BLOCKS[int(name[4]) - 1]
            self.convs[name] = nn.Conv2d(channels, width, 3, padding=1, padding_mode=padding)
            channels = width

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        """The asked-for activations of RGB pictures ``[B, 3, H, W]``, 0..1, by layer name.

        Block ``n`` has the size of the picture divided by ``2 ** (n - 1)``, rounded down; with
        reflecting borders that has to stay at 2 or more.
        """
        return {name: x for name, x in self.activations(image) if name in self.layers}

    def activations(self, image: Tensor) -> Iterator[tuple[str, Tensor]]:
        """Every layer's name and activation in turn, up to the deepest one used."""
        x = self.preprocess(image)
        for name, conv in self.convs.items():
            if name.endswith("_1") and name != "conv1_1":
                x = self.pool(x)
            x = conv(x)
            yield name, x
            if name == self.deepest:
                return
            x = F.relu(x)
            yield name.replace("conv", "relu"), x


def load_normalised(
    path: Path,
    *,
    layers: Sequence[str] = LAYERS,
    padding: Padding = "reflect",
    pooling: Pooling = "max",
) -> VGG19:
    """A frozen :class:`VGG19` with the normalised weights ``vgg_normalized.pth``.

    Normalised: rescaled so that each channel's mean activation over natural pictures is 1
    (Gatys et al. 2016, section 2), which evens out the layers' weight in losses.

    Raises:
        WeightsError: the file holds something else.
    """
    net = VGG19(layers=layers, padding=padding, pooling=pooling)
    load_in_order([net.preprocess, *net.convs.values()], path)
    return net.eval().requires_grad_(False)


def load_in_order(convs: Sequence[nn.Module], path: Path) -> None:
    """Fill ``convs`` with a file's convolutions in the order of their numbers ``N.weight``.

    The files number the layers of a flat ``nn.Sequential``; further ones in the file are left.

    Raises:
        WeightsError: the file does not hold that many convolutions of these shapes.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        numbers = sorted({int(key.split(".")[0]) for key in state})
        for conv, number in zip(convs, numbers[: len(convs)], strict=True):
            conv.load_state_dict({k: state[f"{number}.{k}"] for k in ("weight", "bias")})
    except OSError:
        raise
    except Exception as error:  # unpickling, keys, counts and shapes each fail in their own way
        raise WeightsError(f"{path} does not hold the expected convolutions: {error}") from error
