"""The books: identities that hold to the cent whatever the flows, and cases worked by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import sim
from sim.config.build import build, dump, parameters
from sim.config.finance import Accounting, Finance, Reporting, Terminal
from sim.errors import ConfigError
from sim.finance.cash_flow import COMPONENTS
from sim.finance.returns import npv
from sim.finance.statement import growth, reported, statement, terminal_value
from sim.validation.card import card_key

BARE = Finance(name="f", title="f", gross_margin=0.3, discount_rate=0.1, keeping_cost=12)
CENT = 0.005


def money(**books: object) -> Finance:
    return replace(BARE, accounting=Accounting(**books))


def quiet(**columns: list[float]) -> dict[str, np.ndarray]:
    """Return flows of which only the columns given are not zero."""
    n = len(next(iter(columns.values())))
    zero = {name: np.zeros(n) for name in (*COMPONENTS, "points_liability")}
    return zero | {name: np.array(column, dtype=float) for name, column in columns.items()}


@st.composite
def flows(draw: st.DrawFn) -> dict[str, np.ndarray]:
    """Draw a cash flow of one world: any sign, as that of a difference between two plans."""
    n = draw(st.integers(1, 24))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    size = draw(st.sampled_from([1.0, 1e4, 1e7]))
    return {name: size * rng.normal(size=n) for name in (*COMPONENTS, "points_liability")}


finances = st.builds(
    lambda rate, tax, years, inflation: replace(
        BARE,
        discount_rate=rate,
        accounting=Accounting(tax_rate=tax, depreciation_years=years, inflation=inflation),
    ),
    st.floats(0, 0.5), st.floats(0, 1), st.floats(0.25, 20), st.floats(-0.1, 0.5),
)  # fmt: skip


def net(found: dict[str, np.ndarray]) -> np.ndarray:
    return np.sum([found[name] for name in COMPONENTS], axis=0)


def scale(found: dict[str, np.ndarray]) -> float:
    """Return the size of the amounts, for what is rounding."""
    return sum(float(np.abs(column).sum()) for column in found.values())


# --- identities ----------------------------------------------------------------------------------


@given(flows(), finances)
def test_without_tax_the_npv_after_tax_is_the_npv(given_flows, finance):
    untaxed = replace(finance, accounting=replace(finance.accounting, tax_rate=0.0))
    books = statement(given_flows, untaxed)
    expected = npv(net(given_flows), finance.quarterly_rate)
    assert books["present_value"].sum() == pytest.approx(
        expected, rel=1e-9, abs=1e-11 * scale(given_flows)
    )


@given(flows(), finances)
def test_real_and_nominal_discounting_give_the_same_value(given_flows, finance):
    """Fisher 1930: prices that rise are in the cash and in the rate."""
    books = statement(given_flows, finance)
    nominal = books["free_cash_flow"] * books["price_level"]
    quarterly = (1.0 + finance.nominal_rate) ** 0.25 - 1.0
    assert npv(nominal, quarterly) == pytest.approx(
        books["present_value"].sum(), rel=1e-9, abs=1e-11 * scale(given_flows)
    )


@given(flows(), finances)
def test_cash_is_profit_with_what_took_no_cash_put_back(given_flows, finance):
    books = statement(given_flows, finance)
    taxed = net(given_flows) + books["tax"]
    tolerance = max(CENT, 1e-12 * scale(given_flows))
    np.testing.assert_allclose(books["free_cash_flow"], taxed, rtol=0, atol=tolerance)
    rebuilt = (
        books["profit"]
        - books["depreciation"]
        - books["write_off"]
        + books["capital_spending"]
        + books["points_working_capital"]
    )
    np.testing.assert_allclose(books["free_cash_flow"], rebuilt, rtol=0, atol=tolerance)


@given(flows(), finances)
def test_all_capital_is_charged_once_in_the_money_it_was_paid_in(given_flows, finance):
    books = statement(given_flows, finance)
    charged = ((books["depreciation"] + books["write_off"]) * books["price_level"]).sum()
    spent = (given_flows["lever_capital"] * books["price_level"]).sum()
    assert charged == pytest.approx(spent, rel=1e-9, abs=1e-11 * scale(given_flows))


@given(flows(), flows(), finances)
def test_the_books_of_a_difference_are_the_difference_of_the_books(first, second, finance):
    n = min(len(first["revenue"]), len(second["revenue"]))
    one, two = ({name: c[:n] for name, c in each.items()} for each in (first, second))
    between = statement({name: one[name] - two[name] for name in one}, finance)
    own, other = statement(one, finance), statement(two, finance)
    room = 1e-11 * (scale(one) + scale(two))
    for name in ("profit", "tax", "free_cash_flow", "book_value", "write_off"):
        np.testing.assert_allclose(between[name], own[name] - other[name], rtol=0, atol=room)


@given(flows(), finances)
def test_no_points_are_left_when_the_plan_is_over(given_flows, finance):
    books = statement(given_flows, finance)
    moved = books["points_working_capital"] * books["price_level"]
    assert moved.sum() == pytest.approx(0.0, abs=1e-11 * scale(given_flows))
    none = statement({**given_flows, "points_liability": np.zeros_like(moved)}, finance)
    assert not none["points_working_capital"].any()
    assert not none["points_provision"].any()


def test_lines_add_up_in_an_array_of_plans_and_worlds_as_in_each_alone():
    rng = np.random.default_rng(1)
    many = {name: rng.normal(size=(2, 3, 8)) for name in (*COMPONENTS, "points_liability")}
    finance = money(tax_rate=0.25, inflation=0.03, depreciation_years=1.5)
    together = statement(many, finance)
    alone = statement({name: column[1, 2] for name, column in many.items()}, finance)
    for name, line in alone.items():
        np.testing.assert_allclose(together[name][1, 2], line, atol=1e-12)


# --- by hand -------------------------------------------------------------------------------------


def test_capital_is_written_down_in_equal_parts_and_the_rest_written_off():
    books = statement(quiet(lever_capital=[-800.0, 0, 0, 0]), money(depreciation_years=2.0))
    np.testing.assert_allclose(books["depreciation"], -100.0)
    np.testing.assert_allclose(books["book_value"], [700, 600, 500, 400])
    np.testing.assert_allclose(books["write_off"], [0, 0, 0, -400])


def test_capital_that_lasts_a_year_and_a_half_quarter_ends_with_half_a_part():
    books = statement(quiet(lever_capital=[-90.0] + [0.0] * 7), money(depreciation_years=1.125))
    np.testing.assert_allclose(books["depreciation"], [-20, -20, -20, -20, -10, 0, 0, 0])


def test_inflation_makes_depreciation_worth_less_and_the_tax_higher():
    flows = quiet(lever_capital=[-400.0, 0, 0, 0, 0], revenue=[0.0, 200, 200, 200, 200])
    level = growth(0.21, 5)
    books = statement(flows, money(tax_rate=0.25, depreciation_years=1.25, inflation=0.21))
    np.testing.assert_allclose(books["depreciation"], -80.0 / level)
    stable = statement(flows, money(tax_rate=0.25, depreciation_years=1.25))
    assert books["tax"].sum() < stable["tax"].sum() < 0
    assert level[4] == pytest.approx(1.21)


def test_a_loss_lowers_the_tax_of_its_own_quarter():
    books = statement(quiet(staff=[-100.0, 0.0], revenue=[0.0, 60.0]), money(tax_rate=0.25))
    np.testing.assert_allclose(books["tax"], [25.0, -15.0])
    np.testing.assert_allclose(books["free_cash_flow"], [-75.0, 45.0])


def test_points_are_charged_when_earned_and_paid_when_redeemed():
    flows = quiet(points_liability=[10.0, 25.0, 20.0, 12.0], reward_cost=[0.0, 0.0, -5.0, -11.0])
    books = statement(flows, money(tax_rate=0.0))
    np.testing.assert_allclose(books["points_provision"], [-10, -15, 5, 20])
    np.testing.assert_allclose(books["profit"], [-10, -15, 0, 9])
    np.testing.assert_allclose(books["free_cash_flow"], flows["reward_cost"])
    assert books["profit"].sum() == pytest.approx(-16.0)  # what was paid, in the end


def test_the_worked_example_of_the_documentation():
    flows = quiet(
        revenue=[0.0, 300.0, 300.0, 300.0, 300.0], cost_of_goods=[0.0, -150, -150, -150, -150],
        lever_capital=[-240.0, 0, 0, 0, 0], lever_running=[-20.0] * 5,
    )  # fmt: skip
    finance = money(tax_rate=0.25, depreciation_years=3.0)
    books = statement(flows, finance)
    np.testing.assert_allclose(books["ebit"], [-40, 110, 110, 110, -30])
    np.testing.assert_allclose(books["tax"], [10, -27.5, -27.5, -27.5, 7.5])
    np.testing.assert_allclose(books["free_cash_flow"], [-250, 102.5, 102.5, 102.5, 137.5])
    assert books["present_value"].sum() == pytest.approx(168.25, abs=CENT)
    assert terminal_value(books["contribution"], 0.6, finance) == pytest.approx(446.17, abs=CENT)


# --- after the horizon ---------------------------------------------------------------------------


@given(st.floats(0, 1), st.floats(0.01, 0.5), st.floats(0, 0.9), st.integers(0, 60))
def test_the_terminal_value_is_the_sum_of_its_quarters(kept, rate, tax, n_later):
    finance = replace(
        BARE,
        discount_rate=rate,
        accounting=Accounting(tax_rate=tax, terminal=Terminal(quarters=n_later)),
    )
    contribution = np.array([5.0, 10, 20, 30, 40, 999])
    by_hand = sum(
        25.0 * (1 - tax) * kept ** (k / 4) * (1 + rate) ** (-(5 + k) / 4)
        for k in range(1, n_later + 1)
    )
    assert terminal_value(contribution, kept, finance) == pytest.approx(by_hand, abs=1e-9)


def test_for_ever_it_is_the_margin_multiple_of_gupta_and_lehmann():
    finance = money(terminal=Terminal(quarters=400))
    s, d = 0.6**0.25, 1.1**-0.25
    found = terminal_value(np.full(12, 7.0), 0.6, finance)
    assert found == pytest.approx(7.0 * d**11 * s * d / (1 - s * d), rel=1e-6)


def test_the_last_quarter_which_settles_the_points_is_left_out():
    contribution = np.full(8, 10.0)
    settled = contribution.copy()
    settled[-1] = -1e6
    finance = money(terminal=Terminal(quarters=8))
    assert terminal_value(contribution, 0.5, finance) == terminal_value(settled, 0.5, finance)
    alone = terminal_value(np.array([10.0]), 1.0, money(terminal=Terminal(quarters=1)))
    assert alone == pytest.approx(10.0 * 1.1**-0.25)


def test_what_is_configured_counts_before_what_customers_did():
    finance = money(terminal=Terminal(persistence=0.5, quarters=8))
    plain = money(terminal=Terminal(quarters=8))
    found = terminal_value(np.ones(5), 0.9, finance)
    assert found == terminal_value(np.ones(5), 0.5, plain)
    by_world = terminal_value(np.ones((2, 5)), np.array([0.2, 0.9]), finance)
    np.testing.assert_allclose(by_world, found)


def test_a_world_without_a_customer_has_no_terminal_value():
    assert np.isnan(terminal_value(np.ones(5), float("nan"), money()))


# --- another currency ----------------------------------------------------------------------------


def abroad(**given: object) -> Reporting:
    return Reporting(currency="USD", exchange_rate=0.14, **given)


@given(flows(), finances, st.floats(-0.1, 1.0))
def test_at_purchasing_power_parity_it_is_the_same_money(given_flows, finance, inflation):
    books = replace(finance.accounting, reporting=abroad(inflation=inflation))
    finance = replace(finance, accounting=books)
    found = statement(given_flows, finance)
    value, later = reported(found, 0.6, finance)
    room = 1e-10 * scale(given_flows)
    assert value == pytest.approx(0.14 * found["present_value"].sum(), rel=1e-9, abs=room)
    expected = 0.14 * terminal_value(found["contribution"], 0.6, finance)
    assert later == pytest.approx(expected, rel=1e-9, abs=room)


@given(flows(), finances, st.floats(-0.1, 1.0), st.floats(-0.3, 0.3))
def test_cash_is_changed_at_the_rate_of_its_quarter(given_flows, finance, inflation, drift):
    books = replace(finance.accounting, reporting=abroad(inflation=inflation, drift=drift))
    finance = replace(finance, accounting=books)
    found = statement(given_flows, finance)
    n = len(given_flows["revenue"])
    changed = found["free_cash_flow"] * found["price_level"] * 0.14 * growth(drift, n)
    yearly = (1.0 + finance.discount_rate) * (1.0 + inflation)
    assert reported(found, 0.6, finance)[0] == pytest.approx(
        npv(changed, yearly**0.25 - 1.0), rel=1e-8, abs=1e-9 * scale(given_flows)
    )


# --- settings ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given_settings", "wrong"),
    [
        ({"tax_rate": 1.2}, r"tax_rate: 1\.2 is out of range"),
        ({"depreciation_years": 0}, r"depreciation_years: 0 is out of range"),
        ({"reporting": {"currency": "USD", "inflation": 0.02}}, r"exchange_rate: is missing"),
        ({"reporting": {"currency": "USD", "exchange_rate": 0.14}}, r"inflation: is missing"),
        ({"reporting": {"exchange_rate": 0.14, "inflation": 0.02}}, r"currency: is missing"),
        ({"reporting": "USD"}, r"'USD' is no group of settings"),
        ({"terminal": {"persistance": 0.5}}, r"did you mean 'persistence'"),
        ({"terminal": {"quarters": 2.5}}, r"2\.5 is no whole number"),
    ],
)
def test_books_that_cannot_be_kept_are_refused(given_settings, wrong):
    with pytest.raises(ConfigError, match=wrong):
        build(Finance, {**dump(BARE), "accounting": given_settings}, "finance")


def test_a_finance_file_without_books_still_reads_and_pays_no_tax():
    data = dump(BARE)
    del data["accounting"]
    assert build(Finance, data).accounting == Accounting()
    assert Accounting().tax_rate == 0.0


def test_a_second_currency_is_set_on_the_command_line():
    given_settings = "{currency: USD, exchange_rate: 0.14, inflation: 0.03}"
    config = sim.load("retail_three_phase", [f"finance.accounting.reporting={given_settings}"])
    abroad = config.finance.accounting.reporting
    assert abroad == Reporting("USD", 0.14, 0.03)
    assert abroad.yearly_drift(0.02) == pytest.approx(1.03 / 1.02 - 1.0)


def test_how_books_are_kept_moves_no_scorecard_and_what_they_rest_on_is_told():
    config = sim.load("retail_three_phase")
    other = sim.load(
        "retail_three_phase",
        ["finance.accounting.tax_rate=0.1", "finance.accounting.terminal.quarters=4"],
    )
    assert card_key(other) == card_key(config)
    dearer = sim.load("retail_three_phase", ["finance.gross_margin=0.3"])
    assert card_key(dearer) != card_key(config)
    sources = {row.path: row.source for row in parameters(config)}
    books = {path: text for path, text in sources.items() if path.startswith("finance.accounting")}
    assert len(books) == 4
    assert "default" not in books.values()
