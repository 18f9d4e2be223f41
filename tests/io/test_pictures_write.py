"""What goes out: every format, with metadata; whole files or none."""

import io
import struct

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageCms

from sfumato.errors import SfumatoWarning
from sfumato.io import pictures
from sfumato.io._encode import Metadata, encode
from sfumato.io.pictures import Picture

from . import picture_files as make

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
P3 = make.matrix_profile(make.DISPLAY_P3, make.parametric_curve(*make.SRGB_CURVE))
LOSSLESS = {"png": 92, "tiff": 92, "tif": 92, "webp": 100}
SIZES = [(1, 1), (1, 5000), (5000, 1), (7, 5), (1200, 1500)]


def exif_block():
    exif = Image.Exif()
    exif.endian = "<"
    exif[0x010F], exif[0x0131], exif[0x0112] = "Maker", "Editor", 6
    exif[0x8769] = {0x9003: "2024:01:02 03:04:05", 0xA002: 999, 0xA003: 888, 0x829A: 0.01}
    exif[0x8825] = {1: "N", 2: (48.0, 8.0, 1.0)}
    return exif.tobytes()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("format", LOSSLESS)
def test_lossless_formats_keep_every_bit(format, channels, size):
    pixels = make.noise(*size, channels)
    picture = Picture(pixels[..., :3], alpha=pixels[..., 3] if channels == 4 else None)
    back = pictures.read(pictures.to_bytes(picture, format, quality=LOSSLESS[format]))
    np.testing.assert_array_equal(back.native, picture.native)
    if channels == 4:
        np.testing.assert_array_equal(back.alpha, picture.alpha)
    else:
        assert back.alpha is None


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("format", ["png", "tiff"])
def test_sixteen_bits_end_to_end(format, channels, size):
    pixels = make.noise(*size, channels, dtype=np.uint16)
    picture = Picture(
        pixels[..., :3], icc=P3, exif=exif_block(), alpha=pixels[..., 3] if channels == 4 else None
    )
    back = pictures.read(pictures.to_bytes(picture, format))
    assert back.native.dtype == np.uint16
    np.testing.assert_array_equal(back.native, np.rot90(picture.native, -1))  # exif says 6
    assert back.icc == P3
    if channels == 4:
        np.testing.assert_array_equal(back.alpha, np.rot90(picture.alpha, -1))


@pytest.mark.parametrize("format", ["png", "tiff"])
def test_other_programs_read_our_files(format):
    import cv2

    for dtype in (np.uint8, np.uint16):
        pixels = make.noise(1200, 1500, dtype=dtype)
        file = pictures.to_bytes(Picture(pixels), format)
        theirs = cv2.imdecode(np.frombuffer(file, np.uint8), cv2.IMREAD_UNCHANGED)[..., ::-1]
        np.testing.assert_array_equal(theirs, pixels)
        with Image.open(io.BytesIO(file)) as checked:
            checked.verify()  # PNG: every chunk's checksum


def test_flat_pictures_become_small_files():
    flat = Picture(np.full((1000, 1000, 3), 200, np.uint8))
    for format in ("png", "tiff", "webp", "jpeg"):
        assert len(pictures.to_bytes(flat, format)) < 40_000


@pytest.mark.parametrize("format", ["jpeg", "webp"])
def test_lossy_formats_stay_close(format):
    pixels = make.smooth(120, 160)
    picture = Picture(pixels)
    fine = pictures.read(pictures.to_bytes(picture, format, quality=95))
    assert np.abs(fine.native.astype(int) - pixels).mean() < 2
    coarse = pictures.to_bytes(picture, format, quality=20)
    assert len(coarse) < len(pictures.to_bytes(picture, format, quality=95))


@pytest.mark.parametrize(("quality", "sampling"), [(92, (1, 1)), (90, (1, 1)), (89, (2, 2))])
def test_jpeg_keeps_full_colour_from_quality_90(quality, sampling):
    file = pictures.to_bytes(Picture(make.smooth(32, 32)), "jpg", quality=quality)
    with Image.open(io.BytesIO(file)) as picture:
        assert picture.layer[0][1:3] == sampling


@pytest.mark.parametrize("format", ["jpeg", "webp"])
def test_sixteen_bits_are_rounded_for_8_bit_formats(format):
    deep = Picture(make.smooth(40, 60, np.uint16))
    back = pictures.read(pictures.to_bytes(deep, format, quality=100))
    assert back.native.dtype == np.uint8
    assert np.abs(back.native - deep.native / 257).max() < (0.51 if format == "webp" else 4)


class TestMetadata:
    @pytest.mark.parametrize("format", ["png", "jpeg", "webp", "tiff"])
    @pytest.mark.parametrize("source", ["PNG", "JPEG", "WEBP", "TIFF"])
    def test_kept_from_every_format_to_every_format(self, source, format):
        xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf a="b" tiff:Orientation="6"/></x:xmpmeta>'
        options = {"exif": exif_block(), "icc_profile": P3, "dpi": (300, 300)}
        if source != "PNG":  # Pillow reads, but does not write, XMP in PNG
            options["xmp"] = xmp
        if source == "TIFF":  # Pillow does not write nested EXIF there
            metadata = Metadata(P3, exif_block(), xmp, (300, 300))
            file = encode(make.smooth(24, 40), metadata, "TIFF", 92)
        else:
            file = make.file_of(make.smooth(24, 40), source, **options)
        picture = pictures.read(file)
        back = Image.open(io.BytesIO(pictures.to_bytes(picture, format)))
        exif = back.getexif()
        assert 0x0112 not in exif
        assert (exif[0x010F], exif[0x0131]) == ("Maker", "Editor")
        details = exif.get_ifd(0x8769)
        assert details[0x9003] == "2024:01:02 03:04:05"
        assert float(details[0x829A]) == pytest.approx(0.01)
        assert (details[0xA002], details[0xA003]) == (24, 40) == back.size
        assert tuple(map(float, exif.get_ifd(0x8825)[2])) == (48, 8, 1)
        assert back.info["icc_profile"] == P3
        if source != "WEBP" and format != "webp":  # WebP has no place for it
            assert back.info["dpi"] == pytest.approx((300, 300), abs=0.1)
        if source != "PNG":
            found = back.info.get("xmp") or back.info["XML:com.adobe.xmp"].encode()
            assert found.strip(b"\0") == xmp.replace(b'tiff:Orientation="6"', b"")

    def test_thumbnail_of_the_unpainted_picture_is_gone(self):
        exif = bytearray(exif_block())
        thumbnail = make.file_of(make.smooth(16, 16), "JPEG")
        # Hang a second directory with a thumbnail behind the first one.
        tiff = exif[6:]
        count = struct.unpack_from("<H", tiff, 8)[0]
        place = len(tiff)
        struct.pack_into("<I", tiff, 10 + 12 * count, place)
        entries = struct.pack("<HHII", 0x0201, 4, 1, place + 30)
        entries += struct.pack("<HHII", 0x0202, 4, 1, len(thumbnail))
        tiff += struct.pack("<H", 2) + entries + struct.pack("<I", 0) + thumbnail
        file = make.file_of(make.smooth(24, 40), "JPEG", exif=b"Exif\0\0" + bytes(tiff))
        assert thumbnail[20:200] in file
        assert Image.open(io.BytesIO(file)).getexif().get_ifd(ExifTags.IFD.IFD1)[0x0202] == len(
            thumbnail
        )
        for format in ("jpeg", "png", "webp", "tiff"):
            out = pictures.to_bytes(pictures.read(file), format)
            assert thumbnail[20:200] not in out
            assert not Image.open(io.BytesIO(out)).getexif().get_ifd(ExifTags.IFD.IFD1)

    def test_tiff_layout_tags_do_not_travel(self):
        source = make.file_of(make.smooth(24, 40), "TIFF", compression="tiff_lzw")
        exif = Image.open(io.BytesIO(pictures.to_bytes(pictures.read(source), "jpeg"))).getexif()
        assert not {256, 257, 259, 262, 273, 277, 278, 279, 284, 317} & set(exif)

    @pytest.mark.parametrize("kind", ["exif", "xmp"])
    def test_too_long_for_jpeg_is_left_out_with_a_warning(self, kind):
        exif = Image.Exif()
        exif[0x010E] = "x" * 70_000
        block = exif.tobytes() if kind == "exif" else b"<x/>" + b" " * 70_000
        picture = Picture(make.smooth(8, 8), **{kind: block})
        with pytest.warns(SfumatoWarning, match="too long for a JPEG file"):
            file = pictures.to_bytes(picture, "jpeg")
        assert len(file) < 5000
        assert pictures.read(pictures.to_bytes(picture, "png")).__dict__[kind]

    def test_absurd_dpi_is_dropped(self):
        file = make.file_of(make.smooth(8, 8), "TIFF", dpi=(1, 1))
        assert pictures.read(file).dpi is None


class TestTransparency:
    CUT = Picture(np.full((4, 4, 3), (200, 0, 0), np.uint8), alpha=np.eye(4, dtype=np.uint8) * 255)

    def test_jpeg_puts_it_on_white_with_a_warning(self):
        wide = Picture(self.CUT.native.repeat(16, 0).repeat(16, 1),
                       alpha=self.CUT.alpha.repeat(16, 0).repeat(16, 1))  # fmt: skip
        with pytest.warns(SfumatoWarning, match="JPEG has no transparency"):
            back = pictures.read(pictures.to_bytes(wide, "jpeg"))
        assert np.abs(back.native[4, 4].astype(int) - (200, 0, 0)).max() < 8
        assert back.native[4, 28].min() > 247

    def test_an_opaque_alpha_is_no_reason_to_warn(self):
        opaque = Picture(self.CUT.native, alpha=np.full((4, 4), 255, np.uint8))
        assert pictures.read(pictures.to_bytes(opaque, "jpeg")).alpha is None

    @pytest.mark.parametrize("format", ["png", "tiff", "webp"])
    def test_colours_under_it_survive(self, format):
        back = pictures.read(pictures.to_bytes(self.CUT, format, quality=100))
        np.testing.assert_array_equal(back.native, self.CUT.native)
        np.testing.assert_array_equal(back.alpha, self.CUT.alpha)
