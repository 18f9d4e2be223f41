"""Salient subject, whatever it is (U²-Net-p, Qin et al., Pattern Recognition 2020)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from pydantic import BaseModel, Field

from sfumato.io import weights as store
from sfumato.ops import onnx
from sfumato.ops.resize import resize
from sfumato.ops.saliency import imagenet_normalise, is_flat, nothing, single
from sfumato.types import Context, Image, Segments

if TYPE_CHECKING:
    import onnxruntime

CLASSES = ("subject",)
WEIGHTS = ("u2netp",)

SIDE = 320
"""The net's input is 320 x 320 in every picture, as in its training."""


class Options(BaseModel, extra="forbid"):
    """When U²-Net-p believes that there is a subject."""

    least: float = Field(
        0.5,
        ge=0,
        le=1,
        description="no subject if no pixel is more salient than this, before stretching",
    )


@dataclass(frozen=True)
class U2netp:
    """See :class:`sfumato.types.Segmenter`; one ``subject`` segment with soft edges, or none."""

    options: Options
    session: onnxruntime.InferenceSession
    classes: tuple[str, ...] = CLASSES

    def __call__(self, image: Image) -> Segments:
        if is_flat(image):
            return nothing(image.shape)
        small = resize(image, (SIDE, SIDE))
        batch = imagenet_normalise(small / max(float(small.max()), 1e-6))
        name = self.session.get_inputs()[0].name
        feed = {name: np.ascontiguousarray(batch.transpose(2, 0, 1)[None])}  # [1, 3, 320, 320]
        # The first of the seven outputs is the fused one; the others are for training.
        fused = self.session.run([self.session.get_outputs()[0].name], feed)[0][0, 0]
        low, high = float(fused.min()), float(fused.max())
        # The authors stretch every map to 0..1, which makes a subject out of noise where there
        # is none; so the strongest answer must first be a real one.
        if high <= self.options.least or high <= low:
            return nothing(image.shape)
        return single("subject", resize((fused - low) / (high - low), image.shape[:2]))


def build(options: Options, context: Context) -> U2netp:
    """Fetch the weights and open the net.

    Raises:
        WeightsError: the weights cannot be had.
        UsageError: the device is not there.
    """
    return U2netp(options, onnx.session(store.fetch("u2netp", context.progress), context.device))
