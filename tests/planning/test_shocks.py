"""Shocks: each changes what it says and nothing else, and one that finds nothing says so."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

import sim
from sim.config.build import dump
from sim.config.files import choices
from sim.config.load import load
from sim.config.plan import Gate, Phase, Plan, Review, Rule
from sim.config.rollout import Rollout, Wave
from sim.config.shock import read_shock, shock_names
from sim.config.study import Config
from sim.errors import ConfigError
from sim.planning.future import Future
from sim.planning.shocks import (
    NothingStruckError,
    cut,
    delayed,
    futures_of,
    read_blow,
    strike,
    timed,
    untouched,
)

SINGLE = [name for name in choices("shock") if not read_shock(name).combine]
COMBINED = [name for name in choices("shock") if read_shock(name).combine]


@pytest.fixture(scope="module")
def study() -> Config:
    return sim.load("retail_three_phase")


@pytest.fixture(scope="module")
def several() -> Config:
    plans = "plans=[today,three_phase,service_first]"
    return load("retail_three_phase", [plans], "compare")


@pytest.fixture
def write(tmp_path: Path) -> Any:
    def written(name: str, **data: Any) -> str:
        path = tmp_path / f"{name}.yaml"
        path.write_text(yaml.safe_dump({"title": name, **data}), encoding="utf-8")
        return str(path)

    return written


def changed(study: Config, future: Future) -> set[str]:
    return {name for name, own in dump(future.config).items() if own != dump(study)[name]}


# --- what ships ----------------------------------------------------------------------------------


def test_a_dozen_shocks_and_three_combinations_ship() -> None:
    assert len(SINGLE) == 12
    assert set(COMBINED) == {"mild", "severe", "perfect_storm"}


@pytest.mark.parametrize("name", SINGLE)
def test_every_number_of_a_shipped_shock_states_its_source(name: str) -> None:
    shock = read_shock(name)
    assert shock.story.endswith(".")
    assert shock.provenance
    wanted = {f"settings.{change.key}".removesuffix(".*") for change in shock.settings}
    wanted |= {f"rivals.{brand}" for brand in shock.rivals}
    wanted |= {f"risks.{risk.name}" for risk in shock.risks}
    wanted |= {f"plan.{key}" for key in ("delay", "phases", "fails") if getattr(shock.plan, key)}
    for path in wanted:
        assert any(f"{path}.".startswith(f"{stated}.") for stated in shock.provenance), path
    for stated in shock.provenance:  # and none of something that is not there
        assert any(f"{path}.".startswith(f"{stated}.") or f"{stated}.".startswith(f"{path}.")
                   for path in wanted), stated  # fmt: skip


@pytest.mark.parametrize("market", ["mobile_telecom", "luxury"])
def test_all_shipped_shocks_strike_other_markets_too(market: str) -> None:
    config = sim.load(None, [f"market={market}"])
    for name in shock_names():
        for future in futures_of(config, [name]):
            future.check(config)
            assert untouched(config, future) == []


WHAT = {
    "demand_down": {"market"},
    "price_war": {"rivals"},
    "acquisition_cost_up": {"finance"},
    "data_breach": {"risks"},
    "two_quarter_delay": {"plan"},
    "second_phase_cut": {"plan"},
    "rival_imitates": {"rivals"},
    "key_lever_fails": {"lever"},
    "expectations_rise": {"market"},
    "discount_rate_up": {"finance"},
    "currency_inflation": {"finance"},
    "service_collapse": {"risks"},
    "severe": {"market", "rivals", "plan"},
}


@pytest.mark.parametrize(("name", "parts"), WHAT.items())
def test_a_shock_changes_its_own_part_and_no_other(
    study: Config, name: str, parts: set[str]
) -> None:
    [future] = futures_of(study, [name])
    assert changed(study, future) == parts


def test_demand_falls_by_a_fifth_in_every_quarter_of_the_year(study: Config) -> None:
    [future] = futures_of(study, ["demand_down"])
    own = future.config.market.rate
    assert own.season == pytest.approx([0.8 * factor for factor in study.market.rate.season])
    assert replace(own, season=study.market.rate.season) == study.market.rate


def test_a_combination_is_all_of_its_parts(study: Config) -> None:
    [together] = futures_of(study, ["demand_down+price_war+second_phase_cut"])
    [shipped] = futures_of(study, ["severe"])
    assert dump(together.config) == dump(shipped.config)
    for part in ("demand_down", "price_war", "second_phase_cut"):
        [alone] = futures_of(study, [part])
        [where] = changed(study, alone)
        assert dump(getattr(alone.config, where)) == dump(getattr(together.config, where))


def test_shocks_multiply_and_add_up_on_one_setting(study: Config, write: Any) -> None:
    key = "finance.keeping_cost"
    double = write("double", settings=[{"key": key, "times": 2}])
    more = write("more", settings=[{"key": key, "times": 1.5}])
    [future] = futures_of(study, [f"{double}+{more}"])
    assert future.config.finance.keeping_cost == pytest.approx(3 * study.finance.keeping_cost)


def test_a_row_of_the_register_of_the_same_name_is_replaced(study: Config) -> None:
    exposed = sim.load("retail_three_phase", ["risks=retail"])
    [future] = futures_of(exposed, ["data_breach"])
    own = {risk.name: risk for risk in future.config.risks.register}
    assert len(own) == len(exposed.risks.register)
    assert own["data_breach"].probability == 1.0
    assert own["market_shift"] == next(
        risk for risk in exposed.risks.register if risk.name == "market_shift"
    )


# --- plans ---------------------------------------------------------------------------------------


def total(plan: Plan) -> float:
    return sum(amount for phase in plan.phases for amount in phase.spend.values())


def test_a_delay_moves_all_phases_and_spends_nothing_after_the_end(study: Config) -> None:
    [future] = futures_of(study, ["two_quarter_delay"])
    before, after = study.plan, future.config.plan
    for quarter in range(1, study.quarters + 1):
        for lever in before.levers:
            own, planned = after.spend_in(lever, quarter), before.spend_in(lever, quarter - 2)
            assert own == pytest.approx(planned), (lever, quarter)
    assert total(after) == pytest.approx(total(before) - 2 / 8 * 3_000_000)
    assert future.config.baseline == study.baseline


def test_a_delay_moves_gate_waves_and_preparation(study: Config) -> None:
    waves = (Wave("first", 0.5, quarter=2), Wave("rest", 0.5, quarter=4))
    review = Review((Rule("move", (), source="core_team", share=0.5),
                     Rule("late", (), source="training", share=0.5)))  # fmt: skip
    phases = (Phase("now", (1, 2), {"core_team": 1e5}), Phase("later", (9, 12), {"training": 1e5}))
    plan = Plan("p", "P", phases=phases, rollout=Rollout(4.0, waves), review=review, gate=Gate(6))
    late = delayed(replace(study, plan=plan), plan, 5)
    assert [wave.quarter for wave in late.rollout.waves] == [7, 9]
    assert late.rollout.preparation == 4 + 5 * 13
    assert late.gate == Gate(11)
    assert [rule.name for rule in late.review.rules] == ["move"]  # type: ignore[union-attr]
    assert delayed(replace(study, plan=plan), plan, 6).gate is None  # it would decide at the end


def test_a_plan_that_is_late_beyond_the_end_is_an_error(study: Config) -> None:
    with pytest.raises(ConfigError, match=r"after the study's last quarter.*less than 12"):
        delayed(study, study.plan, 12)


def test_a_phase_goes_by_its_name_or_its_place_in_time() -> None:
    phases = (Phase("last", (5, 6), {"training": 4.0}), Phase("early", (1, 2), {"training": 8.0}))
    plan = Plan("p", "P", phases=phases)
    assert cut(plan, {"2": 0.5}) == cut(plan, {"last": 0.5})
    assert total(cut(plan, {"early": 0.25})) == 2.0 + 4.0


def test_the_lever_with_the_largest_budget_fails(study: Config) -> None:
    [future] = futures_of(study, ["key_lever_fails"])
    assert future.title.endswith(": Tamper-proof points and privacy")
    assert future.config.lever["privacy"].reach == 0
    assert future.config.plan == study.plan  # all of it is paid for


def test_plans_with_other_key_levers_have_a_future_for_each(several: Config) -> None:
    futures = futures_of(several, ["key_lever_fails"])
    assert [future.name for future in futures] == [
        "key_lever_fails_privacy", "key_lever_fails_service_experience",
    ]  # fmt: skip


def test_a_plan_that_is_not_touched_is_known(several: Config) -> None:
    [future] = futures_of(several, ["second_phase_cut"])
    assert untouched(several, future) == ["today"]
    [future] = futures_of(several, ["demand_down"])
    assert untouched(several, future) == []


def test_an_unlikely_draw_is_kept_apart_from_its_median(study: Config, write: Any) -> None:
    """A distribution that becomes its median is another study, though the numbers are equal."""
    median = float(study.market.weights.price)
    file = write("sure", settings=[{"key": "market.weights.price", "set": median}])
    [future] = futures_of(study, [file])
    assert future.config.market == study.market
    assert untouched(study, future) == []


# --- time ----------------------------------------------------------------------------------------


def test_a_shock_strikes_in_a_phase_alone(study: Config) -> None:
    [demand] = strike(study, timed(study, read_blow("demand_down"), (2, 4)))
    assert demand.quarters == (2, 4)
    [war] = strike(study, timed(study, read_blow("price_war"), (5, 12)))
    moves = war.config.rivals.brands["rival_1"].moves
    assert {move.quarters for move in moves} == {(5, 12)}
    [breach] = strike(study, timed(study, read_blow("data_breach"), (2, 4)))
    assert [(risk.quarter, risk.duration) for risk in breach.config.risks.register] == [(2, 2)]


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("two_quarter_delay", "changes the plan itself"),
        ("discount_rate_up", "one for the whole of a plan"),
        ("rival_imitates", "in their own time"),
        ("demand_down+price_war", "beside rivals or events"),
    ],
)
def test_what_has_no_time_cannot_strike_in_a_phase(study: Config, name: str, why: str) -> None:
    with pytest.raises(NothingStruckError, match=why):
        timed(study, read_blow(name), (2, 4))


# --- what cannot be ------------------------------------------------------------------------------

KEY = "finance.keeping_cost"
MARGIN = "finance.gross_margin"
WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "nothing": ({}, "settings: changes nothing; allowed: one or more of"),
    "typo": ({"setings": []}, "setings: no such setting.*'settings'"),
    "no way": ({"settings": [{"key": KEY}]}, "is changed in 0 ways; allowed: one of set"),
    "two ways": ({"settings": [{"key": KEY, "times": 2, "plus": 1}]}, "is changed in 2 ways"),
    "wrong way": ({"settings": [{"key": KEY, "tims": 2}]}, "keeping_cost.tims.*'times'"),
    "no number": ({"settings": [{"key": KEY, "times": "x"}]}, "'x' is no number"),
    "idle": ({"settings": [{"key": KEY, "times": 1}]}, "times 1 changes nothing"),
    "same": ({"settings": [{"key": KEY, "set": 12}]}, "changes nothing: no plan and no number"),
    "other part": ({"settings": [{"key": "seed", "set": 2}]}, "seed is no setting that a shock"),
    "nowhere": ({"settings": [{"key": "finance.margin", "times": 2}]}, "margin.*'gross_margin'"),
    "range": ({"settings": [{"key": MARGIN, "plus": 1}]}, "1.25 is out of range.*0 to 1"),
    "late": ({"settings": [{"key": KEY, "times": 2}], "quarters": [4, 2]}, "from quarter 4 to 2"),
    "rate": (
        {"settings": [{"key": "finance.discount_rate", "plus": 0.1}], "quarters": [1, 2]},
        "finance.discount_rate cannot change for a time only",
    ),
    "untimed": ({"rivals": {"rival_1": {"kind": "imitate"}}, "quarters": [1, 2]}, "there are none"),
    "enter": ({"rivals": {"rival_1": {"kind": "enter"}}}, "has lived in the market"),
    "who": ({"rivals": {"rival_9": {"kind": "imitate"}}}, "no such rival in this market: rival_9"),
    "rivals": ({"rivals": "mixd"}, "no such rivals: mixd.*'mixed'"),
    "lever": ({"plan": {"fails": "privcy"}}, "no lever 'privcy'.*'privacy'"),
    "unpaid": ({"plan": {"fails": "heritage"}}, "no plan pays for 'heritage'"),
    "phase": (
        {"plan": {"phases": {"4": 0.5}}},
        r"no plan has a phase '4'; allowed: three_phase: 1 \(short\), 2 \(mid\), 3 \(long\)",
    ),
    "after": (
        {"risks": [{"name": "r", "title": "R", "probability": 1, "severity": 1, "quarter": 20}]},
        "strikes in quarter 20, but the study ends with quarter 12",
    ),
    "circle": ({"combine": ["circle"]}, "no such shock: circle"),
}  # fmt: skip


@pytest.mark.parametrize(("data", "message"), WRONG.values(), ids=WRONG)
def test_a_shock_that_cannot_be_used_says_why(
    study: Config, write: Any, data: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        futures_of(study, [write("mine", **data)])


TOGETHER: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "cancel": (
        {"settings": [{"key": KEY, "times": 2}]}, {"settings": [{"key": KEY, "times": 0.5}]},
        f"{KEY}: a and b cancel each other",
    ),
    "cancel budgets": (
        {"plan": {"phases": {"mid": 0.5}}}, {"plan": {"phases": {"2": 2}}},
        "cancel each other: no budget is changed",
    ),
    "set": (
        {"settings": [{"key": KEY, "set": 2}]}, {"settings": [{"key": KEY, "times": 0.5}]},
        "a and b change it, and one of them sets it",
    ),
    "rival": (
        {"rivals": {"rival_1": {"kind": "imitate"}}}, {"rivals": "price_war"},
        "rivals.rival_1: a and b change it, each in its own way",
    ),
    "time": (
        {"settings": [{"key": KEY, "times": 2}], "quarters": [1, 2]},
        {"settings": [{"key": MARGIN, "times": 0.9}]},
        "settings hold at different times",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("first", "second", "message"), TOGETHER.values(), ids=TOGETHER)
def test_shocks_that_undo_or_contradict_each_other_say_so(
    study: Config, write: Any, first: dict[str, Any], second: dict[str, Any], message: str
) -> None:
    given = f"{write('a', **first)}+{write('b', **second)}"
    with pytest.raises(ConfigError, match=message):
        futures_of(study, [given])


def test_nearest_names_and_repeated_shocks(study: Config) -> None:
    with pytest.raises(ConfigError, match="did you mean 'demand_down'"):
        futures_of(study, ["demand_dwn"])
    with pytest.raises(ConfigError, match="'price_war' stands twice"):
        futures_of(study, ["price_war", "price_war"])
    with pytest.raises(ConfigError, match="'demand_down' strikes twice"):
        futures_of(study, ["demand_down+severe"])


def test_a_plan_without_phases_cannot_be_late(study: Config) -> None:
    idle = replace(study, plan=study.baseline)
    with pytest.raises(NothingStruckError, match="no plan has anything that could be late"):
        futures_of(idle, ["two_quarter_delay"])


def test_shocks_of_ones_own_lie_in_a_folder_and_may_combine(study: Config, tmp_path: Path) -> None:
    (tmp_path / "shock").mkdir()
    for name, combine in (("mine", ["price_war"]), ("round", ["about"]), ("about", ["round"])):
        text = yaml.safe_dump({"title": name, "combine": combine})
        (tmp_path / "shock" / f"{name}.yaml").write_text(text)
    assert "mine" in shock_names([tmp_path])
    [future] = futures_of(study, ["mine"], [tmp_path])
    assert changed(study, future) == {"rivals"}
    with pytest.raises(ConfigError, match="in a circle: round -> about -> round"):
        futures_of(study, ["round"], [tmp_path])


def test_the_documented_shock_can_be_used(study: Config, tmp_path: Path) -> None:
    page = Path(sim.__file__).parents[1] / "docs" / "planning" / "stress.md"
    [text] = re.findall(r"```yaml\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    (tmp_path / "hard_winter.yaml").write_text(text, encoding="utf-8")
    [future] = futures_of(study, [str(tmp_path / "hard_winter.yaml")])
    future.check(study)
    assert changed(study, future) == {"market", "rivals", "risks", "plan", "lever", "finance"}
