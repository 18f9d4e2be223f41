"""Nets that segment, by name: built, split for the optimiser, kept in files, exported.

All take RGB pictures 0..1 of any size and answer with logits of the same size.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Any, Literal, cast

import torch
from pydantic import BaseModel, Field, ValidationError
from torch import Tensor, nn

from sfumato.errors import MissingExtraError, SfumatoError, UsageError, WeightsError, did_you_mean
from sfumato.nets import encoders, saved
from sfumato.nets.deeplab import RATES, DeepLabV3Plus
from sfumato.nets.export import export
from sfumato.nets.fcn import FCN
from sfumato.nets.saved import METADATA
from sfumato.nets.segformer import SegFormer, Variant
from sfumato.nets.unet import UNet
from sfumato.nets.vgg import IMAGENET_MEAN, IMAGENET_STD

MOST_CLASSES = 255  # masks are bytes, and 255 in them means ignored


class FCNOptions(BaseModel, extra="forbid"):
    """Of fcn8s, fcn16s and fcn32s."""

    encoder: str = Field("resnet34", description="ImageNet encoder")
    hidden: int = Field(0, ge=0, le=4096, description="channels of two convolutions; 0 = none")


class UNetOptions(BaseModel, extra="forbid"):
    """Of unet."""

    encoder: str | None = Field(None, description="ImageNet encoder; None = the paper's own path")
    width: int = Field(64, ge=4, le=128, description="channels of the finest features")


class DeepLabOptions(BaseModel, extra="forbid"):
    """Of deeplabv3plus."""

    encoder: str = Field("resnet50", description="ImageNet encoder")
    output_stride: Literal[8, 16, 32] = Field(16, description="of the encoder; less is finer")
    rates: tuple[Annotated[int, Field(ge=1, le=64)], ...] = Field(
        RATES, min_length=1, max_length=6, description="dilations at output stride 16"
    )
    width: int = Field(256, ge=8, le=1024, description="channels of pyramid and decoder")


class SegFormerOptions(BaseModel, extra="forbid"):
    """Of segformer."""

    variant: Variant = Field("b0", description="encoder, MiT-B0 to B5")
    decoder_width: int = Field(256, ge=8, le=1024, description="channels of the decoder")


OPTIONS: dict[str, type[BaseModel]] = {
    "fcn8s": FCNOptions,
    "fcn16s": FCNOptions,
    "fcn32s": FCNOptions,
    "unet": UNetOptions,
    "deeplabv3plus": DeepLabOptions,
    "segformer": SegFormerOptions,
}

NAMES = tuple(OPTIONS)


class Segmenting(nn.Module):
    """A net with its normalisation and with what it takes to build it again.

    Attributes:
        net: what takes normalised pictures.
        name: from :data:`NAMES`.
        options: all options of that name, as JSON has them.
        classes: how many.
        class_names: as many names as classes, or none.
        about: anything else that a file says about it, as JSON has it.
    """

    def __init__(self, net: nn.Module, *, name: str, options: dict[str, Any], classes: int) -> None:
        super().__init__()
        self.net = net
        self.name, self.options, self.classes = name, options, classes
        self.class_names: tuple[str, ...] = ()
        self.about: dict[str, Any] = {}
        self.mean: Tensor
        self.std: Tensor
        for key, values in (("mean", IMAGENET_MEAN), ("std", IMAGENET_STD)):
            self.register_buffer(key, torch.tensor(values)[:, None, None], persistent=False)

    @property
    def encoder(self) -> nn.Module | None:
        """What ImageNet weights are for; None for the plain U-Net."""
        return cast(nn.Module | None, getattr(self.net, "encoder", None))

    def forward(self, image: Tensor) -> Tensor:
        """Logits ``[B, classes, H, W]`` of RGB pictures ``[B, 3, H, W]``, 0..1, of any size."""
        found: Tensor = self.net((image - self.mean) / self.std)
        return found


def build(name: str, *, classes: int, encoder: str | None = None, **options: Any) -> Segmenting:
    """A net with random weights.

    Args:
        name: from :data:`NAMES`.
        classes: channels of the logits, 1 to 255.
        encoder: from :data:`encoders.NAMES`; None = the net's own default.
        options: the fields of the name's model in :data:`OPTIONS`.

    Raises:
        UsageError: an unknown name or option, or a value out of bounds.
        MissingExtraError: a library is missing.
    """
    if name not in OPTIONS:
        known = ", ".join(NAMES)
        raise UsageError(f"unknown net {name!r}{did_you_mean(name, NAMES)} (known: {known})")
    if not (isinstance(classes, int) and 1 <= classes <= MOST_CLASSES):
        raise UsageError(f"a net needs from 1 to {MOST_CLASSES} classes, got {classes!r}")
    if encoder is not None:
        options["encoder"] = encoder
    chosen = _parse(name, options)
    net = _net(name, chosen, classes)
    return Segmenting(net, name=name, options=chosen.model_dump(mode="json"), classes=classes)


def parameter_groups(net: Segmenting, rate: float, encoder_rate: float) -> list[dict[str, Any]]:
    """What an optimiser trains, the encoder at its own rate.

    Norms and biases (all that has one dimension) have a ``weight_decay`` of 0, everything else
    the optimiser's own. Frozen parameters are left out.
    """
    inner = set() if net.encoder is None else {id(p) for p in net.encoder.parameters()}
    trained = [p for p in net.parameters() if p.requires_grad]
    groups: list[dict[str, Any]] = []
    for name, lr, encodes in (("encoder", encoder_rate, True), ("decoder", rate, False)):
        own = [p for p in trained if (id(p) in inner) == encodes]
        groups += [
            {"name": name, "lr": lr, "params": [p for p in own if p.ndim > 1]},
            {
                "name": f"{name}, norms and biases",
                "lr": lr,
                "params": [p for p in own if p.ndim <= 1],
                "weight_decay": 0.0,
            },
        ]
    return [group for group in groups if group["params"]]


def save(
    net: Segmenting,
    path: Path,
    *,
    half: bool = False,
    class_names: Sequence[str] | None = None,
    **about: Any,
) -> None:
    """Write a net whole into a safetensors file, with all that :func:`load` needs.

    Args:
        path: replaced if it exists, in one go.
        half: store convolutions and other matrices in half precision; norms, biases and
            statistics, which are small and may be large numbers, stay as they are.
        class_names: one for each class; None = those of the net.
        about: plain JSON values that are added to those of the net.

    Raises:
        UsageError: names that are not as many as the classes, or values that JSON cannot hold.
        WeightsError: numbers that are not finite, or in half precision would not be.
        MissingExtraError: ``safetensors`` is not installed.
    """
    names = net.class_names if class_names is None else tuple(class_names)
    header = {
        "name": net.name,
        "options": net.options,
        "classes": net.classes,
        "class_names": _check_names(names, net.classes),
        "about": net.about | about,
    }
    saved.write(path, net.state_dict(), header, half=half)


def load(path: Path) -> Segmenting:
    """A net from a file of :func:`save`, in single precision, on the CPU, not in training.

    The file is not trusted: nothing in it is run, and (but for SegFormer, whose largest is not
    so large) memory is taken only once its shapes are those of the net that it names.

    Raises:
        WeightsError: it holds something else.
        MissingExtraError: a library is missing.
    """
    try:
        import safetensors
    except ImportError:
        raise MissingExtraError("a safetensors file", "train") from None
    try:
        with safetensors.safe_open(path, framework="pt", device="cpu") as file:
            header = json.loads((file.metadata() or {})[METADATA])
            built = {key: header[key] for key in ("name", "classes")} | dict(header["options"])
            # Shapes alone; but some versions of transformers cannot build without numbers.
            with nullcontext() if built["name"] == "segformer" else torch.device("meta"):
                expected = {key: list(x.shape) for key, x in build(**built).state_dict().items()}
            shapes = {key: file.get_slice(key).get_shape() for key in file.keys()}  # noqa: SIM118
            saved.check_shapes(shapes, expected)
            net = build(**built)
            net.load_state_dict({key: file.get_tensor(key) for key in shapes})
        net.class_names = tuple(_check_names(header["class_names"], net.classes))
        net.about = dict(header["about"])
    except (OSError, MissingExtraError):
        raise
    except Exception as error:  # header, JSON, options and tensors each fail in their own way
        reason = str(error) if isinstance(error, SfumatoError) else repr(error)
        raise WeightsError(f"{path} is no net that Sfumato saved: {reason}") from error
    for key, x in net.state_dict().items():
        saved.check_finite(key, x, path)
    return net.eval()


def export_onnx(net: Segmenting, path: Path, *, half: bool = False) -> float:
    """Write ``net`` as an ONNX graph and compare it with the net
    (:func:`sfumato.nets.export.export`).

    Input ``image``: float32 ``[1, 3, H, W]``, RGB, 0..1. Output ``logits``: float32
    ``[1, classes, H, W]``. H and W are free; SegFormer needs 32 or more. The names of net and
    classes are in the graph's metadata.

    Args:
        path: replaced if it exists.
        half: store in half precision what :func:`save` does; the graph widens it again.

    Returns:
        The largest difference of a logit; where ``half``, from the net with the same rounding.

    Raises:
        WeightsError: the graph answers otherwise than the net.
    """
    header = {"name": net.name, "class_names": list(net.class_names), "about": net.about}
    return export(net, path, output="logits", header=header, half=half)


def _parse(name: str, values: dict[str, Any]) -> BaseModel:
    model = OPTIONS[name]
    try:
        return model(**values)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            known = ", ".join(model.model_fields)
            hint = did_you_mean(field, model.model_fields)
            raise UsageError(f"{name} has no option {field!r}{hint} (known: {known})") from None
        raise UsageError(
            f"option {name}.{field}: {first['msg']} (got {first['input']!r})"
        ) from None


def _net(name: str, options: BaseModel, classes: int) -> nn.Module:
    match options:
        case FCNOptions():
            stride = int(name.removeprefix("fcn").removesuffix("s"))
            encoder = encoders.build(options.encoder)
            return FCN(encoder, classes=classes, stride=stride, hidden=options.hidden)
        case UNetOptions():
            inner = None if options.encoder is None else encoders.build(options.encoder)
            return UNet(classes=classes, encoder=inner, width=options.width)
        case DeepLabOptions():
            encoder = encoders.build(options.encoder, output_stride=options.output_stride)
            return DeepLabV3Plus(encoder, classes=classes, rates=options.rates, width=options.width)
        case SegFormerOptions():
            return SegFormer(
                classes=classes, variant=options.variant, decoder_width=options.decoder_width
            )
    raise AssertionError(options)


def _check_names(names: Any, classes: int) -> list[str]:
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
        raise UsageError(f"class_names must be a list of names, got {names!r}")
    if names and len(names) != classes:
        raise UsageError(f"expected {classes} class names, got {len(names)}: {', '.join(names)}")
    return list(names)
