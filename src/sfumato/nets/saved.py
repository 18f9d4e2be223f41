"""Nets in safetensors files: their tensors, and beside them what it takes to build them again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sfumato.errors import MissingExtraError, UsageError, WeightsError
from sfumato.io._files import write_whole

METADATA = "sfumato"  # key of the JSON in a file's metadata


def write(
    path: Path, state: Mapping[str, Tensor], header: Mapping[str, Any], *, half: bool = False
) -> None:
    """Write tensors and a header of plain JSON values; the file is replaced in one go.

    Args:
        half: store convolutions and other matrices in half precision; norms, biases and
            statistics, which are small and may be large numbers, stay as they are.

    Raises:
        UsageError: values that JSON cannot hold.
        WeightsError: numbers that are not finite, or in half precision would not be.
        MissingExtraError: ``safetensors`` is not installed.
    """
    try:
        from safetensors.torch import save as to_bytes
    except ImportError:
        raise MissingExtraError("a safetensors file", "train") from None
    try:
        text = json.dumps(header, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise UsageError(f"only plain JSON values can be kept about a net: {error}") from None
    kept = {}
    for key, x in state.items():
        x = x.detach().cpu()
        x = x.half() if half and x.ndim > 1 and x.is_floating_point() else x
        check_finite(key, x, path)
        kept[key] = x.clone(memory_format=torch.contiguous_format)
    write_whole(path, to_bytes(kept, {"format": "pt", METADATA: text}), overwrite=True)


def check_finite(key: str, x: Tensor, path: Path) -> None:
    """Raise WeightsError unless every number is one."""
    if not torch.isfinite(x).all():
        raise WeightsError(f"{key} has numbers that are not finite ({path})")


def check_shapes(found: Mapping[str, list[int]], expected: Mapping[str, list[int]]) -> None:
    """Raise WeightsError, naming one tensor, unless names and shapes are the expected ones."""
    if found != expected:
        odd = min(k for k in {*found, *expected} if found.get(k) != expected.get(k))
        raise WeightsError(
            f"{odd} is {found.get(odd, 'missing')}, expected {expected.get(odd, 'none')}"
        )


def read_checkpoint(path: Path) -> Mapping[str, Tensor]:
    """The named tensors in a file of torch, which is never trusted to run code.

    Raises:
        WeightsError: it cannot be read so, or holds something else.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except OSError:
        raise
    except Exception as error:  # unpickling fails in many ways
        raise WeightsError(f"{path} cannot be read as weights of torch: {error}") from error
    if not isinstance(state, Mapping) or not all(
        isinstance(key, str) and isinstance(x, Tensor) for key, x in state.items()
    ):
        raise WeightsError(f"{path} does not hold named tensors but {type(state).__name__}")
    return state
