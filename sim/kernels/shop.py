"""The occasions of a quarter, in lanes: choose, experience, learn, feel, form habit, perhaps leave.

One function per phenomenon; each is a loop over lanes (see `lanes`), often inside a loop over
brands. What concerns the chosen brand alone is looked up and written back lane by lane. Lanes
compute in float32, except where a random word is held against the probability of a problem.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from sim.kernels import layout as at
from sim.kernels.bond import feel
from sim.kernels.choice import choose, weigh
from sim.kernels.experience import (
    ANSWERED,
    LATE,
    NO_PROBLEM,
    SILENT,
    first_lesson,
    learn_value,
    logistic,
    service_loss,
    service_outcome,
)
from sim.kernels.lanes import line_up, padded, send_back
from sim.kernels.layout import NEVER
from sim.kernels.philox import OCCASION, normal32, philox, uniform
from sim.kernels.renewal import leaving_probability

_BRAND, _QUALITY, _SERVICE, _LEAVING = 0, 1, 2, 3  # what a word of an occasion decides
_ANSWER_SCALE = np.float32(10.0)  # CSAT is kept in tenths
_ZERO = np.float32(0.0)
_ONE = np.float32(1.0)


@njit(error_model="numpy")
def shop(
    columns, traits, offer, treatment, tally, block, lanes, s, start, stop, quarter, seed,
    replication,
):  # fmt: skip
    """Live through the occasions of rows [start, stop), who are all of segment s."""
    n_buyers = n = line_up(columns, treatment, block, lanes, s, start, stop)
    planned = lanes.planned
    most = 0
    for j in range(n):
        most = max(most, planned[j])
    seen = np.zeros((lanes.value.shape[0], LATE + 1), np.int64)
    for k in range(most):
        while n > 0 and planned[n - 1] <= k:
            n -= 1
        m = padded(n)
        _draw(lanes.customer, lanes.words, m, quarter, k, seed, replication)
        _weigh(lanes, traits, offer.log_price[:, s], traits.weight_reference[s], m)
        if traits.subscription:
            _charge_switching(lanes.utility, lanes.last, traits.switching_cost, m)
        choose(lanes.utility, lanes.words[_BRAND], lanes.top, lanes.total, lanes.chosen, m)
        if traits.subscription:
            _stay_loyal(lanes.chosen, lanes.last, lanes.loyal, m)
        _pass_over(lanes.chosen, planned, k, m)
        _meet(lanes, offer, s, m)
        _suffer(lanes, traits, m)
        _compare(lanes, traits, m)
        _learn(lanes, traits, m)
        _form_habit(lanes.chosen, lanes.habit, traits.habit_smoothing, m)
        _expect_price(
            lanes.chosen, lanes.reference, offer.log_price[:, s], traits.reference_smoothing, m
        )
        _answer(lanes.delta, lanes.satisfaction, traits, m)
        _note(lanes, tally.flow[s], tally.switching[s], block.counts, seen, n)
        _hear_back(lanes, columns.satisfaction[start:stop], block.complaints, n)
        _move_on(lanes.last, lanes.made, lanes.chosen, m)
        _leave(lanes, traits, m)
    _note_outcomes(tally.flow[s], seen, traits.effort)
    send_back(columns, block, lanes, n_buyers, start, stop)


@njit(error_model="numpy")
def _draw(customer, words, n, quarter, k, seed, replication):
    """Draw the four words of occasion k."""
    brand, quality = words[_BRAND], words[_QUALITY]
    service, leaving = words[_SERVICE], words[_LEAVING]
    for j in range(n):
        w0, w1, w2, w3 = philox(customer[j], quarter, OCCASION, k, seed, replication)
        brand[j] = w0
        quality[j] = w1
        service[j] = w2
        leaving[j] = w3


@njit(error_model="numpy")
def _weigh(lanes, traits, log_price, weight_reference, n):
    """Leave in `utility` what each brand is worth now."""
    utility, fixed, value, bond = lanes.utility, lanes.fixed, lanes.value, lanes.bond
    habit, reference, gain_factor = lanes.habit, lanes.reference, traits.gain_factor
    weight_value, weight_bond = lanes.weight_value, lanes.weight_bond
    weight_habit = lanes.weight_habit
    for b in range(log_price.shape[0]):
        weigh(
            utility[b], fixed[b], value[b], bond[b], habit[b], reference, weight_value,
            weight_bond, weight_habit, weight_reference, log_price[b], gain_factor, n,
        )  # fmt: skip


@njit(error_model="numpy")
def _charge_switching(utility, last, cost, n):
    """Take the cost to switch from the utility of all brands but the last one."""
    cost = np.float32(cost)
    for b in range(utility.shape[0]):
        other, brand = utility[b], np.int32(b)
        for j in range(n):
            stays = (last[j] == brand) | (last[j] == NEVER)
            other[j] -= np.float32(0.0) if stays else cost


@njit(error_model="numpy")
def _stay_loyal(chosen, last, loyal, n):
    """Keep those with their brand who do not look around."""
    for j in range(n):
        chosen[j] = last[j] if loyal[j] != 0 else chosen[j]


@njit(error_model="numpy")
def _pass_over(chosen, planned, k, n):
    """Let lanes without an occasion k buy nothing."""
    k = np.int32(k)
    for j in range(n):
        chosen[j] = chosen[j] if planned[j] > k else np.int32(NEVER)


@njit(error_model="numpy")
def _meet(lanes, offer, s, n):
    """Look up what the chosen brand delivers, and what was thought and felt of it."""
    chosen, value, bond = lanes.chosen, lanes.value, lanes.bond
    quality, problem, on_time = lanes.quality, lanes.problem, lanes.on_time
    its_value, its_bond = lanes.its_value, lanes.its_bond
    unknown, first, treated = lanes.unknown, lanes.first, lanes.treated
    qualities, problems, on_times = offer.quality, offer.problem, offer.on_time
    for j in range(n):
        b = max(chosen[j], 0)
        quality[j] = qualities[b, s] + (treated[j] if b == 0 else _ZERO)
        problem[j] = problems[b, s]
        on_time[j] = on_times[b, s]
        first[j] = unknown[b, j]
        its_value[j] = value[b, j]
        its_bond[j] = bond[b, j]


@njit(error_model="numpy")
def _suffer(lanes, traits, n):
    """See whether there was a problem, and how it was answered."""
    word, outcome = lanes.words[_SERVICE], lanes.outcome
    problem, on_time, complaint = lanes.problem, lanes.on_time, traits.complaint
    for j in range(n):
        outcome[j] = service_outcome(uniform(word[j]), problem[j], complaint, on_time[j])


@njit(error_model="numpy")
def _compare(lanes, traits, n):
    """Leave in `delta` what was delivered minus what was expected."""
    chosen, word, outcome = lanes.chosen, lanes.words[_QUALITY], lanes.outcome
    quality, its_value, delta = lanes.quality, lanes.its_value, lanes.delta
    noise, problem_loss = np.float32(traits.noise), np.float32(traits.problem_loss)
    repair, late_factor = np.float32(traits.repair), np.float32(traits.late_factor)
    for j in range(n):
        loss = service_loss(outcome[j], problem_loss, repair, late_factor)
        delivered = quality[j] + noise * normal32(word[j]) - loss
        delta[j] = delivered - its_value[j] if chosen[j] != NEVER else delta[j]


@njit(error_model="numpy")
def _learn(lanes, traits, n):
    """Let the disconfirmation move value and bond of the brand bought."""
    chosen, delta, its_value, its_bond = lanes.chosen, lanes.delta, lanes.its_value, lanes.its_bond
    learning, negativity = np.float32(traits.learning), np.float32(traits.negativity)
    gain, first, unknown = np.float32(traits.bond_gain), lanes.first, lanes.unknown
    lesson, weight = first_lesson(traits.learning, traits.negativity, traits.first_experience)
    lesson, weight = np.float32(lesson), np.float32(weight)
    for j in range(n):
        taught = lesson if first[j] != 0 else learning
        weighed = weight if first[j] != 0 else negativity
        its_value[j] = learn_value(its_value[j], delta[j], taught, weighed)
        its_bond[j] = feel(its_bond[j], delta[j], gain, negativity)
    value, bond = lanes.value, lanes.bond
    for j in range(n):
        b = chosen[j]
        if b != NEVER:
            value[b, j] = its_value[j]
            bond[b, j] = its_bond[j]
            unknown[b, j] = 0


@njit(error_model="numpy")
def _form_habit(chosen, habit, smoothing, n):
    """Let the habit of the brand bought grow, and the others fade."""
    smoothing = np.float32(smoothing)
    for b in range(habit.shape[0]):
        brand = np.int32(b)
        for j in range(n):
            kept = smoothing * habit[b, j]
            kept = kept + (_ONE - smoothing) if chosen[j] == brand else kept
            habit[b, j] = kept if chosen[j] != NEVER else habit[b, j]


@njit(error_model="numpy")
def _expect_price(chosen, reference, log_price, smoothing, n):
    """Move the expected price towards the one that was paid."""
    smoothing = np.float32(smoothing)
    for b in range(log_price.shape[0]):
        brand, paid = np.int32(b), log_price[b]
        for j in range(n):
            moved = reference[j] + smoothing * (paid - reference[j])
            reference[j] = moved if chosen[j] == brand else reference[j]


@njit(error_model="numpy")
def _answer(delta, satisfaction, traits, n):
    """Leave in `satisfaction` what the customer would answer: CSAT 0..10."""
    intercept, slope = np.float32(traits.survey_intercept), np.float32(traits.survey_slope)
    for j in range(n):
        satisfaction[j] = np.float32(10.0) * logistic(intercept + slope * delta[j])


@njit(error_model="numpy")
def _note(lanes, flow, switching, counts, seen, n):
    """Count the purchases: who moved where, how content, with what service. Not a vector loop."""
    place, last, chosen = lanes.place, lanes.last, lanes.chosen
    satisfaction, outcome = lanes.satisfaction, lanes.outcome
    for j in range(n):
        b = chosen[j]
        if b == NEVER:
            continue
        flow[b, at.SATISFACTION] += satisfaction[j]
        seen[b, outcome[j]] += 1
        counts[b, place[j]] += 1
        if last[j] != NEVER:
            switching[last[j], b] += 1


@njit(error_model="numpy")
def _hear_back(lanes, answers, complaints, n):
    """Keep what the focal brand hears of its buyers: the last answer, and complaints."""
    place, chosen = lanes.place, lanes.chosen
    satisfaction, outcome = lanes.satisfaction, lanes.outcome
    for j in range(n):
        if chosen[j] == 0:
            answer = np.int64(_ANSWER_SCALE * satisfaction[j] + np.float32(0.5))
            answers[place[j]] = min(max(answer, 1), 100)  # 0 stands for no answer yet
            complaints[place[j]] += 1 if outcome[j] in (ANSWERED, LATE) else 0


@njit(error_model="numpy")
def _note_outcomes(flow, seen, effort):
    """Add the service outcomes seen in a block to the tally."""
    for b in range(seen.shape[0]):
        silent, answered, late = seen[b, SILENT], seen[b, ANSWERED], seen[b, LATE]
        flow[b, at.PROBLEMS] += silent + answered + late
        flow[b, at.CONTACTS] += answered + late
        flow[b, at.LATE_ANSWERS] += late
        for outcome in range(NO_PROBLEM, LATE + 1):
            flow[b, at.EFFORT] += effort[outcome] * seen[b, outcome]


@njit(error_model="numpy")
def _move_on(last, made, chosen, n):
    """Remember the purchase."""
    for j in range(n):
        made[j] += np.int32(1) if chosen[j] != NEVER else np.int32(0)
        last[j] = chosen[j] if chosen[j] != NEVER else last[j]


@njit(error_model="numpy")
def _leave(lanes, traits, n):
    """Let some leave the category after the purchase."""
    chosen, word, left, planned = lanes.chosen, lanes.words[_LEAVING], lanes.left, lanes.planned
    logit, delta, bond = lanes.leaving_logit, lanes.delta, lanes.its_bond
    weight_satisfaction = np.float32(traits.leaving_satisfaction)
    weight_bond = np.float32(traits.leaving_bond)
    reference = np.float32(traits.leaving_bond_reference)
    for j in range(n):
        leaves = leaving_probability(
            logit[j], delta[j], bond[j], weight_satisfaction, weight_bond, reference
        )
        goes = (np.float32(uniform(word[j])) < leaves) & (chosen[j] != NEVER)
        left[j] = np.int32(1) if goes else left[j]
        planned[j] = np.int32(0) if goes else planned[j]
