"""Nets that can be looked into, by name: their layers, and what their answers mean."""

from __future__ import annotations

import importlib.util
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

import sfumato
from sfumato.errors import MissingExtraError, UsageError, WeightsError, did_you_mean
from sfumato.io import weights as store

if TYPE_CHECKING:
    from torch import Tensor, nn

LABELS = Path(__file__).with_name("imagenet.txt")
"""Short English names of ImageNet's 1000 classes (2012), in their order, as Gradio (Apache-2.0) has
them."""

PERSON = Path(sfumato.__file__).parent / "assets" / "person.onnx"

CLASSIFIERS = {
    "mobilenetv2": "classifier.1",
    "efficientnet-lite0": "_fc",
    "resnet34": "fc",
    "resnet50": "fc",
}
"""Encoder -> what public checkpoints call the linear layer that makes it a classifier."""

WITH_HEAD = ("mobilenetv2", "efficientnet-lite0")
"""Encoders whose classifier sits on one convolution more."""

PREPROCESS = "preprocess"
"""The 1x1 convolution that turns RGB 0..1 into what a net was trained on; not one of its layers."""

Kind = Literal["features", "classifier", "segmenter"]


@dataclass(frozen=True, eq=False)
class Net:
    """A frozen net, ready to be looked into.

    Attributes:
        name: as it was asked for.
        module: takes RGB ``[B, 3, H, W]``, 0..1; its rectifiers do not work in place.
        kind: what it answers: ``classifier`` logits ``[B, K]``, ``segmenter`` logits
            ``[B, K, H, W]``, ``features`` anything else.
        classes: K names of the logits' channels; none for ``features``.
        asked: it only answers: no layers, no gradients.
    """

    name: str
    module: nn.Module = field(repr=False)
    kind: Kind = "features"
    classes: tuple[str, ...] = ()
    asked: bool = False

    @property
    def layers(self) -> dict[str, nn.Module]:
        """Its modules by name, containers before what they hold: ``conv1_1`` for a VGG,
        else the path inside the net (``encoder.layer1.0.conv1``)."""
        return {
            name.removeprefix("net."): module
            for name, module in self.module.named_modules()
            if name not in ("", "net", PREPROCESS)
        }

    def layer(self, name: str) -> nn.Module:
        """The module of this name.

        Raises:
            UsageError: there is none; the message offers the nearest name.
        """
        self.check_layers()
        if name not in self.layers:
            near = did_you_mean(name, self.layers)
            raise UsageError(
                f"{self.name} has no layer {name!r}{near} (it has {len(self.layers)}; "
                "--layers lists them)"
            )
        return self.layers[name]

    def check_layers(self) -> None:
        """Raise UsageError if there is nothing to be had of the net but its answers."""
        if self.asked:
            raise UsageError(
                f"{self.name} runs in ONNX Runtime, which shows none of its layers; "
                "'sfumato inspect saliency --method occlusion' asks it which pixels matter"
            )

    def class_number(self, text: str) -> int:
        """The channel of a class that is given by name or number.

        Raises:
            UsageError: there is no such class, or the net tells no classes apart.
        """
        if not self.classes:
            raise UsageError(
                f"{self.name} tells no classes apart; look at a channel of a layer instead, "
                "for example --layer conv5_1 --target 12"
            )
        if text.isdecimal():
            if int(text) < len(self.classes):
                return int(text)
            raise UsageError(
                f"{self.name} has {len(self.classes)} classes, 0 to {len(self.classes) - 1}; "
                f"got {text}"
            )
        known = {name.lower(): i for i, name in enumerate(self.classes)}
        if text.lower() not in known:
            hint = did_you_mean(text.lower(), known)
            raise UsageError(f"{self.name} knows no class {text!r}{hint}")
        return known[text.lower()]


@dataclass(frozen=True)
class Known:
    """A net that can be asked for.

    Attributes:
        about: what it is, in a few words.
        build: path of the weights or None, and who is told of a download, to the net.
        answers: it only answers, and shows neither layers nor gradients.
    """

    about: str
    build: Callable[[Path | None, store.Progress | None], Net] = field(repr=False)
    answers: bool = False


def load(
    name: str,
    *,
    weights: Path | None = None,
    device: str = "auto",
    progress: store.Progress | None = None,
) -> Net:
    """Open a net.

    Args:
        name: of :data:`NETS`, or the path of a ``.safetensors`` file that Sfumato wrote: a
            segmenter, or a net that paints in one style.
        weights: of a net of that name; None = those of the registry, the package, or torch's
            cache.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        progress: told of a download.

    Raises:
        UsageError: an unknown name, device or weights for a file that has its own.
        WeightsError: the weights cannot be had, or are of another net.
        MissingExtraError: torch is not installed.
    """
    if importlib.util.find_spec("torch") is None:
        raise MissingExtraError("looking into a net", "torch")
    if weights is not None and not weights.exists():
        raise UsageError(f"--weights: there is no {weights}")
    net = NETS[name].build(weights, progress) if name in NETS else _own(name, weights)
    from sfumato.nets.device import choose_device

    where = choose_device(device)
    for module in net.module.modules():
        if getattr(module, "inplace", False):
            module.inplace = False  # type: ignore[assignment]  # of a rectifier
    net.module.to(where).eval().requires_grad_(False)
    return net


def activation(net: Net, layer: str, picture: Tensor) -> Tensor:
    """What a layer gives for pictures ``[B, 3, H, W]``, RGB 0..1: ``[B, C, h, w]``.

    Differentiable; the net runs no further than to the layer.

    Raises:
        UsageError: there is no such layer, or it gives no maps.
    """
    found: list[Any] = []

    def stop(_module: nn.Module, _inputs: Any, output: Any) -> None:
        found.append(output)
        raise _ReachedError

    handle = net.layer(layer).register_forward_hook(stop)
    try:
        net.module(picture)
    except _ReachedError:
        pass
    finally:
        handle.remove()
    if not found or getattr(found[0], "ndim", 0) != 4:
        raise UsageError(f"layer {layer} of {net.name} gives no maps; --layers lists those that do")
    return cast("Tensor", found[0])


class _ReachedError(Exception):
    """The layer that was asked for has been computed."""


@cache
def imagenet() -> tuple[str, ...]:
    """Names of ImageNet's classes."""
    return tuple(LABELS.read_text(encoding="utf-8").splitlines())


def _own(name: str, weights: Path | None) -> Net:
    """A file of the user's."""
    path = Path(name)
    if path.suffix != ".safetensors":
        known = ", ".join(NETS)
        more = "a .safetensors file that 'sfumato train' wrote"
        raise UsageError(
            f"there is no net {name!r}{did_you_mean(name, NETS)} (known: {known}; or {more})"
        )
    if weights is not None:
        raise UsageError(f"{path} holds its own weights; leave --weights out")
    if not path.is_file():
        raise UsageError(f"there is no file {path}")
    from sfumato.nets import segmenters, transformer_net

    try:
        net = segmenters.load(path)
    except WeightsError as error:
        try:
            return Net(path.stem, transformer_net.load(path))
        except WeightsError:
            raise error from None
    names = net.class_names or tuple(str(i) for i in range(net.classes))
    return Net(path.stem, net, "segmenter", names)


def _vgg19(path: Path | None, progress: store.Progress | None) -> Net:
    from torch import nn

    from sfumato.nets import vgg

    net = vgg.load(path or store.fetch("vgg19-normalised", progress))
    chain: dict[str, nn.Module] = {PREPROCESS: net.preprocess}
    for name, conv in net.convs.items():
        if name.endswith("_1") and name != "conv1_1":
            chain[f"pool{int(name[4]) - 1}"] = nn.MaxPool2d(2)
        chain |= {name: conv, name.replace("conv", "relu"): nn.ReLU()}
    return Net("vgg19", _chained(chain))


def _vgg16(path: Path | None, progress: store.Progress | None) -> Net:
    from sfumato.nets import encoders, vgg16

    encoder = encoders.build("vgg16")
    encoders.load(encoder, path or encoders.pretrained("vgg16", progress))
    assert isinstance(encoder, vgg16.VGG16)
    chain: dict[str, nn.Module] = {PREPROCESS: _normalising()}
    modules = iter(encoder.features)
    for block, (_, count) in enumerate(vgg16.BLOCKS, 1):
        for i in range(1, count + 1):
            chain |= {f"conv{block}_{i}": next(modules), f"relu{block}_{i}": next(modules)}
        chain[f"pool{block}"] = next(modules)
    return Net("vgg16", _chained(chain))


def _encoder(name: str, path: Path | None, progress: store.Progress | None) -> Net:
    """An ImageNet net; a classifier where the file has that part."""
    from torch import nn

    from sfumato.nets import encoders

    path = path or encoders.pretrained(name, progress)
    options = {"head": True} if name in WITH_HEAD else {}
    encoder = encoders.build(name, **options)
    encoders.load(encoder, path)
    assert isinstance(encoder, nn.Module)
    encoder.register_forward_hook(_deepest)
    chain: dict[str, nn.Module] = {PREPROCESS: _normalising(), "net": encoder}
    linear = _linear(path, CLASSIFIERS.get(name, ""))
    if linear is None:
        return Net(name, _chained(chain))
    chain |= {"pool": nn.AdaptiveAvgPool2d(1), "flatten": nn.Flatten(), "classifier": linear}
    own = tuple(str(i) for i in range(linear.out_features))
    return Net(name, _chained(chain), "classifier", imagenet() if len(own) == 1000 else own)


def _person(path: Path | None, _progress: store.Progress | None) -> Net:
    """The package's own net out of its ONNX graph, whose tensors keep the names of torch."""
    if path is not None:
        raise UsageError(
            "the net person is part of the package; to look into one that you trained, give its "
            ".safetensors file as --net"
        )
    import onnx
    import torch

    from sfumato.nets import segmenters

    graph = onnx.load(str(PERSON)).graph
    state = {
        tensor.name.removesuffix(".half"): torch.from_numpy(
            onnx.numpy_helper.to_array(tensor).astype("float32")
        )
        for tensor in graph.initializer
    }
    width = 2 * state["net.score.weight"].shape[1]
    net = segmenters.build("unet", classes=2, encoder="efficientnet-lite0", width=width)
    own = net.state_dict()  # counts of batches, which nothing depends on, are not in the graph
    net.load_state_dict({key: state.get(key, own[key]) for key in own})
    return Net("person", net, "segmenter", ("background", "person"))


def _fastdepth(path: Path | None, progress: store.Progress | None) -> Net:
    from sfumato.nets import fastdepth

    return Net("fastdepth", fastdepth.load(path or store.fetch("fastdepth", progress)))


def _answering(name: str, path: Path | None, progress: store.Progress | None) -> Net:
    """A segmenter of the registry that runs in ONNX Runtime."""
    if path is not None:
        raise UsageError(f"{name} is asked as it is; leave --weights out")
    from sfumato import registry
    from sfumato.inspect import asked

    classes = ("background", *registry.find("segment", name).classes)
    return Net(name, asked.module(name, progress), "segmenter", classes, asked=True)


NETS: Mapping[str, Known] = {
    "vgg19": Known("VGG-19, conv1_1 to relu5_4; what styles are compared with", _vgg19),
    "person": Known("U-Net on EfficientNet-Lite0 that finds people", _person),
    "mobilenetv2": Known("ImageNet classifier", partial(_encoder, "mobilenetv2")),
    "efficientnet-lite0": Known("ImageNet classifier", partial(_encoder, "efficientnet-lite0")),
    "fastdepth": Known("depth from one picture", _fastdepth),
    "vgg16": Known("VGG-16, conv1_1 to pool5; from a file of torchvision's", _vgg16),
    "resnet34": Known("from a file of torchvision's", partial(_encoder, "resnet34")),
    "resnet50": Known("from a file of torchvision's", partial(_encoder, "resnet50")),
    "resnet50-v1": Known("from Keras's folder", partial(_encoder, "resnet50-v1")),
    "modnet": Known("finds people; occlusion only", partial(_answering, "modnet"), True),
    "u2netp": Known("finds the subject; occlusion only", partial(_answering, "u2netp"), True),
}


def _chained(modules: Mapping[str, nn.Module]) -> nn.Module:
    from torch import nn

    return nn.Sequential(OrderedDict(modules))


def _normalising() -> nn.Module:
    """ImageNet's mean and deviation out of RGB 0..1, as a convolution."""
    import torch
    from torch import nn

    from sfumato.nets.vgg import IMAGENET_MEAN, IMAGENET_STD

    conv = nn.Conv2d(3, 3, 1)
    std = torch.tensor(IMAGENET_STD)
    state = {
        "weight": torch.diag(1 / std)[..., None, None],
        "bias": -torch.tensor(IMAGENET_MEAN) / std,
    }
    conv.load_state_dict(state)
    return conv


def _deepest(_module: nn.Module, _inputs: Any, found: list[Tensor]) -> Tensor:
    """Hook that lets an encoder answer with its deepest features alone."""
    return found[-1]


def _linear(path: Path, key: str) -> nn.Linear | None:
    """The classifier in a checkpoint, if it has one."""
    from torch import nn

    from sfumato.nets import saved

    if not key or path.is_dir():
        return None
    if path.suffix == ".safetensors":
        from safetensors.torch import load_file

        state: Mapping[str, Tensor] = load_file(path)
    else:
        state = saved.read_checkpoint(path)
    weight, bias = state.get(f"{key}.weight"), state.get(f"{key}.bias")
    if weight is None or bias is None or weight.ndim != 2:
        return None
    linear = nn.Linear(weight.shape[1], weight.shape[0])
    linear.load_state_dict({"weight": weight, "bias": bias})
    return linear
