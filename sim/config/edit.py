"""Configurations that differ from a checked one in a few settings, at the cost of those few.

A configuration is a tree of frozen dataclasses, tuples and mappings. Where a factor's path leads is
found once. An edit makes anew what lies on these paths, with all the checks that building does, and
shares the rest with the configuration it started from. So who keeps something for a part (what is
uncertain in it, its digest) may look whether it is the same object.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from enum import Enum
from functools import partial
from typing import Any, NamedTuple, cast

from sim.config.build import (
    Key,
    Limits,
    draws_without,
    hints_of,
    index_of,
    join,
    joint_numbers,
    labels,
    limits_of,
    read_value,
    rebuilt,
)
from sim.config.design import Apply, Factor, Value
from sim.config.fields import Uncertain
from sim.config.study import Config
from sim.errors import ConfigError

ANY = "*"
"""Stands for any one name in a factor's path."""
UNSET = ("provenance", "command")
"""What says where a configuration comes from; no factor sets it."""

Read = Callable[[Mapping[str, Value]], Any]
"""From a point's values to what stands at one place."""


class _Move(NamedTuple):
    """Which parameters of a distribution change if all its numbers are multiplied, or added to."""

    times: tuple[int, ...] = ()
    plus: tuple[int, ...] = ()


_MOVES = {
    "triangular": _Move((0, 1, 2), (0, 1, 2)),
    "uniform": _Move((0, 1), (0, 1)),
    "normal": _Move((0, 1), (0,)),
    "lognormal": _Move((0,)),
    "beta": _Move(),
}


class Setting(NamedTuple):
    """Where one path of a factor leads."""

    path: str
    steps: tuple[Key, ...]
    """Fields, names and indexes from the configuration to it."""
    hint: Any
    limits: Limits
    value: Any
    """What stands there; None if nothing does."""
    rest: tuple[str, ...] = ()
    """Names below it that do not exist yet and are made."""

    @property
    def setting(self) -> str:
        """Path of the setting, whether it exists or not."""
        return ".".join((self.path, *self.rest))


class _Node(NamedTuple):
    """A part of the configuration on the way to a place."""

    path: str
    value: Any
    parts: dict[Key, _Node | Read]


class Editor:
    """Makes edited configurations.

    Parameters
    ----------
    config
        What every edit starts from.
    factors
        What is edited; one that chooses from a group of files (`rivals`, `market`) is left out. A
        path that begins with `plan` goes for `config.plan` and each of `config.plans` that has it.

    Notes
    -----
    A number that is set replaces a distribution at its place, and is no longer drawn with the
    market's joint draws. One that is multiplied or added to keeps its distribution if that can be
    moved exactly: each of its quantiles is, before it is cut off at the range of the field. A whole
    number that is multiplied or added to is rounded to a whole one.

    Raises
    ------
    ConfigError
        If a path leads nowhere, two lead to the same place, or what stands there cannot be changed
        in this way.
    """

    def __init__(self, config: Config, factors: Sequence[Factor]) -> None:
        settings = [factor for factor in factors if not factor.is_choice]
        found = [
            (factor, place) for factor in settings for place in find_settings(config, factor.key)
        ]
        _check_apart(found)
        decided = [place.path for factor, place in found if factor.apply is Apply.SET]
        self.config = _without_draws(config, decided)
        joined = {join("market", path) for path in joint_numbers(self.config.market)}
        self._root = _Node("", self.config, {})
        for factor, place in found:
            if factor.apply is not Apply.SET:
                _check_moves(factor, place, joined)
                _hang(self._root, place, partial(_moved, factor.column, factor.apply, place))
            elif not place.rest:
                _hang(self._root, place, partial(_set, factor.column, place))
        for made in _made(found):
            _hang(self._root, made.place, made.read)

    def edit(self, values: Mapping[str, Value]) -> Config:
        """Return the configuration with each factor's value in its places.

        Parameters
        ----------
        values
            A value for each factor's column; others are not looked at.

        Raises
        ------
        ConfigError
            If a value is missing, cannot stand at its place, or contradicts another setting.
        """
        return cast(Config, _edited(self._root, values))


def _edited(node: _Node, values: Mapping[str, Value]) -> Any:
    new = {
        key: _edited(part, values) if isinstance(part, _Node) else part(values)
        for key, part in node.parts.items()
    }
    return rebuilt(node.value, node.path, new) if new else node.value


# --- what a place is given -----------------------------------------------------------------------


def _given(column: str, values: Mapping[str, Value]) -> Any:
    """Return a factor's value as plain Python has it."""
    try:
        value = values[column]
    except KeyError:
        raise ConfigError("no value is given", key=column) from None
    return value.item() if hasattr(value, "item") else value  # a scalar of NumPy's


def _set(column: str, place: Setting, values: Mapping[str, Value]) -> Any:
    return read_value(place.hint, _given(column, values), place.path, place.limits)


def _moved(column: str, apply: Apply, place: Setting, values: Mapping[str, Value]) -> Any:
    """Return what stands at a place, multiplied or added to."""
    amount = float(read_value(float, _given(column, values), column, Limits()))
    stands: Any = place.value
    if isinstance(stands, Uncertain):
        new: Any = _moved_distribution(stands, apply, amount, column)
    else:
        new = stands * amount if apply is Apply.TIMES else stands + amount
        new = round(new) if isinstance(stands, int) else new
    return read_value(place.hint, new, place.path, place.limits)


def _moved_distribution(
    number: Uncertain, apply: Apply, amount: float, column: str
) -> dict[str, list[float]]:
    """Return the distribution of an uncertain number times, or plus, an amount, as YAML has it."""
    times = apply is Apply.TIMES
    if times and amount <= 0:
        raise ConfigError(
            f"{amount:g} times a distribution is none", key=column, value=amount,
            allowed="a factor above 0",
        )  # fmt: skip
    moving = _MOVES[number.form].times if times else _MOVES[number.form].plus
    return {
        number.form: [
            (known * amount if times else known + amount) if index in moving else known
            for index, known in enumerate(number.parameters)
        ]
    }


class _Made(NamedTuple):
    """A part that does not exist yet, made of the values of some factors."""

    place: Setting
    columns: dict[str, Any]
    """Name below the place to a factor's column, or to the same one level deeper."""

    def read(self, values: Mapping[str, Value]) -> Any:
        """Return the part with these values in it."""

        def plain(columns: dict[str, Any]) -> dict[str, Any]:
            return {
                name: plain(below) if isinstance(below, dict) else _given(below, values)
                for name, below in columns.items()
            }

        place = self.place
        return read_value(place.hint, plain(self.columns), place.path, place.limits)


def _made(found: Iterable[tuple[Factor, Setting]]) -> Iterator[_Made]:
    """Yield each part that factors make, with all of those factors."""
    made: dict[str, _Made] = {}
    for factor, place in found:
        if place.rest:
            columns = made.setdefault(place.path, _Made(place, {})).columns
            for name in place.rest[:-1]:
                columns = columns.setdefault(name, {})
            columns[place.rest[-1]] = factor.column
    for part in made.values():
        _check_complete(part.place.hint, part.columns, part.place.path)
        yield part


# --- checks of factors ---------------------------------------------------------------------------


def _check_apart(found: Iterable[tuple[Factor, Setting]]) -> None:
    """Raise ConfigError if two factors lead to the same place."""
    seen: dict[str, Factor] = {}
    for factor, place in found:
        path = place.setting
        if path in seen:
            raise ConfigError(
                f"'{seen[path].key}' and '{factor.key}' lead to the same setting", key=path,
                allowed="one factor for each setting",
            )  # fmt: skip
        seen[path] = factor


def _check_moves(factor: Factor, place: Setting, joined: Iterable[str]) -> None:
    """Raise ConfigError if what stands at a place cannot be multiplied, or added to."""
    how, stands = factor.apply.value, place.value
    problem, allowed = "", "apply: set"
    if place.path in joined:
        problem = "is drawn together with other numbers of the market"
    elif isinstance(stands, Uncertain):
        forms = [form for form, move in _MOVES.items() if getattr(move, how)]
        if stands.form not in forms:
            problem = f"is a {stands.form} distribution"
            allowed = f"apply: set; or a number, or one of {', '.join(forms)}"
    elif isinstance(stands, bool) or not isinstance(stands, int | float):
        problem = "is no number" if place.value is not None else "is not given"
    if problem:
        raise ConfigError(
            f"{problem}, and '{how}' cannot act on it", key=place.setting, value=how,
            allowed=allowed,
        )  # fmt: skip


def _check_complete(hint: Any, columns: Mapping[str, Any], path: str) -> None:
    """Raise ConfigError if a part that is to be made lacks a setting that it must have."""
    kind = _kind(hint)
    if not dataclasses.is_dataclass(kind):
        return
    for field in dataclasses.fields(kind):
        missing = dataclasses.MISSING
        required = field.default is missing and field.default_factory is missing
        if required and field.name not in columns:
            raise ConfigError(
                f"does not exist, and a new one needs a '{field.name}'", key=path,
                allowed="a setting that exists, or all that a new one needs",
            )  # fmt: skip
    for name, below in columns.items():
        if isinstance(below, dict):
            _check_complete(hints_of(cast(type, kind))[name], below, join(path, name))


def _without_draws(config: Config, decided: Iterable[str]) -> Config:
    """Return the configuration with decided numbers taken out of the market's joint draws."""
    joint = config.market.joint
    for path in decided:
        top, _, below = path.partition(".")
        if top == "market":
            left = [(one, draws_without(below, one.draws)) for one in joint]
            joint = tuple(
                one if len(draws) == len(one.draws) else dataclasses.replace(one, draws=draws)
                for one, draws in left
                if draws
            )
    if joint == config.market.joint:
        return config
    return dataclasses.replace(config, market=dataclasses.replace(config.market, joint=joint))


def _hang(root: _Node, place: Setting, read: Read) -> None:
    """Put what is read for a place into the tree of all places."""
    node = root
    for step in place.steps[:-1]:
        value, path = _part(node.value, step), join(node.path, _name(node.value, step))
        node = cast(_Node, node.parts.setdefault(step, _Node(path, value, {})))
    node.parts[place.steps[-1]] = read


def _part(value: Any, step: Key) -> Any:
    return getattr(value, str(step)) if dataclasses.is_dataclass(value) else value[step]


def _name(value: Any, step: Key) -> str:
    return labels(value)[step] if isinstance(step, int) else step


# --- where a path leads --------------------------------------------------------------------------


def find_settings(config: Config, key: str) -> list[Setting]:
    """Return where a factor's path leads.

    Settings that exist come first; if there is none, and no `*` in the path, one that can be made.
    """
    names = tuple(key.split("."))
    top, *rest = names
    start = Setting("", (), Config, Limits(), config)
    ways = [names]
    if top == "plan":
        ways += [("plans", str(index), *rest) for index in range(len(config.plans))]
    found = [place for way in ways for place in _existing(start, way)]
    if not found and ANY not in names:
        found = [place for way in ways for place in _makeable(start, way)]
    if not found:
        raise _nowhere(start, names)
    if config.plans and config.plan == config.plans[0]:  # one plan, at two places
        found += [
            place._replace(
                path=".".join(["plan", *place.path.split(".")[2:]]),
                steps=("plan", *place.steps[2:]),
            )
            for place in found
            if top == "plans" and place.steps[:2] == ("plans", 0)
        ]
    return found


def _existing(place: Setting, names: Sequence[str]) -> Iterator[Setting]:
    """Yield the single values on a path below a place."""
    if not names:
        if _reads_one(place.hint):
            yield place
        return
    for below in _matching(place, names[0]):
        yield from _existing(below, names[1:])


def _makeable(place: Setting, names: Sequence[str]) -> Iterator[Setting]:
    """Yield the place at or below one where something new can be made to hold a setting, if any."""
    below = [*_matching(place, names[0])] if names else []
    if below:
        yield from _makeable(below[0], names[1:])
        return
    if isinstance(place.value, Mapping) and names:
        kind = typing.get_args(_kind(place.hint))[1]
        place = Setting(
            join(place.path, names[0]), (*place.steps, names[0]), kind, place.limits, None
        )
        names = names[1:]
    elif place.value is not None:
        return
    hint = place.hint
    for name in names:
        hint = _hint_below(hint, name)
    if hint is not None and _reads_one(hint):
        yield place._replace(rest=tuple(names))


def _matching(place: Setting, name: str) -> list[Setting]:
    """Return the parts of a place that a name of a path stands for."""
    value = place.value
    if name == ANY:
        return [*_below(place)]
    if isinstance(value, tuple):
        index = index_of(value, name)
        return [part for part in _below(place) if part.steps[-1] == index]
    return [part for part in _below(place) if part.steps[-1] == name]


def _below(place: Setting) -> Iterator[Setting]:
    """Yield the parts of a place, as far as a factor may go there."""
    value, path, steps = place.value, place.path, place.steps
    if dataclasses.is_dataclass(value):
        hints = hints_of(cast(Any, type(value)))
        for field in dataclasses.fields(value):
            if field.name not in UNSET:
                item, limits = getattr(value, field.name), limits_of(field.metadata)
                yield Setting(
                    join(path, field.name), (*steps, field.name), hints[field.name], limits, item
                )
    elif isinstance(value, Mapping):
        kind = typing.get_args(_kind(place.hint))[1]
        for name, item in value.items():
            yield Setting(join(path, name), (*steps, name), kind, place.limits, item)
    elif isinstance(value, tuple):
        kinds = typing.get_args(_kind(place.hint))
        for index, (name, item) in enumerate(zip(labels(value), value, strict=True)):
            kind = kinds[0] if kinds[-1] is Ellipsis else kinds[index]
            yield Setting(join(path, name), (*steps, index), kind, place.limits, item)


def _hint_below(hint: Any, name: str) -> Any:
    """Return the type of a setting below a part that does not exist yet; None if there is none."""
    kind = _kind(hint)
    if dataclasses.is_dataclass(kind):
        return hints_of(cast(type, kind)).get(name) if name not in UNSET else None
    return typing.get_args(kind)[1] if typing.get_origin(kind) is dict else None


def _kind(hint: Any) -> Any:
    """Return a type without its None."""
    if typing.get_origin(hint) in {types.UnionType, typing.Union}:
        [inner] = [part for part in typing.get_args(hint) if part is not types.NoneType]
        return inner
    return hint


def _reads_one(hint: Any) -> bool:
    """Return whether a field of a type holds a single value: a number, a text, a choice."""
    kind = _kind(hint)
    return kind in {float, int, bool, str} or (isinstance(kind, type) and issubclass(kind, Enum))


def _nowhere(start: Setting, names: Sequence[str]) -> ConfigError:
    """Return the error for a path that leads to no single setting."""
    level, path = [start], ""
    for name in names:
        above, path = path, join(path, name)
        below = [part for place in level for part in _matching(place, name)]
        if not below:
            return _nothing_below(level, above, path)
        level = below
    known = {_called(part) for place in level for part in _below(place)}
    return ConfigError(
        "is a group of settings", key=path, allowed=f"one of them: {', '.join(sorted(known))}"
    )


def _nothing_below(level: Sequence[Setting], above: str, path: str) -> ConfigError:
    """Return the error for a name that no place of a level has below it."""
    known = {_called(part) for place in level for part in _below(place)}
    if known:
        return ConfigError("no such setting", key=path, value=path.rpartition(".")[2], known=known)
    kind: Any = _kind(level[0].hint)
    if dataclasses.is_dataclass(kind):  # it could be made, but not so
        single = [name for name, hint in hints_of(cast(type, kind)).items() if _reads_one(hint)]
        return ConfigError("no single setting of what does not exist yet", key=path, known=single)
    return ConfigError("is a single setting: nothing lies below it", key=above)


def _called(place: Setting) -> str:
    return place.path.rpartition(".")[2]
