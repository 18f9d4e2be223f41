"""Styles by name: drawn pictures, styles that live inside a net, or any picture or net file."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from sfumato import drawn
from sfumato.errors import UsageError, did_you_mean
from sfumato.io import pictures, weights
from sfumato.io.icc import unit
from sfumato.io.pictures import Picture
from sfumato.ops import foreground
from sfumato.types import Image, Style

NETS = Path(__file__).parent / "assets" / "styles"
"""Nets of single drawn styles that come with the package, by the style's name; with their cards."""

NET_SUFFIXES = frozenset((".safetensors", ".onnx", ".pth", ".pt", ".model"))
"""Of files that hold a net of one style instead of a picture."""


@dataclass(frozen=True)
class BuiltIn:
    """A style that comes with Sfumato.

    Attributes:
        name: what to write after ``--style``.
        description: how it looks.
        net: the stylizer that holds it, or None if it is a drawn picture that any takes.
        index: its number in that net.
    """

    name: str
    description: str
    net: str | None = None
    index: int = 0


# The styles inside the 26-style net, named by their look; the best for backgrounds first.
_MAGENTA = (
    ("starry-night", "swirling night blues with yellow lights", 19),
    ("fiery-dusk", "wild orange and violet brush strokes", 5),
    ("pastel-haze", "hazy impressionist pastels in morning light", 12),
    ("great-wave", "Prussian blue and cream woodblock print", 24),
    ("amber-sky", "soft sky blue and amber on fine canvas", 0),
    ("crimson-harvest", "crimson, gold and pale blue in chalk", 4),
    ("twilight-crayon", "slanting crayon strokes in blue and olive", 16),
    ("storm-weave", "woven stormy blues and ochres, dense strokes", 25),
    ("charcoal-wash", "charcoal lines with a thin peach wash", 2),
    ("frost-pencil", "pale ice-blue pencil with a blush of rose", 14),
    ("golden-etching", "sepia lines etched on honey-coloured paper", 11),
    ("velvet-dusk", "hand-tinted photograph with velvet-black shadows", 23),
    ("terracotta", "warm brick-brown tones like fired clay", 10),
    ("candy-sketch", "white paper, cyan and pink coloured pencil", 8),
    ("opal-lattice", "opal cells in lilac and lemon, dark leading", 15),
    ("ivory-relief", "carved ivory and olive, like soft woodcut", 18),
    ("ink-comic", "brushed ink over grey-blue with red accents", 22),
    ("electric-lime", "lime green against teal, dark contours", 13),
    ("bold-primaries", "broad yellow, blue and red out of black", 7),
    ("ember", "dark red glow with blue-black shadows", 20),
    ("pop-cutout", "paper cut-outs in sky, cream and coral", 21),
    ("linocut-flecks", "teal and red flecks cut in lino", 9),
    ("yellow-contour", "thick black outlines filled with flat yellow", 1),
    ("jazz-shards", "glowing shards of blue, red and black", 3),
    ("indigo-bubbles", "night indigo strewn with dark bubbles", 6),
    ("red-grid", "a dense weave of red and orange bars", 17),
)


def catalogue() -> list[BuiltIn]:
    """All built-in styles, the best default first."""
    pictures = [BuiltIn(name, drawn.describe(name)) for name in drawn.names()]
    return pictures + [BuiltIn(name, text, "magenta", i) for name, text, i in _MAGENTA]


def is_built_in(spec: str) -> bool:
    """Whether a spec names a built-in style rather than a file."""
    return any(style.name == spec for style in catalogue())


def resolve(spec: str) -> Style:
    """The style of this name or file: a picture, or a net of one style (known by its suffix, and
    opened only by the stylizer).

    Raises:
        UsageError: neither a built-in name nor a file.
        PictureError: the file is not a picture.
    """
    known = {style.name: style for style in catalogue()}
    if spec in known:
        style = known[spec]
        if style.net:
            return Style(spec, net=style.net, index=style.index)
        return Style(spec, image=_drawn(spec), path=own_net(spec))
    if not Path(spec).exists():
        hint = did_you_mean(spec, known)
        raise UsageError(
            f"no style or file {spec!r}{hint} ('sfumato styles' lists the built-in ones)"
        )
    if Path(spec).suffix.lower() in NET_SUFFIXES:
        return Style(Path(spec).name, net="johnson", path=Path(spec))
    return Style(Path(spec).name, image=opaque(pictures.read(spec)))


def own_net(name: str) -> Path | None:
    """The package's net that paints in this drawn style alone, if it has one."""
    path = NETS / f"{name}.onnx"
    return path if path.is_file() else None


def opaque(picture: Picture) -> Image:
    """The picture's colours, with transparent parts continued smoothly from the opaque ones
    (what lies under full transparency is often garbage): float32 ``[H, W, 3]``, sRGB, 0..1."""
    if picture.alpha is None:
        return picture.image
    return foreground.fill(picture.image, unit(picture.alpha))


def _drawn(name: str) -> Image:
    """A drawn style picture; drawing takes a second, so it is kept in the cache."""
    code = b"".join(path.read_bytes() for path in sorted(Path(drawn.__file__).parent.glob("*.py")))

    def make(target: Path) -> None:
        pictures.write(pictures.from_image(drawn.draw(name)), target)

    path = weights.derived(f"style-{name}", hashlib.sha256(code).hexdigest(), make, ".png")
    return pictures.read(path).image
