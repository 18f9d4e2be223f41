"""The book of jobs."""

from __future__ import annotations

import threading
import time
from dataclasses import replace

import pytest

from sfumato.server.jobs import ATTEMPTS, Book, Job, Upload

JOB = Job(
    id="a", kind="cut", order={"region": "person", "size": 512},
    uploads=(Upload("photo", "me.jpg", "0" * 64),), key="k", created=1.0,
)  # fmt: skip


@pytest.fixture
def book(tmp_path):
    book = Book(tmp_path / "jobs.sqlite")
    yield book
    book.close()


def test_a_job_comes_back_as_it_was_written_down(book):
    book.add(JOB)
    assert book.get("a") == JOB
    assert book.get("b") is None


def test_jobs_are_claimed_in_the_order_in_which_they_came(book):
    for number, name in ((3.0, "c"), (1.0, "a"), (2.0, "b")):
        book.add(replace(JOB, id=name, created=number))
    assert [book.claim().id for _ in range(3)] == ["a", "b", "c"]
    assert book.claim() is None
    assert book.count("running") == 3


def test_a_claimed_job_is_running_and_counted(book):
    book.add(JOB)
    claimed = book.claim()
    assert (claimed.state, claimed.attempts) == ("running", 1)
    assert abs(claimed.started - time.time()) < 60


def test_two_threads_never_claim_the_same_job(book):
    for i in range(60):
        book.add(replace(JOB, id=str(i), created=float(i)))
    got: list[str] = []

    def work() -> None:
        while (job := book.claim()) is not None:
            got.append(job.id)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(got, key=int) == [str(i) for i in range(60)]


def test_changes_only_from_the_states_named(book):
    book.add(JOB)
    assert not book.change("a", only=["running"], state="done")
    assert book.get("a").state == "waiting"
    assert book.change("a", only=["waiting"], state="cancelled", message="no")
    assert (book.get("a").state, book.get("a").message) == ("cancelled", "no")


def test_an_equal_job_counts_only_when_it_is_done(book):
    book.add(JOB)
    assert book.equal("k") is None
    book.change("a", state="done", ended=2.0)
    assert book.equal("k").id == "a"
    assert book.equal("other") is None


def test_after_a_restart_what_ran_waits_again_and_is_given_up_at_last(tmp_path):
    path = tmp_path / "jobs.sqlite"
    for attempt in range(ATTEMPTS):
        book = Book(path)
        if attempt == 0:
            book.add(JOB)
        assert book.take_up() == []
        assert book.claim().attempts == attempt + 1
        book.close()  # as if the process had been killed here
    book = Book(path)
    (given_up,) = book.take_up()
    assert given_up.id == "a"
    assert book.claim() is None
    assert book.get("a").state == "failed"
    assert "given up" in book.get("a").message
    book.close()


def test_old_jobs_are_those_that_ended_before(book):
    book.add(JOB)
    book.add(replace(JOB, id="old", state="done", ended=5.0))
    assert [job.id for job in book.ended_before(6.0)] == ["old"]
    book.forget("old")
    assert book.get("old") is None
