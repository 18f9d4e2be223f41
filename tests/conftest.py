"""Fixtures that several rooms share."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def astronaut_path() -> Path:
    """A real photograph that comes with the package: one person, NASA, public domain."""
    import sfumato.sheets

    return sfumato.sheets.SAMPLE


@pytest.fixture(scope="session")
def astronaut(astronaut_path) -> np.ndarray:
    """float32 ``[512, 512, 3]``."""
    from sfumato.io import pictures

    return pictures.read(astronaut_path).image


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Pictures with masks to measure on, beside the checkout."""
    if not SHARED.is_dir():
        pytest.skip("the shared pictures are not beside this checkout")
    return SHARED
