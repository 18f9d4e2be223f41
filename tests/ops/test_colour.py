import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from sfumato.ops.colour import (
    keep_colors,
    linear_to_srgb,
    luma,
    luminance,
    srgb_to_linear,
    strips,
)

unit = st.floats(0, 1, width=32)
pictures = arrays(np.float32, (3, 4, 3), elements=unit)


def reference_decode(v):
    """IEC 61966-2-1, in double precision."""
    v = np.asarray(v, np.float64)
    return np.where(v <= 0.04045, v / 12.92, ((v + 0.055) / 1.055) ** 2.4)


def test_every_16_bit_value_is_decoded_exactly():
    values = np.linspace(0, 1, 65536, dtype=np.float32)
    assert np.abs(srgb_to_linear(values) - reference_decode(values)).max() < 1e-6


def test_known_values():
    linear = srgb_to_linear(np.array([0, 0.5, 1], np.float32))
    assert linear == pytest.approx([0, 0.2140411, 1], abs=1e-6)
    assert linear.dtype == np.float32


@pytest.mark.parametrize("shape", [(), (0, 3), (1,), (2, 3), (1, 1, 3), (5, 2, 3)])
def test_any_shape(shape):
    values = np.full(shape, 0.5, np.float32)
    assert srgb_to_linear(values).shape == linear_to_srgb(values).shape == shape


def test_round_trip_over_the_whole_range():
    values = np.linspace(0, 1, 65536, dtype=np.float32)
    assert np.abs(linear_to_srgb(srgb_to_linear(values)) - values).max() < 2e-6


def test_the_curve_rises_everywhere_across_its_knee():
    around = np.linspace(0.03, 0.05, 5000, dtype=np.float32)
    assert (np.diff(srgb_to_linear(around)) > -1e-8).all()


def test_luminance_of_the_primaries():
    primaries = np.eye(3, dtype=np.float32)[None]
    assert luminance(primaries)[0] == pytest.approx([0.2126, 0.7152, 0.0722], abs=1e-6)


@given(pictures, pictures)
def test_kept_colours_stay_in_gamut_with_the_paintings_luma(painted, original):
    kept = keep_colors(painted, original)
    assert kept.dtype == np.float32
    assert kept.min() >= 0
    assert kept.max() <= 1
    assert np.abs(luma(kept) - luma(painted)).max() < 1e-5


@given(pictures)
def test_a_painting_equal_to_the_photo_stays_as_it_is(photo):
    assert np.abs(keep_colors(photo, photo) - photo).max() < 1e-5


@given(pictures, unit)
def test_a_grey_photo_gives_a_grey_painting(painted, grey):
    kept = keep_colors(painted, np.full_like(painted, grey))
    assert np.ptp(kept, axis=2).max() < 1e-5


def test_out_of_gamut_colours_fade_without_turning_their_hue():
    red = np.array([[[0.9, 0.1, 0.2]]], np.float32)
    kept = keep_colors(np.full_like(red, 0.9), red)[0, 0]
    chroma, own = kept - 0.9, red[0, 0] - luma(red)[0, 0]
    cosine = chroma @ own / np.linalg.norm(chroma) / np.linalg.norm(own)
    assert cosine > 0.9999
    assert kept.max() == pytest.approx(1)


def test_strips_cover_a_picture_once_and_change_nothing(monkeypatch):
    painted, original = np.random.default_rng(0).random((2, 37, 11, 3), dtype=np.float32)
    whole = keep_colors(painted, original)
    monkeypatch.setattr("sfumato.ops.colour.STRIP", 30)
    assert [i for s in strips((37, 11)) for i in range(37)[s]] == list(range(37))
    assert (keep_colors(painted, original) == whole).all()
