"""What the focal brand keeps of each customer at the end of a quarter, and how well it warns.

    add_up      spend of the quarter, and its trend
    look_back   whether the warnings of earlier quarters were right
    warn        a score from what the company can see, and who gets an offer next quarter
    sort        recency, frequency, money
    rank        joining, points, tier

The company sees purchases, answers and complaints. Only `look_back` knows who has left. All but
`rank` and what is rare compute in lanes (see `lanes`), a strip being WIDTH rows in a row.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from sim.kernels import layout as at
from sim.kernels.experience import logistic
from sim.kernels.instructions import compiled, fma, inlined, pick
from sim.kernels.lanes import I32, empty_rows, load, store
from sim.kernels.layout import (
    F32,
    GREEN,
    HISTORY_SIZE,
    LEVEL_BITS,
    LEVEL_MASK,
    N_LEVELS,
    RED,
    WIDTH,
    YELLOW,
)
from sim.kernels.philox import CARE, ENROLMENT, philox, uniform
from sim.kernels.record import fold
from sim.kernels.renewal import QUARTERS_PER_YEAR

_KEPT = np.float32(1.0 - 1.0 / QUARTERS_PER_YEAR)  # steady spend then adds up to a year of it
_YEARLY = np.float32(QUARTERS_PER_YEAR)
_LATELY = np.int32(0b11)  # this quarter and the one before
_YEAR = np.int32(0b1111)
_OFTEN = np.int32(2)  # active quarters of a year
_NONE = np.int32(-1)  # no cell of a table
_ALL_WARNINGS = (1 << LEVEL_BITS * at.WARNING_QUARTERS) - 1
_ZERO = np.float32(0.0)
_ONE = np.float32(1.0)
_CSAT = np.float32(0.01)  # answers are kept in hundredths

# Sums over a block, side by side: cells of three tables, and money.
_JUDGED, _WARNED, _RFM = 0, 2 * N_LEVELS, 3 * N_LEVELS
_TRAILING = _RFM + at.N_RFM
_SPENT = _TRAILING + 1
_N_SUMS = _SPENT + 1


class _Strip(NamedTuple):
    """Rows side by side; arrays are (WIDTH,)."""

    past: I32  # activity history with the focal brand
    seen: I32  # warnings
    left: I32
    answer: I32  # CSAT in hundredths, 0 for none
    complaints: I32
    level: I32  # of the warning
    judged: I32  # cell of the table of the same name, or none
    lost: I32  # 1: lost in this quarter, for the focal brand
    rfm: I32
    counts: F32
    basket: F32
    trailing: F32
    spend: F32
    trend: F32


@inlined
def _empty_strip():
    row, whole, _ = empty_rows(14, 0, 0)
    return _Strip(
        whole[0], whole[1], whole[2], whole[3], whole[4], whole[5], whole[6], whole[7], whole[8],
        row[9], row[10], row[11], row[12], row[13],
    )  # fmt: skip


@compiled
def relate(
    columns, traits, offer, treatment, tally, block, s, start, stop, quarter, seed, replication
):
    """Bring what the focal brand knows of its customers up to date, and count it."""
    strip = _empty_strip()
    sums = empty_rows(_N_SUMS, 0, 0)[0]
    sums[:] = _ZERO
    price = np.float32(offer.order_value[0, s] * np.exp(offer.log_price[0, s]))
    for first in range(start, stop, WIDTH):
        last = min(first + WIDTH, stop)
        _read(strip, columns, block, start, first, last)
        _add_up(strip, sums, price)
        _look_back(strip, traits, quarter)
        _warn(strip, traits)
        _sort(strip, sums, traits.lapse_mask, treatment.money_line)
        _count(strip, sums)
        _note_losses(strip, columns.first_purchase[first:last], traits, tally, s, quarter)
        _care(strip, columns.care[first:last], treatment, tally, s, first, quarter, seed,
              replication)  # fmt: skip
        _write(strip, columns, block, start, first, last)
    fold(sums)
    _add(sums, tally, s)
    if _has_club(columns, treatment, start, stop):
        _rank(columns, traits, treatment, tally, block, s, start, stop, seed, replication)
    else:
        tally.tier_revenue[s, 0] += sums[_SPENT, 0]
        for level in range(N_LEVELS):
            tally.tiers[s, 0, 0] += np.int64(sums[_WARNED + level, 0])


@inlined
def _read(strip, columns, block, start, first, last):
    place, end = first - start, last - start
    load(strip.past, columns.history[0, first:last])
    load(strip.seen, columns.warnings[first:last])
    load(strip.answer, columns.satisfaction[first:last])
    load(strip.basket, columns.basket[first:last])
    load(strip.trailing, columns.trailing_spend[first:last])
    load(strip.counts, block.counts[0, place:end])
    load(strip.left, block.left[place:end])
    load(strip.complaints, block.complaints[place:end])


@inlined
def _write(strip, columns, block, start, first, last):
    store(strip.trailing, columns.trailing_spend[first:last])
    store(strip.seen, columns.warnings[first:last])
    store(strip.spend, block.spend[first - start : last - start])


@inlined
def count_active(past):
    """Return the number of quarters with a purchase in an activity history: of bits that are set.

    Bits are added in pairs, fours, eights: free of branches, which nothing could foretell here.
    """
    past = np.int32(past)
    twos = past - (past >> np.int32(1) & np.int32(0x5555))
    fours = (twos & np.int32(0x3333)) + (twos >> np.int32(2) & np.int32(0x3333))
    eights = (fours + (fours >> np.int32(4))) & np.int32(0x0F0F)
    return (eights + (eights >> np.int32(8))) & np.int32(0x1F)


@inlined
def purchase_rhythm(past, prior):
    """Return quarters since the last purchase, and how often the customer buys, 0..1.

    Active quarters over the quarters from the first to the last of them; `prior` quarters without
    a purchase are added, for whom one purchase tells little. Their product is the time since the
    last purchase in units of the customer's own interval. For a history that is not empty.
    """
    past = np.int32(past)
    recency = count_active((past & -past) - np.int32(1))  # zeros below the lowest bit
    known = past | past >> np.int32(1)  # becomes all quarters since the first purchase
    known |= known >> np.int32(2)
    known |= known >> np.int32(4)
    known |= known >> np.int32(8)
    span = count_active(known) - recency
    return recency, np.float32(count_active(past)) / (np.float32(span) + np.float32(prior))


@inlined
def spend_trend(spend, trailing):
    """Return by what share a quarter's spend fell short of the usual, -1 .. 1; 0 without any."""
    fall = min(max(_ONE - _YEARLY * spend / trailing, -_ONE), _ONE)
    return pick(trailing > _ZERO, fall, _ZERO)


@inlined
def warning_score(score, overdue, rhythm, trend, dissatisfaction, complaint):
    """Return the score 0..1 from its weights, see `Traits.score`."""
    x = fma(score[1], overdue, fma(-score[2], rhythm, score[0]))
    x = fma(score[4], dissatisfaction, fma(score[3], trend, x))
    return logistic(fma(score[5], complaint, x))


@inlined
def warning_level(score, levels):
    """Return GREEN, YELLOW or RED."""
    level = pick(score >= levels[0], np.int32(YELLOW), np.int32(GREEN))
    return pick(score >= levels[1], np.int32(RED), level)


@inlined
def quarters_warned(warnings):
    """Return for how many quarters without a break, up to the last one, there was a warning."""
    n = 0
    while n < at.WARNING_QUARTERS and warnings >> LEVEL_BITS * n & LEVEL_MASK:
        n += 1
    return n


@inlined
def tier_of(trailing, tier_from):
    """Return the tier of a member: the lowest one is everybody's."""
    tier = 1
    for k in range(1, tier_from.shape[0]):
        tier = k + 1 if trailing >= tier_from[k] else tier
    return tier


@inlined
def _add_up(strip, sums, price):
    """Leave in `spend` what was paid, in `trend` how it compares, and keep the spend."""
    counts, basket, trailing = strip.counts, strip.basket, strip.trailing
    spend, trend, spent = strip.spend, strip.trend, sums[_SPENT]
    for j in range(WIDTH):
        spend[j] = counts[j] * basket[j] * price
        trend[j] = spend_trend(spend[j], trailing[j])
        trailing[j] = fma(_KEPT, trailing[j], spend[j])
        spent[j] += spend[j]


@inlined
def _look_back(strip, traits, quarter):
    """Hold earlier warnings against what became of the customers.

    Who has left the category is lost now. Who stays is lost once a whole lapse window has passed
    without a purchase, so judged is the level that it had when the window began.
    """
    past, seen, left, judged, lost = strip.past, strip.seen, strip.left, strip.judged, strip.lost
    window, customer = np.int32(traits.lapse_window), np.int32(traits.lapse_mask)
    known, old = np.int32(HISTORY_SIZE - 1), quarter >= traits.lapse_window
    then, level = np.int32(LEVEL_BITS * (traits.lapse_window - 1)), np.int32(LEVEL_MASK)
    one, two = np.int32(1), np.int32(2)
    for j in range(WIDTH):
        recent = past[j] & known
        is_customer, gone = (recent & customer) != 0, left[j] != 0
        was_customer = ((recent >> window) & customer) != 0
        lapsed = (not gone) & old & was_customer & (not is_customer)
        went = gone & is_customer
        cell = (seen[j] >> then & level) * two + np.int32(not is_customer)
        cell = pick((not gone) & old & was_customer, cell, _NONE)
        judged[j] = pick(went, (seen[j] & level) * two + one, cell)
        lost[j] = np.int32(went | (lapsed & ((recent >> window & one) != 0)))


@inlined
def _warn(strip, traits):
    """Score the customers and note their levels."""
    past, left, answer, complaints = strip.past, strip.left, strip.answer, strip.complaints
    trend, level, seen = strip.trend, strip.level, strip.seen
    score, levels, customer = traits.score, traits.score_levels, np.int32(traits.lapse_mask)
    for j in range(WIDTH):
        dissatisfied = _ONE - _CSAT * np.float32(answer[j])
        dissatisfaction = pick(answer[j] > 0, dissatisfied, _ZERO)
        complaint = pick(complaints[j] > 0, _ONE, _ZERO)
        recency, rhythm = purchase_rhythm(past[j], score[6])
        overdue = np.float32(recency) * rhythm
        scored = warning_score(score, overdue, rhythm, trend[j], dissatisfaction, complaint)
        counted = ((past[j] & customer) != 0) & (left[j] == 0)
        level[j] = pick(counted, warning_level(scored, levels), _NONE)
        # What is not counted is noted as green.
        seen[j] = seen[j] << np.int32(LEVEL_BITS) | max(level[j], np.int32(GREEN))


@inlined
def _sort(strip, sums, customer, money_line):
    """Sort customers by recency, frequency and money: lately or not, often or not, much or not."""
    past, left, trailing, rfm = strip.past, strip.left, strip.trailing, strip.rfm
    total, customer, money_line = sums[_TRAILING], np.int32(customer), np.float32(money_line)
    for j in range(WIDTH):
        lately = np.int32((past[j] & _LATELY) != 0)
        often = np.int32(count_active(past[j] & _YEAR) >= _OFTEN)
        much = np.int32(trailing[j] >= money_line)
        counted = ((past[j] & customer) != 0) & (left[j] == 0)
        cell = (lately << np.int32(2)) | (often << np.int32(1)) | much
        rfm[j] = pick(counted, cell, _NONE)
        total[j] += pick(counted, trailing[j], _ZERO)


@inlined
def _count(strip, sums):
    """Count the cells."""
    judged, level, rfm = strip.judged, strip.level, strip.rfm
    for cell in range(2 * N_LEVELS):
        count = sums[_JUDGED + cell]
        for j in range(WIDTH):
            count[j] += pick(judged[j] == np.int32(cell), _ONE, _ZERO)
    for cell in range(N_LEVELS):
        count = sums[_WARNED + cell]
        for j in range(WIDTH):
            count[j] += pick(level[j] == np.int32(cell), _ONE, _ZERO)
    for cell in range(at.N_RFM):
        count = sums[_RFM + cell]
        for j in range(WIDTH):
            count[j] += pick(rfm[j] == np.int32(cell), _ONE, _ZERO)


@compiled
def _add(sums, tally, s):
    """Add the cells of a block to the tally."""
    for cell in range(2 * N_LEVELS):
        tally.judged[s, cell // 2, cell % 2] += np.int64(sums[_JUDGED + cell, 0])
    for cell in range(N_LEVELS):
        tally.warned[s, cell] += np.int64(sums[_WARNED + cell, 0])
    for cell in range(at.N_RFM):
        tally.rfm[s, cell] += np.int64(sums[_RFM + cell, 0])
    tally.club[s, at.SPEND] += sums[_TRAILING, 0]


@inlined
def _note_losses(strip, first_purchase, traits, tally, s, quarter):
    """Note of those lost how long they were warned of, and how long they had been with the brand.

    `_warn` has put this quarter's level in front of the earlier ones.
    """
    lost, left, seen, counts = strip.lost, strip.left, strip.seen, strip.counts
    lead, losses, window = tally.lead[s], tally.losses, traits.lapse_window
    for j in range(first_purchase.shape[0]):
        if lost[j] == 0:
            continue
        first = np.int64(first_purchase[j])
        if left[j]:
            if counts[j] > _ZERO and first >= 0:
                losses[first, quarter - first] += 1
        else:
            lead[quarters_warned((np.int64(seen[j]) >> LEVEL_BITS) & _ALL_WARNINGS)] += 1
            if first >= 0:
                losses[first, quarter - window - first] += 1


@inlined
def _care(strip, care, treatment, tally, s, first, quarter, seed, replication):
    """Choose who gets the offer of its warning level next quarter."""
    level, coverage, club = strip.level, treatment.coverage, tally.club[s]
    care[:] = GREEN
    if coverage[YELLOW] <= 0.0 and coverage[RED] <= 0.0:
        return
    for j in range(care.shape[0]):
        if level[j] > GREEN and coverage[level[j]] > 0.0:
            w0, _, _, _ = philox(first + j, quarter, CARE, 0, seed, replication)
            if uniform(w0) < coverage[level[j]]:
                care[j] = level[j]
                club[at.CARED_YELLOW + level[j] - YELLOW] += 1.0


@inlined
def _has_club(columns, treatment, start, stop):
    """Return whether there is a membership, or anybody with a tier or points of a former one."""
    if treatment.tier_from.shape[0] > 0:
        return True
    tier, points = columns.tier[start:stop], columns.points[start:stop]
    held = 0
    for j in range(stop - start):
        held += int(tier[j] > 0) + int(points[j] != _ZERO)
    return held != 0


@compiled
def _rank(columns, traits, treatment, tally, block, s, start, stop, seed, replication):
    """Let buyers join, points be redeemed, expire and be earned, and tiers follow the spend.

    Points are earned in the tier that the quarter began in; those of who leaves the category
    expire. Counted by tier are customers and members who have not left. Where there is no
    membership any more nobody has a tier.
    """
    n = stop - start
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
