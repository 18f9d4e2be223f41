"""The net of one style: any size, files (public, old and hostile ones), ONNX graphs."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the nets need the torch extra")
pytest.importorskip("safetensors", reason="files need the train extra")

from safetensors import safe_open  # noqa: E402
from torch.nn import functional as F  # noqa: E402

from sfumato.errors import UsageError, WeightsError  # noqa: E402
from sfumato.nets import segmenters, transformer_net  # noqa: E402
from sfumato.nets.transformer_net import TransformerNet  # noqa: E402
from sfumato.ops.onnx import session  # noqa: E402


def _net(width=4, residuals=2):
    torch.manual_seed(0)
    return TransformerNet(width, residuals).eval()


def _picture(*size):
    return torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(2))


@torch.no_grad()
def _paint(net, picture):
    return net(picture)


@pytest.mark.parametrize("size", [(1, 1), (1, 70), (7, 8), (33, 70), (64, 48)], ids=str)
def test_any_size_in_same_size_out(size):
    painted = _paint(_net(), _picture(*size))
    assert painted.shape == (1, 3, *size)
    assert painted.isfinite().all()


def test_small_margins_are_all_that_an_odd_size_adds():
    """What is painted is that of the picture with its last row and column repeated."""
    net, picture = _net(), _picture(18, 23)
    whole = F.pad(picture, (0, 1, 0, 2), mode="replicate")
    torch.testing.assert_close(_paint(net, picture), _paint(net, whole)[..., :18, :23])


def test_each_picture_of_a_batch_is_painted_by_itself():
    net, one, other = _net(), _picture(16, 16), 1 - _picture(16, 16)
    both = _paint(net, torch.cat([one, other]))
    torch.testing.assert_close(both, torch.cat([_paint(net, one), _paint(net, other)]))


def test_the_paper_s_size():
    net = TransformerNet()
    keys = net.state_dict()
    assert (net.width, net.residuals) == (32, 5)
    assert keys["conv1.conv2d.weight"].shape == (32, 3, 9, 9)
    assert keys["res5.conv2.conv2d.weight"].shape == (128, 128, 3, 3)
    assert keys["deconv3.conv2d.weight"].shape == (3, 32, 9, 9)
    assert sum(x.numel() for x in keys.values()) == 1679235  # of the public checkpoints


@pytest.mark.parametrize("size", [{"width": 0}, {"width": 10**9}, {"residuals": 0}])
def test_what_cannot_be_built(size):
    with pytest.raises(UsageError, match="a style net's"):
        TransformerNet(**size)


@pytest.mark.parametrize("half", [False, True])
def test_files(tmp_path, half):
    net, path = _net(), tmp_path / "net.safetensors"
    net.about = {"style": "waves"}
    transformer_net.save(net, path, half=half, content_weight=0.1)
    found = transformer_net.load(path)
    assert found.about == {"style": "waves", "content_weight": 0.1}
    assert (found.width, found.residuals, found.training) == (4, 2, False)
    for key, x in net.state_dict().items():
        expected = x.half().float() if half and x.ndim > 1 else x
        torch.testing.assert_close(found.state_dict()[key], expected, rtol=0, atol=0)
    with safe_open(path, framework="pt") as file:
        header = json.loads(file.metadata()["sfumato"])
    assert {key: header[key] for key in ("name", "width", "residuals")} == {
        "name": "transformer", "width": 4, "residuals": 2,
    }  # fmt: skip


def test_public_checkpoints(tmp_path):
    """Of torch, of either age: the old ones carry statistics that the net never used."""
    net = _net(8, 5)
    old = {f"in{i}.running_{kind}": torch.ones(8) for i in range(1, 6) for kind in ("mean", "var")}
    old["res1.in2.running_mean"] = torch.ones(32)
    for name, more in (("new.pth", {}), ("old.model", old)):
        torch.save(net.state_dict() | more, tmp_path / name)
        found = transformer_net.load(tmp_path / name)
        picture = _picture(20, 24)
        torch.testing.assert_close(_paint(found, picture), _paint(net, picture), rtol=0, atol=0)
        assert found.about == {}


def _reference(state, x):
    """The public layout written out as plain functions: pictures are 0..255."""

    def conv(name, x, stride=1):
        weight = state[f"{name}.conv2d.weight"]
        margin = weight.shape[-1] // 2
        x = F.pad(x, (margin,) * 4, mode="reflect")
        return F.conv2d(x, weight, state[f"{name}.conv2d.bias"], stride)

    def norm(name, x):
        mean = x.mean((2, 3), keepdim=True)
        var = x.var((2, 3), unbiased=False, keepdim=True)
        scale, shift = (state[f"{name}.{key}"][:, None, None] for key in ("weight", "bias"))
        return scale * (x - mean) / (var + 1e-5).sqrt() + shift

    def twice(x):
        return x.repeat_interleave(2, 2).repeat_interleave(2, 3)

    x = F.relu(norm("in1", conv("conv1", x)))
    x = F.relu(norm("in2", conv("conv2", x, 2)))
    x = F.relu(norm("in3", conv("conv3", x, 2)))
    for i in range(1, 6):
        inner = F.relu(norm(f"res{i}.in1", conv(f"res{i}.conv1", x)))
        x = x + norm(f"res{i}.in2", conv(f"res{i}.conv2", inner))
    x = F.relu(norm("in4", conv("deconv1", twice(x))))
    x = F.relu(norm("in5", conv("deconv2", twice(x))))
    return conv("deconv3", x)


def test_it_computes_what_the_public_layout_means():
    net, picture = _net(4, 5), _picture(24, 20)
    expected = _reference(net.state_dict(), picture * 255) / 255
    torch.testing.assert_close(_paint(net, picture), expected, rtol=1e-4, atol=1e-4)


class Hostile:
    def __reduce__(self):
        return print, ("run",)


def _other(kind, path):
    net = _net().state_dict()
    if kind == "cut short":
        transformer_net.save(_net(), path)
        path.write_bytes(path.read_bytes()[:-50])
    elif kind == "segmenter":
        segmenters.save(segmenters.build("unet", classes=2, width=4), path)
    elif kind == "code":
        path.write_bytes(pickle.dumps(Hostile(), protocol=2))
    elif kind == "list":
        torch.save([1, 2], path)
    elif kind == "others":
        torch.save({"a": torch.zeros(1)}, path)
    elif kind == "nothing":
        path.touch()
    else:
        net["res2.conv1.conv2d.weight"] = torch.zeros(3, 3)
        torch.save(net, path)


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("cut short", "does not hold a style net"),
        ("segmenter", "does not hold a style net: its net is unet"),
        ("code", "cannot be read as weights of torch"),
        ("list", "does not hold named tensors but list"),
        ("others", "expected the keys conv1.conv2d.weight, .*; got a"),
        ("nothing", "cannot be read as weights of torch"),
        ("shape", r"res2.conv1.conv2d.weight is \[3, 3\], expected \[16, 16, 3, 3\]"),
    ],
)
def test_anything_else_is_said_in_a_sentence(tmp_path, capsys, kind, said):
    path = tmp_path / "net.pth"
    _other(kind, path)
    with pytest.raises(WeightsError, match=said) as error:
        transformer_net.load(path)
    assert str(path) in str(error.value)
    assert capsys.readouterr().out == ""  # nothing in the file was run


def test_numbers_that_are_none(tmp_path):
    net = _net()
    with torch.no_grad():
        net.conv1.conv2d.weight[0] = torch.nan
    torch.save(net.state_dict(), tmp_path / "net.pth")
    with pytest.raises(WeightsError, match="not finite"):
        transformer_net.load(tmp_path / "net.pth")
    with pytest.raises(WeightsError, match="not finite"):
        transformer_net.save(net, tmp_path / "net.safetensors")


@pytest.mark.parametrize("half", [False, True])
def test_onnx(tmp_path, half):
    net, path = _net(), tmp_path / "net.onnx"
    net.about = {"style": "waves"}
    assert transformer_net.export_onnx(net, path, half=half) < 1e-3
    transformer_net.save(net, tmp_path / "net.safetensors", half=half)
    kept, opened = transformer_net.load(tmp_path / "net.safetensors"), session(path, "cpu")
    for size in ((1, 1), (3, 40), (32, 32), (101, 67)):
        picture = _picture(*size)
        (found,) = opened.run(["painting"], {"image": picture.numpy()})
        np.testing.assert_allclose(found, _paint(kept, picture).numpy(), atol=1e-3, rtol=0)
    header = json.loads(opened.get_modelmeta().custom_metadata_map["sfumato"])
    assert header == {"name": "transformer", "about": {"style": "waves"}}
