"""Sets of pictures with masks, opened by a short name, checked, and mixed.

::

    photos = open_samples("data/portraits", "train")
    coco = open_samples("coco:data/coco", "train")
    both = mix([(photos, 2), (coco, 1)])  # two portraits for every picture of COCO
    for broken in photos.broken:
        ...                               # files that cannot be used, and why
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sfumato.data._files import ALL
from sfumato.data._listed import (
    BACKGROUND,
    CLASSES,
    IGNORED,
    Broken,
    Listed,
    Sample,
    Samples,
    check_classes,
)
from sfumato.data.boxes import open_unboxed
from sfumato.data.coco import ROBOFLOW, open_coco
from sfumato.data.folder import open_pairs, open_pictures
from sfumato.data.synthetic import Synthetic
from sfumato.data.voc import find_voc, open_voc
from sfumato.errors import UsageError, did_you_mean
from sfumato.types import Progress, no_progress

__all__ = [
    "ALL",
    "BACKGROUND",
    "CLASSES",
    "IGNORED",
    "KINDS",
    "Broken",
    "Listed",
    "Mixture",
    "Sample",
    "Samples",
    "check",
    "mix",
    "open_samples",
]

_READERS: dict[str, Callable[[Path, str, Sequence[str]], Samples]] = {
    "pairs": open_pairs,
    "coco": open_coco,
    "voc": open_voc,
    "pictures": open_pictures,
    "unboxed": open_unboxed,
}

KINDS = (*_READERS, "synthetic")


def open_samples(spec: str, split: str, *, classes: Sequence[str] = CLASSES) -> Samples:
    """A set of pictures with masks.

    Args:
        spec: a path whose kind is recognised (a folder with ``images/`` and ``masks/``, a COCO
            JSON file or folder, a VOC folder), ``kind:path`` with one of :data:`KINDS`
            (``pictures:path`` = none of them shows anything of the classes; ``unboxed:path`` =
            those of a set with boxes that have none), or ``synthetic[:count[:side]]`` for drawn
            figures.
        split: ``train``, ``val``, ... as the set has it; ``all`` = everything.
        classes: what to tell apart, ``background`` first; the rest of what the set knows counts
            as background.

    Raises:
        UsageError: no such set, split or class, or nothing in it can be used.
        MissingExtraError: an optional library is needed.
    """
    classes = check_classes(classes)
    kind, path = _kind_and_path(spec)
    if kind == "synthetic":
        return _synthetic(path, split, classes)
    place = Path(path).expanduser()
    if not place.exists():
        raise UsageError(f"{place} does not exist; expected a folder or a COCO file")
    return _READERS[kind or recognise(place)](place, split, classes)


def recognise(path: Path) -> str:
    """The kind of set that a path holds, one of :data:`KINDS`.

    Raises:
        UsageError: none that is known.
    """
    if path.is_file() and path.suffix.lower() == ".json":
        return "coco"
    if (path / "images").is_dir() and (path / "masks").is_dir():
        return "pairs"
    if find_voc(path):
        return "voc"
    inside = (f"*/{ROBOFLOW}", ROBOFLOW, "annotations/*.json", "*.json")
    if any(next(path.glob(pattern), None) for pattern in inside):
        return "coco"
    raise UsageError(
        f"{path} is no set of pictures and masks; expected images/ with masks/, a COCO file, "
        f"Roboflow's export, a VOC folder, or KIND:{path} (kinds: {', '.join(KINDS)})"
    )


def check(samples: Samples, progress: Progress = no_progress) -> list[Broken]:
    """Decode every file: all that is broken, what opening the set could not see included."""
    for i in range(len(samples)):
        samples[i]
        progress((i + 1) / len(samples))
    return list(samples.broken)


def mix(
    parts: Sequence[tuple[Samples, float]], *, length: int | None = None, seed: int = 0
) -> Mixture:
    """Several sets as one, each with its share of the samples.

    Args:
        parts: sets and the weights of their shares: weights 2 and 1 make two samples of the first
            to one of the second, however large the sets are.
        length: samples in an epoch; None = of all sets together.
        seed: of the order in which each set is gone through.

    Raises:
        UsageError: no sets, weights that are not positive, or classes that differ.
    """
    if not parts or not all(0 < weight < float("inf") for _, weight in parts):
        raise UsageError("expected one set or more to mix, with weights above 0")
    classes = {samples.classes for samples, _ in parts}
    if len(classes) > 1:
        told = " and ".join(sorted(", ".join(names) for names in classes))
        raise UsageError(f"sets to be mixed have the same classes; these have {told}")
    total = sum(len(samples) for samples, _ in parts) if length is None else length
    if total < 1:
        raise UsageError(f"a mixture has 1 sample or more; got length {length}")
    weights = tuple(float(weight) for _, weight in parts)
    return Mixture(tuple(samples for samples, _ in parts), weights, total, seed)


@dataclass(frozen=True, eq=False)
class Mixture:
    """Samples of several sets, evenly interleaved.

    Which sample stands where follows from the seed and the epoch alone. Each set is gone through
    in shuffled rounds that run on from epoch to epoch: no sample comes twice before all of its
    set have come once.
    """

    parts: tuple[Samples, ...]
    weights: tuple[float, ...]
    length: int
    seed: int = 0
    number: int = 0

    def epoch(self, number: int) -> Mixture:
        """The mixture as it is in the epoch of this number, from 0."""
        return replace(self, number=number)

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, the same for every set."""
        return self.parts[0].classes

    @property
    def broken(self) -> list[Broken]:
        """What cannot be used of any of the sets."""
        return [broken for part in self.parts for broken in part.broken]

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, i: int, /) -> Sample:
        part, k = self.place(i)
        return self.parts[part][k]

    def __iter__(self) -> Iterator[Sample]:
        return (self[i] for i in range(len(self)))

    def name(self, i: int, /) -> str:
        """The sample's name in its set."""
        part, k = self.place(i)
        return self.parts[part].name(k)

    def place(self, i: int) -> tuple[int, int]:
        """Which set, and which sample of it, is the ``i``-th of this epoch."""
        part, before = (int(n) for n in self._plan[range(self.length)[i]])
        count = len(self.parts[part])
        turn, k = divmod(self.number * int(self._per_epoch[part]) + before, count)
        return part, int(_shuffled(count, self.seed, part, turn)[k])

    @cached_property
    def _plan(self) -> NDArray[np.int64]:
        """For each place the set and how many of it came before: int64 ``[length, 2]``.

        Sample ``n`` of a set with share ``s`` is due at ``(n + 1/2) / s``: sorting the due times
        of all sets spreads each as evenly as can be.
        """
        shares = np.array(self.weights) / sum(self.weights)
        counts = np.ceil(shares * self.length).astype(int)
        due = np.concatenate(
            [(np.arange(c) + 0.5) / s for c, s in zip(counts, shares, strict=True)]
        )
        which = np.repeat(np.arange(len(counts)), counts)
        before = np.concatenate([np.arange(c) for c in counts])
        first = np.argsort(due, kind="stable")[: self.length]
        return np.stack([which[first], before[first]], axis=1)

    @cached_property
    def _per_epoch(self) -> NDArray[np.int64]:
        """Samples of each set in an epoch."""
        return np.bincount(self._plan[:, 0], minlength=len(self.parts))


@lru_cache(maxsize=32)
def _shuffled(count: int, seed: int, part: int, turn: int) -> NDArray[np.int64]:
    return np.random.default_rng([seed, part, turn]).permutation(count)


def _kind_and_path(spec: str) -> tuple[str | None, str]:
    head, colon, rest = spec.partition(":")
    if head in KINDS and (colon or head == "synthetic"):
        return head, rest
    if colon and len(head) > 1 and not Path(spec).exists() and (hint := did_you_mean(head, KINDS)):
        raise UsageError(f"there is no kind of set {head!r}{hint} (known: {', '.join(KINDS)})")
    return None, spec


def _synthetic(text: str, split: str, classes: tuple[str, ...]) -> Samples:
    try:
        numbers = [int(number) for number in text.split(":") if number]
        count, side = (*numbers, *(256, 128)[len(numbers) :])
    except ValueError:
        raise UsageError(f"expected synthetic[:count[:side]], got 'synthetic:{text}'") from None
    return Synthetic(count, split=split, classes=classes, side=side)
