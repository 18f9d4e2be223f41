"""Segmenters measured by boxes."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest

from sfumato.errors import UsageError
from sfumato.evaluate import boxes
from sfumato.evaluate.boxes import evaluate, has_only_boxes, open_paintings
from sfumato.evaluate.finding import given

from .sets import Red, shifted, square, write_pairs


def write_boxes(folder, pictures, split, **more):
    """``name -> (red, boxes)`` as a COCO file with pictures of 40 x 40."""
    images, annotations = [], []
    for number, (name, (red, found)) in enumerate(pictures.items(), start=1):
        path = folder / "images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        image = np.zeros((40, 40, 3), np.uint8)
        image[..., 2] = red * np.uint8(255)  # OpenCV writes BGR
        cv2.imwrite(str(path), image)
        images.append({"id": number, "file_name": name, "width": 40, "height": 40})
        annotations += [
            {"id": 0, "image_id": number, "category_id": 1, "iscrowd": 0, "bbox": box, **more}
            for box in found
        ]
    listing = {
        "images": images,
        "annotations": annotations,
        "categories": [{"id": 1, "name": "person"}],
    }
    (folder / "boxes.json").write_text(json.dumps(listing))
    (folder / "split.json").write_text(json.dumps(split))
    return folder


BOX = [10, 10, 20, 20]
NOTHING = np.zeros((40, 40), bool)
PICTURES = {
    "Rococo/a.png": (square(), [BOX]),  # found whole
    "Rococo/b.png": (square(size=6), [BOX, [-5, 0, 10, 12]]),  # 36 of 400 pixels: not found
    "Cubism/c.png": (square(left=20), [BOX]),  # half inside
    "Cubism/d.png": (NOTHING, [BOX]),
    "Cubism/e.png": (square(), []),  # a quarter of the picture where nobody is
    "Rococo/f.png": (square(size=3), []),  # 9 of 1600 pixels: no alarm
}
SPLIT = {"val": list(PICTURES)[:4], "train": list(PICTURES)[4:]}


@pytest.fixture
def folder(tmp_path):
    return write_boxes(tmp_path / "art", PICTURES, SPLIT)


def measured(folder, split="val", **more):
    return evaluate(given(Red(), ["person"]), open_paintings(str(folder), split), **more)


def test_shares_of_pixels_and_boxes(folder):
    figures = {name: f.value for name, f in measured(folder).overall.measures.items()}
    assert figures == pytest.approx(
        {
            "pixels_inside": (400 + 36 + 200) / (400 + 36 + 400),
            "pixels_inside_per_picture": (1 + 1 + 0.5) / 3,  # nothing predicted: nothing to share
            "boxes_found": 2 / 5,
            "boxes_found_per_picture": (1 + 0 + 1 + 0) / 4,
            "false_alarms": 1 / 2,
            "false_area": (400 + 9) / 3200,
        }
    )


def test_people_of_the_split_and_nobody_of_wherever_there_is(folder):
    found = measured(folder)
    assert found.kind == "boxes"
    assert found.headline is None
    assert found.notes == ["without people: of other splits, because all of val show some"]
    assert (found.planned, len(found.pictures)) == (6, 6)
    assert len(measured(folder, limit=1).pictures) == 2
    assert measured(folder, "all").notes == ["without people: of all"]
    only = measured(folder, "train")
    assert np.isnan(only.overall.measures["boxes_found"].value)
    assert only.overall.measures["false_alarms"].value == 0.5


def test_movements_are_told_apart(folder):
    groups = measured(folder).groups
    assert list(groups) == ["Cubism", "Rococo"]
    assert groups["Cubism"].measures["boxes_found"].value == 0.5
    assert groups["Cubism"].measures["false_alarms"].value == 1
    assert groups["Rococo"].measures["false_alarms"].value == 0
    interval = groups["Rococo"].measures["boxes_found"]
    assert (interval.low, interval.high) == (0, 1)


def test_the_worst_of_both_kinds(folder):
    worst = measured(folder).worst
    assert [case.name for case in worst][:2] == ["Cubism/d.png", "Rococo/b.png"]
    assert worst[4].name == "Cubism/e.png"
    assert worst[4].text == "25% taken for people, nobody there"
    assert worst[1].text == "0 of 2 boxes found, 100% inside"
    np.testing.assert_allclose(worst[0].boxes, [[0.25, 0.25, 0.75, 0.75]])


def test_three_tenths_of_a_box_find_it():
    painting = boxes.Boxed(
        np.zeros((40, 40, 3), np.uint8), np.array([[10, 10, 30, 30]], np.float32), "a"
    )
    rows = square()
    rows[16:] = False  # 6 of 20 rows
    assert boxes.compare(rows, painting).found == 1
    rows[15, 29] = False
    assert boxes.compare(rows, painting).found == 0


def test_interrupted_it_tells_what_it_has(folder):
    def stop(fraction):
        if fraction >= 0.5:
            raise KeyboardInterrupt

    found = measured(folder, progress=stop)
    assert (found.interrupted, len(found.pictures)) == (True, 3)


def test_which_sets_are_measured_by_boxes(folder, tmp_path):
    assert has_only_boxes(str(folder))
    assert has_only_boxes(f"boxes:{tmp_path}/anywhere")
    outlined = write_boxes(tmp_path / "coco", PICTURES, SPLIT, segmentation=[[1, 1, 9, 1, 9, 9]])
    assert not has_only_boxes(str(outlined))
    assert not has_only_boxes(str(write_pairs(tmp_path / "pairs", [shifted(0)])))
    assert not has_only_boxes("synthetic:3")


def test_boxes_are_of_one_class(folder):
    with pytest.raises(UsageError, match="boxes are of one class"):
        open_paintings(str(folder), "val", "not person")
