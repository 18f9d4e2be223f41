"""VGG-19's activations with a hand-written gradient, for optimising pictures.

An optimiser runs the same small graph hundreds of times: a chain of convolutions whose weights
never change and some of whose activations are read. Written out, the way back needs no gradient
of the weights, masks and adds in place, and frees each activation once it has passed it: against
the same net under autograd half the time and a third of the memory (docs/benchmarks.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from sfumato.nets.vgg import LAYERS, VGG19

RING = (1, 1, 1, 1)
"""What a 3x3 convolution sees beyond the border: left, right, top, bottom."""


class _Stage(NamedTuple):
    """One convolution, what follows it, and what of it is read."""

    weight: Tensor
    bias: Tensor
    pooled: bool  # a pooling stands before it
    conv_read: bool  # read before the rectifier
    relu_read: bool  # read after it


class Taps:
    """Reads activations of a frozen :class:`VGG19`.

    Args:
        net: the net, on its device, with ``padding="reflect"``; its ``layers`` are what is read.
        dtype: of the activations. ``bfloat16`` halves time and memory on processors that multiply
            in it, and keeps three digits of each activation.
    """

    def __init__(self, net: VGG19, dtype: torch.dtype = torch.float32) -> None:
        self.layers = tuple(sorted(net.layers, key=LAYERS.index))
        self.dtype = dtype
        self._net = net
        self._average = isinstance(net.pool, torch.nn.AvgPool2d)
        self._stages = [
            _Stage(
                conv.get_parameter("weight").to(dtype),
                conv.get_parameter("bias").to(dtype),
                pooled=name.endswith("_1") and name != "conv1_1",
                conv_read=name in net.layers,
                relu_read=name.replace("conv", "relu") in net.layers,
            )
            for name, conv in net.convs.items()
        ]

    def __call__(self, picture: Tensor) -> dict[str, Tensor]:
        """The activations of one RGB picture ``[1, 3, H, W]``, 0..1, by layer name.

        Returns:
            ``[C, h, w]`` of the chosen dtype, differentiable once.
        """
        x = self._net.preprocess(picture).to(self.dtype)
        x = x.contiguous(memory_format=torch.channels_last)
        read = _Chain.apply(x, self._stages, self._average)  # type: ignore[no-untyped-call]
        return dict(zip(self.layers, read, strict=True))


class _Chain(torch.autograd.Function):
    """The convolutions as one operation: padded picture in, activations that are read out."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, stages: Sequence[_Stage], average: bool) -> tuple[Tensor, ...]:
        keep = x.requires_grad
        ctx.stages, ctx.average, ctx.passed = stages, average, []
        read = []
        for i, stage in enumerate(stages):
            before, indices = x.shape, None
            if stage.pooled and average:
                x = F.avg_pool2d(x, 2)
            elif stage.pooled:
                x, indices = F.max_pool2d(x, 2, return_indices=True)
            x = F.conv2d(F.pad(x, RING, mode="reflect"), stage.weight, stage.bias)
            if stage.conv_read:
                read.append(x[0])
            if i + 1 == len(stages) and not stage.relu_read:
                ctx.passed.append((before, indices, None))  # ends before its rectifier
                continue
            x = F.relu(x) if stage.conv_read else F.relu_(x)
            if stage.relu_read:
                read.append(x[0])
            if keep:
                ctx.passed.append((before, indices, x))
        return tuple(read)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, None, None]:
        waiting = list(grads)
        g: Tensor | None = None
        while ctx.passed:
            stage, (before, indices, x) = ctx.stages[len(ctx.passed) - 1], ctx.passed.pop()
            if stage.relu_read:
                g = _joined(g, waiting.pop())
            if g is not None and x is not None:
                torch.ops.aten.threshold_backward.grad_input(g, x, 0, grad_input=g)
            del x
            if stage.conv_read:
                g = _joined(g, waiting.pop())
            if g is not None:
                g = _through(g, stage, before, indices, ctx.average)
        return g, None, None


def _joined(g: Tensor | None, more: Tensor | None) -> Tensor | None:
    """Gradient of an activation that is both read and passed on; ``g`` is overwritten."""
    if more is None:
        return g
    if g is None:
        return more[None].contiguous(memory_format=torch.channels_last).clone()
    return g.add_(more[None])


def _through(
    g: Tensor, stage: _Stage, before: torch.Size, indices: Tensor | None, average: bool
) -> Tensor:
    """Gradient at a stage's input from the one at its convolution's output."""
    aten = torch.ops.aten
    inner = before if not stage.pooled else (*before[:2], before[2] // 2, before[3] // 2)
    ringed = (*inner[:2], inner[2] + 2, inner[3] + 2)
    like = g.new_empty(1).expand(ringed)  # only its shape is read
    g, _, _ = aten.convolution_backward(
        g, like, stage.weight, None, [1, 1], [0, 0], [1, 1], False, [0, 0], 1, [True, False, False]
    )
    g = aten.reflection_pad2d_backward(g, g.new_empty(1).expand(inner), RING)
    if not stage.pooled:
        return g
    outer = g.new_empty(1).expand(before)
    square, none = [2, 2], [0, 0]
    if average:
        g = aten.avg_pool2d_backward(g, outer, square, square, none, False, True, None)
    else:
        g = aten.max_pool2d_with_indices_backward(
            g, outer, square, square, none, [1, 1], False, indices
        )
    return g
