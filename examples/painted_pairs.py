"""Paint every picture of a set of pairs in a random style; the masks stay as they are.

    python examples/painted_pairs.py ../shared/data/portraits painted/portraits \
        --styles ../shared/data/art

The copy is a set of pairs, too, all of it the split ``train``. A picture's style, its strength
and the net that paints it (AdaIN or Magenta's, in turn by chance) follow from seed and name alone;
what is there already is kept, so an interrupted run goes on.
"""

from __future__ import annotations

import argparse
import json
import zlib
from pathlib import Path

import numpy as np
from PIL import Image as PillowImage
from rich.progress import track

from sfumato import registry, styles
from sfumato.data.samples import open_samples
from sfumato.types import Context, Image

STRENGTHS = (0.5, 1.0)
OPTIONS = {"adain": {"style_size": 256, "least_side": 16}, "magenta": {}}
"""AdaIN paints at the picture's own size: enlarged it would be prettier, and take twice as long."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pairs", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--styles", type=Path, required=True, help="pictures, split train if told")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--limit", type=int, default=None)
    arguments = parser.parse_args()

    samples = open_samples(str(arguments.pairs), "train")
    manners = open_samples(f"pictures:{arguments.styles}", "train")
    painters = {
        name: registry.build("stylize", name, Context(), options)
        for name, options in OPTIONS.items()
    }
    images, masks = (arguments.output / part for part in ("images", "masks"))
    for folder in (images, masks):
        folder.mkdir(parents=True, exist_ok=True)
    made = []
    for i in track(range(min(len(samples), arguments.limit or len(samples))), "painting"):
        name = samples.name(i)
        made.append(f"{name}.jpg")
        if (masks / f"{name}.png").exists():
            continue
        rng = np.random.default_rng([arguments.seed, zlib.crc32(name.encode())])
        sample, manner = samples[i], manners[int(rng.integers(len(manners)))]
        painter = painters[str(rng.choice(list(painters)))]
        photo: Image = np.divide(sample.image, 255, dtype=np.float32)
        style = styles.Style(manner.name, image=np.divide(manner.image, 255, dtype=np.float32))
        painted = photo + rng.uniform(*STRENGTHS) * (painter(photo, style) - photo)
        pixels = np.rint(np.clip(painted, 0, 1) * 255).astype(np.uint8)
        PillowImage.fromarray(pixels).save(images / f"{name}.jpg", quality=92)
        PillowImage.fromarray(sample.mask > 0).save(masks / f"{name}.png")  # last: it is whole now
    (arguments.output / "split.json").write_text(json.dumps({"train": made}))


if __name__ == "__main__":
    main()
