"""How visible the seam of a composite is, as one number."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from sfumato.types import Alpha, Image

_TAPS = (1, 2, 3)  # sampled on each side, in steps
_STEP_AT = 1024  # longer side in pixels at which a step is one pixel
_FLOOR = 1 / 255  # a jump of one 8-bit step cannot be seen
_SAMPLES = 20_000


def score(result: Image, foreground: Image, background: Image, alpha: Alpha) -> float:
    """Jump of the result across the mask's border against the same jump in the two sources.

    At each point p of the contour alpha = 0.5, with unit normal n, the jump of a picture I is ::

        J_I(p) = | mean_k I(p + k h n) - mean_k I(p - k h n) |,   k = 1, 2, 3

    (Euclidean over gamma-encoded R, G, B; h = max(1, longer side / 1024) pixels), and ::

        score = (mean_p J_result + e) / (mean_p max(J_foreground, J_background) + e)

    with e = 1/255, below which no jump is seen. The mean of both sides before the ratio makes it
    robust: a few strong edges of the sources raise both. Invented here; it answers "is there an
    edge that neither source has?".

    Args:
        result, foreground, background: float32 ``[H, W, 3]``, sRGB, 0..1.
        alpha: float32 ``[H, W]``, 0..1.

    Returns:
        1 = the border is as visible as what the sources have there themselves; above = a seam;
        below = softer than the sources; 0 = alpha has no border inside the picture.
    """
    step = max(1.0, max(alpha.shape) / _STEP_AT)
    points, normals = _contour(alpha, step)
    if not len(points):
        return 0.0

    def jump(image: Image) -> NDArray[np.float32]:
        sides = [
            np.mean([_sample(image, points + s * k * step * normals) for k in _TAPS], axis=0)
            for s in (1, -1)
        ]
        return np.asarray(np.linalg.norm(sides[0] - sides[1], axis=1))

    own = np.maximum(jump(foreground), jump(background))
    return float((jump(result).mean() + _FLOOR) / (own.mean() + _FLOOR))


def _contour(alpha: Alpha, step: float) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Points (row, column) on the contour alpha = 0.5 and unit normals inwards, both ``[N, 2]``."""
    inside = (alpha > 0.5).astype(np.uint8)
    cross = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
    eroded = cv2.erode(inside, cross, borderType=cv2.BORDER_REPLICATE)
    edge = np.argwhere(inside != eroded)
    edge = edge[:: max(1, -(-len(edge) // _SAMPLES))]
    smooth = cv2.GaussianBlur(inside.astype(np.float32), (0, 0), 1.5 * step)
    rows, columns = edge.T
    height, width = alpha.shape
    slope = np.stack(
        [
            smooth[np.minimum(rows + 1, height - 1), columns]
            - smooth[np.maximum(rows - 1, 0), columns],
            smooth[rows, np.minimum(columns + 1, width - 1)]
            - smooth[rows, np.maximum(columns - 1, 0)],
        ],
        axis=1,
    )
    length = np.linalg.norm(slope, axis=1, keepdims=True)
    normals = slope / np.maximum(length, np.float32(1e-6))
    # Edge pixels are the outermost ones inside; the contour runs half a pixel further out.
    points = edge - 0.5 * normals
    sure = length[:, 0] > 1e-3  # hair-thin parts have no side
    return points[sure].astype(np.float32), normals[sure].astype(np.float32)


def _sample(image: Image, points: NDArray[np.float32]) -> NDArray[np.float32]:
    """The nearest pixels' colours, ``[N, 3]``; beyond the border, the border's."""
    rows, columns = np.rint(points).astype(int).T
    height, width = image.shape[:2]
    return np.asarray(image[np.clip(rows, 0, height - 1), np.clip(columns, 0, width - 1)])
