"""Where figures are placed: whom they cover, whether they float, and how long it takes.

    python benchmarks/placement.py ../shared/data --pairs 100 -o sheet.png

Half of the figures are busts (portraits, val), half stand (people, val), cut out by their hand-made
masks; the paintings are of People-Art's val split, all of which show people, in boxes that the
placement does not see. A boxed person counts as covered if the chosen spot's figure (alpha above
one half) lies on more than a tenth of the box; a bust floats if its lower edge lies inside the
painting. ``--oracle`` gives the placement the boxes instead of what the nets find: what the boxes
alone cost. The sheet shows plain pastes, with the boxes drawn in. Some five minutes for
100 pairs on one core.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sfumato.io import pictures
from sfumato.ops.resize import fit
from sfumato.ops.trimap import rectangle
from sfumato.place import attention, spots
from sfumato.place.figure import Figure, Spot, figure_of, lay
from sfumato.place.terms import BUST
from sfumato.studio import Studio
from sfumato.types import Alpha, Image, Matte

COVERED = 0.1
"""Share of a box from which on its person is covered."""

PEOPLE = ("portraits", "people")
TILE = 240


@dataclass(frozen=True)
class Outcome:
    """One pair. ``covered``: the largest share of a box under the figure."""

    name: str
    spot: Spot
    covered: float
    floats: bool
    exposed: float
    seconds: tuple[float, float]
    pasted: Image


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("data", type=Path, help="the folder with portraits, people and art")
    parser.add_argument("--pairs", type=int, default=100)
    parser.add_argument("--split", default="val", help="of the paintings")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--oracle", action="store_true", help="occupied = the boxes themselves")
    parser.add_argument("-o", "--output", type=Path)
    arguments = parser.parse_args()
    boxes = boxes_of(arguments.data / "art")
    pairs = drawn(arguments.data, boxes, arguments.pairs, arguments.split, arguments.seed)
    studio = Studio()
    outcomes = []
    for person, painting in pairs:
        outcome = placed(
            arguments.data, person, painting, boxes[painting], studio, arguments.oracle
        )
        outcomes.append(outcome)
        if outcome.covered > COVERED or outcome.floats:
            print(f"{outcome.name}: covers {outcome.covered:.2f}, {reasons(outcome.spot)}")
    report(outcomes)
    if arguments.output:
        pictures.write(pictures.from_image(sheet(outcomes)), arguments.output, overwrite=True)


def boxes_of(art: Path) -> dict[str, list[tuple[float, float, float, float]]]:
    """File name -> boxes of people, ``x0, y0, x1, y1``."""
    data = json.loads((art / "person_boxes.json").read_text())
    names = {image["id"]: image["file_name"] for image in data["images"]}
    found: dict[str, list[tuple[float, float, float, float]]] = {}
    for one in data["annotations"]:
        x, y, wide, high = one["bbox"]
        found.setdefault(names[one["image_id"]], []).append((x, y, x + wide, y + high))
    return found


def drawn(
    data: Path, boxes: dict[str, list[tuple[float, float, float, float]]],
    count: int, split: str, seed: int,
) -> list[tuple[str, str]]:  # fmt: skip
    """Pairs of ``portraits/NAME`` or ``people/NAME`` in turn and a painting, each painting once."""
    rng = random.Random(seed)
    persons = [names(data / kind) for kind in PEOPLE]
    paintings = [name for name in names(data / "art", split) if name in boxes]
    chosen = rng.sample(paintings, min(count, len(paintings)))
    kinds = (PEOPLE[i % 2] for i in range(len(chosen)))
    return [
        (f"{kind}/{rng.choice(persons[PEOPLE.index(kind)])}", painting)
        for kind, painting in zip(kinds, chosen, strict=True)
    ]


def names(folder: Path, split: str = "val") -> list[str]:
    listed: list[str] = sorted(json.loads((folder / "split.json").read_text())[split])
    return listed


def cut_out(data: Path, person: str) -> Figure:
    """A figure by its hand-made mask."""
    kind, name = person.split("/")
    photo = pictures.read(next((data / kind / "images").glob(f"{name}.*"))).image
    mask = pictures.read(data / kind / "masks" / f"{name}.png").image[..., 0]
    return figure_of(photo, Matte(mask, photo))


def placed(
    data: Path, person: str, painting: str, boxes: list[tuple[float, float, float, float]],
    studio: Studio, oracle: bool,
) -> Outcome:  # fmt: skip
    figure = cut_out(data, person)
    image = pictures.read(data / "art" / "images" / painting).image
    shape = image.shape[:2]
    began = time.perf_counter()
    salient = attention.saliency(image, studio)
    occupied = boxed(boxes, shape) if oracle else None
    if occupied is None:
        occupied = attention.occupied(image, studio, salient=salient)
    looked = time.perf_counter()
    spot = spots.find(image, figure, occupied=occupied, saliency=salient)[0]
    seconds = looked - began, time.perf_counter() - looked
    matte = lay(figure, spot, shape)
    alpha = matte.alpha[..., None]
    return Outcome(
        f"{person} into {painting}",
        spot,
        max(covered(matte.alpha, box) for box in boxes),
        figure.cut.bottom >= BUST and spot.top + spot.height < shape[0] - 1.5,
        -spot.reasons["cut"],
        seconds,
        framed(image + alpha * (matte.foreground - image), boxes),
    )


def covered(alpha: Alpha, box: tuple[float, float, float, float]) -> float:
    """Share of a box on which the figure lies."""
    return float((alpha[rectangle(box, alpha.shape)] > 0.5).mean())


def boxed(boxes: list[tuple[float, float, float, float]], shape: tuple[int, int]) -> Alpha:
    alpha = np.zeros(shape, np.float32)
    for box in boxes:
        alpha[rectangle(box, shape)] = 1
    return alpha


def framed(image: Image, boxes: list[tuple[float, float, float, float]]) -> Image:
    """The picture with the boxes drawn in."""
    image = image.copy()
    for box in boxes:
        inner = image[rectangle(box, image.shape)]
        for edge in (inner[:2], inner[-2:], inner[:, :2], inner[:, -2:]):
            edge[:] = (1, 0.1, 0.1)
    return image


def reasons(spot: Spot) -> str:
    return ", ".join(f"{name} {part:.2f}" for name, part in spot.reasons.items() if part < -0.005)


def report(outcomes: list[Outcome]) -> None:
    over = sum(outcome.covered > COVERED for outcome in outcomes)
    floating = sum(outcome.floats for outcome in outcomes)
    exposed = sum(outcome.exposed > 0.2 for outcome in outcomes)
    looked, found = np.median([outcome.seconds for outcome in outcomes], axis=0)
    print(f"{len(outcomes)} pairs")
    print(f"covers more than {COVERED:.0%} of a boxed person: {over}")
    print(f"busts away from the lower border: {floating}")
    print(f"shows a tenth of its height or more of the photo's border: {exposed}")
    print(f"flipped: {sum(outcome.spot.flip for outcome in outcomes)}")
    print(f"seconds a painting, median: nets {looked:.2f}, spots {found:.2f}")


def sheet(outcomes: list[Outcome], columns: int = 10) -> Image:
    """All pairs, with a red bar over those that cover somebody."""
    rows = -(-len(outcomes) // columns)
    canvas = np.ones((rows * TILE, columns * TILE, 3), np.float32)
    for i, outcome in enumerate(outcomes):
        small = fit(outcome.pasted, TILE - 8)
        top, left = i // columns * TILE, i % columns * TILE
        canvas[top + 6 : top + 6 + len(small), left : left + small.shape[1]] = small
        if outcome.covered > COVERED or outcome.floats:
            canvas[top : top + 6, left : left + TILE - 8] = (1, 0, 0)
    return canvas


if __name__ == "__main__":
    main()
