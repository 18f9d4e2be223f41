"""Samples to batches. What stands at a place of an epoch follows from seed, epoch and place alone:
neither the number of reading processes nor a pause between two epochs changes it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing import get_all_start_methods, get_context
from pathlib import Path
from typing import Any, TypeAlias

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from sfumato.data.augment import Restyle, augment, chosen_from, fit
from sfumato.data.samples import Mixture, Sample, Samples, mix, open_samples
from sfumato.errors import UsageError
from sfumato.train.recipe import Data, Recipe

Item: TypeAlias = tuple[Tensor, Tensor]
"""Picture uint8 ``[3, H, W]`` and mask uint8 ``[H, W]``; batches of them have one axis more."""

Place: TypeAlias = tuple[int, int]
"""Epoch, and number in it."""

MOST_WORKERS = 8


@dataclass(frozen=True)
class Sets:
    """What is learnt from and what is measured on.

    Attributes:
        training: all sets to learn from, mixed by their weights; an epoch is a whole number of
            steps long.
        validation: each set to measure on, by its name.
        backgrounds: what may be put behind people; None = nothing.
        parts: (where from, split, samples, broken files) of each set, training first.
    """

    training: Mixture
    validation: dict[str, Samples]
    backgrounds: Samples | None
    parts: list[tuple[str, str, int, int]]


def open_sets(recipe: Recipe) -> Sets:
    """Open everything that a recipe names.

    Raises:
        UsageError: nothing is named, a set does not exist or holds nothing.
    """
    if not recipe.data:
        raise UsageError("the recipe names no pictures to learn from; give --data DIR")
    parts: list[tuple[str, str, int, int]] = []

    def opened(data: Data, split: str) -> Samples:
        samples = open_samples(data.spec, data.split or split, classes=recipe.classes)
        parts.append((data.spec, data.split or split, len(samples), len(samples.broken)))
        return samples

    training = [(opened(data, "train"), data.weight) for data in recipe.data]
    drawn = recipe.samples or sum(len(samples) for samples, _ in training)
    length = -(-drawn // recipe.step_samples) * recipe.step_samples
    mixture = mix(training, length=length, seed=recipe.seed)
    named = zip(_names(recipe.validation_sets), recipe.validation_sets, strict=True)
    validation = {name: opened(data, "val") for name, data in named}
    backgrounds: Samples | None = None
    if recipe.augmentation.swap:
        others = [(opened(data, "train"), data.weight) for data in recipe.backgrounds]
        backgrounds = mix(others, seed=recipe.seed) if others else mixture
    return Sets(mixture, validation, backgrounds, parts)


@dataclass(eq=False)
class Learnt(Dataset[Item]):
    """Changed samples by their place."""

    samples: Mixture
    recipe: Recipe
    backgrounds: Samples | None = None
    restyle: Restyle | None = None
    _epoch: Mixture | None = field(default=None, repr=False)

    def __getitem__(self, place: Place) -> Item:
        number, i = place
        if self._epoch is None or self._epoch.number != number:
            self._epoch = self.samples.epoch(number)
        sample = augment(
            self._epoch[i],
            self.recipe.augmentation,
            np.random.default_rng([self.recipe.seed, number, i]),
            size=self.recipe.size,
            backgrounds=chosen_from(self.backgrounds) if self.backgrounds is not None else None,
            restyle=self.restyle,
        )
        return to_item(sample)


@dataclass(eq=False)
class Measured(Dataset[Item]):
    """Whole samples in squares of ``size`` pixels; what is beside them counts nowhere."""

    samples: Samples
    size: int

    def __getitem__(self, place: Place) -> Item:
        return to_item(fit(self.samples[place[1]], self.size))


@dataclass(eq=False)
class Places:
    """This process's places of an epoch, in order: every ``processes``-th."""

    length: int
    rank: int = 0
    processes: int = 1
    epoch: int = 0

    def set_epoch(self, epoch: int) -> None:
        """Called at the beginning of each epoch."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[Place]:
        return ((self.epoch, i) for i in range(self.rank, self.length, self.processes))

    def __len__(self) -> int:
        return len(range(self.rank, self.length, self.processes))


def training_loader(
    sets: Sets, recipe: Recipe, *, rank: int = 0, restyle: Restyle | None = None
) -> DataLoader[Item]:
    """Batches to learn from, for the process of this rank."""
    samples = Learnt(sets.training, recipe, sets.backgrounds, restyle)
    return _loader(samples, Places(len(sets.training), rank, recipe.devices), recipe)


def validation_loaders(sets: Sets, recipe: Recipe, *, rank: int = 0) -> list[DataLoader[Item]]:
    """Batches to measure on, a loader a set; over all processes each sample comes once."""
    return [
        _loader(Measured(samples, recipe.size), Places(len(samples), rank, recipe.devices), recipe)
        for samples in sets.validation.values()
    ]


def to_item(sample: Sample) -> Item:
    """A sample as tensors."""
    picture = np.ascontiguousarray(sample.image.transpose(2, 0, 1))
    return torch.from_numpy(picture), torch.from_numpy(np.ascontiguousarray(sample.mask))


def worker_count(recipe: Recipe) -> int:
    """Processes that read samples for each process that trains."""
    if recipe.workers is not None:
        return recipe.workers
    return min(MOST_WORKERS, ((os.cpu_count() or 1) - 1) // recipe.devices)


def _loader(samples: Dataset[Item], places: Places, recipe: Recipe) -> DataLoader[Item]:
    return DataLoader(
        samples,
        batch_size=recipe.batch,
        sampler=places,  # places are what the sets take as numbers
        pin_memory=torch.cuda.is_available(),
        **readers(worker_count(recipe)),
    )


def readers(count: int) -> dict[str, Any]:
    """A loader's settings for that many reading processes; 0 = the process that trains reads.

    They come from a server of new processes: a copy of a process in which threads run (nets of
    ONNX Runtime, a web server) ends in a crash now and then.
    """
    if not count:
        return {"num_workers": 0}
    context = get_context("forkserver" if "forkserver" in get_all_start_methods() else "spawn")
    context.set_forkserver_preload([__name__])
    return {
        "num_workers": count,
        "persistent_workers": True,
        "multiprocessing_context": context,
        "worker_init_fn": _one_thread,
    }


def _one_thread(_: int) -> None:
    """OpenCV's own threads would only be in the way of the other workers."""
    cv2.setNumThreads(0)


def _names(sets: Sequence[Data]) -> list[str]:
    """A short name for each set, different ones."""
    short = [Path(data.spec.rpartition(":")[2] or data.spec).name or data.spec for data in sets]
    short = [
        data.spec if data.spec.startswith("synthetic") else s
        for s, data in zip(short, sets, strict=True)
    ]
    return [name if short.count(name) == 1 else f"{name}-{i + 1}" for i, name in enumerate(short)]
