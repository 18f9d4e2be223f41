"""Pictures and plots in matplotlib figures: one look for all that is drawn here.

Figures are objects of their own, without pyplot's state, so notebooks, threads and the command
line may all draw them. Sizes are in inches; at :data:`DPI` small text is still sharp.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sfumato.errors import MissingExtraError
from sfumato.io.icc import unit
from sfumato.io.pictures import Picture
from sfumato.ops.colour import luma
from sfumato.ops.resize import fit
from sfumato.types import Image, Mask

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH, DPI = 10.0, 200
PAPER, INK, QUIET, LINE = "#f7f6f3", "#262626", "#77746e", "#d9d6cf"
COLOURS = ("#2b6a99", "#c8553d", "#5b8c5a", "#8d6a9f", "#c89b3c", "#4f9d9d", "#7a5c4f", "#888888")
"""Of lines and dots, in turn."""

GAP, EDGE = 0.1, 0.18
TITLE, NOTE, HEADING = 8.5, 7.0, 12.0


@dataclass(frozen=True, eq=False)
class Panel:
    """A picture in a figure.

    Attributes:
        image: floats ``[h, w, 3]`` 0..1 (or 0..1 with alpha, ``[h, w, 4]``), or ``[h, w]``, drawn
            in ``colours`` between ``low`` and ``high``; None leaves the place empty.
        title, note: a line (or more) above it, in ink and in a quieter grey.
        colours: matplotlib's name of the colours for an ``[h, w]`` array.
        low, high: ends of the colours; None = the array's own.
    """

    image: NDArray[Any] | None
    title: str = ""
    note: str = ""
    colours: str = "gray"
    low: float | None = None
    high: float | None = None


def check_installed() -> None:
    """Raise MissingExtraError unless figures can be drawn."""
    if importlib.util.find_spec("matplotlib") is None:
        raise MissingExtraError("drawing figures", "report")


def blank(height: float, *, width: float = WIDTH, heading: str = "", note: str = "") -> Figure:
    """An empty figure on the house's paper, with a heading; ``height`` and ``width`` in inches.

    Its layout is ``constrained``: axes of ``figure.subplots`` arrange themselves below the heading.
    """
    check_installed()
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=DPI, facecolor=PAPER, layout="constrained")
    engine = figure.get_layout_engine()
    top = head(heading, note)
    assert engine is not None
    engine.set(  # type: ignore[call-arg]
        w_pad=GAP / 2, h_pad=GAP / 2,
        rect=(EDGE / width, EDGE / height, 1 - 2 * EDGE / width, 1 - (2 * EDGE + top) / height),
    )  # fmt: skip
    _heading(figure, heading, note)
    return figure


def grid(
    panels: Sequence[Panel],
    columns: int,
    *,
    heading: str = "",
    note: str = "",
    width: float = WIDTH,
) -> Figure:
    """Pictures in rows, each as large as ``columns`` in a row allow, with what is written above.

    Args:
        panels: row by row; pictures of other proportions than the first are fitted into its.
        columns: in a row, also where there are fewer panels.
        heading, note: above all of them.
        width: inches.
    """
    check_installed()
    from matplotlib.figure import Figure

    shape = next((p.image.shape for p in panels if p.image is not None), (1, 1))
    wide = (width - 2 * EDGE - (columns - 1) * GAP) / columns
    tall = min(wide * shape[0] / shape[1], 4 * wide)
    rows = [panels[i : i + columns] for i in range(0, len(panels), columns)]
    above = [max(_above(panel) for panel in row) for row in rows]
    top = head(heading, note)
    height = 2 * EDGE + top + sum(above) + len(rows) * tall + (len(rows) - 1) * GAP
    figure = Figure(figsize=(width, height), dpi=DPI, facecolor=PAPER)
    _heading(figure, heading, note)
    y = height - EDGE - top
    for row, text in zip(rows, above, strict=True):
        y -= text + tall
        for i, panel in enumerate(row):
            x = EDGE + i * (wide + GAP)
            axes = figure.add_axes((x / width, y / height, wide / width, tall / height))
            show(axes, panel)
        y -= GAP
    return figure


def show(axes: Axes, panel: Panel) -> Any:
    """Put a picture into axes, without ticks; returns what ``imshow`` does (for a colour bar)."""
    axes.set_axis_off()
    drawn = None
    if panel.image is not None:
        high = 1 if panel.image.ndim == 3 else panel.high
        image = np.clip(panel.image, 0, 1) if panel.image.ndim == 3 else panel.image
        method = "nearest" if max(image.shape[:2]) < 128 else "auto"
        drawn = axes.imshow(
            image, cmap=panel.colours, vmin=panel.low, vmax=high, interpolation=method
        )
    lines = panel.note.count("\n") + 1 if panel.note else 0
    write: Any = {"xycoords": "axes fraction", "textcoords": "offset points", "parse_math": False}
    if panel.note:
        axes.annotate(panel.note, (0, 1), (0, 3), fontsize=NOTE, color=QUIET, va="bottom", **write)
    if panel.title:
        up = 3 + lines * NOTE * 1.35
        axes.annotate(panel.title, (0, 1), (0, up), fontsize=TITLE, color=INK, va="bottom", **write)
    return drawn


def tidy(axes: Axes, title: str = "", *, x: str = "", y: str = "", ticks: bool = True) -> None:
    """The house's look of a plot: a title at the left, thin lines, nothing at the top and right."""
    axes.set_facecolor(PAPER)
    axes.set_title(title, loc="left", fontsize=TITLE, color=INK, parse_math=False)
    axes.set_xlabel(x, fontsize=NOTE, color=QUIET)
    axes.set_ylabel(y, fontsize=NOTE, color=QUIET)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(LINE)
    axes.tick_params(labelsize=NOTE, colors=QUIET, length=2 if ticks else 0)
    axes.grid(color=LINE, linewidth=0.5)
    axes.set_axisbelow(True)


def pixels(figure: Figure) -> Image:
    """A figure as a picture: float32 ``[H, W, 3]``, 0..1."""
    return unit(_drawn(figure))


def stacked(figures: Sequence[Figure]) -> Image:
    """Figures of one width as one picture, the first on top: float32 ``[H, W, 3]``, 0..1."""
    return unit(np.concatenate([_drawn(figure) for figure in figures]))


def picture(figures: Sequence[Figure]) -> Picture:
    """The same ready to be written, by ``files.write``; a quarter of the memory."""
    return Picture(np.concatenate([_drawn(figure) for figure in figures]))


def small(image: Image, columns: int, *, width: float = WIDTH) -> Image:
    """A picture no larger than what a grid of so many columns shows of it."""
    return fit(image, max(64, round(width * DPI / columns)))


def _drawn(figure: Figure) -> NDArray[np.uint8]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas: Any = FigureCanvasAgg(figure)
    canvas.draw()
    return np.array(canvas.buffer_rgba(), np.uint8)[..., :3]


def alone(image: Image, mask: Mask) -> Image:
    """The selected pixels over a pale ghost of the others: float32 ``[H, W, 3]``, 0..1."""
    ghost = 0.86 + 0.1 * luma(image)[..., None]
    return np.where(mask[..., None], image, ghost).astype(np.float32)


def number(value: float) -> str:
    """A whole number with its thousands apart."""
    return f"{value:,.0f}".replace(",", " ")


def head(heading: str, note: str = "") -> float:
    """Inches that a heading takes."""
    return (HEADING * 1.5 * bool(heading) + NOTE * 1.4 * _lines(note) + 4 * bool(heading)) / 72


def _heading(figure: Figure, heading: str, note: str) -> None:
    width, height = figure.get_size_inches()
    x, y = EDGE / width, 1 - EDGE / height
    if heading:
        figure.text(x, y, heading, fontsize=HEADING, color=INK, va="top", parse_math=False)
    if note:
        y -= HEADING * 1.5 * bool(heading) / 72 / height
        figure.text(x, y, note, fontsize=NOTE, color=QUIET, va="top", parse_math=False)


def _above(panel: Panel) -> float:
    """Inches of what is written above a panel."""
    text = TITLE * 1.35 * _lines(panel.title) + NOTE * 1.35 * _lines(panel.note)
    return (text + 5 * bool(text)) / 72


def _lines(text: str) -> int:
    return text.count("\n") + 1 if text else 0
