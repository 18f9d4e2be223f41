"""Guided filter: smooth one picture along the edges of another.

He, Sun, Tang, "Guided Image Filtering", TPAMI 2013: in every window the output is a linear
function of the guide, ``alpha = a . I + b``. He and Sun, "Fast Guided Filter", 2015: the
coefficients are smooth, so they may be computed small and applied to the guide at its full size.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from sfumato.errors import UsageError
from sfumato.ops.resize import resize
from sfumato.ops.trimap import Tile, bounds, check_pair, stretch, tiles, unknown_band
from sfumato.types import Alpha, Image

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

Coefficients = NDArray[np.float32]
"""float32 ``[H, W, C + 1]``: the weights ``a`` of the guide's C channels, then the offset ``b``."""

NOTHING = 1e-5
"""A variance of the target too small to speak of: a window that is all but solid."""

FLOOR = 1e-4
"""Least weight of a pixel, so that a window without any trusted pixel still has an answer."""

ENDS = 0.05
"""Alpha this close to 0 or 1 is called solid: nets and filters never get quite there."""

NARROWER = 0.7
"""Each round's window in comparison with the one before."""


def coefficients(
    guide: Floats, target: Floats, radius: int, eps: float, weight: Floats | None = None
) -> tuple[Coefficients, Floats]:
    """Local linear model of ``target`` on ``guide`` (He 2013, eq. 5-6 grey, 19-20 colour).

    Args:
        guide: float32 ``[H, W, 3]`` (colour: 3 x 3 covariance) or ``[H, W]`` (grey), 0..1.
        target: float32 ``[H, W]``.
        radius: half the window's side, in pixels; windows are ``2 * radius + 1`` wide.
        eps: regularisation, in squared units of the guide, at least 1e-7; larger = smoother.
        weight: float32 ``[H, W]``, 0..1: how far each pixel of ``target`` is trusted; None = all.
            Not in the paper, where every pixel of a window counts the same.

    Returns:
        The model, float32 ``[H, W, C + 1]``, averaged over the windows that hold a pixel; and
        its quality, float32 ``[H, W]``, 0..1: the share of the target's variance there that the
        guide explains (R²). Not in the paper: windows count by their quality in that average,
        and where it is low the caller does better to stay with what it had, since the guide
        shows no edge, or edges of something else.
    """
    w = np.ones(target.shape) if weight is None else weight + FLOOR
    n = _mean(w, radius)
    mean = _mean(w * target, radius) / n
    variance = np.maximum(_mean(w * target * target, radius) / n - mean * mean, 0)
    fit = _fit_grey if guide.ndim == 2 else _fit_colour
    a, b, explained = fit(guide, target, w, n, radius, eps)
    quality = np.clip((np.maximum(explained, 0) + NOTHING) / (variance + NOTHING), 0, 1)
    model = _mean(np.dstack([a, b]) * quality[..., None], radius)
    quality = np.maximum(_mean(quality, radius), NOTHING)
    return (model / quality[..., None]).astype(np.float32), quality.astype(np.float32)


def apply(model: Coefficients, guide: Floats) -> Floats:
    """Evaluate a linear model on a guide: ``a . I + b``, float32 ``[H, W]``, not clipped."""
    *weights, offset = cv2.split(model)
    out = np.asarray(offset, dtype=np.float32)
    for a, channel in zip(weights, cv2.split(guide), strict=True):
        out = out + a * channel
    return out


def guided_filter(
    guide: Floats, target: Floats, radius: int, eps: float, weight: Floats | None = None
) -> Floats:
    """The guided filter itself: float32 ``[H, W]``, not clipped. See :func:`coefficients`."""
    return apply(coefficients(guide, target, radius, eps, weight)[0], guide)


def refine(image: Image, coarse: Alpha, radius: int, eps: float, rounds: int) -> Alpha:
    """Draw a coarse selection's edge to the picture's own edges; solid parts become exact.

    Every round fits ``alpha`` to the colours of each neighbourhood, led by the pixels that the
    round before is sure of (weight ``(2 alpha - 1)^2``), in ever narrower windows. The coarse
    selection stays where colours do not explain it. Works in the unknown band alone and fades
    out towards its borders, so that no alpha leaks into similar colours farther off.

    Args:
        image: float32 ``[H, W, 3]``, 0..1.
        coarse: float32 ``[H, W]``, 0..1, hard or soft.
        radius: half the widest window, in pixels: how far off the coarse edge may be.
        eps: see :func:`coefficients`.
        rounds: how often to fit, at least 1.

    Returns:
        float32 ``[H, W]``, 0..1; exactly 0 or 1 where ``coarse`` is solid for ``radius`` around.
    """
    alpha = stretch(coarse, ENDS)
    area = bounds(unknown_band(alpha, radius), margin=2 * radius)
    if area is None:
        return alpha
    guide, edge = image[area], alpha[area]
    step = 2 if radius >= 4 else 1  # He & Sun 2015: wide windows lose nothing at half the size
    small = (max(1, edge.shape[0] // step), max(1, edge.shape[1] // step))
    small_guide, start, fade = (resize(x, small) for x in (guide, edge, _fade(edge, radius)))
    fitted = start
    for i in range(rounds):
        window = max(1, round(radius / step * NARROWER**i))
        model, quality = coefficients(small_guide, fitted, window, eps, np.square(2 * fitted - 1))
        model = _faded(model, start, fade * quality)
        fitted = np.clip(apply(model, small_guide), 0, 1)
    wide = cv2.resize(model, edge.shape[::-1]).astype(np.float32)
    alpha[area] = apply(wide, guide)
    return stretch(alpha, ENDS)


def upsample(
    alpha: Alpha, guide: Image, full: Image | NDArray[np.uint8], radius: int = 2, eps: float = 3e-5
) -> Alpha:
    """Lift a small alpha to the photo's own size, along the edges of the photo.

    Joint upsampling of He & Sun 2015: linear models are fitted at the small size, enlarged, and
    applied to the full picture; in the unknown band alone, tile by tile, so that memory beyond
    the result is small.

    Args:
        alpha: float32 ``[h, w]``, 0..1, at work size.
        guide: float32 ``[h, w, 3]``, 0..1: the photo at work size.
        full: float32 0..1 or uint8 0..255, ``[H, W, 3]``: the photo.
        radius: half the window's side, in pixels at work size.
        eps: see :func:`coefficients`.

    Returns:
        float32 ``[H, W]``, 0..1; exactly 0 or 1 where ``alpha`` is solid around.

    Raises:
        UsageError: sizes do not match, or a value is not finite.
    """
    check_pair(guide, alpha)
    if full.ndim != 3 or full.shape[2] != 3 or full.size == 0:
        raise UsageError(f"expected a colour picture [H, W, 3], got shape {full.shape}")
    if full.shape[:2] == alpha.shape:
        return alpha.copy()
    fade = _fade(alpha, 2 * radius)
    model, quality = coefficients(guide, alpha, radius, eps)
    model = _faded(model, alpha, fade * quality)
    out = np.empty(full.shape[:2], dtype=np.float32)
    for tile in tiles(full.shape):
        near = _seen_from(tile, full.shape, alpha.shape)
        if fade[near].max() == 0 and alpha[near].min() == alpha[near].max():
            out[tile] = alpha[near][0, 0]  # solid, no edge anywhere near
        else:
            out[tile] = stretch(apply(_enlarged(model, tile, full.shape), _unit(full[tile])), 0.02)
    return out


def _fade(alpha: Alpha, radius: int) -> Floats:
    """1 around the edge, falling to exactly 0 at the borders of the unknown band."""
    core = unknown_band(alpha, max(1, radius // 2)).astype(np.float32)
    side = (radius | 1, radius | 1)
    soft = cv2.blur(core, side, borderType=cv2.BORDER_REFLECT)
    return np.where(unknown_band(alpha, radius), soft, np.float32(0))


def _faded(model: Coefficients, alpha: Alpha, fade: Floats) -> Coefficients:
    """Where the fade is 0 the model answers with ``alpha`` itself, whatever the guide shows."""
    model = model * fade[..., None]
    model[..., -1] += (1 - fade) * alpha
    return model


def _seen_from(tile: Tile, shape: tuple[int, ...], small: tuple[int, ...]) -> Tile:
    """The pixels of a small picture that a tile of the large one is interpolated from."""
    rows, columns = (
        slice(max(0, int(part.start * m / n) - 1), min(m, int(part.stop * m / n) + 2))
        for part, n, m in zip(tile, shape, small, strict=False)
    )
    return rows, columns


def _enlarged(model: Coefficients, tile: Tile, shape: tuple[int, ...]) -> Coefficients:
    """One tile of the model at the large size, linear between the small pixels' centres."""
    (top, height), (left, width) = ((part.start, part.stop - part.start) for part in tile)
    sy, sx = model.shape[0] / shape[0], model.shape[1] / shape[1]
    place = np.array([[sx, 0, (left + 0.5) * sx - 0.5], [0, sy, (top + 0.5) * sy - 0.5]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(
        cv2.warpAffine(model, place, (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE),
        dtype=np.float32,
    )


def _unit(pixels: NDArray[Any]) -> Floats:
    """Pixels as float32 0..1."""
    scale = 255 if pixels.dtype == np.uint8 else 1
    return np.asarray(pixels, dtype=np.float32) / np.float32(scale)


def _mean(x: NDArray[Any], radius: int) -> Doubles:
    """Mean over square windows; at the border the picture is mirrored (any size, even 1 x 1).

    In double precision: a variance is a small difference of two large means, and ``eps`` must
    stay far above the rounding or the 3 x 3 matrix below is singular in flat windows.
    """
    side = (2 * radius + 1, 2 * radius + 1)
    mean = cv2.boxFilter(x, cv2.CV_64F, side, borderType=cv2.BORDER_REFLECT)
    return np.asarray(mean, dtype=np.float64).reshape(x.shape)


# Both return a, b, and the variance of the target that they explain, a . cov(I, p).


def _fit_grey(
    guide: Floats, target: Floats, w: NDArray[Any], n: Doubles, radius: int, eps: float
) -> tuple[Doubles, Doubles, Doubles]:
    mean_i, mean_p = _mean(w * guide, radius) / n, _mean(w * target, radius) / n
    variance = _mean(w * guide * guide, radius) / n - mean_i * mean_i
    covariance = _mean(w * guide * target, radius) / n - mean_i * mean_p
    a = covariance / (np.maximum(variance, 0) + eps)
    return a, mean_p - a * mean_i, a * covariance


def _fit_colour(
    guide: Floats, target: Floats, w: NDArray[Any], n: Doubles, radius: int, eps: float
) -> tuple[Doubles, Doubles, Doubles]:
    red, green, blue = cv2.split(guide)
    wr, wg, wb, wp = w * red, w * green, w * blue, w * target
    r, g, b, p = (_mean(x, radius) / n for x in (wr, wg, wb, wp))
    # The symmetric 3 x 3 covariance matrix of the colours in a window, plus eps on its diagonal
    rr = np.maximum(_mean(wr * red, radius) / n - r * r, 0) + eps
    gg = np.maximum(_mean(wg * green, radius) / n - g * g, 0) + eps
    bb = np.maximum(_mean(wb * blue, radius) / n - b * b, 0) + eps
    rg = _mean(wr * green, radius) / n - r * g
    rb = _mean(wr * blue, radius) / n - r * b
    gb = _mean(wg * blue, radius) / n - g * b
    # ... the colours' covariance with the target
    pr = _mean(wp * red, radius) / n - p * r
    pg = _mean(wp * green, radius) / n - p * g
    pb = _mean(wp * blue, radius) / n - p * b
    # ... and the matrix inverted by its cofactors
    c_rr, c_rg, c_rb = gg * bb - gb * gb, gb * rb - rg * bb, rg * gb - gg * rb
    c_gg, c_gb, c_bb = rr * bb - rb * rb, rb * rg - rr * gb, rr * gg - rg * rg
    determinant = rr * c_rr + rg * c_rg + rb * c_rb
    a_r = (c_rr * pr + c_rg * pg + c_rb * pb) / determinant
    a_g = (c_rg * pr + c_gg * pg + c_gb * pb) / determinant
    a_b = (c_rb * pr + c_gb * pg + c_bb * pb) / determinant
    explained = a_r * pr + a_g * pg + a_b * pb
    return np.dstack([a_r, a_g, a_b]), p - a_r * r - a_g * g - a_b * b, explained
