"""A training of a moment, for tests."""

from __future__ import annotations

from typing import Any

from sfumato.train.recipe import Recipe, make

PLAIN: dict[str, Any] = {
    "net": "unet", "options": {"width": 4}, "start": "none",
    "data": ["synthetic:16:96"], "validation": ["synthetic:6:96"],
    "size": 48, "batch": 4, "epochs": 3, "workers": 0, "rate": 1e-2, "device": "cpu",
}  # fmt: skip


def recipe(**changes: Any) -> Recipe:
    """A narrow U-Net on drawn figures, four steps an epoch."""
    return make(PLAIN | changes)
