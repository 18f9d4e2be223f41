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


@pytest.mark.parametrize(
    ("layer", "stride", "reach"),
    [("conv1_1", 1, 1), ("relu1_2", 1, 2), ("relu2_1", 2, 4), ("relu4_1", 8, 30)],
)
def test_stride_and_reach_by_hand(layer, stride, reach):
    assert (vgg.stride(layer), vgg.reach(layer)) == (stride, reach)


@pytest.mark.parametrize("pooling", ["max", "avg"])
@pytest.mark.parametrize(
    "layer", ["conv1_1", "relu1_2", "relu2_1", "conv3_4", "conv4_2", "relu5_1"]
)
def test_stride_and_reach_are_what_gradients_show(layer, pooling, monkeypatch):
    """A cell's gradient covers its own square and ``reach`` pixels around it, no more, no less."""
    monkeypatch.setattr(vgg, "BLOCKS", tuple((2, n) for _, n in vgg.BLOCKS))  # as deep, but quick
    torch.manual_seed(0)
    net = vgg.VGG19(layers=[layer], padding="zeros", pooling=pooling).double()
    for x in net.parameters():
        x.data.uniform_(0.1, 1)  # all positive: no rectifier cuts a path off
    stride, reach = vgg.stride(layer), vgg.reach(layer)
    cell = -(-reach // stride) + 1
    side = (2 * cell + 1) * stride
    # Brighter towards the middle's far side and then its near one: each maximum is a border once.
    ramp = torch.linspace(0.1, 1, side).double()
    seen = torch.zeros(side, side, dtype=torch.bool)
    for flips in ((), (0,), (1,), (0, 1)):
        picture = (ramp[:, None] * ramp).flip(flips).expand(1, 3, side, side).clone()
        net(picture.requires_grad_())[layer][0, 0, cell, cell].backward()
        seen |= picture.grad[0].abs().sum(0) > 0
    rows, columns = (seen.any(dim).nonzero()[:, 0] for dim in (1, 0))
    first, last = cell * stride - reach, (cell + 1) * stride - 1 + reach
    assert (rows.min(), rows.max()) == (first, last)
    assert (columns.min(), columns.max()) == (first, last)


def test_a_part_with_reach_around_it_has_the_wholes_features():
    torch.manual_seed(0)
    net, picture = (
        vgg.VGG19(layers=["relu3_1"], padding="replicate-first"),
        torch.rand(1, 3, 96, 96),
    )
    margin = -(-vgg.reach("relu3_1") // 4) * 4
    whole = net(picture)["relu3_1"][..., 8:16, 6:12]
    part = net(picture[..., 32 - margin : 64 + margin, 24 - margin : 48 + margin])["relu3_1"]
    cells = margin // 4
    torch.testing.assert_close(part[..., cells:-cells, cells:-cells], whole)


@pytest.mark.parametrize("ask", [vgg.stride, vgg.reach])
def test_stride_and_reach_of_an_unknown_layer(ask):
    with pytest.raises(ValueError, match="no layer 'relu6_1'"):
        ask("relu6_1")


def test_replicating_only_at_first():
    torch.manual_seed(0)
    net = vgg.VGG19(layers=["conv1_1", "conv1_2"], padding="replicate-first")
    picture = torch.rand(1, 3, 12, 14)
    found = net(picture)
    framed = nn.functional.pad(net.preprocess(picture), (1, 1, 1, 1), mode="replicate")
    first, second = net.convs["conv1_1"], net.convs["conv1_2"]
    want = nn.functional.conv2d(framed, first.weight, first.bias)
    torch.testing.assert_close(found["conv1_1"], want)
    want = nn.functional.conv2d(want.relu(), second.weight, second.bias, padding=1)
    torch.testing.assert_close(found["conv1_2"], want)


@pytest.fixture(scope="module")
def torchvision(tmp_path_factory):
    """A file in torchvision's layout with random numbers, and the net they are for."""
    torch.manual_seed(0)
    layers, channels = [], 3
    for width, count in vgg.BLOCKS:
        for _ in range(count):
            layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
            nn.init.kaiming_normal_(layers[-2].weight)
            channels = width
        layers.append(nn.MaxPool2d(2, 2))
    plain = nn.Sequential(*layers)
    state = {f"features.{key}": x for key, x in plain.state_dict().items()}
    state["classifier.0.weight"] = torch.zeros(2, 2)
    path = tmp_path_factory.mktemp("torchvision") / "vgg19.pth"
    torch.save(state, path)
    return path, plain.requires_grad_(False)


INDEX = {
    "conv1_1": 0,
    "relu1_2": 3,
    "relu2_1": 6,
    "relu3_1": 11,
    "conv4_2": 21,
    "relu5_1": 29,
    "relu5_4": 35,
}
"""Where each layer stands in torchvision's ``features``."""


@pytest.mark.parametrize("pooling", ["max", "avg"])
def test_torchvisions_layout_against_a_plain_sequential(torchvision, pooling):
    path, plain = torchvision
    if pooling == "avg":
        plain = nn.Sequential(
            *(nn.AvgPool2d(2, 2) if isinstance(m, nn.MaxPool2d) else m for m in plain)
        )
    picture = torch.rand(2, 3, 50, 64, generator=torch.Generator().manual_seed(1))
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    normalised = (picture - mean[:, None, None]) / std[:, None, None]
    net = vgg.load_torchvision(path, layers=list(INDEX), pooling=pooling)
    assert not any(p.requires_grad for p in net.parameters())
    found = net(picture)
    for name, i in INDEX.items():
        torch.testing.assert_close(found[name], plain[: i + 1](normalised), rtol=1e-4, atol=1e-4)


def test_loading_by_the_files_keys(torchvision, tmp_path):
    path, _ = torchvision
    found = vgg.load(path, layers=["conv1_2"])
    assert found.convs["conv1_1"].padding_mode == "zeros"
    torch.testing.assert_close(found.preprocess.weight[1, 1, 0, 0].item(), 1 / 0.224)
    chosen = vgg.load(path, layers=["conv1_2"], padding="replicate-first", pooling="avg")
    assert [c.padding_mode for c in chosen.convs.values()] == ["replicate", "zeros"]
    assert isinstance(chosen.pool, nn.AvgPool2d)

    flat = nn.Sequential(nn.Conv2d(3, 3, 1), nn.ReflectionPad2d(1), nn.Conv2d(3, 64, 3))
    torch.save(flat.state_dict(), tmp_path / "normalised.pth")
    found = vgg.load(tmp_path / "normalised.pth", layers=["conv1_1"])
    assert found.convs["conv1_1"].padding_mode == "reflect"
    picture = torch.rand(1, 3, 8, 8)
    torch.testing.assert_close(found(picture)["conv1_1"], flat(picture))


class _Other:
    """What only an unsafe unpickling could bring back."""


@pytest.mark.parametrize(
    ("contents", "problem"),
    [
        ({"stage1.weight": torch.zeros(3)}, r"expected the keys features\.0.*got stage1\.weight"),
        ({}, "got nothing"),
        ({"features.17.weight": torch.zeros(3)}, r"features\.17.*vgg19 has no convolution"),
        ({"features.0.weight": torch.zeros(64, 3, 3, 3)}, r"features\.0\.bias|0\.bias"),
        ({"0.weight": torch.zeros(64, 3, 3, 3), "0.bias": torch.zeros(64)}, "size mismatch"),
        ([torch.zeros(3)], "named tensors but list"),
        ({1: torch.zeros(3)}, "named tensors"),
        (_Other(), "cannot be read"),
    ],
)
def test_files_of_other_nets_are_refused(tmp_path, contents, problem):
    path = tmp_path / "other.pth"
    torch.save(contents, path)
    with pytest.raises(WeightsError, match=rf"other\.pth[\s\S]*({problem})"):
        vgg.load(path, layers=["relu1_1"])


def test_a_missing_file_stays_an_oserror(tmp_path):
    with pytest.raises(OSError, match="none"):
        vgg.load(tmp_path / "none.pth")


def _plain(state, pooling=nn.MaxPool2d):
    """The file's own flat layout, which its numbers follow: what stands at index N is ``N``."""
    layers = [nn.Conv2d(3, 3, 1)]
    channels = 3
    for block, (width, count) in enumerate(vgg.BLOCKS):
        if block:
            layers.append(pooling(2, ceil_mode=True))
        for _ in range(count):
            layers += [nn.ReflectionPad2d(1), nn.Conv2d(channels, width, 3), nn.ReLU()]
            channels = width
    net = nn.Sequential(*layers)
    net.load_state_dict(state)
    return net


@pytest.mark.weights
@pytest.mark.parametrize(("pooling", "pool"), [("max", nn.MaxPool2d), ("avg", nn.AvgPool2d)])
def test_normalised_weights_against_a_plain_sequential(pooling, pool):
    path = weights.fetch("vgg19-normalised")
    plain = _plain(torch.load(path, weights_only=True), pool)
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
        found = vgg.load(path, layers=list(index), pooling=pooling)(picture)
        for name, i in index.items():
            torch.testing.assert_close(found[name], plain[: i + 1](picture))


@pytest.mark.weights
def test_normalised_weights_are_frozen_and_normalised(astronaut):
    net = vgg.load_normalised(weights.fetch("vgg19-normalised"), layers=["relu1_1", "relu3_1"])
    assert not any(p.requires_grad for p in net.parameters())
    picture = torch.from_numpy(astronaut).permute(2, 0, 1)[None]
    for features in net(picture).values():  # mean activation near 1, far from VGG's own tens
        assert 0.2 < features.mean() < 5
