"""Segmenters in ONNX Runtime, which gives no gradients: one can only ask them."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from sfumato import registry
from sfumato.io import weights as store
from sfumato.ops import onnx as runtime
from sfumato.types import Context

if TYPE_CHECKING:
    from torch import nn

DEVICE = "cpu"


def module(name: str, progress: store.Progress | None = None) -> nn.Module:
    """A segmenter of the registry whose net is one ONNX file of the same name: pictures to logits.

    Raises:
        WeightsError: the weights cannot be had.
    """
    from sfumato.nets.answering import Answering

    return Answering(registry.build("segment", name, Context(DEVICE, progress=progress)))


def shuffled(name: str, own: nn.Module, seed: int) -> nn.Module:
    """The same with the entries of each weight matrix in another order."""
    import onnx

    from sfumato.nets.answering import Answering

    model = onnx.load(str(store.fetch(name)))
    rng = np.random.default_rng(seed)
    for tensor in model.graph.initializer:
        values = onnx.numpy_helper.to_array(tensor)
        if values.ndim > 1 and np.issubdtype(values.dtype, np.floating):
            mixed = rng.permutation(values.ravel()).reshape(values.shape)
            tensor.CopyFrom(onnx.numpy_helper.from_array(mixed, tensor.name))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "shuffled.onnx"
        onnx.save(model, str(path))
        session = runtime.session(path, DEVICE)
    segmenter: Any = cast(Answering, own).segmenter
    return Answering(replace(segmenter, session=session))
