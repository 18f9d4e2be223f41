"""Colours behind an alpha: what the foreground and the background look like without each other.

In a picture's soft edges every pixel is a mixture, ``I = alpha F + (1 - alpha) B``. A cut-out
that keeps ``I`` there carries a halo of its old background; it must carry ``F`` instead.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from sfumato.ops.resize import enlarged, fit, resize
from sfumato.ops.trimap import check_pair, tiles, with_margin
from sfumato.types import Alpha, Image

SPREAD = 256
"""Longer side, in pixels, at which colours are spread over what is hidden."""

WORK = 1024
"""Longer side, in pixels, up to which the fusion passes run; detail comes at full size."""

RADII = (8, 4, 2)
"""Window radii of the fusion passes, in pixels at work size."""

TRUST = 8
"""Weights are raised to this power where colours spread, so that pure pixels lead."""

CLOSING = 4
"""By how much a weight grows at each halving, so that a known pixel speaks for its neighbours
and colours go on from the nearest edge instead of the mean of the whole picture."""

NOTHING = 1e-9
"""Weights that are all smaller than this are no weights: sums of them would vanish."""

TINY = np.float32(1e-30)
"""Keeps a division by a weight of 0 defined."""


def estimate(image: Image, alpha: Alpha) -> tuple[Image, Image]:
    """Foreground and background colours of a picture with a known alpha.

    Blur fusion (Forte, "Approximate Fast Foreground Colour Estimation", ICIP 2021, eq. 4-5, 7):
    ``F`` and ``B`` are locally smooth, and what the two do not explain goes to each by its share.
    We depart from the paper in the start, a push-pull pyramid led by the purest pixels instead
    of one wide blur, and in the passes, three instead of two, each narrower than the last. So
    the colours of both sides are followed more closely; the tests pin the errors of each variant.
    Solid parts of the picture cost next to nothing.

    Args:
        image: float32 ``[H, W, 3]``, 0..1.
        alpha: float32 ``[H, W]``, 0..1.

    Returns:
        ``(F, B)``, both float32 ``[H, W, 3]``, 0..1. ``F`` is exactly ``image`` where alpha is
        1, ``B`` is exactly ``image`` where alpha is 0; on the far side each goes on smoothly.

    Raises:
        UsageError: sizes do not match, or a value is not finite.
    """
    check_pair(image, alpha)
    fore, back = (enlarged(x, alpha.shape) for x in _smooth(fit(image, WORK), fit(alpha, WORK)))
    for tile in tiles(alpha.shape):
        _detail(image[tile], alpha[tile], fore[tile], back[tile])
    return fore, back


def fill(image: Image, keep: Alpha) -> Image:
    """Continue a picture smoothly over what is not kept.

    Args:
        image: float32 ``[H, W, 3]``, 0..1.
        keep: float32 ``[H, W]``, 0..1: 1 = keep the pixel, 0 = replace it.

    Returns:
        float32 ``[H, W, 3]``, 0..1: exactly ``image`` where keep is 1; blended by ``keep`` in
        between. The mean colour of the picture if nothing is kept.

    Raises:
        UsageError: sizes do not match, or a value is not finite.
    """
    check_pair(image, keep)
    out = enlarged(push_pull(fit(image, WORK), fit(keep, WORK) ** TRUST), keep.shape)
    for tile in tiles(keep.shape):
        share = _three(keep[tile])
        mixed = share * image[tile] + (1 - share) * out[tile]
        out[tile] = np.where(share == 1, image[tile], mixed)
    return out


def push_pull(image: Image, weight: NDArray[np.float32]) -> Image:
    """Weighted colours, spread to where there is no weight, by a pyramid.

    Gortler et al., "The Lumigraph", SIGGRAPH 1996, section 3.4.

    Args:
        image: float32 ``[H, W, 3]``.
        weight: float32 ``[H, W]``, 0..1.

    Returns:
        float32 ``[H, W, 3]``, a new array: ``image`` where the weight is 1, smooth elsewhere,
        within the range of the weighted colours; the picture's mean where all weights are 0.
    """
    if weight.max() < NOTHING:
        mean = image.mean(axis=(0, 1), dtype=np.float64)
        return np.broadcast_to(mean, image.shape).astype(np.float32)
    # Push: weighted colours and weights, to ever smaller sizes.
    share = _three(weight)
    levels = [(image * share, share)]  # each [h, w, 3]
    while levels[-1][0].shape[:2] != (1, 1):
        colours, share = levels[-1]
        half = ((share.shape[0] + 1) // 2, (share.shape[1] + 1) // 2)
        colours, share = resize(colours, half), resize(share, half)
        grown = np.minimum(1, CLOSING * share)
        gain: Image = np.asarray(grown / np.maximum(share, TINY), dtype=np.float32)
        levels.append((colours * gain, share * gain))
    colours, share = levels.pop()
    out: Image = colours / share
    # Pull: where a level's weight falls short, the smaller level's colour fills the rest.
    while levels:
        colours, share = levels.pop()
        out = colours + (1 - share) * enlarged(out, share.shape)
    return out


def _smooth(image: Image, alpha: Alpha) -> tuple[Image, Image]:
    """The smooth parts of F and B at work size: ``[h, w, 3]`` each."""
    small, share = fit(image, SPREAD), fit(alpha, SPREAD)
    spread_fore = enlarged(push_pull(small, share**TRUST), alpha.shape)
    spread_back = enlarged(push_pull(small, (1 - share) ** TRUST), alpha.shape)
    # Copies: a tile's margin reads its neighbours as they started, not as they ended.
    fore, back = spread_fore.copy(), spread_back.copy()
    for tile in tiles(alpha.shape):
        if alpha[tile].max() > 0 and alpha[tile].min() < 1:
            near, inside = with_margin(tile, sum(RADII), alpha.shape)
            f, b = _fused(image[near], alpha[near], spread_fore[near], spread_back[near])
            fore[tile], back[tile] = f[inside], b[inside]
    return fore, back


def _fused(image: Image, alpha: Alpha, fore: Image, back: Image) -> tuple[Image, Image]:
    """The fusion passes over one tile."""
    share = _three(alpha)
    for i, radius in enumerate(RADII):
        if i > 0:
            fore, back = _explain(image, share, fore, back)
        fore, back = _local_mean(fore, alpha, radius), _local_mean(back, 1 - alpha, radius)
    return fore, back


def _local_mean(colours: Image, weight: Alpha, radius: int) -> Image:
    """Weighted mean over square windows (Forte 2021, eq. 4-5); as it was where no weight is."""
    side = (2 * radius + 1, 2 * radius + 1)
    w = weight + np.float32(1e-4)
    total = cv2.blur(colours * _three(w), side, borderType=cv2.BORDER_REFLECT)
    mean = cv2.blur(w, side, borderType=cv2.BORDER_REFLECT)
    return np.asarray(total / _three(np.asarray(mean, np.float32)), dtype=np.float32)


def _explain(image: Image, share: Image, fore: Image, back: Image) -> tuple[Image, Image]:
    """Give each its share of what F and B do not yet explain of the picture (Forte, eq. 7)."""
    rest = image - back - share * (fore - back)
    return np.clip(fore + share * rest, 0, 1), np.clip(back + (1 - share) * rest, 0, 1)


def _detail(image: Image, alpha: Alpha, fore: Image, back: Image) -> None:
    """Bring one tile of the smooth F and B, in place, to the full detail of the picture."""
    if alpha.min() == 1:
        fore[:] = image
    elif alpha.max() == 0:
        back[:] = image
    else:
        soft = (alpha > 0) & (alpha < 1)
        share = alpha[soft, None]  # [n, 1]; the others below: [n, 3]
        fore[soft], back[soft] = _explain(image[soft], share, fore[soft], back[soft])
        cv2.copyTo(image, (alpha == 1).astype(np.uint8), fore)
        cv2.copyTo(image, (alpha == 0).astype(np.uint8), back)


def _three(x: NDArray[np.float32]) -> Image:
    """One channel repeated: ``[H, W]`` -> ``[H, W, 3]``; far faster than broadcasting."""
    return np.asarray(cv2.merge((x, x, x)))
