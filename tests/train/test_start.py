"""Weights to begin with."""

from __future__ import annotations

import warnings

import pytest
import torch

from sfumato.errors import UsageError, WeightsError
from sfumato.nets import encoders, segmenters
from sfumato.train.recipe import Recipe
from sfumato.train.start import begin

from .small import recipe

ON_ENCODER = {"encoder": "mobilenetv2", "options": {"width": 8}}


@pytest.fixture
def saved(tmp_path):
    net = segmenters.build("unet", classes=2, width=4)
    segmenters.save(net, tmp_path / "net.safetensors")
    return tmp_path / "net.safetensors", net.state_dict()


def test_a_net_that_was_saved_goes_on(saved):
    path, state = saved
    found = begin(recipe(start=str(path)))
    assert found.class_names == ("background", "person")
    assert all(torch.equal(x, state[key]) for key, x in found.state_dict().items())


def test_with_other_classes_the_last_layer_is_new(saved):
    path, state = saved
    classes = ["background", "person", "dog"]
    found = begin(recipe(start=str(path), classes=classes)).state_dict()
    new = {key for key, x in found.items() if x.shape != state[key].shape}
    assert new == {"net.score.weight", "net.score.bias"}
    assert all(torch.equal(x, state[key]) for key, x in found.items() if key not in new)


def test_another_net_is_refused(saved):
    path, _ = saved
    with pytest.raises(WeightsError, match="holds unet with .*'width': 4.* asks for unet"):
        begin(recipe(start=str(path), options={"width": 8}))


def test_public_weights_fill_the_encoder(tmp_path):
    encoder = encoders.build("mobilenetv2")
    torch.save(encoder.state_dict(), tmp_path / "mobilenet.pth")
    found = begin(recipe(**ON_ENCODER, start=str(tmp_path / "mobilenet.pth"))).encoder.state_dict()
    assert all(torch.equal(x, found[key]) for key, x in encoder.state_dict().items())


@pytest.mark.weights
def test_imagenet_is_not_random():
    one, other = (begin(recipe(**ON_ENCODER, start=s)) for s in ("imagenet", "none"))
    again = begin(recipe(**ON_ENCODER, start="imagenet"))
    first = [next(net.encoder.parameters()) for net in (one, other, again)]
    assert torch.equal(first[0], first[2])
    assert not torch.equal(first[0], first[1])


@pytest.mark.parametrize(
    ("start", "words"), [("imagenet", "without an encoder"), ("gone.pth", "does not exist")]
)
def test_what_cannot_be_is_said(start, words):
    with pytest.raises(UsageError, match=words):
        begin(recipe(start=start))


@pytest.mark.parametrize(
    ("rates", "size", "told"), [([6, 12, 18], 192, 1), ([2, 4, 6], 192, 0), ([6], 96, 1)]
)
def test_dilations_that_reach_beyond_the_squares_are_warned_of(rates, size, told):
    wide = Recipe(
        net="deeplabv3plus", encoder="mobilenetv2", options={"rates": rates, "width": 8},
        start="none", size=size,
    )  # fmt: skip
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        begin(wide)
    assert sum("will fail on larger pictures" in str(w.message) for w in caught) == told
