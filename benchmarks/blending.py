"""How visible the seam of each blending method is, and how long it takes.

    python benchmarks/blending.py
    python benchmarks/blending.py photo.jpg --size 1024 --styles 7 19 20
    python benchmarks/blending.py --sheet docs/images/blending.jpg

Takes about a minute on two CPU cores, weights once fetched. Paints two regions of each photo (the
sample photo if none is named) in built-in styles of the ``magenta`` stylizer:

- background: everything behind the person, along the matte;
- box: the upper right quarter, cut straight across person and wall with no soft edge at all.

Prints a Markdown table: mean seam score (see ``sfumato.ops.seam``; 1 = no more visible than what
the two pictures have there themselves) and median seconds. *Hard* pastes where alpha > 0.5. With
``--sheet`` the pictures of the first photo and style are written side by side.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from sfumato import registry
from sfumato.io import pictures
from sfumato.ops.foreground import estimate, fill
from sfumato.ops.seam import score
from sfumato.sheets import SAMPLE
from sfumato.types import Alpha, Compositor, Context, Image, Style

METHODS = ("hard", "alpha", "feather", "multiband", "poisson")


def hard(foreground: Image, background: Image, alpha: Alpha) -> Image:
    return np.where(alpha[..., None] > 0.5, foreground, background)


def main() -> None:
    arguments = parse_arguments()
    compositors: dict[str, Compositor] = {"hard": hard}
    compositors |= {m: registry.build("compose", m, Context()) for m in METHODS[1:]}
    scores: dict[tuple[str, str], list[float]] = defaultdict(list)
    seconds: dict[str, list[float]] = defaultdict(list)
    tiles: list[NDArray[np.uint8]] = []
    for name, painted, photo, alpha in cases(arguments.photos, arguments.styles, arguments.size):
        for method, compose in compositors.items():
            start = time.perf_counter()
            result = compose(painted, photo, alpha)
            seconds[method].append(time.perf_counter() - start)
            scores[name, method].append(score(result, painted, photo, alpha))
            if len(tiles) < 2 * len(METHODS):
                tiles.append(labelled(result, method, name))
    print_table(scores, seconds)
    if arguments.sheet:
        write_sheet(tiles, arguments.sheet)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("photos", nargs="*", type=Path, default=[SAMPLE])
    parser.add_argument("--styles", nargs="+", type=int, default=[7, 4, 13, 19, 20])
    parser.add_argument("--size", type=int, default=1024, help="longer side in pixels")
    parser.add_argument("--sheet", type=Path, help="write the pictures side by side")
    return parser.parse_args()


def cases(
    photos: list[Path], styles: list[int], size: int
) -> Iterator[tuple[str, Image, Image, Alpha]]:
    """(name, painted, photo with clean edge colours, alpha) of every photo, style and region."""
    segment = registry.build("segment", "modnet", Context())
    refine = registry.build("matte", "guided", Context())
    stylize = registry.build("stylize", "magenta", Context())
    for path in photos:
        photo = scaled(pictures.read(path).image, size)
        person = refine(photo, segment(photo).alpha("person")).alpha
        behind = np.float32(1) - person
        clean = np.where(behind[..., None] == 1, photo, estimate(photo, person)[0])
        box = np.zeros_like(person)
        box[: box.shape[0] * 55 // 100, box.shape[1] // 2 :] = 1
        for index in styles:
            style = Style(str(index), net="magenta", index=index)
            filled = fill(photo, behind)
            yield "background", stylize(filled, style, region=behind), clean, behind
            yield "box", stylize(photo, style), photo, box


def scaled(photo: Image, size: int) -> Image:
    factor = size / max(photo.shape)
    how = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    return np.clip(cv2.resize(photo, None, fx=factor, fy=factor, interpolation=how), 0, 1)


def print_table(
    scores: dict[tuple[str, str], list[float]], seconds: dict[str, list[float]]
) -> None:
    print("| method | seam: background | seam: box | seconds |\n|---|---|---|---|")
    for method in METHODS:
        means = [statistics.mean(scores[name, method]) for name in ("background", "box")]
        median = statistics.median(seconds[method])
        print(f"| {method} | {means[0]:.2f} | {means[1]:.2f} | {median:.2f} |")


def labelled(result: Image, method: str, name: str) -> NDArray[np.uint8]:
    """Head and shoulders at half size, the method's name below."""
    height, width = result.shape[:2]
    crop = result[: height * 62 // 100, width * 15 // 100 : width * 85 // 100]
    small = cv2.resize(crop, (280, 280 * crop.shape[0] // crop.shape[1]), None, 0, 0, 3)
    tile = cv2.copyMakeBorder(
        (small * 255 + 0.5).astype(np.uint8), 0, 26, 0, 4, cv2.BORDER_CONSTANT, value=(255,) * 3
    )
    text = f"{name}: {method}"
    place = (4, tile.shape[0] - 8)
    cv2.putText(tile, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.5, (40, 40, 40), 1, cv2.LINE_AA)
    return np.asarray(tile, dtype=np.uint8)


def write_sheet(tiles: list[NDArray[np.uint8]], path: Path) -> None:
    count = len(METHODS)
    sheet = np.vstack([np.hstack(tiles[i : i + count]) for i in range(0, len(tiles), count)])
    cv2.imwrite(str(path), sheet[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 80])


if __name__ == "__main__":
    main()
