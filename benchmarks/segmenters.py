"""How well, and how fast, each segmenter finds the person.

    python benchmarks/segmenters.py ../shared/data
    python benchmarks/segmenters.py ../shared/data --limit 10 --nets modnet --sheet worst.png

Takes about ten minutes on two CPU cores for all nets and 148 pictures, weights once fetched.
The data folder holds sets (``portraits``, ``people``), each with ``images/ID.jpg``,
``masks/ID.png`` (white = person) and ``split.json`` (split name -> IDs). Prints one Markdown
table a set:

- IoU: mean over the pictures, with the 95 % interval of 10,000 bootstrap resamples of pictures;
- worst: the least IoU of all pictures;
- boundary F: mean of the contour F-measure of DAVIS 2016 (Perazzi et al., section 5): precision
  and recall of outline pixels, matched within 0.8 % of the picture's diagonal;
- seconds: median of one call; all nets see a picture one after the other.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from sfumato import registry
from sfumato.io import pictures
from sfumato.ops.saliency import drop_islands
from sfumato.types import Alpha, Context, Image, Mask

SETS = ("portraits", "people")
NETS: dict[str, tuple[str, dict[str, Any]]] = {
    "person": ("person", {}),
    "modnet": ("modnet", {}),
    "modnet, shorter side 512": ("modnet", {"islands": 0}),
    "modnet, size 512": ("modnet", {"size": 512}),
    "selfie": ("selfie", {}),
    "selfie square": ("selfie", {"model": "square"}),
    "selfie landscape": ("selfie", {"model": "landscape"}),
    "selfie both": ("selfie", {"model": "both"}),
    "u2netp": ("u2netp", {}),
    "grabcut": ("grabcut", {}),
}
MEANS = {
    "modnet + selfie both": ("modnet", "selfie both"),
    "modnet + u2netp": ("modnet", "u2netp"),
    "modnet + u2netp + selfie": ("modnet", "u2netp", "selfie square"),
}
"""Means of several nets' soft maps, islands dropped afterwards."""


@dataclass(frozen=True)
class Result:
    """One net on one picture."""

    picture: str
    iou: float
    boundary: float
    seconds: float
    soft: Alpha


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("data", type=Path, help="folder with the sets")
    parser.add_argument("--split", default="val")
    parser.add_argument("--limit", type=int, help="pictures a set")
    parser.add_argument("--nets", nargs="+", choices=NETS, default=list(NETS), metavar="NET")
    parser.add_argument("--sheet", type=Path, help="draw the first net's 12 worst pictures here")
    args = parser.parse_args()
    finders = {name: finder(*NETS[name]) for name in args.nets}
    if "modnet, shorter side 512" in finders:
        finders["modnet, shorter side 512"] = as_published()
    worst: list[tuple[float, Path, Alpha]] = []
    for folder in SETS:
        results: dict[str, list[Result]] = {}
        for path, image, truth in samples(args.data / folder, args.split, args.limit):
            for name, result in measure(finders, path.stem, image, truth).items():
                results.setdefault(name, []).append(result)
            first = results[args.nets[0]][-1]
            worst.append((first.iou, path, first.soft))
        print_table(folder, results)
    if args.sheet:
        draw_sheet(sorted(worst, key=lambda w: w[0])[:12], args.sheet)


def samples(folder: Path, split: str, limit: int | None) -> Iterator[tuple[Path, Image, Mask]]:
    """Path, picture and true mask of every member of a split."""
    for name in json.loads((folder / "split.json").read_text())[split][:limit]:
        path = folder / "images" / f"{name}.jpg"
        yield path, read(path), pictures.read_mask(folder / "masks" / f"{name}.png") > 0.5


def read(path: Path) -> Image:
    """A picture file as float32 ``[H, W, 3]``, 0..1."""
    return pictures.read(path).image


def finder(name: str, options: dict[str, Any]) -> Callable[[Image], Alpha]:
    """A function from picture to the soft map of the backend's only class."""
    segmenter = registry.build("segment", name, Context(), options)
    return lambda image: np.asarray(segmenter(image).alpha(segmenter.classes[0]))


def as_published() -> Callable[[Image], Alpha]:
    """MODNet as its authors run it: the shorter side at 512, whatever is found kept."""
    segmenter = registry.build("segment", "modnet", Context(), {"islands": 0})

    def find(image: Image) -> Alpha:
        short, long = sorted(image.shape[:2])
        size = round(512 * (long / short) ** 0.5)
        options = segmenter.options.model_copy(update={"size": size})
        return np.asarray(replace(segmenter, options=options)(image).alpha("person"))

    return find


def measure(
    finders: dict[str, Callable[[Image], Alpha]], picture: str, image: Image, truth: Mask
) -> dict[str, Result]:
    """Every net, and then every mean of nets, on one picture."""
    soft, seconds = {}, {}
    for name, find in finders.items():
        start = time.perf_counter()
        soft[name] = find(image)
        seconds[name] = time.perf_counter() - start
    for name, members in MEANS.items():
        if set(members) <= set(soft):
            mean = np.asarray(np.mean([soft[m] for m in members], axis=0, dtype=np.float32))
            soft[name] = drop_islands(mean, 0.05)
            seconds[name] = sum(seconds[m] for m in members)
    return {
        name: Result(picture, iou(m > 0.5, truth), boundary_f(m > 0.5, truth), seconds[name], m)
        for name, m in soft.items()
    }


def iou(found: Mask, truth: Mask) -> float:
    """Intersection over union; 1 for two empty masks."""
    union = (found | truth).sum()
    return float((found & truth).sum() / union) if union else 1.0


def boundary_f(found: Mask, truth: Mask) -> float:
    """F-measure of outline pixels matched within 0.8 % of the diagonal; 1 for no outlines."""
    radius = max(1, round(0.008 * float(np.hypot(*truth.shape))))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    outlines = [m & (cv2.erode(m, np.ones((3, 3), np.uint8)) == 0) for m in _bytes(found, truth)]
    near = [cv2.dilate(outline, disc) > 0 for outline in outlines]
    a, b = (outline > 0 for outline in outlines)
    if not (a.any() and b.any()):
        return float(a.any() == b.any())
    precision, recall = near[1][a].mean(), near[0][b].mean()
    return float(2 * precision * recall / max(precision + recall, 1e-9))


def interval(values: NDArray[np.float64]) -> tuple[float, float]:
    """95 % bootstrap interval of the mean."""
    rows = np.random.default_rng(0).integers(0, len(values), (10_000, len(values)))
    low, high = np.percentile(values[rows].mean(axis=1), (2.5, 97.5))
    return float(low), float(high)


def print_table(folder: str, results: dict[str, list[Result]]) -> None:
    count = len(next(iter(results.values())))
    print(f"\n### {folder}, {count} pictures\n")
    print("| net | IoU | 95 % interval | worst | boundary F | seconds |")
    print("|---|---|---|---|---|---|")
    for name, rows in results.items():
        ious = np.array([r.iou for r in rows])
        low, high = interval(ious)
        edge, seconds = np.mean([r.boundary for r in rows]), np.median([r.seconds for r in rows])
        print(
            f"| {name} | {ious.mean():.4f} | {low:.3f} to {high:.3f} | {ious.min():.3f} | "
            f"{edge:.3f} | {seconds:.3f} |",
            flush=True,
        )


def draw_sheet(worst: list[tuple[float, Path, Alpha]], target: Path) -> None:
    """Picture, truth and found mask of each case, three cases a row."""
    cells = []
    for score, path, soft in worst:
        image = read(path)
        truth = pictures.read_mask(path.parent.parent / "masks" / f"{path.stem}.png")
        shown = [image, *(np.repeat(m[..., None], 3, axis=2) for m in (truth, soft))]
        cell = (cv2.resize(np.hstack(shown), (540, 270))[..., ::-1] * 255).astype(np.uint8)
        text = f"{path.parent.parent.name} {path.stem}  {score:.3f}"
        cells.append(cv2.putText(cell.copy(), text, (4, 14), 0, 0.45, (0, 0, 255), 1))
    cells += [np.zeros_like(cells[0])] * (-len(cells) % 3)
    cv2.imwrite(
        str(target), np.vstack([np.hstack(cells[i : i + 3]) for i in range(0, len(cells), 3)])
    )


def _bytes(*masks: Mask) -> list[NDArray[np.uint8]]:
    return [mask.astype(np.uint8) for mask in masks]


if __name__ == "__main__":
    main()
