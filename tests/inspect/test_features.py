"""Maps, Gram matrices, inversions and textures."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from sfumato.errors import PictureError, UsageError
from sfumato.inspect import _figures, features, inversion

from .tiny_nets import chain

PICTURE = np.random.default_rng(0).random((40, 56, 3), dtype=np.float32)


def test_maps_are_what_the_layer_gives():
    net = chain()
    (found,) = features.look(net, ["relu1"], PICTURE)
    expected = net.module[:2](torch.from_numpy(PICTURE.transpose(2, 0, 1).copy())[None])[0]
    np.testing.assert_allclose(found.maps, expected, atol=1e-6)
    assert found.layer.field.size == (3, 3)
    products = np.einsum("ihw,jhw->ij", found.maps, found.maps) / (40 * 56)
    np.testing.assert_allclose(found.gram, products, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(found.energy, np.square(found.maps).mean(axis=(1, 2)), rtol=1e-4)


def test_order_and_cosines():
    net = chain()
    net.module.conv1.weight[2] = 2 * net.module.conv1.weight[0]
    net.module.conv1.bias[2] = 2 * net.module.conv1.bias[0]
    net.module.conv1.weight[3], net.module.conv1.bias[3] = 0, 0
    (found,) = features.look(net, ["conv1"], PICTURE)
    assert found.order("channel") == [0, 1, 2, 3]
    strongest = found.order("energy")
    assert strongest[-1] == 3
    assert strongest.index(2) < strongest.index(0)
    assert found.order("energy", 2) == strongest[:2]
    cosines = found.cosines()
    assert cosines[0, 2] == pytest.approx(1, abs=1e-5)
    assert (cosines[3] == 0).all()  # silent, so no angle
    assert features.pairs(found)[0][:2] == (0, 2)
    numbers = json.loads(json.dumps(found.as_dict(top=2)))
    assert numbers["silent_channels"] == 1
    assert [one["channel"] for one in numbers["energy"]] == strongest[:2]
    shares = [one["share"] for one in found.as_dict()["energy"]]
    assert sum(shares) == pytest.approx(1)


def test_a_layer_that_is_not_there():
    with pytest.raises(UsageError, match="did you mean 'relu2'"):
        features.look(chain(), ["conv1", "relu3"], PICTURE)


@pytest.mark.parametrize("shape", [(1, 1, 3), (31, 200, 3)])
def test_too_small_a_picture(shape):
    with pytest.raises(PictureError, match="32 pixels or more"):
        features.look(chain(), ["conv1"], np.zeros(shape, np.float32))


@pytest.mark.parametrize("picture", [PICTURE, np.full((33, 32, 3), 0.5, np.float32)])
def test_figures_are_drawn(picture):
    net = chain()
    found = features.look(net, ["conv1", "relu2"], picture)
    signed = features.maps_figure(found[0], found[0].order())
    assert len(signed.axes) == 1 + 4  # the picture, and a panel a channel
    assert "red above 0" in " ".join(text.get_text() for text in signed.texts)
    rectified = features.maps_figure(found[1], found[1].order("channel", 3), columns=4)
    titles = [text.get_text() for axes in rectified.axes[1:] for text in axes.texts]
    assert titles[1::2] == ["0", "1", "2"]
    gram = features.gram_figure(found)
    assert _figures.pixels(gram).shape[1] == _figures.pixels(signed).shape[1]


def test_inverting_the_first_layer_finds_the_picture():
    smooth = np.linspace(0, 1, 32 * 40 * 3, dtype=np.float32).reshape(32, 40, 3)
    told = []
    found = inversion.invert(
        chain(), "conv1", smooth, steps=100, tv_weight=0.01,
        watch=lambda step, picture: told.append((step.number, picture().shape)),
    )  # fmt: skip
    assert found.misfit < 0.01
    assert found.error < 0.05
    assert told[-1] == (100, (32, 40, 3))
    again = inversion.invert(chain(), "conv1", smooth, steps=3, seed=1)
    other = inversion.invert(chain(), "conv1", smooth, steps=3, seed=2)
    same = inversion.invert(chain(), "conv1", smooth, steps=3, seed=1)
    assert np.array_equal(again.image, same.image)
    assert not np.array_equal(again.image, other.image)


def test_an_interrupted_inversion_is_the_best_so_far():
    def watch(step, picture):
        if step.number == 5:
            raise KeyboardInterrupt

    found = inversion.invert(chain(), "relu2", PICTURE, steps=50, watch=watch)
    assert (found.steps, found.interrupted) == (5, True)
    assert found.image.shape == PICTURE.shape
    figure = inversion.inversion_figure("chain", PICTURE, [found])
    words = [text.get_text() for axes in figure.axes for text in axes.texts]
    assert any("stopped at step 5" in text for text in words)


def test_a_silent_layer_cannot_be_inverted():
    net = chain()
    net.module.conv1.weight[:], net.module.conv1.bias[:] = 0, -1
    with pytest.raises(UsageError, match="nothing but zeros"):
        inversion.invert(net, "relu1", PICTURE)


def test_textures_are_told_by_vgg19_alone():
    with pytest.raises(UsageError, match="none of them"):
        inversion.texture("conv9_1", PICTURE)


@pytest.mark.weights
@pytest.mark.slow
def test_a_texture_takes_the_style_and_not_the_place():
    rows = np.arange(48)[:, None, None] // 4 % 2
    stripes = np.broadcast_to(rows, (48, 48, 3)).astype(np.float32)
    found = inversion.texture("relu2_1", stripes, steps=40, device="cpu")
    assert found.image.shape == stripes.shape
    assert found.misfit < 0.2
    down, across = (np.abs(np.diff(found.image, axis=axis)).mean() for axis in (0, 1))
    assert down > 1.5 * across  # it is striped, as its model
    photo = np.full((40, 44, 3), 0.5, np.float32)
    laid = inversion.texture("relu2_1", stripes, photo=photo, steps=3, device="cpu")
    assert laid.image.shape == photo.shape
