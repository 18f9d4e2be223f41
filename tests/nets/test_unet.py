"""U-Net: any size, plain and on an encoder, its size as published, and that it learns."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="U-Net needs the torch extra")

from torch.nn import functional as F  # noqa: E402

from sfumato.errors import UsageError  # noqa: E402
from sfumato.nets import encoders  # noqa: E402
from sfumato.nets.unet import UNet  # noqa: E402

from .encoder_checks import count, picture  # noqa: E402

SIZES = ((1, 1), (33, 47), (64, 32))


def test_plain_at_any_size():
    net = UNet(classes=3, width=4).eval().requires_grad_(False)
    for size in SIZES:
        assert net(picture(*size)).shape == (1, 3, *size)


@pytest.mark.parametrize(
    ("name", "output_stride"),
    [("resnet34", 32), ("vgg16", 32), ("efficientnet-lite0", 32)]
    + [("mobilenetv2", stride) for stride in (32, 16, 8)],
)
def test_on_an_encoder_at_any_size(name, output_stride):
    encoder = encoders.build(name, output_stride=output_stride)
    net = UNet(classes=2, encoder=encoder, width=8).eval().requires_grad_(False)
    for size in SIZES:
        assert net(picture(*size)).shape == (1, 2, *size)


def test_parameters_of_the_papers_widths():
    # By hand: a double convolution has 9 (in * out + out * out) weights and 4 * out of its
    # normalisations, an up-convolution 4 (in * out) + out.
    def double(channels, width):
        return 9 * (channels + width) * width + 4 * width

    widths = (64, 128, 256, 512, 1024)
    expected = double(3, 64) + sum(double(w, 2 * w) for w in widths[:-1])
    expected += sum(double(2 * w, w) + 4 * 2 * w * w + w for w in widths[:-1])
    expected += 2 * (64 + 1)
    assert count(UNet(classes=2)) == expected == 31_037_698


def test_every_skip_matters():
    """Features of each size reach the answer by a way of their own."""
    torch.manual_seed(0)
    net = UNet(classes=1, width=4).eval().requires_grad_(False)
    x = picture(32, 32)
    whole = net(x)
    for expand in net.expand:
        weight = expand.convs[0].weight
        kept = weight[:, : weight.shape[1] // 2].clone()
        weight[:, : weight.shape[1] // 2] = 0
        assert (net(x) - whole).abs().max() > 1e-3
        weight[:, : weight.shape[1] // 2] = kept
    torch.testing.assert_close(net(x), whole)


def test_a_feature_of_the_picture_stays_in_its_place():
    """What changes in a corner of an odd-sized picture changes the answer there, not elsewhere."""
    torch.manual_seed(0)
    net = UNet(classes=1, width=4).eval().requires_grad_(False)
    x = picture(121, 123)
    y = x.clone()
    y[..., -3:, -3:] += 1
    rows, columns = (net(x) - net(y)).abs()[0, 0].gt(1e-6).nonzero().T
    assert rows.max() == 120
    assert columns.max() == 122
    assert min(rows.min(), columns.min()) > 10


@pytest.mark.parametrize("encoder", [None, "mobilenetv2"])
def test_it_learns_a_square(encoder):
    torch.manual_seed(0)
    net = UNet(classes=2, encoder=encoder and encoders.build(encoder), width=8)
    target = torch.zeros(2, 33, 33, dtype=torch.long)
    target[0, 5:20, 4:18] = target[1, 12:30, 15:33] = 1
    x = target[:, None] + 0.3 * torch.randn(2, 3, 33, 33)
    optimiser = torch.optim.Adam(net.parameters(), lr=3e-3)
    for _ in range(25):
        loss = F.cross_entropy(net(x), target)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert (net(x).argmax(1) == target).float().mean() > 0.97


@pytest.mark.parametrize("options", [{"classes": 0}, {"classes": 2, "width": 0}])
def test_nonsense_is_refused(options):
    with pytest.raises(UsageError, match="at least one class and a width of 1 or more"):
        UNet(**options)
