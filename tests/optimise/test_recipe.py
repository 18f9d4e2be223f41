"""Presets: the papers' numbers, what is inherited, and what weights are worth in other nets."""

from __future__ import annotations

import sys

import pytest

pytest.importorskip("torch", reason="optimising needs the torch extra")

from pydantic import ValidationError

from sfumato.errors import UsageError
from sfumato.losses.style import STATISTICS
from sfumato.nets import vgg
from sfumato.optimise import recipe
from sfumato.optimise.recipe import CAFFE, Recipe, preset, presets

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

WIDTHS = {"conv1_1": 64, "conv2_1": 128, "conv3_1": 256, "conv4_1": 512, "conv5_1": 512}
CELLS = {f"conv{n}_1": (512 >> n - 1) ** 2 for n in range(1, 6)}  # at 512 x 512 pixels
FIVE = ["1_1", "2_1", "3_1", "4_1", "5_1"]


def _recipe(**changes):
    settings = {"source": "a test", "content": {"relu4_2": 3}, "style": {"relu1_1": 2}, "steps": 1}
    return Recipe(**settings | changes)


def _relu(name):
    return name.replace("conv", "relu")


def _table():
    return tomllib.loads(recipe.TABLE.read_text(encoding="utf-8"))


def _near(**numbers):
    """Numbers in the table have three digits."""
    return pytest.approx(numbers, rel=5e-3)


@pytest.mark.parametrize("name", presets())
def test_every_preset_has_a_source_and_makes_sense(name):
    found = preset(name)
    assert len(found.source) > 10
    assert found.statistic in STATISTICS
    assert set(found.content) | set(found.style) <= set(vgg.LAYERS)
    assert found.style_weight > 0
    for features in ("normalised", "torchvision"):
        weights = found.content_weights(features) | found.style_weights(features)
        assert all(weight > 0 for weight in weights.values())


def test_the_table_holds_presets_and_what_features_are_worth():
    assert set(presets()) == set(_table()) - {"features"}
    expected = {"classic", "paper2", "paper4", "paper5-first", "paper5-second", "fast", "best"}
    assert expected <= set(presets())


def test_a_preset_that_is_like_another_has_its_values_but_its_own():
    for name, own in _table().items():
        if "like" in own:
            parent = preset(own["like"]).model_dump()
            changed = {key: value for key, value in own.items() if key != "like"}
            assert preset(name).model_dump() == parent | changed
            assert "source" in changed


def test_an_unknown_preset_is_told_of_a_near_one():
    with pytest.raises(UsageError, match=r"'clasic'.*did you mean 'classic'.*known: classic"):
        preset("clasic")
    with pytest.raises(UsageError, match="no preset 'features'"):
        preset("features")


def test_gatys_2016():
    found = preset("classic")
    assert set(found.content) == {"relu4_2"}
    assert found.style == {f"relu{n}": 0.2 for n in FIVE}
    assert (found.content_weight, found.style_weight) == (1e-3, 1)
    assert (found.statistic, found.pooling, found.optimizer) == ("gram", "avg", "lbfgs")
    assert found.smallest == 0


def test_shenoy():
    found = preset("paper2")
    assert found.content == {"relu5_2": 1}
    assert found.style == pytest.approx({f"relu{n}": 4 / 5 for n in FIVE})
    assert (found.content_weight, found.style_weight) == (1e3, 1e-2)
    assert (found.optimizer, found.steps) == ("adam", 1000)
    assert found.learning_rate == pytest.approx(5 / 255, rel=5e-3)
    content, style = preset("paper2-content"), preset("paper2-style")
    assert (content.content_weight, content.style_weight) == (1e10, 1e-2)
    assert (style.content_weight, style.style_weight) == (1e3, 1e6)
    assert content.steps == style.steps == 1000


def test_depth_and_laplacian():
    found = preset("paper4")
    assert (found.content, found.content_weight, found.style_weight) == ({"conv4_1": 1}, 1, 1)
    printed = dict(zip(WIDTHS, (1e8, 0.8e7, 0.5e6, 0.3e6, 0.1e6), strict=True))
    assert found.style == _near(**{name: w * 4 / WIDTHS[name] ** 2 for name, w in printed.items()})
    assert found.depth_weight == 1e4
    assert found.laplacian_weight == pytest.approx(1e2 * 255**2, rel=5e-3)  # of 0..255
    assert (found.optimizer, found.steps) == ("adam", 200)
    assert found.learning_rate == pytest.approx(1 / 255, rel=5e-3)
    assert found.features == "torchvision"


def test_nair_and_chippa():
    first, second = preset("paper5-first"), preset("paper5-second")
    layers = dict(zip(WIDTHS, (1, 0.75, 0.2, 0.2, 0.2), strict=True))
    assert first.content == second.content == {"relu4_2": 1}  # what both libraries hand out
    factors = {name: 4 * CELLS[name] / WIDTHS[name] for name in WIDTHS}
    assert first.style == _near(**{_relu(name): w * factors[name] for name, w in layers.items()})
    assert (first.content_weight, first.style_weight, first.steps) == (1, 1e5, 5000)
    assert first.learning_rate == pytest.approx(0.003 * 0.226, rel=5e-3)
    layers = dict(zip(WIDTHS, (1, 0.8, 0.5, 0.3, 0.1), strict=True))
    assert second.style == _near(**{_relu(name): 4 * w for name, w in layers.items()})
    assert (second.content_weight, second.style_weight, second.steps) == (10, 100, 2000)
    assert second.learning_rate == 0.02
    assert first.optimizer == second.optimizer == "adam"
    assert first.statistic == second.statistic == "gram"


@pytest.mark.parametrize("features", ["normalised", "torchvision", "caffe"])
def test_weights_for_their_own_features_stay_as_they_are(features):
    found = _recipe(features=features, content_weight=10, style_weight=0.5)
    assert found.content_weights(features) == {"relu4_2": pytest.approx(30)}
    assert found.style_weights(features) == {"relu1_1": pytest.approx(1)}


def test_weights_for_other_features_are_multiplied_by_what_a_loss_is_worth():
    worth = _table()["features"]["torchvision"]
    of_content, of_gram = worth["relu4_2"][0], worth["relu1_1"][1]
    ours, theirs = _recipe(), _recipe(features="torchvision")
    assert theirs.content_weights("normalised")["relu4_2"] == pytest.approx(3 * of_content)
    assert theirs.style_weights("normalised")["relu1_1"] == pytest.approx(2 * of_gram)
    assert ours.content_weights("torchvision")["relu4_2"] == pytest.approx(3 / of_content)
    assert ours.style_weights("torchvision")["relu1_1"] == pytest.approx(2 / of_gram)


def test_larger_features_are_worth_their_square_and_grams_their_fourth_power():
    caffe, torchvision = _recipe(features="caffe"), _recipe(features="torchvision")
    assert caffe.content_weights("torchvision")["relu4_2"] == pytest.approx(3 * CAFFE**2)
    assert caffe.style_weights("torchvision")["relu1_1"] == pytest.approx(2 * CAFFE**4)
    assert caffe.content_weights("normalised")["relu4_2"] == pytest.approx(
        CAFFE**2 * torchvision.content_weights("normalised")["relu4_2"]
    )


@pytest.mark.parametrize("statistic", [name for name in STATISTICS if name != "gram"])
def test_statistics_in_the_features_own_units_are_worth_as_content_is(statistic):
    worth = _table()["features"]["torchvision"]["relu1_1"][0]
    found = _recipe(features="torchvision", statistic=statistic)
    assert found.style_weights("normalised")["relu1_1"] == pytest.approx(2 * worth)


def test_a_layer_whose_worth_is_not_known_is_refused():
    found = _recipe(features="torchvision", content={"relu3_3": 1})
    with pytest.raises(UsageError, match=r"layer 'relu3_3' \(known: .*relu4_2"):
        found.content_weights("normalised")


def test_a_layer_needs_no_conversion_for_its_own_features():
    found = _recipe(features="torchvision", content={"relu3_3": 1}, style={"relu3_4": 2})
    assert found.content_weights("torchvision") == {"relu3_3": 1}
    assert found.style_weights("torchvision") == {"relu3_4": 2}


@pytest.mark.parametrize(
    "wrong",
    [{"steps": 0}, {"style": {}}, {"pooling": "min"}, {"learning_rate": 0}, {"averaging": 1},
     {"content_weight": -1}, {"start": "there"}, {"features": "vgg16"}, {"colour": 1}],
)  # fmt: skip
def test_recipes_that_make_no_sense_are_refused(wrong):
    with pytest.raises(ValidationError):
        _recipe(**wrong)
