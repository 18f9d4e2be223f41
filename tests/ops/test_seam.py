import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sfumato.ops.seam import score

SIZE = (120, 160)


def smooth(seed=0, low=0.2, high=0.5):
    y, x = np.mgrid[0 : SIZE[0], 0 : SIZE[1]] / 160
    planes = [np.sin(3 * x + 2 * y + seed + c) for c in range(3)]
    picture = (np.stack(planes, axis=-1) + 1) / 2 * (high - low) + low
    return picture.astype(np.float32)


def disc(radius=40):
    y, x = np.mgrid[0 : SIZE[0], 0 : SIZE[1]]
    return (np.hypot(y - 60, x - 80) < radius).astype(np.float32)


def pasted(foreground, background, alpha):
    return np.where(alpha[..., None] > 0.5, foreground, background)


def test_identical_sources_have_no_seam():
    photo = np.random.default_rng(0).random((*SIZE, 3), dtype=np.float32)
    assert score(photo, photo, photo, disc()) == pytest.approx(1)
    assert score(smooth(), smooth(), smooth(), disc()) == pytest.approx(1)


def test_a_bigger_step_is_a_bigger_seam():
    photo = smooth()
    steps = [
        score(pasted(photo + np.float32(d), photo, disc()), photo + np.float32(d), photo, disc())
        for d in (0, 0.02, 0.05, 0.1, 0.2, 0.4)
    ]
    assert steps[0] == pytest.approx(1)
    assert (np.diff(steps) > 0.5).all()


def test_the_size_of_the_step_is_what_the_formula_says():
    black, grey = np.zeros((*SIZE, 3), np.float32), np.full((*SIZE, 3), 0.2, np.float32)
    half = np.zeros(SIZE, np.float32)
    half[:, 80:] = 1
    expected = (0.2 * np.sqrt(3) + 1 / 255) / (1 / 255)
    assert score(pasted(grey, black, half), grey, black, half) == pytest.approx(expected, rel=1e-4)


def test_an_edge_that_a_source_has_there_itself_is_no_seam():
    photo = smooth()
    photo[disc() > 0.5] *= np.float32(0.3)
    painted = np.clip(photo * np.float32(0.9), 0, 1)
    assert score(pasted(painted, photo, disc()), painted, photo, disc()) < 1.1


def test_softer_than_the_sources_is_below_1():
    photo = smooth()
    photo[disc() > 0.5] *= np.float32(0.3)
    assert score(smooth(), photo, photo, disc()) < 0.5


@pytest.mark.parametrize("shape", [(1, 1), (1, 500), (500, 1), (2, 3), (31, 57)])
@pytest.mark.parametrize("value", [0, 1, 0.5])
def test_no_border_no_seam(shape, value):
    photo = np.full((*shape, 3), 0.5, np.float32)
    assert score(photo, photo, photo, np.full(shape, value, np.float32)) == 0


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 30), st.integers(1, 30), st.integers(0, 99))
def test_any_mask_gives_a_finite_number(height, width, seed):
    rng = np.random.default_rng(seed)
    pictures = rng.random((3, height, width, 3), dtype=np.float32)
    value = score(*pictures, rng.random((height, width), dtype=np.float32))
    assert np.isfinite(value)
    assert value >= 0


def test_either_side_may_be_the_foreground():
    painted, photo, alpha = smooth(2), smooth(), disc()
    here = score(pasted(painted, photo, alpha), painted, photo, alpha)
    there = score(pasted(painted, photo, alpha), photo, painted, 1 - alpha)
    assert here == pytest.approx(there, rel=0.15)
