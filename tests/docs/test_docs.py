"""What the docs say works: commands and Python blocks are run, links and pictures are there."""

from __future__ import annotations

import json
import re
import shlex
import shutil
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


@pytest.mark.weights
@pytest.mark.slow
@pytest.mark.parametrize("body", list(_blocks("bash")))
def test_commands(body, desk, monkeypatch, capsys):
    monkeypatch.chdir(desk)
    for words in _commands(body):
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
def test_python(body, desk, monkeypatch):
    monkeypatch.chdir(desk)
    exec(compile(body, "docs", "exec"), {"__name__": "docs"})


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
