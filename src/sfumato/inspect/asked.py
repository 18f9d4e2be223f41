"""Segmenters in ONNX Runtime, which gives no gradients: one can only ask them."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sfumato import registry
from sfumato.io import weights as store
from sfumato.ops import onnx as runtime
from sfumato.types import Context

if TYPE_CHECKING:
    from torch import nn

DEVICE = "cpu"


@dataclass(frozen=True)
class Asked:
    """A segmenter of the registry whose net is one ONNX file.

    Attributes:
        name: the segmenter's, and its weights'.
    """

    name: str

    def module(self, progress: store.Progress | None = None) -> nn.Module:
        """Pictures to logits.

        Raises:
            WeightsError: the weights cannot be had.
        """
        from sfumato.nets.answering import Answering

        return Answering(self._segmenter(progress))

    def shuffled(self, seed: int) -> nn.Module:
        """The same with the entries of each weight matrix in another order."""
        import onnx

        from sfumato.nets.answering import Answering

        model = onnx.load(str(store.fetch(self.name)))
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
        segmenter: Any = self._segmenter(None)
        return Answering(replace(segmenter, session=session))

    def _segmenter(self, progress: store.Progress | None) -> Any:
        return registry.build("segment", self.name, Context(DEVICE, progress=progress))
