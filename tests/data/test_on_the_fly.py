"""Samples painted while a net learns: drawn by the generator, loaded where they are read."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from sfumato.data.augment import Augmentation, augment
from sfumato.data.on_the_fly import OnTheFly
from sfumato.data.samples import Sample
from sfumato.errors import UsageError
from sfumato.ops import onnx
from sfumato.studio import Studio

from . import sets


@pytest.fixture
def styles(tmp_path):
    """Two flat pictures."""
    return tuple(
        str(sets.save(tmp_path / f"{v}.png", np.full((9, 9, 3), v, np.uint8))) for v in (40, 200)
    )


@pytest.fixture
def flat(monkeypatch):
    """A stylizer that paints everything in its style's colour."""

    def paint(content, style, *, region=None, progress=None):
        return np.broadcast_to(style.image[:1, :1], content.shape).astype(np.float32)

    monkeypatch.setattr(Studio, "stylizer", lambda self, name: paint)


def test_style_and_strength_are_drawn(flat, styles):
    paint = OnTheFly(styles, strength=(0.5, 1))
    black = np.zeros((4, 5, 3), np.float32)
    seen = [float(paint(black, np.random.default_rng(i))[0, 0, 0]) for i in range(200)]
    dark = [v * 255 / 40 for v in seen if v < 60 / 255]
    light = [v * 255 / 200 for v in seen if v >= 60 / 255]
    assert min(len(dark), len(light)) > 70
    assert 0.5 <= min(dark + light) < 0.53
    assert 0.97 < max(dark + light) <= 1.0001
    again = [float(paint(black, np.random.default_rng(i))[0, 0, 0]) for i in range(200)]
    assert again == seen


def test_figures_and_ground_apart(flat, styles):
    mask = np.zeros((60, 60), np.uint8)
    mask[15:45, 15:45] = 1
    sample = Sample(np.zeros((60, 60, 3), np.uint8), mask, "square")
    quiet = dict.fromkeys(("colour", "grey", "blur", "noise", "jpeg", "rotation", "stretch"), 0)
    options = Augmentation(**quiet, smallest=1, largest=1, shift=0, restyle=1, apart=1)
    paint = OnTheFly(styles, strength=(1, 1))
    seen = set()
    for seed in range(20):
        result = augment(sample, options, np.random.default_rng(seed), size=60, restyle=paint)
        seen.add((int(result.image[30, 30, 0]), int(result.image[3, 3, 0])))
    assert seen == {(a, b) for a in (40, 200) for b in (40, 200)}


@pytest.mark.weights
def test_it_travels_before_it_paints():
    paint = pickle.loads(pickle.dumps(OnTheFly(("waves",))))
    image = np.random.default_rng(0).random((40, 50, 3), dtype=np.float32)
    painted = paint(image, np.random.default_rng(0))
    assert painted.shape == image.shape
    assert painted.dtype == np.float32
    assert np.abs(painted - image).mean() > 0.02
    assert onnx.limit_threads(0) == 0  # what was set for the loading holds no longer


def test_nothing_to_paint_in():
    with pytest.raises(UsageError, match="no styles"):
        OnTheFly(())
    with pytest.raises(UsageError, match="strengths"):
        OnTheFly(("waves",), strength=(0.9, 0.2))
