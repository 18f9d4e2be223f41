"""The plots of a comparison: each measure, content against style, and where the seconds go."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sfumato.compare.measures import BY_NAME, Measure
from sfumato.compare.run import Comparison
from sfumato.compare.table import Line, known
from sfumato.evaluate.plots import COLOURS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PANELS = 4
"""Measures side by side."""

WIDE = 10.0  # inches


def measures(rows: Sequence[Line]) -> Figure:
    """Each measure of each row: small dots are pictures, the large one is their mean."""
    from matplotlib.figure import Figure

    shown = [measure for measure in known(rows) if measure.name != "steps"]
    across = min(PANELS, len(shown))
    down = -(-len(shown) // across)
    height = down * (0.75 + 0.26 * len(rows))
    figure = Figure(figsize=(WIDE, height), layout="constrained")
    panels = figure.subplots(down, across, squeeze=False)
    for i, panel in enumerate(panels.flat):
        if i >= len(shown):
            panel.set_visible(False)
            continue
        _dots(panel, rows, shown[i], labelled=i % across == 0)
    return figure


def _dots(panel: Any, rows: Sequence[Line], measure: Measure, *, labelled: bool) -> None:
    values = [[v for v in line.values[measure.name] if v is not None] for line in rows]
    everything = [value for own in values for value in own]
    if min(everything) > 0 and max(everything) > 20 * min(everything):
        panel.set_xscale("log")
        _plain(panel.xaxis, close=max(everything) < 100 * min(everything))
    for y, own in enumerate(values):
        colour = COLOURS[y % len(COLOURS)]
        if len(own) > 1:
            panel.plot(own, [y] * len(own), "o", color=colour, alpha=0.35, markersize=3)
        if own:
            panel.plot([sum(own) / len(own)], [y], "o", color=colour, markersize=6)
    names = [line.row.name if labelled else "" for line in rows]
    panel.set_yticks(range(len(rows)), names, parse_math=False)
    panel.set_ylim(len(rows) - 0.5, -0.5)
    arrow = {"less": " ←", "more": " →", "": ""}[measure.better]
    panel.set_title(measure.label + arrow, fontsize=9)
    panel.spines[["top", "right", "left"]].set_visible(False)
    panel.tick_params(left=False, labelsize=8)
    panel.grid(color="#eee")
    panel.set_axisbelow(True)


def _plain(axis: Any, *, close: bool = True) -> None:
    """Ticks of a logarithmic axis as plain numbers: 0.2, 0.5, 1, 2, 5 …, or powers of ten."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axis.set_major_locator(LogLocator(subs=(1, 2, 5) if close else (1,), numticks=12))
    axis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
    axis.set_minor_formatter(NullFormatter())


def _text(name: str) -> str:
    """A name as a legend takes it: dollars would begin a formula."""
    return name.replace("$", r"\$")


def balance(rows: Sequence[Line]) -> Figure | None:
    """Style against content loss: nearer to both is lower left. None for fewer than two rows."""
    from matplotlib.figure import Figure

    names = ("content_loss", "style_loss")
    have = [(i, line) for i, line in enumerate(rows) if all(line.mean(n) for n in names)]
    if len(have) < 2:
        return None
    figure = Figure(figsize=(WIDE, 4.2), layout="constrained")
    axes = figure.add_subplot(xscale="log", yscale="log")
    for axis in (axes.xaxis, axes.yaxis):
        _plain(axis)
    axes.set_xlabel("content loss: how far from the photo", fontsize=9)
    axes.set_ylabel("style loss: how far from the style", fontsize=9)
    axes.tick_params(labelsize=8)
    for i, line in have:
        colour = COLOURS[i % len(COLOURS)]
        pairs = zip(*(line.values[n] for n in names), strict=True)
        points = [(a, b) for a, b in pairs if a is not None and b is not None]
        if len(points) > 1:
            axes.plot(*zip(*points, strict=True), "o", color=colour, alpha=0.3, markersize=3)
        x, y = (line.mean(name) or 0.0 for name in names)
        axes.plot([x], [y], "o", color=colour, markersize=8, label=_text(line.row.name))
    figure.legend(loc="outside right upper", frameon=False, fontsize=9)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#eee", which="both")
    axes.set_axisbelow(True)
    return figure


def stages(comparison: Comparison) -> Figure | None:
    """Seconds by stage, mean over the pictures. None where nothing was timed."""
    from matplotlib.figure import Figure

    rows = []
    for row, cells in zip(comparison.plan.rows, comparison.cells, strict=True):
        timings = [record["timings"] for _, record in cells if record["timings"]]
        names = dict.fromkeys(name for own in timings for name in own)
        rows.append(
            (row.name, {n: sum(t.get(n, 0.0) for t in timings) / len(timings) for n in names})
        )
    found = dict.fromkeys(name for _, own in rows for name in own)
    if not found:
        return None
    figure = Figure(figsize=(WIDE, 0.9 + 0.26 * len(rows)), layout="constrained")
    axes = figure.add_subplot()
    axes.set_xlabel(BY_NAME["seconds"].label, fontsize=9)
    for y, (_, own) in enumerate(rows):
        left = 0.0
        for i, name in enumerate(found):
            axes.barh(y, own.get(name, 0.0), 0.62, left, color=COLOURS[i % len(COLOURS)])
            left += own.get(name, 0.0)
    for i, name in enumerate(found):
        axes.barh(0, 0, color=COLOURS[i % len(COLOURS)], label=name)
    axes.set_yticks(range(len(rows)), [name for name, _ in rows], parse_math=False)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(left=False, labelsize=8)
    axes.grid(axis="x", color="#eee")
    axes.set_axisbelow(True)
    figure.legend(loc="outside right upper", frameon=False, fontsize=9)
    return figure
