"""How well each segmenter finds people in the paintings of each movement, as a picture.

sfumato evaluate segmenter --data ../shared/data/art --segmenter person --json person.json
sfumato evaluate segmenter --data ../shared/data/art --segmenter modnet --json modnet.json
python examples/movement_chart.py person.json modnet.json -o movements.png

Of paintings with masks it shows the IoU, of those with boxes only the share of boxes found.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

LEAST = 8
"""Paintings with people that a movement needs to be shown."""

COLOURS = ("#b5451b", "#3a6ea5", "#9aa5a0", "#d9a441")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("files", nargs="+", type=Path, help="of 'sfumato evaluate --json'")
    parser.add_argument("-o", "--output", type=Path, default=Path("movements.png"))
    arguments = parser.parse_args()
    reports = [r for file in arguments.files for r in json.loads(file.read_text())["reports"]]
    counts = people(reports[0])
    found = {r["segmenter"]: values_of(r) for r in reports}
    first = next(iter(found.values()))
    shown = sorted((m for m, n in counts.items() if n >= LEAST), key=lambda m: first[m])
    figure, axes = plt.subplots(figsize=(8, 0.34 * len(shown) + 1.2), layout="constrained")
    thick = 0.8 / len(found)
    for k, (name, values) in enumerate(found.items()):
        at = [i + 0.4 - thick * (k + 0.5) for i in range(len(shown))]
        axes.barh(at, [values[m] for m in shown], thick, color=COLOURS[k], label=name)
    axes.set_yticks(range(len(shown)), [f"{m} ({counts[m]})" for m in shown])
    boxed = reports[0]["kind"] == "boxes"
    axes.set_xlabel("share of people's boxes that are found" if boxed else "IoU of people")
    axes.set(xlim=(0, 1), ylim=(-0.6, len(shown) - 0.4))
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(loc="lower right", frameon=False)
    figure.savefig(arguments.output, dpi=110)


def people(report: Any) -> dict[str, int]:
    """Movement -> pictures that show people."""
    counts: dict[str, int] = {}
    for row in report["pictures"]:
        counts[row["group"]] = counts.get(row["group"], 0) + (row.get("boxes", 1) > 0)
    return counts


def values_of(report: Any) -> dict[str, float]:
    """Movement -> what is measured of it."""
    if report["kind"] == "boxes":
        return {m: f["measures"]["boxes_found"]["value"] for m, f in report["groups"].items()}
    return {m: f["classes"]["person"]["picture_iou"]["value"] for m, f in report["groups"].items()}


if __name__ == "__main__":
    main()
