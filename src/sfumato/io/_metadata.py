"""What a picture file says about itself: kept, except where painting or turning makes it untrue."""

from __future__ import annotations

import math
import re

from PIL import Image as PillowImage

_ORIENTATION = 0x0112
_EXIF_IFD = 0x8769
_WIDTH, _HEIGHT = 0xA002, 0xA003

# Tags of IFD 0 that describe how a TIFF file stores its pixels. Copied into another file they
# would be lies, and pixel copies (sub-images, Photoshop's layers and previews) would still show
# what was painted over. XMP and ICC travel on their own.
_LAYOUT_TAGS = frozenset(
    {*range(254, 267), 273, *range(277, 282), 284, *range(288, 294), 297, 301, 317}
    | {*range(320, 326), 330, *range(332, 348), *range(512, 522), 529, 530, 532, 700}
    | {34377, 34675, 37724, 50215}
)
_XMP_ORIENTATION = re.compile(rb"""tiff:Orientation=(["'])\d+\1""")
_XMP_ORIENTATION_LEFT = re.compile(rb"""(tiff:Orientation\s*(?:=\s*["']|>)\s*)\d+""")  # -> 1
_XMP_THUMBNAILS = re.compile(rb"<xmp:Thumbnails>.*?</xmp:Thumbnails>", re.DOTALL)


def exif(picture: PillowImage.Image) -> tuple[int, bytes | None, bool]:
    """(orientation, EXIF block for output, whether the file's EXIF was sound) of a loaded picture.

    The orientation is EXIF's 1..8, 1 if missing or senseless. The block is without it (the pixels
    will be upright), without the thumbnail (it would still show the picture from before) and
    with the true size; it starts with ``Exif\\0\\0``; None where nothing is left. Loaded, because
    a PNG may have its EXIF at the end.
    """
    way = 1
    try:
        block = picture.getexif()
        value = block.get(_ORIENTATION, 1)
        way = value if isinstance(value, int) and 1 <= value <= 8 else 1
        width, height = picture.size if way < 5 else picture.size[::-1]
        for tag in [tag for tag in block if tag in _LAYOUT_TAGS or tag == _ORIENTATION]:
            del block[tag]
        details = dict(block.get_ifd(_EXIF_IFD))
        if details:
            true_size = {_WIDTH: width, _HEIGHT: height}
            block[_EXIF_IFD] = details | {t: v for t, v in true_size.items() if t in details}
        block.endian = "<"
        block.bigtiff = False
        return way, block.tobytes() if len(block) else None, True
    except Exception:  # Pillow raises a dozen kinds on damaged EXIF; the picture is still good
        return way, None, False


def turned_by_pillow(picture: PillowImage.Image) -> bool:
    """Whether loading will swap width and height: Pillow, as OpenCV, turns TIFF files itself."""
    return getattr(picture, "tag_v2", {}).get(_ORIENTATION, 1) in (5, 6, 7, 8)


def xmp(picture: PillowImage.Image) -> bytes | None:
    """The XMP packet for output, upright and without thumbnails, or None."""
    packet = picture.info.get("xmp") or picture.info.get("XML:com.adobe.xmp")
    if isinstance(packet, str):
        packet = packet.encode()
    if not isinstance(packet, bytes) or not packet:
        return None
    packet = _XMP_THUMBNAILS.sub(b"", _XMP_ORIENTATION.sub(b"", packet))
    return _XMP_ORIENTATION_LEFT.sub(rb"\g<1>1", packet)


def dpi(picture: PillowImage.Image) -> tuple[float, float] | None:
    """Pixels per inch (horizontal, vertical), or None where missing or absurd."""
    try:
        across, down = (float(value) for value in picture.info["dpi"])
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return None
    sane = all(math.isfinite(value) and 1 < value < 100_000 for value in (across, down))
    return (across, down) if sane else None
