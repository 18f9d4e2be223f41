"""Regions in a picture by any segmenter, as the pipeline finds them: what is measured."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import cast

import numpy as np
from numpy.typing import NDArray

from sfumato import regions
from sfumato.errors import SfumatoWarning, UsageError
from sfumato.finder import Finder
from sfumato.ops.resize import fit
from sfumato.regions import Class, Leaf
from sfumato.settings import Settings
from sfumato.studio import Studio
from sfumato.types import Alpha, Image, Matte, Matter, Segmenter

Find = Callable[[Image], NDArray[np.float32]]
"""From a picture to the alphas of some regions, float32 ``[R, H, W]``."""

THRESHOLD = 0.5
"""Soft results count from above it."""


def finder_of(
    segmenter: str | Segmenter | Find, region: Sequence[str], settings: Settings | None = None
) -> Find:
    """What finds the regions by a registered backend (its name), a segmenter, or as it is given."""
    if isinstance(segmenter, str):
        return finder(segmenter, region, settings)
    if hasattr(segmenter, "classes"):
        return given(cast(Segmenter, segmenter), region)
    return segmenter


def finder(
    name: str | None,
    region: Sequence[str],
    settings: Settings | None = None,
    *,
    matte: bool = False,
    download: Callable[[str, int, int], None] | None = None,
) -> Find:
    """A registered segmenter as the pipeline asks it for regions, its net loaded.

    Args:
        name: the backend; None = the default one for each class.
        region: expressions of the region language.
        settings: size, device, seed, options and matte.
        matte: measure what the settings' matte makes of it; otherwise what the net says.
        download: told of weights being fetched.

    Raises:
        UsageError: no such backend, option or region.
        MissingExtraError: a library that the backend needs is not installed.
        WeightsError: its weights cannot be had.
    """
    settings = replace(settings or Settings(), segmenter=name)
    studio = (Studio if matte else _Unmatted)(settings, download)
    plan = [regions.parse(text) for text in region]
    if name:
        studio.segmenter(name)

    def find(image: Image) -> NDArray[np.float32]:
        once = Finder(studio, image, fit(image, settings.size))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SfumatoWarning)  # found nothing: a result like others
            return np.asarray([once.at_full_size(one) for one in plan], np.float32)

    return find


def given(segmenter: Segmenter, region: Sequence[str]) -> Find:
    """A segmenter that is no backend (a net in training) asked for regions made of its classes.

    Raises:
        UsageError: when called, for a region that is of more than classes.
    """
    plan = [regions.parse(text) for text in region]

    def find(image: Image) -> NDArray[np.float32]:
        segments = segmenter(image)

        def leaf(wanted: Leaf) -> Alpha:
            if isinstance(wanted, Class) and wanted.pick is None:
                return segments.alpha(wanted.name)
            raise UsageError(f"{wanted} needs a registered segmenter, by its name")

        return np.stack([regions.evaluate(one, leaf) for one in plan])

    return find


def labels(alphas: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Class numbers ``[H, W]`` from the regions' alphas ``[R, H, W]``: the highest one's number
    from 1, or 0 where none is above one half."""
    found = np.where(alphas.max(axis=0) > THRESHOLD, alphas.argmax(axis=0) + 1, 0)
    return np.asarray(found, np.uint8)


class _Unmatted(Studio):
    """A studio whose matte leaves what the net found as it is."""

    def matter(self) -> Matter:
        return _as_found


def _as_found(image: Image, coarse: Alpha) -> Matte:
    return Matte(coarse, image)
