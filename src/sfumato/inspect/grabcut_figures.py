"""GrabCut drawn: its rounds, its colours, its energy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from sfumato.inspect import _figures as figures
from sfumato.inspect import gibbs
from sfumato.inspect._figures import Panel
from sfumato.inspect.gibbs import Mixture
from sfumato.inspect.grabcut import Round, Study
from sfumato.types import Image, Mask

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TAKEN, DROPPED = "#2b6a99", "#c8553d"
"""Colours of what a round takes into the foreground, and of what it drops."""

COLUMNS = 3
SHOWN = 2500
"""Pixels drawn as dots in each plot of colours."""

ODDS = 20.0
"""Log-odds from which on a colour is drawn as certain."""

PLANES = {
    ("blue – orange", "dark – light"): np.array([(0.5, 0, -0.5), (1 / 3, 1 / 3, 1 / 3)]),
    ("magenta – green", "dark – light"): np.array([(-0.5, 1, -0.5), (1 / 3, 1 / 3, 1 / 3)]),
}
"""Planes through the colours: what their axes say, and how they are made of R, G and B."""


def pages(study: Study, name: str = "") -> Mapping[str, list[Figure]]:
    """All figures by what to call their file: ``rounds``, ``colours``, ``energy``."""
    return {"rounds": [steps(study, name)], "colours": [colours(study)], "energy": [energy(study)]}


def steps(study: Study, name: str = "") -> Figure:
    """Where it began, and each round: what is foreground, and what changed sides."""
    columns = min(COLUMNS, 1 + len(study.rounds))
    seeded = figures.alone(study.image, study.start)
    for value, colour in ((cv2.GC_FGD, TAKEN), (cv2.GC_BGD, DROPPED)):
        strokes = (study.seeds == value) & (_inside(study) | (value == cv2.GC_FGD))
        seeded = _tinted(seeded, strokes, colour, 0.75)
    hints = sum(map(len, study.strokes))
    note = "the box" + (f", and {hints} stroke{'s' * (hints > 1)}" if hints else "")
    panels = [Panel(seeded, name or "Start", note)]
    before = study.start
    for one in study.rounds:
        drawn = figures.alone(study.image, one.mask)
        drawn = _tinted(drawn, one.mask & ~before, TAKEN, 0.6)
        drawn = _tinted(drawn, before & ~one.mask, DROPPED, 0.35)
        share = f"{100 * one.mask.mean():.1f} % foreground"
        changes = f"{figures.number(one.gained)} taken, {figures.number(one.lost)} dropped"
        panels.append(Panel(drawn, f"Round {one.number}", f"{share} · {changes}"))
        before = one.mask
    note = f"{study.summary}; blue: taken in this round, red: dropped"
    figure = figures.grid(panels, columns, heading="GrabCut, round by round", note=note)
    _box(figure.axes[0], study)
    return figure


def colours(study: Study) -> Figure:
    """The two mixtures: their weights and means in each round, and the last ones' Gaussians."""
    last, count = study.rounds[-1], len(study.rounds)
    heading = "What it takes for the colours of the two"
    note = f"The last round's Gaussians at two standard deviations, over {SHOWN} pixels of each"
    above = 0.45 + 0.16 * count
    figure = figures.blank(6.6 + above, heading=heading, note=note)
    places = figure.subplots(3, 2, height_ratios=(above, 3.0, 3.0), sharex="row", sharey="row")
    sides = (("Foreground", "foreground", last.mask), ("Background", "background", ~last.mask))
    for column, (title, side, mask) in enumerate(sides):
        _swatches(places[0, column], [getattr(one, side) for one in study.rounds], title)
        sample = _sample(study.image, mask)
        for row, (axes, plane) in enumerate(PLANES.items()):
            _cloud(places[row + 1, column], sample, getattr(last, side), plane)
            figures.tidy(places[row + 1, column], x=axes[0], y="" if column else axes[1])
    return figure


def energy(study: Study) -> Figure:
    """The energy and the changes of each round, and the two things that it is made of."""
    last = study.rounds[-1]
    tall = min(5.5, 4.7 * study.image.shape[0] / study.image.shape[1])
    heading = "What it makes small: data term + edge term"
    figure = figures.blank(3.5 + tall, heading=heading, note=study.summary)
    places = figure.subplots(2, 2, height_ratios=(2.6, tall))
    _course(places[0, 0], study.rounds)
    _changes(places[0, 1], study.rounds)
    fits = [gibbs.cost(study.image, model) for model in (last.background, last.foreground)]
    with np.errstate(invalid="ignore"):
        odds = np.nan_to_num(np.clip(fits[0] - fits[1], -ODDS, ODDS))
    figures.show(
        places[1, 0],
        Panel(odds, "Data term", "blue: the colour speaks for foreground; red: against it",
              "RdBu", -ODDS, ODDS),
    )  # fmt: skip
    beta = gibbs.contrast(study.image)
    figures.show(
        places[1, 1],
        Panel(_bonded(study.image), "Edge term",
              f"dark: a cut costs little here (γ = {gibbs.GAMMA:g}, β = {beta:.2g})", "gray", 0, 1),
    )  # fmt: skip
    return figure


def _inside(study: Study) -> Mask:
    """The box, as pixels."""
    height, width = study.seeds.shape
    x0, y0, x1, y1 = study.box
    rows, columns = (np.arange(n) + 0.5 for n in (height, width))
    inside = (rows > y0 * height) & (rows < y1 * height)
    return np.asarray(inside[:, None] & (columns > x0 * width) & (columns < x1 * width))


def _box(axes: Any, study: Study) -> None:
    from matplotlib.patches import Rectangle

    (height, width), (x0, y0, x1, y1) = study.seeds.shape, study.box
    corner, sides = (x0 * width - 0.5, y0 * height - 0.5), ((x1 - x0) * width, (y1 - y0) * height)
    axes.add_patch(Rectangle(corner, *sides, fill=False, edgecolor=figures.INK, linewidth=1.2))


def _tinted(image: Image, mask: Mask, colour: str, strength: float) -> Image:
    tint = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)], np.float32)
    mixed = image * (1 - strength) + tint * strength
    return np.where(mask[..., None], mixed, image).astype(np.float32)


def _sample(image: Image, mask: Mask) -> NDArray[np.float64]:
    """Colours of some of the selected pixels, float64 ``[n, 3]``, 0..255."""
    pixels = gibbs.levels(image)[mask]
    if len(pixels) <= SHOWN:
        return pixels
    return np.asarray(pixels[np.random.default_rng(0).choice(len(pixels), SHOWN, replace=False)])


def _swatches(axes: Any, models: list[Mixture], title: str) -> None:
    """A bar a round: the Gaussians' means, as wide as their weights, from dark to light."""
    for y, model in enumerate(models, 1):
        left = 0.0
        for i in np.argsort(model.means.sum(axis=1), kind="stable"):
            colour = np.clip(model.means[i] / 255, 0, 1)
            width = float(model.weights[i])
            axes.barh(y, width, 0.8, left, color=colour, edgecolor=figures.PAPER, linewidth=0.8)
            if y == len(models) and width > 0.08:
                ink = "white" if colour.mean() < 0.5 else figures.INK
                place = left + width / 2
                axes.text(place, y, f"{100 * width:.0f} %", ha="center", va="center_baseline",
                          fontsize=6, color=ink)  # fmt: skip
            left += width
    figures.tidy(axes, f"{title}: five colours and their weights", y="round", ticks=False)
    axes.grid(visible=False)
    axes.spines[["left", "bottom"]].set_visible(False)
    axes.set_xticks([])
    axes.set_yticks(range(1, len(models) + 1))
    axes.set(xlim=(0, 1), ylim=(len(models) + 0.5, 0.5))


def _cloud(
    axes: Any, sample: NDArray[np.float64], model: Mixture, plane: NDArray[np.float64]
) -> None:
    """Pixels in a plane through their colours, and the Gaussians as ellipses."""
    from matplotlib.patches import Ellipse

    x, y = (sample @ plane.T).T
    axes.scatter(x, y, s=2.5, c=np.clip(sample / 255, 0, 1), linewidths=0, rasterized=True)
    for weight, mean, covariance in zip(model.weights, model.means, model.covariances, strict=True):
        if weight <= 0:
            continue
        spread, turn = np.linalg.eigh(plane @ covariance @ plane.T)
        wide, tall = 4 * np.sqrt(np.maximum(spread, 0))
        angle = float(np.degrees(np.arctan2(turn[1, 0], turn[0, 0])))
        centre = plane @ mean
        axes.add_patch(
            Ellipse(centre, wide, tall, angle=angle, fill=False, edgecolor=figures.INK,
                    linewidth=0.5 + 2 * weight)
        )  # fmt: skip
        axes.plot(*centre, "o", color=np.clip(mean / 255, 0, 1), markersize=4 + 8 * weight,
                  markeredgecolor=figures.INK, markeredgewidth=0.8)  # fmt: skip


def _course(axes: Any, rounds: tuple[Round, ...]) -> None:
    learned, cut = [one.learned.total for one in rounds], [one.cut.total for one in rounds]
    places = np.arange(1, len(rounds) + 1)
    x = np.stack([places - 0.5, places], axis=1).ravel()
    values = np.stack([learned, cut], axis=1).ravel() / 1000
    axes.plot(x, values, color=figures.COLOURS[0], linewidth=1.4, zorder=1)
    for i, (face, label) in enumerate(
        ((figures.PAPER, "colours learned anew"), (figures.COLOURS[0], "cut anew"))
    ):
        axes.scatter(x[i::2], values[i::2], s=20, color=face, edgecolor=figures.COLOURS[0],
                     label=label, zorder=2)  # fmt: skip
    axes.legend(frameon=False, fontsize=figures.NOTE, labelcolor=figures.QUIET)
    figures.tidy(axes, "Energy, in thousands", x="round")
    axes.set_xticks(places)


def _changes(axes: Any, rounds: tuple[Round, ...]) -> None:
    places = np.arange(1, len(rounds) + 1)
    for shift, colour, label in ((-0.2, TAKEN, "gained"), (0.2, DROPPED, "lost")):
        values = [getattr(one, label) for one in rounds]
        word = {"gained": "taken", "lost": "dropped"}[label]
        bars = axes.bar(places + shift, values, 0.36, color=colour, label=word)
        axes.bar_label(bars, [figures.number(v) for v in values], fontsize=5.5, padding=1,
                       color=figures.QUIET)  # fmt: skip
    axes.set_yscale("symlog", linthresh=10)
    axes.set_ylim(0, 4 * max(1, *(one.changed for one in rounds)))
    axes.legend(frameon=False, fontsize=figures.NOTE, labelcolor=figures.QUIET)
    figures.tidy(axes, "Pixels that change sides", x="round")
    axes.set_xticks(places)


def _bonded(image: Image) -> NDArray[np.float64]:
    """How firmly each pixel hangs together with its neighbours: float64 ``[h, w]``, 0..1."""
    held, most = (np.zeros(image.shape[:2]) for _ in range(2))
    for (costs, here, there), (down, right) in zip(gibbs.bonds(image), gibbs.STEPS, strict=True):
        for place in (here, there):
            held[place] += costs
            most[place] += gibbs.GAMMA / np.hypot(down, right)
    return np.asarray(held / np.maximum(most, 1e-9))
