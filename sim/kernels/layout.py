"""What the kernels read and write: columns of customers, the offer of a quarter, and the tally.

Customer x brand columns are brand-major, shape (n_brands, n_customers): a brand's column is one
contiguous run of memory. Offer arrays have shape (n_brands, n_segments). All are float32 unless
said.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

F32 = NDArray[np.float32]

BLOCK = 2048  # customers of one segment whose quarter is lived phenomenon by phenomenon
WIDTH = 64  # lanes: customers who are computed side by side, see `lanes`

# Activity history, one uint16 per customer and brand: bit k says "bought k quarters ago"; the last
# bit is sticky and says "bought at some time before that".
HISTORY_BITS = 8
HISTORY_SIZE = 1 << HISTORY_BITS
EVER = 1 << 15

MOST_BRANDS = 127  # a brand is stored in eight bits
NEVER = -1  # no brand, no quarter
FORGONE = -2  # in the log of purchases: an occasion of somebody who had left before it

FLAG_BASE = (
    1  # was a focal customer when the plan began: the people whose lifetime value is reported
)

# Columns of Tally.flow, summed over customers within segment x brand.
PURCHASES = 0
REVENUE = 1
REQUIREMENT = 2  # all category purchases of the brand's buyers
SATISFACTION = 3  # sum over occasions of CSAT 0..10
PROMOTERS = 4  # buyers
DETRACTORS = 5  # buyers
RECOMMEND = 6  # sum over buyers of the 0..10 answer
PROBLEMS = 7
LATE_ANSWERS = 8
CONTACTS = 9  # complaints that reached the company
NEW_BUYERS = 10  # bought the brand for the first time ever
CROSS = 11  # expected number of buyers with more than one product line
EFFORT = 12  # sum over occasions of the effort score
POSITIVE_WEIGHT = 13  # opinions voiced, weighted by audience
NEGATIVE_WEIGHT = 14
CUSTOMERS = 15  # bought within the lapse window (living ones)
CUSTOMER_BOND = 16
CUSTOMER_VALUE = 17  # sum of logistic(P)
CUSTOMER_HABIT = 18
CUSTOMER_RECOMMEND = 19
CUSTOMER_LEADERS = 20
ACTIVE_LEADERS = 21  # leaders among customers who voiced a positive opinion
AWARENESS = 22  # over the whole segment
VALUE = 23  # sum of P over the whole segment: what newcomers hear
BOND = 24  # over the whole segment
GOODS = 25  # purchases at the usual price: what the goods are worth before discounts
BASE_CUSTOMERS = 26  # flagged customers still in the category
BASE_REVENUE = 27
BASE_GOODS = 28
CUSTOMER_PREMIUM = 29  # sum over customers of the ln(price) that value and bond would bear
N_FLOWS = 30

# Columns of Tally.category, summed over customers within a segment.
CATEGORY_PURCHASES = 0
CATEGORY_BUYERS = 1
LEFT = 2
ATTRACTION = 3  # sum of inclusive value minus the customer's own level
N_CATEGORY = 4

# Columns of Tally.club, summed over customers within a segment; money in currency. Focal brand.
ISSUED = 0  # points, at their value
REDEEMED = 1
EXPIRED = 2
POINTS = 3  # outstanding at the end of the quarter
CARED_YELLOW = 4  # customers who will get the offer of that level next quarter
CARED_RED = 5
SPEND = 6  # trailing yearly spend of the brand's customers
N_CLUB = 7

# Early warning: levels, two bits of `warnings` per quarter, the last quarter lowest.
GREEN, YELLOW, RED = 0, 1, 2
N_LEVELS = 3
LEVEL_BITS = 2
LEVEL_MASK = 3
WARNING_QUARTERS = 8

N_OUTCOMES = 4  # of the service, see `experience`
N_TIERS = 9  # of a membership at most, 0 for who is no member
N_RFM = 8  # bit 2: bought lately, bit 1: often, bit 0: spends more than most


class Columns(NamedTuple):
    """The customers. See `sim.population.COLUMNS` for each column's meaning and unit."""

    segment: NDArray[np.uint8]
    rate: F32
    leaving_logit: F32
    basket: F32
    weight_value: F32
    weight_bond: F32
    weight_habit: F32
    weight_price: F32
    attraction_level: F32
    reference_log_price: F32
    stock: F32
    last_brand: NDArray[np.int8]
    opinion_brand: NDArray[np.int8]
    opinion_valence: NDArray[np.int8]
    birth: NDArray[np.int16]
    first_purchase: NDArray[np.int16]
    flags: NDArray[np.uint8]
    trailing_spend: F32
    points: F32
    tier: NDArray[np.uint8]
    satisfaction: NDArray[np.uint8]
    warnings: NDArray[np.uint16]
    care: NDArray[np.uint8]
    taste: F32
    value: F32
    bond: F32
    habit: F32
    awareness: F32
    history: NDArray[np.uint16]
    bought: NDArray[np.int8]  # (n_slots, n_customers): log of this quarter, see `Population`


class Traits(NamedTuple):
    """Market parameters that do not change over the run; arrays are per segment or per brand."""

    subscription: bool
    attention: float
    switching_cost: float
    rate_shape: float
    rate_mean: F32  # per segment, purchases per quarter
    rate_persistence: float  # autocorrelation of the rate over one year
    expansion_power: float
    acceleration: float
    payback: float
    market_age: int  # quarters for which the category has existed at the start
    leaving_alpha: float
    leaving_beta: float
    leaving_satisfaction: float
    leaving_bond: float
    leaving_bond_reference: float
    appeal: F32  # per brand
    taste_sd: F32  # per brand
    basket_log_sd: float
    basket_mean: F32  # per segment, currency
    weights: F32  # (4, n_segments): value, bond, habit, price
    weights_log_sd: F32  # (4,)
    weight_reference: F32  # per segment
    reference_smoothing: float
    gain_factor: float
    habit_smoothing: float
    learning: float
    first_experience: float  # ratio of what the first purchase of a brand teaches to a later one
    negativity: float
    noise: float
    problem_loss: float
    complaint: float
    repair: float
    late_factor: float
    effort: F32  # (4,): effort score of an occasion by service outcome
    bond_gain: float
    bond_decay: float
    neighbours: int
    rewiring: float
    leader_stride: int  # every leader_stride-th customer of a segment is an opinion leader
    leader_attention: float
    leader_weight: float
    reading_awareness: float
    reading_value: float
    reading_bond: float
    awareness_floor: F32  # per brand
    awareness_decay: float
    survey_intercept: float
    survey_slope: float
    recommend_intercept: float
    recommend_value: float
    recommend_bond: float
    recommend_experience: float
    lapse_mask: int  # bits of the history that make somebody a customer
    product_lines: float
    score: F32  # (7,): early warning: intercept, overdue, frequency, trend, dissatisfaction,
    # complaint, prior
    score_levels: F32  # (2,): scores from which a customer is yellow, red
    lapse_window: int  # quarters without purchase that make a lapsed customer
    block_start: NDArray[
        np.int64
    ]  # (n_segments + 1,): customers are stored in blocks of one segment


class Offer(NamedTuple):
    """What each brand offers each segment in one quarter, after levers, rivals' moves and risks."""

    log_price: F32  # ln of what is paid, relative to the category's normal price
    promotion: F32  # -ln(1 - discount)
    pull: F32  # feature + ln availability
    quality: F32  # mean delivered quality minus the expectation drift
    problem: F32  # probability per occasion
    on_time: F32  # share of complaints answered in time
    stimulus: F32  # push to the bond in this quarter
    awareness: F32  # share of the unaware who become aware
    order_value: F32  # factor on the basket
    voice: F32  # share of buyers who voice an opinion
    buzz: F32  # push to everybody's perceived value
    reputation: F32  # the value that a newcomer expects
    start_value: F32  # delivered quality under no plan: what the market's own level stands on
    start_log_price: F32
    start_pull: F32  # ln availability at the start: brands that are to come are out of reach
    rate_factor: F32  # (n_segments,): season x growth
    attraction_shift: F32  # (n_segments,): mean attraction at the end of burn-in


class Treatment(NamedTuple):
    """What the focal brand does for single customers in one quarter.

    A customer's standing is tier x N_LEVELS + care: its rank in the membership, and the level of
    the offer that it gets against leaving.
    """

    pull: F32  # (N_TIERS * N_LEVELS, n_segments): logit of choice
    quality: F32  # likewise: logit of delivered quality
    stimulus: F32  # likewise: push to the bond
    enrolment: F32  # (n_segments,): share of customers who join once they buy
    tier_from: F32  # (n tiers,): trailing yearly spend from which a tier holds, rising; [] for none
    earning: F32  # (N_TIERS,): points per currency spent
    redemption: float  # share of the points of a member who buys
    expiry: float  # share of the points per quarter
    coverage: F32  # (N_LEVELS,): share of customers at a warning level who will get its offer
    money_line: float  # trailing yearly spend above which a customer spends more than most


class Block(NamedTuple):
    """Notes on the customers of one block during a quarter; place = row - first."""

    fixed: F32  # (n_brands, BLOCK): utility that no purchase of this quarter moves
    place: NDArray[np.uint32]  # (BLOCK + WIDTH,): buyers, most occasions first, then the others
    n_buyers: NDArray[np.int64]  # (1,)
    occasions: NDArray[np.int32]  # (BLOCK,): planned purchases
    loyal: NDArray[np.bool_]  # (BLOCK,): under a contract and not looking around
    moves: NDArray[np.int64]  # purchases by last brand, brand and outcome of the service
    counts: F32  # (n_brands, BLOCK): purchases made
    made: NDArray[np.int32]  # (BLOCK,): purchases made in the category
    delta: F32  # (BLOCK,): disconfirmation of the last purchase
    left: NDArray[np.bool_]  # (BLOCK,): left the category
    complaints: NDArray[np.int32]  # (BLOCK,): complaints to the focal brand
    voice: NDArray[np.uint32]  # (BLOCK,): word that decides whether an opinion is voiced
    standing: NDArray[np.uint32]  # (BLOCK,): tier x N_LEVELS + care, as the quarter began
    leader: F32  # (BLOCK,): 1 for an opinion leader
    all_value: F32  # (BLOCK,): perceived value, sum over brands
    all_bond: F32  # (BLOCK,): bond, sum over brands
    spend: F32  # (BLOCK,): paid to the focal brand
    trend: F32  # (BLOCK,): relative fall of that spend, -1..1


@njit
def empty_block(n_brands):
    """Return room for the notes on a block."""
    return Block(
        np.empty((n_brands, BLOCK), np.float32),
        np.empty(BLOCK + WIDTH, np.uint32),
        np.empty(1, np.int64),
        np.empty(BLOCK, np.int32),
        np.empty(BLOCK, np.bool_),
        np.empty((n_brands + 1) * n_brands * N_OUTCOMES + 1, np.int64),
        np.empty((n_brands, BLOCK), np.float32),
        np.empty(BLOCK, np.int32),
        np.empty(BLOCK, np.float32),
        np.empty(BLOCK, np.bool_),
        np.empty(BLOCK, np.int32),
        np.empty(BLOCK, np.uint32),
        np.empty(BLOCK, np.uint32),
        np.empty(BLOCK, np.float32),
        np.empty(BLOCK, np.float32),
        np.empty(BLOCK, np.float32),
        np.empty(BLOCK, np.float32),
        np.empty(BLOCK, np.float32),
    )


@njit
def clear(block, n):
    """Let the first n of a block have bought nothing."""
    block.made[:n] = 0
    block.delta[:n] = np.float32(0.0)
    block.left[:n] = False
    block.complaints[:n] = 0
    block.counts[:, :n] = np.float32(0.0)


class Tally(NamedTuple):
    """Sums over customers; float64, so that only the order of adding inside a chunk matters."""

    flow: NDArray[np.float64]  # (n_segments, n_brands, N_FLOWS)
    category: NDArray[np.float64]  # (n_segments, N_CATEGORY)
    history: NDArray[np.int64]  # (n_segments, n_brands, HISTORY_SIZE) living customers by history
    departed: NDArray[np.int64]  # (n_segments, n_brands, HISTORY_SIZE) those who left this quarter
    switching: NDArray[np.int64]  # (n_segments, n_brands, n_brands) from last brand to this one
    cohort: NDArray[np.int64]  # (n_quarters,): focal buyers this quarter, by first purchase
    club: NDArray[np.float64]  # (n_segments, N_CLUB)
    tiers: NDArray[np.int64]  # (n_segments, N_TIERS, N_TIERS): customers by tier before and now
    tier_revenue: NDArray[np.float64]  # (n_segments, N_TIERS): revenue by tier before
    rfm: NDArray[np.int64]  # (n_segments, N_RFM): focal customers
    warned: NDArray[np.int64]  # (n_segments, N_LEVELS): focal customers by level now
    judged: NDArray[np.int64]  # (n_segments, N_LEVELS, 2): by level a lapse window ago, and if lost
    lead: NDArray[
        np.int64
    ]  # (n_segments, WARNING_QUARTERS + 1): lapsed now, by quarters of warning
    losses: NDArray[
        np.int64
    ]  # (n_quarters, n_quarters): lost focal buyers, first purchase x tenure
