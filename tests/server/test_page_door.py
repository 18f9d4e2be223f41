"""Only what the page needs can be reached."""

from __future__ import annotations

import pytest

from sfumato.server.page_door import Door


@pytest.fixture
def ask(tmp_path):
    """Asks through the door: the status, and the headers."""
    testclient = pytest.importorskip("starlette.testclient")
    made = tmp_path / "made"
    uploads = {str(made / "1" / "result.png"), str(tmp_path / "photo.jpg")}

    async def behind(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"reached"})

    door = Door(behind, uploads=uploads, made=made)
    client = testclient.TestClient(door)

    def ask_(method: str, path: str):
        answer = client.request(method, path.replace("TMP", str(tmp_path)))
        return answer.status_code, answer.headers

    ask_.door = door
    return ask_


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("HEAD", "/"),
        ("GET", "/theme.css?v=1"),
        ("GET", "/assets/index.js"),
        ("POST", "/gradio_api/upload?upload_id=1"),
        ("POST", "/gradio_api/component_server/"),
        ("POST", "/login"),
        ("GET", "/gradio_api/file=TMP/made/1/result.png"),
        ("GET", "/v1/healthz"),
        ("DELETE", "/v1/jobs/1"),
    ],
)
def test_the_page_and_the_api_pass(ask, method, path):
    assert ask(method, path)[0] == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/gradio_api/queue/join"),
        ("POST", "/gradio_api/run/predict"),
        ("POST", "/gradio_api/call/predict"),
        ("GET", "/gradio_api/info"),
        ("GET", "/monitoring"),
        ("GET", "/gradio_api/proxy=https://example.org"),
        ("GET", "/gradio_api/file=https://example.org"),
        ("GET", "/gradio_api/file=/etc/passwd"),
        ("GET", "/gradio_api/file=TMP/photo.jpg"),
        ("GET", "/gradio_api/file=TMP/made/2/result.png"),
        ("GET", "/gradio_api/file=TMP/made/1/../../photo.jpg"),
        ("DELETE", "/"),
        ("POST", "/"),
    ],
)
def test_the_rest_of_gradio_does_not(ask, method, path):
    assert ask(method, path)[0] == 404


def test_pages_may_load_nothing_from_elsewhere(ask):
    policy = ask("GET", "/")[1]["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "http:" not in policy
    assert "content-security-policy" not in ask("GET", "/v1/healthz")[1]


def test_uploads_are_refused_when_too_much_is_held(ask, tmp_path, monkeypatch):
    (tmp_path / "photo.jpg").write_bytes(bytes(100))
    monkeypatch.setattr("sfumato.server.page_door.MAX_HELD", 99)
    assert ask("POST", "/gradio_api/upload")[0] == 503
    assert ask("GET", "/")[0] == 200
