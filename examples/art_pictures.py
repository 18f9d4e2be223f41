"""Makes the overlays of docs/art-segmentation.md: what segmenters take for people in paintings.

python examples/art_pictures.py     # seconds
"""

from __future__ import annotations

from pathlib import Path

from sfumato.data.outline import tinted
from sfumato.evaluate.finding import finder
from sfumato.io import pictures
from sfumato.ops.resize import fit
from sfumato.sheets import framed, grid

IMAGES = Path(__file__).resolve().parents[1] / "docs" / "images"

PAINTINGS = (
    "red-boy", "peasant", "charpentier", "garden", "shepherds", "park-drawing",
    "six-rivers", "birth", "organ", "seashore", "robe", "mont-sainte-victoire",
)  # fmt: skip


def main() -> None:
    find = {net: finder(net, ["person"]) for net in ("person", "modnet")}
    tiles, labels = [], []
    for name in PAINTINGS:
        painting = pictures.read(IMAGES / "paintings" / f"{name}.jpg").image
        for net, look in find.items():
            mask = (look(painting)[0] > 0.5).astype("uint8")
            tiles.append(framed(tinted(painting, mask)))
            labels.append(f"{name}, {net}")
    sheet = pictures.from_image(fit(grid(tiles, labels), 1600))
    pictures.write(sheet, IMAGES / "segmentation" / "art.jpg", quality=80, overwrite=True)


if __name__ == "__main__":
    main()
