"""VGG-19 as a source of named features (Simonyan and Zisserman 2015, configuration E).

The style-transfer literature reads its convolutions by name: ``conv1_1`` .. ``conv5_4`` before
the rectifier and ``relu1_1`` .. ``relu5_4`` after it. The classifier is left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sfumato.errors import WeightsError
from sfumato.nets import saved

BLOCKS = ((64, 2), (128, 2), (256, 4), (512, 4), (512, 4))
"""Channels and number of convolutions of each block; a pooling stands between blocks."""

CONVS = tuple(f"conv{block}_{i}" for block, (_, n) in enumerate(BLOCKS, 1) for i in range(1, n + 1))
"""``conv1_1`` .. ``conv5_4``, from the picture inwards."""

LAYERS = tuple(name for conv in CONVS for name in (conv, conv.replace("conv", "relu")))
"""Every layer that can be asked for, from the picture inwards."""

Padding = Literal["reflect", "replicate", "replicate-first", "zeros"]
Pooling = Literal["max", "avg"]

TORCHVISION_NUMBERS = tuple(
    2 * i + block for i, block in enumerate(b for b, (_, n) in enumerate(BLOCKS) for _ in range(n))
)
"""``N`` of each convolution's ``features.N.weight`` in torchvision's files: 0, 2, 5, 7, .. 34."""

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of R, G and B, 0..1: what torchvision's weights were trained to have removed and divided by."""


def stride(layer: str) -> int:
    """Pixels along a side of the square that one cell of ``layer`` stands for: 1, 2, 4, 8 or 16.

    Cell ``i`` stands for the pixels from ``i * stride`` to ``(i + 1) * stride - 1``.

    Raises:
        ValueError: an unknown layer.
    """
    _check([layer])
    return 1 << (int(layer[4]) - 1)


def reach(layer: str) -> int:
    """How many pixels beyond its own square, on each side, a cell of ``layer`` depends on.

    Every 3x3 convolution adds one cell of its own stride; pooling adds none. A picture's part
    that is this much larger on each side gives the features that the whole picture gives.

    Raises:
        ValueError: an unknown layer.
    """
    _check([layer])
    return sum(stride(conv) for conv in CONVS[: LAYERS.index(layer) // 2 + 1])


class VGG19(nn.Module):
    """VGG-19, cut off after the deepest layer that is used.

    Args:
        layers: names from :data:`LAYERS` that :meth:`forward` returns.
        padding: what the 3x3 convolutions see beyond the border. The normalised weights were
            made for ``reflect``, which optimising uses with any weights; the original network
            used ``zeros``, which darkens the borders of pictures that are optimised.
            ``replicate-first`` cures that, too: the border's colours for the first convolution,
            zeros for all others.
        pooling: ``max``, or ``avg`` as Gatys et al. 2016 prefer for optimisation.

    Attributes:
        features: which weights it was given, ``normalised`` or ``torchvision``.
        padding: as given.

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
        self.features = "normalised"
        self.padding = padding
        _check(layers)
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
            mode = _padding_mode(padding, name)
            self.convs[name] = nn.Conv2d(channels, width, 3, padding=1, padding_mode=mode)
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


def load(
    path: Path,
    *,
    layers: Sequence[str] = LAYERS,
    padding: Padding | None = None,
    pooling: Pooling = "max",
) -> VGG19:
    """A frozen :class:`VGG19` with the weights in ``path``, whichever layout its keys show.

    Args:
        path: as :func:`load_torchvision` or :func:`load_normalised` takes it.
        padding: None = what the weights were made for: ``zeros`` or ``reflect``.
        layers, pooling: as in :class:`VGG19`.

    Raises:
        WeightsError: the file holds neither.
    """
    state = saved.read_checkpoint(path)
    if any(key.startswith("features.") for key in state):
        return load_torchvision(path, layers=layers, padding=padding or "zeros", pooling=pooling)
    if "0.weight" in state:
        return load_normalised(path, layers=layers, padding=padding or "reflect", pooling=pooling)
    found = ", ".join(list(state)[:3]) or "nothing"
    raise WeightsError(
        f"{path} does not hold VGG-19: expected the keys features.0.weight, features.2.weight, … "
        f"(torchvision's) or 0.weight, 2.weight, … (the normalised weights), got {found}"
    )


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


def load_torchvision(
    path: Path,
    *,
    layers: Sequence[str] = LAYERS,
    padding: Padding = "zeros",
    pooling: Pooling = "max",
) -> VGG19:
    """A frozen :class:`VGG19` with weights in the layout of torchvision's ``vgg19``.

    That is ``features.0.weight``, ``features.0.bias``, ``features.2.weight`` and so on; a
    ``classifier`` is passed over. Torchvision normalises pictures outside its net, by ImageNet's
    mean and deviation; here :attr:`VGG19.preprocess` does.

    Raises:
        WeightsError: the file holds something else, VGG-16 for example.
    """
    net = VGG19(layers=layers, padding=padding, pooling=pooling)
    net.features = "torchvision"
    head = "features."
    state = {
        key.removeprefix(head): x
        for key, x in saved.read_checkpoint(path).items()
        if key.startswith(head)
    }
    if others := {key.split(".")[0] for key in state} - {str(n) for n in TORCHVISION_NUMBERS}:
        raise WeightsError(
            f"{path} does not hold VGG-19: it has features.{min(others)}, where torchvision's "
            f"vgg19 has no convolution; expected features.N with N = {TORCHVISION_NUMBERS}"
        )
    _fill(net.convs.values(), state, path)
    std = torch.tensor(IMAGENET_STD)
    with torch.no_grad():
        net.preprocess.weight.copy_(torch.diag(1 / std)[..., None, None])
        assert net.preprocess.bias is not None
        net.preprocess.bias.copy_(-torch.tensor(IMAGENET_MEAN) / std)
    return net.eval().requires_grad_(False)


def load_in_order(convs: Sequence[nn.Module], path: Path) -> None:
    """Fill ``convs`` with a file's convolutions in the order of their numbers ``N.weight``.

    The files number the layers of a flat ``nn.Sequential``; further ones in the file are left.

    Raises:
        WeightsError: the file does not hold that many convolutions of these shapes.
    """
    _fill(convs, saved.read_checkpoint(path), path)


def _fill(convs: Iterable[nn.Module], state: Mapping[str, Tensor], path: Path) -> None:
    try:
        numbers = sorted({int(key.split(".")[0]) for key in state})
        for i, conv in enumerate(convs):
            conv.load_state_dict({k: state[f"{numbers[i]}.{k}"] for k in ("weight", "bias")})
    except Exception as error:  # keys, counts and shapes each fail in their own way
        raise WeightsError(f"{path} does not hold the expected convolutions: {error}") from error


def _padding_mode(padding: Padding, conv: str) -> Literal["reflect", "replicate", "zeros"]:
    if padding == "replicate-first":
        return "replicate" if conv == CONVS[0] else "zeros"
    return padding


def _check(layers: Sequence[str]) -> None:
    if unknown := [name for name in layers if name not in LAYERS]:
        raise ValueError(f"VGG-19 has no layer {unknown[0]!r}; expected {', '.join(LAYERS)}")
