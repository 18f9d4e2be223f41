"""Gradient domain: brush strokes stay, colours bend to the photo at the border (Pérez 2003)."""

from __future__ import annotations

from pydantic import BaseModel, Field

from sfumato.ops.blend import checked
from sfumato.ops.poisson import poisson
from sfumato.types import Alpha, Compositor, Context, Image


class Options(BaseModel, extra="forbid"):
    """How deep the correction goes and how finely it is solved."""

    reach: float = Field(
        0.03,
        ge=0.001,
        le=100,
        description="depth at which the correction has faded to about a third, as a fraction of "
        "the picture's longer side; above 1 it covers the whole region, as in the paper",
    )
    size: int = Field(
        768,
        ge=16,
        le=8192,
        description="longer side in pixels at which the correction is solved, before it is "
        "enlarged to the picture's size",
    )


def build(options: Options, context: Context) -> Compositor:  # noqa: ARG001
    """See :func:`sfumato.ops.poisson.poisson`."""

    def compose(foreground: Image, background: Image, alpha: Alpha) -> Image:
        alpha = checked(foreground, background, alpha)
        reach = options.reach * max(alpha.shape)
        return poisson(foreground, background, alpha, reach, options.size)

    return compose
