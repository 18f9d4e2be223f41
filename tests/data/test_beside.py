"""Background beside the figures: nothing else, and as much as there is."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from sfumato.data.beside import LEAST, beside
from sfumato.data.samples import IGNORED, Sample

seeds = st.integers(0, 2**32 - 1)


@given(seeds)
@settings(max_examples=60, deadline=None)
def test_beside_shows_background_only(seed):
    rng = np.random.default_rng(seed)
    height, width = (int(n) for n in rng.integers(1, 120, 2))
    mask = np.zeros((height, width), np.uint8)
    y, x = int(rng.integers(height)), int(rng.integers(width))
    mask[y : y + 30, x : x + 30] = rng.choice([1, IGNORED])
    sample = Sample(np.repeat(mask[..., None], 3, axis=2), mask, "block")
    cut = beside(sample)
    np.testing.assert_array_equal(cut.image[..., 0], cut.mask)
    if cut is not sample:
        assert not cut.mask.any()
        assert cut.mask.size >= LEAST * mask.size * 0.8  # cells are cut to pixels


def test_beside_is_the_largest_rectangle():
    mask = np.zeros((96, 192), np.uint8)
    mask[:, 40:80] = 1
    image = np.broadcast_to(np.arange(192, dtype=np.uint8)[None, :, None], (96, 192, 3))
    cut = beside(Sample(image, mask, "post"))
    assert cut.mask.shape == (96, 192 - 80 - 8)  # a cell of 8 pixels away from the post
    assert cut.image[0, 0, 0] == 88
    full = Sample(image, np.ones_like(mask), "full")
    assert beside(full) is full
