"""A selection that was drawn elsewhere: a mask picture, or a cut-out with transparency."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, Field

from sfumato.errors import UsageError
from sfumato.io import pictures
from sfumato.ops.resize import resize
from sfumato.ops.saliency import single
from sfumato.types import Alpha, Context, Image, Segments

CLASSES = ("mask",)

TOLERANCE = 0.01
"""How far the proportions of mask and picture may differ, besides rounding to whole pixels."""


class Options(BaseModel, extra="forbid"):
    """Where the mask is."""

    path: Path = Field(
        description="mask picture: its grey level (white = selected), or its transparency"
    )


@dataclass(frozen=True)
class FileMask:
    """See :class:`sfumato.types.Segmenter`; one ``mask`` segment with soft edges, or none.

    Attributes:
        path: where the mask was read from.
        mask: float32 ``[h, w]``, 0..1, at the file's own size.
    """

    path: Path
    mask: Alpha
    classes: tuple[str, ...] = CLASSES

    def __call__(self, image: Image) -> Segments:
        """Fit the mask to the picture.

        Raises:
            UsageError: the two have different proportions.
        """
        height, width = image.shape[:2]
        if not same_proportions(self.mask.shape, (height, width)):
            high, wide = self.mask.shape
            raise UsageError(
                f"the mask {self.path} is {wide} x {high} pixels and the picture {width} x "
                f"{height}: their proportions differ; crop or stretch the mask to the picture's"
            )
        return single("mask", resize(self.mask, (height, width)))


def build(options: Options, context: Context) -> FileMask:  # noqa: ARG001 - one signature for all
    """Read the mask.

    Raises:
        PictureError: the file is not a picture.
    """
    return FileMask(options.path, pictures.read_mask(options.path))


def same_proportions(a: tuple[int, ...], b: tuple[int, ...]) -> bool:
    """Whether two (height, width) are one shape at two sizes, in whole pixels (at least one)."""
    small, large = sorted((a, b), key=max)
    scale = max(small) / max(large)
    pairs = zip(small, large, strict=True)
    return all(abs(max(1, n * scale) - own) <= 1 + TOLERANCE * own for own, n in pairs)
