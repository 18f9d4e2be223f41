"""Where pictures are written: formats by suffix, refusals, whole files or none."""

import errno
import io
import os
import stat
from pathlib import Path

import numpy as np
import pytest

from sfumato.errors import PictureError, UsageError
from sfumato.io import _files, pictures
from sfumato.io.pictures import Picture

from . import picture_files as make


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
        assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)

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

            def open_broken(path, mode):
                file = real_open(path, mode)

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
        monkeypatch.undo()
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
        full = open("/dev/full", "wb", buffering=0)  # noqa: PTH123, SIM115
        with full, pytest.raises(PictureError, match="no space left on device"):
            pictures.write(self.PICTURE, full)


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
