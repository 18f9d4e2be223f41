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


class Session:
    """A net that says where it is light, and notes the sizes at which it was asked."""

    def __init__(self, surety=8.0):
        self.sizes, self.surety = [], surety

    def run(self, names, inputs):
        light = inputs["image"][:, :1]
        self.sizes.append(light.shape[2:])
        logits = np.where(light > 0.5, self.surety, -self.surety)
        return [np.concatenate([0 * logits, logits], axis=1).astype(np.float32)]


def light(share, size=(256, 256)):
    """A dark picture whose upper part, of this share, is light."""
    image = np.zeros((*size, 3), np.float32)
    image[: round(share * size[0])] = 1
    return image


def test_who_fills_the_picture_is_also_seen_from_further_away():
    near, large = Session(), Session()
    person.Person(person.Options(), near)(light(0.25))
    assert near.sizes == [(512, 512)]
    found = person.Person(person.Options(), large)(light(0.5))
    assert large.sizes == [(512, 512), (256, 256)]
    assert found.masks.mean() == pytest.approx(0.5, abs=0.01)


def test_what_it_is_unsure_of_is_nobody():
    options = person.Options()
    assert person.Person(options, Session(surety=0.5))(light(0.5)).labels == ()
    sure = person.Options(least=0.0)
    assert person.Person(sure, Session(surety=0.5))(light(0.5)).labels == ("person",)
