"""Guided filter: draws the edge to the picture's own edges; fast, needs nothing else.

Source: He, Sun, Tang, "Guided Image Filtering", TPAMI 2013, section 4.4 (feathering); see
:mod:`sfumato.ops.guided` for where we depart from it.
"""

from __future__ import annotations

from pydantic import BaseModel, Field

from sfumato.ops import foreground, guided
from sfumato.ops.trimap import check_pair, pixels
from sfumato.types import Alpha, Context, Image, Matte, Matter


class Options(BaseModel, extra="forbid"):
    """How the selection's edge is refined."""

    radius: float = Field(
        0.018,
        gt=0,
        le=0.2,
        description="how far off the selection's edge may be, as a fraction of the longer side",
    )
    eps: float = Field(
        1e-4, ge=1e-7, le=1, description="smoothness; larger values follow the picture less"
    )
    rounds: int = Field(2, ge=1, le=5, description="how often the edge is fitted")


def build(options: Options, context: Context) -> Matter:  # noqa: ARG001
    """A matter that refines the selection with a guided filter."""

    def matte(image: Image, coarse: Alpha) -> Matte:
        check_pair(image, coarse)
        radius = pixels(options.radius, image.shape)
        alpha = guided.refine(image, coarse, radius, options.eps, options.rounds)
        return Matte(alpha, foreground.estimate(image, alpha)[0])

    return matte
