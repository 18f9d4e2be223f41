"""The words the whole project speaks: arrays, results, and one-method protocols.

Everything that crosses a seam between rooms is NumPy. Torch tensors and batches stay inside
``nets/``, ``losses/`` and the backends that use them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from sfumato.errors import UsageError

Image = NDArray[np.float32]
"""Colour picture, float32 ``[H, W, 3]``, sRGB (gamma-encoded), 0..1, RGB order."""

Mask = NDArray[np.bool_]
"""Hard selection, bool ``[H, W]``; True = selected."""

Alpha = NDArray[np.float32]
"""Soft selection, float32 ``[H, W]``, 0..1; a different name so that hard and soft never mix."""

Progress = Callable[[float], None]
"""Called now and then with the done fraction of the present stage, 0..1."""


def no_progress(fraction: float) -> None:
    """The progress callback that says nothing."""


@dataclass(frozen=True)
class Step:
    """How an optimisation stands after one of its steps.

    Attributes:
        number: steps done so far over all scales; 0 = about to begin.
        total: steps planned in all; it may end earlier.
        height, width: of the picture that is being optimised at this scale.
        losses: each weighted term by name, and their sum as ``total``; empty at step 0.
        seconds: since the optimisation began.
        note: something to tell the user now (what is about to be done, and what it will take).
        interrupted: the user asked to stop; the best picture so far is the result.
    """

    number: int
    total: int
    height: int
    width: int
    losses: Mapping[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    note: str = ""
    interrupted: bool = False


Watch = Callable[[Step, Callable[[], Image]], None]
"""Told of every step of an optimisation; calling the second argument makes the present picture,
float32 ``[H, W, 3]``, of the content's size. Raising KeyboardInterrupt in it stops the work."""


Prompt = tuple[float, float] | tuple[float, float, float, float]
"""Something pointed at: a point ``x, y``, or a box ``x0, y0, x1, y1`` around it; fractions of the
picture's width and height, 0..1."""


@dataclass(frozen=True)
class Segments:
    """What a segmenter found in one picture of ``H`` x ``W`` pixels.

    Attributes:
        masks: bool ``[N, H, W]``, one hard mask a segment; N may be 0.
        labels: N class names (``"person"``, ``"subject"``, a cluster's number, ...).
        scores: N confidences, 0..1.
        soft: float32 ``[N, H, W]``, 0..1, where the net gives soft edges; None where it is hard.
    """

    masks: NDArray[np.bool_]
    labels: tuple[str, ...]
    scores: tuple[float, ...]
    soft: NDArray[np.float32] | None = None

    def select(self, label: str) -> Mask:
        """Union of all masks with this label: bool ``[H, W]``, all False if there is none."""
        return np.asarray(self.masks[self._rows(label)].any(axis=0))

    def alpha(self, label: str) -> Alpha:
        """Like :meth:`select` with soft edges where known: float32 ``[H, W]``, 0..1."""
        rows = self._rows(label)
        if self.soft is None or not rows:
            return self.select(label).astype(np.float32)
        return np.asarray(self.soft[rows].max(axis=0), dtype=np.float32)

    def at_least(self, score: float) -> Segments:
        """The segments with this score or more."""
        rows = [i for i, own in enumerate(self.scores) if own >= score]
        return Segments(
            self.masks[rows],
            tuple(self.labels[i] for i in rows),
            tuple(self.scores[i] for i in rows),
            None if self.soft is None else self.soft[rows],
        )

    def _rows(self, label: str) -> list[int]:
        return [i for i, name in enumerate(self.labels) if name == label]


@dataclass(frozen=True)
class Matte:
    """A soft cut-out. Always both parts: alpha alone leaves halos of the old background.

    Attributes:
        alpha: float32 ``[H, W]``, 0..1, opacity of the foreground.
        foreground: float32 ``[H, W, 3]``, 0..1, foreground colours with the background's share
            removed; exactly the picture's own pixels where alpha is 1.
    """

    alpha: Alpha
    foreground: Image


@dataclass(frozen=True)
class Style:
    """A style to paint in.

    Attributes:
        name: how the user named it (file name or built-in name).
        image: the style picture, or None for a style that lives inside a net (see ``net``).
        net: stylizer that holds the style, when there is no picture.
        path: file of a net that paints in this style alone (``johnson`` runs it), if there is one.
        index: the style's number in that net.
        region: float32 ``[h, w]``, 0..1, of the picture's size: the part of the style picture to
            learn from; None = all of it.
    """

    name: str
    image: Image | None = None
    net: str | None = None
    index: int = 0
    region: Alpha | None = None
    path: Path | None = None

    def picture_for(self, stylizer: str) -> Image:
        """The picture, for a stylizer that paints after one.

        Raises:
            UsageError: the style has none.
        """
        if self.image is None:
            raise UsageError(
                f"{stylizer} needs a style picture, and {self.name!r} has none; give a picture "
                "file or one of the drawn styles that 'sfumato styles' lists"
            )
        return self.image


@dataclass(frozen=True)
class Context:
    """What a backend may need to be built, besides its own options.

    Attributes:
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        seed: seed of every random choice.
        progress: told of downloads while the backend is built.
        load: builds another backend by (kind, name) with its default options; lets GrabCut ask
            for a salient box without the two files knowing one another.
    """

    device: str = "auto"
    seed: int = 0
    progress: Callable[[str, int, int], None] | None = None
    load: Callable[[str, str], Any] | None = None


@dataclass(frozen=True)
class Painting:
    """A result and how it was made.

    Attributes:
        image: float32 ``[H, W, 3]``, sRGB, 0..1: the finished picture at the photo's own size.
        matte: the painted region's alpha at full size, and its painted colours.
        settings: everything that was asked for, as plain JSON-able data.
        seed: the seed used.
        weights: file name -> SHA-256 of every weights file that took part.
        timings: seconds by stage.
        seams: seam score per painted region, when asked for.
        course: steps of each optimised region (its expression, or several joined by `` | ``).
    """

    image: Image
    matte: Matte
    settings: dict[str, Any]
    seed: int
    weights: dict[str, str] = field(default_factory=dict)
    timings: dict[str, float] = field(default_factory=dict)
    seams: dict[str, float] = field(default_factory=dict)
    course: dict[str, tuple[Step, ...]] = field(default_factory=dict)


class Segmenter(Protocol):
    """Finds things. ``classes`` are the labels it can return."""

    classes: Sequence[str]

    def __call__(self, image: Image) -> Segments: ...


class PromptSegmenter(Segmenter, Protocol):
    """A segmenter that also finds what is pointed at; its file says ``PROMPTS = True``."""

    def look(self, image: Image) -> Callable[[Prompt], Alpha]:
        """Study a picture once; then give the alpha, ``[H, W]``, of what each prompt means."""
        ...


class Matter(Protocol):
    """Turns a coarse selection (soft or hard, as Alpha) into a clean soft one with foreground."""

    def __call__(self, image: Image, coarse: Alpha) -> Matte: ...


class Stylizer(Protocol):
    """Paints ``content`` in ``style``; the result has exactly the content's size.

    ``supports_region``: statistics are taken inside ``region`` (soft weights) when it is given.
    A stylizer may also have ``prepare(style)``: what it can do before there is anything to paint;
    the pipeline calls it while the region is being found.
    One that works step by step has ``supports_watch = True`` and takes one keyword more,
    ``watch: Watch | None = None``; so does its ``paint_many``. One that can learn from a part of
    the style picture has ``supports_style_region = True``.
    """

    supports_region: bool

    def __call__(
        self,
        content: Image,
        style: Style,
        *,
        region: Alpha | None = None,
        progress: Progress = no_progress,
    ) -> Image: ...


class ManyStylizer(Stylizer, Protocol):
    """A stylizer that paints several (style, region) pairs in one pass."""

    def paint_many(
        self,
        content: Image,
        layers: Sequence[tuple[Style, Alpha]],
        *,
        progress: Progress = no_progress,
    ) -> Image: ...


class Compositor(Protocol):
    """Puts ``foreground`` over ``background``; exactly ``background`` where alpha is 0 and
    exactly ``foreground`` where alpha is 1 unless the method says that it changes colours."""

    def __call__(self, foreground: Image, background: Image, alpha: Alpha) -> Image: ...
