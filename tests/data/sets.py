"""Small data sets on disk for the readers' tests."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image


def picture(seed: int, size: tuple[int, int] = (20, 30)) -> np.ndarray:
    """Smooth noise, uint8 ``[H, W, 3]``."""
    coarse = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), np.uint8)
    return np.array(Image.fromarray(coarse).resize(size[::-1]))


def save(path: Path, pixels: np.ndarray, **how) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **how)
    return path


def block(size: tuple[int, int] = (20, 30), value: int = 255) -> np.ndarray:
    """A mask with a rectangle off the middle: rows 4..11, columns 6..19."""
    mask = np.zeros(size, np.uint8)
    mask[4:12, 6:20] = value
    return mask


def pairs(folder: Path, count: int, size: tuple[int, int] = (20, 30)) -> Path:
    """``images/000.png`` and so on with :func:`block` as their masks."""
    for i in range(count):
        save(folder / "images" / f"{i:03d}.png", picture(i, size))
        save(folder / "masks" / f"{i:03d}.png", block(size))
    return folder


def write_json(path: Path, data: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(data))
    return path
