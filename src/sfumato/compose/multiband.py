"""Laplacian pyramid: colours change over slowly, brush strokes at once (Burt & Adelson 1983)."""

from __future__ import annotations

from pydantic import BaseModel, Field

from sfumato.ops.blend import checked
from sfumato.ops.pyramid import multiband
from sfumato.types import Alpha, Compositor, Context, Image


class Options(BaseModel, extra="forbid"):
    """How far the slowest band reaches."""

    reach: float = Field(
        0.04,
        ge=0.001,
        le=0.5,
        description="depth to which the photo's broad colours reach into the painted region, "
        "as a fraction of the picture's longer side; sets the number of pyramid levels",
    )


def build(options: Options, context: Context) -> Compositor:  # noqa: ARG001
    """See :func:`sfumato.ops.pyramid.multiband`."""

    def compose(foreground: Image, background: Image, alpha: Alpha) -> Image:
        alpha = checked(foreground, background, alpha)
        return multiband(foreground, background, alpha, options.reach * max(alpha.shape))

    return compose
