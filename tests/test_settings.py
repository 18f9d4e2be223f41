"""Settings check themselves and survive JSON."""

from __future__ import annotations

import json

import pytest

from sfumato.errors import UsageError
from sfumato.settings import Settings
from sfumato.studio import Studio


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"strength": 1.5}, "strength must be from 0 to 1; got 1.5"),
        ({"strength": float("nan")}, "strength"),
        ({"style_scale": 0}, "style scale must be from 0.25 to 4"),
        ({"size": 8}, "size must be from 32"),
        ({"seed": -1}, "seed"),
        ({"device": "tpu"}, "auto, cpu, cuda, mps; got 'tpu'"),
    ],
)
def test_out_of_bounds(values, words):
    with pytest.raises(UsageError, match=words):
        Settings(**values)


def test_json_round_trip():
    settings = Settings(strength=0.5, options={"guided": {"radius": 0.01}})
    assert Settings(**json.loads(json.dumps(settings.as_dict()))) == settings


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"matte": "guidde"}, "did you mean 'guided'"),
        ({"blend": "possion"}, "did you mean 'poisson'"),
        ({"segmenter": "modnte"}, "did you mean 'modnet'"),
        ({"options": {"magneta": {}}}, "did you mean 'magenta'"),
    ],
)
def test_a_studio_knows_its_backends_names(values, words):
    with pytest.raises(UsageError, match=words):
        Studio(Settings(**values))


def test_a_backend_is_built_once():
    studio = Studio()
    assert studio.compositor() is studio.compositor()
    assert studio.segmenter("kmeans", clusters=3) is studio.segmenter("kmeans", clusters=3)
    assert studio.segmenter("kmeans", clusters=3) is not studio.segmenter("kmeans", clusters=4)
