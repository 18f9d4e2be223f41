"""Selections drawn as pictures: read, resized, written."""

import io

import numpy as np
import pytest
from PIL import Image

from sfumato.errors import PictureError, UsageError
from sfumato.io import pictures

from . import picture_files as make

DEEP = make.noise(6, 9, dtype=np.uint16)


def test_levels_as_stored():
    ramp = np.arange(256, dtype=np.uint8)[None].repeat(2, 0)
    mask = pictures.read_mask(make.file_of(ramp))
    assert mask.dtype == np.float32
    np.testing.assert_array_equal(mask, ramp.astype(np.float32) / np.float32(255))


def test_colour_profile_is_not_heeded():
    linear = make.grey_profile(make.gamma_curve(1.0))
    mask = pictures.read_mask(make.file_of(np.full((2, 2), 128, np.uint8), icc_profile=linear))
    np.testing.assert_allclose(mask, 128 / 255, atol=1e-6)


def test_one_bit_and_sixteen_bits():
    hard = np.random.default_rng(0).random((5, 6)) > 0.5
    mask = pictures.read_mask(make.file_of(Image.fromarray(hard)))
    np.testing.assert_array_equal(mask, hard)
    fine = pictures.read_mask(make.png(DEEP[..., 0], 16, 0))
    np.testing.assert_allclose(fine, DEEP[..., 0] / 65535, atol=1e-6)


def test_a_cut_out_is_its_own_mask():
    pixels = make.noise(4, 5, 4)
    mask = pictures.read_mask(make.file_of(pixels))
    np.testing.assert_allclose(mask, pixels[..., 3] / 255, atol=1e-6)


def test_an_opaque_alpha_says_nothing():
    pixels = np.full((4, 5, 4), 255, np.uint8)
    pixels[:2, :, :3] = 0
    mask = pictures.read_mask(make.file_of(pixels))
    np.testing.assert_array_equal(mask, np.repeat([[0], [0], [1], [1]], 5, axis=1))


@pytest.mark.parametrize("size", [(3, 4), (30, 40), (12, 16)])
def test_resized(size):
    half = np.zeros((12, 16), np.uint8)
    half[:, 8:] = 255
    mask = pictures.read_mask(make.file_of(half), size)
    assert mask.shape == size
    assert mask.dtype == np.float32
    assert mask[:, 0].max() == 0
    assert mask[:, -1].min() == 1
    assert abs(mask.mean() - 0.5) < 0.01


def test_a_mask_of_another_picture_is_refused():
    mask = make.file_of(np.full((12, 16), 255, np.uint8))
    with pytest.raises(UsageError, match="16 × 12 pixels, of other proportions than .* 20 × 40"):
        pictures.read_mask(mask, (40, 20))


class TestWriteAlpha:
    def test_png(self, tmp_path):
        alpha = np.linspace(0, 1, 256, dtype=np.float32)[None].repeat(3, 0)
        pictures.write_alpha(alpha, tmp_path / "m.png")
        with Image.open(tmp_path / "m.png") as picture:
            assert picture.mode == "L"
            np.testing.assert_array_equal(np.asarray(picture), np.arange(256)[None].repeat(3, 0))
        np.testing.assert_allclose(pictures.read_mask(tmp_path / "m.png"), alpha, atol=1e-6)

    @pytest.mark.parametrize("format", ["jpg", "webp", "tiff"])
    def test_other_formats(self, format):
        alpha = np.zeros((32, 32), np.float32)
        alpha[:, 16:] = 1
        stream = io.BytesIO()
        pictures.write_alpha(alpha, stream, format=format)
        assert np.abs(pictures.read_mask(stream.getvalue()) - alpha).max() < 0.05

    def test_existing_file_and_nan(self, tmp_path):
        target = tmp_path / "m.png"
        pictures.write_alpha(np.ones((2, 2), np.float32), target)
        with pytest.raises(UsageError, match="--overwrite"):
            pictures.write_alpha(np.ones((2, 2), np.float32), target)
        with pytest.raises(PictureError, match="NaN"):
            pictures.write_alpha(np.full((2, 2), np.nan, np.float32), target, overwrite=True)
