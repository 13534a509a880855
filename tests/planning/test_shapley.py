"""The laws of a Shapley value, on games whose answer is known."""

from itertools import permutations
from math import factorial

import numpy as np
import pytest

from sim.planning.shapley import (
    coalitions_along,
    draw_orders,
    exact_shares,
    interactions,
    sampled_shares,
)

N = 5


def members(coalition, n=N):
    return [player for player in range(n) if coalition >> player & 1]


def game_of(worth, n=N):
    return np.array([worth(members(coalition, n)) for coalition in range(1 << n)], dtype=float)


@pytest.fixture
def any_game():
    return np.random.default_rng(7).normal(size=(1 << N, 3, 4))


def test_shares_give_away_what_there_is(any_game):
    shares = exact_shares(any_game)
    assert shares.shape == (N, 3, 4)
    np.testing.assert_allclose(shares.sum(axis=0), any_game[-1] - any_game[0], rtol=1e-12)


def test_shares_are_the_mean_over_all_orders(any_game):
    by_order = np.zeros((N, 3, 4))
    for order in permutations(range(N)):
        along = any_game[coalitions_along(np.array(order))]
        by_order[list(order)] += np.diff(along, axis=0) / factorial(N)
    np.testing.assert_allclose(exact_shares(any_game), by_order, atol=1e-12)


def test_who_changes_nothing_gets_exactly_nothing(any_game):
    idle = 2
    with_idle = any_game[[coalition & ~(1 << idle) for coalition in range(1 << N)]]
    assert (exact_shares(with_idle)[idle] == 0).all()
    assert (interactions(with_idle)[idle] == 0).all()
    orders = draw_orders(N, 3, seed=1)
    sampled = sampled_shares(orders, with_idle, {c: c for c in range(1 << N)})
    assert (sampled[:, idle] == 0).all()


def test_equals_get_the_same_to_the_last_bit():
    """Players 1 and 3 can stand in for each other, in numbers that add up only roughly."""
    rng = np.random.default_rng(3)
    known = {}

    def worth(inside):
        swapped = tuple(sorted({1: 3, 3: 1}.get(player, player) for player in inside))
        key = min(tuple(inside), swapped)
        return known.setdefault(key, rng.normal() * 1e6 / 3)

    shares = exact_shares(game_of(worth))
    assert shares[1] == shares[3]
    assert shares[0] != shares[1]


def test_shares_of_a_sum_are_sums_of_shares(any_game):
    other = np.random.default_rng(8).normal(size=any_game.shape)
    np.testing.assert_allclose(
        exact_shares(2 * any_game + other),
        2 * exact_shares(any_game) + exact_shares(other),
        atol=1e-12,
    )


def test_gloves():
    """One left glove, two right ones, a pair is worth 1 (Shapley 1953 gives 2/3, 1/6, 1/6)."""
    gloves = game_of(lambda inside: float(0 in inside and len(inside) > 1), 3)
    np.testing.assert_allclose(exact_shares(gloves), [2 / 3, 1 / 6, 1 / 6])


def test_a_single_player_gets_all():
    worth = np.array([[1.0, 2.0], [4.0, 8.0]])
    np.testing.assert_array_equal(exact_shares(worth), [[3.0, 6.0]])
    np.testing.assert_array_equal(interactions(worth), np.zeros((1, 1, 2)))


def test_interaction_of_players_who_only_add_up_is_none():
    prices = np.array([3.0, -1.0, 4.0, 1.0, -5.0])
    additive = game_of(lambda inside: prices[inside].sum())
    np.testing.assert_allclose(exact_shares(additive), prices)
    np.testing.assert_allclose(interactions(additive), 0, atol=1e-12)


def test_interaction_of_a_pair_and_of_three():
    """Unanimity of k players: each pair of them has 1 / (k - 1) (Grabisch & Roubens 1999)."""
    both = interactions(game_of(lambda inside: float({0, 3} <= set(inside))))
    expected = np.zeros((N, N))
    expected[0, 3] = expected[3, 0] = 1
    np.testing.assert_allclose(both, expected, atol=1e-12)
    three = interactions(game_of(lambda inside: float({0, 1, 4} <= set(inside))))
    np.testing.assert_allclose(three[0, [1, 4]], 0.5)
    np.testing.assert_allclose(three[0, [2, 3]], 0, atol=1e-12)
    np.testing.assert_allclose(np.diag(three), 0)


def test_who_does_the_same_work_twice_earns_less_together():
    twice = interactions(game_of(lambda inside: float(0 in inside or 1 in inside)))
    assert twice[0, 1] == pytest.approx(-1)


def test_interactions_and_shares_of_two_players_make_the_whole(any_game):
    two = any_game[:4]
    alone = np.stack([two[1] - two[0], two[2] - two[0]])
    np.testing.assert_allclose(exact_shares(two), alone + interactions(two)[0, 1] / 2)


def test_every_drawn_order_sums_to_the_whole(any_game):
    orders = draw_orders(N, 4, seed=2)
    sampled = sampled_shares(orders, any_game, {c: c for c in range(1 << N)})
    assert sampled.shape == (4, N, 3, 4)
    whole = np.broadcast_to(any_game[-1] - any_game[0], (4, 3, 4))
    np.testing.assert_allclose(sampled.sum(axis=1), whole, rtol=1e-12)


def test_orders_come_with_their_reverse_and_go_by_the_seed():
    orders = draw_orders(6, 10, seed=5)
    np.testing.assert_array_equal(orders[:, 1], orders[:, 0, ::-1])
    np.testing.assert_array_equal(np.sort(orders, axis=-1), np.broadcast_to(range(6), (10, 2, 6)))
    np.testing.assert_array_equal(orders, draw_orders(6, 10, seed=5))
    assert (orders != draw_orders(6, 10, seed=6)).any()


def test_drawn_orders_are_unbiased(any_game):
    game = any_game[:, 0, 0]
    sampled = sampled_shares(draw_orders(N, 4000, seed=9), game, {c: c for c in range(1 << N)})
    error = sampled.std(axis=0, ddof=1) / 4000**0.5
    assert (abs(sampled.mean(axis=0) - exact_shares(game)) < 4 * error).all()
    assert (error < 0.02).all()


def test_a_reverse_order_helps_where_contributions_grow_with_company():
    """v(S) = |S|^2 weighted: an order and its reverse cancel all that the place in it does."""
    weight = np.array([1.0, 2.0, 3.0, 4.0, 5.0])
    game = game_of(lambda inside: weight[inside].sum() ** 2)
    place = {c: c for c in range(1 << N)}
    paired = sampled_shares(draw_orders(N, 50, seed=4), game, place)
    np.testing.assert_allclose(paired, np.broadcast_to(exact_shares(game), (50, N)))


def test_a_game_that_lacks_a_coalition_is_refused():
    with pytest.raises(ValueError, match="no power of two"):
        exact_shares(np.zeros(6))
