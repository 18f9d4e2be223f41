"""Recipes: everything that a training depends on, in one file each (``recipes/*.toml``)."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, Field, ValidationError, field_validator, model_validator

from sfumato.data._listed import check_classes
from sfumato.data.augment import Augmentation
from sfumato.errors import UsageError, did_you_mean

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FOLDER = Path(__file__).parent / "recipes"

POWER = 0.9
"""Of the poly schedule (Chen et al. 2017, "Rethinking atrous convolution", section 4)."""


class Data(BaseModel, extra="forbid", frozen=True):
    """One set of samples."""

    spec: str = Field(
        min_length=1, description="What :func:`sfumato.data.samples.open_samples` takes."
    )
    weight: float = Field(1.0, gt=0, allow_inf_nan=False, description="Share among the sets.")
    split: str | None = Field(None, description="None = train to learn from, val to measure on.")

    @model_validator(mode="before")
    @classmethod
    def _read(cls, value: Any) -> Any:
        """``"DIR=weight"`` or ``"DIR"``."""
        if not isinstance(value, str):
            return value
        spec, equals, weight = value.rpartition("=")
        try:
            return {"spec": spec, "weight": float(weight)} if equals else {"spec": value}
        except ValueError:  # the = belongs to the path
            return {"spec": value}


class Painting(BaseModel, extra="forbid", frozen=True):
    """How samples are painted anew while a net learns (``augmentation.restyle`` says how often)."""

    styles: tuple[str, ...] = Field(
        (), description="Folders, picture files and built-in styles; see 'sfumato dataset stylize'."
    )
    split: str | None = Field(None, description="Of folders; None = train where there are splits.")
    stylizer: str = Field("magenta", description="Backend that paints: adain is slower.")
    options: dict[str, Any] = Field({}, description="Of the stylizer.")
    weakest: float = Field(0.5, gt=0, le=1, description="Least share of the painting.")
    strongest: float = Field(1.0, gt=0, le=1, description="Greatest share of the painting.")

    @field_validator("styles", mode="before")
    @classmethod
    def _one(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value


class Recipe(BaseModel, extra="forbid", frozen=True):
    """How a segmenter is trained. Lengths are in pixels; ``batch`` is that of one process."""

    about: str = Field("", description="What it is for and where its numbers come from.")

    net: str = Field(description="One of sfumato.nets.segmenters.NAMES.")
    encoder: str | None = Field(None, description="Of the net, where it takes one.")
    options: dict[str, Any] = Field({}, description="Further options of the net.")
    classes: tuple[str, ...] = Field(("background", "person"), description="Background first.")
    start: str = Field(
        "imagenet",
        description="Weights to begin with: imagenet (the encoder's), none, or a file: a net "
        "saved here, or a public checkpoint of the encoder.",
    )

    data: tuple[Data, ...] = Field((), description="Sets to learn from.")
    validation: tuple[Data, ...] = Field((), description="Sets to measure on; none = the same.")
    backgrounds: tuple[Data, ...] = Field(
        (), description="Sets that swapped backgrounds are taken from; none = the other samples."
    )
    size: int = Field(320, ge=32, le=2048, description="Side of the squares that are learnt from.")
    samples: int | None = Field(None, ge=1, description="Drawn an epoch; None = as many as are.")
    augmentation: Augmentation = Field(
        default_factory=lambda: Augmentation.model_validate({}),
        description="Changes to the samples.",
    )
    painting: Painting = Field(
        default_factory=lambda: Painting.model_validate({}), description="Of samples on the fly."
    )
    workers: int | None = Field(None, ge=0, le=256, description="Processes that read; None = auto.")

    batch: int = Field(8, ge=1, le=4096, description="Samples at a time in each process.")
    accumulate: int = Field(1, ge=1, le=1024, description="Batches whose gradients make a step.")
    devices: int = Field(1, ge=1, le=64, description="Processes, one a device.")
    device: Literal["auto", "cpu", "cuda", "mps"] = Field("auto", description="Where to train.")
    precision: Literal["32", "16-mixed", "bf16-mixed"] = Field("32", description="Of the sums.")
    epochs: int = Field(20, ge=1, le=100_000, description="Rounds.")
    steps: int | None = Field(
        None, ge=1, description="Steps in all, in place of epochs; rounded up to whole epochs."
    )

    optimizer: Literal["adamw", "adam", "sgd"] = "adamw"
    rate: float = Field(3e-4, gt=0, le=10, description="Learning rate.")
    encoder_rate: float = Field(1.0, ge=0, le=10, description="The encoder's, as a factor of it.")
    momentum: float = Field(0.9, ge=0, lt=1, description="Of sgd.")
    weight_decay: float = Field(1e-2, ge=0, le=1)
    schedule: Literal["constant", "poly", "cosine"] = Field("cosine", description="Of the rate.")
    warmup: int = Field(0, ge=0, description="Steps in which the rate rises to its full height.")
    clip: float = Field(0.0, ge=0, description="Largest norm of a gradient; 0 = any.")
    average: float = Field(
        0.0, ge=0, lt=1,
        description="Share of the running average of the weights that is kept a step; the average "
        "is then what is measured and saved. 0 = no average.",
    )  # fmt: skip

    loss: str = Field("cross_entropy", description="One of sfumato.losses.segmentation.NAMES.")
    class_weights: tuple[float, ...] | None = Field(None, description="In the loss, one a class.")

    seed: int = Field(0, ge=0, le=2**31 - 1, description="Of every random choice.")
    patience: int = Field(0, ge=0, description="Epochs without a better IoU to end after; 0 = all.")
    collapse: Literal["warn", "stop", "off"] = Field(
        "warn", description="What to do when the net predicts one class only."
    )
    collapse_checks: int = Field(3, ge=1, description="Validations in a row that show it.")

    @field_validator("classes")
    @classmethod
    def _classes(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        try:
            return check_classes(value)
        except UsageError as error:
            raise ValueError(str(error)) from None

    @model_validator(mode="after")
    def _weights_fit(self) -> Recipe:
        weights = self.class_weights
        if weights is None:
            return self
        if len(weights) != len(self.classes) or not all(0 <= w < math.inf for w in weights):
            raise ValueError(
                f"expected a weight of 0 or more for each of the {len(self.classes)} classes; "
                f"got {list(weights)}"
            )
        return self

    @property
    def step_samples(self) -> int:
        """Samples that one step of the optimiser sees, over all processes."""
        return self.batch * self.accumulate * self.devices

    @property
    def validation_sets(self) -> tuple[Data, ...]:
        """The sets to measure on."""
        return self.validation or tuple(
            Data.model_validate({"spec": data.spec, "split": "val"}) for data in self.data
        )


FREE_TO_CHANGE = {
    "about", "epochs", "steps", "workers", "patience", "collapse", "collapse_checks", "device",
}  # fmt: skip
"""What may differ when a training goes on; with anything else it would be another training."""


def names() -> list[str]:
    """The recipes that come with the package."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def read(name: str, changes: Mapping[str, Any] | None = None) -> Recipe:
    """A recipe that comes with the package, or one in a file of the same form.

    Args:
        name: one of :func:`names`, or a path that ends in ``.toml``, or in ``.json`` as the
            record of a training does.
        changes: values in place of the file's; the key ``part.field`` reaches inside.

    Raises:
        UsageError: no such recipe or field, or a value out of bounds.
    """
    path = Path(name) if name.endswith((".toml", ".json")) else FOLDER / f"{name}.toml"
    try:
        text = path.read_text(encoding="utf-8")
        values = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except FileNotFoundError:
        hint = did_you_mean(name, names())
        known = f"known: {', '.join(names())}, or a file that ends in .toml"
        raise UsageError(f"there is no recipe {name!r}{hint} ({known})") from None
    except (OSError, ValueError) as error:
        raise UsageError(f"the recipe {path} cannot be read: {error}") from None
    for key, value in (changes or {}).items():
        _put(values, key, value)
    return make(values)


def make(values: Mapping[str, Any]) -> Recipe:
    """A recipe of plain values.

    Raises:
        UsageError: one sentence on the first value that is wrong.
    """
    try:
        return Recipe.model_validate(values)
    except ValidationError as error:
        raise UsageError(_sentence(error)) from None


def parse_changes(pairs: Sequence[str]) -> dict[str, Any]:
    """``["rate=1e-3", "loss=dice"]`` to values: TOML where it is TOML, else the text itself.

    Raises:
        UsageError: a pair is not KEY=VALUE.
    """
    changes = {}
    for pair in pairs:
        key, equals, value = (part.strip() for part in pair.partition("="))
        if not (key and equals and value):
            raise UsageError(f"--set takes KEY=VALUE, for example --set rate=1e-3; got {pair!r}")
        try:
            changes[key] = tomllib.loads(f"value = {value}")["value"]
        except tomllib.TOMLDecodeError:
            changes[key] = None if value.lower() == "none" and key != "start" else value
    return changes


def differences(one: BaseModel, other: BaseModel) -> list[str]:
    """Fields in which two recipes of one kind would not be the same training."""
    return [
        name
        for name in type(one).model_fields
        if name not in FREE_TO_CHANGE and getattr(one, name) != getattr(other, name)
    ]


def factor(recipe: Recipe, step: int, total: int) -> float:
    """What the rate is multiplied by at a step, 0..1.

    Args:
        recipe: its schedule and warm-up.
        step: from 0.
        total: steps in all.
    """
    if step < recipe.warmup:
        return (step + 1) / (recipe.warmup + 1)
    done = min(1.0, (step - recipe.warmup) / max(1, total - recipe.warmup))
    if recipe.schedule == "poly":
        return float((1 - done) ** POWER)
    return (1 + math.cos(math.pi * done)) / 2 if recipe.schedule == "cosine" else 1.0


def _put(values: dict[str, Any], key: str, value: Any) -> None:
    *path, last = key.split(".")
    for part in path:
        values = values.setdefault(part, {})
        if not isinstance(values, dict):
            raise UsageError(f"there is nothing inside of {part!r} that {key} could set")
    values[last] = value


def _sentence(error: ValidationError) -> str:
    first = error.errors()[0]
    path = [str(part) for part in first["loc"]]
    field = ".".join(path)
    if first["type"] == "extra_forbidden":
        parts: dict[str, type[BaseModel]] = {"augmentation": Augmentation, "painting": Painting}
        inside: type[BaseModel] = parts.get(path[0], Data) if len(path) > 1 else Recipe
        known = inside.model_fields
        return f"recipes have no field {field!r}{did_you_mean(path[-1], known)}"
    if first["type"] == "missing":
        return f"the recipe lacks {field!r}"
    given = "" if isinstance(first["input"], dict) else f"; got {first['input']!r}"
    reason = str(first["msg"]).removeprefix("Value error, ")
    return f"recipe{': ' + field if field else ''}: {reason}{given}"
