"""Twenty everyday classes, quick and coarse (DeepLabV3 on MobileNetV2, Pascal VOC, on LiteRT)."""

from __future__ import annotations

from dataclasses import dataclass, field

from pydantic import BaseModel, Field

from sfumato.io import weights as store
from sfumato.ops.classes import BACKGROUND, segments, softmax
from sfumato.ops.saliency import is_flat, nothing
from sfumato.ops.tflite import Net
from sfumato.types import Context, Image, Segments

CLASSES = (
    "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow",
    "dining table", "dog", "horse", "motorbike", "person", "potted plant", "sheep", "sofa",
    "train", "tv monitor",
)  # fmt: skip
WEIGHTS = ("deeplabv3-pascal",)
REQUIRES = ("ai_edge_litert",)
EXTRA = "selfie"


class Options(BaseModel, extra="forbid"):
    """When the net is believed."""

    least: float = Field(
        0.7,
        ge=0,
        le=1,
        description="classes of which the net is less sure, in the mean over their mask, are left "
        "out",
    )


@dataclass(frozen=True)
class Pascal:
    """See :class:`sfumato.types.Segmenter`; one segment with soft edges for each class found."""

    options: Options
    net: Net = field(repr=False)
    classes: tuple[str, ...] = CLASSES

    def __call__(self, image: Image) -> Segments:
        if is_flat(image):
            return nothing(image.shape)
        # The net sees 257 x 257 pixels, whatever the picture's shape, from -1 to 1.
        logits = self.net(image, low=-1).transpose(2, 0, 1)
        found = segments(softmax(logits), (BACKGROUND, *CLASSES), image.shape)
        return found.at_least(self.options.least)


def build(options: Options, context: Context) -> Pascal:
    """Fetch the weights and open the net.

    Raises:
        WeightsError: the weights cannot be had.
    """
    return Pascal(options, Net(store.fetch("deeplabv3-pascal", context.progress)))
