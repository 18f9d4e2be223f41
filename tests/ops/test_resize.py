import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfumato.ops.resize import fit, pad_to_multiple, resize

sides = st.integers(1, 60)


def noise(*shape):
    return np.random.default_rng(0).random(shape, dtype=np.float32)


@given(sides, sides, sides, sides, st.sampled_from([(), (1,), (3,)]))
def test_resize_gives_the_asked_shape_in_range(h, w, new_h, new_w, channels):
    result = resize(noise(h, w, *channels), (new_h, new_w))
    assert result.shape == (new_h, new_w, *channels)
    assert result.dtype == np.float32
    assert result.min() >= 0
    assert result.max() <= 1


@given(sides, sides, sides, sides, st.floats(0, 1, width=32))
def test_resize_keeps_a_constant_picture(h, w, new_h, new_w, value):
    flat = np.full((h, w, 3), value, np.float32)
    np.testing.assert_allclose(resize(flat, (new_h, new_w)), value, atol=1e-5)


def test_resize_to_the_same_size_is_the_same_array():
    image = noise(7, 9, 3)
    assert resize(image, (7, 9)) is image


def test_shrinking_is_the_area_mean():
    image = noise(8, 12)
    blocks = image.reshape(4, 2, 4, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(resize(image, (4, 4)), blocks, atol=1e-6)


def test_one_side_may_shrink_while_the_other_grows():
    stripes = np.tile(np.float32([0, 1]), (3, 20))  # a pixel grid that must become even grey
    np.testing.assert_allclose(resize(stripes, (9, 20)), 0.5, atol=1e-6)


@given(st.integers(1, 300), st.integers(1, 300), st.integers(1, 200))
def test_fit_never_enlarges_and_keeps_the_proportions(h, w, size):
    result = fit(np.zeros((h, w), np.float32), size)
    if max(h, w) <= size:
        assert result.shape == (h, w)
    else:
        assert max(result.shape) == size
        assert abs(min(result.shape) - min(h, w) * size / max(h, w)) <= 1


def test_fit_keeps_a_very_long_picture_at_least_one_pixel_wide():
    assert fit(noise(1, 5000, 3), 1024).shape == (1, 1024, 3)
    assert fit(noise(70000, 1, 3), 1024).shape == (1024, 1, 3)


@given(sides, sides, st.integers(1, 16), st.integers(1, 40), st.sampled_from([(), (3,)]))
def test_padding_divides_and_leaves_the_picture_in_its_corner(h, w, multiple, minimum, channels):
    image = noise(h, w, *channels)
    padded = pad_to_multiple(image, multiple, minimum)
    for side, old in zip(padded.shape[:2], (h, w), strict=True):
        assert side % multiple == 0
        assert side >= minimum
        assert side < max(old, minimum) + multiple
    np.testing.assert_array_equal(padded[:h, :w], image)
    assert padded.flags.c_contiguous


def test_padding_mirrors_without_repeating_the_edge():
    ramp = np.arange(5, dtype=np.float32)[None]
    np.testing.assert_array_equal(pad_to_multiple(ramp, 8)[0], [0, 1, 2, 3, 4, 3, 2, 1])


@pytest.mark.parametrize("dtype", [np.float16, np.float64])
def test_other_floats_become_float32(dtype):
    assert resize(noise(4, 4).astype(dtype), (4, 4)).dtype == np.float32
    assert pad_to_multiple(noise(4, 4).astype(dtype), 4).dtype == np.float32
