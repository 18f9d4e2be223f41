"""How long a portrait takes into a painting, and how well the figure then sits in it.

    python benchmarks/placing.py ../shared/data
    python benchmarks/placing.py ../shared/data --pairs 24 -o placed --threads 1

Prints two Markdown tables.

*Time*: a portrait of 600 x 800 pixels into a painting of 1024, place and size found by itself, nets
loaded: median seconds of each step over five rounds, and the peak memory of the process.

*Believability*, over portraits of the val split and paintings without people of as many movements,
the figure at the lower border (or, of those who stand, a little above it), the same for all ways:

- seam: see ``sfumato.ops.seam``, against the photo's figure and the painting as they were; 1 = the
  outline is as visible as what the two have there themselves;
- colour: distance of the mean colours (CIELAB) of the figure and of its surroundings, plus that of
  their deviations;
- texture: mean difference of the log energy of five bands of a Laplacian pyramid of lightness,
  between the figure and its surroundings, in octaves;
- style: distance of the means and deviations of VGG-19's features (relu1_1 to relu3_1) between the
  two, relative to those of the surroundings; only where torch is installed;
- edge: difference of the widths of their sharper edges, in pixels;
- outline: the same between the figure's outline and the surroundings;
- ground: light that the ground just beneath the feet has lost, in octaves, of those who stand.

All but the last are lower for a figure that is more like its surroundings; a figure that equals
them would be invisible, so the aim is low, not 0. Softness shows with ``--size 1024``. *Paper*
paints the whole portrait by one net, cuts it hard and pastes. With ``-o`` pictures are written.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import resource
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from sfumato import pipeline
from sfumato.io import pictures, weights
from sfumato.ops import pyramid, seam, trimap
from sfumato.ops.colour import luminance
from sfumato.ops.resize import fit, resize
from sfumato.ops.trimap import bounds
from sfumato.place import colour, spots, surface
from sfumato.place.figure import Figure, Spot, figure_of, lay
from sfumato.place.place import place
from sfumato.place.placing import Placing
from sfumato.place.terms import BUST
from sfumato.studio import Studio
from sfumato.types import Alpha, Image, Style

SWITCHED = ("fade", "colour", "manner", "softness", "grain", "shadow")
BANDS, ROUNDS, STANDING = 5, 5, 4  # every fourth figure stands
MEASURES = ("seam", "colour", "texture", "style", "edge", "outline", "ground")
BENEATH = 0.05  # of the figure's height


@dataclass(frozen=True)
class Pair:
    """A figure for a painting, and the place that all ways share."""

    name: str
    portrait: Image
    figure: Figure
    painting: Image
    spot: Spot


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--pairs", type=int, default=24)
    parser.add_argument("--threads", type=int, help="of OpenCV and torch; None = as they like")
    parser.add_argument("--size", type=int, help="enlarge or shrink the paintings to this first")
    parser.add_argument("--only", choices=("time", "table"))
    parser.add_argument("-o", "--output", type=Path, help="folder for the pictures")
    chosen = parser.parse_args()
    if not chosen.data.is_dir():
        print(f"nothing measured: there is no folder {chosen.data}")
        return
    if chosen.threads:
        limit_threads(chosen.threads)
    studio = Studio()
    if chosen.only != "table":
        print(timing(chosen.data, studio), end="\n\n")
    if chosen.only != "time":
        cases = list(pairs(chosen.data, chosen.pairs, chosen.size, studio))
        print(table(cases, studio, chosen.output))


def limit_threads(count: int) -> None:
    cv2.setNumThreads(count)
    if importlib.util.find_spec("torch"):
        import torch

        torch.set_num_threads(count)


def timing(data: Path, studio: Studio) -> str:
    """Median seconds by step, warm."""
    portrait = resize(next(portraits(data, 1))[1], (800, 600))
    painting = sized(next(paintings(data, 1))[1], 1024)
    taken: dict[str, list[float]] = defaultdict(list)
    for i in range(ROUNDS + 1):
        start, busy = time.perf_counter(), time.process_time()
        placed = place(portrait, painting, studio=studio)
        if i:
            taken["total"].append(time.perf_counter() - start)
            taken["total, of processor time"].append(time.process_time() - busy)
            for step, seconds in placed.timings.items():
                taken[step].append(seconds)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    rows = ["| step | seconds |", "|---|---|"]
    rows += [f"| {name} | {statistics.median(s):.2f} |" for name, s in taken.items()]
    return "\n".join([*rows, f"\npeak memory {peak:.0f} MB"])


def pairs(data: Path, count: int, size: int | None, studio: Studio) -> Iterator[Pair]:
    for (who, portrait), (what, painting) in zip(
        portraits(data, count), paintings(data, count), strict=True
    ):
        figure = figure_of(portrait, pipeline.cut(portrait, studio=studio))
        painting = sized(painting, size or max(painting.shape))
        shape = painting.shape[:2]
        at = spots.anchor("bottom", figure, shape)
        yield Pair(f"{who}-{what}", portrait, figure, painting, at)


def sized(image: Image, side: int) -> Image:
    """Of this longer side."""
    return resize(image, tuple(round(n * side / max(image.shape)) for n in image.shape[:2]))


def portraits(data: Path, count: int) -> Iterator[tuple[str, Image]]:
    """Mostly heads and shoulders, some who stand."""
    sets = {
        name: json.loads((data / name / "split.json").read_text())["val"]
        for name in ("portraits", "people")
    }
    for i in range(count):
        folder = "people" if i % STANDING == STANDING - 1 else "portraits"
        name = sets[folder][i * len(sets[folder]) // count]
        yield name, pictures.read(data / folder / "images" / f"{name}.jpg").image


def paintings(data: Path, count: int) -> Iterator[tuple[str, Image]]:
    """Paintings without boxed people, one movement after the other."""
    listed = json.loads((data / "art" / "person_boxes.json").read_text())
    peopled = {box["image_id"] for box in listed["annotations"]}
    empty: dict[str, list[str]] = defaultdict(list)
    for image in listed["images"]:
        if image["id"] not in peopled:
            empty[image["file_name"].partition("/")[0]].append(image["file_name"])
    names = [sorted(files)[i] for i in range(count) for _, files in sorted(empty.items())
             if i < len(files)]  # fmt: skip
    for name in names[:count]:
        yield Path(name).stem, pictures.read(data / "art" / "images" / name).image


def table(cases: list[Pair], studio: Studio, folder: Path | None) -> str:
    measured: dict[str, list[dict[str, float]]] = defaultdict(list)
    features = vgg()
    for pair in cases:
        there = lay(pair.figure, pair.spot, pair.painting.shape[:2])
        for name, image in results(pair, studio):
            measured[name].append(judge(image, there.alpha, there.foreground, pair, features))
            if folder:
                folder.mkdir(parents=True, exist_ok=True)
                path = folder / f"{pair.name}-{name}.png"
                pictures.write(pictures.from_image(image), path, overwrite=True)
    rows = [f"| way ({len(cases)} pairs) | {' | '.join(MEASURES)} |"]
    rows.append("|---" * (1 + len(MEASURES)) + "|")
    for name, found in measured.items():
        means = (np.nanmean([one[measure] for one in found]) for measure in MEASURES)
        rows.append(f"| {name} | {' | '.join(f'{mean:.3f}' for mean in means)} |")
    return "\n".join(rows)


def results(pair: Pair, studio: Studio) -> Iterator[tuple[str, Image]]:
    yield "hard paste", pasted(pair, pair.portrait, studio)
    style = Style("the painting", image=pair.painting)
    yield "paper", pasted(pair, studio.stylizer(None)(pair.portrait, style), studio)
    for name in ("ours", *SWITCHED):
        options = Placing(**({} if name == "ours" else {name: 0.0}))
        placed = place(
            pair.portrait, pair.painting, spot=pair.spot, figure=pair.figure, options=options,
            studio=studio,
        )  # fmt: skip
        yield name if name == "ours" else f"without {name}", placed.image


def pasted(pair: Pair, photo: Image, studio: Studio) -> Image:
    """A photo's pixels inside of a hard mask."""
    matte = pipeline.cut(pair.portrait, studio=studio)
    hard = (matte.alpha > 0.5).astype(np.float32)
    found = figure_of(photo, type(matte)(matte.alpha, photo))
    box = bounds(matte.alpha > 0.02, 0)
    assert box is not None
    solid = Figure(photo[box], hard[box], photo[box], found.cut)
    laid = lay(solid, pair.spot, pair.painting.shape[:2])
    return np.where(laid.alpha[..., None] > 0.5, laid.foreground, pair.painting)


def judge(
    image: Image, alpha: Alpha, own: Image, pair: Pair, features: Features | None
) -> dict[str, float]:
    """How far a figure is from its surroundings."""
    inside = surface._within(alpha) if surface._within(alpha).any() else alpha
    outside = colour.around(alpha)
    box = bounds(alpha > 0, round(0.4 * max(pair.figure.alpha.shape))) or np.s_[:, :]
    usual = surface.edge_width(image, outside)
    outline = trimap.unknown_band((alpha > 0.5).astype(np.float32), 3).astype(np.float32)
    return {
        "seam": seam.score(image, own, pair.painting, alpha),
        "colour": colour_distance(image, inside, outside),
        "texture": texture_distance(image, inside, outside),
        "style": features(image[box], inside[box], outside[box]) if features else float("nan"),
        "edge": abs(surface.edge_width(image, inside) - usual),
        "outline": abs(surface.edge_width(image, outline) - usual),
        "ground": float("nan") if pair.figure.cut.bottom >= BUST else lost(image, alpha, pair),
    }


def lost(image: Image, alpha: Alpha, pair: Pair) -> float:
    """Octaves of light that the ground beneath a figure has lost."""
    end, deep = round(pair.spot.top + pair.spot.height), round(BENEATH * pair.spot.height)
    beneath = np.s_[end : end + max(2, deep)]
    free = (alpha[beneath] < 0.02) & (alpha.max(0) > 0.5)
    after, before = (luminance(one[beneath])[free].sum() for one in (image, pair.painting))
    return float(np.log2(before / after)) if after > 0 else float("nan")


def colour_distance(image: Image, inside: Alpha, outside: Alpha) -> float:
    lab = colour.to_lab(image).reshape(-1, 3)
    (a, da), (b, db) = (moments(lab, share.ravel()) for share in (inside, outside))
    return float(np.linalg.norm(a - b) + np.linalg.norm(da - db))


def moments(values: Image, weight: Alpha) -> tuple[Alpha, Alpha]:
    mean = np.average(values, axis=0, weights=weight)
    return mean, np.sqrt(np.average(np.square(values - mean), axis=0, weights=weight))


def texture_distance(image: Image, inside: Alpha, outside: Alpha) -> float:
    light = np.ascontiguousarray(colour.to_lab(image)[..., 0])
    found = []
    for band in pyramid.laplacian(light, BANDS + 1)[:BANDS]:
        energy = [
            np.average(np.abs(band), weights=resize(weight, band.shape) + 1e-9)
            for weight in (inside, outside)
        ]
        found.append(abs(np.log2((energy[0] + 0.05) / (energy[1] + 0.05))))
    return float(np.mean(found))


Features = Callable[[Image, Alpha, Alpha], float]


def vgg() -> Features | None:
    """The distance of VGG-19's statistics; None without torch."""
    if not importlib.util.find_spec("torch"):
        return None
    import torch

    from sfumato.nets import vgg as nets
    from sfumato.nets.adain import weighted_mean_std

    layers = ["relu1_1", "relu2_1", "relu3_1"]
    net = nets.load_normalised(weights.fetch("vgg19-normalised"), layers=layers).eval()

    def distance(image: Image, inside: Alpha, outside: Alpha) -> float:
        image, found = fit(np.ascontiguousarray(image), 512), []
        with torch.inference_mode():
            maps = net(torch.from_numpy(image).permute(2, 0, 1)[None])
        for layer in layers:
            x = maps[layer]
            shares = [
                torch.from_numpy(resize(w, tuple(x.shape[2:])) + 1e-6)[None, None]
                for w in (inside, outside)
            ]
            (a, da), (b, db) = (weighted_mean_std(x, share) for share in shares)
            scale = b.norm() + db.norm()
            found.append(float(((a - b).norm() + (da - db).norm()) / scale))
        return float(np.mean(found))

    return distance


if __name__ == "__main__":
    main()
