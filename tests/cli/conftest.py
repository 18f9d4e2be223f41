"""Runs the command line in this process, with a stylizer that needs no weights."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import dataclass

import numpy as np
import pytest
from PIL import Image as PillowImage

from sfumato.cli.main import main
from sfumato.studio import Studio
from sfumato.types import no_progress

from ..descent import installed


@dataclass
class Result:
    code: int
    out: str
    err: str


@pytest.fixture
def run(capsys):
    def run(*arguments):
        with pytest.raises(SystemExit) as done:
            main([str(a) for a in arguments])
        captured = capsys.readouterr()
        return Result(int(done.value.code or 0), captured.out, captured.err)

    return run


@pytest.fixture
def start():
    """Starts Python in a process of its own that Ctrl-C reaches, also where it does not reach
    this one (a job in the background ignores it, and its children would too)."""
    started = []

    def start(*arguments, path=""):
        process = subprocess.Popen(
            [sys.executable, *map(str, arguments)],
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": str(path)},
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def descent(tmp_path, monkeypatch):
    """The stylizer ``descent``, which works step by step, as an installed package."""
    with installed(tmp_path / "site", monkeypatch) as folder:
        yield folder


class Inverter:
    """Paints the negative."""

    supports_region = False

    def __call__(self, content, style, *, region=None, progress=no_progress):
        return (1 - content).astype(np.float32)


@pytest.fixture
def inverter(monkeypatch):
    monkeypatch.setattr(Studio, "stylizer", lambda self, name: Inverter())


@pytest.fixture
def photo(tmp_path):
    """A small colourful PNG."""
    pixels = np.random.default_rng(0).integers(0, 256, (32, 48, 3), dtype=np.uint8)
    PillowImage.fromarray(pixels).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"
