"""COCO's format: polygons and run lengths, crowds, the places of files, Roboflow's export."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("pycocotools", reason="drawing outlines needs the train extra")

from hypothesis import given, settings
from hypothesis import strategies as st

from sfumato.data.coco import draw, open_coco
from sfumato.data.samples import open_samples
from sfumato.errors import PictureError, UsageError

from . import sets

PEOPLE = [
    {"id": 1, "name": "person", "supercategory": "person"},
    {"id": 17, "name": "cat", "supercategory": "animal"},
    {"id": 18, "name": "dog", "supercategory": "animal"},
]


def box(left, top, right, bottom):
    return [[left, top, right, top, right, bottom, left, bottom]]


def rectangle(left, top, right, bottom, size=(20, 30)):
    mask = np.zeros(size, np.bool_)
    mask[top:bottom, left:right] = True
    return mask


def runs(mask) -> dict:
    """Uncompressed run lengths, written by hand: down the columns, zeros first."""
    flat = mask.ravel(order="F").astype(int)
    ends = np.flatnonzero(np.diff(flat)) + 1
    counts = np.diff([0, *ends, flat.size]).tolist()
    return {"size": list(mask.shape), "counts": ([0] if flat[0] else []) + counts}


def one(image_id, segmentation, category=1, crowd=0, **more):
    return {
        "id": 0, "image_id": image_id, "category_id": category, "segmentation": segmentation,
        "iscrowd": crowd, "area": 10.0, **more,
    }  # fmt: skip


def coco(folder, annotations, count=1, listing="all.json", images="", categories=PEOPLE):
    records = []
    for i in range(count):
        records.append({"id": i, "file_name": f"{i:03d}.png", "width": 30, "height": 20})
        sets.save(folder / images / f"{i:03d}.png", sets.picture(i))
    data = {"images": records, "annotations": annotations, "categories": categories}
    return sets.write_json(folder / listing, data)


def test_polygons_and_run_lengths_draw_the_same(tmp_path):
    from pycocotools import mask as rle

    wanted = rectangle(6, 4, 20, 12)
    compressed = rle.encode(np.asfortranarray(wanted.astype(np.uint8)))
    compressed["counts"] = compressed["counts"].decode()
    keypoints = one(3, box(6, 4, 20, 12), keypoints=[7, 7, 2] * 17, num_keypoints=17)
    kinds = [one(0, box(6, 4, 20, 12)), one(1, runs(wanted)), one(2, compressed), keypoints]
    samples = open_coco(coco(tmp_path, kinds, count=5), "all")
    for i in range(4):
        np.testing.assert_array_equal(samples[i].mask, wanted)
    assert not samples[4].mask.any()  # nobody was outlined in it
    assert samples[0].name == "000.png"
    np.testing.assert_array_equal(samples[2].image, sets.picture(2))


@given(st.integers(0, 2**32 - 1))
@settings(deadline=None)
def test_run_lengths_come_back_as_they_were(seed):
    mask = np.random.default_rng(seed).random((7, 11)) < 0.4
    np.testing.assert_array_equal(draw(runs(mask), (7, 11), "x"), mask)


def test_parts_of_one_thing_are_joined_and_scraps_left_out(tmp_path):
    scraps = [[1.0, 1.0, 5.0, 5.0]]  # four numbers: pycocotools would take them for a box
    both = scraps + box(0, 0, 4, 4) + box(10, 10, 14, 14)
    mask = open_coco(coco(tmp_path, [one(0, both)]), "all")[0].mask
    np.testing.assert_array_equal(mask, rectangle(0, 0, 4, 4) | rectangle(10, 10, 14, 14))


def test_crowds_are_ignored_unless_somebody_in_them_is_outlined(tmp_path):
    crowd = one(0, runs(rectangle(0, 0, 20, 20)), crowd=1, area=400)
    person = one(0, box(2, 2, 6, 6), area=16)
    cats = one(0, runs(rectangle(20, 0, 30, 20)), category=17, crowd=1)
    mask = open_coco(coco(tmp_path, [person, crowd, cats]), "all")[0].mask
    expected = np.where(rectangle(0, 0, 20, 20), 255, 0)
    expected[rectangle(2, 2, 6, 6)] = 1
    np.testing.assert_array_equal(mask, expected)


def test_classes_by_name_and_supercategory_smaller_things_on_top(tmp_path):
    dog = one(0, box(5, 5, 8, 8), category=18, area=9)
    cat = one(0, box(20, 5, 28, 8), category=17, area=24)
    person = one(0, box(0, 0, 15, 15), area=225)
    listing = str(coco(tmp_path, [dog, person, cat]))
    mask = open_samples(listing, "all", classes=("background", "Person", "dog"))[0].mask
    assert (mask[6, 6], mask[1, 1], mask[6, 22]) == (2, 1, 0)
    animals = open_samples(listing, "all", classes=("background", "animal"))[0].mask
    np.testing.assert_array_equal(animals, rectangle(5, 5, 8, 8) | rectangle(20, 5, 28, 8))
    mixed = open_samples(listing, "all", classes=("background", "animal", "dog"))[0].mask
    assert (mixed[6, 6], mixed[6, 22]) == (2, 1)
    with pytest.raises(UsageError, match="no category 'dgo' — did you mean 'dog'?"):
        open_samples(listing, "all", classes=("background", "dgo"))


def test_roboflow_exports_as_they_come(tmp_path):
    categories = [
        {"id": 0, "name": "person", "supercategory": "none"},
        {"id": 1, "name": "person", "supercategory": "person"},
    ]
    for split in ("train", "valid", "test"):
        annotation = one(0, box(6, 4, 20, 12))
        coco(tmp_path / split, [annotation], 2, "_annotations.coco.json", categories=categories)
    for split in ("train", "val", "test"):
        samples = open_samples(str(tmp_path), split)
        assert len(samples) == 2
        np.testing.assert_array_equal(samples[0].mask, rectangle(6, 4, 20, 12))
    with pytest.raises(UsageError, match="has no outlines for 'other'"):
        open_samples(str(tmp_path), "other")


def test_cocos_own_folders(tmp_path):
    for split, count in (("train2017", 3), ("val2017", 2)):
        listing = f"annotations/instances_{split}.json"
        coco(tmp_path, [one(0, box(6, 4, 20, 12))], count, listing, images=split)
    (tmp_path / "annotations" / "captions_train2017.json").write_text("{}")
    assert len(open_samples(str(tmp_path), "train")) == 3
    assert len(open_samples(str(tmp_path), "val")) == 2
    by_file = tmp_path / "annotations" / "instances_train2017.json"
    assert len(open_samples(str(by_file), "train")) == 3
    assert len(open_samples(str(by_file), "val")) == 2
    with pytest.raises(UsageError, match="no such file for 'test'"):
        open_samples(str(by_file), "test")


def test_one_file_for_all_splits(tmp_path):
    listing = coco(tmp_path, [one(0, box(6, 4, 20, 12))], 40)
    train, val = (open_samples(str(listing), split) for split in ("train", "val"))
    assert len(train) + len(val) == 40
    sets.write_json(tmp_path / "split.json", {"train": ["000.png"], "val": ["001", "002.png"]})
    assert [len(open_samples(str(tmp_path), split)) for split in ("train", "val")] == [1, 2]


def test_what_cannot_be_used_is_listed(tmp_path):
    boxed = one(1, [])
    wrong = one(2, {"size": [5, 5], "counts": [25]})
    listing = coco(tmp_path, [boxed, wrong, one(0, box(6, 4, 20, 12))], 5)
    sets.save(tmp_path / "003.png", sets.picture(0, (10, 15)))
    (tmp_path / "004.png").unlink()
    samples = open_coco(listing, "all")
    assert [samples.name(i) for i in range(len(samples))] == ["000.png", "002.png"]
    assert samples[1].name == "000.png"  # found when drawn
    reasons = {Path(b.path).name: b.reason for b in samples.broken}
    assert reasons["001.png"] == "something in it has a box but no outline"
    assert reasons["003.png"] == "15 × 10 pixels; expected 30 × 20"
    assert reasons["004.png"].endswith("is missing")
    assert "outline is for 5 × 5 pixels" in reasons["002.png"]


@pytest.mark.parametrize("text", ["", "[1, 2]", '{"images": [], "annotations": {}}'])
def test_no_coco_file(tmp_path, text):
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(UsageError, match="cannot be read as JSON|no COCO file"):
        open_coco(tmp_path / "x.json", "all")


def test_outlines_that_cannot_be_drawn():
    for outline in ({"size": [2, 2], "counts": {}}, [["a"] * 6]):
        with pytest.raises(PictureError, match="cannot be drawn"):
            draw(outline, (2, 2), "x")


def test_drawing_prints_nothing(tmp_path, capfd):
    open_coco(coco(tmp_path, [one(0, box(6, 4, 20, 12))]), "all")[0]
    assert capfd.readouterr() == ("", "")
