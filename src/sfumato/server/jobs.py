"""What a job is, and the book in which jobs are kept: SQLite, so that they survive a restart."""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal

State = Literal["waiting", "running", "done", "failed", "cancelled"]

ENDED: tuple[State, ...] = ("done", "failed", "cancelled")

ATTEMPTS = 2
"""How often a job is begun: one that twice took the server down with it is given up."""


@dataclass(frozen=True)
class Upload:
    """A file that came with a job.

    Attributes:
        part: what it is for: ``photo``, ``portrait``, ``painting``, or ``files`` (styles, masks).
        name: what the sender called it; never a path here.
        sha256: of its bytes.
    """

    part: str
    name: str
    sha256: str


@dataclass(frozen=True)
class Job:
    """One thing to do, and how it stands. Times are seconds since 1970.

    Attributes:
        id: unguessable; whoever knows it may see and end the job.
        kind: ``paint``, ``cut``, ``place`` or ``optimise``.
        order: what was asked for, as plain JSON-able data (:mod:`sfumato.server.orders`).
        uploads: the files; the i-th lies in the job's folder under the name ``i``.
        key: the same for jobs that ask the same of the same files.
        stage, fraction: what is being done, and how much of it is, 0..1.
        message: why it failed, in one sentence.
        blame: whose fault that was: the sender's (``order``) or ours (``server``).
        result: name of the picture in the job's folder, once it is there.
        attempts: how often it was begun.
    """

    id: str
    kind: str
    order: dict[str, Any]
    uploads: tuple[Upload, ...]
    key: str
    created: float
    state: State = "waiting"
    stage: str = ""
    fraction: float = 0.0
    message: str = ""
    blame: str = ""
    result: str = ""
    attempts: int = 0
    started: float | None = None
    ended: float | None = None

    @property
    def over(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.state in ENDED


_COLUMNS = [field.name for field in fields(Job)]
_AS_JSON = ("order", "uploads")


class Book:
    """All jobs, in one SQLite file. Safe to use from several threads.

    Args:
        path: the file; made if it is not there.
    """

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        columns = ", ".join(f'"{name}"' for name in _COLUMNS if name != "id")
        self._db.execute(f"CREATE TABLE IF NOT EXISTS jobs (id TEXT PRIMARY KEY, {columns})")
        self._db.execute("CREATE INDEX IF NOT EXISTS by_state ON jobs (state, created)")
        self._db.execute("CREATE INDEX IF NOT EXISTS by_key ON jobs (key, state)")

    def close(self) -> None:
        with self._lock:
            self._db.close()

    def add(self, job: Job) -> None:
        """Write down a new job."""
        marks = ", ".join("?" * len(_COLUMNS))
        names = ", ".join(f'"{name}"' for name in _COLUMNS)
        with self._cursor() as cursor:
            cursor.execute(f"INSERT INTO jobs ({names}) VALUES ({marks})", _row(job))

    def get(self, job_id: str) -> Job | None:
        return self._one("id = ?", [job_id])

    def count(self, state: State) -> int:
        with self._cursor() as cursor:
            cursor.execute("SELECT count(*) FROM jobs WHERE state = ?", [state])
            return int(cursor.fetchone()[0])

    def ahead_of(self, job: Job) -> int:
        """How many waiting jobs come before this one."""
        with self._cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM jobs WHERE state = 'waiting' AND created < ?", [job.created]
            )
            return int(cursor.fetchone()[0])

    def equal(self, key: str) -> Job | None:
        """A job that asked the same and is done."""
        return self._one("key = ? AND state = 'done' ORDER BY ended DESC", [key])

    def claim(self) -> Job | None:
        """The job that has waited longest, now running; None if none waits."""
        with self._cursor() as cursor:
            cursor.execute(
                "UPDATE jobs SET state = 'running', started = ?, attempts = attempts + 1 "
                "WHERE id = (SELECT id FROM jobs WHERE state = 'waiting' ORDER BY created LIMIT 1) "
                "RETURNING *",
                [time.time()],
            )
            rows = cursor.fetchall()
        return _job(rows[0]) if rows else None

    def change(self, job_id: str, *, only: Sequence[State] | None = None, **values: Any) -> bool:
        """Set columns of a job, if it is in one of these states; whether it was."""
        sets = ", ".join(f'"{name}" = ?' for name in values)
        where, states = "", list(only or ())
        if only is not None:
            where = f" AND state IN ({', '.join('?' * len(states))})"
        with self._cursor() as cursor:
            cursor.execute(
                f"UPDATE jobs SET {sets} WHERE id = ?{where}", [*values.values(), job_id, *states]
            )
            return cursor.rowcount > 0

    def ended_before(self, moment: float) -> list[Job]:
        return self._many("ended < ?", [moment])

    def forget(self, job_id: str) -> None:
        with self._cursor() as cursor:
            cursor.execute("DELETE FROM jobs WHERE id = ?", [job_id])

    def take_up(self) -> list[Job]:
        """After a restart: what was running waits again, or is given up.

        Returns:
            the jobs that were given up.
        """
        given_up = []
        for job in self._many("state = 'running'", []):
            if job.attempts < ATTEMPTS:
                self.change(job.id, state="waiting", stage="", fraction=0.0, started=None)
                continue
            sentence = f"the server went down {ATTEMPTS} times during this job, so it is given up"
            self.change(job.id, state="failed", message=sentence, blame="server", ended=time.time())
            given_up.append(job)
        return given_up

    @contextmanager
    def _cursor(self) -> Iterator[sqlite3.Cursor]:
        with self._lock, closing(self._db.cursor()) as cursor:
            cursor.row_factory = sqlite3.Row
            yield cursor

    def _one(self, where: str, values: list[Any]) -> Job | None:
        found = self._many(f"{where} LIMIT 1", values)
        return found[0] if found else None

    def _many(self, where: str, values: list[Any]) -> list[Job]:
        with self._cursor() as cursor:
            cursor.execute(f"SELECT * FROM jobs WHERE {where}", values)
            return [_job(row) for row in cursor.fetchall()]


def _row(job: Job) -> list[Any]:
    values = asdict(job)
    return [json.dumps(values[n]) if n in _AS_JSON else values[n] for n in _COLUMNS]


def _job(row: sqlite3.Row) -> Job:
    values = {name: json.loads(row[name]) if name in _AS_JSON else row[name] for name in _COLUMNS}
    job = Job(**values)
    return replace(job, uploads=tuple(Upload(**upload) for upload in values["uploads"]))
