"""``sfumato dataset stylize`` as a user runs it."""

from __future__ import annotations

import signal
import time

import pytest

from sfumato.cli.dataset import parse_range, parse_shard
from sfumato.data.samples import open_samples
from sfumato.errors import UsageError

from ..data import sets
from ..data.test_layouts import everything
from .test_paint import make_photo

LOOSE = ("--edges", "0", "--similarity", "0")
"""The photos here are little more than noise, and hardly keep their structure."""


@pytest.fixture
def folder(tmp_path):
    """Small photos with masks."""
    (tmp_path / "in" / "images").mkdir(parents=True)
    for i in range(6):
        make_photo(tmp_path / "in" / "images" / f"{i}.jpg", size=(64, 48), seed=i)
        sets.save(tmp_path / "in" / "masks" / f"{i}.png", sets.block((48, 64)))
    return tmp_path / "in"


def test_ranges_and_shards():
    assert parse_range("0.5..1") == (0.5, 1)
    assert parse_range("0.7") == (0.7, 0.7)
    assert parse_shard("2/8") == (2, 8)
    for wrong in ("", "a..b", "1..", "..1"):
        with pytest.raises(UsageError, match=r"A\.\.B"):
            parse_range(wrong)
    for wrong in ("", "1", "a/b", "1/"):
        with pytest.raises(UsageError, match="i/n"):
            parse_shard(wrong)


@pytest.mark.weights
def test_a_set_is_painted(run, folder, tmp_path):
    out, sheet = tmp_path / "out", tmp_path / "sheet.png"
    command = ("dataset", "stylize", folder, out, "--styles", "waves", "-s", "poppies",
               "--stylizer", "magenta", "--workers", "1", *LOOSE, "--preview", sheet)  # fmt: skip
    result = run(*command)
    assert result.code == 0, result.err
    assert "6 of 6 pictures (0 were there" in result.err
    assert sheet.is_file()
    before = everything(out)
    again = run(*command[:-2])
    assert "(6 were there)" in again.err
    assert everything(out) == before
    other = run(*command[:-2], "--seed", "3")
    assert other.code == 2
    assert "made with seed = 0 instead of 3" in other.err


@pytest.mark.weights
def test_failures_give_1_and_are_named(run, folder, tmp_path):
    data = (folder / "images" / "3.jpg").read_bytes()
    (folder / "images" / "3.jpg").write_bytes(data[: len(data) // 2])
    result = run("dataset", "stylize", folder, tmp_path / "out", "-s", "waves", "--stylizer",
                 "magenta", "--workers", "1", *LOOSE)  # fmt: skip
    assert result.code == 1
    assert "3.jpg" in result.err
    assert "1 of 6 failed" in result.err


def test_what_is_wrong_is_said(run, folder, tmp_path):
    for more, said in (
        (("--strength", "2"), "strength"),
        (("--shard", "5/2"), "shard"),
        (("--engine", "spark"), "known: local, ray"),
        (("--stylizer", "adian"), "did you mean"),
        (("--region", "person:"), "region"),
    ):
        result = run("dataset", "stylize", folder, tmp_path / "out", "-s", "waves", *more)
        assert result.code == 2, more
        assert said in result.err
        assert "Traceback" not in result.err
    result = run("dataset", "stylize", tmp_path / "none", tmp_path / "out", "-s", "waves")
    assert (result.code, "no folder" in result.err) == (2, True)


@pytest.mark.weights
@pytest.mark.slow
def test_interrupted_and_killed_is_the_same_in_the_end(start, tmp_path):
    """200 pictures by two workers: one Ctrl-C, one kill, and byte for byte what is made at once."""
    (tmp_path / "in").mkdir()
    for i in range(200):
        make_photo(tmp_path / "in" / f"{i:03}.jpg", size=(64, 48), seed=i)

    styles = ("-s", "waves", "-s", "poppies", "--stylizer", "magenta", *LOOSE)

    def begin(out):
        folders = (tmp_path / "in", out)
        return start("-m", "sfumato", "dataset", "stylize", *folders, *styles, "--workers", "2")

    whole = begin(tmp_path / "whole")
    assert whole.wait(timeout=300) == 0, whole.stderr.read()
    out = tmp_path / "out"
    for count, sign in ((40, signal.SIGINT), (120, signal.SIGKILL)):
        process = begin(out)
        while len(list(out.glob("*.jpg"))) < count:
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.01)
        process.send_signal(sign)
        code = process.wait(timeout=60)
        assert code == (130 if sign == signal.SIGINT else -sign)
        assert count <= len(list(out.glob("*.jpg"))) < 200
    last = begin(out)
    assert last.wait(timeout=300) == 0
    assert everything(out) == everything(tmp_path / "whole")


@pytest.mark.weights
def test_boxes_become_masks(run, tmp_path, astronaut_path):
    """The astronaut in her box: the mask covers her, and not the flag beside her."""
    picture = tmp_path / "in" / "images" / "collins.jpg"
    picture.parent.mkdir(parents=True)
    picture.write_bytes(astronaut_path.read_bytes())
    record = {"id": 1, "file_name": "collins.jpg", "width": 512, "height": 512}
    box = {"image_id": 1, "category_id": 1, "bbox": [14, 2, 442, 510]}
    sets.write_json(tmp_path / "in" / "boxes.json", {
        "images": [record], "annotations": [box], "categories": [{"id": 1, "name": "person"}],
    })  # fmt: skip
    out, sheet = tmp_path / "out", tmp_path / "sheet.png"
    result = run("dataset", "outline", tmp_path / "in", out, "--preview", sheet)
    assert result.code == 0, result.err
    assert "1 pictures (0 were there), 1 boxes outlined, 0 of them in doubt" in result.err
    assert sheet.is_file()
    mask = open_samples(str(out), "all")[0].mask
    assert mask[100, 225] == mask[350, 200] == 1
    assert mask[60, 60] == mask[100, 480] == 0
    assert 0.25 < mask.mean() < 0.6
    again = run("dataset", "outline", tmp_path / "in", out)
    assert "(1 were there)" in again.err
    other = run("dataset", "outline", tmp_path / "in", out, "--trust", "0.9")
    assert other.code == 2
    assert "--overwrite" in other.err
