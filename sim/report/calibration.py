"""The page of a calibration, made from the document of its fit and from nothing else."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from markupsafe import Markup, escape

from sim.calibration.fit import Fit
from sim.errors import StoreError
from sim.report import calibration_figures as figures
from sim.report.calibration_words import (
    BEHIND,
    CANNOT_TELL,
    MEASURES,
    MODELS,
    meaning,
    number_text,
    parameter_name,
    sentence,
    with_error,
)
from sim.report.frame import Picture, fill
from sim.report.numbers import DASH, known, percent, plain
from sim.report.words import readable

Document = Mapping[str, Any]
OURS: Final = "This market"
KINDS: Final = {
    "panel": "household panel",
    "transactions": "order log",
    "targets": "target figures",
    "lift": "lift tests",
}
HARDLY: Final = 0.02
"""Share of a belief's spread below which tests that narrow it are not worth a headline."""
LEADS: Final = {
    "": "What the data give, and how sure: the truth is within two standard errors about 19 "
    "times of 20, if the model is right.",
    "targets": "Mean and spread over the markets that fit; if none does, the nearest one.",
    "lift": "The common factor on the lever's sizes, and the sizes after the tests.",
}
"""What stands above the estimates."""
NO_RIVALS: Final = ("fidelio", "gamma-gamma")
"""Models that do not predict orders, and the market's own among the others."""
NOISE_OF: Final = {"predicted": "actual"}
NO_LINES: Final = ("customers",)
"""Columns of a series that say how many a mean is of."""


@dataclass(frozen=True)
class Row:
    """A row of a table; `best` holds the places of cells that are marked."""

    name: str
    cells: Sequence[str]
    note: str = ""
    best: frozenset[int] = frozenset()
    strong: bool = False


@dataclass(frozen=True)
class TableView:
    """A table: its columns, of which `words` hold text, and its rows."""

    columns: Sequence[str]
    rows: Sequence[Row]
    words: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Section:
    """A part of the page."""

    title: str
    lead: str = ""
    table: TableView | None = None
    pictures: Sequence[Picture] = ()
    caption: str = ""
    messages: Sequence[Markup] = ()
    wide: bool = False
    """Whether its picture takes the whole width."""


@dataclass(frozen=True)
class Verdict:
    """What the page says first."""

    headline: str
    tone: str = ""
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class Tile:
    """A figure that stands out."""

    label: str
    value: str
    note: str
    tone: str = ""


def write_calibration_page(fit: Fit | Document, path: str | Path) -> Path:
    """Write the page of a calibration: one HTML file that loads nothing else.

    Parameters
    ----------
    fit
        A fit, or what its FILE.fit.json holds: the page is the same.
    path
        Where the page goes; a folder gets `calibration.html`.

    Returns
    -------
    Path
        The page.

    Raises
    ------
    StoreError
        If it cannot be written.
    """
    path = Path(path)
    target = path / "calibration.html" if path.is_dir() else path
    document = fit.document() if isinstance(fit, Fit) else fit
    # As a program would read it: no arrays, no numbers of NumPy's.
    page = render_calibration(json.loads(json.dumps(document, default=_plain_number)))
    try:
        target.write_text(page, encoding="utf-8")
    except OSError as error:
        raise StoreError(f"cannot write {target}: {error}") from error
    return target


def _plain_number(value: Any) -> Any:
    return value.tolist() if hasattr(value, "tolist") else str(value)


def render_calibration(document: Document) -> str:
    """Return the page of a fit's document as HTML."""
    kind = str(document["kind"])
    parts = {
        "panel": (_panel_verdict, _panel_tiles),
        "transactions": (_log_verdict, _log_tiles),
        "targets": (_targets_verdict, _targets_tiles),
        "lift": (_lift_verdict, _lift_tiles),
    }
    verdict, tiles = parts[kind]
    return fill(
        "calibration.html.j2",
        title=f"Calibration from {document['source']}",
        source=document["source"],
        facts=_facts(document),
        verdict=verdict(document),
        tiles=tiles(document),
        sections=list(sections(document)),
    )


def _facts(document: Document) -> list[str]:
    units = {
        "panel": "households",
        "transactions": "customers",
        "targets": "target figures",
        "lift": "tests",
    }
    events = {"panel": "choices", "transactions": "orders", "targets": "simulated markets"}
    kind = str(document["kind"])
    what = events.get(kind, "")
    facts: list[str] = [KINDS[kind], f"{plain(document['n_units'])} {units[kind]}"]
    if document["n_train"] and kind != "lift":
        facts.append(
            f"{plain(document['n_train'])} {what}"
            + (" for estimation" if kind in ("panel", "transactions") else "")
        )
    if document["n_test"]:
        facts.append(f"{plain(document['n_test'])} {what} kept back")
    return facts


def sections(document: Document) -> Iterator[Section]:
    """Yield the parts of the page that the document has something for."""
    makers = (
        _models, _closed_loop, _over_time, _customers, _targets, _free_numbers, _lifts,
        _parameters, _left_out, _notes,
    )  # fmt: skip
    for make in makers:
        section = make(document)
        if section is not None:
            yield section


# --- what the page says first -------------------------------------------------------------------


def chance(ll: float | None) -> str:
    """Return the chance that a log-likelihood per choice gives what happened, geometric mean."""
    return percent(None if ll is None else math.exp(ll))


def best_model(document: Document, key: str, *, least: bool = False) -> tuple[str, float] | None:
    """Return the field's model that is best in a figure, and that figure."""
    found = {
        name: value
        for name, model in document["models"].items()
        if name not in NO_RIVALS and (value := known(_figures_of(model).get(key))) is not None
    }
    if not found:
        return None
    name = min(found, key=found.__getitem__) if least else max(found, key=found.__getitem__)
    return name, found[name]


def model_name(name: str) -> str:
    """Return what a model is called in text."""
    return model_words(name)[0]


def model_words(name: str) -> tuple[str, str]:
    """Return what a model is called, and what it is; a name that is not known says itself."""
    plain_name = name.lower().replace("/", "_").replace("-", "_").replace(" ", "_")
    return MODELS.get(plain_name, (name if name != plain_name else readable(name), ""))


def _panel_verdict(document: Document) -> Verdict:
    ours, best = known(document["test_ll"]), best_model(document, "test_ll")
    if ours is None:
        return Verdict(
            "No purchase was kept back, so nothing shows how well this market predicts.",
            notes=["Calibrate with a holdout to see it."],
        )
    headline = (
        "It gives the brand that a household went on to buy a chance of "
        f"{chance(ours)}, on average over the {plain(document['n_test'])} purchases kept back."
    )
    if best is None:
        return Verdict(headline)
    gap = ours - best[1]
    name = model_name(best[0])
    notes = [
        f"The best of the field's models, {name}, gives it {chance(best[1])}: {abs(gap):.3f} "
        f"{'better' if gap < 0 else 'worse'} in log-likelihood per choice."
        if abs(gap) >= 0.0005  # noqa: PLR2004
        else f"The best of the field's models, {name}, gives it the same."
    ]
    loop = document["closed_loop"]
    if loop:
        notes.append(_loop_sentence(loop))
    return Verdict(headline, "good" if gap > -BEHIND else "bad", notes)


def _loop_sentence(loop: Mapping[str, Any]) -> str:
    real, made = known(loop.get("repeat_real")), known(loop.get("repeat_simulated"))
    rates = f" ({percent(made)} against {percent(real)})" if real and made else ""
    floors = [known(loop.get("repeat_noise")), known(loop["scr_noise"])]
    chances = " and ".join(_points(f, signed=False) for f in floors if f is not None)
    return (
        f"Simulated without any real choice fed in, its repeat rate is off by "
        f"{_points(loop['repeat_bias'])}{rates}, its shares of requirements by "
        f"{_points(loop['scr_mae'], signed=False)} on average; chance alone moves the real ones by "
        f"{chances}."
    )


def _points(value: float | None, *, signed: bool = True) -> str:
    return DASH if value is None else f"{plain(100 * value, 1, signed=signed)} points"


def _panel_tiles(document: Document) -> list[Tile]:
    loop = document["closed_loop"] or {}
    best = best_model(document, "test_ll")
    tiles = [
        Tile(
            "Log-likelihood per choice",
            _ll(document["test_ll"]),
            f"on what was kept back; {model_name(best[0])} {_ll(best[1])}" if best else "",
        ),
        Tile("Chance given to what was bought", chance(known(document["test_ll"])),
             f"market shares alone {chance(_model(document, 'shares', 'test_ll'))}"),
    ]  # fmt: skip
    if loop:
        tiles += [
            Tile("Repeat rate, closed loop", percent(known(loop.get("repeat_simulated"))),
                 f"really {percent(known(loop.get('repeat_real')))}"),
            Tile("Share of requirements, error", _points(known(loop["scr_mae"]), signed=False),
                 f"chance alone {_points(known(loop['scr_noise']), signed=False)}"),
        ]  # fmt: skip
    return tiles


def _model(document: Document, name: str, key: str) -> float | None:
    return known(_figures_of(document["models"].get(name, {})).get(key))


def _ll(value: float | None) -> str:
    return plain(value, 3)


def _log_verdict(document: Document) -> Verdict:
    held = document["holdout"] or {}
    actual, predicted = known(held.get("actual")), known(held.get("predicted"))
    if actual is None or predicted is None:
        return Verdict("No order was kept back, so nothing shows how well this market predicts.")
    off = (predicted - actual) / actual if actual else None
    headline = (
        f"For the time that was kept back it expects {plain(predicted)} repeat orders; "
        f"{plain(actual)} came."
    )
    notes = []
    others = {
        name: value
        for name in document["models"]
        if name not in NO_RIVALS and (value := _model(document, name, "predicted")) is not None
    }
    if others:
        told = ", ".join(f"{model_name(name)} {plain(value)}" for name, value in others.items())
        notes.append(f"The field's models expect: {told}.")
    noise = known((held.get("noise") or {}).get("actual"))
    if noise is not None:
        notes.append(
            "With other customers of the same kind, chance alone would have moved the real figure "
            f"by about {plain(noise)}."
        )
    return Verdict(headline, "good" if off is not None and abs(off) <= 0.1 else "bad", notes)  # noqa: PLR2004


def _log_tiles(document: Document) -> list[Tile]:
    held = document["holdout"] or {}
    actual, predicted = known(held.get("actual")), known(held.get("predicted"))
    tiles = []
    if actual and predicted is not None:
        tiles.append(
            Tile("Orders kept back", percent(predicted / actual - 1, signed=True),
                 f"{plain(predicted)} expected, {plain(actual)} came")
        )  # fmt: skip
    for key in ("cumulative_mape", "rmse", "r"):
        value = known(held.get(key))
        if value is not None:
            title, note, _ = MEASURES[key]
            best = best_model(document, key, least=key != "r")
            rest = f"; {model_name(best[0])} {_measure(key, best[1])}" if best else ""
            tiles.append(Tile(title, _measure(key, value), note + rest))
    return tiles


def _measure(key: str, value: float | None) -> str:
    """Format a figure of a model."""
    if value is None:
        return DASH
    return {
        "cumulative_mape": lambda: percent(value, 2),
        "predicted": lambda: plain(value),
        "r": lambda: plain(value, 3),
    }.get(key, lambda: plain(value, 3))()


def _targets_verdict(document: Document) -> Verdict:
    rows = document["series"].get("targets") or {}
    means = rows.get("set_mean") or []
    n = int(document["n_units"])
    if not any(value is not None for value in means):
        return Verdict(
            f"No market was found that agrees with all {n} figures at once.",
            "bad",
            ["The market beside this page is the nearest of those that were tried; the notes say "
             "which figures it misses."],
        )  # fmt: skip
    draws = len(next(iter(document.get("joint", {}).values()), [])) if "joint" in document else 0
    return Verdict(
        f"Markets exist that agree with all {n} figures; the market file holds a set of them.",
        "good",
        [f"Studies draw from {draws} markets, so that their answers carry what the figures leave "
         "open." if draws else "Studies draw from the set, so that their answers carry what the "
         "figures leave open."],
    )  # fmt: skip


def _targets_tiles(document: Document) -> list[Tile]:
    rows = document["series"].get("targets") or {}
    free = document["series"].get("parameters") or {}
    misfits = [m for m in map(known, rows.get("misfit") or []) if m is not None]
    left = [s for s in map(known, free.get("spread_left") or []) if s is not None]
    tiles = [
        Tile("Figures", plain(document["n_units"]), "that the market should show"),
        Tile("Markets simulated", plain(document["n_train"]), "under common random numbers"),
    ]
    if misfits:
        tiles.append(Tile("Largest miss", f"{plain(max(misfits), 1)} s.e.", "of the best market"))
    if left:
        told = sum(share < 0.7 for share in left)  # noqa: PLR2004
        tiles.append(
            Tile("Numbers that they tell", f"{told} of {len(left)}",
                 "whose range is a third narrower than before, or more")
        )  # fmt: skip
    return tiles


def _lift_verdict(document: Document) -> Verdict:
    before, after = _belief(document, "prior"), _belief(document, "posterior")
    if before is None or after is None:
        return Verdict("The tests say nothing about the lever: it stays as it was.")
    narrower = 1 - after[1] / before[1] if before[1] else 0.0
    if narrower < HARDLY:
        return Verdict("The tests tell hardly anything about the lever: it stays as it was.")
    return Verdict(
        f"After the tests the lever is believed to do {percent(after[0], 0)} of what its file "
        f"said, give or take {percent(after[1], 0)}; before it was {percent(before[1], 0)}.",
        notes=[
            "What was believed before and what the tests found are weighted by how sure each is. "
            "The lever's file beside this page holds the sizes of its effects after the tests."
        ],
    )


def _belief(document: Document, name: str) -> tuple[float, float] | None:
    """Return mean and standard deviation of the common factor on a lever's effects."""
    found = document["parameters"].get(f"factor.{name}") or {}
    mean, sd = known(found.get("estimate")), known(found.get("se"))
    return None if mean is None or sd is None else (mean, sd)


def _lift_tiles(document: Document) -> list[Tile]:
    words = (
        ("prior", "Believed before", "times the sizes in the lever's file"),
        ("likelihood", "Found by the tests alone", "without what was believed before"),
        ("posterior", "Believed after", "what the market uses from now on"),
    )
    return [
        Tile(title, with_error(*belief), note)
        for name, title, note in words
        if (belief := _belief(document, name)) is not None
    ]


# --- how well it predicts -----------------------------------------------------------------------


def _models(document: Document) -> Section | None:
    if not document["models"]:
        return None
    held = document["holdout"] or {}
    table = {name: _figures_of(model) for name, model in document["models"].items()}
    table = {name: model for name, model in table.items() if name not in NO_RIVALS}
    table[OURS] = {**held, "train_ll": document["train_ll"], "test_ll": document["test_ll"]}
    keys = [key for key in MEASURES if any(known(m.get(key)) is not None for m in table.values())]
    numbers = {name: [known(model.get(key)) for key in keys] for name, model in table.items()}
    chances = document["kind"] == "panel" and "test_ll" in keys
    rows = []
    for name, values in numbers.items():
        title, note = (name, "") if name == OURS else model_words(name)
        texts = [_measure(key, value) for key, value in zip(keys, values, strict=True)]
        best = {i for i, key in enumerate(keys) if _is_best(key, i, values, numbers.values(), held)}
        if chances:
            texts.append(chance(known(table[name].get("test_ll"))))
            best |= {len(keys)} if keys.index("test_ll") in best else set()
        rows.append(Row(title, texts, note, frozenset(best), strong=name == OURS))
    if noise := _noise_floor(document):
        texts = [_noise(key, known(noise.get(NOISE_OF.get(key, key)))) for key in keys]
        rows.append(Row("Noise floor", texts, "what chance alone moves the figure by"))
    titles = ["Model", *(MEASURES[key][0] for key in keys)]
    if chances:
        titles.append("Chance given to what was bought")
    per = "choice" if document["kind"] == "panel" else "customer"
    return Section(
        "How well it predicts",
        "The same data for every model: estimated from the first part, judged by the part that was "
        "kept back. The best of each column is bold.",
        TableView(titles, rows),
        _reliability(document),
        caption=" ".join(
            f"{MEASURES[key][0]}: {MEASURES[key][1].format(per=per)}." for key in keys
        ),
    )


def _figures_of(model: Mapping[str, Any]) -> dict[str, Any]:
    """Return a model's figures, those of the holdout among them."""
    return {**(model.get("holdout") or {}), **model}


def _noise_floor(document: Document) -> dict[str, Any]:
    """Return figure to what it moves by when units are drawn again."""
    loop = document["closed_loop"] or {}
    floor = {"test_ll": loop["test_ll_noise"]} if known(loop.get("test_ll_noise")) else {}
    return {**floor, **((document["holdout"] or {}).get("noise") or {})}


def _noise(key: str, value: float | None) -> str:
    return "" if value is None else f"± {_measure(key, value)}"


def _is_best(
    key: str,
    i: int,
    values: Sequence[float | None],
    rows: Iterable[Sequence[float | None]],
    held: Mapping[str, Any],
) -> bool:
    """Return whether no model does better in figure i; `predicted` is judged by what came."""
    actual = known(held.get("actual")) or 0.0
    judges: Mapping[str, Callable[[float], float]] = {
        "greatest": lambda v: v,
        "least": lambda v: -v,
        "nearest": lambda v: -abs(v - actual),
    }
    judge, own = judges[MEASURES[key][2]], values[i]
    others = [row[i] for row in rows]
    return own is not None and all(judge(own) >= judge(v) for v in others if v is not None)


def _reliability(document: Document) -> list[Picture]:
    bins = document["series"].get("predictions")
    if not bins:
        return []
    figure = figures.reliability(bins["predicted"], bins["observed"], bins["n"])
    picture = Picture(
        "Does what it gives a chance come true that often?",
        "share of purchases kept back",
        figures.draw(figure, "reliability", "predicted and observed frequency of choices"),
        "A point is a group of brands and occasions that were given about the same chance; its "
        "size says how many. On the line it came true as often as was said. Bars are two standard "
        "errors of chance alone.",
    )
    return [picture]


def _closed_loop(document: Document) -> Section | None:
    loop, brands = document["closed_loop"], document["series"].get("brands") or {}
    if not loop or not brands.get("scr_real"):
        return None
    names = brands["brand"]
    shares = figures.pair_bars(names, brands["share_real"], brands["share_simulated"])
    noise = known(loop["scr_noise"])
    scr = figures.pair_bars(names, brands["scr_real"], brands["scr_simulated"], noise)
    pictures = [
        Picture("Share of purchases", "grey real, blue simulated",
                figures.draw(shares, "shares", "real and simulated shares of brands")),
        Picture("Share of requirements", "grey real, blue simulated",
                figures.draw(scr, "requirements", "real and simulated shares of requirements"),
                "Of all that a brand's buyers buy, how much is of that brand. The black line is "
                "the noise floor: what real figures move by when households are drawn again."),
    ]  # fmt: skip
    return Section("Left to itself", _loop_sentence(loop), pictures=pictures)


# --- orders over time ---------------------------------------------------------------------------


def lines_of(series: Mapping[str, Any]) -> dict[str, Any]:
    """Return the columns of a series but the first: what is real, this market, the others."""
    told = {"actual": "real", "observed": "real", "fidelio": OURS}
    found = {told.get(name, name): values for name, values in list(series.items())[1:]}
    first = [name for name in ("real", OURS) if name in found]
    rest = [name for name in found if name not in first and name not in NO_LINES]
    return {
        **{name: found[name] for name in first},
        **{model_words(name)[0]: found[name] for name in rest},
    }


def _over_time(document: Document) -> Section | None:
    held, tracking = document["holdout"] or {}, document["series"].get("tracking")
    if not tracking:
        return None
    split = known(held.get("split_week"))
    figure = figures.tracking(tracking["week"], lines_of(tracking), "week", split)
    picture = Picture(
        "Repeat orders so far, by week",
        "all customers together",
        figures.draw(figure, "tracking", "real and expected orders over time"),
    )
    return Section(
        "Does it keep track?",
        "What came, and what was expected from the first orders alone."
        + (" Right of the dashed line nothing was used to estimate." if split else ""),
        pictures=[picture],
        wide=True,
    )


def _customers(document: Document) -> Section | None:
    series = document["series"]
    makers = (
        ("repeats", _repeats), ("active", _active), ("by_frequency", _by_frequency),
        ("cohort_in_market", _in_market),
    )  # fmt: skip
    pictures = [make(series[name]) for name, make in makers if series.get(name)]
    if penetration := (document["holdout"] or {}).get("penetration"):
        pictures.append(_penetration(penetration))
    if not pictures:
        return None
    return Section("How customers differ", "Grey is real, blue is this market.", pictures=pictures)


def _repeats(series: Mapping[str, Any]) -> Picture:
    labels = [plain(n) for n in series["repeats"]]
    labels[-1] += "+"
    figure = figures.columns(labels, lines_of(series), "repeat orders")
    return Picture(
        "How many buy how often",
        "customers, in the time for estimation",
        figures.draw(figure, "repeats", "customers by number of repeat orders"),
    )


def _active(series: Mapping[str, Any]) -> Picture:
    labels = [name.removeprefix("year ") for name in series["quarter"]]
    lines, caption = lines_of(series), ""
    if len(labels) > 1 and all(values[0] == 1 for values in lines.values()):
        labels, lines = labels[1:], {name: values[1:] for name, values in lines.items()}
        caption = "The first quarter is not shown: everybody ordered, for so customers came in."
    figure = figures.columns(labels, lines, "year and quarter", shares=True)
    return Picture(
        "Active by quarter",
        "share of customers with an order",
        figures.draw(figure, "active", "share of customers who order, by quarter"),
        caption,
    )


def _by_frequency(series: Mapping[str, Any]) -> Picture:
    figure = figures.curves(series["repeats"], lines_of(series), "repeat orders before", "orders")
    return Picture(
        "Who will buy again",
        "mean orders in the time that was kept back, by orders before",
        figures.draw(figure, "frequency", "expected orders by orders before"),
    )


def _in_market(series: Mapping[str, Any]) -> Picture:
    labels = [plain(quarter) for quarter in series["quarter"][1:]]
    lines = {"log": series["log"][1:], OURS: series["simulated"][1:]}
    figure = figures.columns(labels, lines, "quarters after the first order", shares=True)
    return Picture(
        "Among rivals",
        "share of first-time buyers who order again",
        figures.draw(figure, "in_market", "a cohort as fitted to the log, and in the market"),
        "Log: what the model that was fitted to the log expects of a cohort. This market: the "
        "focal brand's, simulated among its rivals.",
    )


def _penetration(rows: Mapping[str, Any]) -> Picture:
    shown = {name: rows[name] for name in rows if name != "observed_mean"}
    labels = [plain(weeks) for weeks in rows["weeks"]]
    figure = figures.columns(labels, lines_of(shown), "weeks", shares=True)
    return Picture(
        "How many buy within some weeks",
        "share of customers with an order",
        figures.draw(figure, "penetration", "penetration by length of time"),
    )


# --- targets and lift ---------------------------------------------------------------------------


def _targets(document: Document) -> Section | None:
    rows = document["series"].get("targets")
    if not rows:
        return None
    columns: dict[str, list[str]] = {
        "Wanted": _with_errors(rows, "value", "se"),
        "Best market": [number_text(value) for value in rows["best"]],
    }
    if any(value is not None for value in rows["set_mean"]):
        columns["The set"] = _with_errors(rows, "set_mean", "set_sd")
    if any(value is not None for value in rows["fresh_mean"]):
        columns["In fresh worlds"] = _with_errors(rows, "fresh_mean", "fresh_sd")
    columns["Chance"] = [number_text(value) for value in rows["chance_sd"]]
    columns["Miss"] = [plain(known(value), 1) for value in rows["misfit"]]
    made = [
        Row(f"{readable(measure)}, {brand}", cells, "" if segment == "all" else segment)
        for measure, brand, segment, *cells in zip(
            rows["measure"], rows["brand"], rows["segment"], *columns.values(), strict=True
        )
    ]
    return Section(
        "What was wanted, and what the markets show",
        "Behind ± is a standard error or deviation. Chance: what one world differs from another by "
        "on its own. Miss: how far the best market is off, in standard errors of all that is "
        "unsure about the figure.",
        TableView(["Figure", *columns], made),
    )


def _with_errors(rows: Mapping[str, Any], mean: str, error: str) -> list[str]:
    return [with_error(*pair) for pair in zip(rows[mean], rows[error], strict=True)]


def _free_numbers(document: Document) -> Section | None:
    rows = document["series"].get("parameters")
    if not rows or document["kind"] != "targets":
        return None
    drawn = []
    for i, path in enumerate(rows["path"]):
        outer = (rows["prior_low"][i], rows["prior_high"][i])
        low, high = known(rows["low"][i]), known(rows["high"][i])
        drawn.append(
            {
                "name": parameter_name("targets", path),
                "outer": outer,
                "inner": None if low is None or high is None
                else (max(low, outer[0]), min(high, outer[1])),
                "point": known(rows["best"][i]),
                "texts": [number_text(end) for end in outer],
            }
        )  # fmt: skip
    picture = Picture(
        "Before and after",
        "grey: what was thought possible (95%); blue: what agrees with the figures; ring: the "
        "best market",
        figures.draw(figures.ranges(drawn), "ranges", "ranges of the market's numbers"),
    )
    return Section(
        "The markets that fit",
        "Each line is a number of the market, on a scale of its own. Where blue fills the grey, "
        "the figures do not tell the number.",
        pictures=[picture],
        wide=True,
    )


def _lifts(document: Document) -> Section | None:
    tests = document["series"].get("tests")
    if not tests:
        return None
    rows = []
    for i, figure in enumerate(tests["figure"]):
        relative = tests["scale"][i] == "relative"
        cells = [
            number_text(tests["spend"][i]),
            *(
                with_error(tests[mean][i], tests[sd][i])
                for mean, sd in (
                    ("effect", "se"),
                    ("prior_mean", "prior_sd"),
                    ("posterior_mean", "posterior_sd"),
                )
            ),
            percent(known(tests["surprise"][i]), 0),
        ]
        rows.append(Row(str(figure), cells, "as a share of the control's" if relative else ""))
    columns = ["Test", "Spend", "Found", "Expected before", "Expected after", "Chance"]
    beliefs = {
        title: belief
        for title, name in (("before", "prior"), ("tests", "likelihood"), ("after", "posterior"))
        if (belief := _belief(document, name)) is not None
    }
    pictures = []
    if beliefs:
        figure = figures.densities(beliefs, "times the sizes in the lever's file")
        pictures.append(
            Picture(
                "How strong the lever is",
                "what is believed before, what the tests say, what is believed after",
                figures.draw(figure, "belief", "belief in the lever's strength"),
            )
        )
    return Section(
        "What the tests found, and what they change",
        "Each test lived again in simulated worlds with the lever as it was believed to be before "
        "and after. Behind ± is a standard error or deviation. Spend is per treated customer and "
        "quarter. Chance: how often a result would be as far from what was expected as this one.",
        TableView(columns, rows),
        pictures,
    )


# --- estimates, and what the page must not hide -------------------------------------------------


def _parameters(document: Document) -> Section | None:
    kind, found = str(document["kind"]), document["parameters"]
    if not found:
        return None
    brands = (document["series"].get("brands") or {}).get("brand") or ["the first brand"]
    rows = [
        Row(
            parameter_name(kind, name),
            [
                number_text(e["estimate"]),
                number_text(e["se"]),
                meaning(kind, name, e["estimate"], brands[0]),
            ],
        )
        for name, e in found.items()
    ]
    told = any(row.cells[-1] for row in rows)
    if not told:
        rows = [Row(row.name, row.cells[:-1]) for row in rows]
    return Section(
        "Estimates",
        LEADS.get(kind, LEADS[""]),
        TableView(
            ["", "Estimate", "Standard error", *(["Meaning"] if told else [])],
            rows,
            frozenset({"Meaning"}),
        ),
    )


def _left_out(document: Document) -> Section | None:
    if document["kind"] not in ("panel", "transactions"):
        return None
    rows = [
        Row(f"{reason[:1].upper()}{reason[1:]}", [plain(n)])
        for reason, n in document["left_out"].items()
    ]
    lead = "" if rows else "Nothing: every row of the data was used."
    table = TableView(["Why", "Rows"], rows) if rows else None
    return Section("What was left out", lead, table)


def _notes(document: Document) -> Section:
    notes = list(document["notes"])
    if not any("bond" in note and "habit" in note for note in notes):
        notes.insert(0, CANNOT_TELL)
    return Section(
        "What the data cannot tell, and other notes",
        messages=[with_code(sentence(note)) for note in notes],
    )


def with_code(text: str) -> Markup:
    """Return text as HTML; what stands between backticks is a setting's name."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))
