"""The whole configuration of a study, as composed from files and overrides."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from sim.config.desk import Desk
from sim.config.engine import Engine, Report
from sim.config.fields import number
from sim.config.finance import Finance
from sim.config.lever import Lever
from sim.config.market import Market
from sim.config.plan import Plan
from sim.config.risk import Risks
from sim.config.rivals import Rivals
from sim.config.rollout import Organisation, check_rollout, find_circle
from sim.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Config:
    """One study: a plan against a baseline in a market."""

    scenario: str
    title: str
    market: Market
    rivals: Rivals
    plan: Plan
    baseline: Plan
    risks: Risks
    finance: Finance
    desk: Desk
    organisation: Organisation
    lever: dict[str, Lever]
    story: str = ""
    plans: tuple[Plan, ...] = ()
    """Plans to set side by side; `compare` only."""
    customers: int = number(20_000, unit="simulated customers", low=100, high=100_000_000)
    quarters: int = number(12, unit="quarters of the plan", low=1, high=200)
    burn_in: int = number(8, unit="quarters before the plan", low=0, high=200)
    replications: int = number(64, unit="paired worlds", low=2, high=1_000_000)
    precision: float | None = number(
        None, unit="currency, half-width of the 95% interval of the mean NPV", low=1e-9
    )
    command: str = ""
    """What to type to get this configuration again; set by the loader."""
    seed: int = number(1, unit="key of all draws", low=0, high=2**32 - 1)
    engine: Engine = field(default_factory=Engine)
    report: Report = field(default_factory=Report)

    def __post_init__(self) -> None:
        """Check parts against each other: plans with levers and clock, rivals with brands."""
        check_levers(self.lever)
        segments = [segment.name for segment in self.market.segments]
        for key, plan in self.every_plan.items():
            check_plan(plan, key, self.lever, self.quarters)
            check_policy(plan, key, segments, self.quarters)
            check_rollout(plan, self.lever, self.organisation, segments, key)
        if self.burn_in < self.market.lapse_window:
            raise ConfigError(
                f"{self.burn_in} quarters do not show who is a customer when the plan begins",
                key="burn_in",
                value=self.burn_in,
                allowed=f"{self.market.lapse_window} or more, the market's lapse window",
            )
        rivals = [brand.name for brand in self.market.brands[1:]]
        for name, rival in self.rivals.brands.items():
            _check_known(name, rivals, f"rivals.brands.{name}", "no such rival in this market")
            for lever in rival.levers:
                _check_known(lever, self.lever, f"rivals.brands.{name}.levers", "no such lever")
        for risk in self.risks.register:
            asked: dict[str, Iterable[str]] = {
                "mitigation": risk.mitigation,
                "dampening": risk.dampening,
                "needs": filter(None, [risk.needs]),
            }
            for field_name, others in asked.items():
                for lever in others:
                    where = f"risks.register.{risk.name}.{field_name}"
                    _check_known(lever, self.lever, where, "no such lever")
        for brand in self.market.brands:
            for lever in brand.perks:
                _check_known(
                    lever, self.lever, f"market.brands.{brand.name}.perks", "no such lever"
                )

    @property
    def every_plan(self) -> dict[str, Plan]:
        """All plans of the study, by the path at which each stands."""
        side_by_side = {f"plans.{plan.name}": plan for plan in self.plans}
        return {"plan": self.plan, "baseline": self.baseline, **side_by_side}


def _check_known(name: str, known: Iterable[str], key: str, problem: str) -> None:
    if name not in known:
        raise ConfigError(f"{problem}: {name}", key=key, value=name, known=known)


def check_levers(levers: dict[str, Lever]) -> None:
    """Raise ConfigError if levers name levers that do not exist, or need each other in a circle."""
    for name, lever in levers.items():
        undone = [other for effect in lever.effects for other in effect.without]
        named = {"needs": lever.needs, "excludes": lever.excludes,
                 "strengthens": lever.strengthens, "effects": undone}  # fmt: skip
        for field_name, others in named.items():
            for other in others:
                _check_known(other, levers, f"lever.{name}.{field_name}", "no such lever")
    circle = find_circle({name: lever.needs for name, lever in levers.items()})
    if circle:
        raise ConfigError(
            f"levers need each other in a circle: {' -> '.join(circle)}",
            key=f"lever.{circle[0]}.needs", value=list(levers[circle[0]].needs),
            allowed="needs that can be put in an order",
        )  # fmt: skip


def check_policy(plan: Plan, key: str, segments: Sequence[str], quarters: int) -> None:
    """Raise ConfigError if a review or gate names levers, segments or quarters it cannot have."""
    rules = plan.review.rules if plan.review else ()
    for rule in rules:
        for lever in filter(None, (rule.source, rule.target)):
            _check_known(
                lever, plan.levers, f"{key}.review.rules.{rule.name}",
                "moves money of a lever that the plan does not pay for",
            )  # fmt: skip
    if plan.gate is not None and plan.gate.after >= quarters:
        raise ConfigError(
            f"decides after quarter {plan.gate.after}, when nothing is left to decide",
            key=f"{key}.gate.after", value=plan.gate.after,
            allowed=f"1 to {quarters - 1}, before the study ends",
        )  # fmt: skip
    for where, conditions in plan.conditions.items():
        for condition in conditions:
            for segment in filter(None, (condition.segment, condition.over)):
                _check_known(segment, ("all", *segments), f"{key}.{where}", "no such segment")


def check_plan(plan: Plan, key: str, levers: dict[str, Lever], quarters: int) -> None:
    """Raise ConfigError if a plan names unknown levers, lacks one, or outlives the clock."""
    for phase in plan.phases:
        where = f"{key}.phases.{phase.name}"
        for lever in phase.spend:
            if lever not in levers:
                raise ConfigError(
                    f"no lever '{lever}'", key=f"{where}.spend", value=lever, known=levers
                )
        if phase.quarters[1] > quarters and any(phase.spend.values()):
            raise ConfigError(
                f"spends in quarter {phase.quarters[1]}, "
                f"but the study ends with quarter {quarters}",
                key=f"{where}.quarters",
                value=list(phase.quarters),
                allowed=f"quarters 1 to {quarters}; or a longer study with quarters=...",
            )
    for lever in plan.levers:
        for need in levers[lever].needs:
            started, wanted = plan.first_quarter(need), plan.first_quarter(lever)
            if started is None or wanted is None or started > wanted:
                raise ConfigError(
                    f"lever '{lever}' needs lever '{need}', "
                    f"which is not paid for by quarter {wanted}",
                    key=f"{key}.phases",
                    value=lever,
                    allowed=f"a budget for '{need}' in quarter {wanted} or before",
                )
        for other in levers[lever].excludes:
            if other in plan.levers:
                raise ConfigError(
                    f"lever '{lever}' excludes lever '{other}', and the plan pays for both",
                    key=f"{key}.phases", value=other, allowed="one of the two",
                )  # fmt: skip
    clubs = [lever for lever in plan.levers if levers[lever].membership is not None]
    if len(clubs) > 1:
        raise ConfigError(
            f"pays for {len(clubs)} memberships: {', '.join(clubs)}", key=f"{key}.phases",
            value=clubs, allowed="one lever with a membership",
        )  # fmt: skip
