"""The page of `fidelio validate`: a market's scorecard with its pictures, and held-out data."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup
from matplotlib.figure import Figure

from sim.report import validation_figures as figures
from sim.report.calibration import Document, Row, Section, TableView, sections
from sim.report.figures import svg
from sim.report.frame import Picture, fill
from sim.report.numbers import DASH, MINUS, known, percent, plain
from sim.report.scorecard import TONES, VERDICTS, decimals
from sim.report.words import Words, market_mark
from sim.store import write_run, write_text
from sim.validation.card import Line, Reading, Scorecard, compact

KINDS = {"repertoire": "market.repertoire", "subscription": "market.subscription"}


@dataclass(frozen=True)
class FigureRow:
    """One figure of a regularity, beside its target."""

    title: str
    here: str
    spread: str
    target: str
    tone: str


@dataclass(frozen=True)
class LineRow:
    """One regularity on the page."""

    title: str
    says: str
    source: str
    note: str
    verdict: str
    tone: str
    figures: Sequence[FigureRow]


def write_validation_page(
    card: Scorecard, folder: str | Path, predicted: Document | None = None
) -> Path:
    """Write `validation.html` and `scorecard.json` into a folder and return the page.

    Parameters
    ----------
    card
        The market's scorecard.
    folder
        Where to; it is made if need be.
    predicted
        How the market predicts data that were kept back: a document like that of a fit. It goes to
        `prediction.json`.

    Raises
    ------
    StoreError
        If the folder cannot be written.
    """
    target = Path(folder)
    documents: dict[str, Any] = {"scorecard": asdict(card)}
    if predicted is not None:
        documents["prediction"] = dict(predicted)
    write_run(target, {}, documents)
    plain_card = json.loads((target / "scorecard.json").read_text(encoding="utf-8"))
    return write_text(target / "validation.html", render_validation(card, plain_card["series"],
                                                                    predicted))  # fmt: skip


def render_validation(
    card: Scorecard, series: Mapping[str, Any], predicted: Document | None = None
) -> str:
    """Return the page of a scorecard as HTML."""
    words = Words()
    passed, n = len(card.judged) - len(card.failed), len(card.judged)
    facts = [
        words(KINDS[card.kind]),
        words("fact.customers", n=plain(float(card.customers))),
        words("fact.worlds", n=plain(float(card.worlds))),
    ]
    marks = [market_mark(words, compact(card))] if card.failed else []
    quick = [words("section.scorecard.quick")] if card.quick else []
    return fill(
        "validation.html.j2",
        t=words,
        title=card.title,
        facts=facts,
        tone="bad" if card.failed else "good",
        headline=words("verdict.regularities", k=passed, n=n),
        remarks=[*marks, *quick],
        rows=[_line(words, line) for line in card.lines],
        sections=[*_pictured(words, card, series), *_prediction(predicted)],
    )


def _line(words: Words, line: Line) -> LineRow:
    return LineRow(
        line.title, line.says, line.source, line.note, words(VERDICTS[line.verdict]),
        TONES[line.verdict], [_figure(reading) for reading in line.readings],
    )  # fmt: skip


def _figure(reading: Reading) -> FigureRow:
    here, error = known(reading.observed), known(reading.error)
    places = decimals(here or 0.0)
    spread = f"± {plain(error, places)}" if error and round(error, places) else ""
    tone = "faint" if not reading.judged else "" if reading.holds else "bad"
    return FigureRow(reading.title, plain(here, places), spread, target_text(reading), tone)


def target_text(reading: Reading) -> str:
    """Return a figure's bounds in words; a dash if it has none."""
    low, high = (
        None if bound is None else f"{bound:g}".replace("-", MINUS)
        for bound in (reading.low, reading.high)
    )
    if low is None and high is None:
        return DASH
    if low is None:
        return f"{high} or less"
    if high is None:
        return f"{low} or more"
    return low if low == high else f"{low} to {high}"


# --- pictures ------------------------------------------------------------------------------------


def pictures(card: Scorecard, series: Mapping[str, Any]) -> dict[str, Figure]:
    """Return the pictures that a card has figures for, by name."""
    brands = card.brands
    drawn: dict[str, tuple[str, Callable[[figures.Series], Figure]]] = {
        "jeopardy": ("dirichlet_fit", lambda s: figures.jeopardy(brands, s)),
        "purchases": ("growth_with_window", lambda s: figures.purchases(series["dirichlet_fit"])),
        "growth": ("growth_with_window", lambda s: figures.growth(brands, s)),
        "retention": ("cohort_retention", figures.retention),
        "promotion": ("promotion_bump", figures.promotion),
        "programme": ("behaviour_before_attitude", figures.programme),
    }
    return {name: draw(series[law]) for name, (law, draw) in drawn.items() if law in series}


def _pictured(words: Words, card: Scorecard, series: Mapping[str, Any]) -> list[Section]:
    made = {
        name: Picture(
            words(f"figure.{name}"),
            words(f"figure.{name}.unit"),
            Markup(svg(figure, name, words(f"figure.{name}"))),  # our own drawing
            words(f"figure.{name}.caption"),
        )
        for name, figure in pictures(card, series).items()
    }
    pictured = [Section(words("section.pictures"), pictures=tuple(made.values()))]
    if "duplication" in series:
        pictured.append(_duplication(words, card, series["duplication"]))
    return pictured


def _duplication(words: Words, card: Scorecard, series: Mapping[str, Any]) -> Section:
    """Return the table of who also buys what, with what proportion alone would give."""
    [line] = [line for line in card.lines if line.name == "duplication"]
    d = next(reading.observed for reading in line.readings if reading.name == "d") or 0.0
    rows = [
        Row(
            words("duplication.buyers", brand=brand),
            [DASH if i == j else percent(value, 0) for j, value in enumerate(given)],
        )
        for i, (brand, given) in enumerate(zip(card.brands, series["given"], strict=True))
    ]
    expected = [percent(d * share, 0) for share in series["penetration"]]
    rows.append(Row(words("duplication.expected", d=plain(d, 2)), expected, strong=True))
    return Section(
        words("section.duplication"),
        words("section.duplication.lead"),
        TableView([words("duplication.of"), *card.brands], rows),
    )


def _prediction(predicted: Document | None) -> list[Section]:
    return [] if predicted is None else list(sections(predicted))
