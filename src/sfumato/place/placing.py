"""What can be asked of a placement, and what comes of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, Field, model_validator

from sfumato.errors import UsageError
from sfumato.place.figure import Figure, Spot
from sfumato.types import Image, Matte

STRENGTHS = ("fade", "colour", "manner", "softness", "grain", "shadow")
"""The steps that can be weakened, by their options."""


class Placing(BaseModel, extra="forbid", frozen=True):
    """Where a figure goes and what is done to it; every step can be weakened or left out."""

    region: str = Field(default="person", description="What is cut out of the portrait.")
    x: float | None = Field(
        default=None,
        allow_inf_nan=False,
        description="Middle of the figure's lower edge: share of the painting's width, or pixels.",
    )
    y: float | None = Field(
        default=None,
        allow_inf_nan=False,
        description="Height of that edge: share of the painting's height, or pixels.",
    )
    height: float | None = Field(
        default=None,
        gt=0,
        allow_inf_nan=False,
        description="Height of the figure: share of the painting's height, or pixels.",
    )
    anchor: str | None = Field(default=None, description="A place by name, such as bottom-left.")
    candidate: int = Field(
        default=1, ge=1, le=24, description="Which of the places found; 1 = the best."
    )
    candidates: int = Field(default=6, ge=1, le=24, description="How many places are looked for.")
    flip: bool | None = Field(
        default=None,
        description="Mirror the figure; None = if the light comes from the other side.",
    )
    fade: float = Field(
        default=1.0,
        ge=0,
        le=1,
        description="Where the photo cut the figure, and the painting does not.",
    )
    colour: float = Field(default=1.0, ge=0, le=1, description="Colours brought to those around.")
    manner: float = Field(default=0.8, ge=0, le=1, description="Brush work of the painting.")
    stylizer: str | None = Field(
        default=None, description="Backend that paints; None = the default one."
    )
    softness: float = Field(default=1.0, ge=0, le=1, description="Edges as soft as the painting's.")
    grain: float = Field(
        default=1.0, ge=0, le=1, description="Grain, cracks and canvas of the painting."
    )
    shadow: float = Field(default=0.7, ge=0, le=1, description="Shadow at the feet of who stands.")
    retouch: bool = Field(
        default=False,
        description="Optimise a band along the outline by gatys at last; takes minutes.",
    )

    @model_validator(mode="after")
    def _one_place(self) -> Placing:
        if (self.x is None) != (self.y is None):
            raise UsageError("a place by numbers needs both x and y")
        if self.x is not None and self.anchor is not None:
            raise UsageError("give either x and y, or an anchor, not both")
        return self

    @property
    def named(self) -> bool:
        """Whether the place is given, not looked for."""
        return self.x is not None or self.anchor is not None

    def weakened(self, share: float) -> Placing:
        """All steps with this share of their strength, 0..1."""
        return self.model_copy(update={name: share * getattr(self, name) for name in STRENGTHS})


@dataclass(frozen=True)
class Placed:
    """A figure in a painting, and how it got there.

    Attributes:
        image: float32 ``[H, W, 3]``, sRGB, 0..1, of the painting's size.
        matte: the figure as it was laid over the painting.
        figure: as it was cut out.
        spot: where.
        candidates: the spots that were found, best first; just the one if it was named.
        options, settings, seed: what was asked for, as plain JSON-able data.
        weights: file name -> SHA-256 of every weights file that took part.
        timings: seconds by step.
    """

    image: Image
    matte: Matte
    figure: Figure
    spot: Spot
    candidates: tuple[Spot, ...]
    options: dict[str, Any]
    settings: dict[str, Any]
    seed: int
    weights: dict[str, str] = field(default_factory=dict)
    timings: dict[str, float] = field(default_factory=dict)
