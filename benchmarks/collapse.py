"""Nets that end in "all background", and the same nets with settings with which they do not.

    python benchmarks/collapse.py                            # drawn figures: a few minutes
    python benchmarks/collapse.py --data ../shared/data/people --size 160 --epochs 12

Each run is a recipe of the package on the same small set, changed as its row says. The table has
the IoU after each epoch, and the share of pixels taken for people after the last one beside the
true share; below it is what the collapse guard said on the way.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sfumato.train import guard
from sfumato.train.callbacks import Stand
from sfumato.train.loader import open_sets
from sfumato.train.module import Training
from sfumato.train.recipe import Recipe, read
from sfumato.train.run import begin_seeded, fit

NARROW = {"options.width": 16}
"""A U-Net a quarter as wide as the paper's: the collapse is the same, and minutes are enough."""


@dataclass(frozen=True)
class Run:
    """A recipe and what is different about it."""

    what: str
    recipe: str
    changes: dict[str, Any] = field(default_factory=dict)


RUNS = (
    Run("U-Net, SGD 1e-2, cross-entropy", "paper1-unet", NARROW | {"loss": "cross_entropy"}),
    Run("U-Net, SGD 1e-2, BCE + Dice", "paper1-unet", NARROW),
    Run("U-Net, Adam 0.3, BCE + Dice", "paper1-unet", NARROW | {"optimizer": "adam", "rate": 0.3}),
    Run(
        "U-Net, AdamW 2e-3 with warm-up, BCE + Dice",
        "paper1-unet",
        NARROW | {"optimizer": "adamw", "rate": 2e-3, "warmup": 20, "schedule": "cosine"},
    ),
    Run(
        "U-Net, SGD 1e-2 with momentum .9, BCE + Dice",
        "paper1-unet",
        NARROW | {"momentum": 0.9, "warmup": 20, "schedule": "cosine"},
    ),
)

WITH_WEIGHTS = (
    Run(
        "DeepLabv3+ (MobileNetV2), SGD 1e-2, cross-entropy",
        "paper1-deeplabv3plus",
        {"encoder": "mobilenetv2"},
    ),
    Run(
        "DeepLabv3+ (MobileNetV2), AdamW 1e-3, BCE + Dice",
        "paper1-deeplabv3plus",
        {"encoder": "mobilenetv2", "optimizer": "adamw", "rate": 1e-3, "encoder_rate": 0.3,
         "loss": "bce_dice", "warmup": 20, "schedule": "cosine"},
    ),
)  # fmt: skip
"""These fetch ImageNet weights."""


def train(chosen: Recipe) -> tuple[Training, list[Stand]]:
    """The net after its last epoch, and all that was said on the way."""
    said: list[Stand] = []
    sets = open_sets(chosen)
    module = begin_seeded(chosen, sets)
    with tempfile.TemporaryDirectory() as folder:
        fit(module, sets, Path(folder), watch=said.append)
    return module, said


def row(run: Run, module: Training) -> str:
    """A line of the table."""
    last = module.history[-1]
    counts = module.counts.sum(0).cpu().numpy()
    true = counts[1:].sum() / counts.sum()
    ended = "collapsed" if guard.find(counts, module.recipe.classes) else ""
    ious = " ".join(f"{r['iou']:.2f}" for r in module.history)
    return (
        f"| {run.what} | {last['loss']:.3f} | {ious} | {last['foreground']:.3f} of {true:.3f} "
        f"| {ended} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="synthetic:192:96")
    parser.add_argument("--val", default=None)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--only", default="", help="runs whose names have this in them")
    parser.add_argument("--weights", action="store_true", help="also those that fetch weights")
    arguments = parser.parse_args()
    common = {
        "data": [arguments.data],
        "validation": [arguments.val] if arguments.val else [],
        "size": arguments.size,
        "epochs": arguments.epochs,
        "collapse_checks": 2,
    }
    if arguments.data.startswith("synthetic") and not arguments.val:
        common["validation"] = ["synthetic:48:96"]
    print("| what | loss | IoU by epoch | pixels of people | |\n|---|---|---|---|---|")
    notes = []
    for run in (*RUNS, *(WITH_WEIGHTS if arguments.weights else ())):
        if arguments.only not in run.what:
            continue
        module, said = train(read(run.recipe, run.changes | common))
        print(row(run, module), flush=True)
        notes += [f"{run.what}: {stand.note}" for stand in said if stand.note]
    print(*("\n" + note for note in notes), sep="\n")


if __name__ == "__main__":
    main()
