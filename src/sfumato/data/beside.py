"""Background cut out of samples: what a picture without anyone looks like, where every picture
that there is to learn from shows somebody."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from sfumato.data._listed import Sample

GRID = 24
"""Cells a side in which background is looked for."""

LEAST = 0.12
"""Share of a sample that background alone must fill to be worth learning from."""


def beside(sample: Sample) -> Sample:
    """The largest rectangle of a sample that shows background only, so that a net also learns
    what to say where nobody is.

    It keeps a cell of a grid of :data:`GRID` a side away from the figures. A sample without
    such a rectangle of :data:`LEAST` of its area, or smaller than the grid, stays whole.
    """
    height, width = sample.mask.shape
    if min(height, width) < GRID:
        return sample
    shown = (sample.mask > 0).astype(np.uint8) * np.uint8(255)
    taken = cv2.resize(shown, (GRID, GRID), interpolation=cv2.INTER_AREA) > 0
    near = cv2.dilate(taken.view(np.uint8), np.ones((3, 3), np.uint8))
    summed = cv2.integral(near)  # [GRID + 1, GRID + 1]
    (top, bottom), (left, right) = _spans(), _spans()
    counted = (
        summed[np.ix_(bottom, right)] - summed[np.ix_(top, right)]
        - summed[np.ix_(bottom, left)] + summed[np.ix_(top, left)]
    )  # fmt: skip
    area = np.where(counted == 0, np.outer(bottom - top, right - left), 0)
    rows, columns = np.unravel_index(area.argmax(), area.shape)
    if area[rows, columns] < LEAST * GRID**2:
        return sample
    down = slice(top[rows] * height // GRID, bottom[rows] * height // GRID)
    across = slice(left[columns] * width // GRID, right[columns] * width // GRID)
    return Sample(sample.image[down, across], sample.mask[down, across], sample.name)


@cache
def _spans() -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Begin and end of every span of cells along a side of the grid."""
    first, last = np.triu_indices(GRID + 1, 1)
    return first, last
