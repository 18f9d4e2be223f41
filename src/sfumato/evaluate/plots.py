"""The plots of a page of reports: dots with intervals, and how the pictures are spread."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from sfumato.evaluate.metrics import Interval
from sfumato.evaluate.report import NAMES, Figures, Report
from sfumato.io.embedding import embedded

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURS = ("#2b6a99", "#c8553d", "#5b8c5a", "#8d6a9f", "#c89b3c", "#4f9d9d", "#7a5c4f", "#888888")
"""Of the segmenters in the plots, in turn."""

PLOTTED = {
    "masks": ("picture_iou", "boundary_f", "trimap_iou"),
    "boxes": ("pixels_inside", "boxes_found", "false_alarms"),
}


def measures(figures: Figures) -> Mapping[str, Interval]:
    """A group's measures in one: those of the first region, where there are classes."""
    regions = list(figures.classes.values())[1:2]
    return {**figures.measures, **(regions[0] if regions else {})}


def colours_of(reports: Sequence[Report]) -> dict[str, str]:
    """A colour for each segmenter."""
    names = dict.fromkeys(report.segmenter for report in reports)
    return {name: COLOURS[i % len(COLOURS)] for i, name in enumerate(names)}


def overview(reports: Sequence[Report], colours: Mapping[str, str]) -> Figure:
    """Each measure of each report with its interval, one panel a measure."""
    from matplotlib.figure import Figure

    names = PLOTTED[reports[0].kind]
    figure = Figure(figsize=(9, 0.9 + 0.3 * len(reports)), layout="constrained")
    panels = figure.subplots(1, len(names), sharey=True, squeeze=False)[0]
    for panel, name in zip(panels, names, strict=True):
        for y, report in enumerate(reports):
            _dot(panel, measures(report.overall)[name], y, colours[report.segmenter])
        panel.set_title(NAMES[name], fontsize=9)
        _tidy(panel, [f"{r.segmenter} · {r.data}" for r in reports])
    return figure


def distribution(reports: Sequence[Report], colours: Mapping[str, str]) -> Figure:
    """The pictures' IoU in order: how bad the bad ones are, and how many they are."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.2), layout="constrained")
    axes = figure.add_subplot(xlabel="share of the pictures", ylabel="IoU is below")
    styles = ("-", "--", ":", "-.")
    sets = list(dict.fromkeys(report.data for report in reports))
    for report in reports:
        scores = np.sort([float(np.mean(_ious(row))) for row in report.pictures])
        shares = np.linspace(0, 1, len(scores) + 1)
        scores = np.append(scores[:1], scores)  # each as wide as its share
        style = styles[sets.index(report.data) % len(styles)]
        label = f"{report.segmenter} · {report.data}"
        axes.step(
            shares, scores, style, label=label, color=colours[report.segmenter], linewidth=1.3
        )
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#eee")
    axes.set_axisbelow(True)
    figure.legend(loc="outside right upper", frameon=False)
    return figure


def _ious(row: Mapping[str, Any]) -> list[float]:
    return [value for name, value in row.items() if name == "iou" or name.startswith("iou ")]


def by_group(reports: Sequence[Report], colours: Mapping[str, str]) -> Figure:
    """Each group's measures, the best group of the first report on top."""
    from matplotlib.figure import Figure

    names = PLOTTED[reports[0].kind][:2]
    first = {g: measures(f)[names[-1]].value for g, f in reports[0].groups.items()}
    order = sorted(first, key=lambda g: (np.isnan(first[g]), -first[g]))
    figure = Figure(figsize=(9, 0.9 + 0.24 * len(order)), layout="constrained")
    panels = figure.subplots(1, len(names), sharey=True, squeeze=False)[0]
    for panel, name in zip(panels, names, strict=True):
        for i, report in enumerate(reports):
            shift, colour = 0.5 * ((i + 0.5) / len(reports) - 0.5), colours[report.segmenter]
            for y, group in enumerate(order):
                if group in report.groups:
                    _dot(panel, measures(report.groups[group])[name], y + shift, colour)
            panel.plot([], [], "o", color=colour, markersize=4, label=report.segmenter)
        panel.set_title(NAMES[name], fontsize=9)
        counts = [reports[0].groups[group].pictures for group in order]
        _tidy(panel, [f"{g or '(none)'} ({n})" for g, n in zip(order, counts, strict=True)])
    if len(reports) > 1:
        handles = panels[0].get_legend_handles_labels()
        figure.legend(*handles, frameon=False, loc="outside upper right", ncols=len(reports))
    return figure


def _dot(panel: Any, figure: Interval, y: float, colour: str) -> None:
    if np.isfinite(figure.low):
        panel.plot([figure.low, figure.high], [y, y], color=colour, linewidth=1.6, alpha=0.5)
    panel.plot([figure.value], [y], "o", color=colour, markersize=4)


def _tidy(panel: Any, rows: Sequence[str]) -> None:
    panel.set_yticks(range(len(rows)), rows, parse_math=False)
    panel.set_ylim(len(rows) - 0.5, -0.5)
    panel.spines[["top", "right", "left"]].set_visible(False)
    panel.tick_params(left=False)
    panel.grid(color="#eee")
    panel.set_axisbelow(True)


def svg(figure: Figure) -> str:
    """A figure as an address that holds it."""
    import matplotlib as mpl

    stream = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": "sfumato"}):
        figure.savefig(stream, format="svg", transparent=True, metadata={"Date": None})
    return embedded(stream.getvalue().encode(), "image/svg+xml")
