"""``sfumato paint`` with a stylizer that works step by step: previews, pages, Ctrl-C."""

from __future__ import annotations

import json
import signal
import sys
import time

import numpy as np
import pytest
from PIL import Image as PillowImage

from sfumato import preview
from sfumato.cli import _shared
from sfumato.types import Step

pytestmark = pytest.mark.usefixtures("descent")

HALF = ("--region", "box:0,0,.5,1", "--style", "waves", "--stylizer", "descent")


def pixels(path):
    return np.asarray(PillowImage.open(path)).astype(int)


def test_the_preview_is_the_whole_picture_as_it_stands(run, photo, tmp_path, monkeypatch):
    monkeypatch.setattr(preview, "EVERY", 0)
    out, now = tmp_path / "out.png", tmp_path / "now.png"
    result = run("paint", photo, *HALF, "-o", out, "--preview", now)
    assert (result.code, result.err) == (0, "note: about to descend\n")
    np.testing.assert_array_equal(pixels(now), pixels(out))  # after the last step
    np.testing.assert_array_equal(pixels(now)[:, 24:], pixels(photo)[:, 24:])


def test_previews_are_some_seconds_apart(run, photo, tmp_path):
    out, now = tmp_path / "out.png", tmp_path / "now.png"
    run("paint", photo, *HALF, "-o", out, "--preview", now)
    first, last = np.abs(pixels(now) - pixels(photo)), np.abs(pixels(out) - pixels(photo))
    assert 0 < first.mean() < 0.6 * last.mean()  # the first step's, half of the way


def test_a_preview_needs_an_optimisation(run, photo, tmp_path, inverter):
    now = tmp_path / "now.png"
    result = run("paint", photo, *HALF[:4], "-o", tmp_path / "out.png", "--preview", now)
    assert result.code == 0
    assert "painted in one go, so there is no preview" in result.err
    assert not now.exists()


def test_each_photo_of_a_batch_has_its_preview(run, photo, tmp_path):
    (tmp_path / "b").mkdir()
    other = tmp_path / "b/other.png"
    PillowImage.open(photo).transpose(PillowImage.Transpose.FLIP_LEFT_RIGHT).save(other)
    result = run(
        "paint", photo, other, *HALF, "-o", tmp_path / "out", "--preview", tmp_path / "now"
    )
    assert result.code == 0, result.err
    assert sorted(path.name for path in (tmp_path / "now").iterdir()) == ["other.png", "photo.png"]
    assert result.err == "note: about to descend\n"  # said once


def test_the_page_has_the_curves(run, photo, tmp_path):
    run("paint", photo, *HALF, "-o", tmp_path / "out.png", "--report", "-O", "descent.steps=10")
    page = (tmp_path / "out.png.html").read_text(encoding="utf-8")
    assert "How the losses fell: box:0,0,.5,1" in page
    assert "data:image/svg+xml" in page
    for text in ("24 × 16", "48 × 32", "about to descend", "descent.steps"):
        assert text in page


def test_a_part_of_the_style_picture(run, photo, tmp_path, monkeypatch):
    colours = np.zeros((20, 20, 3), np.uint8)
    colours[:, :10], colours[:, 10:] = (255, 0, 0), (0, 0, 255)
    PillowImage.fromarray(colours).save(tmp_path / "two.png")
    mask = np.zeros((20, 20), np.uint8)
    mask[:, 10:] = 255
    PillowImage.fromarray(mask).save(tmp_path / "mask.png")
    monkeypatch.chdir(tmp_path)
    deep = ("-O", "descent.steps=20")
    parts = ("--style-region", "box:0,0,.5,1", "--style-region", "file:mask.png")
    layers = ("-p", "box:0,0,.5,1=two.png@descent", "-p", "box:.5,0,1,1=two.png@descent")
    result = run("paint", photo, *layers, *parts, *deep, "-o", "out.png", "--manifest")
    assert result.code == 0, result.err
    assert (pixels("out.png")[:, :24] == (255, 0, 0)).all()
    assert (pixels("out.png")[:, 24:] == (0, 0, 255)).all()
    record = json.loads((tmp_path / "out.png.json").read_text())
    assert record["layers"][0]["style_region"] == "box:0.0,0.0,0.5,1.0"
    assert record["layers"][1]["style_region"] == f'file:"{tmp_path / "mask.png"}"'
    assert [mask["path"] for mask in record["masks"]] == [str(tmp_path / "mask.png")]
    assert "byte for byte" in run("replay", "out.png.json", "-o", "again.png").err
    overwriting = ("-s", "two.png", "--stylizer", "descent", *parts[2:], "-o", "mask.png")
    assert "is an input" in run("paint", photo, *overwriting, "--overwrite").err
    one = ("-s", "two.png", "--stylizer", "descent", "--style-region", "person - person")
    nothing = run("paint", photo, *one, "-o", "none.png")
    assert nothing.code == 2
    assert "in the style picture two.png" in nothing.err


def wait_for(path, process):
    while not path.exists():
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.02)


@pytest.mark.skipif(sys.platform == "win32", reason="signals differ")
def test_ctrl_c_keeps_the_best_so_far_and_stops_the_batch(photo, tmp_path, descent, start, run):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos/a.jpg").write_bytes(b"no picture")
    for name in ("b.png", "c.png"):
        (tmp_path / "photos" / name).write_bytes(photo.read_bytes())
    out = tmp_path / "out"
    process = start(
        "-m", "sfumato", "paint", tmp_path / "photos", *HALF, "-o", out, "--manifest", "--report",
        "--preview", tmp_path / "now", "-O", "descent.steps=3000", "-O", "descent.pause=0.01",
        path=descent,
    )  # fmt: skip
    wait_for(tmp_path / "now/b.png", process)
    process.send_signal(signal.SIGINT)
    errors = process.communicate(timeout=60)[1]
    assert process.returncode == 130, errors
    assert "of 3000: kept the best picture so far" in errors
    assert "a.jpg" in errors
    assert "Traceback" not in errors
    assert sorted(path.name for path in out.iterdir()) == [
        "b.png", "b.png.html", "b.png.json",
    ]  # fmt: skip
    assert (pixels(out / "b.png")[:, :24] != pixels(photo)[:, :24]).any()
    assert "Interrupted: the best picture so far" in (out / "b.png.html").read_text("utf-8")
    record = json.loads((out / "b.png.json").read_text())
    assert record["interrupted"]
    record["settings"]["options"]["descent"] = {"steps": 20}
    (out / "b.png.json").write_text(json.dumps(record))
    replayed = run("replay", out / "b.png.json", "-o", tmp_path / "again.png")
    assert "the recorded one was interrupted" in replayed.err


class FakeBar:
    """Remembers what a progress bar was told."""

    def __init__(self):
        self.completed, self.description, self.resets = 0.0, "", 0

    def update(self, task, completed=None, description=None):
        self.completed = self.completed if completed is None else completed
        self.description = description or self.description

    def reset(self, task):
        self.resets += 1


def test_the_bar_says_size_step_and_loss():
    console, bar = _shared.Console(quiet=False), FakeBar()
    console._bar, console._task, console._label = bar, 0, "painting"
    console.stage("find", 1)
    assert bar.completed == pytest.approx(0.3)
    console.watch(Step(0, 400, 384, 512), lambda: None)
    assert bar.description == "painting  512×384  step 0/400"
    assert (bar.completed, bar.resets) == (pytest.approx(0.03), 1)
    console.watch(Step(120, 400, 384, 512, {"total": 0.032123}), lambda: None)
    assert bar.description == "painting  512×384  step 120/400  loss 0.0321"
    console.stage("stylize", 0.5)
    assert bar.completed == pytest.approx(0.5)
    console.next()
    assert (bar.description, bar.completed, bar.resets) == ("painting", 1, 1)


def test_the_stages_fill_the_bar():
    for stages in (_shared.STAGES, _shared.OPTIMISING):
        end = 0.0
        for begin, share in stages.values():
            assert begin == pytest.approx(end)
            end = begin + share
        assert end == pytest.approx(1)
