"""A hundred uploads that mean no good, and requests that no sane client would send."""

from __future__ import annotations

import io
import random
import struct
import zipfile
import zlib

import pytest

pytest.importorskip("fastapi", reason="needs the extra serve")
pytest.importorskip("httpx", reason="needs the extra serve")

from fastapi.testclient import TestClient
from PIL import Image
from tests.server.conftest import CLUSTERS, photo

from sfumato.server.app import House, create
from sfumato.server.metrics import Metrics
from sfumato.server.worker import Limits

KINDS = ("PNG", "JPEG", "WEBP", "GIF", "TIFF", "BMP", "PPM", "JPEG2000", "AVIF")


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(width: int, height: int, body: bytes = b"", depth: int = 8, colour: int = 2) -> bytes:
    """A PNG whose header says what it likes."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")
    )


def picture(kind: str) -> bytes:
    if kind == "AVIF" and not Image.registered_extensions().get(".avif"):
        return b"\0\0\0\x1cftypavif" + b"\0" * 64
    return photo(kind=kind)


def archive() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as inside:
        inside.writestr("../../evil.png", b"0" * 1_000_000)
    return file.getvalue()


def uploads() -> list[tuple[str, bytes]]:
    """Name and bytes; none of them is a picture that can be read whole."""
    rng = random.Random(0)
    found = []
    for kind in KINDS:
        whole = picture(kind)
        for share in (0.02, 0.1, 0.3, 0.6):
            found.append((f"truncated {kind} {share}", whole[: max(1, int(share * len(whole)))]))
        found.append((f"{kind} header, then noise", whole[:16] + rng.randbytes(500)))
    bomb = zlib.compress(b"\0" * 30_000_000)
    found += [
        ("nothing", b""),
        ("one byte", b"\xff"),
        ("text", b"hello"),
        ("noise", rng.randbytes(5000)),
        ("SVG", b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>'),
        (
            "SVG that reads files",
            b'<!DOCTYPE s [<!ENTITY x SYSTEM "file:///etc/passwd">]><svg>&x;</svg>',
        ),
        ("HTML", b"<!doctype html><script>alert(1)</script>"),
        ("GIF and script", b"GIF89a/*" + b"\0" * 10 + b"*/=1;alert(1)"),
        ("PDF", b"%PDF-1.4\n1 0 obj<<>>endobj\ntrailer<<>>\n%%EOF"),
        ("PostScript", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n(/etc/passwd) run"),
        ("shell", b"#!/bin/sh\nrm -rf /\n"),
        ("program", b"\x7fELF" + rng.randbytes(500)),
        ("archive", archive()),
        ("gzip", b"\x1f\x8b\x08" + rng.randbytes(100)),
        ("pickle", b"cos\nsystem\n(S'touch /tmp/evil'\ntR."),
        ("ONNX", b"\x08\x07\x12\x07pytorch"),
        ("MVG", b"push graphic-context\nimage over 0,0 0,0 'https://example.org/x'\n"),
        ("URL", b"https://example.org/photo.jpg"),
        ("path", b"/etc/passwd"),
        ("PNG of 4 gigapixels", png(65_000, 65_000, bomb)),
        ("PNG of 10^18 pixels", png(2**31 - 1, 2**31 - 1, bomb)),
        ("PNG without pixels", png(0, 10)),
        ("PNG of no kind", png(10, 10, depth=3, colour=7)),
        ("PNG with too little inside", png(500, 500, zlib.compress(b"\0" * 10))),
        ("PNG with broken inside", png(50, 50, b"\xde\xad\xbe\xef" * 20)),
        ("PNG larger than allowed", png(1500, 1500, bomb)),
        (
            "BMP of negative size",
            b"BM"
            + struct.pack("<IHHIIiiHHIIiiII", 60, 0, 0, 54, 40, -5, -5, 1, 24, 0, 0, 0, 0, 0, 0),
        ),
        ("TIFF that points at itself", b"II*\0\x08\0\0\0" + b"\x01\0" + b"\0" * 12 + b"\x08\0\0\0"),
        ("PPM of 10^12 pixels", b"P6 1000000 1000000 255\n"),
        ("ICO", b"\0\0\1\0\1\0\x10\x10\0\0\1\0\x20\0\x68\4\0\0\x16\0\0\0"),
        ("PSD", b"8BPS\0\1" + b"\0" * 30),
        ("FITS", b"SIMPLE  =                    T"),
        ("JPEG that never ends", b"\xff\xd8" + b"\xff\xe0\x00\x02" * 500),
        ("WebP of zero bytes", b"RIFF\0\0\0\0WEBPVP8 "),
        ("HEIC of nothing", b"\0\0\0\x18ftypheic\0\0\0\0heicmif1"),
        ("AVIF of nothing", b"\0\0\0\x18ftypavif\0\0\0\0avifmif1"),
    ]
    for i in range(100 - len(found)):
        broken = bytearray(picture("PNG"))
        for _ in range(60):
            broken[rng.randrange(8, len(broken))] = rng.randrange(256)
        found.append((f"PNG with sixty wrong bytes {i}", bytes(broken)))
    return found


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A client of a real server, and its folder."""
    from sfumato.server.desk import LocalDesk, Rules

    folder = tmp_path_factory.mktemp("desk")
    desk = LocalDesk(folder, Rules(), Limits(max_pixels=1_000_000, memory=2))
    app = create(desk, House(), Metrics())
    with TestClient(app, base_url="http://localhost", raise_server_exceptions=False) as client:
        yield client, folder


def test_there_are_a_hundred():
    assert len({data for _, data in uploads()}) >= 100


@pytest.mark.slow
def test_each_gets_one_sentence_and_leaves_nothing(server):
    client, folder = server
    for name, data in uploads():
        answer = client.post(
            "/v1/cut?wait=60",
            files={"photo": (f"{name}.png", data, "image/png")},
            data={"region": CLUSTERS},
        )
        assert answer.status_code == 422, (name, answer.status_code, answer.text[:200])
        sentence = answer.json()["detail"]
        assert str(folder) not in sentence, name
        assert "Traceback" not in sentence, name
        assert 10 < len(sentence) < 400, (name, sentence)
    assert client.get("/v1/healthz").json()["status"] == "ok"
    good = client.post(
        "/v1/cut?wait=60", files={"photo": ("me.png", photo())}, data={"region": CLUSTERS}
    )
    assert good.status_code == 200
    left = [path.name for path in (folder / "jobs").iterdir()]
    assert left == [good.headers["x-job"]]


@pytest.mark.parametrize(
    "name", ["../../evil.png", "/etc/passwd", "a\0b.png", "x" * 5000, "", "é\n.png"]
)
def test_file_names_are_only_names(server, name):
    client, folder = server
    before = sorted(path.name for path in folder.iterdir())
    answer = client.post(
        "/v1/cut?wait=60",
        files=[("photo", ("p.png", photo())), ("files", (name, photo(seed=3)))],
        data={"region": CLUSTERS},
    )
    assert answer.status_code in (200, 400, 422)  # 400: the form itself is refused
    assert sorted(path.name for path in folder.iterdir()) == before
