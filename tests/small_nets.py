"""ONNX nets of a few nodes, written where a test needs one."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

FLOAT, INT = TensorProto.FLOAT, TensorProto.INT64


def red_net(path: Path, names=("background", "person"), shape=("height", "width"), **metadata):
    """A segmenter in Sfumato's own layout: the more red, the more of the last class.

    Logits are 20 (R - 0.5) for the last class, 0 for the others.
    """
    weight = np.zeros((len(names), 3, 1, 1), np.float32)
    weight[-1, 0] = 20
    bias = np.zeros(len(names), np.float32)
    bias[-1] = -10
    node = helper.make_node("Conv", ["image", "weight", "bias"], ["logits"])
    header = {"name": "unet", "class_names": list(names), "about": {}}
    return _write(
        path,
        [node],
        {"weight": weight, "bias": bias},
        [_value("image", [1, 3, *shape])],
        [_value("logits", [1, len(names), *shape])],
        metadata or {"sfumato": json.dumps(header)},
    )


def negative_net(path: Path, name="transformer"):
    """A style net in Sfumato's own layout: it paints the negative."""
    weight = -np.eye(3, dtype=np.float32)[..., None, None]
    node = helper.make_node("Conv", ["image", "weight", "bias"], ["painting"])
    return _write(
        path,
        [node],
        {"weight": weight, "bias": np.ones(3, np.float32)},
        [_value("image", [1, 3, "height", "width"])],
        [_value("painting", [1, 3, "height", "width"])],
        {"sfumato": json.dumps({"name": name, "about": {}})},
    )


def answering(path: Path, outputs: dict[str, np.ndarray], shape=(1, 3, 64, 64), **metadata):
    """A net that gives the same arrays whatever picture it sees."""
    nodes = [helper.make_node("Identity", [f"{name}.kept"], [name]) for name in outputs]
    kept = {f"{name}.kept": array for name, array in outputs.items()}
    told = [
        _value(name, list(array.shape), INT if array.dtype.kind == "i" else FLOAT)
        for name, array in outputs.items()
    ]
    return _write(path, nodes, kept, [_value("images", list(shape))], told, metadata)


def two_things(path: Path, names="{0: 'person'}", shape=(1, 3, 64, 64)):
    """YOLO-seg's layout, 64 x 64: a large person on the left, seen twice; a small one on the right.

    The one on the left fills x 4..28 and y 8..56 (doubled a pixel aside, less sure), the one on
    the right x 40..52 and y 16..40. Prototypes are the two halves.
    """
    left, double, right, faint = (
        [16, 32, 24, 48, 0.9, 8, -8],
        [17, 32, 24, 48, 0.7, 8, -8],
        [46, 28, 12, 24, 0.8, -8, 8],
        [32, 32, 60, 60, 0.2, 8, 9],
    )
    prototypes = np.full((1, 2, 16, 16), -1, np.float32)
    prototypes[0, 0, :, :8] = 1  # the left half, for shares 8, -8: logits 16
    prototypes[0, 1, :, 8:] = 1
    predictions = np.array([left, double, right, faint], np.float32).T[None]
    outputs = {"output0": predictions, "output1": prototypes}
    return answering(path, outputs, shape, names=names)


def _value(name, shape, kind=FLOAT):
    return helper.make_tensor_value_info(name, kind, shape)


def _write(path, nodes, initialisers, inputs, outputs, metadata) -> Path:
    tensors = [numpy_helper.from_array(array, name) for name, array in initialisers.items()]
    graph = helper.make_graph(nodes, "small", inputs, outputs, tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    helper.set_model_props(model, metadata)
    onnx.save(model, path)
    return path
