"""Settings of `fidelio optimise`."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from sim.config.fields import number
from sim.config.planning import Planning
from sim.errors import ConfigError


class By(Enum):
    """Spans of time that get money of their own."""

    PHASE = "phase"
    QUARTER = "quarter"


class SamplerKind(Enum):
    """What proposes plans from all over the space."""

    AUTO = "auto"
    """TPE for one objective, NSGA-II for two or three, NSGA-III for more."""
    TPE = "tpe"
    CMA_ES = "cma_es"
    NSGA_II = "nsga_ii"
    NSGA_III = "nsga_iii"
    RANDOM = "random"


@dataclass(frozen=True, slots=True)
class Within:
    """What a phase may get in all, in currency."""

    least: float = number(0.0, unit="currency", low=0)
    most: float | None = number(None, unit="currency", low=0)

    def __post_init__(self) -> None:
        """Check that there is something between the ends."""
        if self.most is not None and self.least > self.most:
            raise ConfigError(
                f"{self.least:,.10g} is more than the most, {self.most:,.10g}", key="least",
                value=self.least, allowed=f"0 to {self.most:,.10g}",
            )  # fmt: skip


@dataclass(frozen=True, slots=True)
class LeverWithin(Within):
    """What a lever may get over all phases, in currency."""

    minimum: float | None = number(None, unit="currency, if it gets anything", low=0)
    """At least so much or nothing; the general `minimum` if None."""


@dataclass(frozen=True, slots=True)
class Headcount:
    """How many people the levers' staff money may pay for in any quarter."""

    most: float = number(unit="people", low=0, high=1_000_000)
    pay: float = number(unit="currency per person and quarter", low=1e-9)


@dataclass(frozen=True, slots=True)
class Group:
    """Levers that share a part of the money in the split that the sources recommend."""

    share: float = number(unit="weight of the group", low=0, high=1)
    levers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Optimise(Planning):
    """Settings of `fidelio optimise`."""

    objective: tuple[str, ...]
    """Outcomes to be made better; one gives the best plan, several the plans between them."""
    levers: tuple[str, ...] | None
    """Levers that may get money; those of the plan if None."""
    add: tuple[str, ...]
    """Levers that may get money beside these."""
    by: By
    spend_all: bool
    """Whether the whole budget must be spent."""
    sampler: SamplerKind
    phases: dict[str, Within]
    """Least and most by phase; with `by: quarter`, by quarter_1, quarter_2, ..."""
    limits: dict[str, LeverWithin]
    """Least, most and least-or-nothing by lever."""
    headcount: Headcount | None
    groups: dict[str, Group]
    """The sources' split: levers to groups, and each group's weight."""
    budget: float | None = number(
        None, unit="currency over all levers and phases", low=0, high=1e15
    )
    """What the plan spends if None."""
    step: float = number(unit="share of the budget that is moved at least", low=0.001, high=1)
    minimum: float = number(unit="currency a lever gets at least, or nothing", low=0)
    evaluations: int = number(unit="plans that are tried", low=10, high=1_000_000)
    explore: float = number(unit="share of them before the best is refined", low=0.1, high=1)
    batch: int = number(unit="plans that are proposed at once", low=1, high=10_000)
    first: int = number(unit="worlds on which each plan is tried", low=1, high=100_000)
    race: int = number(unit="worlds on which the promising are tried", low=1, high=1_000_000)
    members: int = number(unit="plans of a Pareto set that are kept", low=2, high=100)
    shadow: float = number(unit="share of the budget that is given more and less", low=0.01,
                           high=0.5)  # fmt: skip
    search_seed: int = number(unit="key of the search's draws", low=0, high=2**31 - 1)
    provenance: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check what contradicts itself whatever the study is."""
        if not self.objective:
            raise ConfigError("names nothing", key="objective", allowed="[npv], [npv, csat], ...")
        for name in self.objective:
            if self.objective.count(name) > 1:
                raise ConfigError("named twice", key="objective", value=name,
                                  allowed="each outcome once")  # fmt: skip
        if self.budget is not None and self.budget <= 0:
            raise ConfigError("there is nothing to spend", key="budget", value=self.budget,
                              allowed="more than 0")  # fmt: skip
        if self.first > self.race:
            raise ConfigError(
                f"{self.first} is more than the race's {self.race}", key="first",
                value=self.first, allowed=f"1 to {self.race}, the worlds of `race`",
            )  # fmt: skip
        check_sampler(self.sampler, len(self.objective))


def check_sampler(sampler: SamplerKind, n_objectives: int) -> None:
    """Raise ConfigError if a sampler cannot do with so many objectives."""
    if sampler is SamplerKind.CMA_ES and n_objectives > 1:
        raise ConfigError(
            f"CMA-ES takes one objective, not {n_objectives}", key="sampler", value=sampler.value,
            allowed="nsga_ii, nsga_iii, tpe, random, auto",
        )  # fmt: skip
    if sampler in {SamplerKind.NSGA_II, SamplerKind.NSGA_III} and n_objectives == 1:
        raise ConfigError(
            "it is made for several objectives, and there is one", key="sampler",
            value=sampler.value, allowed="tpe, cma_es, random, auto",
        )  # fmt: skip
