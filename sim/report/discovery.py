"""The page of `fidelio discover`: where a plan fails, in words, pictures and tables."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, Final

import numpy as np
import pandas as pd
from markupsafe import Markup

from sim.config.build import build
from sim.config.design import Apply
from sim.config.discover import By
from sim.config.edit import find_settings
from sim.config.study import Config
from sim.planning.discovery import (
    AGAIN,
    AMONG,
    CHANCE,
    FOLDS,
    Discovery,
    Dropped,
    Region,
    Restriction,
    Restrictions,
    Tested,
)
from sim.planning.failing import Question
from sim.planning.failure_tree import FailureTree
from sim.report import discovery_figures as figures
from sim.report.calibration import Row, Section, TableView
from sim.report.finding import Drawn, Finding
from sim.report.numbers import known, percent, plain
from sim.report.sweep_words import (
    Told,
    factor_label,
    notes,
    quoted_label,
    told,
    value_text,
    words,
)
from sim.report.words import in_sentence, readable
from sim.sweep.analysis import Interval
from sim.sweep.means import Document, Varied, column_of, currency_of

COUNTED: Final = ("quarters", "weeks", "years", "months")
"""Units that stand behind a value in a sentence; others are in the table."""
ORDER: Final = ("first", "second", "third", "fourth", "fifth")
WHY: Final = {
    "luck": f"as dense a region would be found without it more than {percent(CHANCE, 0)} of the "
    "time",
    "unstable": f"found again in fewer than {percent(AGAIN, 0)} of the samples drawn anew",
}
APPLIED: Final = {Apply.TIMES.value: "times as planned", Apply.PLUS.value: "more than planned"}
RING: Final = "Ring: the box that was chosen."
SQUARE: Final = (" Square: the first region, which is what is left of it once limits that may be "
                 "luck are gone.")  # fmt: skip


def units_of(manifest: Document) -> dict[str, str]:
    """Return the unit of each factor of a design that sets, multiplies or moves a number."""
    config = build(Config, manifest["configurations"][0]["configuration"])
    found = {}
    for factor in manifest["design"]["factors"]:
        values = factor.get("values") or ()
        if any(isinstance(value, str | bool) for value in values):
            continue
        apply = str(factor.get("apply") or Apply.SET.value)
        settings = [] if apply in APPLIED else find_settings(config, str(factor["key"]))
        found[column_of(factor)] = APPLIED.get(apply) or settings[0].limits.unit
    return found


class DiscoveryReport:
    """Where a plan fails, as the page, the files and the terminal tell it.

    Parameters
    ----------
    found
        The regions, and how sure they are.
    tree
        The second opinion.
    units
        By factor, see `units_of`; one that is missing is told without.
    """

    def __init__(self, found: Discovery, tree: FailureTree, units: Mapping[str, str]) -> None:
        self.found, self.tree, self.units = found, tree, units
        self.factors: dict[str, Varied] = {f.name: f for f in found.failing.factors}
        question = found.failing.question
        own = found.failing.worth.tolist() if question.by is By.MEAN else []
        currency = currency_of(found.failing.means.documents[0])
        self.told: Told = told(question.outcome, [*own, question.threshold.value], currency)

    # --- words -------------------------------------------------------------------------------

    @property
    def question(self) -> Question:
        """When a point fails."""
        return self.found.failing.question

    @property
    def plan(self) -> str:
        """The plan, as it stands in a sentence."""
        return in_sentence(readable(str(self.question.plan)))

    @cached_property
    def fails(self) -> str:
        """When a point fails, as the end of a sentence that begins with where."""
        question, say = self.question, self.told
        value = question.threshold.value
        side = "below" if question.threshold.below else "above"
        limit = "zero" if value == 0 else say.full(value)
        what = say.noun
        if question.against is not None:
            what += f" less that of {in_sentence(readable(question.against))}"
        if question.by is By.WORLD:
            return f"{what} is {side} {limit} in {percent(question.share, 0)} of futures or more"
        return f"the mean {what} is {side} {limit}"

    def where(self, box: Restrictions) -> str:
        """Say where a box lies: its limits, joined."""
        parts = [f"{quoted_label(name)} {self.limit_text(name, own)}"
                 for name, own in by_factor(box).items()]  # fmt: skip
        return words().join(parts)

    def limit_text(self, name: str, own: Sequence[Restriction]) -> str:
        """Say what the limits of one factor are: "is 0.3 or less", "is not hold"."""
        factor = self.factors[name]
        if own[0].side == AMONG:
            return _among(factor, own[0].levels)
        unit = self._unit(name)
        ends = {one.side: value_text(factor, one.limit) for one in own}
        low, high = ends.get("low"), ends.get("high")
        inside = np.unique(
            factor.numbers[np.all([one.holds(factor.numbers) for one in own], axis=0)]
        )
        if len(inside) == 1:
            return f"is {value_text(factor, float(inside[0]))}{unit}"
        if low is not None and high is not None:
            return f"is {low} to {high}{unit}"
        return f"is {high}{unit} or less" if low is None else f"is {low}{unit} or more"

    def _unit(self, name: str) -> str:
        unit = self.units.get(name, "")
        return f" {unit}" if unit in COUNTED or unit in APPLIED.values() else ""

    @property
    def headline(self) -> str:
        """The answer."""
        found = self.found
        n, k = len(found.failing), int(found.failing.fails.sum())
        start = f"{self.plan} fails at {plain(k)} of {plain(n)} points: there {self.fails}."
        if not found.regions:
            return f"{start} These points gather nowhere that the factors tell."
        region = found.regions[0]
        if not found.proven:
            return (f"{start} They may gather where {self.where(region.restrictions)}, but at "
                    "points kept back this cannot be told from luck.")  # fmt: skip
        return (f"{start} It fails above all where {self.where(region.restrictions)}: "
                f"{percent(region.density.value, 0)} of the points there fail, which are "
                f"{percent(region.coverage.value, 0)} of all that do.")  # fmt: skip

    @property
    def tone(self) -> str:
        """Colour of the headline."""
        return "bad" if self.found.proven else ""

    @property
    def remarks(self) -> list[str]:
        """How sure the answer is, and what is left out."""
        found, failing = self.found, self.found.failing
        said = []
        if found.regions:
            said.append(self._tested_text(found.tested_first))
            if (density := found.regions[0].density.value) < found.wanted:
                said.append(
                    f"A region was wanted in which {percent(found.wanted, 0)} of the points fail; "
                    f"none that lasts is as dense as that, and this one has {percent(density, 0)}."
                )  # fmt: skip
        said += [self._second(j) for j in range(1, len(found.regions))]
        if failing.unsure:
            said.append(f"At {plain(failing.unsure)} points it is not sure on which side of the "
                        "threshold they lie: more futures of each would tell.")  # fmt: skip
        elif failing.unsure is None:
            said.append("With one future of each point, luck alone puts some points on the wrong "
                        "side of the threshold.")  # fmt: skip
        if found.drawn_of > len(failing):
            said.append(f"Of {plain(found.drawn_of)} points {plain(len(failing))} were drawn by "
                        "lot and looked at.")  # fmt: skip
        return said + self._left_out()

    def _left_out(self) -> list[str]:
        failing, say = self.found.failing, self.told
        said = []
        if failing.left_out:
            said.append(f"{plain(failing.left_out)} points are left out, since {say.noun} does "
                        "not exist in any of their futures.")  # fmt: skip
        if failing.partly:
            said.append(f"At {plain(failing.partly)} points {say.noun} exists in some futures "
                        "only; they are judged by those.")  # fmt: skip
        counts = failing.means.counts
        every = notes(words(), say, counts, failing.means.constant)
        # Points without the outcome are told above, for they depend on how points are judged.
        return said + [text for text in every if say.noun not in text]

    def _tested_text(self, tested: Tested) -> str:
        if not tested.found:
            return f"In none of {FOLDS} parts of the points was a region found again."
        return (
            f"Looked for again in {FOLDS - 1} of {FOLDS} parts of the points, a region was found "
            f"{tested.found} of {FOLDS} times; at the points kept back "
            f"{interval_text(tested.density)} of those inside failed, where "
            f"{percent(self.found.base, 0)} of all points fail."
        )

    def _second(self, j: int) -> str:
        region = self.found.regions[j]
        return (f"Of what is left, a {ORDER[j]} region has {percent(region.density.value, 0)} "
                f"failing points, {percent(region.coverage.value, 0)} of all: where "
                f"{self.where(region.restrictions)}.")  # fmt: skip

    def facts(self) -> Iterator[str]:
        """Yield what stands under the title."""
        failing = self.found.failing
        yield f"{plain(len(failing))} points"
        yield f"{percent(self.found.base, 0)} of them fail"
        yield f"{plain(len(failing.factors))} factors"
        yield f"plan {self.plan}"
        if self.question.against is not None:
            yield f"against {in_sentence(readable(self.question.against))}"

    @property
    def title(self) -> str:
        """What is looked at."""
        design = self.found.failing.means.documents[0]["design"]
        name = design.get("title") or readable(str(design.get("name") or design["kind"]))
        return f"Where {self.plan} fails: {name}"

    # --- parts of the page -------------------------------------------------------------------

    def finding(self) -> Finding:
        """Return the page and its files."""
        return Finding(
            "Scenario discovery", self.title, [*self.facts()], self.headline, self.tone,
            self.remarks, [*self._parts()], self.tables(), {"discovery": self.document()},
        )  # fmt: skip

    def _parts(self) -> Iterator[tuple[Section, list[Drawn]]]:
        for number, region in enumerate(self.found.regions):
            yield self._region(number, region)
        if self.found.regions:
            yield self._sure(), []
        yield self._way()
        yield self._tree(), []

    def region_title(self, number: int) -> str:
        """Name a region, with its density and coverage."""
        region = self.found.regions[number]
        return (f"The {ORDER[number]} region: {percent(region.density.value, 0)} of its points "
                f"fail, {percent(region.coverage.value, 0)} of all that do")  # fmt: skip

    limit_columns = ("Limit", "Inside", "Varied", "If it were luck", "Found again")

    def limit_rows(self, region: Region) -> list[Row]:
        """Return a row for each factor that a region limits."""
        return [
            Row(factor_label(name, 60),
                [self.limit_text(name, own), self.range_text(name),
                 chance_text(max(one.quasi_p for one in own)),
                 percent(min(one.again for one in own), 0)],
                note=self.units.get(name, ""))
            for name, own in by_factor(region.restrictions).items()
        ]  # fmt: skip

    def range_text(self, name: str) -> str:
        """Say between what a factor was varied."""
        factor = self.factors[name]
        if not factor.is_number:
            return ", ".join(level.replace("_", " ") for level in factor.levels)
        ends = (float(factor.numbers.min()), float(factor.numbers.max()))
        return " to ".join(value_text(factor, end) for end in ends)

    def _region(self, number: int, region: Region) -> tuple[Section, list[Drawn]]:
        failing = self.found.failing
        texts = {name: self.limit_text(name, own)
                 for name, own in by_factor(region.restrictions).items()}  # fmt: skip
        lead = f"Where {self.where(region.restrictions)}."
        if number:
            lead += " Points of the regions before it do not count here."
        drawn = [
            Drawn(
                f"region_{number + 1}", figures.limits(failing, region.restrictions, texts),
                "What the region is limited to",
                "each bar is a factor's range as it was varied",
                "Marks of values that many points share are spread a little.",
            )
        ]  # fmt: skip
        messages = [Markup.escape(self._dropped_text(one)) for one in region.dropped]
        table = TableView(self.limit_columns, self.limit_rows(region),
                          frozenset({"Inside", "Varied"}))  # fmt: skip
        caption = ("If it were luck: how often so dense a region would be found if the limit did "
                   "nothing (quasi-p). Found again: of the samples drawn anew from the points, "
                   "those that limit the same factor on the same side.")  # fmt: skip
        return Section(self.region_title(number), lead, table, caption=caption, messages=messages,
                       wide=True), drawn  # fmt: skip

    def _dropped_text(self, dropped: Dropped) -> str:
        one = dropped.restriction
        why = WHY[dropped.why]
        return (f"Not kept: {quoted_label(one.factor)} {self.limit_text(one.factor, [one])}; "
                f"{why}.")  # fmt: skip

    def _sure(self) -> Section:
        found = self.found
        rows = []
        for number, region in enumerate(found.regions):
            rows.append(Row(f"The {ORDER[number]} region", [
                plain(int(region.inside.sum())), plain(region.failing),
                interval_text(region.density), interval_text(region.coverage)]))  # fmt: skip
        tests = [("The first, at points kept back", found.tested_first)]
        if len(found.regions) > 1:
            tests.append(("All together, at points kept back", found.tested))
        rows += [Row(name, ["", "", interval_text(one.density), interval_text(one.coverage)],
                     strong=True) for name, one in tests]  # fmt: skip
        columns = ["Where", "Points", "Of them fail", "Density", "Coverage"]
        caption = ("In brackets 95% intervals (Wilson). Points kept back: in turn a fifth of the "
                   "points judges a region that was made from the others by the same rule. These "
                   "figures are the honest ones: a region always looks best at the points that it "
                   "was made from.")  # fmt: skip
        lead = ("Density: of the points inside, the share that fails. Coverage: of all that fail, "
                "the share inside.")  # fmt: skip
        return Section("How sure this is", lead, TableView(columns, rows), caption=caption)

    def _way(self) -> tuple[Section, list[Drawn]]:
        found = self.found
        regions = found.regions
        kept = (regions[0].coverage.value, regions[0].density.value) if regions else None
        way = Drawn(
            "trajectory", figures.way_inwards(found.first, found.chosen, found.wanted, kept),
            "From all points inwards", "each dot is a box, a slice smaller than the one before",
            RING + SQUARE if regions else RING,
        )  # fmt: skip
        lead = (f"Of the boxes of which at least {percent(found.wanted, 0)} fails, that with the "
                "best balance of coverage and density (their harmonic mean) was chosen; where none "
                "is as dense, of all. density= asks for another density, box= for a box by its "
                "number in trajectory.csv.")  # fmt: skip
        messages = [] if regions else [Markup.escape(self._dropped_text(one))
                                       for one in found.dropped]  # fmt: skip
        drawn = [way, *([self._pair(regions[0])] if regions and len(self.factors) > 1 else [])]
        return Section("How the region was chosen", lead, messages=messages), drawn

    def _pair(self, region: Region) -> Drawn:
        strength = {name: min(one.quasi_p for one in own)
                    for name, own in by_factor(region.restrictions).items()}  # fmt: skip
        names = sorted(strength, key=lambda name: strength[name])
        title = ("The two limits that tell most" if len(names) > 1
                 else "The limit, and another factor")  # fmt: skip
        cut = [one.factor for leaf in self.tree.leaves for one in leaf.restrictions]
        names += [name for name in dict.fromkeys([*cut, *self.factors]) if name not in strength]
        x, y = (self.factors[name] for name in names[:2])
        others = strength.keys() - {x.name, y.name}
        faint = " Faint points lie outside another limit of the region." if others else ""
        return Drawn(
            "pair", figures.pair(self.found.failing, region.restrictions, x, y),
            title, "each dot is a point",
            f"At most {figures.DOTS} points are drawn.{faint}",
        )  # fmt: skip

    def _tree(self) -> Section:
        tree = self.tree
        title = "A second opinion: a tree"
        if len(tree.leaves) == 1:
            return Section(title, "A tree finds no cut that foretells which points fail better "
                           "than saying the same of all.")  # fmt: skip
        rows = [Row(self._leaf_text(leaf.restrictions), [
            plain(leaf.points), interval_text(leaf.density), interval_text(leaf.coverage)],
            strong=leaf.fails) for leaf in tree.leaves]  # fmt: skip
        lead = (f"Cut in two again and again, the points fall into {len(tree.leaves)} boxes. Trees "
                f"made from four fifths of the points foretell {interval_text(tree.accuracy)} of "
                f"the others rightly; always saying the same would be right at "
                f"{percent(tree.guess, 0)}. ")  # fmt: skip
        if known(tree.density.value) is not None:
            lead += (f"Of those that they call failing, {interval_text(tree.density)} fail, which "
                     f"are {interval_text(tree.coverage)} of all that do. ")  # fmt: skip
        lead += self._agreement()
        columns = ["Where", "Points", "Density", "Coverage"]
        caption = "Bold: most of the box's points fail. In brackets: 95% intervals."
        return Section(title, lead, TableView(columns, rows), caption=caption)

    def _leaf_text(self, box: Restrictions) -> str:
        parts = [f"{factor_label(name, 60)} {self.limit_text(name, own)}"
                 for name, own in by_factor(box).items()]  # fmt: skip
        return "; ".join(parts)

    def _agreement(self) -> str:
        """Say whether the tree's failing boxes name the factors of the first region."""
        named = {one.factor for leaf in self.tree.leaves if leaf.fails for one in leaf.restrictions}
        if not self.found.regions or not named:
            return ""
        own = {one.factor for one in self.found.regions[0].restrictions}
        if own <= named:
            return "It names the factors of the first region, too."
        missing = words().join([quoted_label(name) for name in sorted(own - named)])
        return f"It does not need {missing}."

    # --- files -------------------------------------------------------------------------------

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return what goes into CSV files, by name."""
        found, failing = self.found, self.found.failing
        region = np.zeros(len(failing), dtype=np.int64)
        for number, one in enumerate(found.regions):
            region[one.inside] = number + 1
        way = found.first
        judged = "mean" if self.question.by is By.MEAN else "share_failing"
        return {
            "regions": pd.DataFrame(
                [{"region": number + 1, **restriction_row(self.factors[one.factor], one)}
                 for number, each in enumerate(found.regions) for one in each.restrictions],
                columns=["region", *RESTRICTION_COLUMNS],
            ),
            "trajectory": pd.DataFrame({
                "box": np.arange(len(way.boxes)) + 1, "coverage": way.coverage,
                "density": way.density, "mass": way.mass, "factors": way.n_factors,
                "chosen": np.arange(len(way.boxes)) == found.chosen,
                "where": [self._leaf_text(box) for box in way.boxes],
            }),
            "tree": pd.DataFrame([{
                "where": self._leaf_text(leaf.restrictions), "points": leaf.points,
                "failing": leaf.failing, "density": leaf.density.value,
                "coverage": leaf.coverage.value} for leaf in self.tree.leaves]),
            "points": pd.DataFrame({"point": failing.points, judged: failing.worth,
                                    "fails": failing.fails, "region": region}),
        }  # fmt: skip

    def document(self) -> dict[str, Any]:
        """Return what discovery.json holds."""
        found, question = self.found, self.question
        return {
            "question": {
                "outcome": question.outcome, "plan": question.plan, "against": question.against,
                question.threshold.key: question.threshold.value, "by": question.by.value,
                "share": question.share,
            },
            "points": len(found.failing), "failing": int(found.failing.fails.sum()),
            "wanted_density": found.wanted, "proven": found.proven,
            "regions": [{
                "where": self.where(region.restrictions), "points": int(region.inside.sum()),
                "failing": region.failing, "density": _ends(region.density),
                "coverage": _ends(region.coverage), "dense_enough": region.dense,
                "restrictions": [restriction_row(self.factors[one.factor], one)
                                 for one in region.restrictions],
                "dropped": [{**restriction_row(self.factors[one.restriction.factor],
                                               one.restriction), "why": one.why}
                            for one in region.dropped],
            } for region in found.regions],
            "kept_back": {
                name: {"density": _ends(one.density), "coverage": _ends(one.coverage),
                       "folds_with_a_region": one.found, "folds": FOLDS}
                for name, one in (("first", found.tested_first), ("all", found.tested))
            },
            "tree": {
                "accuracy": _ends(self.tree.accuracy), "guess": self.tree.guess,
                "leaves": [{
                    "points": leaf.points, "failing": leaf.failing,
                    "density": _ends(leaf.density), "coverage": _ends(leaf.coverage),
                    "restrictions": [restriction_row(self.factors[one.factor], one)
                                     for one in leaf.restrictions],
                } for leaf in self.tree.leaves],
            },
        }  # fmt: skip


RESTRICTION_COLUMNS: Final = ("factor", "side", "limit", "levels", "quasi_p", "found_again")


def restriction_row(factor: Varied, one: Restriction) -> dict[str, Any]:
    """Return a limit as files have it: texts by name, what was not computed as None."""
    levels = " ".join(factor.levels[level] for level in one.levels)
    values = (one.factor, one.side, known(one.limit), levels, known(one.quasi_p), known(one.again))
    return dict(zip(RESTRICTION_COLUMNS, values, strict=True))


def by_factor(box: Iterable[Restriction]) -> dict[str, list[Restriction]]:
    """Return limits by the factor that they are of, in order."""
    found: dict[str, list[Restriction]] = {}
    for one in box:
        found.setdefault(one.factor, []).append(one)
    return found


def _among(factor: Varied, levels: Sequence[int]) -> str:
    """Say which texts are inside, or which are not if those are fewer."""
    others = [level for level in range(len(factor.levels)) if level not in levels]
    few, verb = (others, "is not") if 0 < len(others) < len(levels) else (levels, "is")
    return f"{verb} {' or '.join(value_text(factor, float(level)) for level in few)}"


def interval_text(share: Interval) -> str:
    """Format a share with its interval."""
    if not math.isfinite(share.value):
        return plain(None)
    low, high = (percent(end, 0) for end in (share.low, share.high))
    return f"{percent(share.value, 0)} ({low} to {high})"


def chance_text(chance: float) -> str:
    """Format a probability that may be next to nothing."""
    return "less than 0.1%" if chance < 0.001 else percent(chance, 1)  # noqa: PLR2004


def _ends(share: Interval) -> dict[str, float | None]:
    return {"value": known(share.value), "low": known(share.low), "high": known(share.high)}
