"""Writes docs/backends.md from the backends' own Options: python scripts/write_backends_page.py"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sfumato import registry

PAGE = Path(__file__).resolve().parents[1] / "docs" / "backends.md"

KINDS = {
    "segment": ("Segmenters", "find the region; `--segmenter NAME`"),
    "matte": ("Mattes", "turn what was found into a clean soft alpha; `--matte NAME`"),
    "stylize": ("Stylizers", "paint; `--stylizer NAME` or `REGION=STYLE@NAME`"),
    "compose": ("Blends", "put the painted part back; `--blend NAME`"),
}

HEAD = """# Backends and their options

An option is set with `-O backend.option=value`, for example:

```bash
sfumato paint photo.jpg --style waves --region background -O guided.radius=0.02 -o painted.png
```

`sfumato backends` lists what is installed, and `sfumato backends --json` gives this page's
content as JSON Schema. Written by `scripts/write_backends_page.py` from the code.
"""


def page() -> str:
    """The whole page as Markdown."""
    return "\n".join([HEAD, *(_section(kind) for kind in registry.KINDS)])


def _section(kind: str) -> str:
    title, purpose = KINDS[kind]
    parts = [f"## {title}\n\nThey {purpose}.\n"]
    parts += [_backend(backend) for backend in registry.backends(kind).values()]
    return "\n".join(parts)


def _backend(backend: registry.Backend) -> str:
    default = " (default)" if registry.DEFAULTS[backend.kind] == backend.name else ""
    lines = [f"### `{backend.name}`{default}\n", backend.summary + "\n"]
    if backend.classes:
        lines.append(f"Finds: {', '.join(f'`{c}`' for c in backend.classes)}.\n")
    if backend.extra:
        lines.append(f"Needs `pip install 'sfumato[{backend.extra}]'`.\n")
    schema = registry.options_model(backend.kind, backend.name).model_json_schema()
    options = schema.get("properties", {})
    if options:
        lines += ["| option | default | allowed | what it does |", "|---|---|---|---|"]
        required = schema.get("required", [])
        lines += [_row(name, spec, name in required) for name, spec in options.items()]
        lines.append("")
    return "\n".join(lines)


def _row(name: str, spec: dict[str, Any], required: bool) -> str:
    default = "required" if required else f"`{spec.get('default')}`"
    return f"| `{name}` | {default} | {_allowed(spec)} | {spec.get('description', '')} |"


def _allowed(spec: dict[str, Any]) -> str:
    for choice in spec.get("anyOf", [spec]):
        if "enum" in choice:
            return ", ".join(f"`{value}`" for value in choice["enum"])
        low = choice.get("minimum", choice.get("exclusiveMinimum"))
        high = choice.get("maximum", choice.get("exclusiveMaximum"))
        if low is not None or high is not None:
            return f"{'' if low is None else low} … {'' if high is None else high}".strip()
        if choice.get("type") == "boolean":
            return "`true`, `false`"
    return str(spec.get("type", "text"))


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
