"""Clusters of similar colour, numbered from the largest (k-means in CIELAB or in RGB)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from sfumato.ops.saliency import is_flat
from sfumato.types import Context, Image, Segments

CLASSES = ("cluster",)

SAMPLE = 20_000
"""Pixels from which the centres are learned; more changes them by less than can be seen."""

Features = NDArray[np.float32]
Space = Literal["lab", "rgb"]

_RGB = np.float32(100 / 3**0.5)  # makes black to white as long as it is in CIELAB


class Options(BaseModel, extra="forbid"):
    """How pixels are put together."""

    clusters: int = Field(4, ge=2, le=16, description="number of clusters")
    space: Space = Field(
        "lab", description="colours as the eye tells them apart (lab), or as they are stored (rgb)"
    )
    position: float = Field(
        0,
        ge=0,
        le=2,
        description="weight of where a pixel lies beside its colour; at 1 the picture's longer "
        "side counts as much as black to white",
    )
    smooth: int = Field(
        3,
        ge=0,
        le=20,
        description="radius in pixels of an edge-keeping blur that stops grain from speckling "
        "the clusters; 0 = none",
    )
    attempts: int = Field(3, ge=1, le=20, description="starts from new centres; the best is kept")


@dataclass(frozen=True)
class Kmeans:
    """See :class:`sfumato.types.Segmenter`.

    Labels are ``"1"``, ``"2"``, ... from the largest cluster to the smallest. They cover the
    picture without overlap. There are fewer than asked for where the picture has fewer colours.
    """

    options: Options
    seed: int = 0
    classes: tuple[str, ...] = CLASSES

    def __call__(self, image: Image) -> Segments:
        # One colour is one cluster; shading below what can be seen shall not make more.
        flat = is_flat(image)
        pixels = features(np.zeros_like(image) if flat else image, self.options)
        centres = learn(pixels, self.options.clusters, self.options.attempts, self.seed)
        owner = nearest(pixels, centres).reshape(image.shape[:2])
        areas = np.bincount(owner.ravel(), minlength=len(centres))
        order = [i for i in np.argsort(-areas, kind="stable") if areas[i]]
        masks = np.stack([owner == i for i in order])
        labels = tuple(str(rank) for rank in range(1, len(order) + 1))
        return Segments(masks, labels, (1.0,) * len(order))


def build(options: Options, context: Context) -> Kmeans:
    """Nothing to load."""
    return Kmeans(options, context.seed)


def features(image: Image, options: Options) -> Features:
    """What the clusters are made of, a pixel a row: float32 ``[H*W, 3 or 5]``.

    The colour (L*, a*, b*, or R, G, B times 57.7: in both spaces black and white are 100 apart)
    and, if the position counts, y and x.
    """
    rgb = np.ascontiguousarray(image, dtype=np.float32)
    colours = cv2.cvtColor(rgb, cv2.COLOR_RGB2LAB) if options.space == "lab" else rgb * _RGB
    if smooth := options.smooth:
        # 10 units of L*a*b* are a clear difference of colour; less is grain or shading.
        colours = cv2.bilateralFilter(colours, 2 * smooth + 1, 10, smooth / 2)
    height, width = image.shape[:2]
    rows = [np.asarray(colours, np.float32).reshape(-1, 3)]
    if options.position:
        scale = 100 * options.position / max(height, width)
        ys, xs = np.mgrid[:height, :width].astype(np.float32)
        rows.append(np.stack([ys, xs], axis=-1).reshape(-1, 2) * np.float32(scale))
    return np.concatenate(rows, axis=1)


def learn(pixels: Features, clusters: int, attempts: int, seed: int) -> Features:
    """Centres, float32 ``[k, D]``: k is ``clusters``, or the number of distinct rows if smaller.

    Lloyd's algorithm from k-means++ starts (Arthur and Vassilvitskii 2007), on a random sample.
    """
    if len(pixels) > SAMPLE:
        rows = np.random.default_rng(seed).choice(len(pixels), SAMPLE, replace=False)
        pixels = pixels[np.sort(rows)]
    distinct = np.unique(pixels, axis=0)
    if len(distinct) <= clusters:
        return distinct
    cv2.setRNGSeed(seed & 0x7FFFFFFF)
    stop = (cv2.TERM_CRITERIA_COUNT + cv2.TERM_CRITERIA_EPS, 50, 0.1)
    _, _, centres = cv2.kmeans(
        pixels,
        clusters,
        None,
        stop,
        attempts,
        cv2.KMEANS_PP_CENTERS,  # type: ignore[call-overload]
    )
    return np.asarray(centres, dtype=np.float32)


def nearest(pixels: Features, centres: Features) -> NDArray[np.uint8]:
    """Index of each row's nearest centre, uint8 ``[H*W]``; one centre at a time to save memory."""
    owner = np.zeros(len(pixels), dtype=np.uint8)
    least = np.full(len(pixels), np.inf, dtype=np.float32)
    for i, centre in enumerate(centres):
        # |x - c|^2 less |x|^2, which is the same for every centre.
        distance = pixels @ (-2 * centre) + centre @ centre
        closer = distance < least
        owner[closer], least[closer] = i, distance[closer]
    return owner
