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
