"""Plans of small pictures, and a judge that needs no weights."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image as PillowImage

from sfumato.compare import measures
from sfumato.compare.measures import Losses

from ..descent import installed


class FakeJudge:
    """Plain squared distances in place of those of features."""

    def __init__(self, photo, style, *, region=None, style_region=None):
        self.photo, self.style = photo, style
        self.region = np.ones(photo.shape[:2]) if region is None else region

    def __call__(self, picture):
        content = float(((picture - self.photo) ** 2 * self.region[..., None]).mean())
        if self.style is None:
            return Losses(content, float("nan"), float("nan"))
        style = float(((picture.mean((0, 1)) - self.style.mean((0, 1))) ** 2).mean())
        return Losses(content, style, style + content)


@pytest.fixture
def judge(monkeypatch):
    monkeypatch.setattr(measures, "Judge", FakeJudge)


@pytest.fixture
def descent(tmp_path, monkeypatch):
    """The stylizer ``descent``, which works step by step, as an installed package."""
    with installed(tmp_path / "site", monkeypatch) as folder:
        yield folder


@pytest.fixture
def folder(tmp_path):
    """Two small pictures, a mask, and a place for plans."""
    place = tmp_path / "plans"
    place.mkdir()
    rng = np.random.default_rng(0)
    for name, shape in (("one", (40, 64, 3)), ("two", (64, 48, 3))):
        pixels = rng.integers(0, 90, shape, dtype=np.uint8)
        pixels[:, : shape[1] // 2] += 150  # two clusters: left and right
        PillowImage.fromarray(pixels).save(place / f"{name}.png")
    mask = np.zeros((40, 64), np.uint8)
    mask[:, :32] = 255
    PillowImage.fromarray(mask).save(place / "mask.png")
    return place


@pytest.fixture
def write(folder):
    """Writes a plan and gives its path."""

    def write(text, name="plan.yaml"):
        (folder / name).write_text(text)
        return str(folder / name)

    return write
