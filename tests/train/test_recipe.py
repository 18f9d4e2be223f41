"""Recipes: what is read, what is refused, and how the rate runs."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfumato.errors import UsageError
from sfumato.losses import segmentation
from sfumato.train import recipe as recipes
from sfumato.train.recipe import FOLDER, Data, Recipe, factor, make, parse_changes, read

PLAIN = {"net": "unet", "data": ["synthetic:8"]}


@pytest.mark.parametrize("name", recipes.names())
def test_every_recipe_of_the_package_is_sound(name):
    recipe = read(name)
    assert recipe.loss in segmentation.NAMES
    assert recipe.about
    first = (FOLDER / f"{name}.toml").read_text().splitlines()[0]
    assert first.startswith(f"# sfumato train segmenter {name}")


def test_the_papers_settings():
    fcn = read("paper4-fcn8s")
    assert (fcn.optimizer, fcn.rate, fcn.weight_decay, fcn.batch) == ("sgd", 1e-2, 1e-4, 8)
    assert (fcn.schedule, len(fcn.classes)) == ("constant", 21)
    portraits = read("paper3-fcn8s")
    assert portraits.rate == 1e-4
    assert portraits.epochs * portraits.samples // portraits.step_samples == 16_800


def test_values_can_be_changed_inside_and_out():
    changes = parse_changes(
        ["rate=1e-3", "augmentation.flip = 0.25", "options.width=8", "loss=dice", "steps=none",
         "class_weights=[1, 2.5]", "start=none", "data=['a=2', 'b']"]
    )  # fmt: skip
    recipe = read("tiny", changes)
    assert (recipe.rate, recipe.augmentation.flip, recipe.options["width"]) == (1e-3, 0.25, 8)
    assert (recipe.loss, recipe.steps, recipe.start) == ("dice", None, "none")
    assert recipe.class_weights == (1.0, 2.5)
    assert recipe.data == (Data(spec="a", weight=2), Data(spec="b"))
    assert read("tiny").rate != 1e-3


def test_a_recipe_reads_back_from_its_own_record(tmp_path):
    recipe = read("person", {"data": ["x=3"], "augmentation.padding": "ignore"})
    path = tmp_path / "recipe.json"
    path.write_text(recipe.model_dump_json())
    assert read(str(path)) == recipe


@pytest.mark.parametrize(
    ("text", "spec", "weight"),
    [("a=2", "a", 2), ("a", "a", 1), ("a=b", "a=b", 1), ("k=v/x=.5", "k=v/x", 0.5)],
)
def test_shares_stand_behind_the_last_equals(text, spec, weight):
    assert Data.model_validate(text) == Data(spec=spec, weight=weight)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"rate": -1}, "recipe: rate: "),
        ({"raet": 1}, "no field 'raet' — did you mean 'rate'"),
        ({"augmentation.flipp": 1}, "no field 'augmentation.flipp' — did you mean 'flip'"),
        ({"rate.x": 1}, "nothing inside of 'rate'"),
        ({"class_weights": [1]}, "a weight of 0 or more for each of the 2 classes; got [1.0]"),
        ({"classes": ["person"]}, "expected from 2 to"),
        ({"data": ["a=0"]}, "data.0.weight"),
        ({"optimizer": "lion"}, "got 'lion'"),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(changes, words):
    with pytest.raises(UsageError) as caught:
        read("tiny", changes)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_unknown_names_get_a_hint(tmp_path):
    with pytest.raises(UsageError, match="did you mean 'tiny'"):
        read("tinny")
    with pytest.raises(UsageError, match="no recipe"):
        read(str(tmp_path / "none.toml"))
    (tmp_path / "odd.toml").write_text("= 3")
    with pytest.raises(UsageError, match="cannot be read"):
        read(str(tmp_path / "odd.toml"))
    with pytest.raises(UsageError, match="--set takes KEY=VALUE"):
        parse_changes(["rate"])


def test_a_training_goes_on_only_as_the_same():
    one = make(PLAIN)
    assert recipes.differences(one, make(PLAIN | {"epochs": 99, "workers": 3})) == []
    assert recipes.differences(one, make(PLAIN | {"rate": 1e-2, "seed": 4})) == ["rate", "seed"]


@given(st.sampled_from(["constant", "poly", "cosine"]), st.integers(0, 50), st.integers(1, 200))
def test_rates_rise_and_then_never(schedule, warmup, total):
    recipe = Recipe(net="unet", schedule=schedule, warmup=warmup)
    run = [factor(recipe, step, total) for step in range(total)]
    assert all(0 <= f <= 1 for f in run)
    rising, falling = run[: warmup + 1], run[warmup:]
    assert rising == sorted(rising)
    assert falling == sorted(falling, reverse=True)
    if warmup < total:
        assert run[warmup] == 1


def test_schedules_at_half_time():
    halves = {"constant": 1.0, "poly": 0.5**0.9, "cosine": 0.5}
    for schedule, half in halves.items():
        recipe = Recipe(net="unet", schedule=schedule)
        assert math.isclose(factor(recipe, 50, 100), half)


def test_painting_on_the_fly():
    from sfumato.train.run import painter_of

    plain = recipes.read("tiny")
    assert painter_of(plain) is None
    with pytest.raises(UsageError, match=r"painting\.styles"):
        painter_of(recipes.read("tiny", {"augmentation.restyle": 0.3}))
    changes = {"augmentation.restyle": 0.3, "painting.styles": "waves", "painting.weakest": 0.7}
    painter = painter_of(recipes.read("tiny", changes))
    assert painter.styles == ("waves",)
    assert painter.strength == (0.7, 1.0)
    with pytest.raises(UsageError, match="did you mean 'styles'"):
        recipes.read("tiny", {"painting.style": "waves"})
