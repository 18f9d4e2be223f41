"""Subject by colour, inside a box or around the salient one (GrabCut, Rother et al. 2004)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field, field_validator

from sfumato.errors import UsageError
from sfumato.ops.resize import fit, resize
from sfumato.ops.saliency import is_flat, nothing, single
from sfumato.ops.trimap import rectangle
from sfumato.types import Alpha, Context, Image, Segments

CLASSES = ("subject",)
WEIGHTS = ("u2netp",)

BAND = 0.02
"""Half-width of the open band around the salient outline, beside the root of the area."""

Box = tuple[float, float, float, float]
Trimap = NDArray[np.uint8]
"""uint8 ``[H, W]`` of cv2.GC_BGD, GC_FGD (both sure), GC_PR_BGD and GC_PR_FGD (probable)."""


class Options(BaseModel, extra="forbid"):
    """Where to look, and for how long."""

    box: str | None = Field(
        None,
        description="x0,y0,x1,y1 around the subject: fractions 0..1, or pixels at work size (see "
        "--size) if any is above 1; none = start from the salient subject",
    )
    iterations: int = Field(5, ge=1, le=20, description="rounds of learning colours and cutting")
    size: int = Field(
        640, ge=64, le=2048, description="longer side in pixels at which the cut is made"
    )

    @field_validator("box")
    @classmethod
    def _four_numbers(cls, text: str | None) -> str | None:
        if text is not None:
            parse_box(text)
        return text


@dataclass(frozen=True)
class GrabCut:
    """See :class:`sfumato.types.Segmenter`; one ``subject`` segment, or none.

    Attributes:
        options: see :class:`Options`.
        salient: finds the subject to start from; None where the user gave a box.
        seed: seed of the colour models' first clusters.
    """

    options: Options
    salient: Callable[[Image], Segments] | None
    seed: int = 0
    classes: tuple[str, ...] = CLASSES

    def __call__(self, image: Image) -> Segments:
        """Cut the subject out.

        Raises:
            UsageError: the user's box holds no pixel, or leaves none outside it.
        """
        small = fit(image, self.options.size)
        if self.options.box is not None:
            # Before the next line, so that a wrong box is told on every picture.
            trimap = from_box(as_fractions(parse_box(self.options.box), image.shape), small.shape)
        if is_flat(image):
            return nothing(image.shape)
        if self.options.box is None:
            assert self.salient is not None
            trimap = from_soft(self.salient(small).alpha("subject"))
        if not (_holds(trimap, cv2.GC_FGD, cv2.GC_PR_FGD) and _holds(trimap, cv2.GC_BGD)):
            return nothing(image.shape)
        mask = cut(small, trimap, self.options.iterations, self.seed)
        # Bicubic enlarging rounds off the steps; at the picture's own size nothing changes.
        return single("subject", resize(mask.astype(np.float32), image.shape[:2]))


def build(options: Options, context: Context) -> GrabCut:
    """Ask for the salient segmenter, unless the user gave a box.

    Raises:
        WeightsError: its weights cannot be had.
        UsageError: there is no way to ask for it.
    """
    if options.box is not None:
        return GrabCut(options, None, context.seed)
    if context.load is None:
        raise UsageError("grabcut needs a box, or a context that can load the salient segmenter")
    return GrabCut(options, context.load("segment", "u2netp"), context.seed)


def parse_box(text: str) -> Box:
    """Read ``x0,y0,x1,y1``.

    Raises:
        ValueError: not four numbers, or the box is empty. (Options turn it into a UsageError.)
    """
    try:
        x0, y0, x1, y1 = (float(part) for part in text.split(","))
    except ValueError:
        raise ValueError(f"expected four numbers x0,y0,x1,y1, got {text!r}") from None
    if not (0 <= x0 < x1 < math.inf and 0 <= y0 < y1 < math.inf):
        raise ValueError(f"the box {text!r} is empty: it needs 0 <= x0 < x1 and 0 <= y0 < y1")
    return x0, y0, x1, y1


def as_fractions(box: Box, shape: tuple[int, ...]) -> Box:
    """A box in fractions of a picture of ``(H, W, ...)`` pixels, whichever way it was given."""
    if max(box) <= 1:
        return box
    height, width = shape[:2]
    x0, y0, x1, y1 = box
    return x0 / width, y0 / height, x1 / width, y1 / height


def from_box(box: Box, shape: tuple[int, ...]) -> Trimap:
    """Sure background outside the box (in fractions), probable foreground inside.

    Raises:
        UsageError: the box lies outside the picture, or leaves no pixel outside itself.
    """
    height, width = shape[:2]
    x0, y0, x1, y1 = box
    if x0 >= 1 or y0 >= 1:
        raise UsageError("grabcut's box lies outside the picture; give it as fractions 0..1")
    trimap = np.full((height, width), cv2.GC_BGD, dtype=np.uint8)
    inside = rectangle((x0 * width, y0 * height, x1 * width, y1 * height), shape)
    trimap[inside] = cv2.GC_PR_FGD
    if not _holds(trimap, cv2.GC_BGD):
        raise UsageError(
            "grabcut's box holds the whole picture, but it learns the background's colours from "
            "what lies outside; make the box smaller"
        )
    return trimap


def from_soft(soft: Alpha) -> Trimap:
    """Seeds from a soft map: its core is sure, its border open, what lies far outside is not it.

    The salient net is seldom wrong in the core and far away, so the cut is left to decide within
    a band around the outline; a box alone would let it take in whatever has the same colours.
    """
    mask = (soft > 0.5).astype(np.uint8)
    if not mask.any():
        return np.full(soft.shape, cv2.GC_BGD, dtype=np.uint8)
    band = max(2, round(BAND * math.sqrt(float(mask.sum()))))
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * band + 1, 2 * band + 1))
    trimap = np.where(mask, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    trimap[(cv2.erode(mask, kernel) > 0) & (soft > 0.9)] = cv2.GC_FGD
    trimap[(cv2.dilate(mask, kernel) == 0) & (soft < 0.1)] = cv2.GC_BGD
    return trimap


@dataclass(frozen=True, eq=False)
class Round:
    """What a round of learning colours and cutting came to.

    Attributes:
        state: the seeds, with the open pixels decided anew.
        background, foreground: the colour models that were learned before the cut, float64
            ``[1, 65]`` as OpenCV keeps them: five Gaussians' weights, means (B, G, R of 0..255),
            and covariances.
    """

    state: Trimap
    background: NDArray[np.float64]
    foreground: NDArray[np.float64]

    @property
    def mask(self) -> NDArray[np.bool_]:
        """What is taken for foreground: bool ``[H, W]``."""
        return np.isin(self.state, (cv2.GC_FGD, cv2.GC_PR_FGD))


def rounds(image: Image, trimap: Trimap, iterations: int, seed: int) -> Iterator[Round]:
    """GrabCut from a trimap that holds sure background and some foreground, round by round."""
    bgr = np.ascontiguousarray((image[..., ::-1] * 255).round().astype(np.uint8))
    state, models = trimap.copy(), (np.zeros((1, 65)), np.zeros((1, 65)))
    cv2.setRNGSeed(seed & 0x7FFFFFFF)
    for i in range(iterations):
        mode = cv2.GC_EVAL if i else cv2.GC_INIT_WITH_MASK
        cv2.grabCut(bgr, state, (0, 0, 0, 0), *models, 1, mode)
        yield Round(state.copy(), models[0].copy(), models[1].copy())


def cut(image: Image, trimap: Trimap, iterations: int, seed: int) -> NDArray[np.bool_]:
    """What the last of the :func:`rounds` takes for foreground: bool ``[H, W]``."""
    *_, last = rounds(image, trimap, iterations, seed)
    return last.mask


def _holds(trimap: Trimap, *values: int) -> bool:
    return bool(np.isin(trimap, values).any())
