"""Masks from picture files."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from sfumato import registry
from sfumato.errors import PictureError, UsageError
from sfumato.segment.file import same_proportions
from sfumato.types import Context


@pytest.fixture
def mask_file(tmp_path):
    """A grey 60 x 40 picture: black left half, 40 % grey quarter, white quarter."""
    levels = np.zeros((40, 60), np.uint8)
    levels[:, 30:45], levels[:, 45:] = 102, 255
    path = tmp_path / "mask.png"
    cv2.imwrite(str(path), levels)
    return path


def segment(path, height, width):
    return registry.build("segment", "file", Context(), {"path": str(path)})(
        np.zeros((height, width, 3), np.float32)
    )


def test_keeps_grey_levels_at_the_same_size(mask_file):
    segments = segment(mask_file, 40, 60)
    alpha = segments.alpha("mask")
    assert segments.labels == ("mask",)
    np.testing.assert_allclose(alpha[:, [0, 35, 50]], np.tile([0, 0.4, 1], (40, 1)), atol=1e-6)
    assert segments.select("mask").sum() == 40 * 15


@pytest.mark.parametrize("size", [(400, 600), (20, 30), (401, 600)])
def test_fits_pictures_of_the_same_proportions(mask_file, size):
    segments = segment(mask_file, *size)
    assert segments.masks.shape == (1, *size)
    share = segments.select("mask").mean()
    assert share == pytest.approx(0.25, abs=0.02)


def test_other_proportions_are_an_error_that_says_both_sizes(mask_file):
    with pytest.raises(UsageError, match=r"60 x 40.*100 x 100"):
        segment(mask_file, 100, 100)
    with pytest.raises(UsageError, match=r"60 x 40.*40 x 60"):
        segment(mask_file, 60, 40)


def test_a_cut_out_is_its_own_mask(tmp_path):
    rgba = np.full((10, 10, 4), 255, np.uint8)
    rgba[:, :5, 3] = 0
    cv2.imwrite(str(tmp_path / "cut.png"), rgba)
    mask = segment(tmp_path / "cut.png", 10, 10).select("mask")
    np.testing.assert_array_equal(mask[0], [False] * 5 + [True] * 5)


def test_a_black_mask_selects_nothing(tmp_path):
    cv2.imwrite(str(tmp_path / "black.png"), np.zeros((8, 8), np.uint8))
    assert not segment(tmp_path / "black.png", 16, 16).select("mask").any()


def test_what_cannot_be_read_is_said_when_it_is_built(tmp_path):
    (tmp_path / "text.png").write_text("no picture")
    with pytest.raises(PictureError):
        segment(tmp_path / "text.png", 8, 8)
    with pytest.raises(UsageError, match=r"file\.path"):
        registry.build("segment", "file", Context(), {})


@pytest.mark.parametrize(
    ("a", "b", "same"),
    [
        ((1, 1), (100, 100), True),
        ((683, 1024), (4000, 6000), True),
        ((1, 5000), (1, 100), True),
        ((100, 150), (150, 100), False),
        ((1000, 1000), (1000, 1030), False),
    ],
)
def test_same_proportions(a, b, same):
    assert same_proportions(a, b) is same
    assert same_proportions(b, a) is same
