"""``sfumato serve``: the web page and the HTTP API."""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sfumato.cli import _shared as shared
from sfumato.cli._shared import DEFAULT
from sfumato.errors import UsageError

if TYPE_CHECKING:
    from sfumato.server.desk import Desk, Rules
    from sfumato.server.metrics import Metrics
    from sfumato.server.worker import Limits

LOOPBACK = ("127.0.0.1", "localhost", "::1")

NVIDIA = Path("/proc/driver/nvidia/gpus")
"""Where Linux' driver has an entry for each of them."""

QUEUE = ("a queue in Redis", "redis", ("redis", "rq"))
"""What it is, its extra, and the libraries of that."""

Workers = Annotated[
    int | None,
    typer.Option(
        help="Processes that work. (default: one for each NVIDIA GPU, or for every two cores)",
        min=1,
    ),
]
Threads = Annotated[
    int | None, typer.Option(help="Of each worker. (default: the cores, shared out)", min=1)
]
MaxSeconds = Annotated[float, typer.Option(help="That a job may take.", min=1)]
WorkerMemory = Annotated[
    float | None,
    typer.Option("--max-memory", help="Gigabytes that a worker may hold; Linux only.", min=0.5),
]
MaxMegapixels = Annotated[float, typer.Option(help="Of a picture.", min=0.01)]


def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535)] = 8000,
    token: Annotated[
        str | None,
        typer.Option(help="Asked of everyone who comes.", envvar="SFUMATO_TOKEN"),
    ] = None,
    folder: Annotated[
        Path | None,
        typer.Option(help="Where jobs are kept. (default: sfumato in the state folder)"),
    ] = None,
    queue: Annotated[
        str | None,
        typer.Option(
            help="redis://…: jobs wait there, and 'sfumato worker' does them, on any machine."
        ),
    ] = None,
    workers: Workers = None,
    threads: Threads = None,
    line: Annotated[int, typer.Option(help="How many jobs may wait.", min=1)] = 64,
    keep: Annotated[float, typer.Option(help="Minutes for which results stay.", min=0.1)] = 60,
    max_seconds: MaxSeconds = 900,
    max_memory: WorkerMemory = None,
    max_megapixels: MaxMegapixels = 100,
    max_upload: Annotated[float, typer.Option(help="Megabytes of one request.", min=0.1)] = 64,
    device: shared.Device = DEFAULT.device,
    page: Annotated[bool, typer.Option(help="With the web page, or the API alone.")] = True,
    quiet: shared.Quiet = False,
) -> None:
    """Open a web page and an HTTP API."""
    shared.check_installed("the server", "serve", ("fastapi", "gradio", "uvicorn"))
    import uvicorn

    from sfumato.server.app import House, create
    from sfumato.server.desk import Rules
    from sfumato.server.metrics import Metrics

    console = shared.Console(quiet)
    outside = host not in LOOPBACK
    if outside and not token:
        typer.echo(
            f"sfumato: warning: whoever reaches {host}:{port} can use this server; set a --token",
            err=True,
        )
    entrance = listen(host, port)
    count, limits = crew(workers, threads, max_seconds, max_memory, max_megapixels, device)
    metrics = Metrics()
    desk = _desk(queue, folder, Rules(count, line, 60 * keep), limits, metrics)
    hosts = ("*",) if outside else House().hosts
    house = House(token=token or None, hosts=hosts, max_bytes=round(1e6 * max_upload))
    app = create(desk, house, metrics)
    if page:
        from sfumato.server.page import mount

        mount(app, desk, house)
    config = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=5)
    with suppress(KeyboardInterrupt):  # the usual way to end it
        console.note(f"http://{f'[{host}]' if ':' in host else host}:{port} (ctrl-c ends it)")
        uvicorn.Server(config).run([entrance])


def listen(host: str, port: int) -> socket.socket:
    """A socket that waits for connections.

    Raises:
        UsageError: the address is not ours, or in use.
    """
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        entrance = socket.socket(family, socket.SOCK_STREAM)
        entrance.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        entrance.bind(address)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise UsageError(f"cannot listen on {host}:{port}: {reason}; see --host, --port") from None
    return entrance


def crew(
    workers: int | None,
    threads: int | None,
    seconds: float,
    memory: float | None,
    megapixels: float,
    device: str,
) -> tuple[int, Limits]:
    """How many workers, and what a job may use, from the options.

    One worker for a GPU. Without one, for two cores: a single job is not slower than on the
    command line, and a worker's nets take about a gigabyte.
    """  # fmt: skip
    from sfumato.server.worker import Limits

    cores = os.cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    gpus = graphics_processors() if device in ("auto", "cuda") else ()
    count = workers or len(gpus) or max(1, cores // 2)
    each = threads or max(1, cores // count)
    return count, Limits(seconds, memory, round(1e6 * megapixels), each, device, gpus)


def graphics_processors() -> tuple[str, ...]:
    """The NVIDIA GPUs that may be used, as ``CUDA_VISIBLE_DEVICES`` names them; asked of the
    driver's files, since loading torch for it would take seconds."""
    allowed = os.environ.get("CUDA_VISIBLE_DEVICES")
    if not NVIDIA.is_dir():
        return ()
    if allowed is not None:
        return tuple(name.strip() for name in allowed.split(",") if name.strip() not in ("", "-1"))
    return tuple(str(i) for i, _ in enumerate(NVIDIA.iterdir()))


def _desk(
    queue: str | None, folder: Path | None, rules: Rules, limits: Limits, metrics: Metrics
) -> Desk:
    from sfumato.server.desk import LocalDesk

    if queue is None:
        return LocalDesk(folder or _state_folder(), rules, limits, metrics.ended)
    if not queue.startswith(("redis://", "rediss://", "unix://")):
        raise UsageError(f"--queue takes the address of a Redis (redis://…); got {queue!r}")
    shared.check_installed(*QUEUE)
    from sfumato.server.rq_desk import RedisDesk

    return RedisDesk(queue, rules, limits, metrics.ended)


def _state_folder() -> Path:
    base = os.environ.get("XDG_STATE_HOME", "")  # the standard: ignore a relative one
    home = Path(base) if Path(base).is_absolute() else Path.home() / ".local" / "state"
    return home / "sfumato"
