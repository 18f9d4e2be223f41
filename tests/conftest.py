"""Fixtures that several rooms share."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from sfumato.errors import WeightsError
from sfumato.io import weights

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The slow ones first, so that of several processes none is left alone with them at the end."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


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


@pytest.fixture(autouse=True)
def _weights_or_skip(request):
    """Skip a test marked ``weights`` where they cannot be had; CI must have them, so it fails."""
    if request.node.get_closest_marker("weights") and (problem := _missing_weights()):
        if "CI" in os.environ:
            pytest.fail(problem)
        pytest.skip(problem)


@cache
def _missing_weights() -> str | None:
    """Fetch every weights file once; the first thing that went wrong, or None."""
    for name in weights.entries():
        try:
            weights.fetch(name)
        except WeightsError as error:
            return f"pretrained weights cannot be had here: {str(error).splitlines()[0]}"
    return None
