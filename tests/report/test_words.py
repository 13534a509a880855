"""The verdict says what the intervals say, no more."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sim.report.folder import read_folder
from sim.report.words import (
    ENGLISH,
    LANGUAGES,
    Words,
    odds,
    plan_title,
    readable,
    sign_of,
    two_layers,
    verdict,
)

Writer = Callable[..., Path]


def with_npv(mean: float, low: float, high: float) -> Callable[[dict[str, Any], Any], None]:
    def change(summary: dict[str, Any], _: Any) -> None:
        found = {"mean": mean, "low": low, "high": high, "p10": low * 3, "p50": mean, "p90": 9e6}
        summary["outcomes"]["npv"]["difference"].update(found)
        summary["probability_of_loss"] = 0.2

    return change


def test_a_plan_that_pays(run_folder: Writer) -> None:
    said = verdict(Words(), read_folder(run_folder(change=with_npv(4.1e6, 3e6, 5.2e6))))
    assert "returns CNY\xa04.1\xa0million more than it costs" in said.headline
    assert "in 1 of 5 futures" in said.headline
    assert "3.0 to 5.2" in said.interval
    assert said.tone == "good"


def test_a_plan_that_loses(run_folder: Writer) -> None:
    said = verdict(Words(), read_folder(run_folder(change=with_npv(-2e6, -3e6, -1e6))))
    assert "loses CNY\xa02.0\xa0million on average" in said.headline
    assert said.tone == "bad"


def test_a_plan_whose_interval_spans_zero(run_folder: Writer) -> None:
    said = verdict(Words(), read_folder(run_folder(change=with_npv(0.3e6, -0.9e6, 1.5e6))))
    assert "cannot be told apart" in said.headline
    assert "spans zero" in said.note
    assert said.tone == "open"


def test_a_plan_against_itself(run_folder: Writer) -> None:
    said = verdict(Words(), read_folder(run_folder("today", replications=4)))
    assert "exactly zero" in said.headline
    assert said.interval == said.note == ""


def test_an_answer_that_is_missing_is_not_invented(run_folder: Writer) -> None:
    def change(summary: dict[str, Any], _: Any) -> None:
        summary["outcomes"]["npv"]["difference"] = dict.fromkeys(("mean", "low", "high"))

    said = verdict(Words(), read_folder(run_folder(change=change)))
    assert "no verdict" in said.headline


def test_one_replication_has_no_interval(run_folder: Writer) -> None:
    def change(summary: dict[str, Any], _: Any) -> None:
        summary["outcomes"]["npv"]["difference"].update(low=None, high=None)

    said = verdict(Words(), read_folder(run_folder(change=change)))
    assert "cannot be told apart" in said.headline
    assert "one replication" in said.note


def test_the_best_of_several_plans(compare_folder: Writer) -> None:
    run = read_folder(compare_folder(gain=3))
    said = verdict(Words(), run)
    best = max(run.plans, key=lambda plan: run.difference(plan, "npv")["mean"])
    assert plan_title(run, best) in said.headline
    assert "returns the most" in said.headline


def test_a_tie_is_said(compare_folder: Writer) -> None:
    def change(summary: dict[str, Any], _: Any) -> None:
        for pair in summary["pairwise"]:
            pair["npv_difference"].update(mean=1.0, low=-5e6, high=5e6)

    said = verdict(Words(), read_folder(compare_folder(gain=3, change=change)))
    assert "cannot be told apart from" in said.note


def test_when_no_plan_pays(compare_folder: Writer) -> None:
    said = verdict(Words(), read_folder(compare_folder(gain=0.2)))
    assert said.headline.startswith("None of the 3 plans pays")


@pytest.mark.parametrize(
    ("difference", "sign"),
    [
        ({"mean": 2.0, "low": 1.0, "high": 3.0}, "up"),
        ({"mean": -2.0, "low": -3.0, "high": -1.0}, "down"),
        ({"mean": 2.0, "low": 0.0, "high": 4.0}, "unclear"),
        ({"mean": 0.0, "low": 0.0, "high": 0.0, "p10": 0.0, "p90": 0.0}, "same"),
        ({"mean": None, "low": None, "high": None}, "unknown"),
        ({}, "unknown"),
    ],
)
def test_what_an_interval_says(difference: dict[str, Any], sign: str) -> None:
    assert sign_of(difference) == sign


@pytest.mark.parametrize(
    ("probability", "text"),
    [
        (0.0, "none of the 64 simulated futures"),
        (1.0, "all of the 64 simulated futures"),
        (1 / 64, "1 of the 64 simulated futures"),
        (0.25, "1 of 4 futures"),
        (0.26, "about 1 of 4 futures"),
    ],
)
def test_odds_are_counted(probability: float, text: str) -> None:
    # 0.25 is nearest to no fraction of 2, 3, 5 or 10 as exactly as to 1 of 4.
    assert odds(Words(), probability, 64) == text


def test_the_two_layers_share_the_variance() -> None:
    said = two_layers(Words(), {"chance_sd": 1.0, "ignorance_sd": 3.0})
    assert "90%" in said
    assert "10%" in said
    assert "does not separate" in two_layers(Words(), {"chance_sd": None, "ignorance_sd": None})
    assert "no spread" in two_layers(Words(), {"chance_sd": 0.0, "ignorance_sd": 0.0})


def test_names_become_words() -> None:
    assert readable("ai_service") == "AI service"
    assert readable("Build-up") == "Build-up"


def test_every_language_has_every_text() -> None:
    assert all(set(texts) == set(ENGLISH) for texts in LANGUAGES.values())
