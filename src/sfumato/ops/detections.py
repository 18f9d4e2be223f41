"""Single things out of a detector's numbers: boxes, scores and masks to segments.

Two families of nets are read: YOLO-seg (one pass, masks as mixtures of prototypes: Bolya et al.
2019, "YOLACT") and Mask R-CNN (He et al. 2017).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sfumato.errors import WeightsError
from sfumato.ops.classes import sigmoid
from sfumato.ops.resize import enlarged
from sfumato.ops.saliency import nothing
from sfumato.types import Alpha, Segments

MOST = 100
"""Things that are kept of one picture: the surest."""

Floats = NDArray[np.float32]

COCO = (
    "person", "bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat",
    "traffic light", "fire hydrant", "stop sign", "parking meter", "bench", "bird", "cat", "dog",
    "horse", "sheep", "cow", "elephant", "bear", "zebra", "giraffe", "backpack", "umbrella",
    "handbag", "tie", "suitcase", "frisbee", "skis", "snowboard", "sports ball", "kite",
    "baseball bat", "baseball glove", "skateboard", "surfboard", "tennis racket", "bottle",
    "wine glass", "cup", "fork", "knife", "spoon", "bowl", "banana", "apple", "sandwich",
    "orange", "broccoli", "carrot", "hot dog", "pizza", "donut", "cake", "chair", "couch",
    "potted plant", "bed", "dining table", "toilet", "tv", "laptop", "mouse", "remote",
    "keyboard", "cell phone", "microwave", "oven", "toaster", "sink", "refrigerator", "book",
    "clock", "vase", "scissors", "teddy bear", "hair drier", "toothbrush",
)  # fmt: skip
"""The 80 classes of COCO's pictures, in their order."""


@dataclass(frozen=True)
class Thing:
    """One thing as a detector sees it.

    Attributes:
        label: number of its class.
        score: 0..1.
        mask: float32 ``[h, w]``, logits over the net's whole input.
        box: x0, y0, x1, y1 beyond which there is nothing of it, as fractions of that input.
    """

    label: int
    score: float
    mask: Floats
    box: tuple[float, float, float, float] = (0.0, 0.0, 1.0, 1.0)


def segments(
    things: Iterable[Thing],
    names: Sequence[str] | Mapping[int, str],
    shape: tuple[int, ...],
    used: tuple[float, float] = (1.0, 1.0),
) -> Segments:
    """One segment for each thing, the surest first.

    Args:
        things: what was found.
        names: class names by number.
        shape: ``(H, W, ...)`` of the picture.
        used: share of the net's input, in height and width from the upper left corner, that the
            picture fills; the rest is padding.
    """
    surest = sorted(things, key=lambda thing: -thing.score)[:MOST]
    alphas = [(thing, _alpha(thing, shape, used)) for thing in surest]
    found = [(thing, alpha) for thing, alpha in alphas if (alpha > 0.5).any()]
    if not found:
        return nothing(shape)
    soft = np.stack([alpha for _, alpha in found])
    labels = tuple(names[thing.label] for thing, _ in found)
    return Segments(soft > 0.5, labels, tuple(float(thing.score) for thing, _ in found), soft)


def yolo(
    predictions: Floats, prototypes: Floats, net: tuple[int, int], least: float, overlap: float
) -> list[Thing]:
    """What YOLO-seg (versions 8 and 11 alike) found.

    Args:
        predictions: ``[4 + C + K, N]``: centre x, y, width and height in the net's pixels, C class
            probabilities, K shares of the prototypes; a column for each of N candidates.
        prototypes: ``[K, h, w]``.
        net: height and width of the net's input.
        least: smallest score.
        overlap: of two boxes of one class that share more than this (IoU), the surer stays.
    """
    classes = len(predictions) - 4 - len(prototypes)
    scores = predictions[4 : 4 + classes]
    sure = np.flatnonzero(scores.max(axis=0) >= least)
    label, score = scores[:, sure].argmax(axis=0), scores[:, sure].max(axis=0)
    x, y, width, height = predictions[:4, sure]
    corners = np.stack([x - width / 2, y - height / 2, x + width / 2, y + height / 2], axis=1)
    shares = predictions[4 + classes :, sure]
    scale = np.array([net[1], net[0]] * 2, dtype=np.float32)
    return [
        Thing(
            int(label[i]),
            min(1.0, float(score[i])),
            np.tensordot(shares[:, i], prototypes, axes=1),
            _four(corners[i] / scale),
        )
        for i in suppress(corners, score, label, overlap)
    ]


def mask_rcnn(outputs: Sequence[NDArray[Any]], net: tuple[int, int], least: float) -> list[Thing]:
    """What Mask R-CNN found, its own suppression of doubles done.

    Args:
        outputs: in any order: boxes ``[N, 4]`` in the net's pixels, whole-numbered labels ``[N]``,
            scores ``[N]``, and mask probabilities, either ``[N, 1, H, W]`` over the whole input or
            smaller ones over each box.
        net: height and width of the net's input.
        least: smallest score.

    Raises:
        WeightsError: the outputs are others.
    """
    (boxes,) = _pick(outputs, lambda a: a.ndim == 2 and a.shape[1] == 4)
    (masks,) = _pick(outputs, lambda a: a.ndim == 4 and a.shape[1] == 1)
    (labels,) = _pick(outputs, lambda a: a.ndim == 1 and a.dtype.kind in "iu")
    (scores,) = _pick(outputs, lambda a: a.ndim == 1 and a.dtype.kind == "f")
    scale = np.array([net[1], net[0]] * 2, dtype=np.float32)
    things = []
    for i in np.flatnonzero(scores >= least):
        box, mask = _four(boxes[i] / scale), logit(masks[i, 0])
        if mask.shape != net:
            mask = _pasted(mask, box, net)
        things.append(Thing(int(labels[i]), min(1.0, float(scores[i])), mask, box))
    return things


def suppress(boxes: Floats, scores: Floats, labels: NDArray[Any], overlap: float) -> list[int]:
    """Rows that stay when of two overlapping boxes of one class the surer wins (greedy NMS)."""
    order, kept = np.argsort(-scores, kind="stable"), []
    while order.size:
        best, rest = order[0], order[1:]
        kept.append(int(best))
        double = (labels[rest] == labels[best]) & (box_iou(boxes[best], boxes[rest]) > overlap)
        order = rest[~double]
    return kept


def box_iou(box: Floats, others: Floats) -> Floats:
    """Intersection over union of one box ``[4]`` with others ``[N, 4]``: float32 ``[N]``."""
    low, high = np.maximum(box[:2], others[:, :2]), np.minimum(box[2:], others[:, 2:])
    shared = np.clip(high - low, 0, None).prod(axis=1)
    areas = (others[:, 2:] - others[:, :2]).prod(axis=1) + (box[2:] - box[:2]).prod()
    return np.asarray(shared / np.maximum(areas - shared, 1e-9), dtype=np.float32)


def logit(probability: Floats) -> Floats:
    """The number whose sigmoid this is."""
    p = np.clip(probability, 1e-6, 1 - 1e-6)
    return np.asarray(np.log(p / (1 - p)), dtype=np.float32)


def _alpha(thing: Thing, shape: tuple[int, ...], used: tuple[float, float]) -> Alpha:
    """The thing's mask over the picture, float32 ``[H, W]``, 0..1."""
    height, width = shape[:2]
    inside = [max(1, round(n * share)) for n, share in zip(thing.mask.shape, used, strict=True)]
    soft = sigmoid(enlarged(np.ascontiguousarray(thing.mask[: inside[0], : inside[1]]), shape))
    x0, y0, x1, y1 = (v / used[1 - i % 2] for i, v in enumerate(thing.box))
    columns = (np.arange(width) + 0.5) / width
    rows = (np.arange(height) + 0.5) / height
    across, down = (columns >= x0) & (columns <= x1), (rows >= y0) & (rows <= y1)
    return np.where(down[:, None] & across[None], soft, 0).astype(np.float32)


def _pasted(mask: Floats, box: tuple[float, float, float, float], net: tuple[int, int]) -> Floats:
    """A mask over its box alone, laid into the net's whole input."""
    height, width = net
    x0, y0 = max(0, round(box[0] * width)), max(0, round(box[1] * height))
    x1, y1 = min(width, round(box[2] * width)), min(height, round(box[3] * height))
    whole = np.full(net, logit(np.zeros(1, np.float32))[0], dtype=np.float32)
    if x1 > x0 and y1 > y0:
        whole[y0:y1, x0:x1] = enlarged(mask, (y1 - y0, x1 - x0))
    return whole


def _four(box: Floats) -> tuple[float, float, float, float]:
    x0, y0, x1, y1 = (float(v) for v in box)
    return x0, y0, x1, y1


def _pick(
    outputs: Sequence[NDArray[Any]], wanted: Callable[[NDArray[Any]], bool]
) -> list[NDArray[Any]]:
    found = [output for output in outputs if wanted(output)]
    if len(found) != 1:
        shapes = ", ".join(f"{output.dtype} {list(output.shape)}" for output in outputs)
        raise WeightsError(
            "the net answers neither as YOLO-seg (two outputs) nor as Mask R-CNN (boxes [N, 4], "
            f"labels [N], scores [N], masks [N, 1, h, w]): {shapes}"
        )
    return found
