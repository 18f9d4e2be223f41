"""Measures of a matte against a known alpha, in NumPy and OpenCV alone.

Source: Rhemann et al., "A Perceptually Motivated Online Benchmark for Image Matting", CVPR 2009,
section 3. Sums are over pixels, so they compare mattes of one picture, or of pictures of one size.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from sfumato.errors import UsageError
from sfumato.types import Alpha, Mask

SIGMA = 1.4
"""Of the Gaussian whose derivatives measure a gradient, in pixels (the benchmark's choice)."""

_REACH = 2.6
"""Half a filter's width in sigmas: 4 pixels at 1.4, as in the benchmark's program."""


def sad(alpha: Alpha, truth: Alpha, where: Mask | None = None) -> float:
    """Sum of absolute differences, in thousands of pixels.

    Args:
        alpha, truth: float ``[H, W]``, 0..1.
        where: bool ``[H, W]``: pixels that count; None = all.

    Returns:
        0 or more: 1 = a thousand pixels that are wholly wrong.

    Raises:
        UsageError: the shapes differ.
    """
    return float(np.abs(_difference(alpha, truth, where)).sum() / 1000)


def mse(alpha: Alpha, truth: Alpha, where: Mask | None = None) -> float:
    """Mean squared difference, 0..1; usually printed in thousandths.

    Args:
        alpha, truth: float ``[H, W]``, 0..1.
        where: bool ``[H, W]``: pixels that count; None = all.

    Returns:
        0..1; NaN where no pixel counts.

    Raises:
        UsageError: the shapes differ.
    """
    squares = np.square(_difference(alpha, truth, where))
    return float(squares.mean()) if squares.size else float("nan")


def gradient_error(
    alpha: Alpha, truth: Alpha, where: Mask | None = None, sigma: float = SIGMA
) -> float:
    """Sum of squared differences of the gradients' lengths, in thousands.

    It sees what the other two forgive: hair smeared to an even haze, and a rough edge. The
    benchmark's program first stretches each matte to 0..1; a matte that has both solid foreground
    and solid background is unchanged by that, and we leave it out.

    Args:
        alpha, truth: float ``[H, W]``, 0..1.
        where: bool ``[H, W]``: pixels that count; None = all. Their gradients see the others.
        sigma: of the derivative filters, in pixels, above 0.

    Returns:
        0 or more, by filters of unit energy as in the benchmark's program.

    Raises:
        UsageError: the shapes differ.
    """
    _difference(alpha, truth, where)  # for its errors
    lengths = _gradient(alpha, sigma), _gradient(truth, sigma)
    return float(np.square(_difference(*lengths, where)).sum() / 1000)


def _difference(
    found: NDArray[np.floating], truth: NDArray[np.floating], where: Mask | None
) -> NDArray[np.float64]:
    """Found minus true, of the pixels that count: ``[N]``."""
    if found.shape != truth.shape or (where is not None and where.shape != truth.shape):
        shapes = [x.shape for x in (found, truth, where) if x is not None]
        raise UsageError(f"mattes and mask must have one shape, got {shapes}; resize them first")
    apart = np.asarray(np.subtract(found, truth, dtype=np.float64), dtype=np.float64)
    return apart.ravel() if where is None else apart[where]


def _gradient(alpha: Alpha, sigma: float) -> NDArray[np.float64]:
    """Length of the gradient by first derivatives of a Gaussian: ``[H, W]``."""
    half = math.ceil(_REACH * sigma)
    x = np.arange(-half, half + 1, dtype=np.float64)
    smooth = np.exp(-np.square(x / sigma) / 2)
    slope = x * smooth
    smooth, slope = smooth / np.linalg.norm(smooth), slope / np.linalg.norm(slope)
    across = cv2.sepFilter2D(alpha, cv2.CV_64F, slope, smooth, borderType=cv2.BORDER_REPLICATE)
    down = cv2.sepFilter2D(alpha, cv2.CV_64F, smooth, slope, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(np.hypot(across, down), dtype=np.float64)
