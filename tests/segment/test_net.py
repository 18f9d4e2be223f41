"""Nets of Sfumato's own layout, from ONNX and safetensors files."""

from __future__ import annotations

import json

import numpy as np
import pytest

from sfumato import Settings, cut, registry
from sfumato.errors import UsageError, WeightsError
from sfumato.types import Context

from ..small_nets import answering, red_net


def build(path, **options):
    return registry.build("segment", "net", Context(device="cpu"), {"weights": path, **options})


@pytest.fixture
def half_red():
    """A picture 96 wide, 64 high: red on the left, blue on the right."""
    image = np.zeros((64, 96, 3), np.float32)
    image[:, :48, 0] = 1
    image[:, 48:, 2] = 1
    return image


@pytest.mark.parametrize("names", [("background", "person"), ("person",)], ids=str)
def test_one_class_is_a_soft_mask(tmp_path, half_red, names):
    net = build(red_net(tmp_path / "red.onnx", names), size=80)
    assert net.classes == ("person",)
    segments = net(half_red)
    assert segments.labels == ("person",)
    assert segments.masks[0, :, :46].all()
    assert not segments.masks[0, :, 50:].any()
    np.testing.assert_array_equal(segments.masks, segments.soft > 0.5)
    assert segments.soft[0, 32, 10] == pytest.approx(1 / (1 + np.exp(-10)), abs=1e-4)


def test_a_fixed_size_is_kept(tmp_path, half_red):
    net = build(red_net(tmp_path / "red.onnx", shape=(32, 32)))
    assert net.fixed == (32, 32)
    assert net(half_red).masks[0].mean() == pytest.approx(0.5, abs=0.03)


def test_of_several_classes_the_likeliest_wins(tmp_path, half_red):
    net = build(red_net(tmp_path / "red.onnx", ("dog", "background", "cat")))
    assert net.classes == ("dog", "cat")
    segments = net(half_red)
    assert set(segments.labels) == {"dog", "cat"}
    assert segments.select("cat")[:, :46].all()
    assert segments.select("dog")[:, 50:].all()
    assert (segments.masks.sum(axis=0) <= 1).all()


def test_islands_go(tmp_path):
    image = np.zeros((128, 128, 3), np.float32)
    image[10:90, 10:90, 0] = 1
    image[110:116, 110:116, 0] = 1
    path = red_net(tmp_path / "red.onnx")
    assert not build(path, size=128)(image).masks[0, 100:].any()
    assert build(path, size=128, islands=0)(image).masks[0, 113, 113]


def test_regions_ask_for_its_classes(tmp_path, half_red):
    options = {"net": {"weights": str(red_net(tmp_path / "red.onnx", ("background", "cat")))}}
    settings = Settings(segmenter="net", options=options)
    assert cut(half_red, "cat", settings).alpha[:, :40].min() > 0.9
    with pytest.raises(UsageError, match=r"'net' does not find 'horse'; it finds cat.*pascal"):
        cut(half_red, "horse", settings)


def test_what_is_no_net_of_ours(tmp_path, half_red):
    with pytest.raises(UsageError, match=r"\.onnx or \.safetensors"):
        build(tmp_path / "net.pth")
    with pytest.raises(UsageError, match="no file"):
        build(tmp_path / "net.onnx")
    for stated in ("", "[]", json.dumps({"class_names": []}), json.dumps({"class_names": [1]})):
        with pytest.raises(WeightsError, match="does not name its classes"):
            build(red_net(tmp_path / "red.onnx", sfumato=stated))
    other = answering(tmp_path / "other.onnx", {"masks": np.zeros((1, 1, 64, 64), np.float32)})
    with pytest.raises(WeightsError, match="takes images and gives masks"):
        build(other)
    header = json.dumps({"class_names": ["background", "cat", "dog"]})
    net = build(red_net(tmp_path / "red.onnx", sfumato=header))
    with pytest.raises(WeightsError, match="background, cat, dog in each pixel"):
        net(half_red)


@pytest.mark.slow
def test_a_saved_net_answers_as_its_export(tmp_path):
    torch = pytest.importorskip("torch", reason="needs the train extra")
    pytest.importorskip("safetensors", reason="needs the train extra")
    from sfumato.nets import segmenters

    torch.manual_seed(0)
    net = segmenters.build("unet", classes=2, width=4)
    net.class_names = ("background", "person")
    segmenters.export_onnx(net, tmp_path / "net.onnx")
    segmenters.save(net, tmp_path / "net.safetensors")
    image = np.random.default_rng(0).random((70, 90, 3), dtype=np.float32)
    exported, saved = (build(tmp_path / f"net.{kind}", size=96) for kind in ("onnx", "safetensors"))
    batch = np.ascontiguousarray(image.transpose(2, 0, 1)[None])
    assert exported.names == saved.names == ("background", "person")
    np.testing.assert_allclose(exported.run(batch), saved.run(batch), atol=1e-4)
    np.testing.assert_array_equal(exported(image).masks, saved(image).masks)
