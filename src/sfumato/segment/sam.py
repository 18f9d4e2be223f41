"""Whatever is pointed at: point:x,y and object:x0,y0,x1,y1 (SAM 2, Ravi et al. 2024)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from sfumato.io import weights as store
from sfumato.ops import onnx
from sfumato.ops.classes import sigmoid
from sfumato.ops.resize import enlarged, resize
from sfumato.ops.saliency import drop_islands, imagenet_normalise, is_flat, single
from sfumato.types import Alpha, Context, Image, Prompt, Segments

if TYPE_CHECKING:
    import onnxruntime

CLASSES = ("subject",)
PROMPTS = True
WEIGHTS = ("sam2-encoder", "sam2-decoder")

SIDE = 1024
"""The encoder sees 1024 x 1024 pixels: every picture is squeezed to a square, as SAM 2 does it."""

MIDDLE: Prompt = (0.5, 0.5)

HOLE = 0.002
"""Holes smaller than this share of what lies around the object are filled."""

Level = Literal["whole", "middle", "part", "likeliest"]
ORDER: dict[Level, int] = {"whole": 0, "part": 1, "middle": 2}
"""Which of the decoder's three answers to a point is which; seen, not documented anywhere."""

Embedding = Mapping[str, NDArray[np.float32]]


class Options(BaseModel, extra="forbid"):
    """Which of SAM's answers is taken."""

    level: Level = Field(
        "whole",
        description="a point on a sleeve may mean the person (whole), the shirt (middle) or the "
        "sleeve (part); likeliest: what the net is surest of. A box always takes the likeliest",
    )
    islands: float = Field(
        0.05,
        ge=0,
        le=1,
        description="drop separate parts smaller than this share of the largest one",
    )


@dataclass(frozen=True)
class Sam:
    """See :class:`sfumato.types.PromptSegmenter`; asked for no prompt, it finds as ``subject``
    what lies in the middle of the picture."""

    options: Options
    encoder: onnxruntime.InferenceSession = field(repr=False)
    decoder: onnxruntime.InferenceSession = field(repr=False)
    classes: tuple[str, ...] = CLASSES

    def __call__(self, image: Image) -> Segments:
        return single("subject", self.look(image)(MIDDLE))

    def look(self, image: Image) -> Callable[[Prompt], Alpha]:
        """Embed a picture (seconds); what is returned answers prompts in a fraction of one."""
        shape = image.shape[:2]
        if is_flat(image):
            return lambda _: np.zeros(shape, dtype=np.float32)
        batch = imagenet_normalise(resize(image, (SIDE, SIDE))).transpose(2, 0, 1)[None]
        names = [output.name for output in self.encoder.get_outputs()]
        found = self.encoder.run(names, {"image": np.ascontiguousarray(batch)})
        return partial(self._answer, dict(zip(names, found, strict=True)), shape)

    def _answer(self, embedding: Embedding, shape: tuple[int, int], prompt: Prompt) -> Alpha:
        points, labels = _points(prompt)
        masks, scores = self.decoder.run(
            ["masks", "iou_predictions"],
            {
                **embedding,
                "point_coords": points,
                "point_labels": labels,
                "mask_input": np.zeros((1, 1, 256, 256), dtype=np.float32),
                "has_mask_input": np.zeros(1, dtype=np.float32),
            },
        )
        level = self.options.level if len(prompt) == 2 else "likeliest"
        chosen = masks[0, ORDER.get(level, int(scores[0].argmax()))]
        soft = drop_islands(sigmoid(enlarged(chosen, shape)), self.options.islands)
        return 1 - drop_islands(1 - soft, HOLE)


def build(options: Options, context: Context) -> Sam:
    """Fetch the weights and open the two nets.

    Raises:
        WeightsError: the weights cannot be had.
        UsageError: the device is not there.
    """
    paths = [store.fetch(name, context.progress) for name in WEIGHTS]
    encoder, decoder = (onnx.session(path, context.device) for path in paths)
    return Sam(options, encoder, decoder)


def _points(prompt: Prompt) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Points ``[1, N, 2]`` in the encoder's pixels, and their labels ``[1, N]``: 1 = a point of
    the object, 2 and 3 = the upper left and lower right corner of its box."""
    points = np.asarray(prompt, dtype=np.float32).reshape(1, -1, 2) * SIDE
    labels = [[1]] if len(prompt) == 2 else [[2, 3]]
    return points, np.asarray(labels, dtype=np.float32)
