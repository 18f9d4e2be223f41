"""What is to be reached, for TensorFlow: the losses of ``goals.py`` and ``objective.py``.

Regions, guides, crops around what may change and all weights are those of the house, in NumPy;
what has a gradient is written anew: features, Gram matrices, distances and the terms that read
pixels. The picture goes through the net in one piece for each crop; there are no tiles.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sfumato.losses.laplacian import POOLS
from sfumato.losses.style import LEAST_AREA
from sfumato.nets import vgg
from sfumato.nets.vgg_keras import Read, Tensor, libraries
from sfumato.ops import resize
from sfumato.optimise.descent import Losses
from sfumato.optimise.goals import MARGIN, Part
from sfumato.optimise.guides import guide
from sfumato.optimise.patches import Patch, cover
from sfumato.optimise.recipe import Recipe
from sfumato.optimise.scales import LEAST_SIDE
from sfumato.types import Alpha, Image, Mask

Floats = NDArray[np.float32]
Guides = Mapping[str, Floats]
Gram = tuple[float, Tensor]
"""The area in cells, and the sum over cells of ``g f f^T``, ``[C, C]``."""


@dataclass(frozen=True)
class Net:
    """VGG-19 and how styles are read.

    Attributes:
        read: the net.
        features: which weights those are (:attr:`Recipe.features`).
        style_scale, style_margin: as in :class:`sfumato.optimise.goals.Tools`.
    """

    read: Read
    features: str
    style_scale: float = 1.0
    style_margin: float = 0.0


@dataclass(frozen=True)
class _Style:
    """One region's guides, its style's Gram matrices over their areas, its share of the whole."""

    guides: Guides
    grams: Mapping[str, Tensor]
    share: float


class Goal:
    """What the picture is compared with.

    Args:
        content: float32 ``[H, W, 3]``, 0..1.
        parts: regions and styles.
        recipe: losses and weights; what it asks for beyond content, Gram matrices, ``tv_weight``
            and ``laplacian_weight`` is passed over.
        net: VGG-19, reading the recipe's layers.
    """

    def __init__(self, content: Image, parts: Sequence[Part], recipe: Recipe, net: Net) -> None:
        _, tf = libraries()
        regions = [part.region for part in parts]
        union = np.max(regions, axis=0)
        self.free: Mask = union > 0
        self._recipe, self._read, self._union = recipe, net.read, union
        self._content_weights = recipe.content_weights(net.features)
        self._style_weights = recipe.style_weights(net.features)
        self._patches = cover(self.free, MARGIN)
        self._photo = tf.constant(content[None])
        self._guides = {layer: _guide(union, layer) for layer in self._content_weights}
        self._features = [self._own(self._photo, patch) for patch in self._patches]
        total = sum(float(region.sum()) for region in regions)
        side = max(content.shape[:2])
        self._styles = [
            _Style(
                {layer: _guide(region, layer) for layer in self._style_weights},
                _grams(part, side, list(self._style_weights), net),
                float(region.sum()) / total,
            )
            for part, region in zip(parts, regions, strict=True)
        ]
        traced = tf.function(self._with_gradient, autograph=False)
        self._evaluate = traced.get_concrete_function(
            tf.TensorSpec((1, *content.shape), tf.float32)
        )

    def evaluate(self, picture: Tensor) -> tuple[Losses, Tensor]:
        """Each weighted term and their ``total``, and the total's gradient.

        Args:
            picture: ``[1, H, W, 3]``, RGB, about 0..1.
        """
        terms, gradient = self._evaluate(picture)
        values = {name: float(term) for name, term in terms.items()}
        return values | {"total": sum(values.values())}, gradient

    def _with_gradient(self, picture: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        _, tf = libraries()
        with tf.GradientTape() as tape:
            tape.watch(picture)
            terms = self._terms(picture)
            total = _added(list(terms.values()))
        return terms, tape.gradient(total, picture)

    def _terms(self, picture: Tensor) -> dict[str, Tensor]:
        content, style = self._distances(picture)
        terms = {}
        if content:
            terms["content"] = _added(content)
        if style:
            terms["style"] = _added(style)
        if weight := self._recipe.tv_weight:
            terms["tv"] = weight * total_variation(picture[0], self._union)
        if weight := self._recipe.laplacian_weight:
            terms["laplacian"] = weight * laplacian(picture[0], self._photo[0], self._union)
        return terms

    def _distances(self, picture: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """The weighted parts of the content and of the style term."""
        content = []
        sums: dict[tuple[int, str], list[Gram]] = {}
        for patch, target in zip(self._patches, self._features, strict=True):
            own = self._own(picture, patch)
            for layer, weight in self._content_weights.items():
                cells = self._guides[layer]
                here = cells[patch.cells_of_picture(vgg.stride(layer))]
                factor = weight / (own[layer].shape[-1] * max(float(cells.sum()), 1e-8))
                squares = (own[layer] - target[layer]) ** 2 * here[..., None]
                content.append(factor * _sum(squares))
            for i, style in enumerate(self._styles):
                for layer in self._style_weights:
                    here = style.guides[layer][patch.cells_of_picture(vgg.stride(layer))]
                    if here.any():
                        sums.setdefault((i, layer), []).append(_moments(own[layer], here))
        distances = []
        for (i, layer), parts in sums.items():
            style = self._styles[i]
            apart = _gram(parts) - style.grams[layer]
            weight = (
                style.share * self._style_weights[layer] / 4
            )  # of the mean: see losses/style.py
            distances.append(weight * _mean(apart**2))
        return content, distances

    def _own(self, picture: Tensor, patch: Patch) -> dict[str, Tensor]:
        """A crop's activations ``[h, w, C]`` where it answers for them."""
        rows, columns = patch.seen.slices
        read = self._read(picture[:, rows, columns])
        return {layer: x[patch.cells(vgg.stride(layer))] for layer, x in read.items()}


def total_variation(x: Tensor, weight: Alpha) -> Tensor:
    """:func:`sfumato.losses.smoothness.total_variation` of ``[H, W, 3]``."""
    across = np.minimum(weight[:, 1:], weight[:, :-1])
    down = np.minimum(weight[1:], weight[:-1])
    return _mean_square(x[:, 1:] - x[:, :-1], across) + _mean_square(x[1:] - x[:-1], down)


def laplacian(x: Tensor, target: Tensor, weight: Alpha) -> Tensor:
    """:func:`sfumato.losses.laplacian.laplacian` of ``[H, W, 3]``."""
    _, tf = libraries()
    difference = tf.reduce_sum(x - target, axis=-1)
    terms = []
    for pool in POOLS:
        small = _averaged(difference, pool)
        near = tf.pad(small, ((1, 1), (1, 1)), mode="SYMMETRIC")  # the border once more
        cross = near[1:-1, 2:] + near[1:-1, :-2] + near[2:, 1:-1] + near[:-2, 1:-1]
        share = _averaged(tf.constant(weight), pool)
        terms.append(_mean_square((4 * small - cross)[..., None], share))
    return _added(terms)


def _guide(region: Alpha, layer: str) -> Floats:
    return np.asarray(guide(region, layer).numpy(), dtype=np.float32)


def _grams(part: Part, side: int, layers: Sequence[str], net: Net) -> dict[str, Tensor]:
    """What is to be learnt from a style picture, as ``goals.py`` reads it."""
    _, tf = libraries()
    factor = min(1.0, side * net.style_scale / max(part.style.shape[:2]))
    size = [max(LEAST_SIDE, round(n * factor)) for n in part.style.shape[:2]]
    style = tf.constant(resize.resize(part.style, (size[0], size[1]))[None])
    if part.learnt is not None:
        learnt = resize.resize(part.learnt, (size[0], size[1]))
    else:
        learnt = np.zeros(size, np.float32)
        top, left = (round(n * net.style_margin) for n in size)
        learnt[top : size[0] - top, left : size[1] - left] = 1
    found: dict[str, list[Gram]] = {layer: [] for layer in layers}
    for patch in cover(learnt > 0, MARGIN):
        rows, columns = patch.seen.slices
        read = net.read(style[:, rows, columns])
        for layer in layers:
            stride = vgg.stride(layer)
            here = _guide(learnt, layer)[patch.cells_of_picture(stride)]
            found[layer].append(_moments(read[layer][patch.cells(stride)], here))
    return {layer: _gram(parts) for layer, parts in found.items()}


def _moments(features: Tensor, weight: Floats) -> Gram:
    """``sum g`` and ``sum g f f^T`` of ``[h, w, C]``."""
    _, tf = libraries()
    flat = tf.reshape(features, (-1, features.shape[-1]))
    weighted = flat if (weight == 1).all() else flat * weight.reshape(-1, 1)
    return float(weight.sum()), tf.matmul(weighted, flat, transpose_a=True)


def _gram(parts: Sequence[Gram]) -> Tensor:
    """The matrix of all parts over their area."""
    area = max(sum(part[0] for part in parts), LEAST_AREA)
    return _added([part[1] for part in parts]) / area


def _averaged(x: Tensor, pool: int) -> Tensor:
    """Means over squares of ``[H, W]``; those at the right and lower border are cut off by it."""
    _, tf = libraries()
    height, width = x.shape
    rows, columns = -(-height // pool), -(-width // pool)
    ends = ((0, rows * pool - height), (0, columns * pool - width))
    counts = np.pad(np.ones((height, width), np.float32), ends)
    sums, numbers = (
        tf.reduce_sum(tf.reshape(y, (rows, pool, columns, pool)), axis=(1, 3))
        for y in (tf.pad(x, ends), counts)
    )
    return sums / numbers


def _mean_square(x: Tensor, weight: Tensor | Floats) -> Tensor:
    """``sum w x^2 / (C sum w)`` of ``[h, w, C]``."""
    _, tf = libraries()
    return _sum(x**2 * weight[..., None]) / tf.maximum(x.shape[-1] * _sum(weight), 1e-8)


def _added(tensors: Sequence[Tensor]) -> Tensor:
    _, tf = libraries()
    return tf.add_n(tensors)


def _sum(x: Tensor) -> Tensor:
    _, tf = libraries()
    return tf.reduce_sum(x)


def _mean(x: Tensor) -> Tensor:
    _, tf = libraries()
    return tf.reduce_mean(x)
