"""From channels to the offer: signs, bounds, and nothing where nobody acts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.config.market import Brand, DimensionWeights, Market, Quality, Rate, Segment
from sim.config.rivals import Rival, Rivals
from sim.offer import Environment, Product, environment, make_offer, next_trust
from sim.traits import start_value
from sim.types import N_CHANNELS, Channel, RivalKind

QUIET = Environment(1.0, 0.0)
START_TRUST = 0.8
PER_BRAND = (
    "log_price", "promotion", "pull", "quality", "problem", "on_time", "stimulus", "awareness",
    "order_value", "voice", "buzz", "reputation", "start_value", "start_log_price", "start_pull",
)  # fmt: skip
MARKET = Market(
    name="m", title="m", currency="EUR", company_customers=1000, basket=10.0,
    brands=(
        Brand("ours", price=1.2, availability=0.9, problem=0.10, on_time=0.6,
              quality=Quality(functional=0.4, emotional=-0.2)),
        Brand("theirs", price=0.8),
    ),
    segments=(
        Segment("ordinary", share=0.6),
        Segment("young", share=0.4,
                dimensions=DimensionWeights(functional=0.5, emotional=0.5, social=0.0,
                                            economic=0.0)),
    ),
    expectation_drift=0.02,
    rate=Rate(season=(0.8, 1.0, 0.9, 1.3), growth=0.21),
)  # fmt: skip


def offer(trust: float = START_TRUST, times: Environment = QUIET, **channels: float):
    """Return the offer when our brand changes some channels."""
    change = np.zeros((2, N_CHANNELS, 2))
    for name, size in channels.items():
        change[0, Channel[name.upper()]] = size
    return make_offer(
        Product(MARKET), change, np.full((2, 2), trust), START_TRUST, times,
        start_value(MARKET), np.zeros(2, dtype=np.float32),
    )  # fmt: skip


def test_where_nobody_acts_the_offer_is_the_markets_own():
    found = offer()
    np.testing.assert_allclose(found.log_price, np.log([[1.2, 1.2], [0.8, 0.8]]), rtol=1e-6)
    np.testing.assert_array_equal(found.log_price, found.start_log_price)
    np.testing.assert_array_equal(found.promotion, 0.0)
    np.testing.assert_allclose(found.pull, np.log([[0.9, 0.9], [1.0, 1.0]]), rtol=1e-6)
    np.testing.assert_allclose(found.problem[0], 0.10)
    np.testing.assert_allclose(found.on_time[0], 0.60)
    np.testing.assert_array_equal(found.stimulus, 0.0)
    np.testing.assert_array_equal(found.awareness, 0.0)
    np.testing.assert_array_equal(found.order_value, 1.0)
    # .45 x .4 - .30 x .2 and .5 x .4 - .5 x .2
    np.testing.assert_allclose(found.quality, [[0.12, 0.10], [0.0, 0.0]], atol=1e-7)


def test_a_kernel_gets_float32_in_one_piece_for_every_brand_and_segment():
    found = offer(discount=0.1, stimulus=0.2)
    for name, values in found._asdict().items():
        assert values.dtype == np.float32, name
        assert values.flags["C_CONTIGUOUS"], name
        assert values.shape == ((2, 2) if name in PER_BRAND else (2,)), name


def test_a_discount_lowers_what_is_paid_but_not_the_usual_price():
    usual, reduced = offer(), offer(discount=0.25)
    np.testing.assert_allclose(np.exp(reduced.log_price[0] - usual.log_price[0]), 0.75, rtol=1e-6)
    np.testing.assert_allclose(reduced.promotion[0], -np.log(0.75), rtol=1e-6)
    np.testing.assert_array_equal(reduced.start_log_price, usual.start_log_price)
    np.testing.assert_array_equal(reduced.log_price[1], usual.log_price[1])


def test_a_price_change_is_no_promotion():
    found = offer(price=-0.25)
    np.testing.assert_allclose(np.exp(found.log_price[0]), 0.75 * 1.2, rtol=1e-6)
    np.testing.assert_array_equal(found.promotion, 0.0)


def test_an_offer_cannot_be_free_or_pay_the_customer():
    for extreme in (offer(discount=10.0), offer(price=-10.0), offer(availability=-10.0)):
        assert np.isfinite(extreme.log_price).all()
        assert np.isfinite(extreme.pull).all()
    np.testing.assert_array_equal(offer(discount=-0.5).log_price, offer().log_price)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (0.5, 0.8),  # half of the 40 late ones become timely
        (1.0, 1.0),
        (-0.5, 0.3),  # half of the 60 timely ones become late
        (-1.0, 0.0),
        (7.0, 1.0),
        (-7.0, 0.0),
    ],
)
def test_answers_come_in_time_or_late(change, expected):
    np.testing.assert_allclose(offer(on_time=change).on_time[0], expected, atol=1e-7)


@given(st.floats(-10, 10), st.floats(-10, 10))
def test_on_time_rises_with_the_channel(one, other):
    low, high = offer(on_time=min(one, other)).on_time[0], offer(on_time=max(one, other)).on_time[0]
    assert np.all((low >= 0) & (low <= high) & (high <= 1))


@pytest.mark.parametrize(
    ("change", "expected"), [(0.3, 0.07), (-1.0, 0.20), (1.0, 0.0), (5.0, 0.0), (-10.0, 1.0)]
)
def test_problems_are_avoided_or_added(change, expected):
    np.testing.assert_allclose(offer(problem=change).problem[0], expected, atol=1e-7)


def test_what_customers_expect_more_is_missing_from_quality():
    # Emotional quality of .2 more counts .30 and .50; match counts in full.
    np.testing.assert_allclose(offer(emotional=0.2).quality[0], [0.18, 0.20], atol=1e-6)
    np.testing.assert_allclose(offer(match=0.2).quality[0], [0.32, 0.30], atol=1e-6)
    later = offer(times=Environment(1.0, 0.05))
    np.testing.assert_allclose(later.quality, offer().quality - 0.05, atol=1e-6)


def test_who_is_not_trusted_cannot_court():
    np.testing.assert_allclose(offer(stimulus=0.2).stimulus[0], 0.2, rtol=1e-6)
    np.testing.assert_allclose(offer(trust=0.4, stimulus=0.2).stimulus[0], 0.1, rtol=1e-6)
    assert not offer(trust=0.0, stimulus=0.2).stimulus.any()
    np.testing.assert_allclose(offer(trust=0.4, stimulus=-0.2).stimulus[0], -0.2, rtol=1e-6)


@given(st.floats(0, 1), st.floats(0.01, 1), st.floats(0, 0.9))
def test_trust_returns_to_where_it_started(trust, start, recovery):
    after = np.array([trust])
    for _ in range(3):
        after = next_trust(after, start, recovery, np.zeros(1))
    expected = start + (trust - start) * (1.0 - recovery) ** 3
    assert after[0] == pytest.approx(expected)
    assert next_trust(np.array([start]), start, recovery, np.zeros(1))[0] == pytest.approx(start)


def test_a_breach_costs_trust_at_once_and_never_more_than_there_is():
    hurt = next_trust(np.array([0.8]), 0.8, 0.15, np.array([-0.3]))
    assert hurt[0] == pytest.approx(0.5 + 0.15 * 0.3)
    assert next_trust(np.array([0.8]), 0.8, 0.0, np.array([-5.0]))[0] == 0.0
    assert next_trust(np.array([0.8]), 0.8, 0.0, np.array([5.0]))[0] == 1.0


def test_the_times_by_hand():
    # Season repeats every four quarters, also before the plan; growth is 21% a year from quarter 1.
    assert environment(MARKET, 1).rate_factor == pytest.approx(0.8)
    assert environment(MARKET, 4).rate_factor == pytest.approx(1.3 * 1.21 ** (3 / 4))
    assert environment(MARKET, 9).rate_factor == pytest.approx(0.8 * 1.21**2)
    assert environment(MARKET, 0).rate_factor == pytest.approx(1.3 * 1.21 ** (-1 / 4))
    assert environment(MARKET, -3).rate_factor == pytest.approx(0.8 / 1.21)
    # Expectations stand still until the plan begins.
    assert environment(MARKET, -3).expectation == environment(MARKET, 0).expectation == 0.0
    assert environment(MARKET, 6).expectation == pytest.approx(0.12)
    np.testing.assert_allclose(offer(times=environment(MARKET, 9)).rate_factor, 0.8 * 1.21**2)


def test_bad_talk_of_the_town_counts_twice_the_good():
    """E101: a negative experience shared moves loyalty twice as much as a positive one."""
    good, bad = offer(buzz=0.1), offer(buzz=-0.1)
    np.testing.assert_allclose(good.buzz[0], 0.1, rtol=1e-6)
    np.testing.assert_allclose(bad.buzz[0], -0.1 * MARKET.learning.negativity, rtol=1e-6)
    assert not good.buzz[1].any()


def test_voices_are_a_share():
    usual = MARKET.word_of_mouth.voice
    np.testing.assert_allclose(offer(voice=0.5).voice[0], 1.5 * usual, rtol=1e-6)
    np.testing.assert_array_equal(offer(voice=9.0).voice[0], 1.0)
    np.testing.assert_array_equal(offer(voice=-2.0).voice[0], 0.0)


def test_what_is_nowhere_to_be_had_is_never_bought():
    assert np.all(offer(availability=-1.0).pull[0] < -20)
    rivals = Rivals("r", "r", brands={"theirs": Rival(RivalKind.ENTER, quarter=3)})
    start = Product(MARKET, rivals).start_pull
    assert np.all(start[0] == 0.0)
    assert np.all(start[1] < -20)
