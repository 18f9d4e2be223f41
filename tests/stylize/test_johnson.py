"""Nets of one style: which net a style means, files of each kind, sizes, and what is refused."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from sfumato import files, pipeline, registry, styles
from sfumato.errors import MissingExtraError, UsageError, WeightsError
from sfumato.pipeline import Layer
from sfumato.stylize.johnson import Johnson, Options
from sfumato.types import Context, Style

from ..small_nets import negative_net, red_net

PICTURE = np.random.default_rng(0).random((40, 56, 3), dtype=np.float32)


@pytest.fixture
def net(tmp_path):
    return negative_net(tmp_path / "negative.onnx")


def _painter(**options):
    return Johnson(Options(**options), Context(device="cpu"))


def test_a_file_is_a_style(net):
    style = styles.resolve(str(net))
    assert (style.name, style.net, style.path, style.image) == (net.name, "johnson", net, None)
    np.testing.assert_allclose(_painter()(PICTURE, style), 1 - PICTURE, atol=1e-6)


def test_it_chooses_its_stylizer_by_itself(net):
    layer = Layer("everything", styles.resolve(str(net)))
    assert layer.painter == "johnson"
    painting = pipeline.paint(PICTURE, [layer])
    np.testing.assert_allclose(painting.image, 1 - PICTURE, atol=1e-6)
    assert Layer("everything", styles.resolve("waves")).painter == registry.DEFAULTS["stylize"]
    assert Layer("everything", styles.resolve("starry-night")).painter == "magenta"
    job = files.prepare([("everything", str(net), None)])
    assert job.records[0].file.path == str(net)


@pytest.mark.parametrize("name", sorted(path.stem for path in styles.NETS.glob("*.onnx")))
def test_nets_of_the_package(name, astronaut):
    """Each is one of the drawn styles, is small, has its card, and paints."""
    style = styles.resolve(name)
    assert style.image is not None
    assert style.path.stat().st_size < 2e6
    assert style.path.with_suffix(".md").is_file()
    small = np.ascontiguousarray(astronaut[::4, ::4])
    painted = _painter()(small, style)
    assert 0.05 < np.abs(painted - small).mean() < 0.6
    assert painted.std() > 0.1


def test_strokes_grow_and_large_pictures_shrink(net):
    class Recorder(Johnson):
        def _net(self, style):
            def paint(batch):
                self.seen = batch.shape
                return batch

            return paint

    for options, seen in (
        ({}, (400, 600)),
        ({"style_scale": 2}, (200, 300)),
        ({"style_scale": 0.5}, (800, 1200)),
        ({"max_megapixels": 0.1}, (258, 387)),
    ):
        painter = Recorder(Options(**options), Context(device="cpu"))
        content = np.full((400, 600, 3), 0.5, np.float32)
        assert painter(content, Style("x")).shape == (400, 600, 3)
        assert painter.seen == (1, 3, *seen)


def test_a_net_is_opened_once(net, monkeypatch):
    opened = []
    session = registry.importlib.import_module("sfumato.ops.onnx").session
    monkeypatch.setattr("sfumato.ops.onnx.session", lambda *a: opened.append(a) or session(*a))
    painter, style = _painter(), styles.resolve(str(net))
    painter.prepare(style)
    painter(PICTURE, style)
    painter(PICTURE, style)
    assert len(opened) == 1


@pytest.mark.parametrize("suffix", [".safetensors", ".pth", ".onnx"])
def test_the_same_net_in_each_kind_of_file(tmp_path, suffix):
    torch = pytest.importorskip("torch")
    pytest.importorskip("safetensors")
    from sfumato.nets import transformer_net

    torch.manual_seed(0)
    net, path = transformer_net.TransformerNet(4, 1).eval(), tmp_path / f"net{suffix}"
    {
        ".safetensors": lambda: transformer_net.save(net, path),
        ".pth": lambda: torch.save(net.state_dict(), path),
        ".onnx": lambda: transformer_net.export_onnx(net, path),
    }[suffix]()
    painted = _painter()(PICTURE, styles.resolve(str(path)))
    with torch.no_grad():
        expected = net(torch.from_numpy(PICTURE.transpose(2, 0, 1))[None])[0].clamp(0, 1)
    np.testing.assert_allclose(painted, expected.permute(1, 2, 0).numpy(), atol=1e-4)


def test_what_has_no_net_is_refused(tmp_path):
    with pytest.raises(UsageError, match="no net for the style 'mine.jpg'; give a file of one"):
        _painter()(PICTURE, Style("mine.jpg", image=PICTURE))
    with pytest.raises(UsageError, match="no style or file 'gone.onnx'"):
        styles.resolve("gone.onnx")
    path = red_net(tmp_path / "red.onnx")
    with pytest.raises(WeightsError, match="is not a style net of Sfumato's"):
        _painter().prepare(styles.resolve(str(path)))
    path.write_bytes(b"nothing")
    with pytest.raises(WeightsError, match="cannot be opened as an ONNX net"):
        _painter().prepare(styles.resolve(str(path)))


def test_the_missing_extra_is_named(tmp_path, monkeypatch):
    (tmp_path / "net.pth").touch()
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtraError, match=r"sfumato\[torch\]"):
        _painter().prepare(styles.resolve(str(tmp_path / "net.pth")))


def test_other_stylizers_need_a_picture(net):
    style = styles.resolve(str(net))
    with pytest.raises(UsageError, match=r"magenta has no style 'negative.onnx'"):
        registry.build("stylize", "magenta", Context(device="cpu")).prepare(style)


def test_a_graph_needs_no_torch(net):
    script = f"""
import sys, numpy as np
from sfumato import registry, styles
from sfumato.types import Context
paint = registry.build("stylize", "johnson", Context(device="cpu"))
paint(np.zeros((8, 8, 3), np.float32), styles.resolve({str(net)!r}))
print("torch" in sys.modules)
"""
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout == "False\n"
