"""How much memory an optimisation takes, and how much it may."""

from __future__ import annotations

import os

import torch

from sfumato.optimise.descent import history

SHARE = 0.5
"""Of the machine's memory that is used when nobody says how much."""

FALLBACK = 4e9  # bytes, where the machine does not tell its memory

FLOATS_SEEN = 430
"""Numbers kept for each pixel that goes through VGG-19 up to conv5_1 and back, measured."""

FLOATS_HELD = 45
"""Numbers kept for each pixel of the picture whatever the patches: the picture, its gradient and
average, Adam's moments, the content's features. L-BFGS keeps two pictures more for each pair."""


def limit(gigabytes: float | None, device: torch.device) -> float:
    """Bytes that may be used: as asked for, or :data:`SHARE` of what the device has."""
    if gigabytes is not None:
        return gigabytes * 1e9
    if device.type == "cuda":
        return SHARE * torch.cuda.mem_get_info(device)[1]
    try:
        return SHARE * os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # Windows has no sysconf
        return FALLBACK


def held(pixels: int) -> float:
    """Bytes for a picture of that many pixels, before any goes through the net."""
    return pixels * (FLOATS_HELD + 6 * history(pixels)) * 4


def seen(pixels: int, dtype: torch.dtype) -> float:
    """Bytes for that many pixels on their way through the net and back."""
    return pixels * FLOATS_SEEN * dtype.itemsize


def pixels_at_once(budget: float, picture: int, dtype: torch.dtype) -> int:
    """How many pixels may go through the net in one piece, 0 if the picture itself is too much."""
    return max(0, int((budget - held(picture)) / (FLOATS_SEEN * dtype.itemsize)))
