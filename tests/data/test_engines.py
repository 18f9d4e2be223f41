"""Engines: every item comes back once, whatever happens to the workers."""

from __future__ import annotations

import importlib.util
import os
import signal
import sys
import textwrap
from functools import partial
from pathlib import Path

import pytest

from sfumato.data.engines import DIED, engine, local, one_thread
from sfumato.data.generate import stylize
from sfumato.data.restyle import Item, Job, Record
from sfumato.errors import MissingExtraError, UsageError, WeightsError

from . import sets
from .test_layouts import everything

PAINTERS = """
import os
from pathlib import Path
from sfumato.data.restyle import Record
from sfumato.errors import WeightsError

def make(folder, kind):
    if kind == "no weights":
        raise WeightsError("the weights cannot be had")
    return Painter(Path(folder), kind)

class Painter:
    def __init__(self, folder, kind):
        self.folder, self.kind = folder, kind

    def __call__(self, item):
        done = self.folder / item.picture
        if self.kind == "one kills" and item.picture == "7":
            os.kill(os.getpid(), 9)
        if self.kind == "dies once" and item.picture == "7" and not done.exists():
            done.write_text("")
            os.kill(os.getpid(), 9)
        return Record(item.picture, item.content, sha256=str(os.getpid()))
"""

ITEMS = [Item(f"{i}.jpg", str(i)) for i in range(30)]


@pytest.fixture
def maker(tmp_path, monkeypatch):
    """Painters in a file of their own, which worker processes can import."""
    (tmp_path / "painters_of_tests.py").write_text(textwrap.dedent(PAINTERS))
    monkeypatch.syspath_prepend(tmp_path)
    sys.modules.pop("painters_of_tests", None)
    spec = importlib.util.find_spec("painters_of_tests")
    module = importlib.util.module_from_spec(spec)
    sys.modules["painters_of_tests"] = module
    spec.loader.exec_module(module)
    yield lambda kind: partial(module.make, str(tmp_path), kind)
    del sys.modules["painters_of_tests"]


def pictures(records):
    return sorted(int(record.picture) for record in records)


def test_in_this_process(maker):
    records = list(local(maker("plain"), ITEMS, 1))
    assert [record.picture for record in records] == [item.picture for item in ITEMS]
    assert {record.sha256 for record in records} == {str(os.getpid())}


def test_in_several(maker):
    records = list(local(maker("plain"), ITEMS, 3))
    assert pictures(records) == list(range(30))
    assert str(os.getpid()) not in {record.sha256 for record in records}


def test_a_worker_that_dies_once_costs_nothing(maker):
    records = list(local(maker("dies once"), ITEMS, 2))
    assert pictures(records) == list(range(30))
    assert not any(record.failed for record in records)


def test_an_item_that_kills_is_found_and_told(maker):
    records = list(local(maker("one kills"), ITEMS, 2))
    assert pictures(records) == list(range(30))
    assert {record.picture: record.failed for record in records if record.failed} == {"7": DIED}


@pytest.mark.parametrize("workers", [1, 2])
def test_missing_weights_are_one_sentence(maker, workers, capfd):
    with pytest.raises(WeightsError, match="cannot be had"):
        list(local(maker("no weights"), ITEMS, workers))
    assert "Traceback" not in capfd.readouterr().err


def test_nothing_to_do(maker):
    assert list(local(maker("plain"), [], 2)) == []


def test_one_thread_for_a_while():
    torch = pytest.importorskip("torch")
    import cv2

    from sfumato.ops import onnx

    before = torch.get_num_threads(), cv2.getNumThreads()
    with one_thread() as limit:
        limit()
        assert (torch.get_num_threads(), cv2.getNumThreads()) == (1, 1)
        assert onnx.limit_threads(1) == 1
    assert (torch.get_num_threads(), cv2.getNumThreads()) == before
    assert onnx.limit_threads(0) == 0


def test_unknown_engines(monkeypatch):
    with pytest.raises(UsageError, match="known: local, ray"):
        engine("spark")
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtraError, match="ray"):
        engine("ray")
    assert engine("local") is local
    assert Record("a", "b").as_dict()["picture"] == "a"


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["plain", "dies once"])
def test_on_ray(maker, kind, tmp_path, monkeypatch):
    pytest.importorskip("ray")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    records = list(engine("ray")(maker(kind), ITEMS, 2))
    assert pictures(records) == list(range(30))
    assert not any(record.failed for record in records)


def workers_of_ray():
    """Numbers of the processes in which Ray paints."""
    found = []
    for line in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            name = line.read_bytes()
        except OSError:
            continue  # it has just ended
        if name.startswith(b"ray::") and b"_RayPainter" in name:
            found.append(int(line.parent.name))
    return found


@pytest.mark.slow
@pytest.mark.weights
@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="needs Linux's /proc")
def test_ray_makes_the_same_bytes_also_if_a_worker_is_killed(tmp_path):
    pytest.importorskip("ray")
    for i in range(60):
        sets.save(tmp_path / "in" / f"{i:02}.png", sets.picture(i, (48, 64)))
    job = Job(("waves", "poppies"), "magenta", edges=-1, similarity=-1)
    stylize(tmp_path / "in", tmp_path / "local", job)
    killed = []

    def watch(record, done, total):
        if not killed and (alive := workers_of_ray()):
            os.kill(alive[0], signal.SIGKILL)
            killed.append(done)

    outcome = stylize(tmp_path / "in", tmp_path / "ray", job, engine="ray", workers=2, watch=watch)
    assert killed
    assert killed[0] < 60
    assert not outcome.failed
    assert everything(tmp_path / "ray") == everything(tmp_path / "local")
