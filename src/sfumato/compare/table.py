"""What a comparison says: each row's figures, what rows differ in, and all of it as data."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import sfumato
from sfumato.compare.measures import MEASURES, Measure
from sfumato.compare.plan import SETTINGS, Row, effective
from sfumato.compare.run import Comparison
from sfumato.optimise.recipe import Recipe
from sfumato.settings import Settings

OWN = {"style": "style layers", "content": "content layers"}
"""What to call options of stylizers whose names mean something else in a plan."""

NONE = "–"

PLAIN = ("kind", "style", "style_region", "region", "stylizer", "painting", "result")


@dataclass(frozen=True)
class Line:
    """What came of a row.

    Attributes:
        row: how it was done.
        values: measure -> its figures, one a picture; None where there is none.
        broken: pictures on which it failed, and why.
        twin: name of the row before it that says the same, if one does.
    """

    row: Row
    values: Mapping[str, Sequence[float | None]]
    broken: Sequence[tuple[str, str]]
    twin: str | None = None

    def mean(self, name: str) -> float | None:
        """Of a measure, over the pictures that have it."""
        known = [value for value in self.values.get(name, ()) if value is not None]
        return float(np.mean(known)) if known else None


def lines(comparison: Comparison) -> list[Line]:
    """The rows with their figures."""
    found = []
    for row, cells in zip(comparison.plan.rows, comparison.cells, strict=True):
        records = [record for _, record in cells]
        values = {
            measure.name: [_finite(r["measures"].get(measure.name)) for r in records]
            for measure in MEASURES
        }
        broken = [(work.name, record["broken"]) for work, record in cells if record["broken"]]
        found.append(Line(row, values, broken, comparison.twins.get(row.name)))
    return found


def known(rows: Sequence[Line]) -> list[Measure]:
    """The measures that any row has."""
    return [m for m in MEASURES if any(line.mean(m.name) is not None for line in rows)]


def best(rows: Sequence[Line], measure: Measure) -> set[str]:
    """Names of the rows with the best mean, where there are others to compare with.

    A mean counts only over all pictures: on fewer it may just have had the easier ones.
    """
    if not measure.better:
        return set()
    means: dict[str, float] = {}
    for line in rows:
        mean = line.mean(measure.name)
        if mean is not None and None not in line.values[measure.name]:
            means[line.row.name] = mean
    if len(set(means.values())) < 2:
        return set()
    top = (min if measure.better == "less" else max)(means.values())
    return {name for name, mean in means.items() if measure.form.format(mean) ==
            measure.form.format(top)}  # fmt: skip


def settings(row: Row) -> dict[str, Any]:
    """All that a row was done with, as it works: the stylizer's options by their own names, with
    defaults and what its preset says; those of other backends as ``BACKEND.OPTION``."""
    defaults = Settings()
    plain = {name: getattr(row, name) for name in PLAIN}
    plain |= {name: getattr(row, name) for name in SETTINGS}
    found = {n: getattr(defaults, n, None) if v is None else v for n, v in plain.items()}
    if row.painter:
        found["stylizer"] = row.painter
        own = effective(row.painter, row.options.get(row.painter, {}))
        found |= {OWN.get(name, name if name not in found else f"its {name}"): value
                  for name, value in own.items()}  # fmt: skip
    for backend, options in row.options.items():
        if backend != row.painter:
            found |= {f"{backend}.{option}": value for option, value in options.items()}
    found |= {f"placing.{name}": value for name, value in row.placing.items()}
    return found


def differences(rows: Sequence[Row]) -> dict[str, list[tuple[str, bool]]]:
    """What rows differ in: setting -> for each row its value in words, and whether it is another
    than that of the first row that has it.

    An option counts that a row says, itself or by its preset; what stylizers differ in by
    themselves is theirs. It is compared among the rows that have it; one that some rows have and
    others do not is listed if a row says it itself.
    """
    tables = [settings(row) for row in rows]
    itself = {OWN.get(o, o) for row in rows for o in row.options.get(row.painter or "", {})}
    itself |= {name for table in tables for name in table if "." in name}
    preset = {OWN.get(name, name) for name in Recipe.model_fields} if "preset" in itself else set()
    said = {*PLAIN, *SETTINGS, *itself, *preset}
    found = {}
    for name in dict.fromkeys(name for table in tables for name in table):
        have = {words(table[name]) for table in tables if name in table}
        missing = any(name not in table for table in tables)
        if (name in said and len(have) > 1) or (name in itself and missing):
            values = [words(table[name]) if name in table else NONE for table in tables]
            first = next(value for value in values if value != NONE)
            found[name] = [(value, value not in (first, NONE)) for value in values]
    return found


def words(value: Any) -> str:
    """A setting's value to read."""
    if value is None:
        return "auto"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, Mapping):
        return " · ".join(f"{name} {words(inner)}" for name, inner in value.items())
    if isinstance(value, str) and "/" in value and Path(value).is_file():
        return Path(value).name
    return str(value)


def as_dict(comparison: Comparison) -> dict[str, Any]:
    """Everything as plain JSON-able data."""
    plan = comparison.plan
    return {
        "sfumato": sfumato.__version__,
        "plan": plan.name,
        "title": plan.title,
        "side": plan.side,
        "pictures": [one.name for one in comparison.pictures],
        "rows": [
            {
                "name": line.row.name,
                "note": line.row.note,
                "same_as": line.twin,
                "means": {m.name: line.mean(m.name) for m in known([line])},
                "settings": json.loads(json.dumps(settings(line.row), default=str)),
            }
            for line in lines(comparison)
        ],
        "cells": [
            {
                "row": row.name,
                "picture": work.name,
                "result": None if record["broken"] else f"cells/{work.key}.png",
                **{name: record[name] for name in ("broken", "notes", "timings", "losses")},
                "measures": {n: _finite(v) for n, v in record["measures"].items()},
                "weights": record["weights"],
            }
            for row, cells in zip(plan.rows, comparison.cells, strict=True)
            for work, record in cells
        ],
    }  # fmt: skip


def as_csv(comparison: Comparison) -> str:
    """One line a cell: row, picture, what broke it, all measures, seconds by stage."""
    cells = as_dict(comparison)["cells"]
    stages = dict.fromkeys(stage for cell in cells for stage in cell["timings"])
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    names = [measure.name for measure in MEASURES]
    writer.writerow(["row", "picture", "broken", *names, *(f"seconds_{stage}" for stage in stages)])
    for cell in cells:
        figures = [cell["measures"].get(name) for name in names]
        seconds = [cell["timings"].get(stage) for stage in stages]
        values = ["" if value is None else value for value in (*figures, *seconds)]
        writer.writerow([cell["row"], cell["picture"], cell["broken"], *values])
    return stream.getvalue()


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
