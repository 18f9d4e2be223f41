"""Colour profiles: from a picture's own RGB to the sRGB that Sfumato works in, and back.

Nearly every RGB profile in a photograph (sRGB, Display P3, Adobe RGB, ProPhoto, Rec. 2020) is
"matrix/TRC": three tone curves and a 3 x 3 matrix (ICC.1:2022, 8.4.3). Those are computed here in
float: LittleCMS through Pillow works in 8 bits only, and 16-bit pictures stay 16-bit here. The
rest (table profiles, CMYK, Lab) goes through LittleCMS.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from sfumato.types import Image

Native = NDArray[np.unsignedinteger[Any]]
"""Pixels as a file stores them: uint8 or uint16, full range."""

Depth = np.dtype[np.unsignedinteger[Any]]
"""uint8 or uint16."""

_BLACK_POINT_COMPENSATION = 0x2000  # LittleCMS; Pillow names it differently by version
_LEVELS = 65536
_STRIP = 1 << 18  # pixels worked on at once: the float temporaries stay in the CPU's cache

# Columns: linear sRGB primaries in the profile connection space (XYZ, adapted to D50 with
# Bradford), the numbers of the sRGB profile itself (IEC 61966-2-1 by way of ICC).
_SRGB_TO_XYZ = np.array(
    [
        [0.4360747, 0.3850649, 0.1430804],
        [0.2225045, 0.7168786, 0.0606169],
        [0.0139322, 0.0971045, 0.7141733],
    ]
)


class ColourSpace(Protocol):
    """The way between a picture's own encoding and sRGB."""

    def to_srgb(self, native: Native) -> Image:
        """``[H, W, 3]`` uint8 or uint16 in the profile -> float32 sRGB, 0..1, clipped to gamut."""

    def from_srgb(self, image: Image, dtype: Depth) -> Native:
        """``[H, W, 3]`` float32 sRGB, 0..1 -> uint8 or uint16 in the profile."""


def strips(height: int, width: int) -> Iterator[slice]:
    """Row ranges of about a quarter of a megapixel each, covering ``height`` rows."""
    step = max(1, _STRIP // max(1, width))
    return (slice(top, min(top + step, height)) for top in range(0, height, step))


def quantise(values: NDArray[np.float32], dtype: Depth) -> Native:
    """0..1 to the full range of uint8 or uint16, rounded to nearest; outside values are clipped."""
    top = np.float32(np.iinfo(dtype).max)
    scaled = np.multiply(values, top, dtype=np.float32)
    np.rint(scaled, out=scaled)
    return np.clip(scaled, 0, top, out=scaled).astype(dtype)


def unit(native: Native) -> NDArray[np.float32]:
    """uint8 or uint16 to float32 0..1."""
    return np.divide(native, np.float32(np.iinfo(native.dtype).max), dtype=np.float32)


def kind(icc: bytes) -> str:
    """``RGB``, ``GRAY``, ``CMYK``, ``LAB``: what the profile encodes.

    Raises:
        ValueError: the bytes are no ICC profile.
    """
    if len(icc) < 132 or icc[36:40] != b"acsp":
        raise ValueError("not an ICC profile")
    return icc[16:20].decode("latin-1").strip().upper()


@lru_cache(maxsize=8)
def colour_space(icc: bytes | None) -> ColourSpace | None:
    """The converter of an RGB profile; None where the profile is sRGB or there is none.

    Raises:
        ValueError: the profile is broken, or not one of RGB pictures.
    """
    if icc is None:
        return None
    if kind(icc) != "RGB":
        raise ValueError(f"a {kind(icc)} profile on an RGB picture")
    try:
        space: ColourSpace = _matrix_space(icc)
    except _NotMatrixError:
        space = _TableSpace(icc)
    ramp = np.linspace(0, 65535, 17).astype(np.uint16)
    cube = np.stack(np.meshgrid(ramp, ramp, ramp), axis=-1).reshape(17, -1, 3)
    image = space.to_srgb(cube)
    space.from_srgb(image, np.dtype(np.uint8))  # a profile without a way back fails here, not later
    # The many spellings of sRGB differ by rounded numbers: up to one 8-bit level in the dark
    # channels of pure colours. The nearest relative (its primaries, gamma 2.2) is 6 levels off.
    return None if np.abs(image - unit(cube)).max() < 2 / 255 else space


def grey_to_srgb(native: Native, icc: bytes) -> Native:
    """A grey picture in a grey profile -> grey levels in sRGB, same depth.

    Raises:
        ValueError: the profile is broken.
    """
    if kind(icc) != "GRAY" or (tag := _tags(icc).get("kTRC")) is None:
        raise ValueError("the grey profile has no curve")
    table = quantise(_srgb_encode()[_root_index(_curve(tag))], native.dtype)
    if np.abs(unit(table) - np.linspace(0, 1, _LEVELS)).max() < 0.5 / 255:
        return native
    levels = table[::257] if native.dtype == np.uint8 else table
    return levels[native]


def littlecms_to_srgb(picture: PillowImage.Image, icc: bytes | None) -> PillowImage.Image:
    """A CMYK, Lab or RGB picture -> 8-bit sRGB; ``icc`` None stands for plain Lab.

    Relative colorimetric with black point compensation, as photo editors do by default.

    Raises:
        ValueError: the profile is broken or does not fit the picture.
    """
    from PIL import ImageCms

    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(icc)) if icc else ImageCms.createProfile("LAB")
        converted = ImageCms.profileToProfile(
            picture,
            source,
            ImageCms.createProfile("sRGB"),
            renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
            outputMode="RGB",
            flags=_BLACK_POINT_COMPENSATION,  # type: ignore[arg-type]
        )
    except (ImageCms.PyCMSError, OSError, TypeError) as error:
        raise ValueError(f"the colour profile cannot be used ({error})") from error
    assert converted is not None  # None only comes back from in-place conversions
    return converted


class _NotMatrixError(Exception):
    """The profile has no usable matrix and curves."""


@dataclass(frozen=True, eq=False)
class _MatrixSpace:
    """Tone curves and a matrix.

    Attributes:
        curves: float32 ``[3, 65536]``, encoded level -> linear light, by channel.
        inverse: float32 ``[3, 65536]``, square root of linear light -> encoded, by channel. The
            square root spreads the table's steps as the eye and all these curves do, so that
            65536 entries are fine enough for 16 bits even near black.
        matrix: float32 ``[3, 3]``, linear profile RGB -> linear sRGB.
    """

    curves: NDArray[np.float32]
    inverse: NDArray[np.float32]
    matrix: NDArray[np.float32]

    @cached_property
    def _back(self) -> NDArray[np.float32]:
        return np.linalg.inv(self.matrix.astype(np.float64)).astype(np.float32)

    def to_srgb(self, native: Native) -> Image:
        curves = self.curves[:, ::257] if native.dtype == np.uint8 else self.curves
        encode = _srgb_encode()
        out = np.empty(native.shape, np.float32)
        for rows in strips(*native.shape[:2]):
            linear = _mix(_look_up(curves, native[rows]), self.matrix)
            out[rows] = encode[_root_index(linear)]
        return out

    def from_srgb(self, image: Image, dtype: Depth) -> Native:
        decode = _srgb_decode()
        out = np.empty(image.shape, dtype)
        for rows in strips(*image.shape[:2]):
            linear = _mix(decode[quantise(image[rows], np.dtype(np.uint16))], self._back)
            out[rows] = quantise(_look_up(self.inverse, _root_index(linear)), dtype)
        return out


@dataclass(frozen=True, eq=False)
class _TableSpace:
    """A profile made of tables: LittleCMS, 8 bits."""

    icc: bytes

    def to_srgb(self, native: Native) -> Image:
        eight = native if native.dtype == np.uint8 else (native // 257).astype(np.uint8)
        return unit(np.asarray(littlecms_to_srgb(PillowImage.fromarray(eight), self.icc)))

    def from_srgb(self, image: Image, dtype: Depth) -> Native:
        from PIL import ImageCms

        eight = PillowImage.fromarray(quantise(image, np.dtype(np.uint8)))
        target = ImageCms.ImageCmsProfile(io.BytesIO(self.icc))
        try:
            converted = ImageCms.profileToProfile(
                eight, ImageCms.createProfile("sRGB"), target, outputMode="RGB"
            )
        except (ImageCms.PyCMSError, OSError) as error:
            raise ValueError(f"the colour profile has no way back ({error})") from error
        pixels: Native = np.asarray(converted)
        return pixels if dtype == np.uint8 else pixels * np.uint16(257)


def _matrix_space(icc: bytes) -> _MatrixSpace:
    tags = _tags(icc)
    try:
        columns = [struct.unpack_from(">3i", tags[f"{c}XYZ"], 8) for c in "rgb"]
        curves = np.stack([_curve(tags[f"{c}TRC"]) for c in "rgb"])
    except (KeyError, struct.error, ValueError) as error:
        raise _NotMatrixError from error
    primaries = np.array(columns, np.float64).T / 65536
    if abs(np.linalg.det(primaries)) < 1e-4:
        raise _NotMatrixError
    grid = np.linspace(0, 1, _LEVELS)
    inverse = np.stack([np.interp(grid**2, curve, grid) for curve in curves])
    matrix = np.linalg.solve(_SRGB_TO_XYZ, primaries)
    return _MatrixSpace(curves, inverse.astype(np.float32), matrix.astype(np.float32))


def _tags(icc: bytes) -> dict[str, bytes]:
    """The profile's tag table (ICC.1:2022, 7.3); entries that point outside are left out."""
    (count,) = struct.unpack_from(">I", icc, 128)
    entries = (
        struct.unpack_from(">4sII", icc, 132 + 12 * i)
        for i in range(min(count, (len(icc) - 132) // 12))
    )
    return {
        name.decode("latin-1"): icc[start : start + size]
        for name, start, size in entries
        if start + size <= len(icc)
    }


def _curve(tag: bytes) -> NDArray[np.float32]:
    """A tone curve sampled at 65536 levels: linear light 0..1 (ICC.1:2022, 10.6 and 10.18).

    Raises:
        ValueError: the curve is damaged or falls somewhere.
    """
    x = np.linspace(0, 1, _LEVELS)
    try:
        (first,) = struct.unpack_from(">H" if tag[:4] == b"para" else ">I", tag, 8)
        if tag[:4] == b"curv":
            curve = _sampled_curve(tag, first, x)
        elif tag[:4] == b"para" and first <= 4:
            curve = _parametric_curve(tag, first, x)
        else:
            raise ValueError("unknown kind of tone curve")
    except struct.error as error:
        raise ValueError("a tone curve is cut short") from error
    rises = np.isfinite(curve).all() and (np.diff(curve) >= 0).all() and curve[-1] > curve[0]
    if not rises:
        raise ValueError("a tone curve does not rise")
    return np.clip(curve, 0, 1).astype(np.float32)


def _sampled_curve(tag: bytes, count: int, x: NDArray[np.float64]) -> NDArray[np.float64]:
    if count == 0:
        return x
    if count == 1:
        (gamma,) = struct.unpack_from(">H", tag, 12)
        return np.asarray(x ** (gamma / 256), dtype=np.float64)
    if 12 + 2 * count > len(tag):
        raise ValueError("a tone curve is cut short")
    samples = np.frombuffer(tag, ">u2", count, 12) / 65535
    return np.interp(x, np.linspace(0, 1, count), samples)


def _parametric_curve(tag: bytes, form: int, x: NDArray[np.float64]) -> NDArray[np.float64]:
    """``(a x + b)^g + e`` from ``d`` on, ``c x + f`` below it; the five forms fill in the rest."""
    amount = (1, 3, 4, 5, 7)[form]
    g, *rest = (v / 65536 for v in struct.unpack_from(f">{amount}i", tag, 12))
    a, b, c, d, e, f = 1.0, 0.0, 0.0, 0.0, 0.0, 0.0
    if form in (1, 2):
        a, b = rest[:2]
        e = f = rest[2] if form == 2 else 0.0
        d = -b / a if a else 0.0
    elif form in (3, 4):
        a, b, c, d = rest[:4]
        e, f = rest[4:] if form == 4 else (0.0, 0.0)
    power: NDArray[np.float64] = np.maximum(a * x + b, 0) ** g + e
    return np.where(x >= d, power, c * x + f)


@lru_cache(maxsize=1)
def _srgb_decode() -> NDArray[np.float32]:
    """sRGB level (65536 of them) -> linear light (IEC 61966-2-1)."""
    x = np.linspace(0, 1, _LEVELS)
    return np.where(x <= 0.04045, x / 12.92, ((x + 0.055) / 1.055) ** 2.4).astype(np.float32)


@lru_cache(maxsize=1)
def _srgb_encode() -> NDArray[np.float32]:
    """Square root of linear light (65536 steps) -> sRGB 0..1."""
    x = np.linspace(0, 1, _LEVELS) ** 2
    return np.where(x <= 0.0031308, x * 12.92, 1.055 * x ** (1 / 2.4) - 0.055).astype(np.float32)


def _root_index(linear: NDArray[np.float32]) -> NDArray[np.uint16]:
    """Linear light, clipped to 0..1 -> index into a table over its square root."""
    root = np.sqrt(np.clip(linear, 0, 1))
    return (root * np.float32(_LEVELS - 1) + np.float32(0.5)).astype(np.uint16)


def _look_up(tables: NDArray[np.float32], index: Native) -> NDArray[np.float32]:
    """Each channel of ``index`` ``[H, W, 3]`` through its own table."""
    out = np.empty(index.shape, np.float32)
    for channel, table in enumerate(tables):
        out[..., channel] = np.take(table, index[..., channel])
    return out


def _mix(pixels: NDArray[np.float32], matrix: NDArray[np.float32]) -> NDArray[np.float32]:
    import cv2  # here, so that reading an sRGB picture does without it

    return np.asarray(cv2.transform(pixels, matrix), dtype=np.float32)
