"""Magenta's fast nets on ONNX Runtime: any picture as style, and 26 styles of their own.

Dumoulin, Shlens, Kudlur 2017, "A learned representation for artistic style" (the 26 styles) and
Ghiasi et al. 2017, "Exploring the structure of a real-time, arbitrary neural artistic stylization
network" (any picture), both painted at the content's true size.
"""

from __future__ import annotations

import hashlib
import math
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from sfumato.errors import UsageError
from sfumato.io import weights
from sfumato.ops import onnx, resize
from sfumato.types import Alpha, Context, Image, Progress, Style, no_progress

if TYPE_CHECKING:
    import onnxruntime

WEIGHTS = ("magenta-predict", "magenta-transform", "magenta-26")

STYLES = 26
STYLE_SIDE = 256  # the predictor's fixed input
WRITER = Path(__file__).parents[1] / "nets" / "magenta_graph.py"

GRAIN_SIDE = 256  # of the patch of noise that is repeated over the picture

# Share of the whole picture in a region's statistics: a region of a few pixels has none of its own.
FLOOR = 1e-3


class Options(BaseModel, extra="forbid"):
    """How Magenta's nets paint."""

    style_scale: float = Field(
        1.0, ge=0.25, le=4, description="Size of the strokes; 2 = twice as large."
    )
    interpolation: float = Field(
        1.0,
        ge=0,
        le=1,
        description="Way from the photo's own style (0) to the asked one (1); style pictures only.",
    )
    grain: float = Field(
        0.012,
        ge=0,
        le=0.1,
        description="Fine noise given to the photo first, as a share of white; without it the "
        "strokes trace the 256 steps of flat walls and skies.",
    )
    max_megapixels: float = Field(
        6.0,
        ge=0.1,
        le=128,
        description="Larger work is painted at this size and enlarged. A megapixel takes about "
        "0.3 GB of memory with a style picture, 0.8 GB with one of the net's own styles.",
    )


def build(options: Options, context: Context) -> Magenta:
    """The stylizer; nets are opened when a style first needs them."""
    return Magenta(options, context)


class Magenta:
    """Paints a picture in one pass; see :class:`sfumato.types.Stylizer`.

    With a region, every layer's statistics are taken inside it, softly weighted, so that what is
    not painted does not colour what is.
    """

    supports_region = True

    def __init__(self, options: Options, context: Context) -> None:
        self._options, self._context = options, context
        self._sessions: dict[str, onnxruntime.InferenceSession] = {}
        self._codes: dict[bytes, NDArray[np.float32]] = {}
        side = (GRAIN_SIDE, GRAIN_SIDE)
        self._noise = np.random.default_rng(context.seed).standard_normal(side, np.float32)

    def __call__(
        self,
        content: Image,
        style: Style,
        *,
        region: Alpha | None = None,
        progress: Progress = no_progress,
    ) -> Image:
        """Paint ``content``; the result has exactly its size.

        Raises:
            UsageError: the style lives in another net, or has no such number.
            WeightsError: a net's weights cannot be had.
        """
        work = resize.resize(content, self._work_shape(content))
        net, code = self._code(style)
        if style.image is not None and self._options.interpolation < 1:
            own = self._predict(content)
            code = own + np.float32(self._options.interpolation) * (code - own)
        progress(0.1)
        share = np.ones(work.shape[:2], np.float32) if region is None else _share(region, work)
        inputs = {
            "image": resize.pad_to_multiple(self._grained(work), 4, minimum=8)[None],
            "region": resize.pad_to_multiple(share, 4, minimum=8)[None, None],
            "code": code,
        }
        painted = self._session(net).run(None, inputs)[0][0]
        painted = painted[: work.shape[0], : work.shape[1]]
        progress(1.0)
        return resize.resize(painted, content.shape[:2])

    def _grained(self, work: Image) -> Image:
        """The picture with fine grey noise, the same for the same seed."""
        if not self._options.grain:
            return work
        height, width = work.shape[:2]
        across = (-(-height // GRAIN_SIDE), -(-width // GRAIN_SIDE))
        noise = self._options.grain * np.tile(self._noise, across)[:height, :width, None]
        return np.clip(work + noise, 0, 1)

    def _work_shape(self, content: Image) -> tuple[int, int]:
        """Strokes have a fixed size in pixels: painting smaller and enlarging makes them larger."""
        height, width = content.shape[:2]
        limit = math.sqrt(self._options.max_megapixels * 1e6 / (height * width))
        scale = min(1 / self._options.style_scale, limit)
        return max(1, round(height * scale)), max(1, round(width * scale))

    def prepare(self, style: Style) -> None:
        """Open the nets and read the style before there is anything to paint.

        Raises:
            UsageError, WeightsError: as for a call.
        """
        net, _ = self._code(style)
        self._session(net)

    def _code(self, style: Style) -> tuple[str, NDArray[np.float32]]:
        """The painter that holds the style, and the style as that painter's numbers."""
        if style.image is None:
            if style.net != "magenta" or not 0 <= style.index < STYLES:
                raise UsageError(
                    f"magenta has no style {style.name!r}; "
                    f"give a picture, or one of its {STYLES} styles (0 to {STYLES - 1})"
                )
            return "magenta-26", np.eye(STYLES, dtype=np.float32)[style.index]
        return "magenta-transform", self._predict(style.image)

    def _predict(self, picture: Image) -> NDArray[np.float32]:
        """The picture's style as 100 numbers, kept so that a batch of photos predicts it once."""
        square = resize.square(picture, STYLE_SIDE)
        key = hashlib.blake2b(square.tobytes()).digest()
        if key not in self._codes:
            session = self._session("magenta-predict")
            name = session.get_inputs()[0].name
            self._codes[key] = session.run(None, {name: square[None]})[0].ravel()
        return self._codes[key]

    def _session(self, net: str) -> onnxruntime.InferenceSession:
        if net not in self._sessions:
            path = _graph(net, self._context)
            self._sessions[net] = onnx.session(path, self._context.device)
        return self._sessions[net]


def _share(region: Alpha, work: Image) -> Alpha:
    """Each pixel's weight in the statistics, at work size: float32 ``[h, w]``."""
    return np.maximum(resize.resize(region, work.shape[:2]), np.float32(FLOOR))


def _graph(net: str, context: Context) -> Path:
    """A net's graph in floats for any size, written on first use."""
    source = weights.fetch(net, context.progress)

    def make(target: Path) -> None:
        from sfumato.nets import magenta_graph  # imports onnx, which only writing needs

        write = {
            "magenta-predict": magenta_graph.write_predictor,
            "magenta-transform": magenta_graph.write_arbitrary,
            "magenta-26": magenta_graph.write_multistyle,
        }
        write[net](source, target)

    sha256, recipe = weights.entries()[net].sha256, WRITER.read_text(encoding="utf-8")
    return weights.derived(net, sha256, make, ".onnx", recipe=recipe)
