"""Plain data to dataclasses and back; paths, ranges, distributions, provenance."""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from dataclasses import replace
from enum import Enum

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.config import build as building
from sim.config.build import (
    Unknowns,
    assign,
    build,
    canonical,
    configuration_hash,
    dump,
    find,
    goes_by_name,
    labels,
    parameters,
    realise,
    uncertain_parameters,
)
from sim.config.fields import Uncertain
from sim.config.finance import Finance
from sim.config.lever import Cost, Effect, Lever
from sim.config.load import load
from sim.config.market import Market, Quality, Rate, Segment
from sim.config.membership import Membership, Tier
from sim.config.plan import Phase, Plan
from sim.config.rivals import Move, Rivals
from sim.config.rollout import Task
from sim.config.study import Config
from sim.errors import ConfigError
from sim.types import Channel, MarketKind, Provenance


@pytest.fixture(scope="module")
def config() -> Config:
    return load(
        None,
        [
            "plan=today",
            "market.rate.mean={triangular:[0.5,0.7,0.9]}",
            "market.brands.focal.price={uniform:[0.9,1.1]}",
            "finance.gross_margin={beta:[2,6]}",
        ],
    )


def test_dump_is_the_inverse_of_build(config):
    assert build(Config, dump(config)) == config
    again = build(Config, dump(config))
    assert again.market.rate.mean.as_yaml() == {"triangular": [0.5, 0.7, 0.9]}
    assert dump(again) == dump(config)


def numbers(low, high):
    low, high = max(low, -1e6), min(high, 1e6)
    plain = st.floats(low, high)
    ends = st.lists(plain, min_size=2, max_size=2, unique=True).map(sorted)
    spread = ends.filter(lambda pair: pair[1] - pair[0] > 1e-3).map(
        lambda pair: Uncertain("uniform", tuple(pair))
    )
    return plain | spread


def values(hint, metadata):
    kind, args = typing.get_origin(hint) or hint, typing.get_args(hint)
    if kind is types.UnionType:
        return st.none() | values(args[0], metadata)
    limits = building.limits_of(metadata)
    if dataclasses.is_dataclass(kind):
        return instances(kind)
    if issubclass(kind, Enum):
        return st.sampled_from(list(kind))
    if kind is tuple:
        length = {} if args[-1] is Ellipsis else {"min_size": 2, "max_size": 2}
        return st.lists(values(args[0], metadata), **{"max_size": 3, **length}).map(tuple)
    if kind is dict:
        return st.dictionaries(st.text("ab", min_size=1), values(args[1], metadata), max_size=2)
    whole = st.integers(max(int(limits.low), -99) if math.isfinite(limits.low) else -99, 400)
    return {
        str: st.text(max_size=5),
        bool: st.booleans(),
        float: numbers(limits.low, limits.high),
        int: whole.filter(lambda n: limits.low <= n <= limits.high),
    }[kind]


def instances(cls):
    hints = typing.get_type_hints(cls)
    parts = {
        field.name: st.just({})
        if field.name == "provenance"
        else values(hints[field.name], field.metadata)
        for field in dataclasses.fields(cls)
    }
    if cls is Cost:  # what is booked as capital and as staff may not exceed what is spent
        parts |= dict.fromkeys(("capital_share", "staff_share"), st.floats(0, 0.5))
    if cls is Lever:  # what is needed is not excluded, and tasks are known by their names
        parts["excludes"] = st.just(())
        parts["tasks"] = st.lists(instances(Task), max_size=3, unique_by=lambda task: task.name)
        parts["tasks"] = parts["tasks"].map(tuple)
    if cls is Task:
        parts["needs"] = st.just(())
    if cls is Membership:  # tiers in order
        tier = values(Tier, {})
        parts["tiers"] = st.lists(tier, min_size=1, max_size=4, unique_by=lambda t: t.name).map(
            lambda tiers: tuple(replace(t, spend=10.0 * k) for k, t in enumerate(tiers))
        )
    return st.builds(cls, **parts)


@given(instances(Lever) | instances(Finance) | instances(Effect) | instances(Quality))
@settings(max_examples=60, deadline=None)
def test_round_trip(part):
    assert build(type(part), dump(part)) == part
    assert dump(build(type(part), dump(part))) == dump(part)


@pytest.mark.parametrize(
    ("cls", "data", "message"),
    [
        (Rate, {"mean": -1}, "at.mean: -1 is out of range; allowed: 0.0001 to 1,000 (purchases"),
        (Rate, {"mean": math.nan}, "at.mean: nan is not finite"),
        (Rate, {"mean": math.inf}, "at.mean: inf is not finite"),
        (Rate, {"mean": True}, "at.mean: True is no number"),
        (Rate, {"mean": "many"}, "at.mean: 'many' is no number"),
        (Rate, {"mean": None}, "at.mean: nothing is given"),
        (Rate, {"meen": 1}, "at.meen: no such setting; did you mean 'mean'?"),
        (Rate, {"season": 1}, "at.season: 1 is no list"),
        (Rate, {"season": [1, 1, 1]}, "season: [1.0, 1.0, 1.0] is no season; allowed: four"),
        (Rate, {"mean": {"uniform": [-1, 1]}}, "at.mean: -1 is out of range"),
        (Rate, {"mean": {"uniform": [1, 1]}}, "at.mean: [1.0, 1.0] is not in rising order"),
        (Rate, {"mean": {"uniform": [1, 2, 3]}}, "uniform takes 2 numbers, not 3"),
        (Rate, {"mean": {"uniform": 3}}, "at.mean.uniform: 3 is no list of numbers"),
        (Rate, {"mean": {"normal": [5000, 1]}}, "at.mean: 5,000 is out of range"),
        (Rate, {"mean": {"unifrom": [1, 2]}}, "did you mean 'uniform'?"),
        (Rate, {"mean": {"uniform": [1, 2], "beta": [1, 2]}}, "is no distribution; allowed"),
        (Rate, [1], "at: [1] is no group of settings"),
        (Finance, {"name": "x", "title": "y"}, "at.gross_margin: is missing; allowed: 0 to 1 ("),
        (Finance, {"name": 5}, "at.name: 5 is no text"),
        (Move, {"channel": "prise", "size": 1}, "'prise' is not known; did you mean 'price'?"),
        (Move, {"channel": "price", "size": 1, "every": 1.5}, "at.every: 1.5 is no whole number"),
        (Move, {"channel": "price", "size": 1, "quarters": [1]}, "at.quarters: [1] has 1 items"),
        (Move, {"channel": "price", "size": 1, "quarters": [4, 2]}, "runs from quarter 4 to 2"),
        (Phase, {"name": "a", "quarters": [1, 2], "spend": {"x": -3}}, "at.spend.x: -3 is no bud"),
        (Phase, {"name": "a", "quarters": [1, 2], "spend": 3}, "at.spend: 3 is no mapping"),
        (Segment, {"name": "a", "share": 1, "dimensions": {"social": 0.5}}, "at.dimensions: share"),
        (
            Plan,
            {"name": "a", "title": "", "phases": [{"name": "b", "quarters": [2, 1]}]},
            "at.phases.b.quarters: runs from quarter 2 to 1",
        ),
        (
            Rivals,
            {"name": "a", "title": "", "brands": {"b": {"moves": [{"channel": "price"}]}}},
            "at.brands.b.moves.price.size: is missing",
        ),
        (
            Lever,
            {"name": "a", "title": "b", "half_saturation": 1, "provenance": {"reach": "heard: x"}},
            "at.provenance.reach: 'heard' is no kind of source; known: assumed",
        ),
    ],
)
def test_what_cannot_be_used_is_named_with_its_path(cls, data, message):
    with pytest.raises(ConfigError) as caught:
        build(cls, data, "at")
    assert message in str(caught.value)
    assert str(caught.value).startswith("at")


def test_values_are_read_by_their_type():
    move = build(Move, {"channel": "on_time", "size": 1, "every": 2.0, "quarters": [1, 3]})
    assert move.channel is Channel.ON_TIME
    assert isinstance(move.size, float)
    assert (move.every, move.quarters) == (2, (1, 3))
    assert dump(move)["channel"] == "on_time"
    assert dump(MarketKind.REPERTOIRE) == "repertoire"


def test_a_distribution_counts_as_its_median():
    rate = build(Rate, {"mean": {"lognormal": [2, 0.3]}})
    assert rate.mean == pytest.approx(2)
    assert isinstance(rate.mean, Uncertain)


def test_items_go_by_name_then_channel_then_index():
    assert labels([{"name": "a"}, {"name": "a"}, {"channel": "price"}, 7]) == [
        "a",
        "1",
        "price",
        "3",
    ]
    assert labels([Effect(Channel.MATCH, 1.0)]) == ["match"]


def test_paths_in_plain_data():
    data = {"brands": [{"name": "a", "price": 1}, {"name": "b"}]}
    assert canonical(data, "brands.1.price") == "brands.b.price"
    assert find(data, "brands.a.price") == (1, [])
    assert find(data, "brands.a.cost.unit")[1] == ["cost", "unit"]
    assign(data, "brands.b.quality.social", 2)
    assert data["brands"][1]["quality"] == {"social": 2}
    assign(data, "brands.b", {"name": "c"})
    assert data["brands"][1] == {"name": "c"}
    with pytest.raises(ConfigError, match=r"brands\.bb: no such item; did you mean|known: a, c"):
        assign(data, "brands.bb.price", 1)


def test_which_paths_go_through_a_list_by_name():
    assert goes_by_name("market.brands.focal.price")
    assert goes_by_name("lever.any.effects.match.size")
    assert not goes_by_name("market.brands.0.price")
    assert not goes_by_name("market.rate.mean")
    assert not goes_by_name("market.nonsense.mean")


def test_uncertain_parameters_have_the_range_of_their_field(config):
    found = uncertain_parameters(config)
    assert found["market.brands.focal.price"][1:] == (0.01, 100)
    assert found["finance.gross_margin"][0].form == "beta"
    assert "market.basket" not in found


def test_realise_draws_each_and_keeps_the_rest(config):
    asked = []

    def draw(path):
        asked.append(path)
        return 0.25

    drawn = realise(config, draw)
    assert sorted(asked) == sorted(uncertain_parameters(config))
    assert drawn.market.brands[0].price == pytest.approx(0.95)
    assert not uncertain_parameters(drawn)
    assert drawn.market.brands[1] is config.market.brands[1]
    assert realise(drawn, draw) is drawn


def test_unknowns_are_drawn_as_often_as_asked_and_tell_what_was_drawn(config):
    unknowns = Unknowns(config)
    for chance in (0.25, 0.75, 0.25):
        drawn, numbers = unknowns.realise(lambda path, u=chance: u)
        assert drawn == realise(config, lambda path, u=chance: u)
        assert numbers["market.brands.focal.price"] == drawn.market.brands[0].price
        assert numbers["market.rate.mean"] == drawn.market.rate.mean
        assert numbers["finance.gross_margin"] == drawn.finance.gross_margin
        assert numbers.keys() == uncertain_parameters(config).keys()
    known = Unknowns(drawn)
    assert known.realise(lambda path: 0.5) == (drawn, {})


def test_parameters_take_the_longest_provenance():
    part = Finance("x", "y", 0.2, 0.1, 5.0, provenance={"keeping_cost": "evidence: E204, p. 3"})
    market = load(None, ["plan=today"])
    rows = {row.path: row for row in parameters(dataclasses.replace(market, finance=part))}
    assert rows["finance.keeping_cost"][1:] == (5.0, Provenance.EVIDENCE, "E204, p. 3")
    assert rows["finance.gross_margin"][2:] == (Provenance.ASSUMED, "default")
    assert "customers" not in rows
    lever = Lever(
        "a", "b", 1.0, effects=(Effect(Channel.MATCH, 0.1),),
        provenance={"effects": "assumed: guess", "effects.match": "literature: L1"},
    )  # fmt: skip
    rows = {row.path: row for row in parameters(dataclasses.replace(market, lever={"a": lever}))}
    assert rows["lever.a.effects.match.size"].kind is Provenance.LITERATURE


def test_hash_leaves_out_how_it_is_computed():
    def digest(*overrides):
        return configuration_hash(load(None, ["plan=today", *overrides]))

    assert len(digest()) == 64
    assert digest() == digest("engine.threads=3", "report=none")
    assert digest() != digest("customers=300")
    assert digest() != digest("market.basket={uniform:[249,251]}")


def test_shipped_provenance_names_what_exists():
    config = load(None, ["plan=today"])
    parts = {"market": config.market, "finance": config.finance}
    parts |= {f"lever.{name}": lever for name, lever in config.lever.items()}
    for path, part in parts.items():
        for key in part.provenance:
            _, missing = find(dump(part), key)
            assert not missing, f"{path}: provenance names {key}, which does not exist"


def test_a_market_checks_its_shares():
    data = dump(load(None, ["plan=today"]).market)
    data["segments"][0]["share"] = 0.9
    with pytest.raises(ConfigError, match=r"market\.segments: shares sum to 1\.4"):
        build(Market, data, "market")
