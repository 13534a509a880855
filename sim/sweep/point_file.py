"""A user's CSV file of points: a row for each, with a column per factor; read in pieces."""

from __future__ import annotations

import csv
import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from sim.config.build import under
from sim.config.design import MOST_POINTS, Factor
from sim.config.edit import find_settings
from sim.config.files import shown
from sim.config.study import Config
from sim.errors import ConfigError
from sim.sweep.axes import Axis, Column, check_choice

PIECE: Final = 8192
"""Rows that are looked at together."""
WRONG_SIGNS: Final = {";": "semicolons", "\t": "tabs"}

Row = tuple[int, list[str]]
"""A line's number and its cells."""


class PointFile:
    """A table of points.

    Parameters
    ----------
    path
        CSV in UTF-8, with commas; its first line has the keys or the names of the factors.

    Raises
    ------
    ConfigError
        If there is no such file, or its first line cannot be used.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.names = [name.strip() for _, row in itertools.islice(self._lines(), 1) for name in row]
        if not self.names:
            raise self._error("is empty", allowed="a line of factors, then a line for each point")
        for sign, word in WRONG_SIGNS.items():
            if len(self.names) == 1 and sign in self.names[0]:
                raise self._error(f"line 1: its columns are separated by {word}", allowed="commas")
        for name in self.names:
            if not name or self.names.count(name) > 1:
                problem = f"two columns are called '{name}'" if name else "a column has no name"
                raise self._error(f"line 1: {problem}", allowed="each factor's key or name once")

    def factors(self, listed: Sequence[Factor], base: Config) -> tuple[Factor, ...]:
        """Return the factor of each column.

        Parameters
        ----------
        listed
            What the design says of some of them; of the others the column is the key.
        base
            The configuration that is varied.

        Raises
        ------
        ConfigError
            If a column is no factor of the configuration, or a listed factor has no column.
        """
        known = {factor.key: factor for factor in listed}
        known |= {factor.column: factor for factor in listed}
        made = tuple(known.get(name) or self._factor(name, base, known) for name in self.names)
        for factor in listed:
            if factor not in made:
                raise self._error("line 1: this factor has no column", factor.column,
                                  allowed=f"a column {factor.column}")  # fmt: skip
        if len({factor.column for factor in made}) < len(made):
            raise self._error("line 1: a factor stands both by its key and by its name",
                              allowed="one column for each factor")  # fmt: skip
        return made

    def scan(
        self, axes: Sequence[Axis], folders: Sequence[Path]
    ) -> tuple[int, dict[str, set[str]]]:
        """Return the number of points, and the names that occur in columns of choices.

        Raises
        ------
        ConfigError
            If a cell is missing or cannot be used, or there are no points or too many.
        """
        n_points = 0
        met: dict[str, set[str]] = {a.factor.column: set() for a in axes if a.factor.is_choice}
        for batch in self.batches(axes, PIECE):
            n_points += len(batch[axes[0].factor.column])
            for axis in axes:
                if axis.factor.is_choice:
                    column = axis.factor.column
                    new = {str(name) for name in batch[column]} - met[column]
                    for name in sorted(new):
                        self._check_choice(axis, name, folders)
                    met[column] |= new
        if not 1 <= n_points <= MOST_POINTS:
            raise self._error(f"has {n_points:,} points", allowed=f"1 to {MOST_POINTS:,}")
        return n_points, met

    def batches(self, axes: Sequence[Axis], size: int, first: int = 0
                ) -> Iterator[dict[str, Column]]:  # fmt: skip
        """Yield the columns of the points from `first` on, `size` points at a time.

        Raises
        ------
        ConfigError
            If a cell is missing or cannot be used.
        """
        rows = itertools.islice(self._points(), first, None)
        while piece := list(itertools.islice(rows, size)):
            lines = [line for line, _ in piece]
            cells = zip(*(row for _, row in piece), strict=True)
            try:
                yield {axis.factor.column: axis.read(column, lines)
                       for axis, column in zip(axes, cells, strict=True)}  # fmt: skip
            except ConfigError as error:
                raise error.with_file(shown(self.path)) from None

    def _points(self) -> Iterator[Row]:
        """Yield the rows below the first; empty lines may stand at the end only."""
        empty = 0
        for line, row in itertools.islice(self._lines(), 1, None):
            if not row:
                empty = empty or line
                continue
            if empty:
                raise self._error(f"line {empty} is empty", allowed="a point in each line")
            if len(row) < len(self.names):
                raise self._error(f"line {line}: the cell is missing", self.names[len(row)],
                                  allowed="a value in each row")  # fmt: skip
            if len(row) > len(self.names):
                raise self._error(f"line {line} has {len(row)} cells",
                                  allowed=f"one for each of {len(self.names)} columns")  # fmt: skip
            yield line, row

    def _lines(self) -> Iterator[Row]:
        try:
            with self.path.open(newline="", encoding="utf-8-sig") as file:
                reader = csv.reader(file, strict=True)
                for row in reader:
                    yield reader.line_num, row
        except csv.Error as error:
            raise self._error(f"line {reader.line_num} is no CSV: {error}") from None
        except UnicodeDecodeError:
            raise self._error("is not in UTF-8", allowed="a CSV file in UTF-8") from None
        except OSError as error:
            raise ConfigError(f"{shown(self.path)} cannot be read: {error.strerror}", key="file",
                              value=str(self.path)) from None  # fmt: skip

    def _factor(self, name: str, base: Config, listed: dict[str, Factor]) -> Factor:
        try:
            factor = Factor(name)
            if not factor.is_choice:
                find_settings(base, name)
        except ConfigError as error:
            raise ConfigError(f"line 1: {error.problem}", key=name, value=error.value,
                              allowed=error.allowed, file=shown(self.path),
                              known=(*error.known, *listed)) from None  # fmt: skip
        return factor

    def _check_choice(self, axis: Axis, name: str, folders: Sequence[Path]) -> None:
        try:
            check_choice(axis.factor.key, name, folders)
        except ConfigError as error:
            raise under(axis.factor.column, error).with_file(shown(self.path)) from None

    def _error(self, problem: str, key: str = "", allowed: str = "") -> ConfigError:
        return ConfigError(problem, key=key, allowed=allowed, file=shown(self.path))
