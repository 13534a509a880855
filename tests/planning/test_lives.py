"""Lives under futures: the same numbers as a study's, kept, never lived twice, on any engine."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import sim
from sim.config.fields import Uncertain
from sim.config.plan import Phase, Plan
from sim.config.risk import Risks
from sim.config.study import Config
from sim.engines.processes import ProcessEngine
from sim.errors import ConfigError, EngineError
from sim.finance.cash_flow import SPEND
from sim.planning.future import Case, Future, as_planned
from sim.planning.life import LEVEL_NAMES, Life
from sim.planning.lives import Lives
from sim.planning.paired import npv_of, paired
from sim.study import MONEY, run_study
from sim.sweep.place import open_place

WORLDS = range(2)
SMALL = ["customers=400", "quarters=5", "replications=2", "engine.progress=false"]


def unsure_of_money(config: Config) -> Config:
    """Return a study whose margin and discount rate are drawn with each world."""
    finance = replace(
        config.finance,
        gross_margin=Uncertain("uniform", (0.2, 0.4)),
        discount_rate=Uncertain("uniform", (0.05, 0.25)),
    )
    return replace(config, finance=finance)


@pytest.fixture(scope="module")
def study() -> Config:
    config = sim.load("do_nothing", [*SMALL, "risks=retail"])
    spend = {"training": 4e5, "membership_tiers": 6e5, "data_platform": 2e5}
    phases = (Phase("first", (1, 2), spend), Phase("second", (3, 5), {"training": 2e5}))
    return replace(config, plan=Plan("service", "Service first", phases=phases))


def cases_of(config: Config, future: Future | None = None) -> list[Case]:
    future = future or as_planned(config)
    return [Case(config.plan, future), Case(config.baseline, future)]


def less_demand(config: Config) -> Config:
    season = tuple(0.8 * factor for factor in config.market.rate.season)
    return replace(
        config, market=replace(config.market, rate=replace(config.market.rate, season=season))
    )


@pytest.mark.parametrize("unsure", [False, True])
def test_as_planned_is_the_study_to_the_bit(study: Config, unsure: bool) -> None:
    study = unsure_of_money(study) if unsure else study
    lived = Lives(study).live(cases_of(study), WORLDS)
    result = run_study(study)
    name = study.plan.name
    money = paired(lived.flows[0], lived.flows[1], lived.rates[0])
    for outcome in MONEY:
        field = "margin" if outcome == "incremental_margin" else outcome
        ours, theirs = getattr(money, field), result.values(name, outcome)
        np.testing.assert_array_equal(ours, theirs, err_msg=outcome)
    for level in LEVEL_NAMES:
        np.testing.assert_array_equal(lived.level(0, level), result.values(name, level))
    discounted = npv_of(money.net, lived.rates[0])
    np.testing.assert_allclose(discounted, money.npv, rtol=1e-13)


def test_segments_sum_to_the_total_before_spend_to_the_cent(study: Config) -> None:
    lived = Lives(study).live(cases_of(study), WORLDS)
    for case in range(2):
        before_spend = lived.net(case) - sum(lived.flow(case, name) for name in SPEND)
        np.testing.assert_allclose(lived.segment_net[case].sum(axis=-1), before_spend, atol=0.005)


def test_a_future_for_a_time_differs_then_and_in_what_follows_only(study: Config) -> None:
    shocked = less_demand(study)
    futures = [
        as_planned(study),
        Future("always", "", shocked),
        Future("later", "", shocked, (3, 4)),
        Future("all_quarters", "", shocked, (1, study.quarters)),
    ]
    lived = Lives(study).live([Case(study.plan, future) for future in futures], WORLDS)
    planned, always, later, throughout = lived.flows
    np.testing.assert_array_equal(throughout, always)
    np.testing.assert_array_equal(later[:, :2], planned[:, :2])
    assert (later[:, 2, 0] < planned[:, 2, 0]).all()


def test_growth_and_expectations_go_on_from_where_they_are(study: Config) -> None:
    same = replace(study, market=replace(study.market, title="the same under another title"))
    window = Future("window", "", same, (2, 3))
    lived = Lives(study).live([Case(study.plan, f) for f in (as_planned(study), window)], WORLDS)
    np.testing.assert_array_equal(*lived.flows)


def test_money_for_a_time_is_of_those_quarters(study: Config) -> None:
    dear = replace(study, finance=replace(study.finance, acquisition_ratio=10.0))
    future = Future("dear", "", dear, (2, 3))
    lived = Lives(study).live([Case(study.plan, f) for f in (as_planned(study), future)], WORLDS)
    before, after = (lived.flow(case, "acquisition_cost") for case in range(2))
    ratio = 10.0 / study.finance.acquisition_ratio
    np.testing.assert_allclose(after[:, 1:3], before[:, 1:3] * ratio)
    np.testing.assert_array_equal(after[:, [0, 3, 4]], before[:, [0, 3, 4]])


def test_money_that_is_drawn_is_the_same_in_a_future_that_leaves_it(study: Config) -> None:
    study = unsure_of_money(study)
    dear = replace(study, finance=replace(study.finance, keeping_cost=24.0))
    window = Future("dear", "", dear, (2, 3))
    lived = Lives(study).live([Case(study.plan, f) for f in (as_planned(study), window)], WORLDS)
    goods = lived.flow(0, "cost_of_goods"), lived.flow(1, "cost_of_goods")
    np.testing.assert_array_equal(*goods)
    np.testing.assert_array_equal(*lived.rates)
    assert np.ptp(lived.rates[0]) > 0


def test_lives_are_the_same_only_where_all_that_is_drawn_is(study: Config) -> None:
    wide, narrow = Uncertain("uniform", (0.1, 0.5)), Uncertain("uniform", (0.2, 0.4))
    assert wide != narrow
    assert float(wide) == pytest.approx(float(narrow))
    futures = [Future(name, "", replace(study, finance=replace(study.finance, gross_margin=margin)))
               for name, margin in (("wide", wide), ("narrow", narrow))]  # fmt: skip
    lived = Lives(study).live([Case(study.plan, future) for future in futures], WORLDS)
    ratio = lived.flow(0, "cost_of_goods") / lived.flow(1, "cost_of_goods")
    assert (np.abs(ratio - 1.0) > 1e-3).all()


def test_futures_that_differ_in_money_only_are_lived_once(
    study: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    lived = []
    live = Life._live
    monkeypatch.setattr(Life, "_live", lambda *given: lived.append(1) or live(*given))
    dear = Future("dear", "", replace(study, finance=replace(study.finance, keeping_cost=24.0)))
    Lives(study).live([*cases_of(study), *cases_of(study, dear)], WORLDS)
    assert len(lived) == 2 * len(WORLDS)


def test_what_is_kept_is_not_lived_again(
    study: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = Lives(study, open_place(tmp_path)).live(cases_of(study), WORLDS)
    monkeypatch.setattr(Life, "__call__", None)  # whoever lives now fails
    again = Lives(study, open_place(tmp_path)).live(cases_of(study), WORLDS)
    np.testing.assert_array_equal(again.flows, first.flows)
    np.testing.assert_array_equal(again.levels, first.levels)


def test_a_part_that_is_not_whole_is_lived_again(study: Config, tmp_path: Path) -> None:
    first = Lives(study, open_place(tmp_path)).live(cases_of(study), WORLDS)
    broken = sorted(tmp_path.glob("parts/*.parquet"))[0]
    broken.write_bytes(broken.read_bytes()[:-100])
    lives = Lives(study, open_place(tmp_path))
    assert lives.remarks == [f"parts/{broken.name} was not whole; what it held is lived again"]
    np.testing.assert_array_equal(lives.live(cases_of(study), WORLDS).flows, first.flows)


def test_an_engine_gives_the_same_and_is_asked_in_rounds(study: Config, tmp_path: Path) -> None:
    here = Lives(study).live(cases_of(study), WORLDS)
    told: list[tuple[int, int]] = []
    with ProcessEngine(2) as engine:
        lives = Lives(study, open_place(tmp_path), engine)
        one = lives.live(cases_of(study)[:1], WORLDS)
        two = lives.live(cases_of(study), WORLDS, lambda *at: told.append(at))
    np.testing.assert_array_equal(one.flows[0], here.flows[0])
    np.testing.assert_array_equal(two.flows, here.flows)
    assert told[0] == (2, 4)
    assert told[-1] == (4, 4)


def test_a_life_that_fails_is_named(study: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Life, "_after", lambda *_: 1 / 0)
    with pytest.raises(EngineError, match="plan 'service' in the future 'as_planned', world"):
        Lives(study).live(cases_of(study), WORLDS)


@pytest.mark.parametrize(
    ("change", "quarters", "problem"),
    [
        ({"seed": 2}, None, "futures.odd.seed: 2 is another seed than the study's; allowed: 1"),
        ({}, (4, 9), "futures.odd.quarters: runs from quarter 4 to 9; allowed: .* within 1 to 5"),
        (
            {"quarters": 5, "risks": Risks("none", "None")},
            (1, 2),
            "changes risks, which cannot change for a time only",
        ),
    ],
)
def test_what_is_no_future_is_refused(
    study: Config, change: dict[str, object], quarters: tuple[int, int] | None, problem: str
) -> None:
    odd = Future("odd", "", replace(study, **change), quarters)
    with pytest.raises(ConfigError, match=problem):
        Lives(study).live([Case(study.plan, odd)], WORLDS)
