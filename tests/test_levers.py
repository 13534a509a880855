"""From money to channels: saturation, carry-over, build time, reach; where money is booked."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.config.lever import Cost, Diffusion, Effect, Lever
from sim.config.market import Brand, Journey, Market, Segment
from sim.config.plan import Phase, Plan
from sim.config.rollout import Rollout, Wave
from sim.errors import ConfigError
from sim.levers import LeverQuarter, Programme, Situation
from sim.types import N_CHANNELS, Channel, Touchpoint

# 1,000 customers: 600 ordinary, 400 young.
MARKET = Market(
    name="m", title="m", currency="EUR", company_customers=1000, basket=10.0,
    brands=(Brand("ours"), Brand("theirs")),
    segments=(Segment("ordinary", share=0.6), Segment("young", share=0.4)),
)  # fmt: skip


def lever(name: str = "club", **change) -> Lever:
    """Return a lever of half strength at 2 a head that adds 0.3 to emotional quality."""
    usual = {"half_saturation": 2.0, "carry_over": 0.0,
             "effects": (Effect(Channel.EMOTIONAL, 0.3),)}  # fmt: skip
    return Lever(name, name, **(usual | change))


def run(levers: list[Lever], *phases: Phase, n: int = 6, overhead: float = 0.0):
    """Return what a plan's levers deliver in its first quarters."""
    plan = Plan("p", "p", phases=phases, overhead=overhead)
    programme = Programme(plan, {lever.name: lever for lever in levers}, MARKET)
    return [programme.advance(Situation(quarter)) for quarter in range(1, n + 1)]


def emotional(delivered: LeverQuarter) -> np.ndarray:
    return delivered.channels[Channel.EMOTIONAL]


def money(delivered: LeverQuarter) -> float:
    return delivered.capital + delivered.staff + delivered.running


def stock(strength: float, lever: Lever) -> float:
    """Return the money a head at which a lever has this strength (Hill, inverted)."""
    return lever.half_saturation * (strength / (1.0 - strength)) ** (1.0 / lever.hill)


COSTLY = Cost(capital_share=0.5, staff_share=0.2, upkeep=0.1, reward_rate=0.02, per_member=3.0)


@pytest.mark.parametrize("spend", [{}, {"club": 0.0}])
def test_no_money_does_nothing_and_costs_nothing_exactly(spend):
    for delivered in run([lever(cost=COSTLY)], Phase("all", (1, 6), spend)):
        assert np.all(delivered.channels == 0.0)
        assert money(delivered) == 0.0
        assert np.all(delivered.reward_rate == 0.0)
        assert np.all(delivered.member_cost == 0.0)
        assert all(strength == 0.0 for strength in delivered.strength.values())


def test_nothing_happens_before_the_first_money():
    quarters = run([lever(cost=COSTLY)], Phase("late", (4, 5), {"club": 4000.0}))
    for delivered in quarters[:3]:
        assert not delivered.channels.any()
        assert money(delivered) == 0.0
    assert quarters[3].strength["club"] == 0.5


@pytest.mark.parametrize("hill", [0.5, 1.0, 3.0])
def test_half_saturation_is_half_strength_whatever_the_slope(hill):
    [delivered] = run([lever(hill=hill)], Phase("one", (1, 1), {"club": 2000.0}), n=1)
    assert delivered.strength["club"] == pytest.approx(0.5)
    np.testing.assert_allclose(emotional(delivered), 0.15)
    others = [c for c in Channel if c is not Channel.EMOTIONAL]
    assert delivered.channels.shape == (N_CHANNELS, 2)
    assert not delivered.channels[others].any()


def test_hill_by_hand():
    # Three times half saturation, squared: 9 / (9 + 1).
    [delivered] = run([lever(hill=2.0)], Phase("one", (1, 1), {"club": 6000.0}), n=1)
    assert delivered.strength["club"] == pytest.approx(0.9)


@given(st.floats(1, 1e9), st.floats(1.01, 100), st.floats(0.1, 10))
def test_more_money_does_more_but_never_more_than_everything(spend, factor, hill):
    def strength(amount: float) -> float:
        phase = Phase("one", (1, 1), {"club": amount})
        return run([lever(hill=hill)], phase, n=1)[0].strength["club"]

    assert 0.0 <= strength(spend) <= strength(spend * factor) <= 1.0


def test_the_stock_fades_geometrically():
    club = lever(carry_over=0.6, hill=1.7)
    quarters = run([club], Phase("one", (1, 1), {"club": 5000.0}))
    stocks = [stock(delivered.strength["club"], club) for delivered in quarters]
    np.testing.assert_allclose(stocks, 5.0 * 0.6 ** np.arange(6), rtol=1e-9)


def test_steady_money_builds_a_geometric_series():
    club = lever(carry_over=0.5)
    quarters = run([club], Phase("all", (1, 6), {"club": 6000.0}))  # 1 a head and quarter
    stocks = [stock(delivered.strength["club"], club) for delivered in quarters]
    np.testing.assert_allclose(stocks, 2.0 * (1.0 - 0.5 ** np.arange(1, 7)))


def test_build_time_is_a_ramp_from_the_first_money():
    slow = lever(build_quarters=3)
    quarters = run([slow], Phase("late", (2, 6), {"club": 10_000.0}))
    strengths = [delivered.strength["club"] for delivered in quarters]
    # Half saturation in each quarter; ready by a quarter more each time.
    np.testing.assert_allclose(strengths, [0, 0.125, 0.25, 0.375, 0.5, 0.5])


def test_a_pause_is_no_second_start():
    slow = lever(build_quarters=1)
    first, second = Phase("a", (1, 2), {"club": 4000.0}), Phase("b", (5, 5), {"club": 2000.0})
    strengths = [delivered.strength["club"] for delivered in run([slow], first, second)]
    np.testing.assert_allclose(strengths, [0.25, 0.5, 0.0, 0.0, 0.5, 0.0])


def test_reach_parts_effect_and_money():
    # Only the young are reached, 400 people: 800 is 2 a head for them, half strength.
    club = lever(reach=0.0, reach_by_segment={"young": 1.0}, cost=COSTLY)
    [delivered] = run([club], Phase("one", (1, 1), {"club": 800.0}), n=1)
    assert delivered.strength["club"] == pytest.approx(0.5)
    np.testing.assert_allclose(emotional(delivered), [0.0, 0.15])
    np.testing.assert_allclose(delivered.reward_rate, [0.0, 0.01])
    np.testing.assert_allclose(delivered.member_cost, [0.0, 1.5])


def test_a_segment_reached_in_part_feels_a_part():
    # 0.5 of 600 and 0.25 of 400 are 400 people.
    club = lever(reach=0.5, reach_by_segment={"young": 0.25})
    [delivered] = run([club], Phase("one", (1, 1), {"club": 800.0}), n=1)
    np.testing.assert_allclose(emotional(delivered), [0.3 * 0.5 * 0.5, 0.3 * 0.5 * 0.25])


def test_a_lever_that_reaches_nobody_does_nothing_and_still_costs():
    [delivered] = run([lever(reach=0.0)], Phase("one", (1, 1), {"club": 800.0}), n=1)
    assert not delivered.channels.any()
    assert money(delivered) == 800.0


def test_effects_differ_by_segment_and_add_up():
    club = lever(
        effects=(
            Effect(Channel.MATCH, 0.2, segments={"young": 1.5}),
            Effect(Channel.MATCH, 0.1, segments={"ordinary": -1.0}),
        )
    )
    [delivered] = run([club], Phase("one", (1, 1), {"club": 2000.0}), n=1)
    np.testing.assert_allclose(delivered.channels[Channel.MATCH], [0.1 - 0.05, 0.15 + 0.05])


def test_levers_strengthen_and_undermine():
    def felt(gain: float) -> float:
        levers = [lever(), lever("people", effects=(), strengthens={"club": gain})]
        phase = Phase("one", (1, 1), {"club": 2000.0, "people": 2000.0})
        return float(emotional(run(levers, phase, n=1)[0])[0])

    assert felt(0.0) == pytest.approx(0.15)
    assert felt(0.8) == pytest.approx(0.15 * 1.4)  # at half strength, half of the gain
    assert felt(-0.8) == pytest.approx(0.15 * 0.6)


def test_undermining_takes_away_all_but_no_more():
    two = [lever(n, effects=(), strengthens={"club": -1.0}) for n in ("robot", "script")]
    budget = {"club": 2000.0, "robot": 1e9, "script": 1e9}
    [delivered] = run([lever(), *two], Phase("one", (1, 1), budget), n=1)
    assert np.all(emotional(delivered) == 0.0)
    assert delivered.strength["club"] == 0.5, "its own strength is what was paid for"


def test_money_is_booked_once():
    club = lever(carry_over=0.5, cost=COSTLY)
    quarters = run([club], Phase("two", (1, 2), {"club": 8000.0}), n=4, overhead=70.0)
    # 4,000 are paid in each of two quarters; the stock carried is 0, 2,000, 3,000 and 1,500.
    carried = [0.0, 2000.0, 3000.0, 1500.0]
    spend = [4000.0, 4000.0, 0.0, 0.0]
    for delivered, paid, kept in zip(quarters, spend, carried, strict=True):
        assert delivered.capital == pytest.approx(0.5 * paid)
        assert delivered.staff == pytest.approx(70.0 + 0.2 * paid)
        assert delivered.running == pytest.approx(0.3 * paid + 0.1 * kept)
        assert money(delivered) == pytest.approx(70.0 + paid + 0.1 * kept)


def test_money_cannot_be_booked_twice():
    """Capital and staff of more than the spend would leave a negative running cost."""
    with pytest.raises(ConfigError):
        Cost(capital_share=0.8, staff_share=0.4)


budgets = st.dictionaries(st.sampled_from(["club", "people"]), st.floats(0, 1e9))


@given(
    st.lists(st.tuples(st.integers(1, 8), st.integers(0, 4), budgets), min_size=1, max_size=4),
    st.floats(0, 1e6),
)
def test_a_plan_spends_what_its_phases_say(drawn, overhead):
    phases = [
        Phase(f"phase {k}", (first, first + more), spend)
        for k, (first, more, spend) in enumerate(drawn)
    ]
    quarters = run([lever(), lever("people")], *phases, n=12, overhead=overhead)
    expected = sum(sum(phase.spend.values()) for phase in phases) + 12 * overhead
    assert sum(map(money, quarters)) == pytest.approx(expected)


def test_a_programme_keeps_its_own_stock():
    plan = Plan("p", "p", phases=(Phase("one", (1, 1), {"club": 2000.0}),))
    programme = Programme(plan, {"club": lever(carry_over=0.5)}, MARKET)
    first = programme.advance(Situation(1))
    kept = first.channels.copy()
    again = Programme(plan, {"club": lever(carry_over=0.5)}, MARKET).advance(Situation(1))
    programme.advance(Situation(2))
    np.testing.assert_array_equal(first.channels, kept)
    np.testing.assert_array_equal(again.channels, kept)


# --- side effects, spread and waves --------------------------------------------------------------


def test_an_effect_is_undone_as_far_as_another_lever_is_there():
    harm = Effect(Channel.EMOTIONAL, -0.3, without=("people",))
    machine, people = lever("machine", effects=(harm,)), lever("people", effects=())
    alone = Phase("one", (1, 1), {"machine": 2000.0})
    both = Phase("one", (1, 1), {"machine": 2000.0, "people": 6000.0})
    [harmed] = run([machine, people], alone, n=1)
    [mended] = run([machine, people], both, n=1)
    np.testing.assert_allclose(emotional(harmed), -0.15)
    np.testing.assert_allclose(emotional(mended), -0.15 * (1 - 0.75))  # people: 6 / (6 + 2)


def test_trust_is_lost_by_those_who_care_for_privacy():
    segments = (Segment("ordinary", share=0.6, privacy=0.5), Segment("young", share=0.4, privacy=2))
    pushy = lever(effects=(Effect(Channel.TRUST, -0.2), Effect(Channel.TRUST, 0.1)))
    plan = Plan("p", "p", phases=(Phase("one", (1, 1), {"club": 2000.0}),))
    programme = Programme(plan, {"club": pushy}, replace(MARKET, segments=segments))
    trust = programme.advance(Situation(1)).channels[Channel.TRUST]
    np.testing.assert_allclose(trust, 0.5 * np.array([-0.2 * 0.5 + 0.1, -0.2 * 2 + 0.1]))


def journey(*effects: Effect, **change) -> LeverQuarter:
    """Return what one lever at full strength gives in a market whose touchpoints must fit."""
    market = replace(MARKET, journey=Journey(inconsistency=0.1, **change))
    plan = Plan("p", "p", phases=(Phase("one", (1, 1), {"club": 2e12}),))
    [programme] = [Programme(plan, {"club": lever(effects=effects)}, market)]
    return programme.advance(Situation(1))


def test_a_touchpoint_counts_by_its_weight_and_all_of_them_as_stated():
    everywhere = journey(Effect(Channel.EMOTIONAL, 0.2))
    np.testing.assert_allclose(emotional(everywhere), 0.2)
    np.testing.assert_allclose(everywhere.channels[Channel.TRUST], 0.0, atol=1e-12)
    total = 0.42 + 0.29 + 0.76 + 0.38 + 0.17
    in_use = journey(Effect(Channel.EMOTIONAL, 0.2, touchpoint=Touchpoint.USE))
    np.testing.assert_allclose(emotional(in_use), 0.2 * 5 * 0.76 / total)
    each = [Effect(Channel.EMOTIONAL, 0.2, touchpoint=t) for t in
            (Touchpoint.COGNITION, Touchpoint.DECISION, Touchpoint.USE, Touchpoint.AFTER_SALES,
             Touchpoint.SHARING)]  # fmt: skip
    all_five = journey(*each)
    np.testing.assert_allclose(emotional(all_five), 5 * 0.2)
    np.testing.assert_allclose(all_five.channels[Channel.TRUST], 0.0, atol=1e-12)


def test_touchpoints_that_do_not_fit_together_cost_trust_unless_they_are_evened_out():
    share = 0.76 / (0.42 + 0.29 + 0.76 + 0.38 + 0.17)
    spread = 0.2 * np.sqrt(share * (1 - share))  # of a Bernoulli with that weight
    torn = journey(Effect(Channel.EMOTIONAL, 0.2, touchpoint=Touchpoint.USE))
    np.testing.assert_allclose(torn.channels[Channel.TRUST], -0.1 * spread)
    np.testing.assert_allclose(torn.breaks, spread)
    evened = journey(Effect(Channel.EMOTIONAL, 0.2, touchpoint=Touchpoint.USE),
                     Effect(Channel.CONSISTENCY, 1.0))  # fmt: skip
    np.testing.assert_allclose(evened.channels[Channel.TRUST], 0.0, atol=1e-9)


def test_a_community_grows_along_an_s_curve():
    grows = lever(diffusion=Diffusion(innovation=0.02, imitation=0.6), carry_over=1.0)
    quarters = run([grows], Phase("one", (1, 1), {"club": 2e12}), n=24)
    size = np.array([emotional(quarter)[0] for quarter in quarters]) / 0.3
    taken = 0.0
    for now in size:  # Bass by hand
        taken += (0.02 + 0.6 * taken) * (1 - taken)
        assert now == pytest.approx(taken, rel=1e-6)
    growth = np.diff(size)
    assert 2 < growth.argmax() < 12
    assert size[-1] > 0.95


def test_waves_bring_a_lever_to_one_segment_after_the_other():
    waves = (Wave("pilot", segments={"young": 1.0}, quarter=1, weeks=0),
             Wave("all", share=1.0, segments={"young": 0.0}, quarter=3, weeks=0))  # fmt: skip
    plan = Plan("p", "p", phases=(Phase("all", (1, 4), {"club": 8000.0}),),
                rollout=Rollout(waves=waves))  # fmt: skip
    programme = Programme(plan, {"club": lever()}, MARKET)
    ready = [programme.advance(Situation(q)).ready["club"].tolist() for q in range(1, 5)]
    assert ready == [[0, 1], [0, 1], [1, 1], [1, 1]]


def test_what_was_stopped_neither_spends_nor_spreads():
    waves = (Wave("pilot", share=0.2, weeks=0), Wave("rest", share=0.8, quarter=3, weeks=0))
    plan = Plan("p", "p", phases=(Phase("all", (1, 4), {"club": 8000.0}),), overhead=10.0,
                rollout=Rollout(waves=waves))  # fmt: skip
    programme = Programme(plan, {"club": lever()}, MARKET)
    for quarter in (1, 2):
        programme.advance(Situation(quarter))
    assert programme.stop(3) == 4000.0
    last = programme.advance(Situation(3))
    np.testing.assert_allclose(last.ready["club"], 0.2)
    assert money(last) == 0.0
    assert not last.channels.any()  # nothing carries over here
