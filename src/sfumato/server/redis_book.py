"""The book of jobs in Redis, with the files of the jobs: nothing is shared by disk.

::

    sfumato:job:ID          the job, one field for each of its attributes, as JSON
    sfumato:file:ID:NAME    a file that came with it (0, 1, ...), or that came of it
    sfumato:at:ID           stage and done fraction of a job that runs
    sfumato:stop:ID         what a job that runs was told
    sfumato:equal:KEY       the last job with this key that is done
    sfumato:waiting, sfumato:running    which jobs are, by time of arrival
    sfumato:over            jobs that ended, for whoever counts them

Jobs move from state to state in transactions that watch the job, so of two that want to move one
finds that it came too late.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, cast
from urllib.parse import urlsplit

from redis import Redis
from redis.client import Pipeline
from redis.exceptions import RedisError

from sfumato.errors import UsageError
from sfumato.server.desk import USUAL
from sfumato.server.jobs import ENDED, Job, State, Upload
from sfumato.server.work import LOSSES, MANIFEST, PREVIEW
from sfumato.server.worker import Stop

WAITING, RUNNING, OVER = "sfumato:waiting", "sfumato:running", "sfumato:over"
SECONDS = "sfumato:seconds"
"""How long a job takes, as a sliding mean."""

MADE = (MANIFEST, PREVIEW, LOSSES)
"""Files that come of a job besides its result."""

AFRESH: dict[str, Any] = {"stage": "", "fraction": 0.0, "started": None}
"""Of a job that ran and waits again."""

HANDING_IN = 600
"""Seconds after which the files of a job vanish that was not taken after all."""

UNCOUNTED = 10_000
"""How many ended jobs are kept for somebody to count them."""

Push = Callable[[Pipeline], object]
"""Puts a job into the line, in the transaction that it is given."""

_COLUMNS = [field.name for field in fields(Job)]


def connect(url: str) -> Redis:
    """A connection to Redis.

    Args:
        url: ``redis://[[user]:password@]host[:port][/number]``, also ``rediss://``, ``unix://``.

    Raises:
        UsageError: no such address, or nothing answers there.
    """
    try:
        redis = Redis.from_url(url, socket_connect_timeout=5, health_check_interval=30)
        redis.ping()
    except (ValueError, RedisError) as error:
        place = urlsplit(url)._replace(query="")
        at = place._replace(netloc=place.netloc.rpartition("@")[2]).geturl()  # no password
        raise UsageError(f"no Redis answers at {at}: {str(error).rstrip('.').lower()}") from None
    return redis


@dataclass(frozen=True)
class Entry:
    """A job, and for how many seconds what comes of it is kept."""

    job: Job
    keep: float


class RedisBook:
    """All jobs and their files. Safe to use from several threads and machines.

    Args:
        redis: answers in bytes.
    """

    def __init__(self, redis: Redis) -> None:
        self.redis = redis

    def put(self, job_id: str, files: Mapping[str, bytes], seconds: float) -> None:
        """Keep files of a job for some time."""
        with self.redis.pipeline(transaction=False) as pipe:
            for name, data in files.items():
                pipe.set(_file(job_id, name), data, px=_ms(seconds))
            pipe.execute()

    def file(self, job_id: str, name: str) -> bytes | None:
        return cast("bytes | None", self.redis.get(_file(job_id, name)))

    def add(self, entry: Entry, line: int, push: Push) -> bool:
        """Write down a new job, whose files have been put, and push it into the line.

        Args:
            entry: the job, and how long to keep what comes of it.
            line: how many jobs may wait.
            push: see there.

        Returns:
            False if the line is full.
        """
        job = entry.job

        def step(pipe: Pipeline) -> bool:
            if pipe.zcard(WAITING) >= line:
                return False
            pipe.multi()
            pipe.hset(_record(job.id), mapping=_row(entry))
            for i in range(len(job.uploads)):
                pipe.persist(_file(job.id, str(i)))
            pipe.zadd(WAITING, {job.id: job.created})
            push(pipe)
            return True

        return self._transact(step, WAITING)

    def add_done(self, entry: Entry) -> None:
        """Write down a job that is done, whose files have been put."""
        with self.redis.pipeline() as pipe:
            pipe.hset(_record(entry.job.id), mapping=_row(entry))
            pipe.pexpire(_record(entry.job.id), _ms(entry.keep))
            _tell_over(pipe, entry.job.id)
            pipe.execute()

    def get(self, job_id: str) -> Job | None:
        """The job as it stands now."""
        with self.redis.pipeline(transaction=False) as pipe:
            pipe.hgetall(_record(job_id))
            pipe.get(_at(job_id))
            row, at = pipe.execute()
        if not row:
            return None
        job = _entry(row).job
        if job.state != "running" or at is None:
            return job
        stage, fraction = json.loads(at)
        return replace(job, stage=stage, fraction=fraction)

    def entry(self, job_id: str) -> Entry | None:
        row = cast("dict[bytes, bytes]", self.redis.hgetall(_record(job_id)))
        return _entry(row) if row else None

    def count(self) -> dict[str, int]:
        """How many jobs wait and run."""
        with self.redis.pipeline(transaction=False) as pipe:
            pipe.zcard(WAITING)
            pipe.zcard(RUNNING)
            waiting, running = pipe.execute()
        return {"waiting": waiting, "running": running}

    def claim(self, job_id: str) -> Entry | None:
        """The job, now running; None if it does not wait any more."""
        entry = self.entry(job_id)
        if entry is None:
            return None
        job = replace(
            entry.job, state="running", started=time.time(), attempts=entry.job.attempts + 1
        )
        moved = {"state": job.state, "started": job.started, "attempts": job.attempts}
        if not self.change(job_id, only=["waiting"], attempt=entry.job.attempts, **moved):
            return None
        return replace(entry, job=job)

    def change(
        self, job_id: str, *, only: Sequence[State], attempt: int | None = None, **values: Any
    ) -> bool:
        """Set attributes of a job, if it is in one of these states; whether it was.

        A job that ends takes its uploads along, and is forgotten after its time.

        Args:
            job_id: which.
            only: the states.
            attempt: only if the job is begun for this time: a worker that was taken for lost has
                no say in what became of its job.
            **values: the attributes.
        """

        def step(pipe: Pipeline) -> bool:
            row = cast("dict[bytes, bytes]", pipe.hgetall(_record(job_id)))
            if not row:
                return False
            entry = _entry(row)
            job = replace(entry.job, **values)
            if entry.job.state not in only or attempt not in (None, entry.job.attempts):
                return False
            pipe.multi()
            pipe.hset(_record(job_id), mapping={n: json.dumps(v) for n, v in values.items()})
            if job.state != entry.job.state:
                _move(pipe, entry, job)
            return True

        return self._transact(step, _record(job_id))

    def forget(self, job: Job) -> None:
        """Remove a job with all that it left."""
        names = [*_uploads(job), job.result, *MADE]
        self.redis.delete(_record(job.id), *(_file(job.id, name) for name in names if name))

    def drop(self, job_id: str, names: Iterable[str]) -> None:
        """Remove files of a job that was not taken."""
        self.redis.delete(*(_file(job_id, name) for name in names))

    def borrow(self, entry: Entry) -> str | None:
        """Give a job the files of an equal one that is done; the name of its result."""
        job = entry.job
        found = cast("bytes | None", self.redis.get(_equal(job.key)))
        equal = self.entry(found.decode()) if found else None
        if equal is None or not equal.job.result:
            return None
        names = (equal.job.result, MANIFEST)
        with self.redis.pipeline() as pipe:
            for name in names:
                pipe.copy(_file(equal.job.id, name), _file(job.id, name), replace=True)
                pipe.pexpire(_file(job.id, name), _ms(entry.keep))
            copied = pipe.execute()[0]
        if not copied:  # its time had come
            self.redis.delete(*(_file(job.id, name) for name in names))
            return None
        return equal.job.result

    def tell(self, job: Job, stage: str, fraction: float) -> None:
        """Note how far a job that runs has come."""
        self.redis.set(_at(job.id), json.dumps([stage, fraction]), ex=HANDING_IN)

    def stop(self, job_id: str, word: Stop) -> None:
        """Tell a job that runs to end."""
        self.redis.set(_stop(job_id), word, ex=HANDING_IN)

    def heard(self, job: Job) -> Stop:
        """What a job that runs was told; one that is no longer its worker's own must end."""
        with self.redis.pipeline(transaction=False) as pipe:
            pipe.get(_stop(job.id))
            pipe.hmget(_record(job.id), "state", "attempts")
            word, (state, attempts) = pipe.execute()
        if (state, attempts) != (b'"running"', str(job.attempts).encode()):
            return "cancel"
        return cast(Stop, word.decode() if word else "")

    def seconds(self, took: float | None = None) -> float:
        """How long a job takes; ``took``: one more that is over."""
        known = cast("bytes | None", self.redis.get(SECONDS))
        mean = float(known) if known else USUAL
        if took is not None:
            mean = 0.8 * mean + 0.2 * took  # two at once may forget one of them: it is a mean
            self.redis.set(SECONDS, mean)
        return mean

    def next_over(self, patience: float) -> Job | None:
        """A job that is over and that nobody has counted; waits for one for some seconds."""
        found = cast("list[bytes] | None", self.redis.blpop([OVER], timeout=patience))
        return self.get(found[1].decode()) if found else None

    def _transact(self, step: Callable[[Pipeline], bool], *watched: str) -> bool:
        return bool(self.redis.transaction(step, *watched, value_from_callable=True))  # type: ignore[arg-type]


def _move(pipe: Pipeline, before: Entry, job: Job) -> None:
    """What else belongs to a job's move from one state to another."""
    sets = {"waiting": WAITING, "running": RUNNING}
    pipe.delete(_at(job.id), _stop(job.id))
    if left := sets.get(before.job.state):
        pipe.zrem(left, job.id)
    if entered := sets.get(job.state):
        pipe.zadd(entered, {job.id: job.created})
    if job.state not in ENDED:
        return
    pipe.pexpire(_record(job.id), _ms(before.keep))
    gone = [*_uploads(job), *(MADE if job.state != "done" else ())]
    if gone:
        pipe.delete(*(_file(job.id, name) for name in gone))
    if job.state == "done":
        pipe.set(_equal(job.key), job.id, px=_ms(before.keep))
    _tell_over(pipe, job.id)


def _tell_over(pipe: Pipeline, job_id: str) -> None:
    pipe.rpush(OVER, job_id)
    pipe.ltrim(OVER, -UNCOUNTED, -1)


def _row(entry: Entry) -> dict[Any, Any]:
    values = {**asdict(entry.job), "keep": entry.keep}
    return {name: json.dumps(value) for name, value in values.items()}


def _entry(row: Mapping[bytes, bytes]) -> Entry:
    values = {name.decode(): json.loads(value) for name, value in row.items()}
    job = Job(**{name: values[name] for name in _COLUMNS})
    uploads = tuple(Upload(**upload) for upload in values["uploads"])
    return Entry(replace(job, uploads=uploads), values["keep"])


def _uploads(job: Job) -> Iterable[str]:
    return map(str, range(len(job.uploads)))


def _record(job_id: str) -> str:
    return f"sfumato:job:{job_id}"


def _file(job_id: str, name: str) -> str:
    return f"sfumato:file:{job_id}:{name}"


def _at(job_id: str) -> str:
    return f"sfumato:at:{job_id}"


def _stop(job_id: str) -> str:
    return f"sfumato:stop:{job_id}"


def _equal(key: str) -> str:
    return f"sfumato:equal:{key}"


def _ms(seconds: float) -> int:
    return max(1, round(1000 * seconds))
