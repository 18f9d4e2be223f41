"""Finds regions in one photo: from the atoms of the region language to alphas."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import cast

import numpy as np

from sfumato import regions, registry
from sfumato.errors import SfumatoWarning, UsageError
from sfumato.io import pictures
from sfumato.ops import guided, instances
from sfumato.ops.resize import resize
from sfumato.ops.trimap import rectangle
from sfumato.regions import Box, Class, Cluster, Everything, File, Leaf, Object, Point, Region
from sfumato.studio import Studio
from sfumato.types import Alpha, Image, Prompt, PromptSegmenter, Segments

Found = Class | Cluster | Point | Object
"""The atoms that a segmenter looks for."""


class Finder:
    """Evaluates regions on a photo, each net run once however many regions ask for it.

    Segmenters and matters look at ``work`` (the photo at work size). Boxes and mask files are
    drawn at the size that is asked for, so that their edges stay sharp.

    Args:
        studio: builds the backends.
        photo: float32 ``[H, W, 3]``.
        work: float32 ``[h, w, 3]``, the same picture at work size.
    """

    def __init__(self, studio: Studio, photo: Image, work: Image) -> None:
        self._studio, self._photo, self._work = studio, photo, work
        self._segments: dict[tuple[str, int | None], Segments] = {}
        self._looks: dict[str, Callable[[Prompt], Alpha]] = {}
        self._mattes: dict[Leaf, Alpha] = {}
        self._full: dict[Leaf, Alpha] = {}

    def at_work_size(self, region: Region) -> Alpha:
        """The region's alpha, float32 ``[h, w]``.

        Raises:
            UsageError: no segmenter knows a class, a mask file does not fit, or a box or point
                lies outside the picture.
        """
        return regions.evaluate(region, self._work_leaf)

    def at_full_size(self, region: Region) -> Alpha:
        """The region's alpha at the photo's own size, float32 ``[H, W]``; see above."""
        return regions.evaluate(region, self._full_leaf)

    def _work_leaf(self, leaf: Leaf) -> Alpha:
        if isinstance(leaf, Everything | Box):
            return _drawn(leaf, self._work.shape[:2], self._photo.shape[:2])
        if isinstance(leaf, File):
            return resize(self._full_leaf(leaf), self._work.shape[:2])
        return self._matte(leaf)

    def _full_leaf(self, leaf: Leaf) -> Alpha:
        if isinstance(leaf, Everything | Box):
            return _drawn(leaf, self._photo.shape[:2], self._photo.shape[:2])
        if leaf not in self._full:
            self._full[leaf] = self._lifted(leaf)
        return self._full[leaf]

    def _lifted(self, leaf: Found | File) -> Alpha:
        if isinstance(leaf, File):
            return pictures.read_mask(leaf.path, self._photo.shape[:2])
        if self._photo.shape == self._work.shape:
            return self._matte(leaf)
        return guided.upsample(self._matte(leaf), self._work, self._photo)

    def _matte(self, leaf: Found) -> Alpha:
        if leaf not in self._mattes:
            coarse = self._coarse(leaf)
            found = bool((coarse > 0).any())
            self._mattes[leaf] = (
                self._studio.matter()(self._work, coarse).alpha if found else coarse
            )
            if not found and not getattr(leaf, "pick", None):  # of a pick, _class said more
                warnings.warn(f"found no {leaf} in this picture", SfumatoWarning, stacklevel=2)
        return self._mattes[leaf]

    def _coarse(self, leaf: Found) -> Alpha:
        if isinstance(leaf, Cluster):
            return self._cluster(leaf)
        return self._class(leaf) if isinstance(leaf, Class) else self._prompted(leaf)

    def _cluster(self, leaf: Cluster) -> Alpha:
        segments = self._run("kmeans", clusters=leaf.n)
        return segments.alpha(str(leaf.k))

    def _class(self, leaf: Class) -> Alpha:
        name = self._studio.settings.segmenter or registry.segmenter_for(leaf.name)
        label = _label(name, leaf.name, self._classes(name))
        segments = self._run(name)
        if leaf.pick is None:
            return segments.alpha(label)
        parts = instances.split(segments, label)
        chosen = instances.choose(parts, leaf.pick)
        if chosen is None:
            count = f"only {len(parts)}" if parts else "none"
            warnings.warn(f"{leaf}: {count} found", SfumatoWarning, stacklevel=2)
            return np.zeros(self._work.shape[:2], dtype=np.float32)
        return chosen

    def _classes(self, name: str) -> tuple[str, ...]:
        """What a segmenter finds; it is built to be asked only where its file does not say."""
        stated = registry.find("segment", name).classes
        return stated or tuple(self._studio.segmenter(name).classes)

    def _prompted(self, leaf: Point | Object) -> Alpha:
        prompt = _prompt(leaf, self._photo.shape[:2])
        name = self._studio.settings.segmenter
        if name is None or not registry.find("segment", name).prompts:
            name = registry.PROMPTED
        if name not in self._looks:
            segmenter = cast(PromptSegmenter, self._studio.segmenter(name))
            self._looks[name] = segmenter.look(self._work)
        return self._looks[name](prompt)

    def _run(self, name: str, clusters: int | None = None) -> Segments:
        key = (name, clusters)
        if key not in self._segments:
            options = {} if clusters is None else {"clusters": clusters}
            segments = self._studio.segmenter(name, **options)(self._work)
            self._segments[key] = segments
        return self._segments[key]


def _label(segmenter: str, wanted: str, classes: tuple[str, ...]) -> str:
    """The label to ask a segmenter for; one that finds just *the subject* stands in for person."""
    if wanted in classes or not classes:
        return wanted
    if wanted == "person" and len(classes) == 1:
        return classes[0]
    others = ", ".join(f"--segmenter {other.name}" for other in registry.finders(wanted))
    advice = f" (for {wanted!r}: {others})" if others else ""
    raise UsageError(
        f"segmenter {segmenter!r} does not find {wanted!r}; it finds {', '.join(classes)}{advice}"
    )


def _drawn(leaf: Everything | Box, shape: tuple[int, int], photo: tuple[int, int]) -> Alpha:
    return np.ones(shape, np.float32) if isinstance(leaf, Everything) else _box(leaf, shape, photo)


def _box(box: Box, shape: tuple[int, int], photo: tuple[int, int]) -> Alpha:
    """Hard rectangle."""
    (h, w), (x0, y0, x1, y1) = shape, _fractions(box, (box.x0, box.y0, box.x1, box.y1), photo)
    alpha = np.zeros(shape, dtype=np.float32)
    alpha[rectangle((x0 * w, y0 * h, x1 * w, y1 * h), shape)] = 1
    return alpha


def _prompt(leaf: Point | Object, photo: tuple[int, int]) -> Prompt:
    if isinstance(leaf, Point):
        x, y = _fractions(leaf, (leaf.x, leaf.y), photo)
        return x, y
    x0, y0, x1, y1 = _fractions(leaf, (leaf.x0, leaf.y0, leaf.x1, leaf.y1), photo)
    return x0, y0, min(x1, 1.0), min(y1, 1.0)


def _fractions(leaf: Leaf, values: tuple[float, ...], photo: tuple[int, int]) -> tuple[float, ...]:
    """x, y, x, y ... as fractions; where one is above 1 they count in the photo's own pixels."""
    if max(values) <= 1:
        return values
    height, width = photo
    if values[0] >= width or values[1] >= height:
        raise UsageError(f"{leaf} lies outside the picture, which is {width} x {height} pixels")
    return tuple(v / (height if i % 2 else width) for i, v in enumerate(values))
