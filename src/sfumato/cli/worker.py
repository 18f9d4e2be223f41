"""``sfumato worker``: does the jobs of ``sfumato serve --queue``, on any machine."""

from __future__ import annotations

from typing import Annotated

import typer

from sfumato.cli import _shared as shared
from sfumato.cli._shared import DEFAULT
from sfumato.cli.serve import (
    QUEUE,
    MaxMegapixels,
    MaxSeconds,
    Threads,
    WorkerMemory,
    Workers,
    crew,
)


def worker(
    queue: Annotated[
        str,
        typer.Option(
            help="redis://…: where the jobs wait, as given to 'sfumato serve'.",
            envvar="SFUMATO_QUEUE",
        ),
    ],
    workers: Workers = None,
    threads: Threads = None,
    max_seconds: MaxSeconds = 900,
    max_memory: WorkerMemory = None,
    max_megapixels: MaxMegapixels = 100,
    device: shared.Device = DEFAULT.device,
    quiet: shared.Quiet = False,
) -> None:
    """Do the jobs that wait in a queue, until told to end; told twice, at once."""
    shared.check_installed(*QUEUE)
    from sfumato.server.redis_book import connect
    from sfumato.server.rq_worker import work

    console = shared.Console(quiet)
    count, limits = crew(workers, threads, max_seconds, max_memory, max_megapixels, device)
    connection = connect(queue)
    console.note(f"{count} {'worker' if count == 1 else 'workers'} at work (ctrl-c ends)")
    work(connection, limits, count)
