"""Several processes on one machine, each with a device of its own; this one is the first."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from torch import multiprocessing

from sfumato.io._environment import environment


@contextmanager
def helpers(count: int, work: Callable[..., Any], *arguments: Any) -> Iterator[None]:
    """Run ``work(*arguments)`` in ``count - 1`` further processes, beside the body of ``with``.

    The environment tells each process its rank, as torchrun would. If the body fails the others
    are ended; after it they are waited for.
    """
    if count == 1:
        yield
        return
    shared = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(_free_port()), "NODE_RANK": "0"}
    shared["WORLD_SIZE"] = str(count)
    context = multiprocessing.get_context("spawn")
    others = [
        context.Process(
            target=_work, args=(shared | {"LOCAL_RANK": str(rank)}, work, arguments), daemon=True
        )
        for rank in range(1, count)
    ]
    for other in others:
        other.start()
    try:
        with environment(shared | {"LOCAL_RANK": "0"}):
            yield
            for other in others:
                other.join()
    finally:
        for other in others:
            other.terminate()


def _work(its: Mapping[str, str], work: Callable[..., Any], arguments: Any) -> None:
    os.environ.update(its)
    work(*arguments)


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
