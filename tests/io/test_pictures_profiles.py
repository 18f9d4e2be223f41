"""Colour profiles: into sRGB, back again, and broken ones."""

import io
import warnings

import numpy as np
import pytest
from PIL import Image, ImageCms

from sfumato.errors import SfumatoWarning
from sfumato.io import icc, pictures

from . import picture_files as make

P3 = make.matrix_profile(make.DISPLAY_P3, make.parametric_curve(*make.SRGB_CURVE))
ADOBE = make.matrix_profile(make.ADOBE_RGB, make.gamma_curve(563 / 256))
PROPHOTO = make.matrix_profile(make.PROPHOTO, make.gamma_curve(1.8))
SAMPLED = make.matrix_profile(make.ADOBE_RGB, make.sampled_curve(np.linspace(0, 1, 1024) ** 2))
LINEAR = make.matrix_profile(make.DISPLAY_P3, b"curv" + bytes(8))
WIDE = {"p3": P3, "adobe": ADOBE, "prophoto": PROPHOTO, "sampled": SAMPLED, "linear": LINEAR}


def srgb_profile():
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def by_littlecms(pixels, profile):
    source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    target = ImageCms.createProfile("sRGB")
    return np.asarray(
        ImageCms.profileToProfile(
            Image.fromarray(pixels), source, target, renderingIntent=1, outputMode="RGB"
        )
    )


@pytest.mark.parametrize("name", WIDE)
def test_matrix_profiles_agree_with_littlecms(name):
    pixels = make.noise(40, 50)
    ours = pictures.read(make.file_of(pixels, icc_profile=WIDE[name])).image
    theirs = by_littlecms(pixels, WIDE[name]) / 255
    assert np.abs(ours - theirs).max() < 1.6 / 255


@pytest.mark.parametrize("form", range(5))
def test_every_parametric_curve_agrees_with_littlecms(form):
    numbers = [2.2, 0.9, 0.1, 0.5, 0.1, 0.0, 0.0][: (1, 3, 4, 5, 7)[form]]
    if form == 2:
        numbers[3] = 0.02
    profile = make.matrix_profile(make.ADOBE_RGB, make.parametric_curve(form, numbers))
    pixels = make.noise(30, 30)
    ours = pictures.read(make.file_of(pixels, icc_profile=profile)).image
    assert np.abs(ours - by_littlecms(pixels, profile) / 255).max() < 1.6 / 255


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("name", WIDE)
def test_in_gamut_colours_survive_the_round_trip(name, dtype):
    space = icc.colour_space(WIDE[name])
    image = np.random.default_rng(0).random((30, 40, 3), np.float32)
    native = space.from_srgb(image, np.dtype(dtype))
    assert native.dtype == dtype
    again = space.from_srgb(space.to_srgb(native), np.dtype(dtype))
    levels = np.abs(again.astype(int) - native).max()
    # 8 bits: one rounding. 16 bits: table steps, coarse only for curves steep at black.
    assert levels <= (1 if dtype == np.uint8 else 24)


def test_white_and_black_stay_exact_in_wide_profiles():
    pixels = np.array([[[0, 0, 0], [255, 255, 255]]], np.uint8)
    for profile in WIDE.values():
        image = pictures.read(make.file_of(pixels, icc_profile=profile)).image
        np.testing.assert_allclose(image, pixels / 255, atol=2e-3)


def test_srgb_by_any_spelling_is_srgb():
    pixels = make.noise(8, 9)
    spellings = [
        srgb_profile(),
        make.matrix_profile(make.SRGB, make.parametric_curve(*make.SRGB_CURVE)),
    ]
    for profile in spellings:
        picture = pictures.read(make.file_of(pixels, icc_profile=profile))
        np.testing.assert_array_equal(picture.image, np.float32(pixels) / np.float32(255))
        assert picture.icc == profile  # kept on output all the same


def test_p3_red_is_clipped_only_in_the_working_image():
    red = np.full((2, 2, 3), (255, 0, 0), np.uint8)
    picture = pictures.read(make.file_of(red, icc_profile=P3))
    np.testing.assert_array_equal(picture.native, red)
    np.testing.assert_allclose(picture.image, red / 255, atol=1e-3)


def test_table_profile_goes_through_littlecms_both_ways():
    profile = make.table_profile()
    pixels = make.smooth(20, 30) // 2 + 64
    picture = pictures.read(make.file_of(pixels, icc_profile=profile))
    assert picture.icc == profile
    assert np.abs(picture.image - by_littlecms(pixels, profile) / 255).max() < 8 / 255
    assert np.abs(picture.image - pixels / 255).max() > 0.02  # it does something
    everywhere = np.ones(picture.size, bool)
    back = pictures.repaint(picture, picture.image, everywhere)
    assert np.abs(back.native.astype(int) - pixels).mean() < 6


def test_gamma_2_2_is_not_taken_for_srgb():
    profile = make.matrix_profile(make.SRGB, make.gamma_curve(2.2))
    dark = np.full((2, 2, 3), 12, np.uint8)
    picture = pictures.read(make.file_of(dark, icc_profile=profile))
    assert np.abs(picture.image - 12 / 255).min() > 3 / 255


def test_grey_profile_becomes_srgb_at_both_depths():
    linear = make.grey_profile(make.gamma_curve(1.0))
    ramp = np.arange(256, dtype=np.uint8)[None]
    eight = pictures.read(make.file_of(ramp, icc_profile=linear))
    assert eight.icc is None
    encoded = np.where(ramp <= 0, 0, 1.055 * np.maximum(ramp / 255, 1e-9) ** (1 / 2.4) - 0.055)
    np.testing.assert_allclose(eight.native[..., 0], encoded * 255, atol=0.6)
    deep = pictures.read(make.file_of(ramp.astype(np.uint16) * 257, icc_profile=linear))
    assert deep.native.dtype == np.uint16
    np.testing.assert_allclose(deep.native[..., 1] / 65535, encoded, atol=1e-4)


def test_grey_profile_close_to_srgb_changes_no_level():
    close = make.grey_profile(make.parametric_curve(*make.SRGB_CURVE))
    ramp = np.arange(256, dtype=np.uint8)[None]
    picture = pictures.read(make.file_of(ramp, icc_profile=close))
    np.testing.assert_array_equal(picture.native[..., 2], ramp)


def test_grey_picture_with_rgb_profile_keeps_it():
    picture = pictures.read(make.file_of(make.noise(4, 5, 1), icc_profile=P3))
    assert picture.icc == P3


BROKEN = {
    "no profile": b"this is not a profile" * 20,
    "short": P3[:100],
    "cut in its tags": P3[:300],
    "wrong space": make.profile("CMYK", {}),
    "no tags": make.profile("RGB ", {}),
    "flat matrix": make.matrix_profile(np.ones((3, 3)), make.gamma_curve(2.2)),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_broken_profile_is_ignored_with_a_warning(kind):
    pixels = make.noise(6, 7)
    file = make.file_of(pixels, icc_profile=BROKEN[kind])
    with pytest.warns(SfumatoWarning, match="its colour profile is ignored .* read as sRGB"):
        picture = pictures.read(file)
    assert picture.icc is None
    np.testing.assert_array_equal(picture.native, pixels)


@pytest.mark.parametrize("seed", range(30))
def test_damaged_profile_never_breaks_reading(seed):
    rng = np.random.default_rng(seed)
    damaged = bytearray(P3)
    for place in rng.integers(128, len(damaged), 12):
        damaged[place] = rng.integers(256)
    pixels = make.noise(6, 7)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SfumatoWarning)
        picture = pictures.read(make.file_of(pixels, icc_profile=bytes(damaged)))
    np.testing.assert_array_equal(picture.native, pixels)
    assert np.isfinite(picture.image).all()
    assert picture.image.min() >= 0
    assert picture.image.max() <= 1
