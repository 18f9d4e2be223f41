"""The same settings in PyTorch and in TensorFlow: what does the library change in a picture?

    python benchmarks/frameworks.py
    python benchmarks/frameworks.py --size 96 --report

Both models of Nair and Chippa, "Separation of style and content", each painted by ``gatys`` and by
``gatys-keras`` from the same photo with the same weights, in float32. As a measure of what chance
does, PyTorch paints once more from a photo that differs by a millionth: a descent of many steps
enlarges any difference, rounding too, and a library that changes no more than that changes nothing.

Which settings matter is asked by ``five_settings.py``. Finished pictures are kept in ``--folder``.
Processor seconds are those of all threads; for one thread each, set ``OMP_NUM_THREADS=1`` and
``TF_NUM_INTRAOP_THREADS=1``.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from _style_loss import Image, Judge, fetched, fit, to_image, to_pillow
from five_settings import (
    CACHE,
    PAIRS,
    PICTURES,
    PRESETS,
    folder_of,
    keep,
    read_pair,
    say,
    steps_of,
)  # fmt: skip

NAMES = ("pytorch", "tensorflow", "nudged")
LOUDER = 20
"""What differences are multiplied by to be seen."""

CURVE = (1, 10, 20, 50, 100)
"""Steps at which the pictures are compared."""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--report", action="store_true", help="paint nothing more")
    parser.add_argument("--size", type=int, default=192)
    parser.add_argument("--scale", type=float, default=0.1, help="of the models' steps")
    parser.add_argument("--folder", type=Path, default=CACHE)
    parser.add_argument("--pictures", type=Path, default=PICTURES, help="of the report")
    args = parser.parse_args()
    folder = folder_of(args)
    for number in PRESETS:
        if not args.report:
            paint(number, folder, args)
        report(number, folder, args)
    draw(folder, args)


def paint(number: int, folder: Path, args: argparse.Namespace) -> None:
    """Both libraries from the same photo, and PyTorch once more from one a millionth away."""
    photo, style = read_pair(*PAIRS[0], args.size)
    ends = [end for end in CURVE if end <= steps_of(number, args.scale)]
    noise = np.random.default_rng(0).choice([-1e-6, 1e-6], photo.shape).astype(np.float32)
    contestants = {
        "pytorch": ("gatys", photo, {"precision": "float32"}),
        "tensorflow": ("gatys-keras", photo, {}),
        "nudged": ("gatys", np.clip(photo + noise, 0, 1), {"precision": "float32"}),
    }
    judge = Judge(photo, style, fetched())
    for name, (backend, start, options) in contestants.items():
        stem = folder / f"framework-{number}-{name}"
        if stem.with_suffix(".npz").exists():
            continue
        options = {"preset": PRESETS[number], "steps": ends[-1], **options}
        seen, totals, seconds = descend(backend, start, style, options, ends)
        losses = {end: judge(picture) for end, picture in seen.items()}
        note = {
            "totals": totals,
            "content": {end: loss.content for end, loss in losses.items()},
            "style": {end: loss.style for end, loss in losses.items()},
            "cpu_seconds_a_step": seconds,
        }
        keep(stem, note, {str(end): picture for end, picture in seen.items()})
        say(f"model {number}, {name}: {seconds:.3f} CPU s a step")


def descend(
    backend: str, photo: Image, style: Image, options: Mapping[str, Any], ends: Sequence[int]
) -> tuple[dict[int, Image], list[float], float]:
    """The best picture so far at some steps, the loss at each, processor seconds a step."""
    from sfumato import registry
    from sfumato.types import Context, Style

    stylizer = registry.build("stylize", backend, Context(device="cpu"), options)
    seen: dict[int, Image] = {}
    totals: list[float] = []
    began = 0.0

    def watch(step: Any, picture: Any) -> None:
        nonlocal began
        if step.number == 1:  # TensorFlow traces its graph in the first step
            began = time.process_time()
        if step.number:
            totals.append(step.losses["total"])
        if step.number in ends:
            seen[step.number] = picture()

    stylizer(photo, Style("style", style), watch=watch)
    return seen, totals, (time.process_time() - began) / max(1, len(totals) - 1)


def report(number: int, folder: Path, args: argparse.Namespace) -> None:
    stems = [folder / f"framework-{number}-{name}" for name in NAMES]
    if not all(stem.with_suffix(".npz").exists() for stem in stems):
        return
    notes = [json.loads(stem.with_suffix(".json").read_text(encoding="utf-8")) for stem in stems]
    files = [np.load(stem.with_suffix(".npz")) for stem in stems]
    print(f"\nModel {number} in both libraries, {args.size} pixels, float32\n")
    print("| after step | loss in PyTorch | TensorFlow, relative | by a millionth "
          "| pictures apart, of 255 | by a millionth | style losses |")  # fmt: skip
    print("|---|---|---|---|---|---|---|")
    for end in files[0].files:
        base, *others = (note["totals"][int(end) - 1] for note in notes)
        apart = [float(np.abs(file[end] - files[0][end]).mean()) * 255 for file in files[1:]]
        relative = [f"{(other - base) / base:+.1e}" for other in others]
        styles = " / ".join(f"{note['style'][end]:.5f}" for note in notes[:2])
        print(f"| {end} | {base:.6g} | {' | '.join(relative)} | "
              f"{' | '.join(f'{x:.3f}' for x in apart)} | {styles} |")  # fmt: skip
    times = ", ".join(f"{note['cpu_seconds_a_step']:.3f}" for note in notes)
    print(f"\nCPU seconds a step (PyTorch, TensorFlow, PyTorch): {times}")


def draw(folder: Path, args: argparse.Namespace) -> None:
    """The last pictures, and how they differ from PyTorch's."""
    from sfumato import sheets
    from sfumato.io import pictures

    tiles: list[Image] = []
    labels: list[str] = []
    for number in PRESETS:
        stems = [folder / f"framework-{number}-{name}.npz" for name in NAMES]
        if not all(stem.exists() for stem in stems):
            return
        files = [np.load(stem) for stem in stems]
        last = files[0].files[-1]
        ours, theirs, nudged = (file[last] for file in files)
        apart = [np.clip(np.abs(x - ours) * LOUDER, 0, 1) for x in (theirs, nudged)]
        shown = [ours, theirs, *apart]
        tiles += [to_image(fit(to_pillow(picture), 288)) for picture in shown]
        labels += [f"{number}: PyTorch, {last} steps", f"{number}: TensorFlow",
                   f"libraries' difference x {LOUDER}", f"a millionth's x {LOUDER}"]  # fmt: skip
    page = pictures.from_image(sheets.grid(tiles, labels, columns=4))
    target = args.pictures / "five-frameworks.jpg"
    target.parent.mkdir(parents=True, exist_ok=True)
    pictures.write(page, target, quality=82, overwrite=True)


if __name__ == "__main__":
    main()
