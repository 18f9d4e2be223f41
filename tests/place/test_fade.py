"""Where a photo cut a figure and the painting goes on, the figure fades."""

from __future__ import annotations

import numpy as np

from sfumato.place.fade import faded
from sfumato.place.figure import Figure, Sides, Spot

CUT = Sides(0, 0, 0.5, 1)


def bust(cut=CUT):
    """A block, cut at the right in its lower half, and at the bottom."""
    alpha = np.zeros((100, 80), np.float32)
    alpha[:, 10:70] = 1
    alpha[50:, 70:] = 1
    image = np.full((100, 80, 3), 0.5, np.float32)
    return Figure(image, alpha, image, cut)


SHAPE = (200, 300)


def test_a_cut_inside_the_painting_fades():
    made = faded(bust(), Spot(100, 100, 100), SHAPE).alpha
    assert made[80, -1] == 0
    assert 0 < made[80, -6] < 1
    assert made[80, 40] == 1  # the bottom lies at the painting's border
    assert made[99, 40] == 1
    np.testing.assert_array_equal(made[:30], bust().alpha[:30])  # no cut up here


def test_a_cut_at_the_paintings_border_stays():
    figure = bust()
    made = faded(figure, Spot(220, 100, 100), SHAPE)
    np.testing.assert_array_equal(made.alpha, figure.alpha)


def test_a_flipped_figure_is_cut_at_its_other_side():
    figure, spot = bust(), Spot(0, 100, 100, flip=True)
    np.testing.assert_array_equal(faded(figure, spot, SHAPE).alpha, figure.alpha)
    assert faded(figure, Spot(220, 100, 100, flip=True), SHAPE).alpha[80, -1] == 0


def test_it_can_be_switched_off_and_whole_figures_never_fade():
    figure = bust()
    assert faded(figure, Spot(100, 50, 100), SHAPE, 0) is figure
    whole = bust(Sides(0, 0, 0, 0))
    assert faded(whole, Spot(100, 50, 100), SHAPE) is whole
    assert faded(figure, Spot(100, 50, 100), SHAPE).alpha[99, 40] == 0
