"""The horizon."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfumato.place.ground import UNKNOWN, horizon

SKY, EARTH = np.array([0.65, 0.75, 0.9], np.float32), np.array([0.3, 0.35, 0.15], np.float32)


def landscape(line, size=(120, 160), rough=0.05):
    rows = round(line * size[0])
    image = np.empty((*size, 3), np.float32)
    image[:rows], image[rows:] = SKY, EARTH
    image += np.random.default_rng(0).normal(0, rough, image.shape).astype(np.float32)
    return image.clip(0, 1)


@pytest.mark.parametrize("line", [0.25, 0.4, 0.5, 0.6, 0.75])
def test_it_lies_between_sky_and_earth(line):
    found = horizon(landscape(line))
    assert found.line == pytest.approx(line, abs=0.03)
    assert found.confidence > 0.5


def test_it_is_a_guess_where_there_is_none():
    noise = np.random.default_rng(1).random((90, 90, 3)).astype(np.float32)
    found = horizon(noise)
    assert found.confidence < 0.1
    assert found.line == pytest.approx(UNKNOWN.line, abs=0.1)
    assert horizon(np.full((50, 50, 3), 0.4, np.float32)) == UNKNOWN
    assert horizon(np.zeros((1, 1, 3), np.float32)) == UNKNOWN


def test_a_dark_upper_part_is_hardly_a_sky():
    upright = landscape(0.5)
    assert horizon(upright[::-1].copy()).confidence < 0.2


@given(st.integers(1, 60), st.integers(1, 60), st.integers(0, 99))
def test_any_picture_has_one(high, wide, seed):
    image = np.random.default_rng(seed).random((high, wide, 3)).astype(np.float32)
    found = horizon(image)
    assert 0 <= found.line <= 1
    assert 0 <= found.confidence <= 1
