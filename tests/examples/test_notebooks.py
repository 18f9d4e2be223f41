"""The notebooks run from the first cell to the last, as they would for somebody who opens them."""

from __future__ import annotations

from pathlib import Path

import pytest

nbformat = pytest.importorskip("nbformat")
nbclient = pytest.importorskip("nbclient")
pytest.importorskip("ipykernel")

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
NOTEBOOKS = sorted(EXAMPLES.glob("*.ipynb"))

MINUTES = 10


def pictures(notebook):
    return [
        [output.data["image/jpeg"] for output in cell.get("outputs", ()) if
         "image/jpeg" in output.get("data", {})]
        for cell in notebook.cells
    ]  # fmt: skip


def test_there_is_one_for_each_paper():
    assert [path.name.split("-")[1] for path in NOTEBOOKS] == list("12345")


@pytest.mark.slow
@pytest.mark.weights
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_they_run(path):
    kept = nbformat.read(path, as_version=4)
    fresh = nbformat.from_dict(kept)
    for cell in fresh.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    shown = [len(found) for found in pictures(kept)]
    nbclient.NotebookClient(
        fresh, timeout=60 * MINUTES, resources={"metadata": {"path": str(EXAMPLES)}}
    ).execute()
    assert [len(found) for found in pictures(fresh)] == shown
    assert sum(shown) >= 2
