"""How brands act: each policy says what a brand's customers feel of it in a quarter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np

from sim.config.rivals import Rival
from sim.levers import LeverQuarter, Programme
from sim.types import F64, N_CHANNELS, RivalKind

if TYPE_CHECKING:
    from sim.config.rivals import Move


class Policy(Protocol):
    """What a brand does each quarter."""

    def act(self, quarter: int, n_segments: int) -> F64:
        """Return the change of every channel, shape (N_CHANNELS, n_segments).

        `quarter` is 1 in the first quarter of the plan and 0 or less during burn-in.
        """
        ...


class Hold:
    """Go on as today."""

    def act(self, quarter: int, n_segments: int) -> F64:
        """Change nothing."""
        return np.zeros((N_CHANNELS, n_segments))


class Schedule:
    """Make stated moves in stated quarters."""

    def __init__(self, moves: tuple[Move, ...]) -> None:
        self.moves = moves

    def act(self, quarter: int, n_segments: int) -> F64:
        """Add up the moves that are on."""
        channels = np.zeros((N_CHANNELS, n_segments))
        for move in self.moves:
            if move.active(quarter):
                channels[move.channel] += move.size
        return channels


class FollowPlan:
    """Carry out a plan's levers; the focal brand's policy.

    `delivered` is what the levers gave and cost this quarter, None before the plan begins.
    """

    def __init__(self, programme: Programme) -> None:
        self.programme = programme
        self.delivered: LeverQuarter | None = None

    def act(self, quarter: int, n_segments: int) -> F64:
        """Spend the quarter's budget."""
        if quarter < 1:
            return np.zeros((N_CHANNELS, n_segments))
        self.delivered = self.programme.advance(quarter)
        return self.delivered.channels


def make_rival_policy(rival: Rival) -> Policy:
    """Return the policy that a rival's configuration names."""
    if rival.kind is RivalKind.SCHEDULE:
        return Schedule(rival.moves)
    return Hold()
