"""The many-class net, with its real weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sfumato import Settings, cut, read, registry
from sfumato.errors import UsageError
from sfumato.types import Context

PHOTOS = Path(__file__).resolve().parents[2] / "docs" / "images" / "photos"


@pytest.fixture(scope="module")
def pascal():
    backend = registry.find("segment", "pascal")
    if backend.missing:
        pytest.skip(f"pascal needs {', '.join(backend.missing)}: {backend.install_line}")
    return registry.build("segment", "pascal", Context(device="cpu"))


@pytest.mark.weights
def test_finds_the_cat_and_nothing_else(pascal):
    segments = pascal(read(PHOTOS / "cat.jpg").image)
    assert segments.labels == ("cat",)
    height, width = segments.masks.shape[1:]
    assert segments.masks[0, height // 2, width // 3]
    assert not segments.masks[0, height // 4, -width // 20]


@pytest.mark.weights
def test_finds_the_astronaut(pascal, astronaut):
    mask = pascal(astronaut).select("person")
    assert mask[110, 225]
    assert mask[400, 100]
    assert not mask[20, 20]
    assert 0.4 < mask.mean() < 0.65


@pytest.mark.weights
def test_a_class_chooses_it(pascal):
    photo = read(PHOTOS / "cat.jpg").image
    assert cut(photo, "cat").alpha.mean() > 0.5
    with pytest.raises(UsageError, match="for 'cat': --segmenter pascal"):
        cut(photo, "cat", Settings(segmenter="modnet"))


@pytest.mark.weights
def test_least(astronaut, pascal):
    strict = registry.build("segment", "pascal", Context(device="cpu"), {"least": 1})
    assert strict(astronaut).labels == ()
    assert pascal(np.full((40, 60, 3), 0.3, np.float32)).labels == ()
