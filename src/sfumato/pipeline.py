"""The story: segment → matte → stylize → compose."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import cast

import cv2
import numpy as np

from sfumato import regions, registry
from sfumato.errors import NothingFoundError, UsageError
from sfumato.finder import Finder
from sfumato.ops import blend, colour, foreground, resize, seam, trimap
from sfumato.regions import Class, Cluster, Everything, File, Region
from sfumato.settings import Settings
from sfumato.studio import Studio
from sfumato.types import (
    Alpha,
    Image,
    ManyStylizer,
    Matte,
    Painting,
    Progress,
    Step,
    Style,
    Stylizer,
    Watch,
)

HIDE_MARGIN = 0.006
"""How far the fill reaches into the painted part, as a share of the longer side."""

Report = Callable[[str, float], None]
"""Told the present stage (``find``, ``stylize``, ``compose``) and its done fraction, 0..1."""


@dataclass(frozen=True)
class Layer:
    """Paint this region in that style.

    Attributes:
        region: an expression of the region language.
        style: what to paint it in.
        stylizer: backend that paints it; None = the one that holds the style, or the default one.
        style_region: which part of the style picture to learn from, an expression too; None, or
            a style that has its ``region`` already: as the style is.
    """

    region: str
    style: Style
    stylizer: str | None = None
    style_region: str | None = None

    @property
    def painter(self) -> str:
        """Name of the stylizer that paints it."""
        return self.stylizer or self.style.net or registry.DEFAULTS["stylize"]


def paint(
    photo: Image,
    layers: Sequence[Layer],
    settings: Settings | None = None,
    *,
    studio: Studio | None = None,
    report: Report | None = None,
    measure: bool = False,
    watch: Watch | None = None,
    finder: Finder | None = None,
) -> Painting:
    """Paint regions of a photo, later layers over earlier ones, and keep the rest.

    Args:
        photo: float32 ``[H, W, 3]``, sRGB, 0..1.
        layers: what to paint in which style.
        settings: how; the studio's own settings if a studio is given.
        studio: holds loaded nets between calls.
        report: progress callback.
        measure: work out the seam scores too (a second or two for a large photo).
        watch: told of every step of what is optimised, with the whole picture as it stands, at
            work size: what is painted so far over the photo. Interrupted once, every later
            optimisation stops after its first step.
        finder: finds the regions, and keeps them for the next painting of this photo at this
            size; the nets that it has used already are not in the painting's ``weights``.

    Returns:
        The painting at the photo's size. Where no region reaches, its pixels equal the photo's.

    Raises:
        UsageError: the photo is no such array, or a region, option or backend is wrong.
        NothingFoundError: a region selects nothing in this photo, or in the style picture.
        WeightsError: a net's weights cannot be had.
    """
    check(photo)
    studio = studio or Studio(settings)
    settings = studio.settings
    plan = [regions.parse(layer.region) for layer in layers]
    stages = _Stages(report)
    work = resize.fit(photo, settings.size)
    finder = finder or Finder(studio, photo, work)

    with ThreadPoolExecutor(1) as beside, stages("find"):
        layers = with_style_regions(layers, studio)
        ready = beside.submit(_stylizers, studio, layers)
        small = [_found(finder.at_work_size(region), region) for region in plan]
    stylizers = ready.result()
    course = _Course(watch, partial(_laid, work, small, settings))
    with stages("stylize") as progress:
        painted = _stylize(stylizers, work, layers, plan, small, course, progress)
    painted = [_finish(picture, work, settings) for picture in painted]
    with stages("compose") as progress:
        canvas, seams, covered = photo, {}, np.zeros(photo.shape[:2], dtype=np.float32)
        for i, region in enumerate(plan):
            alpha = finder.at_full_size(region)
            before = _before(canvas, alpha)
            full = resize.resize(painted[i], photo.shape[:2])
            after = blend.strength(full, photo, settings.strength)
            canvas = studio.compositor()(after, before, alpha)
            if measure:
                seams[layers[i].region] = seam.score(canvas, after, before, alpha)
            covered = np.maximum(covered, alpha)
            progress((i + 1) / len(plan))

    return Painting(
        image=canvas,
        matte=Matte(covered, canvas),
        settings=settings.as_dict(),
        seed=settings.seed,
        weights=studio.weights(),
        timings=stages.seconds,
        seams=seams,
        course={name: tuple(steps) for name, steps in course.steps.items()},
    )


def with_style_regions(layers: Sequence[Layer], studio: Studio) -> list[Layer]:
    """The layers with the part of each style picture found that is to be learnt from.

    :func:`paint` does it itself; done before, it is done once for a batch.

    Raises:
        UsageError: a style has no picture, or its stylizer learns from whole pictures only.
        NothingFoundError: the style region selects nothing in the style picture.
    """
    return [replace(layer, style=_partial_style(layer, studio)) for layer in layers]


def _partial_style(layer: Layer, studio: Studio) -> Style:
    style = layer.style
    if layer.style_region is None or style.region is not None:
        return style
    region = regions.parse(layer.style_region)
    if isinstance(region, Everything):
        return style
    if style.image is None:
        raise UsageError(
            f"the style {style.name!r} lives inside a net, so there is no picture of which "
            f"{region} could be learnt; give a style picture"
        )
    if not getattr(studio.stylizer(layer.painter), "supports_style_region", False):
        raise UsageError(
            f"{layer.painter} reads whole style pictures, not "
            f"just {region}; use --stylizer gatys, or crop the picture"
        )
    finder = Finder(studio, style.image, resize.fit(style.image, studio.settings.size))
    alpha = finder.at_full_size(region)
    return replace(style, region=_found(alpha, region, f"the style picture {style.name}", "learn"))


def cut(
    photo: Image,
    region: str = "person",
    settings: Settings | None = None,
    *,
    studio: Studio | None = None,
) -> Matte:
    """Cut a region out of a photo, with the old background's colours removed from its edges.

    Args:
        photo: float32 ``[H, W, 3]``, sRGB, 0..1.
        region: an expression of the region language.
        settings, studio: see :func:`paint`.

    Returns:
        Alpha and foreground colours at the photo's size.

    Raises:
        UsageError, NothingFoundError, WeightsError: see :func:`paint`.
    """
    check(photo)
    studio = studio or Studio(settings)
    parsed = regions.parse(region)
    work = resize.fit(photo, studio.settings.size)
    alpha = _found(Finder(studio, photo, work).at_full_size(parsed), parsed)
    return Matte(alpha, foreground.estimate(photo, alpha)[0])


def was_interrupted(painting: Painting) -> bool:
    """Whether the user stopped an optimisation, so that the painting is as good as it was then."""
    return any(steps and steps[-1].interrupted for steps in painting.course.values())


def check(photo: Image) -> None:
    """Raise UsageError unless this is a float32 ``[H, W, 3]`` picture with finite values 0..1."""
    if not isinstance(photo, np.ndarray) or photo.dtype != np.float32:
        kind = getattr(photo, "dtype", type(photo).__name__)
        raise UsageError(f"expected a float32 array with values 0..1, got {kind}")
    if photo.ndim != 3 or photo.shape[2] != 3 or 0 in photo.shape:
        raise UsageError(f"expected a picture of shape [H, W, 3], got {list(photo.shape)}")
    low, high = float(photo.min()), float(photo.max())
    if not (low >= 0 and high <= 1):  # False for NaN too
        raise UsageError(f"expected finite values from 0 to 1, got {low:g} to {high:g}")


def _before(canvas: Image, alpha: Alpha) -> Image:
    """What is painted over, without the halo of it that soft edges would keep."""
    if not ((alpha > 0) & (alpha < 1)).any():  # a box, or everything: no soft edge to clean
        return canvas
    kept = foreground.estimate(canvas, 1 - alpha)[0]
    # Right under the paint the canvas itself: blends look there for the edges that it had.
    return np.where(alpha[..., None] == 1, canvas, kept)


def _found(alpha: Alpha, region: Region, place: str = "this picture", aim: str = "do") -> Alpha:
    if not (alpha > 0).any():
        raise NothingFoundError(f"found no {region} in {place}, so there is nothing to {aim}")
    return alpha


def _stylizers(studio: Studio, layers: Sequence[Layer]) -> list[Stylizer]:
    """The layers' stylizers, their nets open and their styles read."""
    stylizers = [studio.stylizer(layer.painter) for layer in layers]
    for stylizer, layer in zip(stylizers, layers, strict=True):
        if prepare := getattr(stylizer, "prepare", None):
            prepare(layer.style)
    return stylizers


def _stylize(
    stylizers: Sequence[Stylizer],
    work: Image,
    layers: Sequence[Layer],
    plan: Sequence[Region],
    alphas: Sequence[Alpha],
    course: _Course,
    progress: Progress,
) -> list[Image]:
    """Each layer's painted picture at work size; one shared pass where the stylizer can."""
    first = stylizers[0]
    shared = len(layers) > 1 and all(s is first for s in stylizers)
    if shared and getattr(first, "supports_many", False):
        pairs = [(layer.style, alpha) for layer, alpha in zip(layers, alphas, strict=True)]
        many = cast(ManyStylizer, first)
        outlined = any(_has_outline(region) for region in plan)
        content = hide(work, _together(alphas)) if outlined else work
        watch = course.watcher(first, layers, [])
        return [many.paint_many(content, pairs, progress=progress, **watch)] * len(layers)
    painted: list[Image] = []
    for i, (stylizer, region, alpha) in enumerate(zip(stylizers, plan, alphas, strict=True)):
        content = hide(work, alpha) if _has_outline(region) else work
        inside = alpha if stylizer.supports_region and alpha.min() < 1 else None
        part = partial(_part, progress, i, len(layers))
        watch = course.watcher(stylizer, layers[i : i + 1], painted)
        painted.append(stylizer(content, layers[i].style, region=inside, progress=part, **watch))
    return painted


def _together(alphas: Sequence[Alpha]) -> Alpha:
    """Where any of these is painted. Sums, not maxima: soft edges that meet leave no gap."""
    total = np.sum(alphas, axis=0, dtype=np.float32)
    return np.where(total > 0.999, np.float32(1), total)


def _part(progress: Progress, index: int, count: int, fraction: float) -> None:
    progress((index + fraction) / count)


def _has_outline(region: Region) -> bool:
    """Whether the region follows the outline of something; a box just cuts across the picture."""
    return any(isinstance(leaf, Class | Cluster | File) for leaf in regions.leaves(region))


def hide(work: Image, alpha: Alpha) -> Image:
    """The picture with the part that is not to be painted filled in from the painted part:
    painted as if it were not there, its outline leaves no ghost.

    The fill begins a little inside the painted part: an edge that is a few pixels off would
    otherwise leave a rim of the kept part, which stylizers love to trace.
    """
    if alpha.min() >= 1:
        return work
    margin = trimap.pixels(HIDE_MARGIN, alpha.shape)
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * margin + 1, 2 * margin + 1))
    inner = np.asarray(cv2.erode(alpha, disc), dtype=np.float32).reshape(alpha.shape)
    return foreground.fill(work, inner if inner.any() else alpha)


def _finish(painted: Image, work: Image, settings: Settings) -> Image:
    return colour.keep_colors(painted, work) if settings.keep_colors else painted


def _laid(
    work: Image, alphas: Sequence[Alpha], settings: Settings, painted: Sequence[Image]
) -> Image:
    """The first layers' painted pictures over the photo, at work size: quick rather than clean."""
    canvas = work
    for picture, alpha in zip(painted, alphas, strict=False):
        after = blend.strength(_finish(picture, work, settings), work, settings.strength)
        canvas = blend.over(after, canvas, alpha)
    return canvas


@dataclass
class _Course:
    """Follows what is optimised: keeps its steps, and shows them with the whole picture.

    Attributes:
        watch: whom to show them to.
        lay: makes the whole picture of the layers painted so far.
        steps: of each optimised region, or regions that share a pass.
        stopped: an optimisation was interrupted.
    """

    watch: Watch | None
    lay: Callable[[Sequence[Image]], Image]
    steps: dict[str, list[Step]] = field(default_factory=dict)
    stopped: bool = False

    def watcher(
        self, stylizer: Stylizer, layers: Sequence[Layer], below: Sequence[Image]
    ) -> dict[str, Watch]:
        """The keyword that a stylizer takes which works step by step; nothing for another."""
        if not getattr(stylizer, "supports_watch", False):
            return {}
        steps = self.steps[" | ".join(layer.region for layer in layers)] = []
        return {"watch": partial(self._step, steps, below, len(layers))}

    def _step(
        self,
        steps: list[Step],
        below: Sequence[Image],
        count: int,
        step: Step,
        picture: Callable[[], Image],
    ) -> None:
        steps.append(step)
        if self.stopped:
            if step.number and not step.interrupted:  # after one step there is something to keep
                raise KeyboardInterrupt
            return
        self.stopped = step.interrupted
        if self.watch:
            self.watch(step, lambda: self.lay([*below, *[picture()] * count]))


@dataclass
class _Stages:
    """Times the stages and passes their progress on."""

    report: Report | None
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def __call__(self, name: str) -> Iterator[Progress]:
        def progress(fraction: float) -> None:
            if self.report:
                self.report(name, fraction)

        progress(0)
        start = time.perf_counter()
        yield progress
        self.seconds[name] = round(time.perf_counter() - start, 4)
        progress(1)
