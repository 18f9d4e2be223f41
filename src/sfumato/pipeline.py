"""The story: segment → matte → stylize → compose."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import cast

import cv2
import numpy as np

from sfumato import regions
from sfumato.errors import NothingFoundError, UsageError
from sfumato.finder import Finder
from sfumato.ops import blend, colour, foreground, resize, seam, trimap
from sfumato.regions import Class, Cluster, File, Region
from sfumato.settings import Settings
from sfumato.studio import Studio
from sfumato.types import Alpha, Image, ManyStylizer, Matte, Painting, Progress, Style, Stylizer

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
        stylizer: backend that paints it; None = the default one.
    """

    region: str
    style: Style
    stylizer: str | None = None


def paint(
    photo: Image,
    layers: Sequence[Layer],
    settings: Settings | None = None,
    *,
    studio: Studio | None = None,
    report: Report | None = None,
    measure: bool = False,
) -> Painting:
    """Paint regions of a photo, later layers over earlier ones, and keep the rest.

    Args:
        photo: float32 ``[H, W, 3]``, sRGB, 0..1.
        layers: what to paint in which style.
        settings: how; the studio's own settings if a studio is given.
        studio: holds loaded nets between calls.
        report: progress callback.
        measure: work out the seam scores too (a second or two for a large photo).

    Returns:
        The painting at the photo's size. Where no region reaches, its pixels equal the photo's.

    Raises:
        UsageError: the photo is no such array, or a region, option or backend is wrong.
        NothingFoundError: a region selects nothing in this photo.
        WeightsError: a net's weights cannot be had.
    """
    check(photo)
    studio = studio or Studio(settings)
    settings = studio.settings
    plan = [regions.parse(layer.region) for layer in layers]
    stages = _Stages(report)
    work = resize.fit(photo, settings.size)
    finder = Finder(studio, photo, work)

    with ThreadPoolExecutor(1) as beside:
        ready = beside.submit(_stylizers, studio, layers)
        with stages("find"):
            small = [_found(finder.at_work_size(region), region) for region in plan]
        stylizers = ready.result()
    with stages("stylize") as progress:
        painted = _stylize(stylizers, work, layers, plan, small, progress)
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
    )


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


def _found(alpha: Alpha, region: Region) -> Alpha:
    if not (alpha > 0).any():
        raise NothingFoundError(f"found no {region} in this picture, so there is nothing to do")
    return alpha


def _stylizers(studio: Studio, layers: Sequence[Layer]) -> list[Stylizer]:
    """The layers' stylizers, their nets open and their styles read."""
    stylizers = [studio.stylizer(layer.stylizer) for layer in layers]
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
    progress: Progress,
) -> list[Image]:
    """Each layer's painted picture at work size; one shared pass where the stylizer can."""
    first = stylizers[0]
    shared = len(layers) > 1 and all(s is first for s in stylizers)
    if shared and getattr(first, "supports_many", False):
        pairs = [(layer.style, alpha) for layer, alpha in zip(layers, alphas, strict=True)]
        many = cast(ManyStylizer, first)
        return [many.paint_many(work, pairs, progress=progress)] * len(layers)
    painted = []
    for i, (stylizer, region, alpha) in enumerate(zip(stylizers, plan, alphas, strict=True)):
        content = hide(work, alpha) if _has_outline(region) else work
        inside = alpha if stylizer.supports_region and alpha.min() < 1 else None
        part = partial(_part, progress, i, len(layers))
        painted.append(stylizer(content, layers[i].style, region=inside, progress=part))
    return painted


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
