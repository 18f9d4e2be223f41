"""Single things, one mask each: Mask2Former by name, YOLO-seg or Mask R-CNN from an ONNX file."""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import BaseModel, Field

from sfumato.errors import MissingExtraError, UsageError, WeightsError
from sfumato.ops import detections, onnx
from sfumato.ops.classes import sigmoid, softmax
from sfumato.ops.detections import COCO, Thing
from sfumato.ops.resize import area_shape, resize
from sfumato.ops.saliency import imagenet_normalise, is_flat, nothing
from sfumato.types import Context, Image, Segments

if TYPE_CHECKING:
    import onnxruntime

GREY = 114 / 255
"""What YOLO pads pictures with."""

GAPS = (12, 26, 29, 30, 45, 66, 68, 69, 71, 83)
"""Numbers that COCO's own numbering (1 to 90) leaves out."""

CAFFE = np.array([102.9801, 115.9465, 122.7717], dtype=np.float32)
"""Mean of B, G, R that Mask R-CNNs with masks by the box want taken out of 0..255."""

Look = Callable[[Image], Segments]


class Options(BaseModel, extra="forbid"):
    """Which net, and when it is believed."""

    model: str | None = Field(
        None,
        description="a Mask2Former: its name in your hub cache (nothing is downloaded), or a "
        "folder; needs the extra segformer",
        json_schema_extra={"format": "path"},
    )
    file: Path | None = Field(
        None, description="an ONNX file instead: YOLO-seg (versions 8 and 11) or Mask R-CNN"
    )
    names: Path | None = Field(
        None,
        description="text file with a class name a line, for an ONNX file that does not name its "
        "classes; none = COCO's 80",
    )
    least: float = Field(0.5, ge=0, le=1, description="things less sure than this are left out")
    overlap: float = Field(
        0.7, ge=0, le=1, description="YOLO: how much boxes of one class may overlap (IoU)"
    )
    size: int = Field(
        640, ge=64, le=2048, description="the net sees about size x size pixels, if it can choose"
    )


@dataclass(frozen=True)
class Instances:
    """See :class:`sfumato.types.Segmenter`; a segment with soft edges for each single thing."""

    look: Look = field(repr=False)
    classes: tuple[str, ...]

    def __call__(self, image: Image) -> Segments:
        return nothing(image.shape) if is_flat(image) else self.look(image)


def build(options: Options, context: Context) -> Instances:
    """Open the net.

    Raises:
        UsageError: not exactly one of ``model`` and ``file``, or it is not there.
        MissingExtraError: ``model`` without transformers.
        WeightsError: the file is not such a net.
    """
    if (options.model is None) == (options.file is None):
        raise UsageError(
            "instances needs either -O instances.model=NAME (a Mask2Former in your hub cache) or "
            "-O instances.file=NET.onnx (YOLO-seg or Mask R-CNN)"
        )
    return _mask2former(options, context) if options.model else _from_file(options, context)


def _from_file(options: Options, context: Context) -> Instances:
    assert options.file is not None
    if not options.file.is_file():
        raise UsageError(f"instances.file: there is no file {options.file}")
    session = onnx.session(options.file, context.device)
    if len(session.get_inputs()) != 1:
        raise WeightsError(f"{options.file} takes more than one input; expected a picture alone")
    names = _names(options, session)
    net = YoloFile if len(session.get_outputs()) == 2 else MaskRcnnFile
    return Instances(net(options, session, names), tuple(dict.fromkeys(names)))


@dataclass(frozen=True)
class YoloFile:
    """RGB 0..1 at a fixed size, padded with grey; two outputs (:func:`detections.yolo`)."""

    options: Options
    session: onnxruntime.InferenceSession
    names: tuple[str, ...]

    def __call__(self, image: Image) -> Segments:
        (taken,) = self.session.get_inputs()
        net = _fixed(taken.shape) or (self.options.size // 32 * 32,) * 2
        scale = min(net[0] / image.shape[0], net[1] / image.shape[1])
        high, wide = (max(1, round(n * scale)) for n in image.shape[:2])
        canvas = np.full((*net, 3), GREY, dtype=np.float32)
        canvas[:high, :wide] = resize(image, (high, wide))
        outputs = self.session.run(None, {taken.name: _planes(canvas)[None]})
        predictions, prototypes = sorted((output[0] for output in outputs), key=np.ndim)
        classes = len(predictions) - 4 - len(prototypes)
        if predictions.ndim != 2 or prototypes.ndim != 3 or classes != len(self.names):
            raise WeightsError(
                f"{self.options.file} answers with shapes {[list(o.shape) for o in outputs]} for "
                f"{len(self.names)} classes; expected YOLO-seg's [1, 4 + classes + K, N] and "
                "[1, K, h, w] (other classes than COCO's: instances.names)"
            )
        found = detections.yolo(
            predictions, prototypes, net, self.options.least, self.options.overlap
        )
        return detections.segments(found, self.names, image.shape, (high / net[0], wide / net[1]))


@dataclass(frozen=True)
class MaskRcnnFile:
    """A Mask R-CNN in one of two layouts, told apart by what the file says of its masks.

    Masks over the whole picture (torchvision's export): RGB 0..1, COCO's numbering with gaps. Small
    masks over each box (ONNX's model zoo): BGR less Caffe's means, classes from 1 without gaps.
    """

    options: Options
    session: onnxruntime.InferenceSession
    names: tuple[str, ...]

    def __call__(self, image: Image) -> Segments:
        (taken,) = self.session.get_inputs()
        height, width = image.shape[:2]
        net = _fixed(taken.shape) or area_shape(height, width, self.options.size)
        small, boxed = resize(image, net), self._boxed()
        picture = small[..., ::-1] * 255 - CAFFE if boxed else small
        planes = _planes(picture)
        batch = planes[None] if len(taken.shape) == 4 else planes
        outputs = self.session.run(None, {taken.name: batch})
        found = detections.mask_rcnn(outputs, net, self.options.least)
        names = {i + 1: name for i, name in enumerate(self.names)}
        if self.names == COCO and not boxed:
            names = dict(zip((i for i in range(1, 91) if i not in GAPS), COCO, strict=True))
        known = [thing for thing in found if thing.label in names]
        return detections.segments(known, names, image.shape)

    def _boxed(self) -> bool:
        shapes = [output.shape for output in self.session.get_outputs()]
        sides = [shape[2:] for shape in shapes if len(shape) == 4]
        return any(all(isinstance(n, int) and n <= 112 for n in side) for side in sides)


def _mask2former(options: Options, context: Context) -> Instances:
    if any(importlib.util.find_spec(name) is None for name in ("torch", "transformers")):
        raise MissingExtraError(f"the net {options.model}", "segformer")
    import torch

    from sfumato.nets.device import choose_device

    where = choose_device(context.device)
    net = _from_cache(options.model or "").eval().to(where)
    names = {int(i): str(name) for i, name in net.config.id2label.items()}

    def look(image: Image) -> Segments:
        height, width = image.shape[:2]
        small = resize(image, area_shape(height, width, options.size))
        batch = torch.from_numpy(_planes(imagenet_normalise(small))[None])
        with torch.inference_mode():
            found = net(pixel_values=batch.to(where))
        scores = softmax(found.class_queries_logits[0].float().cpu().numpy().T)[:-1]
        masks = found.masks_queries_logits[0].float().cpu().numpy()
        return detections.segments(_queries(scores, masks, options.least), names, image.shape)

    return Instances(look, tuple(dict.fromkeys(names.values())))


def _from_cache(name: str) -> Any:
    """A Mask2Former that transformers finds on this machine."""
    from transformers import AutoConfig, Mask2FormerForUniversalSegmentation
    from transformers.utils import logging

    log: Any = logging
    shown = log.is_progress_bar_enabled()
    log.disable_progress_bar()
    try:
        config = AutoConfig.from_pretrained(name, local_files_only=True)
        if config.model_type != "mask2former":  # it would be filled with random numbers
            raise WeightsError(f"{name} is a {config.model_type}; expected a mask2former")
        return Mask2FormerForUniversalSegmentation.from_pretrained(
            name, config=config, local_files_only=True
        )
    except (OSError, ValueError) as error:
        raise WeightsError(
            f"{name} is neither a folder with a Mask2Former nor whole in your hub cache; "
            f"fetch it first, for example: hf download {name}"
        ) from error
    finally:
        if shown:
            log.enable_progress_bar()


def _queries(scores: detections.Floats, masks: detections.Floats, least: float) -> list[Thing]:
    """Mask2Former's answers: class probabilities ``[C, Q]`` and mask logits ``[Q, h, w]``.

    The score is the class's probability times the mean of the mask inside itself, as the authors
    take it (Cheng et al. 2022).
    """
    things = []
    for query in np.flatnonzero(scores.max(axis=0) >= least):
        inside = masks[query][masks[query] > 0]
        sure = float(scores[:, query].max() * sigmoid(inside).mean()) if inside.size else 0.0
        if sure >= least:
            things.append(Thing(int(scores[:, query].argmax()), min(1.0, sure), masks[query]))
    return things


def _names(options: Options, session: onnxruntime.InferenceSession) -> tuple[str, ...]:
    """Class names: the user's list, or what the file says of itself, or COCO's."""
    if options.names is not None:
        if not options.names.is_file():
            raise UsageError(f"instances.names: there is no file {options.names}")
        lines = options.names.read_text(encoding="utf-8").splitlines()
        return tuple(line.strip() for line in lines if line.strip())
    stated = session.get_modelmeta().custom_metadata_map.get("names", "")
    try:
        names = ast.literal_eval(stated)  # "{0: 'person', 1: 'bicycle', ...}"
        return tuple(str(names[i]) for i in range(len(names)))
    except (ValueError, SyntaxError, KeyError, TypeError):
        return COCO


def _planes(picture: Image) -> detections.Floats:
    return np.ascontiguousarray(picture.transpose(2, 0, 1), dtype=np.float32)


def _fixed(shape: list[Any]) -> tuple[int, int] | None:
    height, width = shape[-2:]
    return (height, width) if isinstance(height, int) and isinstance(width, int) else None
