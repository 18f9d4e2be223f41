"""The line of jobs and those who do them, with workers that do what the tests say."""

from __future__ import annotations

import time

import pytest
from tests.server.conftest import Gate, over, photo, sent, wait_for

from sfumato.errors import UsageError
from sfumato.server.desk import FullError, LocalDesk, NoRoomError, Rules
from sfumato.server.orders import Cut, Paint
from sfumato.server.worker import Limits, Outcome

pytestmark = pytest.mark.usefixtures("fake")


def test_a_job_is_done_and_its_files_can_be_fetched(open_desk, tmp_path):
    ended = []
    desk = open_desk(ended=ended.append)
    job = over(desk, desk.hand_in("cut", Cut(), sent()).id)
    assert (job.state, job.fraction, job.result) == ("done", 1.0, "result.png")
    assert desk.fetch(job.id, "result.png") == b"picture"
    assert desk.fetch(job.id, "manifest.json") == b"{}"
    assert wait_for(lambda: ended)[0].id == job.id
    folder = tmp_path / "desk" / "jobs" / job.id
    left = ["manifest.json", "result.png"]
    wait_for(lambda: sorted(p.name for p in folder.iterdir()) == left)


@pytest.mark.parametrize("name", ["", "0", "../lock", "../../jobs.sqlite", "/etc/passwd", "x"])
def test_nothing_else_can_be_fetched(open_desk, name):
    desk = open_desk()
    job = over(desk, desk.hand_in("cut", Cut(), sent()).id)
    assert desk.fetch(job.id, name) is None


@pytest.mark.parametrize("job_id", ["", "nobody", "../desk", "' OR 1=1 --"])
def test_there_is_no_such_job(open_desk, job_id):
    desk = open_desk()
    assert desk.look(job_id) is None
    assert desk.fetch(job_id, "result.png") is None
    assert desk.end(job_id) is None


def test_equal_jobs_are_done_once(open_desk, fake):
    done = []

    def act(task, tell, stop):
        done.append(task)
        (task.folder / "result.png").write_bytes(b"first")
        return Outcome("result.png")

    fake.act = staticmethod(act)
    desk = open_desk()
    first = over(desk, desk.hand_in("cut", Cut(size=512), sent()).id)
    again = desk.hand_in("cut", Cut(size=512), sent())
    assert again.state == "done"
    assert again.id != first.id
    assert desk.fetch(again.id, again.result) == b"first"
    for order, files in ((Cut(size=513), sent()), (Cut(size=512), sent(photo(seed=1)))):
        over(desk, desk.hand_in("cut", order, files).id)
    assert len(done) == 3
    desk.end(first.id)  # removing one leaves the other
    assert desk.fetch(again.id, again.result) == b"first"


def test_equal_jobs_in_line_are_done_once(open_desk, fake):
    gate = Gate()
    calls = []

    def act(task, tell, stop):
        calls.append(task)
        return gate(task, tell, stop)

    fake.act = staticmethod(act)
    desk = open_desk()
    jobs = [desk.hand_in("cut", Cut(), sent()) for _ in range(3)]
    assert gate.entered.wait(60)
    gate.leave.set()
    assert {desk.fetch(over(desk, job.id).id, "result.png") for job in jobs} == {b"whole"}
    assert len(calls) == 1


def test_the_line_is_bounded(open_desk, fake):
    fake.act = gate = Gate()
    desk = open_desk(line=2)
    desk.hand_in("cut", Cut(seed=0), sent())
    assert gate.entered.wait(60)
    for seed in (1, 2):
        desk.hand_in("cut", Cut(seed=seed), sent())
    with pytest.raises(FullError, match="come again in") as full:
        desk.hand_in("cut", Cut(seed=3), sent())
    assert full.value.retry_after >= 1
    assert desk.load() == {"waiting": 2, "running": 1}
    gate.leave.set()
    wait_for(lambda: desk.load()["waiting"] == 0)
    desk.hand_in("cut", Cut(seed=3), sent())


def test_progress_is_shown(open_desk, fake):
    fake.act = gate = Gate()
    desk = open_desk()
    job = desk.hand_in("cut", Cut(), sent())
    assert gate.entered.wait(60)
    shown = desk.look(job.id)
    assert (shown.state, shown.stage, shown.fraction) == ("running", "work", 0.25)
    gate.leave.set()
    over(desk, job.id)


def test_a_waiting_job_is_cancelled_at_once(open_desk, fake, tmp_path):
    fake.act = gate = Gate()
    desk = open_desk()
    desk.hand_in("cut", Cut(seed=0), sent())
    assert gate.entered.wait(60)
    job = desk.hand_in("cut", Cut(seed=1), sent())
    assert desk.end(job.id).state == "cancelled"
    assert not (tmp_path / "desk" / "jobs" / job.id).exists()
    gate.leave.set()


def test_a_running_job_is_cancelled_and_leaves_nothing(open_desk, fake, tmp_path):
    fake.act = gate = Gate()
    desk = open_desk()
    job = desk.hand_in("cut", Cut(), sent())
    assert gate.entered.wait(60)
    desk.end(job.id)
    assert over(desk, job.id).state == "cancelled"
    assert desk.fetch(job.id, "result.png") is None
    wait_for(lambda: not (tmp_path / "desk" / "jobs" / job.id).exists())


def test_an_optimisation_can_be_stopped_and_kept(open_desk, fake):
    fake.act = gate = Gate()
    desk = open_desk()
    job = desk.hand_in("paint", Paint(style="waves"), sent())
    assert gate.entered.wait(60)
    desk.end(job.id, keep=True)
    kept = over(desk, job.id)
    assert kept.state == "done"
    assert desk.fetch(job.id, kept.result) == b"so far"
    gate.entered.clear()
    gate.leave.set()  # the same again is done in full
    again = desk.hand_in("paint", Paint(style="waves"), sent())
    assert again.state == "waiting"
    assert desk.fetch(over(desk, again.id).id, "result.png") == b"whole"


def test_a_failure_says_why(open_desk, fake, tmp_path):
    fake.act = staticmethod(lambda task, tell, stop: Outcome("", "no picture", "order"))
    desk = open_desk()
    job = over(desk, desk.hand_in("cut", Cut(), sent()).id)
    assert (job.state, job.message, job.blame) == ("failed", "no picture", "order")
    wait_for(lambda: not (tmp_path / "desk" / "jobs" / job.id).exists())


def test_removing_a_job_that_is_over(open_desk, tmp_path):
    desk = open_desk()
    job = over(desk, desk.hand_in("cut", Cut(), sent()).id)
    desk.end(job.id)
    assert desk.look(job.id) is None
    assert not (tmp_path / "desk" / "jobs" / job.id).exists()


def test_results_are_removed_after_a_time(open_desk, tmp_path, monkeypatch):
    monkeypatch.setattr("sfumato.server.desk.SWEEP", 0.02)
    desk = open_desk(keep=0.1)
    job = desk.hand_in("cut", Cut(), sent())
    wait_for(lambda: desk.look(job.id) is None)
    assert not (tmp_path / "desk" / "jobs" / job.id).exists()


def test_what_runs_may_end_when_the_server_goes_down(open_desk, fake):
    fake.act = gate = Gate()
    desk = open_desk()
    job = desk.hand_in("cut", Cut(), sent())
    assert gate.entered.wait(60)
    gate.leave.set()
    desk.close()
    again = open_desk()
    assert again.look(job.id).state == "done"


def test_what_does_not_end_is_handed_back_and_done_after_the_next_start(open_desk, fake):
    fake.act = gate = Gate()
    desk = open_desk()
    job, second = (desk.hand_in("cut", Cut(seed=seed), sent()) for seed in (0, 1))
    assert gate.entered.wait(60)
    desk.close(patience=0.05)
    fake.act = None
    again = open_desk()
    for one in (job, second):
        done = over(again, one.id)
        assert (done.state, done.attempts) == ("done", 1)


def test_two_servers_cannot_share_a_folder(open_desk, tmp_path):
    open_desk()
    with pytest.raises(UsageError, match="another server works in"):
        LocalDesk(tmp_path / "desk", Rules(), Limits())


def test_two_workers_work_side_by_side(open_desk, fake):
    fake.act = gate = Gate()
    desk = open_desk(workers=2)
    for seed in range(2):
        desk.hand_in("cut", Cut(seed=seed), sent())
    wait_for(lambda: desk.load() == {"waiting": 0, "running": 2})
    gate.leave.set()


def test_hours_hence_nothing_is_left_of_a_thousand_jobs(open_desk, tmp_path, monkeypatch):
    monkeypatch.setattr("sfumato.server.desk.SWEEP", 0.02)
    desk = open_desk(line=2000, keep=3600)
    jobs = [desk.hand_in("cut", Cut(seed=seed), sent()) for seed in range(50)]
    for job in jobs:
        over(desk, job.id)
    monkeypatch.setattr(time, "time", lambda now=time.time: now() + 4000)
    wait_for(lambda: all(desk.look(job.id) is None for job in jobs))
    assert not list((tmp_path / "desk" / "jobs").iterdir())  # files go before the book's line


def test_a_full_disk_is_said_and_leaves_nothing(open_desk, tmp_path, monkeypatch):
    desk = open_desk()

    def full(path, data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_bytes", full)
    with pytest.raises(NoRoomError, match="no space left"):
        desk.hand_in("cut", Cut(), sent())
    assert not list((tmp_path / "desk" / "jobs").iterdir())
    assert desk.load() == {"waiting": 0, "running": 0}
