"""What the focal brand keeps of each customer: points, tiers, warnings, and how good they were."""

# ruff: noqa: PLW0108 - the lambda is what Numba keeps on disk; what it wraps is always inlined.

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numba import njit
from worlds import Scene, make_market, make_scene, random_treatment, shake

from sim.config.market import Rate, Service
from sim.kernels import layout as at
from sim.kernels import relationship
from sim.kernels.layout import RED, YELLOW, Columns, Treatment
from sim.measures.record import add_tallies
from sim.traits import no_treatment
from sim.types import MarketKind

rhythm_of = njit(cache=True)(lambda past, prior: relationship.purchase_rhythm(past, prior))
trend_of = njit(cache=True, error_model="numpy")(
    lambda spend, year: relationship.spend_trend(spend, year)
)
tier_of = njit(cache=True)(lambda spend, tier_from: relationship.tier_of(spend, tier_from))
warned_for = njit(cache=True)(lambda warnings: relationship.quarters_warned(warnings))
score_of = njit(cache=True)(
    lambda score, overdue, rhythm, trend, unhappy, complaint: relationship.warning_score(
        score, overdue, rhythm, trend, unhappy, complaint
    )
)


def overdue(past: int, prior: float) -> float:
    """Return quarters since the last purchase in units of the customer's own interval."""
    recency, rhythm = rhythm_of(past, prior)
    return recency * rhythm


KINDS = pytest.mark.parametrize("kind", MarketKind)
WHO_THEY_ARE = set(Columns._fields) - {"tier", "care", "points"}


def busy_scene(n: int = 3000, kind: MarketKind = MarketKind.REPERTOIRE) -> Scene:
    """Return people with mixed pasts, tiers and points."""
    scene = make_scene(n, make_market(kind=kind))
    shake(scene.population, np.random.default_rng(5))
    return scene


def silent_scene(n: int = 400) -> Scene:
    """Return people who bought the focal brand, for the first time, in quarter 0, and never again.

    They spent before as much a quarter as they had spent then.
    """
    scene = make_scene(n, make_market(rate=Rate(mean=1e-4)))
    scene.traits = scene.traits._replace(rate_persistence=1.0)
    columns = scene.population.columns
    columns.rate[:] = 0.0
    columns.history[:] = 1
    columns.first_purchase[:] = 0
    columns.trailing_spend[:] = 4.0 * columns.basket
    return scene


def some_club(scene: Scene, **change) -> Treatment:
    """Return a membership of three tiers that gives points and nothing else."""
    club = no_treatment(scene.shape[1])._replace(
        enrolment=np.full(scene.shape[1], 0.6, np.float32),
        tier_from=np.array([0.0, 500.0, 2000.0], np.float32),
        earning=np.array([0, 0.01, 0.02, 0.05, 0, 0, 0, 0, 0], np.float32),
        redemption=0.4,
        expiry=0.05,
    )
    return club._replace(**change)


def rescuers(scene: Scene, yellow: float, red: float) -> Treatment:
    """Return offers to shares of the warned."""
    return no_treatment(scene.shape[1])._replace(coverage=np.array([0, yellow, red], np.float32))


# --- points and tiers ----------------------------------------------------------------------------


@KINDS
def test_points_are_redeemed_expire_or_are_still_owed(kind):
    """Issued = redeemed + expired + change of what is owed, also when customers leave."""
    scene = busy_scene(kind=kind)
    columns = scene.population.columns
    rng = np.random.default_rng(2)
    for quarter in range(6):
        before = columns.points.sum(dtype=np.float64)
        treatment = random_treatment(rng, scene.shape[1], 1000.0)
        tally = scene.live(scene.offer(), quarter, treatment=treatment)[0]
        issued, redeemed, expired, owed = tally.club[:, : at.POINTS + 1].sum(axis=0)
        assert owed == pytest.approx(columns.points.sum(dtype=np.float64), rel=1e-9)
        assert min(issued, redeemed, expired) > 0
        assert issued == pytest.approx(redeemed + expired + owed - before, rel=1e-5)
        assert columns.points.min() >= 0
    assert tally.category[:, at.LEFT].sum() > 0


def test_points_of_those_who_leave_expire():
    scene = busy_scene()
    columns = scene.population.columns
    columns.leaving_logit[:] = 60.0
    columns.points[:] = 10.0
    club = some_club(scene, redemption=0.0, expiry=0.0, earning=np.zeros(at.N_TIERS, np.float32))
    tally = scene.live(scene.offer(), 0, treatment=club)[0]
    n_left = tally.category[:, at.LEFT].sum()
    assert n_left > 1000
    assert tally.club[:, at.EXPIRED].sum() == pytest.approx(10.0 * n_left)


def test_a_members_tier_is_what_its_trailing_spend_says():
    scene = busy_scene()
    columns, club = scene.population.columns, some_club(scene)
    ladder = club.tier_from
    columns.tier[:] = np.minimum(columns.tier, len(ladder))
    for quarter in range(4):
        before = columns.tier.copy()
        tally = scene.live(scene.offer(), quarter, treatment=club)[0]
        member, stayed = columns.tier > 0, columns.birth <= quarter
        earned = np.maximum(np.searchsorted(ladder, columns.trailing_spend, side="right"), 1)
        np.testing.assert_array_equal(columns.tier[member], earned[member])
        assert np.all(member[(before > 0) & stayed]), "a member lost its membership"
        assert not np.any(member[~stayed]), "a newcomer is no member"
        joined = tally.tiers[:, 0, 1:].sum()
        assert joined == np.count_nonzero(member & (before == 0)) > 0


def test_who_spends_nothing_falls_from_tier_to_tier_but_stays_a_member():
    scene = silent_scene()
    columns, club = scene.population.columns, some_club(scene)
    columns.tier[:] = 3
    columns.trailing_spend[:] = 5000.0
    seen = []
    for quarter in range(1, 12):
        scene.live(scene.offer(), quarter, treatment=club)
        assert np.all(columns.tier == columns.tier[0])
        seen.append(int(columns.tier[0]))
    assert seen == [3, 3, 3, 2, 2, 2, 2, 2, 1, 1, 1]


def test_only_buyers_join_and_more_enrolment_only_adds_members():
    joined = []
    for share in (0.0, 0.3, 0.7, 1.0):
        scene = busy_scene()
        columns = scene.population.columns
        columns.tier[:] = 0
        columns.leaving_logit[:] = -60.0
        enrolment = np.full(scene.shape[1], share, np.float32)
        scene.live(scene.offer(), 0, treatment=some_club(scene, enrolment=enrolment))
        joined.append(columns.tier > 0)
    bought = scene.population.columns.history[0] & 1 > 0
    assert not joined[0].any()
    for fewer, more in pairwise(joined):
        assert np.all(more[fewer])
    np.testing.assert_array_equal(joined[-1], bought)
    error = np.sqrt(0.3 * 0.7 / bought.sum())
    assert abs(joined[1].sum() / bought.sum() - 0.3) < 4 * error


def test_without_a_membership_nobody_keeps_a_tier_and_points_only_expire():
    scene = busy_scene()
    columns = scene.population.columns
    columns.leaving_logit[:] = -60.0
    before = columns.points.copy()
    tally = scene.live(scene.offer(), 0, treatment=no_treatment(3)._replace(expiry=0.25))[0]
    assert not columns.tier.any()
    np.testing.assert_allclose(columns.points, 0.75 * before, rtol=1e-6)
    assert tally.tiers[:, :, 1:].sum() == 0
    assert tally.tiers[:, 1:, 0].sum() > 0


@KINDS
def test_revenue_by_tier_adds_up_to_the_focal_revenue(kind):
    """To float32 rounding: one is summed customer by customer, the other in lanes."""
    scene = busy_scene(kind=kind)
    tally = scene.live(scene.offer(), 0, treatment=some_club(scene))[0]
    np.testing.assert_allclose(
        tally.tier_revenue.sum(axis=1), tally.flow[:, 0, at.REVENUE], rtol=1e-6
    )


@given(st.lists(st.floats(0, 1e4), min_size=1, max_size=8, unique=True), st.floats(0, 2e4))
def test_a_tier_is_the_number_of_lines_passed_and_at_least_the_first(lines, spend):
    ladder = np.sort(np.array(lines, np.float32))
    passed = np.count_nonzero(ladder <= np.float32(spend))
    assert tier_of(np.float32(spend), ladder) == max(passed, 1)


def test_steady_spend_adds_up_to_a_year_of_it():
    scene = busy_scene(20_000)
    columns = scene.population.columns
    columns.trailing_spend[:] = 0.0
    columns.leaving_logit[:] = -60.0
    spent = []
    for quarter in range(12):
        tally = scene.live(scene.offer(), quarter)[0]
        spent.append(tally.flow[:, 0, at.REVENUE].sum())
    kept = sum(money * 0.75**age for age, money in enumerate(reversed(spent)))
    total = columns.trailing_spend.sum(dtype=np.float64)
    assert total == pytest.approx(kept, rel=1e-5)
    assert total == pytest.approx(4 * np.mean(spent[-4:]), rel=0.1)


# --- treatments ----------------------------------------------------------------------------------


@KINDS
def test_no_treatment_changes_nothing_exactly(kind):
    """A tier or a warning that nothing hangs on moves nobody, bit for bit."""
    plain, ranked = busy_scene(kind=kind), busy_scene(kind=kind)
    plain.population.columns.tier[:] = 0
    plain.population.columns.care[:] = 0
    for quarter in range(3):
        one = plain.live(plain.offer(), quarter)[0]
        other = ranked.live(ranked.offer(), quarter, treatment=some_club(ranked))[0]
        for name in WHO_THEY_ARE:
            a, b = (getattr(s.population.columns, name) for s in (plain, ranked))
            np.testing.assert_array_equal(a, b, err_msg=name)
        np.testing.assert_array_equal(one.flow, other.flow)
        np.testing.assert_array_equal(one.warned, other.warned)
    assert ranked.population.columns.tier.any()


@pytest.mark.parametrize("what", ["pull", "quality", "stimulus"])
def test_a_treatment_reaches_only_those_whose_standing_it_is_for(what):
    """Nobody else moves in the same quarter, bit for bit: word of mouth comes a quarter later."""
    plain, treated = busy_scene(), busy_scene()
    columns = treated.population.columns
    meant = (columns.tier == 2) & (columns.care == YELLOW)
    gift = no_treatment(3)
    getattr(gift, what)[2 * at.N_LEVELS + YELLOW] = 0.4
    # Value, and so satisfaction, of who buys; the bond of everybody.
    feels = {"pull": "habit", "quality": "value", "stimulus": "bond"}[what]
    plain.live(plain.offer(), 0)
    treated.live(treated.offer(), 0, treatment=gift)
    for name in Columns._fields:
        a, b = (getattr(s.population.columns, name)[..., ~meant] for s in (plain, treated))
        np.testing.assert_array_equal(a, b, err_msg=name)
    stays = meant & (columns.birth < 1) & (plain.population.columns.birth < 1)
    a, b = (getattr(s.population.columns, feels)[0, stays] for s in (plain, treated))
    assert b.sum() > a.sum()


def test_a_stimulus_keeps_the_bond_in_its_range():
    for size in (-1.0, 1.0):
        scene = busy_scene()
        gift = no_treatment(3)
        gift.stimulus[:] = size
        offer = scene.offer(stimulus=np.full(scene.shape, size, np.float32))
        scene.live(offer, 0, treatment=gift)
        bond = scene.population.columns.bond
        assert bond.min() >= 0.0
        assert bond.max() <= 1.0


# --- early warning -------------------------------------------------------------------------------


def test_a_customer_who_does_not_buy_is_more_overdue_with_every_quarter():
    """For every history, as long as it makes a customer."""
    for past in range(1, 1 << 16):
        if past & 0b111:
            later = ((past << 1) & (at.EVER - 1)) | ((past | past << 1) & at.EVER)
            assert overdue(later, 1.0) > overdue(past, 1.0)


def test_overdue_counts_own_purchase_intervals():
    every_quarter, every_other = 0b11111110, 0b01010100
    assert overdue(every_quarter, 0.0) == pytest.approx(1.0)
    assert overdue(every_other, 0.0) == pytest.approx(2 * 3 / 5)
    assert overdue(0b10, 1.0) == pytest.approx(1 / 2)
    assert overdue(0b1, 1.0) == 0.0
    assert rhythm_of(every_quarter, 0.0)[1] == 1.0
    assert rhythm_of(every_other, 0.0)[1] == pytest.approx(3 / 5)


def test_who_does_not_buy_gets_redder_until_it_is_lost():
    scene = silent_scene()
    scene.traits = scene.traits._replace(score_levels=np.array([0.25, 0.4], np.float32))
    columns, window = scene.population.columns, scene.traits.lapse_window
    levels = []
    for quarter in range(1, window):
        tally = scene.live(scene.offer(), quarter)[0]
        level = columns.warnings & at.LEVEL_MASK
        assert np.all(level == level[0])
        assert tally.warned[:, level[0]].sum() == len(level)
        levels.append(int(level[0]))
    assert levels == sorted(levels)
    assert levels[-1] == RED > levels[0]


def test_the_lost_are_judged_by_the_level_before_the_window():
    """Everybody lapses in the same quarter, after a first purchase that was the last."""
    scene = silent_scene()
    columns, window = scene.population.columns, scene.traits.lapse_window
    n = len(columns.segment)
    half = np.arange(n) % 2 == 0
    # Red since quarter 0, or only in the last two quarters before the lapse.
    columns.warnings[:] = np.where(half, 0b10101010, 0b1010)
    for quarter in range(1, window):
        assert not scene.live(scene.offer(), quarter)[0].lead.any()
    columns.warnings[:] = np.where(half, 0b10101010, 0b1010)
    tally = scene.live(scene.offer(), window)[0]
    assert tally.judged[:, RED, 1].sum() == tally.lead[:, 4].sum() == half.sum()
    assert tally.judged[:, 0, 1].sum() == tally.lead[:, 2].sum() == n - half.sum()
    assert not tally.judged[:, :, 0].any()
    assert tally.losses[0, 0] == tally.losses.sum() == n
    after = scene.live(scene.offer(), window + 1)[0]
    assert not after.lead.any()
    assert not after.losses.any()


@KINDS
def test_judged_are_the_customers_of_a_window_ago_and_those_who_leave(kind):
    scene = make_scene(4000, make_market(kind=kind))
    columns, window = scene.population.columns, scene.traits.lapse_window
    for quarter in range(window + 3):
        tally = scene.live(scene.offer(), quarter)[0]
        past = columns.history[0] & 0xFF
        known = past >> window & scene.traits.lapse_mask > 0 if quarter >= window else past < 0
        lost = known & (past & scene.traits.lapse_mask == 0)
        mask = np.arange(at.HISTORY_SIZE) & scene.traits.lapse_mask > 0
        left = tally.departed[:, 0, mask].sum()
        assert tally.judged[..., 0].sum() == (known & ~lost).sum()
        assert tally.judged[..., 1].sum() == lost.sum() + left
    assert lost.sum() > 0


def test_warnings_run_without_a_break():
    levels = {0: [], 1: [2], 2: [1, 2], 3: [1, 1, 2, 0, 2], 8: [2] * 8}
    for n, last in levels.items():
        assert warned_for(sum(x << 2 * k for k, x in enumerate(last))) == n


@KINDS
def test_levels_and_classes_count_each_customer_once(kind):
    scene = busy_scene(kind=kind)
    for quarter in range(3):
        tally = scene.live(scene.offer(), quarter)[0]
        customers = tally.flow[:, 0, at.CUSTOMERS]
        np.testing.assert_array_equal(tally.warned.sum(axis=1), customers)
        np.testing.assert_array_equal(tally.rfm.sum(axis=1), customers)


def test_an_offer_goes_to_the_warned_and_more_coverage_only_adds_people():
    cared = []
    for share in (0.0, 0.4, 1.0):
        scene = busy_scene()
        tally = scene.live(scene.offer(), 0, treatment=rescuers(scene, share, share))[0]
        columns = scene.population.columns
        cared.append(columns.care.copy())
        assert tally.club[:, at.CARED_YELLOW].sum() == (columns.care == YELLOW).sum()
        assert tally.club[:, at.CARED_RED].sum() == (columns.care == RED).sum()
    level = scene.population.columns.warnings & at.LEVEL_MASK
    assert not cared[0].any()
    assert np.all((cared[1] == 0) | (cared[1] == level))
    np.testing.assert_array_equal(cared[2], level)
    warned = (level > 0).sum()
    assert abs((cared[1] > 0).sum() / warned - 0.4) < 4 * np.sqrt(0.24 / warned)


@given(st.floats(0, 1e6), st.floats(0, 1e6))
def test_the_trend_is_a_share_and_none_without_a_past(spend, year):
    trend = trend_of(spend, year)
    assert -1.0 <= trend <= 1.0
    if year == 0:
        assert trend == 0.0
    elif spend == 0:
        assert trend == 1.0
    assert trend_of(year / 4, year) == pytest.approx(0.0, abs=1e-12)


def test_whatever_speaks_for_leaving_raises_the_score():
    score = np.array([-2.5, 1.0, 2.0, 1.0, 1.0, 0.5, 1.0], np.float32)
    base = score_of(score, 0.5, 0.3, 0.0, 0.2, 0.0)
    assert base == pytest.approx(1 / (1 + np.exp(2.5 - 0.5 + 0.6 - 0.2)), rel=1e-6)
    for signs in (
        (0.6, 0.3, 0.0, 0.2, 0.0), (0.5, 0.2, 0.0, 0.2, 0.0), (0.5, 0.3, 0.1, 0.2, 0.0),
        (0.5, 0.3, 0.0, 0.3, 0.0), (0.5, 0.3, 0.0, 0.2, 1.0),
    ):  # fmt: skip
        assert score_of(score, *signs) > base


def test_a_complaint_and_a_bad_answer_are_heard():
    """Only complaints differ between two markets: problems are complained of always or never."""
    scenes = []
    for share in (0.0, 1.0):
        # Every problem costs the same, answered or not, so that both markets live the same life.
        service = Service(complaint=share, repair=0.0, late_factor=1.0)
        scene = make_scene(3000, make_market(service=service))
        scene.traits = scene.traits._replace(
            score=np.array([0, 0, 0, 0, 0, 8, 1], np.float32),
            score_levels=np.array([0.6, 0.9], np.float32),
        )
        tally = scene.live(scene.offer(problem=np.full(scene.shape, 0.5, np.float32)), 0)[0]
        scenes.append((scene, tally))
    (silent, unheard), (loud, heard) = scenes
    np.testing.assert_array_equal(silent.population.columns.value, loud.population.columns.value)
    assert not unheard.warned[:, YELLOW:].any()
    assert heard.warned[:, RED].sum() > 300
    answers = loud.population.columns.satisfaction
    bought = loud.population.columns.history[0] & 1 > 0
    assert np.all((answers > 0) == bought)
    assert answers.max() <= 100


def test_sorting_by_recency_frequency_and_money():
    scene = silent_scene(6)
    columns = scene.population.columns
    columns.history[0] = [0b1, 0b11, 0b10, 0b110, 0b100, 0b1010]  # a quarter passes: << 1
    columns.trailing_spend[:] = [400, 400, 800, 800, 400, 800]
    line = no_treatment(3)._replace(money_line=500.0)  # a quarter passes: x 0.75
    tally = add_tallies(scene.live(scene.offer(), 9, treatment=line))
    found = dict(enumerate(tally.rfm.sum(axis=0).tolist()))
    assert found == {0: 1, 1: 2, 2: 0, 3: 1, 4: 1, 5: 0, 6: 1, 7: 0}
    assert tally.club[:, at.SPEND].sum() == pytest.approx(0.75 * 3600)
