"""Files that users bring: what is read, what is refused with row numbers, what is left out."""

from __future__ import annotations

import gzip
import subprocess
import sys
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest

from sim.calibration.reading import parse_holdout, read_log, read_panel
from sim.calibration.table import find_data
from sim.errors import ConfigError, DataError

BRANDS = ("ale", "bock", "cider")
ORDERS = 120


@pytest.fixture
def panel() -> pd.DataFrame:
    """Thirty households with four purchases each, in order."""
    rng = np.random.default_rng(5)
    n = 120
    table = pd.DataFrame(
        {"hid": np.repeat(np.arange(100, 130), 4), "seq": np.tile([1, 2, 3, 4], 30)}
    )
    for brand in BRANDS:
        table[f"price.{brand}"] = rng.uniform(1, 3, n).round(2)
        table[f"feat.{brand}"] = rng.integers(0, 2, n)
    table["choice"] = rng.choice(BRANDS, n)
    return table


@pytest.fixture
def log() -> pd.DataFrame:
    """Forty customers with three orders each, on days of 2021."""
    rng = np.random.default_rng(6)
    date = pd.Timestamp("2021-01-01") + pd.to_timedelta(np.arange(ORDERS) * 3, unit="D")
    return pd.DataFrame(
        {
            "customer": np.tile(np.arange(40), 3).astype(object),
            "date": date.strftime("%Y-%m-%d"),
            "amount": rng.uniform(5, 50, ORDERS).round(2),
        }
    )


@pytest.fixture
def write(tmp_path: Path):
    def to_csv(table: pd.DataFrame, name: str = "file.csv", **options) -> Path:
        path = tmp_path / name
        table.to_csv(path, index=False, **options)
        return path

    return to_csv


def refusal(read, path, **options) -> str:
    """Return the one line that a reader refuses a file with."""
    with pytest.raises(DataError) as caught:
        read(path, **options)
    text = str(caught.value)
    assert "\n" not in text
    assert "allowed" in text or "did you mean" in text or "never closed" in text
    return text


# --- panels that are as they should be ----------------------------------------------------------


def test_a_panel_is_what_the_file_says(panel, write):
    read = read_panel(write(panel))
    assert read.brands == BRANDS
    assert read.attributes == ("feat",)
    assert read.n_units == 30
    assert [BRANDS[i] for i in read.chosen] == list(panel["choice"])
    prices = panel[[f"price.{brand}" for brand in BRANDS]].to_numpy()
    assert read.price_unit == pytest.approx(prices.mean())
    np.testing.assert_allclose(read.price * read.price_unit, prices)
    np.testing.assert_array_equal(
        read.x[:, :, 0], panel[[f"feat.{brand}" for brand in BRANDS]].to_numpy()
    )
    np.testing.assert_array_equal(read.first, np.arange(0, 124, 4))
    assert read.day is None
    assert not read.left_out
    assert read.notes == ()


@pytest.mark.parametrize(("share", "train"), [(0.3, 2), (0.25, 3), (0.5, 2), (0.0, 4)])
def test_the_first_share_of_each_households_purchases_is_for_estimation(panel, write, share, train):
    read = read_panel(write(panel), holdout=share)
    assert set(read.first_test - read.first[:-1]) == {train}
    assert read.train.sum() == 30 * train


def test_ten_purchases_split_as_seven_and_three_whatever_the_rounding():
    read = read_panel("yogurt")
    n = np.diff(read.first)
    assert (n == 10).any()
    np.testing.assert_array_equal(read.first_test - read.first[:-1], (7 * n) // 10)


@pytest.mark.parametrize("name", ["panel.csv.gz", "panel.parquet"])
def test_compressed_and_parquet_files_read_as_csv_does(panel, write, tmp_path, name):
    path = tmp_path / name
    if name.endswith("parquet"):
        panel.to_parquet(path)
    else:
        panel.to_csv(path, index=False)
    plain, other = read_panel(write(panel)), read_panel(path)
    np.testing.assert_array_equal(plain.chosen, other.chosen)
    np.testing.assert_array_equal(plain.price, other.price)
    np.testing.assert_array_equal(plain.first_test, other.first_test)


def test_columns_of_any_name_can_be_mapped_and_signs_may_separate(panel, write):
    names = {"hid": "Client No", "choice": "marque", "seq": "n"}
    names |= {f"price.{b}": f"prix {b}" for b in BRANDS} | {
        f"feat.{b}": f"promo {b}" for b in BRANDS
    }
    path = write(panel.rename(columns=names), sep=";")
    columns = {"household": "Client No", "choice": "marque", "order": "n"}
    read = read_panel(path, columns=columns | {"price": "prix ", "feat": "promo "})
    np.testing.assert_array_equal(read.chosen, read_panel(write(panel, "plain.csv")).chosen)
    assert read.attributes == ("feat",)


def test_unsorted_rows_are_sorted_and_that_is_said(panel, write):
    sorted_ = read_panel(write(panel))
    mixed = panel.sort_values("seq", kind="stable", ascending=False)
    read = read_panel(write(mixed, "mixed.csv"))
    np.testing.assert_array_equal(read.chosen, sorted_.chosen)
    assert any("sorted by 'seq'" in note for note in read.notes)


def test_without_an_order_the_file_is_the_order_and_that_is_said(panel, write):
    read = read_panel(write(panel.drop(columns="seq")))
    assert [BRANDS[i] for i in read.chosen] == list(panel["choice"])
    assert any("order of the file" in note for note in read.notes)


def test_equal_rows_without_an_order_are_loyalty_and_no_copies(panel, write):
    same = panel.drop(columns="seq").loc[np.repeat(np.arange(0, 120, 4), 4)]
    read = read_panel(write(same))
    assert len(read.chosen) == 120
    assert not read.left_out


def test_a_date_splits_all_households_at_once_and_belongs_to_the_first_part(panel, write):
    panel["date"] = [f"2020-0{k}-15" for k in panel["seq"]]
    read = read_panel(write(panel.drop(columns="seq")), holdout="2020-03-15")
    assert set(read.first_test - read.first[:-1]) == {3}
    assert sorted(set(read.day)) == [0, 31, 60, 91]
    by_day = read_panel(write(panel.drop(columns="seq")), holdout=60)
    np.testing.assert_array_equal(by_day.first_test, read.first_test)


def test_a_number_splits_at_that_place_in_the_order(panel, write):
    read = read_panel(write(panel), holdout=3)
    assert set(read.first_test - read.first[:-1]) == {3}


def test_the_order_may_be_told_by_dates(panel, write):
    panel["seq"] = [f"{k}.2.2020" for k in panel["seq"] + 20]
    read = read_panel(write(panel))
    assert sorted(set(read.day)) == [0, 1, 2, 3]


# --- panels with something left out -------------------------------------------------------------


def test_households_with_one_purchase_are_left_out_and_counted(panel, write):
    read = read_panel(write(panel[(panel["hid"] > 104) | (panel["seq"] == 1)]))
    assert read.n_units == 25
    assert read.left_out == {"of households with fewer than 2 purchases": 5}


def test_by_default_a_household_needs_two_purchases_and_four_where_there_are_dates(panel, write):
    some = panel[(panel["hid"] > 104) | (panel["seq"] < 4)]
    dated = some.rename(columns={"seq": "day"})
    assert not read_panel(write(some)).left_out
    assert read_panel(write(dated)).left_out == {"of households with fewer than 4 purchases": 15}
    assert not read_panel(write(dated), min_occasions=2).left_out


@pytest.mark.parametrize(
    ("name", "n_units", "n_rows"),
    [
        ("yogurt", 100, 2412),
        ("catsup", 216, 2041),
        ("margarine", 357, 3149),
        ("complete_journey/bathtissue", 427, 3944),
        ("complete_journey/yogurt", 530, 6090),
    ],
)
def test_shipped_panels_are_read_as_they_are(name, n_units, n_rows):
    read = read_panel(name)
    assert (read.n_units, len(read.chosen)) == (n_units, n_rows)
    assert set(read.left_out) <= {
        "exact copy of another row",
        "of households with fewer than 2 purchases",
        "of households with fewer than 4 purchases",
    }


def test_households_that_have_nothing_to_learn_from_are_left_out_and_counted(panel, write):
    late = panel["hid"] < 103
    panel.loc[late, "seq"] += 10
    read = read_panel(write(panel), holdout=3)
    assert read.n_units == 27
    assert read.left_out == {"of households without a purchase for estimation": 12}


def test_empty_cells_are_left_out_and_counted_by_reason(panel, write):
    panel = panel.astype(object)
    panel.loc[3, "choice"] = ""
    panel.loc[[5, 6], "price.bock"] = "NaN"
    panel.loc[9, "hid"] = None
    panel.loc[12, "feat.ale"] = "NA"
    panel.loc[14, "price.ale"] = 0
    panel.loc[17, "seq"] = ""
    read = read_panel(write(panel))
    assert read.left_out == {
        "without a household": 1,
        "without a choice": 1,
        "without an order or date": 1,
        "with an empty price": 2,
        "with an empty feature or display": 1,
        "with a price of zero": 1,
    }
    assert len(read.chosen) == 113


def test_copies_of_rows_are_left_out_and_counted(panel, write):
    read = read_panel(write(pd.concat([panel, panel.iloc[[4, 8, 8]]])))
    assert len(read.chosen) == 120
    assert read.left_out == {"exact copy of another row": 3}


def test_a_brand_that_nobody_buys_is_left_out_and_named(panel, write):
    panel["price.stout"], panel["feat.stout"] = 2.0, 0
    read = read_panel(write(panel))
    assert read.brands == BRANDS
    assert any("nobody buys stout" in note for note in read.notes)


def test_a_dot_in_a_brands_name_is_written_as_a_market_can_have_it(panel, write):
    dotted = panel.rename(columns={"price.ale": "price.ale.50", "feat.ale": "feat.ale.50"})
    dotted["choice"] = dotted["choice"].replace("ale", "ale.50")
    read = read_panel(write(dotted))
    assert read.brands == ("ale_50", "bock", "cider")
    assert any("ale.50 is ale_50" in note for note in read.notes)
    twin = dotted.assign(**{"price.ale_50": 1.0, "feat.ale_50": 0})
    assert "ale.50 and ale_50 differ only by a dot" in refusal(read_panel, write(twin))


def test_columns_that_are_not_used_are_named(panel, write):
    panel["pirce.ale"] = 1
    assert "columns that are not used: pirce.ale" in read_panel(write(panel)).notes


# --- panels that are refused --------------------------------------------------------------------


def spoil(column: str, row: int, value: object):
    def change(panel: pd.DataFrame) -> pd.DataFrame:
        panel = panel.astype(object)
        panel.loc[row, column] = value
        return panel

    return change


REFUSED = {
    "a negative price": (
        spoil("price.ale", 7, -1),
        ["'price.ale', row 9 ", "'-1'", "header is row 1"],
    ),
    "a price that is text": (spoil("price.ale", 7, "free"), ["'price.ale', row 9 ", "'free'"]),
    "a decimal comma": (spoil("price.ale", 7, "1,25"), ["row 9 ", "'1,25'", "and not a comma"]),
    "an unknown brand": (
        spoil("choice", 0, "cidre"),
        ["row 2 ", "did you mean 'cider'", "ale, bock"],
    ),
    "an order that is text": (spoil("seq", 3, "first"), ["'seq'", "first", "in row 5"]),
    "an order twice": (spoil("seq", 1, 1), ["rows 2 and 3 ", "same order 1"]),
    "no customer": (lambda p: p.drop(columns="hid"), ["no column of the customer", "household"]),
    "no choice": (lambda p: p.drop(columns="choice"), ["no column of the choice"]),
    "no prices": (lambda p: p[["hid", "seq", "choice"]], ["price.BRAND", "long form"]),
    "a feature of a stranger": (
        lambda p: p.rename(columns={"feat.bock": "feat.bok"}),
        ["'feat.bok'", "did you mean 'bock'"],
    ),
    "a feature missing": (
        lambda p: p.drop(columns="feat.bock"),
        ["feat for ale, cider", "not for bock"],
    ),
    "two customers": (
        lambda p: p.assign(customer=1),
        ["hid and customer may each be the customer"],
    ),
    "ten rows": (lambda p: p.head(10), ["has 10 purchases that can be used", "50 at least"]),
    "a header only": (lambda p: p.head(0), ["has a header and no rows"]),
    "one brand bought": (lambda p: p.assign(choice="ale"), ["has 1 brands that somebody buys"]),
    "only single purchases": (
        lambda p: p.assign(hid=range(120)),
        ["has 0 purchases", "120 rows of households with fewer than 2 purchases"],
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_panel_is_refused_in_one_line_that_says_where_and_why(panel, write, case):
    change, wanted = REFUSED[case]
    path = write(change(panel))
    text = refusal(read_panel, path)
    assert "file.csv" in text
    for part in wanted:
        assert part in text


def test_an_order_that_contradicts_the_dates_is_refused(panel, write):
    panel["day"] = panel["seq"]
    panel.loc[2, "day"] = 0
    assert "by its date row 4 is before row 3" in refusal(read_panel, write(panel))


def test_a_column_that_stands_twice_is_refused(panel, write):
    path = write(panel.rename(columns={"price.bock": "price.ale"}))
    assert "column 'price.ale' stands 2 times, as columns 3 and 5" in refusal(read_panel, path)


def test_only_the_first_rows_at_fault_are_named_and_all_are_counted(panel, write):
    panel.loc[0:9, "price.ale"] = -1
    assert "rows 2, 3, 4, 5, 6 and 5 more" in refusal(read_panel, write(panel))


def test_a_mapped_column_that_is_not_there_is_refused_with_the_nearest(panel, write):
    text = refusal(read_panel, write(panel), columns={"customer": "hidd"})
    assert "did you mean 'hid'" in text


def test_a_role_that_does_not_exist_is_refused_with_the_nearest(panel, write):
    with pytest.raises(ConfigError, match=r"columns\.chioce.*did you mean 'choice'"):
        read_panel(write(panel), columns={"chioce": "choice"})


def test_a_parquet_column_of_lists_is_refused(panel, tmp_path):
    panel["choice"] = [[c] for c in panel["choice"]]
    panel.to_parquet(tmp_path / "lists.parquet")
    assert "column 'choice' holds VARCHAR[]" in refusal(read_panel, tmp_path / "lists.parquet")


# --- order logs ---------------------------------------------------------------------------------


def test_a_log_is_what_the_file_says(log, write):
    read = read_log(write(log))
    assert read.n_units == 40
    assert list(read.customers) == [str(i) for i in range(40)]
    assert (np.diff(read.first) == 3).all()
    np.testing.assert_array_equal(read.day[:3], [0, 120, 240])
    np.testing.assert_allclose(read.amount[:3], log["amount"][[0, 40, 80]])
    assert (read.origin, read.end) == ("2021-01-01", 357)
    assert read.split == 249, "the last 30% of the time is kept back"


def test_orders_of_one_day_are_one_order_and_copies_are_none(log, write):
    more = log.iloc[[0, 1, 2]].assign(amount=[1.0, 2.0, log["amount"][2]])
    read = read_log(write(pd.concat([log, more])))
    assert len(read.day) == ORDERS
    assert read.left_out == {
        "exact copy of another row": 1,
        "merged with another order of the same customer and day": 2,
    }
    assert read.amount[0] == pytest.approx(log["amount"][0] + 1)
    assert read.amount.sum() == pytest.approx(log["amount"].sum() + 3)


def test_refunds_and_empty_cells_are_left_out_and_counted(log, write):
    log.loc[4, "amount"] = -5
    log.loc[5, "amount"] = np.nan
    log.loc[[6, 7], "customer"] = None
    log.loc[8, "date"] = "null"
    log.loc[9, "amount"] = 0
    read = read_log(write(log))
    assert read.left_out == {
        "without a customer": 2,
        "without a date": 1,
        "without an amount": 1,
        "with an amount below zero (a refund)": 1,
    }
    assert len(read.day) == ORDERS - 5
    assert (read.amount == 0).sum() == 1


def test_a_log_without_amounts_is_read_and_that_is_said(log, write):
    read = read_log(write(log.drop(columns="amount")))
    assert read.amount is None
    assert any("no column of amounts" in note for note in read.notes)


def test_a_log_splits_at_a_share_a_day_or_a_date(log, write):
    path = write(log)
    assert read_log(path, holdout=0.5).split == 178
    assert read_log(path, holdout=272).split == 272
    assert read_log(path, holdout="2021-09-30").split == 272
    assert read_log(path, holdout=0).split == read_log(path).end
    counted = log.assign(date=np.arange(ORDERS) * 3 + 10).rename(columns={"date": "day"})
    read = read_log(write(counted, "counted.csv"), holdout=272)
    assert (read.split, read.origin) == (262, ""), "272 as the file counts, which begins at 10"


def test_the_shipped_log_splits_where_its_literature_does():
    half = read_log("cdnow_sample", holdout=0.5)
    assert (half.n_units, len(half.day), half.split, half.end) == (2357, 6696, 272, 545)
    assert read_log("cdnow_sample", holdout=272).split == 272


WRITTEN = {
    "iso": ("%Y-%m-%d", ""),
    "slashes": ("%Y/%m/%d", ""),
    "timestamp": ("%Y-%m-%dT%H:%M:%S", ""),
    "zone": ("%Y-%m-%d 10:20:30+02:00", ""),
    "compact": ("%Y%m%d", ""),
    "day first": ("%d/%m/%Y", ""),
    "month first": ("%m/%d/%Y 10:20", ""),
    "dots": ("%d.%m.%Y", "dmy"),
    "names": ("%d %b %Y", "%d %b %Y"),
    "short years": ("%d-%m-%y", "%d-%m-%y"),
}


@pytest.mark.parametrize("way", WRITTEN)
def test_dates_are_the_same_however_they_are_written(log, write, way):
    pattern, date_format = WRITTEN[way]
    dates = pd.to_datetime(log["date"])
    read = read_log(write(log.assign(date=dates.dt.strftime(pattern))), date_format=date_format)
    plain = read_log(write(log))
    np.testing.assert_array_equal(read.day, plain.day)
    assert read.origin == plain.origin


@pytest.mark.parametrize("kind", ["datetime64[ns]", "datetime64[ns, UTC]", "date32[pyarrow]"])
def test_dates_of_parquet_files_are_dates(log, write, tmp_path, kind):
    plain = read_log(write(log))
    stamped = pd.to_datetime(log["date"])
    log["date"] = stamped.dt.tz_localize("UTC") if "UTC" in kind else stamped.astype(kind)
    log["customer"] = log["customer"].astype(int)
    log.to_parquet(tmp_path / "log.parquet")
    read = read_log(tmp_path / "log.parquet")
    np.testing.assert_array_equal(read.day, plain.day)
    assert read.origin == plain.origin
    np.testing.assert_array_equal(read.customers, plain.customers)


def test_dates_in_three_formats_are_refused_with_a_row_of_each(log, write):
    log.loc[3, "date"], log.loc[5, "date"] = "31/01/2021", "20210215"
    text = refusal(read_log, write(log))
    assert "dates written in 3 ways (the header is row 1)" in text
    for part in ("'2021-01-01' in row 2", "'31/01/2021' in row 5", "'20210215' in row 7"):
        assert part in text


def test_days_that_could_be_months_must_be_stated(log, write):
    dates = pd.to_datetime("2021-01-01") + pd.to_timedelta(np.arange(ORDERS) % 5, unit="D")
    path = write(log.assign(date=dates.strftime("%d/%m/%Y"), customer=range(ORDERS)))
    assert "date_format=dmy or date_format=mdy" in refusal(read_log, path)
    assert read_log(path, date_format="dmy").end == 4
    assert read_log(path, date_format="mdy").end == 120


def test_a_column_with_the_day_first_and_the_month_first_is_refused(log, write):
    dates = pd.to_datetime(log["date"]).dt.strftime("%d/%m/%Y")
    dates[119] = "12/25/2021"
    text = refusal(read_log, write(log.assign(date=dates)))
    assert "row 6 has the day first and row 121 the month" in text


LOGS_REFUSED = {
    "a date that does not exist": ("date", 7, "2021-02-30", ["'date', row 9 ", "is no date"]),
    "text among dates": ("date", 7, "soon", ["in 2 ways", "'soon' in row 9 (unknown, 1 rows)"]),
    "text for dates": ("date", slice(None), "soon", ["rows 2, 3, 4", "'soon' is no date"]),
    "a typing error in the year": ("date", 7, "0202-01-05", ["reaches over", "40000 days"]),
    "text as an amount": ("amount", 7, "ten", ["'amount', row 9 ", "'ten' is no number"]),
    "an infinite amount": ("amount", 7, "inf", ["row 9 ", "'inf' is no number"]),
}


@pytest.mark.parametrize("case", LOGS_REFUSED)
def test_a_log_is_refused_in_one_line_that_says_where_and_why(log, write, case):
    column, row, value, wanted = LOGS_REFUSED[case]
    text = refusal(read_log, write(spoil(column, row, value)(log)))
    for part in wanted:
        assert part in text


def test_a_log_of_one_day_is_refused(log, write):
    assert "reaches over 0 days" in refusal(read_log, write(log.assign(date="2021-01-01")))


def test_a_split_outside_the_log_is_refused(log, write):
    assert "between 2021-01-01 and 2021-12-24" in refusal(
        read_log, write(log), holdout="2022-05-01"
    )
    assert "counts days" in refusal(read_log, "cdnow_sample", holdout="1997-09-30")


def test_a_split_behind_the_panel_is_refused(panel, write):
    assert "nothing is behind it" in refusal(read_panel, write(panel), holdout=4)


@pytest.mark.parametrize("date_format", ["dym", "%Q", "iso"])
def test_a_date_format_that_is_none_is_refused(log, write, date_format):
    with pytest.raises(ConfigError, match="date_format: cannot be"):
        read_log(write(log), date_format=date_format)


@pytest.mark.parametrize("holdout", [1, 1.0, -0.1, "half", "2021-13-01", float("nan")])
def test_a_split_that_makes_no_sense_is_refused(holdout):
    with pytest.raises(ConfigError, match="holdout"):
        parse_holdout(holdout)


# --- files that are no files of data ------------------------------------------------------------

RAW = {
    "nothing": (b"", "has 0 bytes"),
    "empty line": (b"\n1,2\n", "row 1 is empty"),
    "latin": (
        b"customer,date\n" + b"1,2021-01-01\n" * 4 + b"\xe9\xe8,2021-01-02\n",
        "row 6 is not UTF-8",
    ),
    "latin header": (b"client\xe9,date\n1,2\n", "row 1 is not UTF-8"),
    "short row": (
        b"customer,date,amount\n1,2021-01-01,3\n1,2021-01-01\n",
        "row 3 has 2 cells; allowed: 3",
    ),
    "long row": (
        b"customer,date\n1,2021-01-01\n1,2021-01-01,3,4\n",
        "row 3 has 3 or more cells; allowed: 2",
    ),
    "open quote": (b'customer,date\n1,"2021-01-01\n2,2021-01-01\n', "row 2 opens a quote"),
    "workbook": (b"PK\x03\x04" + b"\0" * 40, "is a spreadsheet or an archive"),
    "binary": (b"\x01\x00\x00\x00,,\x00", "is no text"),
    "half a parquet": (b"PAR1" + b"\0" * 40, "cannot be read as CSV or Parquet"),
    "half a gzip": (gzip.compress(b"customer,date\n1,2021-01-01\n" * 99)[:40], "cannot be"),
}


@pytest.mark.parametrize("case", RAW)
def test_a_broken_file_is_refused_in_one_line(tmp_path, case):
    content, wanted = RAW[case]
    path = tmp_path / "file.csv"
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        read_log(path)
    assert wanted in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_folder_is_refused(tmp_path):
    assert "is a folder" in refusal(read_log, tmp_path)


def test_a_byte_order_mark_and_windows_lines_do_not_matter(log, write):
    plain = read_log(write(log))
    read = read_log(write(log, "windows.csv", encoding="utf-8-sig", lineterminator="\r\n"))
    np.testing.assert_array_equal(read.day, plain.day)
    np.testing.assert_array_equal(read.amount, plain.amount)


def test_a_missing_file_is_told_with_those_near_it(log, write, tmp_path):
    write(log, "orders_2021.csv")
    text = refusal(read_log, tmp_path / "order_2021.csv")
    assert "no such file; near it: orders_2021.csv" in text
    assert "cdnow_sample" in text
    assert "yogurt (shipped)" in refusal(read_panel, "yoghurt")


def test_shipped_data_are_found_by_name_and_by_a_path_that_only_ends_like_theirs():
    for path in ("yogurt", "data/yogurt.csv", "panels_gpl/yogurt"):
        found, note = find_data(path)
        assert found.parts[-2:] == ("panels_gpl", "yogurt.csv")
        assert "is read from the shipped data/panels_gpl/yogurt.csv" in note
        assert "complete_journey/yogurt has that name too" in note
    found, note = find_data("complete_journey/yogurt.csv")
    assert found.parts[-2:] == ("complete_journey", "yogurt.csv")
    assert find_data(found) == (found, ""), "a path that exists means itself"


def test_rows_are_numbered_as_in_the_file_though_several_threads_read_it(tmp_path):
    path, wrong = tmp_path / "log.csv", [1_000, 101_000, 250_000, 299_999]
    row = "i::VARCHAR AS customer, DATE '2022-01-01' + CAST(i % 700 AS INTEGER) AS date"
    amount = f"CASE WHEN i IN ({', '.join(map(str, wrong))}) THEN 'x' ELSE '5' END AS amount"
    duckdb.sql(
        f"COPY (SELECT {row}, {amount}, repeat('-', 60) AS remark FROM range(300000) t(i))"
        f" TO '{path}' (HEADER)"
    )
    text = refusal(read_log, path)
    assert ", ".join(str(i + 2) for i in wrong) in text


# --- size ---------------------------------------------------------------------------------------


@pytest.mark.slow
def test_ten_million_orders_are_read_in_two_gibibytes_of_memory(tmp_path):
    path = tmp_path / "log.parquet"
    duckdb.sql(
        f"COPY (SELECT 'c' || (i * 2654435761) % 1000003 AS customer, DATE '2022-01-01' +"
        f" CAST((i * 40503) % 730 AS INTEGER) AS date, 5 + (i * 7919) % 5000 / 100 AS amount"
        f" FROM range(10000000) t(i)) TO '{path}'"
    )
    program = (
        "import resource, sys; from sim.calibration.reading import read_log;"
        "log = read_log(sys.argv[1]);"
        "print(log.n_units, len(log.day) + sum(log.left_out.values()),"
        " resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=True
    )
    n_units, n_rows, kibibytes = (int(word) for word in done.stdout.split())
    assert (n_units, n_rows) == (1_000_003, 10_000_000)
    assert kibibytes < 2 * 2**20
