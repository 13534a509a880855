"""A pilot before the full roll-out: what the right to stop is worth, and what it costs.

A plan is lived three times in the same worlds: with a gate after the pilot, going on whatever the
pilot shows, and stopping whatever it shows. With the gate a world goes one way or the other, so
which way can be told from its money, and what the other way would have earned is known, too. The
plan as it is, without a pilot, is lived beside them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from sim.config.plan import Condition, Gate, Plan
from sim.config.regret import PilotSettings
from sim.config.rollout import Rollout, Wave
from sim.config.study import Config
from sim.errors import ConfigError
from sim.planning.future import Case, Future
from sim.planning.lives import Lives
from sim.planning.paired import paired
from sim.planning.regret import plan_in
from sim.types import F64, Mask

OUT_OF_REACH: Final = 1e15
"""What no measure reaches: a gate that asks for it always stops."""
EVERYBODY: Final = "all"
WAYS: Final = 4
"""Of living a plan that has a pilot, see `Pilot`."""


@dataclass(frozen=True, slots=True)
class Pilot:
    """A plan in four ways; all bear the plan's name, so that what is uncertain is drawn alike.

    Attributes
    ----------
    plain
        Without a pilot and without a gate.
    gated, going_on, stopping
        With the pilot: deciding by what it shows, going on in any case, stopping in any case.
    """

    plain: Plan
    gated: Plan
    going_on: Plan
    stopping: Plan

    @property
    def ways(self) -> tuple[Plan, Plan, Plan, Plan]:
        """All four."""
        return self.plain, self.gated, self.going_on, self.stopping


def decided_after(settings: PilotSettings, quarters: int) -> int:
    """Return the quarter at whose end it is decided: as set, or a third of the horizon.

    Raises
    ------
    ConfigError
        If nothing of the horizon is left by then.
    """
    after = max(quarters // 3, 1) if settings.after is None else settings.after
    if after >= quarters:
        raise ConfigError(
            f"it is decided after quarter {after}, when nothing is left to decide",
            key="pilot.after", value=after,
            allowed=f"1 to {quarters - 1}, before the study ends; pilot=null for no pilot",
        )  # fmt: skip
    return after


def pilot_of(plan: Plan, settings: PilotSettings, config: Config) -> Pilot | None:
    """Return a plan with a pilot, None if it has nothing left to stop when that is over.

    A plan that has a gate keeps its own. One that has waves keeps them. Of any other plan, all but
    those who take part have to wait until it is decided.

    Raises
    ------
    ConfigError
        If the pilot does not fit the study, or asks for a segment that does not exist.
    """
    if plan.gate is not None:
        gated, plain = plan, replace(plan, gate=None)
        going_on = plain
    else:
        after = decided_after(settings, config.quarters)
        if max((p.quarters[1] for p in plan.phases if any(p.spend.values())), default=0) <= after:
            return None
        plain, going_on = plan, with_pilot_waves(plan, settings, after)
        gated = replace(going_on, gate=Gate(after, settings.conditions))
    _check(gated, config)
    assert gated.gate is not None
    never = Condition(gated.gate.conditions[0].measure, at_least=OUT_OF_REACH)
    stopping = replace(gated, gate=replace(gated.gate, conditions=(never,)))
    return Pilot(plain, gated, going_on, stopping)


def with_pilot_waves(plan: Plan, settings: PilotSettings, after: int) -> Plan:
    """Return a plan that reaches those who take part first, and the others once it is decided."""
    if plan.rollout.waves or (settings.segment == EVERYBODY and settings.share == 1):
        return plan
    if settings.segment == EVERYBODY:
        first = Wave("pilot", share=settings.share)
        rest = Wave("all_others", share=1 - settings.share, quarter=after + 1)
    else:
        own = {settings.segment: settings.share}
        others = {settings.segment: 1 - settings.share}
        first = Wave("pilot", segments=own)
        rest = Wave("all_others", share=1.0, segments=others, quarter=after + 1)
    return replace(plan, rollout=Rollout(plan.rollout.preparation, (first, rest)))


def _check(gated: Plan, config: Config) -> None:
    """Raise ConfigError, by the name of the setting, if a plan with its gate does not fit."""
    try:
        replace(config, plan=gated, baseline=gated, plans=())
    except ConfigError as error:
        raise ConfigError(f"plan '{gated.name}': {error.problem}", key=f"pilot ({error.key})",
                          value=error.value, allowed=error.allowed,
                          known=error.known) from None  # fmt: skip


# --- what a pilot is worth -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PilotLife:
    """What came of a plan with and without its pilot; shape (n_futures, n_worlds) unless stated.

    Attributes
    ----------
    name
        The plan's.
    after
        Quarter at whose end it is decided.
    plain, gated, going_on, stopping
        NPV against doing nothing, currency.
    stopped
        Where the gate stopped the plan.
    """

    name: str
    after: int
    plain: F64
    gated: F64
    going_on: F64
    stopping: F64
    stopped: Mask

    @property
    def worth(self) -> F64:
        """What the pilot adds to the plan as it is, currency."""
        worth: F64 = self.gated - self.plain
        return worth

    @property
    def waiting(self) -> F64:
        """What it adds, or costs, that those who take no part have to wait; currency."""
        waiting: F64 = self.going_on - self.plain
        return waiting

    @property
    def deciding(self) -> F64:
        """What the right to stop adds, as it is used; currency."""
        deciding: F64 = self.gated - self.going_on
        return deciding

    @property
    def stopping_worth(self) -> F64:
        """What it would add to stop whatever the pilot shows, currency."""
        worth: F64 = self.stopping - self.plain
        return worth

    @property
    def at_best(self) -> F64:
        """What it would add were every decision right, luck foreseen; currency."""
        best: F64 = np.maximum(self.stopping, self.going_on) - self.going_on
        return best

    @property
    def better_stopped(self) -> Mask:
        """Where the plan would earn more if it is stopped."""
        better: Mask = self.stopping > self.going_on
        return better

    def decisions(self, weights: F64) -> dict[str, F64]:
        """Return how often it stops or goes on, rightly and wrongly; by world, shape (n_worlds,).

        Right is what earns more in that world; `weights` are those of the futures.
        """
        stop, better = self.stopped, self.better_stopped
        cells = {
            "stopped_rightly": stop & better, "stopped_wrongly": stop & ~better,
            "went_on_rightly": ~stop & ~better, "went_on_wrongly": ~stop & better,
        }  # fmt: skip
        return {name: weights @ cell.astype(np.float64) for name, cell in cells.items()}


def live_pilots(
    lives: Lives, plans: Sequence[Plan], settings: PilotSettings, futures: Sequence[Future],
    worlds: Sequence[int], progress: Callable[[int, int], None] | None = None,
) -> list[PilotLife]:  # fmt: skip
    """Live plans with and without their pilots in all futures; those that can have none are left.

    Raises
    ------
    ConfigError, EngineError, StoreError
        If a pilot does not fit, or a life cannot be lived or kept.
    """
    pilots = [(plan, made) for plan in plans
              if (made := pilot_of(plan, settings, lives.config)) is not None]  # fmt: skip
    baseline = lives.config.baseline
    cases = [Case(plan_in(future, baseline), future) for future in futures]
    for plan, _ in pilots:
        in_each = [_in_future(plan, future, settings) for future in futures]
        cases += [Case(one.ways[way], future) for way in range(WAYS)
                  for one, future in zip(in_each, futures, strict=True)]  # fmt: skip
    lived = lives.live(cases, worlds, progress)
    flows = lived.flows.reshape(-1, len(futures), *lived.flows.shape[1:])
    rates = lived.rates[: len(futures)]
    found = []
    for place, (plan, pilot) in enumerate(pilots):
        ways = flows[1 + WAYS * place : 1 + WAYS * (place + 1)]
        plain, gated, going_on, stopping = (_npv(way, flows[0], rates) for way in ways)
        as_going, as_stopping = (np.all(ways[1] == way, axis=(2, 3)) for way in ways[2:])
        assert pilot.gated.gate is not None
        after = pilot.gated.gate.after
        stopped = as_stopping & ~as_going
        found.append(PilotLife(plan.name, after, plain, gated, going_on, stopping, stopped))
    return found


def _in_future(plan: Plan, future: Future, settings: PilotSettings) -> Pilot:
    """Return a plan with its pilot in a future, which may leave nothing to stop."""
    own = plan_in(future, plan)
    return pilot_of(own, settings, future.config) or Pilot(own, own, own, own)


def _npv(flows: F64, baseline: F64, rates: F64) -> F64:
    """Return NPV by future and world of flows (n_futures, n_worlds, n_quarters, n_flows)."""
    rows = zip(flows, baseline, rates, strict=True)
    return np.array([paired(own, base, rate).npv for own, base, rate in rows])
