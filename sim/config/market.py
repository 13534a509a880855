"""The market: brands, segments, and how customers buy, learn, feel, talk and leave.

Equations are in `docs/model.md`; every number below is data with a unit, a range and, in the market
file's `provenance`, a source.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import median

from sim.config.fields import Uncertain, number, numbers
from sim.config.warning import EarlyWarning
from sim.errors import ConfigError
from sim.types import QUARTERS_PER_YEAR, MarketKind, Touchpoint

SHARE_TOLERANCE = 1e-6
MIN_BRANDS = 2  # without a rival there is nothing to choose
MAX_BRANDS = 16
MAX_SEGMENTS = 32


@dataclass(frozen=True, slots=True)
class Quality:
    """Delivered quality of a brand, by dimension."""

    functional: float = number(0.0, unit="logit", low=-10, high=10)
    emotional: float = number(0.0, unit="logit", low=-10, high=10)
    social: float = number(0.0, unit="logit", low=-10, high=10)
    economic: float = number(0.0, unit="logit", low=-10, high=10)


@dataclass(frozen=True, slots=True)
class Brand:
    """A brand; the first of a market is the focal one."""

    name: str
    appeal: float = number(0.0, unit="logit", low=-10, high=10)
    """Mean taste for the brand."""
    taste: float = number(1.0, unit="ratio to the market's spread of taste", low=0, high=20)
    """How much customers differ in their taste for the brand."""
    price: float = number(1.0, unit="ratio to the category's normal price", low=0.01, high=100)
    awareness: float = number(0.8, unit="share", low=0.001, high=1)
    """What a newcomer has, and what lack of contact falls back to."""
    availability: float = number(1.0, unit="share", low=0.001, high=1)
    problem: float = number(0.05, unit="probability per occasion", low=0, high=1)
    on_time: float = number(0.8, unit="share of complaints answered in time", low=0, high=1)
    quality: Quality = field(default_factory=Quality)
    perks: dict[str, float] = numbers(unit="likeness to the focal brand's, a share", low=0, high=1)
    """Levers that a rival has already: what is alike holds nobody."""


@dataclass(frozen=True, slots=True)
class DimensionWeights:
    """How much each dimension of quality counts for a segment; they sum to 1."""

    functional: float = number(0.45, unit="share", low=0, high=1)
    emotional: float = number(0.30, unit="share", low=0, high=1)
    social: float = number(0.10, unit="share", low=0, high=1)
    economic: float = number(0.15, unit="share", low=0, high=1)

    def __post_init__(self) -> None:
        """Check the sum."""
        total = self.functional + self.emotional + self.social + self.economic
        if abs(total - 1.0) > SHARE_TOLERANCE:
            raise ConfigError(f"shares sum to {total:g}", value=total, allowed="a sum of 1")


@dataclass(frozen=True, slots=True)
class ChoiceWeights:
    """Weights of the utility; customers spread around them."""

    value: float = number(1.0, unit="logit per unit of perceived value", low=0, high=20)
    bond: float = number(0.8, unit="logit per unit of bond", low=0, high=20)
    habit: float = number(2.0, unit="logit per unit of habit", low=0, high=20)
    price: float = number(4.5, unit="logit per ln(price)", low=0, high=50)
    reference: float = number(2.0, unit="logit per ln(price) of felt loss", low=0, high=50)


@dataclass(frozen=True, slots=True)
class WeightFactors:
    """How a segment's weights differ from the market's."""

    value: float = number(1.0, unit="ratio to the market's", low=0, high=20)
    bond: float = number(1.0, unit="ratio to the market's", low=0, high=20)
    habit: float = number(1.0, unit="ratio to the market's", low=0, high=20)
    price: float = number(1.0, unit="ratio to the market's", low=0, high=20)
    reference: float = number(1.0, unit="ratio to the market's", low=0, high=20)


@dataclass(frozen=True, slots=True)
class Segment:
    """A kind of customer."""

    name: str
    share: float = number(unit="share of the market's customers", low=0, high=1)
    rate: float = number(1.0, unit="ratio to the market's purchase rate", low=0.001, high=100)
    basket: float = number(1.0, unit="ratio to the market's order value", low=0.001, high=1000)
    privacy: float = number(1.0, unit="ratio to the market's concern for privacy", low=0, high=10)
    weights: WeightFactors = field(default_factory=WeightFactors)
    dimensions: DimensionWeights = field(default_factory=DimensionWeights)


@dataclass(frozen=True, slots=True)
class Spread:
    """How customers of one segment differ."""

    taste: float = number(1.2, unit="logit, sd over customers per brand", low=0, high=10)
    value: float = number(0.2, unit="log sd over customers", low=0, high=2)
    bond: float = number(0.3, unit="log sd over customers", low=0, high=2)
    habit: float = number(0.3, unit="log sd over customers", low=0, high=2)
    price: float = number(0.4, unit="log sd over customers", low=0, high=2)
    basket: float = number(0.5, unit="log sd over customers", low=0, high=3)


@dataclass(frozen=True, slots=True)
class Rate:
    """How often customers buy from the category: the NBD with drift, season and growth."""

    shape: float = number(0.6, unit="Gamma shape", low=0.01, high=100)
    mean: float = number(2.5, unit="purchases per customer and quarter", low=1e-4, high=1000)
    half_life: float = number(
        8.0, unit="quarters until half of a rate's deviation is gone", low=0.1
    )
    growth: float = number(0.0, unit="per year", low=-0.9, high=5)
    season: tuple[float, ...] = (1.0, 1.0, 1.0, 1.0)
    """Factor on the rate in each quarter of the year; quarter 1 of the plan is the first."""
    expansion: float = number(0.1, unit="power of the inclusive value", low=0, high=1)
    acceleration: float = number(
        1.0, unit="rate gain per ln unit of discount bought", low=0, high=10
    )
    payback: float = number(0.3, unit="share of the gain missing next quarter", low=0, high=1)

    def __post_init__(self) -> None:
        """Check the season."""
        if len(self.season) != QUARTERS_PER_YEAR or min(self.season) <= 0:
            raise ConfigError(
                f"{list(self.season)} is no season",
                key="season",
                value=self.season,
                allowed="four factors above 0, one per quarter of the year",
            )


@dataclass(frozen=True, slots=True)
class Leaving:
    """Leaving the category after a purchase: Beta over customers; satisfaction and bond move it."""

    alpha: float = number(0.8, unit="Beta a", low=0.01, high=1000)
    beta: float = number(12.0, unit="Beta b", low=0.01, high=10000)
    satisfaction: float = number(0.5, unit="logit per unit of disconfirmation", low=0, high=10)
    bond: float = number(0.5, unit="logit per unit of bond", low=0, high=10)
    bond_reference: float = number(0.1, unit="bond at which nothing moves", low=0, high=1)
    market_age: int = number(20, unit="quarters that the category has existed", low=0, high=400)


@dataclass(frozen=True, slots=True)
class Learning:
    """What an occasion teaches."""

    rate: float = number(0.15, unit="share of a disconfirmation", low=0, high=1)
    negativity: float = number(2.0, unit="ratio of bad to good", low=1, high=10)
    noise: float = number(0.5, unit="logit, sd of delivered quality over occasions", low=0, high=10)
    habit_smoothing: float = number(0.7, unit="share kept per purchase", low=0, high=0.999)
    reference_smoothing: float = number(0.3, unit="share of the gap per purchase", low=0, high=1)
    gain_factor: float = number(0.5, unit="ratio of a felt gain to a loss", low=0, high=1)


@dataclass(frozen=True, slots=True)
class Service:
    """What happens when an occasion goes wrong."""

    loss: float = number(1.5, unit="logit of quality", low=0, high=20)
    complaint: float = number(0.4, unit="share of problems complained of", low=0, high=1)
    repair: float = number(
        0.8, unit="share of the loss that a timely answer repairs", low=0, high=1
    )
    late_factor: float = number(2.0, unit="ratio of the loss after a late answer", low=1, high=10)
    effort_smooth: float = number(1.0, unit="0..10", low=0, high=10)
    effort_silent: float = number(6.0, unit="0..10", low=0, high=10)
    effort_answered: float = number(4.0, unit="0..10", low=0, high=10)
    effort_late: float = number(9.0, unit="0..10", low=0, high=10)


@dataclass(frozen=True, slots=True)
class Bond:
    """Growth and decay of the emotional bond, and of trust."""

    gain: float = number(0.05, unit="share per unit of positive disconfirmation", low=0, high=1)
    decay: float = number(0.04, unit="share per quarter", low=0, high=1)
    trust: float = number(0.8, unit="share, benevolence at the start", low=0, high=1)
    trust_recovery: float = number(0.15, unit="share of the gap per quarter", low=0, high=1)


@dataclass(frozen=True, slots=True)
class WordOfMouth:
    """The small world in which customers hear of brands."""

    neighbours: int = number(4, unit="people read per quarter", low=0, high=16)
    rewiring: float = number(0.1, unit="share of edges", low=0, high=1)
    leader_share: float = number(0.03, unit="share of customers", low=0, high=0.5)
    leader_attention: float = number(0.3, unit="share of rewired edges", low=0, high=0.99)
    leader_weight: float = number(2.3, unit="ratio to an ordinary voice", low=0, high=100)
    voice: float = number(0.3, unit="share of buyers who voice an opinion", low=0, high=1)
    awareness: float = number(0.05, unit="share of the unaware per opinion read", low=0, high=1)
    value: float = number(0.02, unit="logit per opinion read", low=0, high=5)
    bond: float = number(0.01, unit="share per opinion read", low=0, high=1)
    awareness_decay: float = number(0.1, unit="share per quarter", low=0, high=1)


@dataclass(frozen=True, slots=True)
class Survey:
    """How inner states become answers on a scale."""

    satisfaction_intercept: float = number(0.0, unit="logit", low=-10, high=10)
    satisfaction_slope: float = number(
        1.0, unit="logit per unit of disconfirmation", low=0, high=20
    )
    recommend_intercept: float = number(1.2, unit="logit", low=-10, high=10)
    recommend_value: float = number(1.0, unit="logit per unit of perceived value", low=0, high=20)
    recommend_bond: float = number(1.5, unit="logit per unit of bond", low=0, high=20)
    recommend_experience: float = number(
        0.8, unit="logit per unit of disconfirmation", low=0, high=20
    )
    product_lines: float = number(
        4.0, unit="count of equally bought product lines", low=1, high=1000
    )


@dataclass(frozen=True, slots=True)
class Subscription:
    """What a contract changes; without effect in a repertoire market."""

    attention: float = number(0.15, unit="probability per quarter to reconsider", low=0, high=1)
    switching_cost: float = number(2.0, unit="logit", low=0, high=20)


@dataclass(frozen=True, slots=True)
class Journey:
    """How much each touchpoint weighs, and what it costs if they do not fit together."""

    cognition: float = number(0.42, unit="weight", low=0, high=100)
    decision: float = number(0.29, unit="weight", low=0, high=100)
    use: float = number(0.76, unit="weight", low=0, high=100)
    after_sales: float = number(0.38, unit="weight", low=0, high=100)
    sharing: float = number(0.17, unit="weight", low=0, high=100)
    first_experience: float = number(
        1.0, unit="ratio of what the first purchase of a brand teaches to a later one",
        low=0, high=20,
    )  # fmt: skip
    upkeep: float = number(3.0, unit="contacts per month", low=0, high=100)
    usual_upkeep: float = number(
        3.0, unit="contacts per month at which an effect is as stated", low=0.01, high=100
    )
    inconsistency: float = number(
        0.0,
        unit="trust lost per quarter and logit of difference between touchpoints",
        low=0,
        high=1,
    )
    effort: float = number(
        2.0, unit="effort, 0..10, per logit of difference between touchpoints", low=0, high=10
    )

    def __post_init__(self) -> None:
        """Check that something weighs."""
        if self.total <= 0:
            raise ConfigError(
                "no touchpoint weighs anything", value=self.total, allowed="a weight above 0"
            )

    @property
    def total(self) -> float:
        """Sum of the weights of the touchpoints that every customer passes."""
        return self.cognition + self.decision + self.use + self.after_sales + self.sharing

    def factor(self, touchpoint: Touchpoint | None) -> float:
        """Return by how much an effect at a touchpoint counts; 1 for one at all of them."""
        if touchpoint is None or touchpoint is Touchpoint.FIRST_EXPERIENCE:
            return 1.0
        if touchpoint is Touchpoint.UPKEEP:
            return self.upkeep / self.usual_upkeep
        n_weighed = 5
        return float(getattr(self, touchpoint.value)) * n_weighed / self.total


@dataclass(frozen=True, slots=True)
class Benchmark:
    """A published figure that the report sets beside the simulated one, with why they differ."""

    measure: str
    value: float = number(unit="as the measure")
    source: str = ""
    note: str = ""


class JointNumber(float):
    """A number that is drawn together with others: its float value is the median of its draws."""

    draws: tuple[float, ...]

    def __new__(cls, draws: tuple[float, ...]) -> JointNumber:
        """Make the number from one value per draw."""
        made = super().__new__(cls, median(draws))
        made.draws = draws
        return made

    def __getnewargs__(self) -> tuple[tuple[float, ...]]:  # type: ignore[override]
        """Let a pickle or a copy carry the draws, not only their median."""
        return (self.draws,)

    def __eq__(self, other: object) -> bool:
        """Return whether another has the same draws; a plain number is their median at most."""
        if isinstance(other, JointNumber):
            return self.draws == other.draws
        return super().__eq__(other)

    def __ne__(self, other: object) -> bool:
        """Return the opposite of equality, which `float` would answer by the median."""
        return not self == other

    def __hash__(self) -> int:
        """Return the median's: what is equal has the same."""
        return super().__hash__()

    def as_yaml(self) -> dict[str, list[float]]:
        """Return lowest, median and highest: what a list of parameters shows."""
        return {"joint": [min(self.draws), float(self), max(self.draws)]}


@dataclass(frozen=True, slots=True)
class Joint:
    """Markets that fit the same data: one row of numbers is drawn, for all paths at once."""

    name: str
    """What the draws were calibrated from; it addresses which row is drawn."""
    draws: dict[str, tuple[float, ...]]
    """Path below `market` to one number per row, in the unit and range of that setting."""

    def __post_init__(self) -> None:
        """Check that there are rows, and as many of each number."""
        lengths = {path: len(rows) for path, rows in self.draws.items()}
        if not self.draws or 0 in lengths.values():
            raise ConfigError("nothing to draw", key="draws", allowed="one number or more per path")
        first = next(iter(lengths))
        for path, rows in self.draws.items():
            if len(rows) != lengths[first]:
                raise ConfigError(
                    f"{len(rows)} draws, but {lengths[first]} of {first}", key=f"draws.{path}",
                    allowed="as many draws of each number: a row is drawn of all",
                )  # fmt: skip
            if any(isinstance(drawn, Uncertain) for drawn in rows):
                raise ConfigError(
                    "holds a distribution", key=f"draws.{path}", allowed="numbers: draws are known"
                )

    @property
    def n_rows(self) -> int:
        """Number of markets to draw from."""
        return len(next(iter(self.draws.values())))


@dataclass(frozen=True, slots=True)
class Market:
    """A category with its brands, segments and laws of motion."""

    name: str
    title: str
    currency: str
    brands: tuple[Brand, ...]
    segments: tuple[Segment, ...]
    company_customers: int = number(
        unit="people who bought the focal brand lately", low=1, high=2e9
    )
    """Real customers for whom the simulated focal customers stand."""
    basket: float = number(unit="currency per purchase", low=1e-6, high=1e12)
    kind: MarketKind = MarketKind.REPERTOIRE
    lapse_quarters: int = number(4, unit="quarters without purchase that make a lapsed customer",
                                 low=1, high=4)  # fmt: skip
    expectation_drift: float = number(0.0, unit="logit per quarter", low=-1, high=1)
    weights: ChoiceWeights = field(default_factory=ChoiceWeights)
    rate: Rate = field(default_factory=Rate)
    leaving: Leaving = field(default_factory=Leaving)
    spread: Spread = field(default_factory=Spread)
    learning: Learning = field(default_factory=Learning)
    service: Service = field(default_factory=Service)
    bond: Bond = field(default_factory=Bond)
    word_of_mouth: WordOfMouth = field(default_factory=WordOfMouth)
    survey: Survey = field(default_factory=Survey)
    subscription: Subscription = field(default_factory=Subscription)
    journey: Journey = field(default_factory=Journey)
    warning: EarlyWarning = field(default_factory=EarlyWarning)
    benchmarks: tuple[Benchmark, ...] = ()
    joint: tuple[Joint, ...] = ()
    """Numbers that are not known exactly and belong together; they replace those stated above."""
    provenance: dict[str, str] = field(default_factory=dict)
    """Where each parameter's value comes from: dotted key to "kind: source"."""

    def __post_init__(self) -> None:
        """Check what no single field can: counts, names, and shares that sum to 1."""
        if not MIN_BRANDS <= len(self.brands) <= MAX_BRANDS:
            raise ConfigError(
                f"{len(self.brands)} brands",
                key="brands",
                allowed=f"{MIN_BRANDS} to {MAX_BRANDS} brands",
            )
        if not 1 <= len(self.segments) <= MAX_SEGMENTS:
            raise ConfigError(
                f"{len(self.segments)} segments",
                key="segments",
                allowed=f"1 to {MAX_SEGMENTS} segments",
            )
        check_names_differ("brands", [brand.name for brand in self.brands])
        check_names_differ("segments", [segment.name for segment in self.segments])
        check_names_differ("joint", [joint.name for joint in self.joint])
        check_names_differ("joint", [path for joint in self.joint for path in joint.draws])
        for segment in self.segments:
            if isinstance(segment.share, Uncertain):
                raise ConfigError(
                    "is a distribution, but shares must sum to 1 in every draw",
                    key=f"segments.{segment.name}.share",
                    allowed="a number",
                )
        total = sum(segment.share for segment in self.segments)
        if abs(total - 1.0) > SHARE_TOLERANCE:
            raise ConfigError(
                f"shares sum to {total:g}", key="segments", value=total, allowed="a sum of 1"
            )

    @property
    def lapse_window(self) -> int:
        """Quarters without purchase that make a lapsed customer; a contract lapses at once."""
        return 1 if self.kind is MarketKind.SUBSCRIPTION else self.lapse_quarters

    @property
    def focal(self) -> Brand:
        """The brand whose plan is studied."""
        return self.brands[0]


def check_names_differ(key: str, names: list[str]) -> None:
    """Raise ConfigError if a name stands twice."""
    doubled = {name for name in names if names.count(name) > 1}
    if doubled:
        raise ConfigError(
            f"named twice: {', '.join(sorted(doubled))}", key=key, allowed="each name once"
        )
