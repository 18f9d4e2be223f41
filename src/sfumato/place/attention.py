"""What a painting shows already: people, and what else catches the eye."""

from __future__ import annotations

from itertools import product

import numpy as np

from sfumato import registry
from sfumato.ops.resize import fit, resize
from sfumato.studio import Studio
from sfumato.types import Alpha, Image, Segmenter

SIDE = 1024
"""The nets see no more than this of the longer side; the maps come back at the full size."""

EVIDENCE = {"person": 0.8, "near": 0.6, "selfie": 0.8, "u2netp": 0.25}
"""How much each net's word counts for somebody being there; they add up. ``near`` is the net for
people again, with a closer look at each quarter: it finds the small ones. A thing that is merely
salient is not taken for somebody (one half), but where it is clearly so, it is kept free, too
(:data:`sfumato.place.scene.LIKELY`). Chosen on 200 of People-Art's training pictures."""

PERSON = {"least": 0.0, "islands": 0.0}
"""In paintings the net for people is less sure of itself: all that it finds is taken."""

QUARTER, NEAR = 0.6, 448
"""A closer look: share of each side, so that quarters overlap, and what the net makes of it."""

FAINT = 0.1
"""Least saliency of a subject: paintings are answered faintly."""


def occupied(painting: Image, studio: Studio, *, salient: Alpha | None = None) -> Alpha:
    """Where people are in a painting, as far as nets made for photographs can tell.

    Args:
        painting: float32 ``[H, W, 3]``, sRGB, 0..1.
        studio: holds the nets; selfie takes part where its library is installed.
        salient: what :func:`saliency` said, if that is known already.

    Returns:
        float32 ``[H, W]``, 0..1; above one half = somebody, see also
        :data:`sfumato.place.scene.LIKELY`. All 0 where nobody is found.

    Raises:
        WeightsError: a net's weights cannot be had.
    """
    small = fit(painting, SIDE)
    shape = small.shape[:2]
    found = {
        "person": _alpha(studio.segmenter("person", **PERSON), small),
        "near": _near(studio.segmenter("person", **PERSON, size=NEAR), small),
        "u2netp": resize(saliency(small, studio) if salient is None else salient, shape),
    }
    if not registry.find("segment", "selfie").missing:
        found["selfie"] = _alpha(studio.segmenter("selfie", model="both"), small)
    evidence = sum((EVIDENCE[net] * alpha for net, alpha in found.items()), np.zeros(shape))
    return resize(np.minimum(evidence, 1), painting.shape[:2])


def saliency(painting: Image, studio: Studio) -> Alpha:
    """What catches the eye in a painting, whatever it is: float32 ``[H, W]``, 0..1.

    Raises:
        WeightsError: the net's weights cannot be had.
    """
    found = _alpha(studio.segmenter("u2netp", least=FAINT), fit(painting, SIDE))
    return resize(found, painting.shape[:2])


def _alpha(segmenter: Segmenter, image: Image) -> Alpha:
    return segmenter(image).alpha(segmenter.classes[0])


def _near(segmenter: Segmenter, image: Image) -> Alpha:
    """What a segmenter finds in the four overlapping quarters."""
    found = np.zeros(image.shape[:2], np.float32)
    sides = []
    for length in image.shape[:2]:
        part = max(1, round(QUARTER * length))
        sides.append((slice(0, part), slice(length - part, length)))
    for quarter in product(*sides):
        np.maximum(found[quarter], _alpha(segmenter, image[quarter]), out=found[quarter])
    return found
