"""The cache folder: where it is, who may write in it now, and which files were already checked.

::

    <cache>/weights/     verified files under their own names
            derived/     files made from them (a rewritten graph)
            stamps/      "this file had this checksum when it had this size and time"
            incoming/    downloads under way; swept by the next download
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sfumato.errors import WeightsError

RESUME_FOR = 7 * 24 * 3600.0  # seconds that a half-arrived file is kept


def cache_folder() -> Path:
    """Where fetched files lie: ``$SFUMATO_CACHE``, else the platform's cache folder.

    Nothing is created.

    Raises:
        WeightsError: neither is known (no home folder).
    """
    if named := os.environ.get("SFUMATO_CACHE"):
        return Path(named).expanduser().absolute()
    try:
        if sys.platform == "win32":
            local = os.environ.get("LOCALAPPDATA")
            return (Path(local) if local else Path.home() / "AppData" / "Local") / "sfumato"
        if sys.platform == "darwin":
            return Path.home() / "Library" / "Caches" / "sfumato"
        base = Path(os.environ.get("XDG_CACHE_HOME", ""))  # the standard: ignore a relative one
        return (base if base.is_absolute() else Path.home() / ".cache") / "sfumato"
    except RuntimeError as error:
        raise WeightsError("this user has no home folder: set SFUMATO_CACHE to a folder") from error


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, as 64 lower-case hexadecimal digits."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def checked_sha256(path: Path) -> str:
    """Like :func:`sha256_of`, but an unchanged file (size and time) is hashed only once.

    What was found is noted in the cache; where that cannot be written the file is hashed anew.
    It guards against accidents, not against someone who can write in the cache.
    """
    facts = path.stat()
    state = f"{facts.st_size} {facts.st_mtime_ns}"
    key = hashlib.sha256(str(path.absolute()).encode()).hexdigest()[:24]
    stamp = cache_folder() / "stamps" / key
    with suppress(OSError, ValueError):
        noted_state, _, noted_sha256 = stamp.read_text(encoding="ascii").rpartition(" ")
        if noted_state == state and len(noted_sha256) == 64:
            return noted_sha256
    sha256 = sha256_of(path)
    with suppress(OSError):
        stamp.parent.mkdir(parents=True, exist_ok=True)
        fresh = stamp.with_name(f"{key}.{os.getpid()}")
        fresh.write_text(f"{state} {sha256}", encoding="ascii")
        fresh.replace(stamp)
    return sha256


@contextmanager
def locked(path: Path, waiting: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Hold the lock file ``path`` against other threads and processes; made with its folder.

    Args:
        path: the lock file; it stays, and a dead process holds it no longer.
        waiting: called once if someone else holds it now.

    Raises:
        OSError: it cannot be made here.
    """
    from filelock import FileLock, Timeout

    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        waiting()
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


@contextmanager
def incoming(waiting: Callable[[], None]) -> Iterator[Callable[[], Path]]:
    """The right to download into the cache, one process at a time; gives a maker of empty folders.

    One lock for all downloads, because several files come out of one archive. Whoever holds it
    also knows that every other folder in ``incoming`` is left over from a process that died.
    """
    room = cache_folder() / "incoming"
    with locked(room / "lock", waiting):
        _sweep(room)
        made = 0

        def fresh_folder() -> Path:
            nonlocal made
            made += 1
            folder = room / str(made)
            folder.mkdir()
            return folder

        try:
            yield fresh_folder
        finally:
            _sweep(room)


def _sweep(room: Path) -> None:
    """Delete what earlier downloads left, except half-arrived files that can still be resumed."""
    oldest = time.time() - RESUME_FOR
    for path in room.iterdir():
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        elif path.suffix == ".part":
            with suppress(OSError):
                if path.stat().st_mtime < oldest:
                    path.unlink()
