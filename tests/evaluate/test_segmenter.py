"""Segmenters measured on pictures with masks."""

from __future__ import annotations

import json
import tracemalloc

import numpy as np
import pytest

from sfumato.errors import UsageError
from sfumato.evaluate import report
from sfumato.evaluate.finding import finder, labels
from sfumato.evaluate.report import Case, Worst
from sfumato.evaluate.segmenter import evaluate
from sfumato.settings import Settings
from sfumato.types import Segments

from .sets import Fake, Red, installed, shifted, square


@pytest.fixture
def red(tmp_path, monkeypatch):
    with installed(tmp_path / "site", monkeypatch):
        yield


def test_both_ious_and_which_is_which():
    # One small picture found whole, one large one found not at all.
    samples = Fake([("a", square(), square()), ("b", np.zeros((80, 80)), square(80, 20, 20, 40))])
    found = evaluate(Red(), samples)
    person = found.overall.classes["person"]
    assert person["picture_iou"].value == pytest.approx((1 + 0) / 2)
    assert person["dataset_iou"].value == pytest.approx(400 / 2000)
    assert found.headline == person["picture_iou"]
    assert (person["picture_iou"].low, person["picture_iou"].high) == (0, 1)
    assert found.confusion.tolist() == [[1200 + 4800, 0], [1600, 400]]
    pixel = found.overall.measures["pixel_accuracy"]
    assert pixel.value == pytest.approx(6400 / 8000)


def test_a_registered_segmenter_is_found_as_the_pipeline_does(red):
    samples = Fake([shifted(5)])
    found = evaluate("red", samples)
    assert found.segmenter == "red"
    assert found.headline.value == pytest.approx(15 / 25)
    deaf = Settings(options={"red": {"least": 1.0}})
    assert evaluate("red", samples, settings=deaf).headline.value == 0
    with pytest.raises(UsageError, match="unknown segment backend 'rde'"):
        evaluate("rde", samples)


def test_the_matte_is_measured_when_it_is_asked_for(red):
    image = np.random.default_rng(0).random((40, 40, 3), np.float32) * 0.2
    image[square(), 0] = 0.9
    bare = finder("red", ["person"])(image)
    matted = finder("red", ["person"], matte=True)(image)
    assert bare.shape == matted.shape == (1, 40, 40)
    assert np.array_equal(bare[0], np.where(square(), image[..., 0], 0))
    assert not np.array_equal(bare, matted)


def test_regions_are_compared_with_what_they_make_of_the_truth():
    samples = Fake([shifted(5)])
    other = evaluate(Red(), samples, region="not person").overall.classes["not person"]
    union = 1600 - 15 * 20
    assert other["picture_iou"].value == pytest.approx((1600 - 25 * 20) / union)
    with pytest.raises(UsageError, match="the data cannot tell what is dog; it knows background"):
        evaluate(Red(), samples, region="dog")
    with pytest.raises(UsageError, match="cannot tell what is box"):
        evaluate("kmeans", samples, region="box:0,0,1,1")


def test_several_classes_are_told_apart():
    truth = np.zeros((20, 20), np.uint8)
    truth[:, :10], truth[:, 10:15] = 1, 2

    class Both:
        classes = ("dog", "person")

        def __call__(self, image):
            soft = np.stack([truth == 2, truth == 1]).astype(np.float32)
            soft[1, :, 10:] = 0.9  # believes in a person on the dog, but less than in the dog
            return Segments(soft > 0.5, self.classes, (1.0, 1.0), soft)

    samples = Fake([("a", truth > 0, truth)], ("background", "person", "dog"))
    found = evaluate(Both(), samples, region=("person", "dog"))
    assert found.classes == ("background", "person", "dog")
    figures = {name: f["dataset_iou"].value for name, f in found.overall.classes.items()}
    assert figures == pytest.approx({"background": 0, "person": 200 / 300, "dog": 1})
    assert found.overall.measures["mean_iou"].value == pytest.approx((0 + 2 / 3 + 1) / 3)
    assert set(found.pictures[0]) >= {"iou person", "iou dog"}


def test_above_one_half_is_found():
    assert labels(np.array([[[0.5, 0.51]], [[0.2, 0.6]]], np.float32)).tolist() == [[0, 2]]


def test_ignored_pixels_count_nowhere():
    truth = square().astype(np.uint8)
    truth[:, 25:] = 255
    found = evaluate(Red(), Fake([("a", square(left=10, size=15) & (truth == 1), truth)]))
    assert found.confusion.sum() == 40 * 25
    assert found.headline.value == pytest.approx(15 * 15 / (20 * 15))


def test_nobody_there_and_nobody_found_is_right():
    nothing = np.zeros((20, 20))
    found = evaluate(Red(), Fake([("a", nothing, nothing), ("b", square(20, 2, 2, 9), nothing)]))
    assert found.overall.classes["person"]["picture_iou"].value == 0.5
    assert [row["iou"] for row in found.pictures] == [1, 0]


def test_groups_are_folders():
    samples = Fake([shifted(0, "old/a"), shifted(5, "new/b"), shifted(10, "new/c")])
    found = evaluate(Red(), samples)
    assert list(found.groups) == ["new", "old"]
    assert found.groups["old"].classes["person"]["picture_iou"].value == 1
    assert found.groups["new"].pictures == 2
    assert found.groups["new"].classes["person"]["picture_iou"].value == pytest.approx(
        (15 / 25 + 10 / 30) / 2
    )
    assert evaluate(Red(), Fake([shifted(0, "old/a"), shifted(5, "old/b")])).groups == {}


def test_a_picture_that_stands_in_for_a_damaged_one_counts_once():
    class Damaged(Fake):
        def __getitem__(self, i):
            return super().__getitem__(1 if i == 0 else i)

    found = evaluate(Red(), Damaged([shifted(0, "a"), shifted(5, "b")], broken=["a.png"]))
    assert [row["name"] for row in found.pictures] == ["b"]
    assert [(b.path, b.reason) for b in found.broken] == [("a.png", "cut short")]
    assert (found.planned, found.interrupted) == (2, False)


def test_interrupted_it_tells_what_it_has():
    told = []

    def progress(fraction):
        told.append(fraction)
        if len(told) == 2:
            raise KeyboardInterrupt

    samples = Fake([shifted(i, str(i)) for i in (0, 5, 10, 15)])
    found = evaluate(Red(), samples, progress=progress)
    assert (found.interrupted, len(found.pictures), found.planned) == (True, 2, 4)
    assert found.headline.value == pytest.approx((1 + 15 / 25) / 2)
    assert told == [0.25, 0.5]

    class Stopped(Red):
        def __call__(self, image):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        evaluate(Stopped(), samples)


def test_the_worst_are_kept_and_only_made_when_kept():
    made, worst = [], Worst(2)

    def case(score):
        made.append(score)
        return Case(str(score), score, "", np.zeros((1, 1, 3)), np.zeros((1, 1)))

    for score in (0.9, 0.5, 0.7, 0.95, 0.5, 0.1):
        worst.offer(score, lambda score=score: case(score))
    assert [c.score for c in worst.cases()] == [0.1, 0.5]
    assert made == [0.9, 0.5, 0.7, 0.5, 0.1]
    found = evaluate(Red(), Fake([shifted(i, str(i)) for i in range(15)]))
    assert [c.name for c in found.worst] == [str(i) for i in range(14, 2, -1)]
    assert found.worst[0].truth.sum() == 400


def test_memory_stays_flat():
    evaluate(Red(), Fake([shifted(0)]))  # what is imported late is imported now

    class Many(Fake):
        def __len__(self):
            return 40

        def name(self, i):
            return "a"

        def __getitem__(self, i):
            return super().__getitem__(0)

    large = square(240, 40, 40, 120)
    samples = Many([("a", large, large)])
    peaks = []
    for limit in (13, 40):
        tracemalloc.start()
        evaluate(Red(), samples, limit=limit)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.3 * peaks[0]


def test_the_numbers_as_plain_data():
    first = evaluate(Red(), Fake([shifted(5)]), names=("red", "one"))
    second = evaluate(Red(), Fake([shifted(10)]), names=("red", "two"))
    other = evaluate(Red(), Fake([shifted(0)]), names=("other", "one"))
    plain = json.loads(json.dumps(report.as_dict([first, second, other], "val"), allow_nan=False))
    assert plain["person_iou"] == pytest.approx((15 / 25 + 10 / 30) / 2)
    entry = plain["reports"][0]
    assert (entry["segmenter"], entry["data"], entry["measured"]) == ("red", "one", 1)
    assert entry["classes"]["person"]["picture_iou"]["value"] == pytest.approx(15 / 25)
    assert entry["pictures"][0]["iou"] == pytest.approx(15 / 25)
    empty = evaluate(Red(), Fake([("a", np.zeros((9, 9)), np.zeros((9, 9)))]))
    none = json.loads(json.dumps(empty.as_dict(), allow_nan=False))
    assert none["classes"]["person"]["trimap_iou"] == {"value": None, "low": None, "high": None}


@pytest.mark.weights
@pytest.mark.shared
def test_the_figures_of_the_documentation_are_measured_in_the_same_way():
    from pathlib import Path

    from sfumato.data.samples import open_samples

    folder = Path(__file__).parents[3] / "shared" / "data" / "portraits"
    if not folder.is_dir():
        pytest.skip("the pictures are not here")
    found = evaluate("modnet", open_samples(str(folder), "val"), limit=2)
    # What benchmarks/segmenters.py gives for these two pictures.
    assert [row["iou"] for row in found.pictures] == pytest.approx([0.99075, 0.98601], abs=2e-4)
