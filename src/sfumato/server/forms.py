"""Orders as HTML forms: how they are read, and what OpenAPI says of them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from sfumato import registry
from sfumato.errors import UsageError, did_you_mean
from sfumato.server.orders import KINDS, LayerOrder, Order, remote_options

FILES = "files"
"""The part under which styles and masks are sent."""

AS_JSON = ("options", "layers")
"""Fields that hold more than one value: JSON in the form."""


def read(kind: str, fields: Mapping[str, str]) -> Order:
    """An order from a form's text fields; empty ones are as if they were not there.

    Raises:
        UsageError: unknown field, or a value out of bounds.
    """
    model = KINDS[kind]
    values: dict[str, Any] = {name: text for name, text in fields.items() if text != ""}
    for name in values.keys() & set(AS_JSON) & model.model_fields.keys():
        values[name] = _json(name, values[name])
    order = registry.parse_options(model, kind, values)
    assert isinstance(order, Order)
    return order


def check_parts(kind: str, sent: Iterable[tuple[str, str]]) -> None:
    """Refuse files that are missing, too many, or called the same.

    Args:
        kind: of the order.
        sent: part and name of each file.

    Raises:
        UsageError: one sentence.
    """
    sent = list(sent)
    needed = KINDS[kind].PARTS
    for part in needed:
        if (count := sum(p == part for p, _ in sent)) != 1:
            raise UsageError(f"expected one file for {part!r}, got {count}")
    for part, _ in sent:
        if part not in (*needed, FILES):
            hint = did_you_mean(part, [*needed, FILES])
            raise UsageError(f"{kind} takes no file {part!r}{hint}")
    names = [name for part, name in sent if part == FILES]
    if twice := {name for name in names if names.count(name) > 1}:
        raise UsageError(f"two files are called {min(twice)!r}; give each a name of its own")


def schema(kind: str) -> dict[str, Any]:
    """OpenAPI's request body for an order."""
    model = KINDS[kind]
    stated = model.model_json_schema()["properties"]
    for name in AS_JSON:
        if name in stated:
            inner = _options() if name == "options" else _layers()
            about = stated[name].get("description", "")
            stated[name] = {
                "type": "string", "description": f"{about} JSON.".strip(),
                "contentMediaType": "application/json", "contentSchema": inner,
            }  # fmt: skip
    binary = {"type": "string", "format": "binary"}
    parts: dict[str, Any] = dict.fromkeys(model.PARTS, binary)
    parts[FILES] = {
        "type": "array", "items": binary,
        "description": "Style and mask pictures; styles and regions call them by file name.",
    }  # fmt: skip
    form = {"type": "object", "required": list(model.PARTS), "properties": parts | stated}
    return {"required": True, "content": {"multipart/form-data": {"schema": form}}}


def _layers() -> dict[str, Any]:
    return {"type": "array", "items": LayerOrder.model_json_schema()}


def _options() -> dict[str, Any]:
    """Each backend's options, as its ``Options`` state them."""
    backends = {
        name: remote_options(kind, name).model_json_schema()
        for kind in registry.KINDS
        for name in registry.backends(kind)
    }
    return {"type": "object", "properties": backends, "additionalProperties": False}


def _json(name: str, text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise UsageError(f"{name} takes JSON; got {text[:80]!r}") from None
