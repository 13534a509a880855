"""What came of units, as the table of a part."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from sim.sweep.layout import Unit

Row = Sequence[Any]
"""What a plan gave in a unit: the columns of `row_schema` that follow `error`, in order; a number,
an array for a column of lists, names for the segments."""

WHOSE = 4
"""Columns of `row_schema` before those of a Row."""


def table_of(
    schema: pa.Schema, plans: Sequence[str], units: Sequence[Unit], lived: Sequence[list[Row] | str]
) -> pa.Table:
    """Return the rows of units, unit by unit, plan by plan; NaN becomes null.

    Parameters
    ----------
    schema
        From `sim.sweep.layout.row_schema`.
    plans
        Names of the rows of a unit, the baseline first.
    units, lived
        Each unit with a row per plan, or with the error that it ended with.
    """
    if not units:
        return schema.empty_table()
    nothing: Row = [None] * (len(schema) - WHOSE)
    rows: list[Row] = []
    errors: list[str | None] = []
    for one in lived:
        rows += [nothing] * len(plans) if isinstance(one, str) else one
        errors += [one if isinstance(one, str) else None] * len(plans)
    whose: list[Any] = [
        np.repeat([unit.run for unit in units], len(plans)),
        np.repeat([unit.replication for unit in units], len(plans)),
        list(plans) * len(units),
        errors,
    ]
    columns = [*whose, *zip(*rows, strict=True)]
    arrays = [_array(column, field.type) for column, field in zip(columns, schema, strict=True)]
    return pa.Table.from_arrays(arrays, schema=schema)


def _array(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    if not pa.types.is_list(kind) or pa.types.is_string(kind.value_type):
        return pa.array(values, kind, from_pandas=True)
    lengths = [0 if value is None else len(value) for value in values]
    # An empty list at a null would do no harm but to tell them apart.
    offsets = pa.array(np.concatenate([[0], np.cumsum(lengths)]), pa.int32())
    flat = [value for value in values if value is not None]
    numbers = pa.array(np.concatenate(flat) if flat else np.empty(0), kind.value_type,
                       from_pandas=True)  # fmt: skip
    missing = pa.array([value is None for value in values], pa.bool_())
    return pa.ListArray.from_arrays(offsets, numbers, mask=missing)
