"""Does painted training data find more people in paintings? The same net on photographs, on painted
photographs, and on both.

    sfumato dataset stylize ../shared/data/portraits painted/portraits --styles ../shared/data/art
    sfumato dataset stylize ../shared/data/people painted/people --styles ../shared/data/art
    python benchmarks/painted_training.py ../shared/data painted -o painted-training

Each run is the recipe (``art-unet`` unless told otherwise) with another set of data and another
seed, as many steps each; finished runs are kept, so that an interrupted one goes on. Measured are
IoU on the photographs of the val splits, and, on paintings (``art``, boxes only), the share of
boxes found, of the predicted pixels inside boxes, and false alarms. ``--epochs`` scales it up; with
``--nets NAME...`` the package's segmenters stand in the same table.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from sfumato.data.samples import open_samples
from sfumato.evaluate.boxes import evaluate as evaluate_boxes
from sfumato.evaluate.boxes import open_paintings
from sfumato.evaluate.finding import Find, finder
from sfumato.evaluate.segmenter import evaluate
from sfumato.settings import Settings
from sfumato.train.callbacks import Stand
from sfumato.train.recipe import read
from sfumato.train.run import train

SETS = ("portraits", "people")
DATA = ("photos", "painted", "both")
COLUMNS = ("portraits", "people", "boxes found", "inside boxes", "false alarms")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("data", type=Path, help="with portraits/, people/ and art/")
    parser.add_argument("painted", type=Path, help="with painted portraits/ and people/")
    parser.add_argument("-o", "--output", type=Path, default=Path("painted-training"))
    parser.add_argument("--recipe", default="art-unet")
    parser.add_argument("--on", nargs="+", choices=DATA, default=DATA)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--epochs", type=int, help="in place of the recipe's")
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", dest="changes")
    parser.add_argument("--nets", nargs="*", default=[], help="segmenters of the package, too")
    parser.add_argument("--limit", type=int, help="paintings of each kind")
    arguments = parser.parse_args()
    rows: dict[str, list[dict[str, float]]] = {}
    for what in arguments.on:
        for seed in arguments.seeds:
            folder = arguments.output / f"{arguments.recipe}-{what}-{seed}"
            trained(folder, arguments, what, seed)
            net = finder("net", ["person"], Settings(options=weights_of(folder)))
            rows.setdefault(what, []).append(measured(folder / "measured.json", net, arguments))
            print(table(rows), flush=True)
    for name in arguments.nets:
        file = arguments.output / f"{name}.json"
        rows[name] = [measured(file, finder(name, ["person"]), arguments)]
    print(table(rows))


def trained(folder: Path, arguments: argparse.Namespace, what: str, seed: int) -> None:
    """Train one net, unless it is there."""
    if (folder / "README.md").exists():
        return
    photos = [str(arguments.data / name) for name in SETS]
    painted = [str(arguments.painted / name) for name in SETS]
    changes: dict[str, Any] = {
        "data": {"photos": photos, "painted": painted, "both": photos + painted}[what],
        "validation": photos,
        "seed": seed,
    }
    changes |= dict(change.split("=", 1) for change in arguments.changes)
    if arguments.epochs:
        changes["epochs"] = arguments.epochs

    def watch(stand: Stand) -> None:
        if stand.note or stand.epoch == int(stand.epoch):
            print(f"{folder.name}: epoch {stand.epoch:g}/{stand.epochs} {stand.note}", flush=True)

    train(read(arguments.recipe, changes), folder, resume=folder.exists(), watch=watch)


def weights_of(folder: Path) -> dict[str, dict[str, str]]:
    return {"net": {"weights": str(folder / "net.onnx")}}


def measured(file: Path, find: Find, arguments: argparse.Namespace) -> dict[str, float]:
    """A net's figures, from the file if they are there."""
    if not file.exists():
        figures = dict(figures_of(find, arguments.data, arguments.limit))
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(figures))
    return dict(json.loads(file.read_text()))


def figures_of(find: Find, data: Path, limit: int | None) -> Iterator[tuple[str, float]]:
    for name in SETS:
        report = evaluate(find, open_samples(str(data / name), "val"))
        yield name, report.overall.classes["person"]["picture_iou"].value
    report = evaluate_boxes(find, open_paintings(str(data / "art"), "val"), limit=limit)
    for column in ("boxes_found", "pixels_inside", "false_alarms"):
        yield column, report.overall.measures[column].value
    for group, figures in report.groups.items():
        yield f"boxes_found/{group}", figures.measures["boxes_found"].value


def table(rows: dict[str, list[dict[str, float]]]) -> str:
    """Means over the seeds, with the spread between them."""
    lines = ["| trained on | seeds | " + " | ".join(COLUMNS) + " |", "|---" * 7 + "|"]
    names = (*SETS, "boxes_found", "pixels_inside", "false_alarms")
    for what, runs in rows.items():
        cells = []
        for name in names:
            values = [run[name] for run in runs]
            spread = f" ± {np.std(values, ddof=1):.3f}" if len(values) > 1 else ""
            cells.append(f"{np.mean(values):.3f}{spread}")
        lines.append(f"| {what} | {len(runs)} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
