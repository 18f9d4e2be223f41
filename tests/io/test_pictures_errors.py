"""Every bad input ends in one clear sentence that names the file."""

import io
import os
import struct
import subprocess
import sys
import warnings
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from sfumato.errors import PictureError, SfumatoError, SfumatoWarning
from sfumato.io import _source, pictures

from . import picture_files as make

KNOWN = "PNG, JPEG, TIFF, WebP, GIF, BMP, PPM, JPEG 2000, AVIF or HEIC with 8 or 16 bits a channel"


def sentence(source, **options):
    with pytest.raises(PictureError) as caught:
        pictures.read(source, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


class TestFiles:
    def test_missing(self, tmp_path):
        assert sentence(tmp_path / "no.jpg") == f"{tmp_path / 'no.jpg'} does not exist"

    def test_empty(self, tmp_path):
        path = tmp_path / "a.png"
        path.touch()
        assert sentence(path) == f"{path} is empty (0 bytes)"
        assert sentence(b"") == "the picture is empty (0 bytes)"
        assert sentence(io.BytesIO()) == "the picture is empty (0 bytes)"

    def test_text(self, tmp_path):
        path = tmp_path / "a.png"
        path.write_text("Dear diary, today I was a picture.")
        assert sentence(path) == f"{path} cannot be read as a picture; expected {KNOWN}"

    @pytest.mark.parametrize(
        "data",
        [
            b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
            b"%PDF-1.7\n",
            b"<svg xmlns='http://www.w3.org/2000/svg'/>",
            b"PK\x03\x04" + bytes(60),
        ],
    )
    def test_other_kinds_of_files(self, data):
        assert sentence(data) == f"the picture cannot be read as a picture; expected {KNOWN}"

    def test_folder(self, tmp_path):
        assert sentence(tmp_path) == f"{tmp_path} is a folder, not a picture"

    @pytest.mark.skipif(os.name != "posix", reason="POSIX device files")
    @pytest.mark.parametrize("device", ["/dev/zero", "/dev/null"])
    def test_device(self, device):
        assert sentence(device) == f"{device} is a device or socket, not a picture file"

    def test_no_permission(self, tmp_path, monkeypatch):
        path = tmp_path / "a.png"
        path.write_bytes(make.file_of(make.noise(2, 2)))

        def closed(*_):
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(_source.Path, "open", closed)  # root may read anything
        assert sentence(path) == f"{path} cannot be read: permission denied"

    def test_impossible_names(self):
        assert "cannot be read: " in sentence("a\0b.png")
        assert "cannot be read: File name too long" in sentence("a" * 5000)

    def test_link_in_a_circle(self, tmp_path):
        (tmp_path / "a").symlink_to(tmp_path / "b")
        (tmp_path / "b").symlink_to(tmp_path / "a")
        assert "cannot be read: Too many levels of symbolic links" in sentence(tmp_path / "a")

    def test_endless_stream(self, monkeypatch):
        monkeypatch.setattr(_source, "MAX_BYTES", 3 << 20)

        class Endless(io.RawIOBase):
            def read(self, size=-1):
                assert size > 0
                return bytes(size)

        assert "the picture is longer than" in sentence(Endless())

    def test_too_long_a_file(self, tmp_path, monkeypatch):
        monkeypatch.setattr(_source, "MAX_BYTES", 1 << 20)
        path = tmp_path / "a.png"
        with path.open("wb") as file:
            file.truncate((1 << 20) + 1)
        assert "is longer than" in sentence(path)


@pytest.mark.parametrize("format", ["PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM"])
@pytest.mark.parametrize("share", [0.5, 0.9])
def test_truncated(format, share, tmp_path):
    file = make.file_of(make.noise(60, 80), format)
    path = tmp_path / f"half.{format.lower()}"
    path.write_bytes(file[: int(len(file) * share)])
    said = sentence(path)
    assert said.startswith((f"{path} is damaged or cut short (", f"{path} cannot be read as a"))


def test_truncated_sixteen_bits():
    file = make.png(make.noise(60, 80, dtype=np.uint16), 16, 2)
    assert "is damaged or cut short" in sentence(file[: len(file) // 2])


class TestGreyLevels:
    @pytest.mark.parametrize("bad", [np.nan, np.inf])
    def test_not_finite(self, bad):
        levels = np.zeros((3, 3), np.float32)
        levels[1, 1] = bad
        assert sentence(make.file_of(levels, "TIFF")) == (
            "the picture holds NaN or infinite levels; expected floats from 0 to 1"
        )

    def test_float_out_of_range(self):
        levels = np.array([[-0.5, 300.25]], np.float32)
        assert sentence(make.file_of(levels, "TIFF")) == (
            "the picture has grey levels from -0.5 to 300.25; expected 0 to 1: rescale it"
        )

    def test_32_bits_out_of_range(self):
        levels = np.array([[0, 70_000]], np.int32)
        assert sentence(make.file_of(levels, "TIFF")) == (
            "the picture has grey levels from 0 to 70000; expected 0 to 65535: rescale it"
        )

    def test_float_in_range_fills_16_bits(self):
        levels = np.linspace(0, 1, 11, dtype=np.float32)[None]
        picture = pictures.read(make.file_of(levels, "TIFF"))
        np.testing.assert_array_equal(picture.native[..., 0], np.rint(levels * 65535))


def declared(width, height):
    """A PNG that claims a size and holds next to nothing."""
    return make.png(np.zeros((1, 1, 3), np.uint8), 8, 2, size=(width, height))


class TestBombs:
    def test_size_limit(self):
        assert sentence(declared(20_000, 15_000)) == (
            "the picture has 300 megapixels (20000 × 15000), the limit is 256 megapixels; "
            "make it smaller first"
        )

    def test_far_beyond(self):
        assert sentence(declared(100_000, 100_000)) == (
            "the picture has 10000 megapixels, the limit is 256 megapixels; make it smaller first"
        )

    def test_own_limit(self):
        file = make.file_of(np.zeros((100, 100, 3), np.uint8))
        assert "has 0 megapixels (100 × 100)" in sentence(file, max_pixels=9999)
        assert pictures.read(file, max_pixels=10_000).size == (100, 100)
        with pytest.raises(PictureError, match="the limit is"):
            pictures.read_mask(file, max_pixels=9999)

    def test_refused_before_decoding(self, monkeypatch):
        def never(*_):
            raise AssertionError("decoded")

        monkeypatch.setattr(Image.Image, "load", never)
        assert "300 megapixels" in sentence(declared(20_000, 15_000))

    def test_gif_frame_larger_than_its_screen(self):
        head = b"GIF89a" + struct.pack("<HHBBB", 1, 1, 0x80, 0, 0) + bytes(6)
        frame = b"," + struct.pack("<HHHHB", 0, 0, 65535, 65535, 0) + b"\x02\x02\x44\x01\0;"
        said = sentence(head + frame)
        assert "megapixels" in said

    def test_pillow_own_limit_is_left_as_it_was(self):
        before = Image.MAX_IMAGE_PIXELS
        sentence(declared(100_000, 100_000))
        assert before == Image.MAX_IMAGE_PIXELS

    def test_text_bomb(self):
        text = make.chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(200 << 20)))
        file = make.png(np.zeros((1, 1, 3), np.uint8), 8, 2, text)
        try:
            assert pictures.read(file).size == (1, 1)
        except PictureError as error:
            assert "damaged" in str(error)

    @pytest.mark.slow
    @pytest.mark.parametrize("format", ["JPEG", "PNG"])
    def test_100_megapixels_in_bounded_memory(self, format, tmp_path):
        path = tmp_path / "large.bin"
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            Image.new("RGB", (12_500, 8_000), (200, 100, 50)).save(path, format)
        script = (
            "import sys; from pathlib import Path; import numpy as np;"
            "from sfumato.io import pictures as p;"
            "photo = p.read(sys.argv[1]); changed = np.zeros(photo.size, bool);"
            "changed[:9] = True;"
            "painted = p.repaint(photo, np.zeros((*photo.size, 3), np.float32), changed);"
            "p.write(painted, sys.argv[2]);"
            "status = Path('/proc/self/status');"  # getrusage would count this process's peak too
            "lines = status.read_text().splitlines() if status.exists() else ['VmHWM: 0 kB'];"
            "print(*(line.split()[1] for line in lines if line.startswith('VmHWM')))"
        )
        done = subprocess.run(
            [sys.executable, "-c", script, path, tmp_path / "out.png"],
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stderr == ""
        # Pixels of 3 bytes: Pillow's (4), native, its copy, the encoder's strips; no float copy.
        assert int(done.stdout) / 1024 < 2200
        with pytest.warns(Image.DecompressionBombWarning):
            back = Image.open(tmp_path / "out.png")
        assert back.getpixel((5, 5)) == (0, 0, 0)
        assert np.abs(np.subtract(back.getpixel((9000, 7000)), (200, 100, 50))).max() <= 2


SEEDS = {
    "png": make.file_of(make.smooth(12, 15)),
    "palette": make.file_of(Image.fromarray(make.smooth(12, 15)).convert("P")),
    "png16": make.png(make.smooth(12, 15, np.uint16), 16, 2),
    "jpeg": make.file_of(make.smooth(12, 15), "JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0\0\0\0\0\0\0"),
    "webp": make.file_of(make.smooth(12, 15), "WEBP"),
    "gif": make.file_of(make.smooth(12, 15), "GIF"),
    "tiff": pictures.to_bytes(pictures.Picture(make.smooth(12, 15))),
    "tiff16": pictures.to_bytes(pictures.Picture(make.smooth(12, 15, np.uint16)), "tiff"),
    "bmp": make.file_of(make.smooth(12, 15), "BMP"),
}


def read_or_refuse(data):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            picture = pictures.read(data, max_pixels=1_000_000)
        except SfumatoError as error:
            assert str(error)
            return
        assert picture.image.shape == (*picture.size, 3)
        assert np.isfinite(picture.image).all()


@settings(max_examples=300, deadline=None)
@given(
    kind=st.sampled_from(sorted(SEEDS)),
    changes=st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), max_size=8),
    length=st.floats(0, 1),
    cut=st.booleans(),
)
def test_mutated_files_are_read_or_refused(kind, changes, length, cut):
    data = bytearray(SEEDS[kind])
    for place, value in changes:
        data[place % len(data)] = value
    if cut:
        data = data[: int(len(data) * length)]
    read_or_refuse(bytes(data))


@settings(max_examples=100, deadline=None)
@given(chunk=st.sampled_from([b"IHDR", b"tRNS", b"eXIf", b"iCCP", b"pHYs", b"iTXt", b"PLTE"]),
       data=st.binary(max_size=60))  # fmt: skip
def test_odd_chunks_with_right_checksums(chunk, data):
    file = make.png(make.noise(3, 3), 8, 2, make.chunk(chunk, data))
    read_or_refuse(file)


@settings(max_examples=100, deadline=None)
@given(data=st.binary(min_size=1, max_size=400))
def test_random_bytes_are_refused(data):
    read_or_refuse(data)
    for magic in (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"II*\0", b"GIF89a", b"BM", b"P6"):
        read_or_refuse(magic + data)


def test_warnings_as_errors_stay_warnings():
    """A program that turns warnings into errors sees the warning, not "damaged or cut short"."""
    file = make.file_of(make.noise(3, 3), icc_profile=b"nonsense" * 30)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(SfumatoWarning, match="colour profile is ignored"):
            pictures.read(file)
