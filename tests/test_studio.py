"""Nets that are kept between settings."""

from __future__ import annotations

import pytest

from sfumato import regions
from sfumato.errors import PictureError
from sfumato.io import pictures
from sfumato.settings import Settings
from sfumato.studio import Studio


def test_a_turned_studio_shares_what_is_built_alike():
    studio = Studio(Settings())
    kmeans = studio.segmenter("kmeans")
    assert studio.turned(Settings(strength=0.5, size=512)).segmenter("kmeans") is kmeans
    for other in (Settings(seed=1), Settings(device="cpu"), Settings(options={"kmeans": {}})):
        assert studio.turned(other).segmenter("kmeans") is not kmeans
    assert studio.turned(Settings(strength=0.5)).settings.strength == 0.5


@pytest.mark.weights
def test_weights_are_those_of_the_backends_used_and_of_their_parts():
    first = Studio(Settings())
    first.segmenter("duo")
    assert set(first.weights()) == {"modnet"}
    second = first.turned(Settings(strength=0.5))
    assert second.weights() == {}
    second.segmenter("u2netp")
    assert set(second.weights()) == {"u2netp"}
    second.segmenter("duo")  # built before, and with it the net that it asks
    assert set(second.weights()) == {"u2netp", "modnet"}


def test_mask_files_get_other_names_and_nothing_else_does():
    parsed = regions.parse("(person - file:a.png) & not (file:b.png + box:0,0,1,1)")
    renamed = regions.with_files(parsed, lambda path: f"/masks/{path}")
    paths = [leaf.path for leaf in regions.leaves(renamed) if isinstance(leaf, regions.File)]
    assert paths == ["/masks/a.png", "/masks/b.png"]
    assert regions.with_files(renamed, lambda path: path.removeprefix("/masks/")) == parsed


def test_a_picture_is_checked_by_its_header(astronaut_path):
    pictures.check(astronaut_path)
    pictures.check(astronaut_path.read_bytes()[:20_000])  # the rest is not looked at
    with pytest.raises(PictureError, match="the limit is 0 megapixels"):
        pictures.check(astronaut_path, max_pixels=1000)
    with pytest.raises(PictureError, match="cannot be read as a picture"):
        pictures.check(b"hello")
