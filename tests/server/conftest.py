"""Desks to test with: one whose worker does what a test tells it to, and a real one."""

from __future__ import annotations

import io
import threading
import time
from dataclasses import dataclass, field

import numpy as np
import pytest
from PIL import Image

from sfumato.server import desk as desks
from sfumato.server.desk import LocalDesk, Rules, Sent
from sfumato.server.worker import Limits, Outcome

CLUSTERS = "cluster:1/2"
"""A region that needs no weights."""


def photo(size: tuple[int, int] = (64, 48), seed: int = 0, kind: str = "PNG") -> bytes:
    """A picture file: two colours and some noise."""
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 40, (size[1], size[0], 3), dtype=np.uint8)
    pixels[:, : size[0] // 3] += 180
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind)
    return file.getvalue()


def sent(data: bytes | None = None) -> list[Sent]:
    return [Sent("photo", "me.png", photo() if data is None else data)]


def wait_for(condition, seconds: float = 60.0):
    """What a condition gives once it is true."""
    until = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.01)
    return value


def over(desk, job_id: str):
    return wait_for(lambda: (job := desk.look(job_id)) and job.over and job)


@dataclass
class FakeWorker:
    """Does each task by a function of the test: ``act(task, tell, stop) -> Outcome``."""

    limits: Limits
    number: int = 0
    tasks: list = field(default_factory=list)
    act = None

    def run(self, task, tell, stop):
        self.tasks.append(task)
        if FakeWorker.act:
            return FakeWorker.act(task, tell, stop)
        (task.folder / "result.png").write_bytes(b"picture")
        (task.folder / "manifest.json").write_bytes(b"{}")
        return Outcome("result.png")

    def close(self):
        pass


@pytest.fixture
def fake(monkeypatch):
    """Desks get fake workers; set ``fake.act`` to tell them what to do."""
    monkeypatch.setattr(desks, "Worker", FakeWorker)
    FakeWorker.act = None
    yield FakeWorker
    FakeWorker.act = None


@pytest.fixture
def open_desk(tmp_path):
    """Opens desks in one folder, and closes them."""
    opened = []

    def open_(workers: int = 1, line: int = 8, keep: float = 60, limits=None, ended=None):
        rules = Rules(workers, line, keep)
        desk = LocalDesk(tmp_path / "desk", rules, limits or Limits(), ended)
        opened.append(desk)
        return desk

    yield open_
    for desk in opened:
        if not desk._closing:
            desk.close(patience=0)


class Gate:
    """An act that waits until the test lets it go on; it heeds what it is told."""

    def __init__(self, steps: bool = True) -> None:
        self.entered, self.leave, self.steps = threading.Event(), threading.Event(), steps

    def __call__(self, task, tell, stop):
        tell("work", 0.25)
        self.entered.set()
        while not self.leave.wait(0.01):
            if word := stop():
                if word == "keep":
                    (task.folder / "result.png").write_bytes(b"so far")
                    return Outcome("result.png")
                return Outcome()
        (task.folder / "result.png").write_bytes(b"whole")
        return Outcome("result.png")
