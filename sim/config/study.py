"""The whole configuration of a study, as composed from files and overrides."""

from __future__ import annotations

from dataclasses import dataclass, field

from sim.config.engine import Engine, Report
from sim.config.fields import number
from sim.config.finance import Finance
from sim.config.lever import Lever
from sim.config.market import Market
from sim.config.plan import Plan
from sim.config.risk import Risks
from sim.config.rivals import Rivals
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
        check_plan(self.plan, "plan", self.lever, self.quarters)
        check_plan(self.baseline, "baseline", self.lever, self.quarters)
        for plan in self.plans:
            check_plan(plan, f"plans.{plan.name}", self.lever, self.quarters)
        if self.burn_in < self.market.lapse_window:
            raise ConfigError(
                f"{self.burn_in} quarters do not show who is a customer when the plan begins",
                key="burn_in",
                value=self.burn_in,
                allowed=f"{self.market.lapse_window} or more, the market's lapse window",
            )
        rivals = [brand.name for brand in self.market.brands[1:]]
        for name in self.rivals.brands:
            if name not in rivals:
                raise ConfigError(
                    "no such rival in this market", key=f"rivals.brands.{name}", value=name,
                    known=rivals,
                )  # fmt: skip
        for risk in self.risks.register:
            for lever in (*risk.mitigation, *filter(None, [risk.needs])):
                if lever not in self.lever:
                    raise ConfigError(
                        "no such lever", key=f"risks.register.{risk.name}", value=lever,
                        known=self.lever,
                    )  # fmt: skip


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
