"""Coalitions of a plan's money: the plan with some of its levers or phases only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from sim.config.explain import Players
from sim.config.lever import Lever
from sim.config.plan import Plan
from sim.config.study import Config
from sim.finance.returns import discount_factors


class Grant(NamedTuple):
    """Money for a lever in a phase."""

    lever: str
    phase: str


@dataclass(frozen=True, slots=True)
class Player:
    """Who has a share.

    Attributes
    ----------
    name
        Of the lever, the phase or the mechanism.
    grants
        The money that goes with it; none of a mechanism.
    money
        How much that is, discounted, in currency.
    needs
        Other players without whom it can do nothing.
    """

    name: str
    grants: frozenset[Grant] = frozenset()
    money: float = 0.0
    needs: tuple[str, ...] = ()


def players_of(config: Config, kind: Players) -> tuple[Player, ...]:
    """Return the levers, or the phases, that a plan gives money to."""
    plan = config.plan
    every = grants_of(plan)
    if kind is Players.LEVERS:
        parts = {lever: [grant for grant in every if grant.lever == lever] for lever in plan.levers}
    else:
        parts = {phase.name: [grant for grant in every if grant.phase == phase.name]
                 for phase in plan.phases}  # fmt: skip
    return tuple(
        Player(name, frozenset(grants), money_of(config, grants),
               needs_of(name, config.lever) if kind is Players.LEVERS else ())
        for name, grants in parts.items()
        if grants
    )  # fmt: skip


def needs_of(name: str, levers: Mapping[str, Lever]) -> tuple[str, ...]:
    """Return the levers without which one can do nothing: what it needs, and what these need."""
    found: dict[str, None] = {}
    for need in levers[name].needs:
        found |= dict.fromkeys((need, *needs_of(need, levers)))
    return tuple(found)


def money_of(config: Config, grants: Iterable[Grant]) -> float:
    """Return what some grants are worth when the plan begins: discounted, in currency."""
    factors = discount_factors(config.quarters, config.finance.quarterly_rate)
    worth = 0.0
    for grant in grants:
        phase = next(phase for phase in config.plan.phases if phase.name == grant.phase)
        first, last = phase.quarters
        worth += phase.spend[grant.lever] * float(factors[first - 1 : last].mean())
    return worth


def grants_of(plan: Plan) -> tuple[Grant, ...]:
    """Return all money of a plan, lever by lever in its phases."""
    return tuple(
        Grant(lever, phase.name)
        for phase in plan.phases
        for lever, amount in phase.spend.items()
        if amount > 0
    )


def largest_part(
    grants: frozenset[Grant], plan: Plan, levers: Mapping[str, Lever]
) -> frozenset[Grant]:
    """Return the largest part of some grants that lacks no lever which it needs.

    What lacks one is dropped, then what lacks that, until nothing is lacking: of two parts that can
    stand by themselves both together can, so there is one that is largest.
    """
    starts = {phase.name: phase.quarters[0] for phase in plan.phases}
    while True:
        first: dict[str, int] = {}
        for grant in grants:
            start = starts[grant.phase]
            first[grant.lever] = min(first.get(grant.lever, start), start)
        kept = frozenset(
            grant
            for grant in grants
            if all(first.get(need, plan.phases[-1].quarters[1] + starts[grant.phase])
                   <= starts[grant.phase] for need in levers[grant.lever].needs)
        )  # fmt: skip
        if kept == grants:
            return kept
        grants = kept


def plan_with(plan: Plan, grants: frozenset[Grant]) -> Plan:
    """Return a plan with only some of its money, under its own name: its draws are the same.

    A rule of its review that names a lever without money is dropped.
    """
    if grants == frozenset(grants_of(plan)):
        return plan
    funded = {"", *(grant.lever for grant in grants)}
    phases = tuple(
        replace(phase, spend={lever: amount for lever, amount in phase.spend.items()
                              if Grant(lever, phase.name) in grants})
        for phase in plan.phases
    )  # fmt: skip
    review = plan.review
    if review is not None:
        rules = tuple(rule for rule in review.rules if {rule.source, rule.target} <= funded)
        review = replace(review, rules=rules) if rules else None
    return replace(plan, phases=phases, review=review)


def granted(players: Sequence[Player], coalition: int) -> frozenset[Grant]:
    """Return the money of a coalition's members, see `shapley` for its number."""
    own = [player.grants for i, player in enumerate(players) if coalition >> i & 1]
    return frozenset().union(*own)
