"""Jobs that wait in Redis: a real one, and real worker processes whose jobs take a given time."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from pathlib import Path

import pytest

redis = pytest.importorskip("redis")
rq = pytest.importorskip("rq")

from tests.server.conftest import CLUSTERS, photo  # noqa: E402

from sfumato.errors import UsageError  # noqa: E402
from sfumato.io import pictures  # noqa: E402
from sfumato.server import rq_line  # noqa: E402
from sfumato.server.desk import (  # noqa: E402
    FullError,
    NoRoomError,
    Rules,
    Sent,
    UnreachableError,
)
from sfumato.server.orders import Cut, Optimise  # noqa: E402
from sfumato.server.redis_book import WAITING  # noqa: E402
from sfumato.server.rq_desk import RedisDesk  # noqa: E402
from sfumato.server.rq_worker import take_turn  # noqa: E402
from sfumato.server.work import MANIFEST, PREVIEW  # noqa: E402
from sfumato.server.worker import Limits  # noqa: E402

SERVER = shutil.which("redis-server")
WORKERS = Path(__file__).with_name("slow_workers.py")
CRASH, COMPLAIN = 1001, 1002  # as in slow_workers.py

pytestmark = pytest.mark.skipif(SERVER is None, reason="needs redis-server (Debian's package)")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Server:
    """A Redis of our own, without anything on disk."""

    def __init__(self, folder):
        self.port = free_port()
        self.url, self.other = (f"redis://127.0.0.1:{self.port}/{i}" for i in range(2))
        self.folder = folder
        self.start()

    def start(self):
        self._process = subprocess.Popen(
            [SERVER, "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--dir",
             str(self.folder), "--appendonly", "no"],
            stdout=subprocess.DEVNULL,
        )  # fmt: skip
        self.redis = redis.Redis.from_url(self.url)
        until(self._answers)

    def stop(self):
        self._process.kill()
        self._process.wait()

    def _answers(self):
        try:
            return self.redis.ping()
        except redis.exceptions.ConnectionError:
            return False


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("redis"))
    yield server
    server.stop()


@pytest.fixture
def empty(server):
    server.redis.flushdb()
    return server


@pytest.fixture
def make_desk(empty, monkeypatch):
    monkeypatch.setattr("sfumato.server.rq_desk.CLEAN", 0.5)
    desks = []

    def make(*, line=64, keep=600.0, ended=None):
        desks.append(RedisDesk(empty.url, Rules(line=line, keep=keep), Limits(), ended))
        return desks[-1]

    yield make
    for desk in desks:
        desk.close()


class Workers:
    """``sfumato worker``, but for the painting."""

    def __init__(self, url, folder, count=1, patience=30.0):
        self.process = subprocess.Popen(
            [sys.executable, str(WORKERS), url, str(count), str(patience)],
            stderr=subprocess.PIPE, text=True, env={**os.environ, "TMPDIR": str(folder)},
        )  # fmt: skip

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.communicate(timeout=180)[1]

    def children(self):
        """rq's worker processes."""
        task = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(pid) for pid in task.read_text().split()]


@pytest.fixture
def workers(empty):
    crews = []

    def start(count=1, patience=30.0):
        crews.append(Workers(empty.url, empty.folder, count, patience))
        return crews[-1]

    yield start
    for crew in crews:
        if crew.process.poll() is None:
            crew.end()


@pytest.fixture(scope="module")
def attended(server):
    """A desk with one worker, for tests that leave it alive: starting one takes seconds."""
    desk = RedisDesk(server.other, Rules(keep=3.0), Limits())
    crew = Workers(server.other, server.folder)
    yield desk
    assert crew.end() == ""
    desk.close()


def until(true, seconds=180.0):
    end = time.monotonic() + seconds
    while not (value := true()):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)
    return value


def hand_in(desk, tenths=1, data=b"photo", *, kind="cut", seed=None):
    seed = tenths if seed is None else seed
    order = Optimise(style="waves", seed=seed) if kind == "optimise" else Cut(seed=seed)
    return desk.hand_in(kind, order, [Sent("photo", "me.jpg", data)])


def over(desk, job):
    return until(lambda: (now := desk.look(job.id)).over and now)


def over_with(desk, job, name):
    """A file that the job leaves, before its time has come."""
    return until(lambda: desk.fetch(job.id, name) if desk.look(job.id).over else None)


def keys(server, pattern):
    return redis.Redis.from_url(server.other).keys(pattern)


def running(desk, job):
    def begun():
        now = desk.look(job.id)
        assert not now.over, now.message
        return now.fraction > 0 and now

    return until(begun)


def process_of(desk, job):
    return json.loads(desk.fetch(job.id, MANIFEST))["process"]


def test_a_job_waits_until_somebody_does_it(make_desk, workers, empty):
    counted = []
    desk = make_desk(ended=counted.append)
    job = hand_in(desk, data=b"12345")
    assert (job.state, desk.load()) == ("waiting", {"waiting": 1, "running": 0})
    assert desk.look(job.id) == job
    assert desk.fetch(job.id, MANIFEST) is None
    workers()
    done = over(desk, job)
    assert (done.state, done.fraction, done.result) == ("done", 1.0, "result.png")
    assert done.created <= done.started <= done.ended
    assert done.uploads == job.uploads
    assert desk.fetch(job.id, "result.png") == b"1234512345"
    assert json.loads(desk.fetch(job.id, MANIFEST))["jobs"] == 1
    assert desk.fetch(job.id, "0") is None
    assert desk.fetch(job.id, "../0") is None
    assert desk.load() == {"waiting": 0, "running": 0}
    until(lambda: counted)
    assert [one.id for one in counted] == [job.id]
    assert empty.redis.keys(f"sfumato:file:{job.id}:0") == []


def test_nobody_knows_a_job_that_was_never_handed_in(make_desk):
    desk = make_desk()
    assert desk.look("nothing") is None
    assert desk.end("nothing") is None
    assert desk.fetch("nothing", MANIFEST) is None


def test_the_line_is_bounded_also_for_many_at_once(make_desk, empty):
    desk = make_desk(line=5)
    taken, refused = [], []

    def try_it(i):
        try:
            taken.append(hand_in(desk, data=b"%d" % i))
        except FullError as error:
            refused.append(error.retry_after)

    threads = [threading.Thread(target=try_it, args=(i,)) for i in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(taken), len(refused)) == (5, 11)
    assert min(refused) >= 1
    assert desk.load()["waiting"] == empty.redis.zcard(WAITING) == 5
    assert len(empty.redis.keys("sfumato:file:*")) == 5  # nothing stays of those refused


def test_nets_stay_between_jobs(attended):
    jobs = [hand_in(attended, data=b"net %d" % i) for i in range(3)]
    made = [json.loads(over_with(attended, job, MANIFEST)) for job in jobs]
    assert len({one["process"] for one in made}) == 1
    assert [one["jobs"] for one in made] == [made[0]["jobs"] + i for i in range(3)]


def test_an_equal_job_is_answered_from_the_first(attended):
    first, twin, other = (hand_in(attended, data=data) for data in (b"a", b"a", b"b"))
    made = [json.loads(over_with(attended, job, MANIFEST)) for job in (first, twin, other)]
    assert made[0] == made[1]  # the twin waited and was answered from the first
    assert made[2]["jobs"] == made[0]["jobs"] + 1
    again = hand_in(attended, data=b"a")
    assert (again.state, again.result) == ("done", "result.png")
    attended.end(first.id)
    attended.end(twin.id)
    assert attended.look(first.id) is None
    assert attended.fetch(again.id, "result.png") == b"aa"


def test_one_that_waits_is_cancelled_at_once(attended, server):
    busy, job, next_one = (hand_in(attended, 5, data=b"wait %d" % i) for i in range(3))
    assert attended.end(job.id).state == "cancelled"
    assert [*keys(server, f"sfumato:file:{job.id}:*")] == []
    assert over(attended, next_one).state == "done"
    assert attended.look(job.id).state == "cancelled"
    assert attended.look(job.id).started is None
    over(attended, busy)


def test_one_that_runs_ends_at_its_next_step(attended):
    job = hand_in(attended, 900)
    assert running(attended, job).stage == "find"
    attended.end(job.id)
    assert over(attended, job).state == "cancelled"
    assert attended.fetch(job.id, "result.png") is None


def test_an_optimisation_shows_itself_and_may_be_kept(attended):
    job = hand_in(attended, 900, kind="optimise")
    assert until(lambda: attended.fetch(job.id, PREVIEW)).startswith(b"preview")
    attended.end(job.id, keep=True)
    assert over_with(attended, job, "result.png") == b"photophoto"
    assert attended.look(job.id).state == "done"
    again = hand_in(attended, 900, kind="optimise")
    assert again.state == "waiting"  # half of it is no answer to the same question
    attended.end(again.id)
    assert over(attended, again).state == "cancelled"


def test_results_go_when_their_time_has_come(attended, server):
    job = hand_in(attended, data=b"gone")
    over(attended, job)
    until(lambda: attended.look(job.id) is None)
    until(lambda: not keys(server, "sfumato:file:*"))
    assert keys(server, "sfumato:equal:*") == []
    again = hand_in(attended, data=b"gone")
    assert again.state == "waiting"
    over(attended, again)


@pytest.mark.parametrize(
    ("seed", "blame", "message"),
    [(COMPLAIN, "order", "me.jpg shows nothing"), (CRASH, "server", "crashed (exit code 3)")],
)
def test_a_job_that_fails_says_why(attended, seed, blame, message):
    failed = over(attended, hand_in(attended, seed=seed))
    assert (failed.state, failed.blame, failed.attempts) == ("failed", blame, 1)
    assert message in failed.message
    assert over(attended, hand_in(attended, data=b"%d" % seed)).state == "done"


def test_only_jobs_of_ours_are_run(attended, server, tmp_path):
    """Whoever can write to Redis must not choose what runs on a worker."""
    trace = tmp_path / "trace"
    connection = redis.Redis.from_url(server.other)
    foreign = rq.Queue(rq_line.NAME, connection=connection, serializer="json")
    foreign.enqueue("os.mkdir", str(trace), on_failure=rq.Callback("os.abort"))
    assert over(attended, hand_in(attended, data=b"ours")).state == "done"
    assert not trace.exists()


@pytest.mark.slow
def test_two_crews_share_the_work(make_desk, workers):
    desk = make_desk()
    workers(1)
    workers(2)
    jobs = [hand_in(desk, 5, data=b"%d" % i) for i in range(24)]
    for i, job in enumerate(jobs):
        assert over(desk, job).state == "done"
        assert desk.fetch(job.id, "result.png") == b"%d%d" % (i, i)
    assert len({process_of(desk, job) for job in jobs}) == 3


@pytest.mark.slow
def test_the_job_of_a_killed_worker_is_done_by_another(make_desk, workers):
    desk = make_desk()
    job = hand_in(desk, 30)
    crew = workers()
    running(desk, job)
    (worker,) = crew.children()
    os.kill(worker, signal.SIGKILL)
    done = over(desk, job)
    assert (done.state, done.attempts) == ("done", 2)
    assert desk.fetch(job.id, "result.png") == b"photophoto"


@pytest.mark.slow
def test_a_job_whose_workers_die_every_time_is_given_up(make_desk, workers):
    desk = make_desk()
    job = hand_in(desk, 900)
    crew = workers()
    for attempt in (1, 2):
        until(lambda n=attempt: (now := desk.look(job.id)).attempts == n and now.fraction > 0)
        os.kill(crew.children()[0], signal.SIGKILL)
    failed = over(desk, job)
    assert (failed.state, failed.blame) == ("failed", "server")
    assert "given up" in failed.message
    assert over(desk, hand_in(desk)).state == "done"


@pytest.mark.slow
def test_a_lost_job_is_missed_also_when_no_worker_is_left(make_desk, workers):
    desk = make_desk()
    job = hand_in(desk, 900)
    crew = workers()
    running(desk, job)
    (worker,) = crew.children()
    os.kill(crew.process.pid, signal.SIGKILL)
    os.kill(worker, signal.SIGKILL)
    crew.process.wait()
    until(lambda: desk.look(job.id).state == "waiting")
    assert desk.load() == {"waiting": 1, "running": 0}


@pytest.mark.slow
def test_a_worker_without_its_crew_leaves(make_desk, workers):
    desk = make_desk()
    crew = workers()
    over(desk, hand_in(desk))
    (worker,) = crew.children()
    crew.process.kill()
    crew.process.wait()
    until(lambda: not Path(f"/proc/{worker}").exists())


@pytest.mark.slow
def test_a_crew_that_is_told_to_end_finishes_what_runs(make_desk, workers):
    desk = make_desk()
    job, left = hand_in(desk, 20), hand_in(desk, data=b"left")
    crew = workers()
    running(desk, job)
    assert crew.end() == ""
    assert crew.process.returncode == 0
    assert desk.look(job.id).state == "done"
    assert desk.look(left.id).state == "waiting"


@pytest.mark.slow
def test_or_hands_it_back(make_desk, workers):
    desk = make_desk()
    job = hand_in(desk, 60)
    crew = workers(patience=1.0)
    running(desk, job)
    crew.end()
    back = desk.look(job.id)
    assert (back.state, back.attempts, back.started) == ("waiting", 0, None)
    workers()
    assert over(desk, job).state == "done"


@pytest.mark.slow
def test_the_command_does_real_jobs(make_desk, empty):
    desk = make_desk()
    sent = [Sent("photo", "me.png", photo((64, 48)))]
    good = desk.hand_in("cut", Cut(region=CLUSTERS, mask_only=True), sent)
    bad = desk.hand_in("cut", Cut(region=CLUSTERS), [Sent("photo", "bad.png", b"no picture")])
    command = "import typer; from sfumato.cli.worker import worker; typer.run(worker)"
    crew = subprocess.Popen(
        [sys.executable, "-c", command, "--queue", empty.url, "--workers", "1"],
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert over(desk, good).state == "done"
    assert pictures.read(desk.fetch(good.id, "result.png")).size == (48, 64)
    failed = over(desk, bad)
    assert (failed.state, failed.blame) == ("failed", "order")
    assert failed.message.startswith("bad.png")
    crew.send_signal(signal.SIGINT)
    assert "1 worker at work" in crew.communicate(timeout=180)[1]
    assert crew.returncode == 0


def test_without_redis_there_is_no_desk():
    url = f"redis://me:secret@127.0.0.1:{free_port()}/0"
    with pytest.raises(UsageError, match="no Redis answers at redis://127") as caught:
        RedisDesk(url, Rules(), Limits())
    assert "secret" not in str(caught.value)
    with pytest.raises(UsageError, match="no Redis answers at nonsense"):
        RedisDesk("nonsense", Rules(), Limits())


@pytest.mark.slow
def test_a_redis_that_goes_away_is_an_answer_too(tmp_path, workers):
    server = Server(tmp_path)
    desk = RedisDesk(server.url, Rules(), Limits())
    server.stop()
    with pytest.raises(UnreachableError):
        hand_in(desk)
    with pytest.raises(UnreachableError):
        desk.look("x")
    server.start()
    assert hand_in(desk).state == "waiting"
    desk.close()
    server.stop()


def test_a_full_redis_takes_no_more(make_desk, empty):
    desk = make_desk()
    empty.redis.config_set("maxmemory", empty.redis.info("memory")["used_memory"] + 100_000)
    try:
        with pytest.raises(NoRoomError):
            deque(hand_in(desk, data=b"%d" % i + bytes(50_000)) for i in range(100))
    finally:
        empty.redis.config_set("maxmemory", 0)
    waiting = desk.load()["waiting"]
    assert len(empty.redis.keys("sfumato:file:*")) == waiting < 100


def test_workers_of_a_crew_have_different_numbers(tmp_path):
    turns = [take_turn(tmp_path) for _ in range(3)]
    assert [number for _, number in turns] == [0, 1, 2]
    turns[1][0].release()
    lock, number = take_turn(tmp_path)
    assert number == 1
    for held in (lock, turns[0][0], turns[2][0]):
        held.release()
