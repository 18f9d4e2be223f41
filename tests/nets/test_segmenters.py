"""Nets by name: sizes, options, optimiser groups, files (also hostile ones), ONNX graphs."""

from __future__ import annotations

import json
import pickle
import sys

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the nets need the torch extra")
pytest.importorskip("safetensors", reason="files need the train extra")

from safetensors.torch import load_file, save_file  # noqa: E402
from torch import nn  # noqa: E402

from sfumato.errors import MissingExtraError, UsageError, WeightsError  # noqa: E402
from sfumato.nets import export, segmenters  # noqa: E402
from sfumato.ops.onnx import session  # noqa: E402

SMALL = {
    "fcn8s": {"encoder": "mobilenetv2"},
    "fcn16s": {"encoder": "mobilenetv2"},
    "fcn32s": {"encoder": "mobilenetv2"},
    "unet": {"width": 4},
    "deeplabv3plus": {"encoder": "mobilenetv2", "width": 16},
    "segformer": {"decoder_width": 16},
}
EACH = pytest.mark.parametrize("name", segmenters.NAMES)


def _build(name, *, classes=3, **options):
    if name == "segformer":
        pytest.importorskip("transformers", reason="SegFormer needs the segformer extra")
    torch.manual_seed(0)
    return segmenters.build(name, classes=classes, **(SMALL[name] | options)).eval()


def _lively(net):
    """Its norms as after a little training, and logits of which the largest is about 1."""
    draw = torch.Generator().manual_seed(1)
    pictures = [
        torch.rand(2, 3, *size, generator=draw) for size in ((96, 128), (75, 131), (64, 64))
    ]
    norms = [m for m in net.modules() if isinstance(m, nn.BatchNorm2d)]
    convs = [m for m in net.modules() if isinstance(m, nn.Conv2d)]
    last = next(m for m in reversed(convs) if m.out_channels == net.classes)
    with torch.no_grad():
        for norm in norms:
            norm.momentum = None  # the mean of all that it has seen
        net.train()
        for picture in pictures:
            net(picture)
        net.eval()
        scale = 1 / max(net(picture).abs().max() for picture in pictures)
        last.weight.mul_(scale)
        last.bias.mul_(scale)
    return net


def _picture(*size):
    return torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(2))


@EACH
def test_any_size_in_same_size_out(name):
    net = _build(name)
    assert (net.name, net.classes) == (name, 3)
    with torch.no_grad():
        for size in ((1, 1), (37, 70), (64, 33)):
            assert net(_picture(*size)).shape == (1, 3, *size)


def test_pictures_are_normalised_inside():
    net = segmenters.Segmenting(nn.Identity(), name="none", options={}, classes=3)
    picture = torch.tensor([0.485, 0.456 + 0.224, 0.406 - 0.225])[None, :, None, None]
    torch.testing.assert_close(net(picture).flatten(), torch.tensor([0.0, 1.0, -1.0]))
    assert not net.state_dict()


def test_options_are_whole_and_plain():
    net = _build("deeplabv3plus", output_stride=8)
    assert json.loads(json.dumps(net.options)) == net.options == {
        "encoder": "mobilenetv2", "output_stride": 8, "rates": [6, 12, 18], "width": 16,
    }  # fmt: skip
    again = segmenters.build(net.name, classes=3, **net.options)
    assert again.options == net.options
    assert again.encoder.output_stride == 8
    assert _build("unet").encoder is None
    assert _build("fcn16s").net.stride == 16


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("unets", {}, "did you mean 'unet'"),
        ("unet", {"widht": 8}, "no option 'widht' — did you mean 'width'"),
        ("unet", {"width": 10**9}, "less than or equal to 128"),
        ("unet", {"encoder": "resnet"}, "unknown encoder"),
        ("deeplabv3plus", {"rates": [6, 10**9]}, "rates.1: .* less than or equal to 64"),
        ("deeplabv3plus", {"output_stride": 7}, "output_stride"),
        ("segformer", {"encoder": "resnet50"}, "no option 'encoder'"),
        ("segformer", {"variant": "b6"}, "variant"),
    ],
)
def test_what_cannot_be_built(name, options, said):
    with pytest.raises(UsageError, match=said):
        segmenters.build(name, classes=2, **options)


@pytest.mark.parametrize("classes", [0, 256, "two"])
def test_how_many_classes(classes):
    with pytest.raises(UsageError, match="from 1 to 255 classes"):
        segmenters.build("unet", classes=classes)


@EACH
def test_every_parameter_is_in_one_group(name):
    net = _build(name)
    groups = segmenters.parameter_groups(net, 0.1, 0.01)
    assert sorted(id(p) for g in groups for p in g["params"]) == sorted(map(id, net.parameters()))
    encoder = set() if net.encoder is None else {id(p) for p in net.encoder.parameters()}
    for group in groups:
        for p in group["params"]:
            assert group["lr"] == (0.01 if id(p) in encoder else 0.1)
    norms = [m for m in net.modules() if isinstance(m, nn.BatchNorm2d | nn.LayerNorm)]
    plain = {id(p) for m in norms for p in m.parameters()}
    plain |= {id(p) for key, p in net.named_parameters() if key.endswith(".bias")}
    assert plain == {id(p) for g in groups if g.get("weight_decay") == 0 for p in g["params"]}
    optimiser = torch.optim.SGD(groups, lr=1.0, weight_decay=0.5)
    assert {g["weight_decay"] for g in optimiser.param_groups} == {0.0, 0.5}


def test_frozen_parameters_are_left_out():
    net = _build("deeplabv3plus")
    net.encoder.requires_grad_(False)
    groups = segmenters.parameter_groups(net, 0.1, 0.01)
    assert {g["lr"] for g in groups} == {0.1}


@EACH
def test_files(name, tmp_path):
    net, path = _lively(_build(name)), tmp_path / "net.safetensors"
    segmenters.save(net, path, class_names=["background", "person", "dog"], epoch=3, data=["a"])
    found = segmenters.load(path)
    assert (found.name, found.options, found.classes) == (net.name, net.options, 3)
    assert found.class_names == ("background", "person", "dog")
    assert found.about == {"epoch": 3, "data": ["a"]}
    assert not found.training
    with torch.no_grad():
        torch.testing.assert_close(found(_picture(40, 50)), net(_picture(40, 50)))
    segmenters.save(found, path, epoch=4)
    again = segmenters.load(path)
    assert again.about == {"epoch": 4, "data": ["a"]}
    assert again.class_names == found.class_names


def test_half_precision(tmp_path):
    net, whole, half = _lively(_build("unet")), tmp_path / "whole", tmp_path / "half"
    norm = next(m for m in net.modules() if isinstance(m, nn.BatchNorm2d))
    norm.running_var[0] = 1e6  # more than half precision can hold
    segmenters.save(net, whole)
    segmenters.save(net, half, half=True)
    assert half.stat().st_size < 0.6 * whole.stat().st_size
    found = segmenters.load(half)
    assert {x.dtype for x in found.state_dict().values()} == {torch.float32, torch.int64}
    assert torch.equal(found.net.score.bias, net.net.score.bias)
    with torch.no_grad():
        torch.testing.assert_close(
            found(_picture(40, 50)), net(_picture(40, 50)), atol=0.01, rtol=0
        )
    with torch.no_grad():
        net.net.score.weight[0] = 1e6
    with pytest.raises(WeightsError, match="not finite"):
        segmenters.save(net, half, half=True)
    assert segmenters.load(half).classes == 3  # the file that was there


def test_what_cannot_be_kept(tmp_path):
    net, path = _build("unet"), tmp_path / "net.safetensors"
    with pytest.raises(UsageError, match="expected 3 class names, got 1"):
        segmenters.save(net, path, class_names=["person"])
    with pytest.raises(UsageError, match="plain JSON"):
        segmenters.save(net, path, about_it=object())
    assert not path.exists()


def _tamper(path, **changes):
    """The file with other header entries or tensors (a value of None leaves one out)."""
    net = _build("unet")
    segmenters.save(net, path)
    state = load_file(path)
    header = {"name": "unet", "options": net.options, "classes": 3, "class_names": [], "about": {}}
    for key, value in changes.items():
        if key in header:
            header[key] = value
        elif value is None:
            state.pop(key)
        else:
            state[key] = value
    text = changes.get("text", json.dumps(header))
    save_file({k: x for k, x in state.items() if k != "text"}, path, {"sfumato": text})


class _Bad:
    def __reduce__(self):
        return (sys.exit, ("ran",))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"name": "unknown"}, "unknown net"),
        ({"name": ["unet"]}, "no net that Sfumato saved"),
        ({"options": {"width": 10**9}}, "less than or equal to 128"),
        ({"options": {"width": 128}}, r"is \[.*\], expected \[128"),
        ({"options": {"classes": 4, "width": 4}}, "expected"),
        ({"options": None}, "no net that Sfumato saved"),
        ({"classes": 10**9}, "from 1 to 255 classes"),
        ({"classes": 4}, "net.score.bias is"),
        ({"class_names": ["person"]}, "expected 3 class names"),
        ({"class_names": [1, 2, 3]}, "list of names"),
        ({"about": 3}, "no net that Sfumato saved"),
        ({"net.score.bias": None}, r"net.score.bias is missing, expected \[3\]"),
        ({"net.extra": torch.zeros(1)}, "expected none"),
        ({"net.score.bias": torch.full((3,), float("nan"))}, "not finite"),
        ({"text": "[" * 100_000}, "no net that Sfumato saved"),
        ({"text": "[]"}, "no net that Sfumato saved"),
    ],
)
def test_tampered_files(changes, said, tmp_path):
    path = tmp_path / "net.safetensors"
    text = {"text": changes["text"]} if "text" in changes else {}
    _tamper(path, **changes) if not text else _tamper_text(path, **text)
    with pytest.raises(WeightsError, match=said) as raised:
        segmenters.load(path)
    assert str(path) in str(raised.value)


def _tamper_text(path, text):
    save_file({"x": torch.zeros(1)}, path, {"sfumato": text})


@pytest.mark.parametrize("content", ["pickle", "torch", "empty", "torn", "no header", "size"])
def test_files_of_another_kind(content, tmp_path):
    path = tmp_path / "net.safetensors"
    segmenters.save(_build("unet"), path)
    whole = path.read_bytes()
    if content == "torch":
        torch.save({"x": _Bad()}, path)
    elif content == "no header":
        save_file({"x": torch.zeros(1)}, path)
    else:
        path.write_bytes({
            "pickle": pickle.dumps(_Bad()), "empty": b"", "torn": whole[: len(whole) // 2],
            "size": (2**62).to_bytes(8, "little") + whole[8:],
        }[content])  # fmt: skip
    with pytest.raises(WeightsError, match="no net that Sfumato saved"):
        segmenters.load(path)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError):
        segmenters.load(tmp_path / "absent.safetensors")


def test_without_the_library(monkeypatch, tmp_path):
    net = _build("unet")
    for name in ("safetensors", "safetensors.torch"):
        monkeypatch.setitem(sys.modules, name, None)
    for call in (lambda p: segmenters.save(net, p), segmenters.load):
        with pytest.raises(MissingExtraError, match=r"sfumato\[train\]"):
            call(tmp_path / "net.safetensors")


@pytest.mark.parametrize(
    "name",
    ["unet", "deeplabv3plus", "segformer", pytest.param("fcn8s", marks=pytest.mark.slow)],
)
def test_onnx_graphs_of_any_size(name, tmp_path):
    net, path = _lively(_build(name)), tmp_path / "net.onnx"
    net.train()
    assert segmenters.export_onnx(net, path) < 1e-3
    assert net.training
    net.eval()
    opened = session(path, "cpu")
    for size in ((32, 32), (101, 67), (64, 320), (33, 190)):
        picture = _picture(*size)
        (found,) = opened.run(["logits"], {"image": picture.numpy()})
        with torch.no_grad():
            expected = net(picture).numpy()
        assert np.abs(expected).max() > 0.1
        np.testing.assert_allclose(found, expected, atol=1e-3, rtol=0)


@pytest.mark.parametrize("name", ["deeplabv3plus", "segformer"])
def test_onnx_in_half_precision(name, tmp_path):
    """It answers as the net does that was saved in half precision."""
    net, path = _lively(_build(name)), tmp_path / "net.onnx"
    net.class_names = ("background", "person", "dog")
    assert segmenters.export_onnx(net, path) < 1e-3
    whole = path.stat().st_size
    assert segmenters.export_onnx(net, path, half=True) < 1e-3
    assert path.stat().st_size < 0.6 * whole
    segmenters.save(net, tmp_path / "net.safetensors", half=True)
    opened, picture = session(path, "cpu"), _picture(75, 90)
    (found,) = opened.run(["logits"], {"image": picture.numpy()})
    with torch.no_grad():
        expected = segmenters.load(tmp_path / "net.safetensors")(picture).numpy()
    np.testing.assert_allclose(found, expected, atol=1e-3, rtol=0)
    kept = opened.get_modelmeta().custom_metadata_map[segmenters.METADATA]
    assert json.loads(kept)["class_names"] == ["background", "person", "dog"]


def test_a_graph_that_differs_is_not_written(tmp_path, monkeypatch):
    net, other = _lively(_build("unet")), _lively(_build("unet"))
    with torch.no_grad():
        other.net.score.bias.add_(0.01)
    graph = export.traced(other, "logits")
    monkeypatch.setattr(export, "traced", lambda net, output: graph)
    with pytest.raises(WeightsError, match="differs from the net by 0.01"):
        segmenters.export_onnx(net, tmp_path / "net.onnx")
    assert not list(tmp_path.iterdir())
