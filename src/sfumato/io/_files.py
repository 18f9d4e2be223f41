"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import secrets
import shutil
from contextlib import suppress
from pathlib import Path

from sfumato.errors import PictureError, UsageError


def same_file(first: object, second: object) -> bool:
    """Whether two paths lead to one file, through symbolic and hard links too.

    Streams and bytes are never the same file as anything.
    """
    if not (isinstance(first, str | os.PathLike) and isinstance(second, str | os.PathLike)):
        return False
    try:
        return Path(first).samefile(second)
    except (OSError, ValueError):  # one of them does not exist (yet)
        return os.path.realpath(first) == os.path.realpath(second)


def check_writable(target: Path, *, overwrite: bool) -> None:
    """Find out before the work, not after it, that a file cannot be written.

    Raises:
        UsageError: it exists and ``overwrite`` is False.
        PictureError: its folder is missing or closed, or it is no regular file.
    """
    try:
        if target.is_dir():
            raise PictureError(f"{target} is a folder; name a file in it")
        if target.exists() and not target.is_file():
            raise PictureError(f"{target} is a device, pipe or socket, not a file to write to")
        if target.exists() and not overwrite:
            raise UsageError(f"{target} exists already; give --overwrite to replace it")
        folder = _real(target).parent
        if not folder.is_dir():
            raise PictureError(f"{target} cannot be written: the folder {folder} does not exist")
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PictureError(f"{target} cannot be written: permission denied in {folder}")
    except (OSError, ValueError) as error:
        raise _cannot_write(target, error) from None


def write_whole(target: Path, data: bytes, *, overwrite: bool) -> None:
    """Write ``data`` beside the target, make sure it is on the disk, then put it in place.

    A reader sees the old file or the new one, never a part. On any failure the temporary file is
    gone and the old one untouched. A symbolic link stays one: the file it leads to is replaced.

    Raises:
        UsageError, PictureError: as :func:`check_writable`; also for a full disk.
    """
    check_writable(target, overwrite=overwrite)
    final = _real(target)
    part = final.with_name(f".{final.name[:100]}.{secrets.token_hex(4)}.part")
    try:
        with part.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if final.exists():
            shutil.copymode(final, part)
        part.replace(final)
    except OSError as error:
        raise _cannot_write(target, error) from None
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def _real(target: Path) -> Path:
    return Path(os.path.realpath(target))


def _cannot_write(target: Path, error: Exception) -> PictureError:
    reason = getattr(error, "strerror", None) or error
    return PictureError(f"{target} cannot be written: {str(reason).lower()}")
