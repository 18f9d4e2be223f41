"""Layouts: what is a picture, and annotations under the copies' names."""

from __future__ import annotations

import json

import numpy as np
import pytest

from sfumato.data.layouts import carry, copy_name, survey
from sfumato.data.samples import open_samples
from sfumato.errors import UsageError

from . import sets


def coco_folder(root, count=3):
    for i in range(count):
        sets.save(root / "train2017" / f"{i}.jpg", sets.picture(i))
    box = [6, 4, 20, 4, 20, 12, 6, 12]
    sets.write_json(
        root / "annotations" / "instances_train2017.json",
        {
            "info": {"year": 2017},
            "images": [
                {"id": 10 + i, "file_name": f"{i}.jpg", "height": 20, "width": 30}
                for i in range(count)
            ],
            "annotations": [
                {"id": i, "image_id": 10 + i, "category_id": 1, "segmentation": [box],
                 "bbox": [6, 4, 14, 8], "area": 112, "keypoints": [7, 5, 2], "iscrowd": 0}
                for i in range(count)
            ],
            "categories": [{"id": 1, "name": "person"}],
        },
    )  # fmt: skip
    sets.write_json(
        root / "annotations" / "captions_train2017.json",
        {"images": [{"id": 10, "file_name": "0.jpg"}],
         "annotations": [{"id": 7, "image_id": 10, "caption": "a block"}]},
    )  # fmt: skip
    return root


def voc_folder(root, prefix=""):
    base = root / prefix
    for name in ("a", "b"):
        sets.save(base / "JPEGImages" / f"{name}.jpg", sets.picture(1))
        sets.save(base / "SegmentationClass" / f"{name}.png", sets.block(value=15))
        xml = base / "Annotations" / f"{name}.xml"
        xml.parent.mkdir(exist_ok=True)
        xml.write_text(f"<annotation><filename>{name}.jpg</filename><x>{name}</x></annotation>")
    lists = base / "ImageSets" / "Segmentation"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("a\n")
    (lists / "trainval.txt").write_text("a\nb\n")
    (lists / "val.txt").write_text("b\n")
    main = base / "ImageSets" / "Main"
    main.mkdir()
    (main / "person_train.txt").write_text("a  1\nb -1\n")
    return root


def everything(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def repaint(layout, target, copies):
    """Copies of the pictures as they are, in place of paintings."""
    for name in layout.pictures:
        for k in range(copies):
            path = target / copy_name(name, k, copies)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes((layout.root / name).read_bytes())


def test_pairs(tmp_path):
    sets.pairs(tmp_path / "in", 3)
    sets.write_json(tmp_path / "in" / "split.json", {"train": ["000", "001.png"], "val": ["002"]})
    (tmp_path / "in" / "README.md").write_text("who made it")
    layout = survey(tmp_path / "in")
    assert layout.kind == "pairs"
    assert list(layout.pictures) == [f"images/00{i}.png" for i in range(3)]
    assert set(layout.pictures.values()) == {None}
    carry(layout, tmp_path / "out", 1)
    kept = {k: v for k, v in everything(tmp_path / "in").items() if k not in layout.pictures}
    assert everything(tmp_path / "out") == kept


@pytest.mark.parametrize("copies", [1, 3])
def test_pairs_open_with_their_copies(tmp_path, copies):
    sets.pairs(tmp_path / "in", 3)
    sets.write_json(tmp_path / "in" / "split.json", {"train": ["000", "001.png"], "val": ["002"]})
    layout = survey(tmp_path / "in")
    carry(layout, tmp_path / "out", copies)
    repaint(layout, tmp_path / "out", copies)
    for split in ("train", "val"):
        old, new = (open_samples(str(tmp_path / part), split) for part in ("in", "out"))
        assert len(new) == copies * len(old)
        assert not new.broken
        np.testing.assert_array_equal(new[0].mask, old[0].mask)


@pytest.mark.parametrize("copies", [1, 2])
def test_coco(tmp_path, copies):
    pytest.importorskip("pycocotools")
    root = coco_folder(tmp_path / "in")
    layout = survey(root)
    assert layout.kind == "coco"
    assert layout.pictures == {f"train2017/{i}.jpg": (20, 30) for i in range(3)}
    carry(layout, tmp_path / "out", copies)
    repaint(layout, tmp_path / "out", copies)
    if copies == 1:
        assert everything(tmp_path / "out") == everything(root)
    old, new = (open_samples(str(tmp_path / part), "train") for part in ("in", "out"))
    assert len(new) == copies * len(old)
    for i in range(len(new)):
        np.testing.assert_array_equal(new[i].mask, old[i // copies].mask)
    table = json.loads((tmp_path / "out" / "annotations" / "instances_train2017.json").read_text())
    assert len({one["id"] for one in table["images"]}) == 3 * copies
    assert len({one["id"] for one in table["annotations"]}) == 3 * copies
    assert table["info"] == {"year": 2017}
    assert all(one["keypoints"] == [7, 5, 2] for one in table["annotations"])
    captions = (tmp_path / "out" / "annotations" / "captions_train2017.json").read_text()
    assert [one["caption"] for one in json.loads(captions)["annotations"]] == ["a block"] * copies


def test_roboflows_export(tmp_path):
    for split in ("train", "valid"):
        folder = tmp_path / "in" / split
        sets.save(folder / "x_png.rf.1a2b.jpg", sets.picture(0))
        sets.write_json(
            folder / "_annotations.coco.json",
            {"images": [{"id": 0, "file_name": "x_png.rf.1a2b.jpg", "height": 20, "width": 30}],
             "annotations": [], "categories": [{"id": 1, "name": "person"}]},
        )  # fmt: skip
    layout = survey(tmp_path / "in")
    assert layout.kind == "coco"
    assert list(layout.pictures) == [f"{s}/x_png.rf.1a2b.jpg" for s in ("train", "valid")]


@pytest.mark.parametrize("prefix", ["", "VOCdevkit/VOC2012"])
@pytest.mark.parametrize("copies", [1, 2])
def test_voc(tmp_path, copies, prefix):
    root = voc_folder(tmp_path / "in", prefix)
    layout = survey(root)
    assert layout.kind == "voc"
    assert len(layout.pictures) == 2
    carry(layout, tmp_path / "out", copies)
    repaint(layout, tmp_path / "out", copies)
    if copies == 1:
        assert everything(tmp_path / "out") == everything(root)
        return
    new = open_samples(str(tmp_path / "out"), "trainval")
    assert [new.name(i) for i in range(4)] == ["a-1", "a-2", "b-1", "b-2"]
    assert not new.broken
    base = tmp_path / "out" / prefix
    xml = (base / "Annotations" / "a-2.xml").read_text()
    assert xml == "<annotation><filename>a-2.jpg</filename><x>a</x></annotation>"
    lists = (base / "ImageSets" / "Main" / "person_train.txt").read_text()
    assert lists == "a-1  1\na-2  1\nb-1 -1\nb-2 -1\n"


def test_any_folder_with_label_files(tmp_path):
    root = tmp_path / "in"
    sets.save(root / "images" / "train" / "a.jpg", sets.picture(0))
    label = root / "labels" / "train" / "a.txt"
    label.parent.mkdir(parents=True)
    label.write_text("0 .5 .5 .1 .1\n")
    (root / "data.yaml").write_text("names: [person]\n")
    (root / ".DS_Store").write_bytes(b"\0")
    (root / "images" / "b.HEIC").write_bytes(b"\0")
    layout = survey(root)
    assert layout.kind == "plain"
    assert list(layout.pictures) == ["images/b.HEIC", "images/train/a.jpg"]
    carry(layout, tmp_path / "out", 2)
    assert everything(tmp_path / "out") == {
        "data.yaml": b"names: [person]\n",
        "labels/train/a-1.txt": b"0 .5 .5 .1 .1\n",
        "labels/train/a-2.txt": b"0 .5 .5 .1 .1\n",
    }


def test_nothing_to_paint(tmp_path):
    with pytest.raises(UsageError, match="no folder"):
        survey(tmp_path / "missing")
    (tmp_path / "notes.txt").write_text("nothing here")
    with pytest.raises(UsageError, match="no pictures"):
        survey(tmp_path)


def test_a_damaged_listing_is_said(tmp_path):
    sets.pairs(tmp_path / "in", 1)
    (tmp_path / "in" / "split.json").write_text("{")
    with pytest.raises(UsageError, match="cannot be read as JSON"):
        carry(survey(tmp_path / "in"), tmp_path / "out", 2)
