"""Roll-out: tasks that build a lever, the teams that do them, and the waves that bring it out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sim.config.fields import Uncertain, number, numbers
from sim.config.market import check_names_differ
from sim.errors import ConfigError

if TYPE_CHECKING:
    from sim.config.lever import Lever
    from sim.config.plan import Plan


@dataclass(frozen=True, slots=True)
class Task:
    """A piece of work that must be done before a lever works."""

    name: str
    team: str
    """Team that does it; empty if it needs nobody."""
    weeks: float = number(unit="weeks", low=0, high=1000)
    people: int = number(1, unit="people of the team", low=1, high=10_000)
    needs: tuple[str, ...] = ()
    """Tasks of the same lever that must be finished first."""


@dataclass(frozen=True, slots=True)
class Wave:
    """A part of the customers to whom the levers go at one time."""

    name: str
    share: float = number(0.0, unit="share of every segment", low=0, high=1)
    segments: dict[str, float] = numbers(unit="share of the segment", low=0, high=1)
    """Share of single segments; replaces `share` for them."""
    quarter: int = number(1, unit="first quarter in which it may begin", low=1, high=400)
    weeks: float = number(2.0, unit="weeks to bring one lever to the wave", low=0, high=1000)
    team: str = ""
    """Team that does it; empty if it needs nobody."""
    people: int = number(1, unit="people of the team", low=1, high=10_000)


@dataclass(frozen=True, slots=True)
class Rollout:
    """Preparation, then waves, each begun when the one before has arrived."""

    preparation: float = number(0.0, unit="weeks before any task begins", low=0, high=400)
    waves: tuple[Wave, ...] = ()

    def __post_init__(self) -> None:
        """Check names, and that no segment is reached more than once in full."""
        check_names_differ("waves", [wave.name for wave in self.waves])
        names = {"every segment", *(name for wave in self.waves for name in wave.segments)}
        for name in names:
            total = sum(wave.segments.get(name, wave.share) for wave in self.waves)
            if total > 1 + 1e-9:
                raise ConfigError(
                    f"waves bring {name} to {total:g}", key="waves", value=total,
                    allowed="shares that sum to 1 or less over the waves",
                )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Team:
    """People who do tasks."""

    name: str
    people: int = number(unit="people", low=1, high=1_000_000)


@dataclass(frozen=True, slots=True)
class Organisation:
    """The teams of the company."""

    name: str
    title: str
    teams: tuple[Team, ...] = ()
    provenance: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check that names differ, and that head-counts are known."""
        check_names_differ("teams", [team.name for team in self.teams])
        for team in self.teams:
            if isinstance(team.people, Uncertain):
                raise ConfigError(
                    "is a distribution, but heads are counted", key=f"teams.{team.name}.people",
                    allowed="a whole number",
                )  # fmt: skip

    @property
    def people(self) -> dict[str, int]:
        """Team to its number of people."""
        return {team.name: team.people for team in self.teams}


def check_tasks(tasks: Sequence[Task], key: str) -> None:
    """Raise ConfigError if names repeat, a need is unknown, or tasks wait for each other."""
    check_names_differ(key, [task.name for task in tasks])
    needs = {task.name: task.needs for task in tasks}
    for task in tasks:
        for need in task.needs:
            if need not in needs:
                raise ConfigError(
                    f"task '{task.name}' needs task '{need}', which is not there",
                    key=f"{key}.{task.name}.needs",
                    value=need, known=needs,
                )  # fmt: skip
    circle = find_circle(needs)
    if circle:
        raise ConfigError(
            f"tasks wait for each other in a circle: {' -> '.join(circle)}", key=key,
            value=circle, allowed="tasks that can be put in an order",
        )  # fmt: skip


def check_rollout(
    plan: Plan,
    levers: Mapping[str, Lever],
    organisation: Organisation,
    segments: Sequence[str],
    key: str,
) -> None:
    """Raise ConfigError if a plan's levers cannot be built by the teams, or reach no such segment.

    Parameters
    ----------
    plan, levers
        What is paid for, of all levers by name; levers that the plan does not pay for are not
        checked.
    organisation
        The teams; without any, as many people as are needed.
    segments
        Names of the market's segments.
    key
        Path of the plan, `plan` or `plans.NAME`.
    """
    for name in plan.levers:
        for task in levers[name].tasks:
            _check_people(task, organisation, f"lever.{name}.tasks.{task.name}")
    for wave in plan.rollout.waves:
        where = f"{key}.rollout.waves.{wave.name}"
        _check_people(wave, organisation, where)
        for segment in wave.segments:
            if segment not in segments:
                raise ConfigError(
                    "no such segment in this market", key=f"{where}.segments.{segment}",
                    value=segment, known=segments,
                )  # fmt: skip
    circle = find_circle(waited_for(plan, levers))
    if circle:
        raise ConfigError(
            f"levers wait for each other's tasks in a circle: {' -> '.join(circle)}",
            key=f"lever.{circle[0]}.needs", value=circle,
            allowed="levers that can be put in an order",
        )  # fmt: skip


def waited_for(plan: Plan, levers: Mapping[str, Lever]) -> dict[str, tuple[str, ...]]:
    """Return each lever of a plan that has tasks, with the levers whose tasks must be done first.

    Only a lever that has tasks itself is ever waited for.
    """
    built = [name for name in plan.levers if levers[name].tasks]
    return {name: tuple(need for need in levers[name].needs if need in built) for name in built}


def _check_people(item: Task | Wave, organisation: Organisation, key: str) -> None:
    people = organisation.people
    if not people or not item.team:
        return
    if item.team not in people:
        raise ConfigError(
            f"'{item.team}' is no team of organisation '{organisation.name}'", key=f"{key}.team",
            value=item.team, known=people,
        )  # fmt: skip
    if item.people > people[item.team]:
        raise ConfigError(
            f"{item.people} people would never be free: team '{item.team}' of organisation "
            f"'{organisation.name}' has {people[item.team]}",
            key=f"{key}.people", value=item.people, allowed=f"1 to {people[item.team]} (people)",
        )  # fmt: skip


def find_circle(needs: Mapping[str, Sequence[str]]) -> list[str]:
    """Return names that lead back to the first of them along their needs, or [] if none do."""
    done: set[str] = set()

    def walk(name: str, path: list[str]) -> list[str]:
        if name in path:
            return [*path[path.index(name) :], name]
        if name in done:
            return []
        for need in needs.get(name, ()):
            if found := walk(need, [*path, name]):
                return found
        done.add(name)
        return []

    for name in needs:
        if found := walk(name, []):
            return found
    return []
