"""Small sets made in memory, and a segmenter that finds what is red."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
from PIL import Image as PillowImage
from pydantic import BaseModel, Field

from sfumato import registry
from sfumato.data.samples import Broken, Sample
from sfumato.types import Segments

CLASSES = ("person",)


class Options(BaseModel, extra="forbid"):
    least: float = Field(0.5, ge=0, le=1, description="redder than this is a person")


def build(options, context):
    return Red(options.least)


class Red:
    """Takes what is red for a person, so that a test paints what is to be found."""

    classes = ("person",)

    def __init__(self, least=0.5):
        self.least = least

    def __call__(self, image):
        soft = np.where(image[..., 0] > self.least, image[..., 0], 0)[None].astype(np.float32)
        return Segments(soft > 0.5, ("person",), (1.0,), soft)


class Fake:
    """Samples from (name, painted red, truth) triples; all bool or uint8 ``[H, W]``."""

    def __init__(self, triples, classes=("background", "person"), broken=()):
        self.triples, self.classes = list(triples), classes
        self.broken = [Broken(path, "cut short") for path in broken]

    def __len__(self):
        return len(self.triples)

    def __getitem__(self, i):
        name, red, truth = self.triples[i]
        image = np.zeros((*red.shape, 3), np.uint8)
        image[..., 0] = red * np.uint8(255)
        return Sample(image, np.asarray(truth, np.uint8), name)

    def name(self, i):
        return self.triples[i][0]


def square(side=40, left=10, top=10, size=20):
    mask = np.zeros((side, side), np.bool_)
    mask[top : top + size, left : left + size] = True
    return mask


def shifted(by, name="a"):
    """A square of 20 pixels a side, found so many pixels to the right."""
    return name, square(left=10 + by), square()


def write_pairs(folder: Path, triples):
    """The triples as a folder of images/ and masks/, all in ``val``."""
    for part in ("images", "masks"):
        (folder / part).mkdir(parents=True)
    sample = Fake(triples)
    for i, (name, _, truth) in enumerate(triples):
        image = cv2.cvtColor(sample[i].image, cv2.COLOR_RGB2BGR)
        cv2.imwrite(str(folder / "images" / f"{name}.png"), image)
        PillowImage.fromarray(truth).save(folder / "masks" / f"{name}.png")
    names = ", ".join(f'"{name}"' for name, *_ in triples)
    (folder / "split.json").write_text(f'{{"val": [{names}]}}')
    return folder


@contextmanager
def installed(folder: Path, monkeypatch):
    """While this lasts, ``red`` is a segmenter that a package brought."""
    folder.mkdir()
    shutil.copy(__file__, folder / "red_backend.py")
    meta = folder / "red-1.0.dist-info"
    meta.mkdir()
    (meta / "METADATA").write_text("Metadata-Version: 2.1\nName: red\nVersion: 1.0\n")
    (meta / "entry_points.txt").write_text("[sfumato.segment]\nred = red_backend\n")
    monkeypatch.syspath_prepend(folder)
    registry.backends.cache_clear()
    try:
        yield folder
    finally:
        registry.backends.cache_clear()
