"""A sweep as tables: views in DuckDB over the files of its store, which are only ever read.

Five tables, made when they are asked for:

    points     point, run, and a column per factor
    outcomes   point, run, replication, plan, error, and a column per outcome
    quarters   point, run, replication, plan, quarter (from 1), and a column per quarterly number
    segments   point, run, replication, plan, segment, and a column per number by segment
    failures   point, run, replication, error

Points that share a run each have its rows. Without ORDER BY rows come in any order. Which files
there are is looked up when a sweep is opened: parts that workers add later are seen when it is
opened again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast
from uuid import uuid4

import duckdb
import pyarrow as pa

from sim.errors import ConfigError, FidelioError, StoreError
from sim.sweep.layout import (
    BY_SEGMENT,
    PARTS,
    POINT_COLUMNS,
    POINTS,
    QUARTERLY,
    SEGMENT_NAMES,
    shards_in,
    table_name,
)
from sim.sweep.place import open_place
from sim.sweep.store import Store
from sim.sweep.tables import read_table

if TYPE_CHECKING:
    import pandas as pd

T = TypeVar("T")

MEMORY: Final = "2GB"
"""What DuckDB may hold in memory; beyond it, it works on disk."""
TABLES: Final = ("points", "outcomes", "quarters", "segments", "failures")
FORMS: Final[dict[str, Callable[[duckdb.DuckDBPyRelation, str], None]]] = {
    ".csv": lambda rows, path: rows.write_csv(path),
    ".parquet": lambda rows, path: rows.write_parquet(path, compression="zstd"),
}
"""Suffix of a file to what writes it."""
SQL_TYPES: Final = {
    "int32": "INTEGER",
    "int64": "BIGINT",
    "double": "DOUBLE",
    "string": "VARCHAR",
    "list<item: double>": "DOUBLE[]",
    "list<item: string>": "VARCHAR[]",
}
"""Types of `row_schema` as DuckDB calls them."""
UNIT: Final = "point, run, replication"

_NO_READING = re.compile(r'"type":"\w+_QUERY_NODE"|"function_name":"query"')
"""What writes from inside a SELECT in DuckDB's tree of it, or hides a statement in a text."""
_ASKED = (
    duckdb.BinderException,
    duckdb.CatalogException,
    duckdb.DataError,
    duckdb.ParserException,
)
"""Errors of DuckDB that are about the question and not about a file."""


def open_sweep(path: str | Path) -> Sweep:
    """Open the sweep in a folder, or at a URL that fsspec knows, for questions.

    Raises
    ------
    StoreError
        If there is no sweep, or it cannot be read.
    """
    return Sweep(Store.open(open_place(path)))


class Sweep:
    """A sweep that is read; a context manager, for it holds a connection.

    `points`, `outcomes`, `quarters`, `segments` and `failures` are whole tables, in order. Where
    they would not fit in memory, `sql` asks for what is wanted of them.

    DuckDB finds files that are cut or garbled, and not a single wrong bit in a number: it does not
    look at checksums. `fidelio sweep resume=SWEEP` does.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        settings = {
            "memory_limit": MEMORY,
            # Made when memory is short, and removed, by DuckDB; else it would lie where we stand.
            "temp_directory": str(Path(gettempdir(), f"fidelio-{uuid4().hex}")),
            "autoinstall_known_extensions": "false",  # a question downloads nothing
            # What a question names is a table of the sweep or a file, never a variable of ours.
            "python_enable_replacements": "false",
        }
        self._connection = duckdb.connect(config=cast(Any, settings))
        self._connection.execute("SET enable_progress_bar = false")
        if store.place.local is None:
            from fsspec.core import url_to_fs  # noqa: PLC0415 - of no use to a local sweep

            self._connection.register_filesystem(url_to_fs(store.place.url)[0])
        try:
            self._twice(self._look)
        except duckdb.Error as error:
            problem = self._damage() or f"{store.place.url} cannot be read: {_first_line(error)}"
            self.close()
            raise StoreError(problem) from None

    def __enter__(self) -> Sweep:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the connection; no further question can be asked."""
        self._connection.close()

    def __repr__(self) -> str:
        done, planned = self.progress
        return (
            f"<Sweep {self._store.place.url}: {self._store.n_points:,} points,"
            f" {self._store.n_runs:,} runs, {done:,} of {planned:,} units done,"
            f" {self._n_failures:,} failed>"
        )

    # --- what there is -----------------------------------------------------------------------

    @property
    def documents(self) -> tuple[dict[str, Any], ...]:
        """What was asked for: the manifest, and a document for each extension."""
        return tuple(self._store.documents)

    @property
    def plans(self) -> tuple[str, ...]:
        """Names of the plans, baseline first."""
        return self._store.plans

    @property
    def progress(self) -> tuple[int, int]:
        """Units that are done, and units that are planned."""
        blocks = self._store.blocks
        done = sum(
            self._store.block_of(shard).n_units_of(shard)
            for part in self._parts
            for shard in shards_in(part) or ()
        )
        return done, sum(block.units for block in blocks)

    @cached_property
    def points(self) -> pd.DataFrame:
        """The points, in order."""
        return self.sql("FROM points ORDER BY point")

    @cached_property
    def outcomes(self) -> pd.DataFrame:
        """Outcomes of each plan; the baseline is the first of a unit."""
        return self.sql(f"FROM outcomes ORDER BY point, replication, {self._plan_order}")

    @cached_property
    def quarters(self) -> pd.DataFrame:
        """Numbers by quarter of each plan."""
        return self.sql(f"FROM quarters ORDER BY point, replication, {self._plan_order}, quarter")

    @cached_property
    def segments(self) -> pd.DataFrame:
        """Numbers by segment of each plan, segments by name."""
        return self.sql(f"FROM segments ORDER BY point, replication, {self._plan_order}, segment")

    @cached_property
    def failures(self) -> pd.DataFrame:
        """Units that failed, each with its error."""
        return self.sql("FROM failures ORDER BY point, replication")

    def columns(self, table: str) -> dict[str, str]:
        """Return the columns of one of the tables with their types, as DuckDB calls them."""
        return {name: kind for name, kind, *_ in self._rows(f"DESCRIBE {table}")}

    def count(self, table: str) -> int:
        """Return the number of rows of one of the tables."""
        return int(self._rows(f"SELECT count(*) FROM {table}")[0][0])

    # --- questions ---------------------------------------------------------------------------

    def sql(self, text: str) -> pd.DataFrame:
        """Return what a SELECT in DuckDB's SQL gives.

        Parameters
        ----------
        text
            The tables are `points`, `outcomes`, `quarters`, `segments` and `failures`; a name with
            dots stands in double quotes: `SELECT avg("finance.gross_margin") FROM points`.

        Raises
        ------
        ConfigError
            If it is no SELECT, or DuckDB cannot answer it.
        StoreError
            If a file of the sweep is damaged.
        """
        frame: pd.DataFrame = self._answer(text, lambda: self._connection.sql(text).df())
        return frame

    def batches(self, text: str) -> Iterator[pa.RecordBatch]:
        """Yield what a SELECT gives, bit by bit: it need not fit in memory.

        Raises
        ------
        ConfigError, StoreError
            As `sql` does.
        """
        cursor = self._connection.cursor()  # so that other questions may be asked meanwhile
        cursor.execute("SET enable_progress_bar = false")
        try:
            reader = self._answer(text, lambda: pa.RecordBatchReader.from_stream(cursor.sql(text)))
            yield pa.record_batch([pa.nulls(0, f.type) for f in reader.schema], reader.schema)
            yield from reader
        except (duckdb.Error, pa.ArrowException, OSError) as error:
            raise self._explained(error) from None
        finally:
            cursor.close()

    def write(self, text: str, path: Path) -> Path:
        """Write what a SELECT gives as CSV or Parquet, by the path's suffix, and return the path.

        Raises
        ------
        ConfigError
            As `sql` does.
        StoreError
            If the suffix is another one, the file cannot be written, or one of the sweep is
            damaged.
        """
        if path.suffix not in FORMS:
            raise StoreError(f"cannot write {path}: a table ends in {' or '.join(FORMS)}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as folder:
                written = Path(folder, path.name)
                form = FORMS[path.suffix]
                self._answer(text, lambda: form(self._connection.sql(text), str(written)))
                written.replace(path)
        except OSError as error:
            raise StoreError(f"cannot write {path}: {error.strerror or error}") from error
        return path

    # --- views -------------------------------------------------------------------------------

    def _look(self) -> None:
        """See which files there are, and make the views over them."""
        self._parts = self._store.part_files()
        points = [table_name(POINTS, index) for index in range(len(self._store.documents))]
        there = {*self._store.place.names(POINTS)}
        self._points = [name for name in points if name.rpartition("/")[2] in there]
        for name, query in self._views().items():
            self._connection.execute(f"CREATE OR REPLACE VIEW {name} AS {query}")

    def _views(self) -> dict[str, str]:
        columns = self._store.manifest["columns"]
        outcomes = [_quoted(name) for name in columns["outcomes"]]
        quarterly = {name: _quoted(f"{QUARTERLY}{name}") for name in columns["quarters"]}
        by_segment = {name: _quoted(f"{BY_SEGMENT}{name}") for name in columns["segments"]}
        n_quarters = f"greatest({', '.join(f'len({column})' for column in quarterly.values())})"
        quarter = f"generate_series(1, {n_quarters})" if quarterly else "NULL::BIGINT[]"
        given = ", ".join(POINT_COLUMNS.names)
        rows = self._rows_of_points()
        return {
            "points": f"SELECT point, run, * EXCLUDE ({given}) FROM {self._point_rows()}",
            "outcomes": f"SELECT {', '.join([UNIT, 'plan', 'error', *outcomes])} FROM {rows}",
            "quarters": f"{_unnested({'quarter': quarter, **quarterly})} FROM {rows}",
            "segments": f"{_unnested({'segment': SEGMENT_NAMES, **by_segment})} FROM {rows}",
            "failures": f"SELECT {UNIT}, min(error) AS error FROM {rows}"
            " WHERE error IS NOT NULL GROUP BY ALL",
        }

    def _rows_of_points(self) -> str:
        """Return SQL for the rows of all parts with the point that they belong to."""
        if self._store.n_points == self._store.n_runs:  # then each point is the run of its number
            return f"(SELECT run AS point, * FROM {self._part_rows()})"
        points = f"(SELECT point, run FROM {self._point_rows()})"
        return f"(SELECT p.point, r.* FROM {self._part_rows()} AS r JOIN {points} AS p USING (run))"

    def _point_rows(self) -> str:
        return f"read_parquet({self._files(self._points)}, union_by_name = true)"

    def _part_rows(self) -> str:
        """Return SQL for the rows of all parts, which may be none yet."""
        if self._parts:
            return f"read_parquet({self._files(self._parts)})"
        columns = (
            f"NULL::{SQL_TYPES[str(field.type)]} AS {_quoted(field.name)}"
            for field in self._store.schema
        )
        return f"(SELECT {', '.join(columns)} WHERE false)"

    def _files(self, names: list[str]) -> str:
        return f"[{', '.join(_literal(self._path(name)) for name in names)}]"

    def _path(self, name: str) -> str:
        place = self._store.place
        return f"{place.url.rstrip('/')}/{name}" if place.local is None else str(place.local / name)

    @property
    def _plan_order(self) -> str:
        plans = ", ".join(_literal(plan) for plan in self.plans)
        return f"list_position([{plans}], plan)"

    @cached_property
    def _n_failures(self) -> int:
        return self.count("(SELECT DISTINCT run, replication FROM failures)")

    # --- asking DuckDB -----------------------------------------------------------------------

    def _rows(self, query: str) -> list[Any]:
        return self._answer(query, lambda: self._connection.execute(query).fetchall())

    def _answer(self, text: str, ask: Callable[[], T]) -> T:
        """Do what puts a text to DuckDB."""
        try:
            self._check(text)
            return self._twice(ask)
        except duckdb.Error as error:
            raise self._explained(error) from None

    def _twice(self, ask: Callable[[], T]) -> T:
        """Do it once more if parts were merged since they were looked up."""
        try:
            return ask()
        except duckdb.Error:
            if not self._is_outdated():
                raise
        self._look()
        return ask()

    def _check(self, text: str) -> None:
        """Raise ConfigError unless a text is one SELECT that changes nothing anywhere."""
        [[tree]] = self._connection.execute("SELECT json_serialize_sql($1)", [text]).fetchall()
        parsed = json.loads(tree)
        if parsed["error"] and parsed.get("error_type") == "parser":
            duckdb.extract_statements(text)  # says what is wrong, and where
        if parsed["error"] or _NO_READING.search(tree) or len(parsed["statements"]) != 1:
            raise ConfigError(
                "a sweep is only read", key="query", allowed="one SELECT (or FROM, WITH, DESCRIBE)"
            )

    def _is_outdated(self) -> bool:
        return not {*self._parts} <= {f"{PARTS}/{n}" for n in self._store.place.names(PARTS)}

    def _explained(self, error: Exception) -> FidelioError:
        """Return what DuckDB complains of as an error of the question or of a file."""
        if isinstance(error, duckdb.ConnectionException):
            return StoreError(f"{self._store.place.url} is closed; open it again")
        if isinstance(error, duckdb.OutOfMemoryException):
            return ConfigError(f"takes more memory than {MEMORY}", key="query",
                               allowed="a SELECT that sums up, or fewer columns")  # fmt: skip
        if not isinstance(error, _ASKED) and (damage := self._damage()):
            return StoreError(damage)
        return self._misasked(_first_line(error))

    def _misasked(self, problem: str) -> ConfigError:
        """Return the error of a question, with the table or column that may have been meant."""
        quoted = re.search(r'column "([^"]+)"|column named "([^"]+)"', problem)
        table = re.search(r"Table with name (\S+)", problem)
        missing = next((part for part in quoted.groups() if part), "") if quoted else ""
        known: list[str] = []
        if missing:
            known = [column for name in TABLES for column in self.columns(name)]
        elif table:
            missing, known = table[1], [*TABLES]
        error = ConfigError(problem.rstrip("!. "), key="query", value=missing or None, known=known)
        if error.nearest or table:
            return error
        return ConfigError(error.problem, key="query")

    def _damage(self) -> str:
        """Return which file cannot be read to its end, and what to do; nothing if all can be."""
        for name in (*self._points, *self._parts):
            try:
                read_table(self._store.place, name)
            except StoreError:
                mend = (
                    f"`fidelio sweep resume={self._store.place.url}` recomputes it"
                    if name in self._parts
                    else "restore it from a copy"
                )
                return f"{self._path(name)} is damaged; {mend}"
        return ""


def _first_line(error: Exception) -> str:
    """Return what DuckDB complains of, without the kind of error and the text of the question."""
    first = str(error).strip().partition("\n")[0]
    return first.partition(" Error: ")[2] or first or type(error).__name__


def _unnested(lists: Mapping[str, str]) -> str:
    """Return SQL for a row per item of lists that go side by side."""
    items = (f"unnest({column}) AS {_quoted(name)}" for name, column in lists.items())
    return f"SELECT {', '.join([UNIT, 'plan', *items])}"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
