"""``sfumato serve``, as far as it goes before it listens, and once whole."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import suppress

import pytest

from sfumato.cli.main import main
from sfumato.cli.serve import crew, listen
from sfumato.errors import UsageError

pytest.importorskip("fastapi", reason="needs the extra serve")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--host", "no.such.host.invalid"], "cannot listen on no.such.host.invalid"),
        (["--host", "8.8.8.8"], "cannot listen on 8.8.8.8"),
        (["--queue", "/tmp/queue", "--port", "65124"], "--queue takes the address of a Redis"),
    ],
)
def test_what_cannot_be_is_said_at_once(options, message, tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["serve", "--folder", str(tmp_path), *options])
    assert ended.value.code == 2
    assert message in capsys.readouterr().err


def test_a_port_in_use_is_said():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(UsageError, match="in use; see --host, --port"):
            listen("127.0.0.1", taken.getsockname()[1])


@pytest.mark.parametrize(
    ("cores", "asked", "given"),
    [(1, (None, None), (1, 1)), (2, (None, None), (1, 2)), (8, (None, None), (4, 2)),
     (8, (2, None), (2, 4)), (8, (None, 1), (4, 1)), (2, (4, None), (4, 1))],
)  # fmt: skip
def test_cores_are_shared_out(cores, asked, given, monkeypatch, tmp_path):
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(cores)), raising=False)
    monkeypatch.setattr("sfumato.cli.serve.NVIDIA", tmp_path / "no driver")
    count, limits = crew(*asked, 900, None, 100, "auto")
    assert (count, limits.threads, limits.gpus) == (*given, ())


@pytest.mark.parametrize(
    ("device", "allowed", "workers", "given"),
    [("auto", None, None, (3, ("0", "1", "2"))), ("cuda", "2,0", None, (2, ("2", "0"))),
     ("auto", "", None, (4, ())), ("auto", "-1", None, (4, ())), ("cpu", None, None, (4, ())),
     ("auto", None, 6, (6, ("0", "1", "2")))],
)  # fmt: skip
def test_each_graphics_processor_has_a_worker(
    device, allowed, workers, given, monkeypatch, tmp_path
):
    for name in ("0000:01:00.0", "0000:02:00.0", "0000:03:00.0"):
        (tmp_path / name).mkdir()
    monkeypatch.setattr("sfumato.cli.serve.NVIDIA", tmp_path)
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(8)), raising=False)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if allowed is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", allowed)
    count, limits = crew(workers, None, 900, None, 100, device)
    assert (count, limits.gpus) == given


@pytest.mark.slow
def test_it_listens_until_it_is_told_to_end(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "sfumato", "serve", "--no-page", "--port", str(port)]
    server = subprocess.Popen(
        [*command, "--folder", str(tmp_path)], stderr=subprocess.PIPE, text=True
    )
    url = f"http://127.0.0.1:{port}/v1/healthz"
    answer = b""
    for _ in range(600):
        with suppress(OSError), urllib.request.urlopen(url) as opened:
            answer = opened.read()
            break
        time.sleep(0.1)
    server.send_signal(signal.SIGINT)
    _, told = server.communicate(timeout=60)
    assert b'"status":"ok"' in answer
    assert server.returncode == 0
    assert told.startswith(f"http://127.0.0.1:{port}")
    assert "Traceback" not in told


def test_an_open_server_without_a_token_is_warned_of(monkeypatch, tmp_path, capsys):
    import uvicorn

    monkeypatch.setattr(uvicorn.Server, "run", lambda self, sockets: sockets[0].close())
    options = ["--host", "0.0.0.0", "--port", "65123", "--no-page"]
    with pytest.raises(SystemExit) as ended:
        main(["serve", *options, "--folder", str(tmp_path / "one")])
    assert not ended.value.code
    assert "set a --token" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["serve", *options, "--token", "secret", "--folder", str(tmp_path / "two")])
    assert "warning" not in capsys.readouterr().err
