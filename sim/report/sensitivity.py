"""The page of `fidelio sensitivity`: which assumption decides, where the better plan changes."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Final

import numpy as np
import pandas as pd

from sim.planning.flip import Flip
from sim.planning.sensitivity import WORLD, Contrast, Decision, Sensitivity
from sim.report import sensitivity_figures as figures
from sim.report.calibration import Row, Section, TableView
from sim.report.finding import Drawn, Finding
from sim.report.numbers import DASH, fraction, percent, plain
from sim.report.sweep_words import Told, factor_label, share_text, short, told
from sim.report.words import in_sentence, readable
from sim.sweep.analysis import Interval, Morris, morris_table, sobol_table

MOST_DECISIONS: Final = 4
"""Decisions that have sections of their own, the deciding one first; the tables have all."""
MOST_ROWS: Final = 20
"""Assumptions that the page shows of the screening; the table has all."""
HARDLY: Final = 0.05
"""Probability of a flip, or share of resamples that show one, below which it is hardly one."""
ROOM: Final = 60
CHANNELS: Final = {
    "functional": "functional value",
    "emotional": "emotional value",
    "social": "social value",
    "economic": "economic value",
    "problem": "problems",
}
"""What a channel is called where its name says too little."""
MOST_LEADERS: Final = 3
"""Assumptions that may decide most, beyond which it is not told which one does."""


class SensitivityReport:
    """What decides, as a page, its pictures and tables, and in the terminal.

    Parameters
    ----------
    found
        What was found.
    """

    def __init__(self, found: Sensitivity) -> None:
        self.found, self.question = found, found.question
        response = found.response
        values = [*response.overall, *response.curves.ravel()]
        self.told: Told = told(
            self.question.outcome, map(float, values), self.question.config.market.currency
        )
        worth = [*(one.high for one in found.worth), found.worth_of_all]
        self.worth_told: Told = told(
            self.question.outcome, worth, self.question.config.market.currency
        )
        self.labels = {path: assumption_label(path) for path in self.question.assumptions}
        self.labels[WORLD] = "Luck, and all that was not varied"

    @property
    def decision(self) -> Decision:
        """The decision between the best option and the next one."""
        return self.found.decisions[self.found.deciding]

    # --- what is said first ------------------------------------------------------------------

    @property
    def headline(self) -> str:
        """What decides, and what it takes for the decision to change."""
        if not self.decision.is_clear:
            return f"{self._sides()} cannot be told apart on average: {self._strongest_words()}."
        nearest = self._likeliest()
        if nearest is None or nearest.beyond.value < HARDLY:
            return (f"{self._holds()}, and no single assumption is likely to change that: "
                    f"{self._strongest_words()}.")  # fmt: skip
        return (f"{self._holds()}. {self.flip_words(self.decision, nearest)}: "
                f"{chance_text(nearest.beyond.value)}.")  # fmt: skip

    def _likeliest(self) -> Flip | None:
        """Return the assumption beyond whose flip the truth lies most likely."""
        best = max(self.decision.flips, key=lambda flip: flip.beyond.value)
        return best if best.value is not None else None

    def _strongest_words(self) -> str:
        leaders = [in_sentence(self.labels[path]) for path in self.decision.leaders]
        if not leaders or len(leaders) > MOST_LEADERS:
            return "it cannot be told which single assumption decides most"
        if len(leaders) == 1:
            return f"{leaders[0]} decides most"
        return f"most is decided by {', '.join(leaders[:-1])} or {leaders[-1]}"

    def _sides(self) -> str:
        return (f"{self._name(self.decision.plan)} and "
                f"{self._name(self.decision.other)}")  # fmt: skip

    def _holds(self) -> str:
        """Say which side is better on average."""
        decision = self.decision
        if self._is_of_money(decision):
            verb = "pays" if decision.mean.value > 0 else "does not pay"
            return f"{self._name(decision.plan)} {verb} on average"
        better, worse = self._winner(decision)
        return f"{self._name(better)} is better than {self._name(worse)} on average"

    def _winner(self, decision: Decision) -> tuple[str, str]:
        """Return the side that is better on average, and the other one."""
        sides = (decision.plan, decision.other)
        return sides if self.question.better * decision.mean.value >= 0 else sides[::-1]

    def _is_of_money(self, decision: Decision) -> bool:
        """Whether zero parts gain from loss: a plan against today's, in money."""
        return self.told.about_zero and decision.other == self.question.today

    def _name(self, plan: str) -> str:
        return in_sentence(readable(plan))

    @property
    def tone(self) -> str:
        """Colour of the headline: whether a plan is better than today's, and hardly ever not."""
        if not self.decision.is_clear or self.decision.reversed_by_assumptions > 0.1:  # noqa: PLR2004
            return ""
        return "bad" if self._winner(self.decision)[0] == self.question.today else "good"

    @property
    def remarks(self) -> list[str]:
        """How sure the decision is, what knowing is worth, what luck does, what is left aside."""
        said = [self._mean_words(decision) for decision in self.found.decisions]
        return [*said, self._reversed_words(), self._worth_words(), *self._luck_words(),
                *self._left_words()]  # fmt: skip

    def _mean_words(self, decision: Decision) -> str:
        mean = decision.mean
        clear = "" if decision.is_clear else ", so the two cannot be told apart"
        return (
            f"{self._name(decision.plan)} against {self._name(decision.other)}: "
            f"{self._noun(decision)} {self.told.full(mean.value)} on average "
            f"(95% interval {self.told.full(mean.low)} to {self.told.full(mean.high)}){clear}."
        )

    def _noun(self, decision: Decision) -> str:
        against_today = self.told.about_zero and decision.other == self.question.today
        return self.told.noun if against_today else f"a difference in {self.told.noun} of"

    def _reversed_words(self) -> str:
        decision = self.decision
        worlds = decision.reversed_in_worlds
        return (
            f"At {_between(worlds)} of the points the other side came out better, luck included; "
            f"at {percent(decision.reversed_by_assumptions, 0)} the assumptions alone let one "
            f"expect it. These foretell {percent(max(decision.told, 0.0), 0)} of the differences."
        )

    def _worth_words(self) -> str:
        found = self.found
        best = int(np.argmax([one.value for one in found.worth]))
        one = found.worth[best]
        if self.worth_told.full(one.value) == self.worth_told.full(0.0):
            return (
                "Knowing any one assumption before deciding would be worth nothing that can be "
                f"seen; all {len(found.worth)} at once {self.worth_told.full(found.worth_of_all)}."
            )
        return (
            f"Before deciding, knowing {in_sentence(self.labels[found.kept[best]])} would be worth "
            f"most: {self.worth_told.full(one.value)} ({self.worth_told.full(one.low)} to "
            f"{self.worth_told.full(one.high)}); knowing all {len(found.worth)} at once "
            f"{self.worth_told.full(found.worth_of_all)}."
        )

    def _luck_words(self) -> Iterator[str]:
        sobol = self.decision.sobol
        if sobol is None:
            yield "Too few base samples are complete for Sobol indices."
            return
        share = sobol.total[sobol.names.index(WORLD)]
        yield (
            f"Luck, and what was not varied, makes {_between(share)} of the differences between "
            "points. More customers or more replications make it smaller; the curves average it "
            "out."
        )

    def _left_words(self) -> Iterator[str]:
        question, screening = self.question, self.found.screening
        if question.joint:
            yield (f"Drawn together and not varied one by one: the market's joint draws "
                   f"{', '.join(question.joint)}. They count as not varied.")  # fmt: skip
        if screening.beyond:
            yield (
                f"The screening would have kept {len(screening.beyond)} more, of smaller effect, "
                f"had there been room for more than {len(screening.kept)} (most)."
            )
        counts = self.found.contrasts[0].means.counts
        if counts.shown < counts.points:
            yield (f"{plain(counts.points - counts.shown)} of {plain(counts.points)} points are "
                   "left out: a world of theirs failed.")  # fmt: skip

    # --- flips in words ----------------------------------------------------------------------

    def flip_words(self, decision: Decision, flip: Flip) -> str:
        """Say at which value of an assumption the better side changes."""
        label = in_sentence(self.labels[flip.assumption.path])
        what = self._change_words(decision)
        if flip.value is None:
            return f"{what} nowhere within the range of {label}"
        verb = "rises above" if flip.above else "falls below"
        return f"{what} when {label} {verb} {short(flip.value)} (believed: {believed(flip)})"

    def _change_words(self, decision: Decision) -> str:
        better, worse = self._winner(decision)
        if self._is_of_money(decision):
            verb = "stops paying" if better == decision.plan else "begins to pay"
            return f"{self._name(decision.plan)} {verb}"
        return f"{self._name(worse)} becomes better than {self._name(better)}"

    def flip_table(self, place: int) -> TableView:
        """Return where a decision flips, by assumption, the likeliest first."""
        decision = self.found.decisions[place]
        columns = ["assumption", "believed", "flips", "95% interval", "chance that it does",
                   "decides"]  # fmt: skip
        if place == self.found.deciding:
            columns.append("worth knowing")
        rows = [self._flip_row(decision, flip, len(columns) - 1) for flip in ordered(decision)]
        return TableView(columns, rows)

    def _flip_row(self, decision: Decision, flip: Flip, n_cells: int) -> Row:
        path = flip.assumption.path
        at = self.found.kept.index(path)
        cells = [
            believed(flip), flip_text(flip), ends_text(flip), _between(flip.beyond),
            _between(decision.shares[at]), self.worth_told.number(self.found.worth[at].value),
        ]  # fmt: skip
        return Row(self.labels[path], cells[:n_cells], note=unit_text(flip),
                   strong=flip.beyond.low > 0)  # fmt: skip

    # --- parts of the page -------------------------------------------------------------------

    def finding(self) -> Finding:
        """Return all of it as a page."""
        question = self.question
        means = self.found.contrasts[0].means
        plans = ", ".join(self._name(plan) for plan in question.plans)
        facts = [
            question.config.title,
            f"{plans} against {self._name(question.today)}",
            f"{len(question.assumptions)} assumptions, {len(self.found.kept)} kept",
            f"{plain(means.counts.points)} points",
            f"{plain(question.config.customers)} simulated customers",
        ]
        title = f"What decides {self.told.noun}"
        return Finding("Sensitivity", title, facts, self.headline, self.tone, self.remarks,
                       list(self.parts()), self.tables())  # fmt: skip

    def parts(self) -> Iterator[tuple[Section, list[Drawn]]]:
        """Yield each section with its pictures."""
        for place in self._shown():
            yield self._flips(place)
        yield self._shares()
        yield self._screening()
        yield self._method(), []

    def _shown(self) -> list[int]:
        """Return the places of the decisions that are shown, the deciding one first."""
        places = range(len(self.found.decisions))
        return sorted(places, key=lambda place: place != self.found.deciding)[:MOST_DECISIONS]

    def _flips(self, place: int) -> tuple[Section, list[Drawn]]:
        decision = self.found.decisions[place]
        title = (f"{self._name(decision.plan)} against {self._name(decision.other)}: "
                 "where the decision flips")  # fmt: skip
        shown = ordered(decision)
        told_of = [flip for flip in shown if flip.value is not None][:3]
        lead = " ".join(f"{self.flip_words(decision, flip)}: {chance_text(flip.beyond.value)}."
                        for flip in told_of)  # fmt: skip
        if not decision.is_clear:
            lead = ("On average neither side is better as far as can be told, so a small change "
                    f"flips it. {lead}")  # fmt: skip
        picture = Drawn(
            _file_name("flips", decision),
            figures.curves(self.told, self.found.response, place, shown, self.labels),
            f"Expected {self.told.noun} over each assumption"
            if self._is_of_money(decision)
            else f"Expected difference in {self.told.noun} over each assumption",
            f"{self.told.unit or self.told.title}, all other assumptions averaged; bands are 95% "
            "intervals",
            "The hill at the foot of each panel shows which values are believed, orange where the "
            "other side would be better; the dot is where it changes, the bar its 95% interval.",
        )
        caption = ""
        if place == self.found.deciding:
            caption = (
                "Believed: the middle 90% of the assumption's own distribution. The chance is the "
                "probability under that distribution that the truth lies beyond the flip. Decides: "
                "its share of what can be expected, luck averaged out. Worth knowing: how much "
                "better one would choose among all plans and today's, "
                f"{self.worth_told.unit or self.told.title}."
            )
        section = Section(title, lead or self._never(decision), self.flip_table(place),
                          caption=caption, wide=True)  # fmt: skip
        return section, [picture]

    def _never(self, decision: Decision) -> str:
        return f"{self._change_words(decision)} nowhere within the range of any one assumption."

    def _shares(self) -> tuple[Section, list[Drawn]]:
        drawn, decision = [], self.decision
        for place in self._shown()[: MOST_DECISIONS - 1]:
            one = self.found.decisions[place]
            if one.sobol is not None:
                drawn.append(Drawn(
                    _file_name("shares", one),
                    figures.indices(one.sobol, self._by_share(one), self.labels),
                    f"{self._name(one.plan)} against {self._name(one.other)}",
                    "share of the differences between points; lines are 95% intervals",
                    f"Sobol indices from {plain(one.sobol.samples)} base samples."
                    if one is decision else "",
                ))  # fmt: skip
        names = [self.labels[path] for path in self.found.kept]
        order = np.argsort([-one.value for one in self.found.worth], kind="stable")
        drawn.append(Drawn(
            "worth", figures.worth(self.worth_told, [names[place] for place in order],
                                   [self.found.worth[place] for place in order],
                                   self.found.worth_of_all),
            "What knowing it would be worth", self.worth_told.unit or self.told.title,
            "Before choosing among all plans and today's; the line is what it is worth to know "
            "all of these at once.",
        ))  # fmt: skip
        words = self._strongest_words()
        lead = f"Between {self._sides()}, {words}."
        caption = (
            "Alone: what would go if the assumption were known. With others: what would remain if "
            "all others were known; what an assumption deals anew of luck is in it, which is most "
            "for those that move every customer. The last row is luck, that of simulated customers "
            "among it, and all that was not varied. Rows by what they decide, luck averaged out."
        )
        return Section("Which assumption decides", lead, caption=caption), drawn

    def _by_share(self, decision: Decision) -> list[str]:
        """Return the kept assumptions, those first that decide most."""
        order = np.argsort([-one.value for one in decision.shares], kind="stable")
        return [self.found.kept[place] for place in order]

    def _screening(self) -> tuple[Section, list[Drawn]]:
        found = self._screened()
        kept = self.found.kept
        order = [int(j) for j in np.argsort([-one.value for one in found.mu_star], kind="stable")]
        luck = found.mu_star[found.names.index(WORLD)]
        rows = [
            Row(self.labels[found.names[j]],
                [self.told.number(found.mu_star[j].value),
                 self._money_between(found.mu_star[j]),
                 self.told.number(float(found.mu[j])), self.told.number(float(found.sigma[j])),
                 "kept" if found.names[j] in kept else "left out"],
                strong=found.names[j] in kept)
            for j in order if found.names[j] != WORLD
        ]  # fmt: skip
        columns = ["assumption", f"mean size (μ*), {self.told.unit or self.told.title}",
                   "95% interval", "mean (μ)", "spread (σ)", "then"]  # fmt: skip
        lead = (
            f"Of {len(self.question.assumptions)} assumptions {len(kept)} were kept. Another world "
            f"with all assumptions as they are moves the outcome by "
            f"{self.told.full(luck.value)} on average."
        )
        more = f" The table has the {MOST_ROWS} largest." if len(rows) > MOST_ROWS else ""
        picture = Drawn(
            "screening", figures.screening(self.told, found, kept, self.labels.__getitem__),
            f"Size and unevenness of each assumption's effect on {self.told.noun}",
            f"{self.told.unit or self.told.title}",
            f"Elementary effects of {plain(found.trajectories)} trajectories (Morris). A dot near "
            "or above the line bends, or depends on others, or is luck; one far below acts the "
            f"same everywhere. Kept are those that matter for any decision.{more}",
        )  # fmt: skip
        section = Section("Which assumptions matter at all", lead,
                          TableView(columns, rows[:MOST_ROWS], frozenset({"then"})),
                          wide=True)  # fmt: skip
        return section, [picture]

    def _screened(self) -> Morris:
        """Return the screening's effects on the deciding contrast, or on the nearest to it."""
        screening, decision = self.found.screening, self.decision
        for contrast, effects in zip(screening.contrasts, screening.effects, strict=True):
            if {contrast.plan, contrast.other} == {decision.plan, decision.other}:
                return effects
        return screening.effects[-1]

    def _money_between(self, one: Interval) -> str:
        return f"{self.told.number(max(one.low, 0.0))} to {self.told.number(one.high)}"

    def _method(self) -> Section:
        response = self.found.response
        form = ("straight lines" if response.knots == 2  # noqa: PLR2004
                else f"splines of {response.knots} knots")  # fmt: skip
        if response.paired:
            form += " and products of pairs"
        lead = (
            f"Curves are {form}, chosen by cross-validation. Each base sample lies in worlds of "
            "its own, so all intervals hold both the luck of the design and that of the worlds. "
            "Assumptions are believed to be independent of each other, as the study draws them; "
            "an effect of two together shows in the shares, not in the curves."
        )
        return Section("How it was found", lead)

    # --- files -------------------------------------------------------------------------------

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return what goes into CSV files, by name."""
        decisions = list(zip(self.found.decisions, self.found.contrasts, strict=True))
        tables = {"flips": pd.concat([self._flip_frame(one) for one, _ in decisions],
                                     ignore_index=True)}  # fmt: skip
        indices = [_of(one, sobol_table(one.sobol)) for one, _ in decisions if one.sobol]
        if indices:
            tables["indices"] = pd.concat(indices, ignore_index=True)
        screening = self.found.screening
        tables["screening"] = pd.concat(
            [_of(contrast, morris_table(effects)) for contrast, effects in
             zip(screening.contrasts, screening.effects, strict=True)], ignore_index=True,
        )  # fmt: skip
        tables["curves"] = self._curve_frame()
        tables["worth"] = pd.DataFrame({
            "assumption": [*self.found.kept, "all"],
            "value": [*(one.value for one in self.found.worth), self.found.worth_of_all],
            "low": [*(one.low for one in self.found.worth), None],
            "high": [*(one.high for one in self.found.worth), None],
        })  # fmt: skip
        return tables

    def _flip_frame(self, decision: Decision) -> pd.DataFrame:
        return _of(decision, pd.DataFrame([
            {
                "assumption": flip.assumption.path, "flips_at": flip.value,
                "low": flip.low, "high": flip.high,
                "side": None if flip.value is None else "above" if flip.above else "below",
                "chance": flip.beyond.value, "chance_low": flip.beyond.low,
                "chance_high": flip.beyond.high, "possible": flip.possible,
                "decides": share.value, "decides_low": share.low, "decides_high": share.high,
            }
            for flip, share in zip(decision.flips, decision.shares, strict=True)
        ]))  # fmt: skip

    def _curve_frame(self) -> pd.DataFrame:
        response, frames = self.found.response, []
        for outcome, decision in enumerate(self.found.decisions):
            for place, path in enumerate(self.found.kept):
                low, high = response.band(place, outcome)
                own = {
                    "assumption": path,
                    "value": response.at[place],
                    "expected": response.curves[place, :, outcome],
                    "low": low,
                    "high": high,
                }
                frames.append(_of(decision, pd.DataFrame(own)))
        return pd.concat(frames, ignore_index=True)


def _file_name(picture: str, decision: Decision) -> str:
    return re.sub(r"\W+", "_", f"{picture}_{decision.plan}_{decision.other}")


def _of(sides: Decision | Contrast, frame: pd.DataFrame) -> pd.DataFrame:
    """Return a table with the two sides of the decision that it is of."""
    frame.insert(0, "plan", sides.plan)
    frame.insert(1, "other", sides.other)
    return frame


def ordered(decision: Decision) -> list[Flip]:
    """Return flips, the likeliest first; of those that never happen what decides most."""
    pairs = zip(decision.flips, decision.shares, strict=True)
    return [flip for flip, _ in sorted(
        pairs, key=lambda pair: (-round(pair[0].beyond.value, 3), -pair[1].value))]  # fmt: skip


# --- words ---------------------------------------------------------------------------------------


def assumption_label(path: str) -> str:
    """Return what an assumption is called.

    `lever.privacy.effects.trust.size` is "Privacy: effect on trust".
    """
    names = path.split(".")
    words = [name.replace("_", " ") for name in names]
    if names[0] == "lever" and len(names) > 3:  # noqa: PLR2004  # lever, its name, part, item
        lever, part = readable(names[1]), names[2]
        if part == "effects":
            return f"{lever}: effect on {CHANNELS.get(names[3], words[3])}"
        if part == "tasks":
            return f"{lever}: weeks to {words[3]}"
        told_of = [word for name, word in zip(names[3:], words[3:], strict=True)
                   if name != "tiers"]  # fmt: skip
        return f"{lever}: {', '.join(told_of)}"
    if names[:2] == ["market", "weights"]:
        return f"Customers' weight on {words[2]}"
    if names[:2] == ["market", "spread"]:
        return f"Customers' spread of {words[2]}"
    return factor_label(path, ROOM)


def unit_text(flip: Flip) -> str:
    """Return the unit of an assumption, if it tells a reader anything."""
    unit = flip.assumption.unit
    return "" if unit.startswith("as the") else unit


def believed(flip: Flip) -> str:
    """Return the middle 90% of what is believed of an assumption."""
    low, high = flip.assumption.at(np.array([0.05, 0.95]))
    return f"{short(float(low))} to {short(float(high))}"


def flip_text(flip: Flip) -> str:
    """Say at which value a decision flips, and on which side of it."""
    if flip.value is None:
        return "nowhere" if flip.possible <= HARDLY else "nowhere, perhaps"
    return f"{'above' if flip.above else 'below'} {short(flip.value)}"


def ends_text(flip: Flip) -> str:
    """Return the interval of a flip; an open end says that it may not flip on that side."""
    if flip.value is None:
        return DASH
    if math.isinf(flip.low) and math.isinf(flip.high):
        return "anywhere"
    if math.isinf(flip.high):
        return f"{short(flip.low)} or more"
    if math.isinf(flip.low):
        return f"{short(flip.high)} or less"
    return f"{short(flip.low)} to {short(flip.high)}"


def chance_text(probability: float) -> str:
    """Say a probability as people count: "about 2 chances in 10"."""
    simple = fraction(probability)
    if simple is None:
        return "hardly a chance" if probability < 0.5 else "almost sure"  # noqa: PLR2004
    k, n = simple
    return f"about {k} {'chance' if k == 1 else 'chances'} in {n}"


def _between(share: Interval) -> str:
    """Format a share with its interval."""
    low, high = (percent(min(max(end, 0.0), 1.0), 0) for end in (share.low, share.high))
    return f"{share_text(share)} ({low} to {high})"
