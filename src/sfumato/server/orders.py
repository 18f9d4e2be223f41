"""What can be asked of the server: the settings of the command line, as data.

Nothing in an order is a path. Files come along with it; regions and styles call them by the name
under which they were sent.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, Field, create_model, field_validator, model_validator

from sfumato import regions, registry, styles
from sfumato.errors import UsageError, did_you_mean
from sfumato.inspect.attributions import METHODS
from sfumato.inspect.nets import NETS
from sfumato.place.placing import Placing
from sfumato.settings import BLENDS, MAX_SIZE, MIN_SIZE, Settings

MAX_LAYERS = 16
MAX_TEXT = 2000
"""Characters of a region."""

_DEFAULT = Settings()

Text = Field(min_length=1, max_length=MAX_TEXT)


class Order(BaseModel, extra="forbid", frozen=True):
    """What all jobs take: the settings, but for those that are the server's own business."""

    PARTS: ClassVar[tuple[str, ...]] = ("photo",)
    """The files that must come along, besides ``files`` that may."""

    segmenter: str | None = Field(None, description="Finds classes; None = the best for each.")
    matte: str = Field(_DEFAULT.matte, description="Cleans the edges.")
    blend: Literal[BLENDS] = Field(  # type: ignore[valid-type]
        _DEFAULT.blend, description="Puts the painted part back."
    )
    strength: float = Field(_DEFAULT.strength, ge=0, le=1, description="0 = the photo.")
    style_scale: float = Field(
        _DEFAULT.style_scale, ge=0.25, le=4, description="Size of the strokes."
    )
    size: int = Field(
        _DEFAULT.size, ge=MIN_SIZE, le=MAX_SIZE,
        description="Longer side in pixels at which the nets work.",
    )  # fmt: skip
    seed: int = Field(_DEFAULT.seed, ge=0, le=2**31 - 1, description="Of every random choice.")
    options: dict[str, dict[str, Any]] = Field(
        {}, description="Backend -> option -> value; see /v1/backends."
    )
    format: Literal["png", "jpeg", "webp"] = Field("png", description="Of the result.")
    quality: int | None = Field(None, ge=1, le=100, description="Of JPEG and WebP.")

    @field_validator("options")
    @classmethod
    def _options(cls, value: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        for name, given in value.items():
            check_options(name, given)
        return value

    def settings(self) -> Settings:
        """As the library takes them.

        Raises:
            UsageError: no such backend.
        """
        names = Settings.__dataclass_fields__.keys() & type(self).model_fields.keys()
        settings = Settings(**{name: getattr(self, name) for name in names})
        registry.find("matte", settings.matte)
        if settings.segmenter:
            registry.find("segment", settings.segmenter)
        return settings

    def check(self, sent: Collection[str]) -> None:  # noqa: ARG002 - kinds that name files use it
        """Find out what is wrong with the order before it waits in line.

        Args:
            sent: names of the files that came along.

        Raises:
            UsageError: one sentence.
        """
        self.settings()


class LayerOrder(BaseModel, extra="forbid", frozen=True):
    """Paint this region in that style."""

    region: str = Field("everything", min_length=1, max_length=MAX_TEXT)
    style: str = Field(description="A built-in style, or the name of a file that is sent along.")
    stylizer: str | None = None
    style_region: str | None = Field(None, max_length=MAX_TEXT)


class Paint(Order, frozen=True):
    """Paint regions of a photo: one, by ``style`` and ``region``, or several, by ``layers``."""

    style: str | None = Field(None, description=LayerOrder.model_fields["style"].description)
    region: str = Field("everything", min_length=1, max_length=MAX_TEXT)
    stylizer: str | None = None
    style_region: str | None = Field(None, max_length=MAX_TEXT)
    layers: tuple[LayerOrder, ...] = Field((), max_length=MAX_LAYERS)
    keep_colors: bool = Field(_DEFAULT.keep_colors, description="Keep the photo's colours.")

    @model_validator(mode="after")
    def _one_way(self) -> Paint:
        if (self.style is None) == (not self.layers):
            raise UsageError("give either a style (and a region), or layers")
        return self

    def all_layers(self) -> tuple[LayerOrder, ...]:
        """What to paint, whichever way it was asked for."""
        if self.style is None:
            return self.layers
        names = LayerOrder.model_fields
        return (LayerOrder(**{name: getattr(self, name) for name in names}),)

    def check(self, sent: Collection[str]) -> None:
        super().check(sent)
        for layer in self.all_layers():
            check_style(layer.style, sent)
            for region in (layer.region, layer.style_region):
                if region is not None:
                    check_region(region, sent)
            if layer.stylizer:
                registry.find("stylize", layer.stylizer)


class Optimise(Paint, frozen=True):
    """Paint by optimisation (gatys): minutes instead of seconds, with a preview."""

    stylizer: str | None = "gatys"
    preset: str = Field("fast", description="See docs/optimise.md.")
    steps: int | None = Field(None, ge=1, le=100_000, description="None = the preset's.")

    def settings(self) -> Settings:
        asked = {"preset": self.preset} | ({"steps": self.steps} if self.steps else {})
        options = {**self.options, "gatys": {**asked, **self.options.get("gatys", {})}}
        return Order.settings(self.model_copy(update={"options": options}))


class Cut(Order, frozen=True):
    """Cut a region out of a photo."""

    region: str = Field("person", min_length=1, max_length=MAX_TEXT)
    mask_only: bool = Field(False, description="The alpha as a grey picture, no cut-out.")

    def check(self, sent: Collection[str]) -> None:
        super().check(sent)
        check_region(self.region, sent)


class Place(Placing, Order, frozen=True):
    """Put the person of a portrait into a painting."""

    PARTS: ClassVar[tuple[str, ...]] = ("portrait", "painting")

    def placing(self) -> Placing:
        """Where, and how."""
        return Placing(**{name: getattr(self, name) for name in Placing.model_fields})

    def check(self, sent: Collection[str]) -> None:
        super().check(sent)
        check_region(self.region, sent)
        if self.stylizer:
            registry.find("stylize", self.stylizer)


class Inspect(Order, frozen=True):
    """Look inside: how colours split, what a net's layer sees, which pixels its answer hangs on."""

    look: Literal["clusters", "features", "saliency"] = Field("clusters", description="At what.")
    size: int = Field(256, ge=MIN_SIZE, le=1024, description="Longer side that is looked at.")
    clusters: int | None = Field(
        None, ge=2, le=16, description="Shown one by one; None = the best number."
    )
    net: Literal[tuple(NETS)] | None = Field(  # type: ignore[valid-type]
        None, description="None = vgg19 for features, person for saliency."
    )
    layer: str | None = Field(
        None, max_length=200, description="Of the net; features: None = relu3_1."
    )
    invert: bool = Field(False, description="Also draw what the layer still knows; slow.")
    method: Literal[METHODS] | None = Field(  # type: ignore[valid-type]
        None,
        description="Of saliency; None = integrated-gradients, for modnet and u2netp occlusion.",
    )
    target: str | None = Field(
        None, max_length=200, description="Of saliency: a class, or a channel of the layer."
    )


KINDS: dict[str, type[Order]] = {
    "paint": Paint, "cut": Cut, "place": Place, "optimise": Optimise, "inspect": Inspect,
}  # fmt: skip


def check_region(text: str, sent: Collection[str]) -> None:
    """Refuse a region that is malformed, or that names a file which was not sent.

    Raises:
        UsageError: see above.
    """
    for leaf in regions.leaves(regions.parse(text)):
        if isinstance(leaf, regions.File) and leaf.path not in sent:
            raise UsageError(f"the region names the file {leaf.path!r}, which was not sent along")


def check_style(name: str, sent: Collection[str]) -> None:
    """Refuse a style that is neither built in nor sent along.

    Raises:
        UsageError: see above.
    """
    if name not in sent and not styles.is_built_in(name):
        hint = did_you_mean(name, [*sent, *(style.name for style in styles.catalogue())])
        raise UsageError(
            f"no style {name!r}{hint}; name a built-in one (/v1/styles), or a file that is sent"
        )


def check_options(name: str, given: Mapping[str, Any]) -> None:
    """Refuse options that no backend of this name takes, or that name files of the server.

    Raises:
        UsageError: see above.
    """
    able = [kind for kind in registry.KINDS if name in registry.backends(kind)]
    if not able:
        known = {b for kind in registry.KINDS for b in registry.backends(kind)}
        raise UsageError(f"there is no backend {name!r}{did_you_mean(name, known)}")
    for kind in able:
        registry.parse_options(remote_options(kind, name), name, dict(given))


def remote_options(kind: str, name: str) -> type[BaseModel]:
    """The options of a backend that may come from outside: all but those that name files."""
    model = registry.options_model(kind, name)
    stated = model.model_json_schema()["properties"]
    kept: dict[str, Any] = {
        field: (info.annotation, info)
        for field, info in model.model_fields.items()
        if not _is_path(stated[field])
    }
    return create_model(f"{name}.options", __config__={"extra": "forbid"}, **kept)


def _is_path(schema: Mapping[str, Any]) -> bool:
    kinds = [schema, *schema.get("anyOf", ())]
    return any(kind.get("format") in ("path", "file-path") for kind in kinds)
