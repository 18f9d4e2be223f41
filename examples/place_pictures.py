"""Makes the pictures of docs/portrait-into-painting.md.

python examples/place_pictures.py     # a minute
"""

from __future__ import annotations

from pathlib import Path

from sfumato import placing_files
from sfumato.io import pictures
from sfumato.ops.resize import fit
from sfumato.place.place import place
from sfumato.place.placing import Placing
from sfumato.settings import Settings
from sfumato.sheets import SAMPLE, framed, grid
from sfumato.studio import Studio
from sfumato.types import Image

IMAGES = Path(__file__).resolve().parents[1] / "docs" / "images"

PAIRS = {
    "skater": "low-tide",
    "hat": "mont-sainte-victoire",
    "portrait": "venice",
    "friends": "aqueduct",
    "astronaut": "garden",
}

STEPS = {
    "pasted": Placing(colour=0, manner=0, softness=0, grain=0, shadow=0, fade=0),
    "colour": Placing(manner=0, softness=0, grain=0, shadow=0, fade=0),
    "colour, manner": Placing(softness=0, grain=0, shadow=0, fade=0),
    "all": Placing(),
}


def main() -> None:
    studio = Studio(Settings())
    first = {}
    for photo, painting in PAIRS.items():
        placed = place(load(photo), load(painting), options=Placing(), studio=studio)
        first[photo] = placed
        save(f"{photo}-{painting}", fit(placed.image, 720))
    photo, painting = "hat", "mont-sainte-victoire"
    spot = first[photo].spot
    tiles = {
        name: crop(place(load(photo), load(painting), spot=spot, options=o, studio=studio).image)
        for name, o in STEPS.items()
    }
    save("steps", grid([framed(tile) for tile in tiles.values()], list(tiles), len(tiles)))
    sheet = placing_files.candidates(load("low-tide"), first["skater"], studio, Placing())
    save("candidates", fit(sheet, 1200))


def crop(image: Image) -> Image:
    """The corner in which the figure is."""
    height, width = image.shape[:2]
    return image[height // 2 :, width // 2 :]


def load(name: str) -> Image:
    if name == "astronaut":
        return pictures.read(SAMPLE).image
    folder = "photos" if name in PAIRS else "paintings"
    return pictures.read(IMAGES / folder / f"{name}.jpg").image


def save(name: str, image: Image) -> None:
    path = IMAGES / "place" / f"{name}.jpg"
    pictures.write(pictures.from_image(image), path, quality=82, overwrite=True)
    print(name)


if __name__ == "__main__":
    main()
