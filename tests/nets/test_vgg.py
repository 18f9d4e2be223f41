"""VGG-19: names, sizes, and one forward pass against a plain ``nn.Sequential``."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="VGG-19 needs the torch extra")

from torch import nn  # noqa: E402

from sfumato.errors import WeightsError  # noqa: E402
from sfumato.io import weights  # noqa: E402
from sfumato.nets import vgg  # noqa: E402


def _count(net):
    return sum(p.numel() for p in net.parameters())


def test_it_is_vgg19():
    net = vgg.VGG19()
    assert len(net.convs) == 16
    assert list(net.convs)[:3] == ["conv1_1", "conv1_2", "conv2_1"]
    assert list(net.convs)[-1] == "conv5_4"
    assert _count(net.convs) == 20_024_384  # as torchvision's vgg19().features
    assert _count(net.preprocess) == 12


def test_layers_come_in_order_and_in_their_sizes():
    sizes = {
        name: tuple(x.shape[1:]) for name, x in vgg.VGG19().activations(torch.rand(1, 3, 64, 48))
    }
    assert tuple(sizes) == vgg.LAYERS
    assert len(sizes) == 32
    assert sizes["conv1_1"] == sizes["relu1_2"] == (64, 64, 48)
    assert sizes["conv3_4"] == (256, 16, 12)
    assert sizes["relu4_1"] == (512, 8, 6)
    assert sizes["relu5_4"] == (512, 4, 3)


@pytest.mark.parametrize(
    ("layers", "last"),
    [(["relu1_1"], "conv1_1"), (["relu4_1", "conv2_2"], "conv4_1"), (["conv5_4"], "conv5_4")],
)
def test_it_stops_after_the_deepest_layer(layers, last):
    net = vgg.VGG19(layers=layers)
    assert list(net.convs)[-1] == last
    assert set(net(torch.rand(1, 3, 32, 32))) == set(layers)


def test_rectified_and_raw_activations_are_both_right():
    found = vgg.VGG19(layers=["conv1_2", "relu1_2"])(torch.rand(1, 3, 16, 16))
    assert found["conv1_2"].min() < 0
    torch.testing.assert_close(found["relu1_2"], found["conv1_2"].clamp(min=0))


@pytest.mark.parametrize("layers", [[], ["relu6_1"], ["pool1"]])
def test_wrong_layers_are_refused(layers):
    with pytest.raises(ValueError, match=r"layer"):
        vgg.VGG19(layers=layers)


def test_reflecting_borders_keep_a_flat_picture_flat():
    torch.manual_seed(0)
    net, picture = vgg.VGG19(layers=["relu2_1"]), torch.full((1, 3, 32, 32), 0.4)
    assert net(picture)["relu2_1"].std(dim=(2, 3)).max() < 1e-5
    zeros = vgg.VGG19(layers=["relu2_1"], padding="zeros")
    zeros.load_state_dict(net.state_dict())
    assert zeros(picture)["relu2_1"].std(dim=(2, 3)).max() > 1e-4


def test_pooling_by_mean():
    torch.manual_seed(0)
    net = vgg.VGG19(layers=["relu1_2", "conv2_1"], pooling="avg")
    found = net(torch.rand(1, 3, 16, 16))
    expected = net.convs["conv2_1"](nn.functional.avg_pool2d(found["relu1_2"], 2))
    torch.testing.assert_close(found["conv2_1"], expected)


def test_a_file_with_other_contents_is_refused(tmp_path):
    path = tmp_path / "other.pth"
    torch.save({"0.weight": torch.zeros(3, 3, 1, 1), "0.bias": torch.zeros(3)}, path)
    with pytest.raises(WeightsError, match=r"other\.pth"):
        vgg.load_normalised(path)
    path.write_bytes(b"not a file of torch's")
    with pytest.raises(WeightsError, match=r"other\.pth"):
        vgg.load_normalised(path)


def _plain(state):
    """The file's own flat layout, which its numbers follow: what stands at index N is ``N``."""
    layers = [nn.Conv2d(3, 3, 1)]
    channels = 3
    for block, (width, count) in enumerate(vgg.BLOCKS):
        if block:
            layers.append(nn.MaxPool2d(2, ceil_mode=True))
        for _ in range(count):
            layers += [nn.ReflectionPad2d(1), nn.Conv2d(channels, width, 3), nn.ReLU()]
            channels = width
    net = nn.Sequential(*layers)
    net.load_state_dict(state)
    return net


@pytest.mark.weights
def test_normalised_weights_against_a_plain_sequential():
    path = weights.fetch("vgg19-normalised")
    plain = _plain(torch.load(path, weights_only=True))
    index = {
        "relu1_1": 3,
        "relu2_1": 10,
        "conv3_3": 22,
        "relu4_1": 30,
        "relu4_2": 33,
        "relu5_1": 43,
    }
    picture = torch.rand(2, 3, 48, 64, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        found = vgg.load_normalised(path, layers=list(index))(picture)
        for name, i in index.items():
            torch.testing.assert_close(found[name], plain[: i + 1](picture))


@pytest.mark.weights
def test_normalised_weights_are_frozen_and_normalised(astronaut):
    net = vgg.load_normalised(weights.fetch("vgg19-normalised"), layers=["relu1_1", "relu3_1"])
    assert not any(p.requires_grad for p in net.parameters())
    picture = torch.from_numpy(astronaut).permute(2, 0, 1)[None]
    for features in net(picture).values():  # mean activation near 1, far from VGG's own tens
        assert 0.2 < features.mean() < 5
