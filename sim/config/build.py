"""From plain data to frozen dataclasses and back, and what can be asked of a built configuration.

A path names one setting: `market.rate.mean`. An item of a list goes by its `name`, `channel` or
`measure`, and by its index where it has none or an earlier item has the same:
`market.brands.focal.price`, `lever.data_platform.effects.match.size`, `market.rate.season.0`.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import math
import types
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from enum import Enum
from operator import attrgetter
from typing import Any, NamedTuple, TypeVar, cast

from sim.config.distributions import FORMS
from sim.config.fields import Uncertain
from sim.config.market import Joint, JointNumber, Market
from sim.config.study import Config
from sim.errors import ConfigError
from sim.types import Provenance

T = TypeVar("T")

LABELS = ("name", "channel", "measure")
UNMOVED = {"engine", "report", "command"}
"""Parts of a configuration that move no result."""
BOUNDED = ("triangular", "uniform")
"""Distributions whose stated ends must lie in the field's range; others are cut off there."""


class Limits(NamedTuple):
    """What a numeric field allows."""

    unit: str = ""
    low: float = -math.inf
    high: float = math.inf

    @property
    def allowed(self) -> str:
        """The range with its unit, in words."""
        low, high = f"{self.low:,.10g}", f"{self.high:,.10g}"
        if math.isinf(self.low) and math.isinf(self.high):
            words = "a finite number"
        elif math.isinf(self.high):
            words = f"{low} or more"
        else:
            words = f"{low} to {high}" if math.isfinite(self.low) else f"{high} or less"
        return f"{words} ({self.unit})" if self.unit else words


class Parameter(NamedTuple):
    """A number that the answer rests on, and where it comes from."""

    path: str
    value: float
    kind: Provenance
    source: str


def build(cls: type[T], data: object, key: str = "") -> T:
    """Return an instance of a dataclass from plain dicts, lists, strings and numbers.

    `key` is the path of the instance itself, for messages.

    Raises
    ------
    ConfigError
        If a key is unknown or missing, a value has the wrong type or lies out of range, or the
        values contradict each other; it names the whole path.
    """
    fields = {field.name: field for field in dataclasses.fields(cast(Any, cls))}
    if not isinstance(data, Mapping):
        raise ConfigError(
            f"{data!r} is no group of settings", key=key, allowed=f"keys {', '.join(fields)}"
        )
    for name in data:
        if name not in fields:
            raise ConfigError("no such setting", key=join(key, name), known=fields)
    hints, values = hints_of(cast(type, cls)), {}
    for name, field in fields.items():
        where = join(key, name)
        if name in data:
            values[name] = read_value(hints[name], data[name], where, limits_of(field.metadata))
        elif _required(field):
            raise ConfigError("is missing", key=where, allowed=_wanted(hints[name], field.metadata))
    _check_provenance(values.get("provenance", {}), join(key, "provenance"))
    try:
        made = cls(**values)
        if isinstance(made, Market):
            joint_numbers(made)
    except ConfigError as error:
        raise under(key, error) from None
    return made


def dump(value: object) -> Any:
    """Return what `build` makes the same value from: dicts, lists, strings and numbers."""
    if isinstance(value, Uncertain | JointNumber):
        return value.as_yaml()
    if isinstance(value, Enum):
        return _written(value)
    if dataclasses.is_dataclass(value):
        return {field.name: dump(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {name: dump(item) for name, item in value.items()}
    if isinstance(value, tuple | list):
        return [dump(item) for item in value]
    return value


def configuration_hash(config: Config) -> str:
    """Return the SHA-256 of all that can move a result: `engine` and `report` are left out."""
    data = {name: item for name, item in dump(config).items() if name not in UNMOVED}
    text = json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


# --- numbers of a built configuration ------------------------------------------------------------


Range = tuple[Uncertain | JointNumber, float, float]
"""A number that is not known exactly, with the range of its field."""


class Branch(NamedTuple):
    """A part of a configuration with something uncertain in it."""

    path: str
    value: Any
    parts: dict[str | int, Branch]
    """Its own uncertain parts, by the name or, in a tuple, the index."""
    numbers: dict[str, Range]
    """Each uncertain number in it, by path; the part itself if it is one."""


class Unknowns:
    """What a configuration does not know exactly: found once, drawn as often as asked.

    Parameters
    ----------
    config
        The configuration; it is not changed.

    Raises
    ------
    ConfigError
        If the market's joint draws cannot be used.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        self._joined = _joined(config)
        self._root = _branch(config, "", Limits(), self._joined)

    @property
    def numbers(self) -> dict[str, Range]:
        """Each number that is not known exactly, by path, with the range of its field."""
        return self._root.numbers if self._root else {}

    def after(self, config: Config) -> Unknowns:
        """Return those of an edited configuration, at the cost of what differs in it.

        What the two have in common must be the same objects, as an `Editor` keeps them; the rest is
        looked through as if for the first time.

        Raises
        ------
        ConfigError
            If the market's joint draws cannot be used.
        """
        found = object.__new__(Unknowns)
        found.config, before = config, self.config
        if config.market.joint is before.market.joint:
            found._joined = self._joined
            found._root = _branch_after(before, self._root, config, "", Limits(), self._joined)
        else:
            found._joined = _joined(config)
            found._root = _branch(config, "", Limits(), found._joined)
        return found

    def realise(self, draw: Callable[[str], float]) -> tuple[Config, dict[str, float]]:
        """Return the configuration with each uncertain number drawn, and the numbers by path.

        `draw` gives a probability for a path; the number becomes that quantile of its distribution,
        within the range of its field. For joint draws it gives one for `market.joint.NAME`, which
        tells the row. Parts without uncertain numbers are the same objects as before.

        Raises
        ------
        ConfigError
            If drawn numbers contradict each other.
        """
        drawn = {
            path: number.quantile(draw(path), low, high)
            for path, (number, low, high) in self.numbers.items()
            if isinstance(number, Uncertain)
        }
        for joint in self.config.market.joint:
            row = min(int(draw(f"market.joint.{joint.name}") * joint.n_rows), joint.n_rows - 1)
            drawn |= {join("market", path): rows[row] for path, rows in joint.draws.items()}
        if self._root is None:
            return self.config, drawn
        return cast(Config, _realised(self._root, drawn)), drawn


def uncertain_parameters(config: Config) -> dict[str, Range]:
    """Return each number that is not known exactly, by path, with the range of its field."""
    return Unknowns(config).numbers


def realise(config: Config, draw: Callable[[str], float]) -> Config:
    """Return the configuration with each uncertain number drawn, see `Unknowns.realise`."""
    return Unknowns(config).realise(draw)[0]


def real_numbers(part: object) -> dict[str, tuple[float, Limits]]:
    """Return the numbers of a part that may be uncertain, by path below it, with their limits."""
    return {
        path: (number, limits)
        for path, number, limits in _leaves(part, "", Limits())
        if isinstance(number, float)
    }


def at_medians(config: Config) -> Config:
    """Return the configuration with each uncertain number at its median.

    A market's joint draws are left aside: what it states of those numbers counts instead, which is
    the estimate, or the market that fits best.
    """
    market = dataclasses.replace(config.market, joint=())
    return realise(dataclasses.replace(config, market=market), lambda _: 0.5)


def joint_numbers(market: Market) -> dict[str, JointNumber]:
    """Return the numbers of a market's joint draws, by their path below the market.

    Raises
    ------
    ConfigError
        If a path leads to no number of the market that may be uncertain, or a draw is out of range.
    """
    if not market.joint:
        return {}
    known, found = real_numbers(market), {}
    for joint in market.joint:
        for path, rows in joint.draws.items():
            key = f"joint.{joint.name}.draws.{path}"
            if path not in known:
                top = path.partition(".")[0]
                near = [name for name in known if name.partition(".")[0] == top]
                raise ConfigError(
                    "no number of the market that may be uncertain", key=key, value=path,
                    known=near or [field.name for field in dataclasses.fields(Market)],
                )  # fmt: skip
            for number in rows:
                _check_range(number, key, known[path][1])
            found[path] = JointNumber(rows)
    return found


def parameters(config: Config) -> list[Parameter]:
    """Return every number of the parts that state a provenance, with its kind and source.

    A number takes the longest prefix of its path that the part's `provenance` names; without one it
    is assumed, by default. A part that stands twice (the first of `plans` is `plan`) counts once.
    """
    found, seen = [], []
    for path, part in _parts(config, ""):
        if part not in seen:
            seen.append(part)
            joined = joint_numbers(part) if isinstance(part, Market) else {}
            for name, number, _ in _leaves(part, "", Limits()):
                origin = _origin(name, part.provenance)
                found.append(Parameter(join(path, name), joined.get(name, number), *origin))
    return found


def _leaves(value: object, path: str, limits: Limits) -> Iterator[tuple[str, float, Limits]]:
    if isinstance(value, bool | Enum | Joint):
        return
    if isinstance(value, int | float):
        yield path, value, limits
    for name, item, inner in _items(value, limits):
        yield from _leaves(item, join(path, name), inner)


def _items(value: object, limits: Limits) -> Iterator[tuple[str, Any, Limits]]:
    """Yield the parts of a value with their names and, for numbers, what they allow."""
    if dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            yield field.name, getattr(value, field.name), limits_of(field.metadata)
    elif isinstance(value, Mapping):
        for name, item in value.items():
            yield name, item, limits
    elif isinstance(value, tuple | list):
        for name, item in zip(labels(value), value, strict=True):
            yield name, item, limits


def _parts(value: object, path: str) -> Iterator[tuple[str, Any]]:
    if hasattr(value, "provenance"):
        yield path, value
        return
    for name, item, _ in _items(value, Limits()):
        yield from _parts(item, join(path, name))


def _joined(config: Config) -> dict[str, JointNumber]:
    """Return the numbers of the market's joint draws, by their path."""
    numbers = joint_numbers(config.market)
    return {join("market", path): number for path, number in numbers.items()}


Key = str | int
"""What a part is found by: the field, the name in a mapping, or the index in a tuple."""


def _branch(
    value: object, path: str, limits: Limits, joined: Mapping[str, JointNumber]
) -> Branch | None:
    """Return a part as a branch, or None if all of it is known."""
    number = joined.get(path, value)
    if isinstance(number, Uncertain | JointNumber):
        return Branch(path, number, {}, {path: (number, limits.low, limits.high)})
    parts = {
        key: _branch(item, join(path, name), inner, joined)
        for key, name, item, inner in _keyed(value, limits)
    }
    return _branch_of(value, path, parts)


def _branch_after(
    before: object, found: Branch | None, value: object, path: str, limits: Limits,
    joined: Mapping[str, JointNumber],
) -> Branch | None:  # fmt: skip
    """Return a part as a branch, given what stood at its path and the branch of that."""
    if value is before:
        return found
    if type(value) is not type(before) or not _is_container(value):
        return _branch(value, path, limits, joined)
    stood = {key: (name, item) for key, name, item, _ in _keyed(before, limits)}
    parts: dict[Key, Branch | None] = {}
    for key, name, item, inner in _keyed(value, limits):
        called, old = stood.get(key, ("", None))
        below = join(path, name)
        if called == name:
            branch = found.parts.get(key) if found else None
            parts[key] = _branch_after(old, branch, item, below, inner, joined)
        else:  # another item, so another path
            parts[key] = _branch(item, below, inner, joined)
    return _branch_of(value, path, parts)


def _is_container(value: object) -> bool:
    return dataclasses.is_dataclass(value) or isinstance(value, Mapping | tuple)


def _keyed(value: object, limits: Limits) -> Iterator[tuple[Key, str, Any, Limits]]:
    """Yield the parts of a value with what they are found by, and their names in a path."""
    by_index = isinstance(value, tuple)
    for index, (name, item, inner) in enumerate(_items(value, limits)):
        yield (index if by_index else name), name, item, inner


def _branch_of(value: object, path: str, parts: Mapping[Key, Branch | None]) -> Branch | None:
    """Return a part as a branch of those of its parts that are branches; None if none is."""
    found = {name: part for name, part in parts.items() if part is not None}
    if not found:
        return None
    if isinstance(value, Market) and value.joint:  # once drawn, they are numbers like any others
        value = dataclasses.replace(value, joint=())
    numbers: dict[str, Range] = {}
    for part in found.values():
        numbers |= part.numbers
    return Branch(path, value, found, numbers)


def _realised(branch: Branch, drawn: Mapping[str, float]) -> Any:
    if not branch.parts:
        return drawn[branch.path]
    new = {name: _realised(part, drawn) for name, part in branch.parts.items()}
    return rebuilt(branch.value, branch.path, new)


def rebuilt(value: Any, path: str, new: Mapping[Any, Any]) -> Any:
    """Return a part with some of its own parts replaced, checked as when it was first built.

    Parameters
    ----------
    value, path
        The part, and where it stands.
    new
        What replaces them, by the field, the name in a mapping, or the index in a tuple.

    Raises
    ------
    ConfigError
        If the parts now contradict each other.
    """
    if isinstance(value, tuple):
        return tuple(new.get(index, item) for index, item in enumerate(value))
    if isinstance(value, Mapping):
        return {**value, **new}
    values_of, place = _constructor(cast(Any, type(value)))
    values = list(values_of(value))
    for name, item in new.items():
        values[place[name]] = item
    try:  # as `dataclasses.replace` does, in a third of its time
        return type(value)(*values)
    except ConfigError as error:
        raise under(path, error) from None


@functools.cache
def _constructor(cls: Any) -> tuple[Callable[[Any], Iterable[Any]], dict[str, int]]:
    """Return what gives the values of an instance's fields in order, and each field's place."""
    names = [field.name for field in dataclasses.fields(cls)]
    single = len(names) == 1  # for which `attrgetter` gives no tuple
    values_of = (lambda made: (getattr(made, names[0]),)) if single else attrgetter(*names)
    return values_of, {name: index for index, name in enumerate(names)}


def _origin(path: str, provenance: Mapping[str, str]) -> tuple[Provenance, str]:
    names = path.split(".")
    for length in range(len(names), 0, -1):
        text = provenance.get(".".join(names[:length]))
        if text is not None:
            kind, _, source = text.partition(":")
            return Provenance(kind.strip()), source.strip()
    return Provenance.ASSUMED, "default"


def _check_provenance(provenance: Mapping[str, str], key: str) -> None:
    kinds = [kind.value for kind in Provenance]
    for name, text in provenance.items():
        kind = text.partition(":")[0].strip()
        if kind not in kinds:
            raise ConfigError(
                f"'{kind}' is no kind of source", key=join(key, name), value=kind, known=kinds
            )


# --- paths ---------------------------------------------------------------------------------------


def join(key: str, name: object) -> str:
    """Return the path of a part: `market` and `rate` make `market.rate`."""
    return f"{key}.{name}" if key and str(name) else f"{key}{name}"


def labels(items: Sequence[object]) -> list[str]:
    """Return what each item of a list is called in a path; no two are the same."""
    made: list[str] = []
    for index, item in enumerate(items):
        label = _label(item)
        made.append(str(index) if label is None or label in made else label)
    return made


def _label(item: object) -> str | None:
    for name in LABELS:
        given = item.get(name) if isinstance(item, Mapping) else getattr(item, name, None)
        if isinstance(given, str):
            return given
        if isinstance(given, Enum):
            return _written(given)
    return None


def goes_by_name(key: str) -> bool:
    """Return whether a path goes through an item of a list by its name, not by its index."""
    hint: Any = Config
    for name in key.split("."):
        kind = typing.get_origin(hint) or hint
        if kind is tuple and not name.isdigit():
            return True
        if kind in {tuple, dict}:
            hint = typing.get_args(hint)[0 if kind is tuple else 1]
        elif dataclasses.is_dataclass(kind):
            hint = hints_of(cast(type, kind)).get(name)
        else:
            return False
    return False


def find(data: object, path: str) -> tuple[Any, list[str]]:
    """Return the deepest part of plain data on a path, and the names that are left below it."""
    names = path.split(".") if path else []
    while names:
        if isinstance(data, Mapping) and names[0] in data:
            data = data[names.pop(0)]
        elif isinstance(data, list) and index_of(data, names[0]) is not None:
            data = data[cast(int, index_of(data, names.pop(0)))]
        else:
            break
    return data, names


def assign(data: dict[str, Any], path: str, value: object) -> None:
    """Set one setting in plain data, making the mappings on its way.

    Raises
    ------
    ConfigError
        If the path names an item that a list does not have, or goes on below a number.
    """
    above, _, last = path.rpartition(".")
    part, rest = find(data, above)
    for name in rest:
        if not isinstance(part, dict):
            break
        part = part.setdefault(name, {})
    if isinstance(part, dict):
        part[last] = value
        return
    missing = path.split(".")[: -len(rest) or None] if rest else path.split(".")
    index = index_of(part, last) if isinstance(part, list) and not rest else None
    if index is None:
        known = labels(part) if isinstance(part, list) else ()
        raise ConfigError("no such item", key=".".join(missing), known=known)
    part[index] = value


def canonical(data: object, path: str) -> str:
    """Return a path with the items of lists by name where it gives an index."""
    made: list[str] = []
    for name in path.split("."):
        part, rest = find(data, ".".join(made))
        index = index_of(part, name) if isinstance(part, list) and not rest else None
        made.append(name if index is None else labels(part)[index])
    return ".".join(made)


def draws_without(key: str, draws: Mapping[str, Sequence[float]]) -> dict[str, Any]:
    """Return joint draws less those of numbers at or below a path."""
    return {path: rows for path, rows in draws.items() if not f"{path}.".startswith(f"{key}.")}


def index_of(items: Sequence[Any], name: str) -> int | None:
    """Return the index of the item that a path calls so, by name or by index, or None."""
    names = labels(items)
    if name in names:
        return names.index(name)
    return int(name) if name.isdigit() and int(name) < len(items) else None


# --- reading one value ---------------------------------------------------------------------------


@functools.cache
def hints_of(cls: type) -> dict[str, Any]:
    """Return the type of each field of a dataclass."""
    return typing.get_type_hints(cls)


def limits_of(metadata: Mapping[str, Any]) -> Limits:
    """Return what a field allows, from its metadata."""
    return Limits(**metadata) if metadata else Limits()


def _required(field: dataclasses.Field[Any]) -> bool:
    missing = dataclasses.MISSING
    return field.default is missing and field.default_factory is missing


def _wanted(hint: Any, metadata: Mapping[str, Any]) -> str:
    if metadata:
        return limits_of(metadata).allowed
    kind = typing.get_origin(hint) or hint
    if isinstance(kind, type) and issubclass(kind, Enum):
        return ", ".join(_written(member) for member in kind)
    if dataclasses.is_dataclass(kind):
        return "a group of settings"
    return {str: "a text", bool: "true or false", tuple: "a list"}.get(kind, "a mapping")


def under(key: str, error: ConfigError) -> ConfigError:
    """Return the same error with a key that begins further up."""
    return ConfigError(
        error.problem,
        key=join(key, error.key),
        value=error.value,
        allowed=error.allowed,
        file=error.file,
        known=error.known,
    )


def read_value(hint: Any, value: object, key: str, limits: Limits) -> Any:
    """Return what plain data make of a type.

    Parameters
    ----------
    hint
        Type of the field, as `hints_of` gives it.
    value, key
        What is given, and its path.
    limits
        What a number may be.

    Raises
    ------
    ConfigError
        If the value has the wrong type or lies out of range.
    """
    if typing.get_origin(hint) in {types.UnionType, typing.Union}:
        [inner] = [part for part in typing.get_args(hint) if part is not types.NoneType]
        return None if value is None else read_value(inner, value, key, limits)
    kind = typing.get_origin(hint) or hint
    if value is None:
        raise ConfigError("nothing is given", key=key, allowed=_wanted(hint, limits._asdict()))
    if dataclasses.is_dataclass(kind):
        return build(cast(type, kind), value, key)
    if issubclass(kind, Enum):
        return _member(kind, value, key)
    return _READERS[kind](hint, value, key, limits)


def _text(hint: Any, value: object, key: str, limits: Limits) -> str:
    if not isinstance(value, str):
        raise ConfigError(f"{value!r} is no text", key=key, allowed="a text, in quotes if need be")
    return value


def _flag(hint: Any, value: object, key: str, limits: Limits) -> bool:
    if not isinstance(value, bool):
        raise ConfigError(f"{value!r} is neither true nor false", key=key, allowed="true or false")
    return value


def _integer(hint: Any, value: object, key: str, limits: Limits) -> int:
    number = _plain(value, key, limits)
    if number != int(number):
        raise ConfigError(
            f"{number:g} is no whole number", key=key, value=value, allowed=limits.allowed
        )
    _check_range(number, key, limits)
    return int(number)


def _real(hint: Any, value: object, key: str, limits: Limits) -> float:
    if isinstance(value, Mapping):
        return _distribution(value, key, limits)
    number = float(_plain(value, key, limits))
    _check_range(number, key, limits)
    return number


def _plain(value: object, key: str, limits: Limits) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ConfigError(f"{value!r} is no number", key=key, allowed=limits.allowed)
    if not math.isfinite(value):
        raise ConfigError(f"{value} is not finite", key=key, value=value, allowed=limits.allowed)
    return value


def _check_range(number: float, key: str, limits: Limits) -> None:
    if not limits.low <= number <= limits.high:
        raise ConfigError(
            f"{number:,.10g} is out of range", key=key, value=number, allowed=limits.allowed
        )


def _distribution(value: Mapping[Any, Any], key: str, limits: Limits) -> Uncertain:
    if len(value) != 1:
        raise ConfigError(
            f"{dict(value)} is no distribution",
            key=key,
            allowed=f"a number or one of {_ways()}",
        )
    [(form, given)] = value.items()
    if not isinstance(given, list | tuple):
        raise ConfigError(
            f"{given!r} is no list of numbers",
            key=join(key, form),
            allowed=FORMS[form].allowed(form) if form in FORMS else _ways(),
        )
    numbers = tuple(float(_plain(item, join(key, form), Limits())) for item in given)
    try:
        made = Uncertain(str(form), numbers)
    except ConfigError as error:
        raise under(key, error) from None
    for number in (*(made.support() if form in BOUNDED else ()), float(made)):
        _check_range(number, key, limits)
    return made


def _ways() -> str:
    """Return how each distribution is written."""
    return "; ".join(family.allowed(form) for form, family in FORMS.items())


def _tuple(hint: Any, value: object, key: str, limits: Limits) -> tuple[Any, ...]:
    if not isinstance(value, list | tuple):
        raise ConfigError(f"{value!r} is no list", key=key, allowed="a list, in brackets")
    kinds = typing.get_args(hint)
    if kinds[-1] is Ellipsis:
        kinds = (kinds[0],) * len(value)
    if len(kinds) != len(value):
        raise ConfigError(
            f"{list(value)} has {len(value)} items", key=key, allowed=f"a list of {len(kinds)}"
        )
    items = zip(kinds, value, labels(value), strict=True)
    return tuple(read_value(kind, item, join(key, name), limits) for kind, item, name in items)


def _mapping(hint: Any, value: object, key: str, limits: Limits) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise ConfigError(f"{value!r} is no mapping", key=key, allowed="names with values")
    kind = typing.get_args(hint)[1]
    return {
        str(name): read_value(kind, item, join(key, name), limits) for name, item in value.items()
    }


_READERS: dict[type, Callable[[Any, object, str, Limits], Any]] = {
    str: _text,
    bool: _flag,
    int: _integer,
    float: _real,
    tuple: _tuple,
    dict: _mapping,
}


def _written(member: Enum) -> str:
    """Return how configuration writes a member: its value if that is a text, else its name."""
    return member.value if isinstance(member.value, str) else member.name.lower()


def _member(kind: type[Enum], value: object, key: str) -> Enum:
    members = {_written(member): member for member in kind}
    members |= {member.name.lower(): member for member in kind}
    if isinstance(value, str) and value in members:
        return members[value]
    raise ConfigError(f"{value!r} is not known", key=key, value=value, known=members)
