"""Does the jobs that wait in Redis: rq brings them here, :mod:`sfumato.server.worker` does them.

A crew of rq's workers, each a process that holds one process more: rq's takes jobs out of the
line, says that it is alive, and carries files between Redis and a folder of its own; the other one
has the nets and does the jobs, within its limits. When one of the first kind is killed, its job is
missed after :data:`sfumato.server.rq_line.LOST` seconds and waits again.
"""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, cast

import redis.exceptions
from filelock import FileLock, Timeout
from redis import Redis
from rq import Queue, Retry
from rq.exceptions import StopRequested
from rq.executions import Execution
from rq.job import Job as Errand
from rq.serializers import JSONSerializer
from rq.utils import now
from rq.worker import BaseWorker, SimpleWorker, WorkerStatus
from rq.worker_pool import WorkerData, WorkerPool

from sfumato.server.bench import Bench
from sfumato.server.desk import PATIENCE
from sfumato.server.redis_book import RedisBook
from sfumato.server.rq_line import CLEAN, LOST, NAME, JobOf, find_lost, missed, queue_in
from sfumato.server.worker import Limits

BEAT = 5.0
"""Seconds between signs of life."""

log = logging.getLogger(__name__)


class CrewWorker(SimpleWorker):
    """rq's worker, with a bench.

    Args:
        queues: not asked for: there is one.
        name, connection, options: rq's.
        limits: of a job.
        home: a folder in which each worker has its own.
    """

    job_class = JobOf

    def __init__(
        self, queues: Any, name: str, connection: Redis, *, limits: Limits, home: Path,
        **options: Any,
    ) -> None:  # fmt: skip
        del queues, options
        _reach(connection)
        # rq looks after its registries only between waits for a job, whose length it makes of
        # the time to live.
        super().__init__(
            [queue_in(connection)], name, connection=connection, serializer=JSONSerializer,
            worker_ttl=CLEAN + 15, maintenance_interval=CLEAN, job_monitoring_interval=LOST,
        )  # fmt: skip
        self._book = RedisBook(connection)
        self._asked: float | None = None
        self._parent = os.getppid()
        self._turn, number = take_turn(home)
        self._bench = Bench(self._book, limits, number, home / self.name, self._leaving)
        self.push_exc_handler(partial(missed, self._book))  # type: ignore[no-untyped-call]

    def work(self, *args: Any, **options: Any) -> bool:
        """As rq's, but nothing is scheduled for later, and only what goes wrong is logged."""
        return super().work(*args, **{**options, "with_scheduler": False, "logging_level": "ERROR"})

    def execute_job(self, job: Errand, queue: Queue) -> None:
        assert isinstance(job, JobOf)
        execution = self.prepare_execution(job)

        def hand(*_: object) -> Retry | None:
            with self._beating(job, execution):
                return self._bench.do(job.id)

        job.hand = hand
        self.perform_job(job, queue, execution)
        self.set_state(WorkerStatus.IDLE)

    def get_heartbeat_ttl(self, job: Errand, working_time: float = 0.0) -> int:  # noqa: ARG002
        return LOST

    def clean_registries(self) -> None:
        if os.getppid() != self._parent:  # its crew was killed; nobody would ever end it
            raise StopRequested
        find_lost(self._book, self.queues[0], self)
        self.last_cleaned_at = now()  # type: ignore[assignment]

    def handle_job_failure(self, job: Errand, *args: Any, **options: Any) -> None:
        if options.get("execution") is None:  # stuck on the way from the line to a worker
            missed(self._book, job)
        super().handle_job_failure(job, *args, **options)

    def request_stop(self, signum: Any, frame: Any) -> None:
        self._asked = time.monotonic()
        super().request_stop(signum, frame)  # type: ignore[no-untyped-call]

    def teardown(self) -> None:
        self._bench.close()
        with suppress(redis.exceptions.RedisError):  # it may be Redis that is gone
            super().teardown()  # type: ignore[no-untyped-call]

    def _leaving(self) -> bool:
        """Whether it has been asked to go, and the job has had its time to end."""
        return self._asked is not None and time.monotonic() - self._asked > PATIENCE

    @contextmanager
    def _beating(self, job: Errand, execution: Execution) -> Iterator[None]:
        """Signs of life, from a thread: they must not wait for a large file."""
        done = threading.Event()

        def beat() -> None:
            while not done.wait(BEAT):
                with suppress(redis.exceptions.RedisError):
                    self.maintain_heartbeats(job, execution)

        thread = threading.Thread(target=beat, daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()


class Crew(WorkerPool):
    """Workers that are replaced when they die.

    Args:
        connection: to Redis.
        limits: of a job.
        workers: how many.
        home: a folder for their files.
    """

    def __init__(self, connection: Redis, limits: Limits, workers: int, home: Path) -> None:
        made = partial(CrewWorker, limits=limits, home=home)
        super().__init__(
            [NAME], connection, workers, cast("type[BaseWorker]", made),
            cast(Any, JSONSerializer), JobOf,
        )  # fmt: skip
        self._home = home

    def handle_dead_worker(self, worker_data: WorkerData) -> None:
        super().handle_dead_worker(worker_data)
        shutil.rmtree(self._home / worker_data.name, ignore_errors=True)


def take_turn(home: Path) -> tuple[FileLock, int]:
    """The lowest number that no other worker with this folder has, and the lock that keeps it: it
    falls free with its process, for the one that follows."""
    for number in count():
        lock = FileLock(home / f"{number}.lock")
        with suppress(Timeout):
            lock.acquire(timeout=0)
            return lock, number
    raise AssertionError("numbers have no end")


def work(connection: Redis, limits: Limits, workers: int) -> None:
    """Do jobs until the process is told to end (SIGTERM, SIGINT): then what runs is finished, or
    handed back after :data:`sfumato.server.desk.PATIENCE` seconds; told twice, at once."""
    with tempfile.TemporaryDirectory(prefix="sfumato-") as home:
        Crew(connection, limits, workers, Path(home)).start(logging_level="ERROR")


def _reach(connection: Redis) -> None:
    """Wait until Redis answers."""
    told = False
    while True:
        try:
            connection.ping()
            return
        except (redis.exceptions.ConnectionError, redis.exceptions.TimeoutError) as error:
            if not told:
                log.error("no Redis: %s", error)
            told = True
            time.sleep(2)
