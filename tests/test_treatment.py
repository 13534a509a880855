"""What single customers are promised: tiers, incentives within their limit, offers by level."""

from __future__ import annotations

import numpy as np
import pytest

from sim.config.lever import Lever
from sim.config.membership import Membership, Tier
from sim.config.warning import Rescue, SaveOffer
from sim.errors import ConfigError
from sim.kernels.layout import GREEN, N_LEVELS, N_TIERS, RED, YELLOW
from sim.treatment import Segments, make_promise, no_promise

TIERS = (
    Tier("silver", spend=0, earning=0.01, quality=0.1),
    Tier("gold", spend=500, earning=0.02, quality=0.2, stimulus=0.01, incentive=10.0),
)


SHARES = np.array([0.75, 0.25])
PRICE = np.array([5.0, 2.0])


def promise(*, felt=0.5, margin=None, warned=(0.1, 0.05), reach=(0.4, 0.8), **given):
    """Return what one lever promises two segments."""
    lever = Lever("club", "Club", half_saturation=1.0, **given)
    reached = {"club": np.array(reach)}
    about = Segments(SHARES, PRICE)
    return make_promise({"club": lever}, {"club": felt}, reached, warned, margin, 100.0, about)


def margins(gold: float) -> np.ndarray:
    values = np.full(N_TIERS, np.inf)
    values[2] = gold
    return values


def standing(tier: int, level: int) -> int:
    return tier * N_LEVELS + level


def test_a_lever_without_membership_or_offers_promises_nothing():
    for made, none in zip(promise().treatment, no_promise(2, 100.0).treatment, strict=True):
        np.testing.assert_array_equal(made, none)


def test_members_get_what_their_tier_gives_at_the_strength_of_the_lever():
    made = promise(membership=Membership(TIERS)).treatment
    np.testing.assert_allclose(made.tier_from, [0, 500])
    np.testing.assert_allclose(made.enrolment, [0.4, 0.8])
    np.testing.assert_allclose(made.earning[:3], [0, 0.01, 0.02])
    for level in (GREEN, YELLOW, RED):
        np.testing.assert_allclose(made.quality[standing(0, level)], 0)
        np.testing.assert_allclose(made.quality[standing(1, level)], 0.05)
        np.testing.assert_allclose(made.quality[standing(2, level)], 0.10)
        np.testing.assert_allclose(made.stimulus[standing(2, level)], 0.005)


def test_points_are_felt_as_the_price_cut_that_they_are_half_worth():
    club = Membership((Tier("member", spend=0, earning=0.1),), salience=0.5)
    pull = promise(membership=club).treatment.pull[standing(1, GREEN)]
    np.testing.assert_allclose(pull, -PRICE * np.log(0.95), rtol=1e-6)
    blind = Membership((Tier("member", spend=0, earning=0.1),), salience=0.0)
    assert not promise(membership=blind).treatment.pull.any()


@pytest.mark.parametrize(("margin", "paid"), [(100.0, 1.0), (10.0, 0.4), (0.0, 0.0), (-5.0, 0.0)])
def test_incentives_stay_within_their_share_of_value_and_so_does_what_they_do(margin, paid):
    club = Membership(TIERS, incentive_cap=0.2)
    made = promise(membership=club, margin=margins(margin))  # 5 a quarter at half strength
    assert made.incentive[2] == pytest.approx(5.0 * paid)
    assert made.incentive[2] <= max(0.2 * margin, 0.0) or paid == 1.0
    np.testing.assert_allclose(made.treatment.quality[standing(2, GREEN)], 0.1 * paid, rtol=1e-6)
    np.testing.assert_allclose(made.treatment.quality[standing(1, GREEN)], 0.05, rtol=1e-6)


def test_red_comes_first_and_nobody_is_served_twice():
    offer = SaveOffer(Rescue(pull=0.3, cost=2), Rescue(pull=0.9, cost=8), capacity=0.2)
    made = promise(save_offer=offer, reach=(1.0, 1.0))  # 0.1 of customers can be served
    np.testing.assert_allclose(made.treatment.coverage, [0, 0.5, 1.0])  # red .05, then yellow .05
    one = promise(save_offer=offer, reach=(0.0, 1.0))  # in a quarter of the market: 0.025
    np.testing.assert_allclose(one.treatment.coverage, [0, 0.0, 0.5])
    scarce = promise(save_offer=offer, reach=(1.0, 1.0), warned=(0.1, 0.4))
    np.testing.assert_allclose(scarce.treatment.coverage, [0, 0.0, 0.25])
    np.testing.assert_allclose(made.rescue_cost, [0, 2, 8])
    for tier in range(N_TIERS):
        pulls = [made.treatment.pull[standing(tier, level), 0] for level in range(N_LEVELS)]
        np.testing.assert_allclose(pulls, [0, 0.3, 0.9])


def test_tiers_out_of_order_are_refused():
    with pytest.raises(ConfigError, match=r"'silver' at 500.*rising spend"):
        Membership((Tier("silver", spend=500), Tier("gold", spend=100)))
    with pytest.raises(ConfigError, match="1 to 8 tiers"):
        Membership(())
