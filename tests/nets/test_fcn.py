"""FCN: any size, bilinear enlarging, skips that start silent and are summed."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="FCN needs the torch extra")

from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

from sfumato.errors import UsageError  # noqa: E402
from sfumato.nets import encoders  # noqa: E402
from sfumato.nets.fcn import FCN, Enlarge  # noqa: E402

from .encoder_checks import count, picture  # noqa: E402

SIZES = ((1, 1), (33, 47), (64, 32))


@pytest.mark.parametrize("name", ["resnet34", "vgg16", "mobilenetv2"])
def test_any_size(name):
    encoder = encoders.build(name)
    for stride in (8, 16, 32):
        net = FCN(encoder, classes=3, stride=stride).eval().requires_grad_(False)
        for size in SIZES:
            assert net(picture(*size)).shape == (1, 3, *size)


@pytest.mark.parametrize("output_stride", [16, 8])
@pytest.mark.parametrize("stride", [8, 16, 32])
def test_on_a_dilated_encoder(stride, output_stride):
    net = FCN(
        encoders.build("mobilenetv2", output_stride=output_stride), classes=2, stride=stride
    ).eval()
    assert net(picture(45, 70)).shape == (1, 2, 45, 70)
    assert net.last.factor == min(stride, output_stride)


@pytest.mark.parametrize("factor", [2, 8, 16, 32])
@pytest.mark.parametrize("learn", [True, False])
def test_enlarging_starts_as_bilinear_interpolation(factor, learn):
    x = torch.randn(2, 3, 5, 4, generator=torch.Generator().manual_seed(0))
    expected = F.interpolate(x, scale_factor=factor, mode="bilinear", align_corners=False)
    enlarge = Enlarge(3, factor, learn=learn)
    torch.testing.assert_close(enlarge(x), expected, rtol=1e-5, atol=1e-5)
    assert count(enlarge) == (9 * (2 * factor) ** 2 if learn else 0)


def test_parameters():
    with torch.device("meta"):  # shapes only
        encoder = encoders.build("vgg16")
        plain = FCN(encoder, classes=21, stride=8)
        wide = FCN(encoder, classes=21, stride=32, hidden=4096)
    scores = 21 * (256 + 512 + 512) + 3 * 21
    assert count(plain) - count(encoder) == scores + 2 * 21 * 21 * 4 * 4
    # The paper's fc6 and fc7, as in VGG-16's classifier, and its score layer.
    hidden = (512 * 49 + 1) * 4096 + (4096 + 1) * 4096
    assert count(wide) - count(encoder) == hidden + (4096 + 1) * 21


class Flat(nn.Module):
    """Features that say only how strong they are, so that sums can be seen."""

    channels = (1, 1, 1, 1, 1)
    output_stride = 32

    def forward(self, x):
        height, width = x.shape[2:]
        return [
            torch.full((1, 1, -(-height // s), -(-width // s)), float(s)) for s in (2, 4, 8, 16, 32)
        ]


@pytest.mark.parametrize(("stride", "total"), [(32, 32), (16, 48), (8, 56)])
def test_scores_of_all_used_strides_are_summed(stride, total):
    net = FCN(Flat(), classes=1, stride=stride)
    for score in net.scores:
        nn.init.ones_(score.weight)
    torch.testing.assert_close(net(picture(50, 70)), torch.full((1, 1, 50, 70), float(total)))


def test_skips_start_silent_and_learn():
    torch.manual_seed(0)
    net = FCN(encoders.build("resnet34"), classes=2, stride=8)
    assert [bool(s.weight.any()) for s in net.scores] == [False, False, True]
    before = net.encoder.conv1.weight.clone()
    optimiser = torch.optim.SGD(net.parameters(), lr=0.01)
    x, target = torch.randn(2, 3, 40, 40), torch.randint(2, (2, 40, 40))
    F.cross_entropy(net(x), target).backward()
    optimiser.step()
    assert all(s.weight.any() for s in net.scores)
    assert not torch.equal(net.encoder.conv1.weight, before)


def test_both_options_are_checked():
    with pytest.raises(UsageError, match="8, 16 or 32, got 4"):
        FCN(Flat(), classes=2, stride=4)
    with pytest.raises(UsageError, match="at least one class, got 0"):
        FCN(Flat(), classes=0)
