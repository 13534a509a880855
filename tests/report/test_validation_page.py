"""What a report and the page of `fidelio validate` say of a market's scorecard."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from sim.config.files import folder_of
from sim.report.folder import read_folder
from sim.report.page import render
from sim.report.scorecard import reading_text
from sim.report.validation import target_text, write_validation_page
from sim.report.words import Words, market_mark, verdict
from sim.validation.card import FAIL, Line, Reading, Scorecard, compact, read_card


def shipped(market: str) -> Scorecard:
    card = read_card(folder_of("scorecard") / f"{market}.json")
    assert card is not None
    return card


def failing() -> Scorecard:
    readings = (Reading("elasticity", "elasticity", -0.5, 0.01, -4.1, -2.2),)
    line = Line(
        "price_response", "Price response", "near -3", "Somebody 1999", FAIL, readings, "by design"
    )
    rest = tuple(one for one in shipped("online_retail").lines if one.name != line.name)
    return replace(shipped("online_retail"), lines=(line, *rest))


def test_a_market_that_fails_is_marked_in_the_verdict(
    run_folder: Callable[..., Path],
) -> None:
    folder, words = run_folder(replications=4), Words()
    silent = read_folder(folder)
    assert verdict(words, silent).market == ""
    assert words("section.scorecard") not in render(words, silent)
    told = replace(silent, scorecard=compact(failing()))
    said = verdict(words, told).market
    assert said == "This market fails 1 of 18 published regularities: price response."
    page = render(words, told)
    assert said in page
    assert words("section.scorecard") in page
    assert "by design" in page


def test_a_market_that_passes_is_not_marked() -> None:
    card = shipped("services")
    passing = replace(card, lines=tuple(one for one in card.lines if one.verdict != FAIL))
    assert market_mark(Words(), compact(passing)) == ""


def test_figures_are_told_with_their_error_and_their_bounds() -> None:
    text = reading_text(asdict(Reading("x", "slope", -0.01234, 0.002, None, 1.0)))
    assert text == "slope \N{MINUS SIGN}0.012 ± 0.002"
    assert target_text(Reading("x", "x", 0, 0, None, 0.15)) == "0.15 or less"
    assert target_text(Reading("x", "x", 0, 0, -4.1, -2.2)) == (
        "\N{MINUS SIGN}4.1 to \N{MINUS SIGN}2.2"
    )
    assert target_text(Reading("x", "x", 0, 0, 0, 0)) == "0"


@pytest.mark.parametrize("market", ["online_retail", "bank"])
def test_the_page_of_validate_shows_every_law_and_loads_nothing(
    market: str, tmp_path: Path
) -> None:
    card = shipped(market)
    page = write_validation_page(card, tmp_path / "out").read_text("utf-8")
    for line in card.lines:
        assert line.title in page
    assert "http" not in page.replace("http://www.w3.org", "")
    assert read_card(tmp_path / "out" / "scorecard.json") == card
