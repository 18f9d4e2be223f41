"""Does a matter keep to the person, and how fast is it?

    python benchmarks/matting.py ../shared/data
    python benchmarks/matting.py ../shared/data --limit 4 --matters guided crf --sheet cuts.png

Takes about two minutes on two CPU cores for 24 pictures, weights once fetched. The data folder
holds sets (``portraits``, ``people``), each with ``images/ID.jpg``, ``masks/ID.png`` (white =
person) and ``split.json``. Prints one Markdown table: mean IoU at alpha 0.5 against the hand-made
masks, from MODNet's soft selection and from the same as a hard mask of 8 x 8 pixel blocks, and
the median seconds for a picture of 1024 pixels; all matters see a picture one after the other.
Hand-made hard masks cannot judge hair: look at the sheet, and at the errors on known alphas that
``tests/matte`` pins.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np

from sfumato import registry
from sfumato.io import pictures
from sfumato.ops.resize import resize
from sfumato.types import Alpha, Context, Image, Mask, Matte

SETS = ("portraits", "people")
GROUNDS = ((1.0, 1.0, 1.0), (0.0, 0.0, 0.0), (0.1, 0.9, 0.1))
Refine = Callable[[Image, Alpha], Matte]
Sample = tuple[Image, Alpha, Mask]  # picture, MODNet's selection, true mask


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--limit", type=int, default=12, help="pictures of each set")
    parser.add_argument("--matters", nargs="+", default=list(registry.backends("matte")))
    parser.add_argument("--sheet", type=Path, help="draw the first cut-outs over plain colours")
    chosen = parser.parse_args()
    if not chosen.data.is_dir():
        print(f"nothing measured: there is no folder {chosen.data}")
        return
    matters: dict[str, Refine] = {"selection as it is": lambda image, coarse: Matte(coarse, image)}
    matters |= {name: registry.build("matte", name, Context()) for name in chosen.matters}
    people = list(samples(chosen.data, chosen.limit))
    print(table(people, matters))
    if chosen.sheet:
        made = pictures.from_image(sheet(people[0], matters))
        pictures.write(made, chosen.sheet, overwrite=True)


def table(people: list[Sample], matters: dict[str, Refine]) -> str:
    rows = ["| matter | IoU, soft selection | IoU, blocky selection | seconds at 1024 px |"]
    rows.append("|---|---|---|---|")
    scores: dict[str, list[tuple[float, float, float]]] = {name: [] for name in matters}
    for image, soft, truth in people:
        for name, refine in matters.items():
            kept, snapped = (
                iou(refine(image, coarse).alpha > 0.5, truth) for coarse in (soft, blocky(soft))
            )
            scores[name].append((kept, snapped, seconds(refine, image, soft)))
    for name, score in scores.items():
        kept, snapped, _ = np.mean(score, axis=0)
        taken = np.median([row[2] for row in score])
        rows.append(f"| {name} | {kept:.4f} | {snapped:.4f} | {taken:.2f} |")
    return "\n".join(rows)


def samples(data: Path, limit: int) -> Iterator[Sample]:
    """Pictures spread over the sets' val splits, each with MODNet's selection and its mask."""
    find = registry.build("segment", "modnet", Context())
    for folder in (data / name for name in SETS):
        names = json.loads((folder / "split.json").read_text())["val"]
        for name in names[:: max(1, len(names) // limit)][:limit]:
            image = pictures.read(folder / "images" / f"{name}.jpg").image
            truth = pictures.read_mask(folder / "masks" / f"{name}.png") > 0.5
            yield image, find(image).alpha("person"), truth


def blocky(soft: Alpha) -> Alpha:
    """The selection as a hard mask of 8 x 8 pixel blocks."""
    height, width = soft.shape
    small = resize(soft, (max(1, height // 8), max(1, width // 8))) > 0.5
    big = cv2.resize(small.astype(np.float32), (width, height), interpolation=cv2.INTER_NEAREST)
    return np.asarray(big, dtype=np.float32)


def seconds(refine: Refine, image: Image, soft: Alpha) -> float:
    """One call on the picture enlarged to 1024 pixels on its longer side."""
    height, width = soft.shape
    shape = (1024 * height // max(soft.shape), 1024 * width // max(soft.shape))
    large, coarse = resize(image, shape), resize(soft, shape)
    started = time.perf_counter()
    refine(large, coarse)
    return time.perf_counter() - started


def iou(found: Mask, truth: Mask) -> float:
    return float((found & truth).sum() / max(1, (found | truth).sum()))


def sheet(sample: Sample, matters: dict[str, Refine]) -> Image:
    """One row a matter: the alpha, then the cut-out over white, black and green."""
    image, soft, _ = sample
    rows = []
    for refine in matters.values():
        matte = refine(image, soft)
        share = matte.alpha[..., None]
        shown = [share * matte.foreground + (1 - share) * np.array(ground) for ground in GROUNDS]
        rows.append(np.hstack([np.repeat(share, 3, axis=2), *shown]))
    return np.asarray(np.clip(np.vstack(rows), 0, 1), dtype=np.float32)


if __name__ == "__main__":
    main()
