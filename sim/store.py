"""A run's folder: Parquet tables and JSON documents, each written whole or not at all."""

from __future__ import annotations

import json
import math
import os
import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from sim.errors import StoreError

TABLES: dict[str, Callable[[pd.DataFrame, Path], Any]] = {
    ".csv": lambda table, path: table.to_csv(path, index=False),
    ".parquet": lambda table, path: table.to_parquet(path, index=False),
}
"""Suffix of a table's file to what writes it."""


def write_run(
    folder: Path, tables: Mapping[str, pd.DataFrame], documents: Mapping[str, Mapping[str, Any]]
) -> None:
    """Write tables as NAME.parquet and documents as NAME.json into a folder, making it if need be.

    Raises
    ------
    StoreError
        If the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, table in tables.items():
            _replace(folder / f"{name}.parquet", partial(table.to_parquet, index=False))
        for name, document in documents.items():
            text = json.dumps(_plain(document), indent=2, ensure_ascii=False, allow_nan=False)
            write_text(folder / f"{name}.json", text + "\n")
    except OSError as error:
        raise _unwritable(folder, error) from error


def check_table(path: Path) -> None:
    """Raise StoreError if a path does not say in what form a table is to be written."""
    if path.suffix not in TABLES:
        raise StoreError(f"cannot write {path}: a table ends in {' or '.join(TABLES)}")


def write_table(path: Path, table: pd.DataFrame) -> Path:
    """Write a table as CSV or Parquet, by the path's suffix, and return the path.

    Raises
    ------
    StoreError
        If the suffix is another one, or the file cannot be written.
    """
    check_table(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _replace(path, partial(TABLES[path.suffix], table))
    except OSError as error:
        raise _unwritable(path, error) from error
    return path


def write_text(path: Path, text: str) -> Path:
    """Write a text file, making its folder if need be, and return its path.

    Raises
    ------
    StoreError
        If it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _replace(path, lambda temporary: temporary.write_text(text, "utf-8"))
    except OSError as error:
        raise _unwritable(path, error) from error
    return path


def check_folder(folder: Path) -> None:
    """Make a folder if need be, and raise StoreError now rather than after a long run.

    Raises
    ------
    StoreError
        If it cannot be made or written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise StoreError(
            f"cannot write into the output folder {folder}: {error.strerror}"
        ) from error


def _unwritable(path: Path, error: OSError) -> StoreError:
    return StoreError(f"cannot write {path}: {error.strerror or error}")


def _replace(target: Path, write: Callable[[Path], Any]) -> None:
    """Write beside the target and rename, so that a reader never meets half a file."""
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    os.close(handle)
    temporary = Path(name)
    try:
        write(temporary)
        temporary.chmod(0o644)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def _plain(value: Any) -> Any:
    """Return JSON-able values: no NaN, infinity or NumPy; what does not exist is None."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    return value
