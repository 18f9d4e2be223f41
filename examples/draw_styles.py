"""Draws every built-in style picture, and paints one photo in each: two contact sheets.

    python examples/draw_styles.py FOLDER [PHOTO]

writes FOLDER/drawn-styles.jpg and FOLDER/drawn-painted.jpg (about 20 seconds on two CPU cores).
The photo is the package's own sample, an astronaut, unless another is named.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from sfumato import drawn, registry, sheets
from sfumato.io import pictures
from sfumato.ops.resize import fit
from sfumato.types import Context, Style

TILE, GAP, LABEL, COLUMNS, QUALITY = 200, 8, 24, 7, 78


def main(folder: Path, photo: Path = sheets.SAMPLE) -> None:
    """Write both sheets."""
    content = fit(pictures.read(photo).image, 512)
    painter = registry.build("stylize", "magenta", Context())
    styles = {name: drawn.draw(name) for name in drawn.names()}
    painted = {name: painter(content, Style(name, image)) for name, image in styles.items()}
    folder.mkdir(parents=True, exist_ok=True)
    for name, images in (("drawn-styles", styles), ("drawn-painted", painted)):
        contact_sheet(images).save(folder / f"{name}.jpg", quality=QUALITY, optimize=True)


def contact_sheet(images: dict[str, np.ndarray]) -> Image.Image:
    """Square tiles in rows, each with its name below."""
    rows = -(-len(images) // COLUMNS)
    size = (GAP + COLUMNS * (TILE + GAP), GAP + rows * (TILE + LABEL + GAP))
    sheet = Image.new("RGB", size, "white")
    pen = ImageDraw.Draw(sheet)
    for i, (name, image) in enumerate(images.items()):
        x = GAP + (i % COLUMNS) * (TILE + GAP)
        y = GAP + (i // COLUMNS) * (TILE + LABEL + GAP)
        tile = Image.fromarray(np.round(_square(image) * 255).astype(np.uint8))
        sheet.paste(tile.resize((TILE, TILE), Image.Resampling.LANCZOS), (x, y))
        pen.text((x + 2, y + TILE + 4), name, fill="#222222", font_size=14)
    return sheet


def _square(image: np.ndarray) -> np.ndarray:
    side = min(image.shape[:2])
    top, left = (image.shape[0] - side) // 2, (image.shape[1] - side) // 2
    return image[top : top + side, left : left + side]


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:3]))
