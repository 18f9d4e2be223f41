"""Does painted training data find more people in paintings? The same net on photographs, on painted
photographs, and on other mixtures.

    for part in portraits people; do
        sfumato dataset stylize DATA/$part painted/$part --styles DATA/art -O adain.least_side=16
    done
    sfumato dataset outline DATA/art outlined
    python benchmarks/painted_training.py DATA painted outlined -o painted-training

Each run is the recipe (``art-unet`` unless told otherwise) with another set of data and another
seed, as many steps each; finished runs are kept, so that an interrupted one goes on. Measured are
IoU on the photographs of the val splits; on the paintings of the val split IoU and mIoU with masks
made from their boxes (``outlined``), and by the boxes alone the share of boxes found, of the
predicted pixels inside boxes. False alarms are counted on paintings without people that no net
learns from: half of those of the train split (``held`` in outlined/split.json; ``learn`` is the
rest of it). ``--epochs`` scales it up; with ``--nets NAME...``
the package's segmenters stand in the same table.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sfumato.data.samples import open_samples
from sfumato.evaluate.boxes import ALARM, open_paintings
from sfumato.evaluate.boxes import evaluate as evaluate_boxes
from sfumato.evaluate.finding import THRESHOLD, Find, finder
from sfumato.evaluate.segmenter import evaluate
from sfumato.io.icc import unit
from sfumato.settings import Settings
from sfumato.train.callbacks import Stand
from sfumato.train.recipe import read
from sfumato.train.run import train
from sfumato.types import Image

SETS = ("portraits", "people")
COLUMNS = {
    "portraits": "portraits IoU",
    "people": "people IoU",
    "art": "paintings IoU",
    "art_mean": "paintings mIoU",
    "boxes_found": "boxes found",
    "pixels_inside": "inside boxes",
    "false_alarms": "false alarms",
}

COLOURS = ("#9aa5a0", "#3a6ea5", "#b5451b", "#d9a441", "#5a7f4d", "#7d5a8c", "#222222")

Changes = dict[str, Any]


def photos(at: argparse.Namespace) -> list[str]:
    return [str(at.data / name) for name in SETS]


def painted(at: argparse.Namespace) -> list[str]:
    return [str(at.painted / name) for name in SETS]


def outlined(at: argparse.Namespace, weight: float = 1) -> dict[str, Any]:
    return {"spec": str(at.outlined), "split": "learn", "weight": weight}


def on_the_fly(at: argparse.Namespace, **more: float) -> Changes:
    """Every other photograph painted as it is read, each time anew; by Magenta's net, since AdaIN
    would take four times as long as the learning."""
    changes = {f"augmentation.{key}": value for key, value in more.items()}
    return {
        "data": photos(at),
        "augmentation.restyle": 0.5,
        "painting.styles": [str(at.data / "art")],
        **changes,
    }


ARMS: dict[str, Callable[[argparse.Namespace], Changes]] = {
    "photos": lambda at: {"data": photos(at)},
    "painted": lambda at: {"data": painted(at)},
    "both": lambda at: {"data": photos(at) + painted(at)},
    "on-the-fly": on_the_fly,
    "apart": lambda at: on_the_fly(at, apart=0.5),
    "outlined": lambda at: {"data": [*photos(at), outlined(at)]},
    "everything": lambda at: {"data": [*photos(at), *painted(at), outlined(at, weight=2)]},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("data", type=Path, help="with portraits/, people/ and art/")
    parser.add_argument("painted", type=Path, help="with painted portraits/ and people/")
    parser.add_argument("outlined", type=Path, help="art/ with masks")
    parser.add_argument("-o", "--output", type=Path, default=Path("painted-training"))
    parser.add_argument("--recipe", default="art-unet")
    parser.add_argument("--on", nargs="+", choices=ARMS, default=["photos", "painted", "both"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--epochs", type=int, help="in place of the recipe's")
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", dest="changes")
    parser.add_argument("--tag", default="", help="in the folders' names, where --set is used")
    parser.add_argument("--nets", nargs="*", default=[], help="segmenters of the package, too")
    parser.add_argument("--limit", type=int, help="paintings of each kind")
    parser.add_argument("--chart", type=Path, help="draw the IoU in each movement here")
    arguments = parser.parse_args()
    hold_out(arguments.outlined)
    rows: dict[str, list[dict[str, float]]] = {}
    for seed in arguments.seeds:
        for what in arguments.on:
            folder = arguments.output / f"{arguments.recipe}{arguments.tag}-{what}-{seed}"
            trained(folder, arguments, what, seed)
            net = finder("net", ["person"], Settings(options=weights_of(folder)))
            rows.setdefault(what, []).append(measured(folder / "measured.json", net, arguments))
            print(table(rows), flush=True)
    for name in arguments.nets:
        file = arguments.output / f"{name}.json"
        rows[name] = [measured(file, finder(name, ["person"]), arguments)]
    print(table(rows))
    if arguments.chart:
        draw(rows, arguments.outlined, arguments.chart)


def hold_out(outlined: Path) -> None:
    """Split the paintings to learn from: every second one without people is held back."""
    listing = outlined / "split.json"
    table = json.loads(listing.read_text())
    if "held" in table:
        return
    samples = open_samples(str(outlined), "train")
    empty = [s.name for s in (samples[i] for i in range(len(samples))) if not s.mask.any()]
    table["held"] = sorted(empty)[::2]
    table["learn"] = sorted({samples.name(i) for i in range(len(samples))} - set(table["held"]))
    listing.write_text(json.dumps(table, indent=1))


def trained(folder: Path, arguments: argparse.Namespace, what: str, seed: int) -> None:
    """Train one net, unless it is there."""
    if (folder / "README.md").exists():
        return
    changes: Changes = {"validation": photos(arguments), "seed": seed, **ARMS[what](arguments)}
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
        figures = dict(figures_of(find, arguments))
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(figures))
    return dict(json.loads(file.read_text()))


def remembered(find: Find) -> Find:
    """Asked once for each picture: the paintings are measured by masks and by boxes."""
    answers: dict[bytes, NDArray[np.float32]] = {}

    def ask(image: Image) -> NDArray[np.float32]:
        key = hashlib.sha256(image.tobytes()).digest()
        if key not in answers:
            answers[key] = find(image)
        return answers[key]

    return ask


def figures_of(find: Find, arguments: argparse.Namespace) -> Iterator[tuple[str, float]]:
    find = remembered(find)
    for name in SETS:
        report = evaluate(find, open_samples(str(arguments.data / name), "val"))
        yield name, report.overall.classes["person"]["picture_iou"].value
    paintings = open_samples(str(arguments.outlined), "val")
    report = evaluate(find, paintings, limit=arguments.limit)
    yield "art", report.overall.classes["person"]["picture_iou"].value
    yield "art_mean", report.overall.measures["mean_iou"].value
    for group, figures in report.groups.items():
        yield f"art/{group}", figures.classes["person"]["picture_iou"].value
    boxed = replace(open_paintings(str(arguments.data / "art"), "val"), nobody=None)
    report = evaluate_boxes(find, boxed, limit=arguments.limit)
    for column in ("boxes_found", "pixels_inside"):
        yield column, report.overall.measures[column].value
    held = open_samples(str(arguments.outlined), "held")
    shares = [(find(unit(held[i].image))[0] > THRESHOLD).mean() for i in range(len(held))]
    yield "false_alarms", float(np.mean(np.array(shares) > ALARM))
    for group, figures in report.groups.items():
        yield f"boxes_found/{group}", figures.measures["boxes_found"].value


def table(rows: dict[str, list[dict[str, float]]]) -> str:
    """Means over the seeds, with the spread between them."""
    head = ("trained on", "seeds", *COLUMNS.values())
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for what, runs in rows.items():
        cells = []
        for name in COLUMNS:
            values = [run[name] for run in runs]
            spread = f" ± {np.std(values, ddof=1):.3f}" if len(values) > 1 else ""
            cells.append(f"{np.mean(values):.3f}{spread}")
        lines.append(f"| {what} | {len(runs)} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def draw(rows: dict[str, list[dict[str, float]]], outlined: Path, target: Path) -> None:
    """Each net's IoU in the movements of which eight paintings or more are measured."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    names = json.loads((outlined / "split.json").read_text())["val"]
    counts = Counter(name.partition("/")[0] for name in names)
    found = {
        what: {m: float(np.mean([run[f"art/{m}"] for run in runs])) for m in counts}
        for what, runs in rows.items()
    }
    first = next(iter(found.values()))
    shown = sorted((m for m, count in counts.items() if count >= 8), key=lambda m: first[m])
    figure, axes = plt.subplots(figsize=(8, 0.26 * len(shown) + 1.2), layout="constrained")
    for (what, values), colour in zip(found.items(), COLOURS, strict=False):
        dots = [values[m] for m in shown]
        axes.plot(dots, range(len(shown)), "o", color=colour, markersize=7, label=what)
    axes.hlines(range(len(shown)), 0, 1, color="#dddddd", linewidth=0.8, zorder=0)
    axes.set_yticks(range(len(shown)), [f"{m} ({counts[m]})" for m in shown])
    axes.set(xlim=(0, 1), ylim=(-0.6, len(shown) - 0.4), xlabel="IoU of people")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(loc="lower right", frameon=False, title="trained on")
    figure.savefig(target, dpi=110)


if __name__ == "__main__":
    main()
