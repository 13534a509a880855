"""The risk table counts events and finds what they cost."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sim.report import risk_register, write_page
from sim.report.folder import RunFolder, read_folder
from sim.report.words import ENGLISH, Words

Writer = Callable[..., Path]
LOSS = -1e6
"""What an event costs here, at once in quarter 1."""


@pytest.fixture
def struck(run_folder: Writer) -> Callable[..., RunFolder]:
    """Return a function that makes a run in which one risk strikes so often in each future."""

    def make(counts: list[int], noise: float = 0.0, risk: str = "market_shift") -> RunFolder:
        run = read_folder(run_folder(replications=len(counts)))
        rows = [("three_phase", r, 1, risk) for r, n in enumerate(counts) for _ in range(n)]
        events = pd.DataFrame(rows, columns=["plan", "replication", "quarter", "risk"])
        spared = run.cash_flow[["plan", "replication", "quarter", "net"]].copy()
        drawn = np.random.default_rng(11).normal(0, noise, len(counts)) * (np.array(counts) > 0)
        harm = (LOSS * np.array(counts) + drawn)[spared["replication"]]
        first = (spared["quarter"] == 1) & (spared["plan"] == "three_phase")
        spared["net"] -= np.where(first, harm, 0.0)
        return replace(run, events=events, without_risks=spared)

    return make


def test_the_cost_of_an_event_is_found_exactly_where_nothing_else_moves(struck: Callable) -> None:
    impact = risk_register.impacts(struck([0, 1, 2, 0, 1] * 4), "three_phase")["market_shift"]
    assert (impact.low, impact.mean, impact.high) == pytest.approx((LOSS, LOSS, LOSS))


def test_the_interval_holds_the_cost_and_widens_with_noise(struck: Callable) -> None:
    counts = [0, 1, 2, 0, 1] * 12
    calm, wild = (
        risk_register.impacts(struck(counts, noise), "three_phase")["market_shift"]
        for noise in (2e5, 2e6)
    )
    # One draw, fixed: a 95% interval that missed it would be bad luck of one in twenty.
    assert calm.low < LOSS < calm.high
    assert wild.high - wild.low == pytest.approx(10 * (calm.high - calm.low))
    assert calm.low + calm.high == pytest.approx(2 * calm.mean)


def test_futures_without_events_teach_nothing(struck: Callable) -> None:
    few, many = (
        risk_register.impacts(struck([1, 2, 1, 1, 2, 1] + [0] * n, 3e5), "three_phase")
        for n in (2, 40)
    )
    assert few["market_shift"].mean == pytest.approx(many["market_shift"].mean)
    assert few["market_shift"].low == pytest.approx(many["market_shift"].low)


@pytest.mark.parametrize(("n_hit", "told"), [(0, False), (4, False), (5, True), (20, True)])
def test_a_cost_needs_enough_futures_hit(struck: Callable, n_hit: int, told: bool) -> None:
    found = risk_register.impacts(struck([1] * n_hit + [0] * (20 - n_hit)), "three_phase")
    assert ("market_shift" in found) == told


def many_futures(seed: int, n: int = 120) -> tuple[np.ndarray, np.ndarray]:
    """Return counts of three risks, and costs of which each event's size is drawn anew."""
    rng = np.random.default_rng(seed)
    counts = rng.poisson((0.8, 0.3, 0.15), (n, 3)).astype(float)
    cost = sum(
        each * counts[:, k] + spread * np.sqrt(counts[:, k]) * rng.normal(size=n)
        for k, (each, spread) in enumerate(zip(COSTS, (1.0, 3.0, 0.2), strict=True))
    )
    kept = counts.any(axis=1)
    return counts[kept], cost[kept]


COSTS = (-2.0, -5.0, -1.0)


def test_costs_of_several_risks_are_found_exactly_without_noise() -> None:
    counts, _ = many_futures(1)
    slopes, errors = risk_register.through_origin(counts, counts @ np.array(COSTS))
    np.testing.assert_allclose(slopes, COSTS)
    np.testing.assert_allclose(errors, 0.0, atol=1e-12)


def test_costs_are_found_within_their_standard_error() -> None:
    fits = [risk_register.through_origin(*many_futures(seed)) for seed in range(400)]
    slopes, errors = (np.array(part) for part in zip(*fits, strict=True))
    own_error = slopes.std(axis=0, ddof=1) / 20
    assert (np.abs(slopes.mean(axis=0) - COSTS) < 4 * own_error).all()
    # What the errors say is what the estimates do; their own spread is known to 1/sqrt(2 n) = 4%,
    # and HC1 is a little short in finite samples.
    np.testing.assert_allclose(errors.mean(axis=0), slopes.std(axis=0, ddof=1), rtol=0.16)


def test_risks_that_always_strike_together_cannot_be_told_apart() -> None:
    counts = np.array([[1.0, 1, 0], [2, 2, 1], [1, 1, 2], [0, 0, 1]])
    slopes, errors = risk_register.through_origin(counts, counts @ np.array(COSTS))
    assert np.isnan(slopes[:2]).all()
    assert np.isnan(errors[:2]).all()
    assert slopes[2] == pytest.approx(COSTS[2])


def test_a_rarer_risk_does_not_load_its_cost_onto_another(struck: Callable) -> None:
    run = struck([1, 1, 2, 1, 1, 1, 0, 0])
    breach = pd.DataFrame(
        {"plan": "three_phase", "replication": [0], "quarter": 2, "risk": "data_breach"}
    )
    spared = run.without_risks.copy()
    hit = (spared["replication"] == 0) & (spared["quarter"] == 1)
    spared.loc[hit & (spared["plan"] == "three_phase"), "net"] += 50e6
    run = replace(run, events=pd.concat([run.events, breach]), without_risks=spared)
    found = risk_register.impacts(run, "three_phase")
    assert list(found) == ["market_shift"]
    assert found["market_shift"].mean == pytest.approx(LOSS)


def test_the_lead_tells_what_all_events_cost(struck: Callable) -> None:
    run = struck([0, 1, 2, 0, 1] * 4)
    assert risk_register.harm_of_all(run, "three_phase") == pytest.approx((0.8 * LOSS, 2 * LOSS))
    text = risk_register.lead(Words(), run)
    assert "all events together cost CNY\xa00.8\xa0million on average" in text
    assert "In 1 of 10 futures they cost CNY\xa02.0\xa0million or more." in text
    assert text.endswith("Under “Today's plan” they cost nothing on average.")


def test_a_run_without_the_spared_lives_tells_no_costs(run_folder: Writer) -> None:
    folder = run_folder(replications=16)
    (folder / "without_risks.parquet").unlink()
    run = read_folder(folder)
    table = risk_register.risk_table(Words(), run)
    assert table is not None
    assert table.totals == []
    assert risk_register.lead(Words(), run) == ""
    page = write_page(folder).read_text(encoding="utf-8")
    assert ENGLISH["column.product"] not in page
    assert ENGLISH["column.events"] in page


def test_an_event_that_outlasts_the_run_lasts_to_the_end(run_folder: Writer) -> None:
    def change(_: dict, about: dict) -> None:
        about["configuration"]["risks"]["register"][0] |= {"duration": 40}

    table = risk_register.risk_table(
        Words(), read_folder(run_folder(replications=4, change=change))
    )
    assert table is not None
    assert {row.duration for row in table.rows} == {"to the end", "1", "2"}


def test_a_cost_that_is_not_known_is_not_invented(struck: Callable) -> None:
    run = struck([1] * 3 + [0] * 17)
    table = risk_register.risk_table(Words(), run)
    assert table is not None
    row = next(row for row in table.rows if row.title.startswith("Demand"))
    assert row.cells[0].struck == "15%"
    assert row.cells[0].interval == "too few events"
    assert row.cells[0].product == "–"
    assert risk_register.risk_map(Words(), run, table.unit) is None


def test_the_table_multiplies_probability_and_impact(struck: Callable) -> None:
    table = risk_register.risk_table(Words(), struck([0, 1, 2, 0, 1] * 4))
    assert table is not None
    first = table.rows[0]
    assert (first.title[:6], first.probability, first.duration) == ("Demand", "30%", "2")
    cell = first.cells[0]
    assert (cell.struck, cell.events, cell.impact) == ("60%", "0.80", "−1.00")
    assert cell.product == "−0.80"


def test_the_costliest_risk_comes_first_and_unknown_ones_last(run_folder: Writer) -> None:
    run = read_folder(run_folder(replications=200))
    table = risk_register.risk_table(Words(), run)
    assert table is not None
    products = [row.cells[0].product for row in table.rows]
    known = [float(text.replace("−", "-")) for text in products if text != "–"]
    assert known == sorted(known)
    assert products[len(known) :] == ["–"] * (len(products) - len(known))


def test_every_risk_of_the_register_has_a_row(run_folder: Writer) -> None:
    run = read_folder(run_folder(replications=8))
    table = risk_register.risk_table(Words(), run)
    assert table is not None
    assert {row.title for row in table.rows} == {risk["title"] for risk in run.risks}
    uncertain = next(row for row in table.rows if row.title.startswith("Systems"))
    assert uncertain.probability == "10% to 30%"
    assert uncertain.note == "less with Technology team"


def test_a_lever_that_guards_shows(run_folder: Writer) -> None:
    run = read_folder(run_folder(replications=200))
    shares = [
        risk_register.struck_share(run, plan, "data_breach") for plan in ("today", "three_phase")
    ]
    assert shares[1] < shares[0]


def test_no_event_at_all_is_a_table_of_zeros(struck: Callable) -> None:
    table = risk_register.risk_table(Words(), struck([0] * 8))
    assert table is not None
    assert {row.cells[0].struck for row in table.rows} == {"0%"}


def test_old_folders_and_empty_registers_have_no_table(run_folder: Writer) -> None:
    old = read_folder(run_folder(replications=4, whole=False))
    assert risk_register.risk_table(Words(), old) is None

    def change(_: dict, about: dict) -> None:
        about["configuration"]["risks"]["register"] = []

    run = read_folder(run_folder(replications=4, change=change))
    assert risk_register.risk_table(Words(), run) is None
