"""Contact sheets: many pictures in one, each with a label."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image as PillowImage
from PIL import ImageDraw, ImageFont

from sfumato import files, pipeline, styles
from sfumato.io import pictures
from sfumato.io.icc import quantise, unit
from sfumato.ops.resize import fit, square
from sfumato.pipeline import Layer
from sfumato.settings import Settings
from sfumato.studio import Studio
from sfumato.types import Image

SAMPLE = Path(__file__).parent / "assets" / "astronaut.jpg"
"""Eileen Collins by NASA, in the public domain: painted where no photo is given."""

TILE, GAP, LABEL, LINE = 320, 12, 34, 23
PAPER, INK = (247, 246, 243), (38, 38, 38)


def write(
    target: Path,
    photo: str | None,
    overwrite: bool,
    next_tile: Callable[[], None],
    download: Callable[[str, int, int], None] | None = None,
) -> None:
    """Paint a photo in every built-in style and write the sheet.

    Args:
        target: picture file to write.
        photo: what to paint; None = :data:`SAMPLE`.
        overwrite: replace the target if it exists.
        next_tile: called after each style.
        download: told of weights being fetched.

    Raises:
        SfumatoError: with one clear sentence; then nothing has been written.
    """
    files.check_target(target, [photo] if photo else [], overwrite)
    picture = files.read(photo or SAMPLE)
    content = fit(styles.opaque(picture), TILE * 2)
    studio = Studio(Settings(size=TILE * 2), download)
    tiles, labels = [], []
    for built_in in styles.catalogue():
        layer = Layer("everything", styles.resolve(built_in.name))
        painting = pipeline.paint(content, [layer], studio=studio)
        tiles.append(square(painting.image, TILE))
        labels.append(built_in.name)
        next_tile()
    files.write(pictures.from_image(grid(tiles, labels)), target, pictures.QUALITY, overwrite)


def framed(image: Image) -> Image:
    """The whole picture in the middle of a tile, float32 ``[TILE, TILE, 3]``."""
    small = fit(image, TILE)
    tile = np.full((TILE, TILE, 3), unit(np.array(PAPER, np.uint8)))
    top, left = ((TILE - side) // 2 for side in small.shape[:2])
    tile[top : top + small.shape[0], left : left + small.shape[1]] = small
    return tile


def grid(tiles: Sequence[Image], labels: Sequence[str], columns: int = 6) -> Image:
    """Lay tiles of one size out in rows, each with its label (of one or more lines) below.

    Args:
        tiles: float32 ``[h, w, 3]``, sRGB, 0..1.
        labels: as many.
        columns: tiles in a row.

    Returns:
        float32 ``[H, W, 3]``, sRGB, 0..1.
    """
    tall, wide = tiles[0].shape[:2]
    columns = min(columns, len(tiles))
    rows = -(-len(tiles) // columns)
    below = LABEL + LINE * max(label.count("\n") for label in labels)
    width, height = GAP + columns * (wide + GAP), GAP + rows * (tall + below + GAP)
    sheet = PillowImage.new("RGB", (width, height), PAPER)
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(18)
    for i, (tile, label) in enumerate(zip(tiles, labels, strict=True)):
        x = GAP + (i % columns) * (wide + GAP)
        y = GAP + (i // columns) * (tall + below + GAP)
        sheet.paste(PillowImage.fromarray(quantise(tile, np.dtype(np.uint8))), (x, y))
        for n, line in enumerate(label.splitlines()):
            pen.text((x + 2, y + tall + 6 + n * LINE), line, fill=INK, font=font)
    return unit(np.asarray(sheet))
