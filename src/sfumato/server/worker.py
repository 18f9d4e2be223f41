"""A process that does one job after the other, and the handle by which the server holds it.

Jobs run in processes of their own: a file that crashes a decoder, a job that eats the memory or
does not end takes its worker with it and nothing else.
"""

from __future__ import annotations

import errno
import multiprocessing
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, Literal

from sfumato.errors import MissingExtraError, SfumatoError, WeightsError
from sfumato.io._environment import environment
from sfumato.server.work import LOSSES, Curve, Task, Workshop
from sfumato.types import Image, Step

GRACE = 10.0
"""Seconds in which a job has to end that was told to; then its worker is killed."""

THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")

TO_KEEP = 120.0
"""The same for one that is to keep what it has: it ends its step and puts the picture together."""

Stop = Literal["", "cancel", "keep"]
"""What a running job is told: nothing, to end, or to end with the best picture so far."""


@dataclass(frozen=True)
class Limits:
    """What a job may use.

    Attributes:
        seconds: then it is ended.
        memory: gigabytes that its process may hold, nets included; None = any. Linux only.
        max_pixels: of a picture.
        threads: of each worker.
        device: where nets run.
        gpus: those to share out among the workers, as ``CUDA_VISIBLE_DEVICES`` names them; none =
            every worker sees what this process sees.
    """

    seconds: float = 900.0
    memory: float | None = None
    max_pixels: int = 100_000_000
    threads: int = 1
    device: str = "auto"
    gpus: tuple[str, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """How a job ended.

    Attributes:
        result: name of the picture in the job's folder, if there is one.
        message: else the reason, in one sentence; empty = it was told to end.
        blame: whose fault that was: ``order`` or ``server``.
    """

    result: str = ""
    message: str = ""
    blame: str = ""


TOO_MUCH_MEMORY = Outcome(
    message="it needs more memory than a job may use; ask for a smaller size", blame="order"
)


class Worker:
    """The server's side: starts the process, hands it jobs, and sees to it that they end.

    Args:
        limits: of a job.
        number: among this machine's workers, from 0; says whose turn it is with which GPU.
    """

    def __init__(self, limits: Limits, number: int = 0) -> None:
        self._limits = limits
        self._environment = dict.fromkeys(THREADS, str(limits.threads))
        if limits.gpus:
            self._environment["CUDA_VISIBLE_DEVICES"] = limits.gpus[number % len(limits.gpus)]
        self._process: Any = None
        self._pipe: Connection | None = None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def run(
        self, task: Task, tell: Callable[[str, float], None], stop: Callable[[], Stop]
    ) -> Outcome:
        """Have a job done; starts the process if there is none.

        Args:
            task: what to do.
            tell: told the stage and its done fraction.
            stop: asked now and then whether the job is to end.
        """
        pipe = self._start()
        began = time.monotonic()
        told: Stop = ""
        patience = self._limits.seconds
        try:
            pipe.send(task)
            while True:
                if pipe.poll(0.05):
                    kind, *values = pipe.recv()
                    if kind == "over":
                        return Outcome(*values)
                    tell(*values)
                if not told and (told := stop()):
                    pipe.send(told)
                    grace = TO_KEEP if told == "keep" else GRACE
                    patience = time.monotonic() - began + grace
                if time.monotonic() - began > patience:
                    self.kill()
                    return Outcome() if told else self._too_long()
        except (EOFError, OSError):  # the process is gone
            code = self._ended()
            return Outcome() if told else Outcome("", _why(code, self._limits), "server")

    def kill(self) -> None:
        """End the process, whatever it does."""
        if self._process is not None:
            self._process.kill()
            self._ended()

    def close(self) -> None:
        """Let the process end by itself."""
        if self._pipe is not None:
            with suppress(OSError):
                self._pipe.close()
        if self._process is not None:
            self._process.join(GRACE)
            self.kill()

    def _start(self) -> Connection:
        if self._process is not None and self._process.is_alive() and self._pipe is not None:
            return self._pipe
        self._ended()
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(
            target=main, args=(theirs, self._limits), name="sfumato worker", daemon=True
        )
        # Libraries read their number of threads and the GPUs from it as they are loaded.
        with _starting, environment(self._environment):
            self._process.start()
        theirs.close()
        return self._pipe

    def _ended(self) -> int | None:
        if self._process is None:
            return None
        self._process.join(GRACE)
        code: int | None = self._process.exitcode
        if self._pipe is not None:
            self._pipe.close()
        self._process = self._pipe = None
        return code

    def _too_long(self) -> Outcome:
        return Outcome(
            "", f"it took longer than the {self._limits.seconds:g} s that a job may take; ask for "
            "a smaller size or fewer steps", "order",
        )  # fmt: skip


def _why(code: int | None, limits: Limits) -> str:
    if code == -signal.SIGKILL or limits.memory:
        return "its process was ended by the system, most likely for want of memory"
    return f"its process crashed (exit code {code})"


_starting = threading.Lock()
"""Held by who changes the environment; all threads of a process share it."""


class Cancelled(BaseException):
    """Raised inside a job that was told to end; no ``except Exception`` on the way holds it."""


def main(pipe: Connection, limits: Limits) -> None:
    """The process: does what comes through the pipe until it is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the server decides what ends when
    prepare(limits)
    workshop = Workshop(limits.device, limits.max_pixels)
    while True:
        try:
            task = pipe.recv()
        except (EOFError, OSError):
            return
        if isinstance(task, Task):  # else it is a word to the last job, which had just ended
            outcome = do(workshop, task, lambda *at: pipe.send(("at", *at)), lambda: _heard(pipe))
            with suppress(OSError):
                pipe.send(("over", outcome.result, outcome.message, outcome.blame))


def prepare(limits: Limits) -> None:
    """Set this process's limits."""
    import cv2

    from sfumato.ops import onnx

    cv2.setNumThreads(limits.threads)
    onnx.limit_threads(limits.threads)
    if limits.memory is not None and sys.platform == "linux":
        import resource

        most = int(limits.memory * 1e9)
        resource.setrlimit(resource.RLIMIT_DATA, (most, most))


def do(
    workshop: Workshop, task: Task, tell: Callable[[str, float], None], heard: Callable[[], Stop]
) -> Outcome:
    """Do a job and say how it ended.

    Args:
        workshop, task: see :class:`sfumato.server.work.Workshop`.
        tell: told the stage and its done fraction.
        heard: what the job has been told since the last call.
    """

    word: Stop = ""
    curve = Curve(task.folder / LOSSES)

    def told() -> Stop:
        nonlocal word  # it is heard once, here or there, and holds from then on
        word = heard() or word
        return word if task.kind == "optimise" or not word else "cancel"

    def report(stage: str, fraction: float) -> None:
        if told() == "cancel":
            raise Cancelled
        tell(stage, fraction)

    def watch(step: Step, picture: Callable[[], Image]) -> None:  # noqa: ARG001
        curve.add(step)
        tell("optimise", step.number / max(1, step.total))
        if told() == "cancel":
            raise Cancelled
        if word == "keep" and not step.interrupted:
            raise KeyboardInterrupt

    try:
        watched = watch if task.kind == "optimise" else None
        return Outcome(workshop.do(task, report, watched))
    except Cancelled:
        return Outcome()
    except SfumatoError as error:
        full = getattr(error.__context__, "errno", None) == errno.ENOSPC
        ours = full or isinstance(error, MissingExtraError | WeightsError)
        return Outcome("", task.told(str(error)), "server" if ours else "order")
    except MemoryError:
        return TOO_MUCH_MEMORY
    except Exception as error:
        traceback.print_exc()  # into the server's log; the sender has no use for it
        if "alloc" in str(error).lower():  # torch and ONNX Runtime have errors of their own for it
            return TOO_MUCH_MEMORY
        return Outcome("", f"the server failed at it ({type(error).__name__})", "server")


def _heard(pipe: Connection) -> Stop:
    word: Stop = ""
    try:
        while pipe.poll():
            word = pipe.recv()
    except (EOFError, OSError):  # the server is gone, and nobody waits for this job
        return "cancel"
    return word
