"""A user's CSV or Parquet file as a table of text in DuckDB, and what is wrong in it, by row.

The only module that opens data with DuckDB. A file is copied once into a database on disk, cell by
cell as text, so that it need not fit in memory and every complaint can quote what the file says.
Rows are numbered as a spreadsheet shows them: the header of a CSV file is row 1.
"""

from __future__ import annotations

import csv
import gzip
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, BinaryIO, Final, cast

import duckdb

from sim.config.files import config_root, shown
from sim.errors import ConfigError, DataError

MEMORY: Final = "1GB"
"""What DuckDB may hold in memory; beyond it, it works on disk."""
THREADS: Final = 2
SHOWN_ROWS: Final = 5
"""Rows that a message names."""
SHOWN_COLUMNS: Final = 20
"""Columns that it names."""
LONGEST_HEADER: Final = 1_000_000
"""Bytes of the row of names."""
DELIMITERS: Final = ",;\t|"
SHIPPED: Final = ("panels_gpl", "cdnow", "complete_journey")
"""Folders of the shipped data; of two files with the same name the first one is meant."""
ENDINGS: Final = (".csv", ".csv.gz", ".parquet")
EMPTY: Final = ("", "na", "n/a", "nan", "nat", "null", "none", "#n/a")
"""What an empty cell says, in lower case."""
NESTED: Final = re.compile(r"\[|^(STRUCT|MAP|UNION|LIST|BLOB|BIT)")
EPOCH: Final = "DATE '1970-01-01'"

DATE_KINDS: Final = {
    "year-month-day": r"\d{4}[-/.]\d{1,2}[-/.]\d{1,2}([T ].*)?",
    "day and month, then the year": r"\d{1,2}[-/.]\d{1,2}[-/.]\d{4}([T ].*)?",
    "YYYYMMDD": r"(19|20)\d{6}",
    "day number": r"[+-]?\d{1,7}(\.0*)?",
}
DATES_ALLOWED: Final = (
    "YYYY-MM-DD, DD/MM/YYYY or MM/DD/YYYY, YYYYMMDD, or whole day numbers; state any other with"
    " date_format, such as '%d %b %Y'"
)
DATE_FORMATS: Final = {"ymd": "%Y-%m-%d", "dmy": "%d-%m-%Y", "mdy": "%m-%d-%Y"}


# --- which file ---------------------------------------------------------------------------------


def find_data(path: str | Path) -> tuple[Path, str]:
    """Return the data file that is meant, and what has to be said of it.

    Parameters
    ----------
    path
        A path, or the name of shipped data with or without its folder and ending: `yogurt`,
        `cdnow_sample`, `complete_journey/yogurt`. A path that does not exist but ends in the name
        of a shipped file means that file.

    Returns
    -------
    path
        A file that exists.
    note
        Which shipped file is read instead; empty for a path that exists.

    Raises
    ------
    DataError
        If there is no such file; names near it are told.
    """
    path = Path(path)
    if path.exists():
        return path, ""
    root = config_root() / "data"
    shipped = [
        file
        for folder in SHIPPED
        for file in sorted((root / folder).glob("*"))
        if file.name.endswith(ENDINGS)
    ]
    matches = [file for file in shipped if _stem(file) == _stem(path)]
    if not matches:
        raise _missing(path, shipped)
    chosen = max(matches, key=lambda file: file.parent.name == path.parent.name)
    note = f"'{path}' is read from the shipped {chosen.relative_to(root.parent)}"
    others = [f"{file.parent.name}/{_stem(file)}" for file in matches if file != chosen]
    return chosen, note + (f"; {', '.join(others)} has that name too" if others else "")


def _stem(path: Path) -> str:
    return path.name.partition(".")[0].lower()


def _missing(path: Path, shipped: Sequence[Path]) -> DataError:
    folder = path.parent if path.parent.is_dir() else Path()
    names = [f.name for f in folder.iterdir() if f.name.endswith(ENDINGS)]
    near = get_close_matches(path.name, names, n=3, cutoff=0.5)
    stems = {_stem(file): f"{_stem(file)} (shipped)" for file in shipped}
    near += [stems[name] for name in get_close_matches(_stem(path), stems, n=2, cutoff=0.6)]
    hint = f"; near it: {', '.join(near)}" if near else ""
    names_of = ", ".join(stems)
    return DataError(
        f"{shown(path)}: no such file{hint}; allowed: a CSV or Parquet file, or shipped data: "
        f"{names_of}"
    )


# --- the table ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Table:
    """An open data file.

    `load` copies the columns that are wanted into the SQL table `cells`: text under the names that
    the caller gives, `row` as the user counts, and `mark`, a hash of everything in the row.
    """

    name: str
    """The file, as messages name it."""
    columns: tuple[str, ...]
    """Names as the file has them."""
    connection: duckdb.DuckDBPyConnection
    source: str
    """SQL that stands for the file, its columns named c0, c1, ..."""
    first_row: int
    """Number of the first row of data."""

    def load(self, wanted: Mapping[str, str]) -> None:
        """Copy columns into `cells`; cells that say nothing become NULL.

        Parameters
        ----------
        wanted
            Name in `cells` to the column's name in the file.

        Raises
        ------
        DataError
            If the file is broken, has no rows, or a wanted column cannot be told as text.
        """
        cells = [_cell(f"c{self.columns.index(c)}", name) for name, c in wanted.items()]
        everything = ", ".join(f"c{i}" for i in range(len(self.columns)))
        self._run(
            f"CREATE TABLE texts AS SELECT {', '.join(cells)}, hash({everything}) AS mark"
            f" FROM {self.source}"
        )
        self.refresh()
        if not self.value("SELECT count(*) FROM cells"):
            raise DataError(f"{self.name}: has a header and no rows; allowed: some below it")

    def refresh(self) -> None:
        """Make `cells` follow a change of the columns of `texts`."""
        self.connection.execute(
            f"CREATE OR REPLACE VIEW cells AS SELECT *, rowid + {self.first_row} AS row FROM texts"
        )

    def sort_out(self, reasons: Mapping[str, str]) -> dict[str, int]:
        """Make `used`, the cells that no reason speaks against, and `units`, who they are of.

        Parameters
        ----------
        reasons
            Why a row is left out, to the condition, SQL; the first that holds counts.

        Returns
        -------
        dict
            Reason to the number of rows, without zeros.
        """
        cases = " ".join(f"WHEN {sql} THEN {literal(why)}" for why, sql in reasons.items())
        self.connection.execute(
            f"CREATE VIEW judged AS SELECT *, CASE {cases} END AS why FROM cells"
        )
        self.connection.execute("CREATE TABLE used AS SELECT * FROM judged WHERE why IS NULL")
        # Numbered in the order of their first rows.
        self.connection.execute(
            "CREATE TABLE units AS SELECT unit, row_number() OVER (ORDER BY min(row)) - 1"
            " AS unit_number FROM used GROUP BY unit"
        )
        counted = self.connection.execute(
            "SELECT why, count(*) FROM judged WHERE why IS NOT NULL GROUP BY why"
        ).fetchall()
        counts = dict(counted)
        return {why: int(counts[why]) for why in reasons if why in counts}

    def _run(self, query: str) -> None:
        try:
            self.connection.execute(query)
        except duckdb.Error as error:
            raise _broken_file(self.name, error) from None

    def value(self, query: str) -> Any:
        """Return the only number of a query."""
        found = self.connection.execute(query).fetchone()
        return found[0] if found else None

    def numbers(self, query: str) -> dict[str, Any]:
        """Return the columns of a query as NumPy arrays."""
        return dict(self.connection.execute(query).fetchnumpy())

    def reject(self, where: str, column: str, cell: str, problem: str, allowed: str) -> None:
        """Raise an error that names the rows of `cells` that meet a condition, if there are any.

        Parameters
        ----------
        where
            The condition, SQL.
        column
            The column at fault, as the file names it.
        cell
            What is quoted of the row, SQL.
        problem
            What is wrong, after "row 7".
        allowed
            What would be accepted.
        """
        found = self.connection.execute(
            f"SELECT row, {cell} FROM cells WHERE {where} ORDER BY row LIMIT {SHOWN_ROWS + 1}"
        ).fetchall()
        if not found:
            return
        total = self.value(f"SELECT count(*) FROM cells WHERE {where}")
        rows = ", ".join(str(row) for row, _ in found[:SHOWN_ROWS])
        more = f" and {total - SHOWN_ROWS} more" if total > SHOWN_ROWS else ""
        raise DataError(
            f"{self.name}: column '{column}', row{'s' if total > 1 else ''} {rows}{more}"
            f"{self.count_from}: '{found[0][1]}' {problem}; allowed: {allowed}"
        )

    def reject_non_numbers(self, columns: Mapping[str, str]) -> None:
        """Raise an error if columns of `cells` hold text that is no finite number.

        Parameters
        ----------
        columns
            Name in `cells` to the column's name in the file.
        """
        bad = {
            name: f"{name} IS NOT NULL AND NOT coalesce(isfinite({number(name)}), false)"
            for name in columns
        }
        for name in self.names_of(bad):
            comma = self.value(
                f"SELECT count(*) FROM cells WHERE regexp_full_match({name}, '-?[0-9]+,[0-9]+')"
            )
            allowed = "a number such as 12.5" + (", with a point and not a comma" if comma else "")
            self.reject(bad[name], columns[name], name, "is no number", allowed)

    def names_of(self, conditions: Mapping[str, str]) -> list[str]:
        """Return the names of the conditions, SQL, that any row of `cells` meets."""
        if not conditions:
            return []
        each = ", ".join(f"bool_or({condition})" for condition in conditions.values())
        found = self.connection.execute(f"SELECT {each} FROM cells").fetchone() or ()
        return [name for name, met in zip(conditions, found, strict=True) if met]

    @property
    def column_list(self) -> str:
        """The names of the columns, the first ones if there are many."""
        more = len(self.columns) - SHOWN_COLUMNS
        text = ", ".join(self.columns[:SHOWN_COLUMNS])
        return text + (f" and {more} more" if more > 0 else "")

    @property
    def count_from(self) -> str:
        """Say which row is the first, to stand behind row numbers."""
        return " (the header is row 1)" if self.first_row > 1 else " (the first is row 1)"

    def read_days(self, name: str, column: str, date_format: str) -> tuple[str, bool]:
        """Return SQL that makes days out of a column of `cells`, and whether they are dates.

        Parameters
        ----------
        name
            The column in `cells`.
        column
            The same, as the file names it.
        date_format
            `ymd`, `dmy`, `mdy` or a pattern such as `%d %b %Y`; empty to find it out.

        Returns
        -------
        sql
            Days since 1970-01-01, or the day numbers of the file.
        dated
            Whether the first is the case.

        Raises
        ------
        DataError
            If a cell is no date, if the column mixes ways to write dates, or if day and month
            cannot be told apart.
        ConfigError
            If the format is none.
        """
        if date_format and date_format not in DATE_FORMATS:
            self._check_format(date_format)
            sql = f"try_strptime({name}, {literal(date_format)})"
        else:
            kind = self._date_kind(name, column)
            if kind == "day number":
                return f"CAST(CAST({name} AS DOUBLE) AS BIGINT)", False
            date = f"translate(regexp_extract({name}, '^[0-9./-]+'), '/.', '--')"
            pattern = self._pattern(kind, name, date, column, date_format)
            sql = f"try_strptime({date}, {literal(pattern)})"
        allowed = f"a date written {date_format}" if date_format else "a date that exists"
        self.reject(f"{name} IS NOT NULL AND {sql} IS NULL", column, name, "is no date", allowed)
        return f"CAST({sql} AS DATE) - {EPOCH}", True

    def _check_format(self, date_format: str) -> None:
        """Raise ConfigError for what is no pattern of dates."""
        try:
            self.value(f"SELECT strftime({EPOCH}, {literal(date_format)})")
        except duckdb.Error:
            known = False
        else:
            known = "%" in date_format
        if not known:
            raise ConfigError(
                f"cannot be '{date_format}'",
                key="date_format",
                value=date_format,
                allowed=f"{', '.join(DATE_FORMATS)}, or a pattern such as '%d %b %Y'",
            )

    def _date_kind(self, name: str, column: str) -> str:
        """Return the one way in which all dates of a column are written."""
        cases = " ".join(
            f"WHEN regexp_full_match({name}, '{pattern}') THEN '{kind}'"
            for kind, pattern in DATE_KINDS.items()
        )
        found = self.connection.execute(
            f"SELECT kind, min(row), arg_min({name}, row), count(*) FROM (SELECT row, {name},"
            f" CASE {cases} ELSE '' END AS kind FROM cells WHERE {name} IS NOT NULL)"
            " GROUP BY kind ORDER BY min(row)"
        ).fetchall()
        if len(found) == 1 and found[0][0]:
            return str(found[0][0])
        if not found:
            raise DataError(f"{self.name}: column '{column}' is empty; allowed: dates or days")
        if len(found) == 1:
            self.reject(f"{name} IS NOT NULL", column, name, "is no date", DATES_ALLOWED)
        told = "; ".join(
            f"'{cell}' in row {row} ({kind or 'unknown'}, {n} rows)" for kind, row, cell, n in found
        )
        raise DataError(
            f"{self.name}: column '{column}' has dates written in {len(found)} ways"
            f"{self.count_from}: {told}; allowed: one way throughout, {DATES_ALLOWED}"
        )

    def _pattern(self, kind: str, name: str, date: str, column: str, date_format: str) -> str:
        """Return the pattern of dates of a kind, all separated by hyphens."""
        if kind == "YYYYMMDD":
            return "%Y%m%d"
        if kind == "year-month-day":
            return DATE_FORMATS["ymd"]
        if date_format in DATE_FORMATS:
            return DATE_FORMATS[date_format]
        parts = [f"CAST(split_part({date}, '-', {i}) AS INTEGER) > 12" for i in (1, 2)]
        day_first, month_first = (
            self.value(f"SELECT min(row) FROM cells WHERE {name} IS NOT NULL AND {part}")
            for part in parts
        )
        if (day_first is None) != (month_first is None):
            return DATE_FORMATS["mdy" if day_first is None else "dmy"]
        if day_first is None:
            problem = "no row tells whether the day or the month comes first"
        else:
            problem = (
                f"row {day_first} has the day first and row {month_first} the month"
                f"{self.count_from}"
            )
        raise DataError(
            f"{self.name}: column '{column}': {problem}; allowed: one way throughout, stated with"
            " date_format=dmy or date_format=mdy"
        )


def number(name: str) -> str:
    """Return SQL that reads a cell as a number, NULL if it is none."""
    return f"TRY_CAST({name} AS DOUBLE)"


def literal(text: str) -> str:
    """Return text as SQL writes it."""
    return "'" + text.replace("'", "''") + "'"


def _cell(column: str, name: str) -> str:
    text = f"trim(CAST({column} AS VARCHAR))"
    # Not IN, nor a list: DuckDB turns either into a join, which does not keep the order of rows.
    empty = literal("|".join(re.escape(word) for word in EMPTY))
    return f"CASE WHEN NOT regexp_full_match(lower({text}), {empty}) THEN {text} END AS {name}"


# --- opening ------------------------------------------------------------------------------------


@contextmanager
def open_table(path: Path) -> Iterator[Table]:
    """Open a CSV or Parquet file; what DuckDB keeps on disk goes with the context.

    Raises
    ------
    DataError
        If the file cannot be read, is empty, is neither CSV nor Parquet, or has a column twice.
    """
    name = shown(path)
    signature = _signature(path, name)
    with TemporaryDirectory(prefix="fidelio-") as folder:
        settings = {
            "memory_limit": MEMORY,
            "threads": THREADS,
            "temp_directory": folder,
        }
        connection = duckdb.connect(str(Path(folder, "cells.duckdb")), config=settings)  # type: ignore[arg-type]
        connection.execute("SET enable_progress_bar = false")
        try:
            if signature.startswith(b"PAR1"):
                yield _open_parquet(path, name, connection)
            else:
                yield _open_csv(path, name, connection, zipped=signature.startswith(b"\x1f\x8b"))
        finally:
            connection.close()


def _signature(path: Path, name: str) -> bytes:
    """Return the first bytes of a file that may be read."""
    if path.is_dir():
        raise DataError(f"{name}: is a folder; allowed: a CSV or Parquet file in it")
    try:
        with path.open("rb") as file:
            found = file.read(4)
    except OSError as error:
        raise DataError(f"{name}: cannot be read: {error.strerror}") from None
    if not found:
        raise DataError(f"{name}: has 0 bytes; allowed: a CSV or Parquet file with a header")
    if found.startswith((b"PK", b"\xd0\xcf\x11\xe0")):
        raise DataError(
            f"{name}: is a spreadsheet or an archive; allowed: CSV or Parquet (save it as CSV)"
        )
    return found


def _open_parquet(path: Path, name: str, connection: duckdb.DuckDBPyConnection) -> Table:
    source = f"read_parquet({literal(str(path))})"
    try:
        columns = connection.execute(f"DESCRIBE SELECT * FROM {source}").fetchall()
    except duckdb.Error as error:
        raise _broken_file(name, error) from None
    for column, kind, *_ in columns:
        if NESTED.search(str(kind)):
            raise DataError(
                f"{name}: column '{column}' holds {kind}; allowed: numbers, text, dates (leave the"
                " column out or write it in another form)"
            )
    names = tuple(str(column) for column, *_ in columns)
    numbered = ", ".join(f"{_quoted(c)} AS c{i}" for i, c in enumerate(names))
    return Table(name, names, connection, f"(SELECT {numbered} FROM {source})", 1)


def _open_csv(
    path: Path, name: str, connection: duckdb.DuckDBPyConnection, *, zipped: bool
) -> Table:
    columns, delimiter = _header(path, name, zipped=zipped)
    doubled = [column for column, n in Counter(columns).items() if n > 1 and column]
    if doubled:
        places = [str(i) for i, c in enumerate(columns, 1) if c == doubled[0]]
        raise DataError(
            f"{name}: column '{doubled[0]}' stands {len(places)} times, as columns"
            f" {' and '.join(places)} of the header; allowed: each name once"
        )
    names = ", ".join(f"'c{i}': 'VARCHAR'" for i in range(len(columns)))
    source = (
        f"read_csv({literal(str(path))}, auto_detect=false, header=true, delim={literal(delimiter)}"
        f", quote='\"', escape='\"', compression='{'gzip' if zipped else 'none'}'"
        f", columns={{{names}}})"
    )
    return Table(name, columns, connection, source, 2)


def _header(path: Path, name: str, *, zipped: bool) -> tuple[tuple[str, ...], str]:
    """Return the columns' names and what separates them."""
    try:
        with _open_bytes(path, zipped=zipped) as opened:
            line = opened.readline(LONGEST_HEADER).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise DataError(f"{name}: row 1 is not UTF-8; allowed: CSV saved as UTF-8") from None
    except (OSError, EOFError) as error:
        raise DataError(f"{name}: cannot be unpacked: {error}") from None
    if "\0" in line:
        raise DataError(f"{name}: is no text; allowed: CSV saved as UTF-8, or Parquet")
    delimiter = max(DELIMITERS, key=line.count)
    columns = tuple(cell.strip() for cell in next(csv.reader([line], delimiter=delimiter), []))
    if not any(columns):
        raise DataError(f"{name}: row 1 is empty; allowed: the columns' names")
    return columns, delimiter


def _open_bytes(path: Path, *, zipped: bool) -> BinaryIO:
    return cast(BinaryIO, gzip.open(path)) if zipped else path.open("rb")


def _broken_file(name: str, error: duckdb.Error) -> DataError:
    """Return what DuckDB complains of in the words of a user."""
    text = str(error)
    line = re.search(r"CSV Error on Line: (\d+)", text)
    where = f"row {line.group(1)}" if line else "the file"
    if "not utf-8" in text or "Invalid unicode" in text:
        return DataError(f"{name}: {where} is not UTF-8; allowed: CSV saved as UTF-8")
    cells = re.search(r"Expected Number of Columns: (\d+) Found: (\d+)", text)
    if cells:
        wanted, n = cells.groups()
        more = " or more" if int(n) > int(wanted) else ""  # DuckDB stops at the first too many
        return DataError(f"{name}: {where} has {n}{more} cells; allowed: {wanted}, as the header")
    if "unterminated quote" in text:
        return DataError(f"{name}: {where} opens a quote that is never closed")
    first = text.splitlines()[0].partition(": ")[2] or text
    return DataError(f"{name}: cannot be read as CSV or Parquet: {first}")


def _quoted(column: str) -> str:
    return '"' + column.replace('"', '""') + '"'
