"""What the package promises to export is there, and nothing else."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import sfumato


@pytest.mark.parametrize("name", sfumato.__all__)
def test_every_export_is_there(name):
    assert getattr(sfumato, name)


def test_types_are_told_the_same_names():
    tree = ast.parse(Path(sfumato.__file__).read_text(encoding="utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If))
    told = {
        alias.asname or alias.name
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert told | {"__version__"} == set(sfumato.__all__)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = sfumato.nothing
