"""Sets by their short names, and mixtures of them."""

from __future__ import annotations

import pickle
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sfumato.data.samples import Broken, Sample, check, mix, open_samples
from sfumato.errors import UsageError

from . import sets


class Numbered:
    """Samples whose pictures are their numbers."""

    def __init__(self, name, count, classes=("background", "person")):
        self.prefix, self.count, self.classes = name, count, classes
        self.broken = [Broken(name, "for show")]

    def __len__(self):
        return self.count

    def __getitem__(self, i):
        number = np.full((1, 1), i, np.uint8)
        return Sample(np.repeat(number[..., None], 3, axis=2), number * 0, self.name(i))

    def name(self, i):
        return f"{self.prefix}{range(self.count)[i]}"


def names(mixture):
    return [mixture.name(i) for i in range(len(mixture))]


@given(
    st.lists(st.tuples(st.integers(1, 9), st.floats(0.1, 10)), min_size=1, max_size=4),
    st.integers(1, 60),
    st.integers(0, 3),
)
@settings(deadline=None)
def test_shares_are_kept_everywhere_and_every_sample_has_its_turn(parts, length, seed):
    sets_ = [(Numbered("abcd"[k], count), weight) for k, (count, weight) in enumerate(parts)]
    mixture = mix(sets_, length=length, seed=seed)
    seen = [name for epoch in range(3) for name in names(mixture.epoch(epoch))]
    total = sum(weight for _, weight in parts)
    for cut in (length // 2, length):
        got = Counter(name[0] for name in seen[:cut])
        for k, (_, weight) in enumerate(parts):
            # Sorting by due times errs by less than one for each set.
            assert abs(got["abcd"[k]] - cut * weight / total) < len(parts)
    for k, (count, _) in enumerate(parts):
        times = Counter(name for name in seen if name[0] == "abcd"[k])
        counts = [times[f"{'abcd'[k]}{i}"] for i in range(count)]
        assert max(counts) - min(counts) <= 1


def test_a_mixture_follows_from_its_seed_and_epoch():
    parts = [(Numbered("a", 7), 2), (Numbered("b", 40), 1)]
    mixture = mix(parts, seed=4)
    assert len(mixture) == 47
    assert names(mixture) == names(mix(parts, seed=4)) == names(mixture.epoch(2).epoch(0))
    assert names(mixture) != names(mixture.epoch(1))
    assert names(mixture) != names(mix(parts, seed=5))
    assert [s.name for s in mixture] == names(mixture)
    assert mixture[-1].name == names(mixture)[-1]
    assert mixture.classes == ("background", "person")
    assert [b.path for b in mixture.broken] == ["a", "b"]
    with pytest.raises(IndexError):
        mixture[47]


def test_mixtures_that_make_no_sense():
    a = Numbered("a", 3)
    with pytest.raises(UsageError, match="one set or more"):
        mix([])
    with pytest.raises(UsageError, match="weights above 0"):
        mix([(a, 0)])
    with pytest.raises(UsageError, match="have background, dog and background, person"):
        mix([(a, 1), (Numbered("b", 3, ("background", "dog")), 1)])
    with pytest.raises(UsageError, match="length 0"):
        mix([(a, 1)], length=0)


def test_sets_go_through_pickles_to_worker_processes(tmp_path):
    sets.pairs(tmp_path, 3)
    mixture = mix(
        [(open_samples(str(tmp_path), "all"), 1), (open_samples("synthetic:4", "train"), 1)]
    )
    names(mixture)
    copy = pickle.loads(pickle.dumps(mixture))
    for i in range(len(mixture)):
        np.testing.assert_array_equal(copy[i].image, mixture[i].image)


def test_drawn_samples_by_name():
    assert len(open_samples("synthetic", "train")) == 256
    small = open_samples("synthetic:5:96", "val")
    assert (len(small), small[0].image.shape) == (5, (96, 96, 3))
    assert check(small) == []
    for text in ("synthetic:many", "synthetic:1:2:3", "synthetic:5:1000", "synthetic:0"):
        with pytest.raises(UsageError, match="synthetic.:count|1 or more"):
            open_samples(text, "train")


def test_misspelt_kinds_and_odd_classes(tmp_path):
    with pytest.raises(UsageError, match="no kind of set 'cocoo' — did you mean 'coco'?"):
        open_samples(f"cocoo:{tmp_path}", "train")
    for classes in (("background",), ("person", "background"), ("background", "a", "a"), ()):
        with pytest.raises(UsageError, match="different classes"):
            open_samples("synthetic", "train", classes=classes)
