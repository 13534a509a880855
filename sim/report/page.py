"""One self-contained HTML page that answers the question of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from markupsafe import Markup
from matplotlib.figure import Figure

from sim.errors import StoreError
from sim.report import (
    decisions,
    early_warning,
    figures,
    membership,
    risk_register,
    rollout,
    statement,
    tables,
)
from sim.report.folder import RunFolder, read_folder
from sim.report.frame import Picture, fill
from sim.report.numbers import DASH, known, money_unit, percent, plain
from sim.report.scorecard import card_section
from sim.report.words import (
    LANGUAGES,
    Words,
    movement,
    plan_title,
    readable,
    two_layers,
    verdict,
)

TRENDS: Final = ("loyalty_index", "churn_annual", "share")
MOVES: Final = {"churn": "churn_annual", "index": "loyalty_index"}


def write_page(folder: Path, language: str = "en") -> Path:
    """Write `report.html` into a run folder, of one plan or of several.

    Parameters
    ----------
    folder
        Holds the files of a finished run.
    language
        Code of a language in `words.LANGUAGES`.

    Returns
    -------
    Path
        The page: one file that loads nothing else.

    Raises
    ------
    StoreError
        If the folder does not hold a finished run, or cannot be written.
    """
    run, words = read_folder(folder), Words(LANGUAGES[language])
    path = folder / "report.html"
    try:
        path.write_text(render(words, run), encoding="utf-8")
    except OSError as error:
        raise StoreError(f"cannot write {path}: {error}") from error
    return path


def render(words: Words, run: RunFolder) -> str:
    """Return the page of a run as HTML."""
    parts = _comparison(words, run) if run.is_comparison else _single(words, run)
    return fill("page.html.j2", t=words, **_common(words, run), **parts)


def _common(words: Words, run: RunFolder) -> dict[str, Any]:
    """Return what both kinds of page show."""
    return {
        "compare": run.is_comparison,
        "title": _title(words, run),
        "scenario": run.summary.get("title") or run.summary["scenario"],
        "baseline": plan_title(run, run.baseline),
        "facts": _facts(words, run),
        "verdict": verdict(words, run),
        "trends": [_trend(words, run, measure) for measure in TRENDS],
        "books": _books(words, run),
        "rollout": _rollout(words, run),
        "decisions": _decisions(words, run),
        "risks": _risks(words, run),
        "warning": _early_warning(words, run),
        "tiers": _tiers(words, run),
        "quarters": run.quarters,
        "card": card_section(words, run.scorecard),
        "provenance": tables.provenance_parts(words, run),
        "parameters": tables.parameter_rows(words, run),
        "rests_lead": _rests_lead(words, run),
        "notes": run.manifest.get("notes") or [],
        "warnings": _warnings(words, run),
        "about": _about(words, run),
    }


def _single(words: Words, run: RunFolder) -> dict[str, Any]:
    """Return what the page of one plan shows."""
    plan = run.plans[0]
    return {
        "plan": plan_title(run, plan),
        "tiles": tables.key_figures(words, run),
        "groups": tables.outcome_groups(words, run),
        "customers_lead": _customers_lead(words, run),
        "money_lead": _money_lead(words, run),
        "money_pictures": [_cash(words, run), _npv(words, run)],
        "spend": tables.spend_by_phase(words, run),
        "segments": tables.segment_rows(words, run),
        "sure_lead": two_layers(words, run.difference(plan, "npv")),
        "sure_pictures": _sure(words, run),
        "cash_rows": tables.cash_rows(run),
        "cash_columns": [words(key) for key in (*tables.CASH_COLUMNS, *_points(run))],
        "cash_caption": words("caption.points") if _points(run) else "",
        "cash_unit": tables.cash_unit(run, plan).name,
    }


def _comparison(words: Words, run: RunFolder) -> dict[str, Any]:
    """Return what the page of several plans shows."""
    tones = figures.colours(run)
    return {
        "tiles": tables.plan_tiles(words, run),
        "plans": [(plan_title(run, plan), tones[plan]) for plan in run.plans],
        "baseline_colour": tones[run.baseline],
        "sides": tables.side_by_side(words, run),
        "money_pictures": [_ridges(words, run), _cash(words, run)],
        "spend": tables.spend_by_plan(run),
        "pairs": tables.pair_rows(words, run),
        "pair_unit": tables.pair_unit(run).name,
        "table_unit": tables.table_unit(
            [run.result(plan)["outcomes"] for plan in run.plans], run.currency
        ).name,
    }


def _warnings(words: Words, run: RunFolder) -> list[str]:
    own = [words("warning.interrupted", n=run.replications)]
    return (own if run.manifest.get("interrupted") else []) + (run.manifest.get("warnings") or [])


def _title(words: Words, run: RunFolder) -> str:
    baseline = plan_title(run, run.baseline)
    if run.is_comparison:
        return words("page.title.compare", n=len(run.plans), baseline=baseline)
    return words("page.title", plan=plan_title(run, run.plans[0]), baseline=baseline)


def _facts(words: Words, run: RunFolder) -> list[str]:
    return [
        words("fact.quarters", n=run.quarters),
        words("fact.customers", n=plain(float(run.summary["customers"]))),
        words("fact.replications", n=plain(run.replications)),
        words("fact.currency", currency=run.currency),
    ]


def _picture(figure: Figure, name: str, alt: str, *texts: str) -> Picture:
    title, unit, caption = texts
    return Picture(title, unit, Markup(figures.svg(figure, name, f"{title}. {alt}")), caption)


def _trend(words: Words, run: RunFolder, measure: str) -> Picture:
    plans = dict.fromkeys([run.baseline, *run.plans])
    ends = [
        words(
            "alt.end",
            plan=plan_title(run, plan),
            value=figures.level_text(measure, float(run.levels(plan, measure).iloc[-1].mean())),
        )
        for plan in plans
    ]
    title = words(f"figure.{measure}")
    return _picture(
        figures.trend(words, run, measure),
        measure,
        words("alt.trend", measure=title, ends=", ".join(ends)),
        title,
        words(f"figure.{measure}.unit"),
        "",
    )


def _cash(words: Words, run: RunFolder) -> Picture:
    unit = figures.cash_unit(run)
    ends = [
        words(
            "alt.end",
            plan=plan_title(run, plan),
            value=unit.full(float(run.cumulative_cash(plan).iloc[-1].mean())),
        )
        for plan in run.plans
    ]
    return _picture(
        figures.cumulative_cash(words, run),
        "cash",
        words("alt.cash", ends=", ".join(ends)),
        words("figure.cash"),
        words(
            "figure.cash.unit",
            unit=unit.name,
            rate=percent(run.discount_rate, 0),
            baseline=plan_title(run, run.baseline),
        ),
        words("caption.cash.compare" if run.is_comparison else "caption.cash"),
    )


def _npv(words: Words, run: RunFolder) -> Picture:
    plan = run.plans[0]
    values, npv = figures.npv_values(run, plan), run.difference(plan, "npv")
    unit = money_unit([float(abs(value)) for value in values], run.currency)
    quantiles = {key: unit.full(known(npv.get(key))) for key in ("p10", "p50", "p90")}
    loses = words("mark.loses", k=int((values < 0).sum()), n=len(values))
    blocks = len(values) <= figures.BLOCKS_UP_TO
    return _picture(
        figures.npv_histogram(words, run),
        "npv",
        words("alt.npv", loses=loses, **quantiles),
        words("figure.npv"),
        words(
            "figure.npv.unit" if blocks else "figure.npv.unit.bars",
            unit=unit.name,
            baseline=plan_title(run, run.baseline),
        ),
        words("caption.npv"),
    )


def _ridges(words: Words, run: RunFolder) -> Picture:
    unit = figures.npv_unit(run)
    ends = [
        words(
            "alt.end",
            plan=plan_title(run, plan),
            value=unit.full(known(run.difference(plan, "npv").get("p50"))),
        )
        for plan in run.plans
    ]
    return _picture(
        figures.npv_ridges(words, run),
        "ridges",
        words("alt.ridges", ends=", ".join(ends)),
        words("figure.ridges"),
        words("figure.ridges.unit", unit=unit.name, baseline=plan_title(run, run.baseline)),
        words("caption.ridges"),
    )


def _sure(words: Words, run: RunFolder) -> list[Picture]:
    """Return the pictures of what the spread comes from, as far as the run knows."""
    npv = run.difference(run.plans[0], "npv")
    pictures = []
    if (layers := figures.layers(words, run)) is not None:
        sizes = [known(npv.get(key)) for key in ("chance_sd", "ignorance_sd")]
        unit = money_unit(sizes, run.currency)
        alt = words("alt.layers", chance=unit.full(sizes[0]), ignorance=unit.full(sizes[1]))
        texts = (words("figure.layers"), words("figure.layers.unit", unit=unit.name), "")
        pictures.append(_picture(layers, "layers", alt, *texts))
    if (ranks := figures.ranks(run)) is not None:
        ends = [f"{name} {plain(value, 2)}" for name, value in tables.top_unknowns(run)]
        alt = words("alt.ranks", ends=", ".join(ends))
        texts = (words("figure.ranks"), words("figure.ranks.unit"), words("caption.ranks"))
        pictures.append(_picture(ranks, "ranks", alt, *texts))
    return pictures


def _books(words: Words, run: RunFolder) -> dict[str, Any] | None:
    """Return the money in full: figures of all plans, and of a single one its books by year."""
    if not statement.has_books(run):
        return None
    texts = {"baseline": plan_title(run, run.baseline), "unit": statement.figures_unit(run).name}
    shared = {
        "figures": statement.figure_rows(words, run),
        "caption": f"{statement.basis(words, run)} {words('books.later.caption')}",
    }
    if run.is_comparison:
        return {**shared, "lead": words("section.books.compare", **texts)}
    plan = run.plans[0]
    picture = _picture(
        statement.bridge(words, run, plan),
        "bridge",
        statement.bridge_words(words, run, plan),
        words("figure.bridge"),
        words(
            "figure.bridge.unit",
            unit=statement.bridge_unit(run, plan).name,
            plan=plan_title(run, plan),
            baseline=texts["baseline"],
        ),
        "",
    )
    return {
        **shared,
        "lead": statement.lead(words, run, plan),
        "picture": picture,
        "figures_lead": words("section.books.figures", **texts),
        "statement_lead": words(
            "section.books.statement",
            plan=plan_title(run, plan),
            baseline=texts["baseline"],
            unit=statement.statement_unit(run, plan).name,
        ),
        "years": statement.year_names(words, run),
        "rows": statement.statement_rows(words, run, plan),
    }


def _rollout(words: Words, run: RunFolder) -> dict[str, Any] | None:
    """Return the roll-out of the best plan that has one."""
    plan = rollout.plan_shown(run)
    if plan is None:
        return None
    picture = _picture(
        rollout.gantt(words, run, plan),
        "gantt",
        words("alt.gantt", plan=plan_title(run, plan), ends=rollout.ends(words, run, plan)),
        words("figure.gantt"),
        words("figure.gantt.unit", plan=plan_title(run, plan)),
        "",
    )
    kinds = dict.fromkeys(bar.kind for bar in rollout.bars(run, plan))
    key = [(words(f"rollout.key.{kind}"), rollout.TONES[kind]) for kind in sorted(kinds)]
    return {
        "lead": rollout.lead(words, run, plan),
        "caption": " ".join(words(key) for key in _gantt_captions(run, plan)),
        "ready": _ready(words, run, plan),
        "key": [(words("rollout.key.planned"), rollout.PLANNED), *key],
        "picture": picture,
    }


def _gantt_captions(run: RunFolder, plan: str) -> tuple[str, ...]:
    stopped = any(bar.stopped for bar in rollout.bars(run, plan))
    return ("caption.gantt", "caption.gantt.gate") if stopped else ("caption.gantt",)


def _ready(words: Words, run: RunFolder, plan: str) -> Picture | None:
    """Return the picture of how ready the levers are, where the run tells it."""
    table = rollout.readiness(run, plan)
    if table.empty:
        return None
    ends = [
        words("alt.end", plan=readable(str(lever)), value=percent(float(ready), 0))
        for lever, ready in table.iloc[:, -1].items()
    ]
    return _picture(
        rollout.ready_strip(words, run, plan),
        "ready",
        words("alt.ready", ends=", ".join(ends)),
        words("figure.ready"),
        words("figure.ready.unit", plan=plan_title(run, plan)),
        words("caption.ready"),
    )


def _decisions(words: Words, run: RunFolder) -> dict[str, Any] | None:
    """Return what gates and reviews decided: in full for one plan, a line each for several."""
    plans = decisions.plans_that_decide(run)
    if not plans:
        return None
    if run.is_comparison:
        lines = [(plan_title(run, plan), decisions.line(words, run, plan)) for plan in plans]
        return {"title": decisions.title(words, run), "lines": lines}
    plan = plans[0]
    rules = decisions.rule_rows(words, run, plan)
    return {
        "title": decisions.title(words, run),
        "gate": decisions.gate_lead(words, run, plan),
        "review": decisions.review_lead(words, run, plan) if rules else "",
        "rules": rules,
        "unit": decisions.review_unit(run, plan).name if rules else "",
    }


def _points(run: RunFolder) -> tuple[str, ...]:
    return ("column.points",) if tables.owes_points(run) else ()


def _risks(words: Words, run: RunFolder) -> dict[str, Any] | None:
    """Return the risk table and, where costs are known, its picture."""
    table = risk_register.risk_table(words, run)
    if table is None:
        return None
    best = plan_title(run, run.plans[0])
    costed = bool(table.totals)
    head = "section.risks.compare" if run.is_comparison else "section.risks.lead"
    texts = {"unit": table.unit.name, "quarters": run.quarters}
    drawn = risk_register.risk_map(words, run, table.unit)
    picture = drawn and _picture(
        drawn,
        "risks",
        risk_register.map_ends(words, run, table.unit),
        words("figure.risk_map"),
        words("figure.risk_map.unit", unit=table.unit.name, plan=best),
        words("caption.risk_map"),
    )
    return {
        "costed": costed,
        "total": risk_register.lead(words, run),
        "lead": words(head if costed else "section.risks.bare", **texts),
        "rows": table.rows,
        "totals": table.totals,
        "picture": picture,
        "caption": words(
            "caption.risks" if costed else "caption.risks.bare",
            quarters=run.quarters,
            enough=risk_register.ENOUGH,
        ),
    }


def _early_warning(words: Words, run: RunFolder) -> dict[str, Any] | None:
    """Return the table of the early warning, of the plans that answer it."""
    rows = early_warning.warning_rows(words, run)
    plans = early_warning.plans_that_save(run)
    return {"plans": [plan_title(run, plan) for plan in plans], "rows": rows} if rows else None


def _tiers(words: Words, run: RunFolder) -> dict[str, Any] | None:
    """Return the tiers of the best plan that has members."""
    rows = membership.tier_rows(words, run)
    plan = membership.plan_with_tiers(run)
    return {"plan": plan_title(run, plan), "rows": rows} if plan else None


def _customers_lead(words: Words, run: RunFolder) -> str:
    moves = {key: movement(words, run, name) for key, name in MOVES.items()}
    return words("lead.customers", **moves)


def _money_lead(words: Words, run: RunFolder) -> str:
    """Say when the plan has paid for itself on average, and how much it ties up until then."""
    mean = run.cumulative_cash(run.plans[0]).mean(axis=1)
    trough, paid = float(mean.min()), run.payback_on_average(run.plans[0])
    if not mean.any():
        return words("lead.cash.same")
    if trough >= 0:
        return words("lead.cash.free")
    tied = money_unit([trough], run.currency).full(-trough)
    if paid is None:
        return words("lead.cash.never", quarters=run.quarters, trough=tied)
    return words("lead.cash.paid", quarter=paid, trough=tied)


def _rests_lead(words: Words, run: RunFolder) -> str:
    counts = {part.kind: part.count for part in tables.provenance_parts(words, run)}
    total, assumed = sum(counts.values()), counts.get("assumed", 0)
    if not total:
        return ""
    return words("lead.rests", assumed=assumed, total=total, share=percent(assumed / total, 0))


def _about(words: Words, run: RunFolder) -> dict[str, str]:
    """Return what identifies the run: name and value of each fact that the manifest holds."""
    found = run.manifest
    seconds, memory = known(found.get("seconds")), known(found.get("peak_memory_mib"))
    versions = found.get("versions") or {}
    facts = {
        "about.seed": str(found.get("seed", run.summary.get("seed", DASH))),
        "about.hash": str(found.get("hash") or DASH),
        "about.versions": ", ".join(f"{name} {version}" for name, version in versions.items()),
        "about.seconds": "" if seconds is None else _seconds(words, seconds),
        "about.memory": "" if memory is None else words("about.memory.value", n=plain(memory)),
    }
    shown = {words(key): value for key, value in facts.items() if value}
    return {words("about.command"): str(found.get("command") or DASH), **shown}


def _seconds(words: Words, seconds: float) -> str:
    return words("about.seconds.value", n=plain(seconds, 1 if seconds < 100 else 0))  # noqa: PLR2004
