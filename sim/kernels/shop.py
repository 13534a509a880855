"""The occasions of a quarter, in lanes: choose, experience, learn, feel, form habit, perhaps leave.

One function per phenomenon; each is a loop over lanes (see `lanes`), often inside a loop over
brands. Lanes compute in float32, except where a random word is held against the probability of a
problem.
"""

from __future__ import annotations

import numpy as np

from sim.kernels import layout as at
from sim.kernels.bond import feel
from sim.kernels.buyers import empty_lanes, order_buyers, seat, send_back
from sim.kernels.choice import choose, utility_of
from sim.kernels.experience import (
    ANSWERED,
    LATE,
    NO_PROBLEM,
    first_lesson,
    learn_value,
    logistic,
    service_loss,
    service_outcome,
)
from sim.kernels.instructions import compiled, fma, inlined, pick
from sim.kernels.layout import FORGONE, N_OUTCOMES, NEVER, WIDTH
from sim.kernels.philox import OCCASION, normal32, philox, uniform, uniform32
from sim.kernels.renewal import leaving_probability

_ANSWER_SCALE = np.float32(10.0)  # CSAT is kept in tenths
_ZERO = np.float32(0.0)
_ONE = np.float32(1.0)


@compiled
def shop(
    columns, traits, offer, treatment, tally, block, s, start, stop, quarter, seed, replication
):
    """Live through the occasions of rows [start, stop), who are all of segment s."""
    n_brands = offer.log_price.shape[0]
    lanes = empty_lanes(n_brands)
    planned = lanes.planned
    moves = block.moves
    moves[:] = 0
    for b in range(n_brands):
        for j in range(WIDTH):
            lanes.content[b, j] = _ZERO
    at.clear(block, stop - start)
    n_slots = columns.bought.shape[0]
    if n_slots > 0:
        _open_log(columns.bought, block.occasions, start, stop)
    n_buyers = order_buyers(block.occasions, block.place, stop - start)
    block.n_buyers[0] = n_buyers
    for first in range(0, n_buyers, WIDTH):
        place, n = block.place[first : first + WIDTH], min(WIDTH, n_buyers - first)
        seat(columns, treatment, block, lanes, place, n, s, start, stop)
        most = planned[0]
        for j in range(1, n):  # those of many occasions stand in no order
            most = max(most, planned[j])
        for k in range(most):
            _draw(lanes, quarter, k, seed, replication)
            _weigh(lanes, traits, offer.log_price[:, s], traits.weight_reference[s])
            if traits.subscription:
                _charge_switching(lanes.utility, lanes.last, traits.switching_cost)
            choose(lanes.utility, lanes.word_brand, lanes.top, lanes.total, lanes.chosen)
            if traits.subscription:
                _stay_loyal(lanes.chosen, lanes.last, lanes.loyal)
            _pass_over(lanes.chosen, planned, k)
            if k < n_slots:
                _log(lanes.chosen, columns.bought[k, start:stop], place, n)
            _meet(lanes, offer, s)
            _suffer(lanes, traits)
            _compare(lanes, traits)
            _learn(lanes, traits)
            form_habit(lanes.chosen, lanes.habit, traits.habit_smoothing)
            _expect_price(
                lanes.chosen, lanes.reference, offer.log_price[:, s], traits.reference_smoothing
            )
            _answer(lanes, traits)
            _note(lanes, moves)
            _move_on(lanes.last, lanes.made, lanes.chosen)
            _leave(lanes, traits)
        send_back(columns, block, lanes, place, n, start, stop)
    _add_moves(tally.flow[s], tally.switching[s], moves, lanes.content, traits.effort)


@inlined
def _draw(lanes, quarter, k, seed, replication):
    """Draw the four words of occasion k."""
    customer = lanes.customer
    brand, quality = lanes.word_brand, lanes.word_quality
    service, leaving = lanes.word_service, lanes.word_leaving
    for j in range(WIDTH):
        w0, w1, w2, w3 = philox(customer[j], quarter, OCCASION, k, seed, replication)
        brand[j] = w0
        quality[j] = w1
        service[j] = w2
        leaving[j] = w3


@inlined
def _weigh(lanes, traits, log_price, weight_reference):
    """Leave in `utility` what each brand is worth now."""
    reference = lanes.reference
    weight_value, weight_bond = lanes.weight_value, lanes.weight_bond
    weight_habit = lanes.weight_habit
    weight_reference, gain_factor = np.float32(weight_reference), np.float32(traits.gain_factor)
    for b in range(log_price.shape[0]):
        utility, fixed, value = lanes.utility[b], lanes.fixed[b], lanes.value[b]
        bond, habit, log_paid = lanes.bond[b], lanes.habit[b], log_price[b]
        for j in range(WIDTH):
            utility[j] = utility_of(
                fixed[j], value[j], bond[j], habit[j], log_paid, reference[j], weight_value[j],
                weight_bond[j], weight_habit[j], weight_reference, gain_factor,
            )  # fmt: skip


@inlined
def _charge_switching(utility, last, cost):
    """Take the cost to switch from the utility of all brands but the last one."""
    cost = np.float32(cost)
    for b in range(utility.shape[0]):
        other, brand = utility[b], np.int32(b)
        for j in range(WIDTH):
            stays = (last[j] == brand) | (last[j] == NEVER)
            other[j] -= pick(stays, _ZERO, cost)


@inlined
def _stay_loyal(chosen, last, loyal):
    """Keep those with their brand who do not look around."""
    for j in range(WIDTH):
        chosen[j] = pick(loyal[j] != 0, last[j], chosen[j])


@inlined
def _pass_over(chosen, planned, k):
    """Let lanes without an occasion k buy nothing."""
    k = np.int32(k)
    for j in range(WIDTH):
        chosen[j] = pick(planned[j] > k, chosen[j], np.int32(NEVER))


@compiled
def _open_log(bought, occasions, start, stop):
    """Note the occasions of rows [start, stop) as forgone, until they are lived."""
    for k in range(bought.shape[0]):
        log = bought[k, start:stop]
        for j in range(stop - start):
            log[j] = FORGONE if occasions[j] > k else NEVER


@inlined
def _log(chosen, log, place, n):
    """Note which brand the first n lanes bought."""
    for j in range(n):
        if chosen[j] != NEVER:
            log[place[j]] = chosen[j]


@inlined
def _meet(lanes, offer, s):
    """Look up what the chosen brand delivers, and what was thought and felt of it."""
    chosen, its_value, its_bond = lanes.chosen, lanes.its_value, lanes.its_bond
    quality, problem, on_time = lanes.quality, lanes.problem, lanes.on_time
    first, treated = lanes.first, lanes.treated
    for j in range(WIDTH):
        quality[j] = pick(chosen[j] == 0, treated[j], _ZERO)
        problem[j], on_time[j], first[j] = _ZERO, _ZERO, _ZERO
        its_value[j], its_bond[j] = _ZERO, _ZERO
    for b in range(lanes.value.shape[0]):
        value, bond, unknown, brand = lanes.value[b], lanes.bond[b], lanes.unknown[b], np.int32(b)
        q, p, t = offer.quality[b, s], offer.problem[b, s], offer.on_time[b, s]
        for j in range(WIDTH):
            here = chosen[j] == brand
            quality[j] += pick(here, q, _ZERO)
            problem[j] = pick(here, p, problem[j])
            on_time[j] = pick(here, t, on_time[j])
            first[j] = pick(here, unknown[j], first[j])
            its_value[j] = pick(here, value[j], its_value[j])
            its_bond[j] = pick(here, bond[j], its_bond[j])


@inlined
def _suffer(lanes, traits):
    """See whether there was a problem, and how it was answered."""
    word, outcome, chosen = lanes.word_service, lanes.outcome, lanes.chosen
    problem, on_time, complaint = lanes.problem, lanes.on_time, traits.complaint
    complaints = lanes.complaints
    for j in range(WIDTH):
        outcome[j] = service_outcome(uniform(np.uint32(word[j])), problem[j], complaint, on_time[j])
        heard = (chosen[j] == 0) & ((outcome[j] == ANSWERED) | (outcome[j] == LATE))
        complaints[j] += np.int32(heard)


@inlined
def _compare(lanes, traits):
    """Leave in `delta` what was delivered minus what was expected."""
    chosen, word, outcome = lanes.chosen, lanes.word_quality, lanes.outcome
    quality, its_value, delta = lanes.quality, lanes.its_value, lanes.delta
    noise, problem_loss = np.float32(traits.noise), np.float32(traits.problem_loss)
    repair, late_factor = np.float32(traits.repair), np.float32(traits.late_factor)
    for j in range(WIDTH):
        loss = service_loss(outcome[j], problem_loss, repair, late_factor)
        delivered = fma(noise, normal32(np.uint32(word[j])), quality[j]) - loss
        delta[j] = pick(chosen[j] != NEVER, delivered - its_value[j], delta[j])


@inlined
def _learn(lanes, traits):
    """Let the disconfirmation move value and bond of the brand bought."""
    chosen, delta, its_value, its_bond = lanes.chosen, lanes.delta, lanes.its_value, lanes.its_bond
    learning, negativity = np.float32(traits.learning), np.float32(traits.negativity)
    gain, first = np.float32(traits.bond_gain), lanes.first
    lesson, weight = first_lesson(traits.learning, traits.negativity, traits.first_experience)
    lesson, weight = np.float32(lesson), np.float32(weight)
    for j in range(WIDTH):
        taught = pick(first[j] > _ZERO, lesson, learning)
        weighed = pick(first[j] > _ZERO, weight, negativity)
        its_value[j] = learn_value(its_value[j], delta[j], taught, weighed)
        its_bond[j] = feel(its_bond[j], delta[j], gain, negativity)
    for b in range(lanes.value.shape[0]):
        value, bond, unknown, brand = lanes.value[b], lanes.bond[b], lanes.unknown[b], np.int32(b)
        for j in range(WIDTH):
            here = chosen[j] == brand
            value[j] = pick(here, its_value[j], value[j])
            bond[j] = pick(here, its_bond[j], bond[j])
            unknown[j] = pick(here, _ZERO, unknown[j])


@inlined
def form_habit(chosen, habit, smoothing):
    """Let the habit of the brand bought grow, and the others fade."""
    smoothing = np.float32(smoothing)
    for b in range(habit.shape[0]):
        brand, own = np.int32(b), habit[b]
        for j in range(WIDTH):
            kept = smoothing * own[j]
            kept += pick(chosen[j] == brand, _ONE - smoothing, _ZERO)
            own[j] = pick(chosen[j] != NEVER, kept, own[j])


@inlined
def _expect_price(chosen, reference, log_price, smoothing):
    """Move the expected price towards the one that was paid."""
    smoothing = np.float32(smoothing)
    for b in range(log_price.shape[0]):
        brand, paid = np.int32(b), log_price[b]
        for j in range(WIDTH):
            moved = reference[j] + smoothing * (paid - reference[j])
            reference[j] = pick(chosen[j] == brand, moved, reference[j])


@inlined
def _answer(lanes, traits):
    """Leave in `satisfaction` what the customer would answer, CSAT 0..10; the focal brand asks."""
    chosen, delta, satisfaction, answer = (
        lanes.chosen, lanes.delta, lanes.satisfaction, lanes.answer,
    )  # fmt: skip
    intercept, slope = np.float32(traits.survey_intercept), np.float32(traits.survey_slope)
    for j in range(WIDTH):
        satisfaction[j] = np.float32(10.0) * logistic(intercept + slope * delta[j])
        # 0 stands for no answer yet
        tenths = np.int32(_ANSWER_SCALE * satisfaction[j] + np.float32(0.5))
        tenths = min(max(tenths, np.int32(1)), np.int32(100))
        answer[j] = pick(chosen[j] == 0, tenths, answer[j])


@inlined
def _note(lanes, moves):
    """Count the purchases: who moved where, how content, with what service."""
    last, chosen, outcome, move = lanes.last, lanes.chosen, lanes.outcome, lanes.move
    satisfaction, n_brands = lanes.satisfaction, np.int32(lanes.value.shape[0])
    for b in range(lanes.value.shape[0]):
        content, counts, brand = lanes.content[b], lanes.counts[b], np.int32(b)
        for j in range(WIDTH):
            here = chosen[j] == brand
            content[j] += pick(here, satisfaction[j], _ZERO)
            counts[j] += pick(here, _ONE, _ZERO)
    nothing = np.int32(moves.shape[0] - 1)
    for j in range(WIDTH):
        kind = ((last[j] - np.int32(NEVER)) * n_brands + chosen[j]) * np.int32(
            N_OUTCOMES
        ) + outcome[j]
        move[j] = pick(chosen[j] != NEVER, kind, nothing)
    for j in range(WIDTH):
        moves[np.uint32(move[j])] += 1


@compiled
def _add_moves(flow, switching, moves, content, effort):
    """Add what was counted in a block to the tally."""
    n_brands = switching.shape[0]
    for last in range(-1, n_brands):
        for b in range(n_brands):
            for outcome in range(NO_PROBLEM, LATE + 1):
                n = moves[((last + 1) * n_brands + b) * N_OUTCOMES + outcome]
                if last != NEVER:
                    switching[last, b] += n
                flow[b, at.EFFORT] += effort[outcome] * n
                flow[b, at.PROBLEMS] += n if outcome != NO_PROBLEM else 0
                flow[b, at.CONTACTS] += n if outcome in (ANSWERED, LATE) else 0
                flow[b, at.LATE_ANSWERS] += n if outcome == LATE else 0
    for b in range(n_brands):
        for j in range(WIDTH):
            flow[b, at.SATISFACTION] += content[b, j]


@inlined
def _move_on(last, made, chosen):
    """Remember the purchase."""
    for j in range(WIDTH):
        made[j] += np.int32(chosen[j] != NEVER)
        last[j] = pick(chosen[j] != NEVER, chosen[j], last[j])


@inlined
def _leave(lanes, traits):
    """Let some leave the category after the purchase."""
    chosen, word, left, planned = lanes.chosen, lanes.word_leaving, lanes.left, lanes.planned
    logit, delta, bond = lanes.leaving_logit, lanes.delta, lanes.its_bond
    weight_satisfaction = np.float32(traits.leaving_satisfaction)
    weight_bond = np.float32(traits.leaving_bond)
    reference = np.float32(traits.leaving_bond_reference)
    for j in range(WIDTH):
        leaves = leaving_probability(
            logit[j], delta[j], bond[j], weight_satisfaction, weight_bond, reference
        )
        goes = (uniform32(np.uint32(word[j])) < leaves) & (chosen[j] != NEVER)
        left[j] = pick(goes, np.int32(1), left[j])
        planned[j] = pick(goes, np.int32(0), planned[j])
