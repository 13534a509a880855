"""How brands act: each policy says what a brand changes in a quarter, from what it can see.

Rivals hold, follow a timetable, react to lost share, imitate or enter. The focal brand follows its
plan; a review moves the plan's money by rules on measures, a gate may stop what is still to come.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import numpy as np

from sim.config.plan import Condition, Gate, Review, Rule
from sim.config.rivals import Move, Rival
from sim.levers import LeverQuarter, Programme, Situation
from sim.measures.history import History
from sim.measures.table import MEASURES
from sim.types import F64, N_CHANNELS, QUARTERS_PER_YEAR, Against, Channel, RivalKind


@dataclass(frozen=True, slots=True)
class Sight:
    """What a brand sees when it acts: the quarters that are over, never the present one.

    Attributes
    ----------
    quarter
        The quarter that begins: 1 is the plan's first, 0 or less is burn-in.
    n_segments
        Number of segments.
    look
        Gives the quarters lived; None before the first.
    delivered
        Quarter to what the focal levers gave in it.
    situation
        Gives what the quarter meets the focal levers with.
    """

    quarter: int
    n_segments: int
    look: Callable[[], History] | None = None
    delivered: Mapping[int, LeverQuarter] = field(default_factory=dict)
    situation: Callable[[], Situation] | None = None

    def level(self, measure: str, brand: int, segment: int = -1, quarters_ago: int = 1) -> float:
        """Return a measure of so many quarters ago; NaN if it was not lived or does not exist."""
        if self.look is None:
            return float("nan")
        history = self.look()
        if quarters_ago > len(history.quarters):
            return float("nan")
        return float(MEASURES[measure](history)[-quarters_ago, segment, brand])


class Policy(Protocol):
    """What a brand does each quarter."""

    def act(self, sight: Sight) -> F64:
        """Return the change of every channel, shape (N_CHANNELS, n_segments)."""
        ...


def nothing(sight: Sight) -> F64:
    """Return channels that change nothing."""
    return np.zeros((N_CHANNELS, sight.n_segments))


# --- rivals --------------------------------------------------------------------------------------


class Hold:
    """Go on as today."""

    def act(self, sight: Sight) -> F64:
        """Change nothing."""
        return nothing(sight)


class Schedule:
    """Make stated moves in stated quarters."""

    def __init__(self, moves: tuple[Move, ...]) -> None:
        self.moves = moves

    def act(self, sight: Sight) -> F64:
        """Add up the moves that are on."""
        return self._moved(sight, sight.quarter)

    def _moved(self, sight: Sight, quarter: int) -> F64:
        channels = nothing(sight)
        for move in self.moves:
            if move.active(quarter):
                channels[move.channel] += move.size
        return channels


class React(Schedule):
    """Answer a loss of share: after a lag, for a time, then rest and look again.

    The moves' own clock starts with the answer. Two rivals that react to each other make a price
    war; it ends when shares are back within the trigger when the rest is over.
    """

    def __init__(self, rival: Rival, brand: int) -> None:
        super().__init__(rival.moves)
        self.rival, self.brand = rival, brand
        self.usual = float("nan")
        self.answers_at = self.rests_until = 0
        """First quarter of the last answer that was decided on, and the quarter that ends it."""

    def act(self, sight: Sight) -> F64:
        """Decide whether to answer, and do what was decided."""
        if sight.quarter < 1:
            return nothing(sight)
        if sight.quarter == 1:
            self.usual = self._mean_share(sight)
        if sight.quarter > self.rests_until and self._lost(sight):
            self.answers_at = sight.quarter + self.rival.lag
            self.rests_until = self.answers_at + self.rival.duration + self.rival.pause - 1
        into = sight.quarter - self.answers_at + 1
        if self.answers_at and 1 <= into <= self.rival.duration:
            return self._moved(sight, into)
        return nothing(sight)

    def _lost(self, sight: Sight) -> bool:
        return sight.level("share", self.brand) < (1.0 - self.rival.trigger) * self.usual

    def _mean_share(self, sight: Sight) -> float:
        """Return the mean share of the year before the plan."""
        shares = [
            sight.level("share", self.brand, -1, ago) for ago in range(1, QUARTERS_PER_YEAR + 1)
        ]
        return float(np.nanmean(shares)) if np.isfinite(shares).any() else float("nan")


class Imitate:
    """Copy levers of the focal brand, some quarters later and not quite as well.

    Attributes
    ----------
    alike
        Lever to how much the copy resembles the focal brand's lever now, 0..1.
    """

    def __init__(self, rival: Rival) -> None:
        self.rival = rival
        self.alike: dict[str, float] = {}

    def act(self, sight: Sight) -> F64:
        """Give what the focal levers gave a lag ago, times the fidelity."""
        channels = nothing(sight)
        self.alike = {}
        copied = sight.delivered.get(sight.quarter - self.rival.lag)
        if copied is None:
            return channels
        latest = sight.delivered[max(sight.delivered)]
        for lever in self.rival.levers or copied.by_lever:
            if lever in copied.by_lever and copied.strength[lever] > 0.0:
                channels += self.rival.fidelity * copied.by_lever[lever]
                now = max(latest.strength[lever], copied.strength[lever])
                self.alike[lever] = self.rival.fidelity * copied.strength[lever] / now
        return channels


class Enter(Schedule):
    """Not be there until a stated quarter, then launch."""

    def __init__(self, rival: Rival) -> None:
        super().__init__(rival.moves)
        self.entry = rival.quarter

    def act(self, sight: Sight) -> F64:
        """Be out of reach before the entry; afterwards make the moves, on the plan's clock."""
        if sight.quarter >= self.entry:
            return super().act(sight)
        channels = nothing(sight)
        channels[Channel.AVAILABILITY] = -1.0
        return channels


RIVALS: dict[RivalKind, Callable[[Rival, int], Policy]] = {
    RivalKind.HOLD: lambda rival, brand: Hold(),
    RivalKind.SCHEDULE: lambda rival, brand: Schedule(rival.moves),
    RivalKind.REACT: React,
    RivalKind.IMITATE: lambda rival, brand: Imitate(rival),
    RivalKind.ENTER: lambda rival, brand: Enter(rival),
}
"""Kind to what makes its policy from a rival's configuration and the index of its brand."""


def make_rival_policy(rival: Rival, brand: int) -> Policy:
    """Return the policy that a rival's configuration names, for the brand of that index."""
    return RIVALS[rival.kind](rival, brand)


# --- the focal brand -----------------------------------------------------------------------------


class Decision(NamedTuple):
    """What a review or a gate decided."""

    quarter: int
    kind: str
    name: str
    """Rule of a review; 'go' or 'stop' of a gate."""
    amount: float
    """Money that was moved or saved, in currency."""


class FollowPlan:
    """Carry out a plan's levers; the focal brand's policy.

    Attributes
    ----------
    delivered
        What the levers gave and cost this quarter, None before the plan begins.
    decisions
        What reviews and the gate decided so far.
    """

    def __init__(self, programme: Programme) -> None:
        self.programme = programme
        self.delivered: LeverQuarter | None = None
        self.decisions: list[Decision] = []
        self.stopped = False

    def act(self, sight: Sight) -> F64:
        """Review, pass the gate, and spend the quarter's budget."""
        if sight.quarter < 1:
            return nothing(sight)
        plan = self.programme.plan
        if plan.gate is not None and sight.quarter == plan.gate.after + 1:
            self._pass_gate(plan.gate, sight)
        if plan.review is not None and not self.stopped:
            self._review(plan.review, sight)
        situation = sight.situation() if sight.situation else Situation(sight.quarter)
        self.delivered = self.programme.advance(situation)
        return self.delivered.channels

    def _pass_gate(self, gate: Gate, sight: Sight) -> None:
        go = holds(gate.conditions, sight, self._segments)
        saved = 0.0
        if not go:
            self.stopped = True
            saved = self.programme.stop(sight.quarter)
        self.decisions.append(Decision(sight.quarter, "gate", "go" if go else "stop", saved))

    def _review(self, review: Review, sight: Sight) -> None:
        """Move money by the rules whose conditions hold; at the plan's start there is no news."""
        if sight.quarter == 1 or (sight.quarter - 1) % review.every:
            return
        for rule in review.rules:
            if holds(rule.when, sight, self._segments):
                self.decisions.append(self._move(rule, sight.quarter))

    def _move(self, rule: Rule, quarter: int) -> Decision:
        moved = self.programme.budget.move(rule.source, rule.target, rule.share, quarter)
        return Decision(quarter, "review", rule.name, moved)

    @property
    def _segments(self) -> Sequence[str]:
        return self.programme.segments


def holds(conditions: Sequence[Condition], sight: Sight, segments: Sequence[str]) -> bool:
    """Return whether all conditions hold on the last quarter's measures of the focal brand."""
    return all(condition.holds(observed(condition, sight, segments)) for condition in conditions)


def observed(condition: Condition, sight: Sight, segments: Sequence[str]) -> float:
    """Return the level that a condition looks at; NaN if it does not exist."""

    def level(segment: str, quarters_ago: int) -> float:
        index = -1 if segment == "all" else segments.index(segment)
        return sight.level(condition.measure, 0, index, quarters_ago)

    now = level(condition.segment, 1)
    if condition.over:
        return _relative(now, level(condition.over, 1))
    if condition.against is Against.START:
        return _relative(now, level(condition.segment, sight.quarter)) - 1.0
    return now


def _relative(level: float, unit: float) -> float:
    return level / unit if unit else float("nan")
