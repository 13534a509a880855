"""A table as its columns: a run's tables become data frames only when those of all runs are read.

A data frame costs more to make than a small table costs to fill, and a study has thousands.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Table: TypeAlias = dict[str, NDArray[Any]]
"""Column by name; all columns have shape (n_rows,)."""


def from_rows(names: Sequence[str], rows: Iterable[Sequence[Any]]) -> Table:
    """Return rows as a table with columns of these names."""
    columns = list(zip(*rows, strict=True)) or [()] * len(names)
    return {name: np.array(column) for name, column in zip(names, columns, strict=True)}


def n_rows(table: Table) -> int:
    """Return the number of rows."""
    return len(next(iter(table.values())))


def stacked(tables: Sequence[Table]) -> Table:
    """Return the rows of all tables, one table after the other; each has the first one's columns.

    A table without rows says nothing of its columns' types; if none has rows, they hold objects.
    """
    filled = [table for table in tables if n_rows(table)]
    if not filled:
        return {name: np.empty(0, dtype=object) for name in tables[0]}
    return {name: np.concatenate([table[name] for table in filled]) for name in tables[0]}
