"""What the docs say works: commands and Python blocks are run, links and pictures are there."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import suppress
from pathlib import Path

import pytest

from sfumato import styles
from sfumato.cli.main import main
from sfumato.io import pictures

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]

BOXES = {
    "images": [{"id": 1, "file_name": "one.jpg", "width": 512, "height": 512}],
    "annotations": [{"image_id": 1, "category_id": 1, "bbox": [14, 2, 442, 510]}],
    "categories": [{"id": 1, "name": "person"}],
}

API = "127.0.0.1:8000"
"""Where the pages say that the server is."""

FENCE = re.compile(r"(<!-- not run: [^>]+-->\n)?```(\w+)\n(.*?)```", re.DOTALL)


def _blocks(language):
    """(page, number, text) of every fenced block that is meant to run."""
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for i, (skipped, tag, body) in enumerate(FENCE.findall(text)):
            if tag == language and not skipped:
                yield pytest.param(body, id=f"{page.relative_to(ROOT)}-{i}")


def _commands(body):
    for line in body.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        if words:
            yield words


@pytest.fixture
def desk(tmp_path, astronaut_path):
    """A folder with the files that the docs talk about."""
    for name in ("astronaut", "photo", "me", "photos/one", "photos/two", "old-painting"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(astronaut_path, tmp_path / f"{name}.jpg")
    for folder in ("photos", "paintings"):
        for picture in (ROOT / "docs" / "images" / folder).glob("*.jpg"):
            shutil.copy(picture, tmp_path)
    painting = pictures.from_image(styles.resolve("waves").image)
    for name in ("painting.jpg", "starry.jpg"):
        pictures.write(painting, tmp_path / name)
    pictures.write_alpha(pictures.read_mask(astronaut_path), tmp_path / "mask.png")
    (tmp_path / "boxed" / "images").mkdir(parents=True)
    shutil.copy(astronaut_path, tmp_path / "boxed" / "images" / "one.jpg")
    (tmp_path / "boxed" / "boxes.json").write_text(json.dumps(BOXES))
    return tmp_path


@pytest.fixture(scope="session")
def api(tmp_path_factory):
    """A server as the pages start it; its address without http://."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    folder = tmp_path_factory.mktemp("server")
    options = ["--no-page", "--port", address.rpartition(":")[2], "--folder", str(folder)]
    server = subprocess.Popen([sys.executable, "-m", "sfumato", "serve", *options])
    try:
        for _ in range(600):
            with suppress(OSError), urllib.request.urlopen(f"http://{address}/v1/healthz"):
                break
            assert server.poll() is None, "the server did not start"
            time.sleep(0.1)
        yield address
    finally:
        server.terminate()
        server.wait(60)


def _at(body, request):
    """A block with the address of a server that runs, if it asks one."""
    return body.replace(API, request.getfixturevalue("api")) if API in body else body


@pytest.mark.weights
@pytest.mark.slow
@pytest.mark.parametrize("body", list(_blocks("bash")))
def test_commands(body, desk, monkeypatch, capsys, request):
    monkeypatch.chdir(desk)
    for words in _commands(_at(body, request)):
        if words[0] == "curl":
            if shutil.which("curl") is None:
                pytest.skip("curl is not installed")
            subprocess.run(words, check=True)
            continue
        if words[0] == "sfumato":
            with pytest.raises(SystemExit) as done:
                main(words[1:])
            assert not done.value.code, f"{shlex.join(words)}\n{capsys.readouterr().err}"
        else:
            script = next((w for w in words if "/" in w and not w.startswith("-")), None)
            assert script, f"a line that no test can judge: {shlex.join(words)}"
            assert (ROOT / script).exists(), f"{script} does not exist"


@pytest.mark.weights
@pytest.mark.slow
@pytest.mark.parametrize("body", list(_blocks("python")))
def test_python(body, desk, monkeypatch, request):
    monkeypatch.chdir(desk)
    exec(compile(_at(body, request), "docs", "exec"), {"__name__": "docs"})


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    text = page.read_text(encoding="utf-8")
    targets = re.findall(r"\]\(([^)#\s]+)[^)]*\)|src=\"([^\"]+)\"", text)
    for target in (a or b for a, b in targets):
        if "://" not in target:
            assert (page.parent / target).exists(), target


def test_every_page_is_linked():
    texts = {page: page.read_text(encoding="utf-8") for page in PAGES}
    for page in PAGES[2:]:
        linked = any(page.name in text for other, text in texts.items() if other != page)
        assert linked, f"no page links to {page.name}"


@pytest.mark.parametrize("kind", ["segment", "matte", "stylize", "compose"])
def test_every_backend_is_in_the_docs(kind):
    from sfumato import registry

    text = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    for name in registry.backends(kind):
        assert f"`{name}`" in text


def test_the_backends_page_is_current():
    import runpy

    script = runpy.run_path(str(ROOT / "scripts" / "write_backends_page.py"))
    written = (ROOT / "docs" / "backends.md").read_text(encoding="utf-8")
    assert written == script["page"](), "run: python scripts/write_backends_page.py"
