"""LoyaltyModel as a Mesa model: steps, stops, collects, is swept by batch_run, and forks."""

from __future__ import annotations

from dataclasses import replace

import mesa
import numpy as np
import pandas as pd
import pytest

import sim.model
from sim.agents import Brand
from sim.config.build import Unknowns
from sim.config.load import load
from sim.config.plan import Phase, Plan
from sim.config.risk import Hit, Risk, Risks
from sim.config.study import Config
from sim.errors import ConfigError
from sim.kernels import layout as at
from sim.kernels.layout import Columns
from sim.measures.table import measure_table
from sim.model import LoyaltyModel
from sim.types import Channel

BURN_IN, QUARTERS = 4, 12
STRIKE = Risk("strike", "Strike", probability=0.8, severity=1.0, duration=2,
              hits=(Hit(Channel.AVAILABILITY, -0.4),))  # fmt: skip


@pytest.fixture(scope="module")
def config() -> Config:
    given = ["customers=400", f"burn_in={BURN_IN}", f"quarters={QUARTERS}"]
    return load("retail_three_phase", given)


@pytest.fixture(scope="module")
def finished(config) -> LoyaltyModel:
    model = LoyaltyModel(config)
    while model.running:
        model.step()
    return model


@pytest.fixture(scope="module")
def burnt_in(config) -> LoyaltyModel:
    return LoyaltyModel(replace(config, risks=Risks("r", "r", (STRIKE,))), collect=False).burn_in()


def state(model: LoyaltyModel) -> list[bytes]:
    """Return every bit that the next quarter starts from."""
    kept = model.state
    arrays = [*kept.population.columns, kept.trust, kept.reputation, kept.attraction_shift,
              kept.departed]  # fmt: skip
    return [array.tobytes() for array in arrays] + [str(kept.quarter).encode()]


def lived(model: LoyaltyModel) -> list[bytes]:
    """Return every bit that has been counted."""
    sums = ("size", "flow", "category", "history", "switching", "cohort", "trust")
    return [getattr(record, name).tobytes() for record in model.records for name in sums]


def finish(model: LoyaltyModel) -> LoyaltyModel:
    while model.running:
        model.step()
    return model


def test_it_is_a_mesa_model(config):
    model = LoyaltyModel(config)
    assert isinstance(model, mesa.Model)
    assert model.running
    assert model.steps == 0
    model.step()
    assert model.steps == 1
    assert set(map(type, model.agents)) == {Brand}
    assert model.records[-1].quarter == 1 - BURN_IN


def test_quarters_are_counted_from_the_plans_first(finished, config):
    assert [record.quarter for record in finished.records] == list(range(1 - BURN_IN, QUARTERS + 1))
    assert [record.lived for record in finished.records] == list(range(1, BURN_IN + QUARTERS + 1))
    assert all(record.delivered is None for record in finished.records[:BURN_IN])
    spent = sum(r.delivered.capital + r.delivered.staff for r in finished.records[BURN_IN:])
    assert spent > 0
    assert finished.plan == config.plan or finished.plan.name == config.plan.name


def test_it_stops_at_the_horizon_and_steps_after_that_do_nothing(finished):
    assert not finished.running
    before, sums, rows = state(finished), lived(finished), len(finished.records)
    collected = len(finished.datacollector.get_model_vars_dataframe())
    finished.step()
    finished.step()
    assert state(finished) == before
    assert lived(finished) == sums
    assert len(finished.records) == rows
    assert len(finished.datacollector.get_model_vars_dataframe()) == collected


def test_a_plan_that_has_begun_cannot_be_forked(finished):
    """What its levers have built belongs to it: another plan cannot go on from there."""
    with pytest.raises(ValueError, match="fork before it begins"):
        finished.fork(finished.plan)


def test_burn_in_stops_before_the_plan(config):
    model = LoyaltyModel(config).burn_in()
    assert model.plan_quarter == 1
    assert len(model.records) == BURN_IN
    assert model.burn_in() is model
    assert len(model.records) == BURN_IN


def test_the_datacollector_has_a_row_per_quarter_and_brand(finished):
    by_model = finished.datacollector.get_model_vars_dataframe().dropna(subset="focal_share")
    by_agent = finished.datacollector.get_agent_vars_dataframe().dropna(subset="share")
    table = measure_table(finished.history(), 1.0)
    whole = table[table.segment == "all"]
    focal = whole[whole.brand == "focal"]
    assert by_model["quarter"].tolist() == focal["quarter"].tolist()
    for name in ("share", "churn", "loyalty_index"):
        np.testing.assert_array_equal(by_model[f"focal_{name}"], focal[name], err_msg=name)
    assert len(by_agent) == len(whole)
    for name in ("share", "penetration", "loyalty_index"):
        np.testing.assert_array_equal(by_agent[name], whole[name], err_msg=name)
    assert by_agent["name"].tolist() == whole["brand"].tolist()


def test_collecting_changes_nothing(config, finished):
    silent = finish(LoyaltyModel(config, collect=False))
    assert silent.datacollector is None
    assert state(silent) == state(finished)
    assert lived(silent) == lived(finished)


@pytest.fixture(scope="module")
def sweep() -> pd.DataFrame:
    parameters = {"config": ["retail_three_phase"], "customers": [300, 500], "burn_in": 4}
    rows = mesa.batch_run(
        LoyaltyModel, parameters, number_processes=1, max_steps=3, display_progress=False
    )
    return pd.DataFrame(rows)


def test_batch_run_sweeps_over_settings(sweep):
    assert set(sweep["customers"]) == {300, 500}
    assert set(sweep["burn_in"]) == {4}
    assert len(sweep) == 2 * 5, "a row per run and brand"
    for _, run in sweep.groupby("RunId"):
        assert run["name"].tolist() == ["focal", "rival_1", "rival_2", "rival_3", "rival_4"]
        assert run["share"].sum() == pytest.approx(1.0)


def test_a_row_of_batch_run_is_of_one_quarter(sweep):
    """What brands report and what the model reports is of the quarter that the row names."""
    given = ["customers=500", "burn_in=4"]
    alone = finish(LoyaltyModel(load("retail_three_phase", given), collect=False))
    table = measure_table(alone.history(), 1.0)
    run = sweep[sweep.customers == 500]
    [quarter] = set(run["quarter"])
    expected = table[(table.segment == "all") & (table.quarter == quarter)]
    np.testing.assert_array_equal(run["penetration"], expected["penetration"])


def test_settings_go_with_a_scenarios_name_and_not_with_a_finished_configuration(config):
    assert len(LoyaltyModel("retail_three_phase", customers=150).customers) == 150
    with pytest.raises(ConfigError, match="customers"):
        LoyaltyModel(config, customers=150)
    with pytest.raises(ConfigError, match="did you mean 'customers'"):
        LoyaltyModel("retail_three_phase", custmers=150)
    with pytest.raises(ConfigError):
        LoyaltyModel("retail_three_phase", customers=-5)


def test_a_plan_may_be_given_by_its_name():
    """As a sweep over plans does: batch_run(LoyaltyModel, {"plan": ["today", "three_phase"]})."""
    model = LoyaltyModel("retail_three_phase", customers=150, plan="today")
    assert isinstance(model.plan, Plan)
    assert model.plan.name == "today"


def test_rng_is_the_seed(config):
    by_setting = LoyaltyModel(replace(config, seed=7), collect=False)
    by_argument = LoyaltyModel(config, rng=7, collect=False)
    other = LoyaltyModel(config, collect=False, rng=None)
    assert state(by_setting) == state(by_argument) != state(other)
    assert other.seed_number == config.seed


def test_worlds_differ_and_share_their_parameters_when_told_to(config):
    first = LoyaltyModel(config, replication=0, collect=False)
    second = LoyaltyModel(config, replication=1, collect=False)
    twin = LoyaltyModel(config, replication=1, parameter_replication=0, collect=False)
    assert first.drawn != second.drawn
    assert twin.drawn == first.drawn
    assert state(twin) != state(first)


def test_every_uncertain_number_is_drawn(config):
    drawn = LoyaltyModel(config, collect=False).drawn
    assert any(path.startswith("lever.") for path in drawn)
    again = LoyaltyModel(replace(config, customers=200), collect=False).drawn
    assert again == drawn, "a draw depends on its own name, seed and replication alone"


def test_two_forks_of_one_plan_are_equal_to_the_bit_and_leave_the_parent_alone(burnt_in):
    before, sums = state(burnt_in), lived(burnt_in)
    plan = burnt_in.config.plan
    first, second = finish(burnt_in.fork(plan)), finish(burnt_in.fork(plan))
    assert state(first) == state(second)
    assert lived(first) == lived(second)
    assert state(burnt_in) == before
    assert lived(burnt_in) == sums
    assert burnt_in.plan_quarter == 1


def test_forks_may_live_in_any_order(burnt_in):
    plan = burnt_in.config.plan
    alone = finish(burnt_in.fork(plan))
    first, other = burnt_in.fork(plan), burnt_in.fork(burnt_in.config.baseline)
    while first.running:
        other.step()
        first.step()
    assert lived(first) == lived(alone)
    assert lived(other) != lived(alone)


def test_a_fork_of_the_same_plan_is_the_model_itself_going_on(config):
    given = replace(config, risks=Risks("r", "r", (STRIKE,)))
    itself = LoyaltyModel(given, collect=False).burn_in()
    fork = itself.fork(itself.plan)
    assert fork.plan_quarter == itself.plan_quarter
    assert lived(finish(fork)) == lived(finish(itself))


def test_a_fork_knows_the_parameters_it_lives_with(burnt_in):
    assert burnt_in.fork(burnt_in.plan).drawn == burnt_in.drawn


def test_a_fork_draws_nothing_again(config, monkeypatch):
    """It lives with its parent's numbers, even where those are not of its own world."""
    twin = LoyaltyModel(config, replication=1, parameter_replication=0, collect=False).burn_in()
    monkeypatch.setattr(sim.model, "draw_parameters", None)
    fork = twin.fork(twin.plan)
    assert fork.config is twin.config
    assert fork.planned is config


def test_a_model_of_found_unknowns_is_that_of_their_configuration(config):
    given, found = (
        LoyaltyModel(c, replication=3, collect=False) for c in (config, Unknowns(config))
    )
    assert found.config == given.config
    assert state(found) == state(given)
    with pytest.raises(ConfigError, match="finished"):
        LoyaltyModel(Unknowns(config), customers=150)


def test_a_fork_shares_no_column_with_its_parent(burnt_in):
    fork = burnt_in.fork(burnt_in.plan)
    for name in Columns._fields:
        ours = getattr(burnt_in.population.columns, name)
        theirs = getattr(fork.population.columns, name)
        assert not np.shares_memory(ours, theirs), name


def test_rivals_meet_the_same_world_whatever_the_focal_brand_plans(burnt_in):
    """Risk events belong to the world: a plan without mitigation moves none of them."""
    events = []
    for plan in (burnt_in.config.plan, burnt_in.config.baseline):
        model = finish(burnt_in.fork(plan))
        events.append([record.events for record in model.records])
    assert events[0] == events[1]
    assert any(events[0])


@pytest.mark.parametrize("kind", ["repertoire", "subscription"])
def test_a_segment_without_a_single_customer_is_no_trouble(kind):
    """A market of few simulated customers rounds a small segment away; nothing warns."""
    given = ["customers=100", "burn_in=4", "quarters=1", "plan=today", f"market.kind={kind}",
             "market.segments.ordinary.share=0.579", "market.segments.young.share=0.42",
             "market.segments.vip.share=0.001"]  # fmt: skip
    model = LoyaltyModel(load("retail_three_phase", given))
    with np.errstate(all="raise"):
        finish(model)
        table = measure_table(model.history(), 1.0)
    assert (table[table.segment == "vip"]["buyers"] == 0).all()
    assert np.isfinite(table[table.segment == "all"]["share"]).all()


def test_touchpoints_that_do_not_fit_together_are_an_effort_and_nothing_else(config):
    spend = {"technology_team": 1e6, "connected_technology": 3e6}
    plan = Plan("p", "P", phases=(Phase("all", (1, QUARTERS), spend),))
    last = []
    for tiring in (0.0, 4.0):
        market = replace(config.market, journey=replace(config.market.journey, effort=tiring))
        model = LoyaltyModel(replace(config, market=market), plan=plan, collect=False)
        while model.running:
            model.step()
        last.append(model.records[-1].flow)
    breaks = model.focal_policy.delivered.breaks
    assert np.all(breaks > 0)
    extra = 4.0 * breaks * last[0][:-1, 0, at.PURCHASES]
    np.testing.assert_allclose((last[1] - last[0])[:-1, 0, at.EFFORT], extra)
    others = [column for column in range(at.N_FLOWS) if column != at.EFFORT]
    np.testing.assert_array_equal(last[0][..., others], last[1][..., others])
