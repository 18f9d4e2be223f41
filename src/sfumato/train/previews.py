"""How a style net paints the same few photos as it learns: a strip that grows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from sfumato import sheets, styles
from sfumato.io import pictures
from sfumato.nets.transformer_net import TransformerNet
from sfumato.ops.resize import square
from sfumato.types import Image

FOLDER, STRIP = "previews", "previews.png"

TILE = 288
"""Side of each picture, painted at this very size."""

MOST = 7
"""Paintings of a photo in the strip: spread evenly over the training, the latest always."""


def read(specs: Sequence[str]) -> list[Image]:
    """The middles of photos, float32 ``[TILE, TILE, 3]``, 0..1; none = one of the package.

    Raises:
        PictureError: one cannot be read.
    """
    return [square(styles.opaque(pictures.read(s)), TILE) for s in specs or (str(sheets.SAMPLE),)]


@torch.no_grad()
def paint(net: TransformerNet, photo: Image) -> Image:
    """A photo painted: float32 ``[H, W, 3]``, 0..1. The net is used where it is."""
    device = next(net.parameters()).device
    image = torch.from_numpy(np.ascontiguousarray(photo.transpose(2, 0, 1)))[None].to(device)
    painted = net(image)[0].clamp(0, 1).permute(1, 2, 0)
    return np.asarray(painted.cpu().numpy(), np.float32)


def write(net: TransformerNet, photos: Sequence[Image], folder: Path, step: int) -> None:
    """Paint the photos into ``previews/`` and lay out the strip anew from what is there."""
    (folder / FOLDER).mkdir(exist_ok=True)
    column = np.concatenate([paint(net, photo) for photo in photos])
    target = folder / FOLDER / f"step-{step:06d}.jpg"
    pictures.write(pictures.from_image(column), target, overwrite=True)
    shown = spread(sorted((folder / FOLDER).glob("step-*.jpg")), MOST)
    columns = [np.concatenate(photos), *(pictures.read(path).image for path in shown)]
    labels = ["photo", *(f"step {int(path.stem.removeprefix('step-'))}" for path in shown)]
    rows = range(len(photos))
    tiles = [c[row * TILE : (row + 1) * TILE] for row in rows for c in columns]
    strip = sheets.grid(tiles, labels * len(photos), columns=len(columns))
    pictures.write(pictures.from_image(strip), folder / STRIP, overwrite=True)


def spread(paths: Sequence[Path], most: int) -> list[Path]:
    """At most so many, evenly spread, the last among them."""
    count = min(most, len(paths))
    return [paths[(k + 1) * len(paths) // count - 1] for k in range(count)]
