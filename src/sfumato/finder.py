"""Finds regions in one photo: from the atoms of the region language to alphas."""

from __future__ import annotations

import warnings

import numpy as np

from sfumato import regions, registry
from sfumato.errors import SfumatoWarning, UsageError
from sfumato.io import pictures
from sfumato.ops import guided, instances
from sfumato.ops.resize import resize
from sfumato.ops.trimap import rectangle
from sfumato.regions import Box, Class, Cluster, Everything, File, Leaf, Region
from sfumato.studio import Studio
from sfumato.types import Alpha, Image, Segments


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
        self._mattes: dict[Leaf, Alpha] = {}
        self._full: dict[Leaf, Alpha] = {}

    def at_work_size(self, region: Region) -> Alpha:
        """The region's alpha, float32 ``[h, w]``.

        Raises:
            UsageError: no segmenter knows a class, or a mask file does not fit.
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

    def _lifted(self, leaf: Class | Cluster | File) -> Alpha:
        if isinstance(leaf, File):
            return pictures.read_mask(leaf.path, self._photo.shape[:2])
        if self._photo.shape == self._work.shape:
            return self._matte(leaf)
        return guided.upsample(self._matte(leaf), self._work, self._photo)

    def _matte(self, leaf: Class | Cluster) -> Alpha:
        if leaf not in self._mattes:
            coarse = self._cluster(leaf) if isinstance(leaf, Cluster) else self._class(leaf)
            found = bool((coarse > 0).any())
            self._mattes[leaf] = (
                self._studio.matter()(self._work, coarse).alpha if found else coarse
            )
            if not found and not getattr(leaf, "pick", None):  # of a pick, _class said more
                warnings.warn(f"found no {leaf} in this picture", SfumatoWarning, stacklevel=2)
        return self._mattes[leaf]

    def _cluster(self, leaf: Cluster) -> Alpha:
        segments = self._run("kmeans", clusters=leaf.n)
        return segments.alpha(str(leaf.k))

    def _class(self, leaf: Class) -> Alpha:
        name = self._studio.settings.segmenter or registry.segmenter_for(leaf.name)
        label = _label(name, leaf.name)
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

    def _run(self, name: str, clusters: int | None = None) -> Segments:
        key = (name, clusters)
        if key not in self._segments:
            options = {} if clusters is None else {"clusters": clusters}
            segments = self._studio.segmenter(name, **options)(self._work)
            self._segments[key] = segments
        return self._segments[key]


def _label(segmenter: str, wanted: str) -> str:
    """The label to ask a segmenter for; one that finds just *the subject* stands in for person."""
    classes = registry.find("segment", segmenter).classes
    if wanted in classes or not classes:
        return wanted
    if wanted == "person" and len(classes) == 1:
        return classes[0]
    raise UsageError(
        f"segmenter {segmenter!r} does not find {wanted!r}; it finds {', '.join(classes)}"
    )


def _drawn(leaf: Everything | Box, shape: tuple[int, int], photo: tuple[int, int]) -> Alpha:
    return np.ones(shape, np.float32) if isinstance(leaf, Everything) else _box(leaf, shape, photo)


def _box(box: Box, shape: tuple[int, int], photo: tuple[int, int]) -> Alpha:
    """Hard rectangle; pixel numbers count in the photo's own pixels."""
    in_pixels = max(box.x0, box.y0, box.x1, box.y1) > 1
    (h, w), (full_h, full_w) = shape, photo
    sx, sy = (w / full_w, h / full_h) if in_pixels else (w, h)
    if in_pixels and (box.x0 >= full_w or box.y0 >= full_h):
        raise UsageError(f"{box} lies outside the picture, which is {full_w} x {full_h} pixels")
    alpha = np.zeros(shape, dtype=np.float32)
    alpha[rectangle((box.x0 * sx, box.y0 * sy, box.x1 * sx, box.y1 * sy), shape)] = 1
    return alpha
