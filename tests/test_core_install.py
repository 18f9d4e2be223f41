"""The core install alone, in an environment of its own, does the main job."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.weights
@pytest.mark.slow
def test_a_fresh_environment_paints(tmp_path, astronaut_path):
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv" / ("Scripts" if os.name == "nt" else "bin") / "python"
    constraints = ["-c", str(ROOT / "constraints.txt")] if sys.version_info[:2] == (3, 11) else []
    install = [python, "-m", "pip", "install", "--quiet", *constraints, str(ROOT)]
    subprocess.run(install, check=True, timeout=600)
    listed = subprocess.run(
        [python, "-m", "pip", "list", "--format=freeze"], capture_output=True, text=True, check=True
    ).stdout.lower()
    for heavy in ("torch", "scipy", "numba", "pymatting", "litert"):
        assert heavy not in listed
    out = tmp_path / "painted.png"
    run = subprocess.run(
        [python, "-m", "sfumato", "paint", astronaut_path, "--region", "background",
         "--style", "waves", "-o", out],
        capture_output=True, text=True, cwd=tmp_path,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert out.stat().st_size > 100_000
    missing = subprocess.run(
        [python, "-m", "sfumato", "paint", astronaut_path, "--style", "waves",
         "--stylizer", "adain"],
        capture_output=True, text=True, cwd=tmp_path,
    )  # fmt: skip
    assert missing.returncode == 2
    assert "pip install 'sfumato[torch]'" in missing.stderr
