"""Adaptive instance normalisation: any style picture, painted by VGG-19 and its decoder.

Huang and Belongie 2017, "Arbitrary style transfer in real-time with adaptive instance
normalization", with statistics confined to regions: encode the photo once, give each region's
features the channel statistics of its style, decode once.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np
from pydantic import BaseModel, Field

from sfumato.io import weights
from sfumato.ops import resize, trimap
from sfumato.types import Alpha, Context, Image, Progress, Style, no_progress

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    Statistics: TypeAlias = tuple[Tensor, Tensor]
    Restyle: TypeAlias = Callable[[trimap.Tile], Tensor]

REQUIRES = ("torch",)
EXTRA = "torch"
WEIGHTS = ("vgg19-normalised", "adain-decoder")

CELL = 8  # pixels along a side of one feature cell of relu4_1
LEAST = 2  # cells along a side that reflecting borders need
REACH = 4  # cells: features depend on the 30 pixels around them, painted pixels on 30 more

# A tile's activations peak at about 0.9 KB a pixel: a megapixel (128 x 128 cells) with its
# margins stays near 1 GB however large the photo is.
TILE = 128

CACHED_STYLES = 4096  # of 4 KB each

# Whole photos seldom need gains over 3; without a bound a region of a few cells, or of clear
# sky, asks for hundreds and turns to noise (docs/adain.md).
MOST_GAIN = 3.0

# Small photos are painted enlarged, but neither blown up without end nor made large.
MOST_ENLARGED = 4.0
ENLARGED_AREA = 1 << 20


class Options(BaseModel, extra="forbid"):
    """How AdaIN paints."""

    alpha: float = Field(
        1.0, ge=0, le=1, description="Way from the photo's own features (0) to the style's (1)."
    )
    style_scale: float = Field(
        1.0, ge=0.25, le=4, description="Size of the strokes; 2 = twice as large."
    )
    style_size: int = Field(
        512, ge=128, le=2048, description="Side in pixels at which the style picture is read."
    )
    least_side: int = Field(
        512, ge=16, le=2048, description="Photos whose shorter side is less are painted enlarged."
    )
    max_megapixels: float = Field(
        24.0,
        ge=0.1,
        le=256,
        description="Larger work is painted at this size and enlarged; "
        "beyond the first, a megapixel takes about 0.1 GB of memory.",
    )


def build(options: Options, context: Context) -> AdaIN:
    """The stylizer with its nets loaded.

    Raises:
        UsageError: the device is not available.
        WeightsError: the nets' weights cannot be had.
    """
    from sfumato.nets import adain, vgg
    from sfumato.nets.device import choose_device, place

    device, layer = choose_device(context.device), adain.ENCODER_LAYER
    vgg19, decoder = (weights.fetch(name, context.progress) for name in WEIGHTS)
    encoder = place(vgg.load_normalised(vgg19, layers=[layer]), device)
    return AdaIN(
        options,
        encode=lambda picture: encoder(picture)[layer],
        decode=place(adain.load_decoder(decoder), device),
        device=device,
    )


class AdaIN:
    """Paints in the style of any picture; see :class:`sfumato.types.ManyStylizer`.

    Args:
        options: how.
        encode: RGB ``[1, 3, H, W]``, 0..1, to features ``[1, C, H / 8, W / 8]``.
        decode: such features back to RGB.
        device: where both run.
    """

    supports_region = True
    supports_many = True

    def __init__(
        self,
        options: Options,
        *,
        encode: Callable[[Tensor], Tensor],
        decode: Callable[[Tensor], Tensor],
        device: torch.device,
    ) -> None:
        self._options, self._device = options, device
        self._encode, self._decode = encode, decode
        self._styles: dict[bytes, Statistics] = {}

    def __call__(
        self,
        content: Image,
        style: Style,
        *,
        region: Alpha | None = None,
        progress: Progress = no_progress,
    ) -> Image:
        """Paint ``content`` in one style, also beyond the region; see :meth:`paint_many`."""
        if region is None:
            region = np.ones(content.shape[:2], np.float32)
        return self.paint_many(content, [(style, region)], progress=progress)

    def prepare(self, style: Style) -> None:
        """Take the style's statistics before there is anything to paint.

        Raises:
            UsageError: a style without picture.
        """
        import torch

        with torch.inference_mode():
            self._style_statistics(_picture_of(style))

    def paint_many(
        self,
        content: Image,
        layers: Sequence[tuple[Style, Alpha]],
        *,
        progress: Progress = no_progress,
    ) -> Image:
        """Paint several regions in their styles with one encode and one decode.

        Args:
            content: float32 ``[H, W, 3]``, sRGB, 0..1.
            layers: styles, and float32 ``[H, W]``, 0..1, where they go; later ones lie over
                earlier ones. Content statistics are taken where a layer shows, softly weighted.
            progress: told of every tile.

        Returns:
            float32 ``[H, W, 3]``, 0..1. Pixels outside every region are painted in the style of
            a near one, for blending; the result is a copy of the content if no layer shows.

        Raises:
            UsageError: a style without picture, NaN, or sizes that do not match.
        """
        import torch

        for _, alpha in layers:
            trimap.check_pair(content, alpha)
        pictures = [_picture_of(style) for style, _ in layers]
        areas = _showing([alpha for _, alpha in layers])
        seen = [i for i, area in enumerate(areas) if area.any()]
        if not seen:
            return content.copy()
        work = resize.resize(content, self._work_shape(content.shape))
        with torch.inference_mode():
            styles = [self._style_statistics(pictures[i]) for i in seen]
            progress(0.1)
            shown = torch.stack([self._cells(areas[i], work.shape) for i in seen])
            features = self._features(work, lambda f: progress(0.1 + 0.45 * f))
            restyle = self._restyler(features, shown, styles)
            painted = self._picture(_grid(work.shape), restyle, lambda f: progress(0.55 + 0.45 * f))
        return resize.resize(painted[: work.shape[0], : work.shape[1]], content.shape[:2])

    def _work_shape(self, shape: tuple[int, ...]) -> tuple[int, int]:
        """Height and width at which a photo is painted.

        The decoder leaves marks of a fixed size in pixels, which swallow the faces in small photos.
        """
        area, short = shape[0] * shape[1], min(shape[:2])
        enlarged = min(
            self._options.least_side / short, MOST_ENLARGED, math.sqrt(ENLARGED_AREA / area)
        )
        limit = self._options.max_megapixels * 1e6
        return _with_area(shape, min(area * max(1.0, enlarged) ** 2, limit))

    def _style_statistics(self, picture: Image) -> Statistics:
        """Channel means and deviations of a style picture; kept, as batches repeat it."""
        from sfumato.nets.adain import weighted_mean_std

        key = hashlib.blake2b(repr(picture.shape).encode() + picture.tobytes()).digest()
        if key not in self._styles:
            side = self._options.style_size * self._options.style_scale
            sized = resize.resize(picture, _with_area(picture.shape, side * side))
            whole = np.ones(sized.shape[:2], np.float32)
            cells = self._cells(whole, sized.shape)[None]
            if len(self._styles) >= CACHED_STYLES:
                self._styles.pop(next(iter(self._styles)))
            self._styles[key] = weighted_mean_std(self._features(sized, no_progress), cells)
        return self._styles[key]

    def _cells(self, area: Alpha, shape: tuple[int, ...]) -> Tensor:
        """An area's share of each feature cell of a picture of this shape: ``[1, h, w]``.

        The mirrored padding around the picture counts as empty: it takes no part in statistics.
        """
        import torch
        from torch.nn import functional as F

        sized = resize.resize(area, shape[:2])
        height, width = (cells * CELL for cells in _grid(shape))
        pixels = np.zeros((height, width), np.float32)
        pixels[: shape[0], : shape[1]] = sized
        return F.avg_pool2d(torch.from_numpy(pixels)[None], CELL).to(self._device)

    def _features(self, picture: Image, progress: Progress) -> Tensor:
        """The features of a picture of any size, ``[1, C, h, w]``, encoded tile by tile."""
        import torch

        grid = _grid(picture.shape)
        padded = resize.pad_to_multiple(picture, CELL, minimum=LEAST * CELL)
        features = torch.empty(0)
        for tile in _tiles(grid):
            pixels = torch.from_numpy(padded[_scaled(tile.grown)]).permute(2, 0, 1)[None]
            part = self._encode(pixels.to(self._device))
            if not features.numel():
                features = part.new_empty(1, part.shape[1], *grid)
            features[..., tile.own[0], tile.own[1]] = part[..., tile.place[0], tile.place[1]]
            progress(tile.done)
        return features

    def _restyler(self, features: Tensor, shown: Tensor, styles: Sequence[Statistics]) -> Restyle:
        """The function that gives a tile of the features their new statistics.

        Args:
            features: ``[1, C, h, w]`` of the whole picture.
            shown: ``[L, 1, h, w]``, where each of L styles shows.
            styles: L means and deviations.
        """
        import torch

        from sfumato.nets.adain import adain_affine, shares, weighted_mean_std

        amount = self._options.alpha
        maps = []
        for area, style in zip(shown, styles, strict=True):
            own = weighted_mean_std(features, area[None])
            scale, shift = adain_affine(*own, *style, most=MOST_GAIN)
            maps.append((amount * scale + (1 - amount), amount * shift))
        parts = shares(shown)

        def restyle(tile: trimap.Tile) -> Tensor:
            x = features[..., tile[0], tile[1]]
            mixed = torch.zeros_like(x)
            for part, (scale, shift) in zip(parts, maps, strict=True):
                mixed += part[..., tile[0], tile[1]] * (scale * x + shift)
            return mixed

        return restyle

    def _picture(self, grid: tuple[int, int], restyle: Restyle, progress: Progress) -> Image:
        """Restyle and decode tile by tile: float32 ``[8 * h, 8 * w, 3]``, 0..1."""
        painted = np.empty((grid[0] * CELL, grid[1] * CELL, 3), np.float32)
        for tile in _tiles(grid):
            rows, columns = _scaled(tile.place)
            part = self._decode(restyle(tile.grown))[0].permute(1, 2, 0)[rows, columns]
            painted[_scaled(tile.own)] = part.clamp(0, 1).cpu().numpy()
            progress(tile.done)
        return painted


class _TileOfCells(NamedTuple):
    own: trimap.Tile  # what this tile answers for
    grown: trimap.Tile  # with all that its result depends on
    place: trimap.Tile  # where ``own`` lies inside ``grown``
    done: float  # fraction done once this tile is


def _tiles(grid: tuple[int, int]) -> Iterator[_TileOfCells]:
    """Tiles of a grid of cells with margins wide enough that no seam can appear."""
    tiles = list(trimap.tiles(grid, TILE))
    for i, own in enumerate(tiles, 1):
        grown, place = trimap.with_margin(own, REACH, grid)
        yield _TileOfCells(own, grown, place, i / len(tiles))


def _scaled(cells: trimap.Tile) -> trimap.Tile:
    """Rows and columns of pixels of these rows and columns of cells."""
    rows, columns = (slice(part.start * CELL, part.stop * CELL) for part in cells)
    return rows, columns


def _grid(shape: tuple[int, ...]) -> tuple[int, int]:
    """Rows and columns of cells that cover a picture of this shape."""
    rows, columns = (max(LEAST, -(-n // CELL)) for n in shape[:2])
    return rows, columns


def _with_area(shape: tuple[int, ...], area: float) -> tuple[int, int]:
    """Height and width of the same proportions and this area (a side is at least 1)."""
    height, width = shape[:2]
    scale = math.sqrt(area / (height * width))
    return max(1, round(height * scale)), max(1, round(width * scale))


def _showing(alphas: Sequence[Alpha]) -> list[Alpha]:
    """What remains to be seen of each layer once the later ones lie over it."""
    uncovered, result = np.ones((), np.float32), []
    for alpha in reversed(alphas):
        result.append(alpha * uncovered)
        uncovered = uncovered * (1 - alpha)
    return result[::-1]


def _picture_of(style: Style) -> Image:
    picture = style.picture_for("adain")
    trimap.check_pair(picture, np.zeros(picture.shape[:2], np.float32))
    return picture
