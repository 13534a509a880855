"""Every word of a report, in one place, and the sentences that depend on the result.

Text is looked up by key in a table per language, so that a language is added as a table:
sentences are whole templates, never glued from halves, because word order differs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from sim.report.folder import RunFolder
from sim.report.numbers import HARD, MoneyUnit, fraction, known, money_unit, percent, plain

ENGLISH: Final[Mapping[str, str]] = {
    # The page around the result
    "language": "en",
    "product": "Fidelio",
    "kind.run": "Loyalty plan report",
    "kind.compare": "Loyalty plans compared",
    "page.title": "{plan} against {baseline}",
    "page.title.compare": "{n} plans against {baseline}",
    "fact.customers": "{n} simulated customers",
    "fact.quarters": "{n} quarters",
    "fact.replications": "{n} simulated futures",
    "fact.currency": "money in {currency}",
    "footer": "Made by Fidelio from the files of one run. A simulation tells what follows from its "
    "assumptions; the section on what the answer rests on says which they are.",
    # Verdict on one plan
    "verdict.gain": "Over {quarters} quarters, {plan} returns {money} more than it costs, on "
    "average. It loses money in {odds}.",
    "verdict.loss": "Over {quarters} quarters, {plan} loses {money} on average: it costs more "
    "than it brings back. It loses money in {odds}.",
    "verdict.unclear": "Over {quarters} quarters, {plan} and {baseline} cannot be told apart on "
    "money. {plan_start} loses money in {odds}.",
    "verdict.same": "{plan_start} changes nothing: over {quarters} quarters every difference to "
    "{baseline} is exactly zero.",
    "verdict.unknown": "This run holds no net present value for {plan}, so it gives no verdict on "
    "money.",
    "verdict.interval": "Net present value against {baseline}: {mean} on average; 95% interval of "
    "the mean {low} to {high}; 8 of 10 futures lie between {p10} and {p90}.",
    "verdict.note.unclear": "The 95% interval of the mean spans zero. More replications would "
    "narrow it; they would not narrow the spread between futures.",
    "verdict.note.single": "With one replication there is no interval: run more to know how sure "
    "this is.",
    "odds.none": "none of the {n} simulated futures",
    "odds.all": "all of the {n} simulated futures",
    "odds.count": "{k} of the {n} simulated futures",
    "odds.fraction": "{k} of {m} futures",
    "odds.about": "about {k} of {m} futures",
    # Verdict on several plans
    "verdict.best": "Of the {n} plans, {plan} returns the most: over {quarters} quarters {money} "
    "more than it costs, on average. It is the best choice in {odds}.",
    "verdict.none_pays": "None of the {n} plans pays: over {quarters} quarters even the best, "
    "{plan}, loses {money} on average against {baseline}.",
    "verdict.none_clear": "Over {quarters} quarters, none of the {n} plans can be told apart from "
    "{baseline} for the better. The best on average is {plan}, with {money}.",
    "verdict.tied": "It cannot be told apart from {others}.",
    "verdict.ahead": "Its average is clearly ahead of every other plan.",
    "verdict.market": "This market fails {k} of {n} published regularities: {laws}.",
    "list.and": "{first} and {last}",
    # Key figures
    "key.npv": "Net present value",
    "key.roi": "Return on investment",
    "key.payback_quarter": "Payback",
    "key.churn_annual": "Annual churn",
    "key.loyalty_index": "Loyalty index",
    "key.risk": "Chance of a loss",
    "key.range": "8 of 10 futures: {low} to {high}",
    "key.levels": "{baseline} without, {plan} with the plan",
    "key.payback.quarter": "Quarter{space}{n}",
    "key.payback.never": "Never",
    "key.payback.share": "paid back within {quarters} quarters in {k} of {n} futures",
    "key.risk.note": "Worst 5% of futures: {cvar} on average",
    "key.best": "Best of all in {share} of futures",
    "key.loss": "Loses money in {share} of futures",
    "key.interval": "95% interval {low} to {high}",
    "key.points": "{n} points",
    # Sections
    "section.outcomes": "What changes",
    "section.outcomes.lead": "Both plans meet the same simulated futures, so the difference is "
    "the plan's own effect. The 95% interval says how exactly its average is known; the span of "
    "8 of 10 futures says how far the futures differ.",
    "section.money": "What it returns",
    "section.books": "The money in full",
    "section.books.compare": "Each plan against {baseline}, in {unit}: the average, and beneath it "
    "8 of 10 futures, or a dash if all futures are the same. Bold figures differ clearly from zero "
    "(their 95% interval leaves it out).",
    "section.books.figures": "Against {baseline}, in {unit}.",
    "section.books.statement": "{plan} against {baseline}, in {unit}, averages over "
    "futures, not discounted but for the last line. Lines in bold are sums.",
    "section.customers": "What customers do",
    "section.spend": "What is spent, and when",
    "section.spend.lead": "Planned spending in {currency}, by lever and phase.",
    "section.spend.compare": "Planned spending in {currency} over the whole plan, by lever.",
    "section.segments": "Who responds",
    "section.segments.lead": "Each segment in quarter {quarter}, {baseline} → {plan} (averages). "
    "Revenue is the change over all {quarters} quarters.",
    "section.rollout": "How the work gets done",
    "section.risks": "What may go wrong",
    "section.risks.lead": "Every plan meets the same bad luck, unless one of its levers makes an "
    "event rarer or milder. Every future was lived once more without any event; the difference, "
    "in discounted net cash over {quarters} quarters, is what the events cost. The effect of one "
    "event is in {unit}; probability times impact is that effect times the events per future. "
    "The costliest risk comes first.",
    "section.risks.compare": "Every plan meets the same bad luck, unless one of its levers makes "
    "an event rarer or milder. Shown is the share of futures hit; beneath it probability times "
    "impact: the average effect on the plan's own discounted net cash against the same futures "
    "without any event, in {unit}.",
    "section.risks.bare": "Every plan meets the same bad luck, unless one of its levers makes an "
    "event rarer or milder. This run does not tell what events cost.",
    "section.decisions.gate": "What the gate decided",
    "section.decisions.review": "What the reviews decided",
    "section.decisions.both": "What the reviews and the gate decided",
    "section.warning": "Early warning",
    "section.warning.lead": "The company scores every customer by what it can see, and the "
    "simulation knows who left. Figures are for the last year, averages over the futures.",
    "section.tiers": "Members by tier",
    "section.tiers.lead": "Members under {plan}, with each tier's share of them: at its start, "
    "after {quarters} quarters, and how many of a tier's members move in a year (averages).",
    "section.sure": "How sure this is",
    "section.rests": "What the answer rests on",
    "section.scorecard": "How like a real market this one is",
    "section.scorecard.lead": "It shows {k} of {n} published regularities of its kind of market, "
    "in {worlds} worlds of {customers} customers under today's plan, uncertain numbers at their "
    "medians. None of them has a rule of its own in the model.",
    "section.scorecard.quick": "This is a quick look, without the regularities that take long; "
    "fidelio validate looks at all of them.",
    "kind.validate": "Validation report",
    "market.repertoire": "repertoire market",
    "market.subscription": "subscription market",
    "fact.worlds": "{n} worlds",
    "verdict.regularities": "This market shows {k} of {n} published regularities of its kind.",
    "section.regularities": "Regularity by regularity",
    "section.regularities.lead": "What was published, and what an observer of the simulated market "
    "counts under today's plan. None of it has a rule of its own in the model.",
    "caption.regularities": "Means over worlds, ± half of the 95% interval. A figure fails if that "
    "interval lies outside its target. Figures in grey are shown and not judged.",
    "column.figure": "Figure",
    "column.target": "Target",
    "section.pictures": "How it looks",
    "figure.jeopardy": "Double jeopardy line",
    "figure.jeopardy.unit": "dots: brands here; line: what a fitted Dirichlet expects",
    "figure.jeopardy.caption": "Small brands suffer twice: far fewer buyers, who also buy a "
    "little less often.",
    "figure.purchases": "How often people buy",
    "figure.purchases.unit": "share of people; bars: here; dots: fitted NBD",
    "figure.purchases.caption": "Most buy seldom, a few very often.",
    "figure.growth": "Buyers in a longer window",
    "figure.growth.unit": "share of people; dots: here; lines: foreseen from one quarter by the "
    "NBD",
    "figure.growth.caption": "Of people who stay in the category all year.",
    "figure.retention": "Retention of a cohort",
    "figure.retention.unit": "share of first-time buyers of the focal brand",
    "figure.retention.caption": "Blue: who buys in that quarter. Grey: the same as a share of "
    "the quarter before; it rises since those who leave easily leave first.",
    "figure.promotion": "Bump and dip of a promotion",
    "figure.promotion.unit": "change of sales against no cut; blue: the brand, grey: the category",
    "figure.promotion.caption": "A rival cuts its price in the first quarter; nothing else "
    "differs.",
    "figure.programme": "Behaviour and attitude under a loyalty programme",
    "figure.programme.unit": "change against today's plan",
    "figure.programme.caption": "Share of purchases, and the mean answer to whether one would "
    "recommend the brand.",
    "section.duplication": "Who also buys what",
    "section.duplication.lead": "Share of each brand's buyers of a year who also buy another. The "
    "last line is what proportion alone would give: D times the brand's own penetration.",
    "duplication.buyers": "Buyers of {brand}",
    "duplication.of": "also buy",
    "duplication.expected": "D = {d} times penetration",
    "footer.validate": "Made by Fidelio from one market file. That a market shows these "
    "regularities does not make its other numbers right; that it fails one says where to look.",
    "scorecard.pass": "shows it",
    "scorecard.fail": "fails",
    "scorecard.untried": "not tried",
    "scorecard.all": "All {n} regularities",
    "section.notes": "Notes and warnings",
    "section.cash": "Incremental cash flow by quarter",
    "section.cash.lead": "{unit}, plan minus {baseline}, not discounted. Income and cost columns "
    "are averages and add up to the average net; P10, P50 and P90 do not add up.",
    "section.reproduce": "How to reproduce this",
    "section.reproduce.lead": "The same command gives the same numbers, on any number of threads.",
    "section.pairs": "Plan against plan",
    "section.pairs.lead": "Difference in net present value between two plans that meet the same "
    "futures, in {unit}.",
    "section.table.compare": "Side by side",
    "section.table.compare.lead": "Money figures are each plan's difference to {baseline}, in "
    "{unit}. For the rest: the level, and beneath it the difference. Bold figures differ clearly "
    "(their 95% interval leaves out zero).",
    # The money in full
    "books.lead.left": "Net present value is {before} before tax and {after} after tax of {rate} "
    "of profit.",
    "books.lead.later": "What the plan's customers go on to bring in the {years} years after the "
    "horizon, {later} after tax, is kept apart: no other section counts it.",
    "books.lead.no_later": "What comes after the horizon is not counted.",
    "books.lead.peak": "At its deepest a future ties up {peak} on average, and 1 in 10 ties up "
    "more than {high}.",
    "books.lead.free": "The plan never ties up money.",
    "books.exact": "the same in every future",
    "books.basis": "All in prices of quarter 1, discounted at {real} a year, which with prices "
    "rising by {inflation} is {nominal} in money of its day. Capital is written down over {years} "
    "years, at what was paid for it, and what is left at the horizon is written off. A loss lowers "
    "the tax of the firm at once. Points are charged when they are earned; they take cash when "
    "they are redeemed.",
    "books.later.caption": "What comes after the horizon: the margin of the year before the last "
    "quarter, without the plan's own spending, shrinking as fast as the plan loses customers. It "
    "takes for granted that the customers stay as they are when the levers stop, so read it as an "
    "upper end.",
    "books.npv_before_tax": "Net present value before tax",
    "books.npv_before_tax.note": "the one in the rest of this page",
    "books.npv_after_tax": "Net present value after tax",
    "books.npv_after_tax.note": "what is left for the owners",
    "books.terminal_value": "After the horizon",
    "books.terminal_value.note": "what customers go on to bring, after tax, discounted",
    "books.npv_with_terminal_value": "After tax, with what comes after",
    "books.npv_with_terminal_value.note": "the two above together",
    "books.capital_spent": "Capital",
    "books.capital_spent.note": "spent once, not discounted",
    "books.running_spent": "Running cost",
    "books.running_spent.note": "levers, upkeep and staff, not discounted",
    "books.peak_funding": "Peak funding",
    "books.peak_funding.note": "the most that each future ties up, before tax, not discounted",
    "books.cash_after_tax": "Cash after tax",
    "books.cash_after_tax.note": "added up, not discounted",
    "books.cash_after_tax_nominal": "Cash after tax, in money of its day",
    "books.cash_after_tax_nominal.note": "the same with inflation, as accounts will show it",
    "books.abroad": "{figure} ({unit})",
    "books.abroad.note": "{rate} {currency} for one {home} in quarter 1",
    "books.quarter": "Quarter{space}{first}",
    "books.quarters": "Quarters{space}{first} to{space}{last}",
    "books.sales": "Revenue and fees",
    "books.goods": "Cost of goods",
    "books.customers": "Rewards, service, winning and saving customers",
    "books.points": "Points earned and not yet redeemed",
    "books.contribution": "Contribution",
    "books.running": "Running cost of levers, staff",
    "books.ebitda": "Profit before depreciation, interest and tax",
    "books.depreciation": "Depreciation and write-off",
    "books.ebit": "Profit before interest and tax",
    "books.tax": "Tax",
    "books.profit": "Profit after tax",
    "books.added_back": "Depreciation, which takes no cash",
    "books.capital": "Capital spent",
    "books.points_back": "Points owed, which take no cash yet",
    "books.cash": "Free cash flow after tax",
    "books.present_value": "The same, discounted",
    "bridge.margin": "Extra margin",
    "bridge.running": "Running cost",
    "bridge.capital": "Capital",
    "bridge.before": "Net present value\nbefore tax",
    "bridge.tax": "Tax",
    "bridge.after": "Net present value\nafter tax",
    "bridge.later": "After the\nhorizon",
    "bridge.whole": "With what\ncomes after",
    "bridge.apart": "kept apart",
    # Leads that depend on the result
    "lead.customers": "With the plan, {churn}; {index}.",
    "move.churn_annual.down": "annual churn is {amount} lower than under {baseline}",
    "move.churn_annual.up": "annual churn is {amount} higher than under {baseline}",
    "move.churn_annual.none": "annual churn cannot be told apart from {baseline}",
    "move.churn_annual.same": "annual churn is the same as under {baseline}",
    "move.loyalty_index.up": "the loyalty index stands {amount} higher",
    "move.loyalty_index.down": "the loyalty index stands {amount} lower",
    "move.loyalty_index.none": "the loyalty index shows no clear change",
    "move.loyalty_index.same": "so is the loyalty index",
    "amount.points": "{n} points",
    "lead.cash.paid": "On average the plan has paid for itself by quarter {quarter}; until then it "
    "ties up as much as {trough}.",
    "lead.cash.never": "On average the plan does not pay for itself within {quarters} quarters; it "
    "ties up as much as {trough}.",
    "lead.cash.same": "The plan moves no cash: both plans are the same.",
    "lead.cash.free": "On average the plan never ties up cash: it earns from its first quarter.",
    "lead.sure": "The futures differ for two reasons: luck, and what nobody knows yet. "
    "{ignorance} of the spread in net present value comes from unknown parameters and {chance} "
    "from luck. {advice}",
    "lead.sure.learn": "Better knowledge (a pilot, a customer survey) would narrow the range most.",
    "lead.sure.luck": "Better knowledge would narrow the range little: most of it is chance.",
    "lead.sure.none": "This run does not separate luck from what is unknown.",
    "lead.sure.same": "No future shows a difference, so there is no spread to explain.",
    "lead.rests": "{assumed} of {total} parameters are assumptions ({share}). Measured ones come "
    "from purchase data, the others from published work.",
    "rollout.lead": "Everything is to be finished in {planned}. In the middle future the last "
    "piece is finished {late}.",
    "rollout.lead.spread": "In 8 of 10 futures it is finished between {low} and {high}.",
    "rollout.lead.some": "In {k} of {n} futures something is not finished within the run.",
    "rollout.lead.unfinished": "Everything is to be finished in {planned}, but in {k} of {n} "
    "futures something is not finished within the run.",
    "rollout.planned": "week {week} (quarter {quarter})",
    "rollout.late": "{n} weeks late",
    "rollout.late.one": "{n} week late",
    "rollout.early": "{n} weeks early",
    "rollout.early.one": "{n} week early",
    "rollout.in_time": "in time",
    "rollout.task": "Build",
    "rollout.wave": "Bring to customers",
    "rollout.key.planned": "planned",
    "rollout.key.task": "built, middle future",
    "rollout.key.wave": "brought to customers, middle future",
    "rollout.head": "weeks late: P50 (P10 to P90)",
    "rollout.weeks": "{middle} ({low} to {high})",
    "rollout.weeks.some": "{middle} ({low} to never)",
    "rollout.unfinished": "not finished",
    "rollout.lead.stopped": "Everything is to be finished in {planned}. In {k} of {n} futures the "
    "gate stopped the work that was still to come.",
    "rollout.lead.stopped.all": "Everything was to be finished in {planned}, but in all {n} "
    "futures the gate stopped the work that was still to come.",
    "rollout.lead.others": "In the middle one of the others the last piece is finished {late}.",
    "rollout.stopped": "stopped by the gate in {k} of {n}",
    "risk.mitigation": "less with {levers}",
    "risk.too_few": "too few events",
    "risk.never_alone": "never without another",
    "risk.lead": "Under {plan}, all events together {mean} on average.",
    "risk.lead.worst": "In 1 of 10 futures they cost {low} or more.",
    "risk.to_the_end": "to the end",
    "risk.lead.baseline": "Under {baseline} they {mean} on average.",
    "risk.costs": "cost {money}",
    "risk.brings": "bring {money}",
    "risk.nothing": "cost nothing",
    "risk.total": "All events together",
    "risk.total.note": "average; beneath it P10, which 1 of 10 futures falls below",
    "gate.asks": "After quarter {quarter} the gate lets the plan go on only if {conditions}.",
    "gate.some": "The gate stopped {plan} in {k} of {n} futures.",
    "gate.always": "The gate stopped {plan} in all {n} futures.",
    "gate.never": "The gate let {plan} go on in all {n} futures.",
    "gate.saved": "A stop saved {money} of planned spending on average.",
    "review.lead": "Every quarter a review looks at the last quarter's figures and moves money "
    "that is left, by these rules.",
    "review.lead.every": "Every {n} quarters a review looks at the last quarter's figures and "
    "moves money that is left, by these rules.",
    "review.line": "The rule {rule} acted in {acted} of futures, {times} times in a future, and "
    "moved {unit} {money} per future.",
    "rule.when": "if {conditions}",
    "rule.moves": "{share} of what is left for {source}, to {target}",
    "rule.all_others": "all others",
    "rule.savings": "savings",
    "measure.value": "perceived value",
    "when": "{measure} {bounds}",
    "when.of": "{measure} among {segment}",
    "when.at_least": "is at least {n}",
    "when.at_most": "is at most {n}",
    "when.at_least.same": "is at least that among {other}",
    "when.at_most.same": "is at most that among {other}",
    "when.at_least.times": "is at least {n} times that among {other}",
    "when.at_most.times": "is at most {n} times that among {other}",
    "when.at_least.risen": "has risen by {n} or more since the start",
    "when.at_most.risen": "has risen by no more than {n} since the start",
    "when.at_least.fallen": "has fallen by no more than {n} since the start",
    "when.at_most.fallen": "has fallen by {n} or more since the start",
    "warning.warned_yellow": "Customers at yellow",
    "warning.warned_yellow.note": "to be followed up",
    "warning.warned_red": "Customers at red",
    "warning.warned_red.note": "to be answered at once",
    "warning.warning_precision": "Precision",
    "warning.warning_precision.note": "share of warned customers who left; one who was saved "
    "counts as a false alarm",
    "warning.warning_recall": "Recall",
    "warning.warning_recall.note": "share of those who left that had been warned of",
    "warning.warning_accuracy": "Accuracy",
    "warning.warning_accuracy.note": "share of customers told apart rightly",
    "warning.warning_lead": "Lead, quarters",
    "warning.warning_lead.note": "from the first warning until the company sees the lapse",
    "warning.saved": "Share saved",
    "warning.saved.note": "of warned customers who would leave under {baseline}: kept by all that "
    "the plan does (P50, and P10 to P90)",
    "warning.saved.value": "{middle} ({span})",
    "tier.number": "Tier {n}",
    # Figures
    "figure.churn_annual": "Annual churn",
    "figure.churn_annual.unit": "% of customers lost in the past year",
    "figure.loyalty_index": "Loyalty index",
    "figure.loyalty_index.unit": "0 to 100",
    "figure.share": "Market share",
    "figure.share.unit": "% of purchases",
    "figure.cash": "Cumulative incremental cash flow",
    "figure.cash.unit": "{unit}, discounted at {rate} a year, against {baseline}",
    "figure.npv": "Net present value in every simulated future",
    "figure.npv.unit": "{unit}, against {baseline}; each block is one future",
    "figure.npv.unit.bars": "{unit}, against {baseline}; bar height is the number of futures",
    "figure.ridges": "Net present value by plan",
    "figure.ridges.unit": "{unit}, against {baseline}; taller means more futures end there",
    "figure.layers": "Spread of net present value, by cause",
    "figure.layers.unit": "standard deviation, {unit}",
    "figure.bridge": "From margin to what is left after tax",
    "figure.bridge.unit": "{unit}, discounted, in prices of quarter 1; {plan} against {baseline}, "
    "averages; black lines are 95% intervals",
    "figure.ranks": "Which unknowns move the result most",
    "figure.ranks.unit": "rank correlation with net present value, \N{MINUS SIGN}1 to 1",
    "figure.gantt": "Planned and simulated work, lever by lever",
    "figure.gantt.unit": "{plan}; quarters from its start",
    "figure.ready": "How ready each lever is",
    "figure.ready.unit": "in % of its full effect, by quarter; {plan}",
    "figure.risk_map": "Probability against impact",
    "figure.risk_map.unit": "effect of one event on discounted net cash, {unit}; {plan}",
    "figure.risk_map.x": "futures hit at least once",
    "figure.provenance": "Where the parameters come from",
    "caption.band": "Line: average future. Band: the middle 8 of 10 futures. The bands overlap "
    "because futures differ in ways that no plan changes; inside each future the two plans are "
    "compared like with like.",
    "caption.band.compare": "Lines: average future of each plan.",
    "caption.cash": "Line: average future. Band: the middle 8 of 10 futures. Numbers along the top "
    "mark the phases.",
    "caption.cash.compare": "Lines: average future of each plan.",
    "caption.npv": "P10, P50, P90: 10, 50 and 90 of 100 futures end below this.",
    "caption.ridges": "Dot: P50. Bar: P10 to P90. The orange part loses money.",
    "caption.ranks": "Right of zero: the more of it, the better for the plan. Left: the worse. "
    "Grey bars may be chance: so many unknowns in so few futures show some.",
    "caption.gantt": "Upper bar: as planned. Lower bar: the middle future, from median start to "
    "median finish; the thin line spans P10 to P90 of the finish, and an arrow says that it may "
    "end outside the picture. Work comes late when a task takes longer, when its team is busy "
    "elsewhere, or when a risk strikes.",
    "caption.gantt.gate": "Work that the gate stopped is drawn as it went in the other futures.",
    "caption.ready": "100: built, brought to every customer, and learned by those who work with "
    "it. Averages over futures and customers.",
    "caption.risk_map": "Dot: estimate over all futures. Line: 95% interval. Grey: cannot be told "
    "apart from no effect.",
    "caption.risks": "Futures hit: at least one event within {quarters} quarters. Effects are "
    "estimated for a risk that hit at least {enough} futures. Where several events strike one "
    "future, their cost is shared out by least squares. Bold: clearly not zero (the 95% interval "
    "leaves it out).",
    "caption.risks.bare": "Futures hit: at least one event within {quarters} quarters.",
    "caption.points": "Points owed: what members may still redeem under the plan at the quarter's "
    "end, a debt that is in no sum. The part of it that they are expected to redeem is paid in the "
    "last quarter, so that no plan looks good for leaving a debt behind.",
    "mark.before": "before",
    "mark.quarter": "quarter",
    "mark.payback": "paid back in quarter {n}",
    "mark.break_even": "break-even",
    "mark.loses": "{k} of {n} lose",
    "mark.gains": "{k} of {n} gain",
    "mark.same": "no difference in any future",
    "mark.luck": "Luck of the draw",
    "mark.ignorance": "What is not known",
    "alt.trend": "{measure} by quarter. At the end: {ends}.",
    "alt.end": "{plan} {value}",
    "alt.cash": "Cumulative discounted cash flow by quarter. At the end: {ends}.",
    "alt.npv": "Distribution of net present value. P10 {p10}, P50 {p50}, P90 {p90}; {loses}.",
    "alt.ridges": "Distribution of net present value by plan. P50: {ends}.",
    "alt.bridge": "Bridge of {plan}: {ends}.",
    "alt.layers": "Standard deviation from luck {chance}, from unknown parameters {ignorance}.",
    "alt.ranks": "Rank correlation of parameters with net present value: {ends}.",
    "alt.gantt": "Work of {plan} by lever. Middle future: {ends}.",
    "alt.gantt.end": "{item} finished in quarter {quarter}",
    "alt.gantt.never": "{item} not finished",
    "alt.gantt.stopped": "{item} stopped by the gate in {k} of {n} futures",
    "alt.ready": "Average readiness at the end: {ends}.",
    "alt.risk_map": "Effect of one event on the discounted net cash of {plan}: {ends}.",
    # Tables
    "unit.points": "pts",
    "unit.median": "median",
    "span": "{low} to {high}",
    "column.measure": "Measure",
    "column.difference": "Difference",
    "column.interval": "95% interval of the mean",
    "column.spread": "8 of 10 futures, P10 to P90",
    "column.picture": "Against no change",
    "column.reading": "Reading",
    "column.segment": "Segment",
    "column.customers": "Share of customers",
    "column.revenue": "Revenue",
    "column.lever": "Lever",
    "column.total": "Total",
    "column.figure.mean": "Average",
    "column.line": "Line",
    "column.quarter": "Quarter",
    "column.phase": "Phase",
    "column.extra_revenue": "Revenue and fees",
    "column.cost_of_goods": "Cost of goods",
    "column.rewards": "Rewards, service, winning and saving customers",
    "column.programme": "Levers and staff",
    "column.net": "Net",
    "column.net_p10": "Net P10",
    "column.net_p50": "Net P50",
    "column.net_p90": "Net P90",
    "column.cumulative": "Cumulative",
    "column.points": "Points owed",
    "column.rule": "Rule",
    "column.moves": "Moves",
    "column.acted": "Futures in which it acted",
    "column.times": "Times per future",
    "column.each": "Moved each time, {unit}",
    "column.whole": "Moved per future, {unit}",
    "column.regularity": "Published regularity",
    "column.here": "Here",
    "column.parameter": "Parameter",
    "column.value": "Value",
    "column.provenance": "Rests on",
    "column.source": "Source",
    "column.pair": "Comparison",
    "column.risk": "Risk",
    "column.stated": "Stated, per year",
    "column.lasts": "Lasts, quarters",
    "column.hit": "Futures hit, {plan}",
    "column.events": "Events per future",
    "column.impact": "Effect of one event, and its 95% interval",
    "column.product": "Probability × impact",
    "column.tier": "Tier",
    "column.members.start": "Members at the start",
    "column.members.end": "Members at the end",
    "column.up": "Up, in a year",
    "column.down": "Down, in a year",
    "column.out": "Out, in a year",
    "pair": "{plan} over {other}",
    "phase.quarter": "quarter {first}",
    "phase.quarters": "quarters {first}{dash}{last}",
    "reading.better": "better",
    "reading.worse": "worse",
    "reading.higher": "higher",
    "reading.lower": "lower",
    "reading.unclear": "cannot be told apart",
    "reading.same": "no change",
    "reading.never": "never within {quarters} quarters",
    "reading.reached": "in {k} of {n} futures",
    "reading.ahead": "{plan} is ahead",
    "details.statement": "The statement year by year",
    "details.parameters": "All {n} parameters and where each comes from",
    "legend.range": "thin bar: P10 to P90; thick bar: 95% interval of the mean; dot: mean",
    "legend.levels": "Levels are averages over the last year; annual churn counts that year.",
    "group.money": "Money, against {baseline}",
    "group.loyalty": "Loyalty and churn",
    "group.market": "Market",
    "group.other": "Further outcomes",
    "provenance.calibrated": "Measured",
    "provenance.calibrated.note": "estimated from real purchases",
    "provenance.literature": "Published studies",
    "provenance.literature.note": "taken from research",
    "provenance.evidence": "Cases",
    "provenance.evidence.note": "from the evidence table; mostly success stories, so read as "
    "the optimistic end",
    "provenance.assumed": "Assumed",
    "provenance.assumed.note": "judgement, to be tested",
    "about.command": "Command",
    "about.hash": "Configuration",
    "about.seed": "Seed",
    "about.versions": "Versions",
    "about.seconds": "Run time",
    "about.seconds.value": "{n} seconds",
    "about.memory": "Peak memory",
    "about.memory.value": "{n} MiB",
    "warning": "Warning",
    "warning.interrupted": "The run was stopped early; this page shows the {n} futures that were "
    "finished.",
    # Outcomes: name and, below it, what it means
    "outcome.npv": "Net present value",
    "outcome.npv.note": "what it brings less what it costs, in today's money",
    "outcome.roi": "Return on investment",
    "outcome.roi.note": "what it earns beyond its spend, per unit spent",
    "outcome.irr": "Internal rate of return",
    "outcome.irr.note": "yearly interest that the spending earns",
    "outcome.payback_quarter": "Payback quarter",
    "outcome.payback_quarter.note": "half of all futures have paid the plan back by then",
    "outcome.spend": "Spend",
    "outcome.spend.note": "on levers, their upkeep and staff",
    "outcome.incremental_margin": "Extra margin",
    "outcome.incremental_margin.note": "before the spend on the plan",
    "outcome.loyalty_index": "Loyalty index",
    "outcome.loyalty_index.note": "behaviour, attitude and potential, 0 to 100",
    "outcome.churn_annual": "Annual churn",
    "outcome.churn_annual.note": "customers lost within a year",
    "outcome.retention": "Retention",
    "outcome.retention.note": "customers of the last quarter who still are",
    "outcome.repeat_rate": "Repeat rate",
    "outcome.repeat_rate.note": "buyers of the last quarter who buy in this one",
    "outcome.nps": "Net promoter score",
    "outcome.nps.note": "promoters less detractors, \N{MINUS SIGN}100 to 100",
    "outcome.csat": "Satisfaction",
    "outcome.csat.note": "0 to 10",
    "outcome.share": "Market share",
    "outcome.share.note": "of all purchases",
    "outcome.penetration": "Penetration",
    "outcome.penetration.note": "people who buy at least once a quarter",
    "outcome.purchase_frequency": "Purchase frequency",
    "outcome.purchase_frequency.note": "purchases per buyer and quarter",
    "outcome.clv": "Customer lifetime value",
    "outcome.clv.note": "{currency} per customer",
}

ACRONYMS: Final = {"ai": "AI", "npv": "NPV", "vip": "VIP", "crm": "CRM", "roi": "ROI"}
LANGUAGES: Final[Mapping[str, Mapping[str, str]]] = {"en": ENGLISH}


@dataclass(frozen=True)
class Words:
    """The words of one language."""

    texts: Mapping[str, str] = field(default_factory=lambda: ENGLISH)

    def __call__(self, key: str, **values: object) -> str:
        """Return the text of a key with its values filled in."""
        return self.texts[key].format(**values)

    def has(self, key: str) -> bool:
        """Whether there is a text for a key."""
        return key in self.texts

    def join(self, names: list[str]) -> str:
        """Join names to a list in running text."""
        if len(names) <= 1:
            return "".join(names)
        return self("list.and", first=", ".join(names[:-1]), last=names[-1])


def readable(name: str) -> str:
    """Turn a name of the configuration into words: `ai_service` becomes "AI service"."""
    parts = [ACRONYMS.get(part, part) for part in name.split("_") if part]
    text = " ".join(parts)
    return text[:1].upper() + text[1:]


def plan_title(folder: RunFolder, plan: str) -> str:
    """Return what a plan is called in running text."""
    return folder.title(plan) or readable(plan)


def listed(parts: Sequence[str]) -> str:
    """Return parts as a sentence lists them: "a, b and c"."""
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)


def in_sentence(title: str) -> str:
    """Return a title as it stands inside a sentence, in quotation marks."""
    return f"“{title}”"


def odds(words: Words, probability: float, replications: int) -> str:
    """Tell a probability as a count of futures."""
    count = round(probability * replications)
    if count in (0, replications):
        return words("odds.none" if count == 0 else "odds.all", n=replications)
    simple = fraction(probability)
    if simple is None:
        return words("odds.count", k=count, n=replications)
    exact = abs(simple[0] / simple[1] - probability) < 1e-9  # noqa: PLR2004
    return words("odds.fraction" if exact else "odds.about", k=simple[0], m=simple[1])


@dataclass(frozen=True)
class Verdict:
    """The answer in a sentence, the sentence that bounds it, and what else must be said."""

    headline: str
    interval: str
    note: str
    tone: str
    """`good`, `bad` or `open`."""
    market: str = ""
    """Which published regularities the market fails; empty if none, or if it was not asked."""


def sign_of(difference: Mapping[str, Any]) -> str:
    """Tell what a 95% interval says about a difference.

    Returns
    -------
    str
        `up`, `down`, `unclear` (the interval spans zero), `same` (zero in every replication) or
        `unknown`.
    """
    mean = known(difference.get("mean"))
    low, high = known(difference.get("low")), known(difference.get("high"))
    if mean is None:
        return "unknown"
    parts = (mean, low, high, known(difference.get("p10")), known(difference.get("p90")))
    if all(part is None or not part for part in parts):
        return "same"
    if low is None or high is None or low <= 0 <= high:
        return "unclear"
    return "up" if low > 0 else "down"


def money_of(difference: Mapping[str, Any], currency: str) -> MoneyUnit:
    """Return the unit of money for the figures of one difference."""
    parts = [known(difference.get(key)) for key in ("mean", "low", "high", "p10", "p90")]
    return money_unit(parts, currency)


def verdict(words: Words, folder: RunFolder) -> Verdict:
    """Answer the question of a run in one sentence, or say that it cannot be answered."""
    said = _verdict_on_many(words, folder) if folder.is_comparison else _verdict(words, folder)
    return replace(said, market=market_mark(words, folder.scorecard))


def _uncapped(title: str) -> str:
    """Return a title as it stands inside a sentence: `Price response` is price response."""
    return title if title[1:2].isupper() else title[:1].lower() + title[1:]


def market_mark(words: Words, card: Mapping[str, Any]) -> str:
    """Name the published regularities that a market fails, or return an empty text."""
    failed = [row for row in card.get("rows", ()) if row["verdict"] == "fail"]
    if not failed:
        return ""
    return words(
        "verdict.market",
        k=len(failed),
        n=card["n_laws"],
        laws=words.join([_uncapped(row["title"]) for row in failed]),
    )


RUN_VERDICTS: Final = {
    "up": ("verdict.gain", "good"),
    "down": ("verdict.loss", "bad"),
    "unclear": ("verdict.unclear", "open"),
    "same": ("verdict.same", "open"),
    "unknown": ("verdict.unknown", "open"),
}


def _verdict(words: Words, folder: RunFolder) -> Verdict:
    plan = folder.plans[0]
    npv = folder.difference(plan, "npv")
    sign = sign_of(npv)
    key, tone = RUN_VERDICTS[sign]
    risk = known(folder.result(plan).get("probability_of_loss")) or 0.0
    mean = known(npv.get("mean")) or 0.0
    title = in_sentence(plan_title(folder, plan))
    headline = words(
        key,
        quarters=folder.quarters,
        plan=title,
        plan_start=title,
        baseline=in_sentence(plan_title(folder, folder.baseline)),
        money=money_of(npv, folder.currency).full(abs(mean)),
        odds=odds(words, risk, folder.replications),
    )
    bounded = sign not in ("same", "unknown")
    interval = _interval(words, folder, plan) if bounded else ""
    return Verdict(headline, interval, _note(words, npv, sign), tone)


def _note(words: Words, npv: Mapping[str, Any], sign: str) -> str:
    if sign != "unclear":
        return ""
    single = known(npv.get("low")) is None
    return words("verdict.note.single" if single else "verdict.note.unclear")


def _interval(words: Words, folder: RunFolder, plan: str) -> str:
    npv = folder.difference(plan, "npv")
    unit = money_of(npv, folder.currency)
    parts = {key: unit.number(known(npv.get(key))) for key in ("low", "high", "p10", "p90")}
    baseline = in_sentence(plan_title(folder, folder.baseline))
    mean = unit.full(known(npv.get("mean")))
    return words("verdict.interval", baseline=baseline, mean=mean, **parts)


def _verdict_on_many(words: Words, folder: RunFolder) -> Verdict:
    plans = folder.plans
    npv = folder.difference(plans[0], "npv")
    key, tone = {"up": ("verdict.best", "good"), "down": ("verdict.none_pays", "bad")}.get(
        sign_of(npv), ("verdict.none_clear", "open")
    )
    mean = known(npv.get("mean"))
    unit = money_of(npv, folder.currency)
    best = known(folder.result(plans[0]).get("probability_best")) or 0.0
    headline = words(
        key,
        n=len(plans),
        quarters=folder.quarters,
        plan=in_sentence(plan_title(folder, plans[0])),
        baseline=in_sentence(plan_title(folder, folder.baseline)),
        money=unit.full(abs(mean) if mean is not None and tone != "open" else mean),
        odds=odds(words, best, folder.replications),
    )
    rivals = _told_apart(words, folder) if tone == "good" else ""
    return Verdict(headline, _interval(words, folder, plans[0]), rivals, tone)


def _told_apart(words: Words, folder: RunFolder) -> str:
    """Name the plans from which the best one cannot be told apart."""
    best = folder.plans[0]
    tied = [
        ({pair["plan"], pair["other"]} - {best}).pop()
        for pair in folder.summary.get("pairwise", [])
        if best in (pair["plan"], pair["other"])
        and pair["plan"] != pair["other"]
        and sign_of(pair["npv_difference"]) in ("unclear", "same")
    ]
    if tied:
        names = [in_sentence(plan_title(folder, plan)) for plan in tied]
        return words("verdict.tied", others=words.join(names))
    return words("verdict.ahead") if len(folder.plans) > 1 else ""


def movement(words: Words, folder: RunFolder, measure: str) -> str:
    """Say in words how a measure of customers differs at the end of the horizon."""
    difference = folder.difference(folder.plans[0], measure)
    direction = {"unclear": "none", "unknown": "none"}.get(sign := sign_of(difference), sign)
    mean = abs(known(difference.get("mean")) or 0.0)
    size = 100 * mean if measure == "churn_annual" else mean
    return words(
        f"move.{measure}.{direction}",
        amount=words("amount.points", n=plain(size, 1)),
        baseline=in_sentence(plan_title(folder, folder.baseline)),
    )


def two_layers(words: Words, difference: Mapping[str, Any]) -> str:
    """Say how much of the spread is luck and how much is not knowing."""
    chance, ignorance = known(difference.get("chance_sd")), known(difference.get("ignorance_sd"))
    if chance is None or ignorance is None:
        return words("lead.sure.none")
    if not chance + ignorance:
        return words("lead.sure.same")
    share = ignorance**2 / (ignorance**2 + chance**2)
    advice = words("lead.sure.learn" if share > 0.5 else "lead.sure.luck")  # noqa: PLR2004
    return words(
        "lead.sure", ignorance=percent(share, 0), chance=percent(1 - share, 0), advice=advice
    )


def phase_quarters(words: Words, first: int, last: int) -> str:
    """Name the quarters of a phase."""
    key = "phase.quarter" if first == last else "phase.quarters"
    return words(key, first=first, last=last, dash="\N{EN DASH}").replace(" ", HARD)
