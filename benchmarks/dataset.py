"""Pictures per second of the dataset stylizer against the plain published way, and its memory.

    python benchmarks/dataset.py ../shared/data/people --styles ../shared/data/art
    python benchmarks/dataset.py --memory

The plain way (Geirhos et al. 2019, and generators since): one picture at a time, both pictures
encoded by VGG-19 each time, AdaIN, decoded, saved; the same weights, sizes, strengths and styles,
all cores for each net. Ours: ``sfumato dataset stylize`` with a process a core, which also checks
each picture's structure and writes the manifest; its start is counted. The two take turns, and the
ratio is of their sums. About five minutes on two cores.

``--memory`` paints 5,000 small pictures in one process and prints what memory it holds on the way.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image as PillowImage

from sfumato.data.generate import find_styles, stylize
from sfumato.data.restyle import Job, draw
from sfumato.io import pictures, weights
from sfumato.nets import adain, vgg

STYLE_SIDE = 512
OPTIONS = {"adain": {"least_side": 16, "style_size": STYLE_SIDE}}
"""Each picture at its own size, as the plain way has it."""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("pairs", type=Path, nargs="?", help="a folder with images/")
    parser.add_argument("--styles", nargs="+", default=["waves", "poppies", "autumn", "ink"])
    parser.add_argument("--few", type=int, default=20, help="styles, of those that there are")
    parser.add_argument("--pictures", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--memory", action="store_true")
    arguments = parser.parse_args()
    if arguments.memory:
        memory()
        return
    files = sorted((arguments.pairs / "images").rglob("*.jpg"))[: arguments.pictures]
    found = find_styles(arguments.styles)[0]
    job = Job(found[:: max(1, len(found) // arguments.few)][: arguments.few], options=OPTIONS)
    plain, ours = 0.0, 0.0
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "in").mkdir()
        for file in files:
            (root / "in" / file.name).write_bytes(file.read_bytes())
        for turn in range(arguments.rounds):
            plain += timed(lambda: plainly(root / "in", root / f"plain{turn}", job))  # noqa: B023
            ours += timed(
                lambda: stylize(root / "in", root / f"ours{turn}", job, workers=cores())  # noqa: B023
            )
    total = len(files) * arguments.rounds
    print(f"{len(files)} pictures, {len(job.styles)} styles, {cores()} cores")
    print(
        f"plain {total / plain:.2f} pictures/s, ours {total / ours:.2f}: {plain / ours:.2f} times"
    )


def plainly(source: Path, target: Path, job: Job) -> None:
    """The published way, with our reader's sizes and our weights."""
    target.mkdir()
    layer = adain.ENCODER_LAYER
    encoder = vgg.load_normalised(weights.fetch("vgg19-normalised"), layers=[layer])
    decoder = adain.load_decoder(weights.fetch("adain-decoder"))
    with torch.inference_mode():
        for path in sorted(source.iterdir()):
            [(style, strength)] = draw(job, path.name)
            content = tensor(np.asarray(PillowImage.open(path).convert("RGB")))
            features = encoder(padded(content))[layer]
            painted = tensor(shrunk(style))
            own, other = (
                (f.mean((2, 3), keepdim=True), f.std((2, 3), keepdim=True) + 1e-5)
                for f in (features, encoder(padded(painted))[layer])
            )
            result = decoder((features - own[0]) / own[1] * other[1] + other[0])
            result = result[..., : content.shape[2], : content.shape[3]]
            mixed = content + strength * (result - content)
            pixels = (mixed[0].clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy()
            PillowImage.fromarray(pixels).save(target / path.name, quality=92)


def shrunk(style: str) -> np.ndarray:
    """A style picture of :data:`STYLE_SIDE` squared pixels."""
    image = PillowImage.open(style).convert("RGB")
    scale = STYLE_SIDE / (image.width * image.height) ** 0.5
    return np.asarray(image.resize((round(image.width * scale), round(image.height * scale))))


def tensor(pixels: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].float() / 255


def padded(image: torch.Tensor) -> torch.Tensor:
    """To multiples of 8, so that the decoder gives the size back."""
    height, width = image.shape[2:]
    return torch.nn.functional.pad(image, (0, -width % 8, 0, -height % 8), mode="reflect")


def timed(work) -> float:  # type: ignore[no-untyped-def]
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def cores() -> int:
    return len(os.sched_getaffinity(0))


def memory() -> None:
    """What one process holds after so many pictures."""
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for i in range(5000):
            pixels = rng.integers(0, 256, (12, 16, 3), np.uint8)
            path = root / "in" / f"{i:04}.jpg"
            path.parent.mkdir(exist_ok=True)
            PillowImage.fromarray(pixels).resize((128, 96)).save(path)

        def watch(_: object, done: int, __: int) -> None:
            if done in (1, 100, 500, 1000, 2000, 3000, 4000, 5000):
                status = Path("/proc/self/status").read_text()
                held = int(status.split("VmRSS:")[1].split()[0]) / 1024
                print(f"{done} pictures: {held:.0f} MB", flush=True)

        job = Job(("waves", "poppies"), "magenta", edges=-1, similarity=-1)
        stylize(root / "in", root / "out", job, watch=watch)
        assert pictures.read(root / "out" / "4999.jpg").size == (96, 128)


if __name__ == "__main__":
    main()
