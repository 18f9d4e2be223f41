import numpy as np
import pytest

from sfumato.errors import UsageError, WeightsError
from sfumato.ops.onnx import choose_provider, session

CPU, CUDA, COREML = "CPUExecutionProvider", "CUDAExecutionProvider", "CoreMLExecutionProvider"


@pytest.fixture
def doubler(tmp_path):
    """An ONNX file that adds its input to itself."""
    onnx = pytest.importorskip("onnx")
    h = onnx.helper
    x, y = (h.make_tensor_value_info(n, onnx.TensorProto.FLOAT, [None]) for n in "xy")
    graph = h.make_graph([h.make_node("Add", ["x", "x"], ["y"])], "doubler", [x], [y])
    path = tmp_path / "doubler.onnx"
    onnx.save(h.make_model(graph, opset_imports=[h.make_opsetid("", 17)], ir_version=8), path)
    return path


@pytest.mark.parametrize("device", ["cpu", "auto"])
def test_session_runs_a_net(doubler, device):
    (y,) = session(doubler, device).run(None, {"x": np.float32([1, 2.5])})
    np.testing.assert_array_equal(y, [2, 5])


@pytest.mark.parametrize(
    ("device", "available", "provider"),
    [
        ("auto", [CPU], CPU),
        ("auto", [CUDA, CPU], CUDA),
        ("auto", [COREML, CPU], CPU),
        ("cpu", [CUDA, CPU], CPU),
        ("cuda", [CUDA, CPU], CUDA),
        ("mps", [COREML, CPU], COREML),
    ],
)
def test_provider_for_a_device(device, available, provider):
    assert choose_provider(device, available) == provider


@pytest.mark.parametrize("device", ["cuda", "mps"])
def test_a_device_that_is_not_there_is_named_with_the_way_out(device):
    with pytest.raises(UsageError, match=rf"{device}.*'cpu'"):
        choose_provider(device, [CPU])


def test_an_unknown_device_lists_the_known_ones(doubler):
    with pytest.raises(UsageError, match=r"'tpu'; expected auto, cpu, cuda, mps"):
        session(doubler, "tpu")


def test_a_device_that_does_not_start_is_an_error_unless_chosen_automatically(doubler, monkeypatch):
    import onnxruntime

    opened = onnxruntime.InferenceSession(str(doubler), providers=[CPU])
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [CUDA, CPU])
    monkeypatch.setattr(onnxruntime, "InferenceSession", lambda *_, **__: opened)  # fell back
    with pytest.raises(UsageError, match="did not start"):
        session(doubler, "cuda")
    assert session(doubler, "auto") is opened


@pytest.mark.parametrize("content", [b"", b"this is no net"])
def test_a_file_that_is_no_net_is_an_error_with_its_name(tmp_path, content):
    path = tmp_path / "broken.onnx"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=r"broken\.onnx"):
        session(path)
