"""Soft mask in linear light: exactly what the matte says."""

from __future__ import annotations

from pydantic import BaseModel

from sfumato.ops.blend import checked, over
from sfumato.types import Alpha, Compositor, Context, Image


class Options(BaseModel, extra="forbid"):
    """Nothing to set."""


def build(options: Options, context: Context) -> Compositor:  # noqa: ARG001
    """See :func:`sfumato.ops.blend.over`."""

    def compose(foreground: Image, background: Image, alpha: Alpha) -> Image:
        return over(foreground, background, checked(foreground, background, alpha))

    return compose
