"""Settings check themselves and survive JSON."""

from __future__ import annotations

import json

import pytest
from pydantic import BaseModel

from sfumato import registry
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
        ({"max_memory": 0.01}, "max memory must be from 0.1 to 4096; got 0.01"),
        ({"max_memory": float("inf")}, "max memory"),
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


@pytest.mark.parametrize(
    ("settings", "options"),
    [
        ({}, {}),
        ({"style_scale": 1, "max_memory": None}, {}),
        ({"style_scale": 2.0, "max_memory": 1.5}, {"style_scale": 2.0, "max_memory": 1.5}),
        ({"max_memory": 3}, {"max_memory": 3}),
        ({"style_scale": 2.0, "options": {"magenta": {"style_scale": 3}}}, {"style_scale": 2.0}),
        ({"options": {"magenta": {"style_scale": 3}}}, {"style_scale": 3}),
    ],
)
def test_dials_reach_a_stylizer_that_has_them(monkeypatch, settings, options):
    class Model(BaseModel):
        style_scale: float = 1
        max_memory: float | None = None

    monkeypatch.setattr(registry, "options_model", lambda kind, name: Model)
    monkeypatch.setattr(registry, "build", lambda kind, name, context, options: options)
    assert Studio(Settings(**settings)).stylizer(None) == options


def test_dials_do_not_reach_a_stylizer_without_them(monkeypatch):
    monkeypatch.setattr(registry, "build", lambda kind, name, context, options: options)
    studio = Studio(Settings(max_memory=2, style_scale=0.5))
    assert studio.stylizer("magenta") == {"style_scale": 0.5}


def test_a_backend_is_built_once():
    studio = Studio()
    assert studio.compositor() is studio.compositor()
    assert studio.segmenter("kmeans", clusters=3) is studio.segmenter("kmeans", clusters=3)
    assert studio.segmenter("kmeans", clusters=3) is not studio.segmenter("kmeans", clusters=4)
