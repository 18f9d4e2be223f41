"""How much of a picture's structure is left after it was painted anew.

Colours and textures are meant to change; outlines, and what looks like what, are not. Figures
that move or melt away make annotations wrong.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from sfumato.errors import UsageError
from sfumato.types import Image

SIDE = 256
"""Longer side in pixels at which edges are compared: brush work is finer, outlines are not."""

CELLS = 16
"""Cells a side between which self-similarity is taken."""

ORIENTATIONS = 4
_FLAT = 1e-3
_LEAST_SPREAD = 0.1  # of L*, a* or b*: less is rounding


def edge_agreement(content: Image, painted: Image) -> float:
    """Correlation of where the edges are in two pictures of one size.

    The edges are the gradient's magnitudes of L*, at :data:`SIDE` pixels, blurred by 1.5 pixels
    so that an outline may wobble.

    Args:
        content, painted: float32 ``[H, W, 3]``, sRGB, 0..1.

    Returns:
        1 = the same edges, 0 = none in common; -1..1. Two flat pictures agree; a flat one and
        another have nothing in common.

    Raises:
        UsageError: the sizes differ.
    """
    _check(content, painted)
    edges = []
    for image in (content, painted):
        across, down = _gradient(_lab(image, _side(image.shape))[..., 0])
        edges.append(cv2.GaussianBlur(np.hypot(across, down), (0, 0), 1.5))
    return _correlation(np.asarray(edges[0]), np.asarray(edges[1]))


def self_similarity(content: Image, painted: Image) -> float:
    """Correlation of which parts look alike in two pictures of one size.

    Each picture is cut into :data:`CELLS` x :data:`CELLS` cells; a cell is told by its mean L*,
    a* and b* and by the strength of its edges in four directions, each in units of its own
    spread. What is compared are the distances between all pairs of cells: after Kolkin,
    Salavon and Shakhnarovich 2019 ("Style transfer by relaxed optimal transport and
    self-similarity"), with plain features in place of a net's.

    Args, returns and raises as for :func:`edge_agreement`.
    """
    _check(content, painted)
    first, second = (_distances(image) for image in (content, painted))
    return _correlation(first, second)


def _check(content: Image, painted: Image) -> None:
    if content.shape != painted.shape:
        raise UsageError(f"expected two pictures of one size; got {content.shape}, {painted.shape}")


def _side(shape: tuple[int, ...]) -> tuple[int, int]:
    """Width and height at which edges are looked at: never enlarged."""
    scale = min(1.0, SIDE / max(shape[:2]))
    return max(1, round(shape[1] * scale)), max(1, round(shape[0] * scale))


def _lab(image: Image, size: tuple[int, int]) -> NDArray[np.float32]:
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.cvtColor(np.clip(small, 0, 1), cv2.COLOR_RGB2LAB), np.float32)


def _gradient(light: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    smooth = cv2.GaussianBlur(light, (0, 0), 1.0)
    across, down = (cv2.Sobel(smooth, cv2.CV_32F, *order) for order in ((1, 0), (0, 1)))
    return np.asarray(across, np.float32), np.asarray(down, np.float32)


def _distances(image: Image) -> NDArray[np.float32]:
    """Distances between all pairs of cells, each pair once."""
    lab = _lab(image, _side(image.shape))
    across, down = _gradient(lab[..., 0])
    strength, angle = np.hypot(across, down), np.arctan2(down, across)
    directions = [
        strength * np.cos(angle - np.pi * k / ORIENTATIONS) ** 2 for k in range(ORIENTATIONS)
    ]
    maps = (lab, np.dstack(directions).astype(np.float32))
    cells = np.concatenate([_cells(one) for one in maps], axis=1)
    told = (cells - cells.mean(0)) / np.maximum(cells.std(0), _LEAST_SPREAD)
    squares = (told**2).sum(1)
    distances = np.maximum(squares[:, None] + squares - 2 * told @ told.T, 0)
    return np.asarray(np.sqrt(distances)[np.triu_indices(len(told), 1)], np.float32)


def _cells(maps: NDArray[np.float32]) -> NDArray[np.float32]:
    """Means of up to four maps over the cells, ``[CELLS * CELLS, maps]``."""
    means = cv2.resize(maps, (CELLS, CELLS), interpolation=cv2.INTER_AREA)
    return np.asarray(means, np.float32).reshape(CELLS * CELLS, -1)


def _correlation(first: NDArray[np.float32], second: NDArray[np.float32]) -> float:
    flat = [float(values.std()) < _FLAT for values in (first, second)]
    if any(flat):
        return float(all(flat))
    a, b = (values.ravel() - values.mean() for values in (first, second))
    return float(np.clip(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)), -1, 1))
