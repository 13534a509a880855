"""Make `docs/validation.md`: what the shipped data and the shipped markets say of the model.

    python experiments/validation/validate.py               # all but recovery, some minutes
    python experiments/validation/validate.py --only data   # real purchases; the rest stays
    python experiments/validation/validate.py --only laws   # scorecards of the shipped markets
    python experiments/validation/validate.py --recovery    # and made-up data anew: half an hour

The scorecards also go to `conf/scorecard/`. A report on a shipped market shows its card from there;
a test fails when a card is not of the market's present file, of the laws or of the code, and this
makes it anew.
"""

from __future__ import annotations

import argparse
import sys

from page import ROOT, save, show, table, text, write_page
from recovery import recover

import sim
from data import data_half
from sim.config.load import choices
from sim.report.numbers import plain
from sim.report.scorecard import decimals
from sim.report.validation import pictures, target_text
from sim.validation.card import Line, Reading, Scorecard, write_card
from sim.validation.published import published
from sim.validation.scorecard import score

CARDS = ROOT / "conf" / "scorecard"
SHOWN = ("online_retail", "grocery", "bank")
"""Markets whose pictures stand in the page."""
CAPTIONS = {
    "jeopardy": "Double jeopardy: brands (dots) and what a fitted Dirichlet expects (line)",
    "purchases": "How often people buy the category in a year: here (bars), fitted NBD (dots)",
    "growth": "Buyers in longer windows: here (dots), foreseen from one quarter by the NBD (lines)",
    "retention": "A cohort of first-time buyers: still there, and the share that stays on",
    "promotion": "A 20% cut in the first quarter: the brand (blue) and the category (grey)",
    "programme": "A loyalty programme: share of purchases, and the answer to the survey",
}
MARKS = {"pass": "✓", "fail": "**✗**", "untried": "–"}


def main() -> None:
    """Make what is asked for, and the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=("data", "laws"), help="make this half of the page")
    parser.add_argument("--recovery", action="store_true", help="make recovery.json anew first")
    parser.add_argument("--worlds", type=int, default=8, help="in which a market is scored")
    asked = parser.parse_args()
    if asked.recovery:
        recover()
    made = {}
    if asked.only != "laws":
        made["data"] = data_half()
    if asked.only != "data":
        made["laws"] = laws_half(asked.worlds)
    write_page(made)


def laws_half(worlds: int) -> list[str]:
    """Make all cards and write them and their pictures; return the lines of the page."""
    cards = [card_of(market, worlds) for market in choices("market")]
    for card in cards:
        write_card(card, CARDS / f"{card.market}.json")
        if card.market in SHOWN:
            draw(card)
    return page(cards)


def card_of(market: str, worlds: int) -> Scorecard:
    """Return a shipped market's card."""
    money = published().finance[market]
    card = score(sim.load(None, [f"market={market}", f"finance={money}"]), replications=worlds)
    print(f"{market}: fails {len(card.failed)} of {len(card.judged)}", file=sys.stderr)
    return card


def draw(card: Scorecard) -> None:
    """Write the pictures of a card."""
    for name, figure in pictures(card, card.series).items():
        save(figure, f"{card.market}_{name}")


def page(cards: list[Scorecard]) -> list[str]:
    """Return the lines of this half of the page."""
    lines = [text("laws"), "", *overview(cards)]
    for card in cards:
        lines += ["", f"### {card.market}", "", f"{card.title}, a {card.kind} market; "
                  f"{card.worlds} worlds of {card.customers:,} customers.", ""]  # fmt: skip
        lines += figures(card)
        if card.market in SHOWN:
            lines += ["", *shown(card)]
    return lines


def overview(cards: list[Scorecard]) -> list[str]:
    """Return the table of all laws and markets, and why a law fails where it does."""
    titles = {law.name: law.title for law in published().laws}
    rows = []
    for name, title in titles.items():
        found = [{line.name: line for line in card.lines}.get(name) for card in cards]
        rows.append([title, *(MARKS[line.verdict] if line else "" for line in found)])
    counts = [f"{len(c.judged) - len(c.failed)} of {len(c.judged)}" for c in cards]
    failed = [
        f"- `{card.market}`, {line.title.lower()}: {line.note or 'no reason is given'}"
        for card in cards
        for line in card.failed
    ]
    head = ["", *(card.market for card in cards)]
    why = ["", "Where a law fails, and why:", "", *failed] if failed else []
    return [*table(head, [*rows, ["shown", *counts]]), *why]


def figures(card: Scorecard) -> list[str]:
    """Return the table of all figures of a card."""
    rows = []
    for line in card.lines:
        said = (line.title, MARKS[line.verdict], line.source)
        for reading in line.readings:
            title, mark, source = said
            rows.append(
                [title, reading.title, observed(reading), target_text(reading), mark, source]
            )
            said = ("", "", "")
    head = ["regularity", "figure", "here", "target", "", "source"]
    return table(head, rows, numbers=("here", "target"))


def observed(reading: Reading) -> str:
    """Return a figure with half of its 95% interval."""
    if reading.observed is None:
        return "–"
    places = decimals(reading.observed)
    error = f" ± {plain(reading.error, places)}" if reading.error else ""
    return f"{plain(reading.observed, places)}{error}"


def shown(card: Scorecard) -> list[str]:
    """Return the pictures of a card and its table of duplication."""
    lines = []
    for name in pictures(card, card.series):
        lines += [show(f"{card.market}_{name}", CAPTIONS[name]), ""]
    series = card.series["duplication"]
    [line] = [line for line in card.lines if line.name == "duplication"]
    rows = [
        [f"buyers of {brand}", *("–" if i == j else f"{value:.0%}" for j, value in enumerate(row))]
        for i, (brand, row) in enumerate(zip(card.brands, series["given"], strict=True))
    ]
    rows.append([f"D = {mean_d(line):.2f} times penetration",
                 *(f"{mean_d(line) * share:.0%}" for share in series["penetration"])])  # fmt: skip
    return [*lines, *table(["also buy", *card.brands], rows)]


def mean_d(line: Line) -> float:
    """Return the mean coefficient of duplication."""
    [d] = [reading.observed for reading in line.readings if reading.name == "d"]
    return d or 0.0


if __name__ == "__main__":
    main()
