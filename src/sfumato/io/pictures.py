"""Pictures in and out: any common file to float sRGB, and painted pixels back into its own kind.

The work happens in sRGB floats; what was not painted never goes through them. A picture keeps the
file's own pixels (``native``: its bit depth, its colour profile), and :func:`repaint` encodes only
what changed, so that the rest comes back bit for bit::

    photo = read("photo.jpg")
    painted = ...                                  # from photo.image, float32 sRGB
    write(repaint(photo, painted, changed), "painted.png")
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import BinaryIO

import numpy as np

from sfumato.errors import PictureError, UsageError
from sfumato.io import _decode, icc
from sfumato.io._encode import FORMATS, Metadata, encode, format_of
from sfumato.io._files import check_writable, same_file, write_whole
from sfumato.io._source import Source, name_of
from sfumato.io.icc import Native
from sfumato.types import Alpha, Image, Mask

__all__ = [
    "FORMATS",
    "MAX_PIXELS",
    "Picture",
    "Source",
    "check",
    "check_target",
    "from_image",
    "name_of",
    "read",
    "read_mask",
    "repaint",
    "same_file",
    "to_bytes",
    "write",
    "write_alpha",
]

MAX_PIXELS = 256_000_000
"""Largest picture that is read unless told otherwise; about 4 GB of memory at work."""

QUALITY = 92
"""JPEG and WebP quality unless told otherwise: no loss that one sees, a fifth of PNG's size."""

_UINT8 = np.dtype(np.uint8)
_OFF_SHAPE = 1.02  # a mask whose proportions differ by more than this was made for another picture


@dataclass(frozen=True, eq=False)
class Picture:
    """One picture with everything that its file said.

    Attributes:
        native: uint8 or uint16 ``[H, W, 3]``, RGB as stored and turned upright, in the file's own
            RGB profile. Grey, palette, CMYK and Lab are RGB already.
        icc: the RGB profile that ``native`` is encoded in; None = sRGB.
        alpha: the file's transparency, ``[H, W]`` of native's dtype (0 = see-through), or None.
        exif: EXIF block (from ``Exif\\0\\0`` on) without orientation and thumbnail, or None.
        xmp: XMP packet, or None.
        dpi: pixels per inch, (horizontal, vertical), or None.
        name: what to call it in sentences: the path as given, "standard input", "the picture".
        format: what the file was: ``JPEG``, ``PNG``, ``HEIF``, ...
    """

    native: Native
    icc: bytes | None = None
    alpha: Native | None = None
    exif: bytes | None = None
    xmp: bytes | None = None
    dpi: tuple[float, float] | None = None
    name: str = "the picture"
    format: str = "PNG"

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) in pixels."""
        return self.native.shape[0], self.native.shape[1]

    @cached_property
    def image(self) -> Image:
        """float32 ``[H, W, 3]``, sRGB, 0..1; made on first use and kept.

        Colours of a wider profile that sRGB does not hold are clipped here (and only here).
        """
        space = icc.colour_space(self.icc)
        return icc.unit(self.native) if space is None else space.to_srgb(self.native)


def read(source: Source, *, max_pixels: int = MAX_PIXELS) -> Picture:
    """Read a picture file of any common format.

    Args:
        source: a path, the file's bytes, or a binary stream (standard input, an upload).
        max_pixels: refuse larger pictures by their header, before decoding.

    Raises:
        PictureError: missing, closed, empty, broken, too large or no picture; names the file.
        MissingExtraError: a HEIC file and the ``heic`` extra is not installed.
    """
    found = _decode.decode(source, max_pixels=max_pixels)
    return Picture(
        native=found.colour,
        icc=found.icc,
        alpha=found.alpha,
        exif=found.exif,
        xmp=found.xmp,
        dpi=found.dpi,
        name=found.name,
        format=found.format,
    )


def check(source: Source, *, max_pixels: int = MAX_PIXELS) -> None:
    """Refuse by its header, quickly, what is no picture or too large a one; it may still turn out
    to be broken when it is read.

    Raises:
        PictureError, MissingExtraError: as for :func:`read`.
    """
    _decode.check(source, max_pixels=max_pixels)


def read_mask(
    source: Source, size: tuple[int, int] | None = None, *, max_pixels: int = MAX_PIXELS
) -> Alpha:
    """Read a selection drawn as a picture: white = selected.

    A picture with see-through parts counts by its transparency (a cut-out is its own mask); any
    other by its grey level as stored, without colour management.

    Args:
        source: as for :func:`read`; 1, 8 or 16 bits.
        size: (height, width) to resize to; None keeps the file's own.
        max_pixels: as for :func:`read`.

    Returns:
        float32 ``[H, W]``, 0..1.

    Raises:
        PictureError: as for :func:`read`.
        UsageError: its proportions differ from ``size`` by more than 2 %.
    """
    import cv2  # here: only masks and turned or profiled pictures need it

    found = _decode.decode(source, max_pixels=max_pixels, managed=False)
    if found.alpha is not None and found.alpha.min() < np.iinfo(found.alpha.dtype).max:
        levels: Native = found.alpha
    else:
        levels = np.asarray(cv2.cvtColor(found.colour, cv2.COLOR_RGB2GRAY))
    mask = icc.unit(levels)
    if size is None or mask.shape == size:
        return mask
    (height, width), (own_height, own_width) = size, mask.shape
    stretch = width * own_height / (height * own_width)
    if max(stretch, 1 / stretch) > _OFF_SHAPE:
        raise UsageError(
            f"the mask {found.name} is {own_width} × {own_height} pixels, of other proportions "
            f"than the picture's {width} × {height}; draw it on the picture that it is for"
        )
    smaller = width * height < own_width * own_height
    method = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
    resized = cv2.resize(mask, (width, height), interpolation=method)
    return np.asarray(np.clip(resized, 0, 1), dtype=np.float32)


def repaint(picture: Picture, image: Image, changed: Mask, alpha: Alpha | None = None) -> Picture:
    """Put painted pixels into a picture; all others stay bit-identical.

    Args:
        picture: where they go; it is not altered.
        image: float32 ``[H, W, 3]``, sRGB, 0..1; looked at only where ``changed``.
        changed: bool ``[H, W]``.
        alpha: float32 ``[H, W]``, 0..1: new transparency where ``changed`` (a cut-out); None keeps
            the picture's own everywhere.

    Returns:
        The picture in its own depth and profile, with its metadata.

    Raises:
        UsageError: the sizes differ.
        PictureError: the painted pixels hold NaN or infinity.
    """
    for what, array in (("image", image), ("changed", changed), ("alpha", alpha)):
        if array is not None and array.shape[:2] != picture.size:
            raise UsageError(
                f"{what} must have the picture's size {picture.size}, got {array.shape[:2]}"
            )
    space = icc.colour_space(picture.icc)
    native = picture.native.copy()
    opacity = _new_alpha(picture) if alpha is not None else picture.alpha
    for rows in icc.strips(*picture.size):
        where = changed[rows]
        if not where.any():
            continue
        painted = _finite(image[rows], where, picture.name)
        encoded = (
            icc.quantise(painted, native.dtype)
            if space is None
            else space.from_srgb(painted, native.dtype)
        )
        np.copyto(native[rows], encoded, where=where[..., None])
        if alpha is not None and opacity is not None:
            soft = _finite(alpha[rows], where, picture.name)
            np.copyto(opacity[rows], icc.quantise(soft, native.dtype), where=where)
    return replace(picture, native=native, alpha=opacity)


def from_image(image: Image, alpha: Alpha | None = None) -> Picture:
    """An 8-bit sRGB picture from floats, without metadata.

    Args:
        image: float32 ``[H, W, 3]``, sRGB, 0..1; clipped.
        alpha: float32 ``[H, W]``, 0..1, or None for an opaque picture.

    Raises:
        UsageError: the sizes differ.
        PictureError: NaN or infinity.
    """
    blank = Picture(np.zeros(image.shape, np.uint8))
    return repaint(blank, image, np.ones(image.shape[:2], np.bool_), alpha)


def to_bytes(picture: Picture, format: str = "png", *, quality: int = QUALITY) -> bytes:
    """The picture as the bytes of a file; arguments and errors as for :func:`write`."""
    pixels = picture.native
    if picture.alpha is not None:
        pixels = np.dstack([pixels, picture.alpha])
    metadata = Metadata(picture.icc, picture.exif, picture.xmp, picture.dpi)
    return encode(pixels, metadata, format_of(format), quality)


def write(
    picture: Picture,
    target: str | os.PathLike[str] | BinaryIO,
    *,
    format: str | None = None,
    quality: int = QUALITY,
    overwrite: bool = False,
) -> None:
    """Write a picture with its profile, transparency and metadata.

    PNG and TIFF keep every bit. JPEG and WebP hold 8 bits; WebP at quality 100 is lossless; JPEG
    keeps full colour resolution from quality 90 on, and puts see-through parts on white, with a
    :class:`~sfumato.errors.SfumatoWarning`. A file appears whole or not at all.

    Args:
        picture: what to write.
        target: a path, or a binary stream.
        format: one of ``FORMATS``; None takes the path's suffix, and PNG for a stream.
        quality: 1..100, JPEG and WebP only.
        overwrite: whether an existing file may be replaced.

    Raises:
        UsageError: unknown format, quality out of range, or the file exists.
        PictureError: it cannot be written there, or the format holds no picture of this size.
    """
    _deliver(target, format, overwrite, lambda kind: to_bytes(picture, kind, quality=quality))


def write_alpha(
    alpha: Alpha,
    target: str | os.PathLike[str] | BinaryIO,
    *,
    format: str | None = None,
    quality: int = QUALITY,
    overwrite: bool = False,
) -> None:
    """Write a soft selection as an 8-bit grey picture, white = 1; the rest as :func:`write`.

    Raises:
        UsageError, PictureError: as for :func:`write`; also for NaN.
    """
    if not np.isfinite(alpha).all():
        raise PictureError("the alpha to write holds NaN or infinity")
    levels = icc.quantise(alpha, _UINT8)
    _deliver(
        target, format, overwrite, lambda kind: encode(levels, Metadata(), format_of(kind), quality)
    )


def check_target(
    target: str | os.PathLike[str] | BinaryIO,
    *,
    format: str | None = None,
    overwrite: bool = False,
) -> None:
    """Raise what :func:`write` would raise about the target, before the work is done.

    Raises:
        UsageError, PictureError: as for :func:`write`.
    """
    format_of(_format_name(target, format))
    if isinstance(target, str | os.PathLike):
        check_writable(Path(target), overwrite=overwrite)


def _deliver(
    target: str | os.PathLike[str] | BinaryIO,
    format: str | None,
    overwrite: bool,
    make: Callable[[str], bytes],
) -> None:
    check_target(target, format=format, overwrite=overwrite)
    data = make(_format_name(target, format))
    if isinstance(target, str | os.PathLike):
        write_whole(Path(target), data, overwrite=overwrite)
        return
    try:
        target.write(data)
        target.flush()
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise PictureError(f"the picture cannot be written to the stream: {reason}") from None


def _format_name(target: str | os.PathLike[str] | BinaryIO, format: str | None) -> str:
    if format:
        return format
    if not isinstance(target, str | os.PathLike):
        return "png"
    suffix = Path(target).suffix
    if not suffix:
        raise UsageError(f"{target} has no suffix to tell the format (known: {', '.join(FORMATS)})")
    return suffix


def _finite(values: Image | Alpha, where: Mask, name: str) -> Image | Alpha:
    """The values as they are, once none of those that count is NaN or infinite."""
    if np.isfinite(values).all():
        return values
    if not np.isfinite(values[where]).all():
        raise PictureError(f"{name}: the painted pixels hold NaN or infinity")
    return np.nan_to_num(values)


def _new_alpha(picture: Picture) -> Native:
    if picture.alpha is not None:
        return picture.alpha.copy()
    return np.full(picture.size, np.iinfo(picture.native.dtype).max, picture.native.dtype)
