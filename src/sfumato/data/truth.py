"""Regions of a picture by its annotations, in place of what a segmenter finds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sfumato import regions
from sfumato.data import coco
from sfumato.data._files import ALL
from sfumato.data._listed import BACKGROUND, Listed, Sample
from sfumato.data.folder import open_pairs
from sfumato.data.layouts import Layout
from sfumato.data.voc import open_voc
from sfumato.errors import UsageError
from sfumato.regions import Class, Everything, Leaf, Region
from sfumato.types import Alpha

MASKED = "person"
"""What a mask without further words is of."""


def alphas(
    mask: NDArray[np.uint8], classes: Sequence[str], plan: Sequence[Region]
) -> NDArray[np.float32]:
    """Where regions are by the true classes, 0 or 1: float32 ``[R, H, W]``.

    Args:
        mask: uint8 ``[H, W]``, class numbers.
        classes: their names, background first.
        plan: R regions made of them.

    Raises:
        UsageError: a region asks for more than classes that the data knows.
    """

    def leaf(wanted: Leaf) -> Alpha:
        if isinstance(wanted, Everything):
            return np.ones(mask.shape, np.float32)
        if isinstance(wanted, Class) and wanted.pick is None and wanted.name in classes:
            return np.asarray(mask == classes.index(wanted.name), np.float32)
        raise UsageError(f"the data cannot tell what is {wanted}; it knows {', '.join(classes)}")

    return np.stack([regions.evaluate(region, leaf) for region in plan])


class Truth:
    """Finds regions in the pictures of an annotated set.

    Args:
        layout: the set.
        plan: regions made of its classes.

    Raises:
        UsageError: the set has no outlines, or a region is more than its classes.
        MissingExtraError: reading its annotations needs an optional library.
    """

    def __init__(self, layout: Layout, plan: Sequence[Region]) -> None:
        atoms = [leaf for region in plan for leaf in regions.leaves(region)]
        for atom in atoms:
            if not (isinstance(atom, Everything) or (isinstance(atom, Class) and not atom.pick)):
                raise UsageError(f"the data cannot tell what is {atom}")
        names = dict.fromkeys(atom.name for atom in atoms if isinstance(atom, Class))
        self._classes, self._plan = (BACKGROUND, *names), plan
        self._entries = {
            entry.image: (listed, entry)
            for listed in _open(layout, self._classes)
            for entry in listed.entries
        }

    def __call__(self, picture: Path) -> NDArray[np.float32]:
        """The regions' alphas in a picture file, float32 ``[R, H, W]``, 0 or 1.

        Raises:
            UsageError: the set says nothing of this picture.
            PictureError: its annotations are damaged.
        """
        if picture not in self._entries:
            raise UsageError(f"{picture} has no outlines that can be used")
        listed, entry = self._entries[picture]
        return alphas(listed.read(entry).mask, self._classes, self._plan)


def _open(layout: Layout, classes: tuple[str, ...]) -> list[Listed[Sample]]:
    if len(classes) < 2:
        raise UsageError("no class is asked for")
    if layout.kind == "pairs":
        if classes[1:] != (MASKED,):
            raise UsageError(f"masks tell where a {MASKED} is, and nothing else")
        return [open_pairs(layout.root, ALL, classes)]
    if layout.kind == "voc":
        return [open_voc(layout.root, ALL, classes)]
    return [coco.open_coco(layout.root / name, ALL, classes) for name in layout.listings]
