"""Person, in milliseconds and coarser (MediaPipe Selfie Segmentation, on LiteRT)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from pydantic import BaseModel, Field

from sfumato.io import weights as store
from sfumato.ops.resize import resize
from sfumato.ops.saliency import is_flat, nothing, single
from sfumato.ops.tflite import Net
from sfumato.types import Context, Image, Segments

CLASSES = ("person",)
WEIGHTS = ("selfie", "selfie-landscape")
REQUIRES = ("ai_edge_litert",)
EXTRA = "selfie"

Model = Literal["auto", "square", "landscape", "both"]


class Options(BaseModel, extra="forbid"):
    """Which of the two nets looks at the picture."""

    model: Model = Field(
        "auto",
        description="square (256 x 256), landscape (256 x 144), auto: by the picture's shape, "
        "or both: the mean of the two",
    )


@dataclass(frozen=True)
class Selfie:
    """See :class:`sfumato.types.Segmenter`; one ``person`` segment with soft edges, or none."""

    options: Options
    nets: dict[str, Net] = field(repr=False)
    classes: tuple[str, ...] = CLASSES

    def __call__(self, image: Image) -> Segments:
        if is_flat(image):
            return nothing(image.shape)
        size = image.shape[:2]
        nets = (self.nets[name] for name in models(self.options.model, size))
        maps = [resize(net(image)[..., 0].clip(0, 1), size) for net in nets]
        return single("person", np.mean(maps, axis=0, dtype=np.float32))


def build(options: Options, context: Context) -> Selfie:
    """Fetch the weights and open the nets.

    Raises:
        WeightsError: the weights cannot be had.
    """
    names = WEIGHTS if options.model in ("auto", "both") else models(options.model, (1, 1))
    return Selfie(options, {name: Net(store.fetch(name, context.progress)) for name in names})


def models(choice: Model, size: tuple[int, int]) -> tuple[str, ...]:
    """Weights names of the nets that look at a picture of this height and width."""
    if choice == "both":
        return WEIGHTS
    height, width = size
    # Halfway (in ratio) between 1:1 and the landscape net's 16:9.
    wide = choice == "landscape" or (choice == "auto" and width > 4 / 3 * height)
    return ("selfie-landscape",) if wide else ("selfie",)
