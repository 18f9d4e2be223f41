"""Where jobs are handed in and asked after if they wait in Redis, for workers on any machine."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from redis.exceptions import OutOfMemoryError, RedisError
from rq.worker import BaseWorker

from sfumato.server.desk import (
    FullError,
    NoRoomError,
    Rules,
    Sent,
    UnreachableError,
    may_be_fetched,
    new_job,
)
from sfumato.server.jobs import Job
from sfumato.server.orders import Order
from sfumato.server.redis_book import HANDING_IN, Entry, RedisBook, connect
from sfumato.server.rq_line import CLEAN, find_lost, push, queue_in
from sfumato.server.worker import Limits

log = logging.getLogger(__name__)


class RedisDesk:
    """Jobs in Redis. ``sfumato worker`` does them, on this machine or others; several servers may
    share one Redis.

    Args:
        url: where Redis is.
        rules: ``workers`` is not asked for: as many work as there are.
        limits: not asked for: each worker has its own.
        ended: told of jobs that are over. Of several servers one is told of each.

    Raises:
        UsageError: no Redis answers there.
    """

    def __init__(
        self,
        url: str,
        rules: Rules,
        limits: Limits,  # noqa: ARG002 - a desk is made the same way whatever keeps its jobs
        ended: Callable[[Job], None] | None = None,
    ) -> None:
        self._book = RedisBook(connect(url))
        self._queue = queue_in(self._book.redis)
        self._rules, self._ended = rules, ended
        self._closing = threading.Event()
        self._crew = [threading.Thread(target=self._sweep, name="sweeper", daemon=True)]
        if ended is not None:
            self._crew.append(threading.Thread(target=self._count, name="counter", daemon=True))
        for thread in self._crew:
            thread.start()

    def hand_in(self, kind: str, order: Order, files: Sequence[Sent]) -> Job:
        job = new_job(kind, order, files)
        entry = Entry(job, self._rules.keep)
        with self._reached():
            if (done := self._again(entry)) is not None:
                return done
            if not self._taken(entry, {str(i): file.data for i, file in enumerate(files)}):
                raise FullError(self._seconds_until_room())
        return job

    def look(self, job_id: str) -> Job | None:
        with self._reached():
            return self._book.get(job_id)

    def end(self, job_id: str, *, keep: bool = False) -> Job | None:
        with self._reached():
            job = self._book.get(job_id)
            if job is None:
                return None
            if job.over:
                self._book.forget(job)
                return job
            now = time.time()
            if self._book.change(job_id, only=["waiting"], state="cancelled", ended=now):
                self._queue.remove(job_id)
            else:
                self._book.stop(job_id, "keep" if keep else "cancel")
            return self._book.get(job_id)

    def fetch(self, job_id: str, name: str) -> bytes | None:
        with self._reached():
            job = self._book.get(job_id)
            if job is None or not may_be_fetched(job, name):
                return None
            return self._book.file(job_id, name)

    def load(self) -> dict[str, int]:
        with self._reached():
            return self._book.count()

    def close(self) -> None:
        """Leave: what waits and runs goes on without us."""
        self._closing.set()
        for thread in self._crew:
            thread.join()
        self._book.redis.close()

    def _again(self, entry: Entry) -> Job | None:
        """The job done already, if an equal one has been and its files are still there."""
        result = self._book.borrow(entry)
        if result is None:
            return None
        done = replace(entry.job, state="done", fraction=1.0, result=result, ended=time.time())
        self._book.add_done(replace(entry, job=done))
        return done

    def _taken(self, entry: Entry, files: dict[str, bytes]) -> bool:
        """Put a job into the line with its files, if there is room."""
        if self._book.count()["waiting"] >= self._rules.line:  # so nothing is sent for nothing
            return False
        job_id = entry.job.id
        try:
            self._book.put(job_id, files, HANDING_IN)
            if self._book.add(entry, self._rules.line, lambda p: push(self._queue, job_id, p)):
                return True
        except OutOfMemoryError as error:
            self._book.drop(job_id, files)
            log.error("no room in Redis: %s", error)
            raise NoRoomError("the queue has no memory left for the files; come again") from None
        self._book.drop(job_id, files)
        return False

    def _seconds_until_room(self) -> int:
        workers = max(1, BaseWorker.count(queue=self._queue))
        return max(1, math.ceil(self._book.seconds() / workers))

    def _sweep(self) -> None:
        """Look for lost jobs also while all workers are gone or busy."""
        while not self._closing.wait(CLEAN):
            try:
                find_lost(self._book, self._queue)
            except RedisError as error:
                log.error("no Redis: %s", error)

    def _count(self) -> None:
        assert self._ended is not None
        while not self._closing.is_set():
            try:
                if (job := self._book.next_over(1.0)) is not None:
                    self._ended(job)
            except RedisError:  # the sweeper says so
                self._closing.wait(1.0)

    @contextmanager
    def _reached(self) -> Iterator[None]:
        try:
            yield
        except RedisError as error:
            log.error("no Redis: %s", error)
            raise UnreachableError("the queue does not answer just now; come again") from None
