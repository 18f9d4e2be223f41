"""A net that Sfumato trained, from an .onnx or a .safetensors file of yours."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from sfumato.errors import MissingExtraError, UsageError, WeightsError
from sfumato.ops import classes, onnx
from sfumato.ops.resize import area_shape, resize
from sfumato.ops.saliency import drop_islands, is_flat, nothing, single
from sfumato.types import Context, Image, Segments

STEP = 32
"""The nets shrink their input by this; other sizes work too, but waste an edge of pixels."""

Run = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""RGB ``[1, 3, h, w]``, 0..1, to logits ``[1, C, h, w]``."""


class Options(BaseModel, extra="forbid"):
    """Which net, and how it looks at the picture."""

    weights: Path = Field(description="the net: a file that 'sfumato train segmenter' wrote")
    size: int = Field(
        384, ge=64, le=2048, description="the net sees about size x size pixels, in any shape"
    )
    islands: float = Field(
        0.05,
        ge=0,
        le=1,
        description="of a net with one class, drop separate parts smaller than this share of the "
        "largest one",
    )


@dataclass(frozen=True)
class Trained:
    """See :class:`sfumato.types.Segmenter`; one segment with soft edges for each class found.

    Attributes:
        names: of all logits, ``background`` among them.
        fixed: height and width, where the file takes no other.
    """

    options: Options
    run: Run = field(repr=False)
    names: tuple[str, ...]
    fixed: tuple[int, int] | None = None

    @property
    def classes(self) -> tuple[str, ...]:
        return tuple(name for name in self.names if name != classes.BACKGROUND)

    def __call__(self, image: Image) -> Segments:
        """Look at the picture.

        Raises:
            WeightsError: the net does not answer as one of ours.
        """
        if is_flat(image):
            return nothing(image.shape)
        height, width = image.shape[:2]
        small = resize(image, self.fixed or area_shape(height, width, self.options.size, STEP))
        logits = self.run(np.ascontiguousarray(small.transpose(2, 0, 1)[None]))
        if logits.shape != (1, len(self.names), *small.shape[:2]):
            raise WeightsError(
                f"{self.options.weights} answered with shape {list(logits.shape)}; expected "
                f"[1, {len(self.names)}, {small.shape[0]}, {small.shape[1]}]: a logit for each of "
                f"{', '.join(self.names)} in each pixel"
            )
        probabilities = classes.softmax(logits[0])
        if len(self.classes) > 1:
            return classes.segments(probabilities, self.names, image.shape)
        (label,) = self.classes
        soft = drop_islands(probabilities[self.names.index(label)], self.options.islands)
        return single(label, resize(soft, (height, width)))


def build(options: Options, context: Context) -> Trained:
    """Open the net.

    Raises:
        UsageError: there is no such file, or it is neither ONNX nor safetensors.
        MissingExtraError: safetensors without torch.
        WeightsError: the file is no net of ours.
    """
    path = options.weights
    if path.suffix not in (".onnx", ".safetensors"):
        raise UsageError(f"net.weights takes an .onnx or .safetensors file, got {path}")
    if not path.is_file():
        raise UsageError(f"net.weights: there is no file {path}")
    return (_onnx if path.suffix == ".onnx" else _torch)(options, context.device)


def _onnx(options: Options, device: str) -> Trained:
    session = onnx.session(options.weights, device)
    stated = session.get_modelmeta().custom_metadata_map.get("sfumato", "{}")
    inputs = {i.name: i.shape for i in session.get_inputs()}
    outputs = [o.name for o in session.get_outputs()]
    if list(inputs) != ["image"] or "logits" not in outputs:
        raise WeightsError(
            f"{options.weights} is not a segmenter of Sfumato's: it takes {', '.join(inputs)} and "
            f"gives {', '.join(outputs)}; expected image and logits"
        )

    def run(batch: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray(session.run(["logits"], {"image": batch})[0], dtype=np.float32)

    height, width = inputs["image"][2:]
    fixed = (height, width) if isinstance(height, int) and isinstance(width, int) else None
    return Trained(options, run, _names(stated, options.weights), fixed)


def _torch(options: Options, device: str) -> Trained:
    if importlib.util.find_spec("torch") is None:
        raise MissingExtraError(f"the net {options.weights}", "train")
    import torch

    from sfumato.nets.device import choose_device, place
    from sfumato.nets.segmenters import load

    where = choose_device(device)
    net = place(load(options.weights), where)

    def run(batch: NDArray[np.float32]) -> NDArray[np.float32]:
        with torch.inference_mode():
            logits = net(torch.from_numpy(batch).to(where))
        return np.asarray(logits.float().cpu().numpy(), dtype=np.float32)

    return Trained(options, run, _checked(net.class_names, options.weights))


def _names(stated: str, path: Path) -> tuple[str, ...]:
    """Class names out of the header that ``nets.segmenters`` writes into its files."""
    try:
        return _checked(json.loads(stated)["class_names"], path)
    except (ValueError, KeyError, TypeError):
        return _checked([], path)


def _checked(names: Sequence[str], path: Path) -> tuple[str, ...]:
    if all(isinstance(name, str) for name in names) and set(names) - {classes.BACKGROUND}:
        return tuple(names)
    raise WeightsError(
        f"{path} does not name its classes (background, person ...); was it written by Sfumato, "
        "with class names?"
    )
