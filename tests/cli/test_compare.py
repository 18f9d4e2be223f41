"""``sfumato compare``: plans by name and file, pages, figures, sentences."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from sfumato.compare import measures

from ..compare.conftest import FakeJudge

pytestmark = pytest.mark.usefixtures("descent")

PLAN = """\
title: Two
common: {style: waves, stylizer: descent, size: 64}
pictures: [photo.png]
rows:
  - {name: few, options: {descent: {steps: 2}}}
  - {name: many, options: {descent: {steps: 20}}}
"""


@pytest.fixture
def judge(monkeypatch):
    monkeypatch.setattr(measures, "Judge", FakeJudge)


@pytest.fixture
def plan(photo):
    path = photo.parent / "plan.yaml"
    path.write_text(PLAN)
    return path


@pytest.mark.usefixtures("judge")
def test_a_page_and_its_figures(run, plan, tmp_path):
    out, numbers = tmp_path / "o", tmp_path / "n.json"
    result = run("compare", plan, "-o", out, "--together", "--json", numbers)
    assert result.code == 0, result.err
    lines = result.out.splitlines()
    assert lines[0].split()[:2] == ["way", "seconds"]
    assert [line.split()[0] for line in lines[1:]] == ["few", "many"]
    assert "2 cells done now" in result.err
    assert {path.name for path in out.iterdir()} == {
        "report.html", "report.json", "report.csv", "inputs", "cells",
    }  # fmt: skip
    assert json.loads(numbers.read_text()) == json.loads((out / "report.json").read_text())
    again = run("compare", plan, "-o", out, "--together")
    assert (again.code, "0 cells done now" in again.err) == (0, True)
    anew = run("compare", plan, "-o", out, "--together", "--overwrite", "--json", numbers)
    assert (anew.code, "2 cells done now" in anew.err) == (0, True)
    quiet = run("compare", plan, "-o", out, "--together", "--quiet")
    assert (quiet.code, quiet.err) == (0, "")


@pytest.mark.usefixtures("judge")
def test_changes_and_other_pictures(run, plan, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = run(
        "compare", plan, "--together", "--set", "steps=3", "--set", "blend=feather", "--seed", 5,
        "-p", "astronaut", "--set", "size=48",
    )  # fmt: skip
    assert result.code == 0, result.err
    assert "note: many says the same as few: done once" in result.err
    record = json.loads((tmp_path / "plan-comparison" / "report.json").read_text())
    assert record["pictures"] == ["astronaut"]
    settings = record["rows"][1]["settings"]
    assert (settings["steps"], settings["blend"], settings["seed"]) == (3, "feather", 5)


@pytest.mark.usefixtures("judge")
def test_what_breaks_is_told_and_the_page_is_written(run, plan, tmp_path):
    text = PLAN.replace("name: many,", "name: many, region: 'box:9000,0,9001,1',")
    plan.write_text(text)
    result = run("compare", plan, "-o", tmp_path / "o", "--together")
    assert result.code == 1
    assert "sfumato: many, photo: " in result.err
    assert "1 of 2 failed" in result.err
    assert "outside the picture" in (tmp_path / "o" / "report.html").read_text()


@pytest.mark.usefixtures("judge")
def test_sets_with_truth(run, tmp_path):
    plan = tmp_path / "cuts.yaml"
    plan.write_text(
        "common: {kind: segment, region: 'person'}\npictures: [astronaut]\n"
        "rows: [{name: a, segmenter: person}, {name: b, segmenter: person, size: 128}]\n"
    )
    result = run(
        "compare", plan, "-o", tmp_path / "o", "--together", "--data", "synthetic:5:64",
        "--split", "all", "--limit", 2,
    )  # fmt: skip
    assert result.code == 0, result.err
    assert "IoU" in result.out
    record = json.loads((tmp_path / "o" / "report.json").read_text())
    assert len(record["pictures"]) == 2
    assert all(0 <= row["means"]["iou"] <= 1 for row in record["rows"])


def test_the_plans_are_listed(run):
    result = run("compare", "--list")
    assert result.code == 0
    assert "paper5 " in result.out
    assert "Two models of one method" in result.out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "name a plan"),
        (("papr5",), "did you mean 'paper5'"),
        (("PLAN", "--set", "steps"), "--set takes KEY=VALUE"),
        (("PLAN", "--set", "stpes=3"), "did you mean 'steps'"),
        (("PLAN", "--set", "steps=1"), "option descent.steps"),
        (("PLAN", "-p", "none.png"), "there is no picture"),
        (("PLAN", "--data", "nowhere"), "does not exist"),
        (("PLAN", "-o", "PHOTO"), "is a file"),
        (("PLAN", "--json", "no/folder.json"), "does not exist"),
        (("PLAN", "--json", "PHOTO", "--overwrite"), "has another part in this job"),
        (("PLAN", "-o", "FULL"), "holds no comparison"),
    ],
    ids=lambda v: " ".join(v) if isinstance(v, tuple) else "",
)
def test_bad_usage_is_one_clear_sentence(run, plan, photo, tmp_path, monkeypatch, arguments, words):
    monkeypatch.chdir(tmp_path)
    names = {"PLAN": plan, "PHOTO": photo, "FULL": tmp_path}
    before = photo.read_bytes()
    result = run("compare", *(names.get(a, a) for a in arguments))
    assert result.code == 2
    assert words in " ".join(result.err.split())
    assert "Traceback" not in result.err
    assert photo.read_bytes() == before


@pytest.mark.slow
@pytest.mark.weights
@pytest.mark.skipif(sys.platform == "win32", reason="signals differ")
def test_ctrl_c_keeps_what_is_finished(plan, tmp_path, descent):
    text = PLAN.replace("steps: 20", "steps: 3000, pause: 0.01")
    plan.write_text(text)
    errors = tmp_path / "errors.txt"
    with errors.open("w") as stream:
        process = subprocess.Popen(
            [sys.executable, "-m", "sfumato", "compare", plan, "-o", tmp_path / "o"],
            stderr=stream, stdout=stream, env=os.environ | {"PYTHONPATH": str(descent)},
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
            start_new_session=True,
        )  # fmt: skip
        for _ in range(3000):
            if list((tmp_path / "o").glob("cells/*.json")):
                break
            assert process.poll() is None, errors.read_text()
            time.sleep(0.1)
        time.sleep(2)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does, to every process
        process.wait(60)
    said = errors.read_text()
    assert process.returncode == 130, said
    assert "Traceback" not in said
    assert "finished cells are kept" in said
    assert len(list((tmp_path / "o").glob("cells/*.json"))) == 1
