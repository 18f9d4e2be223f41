"""Imports run strictly downward, and heavy libraries stay out of the light paths."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import sfumato

ROOT = Path(sfumato.__file__).parent

LEVELS = [
    {"types", "errors"},
    {"io", "ops", "settings"},
    {"drawn", "nets", "losses", "regions"},
    {"optimise"},
    {"segment", "matte", "stylize", "compose"},
    {"registry"},
    {"studio", "styles", "finder", "pipeline"},
    {"place"},
    {"manifest", "files", "placing_files", "sheets", "preview", "report", "ablate"},
    {"data"},
    {"evaluate", "inspect"},
    {"train", "compare"},
    {"server", "client"},
    {"cli"},
    {"__main__"},
]
"""From the ground up: a room may import from its own level and from those below."""

BACKENDS = {"segment", "matte", "stylize", "compose"}


def _room(module: str) -> str:
    return module.split(".")[1]


def _imports() -> dict[str, set[str]]:
    """Module -> the sfumato modules that it imports, those inside functions included."""
    graph = {}
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        if parts == ("__init__",):
            continue
        name = ".".join(("sfumato", *parts)).removesuffix(".__init__")
        graph[name] = {
            target
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            for target in _targets(node)
        }
    known = set(graph)
    return {name: {t for t in targets if t in known} for name, targets in graph.items()}


def _targets(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.module and not node.level:
        return [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return []


GRAPH = _imports()


def test_every_room_has_a_level():
    rooms = {_room(module) for module in GRAPH}
    assert rooms == set().union(*LEVELS)


def test_imports_run_downward():
    level = {room: i for i, rooms in enumerate(LEVELS) for room in rooms}
    upward = [
        f"{module} imports {target}"
        for module, targets in GRAPH.items()
        for target in targets
        if level[_room(target)] > level[_room(module)]
    ]
    assert upward == []


def test_backends_do_not_import_one_another():
    crossing = [
        f"{module} imports {target}"
        for module, targets in GRAPH.items()
        for target in targets
        if _room(module) in BACKENDS and _room(target) in BACKENDS and target != module
    ]
    assert crossing == []


def test_no_import_cycles():
    done: set[str] = set()

    def visit(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, f"cycle: {' -> '.join((*path, module))}"
        if module not in done:
            for target in GRAPH[module] - {module}:
                visit(target, (*path, module))
            done.add(module)

    for module in GRAPH:
        visit(module, ())


def test_only_the_command_line_prints_or_exits():
    offenders = []
    for path in ROOT.rglob("*.py"):
        if path.is_relative_to(ROOT / "cli"):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in {
                "print", "exit", "quit", "sys.exit", "os._exit",
            }:  # fmt: skip
                offenders.append(f"{path.name}:{node.lineno}")
    assert offenders == []


@pytest.mark.parametrize(
    ("code", "forbidden"),
    [
        ("import sfumato", "numpy cv2 pydantic typer torch onnxruntime"),
        ("import sfumato.cli.main", "numpy cv2 pydantic PIL torch onnxruntime onnx"),
        (
            "from sfumato import registry; [registry.backends(k) for k in registry.KINDS]",
            "numpy cv2 pydantic torch onnxruntime onnx pymatting ai_edge_litert",
        ),
        ("import sfumato.pipeline", "torch onnxruntime onnx pymatting ai_edge_litert scipy"),
        ("from sfumato import styles; styles.catalogue()", "torch onnxruntime onnx"),
    ],
)
def test_light_paths_stay_light(code, forbidden):
    script = f"{code}\nimport sys\nprint(*[m for m in {forbidden.split()!r} if m in sys.modules])"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout.split() == []
