"""LoyaltyModel: one market under one plan in one world, as a Mesa model."""

from __future__ import annotations

import functools
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import mesa
import numpy as np

from sim.agents import Brand, CustomerSet, brands_in_order
from sim.config.build import Unknowns
from sim.config.load import load
from sim.config.plan import Plan
from sim.config.rivals import Rival
from sim.config.study import Config
from sim.errors import ConfigError
from sim.kernels import layout as at
from sim.kernels import philox
from sim.kernels.quarter import create_residents, live_quarter
from sim.levers import LeverQuarter, Programme, Situation
from sim.measures.history import History
from sim.measures.record import Record, add_tallies, age_departed, empty_tally, with_total
from sim.measures.table import MEASURES
from sim.offer import STEADY, Product, carried_over, environment, make_offer
from sim.phases import PHASES
from sim.policies import FollowPlan, Imitate, Sight, make_rival_policy
from sim.population import Population
from sim.processes.service_desk import ServiceDesk
from sim.risks import RiskRegister
from sim.traits import lapse_mask, make_traits, no_treatment, start_value
from sim.types import F32, F64, N_CHANNELS, QUARTERS_PER_YEAR, Channel

# Customers per call of the compiled loop. Fixed, so that sums are added in one order whatever the
# number of threads; large enough that a call's overhead is below a thousandth.
CHUNK = 16_384

Mapper = Callable[[Callable[[int], Any], Iterable[int]], Iterable[Any]]


@dataclass(slots=True)
class State:
    """Everything that changes over a run; two plans go on from copies of one burnt-in state."""

    population: Population
    trust: F64
    reputation: F32
    attraction_shift: F32
    departed: np.ndarray
    quarter: int = 0
    records: list[Record] = field(default_factory=list)
    contacts: list[float] = field(default_factory=list)
    """Expected complaints to the focal brand by quarter, in simulated customers."""

    def copy(self) -> State:
        """Return an independent copy; records are never changed, so they are shared."""
        return replace(
            self,
            population=self.population.copy(),
            trust=self.trust.copy(),
            departed=self.departed.copy(),
            records=list(self.records),
            contacts=list(self.contacts),
        )


class Drawn(NamedTuple):
    """A configuration after what is uncertain was drawn for a replication."""

    config: Config
    numbers: dict[str, float]
    """What was drawn, by the parameter's path."""
    planned: Config
    """The configuration before."""


class LoyaltyModel(mesa.Model):
    """A market of customers and brands that lives quarter by quarter.

    Runs as any Mesa model does: `model.step()`, `model.agents` (the brands), `model.customers` (the
    customers, with AgentSet's verbs), `model.datacollector`, `mesa.batch_run`.

    Parameters
    ----------
    config
        A configuration, the name of a scenario, or None for the default composition. Who makes many
        models of one configuration finds its `Unknowns` once and gives those.
    plan
        The focal brand's plan, or the name of one; the configuration's plan if None.
    replication
        Which world: with the seed it decides every draw.
    parameter_replication
        Which draw of the uncertain parameters; as `replication` if None.
    rng
        Seed of all draws, as an int; the configuration's seed if None.
    collect
        Whether `datacollector` records every quarter.
    mapper
        What applies a function to chunk numbers; `map`, or a thread pool's map.
    observe
        Occasions per customer and quarter whose brand is kept in `population.columns.bought` until
        the next quarter: for who exports what a firm observes. Without, no purchase is kept.
    **overrides
        Configuration overrides by dotted key, `customers=1000`; only if `config` is a name or None.

    Raises
    ------
    ConfigError
        If the configuration cannot be used.
    """

    running: bool  # set by Mesa, which has no types

    def __init__(
        self,
        config: Config | Unknowns | str | None = None,
        *,
        plan: Plan | str | None = None,
        replication: int = 0,
        parameter_replication: int | None = None,
        rng: int | None = None,
        collect: bool = True,
        mapper: Mapper = map,
        observe: int = 0,
        _drawn: Drawn | None = None,
        _state: State | None = None,
        **overrides: Any,
    ) -> None:
        if isinstance(plan, str):  # as `mesa.batch_run` gives it
            overrides["plan"], plan = plan, None
        if _drawn is None:
            unknowns = _find_unknowns(config, overrides)
            seed = int(unknowns.config.seed if rng is None else rng)
            drawn = replication if parameter_replication is None else parameter_replication
            _drawn = draw_parameters(unknowns, seed, drawn)
        self.config, self.drawn, self.planned = _drawn
        self.seed_number = int(self.config.seed if rng is None else rng)
        super().__init__(rng=self.seed_number)
        self.replication = replication
        self.plan = plan or self.config.plan
        self.mapper = mapper
        self.product = Product(self.config.market, self.config.rivals)
        self.desk = ServiceDesk(self.config.desk, self.config.market.focal.on_time)
        self.state = _state or self._settle_market(observe)
        self.traits = make_traits(self.config.market, self.population.block_start)
        self.focal_policy = FollowPlan(
            Programme(self.plan, self.config.lever, self.config.market, self.config.organisation)
        )
        self.delivered: dict[int, LeverQuarter] = {}
        self.treatment = no_treatment(len(self.config.market.segments))
        self._make_brands()
        self.risks = RiskRegister(self.config.risks, self.seed_number, replication)
        self.risk_hits: F64 = np.zeros((N_CHANNELS, 1))
        self.carried = STEADY
        self.times = environment(self.config.market, self.plan_quarter)
        self.offer: at.Offer | None = None
        self._history: History | None = None
        if _state is None:
            self._create_residents()
        self.running = self.plan_quarter <= self.config.quarters
        self.datacollector = _make_collector() if collect else None
        if self.datacollector is not None:
            self.datacollector.collect(self)

    def _make_brands(self) -> None:
        policies = self.config.rivals.brands
        for index, brand in enumerate(self.config.market.brands):
            rival = make_rival_policy(policies.get(brand.name, Rival()), index)
            Brand(self, brand.name, index, rival if index else self.focal_policy)
        self.brands = brands_in_order(self)

    def _settle_market(self, n_slots: int) -> State:
        """Return the state before anybody has lived a quarter."""
        market = self.config.market
        n_brands, n_segments = len(market.brands), len(market.segments)
        return State(
            population=Population(self.config.customers, market, n_slots),
            trust=np.full((n_brands, n_segments), float(market.bond.trust)),
            reputation=start_value(market),
            attraction_shift=np.zeros(n_segments, dtype=np.float32),
            departed=np.zeros((n_segments, n_brands, at.HISTORY_SIZE), dtype=np.int64),
        )

    def _create_residents(self) -> None:
        bond = self.config.market.bond
        n_brands, n_segments = self.state.trust.shape
        offer = make_offer(
            self.product,
            np.zeros((n_brands, N_CHANNELS, n_segments)),
            self.state.trust,
            bond.trust,
            self.times,
            self.state.reputation,
            self.state.attraction_shift,
        )
        columns = self.population.columns

        def create(chunk: int) -> None:
            first, last = self._chunk_range(chunk)
            create_residents(
                columns, self.traits, offer, first, last, self.seed_number, self.replication
            )

        list(self.mapper(create, range(self.n_chunks)))

    @property
    def population(self) -> Population:
        """The customers' columns."""
        return self.state.population

    @property
    def customers(self) -> CustomerSet:
        """The customers, with the verbs of Mesa's AgentSet."""
        return CustomerSet(self)

    @property
    def n_chunks(self) -> int:
        """Number of calls of the compiled loop per quarter."""
        return -(-len(self.population) // CHUNK)

    @property
    def plan_quarter(self) -> int:
        """Quarter being lived or coming next: 1 is the plan's first, 0 the last of burn-in."""
        return self.state.quarter - self.config.burn_in + 1

    @property
    def records(self) -> list[Record]:
        """Sums of every quarter lived."""
        return self.state.records

    def step(self) -> None:
        """Live one quarter; after the horizon `running` is False and nothing happens."""
        if not self.running:
            return
        if self.plan_quarter == 1:
            self._mark_base()
        for phase in PHASES:
            phase.run(self)
        self.state.quarter += 1
        if self.datacollector is not None:
            self.datacollector.collect(self)
        self.running = self.plan_quarter <= self.config.quarters

    def burn_in(self) -> LoyaltyModel:
        """Live the quarters before the plan and return the model."""
        while self.plan_quarter < 1:
            self.step()
        return self

    def fork(self, plan: Plan, config: Config | None = None) -> LoyaltyModel:
        """Return a model that goes on from this state under another plan, in the same world.

        With `config`, what differs in it (other risks, say) holds from now on; nothing is drawn
        again.

        Raises
        ------
        ValueError
            If the plan has begun: what its levers have built belongs to that plan.
        """
        if self.plan_quarter > 1:
            lived = self.plan_quarter - 1
            raise ValueError(f"{lived} quarters of the plan are lived; fork before it begins")
        return LoyaltyModel(
            plan=plan,
            replication=self.replication,
            rng=self.seed_number,
            collect=self.datacollector is not None,
            mapper=self.mapper,
            _drawn=Drawn(config or self.config, self.drawn, self.planned),
            _state=self.state.copy(),
        )

    def turn(self, config: Config) -> None:
        """Let the market and the finance of another configuration hold from the coming quarter on.

        Growth and expectations go on from where they are. What brands have built and begun stays:
        of the other configuration nothing else is looked at, and its market must have the same
        brands and segments.
        """
        market = config.market
        self.carried = carried_over(self.config.market, market, self.plan_quarter, self.carried)
        self.config = replace(self.config, market=market, finance=config.finance)
        self.product = Product(market, self.config.rivals)
        self.desk = ServiceDesk(self.config.desk, market.focal.on_time)
        self.traits = make_traits(market, self.population.block_start)

    def release(self) -> None:
        """Let go of all that the model holds; it is of no use afterwards.

        A Mesa model refers to itself, so its columns would otherwise stay in memory until the
        garbage collector comes by, which in a study of few Python objects is hardly ever.
        """
        self.__dict__.clear()

    def _mark_base(self) -> None:
        """Flag today's focal customers: the people whose lifetime value is reported."""
        columns = self.population.columns
        recent = (columns.history[0] & lapse_mask(self.config.market)) > 0
        columns.flags[recent] |= at.FLAG_BASE

    def _chunk_range(self, chunk: int) -> tuple[int, int]:
        return chunk * CHUNK, min((chunk + 1) * CHUNK, len(self.population))

    def live_quarter(self) -> None:
        """Take all customers through the quarter under the present offer."""
        columns = self.population.columns
        market = self.config.market
        n_quarters = self.config.burn_in + self.config.quarters
        next_brand = np.empty_like(columns.opinion_brand)
        next_valence = np.empty_like(columns.opinion_valence)

        def live(chunk: int) -> at.Tally:
            first, last = self._chunk_range(chunk)
            tally = empty_tally(len(market.segments), len(market.brands), n_quarters)
            live_quarter(
                columns, self.traits, self.offer, self.treatment, tally, next_brand, next_valence,
                first, last, self.state.quarter, self.seed_number, self.replication,
            )  # fmt: skip
            return tally

        self.tally = add_tallies(self.mapper(live, range(self.n_chunks)))
        columns.opinion_brand[:] = next_brand
        columns.opinion_valence[:] = next_valence

    def _note_breaks(self, tally: at.Tally) -> None:
        """Add to the effort of focal purchases what touchpoints that do not fit together cost."""
        delivered = self.focal_policy.delivered
        if delivered is not None:
            effort = self.config.market.journey.effort * delivered.breaks
            tally.flow[:, 0, at.EFFORT] += effort * tally.flow[:, 0, at.PURCHASES]

    def take_record(self) -> Record:
        """Turn the tally into the quarter's record, append and return it."""
        tally, state = self.tally, self.state
        self._note_breaks(tally)
        departed = age_departed(state.departed)
        struck = [name for quarter, name in self.risks.events if quarter == self.plan_quarter]
        sizes = np.diff(self.population.block_start).astype(np.float64)
        mean_trust = state.trust @ (sizes / sizes.sum())
        record = Record(
            quarter=self.plan_quarter,
            lived=state.quarter + 1,
            size=with_total(sizes),
            flow=with_total(tally.flow),
            category=with_total(tally.category),
            history=with_total(tally.history + tally.departed + departed),
            switching=with_total(tally.switching),
            cohort=tally.cohort,
            club=with_total(tally.club),
            tiers=with_total(tally.tiers),
            tier_revenue=with_total(tally.tier_revenue),
            rfm=with_total(tally.rfm),
            warned=with_total(tally.warned),
            judged=with_total(tally.judged),
            lead=with_total(tally.lead),
            losses=tally.losses,
            trust=np.vstack([state.trust.T, mean_trust]),
            delivered=self.focal_policy.delivered,
            events=tuple(struck),
        )
        state.departed = departed + tally.departed
        state.records.append(record)
        return record

    def history(self) -> History:
        """Return all quarters lived so far, ready for measures."""
        if self._history is None or len(self._history.quarters) != len(self.records):
            self._history = History(self.records, self.config.market)
        return self._history

    def sight(self) -> Sight:
        """Return what brands can see as this quarter begins."""
        return Sight(
            quarter=self.plan_quarter,
            n_segments=len(self.config.market.segments),
            look=self.history if self.records else None,
            delivered=self.delivered,
            situation=self._situation,
        )

    def _situation(self) -> Situation:
        """Return what this quarter meets the focal levers with, once rivals have acted."""
        alike: dict[str, float] = {}
        for brand in self.brands:
            if isinstance(brand.policy, Imitate):
                for lever, likeness in brand.policy.alike.items():
                    alike[lever] = max(alike.get(lever, 0.0), likeness)
        delay = float(self.risk_hits[Channel.DELAY, 0])
        if not self.records:
            return Situation(self.plan_quarter, delay, alike)
        last = self.records[-1]
        customers = max(float(last.warned[-1].sum()), 1.0)
        members = last.tiers[-1].sum(axis=0)
        margin = self.config.finance.gross_margin * last.tier_revenue[-1]
        return Situation(
            quarter=self.plan_quarter,
            delay=delay,
            alike=alike,
            warned=(float(last.warned[-1, at.YELLOW]) / customers,
                    float(last.warned[-1, at.RED]) / customers),
            member_margin=np.divide(
                margin, members, out=np.full(at.N_TIERS, np.inf), where=members > 0
            ),
            money_line=self._money_line(),
        )  # fmt: skip

    def _money_line(self) -> float:
        """Return the yearly spend, in currency, above which a customer spends more than most."""
        if not self.records:
            return 0.0
        last = self.records[-1]
        return float(last.club[-1, at.SPEND]) / max(float(last.warned[-1].sum()), 1.0)

    def no_treatment(self) -> at.Treatment:
        """Return what single customers get before the plan: nothing."""
        return no_treatment(len(self.config.market.segments), self._money_line())

    def note_contacts(self, record: Record) -> None:
        """Keep how many complaints the quarter's purchases were to bring the service desk.

        Expected ones, not those that came: a few thousand simulated customers stand for all, and
        their luck with problems is not that of a whole firm.
        """
        assert self.offer is not None  # the quarter was lived under it
        problems = record.flow[:-1, 0, at.PURCHASES] @ self.offer.problem[0]
        self.state.contacts.append(float(problems * self.config.market.service.complaint))

    def usual_contacts(self) -> float:
        """Return expected complaints per quarter in the last year before the plan."""
        before = self.state.contacts[: self.config.burn_in]
        return float(np.mean(before[-QUARTERS_PER_YEAR:]))

    def latest(self, measure: str) -> F64:
        """Return a measure of the whole market in the last quarter lived, shape (n_brands,)."""
        if not self.records:
            return np.full(len(self.config.market.brands), np.nan)
        values: F64 = MEASURES[measure](self.history())[-1, -1]
        return values


def _find_unknowns(config: Config | Unknowns | str | None, overrides: dict[str, Any]) -> Unknowns:
    """Return the configuration that a model was asked for, with what is uncertain in it."""
    if not isinstance(config, Config | Unknowns):
        config = load(config, [f"{key}={value}" for key, value in overrides.items()])
    elif overrides:
        raise ConfigError(
            "overrides go with a scenario's name, not with a finished configuration",
            key=next(iter(overrides)),
        )
    return config if isinstance(config, Unknowns) else Unknowns(config)


def draw_parameters(unknowns: Unknowns, seed: int, replication: int) -> Drawn:
    """Return the configuration with every uncertain number drawn for a replication, and the draws.

    A draw is addressed by the parameter's own name, so that adding a parameter moves no other. A
    plan's parameters go by the plan's name, whatever its part in the study.
    """
    planned = unknowns.config
    plan, baseline = planned.plan.name, planned.baseline.name

    def draw(path: str) -> float:
        entity = _address(path, plan, baseline)
        return float(philox.draw_uniform(entity, 0, philox.PARAMETER, seed, replication))

    return Drawn(*unknowns.realise(draw), planned)


@functools.lru_cache(maxsize=4096)  # the same few hundred paths for every world
def _address(path: str, plan: str, baseline: str) -> int:
    """Return the entity whose draws a parameter takes, given the names of plan and baseline."""
    roles = {"plan": plan, "baseline": baseline}
    role, _, rest = path.partition(".")
    return zlib.crc32((f"plans.{roles[role]}.{rest}" if role in roles else path).encode())


def _make_collector() -> mesa.DataCollector:
    return mesa.DataCollector(
        model_reporters={
            "quarter": lambda m: m.records[-1].quarter if m.records else None,
            "focal_share": lambda m: float(m.latest("share")[0]),
            "focal_churn": lambda m: float(m.latest("churn")[0]),
            "focal_loyalty_index": lambda m: float(m.latest("loyalty_index")[0]),
        },
        agent_reporters={
            "name": "name",
            "share": "share",
            "penetration": "penetration",
            "loyalty_index": "loyalty_index",
        },
    )
