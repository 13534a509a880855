"""Scorecards: what they depend on, where they are kept, and what a report says of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import sim
from sim.cli import main
from sim.config.files import choices, folder_of
from sim.errors import ConfigError
from sim.validation import card as cards
from sim.validation.card import (
    Reading,
    Scorecard,
    card_key,
    find_card,
    keep_card,
    read_card,
    write_card,
)
from sim.validation.published import published
from sim.validation.scorecard import score

AGAIN = "python experiments/validation/validate.py makes it anew"


def shipped(market: str) -> Scorecard:
    card = read_card(folder_of("scorecard") / f"{market}.json")
    assert card is not None, f"{market} has no card: {AGAIN}"
    return card


def config_of(market: str, *overrides: str) -> sim.Config:
    money = published().finance[market]
    return sim.load(None, [f"market={market}", f"finance={money}", *overrides])


@pytest.mark.parametrize("market", choices("market"))
def test_a_shipped_card_is_of_the_present_market_and_says_why_it_fails(market: str) -> None:
    card = shipped(market)
    assert card.key == card_key(config_of(market)), AGAIN
    assert not card.quick
    for line in card.failed:
        assert line.note, f"{market} fails {line.name} and conf/laws.yaml does not say why"


def test_notes_are_of_laws_that_fail() -> None:
    for market, notes in published().notes.items():
        failed = {line.name for line in shipped(market).failed}
        assert set(notes) <= failed, f"{market}: a note on what holds"


def test_a_card_depends_on_the_market_and_not_on_the_study() -> None:
    key = card_key(config_of("bank"))
    assert key == card_key(config_of("bank", "customers=500", "seed=9", "plan=service_first"))
    for other in ("market.subscription.attention=0.3", "finance.gross_margin=0.4",
                  "lever.membership_tiers.reach=0.4"):  # fmt: skip
        assert key != card_key(config_of("bank", other))


def test_a_cards_draws_do_not_depend_on_the_studys_seed_or_size() -> None:
    studies = (config_of("bank"), config_of("bank", "seed=3", "customers=700", "burn_in=12"))
    made = [score(study, replications=2, customers=1000, quick=True) for study in studies]
    assert made[0] == made[1]


def test_a_kept_card_is_found_again_and_a_broken_one_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    config = config_of("bank", "market.subscription.attention=0.3")
    assert find_card(config) is None
    card = replace(shipped("bank"), key=card_key(config), quick=True)
    keep_card(card)
    assert find_card(config) == card
    [file] = (tmp_path / "fidelio").iterdir()
    file.write_text("{")
    assert find_card(config) is None


def test_a_card_survives_its_file(tmp_path: Path) -> None:
    card = shipped("online_retail")
    write_card(card, tmp_path / "sub" / "card.json")
    assert read_card(tmp_path / "sub" / "card.json") == card


@pytest.mark.parametrize(
    ("observed", "error", "holds"),
    [(0.5, 0.0, True), (0.61, 0.0, False), (0.61, 0.004, False), (0.61, 0.02, True),
     (0.39, None, False), (None, None, False)],
)  # fmt: skip
def test_a_figure_fails_if_its_interval_does_not_reach_the_bounds(
    observed: float | None, error: float | None, *, holds: bool
) -> None:
    assert Reading("x", "x", observed, error, 0.4, 0.6).holds is holds


def test_a_figure_without_bounds_is_not_judged() -> None:
    assert Reading("x", "x", None, None, None, None).holds


def test_a_law_that_asks_for_a_missing_lever_says_which() -> None:
    few = replace(config_of("mobile_telecom", "plan=today"), lever={})
    with pytest.raises(ConfigError, match="lever that is not there") as error:
        score(few, replications=2, customers=500)
    assert error.value.value == "data_platform"


def test_a_run_says_what_the_market_fails_and_can_be_told_not_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A market whose customers do not mind prices is marked; nothing is computed if not asked."""
    monkeypatch.setattr(cards, "cache_folder", lambda: tmp_path / "cache")
    small = ["customers=200", "replications=2", "quarters=2", "engine.progress=false",
             "plan=today", "market.weights.price=0", "market.weights.reference=0"]  # fmt: skip
    assert main(["run", *small, f"hydra.run.dir={tmp_path}/a", "report.scorecard=false"]) == 0
    assert "regularities" not in capsys.readouterr().out
    assert not (tmp_path / "a" / "scorecard.json").exists()
    assert main(["run", *small, f"hydra.run.dir={tmp_path}/b"]) == 0
    told = capsys.readouterr()
    assert "price response" in told.out
    assert "This market fails" in told.out
    assert "once ..." in told.err
    assert main(["run", *small, f"hydra.run.dir={tmp_path}/c"]) == 0
    assert "once ..." not in capsys.readouterr().err
    assert (tmp_path / "c" / "scorecard.json").exists()


def test_a_brand_that_nobody_buys_fails_figures_and_breaks_nothing() -> None:
    config = config_of("online_retail", "market.brands.rival_4.appeal=-10",
                       "market.brands.rival_4.availability=0.001")  # fmt: skip
    card = score(config, replications=2, customers=300, quick=True)
    assert card.failed
    assert all(r.observed is None or np.isfinite(r.observed)
               for line in card.lines for r in line.readings)  # fmt: skip
