"""A figure cropped to its box, and laid into another frame."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfumato.errors import NothingFoundError
from sfumato.place.figure import Figure, Sides, Spot, figure_of, lay
from sfumato.types import Matte

COLOUR = np.array([0.9, 0.2, 0.1], np.float32)


def matte(shape, rows, columns):
    alpha = np.zeros(shape, np.float32)
    alpha[rows, columns] = 1
    return Matte(alpha, np.broadcast_to(COLOUR, (*shape, 3)).astype(np.float32))


def photo(shape):
    return np.full((*shape, 3), 0.5, np.float32)


def block(size=(20, 10)):
    return Figure(
        photo(size), np.ones(size, np.float32), np.broadcast_to(COLOUR, (*size, 3)).copy(),
        Sides(0, 0, 0, 1),
    )  # fmt: skip


def test_the_box_and_what_cuts_it():
    figure = figure_of(photo((40, 60)), matte((40, 60), np.s_[10:40], np.s_[20:35]))
    assert figure.alpha.shape == (30, 15)
    assert figure.cut == Sides(0, 0, 0, 1)
    assert figure.aspect == 0.5
    corner = figure_of(photo((40, 60)), matte((40, 60), np.s_[:20], np.s_[:30]))
    assert corner.cut == Sides(1, 1, 0, 0)
    assert corner.flipped().cut == Sides(0, 1, 1, 0)
    with pytest.raises(NothingFoundError, match="nobody"):
        figure_of(photo((8, 8)), matte((8, 8), np.s_[:0], np.s_[:0]))


def test_it_is_laid_where_the_spot_says():
    placed = lay(block(), Spot(left=5, top=8, height=20), (40, 50))
    expected = np.zeros((40, 50), np.float32)
    expected[8:28, 5:15] = 1
    np.testing.assert_array_equal(placed.alpha, expected)
    np.testing.assert_allclose(placed.foreground[10, 6], COLOUR, atol=1e-6)
    outside = lay(block(), Spot(left=-5, top=30, height=20), (40, 50))
    assert outside.alpha.sum() == 10 * 5
    assert outside.alpha[30:, :5].all()
    assert not lay(block(), Spot(left=60, top=0, height=20), (40, 50)).alpha.any()


def test_a_flipped_figure_is_its_mirror_image():
    figure = block((8, 8))
    figure.alpha[:, :4] = 0
    plain, turned = (lay(figure, Spot(0, 0, 8, flip=f), (8, 8)).alpha for f in (False, True))
    np.testing.assert_array_equal(turned, plain[:, ::-1])


def test_colours_under_no_alpha_do_not_bleed():
    figure = block((40, 40))
    figure.alpha[:, 20:] = 0
    figure.foreground[:, 20:] = 0
    placed = lay(figure, Spot(0, 0, 13), (13, 13))
    soft = (placed.alpha > 0.05) & (placed.alpha < 0.95)
    assert soft.any()
    np.testing.assert_allclose(placed.foreground[soft], np.tile(COLOUR, (soft.sum(), 1)), atol=0.02)


@given(st.floats(-80, 80), st.floats(-80, 80), st.floats(0.2, 120), st.booleans())
def test_any_spot_gives_a_matte_of_the_frame(left, top, height, flip):
    placed = lay(block(), Spot(left, top, height, flip), (30, 40))
    assert placed.alpha.shape == (30, 40)
    assert placed.foreground.shape == (30, 40, 3)
    assert 0 <= placed.alpha.min() <= placed.alpha.max() <= 1
    assert 0 <= placed.foreground.min() <= placed.foreground.max() <= 1
