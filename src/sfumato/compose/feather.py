"""Wider soft edge: the paint thins out towards the border, inside the region only."""

from __future__ import annotations

from pydantic import BaseModel, Field

from sfumato.ops.blend import checked, feathered, over
from sfumato.types import Alpha, Compositor, Context, Image


class Options(BaseModel, extra="forbid"):
    """How wide the edge becomes."""

    radius: float = Field(
        0.01,
        ge=0,
        le=0.5,
        description="width of the fade, as a fraction of the picture's longer side",
    )


def build(options: Options, context: Context) -> Compositor:  # noqa: ARG001
    """See :func:`sfumato.ops.blend.feathered`."""

    def compose(foreground: Image, background: Image, alpha: Alpha) -> Image:
        alpha = checked(foreground, background, alpha)
        soft = feathered(alpha, options.radius * max(alpha.shape))
        return over(foreground, background, soft)

    return compose
