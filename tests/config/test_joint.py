"""Joint draws of a market: numbers that were found together are drawn together."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import pytest
import yaml

from sim.config.build import Unknowns, build, dump, parameters, uncertain_parameters
from sim.config.load import load
from sim.config.market import Joint, JointNumber, Market
from sim.config.study import Config
from sim.errors import ConfigError
from sim.model import LoyaltyModel, draw_parameters
from sim.result import manifest
from sim.study import run_study

HABIT = (1.0, 2.0, 3.0, 4.0)
MEAN = (0.4, 0.5, 0.6, 0.7)
PATHS = {"weights.habit": HABIT, "rate.mean": MEAN, "brands.rival_1.appeal": (0.1, 0.2, 0.3, 0.4)}
ROWS = set(zip(*PATHS.values(), strict=True))


def with_joint(config: Config, *joint: Joint) -> Config:
    return replace(config, market=replace(config.market, joint=joint))


@pytest.fixture(scope="module")
def known() -> Config:
    return load(None, ["plan=today", "customers=2000", "quarters=4", "replications=8"])


@pytest.fixture(scope="module")
def config(known) -> Config:
    return with_joint(known, Joint("targets.csv", PATHS))


def market_data(config: Config, **draws: object) -> dict:
    return {**dump(config.market), "joint": [{"name": "fit", "draws": draws}]}


def test_a_row_is_drawn_whole(config):
    unknowns = Unknowns(config)
    met = set()
    for replication in range(64):
        drawn = draw_parameters(unknowns, 1, replication)
        market = drawn.config.market
        row = (market.weights.habit, market.rate.mean, market.brands[1].appeal)
        assert row in ROWS
        assert drawn.numbers["market.weights.habit"] == row[0]
        assert drawn.numbers["market.rate.mean"] == row[1]
        met.add(row)
    assert met == ROWS


def test_rows_are_equally_likely(config):
    unknowns = Unknowns(config)
    n = 800
    drawn = [draw_parameters(unknowns, 1, k).numbers["market.weights.habit"] for k in range(n)]
    counts = np.array([drawn.count(value) for value in HABIT])
    chi2 = ((counts - n / 4) ** 2 / (n / 4)).sum()
    assert chi2 < 16.3  # 99.9% point of chi-squared with 3 degrees of freedom


def test_every_chance_below_one_has_a_row(config):
    unknowns = Unknowns(config)
    for chance, row in [(0.0, 0), (0.25, 1), (0.74999, 2), (1.0 - 2**-53, 3), (1.0, 3)]:
        _, numbers = unknowns.realise(lambda path, u=chance: u)
        assert numbers["market.rate.mean"] == MEAN[row]


def test_a_realised_market_is_known(config):
    drawn, _ = Unknowns(config).realise(lambda path: 0.3)
    assert drawn.market.joint == ()
    assert not [path for path in uncertain_parameters(drawn) if path.startswith("market.weights")]


def test_joint_draws_move_no_other_draw(known, config):
    alone = draw_parameters(Unknowns(known), 5, 3).numbers
    beside = draw_parameters(Unknowns(config), 5, 3).numbers
    joined = {f"market.{path}" for path in PATHS}
    apart = alone.keys() - joined
    assert len(apart) > 100
    assert {path: beside[path] for path in apart} == {path: alone[path] for path in apart}
    assert beside.keys() == alone.keys() | joined


def test_the_row_goes_by_the_name_of_the_fit(known):
    def rows(name):
        unknowns = Unknowns(with_joint(known, Joint(name, PATHS)))
        return [draw_parameters(unknowns, 1, k).numbers["market.rate.mean"] for k in range(24)]

    assert rows("a.csv") == rows("a.csv") != rows("b.csv")


def test_draws_replace_a_distribution_at_the_same_path(known):
    market = build(
        Market, {**dump(known.market), "rate": {**dump(known.market.rate),
                                                "mean": {"uniform": [2.0, 3.0]}}}
    )  # fmt: skip
    unknowns = Unknowns(
        replace(known, market=replace(market, joint=(Joint("a", {"rate.mean": MEAN}),)))
    )
    assert {draw_parameters(unknowns, 1, k).config.market.rate.mean for k in range(64)} == set(MEAN)


def test_plans_of_a_replication_share_the_row(config):
    result = run_study(replace(config, plan=replace(config.baseline, name="the_same")))
    assert result.changes_nothing("the_same")
    assert set(result.values("the_same", "npv")) == {0.0}
    drawn = [r.parameters["market.weights.habit"] for r in result.replications]
    assert len(set(drawn)) > 1


def test_a_model_lives_the_market_that_was_drawn(config):
    model = LoyaltyModel(config, replication=2, collect=False)
    numbers = {path: model.drawn[f"market.{path}"] for path in PATHS}
    market = replace(
        config.market, joint=(),
        weights=replace(config.market.weights, habit=numbers["weights.habit"]),
        rate=replace(config.market.rate, mean=numbers["rate.mean"]),
        brands=(config.market.brands[0],
                replace(config.market.brands[1], appeal=numbers["brands.rival_1.appeal"]),
                *config.market.brands[2:]),
    )  # fmt: skip
    alone = LoyaltyModel(replace(config, market=market), replication=2, collect=False)
    for _ in range(2):
        model.step()
        alone.step()
    assert np.array_equal(model.latest("share"), alone.latest("share"))


def test_reports_see_what_is_drawn(config):
    result = run_study(config)
    listed = manifest(result)
    rows = {row["parameter"]: row for row in listed["uncertain"]}
    assert rows["market.weights.habit"]["value"] == {"joint": [1.0, 2.5, 4.0]}
    assert rows["market.weights.habit"]["provenance"] in ("assumed", "calibrated", "literature")
    sources = {row["parameter"]: row["value"] for row in listed["provenance_rows"]}
    assert sources["market.rate.mean"] == {"joint": [0.4, 0.55, 0.7]}
    assert not [path for path in sources if path.startswith("market.joint")]


def test_it_is_written_and_read(known, tmp_path):
    data = {**market_data(known, **PATHS), "name": "mine"}
    file = tmp_path / "mine.yaml"
    file.write_text(yaml.safe_dump(data, sort_keys=False), encoding="utf-8")
    read = load(None, [f"market={file}", "plan=today"])
    assert read.market.joint == (Joint("fit", PATHS),)
    assert build(Market, dump(read.market)) == read.market
    assert not [row.path for row in parameters(read) if "joint" in row.path]


def test_a_value_on_the_command_line_replaces_the_draws(known, tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text(yaml.safe_dump(market_data(known, **PATHS)), encoding="utf-8")
    read = load(None, [f"market={file}", "plan=today", "market.weights.habit=9"])
    assert read.market.weights.habit == 9
    assert set(read.market.joint[0].draws) == {"rate.mean", "brands.rival_1.appeal"}
    given = ["market.weights.habit=9", "market.rate.mean=1", "market.brands.rival_1.appeal=0"]
    assert load(None, [f"market={file}", "plan=today", *given]).market.joint == ()


def test_a_copy_keeps_the_draws():
    number = JointNumber(HABIT)
    assert float(number) == 2.5
    assert copy.deepcopy(number).draws == HABIT


@pytest.mark.parametrize(
    ("draws", "message"),
    [
        ({"weights.habit": [1.0, 2.0], "rate.mean": [0.5]}, "1 draws, but 2 of weights.habit"),
        ({"weights.habbit": [1.0]}, "did you mean 'weights.habit'"),
        ({"nonsense": [1.0]}, "no number of the market that may be uncertain"),
        ({"weights": [1.0]}, "no number of the market that may be uncertain"),
        ({"company_customers": [1000.0]}, "no number of the market that may be uncertain"),
        ({"weights.habit": [1.0, 25.0]}, "25 is out of range; allowed: 0 to 20"),
        ({"weights.habit": [1.0, float("nan")]}, "is not finite"),
        ({"weights.habit": ["much"]}, "is no number"),
        ({"weights.habit": [{"uniform": [0, 1]}]}, "holds a distribution"),
        ({"weights.habit": []}, "nothing to draw"),
        ({}, "nothing to draw"),
    ],
)  # fmt: skip
def test_draws_that_cannot_be_used(known, draws, message):
    with pytest.raises(ConfigError, match=r"market\.joint.*fit") as caught:
        build(Market, market_data(known, **draws), "market")
    assert message in str(caught.value)


def test_a_path_may_stand_in_one_fit_only(known):
    two = [Joint("a", {"rate.mean": MEAN}), Joint("b", {"rate.mean": (0.5,)})]
    with pytest.raises(ConfigError, match=r"named twice: rate\.mean"):
        with_joint(known, *two)
    with pytest.raises(ConfigError, match="named twice: a"):
        with_joint(known, two[0], Joint("a", {"weights.habit": HABIT}))


def test_several_fits_are_drawn_apart(known):
    unknowns = Unknowns(
        with_joint(known, Joint("a", {"rate.mean": MEAN}), Joint("b", {"weights.habit": HABIT}))
    )
    pairs = set()
    for k in range(200):
        numbers = draw_parameters(unknowns, 1, k).numbers
        pairs.add((numbers["market.rate.mean"], numbers["market.weights.habit"]))
    assert len(pairs) == 16
