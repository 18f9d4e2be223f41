"""Structure: what agreement says of pictures whose answer is known."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sfumato.errors import UsageError
from sfumato.ops.structure import edge_agreement, self_similarity

MEASURES = [edge_agreement, self_similarity]

measures = pytest.mark.parametrize("measure", MEASURES)


def scene(seed: int = 0, size: tuple[int, int] = (120, 160)) -> np.ndarray:
    """A few flat shapes before a slope."""
    rng = np.random.default_rng(seed)
    image = np.zeros((*size, 3), np.float32)
    image += np.linspace(0.2, 0.6, size[1], dtype=np.float32)[None, :, None]
    for _ in range(5):
        centre = tuple(int(rng.integers(20, n - 20)) for n in size[::-1])
        cv2.circle(image, centre, int(rng.integers(8, 30)), rng.uniform(0, 1, 3).tolist(), -1)
    return image


@measures
def test_the_same_picture_agrees(measure, astronaut):
    assert measure(astronaut, astronaut) == pytest.approx(1)


@measures
@given(seed=st.integers(0, 1000), gain=st.floats(0.4, 0.9))
@settings(max_examples=15, deadline=None)
def test_less_contrast_is_the_same_structure(measure, seed, gain):
    image = scene(seed)
    assert measure(image, (image * gain + 0.05).astype(np.float32)) > 0.9


@measures
def test_other_pictures_and_shifted_ones_do_not(measure, astronaut):
    other = scene(1, astronaut.shape[:2])
    assert measure(astronaut, other) < 0.35
    moved = np.roll(astronaut, 80, axis=1)
    assert measure(astronaut, moved) < 0.5


@measures
def test_it_falls_as_the_picture_is_covered(measure, astronaut):
    noise = cv2.GaussianBlur(
        np.random.default_rng(0).uniform(0, 1, astronaut.shape).astype(np.float32), (0, 0), 6
    )
    noise = (noise - noise.min()) / np.ptp(noise)
    shares = [measure(astronaut, astronaut * (1 - t) + noise * t) for t in (0, 0.3, 0.6, 0.9)]
    assert shares == sorted(shares, reverse=True)
    assert shares[-1] < 0.5


@measures
@pytest.mark.parametrize("size", [(1, 1), (1, 40), (40, 1), (3, 2)])
def test_tiny_pictures(measure, size):
    image = np.random.default_rng(0).uniform(0, 1, (*size, 3)).astype(np.float32)
    assert measure(image, image) == pytest.approx(1)


@measures
def test_flat_pictures(measure):
    flat, grey = np.zeros((60, 70, 3), np.float32), np.full((60, 70, 3), 0.5, np.float32)
    assert measure(flat, grey) == 1
    assert measure(flat, scene(0, (60, 70))) == 0


@measures
def test_sizes_must_be_equal(measure):
    with pytest.raises(UsageError, match="one size"):
        measure(scene(0), scene(0, (100, 100)))
