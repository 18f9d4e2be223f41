"""Depth loss: the result's depth map against the content's.

Liu et al. 2017, "Depth-aware neural style transfer", and equation 4 of "Depth-aware and
Laplacian-steered Instance Style Transfer". A function of maps: which net makes them is the
caller's choice (``nets/fastdepth.py``).
"""

from __future__ import annotations

import torch
from torch import Tensor

FLAT = 1e-8
"""Added to a map's variance: a map whose values differ by less than 1e-4 counts as flat."""


def depth(depths: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
    r"""Mean squared distance of two depth maps, each standardised first.

    .. math:: \frac{1}{N} \sum_{ij} \Bigl(\frac{D^x_{ij} - \mu_x}{\sigma_x}
              - \frac{D^c_{ij} - \mu_c}{\sigma_c}\Bigr)^2 = 2 (1 - r)

    with r Pearson's correlation of the maps. A net that sees one picture knows depth only up to
    scale and shift, and a palette that it reads as nearer or farther is the style's good right:
    what should be kept is which part lies before which, and by how much of the whole. That also
    bounds the loss (0..4), so one weight suits shallow and deep scenes and any net's unit. The
    paper sums over unstandardised maps.

    Mean and deviation rather than median and median deviation (Ranftl et al. 2020): the maps of
    a net that upsamples smoothly have no outliers, and every pixel gets a gradient.

    Args:
        depths: floats ``[..., h, w]``, in any unit.
        target: the content's map, of the same shape or broadcast to it.
        weight: ``[h, w]``, not below 0, how much each cell counts, in the standardisation too;
            None = all alike.

    Returns:
        A scalar, in float32 or wider; leading dimensions are averaged over. 0 where the weight
        is 0 everywhere; a flat map against one that is not costs 1.
    """
    wide = torch.promote_types(depths.dtype, torch.float32)
    depths, target = depths.to(wide), target.to(wide)
    if weight is None:
        weight = depths.new_ones(depths.shape[-2:])
    weight = weight.to(depths)
    distance = _standardised(depths, weight) - _standardised(target, weight)
    return _mean(distance.square(), weight).mean()


def _standardised(depths: Tensor, weight: Tensor) -> Tensor:
    """Each map with mean 0 and deviation 1 where ``weight`` is."""
    centred = depths - _mean(depths, weight)
    return centred / (_mean(centred.square(), weight) + FLAT).sqrt()


def _mean(values: Tensor, weight: Tensor) -> Tensor:
    """Weighted mean of each map, ``[..., 1, 1]``."""
    return (values * weight).sum((-2, -1), keepdim=True) / weight.sum().clamp_min(1e-8)
