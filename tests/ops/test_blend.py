import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from sfumato.errors import UsageError
from sfumato.ops.blend import (
    bounding_box,
    checked,
    depth,
    feathered,
    over,
    smoothstep,
    strength,
)
from sfumato.ops.colour import luminance, srgb_to_linear

unit = st.floats(0, 1, width=32)
pictures = arrays(np.float32, (4, 5, 3), elements=unit)
alphas = arrays(np.float32, (4, 5), elements=unit | st.sampled_from([0.0, 1.0]))


def constant(value, shape=(4, 5)):
    return np.full((*shape, 3), value, np.float32)


@given(pictures, pictures, alphas)
def test_over_copies_at_the_ends_and_stays_between(foreground, background, alpha):
    result = over(foreground, background, alpha)
    assert (result[alpha == 0] == background[alpha == 0]).all()
    assert (result[alpha == 1] == foreground[alpha == 1]).all()
    assert (result >= np.minimum(foreground, background) - 2e-6).all()
    assert (result <= np.maximum(foreground, background) + 2e-6).all()


@given(alphas)
def test_over_mixes_light_not_code_values(alpha):
    result = over(constant(1), constant(0), alpha)
    assert np.abs(luminance(result) - alpha).max() < 1e-5


def test_half_white_over_black_is_the_known_grey():
    half = np.full((1, 1), 0.5, np.float32)
    assert over(constant(1, (1, 1)), constant(0, (1, 1)), half)[0, 0, 0] == pytest.approx(0.735357)


def test_over_changes_none_of_its_inputs():
    foreground, background, alpha = constant(0.9), constant(0.1), np.ones((4, 5), np.float32)
    result = over(foreground, background, alpha)
    result[:] = 0.5
    assert (foreground == np.float32(0.9)).all()
    assert (background == np.float32(0.1)).all()


def test_strips_join_without_a_trace(monkeypatch):
    rng = np.random.default_rng(0)
    foreground, background = rng.random((2, 37, 11, 3), dtype=np.float32)
    alpha = rng.random((37, 11), dtype=np.float32)
    whole = over(foreground, background, alpha)
    monkeypatch.setattr("sfumato.ops.colour.STRIP", 30)
    assert (over(foreground, background, alpha) == whole).all()


def test_views_and_flipped_arrays_are_fine():
    rng = np.random.default_rng(0)
    foreground, background = rng.random((2, 8, 9, 3), dtype=np.float32)
    alpha = (rng.random((8, 9)) > 0.5).astype(np.float32)
    expected = over(foreground, background, alpha)[::-1, ::2]
    got = over(foreground[::-1, ::2], background[::-1, ::2], alpha[::-1, ::2])
    assert (got == expected).all()


def spoilt(what, value):
    arrays = {
        "foreground": constant(0.5),
        "background": constant(0.5),
        "alpha": np.full((4, 5), 0.5, np.float32),
    }
    arrays[what][1, 2] = value
    return arrays


@pytest.mark.parametrize("what", ["foreground", "background", "alpha"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 255, -0.1])
def test_bad_values_are_named(what, value):
    with pytest.raises(UsageError, match=what):
        checked(**spoilt(what, value))


@pytest.mark.parametrize("what", ["foreground", "background", "alpha"])
def test_wrong_types_and_sizes_are_named(what):
    good = spoilt("alpha", 0.5)
    with pytest.raises(UsageError, match="float32"):
        checked(**(good | {what: good[what].astype(np.float64)}))
    with pytest.raises(UsageError, match="same size"):
        checked(**(good | {what: good[what][1:]}))
    with pytest.raises(UsageError, match="expects"):
        checked(**(good | {what: good[what][0]}))


def test_empty_pictures_are_refused():
    with pytest.raises(UsageError, match="expects"):
        checked(constant(0, (0, 5)), constant(0, (0, 5)), np.zeros((0, 5), np.float32))


def test_rounding_errors_in_alpha_are_clipped_away():
    alpha = checked(constant(1), constant(0), np.full((4, 5), -1e-6, np.float32))
    assert (alpha == 0).all()
    assert checked(constant(1), constant(0), np.full((4, 5), 1.0001, np.float32)).max() == 1


@given(pictures, pictures, unit)
def test_strength_is_a_dial(painted, original, share):
    mixed = strength(painted, original, share)
    assert np.abs(mixed - (share * painted + (1 - share) * original)).max() < 1e-6
    assert (strength(painted, original, 0) == original).all()
    assert (strength(painted, original, 1) == painted).all()


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_strength_outside_of_its_range(share):
    with pytest.raises(UsageError, match=r"0\.\.1"):
        strength(constant(1), constant(0), share)


def test_depth_counts_pixels_from_the_outside():
    alpha = np.zeros((9, 20), np.float32)
    alpha[:, 10:] = 1
    assert depth(alpha)[4] == pytest.approx([0] * 10 + list(range(1, 11)), abs=0.05)


def test_depth_ignores_dust_and_the_pictures_own_border():
    assert np.isinf(depth(np.ones((3, 3), np.float32))).all()
    dust = np.full((5, 5), 1e-3, np.float32)
    assert (depth(dust) == 0).all()


@given(alphas, st.floats(0, 10))
def test_feathering_only_takes_away(alpha, radius):
    soft = feathered(alpha, radius)
    assert soft.dtype == np.float32
    assert (soft <= alpha).all()
    assert (soft >= 0).all()
    assert (soft[alpha == 0] == 0).all()


def test_feathering_makes_a_smooth_ramp_of_the_given_width():
    alpha = np.zeros((50, 100), np.float32)
    alpha[:, 50:] = 1
    row = feathered(alpha, 20)[25]
    assert (row[70:] == 1).all()
    assert (np.diff(row) >= 0).all()
    assert np.diff(row).max() < 0.1
    assert row[60] == pytest.approx(0.5, abs=0.08)


def test_nothing_to_feather():
    alpha = np.ones((7, 7), np.float32)
    assert (feathered(alpha, 3) == 1).all()


def test_smoothstep_ends_level():
    t = np.array([-1, 0, 0.01, 0.5, 0.99, 1, 2], np.float32)
    assert smoothstep(t) == pytest.approx([0, 0, 0, 0.5, 1, 1, 1], abs=4e-4)


def test_bounding_box():
    alpha = np.zeros((10, 12), np.float32)
    assert alpha[bounding_box(alpha, 1)].size == 0
    alpha[3, 4] = alpha[5, 11] = 1e-9
    assert bounding_box(alpha, 0) == (slice(3, 6), slice(4, 12))
    assert alpha[bounding_box(alpha, 2)].shape == (7, 10)


def test_a_mix_in_linear_light_is_brighter_than_one_of_code_values():
    half = np.full((1, 1), 0.5, np.float32)
    mixed = over(constant(0.9, (1, 1)), constant(0.1, (1, 1)), half)
    expected = (srgb_to_linear(np.float32([0.9])) + srgb_to_linear(np.float32([0.1]))) / 2
    assert srgb_to_linear(mixed)[0, 0, 0] == pytest.approx(expected[0], abs=1e-6)
    assert mixed[0, 0, 0] > 0.6
