"""What counts as a collapse, and what is said of it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfumato.train.guard import advice, find
from sfumato.train.recipe import Recipe

CLASSES = ("background", "person")
SCRATCH = Recipe(net="unet", start="none", optimizer="sgd", rate=0.01)


def test_all_background_is_a_collapse():
    found = find(np.array([[9000, 3], [1000, 2]]), CLASSES)
    assert (found.kind, found.true) == ("background", pytest.approx(0.1, abs=1e-3))
    assert found.predicted < 0.001


def test_all_person_is_one_too():
    assert find(np.array([[0, 500], [0, 500]]), CLASSES).kind == "person"


@pytest.mark.parametrize(
    "counts",
    [
        [[90, 0], [5, 5]],  # half of it found
        [[1000, 0], [0, 0]],  # nobody there
        [[0, 0], [0, 0]],  # nothing measured
        [[0, 0], [1, 999]],  # pictures full of people
    ],
)
def test_what_is_none(counts):
    assert find(np.array(counts), CLASSES) is None


@given(st.integers(1, 1000), st.integers(1, 1000))
def test_a_right_answer_never_is(background, person):
    assert find(np.diag([background, person]), CLASSES) is None


def test_of_many_classes_one_is_left():
    names = ("background", "cat", "dog")
    found = find(np.array([[0, 80, 0], [0, 10, 0], [0, 10, 0]]), names)
    assert found.kind == "cat"


def test_the_advice_fits_the_recipe():
    found = find(np.array([[900, 0], [100, 0]]), CLASSES)
    said = advice(found, SCRATCH, 3)
    assert "'background' nearly everywhere (0.0% of the pixels" in said
    assert "in truth 10.0%; 3 validations in a row" in said
    assert "rate 0.01 is too high for sgd" in said
    assert "--set rate=0.001" in said
    assert "--set class_weights=[1.0,3.0]" in said
    assert "\n" not in said
    careful = SCRATCH.model_copy(update={"rate": 1e-4, "loss": "dice"})
    said = advice(found, careful, 1)
    assert "start=imagenet" in said
    assert "rate" not in said.replace("rates", "")
    assert "1 validation in" in said
    assert "batch norm" in advice(found, careful, 1, fell=True)
    settled = careful.model_copy(update={"start": "imagenet"})
    assert "too few steps" in advice(found, settled, 2)
