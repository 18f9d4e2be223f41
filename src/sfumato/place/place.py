"""The story of a portrait in a painting:
cut → spot → lay → colour → manner → surface → shadow → compose."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from typing import NamedTuple

from sfumato import pipeline
from sfumato.errors import UsageError
from sfumato.pipeline import Report
from sfumato.place import attention, light, spots
from sfumato.place.figure import Figure, Spot, figure_of
from sfumato.place.laid import coloured, lay_in, painted, retouched, shadowed, surfaced
from sfumato.place.placing import Placed, Placing
from sfumato.settings import Settings
from sfumato.studio import Studio
from sfumato.types import Alpha, Image, Progress, Stylizer

STEPS = ("cut", "spot", "lay", "colour", "manner", "surface", "shadow", "compose")
"""What is timed, and reported to the progress callback, in this order."""


class Seen(NamedTuple):
    """What a painting shows already; None = not looked for."""

    occupied: Alpha | None
    saliency: Alpha | None


def place(
    portrait: Image,
    painting: Image,
    settings: Settings | None = None,
    *,
    spot: Spot | None = None,
    figure: Figure | None = None,
    options: Placing | None = None,
    studio: Studio | None = None,
    report: Report | None = None,
) -> Placed:
    """Put the person of a portrait into a painting, as if they had always been there.

    Args:
        portrait: float32 ``[H, W, 3]``, sRGB, 0..1.
        painting: float32 ``[H, W, 3]``, sRGB, 0..1; the result has its size.
        settings: how; the studio's own settings if a studio is given. Its ``strength`` weakens
            all steps together: 0 = just pasted.
        spot: where, in the painting's pixels; None = as the options say, or the best one found.
        figure: cut out already; then the portrait is not looked at.
        options: where, and how much of each step.
        studio: holds loaded nets between calls.
        report: progress callback, told the steps of :data:`STEPS`.

    Raises:
        UsageError: an array is no picture, or an option is wrong.
        NothingFoundError: there is nobody in the portrait, or the spot is outside the painting.
        WeightsError: a net's weights cannot be had.
    """
    pipeline.check(portrait)
    pipeline.check(painting)
    options, studio, step = options or Placing(), studio or Studio(settings), _Steps(report)
    much = options.weakened(studio.settings.strength)
    with ThreadPoolExecutor(1) as beside:
        ready = beside.submit(_prepare, painting, much, spot, studio)
        with step("cut"):
            figure = figure or cut(portrait, much.region, studio)
        with step("spot"):
            stylizer, seen = ready.result()
            candidates = [spot] if spot else find_spots(painting, figure, much, seen)
            spot = candidates[0] if spot else chosen(candidates, much.candidate)
    with step("lay"):
        laid = lay_in(painting, figure, spot, much.fade)
    with step("colour"):
        laid = coloured(laid, much.colour)
    with step("manner") as progress:
        laid = painted(laid, stylizer, much.manner, progress)
    with step("surface"):
        laid = surfaced(laid, much.softness, much.grain, studio.settings.seed)
    with step("shadow"):
        ground = shadowed(laid, figure, spot, much.shadow)
    with step("compose") as progress:
        image = laid.back(painting, studio.compositor()(laid.figure, ground, laid.alpha))
        if much.retouch:
            image = retouched(image, painting, laid, studio, progress)
    return Placed(
        image, laid.matte(image), figure, spot, tuple(candidates), options.model_dump(),
        studio.settings.as_dict(), studio.settings.seed, studio.weights(), step.seconds,
    )  # fmt: skip


def cut(portrait: Image, region: str, studio: Studio) -> Figure:
    """The figure in a portrait; see :func:`sfumato.pipeline.cut`."""
    return figure_of(portrait, pipeline.cut(portrait, region, studio=studio))


def find_spots(painting: Image, figure: Figure, options: Placing, seen: Seen) -> list[Spot]:
    """The places that the options name, or the best ones; see :mod:`sfumato.place.spots`.

    Raises:
        UsageError: an unknown anchor.
    """
    shape = (painting.shape[0], painting.shape[1])
    if options.x is None and options.anchor is None:
        tall = options.height
        if tall and tall > 1:  # pixels
            tall /= shape[0]
        return spots.find(
            painting,
            figure,
            count=max(options.candidate, options.candidates),
            occupied=seen.occupied,
            saliency=seen.saliency,
            heights=(tall, tall) if tall else None,
            flip="auto" if options.flip is None else options.flip,
        )
    if options.x is not None and options.y is not None:
        height = options.height or spots.anchor("bottom", figure, shape).height
        spot = spots.at(options.x, options.y, height, figure, shape)
    else:
        spot = spots.anchor(options.anchor or "bottom", figure, shape, options.height)
    turned = options.flip
    if turned is None:
        lit = light.direction(figure.image, figure.alpha)
        turned = light.better_flipped(lit, light.direction(painting))
    return [replace(spot, flip=turned)]


def chosen(candidates: Sequence[Spot], number: int) -> Spot:
    """One of the places found, counted from 1.

    Raises:
        UsageError: there are not so many.
    """
    if number > len(candidates):
        raise UsageError(f"there is no place number {number}; {len(candidates)} found")
    return candidates[number - 1]


def _prepare(
    painting: Image, options: Placing, spot: Spot | None, studio: Studio
) -> tuple[Stylizer | None, Seen]:
    """What can be done before the figure is known: the stylizer built, the painting looked at."""
    stylizer = studio.stylizer(options.stylizer) if options.manner > 0 else None
    if spot or options.named:
        return stylizer, Seen(None, None)
    salient = attention.saliency(painting, studio)
    return stylizer, Seen(attention.occupied(painting, studio, salient=salient), salient)


class _Steps:
    """Times the steps and passes their progress on."""

    def __init__(self, report: Report | None) -> None:
        self._report = report
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, name: str) -> Iterator[Progress]:
        def progress(fraction: float) -> None:
            if self._report:
                self._report(name, fraction)

        progress(0)
        start = time.perf_counter()
        yield progress
        self.seconds[name] = round(time.perf_counter() - start, 4)
        progress(1)
