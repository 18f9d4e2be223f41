"""Where weights are looked for, what is checked, and what is said when it is wrong; no network."""

from __future__ import annotations

import errno
import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from sfumato import registry
from sfumato.errors import UsageError, WeightsError
from sfumato.io import _archives, _cache, _sources, weights

from .index_server import manifest

DATA = b"a small net" * 100


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and a manifest whose one file ``net`` has no working source."""
    monkeypatch.setenv("SFUMATO_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("SFUMATO_WEIGHTS", raising=False)
    path = manifest(tmp_path / "weights.toml", {"name": "net", "data": DATA, "sources": []})
    monkeypatch.setattr(weights, "MANIFEST", path)
    return tmp_path / "cache"


def put(folder: Path, data: bytes = DATA) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "net.bin").write_bytes(data)
    return folder / "net.bin"


def test_folders_come_first_and_in_order(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cached = put(cache / "weights")
    assert weights.fetch("net") == cached
    assert weights.status("net") == weights.Status("cached", cached)
    second, third = put(tmp_path / "b"), put(tmp_path / "c")
    folders = os.pathsep.join(str(p) for p in (tmp_path / "absent", second.parent, third.parent))
    monkeypatch.setenv("SFUMATO_WEIGHTS", folders)
    assert weights.fetch("net") == second
    assert weights.status("net") == weights.Status("folder", second)


def test_a_wrong_file_in_a_folder_is_named_with_both_checksums(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(cache / "weights")  # a right one further down must not hide the wrong one
    wrong = put(tmp_path / "mine", b"something else")
    monkeypatch.setenv("SFUMATO_WEIGHTS", str(wrong.parent))
    with pytest.raises(WeightsError) as caught:
        weights.fetch("net")
    said = str(caught.value)
    assert str(wrong) in said
    assert weights.entries()["net"].sha256 in said
    assert weights.sha256_of(wrong) in said


@pytest.mark.usefixtures("cache")
def test_offline_message_says_what_is_needed_and_where() -> None:
    with pytest.raises(WeightsError) as caught:
        weights.fetch("net")
    said, entry = str(caught.value), weights.entries()["net"]
    for part in (entry.file, entry.sha256, str(entry.size), "SFUMATO_WEIGHTS"):
        assert part in said
    there = re.search(r"or as (\S+)", said)
    assert there is not None
    put(Path(there[1]).parent)  # doing what it says helps
    assert weights.fetch("net") == Path(there[1])


def test_a_damaged_cache_file_is_not_used_and_is_named(cache: Path) -> None:
    path = put(cache / "weights", b"half of i")
    with pytest.raises(WeightsError, match="damaged") as caught:
        weights.fetch("net")
    assert str(path) in str(caught.value)


def test_an_unchanged_file_is_hashed_once(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = put(cache / "weights")
    hashed = []
    real = _cache.sha256_of
    monkeypatch.setattr(_cache, "sha256_of", lambda p: hashed.append(p) or real(p))
    for _ in range(3):
        weights.fetch("net")
    assert hashed == [path]
    path.write_bytes(DATA.replace(b"small", b"SMALL"))  # the same length, other bytes
    os.utime(path, ns=(1, 1))
    with pytest.raises(WeightsError):
        weights.fetch("net")
    assert hashed == [path, path]


def test_stamps_that_make_no_sense_are_ignored(cache: Path) -> None:
    path = put(cache / "weights")
    weights.fetch("net")
    (stamp,) = (cache / "stamps").iterdir()
    for nonsense in (b"", b"\xff\xfe", b"1 2", b"1 2 zz"):
        stamp.write_bytes(nonsense)
        assert weights.fetch("net") == path


def test_verify_hashes_anew(cache: Path) -> None:
    with pytest.raises(WeightsError, match="sfumato weights fetch net"):
        weights.verify("net")
    path = put(cache / "weights")
    weights.fetch("net")
    facts = path.stat()
    path.write_bytes(DATA.replace(b"small", b"SMALL"))
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))  # only the bytes tell
    assert weights.fetch("net") == path
    with pytest.raises(WeightsError, match="SHA-256"):
        weights.verify("net")


def test_restricted_weights_must_be_asked_for(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = cache.parent / "restricted.toml"
    net = {"name": "net", "data": DATA, "sources": ["https://nowhere.invalid/net.bin"]}
    manifest(path, net | {"restricted": True, "licence": "CC-BY-NC-4.0"})
    monkeypatch.setattr(weights, "MANIFEST", path)
    asked: list[str] = []

    def obtain(source: str, expected: object, folder: Path, tell: object) -> Path:
        asked.append(source)
        (folder / "file").write_bytes(DATA)
        return folder / "file"

    monkeypatch.setattr(weights, "obtain", obtain)
    with pytest.raises(WeightsError, match=r"CC-BY-NC-4\.0.*commercial.*fetch net"):
        weights.fetch("net")
    assert asked == []
    path = weights.fetch("net", allow_restricted=True)
    assert weights.fetch("net") == path  # once it is here on purpose it may be used
    assert len(asked) == 1


@pytest.mark.usefixtures("cache")
def test_a_misspelt_name_gets_a_suggestion() -> None:
    with pytest.raises(UsageError, match="did you mean 'net'"):
        weights.fetch("nett")


def test_a_cache_that_cannot_be_written_says_so(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache.write_text("a file where a folder should be")
    with pytest.raises(WeightsError, match=r"cannot write.*SFUMATO_CACHE.*SFUMATO_WEIGHTS"):
        weights.fetch("net")
    monkeypatch.setenv("SFUMATO_WEIGHTS", str(put(tmp_path / "mine").parent))
    assert weights.fetch("net").parent == tmp_path / "mine"  # reading needs no cache


@pytest.mark.usefixtures("cache")
def test_used_names_what_was_fetched(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "_used", {})
    assert weights.used() == {}
    put(cache / "weights")
    weights.fetch("net")
    assert weights.used() == {"net": weights.entries()["net"].sha256}


@pytest.mark.parametrize(
    ("platform", "environment", "expected"),
    [
        ("linux", {"XDG_CACHE_HOME": "/x/cache", "HOME": "/h"}, "/x/cache/sfumato"),
        ("linux", {"XDG_CACHE_HOME": "relative", "HOME": "/h"}, "/h/.cache/sfumato"),
        ("linux", {"HOME": "/h"}, "/h/.cache/sfumato"),
        ("darwin", {"HOME": "/h"}, "/h/Library/Caches/sfumato"),
        ("win32", {"LOCALAPPDATA": "/local", "HOME": "/h"}, "/local/sfumato"),
        ("linux", {"SFUMATO_CACHE": "/mine", "HOME": "/h"}, "/mine"),
        ("linux", {"SFUMATO_CACHE": "~/mine", "HOME": "/h"}, "/h/mine"),
    ],
)
def test_cache_folder(
    platform: str, environment: dict[str, str], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SFUMATO_CACHE", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "platform", platform)
    assert weights.cache_folder() == Path(expected)


def test_derived_is_made_once_for_each_source_and_recipe(cache: Path) -> None:
    made: list[Path] = []

    def make(path: Path) -> None:
        made.append(path)
        path.write_bytes(b"graph")

    first = weights.derived("graph", "a" * 64, make, ".onnx")
    assert first == weights.derived("graph", "a" * 64, make, ".onnx")
    assert first.parent == cache / "derived"
    assert first.suffix == made[0].suffix == ".onnx"
    assert len(made) == 1
    others = {
        weights.derived("graph", "b" * 64, make, ".onnx"),
        weights.derived("graph", "a" * 64, make, ".onnx", recipe="2"),
    }
    assert len(others | {first}) == 3
    assert {path.read_bytes() for path in others | {first}} == {b"graph"}


def test_derived_that_fails_leaves_nothing(cache: Path) -> None:
    def fails(path: Path) -> None:
        path.write_bytes(b"half")
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        weights.derived("graph", "a" * 64, fails, ".onnx")
    assert [path for path in (cache / "derived").iterdir() if path.suffix != ".lock"] == []


def test_derived_without_a_cache_lives_with_the_process(cache: Path) -> None:
    cache.write_text("a file where a folder should be")
    path = weights.derived("graph", "a" * 64, lambda p: p.write_bytes(b"x") and None, ".onnx")
    assert path.read_bytes() == b"x"
    assert cache not in path.parents


@pytest.mark.usefixtures("cache")
def test_derived_is_made_by_one_thread_alone() -> None:
    made: list[int] = []
    started = threading.Barrier(4)

    def make(path: Path) -> None:
        made.append(1)
        threading.Event().wait(0.1)
        path.write_bytes(b"x")

    def ask() -> None:
        started.wait()
        weights.derived("graph", "a" * 64, make, ".onnx")

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert made == [1]


@pytest.mark.usefixtures("cache")
def test_derived_says_when_there_is_no_room() -> None:
    def full(path: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    with pytest.raises(WeightsError, match=r"No space left.*SFUMATO_CACHE"):
        weights.derived("no-room", "a" * 64, full, ".onnx")


def test_the_manifest_is_sound() -> None:
    known = weights.entries()
    assert len({entry.file for entry in known.values()}) == len(known)
    for entry in known.values():
        assert re.fullmatch(r"[0-9a-f]{64}", entry.sha256)
        assert entry.size > 0
        assert Path(entry.file).name == entry.file
        assert entry.licence
        assert entry.sources
        for source in entry.sources:
            assert source.partition(":")[0] in _sources.SCHEMES
            assert _sources.member_of(source) != ""
            if _sources.member_of(source):
                sizes = weights._manifest(weights.MANIFEST)[1]
                assert sizes[_sources.archive_of(source)] > 0


def test_backends_and_manifest_name_the_same_weights() -> None:
    known = weights.entries()
    for kind in registry.KINDS:
        for backend in registry.backends(kind).values():
            for name in backend.weights:
                assert f"{kind}/{backend.name}" in known[name].feeds


def test_importing_it_is_light() -> None:
    heavy = "{'urllib.request', 'filelock', 'subprocess', 'zipfile', 'numpy', 'http.client'}"
    code = f"import sys, sfumato.io.weights; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_crafted_archive_writes_no_more_than_expected(tmp_path: Path) -> None:
    import zipfile

    bomb = tmp_path / "bomb.whl"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("net.bin", bytes(10_000_000))
    _archives.extract(bomb, {"net.bin": (tmp_path / "out", 1000)})
    assert (tmp_path / "out").stat().st_size == 1001


def test_the_page_about_weights_lists_them_all() -> None:
    page = (Path(__file__).parents[2] / "docs" / "weights.md").read_text(encoding="utf-8")
    rows = {line for line in page.splitlines() if line.startswith("| `")}
    for entry in weights.entries().values():
        (row,) = (line for line in rows if line.startswith(f"| `{entry.name}` |"))
        feeds = ", ".join(f"`{backend}`" for backend in entry.feeds)
        assert f"| `{entry.file}` | {entry.size / 1e6:.1f} | {feeds} | {entry.licence} |" in row
