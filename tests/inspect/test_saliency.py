"""Maps whose truth is known, and the checks beside them."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from torch import nn
from torch.nn import functional as F

from sfumato.errors import MissingExtraError, NothingFoundError, UsageError
from sfumato.inspect import saliency, targets
from sfumato.inspect.attributions import (
    METHODS,
    Look,
    attribute,
    planned,
    rank_correlation,
    ranks,
)
from sfumato.inspect.nets import Net

from .tiny_nets import chain, red_against_rest

PICTURE = np.random.default_rng(0).random((40, 48, 3), dtype=np.float32)


def tensor(picture):
    return torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1)))[None]


def look(picture, **changes):
    return Look(torch.zeros_like(picture), 32, 8, None, 0)._replace(**changes)


def red_patch():
    """Grey with a red square at rows 8..16, columns 24..32."""
    picture = np.full((40, 48, 3), 0.3, np.float32)
    picture[8:16, 24:32] = (0.9, 0.1, 0.1)
    return picture


def test_integrated_gradients_are_complete():
    net, x = chain(classes=3), tensor(PICTURE)
    found = attribute("integrated-gradients", lambda p: net.module(p)[:, 1], x, look(x))
    change = net.module(x)[0, 1] - net.module(torch.zeros_like(x))[0, 1]
    assert found.sum() == pytest.approx(float(change), abs=0.01 * abs(float(change)) + 1e-4)
    target = targets.aim(net, PICTURE, target="1")
    numbers = saliency.explain(net, PICTURE, target, "integrated-gradients").as_dict()
    assert abs(numbers["completeness_gap"]) < 0.02 * abs(numbers["sum"]) + 1e-3


def test_occlusion_finds_the_patch():
    net, picture = red_against_rest(), red_patch()
    target = targets.aim(net, picture)
    found = saliency.explain(net, picture, target, "occlusion", window=4, baseline="black")
    row, column = np.unravel_index(found.values.argmax(), found.values.shape)
    assert 8 <= row < 16
    assert 24 <= column < 32
    assert found.inside > 0.7  # windows reach over its border
    assert (found.values[20:] == 0).all()


def test_occlusion_is_the_mean_fall_of_the_score():
    x = tensor(PICTURE[:8, :8])
    found = attribute("occlusion", lambda p: p.sum(dim=(1, 2, 3)), x, look(x, window=8))
    assert found == pytest.approx(np.full((8, 8), float(x.sum()), np.float32), rel=1e-4)


def test_grad_cam_weighs_the_maps():
    """A planted net: map 0 is red, map 1 is blue; the score likes red and dislikes blue."""
    conv = nn.Conv2d(3, 2, 1, bias=False)
    conv.load_state_dict({"weight": torch.tensor([[1.0, 0, 0], [0, 0, 1.0]])[..., None, None]})
    net = Net("planted", nn.Sequential(conv).eval().requires_grad_(False))
    picture = np.zeros((40, 48, 3), np.float32)
    picture[:20, :, 0], picture[20:, :, 2] = 1, 1
    x = tensor(picture)

    def score(pictures):
        red, blue = net.module(pictures).mean(dim=(2, 3)).T
        return red - blue

    found = attribute("grad-cam", score, x, look(x, layer=net.module[0]))
    assert (found[:20] > 0).all()
    assert (found[20:] == 0).all()  # against it: cut off


class Rectified(nn.Module):
    """The same net with rectifiers as modules, as functions, or cut off at 6."""

    def __init__(self, kind):
        super().__init__()
        torch.manual_seed(0)
        self.one, self.two = nn.Conv2d(3, 6, 3, padding=1), nn.Conv2d(6, 4, 3, padding=1)
        self.first, self.second = {
            "module": (nn.ReLU(), nn.ReLU()),
            "in place": (nn.ReLU(inplace=True), nn.ReLU(inplace=True)),
            "function": (F.relu, torch.relu),
            "six": (nn.ReLU6(), F.relu6),
            "none": (nn.Tanh(), nn.Tanh()),
        }[kind]

    def forward(self, x):
        return self.second(self.two(self.first(self.one(x)))).mean(dim=(1, 2, 3))


@pytest.mark.parametrize("kind", ["module", "in place", "function", "six"])
def test_guided_backprop_agrees_with_captum_whatever_the_rectifier(kind):
    captum = pytest.importorskip("captum.attr")
    x = tensor(PICTURE)
    with pytest.warns(UserWarning, match="hooks"):
        expected = captum.GuidedBackprop(Rectified("module")).attribute(x.clone().requires_grad_())
    found = attribute("guided-backprop", Rectified(kind), x, look(x))
    np.testing.assert_allclose(found, expected[0].abs().sum(0).detach(), atol=1e-6)
    plain = x.clone().requires_grad_()
    Rectified(kind)(plain).sum().backward()
    assert not np.allclose(found, plain.grad[0].abs().sum(0), atol=1e-6)


def test_guided_backprop_lets_nothing_negative_through():
    """One path of positive weights, one that a negative weight closes on the way back."""
    conv, last = nn.Conv2d(3, 2, 1, bias=False), nn.Conv2d(2, 1, 1, bias=False)
    conv.load_state_dict({"weight": torch.tensor([[1.0, 0, 0], [0, 1.0, 0]])[..., None, None]})
    last.load_state_dict({"weight": torch.tensor([[1.0, -0.5]])[..., None, None]})
    net = nn.Sequential(conv, nn.ReLU(), last)
    x = torch.rand(1, 3, 4, 4, requires_grad=True)
    (gradient,) = torch.autograd.grad(net(x).sum(), x)
    assert (gradient[0, 1] < 0).all()  # green speaks against it
    found = attribute("guided-backprop", lambda p: net(p).sum(dim=(1, 2, 3)), x, look(x))
    np.testing.assert_allclose(found, np.ones((4, 4)), atol=1e-6)  # red's part alone


def test_guided_backprop_needs_rectifiers():
    x = tensor(PICTURE)
    with pytest.raises(UsageError, match="this net has none"):
        attribute("guided-backprop", Rectified("none"), x, look(x))


def test_smoothgrad_of_a_straight_line_is_its_slope():
    x, state = tensor(PICTURE), torch.random.get_rng_state()
    slope = torch.randn(1, 3, 40, 48, generator=torch.Generator().manual_seed(1))
    found = attribute("smoothgrad", lambda p: (p * slope).sum((1, 2, 3)), x, look(x, samples=5))
    np.testing.assert_allclose(found, slope[0].abs().sum(0), rtol=1e-4)
    assert torch.equal(torch.random.get_rng_state(), state)  # its noise is its own


@pytest.mark.parametrize("method", METHODS)
def test_every_method_on_every_kind_of_net(method):
    done = []
    for net, options in (
        (chain(classes=3), {}),
        (chain(), {"layer": "conv2", "target": "2"}),
        (chain(), {"layer": "conv2", "target": "energy"}),
        (red_against_rest(), {"point": (0.6, 0.25)}),
    ):
        if net.name == "red" and method in ("guided-backprop", "grad-cam"):
            continue  # without rectifiers; one layer alone
        picture = red_patch() + 0.1 * PICTURE
        target = targets.aim(net, picture, **options)
        found = saliency.explain(net, picture, target, method, samples=4, progress=done.append)
        assert found.values.shape == found.shuffled.shape == (40, 48)
        assert np.isfinite(found.values).all()
        assert found.values.any()
        # Six weights in another order may still add up to the same.
        assert net.name == "red" or not np.array_equal(found.values, found.shuffled)
        json.dumps(found.as_dict(), allow_nan=False)
        assert done[-1] == 1
        assert len(saliency.figure([found]).axes) == 4


def test_progress_counts_what_the_net_sees():
    net = chain(classes=2)
    for method in METHODS:
        x, seen = tensor(PICTURE), []

        def score(pictures, seen=seen):
            seen.append(len(pictures))
            return net.module(pictures)[:, 0]

        own = look(x, samples=6, layer=net.module.conv2)
        attribute(method, score, x, own)
        assert planned(method, own, 40, 48) == pytest.approx(sum(seen), abs=2), method


def test_a_row_a_method_or_a_column_each():
    net = chain(classes=3)
    target = targets.aim(net, PICTURE)
    found = [saliency.explain(net, PICTURE, target, m) for m in ("guided-backprop", "grad-cam")]
    figure = saliency.figure(found)
    assert len(figure.axes) == 3 * 3
    words = [text.get_text() for axes in figure.axes for text in axes.texts]
    assert {"guided-backprop", "grad-cam", "weights shuffled"} <= set(words)


def test_shuffled_weights_are_the_same_numbers_elsewhere():
    net = chain()
    one, two, other = (saliency.shuffled(net, seed).module for seed in (0, 0, 1))
    before, after = net.module.conv2.weight, one.conv2.weight
    assert not torch.equal(before, after)
    assert torch.equal(before.flatten().sort()[0], after.flatten().sort()[0])
    assert torch.equal(net.module.conv2.bias, one.conv2.bias)
    assert torch.equal(one.conv2.weight, two.conv2.weight)
    assert not torch.equal(one.conv2.weight, other.conv2.weight)


def test_targets_of_a_classifier():
    net = chain(classes=3)
    logits = net.module(tensor(PICTURE))[0]
    top = targets.aim(net, PICTURE)
    assert top.text.startswith(f"kind {int(logits.argmax())} (")
    assert targets.value(net, top, tensor(PICTURE)) == pytest.approx(float(logits.max()))
    named = targets.aim(net, PICTURE, target="kind 2")
    assert targets.value(net, named, tensor(PICTURE)) == pytest.approx(float(logits[2]))


def test_targets_of_a_segmenter():
    net, picture = red_against_rest(), red_patch()
    target = targets.aim(net, picture, target="person-mask")
    assert target.mask.sum() == 64
    assert target.mask[8:16, 24:32].all()
    assert targets.value(net, target, tensor(picture)) == pytest.approx(20 * 0.4, abs=1e-3)
    at = targets.aim(net, picture, point=(1.0, 0.0))
    assert np.argwhere(at.mask).tolist() == [[0, 47]]
    assert targets.value(net, at, tensor(picture)) == pytest.approx(20 * -0.2, abs=1e-3)
    with pytest.raises(NothingFoundError, match="finds no person"):
        targets.aim(net, np.zeros_like(picture))


@pytest.mark.parametrize(
    ("net", "options", "words"),
    [
        (chain(), {}, "neither classes nor masks"),
        (chain(), {"layer": "relu2", "target": "5"}, "channels 0 to 4"),
        (chain(), {"layer": "relu2", "target": "cat"}, "or energy; got 'cat'"),
        (chain(classes=2), {"layer": "linear"}, "gives no maps"),
        (chain(classes=2), {"target": "knid 0"}, "did you mean 'kind 0'"),
        (chain(classes=2), {"point": (0.5, 0.5)}, "nets that segment"),
        (red_against_rest(), {"point": (0.5, 1.5)}, "from 0 to 1"),
        (red_against_rest(), {"target": "persno"}, "did you mean 'person'"),
    ],
)
def test_targets_that_make_no_sense(net, options, words):
    with pytest.raises(UsageError, match=words):
        targets.aim(net, PICTURE, **options)


def test_methods_that_do_not_fit(monkeypatch):
    net = chain()
    target = targets.aim(net, PICTURE, layer="conv1")
    with pytest.raises(UsageError, match="did you mean 'smoothgrad'"):
        saliency.explain(net, PICTURE, target, "smothgrad")
    with pytest.raises(UsageError, match="needs a layer before the target"):
        saliency.explain(net, PICTURE, target, "grad-cam")
    with pytest.raises(UsageError, match="before the target; got relu2"):
        saliency.explain(net, PICTURE, target, "grad-cam", layer="relu2")
    monkeypatch.setattr(saliency.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"sfumato\[inspect\]"):
        saliency.explain(net, PICTURE, target)


def test_grad_cam_takes_the_coarsest_layer_with_something_to_say():
    net = chain(classes=2)
    found = saliency.explain(net, PICTURE, targets.aim(net, PICTURE), "grad-cam")
    assert found.layer == "relu2"
    net.module.linear.weight[:] = -1  # all that relu2 finds now speaks against both classes
    net.module.linear.bias[:] = 0
    found = saliency.explain(net, PICTURE, targets.aim(net, PICTURE), "grad-cam")
    assert found.layer in ("relu1", "relu2")
    assert found.layer == "relu1" or not found.values.any()


values = arrays.arrays(np.float32, st.integers(2, 30), elements=st.floats(0, 10, width=16))


@given(values)
def test_ranks(x):
    found = ranks(x)
    assert found.sum() == pytest.approx(len(x) * (len(x) + 1) / 2)
    for i in range(len(x)):
        below, same = (x < x[i]).sum(), (x == x[i]).sum()
        assert found[i] == pytest.approx(below + (same + 1) / 2)


@given(values)
def test_rank_correlation(x):
    if len(set(x.tolist())) == 1:
        assert rank_correlation(x, x) is None
        return
    assert rank_correlation(x, x) == pytest.approx(1)
    assert rank_correlation(x, np.exp(np.float64(x) / 10)) == pytest.approx(1)
    assert rank_correlation(x, -x) == pytest.approx(-1)


@pytest.mark.parametrize("picture", [np.full((32, 32, 3), 0.5, np.float32), PICTURE[:32, :33]])
def test_flat_pictures(picture):
    net = chain(classes=2)
    found = saliency.explain(net, picture, targets.aim(net, picture), baseline="blur")
    assert np.isfinite(found.values).all()
    assert len(saliency.figure([found]).axes) == 4
