"""Where jobs are handed in and asked after: a bounded line, and the workers that do them."""

from __future__ import annotations

import hashlib
import json
import math
import secrets
import shutil
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from filelock import FileLock, Timeout

import sfumato
from sfumato.errors import SfumatoError, UsageError
from sfumato.server.jobs import Book, Job, Upload
from sfumato.server.orders import Order
from sfumato.server.work import LOSSES, MANIFEST, PREVIEW, Task
from sfumato.server.worker import Limits, Outcome, Stop, Worker

USUAL = 5.0
"""Seconds that a job is thought to take before any has been done."""

PATIENCE = 30.0
"""Seconds that what runs has to end when the server goes down."""

SWEEP = 30.0
"""Seconds between looks for results that have been kept long enough."""


@dataclass(frozen=True)
class Sent:
    """A file that came with an order: for which part, what it is called, and its bytes."""

    part: str
    name: str
    data: bytes


class FullError(SfumatoError):
    """No more jobs are taken just now.

    Attributes:
        retry_after: seconds after which there should be room.
    """

    def __init__(self, retry_after: int) -> None:
        self.retry_after = retry_after
        super().__init__(f"too many jobs are waiting; come again in {retry_after} s")


class UnreachableError(SfumatoError):
    """Whatever keeps the jobs does not answer just now."""


class NoRoomError(SfumatoError):
    """The files of a job cannot be kept."""


class Desk(Protocol):
    """What the API needs of whoever keeps the jobs."""

    def hand_in(self, kind: str, order: Order, files: Sequence[Sent]) -> Job:
        """Take a job.

        Raises:
            FullError: too many are waiting.
            NoRoomError: its files cannot be kept.
        """
        ...

    def look(self, job_id: str) -> Job | None:
        """How a job stands; None if there is none (any more)."""
        ...

    def end(self, job_id: str, *, keep: bool = False) -> Job | None:
        """Cancel a job that is not over, or remove what one left; ``keep`` stops an optimisation
        and takes the best picture so far."""
        ...

    def fetch(self, job_id: str, name: str) -> bytes | None:
        """A file that a job made: its result, manifest, preview or losses."""
        ...

    def load(self) -> dict[str, int]:
        """How many jobs wait and run."""
        ...

    def close(self) -> None:
        """End in good order."""
        ...


@dataclass(frozen=True)
class Rules:
    """How the desk is run.

    Attributes:
        workers: processes.
        line: how many jobs may wait.
        keep: seconds for which a result stays.
    """

    workers: int = 1
    line: int = 64
    keep: float = 3600.0


class LocalDesk:
    """Jobs in a folder of this machine: a book, a folder for each job, worker processes.

    Args:
        folder: made if it is not there. What was in line when a server with this folder went
            down is taken up again.
        rules, limits: see there.
        ended: told of every job that is over.
    """

    def __init__(
        self,
        folder: Path,
        rules: Rules,
        limits: Limits,
        ended: Callable[[Job], None] | None = None,
    ) -> None:
        self._folder, self._rules, self._limits = folder, rules, limits
        (folder / "jobs").mkdir(parents=True, exist_ok=True)
        self._alone = FileLock(folder / "lock")
        try:
            self._alone.acquire(timeout=0)
        except Timeout:
            raise UsageError(
                f"another server works in {folder}; give this one another folder"
            ) from None
        self._book = Book(folder / "jobs.sqlite")
        self._ended = ended
        self._work = threading.Condition()
        self._live: dict[str, tuple[str, float]] = {}
        self._stops: dict[str, Stop] = {}
        self._seconds = USUAL
        self._closing = False
        self._handing_back = False
        self._book.take_up()
        self._crew = [
            threading.Thread(target=self._serve, args=(i,), name=f"worker {i}", daemon=True)
            for i in range(rules.workers)
        ]
        self._crew.append(threading.Thread(target=self._sweep, name="sweeper", daemon=True))
        for thread in self._crew:
            thread.start()

    def hand_in(self, kind: str, order: Order, files: Sequence[Sent]) -> Job:
        job = new_job(kind, order, files)
        if (done := self._again(job)) is not None:
            return done
        with self._work:
            waiting = self._book.count("waiting")
            if waiting >= self._rules.line:
                raise FullError(self._seconds_until_room(waiting))
            self._keep(job, files)
            self._book.add(job)
            self._work.notify_all()  # the sweeper waits here, too
        return job

    def look(self, job_id: str) -> Job | None:
        job = self._book.get(job_id)
        if job is None or job.state != "running":
            return job
        stage, fraction = self._live.get(job_id, ("", 0.0))
        return replace(job, stage=stage, fraction=fraction)

    def end(self, job_id: str, *, keep: bool = False) -> Job | None:
        job = self._book.get(job_id)
        if job is None:
            return None
        if self._book.change(job_id, only=["waiting"], state="cancelled", ended=time.time()):
            self._remove(job_id)
        elif job.over:
            self._forget(job)
            return job
        else:
            self._stops[job_id] = "keep" if keep else "cancel"
        return self.look(job_id)

    def fetch(self, job_id: str, name: str) -> bytes | None:
        job = self._book.get(job_id)
        if job is None or not may_be_fetched(job, name):
            return None
        with suppress(OSError):
            return (self._place(job_id) / name).read_bytes()
        return None

    def load(self) -> dict[str, int]:
        return {"waiting": self._book.count("waiting"), "running": self._book.count("running")}

    def close(self, patience: float = PATIENCE) -> None:
        """Begin nothing more, let what runs end, or hand it back after some seconds: it and the
        line wait for the next start."""
        with self._work:
            self._closing = True
            self._work.notify_all()
        until = time.monotonic() + patience
        for thread in self._crew:
            thread.join(max(0, until - time.monotonic()))
        self._handing_back = True
        for thread in self._crew:
            thread.join()
        self._book.close()
        self._alone.release()

    def _keep(self, job: Job, files: Sequence[Sent]) -> None:
        folder = self._place(job.id)
        try:
            folder.mkdir()
            for i, file in enumerate(files):
                (folder / str(i)).write_bytes(file.data)
        except OSError as error:
            self._remove(job.id)
            reason = (error.strerror or str(error)).lower()
            raise NoRoomError(f"the server cannot keep the files: {reason}") from None

    def _serve(self, number: int) -> None:
        """One worker's days."""
        worker = Worker(self._limits, number)
        try:
            while (job := self._next()) is not None:
                began = time.monotonic()
                self._finish(job, self._done(worker, job))
                over = self._book.get(job.id)
                if self._ended and over:
                    self._ended(over)
                self._seconds = 0.8 * self._seconds + 0.2 * (time.monotonic() - began)
        finally:
            worker.close()

    def _next(self) -> Job | None:
        with self._work:
            while not self._closing:
                if (job := self._book.claim()) is not None:
                    return job
                self._work.wait(1.0)
        return None

    def _done(self, worker: Worker, job: Job) -> Outcome:
        if (result := self._borrow(job)) is not None:
            return Outcome(result)
        task = Task(job.kind, job.order, job.uploads, self._place(job.id))

        def tell(stage: str, fraction: float) -> None:
            self._live[job.id] = (stage, fraction)

        def stop() -> Stop:
            return self._stops.get(job.id) or ("cancel" if self._handing_back else "")

        return worker.run(task, tell, stop)

    def _finish(self, job: Job, outcome: Outcome) -> None:
        told = self._stops.pop(job.id, "")
        self._live.pop(job.id, None)
        now = time.time()
        if outcome.result and told != "cancel":
            # Stopped half-way it is no answer to those who ask the same.
            key = f"{job.key} stopped" if told else job.key
            self._book.change(
                job.id, state="done", fraction=1.0, result=outcome.result, key=key, ended=now
            )
            self._remove_uploads(job)
            return
        if self._handing_back and not told:
            fresh: dict[str, Any] = {"stage": "", "fraction": 0.0, "started": None}
            fresh["attempts"] = job.attempts - 1
            self._book.change(job.id, state="waiting", **fresh)
            return
        if outcome.message and not told:
            self._book.change(
                job.id, state="failed", message=outcome.message, blame=outcome.blame, ended=now
            )
        else:
            self._book.change(job.id, state="cancelled", ended=now)
        self._remove(job.id)

    def _again(self, job: Job) -> Job | None:
        """The job done already, if an equal one has been and its files are still there."""
        folder = self._place(job.id)
        folder.mkdir()
        result = self._borrow(job)
        if result is None:
            folder.rmdir()
            return None
        done = replace(job, state="done", fraction=1.0, result=result, ended=time.time())
        self._book.add(done)
        return done

    def _borrow(self, job: Job) -> str | None:
        """The files of an equal job in this one's folder; the name of its result."""
        equal = self._book.equal(job.key)
        if equal is None:
            return None
        source, target = self._place(equal.id), self._place(job.id)
        try:
            shutil.copyfile(source / equal.result, target / equal.result)
            if (source / MANIFEST).exists():
                shutil.copyfile(source / MANIFEST, target / MANIFEST)
        except OSError:  # swept away a moment ago
            for name in (equal.result, MANIFEST):
                (target / name).unlink(missing_ok=True)
            return None
        return equal.result

    def _sweep(self) -> None:
        while True:
            for job in self._book.ended_before(time.time() - self._rules.keep):
                self._forget(job)
            with self._work:
                if self._closing or self._work.wait_for(lambda: self._closing, SWEEP):
                    return

    def _seconds_until_room(self, waiting: int) -> int:
        rounds = max(1, waiting - self._rules.line + 1) / self._rules.workers
        return max(1, math.ceil(self._seconds * rounds))

    def _place(self, job_id: str) -> Path:
        return self._folder / "jobs" / job_id

    def _forget(self, job: Job) -> None:
        self._remove(job.id)
        self._book.forget(job.id)

    def _remove(self, job_id: str) -> None:
        shutil.rmtree(self._place(job_id), ignore_errors=True)

    def _remove_uploads(self, job: Job) -> None:
        for i in range(len(job.uploads)):
            (self._place(job.id) / str(i)).unlink(missing_ok=True)


def may_be_fetched(job: Job, name: str) -> bool:
    """Whether this names a file that a job makes, and nothing else in its folder."""
    return bool(name) and name in (job.result, MANIFEST, PREVIEW, LOSSES)


def new_job(kind: str, order: Order, files: Sequence[Sent]) -> Job:
    """A job that waits."""
    uploads = tuple(Upload(f.part, f.name, hashlib.sha256(f.data).hexdigest()) for f in files)
    asked = order.model_dump(mode="json")
    return Job(new_id(), kind, asked, uploads, key_of(kind, asked, uploads), time.time())


def new_id() -> str:
    """Unguessable, and nothing but letters and digits."""
    return secrets.token_hex(16)


def key_of(kind: str, order: Mapping[str, Any], uploads: Sequence[Upload]) -> str:
    """Names what is asked for, whoever asks: kind, settings, files and Sfumato's version."""
    files = [(u.part, u.name, u.sha256) for u in uploads]
    asked = json.dumps([sfumato.__version__, kind, order, files], sort_keys=True)
    return hashlib.sha256(asked.encode()).hexdigest()
