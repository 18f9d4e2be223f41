"""Where the light comes from."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfumato.errors import UsageError
from sfumato.place.light import CLEAR, DARK, Light, better_flipped, direction, disagreement


def shaded(angle, size=(60, 80), colour=(0.6, 0.5, 0.4), depth=0.3):
    """One colour, lit from an angle."""
    y, x = np.mgrid[-1 : 1 : size[0] * 1j, -1 : 1 : size[1] * 1j]
    towards = x * math.cos(angle) - y * math.sin(angle)
    return ((1 + depth * towards)[..., None] * np.array(colour)).clip(0, 1).astype(np.float32)


def between(a, b):
    """Radians from one angle to the other."""
    return abs(math.atan2(math.sin(a - b), math.cos(a - b)))


@pytest.mark.parametrize("degrees", range(-180, 180, 30))
def test_a_shaded_wall_tells_where_the_light_is(degrees):
    light = direction(shaded(math.radians(degrees), (70, 70)))
    assert between(light.angle, math.radians(degrees)) < 0.1
    assert light.strength > 0.9


def test_dark_clothes_and_light_sky_are_no_shading():
    """Different colours differ in lightness by themselves."""
    image = shaded(0.0)
    image[:30] *= np.array([0.4, 0.5, 0.9], np.float32)
    image[:, :40] *= np.array([1.3, 0.8, 0.7], np.float32)
    light = direction(image)
    assert between(light.angle, 0) < 0.2
    assert light.strength > CLEAR


def test_nothing_can_be_told_where_there_is_no_shading():
    noise = np.random.default_rng(0).random((80, 80, 3)).astype(np.float32)
    assert direction(noise).strength < 0.1
    assert direction(np.full((40, 40, 3), 0.5, np.float32)) == DARK
    assert direction(shaded(0.0), np.zeros((60, 80), np.float32)) == DARK
    assert direction(np.ones((1, 1, 3), np.float32)) == DARK
    assert direction(shaded(0.0, depth=0.01)).strength < CLEAR


def test_only_what_has_weight_counts():
    image, weights = shaded(0.0), np.zeros((60, 80), np.float32)
    weights[10:50, 10:70] = 1
    other = image.copy()
    other[weights == 0] = shaded(math.pi)[weights == 0]
    inside, both = direction(image, weights), direction(other, weights)
    assert between(inside.angle, 0) < 0.1
    assert between(inside.angle, both.angle) < 0.02
    with pytest.raises(UsageError, match="negative"):
        direction(image, -weights)
    with pytest.raises(UsageError, match="size"):
        direction(image, weights[:3])


@given(st.integers(0, 2**32 - 1), st.integers(5, 60), st.integers(5, 60))
def test_a_mirror_image_has_mirrored_light(seed, high, wide):
    rng = np.random.default_rng(seed)
    image = rng.random((high, wide, 3)).astype(np.float32)
    weights = rng.random((high, wide)).astype(np.float32)
    light = direction(image, weights)
    mirrored = direction(
        np.ascontiguousarray(image[:, ::-1]), np.ascontiguousarray(weights[:, ::-1])
    )
    assert 0 <= light.strength <= 1
    assert mirrored.strength == pytest.approx(light.strength, abs=1e-3)
    if light.strength > 0.02:
        assert between(mirrored.angle, light.mirrored().angle) < 0.05


lights = st.builds(Light, st.floats(-math.pi, math.pi), st.floats(0, 1))


@given(lights, lights)
def test_disagreement_is_symmetric_and_bounded(a, b):
    assert disagreement(a, b) == pytest.approx(disagreement(b, a), abs=1e-12)
    assert 0 <= disagreement(a, b) <= min(a.strength, b.strength) + 1e-12
    assert disagreement(a, a) == pytest.approx(0, abs=1e-12)
    assert disagreement(a.mirrored(), b.mirrored()) == pytest.approx(disagreement(a, b), abs=1e-9)
    back = a.mirrored().mirrored()
    assert between(back.angle, a.angle) < 1e-9


def test_a_figure_is_flipped_only_if_both_lights_are_clear():
    left, right = Light(math.pi, 0.9), Light(0.0, 0.9)
    assert better_flipped(left, right)
    assert not better_flipped(left, left)
    assert not better_flipped(Light(math.pi, CLEAR / 2), right)
    assert not better_flipped(left, Light(0.0, CLEAR / 2))
    above = Light(math.pi / 2, 0.9)
    assert not better_flipped(left, above)
