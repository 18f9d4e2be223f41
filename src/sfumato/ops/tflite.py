"""Opens TFLite nets on LiteRT (the ``selfie`` extra)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sfumato.errors import WeightsError
from sfumato.ops.resize import resize
from sfumato.types import Image

STDERR = 2


class Net:
    """One TFLite net with a picture as its input and one output.

    The interpreter keeps its tensors between set and get, so only one thread may use it at once.

    Raises:
        WeightsError: the file is not a TFLite net.
    """

    def __init__(self, path: Path) -> None:
        from ai_edge_litert.interpreter import Interpreter

        try:
            with _muted():
                self._interpreter: Any = Interpreter(model_path=str(path), num_threads=2)
                self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise WeightsError(
                f"{path} cannot be opened as a TFLite net ({str(error).splitlines()[0]}); "
                "delete the file and let it be fetched again"
            ) from error
        (self._input,) = self._interpreter.get_input_details()
        (self._output,) = self._interpreter.get_output_details()
        self._lock = Lock()

    def __call__(self, image: Image, low: float = 0.0, high: float = 1.0) -> NDArray[np.float32]:
        """The output, float32 ``[h, w, C]``, for a picture of any size.

        Args:
            image: float32 ``[H, W, 3]``, 0..1.
            low, high: what the net wants to see in place of 0 and 1.
        """
        _, height, width, _ = self._input["shape"]
        small = resize(image, (int(height), int(width)))
        batch = small[None] if (low, high) == (0, 1) else (small * (high - low) + low)[None]
        with self._lock:
            self._interpreter.set_tensor(self._input["index"], batch)  # [1, h, w, 3]
            self._interpreter.invoke()
            output: NDArray[np.float32] = self._interpreter.get_tensor(
                self._output["index"]
            )  # a copy: [1, h, w, C]
        return np.asarray(output[0], dtype=np.float32)


@contextmanager
def _muted() -> Iterator[None]:
    """LiteRT announces its delegate on the process's standard error, and takes no word not to."""
    try:
        kept = os.dup(STDERR)
    except OSError:  # closed
        yield
        return
    try:
        with Path(os.devnull).open("wb") as nowhere:
            os.dup2(nowhere.fileno(), STDERR)
        yield
    finally:
        os.dup2(kept, STDERR)
        os.close(kept)
