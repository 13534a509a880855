"""What a budget can be spent on: levers by spans of time, in whole steps of money, within limits.

An allocation counts steps of money for each cell, a lever in a span of time: an array of whole
numbers, shape (n_cells,), levers outermost. Every limit is a row of linear inequalities with a
name, so that limits which contradict each other can be told by their names. What a plan must obey
besides (needs, excludes, one membership, a minimum or nothing) takes a switch for each lever and
span: whether the lever has begun by then. So the allowed allocations are those of a small
mixed-integer program, and the nearest one to any wish is found exactly.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_array

from sim.config.lever import Lever
from sim.config.optimise import By, LeverWithin, Optimise, Within
from sim.config.plan import Phase, Plan, Review
from sim.config.rollout import check_rollout
from sim.config.study import Config
from sim.errors import ConfigError, FidelioError
from sim.types import F64

I64 = npt.NDArray[np.int64]
Allocation = I64
"""Steps of money by cell, shape (n_cells,)."""

THRESHOLD: Final = 0.2
"""Part of a weight's range in which a lever or a span gets nothing."""
SHARPEST: Final = 1e-6
SLACK: Final = 1e-9
"""What rounding of floats may take of a limit, in steps."""
ROUGHLY: Final = 1e-6
"""The same for amounts of money."""
INFEASIBLE: Final = 2
"""What `scipy.optimize.milp` gives as its status where nothing is allowed."""
BY_QUARTER: Final = "quarter_{}"


class Limit(NamedTuple):
    """An inequality between weighted sums of cells, in steps: low <= weights @ x <= high."""

    key: str
    """The setting that says so."""
    text: str
    """What it asks, in words."""
    weights: F64
    low: float
    high: float


@dataclass(frozen=True)
class Space:
    """The allocations that are allowed.

    Attributes
    ----------
    levers, spans
        What can get money, and when: phases without money.
    step
        Currency of one step.
    most
        Steps of the whole budget.
    limits
        What an allocation must obey, but for the rules of the levers.
    minimum
        Steps that each lever gets at least, or none, shape (n_levers,).
    needs
        Pairs (lever, the one that must have begun by then), as places.
    apart
        Groups of levers, as places, of which one at most gets money; each with its reason.
    plan
        The user's plan; all but its phases is kept.
    """

    levers: tuple[str, ...]
    spans: tuple[Phase, ...]
    step: float
    most: int
    limits: tuple[Limit, ...]
    minimum: F64
    needs: tuple[tuple[int, int], ...]
    apart: tuple[tuple[str, tuple[int, ...]], ...]
    plan: Plan

    @property
    def shape(self) -> tuple[int, int]:
        """Levers and spans."""
        return len(self.levers), len(self.spans)

    @property
    def n_cells(self) -> int:
        """Cells that can get money."""
        return len(self.levers) * len(self.spans)

    @property
    def budget(self) -> float:
        """All the money that may be spent, in currency."""
        return self.most * self.step

    @property
    def lengths(self) -> F64:
        """Quarters of each span, shape (n_spans,)."""
        return np.array([span.length for span in self.spans], dtype=np.float64)

    @property
    def slots(self) -> I64:
        """Place of each span's first quarter among all first quarters, shape (n_spans,)."""
        first = [span.quarters[0] for span in self.spans]
        return np.unique(first, return_inverse=True)[1].astype(np.int64)

    # --- what is allowed -------------------------------------------------------------------------

    def allows(self, allocation: Allocation) -> bool:
        """Return whether an allocation obeys every limit and every rule of its levers."""
        if (allocation < 0).any() or any(
            not limit.low - SLACK <= limit.weights @ allocation <= limit.high + SLACK
            for limit in self.limits
        ):
            return False
        cells, never = allocation.reshape(self.shape), len(self.spans)
        begun = np.where(cells > 0, self.slots, never).min(axis=1)
        totals = cells.sum(axis=1)
        return bool(
            ((totals == 0) | (totals >= self.minimum - SLACK)).all()
            and all(begun[needed] <= begun[lever] for lever, needed in self.needs)
            and all((totals[list(group)] > 0).sum() <= 1 for _, group in self.apart)
        )

    def allows_money(self, money: F64) -> bool:
        """Return whether money by lever and span keeps to the limits, whatever the steps."""
        cells = money.ravel() / self.step
        return all(
            limit.low - ROUGHLY <= limit.weights @ cells <= limit.high + ROUGHLY
            for limit in self.limits
        )

    def nearest(self, wish: F64) -> Allocation:
        """Return the allowed allocation that is nearest to a wish in steps, shape (n_cells,).

        Notes
        -----
        Nearest in the sum of absolute differences plus the largest of them, which spreads a cut
        over cells: solved exactly as a mixed-integer program. A wish that is too dear is scaled
        down first, so that its proportions stay.
        """
        total = float(wish.sum())
        scaled = wish * min(1.0, self.most / total) if total > 0 else wish
        rounded = round_off(scaled)
        if self.allows(rounded):
            return rounded
        found = self._solve(rounded, self.limits, self.apart)
        if found is None:
            raise ConfigError("no allocation is left", key="budget", value=self.budget,
                              allowed="limits that can hold together")  # fmt: skip
        return found

    def _solve(
        self,
        wish: Allocation,
        limits: Sequence[Limit],
        apart: Sequence[tuple[str, tuple[int, ...]]],
        rules: bool = True,
    ) -> Allocation | None:
        """Return the nearest allocation under some limits, None if there is none."""
        program = _Program(self, limits, apart, rules)
        return program.nearest(wish)

    def check(self) -> None:
        """Raise ConfigError if nothing is allowed, with the fewest limits that contradict.

        Notes
        -----
        A deletion filter (Chinneck & Dravnieks 1991): a limit is left out for good if the others
        still contradict each other. Those that stay do, and no longer if any one of them goes.
        """
        limits, apart, rules = list(self.limits), list(self.apart), True
        nothing = np.zeros(self.n_cells, dtype=np.int64)
        if self._solve(nothing, limits, apart) is not None:
            return
        if self._solve(nothing, limits, apart, rules=False) is None:
            rules = False
        for group in list(apart):
            fewer = [other for other in apart if other is not group]
            if self._solve(nothing, limits, fewer, rules) is None:
                apart = fewer
        for limit in list(limits):
            others = [other for other in limits if other is not limit]
            if self._solve(nothing, others, apart, rules) is None:
                limits = others
        texts = [limit.text for limit in limits] + [reason for reason, _ in apart]
        texts += ["levers get their minimum, and begin with those that they need"] if rules else []
        raise ConfigError(
            "these cannot all hold: " + "; ".join(texts), key=limits[0].key if limits else "levers",
            allowed=f"limits that leave some plan, in steps of {self.step:,.10g}",
        )  # fmt: skip

    # --- plans -----------------------------------------------------------------------------------

    def money(self, allocation: Allocation) -> F64:
        """Return the currency of each cell, shape (n_levers, n_spans)."""
        money: F64 = np.asarray(allocation.reshape(self.shape) * self.step, dtype=np.float64)
        return money

    def plan_of(self, allocation: Allocation, name: str, title: str) -> Plan:
        """Return the user's plan with its levers' money allocated anew.

        Rules of its review that move money from or to a lever without money are left out: they
        could move nothing.
        """
        spend = self.money(allocation)
        phases = tuple(
            replace(span, spend={lever: float(spend[i, j]) for i, lever in enumerate(self.levers)
                                 if spend[i, j] > 0})
            for j, span in enumerate(self.spans)
        )  # fmt: skip
        plan = replace(self.plan, name=name, title=title, phases=phases, provenance={})
        return replace(plan, review=_review(plan.review, plan.levers))

    def wish_of(self, plan: Plan) -> F64:
        """Return what a plan spends on these levers in these spans, in steps, shape (n_cells,)."""
        by_name = {phase.name: phase for phase in plan.phases}
        wish = np.zeros(self.shape)
        for j, span in enumerate(self.spans):
            quarters = range(span.quarters[0], span.quarters[1] + 1)
            same = by_name.get(span.name)
            for i, lever in enumerate(self.levers):
                wish[i, j] = (
                    same.spend.get(lever, 0.0)
                    if same is not None and same.quarters == span.quarters
                    else sum(plan.spend_in(lever, quarter) for quarter in quarters)
                )
        return wish.ravel() / self.step

    # --- weights from 0 to 1, as samplers propose them -------------------------------------------

    def weight_names(self) -> list[str]:
        """Return the names of the weights that `spread` takes, in order."""
        cells = [f"{lever}.{span.name}" for lever in self.levers for span in self.spans]
        return ["total", *self.levers, *cells]

    def spread(self, weights: F64) -> Allocation:
        """Return the allocation that weights from 0 to 1 stand for.

        Parameters
        ----------
        weights
            How much of the budget is spent, each lever's part of it, and each span's part of a
            lever's money; shape (1 + n_levers + n_cells,).

        Notes
        -----
        Parts are -ln(1 - w), scaled to a sum of 1: weights that are uniform give parts that are
        uniform over the simplex (Devroye 1986, ch. 5.2). The lowest fifth of a weight is nothing
        at all, so that levers are often left out.
        """
        n_levers = len(self.levers)
        parts = _parts(weights[1 : 1 + n_levers])
        times = _parts(weights[1 + n_levers :]).reshape(self.shape)
        sums = times.sum(axis=1, keepdims=True)
        even = self.lengths / self.lengths.sum()
        times = np.where(sums > 0, times / np.where(sums > 0, sums, 1.0), even)
        whole = parts.sum()
        if whole > 0:
            parts = parts / whole
        return self.nearest((weights[0] * self.most * parts[:, None] * times).ravel())

    def weights_of(self, allocation: Allocation) -> F64:
        """Return weights that stand for an allocation: the inverse of `spread`."""
        cells: F64 = allocation.reshape(self.shape).astype(np.float64)
        totals: F64 = cells.sum(axis=1)
        whole = float(totals.sum())
        parts: F64 = totals / whole * np.count_nonzero(totals) if whole > 0 else totals
        sums = np.where(totals > 0, totals, 1.0)[:, None]
        times = cells / sums * np.count_nonzero(cells, axis=1)[:, None]
        total = whole / self.most
        return np.concatenate([[total], _weights(parts), _weights(times.ravel())])


class _Program:
    """The mixed-integer program of a space: cells, their differences, the largest, switches."""

    def __init__(
        self,
        space: Space,
        limits: Sequence[Limit],
        apart: Sequence[tuple[str, tuple[int, ...]]],
        rules: bool,
    ) -> None:
        n_levers, _ = space.shape
        self.n = space.n_cells
        self.n_slots = int(space.slots.max()) + 1
        self.most = _ceiling(space)
        self.switches = 2 * self.n + 1 + np.arange(n_levers * self.n_slots).reshape(n_levers, -1)
        self.size = 2 * self.n + 1 + self.switches.size
        self.rows: list[tuple[list[int], list[float], float, float]] = []
        for limit in limits:
            cells = np.flatnonzero(limit.weights)
            self._add(cells, limit.weights[cells], limit.low, limit.high)
        self._switch(space, rules)
        if rules:
            for lever, needed in space.needs:
                for slot in range(self.n_slots):
                    pair = self.switches[[lever, needed], slot]
                    self._add(pair, [1, -1], -np.inf, 0)
        for _, group in apart:
            self._add(self.switches[list(group), -1], np.ones(len(group)), 0, 1)

    def _add(
        self, places: Iterable[Any], weights: Iterable[float], low: float, high: float
    ) -> None:
        self.rows.append(([*map(int, places)], [*map(float, weights)], low, high))

    def _switch(self, space: Space, rules: bool) -> None:
        """Say that a switch is on from the span in which its lever first gets money."""
        n_levers, n_spans = space.shape
        for lever in range(n_levers):
            cells = lever * n_spans + np.arange(n_spans)
            for cell, slot in zip(cells, space.slots, strict=True):
                self._add([cell, self.switches[lever, slot]], [1, -self.most], -np.inf, 0)
            for slot in range(self.n_slots):
                begun = cells[space.slots <= slot]
                self._add([self.switches[lever, slot], *begun], [1, *[-1] * len(begun)],
                          -np.inf, 0)  # fmt: skip
                if slot:
                    pair = self.switches[lever, slot - 1 : slot + 1]
                    self._add(pair, [1, -1], -np.inf, 0)
            if rules and space.minimum[lever] > 0:
                self._add([*cells, self.switches[lever, -1]],
                          [*[1] * n_spans, -space.minimum[lever]], 0, np.inf)  # fmt: skip

    def nearest(self, wish: Allocation) -> Allocation | None:
        """Return the cells that are nearest to a wish, None if nothing is allowed."""
        n = self.n
        rows = list(self.rows)
        for cell in range(n):
            rows.append(([cell, n + cell], [1, -1], -np.inf, wish[cell]))
            rows.append(([cell, n + cell], [1, 1], wish[cell], np.inf))
            rows.append(([n + cell, 2 * n], [1, -1], -np.inf, 0))
        places = [place for row in rows for place in row[0]]
        weights = [weight for row in rows for weight in row[1]]
        whose = np.repeat(np.arange(len(rows)), [len(row[0]) for row in rows])
        matrix = csr_array((weights, (whose, places)), shape=(len(rows), self.size))
        whole = np.ones(self.size, dtype=np.int64)
        whole[n : 2 * n + 1] = 0
        high = np.full(self.size, np.inf)
        high[:n], high[2 * n + 1 :] = self.most, 1
        cost = np.zeros(self.size)
        cost[n : 2 * n + 1] = 1
        within = LinearConstraint(
            matrix, np.array([row[2] for row in rows]), np.array([row[3] for row in rows])
        )
        bounds = Bounds(np.zeros(self.size), high)
        found = milp(cost, integrality=whole, bounds=bounds, constraints=within)
        if found.x is None and found.status != INFEASIBLE:
            # HiGHS now and then fails at its own simplifications.
            found = milp(cost, integrality=whole, bounds=bounds, constraints=within,
                         options={"presolve": False})  # fmt: skip
        if found.x is None:
            if found.status != INFEASIBLE:
                raise FidelioError(f"cannot tell what the limits leave: {found.message}")
            return None
        cells: I64 = np.rint(found.x[:n]).astype(np.int64)
        return cells


def _ceiling(space: Space) -> int:
    """Return more steps than any cell needs, also when the budget is left out of the limits."""
    finite = [limit.low for limit in space.limits if math.isfinite(limit.low)]
    return space.most + math.ceil(sum(max(low, 0.0) for low in finite)) + int(space.minimum.sum())


def round_off(steps: F64) -> Allocation:
    """Return whole steps with the rounded sum: those nearest to the next step get it."""
    whole = np.floor(steps + SLACK).astype(np.int64)
    missing = round(float(steps.sum())) - int(whole.sum())
    order = np.argsort(whole - steps, kind="stable")
    whole[order[: max(missing, 0)]] += 1
    return whole


def _parts(weights: F64) -> F64:
    kept = np.clip((weights - THRESHOLD) / (1 - THRESHOLD), 0.0, 1 - SHARPEST)
    parts: F64 = -np.log1p(-kept)
    return parts


def _weights(parts: F64) -> F64:
    kept = -np.expm1(-parts)
    weights: F64 = np.where(parts > 0, THRESHOLD + (1 - THRESHOLD) * kept, 0.0)
    return weights


def _review(review: Review | None, levers: Sequence[str]) -> Review | None:
    if review is None:
        return None
    rules = tuple(
        rule for rule in review.rules
        if all(lever in levers for lever in filter(None, (rule.source, rule.target)))
    )  # fmt: skip
    return replace(review, rules=rules)


# --- the space of a study ------------------------------------------------------------------------


def space_of(config: Config, settings: Optimise) -> Space:
    """Return the allocations that a study and its settings allow.

    Raises
    ------
    ConfigError
        If a lever or a phase is unknown, a lever lacks one that it needs or the people who build
        it, there is nothing to spend, or limits contradict each other.
    """
    spans = _spans(config.plan, settings.by)
    levers = usable_levers(config, settings)
    budget = settings.budget
    if budget is None:
        budget = sum(sum(phase.spend.values()) for phase in config.plan.phases)
    if budget <= 0:
        raise ConfigError(
            f"plan '{config.plan.name}' spends nothing, so there is no budget to spend better",
            key="budget", value=budget, allowed="more than 0",
        )  # fmt: skip
    _check_names(settings, levers, spans)
    space = _space(config, settings, levers, spans, budget)
    space.check()
    return space


def with_budget(space: Space, factor: float) -> Space:
    """Return the same space with its budget multiplied, in steps of the same size."""
    most = max(round(space.most * factor), 1)
    limits = tuple(
        limit._replace(high=float(most), low=float(most) if limit.low == limit.high else limit.low)
        if limit.key == "budget"
        else limit
        for limit in space.limits
    )
    return replace(space, most=most, limits=limits)


def _spans(plan: Plan, by: By) -> tuple[Phase, ...]:
    if not plan.phases:
        raise ConfigError(
            f"plan '{plan.name}' has no phases, so there is nothing to divide money over",
            key="plan", value=plan.name, allowed="a plan with phases: plan=three_phase",
        )  # fmt: skip
    if by is By.PHASE:
        return tuple(replace(phase, spend={}) for phase in plan.phases)
    first = min(phase.quarters[0] for phase in plan.phases)
    last = max(phase.quarters[1] for phase in plan.phases)
    quarters = range(first, last + 1)
    return tuple(Phase(BY_QUARTER.format(quarter), (quarter, quarter)) for quarter in quarters)


def usable_levers(config: Config, settings: Optimise) -> tuple[str, ...]:
    """Return the levers that may get money.

    Raises
    ------
    ConfigError
        If one is unknown, lacks a lever that it needs, or cannot be built by the teams there are.
    """
    key = "add" if settings.levers is None else "levers"
    given = config.plan.levers if settings.levers is None else settings.levers
    levers = tuple(dict.fromkeys((*given, *settings.add)))
    for lever in levers:
        if lever not in config.lever:
            where = "add" if lever in settings.add else "levers"
            raise ConfigError("no such lever", key=where, value=lever, known=config.lever)
    for lever in levers:
        for need in config.lever[lever].needs:
            if need not in levers:
                raise ConfigError(
                    f"lever '{lever}' needs lever '{need}', which may get no money", key=key,
                    value=lever, allowed=f"add=[{need}]",
                )  # fmt: skip
    segments = [segment.name for segment in config.market.segments]
    for lever in levers:
        alone = Plan(lever, lever, phases=(Phase("alone", (1, 1), {lever: 1.0}),))
        check_rollout(alone, config.lever, config.organisation, segments, key)
    if not levers:
        raise ConfigError("there is no lever to spend on", key="levers", allowed="[core_team, ...]")
    return levers


def _check_names(settings: Optimise, levers: Sequence[str], spans: Sequence[Phase]) -> None:
    names = [span.name for span in spans]
    for name in settings.phases:
        if name not in names:
            raise ConfigError("no such phase", key=f"phases.{name}", value=name, known=names)
    for name in settings.limits:
        if name not in levers:
            raise ConfigError(
                "is no lever that may get money", key=f"limits.{name}", value=name, known=levers
            )


def _space(
    config: Config,
    settings: Optimise,
    levers: tuple[str, ...],
    spans: tuple[Phase, ...],
    budget: float,
) -> Space:
    most = round(1 / settings.step)
    step = budget / most
    least = [_minimum(settings, name) for name in levers]
    place = {name: i for i, name in enumerate(levers)}
    of_lever = {name: config.lever[name] for name in levers}
    return Space(
        levers=levers,
        spans=spans,
        step=step,
        most=most,
        limits=tuple(_limits(config, settings, of_lever, spans, (most, step))),
        minimum=np.array([math.ceil(amount / step - SLACK) for amount in least], dtype=np.float64),
        needs=tuple((place[name], place[need]) for name in levers
                    for need in of_lever[name].needs),
        apart=tuple(_apart(of_lever)),
        plan=config.plan,
    )  # fmt: skip


def _minimum(settings: Optimise, lever: str) -> float:
    own = settings.limits.get(lever, LeverWithin()).minimum
    return settings.minimum if own is None else own


def _apart(levers: Mapping[str, Lever]) -> Iterable[tuple[str, tuple[int, ...]]]:
    names = list(levers)
    for i, name in enumerate(names):
        for other in levers[name].excludes:
            if other in names:
                yield f"'{name}' excludes '{other}'", (i, names.index(other))
    clubs = [i for i, name in enumerate(names) if levers[name].membership is not None]
    if len(clubs) > 1:
        yield f"one membership of {', '.join(names[i] for i in clubs)}", tuple(clubs)


def _limits(
    config: Config,
    settings: Optimise,
    levers: Mapping[str, Lever],
    spans: Sequence[Phase],
    budget: tuple[int, float],
) -> Iterable[Limit]:
    """Yield all limits; whole steps that are as near to their money as they may be."""
    (most, step), n_spans = budget, len(spans)
    ones = np.ones((len(levers), n_spans))
    spent = "all of" if settings.spend_all else "at most"
    yield Limit("budget", f"the budget: {spent} {most * step:,.10g}", ones.ravel(),
                float(most) if settings.spend_all else 0.0, float(most))  # fmt: skip
    for j, span in enumerate(spans):
        mask = ones * (np.arange(n_spans) == j)
        yield from _within(f"phases.{span.name}", f"phase '{span.name}'",
                           settings.phases.get(span.name), mask, step)  # fmt: skip
    for i, name in enumerate(levers):
        mask = ones * (np.arange(len(levers)) == i)[:, None]
        yield from _within(f"limits.{name}", f"lever '{name}'", settings.limits.get(name), mask,
                           step)  # fmt: skip
    heads = settings.headcount
    if heads is not None:
        shares = np.array([float(lever.cost.staff_share) for lever in levers.values()])
        for quarters, inside in _times(spans, config.quarters):
            lengths = np.array([span.length for span in spans], dtype=np.float64)
            people = shares[:, None] * (inside / lengths) * step / heads.pay
            yield Limit("headcount", f"at most {heads.most:g} people in {quarters}",
                        people.ravel(), 0.0, heads.most)  # fmt: skip


def _within(key: str, whose: str, within: Within | None, mask: F64, step: float) -> Iterable[Limit]:
    if within is None:
        return
    if within.least > 0:
        yield Limit(f"{key}.least", f"{whose} gets at least {within.least:,.10g}", mask.ravel(),
                    float(math.ceil(within.least / step - SLACK)), math.inf)  # fmt: skip
    if within.most is not None:
        yield Limit(f"{key}.most", f"{whose} gets at most {within.most:,.10g}", mask.ravel(),
                    0.0, float(math.floor(within.most / step + SLACK)))  # fmt: skip


def _times(spans: Sequence[Phase], quarters: int) -> Iterable[tuple[str, F64]]:
    """Yield runs of quarters that lie in the same spans, and which spans these are."""
    seen: dict[tuple[bool, ...], list[int]] = {}
    for quarter in range(1, quarters + 1):
        inside = tuple(span.quarters[0] <= quarter <= span.quarters[1] for span in spans)
        if any(inside):
            seen.setdefault(inside, []).append(quarter)
    for mark, own in seen.items():
        text = f"quarter {own[0]}" if len(own) == 1 else f"quarters {own[0]} to {own[-1]}"
        yield text, np.array(mark, dtype=np.float64)
