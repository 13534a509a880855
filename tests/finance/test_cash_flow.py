"""The cash flow of a small market whose money can be recomputed from its customers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from sim.config.finance import Finance
from sim.config.lever import Cost, Effect, Lever
from sim.config.load import load
from sim.config.membership import Membership, Tier
from sim.config.plan import Phase, Plan
from sim.config.study import Config
from sim.config.warning import Rescue, SaveOffer
from sim.errors import ConfigError
from sim.finance.cash_flow import COMPONENTS, SPEND, cash_flow, customer_scale
from sim.kernels import layout as at
from sim.measures.history import History
from sim.model import LoyaltyModel
from sim.types import Channel

BASKET = 100.0
MARGIN = 0.25
COMPANY = 30_000
MONEY = Finance(
    name="f", title="f", gross_margin=MARGIN, discount_rate=0.1, keeping_cost=8.0,
    acquisition_ratio=5.0, contact_cost=3.0,
)  # fmt: skip
# Half effect at 2 a head, and no memory: 60,000 a quarter is half strength for 30,000 customers.
LEVERS = {
    "sale": Lever("sale", "A sale", half_saturation=2.0, carry_over=0.0,
                  effects=(Effect(Channel.DISCOUNT, 0.4),)),
    "club": Lever("club", "A club", half_saturation=2.0, carry_over=0.5, reach=1.0,
                  cost=Cost(capital_share=0.5, staff_share=0.2, upkeep=0.1, reward_rate=0.04,
                            per_member=3.0)),
}  # fmt: skip
TODAY = Plan("today", "Today")
SALE = Plan("sale", "A sale", phases=(Phase("only", (1, 3), {"sale": 180_000.0}),))
CLUB = Plan("club", "A club", phases=(Phase("only", (1, 3), {"club": 180_000.0}),), overhead=700.0)


@pytest.fixture(scope="module")
def config() -> Config:
    """Nobody leaves and every order is worth 100, so money is a count of purchases."""
    loaded = load(
        "retail_three_phase",
        [
            "customers=3000", "quarters=3", "burn_in=5", "plan=today",
            f"market.basket={BASKET}", f"market.company_customers={COMPANY}",
            "market.spread.basket=0", "market.segments.vip.basket=1",
            "market.leaving.alpha=0.01", "market.leaving.beta=10000",
        ],
    )  # fmt: skip
    return replace(loaded, lever=LEVERS, plan=TODAY, baseline=TODAY, finance=MONEY)


@pytest.fixture(scope="module")
def burnt_in(config) -> LoyaltyModel:
    return LoyaltyModel(config, collect=False).burn_in()


def live(burnt_in: LoyaltyModel, plan: Plan):
    """Return the flows of a plan, and the purchases, people and events counted on the way."""
    model = burnt_in.fork(plan)
    columns = model.population.columns
    counted = []
    while model.running:
        model.step()
        flow = model.records[-1].flow[-1, 0]
        counted.append(
            {
                "purchases": model.records[-1].switching[-1, :, 0].sum(),
                "flow": flow[at.PURCHASES],
                "customers": np.sum(columns.history[0] & 0b1111 > 0),
                "newcomers": np.sum(columns.history[0] == 1),
                "contacts": flow[at.CONTACTS],
            }
        )
    history = History(model.records, model.config.market)
    scale = customer_scale(history)
    table = pd.DataFrame(cash_flow(history, model.records, plan, MONEY, scale))
    return table, {key: np.array([c[key] for c in counted]) for key in counted[0]}, scale


def test_a_simulated_customer_stands_for_its_share_of_the_company(burnt_in):
    simulated = np.sum(burnt_in.population.columns.history[0] & 0b1111 > 0)
    assert customer_scale(burnt_in.history()) == pytest.approx(COMPANY / simulated)


def test_money_is_what_the_customers_did(burnt_in):
    table, counted, scale = live(burnt_in, TODAY)
    assert list(table["quarter"]) == [1, 2, 3]
    assert np.all(table["phase"] == "")
    # Everybody has bought before, so every purchase is a switch from some brand to the focal one,
    # apart from the first purchase of somebody's life.
    assert np.all(np.abs(counted["purchases"] - counted["flow"]) <= counted["newcomers"])
    expected = {
        "revenue": counted["flow"] * BASKET,
        "cost_of_goods": -counted["flow"] * BASKET * (1 - MARGIN),
        "acquisition_cost": -counted["newcomers"] * 5.0 * 8.0,
        "service_cost": -(counted["customers"] * 8.0 / 4 + counted["contacts"] * 3.0),
    }
    for name, values in expected.items():
        np.testing.assert_allclose(table[name], values * scale, rtol=1e-5, err_msg=name)
        assert np.all(table[name] != 0), f"{name} is not tried"
    for name in ("reward_cost", *SPEND):
        assert np.all(table[name] == 0), f"{name} without a plan"


@pytest.mark.parametrize("plan", [TODAY, SALE, CLUB], ids=lambda plan: plan.name)
def test_components_sum_to_net(burnt_in, plan):
    table, _, _ = live(burnt_in, plan)
    by_hand = [sum(row[name] for name in COMPONENTS) for _, row in table.iterrows()]
    np.testing.assert_allclose(table["net"], by_hand)
    assert set(table.columns) == {"quarter", "phase", "net", "points_liability", *COMPONENTS}


def test_a_discount_comes_out_of_the_margin(burnt_in):
    table, counted, scale = live(burnt_in, SALE)
    usual = counted["flow"] * BASKET * scale
    # Half strength of 40% off: 80 are paid for goods that cost 75.
    np.testing.assert_allclose(table["revenue"], 0.80 * usual, rtol=1e-5)
    np.testing.assert_allclose(table["cost_of_goods"], -0.75 * usual, rtol=1e-5)
    np.testing.assert_allclose(table["lever_running"], -60_000.0)
    assert np.all(table["phase"] == "only")


def test_a_clubs_costs_by_hand(burnt_in):
    table, counted, scale = live(burnt_in, CLUB)
    # The stock is 60, 90 and 105 thousand, so strength is 1/2, 3/5 and 7/11.
    strength = np.array([1 / 2, 3 / 5, 7 / 11])
    carried = np.array([0.0, 30_000.0, 45_000.0])
    np.testing.assert_allclose(table["lever_capital"], -30_000.0)
    np.testing.assert_allclose(table["staff"], -(12_000.0 + 700.0))
    members = 3.0 * strength * counted["customers"] * scale
    np.testing.assert_allclose(table["lever_running"], -(18_000.0 + 0.1 * carried + members))
    np.testing.assert_allclose(table["reward_cost"], -0.04 * strength * table["revenue"])


def test_a_company_without_customers_cannot_be_scaled(burnt_in):
    records = [replace(r, history=np.zeros_like(r.history)) for r in burnt_in.records]
    with pytest.raises(ConfigError, match="burn_in"):
        customer_scale(History(records, burnt_in.config.market))


@pytest.mark.parametrize("short", [0, 1, 3])
def test_a_burn_in_shorter_than_the_lapse_window_is_refused(config, short):
    """Who bought within a year is known only after a year; a smaller count inflates the scale."""
    with pytest.raises(ConfigError, match="burn_in"):
        replace(config, burn_in=short)


# --- memberships and offers against leaving ------------------------------------------------------

MEMBERS = Membership(
    tiers=(Tier("silver", spend=0.0, earning=0.02),
           Tier("gold", spend=400.0, earning=0.04, incentive=5.0)),
    redemption=0.5, expiry=0.1, incentive_cap=1.0, fee=2.0, partner_share=0.25,
)  # fmt: skip
SAVE = SaveOffer(Rescue(cost=4.0), Rescue(cost=9.0), capacity=0.05)


def club_run(config, burnt_in, **given) -> tuple[LoyaltyModel, pd.DataFrame, float]:
    """Return a run whose only lever, at nearly full strength from the start, is the one given."""
    club = Lever("club", "A club", half_saturation=1e-6, carry_over=1.0, **given)
    plan = Plan("members", "Members", phases=(Phase("only", (1, 3), {"club": 3e6}),))
    lever = replace(burnt_in.config, lever={"club": club})
    model = burnt_in.fork(plan, lever)
    while model.running:
        model.step()
    history = model.history()
    scale = customer_scale(history)
    return model, pd.DataFrame(cash_flow(history, model.records, plan, MONEY, scale)), scale


def test_points_are_a_debt_until_they_are_redeemed_or_expire(config, burnt_in):
    model, table, scale = club_run(config, burnt_in, membership=MEMBERS)
    lived = [record.club[-1] * scale for record in model.records if record.quarter >= 1]
    balance = 0.0
    for club, owed in zip(lived, table["points_liability"], strict=True):
        balance += club[at.ISSUED] - club[at.REDEEMED] - club[at.EXPIRED]
        assert owed == pytest.approx(0.75 * balance, rel=1e-4)
    assert lived[0][at.ISSUED] == 0  # who joins with a purchase earns from the next one on
    assert lived[1][at.ISSUED] > 0
    assert lived[2][at.REDEEMED] > 0


def test_rewards_are_paid_when_redeemed_partners_pay_their_part_and_debts_are_settled(
    config, burnt_in
):
    model, table, scale = club_run(config, burnt_in, membership=MEMBERS)
    last = len(table) - 1
    for place, record in enumerate(r for r in model.records if r.quarter >= 1):
        members = record.tiers[-1].sum(axis=0) * scale
        club = record.club[-1] * scale
        incentive = record.delivered.promise.incentive
        owed = club[at.REDEEMED] + incentive @ members
        if place == last:
            gone = club[at.REDEEMED] + club[at.EXPIRED]
            owed += club[at.POINTS] * club[at.REDEEMED] / gone
        assert table["reward_cost"][place] == pytest.approx(-0.75 * owed)
        assert table["membership_fees"][place] == pytest.approx(2.0 * members[1:].sum())
    gold = model.records[-1].delivered.promise.incentive[2]
    assert 4.9 < gold <= 5.0  # the cap is far: members are worth more


def test_offers_cost_what_each_costs_and_never_exceed_the_capacity(config, burnt_in):
    model, table, scale = club_run(config, burnt_in, save_offer=SAVE)
    for place, record in enumerate(r for r in model.records if r.quarter >= 1):
        yellow, red = record.club[-1, [at.CARED_YELLOW, at.CARED_RED]]
        assert table["save_offer_cost"][place] == pytest.approx(-scale * (4 * yellow + 9 * red))
        customers = record.warned[-1].sum()
        # Whom the company can reach is drawn per person: three standard errors of that.
        most = 0.05 * customers
        assert yellow + red <= most + 3 * np.sqrt(most)
    assert table["save_offer_cost"].sum() < 0
