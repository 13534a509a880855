"""The points of a design, in pieces, whatever their number.

Each kind lays points in the unit cube (a grid: at levels), and each factor's axis says what value a
number in [0, 1) stands for. Only a Latin hypercube needs all its points at once.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from SALib.sample import morris as salib_morris
from SALib.sample import sobol as salib_sobol
from scipy.stats import qmc

from sim.config.build import UNMOVED, under
from sim.config.design import MOST_POINTS, Design, DesignKind, Factor, Value
from sim.config.edit import Editor
from sim.config.study import Config
from sim.errors import ConfigError
from sim.study import OUTCOMES
from sim.sweep.axes import Axis, Column, make_axis
from sim.sweep.layout import POINT_COLUMNS, row_schema
from sim.sweep.point_file import PointFile
from sim.types import F64

PIECE: Final = 8192
"""Points that are made at a time, unless the caller asks for other pieces."""
TAKEN: Final = frozenset(
    name.lower() for name in (*POINT_COLUMNS.names, *row_schema(OUTCOMES, (), ()).names)
)
"""Columns of a sweep's tables, which stand beside the factors when one asks for both."""
STEADY: Final = UNMOVED | {"title", "story", "replications", "precision"}
"""Settings that move no result, or that are the sweep's own."""

Batch: TypeAlias = dict[str, Column]


class Sampling:
    """The points of a design over a configuration.

    Parameters
    ----------
    design
        What varies, and how.
    base
        The configuration that is varied: it says what stands at a key, what range that has, and
        what distribution it states itself.
    folders
        Folders with `rivals/`, `market/` ... of one's own, from which a factor may choose.

    Attributes
    ----------
    n_points
        Number of points.
    factors
        What varies; of a file of points that lists none, its columns.
    columns
        Type of each factor's column: double, 64-bit integer, boolean or text. A factor that sets
        whole numbers, or adds to them, gives whole numbers.
    choices
        Names that occur, for each factor that chooses from a group.

    Raises
    ------
    ConfigError
        If the design does not fit the configuration, or its file of points cannot be used; the file
        is named.
    """

    def __init__(self, design: Design, base: Config, folders: Sequence[Path] = ()) -> None:
        self._before = 0
        try:
            self._table = PointFile(Path(design.file)) if design.file else None
            factors = design.factors
            if self._table:
                factors = self._table.factors(factors, base)
            _check_factors(factors)
            self.factors = tuple(factors)
            Editor(base, factors)
            self._axes = [
                _axis(factor, base, folders, from_table=bool(self._table)) for factor in factors
            ]
            self._design, self._grid = design, _levels(design, self._axes)
            self.n_points = design.n_points or 0
            met: dict[str, set[str]] = {}
            if self._table:
                self.n_points, met = self._table.scan(self._axes, folders)
        except ConfigError as error:
            raise error.with_file(design.source) from None
        self.columns = {axis.factor.column: axis.type for axis in self._axes}
        self.choices = {
            axis.factor.column: tuple(sorted(met[axis.factor.column])) if self._table
            else tuple(str(value) for value in axis.factor.listed)
            for axis in self._axes if axis.factor.is_choice
        }  # fmt: skip

    def batches(self, size: int = PIECE, first: int = 0) -> Iterator[Batch]:
        """Yield the columns of the points in order, `size` points at a time.

        Parameters
        ----------
        size
            Points of a batch; the last one may have fewer.
        first
            Number of the first point, from 0.

        Raises
        ------
        ConfigError
            If the file of points has changed and cannot be used any more.
        """
        if self._table:
            yield from self._table.batches(self._axes, size, first)
            return
        if self._design.kind is DesignKind.GRID:
            yield from self._grid_batches(size, first)
            return
        order = Order(self._design, len(self._axes), self.n_points, self._before)
        for cube in _recut(_LAID[self._design.kind](order, first, size), size):
            yield {axis.factor.column: self._column(axis, place, cube[:, place])
                   for place, axis in enumerate(self._axes)}  # fmt: skip

    def extended(self, points: int, before: int | None = None) -> Sampling:
        """Return so many points that follow.

        A random sample and a Sobol sequence go on. A Latin hypercube gets another one beside it:
        together they are not as even as one of all the points would be.

        Parameters
        ----------
        points
            How many.
        before
            Points that there are already; by default this sampling's own and those before it.

        Raises
        ------
        ConfigError
            If the design's kind knows no further points, or there would be too many.
        """
        check_goes_on(self._design)
        made = copy(self)
        made._before = self._before + self.n_points if before is None else before
        if points < 1 or made._before + points > MOST_POINTS:
            raise ConfigError(
                f"{points:,} points after {made._before:,}", key="points", value=points,
                allowed=f"1 or more, and {MOST_POINTS:,} in all or fewer",
            )  # fmt: skip
        made.n_points = points
        return made

    def _column(self, axis: Axis, place: int, coordinates: F64) -> Column:
        if self._design.kind is not DesignKind.MORRIS:
            return axis.at(coordinates)
        levels = self._grid[place]
        return _taken(levels, np.rint(coordinates * (len(levels) - 1)).astype(np.int64), axis)

    def _grid_batches(self, size: int, first: int) -> Iterator[Batch]:
        shape = tuple(len(levels) for levels in self._grid)
        for start in range(first, self.n_points, size):
            numbers = np.arange(start, min(start + size, self.n_points))
            places = np.unravel_index(numbers, shape)
            columns = zip(self._axes, self._grid, places, strict=True)
            yield {axis.factor.column: _taken(levels, place, axis)
                   for axis, levels, place in columns}  # fmt: skip


def check_goes_on(design: Design) -> None:
    """Raise ConfigError if a design's kind knows no further points."""
    if design.kind not in {DesignKind.RANDOM, DesignKind.SOBOL, DesignKind.LATIN_HYPERCUBE}:
        raise ConfigError(
            f"a design of kind {design.kind.value} is complete", key="points",
            allowed="extend=SWEEP design=MORE, a further design of the same factors; points are"
            " added to kinds random, sobol and latin_hypercube", file=design.source,
        )  # fmt: skip


# --- factors -------------------------------------------------------------------------------------


def _check_factors(factors: Sequence[Factor]) -> None:
    if not factors:
        raise ConfigError("nothing is varied", key="factors", allowed="one factor or more")
    for factor in factors:
        column, top = factor.column, factor.key.partition(".")[0]
        if top in STEADY:
            raise ConfigError(f"{top} moves nothing in a sweep", key=f"factors.{column}.key",
                              value=factor.key, allowed="another setting")  # fmt: skip
        if column.lower() in TAKEN:
            raise ConfigError(f"'{column}' is a column of every sweep", value=column,
                              key=f"factors.{column}.name", allowed="another name")  # fmt: skip


def _axis(factor: Factor, base: Config, folders: Sequence[Path], *, from_table: bool) -> Axis:
    try:
        return make_axis(factor, base, folders, from_table=from_table)
    except ConfigError as error:
        raise under(f"factors.{factor.column}", error) from None


def _levels(design: Design, axes: Sequence[Axis]) -> list[tuple[Value, ...]]:
    """Return the values of each factor of a grid or a Morris design."""
    made = []
    for axis in axes:
        factor = axis.factor
        if design.kind is DesignKind.GRID:
            levels = factor.listed or axis.levels(factor.levels or 0)
            distinct = len(set(levels)) == len(levels)
        elif design.kind is DesignKind.MORRIS:
            levels = axis.levels(design.morris_levels)
            half = len(levels) // 2  # a trajectory moves by half of the levels
            distinct = all(a != b for a, b in zip(levels, levels[half:], strict=False))
        else:
            continue
        if not distinct:
            raise ConfigError(
                f"{len(levels)} levels are not all different", value=len(levels),
                key=f"factors.{factor.column}.levels", allowed="fewer, or a wider range",
            )  # fmt: skip
        made.append(levels)
    return made


def _taken(levels: Sequence[Value], place: NDArray[np.int64], axis: Axis) -> Column:
    if axis.kind is str:
        return [str(levels[each]) for each in place.tolist()]
    return np.array(levels, dtype=axis.kind)[place]


# --- points in the unit cube ---------------------------------------------------------------------


class Order(NamedTuple):
    """Which points are wanted."""

    design: Design
    n_factors: int
    n_points: int
    before: int
    """Points that the design had already, of which these are further ones."""

    def pieces(self, first: int, size: int) -> Iterator[tuple[int, int]]:
        """Yield the number of the first point of each piece, and how many points it has."""
        for start in range(first, self.n_points, size):
            yield start, min(size, self.n_points - start)


def _random(order: Order, first: int, size: int) -> Iterator[F64]:
    bits = np.random.PCG64(order.design.seed)
    bits.advance((order.before + first) * order.n_factors)
    generator = np.random.Generator(bits)
    for _, n in order.pieces(first, size):
        yield generator.random((n, order.n_factors))


def _sobol(order: Order, first: int, size: int) -> Iterator[F64]:
    sequence = qmc.Sobol(order.n_factors, rng=order.design.seed)
    if order.before + first:  # SciPy does not take 0
        sequence.fast_forward(order.before + first)
    for _, n in order.pieces(first, size):
        with _any_number():
            drawn = sequence.random(n)
        yield drawn


def _latin_hypercube(order: Order, first: int, size: int) -> Iterator[F64]:
    generator = np.random.default_rng((order.design.seed, order.before))
    cube = np.empty((order.n_factors, order.n_points))
    for row in cube:  # one by one: SciPy's own needs three times as much memory for all at once
        row[:] = qmc.LatinHypercube(1, rng=generator).random(order.n_points)[:, 0]
    for start, n in order.pieces(first, size):
        yield cube[:, start : start + n].T


def _saltelli(order: Order, first: int, size: int) -> Iterator[F64]:
    """Yield SALib's sample of a Saltelli design, some base points at a time."""
    n_base, width = order.design.points or 0, 2 * order.n_factors + 2
    at_once = max(1, size // width)
    done, skipped = divmod(first, width)
    for base in range(done, n_base, at_once):
        n = min(at_once, n_base - base)
        with _any_number():
            drawn = salib_sobol.sample(_problem(order.n_factors), n, skip_values=base,
                                       seed=order.design.seed)  # fmt: skip
        yield drawn[skipped:]
        skipped = 0


def _morris(order: Order, first: int, size: int) -> Iterator[F64]:
    """Yield SALib's sample of Morris trajectories, some at a time of one stream of draws."""
    bits, width = np.random.PCG64(order.design.seed), order.n_factors + 1
    at_once, n_paths = max(1, size // width), order.design.points or 0
    for path in range(0, n_paths, at_once):
        n = min(at_once, n_paths - path)
        drawn = salib_morris.sample(_problem(order.n_factors), n,
                                    num_levels=order.design.morris_levels, seed=bits)  # fmt: skip
        skipped = first - path * width
        if skipped < len(drawn):
            yield drawn[max(skipped, 0) :]


_LAID: Final[dict[DesignKind, Callable[[Order, int, int], Iterator[F64]]]] = {
    DesignKind.RANDOM: _random,
    DesignKind.SOBOL: _sobol,
    DesignKind.LATIN_HYPERCUBE: _latin_hypercube,
    DesignKind.SALTELLI: _saltelli,
    DesignKind.MORRIS: _morris,
}


def _problem(n_factors: int) -> dict[str, Any]:
    """Return the unit cube as SALib wants it."""
    return {
        "num_vars": n_factors,
        "names": [str(factor) for factor in range(n_factors)],
        "bounds": [[0.0, 1.0]] * n_factors,
    }


@contextmanager
def _any_number() -> Iterator[None]:
    """Take as many points of a Sobol sequence as one likes.

    SciPy and SALib warn at a piece that is no power of two, though the whole may be one.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        yield


def _recut(pieces: Iterator[F64], size: int) -> Iterator[F64]:
    """Yield the rows of some pieces in pieces of `size` rows."""
    held: list[F64] = []
    for piece in pieces:
        held.append(piece)
        if sum(map(len, held)) < size:
            continue
        rows = held[0] if len(held) == 1 else np.concatenate(held)
        whole = len(rows) // size * size
        yield from (rows[start : start + size] for start in range(0, whole, size))
        held = [rows[whole:]] if whole < len(rows) else []
    if held:
        yield np.concatenate(held)
