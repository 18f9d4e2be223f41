"""Masks made of boxes: what is trusted, what is kept, and what is refused."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image as PillowImage

from sfumato.data import outline as outlining
from sfumato.data.outline import agreement, contact_sheet, draw, outline, tinted
from sfumato.data.samples import IGNORED, open_samples
from sfumato.errors import PictureError, UsageError
from sfumato.ops.trimap import rectangle
from sfumato.settings import Settings
from sfumato.studio import Studio

from . import sets

SIZE = (20, 30)


class Filler:
    """Finds in each box the box itself, shrunk to a share of its sides."""

    classes = ("subject",)
    share = 1.0
    looks = 0

    def look(self, image):
        type(self).looks += 1
        height, width = image.shape[:2]

        def find(prompt):
            left, top, right, bottom = prompt
            middle, half = ((left + right) / 2, (top + bottom) / 2), self.share / 2
            corners = (
                (middle[0] - (right - left) * half) * width,
                (middle[1] - (bottom - top) * half) * height,
                (middle[0] + (right - left) * half) * width,
                (middle[1] + (bottom - top) * half) * height,
            )
            alpha = np.zeros((height, width), np.float32)
            alpha[rectangle(corners, (height, width))] = 1
            return alpha

        return find


@pytest.fixture(autouse=True)
def filler(monkeypatch):
    made = type("Made", (Filler,), {})
    monkeypatch.setattr(Studio, "segmenter", lambda self, name: made())
    return made


def listing(folder, boxes, *, crowds=(), names=("Cubism/a.png", "b.png")):
    """A set with a picture for each name, and boxes (picture, left, top, width, height)."""
    for i, name in enumerate(names):
        sets.save(folder / "images" / name, sets.picture(i, SIZE))
    annotations = [
        {"image_id": i, "category_id": 7, "bbox": box, "iscrowd": int(crowd)}
        for crowd, group in ((False, boxes), (True, crowds))
        for i, *box in group
    ]
    data = {
        "images": [{"id": i, "file_name": n, "width": SIZE[1], "height": SIZE[0]}
                   for i, n in enumerate(names)],
        "annotations": annotations,
        "categories": [{"id": 7, "name": "person"}],
    }  # fmt: skip
    return sets.write_json(folder / "boxes.json", data)


@pytest.fixture
def source(tmp_path):
    listing(tmp_path / "in", [(0, 3, 4, 12, 10), (0, 20, 2, 6, 6)])
    sets.write_json(tmp_path / "in" / "split.json", {"train": ["b.png"], "val": ["Cubism/a.png"]})
    return tmp_path / "in"


def test_what_fills_its_box_counts():
    found = np.zeros(SIZE, np.bool_)
    assert agreement(found, (0, 0, 30, 20)) == 0
    found[4:14, 3:15] = True
    assert agreement(found, (3, 4, 15, 14)) == 1
    assert agreement(found, (3, 4, 15, 24)) == pytest.approx(0.5)
    assert agreement(found, (20, 0, 30, 20)) == 0


def test_masks_are_drawn_where_boxes_are_trusted():
    boxes = np.array([[3, 4, 15, 14], [18, 2, 28, 12], [-5, 16, 0.5, 20]], np.float32)

    def find(prompt):
        alpha = np.zeros(SIZE, np.float32)
        if prompt[0] < 0.5:
            alpha[3:14, 3:29] = 1  # runs far over the box: only what is near it counts
        else:
            alpha[4:6, 20:22] = 1  # next to nothing
        return alpha

    mask, doubtful = draw(find, boxes, SIZE)
    assert doubtful == 1
    expected = np.zeros(SIZE, np.uint8)
    expected[2:12, 18:28] = IGNORED
    expected[4:14, 3:15] = 1
    margin = np.zeros(SIZE, np.bool_)
    margin[3:15, 2:16] = True
    np.testing.assert_array_equal(mask[~margin], expected[~margin])
    assert (mask[4:14, 3:15] == 1).all()
    assert draw(find, boxes, SIZE, trust=0)[1] == 0


def test_boxes_at_the_border():
    def find(prompt):
        alpha = np.zeros(SIZE, np.float32)
        alpha[:8, :10] = 1
        return alpha

    mask, doubtful = draw(find, np.array([[0, 0.4, 10, 8], [25, 19.7, 40, 30]], np.float32), SIZE)
    assert doubtful == 0
    assert mask[:8, :10].all()
    assert mask.sum() == 80


def test_a_set_of_pairs_comes_out(tmp_path, source):
    told = []
    out = tmp_path / "out"
    outcome = outline(source, out, watch=lambda *numbers: told.append(numbers))
    assert told == [(1, 2), (2, 2)]
    assert (outcome.names, outcome.boxes, outcome.doubtful) == (["Cubism/a.png", "b.png"], 2, 0)
    samples = open_samples(str(out), "all")
    assert [samples.name(i) for i in range(2)] == ["Cubism/a", "b"]
    assert set(np.unique(samples[0].mask)) == {0, 1}
    assert samples[0].mask[4:14, 3:15].all()
    assert samples[0].mask[2:8, 20:26].all()
    assert samples[0].mask.sum() == 12 * 10 + 6 * 6
    assert not samples[1].mask.any()
    np.testing.assert_array_equal(samples[1].image, sets.picture(1, SIZE))
    assert len(open_samples(str(out), "val")) == 1
    with PillowImage.open(out / "masks" / "Cubism" / "a.png") as mask:
        assert mask.convert("RGB").getpixel((5, 6)) == (255, 255, 255)
    assert contact_sheet(outcome, out).shape[2] == 3


def test_a_run_goes_on_and_leaves_corrections(tmp_path, source, filler):
    out = tmp_path / "out"
    assert outline(source, out, limit=1).names == ["Cubism/a.png"]
    corrected = out / "masks" / "Cubism" / "a.png"
    corrected.write_bytes(corrected.read_bytes() + b" ")
    looks = filler.looks
    again = outline(source, out)
    assert (again.kept, filler.looks) == (1, looks)  # the second picture has no boxes to look at
    assert corrected.read_bytes().endswith(b" ")
    with pytest.raises(UsageError, match="another way"):
        outline(source, out, trust=0.9)
    assert outline(source, out, trust=0.9, overwrite=True).kept == 0
    assert not corrected.read_bytes().endswith(b" ")


def test_what_is_in_doubt_is_ignored_or_left_out(tmp_path, filler):
    filler.share = 0.3
    listing(tmp_path / "in", [(0, 3, 4, 12, 10)])
    outcome = outline(tmp_path / "in", tmp_path / "out")
    assert (outcome.left_out, outcome.doubtful) == (["Cubism/a.png"], 1)
    assert not (tmp_path / "out" / "masks" / "Cubism" / "a.png").exists()
    assert outcome.names == ["b.png"]


def test_crowds_are_ignored(tmp_path):
    listing(tmp_path / "in", [(0, 3, 4, 12, 10)], crowds=[(0, 10, 4, 18, 10), (1, 0, 0, 5, 5)])
    outcome = outline(tmp_path / "in", tmp_path / "out")
    assert outcome.left_out == ["b.png"]
    mask = open_samples(str(tmp_path / "out"), "all")[0].mask
    assert (mask[4:14, 3:15] == 1).all()
    assert (mask[4:14, 15:28] == IGNORED).all()


def test_splits_stay(tmp_path, source):
    out = tmp_path / "out"
    outline(source, out, split="val")
    outline(source, out, split="train")
    assert [open_samples(str(out), s).name(0) for s in ("train", "val")] == ["b", "Cubism/a"]
    names = [f"{i}.png" for i in range(30)]
    listing(tmp_path / "many", [(0, 3, 4, 12, 10)], names=names)
    outline(tmp_path / "many", tmp_path / "hashed")
    table = json.loads((tmp_path / "hashed" / "split.json").read_text())
    assert sorted(table["train"] + table["val"]) == sorted(names)
    assert table["val"]


def test_files_that_cannot_be_used(tmp_path):
    names = ("a.png", "b.png", "a.jpg")
    path = listing(tmp_path / "in", [(1, 3, 4, 12, 10)], names=names)
    data = json.loads(path.read_text())
    sets.save(tmp_path / "evil.png", sets.picture(9, SIZE))
    data["images"].append(
        {"id": 9, "file_name": "../../evil.png", "width": SIZE[1], "height": SIZE[0]}
    )
    sets.write_json(path, data)
    (tmp_path / "in" / "images" / "b.png").write_bytes(b"no picture")
    outcome = outline(tmp_path / "in", tmp_path / "x" / "y" / "out")
    reasons = {one.path.rpartition("/")[2]: one.reason for one in outcome.broken}
    assert set(reasons) == {"b.png", "a.jpg", "evil.png"}
    assert "same name" in reasons["a.jpg"]
    assert "out of the folder" in reasons["evil.png"]
    assert outcome.names == ["a.png"]
    assert not list((tmp_path / "x").rglob("evil*"))


def test_interrupted_it_keeps_what_is_done(tmp_path, source):
    def stop(done, total):
        raise KeyboardInterrupt

    outcome = outline(source, tmp_path / "out", watch=stop)
    assert outcome.interrupted
    assert outcome.names == ["Cubism/a.png"]
    assert outline(source, tmp_path / "out").kept == 1


@pytest.mark.weights
@pytest.mark.slow
def test_several_processes_make_the_same_masks(tmp_path, source, monkeypatch):
    monkeypatch.undo()  # worker processes have the real segmenter
    one, two = (outline(source, tmp_path / str(n), workers=n) for n in (1, 2))
    assert (one.boxes, one.doubtful, one.left_out) == (two.boxes, two.doubtful, two.left_out)
    assert one.names == two.names
    assert [p.read_bytes() for p in sorted((tmp_path / "1" / "masks").rglob("*.png"))] == [
        p.read_bytes() for p in sorted((tmp_path / "2" / "masks").rglob("*.png"))
    ]


def test_a_full_disk_ends_it(tmp_path, source, monkeypatch):
    def full(*args, **kwargs):
        raise PictureError("no space left")

    outline(source, tmp_path / "out", limit=1)
    (tmp_path / "out" / "masks" / "Cubism" / "a.png").unlink()
    monkeypatch.setattr(outlining, "_begin", lambda *args: False)
    monkeypatch.setattr(outlining, "write_whole", full)
    with pytest.raises(PictureError, match="space"):
        outline(source, tmp_path / "out")


def test_what_is_refused(tmp_path, source):
    with pytest.raises(UsageError, match="trust"):
        outline(source, tmp_path / "out", trust=1.5)
    with pytest.raises(UsageError, match="cannot be shown boxes"):
        outline(source, tmp_path / "out", settings=Settings(segmenter="modnet"))
    with pytest.raises(UsageError, match="lie in one another"):
        outline(source, source / "out")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x.txt").write_text("mine")
    with pytest.raises(UsageError, match="other files"):
        outline(source, tmp_path / "full")
    with pytest.raises(UsageError, match="is a file"):
        outline(source, tmp_path / "full" / "x.txt")
    with pytest.raises(UsageError, match="nothing to show"):
        contact_sheet(outlining.Outcome(), tmp_path)


def test_the_overlay_colours_the_inside():
    picture = np.full((2, 3, 3), 0.5, np.float32)
    mask = np.array([[0, 1, IGNORED]] * 2, np.uint8)
    shown = tinted(picture, mask)
    np.testing.assert_array_equal(shown[:, 0], picture[:, 0])
    assert (shown[:, 1, 0] > 0.7).all()
    assert (shown[:, 2, 2] > 0.7).all()
