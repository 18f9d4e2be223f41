"""PASCAL VOC's tree, with SBD beside it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sfumato.data.samples import open_samples
from sfumato.data.voc import PASCAL
from sfumato.errors import UsageError

from . import sets

PERSON, SOFA = PASCAL.index("person"), PASCAL.index("sofa")


def outlines() -> np.ndarray:
    """A person on a sofa, with a void border."""
    labels = sets.block(value=SOFA)
    labels[4:12, 6:12] = PERSON
    labels[3], labels[12] = 255, 255
    return labels


def palette_png(path: Path, labels: np.ndarray) -> None:
    picture = Image.fromarray(labels).convert("P")
    picture.putpalette([(37 * k) % 256 for k in range(768)])
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path)


@pytest.fixture
def voc(tmp_path) -> Path:
    root = tmp_path / "VOCdevkit" / "VOC2012"
    for i, name in enumerate(("2007_1", "2007_2", "2007_3")):
        sets.save(root / "JPEGImages" / f"{name}.jpg", sets.picture(i), quality=95)
        palette_png(root / "SegmentationClass" / f"{name}.png", outlines())
    lists = root / "ImageSets" / "Segmentation"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("2007_1\n2007_2\n\n")
    (lists / "val.txt").write_text("2007_3\n")
    (lists / "trainval.txt").write_text("2007_1\n2007_2\n2007_3\n")
    return tmp_path


def test_pascal_has_its_twenty_classes_at_their_numbers():
    assert len(PASCAL) == 21
    assert (PASCAL[1], PASCAL[12], PERSON, SOFA, PASCAL[20]) == (
        "aeroplane", "dog", 15, 18, "tvmonitor",
    )  # fmt: skip


@pytest.mark.parametrize("place", ["", "VOCdevkit", "VOCdevkit/VOC2012"])
def test_the_person_is_told_apart_and_the_border_ignored(voc, place):
    samples = open_samples(str(voc / place), "train")
    labels = outlines()
    expected = np.where(labels == 255, 255, labels == PERSON)
    assert [samples.name(i) for i in range(len(samples))] == ["2007_1", "2007_2"]
    np.testing.assert_array_equal(samples[0].mask, expected)
    assert len(open_samples(str(voc / place), "all")) == 3


def test_all_classes_keep_their_numbers(voc):
    samples = open_samples(str(voc), "val", classes=PASCAL)
    np.testing.assert_array_equal(samples[0].mask, outlines())
    two = open_samples(str(voc), "val", classes=("background", "sofa", "person"))[0]
    assert (two.mask[5, 7], two.mask[5, 15], two.mask[3, 0]) == (2, 1, 255)


def test_unknown_classes_and_splits(voc):
    with pytest.raises(UsageError, match="no 'soffa' — did you mean 'sofa'?"):
        open_samples(str(voc), "val", classes=("background", "soffa"))
    with pytest.raises(UsageError, match="known splits: train, trainval, val, trainaug"):
        open_samples(str(voc), "test")
    with pytest.raises(UsageError, match="trainaug needs SBD"):
        open_samples(str(voc), "trainaug")
    with pytest.raises(UsageError, match="expected ImageSets/Segmentation"):
        open_samples(f"voc:{voc / 'VOCdevkit' / 'VOC2012' / 'JPEGImages'}", "train")


@pytest.mark.parametrize("place", ["VOCdevkit/SBD", "benchmark_RELEASE"])
def test_trainaug_is_vocs_train_set_and_sbd_without_vocs_val_set(voc, place):
    io = pytest.importorskip("scipy.io")
    dataset = voc / place / "dataset"
    (dataset / "cls").mkdir(parents=True)
    cat = np.where(outlines() == PERSON, PERSON, 0).astype(np.uint8)
    for name in ("2007_2", "2007_3", "2008_1"):
        inner = np.zeros((1, 1), [("Segmentation", object), ("Boundaries", object)])
        inner["Segmentation"][0, 0] = cat
        inner["Boundaries"][0, 0] = np.zeros((2, 2))
        io.savemat(dataset / "cls" / f"{name}.mat", {"GTcls": inner})
        sets.save(dataset / "img" / f"{name}.jpg", sets.picture(7))
    samples = open_samples(str(voc), "trainaug")
    assert [samples.name(i) for i in range(len(samples))] == ["2007_1", "2007_2", "2008_1"]
    assert (samples[1].mask == 255).any()  # VOC's own outlines go first
    np.testing.assert_array_equal(samples[2].mask, cat == PERSON)
    (dataset / "cls" / "2008_1.mat").write_bytes(b"no such file")
    assert open_samples(str(voc), "trainaug")[2].name == "2007_1"


def test_trainaug_from_its_list_and_pngs(voc):
    root = voc / "VOCdevkit" / "VOC2012"
    (root / "ImageSets" / "Segmentation" / "trainaug.txt").write_text("2007_1\n2008_1\n")
    sets.save(root / "JPEGImages" / "2008_1.jpg", sets.picture(8))
    sets.save(root / "SegmentationClassAug" / "2008_1.png", outlines())  # grey, as it is shared
    samples = open_samples(str(voc), "trainaug")
    np.testing.assert_array_equal(samples[1].mask == 1, outlines() == PERSON)


def test_broken_files_are_listed(voc):
    root = voc / "VOCdevkit" / "VOC2012"
    (root / "SegmentationClass" / "2007_1.png").unlink()
    (root / "JPEGImages" / "2007_2.jpg").unlink()
    with pytest.raises(UsageError, match="its outlines are missing"):
        open_samples(str(voc), "train")
    rgb = np.repeat(outlines()[..., None], 3, axis=2)
    sets.save(root / "SegmentationClass" / "2007_1.png", rgb)
    samples = open_samples(str(voc), "all")
    assert samples[0].name == "2007_3"
    assert [b.reason.split(str(root))[-1] for b in samples.broken] == [
        "/JPEGImages/2007_2.jpg is missing",
        "/SegmentationClass/2007_1.png has mode RGB; expected a palette picture",
    ]
