"""From arrays to the bytes of a PNG, JPEG, WebP or TIFF file.

PNG and TIFF are written here: Pillow cannot write 16-bit colour, OpenCV writes it without
metadata. One filter (difference to the left neighbour) and zlib's run-length strategy, strips
side by side on all cores, also turned out several times as fast as Pillow's PNG writer on
photographs, and smaller.
"""

from __future__ import annotations

import io
import os
import struct
import warnings
import zlib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import accumulate
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from sfumato.errors import PictureError, SfumatoWarning, UsageError
from sfumato.io.icc import Native

FORMATS = {
    "png": "PNG",
    "jpg": "JPEG",
    "jpeg": "JPEG",
    "webp": "WEBP",
    "tif": "TIFF",
    "tiff": "TIFF",
}
"""What can be written: suffix or given name -> format."""

_LONGEST_SIDE = {"JPEG": 65500, "WEBP": 16383, "PNG": 2**31 - 1, "TIFF": 2**32 - 1}
_STRIP_BYTES = 1 << 22
_APP_SEGMENT = 65533 - 29  # longest EXIF or XMP in one JPEG segment, after the longer signature
_T = TypeVar("_T")
_R = TypeVar("_R")


@dataclass(frozen=True)
class Metadata:
    """What goes into the file beside the pixels; see :class:`sfumato.io.pictures.Picture`."""

    icc: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None
    dpi: tuple[float, float] | None = None


def format_of(name: str) -> str:
    """The format for a suffix or format name.

    Raises:
        UsageError: none of the known ones.
    """
    try:
        return FORMATS[name.lower().lstrip(".")]
    except KeyError:
        known = ", ".join(FORMATS)
        raise UsageError(f"cannot write the picture format {name!r} (known: {known})") from None


def encode(pixels: Native, metadata: Metadata, format: str, quality: int) -> bytes:
    """One picture file.

    Args:
        pixels: uint8 or uint16, ``[H, W]`` grey, ``[H, W, 3]`` RGB or ``[H, W, 4]`` RGBA.
        metadata: what to write beside them.
        format: ``PNG`` and ``TIFF`` keep every bit; ``JPEG`` and ``WEBP`` hold 8 bits.
        quality: 1..100, JPEG and WebP only.

    Raises:
        UsageError: quality out of range.
        PictureError: the format cannot hold a picture of this size.
    """
    if not 1 <= quality <= 100:
        raise UsageError(f"quality must be from 1 to 100, got {quality}")
    height, width = pixels.shape[:2]
    if max(height, width) > _LONGEST_SIDE[format]:
        raise PictureError(
            f"a {format} file holds at most {_LONGEST_SIDE[format]} pixels a side and this picture "
            f"is {width} × {height}; write PNG or TIFF"
        )
    if format == "PNG":
        return b"".join(_png(pixels, metadata))
    if format == "TIFF":
        return _tiff(pixels, metadata)
    return _lossy(to_eight_bits(pixels), metadata, format, quality)


def to_eight_bits(pixels: Native) -> NDArray[np.uint8]:
    """uint16 to the nearest uint8 level; uint8 as it is."""
    if pixels.dtype == np.uint8:
        return pixels.astype(np.uint8, copy=False)
    return ((pixels.astype(np.uint32) + 128) // 257).astype(np.uint8)


def _lossy(pixels: NDArray[np.uint8], metadata: Metadata, format: str, quality: int) -> bytes:
    picture = PillowImage.fromarray(pixels)
    extras = {key: value for key, value in vars(metadata).items() if value}
    extras = {{"icc": "icc_profile"}.get(key, key): value for key, value in extras.items()}
    if format == "JPEG":
        if picture.mode == "RGBA":
            picture = _on_white(picture)
        for key in ("exif", "xmp"):
            if len(extras.get(key, b"")) > _APP_SEGMENT:
                del extras[key]
                warnings.warn(
                    f"its {key.upper()} data is too long for a JPEG file and is left out",
                    SfumatoWarning,
                    stacklevel=2,
                )
        # Full colour resolution where quality matters: halved colour smears painted edges.
        extras |= {"quality": quality, "subsampling": 0 if quality >= 90 else 2}
    elif quality == 100:
        extras |= {"lossless": True, "quality": 0, "method": 0, "exact": True}
    else:
        extras |= {"quality": quality, "method": 2, "exact": True}
    buffer = io.BytesIO()
    picture.save(buffer, format, **extras)
    return buffer.getvalue()


def _on_white(picture: PillowImage.Image) -> PillowImage.Image:
    alpha = picture.getchannel("A")
    if alpha.getextrema() == (255, 255):
        return picture.convert("RGB")
    warnings.warn(
        "JPEG has no transparency: see-through parts become white (write PNG, WebP or TIFF to "
        "keep them)",
        SfumatoWarning,
        stacklevel=2,
    )
    flat = PillowImage.new("RGB", picture.size, "white")
    flat.paste(picture.convert("RGB"), mask=alpha)
    return flat


def _png(pixels: Native, metadata: Metadata) -> Iterator[bytes]:
    """The chunks of a PNG file (PNG specification, third edition)."""
    height, width = pixels.shape[:2]
    colour_type = {1: 0, 3: 2, 4: 6}[_channels(pixels)]
    yield b"\x89PNG\r\n\x1a\n"
    depth = 8 * pixels.itemsize
    yield _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour_type, 0, 0, 0))
    if metadata.icc:
        yield _chunk(b"iCCP", b"ICC profile\0\0" + zlib.compress(metadata.icc))
    if metadata.dpi:
        across, down = (round(value / 0.0254) for value in metadata.dpi)  # per inch -> per metre
        yield _chunk(b"pHYs", struct.pack(">IIB", across, down, 1))
    if metadata.exif:
        yield _chunk(b"eXIf", metadata.exif.removeprefix(b"Exif\0\0"))
    if metadata.xmp:
        yield _chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + metadata.xmp)
    # One zlib stream (RFC 1950) from raw deflate pieces made side by side. That costs nothing:
    # the run-length strategy looks back one byte only.
    checksum, last = 1, (height - 1) // _rows_per_strip(pixels)
    yield _chunk(b"IDAT", b"\x78\x01")
    strips = _side_by_side(lambda s: _png_strip(*s, last), enumerate(_strips(pixels)))
    for piece, adler, length in strips:
        checksum = _adler32_combine(checksum, adler, length)
        yield _chunk(b"IDAT", piece)
    yield _chunk(b"IDAT", struct.pack(">I", checksum))
    yield _chunk(b"IEND", b"")


def _chunk(name: bytes, data: bytes) -> bytes:
    checksum = zlib.crc32(data, zlib.crc32(name))
    return b"".join([struct.pack(">I", len(data)), name, data, struct.pack(">I", checksum)])


def _png_strip(index: int, strip: Native, last: int) -> tuple[bytes, int, int]:
    """(deflated piece, Adler-32, length) of a strip under the filter "Sub"."""
    height = len(strip)
    rows = strip.astype(">u2").view(np.uint8) if strip.itemsize == 2 else strip
    rows = rows.reshape(height, -1)
    pixel = _channels(strip) * strip.itemsize
    filtered = np.empty((height, 1 + rows.shape[1]), np.uint8)
    filtered[:, 0] = 1
    filtered[:, 1 : 1 + pixel] = rows[:, :pixel]
    np.subtract(rows[:, pixel:], rows[:, :-pixel], out=filtered[:, 1 + pixel :])
    packer = zlib.compressobj(1, zlib.DEFLATED, -15, 9, zlib.Z_RLE)
    end = zlib.Z_FINISH if index == last else zlib.Z_FULL_FLUSH
    piece = packer.compress(filtered.data) + packer.flush(end)
    return piece, zlib.adler32(filtered.data), filtered.nbytes


def _adler32_combine(first: int, second: int, length: int) -> int:
    """Adler-32 of two pieces after one another, from theirs and the second's length."""
    base = 65521
    low = ((first & 0xFFFF) + (second & 0xFFFF) - 1) % base
    high = ((first >> 16) + (second >> 16) + length * ((first & 0xFFFF) - 1)) % base
    return high << 16 | low


def _tiff(pixels: Native, metadata: Metadata) -> bytes:
    """A little-endian TIFF 6.0 file: deflated strips with horizontal differencing."""
    height, width = pixels.shape[:2]
    channels = _channels(pixels)
    data = list(_side_by_side(_tiff_strip, _strips(pixels)))
    tags = PillowImage.Exif()
    if metadata.exif:
        tags.load(metadata.exif)
    tags.endian = "<"
    layout: dict[int, object] = {
        256: width,
        257: height,
        258: (8 * pixels.itemsize,) * channels,  # bits per sample
        259: 8,  # deflate
        262: 1 if channels == 1 else 2,  # black is zero, or RGB
        277: channels,
        278: _rows_per_strip(pixels),
        279: tuple(map(len, data)),
        284: 1,  # channels interleaved
        317: 2,  # horizontal differencing
    }
    if channels == 4:
        layout[338] = 2  # the fourth sample is alpha, not multiplied in
    if metadata.dpi:
        layout |= {282: metadata.dpi[0], 283: metadata.dpi[1], 296: 2}
    if metadata.xmp:
        layout[700] = metadata.xmp
    if metadata.icc:
        layout[34675] = metadata.icc
    for tag, value in layout.items():
        tags[tag] = value
    starts = list(accumulate(map(len, data), initial=8))[:-1]
    data.append(b"\0" * (sum(map(len, data)) % 2) + struct.pack(f"<{len(starts)}I", *starts))
    end = 8 + sum(map(len, data))
    directory = _with_strip_offsets(tags, end, starts)
    return b"".join([struct.pack("<2sHI", b"II", 42, end), *data, directory])


def _with_strip_offsets(tags: PillowImage.Exif, place: int, starts: list[int]) -> bytes:
    """The directory as bytes, to stand at ``place`` right behind the table of strip offsets.

    Pillow writes the directory but bends strip offsets to its own file order, so that one entry
    (tag 273) is put in here. Its 12 bytes push what follows: hence ``place + 12``.
    """
    rest = tags.tobytes(place + 12).removeprefix(b"Exif\0\0")[8:]
    (count,) = struct.unpack_from("<H", rest)
    entries = [rest[2 + 12 * i : 14 + 12 * i] for i in range(count)]
    where = starts[0] if len(starts) == 1 else place - 4 * len(starts)
    entries.append(struct.pack("<HHII", 273, 4, len(starts), where))
    entries.sort(key=lambda entry: struct.unpack_from("<H", entry))
    return b"".join([struct.pack("<H", count + 1), *entries, rest[2 + 12 * count :]])


def _tiff_strip(strip: Native) -> bytes:
    little = strip.astype(strip.dtype.newbyteorder("<"))
    little[:, 1:] = strip[:, 1:] - strip[:, :-1]
    packer = zlib.compressobj(1, zlib.DEFLATED, 15, 9, zlib.Z_RLE)
    return packer.compress(little.data) + packer.flush()


def _channels(pixels: Native) -> int:
    return 1 if pixels.ndim == 2 else int(pixels.shape[2])


def _rows_per_strip(pixels: Native) -> int:
    row: int = pixels.shape[1] * _channels(pixels) * pixels.itemsize
    return min(len(pixels), max(1, _STRIP_BYTES // row))


def _strips(pixels: Native) -> list[Native]:
    step = _rows_per_strip(pixels)
    return [np.ascontiguousarray(pixels[y : y + step]) for y in range(0, len(pixels), step)]


def _side_by_side(work: Callable[[_T], _R], items: Iterable[_T]) -> Iterator[_R]:
    """``map`` on all cores; zlib and NumPy let go of the interpreter lock."""
    with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
        yield from pool.map(work, items)
