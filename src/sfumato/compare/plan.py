"""What is to be compared: rows of settings, columns of pictures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Literal

from pydantic import BaseModel, Field, model_validator

from sfumato import registry, sheets, styles
from sfumato.place.placing import Placing
from sfumato.settings import Settings

SAMPLES = {sheets.SAMPLE.stem: sheets.SAMPLE}
"""Pictures that come with the package, by name."""

SIDE = 512
"""Longer side in pixels to which the pictures of a plan are reduced that says nothing else."""

Kind = Literal["paint", "cut", "segment", "place", "given"]

PAINTS = ("paint", "given")
FINDS = ("cut", "segment")

SETTINGS = tuple(field.name for field in fields(Settings) if field.name != "options")


class Choices(BaseModel, extra="forbid", frozen=True):
    """How a row is done; what is None is not said."""

    kind: Kind | None = Field(
        None,
        description="paint (default); cut = what 'sfumato cut' takes out; segment = the bare "
        "segmenter, without a matte; place; given = pictures that were made elsewhere.",
    )
    style: str | None = Field(None, description="Of paint and given: a name or a picture.")
    region: str | None = Field(
        None, description="What is painted (everything) or looked for (person)."
    )
    stylizer: str | None = None
    style_region: str | None = None
    painting: str | None = Field(None, description="Of place: what the figure goes into.")
    placing: dict[str, Any] = Field({}, description="Of place: its options.")
    result: str | None = Field(
        None, description="Of given: the picture's file; {picture} stands for the column's name."
    )
    share_of_steps: float | None = Field(
        None, gt=0, le=1, description="Of an optimising stylizer's steps: how many are done."
    )
    segmenter: str | None = None
    matte: str | None = None
    blend: str | None = None
    strength: float | None = None
    keep_colors: bool | None = None
    style_scale: float | None = None
    size: int | None = None
    seed: int | None = None
    device: str | None = None
    max_memory: float | None = None
    options: dict[str, dict[str, Any]] = Field({}, description="Backend -> option -> value.")


class Row(Choices, frozen=True):
    """One way to do it."""

    name: str = Field(min_length=1)
    note: str = Field("", description="Shown under the name.")

    @property
    def finds(self) -> bool:
        """Whether it looks for something and paints nothing."""
        return self.kind in FINDS

    @property
    def painter(self) -> str | None:
        """The stylizer, None where nothing is painted; the style's own if none is named."""
        if self.kind != "paint":
            return None
        nets = {style.name: style.net for style in styles.catalogue()}
        return self.stylizer or nets.get(self.style or "") or registry.DEFAULTS["stylize"]

    @property
    def settings(self) -> Settings:
        """The settings of the pipeline.

        Raises:
            UsageError: a value is out of bounds.
        """
        own = {name: getattr(self, name) for name in SETTINGS}
        said = {name: value for name, value in own.items() if value is not None}
        return Settings(**said, options=self.options)


class Column(BaseModel, extra="forbid", frozen=True):
    """A picture, or the pictures of a set whose truth is known."""

    picture: str | None = Field(None, description="A file, or a sample's name.")
    name: str | None = Field(None, description="What to call it; None = as the file.")
    truth: str | None = Field(None, description="Mask of what the rows look for.")
    style: str | None = Field(None, description="For this picture, in place of the rows'.")
    data: str | None = Field(None, description="A set as 'sfumato evaluate' takes it.")
    split: str = Field("val", description="Of the set.")
    limit: int | None = Field(None, ge=1, description="The first so many pictures of the set.")

    @model_validator(mode="before")
    @classmethod
    def _read(cls, value: Any) -> Any:
        return {"picture": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _one(self) -> Column:
        if (self.picture is None) == (self.data is None):
            raise ValueError("expected either a picture or a set (data)")
        return self


class Written(BaseModel, extra="forbid", frozen=True):
    """A plan as the file has it."""

    title: str = ""
    about: str = ""
    side: int = Field(SIDE, ge=32, le=4096, description="Longer side that pictures are reduced to.")
    common: Choices = Field(
        default_factory=lambda: Choices.model_validate({}), description="What all rows say."
    )
    pictures: tuple[Column, ...] = Field(min_length=1)
    rows: tuple[Row, ...] = Field(min_length=1)


@dataclass(frozen=True)
class Plan:
    """What is to be compared, ready to run.

    Attributes:
        name: of the file.
        title, about: for the page.
        side: longer side in pixels that pictures are reduced to first.
        pictures: the columns; their paths are found from anywhere.
        rows: with what is common merged in, checked; their paths too.
    """

    name: str
    title: str
    about: str
    side: int
    pictures: tuple[Column, ...]
    rows: tuple[Row, ...]


def options_of(row: Row) -> Placing:
    """How a row places.

    Raises:
        UsageError: an option is unknown or out of bounds.
    """
    own = {"region": row.region, "stylizer": row.stylizer, **row.placing}
    placing = registry.parse_options(Placing, "place", own)
    assert isinstance(placing, Placing)
    return placing


def effective(backend: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """A stylizer's options as they work: defaults, then what its preset says, then these."""
    model = registry.options_model("stylize", backend)
    defaults = {name: field.default for name, field in model.model_fields.items()}
    found = {**defaults, **options}
    if isinstance(name := found.get("preset"), str):
        from sfumato.optimise.recipe import preset

        recipe = preset(name).model_dump(exclude={"source"})
        own = {k: v for k, v in found.items() if v is not None or k not in recipe}
        found = {"preset": name, **recipe, **own}
    return found


def limited(plan: Plan, limit: int | None) -> Plan:
    """The plan with so many pictures of each set at most."""
    if limit is None:
        return plan
    return replace(
        plan, pictures=tuple(c.model_copy(update={"limit": limit}) for c in plan.pictures)
    )
