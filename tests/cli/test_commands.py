"""The small commands: cut, styles, backends, weights, help."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image as PillowImage

import sfumato
from sfumato import registry, styles
from sfumato.io import weights

COMMANDS = [
    "paint", "cut", "place", "replay", "ablate", "styles", "backends", "weights", "serve", "worker",
    "compare", "inspect",
]  # fmt: skip


def test_version(run):
    assert run("--version").out == f"sfumato {sfumato.__version__}\n"


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help(run, command):
    result = run(*filter(None, [command]), "--help")
    assert result.code == 0
    for name in COMMANDS if not command else ["Options"]:
        assert name in result.out


def test_module_runs_as_a_command():
    line = [sys.executable, "-m", "sfumato", "--version"]
    assert subprocess.run(line, capture_output=True, text=True).stdout.startswith("sfumato ")


def test_cut_keeps_the_boxs_own_bytes(run, photo, tmp_path):
    assert run("cut", photo, "--region", "box:.5,0,1,1", "-o", tmp_path / "cut.png").code == 0
    before, after = (
        np.asarray(PillowImage.open(photo)),
        np.asarray(PillowImage.open(tmp_path / "cut.png")),
    )
    assert after.shape == (32, 48, 4)
    np.testing.assert_array_equal(after[:, 24:, :3], before[:, 24:])
    assert (after[:, 24:, 3] == 255).all()
    assert (after[:, :24, 3] == 0).all()


def test_cut_mask(run, photo, tmp_path):
    run("cut", photo, "--region", "not box:.5,0,1,1", "--mask", "-o", tmp_path / "mask.png")
    mask = PillowImage.open(tmp_path / "mask.png")
    assert mask.mode == "L"
    assert (np.asarray(mask)[:, :24] == 255).all()
    assert (np.asarray(mask)[:, 24:] == 0).all()


def test_the_default_names_of_cuts(run, photo):
    run("cut", photo, "--region", "everything")
    run("cut", photo, "--region", "everything", "--mask")
    assert {p.name for p in photo.parent.iterdir()} == {
        "photo.png", "photo-cut.png", "photo-mask.png",
    }  # fmt: skip


@pytest.mark.weights
def test_cut_a_person(run, astronaut_path, tmp_path):
    assert run("cut", astronaut_path, "-o", tmp_path / "cut.png").code == 0
    alpha = np.asarray(PillowImage.open(tmp_path / "cut.png"))[..., 3]
    assert (alpha[70:140, 195:250] == 255).all()
    assert (alpha[20:120, 20:60] == 0).all()


def test_style_names_one_a_line(run):
    lines = run("styles", "--names").out.splitlines()
    assert lines == [style.name for style in styles.catalogue()]
    assert len(lines) == len(set(lines)) > 30


def test_styles_table(run):
    out = run("styles").out
    for style in styles.catalogue():
        assert style.name in out


def test_every_style_has_a_plain_name_and_a_description():
    for style in styles.catalogue():
        assert style.name.replace("-", "").isalnum()
        assert style.name == style.name.lower()
        assert 3 <= len(style.description.split()) <= 14
    indices = sorted(s.index for s in styles.catalogue() if s.net == "magenta")
    assert indices == list(range(26))


@pytest.mark.weights
@pytest.mark.slow
def test_sheet(run, tmp_path):
    assert run("styles", "--sheet", tmp_path / "sheet.jpg").code == 0
    sheet = np.asarray(PillowImage.open(tmp_path / "sheet.jpg")).astype(int)
    assert sheet.shape[0] > 1000
    tiles = [sheet[12:332, x : x + 320] for x in (12, 344, 676)]
    assert min(np.abs(a - b).mean() for a in tiles for b in tiles if a is not b) > 8


def test_backends(run):
    out = run("backends").out
    for kind in registry.KINDS:
        for name in registry.backends(kind):
            assert name in out


def test_backends_as_json(run):
    entries = {(e["kind"], e["name"]): e for e in json.loads(run("backends", "--json").out)}
    assert entries["matte", "guided"]["default"]
    assert entries["segment", "kmeans"]["options"]["properties"]["clusters"]["default"] == 4
    assert set(entries) == {(k, n) for k in registry.KINDS for n in registry.backends(k)}


def test_weights_list(run):
    out = run("weights", "list").out
    for name in weights.entries():
        assert name in out


def test_weights_verify(run, tmp_path, monkeypatch):
    entry = weights.entries()["magenta-predict"]
    monkeypatch.setenv("SFUMATO_WEIGHTS", str(tmp_path))
    (tmp_path / entry.file).write_bytes(b"not it")
    result = run("weights", "verify", "magenta-predict")
    assert result.code == 1
    assert entry.sha256 in result.out
    assert run("weights", "verify", "nothing-like-it").code == 2


@pytest.mark.weights
def test_weights_fetch(run):
    result = run("weights", "fetch", "magenta-predict")
    assert result.code == 0
    assert weights.entries()["magenta-predict"].file in result.out
    assert run("weights", "verify", "magenta-predict").code == 0
