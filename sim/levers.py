"""From money to what customers feel: carry-over, saturation, roll-out, reach, side effects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from sim.config.lever import Effect, Lever
from sim.config.market import Market
from sim.config.plan import Plan
from sim.config.rollout import Organisation
from sim.kernels.layout import Treatment
from sim.processes.rollout import RollOut
from sim.treatment import Promise, Segments, make_promise
from sim.types import F64, N_CHANNELS, Channel, Touchpoint

WEIGHED = (
    Touchpoint.COGNITION,
    Touchpoint.DECISION,
    Touchpoint.USE,
    Touchpoint.AFTER_SALES,
    Touchpoint.SHARING,
)
"""Touchpoints that every customer passes: they should fit together."""

UNLIMITED = Organisation("unlimited", "As many people as are needed")


@dataclass(frozen=True, slots=True)
class Situation:
    """What a quarter meets the levers with.

    Attributes
    ----------
    quarter
        Quarter of the plan, from 1.
    delay
        Relative lengthening of the roll-out tasks that begin.
    alike
        Lever to how much a rival's copy resembles it, 0..1.
    warned
        Shares of the brand's customers who are yellow and red.
    member_margin
        Shape (N_TIERS,): last quarter's gross margin per member by tier, in currency; infinite
        where nothing is known yet.
    money_line
        Trailing yearly spend, in currency, above which a customer spends more than most.
    """

    quarter: int
    delay: float = 0.0
    alike: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    warned: tuple[float, float] = (0.0, 0.0)
    member_margin: F64 | None = None
    money_line: float = 0.0


@dataclass(frozen=True, slots=True)
class LeverQuarter:
    """What a plan's levers deliver and cost in one quarter.

    Attributes
    ----------
    channels
        Shape (N_CHANNELS, n_segments), units as the channels.
    by_lever
        Lever to its own part of the channels, before touchpoints are compared.
    breaks
        Shape (n_segments,): how far touchpoints differ in quality, in logit units.
    strength
        Lever to readiness x saturation, 0..1, mean over customers.
    ready
        Lever to the share of each segment that it has been brought to, shape (n_segments,).
    spend
        Lever to the budget of the quarter, in currency.
    capital, staff, running
        Currency of the quarter: spend booked as capital, as staff, and the rest with upkeep.
    reward_rate
        Shape (n_segments,): share of the segment's revenue given back.
    member_cost
        Shape (n_segments,): currency per focal customer.
    promise
        What single customers get by tier and warning level, and what that costs.
    """

    channels: F64
    by_lever: dict[str, F64]
    breaks: F64
    strength: dict[str, float]
    ready: dict[str, F64]
    spend: dict[str, float]
    capital: float
    staff: float
    running: float
    reward_rate: F64
    member_cost: F64
    promise: Promise

    @property
    def treatment(self) -> Treatment:
        """What the promise means to single customers."""
        return self.promise.treatment


class Budget:
    """What each lever gets in each quarter; reviews and gates move what is still to come."""

    def __init__(self, plan: Plan) -> None:
        last = max((phase.quarters[1] for phase in plan.phases), default=0)
        self.table: dict[str, F64] = {
            lever: np.array([plan.spend_in(lever, quarter) for quarter in range(1, last + 1)])
            for lever in plan.levers
        }
        self.overhead = plan.overhead

    def spend(self, lever: str, quarter: int) -> float:
        """Return what a lever gets in a quarter, in currency."""
        planned = self.table[lever]
        return float(planned[quarter - 1]) if quarter <= len(planned) else 0.0

    def move(self, source: str, target: str, share: float, quarter: int) -> float:
        """Move a share of what a lever has left from a quarter on; return how much.

        An empty source takes from all levers but the target; an empty target saves the money.
        """
        moved = 0.0
        for lever in [source] if source else [name for name in self.table if name != target]:
            taken = self.table[lever][quarter - 1 :] * share
            self.table[lever][quarter - 1 :] -= taken
            if target:
                self.table[target][quarter - 1 :] += taken
            moved += float(taken.sum())
        return moved

    def cancel(self, quarter: int) -> float:
        """Save all that is to be spent from a quarter on; return how much the levers had left."""
        self.overhead = 0.0
        return sum(self.move(lever, "", 1.0, quarter) for lever in self.table)


class Impact(NamedTuple):
    """What an effect of a lever does, as far as it is the same in every quarter."""

    effect: Effect
    factors: tuple[F64, ...]
    """Shape (n_segments,) each: by how much the size differs between segments."""
    full: F64
    """Shape (n_segments,): its size where no other lever undoes it."""
    counts: float
    """By how much it counts at its touchpoint."""
    touches: int | None
    """Place in WEIGHED of the touchpoint whose quality it moves."""

    def size(self, strength: Mapping[str, float]) -> F64:
        """Return its size by segment, as far as no other lever undoes it."""
        if not self.effect.without:
            return self.full
        undone = max(strength.get(name, 0.0) for name in self.effect.without)
        return _product(self.effect.size * (1.0 - undone), self.factors)


def _product(size: float, factors: tuple[F64, ...]) -> F64:
    """Return a size times its factors by segment, in their order."""
    product: F64 = size * factors[0]
    for factor in factors[1:]:
        product = product * factor
    return product


class Programme:
    """The levers of one plan, quarter by quarter; carries the stock that past spending has built.

    Parameters
    ----------
    plan
        Who gets money when, and in which waves it reaches customers.
    levers
        All known levers by name.
    market
        Its segments and number of company customers turn money into money per reached customer.
    organisation
        The teams that build; as many people as are needed if not given.
    """

    def __init__(
        self,
        plan: Plan,
        levers: Mapping[str, Lever],
        market: Market,
        organisation: Organisation = UNLIMITED,
    ) -> None:
        self.plan, self.market = plan, market
        self.levers = {name: levers[name] for name in plan.levers}
        self.segments = [segment.name for segment in market.segments]
        self.shares = np.array([segment.share for segment in market.segments], dtype=np.float64)
        prices = [market.weights.price * s.weights.price for s in market.segments]
        self.about_segments = Segments(self.shares, np.array(prices, dtype=np.float64))
        self.reach = {name: self._reach(lever) for name, lever in self.levers.items()}
        """Lever to the share of each segment that it reaches, shape (n_segments,)."""
        privacy = np.array([segment.privacy for segment in market.segments], dtype=np.float64)
        self.impacts = {
            name: [self._impact(effect, privacy) for effect in lever.effects]
            for name, lever in self.levers.items()
        }
        self.supporters = {
            name: [(n, other.strengthens[name]) for n, other in self.levers.items()
                   if other.strengthens.get(name)]
            for name in self.levers
        }  # fmt: skip
        """Lever to those of the plan that strengthen or undermine it, each with its gain."""
        self.perks = {
            name: max(brand.perks.get(name, 0.0) for brand in market.brands[1:])
            for name in self.levers
        }
        """Lever to how much what a rival has already resembles it, 0..1."""
        weights = np.array([getattr(market.journey, touchpoint.value) for touchpoint in WEIGHED])
        self.touchpoint_weights = weights / weights.sum()
        self.budget = Budget(plan)
        self.rollout = RollOut(plan, self.levers, organisation, self.segments)
        self.stock = dict.fromkeys(self.levers, 0.0)
        self.spread = dict.fromkeys(self.levers, 0.0)
        """Lever to the share of those in its reach who have taken it up."""

    def advance(self, situation: Situation) -> LeverQuarter:
        """Spend the budget of a quarter (from 1, in order) and return what comes of it."""
        quarter = situation.quarter
        carried = {n: self.stock[n] * lever.carry_over for n, lever in self.levers.items()}
        spend = {n: self.budget.spend(n, quarter) for n in self.levers}
        self.stock = {n: carried[n] + spend[n] for n in self.levers}
        ready = self.rollout.advance(quarter, situation.delay)
        saturation = {n: self._saturation(n) for n in self.levers}
        strength = {n: saturation[n] * float(ready[n] @ self.shares) for n in self.levers}
        reached = {
            n: self.reach[n] * ready[n] * self._taken_up(n, strength[n]) for n in self.levers
        }
        felt = {
            n: saturation[n] * self._support(n, strength) * self._distinct(n, situation.alike)
            for n in self.levers
        }
        by_lever, touched = self._effects(felt, reached, strength)
        channels = sum(by_lever.values(), np.zeros((N_CHANNELS, len(self.segments))))
        breaks = self._breaks(channels, touched)
        channels[Channel.TRUST] -= self.market.journey.inconsistency * breaks
        used = {n: saturation[n] * reached[n] for n in self.levers}
        return LeverQuarter(
            channels=channels,
            by_lever=by_lever,
            breaks=breaks,
            strength=strength,
            ready=ready,
            spend=spend,
            **self._booked(spend, carried),
            reward_rate=self._per_head("reward_rate", used),
            member_cost=self._per_head("per_member", used),
            promise=make_promise(
                self.levers, felt, reached, situation.warned, situation.member_margin,
                situation.money_line, self.about_segments,
            ),
        )  # fmt: skip

    def _booked(self, spend: dict[str, float], carried: dict[str, float]) -> dict[str, float]:
        """Return the quarter's money as capital, staff and running cost."""
        cost = {n: lever.cost for n, lever in self.levers.items()}
        staff = sum(spend[n] * c.staff_share for n, c in cost.items())
        running = sum(
            spend[n] * (1.0 - c.capital_share - c.staff_share) + carried[n] * c.upkeep
            for n, c in cost.items()
        )
        capital = sum(spend[n] * c.capital_share for n, c in cost.items())
        return {"capital": capital, "staff": self.budget.overhead + staff, "running": running}

    def _per_head(self, name: str, used: dict[str, F64]) -> F64:
        """Return a cost per head of the levers that are in use, shape (n_segments,)."""
        total = np.zeros(len(self.segments))
        for lever in self.levers.values():
            if rate := getattr(lever.cost, name):
                total += rate * used[lever.name]
        return total

    def stop(self, quarter: int) -> float:
        """Cancel waves and money that are still to come from a quarter on; return what is saved."""
        self.rollout.stop()
        return self.budget.cancel(quarter)

    def _effects(
        self, felt: dict[str, float], reached: dict[str, F64], strength: dict[str, float]
    ) -> tuple[dict[str, F64], F64]:
        """Return each lever's channels, and the quality that touchpoints gain.

        The second has shape (touchpoints in WEIGHED, n_segments), logit units, before weights.
        """
        by_lever = {}
        touched = np.zeros((len(WEIGHED), len(self.segments)))
        for name, impacts in self.impacts.items():
            own = np.zeros((N_CHANNELS, len(self.segments)))
            for impact in impacts if felt[name] else ():
                size = impact.size(strength) * felt[name] * reached[name]
                own[impact.effect.channel] += size * impact.counts
                if impact.touches is not None:
                    touched[impact.touches] += size
            by_lever[name] = own
        return by_lever, touched

    def _impact(self, effect: Effect, privacy: F64) -> Impact:
        """Return what of an effect stays the same from quarter to quarter."""
        segments = np.array([effect.segments.get(s, 1.0) for s in self.segments])
        minded = effect.channel == Channel.TRUST and effect.size < 0
        touches = effect.channel <= Channel.MATCH and effect.touchpoint in WEIGHED
        factors = (segments, privacy) if minded else (segments,)
        return Impact(
            effect=effect,
            factors=factors,
            full=_product(effect.size, factors),
            counts=self.market.journey.factor(effect.touchpoint),
            touches=WEIGHED.index(effect.touchpoint) if touches else None,
        )

    def _breaks(self, channels: F64, touched: F64) -> F64:
        """Return the weighted sd of quality over touchpoints, as far as it is not evened out."""
        weights = self.touchpoint_weights
        spread = np.sqrt(weights @ (touched - weights @ touched) ** 2)
        left: F64 = spread * np.clip(1.0 - channels[Channel.CONSISTENCY], 0.0, 1.0)
        return left

    def _saturation(self, name: str) -> float:
        """Return s(a) = a^h / (a^h + half^h) of Hill, a: adstock in money per reached customer.

        While waves have come to a part of the customers only, the money is spent on that part.
        """
        if not self.stock[name]:
            return 0.0
        lever, covered = self.levers[name], self.rollout.covered(name)
        reached = self.market.company_customers * float(self.reach[name] * covered @ self.shares)
        if reached <= 0.0:
            return 0.0
        ratio: float = (self.stock[name] / reached / lever.half_saturation) ** lever.hill
        return ratio / (1.0 + ratio)

    def _reach(self, lever: Lever) -> F64:
        """Return the share of each segment that the lever reaches, shape (n_segments,)."""
        reach = [lever.reach_by_segment.get(s, lever.reach) for s in self.segments]
        return np.array(reach, dtype=np.float64)

    def _taken_up(self, name: str, strength: float) -> float:
        """Return the share of those in reach who have taken a lever up, after this quarter.

        Notes
        -----
        Bass (1969) with money behind the innovators: m' = m + (p strength + q m) (1 - m), an
        S-shaped growth; without `diffusion` everybody takes it up at once.
        """
        diffusion = self.levers[name].diffusion
        if diffusion is None:
            return 1.0
        taken = self.spread[name]
        joining = (diffusion.innovation * strength + diffusion.imitation * taken) * (1.0 - taken)
        self.spread[name] = min(taken + joining, 1.0)
        return self.spread[name]

    def _support(self, name: str, strength: dict[str, float]) -> float:
        """Return the factor by which other levers strengthen or undermine this one."""
        gains = (gain * strength[other] for other, gain in self.supporters[name])
        return max(1.0 + sum(gains), 0.0)

    def _distinct(self, name: str, alike: Mapping[str, float]) -> float:
        """Return what is left of a lever's effect beside the rival whose own resembles it most."""
        return 1.0 - self.levers[name].sameness * max(alike.get(name, 0.0), self.perks[name])
