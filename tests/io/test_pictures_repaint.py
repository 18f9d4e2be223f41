"""Painted pixels go back in; all others stay as the file had them, bit for bit."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ImageCms

from sfumato.errors import PictureError, UsageError
from sfumato.io import pictures
from sfumato.io.pictures import Picture

from . import picture_files as make

PROFILES = {
    "none": None,
    "sRGB": ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(),
    "P3": make.matrix_profile(make.DISPLAY_P3, make.parametric_curve(*make.SRGB_CURVE)),
    "Adobe RGB": make.matrix_profile(make.ADOBE_RGB, make.gamma_curve(563 / 256)),
    "table": make.table_profile(),
}


@settings(max_examples=60, deadline=None)
@given(
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    dtype=st.sampled_from([np.uint8, np.uint16]),
    profile=st.sampled_from(sorted(PROFILES)),
    share=st.sampled_from([0.0, 0.3, 1.0]),
    seed=st.integers(0, 999),
)
def test_untouched_pixels_are_bit_identical(height, width, dtype, profile, share, seed):
    rng = np.random.default_rng(seed)
    native = make.noise(height, width, dtype=dtype, seed=seed)
    before = native.copy()
    picture = Picture(native, icc=PROFILES[profile])
    changed = rng.random((height, width)) < share
    image = rng.random((height, width, 3), np.float32)
    image[~changed] = np.nan  # never looked at
    painted = pictures.repaint(picture, image, changed)
    np.testing.assert_array_equal(painted.native[~changed], before[~changed])
    np.testing.assert_array_equal(native, before)  # the input picture is not altered
    assert painted.native.dtype == dtype
    assert painted.icc == picture.icc


@settings(max_examples=40, deadline=None)
@given(profile=st.sampled_from(["none", "sRGB", "P3", "Adobe RGB"]), seed=st.integers(0, 999))
def test_painted_pixels_look_as_painted(profile, seed):
    image = np.random.default_rng(seed).random((20, 30, 3), np.float32)
    eight, sixteen = (
        pictures.repaint(
            Picture(np.zeros((20, 30, 3), dtype), icc=PROFILES[profile]),
            image,
            np.ones((20, 30), bool),
        )
        for dtype in (np.uint8, np.uint16)
    )
    assert np.abs(sixteen.image - image).max() < 0.1 / 255
    assert np.abs(eight.native - sixteen.native / 257).max() < 0.51  # rounded once
    assert np.abs(eight.image - image).mean() < 0.5 / 255


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_painting_the_picture_itself_changes_nothing(dtype):
    picture = Picture(make.noise(30, 40, dtype=dtype))
    again = pictures.repaint(picture, picture.image, np.ones((30, 40), bool))
    np.testing.assert_array_equal(again.native, picture.native)


def test_image_of_the_result_is_fresh():
    picture = Picture(np.zeros((4, 4, 3), np.uint8))
    assert picture.image.max() == 0
    painted = pictures.repaint(picture, np.ones((4, 4, 3), np.float32), np.eye(4, dtype=bool))
    np.testing.assert_array_equal(painted.image[..., 0], np.eye(4))


def test_all_the_way_through_a_wide_16_bit_file():
    native = make.noise(40, 50, dtype=np.uint16)
    source = pictures.to_bytes(Picture(native, icc=PROFILES["P3"], dpi=(300, 300)))
    changed = np.zeros((40, 50), bool)
    changed[10:20] = True
    picture = pictures.read(source)
    painted = pictures.repaint(picture, np.full((40, 50, 3), 0.5, np.float32), changed)
    back = pictures.read(pictures.to_bytes(painted, "tiff"))
    np.testing.assert_array_equal(back.native[~changed], native[~changed])
    assert back.icc == PROFILES["P3"]
    assert back.dpi == pytest.approx((300, 300), abs=0.1)
    np.testing.assert_allclose(back.image[changed], 0.5, atol=1e-3)


def test_values_outside_are_clipped():
    image = np.array([[[-1, 0.5, 7]]], np.float32)
    np.testing.assert_array_equal(pictures.from_image(image).native, [[[0, 128, 255]]])


def test_rounding_is_to_nearest():
    levels = np.array([0.49, 0.51, 1.49, 1.51, 254.49, 254.51], np.float32) / 255
    native = pictures.from_image(np.repeat(levels[None, :, None], 3, axis=2)).native
    np.testing.assert_array_equal(native[0, :, 0], [0, 1, 1, 2, 254, 255])


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_nan_in_painted_pixels_is_refused(bad):
    image = np.zeros((3, 3, 3), np.float32)
    image[1, 1, 2] = bad
    with pytest.raises(PictureError, match="the painted pixels hold NaN or infinity"):
        pictures.from_image(image)


def test_sizes_must_match():
    picture = Picture(np.zeros((4, 5, 3), np.uint8))
    with pytest.raises(UsageError) as caught:
        pictures.repaint(picture, np.zeros((5, 4, 3), np.float32), np.ones((4, 5), bool))
    assert str(caught.value) == "image must have the picture's size (4, 5), got (5, 4)"
    with pytest.raises(UsageError, match="changed must have"):
        pictures.repaint(picture, np.zeros((4, 5, 3), np.float32), np.ones((1, 5), bool))


class TestTransparency:
    def test_kept_by_default(self):
        alpha = make.noise(4, 4, 1)
        picture = Picture(make.noise(4, 4), alpha=alpha)
        painted = pictures.repaint(picture, np.ones((4, 4, 3), np.float32), np.ones((4, 4), bool))
        np.testing.assert_array_equal(painted.alpha, alpha)

    @pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
    def test_new_only_where_changed(self, dtype):
        top = np.iinfo(dtype).max
        picture = Picture(make.noise(4, 4, dtype=dtype))
        changed = np.eye(4, dtype=bool)
        soft = np.full((4, 4), 0.25, np.float32)
        cut = pictures.repaint(picture, np.ones((4, 4, 3), np.float32), changed, soft)
        assert (cut.alpha[~changed] == top).all()
        assert (cut.alpha[changed] == round(0.25 * top)).all()

    def test_cut_out(self):
        image = np.random.default_rng(0).random((5, 6, 3), np.float32)
        alpha = np.linspace(0, 1, 30, dtype=np.float32).reshape(5, 6)
        picture = pictures.from_image(image, alpha)
        np.testing.assert_allclose(picture.native / 255, image, atol=0.51 / 255)
        np.testing.assert_allclose(picture.alpha / 255, alpha, atol=0.51 / 255)
        back = pictures.read(pictures.to_bytes(picture))
        np.testing.assert_array_equal(back.alpha, picture.alpha)
