"""What brands do: nothing, what a timetable says, or what a plan pays for."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import pytest

from sim.config.lever import Effect, Lever
from sim.config.load import load
from sim.config.plan import Condition, Gate, Phase, Plan, Review, Rule
from sim.config.rivals import Move, Rival
from sim.errors import ConfigError
from sim.levers import Programme, Situation
from sim.policies import (
    Decision,
    FollowPlan,
    Hold,
    Schedule,
    Sight,
    holds,
    make_rival_policy,
)
from sim.types import N_CHANNELS, Against, Channel, RivalKind


def on(move: Move, n: int = 14) -> list[int]:
    """Return the quarters, from the burn-in on, in which a move is felt."""
    policy = Schedule((move,))
    return [q for q in range(-4, n + 1) if policy.act(Sight(q, 2)).any()]


def test_holding_is_zeros_in_every_quarter():
    for quarter in (-7, 0, 1, 12):
        channels = Hold().act(Sight(quarter, 3))
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
    channels = policy.act(Sight(3, 2))
    expected = np.zeros((N_CHANNELS, 2))
    expected[Channel.PRICE], expected[Channel.FEATURE] = -0.15, 0.4
    np.testing.assert_allclose(channels, expected)
    assert policy.act(Sight(2, 2))[Channel.PRICE].tolist() == [-0.05, -0.05]


def test_a_move_that_ends_before_it_begins_is_refused():
    with pytest.raises(ConfigError, match="first <= last"):
        Move(Channel.PRICE, -0.1, (3, 2))


def test_a_rival_acts_as_its_kind_says():
    moves = (Move(Channel.PRICE, -0.1),)
    assert isinstance(make_rival_policy(Rival(), 1), Hold)
    assert make_rival_policy(Rival(RivalKind.SCHEDULE, moves), 1).act(Sight(1, 1)).any()
    assert not make_rival_policy(Rival(RivalKind.HOLD, moves), 1).act(Sight(1, 1)).any()


def test_a_plan_begins_in_quarter_one():
    market = load("retail_three_phase", ["customers=100"]).market
    club = Lever("club", "Club", half_saturation=1.0, effects=(Effect(Channel.SOCIAL, 0.2),))
    plan = Plan("p", "p", phases=(Phase("one", (1, 1), {"club": 1e5}),))
    policy = FollowPlan(Programme(plan, {"club": club}, market))
    for quarter in (-2, -1, 0):
        assert not policy.act(Sight(quarter, 3)).any()
        assert policy.delivered is None
    channels = policy.act(Sight(1, 3))
    assert np.all(channels[Channel.SOCIAL] > 0)
    assert policy.delivered.running == 1e5


# --- rivals that answer --------------------------------------------------------------------------

CUT = Move(Channel.DISCOUNT, 0.2)


class Seen(Sight):
    """A sight of stated levels: (measure, segment, quarters ago) to level, else one for all."""

    levels: ClassVar[dict[tuple[str, int, int], float]] = {}
    usual: ClassVar[float] = 1.0

    def level(self, measure, brand, segment=-1, quarters_ago=1):
        return self.levels.get((measure, segment, quarters_ago), self.usual)


def seen(quarter: int, level: float = 1.0, levels: dict | None = None, **given) -> Sight:
    """Return a sight in which every measure of every quarter is `level`, but for `levels`."""
    kind = type("SeenNow", (Seen,), {"levels": levels or {}, "usual": level})
    return kind(quarter, 2, **given)


def answers(rival: Rival, shares: list[float]) -> list[int]:
    """Return the quarters in which a rival cuts its price; its share before each is given."""
    policy = make_rival_policy(rival, 1)
    cuts = [policy.act(seen(q, share))[Channel.DISCOUNT, 0] for q, share in enumerate(shares, 1)]
    return [q for q, cut in enumerate(cuts, 1) if cut > 0]


def reacting(**change) -> Rival:
    usual = {"trigger": 0.05, "lag": 1, "duration": 2, "pause": 1, "moves": (CUT,)}
    return Rival(RivalKind.REACT, **(usual | change))


def test_a_rival_that_loses_nothing_does_nothing():
    assert answers(reacting(), [0.30, 0.31, 0.29, 0.30]) == []  # a twentieth of .30 is .015


def test_an_answer_comes_after_the_lag_lasts_and_ends():
    lost_once = [0.30, 0.25, 0.30, 0.30, 0.30, 0.30, 0.30]
    assert answers(reacting(), lost_once) == [3, 4]
    assert answers(reacting(lag=3, duration=1), lost_once) == [5]


def test_who_goes_on_losing_answers_again_after_a_rest():
    losing = [0.30] + [0.2] * 11
    # Seen in 2, cuts in 3 and 4, rests in 5, sees it again in 6.
    assert answers(reacting(), losing) == [3, 4, 7, 8, 11, 12]
    assert answers(reacting(pause=0, lag=0), losing) == list(range(2, 13))


def test_moves_of_an_answer_run_on_its_own_clock():
    late = (Move(Channel.DISCOUNT, 0.2, (2, 2)),)
    assert answers(reacting(moves=late), [0.30, 0.25, 0.30, 0.30, 0.30]) == [4]


def programme(*levers: Lever, **change) -> Programme:
    market = load("retail_three_phase", ["customers=100"]).market
    spend = {lever.name: 1e6 for lever in levers}
    plan = Plan("p", "p", phases=(Phase("all", (1, 4), spend),), **change)
    return Programme(plan, {lever.name: lever for lever in levers}, market)


def club(**change) -> Lever:
    effects = (Effect(Channel.SOCIAL, 0.2),)
    return Lever("club", "Club", half_saturation=1.0, effects=effects, **change)


def test_an_imitator_gives_a_part_of_what_was_given_a_lag_ago():
    ours = programme(club(carry_over=1.0))
    given = {q: ours.advance(Situation(q)) for q in (1, 2, 3)}
    policy = make_rival_policy(Rival(RivalKind.IMITATE, lag=2, fidelity=0.5), 1)
    assert not policy.act(Sight(2, 3, delivered={1: given[1]})).any()
    assert policy.alike == {}
    copied = policy.act(Sight(3, 3, delivered={1: given[1], 2: given[2]}))
    np.testing.assert_allclose(copied, 0.5 * given[1].channels)
    now = given[2].strength["club"]
    assert policy.alike == {"club": pytest.approx(0.5 * given[1].strength["club"] / now)}


def test_what_a_rival_copies_exactly_holds_nobody():
    ours = programme(club(sameness=1.0))
    assert ours.advance(Situation(1, alike={"club": 1.0})).channels.any() == np.False_
    half = ours.advance(Situation(2, alike={"club": 0.5})).channels[Channel.SOCIAL]
    other = programme(club(sameness=1.0))
    other.advance(Situation(1))
    np.testing.assert_allclose(half, 0.5 * other.advance(Situation(2)).channels[Channel.SOCIAL])


def test_who_is_to_enter_is_out_of_reach_until_then_and_launches():
    launch = (Move(Channel.FEATURE, 0.5, (3, 4)),)
    policy = make_rival_policy(Rival(RivalKind.ENTER, moves=launch, quarter=3), 1)
    for quarter in (-3, 0, 2):
        channels = policy.act(Sight(quarter, 2))
        assert np.all(channels[Channel.AVAILABILITY] == -1.0)
        assert not channels[Channel.FEATURE].any()
    assert policy.act(Sight(3, 2))[Channel.FEATURE].tolist() == [0.5, 0.5]
    assert not policy.act(Sight(5, 2)).any()


# --- reviews and gates ---------------------------------------------------------------------------

LOW = Condition("satisfaction", at_most=7.0)


def test_a_gate_that_fails_saves_what_is_left_and_one_that_holds_changes_nothing():
    gate = Gate(after=2, conditions=(Condition("satisfaction", at_least=8.0),))
    for level, kept in ((8.5, 1e6), (7.5, 0.0)):
        policy = FollowPlan(programme(club(), gate=gate))
        spent = []
        for quarter in range(1, 5):
            policy.act(seen(quarter, level))
            spent.append(policy.delivered.running)
        assert spent[:2] == [250_000.0, 250_000.0]
        assert sum(spent) == pytest.approx(500_000 + kept / 2)
        [decision] = policy.decisions
        assert decision.name == ("go" if kept else "stop")
        assert decision.quarter == 3
        assert decision.amount == (0.0 if kept else 500_000.0)


def test_a_gate_on_a_measure_that_does_not_exist_yet_is_no_go():
    gate = Gate(after=1, conditions=(Condition("churn_annual", at_most=1.0),))
    policy = FollowPlan(programme(club(), gate=gate))
    policy.act(seen(1))
    policy.act(seen(2, float("nan")))
    assert policy.stopped


@pytest.mark.parametrize(
    ("condition", "levels", "expected"),
    [
        (Condition("churn", against=Against.START, at_most=0.1),
         {("churn", -1, 1): 0.22, ("churn", -1, 3): 0.20}, True),
        (Condition("churn", against=Against.START, at_most=0.05),
         {("churn", -1, 1): 0.22, ("churn", -1, 3): 0.20}, False),
        (Condition("value", segment="vip", over="ordinary", at_least=1.2),
         {("value", 2, 1): 1.3, ("value", 0, 1): 1.0}, True),
        (Condition("value", segment="vip", over="ordinary", at_least=1.2),
         {("value", 2, 1): 1.1, ("value", 0, 1): 1.0}, False),
    ],
)  # fmt: skip
def test_conditions_compare_with_the_start_or_with_another_segment(condition, levels, expected):
    assert holds([condition], seen(3, levels=levels), ["ordinary", "young", "vip"]) is expected


def test_a_review_moves_a_share_of_what_is_left_and_no_money_is_lost():
    other = Lever("care", "Care", half_saturation=1.0)
    rule = Rule("to_care", (LOW,), source="club", target="care", share=0.5)
    policy = FollowPlan(programme(club(), other, review=Review((rule,))))
    spends = []
    for quarter, level in enumerate((9.0, 9.0, 6.0, 9.0), 1):
        policy.act(seen(quarter, level))
        spends.append(dict(policy.delivered.spend))
    assert [spend["club"] for spend in spends] == [250_000, 250_000, 125_000, 125_000]
    assert [spend["care"] for spend in spends] == [250_000, 250_000, 375_000, 375_000]
    assert policy.decisions == [Decision(3, "review", "to_care", 250_000.0)]


def test_a_review_looks_only_when_it_is_due_and_can_save_money():
    rule = Rule("save", (LOW,), share=1.0)
    policy = FollowPlan(programme(club(), review=Review((rule,), every=2)))
    for quarter in range(1, 5):
        policy.act(seen(quarter, 6.0))
    assert [decision.quarter for decision in policy.decisions] == [3]
    assert policy.decisions[0].amount == 500_000.0
