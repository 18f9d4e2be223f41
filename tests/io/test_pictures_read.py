"""Every kind of picture comes in as upright RGB of its own depth."""

import io
import os
import subprocess
import sys
import threading

import numpy as np
import PIL
import pytest
from PIL import Image

from sfumato.errors import MissingExtraError, SfumatoWarning
from sfumato.io import pictures
from sfumato.io._encode import Metadata, encode

from . import picture_files as make

EIGHT = make.noise(6, 9)
DEEP = make.noise(6, 9, dtype=np.uint16)


def test_rgb_comes_in_as_stored():
    picture = pictures.read(make.file_of(EIGHT))
    assert picture.native.dtype == np.uint8
    np.testing.assert_array_equal(picture.native, EIGHT)
    assert picture.image.dtype == np.float32
    np.testing.assert_array_equal(picture.image, EIGHT.astype(np.float32) / np.float32(255))
    assert (picture.alpha, picture.icc, picture.format) == (None, None, "PNG")
    assert picture.size == (6, 9)


TIFF_MODES = ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "I;16", "I", "F")
PNG_MODES = ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")


@pytest.mark.parametrize(
    ("format", "mode"),
    [("TIFF", mode) for mode in TIFF_MODES] + [("PNG", mode) for mode in PNG_MODES],
)
def test_every_mode_comes_in(format, mode):
    if mode == "F":
        source = Image.fromarray(EIGHT[..., 0].astype(np.float32) / 255)
    elif mode in ("I", "I;16"):
        grey = EIGHT[..., 0].astype(np.int32 if mode == "I" else np.uint16) * 257
        source = Image.fromarray(grey)
    else:
        source = Image.fromarray(EIGHT).convert(mode)
    assert source.mode == mode
    file = make.file_of(source, format)
    if (format, mode) == ("TIFF", "YCbCr") and int(PIL.__version__.split(".")[0]) < 13:
        pytest.skip("Pillow before 13 cannot read the YCbCr TIFF that it wrote itself")
    picture = pictures.read(file)
    deep = mode in ("I", "I;16", "F")
    assert picture.native.dtype == (np.uint16 if deep else np.uint8)
    expected = EIGHT[..., :1].repeat(3, 2) if deep else np.asarray(source.convert("RGB"))
    np.testing.assert_array_equal(picture.native // (257 if deep else 1), expected)
    assert (picture.alpha is not None) == (mode in ("LA", "RGBA"))


@pytest.mark.parametrize("format", ["GIF", "BMP", "PPM", "WEBP", "TIFF", "JPEG2000"])
def test_lossless_formats_come_in_exactly(format):
    grey = EIGHT[..., :1].repeat(3, 2)
    options = {"lossless": True} if format == "WEBP" else {}
    source = Image.fromarray(grey[..., 0]) if format == "GIF" else Image.fromarray(grey)
    picture = pictures.read(make.file_of(source, format, **options))
    np.testing.assert_array_equal(picture.native, grey)
    assert picture.format == format


def test_palette_with_transparency():
    source = Image.fromarray(np.array([[0, 1], [2, 3]], np.uint8), "P")
    source.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255, 9, 9, 9])
    picture = pictures.read(make.file_of(source, transparency=bytes([255, 128, 0, 7])))
    np.testing.assert_array_equal(picture.alpha, [[255, 128], [0, 7]])
    np.testing.assert_array_equal(picture.native[0], [[255, 0, 0], [0, 255, 0]])


def test_one_transparent_colour():
    pixels = np.array([[[10, 20, 30], [10, 20, 31]]], np.uint8)
    picture = pictures.read(make.file_of(pixels, transparency=(10, 20, 30)))
    np.testing.assert_array_equal(picture.alpha, [[0, 255]])
    grey = pictures.read(make.file_of(pixels[..., 2], transparency=30))
    np.testing.assert_array_equal(grey.alpha, [[0, 255]])
    np.testing.assert_array_equal(grey.native[0, :, 1], [30, 31])


def test_grey_alpha():
    pixels = make.noise(3, 4, 2)
    picture = pictures.read(make.file_of(Image.fromarray(pixels, "LA")))
    np.testing.assert_array_equal(picture.native, pixels[..., :1].repeat(3, 2))
    np.testing.assert_array_equal(picture.alpha, pixels[..., 1])


class TestSixteenBits:
    def check(self, file, colour, alpha=None):
        picture = pictures.read(file)
        assert picture.native.dtype == np.uint16
        np.testing.assert_array_equal(picture.native, colour)
        if alpha is None:
            assert picture.alpha is None
        else:
            np.testing.assert_array_equal(picture.alpha, alpha)

    def test_png_rgb(self):
        self.check(make.png(DEEP, 16, 2), DEEP)

    def test_png_rgba(self):
        pixels = make.noise(5, 4, 4, np.uint16)
        self.check(make.png(pixels, 16, 6), pixels[..., :3], pixels[..., 3])

    def test_png_grey(self):
        self.check(make.png(DEEP[..., 0], 16, 0), DEEP[..., :1].repeat(3, 2))

    def test_png_grey_alpha(self):
        pixels = make.noise(5, 4, 2, np.uint16)
        self.check(make.png(pixels, 16, 4), pixels[..., :1].repeat(3, 2), pixels[..., 1])

    def test_png_with_one_transparent_colour(self):
        key = make.chunk(b"tRNS", DEEP[0, 0].astype(">u2").tobytes())
        alpha = np.full((6, 9), 65535)
        alpha[0, 0] = 0
        self.check(make.png(DEEP, 16, 2, key), DEEP, alpha)
        key = make.chunk(b"tRNS", DEEP[:1, 0, 0].astype(">u2").tobytes())
        self.check(make.png(DEEP[..., 0], 16, 0, key), DEEP[..., :1].repeat(3, 2), alpha)

    def test_tiff_rgb_as_opencv_writes_it(self):
        import cv2

        file = cv2.imencode(".tiff", DEEP[..., ::-1])[1].tobytes()
        self.check(file, DEEP)

    def test_where_opencv_reads_something_else_8_bits_and_a_warning(self, monkeypatch):
        import cv2

        wrong = np.zeros_like(DEEP)
        monkeypatch.setattr(cv2, "imdecode", lambda *_: wrong)
        with pytest.warns(SfumatoWarning, match="only 8 of its 16 bits could be read"):
            picture = pictures.read(make.png(DEEP, 16, 2))
        np.testing.assert_array_equal(picture.native, DEEP >> 8)


class TestCmyk:
    INK = np.stack([make.noise(4, 5, 1, seed=s) for s in range(4)], -1)

    def test_without_profile(self):
        picture = pictures.read(make.file_of(Image.fromarray(self.INK, "CMYK"), "TIFF"))
        c, m, y, k = (self.INK[..., i] / 255 for i in range(4))
        expected = np.stack([(1 - ink) * (1 - k) for ink in (c, m, y)], -1) * 255
        assert np.abs(picture.native - expected).max() <= 1.5

    def test_adobe_jpeg_is_not_a_negative(self):
        paper = np.zeros((16, 16, 4), np.uint8)  # no ink at all
        paper[8:, :, 3] = 255  # black below
        picture = pictures.read(make.file_of(Image.fromarray(paper, "CMYK"), "JPEG", quality=95))
        assert picture.native[:6].min() > 250
        assert picture.native[10:].max() < 5

    def test_with_profile(self):
        profile = make.table_profile("CMYK")
        ink = np.zeros((2, 2, 4), np.uint8)
        ink[1] = (0, 0, 0, 128)
        file = make.file_of(Image.fromarray(ink, "CMYK"), "TIFF", icc_profile=profile)
        picture = pictures.read(file)
        assert picture.icc is None
        assert picture.native[0].min() == 255
        # Half the lightness by the profile (119 in sRGB); the plain formula would give 127.
        assert np.abs(picture.native[1].astype(int) - 119).max() <= 2

    def test_with_a_broken_profile(self):
        ink = Image.fromarray(self.INK, "CMYK")
        broken = make.profile("CMYK", {})
        with pytest.warns(SfumatoWarning, match="colours may be off"):
            picture = pictures.read(make.file_of(ink, "TIFF", icc_profile=broken))
        np.testing.assert_array_equal(picture.native, np.asarray(ink.convert("RGB")))


def test_lab_tiff():
    lab = np.zeros((2, 2, 3), np.uint8)
    lab[0] = (255, 0, 0)  # white; Pillow keeps a and b as signed bytes
    picture = pictures.read(make.file_of(Image.fromarray(lab, "LAB"), "TIFF"))
    assert picture.native[0].min() >= 254
    assert picture.native[1].max() <= 1


@pytest.mark.parametrize("format", ["GIF", "WEBP", "MPO", "TIFF", "PNG"])
def test_first_frame_of_several(format):
    frames = [Image.new("RGB", (16, 12), colour) for colour in ("red", "blue", "lime")]
    options = {"quality": 95} if format in ("WEBP", "MPO") else {}
    file = make.file_of(frames[0], format, save_all=True, append_images=frames[1:], **options)
    picture = pictures.read(file)
    assert picture.size == (12, 16)
    assert np.abs(picture.native.astype(int) - (255, 0, 0)).max() < 12
    assert picture.format == ("JPEG" if format == "MPO" else format)


UPRIGHT = make.smooth(16, 24)
STORED = {  # how a camera that writes this orientation would have stored UPRIGHT
    1: UPRIGHT,
    2: UPRIGHT[:, ::-1],
    3: UPRIGHT[::-1, ::-1],
    4: UPRIGHT[::-1],
    5: UPRIGHT.swapaxes(0, 1),
    6: np.rot90(UPRIGHT, 1),
    7: UPRIGHT[::-1, ::-1].swapaxes(0, 1),
    8: np.rot90(UPRIGHT, -1),
}


@pytest.mark.parametrize("orientation", STORED)
@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP", "TIFF"])
def test_exif_orientation(orientation, format):
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010F] = "Maker"
    options = {"JPEG": {"quality": 100, "subsampling": 0}, "WEBP": {"lossless": True}}
    stored = np.ascontiguousarray(STORED[orientation])
    file = make.file_of(stored, format, exif=exif.tobytes(), **options.get(format, {}))
    picture = pictures.read(file)
    assert picture.size == (16, 24)
    assert np.abs(picture.native.astype(int) - UPRIGHT).max() <= (3 if format == "JPEG" else 0)
    kept = Image.Exif()
    kept.load(picture.exif)
    assert 0x0112 not in kept
    assert kept[0x010F] == "Maker"


@pytest.mark.parametrize("orientation", STORED)
@pytest.mark.parametrize("format", ["png", "tiff"])
def test_exif_orientation_of_alpha_and_16_bits(orientation, format):
    upright = make.noise(4, 7, 4, np.uint16)
    stored = {
        1: upright, 2: upright[:, ::-1], 3: upright[::-1, ::-1], 4: upright[::-1],
        5: upright.swapaxes(0, 1), 6: np.rot90(upright, 1),
        7: upright[::-1, ::-1].swapaxes(0, 1), 8: np.rot90(upright, -1),
    }[orientation]  # fmt: skip
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = np.ascontiguousarray(stored)
    if format == "png":
        file = make.png(stored, 16, 6, make.chunk(b"eXIf", exif.tobytes()[6:]))
    else:
        file = encode(stored, Metadata(exif=exif.tobytes()), "TIFF", 92)
    picture = pictures.read(file)
    np.testing.assert_array_equal(picture.native, upright[..., :3])
    np.testing.assert_array_equal(picture.alpha, upright[..., 3])


@pytest.mark.parametrize(
    ("spelling", "left"),
    [
        (b'tiff:Orientation="6"', b""),
        (b"<tiff:Orientation>6</tiff:Orientation>", b"<tiff:Orientation>1</tiff:Orientation>"),
    ],
)
def test_orientation_in_xmp_only(spelling, left):
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf %s a="b"/></x:xmpmeta>' % spelling
    file = make.png(np.ascontiguousarray(STORED[6]), 8, 2, make.chunk(
        b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp))  # fmt: skip
    picture = pictures.read(file)
    np.testing.assert_array_equal(picture.native, UPRIGHT)
    assert picture.xmp == xmp.replace(spelling, left)


@pytest.mark.parametrize("orientation", [0, 9, 77, "up"])
def test_senseless_orientation_is_none(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation if isinstance(orientation, int) else 65535
    picture = pictures.read(make.file_of(EIGHT, exif=exif.tobytes()))
    np.testing.assert_array_equal(picture.native, EIGHT)


def test_damaged_exif_is_left_out_with_a_warning():
    with pytest.warns(SfumatoWarning, match="damaged EXIF data is left out"):
        picture = pictures.read(make.file_of(EIGHT, exif=b"Exif\0\0garbage garbage"))
    assert picture.exif is None
    np.testing.assert_array_equal(picture.native, EIGHT)


def test_dpi_turns_with_the_picture():
    exif = Image.Exif()
    exif[0x0112] = 6
    file = make.file_of(EIGHT, "JPEG", dpi=(300, 150), exif=exif.tobytes())
    assert pictures.read(file).dpi == (150, 300)


@pytest.mark.parametrize("size", [(1, 1), (1, 5000), (5000, 1)])
@pytest.mark.parametrize("format", ["PNG", "JPEG", "TIFF", "WEBP"])
def test_thin_pictures(size, format):
    pixels = np.full((*size, 3), 77, np.uint8)
    picture = pictures.read(make.file_of(pixels, format))
    assert picture.size == size
    assert np.abs(picture.image - 77 / 255).max() < 4 / 255


class TestSources:
    FILE = make.file_of(EIGHT)

    def test_path_string_bytes_and_stream(self, tmp_path):
        path = tmp_path / "a.png"
        path.write_bytes(self.FILE)
        for source in (path, str(path), self.FILE, io.BytesIO(self.FILE), path.open("rb")):
            np.testing.assert_array_equal(pictures.read(source).native, EIGHT)

    def test_content_counts_not_the_suffix(self, tmp_path):
        path = tmp_path / "lie.jpg"
        path.write_bytes(self.FILE)
        assert pictures.read(path).format == "PNG"

    def test_names(self, tmp_path):
        path = tmp_path / "a.png"
        path.write_bytes(self.FILE)
        assert pictures.read(path).name == str(path)
        assert pictures.read(self.FILE).name == "the picture"

    def test_standard_input(self):
        script = (
            "import sys; from sfumato.io import pictures;"
            "p = pictures.read(sys.stdin.buffer); print(p.name, p.size)"
        )
        done = subprocess.run(
            [sys.executable, "-c", script], input=self.FILE, capture_output=True, check=True
        )
        assert done.stdout.decode().strip() == "standard input (6, 9)"

    @pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
    def test_named_pipe(self, tmp_path):
        pipe = tmp_path / "pipe"
        os.mkfifo(pipe)
        writer = threading.Thread(target=lambda: pipe.write_bytes(self.FILE))
        writer.start()
        picture = pictures.read(pipe)
        writer.join()
        np.testing.assert_array_equal(picture.native, EIGHT)


class TestHeic:
    def test_with_the_extra(self):
        heif = pytest.importorskip("pillow_heif")
        heif.register_heif_opener()
        picture = pictures.read(make.file_of(UPRIGHT.repeat(4, 0).repeat(4, 1), "HEIF", quality=95))
        assert picture.format == "HEIF"
        assert picture.size == (64, 96)
        assert np.abs(picture.native[::4, ::4].astype(int) - UPRIGHT).mean() < 4

    def test_turned_once_not_twice(self):
        heif = pytest.importorskip("pillow_heif")
        heif.register_heif_opener()
        exif = Image.Exif()
        exif[0x0112] = 6
        stored = np.ascontiguousarray(STORED[6]).repeat(4, 0).repeat(4, 1)
        picture = pictures.read(make.file_of(stored, "HEIF", quality=95, exif=exif.tobytes()))
        assert picture.size == (64, 96)
        assert np.abs(picture.native[::4, ::4].astype(int) - UPRIGHT).mean() < 4

    def test_without_the_extra(self, monkeypatch, tmp_path):
        monkeypatch.setitem(sys.modules, "pillow_heif", None)
        path = tmp_path / "phone.heic"
        path.write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(100))
        with pytest.raises(MissingExtraError) as caught:
            pictures.read(path)
        assert str(caught.value) == (
            f"reading {path} (HEIC) needs an optional library: pip install 'sfumato[heic]'"
        )


def test_light_import():
    script = (
        "import sys; import sfumato.io.pictures as p;"
        "p.read(sys.stdin.buffer).image;"
        "assert not {'cv2', 'PIL.ImageCms', 'torch'} & set(sys.modules), 'heavy import'"
    )
    file = make.file_of(EIGHT, "JPEG")
    subprocess.run([sys.executable, "-c", script], input=file, check=True)
