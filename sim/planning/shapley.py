"""The Shapley value of a game: who earns what of what all earn together.

A game gives every coalition of n players a worth. Coalitions are numbered by bits: player i is in
coalition c if bit i of c is set, so 0 is nobody and 2^n - 1 is everybody. A worth may be an array
(one number per world and outcome): all functions here work on its first axis and keep the others.

A player's share is its mean contribution over all orders in which players can come in (Shapley
1953). It is the only division that gives away exactly what there is, gives nothing to who changes
nothing, treats equals alike, and adds up over outcomes that add up.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import comb

import numpy as np
import numpy.typing as npt

from sim.types import F64

I64 = npt.NDArray[np.int64]


def n_players_of(worth: F64) -> int:
    """Return the number of players of a game whose every coalition has a worth.

    Raises
    ------
    ValueError
        If the first axis has no power of two.
    """
    n = len(worth).bit_length() - 1
    if len(worth) != 1 << n:
        raise ValueError(f"{len(worth)} coalitions, which is no power of two")
    return n


def exact_shares(worth: F64) -> F64:
    """Return each player's share of the worth of all less that of nobody.

    Parameters
    ----------
    worth
        Of every coalition, shape (2^n, ...).

    Returns
    -------
    F64
        Shape (n, ...).

    Notes
    -----
    phi_i = sum over S without i of [v(S + i) - v(S)] / (n C(n - 1, |S|)) (Shapley 1953). Terms are
    added in order of size, so that players who contribute the same get the same to the last bit.
    """
    n = n_players_of(worth)
    size = _sizes(n)
    weight = np.array([1 / (n * comb(n - 1, s)) for s in range(n)])
    shares = [
        _sum(_scaled(weight[size[rest]], worth[rest | 1 << i] - worth[rest]))
        for i in range(n)
        for rest in [_without(n, i)]
    ]
    return np.array(shares)


def interactions(worth: F64) -> F64:
    """Return by how much each pair of players earns more together than apart.

    Parameters
    ----------
    worth
        Of every coalition, shape (2^n, ...).

    Returns
    -------
    F64
        Shape (n, n, ...), symmetric; the diagonal is zero.

    Notes
    -----
    The Shapley interaction index (Grabisch & Roubens 1999): the mean, over orders in which the two
    come in together, of v(S + ij) - v(S + i) - v(S + j) + v(S). Below zero the two do the same work
    twice, or get into each other's way.
    """
    n = n_players_of(worth)
    size = _sizes(n)
    weight = np.array([1 / ((n - 1) * comb(n - 2, s)) for s in range(n - 1)])
    found = np.zeros((n, n, *worth.shape[1:]))
    for i in range(n):
        for j in range(i):
            rest = np.intersect1d(_without(n, i), _without(n, j), assume_unique=True)
            one, other = worth[rest | 1 << i], worth[rest | 1 << j]
            together = (worth[rest | 1 << i | 1 << j] + worth[rest]) - (one + other)
            found[i, j] = found[j, i] = _sum(_scaled(weight[size[rest]], together))
    return found


def draw_orders(n_players: int, pairs: int, seed: int) -> I64:
    """Return random orders of players, each followed by its reverse, shape (pairs, 2, n_players).

    Notes
    -----
    A player that comes early in an order comes late in its reverse: where what others have done
    already adds to a contribution or takes from it, the mean of the two varies less than that of
    two independent orders (antithetic sampling; Castro, Gomez & Tejada 2009 sample plain orders).
    """
    rng = np.random.default_rng(seed)
    orders = np.array([rng.permutation(n_players) for _ in range(pairs)], dtype=np.int64)
    return np.stack([orders, orders[:, ::-1]], axis=1)


def coalitions_along(order: I64) -> list[int]:
    """Return the coalitions that an order passes: nobody, its first, ..., everybody."""
    passed = [0]
    for player in order.tolist():
        passed.append(passed[-1] | 1 << player)
    return passed


def sampled_shares(orders: I64, worth: F64, place: Mapping[int, int]) -> F64:
    """Return each player's mean contribution in each pair of orders.

    Parameters
    ----------
    orders
        As `draw_orders` gives them, shape (pairs, 2, n).
    worth
        Of the coalitions that were asked for, shape (n_coalitions, ...).
    place
        Coalition to its place in `worth`; those along every order are needed.

    Returns
    -------
    F64
        Shape (pairs, n, ...): each pair sums over players to what all are worth more than nobody,
        and the mean over pairs is an unbiased estimate of the shares.
    """
    pairs, _, n = orders.shape
    found = np.zeros((pairs, n, *worth.shape[1:]))
    for pair, both in enumerate(orders):
        for order in both:
            along = worth[[place[coalition] for coalition in coalitions_along(order)]]
            found[pair, order] += np.diff(along, axis=0) / 2
    return found


def _sizes(n: int) -> I64:
    """Return how many players each coalition has, shape (2^n,)."""
    return np.array([coalition.bit_count() for coalition in range(1 << n)], dtype=np.int64)


def _without(n: int, player: int) -> I64:
    """Return the coalitions that a player is not in, shape (2^(n - 1),)."""
    every = np.arange(1 << n, dtype=np.int64)
    rest: I64 = every[(every >> player) & 1 == 0]
    return rest


def _scaled(weight: F64, terms: F64) -> F64:
    scaled: F64 = weight.reshape(-1, *[1] * (terms.ndim - 1)) * terms
    return scaled


def _sum(terms: F64) -> F64:
    """Return the sum over the first axis, the same to the last bit in whatever order they come."""
    total: F64 = np.sort(terms, axis=0).sum(axis=0)
    return total
