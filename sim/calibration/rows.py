"""Rows of a small file that a person wrote, CSV, Parquet or YAML, checked field by field.

A row becomes a dataclass whose field `place` says where it stands, for later complaints.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar, cast

import yaml  # type: ignore[import-untyped]

from sim.calibration.table import open_table
from sim.config.build import build
from sim.config.files import LOADER, bad_yaml, shown
from sim.errors import ConfigError, DataError

T = TypeVar("T")

PLACE = "place"


def read_rows(cls: type[T], path: str | Path, what: str) -> list[T]:
    """Return the rows of a file as instances of a dataclass.

    Parameters
    ----------
    cls
        A frozen dataclass as `sim.config.build` takes it; its fields but `place` are the columns.
    path
        CSV or Parquet with a header, or YAML: a list of mappings, or one under the name `what`.
    what
        What the rows are called, in plural: `targets`.

    Raises
    ------
    DataError
        If the file cannot be read or has no rows.
    ConfigError
        If a row has an unknown or missing field or a value that cannot be used; it names the row.
    """
    file = Path(path)
    name = shown(file)
    if file.suffix.lower() in (".yaml", ".yml"):
        rows, first, noun = _yaml_rows(file, what), 1, "item"
    else:
        rows, first, noun = _table_rows(cls, file)
    if not rows:
        raise DataError(f"{name}: has no {what}; allowed: one row or more")
    return [_made(cls, row, f"{name}, {noun} {n}") for n, row in enumerate(rows, first)]


def _made(cls: type[T], row: object, where: str) -> T:
    if isinstance(row, Mapping) and PLACE in row:
        raise ConfigError("no such setting", key=PLACE, file=where, known=_fields(cls))
    try:
        made: Any = build(cls, row)
    except ConfigError as error:
        raise error.with_file(where) from None
    return cast(T, dataclasses.replace(made, **{PLACE: where}))


def _fields(cls: type) -> dict[str, dataclasses.Field[Any]]:
    """Return what a row may say, by name."""
    fields = dataclasses.fields(cast(Any, cls))
    return {field.name: field for field in fields if field.name != PLACE}


def _yaml_rows(file: Path, what: str) -> list[Any]:
    try:
        data = yaml.load(file.read_text(encoding="utf-8"), LOADER)
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        raise DataError(f"{shown(file)}: cannot be read: {reason}") from None
    except yaml.YAMLError as error:
        raise bad_yaml(error, shown(file)) from None
    if isinstance(data, Mapping) and set(data) == {what}:
        data = data[what]
    if not isinstance(data, list | None):
        raise DataError(f"{shown(file)}: is no list; allowed: a list, or {what}: with a list")
    return data or []


def _table_rows(cls: type, file: Path) -> tuple[list[dict[str, Any]], int, str]:
    """Return the rows, the number of the first one and what a row is called."""
    fields = _fields(cls)
    with open_table(file) as table:
        for column in table.columns:
            if column not in fields:
                raise ConfigError("no such column", key=column, file=table.name, known=fields)
        table.load({column: column for column in table.columns})
        found = table.numbers(f"SELECT {', '.join(table.columns)} FROM cells ORDER BY row")
        first = table.first_row
    texts = zip(*(column.tolist() for column in found.values()), strict=True)
    rows = [
        {name: _read(text, numeric=bool(fields[name].metadata))
         for name, text in zip(found, row, strict=True) if text is not None}
        for row in texts
    ]  # fmt: skip
    return rows, first, "row"


def _read(text: str, *, numeric: bool) -> str | float:
    """Return a cell as its field wants it; what is no number is left for the field to refuse."""
    if not numeric:
        return text
    try:
        return float(text)
    except ValueError:
        return text
