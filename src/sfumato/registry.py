"""Finds backends by file name and builds them; knows them without importing any.

A backend is one file in ``segment/``, ``matte/``, ``stylize/`` or ``compose/``. Its stem, with
``_`` written ``-``, is its name, its docstring's first line its description. It holds::

    REQUIRES = ("torch",)          # import names beyond the core install; optional
    EXTRA = "torch"                # the extra that brings them; with REQUIRES
    CLASSES = ("person",)          # segmenters: the labels it finds; optional
    PROMPTS = True                 # segmenters that find what is pointed at (``look``); optional
    WEIGHTS = ("modnet",)          # names in weights.toml; optional

    class Options(BaseModel, extra="forbid"): ...
    def build(options: Options, context: Context) -> Segmenter | Matter | Stylizer | Compositor

The upper-case constants are literals: they are read from the source text, so that listing
backends imports none of them. Third parties add backends through the entry-point groups
``sfumato.segment``, ``sfumato.matte``, ``sfumato.stylize`` and ``sfumato.compose``, each entry
naming a module of the same shape.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from sfumato.errors import MissingExtraError, UsageError, did_you_mean

if TYPE_CHECKING:
    from pydantic import BaseModel

    from sfumato.types import Context

KINDS = ("segment", "matte", "stylize", "compose")

DEFAULTS = {"segment": "duo", "matte": "guided", "stylize": "magenta", "compose": "alpha"}
"""The backend of each kind that is used when none is named."""

PROMPTED = "sam"
"""The segmenter that finds what is pointed at, unless the user names another that does."""

FIRST_CHOICE = {"person": "duo", "subject": "u2netp"}
"""For classes that several segmenters find: the one that measured best (docs/segmenters.md)."""

_CONSTANTS = {"REQUIRES", "EXTRA", "CLASSES", "PROMPTS", "WEIGHTS"}


@dataclass(frozen=True)
class Backend:
    """One backend as it can be known without importing it.

    Attributes:
        kind, name: where it belongs and what it is called.
        module: dotted import path.
        summary: first line of the module's docstring.
        classes: labels that a segmenter finds; empty = known once it is built.
        prompts: it also finds what is pointed at (:class:`sfumato.types.PromptSegmenter`).
        weights: names of its weights files.
        extra: the extra that brings its libraries, or None.
        missing: import names that are not installed here; empty = ready.
    """

    kind: str
    name: str
    module: str
    summary: str = ""
    classes: tuple[str, ...] = ()
    prompts: bool = False
    weights: tuple[str, ...] = ()
    extra: str | None = None
    missing: tuple[str, ...] = ()

    @property
    def install_line(self) -> str | None:
        """The command that makes this backend ready, or None if it is."""
        return f"pip install 'sfumato[{self.extra}]'" if self.missing else None


@cache
def backends(kind: str) -> dict[str, Backend]:
    """All backends of a kind, by name, in alphabetical order.

    Raises:
        UsageError: there is no such kind.
    """
    if kind not in KINDS:
        raise UsageError(f"unknown kind of backend {kind!r}; expected one of {', '.join(KINDS)}")
    folder = Path(__file__).parent / kind
    files = sorted(path for path in folder.glob("*.py") if not path.stem.startswith("_"))
    own = {b.name: b for b in (_describe(kind, path) for path in files)}
    return own | {b.name: b for b in _third_party(kind) if b.name not in own}


def find(kind: str, name: str) -> Backend:
    """The backend of this kind and name.

    Raises:
        UsageError: no such backend; the message offers the nearest name.
    """
    known = backends(kind)
    if name in known:
        return known[name]
    hint = did_you_mean(name, known)
    raise UsageError(f"unknown {kind} backend {name!r}{hint} (known: {', '.join(known)})")


def options_model(kind: str, name: str) -> type[BaseModel]:
    """The backend's ``Options`` class (imports the backend's file, not its heavy libraries)."""
    model: type[BaseModel] = _module(find(kind, name)).Options
    return model


def build(kind: str, name: str, context: Context, options: Mapping[str, Any] | None = None) -> Any:
    """Build a backend from plain option values.

    Raises:
        UsageError: unknown backend or option, or a value out of bounds.
        MissingExtraError: a library that it needs is not installed.
    """
    backend = find(kind, name)
    if backend.missing:
        if backend.extra:
            raise MissingExtraError(f"{kind} backend {name!r}", backend.extra)
        raise UsageError(f"{kind} backend {name!r} needs {', '.join(backend.missing)}")
    module = _module(backend)
    parsed = parse_options(module.Options, name, dict(options or {}))
    loader = context.load or (lambda kind, name: build(kind, name, context))
    return module.build(parsed, replace(context, load=loader))


def segmenter_for(label: str) -> str:
    """Name of the segmenter to use for a class when the user names none.

    Raises:
        UsageError: no segmenter here knows the class; the message lists the known ones.
    """
    able = finders(label)
    if not able:
        known = sorted({c for b in backends("segment").values() for c in b.classes})
        hint = did_you_mean(label, known)
        raise UsageError(f"no segmenter finds {label!r}{hint} (known: {', '.join(known)})")
    ready = [b.name for b in able if not b.missing] or [b.name for b in able]
    first = FIRST_CHOICE.get(label)
    return first if first in ready else ready[0]


def finders(label: str) -> list[Backend]:
    """The segmenters that find a class, those that cannot run here included."""
    return [b for b in backends("segment").values() if label in b.classes]


def _describe(kind: str, path: Path) -> Backend:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    constants = {
        target.id: ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name) and target.id in _CONSTANTS
    }
    requires = constants.get("REQUIRES", ())
    return Backend(
        kind=kind,
        name=path.stem.replace("_", "-"),
        module=f"sfumato.{kind}.{path.stem}",
        summary=(ast.get_docstring(tree) or "").split("\n", 1)[0],
        classes=tuple(constants.get("CLASSES", ())),
        prompts=bool(constants.get("PROMPTS", False)),
        weights=tuple(constants.get("WEIGHTS", ())),
        extra=constants.get("EXTRA"),
        missing=tuple(name for name in requires if importlib.util.find_spec(name) is None),
    )


def _third_party(kind: str) -> list[Backend]:
    from importlib.metadata import entry_points  # slow to import; only listings need it

    return [
        Backend(kind, entry.name, entry.value, f"from {entry.dist.name if entry.dist else '?'}")
        for entry in entry_points(group=f"sfumato.{kind}")
    ]


def _module(backend: Backend) -> ModuleType:
    return importlib.import_module(backend.module)


def parse_options(model: type[BaseModel], name: str, values: dict[str, Any]) -> BaseModel:
    """A backend's options from plain values.

    Raises:
        UsageError: unknown option, or a value out of bounds.
    """
    from pydantic import ValidationError

    try:
        return model(**values)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "?"
        if first["type"] == "extra_forbidden":
            hint = did_you_mean(field, model.model_fields)
            known = ", ".join(model.model_fields) or "none"
            raise UsageError(f"{name} has no option {field!r}{hint} (known: {known})") from None
        raise UsageError(
            f"option {name}.{field}: {first['msg']} (got {first['input']!r})"
        ) from None
