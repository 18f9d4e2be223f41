"""Presets: named sets of losses, weights and steps, each with its source (``presets.toml``)."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, Field

from sfumato.errors import UsageError, did_you_mean

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

TABLE = Path(__file__).parent / "presets.toml"

RATES = {"rprop": 0.005, "adam": 0.03, "lbfgs": 1.0}
"""Learning rates of recipes that name none."""

CAFFE = 255 * 0.226
"""How much larger the original weights' features are than torchvision's: they take pictures of
0..255, torchvision's take 0..1 divided by a standard deviation of .226. An estimate: it treats
the two trainings as equals."""


class Recipe(BaseModel, extra="forbid", frozen=True):
    """How a picture is optimised.

    Attributes:
        source: where the numbers come from.
        features: the weights of VGG-19 that the layers' weights were made for.
        content, style: layers of VGG-19 and their weights.
        statistic: what of a style is compared (:func:`sfumato.losses.style.statistic`).
        content_weight, style_weight, tv_weight, laplacian_weight, depth_weight,
            histogram_weight: of each term.
        pooling: of VGG-19.
        optimizer, learning_rate: how steps are taken; the rate is in units of the picture's
            range, for L-BFGS a multiple of its own; None = :data:`RATES`.
        steps: at full size; from coarse to fine, at a scale of 512 pixels (see
            :func:`sfumato.optimise.scales.plan`).
        start: the photo itself, noise, or a feed-forward painting.
        smallest: longer side in pixels of the first scale; 0 = full size only. Each further
            scale is larger by the square root of 2.
        averaging: how much of the average of past pictures is kept a step; 0 = no average.
        tolerance: relative fall of the loss below which a scale ends early; 0 = never.
    """

    source: str
    features: Literal["normalised", "torchvision", "caffe"] = "normalised"
    content: dict[str, float]
    style: dict[str, float] = Field(min_length=1)
    statistic: str = "gram"
    content_weight: float = Field(1.0, ge=0)
    style_weight: float = Field(1.0, ge=0)
    tv_weight: float = Field(0.0, ge=0)
    laplacian_weight: float = Field(0.0, ge=0)
    depth_weight: float = Field(0.0, ge=0)
    histogram_weight: float = Field(0.0, ge=0)
    pooling: Literal["max", "avg"] = "max"
    optimizer: Literal["rprop", "adam", "lbfgs"] = "adam"
    learning_rate: float | None = Field(None, gt=0)
    steps: int = Field(ge=1)
    start: Literal["content", "noise", "fast"] = "content"
    smallest: int = Field(0, ge=0)
    averaging: float = Field(0.0, ge=0, lt=1)
    tolerance: float = Field(0.0, ge=0, lt=1)

    @property
    def rate(self) -> float:
        """The learning rate."""
        return self.learning_rate or RATES[self.optimizer]

    def content_weights(self, features: str) -> dict[str, float]:
        """Each content layer's weight for a VGG-19 with these features, the term's included."""
        factors = {name: _factor(self.features, features, name, 0) for name in self.content}
        return {name: self.content_weight * w * factors[name] for name, w in self.content.items()}

    def style_weights(self, features: str) -> dict[str, float]:
        """The same of each style layer."""
        of_gram = 1 if self.statistic == "gram" else 0  # the others go with the square as content
        factors = {name: _factor(self.features, features, name, of_gram) for name in self.style}
        return {name: self.style_weight * w * factors[name] for name, w in self.style.items()}


def preset(name: str) -> Recipe:
    """The preset of this name.

    Raises:
        UsageError: there is none; the message offers the nearest name.
    """
    if name not in presets():
        hint = did_you_mean(name, presets())
        raise UsageError(f"there is no preset {name!r}{hint} (known: {', '.join(presets())})")
    return presets()[name]


@cache
def presets() -> Mapping[str, Recipe]:
    """All presets by name, in the table's order."""
    table = _table()
    return {name: Recipe(**_inherited(table, name)) for name in table if name != "features"}


@cache
def _table() -> dict[str, Any]:
    with TABLE.open("rb") as file:
        return tomllib.load(file)


def _inherited(table: Mapping[str, Any], name: str) -> dict[str, Any]:
    """A preset's own values over those of the preset that it is ``like``."""
    own = dict(table[name])
    parent = own.pop("like", None)
    return {**(_inherited(table, parent) if parent else {}), **own}


def _factor(made_for: str, used: str, layer: str, column: int) -> float:
    """What a layer's loss has to be multiplied by to weigh with ``used`` features as it did with
    those that it was made for; ``column`` 0 for squared distances of features, 1 for Grams'."""
    if made_for == used:
        return 1.0
    return _worth(made_for, layer, column) / _worth(used, layer, column)


def _worth(features: str, layer: str, column: int) -> float:
    if features == "normalised":
        return 1.0
    table = _table()["features"]["torchvision"]
    if layer not in table:
        known = ", ".join(table)
        raise UsageError(f"no conversion of weights is known for layer {layer!r} (known: {known})")
    worth: float = table[layer][column]
    return worth * CAFFE ** (2 + 2 * column) if features == "caffe" else worth
