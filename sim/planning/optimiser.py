"""The search for the best allocation: starting points, a sampler, a race, a refinement.

Each plan that is tried is lived in a few worlds, the same for all. Those that may be the best go on
to twice as many, and so on: a race (Birattari et al. 2002) in which half of a batch at most goes on
(successive halving, Jamieson & Talwalkar 2016). Every step follows from the seed and from the
figures alone, whoever works out these figures and in whatever order. So a search that is stopped
is gone on with by doing it again: what was lived is known, and costs nothing.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import optuna
from optuna.samplers import BaseSampler

from sim.config.optimise import Optimise, SamplerKind, check_sampler
from sim.finance.risk_figures import MIN_FOR_SPREAD, t_quantile
from sim.planning.allocation import Allocation, Space
from sim.planning.goals import Goal
from sim.planning.yardsticks import SIMPLE, greedy
from sim.types import F64

Evaluate = Callable[[Sequence[Allocation], int], F64]
"""Allocations, and of how many worlds, to each goal's value in each world: shape (n_allocations,
n_worlds, n_goals). More worlds begin with those of fewer."""

START_SHARE: Final = 1 / 3
"""Share of the evaluations that starting points may take."""
GREEDY_SHARE: Final = 1 / 6
"""Share of the evaluations that the greedy rule may take."""
REPAIRS: Final = 3
"""Moves of a batch, for each of its places, that may be mended to fit the limits."""
NSGA_BATCHES: Final = 3
"""Batches of a generation."""
ATTEMPTS: Final = 2
"""Proposals, for each place of a batch, after which one that repeats itself gives way to chance."""
RIDGE: Final = 1e-3
FIRST_CUT: Final = 8
"""The refinement begins with moves of the budget's eighth part."""


@dataclass
class Trial:
    """An allocation that was tried.

    Attributes
    ----------
    origin
        Where it came from: a starting point's name, "sampler" or "refinement".
    values
        Each goal in each of the worlds that it was lived in, shape (n_worlds, n_goals).
    """

    allocation: Allocation
    origin: str
    values: F64

    @property
    def worlds(self) -> int:
        """In how many worlds it was lived."""
        return len(self.values)


@dataclass(frozen=True)
class Found:
    """What a search gave.

    Attributes
    ----------
    trials
        All that was tried, in order.
    best
        The best one; of several goals the one nearest to the best of each.
    front
        Those that no other beats in every goal, best in the first goal first.
    path
        The best first goal so far after each evaluation, as judged in the end, shape (n_trials,).
    """

    trials: tuple[Trial, ...]
    best: Trial
    front: tuple[Trial, ...]
    path: F64


class Search:
    """A search in a space.

    Parameters
    ----------
    space
        What is allowed.
    evaluate
        Gives the figures.
    goals
        What is to be made better.
    settings
        Of the command: how many plans are tried, and how.
    progress
        Called with (plans tried, plans that may be tried).
    """

    def __init__(
        self,
        space: Space,
        evaluate: Evaluate,
        goals: Sequence[Goal],
        settings: Optimise,
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        check_sampler(settings.sampler, len(goals))
        self.space, self.evaluate, self.goals = space, evaluate, tuple(goals)
        self.settings, self.progress = settings, progress
        self.trials: dict[bytes, Trial] = {}
        self.greedy: Allocation | None = None
        """What the greedy rule came to."""
        self._sampler = _Sampler(space, settings, len(goals))

    def run(self, starts: Mapping[str, Allocation]) -> Found:
        """Search from starting points, by name, and return what was found."""
        settings = self.settings
        self._start(starts)
        self._explore(math.ceil(settings.explore * settings.evaluations))
        self._refine()
        self._explore(settings.evaluations)
        return self.found()

    def polish(self, starts: Mapping[str, Allocation]) -> Found:
        """Refine the best of some allocations, without looking further."""
        self._try(list(starts.values()), list(starts))
        self._refine()
        return self.found()

    def sample(self) -> Found:
        """Propose allocations by the sampler alone, as many as may be tried."""
        self._explore(self.settings.evaluations)
        return self.found()

    def found(self) -> Found:
        """Return what is known now."""
        trials = tuple(self.trials.values())
        front = self._front()
        scores = np.array([self.score(trial)[0] for trial in trials])
        # Where a plan was left early its figure is of fewer worlds: it must not look like a record.
        raced = np.array([trial.worlds == self.settings.race for trial in trials])
        path = np.maximum.accumulate(np.where(raced, scores, -np.inf))
        return Found(trials, self._centre(np.ones(len(self.goals))), front,
                     self.goals[0].best_is * path)  # fmt: skip

    # --- figures ---------------------------------------------------------------------------------

    @property
    def left(self) -> int:
        """How many more plans may be tried."""
        return self.settings.evaluations - len(self.trials)

    def score(self, trial: Trial, worlds: int | None = None) -> F64:
        """Return each goal over the first worlds, more is better, shape (n_goals,)."""
        values = trial.values[:worlds]
        return np.array([goal.best_is * goal.figure(values[:, place])
                         for place, goal in enumerate(self.goals)])  # fmt: skip

    def _raced(self) -> list[Trial]:
        return [trial for trial in self.trials.values() if trial.worlds == self.settings.race]

    def _front(self) -> tuple[Trial, ...]:
        raced = self._raced()
        scores = np.array([self.score(trial) for trial in raced])
        if len(self.goals) == 1:
            return (raced[int(np.argmax(scores[:, 0]))],)
        keep = np.flatnonzero(_ranks(scores) == 0)
        return tuple(raced[place] for place in keep[np.argsort(-scores[keep, 0], kind="stable")])

    def _centre(self, weights: F64) -> Trial:
        """Return the trial of the race that is best in a weighted sum of the goals."""
        return self._best(weights, 1)[0]

    def _best(self, weights: F64, n: int) -> list[Trial]:
        """Return so many of the race's trials that are best in a weighted sum of the goals.

        Each goal counts by its place between the worst and the best of the front.
        """
        raced = self._raced()
        scores = np.array([self.score(trial) for trial in raced])
        order = np.argsort(-self._weighted(scores, weights), kind="stable")
        return [raced[place] for place in order[:n]]

    def _weighted(self, scores: F64, weights: F64) -> F64:
        if len(self.goals) == 1:
            return scores[:, 0]
        front = np.array([self.score(trial) for trial in self._front()])
        low, high = front.min(axis=0), front.max(axis=0)
        place: F64 = (scores - low) / np.where(high > low, high - low, 1.0)
        total: F64 = place @ weights
        return total

    # --- trying ----------------------------------------------------------------------------------

    def _try(self, allocations: Sequence[Allocation], origins: Sequence[str]) -> list[Trial]:
        """Live new allocations, race them, and return them."""
        trials = self._add(allocations, origins)
        self._race(trials)
        return trials

    def _add(self, allocations: Sequence[Allocation], origins: Sequence[str]) -> list[Trial]:
        """Live allocations that are new in the first worlds, as many as may still be tried."""
        new = {
            allocation.tobytes(): (allocation, origin)
            for allocation, origin in zip(allocations, origins, strict=True)
            if allocation.tobytes() not in self.trials
        }
        chosen = list(new.values())[: self.left]
        if not chosen:
            return []
        values = self.evaluate([allocation for allocation, _ in chosen], self.settings.first)
        trials = [Trial(allocation, origin, own)
                  for (allocation, origin), own in zip(chosen, values, strict=True)]  # fmt: skip
        self.trials |= {trial.allocation.tobytes(): trial for trial in trials}
        if self.progress is not None:
            self.progress(len(self.trials), self.settings.evaluations)
        return trials

    def _race(self, trials: Sequence[Trial]) -> None:
        """Live those that may be the best in more worlds, twice as many each time."""
        worlds, race = self.settings.first, self.settings.race
        staying = list(trials)
        while staying and worlds < race:
            staying = self._staying(staying, worlds)
            worlds = min(2 * worlds, race)
            if staying:
                found = self.evaluate([trial.allocation for trial in staying], worlds)
                for trial, values in zip(staying, found, strict=True):
                    trial.values = values

    def _finish(self, trials: Sequence[Trial]) -> None:
        """Live trials in all worlds of the race, so that the best is no worse than they are."""
        left = {id(trial): trial for trial in trials if trial.worlds < self.settings.race}
        if left:
            found = self.evaluate([t.allocation for t in left.values()], self.settings.race)
            for trial, values in zip(left.values(), found, strict=True):
                trial.values = values

    def _staying(self, trials: Sequence[Trial], worlds: int) -> list[Trial]:
        """Return the better half of those that the best so far does not clearly beat."""
        leaders = self._front() if self._raced() else ()
        alive = [trial for trial in trials
                 if not any(self._beaten(trial, leader, worlds) for leader in leaders)]  # fmt: skip
        if not alive:
            return []
        scores = np.array([self.score(trial, worlds) for trial in (*alive, *leaders)])
        ranks = _ranks(scores) if len(self.goals) > 1 else -scores[:, 0]
        order = np.argsort(ranks[: len(alive)], kind="stable")
        return [alive[place] for place in order[: math.ceil(len(trials) / 2)]]

    def _beaten(self, trial: Trial, leader: Trial, worlds: int) -> bool:
        """Return whether a trial is worse in every goal, and surely so in the same worlds.

        Paired t, one-sided, 2.5%. A mean of the worst worlds has no such test, so by that goal
        nothing is clearly beaten.
        """
        gaps = trial.values[:worlds] - leader.values[:worlds]
        return all(
            not goal.tail and _surely_below(goal.best_is * gaps[:, place])
            for place, goal in enumerate(self.goals)
        )

    # --- stages ----------------------------------------------------------------------------------

    def _start(self, starts: Mapping[str, Allocation]) -> None:
        most = max(int(START_SHARE * self.settings.evaluations), 1)
        names = list(starts)[:most]
        self._learn(self._try([starts[name] for name in names], names))
        self.greedy = greedy(
            self.space, self._greedily, int(GREEDY_SHARE * self.settings.evaluations)
        )
        rules = [starts[name] for name in names if name in SIMPLE] + [self.greedy]
        self._finish([self.trials[own.tobytes()] for own in rules if own.tobytes() in self.trials])

    def _greedily(self, allocations: Sequence[Allocation]) -> F64:
        """Return the first goal, more is better, in the first worlds; -inf where not tried."""
        self._learn(self._add(allocations, ["greedy rule"] * len(allocations)))
        tried = [self.trials.get(allocation.tobytes()) for allocation in allocations]
        return np.array([-np.inf if trial is None else self.score(trial, self.settings.first)[0]
                         for trial in tried])  # fmt: skip

    def _learn(self, trials: Iterable[Trial]) -> None:
        """Let the sampler know of trials that it did not propose."""
        for trial in trials:
            self._sampler.know(trial.allocation, self.score(trial, self.settings.first))

    def _explore(self, until: int) -> None:
        """Try what the sampler proposes until so many plans were tried."""
        batch = 0
        while (room := min(until - len(self.trials), self.settings.batch)) > 0:
            asked = self._sampler.propose(room, self.trials)
            batch += 1
            if not asked:
                return
            self._try([allocation for allocation, _ in asked], ["sampler"] * len(asked))
            for allocation, number in asked:
                trial = self.trials[allocation.tobytes()]
                self._sampler.tell(number, self.score(trial, self.settings.first))

    def _refine(self) -> None:
        """Move money between cells of the best, in steps that are halved when nothing is gained.

        Moves are tried in the order of what a regression on all trials expects of them. When no
        move of the best gains anything, moves of the second best are tried as well, and so on.
        """
        size, misses, idle, turn, depth = max(self.space.most // FIRST_CUT, 1), 0, 0, 0, 1
        patience = 2 * self.space.n_cells
        directions = _directions(len(self.goals))
        while self.left > 0:
            weights = directions[turn % len(directions)]
            centres = self._best(weights, depth)
            moves = [_moves(centre.allocation, size, self.space) for centre in centres]
            chosen = self._promising(np.unique(np.concatenate(moves), axis=0), weights)
            before = {id(trial) for trial in self._front()}
            self._learn(self._try(chosen, ["refinement"] * len(chosen)))
            turn += 1
            if {id(trial) for trial in self._front()} != before:
                misses, idle, depth = 0, 0, 1
                continue
            misses, idle = misses + len(chosen), 0 if chosen else idle + 1
            stuck = idle >= len(directions)
            if size > 1 and (stuck or misses >= patience):
                size, misses, idle = size // 2, 0, 0
            elif stuck and depth == len(self._raced()):
                return
            elif stuck:
                depth, idle = depth + 1, 0

    def _promising(self, moves: F64, weights: F64) -> list[Allocation]:
        """Return the batch of new, allowed moves of which most is expected."""
        order = np.argsort(-self._expected(moves, weights), kind="stable")
        chosen: dict[bytes, Allocation] = {}
        repairs = REPAIRS * self.settings.batch
        for place in order:
            move = moves[place].astype(np.int64)
            if move.tobytes() in self.trials:
                continue
            if not self.space.allows(move):
                if repairs == 0:
                    continue
                repairs -= 1
                move = self.space.nearest(moves[place])
            if move.tobytes() not in self.trials:
                chosen.setdefault(move.tobytes(), move)
            if len(chosen) == self.settings.batch:
                break
        return list(chosen.values())

    def _expected(self, moves: F64, weights: F64) -> F64:
        """Return what a ridge regression on all trials expects of allocations, shape (n,).

        Money counts by its amount, its square root and by whether there is any, so that returns may
        diminish; trials near the best count more.
        """
        trials = list(self.trials.values())
        known = np.array([trial.allocation for trial in trials], dtype=np.float64)
        scores = np.array([self.score(trial, self.settings.first) for trial in trials])
        values = self._weighted(scores, weights)
        centre = self._centre(weights).allocation
        nearness = 1.0 / (1.0 + 4.0 * np.abs(known - centre).sum(axis=1) / self.space.most)
        inputs, asked = self._features(known), self._features(moves)
        middle = np.average(inputs, axis=0, weights=nearness)
        level = float(np.average(values, weights=nearness))
        weighted = (inputs - middle) * nearness[:, None]
        gram = weighted.T @ (inputs - middle) + RIDGE * np.eye(inputs.shape[1])
        slopes = np.linalg.solve(gram, weighted.T @ (values - level))
        expected: F64 = (asked - middle) @ slopes
        return expected

    def _features(self, allocations: F64) -> F64:
        share = allocations / self.space.most
        levers = allocations.reshape(len(allocations), *self.space.shape).sum(axis=2)
        return np.hstack([share, np.sqrt(share), np.sqrt(levers / self.space.most), levers > 0])


class _Sampler:
    """Proposes allocations by Optuna, from weights between 0 and 1.

    A new sampler with a seed of its own is made for each batch, so that nothing depends on how
    often one was asked before.
    """

    def __init__(self, space: Space, settings: Optimise, n_goals: int) -> None:
        self.space, self.settings = space, settings
        self.kind = _kind(settings.sampler, n_goals)
        self.names = space.weight_names()
        self.batch = 0
        one = optuna.distributions.FloatDistribution(0.0, 1.0)
        self.axes: dict[str, Any] = dict.fromkeys(self.names, one)
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            self.study = optuna.create_study(directions=["maximize"] * n_goals,
                                             sampler=self._made())  # fmt: skip

    @property
    def _seed(self) -> int:
        sequence = np.random.SeedSequence([self.settings.search_seed, self.batch])
        return int(sequence.generate_state(1)[0]) % 2**31

    def _by_chance(self) -> BaseSampler:
        return optuna.samplers.RandomSampler(seed=self._seed)

    def _made(self) -> BaseSampler:
        seed = self._seed
        generation = NSGA_BATCHES * max(self.settings.batch, 2)
        samplers = optuna.samplers
        if self.kind is SamplerKind.TPE:
            return samplers.TPESampler(seed=seed, multivariate=True, constant_liar=True)
        if self.kind is SamplerKind.CMA_ES:
            return samplers.CmaEsSampler(seed=seed, popsize=max(self.settings.batch, 4))
        if self.kind is SamplerKind.NSGA_II:
            return samplers.NSGAIISampler(seed=seed, population_size=generation)
        if self.kind is SamplerKind.NSGA_III:
            return samplers.NSGAIIISampler(seed=seed, population_size=generation)
        return self._by_chance()

    def know(self, allocation: Allocation, score: F64) -> None:
        """Note the score of an allocation from elsewhere."""
        weights = dict(zip(self.names, self.space.weights_of(allocation).tolist(), strict=True))
        self.study.add_trial(optuna.create_trial(params=weights, distributions=self.axes,
                                                 values=score.tolist()))  # fmt: skip

    def propose(self, n: int, known: Mapping[bytes, Trial]) -> list[tuple[Allocation, int]]:
        """Return new allocations, each with the number under which its score is told."""
        self.batch += 1
        asked: dict[bytes, tuple[Allocation, int]] = {}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            for sampler in (self._made(), self._by_chance()):
                self.study.sampler = sampler
                for _ in range(ATTEMPTS * n):
                    if len(asked) == n:
                        break
                    trial = self.study.ask(self.axes)
                    weights = np.array([trial.params[name] for name in self.names])
                    allocation = self.space.spread(weights)
                    key = allocation.tobytes()
                    if key in known or key in asked:
                        self.study.tell(trial, state=optuna.trial.TrialState.FAIL)
                    else:
                        asked[key] = allocation, trial.number
        return list(asked.values())

    def tell(self, number: int, score: F64) -> None:
        """Note the score of a proposal."""
        self.study.tell(number, score.tolist())


def _kind(asked: SamplerKind, n_goals: int) -> SamplerKind:
    if asked is not SamplerKind.AUTO:
        return asked
    if n_goals == 1:
        return SamplerKind.TPE
    return SamplerKind.NSGA_II if n_goals <= 3 else SamplerKind.NSGA_III  # noqa: PLR2004


def _ranks(scores: F64) -> F64:
    """Return how many fronts lie before each score, 0 for those that none beats in every goal."""
    no_worse = np.all(scores[:, None] >= scores[None], axis=2)
    beats = no_worse & np.any(scores[:, None] > scores[None], axis=2)
    ranks, left, rank = np.zeros(len(scores)), np.ones(len(scores), dtype=bool), 0
    while left.any():
        first = left & ~beats[left].any(axis=0)
        ranks[first] = rank
        left &= ~first
        rank += 1
    return ranks


def _surely_below(gaps: F64) -> bool:
    """Return whether a mean is below zero by more than chance, one-sided 2.5%."""
    n = len(gaps)
    if n < MIN_FOR_SPREAD:
        return False
    if np.ptp(gaps) == 0:
        return bool(gaps[0] < 0)
    return bool(gaps.mean() + t_quantile(n - 1) * gaps.std(ddof=1) / math.sqrt(n) < 0)


def _directions(n_goals: int) -> list[F64]:
    """Return weights of goals to refine by in turn: all alike, then each above the others."""
    if n_goals == 1:
        return [np.ones(1)]
    return [np.ones(n_goals), *(0.05 + 0.95 * np.eye(n_goals))]


def _moves(centre: Allocation, size: int, space: Space) -> F64:
    """Return allocations that differ from one by a move, shape (n_moves, n_cells).

    A move takes up to `size` steps, or all, from a cell and gives them to another cell or to none,
    adds steps to a cell, or gives all of a lever's money to another lever or to none.
    """
    found = {move.tobytes(): move for move in _each_move(centre, size, space)}
    return np.array(list(found.values()), dtype=np.float64).reshape(-1, space.n_cells)


def _each_move(centre: Allocation, size: int, space: Space) -> Iterator[Allocation]:
    unit = np.eye(space.n_cells, dtype=np.int64)
    spare = min(size, space.most - int(centre.sum()))
    for target in range(space.n_cells):
        if spare > 0:
            yield centre + spare * unit[target]
    for source in np.flatnonzero(centre):
        for steps in sorted({min(size, int(centre[source])), int(centre[source])}):
            yield centre - steps * unit[source]
            for target in range(space.n_cells):
                if target != source:
                    yield centre + steps * (unit[target] - unit[source])
    cells = centre.reshape(space.shape)
    for source in np.flatnonzero(cells.sum(axis=1)):
        without = cells.copy()
        without[source] = 0
        yield without.ravel()
        for target in range(len(cells)):
            if target != source:
                instead = without.copy()
                instead[target] += cells[source]
                yield instead.ravel()
