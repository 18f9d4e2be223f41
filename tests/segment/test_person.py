"""The net that ships: its file, its card, and what it finds."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from sfumato import registry
from sfumato.io import pictures
from sfumato.ops.onnx import session
from sfumato.segment import person
from sfumato.types import Context

MEGABYTES = 10
PHOTOS = Path(__file__).parents[2] / "docs" / "images" / "photos"


@pytest.fixture(scope="module")
def find():
    return registry.build("segment", "person", Context(device="cpu"))


def test_the_card_is_of_this_file():
    data = person.NET.read_bytes()
    card = person.NET.with_suffix(".md").read_text(encoding="utf-8")
    assert hashlib.sha256(data).hexdigest() in card
    assert len(data) < MEGABYTES * 1e6
    for part in ("## How it was made", "## How good it is", "## Licence and provenance"):
        assert part in card


def test_the_graph_says_what_it_finds():
    opened = session(person.NET, "cpu")
    about = json.loads(opened.get_modelmeta().custom_metadata_map["sfumato"])
    assert about["class_names"] == ["background", *person.CLASSES]
    assert [i.name for i in opened.get_inputs()] == ["image"]


def test_one_soft_mask_of_the_pictures_size(find, astronaut):
    found = find(astronaut)
    assert found.labels == ("person",)
    assert found.masks.shape == (1, *astronaut.shape[:2])
    assert found.scores[0] > 0.9
    unsure = (found.soft > 0.05) & (found.soft < 0.95)
    assert 0 < unsure.mean() < 0.1


def test_a_poster_of_a_photo_has_its_outline(find):
    photo = pictures.read(PHOTOS / "portrait.jpg").image
    poster = (np.round(photo * 5) / 5).astype(np.float32)  # six levels a channel
    masks = [find(picture).select("person") for picture in (photo, poster)]
    assert (masks[0] & masks[1]).sum() / (masks[0] | masks[1]).sum() > 0.9
