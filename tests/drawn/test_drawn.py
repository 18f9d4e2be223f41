"""Every drawn style: what it promises, at many sizes and seeds."""

from __future__ import annotations

import subprocess
import sys

import cv2
import numpy as np
import pytest

from sfumato import drawn
from sfumato.errors import UsageError

NAMES = drawn.names()


@pytest.fixture(scope="module")
def at_256() -> dict[str, np.ndarray]:
    return {name: drawn.draw(name, 256) for name in NAMES}


@pytest.fixture(scope="module")
def other_64() -> dict[str, np.ndarray]:
    return {name: drawn.draw(name, 64, seed=1) for name in NAMES}


@pytest.fixture(scope="module")
def at_64() -> dict[str, np.ndarray]:
    return {name: drawn.draw(name, 64) for name in NAMES}


def test_names_are_distinct_plain_words_with_descriptions():
    assert len(set(NAMES)) == len(NAMES) >= 9
    for name in NAMES:
        assert name.replace("-", "").isalpha()
        assert name == name.lower()
        assert 5 <= len(drawn.describe(name).split()) <= 10
    assert len({drawn.describe(name) for name in NAMES}) == len(NAMES)


def test_listing_imports_no_opencv():
    script = (
        "from sfumato import drawn; drawn.describe(drawn.names()[0]); "
        "import sys; print('cv2' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", [32, 33, 257])
def test_size_range_and_type(name, size):
    picture = drawn.draw(name, size)
    assert picture.shape == (size, size, 3)
    assert picture.dtype == np.float32
    assert np.isfinite(picture).all()
    assert picture.min() >= 0
    assert picture.max() <= 1


@pytest.mark.parametrize("name", NAMES)
def test_same_seed_same_picture_whatever_the_threads_and_the_global_seed(name, at_64):
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    np.random.seed(7)
    before = np.random.get_state()[1].copy()
    try:
        assert np.array_equal(drawn.draw(name, 64, seed=0), at_64[name])
    finally:
        cv2.setNumThreads(threads)
    assert np.array_equal(np.random.get_state()[1], before)


@pytest.mark.parametrize("name", NAMES)
def test_other_seed_other_picture_of_the_same_palette(name, at_64, other_64):
    assert np.abs(other_64[name] - at_64[name]).mean() > 0.01
    assert np.abs(_lab(other_64[name]).mean((0, 1)) - _lab(at_64[name]).mean((0, 1))).max() < 15


@pytest.mark.parametrize("name", NAMES)
def test_contrast_is_enough_to_feed_a_net(name, at_256):
    lab = _lab(at_256[name])
    assert lab[..., 0].std() > 14
    assert np.percentile(lab[..., 0], 99) - np.percentile(lab[..., 0], 1) > 60
    if name != "ink":  # black on cream, on purpose
        assert lab[..., 1:].std((0, 1)).max() > 14


@pytest.mark.parametrize("name", NAMES)
def test_the_design_does_not_depend_on_the_size(name, at_64, other_64):
    """Compared as colours of a 16 x 16 raster; another seed is much farther away."""
    raster = _raster(at_64[name])
    same = np.abs(_raster(drawn.draw(name, 384)) - raster).mean()
    assert same < 0.02
    assert same < 0.5 * np.abs(_raster(other_64[name]) - raster).mean()


def test_styles_differ_from_one_another(at_64):
    for i, a in enumerate(NAMES):
        for b in NAMES[:i]:
            assert np.abs(at_64[a] - at_64[b]).mean() > 0.08, (a, b)


@pytest.mark.parametrize("size", [31, 0, -5, 2049])
def test_sizes_out_of_bounds_are_refused(size):
    with pytest.raises(UsageError, match=f"got {size}"):
        drawn.draw(NAMES[0], size)


def test_negative_seed_is_refused():
    with pytest.raises(UsageError, match="seed"):
        drawn.draw(NAMES[0], 32, seed=-1)


def test_misspelt_name_gets_a_hint():
    with pytest.raises(UsageError, match="did you mean 'marbled'"):
        drawn.draw("marbeld")
    with pytest.raises(UsageError, match="known: waves"):
        drawn.describe("zzz")


def _lab(picture):
    return cv2.cvtColor(picture, cv2.COLOR_RGB2Lab)


def _raster(picture):
    return cv2.resize(picture, (16, 16), interpolation=cv2.INTER_AREA)
