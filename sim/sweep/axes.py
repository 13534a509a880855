"""A factor as an axis: which settings it varies, and its value at a probability or at a level."""

from __future__ import annotations

import math
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, is_dataclass
from enum import Enum
from pathlib import Path
from typing import Any, Final, TypeAlias, cast

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from sim.config.build import BOUNDED, Limits, hints_of, limits_of, read_value
from sim.config.design import WAYS, Apply, Factor, Scale, Value
from sim.config.edit import Editor, Setting, find_settings
from sim.config.fields import Uncertain
from sim.config.files import choices, is_path
from sim.config.study import Config
from sim.errors import ConfigError
from sim.types import F64

Column: TypeAlias = NDArray[Any] | list[str]
"""Values of a factor: doubles, 64-bit integers or booleans, or texts."""

TINY: Final = 2.0**-31
"""Least probability whose quantile is taken: half a step of a Sobol sequence of 30 bits, whose 0
stands for all that lies within its first step. A normal distribution has no value at 0."""

TYPES: Final[Mapping[type, pa.DataType]] = {
    float: pa.float64(), int: pa.int64(), bool: pa.bool_(), str: pa.string(),
}  # fmt: skip

UNITS: Final = {Apply.TIMES: "times the setting", Apply.PLUS: "added to the setting"}


@dataclass(frozen=True, slots=True)
class Axis:
    """A factor's values along the probabilities from 0 to 1.

    Attributes
    ----------
    factor
        What the design says of it.
    kind
        What its values are: float, int, bool or str.
    bounds
        What a number may be so that all the settings that it moves stay in their ranges.
    targets
        These settings; none if it chooses a file.
    distribution
        What it follows, if anything.
    """

    factor: Factor
    kind: type
    bounds: Limits = field(default_factory=Limits)
    targets: tuple[Setting, ...] = ()
    distribution: Uncertain | None = None

    @property
    def type(self) -> pa.DataType:
        """Type of its column."""
        return TYPES[self.kind]

    def at(self, probabilities: F64) -> Column:
        """Return the value at each probability in [0, 1], shape (n,).

        Listed values are equal parts, in their order; so are the whole numbers of a range. A
        distribution is cut to what the settings allow, as `sim.config.build.Unknowns` does.
        """
        if self.factor.listed:
            n = len(self.factor.listed)
            return self.take(np.minimum((probabilities * n).astype(np.int64), n - 1))
        if self.distribution is not None:
            return self._whole(np.rint, self._quantiles(self.distribution, probabilities))
        low, high = self._ends()
        span = 1.0 if self.kind is int else 0.0  # a whole number is a cell of width one
        if self.factor.scale is Scale.LOG:
            ratio = math.log((high + span) / low)
            found = low * np.exp(probabilities * ratio)
        else:
            found = low + probabilities * (high + span - low)
        column: NDArray[Any] = np.clip(self._whole(np.floor, found), low, high)
        return column.astype(self.kind)

    def take(self, index: NDArray[np.int64]) -> Column:
        """Return the listed values at the given places."""
        values = self.factor.listed
        if self.kind is str:
            return [str(values[place]) for place in index.tolist()]
        return np.array(values, dtype=self.kind)[index]

    def levels(self, n: int) -> tuple[Value, ...]:
        """Return n values: evenly spaced over a range, else the middles of equal parts."""
        if self.factor.low is None:
            return tuple(_plain(self.at((np.arange(n) + 0.5) / n)))
        low, high = self._ends()
        space = np.geomspace if self.factor.scale is Scale.LOG else np.linspace
        return tuple(_plain(self._whole(np.rint, space(low, high, n))))

    def read(self, cells: Sequence[str], lines: Sequence[int]) -> Column:
        """Return what cells of a table say.

        Parameters
        ----------
        cells, lines
            Texts, and the line of each.

        Raises
        ------
        ConfigError
            If a cell cannot be used; it names the line.
        """
        if self.kind in {float, int}:
            numbers = self._numbers(cells)
            if numbers is not None:
                return numbers
        values: dict[str, Value] = {}
        for cell in dict.fromkeys(cells):
            try:
                values[cell] = self._cell(cell.strip())
                self.check(values[cell])
            except ConfigError as error:
                raise ConfigError(
                    f"line {lines[cells.index(cell)]}: {error.problem}", key=self.factor.column,
                    value=cell, allowed=error.allowed, known=error.known,
                ) from None  # fmt: skip
        if self.kind is str:
            return [str(values[cell]) for cell in cells]
        return np.array([values[cell] for cell in cells], dtype=self.kind)

    def check(self, value: Value) -> None:
        """Raise ConfigError if a value cannot be what the factor does to its settings."""
        if self.factor.apply is not Apply.SET:
            read_value(self.kind, value, "", self.bounds)
            return
        for target in self.targets:
            read_value(target.hint, value, "", target.limits)

    def _cell(self, cell: str) -> Value:
        if not cell:
            raise ConfigError("the cell is empty", allowed="a value in each row")
        if self.kind is bool:
            known = {"true": True, "false": False}
            return known.get(cell.lower(), cell)
        if self.kind is str:
            return cell
        try:
            number = float(cell)
        except ValueError:
            raise ConfigError(f"'{cell}' is no number", allowed=self.bounds.allowed) from None
        return int(number) if self.kind is int and number.is_integer() else number

    def _numbers(self, cells: Sequence[str]) -> NDArray[Any] | None:
        """Return cells as numbers, all at once, or None if one of them has to be looked at."""
        try:
            numbers = np.array(cells).astype(np.float64)
        except ValueError:
            return None
        fit = np.isfinite(numbers) & (numbers >= self.bounds.low) & (numbers <= self.bounds.high)
        if self.kind is int:
            fit &= numbers == np.rint(numbers)
        return numbers.astype(self.kind) if fit.all() else None

    def _ends(self) -> tuple[float, float]:
        if self.factor.low is None or self.factor.high is None:
            raise AssertionError("a factor without values or distribution has a range")
        return self.factor.low, self.factor.high

    def _whole(self, rounded: np.ufunc, numbers: F64) -> NDArray[Any]:
        return rounded(numbers).astype(np.int64) if self.kind is int else numbers

    def _quantiles(self, distribution: Uncertain, probabilities: F64) -> F64:
        low, high = self.bounds.low, self.bounds.high
        inside = np.clip(probabilities, TINY, 1 - TINY).tolist()
        return np.array([distribution.quantile(u, low, high) for u in inside])


def make_axis(
    factor: Factor, base: Config, folders: Sequence[Path] = (), *, from_table: bool = False
) -> Axis:
    """Return the axis of a factor over a configuration.

    Parameters
    ----------
    factor
        What the design says.
    base
        The configuration that is varied.
    folders
        Folders with `rivals/`, `market/` ... of one's own, from which a factor may choose.
    from_table
        Whether its values stand in a table, and the design has none.

    Raises
    ------
    ConfigError
        If the key leads to no setting, or a value cannot stand there; the key is one of the factor.
    """
    if factor.is_choice:
        if not factor.values and not from_table:
            raise ConfigError("is empty", key="values", allowed="values: [NAME, ...]",
                              known=choices(factor.key))  # fmt: skip
        for value in factor.listed:
            check_choice(factor.key, str(value), folders)
        return Axis(factor, str)
    targets = tuple(_leaf(place) for place in find_settings(base, factor.key))
    kind = _kind(factor, targets)
    follows = None if from_table else _distribution(factor, targets)
    axis = Axis(factor, kind, _bounds(factor, targets), targets, follows)
    for name, value in _stated(factor):
        try:
            axis.check(value)
            _check_alone(base, axis, value)
        except ConfigError as error:
            raise ConfigError(error.problem, key=name, value=value, allowed=error.allowed,
                              known=error.known) from None  # fmt: skip
    return _checked(axis)


def check_choice(group: str, name: str, folders: Sequence[Path] = ()) -> None:
    """Raise ConfigError if a group has no file of a name, or there is none at a path."""
    if is_path(name):
        if not Path(name).expanduser().is_file():
            raise ConfigError(f"no such file: {name}", key="values", value=name)
        return
    own = [file.stem for folder in folders for file in (folder / group).glob("*.yaml")]
    known = [*choices(group), *own]
    if name not in known:
        raise ConfigError(f"no such {group}: {name}", key="values", value=name, known=known)


# --- what a factor may be there ------------------------------------------------------------------


def _leaf(place: Setting) -> Setting:
    """Return the setting itself where a place is a part that is still to be made."""
    hint, limits = place.hint, place.limits
    for name in place.rest:
        kind = _without_none(hint)
        if is_dataclass(kind):
            hint = hints_of(cast(type, kind))[name]
            limits = limits_of(kind.__dataclass_fields__[name].metadata)
        else:
            hint = typing.get_args(kind)[1]
    return place._replace(hint=hint, limits=limits, value=None if place.rest else place.value)


def _without_none(hint: Any) -> Any:
    if typing.get_origin(hint) in {types.UnionType, typing.Union}:
        [hint] = [part for part in typing.get_args(hint) if part is not types.NoneType]
    return hint


def _kind_of(hint: Any) -> type:
    """Return what a setting of a type holds: float, int, bool, or a text."""
    hint = _without_none(hint)
    return str if issubclass(hint, Enum) else cast(type, hint)


def _check_alone(base: Config, axis: Axis, value: Value) -> None:
    """Raise ConfigError if a value is refused at its own place, by what the field does not say.

    Where it only contradicts another setting, that may be varied with it.
    """
    if any(target.rest for target in axis.targets):
        return
    try:
        Editor(base, [axis.factor]).edit({axis.factor.column: value})
    except ConfigError as error:
        if error.key in {target.path for target in axis.targets}:
            raise


def _kind(factor: Factor, targets: Sequence[Setting]) -> type:
    """Return what a factor's values are, by what stands at its key."""
    kinds = {_kind_of(target.hint) for target in targets}
    if len(kinds) > 1:
        paths = {_kind_of(target.hint): target.path for target in targets}
        raise ConfigError(
            f"leads to settings of several kinds: {' and '.join(paths.values())}", key="key",
            value=factor.key, allowed="a path to settings of one kind",
        )  # fmt: skip
    [kind] = kinds
    if factor.apply is not Apply.SET:
        _check_apply(factor, targets, kind)
        return float if factor.apply is Apply.TIMES else kind
    if kind not in {float, int} and (factor.low is not None or factor.distribution is not None):
        given = "low" if factor.low is not None else "distribution"
        raise ConfigError(f"{targets[0].path} is no number", key=given, allowed="values: [...]")
    return kind


def _check_apply(factor: Factor, targets: Sequence[Setting], kind: type) -> None:
    verb = factor.apply.value
    if kind not in {float, int}:
        raise ConfigError(f"{targets[0].path} is no number", key="apply", value=verb, allowed="set")
    for target in targets:
        if target.value is None:
            raise ConfigError(f"{target.path} has no number to begin with", key="apply",
                              value=verb, allowed="set")  # fmt: skip
    if factor.apply is Apply.TIMES and all(target.value == 0 for target in targets):
        raise ConfigError(f"{factor.key} is 0, which stays 0", key="apply", value=verb,
                          allowed="set or plus")  # fmt: skip


def _bounds(factor: Factor, targets: Sequence[Setting]) -> Limits:
    """Return what a value may be so that every setting stays in its range."""
    low, high = -math.inf, math.inf
    for target in targets:
        least, most = target.limits.low, target.limits.high
        if isinstance(target.value, Uncertain) and factor.apply is not Apply.SET:
            continue
        if factor.apply is Apply.PLUS:
            least, most = least - target.value, most - target.value
        elif factor.apply is Apply.TIMES:
            if target.value == 0:
                continue
            least, most = sorted((least / target.value, most / target.value))
        low, high = max(low, least), min(high, most)
    unit = UNITS.get(factor.apply, targets[0].limits.unit)
    return Limits(unit, low, high)


def _distribution(factor: Factor, targets: Sequence[Setting]) -> Uncertain | None:
    """Return the distribution that a factor follows, its own or the configuration's."""
    if isinstance(factor.distribution, Uncertain):
        return factor.distribution
    if factor.values or factor.low is not None:
        return None
    for target in targets:
        if not isinstance(target.value, Uncertain):
            raise ConfigError(f"has no values, and the configuration states no distribution at"
                              f" {target.path}", key="values", allowed=WAYS)  # fmt: skip
    stated: list[Uncertain] = [target.value for target in targets]
    for target in targets[1:]:
        if target.value.as_yaml() != stated[0].as_yaml():
            raise ConfigError(
                f"has no values, and {targets[0].path} and {target.path} follow two distributions",
                key="values", allowed=WAYS,
            )  # fmt: skip
    if factor.apply is not Apply.SET:
        raise ConfigError("has no values, and the distribution that the configuration states is"
                          f" not one to apply as {factor.apply.value}", key="values",
                          allowed=WAYS)  # fmt: skip
    return stated[0]


def _stated(factor: Factor) -> Iterator[tuple[str, Value]]:
    """Yield what a design says of a factor's values, with the name under which it does."""
    for value in factor.listed:
        yield "values", value
    if factor.low is not None and factor.high is not None:
        yield "low", factor.low
        yield "high", factor.high
    if isinstance(factor.distribution, Uncertain) and factor.distribution.form in BOUNDED:
        for end in factor.distribution.support():
            yield "distribution", end


def _checked(axis: Axis) -> Axis:
    """Return an axis whose distribution has something left within the bounds."""
    if axis.distribution is not None:
        low, high = axis.distribution.support()
        if max(low, axis.bounds.low) > min(high, axis.bounds.high):
            raise ConfigError("lies out of the setting's range", key="distribution",
                              allowed=axis.bounds.allowed)  # fmt: skip
    return axis


def _plain(column: Column) -> list[Any]:
    return column if isinstance(column, list) else column.tolist()
