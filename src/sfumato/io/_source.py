"""Where a picture comes from: a path, bytes or a stream, as one seekable file."""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from sfumato.errors import PictureError

Source = str | os.PathLike[str] | bytes | BinaryIO

MAX_BYTES = 1 << 31
"""Longest file or stream that is read."""


def name_of(source: object) -> str:
    """What to call a path, stream or block of bytes in a sentence."""
    if isinstance(source, str | os.PathLike):
        return os.fspath(source)
    named = getattr(source, "name", None)
    if named in ("<stdin>", 0):
        return "standard input"
    return named if isinstance(named, str) else "the picture"


@contextmanager
def opened(source: Source, name: str) -> Iterator[BinaryIO]:
    """The source as a seekable binary file of reasonable length."""
    if isinstance(source, bytes | bytearray | memoryview):
        yield _checked(io.BytesIO(source), len(source), name)
    elif isinstance(source, str | os.PathLike):
        with _open_path(Path(source), name) as file:
            yield file
    else:
        yield _drained(source, name)


@contextmanager
def _open_path(path: Path, name: str) -> Iterator[BinaryIO]:
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise PictureError(f"{name} is a folder, not a picture")
        if not (stat.S_ISREG(status.st_mode) or stat.S_ISFIFO(status.st_mode)):
            raise PictureError(f"{name} is a device or socket, not a picture file")
        file = path.open("rb")
    except FileNotFoundError:
        raise PictureError(f"{name} does not exist") from None
    except PermissionError:
        raise PictureError(f"{name} cannot be read: permission denied") from None
    except (OSError, ValueError) as error:  # too long a name, a NUL in it, a link in a circle
        reason = getattr(error, "strerror", None) or error
        raise PictureError(f"{name} cannot be read: {reason}") from None
    with file:
        if stat.S_ISFIFO(status.st_mode):
            yield _drained(file, name)
        else:
            yield _checked(file, status.st_size, name)


def _drained(stream: BinaryIO, name: str) -> BinaryIO:
    """A stream's content in memory; endless ones are given up at ``MAX_BYTES``."""
    buffer = io.BytesIO()
    while buffer.tell() <= MAX_BYTES and (block := stream.read(1 << 20)):
        buffer.write(block)
    length = buffer.tell()
    buffer.seek(0)
    return _checked(buffer, length, name)


def _checked(file: BinaryIO, length: int, name: str) -> BinaryIO:
    if length == 0:
        raise PictureError(f"{name} is empty (0 bytes)")
    if length > MAX_BYTES:
        raise PictureError(f"{name} is longer than {MAX_BYTES >> 30} GiB, the most that is read")
    return file
