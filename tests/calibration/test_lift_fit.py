"""Lift tests: a firm's own evidence moves a lever as far as it is sure, and no further."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from sim.calibration.laboratory import Laboratory, Response
from sim.calibration.lever_sizes import Size, lever_sizes, lever_text, moved
from sim.calibration.lift import Normal, combine, fit_lift, weigh
from sim.calibration.lift_tests import LiftTest, Scale, read_lift_tests
from sim.config.build import Limits, build
from sim.config.fields import Uncertain
from sim.config.lever import Lever
from sim.config.load import load
from sim.config.matching import LiftSettings
from sim.errors import ConfigError, DataError

LEVER = "service_experience"
QUICK = LiftSettings(customers=1500, worlds=4)
SPEND = 0.8


@pytest.fixture(scope="module")
def config():
    return load(None, ["market=online_retail", "plan=today", "risks=none"])


def satisfaction(effect, se, **given):
    return LiftTest(LEVER, "satisfaction", effect, se, SPEND, quarters=2, **given)


@pytest.fixture(scope="module")
def expected(config):
    """What the prior expects of the test, and its sd."""
    rows = fit_lift([satisfaction(0.0, 1.0)], LEVER, config, QUICK).fit.series["tests"]
    return rows["prior_mean"][0], rows["prior_sd"][0]


def mean_size(lever, path="effects.functional.size"):
    return {size.path: size.mean for size in lever_sizes(lever, 0.5)}[path]


# --- the update ----------------------------------------------------------------------------------


@given(
    st.floats(-3, 3), st.floats(0.05, 3), st.floats(-3, 3), st.floats(0.05, 3)
)  # fmt: skip
def test_precisions_add_as_on_a_grid(prior_mean, prior_sd, mean, sd):
    grid = np.linspace(-20, 20, 40_001)
    log = -0.5 * ((grid - prior_mean) / prior_sd) ** 2 - 0.5 * ((grid - mean) / sd) ** 2
    mass = np.exp(log - log.max())
    mass /= mass.sum()
    exact = mass @ grid
    posterior = combine(Normal(prior_mean, prior_sd), Normal(mean, sd))
    assert posterior.mean == pytest.approx(exact, abs=1e-3)
    assert posterior.sd == pytest.approx(np.sqrt(mass @ (grid - exact) ** 2), rel=1e-3)
    assert posterior.sd**-2 == pytest.approx(prior_sd**-2 + sd**-2)


def test_who_says_nothing_changes_nothing():
    assert combine(Normal(1, 0.5), Normal(9, math.inf)) == Normal(1, 0.5)
    assert combine(Normal(1, 0.0), Normal(9, 0.1)) == Normal(1, 0.0)


def response(slope, single=None):
    slope = np.atleast_1d(np.asarray(slope, dtype=float))
    zero = np.zeros(len(slope))
    moves = np.abs(slope)[None] if single is None else np.asarray(single)
    return Response(zero, slope, zero, moves, zero, np.zeros(1), zero[None])


ONE = Size("effects.match.size", 1.0, 1.0, 0.4, Limits())


def test_two_tests_are_one_of_twice_the_information():
    twice = weigh(response([2.0, 2.0]), [satisfaction(2.2, 0.3)] * 2, [ONE])
    once = weigh(response(2.0), [satisfaction(2.2, 0.3 / math.sqrt(2))], [ONE])
    assert twice.posterior.mean == pytest.approx(once.posterior.mean)
    assert twice.posterior.sd == pytest.approx(once.posterior.sd)


def test_one_test_after_the_other_is_both_at_once():
    tests = [satisfaction(2.4, 0.3), satisfaction(1.2, 0.5)]
    both = weigh(response([2.0, 2.0]), tests, [ONE]).posterior
    first = weigh(response(2.0), tests[:1], [ONE])
    after = replace_size(ONE, first.posterior.mean, first.narrower)
    second = weigh(response(2.0 * after.mean, [[2.0]]), tests[1:], [after]).posterior
    assert second.mean * after.mean == pytest.approx(both.mean)
    assert second.sd * after.mean == pytest.approx(both.sd)


def replace_size(size, factor, narrower):
    return size._replace(mean=size.mean * factor, sd=size.sd * narrower)


def test_the_prior_is_as_wide_as_the_effects_that_make_up_the_figure():
    sizes = [ONE, Size("effects.trust.size", 1.0, 0.1, 0.1, Limits())]
    only_first = weigh(response(2.0, [[2.0], [0.0]]), [satisfaction(2, 1)], sizes)
    only_second = weigh(response(2.0, [[0.0], [2.0]]), [satisfaction(2, 1)], sizes)
    assert only_first.prior.sd == pytest.approx(0.4)
    assert only_second.prior.sd == pytest.approx(1.0)


TRIANGLE = Uncertain("triangular", (0.0, 0.1, 0.5))  # mean 0.2
EVEN = Uncertain("uniform", (0.2, 0.4))


@pytest.mark.parametrize(
    ("stated", "mean", "factor", "narrower", "expected"),
    [
        (TRIANGLE, 0.2, 1, 1, {"triangular": [0, 0.1, 0.5]}),
        (TRIANGLE, 0.2, 2, 0.5, {"triangular": [0.3, 0.35, 0.55]}),
        (EVEN, 0.3, 0.5, 0.1, {"uniform": [0.14, 0.16]}),
        (Uncertain("normal", (0.2, 0.1)), 0.2, 1.5, 0.5, {"normal": [0.3, 0.05]}),
        (Uncertain("beta", (2, 8)), 0.2, 1.5, 0.5, {"normal": [0.3, 0.05]}),
        (0.2, 0.2, 0.5, 0.5, {"normal": [0.1, 0.05]}),
        (EVEN, 0.3, 1, 1e-12, {"": [0.3]}),
    ],
)
def test_a_size_moves_and_narrows_in_its_own_shape(stated, mean, factor, narrower, expected):
    written = moved(Size("x", stated, mean, 0.1, Limits("", -10, 10)), factor, narrower)
    [(form, numbers)] = (written if isinstance(written, dict) else {"": [written]}).items()
    assert form in expected
    assert numbers == pytest.approx(expected[form])


def test_a_moved_size_has_the_moments_that_it_should(config):
    for size in lever_sizes(config.lever[LEVER], 0.5):
        lever = build(Lever, {"name": "a", "title": "b", "half_saturation": 1.0, "effects": [
            {"channel": "match", "size": moved(size, 1.4, 0.6)}]})  # fmt: skip
        [after] = lever_sizes(lever, 0.5)
        assert after.mean == pytest.approx(1.4 * size.mean, rel=1e-3)
        assert after.sd == pytest.approx(0.6 * size.sd, rel=1e-3)


# --- through the engine --------------------------------------------------------------------------


def test_the_posterior_lies_between_prior_and_test(config, expected):
    mean, sd = expected
    test = satisfaction(mean + 2 * sd, sd)
    fit, lever = fit_lift([test], LEVER, config, QUICK, source="tests.csv")
    rows = fit.series["tests"]
    assert mean < rows["posterior_mean"][0] < test.effect
    assert rows["posterior_mean"][0] == pytest.approx(mean + sd, rel=0.1)  # as sure as the prior
    assert rows["posterior_sd"][0] == pytest.approx(sd / math.sqrt(2), rel=0.1)
    assert mean_size(lever) > mean_size(config.lever[LEVER])
    assert lever.provenance["effects.functional.size"] == "calibrated: tests.csv"
    told = fit.parameters
    assert told["factor.prior"].estimate == 1
    assert told["factor.posterior"].se < min(told["factor.prior"].se, told["factor.likelihood"].se)
    assert told[f"lever.{LEVER}.effects.functional.size"].estimate == pytest.approx(
        mean_size(lever), rel=1e-3
    )


def test_a_sure_test_wins(config, expected):
    mean, sd = expected
    wanted = 1.5 * mean
    fit, lever = fit_lift([satisfaction(wanted, sd / 1000)], LEVER, config, QUICK)
    rows = fit.series["tests"]
    chance = rows["chance_se"][0]
    assert abs(rows["posterior_mean"][0] - wanted) < 0.1 * mean + 2 * chance
    # The updated lever shows it when it is lived at its new sizes.
    tested = [satisfaction(0.0, 1.0)]
    laboratory = Laboratory(
        config, LEVER, tested, lever_sizes(config.lever[LEVER], 0.5), QUICK, None
    )
    factor = mean_size(lever) / mean_size(config.lever[LEVER])
    assert laboratory.look(factor, 0.25).effects[2, 0] == pytest.approx(wanted, rel=0.05)


def test_an_unsure_test_changes_nothing(config):
    fit, lever = fit_lift([satisfaction(5.0, 1e4)], LEVER, config, QUICK)
    assert lever == config.lever[LEVER]
    assert "hardly anything" in fit.notes[0]


def test_a_figure_that_the_lever_does_not_move_tells_nothing(config):
    test = LiftTest("training", "awareness", 0.2, 0.001, SPEND, quarters=1)
    fit, lever = fit_lift([test], "training", config, QUICK)
    assert lever == config.lever["training"]
    assert "hardly anything" in fit.notes[0]
    assert any("contradict" in note for note in fit.notes)


def test_what_contradicts_the_prior_is_told(config, expected):
    mean, sd = expected
    fit, _ = fit_lift([satisfaction(mean - 6 * sd, sd / 2)], LEVER, config, QUICK)
    assert any("test and prior contradict each other" in note for note in fit.notes)
    agreeing, _ = fit_lift([satisfaction(mean + sd / 2, sd)], LEVER, config, QUICK)
    assert not any("contradict" in note for note in agreeing.notes)
    assert agreeing.series["tests"]["surprise"][0] > 0.5


def test_relative_and_absolute_effects_say_the_same(config, expected):
    laboratory = Laboratory(
        config, LEVER, [satisfaction(0, 1), satisfaction(0, 1, scale=Scale.RELATIVE)],
        lever_sizes(config.lever[LEVER], 0.5), QUICK, None,
    )  # fmt: skip
    absolute, relative = laboratory.look(1.0, 1.0).effects[2]
    assert absolute == pytest.approx(expected[0], rel=0.1)
    assert 7 < absolute / relative < 9  # the control's satisfaction, 0..10


def test_no_lever_at_factor_zero_and_a_line_above(config):
    laboratory = Laboratory(config, LEVER, [satisfaction(0, 1)],
                            lever_sizes(config.lever[LEVER], 0.5), QUICK, None)  # fmt: skip
    found = laboratory.look(1.0, 1.0)
    assert found.effects[0, 0] == 0.0
    assert np.all(np.diff(found.effects[:, 0]) > 0)
    assert found.bend[0] < 0.05


def test_more_spend_moves_more(config):
    tests = [satisfaction(0, 1), replace(satisfaction(0, 1), spend=4 * SPEND)]
    laboratory = Laboratory(config, LEVER, tests, lever_sizes(config.lever[LEVER], 0.5), QUICK,
                            None)  # fmt: skip
    little, much = laboratory.look(1.0, 1.0).slope
    assert little < much < 4 * little


def test_sizes_without_a_distribution_are_told(config):
    plain = replace(
        config.lever[LEVER],
        effects=tuple(replace(e, size=float(e.size)) for e in config.lever[LEVER].effects),
    )
    study = replace(config, lever={**config.lever, LEVER: plain})
    fit, lever = fit_lift([satisfaction(0.2, 0.05)], LEVER, study, QUICK)
    assert any("had no distribution" in note for note in fit.notes)
    assert all(isinstance(effect.size, Uncertain) for effect in lever.effects)
    assert fit.parameters["factor.prior"].se == pytest.approx(QUICK.prior_sd)


# --- the lever's file ----------------------------------------------------------------------------


def test_every_shipped_lever_survives_its_file(config):
    for lever in config.lever.values():
        text = lever_text(lever, ["from tests", ""])
        assert text.startswith("# from tests\n#\nname: ")
        assert build(Lever, yaml.safe_load(text)) == lever


def test_an_updated_lever_replaces_the_shipped_one(config, expected, tmp_path):
    mean, sd = expected
    _, lever = fit_lift([satisfaction(1.5 * mean, sd / 4)], LEVER, config, QUICK)
    (tmp_path / "lever").mkdir()
    (tmp_path / "lever" / f"{LEVER}.yaml").write_text(lever_text(lever, []), encoding="utf-8")
    taken = load(None, ["plan=today"], folders=[tmp_path]).lever[LEVER]
    assert taken == lever
    assert mean_size(taken) > 1.2 * mean_size(config.lever[LEVER])


# --- what is asked for ---------------------------------------------------------------------------


def written(tmp_path, text, name="tests.csv"):
    file = tmp_path / name
    file.write_text(text, encoding="utf-8")
    return file


def test_rows_are_read_from_csv_and_yaml(tmp_path):
    csv = written(
        tmp_path,
        "lever,measure,effect,se,spend,quarters,scale\n"
        "training,nps,3,1.5,0.8,2,\n"
        "training,purchases,0.04,0.02,0.8,2,relative\n",
    )
    file = written(
        tmp_path,
        "tests:\n  - {lever: training, measure: nps, effect: 3, se: 1.5, spend: 0.8, quarters: 2}\n"
        "  - {lever: training, measure: purchases, effect: 0.04, se: 0.02, spend: 0.8, quarters: 2,"
        " scale: relative}\n",
        "tests.yaml",
    )
    for read in (read_lift_tests(csv), read_lift_tests(file)):
        assert [replace(test, place="") for test in read] == [
            LiftTest("training", "nps", 3.0, 1.5, 0.8, 2),
            LiftTest("training", "purchases", 0.04, 0.02, 0.8, 2, scale=Scale.RELATIVE),
        ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("lever,measure,effect,se\na,nps,1,1\n", "row 2: spend: is missing"),
        ("lever,measure,effect,se,spend\na,nps,1,0,1\n", "row 2: se: 0 is out of range"),
        ("lever,measure,effect,se,spend\na,nps,1,1,0\n", "row 2: spend: 0 is out of range"),
        ("lever,measure,efect,se,spend\na,nps,1,1,1\n", "did you mean 'effect'"),
        ("lever,measure,effect,se,spend,scale\na,nps,1,1,1,percent\n", "row 2: scale: 'percent'"),
        ("lever,measure,effect,se,spend,quarters,quarter\na,nps,1,1,1,2,3\n",
         "row 2: quarter: 3 is after the test's 2 quarters"),
    ],
)  # fmt: skip
def test_rows_that_cannot_be_used(tmp_path, text, message):
    with pytest.raises((ConfigError, DataError)) as caught:
        read_lift_tests(written(tmp_path, text))
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("test", "lever", "message"),
    [
        (satisfaction(0.1, 0.1), "service_experiense", "did you mean 'service_experience'"),
        (satisfaction(0.1, 0.1), "training", "no test is of lever 'training'"),
        (replace(satisfaction(0.1, 0.1), measure="satisfacton"), LEVER,
         "did you mean 'satisfaction'"),
        (replace(satisfaction(0.1, 0.1), segment="vips", place="t.csv, row 4"), LEVER,
         "t.csv, row 4: segment: 'vips' is not in market online_retail; did you mean 'vip'"),
        (replace(satisfaction(0.1, 0.1), measure="purchases"), LEVER, "allowed: relative"),
        (replace(satisfaction(0.1, 0.1), measure="members", scale=Scale.RELATIVE), LEVER,
         "does not exist in every quarter and world"),
        (replace(satisfaction(0.1, 0.1), lever="core_team"), "core_team",
         "has no effect that a test could tell"),
    ],
)  # fmt: skip
def test_tests_that_cannot_be_used(config, test, lever, message):
    with pytest.raises(ConfigError) as caught:
        fit_lift([test], lever, config, replace(QUICK, customers=300))
    assert message in str(caught.value)
