"""Person, in photographs and paintings: a small net that Sfumato trained, part of the package."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from pydantic import BaseModel, Field

import sfumato
from sfumato.ops import classes, onnx
from sfumato.ops.resize import area_shape, resize
from sfumato.ops.saliency import seen_at
from sfumato.types import Alpha, Context, Image, Segments

if TYPE_CHECKING:
    import onnxruntime

CLASSES = ("person",)

NET = Path(sfumato.__file__).parent / "assets" / "person.onnx"
"""Its card, ``person.md``, lies beside it."""

STEP = 32
"""The net shrinks its input by this; other sizes work too, but waste an edge of pixels."""

LARGE = 1 / 3
"""Share of the picture from which on a person is also looked at from further away."""


class Options(BaseModel, extra="forbid"):
    """How the net looks at the picture."""

    size: int = Field(
        512, ge=128, le=2048, description="the net sees about size x size pixels, in any shape"
    )
    islands: float = Field(
        0.05,
        ge=0,
        le=1,
        description="drop separate parts smaller than this share of the largest one",
    )
    least: float = Field(
        0.7, ge=0, le=1, description="drop what the net is less sure of: it is nobody"
    )


@dataclass(frozen=True)
class Person:
    """See :class:`sfumato.types.Segmenter`; one ``person`` segment with soft edges, or none."""

    options: Options
    session: onnxruntime.InferenceSession = field(repr=False)
    classes: tuple[str, ...] = CLASSES

    def __call__(self, image: Image) -> Segments:
        height, width = image.shape[:2]
        shape = area_shape(height, width, self.options.size, STEP)
        found = seen_at(image, shape, self._soft, label="person", islands=self.options.islands)
        return found.at_least(self.options.least)

    def _soft(self, small: Image) -> Alpha:
        soft = self._look(small)
        if (soft > 0.5).mean() < LARGE:
            return soft
        # Someone who fills the picture is larger than most that the net has learnt from: a look
        # from further away has its say too.
        height, width = small.shape[:2]
        far = self._look(resize(small, area_shape(height, width, self.options.size // 2, STEP)))
        return (soft + resize(far, (height, width))) * np.float32(0.5)

    def _look(self, small: Image) -> Alpha:
        batch = np.ascontiguousarray(small.transpose(2, 0, 1)[None])
        logits = self.session.run(["logits"], {"image": batch})[0][0]
        return np.asarray(classes.softmax(logits)[1], dtype=np.float32)


def build(options: Options, context: Context) -> Person:
    """Open the net.

    Raises:
        UsageError: the device is not there.
    """
    return Person(options, onnx.session(NET, context.device))
