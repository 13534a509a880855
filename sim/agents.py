"""Mesa's view of the market: brands are agents, customers are rows seen through agents.

Brands are real `mesa.Agent`s. A customer becomes one only when somebody looks at it: `Customer`
holds a row number, and `CustomerSet` answers the verbs of Mesa's AgentSet over whole columns at
once.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import mesa
import numpy as np
from numpy.typing import NDArray

from sim.policies import Policy
from sim.population import COLUMNS, Population
from sim.types import F64, N_CHANNELS

if TYPE_CHECKING:
    from sim.model import LoyaltyModel

_SEVERAL = {column.name for column in COLUMNS if column.per_brand or column.per_occasion}


class Brand(mesa.Agent):
    """A brand with a policy.

    Attributes
    ----------
    index
        Position in the market; 0 is the focal brand.
    channels
        What its policy changes this quarter, shape (N_CHANNELS, n_segments).
    """

    def __init__(self, model: LoyaltyModel, name: str, index: int, policy: Policy) -> None:
        super().__init__(model)
        self.name, self.index, self.policy = name, index, policy
        self.channels: F64 = np.zeros((N_CHANNELS, len(model.config.market.segments)))

    def act(self) -> None:
        """Let the policy decide this quarter."""
        self.channels = self.policy.act(self.model.sight())

    def measure(self, name: str) -> float:
        """Return a measure of the whole market for this brand in the last quarter lived."""
        return float(self.model.latest(name)[self.index])

    @property
    def share(self) -> float:
        """Share of the category's purchases last quarter."""
        return self.measure("share")

    @property
    def penetration(self) -> float:
        """Share of all customers who bought the brand last quarter."""
        return self.measure("penetration")

    @property
    def loyalty_index(self) -> float:
        """Loyalty index 0..100 last quarter."""
        return self.measure("loyalty_index")


class Customer(mesa.Agent):
    """One customer: a view of a row, with the row's states as attributes.

    States per brand read as arrays of shape (n_brands,). Setting an attribute writes the column.
    """

    def __init__(self, model: LoyaltyModel, index: int) -> None:
        # Not registered with the model: a view comes and goes, the row stays.
        object.__setattr__(self, "model", model)
        object.__setattr__(self, "unique_id", index)

    def __getattr__(self, name: str) -> Any:
        if "model" not in self.__dict__:  # a copy in the making
            raise AttributeError(name)
        columns = self.model.population.columns
        if name not in columns._fields:
            raise AttributeError(f"a customer has no '{name}'; it has {', '.join(columns._fields)}")
        column = getattr(columns, name)
        return column[:, self.unique_id] if name in _SEVERAL else column[self.unique_id]

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)  # not through __setattr__, which writes columns

    def __setattr__(self, name: str, value: Any) -> None:
        columns = self.model.population.columns
        if name not in columns._fields:
            raise AttributeError(f"a customer has no '{name}'; it has {', '.join(columns._fields)}")
        getattr(columns, name)[..., self.unique_id] = value

    def remove(self) -> None:
        """Refuse: a customer leaves through the model's own renewal."""
        raise TypeError("customers leave by the model's renewal; a row cannot be removed")


class _ColumnView:
    """Whole columns under the names of a customer's attributes, for filters and functions."""

    _customers: CustomerSet

    def __init__(self, customers: CustomerSet) -> None:
        object.__setattr__(self, "_customers", customers)

    def __setattr__(self, name: str, value: Any) -> None:
        self._customers.set(name, value)

    def __getattr__(self, name: str) -> NDArray[Any]:
        column: NDArray[Any] = self._customers.get(name)
        return column


class CustomerSet:
    """The customers of a model, or some of them, with AgentSet's verbs over columns.

    A filter or function gets an object whose attributes are columns of the selected rows (states
    per brand have shape (n_brands, n_selected)), so `lambda c: c.bond[0] > 0.5` does for all rows
    at once what it would do for one agent.
    """

    def __init__(self, model: LoyaltyModel, rows: NDArray[np.int64] | None = None) -> None:
        self.model = model
        self.rows = np.arange(len(model.population)) if rows is None else rows

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[Customer]:
        return (Customer(self.model, int(row)) for row in self.rows)

    def __getitem__(self, item: int | slice) -> Any:
        picked = self.rows[item]
        if isinstance(item, slice):
            return CustomerSet(self.model, picked)
        return Customer(self.model, int(picked))

    def __contains__(self, agent: object) -> bool:
        if not isinstance(agent, Customer) or agent.model is not self.model:
            return False
        return bool(np.isin(agent.unique_id, self.rows))

    @property
    def _population(self) -> Population:
        return self.model.population

    def get(self, attributes: str | list[str]) -> Any:
        """Return the column of an attribute, or a list of columns for a list of names."""
        if not isinstance(attributes, str):
            return [self.get(name) for name in attributes]
        columns = self._population.columns
        if attributes not in columns._fields:
            raise AttributeError(
                f"customers have no '{attributes}'; known: {', '.join(columns._fields)}"
            )
        return getattr(columns, attributes)[..., self.rows]

    def set(self, attribute: str, value: Any) -> CustomerSet:
        """Write a value, or one value per row, into an attribute's column; return the set."""
        self.get(attribute)  # names the known ones if this one is not
        getattr(self._population.columns, attribute)[..., self.rows] = value
        return self

    def select(
        self, filter_func: Callable[[Any], Any] | None = None, at_most: int | float = np.inf
    ) -> CustomerSet:
        """Return those for whom `filter_func` is true, at most so many or such a share of them."""
        keep = self.rows
        if filter_func is not None:
            keep = keep[np.asarray(filter_func(_ColumnView(self)), dtype=bool)]
        if isinstance(at_most, float) and at_most <= 1.0:
            at_most = int(at_most * len(self))
        return CustomerSet(self.model, keep[: int(min(at_most, len(keep)))])

    def do(self, method: Callable[..., Any], *args: Any, **kwargs: Any) -> CustomerSet:
        """Call a function once with all columns of the set; return the set."""
        method(_ColumnView(self), *args, **kwargs)
        return self

    def agg(self, attribute: str, func: Callable[[NDArray[Any]], Any]) -> Any:
        """Return func(column of the attribute)."""
        return func(self.get(attribute))

    def groupby(self, by: str | Callable[[Any], Any]) -> dict[Any, CustomerSet]:
        """Return a set per value of an attribute or of a function of the columns."""
        key = np.asarray(self.get(by) if isinstance(by, str) else by(_ColumnView(self)))
        return {
            value.item(): CustomerSet(self.model, self.rows[key == value])
            for value in np.unique(key)
        }


def brands_in_order(model: mesa.Model) -> list[Brand]:
    """Return the model's brands by index."""
    return sorted(model.agents_by_type[Brand], key=operator.attrgetter("index"))
