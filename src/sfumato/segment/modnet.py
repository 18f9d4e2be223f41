"""Person, as a soft portrait matte (MODNet, Ke et al., AAAI 2022)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from pydantic import BaseModel, Field

from sfumato.io import weights as store
from sfumato.ops import onnx
from sfumato.ops.resize import area_shape
from sfumato.ops.saliency import seen_at
from sfumato.types import Alpha, Context, Image, Segments

if TYPE_CHECKING:
    import onnxruntime

CLASSES = ("person",)
WEIGHTS = ("modnet",)

STEP = 32
"""The net halves its input five times: both sides must divide by this."""


class Options(BaseModel, extra="forbid"):
    """How MODNet looks at the picture."""

    size: int = Field(
        384, ge=128, le=2048, description="the net sees about size x size pixels, in any shape"
    )
    islands: float = Field(
        0.05,
        ge=0,
        le=1,
        description="drop separate parts smaller than this share of the largest one",
    )


@dataclass(frozen=True)
class Modnet:
    """See :class:`sfumato.types.Segmenter`; one ``person`` segment with soft edges, or none."""

    options: Options
    session: onnxruntime.InferenceSession
    classes: tuple[str, ...] = CLASSES

    def __call__(self, image: Image) -> Segments:
        # The authors bring the *shorter* side to 512. The same area for every shape is both better
        # and quicker (docs/segmenters.md): a standing person then has the height that the net was
        # trained on.
        height, width = image.shape[:2]
        shape = area_shape(height, width, self.options.size, STEP)
        return seen_at(image, shape, self._soft, label="person", islands=self.options.islands)

    def _soft(self, small: Image) -> Alpha:
        batch = ((small - 0.5) / 0.5).transpose(2, 0, 1)[None]  # [1, 3, h, w], -1..1
        soft = self.session.run(None, {"input": np.ascontiguousarray(batch)})[0][0, 0]
        return np.asarray(np.clip(soft, 0, 1), dtype=np.float32)


def build(options: Options, context: Context) -> Modnet:
    """Fetch the weights and open the net.

    Raises:
        WeightsError: the weights cannot be had.
        UsageError: the device is not there.
    """
    path = store.fetch("modnet", context.progress)
    return Modnet(options, onnx.session(path, context.device))
