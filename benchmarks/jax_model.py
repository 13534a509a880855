"""The minimal model in JAX: whole arrays under masks, compiled by XLA.

Customers are ordered by rate and cut into tiles. A scan (`lax.map`) goes over tiles; in each a
`lax.while_loop` goes over occasions, as many as the tile's keenest buyer has: all 4,096 customers
compute, those with occasions left change. float32 throughout.

What was tried and chosen, for processors: tiles of 4,096 (of 128 to 16,384) keep a tile's state in
the cache and the cost of starting an operation small; JAX's own generator with its older splitting
makes both words of an occasion in one go; XLA's Philox and ours written in JAX take twice as long
in all. Threads are devices, each with its share of the tiles: XLA does not spread operations of
this size over threads by itself.

Imports JAX at once, so only the process that `jax_arrays.py` starts imports it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import NamedSharding, PartitionSpec

from benchmarks.minimal import (
    PARAMETERS,
    QUARTERS,
    Customers,
    Outcome,
    by_rate,
    draw_customers,
)

TILE = 4_096
INCIDENCE, OCCASION = 0, 1
_SQRT_2 = 1.41421356


def uniform(word: jax.Array) -> jax.Array:
    """Return uniforms in (0, 1) of 23 bits, so that neither end is reached in float32."""
    return ((word >> 9).astype(jnp.float32) + 0.5) * jnp.float32(2.0**-23)


def words(key: jax.Array, purpose: int, occasion: jax.Array | int) -> jax.Array:
    """Return random words, (2, TILE)."""
    key = jax.random.fold_in(jax.random.fold_in(key, purpose), occasion)
    return jax.random.bits(key, (2, TILE), jnp.uint32)


def poisson(mean: jax.Array, u: jax.Array) -> jax.Array:
    """Return Poisson quantiles by inversion, until the last customer's is found."""
    u = jnp.minimum(u, jnp.float32(0.999999))  # in float32 the sum may stop short of 1

    def go_on(state: tuple[jax.Array, ...]) -> jax.Array:
        return jnp.any(state[2] < u)

    def add(state: tuple[jax.Array, ...]) -> tuple[jax.Array, ...]:
        k, p, cumulative, n = state
        n = n + (cumulative < u)
        p = p * mean / k.astype(jnp.float32)
        return k + 1, p, cumulative + p, n

    p = jnp.exp(-mean)
    start = (jnp.int32(1), p, p, jnp.zeros(mean.shape, jnp.int32))
    n: jax.Array = lax.while_loop(go_on, add, start)[3]
    return n


def buy(
    buying: jax.Array, taste: jax.Array, value: jax.Array, habit: jax.Array, word: jax.Array
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Let the customers marked choose and learn; return value, habit and the brands chosen."""
    p = PARAMETERS
    odds = jnp.exp(taste + p.weight_value * value + p.weight_habit * habit)
    sums = [odds[0]]
    for b in range(1, p.n_brands):
        sums.append(sums[-1] + odds[b])
    target = uniform(word[0]) * sums[-1]
    brand, known = jnp.zeros(TILE, jnp.int32), value[0]
    for b in range(1, p.n_brands):
        beyond = target >= sums[b - 1]
        brand = brand + beyond
        known = jnp.where(beyond, value[b], known)
    chosen = (jnp.arange(p.n_brands)[:, None] == brand) & buying
    normal = _SQRT_2 * lax.erf_inv(2.0 * uniform(word[1]) - 1.0)
    delta = p.noise * normal - known
    step = p.learning * delta * jnp.where(delta < 0.0, p.negativity, 1.0)
    value = jnp.where(chosen, value + step, value)
    moved = p.smoothing * habit + jnp.where(chosen, 1.0 - p.smoothing, 0.0)
    return value, jnp.where(buying, moved, habit), chosen


def live_tile(
    key: jax.Array,
    tile: tuple[jax.Array, ...],
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Take a tile through a quarter; return value, habit and purchases by brand."""
    number, rate, taste, value, habit = tile
    key = jax.random.fold_in(key, number)
    occasions = poisson(rate, uniform(words(key, INCIDENCE, 0)[0]))
    most = occasions.max()

    def live(state: tuple[jax.Array, ...]) -> tuple[jax.Array, ...]:
        k, value, habit, bought = state
        word = words(key, OCCASION, k)
        value, habit, chosen = buy(occasions > k, taste, value, habit, word)
        return k + 1, value, habit, bought + chosen

    start = (jnp.int32(0), value, habit, jnp.zeros(value.shape, jnp.int32))
    _, value, habit, bought = lax.while_loop(lambda state: state[0] < most, live, start)
    return value, habit, bought.sum(axis=1)


def live_share(seed: jax.Array, quarter: jax.Array, *tiles: jax.Array) -> tuple[jax.Array, ...]:
    """Take one device's tiles through a quarter."""
    key = jax.random.fold_in(jax.random.key(seed), quarter)
    value, habit, bought = lax.map(partial(live_tile, key), tiles)
    return value, habit, bought.sum(axis=0)[None]


def compile_quarter(threads: int) -> tuple[Callable[..., Any], NamedSharding]:
    """Return the program for a quarter and how its tiles lie on devices."""
    mesh = jax.make_mesh((threads,), ("thread",))
    shared, split = PartitionSpec(), PartitionSpec("thread")
    program = jax.shard_map(
        live_share,
        mesh=mesh,
        in_specs=(shared, shared, *5 * (split,)),
        out_specs=split,
        check_vma=False,
    )
    return jax.jit(program, donate_argnums=(5, 6)), NamedSharding(mesh, split)


def cut(customers: Customers, threads: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return each tile's number, rates (n_tiles, TILE) and tastes (n_tiles, n_brands, TILE).

    Behind the last customer stand some who never buy. Devices take tiles in turns, so that each
    has its share of those who buy often.
    """
    n_tiles = -(-len(customers.rate) // (TILE * threads)) * threads
    more = n_tiles * TILE - len(customers.rate)
    rate = np.pad(customers.rate, (0, more)).reshape(n_tiles, TILE)
    taste = np.pad(customers.taste, ((0, 0), (0, more))).reshape(-1, n_tiles, TILE)
    number = np.arange(n_tiles, dtype=np.int32).reshape(-1, threads).T.ravel()
    return (
        number,
        rate[number].astype(np.float32),
        taste.transpose(1, 0, 2)[number].astype(np.float32),
    )


def join(x: jax.Array, number: np.ndarray, n: int) -> np.ndarray:
    """Return tiles (n_tiles, n_brands, TILE) as (n_brands, n), in the order of customers."""
    tiles = np.asarray(x)[np.argsort(number)]
    return tiles.transpose(1, 0, 2).reshape(tiles.shape[1], -1)[:, :n]


def run(n_customers: int, threads: int, seed: int) -> Outcome:
    """Run the model; the clock runs over the quarters only, after a quarter that compiles."""
    jax.config.update("jax_threefry_partitionable", False)
    customers = by_rate(draw_customers(n_customers, np.random.default_rng(seed)))
    live, split = compile_quarter(threads)
    number, rate, taste = cut(customers, threads)

    def put(x: np.ndarray) -> jax.Array:
        return jax.device_put(x, split)

    def states() -> tuple[jax.Array, jax.Array]:
        value = np.zeros_like(taste)
        return put(value), put(np.full_like(value, 1.0 / PARAMETERS.n_brands))

    fixed = put(number), put(rate), put(taste)
    seed32 = np.uint32(seed)
    jax.block_until_ready(live(seed32, np.int32(QUARTERS), *fixed, *states()))
    value, habit = jax.block_until_ready(states())
    bought = []
    began = time.perf_counter()
    for quarter in range(QUARTERS):
        value, habit, sums = live(seed32, np.int32(quarter), *fixed, value, habit)
        bought.append(sums)
    jax.block_until_ready((value, habit, bought))
    seconds = time.perf_counter() - began
    purchases = np.sum([np.asarray(sums, np.float64).sum(axis=0) for sums in bought], axis=0)
    return Outcome(
        seconds, purchases, join(value, number, n_customers), join(habit, number, n_customers)
    )
