"""What brands do: nothing, what a timetable says, or what a plan pays for."""

from __future__ import annotations

import numpy as np
import pytest

from sim.config.lever import Effect, Lever
from sim.config.load import load
from sim.config.plan import Phase, Plan
from sim.config.rivals import Move, Rival
from sim.errors import ConfigError
from sim.levers import Programme
from sim.policies import FollowPlan, Hold, Schedule, make_rival_policy
from sim.types import N_CHANNELS, Channel, RivalKind


def on(move: Move, n: int = 14) -> list[int]:
    """Return the quarters, from the burn-in on, in which a move is felt."""
    policy = Schedule((move,))
    return [q for q in range(-4, n + 1) if policy.act(q, 2).any()]


def test_holding_is_zeros_in_every_quarter():
    for quarter in (-7, 0, 1, 12):
        channels = Hold().act(quarter, 3)
        assert channels.shape == (N_CHANNELS, 3)
        assert not channels.any()


@pytest.mark.parametrize(
    ("move", "quarters"),
    [
        (Move(Channel.DISCOUNT, 0.2, (3, 3)), [3]),
        (Move(Channel.DISCOUNT, 0.2, (2, 4)), [2, 3, 4]),
        (Move(Channel.DISCOUNT, 0.2), list(range(1, 15))),
        (Move(Channel.DISCOUNT, 0.2, (4, 4), every=4), [4, 8, 12]),
        (Move(Channel.DISCOUNT, 0.2, (2, 3), every=5), [2, 3, 7, 8, 12, 13]),
        (Move(Channel.DISCOUNT, 0.2, (3, 5), every=2), list(range(3, 15))),
    ],
)
def test_a_move_is_on_when_its_timetable_says(move, quarters):
    assert on(move) == quarters


def test_moves_that_overlap_add_up_on_their_own_channels():
    policy = Schedule(
        (
            Move(Channel.PRICE, -0.05, (1, 8)),
            Move(Channel.PRICE, -0.10, (3, 3)),
            Move(Channel.FEATURE, 0.4, (3, 4)),
        )
    )
    channels = policy.act(3, 2)
    expected = np.zeros((N_CHANNELS, 2))
    expected[Channel.PRICE], expected[Channel.FEATURE] = -0.15, 0.4
    np.testing.assert_allclose(channels, expected)
    assert policy.act(2, 2)[Channel.PRICE].tolist() == [-0.05, -0.05]


def test_a_move_that_ends_before_it_begins_is_refused():
    with pytest.raises(ConfigError, match="first <= last"):
        Move(Channel.PRICE, -0.1, (3, 2))


def test_a_rival_acts_as_its_kind_says():
    moves = (Move(Channel.PRICE, -0.1),)
    assert isinstance(make_rival_policy(Rival()), Hold)
    assert make_rival_policy(Rival(RivalKind.SCHEDULE, moves)).act(1, 1).any()
    assert not make_rival_policy(Rival(RivalKind.HOLD, moves)).act(1, 1).any()


def test_a_plan_begins_in_quarter_one():
    market = load("retail_three_phase", ["customers=100"]).market
    club = Lever("club", "Club", half_saturation=1.0, effects=(Effect(Channel.SOCIAL, 0.2),))
    plan = Plan("p", "p", phases=(Phase("one", (1, 1), {"club": 1e5}),))
    policy = FollowPlan(Programme(plan, {"club": club}, market))
    for quarter in (-2, -1, 0):
        assert not policy.act(quarter, 3).any()
        assert policy.delivered is None
    channels = policy.act(1, 3)
    assert np.all(channels[Channel.SOCIAL] > 0)
    assert policy.delivered.running == 1e5
