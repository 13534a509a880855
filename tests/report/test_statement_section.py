"""The money in full on the page: what it says, what it leaves out, and that its sums are sums."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sim.config.finance import Accounting, Finance, Reporting, Terminal
from sim.finance.accounts import open_accounts, rates
from sim.report import statement, write_page
from sim.report.folder import RunFolder, read_folder
from sim.report.numbers import MINUS, THIN
from sim.report.words import ENGLISH, Words

Writer = Callable[..., Path]
BOOKS = Accounting(tax_rate=0.25, depreciation_years=3.0, inflation=0.02)
FINANCE = Finance(
    name="f", title="f", gross_margin=0.3, discount_rate=0.1, keeping_cost=12, accounting=BOOKS
)
ABROAD = replace(
    FINANCE,
    accounting=replace(
        BOOKS, reporting=Reporting(currency="USD", exchange_rate=0.14, inflation=0.03)
    ),
)
WORDS = Words()


def keep_books(folder: Path, finance: Finance = FINANCE) -> Path:
    """Add to a run's folder what a run writes of its books."""
    cash = pd.read_parquet(folder / "cash_flow.parquet")
    outcomes = pd.read_parquet(folder / "outcomes.parquet")
    summary = json.loads((folder / "summary.json").read_text())
    churn = outcomes.pivot(index="plan", columns="replication", values="churn_annual")
    kept = 1.0 - churn.loc[cash["plan"].unique()].to_numpy()
    accounts = open_accounts(cash, summary["baseline"], [finance] * kept.shape[1], kept)
    accounts.table().to_parquet(folder / "statement.parquet")
    summary["finance"] = {**rates(finance), "plans": accounts.summary()}
    (folder / "summary.json").write_text(json.dumps(summary))
    return folder


def number(text: str) -> float:
    return float(text.replace(MINUS, "-").replace(THIN, "").replace("+", ""))


def page_of(folder: Path) -> str:
    return write_page(folder).read_text("utf-8")


@pytest.fixture
def run(run_folder: Writer) -> RunFolder:
    return read_folder(keep_books(run_folder(replications=12, whole=False)))


@pytest.fixture(params=["run", "compare", "today", "one"])
def page(request: pytest.FixtureRequest, run_folder: Writer, compare_folder: Writer) -> str:
    folder = {
        "run": lambda: run_folder(replications=8, whole=False),
        "compare": lambda: compare_folder(replications=8, whole=False),
        "today": lambda: run_folder("today", replications=4, whole=False),
        "one": lambda: run_folder(replications=1, whole=False),
    }[request.param]()
    return page_of(keep_books(folder))


def test_the_section_is_whole_on_every_kind_of_page(page: str) -> None:
    section = page.partition(f"<h2>{ENGLISH['section.books']}</h2>")[2].partition("</section>")[0]
    for name in statement.FIGURES:
        assert ENGLISH[f"books.{name}"] in section, name
    words = re.sub(r"<style.*?</style>|<[^>]*>", " ", section, flags=re.DOTALL)
    assert not re.search(r"\b(nan|None|inf|null)\b|\{", words)


def test_a_folder_of_an_older_run_keeps_no_books(run_folder: Writer) -> None:
    assert not statement.has_books(read_folder(run_folder(replications=4, whole=False)))


@pytest.mark.parametrize("plan", ["three_phase", "promotion_first"])
def test_the_bridge_starts_on_the_ground_and_ends_at_what_is_left(
    run_folder: Writer, plan: str
) -> None:
    run = read_folder(keep_books(run_folder(plan, replications=12, whole=False)))
    bars = statement.steps(run, plan)
    for before, bar in itertools.pairwise(bars):
        expected = 0.0 if bar.kind.endswith("sum") else before.end
        assert bar.start == expected, bar.key
    ends = {bar.key: bar.end for bar in bars}
    assert ends["bridge.before"] == pytest.approx(run.difference(plan, "npv")["mean"])
    change = next(bar for bar in bars if bar.key == "bridge.tax")
    assert change.end - change.start == pytest.approx(
        statement.figure(run, plan, "tax")["mean"], rel=1e-9
    )


def test_lines_in_bold_are_sums_of_those_above(run: RunFolder) -> None:
    rows = {row.name: row for row in statement.statement_rows(WORDS, run, "three_phase")}

    def total(key: str) -> float:
        return number(rows[ENGLISH[key]].whole)

    sums = {
        "books.contribution": ("books.sales", "books.goods", "books.customers", "books.points"),
        "books.ebitda": ("books.contribution", "books.running"),
        "books.ebit": ("books.ebitda", "books.depreciation"),
        "books.profit": ("books.ebit", "books.tax"),
        "books.cash": ("books.profit", "books.added_back", "books.capital", "books.points_back"),
    }
    for whole, parts in sums.items():
        rounding = 0.051 * (len(parts) + 1)
        assert total(whole) == pytest.approx(sum(map(total, parts)), abs=rounding), whole
    for row in rows.values():
        years = sum(number(year) for year in row.years)
        assert number(row.whole) == pytest.approx(years, abs=0.051 * (len(row.years) + 1)), row


def test_without_points_their_lines_are_left_out(run_folder: Writer) -> None:
    run = read_folder(keep_books(run_folder("service_first", replications=4, whole=False)))
    shown = [line.key for line in statement.shown_lines(run, "service_first")]
    assert "books.points" not in shown
    assert "books.points_back" not in shown
    assert "books.points" in [line.key for line in statement.LINES]


@pytest.mark.parametrize(
    ("quarters", "columns"), [(1, 1), (4, 1), (5, 2), (12, 3), (24, 6), (25, 4), (200, 6)]
)
def test_years_cover_the_horizon_in_few_columns(run: RunFolder, quarters: int, columns: int):
    long = replace(run, summary={**run.summary, "quarters": quarters})
    spans = statement.years(long)
    assert len(spans) == columns
    covered = [quarter for first, last in spans for quarter in range(first, last + 1)]
    assert covered == list(range(1, quarters + 1))


def test_figures_in_a_second_currency_stand_beside(run_folder: Writer) -> None:
    run = read_folder(keep_books(run_folder(replications=8, whole=False), ABROAD))
    rows = statement.figure_rows(WORDS, run)
    assert len(rows) == len(statement.FIGURES) + len(statement.ABROAD)
    home, there = (row for row in rows if row.name.startswith(ENGLISH["books.npv_after_tax"]))
    assert "USD" in there.name
    ratio = number(there.cells[0].mean) / number(home.cells[0].mean)
    assert ratio == pytest.approx(0.14, rel=0.1)
    assert there.note == "0.14 USD for one CNY in quarter 1"


def test_a_figure_that_is_the_same_in_every_future_says_so(run: RunFolder) -> None:
    [cell] = next(
        row.cells
        for row in statement.figure_rows(WORDS, run)
        if row.name == ENGLISH["books.capital_spent"]
    )
    assert cell.interval == ENGLISH["books.exact"]


def test_a_plan_that_cannot_be_told_from_nothing_is_not_bold(compare_folder: Writer) -> None:
    run = read_folder(keep_books(compare_folder(replications=12, whole=False)))
    rows = statement.figure_rows(WORDS, run)
    for name, row in zip(statement.FIGURES, rows, strict=False):
        for plan, cell in zip(run.plans, row.cells, strict=True):
            spread = statement.figure(run, plan, name)
            apart = spread["low"] > 0 or spread["high"] < 0
            assert cell.clear == (apart and name in statement.SIGNED), (name, plan)
    assert any(cell.clear for row in rows for cell in row.cells)


def test_what_comes_after_is_told_apart_or_left_out(run_folder: Writer) -> None:
    run = read_folder(keep_books(run_folder(replications=8, whole=False)))
    said = statement.lead(WORDS, run, "three_phase")
    assert "kept apart" in said
    assert "5 years after the horizon" in said
    none = replace(FINANCE, accounting=replace(BOOKS, terminal=Terminal(quarters=0)))
    run = read_folder(keep_books(run_folder(replications=8, whole=False), none))
    assert ENGLISH["books.lead.no_later"] in statement.lead(WORDS, run, "three_phase")
    assert statement.figure(run, "three_phase", "terminal_value")["mean"] == 0


def test_a_future_that_lost_all_its_customers_has_no_later_bars(run_folder: Writer) -> None:
    folder = run_folder(replications=4, whole=False)
    outcomes = pd.read_parquet(folder / "outcomes.parquet")
    outcomes.loc[outcomes["replication"] == 2, "churn_annual"] = np.nan
    outcomes.to_parquet(folder / "outcomes.parquet")
    run = read_folder(keep_books(folder))
    assert [bar.key for bar in statement.steps(run, "three_phase")][-1] == "bridge.after"
    assert "nan" not in statement.lead(WORDS, run, "three_phase")
