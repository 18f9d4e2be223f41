import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sfumato.ops.poisson import membrane, poisson


def dense_membrane(values, free, reach):
    """The same equations, one row a pixel, solved directly in double precision."""
    height, width, channels = values.shape
    number = np.arange(height * width).reshape(height, width)
    matrix = np.eye(height * width)
    right = values.reshape(-1, channels).astype(np.float64)
    for y, x in np.argwhere(free):
        row = number[y, x]
        matrix[row] = 0
        matrix[row, row] = 1 / reach**2
        right[row] = 0
        for v, u in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)):
            if 0 <= v < height and 0 <= u < width:
                matrix[row, row] += 1
                matrix[row, number[v, u]] -= 1
    return np.linalg.solve(matrix, right).reshape(values.shape)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 24),
    st.integers(1, 24),
    st.floats(0.02, 0.98),
    st.sampled_from([0.5, 3.0, 20.0, 1000.0]),
    st.integers(0, 9999),
)
def test_equal_to_a_direct_solution_on_any_region(height, width, share, reach, seed):
    rng = np.random.default_rng(seed)
    values = rng.standard_normal((height, width, 3)).astype(np.float32)
    free = rng.random((height, width)) < share
    free.flat[rng.integers(free.size)] = False
    got = membrane(values, free, reach)
    assert np.abs(got - dense_membrane(values, free, reach)).max() < 2e-3
    assert (got[~free] == values[~free]).all()


@pytest.mark.parametrize("reach", [2, 8, 32])
def test_it_fades_to_a_third_at_its_reach(reach):
    values = np.zeros((3, 400, 1), np.float32)
    values[:, 0] = 1
    free = np.ones((3, 400), bool)
    free[:, 0] = False
    assert membrane(values, free, reach)[1, reach, 0] == pytest.approx(np.exp(-1), abs=0.02)


def test_without_reach_it_is_a_plane_between_two_edges():
    values = np.zeros((40, 101, 1), np.float32)
    values[:, 100] = 1
    free = np.ones((40, 101), bool)
    free[:, [0, 100]] = False
    flat = membrane(values, free)[20, :, 0]
    assert flat == pytest.approx(np.linspace(0, 1, 101), abs=2e-3)


def test_one_constant_border_gives_that_constant():
    values = np.full((200, 170, 3), 0.25, np.float32)
    free = np.zeros((200, 170), bool)
    free[1:-1, 1:-1] = True
    assert np.abs(membrane(values, free) - 0.25).max() < 1e-3


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 80), st.integers(1, 80), st.integers(0, 999))
def test_a_membrane_never_leaves_the_range_of_its_frame(height, width, seed):
    rng = np.random.default_rng(seed)
    values = rng.random((height, width, 2), dtype=np.float32)
    free = rng.random((height, width)) < 0.9
    result = membrane(values, free, 50)
    assert result.min() >= -1e-3
    assert result.max() <= 1 + 1e-3


def test_no_fixed_pixel_no_correction():
    assert (membrane(np.ones((5, 6, 3), np.float32), np.ones((5, 6), bool)) == 0).all()


def test_a_shifted_copy_of_the_photo_becomes_the_photo():
    rng = np.random.default_rng(0)
    photo = (0.2 + 0.4 * rng.random((120, 150, 3))).astype(np.float32)
    alpha = np.zeros((120, 150), np.float32)
    alpha[20:100, 30:] = 1  # touches the picture's right border
    result = poisson(photo + np.float32(0.3), photo, alpha, reach=1e5, size=768)
    assert np.abs(result - photo).max() < 3e-3


def test_solved_small_it_is_nearly_the_same():
    y, x = np.mgrid[0:256, 0:320].astype(np.float32) / 320
    photo = np.stack([x, y, 0.5 + 0 * x], axis=-1)
    painted = np.clip(1 - photo, 0, 1) * np.float32(0.7)
    alpha = np.zeros((256, 320), np.float32)
    alpha[60:, 80:] = 1
    full = poisson(painted, photo, alpha, reach=30, size=768)
    small = poisson(painted, photo, alpha, reach=30, size=96)
    assert np.abs(full - small).mean() < 0.01


def test_the_painting_keeps_its_colours_far_from_the_border():
    photo = np.full((60, 400, 3), 0.8, np.float32)
    painted = np.full((60, 400, 3), 0.3, np.float32)
    alpha = np.ones((60, 400), np.float32)
    alpha[:, :20] = 0
    row = poisson(painted, photo, alpha, reach=15, size=768)[30, :, 0]
    assert row[20] == pytest.approx(0.8, abs=0.05)
    assert row[200:] == pytest.approx(0.3, abs=1e-3)
    assert (np.diff(row) < 1e-4).all()
