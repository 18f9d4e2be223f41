"""From a net's soft map to the segments of a single thing."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from sfumato.errors import UsageError
from sfumato.ops.instances import nearest_part
from sfumato.ops.resize import resize
from sfumato.types import Alpha, Image, Segments

VISIBLE_RANGE = 2 / 255
"""A picture whose values differ by less shows one flat colour, and so nothing."""


def is_flat(image: Image) -> bool:
    """Whether a picture ``[H, W, 3]`` shows one colour only.

    Nets trained on photographs answer such a picture with a confident blob.

    Raises:
        UsageError: the picture holds NaN or infinity.
    """
    rows = image.reshape(len(image), -1)  # down the columns first is many times as fast
    lowest, highest = rows.min(0).reshape(-1, 3).min(0), rows.max(0).reshape(-1, 3).max(0)
    spread = float((highest - lowest).max())
    if not np.isfinite(spread):
        raise UsageError("the picture holds NaN or infinite values; expected numbers 0..1")
    return spread < VISIBLE_RANGE


def nothing(shape: tuple[int, ...]) -> Segments:
    """No segments in a picture of ``(H, W, ...)`` pixels."""
    height, width = shape[:2]
    return Segments(np.zeros((0, height, width), dtype=bool), (), ())


def single(label: str, soft: Alpha) -> Segments:
    """One segment out of a soft map, float32 ``[H, W]``, 0..1; none if it never passes 0.5.

    The score is the mean of the map inside the mask: how sure the net is of what it chose.
    """
    mask = soft > 0.5
    if not mask.any():
        return nothing(soft.shape)
    return Segments(mask[None], (label,), (min(1.0, float(soft[mask].mean())),), soft[None])


def seen_at(
    image: Image,
    shape: tuple[int, int],
    ask: Callable[[Image], Alpha],
    *,
    label: str,
    islands: float,
) -> Segments:
    """What a net for one thing finds in a picture that it sees at another size.

    Args:
        image: float32 ``[H, W, 3]``, 0..1.
        shape: height and width at which the net sees it.
        ask: the net, from such a picture to its soft map, float32 ``[h, w]``, 0..1.
        label: what it finds.
        islands: as ``share`` of :func:`drop_islands`.
    """
    if is_flat(image):
        return nothing(image.shape)
    soft = drop_islands(ask(resize(image, shape)), islands)
    return single(label, resize(soft, image.shape[:2]))


def drop_islands(soft: Alpha, share: float) -> Alpha:
    """Clear the connected parts (above 0.5, 8 neighbours) that are small beside the largest one.

    Args:
        soft: float32 ``[H, W]``, 0..1.
        share: parts with less than this share of the largest part's area go, together with the
            soft pixels that lie nearer to them than to any other part.
    """
    mask = soft > 0.5
    if share <= 0 or not mask.any():
        return soft
    nearest, areas = nearest_part(mask)
    kept = areas >= share * areas.max()
    return np.where(kept[nearest], soft, 0).astype(np.float32)


def imagenet_normalise(image: Image) -> Image:
    """ImageNet's channel means and deviations taken out of RGB: float32 ``[H, W, 3]``."""
    mean = np.array([0.485, 0.456, 0.406], dtype=np.float32)
    deviation = np.array([0.229, 0.224, 0.225], dtype=np.float32)
    return (image - mean) / deviation
