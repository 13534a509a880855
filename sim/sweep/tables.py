"""Parquet files of a sweep: the same rows give the same bytes, and damage is found on reading."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from sim.errors import FidelioError, StoreError
from sim.sweep.layout import Unit
from sim.sweep.place import Place

GROUP_ROWS: Final = 8192
"""Rows that are read at once of a table of points or of known rows."""
CHOICE, KEYS, POINT, RUN = "choice", "keys", "point", "run"
REPLICATION, PLAN, ERROR = "replication", "plan", "error"

FORM: Final[Mapping[str, Any]] = {
    "compression": "zstd",
    "compression_level": 3,
    "write_page_checksum": True,
    # Of few columns only: a part has some ten rows and some forty columns.
    "write_statistics": [RUN, REPLICATION, ERROR],
}

I64 = npt.NDArray[np.int64]
U64 = npt.NDArray[np.uint64]


# --- whole tables --------------------------------------------------------------------------------


def table_bytes(table: pa.Table, schema: pa.Schema) -> bytes:
    """Return a table as a Parquet file; how it lay in memory does not matter."""
    sink = pa.BufferOutputStream()
    plain = pa.Table.from_arrays(table.columns, schema=schema).combine_chunks()
    pq.write_table(plain, sink, **FORM)
    return bytes(sink.getvalue())


class DamagedError(StoreError):
    """A file of a sweep that does not hold what was written."""


@contextmanager
def opened(place: Place, name: str, metadata: Any = None) -> Iterator[pq.ParquetFile]:
    """Open a Parquet file of a place; `metadata` are its own, if they were read before.

    Raises
    ------
    DamagedError
        If it turns out to be damaged while it is open.
    StoreError
        If it cannot be read.
    """
    try:
        with (
            place.open(name) as file,
            pq.ParquetFile(file, metadata=metadata, page_checksum_verification=True) as table,
        ):
            yield table
    except FidelioError:
        raise
    except (pa.ArrowException, OSError, ValueError) as error:
        reason, *_ = str(error).splitlines()
        if getattr(error, "errno", None):  # the disk's fault, and perhaps for now only
            raise StoreError(f"cannot read {place.url}/{name}: {reason}") from error
        raise DamagedError(f"{place.url}/{name} is damaged: {reason}") from error


def read_table(place: Place, name: str, columns: list[str] | None = None) -> pa.Table:
    """Return a Parquet file of a place as a table.

    Raises
    ------
    DamagedError
        If it is damaged.
    StoreError
        If it cannot be read.
    """
    with opened(place, name) as file:
        return file.read(columns, use_threads=False)  # whoever calls reads several at once


def regrouped(tables: Iterable[pa.Table], rows: int = GROUP_ROWS) -> Iterator[pa.Table]:
    """Yield the same rows in tables of equal length, but for the last one."""
    waiting: list[pa.Table] = []
    held = 0
    for table in tables:
        waiting.append(table)
        held += table.num_rows
        if held < rows:
            continue
        whole = pa.concat_tables(waiting)
        for first in range(0, held - rows + 1, rows):
            yield whole.slice(first, rows).combine_chunks()
        held %= rows
        waiting = [whole.slice(whole.num_rows - held)]
    if held:
        yield pa.concat_tables(waiting).combine_chunks()


def write_groups(place: Place, name: str, schema: pa.Schema, tables: Iterable[pa.Table]) -> None:
    """Write a table that need not fit in memory, in groups of `GROUP_ROWS` rows.

    Raises
    ------
    StoreError
        If it cannot be written.
    """
    with place.filling(name) as path, pq.ParquetWriter(path, schema, **FORM) as writer:
        for table in regrouped(tables):
            writer.write_table(table)


class Keys(NamedTuple):
    """The keys of the results of some points or runs."""

    values: U64
    """All keys, one after the other, shape (n_keys, 2): 16 bytes each."""
    lengths: I64
    """How many of them each point has, shape (n,): one per plan, or a single one of a point that
    makes no configuration."""

    @classmethod
    def of(cls, column: pa.ChunkedArray) -> Keys:
        """Return what a column holds that has at least one row."""
        lists = pa.concat_arrays(column.chunks)
        flat = lists.flatten()
        raw = np.frombuffer(flat.buffers()[1], np.uint64).reshape(-1, 2)
        lengths = lists.value_lengths().to_numpy().astype(np.int64)
        return cls(raw[flat.offset : flat.offset + len(flat)], lengths)


# --- tables that are read in bits ----------------------------------------------------------------


class _Groups:
    """A table whose groups of rows are read when they are asked for; the last ones are kept."""

    KEPT: Final = 2

    def __init__(self, place: Place, name: str, column: str) -> None:
        self.place, self.name = place, name
        self._made: dict[int, pa.Table] = {}
        with opened(place, name) as file:
            self._metadata = file.metadata
        at = self._metadata.schema.to_arrow_schema().names.index(column)
        groups = range(self._metadata.num_row_groups)
        ranges = [self._metadata.row_group(group).column(at).statistics for group in groups]
        self.low = np.array([each.min for each in ranges], np.int64)
        self.high = np.array([each.max for each in ranges], np.int64)

    def read(self, group: int, columns: list[str] | None = None) -> pa.Table:
        """Return a group of rows."""
        with opened(self.place, self.name, self._metadata) as file:
            return file.read_row_group(group, columns)

    def kept(self, group: int, make: Callable[[pa.Table], pa.Table]) -> pa.Table:
        """Return what is made of a group, which is made once while neighbours are asked for."""
        if group not in self._made:
            if len(self._made) == self.KEPT:
                del self._made[next(iter(self._made))]
            self._made[group] = make(self.read(group))
        return self._made[group]


class Points:
    """The points that came with a document, by the runs that came with them.

    Parameters
    ----------
    place, name
        The table.
    first_run
        The first of its own runs; points may also share runs that were there before.
    """

    def __init__(self, place: Place, name: str, first_run: int) -> None:
        self.first_run = first_run
        self._groups = _Groups(place, name, RUN)
        # Runs are numbered as they come, so a run's first point lies where the highest run so far
        # reaches it.
        self._last_run = np.maximum.accumulate(self._groups.high)

    def of_runs(self, first: int, last: int) -> dict[int, tuple[int, dict[str, Any]]]:
        """Return choice and factors of the first point of each run, the last run included."""
        found: dict[int, tuple[int, dict[str, Any]]] = {}
        begin, end = np.searchsorted(self._last_run, [first, last])
        for group in range(begin, end + 1):
            table, base = self._firsts(group), self._before(group) + 1
            low, high = max(first, base), min(last, base + table.num_rows - 1)
            for run, row in enumerate(table.slice(low - base, high - low + 1).to_pylist(), low):
                found[run] = (row.pop(CHOICE), row)
        return found

    def run_keys(self) -> Iterator[Keys]:
        """Yield the keys of the runs, in order."""
        for group in range(len(self._last_run)):
            table = self._groups.read(group, [RUN, KEYS])
            firsts = table.filter(self._is_first(group, table))
            if firsts.num_rows:
                yield Keys.of(firsts[KEYS])

    def _firsts(self, group: int) -> pa.Table:
        """Return the first points of runs in a group: a row per run, without a gap."""

        def chosen(table: pa.Table) -> pa.Table:
            return table.filter(self._is_first(group, table)).drop_columns([POINT, RUN, KEYS])

        return self._groups.kept(group, chosen)

    def _is_first(self, group: int, table: pa.Table) -> pa.Array:
        runs = table[RUN].to_numpy()
        highest = np.maximum.accumulate(np.concatenate([[self._before(group)], runs]))[:-1]
        return pa.array(runs > highest)

    def _before(self, group: int) -> int:
        """Return the highest run before a group."""
        before = int(self._last_run[group - 1]) if group else -1
        return max(before, self.first_run - 1)


class Known:
    """Rows that need not be lived, sorted by run, replication and plan; each unit's are complete.

    Parameters
    ----------
    place, name
        The table.
    n_plans
        Rows of a unit.
    """

    def __init__(self, place: Place, name: str, n_plans: int) -> None:
        self._groups, self._n_plans = _Groups(place, name, RUN), n_plans

    def of_units(self, units: list[Unit]) -> dict[Unit, pa.Table]:
        """Return the rows of those units that are known; units come in ascending order."""
        begin = int(np.searchsorted(self._groups.high, units[0].run))
        end = int(np.searchsorted(self._groups.low, units[-1].run, side="right"))
        if begin >= end:
            return {}
        groups = [self._groups.kept(group, lambda table: table) for group in range(begin, end)]
        table = pa.concat_tables(groups)
        held = unit_codes(table[RUN].to_numpy(), table[REPLICATION].to_numpy())
        wanted = unit_codes(*np.array(units, np.int64).T)
        at = np.minimum(np.searchsorted(held, wanted), len(held) - 1)
        return {
            unit: table.slice(int(row), self._n_plans)
            for unit, row, code in zip(units, at, wanted, strict=True)
            if held[row] == code
        }


def unit_codes(runs: npt.NDArray[Any], replications: npt.NDArray[Any]) -> I64:
    """Return a number per unit that sorts as (run, replication) does."""
    codes: I64 = runs.astype(np.int64) * 2**31 + replications
    return codes
