"""YAML whose values know the line that they were written on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sfumato.errors import MissingExtraError, UsageError


@dataclass(frozen=True)
class Text:
    """A YAML file that was read.

    Attributes:
        path: for errors.
        values: what it holds, as plain data.
        root: its nodes, with their places.
    """

    path: Path
    values: Any
    root: Any

    def place(self, *keys: str | int) -> str:
        """``FILE, line N`` of the value that these keys lead to, or of the nearest around it."""
        node, line = self.root, 1 if self.root is None else self.root.start_mark.line + 1
        for key in keys:
            found = next((n for k, at, n in _inside(node) if k == key and at), None)
            if found is None:
                break
            line = next(at for k, at, _ in _inside(node) if k == key)
            node = found
        return f"{self.path}, line {line}"


def read(path: Path) -> Text:
    """Read a YAML file.

    Raises:
        UsageError: it cannot be read, is no YAML, or says a thing twice.
        MissingExtraError: the ``report`` extra is not installed.
    """
    try:
        import yaml
    except ImportError:
        raise MissingExtraError("a plan of comparisons", "report") from None
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"the plan {path} cannot be read: {str(reason).lower()}") from None
    try:
        root = yaml.compose(text, yaml.SafeLoader)
        values = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f", line {mark.line + 1}" if mark else ""
        raise UsageError(f"{path}{line}: this is not YAML: {error.problem}") from None
    except (yaml.YAMLError, ValueError) as error:
        raise UsageError(f"{path}: this is not YAML: {error}") from None
    found = Text(path, values, root)
    for keys, number in _twice(root, ()):
        raise UsageError(f"{path}, line {number}: {'.'.join(map(str, keys))} is said twice")
    return found


def _inside(node: Any) -> Iterator[tuple[str | int, int, Any]]:
    """Key, line and node of everything right inside a node."""
    if getattr(node, "id", "") == "mapping":
        for key, value in node.value:
            yield key.value, key.start_mark.line + 1, value
    elif getattr(node, "id", "") == "sequence":
        for i, value in enumerate(node.value):
            yield i, value.start_mark.line + 1, value


def _twice(node: Any, above: Sequence[str | int]) -> Iterator[tuple[tuple[str | int, ...], int]]:
    seen = set()
    for key, line, value in _inside(node):
        if isinstance(key, str) and key in seen:
            yield (*above, key), line
        seen.add(key if isinstance(key, str) else None)
        yield from _twice(value, (*above, key))
