"""What the focal brand keeps of each customer at the end of a quarter, and how well it warns.

    look_back   whether the warnings of earlier quarters were right
    add_up      spend of the quarter, and its trend
    rank        joining, points, tier
    warn        a score from what the company can see, and who gets an offer next quarter
    sort        recency, frequency, money

The company sees purchases, answers and complaints. Only `look_back` knows who has left. Each
function takes rows [start, stop), who are all of segment s, as columns of their own.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from sim.kernels import layout as at
from sim.kernels.experience import logistic
from sim.kernels.layout import GREEN, HISTORY_SIZE, LEVEL_BITS, LEVEL_MASK, RED, YELLOW
from sim.kernels.philox import CARE, ENROLMENT, philox, uniform
from sim.kernels.renewal import QUARTERS_PER_YEAR

_KEPT = 1.0 - 1.0 / QUARTERS_PER_YEAR  # steady spend then adds up to a year of it
_LATELY = 0b11  # this quarter and the one before
_YEAR = 0b1111
_OFTEN = 2  # active quarters of a year


@njit(error_model="numpy")
def relate(
    columns, traits, offer, treatment, tally, block, s, start, stop, quarter, seed, replication
):
    """Bring what the focal brand knows of its customers up to date, and count it."""
    n = stop - start
    _look_back(columns, traits, tally, block, s, start, n, quarter)
    _add_up(columns, offer, block, s, start, n)
    _rank(columns, traits, treatment, tally, block, s, start, n, seed, replication)
    _warn(columns, traits, treatment, tally, block, s, start, n, quarter, seed, replication)
    _sort(columns, traits, treatment, tally, block, s, start, n)


@njit(inline="always")
def count_active(past):
    """Return the number of quarters with a purchase in an activity history: of bits that are set.

    Bits are added in pairs, fours, eights: free of branches, which nothing could foretell here.
    """
    twos = past - (past >> 1 & 0x5555)
    fours = (twos & 0x3333) + (twos >> 2 & 0x3333)
    eights = (fours + (fours >> 4)) & 0x0F0F
    return (eights + (eights >> 8)) & 0x1F


@njit(inline="always")
def purchase_rhythm(past, prior):
    """Return quarters since the last purchase, and how often the customer buys, 0..1.

    Active quarters over the quarters from the first to the last of them; `prior` quarters without
    a purchase are added, for whom one purchase tells little. Their product is the time since the
    last purchase in units of the customer's own interval. For a history that is not empty.
    """
    recency = count_active((past & -past) - 1)  # zeros below the lowest bit
    known = past | past >> 1  # becomes all quarters since the first purchase
    known |= known >> 2
    known |= known >> 4
    known |= known >> 8
    span = count_active(known) - recency
    return recency, count_active(past) / (span + prior)


@njit(inline="always")
def spend_trend(spend, trailing):
    """Return by what share a quarter's spend fell short of the usual, -1 .. 1; 0 without any."""
    if trailing <= 0.0:
        return 0.0
    return min(max(1.0 - QUARTERS_PER_YEAR * spend / trailing, -1.0), 1.0)


@njit(inline="always")
def warning_score(score, overdue, rhythm, trend, dissatisfaction, complaint):
    """Return the score 0..1 from its weights, see `Traits.score`."""
    return logistic(
        score[0] + score[1] * overdue - score[2] * rhythm + score[3] * trend
        + score[4] * dissatisfaction + score[5] * complaint
    )  # fmt: skip


@njit(inline="always")
def warning_level(score, levels):
    """Return GREEN, YELLOW or RED."""
    if score >= levels[1]:
        return RED
    return YELLOW if score >= levels[0] else GREEN


@njit(inline="always")
def quarters_warned(warnings):
    """Return for how many quarters without a break, up to the last one, there was a warning."""
    n = 0
    while n < at.WARNING_QUARTERS and warnings >> LEVEL_BITS * n & LEVEL_MASK:
        n += 1
    return n


@njit(inline="always")
def tier_of(trailing, tier_from):
    """Return the tier of a member: the lowest one is everybody's."""
    tier = 1
    for k in range(1, tier_from.shape[0]):
        tier = k + 1 if trailing >= tier_from[k] else tier
    return tier


@njit(error_model="numpy")
def _look_back(columns, traits, tally, block, s, start, n, quarter):
    """Hold earlier warnings against what became of the customers.

    Who has left the category is lost now. Who stays is lost once a whole lapse window has passed
    without a purchase, so judged is the level that it had when the window began.
    """
    history, warnings = columns.history[0, start : start + n], columns.warnings[start : start + n]
    first_purchase = columns.first_purchase[start : start + n]
    counts, left = block.counts[0], block.left
    judged, lead, losses = tally.judged[s], tally.lead[s], tally.losses
    window, customer = traits.lapse_window, traits.lapse_mask
    for j in range(n):
        past, seen = np.int64(history[j]) & (HISTORY_SIZE - 1), np.int64(warnings[j])
        first = np.int64(first_purchase[j])
        if left[j]:
            if past & customer:
                judged[seen & LEVEL_MASK, 1] += 1
                if counts[j] > 0 and first >= 0:
                    losses[first, quarter - first] += 1
            continue
        if quarter < window or not past >> window & customer:
            continue
        lost = 0 if past & customer else 1
        judged[seen >> LEVEL_BITS * (window - 1) & LEVEL_MASK, lost] += 1
        if lost == 1 and past >> window & 1:  # lapses in this very quarter
            lead[quarters_warned(seen)] += 1
            if first >= 0:
                losses[first, quarter - window - first] += 1


@njit(error_model="numpy")
def _add_up(columns, offer, block, s, start, n):
    """Leave in `spend` what was paid, in `trend` how it compares, and keep the spend."""
    basket, trailing = columns.basket[start : start + n], columns.trailing_spend[start : start + n]
    counts, spend, trend = block.counts[0], block.spend, block.trend
    order_value, price = offer.order_value[0, s], np.exp(offer.log_price[0, s])
    for j in range(n):
        spend[j] = counts[j] * basket[j] * order_value * price
        trend[j] = spend_trend(spend[j], np.float64(trailing[j]))
        trailing[j] = _KEPT * trailing[j] + spend[j]


@njit(error_model="numpy")
def _rank(columns, traits, treatment, tally, block, s, start, n, seed, replication):
    """Let buyers join, points be redeemed, expire and be earned, and tiers follow the spend.

    Points are earned in the tier that the quarter began in; those of who leaves the category
    expire. Counted by tier are customers and members who have not left. Where there is no
    membership any more nobody has a tier.
    """
    stop = start + n
    tier, points, birth = columns.tier[start:stop], columns.points[start:stop], columns.birth
    trailing, history = columns.trailing_spend[start:stop], columns.history[0, start:stop]
    counts, left, spend = block.counts[0], block.left, block.spend
    club, tiers, revenue = tally.club[s], tally.tiers[s], tally.tier_revenue[s]
    earning, tier_from, enrolment = treatment.earning, treatment.tier_from, treatment.enrolment[s]
    redemption, expiry, customer = treatment.redemption, treatment.expiry, traits.lapse_mask
    issued, redeemed, expired, outstanding = 0.0, 0.0, 0.0, 0.0
    for j in range(n):
        before, after, bought = np.int64(tier[j]), 0, counts[j] > 0
        used = redemption * points[j] if bought else 0.0
        gone = expiry * (points[j] - used)
        earned = earning[before] * spend[j]
        balance = points[j] - used - gone + earned
        revenue[before] += spend[j]
        if left[j]:
            gone, balance = gone + balance, 0.0
        else:
            member = before > 0
            if not member and bought and enrolment > 0.0 and tier_from.shape[0] > 0:
                w0, _, _, _ = philox(
                    start + j, birth[start + j] + 1, ENROLMENT, 0, seed, replication
                )
                member = uniform(w0) < enrolment
            if member and tier_from.shape[0] > 0:
                after = tier_of(trailing[j], tier_from)
            if before > 0 or history[j] & customer:
                tiers[before, after] += 1
        tier[j] = after
        points[j] = balance
        issued += earned
        redeemed += used
        expired += gone
        outstanding += points[j]
    club[at.ISSUED] += issued
    club[at.REDEEMED] += redeemed
    club[at.EXPIRED] += expired
    club[at.POINTS] += outstanding


@njit(error_model="numpy")
def _warn(columns, traits, treatment, tally, block, s, start, n, quarter, seed, replication):
    """Score the customers, note their levels, and choose who gets an offer next quarter."""
    stop = start + n
    history, warnings = columns.history[0, start:stop], columns.warnings[start:stop]
    satisfaction, care = columns.satisfaction[start:stop], columns.care[start:stop]
    left, complaints, trend = block.left, block.complaints, block.trend
    score, levels, coverage = traits.score, traits.score_levels, treatment.coverage
    club, warned, customer = tally.club[s], tally.warned[s], traits.lapse_mask
    for j in range(n):
        past, level, offered = np.int64(history[j]), GREEN, GREEN
        if past & customer and not left[j]:
            answered = satisfaction[j] > 0
            dissatisfaction = 1.0 - satisfaction[j] / 100.0 if answered else 0.0
            complaint = 1.0 if complaints[j] > 0 else 0.0
            recency, rhythm = purchase_rhythm(past, score[6])
            scored = warning_score(
                score, recency * rhythm, rhythm, trend[j], dissatisfaction, complaint
            )
            level = warning_level(scored, levels)
            warned[level] += 1
        if level != GREEN and coverage[level] > 0.0:
            w0, _, _, _ = philox(start + j, quarter, CARE, 0, seed, replication)
            if uniform(w0) < coverage[level]:
                offered = level
                club[at.CARED_YELLOW + level - YELLOW] += 1.0
        care[j] = offered
        warnings[j] = np.uint16(np.int64(warnings[j]) << LEVEL_BITS | level)


@njit(error_model="numpy")
def _sort(columns, traits, treatment, tally, block, s, start, n):
    """Sort customers by recency, frequency and money: lately or not, often or not, much or not."""
    history = columns.history[0, start : start + n]
    trailing, left = columns.trailing_spend[start : start + n], block.left
    rfm, money_line, customer = tally.rfm[s], treatment.money_line, traits.lapse_mask
    total = 0.0
    for j in range(n):
        past = np.int64(history[j])
        if left[j] or not past & customer:
            continue
        lately, often = past & _LATELY != 0, count_active(past & _YEAR) >= _OFTEN
        much = trailing[j] >= money_line
        rfm[(4 if lately else 0) + (2 if often else 0) + (1 if much else 0)] += 1
        total += trailing[j]
    tally.club[s, at.SPEND] += total
