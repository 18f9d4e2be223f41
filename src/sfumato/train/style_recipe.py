"""Everything that the training of a style net depends on."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field, field_validator

from sfumato import registry
from sfumato.data.augment import Augmentation
from sfumato.nets.transformer_net import MOST_RESIDUALS, MOST_WIDTH

CROPS = Augmentation.model_validate(
    {"smallest": 1, "largest": 2, "stretch": 0, "rotation": 0}
    | dict.fromkeys(("colour", "grey", "blur", "noise", "jpeg"), 0)
)
"""What is done to photos: squares of them, at one to four times the crop's area, and mirrored."""


class StyleRecipe(BaseModel, extra="forbid", frozen=True):
    """How a style net is trained. Lengths are in pixels."""

    style: str = Field(min_length=1, description="Picture file, or a built-in drawn style.")
    photos: tuple[str, ...] = Field(
        min_length=1, description="Folders of photos, with those inside; or picture files."
    )
    split: str | None = Field(None, description="Of folders; None = train where there are splits.")
    previews: tuple[str, ...] = Field((), description="Photos painted again and again, to look at.")

    width: int = Field(16, ge=1, le=MOST_WIDTH, description="Channels of the finest features.")
    residuals: int = Field(5, ge=1, le=MOST_RESIDUALS, description="Residual blocks.")

    size: int = Field(256, ge=32, le=1024, description="Side of the squares that are learnt from.")
    style_size: int = Field(
        256, ge=32, le=2048, description="Longer side at which the style picture is read."
    )
    batch: int = Field(4, ge=1, le=256, description="Squares a step.")
    steps: int = Field(2000, ge=1, description="In all; rounded up to whole rounds.")
    round: int = Field(
        50, ge=1, description="Steps from one checkpoint, measurement and preview to the next."
    )
    warmup: int = Field(
        200, ge=0, description="Of the steps, the first that learn to leave photos as they are."
    )
    rate: float = Field(3e-3, gt=0, le=1, description="Learning rate of Adam; falls as a cosine.")

    features: Literal["vgg19"] = Field(
        "vgg19", description="Net whose features are compared: VGG-19 with normalised weights."
    )
    content_layer: str = Field("relu4_1", description="Where what is shown is compared.")
    style_layers: tuple[str, ...] = Field(
        ("relu1_1", "relu2_1", "relu3_1", "relu4_1"), min_length=1, description="Where styles are."
    )
    content_weight: float = Field(0.1, ge=0, allow_inf_nan=False)
    style_weight: float = Field(1.0, ge=0, allow_inf_nan=False)
    tv_weight: float = Field(0.0, ge=0, allow_inf_nan=False)

    device: Literal["auto", "cpu", "cuda", "mps"] = Field("auto", description="Where to train.")
    precision: Literal["32", "bf16-mixed"] = Field("32", description="Of the sums.")
    workers: int = Field(0, ge=0, le=256, description="Processes that read photos; 0 = this one.")
    seed: int = Field(0, ge=0, le=2**31 - 1, description="Of every random choice.")

    @field_validator("content_layer", "style_layers")
    @classmethod
    def _layers(cls, value: Any) -> Any:
        from sfumato.nets.vgg import LAYERS

        for name in (value,) if isinstance(value, str) else value:
            if name not in LAYERS:
                raise ValueError(f"VGG-19 has no layer {name!r}; it has {', '.join(LAYERS)}")
        return value

    @property
    def rounds(self) -> int:
        """Whole rounds in which the steps fit."""
        return -(-self.steps // self.round)

    @property
    def layers(self) -> tuple[str, ...]:
        """All layers that are compared."""
        return tuple(dict.fromkeys((*self.style_layers, self.content_layer)))


def make(values: dict[str, Any]) -> StyleRecipe:
    """A recipe of plain values.

    Raises:
        UsageError: one sentence on the first value that is wrong.
    """
    recipe = registry.parse_options(StyleRecipe, "train style", values)
    assert isinstance(recipe, StyleRecipe)
    return recipe
