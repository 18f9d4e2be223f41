"""What a layer of a net gives for a picture: its maps, their strength, and what goes together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from sfumato.errors import PictureError
from sfumato.inspect import _figures as figures
from sfumato.inspect.fields import Layer, outline
from sfumato.inspect.nets import Net, activation
from sfumato.types import Image

if TYPE_CHECKING:
    import torch
    from matplotlib.figure import Figure

Floats = NDArray[np.float32]
Sort = Literal["energy", "channel"]

LEAST_SIDE = 32
"""Of a picture that a net looks at; less would be shrunk to nothing on the way."""

SHOWN = 64
"""Channels at most of a Gram matrix as a picture."""

PAIRS = 8
"""Pairs of channels that are named because they go together."""

SIGNED, RECTIFIED = "RdBu_r", "magma"


@dataclass(frozen=True, eq=False)
class Features:
    """What a layer gives for one picture.

    Attributes:
        net, layer: whose, with how large its maps are and what a cell sees of the picture.
        picture: float32 ``[H, W, 3]``, sRGB, 0..1: what was looked at.
        maps: float32 ``[C, h, w]``.
        gram: float32 ``[C, C]``: means over the cells of the products of two channels.
    """

    net: str
    layer: Layer
    picture: Image = field(repr=False)
    maps: Floats = field(repr=False)
    gram: Floats = field(repr=False)

    @property
    def energy(self) -> Floats:
        """Mean square of each channel, ``[C]``: the Gram matrix's diagonal."""
        return np.ascontiguousarray(np.diagonal(self.gram))

    def order(self, sort: Sort = "energy", top: int | None = None) -> list[int]:
        """Numbers of the channels, the strongest first or as they come; ``top`` of them."""
        numbers = np.arange(len(self.maps))
        if sort == "energy":
            numbers = np.argsort(-self.energy, kind="stable")
        return [int(i) for i in numbers[:top]]

    def cosines(self) -> Floats:
        """The Gram matrix divided by the channels' strengths, ``[C, C]``, -1..1: 1 where two
        channels answer to the same cells; 0 for one that is silent."""
        length = np.sqrt(np.maximum(self.energy, 0))
        scale = np.outer(length, length)
        cosines = np.zeros_like(self.gram)
        np.divide(self.gram, scale, out=cosines, where=scale > 0)
        return cosines

    def as_dict(self, sort: Sort = "energy", top: int | None = None) -> dict[str, Any]:
        """The numbers, as plain JSON-able data; all channels unless there is a ``top``."""
        energy, total = self.energy, float(self.energy.sum())
        return {
            "net": self.net,
            "layer": self.layer.name,
            "channels": self.layer.channels,
            "height": self.layer.height,
            "width": self.layer.width,
            "stride": self.layer.field.step[0],
            "receptive_field": self.layer.field.size,
            "receptive_field_is_exact": self.layer.field.exact,
            "energy": [
                {
                    "channel": i,
                    "energy": float(energy[i]),
                    "share": float(energy[i]) / total if total else 0.0,
                    "active": float((self.maps[i] > 0).mean()),
                }
                for i in self.order(sort, top)
            ],
            "silent_channels": int((energy == 0).sum()),
            "pairs": [{"channels": [i, j], "cosine": c} for i, j, c in pairs(self)],
        }


def look(net: Net, layers: Sequence[str], picture: Image) -> list[Features]:
    """What layers give for a picture.

    Args:
        net: any.
        layers: names of its layers.
        picture: float32 ``[H, W, 3]``, sRGB, 0..1.

    Raises:
        UsageError: there is no such layer, or it gives no maps.
        PictureError: the picture is too small.
    """
    import torch

    check(picture)
    for name in layers:
        net.layer(name)
    known = outline(net, *picture.shape[:2])
    shown = as_tensor(net, picture)
    found = []
    with torch.no_grad():
        for name in layers:
            maps = activation(net, name, shown)[0]
            found.append(Features(net.name, known[name], picture, maps.cpu().numpy(), gram(maps)))
    return found


def check(picture: Image) -> None:
    """Raise PictureError unless a picture is large enough to be looked at."""
    height, width = picture.shape[:2]
    if min(height, width) < LEAST_SIDE:
        raise PictureError(
            f"nets need a picture of {LEAST_SIDE} pixels or more on its shorter side, this one "
            f"is {width}×{height}; a larger --size keeps more of a large one"
        )


def as_tensor(net: Net, picture: Image) -> torch.Tensor:
    """``[H, W, 3]`` to ``[1, 3, H, W]`` where the net is."""
    from sfumato.optimise.goals import tensor

    return tensor(picture, next(net.module.parameters()).device)


def gram(maps: torch.Tensor) -> Floats:
    """Means over the cells of the products of two channels, ``[C, C]`` of ``[C, h, w]``."""
    from sfumato.losses.style import Gram

    area, products = Gram().summarise(maps, maps.new_ones(maps.shape[1:]))
    return np.asarray((products / area).cpu().numpy(), dtype=np.float32)


def pairs(features: Features, count: int = PAIRS) -> list[tuple[int, int, float]]:
    """The pairs of different channels that go together most, with their cosines."""
    cosines = np.triu(features.cosines(), 1)
    count = min(count, cosines.size)
    best = np.argsort(-cosines, axis=None, kind="stable")[:count]
    rows, columns = np.unravel_index(best, cosines.shape)
    found = [(int(i), int(j), float(cosines[i, j])) for i, j in zip(rows, columns, strict=True)]
    return [one for one in found if one[0] < one[1] and one[2] > 0]


def maps_figure(features: Features, order: Sequence[int], columns: int = 6) -> Figure:
    """The picture, with what one cell sees of it, and a channel's map in each further place.

    Every map has its own scale; where a layer is not rectified, red is above 0 and blue below.
    """
    layer, total = features.layer, float(features.energy.sum())
    seen = _seen(layer, features.picture)
    panels = [figures.Panel(figures.small(features.picture, columns), "picture", seen)]
    signed = bool((features.maps < 0).any())
    for i in order:
        one = features.maps[i]
        most = max(float(np.quantile(np.abs(one), 0.995)), 1e-12)
        share = features.energy[i] / total if total else 0.0
        note = "silent" if features.energy[i] == 0 else f"{100 * share:.1f} % of the energy"
        panels.append(
            figures.Panel(
                one, f"{i}", note, SIGNED if signed else RECTIFIED, -most if signed else 0.0, most
            )
        )
    figure = figures.grid(
        panels,
        columns,
        heading=f"{features.net} · {layer.name}",
        note=f"{layer.channels} channels of {layer.width}×{layer.height} cells, one every "
        f"{layer.field.step[0]:g} px; a cell sees {layer.field}. "
        f"Shown: {len(order)}, each on its own scale"
        + (" (red above 0, blue below)." if signed else "."),
    )
    _draw_field(figure.axes[0], features, columns)
    return figure


def gram_figure(features: Sequence[Features]) -> Figure:
    """Gram matrices as pictures, a row a layer: as they are, and as cosines between channels."""
    figure = figures.blank(
        4.7 * len(features) + 0.5,
        heading=f"{features[0].net} · Gram matrices",
        note="Left: mean product of two channels, square roots so that small ones show. Right: "
        f"the same as cosines. The {SHOWN} strongest channels at most, the strongest first.",
    )
    rows = figure.subplots(len(features), 2, squeeze=False)
    for (left, right), one in zip(rows, features, strict=True):
        order = one.order("energy", SHOWN)
        own = one.gram[np.ix_(order, order)]
        roots = np.sign(own) * np.sqrt(np.abs(own))
        angles = one.cosines()[np.ix_(order, order)]
        signed = bool((own < 0).any())
        for axes, matrix, most, title in (
            (
                left,
                roots,
                float(np.quantile(np.abs(roots), 0.998)) or 1.0,
                f"{one.layer.name} · Gram matrix",
            ),
            (right, angles, 1.0, f"{one.layer.name} · cosines"),
        ):
            figures.tidy(axes, title, ticks=False)
            axes.grid(False)
            low = -most if signed else 0.0
            drawn = axes.imshow(
                matrix, cmap=SIGNED if signed else RECTIFIED, vmin=low, vmax=most,
                interpolation="nearest",
            )  # fmt: skip
            every = max(1, -(-len(order) // 8))
            places = range(0, len(order), every)
            axes.set_xticks(places, [str(order[i]) for i in places])
            axes.set_yticks(places, [str(order[i]) for i in places])
            axes.set_xlabel("channel", fontsize=figures.NOTE, color=figures.QUIET)
            axes.spines[:].set_visible(False)
            bar = figure.colorbar(drawn, ax=axes, shrink=0.8, pad=0.02)
            bar.outline.set_visible(False)
            bar.ax.tick_params(labelsize=figures.NOTE, colors=figures.QUIET, length=2)
    return figure


def layers_table(layers: Mapping[str, Layer]) -> list[tuple[str, str, str, str, str]]:
    """Name, channels, cells, stride and receptive field of each layer, in words."""
    return [
        (
            layer.name,
            str(layer.channels),
            f"{layer.width}×{layer.height}",
            f"{layer.field.step[0]:g}",
            str(layer.field),
        )
        for layer in layers.values()
    ]


def _seen(layer: Layer, picture: Image) -> str:
    size, (height, width) = layer.field.size, picture.shape[:2]
    if size is None or (size[0] >= height and size[1] >= width):
        return "a cell sees all of it"
    return f"square: one cell, {size[1]}×{size[0]} px"


def _draw_field(axes: Any, features: Features, columns: int) -> None:
    """A square round what the cell in the middle of the maps depends on."""
    from matplotlib.patches import Rectangle

    layer, (height, width) = features.layer, features.picture.shape[:2]
    if layer.field.size is None:
        return
    rows, across = layer.field.size
    if rows >= height and across >= width:
        return
    scale = figures.small(features.picture, columns).shape[0] / height
    middle = layer.height // 2, layer.width // 2
    top, left = (layer.field.step[i] * middle[i] + layer.field.low[i] for i in (0, 1))
    for colour, line in (("#ffffff", 2.0), (figures.COLOURS[1], 1.1)):
        corner = left * scale - 0.5, top * scale - 0.5
        square = Rectangle(
            corner, across * scale, rows * scale, fill=False, edgecolor=colour, linewidth=line
        )
        axes.add_patch(square)
