"""A design: which settings a sweep varies, how, and how many points that makes.

What the points are is in `sim.sweep.design`; here is what an analyst writes into a file.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from enum import Enum
from pathlib import Path
from typing import Any, TypeAlias

from sim.config.build import build, under
from sim.config.distributions import FORMS
from sim.config.fields import Uncertain, number
from sim.config.files import GROUPS, choices, folder_of, is_path, read, shown
from sim.errors import ConfigError

Value: TypeAlias = float | str | bool

MOST_POINTS = 100_000_000
"""Points of a design at most. A point is lived for a hundredth of a second or more, so that more
would take a thousand cores for half an hour at the very least, mostly by a slip in a grid."""
CHOSEN = tuple(group for group in GROUPS
               if group not in {"scenario", "plan", "engine", "report"})  # fmt: skip
"""Groups from which a factor may choose: `scenario` would replace what the design starts from,
plans are lived side by side, and the other two move no result."""
MORRIS_LEVELS = 4
"""Levels of a Morris design that states none, as Morris (1991) and Campolongo et al. (2007) use."""
WAYS = (
    "one of values: [...], low and high, or distribution: {...}; or none of them, to follow the"
    " distribution that the configuration states"
)


class DesignKind(Enum):
    """How points are laid."""

    GRID = "grid"
    """Every value of a factor with every value of the others; the last factor varies fastest."""
    RANDOM = "random"
    """Independent points."""
    LATIN_HYPERCUBE = "latin_hypercube"
    """Each of n equal parts of every factor holds one of the n points (McKay et al. 1979)."""
    SOBOL = "sobol"
    """A scrambled Sobol sequence (Owen 1998). Any number of points will do; at powers of two it is
    balanced best."""
    SALTELLI = "saltelli"
    """For Sobol indices (Saltelli 2002): of N base points (a power of two) and D factors it makes
    N (2 D + 2) points, base sample by base sample."""
    MORRIS = "morris"
    """For screening (Morris 1991): of N trajectories and D factors it makes N (D + 1) points, in
    each of which one factor has moved by half of its levels."""
    CSV = "csv"
    """Points of one's own: a row for each, with a column per factor."""


DRAWN = (DesignKind.RANDOM, DesignKind.LATIN_HYPERCUBE, DesignKind.SOBOL, DesignKind.SALTELLI,
         DesignKind.MORRIS)  # fmt: skip
"""Kinds that have as many points as one asks for."""


class Apply(Enum):
    """What a factor's value does to the number at its key."""

    SET = "set"
    TIMES = "times"
    PLUS = "plus"


class Scale(Enum):
    """Along what a range is laid out evenly."""

    LINEAR = "linear"
    LOG = "log"


@dataclass(frozen=True, slots=True)
class Factor:
    """A setting, or a choice of a group, that a design varies.

    Its values are listed (`values`), lie in a range (`low`, `high`) or follow a distribution. With
    none of these the factor follows the distribution that the configuration states at its key.
    """

    key: str
    """Path of the setting, where `*` stands for any one name: `plan.phases.*.spend.*`; or a group
    that is chosen by name: `rivals`."""
    name: str = ""
    """What its column is called; the key if empty."""
    values: tuple[Value, ...] | None = None
    """Numbers, texts or booleans: each an equal part of the factor's probability."""
    low: float | None = number(None, unit="as the setting, or as `apply` says")
    high: float | None = number(None, unit="as the setting, or as `apply` says")
    scale: Scale = Scale.LINEAR
    levels: int | None = number(None, unit="values of a grid, or of a Morris design", low=2,
                                high=MOST_POINTS)  # fmt: skip
    """On a grid evenly spaced from low to high, or the middles of so many equal parts of the
    distribution."""
    distribution: float | None = number(None, unit="as the setting, or as `apply` says")
    """A number with a distribution, as a configuration writes it: `{triangular: [0, 0.1, 0.3]}`."""
    apply: Apply = Apply.SET

    def __post_init__(self) -> None:
        """Check that values are stated in one way, and that there are any."""
        if self.values == ():
            raise ConfigError("is empty", key="values", allowed="one value or more")
        _check_one_way(self)
        if self.low is not None and self.high is not None:
            _check_range(self.low, self.high, self.scale)
        elif self.scale is Scale.LOG:
            raise ConfigError("is of a range, and none is given", key="scale",
                              value="log", allowed="log with low and high")  # fmt: skip
        if self.distribution is not None and not isinstance(self.distribution, Uncertain):
            raise ConfigError(
                f"{self.distribution:g} is a number", key="distribution", value=self.distribution,
                allowed="; ".join(form.allowed(name) for name, form in FORMS.items()),
            )  # fmt: skip
        if self.values and self.levels is not None:
            raise ConfigError("stands beside values, which say how many they are", key="levels",
                              value=self.levels, allowed="values without levels")  # fmt: skip
        if self.is_choice:
            self._check_choice()
        elif self.apply is not Apply.SET and not all(map(is_number, self.listed)):
            raise ConfigError(
                f"{self.apply.value} takes numbers", key="values", value=list(self.listed),
                allowed="numbers, or apply: set",
            )  # fmt: skip

    @property
    def column(self) -> str:
        """What its column is called."""
        return self.name or self.key

    @property
    def listed(self) -> tuple[Value, ...]:
        """Its values if they are listed; else none."""
        return self.values or ()

    @property
    def is_choice(self) -> bool:
        """Whether it chooses a group's file, rather than sets a setting."""
        return "." not in self.key and self.key in GROUPS

    def _check_choice(self) -> None:
        if self.key not in CHOSEN:
            instead = {"plan": "plans: [NAME, ...] of the design, lived side by side",
                       "scenario": "scenario: NAME of the design"}  # fmt: skip
            raise ConfigError(
                f"{self.key} is no factor", key="key", value=self.key,
                allowed=instead.get(self.key, f"a setting, or a choice of {', '.join(CHOSEN)}"),
            )  # fmt: skip
        if self.low is not None or self.distribution is not None:
            given = "low" if self.low is not None else "distribution"
            raise ConfigError(f"a {self.key} is chosen by name and has none", key=given,
                              allowed="values: [NAME, ...]")  # fmt: skip
        if self.apply is not Apply.SET:
            raise ConfigError(f"a {self.key} is chosen, not counted", key="apply",
                              value=self.apply.value, allowed="set")  # fmt: skip
        for value in self.listed:
            if not isinstance(value, str):
                raise ConfigError(
                    f"{written(value)} is no name", key="values", value=value,
                    allowed=f"names of {self.key} files, or paths to them",
                )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Design:
    """Points that a sweep lives: factors, how they are laid, and what is meant to be varied."""

    name: str
    kind: DesignKind
    title: str = ""
    factors: tuple[Factor, ...] = ()
    points: int | None = number(None, unit="points; base points for saltelli, trajectories for"
                                " morris", low=1, high=MOST_POINTS)  # fmt: skip
    seed: int = number(1, unit="key of the design's draws", low=0, high=2**32 - 1)
    file: str | None = None
    """Table of points, for `csv`; beside the design if it is a relative path."""
    scenario: str | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    """Overrides of the configuration that is varied, by key."""
    plans: tuple[str, ...] = ()
    replications: int | None = number(None, unit="worlds of each point", low=1, high=1_000_000)
    source: str = ""
    """File that it was read from, for messages; set by the reader."""

    def __post_init__(self) -> None:
        """Check what the kind needs, that columns differ, and the number of points."""
        columns = [factor.column for factor in self.factors]
        lowered = [column.lower() for column in columns]
        for column in columns:
            if lowered.count(column.lower()) > 1:  # for SQL, in which tables are asked
                raise ConfigError(f"two factors are called '{column}'", key=f"factors.{column}",
                                  value=column, allowed="a name of its own for each")  # fmt: skip
        keys = [factor.key for factor in self.factors]
        for key in keys:
            if keys.count(key) > 1:
                raise ConfigError("two factors vary it", key=f"factors.{key}", value=key,
                                  allowed="one factor for each key")  # fmt: skip
        self._check_points()
        self._check_file()
        for factor in self.factors:
            try:
                self._check_factor(factor)
            except ConfigError as error:
                raise under(f"factors.{factor.column}", error) from None
        if self.factors and self.n_points is not None and self.n_points > MOST_POINTS:
            raise ConfigError(
                f"makes {self.n_points:,} points", value=self.n_points,
                key="factors" if self.kind is DesignKind.GRID else "points",
                allowed=f"{MOST_POINTS:,} points or fewer",
            )  # fmt: skip

    @property
    def n_points(self) -> int | None:
        """Number of points, or None if only the file of points can tell."""
        n_factors = len(self.factors)
        if self.kind is DesignKind.CSV:
            return None
        if self.kind is DesignKind.GRID:
            return math.prod(len(factor.listed) or factor.levels or 0 for factor in self.factors)
        per = {DesignKind.SALTELLI: 2 * n_factors + 2, DesignKind.MORRIS: n_factors + 1}
        return (self.points or 0) * per.get(self.kind, 1)

    @property
    def morris_levels(self) -> int:
        """Levels of each factor of a Morris design."""
        return next((f.levels for f in self.factors if f.levels is not None), MORRIS_LEVELS)

    def _check_points(self) -> None:
        kind = self.kind.value
        if self.kind not in DRAWN:
            if self.points is not None:
                instead = {"grid": "values or levels of each factor", "csv": "the rows of its file"}
                raise ConfigError(f"a {kind} has as many points as it is made of", key="points",
                                  value=self.points, allowed=instead[kind])  # fmt: skip
            return
        if self.points is None:
            raise ConfigError("is missing", key="points",
                              allowed=f"a number: a design of kind {kind} is drawn")  # fmt: skip
        if self.kind is DesignKind.SALTELLI and self.points & (self.points - 1):
            below_it = 1 << (self.points.bit_length() - 1)
            raise ConfigError(
                f"{self.points:,} base points are no power of two, which a Saltelli design needs",
                key="points", value=self.points, allowed=f"{below_it:,} or {2 * below_it:,}",
            )  # fmt: skip

    def _check_file(self) -> None:
        if self.kind is DesignKind.CSV and not self.file:
            raise ConfigError("is missing", key="file", allowed="a CSV file of points")
        if self.kind is not DesignKind.CSV and self.file is not None:
            raise ConfigError(
                f"is of kind csv, but this design is of kind {self.kind.value}", key="file",
                value=self.file, allowed="kind: csv, or no file",
            )  # fmt: skip

    def _check_factor(self, factor: Factor) -> None:
        kind = self.kind
        if kind is DesignKind.CSV:
            for name in ("values", "low", "distribution", "levels"):
                if getattr(factor, name) is not None:
                    raise ConfigError("stands in the file of points", key=name,
                                      allowed="key, name and apply")  # fmt: skip
        elif kind is DesignKind.GRID:
            if not factor.values and factor.levels is None:
                raise ConfigError("a grid does not know how many values to take", key="levels",
                                  allowed="values: [...], or levels: N")  # fmt: skip
        elif kind is DesignKind.MORRIS:
            self._check_levels(factor)
        elif factor.levels is not None:
            raise ConfigError(
                f"are of a grid or a Morris design, but this is of kind {kind.value}",
                key="levels", value=factor.levels, allowed="no levels",
            )  # fmt: skip

    def _check_levels(self, factor: Factor) -> None:
        levels = factor.levels or self.morris_levels
        if levels != self.morris_levels or levels % 2:
            raise ConfigError(
                f"{levels} levels, and {self.morris_levels} of another factor"
                if levels != self.morris_levels else f"{levels} is odd",
                key="levels", value=levels, allowed="an even number, the same for every factor",
            )  # fmt: skip
        if len(factor.listed) > levels:
            raise ConfigError(
                f"{len(factor.listed)} values on {levels} levels", key="values",
                value=list(factor.listed),
                allowed=f"{levels} values or fewer, or more levels of another factor",
            )  # fmt: skip


def read_design(given: str, folders: Sequence[Path] = ()) -> Design:
    """Return the design of a name in `conf/design/`, or of a YAML file.

    Parameters
    ----------
    given
        Name or path.
    folders
        Folders with a `design/` of one's own; the shipped names go first.

    Raises
    ------
    ConfigError
        If there is no such design, or it cannot be used; the file is named.
    """
    if is_path(given):
        path = Path(given).expanduser()
    else:
        own = {file.stem: file for folder in folders
               for file in sorted((folder / "design").glob("*.yaml"))}  # fmt: skip
        files = own | {name: folder_of("design") / f"{name}.yaml" for name in choices("design")}
        if given not in files:
            raise ConfigError(f"no such design: {given}", key="design", value=given, known=files)
        path = files[given]
    data = {"name": path.stem, **read(path, "design")}
    if isinstance(data.get("file"), str):
        data["file"] = str(path.parent / Path(data["file"]).expanduser())
    return make_design(data, shown(path))


def make_design(data: Mapping[str, Any], source: str = "") -> Design:
    """Return the design that plain data say, as a file or `sim.config.build.dump` has them.

    Parameters
    ----------
    data
        What the file says.
    source
        The file, for messages; what the data say of it if empty.

    Raises
    ------
    ConfigError
        If the design cannot be used.
    """
    source = source or str(data.get("source", ""))
    plain = {name: item for name, item in data.items() if name not in {"factors", "settings"}}
    try:
        _check_known(data, Design)
        head = build(Design, {**plain, "source": source})
        return replace(
            head,
            factors=_factors(data.get("factors", ())),
            settings=_settings(data.get("settings", {})),
        )
    except ConfigError as error:
        raise error.with_file(source) from None


def is_number(value: object) -> bool:
    """Return whether a value is a number; a boolean is none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def written(value: object) -> str:
    """Return a value as a YAML file has it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


# --- reading -------------------------------------------------------------------------------------


def _check_known(data: Mapping[str, Any], cls: type) -> None:
    """Raise ConfigError for a setting that does not exist, before `build`, which gets only some."""
    known = [each.name for each in fields(cls)]
    for name in data:
        if name not in known:
            raise ConfigError("no such setting", key=str(name), known=known)


def _factors(given: object) -> tuple[Factor, ...]:
    if not isinstance(given, list | tuple):
        raise ConfigError(f"{given!r} is no list", key="factors", allowed="a list: - key: ...")
    return tuple(_factor(item, index) for index, item in enumerate(given))


def _factor(given: object, index: int) -> Factor:
    where = f"factors.{index}"
    if not isinstance(given, Mapping):
        raise ConfigError(f"{given!r} is no factor", key=where, allowed="key: PATH, and its values")
    label = given.get("name") or given.get("key")
    where = f"factors.{label}" if isinstance(label, str) else where
    plain = {name: item for name, item in given.items() if name != "values"}
    try:
        _check_known(given, Factor)
        made = build(Factor, plain)
        values = given.get("values")
        return made if values is None else replace(made, values=_values(values))
    except ConfigError as error:
        raise under(where, error) from None


def _values(given: object) -> tuple[Value, ...]:
    if not isinstance(given, list | tuple):
        raise ConfigError(f"{given!r} is no list", key="values", allowed="a list, in brackets")
    tests = (is_number, lambda value: isinstance(value, str), lambda value: isinstance(value, bool))
    one_kind = any(all(map(test, given)) for test in tests)
    if not one_kind or any(is_number(each) and not math.isfinite(each) for each in given):
        raise ConfigError(f"{list(given)} are not of one kind", key="values", value=given,
                          allowed="finite numbers, or texts, or true and false")  # fmt: skip
    for value, times in Counter(given).items():
        if times > 1:
            raise ConfigError(f"{written(value)} stands twice", key="values", value=value,
                              allowed="each value once")  # fmt: skip
    return tuple(given)


def _settings(given: object) -> dict[str, Any]:
    if not isinstance(given, Mapping):
        raise ConfigError(f"{given!r} is no mapping", key="settings", allowed="PATH: VALUE, each")
    for key, value in given.items():
        if isinstance(value, Mapping) and not (len(value) == 1 and set(value) <= set(FORMS)):
            raise ConfigError("holds settings below it", key=f"settings.{key}",
                              allowed=f"one path for each: {key}.NAME: VALUE")  # fmt: skip
    return {str(key): value for key, value in given.items()}


# --- checks --------------------------------------------------------------------------------------


def _check_one_way(factor: Factor) -> None:
    ways = {
        "values": factor.values is not None,
        "low and high": factor.low is not None or factor.high is not None,
        "distribution": factor.distribution is not None,
    }
    stated = [name for name, given in ways.items() if given]
    if len(stated) > 1:
        raise ConfigError(f"states {' and '.join(stated)}", key=stated[-1].split(" ")[0],
                          allowed=WAYS)  # fmt: skip
    for name, other in (("low", "high"), ("high", "low")):
        if getattr(factor, name) is None and getattr(factor, other) is not None:
            raise ConfigError(f"is missing beside {other}", key=name, allowed="a number")


def _check_range(low: float, high: float, scale: Scale) -> None:
    for name, end in (("low", low), ("high", high)):
        if isinstance(end, Uncertain):
            raise ConfigError("is a distribution", key=name, allowed="a number, or distribution:")
    if low >= high:
        raise ConfigError(f"{low:g} to {high:g} is an empty range", key="low", value=low,
                          allowed="a low below high")  # fmt: skip
    if scale is Scale.LOG and low <= 0:
        raise ConfigError(f"{low:g} has no logarithm", key="low", value=low,
                          allowed="more than 0, or scale: linear")  # fmt: skip
