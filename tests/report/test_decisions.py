"""What gates and reviews decided is counted rightly and told in words."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sim.report import decisions, write_page
from sim.report.folder import read_folder
from sim.report.words import Words

Writer = Callable[..., Path]


def test_a_gate_is_told_with_what_it_asks_and_saves(run_folder: Writer) -> None:
    run = read_folder(run_folder(replications=12))
    text = decisions.gate_lead(Words(), run, "three_phase")
    assert "After quarter 4" in text
    assert "perceived value among “High-end” is at least that among “Regulars”" in text
    assert "The gate stopped “Three-phase loyalty plan” in 4 of 12 futures." in text
    assert "A stop saved CNY\xa03.0\xa0million" in text


@pytest.mark.parametrize(
    ("name", "said"), [("go", "go on in all 6 futures"), ("stop", "in all 6 futures")]
)
def test_a_gate_that_always_says_the_same(run_folder: Writer, name: str, said: str) -> None:
    run = read_folder(run_folder(replications=6))
    run.decisions.loc[run.decisions["kind"] == "gate", "name"] = name
    assert said in decisions.gate_verdict(Words(), run, "three_phase")


def test_rules_are_counted_per_future(run_folder: Writer) -> None:
    run = read_folder(run_folder(replications=12))
    mend, rest = decisions.rule_rows(Words(), run, "three_phase")
    assert (mend.name, mend.acted, mend.times) == ("Mend service", "50%", "0.5")
    assert (mend.each, mend.whole) == ("200", "100")
    assert decisions.review_unit(run, "three_phase").word == "thousand"
    assert mend.when == "if satisfaction has fallen by 2% or more since the start"
    assert mend.moves == "50% of what is left for Immersive, to Training"
    assert (rest.acted, rest.times, rest.each) == ("0%", "0.0", "–")
    assert rest.moves == "10% of what is left for all others, to savings"


@pytest.mark.parametrize(
    ("stated", "text"),
    [
        ({"at_least": 8}, "satisfaction is at least 8"),
        ({"at_least": 5, "at_most": 8}, "satisfaction is at least 5 and is at most 8"),
        ({"at_least": 1.2, "over": "regulars"}, "satisfaction is at least 1.2 times that among "
         "“Regulars”"),
        ({"at_least": -0.02, "against": "start"}, "satisfaction has fallen by no more than 2% "
         "since the start"),
        ({"at_least": 0.02, "against": "start"}, "satisfaction has risen by 2% or more since the "
         "start"),
        ({"at_most": 0.02, "against": "start"}, "satisfaction has risen by no more than 2% since "
         "the start"),
        ({"at_least": 0, "against": "start"}, "satisfaction has risen by 0% or more since the "
         "start"),
    ],
)  # fmt: skip
def test_conditions_are_sentences(stated: dict[str, Any], text: str) -> None:
    assert decisions.condition(Words(), {"measure": "csat", **stated}) == text


def test_a_comparison_tells_each_plan_in_a_line(compare_folder: Writer) -> None:
    folder = compare_folder(replications=12)
    run = read_folder(folder)
    assert decisions.plans_that_decide(run) == ["three_phase"]
    text = decisions.line(Words(), run, "three_phase")
    assert "in 4 of 12 futures" in text
    assert "The rule “Mend service” acted in 50% of futures" in text
    assert "What the reviews and the gate decided" in write_page(folder).read_text("utf-8")


def test_plans_without_gates_and_reviews_have_no_section(run_folder: Writer) -> None:
    old = read_folder(run_folder(replications=4, whole=False))
    assert decisions.plans_that_decide(old) == []
    assert decisions.gate_verdict(Words(), old, "three_phase") == ""
    other = run_folder("service_first", replications=4)
    assert decisions.plans_that_decide(read_folder(other)) == []
    assert "decided</h2>" not in write_page(other).read_text(encoding="utf-8")
