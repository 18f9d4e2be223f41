"""Real worker processes."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from tests.server.conftest import CLUSTERS, photo, wait_for

from sfumato.io import pictures
from sfumato.server.jobs import Upload
from sfumato.server.work import Task
from sfumato.server.worker import Limits, Worker, do
from sfumato.types import Step


@pytest.fixture(scope="module")
def worker():
    worker = Worker(Limits(max_pixels=1_000_000))
    yield worker
    worker.close()


@pytest.fixture
def task(tmp_path):
    """Makes tasks of files in their parts."""

    def make(kind: str, order: dict, **files: bytes) -> Task:
        uploads = tuple(Upload(part, f"{part}.png", "") for part in files)
        for i, data in enumerate(files.values()):
            (tmp_path / str(i)).write_bytes(data)
        return Task(kind, order, uploads, tmp_path)

    return make


def run(worker, task, stop=lambda: ""):
    told = []
    return worker.run(task, lambda *at: told.append(at), stop), told


def test_a_picture_is_cut(worker, task):
    outcome, told = run(worker, task("cut", {"region": CLUSTERS}, photo=photo()))
    assert outcome.result == "result.png"
    made = pictures.read(task("cut", {}).folder / "result.png")
    assert made.size == (48, 64)
    assert 0 < (made.alpha > 0).mean() < 1
    assert told[0] == ("find", 0.0)


@pytest.mark.slow
@pytest.mark.weights
@pytest.mark.parametrize(
    "order",
    [{"clusters": 3}, {"look": "features", "layer": "relu1_1", "size": 64},
     {"look": "saliency", "method": "grad-cam", "net": "mobilenetv2", "size": 64}],
    ids=lambda order: order.get("look", "clusters"),
)  # fmt: skip
def test_what_is_inside_is_drawn(worker, task, order):
    outcome, told = run(worker, task("inspect", order, photo=photo()))
    assert outcome.result == "result.png", outcome.message
    made = pictures.read(task("inspect", {}).folder / "result.png")
    assert min(made.size) > 400
    assert made.image.std() > 0.02
    assert {stage for stage, _ in told} <= {"inspect"}


@pytest.mark.weights
def test_a_layer_that_is_not_there_is_said(worker, task):
    order = {"look": "features", "layer": "relu9_9", "size": 64}
    outcome, _ = run(worker, task("inspect", order, photo=photo()))
    assert "no layer 'relu9_9'" in outcome.message
    assert outcome.blame == "order"


@pytest.mark.parametrize("form", ["png", "webp"])
def test_the_format_is_the_one_asked_for(worker, task, form):
    outcome, _ = run(worker, task("cut", {"region": CLUSTERS, "format": form}, photo=photo()))
    assert outcome.result == f"result.{form}"
    made = pictures.read(task("cut", {}).folder / outcome.result)
    assert made.format == form.upper()


def test_masks_are_sent_along_and_named(worker, task):
    one = task("cut", {"region": "file:files.png"}, photo=photo(), files=photo(seed=1))
    outcome, _ = run(worker, one)
    assert outcome.result


@pytest.mark.parametrize(
    ("order", "data", "message"),
    [
        ({}, b"not a picture", "photo.png cannot be read as a picture"),
        ({}, b"", "photo.png"),
        ({}, photo()[:80], "photo.png"),
        ({}, photo((2000, 1000)), "the limit is 1 megapixels"),
        ({"region": "box:0.5,0.5,0.5,0.5"}, photo(), "box"),
    ],
)
def test_bad_input_gets_a_sentence_without_paths(worker, task, order, data, message):
    one = task("cut", {"region": CLUSTERS, **order}, photo=data)
    outcome, _ = run(worker, one)
    assert message in outcome.message
    assert outcome.blame == "order"
    assert str(one.folder) not in outcome.message
    assert not (one.folder / "result.png").exists()


@pytest.mark.slow
@pytest.mark.weights
def test_the_manifest_calls_files_by_their_names(worker, task):
    order = {"style": "files.png", "region": 'everything - file:"files.png"', "size": 64}
    one = task("paint", order, photo=photo(), files=photo(seed=2))
    outcome, told = run(worker, one)
    text = (one.folder / "manifest.json").read_text()
    assert outcome.result
    assert str(one.folder) not in text
    assert json.loads(text)["photo"]["path"] == "photo.png"
    assert json.loads(text)["layers"][0]["file"]["path"] == "files.png"
    assert {stage for stage, _ in told} == {"find", "stylize", "compose"}


def test_a_job_is_cancelled(worker, task):
    outcome, _ = run(worker, task("cut", {"region": CLUSTERS}, photo=photo()), lambda: "cancel")
    # It may have been done before it heard of it; then the desk drops the result.
    assert outcome.result or outcome == replace(outcome, message="", blame="")


def test_a_killed_worker_is_replaced(worker, task):
    one = task("cut", {"region": CLUSTERS, "size": 900}, photo=photo((900, 900)))
    run(worker, one)
    pid = worker.pid
    killer = threading.Timer(0.0, lambda: os.kill(pid, signal.SIGKILL))
    killer.start()
    killer.join()
    outcome, _ = run(worker, one)
    assert outcome.blame == "server"
    assert "ended by the system" in outcome.message
    again, _ = run(worker, one)
    assert again.result
    assert worker.pid != pid


def test_a_job_that_takes_too_long_is_ended(task):
    worker = Worker(Limits(seconds=0.001))
    try:
        outcome, _ = run(worker, task("cut", {"region": CLUSTERS}, photo=photo()))
    finally:
        worker.close()
    assert "longer than the 0.001 s" in outcome.message
    assert worker.pid is None


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="Linux only")
def test_a_job_that_takes_too_much_memory_is_ended(task):
    worker = Worker(Limits(memory=0.5, max_pixels=10**9))
    try:
        one = task("cut", {"region": CLUSTERS, "size": 8000}, photo=photo((8000, 6000)))
        outcome, _ = run(worker, one)
    finally:
        worker.close()
    assert "memory" in outcome.message
    assert not outcome.result


def test_a_worker_ends_when_its_server_is_gone(task):
    worker = Worker(Limits())
    run(worker, task("cut", {"region": CLUSTERS}, photo=photo()))
    process = worker._process
    worker._pipe.close()
    began = time.monotonic()
    wait_for(lambda: not process.is_alive(), 30)
    assert time.monotonic() - began < 30
    worker._process = None


def optimising(told: list[str], kind: str = "optimise"):
    """What becomes of a job of two steps that is told these words, one each time it listens."""
    steps = []

    class Shop:
        def do(self, task, report, watch):
            report("find", 0.0)
            for number in (1, 2):
                step = Step(number, 2, 8, 8, {"total": 1.0}, interrupted=bool(steps))
                try:
                    if watch:
                        watch(step, lambda: None)
                except KeyboardInterrupt:
                    steps.append(number)
            report("compose", 1.0)
            return "result.png"

    words = iter(told)
    task = Task(kind, {}, (), Path("nowhere"))
    outcome = do(Shop(), task, lambda *at: None, lambda: next(words, ""))
    return outcome.result, steps


def test_keep_stops_an_optimisation_once_and_spares_the_rest(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "nowhere").mkdir()
    assert optimising([]) == ("result.png", [])
    assert optimising(["", "keep"]) == ("result.png", [1])
    assert optimising(["keep"]) == ("result.png", [1])  # heard before there was anything to stop
    assert optimising(["", "", "cancel"]) == ("", [])
    assert optimising(["keep"], "paint") == ("", [])  # there is nothing to keep half of


def test_workers_take_turns_with_the_graphics_processors():
    limits = Limits(threads=3, gpus=("0", "5"))
    seen = [Worker(limits, number)._environment for number in range(3)]
    assert [environment["CUDA_VISIBLE_DEVICES"] for environment in seen] == ["0", "5", "0"]
    assert seen[0]["OMP_NUM_THREADS"] == "3"
    assert "CUDA_VISIBLE_DEVICES" not in Worker(Limits())._environment
