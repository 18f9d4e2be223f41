"""``sfumato evaluate segmenter``: tables, numbers, pages, sentences."""

from __future__ import annotations

import json
import signal
import time

import numpy as np
import pytest

from ..evaluate.sets import installed, shifted, write_pairs
from ..evaluate.test_boxes import PICTURES, SPLIT, write_boxes


@pytest.fixture(autouse=True)
def red(tmp_path, monkeypatch):
    with installed(tmp_path / "site", monkeypatch):
        yield tmp_path / "site"


@pytest.fixture
def squares(tmp_path):
    return write_pairs(tmp_path / "squares", [shifted(0, "a"), shifted(5, "b"), shifted(10, "c")])


@pytest.fixture
def art(tmp_path):
    return write_boxes(tmp_path / "art", PICTURES, SPLIT)


COMMAND = ("evaluate", "segmenter", "--segmenter", "red")


def test_a_table_numbers_and_a_page(run, squares, art, tmp_path):
    pytest.importorskip("matplotlib")
    numbers, page = tmp_path / "a.json", tmp_path / "a.html"
    result = run(*COMMAND, "--data", squares, "--data", art, "--json", numbers, "--html", page)
    assert (result.code, result.err) == (0, "")
    iou = np.mean([1, 15 / 25, 10 / 30])
    assert f"{iou:.4f} [0.333, 1.000]" in result.out
    assert "squares" in result.out
    assert "0.4000" in result.out  # boxes found
    plain = json.loads(numbers.read_text())
    assert plain["person_iou"] == pytest.approx(iou)
    assert [(r["data"], r["kind"]) for r in plain["reports"]] == [
        ("squares", "masks"), ("art", "boxes"),
    ]  # fmt: skip
    assert page.read_text().startswith("<!doctype html>")
    again = run(*COMMAND, "--data", squares, "--json", numbers)
    assert (again.code, again.err.endswith("give --overwrite to replace it\n")) == (2, True)


def test_several_segmenters_in_one_table(run, squares):
    result = run(*COMMAND, "--segmenter", "kmeans", "--data", squares, "--limit", "2")
    head, red, kmeans = result.out.splitlines()
    assert head.split()[:3] == ["segmenter", "data", "pictures"]
    assert red.split()[:3] == ["red", "squares", "2"]
    assert "0.8000 [0.600, 1.000]" in red
    assert kmeans.split()[:4] == ["kmeans", "squares", "2", "0.0000"]  # it knows no person


def test_options_and_regions(run, squares):
    deaf = run(*COMMAND, "--data", squares, "-O", "red.least=1")
    assert "0.0000 [0.000, 0.000]" in deaf.out  # nothing is redder than red
    rest = run(*COMMAND, "--data", squares, "--region", "not person", "--limit", "1")
    assert "1.0000 [1.000, 1.000]" in rest.out


def test_weights_are_given_to_our_own_net(run, squares, monkeypatch, tmp_path):
    from sfumato.cli import evaluate

    monkeypatch.setattr(evaluate, "NET", "red")
    result = run("evaluate", "segmenter", "--data", squares, "--weights", tmp_path / "mine.onnx")
    assert result.code == 2
    assert "red has no option 'weights'" in result.err


def test_what_is_broken_is_named_and_the_rest_measured(run, squares):
    (squares / "images" / "b.png").write_bytes(b"no picture")
    result = run(*COMMAND, "--data", squares)
    assert result.code == 0
    assert "passed over: " in result.err
    assert "b.png" in result.err
    assert run(*COMMAND, "--data", squares, "--quiet").err == ""


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--data", "nowhere"), "nowhere does not exist"),
        (("--data", "synthetic:2", "--segmenter", "rde"), "unknown segment backend 'rde'"),
        (("--data", "synthetic:2", "--region", "dog & ("), "expected"),
        (("--data", "synthetic:2", "-O", "red.leats=1"), "did you mean 'least'"),
        (("--data", "synthetic:2", "--matte", "gided"), "did you mean 'guided'"),
    ],
)
def test_sentences(run, arguments, words):
    result = run(*COMMAND, *arguments)
    assert result.code == 2
    assert words in result.err


def test_boxes_take_one_region(run, art):
    result = run(*COMMAND, "--data", art, "--region", "person", "--region", "dog")
    assert (result.code, "one region at a time" in result.err) == (2, True)


def test_interrupted_it_reports_what_it_has(start, squares, red, tmp_path):
    slow = (red / "red_backend.py").read_text().replace(
        "        soft =", "        __import__('time').sleep(0.5)\n        soft ="
    )  # fmt: skip
    (red / "red_backend.py").write_text(slow)
    numbers, many = tmp_path / "a.json", tmp_path / "many"
    write_pairs(many, [shifted(i % 5, str(i)) for i in range(60)])
    process = start(
        "-m", "sfumato", *COMMAND, "--data", many, "--json", numbers, path=red
    )  # fmt: skip
    time.sleep(4)
    process.send_signal(signal.SIGINT)
    err = process.communicate(timeout=60)[1]
    assert process.returncode == 130
    assert "interrupted" in err
    if "pictures were measured" in err:  # else it came before the first
        plain = json.loads(numbers.read_text())
        assert 0 < plain["reports"][0]["measured"] < 60
        assert plain["reports"][0]["interrupted"]


def test_the_group_lists_its_commands(run):
    assert "segmenter" in run("evaluate", "--help").out
