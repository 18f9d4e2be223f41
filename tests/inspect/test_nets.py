"""Which nets can be looked into, their layers, and what their cells see."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from sfumato.errors import UsageError, WeightsError
from sfumato.inspect import nets
from sfumato.inspect.fields import outline
from sfumato.nets import segmenters, transformer_net

from .tiny_nets import chain, red_against_rest

VGG_FIELDS = {
    "conv1_1": 3, "conv1_2": 5, "conv2_1": 10, "conv2_2": 14, "conv3_1": 24, "conv3_4": 48,
    "conv4_1": 68, "conv4_4": 116, "conv5_1": 156, "conv5_4": 252, "relu5_4": 252,
}  # fmt: skip


@pytest.fixture(scope="module")
def vgg19():
    """VGG-19's shape with weights of our own: nothing is fetched."""
    from sfumato.nets import vgg

    net = vgg.VGG19(padding="reflect")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vgg, "load", lambda path: net)
        patch.setattr(nets.store, "fetch", lambda name, progress=None: name)
        return nets.load("vgg19", device="cpu")


def seen(net, layer, side, cell):
    """First and last row that a cell depends on, by the gradient."""
    picture = torch.rand(1, 3, side, side, generator=torch.Generator().manual_seed(0))
    picture.requires_grad_()
    found = nets.activation(net, layer, picture)
    (gradient,) = torch.autograd.grad(found[0, :, cell, cell].sum(), picture)
    rows = np.flatnonzero(gradient[0].abs().sum(dim=(0, 2)).numpy())
    return int(rows[0]), int(rows[-1])


def test_vgg19s_layers_have_their_usual_names(vgg19):
    assert list(vgg19.layers)[:5] == ["conv1_1", "relu1_1", "conv1_2", "relu1_2", "pool1"]
    assert "preprocess" not in vgg19.layers
    assert vgg19.layers["conv5_4"].in_channels == 512
    layers = outline(vgg19, 64, 96)
    conv3 = layers["conv3_1"]
    assert (conv3.channels, conv3.height, conv3.width, conv3.field.step) == (256, 16, 24, (4, 4))


def test_vgg19s_receptive_fields(vgg19):
    layers = outline(vgg19, 64, 64)
    assert {name: layers[name].field.size for name in VGG_FIELDS} == {
        name: (side, side) for name, side in VGG_FIELDS.items()
    }
    assert all(layer.field.exact for layer in layers.values())


def test_the_field_is_where_the_gradient_is():
    """With averages for maxima and positive weights, nothing of a field is ever switched off."""
    torch.manual_seed(0)
    net = chain(
        pool=nn.AvgPool2d, wide=nn.Conv2d(5, 2, 3, padding=2, dilation=2),
        strided=nn.Conv2d(2, 2, (3, 5), stride=2, padding=(1, 2)),
    )  # fmt: skip
    for p in net.module.parameters():
        p.copy_(p.abs() + 0.1)
    layers = outline(net, 64, 64)
    assert layers["conv1"].field.size == (3, 3)
    assert layers["conv2"].field.size == (8, 8)
    assert layers["strided"].field.size == (20, 24)
    for name in ("conv1", "pool1", "conv2", "wide", "strided"):
        field, cell = layers[name].field, layers[name].height // 2
        first, last = seen(net, name, 64, cell)
        at = field.step[0] * cell
        assert (at + field.low[0], at + field.high[0]) == (first, last), name


@pytest.mark.parametrize("name", ["unet", "deeplabv3plus", "fcn8s"])
def test_fields_of_segmenters_hold_the_gradient(name):
    options = {"width": 8} if name != "fcn8s" else {}
    net = segmenters.build(name, classes=2, encoder="mobilenetv2", **options).eval()
    looked = nets.Net(name, net, "segmenter", ("background", "person"))
    layers = outline(looked, 96, 96)
    some = [layers["encoder.features.1"], layers["encoder.features.4"], [*layers.values()][-1]]
    for layer in some:
        cell = layer.height // 2
        first, last = seen(looked, layer.name, 96, cell)
        if layer.field.size is not None:
            at = layer.field.step[0] * cell
            assert at + layer.field.low[0] <= first
            assert at + layer.field.high[0] >= last
    assert layers["encoder.features.1"].field.size == (7, 7)


def test_a_mean_over_the_picture_sees_it_all():
    layers = outline(chain(classes=3), 32, 32)
    assert layers["relu2"].field.size == (8, 8)
    assert layers["pool"].field.size is None
    assert str(layers["pool"].field) == "the whole picture"


def test_the_packages_own_net_is_the_one_in_its_graph(astronaut):
    from sfumato.ops import onnx
    from sfumato.ops.resize import resize

    net = nets.load("person", device="cpu")
    small = resize(astronaut, (96, 64)).transpose(2, 0, 1)[None]
    session = onnx.session(nets.PERSON, "cpu")
    expected = session.run(["logits"], {"image": np.ascontiguousarray(small)})[0]
    found = net.module(torch.from_numpy(np.ascontiguousarray(small))).detach().numpy()
    np.testing.assert_allclose(found, expected, atol=1e-3)
    assert net.classes == ("background", "person")
    assert not any(getattr(m, "inplace", False) for m in net.module.modules())


def test_a_net_that_somebody_trained(tmp_path):
    net = segmenters.build("unet", classes=2, width=4)
    segmenters.save(net, tmp_path / "mine.safetensors", class_names=["background", "dog"])
    found = nets.load(str(tmp_path / "mine.safetensors"), device="cpu")
    assert (found.name, found.kind, found.classes) == ("mine", "segmenter", ("background", "dog"))
    assert "contract.blocks.0" in found.layers
    assert found.class_number("Dog") == found.class_number("1") == 1


def test_a_net_that_paints(tmp_path):
    transformer_net.save(transformer_net.TransformerNet(4, 1), tmp_path / "s.safetensors")
    found = nets.load(str(tmp_path / "s.safetensors"), device="cpu")
    assert found.kind == "features"
    assert outline(found, 32, 32)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("vgg91", "did you mean 'vgg19'"),
        ("nothing.safetensors", "there is no file nothing.safetensors"),
    ],
)
def test_unknown_nets(name, words):
    with pytest.raises(UsageError, match=words):
        nets.load(name)


def test_other_files(tmp_path):
    (tmp_path / "bad.safetensors").write_bytes(b"nothing")
    with pytest.raises(WeightsError, match="no net that Sfumato saved"):
        nets.load(str(tmp_path / "bad.safetensors"))
    with pytest.raises(UsageError, match=r"\.safetensors file as --net"):
        nets.load("person", weights=tmp_path / "bad.safetensors")
    with pytest.raises(UsageError, match="there is no"):
        nets.load("vgg19", weights=tmp_path / "none.pth")


def test_unknown_layers_and_classes():
    net = chain(classes=3)
    with pytest.raises(UsageError, match="chain has no layer 'conv3' — did you mean 'conv"):
        nets.activation(net, "conv3", torch.zeros(1, 3, 32, 32))
    with pytest.raises(UsageError, match="gives no maps"):
        nets.activation(net, "linear", torch.zeros(1, 3, 32, 32))
    with pytest.raises(UsageError, match="0 to 2; got 3"):
        net.class_number("3")
    with pytest.raises(UsageError, match="did you mean 'kind 1'"):
        net.class_number("kin 1")
    with pytest.raises(UsageError, match="no classes apart"):
        chain().class_number("cat")
    assert red_against_rest().class_number("PERSON") == 1


def test_imagenets_classes():
    names = nets.imagenet()
    assert len(names) == len(set(names)) == 1000
    assert (names[0], names[281], names[999]) == ("tench", "tabby cat", "toilet paper")


@pytest.mark.weights
@pytest.mark.slow
def test_classifiers_know_a_cat():
    from pathlib import Path

    from sfumato.inspect.features import as_tensor
    from sfumato.io import pictures
    from sfumato.ops.resize import fit

    cat = Path(__file__).parents[2] / "docs" / "images" / "photos" / "cat.jpg"
    photo = fit(pictures.read(cat).image, 256)
    for name in ("mobilenetv2", "efficientnet-lite0"):
        net = nets.load(name, device="cpu")
        top = int(net.module(as_tensor(net, photo))[0].argmax())
        assert 281 <= top <= 285, net.classes[top]  # the five kinds of house cats
