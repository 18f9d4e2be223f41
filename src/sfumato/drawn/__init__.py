"""Style pictures drawn by our own code, so that arbitrary-style nets have styles offline.

One small file a style, each with ``draw(size, rng) -> Image``; random numbers come only from the
``rng`` that it is given. The list below is the one place that names, describes and ranks them; it
is known without importing OpenCV.
"""

from __future__ import annotations

import importlib
import zlib

import numpy as np

from sfumato.errors import UsageError, did_you_mean
from sfumato.types import Image

STYLES = {
    "waves": "woodcut of breaking waves, Prussian blue and vermilion",
    "marbled": "marbled paper, combed inks in teal, coral, gold",
    "nocturne": "night sky in thick curling strokes, glowing stars",
    "autumn": "palette knife, an avenue in crimson and amber",
    "gilded": "gold-leaf spirals and eyes with black and enamel",
    "prisms": "turning discs of pure colour, cut into facets",
    "stained-glass": "rose window, jewel panes in dark lead",
    "cyanotype": "pressed ferns printed white on Prussian blue",
    "ink": "pen-and-ink hills, engraved lines on cream paper",
    "watercolour": "wet washes with dark rims on rough paper",
    "pastel": "soft chalk strokes in coral, mint and violet",
    "poppies": "impressionist meadow in dabs of scarlet and green",
    "pop-print": "comic halftone dots, bold outlines, primary inks",
    "mosaic": "glass and gold tesserae in flowing rows",
}
"""Name -> description; best first for painting behind people (judged by eye, see docs)."""

SMALLEST, LARGEST = 32, 2048
"""Sides in pixels that can be drawn."""

_DETAIL = 256  # nothing is drawn smaller than this, only averaged down: strokes need some pixels


def names() -> tuple[str, ...]:
    """Names of the drawn styles, the best default first."""
    return tuple(STYLES)


def describe(name: str) -> str:
    """What a style looks like, in a few words.

    Raises:
        UsageError: no such style; the message offers the nearest name.
    """
    if name in STYLES:
        return STYLES[name]
    hint = did_you_mean(name, STYLES)
    raise UsageError(f"no drawn style is called {name!r}{hint} (known: {', '.join(STYLES)})")


def draw(name: str, size: int = 512, seed: int = 0) -> Image:
    """Draw a style picture.

    Args:
        name: one of :func:`names`.
        size: side in pixels, 32..2048; strokes grow with it, so that the picture stays the same.
        seed: 0 or more; another seed gives another picture in the same style.

    Returns:
        float32 ``[size, size, 3]``, sRGB, 0..1. The same arguments give the same
        picture with the same version of OpenCV.

    Raises:
        UsageError: unknown name, or size or seed out of bounds.
    """
    describe(name)
    if not SMALLEST <= size <= LARGEST:
        raise UsageError(f"a drawn style is {SMALLEST} to {LARGEST} pixels wide; got {size}")
    if seed < 0:
        raise UsageError(f"the seed of a drawn style is 0 or more; got {seed}")
    style = importlib.import_module(f"{__name__}.{name.replace('-', '_')}")
    rng = np.random.default_rng([seed, zlib.crc32(name.encode())])
    picture: Image = style.draw(max(size, _DETAIL), rng)
    if size < _DETAIL:
        from sfumato.drawn._field import finished, shrink_to  # only here: they import OpenCV

        picture = finished(shrink_to(picture, size))
    return picture
