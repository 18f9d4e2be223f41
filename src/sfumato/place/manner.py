"""A figure painted as the painting around it is."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np

from sfumato.ops import blend, foreground, trimap
from sfumato.ops.colour import luma
from sfumato.ops.resize import enlarged, fit, resize
from sfumato.ops.trimap import bounds
from sfumato.types import Alpha, Image, Progress, Style, Stylizer, no_progress

LEAST_SIDE, MOST_SIDE = 384, 768
"""Shorter and longer side, in pixels, within which a figure is painted: nets draw their marks at a
fixed size, which swallow small faces, and large figures take time without looking any better."""

ROOM = 0.08
"""Filled ground around the figure, as a share of its box: the nets look beyond a pixel."""

LEARNT = 1.6
"""Side of the part of the painting that is learnt from, against the figure's box."""

BROAD = 0.015
"""What is wider than this share of the figure's box is shading, what is finer is brush work."""

OWN_SHADING, OWN_COLOUR = 0.8, 0.8
"""Shares of the figure's own shading and broad colours that come through the paint: faces stay
who they are, and nets that colour by chance leave no blotches on them."""

DARK = 0.35
"""Luma up to which shading is kept more, all of it at 0: nets know no black in the style of a
bright sky, and would paint it grey."""

BAND = 0.02
"""Half the width of the band that is retouched, as a share of the figure's box."""

RETOUCH: Mapping[str, Any] = {"preset": "fast", "start": "content", "smallest": 0, "steps": 40}
"""Options of the stylizer that optimises the band: from the picture as it stands, few steps."""


def style_of(painting: Image, box: tuple[slice, slice]) -> Style:
    """The painting near the figure as a style picture.

    Args:
        painting: float32 ``[H, W, 3]``.
        box: rows and columns of the figure.
    """
    sides = [_widened(part, length) for part, length in zip(box, painting.shape[:2], strict=True)]
    return Style("the painting", image=np.ascontiguousarray(painting[sides[0], sides[1]]))


def paint(
    figure: Image,
    alpha: Alpha,
    style: Style,
    stylizer: Stylizer,
    strength: float = 1.0,
    progress: Progress = no_progress,
) -> Image:
    """Paint a figure, and nothing of what was behind it.

    Args:
        figure: its colours in the painting's frame, float32 ``[H, W, 3]``, sRGB, 0..1.
        alpha: where it is, float32 ``[H, W]``, 0..1.
        style: what to paint like, see :func:`style_of`.
        stylizer: paints it.
        strength: 0 = as it was, 1 = fully painted.

    Returns:
        float32 ``[H, W, 3]``, sRGB, 0..1; away from the figure as ``figure``.
    """
    inside = bounds(alpha > 0, margin=round(ROOM * _side(alpha)))
    if inside is None or strength <= 0:
        return figure
    content, cover = foreground.fill(figure[inside], alpha[inside] ** 4), alpha[inside]
    size = _work_shape(cover.shape)
    work = resize(content, size)
    region = resize(cover, size) if stylizer.supports_region else None
    painted = resize(stylizer(work, style, region=region, progress=progress), cover.shape)
    painted = with_shading(painted, content, BROAD * max(cover.shape))
    result = figure.copy()
    result[inside] = blend.strength(painted, content, strength)
    return result


def retouch(
    image: Image,
    alpha: Alpha,
    style: Style,
    optimiser: Stylizer,
    progress: Progress = no_progress,
) -> Image:
    """Optimise a band along a figure's outline until it has the painting's statistics.

    The second pass of Luan et al. 2018, "Deep painterly harmonization", at its simplest.

    Args:
        image: the composed picture, float32 ``[H, W, 3]``, sRGB, 0..1.
        alpha: the figure in it, float32 ``[H, W]``, 0..1.
        style: the painting, and the part of it to learn from.
        optimiser: a stylizer that leaves what is outside its region.

    Returns:
        float32 ``[H, W, 3]``; exactly ``image`` away from the band.
    """
    reach = round(BAND * _side(alpha)) + 1
    band = trimap.unknown_band((alpha > 0.5).astype(np.float32), reach).astype(np.float32)
    band = _blurred(band, reach / 2) * trimap.unknown_band(alpha, 2 * reach)
    size = fit(band, MOST_SIDE).shape
    work, region = resize(image, size), resize(band, size)
    made = optimiser(work, style, region=region, progress=progress)
    change = enlarged(made - work, image.shape)
    return np.where(band[..., None] > 0, np.clip(image + band[..., None] * change, 0, 1), image)


def with_shading(painted: Image, own: Image, width: float) -> Image:
    """Brush work of one picture over the shading and the broad colours of another.

    Args:
        painted, own: float32 ``[H, W, 3]``, sRGB, 0..1.
        width: in pixels, of what counts as broad.
    """
    broad = _blurred(own - painted, width)
    light = luma(broad)[..., None]
    dark = np.maximum(0, 1 - luma(_blurred(own, width))[..., None] / np.float32(DARK))
    shading = np.float32(OWN_SHADING) + np.float32(1 - OWN_SHADING) * dark
    back = shading * light + np.float32(OWN_COLOUR) * (broad - light)
    return np.asarray(np.clip(painted + back, 0, 1), dtype=np.float32)


def _blurred(plane: Image, width: float) -> Image:
    return np.asarray(cv2.GaussianBlur(plane, (0, 0), max(width, 0.5)), dtype=np.float32)


def _side(alpha: Alpha) -> float:
    box = bounds(alpha > 0, 0)
    return 0 if box is None else max(part.stop - part.start for part in box)


def _work_shape(shape: tuple[int, ...]) -> tuple[int, int]:
    scale = max(1.0, LEAST_SIDE / min(shape))
    scale = min(scale, MOST_SIDE / max(shape))
    return max(1, math.ceil(shape[0] * scale)), max(1, math.ceil(shape[1] * scale))


def _widened(part: slice, length: int) -> slice:
    middle, half = (part.start + part.stop) / 2, LEARNT * (part.stop - part.start) / 2
    return slice(max(0, int(middle - half)), min(length, math.ceil(middle + half)))
