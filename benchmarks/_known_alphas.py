"""Composites whose alpha is known exactly, for ``matting.py``.

Heads are cut out of photographs with a plain ground, where the matting equations are easy, and
laid over other pictures: whatever the cut-out's alpha owes to the method that found it, it is
the composite's true alpha. Nothing of ours that is measured has learned from these photographs.
"""

from __future__ import annotations

import json
import runpy
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

import cv2
import numpy as np

from sfumato import registry
from sfumato.io import pictures
from sfumato.matte import closed_form
from sfumato.ops import foreground
from sfumato.ops.guided import ENDS
from sfumato.ops.resize import resize
from sfumato.ops.trimap import pixels, stretch, unknown_band
from sfumato.types import Alpha, Context, Image, Mask

ROOT = Path(__file__).resolve().parents[1]
PHOTOS = ("canal", "coffee", "cat")  # those of docs/images/photos without people

# What is asked of a portrait: lengths are shares of the longer side, colours 0..1 a channel.
BAND = 0.03  # how far from the mask's edge alpha is solved for
BESIDE = 0.12  # how far from it the ground is looked at
GROUND = 0.1  # least share of the picture that is ground beside the head
APART = 0.3  # least distance of the head's rim from the ground (of nine tenths of the rim)
COLOUR = 0.08  # least mean range of a pixel's channels: no grey pictures


@dataclass(frozen=True)
class Scene:
    """A picture, its true alpha, and the soft selection that the matters start from."""

    source: str  # scenes of one source are not independent
    image: Image
    truth: Alpha
    soft: Alpha


def portraits(data: Path, number: int) -> Iterator[Scene]:
    """The plainest portraits, each over a photograph and over a painting without people."""
    find = registry.build("segment", "modnet", Context())
    photographs = cycle(ROOT / "docs/images/photos" / f"{name}.jpg" for name in PHOTOS)
    for name, painting in zip(
        plainest(data / "portraits", number), paintings(data / "art", number), strict=True
    ):
        fore, truth = cut_out(*portrait(data / "portraits", name))
        for ground in (next(photographs), painting):
            image = over(fore, truth, pictures.read(ground).image)
            yield Scene(name, image, truth, find(image).alpha("person"))


def drawn(number: int, size: int = 256) -> Iterator[Scene]:
    """The drawn heads with hair of ``tests/matting_scenes.py``, from a blurred selection."""
    scene = runpy.run_path(str(ROOT / "tests" / "matting_scenes.py"))["scene"]
    for seed in range(number):
        image, truth, _, _ = scene(size, seed)
        yield Scene(str(seed), image, truth, cv2.GaussianBlur(truth, (0, 0), 2))


def plainest(folder: Path, number: int) -> list[str]:
    """Names of the portraits whose ground beside the head is the most even."""
    split = json.loads((folder / "split.json").read_text())
    names = sorted(split["train"] + split["val"])
    uneven = {name: unevenness(*portrait(folder, name, small=True)) for name in names}
    return sorted(names, key=lambda name: uneven[name])[:number]


def portrait(folder: Path, name: str, *, small: bool = False) -> tuple[Image, Mask]:
    """Picture and hand-made mask; a quarter of the size for a quick look."""
    in_colour, in_grey = (
        (cv2.IMREAD_REDUCED_COLOR_4, cv2.IMREAD_REDUCED_GRAYSCALE_4)
        if small
        else (cv2.IMREAD_COLOR, cv2.IMREAD_GRAYSCALE)
    )
    image = cv2.imread(str(folder / "images" / f"{name}.jpg"), in_colour)
    mask = cv2.imread(str(folder / "masks" / f"{name}.png"), in_grey)
    return image[..., ::-1].astype(np.float32) / 255, mask > 127


def unevenness(image: Image, mask: Mask) -> float:
    """How far the ground beside the head strays from a plane in each channel (RMS of colour);
    infinite where it cannot be told from the head's rim or is hardly there."""
    solid = mask.astype(np.uint8)
    near, far = (cv2.dilate(solid, around(share, mask)) > 0 for share in (BAND, BESIDE))
    rim = mask & (cv2.erode(solid, around(BAND, mask)) == 0)
    ground = far & ~near
    if ground.mean() < GROUND or np.ptp(image, axis=2)[mask].mean() < COLOUR:
        return float("inf")
    plane = np.dstack([*np.indices(mask.shape, np.float32), np.ones(mask.shape, np.float32)])
    fitted, *_ = np.linalg.lstsq(plane[ground], image[ground], rcond=None)
    apart = np.linalg.norm(image - plane @ fitted, axis=2)
    if np.quantile(apart[rim], 0.1) < APART:
        return float("inf")
    return float(np.sqrt(np.square(apart[ground]).mean()))


def around(share: float, mask: Mask) -> np.ndarray:
    side = 2 * pixels(share, mask.shape) + 1
    return np.ones((side, side), np.uint8)


def cut_out(image: Image, mask: Mask) -> tuple[Image, Alpha]:
    """Foreground colours and alpha, by closed-form matting with next to no pull to the mask."""
    alpha = mask.astype(np.float32)
    band = unknown_band(alpha, pixels(BAND, mask.shape))
    alpha[band] = closed_form.solve(image, alpha, band, closed_form.Options(trust=1e-6))
    alpha = stretch(alpha, ENDS)
    return foreground.estimate(image, alpha)[0], alpha


def paintings(folder: Path, number: int) -> list[Path]:
    """Spread over the training pictures of the art set that have no person in them."""
    boxes = json.loads((folder / "person_boxes.json").read_text())
    peopled = {box["image_id"] for box in boxes["annotations"]}
    empty = {entry["file_name"] for entry in boxes["images"] if entry["id"] not in peopled}
    train = json.loads((folder / "split.json").read_text())["train"]
    names = sorted(name for name in train if name in empty)
    return [folder / "images" / name for name in names[:: len(names) // number][:number]]


def over(fore: Image, alpha: Alpha, ground: Image) -> Image:
    """A cut-out over the middle of another picture."""
    height, width = alpha.shape
    scale = max(height / ground.shape[0], width / ground.shape[1])
    shape = tuple(max(n, round(scale * m)) for n, m in zip(alpha.shape, ground.shape, strict=False))
    top, left = (shape[0] - height) // 2, (shape[1] - width) // 2
    behind = resize(ground, shape)[top : top + height, left : left + width]
    share = alpha[..., None]
    return np.asarray(share * fore + (1 - share) * behind, dtype=np.float32)
