"""Points and boxes, with SAM 2's real weights."""

from __future__ import annotations

import numpy as np
import pytest

from sfumato import registry
from sfumato.types import Context

pytestmark = [pytest.mark.slow, pytest.mark.weights]  # seconds a picture

INSIDE = [(225, 110), (225, 60), (200, 330), (100, 400)]
OUTSIDE = [(20, 20), (400, 60), (470, 200), (490, 20), (390, 400)]  # the last one: the helmet


@pytest.fixture(scope="module")
def sam():
    return registry.build("segment", "sam", Context(device="cpu"))


@pytest.fixture(scope="module")
def look(sam, astronaut):
    return sam.look(astronaut)


def test_a_point_on_her_suit_means_the_astronaut(look):
    alpha = look((0.4, 0.6))
    assert alpha.shape == (512, 512)
    assert alpha.dtype == np.float32
    assert 0 <= alpha.min() <= alpha.max() <= 1
    assert all(alpha[y, x] > 0.9 for x, y in INSIDE)
    assert all(alpha[y, x] < 0.1 for x, y in OUTSIDE)


def test_a_box_means_what_it_holds(look):
    head = look((0.33, 0.0, 0.56, 0.4)) > 0.5
    assert head[110, 225]
    assert not head[330, 200]
    assert head.mean() < 0.12


def test_another_point_means_another_thing(look):
    elsewhere = look((0.82, 0.3)) > 0.5
    assert elsewhere[int(0.3 * 512), int(0.82 * 512)]
    assert not elsewhere[330, 200]


def test_the_whole_holds_more_than_the_part(astronaut, look):
    part = registry.build("segment", "sam", Context(device="cpu"), {"level": "part"})
    suit = part.look(astronaut)((0.4, 0.6))
    assert suit[110, 225] < 0.1  # her face
    assert suit[330, 200] > 0.9
    assert suit.mean() < 0.7 * look((0.4, 0.6)).mean()


def test_without_a_prompt_it_takes_the_middle(sam, astronaut, look):
    segments = sam(astronaut)
    assert segments.labels == ("subject",)
    np.testing.assert_array_equal(segments.soft[0], look((0.5, 0.5)))


def test_a_flat_picture_holds_nothing(sam):
    assert not sam.look(np.full((40, 60, 3), 0.4, np.float32))((0.5, 0.5)).any()
