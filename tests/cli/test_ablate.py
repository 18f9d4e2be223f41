"""``sfumato ablate``: grids, numbers, sentences."""

from __future__ import annotations

import json
import signal
import sys

import numpy as np
import pytest
from PIL import Image as PillowImage

pytestmark = pytest.mark.usefixtures("descent")

WAVES = ("--style", "waves", "--stylizer", "descent", "--region", "box:0,0,.5,1")


def test_a_grid_and_its_numbers(run, photo, tmp_path):
    grid, numbers = tmp_path / "grid.png", tmp_path / "grid.json"
    result = run(
        "ablate", photo, *WAVES, "--vary", "style_weight=1,10,100", "--vary", "strength=0.5,1",
        "-o", grid, "--json", numbers,
    )  # fmt: skip
    assert (result.code, result.err) == (0, "note: about to descend\n")
    sheet = np.asarray(PillowImage.open(grid))
    assert sheet.shape[1] == 12 + 3 * (48 + 12)
    record = json.loads(numbers.read_text())
    assert record["layers"][0]["style"] == "waves"
    assert [cell["choice"] for cell in record["cells"]] == [
        {"style_weight": w, "strength": s} for s in ("0.5", "1") for w in ("1", "10", "100")
    ]
    one, ten, _ = (cell["losses"] for cell in record["cells"][:3])
    assert ten["style"] == pytest.approx(10 * one["style"])
    assert ten["content"] == pytest.approx(one["content"])
    assert [cell["settings"]["strength"] for cell in record["cells"]] == [0.5] * 3 + [1.0] * 3
    assert {cell["settings"]["size"] for cell in record["cells"]} == {512}
    assert all(cell["steps"] == 6 for cell in record["cells"])


def test_the_default_name_is_beside_the_photo(run, photo):
    assert run("ablate", photo, *WAVES, "--vary", "steps=2,3").code == 0
    assert (photo.parent / "photo-ablation.png").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--vary", "styel_weight=1,2"), "did you mean 'style_weight'"),
        (("--vary", "strenght=1,2"), "did you mean 'strength'"),
        (("--vary", "descnt.steps=2,3"), "did you mean 'descent'"),
        (("--vary", "guided.radiu=1"), "did you mean 'radius'"),
        (("--vary", "steps=2,1"), "option descent.steps"),
        (("--vary", "strength=1,2"), "strength must be from 0 to 1; got 2"),
        (("--vary", "strength=1,lots"), "--vary strength: "),
        (("--vary", "blend=alpha,possion"), "did you mean 'poisson'"),
        (("--vary", "steps"), "--vary takes NAME=V1,V2"),
        (("--vary", "steps=3,,4"), "--vary takes NAME=V1,V2"),
        (("--vary", "steps=3,3"), "has a value twice"),
        (("--vary", "steps=3", "--vary", "steps=4"), "two different ones"),
        (("--vary", "steps=3", "--vary", "size=64", "--vary", "seed=1"), "steps, size, seed"),
        ((), "--vary"),
        (("--vary", "steps=3", "-o", "PHOTO"), "is an input"),
        (("--vary", "steps=3", "-o", "g.png", "--json", "g.png"), "another part in this job"),
        (("--vary", "steps=3", "--json", "no/folder.json"), "does not exist"),
    ],
    ids=lambda v: " ".join(v) if isinstance(v, tuple) else "",
)
def test_bad_usage_is_one_clear_sentence(run, photo, tmp_path, monkeypatch, arguments, words):
    monkeypatch.chdir(tmp_path)
    before = set(tmp_path.iterdir())
    result = run("ablate", photo, *WAVES, *(photo if a == "PHOTO" else a for a in arguments))
    assert result.code == 2
    assert words in " ".join(result.err.split()).replace("│ ", "")
    assert "descend" not in result.err  # before anything was painted
    assert set(tmp_path.iterdir()) == before


def test_a_folder_is_not_one_photo(run, photo, tmp_path):
    (tmp_path / "photos").mkdir()
    for name in "ab":
        (tmp_path / f"photos/{name}.png").write_bytes(photo.read_bytes())
    result = run("ablate", tmp_path / "photos", *WAVES, "--vary", "steps=3", "-o", tmp_path / "o")
    assert "a folder of 2" in result.err


@pytest.mark.skipif(sys.platform == "win32", reason="signals differ")
def test_ctrl_c_leaves_no_half_grid(photo, tmp_path, descent, start):
    process = start(
        "-m", "sfumato", "ablate", photo, *WAVES, "--vary", "style_weight=1,2",
        "-O", "descent.steps=3000", "-O", "descent.pause=0.01", "-o", tmp_path / "grid.png",
        path=descent,
    )  # fmt: skip
    assert process.stderr.readline() == "note: about to descend\n"
    process.send_signal(signal.SIGINT)
    errors = process.communicate(timeout=60)[1]
    assert process.returncode == 130, errors
    assert "Traceback" not in errors
    assert "kept" not in errors
    assert not (tmp_path / "grid.png").exists()
