"""The market file of a calibration: what the data give, on a market that gives the rest."""

from __future__ import annotations

import pytest
import yaml

import sim
from sim.calibration.fit import Estimate, Fit
from sim.calibration.market_file import calibrated_market, market_text
from sim.config.build import build, dump, parameters
from sim.config.market import Market
from sim.errors import ConfigError
from sim.types import Provenance

BELOW = sim.load().market


def fit(market, joint=None) -> Fit:
    said = dict.fromkeys(market, "calibrated: data.csv")
    estimates = {"habit": Estimate(1.0, 0.1)}
    return Fit("panel", "data.csv", 10, 70, 30, -1.0, -1.1, estimates, market, said,
               joint=joint or {}, notes=["What the data cannot tell."])  # fmt: skip


def test_what_the_data_give_replaces_and_the_rest_stays_with_its_source():
    made = calibrated_market(fit({"rate.mean": {"normal": [1.5, 0.1]}}), BELOW, "mine")
    assert (made.name, made.rate.mean, made.rate.shape) == ("mine", 1.5, BELOW.rate.shape)
    assert made.brands == BELOW.brands
    assert made.provenance["rate.mean"] == "calibrated: data.csv"
    assert made.provenance["leaving.alpha"] == BELOW.provenance["leaving.alpha"]
    assert made.benchmarks == ()


def test_brands_of_the_data_make_the_market_with_the_one_to_be_studied_first():
    given = {
        "brands.a.appeal": 0.0,
        "brands.b.appeal": {"normal": [0.5, 0.1]},
        "brands.b.price": 1.2,
    }
    made = calibrated_market(fit(given), BELOW, "mine", focal="b")
    assert [brand.name for brand in made.brands] == ["b", "a"]
    assert made.focal.price == 1.2
    assert made.focal.problem == BELOW.focal.problem
    assert not any("rival" in path for path in made.provenance)


def test_a_file_is_read_as_the_market_that_it_was_written_from():
    given = {"brands.a.appeal": 0.0, "brands.b.appeal": {"normal": [1 / 3, 0.1]}}
    made = calibrated_market(fit(given, {"rate.mean": [1.0, 2.0]}), BELOW, "mine")
    text = market_text(made, ["a heading", "", "a long line " * 20])
    assert build(Market, yaml.safe_load(text)) == made
    assert max(len(line) for line in text.splitlines() if line.startswith("#")) <= 100


def test_a_study_takes_the_file(tmp_path):
    path = tmp_path / "mine.yaml"
    made = calibrated_market(fit({"weights.habit": {"normal": [2.0, 0.2]}}), BELOW, "mine")
    path.write_text(market_text(made, []))
    config = sim.load(overrides=[f"market={path}"])
    assert dump(config.market) == dump(made)
    kinds = {row.path: row.kind for row in parameters(config)}
    assert kinds["market.weights.habit"] is Provenance.CALIBRATED


def test_a_number_that_no_market_can_have_is_an_error():
    with pytest.raises(ConfigError, match=r"market\.rate\.mean: -1 is out of range"):
        calibrated_market(fit({"rate.mean": -1.0}), BELOW, "mine")
