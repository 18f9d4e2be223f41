"""The page of a comparison: pictures, tables, plots. It stands by itself, pictures inside."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

import sfumato
from sfumato import regions, styles
from sfumato.compare import plots, table
from sfumato.compare.measures import Measure
from sfumato.compare.run import Comparison
from sfumato.compare.table import Line
from sfumato.compare.work import Work
from sfumato.evaluate import segmenter
from sfumato.evaluate.page import difference
from sfumato.evaluate.plots import svg
from sfumato.evaluate.report import Case, small, small_labels
from sfumato.io import pictures
from sfumato.io._files import write_whole
from sfumato.io.embedding import embedded
from sfumato.io.icc import unit
from sfumato.ops.resize import fit
from sfumato.report import check_installed
from sfumato.types import Image

__all__ = ["check_installed", "page", "write"]

SIDE = 560
"""Longer side in pixels of the pictures in the page."""

COLUMNS = 12
"""Pictures that the page shows; tables, plots and data count all."""

_TEMPLATE = Path(__file__).with_name("page.html")

PAGE, NUMBERS, TABLE = "report.html", "report.json", "report.csv"


def write(comparison: Comparison, folder: Path) -> None:
    """Write ``report.html``, ``report.json`` and ``report.csv`` into the comparison's folder.

    Raises:
        MissingExtraError: the ``report`` extra is not installed.
        PictureError: a file cannot be written.
    """
    texts = {
        PAGE: page(comparison),
        NUMBERS: numbers(comparison),
        TABLE: table.as_csv(comparison),
    }
    for name, text in texts.items():
        write_whole(folder / name, text.encode(), overwrite=True)


def numbers(comparison: Comparison) -> str:
    """Everything as JSON text."""
    return json.dumps(table.as_dict(comparison), indent=2, ensure_ascii=False) + "\n"


def page(comparison: Comparison) -> str:
    """The page as HTML; everything that a user named is escaped.

    Raises:
        MissingExtraError: the ``report`` extra is not installed.
    """
    check_installed()
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["marked"] = _marked
    template = environment.from_string(_TEMPLATE.read_text(encoding="utf-8"))
    rows = table.lines(comparison)
    measures = table.known(rows)
    drawn = {
        "Each measure": plots.measures(rows) if measures else None,
        "Style against content": plots.balance(rows),
        "Seconds by stage": plots.stages(comparison),
    }
    return template.render(
        plan=comparison.plan,
        about=[_marked(text) for text in comparison.plan.about.split("\n\n") if text],
        version=sfumato.__version__,
        shown=[one.name for one in comparison.pictures[:COLUMNS]],
        count=len(comparison.pictures),
        head=_head(comparison),
        grid=[
            (row, [_cell(work, record) for work, record in cells[:COLUMNS]])
            for row, cells in zip(comparison.plan.rows, comparison.cells, strict=True)
        ],
        measures=measures,
        lines=[(line, _figures(line, rows, measures)) for line in rows],
        plots=[(title, svg(figure)) for title, figure in drawn.items() if figure],
        names=[row.name for row in comparison.plan.rows],
        differences=table.differences(comparison.plan.rows),
        alike=_alike(comparison),
        cells=_cells(comparison, measures),
    )


def _marked(text: str) -> Any:
    """Words between backticks as code; all else escaped."""
    from markupsafe import Markup, escape

    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))


def _figures(line: Line, rows: list[Line], measures: list[Measure]) -> list[dict[str, Any]]:
    """What the table says of a row: figure, text, how it compares to the first row, if best."""
    found = []
    for measure in measures:
        mean, first = line.mean(measure.name), rows[0].mean(measure.name)
        against = ""
        if mean is not None and first and line is not rows[0]:
            ratio = mean / first
            against = _share(ratio) if 0.1 < ratio < 2 else _times(ratio)
        found.append(
            {
                "sort": "" if mean is None else repr(mean),
                "text": "–" if mean is None else measure.form.format(mean),
                "against": against,
                "best": line.row.name in table.best(rows, measure),
            }
        )
    return found


def _share(ratio: float) -> str:
    text = f"{100 * (ratio - 1):+.0f} %".replace("-", "−")
    return "the same" if text in ("+0 %", "−0 %") else text


def _times(ratio: float) -> str:
    return f"× {ratio:.0f}" if ratio > 9.5 else f"× {ratio:.2g}"


def _cells(comparison: Comparison, measures: list[Measure]) -> list[dict[str, Any]]:
    """Each cell's figures as they are written."""
    found = []
    for row, cells in zip(comparison.plan.rows, comparison.cells, strict=True):
        for work, record in cells:
            values = [record["measures"].get(measure.name) for measure in measures]
            texts = [
                ("", "–") if v is None else (repr(v), m.form.format(v))
                for m, v in zip(measures, values, strict=True)
            ]
            found.append({"row": row.name, "picture": work.name, "values": texts, **record})
    return found


def _alike(comparison: Comparison) -> list[tuple[str, str]]:
    """Settings that no two rows differ in."""
    differ = table.differences(comparison.plan.rows)
    own = table.settings(comparison.plan.rows[0])
    return [
        (name, table.words(value))
        for name, value in own.items()
        if name not in differ and value is not None
    ]


def _head(comparison: Comparison) -> list[dict[str, Any]]:
    """What the columns show on top: each picture, and its styles."""
    found = []
    for i, one in enumerate(comparison.pictures[:COLUMNS]):
        named = dict.fromkeys(cells[i][0].style for cells in comparison.cells)
        wanted = [(name, styles.resolve(name).image) for name in named if name]
        found.append(
            {
                "picture": _jpeg(_image(one.file)),
                "styles": [(Path(n).name, _jpeg(fit(s, 160))) for n, s in wanted if s is not None],
            }
        )
    return found


def _cell(work: Work, record: dict[str, Any]) -> dict[str, Any]:
    picture = None
    if not record["broken"]:
        picture = _jpeg(_found(work) if work.row.finds else _image(work.result))
    return {"picture": picture, "broken": record["broken"], "name": work.name}


def _found(work: Work) -> Image:
    """The picture with what was found in it; where the truth is known, right, wrong and missed."""
    image, alpha = _pixels(work.picture), unit(_pixels(work.result))
    if work.truth is None:
        grey = 0.16 + 0.22 * unit(image).mean(axis=2, keepdims=True)
        return np.asarray(grey + alpha[..., None] * (unit(image) - grey), np.float32)
    truth = _pixels(work.truth)
    if work.classes:
        plan = [regions.parse(str(work.row.region))]
        truth = segmenter.true_labels(truth, work.classes, plan)
    shown = small(image)
    predicted = small_labels((alpha > 0.5).astype(np.uint8), shown.shape)
    case = Case(work.name, 0.0, "", shown, predicted, small_labels(truth, shown.shape))
    return unit(difference(case))


def _image(path: Path) -> Image:
    return unit(_pixels(path))


def _pixels(path: Path) -> NDArray[np.uint8]:
    with PillowImage.open(path) as file:
        return np.asarray(file)


def _jpeg(image: Image) -> str:
    picture = pictures.from_image(fit(image, SIDE))
    return embedded(pictures.to_bytes(picture, "jpeg", quality=88), "image/jpeg")
