"""Array aliases and coded enums. No logic."""

from __future__ import annotations

from enum import Enum, IntEnum
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

F32: TypeAlias = NDArray[np.float32]
F64: TypeAlias = NDArray[np.float64]
Mask: TypeAlias = NDArray[np.bool_]

QUARTERS_PER_YEAR = 4
WEEKS_PER_QUARTER = 13


class MarketKind(Enum):
    """How customers buy."""

    REPERTOIRE = "repertoire"
    """Bought again and again from several brands: goods, retail."""
    SUBSCRIPTION = "subscription"
    """One provider at a time under a contract: bank, telecom."""


class RivalKind(Enum):
    """How a rival brand acts."""

    HOLD = "hold"
    """Goes on as today."""
    SCHEDULE = "schedule"
    """Makes stated moves in stated quarters."""
    REACT = "react"
    """Answers a loss of share with stated moves, after a lag and for a time."""
    IMITATE = "imitate"
    """Copies levers of the focal brand, after a lag and not quite as well."""
    ENTER = "enter"
    """Does not exist until a stated quarter, then launches."""


class Touchpoint(Enum):
    """Where along the journey a customer meets the brand."""

    COGNITION = "cognition"
    FIRST_EXPERIENCE = "first_experience"
    DECISION = "decision"
    USE = "use"
    AFTER_SALES = "after_sales"
    SHARING = "sharing"
    UPKEEP = "upkeep"


class Against(Enum):
    """What a measured level is compared with."""

    LEVEL = "level"
    """Nothing: the level itself."""
    START = "start"
    """The level when the plan began, as a relative change."""


class Provenance(Enum):
    """Where a parameter's value comes from."""

    ASSUMED = "assumed"
    EVIDENCE = "evidence"
    LITERATURE = "literature"
    CALIBRATED = "calibrated"


class Channel(IntEnum):
    """What a lever, a rival's move or a risk changes; the code is an array index.

    Quality channels are in logit units of perceived value; PROBLEM, ON_TIME, AVAILABILITY,
    AWARENESS and ORDER_VALUE are relative to what is missing or present, PRICE and DISCOUNT to the
    price. Customers do not feel CAPACITY, AUTOMATION, CONSISTENCY and DELAY but what the service
    desk, the journey and the roll-out make of them.
    """

    FUNCTIONAL = 0
    EMOTIONAL = 1
    SOCIAL = 2
    ECONOMIC = 3
    MATCH = 4
    """Fit of the offer to the person (personalisation)."""
    PROBLEM = 5
    """Share of service problems avoided (negative: added)."""
    ON_TIME = 6
    """Share of late answers to complaints that become timely (negative: of timely ones lost)."""
    STIMULUS = 7
    """Quarterly push to the emotional bond."""
    AWARENESS = 8
    """Share of the unaware who become aware in a quarter."""
    PRICE = 9
    """Relative change of the normal price."""
    DISCOUNT = 10
    """Promotional discount, a share of the price."""
    FEATURE = 11
    """Feature or display, in logit units."""
    AVAILABILITY = 12
    """Relative change of availability."""
    ORDER_VALUE = 13
    """Relative change of the value of an order."""
    TRUST = 14
    """Benevolence: privacy and fairness (negative: a breach)."""
    VOICE = 15
    """Relative change of the share of buyers who voice an opinion."""
    BUZZ = 16
    """Talk of the town: a push to everybody's perceived value; bad news counts more than good."""
    CAPACITY = 17
    """Relative change of the number of people at the service desk."""
    AUTOMATION = 18
    """Share of the contacts that a machine answers at once."""
    CONSISTENCY = 19
    """Share of the differences between touchpoints that is evened out."""
    DELAY = 20
    """Relative lengthening of the roll-out tasks that begin."""


N_CHANNELS = len(Channel)
DIMENSIONS = (Channel.FUNCTIONAL, Channel.EMOTIONAL, Channel.SOCIAL, Channel.ECONOMIC)
"""The dimensions of delivered quality, in the order of their weights."""
