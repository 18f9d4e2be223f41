"""VGG-19 read with a hand-written gradient: the same as under autograd, and nothing left behind."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="VGG-19 needs the torch extra")

from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from sfumato.nets.taps import Taps  # noqa: E402
from sfumato.nets.vgg import LAYERS  # noqa: E402

from ..optimise.random_nets import random_vgg  # noqa: E402

SETS = {
    "one, rectified": ["relu1_1"],
    "one, raw": ["conv1_1"],
    "both of one": ["conv1_2", "relu1_2"],
    "both of the last": ["relu2_1", "conv2_1"],
    "ends before a rectifier": ["relu1_1", "relu2_1", "conv2_2"],
    "ends after a rectifier": ["conv1_1", "conv2_1", "relu3_2"],
    "far apart": ["relu1_1", "conv3_3"],
    "a pooled one alone": ["conv3_1"],
}
DEEP = ["relu1_1", "relu2_1", "relu3_1", "conv4_1", "relu4_1", "relu4_2", "conv5_1"]


def _net(layers, pooling="max", dtype=torch.float64):
    return random_vgg(layers, pooling, dtype)


def _picture(height=33, width=47, dtype=torch.float64, seed=1):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(1, 3, height, width, generator=generator, dtype=torch.float64).to(dtype)


def _cotangents(read, seed=2):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(x.shape, generator=generator).to(x) for x in read.values()]


def _gradient(read, picture, cotangents=None):
    outputs = list(read.values())
    return torch.autograd.grad(outputs, picture, cotangents or _cotangents(read))[0]


def _plain(net, picture):
    """The same activations under autograd, in the net's order of layers."""
    read = net(picture)
    return {name: read[name][0] for name in sorted(net.layers, key=LAYERS.index)}


def _assert_as_plain(net, picture, taps, **tolerance):
    picture = picture.requires_grad_()
    want, found = _plain(net, picture), taps(picture)
    assert list(found) == list(want)
    for name, activation in found.items():
        torch.testing.assert_close(activation, want[name], **tolerance)
    torch.testing.assert_close(_gradient(found, picture), _gradient(want, picture), **tolerance)


@pytest.mark.parametrize("pooling", ["max", "avg"])
@pytest.mark.parametrize("layers", SETS.values(), ids=SETS)
def test_it_reads_and_differentiates_as_autograd_does(layers, pooling):
    net = _net(layers, pooling)
    taps = Taps(net, torch.float64)
    _assert_as_plain(net, _picture(), taps, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("pooling", ["max", "avg"])
def test_so_it_does_down_to_the_deepest_layers_in_single_precision(pooling):
    net = _net(DEEP, pooling, torch.float32)
    _assert_as_plain(net, _picture(dtype=torch.float32), Taps(net), rtol=1e-3, atol=1e-4)


@settings(max_examples=25, deadline=None)
@given(
    height=st.integers(8, 40),
    width=st.integers(8, 40),
    layers=st.lists(st.sampled_from(LAYERS[:12]), min_size=1, max_size=5, unique=True),
)
def test_so_it_does_at_any_size_and_for_any_layers(height, width, layers):
    net = _net(layers)
    taps = Taps(net, torch.float64)
    _assert_as_plain(net, _picture(height, width), taps, rtol=1e-9, atol=1e-11)


def test_a_loss_may_read_only_some_of_the_layers():
    net = _net(["relu1_1", "conv2_1", "relu2_1", "relu3_1"])
    taps, picture = Taps(net, torch.float64), _picture().requires_grad_()
    for name in net.layers:
        want, found = _plain(net, picture), taps(picture)
        (cotangent,) = _cotangents({name: found[name]})
        (expected,) = torch.autograd.grad(want[name], picture, cotangent)
        (gradient,) = torch.autograd.grad(found[name], picture, cotangent)
        torch.testing.assert_close(gradient, expected, rtol=1e-9, atol=1e-11)


def test_a_part_of_a_picture_passes_its_gradient_on():
    net = _net(["relu2_1"])
    taps, picture = Taps(net, torch.float64), _picture(48, 48).requires_grad_()
    gradient = _gradient(taps(picture[..., 16:40, 8:44]), picture)
    expected = _gradient(_plain(net, picture[..., 16:40, 8:44]), picture)
    torch.testing.assert_close(gradient, expected)
    outside = torch.ones(48, 48, dtype=torch.bool)
    outside[16:40, 8:44] = False
    assert (gradient[0, :, outside] == 0).all()
    assert (gradient[0, :, ~outside] != 0).any()


def test_sixteen_bits_are_close():
    net = _net(DEEP, "avg", torch.float32)
    picture = _picture(64, 48, dtype=torch.float32).requires_grad_()
    want, found = _plain(net, picture), Taps(net, torch.bfloat16)(picture)
    for name, activation in found.items():
        assert activation.dtype == torch.bfloat16
        assert _cosine(activation, want[name]) > 0.99
    losses = [sum(x.float().square().mean() for x in read.values()) for read in (want, found)]
    ours, plain = (torch.autograd.grad(loss, picture)[0] for loss in reversed(losses))
    assert ours.dtype == torch.float32
    assert _cosine(ours, plain) > 0.99


def _cosine(a, b):
    return torch.nn.functional.cosine_similarity(a.flatten().float(), b.flatten().float(), 0)


def test_nothing_is_left_behind():
    taps = Taps(_net(["relu1_1", "conv2_1", "relu2_1"]), torch.float64)
    picture, other = _picture().requires_grad_(), _picture(seed=5).requires_grad_()
    first, between = taps(picture), taps(other)
    gradient = _gradient(first, picture)
    expected = _gradient(taps(other), other)
    torch.testing.assert_close(_gradient(between, other), expected, rtol=0, atol=0)
    torch.testing.assert_close(_gradient(taps(picture), picture), gradient, rtol=0, atol=0)


def test_the_way_back_changes_nothing_that_it_is_given():
    taps = Taps(_net(["conv1_1", "relu1_1", "conv1_2", "relu1_2", "conv2_1"]), torch.float64)
    picture = _picture().requires_grad_()
    read = taps(picture)
    cotangents = _cotangents(read)
    given_before = [x.clone() for x in (picture, *read.values(), *cotangents)]
    _gradient(read, picture, cotangents)
    for before, now in zip(given_before, (picture, *read.values(), *cotangents), strict=True):
        assert torch.equal(before, now)


def test_without_a_gradient_it_reads_the_same():
    taps = Taps(_net(["relu1_1", "conv2_1"]), torch.float64)
    picture = _picture().requires_grad_()
    with torch.no_grad():
        read = taps(picture)
    for name, activation in taps(picture).items():
        assert not read[name].requires_grad
        assert torch.equal(read[name], activation)


def test_layers_come_from_the_picture_inwards():
    taps = Taps(_net(["relu2_1", "conv1_1", "relu1_1"]), torch.float64)
    assert taps.layers == tuple(taps(_picture())) == ("conv1_1", "relu1_1", "relu2_1")
