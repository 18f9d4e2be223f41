"""Losses, structure, and how well something was found."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from sfumato.compare import measures
from sfumato.compare.measures import Judge
from sfumato.errors import UsageError
from sfumato.ops.resize import fit

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def photo(astronaut):
    return fit(astronaut, 96)


def wavy(image):
    lines = 0.1 * np.sin(np.arange(image.shape[1]) / 3)[None, :, None]
    return np.clip(image + lines, 0, 1).astype(np.float32)


@pytest.mark.weights
@pytest.mark.parametrize("part", [False, True])
def test_the_losses_are_those_of_the_plainly_written_judge(photo, monkeypatch, part):
    """Two programs without a line in common, the same figures."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import _style_loss as plain

    region = np.zeros(photo.shape[:2], np.float32)
    region[20:70, 30:90] = 1
    region = region if part else None
    style = np.ascontiguousarray(wavy(1 - photo)[::-1])
    theirs = plain.Judge(photo, style, plain.fetched(), region=region)(wavy(photo))
    ours = Judge(photo, style, region=region)(wavy(photo))
    assert ours == pytest.approx(tuple(theirs), rel=1e-4)
    sys.modules.pop("_style_loss", None)


@pytest.mark.weights
def test_a_picture_costs_nothing_against_itself(photo):
    losses = Judge(photo, photo)(photo)
    assert losses == pytest.approx((0, 0, 0), abs=1e-6)
    other = Judge(photo, photo)(wavy(photo))
    assert min(other) > 1e-3


@pytest.mark.weights
def test_a_region_is_all_that_counts(photo):
    region = np.zeros(photo.shape[:2], np.float32)
    region[:, :16] = 1
    changed = photo.copy()
    changed[:, -8:] = 0  # farther away than conv4_2 sees
    assert Judge(photo, None, region=region)(changed).content == pytest.approx(0, abs=1e-6)
    assert Judge(photo, None)(changed).content > 1


@pytest.mark.weights
@pytest.mark.parametrize("shape", [(1, 1), (7, 50), (33, 32)])
def test_small_pictures_are_measured_too(shape):
    image = np.random.default_rng(0).random((*shape, 3), dtype=np.float32)
    assert np.isfinite(Judge(image, image)(image)).all()
    without = Judge(image, None)(image)
    assert without.content == pytest.approx(0, abs=1e-6)
    assert np.isnan(without.style)


def test_an_empty_region_is_refused(photo):
    with pytest.raises(UsageError, match="empty"):
        Judge(photo, None, region=np.zeros(photo.shape[:2], np.float32))


@pytest.mark.weights
def test_another_size_is_refused(photo):
    with pytest.raises(UsageError, match="expected a picture of"):
        Judge(photo, None)(photo[1:])


def test_structure_that_is_kept(photo):
    assert measures.kept(photo, photo) == pytest.approx({"edges": 1, "similarity": 1})
    turned = measures.kept(photo, np.ascontiguousarray(photo[::-1]))
    assert turned["edges"] < 0.5


def test_what_was_found():
    truth = np.zeros((40, 40), np.uint8)
    truth[:, :20] = 1
    alpha = np.zeros((40, 40), np.float32)
    alpha[:, :20] = 0.6
    assert measures.found(alpha, truth) == {"iou": 1, "boundary_f": 1, "trimap_iou": 1}
    alpha[:, 10:20] = 0.4
    half = measures.found(alpha, truth)
    assert half["iou"] == 0.5
    assert half["boundary_f"] == 0
    truth[:, 10:20] = 255  # nobody knows
    assert measures.found(alpha, truth)["iou"] == 1


def test_nothing_is_there_and_nothing_is_found():
    empty = np.zeros((8, 8), np.uint8)
    scores = measures.found(empty.astype(np.float32), empty)
    assert scores == {"iou": 1.0, "boundary_f": 1.0}  # no edge: no trimap


def test_measures_have_names_of_their_own():
    assert len(measures.BY_NAME) == len(measures.MEASURES)
