"""Where a worker does jobs that are kept in Redis: files come over, and what was made goes back."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from rq import Retry

from sfumato.server.jobs import Job
from sfumato.server.redis_book import AFRESH, MADE, Entry, RedisBook
from sfumato.server.work import LOSSES, PREVIEW, Task
from sfumato.server.worker import Limits, Outcome, Stop, Worker

HEAR, TELL, LOOK = 0.25, 0.25, 1.0
"""Seconds between questions whether to end, reports of progress, and looks for previews."""


class Bench:
    """Where one job after the other is done: in a process, in a folder, in the book's name.

    Args:
        book: jobs and files.
        limits: of a job.
        number: among this machine's workers.
        folder: for the files of the job that is being done; made if it is not there.
        leaving: asked whether the job is to be handed back.
    """

    def __init__(
        self, book: RedisBook, limits: Limits, number: int, folder: Path,
        leaving: Callable[[], bool],
    ) -> None:  # fmt: skip
        self._book, self._folder, self._leaving = book, folder, leaving
        self._worker = Worker(limits, number)

    def do(self, job_id: str) -> Retry | None:
        """Do a job, or hand it back (Retry): then it waits again, at the front."""
        entry = self._book.claim(job_id)
        if entry is None:  # cancelled while it waited
            return None
        began = time.monotonic()
        try:
            handed_back = self._done(entry)
        finally:
            shutil.rmtree(self._folder, ignore_errors=True)
        if handed_back:
            return Retry(max=2**31, enqueue_at_front=True)
        self._book.seconds(time.monotonic() - began)
        return None

    def close(self) -> None:
        self._worker.close()

    def _done(self, entry: Entry) -> bool:
        if (result := self._book.borrow(entry)) is not None:
            return self._finish(entry, Outcome(result), "", left=False)
        if not self._lay_out(entry.job):
            gone = Outcome("", "its files are no longer there", "server")
            return self._finish(entry, gone, "", left=False)
        task = Task(entry.job.kind, entry.job.order, entry.job.uploads, self._folder)
        wire = _Wire(self._book, entry, self._folder, self._leaving)
        outcome = self._worker.run(task, wire.tell, wire.stop)
        return self._finish(entry, outcome, wire.told, left=wire.left)

    def _lay_out(self, job: Job) -> bool:
        self._folder.mkdir(parents=True)
        for i in range(len(job.uploads)):
            data = self._book.file(job.id, str(i))
            if data is None:
                return False
            (self._folder / str(i)).write_bytes(data)
        return True

    def _finish(self, entry: Entry, outcome: Outcome, told: Stop, *, left: bool) -> bool:
        """Write down how it ended; whether it is handed back."""
        job, now = entry.job, time.time()

        def change(**values: Any) -> bool:
            return self._book.change(job.id, only=["running"], attempt=job.attempts, **values)

        if outcome.result and told != "cancel":
            self._bring_back(entry, outcome.result)
            # Stopped half-way it is no answer to those who ask the same.
            key = f"{job.key} stopped" if told else job.key
            change(state="done", fraction=1.0, result=outcome.result, key=key, ended=now)
            return False
        if left:
            return change(state="waiting", attempts=job.attempts - 1, **AFRESH)
        if outcome.message and not told:
            change(state="failed", message=outcome.message, blame=outcome.blame, ended=now)
        else:
            change(state="cancelled", ended=now)
        return False

    def _bring_back(self, entry: Entry, result: str) -> None:
        files = {}
        for name in (result, *MADE):
            with suppress(OSError):
                files[name] = (self._folder / name).read_bytes()
        self._book.put(entry.job.id, files, entry.keep)


class _Wire:
    """Between a job that runs and the book: progress and previews there, words to it back.

    Attributes:
        told: what it was told from there.
        left: whether it was ended because its worker leaves.
    """

    def __init__(
        self, book: RedisBook, entry: Entry, folder: Path, leaving: Callable[[], bool]
    ) -> None:
        self._book, self._entry, self._folder, self._leaving = book, entry, folder, leaving
        self.told: Stop = ""
        self.left = False
        self._stage = ""
        self._seen: dict[str, int] = {}
        self._next = {"hear": 0.0, "tell": 0.0, "look": time.monotonic() + LOOK}

    def tell(self, stage: str, fraction: float) -> None:
        if self._due("tell", TELL) or stage != self._stage:
            self._stage = stage
            self._book.tell(self._entry.job, stage, fraction)
        self._show()

    def stop(self) -> Stop:
        self._show()
        if self._due("hear", HEAR):
            self.told = self._book.heard(self._entry.job)
        if not self.told and self._leaving():
            self.left = True
            return "cancel"
        return self.told

    def _show(self) -> None:
        """Bring over what can be seen of it already, if it is new."""
        if not self._due("look", LOOK):
            return
        for name in (PREVIEW, LOSSES):
            path = self._folder / name
            with suppress(OSError):
                changed = path.stat().st_mtime_ns
                if changed != self._seen.get(name):
                    self._seen[name] = changed
                    made = {name: path.read_bytes()}
                    self._book.put(self._entry.job.id, made, self._entry.keep)

    def _due(self, what: str, every: float) -> bool:
        now = time.monotonic()
        if now < self._next[what]:
            return False
        self._next[what] = now + every
        return True
