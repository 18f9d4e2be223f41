"""The feed-forward net of one style (Johnson, Alahi and Fei-Fei 2016).

"Perceptual losses for real-time style transfer and super-resolution", with what has become usual
since: instance normalisation (Ulyanov et al. 2016), reflecting borders, and nearest-neighbour
enlarging before a convolution in place of a transposed one, whose overlaps leave a chequered
pattern (Odena et al. 2016). Tensors are named as in the public checkpoints of this layout, and
mean the same: inside, pictures are 0..255.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sfumato.errors import MissingExtraError, SfumatoError, UsageError, WeightsError
from sfumato.nets import saved
from sfumato.nets.export import export
from sfumato.nets.layers import crop

NAME, OUTPUT = "transformer", "painting"
"""What files say that the net is, and the output of its ONNX graph."""

LEVELS = 255.0
STRIDE, LEAST = 4, 8
"""The net shrinks pictures by the one; its reflecting borders need a side of the other."""

MOST_WIDTH, MOST_RESIDUALS = 256, 32

START = 10.0
"""How much larger the last convolution's weights begin than torch would have them: its output
goes to 255, and Adam takes steps of one length whatever the scale."""

STATISTICS = re.compile(r"in\d+\.(running_mean|running_var|num_batches_tracked)$")
"""Keys of old files that the net never used: it normalises each picture by its own statistics."""


class TransformerNet(nn.Module):
    """Paints pictures in one style.

    Args:
        width: channels of the finest features; 32 in the paper, 16 for processors.
        residuals: residual blocks, 5 in the paper.

    Attributes:
        width, residuals: as given.
        about: plain JSON values that a file says about it (style, weights of the losses, …).

    Raises:
        UsageError: a number out of bounds.
    """

    def __init__(self, width: int = 32, residuals: int = 5) -> None:
        super().__init__()
        for name, value, most in (
            ("width", width, MOST_WIDTH),
            ("residuals", residuals, MOST_RESIDUALS),
        ):
            if not 1 <= value <= most:
                raise UsageError(f"a style net's {name} is 1 to {most}, got {value}")
        self.width, self.residuals = width, residuals
        self.about: dict[str, Any] = {}
        self.conv1, self.in1 = Conv(3, width, 9), _norm(width)
        self.conv2, self.in2 = Conv(width, 2 * width, 3, stride=2), _norm(2 * width)
        self.conv3, self.in3 = Conv(2 * width, 4 * width, 3, stride=2), _norm(4 * width)
        for i in range(residuals):
            self.add_module(f"res{i + 1}", Residual(4 * width))
        self.deconv1, self.in4 = Conv(4 * width, 2 * width, 3, enlarge=2), _norm(2 * width)
        self.deconv2, self.in5 = Conv(2 * width, width, 3, enlarge=2), _norm(width)
        self.deconv3 = Conv(width, 3, 9)
        with torch.no_grad():
            self.deconv3.conv2d.weight.mul_(START)
            assert self.deconv3.conv2d.bias is not None
            self.deconv3.conv2d.bias.fill_(LEVELS / 2)

    def forward(self, image: Tensor) -> Tensor:
        """Paint RGB ``[B, 3, H, W]``, 0..1, of any size; the same size, about 0..1, not clipped.

        Sides that do not divide by four have their last row or column repeated on the way.
        """
        x = F.pad(image * LEVELS, _margins(image), mode="replicate")
        x = F.relu(self.in1(self.conv1(x)))
        x = F.relu(self.in2(self.conv2(x)))
        x = F.relu(self.in3(self.conv3(x)))
        for i in range(self.residuals):
            x = self.get_submodule(f"res{i + 1}")(x)
        x = F.relu(self.in4(self.deconv1(x)))
        x = F.relu(self.in5(self.deconv2(x)))
        painted: Tensor = self.deconv3(x) / LEVELS
        return crop(painted, image)


class Conv(nn.Module):
    """A convolution of what is first enlarged, if asked, and continued by its reflection."""

    def __init__(
        self, channels: int, width: int, kernel: int, *, stride: int = 1, enlarge: int = 1
    ) -> None:
        super().__init__()
        self.enlarge, self.margin = enlarge, kernel // 2
        self.conv2d = nn.Conv2d(channels, width, kernel, stride)

    def forward(self, x: Tensor) -> Tensor:
        if self.enlarge > 1:
            x = F.interpolate(x, scale_factor=float(self.enlarge), mode="nearest")
        found: Tensor = self.conv2d(F.pad(x, (self.margin,) * 4, mode="reflect"))
        return found


class Residual(nn.Module):
    """Two convolutions whose result is added; no rectifier after the sum (Gross and Wilber)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1, self.in1 = Conv(width, width, 3), _norm(width)
        self.conv2, self.in2 = Conv(width, width, 3), _norm(width)

    def forward(self, x: Tensor) -> Tensor:
        inner = F.relu(self.in1(self.conv1(x)))
        found: Tensor = x + self.in2(self.conv2(inner))
        return found


def save(net: TransformerNet, path: Path, *, half: bool = False, **about: Any) -> None:
    """Write a net whole into a safetensors file, with all that :func:`load` needs.

    Args:
        path: replaced if it exists, in one go.
        half: store convolutions in half precision.
        about: plain JSON values that are added to those of the net.

    Raises:
        UsageError, WeightsError, MissingExtraError: as :func:`sfumato.nets.saved.write`.
    """
    header = {"name": NAME, "width": net.width, "residuals": net.residuals}
    saved.write(path, net.state_dict(), header | {"about": net.about | about}, half=half)


def load(path: Path) -> TransformerNet:
    """A net from a file of :func:`save` or from a public checkpoint of the same layout
    (``conv1.conv2d.weight``, ``in1.weight``, ``res1.conv1.conv2d.weight``, …, ``deconv3…``), in
    single precision, on the CPU, not in training.

    Checkpoints of torch are unpickled as plain tensors only: nothing in a file is run.

    Raises:
        WeightsError: it holds something else.
        MissingExtraError: a library is missing.
    """
    state, about = _read_safetensors(path) if _is_safetensors(path) else (_read_public(path), {})
    state = {key: x for key, x in state.items() if not STATISTICS.search(key)}
    try:
        net = _built_for(state)
        net.load_state_dict(dict(state))
    except (SfumatoError, RuntimeError) as error:
        raise WeightsError(f"{path} does not hold a style net: {error}") from error
    for key, x in net.state_dict().items():
        saved.check_finite(key, x, path)
    net.about = about
    return net.eval()


def export_onnx(net: TransformerNet, path: Path, *, half: bool = False, **about: Any) -> float:
    """Write ``net`` as an ONNX graph and compare it with the net.

    Input ``image``: float32 ``[1, 3, H, W]``, RGB, 0..1. Output ``painting``: the same, about
    0..1. H and W are free.

    Args:
        path: replaced if it exists.
        half: store convolutions in half precision; the graph widens them again.
        about: plain JSON values for the graph's metadata, added to those of the net.

    Returns:
        The largest difference of a number; where ``half``, from the net with the same rounding.

    Raises:
        WeightsError: the graph answers otherwise than the net.
    """
    header = {"name": NAME, "about": net.about | about}
    return export(net, path, output=OUTPUT, header=header, half=half)


def _margins(image: Tensor) -> tuple[int, int, int, int]:
    """What is missing at the right and at the bottom: left, right, top, bottom."""
    down, right = (_largest(LEAST - n, -n % STRIDE) for n in image.shape[-2:])
    return 0, right, 0, down


def _largest(one: int, other: int) -> int:
    """As arithmetic, because a graph is traced through it, and ``max`` would choose for good."""
    return (one + other + abs(one - other)) // 2


def _norm(width: int) -> nn.InstanceNorm2d:
    return nn.InstanceNorm2d(width, affine=True)


def _built_for(state: Mapping[str, Tensor]) -> TransformerNet:
    """A net of the size that the tensors' names and shapes show; theirs are then its own."""
    first = state.get("conv1.conv2d.weight")
    if first is None or first.ndim != 4:
        found = ", ".join(list(state)[:3]) or "nothing"
        raise WeightsError(
            "expected the keys conv1.conv2d.weight, in1.weight, …, res1.conv1.conv2d.weight, …, "
            f"deconv3.conv2d.weight; got {found}"
        )
    residuals = len({key.split(".")[0] for key in state if re.match(r"res\d+\.", key)})
    size = {"width": len(first), "residuals": residuals}
    with torch.device("meta"):  # shapes alone
        expected = {k: list(x.shape) for k, x in TransformerNet(**size).state_dict().items()}
    saved.check_shapes({key: list(x.shape) for key, x in state.items()}, expected)
    return TransformerNet(**size)


def _is_safetensors(path: Path) -> bool:
    """By its first bytes: the length of a header, and the header, which is JSON."""
    with path.open("rb") as file:
        return file.read(9)[8:] == b"{"


def _read_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    try:
        import safetensors
    except ImportError:
        raise MissingExtraError("a safetensors file", "train") from None
    try:
        with safetensors.safe_open(path, framework="pt", device="cpu") as file:
            header = json.loads((file.metadata() or {}).get(saved.METADATA, "{}"))
            if (name := header.get("name", NAME)) != NAME:
                raise WeightsError(f"its net is {name}")
            state = {key: file.get_tensor(key).float() for key in file.keys()}  # noqa: SIM118
            return state, dict(header.get("about", {}))
    except OSError:
        raise
    except Exception as error:  # header, JSON and tensors each fail in their own way
        raise WeightsError(f"{path} does not hold a style net: {error}") from error


def _read_public(path: Path) -> Mapping[str, Tensor]:
    return {key: x.float() for key, x in saved.read_checkpoint(path).items()}
