"""Person: our own net says whether and where, MODNet draws the edge where the two agree."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import BaseModel, Field

from sfumato.errors import UsageError
from sfumato.types import Context, Image, Segmenter, Segments

CLASSES = ("person",)
WEIGHTS = ("modnet",)


class Options(BaseModel, extra="forbid"):
    """When MODNet's word counts. What the two nets do: options of ``person`` and ``modnet``."""

    agree: float = Field(
        0.75,
        ge=0,
        le=1,
        description="least overlap (IoU) of the two masks for MODNet's to be taken; else our "
        "net's is",
    )


@dataclass(frozen=True)
class Duo:
    """See :class:`sfumato.types.Segmenter`; one ``person`` segment with soft edges, or none.

    MODNet draws hair and hands more finely, and in photographs the two agree nearly always. In
    paintings it misses many people and sees others where nobody is (docs/segmenters.md): where the
    two do not agree, ours has learnt from such pictures.
    """

    options: Options
    finder: Segmenter
    drawer: Segmenter
    classes: tuple[str, ...] = CLASSES

    def __call__(self, image: Image) -> Segments:
        found = self.finder(image)
        if not found.labels:
            return found
        drawn = self.drawer(image)
        return drawn if iou(found, drawn) >= self.options.agree else found


def iou(found: Segments, drawn: Segments) -> float:
    """Overlap of two people, 0..1; at least one of them must be there."""
    one, other = found.select("person"), drawn.select("person")
    return float((one & other).sum() / (one | other).sum())


def build(options: Options, context: Context) -> Duo:
    """Open both nets, or take those that the run has open already.

    Raises:
        WeightsError: MODNet's weights cannot be had.
        UsageError: the device is not there, or there is no way to ask for the nets.
    """
    if context.load is None:
        raise UsageError("duo needs a context that can load the nets it asks")
    nets = (context.load("segment", name) for name in ("person", "modnet"))
    return Duo(options, *nets)
