"""What the encoders and the nets that segment have in common."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor, nn

from sfumato.errors import UsageError

Channels = tuple[int, int, int, int, int]
"""Channels of an encoder's features at strides 2, 4, 8, 16 and 32."""

STRIDES = (2, 4, 8, 16, 32)
"""Pixels along a side of one cell of an encoder's features; never more than its output stride."""

OUTPUT_STRIDES = (8, 16, 32)


class Step(NamedTuple):
    """How a stage of an encoder walks: the stride of its first convolution, and dilations."""

    stride: int
    first: int
    """Dilation of the convolution that has the stride."""
    rest: int
    """Dilation of all that follow in the stage."""


def atrous(strides: Sequence[int], output_stride: int) -> list[Step]:
    """Trade strides for dilation once ``output_stride`` is reached (Chen et al. 2017, section 3.1).

    The features become denser and otherwise stay as they were: every second one in height and
    width is what the net with the stride gives.

    Args:
        strides: of each stage, from the picture inwards.
        output_stride: 8, 16 or 32.

    Raises:
        UsageError: another output stride.
    """
    if output_stride not in OUTPUT_STRIDES:
        raise UsageError(f"output_stride must be 8, 16 or 32, got {output_stride!r}")
    steps, total, dilation = [], 1, 1
    for stride in strides:
        if total * stride <= output_stride:
            total *= stride
            steps.append(Step(stride, dilation, dilation))
        else:
            steps.append(Step(1, dilation, dilation * stride))
            dilation *= stride
    return steps


def initialise(net: nn.Module) -> None:
    """He's initialisation of all convolutions; batch normalisation starts as the identity.

    Source: He et al. 2015, "Delving deep into rectifiers", fan-out form. The fan of a convolution
    in groups is that of one group; many implementations count all, which makes features vanish.
    """
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            fan = module.out_channels // module.groups * math.prod(module.kernel_size)
            nn.init.normal_(module.weight, std=math.sqrt(2 / fan))
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def crop(x: Tensor, like: Tensor) -> Tensor:
    """The upper left part of ``x`` that has the height and width of ``like``.

    Halving rounds up everywhere, so what is doubled again can be one cell too large at the right
    and at the bottom.
    """
    return x[..., : like.shape[-2], : like.shape[-1]]
