"""One picture of a comparison, as in docs/compare.md: a row for each photo, a column each way.

sfumato compare paper4 -p hat.jpg -p cat.jpg --set side=256 --set size=256 -o comparison
python examples/compare_sheet.py comparison sheet.jpg --label style_loss
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from sfumato import sheets
from sfumato.io import pictures
from sfumato.ops.resize import square

SIDE = 256
"""Of a tile in pixels; what is longer than wide is cropped to the middle."""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("comparison", type=Path, help="the folder that the command wrote")
    parser.add_argument("sheet", type=Path)
    parser.add_argument("--label", help="a measure to write below each picture")
    arguments = parser.parse_args()
    report = json.loads((arguments.comparison / "report.json").read_text(encoding="utf-8"))
    ways = [row["name"] for row in report["rows"]]
    cells = {(cell["row"], cell["picture"]): cell for cell in report["cells"]}
    tiles, labels = [], []
    for picture in report["pictures"]:
        for way in ways:
            cell = cells[way, picture]
            painted = pictures.read(arguments.comparison / cell["result"]).image
            tiles.append(square(painted, SIDE))
            told = f"{way}: {cell['measures'][arguments.label]:.3f}" if arguments.label else way
            labels.append(told)
    sheet = sheets.grid(tiles, labels, columns=len(ways))
    pictures.write(pictures.from_image(sheet), arguments.sheet, overwrite=True)


if __name__ == "__main__":
    main()
