"""The page of `fidelio show`: what decides an outcome of a sweep, in words, pictures and tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
from markupsafe import Markup

from sim.report import sweep_figures as figures
from sim.report.calibration import Row, Section, TableView, with_code
from sim.report.finding import Drawn, write_section
from sim.report.frame import fill
from sim.report.numbers import percent, plain
from sim.report.sweep_words import (
    Told,
    chance_sentence,
    effect_sentence,
    factor_label,
    notes,
    quoted_label,
    share_text,
    small_percent,
    surface_sentence,
    time_text,
    told,
    value_text,
    words,
)
from sim.report.words import in_sentence, readable
from sim.store import check_folder, write_table, write_text
from sim.sweep.analysis import (
    LITTLE,
    Crossed,
    Effect,
    Morris,
    Sobol,
    Surface,
    crossed,
    effect_table,
    facets,
    main_effects,
    morris_of,
    morris_table,
    point_table,
    ranked,
    share_table,
    sobol_of,
    sobol_table,
    surfaces,
)
from sim.sweep.means import Means, currency_of

POINTS: Final = 10
"""Points of each end that the page's table shows."""
COLUMNS: Final = 7
"""Factors that it shows, the strongest ones."""
MESSAGES: Final = 20
MOST_ROWS: Final = 1000
"""Best and worst points that the file of points keeps, each."""
WIDE: Final = 0.3
"""Width of an index's interval from which the page says that it is wide."""
PAGE: Final = "sweep.html"


class SweepReport:
    """One outcome of a sweep, analysed: what the page, the files and the terminal show.

    Parameters
    ----------
    means
        The outcome at each point.
    """

    def __init__(self, means: Means) -> None:
        self.means = means
        self.words = words()
        currency = currency_of(means.documents[0])
        self.told: Told = told(means.outcome, means.mean.tolist(), currency)

    @cached_property
    def effects(self) -> list[Effect]:
        """Main effects, the one that explains most first."""
        return main_effects(self.means)

    @cached_property
    def surfaces(self) -> list[Surface]:
        """Maps over the pairs of factors that foretell most."""
        return surfaces(self.means, self.effects)

    @cached_property
    def sobol(self) -> Sobol | None:
        """Sobol indices, of a Saltelli design."""
        return sobol_of(self.means)

    @cached_property
    def morris(self) -> Morris | None:
        """Elementary effects, of a Morris design."""
        return morris_of(self.means)

    @property
    def kind(self) -> str:
        """Kind of the sweep's design."""
        return str(self.means.documents[0]["design"]["kind"])

    # --- words -------------------------------------------------------------------------------

    @property
    def title(self) -> str:
        """What the sweep is called."""
        design = self.means.documents[0]["design"]
        return str(design.get("title") or readable(str(design.get("name") or self.kind)))

    @property
    def headline(self) -> str:
        """What is said first."""
        mean, say = self.means.mean, self.told
        facts = {"plan": in_sentence(readable(self.means.plan)), "outcome": say.noun,
                 "n": plain(len(mean))}  # fmt: skip
        low, high = say.full(float(mean.min())), say.full(float(mean.max()))
        if low == high:
            return self.words("headline.same" if len(mean) > 1 else "headline.one", mean=low,
                              **facts)  # fmt: skip
        if say.about_zero:
            return self.words("headline.zero", k=plain(int((mean > 0).sum())), worst=low, best=high,
                              **facts)  # fmt: skip
        return self.words("headline.range", low=low, high=high, **facts)

    @property
    def tone(self) -> str:
        """Colour of the headline: whether most points gain or lose."""
        if not self.told.about_zero:
            return ""
        gains = float((self.means.mean > 0).mean())
        return "good" if gains > 0.9 else "bad" if gains < 0.1 else ""  # noqa: PLR2004

    @property
    def remarks(self) -> list[str]:
        """What decides, and what is not shown."""
        said = [self.decides] if self.effects else []
        return said + notes(self.words, self.told, self.means.counts, self.means.constant)

    @property
    def decides(self) -> str:
        """Which factor decides most: in a screening by its elementary effects."""
        if self.morris is not None:
            return self._morris_lead(self.morris)
        return effect_sentence(self.words, self.told, self.effects[0])

    def _morris_lead(self, found: Morris) -> str:
        best = int(np.argmax([one.value for one in found.mu_star]))
        return self.words("morris.lead", factor=quoted_label(found.names[best]),
                          outcome=self.told.noun,
                          size=self.told.full(found.mu_star[best].value))  # fmt: skip

    def facts(self) -> Iterator[str]:
        """Yield what stands under the title."""
        text, plans = self.words, self.means.documents[0]["plans"]
        yield text("fact.points", n=plain(self.means.counts.points))
        yield text("fact.futures", n=plain(self.replications))
        if self.means.plan == plans[0]:
            yield text("fact.plan.alone", plan=in_sentence(readable(self.means.plan)))
        else:
            yield text("fact.plan", plan=in_sentence(readable(self.means.plan)),
                       baseline=in_sentence(readable(plans[0])))  # fmt: skip
        yield readable(self.kind)

    @property
    def replications(self) -> int:
        """Futures that each point has, or is to have."""
        blocks = [document["block"] for document in self.means.documents]
        return max(int(b.get("first_replication", 0)) + int(b["replications"])
                   for b in blocks if b["runs"])  # fmt: skip

    # --- parts of the page -------------------------------------------------------------------

    def parts(self) -> Iterator[tuple[Section, list[Drawn]]]:
        """Yield each section with its pictures, still undrawn in the page."""
        if self.kind == "morris":
            yield self._morris()
        if self.effects:
            yield self._effects()
        if self.kind == "saltelli":
            yield self._sobol()
        if self.surfaces:
            yield self._surfaces()
        if pairs := self._crossed():
            yield pairs
        if self.effects and len(self.means) > 2:  # noqa: PLR2004  # a best, a worst and a rest
            yield self._parallel()
        yield self._points(), []
        yield self._sure(), []

    def _effects(self) -> tuple[Section, list[Drawn]]:
        text, say = self.words, self.told
        title = text("figure.effects", outcome=say.noun)
        unit = text("figure.effects.unit", unit=say.unit or say.title)
        caption = text("figure.effects.caption")
        if len(self.effects) > figures.PANELS:
            caption += " " + text("figure.effects.more", n=len(self.effects), shown=figures.PANELS)
        columns = [text(f"column.{name}") for name in
                   ("factor", "from", "at_low", "to", "at_high", "share")]  # fmt: skip
        table = TableView(columns, [self._effect_row(effect) for effect in self.effects])
        lead = effect_sentence(text, say, self.effects[0])
        if self.morris is not None:
            lead = text("effects.screened", sentence=lead)
        section = Section(text("section.effects"), lead, table, caption=text("effects.share"),
                          wide=True)  # fmt: skip
        drawn = Drawn("effects", figures.effects(say, self.effects), title, unit, caption)
        return section, [drawn]

    def _effect_row(self, effect: Effect) -> Row:
        first, last = 0, len(effect.at) - 1
        if effect.labels:
            first, last = int(np.argmin(effect.mean)), int(np.argmax(effect.mean))
        cells = [
            value_text(effect.factor, float(effect.at[first])),
            self.told.full(float(effect.mean[first])),
            value_text(effect.factor, float(effect.at[last])),
            self.told.full(float(effect.mean[last])),
            share_with_interval(effect),
        ]
        return Row(factor_label(effect.factor.name, 60), cells, strong=effect.share.low > 0)

    def _sobol(self) -> tuple[Section, list[Drawn]]:
        text, found = self.words, self.sobol
        if found is None:
            return Section(text("section.sobol"), text("sobol.none")), []
        best = int(np.argmax([one.value for one in found.total]))
        left_over = self.means.chance.noise
        noise = (text("sobol.exact") if left_over is None
                 else text("sobol.noise", noise=small_percent(left_over)))  # fmt: skip
        together = max(1 - sum(max(one.value, 0.0) for one in found.first), 0.0)
        lead = text("sobol.lead", factor=quoted_label(found.names[best]),
                    total=share_text(found.total[best]), first=share_text(found.first[best]),
                    together=percent(together, 0))  # fmt: skip
        caption = text("figure.sobol.caption", n=plain(found.samples), noise=noise)
        drawn = [Drawn("sobol", figures.sobol(text, found), text("figure.sobol"),
                       text("figure.sobol.unit"), caption)]  # fmt: skip
        if found.second:
            drawn.append(Drawn("sobol_pairs", figures.second(found), text("figure.second"),
                               text("figure.second.unit")))  # fmt: skip
        if found.total[best].high - found.total[best].low > WIDE:
            lead += " " + text("sobol.wide")
        left = text("sobol.left", n=plain(found.left_out)) if found.left_out else ""
        return Section(text("section.sobol"), lead, caption=left), drawn

    def _morris(self) -> tuple[Section, list[Drawn]]:
        text, say, found = self.words, self.told, self.morris
        if found is None:
            return Section(text("section.morris"), text("morris.none")), []
        unit = say.unit or say.title
        drawn = [
            Drawn("morris", figures.morris(text, say, found), text("figure.morris"),
                  text("figure.morris.unit", unit=unit),
                  text("figure.morris.caption", n=plain(found.trajectories))),
            Drawn("morris_spread", figures.spread(text, say, found), text("figure.spread"),
                  text("figure.spread.unit", unit=unit), text("figure.spread.caption")),
        ]  # fmt: skip
        left = text("morris.left", n=plain(found.left_out)) if found.left_out else ""
        return Section(text("section.morris"), self._morris_lead(found), caption=left), drawn

    def _surfaces(self) -> tuple[Section, list[Drawn]]:
        text, say = self.words, self.told
        noted = [(text("surface.told", r2=_r2(fit.r2), degree=fit.degree), fit)
                 for fit in self.surfaces]  # fmt: skip
        caption = text("figure.surfaces.caption", dots=figures.DOTS)
        unit = text("figure.surfaces.unit", unit=say.unit or say.title)
        drawn = [Drawn("surfaces", figures.maps(say, self.means, noted),
                       text("figure.surfaces", outcome=say.title), unit, caption)]  # fmt: skip
        by = next((e.factor for e in self.effects if e.labels and e.share.low > 0), None)
        if by is not None and self.surfaces[0].r2 >= LITTLE:
            levels = facets(self.means, self.surfaces[0], by)
            shown = [
                (text("surface.told.facet", level=level.replace("_", " "), r2=_r2(fit.r2)), fit)
                for level, fit in levels.items()
            ]
            if len(shown) > 1:
                title = text("figure.facets", factor=factor_label(by.name))
                drawn.append(Drawn("surfaces_by", figures.maps(say, self.means, shown), title,
                                   unit))  # fmt: skip
        lead = surface_sentence(text, say, self.surfaces[0])
        return Section(text("section.surfaces"), lead, wide=True), drawn

    def _crossed(self) -> tuple[Section, list[Drawn]] | None:
        """Return the table of the strongest factors where one is a text and no map shows both."""
        chosen = self.effects[:2]
        if len(chosen) < 2 or all(effect.factor.is_number for effect in chosen):  # noqa: PLR2004
            return None
        row, column = sorted(chosen, key=lambda effect: len(effect.at))
        found: Crossed = crossed(self.means, row, column)
        text, say = self.words, self.told
        names = {"row": factor_label(row.factor.name), "column": factor_label(column.factor.name)}
        better = say.better * found.mean
        top, low = (divmod(int(find(better)), found.mean.shape[1])
                    for find in (np.nanargmax, np.nanargmin))  # fmt: skip
        where = {
            name: " and ".join(
                f"{quoted_label(effect.factor.name)} {value_text(effect.factor, effect.at[place])}"
                for effect, place in zip((row, column), at, strict=True)
            )
            for name, at in (("best", top), ("worst", low))
        }
        lead = text("crossed.lead", outcome=say.noun, high=say.full(float(found.mean[top])),
                    low=say.full(float(found.mean[low])), **where)  # fmt: skip
        drawn = Drawn(
            "crossed",
            figures.cross(say, found),
            text("figure.crossed", **names),
            text("figure.crossed.unit", outcome=say.noun, unit=say.unit or "as counted"),
        )
        return Section(text("section.crossed"), lead, wide=True), [drawn]

    def _parallel(self) -> tuple[Section, list[Drawn]]:
        text, say = self.words, self.told
        shown = sum(map(len, figures.drawn(self.means, say.better).values()))
        key = "figure.parallel.caption" if shown < len(self.means) else "figure.parallel.all"
        caption = text(key, shown=plain(shown), n=plain(len(self.means)))
        picture = Drawn(
            "parallel", figures.parallel(text, say, self.means, self.effects),
            text("figure.parallel", outcome=say.noun),
            text("figure.parallel.unit", unit=say.unit or say.title), caption,
        )  # fmt: skip
        lead = f"{text('parallel.lead')} {self._parting()}"
        return Section(text("section.parallel"), lead, wide=True), [picture]

    def _parting(self) -> str:
        """Say where the strongest factor stands among the best and among the worst."""
        text, factor = self.words, self.effects[0].factor
        order = ranked(self.means, self.told.better)
        tenth = max(len(order) // 10, 1)
        ends = {"best": factor.numbers[order[:tenth]], "worst": factor.numbers[order[-tenth:]]}
        name = quoted_label(factor.name)
        if factor.is_number:
            middles = {key: value_text(factor, float(np.median(own))) for key, own in ends.items()}
            return text("parallel.told", factor=name, **middles)
        counts = np.bincount(ends["best"].astype(np.int64), minlength=len(factor.levels))
        level = int(np.argmax(counts))
        shares = {key: percent(float((own == level).mean()), 0) for key, own in ends.items()}
        shown = in_sentence(factor.levels[level].replace("_", " "))
        return text("parallel.told.texts", factor=name, level=shown, **shares)

    def _points(self) -> Section:
        text, say, means = self.words, self.told, self.means
        order = ranked(means, say.better)
        factors = [effect.factor for effect in self.effects[:COLUMNS]]
        columns = [text("column.point"), say.title, *(factor_label(f.name, 22) for f in factors)]
        n = min(POINTS, -(-len(order) // 2))
        ends = {"best": order[:n], "worst": order[len(order) - min(n, len(order) - n) :][::-1]}
        rows = []
        for name, places in ends.items():
            for rank, place in enumerate(places):
                error = float(means.error[place])
                spread = f" ± {say.number(error)}" if np.isfinite(error) else ""
                values = [value_text(f, float(f.numbers[place])) for f in factors]
                rows.append(Row(plain(int(means.points[place])),
                                [say.number(float(means.mean[place])) + spread, *values],
                                note="" if rank else text(f"group.{name}"),
                                best=frozenset({0})))  # fmt: skip
        lead = text("points.lead", best=plain(int(means.points[order[0]])),
                    high=say.full(float(means.mean[order[0]])),
                    worst=plain(int(means.points[order[-1]])),
                    low=say.full(float(means.mean[order[-1]])))  # fmt: skip
        several = np.isfinite(means.error).any()
        caption = text("points.noise" if several else "points.exact", n=plain(self.replications))
        return Section(text("section.points"), lead, TableView(columns, rows), caption=caption)

    def _sure(self) -> Section:
        text, means = self.words, self.means
        failures = means.failures
        units = sum(failure.units for failure in failures)
        told_of = (
            text("failures.some", units=plain(units), points=plain(means.counts.failed))
            if failures
            else text("failures.none")
        )
        messages = [with_code(told_of)]
        costs = [float(document["seconds_per_unit"]) for document in means.documents
                 if "seconds_per_unit" in document]  # fmt: skip
        if costs:
            total = costs[0] * self.units_lived
            messages.append(Markup.escape(text("cost", each=time_text(costs[0]),
                                               units=plain(self.units_lived),
                                               total=time_text(total))))  # fmt: skip
        table = None
        if failures:
            columns = [text(f"column.{name}") for name in ("failure", "units", "points", "example")]
            table = TableView(columns, [
                Row(failure.message, [plain(failure.units), plain(failure.points),
                                      plain(failure.example)])
                for failure in failures[:MESSAGES]
            ])  # fmt: skip
        return Section(text("section.sure"), chance_sentence(text, means.chance), table,
                       messages=messages)  # fmt: skip

    @property
    def units_lived(self) -> int:
        """Futures of the sweep's runs; points that come to the same are lived once."""
        return sum(int(document["block"]["runs"]) * int(document["block"]["replications"])
                   for document in self.means.documents)  # fmt: skip

    # --- files -------------------------------------------------------------------------------

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return what goes into CSV files, by name."""
        order = ranked(self.means, self.told.better)
        ends = order if len(order) <= 2 * MOST_ROWS else np.r_[order[:MOST_ROWS],
                                                               order[-MOST_ROWS:]]  # fmt: skip
        found = {"points": point_table(self.means, ends)}
        if self.effects:
            found |= {"effects": effect_table(self.effects), "shares": share_table(self.effects)}
        if self.sobol is not None:
            found["sobol"] = sobol_table(self.sobol)
        if self.morris is not None:
            found["morris"] = morris_table(self.morris)
        if self.means.failures:
            found["failures"] = pd.DataFrame(
                [{"message": f.message, "units": f.units, "points": f.points, "example": f.example}
                 for f in self.means.failures])  # fmt: skip
        return found


def share_with_interval(effect: Effect) -> str:
    """Format the share of the variance that a factor explains, with its interval."""
    share = effect.share
    if not np.isfinite(share.value):
        return plain(None)
    low, high = (percent(min(max(end, 0.0), 1.0), 0) for end in (share.low, share.high))
    return f"{share_text(share)} ({low} to {high})"


def _r2(value: float) -> str:
    return percent(max(value, 0.0), 0)


def write_sweep_page(report: SweepReport, folder: str | Path) -> Path:
    """Write `sweep.html`, its pictures as SVG and PNG and its tables as CSV; return the page.

    Parameters
    ----------
    report
        The outcome that is shown.
    folder
        Where to; it is made if need be.

    Raises
    ------
    StoreError
        If the folder cannot be written.
    """
    target = Path(folder)
    check_folder(target)
    sections, names = [], []
    for section, drawn in report.parts():
        sections.append(write_section(section, drawn, target))
        names += [f"{picture.name}.png" for picture in drawn]
    for name, table in report.tables().items():
        write_table(target / f"{name}.csv", table)
        names.append(f"{name}.csv")
    return write_text(target / PAGE, render_sweep(report, sections, names))


def render_sweep(report: SweepReport, sections: Sequence[Section], files: Sequence[str]) -> str:
    """Return the page of a sweep as HTML."""
    return fill(
        "sweep.html.j2",
        t=report.words,
        title=report.title,
        facts=list(report.facts()),
        tone=report.tone,
        headline=report.headline,
        remarks=report.remarks,
        sections=sections,
        footer=report.words("footer.sweep", files=", ".join(files)),
    )
