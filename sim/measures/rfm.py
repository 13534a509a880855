"""RFM: the focal brand's customers by recency, frequency and money, each high or low.

The eight classes go by the names that are usual in practice. Money makes a customer important or
general; recency and frequency say what to do about it:

| bought lately | bought often | class |
|---|---|---|
| yes | yes | value: a customer at its best |
| yes | no | develop: here, but seldom |
| no | yes | keep: used to come often, and has paused |
| no | no | win_back: seldom came, and has paused |

A class is a number of three bits, see `kernels.layout.N_RFM`: 4 for lately, 2 for often, 1 for
spending more than most. Every customer is in one class.
"""

from __future__ import annotations

from sim.measures.history import History
from sim.types import F64

LATELY, OFTEN, MUCH = 4, 2, 1


def important_value(h: History) -> F64:
    """People who bought lately and often, and spend much (simulated customers)."""
    return _count(h, LATELY | OFTEN | MUCH)


def important_develop(h: History) -> F64:
    """People who bought lately, seldom, and spend much (simulated customers)."""
    return _count(h, LATELY | MUCH)


def important_keep(h: History) -> F64:
    """People who bought often but not lately, and spend much (simulated customers)."""
    return _count(h, OFTEN | MUCH)


def important_win_back(h: History) -> F64:
    """People who bought seldom and not lately, and spend much (simulated customers)."""
    return _count(h, MUCH)


def general_value(h: History) -> F64:
    """People who bought lately and often, and spend little (simulated customers)."""
    return _count(h, LATELY | OFTEN)


def general_develop(h: History) -> F64:
    """People who bought lately, seldom, and spend little (simulated customers)."""
    return _count(h, LATELY)


def general_keep(h: History) -> F64:
    """People who bought often but not lately, and spend little (simulated customers)."""
    return _count(h, OFTEN)


def general_win_back(h: History) -> F64:
    """People who bought seldom and not lately, and spend little (simulated customers)."""
    return _count(h, 0)


def _count(h: History, bits: int) -> F64:
    return h.focal(h.rfm[..., bits])
