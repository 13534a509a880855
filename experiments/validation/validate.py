"""Score every shipped market: `conf/scorecard/`, `docs/validation.md` and its pictures.

    python experiments/validation/validate.py            # all markets, a minute or two
    python experiments/validation/validate.py --worlds 8

A report on a shipped market shows its card from `conf/scorecard/`; a test fails when a card is not
of the market's present file, of the laws or of the code, and this makes it anew.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import sim
from sim.config.load import choices
from sim.report.numbers import plain
from sim.report.scorecard import decimals
from sim.report.validation import pictures, target_text
from sim.validation.card import Line, Reading, Scorecard, write_card
from sim.validation.published import published
from sim.validation.scorecard import score

ROOT = Path(__file__).parents[2]
CARDS = ROOT / "conf" / "scorecard"
PAGE = ROOT / "docs" / "validation.md"
PICTURES = ROOT / "docs" / "images" / "validation"
PREFACE = Path(__file__).parent / "preface.md"
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
DPI = 110


def main() -> None:
    """Make all cards and write them, the page and the pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--worlds", type=int, default=8)
    worlds = parser.parse_args().worlds
    cards = [card_of(market, worlds) for market in choices("market")]
    for card in cards:
        write_card(card, CARDS / f"{card.market}.json")
        if card.market in SHOWN:
            draw(card)
    PAGE.write_text("\n".join(page(cards)) + "\n", encoding="utf-8")


def card_of(market: str, worlds: int) -> Scorecard:
    """Return a shipped market's card."""
    money = published().finance[market]
    card = score(sim.load(None, [f"market={market}", f"finance={money}"]), replications=worlds)
    print(f"{market}: fails {len(card.failed)} of {len(card.judged)}", file=sys.stderr)
    return card


def draw(card: Scorecard) -> None:
    """Write the pictures of a card."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    for name, figure in pictures(card, card.series).items():
        figure.savefig(PICTURES / f"{card.market}_{name}.png", dpi=DPI, metadata={"Software": None})


def page(cards: list[Scorecard]) -> list[str]:
    """Return the lines of the page."""
    lines = [PREFACE.read_text(encoding="utf-8").rstrip(), "", *overview(cards)]
    for card in cards:
        lines += ["", f"## {card.market}", "", f"{card.title}, a {card.kind} market; "
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
    return table(["regularity", "figure", "here", "target", "", "source"], rows)


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
        lines += [f"![{CAPTIONS[name]}](images/validation/{card.market}_{name}.png)", ""]
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


def table(head: list[str], rows: list[list[str]]) -> list[str]:
    """Return a table in Markdown."""
    rule = ["---", *["---:" if column in ("here", "target") else "---" for column in head[1:]]]
    return [f"| {' | '.join(row)} |" for row in [head, rule, *rows]]


if __name__ == "__main__":
    main()
