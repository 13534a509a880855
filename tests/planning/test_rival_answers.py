"""Rivals' answers as futures."""

from __future__ import annotations

import pytest

from sim.config.load import load
from sim.config.rivals import Move, Rival, Rivals
from sim.errors import ConfigError
from sim.planning.rival_answers import answers_of, in_this_market
from sim.types import Channel, RivalKind

LAUNCH = (Move(Channel.FEATURE, 0.8), Move(Channel.DISCOUNT, 0.1, (3, 3), every=4))
ENTERS = Rivals("entry", "Entry", {"rival_3": Rival(RivalKind.ENTER, LAUNCH, quarter=4)})
HOLDS = Rivals("hold", "Hold")


@pytest.fixture(scope="module")
def config():
    return load("retail_three_phase", ["customers=300"])


def test_an_answer_changes_what_rivals_do_and_nothing_else(config):
    (future,) = answers_of(config, ["mixed"])
    assert future.name == "mixed"
    assert future.config.rivals.brands["rival_2"].kind is RivalKind.IMITATE
    assert future.config.market is config.market
    future.check(config)


def test_a_brand_that_is_there_cannot_enter_and_stays_on_sale():
    rival = in_this_market(ENTERS, HOLDS).brands["rival_3"]
    assert rival.kind is RivalKind.SCHEDULE
    feature, discount = rival.moves
    assert [feature.active(quarter) for quarter in (3, 4, 9)] == [False, True, True]
    assert [quarter for quarter in range(1, 13) if discount.active(quarter)] == [7, 11]


def test_a_brand_that_is_to_come_is_not_there_before_whatever_the_others_do():
    answer = Rivals("sale", "Sale", {"rival_1": Rival(RivalKind.IMITATE)})
    brands = in_this_market(answer, ENTERS).brands
    assert brands["rival_3"] == ENTERS.brands["rival_3"]
    assert brands["rival_1"].kind is RivalKind.IMITATE
    assert in_this_market(ENTERS, ENTERS) == ENTERS


def test_the_reader_is_told_of_a_launch_by_a_brand_that_is_there(config):
    (future,) = answers_of(config, ["new_entrant"])
    assert "rival_3, on the market already, launches anew" in future.title


def test_own_folders_and_paths(config, tmp_path):
    (tmp_path / "rivals").mkdir()
    file = tmp_path / "rivals" / "sale.yaml"
    file.write_text("name: sale\ntitle: A sale\nbrands: {rival_1: {kind: imitate}}\n")
    by_name = answers_of(config, ["sale"], [tmp_path])
    by_path = answers_of(config, [str(file)])
    assert by_name == by_path


@pytest.mark.parametrize(
    ("names", "text", "said"),
    [
        (["price_wars"], "", "did you mean 'price_war'"),
        (["mixed", "mixed"], "", "named twice"),
        (["FILE"], "title: nameless\n", "is missing"),
        (["FILE"], "name: a\ntitle: b\nbrands: {rival_9: {}}\n", "no such rival in this market"),
        (["nowhere/a.yaml"], "", "no such file"),
    ],
)
def test_bad_answers(config, tmp_path, names, text, said):
    file = tmp_path / "own.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=said):
        answers_of(config, [name.replace("FILE", str(file)) for name in names])
