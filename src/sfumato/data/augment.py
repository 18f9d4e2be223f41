"""The same sample seen otherwise: moved, lit, coloured, worn, and put before something else.

Every step is a function of its own that takes plain numbers; :func:`augment` draws the numbers.
Geometry is one warp for picture and mask together, so that they cannot part.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from sfumato.data._listed import IGNORED, Sample, Samples
from sfumato.data.beside import beside
from sfumato.errors import UsageError
from sfumato.types import Alpha, Image

Bytes = NDArray[np.uint8]

Backgrounds = Callable[[np.random.Generator], Sample]
"""Gives something to put a person before. What its own mask says holds on where it is seen."""

Restyle = Callable[[Image, np.random.Generator], Image]
"""Paints a picture anew: float32 ``[H, W, 3]``, 0..1, to the same size."""

Padding = Literal["reflect", "ignore"]


class Augmentation(BaseModel, extra="forbid", frozen=True):
    """What may be done to a sample, and how far; all strengths at 0 = only crop and scale."""

    smallest: float = Field(
        0.7, ge=0.1, le=1, description="least scale; 1 = the picture has as many pixels as the crop"
    )
    largest: float = Field(1.6, ge=1, le=8, description="greatest scale")
    stretch: float = Field(
        0.1, ge=0, le=0.5, description="greatest change of the proportions, as a fraction"
    )
    rotation: float = Field(12, ge=0, le=180, description="greatest turn either way, in degrees")
    shift: float = Field(
        1, ge=0, le=1, description="0 = crop the middle, 1 = crop anywhere in the picture"
    )
    flip: float = Field(0.5, ge=0, le=1, description="chance of a mirror image")
    padding: Padding = Field(
        "reflect", description="what is beyond the picture: its reflection, or ignored"
    )
    colour: float = Field(0.8, ge=0, le=1, description="chance of a change of light and colour")
    lightness: float = Field(12, ge=0, le=50, description="greatest change of L*, either way")
    contrast: float = Field(
        0.25, ge=0, le=0.9, description="greatest change of the spread of L*, as a fraction"
    )
    chroma: float = Field(
        0.4, ge=0, le=1, description="greatest change of colourfulness, as a fraction"
    )
    hue: float = Field(8, ge=0, le=180, description="greatest turn of all hues, in degrees")
    tint: float = Field(6, ge=0, le=40, description="greatest shift of a* and b*: warm, cold, ...")
    gamma: float = Field(
        0.25, ge=0, le=1.5, description="greatest |log2| of the exponent laid on the levels"
    )
    grey: float = Field(0.08, ge=0, le=1, description="chance of losing all colour")
    blur: float = Field(0.15, ge=0, le=1, description="chance of a blur")
    blur_sigma: float = Field(1.5, ge=0.1, le=8, description="greatest blur, in pixels")
    noise: float = Field(0.2, ge=0, le=1, description="chance of noise")
    noise_sigma: float = Field(
        0.05, ge=0, le=0.3, description="strongest noise; 1 = black to white"
    )
    jpeg: float = Field(0.2, ge=0, le=1, description="chance of JPEG's traces")
    jpeg_quality: int = Field(35, ge=5, le=95, description="least quality of the JPEG")
    swap: float = Field(
        0.0, ge=0, le=1, description="chance of another background, if any is given"
    )
    restyle: float = Field(
        0.0, ge=0, le=1, description="chance of being painted anew, if that is given"
    )
    apart: float = Field(
        0.0, ge=0, le=1, description="chance that then figures and ground are painted each anew"
    )
    empty: float = Field(
        0.0, ge=0, le=1, description="chance of being cut to the background beside the figures"
    )


def augment(
    sample: Sample,
    options: Augmentation,
    rng: np.random.Generator,
    *,
    size: int | tuple[int, int],
    backgrounds: Backgrounds | None = None,
    restyle: Restyle | None = None,
) -> Sample:
    """A sample of ``size`` pixels made from this one; the same generator state, the same result.

    In this order: cut to the background; scale, turn, flip and crop; another background;
    restyling; colour, gamma and grey; blur, noise and JPEG, as a camera would.

    Args:
        sample: any size, 1 pixel or more.
        options: what may be done.
        rng: of all choices.
        size: side of the result, or (height, width).
        backgrounds: what swapped backgrounds are taken from.
        restyle: paints anew (drawn, painted, another style); the mask stays as it is.

    Raises:
        UsageError: ``restyle`` gave another size.
    """
    shape = (size, size) if isinstance(size, int) else size
    if options.empty and _happens(rng, options.empty):
        sample = beside(sample)
    result = place(sample, options, rng, shape)
    if backgrounds is not None and (result.mask > 0).any() and _happens(rng, options.swap):
        behind = place(backgrounds(rng), options, rng, shape)
        result = swap_background(result, behind, softness=float(rng.uniform(0.6, 1.4)))
    image = result.image
    if restyle is not None and _happens(rng, options.restyle):
        image = _restyled(result.image, restyle, rng)
        if options.apart and _happens(rng, options.apart):
            ground = _restyled(result.image, restyle, rng)
            image = _laid(image, ground, _soft(result.mask > 0, 0.8))
    if _happens(rng, options.colour):
        image = shift_colour(
            image,
            lightness=_either(rng, options.lightness),
            contrast=1 + _either(rng, options.contrast),
            chroma=1 + _either(rng, options.chroma),
            hue=_either(rng, options.hue),
            tint=(_either(rng, options.tint), _either(rng, options.tint)),
        )
        image = gamma(image, 2.0 ** _either(rng, options.gamma))
    if _happens(rng, options.grey):
        image = grey(image)
    if _happens(rng, options.blur):
        image = blur(image, float(rng.uniform(0.1, options.blur_sigma)))
    if _happens(rng, options.noise):
        image = noise(image, float(rng.uniform(0, options.noise_sigma)), rng)
    if _happens(rng, options.jpeg):
        image = jpeg(image, int(rng.integers(options.jpeg_quality, 96)))
    return Sample(image, result.mask, sample.name)


def fit(sample: Sample, size: int | tuple[int, int], padding: Padding = "ignore") -> Sample:
    """The whole sample in the middle of ``size`` pixels, unchanged but for its scale."""
    shape = (size, size) if isinstance(size, int) else size
    height, width = sample.mask.shape
    scale = min(shape[0] / height, shape[1] / width)
    return warp(sample, placement(sample.mask.shape, shape, scale=(scale, scale)), shape, padding)


def chosen_from(samples: Samples) -> Backgrounds:
    """Backgrounds taken from a set at random."""
    return lambda rng: samples[int(rng.integers(len(samples)))]


def place(
    sample: Sample, options: Augmentation, rng: np.random.Generator, shape: tuple[int, int]
) -> Sample:
    """The geometric part: a crop of ``shape`` (height, width) of the scaled and turned sample."""
    height, width = sample.mask.shape
    equal = np.sqrt(shape[0] * shape[1] / (height * width))
    scale = equal * np.exp(rng.uniform(np.log(options.smallest), np.log(options.largest)))
    stretch = np.sqrt(1 + options.stretch) ** rng.uniform(-1, 1)
    matrix = placement(
        (height, width),
        shape,
        scale=(float(scale * stretch), float(scale / stretch)),
        angle=_either(rng, options.rotation),
        mirrored=_happens(rng, options.flip),
        at=(options.shift * rng.uniform(-1, 1), options.shift * rng.uniform(-1, 1)),
    )
    return warp(sample, matrix, shape, options.padding)


def placement(
    source: tuple[int, ...],
    shape: tuple[int, ...],
    *,
    scale: tuple[float, float] = (1, 1),
    angle: float = 0,
    mirrored: bool = False,
    at: tuple[float, float] = (0, 0),
) -> NDArray[np.float64]:
    """The affine map from a picture to its crop, ``[2, 3]``, for pixel centres at whole numbers.

    Args:
        source, shape: (height, width) of the picture and of the crop.
        scale: horizontal and vertical.
        angle: of the turn, clockwise as seen, in degrees.
        mirrored: left and right changed over.
        at: where the crop is, -1..1 across and down: 0 = the middle; at ±1 an edge of the crop is
            on an edge of the scaled picture, inside it if it is larger.
    """
    turn = np.radians(angle)
    cos, sin = np.cos(turn), np.sin(turn)
    flip = -1 if mirrored else 1
    linear = np.array([[cos, -sin], [sin, cos]]) @ np.diag([scale[0] * flip, scale[1]])
    middle = (np.array(source[1::-1]) - 1) / 2
    goal = (np.array(shape[1::-1]) - 1) / 2
    room = np.abs(np.array(source[1::-1]) * scale - np.array(shape[1::-1])) / 2
    offset = goal - linear @ middle + room * at
    return np.concatenate([linear, offset[:, None]], axis=1)


def warp(
    sample: Sample, matrix: NDArray[np.float64], shape: tuple[int, int], padding: Padding
) -> Sample:
    """Picture and mask through one affine map.

    The picture is interpolated (after averaging, where it shrinks); a pixel of the mask gets the
    label that has the largest share of it, so labels are never mixed. Beyond the picture there is
    its reflection; with ``ignore`` that counts nowhere.
    """
    image, matrix_image = _shrunk(sample.image, matrix)
    moved = _affine(image, matrix_image, shape)
    present = np.flatnonzero(np.bincount(sample.mask.ravel(), minlength=256))
    mask = np.full(shape, present[0], np.uint8)
    most = np.zeros(shape, np.uint8)
    for label in present if len(present) > 1 else ():
        share, matrix_share = _shrunk(_where(sample.mask == label), matrix)
        share = _affine(share, matrix_share, shape)
        larger = share > most
        mask[larger] = label
        most = np.maximum(most, share)
    if padding == "ignore":
        inside = np.full(sample.mask.shape, 255, np.uint8)
        seen = cv2.warpAffine(inside, matrix, shape[::-1], flags=cv2.INTER_LINEAR)
        mask[seen < 128] = IGNORED
    return Sample(moved, mask, sample.name)


def swap_background(sample: Sample, behind: Sample, *, softness: float = 1.0) -> Sample:
    """What is not background, before another picture of the same size.

    The edge is softened by a Gaussian of ``softness`` pixels, and near it the foreground's
    colours are taken from further inside: the old background shines through there. Where the
    other picture is seen its own labels hold. Ignored pixels go with the foreground.
    """
    front = _where(sample.mask > 0)
    alpha = _soft(sample.mask > 0, softness)
    inside = cv2.erode(front, np.ones((3, 3), np.uint8), borderType=cv2.BORDER_REPLICATE)
    known = np.where(inside[..., None] > 0, sample.image, 0)
    window = (9, 9)
    weight = cv2.boxFilter((inside > 0).astype(np.float32), -1, window)[..., None]
    total = cv2.boxFilter(known.astype(np.float32), -1, window)
    spread = total / np.maximum(weight, 1e-6)
    # Parts too thin to have an inside keep the colours that they have.
    own = (inside[..., None] > 0) | (weight < 1e-3)
    colours = np.where(own, sample.image, spread)
    image = _laid(colours, behind.image, alpha)
    return Sample(image, np.where(sample.mask > 0, sample.mask, behind.mask), sample.name)


def shift_colour(
    image: Bytes,
    *,
    lightness: float = 0,
    contrast: float = 1,
    chroma: float = 1,
    hue: float = 0,
    tint: tuple[float, float] = (0, 0),
) -> Bytes:
    """Light and colour changed in CIELAB, where equal steps look about equal.

    Args:
        image: uint8 ``[H, W, 3]``, sRGB.
        lightness: added to L*.
        contrast: times the distance of L* from the middle grey, 50.
        chroma: times the distance from grey.
        hue: turn of the hues, in degrees.
        tint: added to a* (green to red) and b* (blue to yellow).
    """
    lab = cv2.cvtColor(image, cv2.COLOR_RGB2LAB).astype(np.float32)  # L* is 0..255 here
    turn = np.radians(hue)
    cos, sin = chroma * np.cos(turn), chroma * np.sin(turn)
    (a, b), grey_level = tint, 50 * 2.55
    change = np.array(
        [
            [contrast, 0, 0, grey_level * (1 - contrast) + lightness * 2.55],
            [0, cos, -sin, 128 - 128 * (cos - sin) + a],
            [0, sin, cos, 128 - 128 * (sin + cos) + b],
        ],
        np.float32,
    )
    changed = np.clip(np.rint(cv2.transform(lab, change)), 0, 255).astype(np.uint8)
    return np.asarray(cv2.cvtColor(changed, cv2.COLOR_LAB2RGB), np.uint8)


def gamma(image: Bytes, exponent: float) -> Bytes:
    """Levels 0..1 to the power of ``exponent``: above 1 darker, below lighter."""
    levels = np.rint(255 * (np.arange(256) / 255) ** exponent).astype(np.uint8)
    return np.asarray(cv2.LUT(image, levels), np.uint8)


def grey(image: Bytes) -> Bytes:
    """Without colour, still three channels."""
    light = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    return np.asarray(cv2.cvtColor(light, cv2.COLOR_GRAY2RGB), np.uint8)


def blur(image: Bytes, sigma: float) -> Bytes:
    """Gaussian, ``sigma`` in pixels."""
    return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma), np.uint8)


def noise(image: Bytes, sigma: float, rng: np.random.Generator) -> Bytes:
    """Gaussian noise in each channel; ``sigma`` 1 = black to white."""
    grain = rng.standard_normal(image.shape, dtype=np.float32)
    return np.clip(np.rint(image + grain * np.float32(255 * sigma)), 0, 255).astype(np.uint8)


def jpeg(image: Bytes, quality: int) -> Bytes:
    """What is left after being a JPEG file of this quality, 1..100."""
    # OpenCV's colour order does not matter to a round trip, but to JPEG's own: it must be BGR.
    flipped = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    _, data = cv2.imencode(".jpg", flipped, [cv2.IMWRITE_JPEG_QUALITY, quality])
    read = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR))
    return np.asarray(cv2.cvtColor(read, cv2.COLOR_BGR2RGB), np.uint8)


def _soft(mask: NDArray[np.bool_], sigma: float) -> Alpha:
    """A mask with an edge softened by a Gaussian, ``sigma`` in pixels."""
    soft = cv2.GaussianBlur(_where(mask), (0, 0), max(sigma, 0.1)).astype(np.float32) / 255
    return np.asarray(soft, np.float32)


def _laid(front: NDArray[Any], ground: Bytes, alpha: Alpha) -> Bytes:
    """One picture over another."""
    mixed = ground + (front - ground.astype(np.float32)) * alpha[..., None]
    return np.clip(np.rint(mixed), 0, 255).astype(np.uint8)


def _restyled(image: Bytes, restyle: Restyle, rng: np.random.Generator) -> Bytes:
    painted = np.asarray(restyle(np.divide(image, 255, dtype=np.float32), rng))
    if painted.shape != image.shape:
        raise UsageError(f"restyling gave {painted.shape}; expected {image.shape}")
    return np.clip(np.rint(painted * 255), 0, 255).astype(np.uint8)


def _shrunk(array: Bytes, matrix: NDArray[np.float64]) -> tuple[Bytes, NDArray[np.float64]]:
    """The array averaged down if the map shrinks it to half or less, and the map from there.

    Bilinear interpolation looks at two pixels a side: more of them would be skipped.
    """
    stretch = np.sqrt((matrix[:, :2] ** 2).sum(axis=0))  # of the x and y sides
    sides = np.array(array.shape[1::-1])
    fewer = np.maximum(1, np.rint(sides * np.minimum(1, stretch)).astype(int))
    if (stretch > 0.5).all():
        return array, matrix
    small = cv2.resize(array, fewer.tolist(), interpolation=cv2.INTER_AREA)
    ratio = sides / fewer
    middle = matrix[:, :2] @ ((ratio - 1) / 2)
    return np.asarray(small, np.uint8), np.concatenate(
        [matrix[:, :2] * ratio, (matrix[:, 2] + middle)[:, None]], axis=1
    )


def _affine(array: Bytes, matrix: NDArray[np.float64], shape: tuple[int, int]) -> Bytes:
    moved = cv2.warpAffine(
        array, matrix, shape[::-1], flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101
    )
    return np.asarray(moved, np.uint8)


def _where(mask: NDArray[np.bool_]) -> Bytes:
    return mask.view(np.uint8) * np.uint8(255)


def _happens(rng: np.random.Generator, chance: float) -> bool:
    return bool(rng.uniform() < chance)


def _either(rng: np.random.Generator, strength: float) -> float:
    return float(rng.uniform(-strength, strength))
