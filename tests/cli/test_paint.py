"""``sfumato paint``: files in, files out, batches, pipes, manifests, sentences."""

from __future__ import annotations

import io
import json
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from PIL import Image as PillowImage

from sfumato.cli import _shared
from sfumato.cli.main import join_file_names
from sfumato.cli.paint import parse_layers
from sfumato.errors import UsageError

pytestmark = pytest.mark.usefixtures("inverter")

STYLE = ("--style", "nocturne")
HALF = ("--region", "box:0,0,.5,1")


def make_photo(path, size=(48, 32), seed=0):
    data = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    PillowImage.fromarray(data).save(path)
    return path


def pixels(path):
    return np.asarray(PillowImage.open(path))


def test_one_photo(run, photo, tmp_path):
    out = tmp_path / "out.png"
    result = run("paint", photo, *STYLE, *HALF, "-o", out)
    assert (result.code, result.err) == (0, "")
    before, after = pixels(photo), pixels(out)
    np.testing.assert_array_equal(after[:, 24:], before[:, 24:])
    np.testing.assert_array_equal(after[:, :24], 255 - before[:, :24])


def test_the_default_name_is_beside_the_photo(run, photo):
    assert run("paint", photo, *STYLE).code == 0
    assert (photo.parent / "photo-painted.png").exists()


def test_a_style_may_be_a_file(run, photo, tmp_path):
    style = make_photo(tmp_path / "style.jpg", seed=4)
    assert run("paint", photo, "-s", style, "-o", tmp_path / "out.webp").code == 0
    assert PillowImage.open(tmp_path / "out.webp").format == "WEBP"


def test_several_regions_in_one_run(run, photo, tmp_path):
    out = tmp_path / "out.png"
    result = run(
        "paint", photo, "--paint", "box:0,0,.25,1=nocturne", "-p", "box:.5,0,1,1=ink@magenta",
        "-o", out,
    )  # fmt: skip
    assert result.code == 0, result.err
    before, after = pixels(photo), pixels(out)
    np.testing.assert_array_equal(after[:, 12:24], before[:, 12:24])
    np.testing.assert_array_equal(after[:, 24:], 255 - before[:, 24:])


def test_a_batch_writes_the_good_ones_and_reports_the_bad(run, tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for i in range(3):
        make_photo(folder / f"{i}.png", seed=i)
    (folder / "bad.jpg").write_bytes(b"no picture")
    (folder / "notes.txt").write_text("left alone")
    result = run("paint", folder, *STYLE, *HALF, "-o", tmp_path / "out")
    assert result.code == 1
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["0.png", "1.png", "2.png"]
    assert "bad.jpg" in result.err
    assert "1 of 4 failed" in result.err
    assert "notes" not in result.err
    assert "Traceback" not in result.err


def test_a_folder_of_one_is_a_batch_too(run, tmp_path):
    (tmp_path / "photos").mkdir()
    make_photo(tmp_path / "photos/only.png")
    assert run("paint", tmp_path / "photos", *STYLE, "-o", tmp_path / "out").code == 0
    assert (tmp_path / "out/only.png").exists()


def test_several_photos_by_name(run, tmp_path):
    photos = [make_photo(tmp_path / f"{i}.png", seed=i) for i in range(2)]
    assert run("paint", *photos, *STYLE, "-o", tmp_path / "new/folder").code == 0
    assert len(list((tmp_path / "new/folder").iterdir())) == 2


def test_pipes(photo, monkeypatch, capfdbinary):
    from sfumato.cli.main import main

    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(photo.read_bytes())))
    with pytest.raises(SystemExit) as done:
        main(["paint", "-", *STYLE, *HALF, "-o", "-"])
    assert not done.value.code
    after = PillowImage.open(io.BytesIO(capfdbinary.readouterr().out))
    np.testing.assert_array_equal(np.asarray(after)[:, 24:], pixels(photo)[:, 24:])


def test_strength_zero_is_the_photo(run, photo, tmp_path):
    run("paint", photo, *STYLE, "--strength", "0", "-o", tmp_path / "out.png")
    np.testing.assert_array_equal(pixels(tmp_path / "out.png"), pixels(photo))


def test_painting_a_transparent_place_shows(run, tmp_path):
    rgba = np.full((16, 16, 4), 200, np.uint8)
    rgba[:, 8:, 3] = 0
    path = tmp_path / "sticker.png"
    PillowImage.fromarray(rgba).save(path)
    run("paint", path, *STYLE, "--region", "box:0,.5,1,1", "-o", tmp_path / "part.png")
    part = pixels(tmp_path / "part.png")[..., 3]
    assert (part[8:] == 255).all()
    np.testing.assert_array_equal(part[:8], rgba[:8, :, 3])
    run("paint", path, *STYLE, "-o", tmp_path / "whole.png")
    np.testing.assert_array_equal(pixels(tmp_path / "whole.png")[..., 3], rgba[..., 3])


def test_manifest_and_replay(run, photo, tmp_path):
    out = tmp_path / "out.png"
    style = make_photo(tmp_path / "style.png", seed=9)
    arguments = ("--paint", f"box:0,0,.5,1={style}", "--strength", ".5", "-O", "guided.radius=0.01")
    assert run("paint", photo, *arguments, "-o", out, "--manifest").code == 0
    record = json.loads((tmp_path / "out.png.json").read_text())
    assert record["settings"]["strength"] == 0.5
    assert record["settings"]["options"] == {"guided": {"radius": "0.01"}}
    assert record["layers"][0]["file"]["path"] == str(style)
    replayed = run("replay", tmp_path / "out.png.json", "-o", tmp_path / "again.png")
    assert replayed.code == 0
    assert "byte for byte" in replayed.err
    assert (tmp_path / "again.png").read_bytes() == out.read_bytes()
    assert run("replay", tmp_path / "out.png.json").code == 2  # its own output is there
    make_photo(photo, seed=3)
    changed = run("replay", tmp_path / "out.png.json", "-o", tmp_path / "third.png")
    assert changed.code == 2
    assert "photo.png has changed since" in changed.err
    assert not (tmp_path / "third.png").exists()


def test_replay_finds_the_masks_from_anywhere(run, photo, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    mask = np.zeros((32, 48), np.uint8)
    mask[:, :24] = 255
    PillowImage.fromarray(mask).save("a mask.png")
    region = 'file:"a mask.png" - box:0,0,1,.5'
    assert run("paint", photo, *STYLE, "-r", region, "-o", "out.png", "--manifest").code == 0
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert "byte for byte" in run("replay", "../out.png.json", "-o", "again.png").err
    PillowImage.fromarray(255 - mask).save(tmp_path / "a mask.png")
    stale = run("replay", "../out.png.json", "-o", "third.png")
    assert stale.code == 2
    assert "a mask.png has changed since" in stale.err


def test_a_manifest_may_have_a_name_of_its_own(run, photo, tmp_path):
    named = tmp_path / "run.json"
    arguments = ("paint", "--manifest", named, photo, *STYLE, "-o", tmp_path / "out.png")
    assert run(*arguments).code == 0
    assert json.loads(named.read_text())["output"]["path"] == str(tmp_path / "out.png")
    (tmp_path / "out.png").unlink()
    assert "run.json exists already" in run(*arguments).err
    assert not (tmp_path / "out.png").exists()
    assert run("paint", photo, "--manifest", *STYLE, "-o", tmp_path / "out.png").code == 0
    assert (tmp_path / "out.png.json").exists()
    several = run("paint", photo, photo, "--manifest", named, *STYLE, "-o", tmp_path / "folder")
    assert "--manifest without a file name" in several.err


@pytest.mark.parametrize("content", ["", "{}", "[1]", '{"sfumato": 1}', "\x00"])
def test_a_bad_manifest_is_one_sentence(run, tmp_path, content):
    (tmp_path / "bad.json").write_text(content)
    result = run("replay", tmp_path / "bad.json")
    assert result.code == 2
    assert "is not a manifest" in result.err


def test_report_says_seconds_memory_and_seam_and_writes_a_page(run, photo, tmp_path):
    result = run("paint", photo, *STYLE, *HALF, "-o", tmp_path / "out.png", "--report")
    assert "seam score: box" in result.err
    assert "MB at most" in result.err
    page = (tmp_path / "out.png.html").read_text(encoding="utf-8")
    assert "<h1>photo.png → out.png</h1>" in page
    assert "box:0,0,.5,1" in page
    assert "How the losses fell" not in page
    again = run("paint", photo, *STYLE, "-o", tmp_path / "new.png", "--report", tmp_path / "p.html")
    assert again.code == 0
    assert f"page: {tmp_path / 'p.html'}" in again.err
    assert (tmp_path / "p.html").exists()


def test_a_report_needs_its_extra_before_any_work(run, photo, tmp_path, monkeypatch):
    from sfumato import report

    monkeypatch.setattr(report, "REQUIRES", ("jinja2", "a_library_that_nobody_has"))
    result = run("paint", photo, *STYLE, "-o", tmp_path / "out.png", "--report")
    assert result.code == 2
    assert "pip install 'sfumato[report]'" in result.err
    assert not (tmp_path / "out.png").exists()


def test_a_report_is_not_written_over(run, photo, tmp_path):
    arguments = (
        "paint",
        photo,
        *STYLE,
        "-o",
        tmp_path / "out.png",
        "--report",
        tmp_path / "p.html",
    )
    (tmp_path / "p.html").write_text("mine")
    assert "p.html exists already" in run(*arguments).err
    assert not (tmp_path / "out.png").exists()
    assert run(*arguments, "--overwrite").code == 0
    assert "mine" not in (tmp_path / "p.html").read_text(encoding="utf-8")


def test_each_photo_of_a_batch_has_its_page(run, tmp_path):
    photos = [make_photo(tmp_path / f"{i}.png", seed=i) for i in range(2)]
    assert run("paint", *photos, *STYLE, "-o", tmp_path / "out", "--report").code == 0
    pages = sorted(path.name for path in (tmp_path / "out").glob("*.html"))
    assert pages == ["0.png.html", "1.png.html"]


def test_max_memory_is_a_setting(run, photo, tmp_path):
    arguments = ("--max-memory", "1.5", "-o", tmp_path / "out.png", "--manifest")
    assert run("paint", photo, *STYLE, *arguments).code == 0
    record = json.loads((tmp_path / "out.png.json").read_text())
    assert record["settings"]["max_memory"] == 1.5
    assert record["layers"][0]["style_region"] is None


SENTENCES = [
    (("paint", "PHOTO"), "nothing to paint: give --style"),
    (("paint", "PHOTO", "-s", "noctrune"), "did you mean 'nocturne'"),
    (("paint", "PHOTO", "-s", "missing.jpg"), "no style or file 'missing.jpg'"),
    (("paint", "missing.png", *STYLE), "missing.png"),
    (("paint", "EMPTY", *STYLE), "no pictures in the folder"),
    (("paint", "PHOTO", *STYLE, "-r", "persn"), "did you mean 'person'"),
    (("paint", "PHOTO", *STYLE, "-r", "box:1,2"), "expected box:x0,y0,x1,y1"),
    (("paint", "PHOTO", *STYLE, "-r", "file:nothing.png"), "nothing.png"),
    (("paint", "PHOTO", *STYLE, "-r", "box:100,100,200,200"), "outside the picture"),
    (("paint", "PHOTO", *STYLE, "--stylizer", "magneta"), "did you mean 'magenta'"),
    (("paint", "PHOTO", *STYLE, "--blend", "possion"), "did you mean 'poisson'"),
    (("paint", "PHOTO", *STYLE, "--strength", "2"), "strength must be from 0 to 1"),
    (("paint", "PHOTO", *STYLE, "--strength", "nan"), "strength must be from 0 to 1"),
    (("paint", "PHOTO", *STYLE, "--strength", "lots"), "--strength"),
    (("paint", "PHOTO", *STYLE, "--size", "1"), "size must be from 32"),
    (("paint", "PHOTO", *STYLE, "--device", "tpu"), "device must be one of"),
    (("paint", "PHOTO", *STYLE, "-O", "radius=3"), "-O takes BACKEND.OPTION=VALUE"),
    (("paint", "PHOTO", *STYLE, "-O", "nobody.radius=3"), "no backend 'nobody'"),
    (("paint", "PHOTO", "-p", "person"), "--paint takes REGION=STYLE"),
    (("paint", "PHOTO", *STYLE, "-p", "person=ink"), "not both"),
    (("paint", "PHOTO", *STYLE, "-o", "PHOTO"), "is an input"),
    (("paint", "PHOTO", *STYLE, "-o", "PHOTO", "--overwrite"), "is an input"),
    (("paint", "PHOTO", *STYLE, "-o", "OTHER"), "--overwrite to replace"),
    (("paint", "PHOTO", *STYLE, "-o", "out.xyz"), ".xyz"),
    (("paint", "PHOTO", *STYLE, "-o", "no/folder/out.png"), "does not exist"),
    (("paint", "PHOTO", "OTHER", *STYLE, "-o", "-"), "one picture fits through a pipe"),
    (("paint", "PHOTO", "OTHER", *STYLE, "-o", "OTHER"), "is a file"),
    (("paint", "PHOTO", "-s", "OTHER", "-o", "OTHER", "--overwrite"), "is an input"),
    (("paint", "PHOTO", *STYLE, "-o", "-", "--manifest"), "manifest needs files"),
    (("paint", "PHOTO", *STYLE, "-o", "-", "--report"), "--report FILE.html"),
    (("paint", "PHOTO", *STYLE, "-o", "-", "--preview", "-"), "only the result fits through"),
    (("paint", "PHOTO", "OTHER", *STYLE, "--report", "p.html"), "--report without a file name"),
    (("paint", "PHOTO", "OTHER", *STYLE, "--preview", "OTHER"), "a folder after --preview"),
    (("paint", "PHOTO", *STYLE, "--preview", "PHOTO"), "with --preview"),
    (("paint", "PHOTO", *STYLE, "--preview", "OTHER"), "exists already"),
    (("paint", "PHOTO", *STYLE, "--preview", "now.xyz"), ".xyz"),
    (("paint", "PHOTO", *STYLE, "-o", "o.png", "--preview", "o.png"), "another part in this job"),
    (("paint", "PHOTO", *STYLE, "--max-memory", "0"), "max memory must be from 0.1 to 4096"),
    (("paint", "PHOTO", *STYLE, "--style-region", "persn +"), "region:"),
    (("paint", "PHOTO", *STYLE, "--style-region", "file:nothing.png"), "nothing.png"),
    (("paint", "PHOTO", *STYLE, "--style-region", "box:0,0,.5,1"), "reads whole style pictures"),
    (
        ("paint", "PHOTO", *STYLE, "--style-region", "person", "--style-region", "dog"),
        "once for each of the 1 regions; got 2",
    ),
    (("paint", "TEXT", *STYLE), "text.png"),
    (("paint", "PHOTO", "-s", "TEXT"), "text.png"),
    (("paint",), "PHOTO"),
    (("pant",), "pant"),
]


@pytest.mark.parametrize(("arguments", "words"), SENTENCES, ids=lambda v: str(v)[:60])
def test_bad_usage_is_one_clear_sentence(run, photo, tmp_path, monkeypatch, arguments, words):
    other = make_photo(tmp_path / "other.png", seed=5)
    (tmp_path / "text.png").write_text("this is not a picture")
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    stand_ins = {
        "PHOTO": photo, "OTHER": other, "TEXT": tmp_path / "text.png", "EMPTY": tmp_path / "empty",
    }  # fmt: skip
    before = {p: p.read_bytes() for p in tmp_path.iterdir() if p.is_file()}
    result = run(*(stand_ins.get(a, a) for a in arguments))
    assert result.code == 2
    assert words in " ".join(result.err.split()).replace("│ ", "")
    assert "Traceback" not in result.err
    after = {p: p.read_bytes() for p in tmp_path.iterdir() if p.is_file()}
    assert after == before


def test_overwrite(run, photo, tmp_path):
    other = make_photo(tmp_path / "other.png", seed=5)
    assert run("paint", photo, *STYLE, "-o", other, "--overwrite").code == 0
    np.testing.assert_array_equal(pixels(other), 255 - pixels(photo))


def test_two_photos_of_one_name_would_collide(run, tmp_path):
    (tmp_path / "a").mkdir()
    photos = [make_photo(tmp_path / "x.png"), make_photo(tmp_path / "a/x.jpg")]
    result = run("paint", *photos, *STYLE, "-o", tmp_path / "out")
    assert result.code == 2
    assert "two photos would both be written" in result.err


def test_debug_shows_the_traceback(photo):
    run = subprocess.run(
        [sys.executable, "-m", "sfumato", "paint", photo, "-s", "nothing", "--debug"],
        capture_output=True, text=True,
    )  # fmt: skip
    assert run.returncode != 0
    assert "Traceback" in run.stderr


def test_an_unexpected_error_is_a_sentence_too(run, photo, monkeypatch):
    from sfumato import files

    def explode(*arguments):
        raise RuntimeError("boom")

    monkeypatch.setattr(files, "plan", explode)
    result = run("paint", photo, *STYLE)
    assert result.code == 2
    assert result.err == "sfumato: unexpected error: RuntimeError: boom (--debug shows where)\n"


def test_an_interrupt_that_breaks_a_lock_is_an_interrupt(run, photo, monkeypatch):
    from sfumato import files

    def interrupted(*arguments):
        lock = threading.Lock()
        with lock:
            lock.release()  # as a wait does, in the middle of which the interrupt comes
            raise KeyboardInterrupt

    monkeypatch.setattr(files, "plan", interrupted)
    result = run("paint", photo, *STYLE)
    assert (result.code, result.err) == (130, "sfumato: interrupted\n")


def test_parse_layers():
    assert parse_layers("a.jpg", None, None, None) == [("everything", "a.jpg", None)]
    assert parse_layers(None, None, "adain", ["person = me@home.jpg"]) == [
        ("person", "me@home.jpg", "adain")
    ]
    assert parse_layers(None, None, None, ["a & b=s=1.png@adain"]) == [
        ("a & b", "s=1.png", "adain")
    ]
    assert parse_layers(None, None, None, ['file:"x=1.png" - a=ink']) == [
        ('file:"x=1.png" - a', "ink", None)
    ]


def test_optional_file_names():
    assert join_file_names(["--manifest", "a.json", "--report", "b.html", "c.png"]) == [
        "--manifest=a.json", "--report=b.html", "c.png",
    ]  # fmt: skip
    assert join_file_names(["--manifest", "a.html", "--report", "b.json", "--report"]) == [
        "--manifest=", "a.html", "--report=", "b.json", "--report=",
    ]  # fmt: skip
    assert join_file_names(["--style=", "a.json"]) == ["--style=", "a.json"]


def test_parse_options():
    assert _shared.parse_options(["a.b=1", "a.c=x=y", "d.e="]) == {
        "a": {"b": "1", "c": "x=y"}, "d": {"e": ""},
    }  # fmt: skip
    with pytest.raises(UsageError):
        _shared.parse_options(["a.b"])


@pytest.mark.skipif(sys.platform == "win32", reason="signals differ")
def test_an_interrupted_batch_keeps_what_is_finished(tmp_path, start):
    """Ctrl-C in the middle: whole files only, exit code 130, no traceback."""
    photos = tmp_path / "photos"
    photos.mkdir()
    for i in range(300):
        make_photo(photos / f"{i:03}.png", size=(160, 120), seed=i)
    script = (
        "from sfumato.studio import Studio\n"
        "from sfumato.cli.main import main\n"
        "def negative(content, style, *, region=None, progress=None):\n"
        "    return 1 - content\n"
        "negative.supports_region = False\n"
        "Studio.stylizer = lambda self, name: negative\n"
        f"main(['paint', {str(photos)!r}, '--style', 'ink', '-o', {str(tmp_path / 'out')!r}])\n"
    )
    process = start("-c", script)
    while len(list((tmp_path / "out").glob("*.png"))) < 3:
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    errors = process.communicate(timeout=60)[1]
    assert process.returncode == 130, errors
    assert "Traceback" not in errors
    written = list((tmp_path / "out").iterdir())
    assert 3 <= len(written) < 300
    for path in written:
        PillowImage.open(path).load()
