"""Takes single members out of a downloaded archive, without unpacking or running the rest."""

from __future__ import annotations

import tarfile
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from sfumato.io._sources import SourceError

CHUNK = 1 << 20


def extract(archive: Path, members: Mapping[str, tuple[Path, int]], strip: bool = False) -> None:
    """Copy members of a wheel (zip) or tar archive to files; absent members give no file.

    Args:
        archive: ``.whl``, ``.zip``, or any tar that ``tarfile`` reads.
        members: path inside the archive -> (file to write, expected bytes). Never more than one
            byte above the expected number is written, so that a crafted archive fills no disk.
        strip: leave out the first folder of each path when comparing (npm's ``package/``).

    Raises:
        SourceError: the archive is damaged, or is neither of the two kinds.
        OSError: a file cannot be written.
    """
    try:
        if zipfile.is_zipfile(archive):
            _from_zip(archive, members)
        else:
            _from_tar(archive, members, strip)
    except (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError) as error:
        raise SourceError(f"the archive is damaged: {error}") from error
    except OSError as error:
        if error.errno is not None:
            raise
        raise SourceError(f"the archive is damaged: {error}") from error  # gzip's own errors


def _from_zip(archive: Path, members: Mapping[str, tuple[Path, int]]) -> None:
    with zipfile.ZipFile(archive) as opened:
        present = set(opened.namelist())
        for member, (target, size) in members.items():
            if member in present:
                with opened.open(member) as stream:
                    _copy(stream, target, size)


def _from_tar(archive: Path, members: Mapping[str, tuple[Path, int]], strip: bool) -> None:
    wanted = dict(members)
    with tarfile.open(archive, "r:*") as opened:
        for item in opened:
            name = item.name.partition("/")[2] if strip else item.name
            if name in wanted and item.isfile() and (stream := opened.extractfile(item)):
                _copy(stream, *wanted.pop(name))
            if not wanted:
                return  # the rest of the archive need not be decompressed


def _copy(stream: IO[bytes], target: Path, size: int) -> None:
    left = size + 1
    with target.open("wb") as output:
        while left and (block := stream.read(min(CHUNK, left))):
            output.write(block)
            left -= len(block)
