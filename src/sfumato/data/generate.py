"""A data set painted: the same pictures, sizes and annotations, in the styles of other pictures.

::

    job = Job(styles=find_styles(["paintings/"])[0])
    outcome = stylize(Path("coco"), Path("coco-painted"), job, workers=8)

Every picture's style, strength and pixels follow from the job's seed and the picture's path. What
was made is written down line by line in ``manifest.jsonl``; begun again, a run keeps the files
whose checksums are still those of the manifest and paints the others.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from sfumato import __version__, sheets, styles
from sfumato.data import _files
from sfumato.data._listed import Broken
from sfumato.data.engines import engine as find_engine
from sfumato.data.layouts import Layout, carry, copy_name, survey
from sfumato.data.restyle import Item, Job, Painter, Record
from sfumato.errors import UsageError
from sfumato.io import pictures
from sfumato.io._cache import sha256_of
from sfumato.io._files import write_whole
from sfumato.types import Image

MANIFEST = "manifest.jsonl"

SHOWN = 12
"""Pictures on a contact sheet."""

_PART = re.compile(r"^\..+\.[0-9a-f]{8}\.part$")
_NAME = re.compile(r"^manifest(-\d+-of-\d+)?\.jsonl$")

Watch = Callable[[Record, int, int], None]
"""Told of each item as it is finished: its record, how many are done, and how many there are."""


@dataclass(frozen=True)
class Outcome:
    """What a run did.

    Attributes:
        kind: the set's layout.
        records: of every item of the run, in the items' order; fewer if interrupted.
        kept: how many were there already.
        planned: items of the run.
        interrupted: the user stopped it.
    """

    kind: str
    records: tuple[Record, ...]
    kept: int
    planned: int
    interrupted: bool = False

    @property
    def failed(self) -> tuple[Record, ...]:
        """Those for which there is no picture."""
        return tuple(record for record in self.records if record.failed)

    @property
    def weakened(self) -> int:
        """How many were painted with less strength, to keep their structure."""
        return sum(bool(record.rejected) for record in self.records if not record.failed)


def stylize(
    source: Path,
    target: Path,
    job: Job,
    *,
    workers: int = 1,
    engine: str = "local",
    shard: tuple[int, int] = (1, 1),
    limit: int | None = None,
    overwrite: bool = False,
    watch: Watch | None = None,
) -> Outcome:
    """Paint a data set into a new folder, annotations included, or go on with one.

    Args:
        source: a folder of pairs, COCO's or Roboflow's, VOC's, or any folder with pictures.
        target: the new set's folder; made if it is missing.
        job: how to paint.
        workers: processes.
        engine: ``local`` or ``ray``.
        shard: (i, n): only the i-th of n parts, for n machines that share a disk.
        limit: only the first so many items.
        overwrite: begin anew where the folder holds a set made in another way.
        watch: told of each picture.

    Raises:
        UsageError: the set or the styles cannot be used, or the folder holds something else.
        SfumatoError: a backend cannot be had.
    """
    number, count = shard
    if not 1 <= number <= count:
        raise UsageError(f"a shard is i/n with 1 <= i <= n; got {number}/{count}")
    paint = find_engine(engine)
    layout = survey(source)
    _check_target(source, target)
    items = plan(layout, job.copies)
    items = items[number - 1 :: count][:limit]
    head = header(job)
    name = MANIFEST if count == 1 else f"manifest-{number}-of-{count}.jsonl"
    begun = read_manifests(target, head, overwrite=overwrite)
    done = {i.picture: begun[i.picture] for i in items if _is_whole(target, i, begun)}
    manifest = _Manifest(target / name, head)
    manifest.write(done.values())
    if count == 1:
        _sweep(target)
    others = tuple(other for other in layout.others if not _NAME.match(other))
    carry(replace(layout, others=others), target, job.copies)
    kept, interrupted = len(done), False
    missing = [item for item in items if item.picture not in done]
    records = paint(partial(Painter, job, layout, target), missing, workers)
    try:
        for record in records:
            manifest.add(record)
            done[record.picture] = record
            if watch:
                watch(record, len(done), len(items))
    except KeyboardInterrupt:
        interrupted = True
    finally:
        ordered = [done[item.picture] for item in items if item.picture in done]
        manifest.write(ordered)
    if count == 1 and not interrupted:
        _sweep(target)  # a worker may have been killed
    if count == 1 and limit is None and not interrupted:
        for other in target.glob("manifest-*-of-*.jsonl"):
            other.unlink()  # all that they say is in the one now
    return Outcome(layout.kind, tuple(ordered), kept, len(items), interrupted)


def plan(layout: Layout, copies: int) -> list[Item]:
    """All that is to be painted, in order."""
    return [
        Item(picture, copy_name(picture, copy, copies), size)
        for picture, size in layout.pictures.items()
        for copy in range(copies)
    ]


def find_styles(
    specs: Sequence[str], split: str | None = None
) -> tuple[tuple[str, ...], list[Broken]]:
    """Pictures to paint after.

    Args:
        specs: folders (their pictures, also in folders inside), picture files, and names of
            built-in styles.
        split: of folders that have a ``split.json``; None = ``train`` where there is one (so that
            what is measured on later is not painted after), else all.

    Returns:
        files and names, each once, in order; and files that cannot be used.

    Raises:
        UsageError: a folder has no such split or no pictures, or there is no such style.
    """
    found: dict[str, None] = {}
    broken: list[Broken] = []
    for spec in specs:
        folder = Path(spec)
        if not folder.is_dir():
            styles.resolve(spec)
            found[spec] = None
            continue
        sound, others = _files.sound(folder, split)
        found |= {str(path): None for path in sound}
        broken += others
    if not found:
        raise UsageError(f"there are no style pictures in {', '.join(specs)}")
    return tuple(found), broken


def header(job: Job) -> dict[str, Any]:
    """The manifest's first line: what the pictures were made with, styles by their checksums."""
    known = job.as_dict()
    del known["styles"]
    checksums = {style: _checksum(style) for style in job.styles}
    return {"sfumato": __version__, "job": known, "styles": checksums}


def read_manifests(
    target: Path, head: dict[str, Any], *, overwrite: bool = False
) -> dict[str, Record]:
    """What a folder's manifests say was painted, by the pictures' paths.

    Raises:
        UsageError: it was made with something else, and may not be replaced.
    """
    records: dict[str, Record] = {}
    for path in _manifests(target):
        lines = [line for line in map(_line, path.read_bytes().splitlines()) if line]
        if len(lines) < 2:
            continue  # begun, and nothing painted
        if difference := _difference(lines[0], head):
            if overwrite:
                path.unlink()
                continue
            raise UsageError(
                f"{target} was made with {difference}; choose another folder, or give --overwrite"
            )
        for line in lines[1:]:
            known: dict[str, Any] = {
                k: tuple(v) if isinstance(v, list) else v for k, v in line.items()
            }
            records[str(line["picture"])] = Record(**known)
    return records


def _manifests(target: Path) -> list[Path]:
    """Of a whole run and of shards."""
    return [path for path in sorted(target.glob("manifest*.jsonl")) if _NAME.match(path.name)]


def contact_sheet(outcome: Outcome, source: Path, target: Path) -> Image:
    """The first pictures, each before and after: float32 ``[H, W, 3]``, sRGB, 0..1.

    Raises:
        UsageError: nothing was painted.
    """
    shown = [record for record in outcome.records if not record.failed][:SHOWN]
    if not shown:
        raise UsageError("no picture was painted, so there is nothing to show")
    tiles, labels = [], []
    for record in shown:
        for path in (source / record.content, target / record.picture):
            tiles.append(sheets.framed(styles.opaque(pictures.read(path))))
        strength = ", ".join(f"{s:.2f}" for s in record.strengths)
        labels += [
            Path(record.content).name[:32],
            f"{Path(record.styles[0]).name[:24]}  {strength}",
        ]
    return sheets.grid(tiles, labels)


@dataclass(frozen=True)
class _Manifest:
    """The file that says what was made: appended to while it grows, ordered in the end."""

    path: Path
    head: dict[str, Any]

    def add(self, record: Record) -> None:
        with self.path.open("ab") as file:
            file.write(_dumped(record.as_dict()))

    def write(self, records: Iterable[Record]) -> None:
        lines = [_dumped(self.head), *(_dumped(record.as_dict()) for record in records)]
        write_whole(self.path, b"".join(lines), overwrite=True)


def _dumped(line: dict[str, Any]) -> bytes:
    return json.dumps(line, ensure_ascii=False).encode() + b"\n"


def _line(data: bytes) -> dict[str, Any] | None:
    """A line of a manifest; None for one that was cut short."""
    try:
        line = json.loads(data)
    except ValueError:
        return None
    return line if isinstance(line, dict) else None


def _difference(old: dict[str, Any], new: dict[str, Any]) -> str:
    """In what an older header differs, in words; the styles' places do not matter."""
    if not isinstance(old.get("job"), dict) or not isinstance(old.get("styles"), dict):
        return "something else"
    new = json.loads(json.dumps(new))
    for key, value in new["job"].items():
        if old["job"].get(key) != value:
            return f"{key} = {old['job'].get(key)} instead of {value}"
    if list(old["styles"].values()) != list(new["styles"].values()):
        return "other styles"
    if old.get("sfumato") != new["sfumato"]:
        return f"Sfumato {old.get('sfumato')} instead of {new['sfumato']}"
    return ""


def _checksum(style: str) -> str:
    """Of a style's file; a built-in one is known by its name."""
    path = Path(style)
    return sha256_of(path) if path.is_file() else "built-in"


def _is_whole(target: Path, item: Item, records: dict[str, Record]) -> bool:
    record, path = records.get(item.picture), target / item.picture
    if record is None or record.failed or not path.is_file():
        return False
    return sha256_of(path) == record.sha256


def _check_target(source: Path, target: Path) -> None:
    _files.check_apart(source, target)
    if target.is_dir() and any(target.iterdir()) and not _manifests(target):
        raise UsageError(f"{target} holds other files; choose an empty or a new folder")
    target.mkdir(parents=True, exist_ok=True)


def _sweep(target: Path) -> None:
    """Remove what a killed run was about to write."""
    for path in target.rglob(".*.part"):
        if _PART.match(path.name):
            path.unlink(missing_ok=True)
