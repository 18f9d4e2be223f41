"""ResNet-34 and -50: names, counts, sizes, and values against the one in transformers."""

from __future__ import annotations

import re

import pytest

torch = pytest.importorskip("torch", reason="the encoders need the torch extra")

from sfumato.errors import UsageError  # noqa: E402
from sfumato.nets.resnet import ResNet  # noqa: E402

from .encoder_checks import alive, check_dilation, check_sizes, count, picture  # noqa: E402


@pytest.mark.parametrize(("depth", "published"), [(34, 21_797_672), (50, 25_557_032)])
def test_parameters_as_published(depth, published):
    net = ResNet(depth=depth)
    assert count(net) == published - (net.channels[-1] + 1) * 1000
    assert count(net) == {34: 21_284_672, 50: 23_508_032}[depth]


@pytest.mark.parametrize(("depth", "tensors"), [(34, 216), (50, 318)])
def test_names_are_torchvisions(depth, tensors):
    names = list(ResNet(depth=depth).state_dict())
    assert len(names) == tensors  # torchvision's less fc.weight and fc.bias
    assert names[:2] == ["conv1.weight", "bn1.weight"]
    assert "layer2.0.downsample.1.running_mean" in names
    assert ("layer1.0.downsample.0.weight" in names) == (depth == 50)
    assert f"layer4.2.conv{2 if depth == 34 else 3}.weight" in names


@pytest.mark.parametrize("output_stride", [32, 16, 8])
@pytest.mark.parametrize("depth", [34, 50])
def test_sizes(output_stride, depth):
    check_sizes(ResNet(depth=depth, output_stride=output_stride), (1, 1), (33, 47), (64, 32))


@pytest.mark.parametrize(("output_stride", "size"), [(16, (33, 45)), (8, (64, 32)), (8, (41, 30))])
@pytest.mark.parametrize(("depth", "stride_on"), [(34, "3x3"), (50, "3x3"), (50, "1x1")])
def test_dilation_only_makes_features_denser(size, output_stride, depth, stride_on):
    def build(output_stride):
        return ResNet(depth=depth, output_stride=output_stride, stride_on=stride_on)

    check_dilation(build, output_stride, *size)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"depth": 18}, "34 or 50, got 18"),
        ({"output_stride": 64}, "8, 16 or 32, got 64"),
        ({"depth": 50, "stride_on": "7x7"}, "'3x3' or '1x1', got '7x7'"),
    ],
)
def test_other_options_are_refused(options, problem):
    with pytest.raises(UsageError, match=problem):
        ResNet(**options)


def _renamed(name: str) -> str:
    """Our name of a tensor of transformers' ResNet."""
    name = re.sub(r"^embedder\.embedder\.convolution", "conv1", name)
    name = re.sub(r"^embedder\.embedder\.normalization", "bn1", name)
    name = re.sub(r"^encoder\.stages\.(\d)\.layers", lambda m: f"layer{int(m[1]) + 1}", name)
    name = name.replace("shortcut.convolution", "downsample.0")
    name = name.replace("shortcut.normalization", "downsample.1")
    name = re.sub(r"layer\.(\d)\.convolution", lambda m: f"conv{int(m[1]) + 1}", name)
    return re.sub(r"layer\.(\d)\.normalization", lambda m: f"bn{int(m[1]) + 1}", name)


@pytest.mark.parametrize(("depth", "stride_on"), [(34, "3x3"), (50, "3x3"), (50, "1x1")])
def test_values_against_transformers(depth, stride_on):
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    net = alive(ResNet(depth=depth, stride_on=stride_on))
    config = transformers.ResNetConfig(
        layer_type="basic" if depth == 34 else "bottleneck",
        hidden_sizes=list(net.channels[1:]),
        downsample_in_bottleneck=stride_on == "1x1",
    )
    reference = transformers.ResNetModel(config).eval()
    state = net.state_dict()
    names = {name: _renamed(name) for name in reference.state_dict()}
    assert set(names.values()) == set(state)
    reference.load_state_dict({name: state[ours] for name, ours in names.items()})
    x = picture(96, 65)
    with torch.no_grad():
        expected = reference(x, output_hidden_states=True).hidden_states[1:]
        for ours, theirs in zip(net(x)[1:], expected, strict=True):
            scale = theirs.abs().max()
            torch.testing.assert_close(ours / scale, theirs / scale, rtol=0, atol=1e-5)
