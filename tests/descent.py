"""A stylizer that works step by step without any net: a backend as a third party would bring it."""

from __future__ import annotations

import shutil
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from pydantic import BaseModel, Field

from sfumato import registry
from sfumato.types import Step, no_progress


class Options(BaseModel, extra="forbid"):
    content_weight: float = Field(1.0, gt=0, description="of staying as it is")
    style_weight: float = Field(10.0, gt=0, description="of becoming the style's mean colour")
    steps: int = Field(6, ge=2, description="half of them at half the size")
    pause: float = Field(0.0, ge=0, description="seconds that a step takes longer")
    max_memory: float | None = Field(None, description="gigabytes")


def build(options, context):
    return Descent(options)


class Descent:
    """Goes from the content to the style picture's mean colour, halving the way each step."""

    supports_region = supports_many = supports_watch = supports_style_region = True

    def __init__(self, options=None):
        self.options = options or Options()
        self.asked, self.pictures_made = [], 0

    def __call__(self, content, style, *, region=None, progress=no_progress, watch=None):
        self.asked.append((content, style, region))
        aim = np.broadcast_to(_colour(style), content.shape)
        return self._descend(content, aim, progress, watch)

    def paint_many(self, content, layers, *, progress=no_progress, watch=None):
        self.asked.append((content, layers))
        aim = content
        for style, alpha in layers:
            aim = np.where(alpha[..., None] > 0.5, _colour(style), aim)
        return self._descend(content, aim, progress, watch)

    def _descend(self, content, aim, progress, watch):
        x, options, start = content, self.options, time.perf_counter()
        number, size = 0, [n // 2 for n in content.shape[:2]]

        def tell(**more):
            if watch:
                losses = self._losses(x, content, aim) if number else {}
                seconds = time.perf_counter() - start
                step = Step(number, options.steps, *size, losses, seconds, **more)
                watch(step, lambda: self._picture(x))

        try:
            tell(note="about to descend")
            for number in range(1, options.steps + 1):
                time.sleep(options.pause)
                if number > options.steps / 2:
                    size = content.shape[:2]
                x = ((x + aim) / 2).astype(np.float32)
                tell()
                progress(number / options.steps)
        except KeyboardInterrupt:
            tell(interrupted=True)
        return x

    def _picture(self, x):
        self.pictures_made += 1
        return x

    def _losses(self, x, content, aim):
        o = self.options
        kept = o.content_weight * float(np.square(x - content).mean())
        style = o.style_weight * float(np.square(x - aim).mean())
        return {"content": kept, "style": style, "total": kept + style}


def _colour(style):
    region = np.ones(style.image.shape[:2]) if style.region is None else style.region
    return np.average(style.image.reshape(-1, 3), axis=0, weights=region.ravel())


@contextmanager
def installed(folder: Path, monkeypatch):
    """While this lasts, ``descent`` is one of the stylizers; gives the folder that it is in."""
    monkeypatch.syspath_prepend(install(folder))
    registry.backends.cache_clear()
    try:
        yield folder
    finally:
        registry.backends.cache_clear()


def install(folder: Path) -> Path:
    """Put the backend ``descent`` into a folder as an installed package would be."""
    folder.mkdir()
    shutil.copy(__file__, folder / "descent_backend.py")
    meta = folder / "descent-1.0.dist-info"
    meta.mkdir()
    (meta / "METADATA").write_text("Metadata-Version: 2.1\nName: descent\nVersion: 1.0\n")
    (meta / "entry_points.txt").write_text("[sfumato.stylize]\ndescent = descent_backend\n")
    return folder
