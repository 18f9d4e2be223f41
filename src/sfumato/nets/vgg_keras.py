"""VGG-19 in Keras on TensorFlow, with the very weights of :class:`sfumato.nets.vgg.VGG19`.

Only the net itself is Keras's: the file is read, checked and cut to the layers in use by
``nets/vgg.py``, so that both libraries hold the same numbers. Keras pads with zeros where it pads
at all; here, as there, borders are mirrored before each convolution, and a pooling drops the odd
last row or column.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from sfumato.errors import UsageError
from sfumato.io._environment import environment
from sfumato.nets.vgg import VGG19

Tensor: TypeAlias = Any
"""A TensorFlow tensor; TensorFlow tells mypy nothing about itself."""

Read: TypeAlias = Callable[[Tensor], Mapping[str, Tensor]]
"""RGB ``[1, H, W, 3]`` to activations ``[h, w, C]`` by layer name."""

RING = ((0, 0), (1, 1), (1, 1), (0, 0))
"""What a 3x3 convolution sees beyond the border, by axis."""

DURING_IMPORT = {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"}
"""Environment variables while the libraries are imported: Keras chooses its backend then, once
for the process; TensorFlow reports on the processor to the terminal."""


def libraries() -> tuple[Any, Any]:
    """The modules ``keras`` and ``tensorflow``.

    The environment is left as it was. Keras has one backend in a process: where somebody has
    imported it before, theirs stays.

    Raises:
        UsageError: Keras was imported before, on another backend.
    """
    if "keras" in sys.modules:
        keras = sys.modules["keras"]
    else:
        with environment(DURING_IMPORT):
            keras = importlib.import_module("keras")
    if (backend := keras.backend.backend()) != "tensorflow":
        raise UsageError(
            f"Keras was imported with its backend {backend!r} and cannot change it; gatys-keras "
            "needs 'tensorflow': set KERAS_BACKEND=tensorflow before Keras is imported, or use "
            "another process"
        )
    with environment(DURING_IMPORT):
        return keras, importlib.import_module("tensorflow")


def reader(net: VGG19) -> Read:
    """A Keras model of ``net``'s layers and weights.

    Args:
        net: its ``padding`` is ``reflect``; its ``layers`` are what is read.

    Returns:
        Reads one picture ``[1, H, W, 3]``, 0..1, differentiably; float32.
    """
    keras, _ = libraries()
    assert net.padding == "reflect"
    layers = keras.layers
    average = type(net.pool).__name__ == "AvgPool2d"
    pool = layers.AveragePooling2D if average else layers.MaxPooling2D

    def convolved(x: Tensor, conv: Any, name: str) -> Tensor:
        weight = conv.weight.detach().permute(2, 3, 1, 0).cpu().numpy()  # [kh, kw, in, out]
        layer = layers.Conv2D(weight.shape[3], weight.shape[0], trainable=False, name=name)
        x = layer(x)
        layer.set_weights([weight, conv.bias.detach().cpu().numpy()])
        return x

    picture = keras.Input((None, None, 3))
    x = convolved(picture, net.preprocess, "preprocess")
    found = {}
    for name, conv in net.convs.items():
        if name.endswith("_1") and name != "conv1_1":
            x = pool(2, name=f"pool{name[4]}")(x)
        x = convolved(keras.ops.pad(x, RING, mode="reflect"), conv, name)
        found[name] = x
        x = keras.ops.relu(x)
        found[name.replace("conv", "relu")] = x
    model = keras.Model(picture, [found[layer] for layer in net.layers])

    def read(x: Tensor) -> Mapping[str, Tensor]:
        outputs = model(x)
        outputs = outputs if isinstance(outputs, list) else [outputs]
        return {name: output[0] for name, output in zip(net.layers, outputs, strict=True)}

    return read
