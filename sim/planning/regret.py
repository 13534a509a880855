"""Which plan one would least regret: choices against futures, on the same worlds.

A choice is a plan, or doing nothing. What it earns is its net present value against doing nothing
in the same future and world, so doing nothing earns 0 everywhere. Futures have weights; worlds are
equally likely within a future, and the same worlds are lived in all of them.

Means over worlds are not known exactly, and the largest of several noisy means is too large on
average: taken as it stands, regret and the value of information are overstated even where all
plans are alike. So what is the best, or the worst, is chosen on one half of the worlds and measured
on the other (cross-fitting), over many halves. That errs the other way, and less the more worlds
there are: on average the truth lies between the two. Intervals hold for all differences between
choices at once; what is largest is then bounded by the largest of their ends, with no need to know
which it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy import special

from sim.config.plan import Plan
from sim.errors import ConfigError
from sim.finance.risk_figures import CONFIDENCE, TAIL, t_quantile
from sim.planning.future import Case, Future
from sim.planning.life import LEVEL_NAMES
from sim.planning.lives import Lives
from sim.planning.paired import paired
from sim.planning.ranking import estimate, told_apart
from sim.sweep.analysis import Interval
from sim.types import F64, Mask

I64 = npt.NDArray[np.int64]

RESAMPLES: Final = 1000
HALVES: Final = 25
"""Ways in which the worlds are halved; each half is used both ways round."""
SEED: Final = 1
"""Of resamples and halves: the same page each time."""
LESS_IS_BETTER: Final = ("churn_annual", "payback_quarter", "spend", "peak_funding")
"""Outcomes of which a target is the most that is allowed; of all others it is the least."""
MONEY: Final = ("npv", "roi", "irr", "payback_quarter", "spend", "peak_funding", "worst_quarter")
OUTCOMES: Final = (*MONEY, *LEVEL_NAMES)
"""What a target can be set on."""
QUANTILES: Final = {"p10": 0.1, "p50": 0.5, "p90": 0.9}
AT_ONCE: Final = 2**21
"""Numbers of an array that is worked on at once."""
EXACT: Final = 1e-12
"""What sums of probabilities may be off by rounding."""


@dataclass(frozen=True, slots=True)
class Payoffs:
    """What every choice earns in every future and world.

    Attributes
    ----------
    choices, futures
        Names.
    npv
        Net present value against doing nothing, currency, shape (n_choices, n_futures, n_worlds).
    weights
        Of the futures, shape (n_futures,); they sum to 1.
    """

    choices: tuple[str, ...]
    futures: tuple[str, ...]
    npv: F64
    weights: F64

    @property
    def n_worlds(self) -> int:
        """Number of worlds."""
        return int(self.npv.shape[2])

    @property
    def means(self) -> F64:
        """Mean over worlds, shape (n_choices, n_futures)."""
        means: F64 = self.npv.mean(axis=2)
        return means

    @property
    def expected(self) -> F64:
        """Mean over futures by weight, in each world, shape (n_choices, n_worlds)."""
        expected: F64 = np.einsum("f,cfw->cw", self.weights, self.npv)
        return expected

    def grouped(self, cells: Sequence[Sequence[int]]) -> Payoffs:
        """Return the payoffs with futures put together, each future in one cell.

        Cells without weight are left out: nobody expects to learn of them.
        """
        kept = [list(cell) for cell in cells if self.weights[list(cell)].sum() > 0]
        weights = np.array([self.weights[cell].sum() for cell in kept])
        parts = [np.einsum("f,cfw->cw", self.weights[cell], self.npv[:, cell]) / weight
                 for cell, weight in zip(kept, weights, strict=True)]  # fmt: skip
        names = tuple("+".join(self.futures[place] for place in cell) for cell in kept)
        return Payoffs(self.choices, names, np.stack(parts, axis=1), weights)


def shares_of(weights: Mapping[str, float], futures: Sequence[str]) -> F64:
    """Return the weights of some futures as shares that sum to 1; equal ones if none is given.

    Raises
    ------
    ConfigError
        If a future has no weight, a weight no future, or all weights are 0.
    """
    if not weights:
        return np.full(len(futures), 1 / len(futures))
    for name in weights:
        if name not in futures:
            raise ConfigError("no such future", key="weights", value=name, known=futures)
    for name in futures:
        if name not in weights:
            raise ConfigError(f"the future '{name}' has no weight", key="weights", value=name,
                              allowed="a weight for every future, or none at all")  # fmt: skip
    given = np.array([weights[name] for name in futures], dtype=np.float64)
    if given.sum() <= 0:
        raise ConfigError("sum to 0", key="weights", value=dict(weights),
                          allowed="one weight above 0 or more")  # fmt: skip
    shares: F64 = given / given.sum()
    return shares


def check_targets(targets: Mapping[str, float]) -> None:
    """Raise ConfigError if there is no target, or one is set on what is no outcome."""
    if not targets:
        raise ConfigError("names nothing", key="targets", allowed="one outcome or more, npv: 0")
    for name in targets:
        if name not in OUTCOMES:
            raise ConfigError("no such outcome", key="targets", value=name, known=OUTCOMES)


def live_choices(
    lives: Lives, plans: Sequence[Plan], futures: Sequence[Future], worlds: Sequence[int],
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, F64]:  # fmt: skip
    """Live plans and the baseline in all futures and return each outcome of OUTCOMES.

    Parameters
    ----------
    lives
        Of the study, whose baseline is what doing nothing means.
    plans
        Choices, less the baseline.
    futures, worlds
        In which they are lived.
    progress
        Called with (lives done, lives asked for).

    Returns
    -------
    dict
        Outcome to shape (n_plans + 1, n_futures, n_worlds): the baseline last, NaN where the
        outcome does not exist. Money is against the baseline in the same future and world.

    Raises
    ------
    ConfigError, EngineError, StoreError
        If a life cannot be lived or kept.
    """
    choices = [*plans, lives.config.baseline]
    cases = [Case(plan_in(future, plan), future) for plan in choices for future in futures]
    lived = lives.live(cases, worlds, progress)
    shape = (len(choices), len(futures), len(worlds))
    found = {name: np.full(shape, np.nan) for name in OUTCOMES}
    for place in np.ndindex(shape[:2]):
        choice, future = place
        own, base = (at * len(futures) + future for at in (choice, len(choices) - 1))
        money = paired(lived.flows[own], lived.flows[base], lived.rates[own])
        for name in MONEY:
            found[name][place] = getattr(money, name)
        for name in LEVEL_NAMES:
            found[name][place] = lived.level(own, name)
    return found


def plan_in(future: Future, plan: Plan) -> Plan:
    """Return a plan as a future has it, which may cut or delay it."""
    own = future.config.every_plan.values()
    return next((other for other in own if other.name == plan.name), plan)


# --- worlds drawn again, and halved --------------------------------------------------------------


def resamples(n_worlds: int) -> F64:
    """Return how much each world counts in each resample, shape (RESAMPLES, n_worlds).

    Whole worlds are drawn with replacement (Efron 1979), so choices and futures stay paired; a
    row sums to 1.
    """
    rng = np.random.default_rng(SEED)
    counts = rng.multinomial(n_worlds, np.full(n_worlds, 1 / n_worlds), RESAMPLES)
    shares: F64 = counts / n_worlds
    return shares


def halves(n_worlds: int) -> Iterator[tuple[I64, I64]]:
    """Yield halves of the worlds: one to choose on and the other to measure on, both ways round."""
    rng = np.random.default_rng(SEED)
    for _ in range(HALVES):
        order = rng.permutation(n_worlds)
        one, other = order[: n_worlds // 2], order[n_worlds // 2 :]
        yield one, other
        yield other, one


def cross_fitted(npv: F64, measure: Callable[[F64, F64], F64]) -> F64:
    """Return the mean over halves of what is chosen on one and measured on the other.

    Parameters
    ----------
    npv
        Shape (n_choices, n_futures, n_worlds).
    measure
        Takes the means of the half to choose on and of the half to measure on, shape (n_choices,
        n_futures) each.
    """
    pairs = halves(npv.shape[2])
    found = [measure(npv[:, :, one].mean(axis=2), npv[:, :, other].mean(axis=2))
             for one, other in pairs]  # fmt: skip
    mean: F64 = np.mean(found, axis=0)
    return mean


def means_again(payoffs: Payoffs) -> F64:
    """Return the means over worlds of every resample, (RESAMPLES, n_choices, n_futures)."""
    n_choices, n_futures, n_worlds = payoffs.npv.shape
    flat = payoffs.npv.reshape(-1, n_worlds)
    means: F64 = (resamples(n_worlds) @ flat.T).reshape(-1, n_choices, n_futures)
    return means


# --- differences between choices, all at once ----------------------------------------------------


@dataclass(frozen=True, slots=True)
class Gaps:
    """What is forgone: mean NPV of another choice less one's own, with bounds that hold together.

    Attributes
    ----------
    value, low, high
        Shape (n_choices, n_choices, n_futures): own, other, future.
    """

    value: F64
    low: F64
    high: F64


def gaps(payoffs: Payoffs) -> Gaps:
    """Return what every choice forgoes against every other one in every future.

    Notes
    -----
    A simultaneous band: the 95% quantile, over resamples, of the largest absolute difference in
    standard errors (Romano & Wolf 2005), widened as Student's t is for few worlds.
    """
    means, again = payoffs.means, means_again(payoffs)
    value = means[None] - means[:, None]
    error = _errors(payoffs)
    moved = np.abs(again[:, None] - again[:, :, None] - value)
    reach = np.divide(moved, error, out=np.zeros_like(moved), where=error > 0)
    largest = reach.reshape(len(again), -1).max(axis=1)
    half = _reach(float(np.quantile(largest, CONFIDENCE)), payoffs.n_worlds) * error
    return Gaps(value, value - half, value + half)


def _errors(payoffs: Payoffs) -> F64:
    """Return standard errors of the differences, (n_choices, n_choices, n_futures)."""
    off = payoffs.npv - payoffs.npv.mean(axis=2, keepdims=True)
    n = payoffs.n_worlds
    covariance = np.einsum("cfw,dfw->cdf", off, off) / (n - 1)
    own = np.einsum("ccf->cf", covariance)
    variance = own[:, None] + own[None] - 2 * covariance
    tiny = 1e-12 * (own[:, None] + own[None])  # what rounding leaves where two choices are alike
    errors: F64 = np.sqrt(np.where(variance > tiny, variance, 0.0) / n)
    return errors


def _reach(normal: float, n_worlds: int) -> float:
    """Return how many standard errors reach as far as so many resampled ones, for few worlds.

    Resamples spread by (n - 1) / n less than the data, and like a normal; the error that they are
    measured in is itself estimated, so the same tail of Student's t is taken.
    """
    spread = normal * (n_worlds / (n_worlds - 1)) ** 0.5
    return float(special.stdtrit(n_worlds - 1, min(special.ndtr(spread), 1 - EXACT)))


# --- regret --------------------------------------------------------------------------------------


def regret_matrix(payoffs: Payoffs) -> F64:
    """Return mean regret, (n_choices, n_futures): the best choice's mean NPV there less one's own.

    As it stands, so a little too large: it is what the picture shows. See `largest_regrets`.
    """
    means = payoffs.means
    regret: F64 = means.max(axis=0) - means
    return regret


def largest_regrets(payoffs: Payoffs) -> list[Interval]:
    """Return each choice's regret in the future where it is largest (Savage 1951).

    The least of them is the minimax regret. Cross-fitted, see the module; where that falls below
    the regret on average, which the largest cannot, the average is taken.
    """

    def measure(one: F64, other: F64) -> F64:
        forgone = _forgone(one).reshape(len(one), -1)
        seen = _forgone(other).reshape(len(one), -1)
        return np.take_along_axis(seen, forgone.argmax(axis=1)[:, None], axis=1)[:, 0]

    average = [regret.value for regret in expected_regrets(payoffs)]
    value = np.maximum(cross_fitted(payoffs.npv, measure), average)
    bounds = gaps(payoffs)
    low, high = (ends.reshape(len(value), -1).max(axis=1) for ends in (bounds.low, bounds.high))
    return _within(value, low, high)


def expected_regrets(payoffs: Payoffs) -> list[Interval]:
    """Return each choice's regret on average over futures by their weights. Cross-fitted."""
    everywhere = np.arange(len(payoffs.futures))

    def measure(one: F64, other: F64) -> F64:
        regret: F64 = (other[one.argmax(axis=0), everywhere] - other) @ payoffs.weights
        return regret

    value = cross_fitted(payoffs.npv, measure)
    bounds = gaps(payoffs)
    low, high = (np.maximum(ends.max(axis=1), 0.0) @ payoffs.weights
                 for ends in (bounds.low, bounds.high))  # fmt: skip
    return _within(value, low, high)


def _forgone(means: F64) -> F64:
    """Return what each choice forgoes against each other one, (own, other, future)."""
    return means[None] - means[:, None]


def _within(value: F64, low: F64, high: F64) -> list[Interval]:
    """Return estimates of what cannot be negative, each within its bounds."""
    low, high = np.maximum(low, 0.0), np.maximum(high, 0.0)
    value = np.clip(value, low, high)
    return [Interval(*map(float, ends)) for ends in zip(value, low, high, strict=True)]


# --- the worst future ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Worst:
    """The future in which a choice earns least.

    Attributes
    ----------
    future
        Its place.
    npv
        Mean NPV there, currency.
    also
        Places of the futures that cannot be told from it.
    """

    future: int
    npv: Interval
    also: tuple[int, ...]


def worst_futures(payoffs: Payoffs, among: Sequence[int] | None = None) -> list[Worst]:
    """Return where each choice earns least (Wald 1950), of all futures or of some.

    Cross-fitted, see the module; where that is more than the choice earns on average over these
    futures, which the least cannot be, the average is taken.
    """
    places = np.arange(len(payoffs.futures)) if among is None else np.array(among)
    npv = payoffs.npv[:, places]

    def measure(one: F64, other: F64) -> F64:
        return np.take_along_axis(other, one.argmin(axis=1)[:, None], axis=1)[:, 0]

    weights = payoffs.weights[places]
    weights = weights if weights.sum() > 0 else np.ones(len(places))
    average = npv.mean(axis=2) @ weights / weights.sum()
    value = np.minimum(cross_fitted(npv, measure), average)
    found = []
    for own, mean in zip(npv, value, strict=True):
        # Futures take the place of choices: the band is of all their differences and means at once.
        once = np.concatenate([np.zeros((1, npv.shape[2])), own])[:, None]
        bounds = gaps(Payoffs((), (), once, np.ones(1)))
        low, high = bounds.low[0, 1:, 0].min(), bounds.high[0, 1:, 0].min()
        least = int(own.mean(axis=1).argmin())
        alike = [int(place) for j, place in enumerate(places)
                 if j != least and bounds.low[1 + least, 1 + j, 0] <= 0]  # fmt: skip
        interval = Interval(float(np.clip(mean, low, high)), float(low), float(high))
        found.append(Worst(int(places[least]), interval, tuple(alike)))
    return found


# --- the spread over futures and worlds ----------------------------------------------------------


class Mixture:
    """All futures by weight and all worlds, as one distribution for each choice.

    Parameters
    ----------
    payoffs
        What is mixed.
    """

    def __init__(self, payoffs: Payoffs) -> None:
        self.payoffs = payoffs
        flat = payoffs.npv.reshape(len(payoffs.choices), -1)
        self._order = np.argsort(flat, axis=1, kind="stable")
        self._sorted = np.take_along_axis(flat, self._order, axis=1)

    def quantiles(self, qs: Sequence[float], worlds: F64) -> F64:
        """Return quantiles of each choice: the least value that q of the probability lies up to.

        Parameters
        ----------
        qs
            Between 0 and 1.
        worlds
            How much each world counts, in one case or several, shape (n_cases, n_worlds).

        Returns
        -------
        Shape (n_cases, n_choices, len(qs)).
        """
        found = np.empty((len(worlds), len(self._sorted), len(qs)))
        for cases, choice, _, reached in self._masses(worlds):
            for column, q in enumerate(qs):
                place = (reached < q - EXACT).sum(axis=1).clip(max=reached.shape[1] - 1)
                found[cases, choice, column] = self._sorted[choice, place]
        return found

    def tail_means(self, worlds: F64) -> F64:
        """Return CVaR of each choice: the mean of the worst 5% of the probability.

        Parameters
        ----------
        worlds
            As for `quantiles`.

        Returns
        -------
        Shape (n_cases, n_choices).

        Notes
        -----
        Rockafellar & Uryasev (2000); the state at the edge counts with the part that is inside.
        """
        found = np.empty((len(worlds), len(self._sorted)))
        for cases, choice, mass, reached in self._masses(worlds):
            inside = np.clip(TAIL - (reached - mass), 0.0, mass)
            found[cases, choice] = inside @ self._sorted[choice] / TAIL
        return found

    def _masses(self, worlds: F64) -> Iterator[tuple[slice, int, F64, F64]]:
        """Yield some cases, a choice, its probabilities there in order of value, their running sum.

        The arrays have shape (n_cases, n_futures * n_worlds); cases come in parts that fit memory.
        """
        n_states = self._order.shape[1]
        step = max(AT_ONCE // n_states, 1)
        for first in range(0, len(worlds), step):
            cases = slice(first, first + step)
            mass = self.payoffs.weights[:, None] * worlds[cases, None]
            flat = mass.reshape(-1, n_states)
            for choice, order in enumerate(self._order):
                own = flat[:, order]
                yield cases, choice, own, np.cumsum(own, axis=1)


def targets_met(outcomes: Mapping[str, F64], targets: Mapping[str, float]) -> Mask:
    """Return where all targets are met, (n_choices, n_futures, n_worlds).

    Parameters
    ----------
    outcomes
        By name, shape (n_choices, n_futures, n_worlds); NaN, what does not exist, meets none.
    targets
        The least that is good enough, or the most of an outcome in LESS_IS_BETTER.
    """
    met = np.ones(next(iter(outcomes.values())).shape, dtype=bool)
    for name, target in targets.items():
        level = outcomes[name]
        met &= level <= target if name in LESS_IS_BETTER else level >= target
    return met


# --- criteria ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Criterion:
    """Choices by one criterion.

    Attributes
    ----------
    name
        `expected`, `max_regret`, `expected_regret`, `share_met`, `cvar`, `worst`, `hurwicz` or a
        quantile.
    best_is
        1 if more is better, -1 if less is.
    values
        Of each choice, with its interval.
    ranks
        First and last rank that each choice may have, as far as they can be told apart.
    """

    name: str
    best_is: int
    values: tuple[Interval, ...]
    ranks: tuple[tuple[int, int], ...]

    @property
    def picks(self) -> tuple[int, ...]:
        """Places of the choices that may be first: one if it can be told from all others."""
        return tuple(place for place, (first, _) in enumerate(self.ranks) if first == 1)


def criteria(payoffs: Payoffs, met: Mask, optimism: float | None = None) -> list[Criterion]:
    """Return the choices by every criterion.

    Parameters
    ----------
    payoffs
        What they earn.
    met
        Where all targets are met, see `targets_met`.
    optimism
        Weight of the best future's mean in Hurwicz's criterion (1951), 0..1; left out if None.

    Notes
    -----
    Means over worlds are told apart as in `sim.planning.ranking`. For extremes and quantiles, the
    standard error of a difference comes from resamples of whole worlds; it is judged by Student's
    t, at 5% over all pairs (Holm 1979), which is an approximation there.
    """
    again, mixture = means_again(payoffs), Mixture(payoffs)
    drawn = resamples(payoffs.n_worlds)
    once = np.full((1, payoffs.n_worlds), 1 / payoffs.n_worlds)
    share_of = np.einsum("f,cfw->cw", payoffs.weights, met.astype(np.float64))
    made = [
        _of_means("expected", payoffs.expected),
        _bounded("max_regret", -1, largest_regrets(payoffs),
                 (again.max(axis=1, keepdims=True) - again).max(axis=2), payoffs),
        _bounded("expected_regret", -1, expected_regrets(payoffs),
                 (again.max(axis=1, keepdims=True) - again) @ payoffs.weights, payoffs),
        _of_means("share_met", share_of, ends=(0.0, 1.0)),
        _by_resamples("cvar", 1, mixture.tail_means(once)[0], mixture.tail_means(drawn), payoffs),
        _bounded("worst", 1, [worst.npv for worst in worst_futures(payoffs)], again.min(axis=2),
                 payoffs),
    ]  # fmt: skip
    if optimism is not None:
        value, moved = (
            optimism * of.max(axis=-1) + (1 - optimism) * of.min(axis=-1)
            for of in (payoffs.means, again)
        )
        made.append(_by_resamples("hurwicz", 1, value, moved, payoffs))
    quantiles, again = (mixture.quantiles([*QUANTILES.values()], own) for own in (once, drawn))
    made += [
        _by_resamples(name, 1, quantiles[0, :, column], again[:, :, column], payoffs)
        for column, name in enumerate(QUANTILES)
    ]
    return made


def _of_means(name: str, values: F64, ends: tuple[float, float] = (-np.inf, np.inf)) -> Criterion:
    """Return a criterion that is a mean over worlds, (n_choices, n_worlds), more being better."""
    found = [estimate(own) for own in values]
    means = tuple(
        Interval(one.mean, *np.clip((one.low, one.high), *ends).tolist()) for one in found
    )
    return Criterion(name, 1, means, ranks(values.mean(axis=1), told_apart(values)))


def _by_resamples(name: str, best_is: int, value: F64, again: F64, payoffs: Payoffs) -> Criterion:
    """Return a criterion whose intervals are standard errors of the resamples."""
    n = payoffs.n_worlds
    half = t_quantile(n - 1) * again.std(axis=0, ddof=1) * (n / (n - 1)) ** 0.5
    ends = zip(value, value - half, value + half, strict=True)
    values = [Interval(*map(float, three)) for three in ends]
    return _bounded(name, best_is, values, again, payoffs)


def _bounded(
    name: str, best_is: int, values: Sequence[Interval], again: F64, payoffs: Payoffs
) -> Criterion:
    """Return a criterion with its ranks; `again` are its values in the resamples."""
    value = np.array([one.value for one in values])
    apart = told_apart_again(value, again, payoffs.n_worlds)
    return Criterion(name, best_is, tuple(values), ranks(best_is * value, apart))


def told_apart_again(value: F64, again: F64, n_worlds: int) -> Mask:
    """Return which choices resamples of a criterion tell apart, (n_choices, n_choices).

    Parameters
    ----------
    value
        The criterion of each choice, (n_choices,).
    again
        In each resample, (RESAMPLES, n_choices).
    """
    first, second = np.triu_indices(len(value), 1)
    gap = value[first] - value[second]
    less = (n_worlds / (n_worlds - 1)) ** 0.5  # by which resamples spread less than worlds
    error = (again[:, first] - again[:, second]).std(axis=0, ddof=1) * less
    size = np.abs(gap)
    with np.errstate(divide="ignore", invalid="ignore"):
        reach = np.where(size > 0, size / error, 0.0)
    chance = 2 * special.stdtr(n_worlds - 1, -reach)
    order = np.argsort(chance, kind="stable")
    allowed = (1 - CONFIDENCE) / (len(order) - np.arange(len(order)))
    rejected = np.cumprod(chance[order] <= allowed).astype(bool)
    apart = np.zeros((len(value), len(value)), dtype=bool)
    apart[first[order], second[order]] = apart[second[order], first[order]] = rejected
    return apart


def ranks(value: F64, apart: Mask) -> tuple[tuple[int, int], ...]:
    """Return first and last rank that each choice may have; more is better."""
    better = value[None] > value[:, None]
    above, below = (apart & better).sum(axis=1), (apart & better.T).sum(axis=1)
    return tuple((1 + int(a), len(value) - int(b)) for a, b in zip(above, below, strict=True))


# --- the value of knowing ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Knowledge:
    """What it is worth to know, before one chooses, which of some sets of futures holds.

    Attributes
    ----------
    value
        At most so much is worth being paid for it, currency of today.
    best
        In each set, the place of the choice with the highest mean.
    """

    payoffs: Payoffs
    value: Interval
    best: tuple[int, ...]


def knowledge(payoffs: Payoffs, cells: Sequence[Sequence[int]]) -> Knowledge:
    """Return the expected value of perfect information on which cell of futures holds.

    Parameters
    ----------
    payoffs
        What the choices earn.
    cells
        Futures by place, each in one cell: one of its own for all of them makes it the EVPI.

    Notes
    -----
    Raiffa & Schlaifer (1961): the mean, over cells, of the best choice's value in each, less the
    value of the choice that is best on average. It is the least expected regret of any choice, by
    which it is bounded; and never more than to know everything, see `clairvoyance`. Cross-fitted,
    see the module.
    """
    own = payoffs.grouped(cells)
    everywhere = np.arange(len(own.futures))

    def measure(one: F64, other: F64) -> F64:
        informed = other[one.argmax(axis=0), everywhere] @ own.weights
        return np.array(informed - (other @ own.weights)[(one @ own.weights).argmax()])

    regrets = expected_regrets(own)
    high = min(clairvoyance(payoffs).high, *(one.high for one in regrets))
    low = min(high, *(one.low for one in regrets))
    value = float(np.clip(cross_fitted(own.npv, measure), low, high))
    best = tuple(int(place) for place in own.means.argmax(axis=0))
    return Knowledge(own, Interval(value, low, high), best)


def clairvoyance(payoffs: Payoffs) -> Interval:
    """Return what it is worth to know everything: future, unknown numbers, and each world's luck.

    Nobody can know luck, and the best of several plans in one world is partly lucky: this is a
    bound that no study, test or forecast can reach, and cross-fitting cannot sharpen it.
    """
    best = int(payoffs.expected.mean(axis=1).argmax())
    gain = np.einsum("f,fw->w", payoffs.weights, payoffs.npv.max(axis=0)) - payoffs.expected[best]
    half = t_quantile(len(gain) - 1) * float(gain.std(ddof=1)) / len(gain) ** 0.5
    value = float(gain.mean())
    return Interval(value, max(value - half, 0.0), value + half)
