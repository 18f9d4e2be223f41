"""Nets that take a picture as ONNX graphs, compared with the net before they are written."""

from __future__ import annotations

import copy
import inspect
import json
import tempfile
import warnings
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import nn

from sfumato.errors import WeightsError
from sfumato.io._files import write_whole
from sfumato.nets.saved import METADATA

TOLERANCE, ROUNDING = 1e-3, 1e-4
"""By how much an exported graph's output may differ: so much of 1, or so much of the largest."""

CHECKED_SIZES = ((64, 96), (75, 131), (129, 97))
"""Heights and widths at which an exported graph is compared with the net."""


def export(
    net: nn.Module, path: Path, *, output: str, header: Mapping[str, Any], half: bool = False
) -> float:
    """Write a net as an ONNX graph and compare it with the net at :data:`CHECKED_SIZES`.

    Input ``image``: float32 ``[1, 3, H, W]``, RGB, 0..1, H and W free.

    Args:
        net: may be in training, and on any device; it is left as it is.
        path: replaced if it exists.
        output: name of the output, float32 ``[1, C, H, W]``.
        header: plain JSON values for the graph's metadata; ``name`` is the net's.
        half: store in half precision what :func:`sfumato.nets.saved.write` does; the graph
            widens it again.

    Returns:
        The largest difference of a number; where ``half``, from the net with the same rounding.

    Raises:
        WeightsError: the graph answers otherwise than the net.
    """
    import onnx

    still = copy.deepcopy(net).cpu().float().eval().requires_grad_(False)
    if half:
        for p in still.parameters():
            p.copy_(p.half() if p.ndim > 1 else p)
    graph = onnx.load_from_string(traced(still, output))
    onnx.helper.set_model_props(graph, {METADATA: json.dumps(header)})
    if half:
        _halve(graph.graph)
    data = graph.SerializeToString()
    worst = _compared(still, data, output, f"the exported graph of {header['name']}", path)
    write_whole(path, data, overwrite=True)
    return worst


def traced(net: nn.Module, output: str) -> bytes:
    """By the exporter that traces: the other one needs a package that is not among ours."""
    known = inspect.signature(torch.onnx.export).parameters
    old: dict[str, Any] = {"dynamo": False} if "dynamo" in known else {}
    buffer = BytesIO()
    with warnings.catch_warnings():  # that it is old, and of each size that is looked at
        warnings.simplefilter("ignore")
        torch.onnx.export(
            net,
            (torch.zeros(1, 3, 96, 128),),
            cast(Any, buffer),
            input_names=["image"],
            output_names=[output],
            dynamic_axes={name: {2: "height", 3: "width"} for name in ("image", output)},
            opset_version=17,
            # Norms are not folded into convolutions, so that matrices keep their values, and in
            # half precision are the same as in a file of weights. Runtimes fold on opening.
            training=torch.onnx.TrainingMode.PRESERVE,
            do_constant_folding=False,
            **old,
        )
    return buffer.getvalue()


def _compared(net: nn.Module, data: bytes, output: str, what: str, path: Path) -> float:
    from sfumato.ops.onnx import session

    worst = 0.0
    with tempfile.TemporaryDirectory() as folder:
        draft = Path(folder) / "draft.onnx"
        draft.write_bytes(data)
        opened = session(draft, "cpu")
        for size in CHECKED_SIZES:
            image = torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(0))
            (found,) = opened.run([output], {"image": image.numpy()})
            expected = net(image).numpy()
            off, scale = (float(np.abs(x).max()) for x in (found - expected, expected))
            # Of an untrained net all numbers can be tiny, and the tolerance would find nothing.
            if not off <= max(TOLERANCE * min(1, scale), ROUNDING * scale):
                raise WeightsError(
                    f"{what} differs from the net by {off:.2g} of {scale:.2g} at {size}; "
                    f"{path} was not written"
                )
            worst = max(worst, off)
    return worst


def _halve(graph: Any) -> None:
    """Replace each matrix that loses nothing by it by its half and a node that widens it."""
    from onnx import TensorProto, helper, numpy_helper

    widen = []
    for tensor in graph.initializer:
        if tensor.data_type != TensorProto.FLOAT or len(tensor.dims) < 2:
            continue
        name, values = tensor.name, numpy_helper.to_array(tensor)
        with np.errstate(over="ignore"):
            small = values.astype(np.float16)
        if np.array_equal(small, values):
            tensor.CopyFrom(numpy_helper.from_array(small, f"{name}.half"))
            widen.append(helper.make_node("Cast", [f"{name}.half"], [name], to=TensorProto.FLOAT))
    nodes = [*widen, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
