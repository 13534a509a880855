"""From a file to what a firm has observed: a household panel, an order log.

Columns are found by their usual names or by the names that the caller maps to them. What cannot be
used is an error that names rows, or is left out and counted; nothing is dropped in silence.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim.calibration.observed import Integers, Log, Panel
from sim.calibration.table import Table, find_data, literal, number, open_table
from sim.errors import ConfigError, DataError
from sim.types import F64

NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "customer": (
        "hid", "hh", "hh_id", "household", "household_id", "household_key", "customer",
        "customer_id", "customerid", "cust", "cust_id", "client", "client_id", "member",
        "member_id", "panelist", "panelist_id", "user", "user_id", "id",
    ),
    "order": ("seq", "order", "occasion", "trip", "purchase"),
    "date": (
        "date", "day", "order_date", "orderdate", "purchase_date", "transaction_date",
        "invoice_date", "invoicedate", "timestamp", "time",
    ),
    "choice": ("choice", "chosen", "brand", "brand_bought", "bought"),
    "amount": ("usd", "amount", "spend", "sales", "revenue", "value", "total"),
}  # fmt: skip
"""Role of a column to the names by which it is known."""
SYNONYMS: Final = {"household": "customer", "day": "date"}
PREFIXES: Final[Mapping[str, tuple[str, ...]]] = {
    "price": ("price.", "price_"),
    "feat": ("feat.", "feature.", "feat_", "feature_"),
    "disp": ("disp.", "display.", "disp_", "display_"),
}
"""What stands before a brand's name in the columns of a panel."""
SPARE: Final = "id"
"""A name that means the customer only if no other does: often it numbers the rows."""
LONGEST: Final = 40_000
"""Days between the first and the last beyond which dates cannot be right."""
FEWEST, FEWEST_DATED = 2, 4
"""Purchases that a household of a panel must have by default; the second for one with dates."""
COPY: Final = "exact copy of another row"


class Holdout(NamedTuple):
    """Where estimation ends: at a last day, or so that a share of the data is kept back."""

    share: float = 0.0
    """What is kept back if there is no `day`."""
    day: float | None = None
    """Days since 1970-01-01 if `dated`, else as the file counts."""
    dated: bool = False


class _Goods(NamedTuple):
    """The columns of a panel that are about brands."""

    brands: tuple[str, ...]
    columns: Mapping[str, tuple[str, ...]]
    """`price`, `feat`, `disp` to one column per brand."""

    @property
    def cells(self) -> dict[str, str]:
        """Name in the table of cells (`price0`) to the column."""
        return {f"{k}{i}": c for k, columns in self.columns.items() for i, c in enumerate(columns)}


# --- panels -------------------------------------------------------------------------------------


def read_panel(
    path: str | Path,
    *,
    columns: Mapping[str, str] | None = None,
    holdout: float | str = 0.3,
    min_occasions: int | None = None,
    date_format: str = "",
    at_least: int = 50,
) -> Panel:
    """Read which brand households bought, one row per purchase.

    Parameters
    ----------
    path
        CSV (also `.csv.gz`), Parquet, or the name of a shipped panel.
    columns
        Role to the column's name in this file: `customer` (or `household`), `order`, `date`,
        `choice`; `price`, `feat` and `disp` to what stands before the brand's name. Roles that are
        not mapped are found by their usual names.
    holdout
        Share of each household's purchases, its last ones, that is kept back: of n purchases the
        first floor((1 - holdout) n) are for estimation. Or the last date, or (above 1) the last
        number in the order, that is for estimation: it is the same for all households.
    min_occasions
        Purchases that a household must have to be used. If not given, 2; in a panel with dates 4,
        because there a household with two or three purchases in all that time mostly buys
        elsewhere, and what it buys in between is not seen.
    date_format
        `ymd`, `dmy`, `mdy` or a pattern such as `%d %b %Y`; empty to find it out.
    at_least
        Purchases that must remain.

    Returns
    -------
    Panel
        Brands in the order of their price columns, without those that nobody buys.

    Raises
    ------
    DataError
        If the file cannot be used; file, rows, column, value and what is allowed are told.
    ConfigError
        If an option makes no sense.
    """
    file, note = find_data(path)
    cut = parse_holdout(holdout)
    with open_table(file) as table:
        goods = _find_goods(table, columns or {})
        roles = _find_roles(table, columns or {}, ("customer", "choice"), ("order", "date"))
        _load(table, roles, goods.cells)
        roles = _order_by_dates(table, roles)
        _check_goods(table, roles["choice"], goods)
        sql, dated = _time(table, roles, date_format)
        left_out = _sort_panel(table, sql, goods)
        found = table.numbers("SELECT * FROM sorted ORDER BY number")
        notes = [note, _unused(table, [*roles.values(), *goods.cells.values()])]
        notes += _order_notes(found, roles)
        limit = _limit(table.name, cut, roles, found, dated=dated)
    fewest = min_occasions or (FEWEST_DATED if "date" in roles else FEWEST)
    return _make_panel(table.name, found, goods, limit, (fewest, at_least), left_out, notes)


def _order_by_dates(table: Table, roles: dict[str, str]) -> dict[str, str]:
    """Take the order for dates if that is what the column holds."""
    if "order" not in roles:
        return roles
    if "date" not in roles and table.value(
        f"SELECT count(*) FROM cells WHERE seq IS NOT NULL AND {number('seq')} IS NULL"
    ):
        table.connection.execute("ALTER TABLE texts RENAME seq TO day")
        table.refresh()
        return {("date" if role == "order" else role): c for role, c in roles.items()}
    table.reject_non_numbers({"seq": roles["order"]})
    return roles


def _find_goods(table: Table, columns: Mapping[str, str]) -> _Goods:
    """Return the brands and their columns."""
    found = {kind: _with_prefix(table, kind, columns) for kind in PREFIXES}
    prices = found.pop("price")
    if len(prices) < 2:  # noqa: PLR2004
        raise DataError(
            f"{table.name}: has prices of {len(prices)} brands; allowed: one row per purchase with"
            " a column price.BRAND for each of two brands or more (a long form, with a row per"
            " brand and purchase, is not read: turn it into columns first); columns here:"
            f" {table.column_list}"
        )
    _check_names(table, list(prices))
    goods = {"price": tuple(prices.values())}
    for kind, by_brand in found.items():
        if not by_brand:
            continue
        for brand, column in by_brand.items():
            if brand not in prices:
                raise DataError(
                    f"{table.name}: column '{column}' is about a brand without a price"
                    f"{nearest(brand, prices)}; allowed: {', '.join(prices)}"
                )
        missing = [brand for brand in prices if brand not in by_brand]
        if missing:
            raise DataError(
                f"{table.name}: has {kind} for {', '.join(by_brand)} but not for"
                f" {', '.join(missing)}; allowed: a column for every brand, or none"
            )
        goods[kind] = tuple(by_brand[brand] for brand in prices)
    return _Goods(tuple(prices), goods)


def _check_names(table: Table, brands: Sequence[str]) -> None:
    """Raise an error for brands that could not be told apart in a market."""
    names = [brand.replace(".", "_") for brand in brands]
    twins = [brand for brand, name in zip(brands, names, strict=True) if names.count(name) > 1]
    if twins:
        raise DataError(
            f"{table.name}: the brands {' and '.join(twins)} differ only by a dot; allowed: names"
            " that differ by more, for in a market a dot separates the parts of a setting"
        )


def _with_prefix(table: Table, kind: str, columns: Mapping[str, str]) -> dict[str, str]:
    """Return brand to column, for the first prefix that any column has."""
    for prefix in (columns[kind],) if kind in columns else PREFIXES[kind]:
        found = {
            column[len(prefix) :]: column
            for column in table.columns
            if column.lower().startswith(prefix.lower()) and len(column) > len(prefix)
        }
        if found:
            return found
    if kind in columns:
        raise DataError(
            f"{table.name}: no column begins with '{columns[kind]}'; columns here:"
            f" {table.column_list}"
        )
    return {}


def _check_goods(table: Table, choice: str, goods: _Goods) -> None:
    """Raise an error for what can be no choice, price, feature or display."""
    brands = ", ".join(literal(brand) for brand in goods.brands)
    unknown = f"choice IS NOT NULL AND choice NOT IN ({brands})"
    first = table.value(f"SELECT arg_min(choice, row) FROM cells WHERE {unknown}")
    hint = nearest(str(first), goods.brands) if first is not None else ""
    table.reject(
        unknown,
        choice,
        "choice",
        f"is a brand without a price column{hint}",
        ", ".join(goods.brands),
    )
    table.reject_non_numbers(goods.cells)
    negative = {name: f"{number(name)} < 0" for name in goods.cells if name.startswith("price")}
    for name in table.names_of(negative):
        column = goods.cells[name]
        table.reject(negative[name], column, name, "is a price below zero", "prices above zero")


def _sort_panel(table: Table, time: Mapping[str, str], goods: _Goods) -> dict[str, int]:
    """Make the SQL table `sorted`, a row per purchase that can be used; count the others."""
    prices = [name for name in goods.cells if name.startswith("price")]
    others = [name for name in goods.cells if not name.startswith("price")]
    # Without an order two equal purchases in a row are what loyalty looks like, and no copy.
    copy = f"row_number() OVER (PARTITION BY unit, {', '.join(time)}, mark ORDER BY row) > 1"
    reasons = {
        "without a household": "unit IS NULL",
        "without a choice": "choice IS NULL",
        "without an order or date": _any(f"{name} IS NULL" for name in time),
        "with an empty price": _any(f"{name} IS NULL" for name in prices),
        "with an empty feature or display": _any(f"{name} IS NULL" for name in others),
        "with a price of zero": _any(f"{number(name)} = 0" for name in prices),
        COPY: copy if time else "false",
    }
    brands = ", ".join(literal(brand) for brand in goods.brands)
    chosen = f"list_position([{brands}], choice) - 1"
    numbers = [f"{sql} AS {name}" for name, sql in time.items()]
    numbers += [f"{number(name)} AS {name}" for name in goods.cells]
    left_out = table.sort_out(reasons)
    order = ", ".join(["unit_number", *time, "row"])
    table.connection.execute(
        f"CREATE TABLE sorted AS SELECT row_number() OVER (ORDER BY {order}) AS number, *"
        f" FROM (SELECT unit_number, row, {chosen} AS chosen, {', '.join(numbers)}"
        " FROM used JOIN units USING (unit))"
    )
    return left_out


def _order_notes(found: Mapping[str, Any], roles: Mapping[str, str]) -> list[str]:
    """Say what was done about the order of rows."""
    unit, row = found["unit_number"], found["row"]
    same = unit[1:] == unit[:-1]
    if "order" not in roles and "date" not in roles:
        return ["there is no column of the order or date: rows are taken in the order of the file"]
    notes = []
    moved = int(np.sum(same & (row[1:] < row[:-1])))
    by = roles.get("order") or roles["date"]
    if moved:
        notes.append(f"rows were not in order ({moved} places): sorted by '{by}'")
    if "order" not in roles:
        again = int(np.sum(same & (found["day"][1:] == found["day"][:-1])))
        if again:
            notes.append(
                f"{again} purchases are of the same household and day as the one before: kept, in"
                " the order of the file"
            )
    return notes


def _make_panel(
    name: str,
    found: Mapping[str, Any],
    goods: _Goods,
    limit: Holdout,
    needs: tuple[int, int],
    left_out: dict[str, int],
    notes: Sequence[str],
) -> Panel:
    """Split the purchases of each household and make arrays of them."""
    min_occasions, at_least = needs
    _check_order(name, found)
    unit = found["unit_number"]
    n, n_train = _split(unit, found, limit)
    few, late = n < min_occasions, (n >= min_occasions) & (n_train == 0)
    reasons = {
        f"of households with fewer than {min_occasions} purchases": int(n[few].sum()),
        "of households without a purchase for estimation": int(n[late].sum()),
    }
    used = ~(few | late)
    rows = used[unit]
    left_out = {k: v for k, v in {**left_out, **reasons}.items() if v}
    require(name, int(rows.sum()), at_least, "purchases", left_out)
    if limit.day is not None and (n == n_train)[used].all():
        raise DataError(f"{name}: holdout: nothing is behind it; allowed: a place within the data")
    chosen = found["chosen"][rows]
    bought = np.bincount(chosen, minlength=len(goods.brands)) > 0
    names = [brand.replace(".", "_") for brand in goods.brands]
    notes = [*notes, *_brand_notes(goods.brands, names, bought)]
    require(name, int(bought.sum()), 2, "brands that somebody buys", left_out)
    price = _stack(found, "price", bought)[rows]
    attributes = tuple(kind for kind in goods.columns if kind != "price")
    x = [_stack(found, kind, bought)[rows] for kind in attributes]
    day = found["day"][rows] if "day" in found else None
    first = np.concatenate(([0], np.cumsum(n[used])))
    return Panel(
        source=name,
        brands=tuple(b for b, kept in zip(names, bought, strict=True) if kept),
        attributes=attributes,
        chosen=(np.cumsum(bought) - 1)[chosen],
        price=price / price.mean(),
        price_unit=float(price.mean()),
        x=np.stack(x, axis=2) if x else np.zeros((*price.shape, 0)),
        first=first,
        first_test=first[:-1] + n_train[used],
        day=None if day is None else day - day.min(),
        left_out=left_out,
        notes=tuple(note for note in notes if note),
    )


def _check_order(name: str, found: Mapping[str, Any]) -> None:
    """Raise an error if the order names a place twice, or contradicts the dates."""
    if "seq" not in found:
        return
    unit, row, seq = found["unit_number"], found["row"], found["seq"]
    same = unit[1:] == unit[:-1]
    twice = np.flatnonzero(same & (seq[1:] == seq[:-1]))
    if len(twice):
        i = twice[0]
        raise DataError(
            f"{name}: rows {row[i]} and {row[i + 1]} are of one household and have the same order"
            f" {seq[i]:g} ({len(twice)} such pairs); allowed: each number once per household"
        )
    if "day" in found:
        back = np.flatnonzero(same & (found["day"][1:] < found["day"][:-1]))
        if len(back):
            i = back[0]
            raise DataError(
                f"{name}: by its date row {row[i + 1]} is before row {row[i]}, by its order behind"
                f" it ({len(back)} such pairs); allowed: an order that agrees with the dates"
            )


def _split(unit: Integers, found: Mapping[str, Any], limit: Holdout) -> tuple[Integers, Integers]:
    """Return the purchases of each household, and how many of them are for estimation."""
    n = np.bincount(unit)
    if limit.day is None:
        return n, np.floor((1 - limit.share) * n + 1e-9).astype(np.int64)
    when = found["day" if limit.dated or "seq" not in found else "seq"]
    return n, np.bincount(unit[when <= limit.day], minlength=len(n))


def _stack(found: Mapping[str, Any], kind: str, bought: NDArray[np.bool_]) -> F64:
    """Return (n_rows, n_brands) of a kind of column, for the brands that are bought."""
    columns = [found[f"{kind}{i}"] for i in np.flatnonzero(bought)]
    return np.stack(columns, axis=1).astype(np.float64)


def _brand_notes(
    brands: Sequence[str], names: Sequence[str], bought: NDArray[np.bool_]
) -> list[str]:
    """Say which brands are left out, and which have another name in the market."""
    nobody = [brand for brand, any_ in zip(brands, bought, strict=True) if not any_]
    notes = [f"nobody buys {', '.join(nobody)}: left out of the brands"] if nobody else []
    renamed = [f"{b} is {name}" for b, name in zip(brands, names, strict=True) if b != name]
    if renamed:
        notes.append(f"a dot separates the parts of a setting, so {', '.join(renamed)}")
    return notes


# --- order logs ---------------------------------------------------------------------------------


def read_log(
    path: str | Path,
    *,
    columns: Mapping[str, str] | None = None,
    holdout: float | str = 0.3,
    date_format: str = "",
    at_least: int = 50,
) -> Log:
    """Read who bought when for how much, one row per order.

    Orders of one customer on one day become one, because a model of purchase days cannot tell them
    apart. An amount below zero is a refund: it is left out and the order that it refunds stays, so
    amounts are before refunds. An amount of zero is an order.

    Parameters
    ----------
    path
        CSV (also `.csv.gz`), Parquet, or the name of a shipped log.
    columns
        Role to the column's name in this file: `customer`, `date`, `amount`. Roles that are not
        mapped are found by their usual names.
    holdout
        Share of the time from the first day to the last that is kept back, the end of it. Or the
        last date that is for estimation; or, above 1, the last day in the file's own count (days
        since the first if the file has dates).
    date_format
        `ymd`, `dmy`, `mdy` or a pattern such as `%d %b %Y`; empty to find it out.
    at_least
        Orders that must remain.

    Raises
    ------
    DataError
        If the file cannot be used; file, rows, column, value and what is allowed are told.
    ConfigError
        If an option makes no sense.
    """
    file, note = find_data(path)
    cut = parse_holdout(holdout)
    with open_table(file) as table:
        roles = _find_roles(table, columns or {}, ("customer", "date"), ("amount",))
        _load(table, roles, {})
        if "amount" in roles:
            table.reject_non_numbers({"amount": roles["amount"]})
        time, dated = _time(table, roles, date_format)
        left_out = _merge_orders(table, time["day"], with_amount="amount" in roles)
        found = table.numbers(
            "SELECT unit_number, day, amount FROM orders JOIN units USING (unit)"
            " ORDER BY unit_number, day"
        )
        customers = table.numbers("SELECT unit FROM units ORDER BY unit_number")["unit"]
        require(table.name, len(found["day"]), 1, "orders", left_out)
        limit = _limit(table.name, cut, roles, found, dated=dated)
        notes = [note, _unused(table, list(roles.values()))]
    day = found["day"]
    _check_span(table.name, roles["date"], day)
    require(table.name, len(day), at_least, "orders", left_out)
    origin = int(day.min())
    notes.append("" if "amount" in roles else "there is no column of amounts: spending is unknown")
    return Log(
        source=table.name,
        customers=customers.astype(np.str_),
        first=np.concatenate(([0], np.cumsum(np.bincount(found["unit_number"])))),
        day=day - origin,
        amount=found["amount"] if "amount" in roles else None,
        split=_last_day(table.name, limit, day, dated=dated),
        end=int(day.max()) - origin,
        origin=day_name(origin) if dated else "",
        left_out=left_out,
        notes=tuple(note for note in notes if note),
    )


def _merge_orders(table: Table, day: str, *, with_amount: bool) -> dict[str, int]:
    """Make the SQL table `orders`, a row per customer and day; count what it does not hold."""
    reasons = {"without a customer": "unit IS NULL", "without a date": "day IS NULL"}
    if with_amount:
        reasons["without an amount"] = "amount IS NULL"
        reasons["with an amount below zero (a refund)"] = f"{number('amount')} < 0"
    left_out = table.sort_out(reasons)
    # Sums of decimals are exact, so they do not depend on which thread adds what first.
    amount = f"CAST({number('amount')} AS DECIMAL(38, 6))" if with_amount else "0"
    run = table.connection.execute
    run(
        f"CREATE TABLE distinct_rows AS SELECT unit, {day} AS day, any_value({amount}) AS amount"
        f" FROM used GROUP BY unit, {day}, mark"
    )
    run(
        "CREATE TABLE orders AS SELECT unit, day, CAST(sum(amount) AS DOUBLE) AS amount"
        " FROM distinct_rows GROUP BY unit, day"
    )
    used, distinct, orders = (
        int(table.value(f"SELECT count(*) FROM {t}")) for t in ("used", "distinct_rows", "orders")
    )
    left_out[COPY] = used - distinct
    left_out["merged with another order of the same customer and day"] = distinct - orders
    return {reason: n for reason, n in left_out.items() if n}


def _check_span(name: str, column: str, day: Integers) -> None:
    span = int(day.max() - day.min())
    if not 0 < span <= LONGEST:
        raise DataError(
            f"{name}: column '{column}' reaches over {span} days; allowed: 1 to {LONGEST} days"
            " between the first order and the last"
        )


def _last_day(name: str, limit: Holdout, day: Integers, *, dated: bool) -> int:
    """Return the last day for estimation, in days since the first."""
    first, last = int(day.min()), int(day.max())
    if limit.day is None:
        return math.floor((1 - limit.share) * (last - first) + 1e-9)
    wanted = math.floor(limit.day)
    if not first < wanted < last:
        said = [day_name(d) if dated else str(d) for d in (wanted, first, last)]
        raise DataError(
            f"{name}: holdout: {said[0]} is not within the orders; allowed: between {said[1]} and"
            f" {said[2]}"
        )
    return wanted - first


# --- both ---------------------------------------------------------------------------------------


def parse_holdout(holdout: float | str) -> Holdout:
    """Return where estimation ends.

    Raises
    ------
    ConfigError
        If it is neither a share, nor a day above 1, nor a date.
    """
    text = str(holdout).strip()
    try:
        return Holdout(day=(date.fromisoformat(text[:10]) - date(1970, 1, 1)).days, dated=True)
    except ValueError:
        pass
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if 0 <= value < 1:
        return Holdout(share=value)
    if 1 < value < math.inf:
        return Holdout(day=value)
    raise ConfigError(
        f"cannot be {holdout!r}",
        key="holdout",
        value=holdout,
        allowed="a share from 0 to below 1, a date YYYY-MM-DD, or a day number above 1",
    )


def _limit(
    name: str, cut: Holdout, roles: Mapping[str, str], found: Mapping[str, Any], *, dated: bool
) -> Holdout:
    """Return where estimation ends on the scale of `found`, checked against what the file tells."""
    if cut.day is None:
        return cut
    if cut.dated and not dated:
        what = f"column '{roles['date']}' counts days" if "date" in roles else "there are no dates"
        raise DataError(f"{name}: holdout is a date but {what}; allowed: a share, or a day number")
    if not cut.dated and "date" not in roles and "order" not in roles:
        raise DataError(f"{name}: holdout is a day but there is no order; allowed: a share")
    # A number is a place in the order; else a day, which a file of dates counts from its first.
    since = int(found["day"].min()) if dated and not cut.dated and "order" not in roles else 0
    return cut._replace(day=cut.day + since)


def _find_roles(
    table: Table, columns: Mapping[str, str], needed: Iterable[str], useful: Iterable[str]
) -> dict[str, str]:
    """Return role to column, for the roles that the file has."""
    given = {SYNONYMS.get(role, role): column for role, column in columns.items()}
    needed, useful = list(needed), list(useful)
    known = [*needed, *useful, *(PREFIXES if "choice" in needed else ())]
    for role in given:
        if role not in known:
            raise ConfigError(
                "no such role of a column",
                key=f"columns.{role}",
                value=role,
                known=[*known, *SYNONYMS],
            )
    roles = {}
    for role in (*needed, *useful):
        if role in given:
            roles[role] = _mapped(table, role, given[role])
        elif found := _usual(table, role, list(given.values())):
            roles[role] = found
        elif role in needed:
            raise DataError(
                f"{table.name}: no column of the {role}; allowed: one named"
                f" {', '.join(NAMES[role])}, or columns={{{role}: NAME}}; columns here:"
                f" {table.column_list}"
            )
    return roles


def _mapped(table: Table, role: str, column: str) -> str:
    if column not in table.columns:
        raise DataError(
            f"{table.name}: columns.{role}: no column '{column}'{nearest(column, table.columns)};"
            f" columns here: {table.column_list}"
        )
    return column


def _usual(table: Table, role: str, taken: Sequence[str]) -> str:
    """Return the column that has a usual name of a role, or nothing."""
    plain = {
        column: column.lower().replace(" ", "_").replace("-", "_")
        for column in table.columns
        if column not in taken
    }
    found = [column for column, name in plain.items() if name in NAMES[role]]
    if len(found) > 1:
        found = [column for column in found if plain[column] != SPARE]
    if role in ("date", "order"):  # several ways to tell the time are no contradiction
        found = sorted(found, key=lambda column: NAMES[role].index(plain[column]))[:1]
    if len(found) > 1:
        raise DataError(
            f"{table.name}: {' and '.join(found)} may each be the {role}; allowed: say which with"
            f" columns={{{role}: {found[0]}}}"
        )
    return found[0] if found else ""


def _load(table: Table, roles: Mapping[str, str], cells: Mapping[str, str]) -> None:
    """Load columns under the names that the SQL of this module uses."""
    names = {"customer": "unit", "order": "seq", "date": "day"}
    table.load({**{names.get(role, role): c for role, c in roles.items()}, **cells})


def _time(table: Table, roles: Mapping[str, str], date_format: str) -> tuple[dict[str, str], bool]:
    """Return the SQL of what tells the order of rows, and whether it has dates."""
    time = {"seq": number("seq")} if "order" in roles else {}
    dated = False
    if "date" in roles:
        time["day"], dated = table.read_days("day", roles["date"], date_format)
    return time, dated


def _unused(table: Table, used: Sequence[str]) -> str:
    rest = [column for column in table.columns if column and column not in used]
    return f"columns that are not used: {', '.join(rest)}" if rest else ""


def require(name: str, n: int, at_least: int, what: str, left_out: Mapping[str, int]) -> None:
    """Raise an error if too little is left.

    Raises
    ------
    DataError
        That tells what was left out and why.
    """
    if n < at_least:
        lost = "; ".join(f"{count} rows {reason}" for reason, count in left_out.items() if count)
        told = f" (left out: {lost})" if lost else ""
        raise DataError(
            f"{name}: has {n} {what} that can be used{told}; allowed: {at_least} at least"
        )


def nearest(given: str, known: Iterable[str]) -> str:
    """Return a question for the known name most like the given one, or nothing."""
    matches = get_close_matches(given, list(known), n=1, cutoff=0.5)
    return f" (did you mean '{matches[0]}'?)" if matches else ""


def day_name(day: int) -> str:
    """Return the date of a day since 1970-01-01, as YYYY-MM-DD."""
    return (date(1970, 1, 1) + timedelta(days=day)).isoformat()


def _any(conditions: Iterable[str]) -> str:
    return " OR ".join(conditions) or "false"
