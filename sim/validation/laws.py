"""Published regularities of consumer markets, each as a question to a simulated one.

Every law is a small function from a world to figures; `conf/laws.yaml` says for which kind of
market it holds, what the figures must be and who published it. None of them has a rule of its own
in the engine.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import qmc

from sim.calibration.choice import Form, estimate_choice, see_occasions
from sim.calibration.observed import Panel
from sim.config.rivals import Move
from sim.kernels import layout as at
from sim.measures import behaviour
from sim.measures.history import ratio
from sim.measures.table import MEASURES
from sim.types import F64, QUARTERS_PER_YEAR, Channel, MarketKind
from sim.validation import dirichlet
from sim.validation.observation import Life, World
from sim.validation.published import Trials

MOVED = 1
"""Number of the brand whose price or campaign is tried: the first rival."""


# --- laws ----------------------------------------------------------------------------------------


class Finding(NamedTuple):
    """What a law finds in one world."""

    figures: Mapping[str, float]
    series: Mapping[str, Any] = {}
    """What a picture of it shows: name to numbers."""


Question = Callable[[World, Trials], Finding]


def double_jeopardy(world: World, trials: Trials) -> Finding:
    """Compare brands: small ones have far fewer buyers, who buy a little less often (a quarter)."""
    share, penetration, frequency = (
        world.today.measure(name)[:QUARTERS_PER_YEAR].mean(axis=0)
        for name in ("share", "penetration", "purchase_frequency")
    )
    bought = penetration > 0.0
    reach, often = np.log(penetration[bought]), np.log(frequency[bought])
    return Finding(
        {
            "correlation": float(np.corrcoef(share, penetration)[0, 1]),
            "slope": float(np.cov(reach, often, ddof=0)[0, 1] / reach.var()),
            "spread": float(np.ptp(often) / np.ptp(reach)),
        },
        {"share": share, "penetration": penetration, "frequency": frequency},
    )


def dirichlet_fit(world: World, trials: Trials) -> Finding:
    """Compare a year's penetration and frequency with those of a fitted NBD-Dirichlet."""
    counts = world.today.purchases.window(0, QUARTERS_PER_YEAR)
    fitted = dirichlet.fit_dirichlet(counts)
    expected = dirichlet.norms(fitted)
    buyers = (counts > 0).sum(axis=0)
    penetration, frequency = buyers / len(counts), counts.sum(axis=0) / buyers
    times, people = _histogram(counts.sum(axis=1))
    return Finding(
        {
            "penetration_error": _relative_error(expected.penetration, penetration),
            "frequency_error": _relative_error(expected.frequency, frequency),
            "s": fitted.s,
        },
        {
            "penetration": penetration, "penetration_expected": expected.penetration,
            "frequency": frequency, "frequency_expected": expected.frequency,
            "purchases": times, "people": people,
            "people_expected": _lumped(dirichlet.nbd(np.arange(2000.0), *fitted[:2]), len(times)),
        },
    )  # fmt: skip


MOST_TIMES = 12
"""Purchases a year that the histogram shows one by one; more often is one class."""


def _histogram(purchases: F64) -> tuple[F64, F64]:
    times = np.arange(MOST_TIMES + 1.0)
    people = np.bincount(np.minimum(purchases, MOST_TIMES).astype(np.int64), minlength=len(times))
    return times, people / len(purchases)


def _lumped(share: F64, classes: int) -> F64:
    return np.append(share[: classes - 1], share[classes - 1 :].sum())


def _relative_error(expected: F64, observed: F64) -> float:
    return float(np.mean(np.abs(expected / observed - 1.0)))


def growth_with_window(world: World, trials: Trials) -> Finding:
    """Foresee a year's buyers from a quarter's by the NBD.

    Asked of those who are in the category all year: the NBD is of a population that stays.
    """
    purchases = world.today.purchases
    first, last = purchases.person[0], purchases.person[QUARTERS_PER_YEAR - 1]
    counts = purchases.counts[first[first == last], :, :QUARTERS_PER_YEAR]
    quarters = [_reach(counts[:, :, [q]]) for q in range(QUARTERS_PER_YEAR)]
    quarter: F64 = np.mean(quarters, axis=0)
    windows = np.arange(1.0, QUARTERS_PER_YEAR + 1.0)
    grown = np.array([_reach(counts[:, :, : int(n)])[0] for n in windows])
    expected = np.array([_nbd_reach(pair[0], pair[1], windows.tolist()) for pair in quarter.T])
    bought = counts > 0
    again = [(bought[:, :, q] & bought[:, :, q + 1]).sum(axis=0) / bought[:, :, q].sum(axis=0)
             for q in range(QUARTERS_PER_YEAR - 1)]  # fmt: skip
    repeat: F64 = np.mean(again, axis=0)
    foreseen = np.array([_nbd_repeat(pair[0], pair[1]) for pair in quarter.T])
    return Finding(
        {
            "penetration_error": _relative_error(expected[:, -1], grown[-1]),
            "repeat_error": float(np.mean(np.abs(foreseen - repeat))),
        },
        {
            "quarters": windows, "penetration": grown.T, "penetration_expected": expected,
            "repeat": repeat, "repeat_expected": foreseen,
        },
    )  # fmt: skip


def _reach(counts: NDArray[np.int16]) -> F64:
    """Return penetration and purchases per person by brand, shape (2, n_brands), in all quarters.

    `counts` has shape (n_people, n_brands, n_quarters).
    """
    total = counts.sum(axis=2)
    both: F64 = np.stack([(total > 0).mean(axis=0), total.mean(axis=0)])
    return both


def _nbd_reach(penetration: float, mean: float, windows: Sequence[float]) -> F64:
    """Return the penetration that the NBD expects of windows so many times as long."""
    shape = dirichlet.shape_of(mean, penetration)
    return np.array([1.0 - dirichlet.nonbuyers(mean * n, shape) for n in windows])


def _nbd_repeat(penetration: float, mean: float) -> float:
    """Return the share of a window's buyers who the NBD expects to buy in the next one, too."""
    once, twice = _nbd_reach(penetration, mean, (1.0, 2.0))
    return float((2.0 * once - twice) / once)


def share_of_requirements(world: World, trials: Trials) -> Finding:
    """See how much of what a brand's buyers buy is the brand.

    The window is so many years that buyers of the category buy often enough to have a choice.
    """
    for years in range(1, world.config.quarters // QUARTERS_PER_YEAR + 1):
        counts = world.today.purchases.window(0, years * QUARTERS_PER_YEAR)
        total = counts.sum(axis=1)
        if total[total > 0].mean() >= trials.purchases:
            break
    bought, several = counts > 0, total > 1
    met = counts.sum(axis=0) / (bought * total[:, None]).sum(axis=0)
    sole = ((counts == total[:, None]) & bought)[several].sum(axis=0) / bought[several].sum(axis=0)
    return Finding(
        {
            "below_half": float(np.mean(met < 0.5)),  # noqa: PLR2004 - the law's own half
            "requirements": float(met.mean()),
            "sole": float(sole.mean()),
            "years": float(years),
        },
        {"requirements": met, "sole": sole},
    )


def duplication(world: World, trials: Trials) -> Finding:
    """See whether buyers share other brands by their penetration: b(j|i) = D b(j)."""
    bought = (world.today.purchases.window(0, QUARTERS_PER_YEAR) > 0).astype(np.float64)
    penetration = bought.mean(axis=0)
    given = bought.T @ bought / bought.sum(axis=0)[:, None]
    other = ~np.eye(len(penetration), dtype=np.bool_)
    d = (given / penetration)[other]
    return Finding(
        {"variation": float(d.std() / d.mean()), "d": float(d.mean())},
        {"penetration": penetration, "given": given},
    )


HEAVIEST = 0.2
"""Share of buyers who are the heaviest: the law's own fifth."""


def pareto_share(world: World, trials: Trials) -> Finding:
    """See what share of a brand's sales the heaviest fifth of its buyers makes in a year."""
    counts = world.today.purchases.window(0, QUARTERS_PER_YEAR)
    shares = np.array([_top_share(column[column > 0]) for column in counts.T])
    return Finding({"top_fifth": float(shares.mean())}, {"top_fifth": shares})


def _top_share(purchases: F64) -> float:
    sales = np.append(0.0, np.sort(purchases)[::-1].cumsum())
    people = np.linspace(0.0, 1.0, len(sales))
    return float(np.interp(HEAVIEST, people, sales) / sales[-1])


def buyer_moderation(world: World, trials: Trials) -> Finding:
    """See what share of this year's heaviest fifth is not among next year's."""
    counts = world.today.purchases.counts
    first = counts[:, :, :QUARTERS_PER_YEAR].sum(axis=2)
    second = counts[:, :, QUARTERS_PER_YEAR : 2 * QUARTERS_PER_YEAR].sum(axis=2)
    left = []
    for before, after in zip(first.T, second.T, strict=True):
        heavy = _heaviest(before)
        left.append(1.0 - float(heavy @ _heaviest(after) / heavy.sum()))
    return Finding({"leave": float(np.mean(left))}, {"leave": np.array(left)})


def _heaviest(purchases: F64) -> F64:
    """Return how far each person is among the heaviest fifth of buyers: a share if many tie."""
    bought = np.sort(purchases[purchases > 0])[::-1]
    if not len(bought):
        return np.zeros(len(purchases))
    place = HEAVIEST * len(bought)
    line = bought[int(place)]
    above, level = float((bought > line).sum()), float((bought == line).sum())
    return np.where(purchases > line, 1.0, np.where(purchases == line, (place - above) / level, 0))


def cohort_retention(world: World, trials: Trials) -> Finding:
    """See whether who has stayed longer is likelier to stay; only heterogeneity makes it so."""
    counts = np.stack([record.cohort for record in world.today.records])
    first = range(QUARTERS_PER_YEAR, world.config.burn_in)
    ages = len(counts) - first[-1]
    active = np.array([sum(counts[q + age, q] for q in first) for age in range(ages)], np.float64)
    kept = active[1:] / active[:-1]
    year, late = QUARTERS_PER_YEAR, kept[-QUARTERS_PER_YEAR:].mean()
    return Finding(
        {
            "first": float(kept[0]),
            "later": float(late),
            "rise": float(late - kept[:year].mean()),
            "first_year": float(active[year] / active[0]),
            "second_year": float(active[2 * year] / active[0]),
        },
        {"active": active / active[0]},
    )


SHORTEST = 5
"""Purchases of a household that make it one of the panel."""
PANEL_SHARE = 0.2
"""Share of the customers among whom the panel's households are looked for, at most."""
DRAWS = (32, 64)
"""Draws of tastes per household in each round of estimation."""


def state_dependence(world: World, trials: Trials) -> Finding:
    """Estimate choice anew: what looks like loyalty is less where households have own tastes."""
    panel = _panel(world, trials)
    data = see_occasions(panel, ln_price=False)
    base = int(np.argmax(data.shares))
    habit = len(panel.brands)
    alike, own = (
        estimate_choice(
            data, Form(habit, 0, base, random=random, lived=False), draws=DRAWS, threads=1
        ).chooser.natural
        for random in (False, True)
    )
    return Finding(
        {
            "smoothing": float(alike[habit + 1]),
            "alike": float(alike[habit]),
            "own": float(own[habit]),
            "price": -float(alike[habit + 2]),
            "households": float(panel.n_units),
        }
    )


def _panel(world: World, trials: Trials) -> Panel:
    """Return a panel of households that met rivals' prices that changed from quarter to quarter."""
    brands = world.config.market.brands
    n_quarters = world.config.quarters
    moves = np.zeros((n_quarters, len(brands)))
    design = qmc.Halton(len(brands) - 1, scramble=False).random(n_quarters + 1)[1:]
    moves[:, 1:] = PRICE_RANGE * (2.0 * design - 1.0)
    kept = int(PANEL_SHARE * world.config.customers)
    person, quarter, brand = world.priced(moves, kept).purchases.sequences()
    first = np.flatnonzero(np.diff(person, prepend=-1))
    length = np.diff(first, append=len(person))
    long = np.flatnonzero(length >= SHORTEST)[: trials.households]
    rows = np.concatenate([np.arange(first[u], first[u] + length[u]) for u in long])
    price = (1.0 + moves) * [b.price for b in brands]
    met = price[quarter[rows]]
    edges = np.append(0, length[long].cumsum())
    return Panel(
        source="the market itself", brands=tuple(b.name for b in brands), attributes=(),
        chosen=brand[rows], price=met / met.mean(), price_unit=float(met.mean()),
        x=np.empty((len(rows), len(brands), 0)), first=edges, first_test=edges[1:],
    )  # fmt: skip


PRICE_RANGE = 0.2
"""Largest relative change of a rival's price in the panel."""


def price_response(world: World, trials: Trials) -> Finding:
    """See how sales answer a change of the normal price that is held for a year."""
    year = (1, QUARTERS_PER_YEAR)
    sold = [
        world.moved(Move(Channel.PRICE, size, year)).measure("purchases")[: year[1], MOVED]
        for size in (trials.price, -trials.price)
    ]
    step = np.log((1.0 + trials.price) / (1.0 - trials.price))
    by_quarter = np.log(sold[0] / sold[1]) / step
    return Finding(
        {
            "elasticity": float(np.log(sold[0].sum() / sold[1].sum()) / step),
            "first_quarter": float(by_quarter[0]),
        },
        {"elasticity": by_quarter},
    )


def _promotion(world: World, trials: Trials) -> tuple[F64, F64]:
    """Return purchases by quarter and brand under today's plan, and what a price cut adds."""
    usual = world.today.measure("purchases")
    cut = world.moved(Move(Channel.DISCOUNT, trials.cut, (1, 1))).measure("purchases")
    return usual, cut - usual


def promotion_bump(world: World, trials: Trials) -> Finding:
    """See how far a cut of one quarter lifts a brand's sales, and what comes from rivals."""
    usual, more = _promotion(world, trials)
    gain = more[0, MOVED]
    return Finding(
        {
            "bump": float(gain / usual[0, MOVED]),
            "from_rivals": float(1.0 - more[0].sum() / gain),
        },
        {
            "brand": more[:, MOVED] / usual[:, MOVED],
            "category": more.sum(axis=1) / usual.sum(axis=1),
        },
    )


def promotion_dip(world: World, trials: Trials) -> Finding:
    """See what part of the gain is paid back: what the category lacks in the year after."""
    _, more = _promotion(world, trials)
    after = more[1 : 1 + QUARTERS_PER_YEAR]
    return Finding(
        {
            "paid_back": float(-after.sum() / more[0, MOVED]),
            "own": float(-after[:, MOVED].sum() / more[0, MOVED]),
        }
    )


def no_lasting_promotion(world: World, trials: Trials) -> Finding:
    """See what of the gain is left after a year."""
    _, more = _promotion(world, trials)
    late = more[1 + QUARTERS_PER_YEAR : 1 + 2 * QUARTERS_PER_YEAR, MOVED].mean()
    return Finding({"left": float(late / more[0, MOVED])})


def advertising(world: World, trials: Trials) -> Finding:
    """See how far a campaign works on after its own quarter.

    Files of markets do not tell what is spent on advertising today, so a market has no elasticity
    to its budget. The lever that is advertising has one, at the budget that is half its saturation.
    """
    usual = world.today.measure("purchases")[:, MOVED]
    campaign = (
        Move(Channel.FEATURE, trials.feature, (1, 1)),
        Move(Channel.AWARENESS, trials.awareness, (1, 1)),
    )
    gain = world.moved(*campaign).measure("purchases")[:, MOVED] / usual - 1.0
    short, long = _lever_elasticity(world, trials)
    return Finding(
        {"carry_over": float(gain.sum() / gain[0]), "lever_short": short, "lever_long": long},
        {"campaign": gain},
    )


def _lever_elasticity(world: World, trials: Trials) -> tuple[float, float]:
    """Return the elasticity of focal sales to the advertising lever's budget.

    Of the quarter in which the budget rises, and of that and all later quarters together.
    """
    lever = world.config.lever[trials.advertising]
    market = world.config.market
    reached = market.company_customers * lever.reach
    usual = lever.half_saturation * reached * (1.0 - lever.carry_over)
    amounts = np.full(world.config.quarters, usual)
    sold = []
    for name, factor in (("advertising", 1.0), ("burst", 1.0 + trials.burst)):
        amounts[QUARTERS_PER_YEAR] = usual * factor
        life = world.spent(name, {trials.advertising: amounts.tolist()}, people=False)
        sold.append(life.measure("purchases")[QUARTERS_PER_YEAR:, 0])
    gain = (sold[1] / sold[0] - 1.0) / trials.burst
    return float(gain[0]), float(gain.sum())


def _programme(world: World, trials: Trials) -> Life:
    """Return the world in which the focal brand runs a loyalty programme."""
    customers = world.config.market.company_customers
    spend = {
        lever: [money * customers / QUARTERS_PER_YEAR] * world.config.quarters
        for lever, money in trials.programme.items()
    }
    return world.spent("programme", spend, people=True)


def loyalty_programme(world: World, trials: Trials) -> Finding:
    """See what a programme moves, whom, and what a naive reading would credit it with."""
    lives = world.today, _programme(world, trials)
    sold = [life.measure("purchases")[-QUARTERS_PER_YEAR:, 0].sum() for life in lives]
    lift = float(sold[1] / sold[0] - 1.0)
    n_rows = world.before.person.shape[1]
    known = world.before.person[-1]
    before = world.before.counts[known, 0, -QUARTERS_PER_YEAR:].sum(axis=1)
    # Rows of people who were there when the plan began: person and row have one number.
    year = [life.purchases.counts[:n_rows, 0, -QUARTERS_PER_YEAR:].sum(axis=1) for life in lives]
    buyers = before > 0
    heavy = before >= np.quantile(before[buyers], 2.0 / 3.0)
    lifts = [float(year[1][g].sum() / year[0][g].sum() - 1.0) for g in (buyers & ~heavy, heavy)]
    stays = lives[1].purchases.person[-1] == np.arange(n_rows)
    member = lives[1].tier > 0
    means = [year[1][buyers & stays & who].mean() for who in (member, ~member)]
    gap = float(means[0] / means[1] - 1.0)
    return Finding(
        {
            "lift": lift,
            "light": lifts[0],
            "heavy": lifts[1],
            "light_over_heavy": lifts[0] - lifts[1],
            "gap": gap,
            "credited": lift / gap,
        }
    )


def behaviour_before_attitude(world: World, trials: Trials) -> Finding:
    """See whether a programme moves what people do more, and sooner, than what they answer."""
    lives = world.today, _programme(world, trials)
    share = [life.measure("share")[:, 0] for life in lives]
    answer = [life.of_plan(_recommendation(life))[:, 0] for life in lives]
    done, said = (values[1] / values[0] - 1.0 for values in (share, answer))
    opened = int(np.argmax(lives[1].measure("members")[:, 0] > 0)) + QUARTERS_PER_YEAR - 1
    return Finding(
        {
            "behaviour": float(done[-1]),
            "attitude": float(said[-1]),
            "ratio": float(done[-1] / said[-1]),
            "first_year": float(done[opened] / said[opened]),
        },
        {"behaviour": done, "attitude": said},
    )


def _recommendation(life: Life) -> F64:
    """Return the mean answer, 0 to 10, to whether one would recommend the brand."""
    return ratio(life.history.flow(at.RECOMMEND), behaviour.buyers(life.history))


def retention_value(world: World, trials: Trials) -> Finding:
    """See what customer value gains by retention, by margin, and by cheaper winning.

    V = m (1 + d) / (1 + d - r), less the cost of winning: m a year's margin, r the share that is
    kept over a year, d the discount rate. Under a contract a customer is kept who stays with the
    brand, in a repertoire who stays in the category.
    """
    life, finance = world.today, world.config.finance
    discount = 1.0 + trials.discount
    kept = _kept_a_year(life, world.config.market.kind)
    margin = (
        finance.gross_margin * life.measure("revenue")[-QUARTERS_PER_YEAR:, 0].sum()
        / life.measure("customers")[-QUARTERS_PER_YEAR:, 0].mean()
    ) - finance.keeping_cost  # fmt: skip
    worth = margin * discount / (discount - kept)
    cost = finance.acquisition_cost
    net = worth - cost
    return Finding(
        {
            "kept": kept,
            "retention": float(kept / (discount - kept) * worth / net),
            "margin": float(worth / net),
            "acquisition": float(cost / net),
        }
    )


def _kept_a_year(life: Life, kind: MarketKind) -> float:
    if kind is MarketKind.SUBSCRIPTION:
        return float(1.0 - life.measure("churn_annual")[-QUARTERS_PER_YEAR:, 0].mean())
    still = life.of_plan(life.history.flow(at.BASE_CUSTOMERS))[:, 0]
    years = (len(still) - 1) / QUARTERS_PER_YEAR
    return float((still[-1] / still[0]) ** (1.0 / years))


def identical_plans(world: World, trials: Trials) -> Finding:
    """See how far two lives under the same plan differ."""
    lives = world.today, world.lived_again()
    gaps = [
        np.nan_to_num(np.abs(MEASURES[name](lives[0].history) - MEASURES[name](lives[1].history)))
        for name in MEASURES
    ]
    return Finding({"difference": float(max(gap.max() for gap in gaps))})


LAWS: dict[str, Question] = {
    "double_jeopardy": double_jeopardy,
    "dirichlet_fit": dirichlet_fit,
    "growth_with_window": growth_with_window,
    "share_of_requirements": share_of_requirements,
    "duplication": duplication,
    "pareto_share": pareto_share,
    "buyer_moderation": buyer_moderation,
    "cohort_retention": cohort_retention,
    "state_dependence": state_dependence,
    "price_response": price_response,
    "promotion_bump": promotion_bump,
    "promotion_dip": promotion_dip,
    "no_lasting_promotion": no_lasting_promotion,
    "advertising": advertising,
    "loyalty_programme": loyalty_programme,
    "behaviour_before_attitude": behaviour_before_attitude,
    "retention_value": retention_value,
    "identical_plans": identical_plans,
}
"""Name to what asks a world."""
