"""Does one job in its folder. Runs in a worker process, on this machine or another."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sfumato import files, placing_files, regions
from sfumato.io import pictures
from sfumato.io._files import write_whole
from sfumato.server.jobs import Upload
from sfumato.server.orders import KINDS, Cut, Inspect, Order, Paint, Place
from sfumato.studio import Studio
from sfumato.types import Step, Watch

MANIFEST, PREVIEW, LOSSES = "manifest.json", "preview.png", "losses.json"
"""What a job leaves in its folder besides its result."""

MEDIA = {"png": "image/png", "jpeg": "image/jpeg", "webp": "image/webp", "json": "application/json"}
"""What a job's files are, by their ending."""

MAX_POINTS = 400
"""Of a loss curve: more cannot be seen."""

Tell = Callable[[str, float], None]
"""Told the stage and its done fraction; what it raises ends the job."""


@dataclass(frozen=True)
class Task:
    """A job as a worker sees it: what was asked for, and a folder with its files.

    Attributes:
        kind, order, uploads: as in :class:`sfumato.server.jobs.Job`.
        folder: holds the files under their numbers; what comes of the job is written here.
    """

    kind: str
    order: Mapping[str, Any]
    uploads: tuple[Upload, ...]
    folder: Path

    def path(self, part: str) -> Path:
        """The only file that was sent for this part."""
        return next(self._path(i) for i, u in enumerate(self.uploads) if u.part == part)

    def named(self) -> dict[str, Path]:
        """The files that regions and styles may name."""
        return {u.name: self._path(i) for i, u in enumerate(self.uploads) if u.part == "files"}

    def told(self, text: str) -> str:
        """A sentence without paths of ours: files are called what their sender called them."""
        for i, upload in enumerate(self.uploads):
            text = text.replace(str(self._path(i)), upload.name)
        return text.replace(f"{self.folder}/", "").replace(str(self.folder), "the server")

    def _path(self, number: int) -> Path:
        return self.folder.resolve() / str(number)


class Curve:
    """Writes the loss of an optimisation down as it goes: JSON, ``[[step, loss], ...]``.

    Args:
        target: the file, written anew about once a second.
    """

    def __init__(self, target: Path) -> None:
        self._target, self._due = target, 0.0
        self._points: list[tuple[int, float]] = []

    def add(self, step: Step) -> None:
        """Take in a step; one without losses adds nothing."""
        if "total" not in step.losses:
            return
        self._points.append((step.number, float(step.losses["total"])))
        if time.monotonic() < self._due:
            return
        self._due = time.monotonic() + 1
        thin = self._points[:: 1 + len(self._points) // MAX_POINTS]
        write_whole(self._target, json.dumps(thin).encode(), overwrite=True)


class Workshop:
    """Keeps nets between jobs. Not for several jobs at a time.

    Args:
        device: where nets run.
        max_pixels: larger pictures are refused.
    """

    def __init__(self, device: str = "auto", max_pixels: int = pictures.MAX_PIXELS) -> None:
        self._device = device
        self._max_pixels = max_pixels
        self._studio: Studio | None = None

    def do(self, task: Task, tell: Tell, watch: Watch | None = None) -> str:
        """Do a job.

        Args:
            task: what to do.
            tell, watch: see :func:`sfumato.pipeline.paint`; what they raise ends the job.

        Returns:
            Name of the picture in the task's folder.

        Raises:
            SfumatoError: with one sentence, in which :meth:`Task.told` hides our paths.
        """
        order = KINDS[task.kind].model_validate(dict(task.order))
        self._check(task)
        target = task.folder / f"result.{order.format}"
        _DO[task.kind](order, task, target, self._studio_for(order), tell, watch)
        _make_anonymous(task)
        return target.name

    def _check(self, task: Task) -> None:
        """Refuse what is no picture, or too large a one, before anything heavy begins."""
        for part in KINDS[task.kind].PARTS:
            pictures.check(task.path(part), max_pixels=self._max_pixels)
        for path in task.named().values():
            pictures.check(path, max_pixels=self._max_pixels)

    def _studio_for(self, order: Order) -> Studio:
        """Nets of the last job are kept where its settings allow."""
        settings = replace(order.settings(), device=self._device)
        self._studio = Studio(settings) if self._studio is None else self._studio.turned(settings)
        return self._studio


def _paint(
    order: Paint, task: Task, target: Path, studio: Studio, tell: Tell, watch: Watch | None
) -> None:
    named, layers = task.named(), order.all_layers()
    specs = [
        (_here(layer.region, named), str(named.get(layer.style, layer.style)), layer.stylizer)
        for layer in layers
    ]
    parts = [layer.style_region and _here(layer.style_region, named) for layer in layers]
    files.paint_file(
        task.path("photo"), target, files.prepare(specs, parts), studio, quality=order.quality,
        manifest=task.folder / MANIFEST, preview=task.folder / PREVIEW if watch else None,
        report=tell, watch=watch, overwrite=True,
    )  # fmt: skip


def _cut(
    order: Cut, task: Task, target: Path, studio: Studio, tell: Tell, watch: Watch | None
) -> None:
    del watch  # nothing is optimised
    tell("find", 0.0)
    region = _here(order.region, task.named())
    files.cut_file(
        task.path("photo"), target, region, studio, mask_only=order.mask_only, overwrite=True
    )


def _place(
    order: Place, task: Task, target: Path, studio: Studio, tell: Tell, watch: Watch | None
) -> None:
    del watch
    placing = order.placing().model_copy(update={"region": _here(order.region, task.named())})
    placing_files.place_file(
        task.path("portrait"), task.path("painting"), target, studio, placing,
        quality=order.quality, manifest=task.folder / MANIFEST, report=tell, overwrite=True,
    )  # fmt: skip


def _inspect(
    order: Inspect, task: Task, target: Path, studio: Studio, tell: Tell, watch: Watch | None
) -> None:
    del watch
    from sfumato.server import looking

    photo = files.read(str(task.path("photo")))
    drawn = looking.figures(order, photo, studio.settings, lambda done: tell("inspect", done))
    files.write(drawn, target, order.quality or pictures.QUALITY, overwrite=True)


_DO: dict[str, Callable[[Any, Task, Path, Studio, Tell, Watch | None], None]] = {
    "paint": _paint, "optimise": _paint, "cut": _cut, "place": _place,
    "inspect": _inspect,
}  # fmt: skip


def _here(region: str, named: Mapping[str, Path]) -> str:
    """The region with the names of sent files replaced by where they lie."""
    return str(regions.with_files(regions.parse(region), lambda name: str(named[name])))


def _make_anonymous(task: Task) -> None:
    """Let the manifest call files what their sender called them."""
    path = task.folder / MANIFEST
    if not path.exists():
        return

    def told(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: told(one) for key, one in value.items()}
        if isinstance(value, list):
            return [told(one) for one in value]
        return task.told(value) if isinstance(value, str) else value

    text = json.dumps(told(json.loads(path.read_text())), indent=2, ensure_ascii=False)
    write_whole(path, text.encode(), overwrite=True)
