"""The engine's own customers as a likelihood of order logs: rates that drift, and leaving.

A customer's rate is Gamma over customers and drifts by the Beta-Gamma autoregression; after each
order, the first one too, it leaves with a probability that is Beta over customers. Two things go
beyond the engine and keep its parameters clean: a *season*, and the *novelty* of a new customer,
whose rate is higher in its first weeks. Leaving depends on the number of orders alone, so it
separates from the rate, and the likelihood of a history is a sum over two cases (the customer is
still there, or it left with its last order) of a filter in one dimension, the rate.

Time is in weeks, the rate in orders per week; the calendar's blocks are months, and the rate drifts
where a month begins. The engine moves each customer once a year, by as much as twelve months do;
monthly steps of one half-life fit the CDNOW log better than yearly ones (log-likelihood + 4).
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
from numba import njit
from scipy.special import betaln, gammainc, gammaln, xlogy
from scipy.stats import chi2

from sim.calibration.estimation import Maximum, Prior, maximize, with_gradient
from sim.calibration.lifetimes import beta_nodes
from sim.calibration.observed import Integers
from sim.types import F64, QUARTERS_PER_YEAR, Mask

WEEK = 7.0
WEEKS_PER_QUARTER = 365.25 / 4.0 / WEEK
MONTHS_PER_QUARTER = 3
ASSUMED_ORIGIN = "2001-01-01"
"""Date of day 0 where a log counts days: the start of a year of 365 days."""
PRIOR_SD = 20.0
"""Of the logarithm of a parameter: keeps it finite where the data cannot."""
RANGES = {
    "shape": (0.01, 100.0),
    "mean": (1e-4, 1000.0),
    "alpha": (0.01, 1000.0),
    "beta": (0.01, 10_000.0),
    "half_life": (0.1, 10_000.0),
    "novelty": (1e-6, 1000.0),
    "fade": (0.1, 1000.0),
}
"""What a market takes of the parameters, and what leaves the others a meaning."""
STEP = 1e-4
"""Of the differences that give the gradient."""
GUESS = 0.3
"""Standard error of the logarithm of a parameter that nothing is known of yet."""
FLOOR = 1e-3
"""Variance added where a search begins from estimates, some of which may have none."""
ONE_THREAD = 200_000
"""Multiplications of a product that is too small for the library to use threads."""
BETA_NODES = 16
"""Points over the share of a rate that a month keeps."""


@dataclass(frozen=True)
class Calendar:
    """Blocks of days, each within a month: block j is the days after bound j, up to bound j + 1."""

    bounds: Integers
    """(n_blocks + 1,) last day before the first block, then the last day of each."""
    quarter: Integers
    """(n_blocks,) quarter of the year, 0 to 3."""
    begins: Mask
    """(n_blocks,) whether a month begins with the block."""
    names: tuple[str, ...]
    """Calendar quarters, in order."""
    of_name: Integers
    """(n_blocks,) number of the block's calendar quarter in `names`."""

    def until(self, day: int) -> int:
        """Return the number of blocks up to a day that ends one."""
        return int(np.searchsorted(self.bounds, day))


def make_calendar(
    first: int, ends: Sequence[int], origin: str, *, weekly: bool = False
) -> Calendar:
    """Cut the days after `first` up to the last of `ends` into blocks.

    Parameters
    ----------
    first
        Last day before the first block.
    ends
        Days on which a block has to end, beside those on which a month ends.
    origin
        Date of day 0.
    weekly
        Whether blocks also end with each week, counted from day 0.
    """
    zero = np.datetime64(origin or ASSUMED_ORIGIN, "D")
    last = max(ends)
    from_month, to_month = (zero + np.array([first, last]).astype("m8[D]")).astype("M8[M]")
    months = np.arange(from_month, to_month + np.timedelta64(2, "M"))
    month_ends = (months.astype("M8[D]") - zero).astype(int) - 1
    days = set(month_ends.tolist()) | set(ends)
    if weekly:
        days |= set(range(6, last, 7))
    bounds = np.array(sorted({first, *(day for day in days if first < day <= last)}))
    month = (zero + (bounds[:-1] + 1).astype("m8[D]")).astype("M8[M]").astype(int)
    quarters = 1970 * QUARTERS_PER_YEAR + month // MONTHS_PER_QUARTER
    named, of_name = np.unique(quarters, return_inverse=True)
    label = "{}Q{}" if origin else "year {} Q{}"
    since = 0 if origin else zero.astype("M8[Y]").astype(int) + 1969
    names = tuple(
        label.format(q // QUARTERS_PER_YEAR - since, q % QUARTERS_PER_YEAR + 1) for q in named
    )
    return Calendar(
        bounds,
        quarters % QUARTERS_PER_YEAR,
        np.isin(bounds[:-1], month_ends),
        names,
        of_name.ravel(),
    )


@dataclass(frozen=True)
class Watch:
    """Customers by what the filter knows of them; one row per cell."""

    entry: Integers
    """Day of the first order, or the last one before the watch began if `opened`."""
    counts: Integers
    """(n_cells, n_blocks) orders after `entry`."""
    last: Integers
    """Day of the last order; `entry` if there was none."""
    n: F64
    """Customers in the cell."""
    cell: Integers
    """(n_customers,) the cell of each."""
    ages: F64
    """(n_ages,) orders after the first by weeks since then, a count per day of age."""
    opened: bool
    """Whether the watch began before the customers came, so that nobody is new."""
    rate: F64
    """(n_cells,) factor on the rate, of the cohort."""
    leaving: F64
    """(n_cells,) factor on the Beta's alpha, of the cohort."""

    @property
    def orders(self) -> F64:
        """Orders after `entry`."""
        return np.asarray(self.counts.sum(axis=1), float)


@dataclass(frozen=True)
class Form:
    """Which parts of the model are there."""

    leaving: bool = True
    drift: bool = False
    novelty: bool = False
    season: bool = False

    @property
    def names(self) -> list[str]:
        """Names of the parameters, in the order in which they are estimated."""
        names = ["shape", "mean"]
        names += ["alpha", "beta"] * self.leaving + ["half_life"] * self.drift
        names += ["novelty", "fade"] * self.novelty
        return names + ["season_2", "season_3", "season_4"] * self.season

    @property
    def start(self) -> F64:
        """Where a search begins, as logarithms."""
        guess = {"shape": 0.5, "mean": 0.7, "alpha": 0.6, "beta": 2.0, "half_life": 8.0,
                 "novelty": 1.0, "fade": 5.0}  # fmt: skip
        return np.log([guess.get(name, 1.0) for name in self.names])

    def read(self, at: F64) -> Parameters:
        """Return the parameters whose logarithms are given."""
        named = {}
        for name, value in zip(self.names, np.exp(np.clip(at, -30.0, 30.0)), strict=True):
            low, high = RANGES.get(name, (0.0, np.inf))
            named[name] = min(max(float(value), low), high)
        raw = np.array([1.0, *(named.pop(f"season_{q}", 1.0) for q in (2, 3, 4))])
        return Parameters(**named, season=raw / raw.mean())


@dataclass(frozen=True)
class Parameters:
    """A point of the model; what a form lacks has its neutral value."""

    shape: float
    mean: float
    """Orders per quarter, settled, in an average quarter."""
    alpha: float = 0.0
    """0: nobody leaves."""
    beta: float = 1.0
    half_life: float = np.inf
    """Quarters."""
    novelty: float = 0.0
    """How much higher the rate of a new customer is at once, as a share."""
    fade: float = 1.0
    """Weeks in which that falls to 1/e."""
    season: F64 = None  # type: ignore[assignment]

    @property
    def scale(self) -> float:
        """Mean over shape, per week."""
        return self.mean / self.shape / WEEKS_PER_QUARTER

    @property
    def kept(self) -> float:
        """Autocorrelation of the rate from one month to the next."""
        kept = 0.5 ** (1.0 / (MONTHS_PER_QUARTER * self.half_life))
        return float(np.clip(kept, 1e-6, 1.0 - 1e-6)) if np.isfinite(self.half_life) else 1.0

    def grown(self, age: F64) -> F64:
        """Return the weeks of settled buying that a customer's first `age` days are worth."""
        weeks = np.maximum(age, 0.0) / WEEK
        return np.asarray(weeks - self.novelty * self.fade * np.expm1(-weeks / self.fade))


# Exposure -----------------------------------------------------------------------------------------


def exposures(point: Parameters, entry: Integers | F64, calendar: Calendar, *, opened: bool) -> F64:
    """Return, (n_entries, n_blocks), the weeks of settled buying that each block is worth."""
    age = np.asarray(calendar.bounds[None, :] - entry[:, None], float)
    grown = np.maximum(age, 0) / WEEK if opened else point.grown(age)
    return np.asarray(np.diff(grown, axis=1) * point.season[calendar.quarter])


def exposure_to_last(point: Parameters, watch: Watch, calendar: Calendar) -> tuple[Integers, F64]:
    """Return the block of each cell's last order, and the exposure in it up to then."""
    block = np.maximum(np.searchsorted(calendar.bounds, watch.last) - 1, 0)
    begin = np.maximum(calendar.bounds[block] - watch.entry, 0).astype(float)
    age = np.asarray(watch.last - watch.entry, float)
    grown = (age - begin) / WEEK if watch.opened else point.grown(age) - point.grown(begin)
    return block, np.asarray(grown * point.season[calendar.quarter[block]])


def common_term(point: Parameters, watch: Watch, calendar: Calendar) -> float:
    """Return the part of the log-likelihood that is a factor on the rates of orders."""
    n = watch.n @ watch.counts
    value = float(n @ np.log(point.season[calendar.quarter[: len(n)]]))
    value += float(watch.n @ xlogy(watch.orders, watch.rate))
    if not watch.opened:
        age = np.arange(len(watch.ages)) / WEEK
        value += float(watch.ages @ np.log1p(point.novelty * np.exp(-age / point.fade)))
    return value


# The grid of rates --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Grid:
    """Rates per week: 0, then steps of equal ratio."""

    rate: F64
    step: float
    """Difference of neighbours' logarithms."""

    def weights(self, shape: float, scale: float) -> F64:
        """Return the weights of the points under a Gamma distribution.

        Notes
        -----
        Trapezoid in the logarithm of the rate, whose error falls exponentially with the step for
        smooth functions. What lies below the lowest point is shared between it and 0 so that its
        mean is kept.
        """
        y = self.rate[1:] / scale
        with np.errstate(under="ignore"):
            weight = self.step * np.exp(shape * np.log(y) - y - gammaln(shape))
        weight[0] *= 0.5
        below = gammainc(shape, y[0])
        near = gammainc(shape + 1.0, y[0]) * shape / y[0]
        weight[0] += near
        return np.concatenate([[below - near], weight])


def make_grid(watch: Watch, calendar: Calendar) -> Grid:
    """Make a grid on which the histories' likelihoods are smooth.

    Notes
    -----
    A customer with n orders has a likelihood of the rate that is n^-1/2 wide in the logarithm. The
    step is as fine as that for the trapezoid, and .7 of it for the months that drift interpolates.
    """
    busiest, most = float(watch.counts.max()), float(watch.orders.max())
    weeks = (calendar.bounds[watch.counts.shape[1]] - calendar.bounds[0]) / WEEK
    step = min(0.2, 0.7 / np.sqrt(busiest + 1.0), 1.2 / np.sqrt(most + 1.0))
    low, high = 2e-3 / weeks, 3.0 * (busiest + 4.0) / (365.25 / 12 / WEEK)
    n = int(np.ceil(np.log(high / low) / step)) + 1
    return Grid(np.concatenate([[0.0], low * np.exp(step * np.arange(n))]), step)


@njit(cache=True, nogil=True, error_model="numpy")
def _add_transitions(rate, step, kept, kept_weight, fresh_weight, out):  # type: ignore[no-untyped-def]
    """Add to `out` (n, n) the interpolation weights of where rates go; see `transitions`."""
    n = len(rate)
    low = rate[1]
    for i in range(n):
        for m in range(len(kept)):
            for g in range(n):
                weight = kept_weight[m] * fresh_weight[g]
                to = kept[m] * rate[i] + rate[g]
                if to <= low:
                    out[i, 0] += weight * (1.0 - to / low)
                    out[i, 1] += weight * to / low
                    continue
                at = min(np.log(to / low) / step, n - 2.0)
                j = min(max(int(at) - 1, 0), n - 5)
                s = at - j
                out[i, j + 1] -= weight * (s - 1.0) * (s - 2.0) * (s - 3.0) / 6.0
                out[i, j + 2] += weight * s * (s - 2.0) * (s - 3.0) / 2.0
                out[i, j + 3] -= weight * s * (s - 1.0) * (s - 3.0) / 2.0
                out[i, j + 4] += weight * s * (s - 1.0) * (s - 2.0) / 6.0


def transitions(grid: Grid, point: Parameters) -> F64 | None:
    """Return the matrix that carries functions of next month's rate to this month's; None if fixed.

    Notes
    -----
    X' = B X + G with B ~ Beta(k kept, k (1 - kept)), G ~ Gamma(k (1 - kept)), k the shape (Lewis,
    McKenzie & Hugus 1989). Gauss-Jacobi over B, the grid itself over G, and cubic interpolation of
    the function in the logarithm of the rate.
    """
    if point.kept >= 1.0:
        return None
    k, rest = point.shape, 1.0 - point.kept
    kept, weight = beta_nodes(k * point.kept, k * rest, BETA_NODES)
    out = np.zeros((len(grid.rate), len(grid.rate)))
    fresh = grid.weights(k * rest, point.scale)
    _add_transitions(grid.rate, grid.step, kept, weight, fresh, out)
    return out


# The likelihood -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Level:
    """Histories up to one block: those that are alike so far are one node."""

    parent: Integers
    count: Integers
    group: Integers
    here: Integers
    """Cells whose last order is in the block."""
    node: Integers
    """For those, their node before the block."""


@dataclass(frozen=True)
class Histories:
    """The cells of a watch as a tree: cells share what they have in common."""

    entry: Integers
    """(n_groups,) days of entry."""
    rate: F64
    """(n_groups,) factors on the rate."""
    levels: tuple[Level, ...]
    leaf: Integers
    """(n_cells,) last node of each cell."""


def grow(watch: Watch, calendar: Calendar) -> Histories:
    """Put cells that are alike so far together, block by block."""
    groups, group = np.unique(
        np.column_stack([watch.entry, watch.rate]), axis=0, return_inverse=True
    )
    node = group.ravel()
    groups_of_node = np.arange(len(groups))
    block = np.maximum(np.searchsorted(calendar.bounds, watch.last) - 1, 0)
    levels = []
    for j in range(watch.counts.shape[1]):
        here = np.flatnonzero(block == j)
        width = int(watch.counts[:, j].max()) + 1
        keys, after = np.unique(node * width + watch.counts[:, j], return_inverse=True)
        parent, count = keys // width, keys % width
        groups_of_node = groups_of_node[parent]
        levels.append(Level(parent, count, groups_of_node, here, node[here]))
        node = after.ravel()
    return Histories(groups[:, 0].astype(np.int64), groups[:, 1].copy(), tuple(levels), node)


@dataclass(frozen=True)
class Filtered:
    """What a history leaves of the rate."""

    alive: F64
    """(n_cells,) log-likelihood of the orders, the customer watched to the end."""
    gone: F64
    """(n_cells,) the same, watched up to the last order."""
    belief: F64
    """(n_nodes, n_rates) distribution of the rate at the end; they sum to 1."""


def run_filter(
    point: Parameters, watch: Watch, calendar: Calendar, tree: Histories, grid: Grid
) -> Filtered:
    """Filter the rate through each history."""
    exposure = exposures(point, tree.entry, calendar, opened=watch.opened) * tree.rate[:, None]
    _, partial = exposure_to_last(point, watch, calendar)
    partial = partial * watch.rate
    move = transitions(grid, point)
    belief = np.repeat(grid.weights(point.shape, point.scale)[None], len(tree.entry), axis=0)
    log_scale = np.zeros(len(tree.entry))
    gone = np.zeros(len(watch.n))
    group = np.arange(len(tree.entry))
    tiny = np.finfo(float).tiny
    for j, level in enumerate(tree.levels):
        if move is not None and calendar.begins[j]:
            there = tree.entry[group] < calendar.bounds[j]
            # interpolation may leave a trace of a negative chance
            belief[there] = np.maximum(multiply(belief[there], move), 0.0)
        powers = np.power(grid.rate, np.arange(level.count.max(initial=0) + 1)[:, None])
        if len(level.here):
            seen = powers[watch.counts[level.here, j]]
            seen *= np.exp(-partial[level.here, None] * grid.rate)
            total = np.einsum("cr,cr->c", belief[level.node], seen)
            gone[level.here] = np.log(np.maximum(total, tiny)) + log_scale[level.node]
        belief = belief[level.parent]
        belief *= powers[level.count]
        belief *= np.exp(-exposure[:, j, None] * grid.rate)[level.group]
        total = np.maximum(belief.sum(axis=1), tiny)
        belief /= total[:, None]
        log_scale = log_scale[level.parent] + np.log(total)
        group = level.group
    return Filtered(log_scale[tree.leaf], gone, belief)


def multiply(left: F64, right: F64) -> F64:
    """Return a matrix product in pieces that the library does on one thread.

    Several threads wait for each other at each of thousands of small products, and where other
    processes want the cores, they wait long.
    """
    n, size = left.shape
    rows = max(1, ONE_THREAD // right.size)
    padded = np.zeros((-(-n // rows) * rows, size))
    padded[:n] = left
    product = np.matmul(padded.reshape(-1, rows, size), right)
    return np.asarray(product.reshape(-1, right.shape[1])[:n])


def settle_rates(point: Parameters, watch: Watch, calendar: Calendar) -> tuple[F64, F64]:
    """Return `alive` and `gone` of `Filtered` in closed form, for rates that do not drift."""
    block, partial = exposure_to_last(point, watch, calendar)
    entries, of_cell = np.unique(watch.entry, return_inverse=True)
    exposure = exposures(point, entries, calendar, opened=watch.opened)
    exposure = exposure[:, : watch.counts.shape[1]]
    before = np.column_stack([np.zeros(len(entries)), np.cumsum(exposure, axis=1)])
    to_last = (before[of_cell.ravel(), block] + partial) * watch.rate
    to_end = before[of_cell.ravel(), -1] * watch.rate
    k, rate, x = point.shape, 1.0 / point.scale, watch.orders
    known = gammaln(k + x) - gammaln(k) + k * np.log(rate)
    return known - (k + x) * np.log(rate + to_end), known - (k + x) * np.log(rate + to_last)


def add_leaving(point: Parameters, watch: Watch, alive: F64, gone: F64) -> tuple[F64, F64]:
    """Add to the two branches what leaving makes of them.

    Notes
    -----
    With m orders, the first included: B(a, b + m) / B(a, b) to stay after each, and
    B(a + 1, b + m - 1) / B(a, b) to leave after the last.
    """
    if point.alpha == 0.0:
        return alive, np.full_like(gone, -np.inf)
    a, b, m = point.alpha * watch.leaving, point.beta, watch.orders + 1.0
    none = betaln(a, b)
    return alive + betaln(a, b + m) - none, gone + betaln(a + 1.0, b + m - 1.0) - none


class Likelihood:
    """The log-likelihood of a watch under a form of the model."""

    def __init__(self, watch: Watch, calendar: Calendar, form: Form, threads: int = 1) -> None:
        self.watch, self.calendar, self.form, self.threads = watch, calendar, form, threads
        self.tree = grow(watch, calendar)
        self.grid = make_grid(watch, calendar)

    def branches(self, point: Parameters) -> tuple[F64, F64]:
        """Return each cell's log-likelihood without leaving: watched to the end, to the last."""
        if point.kept >= 1.0:
            return settle_rates(point, self.watch, self.calendar)
        found = run_filter(point, self.watch, self.calendar, self.tree, self.grid)
        return found.alive, found.gone

    def total(self, point: Parameters, branches: tuple[F64, F64] | None = None) -> float:
        """Return the log-likelihood of all customers."""
        cells = add_leaving(point, self.watch, *(branches or self.branches(point)))
        shared = common_term(point, self.watch, self.calendar)
        return float(self.watch.n @ np.logaddexp(*cells)) + shared

    def __call__(self, at: F64) -> tuple[float, F64]:
        """Return the log-likelihood and its gradient by central differences."""
        steps = STEP * np.eye(len(at))
        moves = [None if n in {"alpha", "beta"} else s
                 for n, s in zip(self.form.names, steps, strict=True)]  # fmt: skip
        points = [at] + [at + sign * m for m in moves if m is not None for sign in (1.0, -1.0)]
        with ThreadPoolExecutor(self.threads) as pool:
            found = list(pool.map(lambda p: self.branches(self.form.read(p)), points))
        values = iter(
            [self.total(self.form.read(p), f) for p, f in zip(points, found, strict=True)]
        )
        centre = next(values)
        slopes = []
        for move, step in zip(moves, steps, strict=True):
            if move is None:  # the filter is as at the centre
                sides = [self.total(self.form.read(at + s), found[0]) for s in (step, -step)]
            else:
                sides = [next(values), next(values)]
            slopes.append((sides[0] - sides[1]) / (2.0 * STEP))
        return centre, np.array(slopes)

    def fit(self, start: F64, spread: F64 | None = None) -> Maximum:
        """Maximise it; `spread` is a guess at the covariance of the estimates."""
        size = len(start)
        prior = Prior(np.zeros(size), np.full(size, PRIOR_SD))
        open_spread = None if spread is None else spread + FLOOR * np.eye(size)
        return maximize(self, start, prior=prior, spread=open_spread)


@dataclass(frozen=True)
class Chosen:
    """The form that Akaike's criterion takes, and what was compared."""

    likelihood: Likelihood
    found: Maximum
    tried: dict[str, dict[str, float]]
    """Form to its log-likelihood, number of parameters and AIC."""

    @property
    def form(self) -> Form:
        """The form."""
        return self.likelihood.form

    @property
    def point(self) -> Parameters:
        """The estimates."""
        return self.form.read(self.found.at)


def choose_form(watch: Watch, calendar: Calendar, form: Form, threads: int = 1) -> Chosen:
    """Add novelty, then drift, and keep each if Akaike's criterion falls.

    Nothing after the estimation's last day is looked at. `threads` share the work; results do not
    depend on how many.
    """
    tried: dict[str, dict[str, float]] = {}

    def fit(form: Form, start: F64, spread: F64) -> Chosen:
        likelihood = Likelihood(watch, calendar, form, threads)
        found = likelihood.fit(start, spread)
        name = " + ".join(["rates", *(k for k, v in vars(form).items() if v)])
        aic = 2.0 * len(start) - 2.0 * found.log_likelihood
        tried[name] = {
            "log_likelihood": found.log_likelihood, "parameters": len(start), "aic": aic,
        }  # fmt: skip
        return Chosen(likelihood, found, tried)

    best = fit(form, form.start, GUESS**2 * np.eye(len(form.names)))
    wider = [] if watch.opened else [{"novelty": True}]
    for change in [*wider, {"drift": True}]:
        form = replace(best.form, **change)
        known = dict(zip(best.form.names, best.found.at, strict=True))
        start = np.array([known.get(n, s) for n, s in zip(form.names, form.start, strict=True)])
        spread = GUESS**2 * np.eye(len(start))
        old = [form.names.index(name) for name in best.form.names]
        spread[np.ix_(old, old)] = best.found.covariance
        new = fit(form, start, spread)
        if len(start) - new.found.log_likelihood < len(known) - best.found.log_likelihood:
            best = new
    return best


# Cohorts ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Cohorts:
    """How acquisition quarters differ, and whether that is more than chance."""

    names: tuple[str, ...]
    """The first quarter of each cohort."""
    begins: Integers
    """Last day before each."""
    customers: F64
    rate: F64
    """Factor on the rate; the geometric mean over customers is 1."""
    leaving: F64
    """Factor on the Beta's alpha; so is this one's."""
    statistic: float
    """Twice the gain in log-likelihood."""

    @property
    def freedom(self) -> int:
        """Number of parameters that tell cohorts apart."""
        return 2 * (len(self.names) - 1)

    @property
    def p_value(self) -> float:
        """Chance of such a gain if cohorts were alike."""
        return float(chi2.sf(self.statistic, self.freedom))

    def number(self, entry: Integers) -> Integers:
        """Return the cohort of customers by their day of entry."""
        return np.asarray(np.searchsorted(self.begins, entry) - 1)

    def mark(self, watch: Watch) -> Watch:
        """Return a watch that knows how the cohorts of its cells differ."""
        cohort = self.number(watch.entry)
        return replace(watch, rate=self.rate[cohort], leaving=self.leaving[cohort])


def compare_cohorts(watch: Watch, calendar: Calendar, base: Chosen, least: int) -> Cohorts | None:
    """Test whether the quarter of acquisition moves rate and leaving; None with one cohort.

    Quarters with fewer than `least` customers are taken together with the ones before.

    Notes
    -----
    Likelihood ratio test on the form with rates that do not drift, in closed form.
    """
    blocks = [int(np.argmax(calendar.of_name == k)) for k in range(len(calendar.names))]
    starts = calendar.bounds[blocks]
    size = np.bincount(
        np.searchsorted(starts, watch.entry) - 1, watch.n, minlength=len(calendar.names)
    )
    kept = _begin_cohorts(np.asarray(size, float), least)
    n_cohorts = len(kept)
    if n_cohorts == 1:
        return None
    names, begins = tuple(calendar.names[k] for k in kept), starts[kept]
    customers = np.add.reduceat(size, kept)
    share = customers / customers.sum()
    form = replace(base.form, drift=False)
    n_shared = len(form.names)

    def cohorts(at: F64, statistic: float = 0.0) -> Cohorts:
        both = np.zeros((2, n_cohorts))
        both[:, 1:] = at[n_shared:].reshape(2, -1)
        rate, leaving = np.exp(both - (both @ share)[:, None])
        return Cohorts(names, begins, customers, rate, leaving, statistic)

    def total(at: F64) -> float:
        marked = cohorts(at).mark(watch)
        point = form.read(at[:n_shared])
        cells = add_leaving(point, marked, *settle_rates(point, marked, calendar))
        return float(watch.n @ np.logaddexp(*cells)) + common_term(point, marked, calendar)

    known = dict(zip(base.form.names, base.found.at, strict=True))
    begin = np.array([known[name] for name in form.names])
    alike = Likelihood(watch, calendar, form).fit(begin, GUESS**2 * np.eye(n_shared))
    start = np.concatenate([alike.at, np.zeros(2 * (n_cohorts - 1))])
    prior = Prior(np.zeros(len(start)), np.full(len(start), PRIOR_SD))
    spread = GUESS**2 * np.eye(len(start))
    spread[:n_shared, :n_shared] = alike.covariance + FLOOR * np.eye(n_shared)
    found = maximize(with_gradient(total), start, prior=prior, spread=spread)
    return cohorts(found.at, 2.0 * (found.log_likelihood - alike.log_likelihood))


def _begin_cohorts(size: F64, least: int) -> list[int]:
    """Return the quarters with which a cohort begins, so that each has `least` customers."""
    begins, held = [0], 0.0
    for k, n in enumerate(size):
        if held >= least and size[k:].sum() >= least:
            begins.append(k)
            held = 0.0
        held += n
    return begins
