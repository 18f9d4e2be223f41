"""What holds for every encoder: sizes, and dilation that only makes the features denser."""

from __future__ import annotations

import torch
from torch import nn


def count(net: nn.Module) -> int:
    return sum(p.numel() for p in net.parameters())


def alive(net: nn.Module, seed: int = 0) -> nn.Module:
    """The net for inference with statistics that are not trivial, and activations that last."""
    draw = torch.Generator().manual_seed(seed)
    for m in net.modules():
        if isinstance(m, nn.BatchNorm2d):
            for x, low, high in ((m.weight, 0.7, 1.3), (m.bias, -0.1, 0.3)):
                x.data.uniform_(low, high, generator=draw)
            m.running_mean.uniform_(-0.2, 0.2, generator=draw)
            m.running_var.uniform_(0.5, 1.5, generator=draw)
    return net.eval().requires_grad_(False)


def picture(height: int, width: int, seed: int = 1) -> torch.Tensor:
    return torch.randn(1, 3, height, width, generator=torch.Generator().manual_seed(seed))


def check_sizes(net, *sizes: tuple[int, int]) -> None:
    """Five features of the promised channels; sizes rounded up, strides at most the output's."""
    strides = [min(s, net.output_stride) for s in (2, 4, 8, 16, 32)]
    net.eval().requires_grad_(False)
    for height, width in sizes:
        expected = [
            (1, c, -(-height // s), -(-width // s))
            for c, s in zip(net.channels, strides, strict=True)
        ]
        assert [tuple(x.shape) for x in net(picture(height, width))] == expected


def check_dilation(build, output_stride: int, height: int, width: int) -> None:
    """Every second feature of the dilated net is the strided net's, borders included."""
    torch.manual_seed(0)
    strided, dilated = alive(build(output_stride=32)), build(output_stride=output_stride).eval()
    dilated.load_state_dict(strided.state_dict())
    x = picture(height, width)
    with torch.no_grad():
        for coarse, fine, stride in zip(strided(x), dilated(x), (2, 4, 8, 16, 32), strict=True):
            step = max(1, stride // output_stride)
            scale = coarse.abs().max()
            assert coarse.std() > 1e-3
            torch.testing.assert_close(
                fine[..., ::step, ::step] / scale, coarse / scale, rtol=0, atol=1e-5
            )
