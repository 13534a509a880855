"""Tables as columns, before they become data frames."""

from __future__ import annotations

import numpy as np
import pandas as pd

from sim.measures.columns import from_rows, n_rows, stacked

NAMES = ("quarter", "name", "share")


def test_rows_become_columns():
    table = from_rows(NAMES, [(1, "a", 0.5), (2, "b", 0.25)])
    assert n_rows(table) == 2
    assert {name: column.tolist() for name, column in table.items()} == {
        "quarter": [1, 2], "name": ["a", "b"], "share": [0.5, 0.25],
    }  # fmt: skip


def test_a_table_without_rows_keeps_its_columns():
    table = from_rows(NAMES, [])
    assert list(table) == list(NAMES)
    assert n_rows(table) == 0


def test_stacked_tables_are_those_of_pandas():
    tables = [from_rows(NAMES, rows) for rows in ([(1, "a", 0.5)], [], [(2, "longer", np.nan)])]
    frames = [pd.DataFrame(table) for table in tables if n_rows(table)]
    expected = pd.concat(frames, ignore_index=True)
    pd.testing.assert_frame_equal(pd.DataFrame(stacked(tables)), expected)


def test_an_empty_table_does_not_make_numbers_of_texts_or_texts_of_numbers():
    filled = from_rows(NAMES, [(1, "a", 0.5)])
    for tables in ([from_rows(NAMES, []), filled], [filled, from_rows(NAMES, [])]):
        assert [column.dtype.kind for column in stacked(tables).values()] == ["i", "U", "f"]


def test_tables_that_are_all_empty_are_stacked_to_an_empty_one():
    table = stacked([from_rows(NAMES, [])] * 3)
    assert list(table) == list(NAMES)
    assert pd.DataFrame(table).dtypes.tolist() == pd.DataFrame(columns=NAMES).dtypes.tolist()
