"""Does a matter keep to the person, and how fast is it?

    python benchmarks/matting.py ../shared/data
    python benchmarks/matting.py ../shared/data --limit 4 --matters guided crf --sheet cuts.png
    python benchmarks/matting.py ../shared/data --known 16

Takes about two minutes on two CPU cores for 24 pictures, weights once fetched. The data folder
holds sets (``portraits``, ``people``), each with ``images/ID.jpg``, ``masks/ID.png`` (white =
person) and ``split.json``. Prints one Markdown table: mean IoU at alpha 0.5 against the hand-made
masks, from MODNet's soft selection and from the same as a hard mask of 8 x 8 pixel blocks, and
the median seconds for a picture of 1024 pixels; all matters see a picture one after the other.
Hand-made hard masks cannot judge hair: look at the sheet.

With ``--known N`` it measures against known alphas instead: N portraits cut out of plain grounds,
each laid over two other pictures, and half as many drawn heads with hair (``_known_alphas.py``).
Prints SAD, MSE and gradient error (:mod:`sfumato.evaluate.mattes`) around the true edge and over
the whole picture, from MODNet's selection (for the drawn heads: from a blurred truth), from that
as a hard mask, and from the true hard mask. The ``portraits`` and ``art`` sets are needed, and
about ninety seconds of one core for 16 portraits.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
from _known_alphas import Scene, drawn, portraits

from sfumato import registry
from sfumato.evaluate import mattes
from sfumato.evaluate.metrics import bootstrap, mean
from sfumato.io import pictures
from sfumato.ops.resize import resize
from sfumato.ops.trimap import pixels, unknown_band
from sfumato.types import Alpha, Context, Image, Mask, Matte

SETS = ("portraits", "people")
GROUNDS = ((1.0, 1.0, 1.0), (0.0, 0.0, 0.0), (0.1, 0.9, 0.1))
NEAR = 0.02
"""How far around half-transparent pixels the band of the errors reaches (of the longer side)."""

Refine = Callable[[Image, Alpha], Matte]
Sample = tuple[Image, Alpha, Mask]  # picture, MODNet's selection, true mask


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--limit", type=int, default=12, help="pictures of each set")
    parser.add_argument("--matters", nargs="+", default=list(registry.backends("matte")))
    parser.add_argument("--sheet", type=Path, help="draw the first cut-outs over plain colours")
    parser.add_argument("--known", type=int, metavar="N", help="N portraits with known alphas")
    chosen = parser.parse_args()
    if not chosen.data.is_dir():
        print(f"nothing measured: there is no folder {chosen.data}")
        return
    matters: dict[str, Refine] = {"selection as it is": lambda image, coarse: Matte(coarse, image)}
    matters |= {name: registry.build("matte", name, Context()) for name in chosen.matters}
    if chosen.known:
        for scenes in (portraits(chosen.data, chosen.known), drawn(max(1, chosen.known // 2))):
            print(known(list(scenes), matters), end="\n\n")
        return
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


def known(scenes: list[Scene], matters: dict[str, Refine]) -> str:
    """Errors against the true alphas, means over each cut-out's scenes, then over the cut-outs.

    In brackets: the interval of the difference from the soft selection as it is.
    """
    starts: dict[str, Callable[[Scene], Alpha]] = {
        "selection": lambda scene: scene.soft,
        "selection > 0.5": lambda scene: np.float32(scene.soft > 0.5),
        "truth > 0.5": lambda scene: np.float32(scene.truth > 0.5),
    }
    rows = ["| from | matter | SAD | MSE | gradient | SAD, all | MSE, all | gradient, all |"]
    rows.append("|---|---|---|---|---|---|---|---|")
    sources = np.array([scene.source for scene in scenes])
    base = None
    for start, coarse in starts.items():
        for name, refine in matters.items():
            found = [errors(refine(s.image, coarse(s)).alpha, s.truth) for s in scenes]
            each = np.array([np.mean(np.array(found)[sources == s], 0) for s in np.unique(sources)])
            base = each if base is None else base
            cells = [f"{value:.2f}" for value in each.mean(axis=0)]
            for i in range(3 if each is not base else 0):
                change = bootstrap(each[:, i] - base[:, i], mean)
                cells[i] += f" [{change.low:+.2f}, {change.high:+.2f}]"
            rows.append(f"| {start} | {name.removeprefix('selection ')} | {' | '.join(cells)} |")
    return "\n".join(rows)


def errors(alpha: Alpha, truth: Alpha) -> list[float]:
    """SAD, MSE in thousandths and gradient error, around the true edge and over all."""
    band = unknown_band(truth, pixels(NEAR, truth.shape))
    return [
        value
        for where in (band, None)
        for value in (
            mattes.sad(alpha, truth, where),
            1000 * mattes.mse(alpha, truth, where),
            mattes.gradient_error(alpha, truth, where),
        )
    ]


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
