"""The minimal model from the engine's own parts: its lanes, choice, learning, habit and generator.

What the minimal model lacks is left out, as it is in the peers; the parts are those that
`sim.kernels.plan` and `sim.kernels.shop` are made of. The engine as a whole, with the other
mechanisms turned off, is `ours.run`.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
from numba import njit

from benchmarks.minimal import PARAMETERS, QUARTERS, Outcome, by_rate, draw_customers
from sim.kernels.buyers import order_buyers
from sim.kernels.choice import choose
from sim.kernels.experience import learn_value
from sim.kernels.instructions import compiled, fma, inlined, pick, reserve
from sim.kernels.lanes import empty_rows, load, store
from sim.kernels.layout import BLOCK, NEVER, WIDTH
from sim.kernels.philox import INCIDENCE, OCCASION, normal32, philox
from sim.kernels.plan import draw_counts
from sim.kernels.shop import form_habit

CHUNK = 32 * BLOCK
_ONE = np.float32(1.0)
_ZERO = np.float32(0.0)


@njit(nogil=True, cache=True, error_model="numpy")
def live_minimal(rate, taste, value, habit, bought, first, last, quarter, seed, parameters):
    """Take rows [first, last) through a quarter and add their purchases to `bought`.

    Columns are as in the engine: `taste`, `value`, `habit` of shape (n_brands, n_customers).
    """
    place, occasions = np.empty(BLOCK + WIDTH, np.uint32), np.empty(BLOCK, np.int32)
    for start in range(first, last, BLOCK):
        stop = min(start + BLOCK, last)
        _plan(rate, occasions, start, stop, quarter, seed)
        n = order_buyers(occasions, place, stop - start)
        _shop(
            taste[:, start:stop], value[:, start:stop], habit[:, start:stop], bought, place,
            occasions, n, start, quarter, seed, parameters,
        )  # fmt: skip


@compiled
def _plan(rate, occasions, start, stop, quarter, seed):
    """Draw how often each buys."""
    _, whole, _ = empty_rows(1, 0, 0)
    exact = reserve((4, WIDTH), np.float64)
    planned, word = whole[0], reserve((WIDTH,), np.uint32)
    for first in range(start, stop, WIDTH):
        last = min(first + WIDTH, stop)
        load(exact[0], rate[first:last])
        for j in range(WIDTH):
            word[j], _, _, _ = philox(first + j, quarter, INCIDENCE, 0, seed, 0)
        draw_counts(planned, word, exact[0], exact[1], exact[2], exact[3])
        store(planned, occasions[first - start : last - start])


@compiled
def _shop(
    taste, value, habit, bought, place, occasions, n_buyers, start, quarter, seed, parameters
):
    """Live through the occasions of a block, in strips."""
    n_brands = taste.shape[0]
    row, whole, brand = empty_rows(9, 5, n_brands)
    customer, planned, chosen, words = whole[0], whole[1], whole[2], whole[3:5]
    tastes, values, habits, utility, counts = brand[0], brand[1], brand[2], brand[3], brand[4]
    counts[:] = _ZERO
    for first in range(0, n_buyers, WIDTH):
        n, here = min(WIDTH, n_buyers - first), place[first : first + WIDTH]
        for j in range(WIDTH):
            customer[j] = start + here[j]
            planned[j] = pick(np.int64(j) < n, occasions[here[j]], np.int32(0))
        for b in range(n_brands):
            for j in range(WIDTH):
                tastes[b, j] = taste[b, here[j]]
                values[b, j] = value[b, here[j]]
                habits[b, j] = habit[b, here[j]]
        most = planned[0]
        for j in range(1, n):
            most = max(most, planned[j])
        for k in range(most):
            _draw(words, customer, quarter, k, seed)
            _choose(tastes, values, habits, utility, words[0], row[5], row[6], chosen, parameters)
            for j in range(WIDTH):
                chosen[j] = pick(planned[j] > np.int32(k), chosen[j], np.int32(NEVER))
            _learn(values, counts, words[1], chosen, row[7], row[8], parameters)
            form_habit(chosen, habits, parameters[5])
        for b in range(n_brands):
            for j in range(n):
                value[b, here[j]] = values[b, j]
                habit[b, here[j]] = habits[b, j]
    for b in range(n_brands):
        for j in range(WIDTH):
            bought[b] += counts[b, j]


@inlined
def _draw(words, customer, quarter, k, seed):
    brand, quality = words[0], words[1]
    for j in range(WIDTH):
        brand[j], quality[j], _, _ = philox(np.uint32(customer[j]), quarter, OCCASION, k, seed, 0)


@inlined
def _choose(tastes, values, habits, utility, word, top, total, chosen, parameters):
    weight_value, weight_habit = parameters[0], parameters[1]
    for b in range(tastes.shape[0]):
        for j in range(WIDTH):
            used = fma(weight_habit, habits[b, j], tastes[b, j])
            utility[b, j] = fma(weight_value, values[b, j], used)
    choose(utility, word, top, total, chosen)


@inlined
def _learn(values, counts, word, chosen, its_value, delta, parameters):
    learning, negativity, noise = parameters[2], parameters[3], parameters[4]
    for j in range(WIDTH):
        its_value[j] = _ZERO
    for b in range(values.shape[0]):
        for j in range(WIDTH):
            its_value[j] = pick(chosen[j] == np.int32(b), values[b, j], its_value[j])
    for j in range(WIDTH):
        delta[j] = fma(noise, normal32(np.uint32(word[j])), -its_value[j])
        its_value[j] = learn_value(its_value[j], delta[j], learning, negativity)
    for b in range(values.shape[0]):
        for j in range(WIDTH):
            buys = chosen[j] == np.int32(b)
            values[b, j] = pick(buys, its_value[j], values[b, j])
            counts[b, j] += pick(buys, _ONE, _ZERO)


def run(n_customers: int, threads: int, seed: int) -> Outcome:
    """Run the model on the customers of the C peers; the clock runs over the quarters only."""
    customers = by_rate(draw_customers(n_customers, np.random.default_rng(seed)))
    rate, taste = (np.ascontiguousarray(x, np.float32) for x in customers)
    value, habit = np.zeros_like(taste), np.full_like(taste, 1.0 / PARAMETERS.n_brands)
    p = PARAMETERS
    parameters = tuple(
        np.float32(x)
        for x in (
            p.weight_value, p.weight_habit, p.learning, p.negativity, p.noise, p.smoothing,
        )
    )  # fmt: skip
    starts = range(0, n_customers, CHUNK)
    bought = np.zeros((len(starts), p.n_brands))

    def live_chunk(quarter: int, chunk: int) -> None:
        first = starts[chunk]
        live_minimal(
            rate, taste, value, habit, bought[chunk], first, min(first + CHUNK, n_customers),
            quarter, seed, parameters,
        )  # fmt: skip

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(abs, range(threads)))  # threads are started before the clock
        began = time.perf_counter()
        for quarter in range(QUARTERS):
            # The first chunks hold those who buy most: who is done early takes a lighter one.
            list(pool.map(partial(live_chunk, quarter), range(len(starts))))
        seconds = time.perf_counter() - began
    return Outcome(seconds, bought.sum(axis=0), value, habit)
