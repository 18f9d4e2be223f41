"""What the net makes of a few validation pictures, as one picture: photo, truth, prediction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from sfumato import sheets
from sfumato.data.augment import fit
from sfumato.data.samples import IGNORED, Sample, Samples
from sfumato.io import pictures
from sfumato.types import Image

TILE, SHOWN = 160, 6
"""Side of a picture in pixels, and how many are shown."""

COLOURS = (
    np.array(
        [
            (230, 85, 60),
            (60, 130, 210),
            (90, 170, 80),
            (230, 170, 40),
            (150, 90, 180),
            (70, 175, 175),
        ]
    )
    / 255
)
"""Of the classes after the background, over again if there are more."""

FAINT, STRONG = 0.25, 0.6
"""How much of the picture shows where there is background, and how much colour elsewhere."""


def choose(sets: Mapping[str, Samples], size: int) -> list[Sample]:
    """Samples spread evenly over all sets, always the same: whole, in squares of ``size``."""
    places = [(samples, i) for samples in sets.values() for i in range(len(samples))]
    count = min(SHOWN, len(places))
    spread = [places[(2 * k + 1) * len(places) // (2 * count)] for k in range(count)]
    return [fit(samples[i], size) for samples, i in spread]


@torch.no_grad()
def predict(net: nn.Module, sample: Sample) -> NDArray[np.uint8]:
    """Class numbers, uint8 ``[H, W]``."""
    device = next(net.parameters()).device
    picture = torch.from_numpy(np.ascontiguousarray(sample.image.transpose(2, 0, 1)))
    logits = net((picture.float() / 255)[None].to(device))
    return np.asarray(logits[0].argmax(0).cpu().numpy().astype(np.uint8))


def write(net: nn.Module, samples: Sequence[Sample], target: Path) -> None:
    """The sheet as a PNG, three columns; the net is used as it is, in its present mode."""
    tiles: list[Image] = []
    labels: list[str] = []
    for sample in samples:
        predicted = predict(net, sample)
        predicted[sample.mask == IGNORED] = IGNORED
        small = Sample(sample.image, predicted, sample.name)
        tiles += [_unit(fit(sample, TILE).image), _painted(sample), _painted(small)]
        labels += [Path(sample.name).name[-20:], "truth", "prediction"]
    picture = pictures.from_image(sheets.grid(tiles, labels, columns=3))
    pictures.write(picture, target, overwrite=True)


def _painted(sample: Sample) -> Image:
    """Classes as colours over the pale grey picture; what is ignored is white."""
    small = fit(sample, TILE)
    grey = _unit(small.image).mean(-1, keepdims=True).repeat(3, -1)
    colours = COLOURS[(small.mask.astype(int) - 1) % len(COLOURS)]
    painted = np.where(
        (small.mask > 0)[..., None],
        grey * (1 - STRONG) + colours * STRONG,
        1 - FAINT * (1 - grey),
    )
    painted[small.mask == IGNORED] = 1
    return np.asarray(painted, np.float32)


def _unit(image: NDArray[np.uint8]) -> Image:
    return np.asarray(image / np.float32(255))
