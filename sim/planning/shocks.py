"""Shocks as futures: what a study becomes when something comes otherwise than planned."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from sim.config.build import dump
from sim.config.design import Apply
from sim.config.edit import Editor, find_settings
from sim.config.fields import Uncertain
from sim.config.plan import Phase, Plan
from sim.config.risk import Risk
from sim.config.rivals import Rival
from sim.config.shock import (
    KEY_LEVER,
    TOGETHER,
    Change,
    PlanChange,
    Shock,
    can_be_timed,
    read_shock,
)
from sim.config.study import Config
from sim.errors import ConfigError
from sim.planning.future import AS_PLANNED, Future
from sim.types import WEEKS_PER_QUARTER, RivalKind

Window = tuple[int, int]
"""First and last quarter of a time."""

_PARTS: Final = (
    "market",
    "rivals",
    "risks",
    "finance",
    "desk",
    "organisation",
    "lever",
    "baseline",
)
"""Parts of a configuration that a shock may change for all plans."""


class NothingStruckError(ConfigError):
    """A shock that finds nothing to strike in a study: no such phase or lever, nothing to delay."""


@dataclass(frozen=True)
class Blow:
    """A shock, or several that strike together.

    Attributes
    ----------
    name, title, story
        By which files call it, and what a reader is told.
    parts
        The shocks, none of which combines others.
    """

    name: str
    title: str
    story: str
    parts: tuple[Shock, ...]

    @property
    def is_combination(self) -> bool:
        """Whether several shocks strike together."""
        return len(self.parts) > 1


def futures_of(
    config: Config, shocks: Sequence[str], folders: Sequence[str | Path] = ()
) -> list[Future]:
    """Return what a study becomes under each of some shocks.

    Parameters
    ----------
    config
        The study. All of its plans are struck; the baseline is not delayed or cut, but lives in the
        same market.
    shocks
        Names in `conf/shock/`, paths to files, or several of them with `+` between: `a+b`.
    folders
        Folders with a `shock/` of one's own.

    Returns
    -------
    list of Future
        One for each shock, in order. Where the lever with the largest budget fails, and that is not
        the same lever in all plans, there is one for each such lever.

    Raises
    ------
    ConfigError
        If a shock does not exist or cannot be used; shocks cancel each other or contradict each
        other; or one finds nothing to strike in any plan (NothingStruckError).
    """
    found = [future for given in shocks for future in strike(config, read_blow(given, folders))]
    names = [future.name for future in found]
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(f"'{name}' stands twice", key="shocks", value=name,
                              allowed="each shock once")  # fmt: skip
    return found


def read_blow(given: str, folders: Sequence[str | Path] = ()) -> Blow:
    """Return a shock with all that it combines: a name, a path, or several with `+` between.

    Raises
    ------
    ConfigError
        If there is no such shock, one cannot be used, or one stands twice in a combination.
    """
    read = [read_shock(name.strip(), folders) for name in given.split(TOGETHER)]
    parts = [part for shock in read for part in _combined(shock, folders, ())]
    names = [part.name for part in parts]
    name = TOGETHER.join(shock.name for shock in read)
    for each in names:
        if names.count(each) > 1:
            raise ConfigError(f"'{each}' strikes twice in {name}", key=f"shocks.{name}",
                              value=each, allowed="each shock once")  # fmt: skip
    if name == AS_PLANNED:
        raise ConfigError("is what the study without a shock is called", key=f"shocks.{name}",
                          value=name, allowed="another name")  # fmt: skip
    title = " + ".join(shock.title for shock in read)
    return Blow(name, title, " ".join(shock.story for shock in read), tuple(parts))


def strike(study: Config, blow: Blow) -> list[Future]:
    """Return what a study becomes under a blow; see `futures_of`.

    Raises
    ------
    ConfigError
        As `futures_of`.
    """
    try:
        _check_together(study, blow)
        keys: list[str | None] = [None]
        if any(part.plan.fails == KEY_LEVER for part in blow.parts):
            keys = _key_levers(study)
        return [_future(study, blow, key, several=len(keys) > 1) for key in keys]
    except ConfigError as error:
        raise _named(error, f"shocks.{blow.name}") from None


def timed(study: Config, blow: Blow, window: Window) -> Blow:
    """Return a blow that strikes in some quarters only.

    Settings and rivals' moves hold in these quarters; an event comes in the first of them, and
    lasts as long as it lasts.

    Parameters
    ----------
    study
        The study.
    blow
        What is to strike.
    window
        First and last quarter, from 1.

    Raises
    ------
    NothingStruckError
        If the blow cannot be timed: it changes the plan, capital cost, or what cannot change back.
    """
    why = _why_untimed(blow)
    if not why:
        parts = tuple(_timed(part, window) for part in blow.parts)
        made = replace(blow, parts=parts)
        try:
            for future in strike(study, made):
                future.check(study)
            return made
        except NothingStruckError:
            raise
        except ConfigError as error:
            why = error.problem
    raise NothingStruckError(
        why, key=f"shocks.{blow.name}",
        allowed="a shock of the market, of rivals' moves, or an event with a quarter",
    )  # fmt: skip


def untouched(study: Config, future: Future) -> list[str]:
    """Return the plans of a study for which a future is the same as the study itself."""
    own, planned = future.config, study
    if any(_differ(getattr(own, part), getattr(planned, part)) for part in _PARTS):
        return []
    pairs = zip(_plans(own), _plans(planned), strict=True)
    return [before.name for after, before in pairs if not _differ(after, before)]


# --- one future ----------------------------------------------------------------------------------


def _future(study: Config, blow: Blow, key: str | None, *, several: bool) -> Future:
    """Return the study under a blow, in which `key` is the lever that fails where one must."""
    edited = study
    for part in blow.parts:
        edited = _with_settings(edited, part.settings)
        edited = _with_rivals(edited, part.rivals)
        edited = _with_risks(edited, part.risks)
        edited = _with_plans(edited, part.plan)
        edited = _with_failure(edited, key if part.plan.fails == KEY_LEVER else part.plan.fails)
    _check_kept_apart(study, edited, blow)
    windows = {part.quarters for part in blow.parts if part.quarters}
    window = windows.pop() if windows else None
    name = f"{blow.name}_{key}" if several else blow.name
    title = f"{blow.title}: {study.lever[key].title.partition(':')[0]}" if key else blow.title
    future = Future(name, title, edited, window)
    if len(untouched(study, future)) == len(_plans(study)):
        what = "cancel each other: nothing is left of them" if blow.is_combination else (
            "changes nothing: no plan and no number is other than in the study")  # fmt: skip
        raise NothingStruckError(what)
    return future


def _with_settings(config: Config, changes: Sequence[Change]) -> Config:
    if not changes:
        return config
    editor = Editor(config, [change.factor for change in changes])
    return editor.edit({change.factor.column: change.value for change in changes})


def _with_rivals(config: Config, brands: dict[str, Rival]) -> Config:
    if not brands:
        return config
    return replace(config, rivals=replace(config.rivals, brands={**config.rivals.brands, **brands}))


def _with_risks(config: Config, risks: Sequence[Risk]) -> Config:
    for risk in risks:
        if risk.quarter > config.quarters:
            raise NothingStruckError(
                f"strikes in quarter {risk.quarter}, but the study ends with quarter "
                f"{config.quarters}", key=f"risks.{risk.name}.quarter", value=risk.quarter,
                allowed=f"1 to {config.quarters}",
            )  # fmt: skip
    if not risks:
        return config
    new = {risk.name for risk in risks}
    kept = [risk for risk in config.risks.register if risk.name not in new]
    return replace(config, risks=replace(config.risks, register=(*kept, *risks)))


def _with_failure(config: Config, lever: str | None) -> Config:
    """Return a configuration in which a lever is built and paid for, and reaches nobody."""
    if not lever:
        return config
    if lever not in config.lever:
        raise ConfigError(f"no lever '{lever}'", key="plan.fails", value=lever,
                          known=[*config.lever, KEY_LEVER])  # fmt: skip
    plans = _plans(config)
    if not any(lever in plan.levers for plan in plans):
        raise NothingStruckError(
            f"no plan pays for '{lever}'", key="plan.fails", value=lever,
            known={name for plan in plans for name in plan.levers},
        )  # fmt: skip
    failed = replace(config.lever[lever], reach=0.0, reach_by_segment={})
    return replace(config, lever={**config.lever, lever: failed})


def _key_levers(study: Config) -> list[str | None]:
    """Return the lever with the largest budget of each plan that has any, each once."""
    found: list[str | None] = []
    for plan in _plans(study):
        budgets = {lever: sum(phase.spend.get(lever, 0.0) for phase in plan.phases)
                   for lever in plan.levers}  # fmt: skip
        if budgets and (key := max(budgets, key=lambda lever: budgets[lever])) not in found:
            found.append(key)
    if not found:
        raise NothingStruckError("no plan pays for a lever that could fail", key="plan.fails")
    return found


# --- plans ---------------------------------------------------------------------------------------


def _plans(config: Config) -> tuple[Plan, ...]:
    return config.plans or (config.plan,)


def _with_plans(config: Config, change: PlanChange) -> Config:
    if not change.delay and not change.phases:
        return config
    plans = _plans(config)
    for given in change.phases:
        if not any(_phase(plan, given) for plan in plans):
            known = "; ".join(f"{plan.name}: {_phases_of(plan)}" for plan in plans)
            raise NothingStruckError(f"no plan has a phase '{given}'",
                                     key=f"plan.phases.{given}", value=given,
                                     allowed=known)  # fmt: skip
    if change.delay and not any(plan.levers or plan.overhead for plan in plans):
        raise NothingStruckError("no plan has anything that could be late", key="plan.delay",
                     value=change.delay, allowed="a plan with a budget")  # fmt: skip
    new = tuple(delayed(config, cut(plan, change.phases), change.delay) for plan in plans)
    return replace(config, plan=new[0], plans=new if config.plans else ())


def _phases_of(plan: Plan) -> str:
    """Return a plan's phases by number and name, in their order in time."""
    ordered = _in_time(plan)
    named = [f"{place} ({phase.name})" for place, phase in enumerate(ordered, 1)]
    return ", ".join(named) or "no phases"


def _in_time(plan: Plan) -> list[Phase]:
    return sorted(plan.phases, key=lambda phase: phase.quarters)


def _phase(plan: Plan, given: str) -> str:
    """Return the name of the phase that is meant by its name, or its place in time; '' if none."""
    ordered = [phase.name for phase in _in_time(plan)]
    if given in ordered:
        return given
    place = int(given) if given.isdigit() else 0
    return ordered[place - 1] if 1 <= place <= len(ordered) else ""


def cut(plan: Plan, factors: dict[str, float]) -> Plan:
    """Return a plan with the budgets of phases multiplied; a phase that it has not is left out."""
    by_name = {_phase(plan, given): factor for given, factor in factors.items()}
    phases = tuple(
        replace(phase, spend={lever: amount * by_name.get(phase.name, 1.0)
                              for lever, amount in phase.spend.items()})
        for phase in plan.phases
    )  # fmt: skip
    return _with_phases(plan, phases)


def delayed(config: Config, plan: Plan, quarters: int) -> Plan:
    """Return a plan that begins some quarters later.

    What then lies beyond the study's last quarter is not spent; a gate that would decide there does
    not decide. The overhead goes on as planned: an office that waits is paid.

    Parameters
    ----------
    config
        The study, which says when it ends.
    plan
        What is late.
    quarters
        By how much, 0 or more.

    Raises
    ------
    NothingStruckError
        If all of the plan would lie beyond the end.
    """
    if not quarters or not plan.levers:
        return plan
    phases = tuple(
        later for phase in plan.phases if (later := _later(phase, quarters, config.quarters))
    )
    gate = plan.gate and replace(plan.gate, after=plan.gate.after + quarters)
    waves = tuple(replace(wave, quarter=wave.quarter + quarters) for wave in plan.rollout.waves)
    late = replace(
        plan,
        gate=gate if gate and gate.after < config.quarters else None,
        rollout=replace(plan.rollout, waves=waves),
    )
    made = _with_phases(late, phases)
    if not made.levers:
        raise NothingStruckError(
            f"puts all of plan '{plan.name}' after the study's last quarter", key="plan.delay",
            value=quarters, allowed=f"less than {config.quarters} quarters",
        )  # fmt: skip
    return _prepared_later(config, made, quarters)


def _later(phase: Phase, quarters: int, end: int) -> Phase | None:
    """Return a phase that comes later, as far as it lies before the end."""
    first, last = (quarter + quarters for quarter in phase.quarters)
    if first > end:
        return None
    kept = (min(last, end) - first + 1) / phase.length
    spend = {lever: amount * kept for lever, amount in phase.spend.items()}
    return replace(phase, quarters=(first, min(last, end)), spend=spend)


def _prepared_later(config: Config, plan: Plan, quarters: int) -> Plan:
    """Return a plan whose preparation, which is counted from the first week, is as late as all."""
    if plan.rollout.preparation <= 0:
        return plan
    alone = replace(config, plan=plan, plans=())
    weeks = Change("plan.rollout.preparation", Apply.PLUS, quarters * WEEKS_PER_QUARTER)
    return _with_settings(alone, [weeks]).plan


def _with_phases(plan: Plan, phases: tuple[Phase, ...]) -> Plan:
    """Return a plan with other phases, less the rules of its review that then move nothing."""
    made = replace(plan, phases=phases)
    if made.review is None:
        return made
    rules = tuple(
        rule for rule in made.review.rules
        if all(lever in made.levers for lever in (rule.source, rule.target) if lever)
    )  # fmt: skip
    return replace(made, review=replace(made.review, rules=rules))


# --- combinations --------------------------------------------------------------------------------


def _combined(shock: Shock, folders: Sequence[str | Path], above: Sequence[str]) -> Iterator[Shock]:
    """Yield a shock without what it combines, then all that it combines, which may combine too."""
    if shock.name in above:
        raise ConfigError(
            f"shocks combine each other in a circle: {' -> '.join([*above, shock.name])}",
            key=f"shocks.{shock.name}.combine", value=shock.name,
        )  # fmt: skip
    if shock.settings or shock.rivals or shock.risks or shock.plan:
        yield replace(shock, combine=())
    for name in shock.combine:
        yield from _combined(read_shock(name, folders), folders, [*above, shock.name])


def _check_together(study: Config, blow: Blow) -> None:
    """Raise ConfigError if parts of a blow contradict each other."""
    doubled = (
        ("rivals", [brand for part in blow.parts for brand in part.rivals], "one behaviour each"),
        ("risks", [risk.name for part in blow.parts for risk in part.risks], "one row each"),
    )
    for key, names, allowed in doubled:
        for name in names:
            if names.count(name) > 1:
                both = " and ".join(
                    part.name for part in blow.parts
                    if name in part.rivals or name in _risk_names(part)
                )  # fmt: skip
                raise ConfigError(f"{both} change it, each in its own way", key=f"{key}.{name}",
                                  value=name, allowed=allowed)  # fmt: skip
    times = {part.quarters for part in blow.parts if part.settings}
    if len(times) > 1:
        raise ConfigError(
            "settings hold at different times", key="quarters",
            value=[list(time) if time else None for time in times],
            allowed="the same quarters for all settings that change together",
        )  # fmt: skip
    for path, changes in _shared(study, blow).items():
        if any(change.apply is Apply.SET for _, change in changes):
            both = " and ".join(name for name, _ in changes)
            raise ConfigError(f"{both} change it, and one of them sets it", key=path,
                              allowed="times and plus, which go together")  # fmt: skip


def _risk_names(shock: Shock) -> list[str]:
    return [risk.name for risk in shock.risks]


def _shared(study: Config, blow: Blow) -> dict[str, list[tuple[str, Change]]]:
    """Return the settings that several parts of a blow change, by path."""
    found: dict[str, list[tuple[str, Change]]] = {}
    for part in blow.parts if blow.is_combination else ():
        for change in part.settings:
            for place in find_settings(study, change.key):
                found.setdefault(place.setting, []).append((part.name, change))
    return {path: both for path, both in found.items() if len(both) > 1}


def _check_kept_apart(study: Config, edited: Config, blow: Blow) -> None:
    """Raise ConfigError if parts of a blow cancel each other."""
    for path, both in _shared(study, blow).items():
        if _same_number(_value(study, path), _value(edited, path)):
            names = " and ".join(name for name, _ in both)
            raise ConfigError(f"{names} cancel each other: it stays as it is", key=path,
                              allowed="shocks that leave something of each other")  # fmt: skip
    changed = [part for part in blow.parts if part.plan.phases]
    if len(changed) > 1 and not any(part.plan.delay or part.plan.fails for part in blow.parts):
        pairs = zip(_plans(study), _plans(edited), strict=True)
        if all(_same_money(*pair) for pair in pairs):
            names = " and ".join(part.name for part in changed)
            raise ConfigError(f"{names} cancel each other: no budget is changed", key="plan.phases",
                              allowed="shocks that leave something of each other")  # fmt: skip


def _value(config: Config, path: str) -> Any:
    return find_settings(config, path)[0].value


def _same_number(before: Any, after: Any) -> bool:
    own, planned = (
        value.parameters if isinstance(value, Uncertain) else (value,) for value in (after, before)
    )
    pairs = zip(own, planned, strict=True)
    return all(math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-12) for a, b in pairs)


def _same_money(before: Plan, after: Plan) -> bool:
    return all(
        math.isclose(amount, after_it.spend[lever], rel_tol=1e-9)
        for before_it, after_it in zip(before.phases, after.phases, strict=True)
        for lever, amount in before_it.spend.items()
    )


# --- timing --------------------------------------------------------------------------------------


def _why_untimed(blow: Blow) -> str:
    """Return why a blow cannot strike in some quarters only; '' if it can."""
    for part in blow.parts:
        if part.plan:
            return "changes the plan itself, which has no time"
        if not all(can_be_timed(change) for change in part.settings):
            return "changes settings that are one for the whole of a plan"
        if any(rival.kind is not RivalKind.SCHEDULE for rival in part.rivals.values()):
            return "has rivals that answer in their own time"
        if any(not risk.quarter for risk in part.risks):
            return "has events that come by chance, in any quarter"
    both = any(part.settings for part in blow.parts) and any(
        part.rivals or part.risks for part in blow.parts
    )
    return "changes settings, which hold for a time, beside rivals or events" if both else ""


def _timed(part: Shock, window: Window) -> Shock:
    rivals = {
        brand: replace(rival, moves=tuple(
            replace(move, quarters=window, every=0) for move in rival.moves))
        for brand, rival in part.rivals.items()
    }  # fmt: skip
    return replace(
        part,
        quarters=window if part.settings else None,
        rivals=rivals,
        risks=tuple(replace(risk, quarter=window[0]) for risk in part.risks),
    )


# --- comparing -----------------------------------------------------------------------------------


def _differ(own: object, planned: object) -> bool:
    """Return whether two parts of a configuration are not the same, distributions included."""
    return own is not planned and dump(own) != dump(planned)


def _named(error: ConfigError, name: str) -> ConfigError:
    """Return the same error, its key below a shock's name."""
    key = f"{name}.{error.key}" if error.key else name
    return type(error)(error.problem, key=key, value=error.value, allowed=error.allowed,
                       file=error.file, known=error.known)  # fmt: skip
