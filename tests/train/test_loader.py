"""What stands where in an epoch depends on seed, epoch and place alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image as PillowImage

from sfumato.errors import UsageError
from sfumato.train import loader
from sfumato.train.loader import Places, open_sets

from .small import recipe


def batches(chosen, epoch=0, rank=0, **more):
    found = loader.training_loader(open_sets(chosen), chosen, rank=rank, **more)
    found.sampler.set_epoch(epoch)
    return list(found)


def equal(one, other):
    return len(one) == len(other) and all(
        torch.equal(a, b) for left, right in zip(one, other, strict=True)
        for a, b in zip(left, right, strict=True)
    )  # fmt: skip


def test_workers_change_nothing():
    alone = batches(recipe(workers=0), epoch=2)
    assert equal(alone, batches(recipe(workers=2), epoch=2))
    assert len(alone) == 4
    picture, mask = alone[0]
    assert (picture.shape, picture.dtype) == ((4, 3, 48, 48), torch.uint8)
    assert (mask.shape, mask.dtype) == ((4, 48, 48), torch.uint8)


def test_epochs_and_seeds_differ():
    first = batches(recipe())
    assert equal(first, batches(recipe()))
    assert not equal(first, batches(recipe(), epoch=1))
    assert not equal(first, batches(recipe(seed=1)))


def test_processes_share_an_epoch_between_them():
    whole = [item for batch in batches(recipe(batch=8)) for item in batch[0]]
    halves = [
        [item for batch in batches(recipe(devices=2), rank=rank) for item in batch[0]]
        for rank in (0, 1)
    ]
    dealt = [item for pair in zip(*halves, strict=True) for item in pair]
    assert all(torch.equal(a, b) for a, b in zip(whole, dealt, strict=True))


def test_an_epoch_is_whole_steps():
    chosen = recipe(data=["synthetic:13:96"], accumulate=2)
    assert len(open_sets(chosen).training) == 16
    assert len(open_sets(recipe(samples=17)).training) == 20


@pytest.mark.parametrize(("length", "processes"), [(7, 3), (2, 4), (6, 2)])
def test_every_place_is_someones(length, processes):
    shares = [Places(length, rank, processes, epoch=5) for rank in range(processes)]
    assert sorted(place for share in shares for place in share) == [(5, i) for i in range(length)]
    assert [len(share) for share in shares] == [len(list(share)) for share in shares]


def test_what_is_measured_on_is_whole(tmp_path):
    for kind, mode, fill in (("images", "RGB", (9, 8, 7)), ("masks", "L", 255)):
        (tmp_path / kind).mkdir()
        PillowImage.new(mode, (40, 20), fill).save(tmp_path / kind / "a.png")
    (tmp_path / "split.json").write_text('{"train": ["a"], "val": ["a"]}')
    chosen = recipe(data=[str(tmp_path)], validation=[])
    ((picture, mask),) = loader.validation_loaders(open_sets(chosen), chosen)[0]
    assert set(np.unique(mask)) == {1, 255}
    assert (mask == 1).sum() == 48 * 24  # 40 x 20 pixels at a longer side of 48
    assert picture[0, :, 24, 24].tolist() == [9, 8, 7]


def test_sets_have_names_and_are_counted():
    chosen = recipe(
        data=["synthetic:8:96=3", "synthetic:4:96"], validation=["synthetic:2:96", "synthetic:2:96"]
    )
    sets = open_sets(chosen)
    assert list(sets.validation) == ["synthetic:2:96-1", "synthetic:2:96-2"]
    assert sets.parts[0] == ("synthetic:8:96", "train", 8, 0)
    drawn = [sets.training.place(i)[0] for i in range(len(sets.training))]
    assert drawn.count(0) == 3 * drawn.count(1)


def test_backgrounds_and_restyling_reach_the_samples():
    plain = batches(recipe())
    swapped = recipe(augmentation={"swap": 1.0})
    assert not equal(plain, batches(swapped))
    negative = recipe(augmentation={"restyle": 1.0})
    assert not equal(plain, batches(negative, restyle=lambda image, rng: 1 - image))


def test_no_data_is_said():
    with pytest.raises(UsageError, match="give --data DIR"):
        open_sets(recipe(data=[]))
