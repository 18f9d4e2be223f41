"""From soft maps to segments."""

from __future__ import annotations

import numpy as np
import pytest

from sfumato.errors import UsageError
from sfumato.ops.saliency import drop_islands, is_flat, single


def two_squares(large: int, small: int) -> np.ndarray:
    soft = np.zeros((64, 64), dtype=np.float32)
    soft[2 : 2 + large, 2 : 2 + large] = 0.9
    soft[-2 - small : -2, -2 - small : -2] = 0.8
    return soft


def test_drops_only_what_is_smaller_than_the_share():
    soft = two_squares(20, 5)  # 25 / 400 = 6.25 %
    np.testing.assert_array_equal(drop_islands(soft, 0.06), soft)
    kept = drop_islands(soft, 0.07)
    np.testing.assert_array_equal(kept, two_squares(20, 0))


def test_takes_an_islands_soft_rim_along_but_not_the_largest_ones():
    soft = two_squares(20, 5)
    soft[56, 60], soft[10, 23] = 0.3, 0.3  # beside the island, beside the largest part
    kept = drop_islands(soft, 0.5)
    assert kept[56, 60] == 0
    assert kept[10, 23] == np.float32(0.3)


@pytest.mark.parametrize("soft", [np.zeros((5, 7)), np.ones((5, 7)), np.full((1, 1), 0.7)])
def test_drop_islands_leaves_empty_full_and_tiny_maps(soft):
    soft = soft.astype(np.float32)
    np.testing.assert_array_equal(drop_islands(soft, 1), soft)


def test_single_is_empty_where_nothing_passes_half():
    segments = single("person", np.full((4, 6), 0.5, dtype=np.float32))
    assert segments.masks.shape == (0, 4, 6)
    assert segments.labels == ()
    assert not segments.select("person").any()


def test_single_keeps_the_soft_map_and_scores_it_by_its_inside():
    soft = np.array([[0.2, 0.8], [0.6, 0.0]], dtype=np.float32)
    segments = single("person", soft)
    np.testing.assert_array_equal(segments.masks, [[[False, True], [True, False]]])
    np.testing.assert_array_equal(segments.alpha("person"), soft)
    assert segments.scores[0] == pytest.approx(0.7)


def test_flat_pictures():
    image = np.full((6, 5, 3), (0.9, 0.2, 0.1), dtype=np.float32)
    assert is_flat(image)
    image[2, 2, 1] += 0.01
    assert not is_flat(image)
    image[0, 0, 0] = np.nan
    with pytest.raises(UsageError, match="NaN"):
        is_flat(image)
