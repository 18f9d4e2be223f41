"""Sets with boxes and no masks."""

from __future__ import annotations

import numpy as np
import pytest

from sfumato.data.boxes import open_boxes
from sfumato.data.samples import open_samples
from sfumato.errors import UsageError

from . import sets


@pytest.fixture
def paintings(tmp_path):
    names = ["Cubism/a.png", "Cubism/b.png", "cartoon/c.png"]
    for i, name in enumerate(names):
        sets.save(tmp_path / "images" / name, sets.picture(i))
    records = [
        {"id": i, "file_name": name, "width": 30, "height": 20} for i, name in enumerate(names)
    ]
    boxes = [
        {"image_id": 0, "category_id": 1, "bbox": [2, 3, 10, 5.5], "iscrowd": 0},
        {"image_id": 0, "category_id": 1, "bbox": [0, 0, 4, 4]},
        {"image_id": 1, "category_id": 1, "bbox": [0, 0, 30, 20], "iscrowd": 1},
    ]
    data = {
        "images": records, "annotations": boxes, "categories": [{"id": 1, "name": "person"}]
    }  # fmt: skip
    sets.write_json(tmp_path / "person_boxes.json", data)
    sets.write_json(tmp_path / "split.json", {"train": names[:1], "val": names})
    return tmp_path


def test_boxes_are_corners_in_pixels(paintings):
    boxed = open_boxes(paintings, "val")
    assert [len(boxed[i].boxes) for i in range(3)] == [2, 0, 0]
    np.testing.assert_allclose(boxed[0].boxes, [[2, 3, 12, 8.5], [0, 0, 4, 4]])
    assert boxed[1].boxes.shape == (0, 4)
    assert [boxed[i].group for i in range(3)] == ["Cubism", "Cubism", "cartoon"]
    np.testing.assert_array_equal(boxed[2].image, sets.picture(2))
    assert len(open_boxes(paintings / "person_boxes.json", "train")) == 1
    with pytest.raises(UsageError, match="no category 'horse'"):
        open_boxes(paintings, "val", label="horse")


def test_pictures_without_boxes_are_background(paintings):
    samples = open_samples(f"unboxed:{paintings}", "val")
    assert [samples.name(i) for i in range(len(samples))] == ["cartoon/c.png"]
    assert samples[0].mask.shape == (20, 30)
    assert not samples[0].mask.any()


def test_boxes_are_no_outlines(paintings):
    with pytest.raises(UsageError, match="box but no outline"):
        open_samples(str(paintings), "train")
