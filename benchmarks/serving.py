"""How much of the library's speed the server keeps, and whether it loses or mixes up anything.

    python benchmarks/serving.py photo.jpg … --requests 200 --at-once 16

Paints crops of the photos, all different, in three built-in styles: first with the bare library in
one process that keeps its nets (its best case), then as requests to a server of its own, started
with ``sfumato serve``. Each answer is compared with what the library made of the same crop. Prints
both throughputs and their ratio, what was lost or mixed up, the server's memory (with its workers)
after a tenth of the requests and at the end, and then, with ``--kill``, what becomes of jobs that
were in line when the server was killed with SIGKILL and started again. Some eight minutes on two
cores.
"""

from __future__ import annotations

import argparse
import io
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import httpx
import numpy as np
from numpy.typing import NDArray

from sfumato import files
from sfumato.io import pictures
from sfumato.ops.resize import fit
from sfumato.settings import Settings
from sfumato.studio import Studio

STYLES = ("starry-night", "great-wave", "pastel-haze")
REGION = "background"
SIDE = 512


@dataclass(frozen=True)
class Ask:
    """One request: a crop as PNG, and a style."""

    photo: bytes
    style: str


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("photos", nargs="+", type=Path, help="pictures of people")
    parser.add_argument("--requests", type=int, default=200)
    parser.add_argument("--at-once", type=int, default=16)
    parser.add_argument("--kill", action="store_true", help="kill the server half-way, too")
    parser.add_argument("--serve", nargs=argparse.REMAINDER, default=[], help="options of serve")
    chosen = parser.parse_args()
    asks = crops(chosen.photos, chosen.requests)
    with tempfile.TemporaryDirectory() as folder:
        wanted, alone = by_library(asks, Path(folder))
        with server(Path(folder) / "desk", chosen.serve) as (url, process):
            answers, served, memory = by_server(asks, url, process, chosen.at_once)
        print(f"library: {len(asks) / alone:.2f} pictures a second")
        print(f"server:  {len(asks) / served:.2f} pictures a second, ratio {alone / served:.2f}")
        print(f"lost: {sum(answer is None for answer in answers)} of {len(asks)}")
        same = [a is not None and close(a, w) for a, w in zip(answers, wanted, strict=True)]
        print(f"another picture than the library's: {same.count(False)}")
        print(f"memory: {memory[0]:.0f} MB after a tenth, {memory[1]:.0f} MB at the end")
        if chosen.kill:
            print(killed(asks[:12], Path(folder) / "again", chosen.serve))


def crops(photos: list[Path], count: int) -> list[Ask]:
    """Crops that differ by some pixels, so that no answer comes from an earlier one."""
    images = [fit(pictures.read(path).image, SIDE + 24) for path in photos]
    found = []
    for i, (dy, dx) in enumerate(product(range(0, 20, 2), range(0, 20))):
        for image in images:
            height, width = image.shape[0] - 20, image.shape[1] - 20
            crop = image[dy : dy + height, dx : dx + width]
            encoded = pictures.to_bytes(pictures.from_image(crop), "PNG")
            found.append(Ask(encoded, STYLES[(i + len(found)) % len(STYLES)]))
            if len(found) == count:
                return found
    raise SystemExit(f"{len(photos)} photos give {len(found)} crops; name more photos")


def by_library(asks: list[Ask], folder: Path) -> tuple[list[NDArray[np.uint8]], float]:
    """What the library makes of them, and the seconds that it took (nets loaded before)."""
    studio = Studio(Settings())
    jobs = {style: files.prepare([(REGION, style, None)]) for style in STYLES}
    made: list[NDArray[np.uint8]] = []
    began = 0.0
    for i, ask in enumerate([asks[0], *asks]):
        if i == 1:
            began = time.perf_counter()
        source, target = folder / f"{i}.png", folder / f"{i}-painted.png"
        source.write_bytes(ask.photo)
        files.paint_file(source, target, jobs[ask.style], studio, manifest=folder / f"{i}.json")
    seconds = time.perf_counter() - began
    for i in range(1, len(asks) + 1):
        made.append(decoded((folder / f"{i}-painted.png").read_bytes()))
    return made, seconds


def by_server(
    asks: list[Ask], url: str, process: subprocess.Popen[bytes], at_once: int
) -> tuple[list[NDArray[np.uint8] | None], float, tuple[float, float]]:
    """The server's answers, the seconds that they took, and its memory early and at the end."""
    memory: list[float] = []
    with httpx.Client(base_url=url, timeout=600) as client:
        post(client, Ask(asks[0].photo, "amber-sky"))  # loads the nets

        def one(number: int) -> bytes | None:
            data = post(client, asks[number])
            if number == len(asks) // 10:
                memory.append(megabytes(process.pid))
            return data

        began = time.perf_counter()
        with ThreadPoolExecutor(at_once) as crowd:
            answers = list(crowd.map(one, range(len(asks))))
        seconds = time.perf_counter() - began
        memory.append(megabytes(process.pid))
    pictures_ = [None if a is None else decoded(a) for a in answers]
    return pictures_, seconds, (memory[0], memory[1])


def decoded(data: bytes) -> NDArray[np.uint8]:
    return pictures.read(io.BytesIO(data)).native.astype(np.uint8)


def post(client: httpx.Client, ask: Ask, wait: int = 120) -> bytes | None:
    """The picture, as soon as the server has room for the request; None if it failed."""
    form = {"style": ask.style, "region": REGION}
    while True:
        sent = {"photo": ("photo.png", ask.photo)}
        answer = client.post("/v1/paint", params={"wait": wait}, files=sent, data=form)
        if answer.status_code == 429:
            time.sleep(float(answer.headers["retry-after"]))
            continue
        return answer.content if answer.status_code == 200 else None


def killed(asks: list[Ask], folder: Path, options: list[str]) -> str:
    """What becomes of accepted jobs whose server is killed and started again."""
    numbers = []
    with server(folder, options) as (url, process), httpx.Client(base_url=url) as client:
        for ask in asks:
            sent = {"photo": ("photo.png", ask.photo)}
            form = {"style": ask.style, "region": REGION}
            answer = client.post("/v1/paint?wait=0", files=sent, data=form)
            numbers.append(answer.json()["id"])
        while client.get(f"/v1/jobs/{numbers[2]}").json()["state"] != "done":
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
        process.wait()
    with server(folder, options) as (url, _), httpx.Client(base_url=url) as client:
        states = {}
        for number in numbers:
            while (job := client.get(f"/v1/jobs/{number}").json())["ended"] is None:
                time.sleep(0.1)
            states[job["state"]] = states.get(job["state"], 0) + 1
    told = ", ".join(f"{count} {state}" for state, count in states.items())
    return f"killed with {len(numbers)} jobs accepted and three done; after the restart: {told}"


@contextmanager
def server(folder: Path, options: list[str]) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "sfumato", "serve", "--no-page", "--quiet"]
    more = ["--port", str(port), "--folder", str(folder), *options]
    process = subprocess.Popen([*command, *more])
    try:
        while True:
            try:
                httpx.get(f"http://127.0.0.1:{port}/v1/healthz")
                break
            except httpx.HTTPError:
                time.sleep(0.1)
        yield f"http://127.0.0.1:{port}", process
    finally:
        process.terminate()
        process.wait(60)


def megabytes(pid: int) -> float:
    """Resident memory of a process and its children."""
    total = 0.0
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            status = (folder / "status").read_text()
        except OSError:
            continue
        fields = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
        if int(folder.name) == pid or int(fields["PPid"]) == pid:
            total += int(fields.get("VmRSS", "0 kB").split()[0]) / 1e3
    return total


def close(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> bool:
    """The same picture, but for a rounding (nets on another number of threads)."""
    if one.shape != other.shape:
        return False
    return float(np.abs(one.astype(int) - other).mean()) < 0.5


if __name__ == "__main__":
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    main()
