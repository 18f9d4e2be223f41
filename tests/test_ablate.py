"""Grids of settings: which combinations, how painted, how drawn."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfumato import ablate, sheets
from sfumato.ablate import Vary
from sfumato.errors import UsageError
from sfumato.files import prepare
from sfumato.finder import Finder
from sfumato.settings import Settings

from .descent import installed


@pytest.fixture
def descent(tmp_path, monkeypatch):
    with installed(tmp_path / "site", monkeypatch):
        yield


@pytest.mark.parametrize(
    ("text", "name", "values"),
    [
        ("strength=0.5,1", "strength", ("0.5", "1")),
        (" guided.radius = 0.01 , 0.02 ", "guided.radius", ("0.01", "0.02")),
        ("layers=conv1_1,conv2_1;conv3_1", "layers", ("conv1_1,conv2_1", "conv3_1")),
        ("path=a=b", "path", ("a=b",)),
    ],
)
def test_parse(text, name, values):
    assert ablate.parse(text) == Vary(name, values)


@given(
    st.from_regex(r"[a-z_.]{1,12}", fullmatch=True),
    st.lists(st.from_regex(r"[\w.+-]{1,8}", fullmatch=True), min_size=1, unique=True),
)
def test_what_is_joined_is_parsed(name, values):
    assert ablate.parse(f"{name}={','.join(values)}") == Vary(name, tuple(values))


@pytest.mark.parametrize("text", ["", "strength", "=1,2", "strength=", "strength=1,", "a=1,1"])
def test_parse_refuses(text):
    with pytest.raises(UsageError, match="--vary"):
        ablate.parse(text)


def test_the_first_name_varies_along_the_columns():
    varied = [Vary("strength", ("0", "1")), Vary("blend", ("alpha", "poisson", "feather"))]
    cells = ablate.plan(Settings(seed=7), varied)
    assert [(c.settings.strength, c.settings.blend) for c in cells] == [
        (0.0, "alpha"), (1.0, "alpha"), (0.0, "poisson"), (1.0, "poisson"), (0.0, "feather"),
        (1.0, "feather"),
    ]  # fmt: skip
    assert cells[1].choice == {"strength": "1", "blend": "alpha"}
    assert {c.settings.seed for c in cells} == {7}


def test_options_of_the_stylizer_need_no_backends_name():
    given_ = Settings(options={"magenta": {"interpolation": 0.5}, "guided": {"radius": 0.01}})
    (cell,) = ablate.plan(given_, [Vary("grain", ("0.05",)), Vary("guided.eps", ("1e-4",))])
    assert cell.settings.options == {
        "magenta": {"interpolation": 0.5, "grain": "0.05"},
        "guided": {"radius": 0.01, "eps": "1e-4"},
    }
    (adain,) = ablate.plan(Settings(), [Vary("alpha", ("0.5",))], "adain")
    assert adain.settings.options == {"adain": {"alpha": "0.5"}}


def test_a_setting_comes_before_an_option_of_the_same_name():
    (cell,) = ablate.plan(Settings(), [Vary("style_scale", ("2",))])
    assert cell.settings.style_scale == 2.0
    assert cell.settings.options == {}


@pytest.mark.parametrize(
    ("name", "value", "kept"),
    [("keep_colors", "true", True), ("size", "64", 64), ("max_memory", "2", 2.0),
     ("segmenter", "kmeans", "kmeans")],
)  # fmt: skip
def test_a_settings_value_has_its_own_type(name, value, kept):
    (cell,) = ablate.plan(Settings(), [Vary(name, (value,))])
    assert getattr(cell.settings, name) == kept
    assert type(getattr(cell.settings, name)) is type(kept)


def run(cells, photo, region="box:0,0,.5,1"):
    done = []
    results = ablate.paint(
        photo,
        prepare([(region, "waves", "descent")]),
        cells,
        next_cell=lambda: done.append(1),
    )
    assert len(done) == len(cells)
    return results


@pytest.mark.usefixtures("descent")
def test_each_cell_is_painted_its_own_way():
    photo = np.random.default_rng(0).random((40, 60, 3), dtype=np.float32)
    varied = [Vary("steps", ("2", "20"))]
    near, far = run(ablate.plan(Settings(), varied, "descent"), photo)
    assert (near.steps, far.steps) == (2, 20)
    assert far.losses["style"] < 1e-3 * near.losses["style"]
    np.testing.assert_array_equal(near.tile[:, 30:], photo[:, 30:])
    assert far.tile[:, :30].std(axis=(0, 1)).max() < 1e-4 < near.tile[:, :30].std()
    first, second = ablate.numbers([near, far])
    assert first["settings"]["options"]["descent"]["steps"] == "2"
    assert set(second["losses"]) == {"content", "style", "total"}


@pytest.mark.usefixtures("descent")
def test_a_region_is_found_once_for_cells_that_find_alike(monkeypatch):
    photo = np.random.default_rng(0).random((40, 60, 3), dtype=np.float32)
    runs = []
    run_ = Finder._run

    def counted(self, name, clusters=None):
        runs.extend([name] if (name, clusters) not in self._segments else [])
        return run_(self, name, clusters)

    monkeypatch.setattr(Finder, "_run", counted)
    plan = ablate.plan(
        Settings(), [Vary("steps", ("2", "3")), Vary("strength", (".5", "1"))], "descent"
    )
    results = run(plan, photo, "cluster:1/2")
    assert runs == ["kmeans"]
    alone = run(plan[3:], photo, "cluster:1/2")
    np.testing.assert_array_equal(results[3].tile, alone[0].tile)
    run(
        ablate.plan(Settings(), [Vary("matte", ("guided", "crf"))], "descent"), photo, "cluster:1/2"
    )
    assert len(runs) == 4


def test_the_grid_is_labelled():
    photo = np.zeros((40, 60, 3), np.float32)
    cells = ablate.plan(Settings(), [Vary("grain", ("0", "0.1"))])
    losses = {"content": 0.125, "style": 1234.5, "tv": 9, "total": 1243.6}
    results = [ablate.Result(c, photo, losses, 3, {"stylize": 2.34}) for c in cells]
    assert ablate._label(results[1]).splitlines() == [
        "grain = 0.1", "content 0.125", "style 1.23e+03", "total 1.24e+03", "2.3 s",
    ]  # fmt: skip
    grid = ablate.grid(results, 2)
    lines = 34 + 4 * 23
    assert grid.shape == (12 + 40 + lines + 12, 12 + 2 * 72, 3)
    assert (grid[12:52, 12:72] == 0).all()
    text = grid[52:-12] < 0.5
    assert text[:, :72].any()
    assert text[:, 72:].any()


def test_weights_that_vary_are_told():
    cell = ablate.Cell({"style_weight": "3"}, Settings())
    label = ablate._label(ablate.Result(cell, None, {"total": 2.0}, 1, {"stylize": 1.0}))
    assert "weighted total 2" in label


def test_a_sheet_of_one_line_labels_is_as_it_was():
    tiles = [np.full((8, 8, 3), shade, np.float32) for shade in (0.0, 0.5, 1.0)]
    sheet = sheets.grid(tiles, ["a", "b", "c"], columns=2)
    assert sheet.shape == (12 + 2 * (8 + 34 + 12), 12 + 2 * (8 + 12), 3)
    np.testing.assert_allclose(sheet[12:20, 12:20], 0)
    np.testing.assert_allclose(sheet[12 + 54 : 20 + 54, 12:20], 1)
