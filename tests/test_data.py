"""The shipped purchases are there, as their README says, and unchanged."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

DATA = Path(__file__).parents[1] / "data"
README = (DATA / "README.md").read_text("utf-8")
ROW = re.compile(r"^\| `([\w/]+\.csv)` \| (.*) \| ([\d,]+) [\w-]+ \| (.*) \|$", re.MULTILINE)
FILES = {name: (int(n.replace(",", "")), columns) for name, _, n, columns in ROW.findall(README)}
COHORT = (1.0, 0.222, 0.177, 0.171, 0.163, 0.127)


@pytest.fixture(scope="module")
def orders() -> pd.DataFrame:
    return pd.read_csv(DATA / "cdnow" / "cdnow_sample.csv")


def test_the_readme_names_the_files_that_are_there():
    there = {str(path.relative_to(DATA)) for path in DATA.rglob("*.csv")}
    assert set(FILES) == there
    assert len(there) == 9


@pytest.mark.parametrize("name", FILES)
def test_a_file_has_the_rows_and_columns_that_the_readme_names(name):
    n_rows, text = FILES[name]
    table = pd.read_csv(DATA / name)
    assert len(table) == n_rows
    wanted = re.findall(r"`([\w.*]+)`", text)
    exact = [column for column in wanted if "*" not in column]
    groups = tuple(column.rstrip("*") for column in wanted if "*" in column)
    assert set(exact) <= set(table.columns)
    assert all(column in exact or column.startswith(groups) for column in table.columns)
    assert all(any(c.startswith(group) for c in table.columns) for group in groups)
    assert not table.isna().any().any()


PANELS = [name for name, (_, columns) in FILES.items() if "`choice`" in columns]


@pytest.mark.parametrize("name", PANELS)
def test_every_choice_of_a_panel_has_a_price(name):
    table = pd.read_csv(DATA / name)
    priced = {c.removeprefix("price.") for c in table.columns if c.startswith("price.")}
    assert set(table["choice"]) == priced
    assert (table[[f"price.{brand}" for brand in priced]] > 0).all().all()
    order = "seq" if "seq" in table else "day"
    for _, purchases in table.groupby("hid"):
        assert purchases[order].is_monotonic_increasing, "habit depends on the order"


@pytest.mark.parametrize("name", PANELS)
def test_the_readme_counts_the_households_and_those_who_bought_once(name):
    n_purchases = pd.read_csv(DATA / name)["hid"].value_counts()
    row = next(line for line in README.splitlines() if f"`{name}`" in line)
    assert f"{len(n_purchases):,} households" in row
    once = {"margarine": 15, "bathtissue": 297, "complete_journey/yogurt": 254}
    stated = next((n for part, n in once.items() if part in name), 0)
    assert (n_purchases == 1).sum() == stated
    assert not stated or f"{stated} in" in README.replace("\n", " ")


def test_prices_of_the_complete_journey_are_ratios_to_what_is_usual():
    for name in ("bathtissue", "yogurt"):
        table = pd.read_csv(DATA / "complete_journey" / f"{name}.csv")
        prices = table[[c for c in table.columns if c.startswith("price.")]]
        assert prices.median().between(0.9, 1.25).all()
        assert prices.stack().between(0.6, 1.5).all()
        shares = table[[c for c in table.columns if c.startswith(("feat.", "disp."))]]
        assert shares.min().min() >= 0
        assert shares.max().max() <= 1
        notice = (DATA / "complete_journey" / "NOTICE.md").read_text("utf-8")
        assert "Do not read price elasticities" in notice


def test_visits_and_campaigns_are_of_one_year():
    trips = pd.read_csv(DATA / "complete_journey" / "trips.csv")
    campaigns = pd.read_csv(DATA / "complete_journey" / "campaigns.csv")
    assert trips["hid"].nunique() == 1716
    assert trips["day"].between(0, 52 * 7 - 1).all()
    assert (trips["spend"] == 0).sum() == 79
    assert (trips[["spend", "disc"]] >= 0).all().all()
    assert campaigns["hid"].nunique() == 1068
    assert set(campaigns["campaign_type"]) == {"Type A", "Type B", "Type C"}
    assert (campaigns["start_day"] < campaigns["end_day"]).all()
    assert not campaigns.duplicated(["hid", "campaign_id"]).any()


def test_a_row_is_a_day_with_a_purchase_of_the_first_quarters_cohort(orders):
    assert orders["id"].nunique() == 2357
    assert not orders.duplicated(["id", "day"]).any()
    assert orders["day"].between(0, 545).all()
    assert orders.groupby("id")["day"].min().max() < 90
    assert (orders["usd"] == 0).sum() == 8
    assert (orders["usd"] >= 0).all()


def test_the_cohort_is_active_by_quarter_as_the_market_is_judged_by(orders):
    date = pd.Timestamp("1997-01-01") + pd.to_timedelta(orders["day"], unit="D")
    quarter = 4 * (date.dt.year - 1997) + date.dt.quarter
    active = orders.groupby(quarter)["id"].nunique() / orders["id"].nunique()
    np.testing.assert_allclose(active, COHORT, atol=5e-4)
