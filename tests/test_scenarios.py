"""Every shipped scenario runs, and shows what its sources claim: the direction, and where it can be
told the order of size.

Claims are judged with every uncertain number at its median (unless a test says otherwise), on the
same worlds for all plans. Figures of the evidence table stand in brackets. They are single firms'
success stories, mostly of far larger effects than the model finds at these budgets; docs/model.md
lists those that it does not reach.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

import sim
from sim.config.build import realise
from sim.config.files import choices, config_root
from sim.config.plan import Phase, Plan
from sim.config.risk import Hit, Risk, Risks
from sim.config.study import Config
from sim.finance.cash_flow import cash_flow, customer_scale
from sim.finance.returns import npv
from sim.kernels import layout as at
from sim.measures.losses import early_loss_share
from sim.measures.table import MEASURES
from sim.model import LoyaltyModel
from sim.study import run_study
from sim.types import Channel

SMALL = ["customers=1000", "replications=2", "engine.progress=false"]
WORLDS = 3
VIP = -2
"""Place of the last segment in a measure: the best customers, in every market that has them."""


def median(scenario: str, *overrides: str, effects: float = 0.5) -> Config:
    """Return a scenario with its plans side by side and what is uncertain at its median.

    `effects` is the quantile of the sizes of levers' effects.
    """
    config = sim.load(scenario, ["customers=30000", *overrides], command="compare")
    return realise(config, lambda path: effects if ".effects." in path else 0.5)


class Lives:
    """A scenario's plans, lived in the same worlds from one burn-in each."""

    def __init__(self, config: Config, *plans: Plan, worlds: int = WORLDS) -> None:
        self.config = config
        self.models: dict[str, list[LoyaltyModel]] = {}
        for world in range(worlds):
            burnt_in = LoyaltyModel(config, replication=world, collect=False).burn_in()
            for plan in plans or config.plans:
                model = burnt_in.fork(plan)
                while model.running:
                    model.step()
                self.models.setdefault(plan.name, []).append(model)

    def each(self, plan: str, measure: str, segment: int = -1, brand: int = 0) -> np.ndarray:
        """Return a measure by world and quarter of the plan, shape (n_worlds, n_quarters)."""
        return np.array(
            [
                MEASURES[measure](model.history())[self.config.burn_in :, segment, brand]
                for model in self.models[plan]
            ]
        )

    def level(self, plan: str, measure: str, segment: int = -1, brand: int = 0) -> np.ndarray:
        """Return a measure by quarter of the plan, mean over worlds."""
        return self.each(plan, measure, segment, brand).mean(axis=0)

    def against(self, plan: str, other: str, measure: str, segment: int = -1) -> np.ndarray:
        """Return by how much one plan's level is above another's, relative, by quarter."""
        return self.level(plan, measure, segment) / self.level(other, measure, segment) - 1.0

    def worth(self, plan: str) -> np.ndarray:
        """Return the discounted net cash of a plan in each world, in currency."""
        finance = self.config.finance
        found = []
        for model in self.models[plan]:
            history = model.history()
            scale = customer_scale(history)
            flows = cash_flow(history, model.records, model.plan, finance, scale)
            found.append(npv(flows["net"], finance.quarterly_rate))
        return np.array(found)

    def decisions(self, plan: str) -> list[str]:
        """Return what the plan's gate or reviews decided, world after world."""
        return [d.name for model in self.models[plan] for d in model.focal_policy.decisions]


def surely_above(values: np.ndarray, bound: float = 0.0) -> bool:
    """Return whether the mean over worlds is above a bound by more than two standard errors."""
    error = values.std(ddof=1) / np.sqrt(len(values))
    return bool(values.mean() - 2.0 * error > bound)


@cache
def lives(scenario: str) -> Lives:
    return Lives(median(scenario))


@pytest.mark.parametrize("scenario", choices("scenario"))
def test_a_scenario_runs_and_its_file_tells_what_it_is(scenario: str) -> None:
    result = run_study(sim.load(scenario, SMALL))
    found = result.summary()["outcomes"]
    assert np.isfinite(found["share"]["plan"])
    assert np.isfinite(found["npv"]["difference"]["mean"])
    text = (config_root() / "scenarios" / f"{scenario}.yaml").read_text("utf-8")
    story = [line for line in text.splitlines() if line.startswith("#")]
    assert len(story) >= 8
    assert f"fidelio run scenario={scenario}" in text


@pytest.mark.parametrize("scenario", choices("scenario"))
def test_doing_as_today_is_exactly_the_baseline(scenario: str) -> None:
    asked = ["customers=500", "quarters=12", "engine.progress=false"]
    config = sim.load(scenario, [*asked, "plan=today", "baseline=today"])
    burnt_in = LoyaltyModel(config, collect=False).burn_in()
    first, second = burnt_in.fork(config.plan), burnt_in.fork(config.baseline)
    while first.running:
        first.step()
        second.step()
        np.testing.assert_array_equal(first.records[-1].flow, second.records[-1].flow)


# --- what the sources claim ----------------------------------------------------------------------


def test_a_promotion_lifts_the_quarter_and_lowers_repurchase_later() -> None:
    """E212: sales +20% at once, then repurchase -12%."""
    found = lives("promotion_trap")
    lift = found.against("promotion_once", "today", "purchases")
    repeat = found.against("promotion_once", "today", "repeat_rate")
    assert 0.10 < lift[0] < 0.45
    assert -0.20 < repeat[1] < -0.03  # the next quarter
    lost = found.against("promotion_once", "today", "churn")
    assert lost[4] > 0.05  # who came for it lapses a year later
    assert abs(lift[-4:]).max() < 0.02  # nothing is left


def test_service_keeps_more_customers_than_price_does() -> None:
    """E213: churn -21% for a firm that competes on service, against one that does on price."""
    found = lives("service_against_price")
    last = [found.each(plan, "churn_annual")[:, -1] for plan in ("price_only", "service_only")]
    assert surely_above(last[0] - last[1])
    assert np.all(found.worth("service_only") > found.worth("price_only"))


def test_a_machine_without_people_loses_its_advantage_with_the_best_customers() -> None:
    """E216: churn of high-end customers +12% where a machine serves alone; people undo it."""
    found = Lives(median("ai_service", "customers=60000", effects=0.05), worlds=4)
    alone = found.each("ai_alone", "churn", VIP)[:, 5:].mean(axis=1)
    helped = found.each("ai_with_people", "churn", VIP)[:, 5:].mean(axis=1)
    nobody = found.each("today", "churn", VIP)[:, 5:].mean(axis=1)
    assert surely_above(alone - helped)
    assert surely_above(alone - nobody)


def test_bad_news_outruns_good() -> None:
    """E101: a negative experience shared moves loyalty twice as much as a positive one."""

    def talk(size: float) -> np.ndarray:
        hit = Risk("talk", "Talk", probability=1.0, severity=1.0, quarter=1,
                   hits=(Hit(Channel.BUZZ, size),))  # fmt: skip
        config = replace(median("bad_review_storm"), risks=Risks("r", "r", (hit,)))
        return Lives(config, config.baseline).each("today", "share")[:, 2]

    good, bad, none = talk(0.1), talk(-0.1), talk(0.0)
    assert surely_above(good - none)
    ratio = (none - bad).mean() / (good - none).mean()
    assert 1.5 < ratio < 2.6


def test_a_storm_of_bad_reviews_costs_share_and_listening_wins_most_of_it_back() -> None:
    found = lives("bad_review_storm")
    before, after = found.level("today", "share")[[1, 5]]
    assert after < 0.95 * before
    gained = found.against("listen_and_answer", "today", "share")
    assert gained[5] > 0.03 > abs(gained[0])


def test_heritage_keeps_customers() -> None:
    """E307: retention +18% with a family-heritage plan; here, that it rises at all."""
    config = median("do_nothing", "market=luxury", "finance=luxury_cny", "quarters=12")
    amount = 40.0 * config.market.company_customers
    heritage = Plan("heritage", "Heritage", phases=(Phase("all", (1, 8), {"heritage": amount}),))
    found = Lives(config, config.baseline, heritage)
    kept = [found.each(plan, "retention")[:, -4:].mean(axis=1) for plan in found.models]
    assert surely_above(kept[1] - kept[0])


def test_loyalty_erodes_when_nothing_is_done_and_expectations_rise() -> None:
    """E207: the industry's loyalty index loses 2.3% a year."""
    index = lives("do_nothing").level("today", "loyalty_index")
    yearly = (index[-1] / index[0]) ** (4.0 / (len(index) - 1)) - 1.0
    assert -0.035 < yearly < -0.015


def test_most_losses_come_early_in_a_relationship() -> None:
    """E310: two thirds of all losses fall in the first three of seven touchpoints."""
    models = lives("do_nothing").models["today"]
    assert 0.5 < np.mean([early_loss_share(model.records) for model in models]) < 0.85


def test_a_reviewed_plan_beats_a_fixed_one_when_the_market_shifts() -> None:
    """E038: quarterly reviews avoid a part of the cost of trial and error."""
    found = lives("review_under_shift")
    assert found.decisions("reviewed_course")
    assert surely_above(found.worth("reviewed_course") - found.worth("fixed_course"))


def test_a_gate_loses_less_when_the_levers_fail_and_lets_a_success_pass() -> None:
    """E318: a pilot first, and its condition before the rest."""
    failure = Lives(median("pilot_first", effects=0.02))
    assert failure.decisions("pilot_first") == ["stop"] * WORLDS
    saved = failure.worth("pilot_first") - failure.worth("everywhere_at_once")
    assert np.all(saved > 0)
    assert np.all(failure.worth("pilot_first") < failure.worth("today"))  # a pilot is not free
    success = Lives(median("pilot_first", effects=0.99))
    assert success.decisions("pilot_first") == ["go"] * WORLDS


def test_a_breach_costs_trust_and_customers_and_protection_cuts_the_damage() -> None:
    """E027: churn +20% after a breach; protection cuts the risk by four fifths."""
    found = lives("data_breach_and_recovery")
    trust = found.level("today", "trust")
    assert trust[5] < 0.85 * trust[3]
    assert found.level("today", "share")[6] < 0.95 * found.level("today", "share")[3]
    shielded = found.against("personal_protected", "personal_unprotected", "churn")
    assert shielded[8] < -0.02
    assert np.all(found.worth("personal_protected") > found.worth("personal_unprotected"))


def test_a_new_brand_takes_share_from_its_quarter_on_and_most_in_its_launch() -> None:
    found = lives("new_entrant")
    entrant = [brand.name for brand in found.config.market.brands].index("rival_3")
    share = found.level("today", "share", brand=entrant)
    entry = found.config.rivals.brands["rival_3"].quarter
    assert np.all(share[: entry - 1] == 0.0)
    assert np.all(share[entry - 1 :] > 0.02)
    own = found.level("today", "share")
    assert own[entry + 1 :].max() < own[: entry - 1].min()


def test_a_price_war_breaks_out_and_ends() -> None:
    """Rivals answer an attack with cuts, quarter for quarter, and the war does not last."""
    found = lives("price_war")
    cut = np.array([price_cuts(model) for model in found.models["price_attack"]])
    assert (cut > 0.01).any(axis=(1, 2)).all()
    at_war = (cut > 0.01).any(axis=1)  # by world and quarter
    assert not at_war.all(axis=1).any()
    peace = np.array([price_cuts(model) for model in found.models["today"]])
    assert np.all(np.abs(peace) < 1e-6)
    lift = found.against("price_attack", "today", "purchases")
    assert lift.max() > 0.05
    assert lift.min() < 0.0


def price_cuts(model: LoyaltyModel) -> np.ndarray:
    """Return the rivals' discounts on what they sold, shape (n_rivals, n_quarters)."""
    flow = np.stack([record.flow[-1, 1:] for record in model.records[model.config.burn_in :]])
    usual = np.stack([record.flow[-1, 1:] for record in model.records[: model.config.burn_in]])
    level = flow[..., at.REVENUE] / flow[..., at.GOODS]
    before = usual[..., at.REVENUE].sum(axis=0) / usual[..., at.GOODS].sum(axis=0)
    return (1.0 - level / before).T


def test_a_community_grows_slowly_then_fast_and_raises_repurchase() -> None:
    """E409: stickiness follows the community's size along an S-curve."""
    found = Lives(median("community_and_leaders", "quarters=20"))
    model = found.models["community_and_leaders"][0]
    programme = model.focal_policy.programme
    assert 0.3 < programme.spread["community"] <= 1.0
    gained = found.against("community_and_leaders", "today", "share")
    assert gained[:4].max() < 0.5 * gained[-6:].mean()


def test_warned_customers_are_worth_saving() -> None:
    """E037, E412: a warning tells better than chance who will be lost; offers keep some of them."""
    found = lives("early_warning")
    lost = found.level("today", "churn_annual")[-1]
    assert found.level("today", "warning_precision")[-1] > 1.15 * lost
    kept = found.each("save_leavers", "retention") - found.each("today", "retention")
    assert surely_above(kept[:, -4:].mean(axis=1))


@pytest.mark.parametrize(
    ("scenario", "plan", "measure", "segment"),
    [
        ("vip_programme_2026", "vip_programme", "repeat_rate", VIP),
        ("vip_programme_2026", "vip_programme", "cross_purchase", VIP),
        ("coalition_of_brands", "brand_alliance", "cross_purchase", -1),
        ("coalition_of_brands", "brand_alliance", "order_value", -1),
        ("membership_upgrade", "membership_upgrade", "repeat_rate", -1),
        ("small_firm", "small_budget", "retention", -1),
    ],
)  # fmt: skip
def test_programmes_move_what_they_are_meant_to_move(
    scenario: str, plan: str, measure: str, segment: int
) -> None:
    """E322, E323, E214, E219: the direction; the sources' sizes are of single firms."""
    found = lives(scenario)
    gain = found.each(plan, measure, segment) - found.each("today", measure, segment)
    assert surely_above(gain[:, -8:].mean(axis=1))


def test_late_technology_comes_later_and_managed_risks_make_it_less_late() -> None:
    """E028: a delayed roll-out; planning and advice cut the risk by 70%."""
    config = median("late_technology", "customers=2000")
    plans = [plan for plan in config.plans if plan.levers]
    calm = Lives(replace(config, risks=Risks("none", "None")), *plans, worlds=20)
    rough = Lives(config, *plans, worlds=20)

    def weeks_lost(plan: str) -> float:
        return float(np.mean(finishes(rough, plan) - finishes(calm, plan)))

    assert weeks_lost("three_phase") > 0.5
    assert weeks_lost("three_phase_managed") < weeks_lost("three_phase")


def finishes(found: Lives, plan: str) -> np.ndarray:
    """Return the week in which the machine at the service desk was built, by world."""
    logs = [model.focal_policy.programme.rollout.log for model in found.models[plan]]
    return np.array([max(w.finish for w in log if w.lever == "ai_service") for log in logs])


# --- laws of the levers --------------------------------------------------------------------------


def same(first: LoyaltyModel, second: LoyaltyModel) -> bool:
    return all(
        np.array_equal(a.flow, b.flow) and np.array_equal(a.club, b.club)
        for a, b in zip(first.records, second.records, strict=True)
    )


def live_plan(config: Config, plan: Plan) -> LoyaltyModel:
    model = LoyaltyModel(config, plan=plan, collect=False)
    while model.running:
        model.step()
    return model


@pytest.fixture(scope="module")
def retail() -> Config:
    return median("retail_three_phase", "customers=1000", "plans=[today]")


@pytest.mark.parametrize("lever", choices("lever"))
def test_a_lever_without_money_changes_nothing_exactly(retail: Config, lever: str) -> None:
    nothing = Plan("p", "P", phases=(Phase("all", (1, 4), {lever: 0.0}),))
    assert same(live_plan(retail, nothing), live_plan(retail, retail.baseline))


def test_removing_a_risk_changes_only_its_own_draws(retail: Config) -> None:
    register = sim.load("retail_three_phase", ["risks=retail"]).risks.register

    def struck(config: Config) -> list[tuple[int, str]]:
        return live_plan(config, config.baseline).risks.events

    everything = struck(replace(retail, risks=Risks("r", "r", register)))
    for gone in register:
        kept = tuple(risk for risk in register if risk is not gone)
        rest = struck(replace(retail, risks=Risks("r", "r", kept)))
        assert rest == [event for event in everything if event[1] != gone.name]
