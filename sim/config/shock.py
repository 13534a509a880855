"""A shock: what may come otherwise than planned, told in a sentence, and what it changes.

How a shock acts on a study is in `sim.planning.shocks`; here is what an analyst writes into a file.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Final

from sim.config.build import Limits, build, read_value, under
from sim.config.design import Apply, Factor, Value, is_number
from sim.config.fields import number, numbers
from sim.config.files import choices, folder_of, is_path, read, shown
from sim.config.risk import Risk, Risks
from sim.config.rivals import Rival, Rivals
from sim.errors import ConfigError
from sim.types import RivalKind

GROUP: Final = "shock"
KEY_LEVER: Final = "key"
"""Stands for the lever that gets the most money of a plan."""
TOGETHER: Final = "+"
"""Between names of shocks that strike together."""
CHANGED: Final = ("market", "finance", "lever", "desk", "organisation", "plan")
"""Parts of a configuration whose settings a shock may change."""
WAYS: Final = "one of set: VALUE, times: NUMBER, plus: NUMBER"


@dataclass(frozen=True, slots=True)
class Change:
    """A setting that becomes another one."""

    key: str
    """Its path, in which `*` stands for any one name, as in a factor of a design."""
    apply: Apply
    value: Value

    @property
    def factor(self) -> Factor:
        """The same as a factor of a design, with one value."""
        return Factor(self.key, apply=self.apply, values=(self.value,))

    @property
    def changes_nothing(self) -> bool:
        """Whether the setting stays as it is, whatever it is."""
        return (self.apply, self.value) in {(Apply.TIMES, 1), (Apply.PLUS, 0)}


@dataclass(frozen=True, slots=True)
class PlanChange:
    """What becomes of the plans; the baseline goes on as it is."""

    delay: int = number(0, unit="quarters by which all of a plan comes later", low=0, high=40)
    phases: dict[str, float] = numbers(unit="factor on the phase's budget", low=0, high=10)
    """Name of a phase, or its place in time from 1, to what is left of its budget."""
    fails: str = ""
    """Lever that is paid for and reaches nobody; `key` for the one with the largest budget."""

    def __bool__(self) -> bool:
        return self != PlanChange()


@dataclass(frozen=True, slots=True)
class Shock:
    """What may come otherwise than planned."""

    name: str
    title: str
    story: str = ""
    """What happens, in a sentence."""
    settings: tuple[Change, ...] = ()
    rivals: dict[str, Rival] = field(default_factory=dict)
    """What rivals do instead, by brand."""
    risks: tuple[Risk, ...] = ()
    """Rows for the risk register; one of the same name is replaced."""
    plan: PlanChange = field(default_factory=PlanChange)
    quarters: tuple[int, int] | None = None
    """First and last quarter in which `settings` hold; from the first to the end if None."""
    combine: tuple[str, ...] = ()
    """Other shocks that strike together with it."""
    provenance: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check that there is something to strike, and that it can be timed as stated."""
        if not (self.settings or self.rivals or self.risks or self.plan or self.combine):
            raise ConfigError(
                "changes nothing", key="settings",
                allowed="one or more of settings, rivals, risks, plan, combine",
            )  # fmt: skip
        for change in self.settings:
            top = change.key.partition(".")[0]
            if top not in CHANGED or "." not in change.key:
                raise ConfigError(
                    f"{change.key} is no setting that a shock changes", key="settings",
                    value=change.key, allowed=f"a path that begins with {', '.join(CHANGED)};"
                    " rivals and risks have keys of their own",
                )  # fmt: skip
            if change.changes_nothing:
                raise ConfigError(
                    f"{change.apply.value} {change.value} changes nothing",
                    key=f"settings.{change.key}", value=change.value,
                )  # fmt: skip
        self._check_quarters()
        for brand, rival in self.rivals.items():
            if rival.kind is RivalKind.ENTER:
                raise ConfigError(
                    "has lived in the market before the plan begins, and cannot enter it",
                    key=f"rivals.{brand}.kind", value="enter",
                    allowed="schedule, with the moves of a launch; or rivals=new_entrant for all",
                )  # fmt: skip

    def _check_quarters(self) -> None:
        if self.quarters is None:
            return
        first, last = self.quarters
        if not 1 <= first <= last:
            raise ConfigError(f"runs from quarter {first} to {last}", key="quarters",
                              value=list(self.quarters),
                              allowed="[first, last] with 1 <= first <= last")  # fmt: skip
        if not self.settings:
            raise ConfigError(
                "hold for settings, and there are none", key="quarters",
                allowed="settings; rivals' moves and risks have quarters of their own",
            )  # fmt: skip
        for change in self.settings:
            if not can_be_timed(change):
                raise ConfigError(
                    f"{change.key} cannot change for a time only", key="quarters",
                    allowed="settings of market and of finance other than the discount rate",
                )  # fmt: skip


def can_be_timed(change: Change) -> bool:
    """Return whether a setting may be otherwise for some quarters only.

    A discount rate is one for the whole of a plan.
    """
    top, _, rest = change.key.partition(".")
    return top == "market" or (top == "finance" and rest != "discount_rate")


def read_shock(given: str, folders: Sequence[str | Path] = ()) -> Shock:
    """Return the shock of a name in `conf/shock/`, or of a YAML file.

    Parameters
    ----------
    given
        Name or path.
    folders
        Folders with a `shock/` of one's own; the shipped names go first.

    Raises
    ------
    ConfigError
        If there is no such shock, or it cannot be used; the file is named.
    """
    if is_path(given):
        path = Path(given).expanduser()
    else:
        files = _files(GROUP, folders)
        if given not in files:
            raise ConfigError(f"no such shock: {given}", key="shocks", value=given, known=files)
        path = files[given]
    try:
        return make_shock({"name": path.stem, **read(path, "shocks")}, folders)
    except ConfigError as error:
        raise error.with_file(shown(path)) from None


def shock_names(folders: Sequence[str | Path] = ()) -> tuple[str, ...]:
    """Return the names of all shocks that are shipped or lie in folders of one's own, sorted."""
    return tuple(sorted(_files(GROUP, folders)))


def make_shock(data: Mapping[str, Any], folders: Sequence[str | Path] = ()) -> Shock:
    """Return the shock that plain data say, as a file has them.

    Raises
    ------
    ConfigError
        If it cannot be used.
    """
    known = [each.name for each in fields(Shock)]
    for name in data:
        if name not in known:
            raise ConfigError("no such setting", key=str(name), known=known)
    words = {each.name: data[each.name] for each in fields(_Words) if each.name in data}
    told = build(_Words, words)
    quarters = data.get("quarters")
    return Shock(
        **{each.name: getattr(told, each.name) for each in fields(_Words)},
        settings=_changes(data.get("settings", ())),
        rivals=_rivals(data.get("rivals", {}), folders),
        risks=_risks(data.get("risks", ())),
        plan=build(PlanChange, data.get("plan", {}), "plan"),
        quarters=read_value(tuple[int, int] | None, quarters, "quarters", Limits()),
    )


@dataclass(frozen=True, slots=True)
class _Words:
    """Fields of a shock that are texts."""

    name: str
    title: str
    story: str = ""
    combine: tuple[str, ...] = ()
    provenance: dict[str, str] = field(default_factory=dict)


def _changes(given: object) -> tuple[Change, ...]:
    if not isinstance(given, list | tuple):
        raise ConfigError(f"{given!r} is no list", key="settings",
                          allowed="a list: - {key: PATH, times: NUMBER}")  # fmt: skip
    return tuple(_change(item, f"settings.{place}") for place, item in enumerate(given))


def _change(given: object, where: str) -> Change:
    if not isinstance(given, Mapping) or not isinstance(given.get("key"), str):
        raise ConfigError(f"{given!r} is no change of a setting", key=where,
                          allowed="{key: PATH, times: NUMBER}")  # fmt: skip
    key, ways = given["key"], [way for way in given if way != "key"]
    where, known = f"settings.{key}", [apply.value for apply in Apply]
    for way in ways:
        if way not in known:
            raise ConfigError("no such way to change a setting", key=f"{where}.{way}",
                              value=str(way), known=["key", *known])  # fmt: skip
    if len(ways) != 1:
        raise ConfigError(f"is changed in {len(ways)} ways", key=where, allowed=WAYS)
    apply, value = Apply(ways[0]), given[ways[0]]
    if isinstance(value, bool | str) and apply is Apply.SET:
        return Change(key, apply, value)
    if not is_number(value) or not math.isfinite(value):
        raise ConfigError(f"{value!r} is no number", key=f"{where}.{apply.value}", value=value,
                          allowed=WAYS)  # fmt: skip
    return Change(key, apply, value)


def _rivals(given: object, folders: Sequence[str | Path]) -> dict[str, Rival]:
    """Return what rivals do: as a file of rivals says, or as stated brand by brand."""
    data: Mapping[str, Any] = {"name": "shock", "title": "shock", "brands": given}
    if isinstance(given, str):
        files = _files("rivals", folders)
        if not is_path(given) and given not in files:
            raise ConfigError(f"no such rivals: {given}", key="rivals", value=given, known=files)
        path = Path(given).expanduser() if is_path(given) else files[given]
        data = {"name": path.stem, **read(path, "rivals")}
    try:
        return build(Rivals, data).brands
    except ConfigError as error:
        raise under("rivals", error) from None


def _risks(given: object) -> tuple[Risk, ...]:
    try:
        return build(Risks, {"name": "shock", "title": "shock", "register": given}).register
    except ConfigError as error:
        raise under("risks", error) from None


def _files(group: str, folders: Sequence[str | Path]) -> dict[str, Path]:
    """Return the files of a group by name: shipped ones go before those of one's own."""
    own = {
        file.stem: file for folder in folders
        for file in sorted((Path(folder).expanduser() / group).glob("*.yaml"))
    }  # fmt: skip
    return own | {name: folder_of(group) / f"{name}.yaml" for name in choices(group)}
