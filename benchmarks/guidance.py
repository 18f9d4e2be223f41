"""Regions inside the loss against "stylise all, then cut": which has the style's statistics?

    python benchmarks/guidance.py --options preset=fast
    python benchmarks/guidance.py --data ../shared/data --samples 12 --size 384 --options steps=150

Two ways to paint one part of a photo, with the same options and as many steps:

- cut: the whole picture is optimised, and the mask cuts the part out of it. Its statistics fit the
  style over the whole picture, not over the part that remains to be seen.
- guided: the mask takes part in the loss.

Each sample is a photo with a hard mask of the person, painted inside the mask and outside it, in
the drawn styles in turn. Both ways get the same mask file. Of the finished pictures one judge
(``_style_loss.py``) takes the Gram distance at the five layers inside the region: area-normalised,
the mask shrunk to each layer's size, the style picture whole. Lower is better; the untouched
photo's is given for scale.

The last columns say whether each pixel where the mask is 0 is the photo's own, bit for bit: in the
float array that comes back, and in the 8-bit PNG file written from it. The script fails if one is
not.

Photos: those in docs/images/photos that show people and the astronaut, their masks found by the
package; with ``--data``, every so many of the ``people`` set's val split and their hand-made masks.
"""

from __future__ import annotations

import argparse
import json
import math
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from _style_loss import Image, Judge, fetched, fit, to_image, to_pillow
from PIL import Image as Pillow

import sfumato
from sfumato import drawn
from sfumato.io import pictures
from sfumato.sheets import SAMPLE
from sfumato.studio import Studio
from sfumato.types import Mask, Painting, Style

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "images" / "photos"
NAMES = ("portrait", "hat", "friends", "rooftop", "skater")
PHOTOS = (*(FOLDER / f"{name}.jpg" for name in NAMES), SAMPLE)


@dataclass(frozen=True)
class Sample:
    """A photo and the person in it, at the size of the benchmark."""

    name: str
    photo: Image
    person: Mask


@dataclass(frozen=True)
class Outcome:
    """Style errors inside the region, and whether the rest is untouched."""

    before: float
    cut: float
    guided: float
    same_array: bool
    same_file: bool

    @property
    def ratio(self) -> float:
        return self.guided / self.cut


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--samples", type=int, default=6)
    parser.add_argument("--data", type=Path, help="folder with the set people/")
    parser.add_argument("--size", type=int, default=384, help="longer side in pixels")
    parser.add_argument("--stylizer", default="gatys")
    parser.add_argument("--options", nargs="*", default=[], metavar="OPTION=VALUE")
    parser.add_argument("--regions", nargs="+", choices=("background", "person"),
                        default=["background", "person"])  # fmt: skip
    parser.add_argument("--keep", type=Path, help="folder for photo, cut and guided side by side")
    args = parser.parse_args()
    options = dict(option.split("=", 1) for option in args.options)
    settings = sfumato.Settings(size=args.size, device="cpu", options={args.stylizer: options})
    studio = Studio(settings)
    print_row(
        "", "region", "share", "style", "photo", "cut", "guided", "ratio", "array", "file", "s"
    )
    print_row(*["---"] * 11)
    outcomes = []
    for number, sample in enumerate(samples(args)):
        name = drawn.names()[number % len(drawn.names())]
        style = Style(name, image=drawn.draw(name, args.size))
        start = time.perf_counter()
        whole = painted(sample.photo, "everything", style, args.stylizer, studio).image
        for region in args.regions:
            inside = sample.person if region == "person" else ~sample.person
            outcome, sheet = compare(sample.photo, inside, whole, style, args.stylizer, studio)
            outcomes.append(outcome)
            if args.keep:
                args.keep.mkdir(parents=True, exist_ok=True)
                to_pillow(sheet).save(args.keep / f"{sample.name}-{region}-{name}.png")
            errors = [f"{x:.5f}" for x in (outcome.before, outcome.cut, outcome.guided)]
            same = ["same" if x else "CHANGED" for x in (outcome.same_array, outcome.same_file)]
            seconds = f"{time.perf_counter() - start:.0f}"
            share = f"{inside.mean():.0%}"
            ratio = f"{outcome.ratio:.3f}"
            print_row(sample.name, region, share, name, *errors, ratio, *same, seconds)
            start = time.perf_counter()
    conclude(outcomes)


def compare(
    photo: Image, inside: Mask, whole: Image, style: Style, stylizer: str, studio: Studio
) -> tuple[Outcome, Image]:
    """Cut the region out of ``whole``, paint it guided, and judge both; and both as a sheet."""
    alpha = inside.astype(np.float32)
    cut = studio.compositor()(whole, photo, alpha)
    with tempfile.TemporaryDirectory() as folder:
        mask, source, result = (Path(folder) / f"{n}.png" for n in ("mask", "photo", "result"))
        to_pillow(np.repeat(alpha[..., None], 3, axis=2)).save(mask)
        to_pillow(photo).save(source)
        painting = painted(photo, f'file:"{mask}"', style, stylizer, studio)
        changed = painting.matte.alpha > 0
        pictures.write(pictures.repaint(pictures.read(source), painting.image, changed), result)
        same_file = np.array_equal(bytes_of(result)[~inside], bytes_of(source)[~inside])
    assert style.image is not None
    judge = Judge(photo, style.image, fetched(), region=alpha)
    before, by_cut, by_guide = (judge(x).style for x in (photo, cut, painting.image))
    same_array = np.array_equal(painting.image[~inside], photo[~inside])
    outcome = Outcome(before, by_cut, by_guide, same_array, same_file)
    return outcome, np.hstack([photo, cut, painting.image])


def painted(photo: Image, region: str, style: Style, stylizer: str, studio: Studio) -> Painting:
    return sfumato.paint(photo, [sfumato.Layer(region, style, stylizer)], studio=studio)


def samples(args: argparse.Namespace) -> Iterator[Sample]:
    for path, mask in sources(args):
        picture = fit(Pillow.open(path).convert("RGB"), args.size)
        photo = to_image(picture)
        if mask:
            sized = Pillow.open(mask).convert("L").resize(picture.size, Pillow.Resampling.BOX)
            person = np.asarray(sized) >= 128
        else:
            person = sfumato.cut(photo, "person", sfumato.Settings(size=args.size)).alpha >= 0.5
        yield Sample(path.stem, photo, person)


def sources(args: argparse.Namespace) -> list[tuple[Path, Path | None]]:
    """Photo files and their mask files."""
    if not args.data:
        return [(path, None) for path in PHOTOS[: args.samples]]
    people = args.data / "people"
    names = json.loads((people / "split.json").read_text())["val"]
    chosen = names[:: max(1, len(names) // args.samples)][: args.samples]
    return [(people / "images" / f"{n}.jpg", people / "masks" / f"{n}.png") for n in chosen]


def conclude(outcomes: list[Outcome]) -> None:
    ratios = [outcome.ratio for outcome in outcomes]
    wins = sum(ratio < 1 for ratio in ratios)
    mean = math.exp(sum(map(math.log, ratios)) / len(ratios))
    print(
        f"\nGuided has the lower style error in {wins} of {len(ratios)}; ratio guided / cut: "
        f"geometric mean {mean:.3f}, from {min(ratios):.3f} to {max(ratios):.3f}."
    )
    changed = sum(not (o.same_array and o.same_file) for o in outcomes)
    if changed:
        raise SystemExit(f"pixels outside the region changed in {changed} pictures")
    print(f"Outside the region all pixels are the photo's own in {len(outcomes)} pictures.")


def bytes_of(path: Path) -> np.ndarray:
    with Pillow.open(path) as file:
        return np.asarray(file.convert("RGB"))


def print_row(*cells: str) -> None:
    print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
