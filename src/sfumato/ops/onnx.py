"""Opens ONNX nets on ONNX Runtime; the one place that knows providers and thread settings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sfumato.errors import UsageError, WeightsError

if TYPE_CHECKING:
    import onnxruntime

_PROVIDER = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "mps": "CoreMLExecutionProvider",
}


_threads = 0


def limit_threads(count: int) -> int:
    """Let sessions opened from now on use so many threads; 0 = as many as there are cores.

    For processes of which several run side by side, and for results that are the same to the
    last bit on any number of cores.

    Returns:
        the limit until now.
    """
    global _threads
    before, _threads = _threads, count
    return before


def session(path: Path, device: str = "auto") -> onnxruntime.InferenceSession:
    """Open an ONNX file for inference.

    Args:
        path: the ONNX file.
        device: ``cpu``, ``cuda``, ``mps`` (Core ML) or ``auto``: CUDA where it starts, else the
            CPU. Core ML is never chosen by itself: it recompiles for every new picture size.

    Raises:
        UsageError: unknown device, or one that this ONNX Runtime does not have or cannot start.
        WeightsError: the file is not an ONNX net.
    """
    import onnxruntime

    provider = choose_provider(device, onnxruntime.get_available_providers())
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = _threads
    settings.log_severity_level = 3  # errors only: a library does not print warnings
    # The process has other work between two nets (matting, blending): idle threads that spin
    # would take the cores from it.
    settings.add_session_config_entry("session.intra_op.allow_spinning", "0")
    providers = list(dict.fromkeys((provider, _PROVIDER["cpu"])))
    try:
        opened = onnxruntime.InferenceSession(str(path), settings, providers=providers)
    except Exception as error:  # ONNX Runtime's own exception classes are not a public name
        raise WeightsError(
            f"{path} cannot be opened as an ONNX net ({_first_line(error)}); "
            "delete the file and let it be fetched again"
        ) from error
    # ONNX Runtime falls back to the CPU in silence when a provider's libraries do not load.
    if device != "auto" and opened.get_providers()[0] != provider:
        raise UsageError(
            f"device {device!r} is known to ONNX Runtime but did not start; "
            "check its drivers and libraries, or use device 'cpu'"
        )
    return opened


def choose_provider(device: str, available: list[str]) -> str:
    """Name of the ONNX Runtime provider for a device, given the providers that are there.

    Raises:
        UsageError: unknown device, or not among the available providers.
    """
    if device == "auto":
        return _PROVIDER["cuda"] if _PROVIDER["cuda"] in available else _PROVIDER["cpu"]
    if device not in _PROVIDER:
        raise UsageError(f"unknown device {device!r}; expected auto, {', '.join(_PROVIDER)}")
    if _PROVIDER[device] not in available:
        package = {"cuda": "onnxruntime-gpu", "mps": "onnxruntime on macOS"}[device]
        raise UsageError(
            f"device {device!r} is not in this ONNX Runtime; install {package}, or use device 'cpu'"
        )
    return _PROVIDER[device]


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]
