"""The page of `fidelio explain`: who earns what of what a plan achieves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import pandas as pd
from markupsafe import Markup

from sim.config.explain import Players
from sim.planning.attribution import NPV, Division, Explanation, Shares, Split
from sim.planning.ranking import Estimate, Standing, standings
from sim.report import attribution_figures as figures
from sim.report.attribution_figures import Bar, signed
from sim.report.calibration import Row, Section, TableView
from sim.report.finding import Drawn, Finding
from sim.report.numbers import DASH, plain
from sim.report.sweep_words import Told, told
from sim.report.words import Words, listed, readable

Part = tuple[Section, list[Drawn]]
NOUNS: Final = {
    Players.LEVERS: ("lever", "levers"),
    Players.PHASES: ("phase", "phases"),
    Players.SEGMENTS: ("segment", "segments"),
    Players.MECHANISMS: ("mechanism", "mechanisms"),
}
THROUGH: Final = {
    "value": "Perceived value",
    "bond": "Emotional bond",
    "habit": "Habit",
    "selection": "Who stays",
}
MEANS: Final = {
    "value": "customers find it better, and know so from their own purchases and from talk",
    "bond": "they care more for the brand",
    "habit": "a purchase makes the next one likelier",
    "selection": "the content and the attached leave the category less",
}
APART: Final = {
    Players.LEVERS: "Outside the levers",
    Players.PHASES: "Outside the phases",
    Players.MECHANISMS: "At once, and costs",
}
SATISFIED: Final = ("loyalty_index", "csat", "nps")
"""Outcomes in which satisfaction with what was just delivered counts."""
MOST_PAIRS: Final = 8
"""Pairs that the table lists, those surely apart from zero first."""
PAYS: Final = {1: "pays", -1: "does not pay", 0: "cannot be told from zero"}
GOOD: Final = {1: "better", -1: "worse", 0: "unclear"}


def explanation_finding(found: Explanation) -> Finding:
    """Return what the page, its pictures, tables and document tell of an explanation."""
    plan = found.config.plan
    return Finding(
        kind="Explanation",
        title=f"What earns it: {plan.title}",
        facts=_facts(found),
        headline=headline(found),
        tone={1: "good", -1: "bad", 0: ""}[whole(found).sign],
        remarks=[total_sentence(found), *found.remarks, *_left_out(found)],
        parts=list(_parts(found)),
        tables=tables(found),
        documents={"explain": document(found)},
    )


# --- what is said first --------------------------------------------------------------------------


def whole(found: Explanation) -> Estimate:
    """Return the plan's NPV over the baseline."""
    if found.split is not None:
        return found.split.total
    return next(iter(found.divisions.values())).outcomes[NPV].total


def total_sentence(found: Explanation) -> str:
    """Say what is shared out, and how sure it is."""
    npv = whole(found)
    money = told(NPV, [npv.low, npv.high], found.config.market.currency)
    sure = "" if npv.sign else " So it cannot be told whether the plan pays at all."
    return (
        f"Over “{found.config.baseline.title}” the plan brings {money.full(npv.mean)} of net "
        f"present value (95% interval: {money.full(npv.low)} to {money.full(npv.high)}).{sure}"
    )


def headline(found: Explanation) -> str:
    """Say who earns it, of the first of levers, phases and mechanisms that were asked for."""
    if not found.divisions:
        return _segment_headline(found)
    kind, division = next(iter(found.divisions.items()))
    names = [name_of(kind, name) for name in division.names]
    by_sign: dict[int, list[str]] = {1: [], 0: [], -1: []}
    for place in order_of(division.outcomes[NPV]):
        by_sign[division.outcomes[NPV].shares[place].sign].append(names[place])
    if kind is Players.MECHANISMS:
        ways = ("works for the plan", "works against it")
    else:
        ways = ("pays", "does not")
    said = []
    if by_sign[1]:
        said.append(f"{_listed(by_sign[1])} {_many(ways[0], by_sign[1])}")
    if by_sign[-1]:
        said.append(f"{_listed(by_sign[-1])} {_many(ways[1], by_sign[-1])}"
                    + ("" if by_sign[1] or kind is Players.MECHANISMS else " pay"))  # fmt: skip
    if by_sign[0]:
        said.append(f"{_listed(by_sign[0])} cannot be told from zero")
    return "; ".join(said) + "."


def _segment_headline(found: Explanation) -> str:
    split = found.split
    assert split is not None  # somebody is always asked for
    best = max(range(len(split.names)), key=lambda place: split.cash[place].mean)
    if split.cash[best].sign <= 0:
        return "No segment surely brings more cash than under the baseline."
    return f"Most of the cash comes from the segment “{readable(split.names[best])}”."


def _listed(names: Sequence[str]) -> str:
    if len(names) > 4:  # noqa: PLR2004  # a headline that can be read
        return f"{', '.join(names[:3])} and {len(names) - 3} more"
    return listed(names)


def _many(verb: str, names: Sequence[str]) -> str:
    """Return a verb as it goes with one name or several."""
    if len(names) == 1:
        return verb
    return {"pays": "pay", "does not": "do not", "works for the plan": "work for the plan",
            "works against it": "work against it"}[verb]  # fmt: skip


def _facts(found: Explanation) -> list[str]:
    config = found.config
    return [
        f"against “{config.baseline.title}”",
        f"{plain(found.worlds)} worlds",
        f"{plain(config.customers)} customers each",
        f"{plain(config.quarters)} quarters",
    ]


def _left_out(found: Explanation) -> Iterator[str]:
    for kind, division in found.divisions.items():
        for outcome, n in division.left_out.items():
            yield (f"{_title(outcome)} by {NOUNS[kind][1]}: {plain(n)} worlds are left out, since "
                   "some coalition has no such figure there.")  # fmt: skip


# --- names and numbers ---------------------------------------------------------------------------


def name_of(kind: Players, name: str) -> str:
    """Return what a player is called."""
    return THROUGH[name] if kind is Players.MECHANISMS else readable(name)


def _title(outcome: str) -> str:
    words = Words()
    key = f"outcome.{outcome}"
    return words(key) if words.has(key) else readable(outcome)


def scale_of(found: Explanation, outcome: str, sizes: Sequence[Estimate]) -> Told:
    """Return how changes of an outcome of these sizes are told."""
    return told(outcome, [end for one in sizes for end in (one.low, one.high, 0.0)],
                found.config.market.currency)  # fmt: skip


def unit_of(scale: Told) -> str:
    """Return the unit of a change: points where the outcome is a percentage."""
    if scale.unit == "%":
        return "percentage points"
    return scale.unit or "points"


def full(scale: Told, value: float) -> str:
    """Format a change with its unit, as in a sentence."""
    if scale.money is not None:
        return scale.money.full(value)
    return f"{signed(scale, value)} {unit_of(scale)}"


def interval(scale: Told, size: Estimate) -> str:
    """Format the interval of a change."""
    return f"{signed(scale, size.low)} to {signed(scale, size.high)}"


def order_of(shares: Shares) -> list[int]:
    """Return the places of the players, the largest share first."""
    return sorted(range(len(shares.shares)), key=lambda place: -shares.shares[place].mean)


def places(division: Division, outcome: str, better: int) -> dict[str, str]:
    """Return each player's place by its share: from - to where it cannot be told from others.

    Empty where orders were drawn: worlds alone do not tell then how sure a share is.
    """
    if not division.is_exact:
        return {}
    found: list[Standing] = standings(
        division.names, division.outcomes[outcome].by_world, best_is=better
    )
    return {
        one.name: str(one.rank_from) if one.rank_from == one.rank_to
        else f"{one.rank_from}{DASH}{one.rank_to}"
        for one in found
    }  # fmt: skip


# --- parts of the page ---------------------------------------------------------------------------


def _parts(found: Explanation) -> Iterator[Part]:
    for kind, division in found.divisions.items():
        if kind is Players.MECHANISMS:
            yield _mechanisms(found, division)
            continue
        yield _earners(found, kind, division)
        if division.outcomes[NPV].pairs and len(division.names) > 1 and kind is Players.LEVERS:
            yield _pairs(found, division)
        if len(found.outcomes) > 1:
            yield _others(found, kind, division)
    if found.split is not None:
        yield _segments(found, found.split)
    yield _method(found), []


def _earners(found: Explanation, kind: Players, division: Division) -> Part:
    """Return who earns the NPV: levers or phases."""
    npv = division.outcomes[NPV]
    scale = scale_of(found, NPV, [*npv.shares, npv.total])
    one, many = NOUNS[kind]
    order = order_of(npv)
    bars = [Bar(name_of(kind, division.names[i]), npv.shares[i]) for i in order]
    drawn = [
        Drawn(f"{many}_npv", figures.steps(scale, [*_apart(kind, npv), *bars], _total(npv)),
              "From nothing to the whole plan",
              f"{scale.unit}; grey: cannot be told from zero; line: 95% interval"),
        Drawn(f"{many}_shares", figures.shares(scale, bars), f"Share of each {one}",
              f"{scale.unit}; lines are 95% intervals; grey: cannot be told from zero"),
        Drawn(f"{many}_money",
              figures.money(scale, [bar.name for bar in bars],
                            [division.game.players[i].money for i in order],
                            [division.earned[i] for i in order]),
              "Money put in, and earned", f"{scale.unit}, discounted",
              f"What a {one} earns is its share and the money put into it. Fees, points and upkeep "
              "that come beside the budget are taken from what it earns."),
        Drawn(f"{many}_ends",
              figures.ends(scale, bars, [npv.alone[i].mean for i in order],
                           [npv.last[i].mean for i in order]),
              "Alone, on average, last in", f"{scale.unit}",
              f"Where the three lie apart, what a {one} earns depends on the others."),
    ]  # fmt: skip
    rank = places(division, NPV, 1)
    columns = [one.capitalize(), "Share of the NPV", "95% interval", "Alone", "Last in",
               "Money put in", "Verdict", *(["Place"] if rank else [])]  # fmt: skip
    rows = []
    for i in order:
        share, player = npv.shares[i], division.game.players[i]
        cells = [signed(scale, share.mean), interval(scale, share),
                 _known(scale, npv.alone[i]), _known(scale, npv.last[i]),
                 scale.number(player.money), PAYS[share.sign]]  # fmt: skip
        needs = ", ".join(readable(need) for need in player.needs)
        rows.append(Row(name_of(kind, player.name), cells + ([rank[player.name]] if rank else []),
                        f"needs {needs}" if needs else "", strong=share.sign != 0))  # fmt: skip
    caption = (
        f"{scale.unit}, over the baseline. Alone: with no other {one}. Last in: what it, and "
        "what needs it, adds to all the rest."
    )
    if rank:
        caption += " Place: where it stands among all; a range where it cannot be told from others."
    table = TableView(columns, rows, frozenset({"Verdict"}))
    lead = _earner_lead(kind, division, scale)
    return Section(f"Which {one} earns it", lead, table, caption=caption), drawn


def _earner_lead(kind: Players, division: Division, scale: Told) -> str:
    npv = division.outcomes[NPV]
    order = order_of(npv)
    best, worst = npv.shares[order[0]], npv.shares[order[-1]]
    said = []
    if best.sign > 0:
        said.append(
            f"{name_of(kind, division.names[order[0]])} earns most: {full(scale, best.mean)}."
        )
    else:
        said.append(f"No {NOUNS[kind][0]} surely earns more than it costs.")
    if worst.sign < 0:
        name = name_of(kind, division.names[order[-1]])
        said.append(f"{name} costs most beyond what it earns: {full(scale, -worst.mean)}.")
    if any(player.needs for player in division.game.players):
        said.append("A lever that others need has a part of what they earn, and of what they "
                    "cost, for without it they would do nothing.")  # fmt: skip
    return " ".join(said)


def _apart(kind: Players, shares: Shares) -> list[Bar]:
    """Return the worth of nobody as a bar, if it is worth anything."""
    apart = shares.apart
    return [] if apart.low == apart.high == 0 else [Bar(APART[kind], apart)]


def _total(shares: Shares) -> Bar:
    return Bar("The whole plan", shares.total)


def _known(scale: Told, size: Estimate) -> str:
    return signed(scale, size.mean) if size.mean == size.mean else DASH  # NaN differs from itself


def _pairs(found: Explanation, division: Division) -> Part:
    npv = division.outcomes[NPV]
    names = [readable(name) for name in division.names]
    sizes = list(npv.pairs.values())
    scale = scale_of(found, NPV, sizes)
    bound = bound_pairs(division)
    ranked = sorted(npv.pairs.items(), key=lambda pair: (
        pair[0] in bound, not pair[1].sign, -abs(pair[1].mean)))  # fmt: skip
    more = {1: "more together", -1: "less together", 0: "cannot be told from zero"}
    rows = [
        Row(f"{names[i]} and {names[j]}", [signed(scale, one.mean), interval(scale, one),
            more[one.sign]], strong=one.sign != 0)
        for (i, j), one in ranked[:MOST_PAIRS]
        if (i, j) not in bound
    ]  # fmt: skip
    (i, j), best = ranked[0]
    if best.sign and (i, j) not in bound:
        way = "more" if best.mean > 0 else "less"
        lead = (f"{names[i]} and {names[j]} together earn {full(scale, abs(best.mean))} {way} than "
                "apart.")  # fmt: skip
    else:
        lead = "Of no two levers can it be told whether they earn more together than apart."
    caption = (
        f"{scale.unit} of NPV, the mean over all orders in which levers come in. Below zero: both "
        "do the same work, or get into each other's way."
    )
    if bound:
        caption += (
            " Pairs marked “needs” are not listed: one of the two does nothing without the other, "
            "so the figure is what it adds, or costs, once the other is there."
        )
    section = Section(
        "Which levers belong together", lead,
        TableView(["Pair", "Together over apart", "95% interval", "Verdict"], rows,
                  frozenset({"Verdict"})) if rows else None,
        caption=caption, wide=True,
    )  # fmt: skip
    picture = Drawn("lever_pairs", figures.pairs(scale, names, npv.pairs, bound),
                    "Together over apart", f"{scale.unit}; blue: more together; orange: less; "
                    "grey: cannot be told from zero")  # fmt: skip
    return section, [picture]


def bound_pairs(division: Division) -> set[tuple[int, int]]:
    """Return the pairs of players of which one needs the other."""
    players = division.game.players
    return {
        (i, j)
        for j, later in enumerate(players)
        for i, earlier in enumerate(players[:j])
        if earlier.name in later.needs or later.name in earlier.needs
    }


def _others(found: Explanation, kind: Players, division: Division) -> Part:
    """Return who moves the outcomes beside NPV."""
    one, many = NOUNS[kind]
    others = [name for name in found.outcomes if name != NPV]
    scales = {name: scale_of(found, name, division.outcomes[name].shares) for name in others}
    drawn = []
    for name, scale in scales.items():
        shares = division.outcomes[name]
        order = sorted(range(len(division.names)),
                       key=lambda i: -scale.better * shares.shares[i].mean)  # fmt: skip
        bars = [Bar(name_of(kind, division.names[i]), shares.shares[i]) for i in order]
        drawn.append(Drawn(f"{many}_{name}", figures.shares(scale, bars),
                           f"{_title(name)} by {one}",
                           f"{unit_of(scale)}; blue: better, orange: worse; lines are 95% "
                           "intervals"))  # fmt: skip
    title = f"Which {one} moves {listed([_lower(_title(name)) for name in others])}"
    table = _shares_table(kind, division, scales, one.capitalize())
    return Section(title, _movers(kind, division, scales), table), drawn


def _movers(kind: Players, division: Division, scales: dict[str, Told]) -> str:
    said = []
    for name, scale in scales.items():
        shares = division.outcomes[name]
        best = max(range(len(division.names)), key=lambda i: scale.better * shares.shares[i].mean)
        size = shares.shares[best]
        if size.sign * scale.better > 0:
            said.append(f"{name_of(kind, division.names[best])} does most for "
                        f"{_lower(_title(name))}: {full(scale, size.mean)} of "
                        f"{full(scale, shares.total.mean)}.")  # fmt: skip
        else:
            said.append(f"Of no {NOUNS[kind][0]} can it be told that it betters "
                        f"{_lower(_title(name))}.")  # fmt: skip
    return " ".join(said)


def _shares_table(
    kind: Players, division: Division, scales: dict[str, Told], head: str
) -> TableView:
    """Return the shares of several outcomes side by side, with what nobody and all are worth."""
    judged = kind is not Players.MECHANISMS
    columns = [head]
    for name, scale in scales.items():
        columns += [f"{_title(name)}, {unit_of(scale)}", "95% interval"]
        columns += ["Verdict"] if judged else []
    order = order_of(division.outcomes[NPV])

    def row(name: str, sizes: dict[str, Estimate], *, strong: bool = False) -> Row:
        cells = []
        for outcome, scale in scales.items():
            size = sizes[outcome]
            cells += [signed(scale, size.mean), interval(scale, size)]
            cells += [GOOD[size.sign * scale.better]] if judged else []
        return Row(name, cells, strong=strong)

    outcomes = division.outcomes
    rows = [row(name_of(kind, division.names[i]), {n: outcomes[n].shares[i] for n in scales})
            for i in order]  # fmt: skip
    apart = {name: outcomes[name].apart for name in scales}
    if any(one.low or one.high for one in apart.values()):
        rows.append(row(APART[kind], apart))
    rows.append(row("The whole plan", {name: outcomes[name].total for name in scales}, strong=True))
    headings = _distinct(columns)
    texts = frozenset(column for column in headings if column.startswith("Verdict"))
    return TableView(headings, rows, texts)


def _distinct(columns: Sequence[str]) -> list[str]:
    """Return headings of which none is the same as another: blanks tell them apart."""
    made: list[str] = []
    for column in columns:
        while column in made:
            column += "\N{ZERO WIDTH SPACE}"  # noqa: PLW2901
        made.append(column)
    return made


def _mechanisms(found: Explanation, division: Division) -> Part:
    npv = division.outcomes[NPV]
    kind = Players.MECHANISMS
    scales = {
        name: scale_of(found, name, division.outcomes[name].shares) for name in found.outcomes
    }
    scale = scales[NPV]
    bars = [Bar(name_of(kind, division.names[i]), npv.shares[i]) for i in order_of(npv)]
    first = [Bar("What the plan costs", division.cost), Bar("At once", division.direct)]
    drawn = [
        Drawn("mechanisms_npv", figures.steps(scale, [*first, *bars], _total(npv)),
              "Through what the plan earns its NPV",
              f"{scale.unit}; grey: cannot be told from zero; line: 95% interval"),
    ]  # fmt: skip
    for name in found.outcomes[-1:] if len(found.outcomes) > 1 else ():
        shares = division.outcomes[name]
        told_bars = [Bar(name_of(kind, division.names[i]), shares.shares[i])
                     for i in order_of(shares)]  # fmt: skip
        apart = [Bar("At once", shares.apart)]
        caption = (
            "What is delivered is felt at once. As customers come to expect it, it pleases less: "
            "so perceived value may weigh against satisfaction, which counts here."
        )
        drawn.append(Drawn(f"mechanisms_{name}",
                           figures.steps(scales[name], [*apart, *told_bars], _total(shares)),
                           f"Through what it moves {_lower(_title(name))}", unit_of(scales[name]),
                           caption if name in SATISFIED else ""))  # fmt: skip
    lead = (
        "A mechanism that is left out stays as it was when the plan began, for all customers and "
        "brands, in the plan's life and the baseline's alike. What works at once, through none "
        "of the four, is price, reach, awareness, the value of an order, and rewards, which cost "
        "money whether or not they move anybody."
    )
    meanings = "; ".join(f"{_lower(THROUGH[name])}: {MEANS[name]}" for name in division.names)
    caption = f"{meanings[:1].upper()}{meanings[1:]}."
    table = _shares_table(kind, division, scales, "Through")
    return Section("Through what it works", lead, table, caption=caption), drawn


def _segments(found: Explanation, split: Split) -> Part:
    sizes = [*split.cash, split.spent, split.total]
    scale = scale_of(found, NPV, sizes)
    order = sorted(range(len(split.names)), key=lambda i: -split.cash[i].mean)
    bars = [Bar(readable(split.names[i]), split.cash[i]) for i in order]
    drawn = [
        Drawn("segments_npv",
              figures.steps(scale, [*bars, Bar("What the plan costs", split.spent)],
                            Bar("The whole plan", split.total)),
              "From nothing to the whole plan",
              f"{scale.unit}, discounted; grey: cannot be told from zero"),
        Drawn("segments_cash", figures.shares(scale, bars), "Cash of each segment's customers",
              f"{scale.unit}; lines are 95% intervals; grey: cannot be told from zero"),
    ]  # fmt: skip
    scales = {name: scale_of(found, name, [s for s in sizes if s.mean == s.mean])
              for name, sizes in split.levels.items()}  # fmt: skip
    columns = ["Segment", "Cash", "95% interval"]
    for name, one in scales.items():
        columns += [f"{_title(name)}, {unit_of(one)}", "95% interval"]
    rows = []
    for i in order:
        cells = [signed(scale, split.cash[i].mean), interval(scale, split.cash[i])]
        for name, one in scales.items():
            size = split.levels[name][i]
            there = size.mean == size.mean
            cells += [signed(one, size.mean), interval(one, size)] if there else [DASH, DASH]
        rows.append(Row(readable(split.names[i]), cells, strong=split.cash[i].sign != 0))
    blanks = [DASH] * (2 * len(scales))
    rows.append(Row("What the plan costs", [signed(scale, split.spent.mean),
                                            interval(scale, split.spent), *blanks]))  # fmt: skip
    rows.append(Row("The whole plan", [signed(scale, split.total.mean),
                                       interval(scale, split.total), *blanks],
                    strong=True))  # fmt: skip
    lead = (
        "Cash of a segment's customers, before what the levers cost, is the segment's own. What "
        "the plan itself costs is nobody's. Together they are the NPV, in every world."
    )
    caption = f"{scale.unit}; other outcomes are their changes over the baseline in the segment."
    return Section("Whose cash it is", lead, TableView(_distinct(columns), rows),
                   caption=caption), drawn  # fmt: skip


def _method(found: Explanation) -> Section:
    said = [
        "A share is a Shapley value: what a player adds, on average over all orders in which "
        "players can come in. Shares sum to what is shared out, in every world.",
    ]
    for kind, division in found.divisions.items():
        one, many = NOUNS[kind]
        n = len(division.names)
        if division.is_exact:
            said.append(f"{n} {many if n > 1 else one}: all {plain(1 << n)} coalitions, of which "
                        f"{plain(division.lived)} differ, were lived in all {plain(found.worlds)} "
                        "worlds. Shares are exact; intervals are over worlds.")  # fmt: skip
        else:
            orders = division.game.orders
            assert orders is not None
            said.append(f"{n} {many} have too many coalitions: {plain(2 * len(orders))} orders "
                        f"were drawn, each with its reverse, and {plain(division.lived)} "
                        "coalitions lived. Intervals are over orders and worlds. Pairs are told "
                        "only where all coalitions are lived.")  # fmt: skip
    said.append("Each interval stands by itself: of twenty figures that are truly zero about one "
                "is told from zero by chance.")  # fmt: skip
    if any(player.needs for division in found.divisions.values()
           for player in division.game.players):  # fmt: skip
        said.append("A lever without what it needs does nothing and costs nothing. So what two "
                    "earn of which one needs the other is shared between them.")  # fmt: skip
    return Section("How it is reckoned", messages=[Markup("{}").format(text) for text in said])


def _lower(title: str) -> str:
    return title[:1].lower() + title[1:]


# --- files ---------------------------------------------------------------------------------------


def tables(found: Explanation) -> dict[str, pd.DataFrame]:
    """Return the tables that go into files: shares, pairs, segments."""
    made = {"shares": pd.DataFrame([*_share_rows(found)])}
    pairs = [
        {"players": kind.value, "outcome": outcome, "first": division.names[i],
         "second": division.names[j], **_ends(one)}
        for kind, division in found.divisions.items()
        for outcome, shares in division.outcomes.items()
        for (i, j), one in shares.pairs.items()
    ]  # fmt: skip
    if pairs:
        made["pairs"] = pd.DataFrame(pairs)
    if split := found.split:
        made["segments"] = pd.DataFrame([*_segment_rows(split)])
    return {name: table for name, table in made.items() if len(table)}


def _share_rows(found: Explanation) -> Iterator[dict[str, Any]]:
    """Yield a row per kind of players, outcome and player; nobody and everybody among them."""
    for kind, division in found.divisions.items():
        for outcome, shares in division.outcomes.items():
            start = {"players": kind.value, "outcome": outcome}
            for i, player in enumerate(division.game.players):
                yield {
                    **start, "player": player.name, **_ends(shares.shares[i]),
                    "alone": shares.alone[i].mean, "last_in": shares.last[i].mean,
                    "money": player.money, "exact": division.is_exact,
                }  # fmt: skip
            for name, size in (("(nobody)", shares.apart), ("(everybody)", shares.total)):
                yield {**start, "player": name, **_ends(size), "exact": division.is_exact}


def _segment_rows(split: Split) -> Iterator[dict[str, Any]]:
    for i, name in enumerate(split.names):
        yield {"segment": name, "outcome": "cash", **_ends(split.cash[i])}
        for outcome, sizes in split.levels.items():
            yield {"segment": name, "outcome": outcome, **_ends(sizes[i])}
    yield {"segment": "(plan's cost)", "outcome": "cash", **_ends(split.spent)}
    yield {"segment": "(all)", "outcome": NPV, **_ends(split.total)}


def _ends(size: Estimate) -> dict[str, float]:
    return {"mean": size.mean, "low": size.low, "high": size.high}


def document(found: Explanation) -> dict[str, Any]:
    """Return the explanation in figures."""
    return {
        "scenario": found.config.scenario,
        "plan": found.config.plan.name,
        "baseline": found.config.baseline.name,
        "currency": found.config.market.currency,
        "worlds": found.worlds,
        "customers": found.config.customers,
        "quarters": found.config.quarters,
        "seed": found.config.seed,
        "command": found.config.command,
        "npv": _ends(whole(found)),
        "players": {
            kind.value: {
                "exact": division.is_exact,
                "coalitions_lived": division.lived,
                "shares": {
                    outcome: {name: _ends(one)
                              for name, one in zip(division.names, shares.shares, strict=True)}
                    for outcome, shares in division.outcomes.items()
                },
            }
            for kind, division in found.divisions.items()
        },
    }  # fmt: skip
