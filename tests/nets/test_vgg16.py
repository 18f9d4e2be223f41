"""VGG-16: names, counts, sizes, and values against a plain ``nn.Sequential``."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="the encoders need the torch extra")

from torch import nn  # noqa: E402

from sfumato.nets.vgg16 import BLOCKS, VGG16  # noqa: E402

from .encoder_checks import check_dilation, check_sizes, count, picture  # noqa: E402


def test_parameters_as_published():
    assert count(VGG16()) == 14_714_688


def test_names_are_torchvisions():
    numbers = [int(name.split(".")[1]) for name in VGG16().state_dict() if "weight" in name]
    assert numbers == [0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28]


@pytest.mark.parametrize("output_stride", [32, 16, 8])
def test_sizes(output_stride):
    check_sizes(VGG16(output_stride=output_stride), (1, 1), (33, 47), (64, 32))


@pytest.mark.parametrize(("output_stride", "size"), [(16, (33, 45)), (8, (64, 32)), (8, (41, 30))])
def test_dilation_only_makes_features_denser(size, output_stride):
    check_dilation(VGG16, output_stride, *size)


def test_values_against_a_plain_sequential():
    torch.manual_seed(0)
    layers, channels = [], 3
    for width, convs in BLOCKS:
        for _ in range(convs):
            layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
            channels = width
        layers.append(nn.MaxPool2d(2, 2))
    plain, net = nn.Sequential(*layers).requires_grad_(False), VGG16().eval()
    plain.load_state_dict(
        {name.removeprefix("features."): x for name, x in net.state_dict().items()}
    )
    x = picture(64, 96)
    for i, found in zip((4, 9, 16, 23, 30), net(x), strict=True):
        torch.testing.assert_close(found, plain[: i + 1](x), rtol=1e-4, atol=1e-4)


def test_an_odd_row_at_the_end_counts():
    torch.manual_seed(0)
    net = VGG16().eval().requires_grad_(False)
    x = picture(33, 32)
    last_row = net(x)[0][..., -1, :]
    x[..., -1, :] += 1
    assert (net(x)[0][..., -1, :] - last_row).abs().max() > 0.1
