"""Strides traded for dilation, by hand; the spread of fresh weights; cropping."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="nets need the torch extra")

from torch import nn  # noqa: E402

from sfumato.errors import UsageError  # noqa: E402
from sfumato.nets.layers import atrous, crop, initialise  # noqa: E402


@pytest.mark.parametrize(
    ("output_stride", "expected"),
    [
        (32, [(2, 1, 1), (2, 1, 1), (1, 1, 1), (2, 1, 1), (2, 1, 1), (2, 1, 1)]),
        (16, [(2, 1, 1), (2, 1, 1), (1, 1, 1), (2, 1, 1), (2, 1, 1), (1, 1, 2)]),
        (8, [(2, 1, 1), (2, 1, 1), (1, 1, 1), (2, 1, 1), (1, 1, 2), (1, 2, 4)]),
    ],
)
def test_strides_give_way_to_dilation(output_stride, expected):
    assert atrous([2, 2, 1, 2, 2, 2], output_stride) == expected


def test_stages_without_a_stride_keep_the_dilation():
    assert atrous([2, 2, 2, 2, 1, 2, 1], 8)[3:] == [(1, 1, 2), (1, 2, 2), (1, 2, 4), (1, 4, 4)]


@pytest.mark.parametrize("output_stride", [0, 4, 12, 64])
def test_other_output_strides_are_refused(output_stride):
    with pytest.raises(UsageError, match=f"8, 16 or 32, got {output_stride}"):
        atrous([2], output_stride)


@pytest.mark.parametrize("groups", [1, 4, 256])
def test_fresh_weights_keep_the_strength_of_what_passes(groups):
    torch.manual_seed(0)
    conv = nn.Conv2d(256, 256, 3, groups=groups)
    initialise(conv)
    assert not conv.bias.any()
    x = conv(torch.randn(1, 256, 24, 24).relu())
    assert x.std().item() == pytest.approx(1, rel=0.1)  # half the fan is nought: 2 * 1/2


def test_cropping_keeps_the_upper_left():
    x = torch.arange(12.0).reshape(1, 1, 3, 4)
    assert crop(x, torch.zeros(1, 5, 2, 3)).tolist() == [[[[0, 1, 2], [4, 5, 6]]]]
