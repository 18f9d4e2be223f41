"""Fully connected CRF: snaps a blurred or blocky selection to the picture's edges.

Source: Krähenbühl and Koltun, "Efficient Inference in Fully Connected CRFs with Gaussian Edge
Potentials", NeurIPS 2011; the two kernels' meaning and names as in Chen et al., "DeepLab", TPAMI
2018, equation 3. Two labels, so the mean field is one number per pixel.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from sfumato.ops import foreground, guided
from sfumato.ops.permutohedral import lattice
from sfumato.ops.resize import fit, resize
from sfumato.ops.trimap import check_pair, pixels
from sfumato.types import Alpha, Context, Image, Matte, Matter

Kernel = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""A Gaussian filter over a picture's pixels: float32 ``[H, W]`` to the same."""


class Options(BaseModel, extra="forbid"):
    """Kernels and inference. Lengths are fractions of the longer side, colours 0..1."""

    appearance: float = Field(
        4.0, ge=0, le=50, description="w1: how much alike, nearby colours want the same label"
    )
    smoothness: float = Field(3.0, ge=0, le=50, description="w2: how much neighbours do")
    theta_alpha: float = Field(0.1, gt=0, le=1, description="reach of the appearance kernel")
    theta_beta: float = Field(0.02, gt=0, le=1, description="how much alike is alike, in colour")
    theta_gamma: float = Field(0.006, gt=0, le=1, description="reach of the smoothness kernel")
    confidence: float = Field(
        0.95, gt=0.5, lt=1, description="most that the selection is ever believed"
    )
    iterations: int = Field(10, ge=1, le=50, description="rounds of mean field")
    size: int = Field(
        640, ge=16, le=4096, description="longer side, in pixels, at which labels are found"
    )
    polish: float = Field(
        0.006, gt=0, le=0.2, description="radius of the guided filter that softens the edge"
    )


def build(options: Options, context: Context) -> Matter:  # noqa: ARG001
    """A matter that finds the labels with a CRF and then softens their edge."""

    def matte(image: Image, coarse: Alpha) -> Matte:
        check_pair(image, coarse)
        belief = mean_field(fit(image, options.size), fit(coarse, options.size), options)
        radius = pixels(options.polish, image.shape)
        alpha = guided.refine(image, resize(belief, coarse.shape), radius, eps=1e-4, rounds=1)
        return Matte(alpha, foreground.estimate(image, alpha)[0])

    return matte


def mean_field(image: Image, coarse: Alpha, options: Options) -> Alpha:
    """Probability of being selected, after mean-field inference (algorithm 1 of the paper).

    With two labels and the Potts model the update is
    ``logit(q) = logit(coarse) + sum_m w_m K_m (2 q - 1)``. Kernels are normalised symmetrically
    and count the pixel itself, as in the authors' program (the paper leaves it out).

    Args:
        image: float32 ``[H, W, 3]``, 0..1.
        coarse: float32 ``[H, W]``, 0..1: the unary term.
        options: kernels and number of iterations.

    Returns:
        float32 ``[H, W]``, 0..1.
    """
    doubt = 1 - options.confidence
    believed = np.clip(coarse, doubt, 1 - doubt)
    unary = np.log(believed / (1 - believed))
    appearance = normalised(_appearance(image, options), coarse.shape)
    smoothness = normalised(_smoothness(coarse.shape, options), coarse.shape)
    field = unary
    for _ in range(options.iterations):
        sides = np.tanh(field / 2)  # 2 q - 1
        field = (
            unary
            + np.float32(options.appearance) * appearance(sides)
            + np.float32(options.smoothness) * smoothness(sides)
        )
    return np.asarray((1 + np.tanh(field / 2)) / 2, dtype=np.float32)


def normalised(kernel: Kernel, shape: tuple[int, ...]) -> Kernel:
    """``D^-1/2 K D^-1/2`` with ``D = K 1``: symmetric, with weights of about 1 in all."""
    total = np.maximum(kernel(np.ones(shape, np.float32)), 1e-12)
    scale = (1 / np.sqrt(total)).astype(np.float32)
    return lambda values: scale * kernel(scale * values)


def _appearance(image: Image, options: Options) -> Kernel:
    """Gaussian over position and colour (bilateral)."""
    height, width = image.shape[:2]
    reach = options.theta_alpha * max(height, width)
    rows, columns = np.mgrid[:height, :width] / reach
    colours = image / np.float32(options.theta_beta)
    features = np.dstack([columns, rows, colours]).reshape(-1, 5)
    grid = lattice(features.astype(np.float32))
    return lambda values: grid.filter(values.ravel()).reshape(values.shape)


def _smoothness(shape: tuple[int, ...], options: Options) -> Kernel:
    """Gaussian over position alone."""
    sigma = options.theta_gamma * max(shape)
    return lambda values: np.asarray(
        cv2.GaussianBlur(values, (0, 0), sigma, borderType=cv2.BORDER_CONSTANT), dtype=np.float32
    ).reshape(values.shape)
