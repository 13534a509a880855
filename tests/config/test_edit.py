"""An edit is what the same settings on the command line make, for the price of what it changes."""

from __future__ import annotations

import dataclasses
import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.config.build import Unknowns, assign, build, dump, join, labels
from sim.config.design import Apply, Factor
from sim.config.distributions import FORMS
from sim.config.edit import Editor
from sim.config.fields import Uncertain
from sim.config.load import load
from sim.config.market import Joint
from sim.config.study import Config
from sim.errors import ConfigError
from sim.model import draw_parameters

SETTINGS = {
    "customers": 5000,
    "seed": 7,
    "market.basket": 210.5,
    "market.company_customers": 90000,
    "market.rate.mean": 0.61,
    "market.kind": "subscription",
    "market.brands.focal.price": 1.1,
    "market.brands.rival_1.quality.emotional": -0.4,
    "market.brands.focal.perks.membership_tiers": 0.5,
    "market.segments.vip.weights.habit": 1.3,
    "finance.gross_margin": 1,
    "desk.agents": 11,
    "organisation.teams.technology.people": 50,
    "lever.training.effects.problem.size": 0.3,
    "lever.data_platform.half_saturation": 3,
    "plan.overhead": 1000,
    "plan.phases.mid.quarters.1": 5,
    "plan.phases.long.spend.privacy": 12345.5,
    "plan.phases.mid.spend.events": 70000,
    "plan.gate.after": 3,
    "baseline.overhead": 10,
    "rivals.brands.rival_1.kind": "imitate",
    "rivals.brands.rival_1.fidelity": 0.25,
}
BARE = ("command", "provenance")


def bare(value):
    """Return plain data without what says where they come from."""
    if isinstance(value, dict):
        return {name: bare(item) for name, item in value.items() if name not in BARE}
    return [bare(item) for item in value] if isinstance(value, list) else value


def factors(keys, **more):
    return [Factor(key, values=(0.0,), **more) for key in keys]


def scaled(key, how, amount, base):
    return Editor(base, [Factor(key, low=0.1, high=9.0, apply=how)]).edit({key: amount})


@pytest.fixture(scope="module")
def base() -> Config:
    return load("retail_three_phase", ["market.rate.shape={triangular:[0.4,0.6,0.9]}"])


@pytest.fixture(scope="module")
def several() -> Config:
    return load("retail_three_phase", ["plans=[three_phase,service_first,today]"], "compare")


def typed(settings_):
    return [f"{key}={str(value).lower()}" for key, value in settings_.items()]


@pytest.mark.parametrize("part", [slice(0, None), slice(0, None, 2), slice(1, None, 3)])
def test_an_edit_is_what_overrides_make(base, part):
    chosen = dict(list(SETTINGS.items())[part])
    loaded = load(
        "retail_three_phase", ["market.rate.shape={triangular:[0.4,0.6,0.9]}", *typed(chosen)]
    )
    edited = Editor(base, factors(chosen)).edit(chosen)
    assert bare(dump(edited)) == bare(dump(loaded))
    assert dump(edited) != dump(base)


def test_an_edit_of_several_plans_is_what_overrides_make(several):
    chosen = {"plan.overhead": 77.0, "plan.rollout.preparation": 2.0, "market.basket": 9.0}
    more = ["plans=[three_phase,service_first,today]", *typed(chosen)]
    loaded = load("retail_three_phase", more, "compare")
    assert bare(dump(Editor(several, factors(chosen)).edit(chosen))) == bare(dump(loaded))


def test_a_plan_s_factor_goes_for_every_plan_that_has_it(several):
    key = "plan.phases.mid.spend.training"
    edited = Editor(several, factors([key])).edit({key: 5.0})
    spends = {plan.name: [p.spend.get("training") for p in plan.phases] for plan in edited.plans}
    assert spends == {"three_phase": [None, 5.0, None], "service_first": [600000.0, 5.0, 300000.0],
                      "today": []}  # fmt: skip
    assert edited.plan == edited.plans[0]
    key = "plans.three_phase.overhead"
    edited = Editor(several, factors([key])).edit({key: 5.0})
    assert [plan.overhead for plan in edited.plans] == [5.0, 0.0, 0.0]
    assert edited.plan == edited.plans[0]
    with pytest.raises(ConfigError, match=r"plan\.phases\.late: no such setting; .*known: long, m"):
        Editor(several, factors(["plan.phases.late.spend.training"]))


def leaves(data, path=""):
    """Yield path and value of every number in plain data that a factor may set."""
    if isinstance(data, dict) and [*data] not in [[form] for form in FORMS]:
        for name, item in data.items():
            if name not in {*BARE, "benchmarks"}:
                yield from leaves(item, join(path, name))
    elif isinstance(data, list):
        for name, item in zip(labels(data), data, strict=True):
            yield from leaves(item, join(path, name))
    elif not isinstance(data, bool | str) and data is not None:
        yield path, data


@given(data=st.data())
@settings(max_examples=60)
def test_an_edit_is_what_building_anew_makes(base, data):
    plain = dump(base)
    numbers = dict(leaves(plain))
    keys = data.draw(
        st.lists(st.sampled_from(sorted(numbers)), min_size=1, max_size=4, unique=True)
    )
    given_ = {}
    for key in keys:
        stands = numbers[key]
        near = [float(stands), float(stands) * 1.03] if isinstance(stands, float | int) else [0.3]
        whole = [stands + 1, stands] if isinstance(stands, int) else near
        given_[key] = data.draw(st.sampled_from([*whole, -1e9, 2, 0.5]))
        assign(plain, key, given_[key])
    editor = Editor(base, factors(keys))
    try:
        expected = build(Config, plain)
    except ConfigError as error:
        alike = f"^{re.escape(str(error))}$" if len(keys) == 1 else None
        with pytest.raises(ConfigError, match=alike):
            editor.edit(given_)
        return
    edited = editor.edit(given_)
    assert dump(edited) == dump(expected)
    assert edited == expected
    anew, after = Unknowns(expected), Unknowns(base).after(edited)
    assert list(after.numbers.items()) == list(anew.numbers.items())
    assert {p: n.as_yaml() for p, (n, *_) in after.numbers.items()} == {
        p: n.as_yaml() for p, (n, *_) in anew.numbers.items()
    }
    assert dump(draw_parameters(after, 3, 1).config) == dump(draw_parameters(anew, 3, 1).config)


def test_what_is_not_edited_is_shared(base):
    key = "market.brands.focal.quality.social"
    edited = Editor(base, factors([key])).edit({key: 0.7})
    changed = {f.name for f in dataclasses.fields(Config)
               if getattr(edited, f.name) is not getattr(base, f.name)}  # fmt: skip
    assert changed == {"market"}
    assert edited.market.segments is base.market.segments
    assert edited.market.brands[1] is base.market.brands[1]
    assert Editor(base, []).edit({}) is base


def test_a_star_stands_for_any_one_name(base):
    edited = Editor(base, factors(["plan.phases.*.spend.*"])).edit({"plan.phases.*.spend.*": 5.0})
    assert [set(phase.spend.values()) for phase in edited.plan.phases] == [{5.0}] * 3
    key = "lever.*.effects.*.size"
    edited = Editor(base, factors([key])).edit({key: 0.25})
    assert {e.size for lever in edited.lever.values() for e in lever.effects} == {0.25}
    key = "plan.phases.*.spend.training"  # only where it stands
    edited = Editor(base, factors([key])).edit({key: 5.0})
    assert [phase.spend.get("training") for phase in edited.plan.phases] == [None, 5.0, None]


@pytest.mark.parametrize("form", ["triangular: [1, 2, 4]", "uniform: [1, 3]", "normal: [2, 0.5]",
                                  "lognormal: [2, 0.3]"])  # fmt: skip
def test_a_distribution_that_is_moved_has_moved_quantiles(form):
    base = load(None, ["plan=today", f"market.rate.mean={{{form}}}"])
    number = base.market.rate.mean
    ways = [("times", 1.5, lambda x: x * 1.5)]
    if "lognormal" not in form:
        ways += [("plus", 0.5, lambda x: x + 0.5)]
    for how, amount, moved in ways:
        new = scaled("market.rate.mean", Apply(how), amount, base).market.rate.mean
        assert isinstance(new, Uncertain)
        for u in (0.01, 0.3, 0.5, 0.99):
            assert new.quantile(u) == pytest.approx(moved(number.quantile(u)), rel=1e-12)


def test_numbers_are_moved_and_whole_ones_stay_whole(base):
    assert scaled("plan.phases.long.spend.privacy", Apply.TIMES, 1.5, base).plan.phases[2].spend[
        "privacy"] == 3e6  # fmt: skip
    assert scaled("market.basket", Apply.PLUS, 0.5, base).market.basket == base.market.basket + 0.5
    people = scaled("market.company_customers", Apply.TIMES, 1.1, base).market.company_customers
    assert (type(people), people) == (int, round(base.market.company_customers * 1.1))
    key = "lever.*.effects.*.size"
    halved = scaled(key, Apply.TIMES, 0.5, base)
    for name, lever in base.lever.items():
        for old, new in zip(lever.effects, halved.lever[name].effects, strict=True):
            assert float(new.size) == pytest.approx(old.size / 2, rel=1e-12)
            assert isinstance(new.size, Uncertain) == isinstance(old.size, Uncertain)


def test_numpy_s_numbers_are_numbers(base):
    row = {"market.basket": np.float64(3.5), "desk.agents": np.int64(9),
           "market.kind": np.str_("subscription")}  # fmt: skip
    editor = Editor(base, factors(row))
    edited = editor.edit(row)
    assert (type(edited.market.basket), type(edited.desk.agents)) == (float, int)
    assert dump(edited) == dump(editor.edit({key: value.item() for key, value in row.items()}))


def test_what_is_set_is_no_longer_drawn():
    base = load(None, ["plan=today"])
    draws = {"rate.mean": (0.4, 0.5), "weights.habit": (1.0, 2.0)}
    joint = (Joint("a", draws), Joint("b", {"bond.gain": (0.1, 0.2)}))
    base = replace(base, market=replace(base.market, joint=joint))
    editor = Editor(base, factors(["market.rate.mean", "market.bond.gain"]))
    edited = editor.edit({"market.rate.mean": 0.7, "market.bond.gain": 0.05})
    assert [dict(one.draws) for one in edited.market.joint] == [{"weights.habit": (1.0, 2.0)}]
    unknowns = Unknowns(base).after(edited)
    assert unknowns.numbers.keys() == Unknowns(edited).numbers.keys()
    again = editor.edit({"market.rate.mean": 0.8, "market.bond.gain": 0.05})
    for config in (edited, again):
        drawn = draw_parameters(unknowns.after(config), 1, 0)
        assert drawn.config == draw_parameters(Unknowns(config), 1, 0).config
        assert drawn.config.market.rate.mean == config.market.rate.mean
        assert drawn.config.market.weights.habit in {1.0, 2.0}
        assert drawn.config.market.joint == ()
    with pytest.raises(ConfigError, match=r"weights\.habit: is drawn together .*apply: set"):
        scaled("market.weights.habit", Apply.TIMES, 2.0, base)


def test_a_path_that_moves_is_looked_at_again():
    """Two effects on one channel go by index; with another channel the second goes by name."""
    base = load(None, ["plan=today"])
    unsure = Uncertain("uniform", (0.0, 1.0))
    effects = tuple(replace(base.lever["training"].effects[0], size=unsure) for _ in range(2))
    twice = replace(base.lever["training"], effects=effects)
    base = replace(base, lever={**base.lever, "training": twice})
    key = "lever.training.effects.0.channel"
    edited = Editor(base, factors([key])).edit({key: "match"})
    anew, after = Unknowns(edited), Unknowns(base).after(edited)
    assert list(after.numbers.items()) == list(anew.numbers.items())
    assert "lever.training.effects.problem.size" in after.numbers
    assert "lever.training.effects.1.size" in Unknowns(base).numbers


BAD_FACTORS = {
    "market.rate.meen": r"market\.rate\.meen: no such setting; did you mean 'mean'",
    "market.rate": r"market\.rate: is a group of settings; allowed: one of them: acceleration,",
    "market.rate.mean.low": r"market\.rate\.mean: is a single setting: nothing lies below it",
    "lever.trainings.reach": r"lever\.trainings: does not exist, and a new one needs a 'name'",
    "lever.*.reech": r"lever\.\*\.reech: no such setting; did you mean 'reach'",
    "market.brands.other.price": r"market\.brands\.other: no such setting; known: focal, rival_1",
    "market.provenance.rate": r"market\.provenance: no such setting",
    "plan.phases.mid.spend": r"plan\.phases\.mid\.spend: is a group of settings",
    "plan.gate.conditions": r"plan\.gate\.conditions: no single setting .*known: after",
    "plan.gate.aftr": r"plan\.gate\.aftr: no single setting .*did you mean 'after'",
}


@pytest.mark.parametrize("key", BAD_FACTORS)
def test_a_factor_that_leads_nowhere_is_an_error(base, key):
    with pytest.raises(ConfigError, match=BAD_FACTORS[key]):
        Editor(base, factors([key]))


def test_two_factors_for_one_setting_are_an_error(base):
    with pytest.raises(ConfigError, match="lead to the same setting; allowed: one factor for each"):
        Editor(base, factors(["plan.phases.*.spend.training", "plan.phases.mid.spend.training"]))


@pytest.mark.parametrize(
    ("key", "how", "message"),
    [
        ("market.kind", "times", r"market\.kind: is no number, and 'times' cannot act on it"),
        ("plan.gate.after", "plus", r"plan\.gate\.after: is not given, and 'plus'"),
        ("plan.phases.mid.spend.events", "times", r"events: is not given, and 'times'"),
        ("market.rate.shape", "times", r"-2 times a distribution is none; allowed: a factor above"),
        ("finance.gross_margin", "plus", r"finance\.gross_margin: -1\.\d+ is out of range"),
    ],
)
def test_what_cannot_be_moved_is_an_error(base, key, how, message):
    with pytest.raises(ConfigError, match=message):
        scaled(key, Apply(how), -2.0, base)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("market.rate.mean", -1.0, r"^market\.rate\.mean: -1 is out of range; allowed: 0.0001 to"),
        ("market.rate.mean", "many", r"^market\.rate\.mean: 'many' is no number"),
        ("desk.agents", 3.5, r"^desk\.agents: 3.5 is no whole number"),
        ("market.kind", "barter", r"^market\.kind: 'barter' is not known"),
        ("plan.phases.mid.spend.training", -5.0, r"^plan\.phases\.mid\.spend\.training: -5 is no"),
        ("plan.phases.mid.spend.magic", 5.0, r"^plan\.phases\.mid\.spend: no lever 'magic'"),
        ("market.segments.vip.dimensions.social", 0.9, r"vip\.dimensions: shares sum to"),
        ("rivals.brands.nobody.lag", 2, r"^rivals\.brands\.nobody: no such rival in this market"),
        ("burn_in", 1, r"^burn_in: 1 quarters do not show"),
    ],
)
def test_a_value_that_cannot_stand_is_an_error(base, key, value, message):
    with pytest.raises(ConfigError, match=message):
        Editor(base, factors([key])).edit({key: value})


def test_a_value_that_is_not_given_is_an_error(base):
    editor = Editor(base, [Factor("market.basket", name="basket", low=1.0, high=2.0)])
    assert editor.edit({"basket": 3.0, "other": 1}).market.basket == 3.0
    with pytest.raises(ConfigError, match="basket: no value is given"):
        editor.edit({"market.basket": 3.0})


def test_choices_are_no_business_of_an_edit(base):
    editor = Editor(base, [Factor("rivals", values=("hold", "react")), *factors(["seed"])])
    assert editor.edit({"rivals": "react", "seed": 3}) == replace(base, seed=3)
