"""Gaussian and Laplacian pyramids, and multi-band blending on the painted side."""

from __future__ import annotations

from itertools import pairwise
from math import log2

import cv2
import numpy as np
from numpy.typing import NDArray

from sfumato.ops.blend import bounding_box, depth, over, smoothstep
from sfumato.ops.resize import enlarged, shrunk
from sfumato.types import Alpha, Image

Plane = NDArray[np.float32]
"""One channel, float32 ``[H, W]``."""

_AGREEMENT_SIZE = 512  # longer side in pixels at which sides are compared
_SILHOUETTE, _SURFACE = 0.4, 0.8  # agreement at which an outline is taken for one or the other:
# along a person's outline the median is below 0.4, across sky, wall or floor about 0.9
_RAMP = 3.0  # width of a band's transition, in pixels of that band


def down(plane: Plane) -> Plane:
    """Blur and halve (rounded up), edges replicated. REDUCE in Burt & Adelson 1983."""
    return np.asarray(cv2.pyrDown(plane, borderType=cv2.BORDER_REPLICATE))


def up(plane: Plane, shape: tuple[int, ...]) -> Plane:
    """Double to ``shape``, which :func:`down` halves to the plane's. EXPAND in Burt & Adelson."""
    return enlarged(plane, shape)


def gaussian(plane: Plane, levels: int) -> list[Plane]:
    """``levels`` + 1 planes, each :func:`down` of the one before; the first is ``plane``."""
    planes = [plane]
    for _ in range(levels):
        planes.append(down(planes[-1]))
    return planes


def laplacian(plane: Plane, levels: int) -> list[Plane]:
    """``levels`` band-pass planes from fine to coarse, and last the rest: low-pass."""
    planes = gaussian(plane, levels)
    bands = [fine - up(coarse, fine.shape) for fine, coarse in pairwise(planes)]
    return [*bands, planes[-1]]


def collapse(bands: list[Plane]) -> Plane:
    """Sum a Laplacian pyramid up again; inverse of :func:`laplacian`."""
    plane = bands[-1]
    for band in reversed(bands[:-1]):
        plane = up(plane, band.shape) + band
    return plane


def mean(total: Plane, weight: Plane) -> Plane:
    """Weighted mean from a weighted sum and the sum of the weights; 0 / 0 = 0."""
    return np.asarray(total / np.maximum(weight, np.float32(1e-6)), dtype=np.float32)


def extended(plane: Plane, weight: Plane, levels: int) -> Plane:
    """Carry values on smoothly to where they are unknown: push-pull (Gortler et al. 1996, 4.3).

    Args:
        plane: float32 ``[H, W]``.
        weight: float32 ``[H, W]``, 0..1, trust in each value.
        levels: how far to carry: about 2^levels pixels.

    Returns:
        float32 ``[H, W]``: ``plane`` where the weight is 1, fading into the surroundings'
        weighted mean towards weight 0; 0 where nothing known is near.
    """
    if levels == 0 or plane.size == 1:
        return plane * weight
    known = down(weight)
    coarse = extended(
        mean(down(plane * weight), known), np.minimum(np.float32(1), 4 * known), levels - 1
    )
    return up(coarse, plane.shape) * (1 - weight) + plane * weight


def multiband(foreground: Image, background: Image, alpha: Alpha, reach: float) -> Image:
    """Blend each frequency band over its own width: coarse colour widely, fine strokes sharply.

    Laplacian pyramid blending after Burt & Adelson 1983, "A Multiresolution Spline", with two
    changes that keep pixels of alpha 0 as they are without a new seam beside them:

    - What is decomposed is the difference ``background - foreground``. Each of its bands fades
      from 1 at the region's outline to 0 inside, within about (ramp + 2) pixels *of that band*,
      rather than on both sides of the mask's border. All bands add up to the background
      at the outline, to the foreground deep inside.
    - The difference is taken from inside the region. Outside it is carried on from there
      (weighted by alpha), so that the untouched subject's colours do not bleed into what is
      painted around it; and it counts only where both sides agree (:func:`agreement`).

    Args:
        foreground: float32 ``[H, W, 3]``, sRGB, 0..1.
        background: float32 ``[H, W, 3]``, sRGB, 0..1; also under the opaque foreground, where it
            must show what is truly there: that is what the colours change over to.
        alpha: float32 ``[H, W]``, 0..1.
        reach: depth in pixels beyond which the foreground stays as it is.

    Returns:
        float32 ``[H, W, 3]``, sRGB, 0..1; exactly ``background`` at alpha 0, exactly
        ``foreground`` where alpha is 1 and the outline farther than about ``reach``.
    """
    result = np.array(background, order="C")
    box = bounding_box(alpha, margin=1)
    if not alpha[box].size:
        return result
    agreed = agreement(foreground, background, alpha)[box]
    alpha = alpha[box]
    levels = max(1, round(log2(max(2.0, reach / (_RAMP + 2)))))
    shares = _band_shares(alpha, levels)
    trust = np.square(np.square(alpha))
    blended = np.empty((*alpha.shape, 3), np.float32)
    for c in range(3):  # one channel at a time bounds the memory
        front = foreground[box][..., c]
        difference = extended(background[box][..., c] - front, trust, levels + 1) * agreed
        bands = laplacian(difference, levels)
        blended[..., c] = front + collapse([b * s for b, s in zip(bands, shares, strict=True)])
    result[box] = over(np.clip(blended, 0, 1, out=blended), background[box], alpha)
    return result


def agreement(foreground: Image, background: Image, alpha: Alpha) -> Plane:
    """How far both sides of the region's outline ask for the same correction.

    With d = background - foreground, averaged over a neighbourhood on either side of the
    outline: ``<d_in, d_out> / max(|d_in|², |d_out|²)``, stretched to 0..1. It is 1 where the
    outline runs across one surface (any step there is a seam), and 0 where it follows an
    object's silhouette: there an edge is right, and correcting it would only draw a halo.

    Args:
        foreground: float32 ``[H, W, 3]``, sRGB, 0..1.
        background: float32 ``[H, W, 3]``, sRGB, 0..1.
        alpha: float32 ``[H, W]``, 0..1.

    Returns:
        float32 ``[H, W]``, 0..1, smooth; away from the outline, that of the nearest parts of it.
    """
    share = shrunk(alpha, _AGREEMENT_SIZE)
    gap = shrunk(background, _AGREEMENT_SIZE) - shrunk(foreground, _AGREEMENT_SIZE)
    sigma = 0.01 * max(share.shape)
    middle = np.clip(_blurred(share, sigma), 0, 1)  # rounding may overshoot
    near = middle * (1 - middle)
    inner, outer = (
        mean(_blurred(gap * weight[..., None], 2 * sigma), _blurred(weight, 2 * sigma)[..., None])
        for weight in (near * share**4, near * (1 - share) ** 4)
    )
    norm = np.maximum((inner**2).sum(axis=2), (outer**2).sum(axis=2))
    agreed = (inner * outer).sum(axis=2) / np.maximum(norm, np.float32(1e-9))
    agreed = smoothstep((agreed - _SILHOUETTE) / np.float32(_SURFACE - _SILHOUETTE))
    weight = np.minimum(8 * near, np.float32(1))
    return enlarged(extended(agreed, weight, levels=10), alpha.shape)


def _blurred(plane: Plane, sigma: float) -> Plane:
    blurred = cv2.GaussianBlur(plane, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(blurred, dtype=np.float32).reshape(plane.shape)


def _band_shares(alpha: Alpha, levels: int) -> list[Plane]:
    """The background's share in each band, ``levels`` + 1 planes from fine to coarse."""
    far = np.float32((_RAMP + 2) * 2**levels)
    inside = gaussian(np.minimum(depth(alpha), far), levels)
    # A coarse pixel reaches two of its widths far when it is expanded: fade only beyond.
    return [
        1 - smoothstep((plane - 2 * (2**k - 1)) / np.float32(_RAMP * 2**k))
        for k, plane in enumerate(inside)
    ]
