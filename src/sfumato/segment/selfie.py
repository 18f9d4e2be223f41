"""Person, in milliseconds and coarser (MediaPipe Selfie Segmentation, on LiteRT)."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, Field

from sfumato.errors import WeightsError
from sfumato.io import weights as store
from sfumato.ops.resize import resize
from sfumato.ops.saliency import is_flat, nothing, single
from sfumato.types import Alpha, Context, Image, Segments

CLASSES = ("person",)
WEIGHTS = ("selfie", "selfie-landscape")
REQUIRES = ("ai_edge_litert",)
EXTRA = "selfie"

Model = Literal["auto", "square", "landscape", "both"]


class Options(BaseModel, extra="forbid"):
    """Which of the two nets looks at the picture."""

    model: Model = Field(
        "auto",
        description="square (256 x 256), landscape (256 x 144), auto: by the picture's shape, "
        "or both: the mean of the two",
    )


class Net:
    """One TFLite net from a picture to a person map at the net's own size.

    The interpreter keeps its tensors between set and get, so only one thread may use it at once.
    """

    def __init__(self, path: Path) -> None:
        from ai_edge_litert.interpreter import Interpreter

        try:
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

    def __call__(self, image: Image) -> Alpha:
        """Person probability, float32 ``[h, w]``, of a picture of any size."""
        _, height, width, _ = self._input["shape"]
        batch = resize(image, (int(height), int(width)))[None]  # [1, h, w, 3], 0..1
        with self._lock:
            self._interpreter.set_tensor(self._input["index"], batch)
            self._interpreter.invoke()
            soft: Alpha = self._interpreter.get_tensor(
                self._output["index"]
            )  # a copy: [1, h, w, 1]
        return soft[0, ..., 0].clip(0, 1)


@dataclass(frozen=True)
class Selfie:
    """See :class:`sfumato.types.Segmenter`; one ``person`` segment with soft edges, or none."""

    options: Options
    nets: dict[str, Net] = field(repr=False)
    classes: tuple[str, ...] = CLASSES

    def __call__(self, image: Image) -> Segments:
        if is_flat(image):
            return nothing(image.shape)
        size = image.shape[:2]
        maps = [resize(self.nets[name](image), size) for name in models(self.options.model, size)]
        return single("person", np.mean(maps, axis=0, dtype=np.float32))


def build(options: Options, context: Context) -> Selfie:
    """Fetch the weights and open the nets.

    Raises:
        WeightsError: the weights cannot be had.
    """
    names = WEIGHTS if options.model in ("auto", "both") else models(options.model, (1, 1))
    return Selfie(options, {name: Net(store.fetch(name, context.progress)) for name in names})


def models(choice: Model, size: tuple[int, int]) -> tuple[str, ...]:
    """Weights names of the nets that look at a picture of this height and width."""
    if choice == "both":
        return WEIGHTS
    height, width = size
    # Halfway (in ratio) between 1:1 and the landscape net's 16:9.
    wide = choice == "landscape" or (choice == "auto" and width > 4 / 3 * height)
    return ("selfie-landscape",) if wide else ("selfie",)
