"""The client of the HTTP API, against the real application in a thread."""

from __future__ import annotations

import hashlib
import json
import socket
import threading
import time
from dataclasses import dataclass, field, replace
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("fastapi", reason="needs the extra serve")
httpx = pytest.importorskip("httpx", reason="needs the extra serve")
uvicorn = pytest.importorskip("uvicorn", reason="needs the extra serve")

from sfumato import client as clients  # noqa: E402
from sfumato.client import Client  # noqa: E402
from sfumato.errors import PictureError, SfumatoError, UsageError  # noqa: E402
from sfumato.io import pictures  # noqa: E402
from sfumato.server.app import House, create  # noqa: E402
from sfumato.server.desk import FullError, key_of, new_id  # noqa: E402
from sfumato.server.jobs import Job, Upload  # noqa: E402
from sfumato.server.metrics import Metrics  # noqa: E402

PHOTO = np.random.default_rng(7).random((12, 16, 3), np.float32)
PNG = pictures.to_bytes(pictures.from_image(PHOTO))


@dataclass
class FakeDesk:
    """Answers with what was sent, after as many looks as it is told."""

    looks: int = 0
    full: int = 0
    failure: tuple[str, str] = ("", "")
    jobs: dict = field(default_factory=dict)
    orders: list = field(default_factory=list)
    told: list = field(default_factory=list)
    files: dict = field(default_factory=dict)

    def hand_in(self, kind, order, files):
        if self.full:
            self.full -= 1
            raise FullError(1)
        uploads = tuple(Upload(f.part, f.name, hashlib.sha256(f.data).hexdigest()) for f in files)
        asked = order.model_dump(mode="json")
        job = Job(new_id(), kind, asked, uploads, key_of(kind, asked, uploads), time.time())
        self.jobs[job.id] = [job, 0]
        self.orders.append(order)
        self.files[job.id] = {f.name: f.data for f in files}
        return job

    def look(self, job_id):
        if job_id not in self.jobs:
            return None
        job, looked = self.jobs[job_id]
        looked += 1
        if not job.over and looked > self.looks:
            message, blame = self.failure
            ends = {"state": "failed", "message": message, "blame": blame}
            done = {"state": "done", "result": "result.png", "fraction": 1.0}
            job = replace(job, ended=time.time(), **(ends if message else done))
        elif not job.over:
            fraction = looked / (self.looks + 1)
            job = replace(job, state="running", stage="find", fraction=fraction)
        self.jobs[job_id] = [job, looked]
        return job

    def end(self, job_id, *, keep=False):
        self.told.append((job_id, keep))
        if job_id not in self.jobs:
            return None
        job, looked = self.jobs[job_id]
        self.jobs[job_id] = [replace(job, state="cancelled"), looked]
        return self.jobs[job_id][0]

    def fetch(self, job_id, name):
        if name == "manifest.json":
            return b'{"made": "so"}'
        return next(iter(self.files[job_id].values())) if name == "result.png" else None

    def load(self):
        return {"waiting": 0, "running": 0}

    def close(self):
        pass


@pytest.fixture
def serve():
    """Opens servers; gives the address of each."""
    running = []

    def open_(desk, **house):
        app = create(desk, House(**house), Metrics())
        server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error", lifespan="on"))
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        running.append((server, thread))
        while not server.started:
            time.sleep(0.01)
        return f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"

    yield open_
    for server, thread in running:
        server.should_exit = True
        thread.join()


@pytest.fixture
def no_sleep(monkeypatch):
    """What the client wants to wait, without waiting."""
    pauses = []
    monkeypatch.setattr(clients, "time", SimpleNamespace(sleep=pauses.append))
    return pauses


def test_a_picture_at_once(serve, tmp_path):
    desk = FakeDesk()
    with Client(serve(desk)) as client:
        result = client.paint(PHOTO, style="waves", region="everything", strength=0.5)
        assert result.data == PNG
        np.testing.assert_allclose(result.image, PHOTO, atol=0.5 / 255 + 1e-6)
        assert result.manifest() == {"made": "so"}
        assert result.job in desk.jobs
        path = result.save(tmp_path / "out.png")
        assert path.read_bytes() == PNG
        with pytest.raises(UsageError, match="exists already"):
            result.save(path)
        result.save(path, overwrite=True)
    (order,) = desk.orders
    assert (order.style, order.region, order.strength) == ("waves", "everything", 0.5)


def test_all_kinds_carry_their_settings_and_files(serve, tmp_path):
    desk = FakeDesk()
    client = Client(serve(desk))
    mask = tmp_path / "mask.png"
    mask.write_bytes(PNG)
    layers = [{"region": "person", "style": "waves"}, {"region": "background", "style": "mine"}]
    options = {"guided": {"radius": 0.02}}
    client.paint(PNG, layers=layers, files={"mine": PHOTO}, keep_colors=True, options=options)
    client.cut(mask, region="file:mask.png", files=[mask], mask_only=True, seed=3)
    client.place(PNG, PHOTO, x=0.5, y=1)
    client.optimise(PNG, style="waves", steps=3, preset="fast")
    client.inspect(PNG, "clusters", clusters=3)
    paint, cut, place, optimise, inspect = desk.orders
    assert [layer.model_dump(exclude_none=True) for layer in paint.layers] == layers
    assert (paint.keep_colors, paint.options) == (True, options)
    assert (cut.region, cut.mask_only, cut.seed) == ("file:mask.png", True, 3)
    assert (place.x, place.y) == (0.5, 1)
    assert (inspect.look, inspect.clusters) == ("clusters", 3)
    assert (optimise.steps, optimise.preset, optimise.region) == (3, "fast", "everything")
    names = [{(u.part, u.name) for u in job.uploads} for job, _ in desk.jobs.values()]
    assert names[0] == {("photo", "photo"), ("files", "mine")}
    assert names[1] == {("photo", "mask.png"), ("files", "mask.png")}
    assert names[2] == {("portrait", "portrait"), ("painting", "painting")}


def test_a_job_that_takes_longer_is_followed(serve):
    desk = FakeDesk(looks=6)
    seen = []
    result = Client(serve(desk)).cut(PNG, on_progress=seen.append)
    assert result.data == PNG
    assert [view["state"] for view in seen][-1] == "done"
    fractions = [view["fraction"] for view in seen]
    assert fractions == sorted(fractions)
    assert len(fractions) > 2


def test_a_broken_stream_is_taken_up_again(serve, no_sleep, monkeypatch):
    client = Client(serve(FakeDesk(looks=20)))
    real, broken = client._http.stream, []

    def stream(*arguments, **options):
        if len(broken) < 2:
            broken.append(1)
            raise httpx.ReadError("gone")
        return real(*arguments, **options)

    monkeypatch.setattr(client._http, "stream", stream)
    assert client.cut(PNG, wait=0).data == PNG
    assert len(no_sleep) == 2


def test_whoever_stops_the_progress_stops_the_job(serve):
    desk = FakeDesk(looks=1000)

    def stop(view):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Client(serve(desk)).cut(PNG, on_progress=stop)
    assert desk.told == [(next(iter(desk.jobs)), False)]


def test_a_job_that_somebody_cancelled_says_so(serve):
    desk = FakeDesk(looks=1000)
    url = serve(desk)

    def cancel(view):
        Client(url).cancel(view["id"], keep=True)

    with pytest.raises(SfumatoError, match="was cancelled"):
        Client(url).cut(PNG, on_progress=cancel)
    assert desk.told[0] == (next(iter(desk.jobs)), True)


def test_a_full_server_is_asked_again_for_a_while(serve, no_sleep):
    desk = FakeDesk(full=2)
    assert Client(serve(desk)).cut(PNG).data == PNG
    assert no_sleep == [1.0, 1.0]
    desk.full = 1000
    with pytest.raises(SfumatoError, match="too many jobs are waiting") as caught:
        Client(serve(desk)).cut(PNG)
    assert not isinstance(caught.value, UsageError)
    assert 1000 - desk.full == clients.TRIES


@pytest.mark.parametrize("wait", [10, 0])
@pytest.mark.parametrize(("blame", "usage"), [("order", True), ("server", False)])
def test_a_job_that_fails_raises_its_sentence(serve, wait, blame, usage):
    desk = FakeDesk(looks=2, failure=("it shows nothing", blame))
    with pytest.raises(SfumatoError, match=r"^it shows nothing$") as caught:
        Client(serve(desk)).cut(PNG, wait=wait)
    assert isinstance(caught.value, UsageError) == usage


def test_the_servers_sentences_come_as_our_errors(serve):
    client = Client(serve(FakeDesk()))
    with pytest.raises(UsageError, match="did you mean 'waves'"):
        client.paint(PNG, style="wavs")
    with pytest.raises(UsageError, match="no option 'strenght'"):
        client.paint(PNG, style="waves", strenght=1)
    with pytest.raises(UsageError, match="wait: .*less than or equal"):
        client.cut(PNG, wait=1000)
    with pytest.raises(UsageError, match="there is no such job"):
        client.job("nothing")
    with pytest.raises(UsageError, match="there is no such job"):
        next(client.events("nothing"))
    with pytest.raises(UsageError, match="there is no such job"):
        client.cancel("nothing")


def test_files_that_are_not_there_are_missed_here(serve, tmp_path):
    client = Client(serve(FakeDesk()))
    with pytest.raises(PictureError, match=r"me\.jpg cannot be read: no such file"):
        client.cut(tmp_path / "me.jpg")
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "s.png").write_bytes(PNG)
    with pytest.raises(UsageError, match="called the same"):
        client.paint(PNG, style="s.png", files=[tmp_path / "a/s.png", tmp_path / "b/s.png"])


def test_a_token_is_shown(serve):
    url = serve(FakeDesk(), token="secret")
    assert Client(url, token="secret").cut(PNG).data == PNG
    with pytest.raises(UsageError, match="asks for a token"):
        Client(url).cut(PNG)
    with pytest.raises(UsageError, match="asks for a token"):
        Client(url, token="wrong").styles()


def test_what_there_is(serve):
    client = Client(serve(FakeDesk()))
    assert "waves" in {style["name"] for style in client.styles()}
    assert {"segment", "matte", "stylize", "compose"} <= client.backends().keys()
    assert client.health()["status"] == "ok"


def test_no_server_is_one_sentence():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{probe.getsockname()[1]}"
    with pytest.raises(SfumatoError, match=f"^no server answers at {url}: "):
        Client(url).health()


def test_answers_that_are_not_ours(monkeypatch):
    client = Client()
    answer = httpx.Response(502, text="<html>", request=httpx.Request("GET", clients.URL))
    monkeypatch.setattr(client._http, "request", lambda *a, **o: answer)
    with pytest.raises(SfumatoError, match="the server answered 502 Bad Gateway"):
        client.health()


@pytest.mark.weights
@pytest.mark.slow
def test_a_real_server_paints(serve, tmp_path, request):
    from sfumato.server.desk import LocalDesk, Rules
    from sfumato.server.worker import Limits

    photo = request.config.rootpath / "src/sfumato/assets/astronaut.jpg"
    client = Client(serve(LocalDesk(tmp_path / "desk", Rules(), Limits())))
    stages = []
    result = client.paint(
        photo, style="nocturne", region="background", size=256,
        on_progress=lambda view: stages.append(view["stage"]),
    )  # fmt: skip
    before = pictures.read(photo).image
    assert result.image.shape == before.shape
    assert 0.02 < np.abs(result.image - before).mean() < 0.5
    assert result.manifest()["layers"][0]["region"] == "not person"
    assert {"find", "compose"} & set(stages)
    events = list(client.events(result.job))
    assert [view["state"] for view in events] == ["done"]
    json.dumps(events)
    client.cancel(result.job)
    with pytest.raises(UsageError):
        client.job(result.job)
