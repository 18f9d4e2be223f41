"""The picture as it stands, in a file that is written anew while the work goes on."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable
from pathlib import Path

from sfumato.errors import SfumatoError, SfumatoWarning
from sfumato.io import pictures
from sfumato.ops.resize import fit
from sfumato.types import Image, Step, Watch

EVERY = 3.0
"""Seconds from one preview to the next."""

LARGEST = 1280
"""Longer side of a preview in pixels: a large painting's own size would take longer than a step."""


class Preview:
    """Watches an optimisation and writes the present picture now and then, over its own last one.

    A preview that cannot be written is a :class:`~sfumato.errors.SfumatoWarning`, and the last.

    Args:
        target: picture file to write.
        overwrite: whether the first one may replace a file.
    """

    def __init__(self, target: Path, *, overwrite: bool) -> None:
        self._target, self._overwrite, self._due = target, overwrite, -math.inf

    def __call__(self, step: Step, picture: Callable[[], Image]) -> None:
        """See :data:`sfumato.types.Watch`."""
        if not step.number or time.monotonic() < self._due:
            return
        try:
            present = pictures.from_image(fit(picture(), LARGEST))
            pictures.write(present, self._target, overwrite=self._overwrite)
        except SfumatoError as error:
            warnings.warn(f"no preview: {error}", SfumatoWarning, stacklevel=2)
            self._due = math.inf
        else:
            self._overwrite, self._due = True, time.monotonic() + EVERY


def beside(watch: Watch | None, target: Path, *, overwrite: bool) -> Watch:
    """The watcher and a preview as one."""
    preview = Preview(target, overwrite=overwrite)

    def both(step: Step, picture: Callable[[], Image]) -> None:
        if watch:
            watch(step, picture)
        preview(step, picture)

    return both
