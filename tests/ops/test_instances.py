"""Telling several of one kind apart."""

from __future__ import annotations

import numpy as np
import pytest

from sfumato.ops.instances import choose, split
from sfumato.types import Segments


def _scene(*boxes, soft=False):
    """Rectangles (x0, y0, x1, y1) in a 60 x 100 picture, as one mask."""
    mask = np.zeros((1, 60, 100), bool)
    for x0, y0, x1, y1 in boxes:
        mask[0, y0:y1, x0:x1] = True
    alpha = mask * np.float32(0.9) if soft else None
    return Segments(mask, ("person",), (1.0,), alpha)


LEFT, MIDDLE, RIGHT = (2, 5, 20, 55), (40, 20, 55, 50), (70, 0, 99, 60)


def test_parts_are_counted_from_the_left():
    parts = split(_scene(RIGHT, LEFT, MIDDLE), "person")
    assert [int(p.sum()) for p in parts] == [18 * 50, 15 * 30, 29 * 60]
    assert choose(parts, "1")[10, 10] == 1
    assert choose(parts, "3")[10, 80] == 1
    assert choose(parts, "4") is None


def test_largest_and_central():
    parts = split(_scene(LEFT, MIDDLE, RIGHT), "person")
    assert choose(parts, "largest") is parts[2]
    assert choose(parts, "central") is parts[1]


def test_specks_belong_to_nobody():
    assert len(split(_scene(LEFT, (90, 2, 92, 3)), "person")) == 1


def test_soft_edges_go_to_the_nearest_part():
    scene = _scene(LEFT, RIGHT)
    soft = np.full(scene.masks.shape, 0.2, np.float32)
    parts = split(Segments(scene.masks, scene.labels, scene.scores, soft), "person")
    assert len(parts) == 2
    np.testing.assert_allclose(sum(parts), soft[0])
    assert parts[0][0, 0] > 0
    assert parts[1][0, 0] == 0


def test_instances_of_the_net_are_taken_at_their_word():
    masks = np.zeros((3, 8, 8), bool)
    masks[0, :, 4:] = masks[1, :, :4] = masks[2, 0, 0] = True
    parts = split(Segments(masks, ("person", "person", "dog"), (1.0, 1.0, 1.0)), "person")
    assert len(parts) == 2
    assert parts[0][0, 0] == 1


@pytest.mark.parametrize("pick", ["largest", "central", "1"])
def test_nobody(pick):
    assert choose(split(_scene(), "person"), pick) is None
    assert choose(split(_scene(LEFT), "dog"), pick) is None
