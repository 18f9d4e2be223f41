"""Paints the small pictures that the web page shows for the styles until there is a photo.

python examples/style_tiles.py     # a minute
"""

from __future__ import annotations

from sfumato import pipeline, sheets, styles
from sfumato.io import pictures
from sfumato.ops.resize import fit, square
from sfumato.pipeline import Layer
from sfumato.server.page import TILES
from sfumato.settings import Settings
from sfumato.studio import Studio

SIDE, PAINTED = 112, 336
"""Pixels of a tile, and of the longer side of what is painted for it."""


def main() -> None:
    TILES.mkdir(exist_ok=True)
    for old in TILES.glob("*.jpg"):
        old.unlink()
    photo = fit(pictures.read(sheets.SAMPLE).image, PAINTED)
    studio = Studio(Settings(size=PAINTED))
    for style in styles.catalogue():
        layer = Layer("everything", styles.resolve(style.name))
        tile = square(pipeline.paint(photo, [layer], studio=studio).image, SIDE)
        pictures.write(pictures.from_image(tile), TILES / f"{style.name}.jpg", quality=80)


if __name__ == "__main__":
    main()
