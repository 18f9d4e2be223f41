"""Makes docs/gallery.md and its pictures: every command on the page is run, nothing is touched up.

python examples/gallery.py            # about a minute; the adain pictures need the torch extra
python examples/gallery.py skater     # only those whose name starts so
"""

from __future__ import annotations

import shlex
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "gallery.md"
PHOTOS = ROOT / "docs" / "images" / "photos"
PICTURES = ROOT / "docs" / "images" / "gallery"
HEIGHT, QUALITY = 560, 86


@dataclass(frozen=True)
class Piece:
    """One picture of the gallery."""

    name: str
    title: str
    command: str  # NAME.png is what it writes
    note: str = ""

    @property
    def photo(self) -> str:
        return self.command.split()[2]


PIECES = [
    Piece(
        "astronaut-waves",
        "A background behind an untouched person",
        "sfumato paint astronaut.jpg --region background --style waves -o astronaut-waves.png",
        "The person's pixels are the photo's own, bit for bit; hair is blended strand by strand.",
    ),
    Piece(
        "skater-night",
        "A full figure",
        "sfumato paint skater.jpg --region background --style starry-night -o skater-night.png",
    ),
    Piece(
        "rooftop-dusk",
        "A full figure, found as the salient subject",
        "sfumato paint rooftop.jpg --region 'not subject' --style fiery-dusk -o rooftop-dusk.png",
    ),
    Piece(
        "portrait-ink",
        "The person painted, the background kept",
        "sfumato paint portrait.jpg --region person --style ink -o portrait-ink.png",
    ),
    Piece(
        "hat-two",
        "Two regions, two styles, one run",
        "sfumato paint hat.jpg --paint background=nocturne --paint person=charcoal-wash"
        " -o hat-two.png",
    ),
    Piece(
        "hat-pass",
        "Two styles through one pass of VGG-19",
        "sfumato paint hat.jpg --paint background=stained-glass@adain --paint person=ink@adain"
        " -o hat-pass.png",
        "With `adain` both regions share one encoding and one decoding. Needs the `torch` extra.",
    ),
    Piece(
        "canal-adain",
        "A whole picture in AdaIN",
        "sfumato paint canal.jpg --style nocturne --stylizer adain -o canal-adain.png",
        "Slower than the default net, and closer to the style's own brush.",
    ),
    Piece(
        "friends-etching",
        "Several people",
        "sfumato paint friends.jpg --region background --style golden-etching"
        " -o friends-etching.png",
    ),
    Piece(
        "cat-gilded",
        "Not only people",
        "sfumato paint cat.jpg --region 'not subject' --style gilded -o cat-gilded.png",
    ),
    Piece(
        "coffee-marbled",
        "A thing on a table",
        "sfumato paint coffee.jpg --region 'not subject' --style marbled -o coffee-marbled.png",
    ),
    Piece(
        "canal-colours",
        "The whole picture, in its own colours",
        "sfumato paint canal.jpg --style fiery-dusk --keep-colors -o canal-colours.png",
    ),
    Piece(
        "canal-sky",
        "Part of a place, melting into the rest",
        "sfumato paint canal.jpg --region box:0,0,1,.55 --style starry-night --blend multiband"
        " -O multiband.reach=0.15 -o canal-sky.png",
    ),
    Piece(
        "painting-again",
        "A painting as the input",
        "sfumato paint old-painting.jpg --region background --style waves -o painting-again.png",
        "The input is itself a painting (*hat* in `charcoal-wash`); the person is still found.",
    ),
    Piece(
        "hat-cut",
        "A cut-out without the old background's colours",
        "sfumato cut hat.jpg -o hat-cut.png",
        "Shown on white; the curls carry no green or blue.",
    ),
]

CREDITS = """## The photos

They lie in `docs/images/photos`, made smaller. *astronaut*: NASA, public domain. *cat* (Stéfan van
der Walt) and *coffee* (Rachel Michetti): CC0, from scikit-image. *skater*, *portrait*, *hat*: from
the npm package argon-design-system-free 1.2.0; *rooftop*, *friends*: from material-kit 2.0.4;
*canal*: from paper-kit-2 2.1.0; all three packages are under the MIT licence (Creative Tim), and
their files bear the photographers' names: Brooke Cagle (*skater*), Fabio Mangione (*canal*), Mariya
Georgieva (*friends*).
"""


def main(only: str = "") -> None:
    PICTURES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        desk = Path(folder)
        set_desk(desk)
        for piece in PIECES:
            if piece.name.startswith(only):
                run(piece.command, desk)
                before_and_after(desk / piece.photo, desk / f"{piece.name}.png").save(
                    PICTURES / f"{piece.name}.jpg", quality=QUALITY, optimize=True
                )
                print(piece.name)
    PAGE.write_text(page(), encoding="utf-8")


def set_desk(desk: Path) -> None:
    """The folder in which the page's commands are run."""
    for photo in [*PHOTOS.glob("*.jpg"), ROOT / "src/sfumato/assets/astronaut.jpg"]:
        (desk / photo.name).write_bytes(photo.read_bytes())
    run("sfumato paint hat.jpg --style charcoal-wash -o old-painting.jpg", desk)


def run(command: str, desk: Path) -> None:
    program, *arguments = shlex.split(command)
    assert program == "sfumato"
    subprocess.run([sys.executable, "-m", "sfumato", *arguments, "-q"], cwd=desk, check=True)


def before_and_after(before: Path, after: Path) -> Image.Image:
    """Both side by side at one height; transparency on white."""
    pair = [on_white(Image.open(path)) for path in (before, after)]
    pair = [im.resize((round(im.width * HEIGHT / im.height), HEIGHT), 3) for im in pair]
    both = Image.new("RGB", (pair[0].width + pair[1].width + 8, HEIGHT), "white")
    both.paste(pair[0], (0, 0))
    both.paste(pair[1], (pair[0].width + 8, 0))
    return both


def on_white(image: Image.Image) -> Image.Image:
    image = image.convert("RGBA")
    white = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(white, image).convert("RGB")


def page() -> str:
    parts = [
        "# Gallery\n\nPhotos on the left, what the command below made of them on the right."
        " Written by `examples/gallery.py`, which runs every command.\n"
    ]
    for piece in PIECES:
        parts.append(f"## {piece.title}\n\n![{piece.title}](images/gallery/{piece.name}.jpg)\n")
        parts.append(f"```bash\n{piece.command}\n```\n")
        if piece.note:
            parts.append(f"{piece.note}\n")
    return "\n".join([*parts, CREDITS])


if __name__ == "__main__":
    main(*sys.argv[1:])
