"""Plans read from YAML: merged, checked, their paths found from anywhere.

A plan that comes with the package has a name (``plans/*.yaml``); any other is a file. Paths in it
are relative to its folder.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from sfumato import regions, registry, styles
from sfumato.compare import lines
from sfumato.compare.lines import Text
from sfumato.compare.plan import (
    PAINTS,
    SAMPLES,
    Choices,
    Column,
    Plan,
    Row,
    Written,
    effective,
    options_of,
)
from sfumato.errors import UsageError, did_you_mean
from sfumato.studio import Studio

FILES = ("style", "painting", "result")
"""Fields that name files: in changes, relative to the present folder."""

FOLDER = Path(__file__).parent / "plans"


def names() -> dict[str, str]:
    """The plans that come with the package, with their titles.

    Raises:
        MissingExtraError: the ``report`` extra is not installed.
    """
    paths = sorted(FOLDER.glob("*.yaml"))
    return {path.stem: str(lines.read(path).values["title"]) for path in paths}


def read(
    name: str,
    changes: Mapping[str, Any] | None = None,
    pictures: Sequence[Column] | None = None,
) -> Plan:
    """A plan of the package by its name, or any by its file.

    Args:
        name: one of :func:`names`, or a path that ends in ``.yaml`` or ``.yml``.
        changes: said of every row, over what the plan says: a field of :class:`Choices`, an
            option of a row's stylizer, or ``BACKEND.OPTION``; or ``side``, of the plan.
        pictures: columns in place of the plan's; their paths are relative to the present folder.

    Raises:
        UsageError: one sentence with the line of what is wrong.
        MissingExtraError: the ``report`` extra is not installed.
    """
    path = Path(name) if name.endswith((".yaml", ".yml")) else FOLDER / f"{name}.yaml"
    if not path.is_file():
        known = [path.stem for path in sorted(FOLDER.glob("*.yaml"))]
        raise UsageError(
            f"there is no plan {name!r}{did_you_mean(name, known)} "
            f"(known: {', '.join(known)}, or a file that ends in .yaml)"
        )
    text = lines.read(path)
    changes = dict(changes or {})
    written = _written(text, {"side": changes.pop("side")} if "side" in changes else {})
    folder = path.resolve().parent
    common = written.common.model_dump(exclude_unset=True)
    said = [_merged(common, row.model_dump(exclude_unset=True)) for row in written.rows]
    if changes:
        said = _changed(said, changes)
    rows = tuple(_checked(text, i, values, folder) for i, values in enumerate(said))
    called = [row.name for row in rows]
    for i, own in enumerate(called):
        if own in called[:i]:
            raise UsageError(f"{text.place('rows', i, 'name')}: two rows are called {own!r}")
    if pictures is None:
        columns = [_column(text, i, one, folder) for i, one in enumerate(written.pictures)]
    else:
        columns = [_placed(one, Path.cwd()) for one in pictures]
    for i, row in enumerate(rows):
        if row.kind == "paint" and not row.style and any(not one.style for one in columns):
            raise UsageError(f"{text.place('rows', i)}: row {row.name!r} has no style")
    title = written.title or path.stem
    return Plan(path.stem, title, written.about.strip(), written.side, tuple(columns), rows)


def _written(text: Text, changes: Mapping[str, Any]) -> Written:
    if not isinstance(text.values, dict):
        raise UsageError(f"{text.path} is not a plan; expected title, pictures and rows")
    try:
        return Written.model_validate({**text.values, **changes})
    except ValidationError as error:
        raise UsageError(_sentence(text, error)) from None


def _sentence(text: Text, error: ValidationError) -> str:
    first = error.errors()[0]
    keys = first["loc"]
    field, place = ".".join(map(str, keys)), text.place(*keys)
    if first["type"] == "extra_forbidden":
        inside: dict[str, type[BaseModel]] = {"rows": Row, "pictures": Column, "common": Choices}
        model = inside.get(str(keys[0]), Written) if len(keys) > 1 else Written
        known = model.model_fields
        near = did_you_mean(str(keys[-1]), known)
        return f"{place}: plans have no field {field!r}{near} (known: {', '.join(known)})"
    if first["type"] == "missing":
        return f"{place}: the plan lacks {field!r}"
    given = "" if isinstance(first["input"], dict | list) else f"; got {first['input']!r}"
    return f"{place}: {field}: {str(first['msg']).removeprefix('Value error, ')}{given}"


def _merged(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """One over the other; options are merged one by one."""
    merged = {**under, **over}
    for name in ("options", "placing"):
        both = [part.get(name) or {} for part in (under, over)]
        if any(both):
            backends = dict.fromkeys([*both[0], *both[1]])
            merged[name] = {**both[0], **both[1]}
            if name == "options":
                merged[name] = {b: {**both[0].get(b, {}), **both[1].get(b, {})} for b in backends}
    return merged


def _changed(said: Sequence[Mapping[str, Any]], changes: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The rows with something said of all of them."""
    rows = [dict(values) for values in said]
    for key, value in changes.items():
        if key in FILES and isinstance(value, str) and Path(value).is_file():
            value = str(Path(value).resolve())
        backend, dot, option = key.rpartition(".")
        if key in Choices.model_fields and key not in ("options", "placing"):
            rows = [{**row, key: value} for row in rows]
        elif dot:
            rows = [_merged(row, {"options": {backend: {option: value}}}) for row in rows]
        else:
            rows = _optioned(rows, key, value)
    return rows


def _optioned(rows: list[dict[str, Any]], option: str, value: Any) -> list[dict[str, Any]]:
    """With an option of the stylizers that have it."""
    known = dict.fromkeys(Choices.model_fields)
    found, taken = [], False
    for row in rows:
        painter = Row.model_construct(**{"kind": "paint", **row}).painter
        if painter in registry.backends("stylize"):
            model = registry.options_model("stylize", painter)
            known |= dict.fromkeys(model.model_fields)
            if option in model.model_fields:
                row, taken = _merged(row, {"options": {painter: {option: value}}}), True
        found.append(row)
    if not taken:
        near = did_you_mean(option, known)
        raise UsageError(f"--set {option}: no row has such a setting or option{near}")
    return found


def _checked(text: Text, number: int, values: Mapping[str, Any], folder: Path) -> Row:
    """A row with everything said, that can be run as far as names and bounds go."""
    name = values.get("name")
    try:
        row = Row.model_validate({"kind": "paint", **values})
        region = row.region or ("everything" if row.kind in PAINTS else "person")
        row = row.model_copy(
            update={
                "region": str(regions.with_files(regions.parse(region), _from(folder))),
                "style_region": row.style_region
                and str(regions.with_files(regions.parse(row.style_region), _from(folder))),
                "style": _style(row.style, folder),
                "painting": row.painting and str(folder / row.painting),
                "result": row.result and str(folder / row.result),
                "options": _shortened(row, _options(row.options, folder)),
            }
        )
        _check(row)
        return row
    except (UsageError, ValidationError) as error:
        sentence = str(error)
        if isinstance(error, ValidationError):
            first = error.errors()[0]
            sentence = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
        place = text.place("rows", number)
        raise UsageError(f"{place}: row {name!r}: {sentence}") from None


def _check(row: Row) -> None:
    Studio(row.settings)  # knows the names of backends
    if row.painter:
        registry.find("stylize", row.painter)
    if row.style and row.kind in PAINTS and not Path(row.style).exists():
        styles.resolve(row.style)
    if row.kind == "place":
        if not row.painting:
            raise UsageError("place needs a painting")
        options_of(row)
    if row.kind == "given" and not row.result:
        raise UsageError("given needs a result: the file of the picture that was made elsewhere")


def _shortened(row: Row, options: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """The options with fewer steps, where a share of them is asked for."""
    plain = {backend: dict(own) for backend, own in options.items()}
    painter = row.painter
    if row.share_of_steps is None or painter not in registry.backends("stylize"):
        return plain
    steps = effective(painter, plain.get(painter, {})).get("steps")
    if steps is not None:
        plain.setdefault(painter, {})["steps"] = max(1, round(row.share_of_steps * int(steps)))
    return plain


def _options(options: Mapping[str, Mapping[str, Any]], folder: Path) -> dict[str, dict[str, Any]]:
    """The options as their backends read them, with files found from anywhere.

    Raises:
        UsageError: there is no such backend or option, or a value is out of bounds.
    """
    kinds = {name: kind for kind in registry.KINDS for name in registry.backends(kind)}
    read: dict[str, dict[str, Any]] = {}
    for backend, own in options.items():
        if backend not in kinds:
            near = did_you_mean(backend, kinds)
            raise UsageError(f"option {backend}.…: there is no backend {backend!r}{near}")
        model = registry.options_model(kinds[backend], backend)
        parsed = registry.parse_options(model, backend, dict(own))
        values = parsed.model_dump(exclude_unset=True)
        read[backend] = {
            name: str(folder / value) if isinstance(value, Path) else value
            for name, value in values.items()
        }
    return read


def _from(folder: Path) -> Callable[[str], str]:
    return lambda path: str(folder / path)


def _style(style: str | None, folder: Path) -> str | None:
    if style is None or styles.is_built_in(style):
        return style
    path = folder / style
    return str(path) if path.exists() else style


def _column(text: Text, number: int, column: Column, folder: Path) -> Column:
    try:
        return _placed(column, folder)
    except UsageError as error:
        raise UsageError(f"{text.place('pictures', number)}: {error}") from None


def _placed(column: Column, folder: Path) -> Column:
    """The column with its paths found from anywhere, and a name.

    Raises:
        UsageError: a file is not there.
    """
    if column.data is not None:
        kind, colon, end = column.data.rpartition(":")
        drawn = column.data.startswith("synthetic")
        place = column.data if drawn else f"{kind}{colon}{folder / Path(end).expanduser()}"
        name = column.name or ("synthetic" if drawn else Path(end).name)
        return column.model_copy(update={"data": place, "name": name})
    picture = str(column.picture)
    path = SAMPLES.get(picture) or folder / picture
    style = _style(column.style, folder)
    if style and not Path(style).exists():
        styles.resolve(style)
    for file in (path, column.truth and folder / column.truth):
        if file and not Path(file).is_file():
            near = did_you_mean(picture, SAMPLES)
            raise UsageError(f"there is no picture {file}{near}")
    return column.model_copy(
        update={
            "picture": str(path),
            "name": column.name or path.stem,
            "truth": column.truth and str(folder / column.truth),
            "style": style,
        }
    )
