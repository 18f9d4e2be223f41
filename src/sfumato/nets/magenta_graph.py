"""Magenta's style painters as plain float ONNX graphs of any picture size.

The published files hold the right weights in graphs that are hard to use: the arbitrary pair is
quantised to int8 with every size fixed, the 26-style net spells instance normalisation in ten
nodes. Both are one architecture in different widths (Johnson 2016's transformer with nearest
upsampling and conditional instance normalisation: Dumoulin 2017, "A learned representation for
artistic style"; Ghiasi 2017, "Exploring the structure of a real-time, arbitrary neural artistic
stylization network"). So the weights are read out once and one graph is written for both.

Needs the ``onnx`` package, but only when a graph is written: the result is kept in the cache.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

Floats = NDArray[np.float32]

EPSILON = 1e-5  # of both published nets


@dataclass(frozen=True)
class Norm:
    """Conditional instance normalisation: its scale and shift are linear in the style's code.

    Attributes:
        scale, shift: float32 ``[N, C]``; the code (N numbers) times this ...
        scale_bias, shift_bias: float32 ``[C]``; ... plus this.
    """

    scale: Floats
    shift: Floats
    scale_bias: Floats
    shift_bias: Floats


@dataclass(frozen=True)
class Layer:
    """A convolution, ``weight`` ``[out, in, k, k]``, reflection-padded; then perhaps a norm."""

    weight: Floats
    bias: Floats | None = None
    norm: Norm | None = None


def write_predictor(source: Path, target: Path) -> None:
    """Write the style predictor (256 x 256 picture to 100-number code) as a float graph."""
    onnx.save(_dequantised(onnx.load(source)), target)


def write_arbitrary(source: Path, target: Path) -> None:
    """Write the painter that takes the predictor's code; see :func:`painter`."""
    convolutions = _convolutions(_dequantised(onnx.load(source)))

    def layer(name: str) -> Layer:
        weight, bias = convolutions[f"transformer/{name}"]
        if name.startswith("contract"):  # batch normalisation is folded into these
            return Layer(weight, bias)
        style = f"style_params/transformer/{name}/StyleNorm"
        (scale, scale_bias), (shift, shift_bias) = (
            convolutions[f"{style}/{part}"] for part in ("Conv_1", "Conv")
        )
        # [C, N, 1, 1] -> [N, C]
        norm = Norm(scale[:, :, 0, 0].T, shift[:, :, 0, 0].T, scale_bias, shift_bias)
        return Layer(weight, None, norm)

    names = [f"contract/conv{i}" for i in (1, 2, 3)]
    names += [f"residual/residual{i}/conv{j}" for i in range(1, 6) for j in (1, 2)]
    names += [f"expand/conv{i}/conv" for i in (1, 2, 3)]
    onnx.save(painter([layer(name) for name in names]), target)


def write_multistyle(source: Path, target: Path) -> None:
    """Write the painter that holds 26 styles (the code weighs them); see :func:`painter`."""
    graph = onnx.load(source).graph
    values = {t.name: numpy_helper.to_array(t) for t in graph.initializer}

    def layer(name: str) -> Layer:
        scale, shift = values[f"{name}.norm.gamma"], values[f"{name}.norm.beta"]
        none = np.zeros(scale.shape[1], np.float32)
        return Layer(values[f"{name}.w"], None, Norm(scale, shift, none, none))

    names = [node.input[1].removesuffix(".w") for node in graph.node if node.op_type == "Conv"]
    onnx.save(painter([layer(name) for name in names]), target)


def painter(layers: Sequence[Layer]) -> onnx.ModelProto:
    """The whole net: three convolutions down to a quarter, residual blocks, three up again.

    Inputs: ``image`` float32 ``[1, H, W, 3]``, 0..1, sides divisible by 4 and at least 8;
    ``code`` float32 ``[N]``; ``region`` float32 ``[1, 1, H, W]``, not negative and not all 0.
    Output: ``painted`` float32 ``[1, H, W, 3]``, 0..1.

    The statistics of every instance normalisation are weighted by ``region``, so that what lies
    outside does not colour what lies inside. A departure from the papers; all ones is theirs.

    Args:
        layers: three contracting ones, residual pairs, three expanding ones.
    """
    net = _Net()
    norms = iter(net.norms([layer.norm for layer in layers if layer.norm]))
    down, middle, up = layers[:3], layers[3:-3], layers[-3:]
    weights = net.weights("region")

    def apply(layer: Layer, x: str, level: int, activation: str = "", stride: int = 1) -> str:
        x = net.convolve(x, layer, stride)
        if layer.norm:
            x = net.normalise(x, *next(norms), weights[level])
        return net.op(activation, x) if activation else x

    x = net.op("Transpose", "image", perm=[0, 3, 1, 2])
    for level, layer in enumerate(down):
        x = apply(layer, x, level, "Relu", stride=2 if level else 1)
    for first, second in zip(middle[::2], middle[1::2], strict=True):
        x = net.op("Add", x, apply(second, apply(first, x, 2, "Relu"), 2))
    for level, layer in zip((1, 0), up, strict=False):
        x = apply(layer, net.double(x), level, "Relu")
    x = apply(up[-1], x, 0, "Sigmoid")
    net.op("Transpose", x, perm=[0, 2, 3, 1])
    return net.model()


class _Net:
    """Collects nodes and constants; every method returns the name of the tensor it adds."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def op(self, kind: str, *inputs: str, **attributes: Any) -> str:
        name = f"{kind}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [name], **attributes))
        return name

    def constant(self, value: Any, dtype: str = "float32") -> str:
        name = f"constant_{len(self.constants)}"
        array = np.ascontiguousarray(value, dtype=dtype)
        self.constants.append(numpy_helper.from_array(array, name))
        return name

    def norms(self, norms: Sequence[Norm]) -> list[tuple[str, str]]:
        """The (scale, shift) pair of each norm, all computed from the code by one product."""
        matrix = np.concatenate([part for n in norms for part in (n.scale, n.shift)], axis=1)
        bias = np.concatenate([part for n in norms for part in (n.scale_bias, n.shift_bias)])
        product = self.op("MatMul", "code", self.constant(matrix))
        sizes = [size for n in norms for size in (n.scale.shape[1],) * 2]
        names = [f"style_{i}" for i in range(len(sizes))]
        inputs = [self.op("Add", product, self.constant(bias)), self.constant(sizes, "int64")]
        self.nodes.append(helper.make_node("Split", inputs, names, axis=0))
        return list(zip(names[::2], names[1::2], strict=True))

    def weights(self, region: str) -> list[str]:
        """``[H*W, 1]`` columns of sum 1, for the layers at full, half and quarter size."""
        halve = {"kernel_shape": [2, 2], "strides": [2, 2]}
        half = self.op("AveragePool", region, **halve)
        levels = region, half, self.op("AveragePool", half, **halve)
        column = self.constant([-1, 1], "int64")
        return [
            self.op("Reshape", self.op("Div", level, self.op("ReduceSum", level)), column)
            for level in levels
        ]

    def convolve(self, x: str, layer: Layer, stride: int) -> str:
        margin = layer.weight.shape[-1] // 2
        pads = self.constant([0, 0, margin, margin] * 2, "int64")
        x = self.op("Pad", x, pads, mode="reflect")
        constants = [self.constant(v) for v in (layer.weight, layer.bias) if v is not None]
        return self.op("Conv", x, *constants, strides=[stride, stride])

    def normalise(self, x: str, scale: str, shift: str, weights: str) -> str:
        # With moments of our own, batch normalisation is instance normalisation. As products with
        # a column they are as fast here as the InstanceNormalization node, which takes no weights.
        flat = self.op("Reshape", x, self.constant([0, 0, -1], "int64"))  # [1, C, H*W]
        mean = self.op("MatMul", flat, weights)  # [1, C, 1]
        difference = self.op("Sub", flat, mean)
        variance = self.op("MatMul", self.op("Mul", difference, difference), weights)
        mean, variance = (
            self.op("Reshape", moment, self.constant([-1], "int64")) for moment in (mean, variance)
        )
        return self.op("BatchNormalization", x, scale, shift, mean, variance, epsilon=EPSILON)

    def double(self, x: str) -> str:
        rule = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
        return self.op("Resize", x, "", self.constant([1, 1, 2, 2]), mode="nearest", **rule)

    def model(self) -> onnx.ModelProto:
        self.nodes[-1].output[0] = "painted"
        height, width = "height", "width"
        inputs = [
            _floats("image", 1, height, width, 3),
            _floats("code", None),
            _floats("region", 1, 1, height, width),
        ]
        painted = _floats("painted", 1, height, width, 3)
        graph = helper.make_graph(self.nodes, "painter", inputs, [painted], self.constants)
        opset = helper.make_opsetid("", 17)
        return helper.make_model(graph, opset_imports=[opset], ir_version=8)


def _floats(name: str, *shape: int | str | None) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def _dequantised(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same net in floats: weights dequantised, the rounding of activations left out.

    The rounding was there for phones. Without it the pictures lose the int8 nets' dotted noise.
    """
    values = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    stands_for: dict[str, str] = {}
    nodes = []
    for node in model.graph.node:
        inputs = [stands_for.get(name, name) for name in node.input]
        if node.op_type == "DequantizeLinear" and node.input[0] in values:
            quantised, scale, zero = (values[name] for name in node.input)
            # Scales go along the first axis: [C] -> [C, 1, 1, 1].
            scale, zero = (v.reshape(v.shape + (1,) * (quantised.ndim - 1)) for v in (scale, zero))
            exact = (quantised.astype(np.float32) - zero) * scale
            values[node.output[0]] = exact.astype(np.float32).reshape(quantised.shape)
        elif node.op_type in ("QuantizeLinear", "DequantizeLinear"):
            stands_for[node.output[0]] = inputs[0]
        else:
            kept = helper.make_node(node.op_type, inputs, node.output, node.name)
            kept.attribute.extend(node.attribute)
            nodes.append(kept)
    used = {name for node in nodes for name in node.input}
    constants = [numpy_helper.from_array(v, n) for n, v in values.items() if n in used]
    outputs = list(model.graph.output)
    for output in outputs:
        output.name = stands_for.get(output.name, output.name)
    graph = helper.make_graph(nodes, "float", model.graph.input, outputs, constants)
    return helper.make_model(graph, opset_imports=model.opset_import, ir_version=8)


def _convolutions(model: onnx.ModelProto) -> dict[str, tuple[Floats, Floats]]:
    """Weight and bias of every convolution, by its scope's name."""
    values = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    return {
        node.input[1].removesuffix("/weights_dequant"): (
            values[node.input[1]],
            values[node.input[2]],
        )
        for node in model.graph.node
        if node.op_type == "Conv"
    }
