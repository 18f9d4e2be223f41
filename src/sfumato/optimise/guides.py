"""A soft region on its way through the net: shrunk with the picture, clear of what is kept."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from sfumato.nets import vgg
from sfumato.types import Alpha

SHARE = 0.5
"""How much of a layer's receptive field is kept clear of the region's edge. The outer half has
next to no weight (Luo et al. 2016, "Understanding the effective receptive field")."""

LEAST = 0.4
"""Eroding leaves at least this much of a region's area in each layer: thin regions are guided by
cells that see beyond them rather than by none."""


def guide(region: Alpha, layer: str) -> Tensor:
    """How much each cell of a layer counts for a region.

    Guided statistics after Gatys et al. 2017, "Controlling perceptual factors in neural style
    transfer" (section 4): cells near the region's edge, which see what is not to be painted,
    are left out.

    Args:
        region: float32 ``[H, W]``, 0..1, at the picture's size.
        layer: a layer of VGG-19.

    Returns:
        float32 ``[H // stride, W // stride]``, 0..1.
    """
    stride = vgg.stride(layer)
    cells = F.avg_pool2d(torch.from_numpy(np.ascontiguousarray(region))[None], stride)[0]
    if region.min() >= 1:
        return cells
    whole = cells.numpy()
    radius = round(vgg.reach(layer) * SHARE / stride)
    while radius > 0:
        inner = _eroded(whole, radius)
        if inner.sum() >= LEAST * whole.sum():
            return torch.from_numpy(inner)
        radius //= 2
    return cells


def _eroded(cells: Alpha, radius: int) -> Alpha:
    """Each cell the least of those within a radius; beyond the picture's border nothing is kept."""
    side = 2 * radius + 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    return np.asarray(cv2.erode(cells, disc, borderValue=1.0), dtype=np.float32).reshape(
        cells.shape
    )
