"""The dataset stylizer: what is kept, what is made again, and what is refused."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from sfumato.data import generate
from sfumato.data.generate import contact_sheet, find_styles, stylize
from sfumato.data.restyle import Job, Painter
from sfumato.errors import UsageError
from sfumato.studio import Studio

from . import sets
from .test_layouts import everything


@pytest.fixture(autouse=True)
def tint(monkeypatch):
    """A stylizer that is quick and minds its style."""

    def paint(content, style, *, region=None, progress=None):
        return (0.7 * content + 0.3 * style.image.mean((0, 1))).astype(np.float32)

    monkeypatch.setattr(Studio, "stylizer", lambda self, name: paint)


@pytest.fixture
def job(tmp_path):
    files = [sets.save(tmp_path / "styles" / f"{i}.png", sets.picture(50 + i)) for i in range(4)]
    return Job(tuple(map(str, files)))


@pytest.fixture
def source(tmp_path):
    sets.pairs(tmp_path / "in", 12, (40, 60))
    sets.write_json(tmp_path / "in" / "split.json", {"train": [f"{i:03}" for i in range(12)]})
    return tmp_path / "in"


def run(source, target, job, **how):
    return stylize(source, target, job, **how)


@pytest.fixture
def whole(tmp_path, source, job):
    """What an undisturbed run makes."""
    run(source, tmp_path / "whole", job)
    return everything(tmp_path / "whole")


def lines(target, name="manifest.jsonl"):
    return [json.loads(line) for line in (target / name).read_text().splitlines()]


def test_a_set_of_pairs(tmp_path, source, job):
    told = []
    outcome = run(source, tmp_path / "out", job, watch=lambda *a: told.append(a[1:]))
    assert (outcome.kind, outcome.planned, outcome.kept, outcome.failed) == ("pairs", 12, 0, ())
    assert told == [(i + 1, 12) for i in range(12)]
    head, *records = lines(tmp_path / "out")
    assert head["job"]["seed"] == 0
    assert list(head["styles"]) == list(job.styles)
    assert [r["content"] for r in records] == [f"images/{i:03}.png" for i in range(12)]
    assert {"picture", "content", "styles", "strengths", "seed", "sha256"} <= records[0].keys()
    old, new = everything(source), everything(tmp_path / "out")
    assert set(new) == {*old, "manifest.jsonl"}
    for name, data in old.items():
        assert (new[name] == data) == (not name.startswith("images/")), name


class Stop:
    """Interrupts after so many pictures."""

    def __init__(self, after):
        self.after = after

    def __call__(self, record, done, total):
        if done == self.after:
            raise KeyboardInterrupt


def test_interrupted_twice_is_the_same_in_the_end(tmp_path, source, job, whole):
    target = tmp_path / "out"
    first = run(source, target, job, watch=Stop(4))
    assert (first.interrupted, len(first.records)) == (True, 4)
    second = run(source, target, job, watch=Stop(9))
    assert (second.interrupted, second.kept, len(second.records)) == (True, 4, 9)
    third = run(source, target, job)
    assert (third.interrupted, third.kept, len(third.records)) == (False, 9, 12)
    assert everything(target) == whole


def test_what_was_damaged_or_half_written_is_made_again(tmp_path, source, job, whole):
    target = tmp_path / "out"
    run(source, target, job)
    (target / "images" / "003.png").write_bytes(b"half a pict")
    (target / "images" / "005.png").unlink()
    (target / "images" / ".006.png.0123abcd.part").write_bytes(b"killed")
    manifest = (target / "manifest.jsonl").read_bytes()
    (target / "manifest.jsonl").write_bytes(manifest[:-40])  # the last line was cut short
    outcome = run(source, target, job)
    assert outcome.kept == 9
    assert everything(target) == whole


def test_killed_before_anything_was_painted(tmp_path, source, job, whole, monkeypatch):
    def killed(*a, **k):
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(generate, "carry", killed)
        with pytest.raises(SystemExit):
            run(source, tmp_path / "out", job)
    run(source, tmp_path / "out", job)
    assert everything(tmp_path / "out") == whole


def test_shards_make_the_whole(tmp_path, source, job, whole):
    target = tmp_path / "out"
    for number in (3, 1, 2):
        outcome = run(source, target, job, shard=(number, 3))
        assert len(outcome.records) == 4
    assert len(lines(target, "manifest-2-of-3.jsonl")) == 5
    outcome = run(source, target, job)
    assert outcome.kept == 12
    assert everything(target) == whole


def test_a_limit_is_a_beginning(tmp_path, source, job, whole):
    assert run(source, tmp_path / "out", job, limit=5).planned == 5
    assert run(source, tmp_path / "out", job).kept == 5
    assert everything(tmp_path / "out") == whole


def test_another_job_needs_another_folder(tmp_path, source, job, whole):
    target = tmp_path / "out"
    run(source, target, replace(job, seed=1))
    with pytest.raises(UsageError, match="made with seed = 1 instead of 0"):
        run(source, target, job)
    fewer = replace(job, seed=1, styles=job.styles[:2])
    with pytest.raises(UsageError, match="other styles"):
        run(source, target, fewer)
    assert run(source, target, job, overwrite=True).kept == 0
    assert everything(target) == whole


def test_styles_may_move(tmp_path, source, job):
    run(source, tmp_path / "out", job)
    moved = tmp_path / "moved"
    (tmp_path / "styles").rename(moved)
    again = replace(job, styles=tuple(str(moved / f"{i}.png") for i in range(4)))
    assert run(source, tmp_path / "out", again).kept == 12


def test_several_paintings_of_each(tmp_path, source, job):
    outcome = run(source, tmp_path / "out", replace(job, copies=3))
    assert outcome.planned == 36
    assert len(list((tmp_path / "out" / "masks").iterdir())) == 36
    styles = {r.picture: r.styles for r in outcome.records if r.content == "images/000.png"}
    assert set(styles) == {f"images/000-{k}.png" for k in (1, 2, 3)}
    strengths = [r.strengths for r in outcome.records]
    assert len(set(strengths)) > 30


def test_failures_are_told_and_tried_again(tmp_path, source, job, whole):
    good = (source / "images" / "004.png").read_bytes()
    (source / "images" / "004.png").write_bytes(good[:50])
    outcome = run(source, tmp_path / "out", job)
    assert [record.content for record in outcome.failed] == ["images/004.png"]
    assert len(outcome.records) == 12
    told = [line for line in lines(tmp_path / "out")[1:] if "failed" in line]
    assert list(told[0]) == ["picture", "content", "failed"]
    assert "004.png" in told[0]["failed"]
    (source / "images" / "004.png").write_bytes(good)
    assert not run(source, tmp_path / "out", job).failed
    assert everything(tmp_path / "out") == whole


def test_pictures_that_cannot_be_written_fail(tmp_path, job):
    sets.save(tmp_path / "in" / "a.bmp", sets.picture(0))
    outcome = run(tmp_path / "in", tmp_path / "out", job)
    assert "cannot write the picture format" in outcome.failed[0].failed


@pytest.mark.parametrize("target", ["in", "in/inside", "."])
def test_never_into_the_set_itself(tmp_path, source, job, target):
    before = everything(source)
    with pytest.raises(UsageError, match="lie in one another"):
        run(source, tmp_path / target, job)
    assert everything(source) == before


def test_never_into_a_folder_with_other_files(tmp_path, source, job):
    sets.save(tmp_path / "out" / "precious.png", sets.picture(0))
    with pytest.raises(UsageError, match="holds other files"):
        run(source, tmp_path / "out", job)
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="is a file"):
        run(source, tmp_path / "file", job)


def test_two_pictures_of_one_name(tmp_path, job):
    for name in ("a.jpg", "a-1.jpg", "a-1-2.jpg", "a-1-1.jpg"):
        sets.save(tmp_path / "in" / name, sets.picture(0))
    items = generate.plan(generate.survey(tmp_path / "in"), 2)
    assert len({item.picture for item in items}) == 8


def test_styles_from_folders_files_and_names(tmp_path):
    for name in ("a/1.jpg", "a/2.jpg", "b.png"):
        sets.save(tmp_path / "art" / "images" / name, sets.picture(0))
    (tmp_path / "art" / "images" / "c.jpg").write_bytes(b"no picture")
    found, broken = find_styles([str(tmp_path / "art")])
    assert [path.rpartition("images/")[2] for path in found] == ["a/1.jpg", "a/2.jpg", "b.png"]
    assert [one.path.rpartition("/")[2] for one in broken] == ["c.jpg"]
    sets.write_json(tmp_path / "art" / "split.json", {"train": ["a/1.jpg"], "val": ["a/2.jpg"]})
    assert len(find_styles([str(tmp_path / "art")])[0]) == 1
    assert find_styles([str(tmp_path / "art")], "val")[0][0].endswith("a/2.jpg")
    assert len(find_styles([str(tmp_path / "art")], "all")[0]) == 3
    single = str(tmp_path / "art" / "images" / "b.png")
    assert find_styles([single, "waves", single])[0] == (single, "waves")
    with pytest.raises(UsageError, match="no style or file"):
        find_styles(["wavves"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="no style pictures"):
        find_styles([str(tmp_path / "empty")])


def test_the_contact_sheet_shows_before_and_after(tmp_path, source, job):
    outcome = run(source, tmp_path / "out", job, limit=3)
    sheet = contact_sheet(outcome, source, tmp_path / "out")
    assert sheet.ndim == 3
    with pytest.raises(UsageError, match="nothing to show"):
        contact_sheet(replace(outcome, records=()), source, tmp_path / "out")


def test_bad_shards(tmp_path, source, job):
    for shard in ((0, 2), (3, 2)):
        with pytest.raises(UsageError, match="shard"):
            run(source, tmp_path / "out", job, shard=shard)


def test_every_item_is_painted_by_the_job(tmp_path, source, job):
    """What the whole run writes is what a painter alone makes of each item."""
    run(source, tmp_path / "out", job)
    layout = generate.survey(source)
    painter = Painter(job, layout, tmp_path / "alone")
    for item in reversed(generate.plan(layout, 1)):
        painter(item)
    assert everything(tmp_path / "alone" / "images") == everything(tmp_path / "out" / "images")
