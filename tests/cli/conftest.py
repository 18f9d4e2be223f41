"""Runs the command line in this process, with a stylizer that needs no weights."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from PIL import Image as PillowImage

from sfumato.cli.main import main
from sfumato.studio import Studio
from sfumato.types import no_progress


@dataclass
class Result:
    code: int
    out: str
    err: str


@pytest.fixture
def run(capsys):
    def run(*arguments):
        with pytest.raises(SystemExit) as done:
            main([str(a) for a in arguments])
        captured = capsys.readouterr()
        return Result(int(done.value.code or 0), captured.out, captured.err)

    return run


class Inverter:
    """Paints the negative."""

    supports_region = False

    def __call__(self, content, style, *, region=None, progress=no_progress):
        return (1 - content).astype(np.float32)


@pytest.fixture
def inverter(monkeypatch):
    monkeypatch.setattr(Studio, "stylizer", lambda self, name: Inverter())


@pytest.fixture
def photo(tmp_path):
    """A small colourful PNG."""
    pixels = np.random.default_rng(0).integers(0, 256, (32, 48, 3), dtype=np.uint8)
    PillowImage.fromarray(pixels).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"
