"""A stress test: what is lived, what is compared with what, and how sure each figure is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest

import sim
from sim.config.load import load
from sim.config.plan import Phase, Plan
from sim.config.stress import Covenant, Stress
from sim.config.study import Config
from sim.errors import ConfigError
from sim.finance.cash_flow import SPEND
from sim.planning.future import AS_PLANNED, Case
from sim.planning.life import FLOWS
from sim.planning.lives import Lives
from sim.planning.paired import npv_of, paired
from sim.planning.stress import (
    Outcome,
    Result,
    StressTest,
    Trial,
    breaches,
    first_breach,
    live_test,
    make_stress_test,
)
from sim.types import F64

SMALL = ["customers=300", "quarters=5", "burn_in=4", "engine.progress=false"]
N_WORLDS = 3
SHOCKS = ["demand_down", "discount_rate_up", "second_phase_cut", "demand_down+second_phase_cut"]


def with_plans(config: Config) -> Config:
    spend = {"training": 4e5, "membership_tiers": 6e5, "data_platform": 2e5}
    phases = (Phase("first", (1, 2), spend), Phase("second", (3, 5), {"training": 2e5}))
    two = Plan("two", "Two phases", phases=phases)
    one = Plan("one", "One phase", phases=phases[:1])
    return replace(config, plan=two, plans=(two, one))


@pytest.fixture(scope="module")
def study() -> Config:
    return with_plans(sim.load("do_nothing", SMALL))


@pytest.fixture(scope="module")
def result(study: Config) -> Result:
    test = make_stress_test(study, SHOCKS, by_phase=True)
    return live_test(test, Lives(study), N_WORLDS)


# --- lived ---------------------------------------------------------------------------------------


def test_the_plan_is_set_against_todays_plan_under_the_same_shock(
    study: Config, result: Result
) -> None:
    outcome = result.outcomes["two", "demand_down"]
    future = outcome.trial.future
    assert future is not None
    cases = [Case(study.plan, future), Case(study.baseline, future)]
    lived = Lives(study).live(cases, range(N_WORLDS))
    money = paired(*lived.flows, lived.rates[0])
    np.testing.assert_array_equal(outcome.money.npv, money.npv)
    assert (outcome.planned.npv != outcome.money.npv).all()


def test_a_dearer_capital_moves_no_cash_and_only_discounts_it_more(
    study: Config, result: Result
) -> None:
    outcome = result.outcomes["two", "discount_rate_up"]
    np.testing.assert_array_equal(outcome.money.net, outcome.planned.net)
    finance = replace(study.finance, discount_rate=study.finance.discount_rate + 0.04)
    expected = npv_of(outcome.planned.net, np.array(finance.quarterly_rate))
    np.testing.assert_allclose(outcome.money.npv, expected, rtol=1e-12)


def test_a_cut_saves_what_it_cuts_to_the_cent(result: Result) -> None:
    planned, struck = (result.outcomes["two", shock] for shock in (AS_PLANNED, "second_phase_cut"))
    saved = planned.spend[:, 2:].sum(axis=1) - struck.spend[:, 2:].sum(axis=1)
    upkeep = 0.05 * 2e5  # what a smaller stock costs less to keep is little
    assert ((saved >= 0.3 * 2e5 - 0.01) & (saved <= 0.3 * 2e5 + upkeep)).all()
    np.testing.assert_array_equal(planned.spend[:, :2], struck.spend[:, :2])


def test_what_does_not_touch_a_plan_leaves_it_as_planned_and_is_told(result: Result) -> None:
    outcome = result.outcomes["one", "second_phase_cut"]
    assert outcome.trial.future is None
    np.testing.assert_array_equal(outcome.money.npv, result.outcomes["one", AS_PLANNED].money.npv)
    together = result.outcomes["one", "demand_down+second_phase_cut"]
    np.testing.assert_array_equal(
        together.money.npv, result.outcomes["one", "demand_down"].money.npv
    )
    assert together.trial.missed == {"second_phase_cut": "no plan has a phase '2'"}
    told = [remark for remark in result.test.remarks if "does not touch One phase" in remark]
    assert len(told) == 2


def test_a_combination_is_set_beside_the_sum_of_its_parts(result: Result) -> None:
    [found] = result.interactions()  # of plan `one` only one part is left
    assert found.outcome.trial.plan.name == "two"
    changes = [result.outcomes["two", shock].change.mean
               for shock in ("demand_down", "second_phase_cut")]  # fmt: skip
    assert found.parts.mean == pytest.approx(sum(changes))
    assert found.beyond.mean == pytest.approx(found.outcome.change.mean - sum(changes), abs=0.01)


def test_a_shock_in_a_phase_alone_spares_the_quarters_before_it(result: Result) -> None:
    keys = {(plan, phase) for plan, shock, phase in result.phased if shock == "demand_down"}
    assert keys == {("two", "first"), ("two", "second"), ("one", "first")}
    late = result.phased["two", "demand_down", "second"]
    np.testing.assert_array_equal(late.money.net[:, :2], late.planned.net[:, :2])
    assert (late.money.net[:, 2:] != late.planned.net[:, 2:]).any()
    assert any("cannot strike in a phase alone" in remark for remark in result.test.remarks)


# --- asked for -----------------------------------------------------------------------------------


def test_all_leaves_out_what_finds_nothing_and_says_so(study: Config) -> None:
    one = replace(study, plan=study.plans[1], plans=())
    test = make_stress_test(one, ["all"])
    names = [blow.name for blow in test.blows]
    assert "demand_down" in names
    assert "second_phase_cut" not in names
    assert any(remark.startswith("Left out: The second phase") for remark in test.remarks)
    with pytest.raises(ConfigError, match="no plan has a phase '2'"):
        make_stress_test(one, ["second_phase_cut"])


def test_a_plan_that_is_the_baseline_has_nothing_to_be_set_against(study: Config) -> None:
    with pytest.raises(ConfigError, match="'today' is what it would be set against"):
        make_stress_test(replace(study, plan=study.baseline, plans=()), ["demand_down"])


def test_each_plan_loses_its_own_key_lever() -> None:
    config = load("retail_three_phase", ["plans=[three_phase,service_first]"], "compare")
    trials = make_stress_test(config, ["key_lever_fails"]).trials
    struck = {trial.plan.name: trial.future for trial in trials if trial.blow}
    for plan, lever in (("three_phase", "privacy"), ("service_first", "service_experience")):
        future = struck[plan]
        assert future is not None
        failed = [name for name, own in future.config.lever.items() if own != config.lever[name]]
        assert failed == [lever]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "asks for nothing; allowed: one of cash_at_least"),
        ({"payback_by": 3, "cash_at_least": 0.0}, "cash_at_least and payback_by are asked for"),
        ({"payback_by": 3, "opening": 5.0}, "opening: is of a covenant on cash"),
    ],
)
def test_a_covenant_asks_for_one_thing(given: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Covenant(**given)  # type: ignore[arg-type]


def test_shocks_are_asked_for_once() -> None:
    def made(*shocks: str) -> Stress:
        return Stress(out=None, engine=None, progress=False, workers=0, shocks=shocks,  # type: ignore[arg-type]
                      by_phase=False, covenants=())  # fmt: skip

    assert made("a", "b").shocks == ("a", "b")
    with pytest.raises(ConfigError, match="'a' stands twice"):
        made("a", "a")
    with pytest.raises(ConfigError, match="is empty"):
        made()


# --- constructed ---------------------------------------------------------------------------------


class Told:
    """Lives whose net cash is as told: by plan and future, shape (n_worlds, n_quarters)."""

    def __init__(self, net: Callable[[str, str], F64]) -> None:
        self.net = net

    def live(self, cases: Sequence[Case], worlds: range, progress: object = None) -> Told:
        flows = [np.zeros((len(worlds), 5, len(FLOWS))) for _ in cases]
        for flow, case in zip(flows, cases, strict=True):
            flow[:, :, FLOWS.index("net")] = self.net(case.plan.name, case.future.name)
            if case.plan.name != "today":
                flow[:, :, FLOWS.index(SPEND[0])] = -1.0
        self.flows = np.array(flows)
        rates = [case.future.config.finance.quarterly_rate for case in cases]
        self.rates = np.repeat(np.array(rates)[:, None], len(worlds), axis=1)
        return self


def told(study: Config, net: Callable[[str, str], F64], worlds: int = 16) -> Result:
    test: StressTest = make_stress_test(study, ["demand_down", "price_war"])
    return live_test(test, Told(net), worlds)  # type: ignore[arg-type]


def luck(scale: float, worlds: int = 16) -> F64:
    """Return cash by world and quarter that is 0 on average over worlds."""
    rows = np.linspace(-scale, scale, worlds)
    return np.repeat(rows[:, None], 5, axis=1)


def test_the_most_robust_plan_keeps_most_under_its_own_worst_shock(study: Config) -> None:
    means = {("two", "demand_down"): 1.0, ("two", "price_war"): 5.0,
             ("one", "demand_down"): 4.0, ("one", "price_war"): 3.0}  # fmt: skip
    result = told(study, lambda plan, shock: luck(0.5) + means.get((plan, shock), 0.0))
    assert result.worst("two").trial.shock == "demand_down"
    assert result.worst("one").trial.shock == "price_war"
    first, second = result.robustness(result.plans)
    assert (first.name, first.rank_to, first.tied) == ("one", 1, ())
    assert second.name == "two"


def test_plans_within_luck_are_not_ranked(study: Config) -> None:
    net = {"two": luck(8.0) + 0.1, "one": -luck(8.0), "today": np.zeros((16, 5))}
    result = told(study, lambda plan, shock: net[plan])
    assert all(len(each.tied) == 1 for each in result.robustness(result.plans))


def outcome_of(net: F64, spend: F64) -> Outcome:
    plan = np.zeros((*net.shape, len(FLOWS)))
    plan[:, :, FLOWS.index("net")] = net
    plan[:, :, FLOWS.index(SPEND[0])] = -spend
    config = sim.load("do_nothing", SMALL)
    rates = np.full(len(net), config.finance.quarterly_rate)
    money = paired(plan, np.zeros_like(plan), rates)
    return Outcome(Trial(config.plan, None, None), money, spend, money)


def test_covenants_are_broken_in_the_first_quarter_that_breaks_them() -> None:
    net = np.array([[-4.0, -4.0, 9.0, 0.0, 0.0], [-4.0, 4.0, 1.0, 1.0, 1.0], [2.0] * 5])
    spend = np.array([[3.0, 3.0, 3.0, 0.0, 9.0], [1.0] * 5, [0.0] * 5])
    outcome = outcome_of(net, spend)
    assert first_breach(outcome, Covenant(opening=5.0, cash_at_least=0.0)).tolist() == [2, 0, 0]
    assert first_breach(outcome, Covenant(cash_at_least=-3.0)).tolist() == [1, 1, 0]
    # quarters 1 to 4 are a year, quarter 5 begins the next
    assert first_breach(outcome, Covenant(yearly_spend_at_most=6.0)).tolist() == [3, 0, 0]
    assert first_breach(outcome, Covenant(yearly_spend_at_most=9.0)).tolist() == [0, 0, 0]
    # discounted, 4 pays back less than 4: the second world needs one quarter more
    assert first_breach(outcome, Covenant(payback_by=2)).tolist() == [2, 2, 0]
    assert first_breach(outcome, Covenant(payback_by=3)).tolist() == [0, 0, 0]


def test_a_breach_says_how_often_when_and_how_sure(study: Config) -> None:
    falls = np.where(np.arange(16)[:, None] < 4, -1.0, 1.0) * np.ones((16, 5))
    result = told(study, lambda plan, shock: falls if plan != "today" else 0 * falls)
    found = breaches(result, [Covenant(opening=2.5, cash_at_least=0.0)])
    assert len(found) == 2 * 3
    for breach in found:
        assert (breach.share, breach.first, breach.usual) == (0.25, 3, 3.0)
        assert breach.interval.low == pytest.approx(0.1018, abs=1e-4)  # Wilson (1927), 4 of 16
        assert breach.interval.high == pytest.approx(0.4950, abs=1e-4)


def test_payback_is_the_median_only_if_most_worlds_reach_it(study: Config) -> None:
    gain = np.array([[-1.0, 0.0, 9.0, 0.0, 0.0]] * 9 + [[-1.0, 0.0, 0.0, 0.0, 0.0]] * 7)
    result = told(study, lambda plan, shock: gain if plan == "two" else 0 * gain)
    outcome = result.outcomes["two", AS_PLANNED]
    assert (outcome.paid_back, outcome.payback) == (9 / 16, 3.0)
    assert (outcome.loss, outcome.tail) == (7 / 16, -1.0)
    assert np.isnan(result.outcomes["one", AS_PLANNED].payback)
