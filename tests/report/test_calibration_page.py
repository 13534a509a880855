"""The page of a calibration says what the fit found, of every kind of data, and hides nothing."""

from __future__ import annotations

import json
import re
from copy import deepcopy
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sim.calibration.fit import Estimate, Fit
from sim.errors import StoreError
from sim.report.calibration import render_calibration, write_calibration_page
from sim.report.calibration_words import number_text, sentence, with_error

BRANDS = ["yoplait", "dannon", "<hiland>"]
BOND = "Purchases alone cannot separate bond from habit: the weight of the bond is assumed."


def panel_fit(**changes: Any) -> Fit:
    scr, shares = [0.66, 0.73, 0.31], [0.37, 0.40, 0.23]
    values: dict[str, Any] = {
        "kind": "panel",
        "source": "data/panels_gpl/yogurt.csv",
        "n_units": 100,
        "n_train": 1638,
        "n_test": 774,
        "train_ll": -0.42,
        "test_ll": -0.464,
        "parameters": {
            "appeal.dannon": Estimate(-0.69315, 0.247),
            "feat": Estimate(0.689, 0.289),
            "habit": Estimate(2.1972, 0.222),
            "alpha": Estimate(0.333, 0.075),
            "price_median": Estimate(4.0, None),
        },
        "market": {"weights.habit": {"normal": [2.1972, 0.222]}},
        "provenance": {"weights.habit": "calibrated: yogurt"},
        "models": {
            "shares": {"train_ll": -1.18, "test_ll": -1.166},
            "logit_gl": {"train_ll": -0.4402, "test_ll": -0.493},
            "random_gl": {"train_ll": -0.4175, "test_ll": -0.461},
        },
        "closed_loop": {
            "repeat_bias": 0.019,
            "scr_mae": 0.061,
            "scr_noise": 0.057,
            "repeat_real": 0.832,
            "repeat_simulated": 0.851,
        },
        "notes": [BOND, "no price ever moves"],
        "left_out": {"with a price of zero": 3},
        "series": {
            "brands": {
                "brand": BRANDS,
                "share_real": shares,
                "share_simulated": shares[::-1],
                "scr_real": [*scr[:2], None],
                "scr_simulated": scr,
            },
            "predictions": {"predicted": [0.1, 0.9], "observed": [0.2, 0.8], "n": [50.0, 9.0]},
        },
    }
    return Fit(**{**values, **changes})


def log_fit(**changes: Any) -> Fit:
    lines = {"actual": [0.0, 90.0, 200.0], "fidelio": [0.0, 95.0, 190.0], "BG/NBD": [0, 80, 150]}
    scores = {"actual": 110.0, "cumulative_mape": 0.014, "rmse": 1.605, "r": 0.63}
    values: dict[str, Any] = {
        "kind": "transactions",
        "source": "orders.csv",
        "n_units": 2357,
        "n_train": 4814,
        "n_test": 110,
        "train_ll": -4.05,
        "test_ll": -3.18,
        "parameters": {
            "rate.mean": Estimate(0.63, 0.1),
            "leaving.mean": Estimate(0.27, 0.07),
            "rate.shape": Estimate(0.44, 0.07),
        },
        "market": {},
        "provenance": {},
        "models": {
            "NBD": {"train_ll": -4.1, "test_ll": -3.3, "holdout": {**scores, "predicted": 180.0}},
            "BG/NBD": {
                "train_ll": -4.07,
                "test_ll": -3.2,
                "holdout": {**scores, "predicted": 90.0},
            },
            "gamma-gamma": {"train_ll": -1.0, "parameters": {}},
            "fidelio": {"train_ll": -4.05, "test_ll": -3.18},
        },
        "holdout": {
            **scores,
            "predicted": 104.0,
            "split_week": 2.0,
            "noise": {"actual": 9.0, "rmse": 0.13, "r": 0.03, "cumulative_mape": 0.033},
        },
        "series": {
            "tracking": {"week": [1, 2, 3], **lines},
            "repeats": {"repeats": [0, 1, 2], **lines},
            "by_frequency": {"repeats": [0, 1, 2], "customers": [9, 5, 1], **lines},
            "active": {
                "quarter": ["year 1 Q1", "year 1 Q2", "year 1 Q3"],
                "actual": [1.0, 0.2, 0.1],
                "fidelio": [1.0, 0.2, 0.2],
            },
        },
    }
    return Fit(**{**values, **changes})


def targets_fit(**changes: Any) -> Fit:
    values: dict[str, Any] = {
        "kind": "targets",
        "source": "figures.yaml",
        "n_units": 2,
        "n_train": 208,
        "n_test": 0,
        "train_ll": None,
        "test_ll": None,
        "parameters": {"weights.bond": Estimate(1.1, 0.6)},
        "market": {"weights.bond": 1.2},
        "provenance": {},
        "joint": {"weights.bond": [1.0, 1.2, 1.1]},
        "notes": ["weights.bond is hardly told"],
        "series": {
            "targets": {
                "figure": ["share focal", "nps focal"],
                "measure": ["share", "nps"],
                "brand": ["focal", "focal"],
                "segment": ["all", "regulars"],
                "value": [0.25, 30.0],
                "se": [0.02, 4.0],
                "chance_sd": [0.002, 1.0],
                "best": [0.24, 31.0],
                "misfit": [0.5, 0.2],
                "set_mean": [0.25, 30.0],
                "set_sd": [0.01, 2.0],
                "fresh_mean": [0.26, 29.0],
                "fresh_sd": [0.01, 2.0],
            },
            "parameters": {
                "path": ["weights.bond"],
                "prior_low": [0.25],
                "prior_high": [1.95],
                "best": [1.2],
                "low": [0.8],
                "high": [1.6],
                "spread_left": [0.4],
            },
        },
    }
    return Fit(**{**values, **changes})


def lift_fit(**changes: Any) -> Fit:
    values: dict[str, Any] = {
        "kind": "lift",
        "source": "tests.csv",
        "n_units": 1,
        "n_train": 1,
        "n_test": 0,
        "train_ll": None,
        "test_ll": None,
        "parameters": {
            "factor.prior": Estimate(1.0, 0.5),
            "factor.likelihood": Estimate(0.5, 0.25),
            "factor.posterior": Estimate(0.6, 0.22),
            "lever.events.effects.bond.size": Estimate(0.12, 0.04),
        },
        "market": {},
        "provenance": {},
        "series": {
            "tests": {
                "figure": ["retention"],
                "spend": [20.0],
                "scale": ["relative"],
                "effect": [0.03],
                "se": [0.01],
                "chance_se": [0.001],
                "prior_mean": [0.06],
                "prior_sd": [0.03],
                "posterior_mean": [0.036],
                "posterior_sd": [0.013],
                "surprise": [0.34],
            }
        },
    }
    return Fit(**{**values, **changes})


KINDS = {"panel": panel_fit, "transactions": log_fit, "targets": targets_fit, "lift": lift_fit}


def page_of(fit: Fit) -> str:
    return render_calibration(json.loads(json.dumps(fit.document())))


def words_of(page: str) -> str:
    """Return what a reader reads."""
    body = re.sub(r"<style>.*?</style>", " ", page[page.index("<body>") :], flags=re.DOTALL)
    text = unescape(re.sub(r"<[^>]+>", " ", body))
    return re.sub(r"\s+", " ", text.replace("\N{NARROW NO-BREAK SPACE}", ","))


def rows_of(page: str, title: str) -> dict[str, list[str]]:
    """Return the table of a section: name of a row to its cells as HTML."""
    section = page[page.index(f"<h2>{title}</h2>") :]
    body = section[section.index("<tbody>") : section.index("</tbody>")]
    rows = re.findall(r"<tr><th[^>]*>(.*?)</th>(.*?)</tr>", body, flags=re.DOTALL)
    return {
        re.sub(r"<small>.*|<[^>]+>", "", name): re.findall(r"<td[^>]*>.*?</td>", cells)
        for name, cells in rows
    }


@pytest.mark.parametrize("kind", KINDS)
def test_a_page_loads_nothing_and_its_pictures_do_not_share_ids(kind):
    page = page_of(KINDS[kind]())
    assert not re.search(r"""(src|href)=["'](?!#)""", page)
    assert "<script" not in page
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    assert "nan" not in words_of(page).lower().split()


@pytest.mark.parametrize("kind", KINDS)
def test_the_page_can_be_made_again_from_the_file_for_programs(kind, tmp_path):
    fit = KINDS[kind]()
    first = write_calibration_page(fit, tmp_path / "page.html")
    told = json.loads(json.dumps(fit.document()))
    again = write_calibration_page(told, tmp_path)
    assert again.name == "calibration.html"
    assert first.read_text("utf-8") == again.read_text("utf-8")


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_missing_is_not_shown(kind):
    bare = {"models": {}, "closed_loop": None, "holdout": None, "series": {}, "parameters": {},
            "test_ll": None, "n_test": 0}  # fmt: skip
    page = page_of(KINDS[kind](**bare))
    assert "<svg" not in page
    assert "<h2>Estimates</h2>" not in page
    assert "cannot separate bond from habit" in words_of(page)


@pytest.mark.parametrize("kind", KINDS)
def test_that_purchases_cannot_tell_bond_from_habit_is_said_once(kind):
    for notes in ([], [BOND]):
        text = words_of(page_of(KINDS[kind](notes=notes)))
        assert text.count("cannot separate bond from habit") == 1


def test_the_headline_of_a_panel_is_the_chance_it_gave_to_what_was_bought():
    text = words_of(page_of(panel_fit()))
    assert "a chance of 62.9%, on average over the 774 purchases kept back" in text
    assert "Random-coefficient logit with loyalty, gives it 63.1%: 0.003 better" in text
    assert "its repeat rate is off by +1.9 points (85.1% against 83.2%)" in text
    assert "chance alone moves the real ones by 5.7 points" in text


def test_the_noise_floor_stands_beside_each_figure_that_has_one():
    loop = {**panel_fit().closed_loop, "repeat_noise": 0.021, "test_ll_noise": 0.031}
    page = page_of(panel_fit(closed_loop=loop))
    assert "chance alone moves the real ones by 2.1 points and 5.7 points" in words_of(page)
    assert "± 0.031" in rows_of(page, "How well it predicts")["Noise floor"][1]


@pytest.mark.parametrize(("test_ll", "tone"), [(-0.464, "good"), (-0.472, "bad"), (-0.44, "good")])
def test_a_market_that_falls_behind_the_best_model_by_more_than_a_hundredth_is_marked(
    test_ll, tone
):
    assert f'class="verdict {tone}"' in page_of(panel_fit(test_ll=test_ll))


def test_the_best_model_of_each_column_is_bold_and_only_it():
    rows = rows_of(page_of(panel_fit()), "How well it predicts")
    assert list(rows) == [
        "Market shares", "Logit with loyalty", "Random-coefficient logit with loyalty",
        "This market",
    ]  # fmt: skip
    assert all('class="main"' in cell for cell in rows["Random-coefficient logit with loyalty"])
    others = [cell for name, cells in rows.items() if "Random" not in name for cell in cells]
    assert not any('class="main"' in cell for cell in others)


def test_expected_orders_are_best_where_they_are_nearest_to_what_came():
    rows = rows_of(page_of(log_fit()), "How well it predicts")
    assert set(rows) == {"NBD", "BG/NBD", "This market", "Noise floor"}, "no model of amounts"
    assert 'class="main"' in rows["This market"][2]
    assert 'class="num"' in rows["BG/NBD"][2]
    assert "± 9" in rows["Noise floor"][2]


def test_a_log_is_told_by_the_orders_that_came_and_their_noise_floor():
    text = words_of(page_of(log_fit()))
    assert "it expects 104 repeat orders; 110 came" in text
    assert "NBD 180, BG/NBD 90" in text
    assert "chance alone would have moved the real figure by about 9" in text
    assert 'class="verdict bad"' in page_of(log_fit(holdout={"actual": 110.0, "predicted": 140.0}))


@pytest.mark.parametrize("make", [panel_fit, log_fit])
def test_without_anything_kept_back_the_page_says_that_nothing_shows_how_well_it_predicts(make):
    models = {name: {"train_ll": m["train_ll"]} for name, m in make().models.items()}
    fit = make(n_test=0, test_ll=None, models=models, holdout=None, closed_loop=None)
    page = page_of(fit)
    assert "nothing shows how well this market predicts" in words_of(page)
    assert all(len(cells) == 1 for cells in rows_of(page, "How well it predicts").values())


def test_a_quarter_in_which_everybody_ordered_is_not_drawn():
    assert "The first quarter is not shown" in words_of(page_of(log_fit()))
    series = deepcopy(log_fit().series)
    series["active"]["actual"][0] = 0.4
    assert "The first quarter is not shown" not in words_of(page_of(log_fit(series=series)))


def test_estimates_are_told_in_plain_words():
    text = words_of(page_of(panel_fit()))
    assert "Appeal of dannon −0.693 0.247 2.0 times less likely than yoplait" in text
    assert "bought every time of late: 9.0 times as likely as when never bought" in text
    assert "10% dearer: the odds of a purchase fall by 32%" in text
    assert "0.63 orders per customer and quarter" in words_of(page_of(log_fit()))


def test_what_was_left_out_is_counted_or_said_to_be_nothing():
    assert "With a price of zero 3" in words_of(page_of(panel_fit()))
    assert "Nothing: every row of the data was used" in words_of(page_of(panel_fit(left_out={})))


def test_a_set_of_markets_is_told_with_its_size_and_what_it_leaves_open():
    text = words_of(page_of(targets_fit()))
    assert "Markets exist that agree with all 2 figures" in text
    assert "Share, focal 0.250 ± 0.020 0.240 0.250 ± 0.010 0.260 ± 0.010" in text
    assert "1 of 1 whose range is a third narrower" in text
    assert "weights.bond is hardly told." in text, "the name of a setting keeps its letters"


def test_no_market_that_fits_is_said_first():
    series = deepcopy(targets_fit().series)
    for name in ("set_mean", "set_sd", "fresh_mean", "fresh_sd"):
        series["targets"][name] = [None, None]
    page = page_of(targets_fit(series=series))
    assert "No market was found that agrees with all 2 figures at once" in words_of(page)
    assert 'class="verdict bad"' in page
    assert "In fresh worlds" not in page


def test_tests_are_told_by_what_is_believed_after_them():
    text = words_of(page_of(lift_fit()))
    assert "believed to do 60% of what its file said, give or take 22%; before it was 50%" in text
    assert "retention as a share of the control's" in text
    same = {"factor.prior": Estimate(1.0, 0.5), "factor.posterior": Estimate(1.0, 0.499)}
    assert "tell hardly anything" in words_of(page_of(lift_fit(parameters=same)))


def test_names_from_the_data_are_text_and_no_html():
    fit = panel_fit(source="<b>.csv", notes=["<i>x</i> of `weights.habit`", BOND])
    page = page_of(fit)
    assert "<b>.csv" not in page
    assert "<hiland>" not in page
    assert "&lt;i&gt;x&lt;/i&gt; of <code>weights.habit</code>" in page


def test_a_model_that_the_page_does_not_know_is_shown_by_its_own_name():
    fit = panel_fit(models={"Latent classes": {"test_ll": -0.4}})
    assert "The best of the field's models, Latent classes" in words_of(page_of(fit))


def test_numbers_of_numpy_are_numbers(tmp_path):
    plain = write_calibration_page(panel_fit(), tmp_path / "plain.html")
    fit = panel_fit(n_train=np.int64(1638), train_ll=np.float64(-0.42))
    assert write_calibration_page(fit, tmp_path / "numpy.html").read_bytes() == plain.read_bytes()


def test_a_page_that_cannot_be_written_is_one_clear_error(tmp_path):
    with pytest.raises(StoreError, match="cannot write"):
        write_calibration_page(panel_fit(), tmp_path / "none" / "page.html")


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        (0.25, 0.02, "0.250 ± 0.020"),
        (1234.5, 88.0, "1\N{NARROW NO-BREAK SPACE}234 ± 88"),
        (-0.00006, 0.00004, "−0.000060 ± 0.000040"),
        (36.02, None, "36.02"),
        (None, 1.0, "–"),
    ],
)
def test_a_number_has_as_many_digits_as_its_error_allows(value, error, text):
    assert with_error(value, error) == text


def test_numbers_and_notes_read_well():
    assert [number_text(v) for v in (0.0, 0.12345, 2.19556, 36.0207, 1881.75)] == [
        "0", "0.123", "2.196", "36.02", "1\N{NARROW NO-BREAK SPACE}882",
    ]  # fmt: skip
    assert sentence("only 9 customers") == "Only 9 customers."
    assert sentence("rate.mean is high!") == "rate.mean is high!"


def test_the_page_ships_with_its_template():
    folder = Path(render_calibration.__code__.co_filename).parent
    assert {"calibration.html.j2", "page.css"} <= {file.name for file in folder.iterdir()}
