"""The line of jobs that wait in Redis, as rq's, and what becomes of those that get lost."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

from redis import Redis
from redis.client import Pipeline
from rq import Queue, Retry
from rq.exceptions import AbandonedJobError
from rq.job import Job as Errand
from rq.registry import clean_registries
from rq.serializers import JSONSerializer
from rq.worker import BaseWorker
from rq.worker_registration import clean_worker_registry

from sfumato.server.jobs import ATTEMPTS
from sfumato.server.redis_book import AFRESH, RedisBook

NAME = "sfumato"
"""Of the queue."""

LOST = 30
"""Seconds without a sign of life after which a worker's job is taken for lost."""

CLEAN = 10
"""Seconds between looks for jobs that are lost."""


class JobOf(Errand):
    """An errand of rq's: do the job with its id.

    What is run is not looked up by a name from Redis, as rq does: whoever can write to Redis shall
    not choose what code runs here.
    """

    hand: Callable[..., Retry | None]

    @property
    def func(self) -> Callable[..., Retry | None]:
        return self.hand

    @property
    def failure_callback(self) -> None:
        return None

    success_callback = stopped_callback = failure_callback


def queue_in(connection: Redis) -> Queue:
    """The line."""
    return Queue(NAME, connection=connection, job_class=JobOf, serializer=JSONSerializer)


def push(queue: Queue, job_id: str, pipe: Pipeline) -> None:
    """Put a job at the end of the line, as part of a transaction."""
    # The time that a job may take is its worker's business, so rq sets none (-1).
    queue.enqueue_call(
        f"{__name__}.{JobOf.__name__}", job_id=job_id, timeout=-1, result_ttl=0, failure_ttl=LOST,
        retry=Retry(ATTEMPTS - 1, enqueue_at_front=True), pipeline=pipe,
    )  # fmt: skip


def find_lost(book: RedisBook, queue: Queue, worker: BaseWorker | None = None) -> None:
    """Let jobs wait again whose worker has given no sign of life; twice lost, they are given up.

    Args:
        book, queue: see there.
        worker: who looks, if it is one: only workers find jobs that were lost between line and
            worker.
    """
    if not queue.acquire_maintenance_lock():  # somebody is at it
        return
    # rq's own lock would stay for a quarter of an hour if its owner were killed.
    book.redis.expire(queue.registry_cleaning_key, LOST)
    clean_registries(queue, [partial(missed, book)])
    clean_worker_registry(queue)
    if worker is not None:
        queue.intermediate_queue.cleanup(worker, queue)
    queue.release_maintenance_lock()  # type: ignore[no-untyped-call]


def missed(
    book: RedisBook, errand: Errand, kind: type[BaseException] = AbandonedJobError, *_: object
) -> None:
    """rq is about to bring a job again, or to give it up: write it down."""
    if errand.retries_left:
        book.change(errand.id, only=["running"], state="waiting", **AFRESH)
        return
    sentence = f"the server failed at it ({kind.__name__})"
    if kind is AbandonedJobError:
        sentence = f"its worker went down {ATTEMPTS} times during this job, so it is given up"
    failed: dict[str, Any] = {"message": sentence, "blame": "server", "ended": time.time()}
    book.change(errand.id, only=["waiting", "running"], state="failed", **failed)
