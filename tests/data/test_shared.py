"""The readers on real sets beside the checkout."""

from __future__ import annotations

import numpy as np
import pytest

from sfumato.data.augment import Augmentation, augment
from sfumato.data.boxes import open_boxes
from sfumato.data.samples import open_samples

pytestmark = pytest.mark.shared


@pytest.mark.parametrize(
    ("folder", "train", "val", "share"),
    [("portraits", 1290, 64, (0.3, 0.7)), ("people", 770, 84, (0.05, 0.35))],
)
def test_photographs_with_masks(shared_data, folder, train, val, share):
    sets = [open_samples(str(shared_data / folder), split) for split in ("train", "val")]
    assert [len(samples) for samples in sets] == [train, val]
    assert [samples.broken for samples in sets] == [[], []]
    names = [{samples.name(i) for i in range(len(samples))} for samples in sets]
    assert not names[0] & names[1]
    sample = sets[1][0]
    assert sample.image.shape == (*sample.mask.shape, 3)
    assert set(np.unique(sample.mask)) == {0, 1}
    assert share[0] < np.mean([sets[1][i].mask.mean() for i in range(12)]) < share[1]
    small = augment(sample, Augmentation(), np.random.default_rng(0), size=128)
    assert small.image.shape == (128, 128, 3)


def test_paintings_with_boxes(shared_data):
    train, val = (open_boxes(shared_data / "art", split) for split in ("train", "val"))
    assert (len(train), len(val), train.broken, val.broken) == (947, 431, [], [])
    assert all(len(entry.boxes) for entry in val.entries)
    for i in range(0, 400, 40):
        boxed = val[i]
        height, width = boxed.image.shape[:2]
        assert (boxed.boxes >= -1).all()
        assert (boxed.boxes <= np.array([width, height, width, height]) + 1).all()
        assert boxed.group
    nobody = open_samples(f"unboxed:{shared_data / 'art'}", "train")
    assert len(nobody) == sum(len(entry.boxes) == 0 for entry in train.entries)
