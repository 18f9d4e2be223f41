"""Makes the pictures of docs/inspect.md by running the commands that stand there.

python examples/inspect_pictures.py [NAME ...]     # all; or some of the functions below
"""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from sfumato.io import pictures
from sfumato.ops.resize import fit

ROOT = Path(__file__).resolve().parents[1]
IMAGES = ROOT / "docs" / "images" / "inspect"
PHOTOS = ROOT / "docs" / "images" / "photos"
WIDEST = 1280


def clusters() -> None:
    made("clusters hat.jpg", overview="clusters")
    made("clusters hat.jpg -k 4", k4="clusters-4")


def grabcut() -> None:
    box = "grabcut hat.jpg --box 0.14,0.05,0.95,0.99"
    made(box, rounds="grabcut-rounds", colours="grabcut-colours", energy="grabcut-energy")
    strokes = "--foreground 0.42,0.07,0.6,0.07 --foreground 0.25,0.27,0.4,0.18"
    strokes += " --background 0.19,0.52,0.21,0.6 --background 0.93,0.5,0.92,0.3"
    made(f"{box} {strokes}", rounds="grabcut-strokes")


def features() -> None:
    made(
        "features cat.jpg --layer conv1_1 --layer relu3_1 --layer relu5_1 --parts maps,gram",
        maps="features", gram="features-gram",
    )  # fmt: skip
    layers = " ".join(f"--layer relu{block}_1" for block in range(1, 6))
    made(f"features cat.jpg {layers} --parts inversion", inversion="features-inversion")
    made("features canal.jpg --layer relu1_1 --parts styles", styles="features-styles")
    command = "features cat.jpg --layer relu1_1 --parts styles --style waves"
    made(command, styles="features-styles-laid")


def saliency() -> None:
    made("saliency hat.jpg --net person --method all", overview="saliency-person")
    made("saliency cat.jpg --net mobilenetv2 --method all --window 48", overview="saliency-class")
    made("saliency hat.jpg --net modnet", overview="saliency-modnet")
    channel = "saliency cat.jpg --net vgg19 --layer conv5_1 --target 50"
    made(f"{channel} --method guided-backprop --method occlusion", overview="saliency-channel")


def made(command: str, **kept: str) -> None:
    """Run ``sfumato inspect COMMAND -o FOLDER`` among the photos, and keep some of its figures:
    the file's name in the folder = the picture's in the docs."""
    with TemporaryDirectory() as folder:
        words = ["sfumato", "inspect", *shlex.split(command), "-o", f"{folder}/", "--quiet"]
        subprocess.run([sys.executable, "-m", *words], cwd=PHOTOS, check=True)
        for figure, name in kept.items():
            keep(Path(folder) / f"{figure}.png", name)
    print(f"{', '.join(kept.values())}: sfumato inspect {command}")


def keep(figure: Path, name: str) -> None:
    """Shrink a figure into the docs."""
    IMAGES.mkdir(exist_ok=True)
    small = pictures.from_image(fit(pictures.read(figure).image, WIDEST))
    pictures.write(small, IMAGES / f"{name}.jpg", quality=80, overwrite=True)


FUNCTIONS = {function.__name__: function for function in (clusters, grabcut, features, saliency)}


def main(names: list[str]) -> None:
    for name in names or FUNCTIONS:
        FUNCTIONS[name]()


if __name__ == "__main__":
    main(sys.argv[1:])
