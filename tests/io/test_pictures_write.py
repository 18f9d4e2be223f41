"""What goes out: every format, with metadata; whole files or none."""

import errno
import io
import os
import stat

import numpy as np
import pytest
from PIL import Image, ImageCms

from sfumato.errors import PictureError, SfumatoWarning, UsageError
from sfumato.io import _files, pictures
from sfumato.io.pictures import Picture

from . import picture_files as make

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
P3 = make.matrix_profile(make.DISPLAY_P3, make.parametric_curve(*make.SRGB_CURVE))
LOSSLESS = {"png": 92, "tiff": 92, "tif": 92, "webp": 100}
SIZES = [(1, 1), (1, 5000), (5000, 1), (7, 5), (1200, 1500)]


def exif_block():
    exif = Image.Exif()
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
        if source == "TIFF":
            options = options | {"tiffinfo": {700: xmp}}
        picture = pictures.read(make.file_of(make.smooth(24, 40), source, **options))
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
        import struct

        tiff = exif[6:]
        count = struct.unpack_from("<H", tiff, 8)[0]
        place = len(tiff)
        struct.pack_into("<I", tiff, 10 + 12 * count, place)
        entries = struct.pack("<HHII", 0x0201, 4, 1, place + 30)
        entries += struct.pack("<HHII", 0x0202, 4, 1, len(thumbnail))
        tiff += struct.pack("<H", 2) + entries + struct.pack("<I", 0) + thumbnail
        file = make.file_of(make.smooth(24, 40), "JPEG", exif=b"Exif\0\0" + bytes(tiff))
        assert thumbnail[20:200] in file
        assert Image.open(io.BytesIO(file)).getexif().get_ifd(1)[0x0202] == len(thumbnail)
        for format in ("jpeg", "png", "webp", "tiff"):
            out = pictures.to_bytes(pictures.read(file), format)
            assert thumbnail[20:200] not in out
            assert not Image.open(io.BytesIO(out)).getexif().get_ifd(1)

    def test_tiff_layout_tags_do_not_travel(self):
        source = make.file_of(
            make.smooth(24, 40), "TIFF", compression="tiff_lzw", exif=exif_block()
        )
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


class TestTargets:
    PICTURE = Picture(make.noise(5, 6))

    @pytest.mark.parametrize("suffix", pictures.FORMATS)
    def test_suffix_tells_the_format(self, tmp_path, suffix):
        target = tmp_path / f"a.{suffix.upper()}"
        pictures.write(self.PICTURE, target)
        assert pictures.read(target).format == pictures.FORMATS[suffix]

    def test_format_beats_the_suffix(self, tmp_path):
        pictures.write(self.PICTURE, tmp_path / "a.dat", format="tiff")
        assert pictures.read(tmp_path / "a.dat").format == "TIFF"

    def test_stream(self):
        stream = io.BytesIO()
        pictures.write(self.PICTURE, stream)
        assert pictures.read(stream.getvalue()).format == "PNG"
        stream = io.BytesIO()
        pictures.write(self.PICTURE, stream, format="webp")
        assert pictures.read(stream.getvalue()).format == "WEBP"

    def test_broken_pipe_is_one_sentence(self):
        class Closed(io.BytesIO):
            def write(self, _):
                raise BrokenPipeError(errno.EPIPE, "Broken pipe")

        with pytest.raises(PictureError, match="cannot be written to the stream: broken pipe"):
            pictures.write(self.PICTURE, Closed())

    def sentence(self, error, target, **options):
        with pytest.raises(error) as caught:
            pictures.write(self.PICTURE, target, **options)
        with pytest.raises(error) as early:
            pictures.check_target(target, **{k: v for k, v in options.items() if k != "quality"})
        assert str(early.value) == str(caught.value)
        return str(caught.value)

    def test_unknown_suffix(self, tmp_path):
        assert self.sentence(UsageError, tmp_path / "a.xyz") == (
            "cannot write the picture format '.xyz' (known: png, jpg, jpeg, webp, tif, tiff)"
        )

    def test_no_suffix(self, tmp_path):
        target = tmp_path / "a"
        assert self.sentence(UsageError, target) == (
            f"{target} has no suffix to tell the format (known: png, jpg, jpeg, webp, tif, tiff)"
        )

    def test_existing_file(self, tmp_path):
        target = tmp_path / "a.png"
        target.write_bytes(b"precious")
        assert self.sentence(UsageError, target) == (
            f"{target} exists already; give --overwrite to replace it"
        )
        assert target.read_bytes() == b"precious"
        pictures.write(self.PICTURE, target, overwrite=True)
        assert pictures.read(target).format == "PNG"

    def test_missing_folder(self, tmp_path):
        target = tmp_path / "no" / "a.png"
        assert self.sentence(PictureError, target) == (
            f"{target} cannot be written: the folder {tmp_path / 'no'} does not exist"
        )

    def test_folder_as_target(self, tmp_path):
        target = tmp_path / "folder.png"
        target.mkdir()
        assert self.sentence(PictureError, target, overwrite=True) == (
            f"{target} is a folder; name a file in it"
        )

    @pytest.mark.skipif(os.name != "posix", reason="POSIX device files")
    def test_device_as_target(self):
        assert self.sentence(PictureError, "/dev/null", format="png", overwrite=True) == (
            "/dev/null is a device, pipe or socket, not a file to write to"
        )
        assert stat.S_ISCHR(os.stat("/dev/null").st_mode)

    def test_read_only_folder(self, tmp_path, monkeypatch):
        monkeypatch.setattr(_files.os, "access", lambda *_: False)  # root may write anywhere
        target = tmp_path / "a.png"
        assert self.sentence(PictureError, target) == (
            f"{target} cannot be written: permission denied in {tmp_path}"
        )

    @pytest.mark.parametrize("quality", [0, 101, -5])
    def test_quality_out_of_range(self, tmp_path, quality):
        with pytest.raises(UsageError, match=f"quality must be from 1 to 100, got {quality}"):
            pictures.write(self.PICTURE, tmp_path / "a.jpg", quality=quality)
        assert not list(tmp_path.iterdir())

    @pytest.mark.parametrize(("format", "side"), [("JPEG", 65500), ("WEBP", 16383)])
    def test_too_long_for_the_format(self, tmp_path, format, side):
        long = Picture(np.zeros((1, side + 1, 3), np.uint8))
        with pytest.raises(PictureError) as caught:
            pictures.write(long, tmp_path / f"a.{format.lower()}")
        assert str(caught.value) == (
            f"a {format} file holds at most {side} pixels a side and this picture is "
            f"{side + 1} × 1; write PNG or TIFF"
        )

    def test_symbolic_link_stays_and_its_file_is_replaced(self, tmp_path):
        real = tmp_path / "real.png"
        real.write_bytes(b"old")
        real.chmod(0o640)
        link = tmp_path / "link.png"
        link.symlink_to(real)
        pictures.write(self.PICTURE, link, overwrite=True)
        assert link.is_symlink()
        np.testing.assert_array_equal(pictures.read(real).native, self.PICTURE.native)
        assert stat.S_IMODE(real.stat().st_mode) == 0o640

    def test_new_files_follow_the_umask(self, tmp_path):
        before = os.umask(0o027)
        try:
            pictures.write(self.PICTURE, tmp_path / "a.png")
        finally:
            os.umask(before)
        assert stat.S_IMODE((tmp_path / "a.png").stat().st_mode) == 0o640


class TestWholeOrNothing:
    PICTURE = Picture(make.noise(50, 60))
    FULL = OSError(errno.ENOSPC, "No space left on device")

    @pytest.mark.parametrize("step", ["fsync", "copymode", "replace", "write"])
    def test_failure_leaves_the_old_file_and_no_litter(self, tmp_path, monkeypatch, step):
        target = tmp_path / "a.png"
        target.write_bytes(b"old")

        def fail(*_, **__):
            raise self.FULL

        if step == "fsync":
            monkeypatch.setattr(_files.os, "fsync", fail)
        elif step == "copymode":
            monkeypatch.setattr(_files.shutil, "copymode", fail)
        elif step == "replace":
            monkeypatch.setattr(_files.Path, "replace", fail)
        else:
            real_open = _files.Path.open

            def open_broken(path, *args):
                file = real_open(path, *args)

                class Half:
                    def __enter__(self):
                        return self

                    def __exit__(self, *_):
                        file.close()

                    def write(self, data):
                        file.write(data[: len(data) // 2])
                        file.flush()
                        fail()

                return Half()

            monkeypatch.setattr(_files.Path, "open", open_broken)
        with pytest.raises(PictureError) as caught:
            pictures.write(self.PICTURE, target, overwrite=True)
        assert str(caught.value) == f"{target} cannot be written: no space left on device"
        assert [path.name for path in tmp_path.iterdir()] == ["a.png"]
        assert target.read_bytes() == b"old"

    def test_interrupted_by_the_user(self, tmp_path, monkeypatch):
        def interrupt(_):
            raise KeyboardInterrupt

        monkeypatch.setattr(_files.os, "fsync", interrupt)
        with pytest.raises(KeyboardInterrupt):
            pictures.write(self.PICTURE, tmp_path / "a.png")
        assert not list(tmp_path.iterdir())

    @pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")  # noqa: PTH110
    def test_stream_to_a_full_disk(self):
        with (
            open("/dev/full", "wb") as full,  # noqa: PTH123
            pytest.raises(PictureError, match="no space left on device"),
        ):
            pictures.write(self.PICTURE, full)
            full.flush()


class TestSameFile:
    def test_links_and_spellings(self, tmp_path):
        first = tmp_path / "a.png"
        first.write_bytes(b"x")
        other = tmp_path / "b.png"
        other.write_bytes(b"x")
        link, hard = tmp_path / "link.png", tmp_path / "hard.png"
        link.symlink_to(first)
        hard.hardlink_to(first)
        for alias in (first, str(first), tmp_path / "." / "a.png", link, hard):
            assert pictures.same_file(first, alias)
        assert not pictures.same_file(first, other)

    def test_files_that_do_not_exist_yet(self, tmp_path):
        new = tmp_path / "new.png"
        assert pictures.same_file(new, tmp_path / "x" / ".." / "new.png")
        assert not pictures.same_file(new, tmp_path / "newer.png")

    def test_streams_and_bytes_are_no_files(self, tmp_path):
        assert not pictures.same_file(io.BytesIO(), tmp_path)
        assert not pictures.same_file(b"a.png", b"a.png")


class TestWriteAlpha:
    def test_png(self, tmp_path):
        alpha = np.linspace(0, 1, 256, dtype=np.float32)[None].repeat(3, 0)
        pictures.write_alpha(alpha, tmp_path / "m.png")
        with Image.open(tmp_path / "m.png") as picture:
            assert picture.mode == "L"
            np.testing.assert_array_equal(np.asarray(picture), np.arange(256)[None].repeat(3, 0))
        np.testing.assert_allclose(pictures.read_mask(tmp_path / "m.png"), alpha, atol=1e-6)

    @pytest.mark.parametrize("format", ["jpg", "webp", "tiff"])
    def test_other_formats(self, format):
        alpha = np.zeros((32, 32), np.float32)
        alpha[:, 16:] = 1
        stream = io.BytesIO()
        pictures.write_alpha(alpha, stream, format=format)
        assert np.abs(pictures.read_mask(stream.getvalue()) - alpha).max() < 0.05

    def test_existing_file_and_nan(self, tmp_path):
        target = tmp_path / "m.png"
        pictures.write_alpha(np.ones((2, 2), np.float32), target)
        with pytest.raises(UsageError, match="--overwrite"):
            pictures.write_alpha(np.ones((2, 2), np.float32), target)
        with pytest.raises(PictureError, match="NaN"):
            pictures.write_alpha(np.full((2, 2), np.nan, np.float32), target, overwrite=True)
