"""One page about one painting: before and after, how long, how set, and how the losses fell.

The HTML stands by itself: pictures and curves are inside it, and it asks for nothing else.
"""

from __future__ import annotations

import importlib.util
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

import sfumato
from sfumato import pipeline
from sfumato.errors import MissingExtraError
from sfumato.io import pictures
from sfumato.io.embedding import embedded
from sfumato.ops.resize import fit, resize
from sfumato.pipeline import Layer
from sfumato.settings import Settings
from sfumato.types import Alpha, Image, Painting, Step, Style

REQUIRES = ("jinja2", "matplotlib")

LARGE, SMALL = 1000, 320
"""Longer side in pixels of the two pictures, and of the rest."""

UNLEARNT = 0.2  # how much shows of the part of a style picture that is not learnt from

_TEMPLATE = Path(__file__).with_name("report.html")


@dataclass(frozen=True)
class Scale:
    """What an optimisation did at one size.

    Attributes:
        height, width: in pixels.
        steps: done at this size.
        seconds: that they took.
        first, last: the total loss after its first and its last step.
    """

    height: int
    width: int
    steps: int
    seconds: float
    first: float
    last: float


def check_installed() -> None:
    """Find out before the work that a page can be written.

    Raises:
        MissingExtraError: the ``report`` extra is not installed.
    """
    if not all(importlib.util.find_spec(name) for name in REQUIRES):
        raise MissingExtraError("a report page", "report")


def page(painting: Painting, *, photo: Image, layers: Sequence[Layer], title: str) -> str:
    """The page as HTML; everything that a user named is escaped.

    Args:
        painting: what was painted.
        photo: what it was painted from, float32 ``[H, W, 3]``, sRGB, 0..1.
        layers: what was asked for.
        title: heading of the page.

    Raises:
        MissingExtraError: the ``report`` extra is not installed.
    """
    check_installed()
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    template = environment.from_string(_TEMPLATE.read_text(encoding="utf-8"))
    height, width = photo.shape[:2]
    return template.render(
        title=title,
        version=sfumato.__version__,
        size=f"{width} × {height} pixels",
        interrupted=pipeline.was_interrupted(painting),
        before=_jpeg(photo, LARGE),
        after=_jpeg(painting.image, LARGE),
        alpha=_alpha(painting.matte.alpha),
        layers=[_layer(layer, painting.seams) for layer in layers],
        courses=[_course(name, steps) for name, steps in painting.course.items()],
        timings=painting.timings,
        seconds=sum(painting.timings.values()),
        settings=settings_table(painting.settings),
        weights=painting.weights,
    )


def scales(steps: Sequence[Step]) -> list[Scale]:
    """What was done at each size, in order; sizes at which no step was done are left out."""
    found: list[Scale] = []
    number, seconds = 0, 0.0
    for (height, width), group in groupby(steps, lambda step: (step.height, step.width)):
        done = [step for step in group if "total" in step.losses]
        if not done:
            continue
        end = done[-1]
        totals = done[0].losses["total"], end.losses["total"]
        scale = Scale(height, width, end.number - number, end.seconds - seconds, *totals)
        number, seconds = end.number, end.seconds
        found.append(scale)
    return found


def settings_table(settings: Mapping[str, Any]) -> list[tuple[str, str, bool]]:
    """(name, value, whether it was chosen) of every setting and every option that was given."""
    default = Settings().as_dict()
    plain = {name: value for name, value in settings.items() if name != "options"}
    rows = [(name, _value(value), value != default.get(name)) for name, value in plain.items()]
    for backend, options in settings.get("options", {}).items():
        rows += [(f"{backend}.{option}", _value(value), True) for option, value in options.items()]
    return rows


def _value(value: Any) -> str:
    if value is None:
        return "chosen by itself"
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


def _layer(layer: Layer, seams: Mapping[str, float]) -> dict[str, Any]:
    return {
        "region": layer.region,
        "style": layer.style.name,
        "picture": _style_picture(layer.style),
        "style_region": layer.style_region,
        "stylizer": layer.stylizer or "the default",
        "seam": seams.get(layer.region),
    }


def _style_picture(style: Style) -> str | None:
    """The style picture, faded where it was not learnt from."""
    if style.image is None:
        return None
    small = fit(style.image, SMALL)
    if style.region is not None:
        shown = np.maximum(resize(style.region, small.shape[:2]), UNLEARNT)[..., None]
        small = 1 - shown * (1 - small)
    return _jpeg(small, SMALL)


def _course(name: str, steps: Sequence[Step]) -> dict[str, Any]:
    return {
        "name": name,
        "steps": steps,
        "notes": [step.note for step in steps if step.note],
        "scales": scales(steps),
        "curves": _curves(steps),
    }


def _curves(steps: Sequence[Step]) -> str | None:
    """The losses over the steps as an SVG; None where no loss was ever above zero."""
    done = [step for step in steps if step.losses]
    names = {"total": None} | {name: None for step in done for name in step.losses}
    losses = {n: [step.losses.get(n, np.nan) for step in done] for n in names}
    shown = {n: values for n, values in losses.items() if any(map(_drawable, values))}
    if not shown:
        return None
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context({"svg.hashsalt": "sfumato", "font.size": 9, "axes.edgecolor": "#999"}):
        figure = Figure(figsize=(9, 3.6), layout="constrained")
        axes = figure.add_subplot(xlabel="steps", ylabel="weighted loss", yscale="log")
        numbers = [step.number for step in done]
        marker = "o" if len(done) == 1 else None
        for name, values in shown.items():
            above = [value if _drawable(value) else np.nan for value in values]
            look: dict[str, Any] = {"linewidth": 1.1}
            if name == "total":
                look = {"linewidth": 1.8, "color": "#222", "zorder": 3}
            axes.plot(numbers, above, label=name, marker=marker, **look)
        end = 0
        for scale in scales(steps)[:-1]:
            end += scale.steps
            axes.axvline(end, color="#bbb", linewidth=0.8, linestyle=(0, (4, 3)), zorder=0)
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="y", color="#eee")
        axes.margins(x=0.01)
        axes.set_axisbelow(True)
        figure.legend(loc="outside right upper", frameon=False)
        stream = io.StringIO()
        figure.savefig(stream, format="svg", transparent=True, metadata={"Date": None})
    return embedded(stream.getvalue().encode(), "image/svg+xml")


def _drawable(loss: float) -> bool:
    """Whether a logarithmic axis has a place for it."""
    return 0 < loss < np.inf


def _jpeg(image: Image, side: int) -> str:
    picture = pictures.from_image(fit(image, side))
    return embedded(pictures.to_bytes(picture, "jpeg", quality=90), "image/jpeg")


def _alpha(alpha: Alpha) -> str:
    stream = io.BytesIO()
    pictures.write_alpha(fit(alpha, SMALL), stream)
    return embedded(stream.getvalue(), "image/png")
