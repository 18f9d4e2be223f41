"""GrabCut round by round: what it takes and drops, the colours that it learns, its energy.

Rother, Kolmogorov and Blake, "GrabCut", SIGGRAPH 2004. The rounds are those of the segmenter
``grabcut``: for the same box and settings, the last one is what it finds. Strokes are the paper's
further user editing: pixels that are foreground or background for certain.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, cast

import cv2
import numpy as np

from sfumato import pipeline, regions
from sfumato.errors import NothingFoundError, UsageError
from sfumato.inspect import gibbs
from sfumato.inspect._figures import number
from sfumato.inspect.gibbs import Energy, Mixture
from sfumato.ops.resize import fit, resize
from sfumato.ops.saliency import is_flat
from sfumato.segment.grabcut import Box, GrabCut, Trimap, as_fractions, from_box, rounds
from sfumato.settings import Settings
from sfumato.studio import Studio
from sfumato.types import Alpha, Image, Mask, Progress, no_progress

ROUNDS = 5
"""As many as the segmenter makes."""

WIDTH = 0.015
"""Of a stroke, beside the picture's longer side."""

_DEFAULT = Settings()


@dataclass(frozen=True)
class Stroke:
    """A line drawn over what is foreground, or background, for certain.

    Attributes:
        points: one or more ``(x, y)``, fractions of the picture's width and height, 0..1.
        width: a fraction of the picture's longer side.
    """

    points: tuple[tuple[float, float], ...]
    width: float = WIDTH


@dataclass(frozen=True, eq=False)
class Round:
    """A round: colours are learned from what was foreground before, then the picture is cut.

    Attributes:
        number: from 1.
        mask: bool ``[h, w]``, what is foreground after it.
        gained, lost: pixels that it took, and that it dropped.
        background, foreground: what it learned.
        learned: the energy of what was foreground before, with what it learned.
        cut: the energy of what is foreground after it: the least that is possible with these
            colours, so never more than ``learned``.
    """

    number: int
    mask: Mask
    gained: int
    lost: int
    background: Mixture
    foreground: Mixture
    learned: Energy
    cut: Energy

    @property
    def changed(self) -> int:
        """Pixels that changed sides."""
        return self.gained + self.lost


@dataclass(frozen=True, eq=False)
class Study:
    """A picture cut by GrabCut.

    Attributes:
        image: float32 ``[h, w, 3]``, the picture at the size at which it was cut.
        box: fractions of the picture.
        strokes: those of the foreground, and those of the background.
        seeds: uint8 ``[h, w]`` of cv2.GC_BGD, GC_FGD and GC_PR_FGD: where it began.
        rounds: what each round came to.
        mask: float32 ``[H, W]``, 0..1: what was found, at the photo's size, as the segmenter
            gives it.
        flags: what a command needs for the segmenter to find the same; empty where there are
            strokes, which it does not know.
    """

    image: Image
    box: Box
    strokes: tuple[tuple[Stroke, ...], tuple[Stroke, ...]]
    seeds: Trimap
    rounds: tuple[Round, ...]
    mask: Alpha
    flags: str = ""

    @property
    def start(self) -> Mask:
        """What counts as foreground before the first round: bool ``[h, w]``."""
        return np.isin(self.seeds, (cv2.GC_FGD, cv2.GC_PR_FGD))

    @property
    def settled(self) -> int | None:
        """The first round that changed nothing; None where the last one still did."""
        return next((one.number for one in self.rounds if not one.changed), None)

    @property
    def summary(self) -> str:
        """What came of it, in a sentence."""
        last = self.rounds[-1]
        if not last.mask.any():
            return f"nothing is left after {len(self.rounds)} rounds: the box has no own colours"
        end = f"the last of {len(self.rounds)} rounds changed {number(last.changed)} pixels"
        if self.settled:
            end = f"round {self.settled} changed nothing any more"
        return f"{_percent(last.mask.mean())} of the picture is foreground; {end}"

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON-able data; the colours of mixtures are R, G, B of 0..255."""
        height, width = self.image.shape[:2]
        kinds = zip(("foreground", "background"), self.strokes, strict=True)
        return {
            "width": width,
            "height": height,
            "box": list(self.box),
            "strokes": {name: [asdict(stroke) for stroke in own] for name, own in kinds},
            "flags": self.flags.strip(),
            "summary": self.summary,
            "settled": self.settled,
            "beta": gibbs.contrast(self.image),
            "gamma": gibbs.GAMMA,
            "rounds": [_plain(one) for one in self.rounds],
        }


def parse_box(text: str, shape: tuple[int, ...]) -> Box:
    """``x0,y0,x1,y1`` as the region language reads it, in fractions of a photo of this shape.

    Raises:
        UsageError: no box, or it lies outside the photo.
    """
    region = regions.parse(f"box:{text}")
    if not isinstance(region, regions.Box):
        raise UsageError(f"--box takes x0,y0,x1,y1 and nothing else; got {text!r}")
    x0, y0, x1, y1 = as_fractions((region.x0, region.y0, region.x1, region.y1), shape)
    if x0 >= 1 or y0 >= 1:
        raise UsageError(f"the box {text} lies outside the picture, which is {_size(shape)} pixels")
    return x0, y0, min(x1, 1.0), min(y1, 1.0)


def parse_stroke(text: str, shape: tuple[int, ...], width: float = WIDTH) -> Stroke:
    """``x0,y0,x1,y1,...`` as a line through these points (one point is a dot).

    Fractions, or pixels of a photo of this shape if any number is above 1, as for a box.

    Args:
        text: what the user gave.
        shape: the photo's.
        width: a fraction of the longer side, or pixels if above 1.

    Raises:
        UsageError: no such line, or a point lies outside the photo.
    """
    try:
        values = [float(part) for part in text.split(",")]
    except ValueError:
        values = []
    if not values or len(values) % 2 or not all(0 <= v < math.inf for v in values):
        raise UsageError(f"a stroke takes pairs of numbers, x0,y0,x1,y1,...; got {text!r}")
    height, wide = shape[:2]
    if max(values) > 1:
        values = [value / (height if i % 2 else wide) for i, value in enumerate(values)]
    if max(values) > 1:
        raise UsageError(
            f"the stroke {text} runs outside the picture, which is {_size(shape)} pixels"
        )
    if not 0 < width < math.inf:
        raise UsageError(f"a stroke's width must be above 0; got {width}")
    width = width / max(shape[:2]) if width > 1 else width
    return Stroke(tuple(zip(values[::2], values[1::2], strict=True)), width)


def inspect(
    photo: Image,
    box: Box,
    settings: Settings | None = None,
    *,
    steps: int = ROUNDS,
    foreground: Sequence[Stroke] = (),
    background: Sequence[Stroke] = (),
    progress: Progress = no_progress,
) -> Study:
    """Cut a picture by GrabCut and keep every round.

    Args:
        photo: float32 ``[H, W, 3]``, sRGB, 0..1.
        box: x0, y0, x1, y1 around the subject, fractions of the photo (:func:`parse_box`).
        settings: of these the size, the seed and the options of ``grabcut`` count, as for the
            segmenter.
        steps: rounds to make, 1 to 20.
        foreground, background: strokes; where they cross, the background's are on top.
        progress: told after each round.

    Raises:
        UsageError: the photo is no such array, an option is out of bounds, or the box and strokes
            leave no pixel to one side.
        NothingFoundError: the picture shows one colour only.
    """
    pipeline.check(photo)
    settings = settings or _DEFAULT
    texts = ",".join(repr(float(value)) for value in box)
    segmenter = Studio(settings).segmenter("grabcut", box=texts, iterations=steps)
    size = cast(GrabCut, segmenter).options.size
    work = fit(photo, settings.size)
    image = fit(work, size)
    seeds = with_strokes(from_box(box, image.shape), foreground, background)
    if is_flat(photo):
        raise NothingFoundError("the picture shows one colour only: there is nothing to cut")
    done: list[Round] = []
    before = np.isin(seeds, (cv2.GC_FGD, cv2.GC_PR_FGD))
    for one in rounds(image, seeds, steps, settings.seed):
        models = gibbs.mixture(one.background), gibbs.mixture(one.foreground)
        made = Round(
            number=len(done) + 1,
            mask=one.mask,
            gained=int((one.mask & ~before).sum()),
            lost=int((before & ~one.mask).sum()),
            background=models[0],
            foreground=models[1],
            learned=gibbs.energy(image, before, *models),
            cut=gibbs.energy(image, one.mask, *models),
        )
        done.append(made)
        before = one.mask
        progress(len(done) / steps)
    found = resize(before.astype(np.float32), work.shape[:2])  # as the segmenter hands it over
    strokes = tuple(foreground), tuple(background)
    return Study(
        image=image,
        box=box,
        strokes=strokes,
        seeds=seeds,
        rounds=tuple(done),
        mask=resize(found, photo.shape[:2]),
        flags="" if any(strokes) else _flags(settings, texts, steps),
    )


def with_strokes(
    seeds: Trimap, foreground: Sequence[Stroke], background: Sequence[Stroke]
) -> Trimap:
    """The seeds with what the strokes cover made certain.

    Raises:
        UsageError: no pixel is left that could be foreground, or none is background for certain.
    """
    drawn = seeds.copy()
    for strokes, value in ((foreground, cv2.GC_FGD), (background, cv2.GC_BGD)):
        for stroke in strokes:
            drawn[_covered(stroke, seeds.shape)] = value
    if (drawn == cv2.GC_BGD).all():
        raise UsageError("the strokes make everything background; nothing is left to cut out")
    if not (drawn == cv2.GC_BGD).any():
        raise UsageError("the strokes make everything foreground; nothing is left to tell it from")
    return drawn


def _covered(stroke: Stroke, shape: tuple[int, ...]) -> Mask:
    """The pixels under a stroke, with round ends: bool ``[h, w]``; one at least."""
    height, width = shape[:2]
    places = [
        (min(int(x * width), width - 1), min(int(y * height), height - 1)) for x, y in stroke.points
    ]
    thick = max(1, round(stroke.width * max(height, width)))
    canvas = np.zeros((height, width), np.uint8)
    for place, following in zip(places, [*places[1:], places[-1]], strict=True):
        cv2.line(canvas, place, following, 1, thick)
        cv2.circle(canvas, place, thick // 2, 1, cv2.FILLED)
    return canvas > 0


def _flags(settings: Settings, box: str, steps: int) -> str:
    """The options with which the segmenter finds the same."""
    flags = {"box": box, **({} if steps == ROUNDS else {"iterations": steps})}
    own = {**settings.options.get("grabcut", {}), **flags}
    texts = [f" -O grabcut.{name}={value}" for name, value in own.items()]
    changed = [
        name for name in ("size", "seed") if getattr(settings, name) != getattr(_DEFAULT, name)
    ]
    texts += [f" --{name} {getattr(settings, name)}" for name in changed]
    return " --segmenter grabcut --region subject" + "".join(texts)


def _size(shape: tuple[int, ...]) -> str:
    return f"{shape[1]} x {shape[0]}"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _plain(one: Round) -> dict[str, Any]:
    mixtures = {"foreground": one.foreground, "background": one.background}
    return {
        "round": one.number,
        "share": float(one.mask.mean()),
        "gained": one.gained,
        "lost": one.lost,
        "learned": {**asdict(one.learned), "total": one.learned.total},
        "cut": {**asdict(one.cut), "total": one.cut.total},
        "models": {
            name: [
                {"weight": float(w), "mean": mean.tolist(), "covariance": covariance.tolist()}
                for w, mean, covariance in zip(m.weights, m.means, m.covariances, strict=True)
            ]
            for name, m in mixtures.items()
        },
    }
