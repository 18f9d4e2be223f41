"""Where the pictures of a data set are painted: in this process, in several, or on Ray.

An engine is a function that takes what makes a painter, the items and the number of workers, and
yields each item's record as it is finished, in any order. The files are written by the painter;
the engine only carries records. A worker that dies takes nothing with it but the items that it
held; they are painted again.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import asdict
from multiprocessing import get_context, parent_process
from multiprocessing.process import BaseProcess
from threading import Thread
from typing import Any, Protocol, TypeVar, cast

import cv2

from sfumato.data.restyle import Item, Record
from sfumato.errors import MissingExtraError, SfumatoError, UsageError
from sfumato.ops import onnx

MakePainter = Callable[[], Callable[[Item], Record]]
"""Loads the nets. Picklable."""

I = TypeVar("I")  # noqa: E741
R = TypeVar("R")

AHEAD = 2
"""Items that each worker holds: one in work, one to go on with."""

DIED = "a worker process died over it, perhaps for want of memory"


class Engine(Protocol):
    """Paints items; yields each one's record once."""

    def __call__(
        self, make: MakePainter, items: Sequence[Item], workers: int
    ) -> Iterator[Record]: ...


def engine(name: str) -> Engine:
    """The engine of this name.

    Raises:
        UsageError: there is none.
        MissingExtraError: its library is not installed.
    """
    if name == "ray":
        try:
            import ray  # noqa: F401
        except ImportError:
            raise MissingExtraError("the engine ray", "ray") from None
        return on_ray
    if name != "local":
        raise UsageError(f"there is no engine {name!r} (known: local, ray)")
    return local


def local(make: MakePainter, items: Sequence[Item], workers: int) -> Iterator[Record]:
    """In this process, or in several on this machine."""
    return spread(make, items, workers, lambda i: Record(i.picture, i.content, failed=DIED))


def spread(
    make: Callable[[], Callable[[I], R]],
    items: Sequence[I],
    workers: int,
    died: Callable[[I], R],
) -> Iterator[R]:
    """Any work on items, in this process or in several; nets run on one thread in each.

    Args:
        make: loads the nets and gives what does the work. Picklable, as items and results are.
        items: what to work on.
        workers: processes; 1 = this one.
        died: the result for an item over which a worker died twice.

    Returns:
        the results as they are ready.
    """
    if workers == 1:
        with one_thread() as limit:
            work = make()
            limit()
            yield from (work(item) for item in items)
        return
    waiting, suspects = deque(items), deque[I]()
    while waiting or suspects:
        if suspects:  # one at a time shows which of them it is
            for item in (yield from _pool(make, suspects, workers=1, held=1)):
                yield died(item)
        else:
            suspects.extend((yield from _pool(make, waiting, workers, held=workers * AHEAD)))


def _pool(
    make: Callable[[], Callable[[I], R]], waiting: deque[I], workers: int, held: int
) -> Generator[R, None, list[I]]:
    """Work on what is waiting until a worker dies.

    Returns:
        the items that the workers held then.
    """
    pool = ProcessPoolExecutor(workers, get_context("spawn"), _begin, (make,))  # forks would hang
    running: dict[Future[R], I] = {}
    try:
        while waiting or running:
            while waiting and len(running) < held:
                running[pool.submit(_work, waiting[0])] = waiting[0]
                waiting.popleft()
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                yield future.result()
                del running[future]
    except BrokenProcessPool:
        pass
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
    return list(running.values())


@contextmanager
def one_thread() -> Iterator[Callable[[], None]]:
    """Nets that are loaded inside run on one thread; torch, once the function is called that this
    gives (it is not imported for it)."""
    limits = cv2.getNumThreads(), onnx.limit_threads(1)
    cv2.setNumThreads(1)
    torch_threads = 0

    def limit() -> None:
        nonlocal torch_threads
        if torch := sys.modules.get("torch"):
            torch_threads = torch.get_num_threads()
            torch.set_num_threads(1)

    try:
        yield limit
    finally:
        cv2.setNumThreads(limits[0])
        onnx.limit_threads(limits[1])
        if torch_threads:
            sys.modules["torch"].set_num_threads(torch_threads)


_worker: Callable[[Any], Any] | Exception
"""Of a worker process; or why there is none."""

_single = one_thread()
"""Entered by a worker process, and never left."""


def _begin(make: Callable[[], Callable[[Any], Any]]) -> None:
    global _worker
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent tells when to stop
    if parent := parent_process():
        Thread(target=_end_with, args=(parent,), daemon=True).start()
    limit = _single.__enter__()
    try:
        _worker = make()
    except SfumatoError as error:
        _worker = error
    limit()


def _end_with(parent: BaseProcess) -> None:
    """A worker whose parent was killed would wait for work for ever."""
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)


def _work(item: Any) -> Any:
    if isinstance(_worker, Exception):
        raise _worker
    return _worker(item)


def on_ray(make: MakePainter, items: Sequence[Item], workers: int) -> Iterator[Record]:
    """On Ray Data: on the cluster that ``RAY_ADDRESS`` names, else on one that is begun here.

    All its machines must see the folders under the same paths. Ray paints again what a worker
    held that died.
    """
    import ray

    begun = not ray.is_initialized()
    if begun:
        ray.init(log_to_driver=False, include_dashboard=False, logging_level=logging.ERROR)
    ray.data.DataContext.get_current().enable_progress_bars = False
    try:
        rows = ray.data.from_items([asdict(item) for item in items], override_num_blocks=len(items))
        painted = rows.map(
            cast(Any, _RayPainter), fn_constructor_args=(make,), concurrency=workers, num_cpus=1
        )
        for row in painted.iter_rows():
            yield Record(**json.loads(row["record"]))
    finally:
        if begun:
            ray.shutdown()


class _RayPainter:
    """A painter as Ray has it: rows of plain columns in and out."""

    def __init__(self, make: MakePainter) -> None:
        _begin(make)

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        size = row["size"]
        item = Item(row["content"], row["picture"], None if size is None else tuple(size))
        return {"record": json.dumps(asdict(_work(item)))}
