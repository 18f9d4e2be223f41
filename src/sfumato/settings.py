"""How to paint: every choice that is not *which part* and *which style*, defaults stated once."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from sfumato.errors import UsageError

BLENDS = ("alpha", "feather", "multiband", "poisson")
DEVICES = ("auto", "cpu", "cuda", "mps")
MIN_SIZE, MAX_SIZE = 32, 16384


@dataclass(frozen=True)
class Settings:
    """Plain values, checked when made.

    Attributes:
        segmenter: backend that finds classes; None = the best measured one for each class.
        matte: backend that turns a coarse selection into a clean soft one.
        blend: backend that puts the painted part back.
        strength: 0 = the photo, 1 = the painting.
        keep_colors: keep the photo's own colours, take only the brush work.
        style_scale: size of the strokes, 1 = as in the style picture, 2 = twice as large.
        size: longer side in pixels at which the nets work; the result has the photo's own size.
        seed: of every random choice.
        device: where the nets run.
        max_memory: gigabytes that a stylizer may use, where it can keep to a bound; None = it
            sees for itself.
        options: backend name -> option -> value.

    Raises:
        UsageError: a value is out of bounds.
    """

    segmenter: str | None = None
    matte: str = "guided"
    blend: str = "alpha"
    strength: float = 1.0
    keep_colors: bool = False
    style_scale: float = 1.0
    size: int = 1024
    seed: int = 0
    device: str = "auto"
    max_memory: float | None = None
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _within("strength", self.strength, 0, 1)
        _within("style scale", self.style_scale, 0.25, 4)
        _within("size", self.size, MIN_SIZE, MAX_SIZE)
        _within("seed", self.seed, 0, 2**31 - 1)
        if self.max_memory is not None:
            _within("max memory", self.max_memory, 0.1, 4096)
        if self.device not in DEVICES:
            raise UsageError(f"device must be one of {', '.join(DEVICES)}; got {self.device!r}")

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON-able copy; ``Settings(**d)`` reads it back."""
        return asdict(self) | {"options": {name: dict(o) for name, o in self.options.items()}}


def _within(name: str, value: float, low: float, high: float) -> None:
    if not (math.isfinite(value) and low <= value <= high):
        raise UsageError(f"{name} must be from {low} to {high}; got {value}")
