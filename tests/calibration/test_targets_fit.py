"""Markets from target figures: what was put in is found, and what cannot be met is said."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sim.calibration.market_file import calibrated_market
from sim.calibration.prior import make_prior
from sim.calibration.targets import Target, fit_targets, read_targets
from sim.config.build import Unknowns
from sim.config.load import load
from sim.config.market import Joint
from sim.config.matching import Free, Matching
from sim.errors import ConfigError, DataError
from sim.measures.table import MEASURES
from sim.model import LoyaltyModel

TRUTH = {
    "brands.focal.appeal": 0.5,
    "rate.mean": 1.1,
    "survey.satisfaction_intercept": 1.0,
    "weights.habit": 2.0,
}
FREE = (
    Free("brands.*.appeal", by=1.5),
    Free("rate.mean", times=3),
    Free("survey.satisfaction_intercept", by=2),
    Free("weights.habit", low=0, high=4),
)
QUICK = Matching(FREE, members=32, first=64, wave=32, waves=6, search=16, customers=1500, worlds=4)
WANTED = {"share": 0.015, "penetration": 0.006, "satisfaction": 0.1, "repeat_rate": 0.02}


@pytest.fixture(scope="module")
def config():
    return load(None, ["market=online_retail", "plan=today", "risks=none"])


def figures_of(config, numbers, seed, worlds=6, customers=4000):
    """Return the wanted figures of a market's focal brand, mean over worlds and the plan's year."""
    market = replace(
        config.market, joint=(Joint("one", {path: (x,) for path, x in numbers.items()}),)
    )
    study = Unknowns(replace(config, market=market, customers=customers, quarters=4))
    lived = []
    for world in range(worlds):
        model = LoyaltyModel(study, replication=world, rng=seed, collect=False)
        while model.running:
            model.step()
        history = model.history()
        lived.append([MEASURES[name](history)[-4:, -1, 0].mean() for name in WANTED])
    return np.mean(lived, axis=0), np.std(lived, axis=0, ddof=1) / np.sqrt(worlds)


@pytest.fixture(scope="module")
def targets(config):
    values, _ = figures_of(config, TRUTH, seed=77, worlds=12)
    return [Target(name, float(value), se=se)
            for (name, se), value in zip(WANTED.items(), values, strict=True)]  # fmt: skip


@pytest.fixture(scope="module")
def told():
    return []


@pytest.fixture(scope="module")
def fit(config, targets, told):
    return fit_targets(targets, config, QUICK, source="figures.csv",
                       progress=lambda *now: told.append(now))  # fmt: skip


def test_the_truth_lies_in_the_set(fit):
    assert set(fit.joint) == set(TRUTH)
    for path, true in TRUTH.items():
        assert min(fit.joint[path]) < true < max(fit.joint[path])
        estimate, se = fit.parameters[path]
        assert abs(estimate - true) < 3 * se


def test_members_show_the_figures_in_worlds_that_they_have_not_met(config, targets, fit):
    chosen = range(0, QUICK.members, 8)
    numbers = [{path: rows[i] for path, rows in fit.joint.items()} for i in chosen]
    for member in numbers:
        shown, chance = figures_of(config, member, seed=4711)
        # A member is up to 3 standard errors off by its own worlds, and those are few.
        for value, error, target in zip(shown, chance, targets, strict=True):
            assert abs(value - target.value) < 3 * np.hypot(target.se, error) + 3 * error
    mean = np.mean([figures_of(config, member, seed=4711)[0] for member in numbers], axis=0)
    for value, target in zip(mean, targets, strict=True):
        assert abs(value - target.value) < 2 * target.se


def test_the_set_is_much_narrower_than_what_was_allowed_where_the_figures_tell(fit):
    rows = fit.series["parameters"]
    left = dict(zip(rows["path"], rows["spread_left"], strict=True))
    assert left["survey.satisfaction_intercept"] < 0.3
    assert left["rate.mean"] < 0.5
    for path, low, high in zip(rows["path"], rows["prior_low"], rows["prior_high"], strict=True):
        inside = [low <= x <= high for x in fit.joint[path]]
        assert np.mean(inside) > 0.8


def test_the_best_member_is_one_and_fits(fit):
    row = list(fit.market.values())
    members = np.column_stack([fit.joint[path] for path in fit.market])
    assert np.any(np.all(np.isclose(members, row), axis=1))
    assert max(fit.series["targets"]["misfit"]) <= QUICK.threshold
    assert set(fit.provenance.values()) == {"calibrated: figures.csv"}


def test_progress_comes_to_its_end(told):
    done = [now for now, _ in told]
    assert done == sorted(done)
    assert all(now <= planned for now, planned in told)
    assert told[-1][0] == told[-1][1]


def test_the_set_becomes_a_market_whose_study_draws_from_it(config, fit):
    market = calibrated_market(fit, config.market, "mine")
    study = Unknowns(replace(config, market=market))
    _, numbers = study.realise(lambda path: 0.3)
    row = int(0.3 * QUICK.members)
    for path, rows in fit.joint.items():
        assert numbers[f"market.{path}"] == pytest.approx(rows[row], rel=1e-5)
    assert set(market.joint[0].draws) == set(TRUTH)


def test_the_same_figures_give_the_same_set(config, targets):
    small = replace(QUICK, first=24, wave=16, waves=1, customers=500, worlds=2, search=4)
    first, again = (fit_targets(targets, config, small) for _ in range(2))
    assert first.document() == again.document()


def test_figures_that_contradict_each_other_are_named(config):
    asked = [Target("share", 0.35, se=0.01), Target("repeat_rate", 0.99, se=0.002),
             Target("penetration", 0.02, se=0.001)]  # fmt: skip
    small = replace(QUICK, first=48, wave=24, waves=1, search=12, customers=800, worlds=2)
    fit = fit_targets(asked, config, small, source="wishes.yaml")
    assert not fit.joint
    assert "no market in the ranges meets all targets" in fit.notes[0]
    assert "repeat_rate focal" in fit.notes[0]
    assert any("repeat_rate focal cannot be met by itself" in note for note in fit.notes)
    assert all(se is None for _, se in fit.parameters.values())
    assert set(fit.provenance.values()) == {"assumed: as near to wishes.yaml as any tried"}
    assert calibrated_market(fit, config.market, "mine").joint == ()


def test_a_number_that_no_target_tells_is_named(config):
    asked = [Target("satisfaction", 8.2, se=0.3)]
    free = (Free("survey.satisfaction_intercept", by=2), Free("survey.recommend_intercept", by=2))
    small = replace(QUICK, free=free, first=48, wave=32, waves=4, customers=500, worlds=2)
    fit = fit_targets(asked, config, small)
    assert fit.joint
    [note] = [note for note in fit.notes if "do not tell" in note]
    assert "survey.recommend_intercept" in note
    assert "satisfaction_intercept" not in note


def test_an_interrupt_leaves_the_set_so_far(config, targets):
    def interrupt(done, planned):
        if done == 40 < planned:
            raise KeyboardInterrupt  # a signal may come when Python ignores what it raises

    small = replace(QUICK, customers=500, worlds=2)
    fit = fit_targets(targets, config, small, progress=interrupt)
    assert "interrupted" in fit.notes[0]
    assert 39 <= fit.n_train <= 48


# --- where numbers may lie -----------------------------------------------------------------------


def prior(config, *free, named=("focal",)):
    return make_prior(free, config.market, named)


def ends(made):
    low, high = (made.values(np.full(len(made.numbers), u)) for u in (0.0, 1.0))
    return {path: (low[path], high[path]) for path in made.paths}


def test_ranges(config):
    given = prior(
        config, Free("rate.mean", times=2), Free("learning.rate", by=0.05),
        Free("weights.bond", low=0.1, high=0.9),
    )  # fmt: skip
    found = ends(given)
    assert found["rate.mean"] == pytest.approx((0.358, 1.432))
    assert found["learning.rate"] == pytest.approx((0.1, 0.2))
    assert found["weights.bond"] == pytest.approx((0.1, 0.9))
    assert given.values(np.full(3, 0.5))["rate.mean"] == pytest.approx(0.716)


def test_a_range_ends_where_the_field_does(config):
    given = prior(config, Free("learning.rate", by=0.5), Free("brands.focal.awareness", times=4))
    assert ends(given)["learning.rate"] == pytest.approx((0.0, 0.65))
    assert ends(given)["brands.focal.awareness"] == pytest.approx((0.1375, 1.0))


def test_a_distribution_of_the_market_is_the_prior_unless_a_range_is_stated(config):
    own = prior(config, Free("weights.habit", by=9)).values(np.array([0.5]))
    assert own["weights.habit"] == pytest.approx(1.46, abs=0.01)
    assert ends(prior(config, Free("weights.habit", low=1, high=3)))["weights.habit"] == (1, 3)


def test_brands_are_those_that_targets_name(config):
    star = Free("brands.*.appeal", by=1)
    assert prior(config, star).paths == ["brands.focal.appeal"]
    two = prior(config, star, named=("focal", "rival_2")).paths
    assert two == ["brands.focal.appeal", "brands.rival_2.appeal"]
    every = [brand.name for brand in config.market.brands]
    assert "brands.focal.appeal" not in prior(config, star, named=every).paths


@pytest.mark.parametrize(
    ("free", "message"),
    [
        (Free("weights.habbit", by=1), "did you mean 'weights.habit'"),
        (Free("rate.mean"), "nothing says where it may lie"),
        (Free("brands.rival_2.appeal", times=2), "nothing says where it may lie"),  # it is 0
        (Free("rate.mean", low=1), "has one end"),
        (Free("rate.mean", low=2, high=1), "2 is not below 1"),
        (Free("company_customers", times=2), "no number of the market that may be free"),
    ],
)
def test_what_cannot_be_freed(config, free, message):
    with pytest.raises(ConfigError, match="free") as caught:
        prior(config, free)
    assert message in str(caught.value)


# --- reading -------------------------------------------------------------------------------------


def written(tmp_path, text, name="figures.csv"):
    file = tmp_path / name
    file.write_text(text, encoding="utf-8")
    return file


def test_rows_are_read_from_csv_and_yaml(tmp_path):
    csv = written(tmp_path, "measure;brand;value;se;low;high;note\nshare;focal;0.38;0.01;;;panel\n"
                            "nps;;;;30;40;\n")  # fmt: skip
    yaml = written(
        tmp_path,
        "targets:\n  - {measure: share, brand: focal, value: 0.38, se: 0.01, note: panel}\n"
        "  - {measure: nps, low: 30, high: 40}\n",
        "figures.yaml",
    )
    for file in (csv, yaml):
        share, nps = read_targets(file)
        assert (share.measure, share.brand, share.middle, share.error(0.05)) == (
            "share", "focal", 0.38, 0.01,
        )  # fmt: skip
        assert nps.middle == 35
        assert nps.error(0.05) == pytest.approx(10 / 3.919928)
    assert read_targets(csv)[1].place.endswith("figures.csv, row 3")
    assert read_targets(yaml)[1].place.endswith("figures.yaml, item 2")


def test_a_weight_says_how_many_figures_it_counts_as():
    assert Target("share", 0.4).error(0.05) == pytest.approx(0.02)
    assert Target("share", 0.4, weight=4).error(0.05) == pytest.approx(0.01)
    with pytest.raises(ConfigError, match="an se for a figure of zero"):
        Target("nps", 0.0).error(0.05)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("measure,value,sse\nshare,0.3,0.1\n", "sse: no such column; did you mean 'se'"),
        ("measure,value\nshare,many\n", "row 2: value: 'many' is no number"),
        ("measure,value\nshare,nan\nshare\n", "row 3"),
        ("measure,value\nshare,\n", "row 2: value: is missing"),
        ("measure,value,se\nshare,0.3,-1\n", "row 2: se: -1 is out of range"),
        ("measure,value,low\nshare,0.3,0.2\n", "row 2: high: is missing"),
        ("measure,low,high\nshare,0.4,0.2\n", "row 2: low: 0.4 is not below high, 0.2"),
        ("measure,value,low,high\nshare,0.5,0.1,0.2\n", "row 2: value: 0.5 is not between"),
        ("measure,value,se,weight\nshare,0.5,0.1,2\n", "row 2: weight: stands beside se"),
        ("measure,value,quarter\nshare,0.5,1.5\n", "row 2: quarter: 1.5 is no whole number"),
        ("value\n0.5\n", "row 2: measure: is missing"),
        ("measure,place\nshare,here\n", "place: no such column"),
        ("measure,measure\nshare,share\n", "stands 2 times"),
        ("", "0 bytes"),
    ],
)  # fmt: skip
def test_rows_that_cannot_be_used(tmp_path, text, message):
    with pytest.raises((ConfigError, DataError)) as caught:
        read_targets(written(tmp_path, text))
    assert message in str(caught.value)
    assert "figures.csv" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- {measure: share, value: {normal: [0.3, 0.1]}}\n", "item 1: value: is a distribution"),
        ("measure: share\nvalue: 0.3\n", "is no list"),
        ("- [\n", "no YAML in line"),
        ("[]\n", "has no targets"),
        ("- share\n", "item 1: 'share' is no group of settings"),
        ("- {measure: share, value: 0.3, place: here}\n", "place: no such setting"),
    ],
)
def test_items_that_cannot_be_used(tmp_path, text, message):
    with pytest.raises((ConfigError, DataError)) as caught:
        read_targets(written(tmp_path, text, "figures.yaml"))
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        ([], "no target is given"),
        ([Target("nsp", 30.0)], "'nsp' is no measure; did you mean 'nps'"),
        ([Target("share", 0.3, brand="rival_9")], "did you mean 'rival_"),
        ([Target("share", 0.3, segment="vips")], "did you mean 'vip'"),
        ([Target("share", 38.0)], "38 is no share; allowed: 0 to 1 (a share, not percent)"),
        ([Target("nps", 0.0)], "allowed: an se for a figure of zero"),
        ([Target("share", 0.3), Target("market_share", 0.4, place="f.csv, row 3")],
         "f.csv, row 3: measure: 'share focal' was given before, as target 1"),
    ],
)  # fmt: skip
def test_targets_that_a_market_cannot_have(config, targets, message):
    with pytest.raises(ConfigError) as caught:
        fit_targets(targets, config, QUICK)
    assert message in str(caught.value)


def test_a_figure_that_never_exists_is_told(config):
    small = replace(QUICK, first=24, wave=8, waves=1, customers=300, worlds=2)
    with pytest.raises(ConfigError, match="warning_lead rival_1 does not exist in any market"):
        fit_targets([Target("warning_lead", 2.0, brand="rival_1")], config, small)


def test_other_names_of_measures(config):
    small = replace(QUICK, first=24, wave=8, waves=1, customers=300, worlds=2, search=2)
    fit = fit_targets([Target("csat", 8.0, se=0.5)], config, small)
    assert fit.series["targets"]["figure"] == ["satisfaction focal"]
