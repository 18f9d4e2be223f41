"""Where the ground begins in a painting."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from sfumato.ops.resize import fit
from sfumato.types import Image

SIDE = 96
"""The horizon shows in a picture of this longer side."""

USUAL, SPREAD = 0.48, 0.2
"""Where horizons lie in landscapes, as a share of the height from the top, and their deviation."""

LIGHTER = 0.02
"""A sky this much darker than its ground, as a share of L's range, is half as credible."""

PLAIN = 0.1
"""Share of the picture's variance that a horizon explains by chance."""


class Ground(NamedTuple):
    """The horizon.

    Attributes:
        line: its height in the picture, 0 = top, 1 = bottom.
        confidence: 0 = a guess, 1 = two flat fields of different colours.
    """

    line: float
    confidence: float


UNKNOWN = Ground(USUAL, 0.0)


def horizon(painting: Image) -> Ground:
    """The row that best parts a painting into something above and something else below.

    Each row is described by its mean colour and texture; the row is chosen by Otsu's criterion (the
    variance between the two parts as a share of all variance between pixels; Otsu 1979), weighed by
    how usual the place is and whether the upper part is the lighter one. Where there is little to
    go by, the line is drawn towards :data:`USUAL`.

    Args:
        painting: float32 ``[H, W, 3]``, sRGB, 0..1.
    """
    pixels = _described(fit(painting, SIDE))
    rows = pixels.mean(1)
    count = len(rows)
    spread = float(((pixels - rows.mean(0)) ** 2).sum(2).mean())
    if count < 8 or spread < 1e-6:
        return UNKNOWN
    below = np.arange(1, count)
    upper = np.cumsum(rows, 0)[:-1] / below[:, None]
    lower = (rows.sum(0) - np.cumsum(rows, 0)[:-1]) / (count - below)[:, None]
    share = below / count
    parted = share * (1 - share) * ((upper - lower) ** 2).sum(1) / spread
    credible = 1 / (1 + np.exp(-(upper[:, 0] - lower[:, 0]) / LIGHTER))
    usual = (1 + np.exp(-(((share - USUAL) / SPREAD) ** 2) / 2)) / 2
    score = parted * credible * usual
    best = int(score.argmax())
    confidence = float(np.clip((parted[best] * credible[best] - PLAIN) / (0.6 - PLAIN), 0, 1))
    sure = min(1.0, 2 * confidence)
    return Ground(float(sure * share[best] + (1 - sure) * USUAL), confidence)


def _described(small: Image) -> NDArray[np.float64]:
    """CIELAB and texture of each pixel, ``[h, w, 4]``, about 0..1."""
    lab = cv2.cvtColor(small, cv2.COLOR_RGB2Lab).astype(np.float64) / 100
    detail = np.abs(lab[..., 0] - cv2.GaussianBlur(lab[..., 0], (0, 0), 1.5))
    texture = cv2.GaussianBlur(detail, (0, 0), 2.0)
    return np.concatenate([lab, 2 * texture[..., None]], 2)
