"""The HTTP API, over a real desk with workers that do what the tests say."""

from __future__ import annotations

import json
import threading

import pytest

pytest.importorskip("fastapi", reason="needs the extra serve")
pytest.importorskip("httpx", reason="needs the extra serve")

from fastapi.testclient import TestClient
from tests.server.conftest import Gate, photo, wait_for

from sfumato.server.app import House, create
from sfumato.server.metrics import Metrics
from sfumato.server.worker import Outcome

pytestmark = pytest.mark.usefixtures("fake")

PHOTO = {"photo": ("me.png", photo(), "image/png")}


@pytest.fixture
def serve(open_desk):
    """Opens servers; gives a client of each."""
    clients = []

    def serve_(house: House | None = None, **desk) -> TestClient:
        metrics = Metrics()
        app = create(open_desk(ended=metrics.ended, **desk), house or House(), metrics)
        client = TestClient(app, base_url="http://localhost:8000", raise_server_exceptions=False)
        client.__enter__()
        clients.append(client)
        return client

    yield serve_
    for client in clients:
        client.__exit__(None, None, None)


def test_a_quick_job_is_answered_with_the_picture(serve):
    answer = serve().post("/v1/cut", files=PHOTO, data={"region": "person"})
    assert (answer.status_code, answer.content) == (200, b"picture")
    assert answer.headers["content-type"] == "image/png"
    assert answer.headers["location"] == f"/v1/jobs/{answer.headers['x-job']}"


def test_a_slow_job_is_answered_with_its_number_and_followed(serve, fake):
    fake.act = gate = Gate()
    client = serve()
    answer = client.post("/v1/cut?wait=0", files=PHOTO)
    assert answer.status_code == 202
    job = answer.json()
    assert gate.entered.wait(60)
    running = client.get(job["links"]["self"]).json()
    assert (running["state"], running["stage"], running["fraction"]) == ("running", "work", 0.25)
    assert client.get(f"/v1/jobs/{job['id']}/result").status_code == 404
    gate.leave.set()
    done = wait_for(lambda: (j := client.get(job["links"]["self"]).json())["ended"] and j)
    assert client.get(done["links"]["result"]).content == b"whole"


def test_events_tell_of_progress_until_the_job_is_over(serve, fake):
    fake.act = gate = Gate()
    client = serve()
    job = client.post("/v1/cut?wait=0", files=PHOTO).json()
    assert gate.entered.wait(60)
    threading.Timer(0.5, gate.leave.set).start()
    with client.stream("GET", job["links"]["events"]) as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        lines = list(stream.iter_lines())
    events = [line.removeprefix("event: ") for line in lines if line.startswith("event: ")]
    told = [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: ")]
    assert events == ["progress"] * (len(events) - 1) + ["over"]
    assert len(events) > 1
    assert told[-1]["state"] == "done"


def test_cancel(serve, fake):
    fake.act = gate = Gate()
    client = serve()
    job = client.post("/v1/cut?wait=0", files=PHOTO).json()
    assert gate.entered.wait(60)
    assert client.delete(job["links"]["self"]).status_code == 200
    wait_for(lambda: client.get(job["links"]["self"]).json()["state"] == "cancelled")


def test_stop_and_keep(serve, fake):
    fake.act = gate = Gate()
    client = serve()
    job = client.post("/v1/optimise?wait=0", files=PHOTO, data={"style": "waves"}).json()
    assert job["links"]["preview"] == f"/v1/jobs/{job['id']}/preview"
    assert gate.entered.wait(60)
    client.delete(job["links"]["self"], params={"keep": True})
    wait_for(lambda: client.get(job["links"]["self"]).json()["state"] == "done")
    assert client.get(f"/v1/jobs/{job['id']}/result").content == b"so far"


@pytest.mark.parametrize(
    ("outcome", "code"),
    [(Outcome("", "no person here", "order"), 422), (Outcome("", "net is gone", "server"), 500)],
)
def test_a_failed_job_says_why(serve, fake, outcome, code):
    fake.act = staticmethod(lambda *_: outcome)
    answer = serve().post("/v1/cut", files=PHOTO)
    assert (answer.status_code, answer.json()) == (code, {"detail": outcome.message})


@pytest.mark.parametrize(
    ("kind", "files", "data", "message"),
    [
        ("cut", {}, {"region": "person"}, "multipart"),
        ("cut", {"phto": PHOTO["photo"]}, {}, "one file for 'photo'"),
        ("cut", PHOTO, {"region": "persn &"}, "region:"),
        ("paint", PHOTO, {}, "either a style"),
        ("paint", PHOTO, {"style": "nocturn"}, "did you mean 'nocturne'"),
        ("paint", PHOTO, {"style": "waves", "options": "{"}, "options takes JSON"),
        ("place", PHOTO, {}, "one file for 'portrait'"),
    ],
)
def test_what_makes_no_sense_is_422_with_a_sentence(serve, kind, files, data, message):
    answer = serve().post(f"/v1/{kind}", files=files or None, data=data)
    assert answer.status_code == 422
    assert message in answer.json()["detail"]


def test_too_many_jobs_are_told_when_to_come_again(serve, fake):
    fake.act = gate = Gate()
    client = serve(line=1)
    for seed in range(2):
        client.post("/v1/cut?wait=0", files=PHOTO, data={"seed": seed})
        assert gate.entered.wait(60)
    answer = client.post("/v1/cut?wait=0", files=PHOTO, data={"seed": 3})
    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) >= 1
    gate.leave.set()


def test_a_request_that_is_too_large_is_refused(serve):
    client = serve(House(max_bytes=5000))
    big = {"photo": ("me.png", b"0" * 6000, "image/png")}
    assert client.post("/v1/cut", files=big).status_code == 413

    def chunks():
        yield b"--b\r\ncontent-disposition: form-data; name=photo; filename=a\r\n\r\n"
        for _ in range(10):
            yield b"0" * 1000

    kind = {"content-type": "multipart/form-data; boundary=b"}
    answer = client.post("/v1/cut", content=chunks(), headers=kind)  # does not say how long it is
    assert answer.status_code == 413
    assert "larger than the 0.005 MB" in answer.json()["detail"]


def test_too_many_files_are_refused(serve):
    files = [("files", (f"{i}.png", b"x", "image/png")) for i in range(21)]
    answer = serve().post("/v1/cut", files=[("photo", PHOTO["photo"]), *files])
    assert 400 <= answer.status_code < 500


def test_a_broken_form_is_refused(serve):
    kind = {"content-type": "multipart/form-data; boundary=b"}
    client = serve()
    for body in (b"", b"--b", b"--b\r\n\r\n\r\n", b"\xff" * 100, b"--b\r\nfoo\r\n--b--"):
        answer = client.post("/v1/cut", content=body, headers=kind)
        assert 400 <= answer.status_code < 500


def test_a_token_is_asked_of_everyone(serve):
    client = serve(House(token="secret"))
    job = {"Authorization": "Bearer secret"}
    assert client.get("/v1/healthz").status_code == 200
    for path in ("/v1/styles", "/v1/backends", "/v1/metrics", "/v1/jobs/x"):
        refused = client.get(path)
        assert refused.status_code == 401
        assert refused.headers["www-authenticate"] == "Bearer"
        assert client.get(path, headers={"Authorization": "Bearer wrong"}).status_code == 401
        assert client.get(path, headers=job).status_code != 401
    assert client.post("/v1/cut", files=PHOTO).status_code == 401
    assert client.post("/v1/cut", files=PHOTO, headers=job).status_code == 200


def test_other_names_and_other_sites_are_refused(serve):
    client = serve()
    assert client.get("/v1/styles", headers={"Host": "evil.example"}).status_code == 400
    assert client.get("/v1/styles", headers={"Host": "127.0.0.1:8000"}).status_code == 200
    assert client.get("/v1/styles", headers={"Host": "[::1]:8000"}).status_code == 200
    foreign = {"Origin": "http://evil.example"}
    assert client.post("/v1/cut", files=PHOTO, headers=foreign).status_code == 403
    own = {"Origin": "http://localhost:8000"}
    assert client.post("/v1/cut", files=PHOTO, headers=own).status_code == 200
    assert client.post("/v1/cut", files=PHOTO, headers={"Origin": "null"}).status_code == 403


def test_answers_carry_strict_headers(serve):
    client = serve()
    for answer in (client.get("/v1/styles"), client.get("/v1/nothing"), client.get("/v1/jobs/x")):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["content-security-policy"].startswith("default-src 'none'")
        assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    "path",
    ["/v1/jobs/..%2f..%2fetc%2fpasswd", "/v1/jobs/%00", "/v1/jobs/x/result", "/v1/jobs/'/manifest"],
)
def test_no_path_leads_into_the_files(serve, path):
    assert serve().get(path).status_code == 404


def test_what_there_is(serve):
    client = serve()
    health = client.get("/v1/healthz").json()
    assert health["status"] == "ok"
    assert (health["waiting"], health["running"]) == (0, 0)
    backends = client.get("/v1/backends").json()
    assert set(backends) == {"segment", "matte", "stylize", "compose"}
    modnet = next(b for b in backends["segment"] if b["name"] == "modnet")
    assert modnet["options"]["properties"]["size"]["default"] == 384
    assert "nocturne" in {style["name"] for style in client.get("/v1/styles").json()}


def test_metrics_count_jobs(serve):
    client = serve()
    client.post("/v1/cut", files=PHOTO)
    line = 'sfumato_jobs_total{kind="cut",state="done"} 1.0'
    wait_for(lambda: line in client.get("/v1/metrics").text)
    text = client.get("/v1/metrics").text
    assert 'sfumato_jobs_now{state="waiting"} 0.0' in text
    assert 'sfumato_job_seconds_count{kind="cut"} 1.0' in text


def test_the_schema_is_openapi_and_needs_no_page(serve):
    client = serve()
    schema = client.get("/v1/openapi.json").json()
    assert schema["openapi"].startswith("3.")
    assert {"/v1/paint", "/v1/cut", "/v1/place", "/v1/optimise"} <= set(schema["paths"])
    assert client.get("/docs").status_code == 404
