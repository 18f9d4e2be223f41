"""What the page's scripts can ask, and what they cannot."""

from __future__ import annotations

import base64
import time
import zipfile
from pathlib import Path

import pytest
from tests.server.conftest import Gate, over, photo

from sfumato.server.jobs import Job
from sfumato.server.page_calls import EXAMPLES, Calls


@pytest.fixture
def page(fake, open_desk, tmp_path):
    """The functions by name, the paths that were uploaded, and the desk."""

    class Page:
        desk = open_desk()
        uploads = set()  # noqa: RUF012 - of one test
        made = tmp_path / "made"

    calls = Calls(Page.desk, Page.uploads, Page.made, Page.uploads.add)
    for function in calls.functions():
        setattr(Page, function.__name__, staticmethod(function))
    return Page


def uploaded(page, tmp_path, data: bytes = b"") -> str:
    path = tmp_path / "uploaded.png"
    path.write_bytes(data or photo())
    page.uploads.add(str(path))
    return str(path)


def order(path: str, **more):
    files = [{"part": "photo", "name": "me.png", "path": path}]
    return {"kind": "paint", "order": {"style": "ink"}, "files": files} | more


def test_a_job_is_handed_in_looked_at_and_fetched(page, tmp_path):
    answer = page.ask(order(uploaded(page, tmp_path)))
    over(page.desk, answer["id"])
    look = page.look({"ids": [answer["id"], "unknown"]})
    assert list(look) == [answer["id"]]
    assert look[answer["id"]]["state"] == "done"
    url = page.fetch({"id": answer["id"]})["url"]
    assert url == f"data:image/png;base64,{base64.b64encode(b'picture').decode()}"
    offered = page.offer({"id": answer["id"]})
    assert Path(offered["path"]).read_bytes() == b"picture"
    assert offered["path"] in page.uploads  # swept with the uploads


@pytest.mark.parametrize("path", ["/etc/passwd", "../../etc/passwd", "uploaded.png", "", None])
def test_only_what_was_uploaded_is_opened(page, tmp_path, path):
    uploaded(page, tmp_path)
    answer = page.ask(order(path))
    assert answer == {"problem": "me.png is no longer here; choose it again", "gone": True}


def test_an_upload_that_was_swept_is_asked_for_again(page, tmp_path):
    path = uploaded(page, tmp_path)
    Path(path).unlink()
    assert page.ask(order(path))["gone"]


@pytest.mark.parametrize(
    "given",
    [
        None,
        [],
        "paint",
        {},
        {"kind": "delete", "order": {}, "files": []},
        {"kind": "paint", "order": {"style": "ink"}, "files": []},
        {"kind": "paint", "order": {"style": "inc"}, "files": "x"},
        {"kind": "paint", "order": {"size": "large"}, "files": []},
        {"kind": "paint", "order": {"style": "ink"}, "files": [{"part": "photo"}]},
    ],
)
def test_nonsense_is_answered_with_a_sentence(page, given):
    for function in (page.ask, page.look, page.fetch, page.offer, page.pack, page.end):
        answer = function(given)
        if "problem" not in answer:
            assert answer == {}
        else:
            assert "\n" not in answer["problem"]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"order": {"style": "inkk"}}, "inkk"),
        ({"order": {"style": "ink", "region": "file:/etc/passwd"}}, "/etc/passwd"),
        ({"order": {"style": "ink", "strength": 2}}, "strength"),
        ({"order": {"style": "ink", "sized": 2}}, "sized"),
    ],
)
def test_an_order_is_checked_before_it_waits(page, tmp_path, change, expected):
    answer = page.ask(order(uploaded(page, tmp_path), **change))
    assert expected in answer["problem"]
    assert page.desk.load() == {"waiting": 0, "running": 0}


def test_strokes_come_inside_the_call(page, tmp_path):
    asked = order(uploaded(page, tmp_path))
    asked["order"]["region"] = "file:area.png"
    stroke = {"part": "files", "name": "area.png", "data": base64.b64encode(photo()).decode()}
    asked["files"].append(stroke)
    assert "id" in page.ask(asked)
    asked["files"][-1] = stroke | {"data": "no base64!"}
    assert "did not arrive whole" in page.ask(asked)["problem"]


def test_a_full_line_says_when_to_come_again(page, fake, tmp_path, open_desk):
    fake.act = gate = Gate()
    try:
        answers = [
            page.ask(order(uploaded(page, tmp_path, photo(seed=seed)))) for seed in range(12)
        ]
    finally:
        gate.leave.set()
    full = [answer for answer in answers if "problem" in answer]
    assert full
    assert all(answer["again"] >= 1 for answer in full)


def test_ending_a_job_that_is_over_keeps_its_result(page, tmp_path):
    job = page.ask(order(uploaded(page, tmp_path)))["id"]
    over(page.desk, job)
    assert page.end({"id": job}) == {}
    assert "url" in page.fetch({"id": job})


def test_a_running_job_is_ended(page, fake, tmp_path):
    fake.act = gate = Gate()
    job = page.ask(order(uploaded(page, tmp_path)))["id"]
    gate.entered.wait(10)
    page.end({"id": job})
    assert over(page.desk, job).state == "cancelled"


def test_results_are_packed_under_harmless_names(page, tmp_path):
    jobs = [
        page.ask(order(uploaded(page, tmp_path), order={"style": style}))["id"]
        for style in ("ink", "waves")
    ]
    for job in jobs:
        over(page.desk, job)
    answer = page.pack({"files": {jobs[0]: "../../me", jobs[1]: "you"}})
    with zipfile.ZipFile(answer["path"]) as archive:
        assert sorted(archive.namelist()) == ["_.._me.png", "you.png"]


def test_progress_is_told_from_what_earlier_jobs_took(page):
    calls = Calls(page.desk, set(), page.made, lambda path: None)
    now = time.time()

    def job(state: str, started: float, **more):
        asked = {"size": 1024}
        times = {"started": started, "ended": now if state == "done" else None}
        return Job("a", "paint", asked, (), "k", now - 99, state, **times, **more)

    first = calls._progress(job("running", now - 3))
    assert first["share"] is None  # nothing to tell it from
    assert first["ran"] == pytest.approx(3, abs=0.5)
    calls._progress(job("done", now - 8))
    later = calls._progress(job("running", now - 2))
    assert later["share"] == pytest.approx(0.25, abs=0.05)
    assert later["left"] == pytest.approx(6, abs=0.5)
    assert calls._progress(job("running", now - 20))["left"] == 0
    steps = calls._progress(job("running", now - 10, stage="optimise", fraction=0.2))
    assert steps["share"] == 0.2
    assert steps["left"] == pytest.approx(40, abs=2)


def test_examples_are_there_and_nothing_else(page):
    for path in EXAMPLES.glob("*.jpg"):
        url = page.example({"name": path.name})["url"]
        assert url.startswith("data:image/jpeg;base64,")
    assert "problem" in page.example({"name": "../page.css"})
    assert "problem" in page.example({"name": 3})
