"""From bytes of any picture format to upright RGB arrays of the file's own depth."""

from __future__ import annotations

import re
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage
from PIL import UnidentifiedImageError

from sfumato.errors import MissingExtraError, PictureError, SfumatoError, SfumatoWarning
from sfumato.io import _metadata, icc
from sfumato.io._source import Source, name_of, opened
from sfumato.io.icc import Native

READABLE = ("PNG", "JPEG", "TIFF", "WEBP", "GIF", "BMP", "PPM", "JPEG2000", "AVIF")
"""Pillow's names of the formats that are tried. Not all that Pillow knows: some of the others run
programs (EPS) or have seen little use and little care."""

_HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
_UINT8 = np.dtype(np.uint8)
_UINT16 = np.dtype(np.uint16)

# Pillow's pixel limit and Python's warning filters are global: changed for moments only, by one
# thread at a time.
_globals = threading.Lock()


@dataclass(frozen=True, eq=False)
class Decoded:
    """A file's pixels, upright.

    Attributes:
        colour: ``[H, W, 3]`` uint8 or uint16, RGB in profile ``icc``.
        alpha: ``[H, W]`` of the same dtype, or None.
        icc: RGB profile of ``colour``; None = sRGB.
        exif, xmp, dpi: metadata fit for output.
        name: what to call the source in sentences.
        format: Pillow's name of the format.
    """

    colour: Native
    alpha: Native | None
    icc: bytes | None
    exif: bytes | None
    xmp: bytes | None
    dpi: tuple[float, float] | None
    name: str
    format: str


def decode(source: Source, *, max_pixels: int, managed: bool = True) -> Decoded:
    """Read one picture (the first frame of several).

    Args:
        source: a path, the file's bytes, or a binary stream.
        max_pixels: refuse larger pictures, by their header, before any pixel is decoded.
        managed: heed colour profiles; False takes the stored levels as they are (masks).

    Raises:
        PictureError: one sentence that names the file.
        MissingExtraError: a HEIC file without the ``heic`` extra.
    """
    name = name_of(source)
    with _one_sentence(name), opened(source, name) as file:
        picture = _header(file, name, max_pixels)
        sideways = _metadata.turned_by_pillow(picture)
        picture.load()
        way, exif = _exif(picture, name)
        profile = _profile(picture, name) if managed else None
        colour, alpha, profile = _pixels(picture, file, profile, name)
        colour = turn(colour, way)
        alpha = None if alpha is None else turn(alpha, way)
        dpi = _metadata.dpi(picture)
        return Decoded(
            colour=colour,
            alpha=alpha,
            icc=profile,
            exif=exif,
            xmp=_metadata.xmp(picture),
            dpi=dpi[::-1] if dpi and (sideways or way >= 5) else dpi,
            name=name,
            format="JPEG" if picture.format == "MPO" else str(picture.format),
        )


def check(source: Source, *, max_pixels: int) -> None:
    """Read no more than the header.

    Raises:
        PictureError: no picture by its header, or too large; names the file.
        MissingExtraError: a HEIC file without the ``heic`` extra.
    """
    name = name_of(source)
    with _one_sentence(name), opened(source, name) as file:
        _header(file, name, max_pixels)


def turn(pixels: Native, orientation: int) -> Native:
    """Stored pixels ``[H, W, ...]`` to upright ones, by EXIF orientation 1..8."""
    if orientation == 1:
        return pixels
    import cv2  # here, so that an upright picture does without it; five times as fast as NumPy

    ways: dict[int, Callable[[Native], Any]] = {
        2: lambda p: cv2.flip(p, 1),
        3: lambda p: cv2.rotate(p, cv2.ROTATE_180),
        4: lambda p: cv2.flip(p, 0),
        5: cv2.transpose,
        6: lambda p: cv2.rotate(p, cv2.ROTATE_90_CLOCKWISE),
        7: lambda p: cv2.rotate(cv2.transpose(p), cv2.ROTATE_180),
        8: lambda p: cv2.rotate(p, cv2.ROTATE_90_COUNTERCLOCKWISE),
    }
    return np.asarray(ways[orientation](pixels))


@contextmanager
def _one_sentence(name: str) -> Iterator[None]:
    """Whatever a decoder raises becomes a sentence that names the file."""
    try:
        yield
    except (SfumatoError, SfumatoWarning):  # warnings raise where a program asks for that
        raise
    except MemoryError:
        raise PictureError(f"{name} does not fit into memory") from None
    except PillowImage.DecompressionBombError as error:
        raise PictureError(f"{name} is far too large: {error}") from None
    except Exception as error:  # decoders of broken files raise a dozen kinds, by design or not
        raise PictureError(f"{name} is damaged or cut short ({error})") from error


@contextmanager
def _quietly() -> Iterator[None]:
    """Without Pillow's warnings of size and damaged EXIF, which are dealt with here."""
    with _globals, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _header(file: BinaryIO, name: str, max_pixels: int) -> PillowImage.Image:
    """Open without decoding and check the size."""
    formats = _formats(file, name)
    with _quietly():
        before, PillowImage.MAX_IMAGE_PIXELS = PillowImage.MAX_IMAGE_PIXELS, max_pixels
        try:
            picture = _identify(file, formats)
        except UnidentifiedImageError:
            known = "PNG, JPEG, TIFF, WebP, GIF, BMP, PPM, JPEG 2000, AVIF or HEIC"
            raise PictureError(
                f"{name} cannot be read as a picture; expected {known} with 8 or 16 bits a channel"
            ) from None
        except PillowImage.DecompressionBombError as error:
            found = re.search(r"(\d+) pixels", str(error))
            pixels = f"{int(found[1]) / 1e6:.0f}" if found else "far too many"
            raise _too_large(name, f"{pixels} megapixels", max_pixels) from None
        finally:
            PillowImage.MAX_IMAGE_PIXELS = before
    width, height = picture.size
    if width * height > max_pixels:
        size = f"{width * height / 1e6:.0f} megapixels ({width} × {height})"
        raise _too_large(name, size, max_pixels)
    return picture


def _too_large(name: str, size: str, max_pixels: int) -> PictureError:
    limit = f"{max_pixels / 1e6:.0f} megapixels"
    return PictureError(f"{name} has {size}, the limit is {limit}; make it smaller first")


def _identify(file: BinaryIO, formats: tuple[str, ...]) -> PillowImage.Image:
    """Try the formats; Pillow's less common plugins are imported in a second round only."""
    for load_plugins in (PillowImage.preinit, PillowImage.init):
        load_plugins()
        present = tuple(format for format in formats if format in PillowImage.OPEN)
        try:
            return PillowImage.open(file, formats=present)
        except UnidentifiedImageError:
            continue
    raise UnidentifiedImageError


def _formats(file: BinaryIO, name: str) -> tuple[str, ...]:
    start = file.read(32)
    file.seek(0)
    if start[4:8] != b"ftyp" or start[8:12] not in _HEIC_BRANDS or b"avif" in start[12:]:
        return READABLE
    try:
        import pillow_heif
    except ImportError:
        raise MissingExtraError(f"reading {name} (HEIC)", "heic") from None
    pillow_heif.register_heif_opener()
    return ("HEIF",)


def _exif(picture: PillowImage.Image, name: str) -> tuple[int, bytes | None]:
    """Orientation and EXIF block; damaged EXIF is left out with a warning."""
    with _quietly():
        way, block, sound = _metadata.exif(picture)
    if not sound:
        warnings.warn(f"{name}: damaged EXIF data is left out", SfumatoWarning, stacklevel=2)
    return way, block


def _profile(picture: PillowImage.Image, name: str) -> bytes | None:
    """The embedded profile if it can be used with this picture; else None and a warning."""
    profile = picture.info.get("icc_profile")
    if not profile:
        return None
    grey = picture.mode in ("1", "L", "LA", "La", "I", "F") or picture.mode.startswith("I;16")
    fitting = {"CMYK": ("CMYK",), "LAB": ("LAB",)}.get(
        picture.mode, ("GRAY", "RGB") if grey else ("RGB",)
    )
    try:
        kind = icc.kind(profile)
        if kind not in fitting:
            raise ValueError(f"a {kind} profile on a {picture.mode} picture")
        if kind == "RGB":
            icc.colour_space(profile)
        return bytes(profile)
    except ValueError as error:
        warnings.warn(
            f"{name}: its colour profile is ignored ({error}); read as sRGB",
            SfumatoWarning,
            stacklevel=2,
        )
        return None


def _pixels(
    picture: PillowImage.Image, file: BinaryIO, profile: bytes | None, name: str
) -> tuple[Native, Native | None, bytes | None]:
    """(colour ``[H, W, 3]``, alpha ``[H, W]`` or None, RGB profile or None) of a loaded picture."""
    if picture.mode in ("I", "F") or picture.mode.startswith("I;16"):
        return _deep_grey(picture, profile, name)
    if picture.mode in ("CMYK", "LAB"):
        return _by_littlecms(picture, profile, name), None, None
    transparent = picture.has_transparency_data
    if picture.mode == "La":
        picture = picture.convert("LA")
    was_grey = picture.mode in ("1", "L", "LA")
    wanted = "RGBA" if transparent else "RGB"
    eight = np.asarray(picture if picture.mode == wanted else picture.convert(wanted))
    deep = _sixteen_bits(picture, file, eight, name)
    both: Native = eight if deep is None else deep
    colour, alpha = (both[..., :3], both[..., 3]) if transparent else (both, None)
    if was_grey and profile and icc.kind(profile) == "GRAY":
        colour, profile = icc.grey_to_srgb(colour, profile), None
    if alpha is not None:
        alpha = np.ascontiguousarray(alpha)
    return np.ascontiguousarray(colour), alpha, profile


def _sixteen_bits(
    picture: PillowImage.Image, file: BinaryIO, eight: NDArray[np.uint8], name: str
) -> Native | None:
    """The same pixels at 16 bits where the file has them; Pillow gives the upper 8 only.

    OpenCV reads them, and Pillow's result is the check on it: it has refused damaged files
    before, and where the two differ (odd TIFF layouts) the 8-bit picture is the right one.
    """
    if not _is_deep(picture, file):
        return None
    import cv2

    file.seek(0)
    log = getattr(cv2.utils, "logging", None)  # missing before OpenCV 4.9
    level = log.setLogLevel(log.LOG_LEVEL_SILENT) if log else None
    try:
        raw = cv2.imdecode(np.frombuffer(file.read(), np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        raw = None
    finally:
        if log:
            log.setLogLevel(level)
    if raw is not None and raw.dtype == np.uint16 and raw.ndim == 3:
        order = [2, 1, 0, 3][: raw.shape[2]]
        deep: Native = np.ascontiguousarray(raw[..., order], np.uint16)
        if deep.shape == eight.shape and all(
            np.array_equal(deep[rows, :, :3] >> 8, eight[rows, :, :3])
            for rows in icc.strips(*eight.shape[:2])
        ):
            return deep
    warnings.warn(f"{name}: only 8 of its 16 bits could be read", SfumatoWarning, stacklevel=2)
    return None


def _is_deep(picture: PillowImage.Image, file: BinaryIO) -> bool:
    if picture.mode not in ("RGB", "RGBA", "LA"):
        return False
    if picture.format == "PNG":
        file.seek(24)  # signature, chunk length and name, width, height; then the bit depth
        return file.read(1) == b"\x10"
    bits = getattr(picture, "tag_v2", {}).get(258, (8,)) if picture.format == "TIFF" else (8,)
    return max(bits) > 8


def _deep_grey(
    picture: PillowImage.Image, profile: bytes | None, name: str
) -> tuple[Native, Native | None, bytes | None]:
    """16-bit, 32-bit and float grey, all to uint16."""
    stored = np.asarray(picture)
    if picture.mode == "F":
        if not np.isfinite(stored).all():
            raise PictureError(f"{name} holds NaN or infinite levels; expected floats from 0 to 1")
        low, high, top = float(stored.min()), float(stored.max()), 1
    else:
        low, high, top = int(stored.min()), int(stored.max()), 65535
    if low < 0 or high > top:
        raise PictureError(
            f"{name} has grey levels from {low:g} to {high:g}; expected 0 to {top}: rescale it"
        )
    grey: Native = (
        icc.quantise(stored, _UINT16) if picture.mode == "F" else stored.astype(np.uint16)
    )
    key = picture.info.get("transparency")
    alpha: Native | None = None
    if isinstance(key, int):
        alpha = np.where(grey == key, 0, 65535).astype(np.uint16)
    if profile and icc.kind(profile) == "GRAY":
        grey, profile = icc.grey_to_srgb(grey, profile), None
    return np.repeat(grey[..., None], 3, axis=2), alpha, profile


def _by_littlecms(
    picture: PillowImage.Image, profile: bytes | None, name: str
) -> NDArray[np.uint8]:
    """CMYK and Lab to 8-bit sRGB; a CMYK picture without a usable profile by the plain formula."""
    if profile or picture.mode == "LAB":
        try:
            return np.asarray(icc.littlecms_to_srgb(picture, profile))
        except ValueError as error:
            if picture.mode == "LAB":
                raise
            warnings.warn(f"{name}: {error}; colours may be off", SfumatoWarning, stacklevel=2)
    return np.asarray(picture.convert("RGB"))
