"""What a picture file says about itself: kept, except where painting or turning makes it untrue."""

from __future__ import annotations

import math
import re
import warnings

from PIL import Image as PillowImage

from sfumato.errors import SfumatoWarning

_ORIENTATION = 0x0112
_EXIF_IFD, _GPS_IFD = 0x8769, 0x8825
_WIDTH, _HEIGHT = 0xA002, 0xA003

# Tags of IFD 0 that describe how a TIFF file stores its pixels. Copied into another file they
# would be lies, and pixel copies (sub-images, Photoshop's layers and previews) would still show
# what was painted over. XMP and ICC travel on their own.
_LAYOUT_TAGS = frozenset(
    {*range(254, 267), 273, *range(277, 282), 284, *range(288, 294), 297, 301, 317}
    | {*range(320, 326), 330, *range(332, 348), *range(512, 522), 529, 530, 532, 700}
    | {34377, 34675, 37724, 50215}
)
_XMP_ORIENTATION = re.compile(rb"""tiff:Orientation(=(["']).\2|>[^<]*</tiff:Orientation>)""")
_XMP_THUMBNAILS = re.compile(rb"<xmp:Thumbnails>.*?</xmp:Thumbnails>", re.DOTALL)


def orientation(picture: PillowImage.Image) -> int | None:
    """EXIF orientation 1..8; 1 where there is none or it makes no sense, None in damaged EXIF."""
    try:
        value = picture.getexif().get(_ORIENTATION, 1)
    except Exception:  # Pillow raises a dozen kinds on damaged EXIF; the picture is still good
        return None
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def exif(picture: PillowImage.Image, turned_size: tuple[int, int], name: str) -> bytes | None:
    """The EXIF block for output, or None.

    Without the orientation (the pixels are upright now) and the thumbnail (it would still show
    the picture from before), with the true size. Starts with ``Exif\\0\\0``.

    Args:
        picture: the opened file.
        turned_size: (width, height) of the upright picture.
        name: the file, for the warning.
    """
    try:
        block = picture.getexif()
        for tag in [tag for tag in block if tag in _LAYOUT_TAGS or tag == _ORIENTATION]:
            del block[tag]
        details = dict(block.get_ifd(_EXIF_IFD))
        if details:
            details.update(
                {t: v for t, v in zip((_WIDTH, _HEIGHT), turned_size, strict=True) if t in details}
            )
            block[_EXIF_IFD] = details
        if not len(block):
            return None
        block.endian = "<"
        block.bigtiff = False
        return block.tobytes()
    except Exception:  # as above
        warn_of_damage(name)
        return None


def warn_of_damage(name: str) -> None:
    """Say that a file's EXIF data will be missing from the output."""
    warnings.warn(f"{name}: damaged EXIF data is left out", SfumatoWarning, stacklevel=2)


def xmp(picture: PillowImage.Image) -> bytes | None:
    """The XMP packet for output, without orientation and thumbnails, or None."""
    packet = picture.info.get("xmp") or picture.info.get("XML:com.adobe.xmp")
    if isinstance(packet, str):
        packet = packet.encode()
    if not isinstance(packet, bytes) or not packet:
        return None
    return _XMP_THUMBNAILS.sub(b"", _XMP_ORIENTATION.sub(b"", packet))


def dpi(picture: PillowImage.Image) -> tuple[float, float] | None:
    """Pixels per inch (horizontal, vertical), or None where missing or absurd."""
    try:
        across, down = (float(value) for value in picture.info["dpi"])
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return None
    sane = all(math.isfinite(value) and 1 < value < 100_000 for value in (across, down))
    return (across, down) if sane else None
