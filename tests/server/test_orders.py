"""What can be asked of the server."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfumato import registry
from sfumato.errors import UsageError
from sfumato.server import forms
from sfumato.server.orders import KINDS, Cut, LayerOrder, Optimise, Paint, Place, remote_options
from sfumato.settings import Settings


def test_defaults_are_those_of_the_command_line():
    assert Paint(style="nocturne").settings() == Settings()
    assert Cut().settings() == Settings()
    assert Place().settings() == Settings()


def test_one_layer_or_several():
    one = Paint(style="nocturne", region="background", stylizer="adain")
    assert one.all_layers() == (
        LayerOrder(region="background", style="nocturne", stylizer="adain"),
    )
    several = Paint(layers=[LayerOrder(style="waves"), LayerOrder(style="nocturne")])
    assert [layer.style for layer in several.all_layers()] == ["waves", "nocturne"]
    with pytest.raises(UsageError, match="either a style"):
        Paint(style="waves", layers=[LayerOrder(style="nocturne")])
    with pytest.raises(UsageError, match="either a style"):
        Paint()


def test_optimising_is_painting_with_gatys():
    order = Optimise(style="waves", preset="classic", steps=7, options={"gatys": {"steps": 9}})
    assert order.all_layers()[0].stylizer == "gatys"
    assert order.settings().options["gatys"] == {"preset": "classic", "steps": 9}


def test_placing_takes_the_options_of_place():
    order = Place(x=0.5, y=1, grain=0, size=512)
    assert (order.placing().x, order.placing().grain, order.settings().size) == (0.5, 0, 512)
    with pytest.raises(UsageError, match="both x and y"):
        Place(x=0.5)


@pytest.mark.parametrize(
    ("order", "sent", "message"),
    [
        (Paint(style="nocturn"), (), "did you mean 'nocturne'"),
        (Paint(style="/etc/passwd"), (), "no style"),
        (Paint(style="mine.jpg"), ("other.jpg",), "no style 'mine.jpg'"),
        (Paint(style="waves", region="file:/etc/passwd"), (), "was not sent along"),
        (Paint(style="waves", style_region="file:m.png"), (), "was not sent along"),
        (Paint(style="waves", region="person &"), (), "region:"),
        (Paint(style="waves", stylizer="magneta"), (), "did you mean 'magenta'"),
        (Cut(region='person - file:"a b.png"'), (), "'a b.png', which was not sent"),
        (Cut(segmenter="modnt"), (), "did you mean 'modnet'"),
        (Cut(matte="guide"), (), "did you mean 'guided'"),
        (Place(region="file:x"), (), "was not sent along"),
        (Place(stylizer="nothing"), (), "unknown stylize backend"),
    ],
)
def test_what_is_wrong_is_said_before_the_job_waits(order, sent, message):
    with pytest.raises(UsageError, match=message):
        order.check(sent)


def test_files_that_were_sent_may_be_named():
    Paint(style="mine.jpg", region="file:mask.png").check({"mine.jpg", "mask.png"})


@pytest.mark.parametrize(
    ("backend", "option"),
    [
        ("net", "weights"), ("file", "path"), ("instances", "file"), ("instances", "model"),
        ("instances", "names"), ("gatys", "vgg"),
    ],
)  # fmt: skip
def test_no_option_names_a_file_of_the_server(backend, option):
    with pytest.raises(UsageError, match="has no option"):
        Cut(options={backend: {option: "/etc/passwd"}})


def test_options_that_take_a_path_are_known_by_their_schema():
    """A new option of this kind must not slip through."""
    words = ("path", "file", "folder")
    for kind in registry.KINDS:
        for name in registry.backends(kind):
            for field, info in remote_options(kind, name).model_fields.items():
                about = (info.description or "").lower().split()
                named = {word.strip(".,;:") for word in about} & set(words)
                assert not named, f"{name}.{field}: {info.description}"


def test_the_other_options_may_be_set_and_are_checked():
    assert Cut(options={"modnet": {"size": 512}}).settings().options["modnet"] == {"size": 512}
    with pytest.raises(UsageError, match=r"modnet\.size"):
        Cut(options={"modnet": {"size": 5}})
    with pytest.raises(UsageError, match="no backend 'modnot'"):
        Cut(options={"modnot": {}})


def test_forms_carry_the_same():
    fields = {
        "layers": json.dumps([{"region": "person", "style": "waves"}]),
        "options": '{"modnet": {"size": 512}}', "strength": "0.5", "keep_colors": "true",
        "segmenter": "",
    }  # fmt: skip
    order = forms.read("paint", fields)
    assert order == Paint(
        layers=[LayerOrder(region="person", style="waves")], options={"modnet": {"size": 512}},
        strength=0.5, keep_colors=True,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "fields", "message"),
    [
        ("paint", {"style": "waves", "strenght": "1"}, "did you mean 'strength'"),
        ("paint", {"style": "waves", "strength": "nan"}, "strength"),
        ("paint", {"style": "waves", "strength": "2"}, "strength"),
        ("paint", {"layers": "[{"}, "layers takes JSON"),
        ("paint", {"layers": "[" * 100_000}, "layers takes JSON"),
        ("paint", {"layers": '{"a": 1}'}, "layers"),
        ("paint", {"style": "waves", "options": "3"}, "options"),
        ("paint", {"style": "waves", "device": "cuda"}, "no option 'device'"),
        ("cut", {"size": "1e9"}, "size"),
        ("place", {"x": "0.5"}, "both x and y"),
        ("place", {"height": "-1"}, "height"),
        ("inspect", {"look": "around"}, "look"),
        ("inspect", {"net": "/etc/passwd.safetensors"}, "net"),
        ("inspect", {"size": "5000"}, "size"),
    ],
)
def test_bad_forms_get_one_sentence(kind, fields, message):
    with pytest.raises(UsageError, match=message):
        forms.read(kind, fields)


FIELDS = st.dictionaries(
    st.sampled_from(["style", "region", "options", "layers", "strength", "size", "seed", "x"])
    | st.text(max_size=8),
    st.text(max_size=30),
    max_size=5,
)


@given(st.sampled_from(sorted(KINDS)), FIELDS)
def test_any_form_is_an_order_or_a_usage_error(kind, fields):
    try:
        order = forms.read(kind, fields)
        order.check(())
    except UsageError:
        return
    assert isinstance(order, KINDS[kind])


@pytest.mark.parametrize(
    ("sent", "message"),
    [
        ([], "one file for 'photo', got 0"),
        ([("photo", "a"), ("photo", "b")], "one file for 'photo', got 2"),
        ([("photo", "a"), ("phto", "b")], "did you mean 'photo'"),
        ([("photo", "a"), ("files", "b"), ("files", "b")], "two files are called 'b'"),
    ],
)
def test_files_must_be_those_that_are_needed(sent, message):
    with pytest.raises(UsageError, match=message):
        forms.check_parts("cut", sent)


@pytest.mark.parametrize("kind", KINDS)
def test_the_schema_names_every_field_and_every_backend(kind):
    form = forms.schema(kind)["content"]["multipart/form-data"]["schema"]
    assert set(KINDS[kind].model_fields) | set(KINDS[kind].PARTS) | {"files"} == set(
        form["properties"]
    )
    options = form["properties"]["options"]["contentSchema"]["properties"]
    assert options["modnet"]["properties"]["size"]["maximum"] == 2048
    assert "path" not in options["file"]["properties"]
