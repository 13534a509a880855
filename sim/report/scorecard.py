"""What a page says of a market's scorecard: a row per published regularity."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sim.report.numbers import DASH, known, plain
from sim.report.words import Words

SIGNIFICANT = 3
"""Digits of a figure."""
VERDICTS = {"pass": "scorecard.pass", "fail": "scorecard.fail", "untried": "scorecard.untried"}
TONES = {"pass": "good", "fail": "bad", "untried": "faint"}


@dataclass(frozen=True)
class CardRow:
    """One regularity: what was published, what is here, and whether it fits."""

    title: str
    says: str
    source: str
    here: str
    verdict: str
    tone: str
    note: str
    failed: bool


def card_rows(words: Words, card: Mapping[str, Any]) -> list[CardRow]:
    """Return the rows of a card, as `compact` gives it; those that fail come first."""
    rows = [
        CardRow(
            title=row["title"],
            says=row["says"],
            source=row["source"],
            here="; ".join(reading_text(reading) for reading in row["readings"]),
            verdict=words(VERDICTS[row["verdict"]]),
            tone=TONES[row["verdict"]],
            note=row["note"],
            failed=row["verdict"] == "fail",
        )
        for row in card.get("rows", ())
    ]
    return sorted(rows, key=lambda row: not row.failed)


def reading_text(reading: Mapping[str, Any]) -> str:
    """Return a figure with its name and, where worlds differ, its 95% interval."""
    observed, error = known(reading["observed"]), known(reading["error"])
    if observed is None:
        return f"{reading['title']} {DASH}"
    places = decimals(observed)
    spread = f" ± {plain(error, places)}" if error and round(error, places) else ""
    return f"{reading['title']} {plain(observed, places)}{spread}"


def decimals(value: float) -> int:
    """Return how many decimals give a number its significant digits, 3 at most."""
    if not value:
        return 0
    before = math.floor(math.log10(abs(value))) + 1
    return min(max(SIGNIFICANT - before, 0), 3)


def card_section(words: Words, card: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return what the section on the market shows, or None if it was not asked."""
    rows = card_rows(words, card)
    if not rows:
        return None
    lead = words(
        "section.scorecard.lead",
        k=card["n_laws"] - card["n_failed"],
        n=card["n_laws"],
        worlds=card["worlds"],
        customers=plain(float(card["customers"])),
    )
    quick = [words("section.scorecard.quick")] if card["quick"] else []
    return {"lead": " ".join([lead, *quick]), "rows": rows}
