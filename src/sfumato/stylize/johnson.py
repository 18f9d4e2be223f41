"""One small net for one style, trained for it: the package's own, or yours from a file.

Johnson, Alahi and Fei-Fei 2016, "Perceptual losses for real-time style transfer and
super-resolution". ONNX files run on ONNX Runtime; for other files torch is imported.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from sfumato.errors import MissingExtraError, UsageError, WeightsError
from sfumato.ops import onnx, resize
from sfumato.types import Alpha, Context, Image, Progress, Style, no_progress

Batch: TypeAlias = NDArray[np.float32]
"""One picture, float32 ``[1, 3, H, W]``."""

Net: TypeAlias = Callable[[Batch], Batch]

METADATA, NAME = "sfumato", "transformer"
"""Key of the JSON in a graph's metadata, and the name in it of the nets that paint."""


class Options(BaseModel, extra="forbid"):
    """How a net of one style paints."""

    style_scale: float = Field(
        1.0, ge=0.25, le=4, description="Size of the strokes; 2 = twice as large."
    )
    max_megapixels: float = Field(
        4.0,
        ge=0.1,
        le=128,
        description="Larger work is painted at this size and enlarged. It cannot be painted in "
        "parts, because each layer is normalised over the whole picture. A megapixel takes about "
        "0.6 GB of memory with a net of width 16, 1.2 GB with one of width 32.",
    )


def build(options: Options, context: Context) -> Johnson:
    """The stylizer; a net is opened when its style first comes."""
    return Johnson(options, context)


class Johnson:
    """Paints a picture in one pass; see :class:`sfumato.types.Stylizer`."""

    supports_region = False  # the norms' statistics are the whole picture's

    def __init__(self, options: Options, context: Context) -> None:
        self._options, self._context = options, context
        self._nets: dict[Path, Net] = {}

    def __call__(
        self,
        content: Image,
        style: Style,
        *,
        region: Alpha | None = None,  # noqa: ARG002
        progress: Progress = no_progress,
    ) -> Image:
        """Paint ``content``; the result has exactly its size.

        Raises:
            UsageError: no net paints in this style.
            WeightsError: the style's file holds no such net.
            MissingExtraError: it needs torch.
        """
        net = self._net(style)
        progress(0.1)
        work = resize.resize(content, self._work_shape(content))
        painted = net(np.ascontiguousarray(work.transpose(2, 0, 1)[None]))[0].transpose(1, 2, 0)
        progress(1.0)
        return resize.resize(np.clip(painted, 0, 1), content.shape[:2])

    def prepare(self, style: Style) -> None:
        """Open the net before there is anything to paint.

        Raises:
            UsageError, WeightsError, MissingExtraError: as for a call.
        """
        self._net(style)

    def _work_shape(self, content: Image) -> tuple[int, int]:
        """Strokes have a fixed size in pixels: painting smaller and enlarging makes them larger."""
        height, width = content.shape[:2]
        limit = math.sqrt(self._options.max_megapixels * 1e6 / (height * width))
        scale = min(1 / self._options.style_scale, limit)
        return max(1, round(height * scale)), max(1, round(width * scale))

    def _net(self, style: Style) -> Net:
        if style.path is None:
            raise UsageError(
                f"johnson has no net for the style {style.name!r}; give a file of one "
                "(.safetensors, .onnx, .pth), a style that 'sfumato styles' lists for it, or train "
                "one with 'sfumato train style'"
            )
        if style.path not in self._nets:
            is_graph = style.path.suffix.lower() == ".onnx"
            open_ = _of_graph if is_graph else _of_weights
            self._nets[style.path] = open_(style.path, self._context.device)
        return self._nets[style.path]


def _of_graph(path: Path, device: str) -> Net:
    """A graph that ``sfumato train style`` wrote."""
    session = onnx.session(path, device)
    known = session.get_modelmeta().custom_metadata_map.get(METADATA, "{}")
    if json.loads(known).get("name") != NAME:
        raise WeightsError(
            f"{path} is not a style net of Sfumato's; expected an ONNX file that 'sfumato train "
            "style' wrote, or a checkpoint of the public layout (.pth)"
        )
    return lambda picture: np.asarray(session.run(None, {"image": picture})[0], np.float32)


def _of_weights(path: Path, device: str) -> Net:
    try:
        import torch
    except ImportError:
        raise MissingExtraError(f"the style net {path.name}", "torch") from None
    from sfumato.nets import transformer_net
    from sfumato.nets.device import choose_device, place

    where = choose_device(device)
    net = place(transformer_net.load(path), where)

    def paint(picture: Batch) -> Batch:
        with torch.inference_mode():
            return np.asarray(net(torch.from_numpy(picture).to(where)).cpu().numpy(), np.float32)

    return paint
