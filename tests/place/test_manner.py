"""The figure is painted as the painting around it is, without what was behind it."""

from __future__ import annotations

import numpy as np
import pytest

from sfumato.place import manner
from sfumato.types import Style, no_progress

SHAPE = (80, 100)
BLUE = np.array([0.1, 0.2, 0.8], np.float32)


class Recorder:
    """Paints by a function of the content, and remembers what it was asked."""

    def __init__(self, paint=lambda content: 1 - content, supports_region=True):
        self.paint, self.supports_region, self.calls = paint, supports_region, []

    def __call__(self, content, style, *, region=None, progress=no_progress):
        self.calls.append((content, style, region))
        return np.clip(self.paint(content), 0, 1).astype(np.float32)


def scene():
    """A blue figure in front of a green photo."""
    figure = np.broadcast_to(np.array([0, 1, 0], np.float32), (*SHAPE, 3)).copy()
    alpha = np.zeros(SHAPE, np.float32)
    alpha[20:70, 30:60] = 1
    figure[alpha > 0] = BLUE
    return figure, alpha


def test_the_nets_never_see_the_photos_background():
    stylizer = Recorder()
    manner.paint(*scene(), Style("s", np.zeros((8, 8, 3), np.float32)), stylizer)
    content, _, region = stylizer.calls[0]
    assert np.abs(content - BLUE).max() < 0.02
    assert region.shape == content.shape[:2]
    assert min(content.shape[:2]) >= manner.LEAST_SIDE
    assert max(content.shape[:2]) <= manner.MOST_SIDE


def test_a_region_is_given_to_those_that_take_one():
    stylizer = Recorder(supports_region=False)
    manner.paint(*scene(), Style("s"), stylizer)
    assert stylizer.calls[0][2] is None


def test_only_the_figures_box_is_painted_and_strength_mixes():
    figure, alpha = scene()
    full, half, none = (
        manner.paint(figure, alpha, Style("s"), Recorder(), share) for share in (1, 0.5, 0)
    )
    assert np.abs(full - figure)[alpha > 0].mean() > 0.01
    np.testing.assert_array_equal(full[:10], figure[:10])
    inside = alpha > 0
    np.testing.assert_allclose(half[inside], (full + figure)[inside] / 2, atol=0.02)
    np.testing.assert_array_equal(none, figure)


def test_faces_keep_their_shading_and_take_the_strokes():
    rows, columns = np.mgrid[:128, :128].astype(np.float32)
    own = np.repeat((0.3 + 0.4 * columns / 128)[..., None], 3, 2)
    strokes = 0.1 * np.sign(np.sin(rows))
    painted = (0.8 * np.array([1, 0.5, 0.5]) + strokes[..., None]).astype(np.float32)
    made = manner.with_shading(painted, own, width=6)
    light = made.mean((0, 2))
    assert np.corrcoef(light, own[0, :, 0])[0, 1] > 0.99
    assert made[:, 64].std(0).min() > 0.08  # the strokes are there
    reddish = (made[..., 0] - made[..., 1]).mean()
    assert reddish < 0.1  # of 0.4 in the painting


def test_black_stays_black_in_a_bright_manner():
    painted = np.full((64, 64, 3), 0.9, np.float32)
    dark, middle = (
        manner.with_shading(painted, np.full_like(painted, own), width=4).mean() - own
        for own in (0.02, 0.4)
    )
    assert 0 <= dark < 0.03
    assert 0.05 < middle < 0.2


def test_the_style_is_the_painting_around_the_figure():
    painting = np.zeros((100, 200, 3), np.float32)
    painting[:, 150:] = 1
    style = manner.style_of(painting, np.s_[40:80, 10:50])
    assert style.image.shape[0] < 100
    assert style.image.max() == 0
    whole = manner.style_of(painting, np.s_[0:100, 0:200])
    assert whole.image.shape == painting.shape


def test_retouching_touches_the_outline_alone():
    figure, alpha = scene()
    optimiser = Recorder(paint=lambda content: content * 0 + 1)
    made = manner.retouch(figure, alpha, Style("s"), optimiser)
    _, _, region = optimiser.calls[0]
    assert region.max() > 0.5
    np.testing.assert_array_equal(made[40:50, 42:48], figure[40:50, 42:48])
    np.testing.assert_array_equal(made[:10], figure[:10])
    assert (made[45, 29] > figure[45, 29]).any()


def test_an_empty_figure_is_left_alone():
    figure, alpha = scene()
    stylizer = Recorder()
    made = manner.paint(figure, 0 * alpha, Style("s"), stylizer)
    np.testing.assert_array_equal(made, figure)
    assert not stylizer.calls


@pytest.mark.weights
def test_the_default_net_brings_the_paintings_texture():
    from sfumato.studio import Studio
    from sfumato.styles import resolve

    painting = resolve("waves").image[:400, :400]
    figure = np.full((200, 160, 3), 0.5, np.float32)
    alpha = np.zeros((200, 160), np.float32)
    alpha[20:180, 20:140] = 1
    made = manner.paint(figure, alpha, Style("waves", painting), Studio().stylizer(None))
    assert made[40:160, 40:120].std() > 0.02
