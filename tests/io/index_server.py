"""A package index, a hub and a file server on 127.0.0.1, with faults on demand."""

from __future__ import annotations

import hashlib
import io
import json
import stat
import sys
import tarfile
import threading
import time
import zipfile
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


def wheel(folder: Path, name: str, version: str, members: dict[str, bytes]) -> Path:
    """Write a pure-Python wheel with these members; its path."""
    path = folder / f"{name}-{version}-py3-none-any.whl"
    info = f"{name}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    tags = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, data in members.items():
            archive.writestr(member, data)
        archive.writestr(f"{info}/METADATA", metadata)
        archive.writestr(f"{info}/WHEEL", tags)
        archive.writestr(f"{info}/RECORD", "")
    return path


def tarball(path: Path, members: dict[str, bytes]) -> Path:
    """Write a ``.tar.gz`` or ``.tgz`` with these members; its path."""
    with tarfile.open(path, "w:gz") as archive:
        for member, data in members.items():
            item = tarfile.TarInfo(member)
            item.size = len(data)
            archive.addfile(item, io.BytesIO(data))
    return path


def fake_npm(folder: Path, archive: Path, calls: Path) -> Path:
    """An ``npm`` that knows ``pack`` alone and hands out one archive; notes its arguments."""
    program = folder / "npm"
    program.write_text(
        f"#!{sys.executable}\n"
        "import pathlib, shutil, sys\n"
        f"pathlib.Path({str(calls)!r}).write_text(' '.join(sys.argv[1:]))\n"
        "target = sys.argv[sys.argv.index('--pack-destination') + 1]\n"
        "if 'absent@1' in sys.argv:\n"
        "    sys.exit('npm error code E404\\nnpm error 404 no such package')\n"
        f"shutil.copy({str(archive)!r}, target)\n"
    )
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return program


def manifest(path: Path, *files: dict[str, object]) -> Path:
    """Write a ``weights.toml``; each of ``files`` gives name, data, sources and what else differs
    from the usual. Nothing is fetched: ``data`` only yields size and checksum."""
    lines = []
    for stated in files:
        data = stated["data"]
        assert isinstance(data, bytes)
        table = {
            "file": f"{stated['name']}.bin",
            "feeds": [],
            "licence": "MIT",
            "terms": "made up",
            "sha256": hashlib.sha256(data).hexdigest(),
            "size": len(data),
        } | {key: value for key, value in stated.items() if key not in ("name", "data")}
        lines += [f"[{stated['name']}]", *(f"{k} = {json.dumps(v)}" for k, v in table.items())]
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


class Told:
    """A progress callback that keeps what it was told."""

    def __init__(self) -> None:
        self.labels: list[str] = []
        self.done: list[int] = []
        self.totals: set[int] = set()

    def __call__(self, label: str, done: int, total: int) -> None:
        self.labels.append(label)
        self.done.append(done)
        self.totals.add(total)


def leftovers(cache: Path) -> list[str]:
    """What a finished or failed download should not leave behind."""
    return [path.name for path in (cache / "incoming").iterdir() if path.name != "lock"]


class IndexServer:
    """Serves ``folder``: ``/simple/NAME/`` lists it the PEP 503 way, ``/files/X`` are its files.

    Attributes:
        hits: requests by path.
        ranges: the Range headers that came, in order.
        cut: path -> how many bytes to send before hanging up; one number is used up a request.
        can_resume: whether Range is honoured.
        statuses: path -> HTTP status to answer instead.
        delay: seconds before a file is sent.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.hits: Counter[str] = Counter()
        self.ranges: list[str] = []
        self.cut: dict[str, list[int]] = {}
        self.can_resume = True
        self.statuses: dict[str, int] = {}
        self.delay = 0.0
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                owner._answer(self)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    def __enter__(self) -> IndexServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def downloads(self) -> int:
        """How many requests for files came, index pages not counted."""
        return sum(count for path, count in self.hits.items() if not path.startswith("/simple/"))

    def _answer(self, request: BaseHTTPRequestHandler) -> None:
        path = request.path
        self.hits[path] += 1
        if path in self.statuses:
            request.send_error(self.statuses[path])
        elif path.startswith("/simple/"):
            names = sorted(file.name for file in self.folder.iterdir() if file.is_file())
            links = "".join(f'<a href="/files/{name}">{name}</a>\n' for name in names)
            self._send(request, f"<!DOCTYPE html><html><body>{links}</body></html>".encode(), 0)
        else:
            file = self.folder / path.rpartition("/")[2]
            if not file.is_file():
                request.send_error(404)
                return
            time.sleep(self.delay)
            start = 0
            if wanted := request.headers.get("Range"):
                self.ranges.append(wanted)
                start = int(wanted.removeprefix("bytes=").rstrip("-")) if self.can_resume else 0
            self._send(request, file.read_bytes(), start, "application/octet-stream")

    def _send(
        self, request: BaseHTTPRequestHandler, data: bytes, start: int, kind: str = "text/html"
    ) -> None:
        if start >= len(data) > 0:
            request.send_error(416)
            return
        request.send_response(206 if start else 200)
        if start:
            request.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        request.send_header("Content-Type", kind)
        request.send_header("Content-Length", str(len(data) - start))
        request.end_headers()
        left = self.cut.get(request.path) or []
        end = start + left.pop(0) if left else len(data)
        request.wfile.write(data[start:end])
        request.close_connection = True
