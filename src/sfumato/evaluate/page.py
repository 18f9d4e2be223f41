"""A page about some reports: tables, plots, and the worst cases to look at.

The HTML stands by itself, pictures and plots inside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

import sfumato
from sfumato.data.samples import IGNORED
from sfumato.evaluate import plots
from sfumato.evaluate.report import COLUMNS, NAMES, Case, Figures, Report
from sfumato.io import pictures
from sfumato.io.embedding import embedded
from sfumato.io.icc import unit
from sfumato.report import check_installed

__all__ = ["check_installed", "difference", "page"]

RIGHT, WRONG, MISSED = (245, 245, 240), (214, 69, 65), (52, 120, 190)
"""In a difference: found rightly, found wrongly, missed."""

_TEMPLATE = Path(__file__).with_name("page.html")
_LABELS = np.array([list(bytes.fromhex(c[1:])) for c in ("#222222", *plots.COLOURS)], np.uint8)


def page(reports: Sequence[Report], *, title: str, split: str) -> str:
    """The page as HTML; everything that a user named is escaped.

    Raises:
        MissingExtraError: the ``report`` extra is not installed.
    """
    check_installed()
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    template = environment.from_string(_TEMPLATE.read_text(encoding="utf-8"))
    colours = plots.colours_of(reports)
    kinds = [[r for r in reports if r.kind == kind] for kind in ("masks", "boxes")]
    grouped: dict[tuple[str, str], list[Report]] = {}
    for report in reports:
        if report.groups:
            grouped.setdefault((report.kind, report.data), []).append(report)
    return template.render(
        title=title,
        split=split,
        version=sfumato.__version__,
        names=NAMES,
        tables=[_table(part) for part in kinds if part],
        plots=[plots.svg(plots.overview(part, colours)) for part in kinds if part],
        distribution=plots.svg(plots.distribution(kinds[0], colours)) if kinds[0] else None,
        groups=[
            (data, plots.svg(plots.by_group(part, colours))) for (_, data), part in grouped.items()
        ],
        reports=[_details(report) for report in reports],
    )


def difference(case: Case) -> NDArray[np.uint8]:
    """The picture, dimmed and grey, with what is right, wrong and missed in colour: uint8
    ``[h, w, 3]``. By boxes: inside them right, outside wrong."""
    found, valid = case.predicted > 0, np.ones(case.predicted.shape, np.bool_)
    if case.truth is None:
        true = np.zeros(found.shape, np.bool_)
        for x0, y0, x1, y1 in _corners(case):
            true[max(0, y0) : y1, max(0, x0) : x1] = True
        right, wrong, missed = found & true, found & ~true, np.zeros_like(true)
    else:
        valid = case.truth != IGNORED
        same = case.predicted == case.truth
        right = found & same
        wrong, missed = found & ~same, ~found & ~same
    grey = cv2.cvtColor(case.image, cv2.COLOR_RGB2GRAY)[..., None] * 0.45
    shown = np.repeat(grey, 3, axis=2)
    for pixels, colour in ((right, RIGHT), (wrong, WRONG), (missed, MISSED)):
        share = 0.45 if colour is RIGHT else 0.85
        where = np.nonzero(pixels & valid)
        shown[where] = (1 - share) * shown[where] + share * np.array(colour)
    return np.asarray(np.rint(shown), np.uint8)


def _details(report: Report) -> dict[str, Any]:
    """What the template shows of one report."""
    return {
        "report": report,
        "classes": [(name, dict(figures)) for name, figures in report.overall.classes.items()],
        "confusion": _confusion(report),
        "groups": [(name, _row(report.kind, f)) for name, f in report.groups.items()],
        "group_names": [NAMES[m] for m in plots.PLOTTED[report.kind]],
        "worst": [_shown(case) for case in report.worst],
    }


def _row(kind: str, figures: Figures) -> tuple[int, list[Any]]:
    return figures.pictures, [plots.measures(figures).get(m) for m in plots.PLOTTED[kind]]


def _table(reports: Sequence[Report]) -> dict[str, Any]:
    names = COLUMNS[reports[0].kind]
    rows = [(r, [plots.measures(r.overall).get(name) for name in names]) for r in reports]
    return {"names": list(names.values()), "rows": rows}


def _confusion(report: Report) -> list[tuple[str, list[float]]]:
    """Each true class with the shares of its pixels by predicted class."""
    if report.confusion is None:
        return []
    shares = report.confusion / np.maximum(report.confusion.sum(axis=1, keepdims=True), 1)
    return list(zip(report.classes, shares.tolist(), strict=True))


def _shown(case: Case) -> dict[str, Any]:
    truth = _boxed(case) if case.truth is None else _coloured(case.truth)
    parts = (
        ("photo", case.image),
        ("boxes" if case.truth is None else "truth", truth),
        ("prediction", _coloured(case.predicted)),
        ("difference", difference(case)),
    )
    return {"name": case.name, "text": case.text, "pictures": [(n, _jpeg(p)) for n, p in parts]}


def _coloured(labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Black and white for one class, else a colour for each; ignored = mid-grey."""
    colours = np.full((256, 3), 128, np.uint8)
    count = int(labels[labels != IGNORED].max(initial=0))
    if count <= 1:
        colours[:2] = [[20] * 3, [240] * 3]
    else:
        for k in range(count + 1):
            colours[k] = _LABELS[0 if k == 0 else 1 + (k - 1) % len(plots.COLOURS)]
    return np.asarray(colours[labels])


def _boxed(case: Case) -> NDArray[np.uint8]:
    shown = case.image.copy()
    for left, top, right, bottom in _corners(case):
        cv2.rectangle(shown, (left, top), (right - 1, bottom - 1), (255, 220, 60), 2)
    return shown


def _corners(case: Case) -> list[list[int]]:
    """The boxes in pixels of the kept picture."""
    if case.boxes is None:
        return []
    height, width = case.predicted.shape
    corners: list[list[int]] = (
        np.rint(case.boxes * (width, height, width, height)).astype(int).tolist()
    )
    return corners


def _jpeg(picture: NDArray[np.uint8]) -> str:
    return embedded(
        pictures.to_bytes(pictures.from_image(unit(picture)), "jpeg", quality=85), "image/jpeg"
    )
