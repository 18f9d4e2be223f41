"""DeepLabv3+: sizes, parts as published, batches of one, rates at each output stride."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="the nets need the torch extra")

from torch import nn  # noqa: E402

from sfumato.errors import UsageError  # noqa: E402
from sfumato.nets import encoders  # noqa: E402
from sfumato.nets.deeplab import DeepLabV3Plus, Pyramid, separable  # noqa: E402


def _net(encoder="mobilenetv2", *, classes=3, stride=16, **options):
    torch.manual_seed(0)
    inner = encoders.build(encoder, output_stride=stride)
    return DeepLabV3Plus(inner, classes=classes, **options)


class _Small(nn.Module):
    """An encoder with one convolution for each feature."""

    channels = (4, 8, 8, 8, 8)
    output_stride = 16

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.convs = nn.ModuleList(
            nn.Conv2d(i, o, 3, s, 1)
            for i, o, s in zip((3, 4, 8, 8, 8), self.channels, (2, 2, 2, 2, 1), strict=True)
        )

    def forward(self, x):
        found = []
        for conv in self.convs:
            x = torch.relu(conv(x))
            found.append(x)
        return found


@pytest.mark.parametrize("size", [(1, 1), (33, 70), (64, 64), (97, 65)])
def test_any_size_in_same_size_out(size):
    net = _net(width=16).eval()
    with torch.no_grad():
        assert net(torch.randn(2, 3, *size)).shape == (2, 3, *size)


def _count(module):
    return sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize(
    ("encoder", "low", "deep"), [("mobilenetv2", 24, 320), ("resnet50", 256, 2048)]
)
def test_parameters_are_those_of_the_papers_parts(encoder, low, deep):
    net = _net(encoder, classes=21)
    one = deep * 256 + 2 * 256  # 1x1 and its norm
    three = deep * 9 + 2 * deep + one  # each channel by itself, its norm, then a 1x1
    assert _count(net.pyramid.branches) == one + 3 * three
    assert _count(net.pyramid.pooled) == deep * 256 + 256
    assert _count(net.pyramid.fuse) == 5 * 256 * 256 + 2 * 256
    assert _count(net.low_level) == low * 48 + 2 * 48
    first = (256 + 48) * 9 + 2 * (256 + 48) + (256 + 48) * 256 + 2 * 256
    second = 256 * 9 + 2 * 256 + 256 * 256 + 2 * 256
    assert _count(net.decoder) == first + second
    assert _count(net.classifier) == 256 * 21 + 21
    assert _count(net) == sum(_count(part) for part in net.children())


@pytest.mark.parametrize(
    ("stride", "rates"), [(8, (12, 24, 36)), (16, (6, 12, 18)), (32, (3, 6, 9))]
)
def test_rates_reach_as_far_at_each_output_stride(stride, rates):
    net = _net(stride=stride, width=8)
    found = [m.dilation[0] for m in net.pyramid.modules() if getattr(m, "groups", 1) > 1]
    assert tuple(found) == rates


@pytest.mark.parametrize(("stride", "rates"), [(32, (3,)), (16, (0, 6)), (16, ())])
def test_rates_that_cannot_be(stride, rates):
    with pytest.raises(UsageError, match="rates must be"):
        _net(stride=stride, rates=rates)


def test_a_separable_convolution_sees_its_rate():
    conv = separable(1, 1, dilation=6).eval()
    for module in conv.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.ones_(module.weight)
    spot = torch.zeros(1, 1, 25, 25)
    spot[..., 12, 12] = 1
    rows, columns = conv(spot)[0, 0].nonzero(as_tuple=True)
    assert sorted(set(rows.tolist())) == sorted(set(columns.tolist())) == [6, 12, 18]
    assert len(rows) == 9


def test_the_whole_picture_has_a_say_everywhere():
    torch.manual_seed(0)
    pyramid = Pyramid(4, 8, [1]).eval()
    x = torch.rand(1, 4, 40, 40, requires_grad=True)
    pyramid(x)[..., 0, 0].sum().backward()
    assert (x.grad[..., 20:, 20:] != 0).any()


def test_training_with_a_single_picture():
    """The mean of one picture is a single number, which a batch norm refuses in training."""
    net = DeepLabV3Plus(_Small(), classes=2, width=16).train()
    net(torch.randn(1, 3, 64, 64)).square().mean().backward()
    weight = net.pyramid.pooled[0].weight
    assert weight.grad.isfinite().all()
    assert weight.grad.abs().max() > 0
    alone = net.pyramid.pooled(torch.ones(1, 8, 1, 1))
    together = net.pyramid.pooled(torch.cat((torch.ones(1, 8, 1, 1), torch.zeros(1, 8, 1, 1))))
    torch.testing.assert_close(alone, together[:1])


def test_it_can_learn_two_pictures():
    net = DeepLabV3Plus(_Small(), classes=2, width=16, dropout=0.0).train()
    image = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    target = torch.zeros(2, 64, 64, dtype=torch.int64)
    target[0, 8:40, 16:48], target[1, 30:60, 5:30] = 1, 1
    image[:, 0] += 3 * target
    optimiser = torch.optim.Adam(net.parameters(), lr=1e-2)
    losses = []
    for _ in range(20):
        loss = nn.functional.cross_entropy(net(image), target)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]
