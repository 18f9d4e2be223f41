"""The nets that find a person or a subject, with their real weights."""

from __future__ import annotations

import json

import numpy as np
import pytest

from sfumato import registry
from sfumato.io import pictures
from sfumato.ops.resize import area_shape
from sfumato.segment.selfie import models
from sfumato.types import Context

NETS = ["duo", "person", "modnet", "selfie", "u2netp", "grabcut"]
PERSON_NETS = ["duo", "person", "modnet", "selfie"]

# On the portrait of the astronaut Eileen Collins: x, y of what is she and what is not.
INSIDE = [(225, 110), (225, 60), (180, 70), (200, 330), (100, 400), (280, 200)]
OUTSIDE = [(20, 20), (400, 60), (470, 200), (20, 150), (330, 60), (490, 20)]
HELMET = (..., slice(330, 512), slice(270, 512))
"""Rows and columns of what she holds in her arm: ``person`` takes a part of it, the others all."""

BYSTANDERS = ("00174",)
"""Pictures whose hand-made mask leaves people out who are plain to see."""


@pytest.fixture(scope="module")
def build():
    built = {}

    def get(name):
        backend = registry.find("segment", name)
        if backend.missing:
            pytest.skip(f"{name} needs {', '.join(backend.missing)}: {backend.install_line}")
        if name not in built:
            built[name] = registry.build("segment", name, Context(device="cpu", seed=1))
        return built[name]

    return get


@pytest.mark.weights
@pytest.mark.parametrize("name", NETS)
def test_covers_the_astronaut(build, name, astronaut):
    segmenter = build(name)
    mask = segmenter(astronaut).select(segmenter.classes[0])
    assert all(mask[y, x] for x, y in INSIDE)
    assert not any(mask[y, x] for x, y in OUTSIDE)
    if name != "person":
        assert mask[420, 330]  # the helmet
    assert (0.4 if name == "person" else 0.45) < mask.mean() < 0.65


@pytest.mark.weights
@pytest.mark.parametrize("name", PERSON_NETS)
def test_a_mirrored_picture_gives_about_the_mirrored_mask(build, name, astronaut):
    segmenter = build(name)
    mask, mirrored = (segmenter(p).select("person") for p in (astronaut, astronaut[:, ::-1]))
    masks = np.stack([mask, mirrored[:, ::-1]])
    if name == "person":
        masks[HELMET] = False
    assert masks.all(axis=0).sum() / masks.any(axis=0).sum() > 0.96


@pytest.mark.weights
@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("shape", [(1, 1), (1, 500), (37, 53), (5000, 1)], ids=str)
def test_any_size_comes_back_in_its_own(build, name, shape):
    image = np.random.default_rng(0).random((*shape, 3), dtype=np.float32)
    segments = build(name)(image)
    assert segments.masks.shape[1:] == shape
    if segments.soft is not None:
        assert segments.soft.shape == segments.masks.shape
        assert segments.soft.dtype == np.float32
        assert np.isfinite(segments.soft).all()
        assert 0 <= segments.soft.min() <= segments.soft.max() <= 1
        np.testing.assert_array_equal(segments.masks, segments.soft > 0.5)
    np.testing.assert_array_equal(build(name)(image).masks, segments.masks)


@pytest.mark.weights
@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("colour", [(0, 0, 0), (1, 1, 1), (0.8, 0.3, 0.2)], ids=str)
def test_flat_pictures_show_nobody(build, name, colour):
    segments = build(name)(np.full((60, 90, 3), colour, dtype=np.float32))
    assert segments.masks.shape == (0, 60, 90)


@pytest.mark.weights
def test_u2netp_finds_no_subject_in_a_plain_shade(build):
    shade = np.linspace(0.45, 0.55, 300, dtype=np.float32)[None, :, None]
    segments = build("u2netp")(np.broadcast_to(shade, (200, 300, 3)).copy())
    assert segments.labels == ()


@pytest.mark.weights
@pytest.mark.shared
@pytest.mark.parametrize("name", ["duo", "modnet", "person"])
@pytest.mark.parametrize(("folder", "least"), [("portraits", 0.94), ("people", 0.93)])
def test_the_best_find_people_in_photographs(build, shared_data, name, folder, least):
    names = json.loads((shared_data / folder / "split.json").read_text())["val"]
    scores = []
    for picture in [name for name in names if name not in BYSTANDERS][:8]:
        image = pictures.read(shared_data / folder / "images" / f"{picture}.jpg").image
        truth = pictures.read_mask(shared_data / folder / "masks" / f"{picture}.png") > 0.5
        mask = build(name)(image).select("person")
        scores.append((mask & truth).sum() / (mask | truth).sum())
    assert np.mean(scores) > least


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((512, 512), (384, 384)),
        ((480, 320), (480, 320)),
        ((4000, 6000), (320, 480)),
        ((37, 53), (320, 448)),
        ((1, 1), (384, 384)),
        ((1, 5000), (64, 1536)),
        ((5000, 1), (1536, 64)),
    ],
)
def test_modnet_sees_the_same_area_in_every_shape(shape, expected):
    assert area_shape(*shape, 384) == expected


def test_modnet_keeps_proportions():
    for width in range(300, 2000, 37):
        high, wide = area_shape(600, width, 384)
        assert high % 32 == wide % 32 == 0
        assert (wide / high) / (width / 600) == pytest.approx(1, abs=0.12)


def test_selfie_chooses_its_net_by_the_pictures_shape():
    assert models("auto", (100, 100)) == ("selfie",)
    assert models("auto", (100, 178)) == ("selfie-landscape",)
    assert models("auto", (178, 100)) == ("selfie",)
    assert models("square", (100, 178)) == ("selfie",)
    assert models("both", (100, 100)) == ("selfie", "selfie-landscape")
