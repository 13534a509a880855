"""What the engine's own customers are expected to do: each given its history, and a new cohort.

Leaving and rate separate here too. Given the probability p of leaving after an order, a customer
whose rate adds up to L expects (1 - exp(-p L)) / p orders and is still there with probability
exp(-p L). So exp(-p L) is carried over a grid of rates and of p, backward in time to ask of given
customers and forward to follow a cohort.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import betainc, betaln, gammaln

from sim.calibration.incidence import (
    Calendar,
    Grid,
    Likelihood,
    Parameters,
    Watch,
    add_leaving,
    exposures,
    multiply,
    run_filter,
    transitions,
)
from sim.calibration.lifetimes import beta_nodes
from sim.calibration.observed import Integers
from sim.types import F64

LEAST_LEAVING = 1e-5
LEAVING_NODES = 80
"""Points over the probability of leaving, between that and 1 in equal ratios."""
COHORT_NODES = 32
"""Points over it for a cohort, by Gauss-Jacobi."""
MOST_ENTRIES = 60
"""Days of entry that are told apart; beyond, neighbours are taken together."""


@dataclass(frozen=True)
class Ahead:
    """What is expected of each cell of a watch after its end."""

    orders: F64
    """(n_cells,)."""
    active: F64
    """(n_cells, n_quarters) probability to order in each calendar quarter that follows."""


def look_ahead(likelihood: Likelihood, point: Parameters, calendar: Calendar) -> Ahead:
    """Return what is expected of each cell from the end of its watch to that of the calendar."""
    watch, grid = likelihood.watch, likelihood.grid
    n_seen = watch.counts.shape[1]
    found = run_filter(point, watch, calendar, likelihood.tree, grid)
    alive, gone = add_leaving(point, watch, found.alive, found.gone)
    stays = np.exp(alive - np.logaddexp(alive, gone))
    quarters = np.unique(calendar.of_name[n_seen:])
    p, beliefs, kind = _leaving_given(point, watch)
    move = transitions(grid, point)
    orders, active = np.zeros(len(watch.n)), np.zeros((len(watch.n), len(quarters)))
    for day, factor, cells in _alike(watch):
        ahead = exposures(point, np.array([day]), calendar, opened=watch.opened)[0] * factor
        belief = found.belief[likelihood.tree.leaf[cells]]
        weight = beliefs[kind[cells]]
        back = _Backward(grid, move, calendar, n_seen, ahead)
        with np.errstate(divide="ignore", invalid="ignore"):
            spent = np.where(p > 0.0, (1.0 - back.carry(p, None)) / p, 0.0)
        if p[0] == 0.0:
            spent[:, 0] = back.mean_exposure()
        orders[cells] = np.einsum("cp,cp->c", belief @ spent, weight)
        for k, quarter in enumerate(quarters):
            silent = back.carry(p, quarter, silent=False) - back.carry(p, quarter, silent=True)
            active[cells, k] = np.einsum("cp,cp->c", belief @ silent, weight)
    return Ahead(orders * stays, active * stays[:, None])


@dataclass(frozen=True)
class _Backward:
    """Expectations over the blocks after a watch, as functions of the rate at its end."""

    grid: Grid
    move: F64 | None
    calendar: Calendar
    n_seen: int
    exposure: F64

    def carry(self, p: F64, quarter: int | None, *, silent: bool = False) -> F64:
        """Return, (n_rates, n_p), the chance to be there at the end or when a quarter begins.

        With `silent`, to be there then and not to order in that quarter.
        """
        value = np.ones((len(self.grid.rate), len(p)))
        for j in range(len(self.exposure) - 1, self.n_seen - 1, -1):
            name = self.calendar.of_name[j]
            if quarter is not None and name > quarter:
                continue
            if quarter is None or name < quarter:
                value *= np.exp(-self.exposure[j] * np.multiply.outer(self.grid.rate, p))
            elif silent:
                value *= np.exp(-self.exposure[j] * self.grid.rate)[:, None]
            if self.move is not None and self.calendar.begins[j]:
                value = multiply(self.move, value)
        return value

    def mean_exposure(self) -> F64:
        """Return, (n_rates,), the orders expected of somebody who does not leave."""
        value = np.zeros(len(self.grid.rate))
        for j in range(len(self.exposure) - 1, self.n_seen - 1, -1):
            value += self.exposure[j] * self.grid.rate
            if self.move is not None and self.calendar.begins[j]:
                value = self.move @ value
        return value


def _leaving_given(point: Parameters, watch: Watch) -> tuple[F64, F64, Integers]:
    """Return points of p, its distributions given that a customer is there, and which is whose."""
    if point.alpha == 0.0:
        return np.zeros(1), np.ones((1, 1)), np.zeros(len(watch.n), np.int64)
    edges = np.concatenate([[0.0], np.geomspace(LEAST_LEAVING, 1.0, LEAVING_NODES)])
    p = np.concatenate([[edges[1] / 2.0], np.sqrt(edges[1:-1] * edges[2:])])
    known = np.column_stack([point.alpha * watch.leaving, point.beta + watch.orders + 1.0])
    kinds, kind = np.unique(known, axis=0, return_inverse=True)
    return p, np.diff(betainc(kinds[:, :1], kinds[:, 1:], edges), axis=1), kind.ravel()


def _alike(watch: Watch) -> list[tuple[float, float, Integers]]:
    """Put cells together by day of entry and factor on the rate: day, factor, cells."""
    days = np.unique(watch.entry)
    width = max(1, int(np.ceil((days[-1] - days[0] + 1) / MOST_ENTRIES)))
    keys, of_cell = np.unique(
        np.column_stack([watch.entry // width, watch.rate]), axis=0, return_inverse=True
    )
    groups = [np.flatnonzero(of_cell.ravel() == g) for g in range(len(keys))]
    return [
        (float(np.average(watch.entry[cells], weights=watch.n[cells])), float(key[1]), cells)
        for key, cells in zip(keys, groups, strict=True)
    ]


@dataclass(frozen=True)
class Tracked:
    """What is expected of all customers of a watch from their first order on, history unseen."""

    repeats: F64
    """(n_blocks,) orders after the first."""
    active: F64
    """(n_quarters,) customers with an order in the calendar quarter, the first one included."""


def track(likelihood: Likelihood, point: Parameters, calendar: Calendar) -> Tracked:
    """Follow the watch's customers over a calendar, as a cohort that nothing more is known of."""
    watch, grid = likelihood.watch, likelihood.grid
    move = transitions(grid, point)
    repeats, active = np.zeros(len(calendar.of_name)), np.zeros(len(calendar.names))
    rate = grid.rate[:, None]
    for day, factor, cells in _alike(watch):
        size = watch.n[cells].sum()
        leaving = float(np.average(watch.leaving[cells], weights=watch.n[cells]))
        p, weight = _leaving_of_all(point, leaving)
        exposure = exposures(point, np.array([day]), calendar, opened=watch.opened)[0] * factor
        begin = int(np.argmax(calendar.bounds[1:] > day))
        there = grid.weights(point.shape, point.scale)[:, None] * weight
        silent = there  # there at the quarter's start, and no order since
        for j in range(begin, len(exposure)):
            quarter = calendar.of_name[j]
            if move is not None and calendar.begins[j] and j > begin:
                there, silent = multiply(move.T, there), multiply(move.T, silent)
            came = quarter == calendar.of_name[begin] and not watch.opened
            if j == begin or quarter != calendar.of_name[j - 1]:
                silent = there
                active[quarter] += size * (1.0 if came else there.sum())
            expected = exposure[j] * rate * p
            with np.errstate(divide="ignore", invalid="ignore"):
                ordered = np.where(p > 0.0, -np.expm1(-expected) / p, exposure[j] * rate)
            repeats[j] += size * np.sum(there * ordered)
            there = there * np.exp(-expected)
            silent = silent * np.exp(-exposure[j] * rate)
            if not came and (j == len(exposure) - 1 or quarter != calendar.of_name[j + 1]):
                active[quarter] -= size * silent.sum()
    return Tracked(repeats, active)


def count_repeats(likelihood: Likelihood, point: Parameters, calendar: Calendar, most: int) -> F64:
    """Return the customers expected with 0, 1, .. and with `most` or more repeats by its end.

    Notes
    -----
    Leaving aside, orders up to the end are Poisson given the rate's path, and are counted along it;
    m of them are made by whoever stays after the first and after m - 1 more.
    """
    watch, grid = likelihood.watch, likelihood.grid
    move = transitions(grid, point)
    m = np.arange(most + 1)
    out = np.zeros(most + 1)
    for day, factor, cells in _alike(watch):
        leaving = float(np.average(watch.leaving[cells], weights=watch.n[cells]))
        exposure = exposures(point, np.array([day]), calendar, opened=watch.opened)[0] * factor
        begin = int(np.argmax(calendar.bounds[1:] > day))
        belief = np.zeros((most + 1, len(grid.rate)))
        belief[0] = grid.weights(point.shape, point.scale)
        for j in range(begin, len(calendar.of_name)):
            if move is not None and calendar.begins[j] and j > begin:
                belief = belief @ move
            mean = exposure[j] * grid.rate
            chance = mean ** m[:, None] * np.exp(-mean - gammaln(m + 1.0)[:, None])
            belief = np.array([np.sum(belief[: n + 1] * chance[n::-1], axis=0) for n in m])
        exactly = belief.sum(axis=1)
        at_least = 1.0 - np.concatenate([[0.0], np.cumsum(exactly)[:-1]])
        if point.alpha > 0.0:
            a, b = point.alpha * leaving, point.beta
            at_least *= np.exp(betaln(a, b + m) - betaln(a, b))
        out += watch.n[cells].sum() * -np.diff(np.append(at_least, 0.0))
    return out


def _leaving_of_all(point: Parameters, factor: float) -> tuple[F64, F64]:
    """Return points of p and weights that sum to the chance to stay after the first order."""
    if point.alpha == 0.0:
        return np.zeros(1), np.ones(1)
    a, b = point.alpha * factor, point.beta
    p, weight = beta_nodes(a, b + 1.0, COHORT_NODES)
    return p, weight * b / (a + b)
