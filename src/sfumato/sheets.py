"""Contact sheets: every built-in style in one picture."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np

from sfumato import files, pipeline, styles
from sfumato.io import pictures
from sfumato.ops.resize import fit, resize
from sfumato.pipeline import Layer
from sfumato.settings import Settings
from sfumato.studio import Studio
from sfumato.types import Image

SAMPLE = Path(__file__).parent / "assets" / "astronaut.jpg"
"""Eileen Collins by NASA, in the public domain: painted where no photo is given."""

TILE, GAP, LABEL = 320, 12, 34


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
        tiles.append(_square(painting.image, TILE))
        labels.append(built_in.name)
        next_tile()
    files.write(pictures.from_image(grid(tiles, labels)), target, pictures.QUALITY, overwrite)


def grid(tiles: Sequence[Image], labels: Sequence[str], columns: int = 6) -> Image:
    """Lay equal square tiles out in rows, each with its label below: float32 ``[H, W, 3]``."""
    size = tiles[0].shape[0]
    columns = min(columns, len(tiles))
    rows = -(-len(tiles) // columns)
    sheet = np.full(
        (GAP + rows * (size + LABEL + GAP), GAP + columns * (size + GAP), 3), 0.97, np.float32
    )
    for i, (tile, label) in enumerate(zip(tiles, labels, strict=True)):
        y = GAP + (i // columns) * (size + LABEL + GAP)
        x = GAP + (i % columns) * (size + GAP)
        sheet[y : y + size, x : x + size] = tile
        cv2.putText(
            sheet, label, (x + 2, y + size + LABEL - 12), cv2.FONT_HERSHEY_SIMPLEX,
            0.62, (0.15, 0.15, 0.15), 1, cv2.LINE_AA,
        )  # fmt: skip
    return sheet


def _square(image: Image, size: int) -> Image:
    side = min(image.shape[:2])
    top, left = (image.shape[0] - side) // 2, (image.shape[1] - side) // 2
    return resize(image[top : top + side, left : left + side], (size, size))
