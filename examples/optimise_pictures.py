"""Makes the pictures of docs/optimise.md by running the commands that stand there.

python examples/optimise_pictures.py [NAME ...]     # all: about half an hour on two cores
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
IMAGES = ROOT / "docs" / "images" / "optimise"
WIDEST = 1280

COMMANDS = {
    "fast": "paint canal.jpg --style nocturne --stylizer gatys --size 576",
    "background": "paint hat.jpg --region background --style nocturne --stylizer gatys --size 512",
    "two": "paint skater.jpg --paint background=waves@gatys --paint person=ink@gatys --size 448",
    "paper2": "ablate portrait.jpg --style nocturne --region background --size 288"
    " --vary preset=paper2-content,paper2,paper2-style -O gatys.steps=200",
    "paper4": "ablate canal.jpg --style poppies --size 288 -O gatys.preset=paper4"
    " --vary depth_weight=0,1e4 --vary laplacian_weight=0,6.5e6",
    "paper5": "ablate portrait.jpg --style nocturne --size 192"
    " --vary preset=paper5-first,paper5-second"
    " -O gatys.steps=500",
    "paper5-foreground": "paint cat.jpg --region subject --style pastel --stylizer gatys"
    " --size 448",
    "statistics": "ablate canal.jpg --style waves --size 192 --vary"
    " statistic=gram,wasserstein,sliced,mean-std",
}
"""Picture in docs/images/optimise, and the command that makes it; photos are docs/images/photos."""


def main(names: list[str]) -> None:
    IMAGES.mkdir(exist_ok=True)
    for name in names or COMMANDS:
        with TemporaryDirectory() as folder:
            made = Path(folder) / "made.png"
            command = ["sfumato", *shlex.split(COMMANDS[name]), "-o", str(made), "--quiet"]
            photos = ROOT / "docs" / "images" / "photos"
            subprocess.run([sys.executable, "-m", *command], cwd=photos, check=True)
            picture = fit(pictures.read(made).image, WIDEST)
        target = IMAGES / f"{name}.jpg"
        pictures.write(pictures.from_image(picture), target, quality=82, overwrite=True)
        print(f"{name}: sfumato {COMMANDS[name]}")


if __name__ == "__main__":
    main(sys.argv[1:])
