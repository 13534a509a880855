"""The half of `docs/validation.md` on real purchases: the shipped data, calibrated and predicted.

`data.md` holds the text, with a name where each table goes; `aims.yaml` what should be reached.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from string import Template
from typing import Any

import numpy as np
import yaml
from page import save, show, table, text
from recovery import kept

from sim.calibration.choice import (
    DRAWS,
    Chooser,
    Estimated,
    Form,
    Occasions,
    estimate_choice,
    see_occasions,
)
from sim.calibration.fit import Fit
from sim.calibration.observed import Panel
from sim.calibration.panel import BEHIND, REPEAT_BIAS, SCR_RATIO, fit_panel, split_attributes
from sim.calibration.prediction import close_loop, score
from sim.calibration.reading import read_log, read_panel
from sim.calibration.transactions import fit_transactions
from sim.report import calibration_figures as figures
from sim.report.calibration import OURS, lines_of, model_name
from sim.report.calibration_words import parameter_name, with_error
from sim.report.numbers import percent, plain

Document = Mapping[str, Any]
PANELS = {
    "yogurt": "panels_gpl/yogurt",
    "catsup": "panels_gpl/catsup",
    "margarine": "panels_gpl/margarine",
    "cj_bathtissue": "complete_journey/bathtissue",
    "cj_yogurt": "complete_journey/yogurt",
}
LOGS = {"CDNOW": ("cdnow/cdnow_sample", "272"), "trips": ("complete_journey/trips", "181")}
"""Name to file and last day of estimation."""
CHOICE_MODELS = ("shares", "household_dirichlet", "logit_gl", "random_gl")
ORDER_MODELS = ("NBD", "BG/NBD", "Pareto/NBD")
ESTIMATES = ("habit", "habit_sd_ln", "alpha", "habit_settled", "price", "price_sd_ln", "taste_sd",
             "feat", "disp")  # fmt: skip
MOVED = "catsup"
"""The panel whose closed loop is looked into."""
MARKS = {True: "✓", False: "**✗**"}


def data_half() -> list[str]:
    """Calibrate on all shipped data; write the pictures and return the lines of the page."""
    panels, logs = calibrate_panels(), calibrate_logs()
    cdnow, trips = logs["CDNOW"], logs["trips"]
    recovered = kept()
    aims = judge(panels, cdnow, trips, recovered)
    moved = read_panel(PANELS[MOVED])
    parts = {
        "aims": table(["", "aim", "reached", "worst", " "], [aim.row() for aim in aims]),
        "failed": failures(aims),
        "one_step": one_step(panels),
        "logit": reproduction(panels),
        "price_form": price_form(panels),
        "closed_loop": closed_loop(panels),
        "moved_shares": moved_shares(moved, panels[MOVED]),
        "moved_loops": moved_loops(moved),
        "panel_pictures": draw_panels(panels),
        "estimates": estimates(panels),
        "cdnow": order_models(cdnow),
        "cdnow_active": active(cdnow),
        "cdnow_pictures": draw_cdnow(cdnow),
        "trips": order_models(trips),
        "penetration": penetration(trips),
        "trips_pictures": draw_trips(trips),
        "order_estimates": order_estimates(logs),
        "forms": forms(logs),
        "recovery": recovery(recovered),
        "households": [plain(recovered["panel"]["units"])],
        "customers": [plain(recovered["transactions"]["units"])],
        "left_out": left_out({**panels, **logs}),
    }
    filled = {name: "\n".join(lines) for name, lines in parts.items()}
    return Template(text("data")).substitute(filled).splitlines()


# --- calibration --------------------------------------------------------------------------------


def calibrate_panels() -> dict[str, Document]:
    """Return what is found on each panel."""
    return {name: told(name, fit_panel(read_panel(file))) for name, file in PANELS.items()}


def calibrate_logs() -> dict[str, Document]:
    """Return what is found on each order log."""
    return {
        name: told(name, fit_transactions(read_log(file, holdout=day)))
        for name, (file, day) in LOGS.items()
    }


def told(name: str, fit: Fit) -> Document:
    """Return a fit as a program reads it, and say that it is there."""
    print(f"calibrated: {name}", file=sys.stderr)
    document: Document = json.loads(json.dumps(fit.document(), default=np.ndarray.tolist))
    return document


def estimate(data: Occasions, panel: Panel, *, lived: bool, random: bool = True) -> Estimated:
    """Estimate a choice model as `fit_panel` does."""
    form = Form(len(panel.brands), len(panel.attributes), int(np.argmax(data.shares)),
                random, lived)  # fmt: skip
    return estimate_choice(data, form)


# --- aims ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Aim:
    """A figure that should be reached, on one set of data or several."""

    title: str
    bound: float
    found: Mapping[str, float]
    """Set of data to figure."""
    tell: Callable[[float], str]
    """How a figure is written."""
    at_least: bool = False
    enough: int | None = None
    """Sets of data that must reach it; None for all."""
    why: str = ""
    """Key of `aims.yaml` under which reasons for a failure stand."""

    def holds(self, value: float) -> bool:
        """Return whether a figure reaches the aim."""
        return value >= self.bound if self.at_least else value <= self.bound

    @property
    def missed(self) -> list[str]:
        """Sets of data that do not reach it."""
        return [name for name, value in self.found.items() if not self.holds(value)]

    def row(self) -> list[str]:
        """Return the row of the table."""
        n, reached = len(self.found), len(self.found) - len(self.missed)
        worst = (min if self.at_least else max)(self.found, key=self.found.__getitem__)
        told = self.tell(self.found[worst])
        need = f", on {self.enough} of {n}" if self.enough else ""
        return [
            self.title,
            f"{'at least' if self.at_least else 'at most'} {self.tell(self.bound)}{need}",
            f"{reached} of {n}" if n > 1 else "",
            f"{worst}: {told}" if n > 1 else told,
            MARKS[reached >= (self.enough or n)],
        ]


def judge(
    panels: Mapping[str, Document],
    cdnow: Document,
    trips: Document,
    recovered: Mapping[str, Mapping[str, Any]],
) -> list[Aim]:
    """Set what was found beside what it should be."""
    aims = yaml.safe_load((Path(__file__).parent / "aims.yaml").read_text(encoding="utf-8"))

    def over_panels(value: Callable[[Document, Mapping[str, float]], float]) -> dict[str, float]:
        return {name: value(d, aims["panels"][name]) for name, d in panels.items()}

    def logit(document: Document) -> Document:
        found: Document = document["models"]["logit_gl"]
        return found

    held, orders = cdnow["holdout"], aims["orders"]
    gaps = zip(held["active_by_quarter"], held["active_by_quarter_actual"], strict=True)
    seen = trips["holdout"]["penetration"]
    by = {"NBD": "nbd", OURS: "fidelio"}
    return [
        Aim("One step ahead, behind what the random-coefficient logit should reach", BEHIND,
            over_panels(lambda d, aim: aim["random_gl"] - d["test_ll"]), thousandths),
        Aim("One step ahead, behind the best of the field's models as estimated here", BEHIND,
            over_panels(lambda d, _: best_of_field(d) - d["test_ll"]), thousandths, why="field"),
        Aim("Logit with loyalty: training log-likelihood off", aims["gl_train"],
            over_panels(lambda d, aim: abs(logit(d)["train_ll"] - aim["gl_train"])), fine),
        Aim("Logit with loyalty: smoothing off", aims["gl_smoothing"],
            over_panels(lambda d, aim: abs(smoothing(d)["estimate"] - aim["gl_smoothing"])),
            thousandths),
        Aim("Closed loop: repeat rate off", REPEAT_BIAS,
            over_panels(lambda d, _: abs(d["closed_loop"]["repeat_bias"])), thousandths,
            enough=aims["repeat_panels"]),
        Aim("Closed loop: error of shares of requirements, as a ratio to chance", SCR_RATIO,
            over_panels(lambda d, _: scr_ratio(d["closed_loop"])), hundredths, why="requirements"),
        Aim("CDNOW: repeat orders kept back, off", orders["predicted"],
            {OURS: abs(held["predicted"] / held["actual"] - 1)}, percent),
        Aim("CDNOW: weekly error of the cumulative count", orders["cumulative_mape"],
            {OURS: held["cumulative_mape"]}, lambda v: percent(v, 2)),
        Aim("CDNOW: error per customer", orders["rmse"], {OURS: held["rmse"]}, thousandths),
        Aim("CDNOW: correlation over customers", orders["r"], {OURS: held["r"]}, thousandths,
            at_least=True),
        Aim("CDNOW: share active in a quarter, off", orders["active"],
            {OURS: max(abs(a - b) for a, b in gaps)}, points),
        Aim("Store visits: penetration in 4 to 52 weeks, off", aims["penetration"],
            {name: max(abs(a - b) for a, b in zip(seen["observed"], seen[key], strict=True))
             for name, key in by.items()}, points),
        Aim("Known parameters within two standard errors", aims["recovered"],
            {kind: share_within(errors_of(found["markets"])) for kind, found in recovered.items()},
            percent, at_least=True, why="recovered"),
    ]  # fmt: skip


def best_of_field(document: Document) -> float:
    """Return the test log-likelihood of the best of the field's models."""
    return float(max(document["models"][name]["test_ll"] for name in CHOICE_MODELS))


def smoothing(document: Document) -> Mapping[str, float]:
    """Return the smoothing of the logit with loyalty, and its error."""
    found: Mapping[str, float] = document["models"]["logit_gl"]["parameters"]["alpha"]
    return found


def scr_ratio(loop: Mapping[str, Any]) -> float:
    """Return the error of shares of requirements as a ratio to what chance alone makes of it."""
    return float(loop["scr_mae"] / loop["scr_noise"])


def failures(aims: Sequence[Aim]) -> list[str]:
    """Return a line for each aim and set of data that misses it."""
    reasons = yaml.safe_load((Path(__file__).parent / "aims.yaml").read_text(encoding="utf-8"))
    lines = []
    for aim in aims:
        for name in aim.missed:
            why = reasons["why"].get(aim.why, {}).get(name)
            lines.append(
                f"- `{name}`. {aim.title}: {aim.tell(aim.found[name])}, where "
                f"{aim.tell(aim.bound)} was aimed at"
                + (f". Why: {why}." if why else ". Why is not known.")
            )
    return lines or ["- Nothing: every aim was reached on every set of data."]


# --- panels -------------------------------------------------------------------------------------


def one_step(panels: Mapping[str, Document]) -> list[str]:
    """Return the table of test log-likelihoods; the best of a row is bold."""
    rows = []
    for name, document in panels.items():
        found = [document["models"][model]["test_ll"] for model in CHOICE_MODELS]
        found.append(document["test_ll"])
        best = max(round(value, 3) for value in found)
        rows.append([
            name, plain(document["n_units"]), plain(document["n_train"]),
            plain(document["n_test"]),
            *(f"**{thousandths(v)}**" if round(v, 3) == best else thousandths(v) for v in found),
            thousandths(document["closed_loop"]["test_ll_noise"]),
        ])  # fmt: skip
    head = ["", "households", "choices before", "kept back", *map(model_name, CHOICE_MODELS), OURS,
            "s.e."]  # fmt: skip
    return table(head, rows, numbers=head)


def reproduction(panels: Mapping[str, Document]) -> list[str]:
    """Return the table of fit before the test, of the models with loyalty."""
    rows = []
    for name, document in panels.items():
        models, alpha = document["models"], smoothing(document)
        rows.append([
            name, fine(models["logit_gl"]["train_ll"]),
            with_error(alpha["estimate"], alpha["se"]),
            fine(models["random_gl"]["train_ll"]), fine(document["train_ll"]),
        ])  # fmt: skip
    head = ["", model_name("logit_gl"), "its smoothing", model_name("random_gl"), OURS]
    return table(head, rows, numbers=head)


def price_form(panels: Mapping[str, Document]) -> list[str]:
    """Return the table of test log-likelihoods by what is felt of a price, and by form."""
    rows = []
    for name, document in panels.items():
        panel = split_attributes(read_panel(PANELS[name]))[0]
        other = {
            lived: score(data, estimate(data, panel, lived=lived).chooser.predict())["test_ll"]
            for lived in (False, True)
            for data in [see_occasions(panel, ln_price=not lived)]
        }
        found = [
            document["models"]["random_gl"]["test_ll"], other[False],
            other[True], document["test_ll"],
        ]  # fmt: skip
        rows.append([name, *map(thousandths, found)])
    head = ["", "the field's form, price", "the field's form, ln(price)",
            "the market's form, price", "the market's form, ln(price)"]  # fmt: skip
    return table(head, rows, numbers=head)


def closed_loop(panels: Mapping[str, Document]) -> list[str]:
    """Return the table of what simulated households do."""
    rows = []
    for name, document in panels.items():
        loop = document["closed_loop"]
        rows.append([
            name, thousandths(loop["repeat_real"]), thousandths(loop["repeat_simulated"]),
            plain(loop["repeat_bias"], 3, signed=True), thousandths(loop["repeat_noise"]),
            thousandths(loop["scr_mae"]), thousandths(loop["scr_noise"]),
            f"{hundredths(scr_ratio(loop))} {MARKS[scr_ratio(loop) <= SCR_RATIO]}",
        ])  # fmt: skip
    head = ["", "repeat rate, real", "simulated", "off", "chance alone",
            "shares of requirements, error", "chance alone ", "ratio"]  # fmt: skip
    return table(head, rows, numbers=head)


def moved_shares(panel: Panel, document: Document) -> list[str]:
    """Return the table of brands' shares before and after, real and simulated."""
    before = np.bincount(panel.chosen[panel.train], minlength=len(panel.brands))
    loop = document["closed_loop"]
    columns = {
        "share before": before / before.sum(),
        "share kept back": loop["share_real"],
        "simulated": loop["share_simulated"],
        "share of requirements kept back": loop["scr_real"],
        "simulated ": loop["scr_simulated"],
    }
    for number, name in enumerate(panel.attributes):
        for part, rows_of in (("before", panel.train), ("kept back", ~panel.train)):
            title = f"{parameter_name('panel', name).lower()} {part}"
            columns[title] = panel.x[rows_of, :, number].mean(axis=0)
    rows = [
        [brand, *(percent(column[i]) for column in columns.values())]
        for i, brand in enumerate(panel.brands)
    ]
    return table(["", *columns], rows, numbers=columns)


def moved_loops(panel: Panel) -> list[str]:
    """Return the table of closed loops by model, and by what it was estimated on."""
    rows = []
    for name, lived, random in (
        (model_name("logit_gl"), False, False),
        (model_name("random_gl"), False, True),
        (OURS, True, True),
    ):
        data = see_occasions(panel, ln_price=lived)
        found = estimate(data, panel, lived=lived, random=random)
        everything = replace(data, first_test=data.first[1:])
        at = estimate(everything, panel, lived=lived, random=random).chooser.natural
        knowing = Chooser(data, at, lived, random, DRAWS[-1])
        loops = [close_loop([(1.0, chooser)]) for chooser in (found.chooser, knowing)]
        rows.append([name, *(hundredths(scr_ratio(loop)) for loop in loops if loop)])
    head = ["error of shares of requirements over chance", "estimated on the first part",
            "estimated on all choices"]  # fmt: skip
    return table(head, rows, numbers=head)


def estimates(panels: Mapping[str, Document]) -> list[str]:
    """Return the table of the market's estimates with their standard errors."""
    rows = []
    for key in ESTIMATES:
        found = [document["parameters"].get(key) for document in panels.values()]
        rows.append([parameter_name("panel", key), *map(cell, found)])
    alike = [document["models"]["logit_gl"]["parameters"]["habit"] for document in panels.values()]
    rows.insert(1, ["Habit, if all had the same tastes (logit with loyalty)", *map(cell, alike)])
    return table(["", *panels], rows, numbers=panels)


def cell(found: Mapping[str, float] | None) -> str:
    """Return an estimate with its error, or nothing."""
    return with_error(found["estimate"], found["se"]) if found else ""


def draw_panels(panels: Mapping[str, Document]) -> list[str]:
    """Draw each panel's reliability and shares of requirements; return the lines that show them."""
    rows = []
    for name, document in panels.items():
        bins, loop = document["series"]["predictions"], document["closed_loop"]
        save(figures.reliability(bins["predicted"], bins["observed"], bins["n"]),
             f"data_{name}_reliability")  # fmt: skip
        brands = document["series"]["brands"]["brand"]
        bars = figures.pair_bars(brands, loop["scr_real"], loop["scr_simulated"],
                                 loop["scr_noise"])  # fmt: skip
        save(bars, f"data_{name}_requirements")
        told = (f"{name}: does what is given a chance come true that often?",
                f"{name}: share of requirements, real (grey) and simulated (blue)")  # fmt: skip
        rows.append([show(f"data_{name}_reliability", told[0]),
                     show(f"data_{name}_requirements", told[1])])  # fmt: skip
        rows.append(list(told))
    return side_by_side(rows)


# --- orders -------------------------------------------------------------------------------------


def order_models(document: Document) -> list[str]:
    """Return the table of models of an order log beside what happened and beside chance."""
    held = document["holdout"]
    noise = held["noise"]
    models = {name: document["models"][name] for name in ORDER_MODELS if name in document["models"]}
    lines = {name: {**model["holdout"], **model} for name, model in models.items()}
    lines[OURS] = {**held, "train_ll": document["train_ll"], "test_ll": document["test_ll"]}
    rows = [["what happened", plain(held["actual"]), "", "", "", "", ""]]
    rows += [
        [name, plain(line["predicted"]), percent(line["cumulative_mape"], 2),
         thousandths(line["rmse"]), thousandths(line["r"]), thousandths(line["train_ll"]),
         thousandths(line["test_ll"])]
        for name, line in lines.items()
    ]  # fmt: skip
    rows.append([
        "chance alone", f"± {plain(noise['actual'])}", percent(noise["cumulative_mape"], 2),
        f"± {thousandths(noise['rmse'])}", f"± {thousandths(noise['r'])}", "", "",
    ])  # fmt: skip
    head = ["", "repeat orders kept back", "weekly error", "error per customer", "r",
            "log-likelihood per customer, before", "and kept back"]  # fmt: skip
    return table(head, rows, numbers=head)


def active(document: Document) -> list[str]:
    """Return the table of who orders in each quarter."""
    held = document["holdout"]
    lines = {"real": held["active_by_quarter_actual"]}
    lines |= {
        name: document["models"][name]["holdout"]["active_by_quarter"]
        for name in ORDER_MODELS
        if name in document["models"]
    }
    lines |= {OURS: held["active_by_quarter"], "chance alone": held["noise"]["active_by_quarter"]}
    rows = [
        [name, *(("± " if name == "chance alone" else "") + percent(v) for v in values)]
        for name, values in lines.items()
    ]
    return table(["", *held["quarters"]], rows, numbers=held["quarters"])


def penetration(document: Document) -> list[str]:
    """Return the table of how many visit within some weeks."""
    seen = document["holdout"]["penetration"]
    columns = {
        "weeks": [plain(weeks) for weeks in seen["weeks"]],
        "observed": list(map(percent, seen["observed"])),
        "NBD": list(map(percent, seen["nbd"])),
        OURS: list(map(percent, seen["fidelio"])),
        "observed, mean of all such stretches": list(map(percent, seen["observed_mean"])),
    }
    rows = [list(row) for row in zip(*columns.values(), strict=True)]
    return table(list(columns), rows, numbers=columns)


def order_estimates(logs: Mapping[str, Document]) -> list[str]:
    """Return the table of what is estimated from order logs."""
    keys = dict.fromkeys(key for document in logs.values() for key in document["parameters"])
    rows = []
    for key in keys:
        found = [document["parameters"].get(key) for document in logs.values()]
        rows.append([parameter_name("transactions", key), *map(cell, found)])
    return table(["", *logs], rows, numbers=logs)


def forms(logs: Mapping[str, Document]) -> list[str]:
    """Return the table of the forms that were tried on each log."""
    rows = []
    for name, document in logs.items():
        tried = document["models"]["fidelio"]["tried"]
        least = min(form["aic"] for form in tried.values())
        rows += [
            [name, form, plain(found["parameters"]), plain(found["log_likelihood"], 1),
             plain(found["aic"] - least, 1)]
            for form, found in tried.items()
        ]  # fmt: skip
    head = ["", "form", "parameters", "log-likelihood", "criterion above the best"]
    return table(head, rows, numbers=head[2:])


def draw_cdnow(document: Document) -> list[str]:
    """Draw how CDNOW is followed, and how its customers differ."""
    series, split = document["series"], document["holdout"]["split_week"]
    followed = series["tracking"]
    save(figures.tracking(followed["week"], lines_of(followed), "week", split),
         "data_cdnow_tracking")  # fmt: skip
    repeats = series["repeats"]
    labels = [plain(n) for n in repeats["repeats"]]
    labels[-1] += "+"
    save(figures.columns(labels, lines_of(repeats), "repeat orders"), "data_cdnow_repeats")
    by = series["by_frequency"]
    save(figures.curves(by["repeats"], lines_of(by), "repeat orders before", "orders"),
         "data_cdnow_expectation")  # fmt: skip
    quarters = {name: values[1:] for name, values in lines_of(series["active"]).items()}
    names = [name.removeprefix("year ") for name in series["active"]["quarter"][1:]]
    save(figures.columns(names, quarters, "year and quarter", shares=True), "data_cdnow_active")
    return [
        show("data_cdnow_tracking", "CDNOW: repeat orders so far, real and expected"), "",
        *side_by_side([
            [show("data_cdnow_repeats", "CDNOW: customers by number of repeat orders"),
             show("data_cdnow_expectation", "CDNOW: orders to come by orders so far")],
            ["How many customers repeat how often, in the time for estimation",
             "Mean orders in the time kept back, by repeat orders before (7: 7 or more)"],
            [show("data_cdnow_active", "CDNOW: share of customers who order, by quarter"), ""],
            ["Share of customers who order, by quarter after the first", ""],
        ]),
    ]  # fmt: skip


def draw_trips(document: Document) -> list[str]:
    """Draw how the store visits are followed, and how many visit within some weeks."""
    followed, held = document["series"]["tracking"], document["holdout"]
    save(figures.tracking(followed["week"], lines_of(followed), "week", held["split_week"]),
         "data_trips_tracking")  # fmt: skip
    seen = held["penetration"]
    lines = {"real": seen["observed"], OURS: seen["fidelio"], "NBD": seen["nbd"]}
    labels = [plain(weeks) for weeks in seen["weeks"]]
    save(figures.columns(labels, lines, "weeks", shares=True), "data_trips_penetration")
    return [
        show("data_trips_tracking", "Store visits so far, real and expected"), "",
        show("data_trips_penetration", "Share of households that visit within some weeks"),
    ]  # fmt: skip


# --- recovery -----------------------------------------------------------------------------------


def errors_of(markets: Iterable[Mapping[str, float]]) -> list[float]:
    """Return all errors, in standard errors."""
    return [z for market in markets for z in market.values()]


def share_within(errors: Sequence[float]) -> float:
    """Return the share within two standard errors."""
    return float(np.mean(np.abs(errors) <= 2.0))


def recovery(recovered: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return the table of how often each kind of parameter is found again."""
    rows = []
    for kind, found in recovered.items():
        markets = found["markets"]
        by: dict[str, list[float]] = {}
        for market in markets:
            for name, z in market.items():
                by.setdefault(name if kind == "transactions" else name.split(".")[0], []).append(z)
        for name, errors in by.items():
            rows.append([kind, parameter_name(kind, name), *recovery_cells(errors)])
        rows.append(
            [kind, f"**all, in {len(markets)} markets**", *recovery_cells(errors_of(markets))]
        )
    head = ["", "parameter", "estimates", "within two standard errors", "mean error", "spread"]
    return table(head, rows, numbers=head[2:])


def recovery_cells(errors: Sequence[float]) -> list[str]:
    """Return count, share within two standard errors, mean and spread of errors."""
    return [
        plain(len(errors)),
        percent(share_within(errors)),
        f"{plain(float(np.mean(errors)), 2, signed=True)} ± {plain(len(errors) ** -0.5, 2)}",
        plain(float(np.std(errors)), 2),
    ]


# --- small things -------------------------------------------------------------------------------


def left_out(documents: Mapping[str, Document]) -> list[str]:
    """Return the table of rows that were not used."""
    rows = [
        [name, reason, plain(n)]
        for name, document in documents.items()
        for reason, n in document["left_out"].items()
    ]
    return table(["", "reason", "rows"], rows, numbers=["rows"])


def side_by_side(rows: list[list[str]]) -> list[str]:
    """Return pictures and what stands below them as a table of two columns."""
    return table(["  ", "  "], rows)


def hundredths(value: float) -> str:
    """Return a number with two decimals."""
    return plain(value, 2)


def thousandths(value: float) -> str:
    """Return a number with three decimals."""
    return plain(value, 3)


def fine(value: float) -> str:
    """Return a number with four decimals."""
    return plain(value, 4)


def points(value: float) -> str:
    """Return a difference of shares in points."""
    return f"{plain(100 * value, 1)} points"
