"""Nets that only answer."""

from __future__ import annotations

import numpy as np
import pytest
from typer.testing import CliRunner

from sfumato.cli.main import app
from sfumato.errors import UsageError
from sfumato.inspect import features, nets, saliency, targets
from sfumato.inspect.attributions import METHODS

NAMES = [name for name, known in nets.NETS.items() if known.answers]

pytestmark = pytest.mark.weights


def test_there_are_some():
    assert NAMES == ["modnet", "u2netp"]


@pytest.mark.parametrize("name", NAMES)
def test_which_pixels_make_it_say_so(name, astronaut):
    picture = astronaut[::4, ::4]
    net = nets.load(name)
    found = saliency.explain(net, picture, targets.aim(net, picture), "occlusion", window=64)
    assert found.values.shape == found.shuffled.shape == picture.shape[:2]
    assert found.values.any()
    assert found.score > 0 > found.baseline
    assert found.inside > found.target.mask.mean()
    assert not np.allclose(found.values, found.shuffled)


@pytest.mark.parametrize("name", NAMES)
def test_the_same_seed_shuffles_alike(name, astronaut):
    picture = astronaut[::4, ::4]
    net = nets.load(name)
    tensor = features.as_tensor(net, picture)
    one, same, other = (saliency.shuffled(net, seed).module(tensor) for seed in (3, 3, 4))
    own = net.module(tensor)
    assert (one == same).all()
    assert not np.allclose(one, other) or (one.argmax(1) == 0).all()
    assert not np.allclose(one, own)


@pytest.mark.parametrize("method", [name for name in METHODS if name != "occlusion"])
def test_other_methods_say_what_to_do(method, astronaut):
    net = nets.load("modnet")
    target = targets.aim(net, astronaut[::4, ::4])
    with pytest.raises(UsageError, match="gives no gradients; the method for it is occlusion"):
        saliency.explain(net, astronaut[::4, ::4], target, method)


def test_a_file_of_the_same_name_is_no_such_net(tmp_path):
    """What is trained here and happens to be called modnet has gradients."""
    from sfumato.nets import segmenters

    path = tmp_path / "modnet.safetensors"
    segmenters.save(segmenters.build("unet", classes=2, encoder="mobilenetv2"), path)
    net = nets.load(str(path))
    assert (net.name, net.asked) == ("modnet", False)
    picture = np.random.default_rng(0).random((64, 64, 3), dtype=np.float32)
    target = targets.aim(net, picture, point=(0.5, 0.5))
    found = saliency.explain(net, picture, target, "integrated-gradients", samples=2)
    assert found.values.any()


def test_it_has_no_layers_and_no_other_weights(astronaut, tmp_path):
    net = nets.load("modnet")
    with pytest.raises(UsageError, match="none of its layers"):
        features.look(net, ["conv1"], astronaut[::4, ::4])
    with pytest.raises(UsageError, match="none of its layers"):
        targets.aim(net, astronaut[::4, ::4], layer="conv1")
    file = tmp_path / "other.onnx"
    file.touch()
    with pytest.raises(UsageError, match="leave --weights out"):
        nets.load("modnet", weights=file)


@pytest.mark.parametrize("methods", [[], ["--method", "all"], ["--method", "occlusion"]])
def test_on_the_command_line(methods, astronaut_path, tmp_path):
    import json

    command = ["inspect", "saliency", str(astronaut_path), "--net", "u2netp", "--size", "96"]
    command += ["--window", "60"]
    numbers = tmp_path / "numbers.json"
    done = CliRunner().invoke(
        app, [*command, *methods, "-o", str(tmp_path / "map.png"), "--json", str(numbers), "-q"]
    )
    assert done.exit_code == 0, done.output
    (one,) = json.loads(numbers.read_text())["maps"]
    assert one["method"] == "occlusion"
