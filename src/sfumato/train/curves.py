"""Learning curves as a picture, and as numbers."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sfumato.io._files import write_whole

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw(rows: Sequence[Mapping[str, float]], target: Path, title: str = "") -> None:
    """Losses and IoU over the epochs, and the rate, as a PNG.

    Args:
        rows: a row an epoch, as :class:`sfumato.train.module.Training` keeps them.
        target: file to write; replaced if it exists.
        title: above the curves.
    """
    from matplotlib.figure import Figure

    epochs = [row["epoch"] + 1 for row in rows]
    marker = "o" if len(rows) == 1 else None
    figure = Figure(figsize=(10, 3.4), dpi=110, layout="constrained")
    figure.suptitle(title, fontsize=10)
    losses, ious = figure.subplots(1, 2)
    for axes in (losses, ious):
        axes.xaxis.get_major_locator().set_params(integer=True)
    losses.set(xlabel="epoch", ylabel="loss")
    for name, label in (("loss", "training"), ("val_loss", "validation")):
        losses.plot(epochs, [row[name] for row in rows], label=label, marker=marker)
    rate = losses.twinx()
    rate.plot(epochs, [row["rate"] for row in rows], color="#bbb", linewidth=0.8, label="rate")
    rate.set(ylabel="rate", ylim=(0, None))
    parts = [name for name in rows[-1] if name.startswith("iou/")]
    least = min(row.get(name, 1.0) for row in rows for name in (*parts, "iou"))
    # Room for what was gained: a net that begins well would otherwise be a line at the top.
    ious.set(xlabel="epoch", ylabel="validation IoU", ylim=(max(0.0, least // 0.05 * 0.05), 1))
    for name in (*parts, "iou"):
        look: dict[str, Any] = {"color": "#222", "linewidth": 1.8} if name == "iou" else {}
        values = [row.get(name, float("nan")) for row in rows]
        label = name.removeprefix("iou/") if name != "iou" else "mean" if parts else "IoU"
        ious.plot(epochs, values, label=label, marker=marker, **look)
    best = max(rows, key=lambda row: row["iou"])
    ious.axvline(best["epoch"] + 1, color="#bbb", linewidth=0.8, linestyle="--", zorder=0)
    for axes in (losses, ious):
        axes.legend(frameon=False, fontsize=8)
        axes.spines["top"].set_visible(False)
        axes.grid(axis="y", color="#eee")
    rate.spines["top"].set_visible(False)
    _save(figure, target)


def draw_style(rows: Sequence[Mapping[str, float]], target: Path, title: str = "") -> None:
    """Losses of a style net over the steps, and their terms on the photos measured on, as a PNG.

    Args:
        rows: a row a round, as :class:`sfumato.train.style_module.StyleTraining` keeps them.
        target: file to write; replaced if it exists.
        title: above the curves.
    """
    from matplotlib.figure import Figure

    steps = [row["step"] for row in rows]
    marker = "o" if len(rows) == 1 else None
    figure = Figure(figsize=(10, 3.4), dpi=110, layout="constrained")
    figure.suptitle(title, fontsize=10)
    shown = ({"loss": "training", "val_loss": "measured"}, {"content": "content", "style": "style"})
    for axes, names in zip(figure.subplots(1, 2), shown, strict=True):
        axes.set(xlabel="step", ylabel="loss", yscale="log")
        for name, label in names.items():
            axes.plot(steps, [row[name] for row in rows], label=label, marker=marker)
        axes.legend(frameon=False, fontsize=8)
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="y", color="#eee")
    _save(figure, target)


def _save(figure: Figure, target: Path) -> None:
    stream = io.BytesIO()
    figure.savefig(stream, format="png", metadata={"Software": None})
    write_whole(target, stream.getvalue(), overwrite=True)


def write_table(rows: Sequence[Mapping[str, float]], target: Path) -> None:
    """The same as a CSV file, a line an epoch; every figure reads back as it was."""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, list(rows[-1]), lineterminator="\n", restval="")
    writer.writeheader()
    whole = ("epoch", "step")
    writer.writerows({k: int(v) if k in whole else v for k, v in row.items()} for row in rows)
    write_whole(target, stream.getvalue().encode(), overwrite=True)
