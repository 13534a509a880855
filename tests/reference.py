"""One quarter of the customers in plain Python: slow, naive, and easy to check against the model.

Written from the equations of the model, one person after another and in float64, to judge the fused
float32 kernels. It borrows from the kernels only the generator (Philox words, Gamma),
which is tested against published vectors and distributions, and the names of purposes and columns.

Which word of an address decides what:

    INCIDENCE 0     number of occasions, voice, attention
    OCCASION k      brand, quality, service, leaving
    READING slot/4  one word per slot
    ENROLMENT 0     whether a buyer joins, by the quarter of its birth; CARE 0: who gets an offer
    BASKET 0        basket; BASKET 1 + b: whether a resident ever bought brand b
    TASTE 4 j       brands 4 j .. 4 j + 3
    WEIGHTS 0       value, bond, habit, price

Float32 and float64 may part where a decision hangs on a hair. Such a person is noted in
`Outcome.hairs`, and nothing that it did stands in the tally.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from statistics import NormalDist
from types import SimpleNamespace

import numpy as np
from numba import njit

from sim.kernels import layout as at
from sim.kernels import philox as address
from sim.kernels.layout import Columns, Offer, Tally, Traits, Treatment

HAIR = 1e-5
SINGLE = 1e-6  # of a number of which only the size counts
EXACT = 1e-9  # where both sides compute in float64
NOBODY = -1
PER_PERSON = [name for name in Columns._fields if name not in
              ("taste", "value", "bond", "habit", "awareness", "history", "bought")]  # fmt: skip
PER_BRAND = ["taste", "value", "bond", "habit", "awareness", "history"]

_quantile = NormalDist().inv_cdf


@njit(cache=True)
def philox_words(entity, quarter, purpose, counter, seed, replication):
    """Return the four words at an address."""
    return address.philox(entity, quarter, purpose, counter, seed, replication)


@njit(cache=True)
def gamma_draw(shape, entity, quarter, purpose, stream, seed, replication):
    """Return the kernel's Gamma draw, and how far its first try was from the edge of acceptance.

    The kernel makes the first try in float32, where the edge moves with the size of the shape.
    """
    draw = address.gamma(shape, entity, quarter, purpose, stream, seed, replication)
    if shape <= 0.0:
        return draw, 1.0
    counter = stream << 16
    w0, w1, _, _ = address.philox(entity, quarter, purpose, counter, seed, replication)
    d = (shape if shape >= 1.0 else shape + 1.0) - 1.0 / 3.0
    x = address.normal(address.uniform(w0))
    root = 1.0 + x / math.sqrt(9.0 * d)
    if root <= 0.0:
        return draw, -root
    limit = 0.5 * x * x + d * (1.0 - root**3 + 3.0 * math.log(root))
    return draw, min(abs(math.log(address.uniform(w1)) - limit) / (1.0 + d), root)


@dataclass
class World:
    """What all people share in one quarter."""

    traits: Traits
    offer: Offer
    treatment: Treatment
    quarter: int
    seed: int
    replication: int

    def uniforms(self, i: int, when: int, purpose: int, counter: int) -> list[float]:
        """Return the four uniforms at an address."""
        words = philox_words(i, when, purpose, counter, self.seed, self.replication)
        return [(word + 0.5) / 2.0**32 for word in words]

    def try_gamma(self, shape: float, i: int, when: int, purpose: int,
                  stream: int) -> tuple[float, bool]:  # fmt: skip
        """Return a Gamma draw with scale 1, and whether it hung on a hair.

        A shape is a float32: that decides whether it lies below 1, where draws are made otherwise.
        """
        beside_one = abs(1.0 - shape - 2.0**-25) < 2e-9  # half way between two float32
        shape = float(np.float32(shape))
        draw, margin = gamma_draw(shape, i, when, purpose, stream, self.seed, self.replication)
        return draw, margin < SINGLE or beside_one

    def gamma(self, shape: float, person: SimpleNamespace, when: int, purpose: int,
              stream: int) -> float:  # fmt: skip
        """Return a Gamma draw with scale 1, and note whether it hung on a hair."""
        draw, on_edge = self.try_gamma(shape, person.i, when, purpose, stream)
        person.hair |= on_edge
        return draw

    def beta(self, a: float, b: float, person: SimpleNamespace, when: int, purpose: int,
             stream: int) -> float:  # fmt: skip
        """Return a Beta draw, a ratio of two Gamma draws."""
        x = self.gamma(a, person, when, purpose, 2 * stream)
        y = self.gamma(b, person, when, purpose, 2 * stream + 1)
        return x / (x + y) if x + y > 0.0 else 0.0


@dataclass
class Outcome:
    """People after the quarter, what was counted, and whose decision hung on a hair."""

    people: list[SimpleNamespace]
    tally: Tally
    hairs: set[int] = field(default_factory=set)


def read_people(columns: Columns) -> list[SimpleNamespace]:
    """Turn columns into one namespace of Python numbers and lists per person."""
    people = []
    for i in range(len(columns.segment)):
        person = {name: getattr(columns, name)[i].item() for name in PER_PERSON}
        person |= {name: getattr(columns, name)[:, i].tolist() for name in [*PER_BRAND, "bought"]}
        people.append(SimpleNamespace(i=i, hair=False, notes=[], slack=0.0, **person))
    return people


# --- pieces of the model -------------------------------------------------------------------------


def decide(person: SimpleNamespace, u: float, threshold: float, hair: float = HAIR) -> bool:
    """Return u < threshold, and note whether that hung on a hair."""
    if abs(u - threshold) < hair:
        person.hair = True
    return u < threshold


def sigmoid(x: float) -> float:
    """Return 1 / (1 + exp(-x))."""
    return 1.0 / (1.0 + math.exp(-x))


def softmax(utilities: list[float]) -> list[float]:
    """Return the logit probabilities."""
    top = max(utilities)
    odds = [math.exp(u - top) for u in utilities]
    return [o / sum(odds) for o in odds]


def felt_loss(gap: float, gain_factor: float) -> float:
    """Return loss(x): x above 0, less below."""
    return gap if gap > 0 else gain_factor * gap


def leads(i: int, segment: int, traits: Traits) -> bool:
    """Return whether i is an opinion leader of its segment."""
    stride = traits.leader_stride
    return stride > 0 and (i - int(traits.block_start[segment])) % stride == 0


def poisson_quantile(person: SimpleNamespace, mean: float, u: float) -> int:
    """Return the least n with Pr(N <= n) >= u."""
    n, below = 0, 0.0
    while mean > 0:
        below += math.exp(n * math.log(mean) - mean - math.lgamma(n + 1))
        if not decide(person, below, u):
            break
        n += 1
    return n


def pick(person: SimpleNamespace, shares: list[float], u: float) -> int:
    """Return the brand in whose part of the unit interval u lies."""
    edge, chosen = 0.0, None
    for b, share in enumerate(shares[:-1]):
        edge += share
        if decide(person, u, edge) and chosen is None:
            chosen = b
    return len(shares) - 1 if chosen is None else chosen


def move_rate(world: World, person: SimpleNamespace, rate: float, rho: float, when: int,
              purpose: int) -> float:  # fmt: skip
    """Return the rate after a Beta-Gamma autoregression step of autocorrelation rho."""
    traits = world.traits
    if rho >= 1.0:
        return rate
    shape, mean = traits.rate_shape, float(traits.rate_mean[person.segment])
    kept = world.beta(shape * rho, shape * (1.0 - rho), person, when, purpose, 0)
    fresh = world.gamma(shape * (1.0 - rho), person, when, purpose, 2)
    return kept * rate + fresh * mean / shape


def static_utility(world: World, person: SimpleNamespace) -> list[float]:
    """Return taste - wM ln(paid) + feature + ln(availability) + ln(awareness), by brand."""
    offer, s = world.offer, person.segment
    return [
        person.taste[b]
        - person.weight_price * float(offer.log_price[b, s])
        + float(offer.pull[b, s])
        + math.log(person.awareness[b])
        + favour(world, person, b, "pull")
        for b in range(len(person.taste))
    ]


def favour(world: World, person: SimpleNamespace, b: int, what: str) -> float:
    """Return what the focal brand adds for members and for whom it tries to keep."""
    standing = person.tier * at.N_LEVELS + person.care
    return float(getattr(world.treatment, what)[standing, person.segment]) if b == 0 else 0.0


def loyal_utility(world: World, person: SimpleNamespace, static: list[float]) -> list[float]:
    """Return the utilities with value, bond, habit, the felt price loss and the cost to switch."""
    traits, offer, s = world.traits, world.offer, person.segment
    utilities = []
    for b, base in enumerate(static):
        gap = float(offer.log_price[b, s]) - person.reference_log_price
        u = base + person.weight_value * person.value[b] + person.weight_bond * person.bond[b]
        u += person.weight_habit * person.habit[b]
        u -= float(traits.weight_reference[s]) * felt_loss(gap, traits.gain_factor)
        if person.last_brand not in (NOBODY, b):
            u -= traits.switching_cost
        utilities.append(u)
    return utilities


# --- the quarter ---------------------------------------------------------------------------------


def live_quarter(columns: Columns, world: World, n_quarters: int) -> Outcome:
    """Take everybody through the quarter; `columns` is left as it is."""
    before = read_people(columns)
    people = [live_person(world, person, before) for person in read_people(columns)]
    n_brands, n_segments = world.offer.log_price.shape
    tally = Tally(
        flow=np.zeros((n_segments, n_brands, at.N_FLOWS)),
        category=np.zeros((n_segments, at.N_CATEGORY)),
        history=np.zeros((n_segments, n_brands, at.HISTORY_SIZE), np.int64),
        departed=np.zeros((n_segments, n_brands, at.HISTORY_SIZE), np.int64),
        switching=np.zeros((n_segments, n_brands, n_brands), np.int64),
        cohort=np.zeros(n_quarters, np.int64),
        club=np.zeros((n_segments, at.N_CLUB)),
        tiers=np.zeros((n_segments, at.N_TIERS, at.N_TIERS), np.int64),
        tier_revenue=np.zeros((n_segments, at.N_TIERS)),
        rfm=np.zeros((n_segments, at.N_RFM), np.int64),
        warned=np.zeros((n_segments, at.N_LEVELS), np.int64),
        judged=np.zeros((n_segments, at.N_LEVELS, 2), np.int64),
        lead=np.zeros((n_segments, at.WARNING_QUARTERS + 1), np.int64),
        losses=np.zeros((n_quarters, n_quarters), np.int64),
    )
    for person in people:
        for table, where, amount in [] if person.hair else person.notes:
            getattr(tally, table)[where] += amount
    return Outcome(people, tally, {person.i for person in people if person.hair})


def live_person(
    world: World, person: SimpleNamespace, before: list[SimpleNamespace]
) -> SimpleNamespace:
    """Take one person through the quarter and return who holds its place at the end."""
    traits, quarter, s = world.traits, world.quarter, person.segment
    person.counts = [0] * len(person.taste)
    person.delta, person.left, person.complained, person.paid = 0.0, False, False, 0.0
    person.knows = [bool(past) for past in person.history]
    if (person.i + quarter) % 4 == 0:
        rho = traits.rate_persistence
        person.rate = move_rate(world, person, person.rate, rho, quarter, address.RATE_DRIFT)
    shop(world, person)
    speak(world, person)
    listen(world, person, before)
    settle(world, person)
    observe(world, person)
    keep_relationship(world, person)
    if not person.left:
        return person
    newcomer = SimpleNamespace(
        i=person.i, segment=s, hair=person.hair, notes=person.notes,
        opinion_brand=person.opinion_brand, opinion_valence=person.opinion_valence,
        bought=person.bought,
    )  # fmt: skip
    arrive(world, newcomer, birth=quarter + 1)
    return newcomer


def shop(world: World, person: SimpleNamespace) -> None:
    """Live through the occasions of the quarter."""
    traits, offer, i, s = world.traits, world.offer, person.i, person.segment
    brands = range(len(person.taste))
    u_count, _, u_attention, _ = world.uniforms(i, world.quarter, address.INCIDENCE, 0)
    static = static_utility(world, person)
    pleasure = [
        base + person.weight_value * value + person.weight_bond * bond
        for base, value, bond in zip(static, person.value, person.bond, strict=True)
    ]
    attraction = math.log(sum(math.exp(u) for u in pleasure)) - person.attraction_level
    person.notes.append(("category", (s, at.ATTRACTION), attraction))

    bound = False
    if traits.subscription:
        occasions = 1
        bound = person.last_brand != NOBODY and not decide(
            person, u_attention, traits.attention, EXACT
        )
    else:
        promotion = [float(offer.promotion[b, s]) for b in brands]
        shares = softmax(loyal_utility(world, person, static))
        extra = traits.acceleration * sum(p * q for p, q in zip(shares, promotion, strict=True))
        expansion = math.exp(
            traits.expansion_power * (attraction - float(offer.attraction_shift[s]))
        )
        mean = person.rate * float(offer.rate_factor[s]) * expansion * (1.0 + extra)
        mean *= 1.0 - person.stock
        person.stock = min(traits.payback * extra, 1.0)
        if person.birth == world.quarter:  # arrived with a purchase, half the quarter is left
            occasions = 1 + poisson_quantile(person, mean / 2.0, u_count)
        else:
            occasions = poisson_quantile(person, mean, u_count)

    n_slots = len(person.bought)
    person.bought = [at.FORGONE if k < occasions else at.NEVER for k in range(n_slots)]
    for k in range(occasions):
        u_brand, u_quality, u_service, u_leave = world.uniforms(
            i, world.quarter, address.OCCASION, k
        )
        if bound:
            b = person.last_brand
        else:
            b = pick(person, softmax(loyal_utility(world, person, static)), u_brand)
        buy(world, person, b, u_quality, u_service)
        if k < n_slots:
            person.bought[k] = b
        logit = person.leaving_logit - traits.leaving_satisfaction * person.delta
        logit -= traits.leaving_bond * (person.bond[b] - traits.leaving_bond_reference)
        if decide(person, u_leave, sigmoid(logit)):
            person.left = True
            break


def buy(world: World, person: SimpleNamespace, b: int, u_quality: float, u_service: float) -> None:
    """Pay, experience, learn, feel and form habit."""
    traits, offer, s = world.traits, world.offer, person.segment
    problem, on_time = float(offer.problem[b, s]), float(offer.on_time[b, s])
    complained = problem * traits.complaint
    had_problem = decide(person, u_service, problem, EXACT)
    reached = decide(person, u_service, complained, EXACT)
    in_time = decide(person, u_service, complained * on_time, EXACT)
    if not had_problem:
        lost, effort = 0.0, traits.effort[0]
    elif not reached:
        lost, effort = traits.problem_loss, traits.effort[1]
    elif in_time:
        lost, effort = traits.problem_loss * (1.0 - traits.repair), traits.effort[2]
    else:
        lost, effort = traits.problem_loss * traits.late_factor, traits.effort[3]

    delivered = float(offer.quality[b, s]) - lost + traits.noise * _quantile(u_quality)
    delta = delivered + favour(world, person, b, "quality") - person.value[b]
    bad = delta < 0
    share = later = traits.learning * (traits.negativity if bad else 1.0)
    if not person.knows[b]:
        share = min(traits.learning * traits.first_experience, 1.0)
        if bad:  # no lesson goes beyond what was delivered, unless later ones do too
            share = min(share * traits.negativity, max(later, 1.0))
    person.knows[b] = True
    person.value[b] += share * delta
    if bad:
        felt = person.bond[b] + traits.negativity * traits.bond_gain * delta * person.bond[b]
    else:
        felt = person.bond[b] + traits.bond_gain * delta * (1.0 - person.bond[b])
    person.bond[b] = min(max(felt, 0.0), 1.0)
    keep = traits.habit_smoothing
    person.habit = [keep * h + (1.0 - keep) * (c == b) for c, h in enumerate(person.habit)]
    log_paid = float(offer.log_price[b, s])
    person.reference_log_price += traits.reference_smoothing * (
        log_paid - person.reference_log_price
    )

    order = person.basket * float(offer.order_value[b, s])
    paid, goods = order * math.exp(log_paid), order * math.exp(float(offer.start_log_price[b, s]))
    csat = 10.0 * sigmoid(traits.survey_intercept + traits.survey_slope * delta)
    if b == 0:
        person.paid += paid
        person.complained |= reached
        person.hair |= abs(10.0 * csat % 1.0 - 0.5) < 10 * HAIR
        person.satisfaction = min(max(round(10.0 * csat), 1), 100)
    for column, amount in (
        (at.PURCHASES, 1), (at.REVENUE, paid), (at.GOODS, goods), (at.SATISFACTION, csat),
        (at.EFFORT, float(effort)), (at.PROBLEMS, had_problem), (at.CONTACTS, reached),
        (at.LATE_ANSWERS, reached and not in_time),
    ):  # fmt: skip
        person.notes.append(("flow", (s, b, column), amount))
    if b == 0 and person.flags & at.FLAG_BASE:
        person.notes.append(("flow", (s, b, at.BASE_REVENUE), paid))
        person.notes.append(("flow", (s, b, at.BASE_GOODS), goods))
    if person.last_brand != NOBODY:
        person.notes.append(("switching", (s, person.last_brand, b), 1))
    person.last_brand, person.delta = b, delta
    person.counts[b] += 1


def speak(world: World, person: SimpleNamespace) -> None:
    """Voice an opinion of the last purchase; the valence is left unrounded."""
    traits, s = world.traits, person.segment
    person.heard = (person.opinion_brand, person.opinion_valence)
    person.opinion_brand, person.opinion_valence = NOBODY, 0.0
    u_voice = world.uniforms(person.i, world.quarter, address.INCIDENCE, 0)[1]
    b, leader = person.last_brand, leads(person.i, s, traits)
    if not sum(person.counts):
        return
    if not decide(person, u_voice, float(world.offer.voice[b, s]), EXACT):
        return
    person.opinion_brand, person.opinion_valence = b, 127.0 * math.tanh(person.delta)
    negative = decide(person, person.delta, 0.0)
    column = at.NEGATIVE_WEIGHT if negative else at.POSITIVE_WEIGHT
    person.notes.append(("flow", (s, b, column), traits.leader_weight if leader else 1.0))
    if leader and not negative:
        person.notes.append(("flow", (s, b, at.ACTIVE_LEADERS), 1))


def whom_it_reads(world: World, person: SimpleNamespace) -> list[int]:
    """Return the neighbours on the small world: ring in the segment, some edges rewired."""
    traits, i, s = world.traits, person.i, person.segment
    start, stop = int(traits.block_start[s]), int(traits.block_start[s + 1])
    block = list(range(start, stop))
    leaders = [j for j in block if leads(j, s, traits)]
    neighbours = []
    for slot in range(traits.neighbours):
        u = world.uniforms(i, 0, address.READING, slot // 4)[slot % 4]
        if len(block) < 2 or not decide(person, u, traits.rewiring, EXACT):
            distance = slot // 2 + 1
            step = distance if slot % 2 == 0 else -distance
            neighbours.append(block[(i - start + step) % len(block)])
            continue
        u /= traits.rewiring
        candidates = list(range(int(traits.block_start[-1])))
        if leaders and decide(person, u, traits.leader_attention, EXACT):
            u, candidates = u / traits.leader_attention, leaders
        elif leaders:
            u = (u - traits.leader_attention) / (1.0 - traits.leader_attention)
        place = u * len(candidates)
        person.hair |= abs(place - round(place)) < EXACT
        neighbours.append(candidates[int(place)])
    return neighbours


def listen(world: World, person: SimpleNamespace, before: list[SimpleNamespace]) -> None:
    """Read what the neighbours said last quarter."""
    traits = world.traits
    for j in whom_it_reads(world, person):
        b, valence = before[j].opinion_brand, before[j].opinion_valence / 127.0
        if j == person.i or b == NOBODY:
            continue
        weight = traits.negativity if valence < 0 else 1.0
        weight *= traits.leader_weight if leads(j, before[j].segment, traits) else 1.0
        person.awareness[b] += min(traits.reading_awareness * weight, 1.0) * (
            1 - person.awareness[b]
        )
        person.value[b] += traits.reading_value * weight * valence
        push = traits.reading_bond * weight * valence
        moved = person.bond[b] + push * (1 - person.bond[b] if push > 0 else person.bond[b])
        person.bond[b] = min(max(moved, 0.0), 1.0)


def settle(world: World, person: SimpleNamespace) -> None:
    """Let stimuli and time act on bond and awareness, and write the activity history."""
    traits, offer, s = world.traits, world.offer, person.segment
    for b, n_bought in enumerate(person.counts):
        person.value[b] += float(offer.buzz[b, s])
        stimulus = float(offer.stimulus[b, s]) + favour(world, person, b, "stimulus")
        stimulus = min(max(stimulus, -1.0), 1.0)
        pushed = person.bond[b] + stimulus * (1.0 - person.bond[b])
        person.bond[b] = max(pushed, 0.0) * (1.0 - traits.bond_decay)
        floor = float(traits.awareness_floor[b])
        known = 1.0 if n_bought else person.awareness[b]
        known = floor + (known - floor) * (1.0 - traits.awareness_decay)
        person.awareness[b] = known + float(offer.awareness[b, s]) * (1.0 - known)
        # Bought 0, 1, .. 14 quarters ago, and ever before that.
        ago = [bool(person.history[b] >> k & 1) for k in range(16)]
        ago = [n_bought > 0, *ago[:14], ago[14] or ago[15]]
        person.history[b] = sum(1 << k for k, yes in enumerate(ago) if yes)


def observe(world: World, person: SimpleNamespace) -> None:
    """Count what can be seen at the end of the quarter."""
    traits, s, total = world.traits, person.segment, sum(person.counts)

    def note(column: int, amount: float) -> None:
        person.notes.append(("flow", (s, b, column), amount))

    for b, n_bought in enumerate(person.counts):
        past = person.history[b]
        person.notes.append(("departed" if person.left else "history", (s, b, past % 256), 1))
        note(at.AWARENESS, person.awareness[b])
        note(at.VALUE, person.value[b])
        note(at.BOND, person.bond[b])
        felt = person.delta if n_bought and person.last_brand == b else 0.0
        recommend = 10.0 * sigmoid(
            traits.recommend_intercept
            + traits.recommend_value * person.value[b]
            + traits.recommend_bond * person.bond[b]
            + traits.recommend_experience * felt
        )
        if n_bought:
            note(at.REQUIREMENT, total)
            note(at.RECOMMEND, recommend)
            note(at.PROMOTERS, not decide(person, recommend, 8.5, 10 * HAIR))
            note(at.DETRACTORS, decide(person, recommend, 6.5, 10 * HAIR))
            note(at.CROSS, 1.0 - (1.0 / traits.product_lines) ** (n_bought - 1))
            note(at.NEW_BUYERS, past == 1)
        if past & traits.lapse_mask and not person.left:
            note(at.CUSTOMERS, 1)
            note(at.CUSTOMER_BOND, person.bond[b])
            note(at.CUSTOMER_VALUE, sigmoid(person.value[b]))
            note(at.CUSTOMER_HABIT, person.habit[b])
            note(at.CUSTOMER_RECOMMEND, recommend)
            note(at.CUSTOMER_LEADERS, leads(person.i, s, traits))
            note(at.CUSTOMER_PREMIUM, premium(person, b))
    if person.counts[0]:
        if person.first_purchase == -1:
            person.first_purchase = world.quarter
        if person.first_purchase >= 0:
            person.notes.append(("cohort", person.first_purchase, 1))
    person.notes.append(("category", (s, at.CATEGORY_PURCHASES), total))
    person.notes.append(("category", (s, at.CATEGORY_BUYERS), total > 0))
    person.notes.append(("category", (s, at.LEFT), person.left))
    if person.flags & at.FLAG_BASE and not person.left:
        person.notes.append(("flow", (s, 0, at.BASE_CUSTOMERS), 1))


def premium(person: SimpleNamespace, b: int) -> float:
    """Return the ln(price) that value and bond would bear beyond those of the other brands."""

    def ahead(states: list[float]) -> float:
        return states[b] - np.mean([x for c, x in enumerate(states) if c != b])

    worth = person.weight_value * ahead(person.value) + person.weight_bond * ahead(person.bond)
    return worth / max(person.weight_price, 1e-6)


# --- what the focal brand keeps of each ----------------------------------------------------------


def keep_relationship(world: World, person: SimpleNamespace) -> None:
    """Judge old warnings, add up spend, let members rise and points run, warn, and sort."""
    ago = [bool(person.history[0] >> k & 1) for k in range(16)]
    window = world.traits.lapse_window
    customer = any(ago[:window])
    levels = [person.warnings >> 2 * k & 3 for k in range(8)]  # of last quarter, and before
    judge(world, person, ago, levels)
    usual = person.trailing_spend / 4.0
    fall = min(max((usual - person.paid) / usual, -1.0), 1.0) if usual > 0 else 0.0
    person.trailing_spend += person.paid - usual
    run_club(world, person, customer)
    level = warn(world, person, ago, fall) if customer and not person.left else 0
    person.warnings = sum(x << 2 * k for k, x in enumerate([level, *levels[:7]]))
    person.care = choose_care(world, person, level)
    if customer and not person.left:
        much = not below(person, person.trailing_spend, world.treatment.money_line)
        code = 4 * any(ago[:2]) + 2 * (sum(ago[:4]) >= 2) + much
        person.notes.append(("rfm", (person.segment, code), 1))
        person.notes.append(("club", (person.segment, at.SPEND), person.trailing_spend))


def below(person: SimpleNamespace, amount: float, line: float) -> bool:
    """Return amount < line, money in float32, and note whether that hung on a hair."""
    return decide(person, amount, line, HAIR * (1.0 + abs(amount)))


def judge(world: World, person: SimpleNamespace, ago: list[bool], levels: list[int]) -> None:
    """See whether somebody is lost, and what the brand had been warned of."""
    quarter, window, s = world.quarter, world.traits.lapse_window, person.segment

    def lose(last_purchase: int) -> None:
        first = person.first_purchase
        if first >= 0:
            person.notes.append(("losses", (first, last_purchase - first), 1))

    if person.left:
        if any(ago[:window]):
            person.notes.append(("judged", (s, levels[0], 1), 1))
            if person.counts[0]:
                lose(quarter)
        return
    if quarter < window or not any(ago[window : 2 * window]):
        return
    lost = not any(ago[:window])
    person.notes.append(("judged", (s, levels[window - 1], int(lost)), 1))
    if lost and ago[window]:
        without_break = [*levels, 0].index(0)
        person.notes.append(("lead", (s, without_break), 1))
        lose(quarter - window)


def run_club(world: World, person: SimpleNamespace, customer: bool) -> None:
    """Join, redeem, expire, earn; then rank by trailing spend."""
    treatment, s = world.treatment, person.segment
    ladder = treatment.tier_from.tolist()
    before, buys = person.tier, person.counts[0] > 0
    used = treatment.redemption * person.points if buys else 0.0
    gone = treatment.expiry * (person.points - used)
    earned = float(treatment.earning[before]) * person.paid
    person.points += earned - used - gone
    if person.left:
        gone, person.points = gone + person.points, 0.0
    member = before > 0
    if ladder and buys and not member:
        u = world.uniforms(person.i, person.birth + 1, address.ENROLMENT, 0)[0]
        member = decide(person, u, float(treatment.enrolment[s]), EXACT)
    steps = [not below(person, person.trailing_spend, line) for line in ladder]
    person.tier = max(sum(steps), 1) if ladder and member else 0
    for column, amount in ((at.ISSUED, earned), (at.REDEEMED, used), (at.EXPIRED, gone),
                           (at.POINTS, person.points)):  # fmt: skip
        person.notes.append(("club", (s, column), amount))
    person.notes.append(("tier_revenue", (s, before), person.paid))
    if not person.left and (customer or before > 0):
        person.notes.append(("tiers", (s, before, person.tier), 1))


def warn(world: World, person: SimpleNamespace, ago: list[bool], fall: float) -> int:
    """Return the level of a customer's early warning."""
    intercept, late, often, trend, dissatisfied, complaint, prior = world.traits.score.tolist()
    active = [k for k, yes in enumerate(ago) if yes]
    rhythm = len(active) / (max(active) - min(active) + 1 + prior)
    logit = intercept + late * min(active) * rhythm - often * rhythm + trend * fall
    if person.satisfaction:
        logit += dissatisfied * (100 - person.satisfaction) / 100.0
    logit += complaint * person.complained
    score = sigmoid(logit)
    level = sum(not decide(person, score, float(line)) for line in world.traits.score_levels)
    person.notes.append(("warned", (person.segment, level), 1))
    return level


def choose_care(world: World, person: SimpleNamespace, level: int) -> int:
    """Return the level of the offer that a customer will get next quarter."""
    if level == 0:
        return 0
    u = world.uniforms(person.i, world.quarter, address.CARE, 0)[0]
    if not decide(person, u, float(world.treatment.coverage[level]), EXACT):
        return 0
    column = {1: at.CARED_YELLOW, 2: at.CARED_RED}[level]
    person.notes.append(("club", (person.segment, column), 1))
    return level


# --- who comes -----------------------------------------------------------------------------------


def create_residents(columns: Columns, world: World) -> list[SimpleNamespace]:
    """Return the people who are in the market when the run begins."""
    people = []
    for i, segment in enumerate(columns.segment.tolist()):
        person = SimpleNamespace(
            i=i, segment=segment, hair=False, notes=[], opinion_brand=NOBODY, opinion_valence=0.0,
            bought=columns.bought[:, i].tolist(),
        )  # fmt: skip
        arrive(world, person, birth=-1)
        people.append(person)
    return people


def arrive(world: World, person: SimpleNamespace, birth: int) -> None:
    """Make a newcomer of quarter `birth`; -1 makes a resident, who has a past."""
    traits, offer, i, s = world.traits, world.offer, person.i, person.segment
    when, resident = birth + 1, birth == -1
    brands = range(len(traits.appeal))
    rate, leaving, tenure = find_tenant(world, person, when, resident)
    person.slack = 0.0
    if resident:
        rate = drift_since(world, person, rate, tenure, when)
    person.rate, person.leaving_logit = rate, math.log(leaving / (1.0 - leaving))

    def lognormal(mean: float, sd: float, u: float) -> float:
        return mean * math.exp(sd * _quantile(u) - sd * sd / 2.0)

    u_basket = world.uniforms(i, when, address.BASKET, 0)[0]
    person.basket = lognormal(float(traits.basket_mean[s]), traits.basket_log_sd, u_basket)
    u_weights = world.uniforms(i, when, address.WEIGHTS, 0)
    names = ("weight_value", "weight_bond", "weight_habit", "weight_price")
    for k, name in enumerate(names):
        mean, sd = float(traits.weights[k, s]), float(traits.weights_log_sd[k])
        setattr(person, name, lognormal(mean, sd, u_weights[k]))
    person.taste = [
        float(traits.appeal[b])
        + float(traits.taste_sd[b])
        * _quantile(world.uniforms(i, when, address.TASTE, b // 4 * 4)[b % 4])
        for b in brands
    ]
    usual = [
        person.taste[b]
        + person.weight_value * float(offer.start_value[b, s])
        - person.weight_price * float(offer.start_log_price[b, s])
        + float(offer.start_pull[b, s])
        for b in brands
    ]
    person.attraction_level = math.log(sum(math.exp(u) for u in usual))
    shares = softmax(usual)
    person.reference_log_price = sum(shares[b] * float(offer.start_log_price[b, s]) for b in brands)
    person.value = [float(offer.reputation[b, s]) for b in brands]
    person.bond, person.habit = [0.0 for b in brands], [1.0 / len(brands) for b in brands]
    person.awareness, person.history = (
        [float(a) for a in traits.awareness_floor],
        [0 for b in brands],
    )
    person.stock, person.flags = 0.0, 0
    person.trailing_spend, person.points, person.satisfaction = 0.0, 0.0, 0
    person.tier, person.warnings, person.care = 0, 0, 0
    person.last_brand, person.birth, person.first_purchase = NOBODY, birth, -1
    if resident:
        remember(world, person, shares, tenure)


def drift_since(world: World, person: SimpleNamespace, rate: float, tenure: float,
                when: int) -> float:  # fmt: skip
    """Return the rate after a tenure, and note by how much float32 may leave another.

    A tenure is what long stays have left of the market's age. Of one that is short, float32 keeps
    few digits, and the rate of somebody who came just now hangs on them.
    """
    slip = 3e-7 * world.traits.market_age
    moved, *others = (
        move_rate(world, person, rate, world.traits.rate_persistence ** (max(t, 0.0) / 4.0), when,
                  address.RESIDENT_DRIFT)
        for t in (tenure, tenure - slip, tenure + slip)
    )  # fmt: skip
    person.slack = max(abs(other / moved - 1.0) for other in others)
    person.hair |= person.slack > 100 * HAIR
    return moved


def find_tenant(world: World, person: SimpleNamespace, when: int,
                resident: bool) -> tuple[float, float, float]:  # fmt: skip
    """Return (rate, leaving probability, tenure) of the one who holds the place."""
    traits, i = world.traits, person.i
    left_to_fill = float(traits.market_age)
    for tenant in range(64):
        unit = world.gamma(traits.rate_shape, person, when, address.RATE, tenant)
        unit /= traits.rate_shape
        rate = max(unit * float(traits.rate_mean[person.segment]), 1e-9)
        leaving = world.beta(
            traits.leaving_alpha, traits.leaving_beta, person, when, address.LEAVING, tenant
        )
        leaving = min(max(leaving, 1e-9), 1.0 - 1e-9)
        if not resident:
            return rate, leaving, 0.0
        u = world.uniforms(i, when, address.RESIDENCE, tenant)[0]
        lasts = math.log(u) / math.log1p(-leaving)
        waits = float(math.ceil(lasts) - 1)
        time, on_edge = world.try_gamma(waits, i, when, address.RESIDENCE, tenant + 1)
        stay = time / rate
        # One purchase more or less moves the end of a stay, but not of one far too long.
        on_edge = on_edge or abs(lasts - round(lasts)) < SINGLE * lasts
        person.hair |= on_edge and stay < 2.0 * left_to_fill
        if left_to_fill == 0.0 or decide(person, left_to_fill, stay, HAIR * stay):
            return rate, leaving, left_to_fill
        left_to_fill -= stay
    return rate, leaving, left_to_fill


def remember(world: World, person: SimpleNamespace, shares: list[float], tenure: float) -> None:
    """Give a resident habit, bond and purchases as its tenure would have brought them."""
    traits = world.traits
    habit = shares
    for _ in range(4):
        pulls = [math.log(p) + person.weight_habit * h for p, h in zip(shares, habit, strict=True)]
        habit = softmax(pulls)
    person.habit = habit
    first, second = sorted(habit, reverse=True)[:2]
    person.hair |= first - second < HAIR
    person.last_brand = habit.index(first)
    for b, h in enumerate(habit):
        pleasant = traits.noise / math.sqrt(2.0 * math.pi)
        g = min(traits.bond_gain * person.rate * h * pleasant, 1.0)
        keep = 1.0 - traits.bond_decay
        fade = max(1.0 - g - traits.negativity * g, 0.0)
        person.bond[b] = keep * g / (1.0 - keep * fade)
        u = world.uniforms(person.i, 0, address.BASKET, 1 + b)[0]
        if decide(person, u, 1.0 - math.exp(-h * (1.0 + person.rate * tenure))):
            person.history[b] = at.EVER
            person.first_purchase = -2 if b == 0 else person.first_purchase
