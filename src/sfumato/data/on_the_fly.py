"""Samples painted anew while a net learns from them, instead of before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sfumato import styles
from sfumato.errors import UsageError
from sfumato.ops import onnx
from sfumato.settings import Settings
from sfumato.studio import Studio
from sfumato.types import Image, Style, Stylizer


@dataclass(eq=False)
class OnTheFly:
    """Paints a picture in a style drawn for it (:data:`sfumato.data.augment.Restyle`).

    The nets are loaded with the first picture, in the process that reads the samples; until then
    it can be sent to others.

    Attributes:
        styles: picture files and names of built-in styles.
        stylizer: backend that paints.
        options: of it.
        strength: least and greatest share of the painting, drawn evenly between them.

    Raises:
        UsageError: there are no styles, or the strength is out of bounds.
    """

    styles: tuple[str, ...]
    stylizer: str = "magenta"
    options: Mapping[str, Any] = field(default_factory=dict)
    strength: tuple[float, float] = (0.5, 1.0)
    _paint: Stylizer | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        low, high = self.strength
        if not self.styles:
            raise UsageError("there are no styles to paint samples in")
        if not 0 < low <= high <= 1:
            raise UsageError(f"expected strengths 0 < A <= B <= 1; got {low:g} and {high:g}")

    def __call__(self, image: Image, rng: np.random.Generator) -> Image:
        """Paint float32 ``[H, W, 3]``, 0..1."""
        style = styles.resolve(self.styles[int(rng.integers(len(self.styles)))])
        if self._paint is None:
            self._paint = self._loaded(style)
        strength = np.float32(rng.uniform(*self.strength))
        return np.asarray(image + strength * (self._paint(image, style) - image), np.float32)

    def _loaded(self, style: Style) -> Stylizer:
        """The stylizer on one thread: several readers share the cores with the net that learns."""
        before = onnx.limit_threads(1)
        try:
            options = {self.stylizer: dict(self.options)}
            paint = Studio(Settings(options=options)).stylizer(self.stylizer)
            if prepare := getattr(paint, "prepare", None):
                prepare(style)  # some open their nets with the first style only
            return paint
        finally:
            onnx.limit_threads(before)
