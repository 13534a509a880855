"""`fidelio query`: a question in SQL to a sweep, or what can be asked of it."""

from __future__ import annotations

import csv
import json
import math
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from decimal import Decimal
from enum import Enum
from itertools import chain
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from sim.commands.common import console
from sim.config.build import build
from sim.config.fields import number
from sim.errors import ConfigError
from sim.sweep.reading import TABLES, Sweep, open_sweep

HELP = """\
fidelio query: what a sweep found, asked in SQL

usage: fidelio query SWEEP ["SELECT ..."] [KEY=VALUE ...] [options]

SWEEP is a sweep's folder, or a URL that fsspec knows. Without a question: its tables, their columns
and types, and questions to begin with. The SQL is DuckDB's. A column with dots in its name stands
in double quotes.

settings:
  rows=40          rows that are shown at most; the others are counted
  format=table     on standard output: table, csv or json (all rows)
  out=FILE         write all rows into FILE.csv or FILE.parquet instead

options:
  --debug          show the traceback of an error

examples:
  fidelio query outputs/sweep
  fidelio query outputs/sweep "select plan, avg(npv) from outcomes group by plan"
  fidelio query outputs/sweep "from points join outcomes using (point)" out=all.parquet
"""

DIGITS: Final = 6
"""Digits of the largest number of a column that are shown."""
GAP: Final = 2
"""Blanks between columns."""

_SETTING = re.compile(r"(\w+)=(.*)", re.DOTALL)


class Format(Enum):
    """How rows come on standard output."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"


@dataclass(frozen=True, slots=True)
class Query:
    """Settings of the command."""

    rows: int = number(40, unit="rows shown", low=1, high=1_000_000)
    format: Format = Format.TABLE
    out: str | None = None


def main(arguments: Sequence[str]) -> None:
    """Answer the question, or show what can be asked.

    Raises
    ------
    ConfigError
        If an argument or the question cannot be used.
    StoreError
        If there is no such sweep, a file of it is damaged, or the answer cannot be written.
    """
    if {"-h", "--help"} & {*arguments}:
        print(HELP, end="")
        return
    given, settings = _read(arguments)
    with open_sweep(given[0]) as sweep:
        if len(given) == 1:
            _show_tables(sweep)
        elif settings.out is not None:
            path = sweep.write(given[1], Path(settings.out).expanduser())
            print(f"Written: {path}")
        else:
            FORMATS[settings.format](sweep.batches(given[1]), settings.rows)


def _read(arguments: Sequence[str]) -> tuple[list[str], Query]:
    """Return sweep and question, and the settings."""
    given, data = [], dict[str, object]()
    known = [field.name for field in fields(Query)]
    for text in arguments:
        setting = _SETTING.fullmatch(text)
        if setting is None:
            given.append(text)
        elif setting[1] not in known:
            raise ConfigError("no such setting", key=setting[1], file="command line", known=known)
        else:
            data[setting[1]] = int(setting[2]) if setting[2].isdecimal() else setting[2]
    if not 1 <= len(given) <= 2:  # noqa: PLR2004 - the sweep, the question
        problem = f"{len(given)} arguments are given" if given else "no sweep is given"
        raise ConfigError(problem, allowed='fidelio query SWEEP "SELECT ..." [KEY=VALUE ...]')
    try:
        return given, build(Query, data)
    except ConfigError as error:
        raise error.with_file("command line") from None


# --- forms of an answer --------------------------------------------------------------------------


def _print_table(batches: Iterable[pa.RecordBatch], rows: int) -> None:
    """Print the first rows, and say how many there are."""
    shown: list[pa.RecordBatch] = []
    n = 0
    for batch in batches:
        if n < rows:
            shown.append(batch.slice(0, rows - n))
        n += batch.num_rows
    first = pa.Table.from_batches(shown)
    cells = [_cells(column.to_pylist()) for column in first.columns]
    numeric = [_is_number(kind) for kind in first.schema.types]
    n_fit = _n_fitting(first.column_names, cells, width())
    table = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0))
    for name, is_number in zip(first.column_names[:n_fit], numeric, strict=False):
        table.add_column(Text(name), justify="right" if is_number else "left", no_wrap=True)
    for row in zip(*cells[:n_fit], strict=True):
        table.add_row(*map(Text, row))
    out = console()
    out.width = max(out.width, _width(first.column_names[:n_fit], cells))
    out.print(table)
    if n_fit < first.num_columns:
        left_out = ", ".join(first.column_names[n_fit:])
        out.print(Text(f"Not shown for want of width: {left_out}"), soft_wrap=True)
    if n > first.num_rows:
        out.print(f"The first {first.num_rows:,} of {n:,} rows; rows=N shows more, out=FILE all.")


def width() -> float:
    """Return how wide a table may be: as the terminal, and no matter how in a pipe."""
    return console().width if sys.stdout.isatty() else math.inf


def _n_fitting(names: Sequence[str], cells: Sequence[Sequence[str]], most: float) -> int:
    """Return how many columns fit side by side, at least one."""
    fitting = (n for n in range(len(names), 1, -1) if _width(names[:n], cells) <= most)
    return next(fitting, 1)


def _width(names: Sequence[str], cells: Sequence[Sequence[str]]) -> int:
    columns = zip(names, cells, strict=False)
    return sum(max(map(cell_len, (name, *rows))) + GAP for name, rows in columns)


def _is_number(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    )


def _cells(values: Sequence[Any]) -> list[str]:
    """Return a column as text; its numbers with the same number of decimals."""
    real = [float(value) for value in values if isinstance(value, (float, Decimal))]
    finite = [value for value in real if math.isfinite(value)]
    size = max((abs(value) for value in finite), default=0.0)
    if size and not 10**-DIGITS < size < 10.0**15:
        return [_cell(value, f".{DIGITS - 1}e") for value in values]
    most = max(0, DIGITS - 1 - math.floor(math.log10(size))) if size else 0
    same = (n for n in range(most) if all(round(v, n) == round(v, most) for v in finite))
    decimals = next(same, most)
    return [_cell(value, f",.{decimals}f") for value in values]


def _cell(value: Any, number_format: str) -> str:
    if value is None:
        return "null"
    if isinstance(value, (float, Decimal)):
        return format(value, number_format)
    return str(value)


def _print_csv(batches: Iterable[pa.RecordBatch], _: int) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    for i, batch in enumerate(batches):
        if i == 0:
            writer.writerow(batch.schema.names)
        writer.writerows(zip(*(column.to_pylist() for column in batch.columns), strict=True))


def _print_json(batches: Iterable[pa.RecordBatch], _: int) -> None:
    """Print a list with an object per row, a row per line."""
    rows = chain.from_iterable(batch.to_pylist() for batch in batches)
    before = "["
    for row in rows:
        print(before, json.dumps(_plain(row), ensure_ascii=False, default=str), sep="\n", end="")
        before = ","
    print("[]" if before == "[" else "\n]")


def _plain(value: Any) -> Any:
    """Return what JSON can say: a number that does not exist is null."""
    if isinstance(value, dict):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, Decimal):
        value = int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


FORMATS: Final[dict[Format, Callable[[Iterable[pa.RecordBatch], int], None]]] = {
    Format.TABLE: _print_table,
    Format.CSV: _print_csv,
    Format.JSON: _print_json,
}


# --- what can be asked ---------------------------------------------------------------------------


def _show_tables(sweep: Sweep) -> None:
    out = console()
    out.print(Text(str(sweep)), soft_wrap=True)
    for name in TABLES:
        table = Table(box=None, pad_edge=False, show_header=False)
        for column, kind in sweep.columns(name).items():
            table.add_row(Text(column, "cyan"), Text(kind))
        out.print("", f"[bold]{name}[/bold]: {sweep.count(name):,} rows", table, sep="\n")
    out.print("", "Questions to begin with:", sep="\n")
    for question in _examples(sweep):
        out.print(Text(f"  {question}"), soft_wrap=True)


def _examples(sweep: Sweep) -> list[str]:
    """Return questions about this sweep's own names."""
    baseline, *plans = sweep.plans
    outcome = _quoted([*sweep.columns("outcomes")][5])
    factors = [*sweep.columns("points")][2:]
    gain = (
        f"select point, avg(a.{outcome} - b.{outcome}) as gain from outcomes a join outcomes b"
        f" using (point, replication) where a.plan = '{(plans or [baseline])[0]}'"
        f" and b.plan = '{baseline}' group by point order by gain desc limit 10"
    )
    by_factor = [
        f"select {_quoted(factor)}, plan, avg({outcome}) from points join outcomes using (point)"
        " group by all order by all"
        for factor in factors[:1]
    ]
    return [
        f"select plan, count({outcome}), avg({outcome}) from outcomes group by plan",
        *by_factor,
        gain,
    ]


def _quoted(name: str) -> str:
    return name if re.fullmatch(r"[a-z_][a-z0-9_]*", name) else f'"{name}"'
