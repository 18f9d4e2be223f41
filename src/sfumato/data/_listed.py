"""What a sample is, and the list of files that every reader returns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from sfumato.errors import PictureError, UsageError

IGNORED = 255
"""Label of pixels that count neither in training nor in measuring."""

BACKGROUND = "background"

CLASSES = (BACKGROUND, "person")
"""What is read unless told otherwise."""

T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, eq=False)
class Sample:
    """A picture and what is where in it.

    Attributes:
        image: uint8 ``[H, W, 3]``, sRGB, RGB order, upright.
        mask: uint8 ``[H, W]``, class numbers; :data:`IGNORED` = counts nowhere.
        name: unique in its set.
    """

    image: NDArray[np.uint8]
    mask: NDArray[np.uint8]
    name: str


@dataclass(frozen=True)
class Broken:
    """A file that cannot be used, and why."""

    path: str
    reason: str


class Samples(Protocol):
    """Pictures with masks, by number.

    ``classes[0]`` is the background. Reading a sample whose file turns out to be damaged adds it
    to ``broken`` and gives the next sound one instead (see :class:`Listed`).
    """

    @property
    def classes(self) -> tuple[str, ...]: ...

    @property
    def broken(self) -> list[Broken]: ...

    def __len__(self) -> int: ...

    def __getitem__(self, i: int, /) -> Sample: ...

    def name(self, i: int, /) -> str: ...


class Entry(Protocol):
    """A sample that has not been read yet."""

    @property
    def name(self) -> str: ...

    @property
    def image(self) -> Path: ...


@dataclass(frozen=True, eq=False)
class Listed(Generic[T_co]):
    """Samples in files, read when asked for.

    The files were looked at when the list was made: they exist, their headers are those of
    pictures of fitting sizes, and they are not cut short. What only decoding can tell (damage in
    the middle) comes out later: the file is then added to ``broken``, and the next sound sample
    in the list's order stands in for it, always the same one. To know beforehand, call
    :func:`sfumato.data.samples.check`. Worker processes each keep a ``broken`` of their own.

    Attributes:
        classes: names; 0 = the background.
        entries: what can be read.
        read: makes a sample of an entry; raises PictureError. Picklable, for worker processes.
        broken: what cannot be used.
        source: what to call the set in sentences.

    Raises:
        UsageError: there is nothing to read (when made), or nothing is sound (when read).
    """

    classes: tuple[str, ...]
    entries: Sequence[Any]  # of Entry; each reader has its own
    read: Callable[[Any], T_co]
    broken: list[Broken]
    source: str
    _unreadable: set[int] = field(default_factory=set, init=False, repr=False)

    def __post_init__(self) -> None:
        if not self.entries:
            raise UsageError(f"{self.source} has no pictures to use{self._reasons()}")

    def __len__(self) -> int:
        return len(self.entries)

    def __getitem__(self, i: int, /) -> T_co:
        first = range(len(self))[i]
        for k in (*range(first, len(self)), *range(first)):
            if k in self._unreadable:
                continue
            try:
                return self.read(self.entries[k])
            except PictureError as error:
                self._unreadable.add(k)
                self.broken.append(Broken(str(self.entries[k].image), str(error)))
        raise UsageError(f"no picture of {self.source} can be read{self._reasons()}")

    def name(self, i: int, /) -> str:
        """The sample's name, without reading it."""
        return str(self.entries[i].name)

    def _reasons(self) -> str:
        shown = [f"\n  {broken.path}: {broken.reason}" for broken in self.broken[:3]]
        more = len(self.broken) - len(shown)
        return "".join(shown) + (f"\n  and {more} more" if more else "")


def check_classes(classes: Sequence[str]) -> tuple[str, ...]:
    """The classes, once they make sense.

    Raises:
        UsageError: fewer than two, more than 255, one twice, or the first is no background.
    """
    if not (1 < len(set(classes)) == len(classes) <= IGNORED) or classes[0] != BACKGROUND:
        raise UsageError(
            f"expected from 2 to {IGNORED} different classes, the first of them "
            f"'{BACKGROUND}'; got {', '.join(classes) or 'none'}"
        )
    return tuple(classes)
