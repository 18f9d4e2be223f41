from __future__ import annotations

import sys

import cv2
import numpy as np
import pytest

from sfumato.matte import closed_form
from sfumato.ops import trimap
from sfumato.types import Context

from .. import matting_scenes as scenes

pytestmark = pytest.mark.slow  # pymatting's import compiles for a minute the first time


@pytest.fixture(autouse=True)
def _pymatting():
    pytest.importorskip("pymatting")


def test_agrees_with_pymatting_on_the_whole_picture(monkeypatch):
    """Only the band, and by tiles: the same numbers as the full system's."""
    from pymatting import estimate_alpha_cf

    image, alpha, _, _ = scenes.scene(size=96)
    coarse = cv2.GaussianBlur(alpha, (0, 0), 1.5)
    clean = trimap.stretch(coarse, 0.05)
    band = trimap.unknown_band(clean, 3)
    whole = closed_form.tiles
    monkeypatch.setattr(closed_form, "tiles", lambda shape: whole(shape, 37))
    options = closed_form.Options(trust=1e-9, eps=1e-6, tolerance=1e-9)
    ours = clean.copy()
    ours[band] = closed_form.solve(image, clean, band, options)
    theirs = estimate_alpha_cf(
        image.astype(np.float64),
        np.where(band, 0.5, clean).astype(np.float64),
        laplacian_kwargs={"epsilon": 1e-6},
        cg_kwargs={"rtol": 1e-9},
    )
    assert np.abs(ours - theirs)[band].mean() < 0.01


def test_prints_nothing(capsys):
    """Standard output may be the finished picture's pipe."""
    flat = np.full((60, 60, 3), 0.5, np.float32)
    coarse = np.zeros((60, 60), np.float32)
    coarse[20:40, 20:40] = 1
    closed_form.build(closed_form.Options(radius=0.1), Context())(flat, coarse)
    assert capsys.readouterr().out == ""


def test_parts_of_the_band_that_touch_nothing_solid_keep_to_the_selection():
    image = np.full((40, 40, 3), 0.5, np.float32)
    coarse = np.tile(np.linspace(0.2, 0.8, 40, dtype=np.float32), (40, 1))
    alpha = closed_form.build(closed_form.Options(), Context())(image, coarse).alpha
    assert np.isfinite(alpha).all()
    assert alpha[:, 0].mean() < alpha[:, -1].mean()


def test_its_libraries_are_imported_in_the_call_alone():
    code = "import sys, sfumato.matte.closed_form; sys.exit('pymatting' in sys.modules)"
    import subprocess

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
