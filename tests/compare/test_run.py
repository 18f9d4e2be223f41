"""Cells: done, measured, kept, found again; and what happens when they break."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image as PillowImage

from sfumato.compare import reading, run
from sfumato.compare.run import Listener
from sfumato.errors import UsageError

pytestmark = pytest.mark.usefixtures("judge", "descent")

ROWS = """\
common: {style: waves, stylizer: descent, size: 64}
pictures: [one.png, two.png]
rows:
  - {name: few, options: {descent: {steps: 2}}}
  - {name: many, options: {descent: {steps: 20}}}
  - {name: as few, note: says the same, options: {descent: {steps: 2}}}
"""


def test_each_cell_is_done_and_measured(write, tmp_path):
    plan = reading.read(write(ROWS))
    ends = []
    found = run.run(
        plan, tmp_path / "o", isolate=False, listener=Listener(end=lambda: ends.append(1))
    )
    assert found.done == 4
    assert len(ends) == 6
    assert found.twins == {"as few": "few"}
    (few, record), _ = found.cells[0]
    (many, other), _ = found.cells[1]
    assert record["measures"]["steps"] == 2
    assert other["measures"]["steps"] == 20
    assert other["measures"]["style_loss"] < 1e-2 * record["measures"]["style_loss"]
    assert record["measures"]["edges"] > other["measures"]["edges"]
    assert record["measures"]["seconds"] == pytest.approx(sum(record["timings"].values()))
    assert set(record["timings"]) == {"find", "stylize", "compose"}
    assert set(record["losses"]) == {"content", "style", "total"}
    assert record["measures"]["memory"] > 10
    assert "seam" not in record["measures"]  # everything was painted
    assert np.asarray(PillowImage.open(few.result)).shape == (40, 64, 3)
    assert np.asarray(PillowImage.open(many.result)).std(axis=(0, 1)).max() < 1


def test_what_is_finished_is_not_done_again(write, tmp_path):
    begun = []
    listener = Listener(begin=lambda row, picture: begun.append((row, picture)))

    def again(text, **more):
        begun.clear()
        plan = reading.read(write(text))
        run.run(plan, tmp_path / "o", isolate=False, listener=listener, **more)
        return len(begun)

    assert again(ROWS) == 4
    assert again(ROWS) == 0
    assert again(ROWS.replace("name: few", "name: hardly any").replace("says the", "x")) == 0
    assert again(ROWS.replace("steps: 20", "steps: 21")) == 2
    assert again(ROWS.replace("size: 64", "size: 48")) == 4
    assert again(ROWS, overwrite=True) == 4
    pixels = np.full((50, 40, 3), 77, np.uint8)
    PillowImage.fromarray(pixels).save(tmp_path / "plans" / "two.png")
    assert again(ROWS) == 2  # the picture is another
    (tmp_path / "plans" / "s.png").write_bytes((tmp_path / "plans" / "one.png").read_bytes())
    styled = ROWS.replace("style: waves", "style: s.png")
    assert again(styled) == 4
    PillowImage.fromarray(pixels).save(tmp_path / "plans" / "s.png")
    assert again(styled) == 4  # the style is another
    next((tmp_path / "o" / "cells").glob("*.json")).write_text("{")
    assert again(styled) + again(ROWS) == 1 or again(ROWS) == 0


def test_a_broken_cell_is_told_and_tried_again(write, tmp_path):
    text = ROWS.replace("name: many,", "name: many, region: 'box:0,0,60,60 & box:50,0,64,40',")
    plan = reading.read(write(text))
    told = []
    listener = Listener(broken=lambda *why: told.append(why))
    found = run.run(plan, tmp_path / "o", isolate=False, listener=listener)
    records = [record for _, record in found.cells[1]]
    assert [bool(record["broken"]) for record in records] == [False, True]
    assert told == [("many", "two", records[1]["broken"])]
    assert "outside" in records[1]["broken"]
    assert records[0]["measures"]["seam"] > 0
    assert not found.cells[2][0][1]["broken"]  # the others were done
    assert run.run(plan, tmp_path / "o", isolate=False).done == 1


def test_rows_that_look_for_something(write, tmp_path):
    text = """\
common: {region: "cluster:1/2"}
pictures: [{picture: one.png, truth: mask.png}, two.png]
rows:
  - {name: bare, kind: segment}
  - {name: matted, kind: cut, matte: guided}
  - {name: other, kind: segment, region: "cluster:2/2"}
"""
    plan = reading.read(write(text))
    found = run.run(plan, tmp_path / "o", isolate=False)
    bare, matted, other = ([record["measures"] for _, record in cells] for cells in found.cells)
    assert {bare[0]["iou"], other[0]["iou"]} == {0.0, 1.0}
    assert max(matted[0]["iou"], 1 - matted[0]["iou"]) > 0.8
    assert "iou" not in bare[1]
    assert "content_loss" not in bare[0]
    shown = np.asarray(PillowImage.open(found.cells[0][0][0].result))
    assert set(np.unique(shown)) == {0, 255}


def test_a_set_with_truth_is_taken_apart(write, tmp_path):
    text = """\
side: 64
pictures: [{data: "synthetic:3:80", split: all, limit: 2, name: drawn}]
rows:
  - {name: a, kind: segment, segmenter: kmeans, region: "cluster:1/2"}
  - {name: b, kind: cut, region: everything}
"""
    plan = reading.read(write(text))
    shown = run.columns(plan, _made(tmp_path / "i"))
    assert len(shown) == 2
    assert [one.name for one in shown] == ["synthetic/all/00000", "synthetic/all/00001"]
    assert shown[0].classes == ("background", "person")
    truth = np.asarray(PillowImage.open(shown[0].truth))
    assert truth.shape == (64, 64)
    assert set(np.unique(truth)) <= {0, 1, 255}
    assert (truth == 1).any()


def _made(folder):
    folder.mkdir()
    return folder


def test_pictures_that_were_made_elsewhere(write, folder, tmp_path):
    PillowImage.open(folder / "one.png").resize((128, 80)).save(folder / "theirs-one.png")
    PillowImage.open(folder / "one.png").save(folder / "theirs-two.png")
    text = """\
common: {style: waves}
pictures: [one.png, two.png]
rows: [{name: theirs, kind: given, result: "theirs-{picture}.png"}]
"""
    found = run.run(reading.read(write(text)), tmp_path / "o", isolate=False)
    (_, good), (_, bad) = found.cells[0]
    assert good["measures"]["edges"] > 0.9
    assert "seconds" not in good["measures"]
    assert "expected the shape of two" in bad["broken"]
    PillowImage.open(folder / "two.png").save(folder / "theirs-two.png")
    found = run.run(reading.read(write(text)), tmp_path / "o", isolate=False)
    assert found.done == 1
    assert found.cells[0][1][1]["measures"]["content_loss"] == 0


def test_figures_are_placed(write, folder, tmp_path):
    text = """\
pictures: [two.png]
rows:
  - name: pasted
    kind: place
    painting: one.png
    region: "box:0,0,.5,1"
    strength: 0
    placing: {anchor: bottom, height: 0.5, manner: 0}
"""
    found = run.run(reading.read(write(text)), tmp_path / "o", isolate=False)
    ((cell, record),) = found.cells[0]
    assert record["broken"] == ""
    assert 0 < record["measures"]["edges"] < 1
    assert np.asarray(PillowImage.open(cell.result)).shape == (40, 64, 3)


@pytest.mark.slow
def test_a_row_has_a_process_of_its_own(write, tmp_path):
    steps, plan = [], reading.read(write(ROWS))
    listener = Listener(step=steps.append)
    alone = run.run(plan, tmp_path / "a", listener=listener)
    assert alone.done == 4
    assert steps[-1].number == 20
    together = run.run(plan, tmp_path / "b", isolate=False)
    for own, other in zip(alone.cells[1], together.cells[1], strict=True):
        left, right = own[1], other[1]
        assert own[0].result.read_bytes() == other[0].result.read_bytes()
        timed = {"seconds", "cpu", "memory"}
        assert {k: v for k, v in left["measures"].items() if k not in timed} == {
            k: v for k, v in right["measures"].items() if k not in timed
        }


@pytest.mark.slow
def test_a_process_that_dies_breaks_its_cell_alone(write, tmp_path, descent):
    code = next(descent.glob("**/descent*.py"))
    text = code.read_text().replace(
        "def _descend(self, content, aim, progress, watch):",
        "def _descend(self, content, aim, progress, watch):\n"
        "        import os\n"
        "        if content.shape[0] == 40: os._exit(7)",
    )
    assert "os._exit" in text
    code.write_text(text)
    plan = reading.read(write(ROWS))
    found = run.run(replace(plan, rows=plan.rows[:1]), tmp_path / "o")
    (_, one), (_, two) = found.cells[0]
    assert one["broken"] == "the process that did it died (exit code 7)"
    assert two["broken"] == ""


def test_interrupted_it_keeps_what_is_finished(write, tmp_path, monkeypatch):
    plan = reading.read(write(ROWS))

    def stop(row, picture):
        if (row, picture) == ("many", "two"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run.run(plan, tmp_path / "o", isolate=False, listener=Listener(begin=stop))
    assert run.run(plan, tmp_path / "o", isolate=False).done == 1


def test_an_optimisation_that_was_cut_short_is_not_kept(write, tmp_path):
    plan = reading.read(write(ROWS))

    def stop(step):
        if step.number == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run.run(plan, tmp_path / "o", isolate=False, listener=Listener(step=stop))
    assert len(list((tmp_path / "o" / "cells").glob("*.json"))) == 2  # both of the first row


def test_a_folder_with_something_else_is_left_alone(write, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")
    plan = reading.read(write(ROWS))
    with pytest.raises(UsageError, match="holds no comparison"):
        run.run(plan, tmp_path / "mine")
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["letter.txt"]
    with pytest.raises(UsageError, match="is a file"):
        run.run(plan, tmp_path / "mine" / "letter.txt")


def test_two_pictures_of_one_name(write, tmp_path):
    text = ROWS.replace("[one.png, two.png]", "[one.png, {picture: two.png, name: one}]")
    with pytest.raises(UsageError, match="two pictures are called 'one'"):
        run.run(reading.read(write(text)), tmp_path / "o", isolate=False)


def test_records_are_plain(write, tmp_path):
    found = run.run(reading.read(write(ROWS)), tmp_path / "o", isolate=False)
    cell, record = found.cells[0][0]
    assert json.loads(cell.record.read_text()) == json.loads(json.dumps(record))


@pytest.mark.parametrize(
    "pixels",
    [
        np.full((1, 1, 3), 9, np.uint8), np.full((20, 30), 99, np.uint8),
        np.full((20, 30, 4), 200, np.uint8), np.full((20, 30), 40_000, np.uint16),
    ],
    ids=["one pixel", "grey", "alpha", "16 bit"],
)  # fmt: skip
def test_odd_pictures(write, folder, tmp_path, pixels):
    PillowImage.fromarray(pixels).save(folder / "one.png")
    text = ROWS.replace(", two.png", "")
    found = run.run(reading.read(write(text)), tmp_path / "o", isolate=False)
    (cell, record) = found.cells[0][0]
    assert record["broken"] == ""
    assert np.asarray(PillowImage.open(cell.result)).shape == (*pixels.shape[:2], 3)


MEMORY = """
import numpy as np
from sfumato.compare import work
np.ones((128, 1 << 20), np.uint8)  # a peak to forget
work.forget_peak()
before = work.peak_memory()
block = np.ones((64, 1 << 20), np.uint8)
assert work.peak_memory() > before + 50, before
"""


def test_memory_is_counted_anew():
    # In a process of its own: what else this one gives back meanwhile would count, too.
    subprocess.run([sys.executable, "-c", MEMORY], check=True)
