"""From money to what customers feel: carry-over, saturation, build time, reach."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim.config.lever import Lever
from sim.config.market import Market
from sim.config.plan import Plan
from sim.types import F64, N_CHANNELS


@dataclass(frozen=True, slots=True)
class LeverQuarter:
    """What a plan's levers deliver and cost in one quarter.

    Attributes
    ----------
    channels
        Shape (N_CHANNELS, n_segments), units as the channels.
    strength
        Lever to readiness x saturation, 0..1.
    capital, staff, running
        Currency of the quarter: spend booked as capital, as staff, and the rest with upkeep.
    reward_rate
        Shape (n_segments,): share of the segment's revenue given back.
    member_cost
        Shape (n_segments,): currency per focal customer.
    """

    channels: F64
    strength: dict[str, float]
    capital: float
    staff: float
    running: float
    reward_rate: F64
    member_cost: F64


class Programme:
    """The levers of one plan, quarter by quarter; carries the stock that past spending has built.

    Parameters
    ----------
    plan
        Who gets money when.
    levers
        All known levers by name.
    market
        Its segments and number of company customers turn money into money per reached customer.
    """

    def __init__(self, plan: Plan, levers: dict[str, Lever], market: Market) -> None:
        self.plan = plan
        self.levers = {name: levers[name] for name in plan.levers}
        self.segments = [segment.name for segment in market.segments]
        self.shares = np.array([segment.share for segment in market.segments], dtype=np.float64)
        self.company_customers = market.company_customers
        self.stock = dict.fromkeys(self.levers, 0.0)

    def advance(self, quarter: int) -> LeverQuarter:
        """Spend the budget of a quarter (from 1, in order) and return what comes of it."""
        carried = {n: self.stock[n] * lever.carry_over for n, lever in self.levers.items()}
        spend = {n: self.plan.spend_in(n, quarter) for n in self.levers}
        self.stock = {n: carried[n] + spend[n] for n in self.levers}
        strength = {n: self._strength(lever, quarter) for n, lever in self.levers.items()}
        channels = np.zeros((N_CHANNELS, len(self.segments)))
        reward_rate = np.zeros(len(self.segments))
        member_cost = np.zeros(len(self.segments))
        for name, lever in self.levers.items():
            reach = self._reach(lever)
            felt = strength[name] * self._support(name, strength)
            for effect in lever.effects:
                factor = np.array([effect.segments.get(s, 1.0) for s in self.segments])
                channels[effect.channel] += effect.size * felt * reach * factor
            reward_rate += lever.cost.reward_rate * strength[name] * reach
            member_cost += lever.cost.per_member * strength[name] * reach
        cost = {n: lever.cost for n, lever in self.levers.items()}
        return LeverQuarter(
            channels=channels,
            strength=strength,
            capital=sum(spend[n] * c.capital_share for n, c in cost.items()),
            staff=self.plan.overhead + sum(spend[n] * c.staff_share for n, c in cost.items()),
            running=sum(
                spend[n] * (1.0 - c.capital_share - c.staff_share) + carried[n] * c.upkeep
                for n, c in cost.items()
            ),
            reward_rate=reward_rate,
            member_cost=member_cost,
        )

    def _strength(self, lever: Lever, quarter: int) -> float:
        """Return ready(t) x s(adstock), with Hill saturation s(a) = a^h / (a^h + half^h)."""
        started = self.plan.first_quarter(lever.name)
        if started is None or quarter < started:
            return 0.0
        ready = min((quarter - started + 1) / (lever.build_quarters + 1), 1.0)
        reached = self.company_customers * float(self._reach(lever) @ self.shares)
        if reached <= 0.0:
            return 0.0
        ratio: float = (self.stock[lever.name] / reached / lever.half_saturation) ** lever.hill
        return ready * ratio / (1.0 + ratio)

    def _reach(self, lever: Lever) -> F64:
        """Return the share of each segment that the lever reaches, shape (n_segments,)."""
        reach = [lever.reach_by_segment.get(s, lever.reach) for s in self.segments]
        return np.array(reach, dtype=np.float64)

    def _support(self, name: str, strength: dict[str, float]) -> float:
        """Return the factor by which other levers strengthen or undermine this one."""
        gains = (other.strengthens.get(name, 0.0) * strength[n] for n, other in self.levers.items())
        return max(1.0 + sum(gains), 0.0)
