"""Backends are found by file name, described without import, and built from plain values."""

from __future__ import annotations

import pytest
from pydantic import BaseModel

from sfumato import registry
from sfumato.errors import MissingExtraError, UsageError
from sfumato.types import Context

ALL = [(b.kind, b.name) for kind in registry.KINDS for b in registry.backends(kind).values()]


def test_the_named_backends_are_there():
    names = {kind: set(registry.backends(kind)) for kind in registry.KINDS}
    assert names["segment"] >= {"modnet", "selfie", "u2netp", "grabcut", "kmeans", "file"}
    assert names["matte"] >= {"guided", "closed-form", "crf"}
    assert names["stylize"] >= {"magenta", "adain"}
    assert names["compose"] >= {"alpha", "feather", "multiband", "poisson"}


def test_defaults_exist():
    for kind, name in registry.DEFAULTS.items():
        assert name in registry.backends(kind)
    for label, name in registry.FIRST_CHOICE.items():
        assert label in registry.backends("segment")[name].classes


@pytest.mark.parametrize(("kind", "name"), ALL)
def test_every_backend_is_described(kind, name):
    backend = registry.find(kind, name)
    assert backend.summary
    assert backend.summary.endswith(".")
    assert bool(backend.extra) >= bool(backend.missing)


@pytest.mark.parametrize(("kind", "name"), ALL)
def test_every_option_has_a_description_and_forbids_others(kind, name):
    model = registry.options_model(kind, name)
    assert issubclass(model, BaseModel)
    assert model.model_config["extra"] == "forbid"
    for field, info in model.model_fields.items():
        assert info.description, f"{name}.{field}"


def test_a_misspelt_backend_offers_the_nearest():
    with pytest.raises(UsageError, match="did you mean 'guided'"):
        registry.find("matte", "guidde")


def test_a_misspelt_option_offers_the_nearest():
    with pytest.raises(UsageError, match="did you mean 'clusters'"):
        registry.build("segment", "kmeans", Context(), {"cluster": 3})


@pytest.mark.parametrize("value", ["99", "-1", "many", "nan"])
def test_an_option_out_of_bounds_is_refused_in_one_sentence(value):
    with pytest.raises(UsageError, match=r"option kmeans\.clusters: .*got "):
        registry.build("segment", "kmeans", Context(), {"clusters": value})


def test_an_unknown_class_lists_the_known_ones():
    with pytest.raises(UsageError, match="did you mean 'person'.*subject"):
        registry.segmenter_for("persn")


def test_an_unknown_kind():
    with pytest.raises(UsageError, match="segment, matte, stylize, compose"):
        registry.backends("paint")


def test_a_missing_library_names_the_extra(monkeypatch):
    from dataclasses import replace

    absent = replace(registry.find("stylize", "adain"), missing=("torch",))
    monkeypatch.setattr(registry, "find", lambda kind, name: absent)
    with pytest.raises(MissingExtraError, match=r"pip install 'sfumato\[torch\]'"):
        registry.build("stylize", "adain", Context())
    assert absent.install_line == "pip install 'sfumato[torch]'"


def test_a_third_party_backend_comes_by_entry_point(monkeypatch, tmp_path):
    (tmp_path / "their_blend.py").write_text(
        "from pydantic import BaseModel, Field\n"
        "class Options(BaseModel, extra='forbid'):\n"
        "    share: float = Field(0.5, description='of the foreground')\n"
        "def build(options, context):\n"
        "    return lambda f, b, a: f * options.share\n"
    )
    meta = tmp_path / "their-1.0.dist-info"
    meta.mkdir()
    (meta / "METADATA").write_text("Metadata-Version: 2.1\nName: their\nVersion: 1.0\n")
    (meta / "entry_points.txt").write_text("[sfumato.compose]\nhalf = their_blend\n")
    monkeypatch.syspath_prepend(tmp_path)
    registry.backends.cache_clear()
    try:
        assert registry.find("compose", "half").summary == "from their"
        assert registry.build("compose", "half", Context(), {"share": 0.25})(4, 0, 0) == 1
    finally:
        registry.backends.cache_clear()
