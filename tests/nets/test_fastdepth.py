"""FastDepth: against the published graph, its gradients, any size, and wrong files."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="FastDepth needs the torch extra")

import onnx  # noqa: E402
from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

from sfumato.errors import WeightsError  # noqa: E402
from sfumato.io import weights  # noqa: E402
from sfumato.nets import fastdepth  # noqa: E402


@pytest.fixture(scope="module")
def published():
    return weights.fetch("fastdepth")


@pytest.fixture(scope="module")
def picture(astronaut):
    return torch.from_numpy(astronaut).permute(2, 0, 1)[None]


def test_the_shape_of_the_net():
    net = fastdepth.FastDepth()
    convs = [module for module in net.modules() if isinstance(module, nn.Conv2d)]
    assert len(convs) == 1 + 2 * 13 + 2 * 5 + 1
    assert sum(conv.weight.numel() for conv in convs) == 1_343_664


@pytest.mark.parametrize("size", [(1, 1), (37, 53), (224, 224), (301, 200)])
def test_any_size_gives_one_size(size):
    found = fastdepth.FastDepth()(torch.rand(2, 3, *size))
    assert found.shape == (2, 1, fastdepth.SIDE, fastdepth.SIDE)
    assert found.min() >= 0


def test_one_gradient_for_each_pixel_of_an_odd_size():
    torch.manual_seed(0)
    picture = torch.rand(1, 3, 61, 47, requires_grad=True)
    net = fastdepth.FastDepth()
    nn.init.ones_(net.head.bias)  # past the rectifier at the end
    net(picture).square().sum().backward()
    assert picture.grad.shape == picture.shape
    assert (picture.grad != 0).float().mean() > 0.99


def _normalised_conv(name, weight, source, variance):
    width = len(weight)
    arrays = {
        f"{name}.weight": weight,
        f"{name}.scale": np.full(width, 3.0, np.float32),
        f"{name}.shift": np.full(width, 0.5, np.float32),
        f"{name}.mean": np.full(width, 2.0, np.float32),
        f"{name}.variance": np.full(width, variance, np.float32),
    }
    names = list(arrays)
    nodes = [
        onnx.helper.make_node("Conv", [source, names[0]], [f"{name}.raw"]),
        onnx.helper.make_node(
            "BatchNormalization", [f"{name}.raw", *names[1:]], [f"{name}.out"], epsilon=0.25
        ),
    ]
    return nodes, [onnx.numpy_helper.from_array(array, key) for key, array in arrays.items()]


def _write(path, nodes, initialisers):
    values = [onnx.helper.make_tensor_value_info(n, onnx.TensorProto.FLOAT, None) for n in "xy"]
    graph = onnx.helper.make_graph(nodes, "net", values[:1], values[1:], initialisers)
    onnx.save(onnx.helper.make_model(graph), path)


def test_normalisation_is_folded_in(tmp_path):
    weight = np.arange(6, dtype=np.float32).reshape(2, 3, 1, 1)
    nodes, initialisers = _normalised_conv("a", weight, "x", variance=2.0)
    _write(tmp_path / "one.onnx", nodes, initialisers)
    ((folded, bias),) = fastdepth._folded_convs(tmp_path / "one.onnx")
    np.testing.assert_allclose(folded, weight * 2)  # 3 / sqrt(2 + 0.25)
    np.testing.assert_allclose(bias, [0.5 - 2 * 2] * 2)


@pytest.mark.parametrize("content", ["another net", "no normalisation", "no graph"])
def test_a_file_with_other_contents_is_refused(content, tmp_path):
    path = tmp_path / "other.onnx"
    nodes, initialisers = _normalised_conv("a", np.ones((2, 3, 1, 1), np.float32), "x", 1.0)
    if content == "no graph":
        path.write_bytes(b"not a graph")
    else:
        _write(path, nodes if content == "another net" else nodes[:1] * 2, initialisers)
    with pytest.raises(WeightsError, match=r"other\.onnx does not hold FastDepth"):
        fastdepth.load(path)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError):
        fastdepth.load(tmp_path / "absent.onnx")


@pytest.mark.weights
def test_against_the_published_graph(published, picture):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # the file carries initialisers that nothing uses
    session = onnxruntime.InferenceSession(
        str(published), options, providers=["CPUExecutionProvider"]
    )
    square = F.interpolate(picture, (224, 224), mode="bilinear", antialias=True)
    (expected,) = session.run(None, {session.get_inputs()[0].name: square.numpy()})
    with torch.no_grad():
        net = fastdepth.load(published)
        for given in (square, picture):
            np.testing.assert_allclose(net(given).numpy(), expected, atol=1e-4)
    assert 0.5 < expected.min() < expected.max() < 10  # metres, in a photograph of a person
    assert expected.std() > 0.2


@pytest.mark.weights
def test_it_is_frozen_but_passes_gradients_on(published, picture):
    net = fastdepth.load(published)
    assert not net.training
    assert not any(parameter.requires_grad for parameter in net.parameters())
    given = picture.clone().requires_grad_()
    net(given).mean().backward()
    assert given.grad.abs().max() > 0


@pytest.mark.weights
@pytest.mark.slow
def test_gradients_against_finite_differences(published, picture):
    net = fastdepth.load(published).double()
    given = F.interpolate(picture.double(), (97, 131), mode="area").requires_grad_()
    draw = torch.Generator().manual_seed(1)
    way, along = (
        torch.randn(1, channels, *size, generator=draw, dtype=torch.float64)
        for channels, size in ((3, (97, 131)), (1, (224, 224)))
    )
    (gradient,) = torch.autograd.grad((net(given) * along).sum(), given)
    step = 1e-8  # millions of rectifiers: a longer step crosses the kinks of some
    with torch.no_grad():
        ahead, behind = ((net(given + s * step * way) * along).sum() for s in (1, -1))
    expected = (ahead - behind) / (2 * step)
    torch.testing.assert_close((gradient * way).sum(), expected, rtol=1e-4, atol=1e-6)


@pytest.mark.weights
def test_near_things_are_near(published, picture):
    """The astronaut stands before the flag and the shuttle's model."""
    with torch.no_grad():
        depth = fastdepth.load(published)(picture)[0, 0]
    suit, wall = depth[140:200, 70:130], depth[20:60, 150:200]
    assert suit.median() < wall.median()
