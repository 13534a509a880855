"""What earns a plan's effect: shares of levers, phases, mechanisms and segments.

Levers, phases and mechanisms play a game: the worth of a coalition is what the plan achieves over
the baseline with only its members at work, in the same worlds. Shares are Shapley values.

- *Levers, phases*: the money of everybody else is taken out of the plan. What then lacks a lever
  that it needs does nothing and costs nothing: the worth of a coalition is that of its largest part
  that can stand by itself. So who is needed is paid for part of what others earn (games with
  permission structures, conjunctive approach: Gilles, Owen & van den Brink 1992).
- *Mechanisms*: all others are frozen from the plan's first quarter on, see `mechanisms`.
- *Segments*: cash is that of one segment's customers or another's; it is parted, not shared out.

The worth of nobody (overhead, what today's plan pays for, what works through no mechanism) is no
one's share. It is told apart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from sim.config.explain import Explain, Players
from sim.config.study import Config
from sim.errors import ConfigError
from sim.finance.cash_flow import SPEND
from sim.finance.risk_figures import t_quantile
from sim.planning.coalitions import Grant, Player, granted, largest_part, plan_with, players_of
from sim.planning.future import Case, as_planned
from sim.planning.life import FLOWS, LEVEL_NAMES
from sim.planning.lives import Lived, Lives
from sim.planning.mechanisms import Mechanism, frozen_future
from sim.planning.paired import npv_of
from sim.planning.ranking import Estimate, estimate
from sim.planning.shapley import (
    I64,
    coalitions_along,
    draw_orders,
    exact_shares,
    interactions,
    sampled_shares,
)
from sim.types import F64

NPV: Final = "npv"
OUTCOMES: Final = (NPV, *LEVEL_NAMES)
MOST_PLAYERS: Final = 14
"""Players up to whom all coalitions are looked through; beyond, orders are drawn in any case."""
FEWEST_WORLDS: Final = 2
ROUNDING: Final = 1e-12
"""Share of the largest worth below which a difference is nothing but rounding."""


@dataclass(frozen=True, slots=True)
class Game:
    """Players, and what is lived to know what coalitions of them are worth.

    Attributes
    ----------
    cases, baselines
        The plan with some of the players, and what each case is set against.
    place
        Coalition (by bits, see `shapley`) to its place in `cases`; many may share one.
    orders
        Orders that were drawn, shape (pairs, 2, n); None if every coalition is lived.
    """

    kind: Players
    players: tuple[Player, ...]
    cases: tuple[Case, ...]
    baselines: tuple[Case, ...]
    place: dict[int, int]
    orders: I64 | None = None

    @property
    def everybody(self) -> int:
        """The coalition of all."""
        return (1 << len(self.players)) - 1


@dataclass(frozen=True, slots=True)
class Shares:
    """Who has which share of an outcome.

    Attributes
    ----------
    shares
        By player; with `apart` they sum to `total`, in every world.
    alone, last
        What each player adds to nobody, and to all others.
    total, apart
        Worth of everybody, and of nobody.
    by_world
        Shares by world, shape (n_players, n_worlds).
    pairs
        Each two players (the first one earlier) to what they earn more together than apart; empty
        where orders were drawn.
    """

    outcome: str
    shares: tuple[Estimate, ...]
    alone: tuple[Estimate, ...]
    last: tuple[Estimate, ...]
    total: Estimate
    apart: Estimate
    by_world: F64
    pairs: dict[tuple[int, int], Estimate]


@dataclass(frozen=True, slots=True)
class Division:
    """A game that was played: the shares of every outcome.

    Attributes
    ----------
    outcomes
        By name.
    cost, direct
        What of the worth of nobody, of the NPV, is what the plan itself costs, and the rest.
    lived
        How many coalitions were lived.
    left_out
        Outcome to worlds in which some coalition has none.
    """

    game: Game
    outcomes: dict[str, Shares]
    cost: Estimate
    direct: Estimate
    lived: int
    left_out: dict[str, int]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the players."""
        return tuple(player.name for player in self.game.players)

    @property
    def is_exact(self) -> bool:
        """Whether every coalition was lived."""
        return self.game.orders is None

    @property
    def earned(self) -> tuple[Estimate, ...]:
        """What each player earns, discounted: its share of the NPV and the money put into it."""
        shares = self.outcomes[NPV].shares
        return tuple(
            moved(own, player.money) for own, player in zip(shares, self.game.players, strict=True)
        )


@dataclass(frozen=True, slots=True)
class Split:
    """Whose cash it is.

    Attributes
    ----------
    names
        The segments.
    cash
        By segment, discounted, over the baseline, before what the plan itself costs.
    spent
        What the plan itself costs over the baseline, discounted, as a negative figure.
    total
        The NPV: the sum of both, in every world.
    levels
        Outcome to its change by segment.
    by_world
        Cash by world, shape (n_segments, n_worlds).
    """

    names: tuple[str, ...]
    cash: tuple[Estimate, ...]
    spent: Estimate
    total: Estimate
    levels: dict[str, tuple[Estimate, ...]]
    by_world: F64


@dataclass(frozen=True, slots=True)
class Explanation:
    """All that was asked for of one plan.

    Attributes
    ----------
    outcomes
        What is shared out, NPV first.
    divisions
        By kind of players.
    """

    config: Config
    outcomes: tuple[str, ...]
    worlds: int
    divisions: dict[Players, Division]
    split: Split | None
    remarks: tuple[str, ...] = ()


def explain(
    config: Config,
    settings: Explain,
    lives: Lives,
    progress: Callable[[int, int], None] | None = None,
) -> Explanation:
    """Return who earns what of what the plan achieves over the baseline.

    Parameters
    ----------
    config
        The study: its plan against its baseline in its worlds.
    settings
        Among whom, which outcomes, how exactly.
    lives
        Of the same study.
    progress
        Called with (lives done, lives asked for).

    Raises
    ------
    ConfigError
        If there is nothing to explain, or an outcome is unknown.
    EngineError, StoreError
        If a life cannot be lived or kept.
    """
    outcomes = checked_outcomes(config, settings)
    games = games_of(config, settings)
    plan, today = _whole(config)
    cases = [plan, today]
    for game in games:
        cases += [*game.cases, *game.baselines]
    lived = lives.live(cases, range(config.replications), progress)
    divisions, first = {}, 2
    for game in games:
        divisions[game.kind] = divide(game, _Worths(lived, first, len(game.cases)), outcomes)
        first += 2 * len(game.cases)
    levels = [name for name in outcomes if name != NPV]
    split = split_of(config, lived, levels) if Players.SEGMENTS in settings.players else None
    return Explanation(
        config=config,
        outcomes=outcomes,
        worlds=config.replications,
        divisions=divisions,
        split=split,
        remarks=tuple(_remarks(config, settings, games)),
    )


def checked_outcomes(config: Config, settings: Explain) -> tuple[str, ...]:
    """Return the outcomes that are shared out, NPV first.

    Raises
    ------
    ConfigError
        If the plan pays for nothing, does what the baseline does, or an outcome is unknown.
    """
    plan, today = config.plan, config.baseline
    if not plan.levers:
        raise ConfigError(
            f"'{plan.name}' pays for no lever, so there is nothing to share out", key="plan",
            value=plan.name, allowed="a plan with a budget",
        )  # fmt: skip
    same = replace(plan, name=today.name, title=today.title, description=today.description,
                   provenance=today.provenance)  # fmt: skip
    if same == today:
        raise ConfigError(
            f"'{plan.name}' does what the baseline does, so there is nothing to share out",
            key="plan", allowed=f"another plan than '{today.name}'",
        )  # fmt: skip
    for name in settings.outcomes:
        if name not in OUTCOMES:
            raise ConfigError("no such outcome", key="outcomes", value=name, known=OUTCOMES)
    return tuple(dict.fromkeys((NPV, *settings.outcomes)))


def _remarks(config: Config, settings: Explain, games: Sequence[Game]) -> Iterable[str]:
    played = {game.kind for game in games}
    if Players.PHASES in settings.players and Players.PHASES not in played:
        yield "The plan has money in one phase only: there are no phases to share among."
    if config.plan.gate is not None or config.plan.review is not None:
        yield (
            "The plan has a review or a gate. Each coalition meets its own: where it does worse, "
            "it may be stopped, or its money moved, where the whole plan would not be."
        )


# --- who plays, and what is lived ----------------------------------------------------------------


def games_of(config: Config, settings: Explain) -> list[Game]:
    """Return the games that are to be played."""
    made = []
    for kind in settings.players:
        if kind is Players.MECHANISMS:
            made.append(mechanism_game(config))
        elif kind is not Players.SEGMENTS:
            players = players_of(config, kind)
            if len(players) > 1 or kind is Players.LEVERS:
                made.append(money_game(config, kind, players, settings))
    return made


def money_game(config: Config, kind: Players, players: Sequence[Player], settings: Explain) -> Game:
    """Return a game in which the money of who is not in a coalition is taken out of the plan."""
    future = as_planned(config)
    orders, asked = _coalitions(config, players, settings)
    known: dict[frozenset[Grant], int] = {}
    place: dict[int, int] = {}
    cases: list[Case] = []
    for coalition in asked:
        grants = largest_part(granted(players, coalition), config.plan, config.lever)
        if grants not in known:
            known[grants] = len(cases)
            cases.append(Case(plan_with(config.plan, grants), future))
        place[coalition] = known[grants]
    today = (Case(config.baseline, future),) * len(cases)
    return Game(kind, tuple(players), tuple(cases), today, place, orders)


def _coalitions(
    config: Config, players: Sequence[Player], settings: Explain
) -> tuple[I64 | None, list[int]]:
    """Return the orders that are drawn, or None, and the coalitions whose worth is asked for."""
    n = len(players)
    if n <= MOST_PLAYERS:
        every = list(range(1 << n))
        different = {
            largest_part(granted(players, coalition), config.plan, config.lever)
            for coalition in every
        }
        if len(different) <= settings.coalitions:
            return None, every
    orders = draw_orders(n, settings.permutations // 2, config.seed)
    passed = dict.fromkeys(c for pair in orders for order in pair for c in coalitions_along(order))
    return orders, list(passed)


def mechanism_game(config: Config) -> Game:
    """Return a game in which mechanisms that are not in a coalition are frozen."""
    every = tuple(Mechanism)
    futures = [
        frozen_future(config, [m for i, m in enumerate(every) if not coalition >> i & 1])
        for coalition in range(1 << len(every))
    ]
    return Game(
        Players.MECHANISMS,
        tuple(Player(mechanism.value) for mechanism in every),
        tuple(Case(config.plan, future) for future in futures),
        tuple(Case(config.baseline, future) for future in futures),
        {coalition: coalition for coalition in range(1 << len(every))},
    )


def _whole(config: Config) -> tuple[Case, Case]:
    future = as_planned(config)
    return Case(config.plan, future), Case(config.baseline, future)


# --- shares --------------------------------------------------------------------------------------


class _Worths:
    """What the cases of a game are worth over their baselines, by outcome."""

    def __init__(self, lived: Lived, first: int, n_cases: int) -> None:
        self.own = np.arange(first, first + n_cases)
        self.base = self.own + n_cases
        self.lived, self.rates = lived, lived.rates

    def cost(self, case: int) -> F64:
        """Return what the plan of a case itself costs over its baseline, as a negative figure.

        Discounted, shape (n_worlds,).
        """
        columns = [FLOWS.index(name) for name in SPEND]
        flows = self.lived.flows[..., columns].sum(axis=-1)
        own, base = self.own[case], self.base[case]
        return npv_of(flows[own] - flows[base], self.rates[own])

    def of(self, outcome: str) -> F64:
        """Return worths, shape (n_cases, n_worlds)."""
        if outcome == NPV:
            flows = self.lived.flows[..., FLOWS.index("net")]
            return npv_of(flows[self.own] - flows[self.base], self.rates[self.own])
        levels = self.lived.levels[:, :, -1, LEVEL_NAMES.index(outcome)]
        difference: F64 = levels[self.own] - levels[self.base]
        return difference


def divide(game: Game, worths: _Worths, outcomes: Sequence[str]) -> Division:
    """Return the shares of every outcome.

    Raises
    ------
    ConfigError
        If an outcome does not exist in worlds enough.
    """
    found, left_out = {}, {}
    for outcome in outcomes:
        worth = worths.of(outcome)
        there = np.asarray(np.isfinite(worth).all(axis=0))
        if there.sum() < FEWEST_WORLDS:
            raise ConfigError(
                f"'{outcome}' exists in {there.sum()} of {len(there)} worlds", key="outcomes",
                value=outcome, allowed="another outcome, or more worlds: replications=N",
            )  # fmt: skip
        if not there.all():
            left_out[outcome] = int((~there).sum())
        found[outcome] = shares_of(game, outcome, worth[:, there])
    nobody = game.place[0]
    cost = worths.cost(nobody)
    direct = estimate(_rounded(worths.of(NPV)[nobody] - cost, cost))
    return Division(game, found, estimate(cost), direct, len(game.cases), left_out)


def shares_of(game: Game, outcome: str, worth: F64) -> Shares:
    """Return the shares of one outcome from the worth of a game's cases, (n_cases, n_worlds)."""
    n, place = len(game.players), game.place
    nobody, everybody = worth[place[0]], worth[place[game.everybody]]
    pairs = {}
    if game.orders is None:
        every = worth[[place[coalition] for coalition in range(1 << n)]]
        by_world = _rounded(exact_shares(every), worth)
        shares = tuple(estimate(own) for own in by_world)
        together = _rounded(interactions(every), worth)
        pairs = {(i, j): estimate(together[i, j]) for i in range(n) for j in range(i + 1, n)}
        alone = [every[1 << i] - nobody for i in range(n)]
        last = [everybody - every[game.everybody ^ 1 << i] for i in range(n)]
    else:
        drawn = _rounded(sampled_shares(game.orders, worth, place), worth)
        by_world = drawn.mean(axis=0)
        shares = tuple(crossed_estimate(drawn[:, i]) for i in range(n))
        alone, last = _ends(game, worth)
    return Shares(
        outcome=outcome,
        shares=shares,
        alone=tuple(estimate(own) for own in alone),
        last=tuple(estimate(own) for own in last),
        total=estimate(everybody),
        apart=estimate(nobody),
        by_world=by_world,
        pairs=pairs,
    )


def _rounded(values: F64, worth: F64) -> F64:
    """Return sums and differences of worths with zero where rounding alone makes them."""
    least = ROUNDING * float(np.abs(worth).max(initial=0.0))
    rounded: F64 = np.where(np.abs(values) < least, 0.0, values)
    return rounded


def moved(known: Estimate, by: float) -> Estimate:
    """Return the estimate of a figure plus a number that is known."""
    return Estimate(
        mean=known.mean + by,
        low=known.low + by,
        high=known.high + by,
        p10=known.p10 + by,
        p50=known.p50 + by,
        p90=known.p90 + by,
        n=known.n,
    )


def crossed_estimate(values: F64) -> Estimate:
    """Return the mean over drawn orders and worlds, with an interval that knows of both.

    Parameters
    ----------
    values
        A player's contribution in each pair of orders and each world, shape (n_pairs, n_worlds).

    Notes
    -----
    All pairs meet all worlds, so the variance of the mean is that of the pairs' means, and that of
    the worlds' means, less what both count: the rest that is neither (a crossed design with two
    random effects; Owen 2007, The pigeonhole bootstrap). The degrees of freedom are those of the
    smaller number.
    """
    n_pairs, n_worlds = values.shape
    over_pairs, over_worlds = values.mean(axis=1), values.mean(axis=0)
    rest = values - over_pairs[:, None] - over_worlds + values.mean()
    both = (rest**2).sum() / ((n_pairs - 1) * (n_worlds - 1)) / (n_pairs * n_worlds)
    by_pairs = over_pairs.var(ddof=1) / n_pairs
    by_worlds = over_worlds.var(ddof=1) / n_worlds
    variance = max(by_pairs + by_worlds - both, by_pairs, by_worlds)
    half = t_quantile(min(n_pairs, n_worlds) - 1) * float(np.sqrt(variance))
    known = estimate(over_worlds)
    return replace(known, low=known.mean - half, high=known.mean + half)


def _ends(game: Game, worth: F64) -> tuple[list[F64], list[F64]]:
    """Return what each player adds to nobody and to all others, of coalitions that were passed."""
    n, nobody, everybody = (
        len(game.players),
        worth[game.place[0]],
        worth[game.place[game.everybody]],
    )
    missing = np.full_like(nobody, np.nan)

    def of(coalition: int) -> F64:
        place = game.place.get(coalition)
        return np.asarray(worth[place]) if place is not None else missing

    alone = [of(1 << i) - nobody for i in range(n)]
    last = [everybody - of(game.everybody ^ 1 << i) for i in range(n)]
    return alone, last


def split_of(config: Config, lived: Lived, outcomes: Sequence[str]) -> Split:
    """Return whose cash the plan's is, of the first two cases: the plan and the baseline."""
    rates, segments = lived.rates[0], [one.name for one in config.market.segments]
    gained = lived.segment_net[0] - lived.segment_net[1]
    cash = npv_of(np.moveaxis(gained, 2, 0), rates)
    total = npv_of(lived.net(0) - lived.net(1), rates)
    spent = sum(lived.flow(0, name) - lived.flow(1, name) for name in SPEND)
    levels = {
        name: tuple(
            estimate(lived.level(0, name, i) - lived.level(1, name, i))
            for i in range(len(segments))
        )
        for name in outcomes
    }
    return Split(
        names=tuple(segments),
        cash=tuple(estimate(own) for own in cash),
        spent=estimate(npv_of(np.asarray(spent), rates)),
        total=estimate(total),
        levels=levels,
        by_world=cash,
    )
