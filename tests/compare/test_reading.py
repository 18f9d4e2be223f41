"""Plans: what they say, merged and found from anywhere; and what is wrong with them, by line."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfumato.compare import reading
from sfumato.compare.plan import Column, effective
from sfumato.errors import UsageError
from sfumato.optimise.recipe import preset

DOCS = Path(__file__).parents[2] / "docs" / "compare.md"

SMALL = """\
title: Two ways
common:
  style: waves
  size: 64
  options: {magenta: {interpolation: 0.5}, guided: {radius: 0.01}}
pictures:
  - one.png
  - {picture: two.png, name: second, style: mask.png}
rows:
  - name: a
  - name: b
    size: 96
    region: file:mask.png
    options: {magenta: {grain: 1e-1}}
"""


def test_rows_say_what_is_common_and_what_is_their_own(write, folder):
    plan = reading.read(write(SMALL))
    assert (plan.name, plan.title, plan.side) == ("plan", "Two ways", 512)
    a, b = plan.rows
    assert (a.kind, a.style, a.size, a.region) == ("paint", "waves", 64, "everything")
    assert a.options == {"magenta": {"interpolation": 0.5}, "guided": {"radius": 0.01}}
    assert b.size == 96
    assert b.options["magenta"] == {"interpolation": 0.5, "grain": 0.1}  # a number, whatever YAML
    assert b.region == f'file:"{folder / "mask.png"}"'
    assert b.settings.size == 96


def test_paths_are_relative_to_the_plan(write, folder, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    one, two = reading.read(write(SMALL)).pictures
    assert (one.picture, one.name, one.style) == (str(folder / "one.png"), "one", None)
    assert (two.name, two.style) == ("second", str(folder / "mask.png"))


def test_pictures_given_instead_are_relative_to_the_present_folder(write, folder, monkeypatch):
    path = write(SMALL)
    monkeypatch.chdir(folder.parent)
    given_ = [Column(picture="plans/two.png", name=None, truth=None, style=None, limit=None)]
    (only,) = reading.read(path, pictures=given_).pictures
    assert only.picture == str(folder / "two.png")
    (sample,) = reading.read(path, pictures=[Column.model_validate("astronaut")]).pictures
    assert Path(sample.picture).is_file()


def test_changes_are_said_of_every_row(write):
    changes = {"size": 80, "guided.radius": 0.02, "interpolation": 0.25, "blend": "poisson"}
    for row in reading.read(write(SMALL), changes).rows:
        assert (row.size, row.blend) == (80, "poisson")
        assert row.options["guided"] == {"radius": 0.02}
        assert row.options["magenta"]["interpolation"] == 0.25


def test_the_side_is_the_plans(write):
    assert reading.read(write(SMALL), {"side": 96}).side == 96
    with pytest.raises(UsageError, match="side: "):
        reading.read(write(SMALL), {"side": 9})


def test_the_plan_in_the_docs_can_be_read(write, folder):
    (block,) = re.findall(r"```yaml\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)
    for name in re.findall(r"[\w-]+\.(?:jpg|png)", block):
        (folder / name).write_bytes((folder / "one.png").read_bytes())
    plan = reading.read(write(block))
    assert len(plan.rows) == 5
    assert {row.kind for row in plan.rows} == {"paint", "given", "cut"}
    assert plan.pictures[1].truth is not None


def test_files_in_changes_are_relative_to_the_present_folder(write, folder, monkeypatch):
    path = write(SMALL)
    (folder / "here").mkdir()
    (folder / "here" / "mine.png").write_bytes((folder / "one.png").read_bytes())
    monkeypatch.chdir(folder / "here")
    row = reading.read(path, {"style": "mine.png"}).rows[0]
    assert row.style == str(folder / "here" / "mine.png")


def test_a_share_of_the_steps_is_done(write):
    text = """\
common: {style: waves, stylizer: gatys}
pictures: [one.png]
rows:
  - {name: a, options: {gatys: {preset: paper4}}}
  - {name: b, options: {gatys: {steps: 30}}}
  - {name: c, stylizer: magenta}
"""
    a, b, c = reading.read(write(text), {"share_of_steps": 0.1}).rows
    assert a.options["gatys"]["steps"] == preset("paper4").steps // 10
    assert b.options["gatys"]["steps"] == 3
    assert c.options == {}


def test_options_as_they_work():
    own = effective("gatys", {"preset": "paper2", "style_weight": 5.0})
    assert own["content_weight"] == preset("paper2").content_weight
    assert own["style_weight"] == 5.0
    assert "source" not in own
    assert effective("magenta", {})["interpolation"] is not None


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ("size: 96", "sise: 96", 12, "did you mean 'size'"),
        ("title: Two", "titel: Two", 1, "did you mean 'title'"),
        ("size: 96", "size: many", 12, "rows.1.size: "),
        ("size: 96", "size: 5", 11, "row 'b': size must be from 32"),
        ("- name: a", "- note: a", 10, "lacks 'rows.0.name'"),
        ("- name: b", "- name: a", 11, "two rows are called 'a'"),
        ("grain:", "grian:", 11, "did you mean 'grain'"),
        ("options: {magenta: {grain", "options: {magneta: {grain", 11, "did you mean 'magenta'"),
        ("region: file:mask.png", "region: (person", 11, "row 'b': region"),
        ("region: file:mask.png", "stylizer: adian", 11, "did you mean 'adain'"),
        ("region: file:mask.png", "kind: draw", 13, "rows.1.kind"),
        ("region: file:mask.png", "kind: place", 11, "place needs a painting"),
        ("region: file:mask.png", "kind: given", 11, "given needs a result"),
        ("region: file:mask.png", "style: wavs", 11, "did you mean 'waves'"),
        ("region: file:mask.png", "size: 96", 13, "rows.1.size is said twice"),
        ("  - one.png", "  - none.png", 7, "there is no picture"),
        ("  - one.png", "  - {name: x}", 7, "either a picture or a set"),
        ("  style: waves", "  seed: 0", 10, "row 'a' has no style"),
        ("rows:", "rows: [", 10, "this is not YAML"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_its_line(write, old, new, line, words):
    assert old in SMALL
    with pytest.raises(UsageError) as raised:
        reading.read(write(SMALL.replace(old, new)))
    message = str(raised.value)
    assert words in message
    assert f"plan.yaml, line {line}: " in message


@pytest.mark.parametrize("text", ["", "- a\n- b", "just words", "\x00"])
def test_what_is_no_plan(write, text):
    with pytest.raises(UsageError):
        reading.read(write(text))


@given(st.text(max_size=60))
def test_any_text_is_a_plan_or_a_sentence(tmp_path_factory, text):
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_text(text, encoding="utf-8", errors="replace")
    with pytest.raises(UsageError):
        reading.read(str(path))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"szie": 3}, "did you mean 'size'"),
        ({"magneta.grain": 3}, "did you mean 'magenta'"),
        ({"size": 1}, "size must be from 32"),
        ({"interpolatoin": 3}, "did you mean 'interpolation'"),
    ],
)
def test_changes_that_nobody_knows(write, changes, words):
    with pytest.raises(UsageError, match=words):
        reading.read(write(SMALL), changes)


def test_a_plan_that_is_not_there(tmp_path):
    with pytest.raises(UsageError, match="did you mean 'paper5'"):
        reading.read("papr5")
    with pytest.raises(UsageError, match="there is no plan"):
        reading.read(str(tmp_path / "none.yaml"))


@pytest.mark.parametrize("name", sorted(reading.names()))
def test_plans_that_come_along_can_be_read(name):
    plan = reading.read(name)
    assert plan.title == reading.names()[name]
    assert plan.about
    assert len(plan.rows) > 1


def test_the_five_settings_differ_one_at_a_time():
    first, *others, everything, second = reading.read("paper5-one-at-a-time").rows
    base = effective("gatys", first.options["gatys"])
    changed = []
    for row in others:
        own = effective("gatys", row.options["gatys"])
        changed.append({k for k in base if own[k] != base[k]} - {"preset"})
    weights = {"content_weight", "style_weight"}
    assert changed == [{"steps"}, set(), weights, {"style"}, {"learning_rate"}]
    own = effective("gatys", everything.options["gatys"])
    model = effective("gatys", second.options["gatys"])
    for name in ("steps", "learning_rate", *weights):
        assert own[name] == model[name]
    # the layers' weights are model 2's 1, .8, .5, .3, .1 where 1, .75, .2, .2, .2 stood
    printed = zip((1, 0.8, 0.5, 0.3, 0.1), (1, 0.75, 0.2, 0.2, 0.2), strict=True)
    ratios = [a / b for a, b in zip(own["style"].values(), base["style"].values(), strict=True)]
    assert ratios == pytest.approx([new / old for new, old in printed])
