"""Mesa's view: brands are agents, customers are rows that answer AgentSet's verbs."""

from __future__ import annotations

import copy

import mesa
import numpy as np
import pytest

from sim.agents import Brand, Customer, CustomerSet, brands_in_order
from sim.config.load import load
from sim.kernels.layout import LEFT, Columns
from sim.model import LoyaltyModel

N = 400


@pytest.fixture(scope="module")
def lived() -> LoyaltyModel:
    given = [f"customers={N}", "burn_in=4", "quarters=2", "plan=today"]
    return LoyaltyModel(load("retail_three_phase", given)).burn_in()


@pytest.fixture
def model(lived) -> LoyaltyModel:
    """Return a copy of the market after burn-in, to be written on at will."""
    return lived.fork(lived.plan)


def ids(customers: CustomerSet) -> list[int]:
    return [customer.unique_id for customer in customers]


def test_the_models_agents_are_its_brands(model):
    assert len(model.agents) == 5
    assert all(isinstance(agent, Brand) for agent in model.agents)
    brands = brands_in_order(model)
    assert [brand.index for brand in brands] == [0, 1, 2, 3, 4]
    names = [brand.name for brand in model.config.market.brands]
    assert [brand.name for brand in brands] == names
    [rival] = list(model.agents.select(lambda brand: brand.name == "rival_2"))
    assert rival.index == 2


def test_a_brand_tells_its_last_quarter(model):
    model.step()
    shares = model.agents.get("share")
    assert sum(shares) == pytest.approx(1.0)
    focal = brands_in_order(model)[0]
    bought = model.population.columns.history[0] & 1
    left = model.records[-1].category[-1, LEFT]
    assert focal.penetration * N == pytest.approx(bought.sum(), abs=left)
    assert 0 < focal.loyalty_index < 100
    assert focal.measure("share") == focal.share == model.latest("share")[0]


def test_a_customer_is_a_mesa_agent_and_a_row(model):
    columns = model.population.columns
    customer = model.customers[7]
    assert isinstance(customer, mesa.Agent)
    assert customer.unique_id == 7
    assert customer.model is model
    for name in Columns._fields:
        np.testing.assert_array_equal(
            getattr(customer, name), getattr(columns, name)[..., 7], err_msg=name
        )
    assert customer.bond.shape == (5,)
    assert model.customers[-1].unique_id == N - 1


def test_writing_an_attribute_writes_the_row_and_no_other(model):
    columns = model.population.columns
    before = columns.bond.copy()
    customer = model.customers[7]
    customer.stock = 0.25
    customer.bond = [0.1, 0.2, 0.3, 0.4, 0.5]
    customer.habit[2] = 0.75
    assert columns.stock[7] == 0.25
    np.testing.assert_allclose(columns.bond[:, 7], [0.1, 0.2, 0.3, 0.4, 0.5])
    assert columns.habit[2, 7] == 0.75
    assert model.customers[7].stock == 0.25
    others = np.arange(N) != 7
    np.testing.assert_array_equal(columns.bond[:, others], before[:, others])


def test_what_is_written_counts_in_the_next_quarter(model):
    twin = model.fork(model.plan)
    for customer in model.customers.select(lambda c: c.segment == 0):
        customer.awareness = [1e-6, 1.0, 1e-6, 1e-6, 1e-6]
    model.step()
    twin.step()
    first = model.records[-1].flow[0, :, 0] / model.records[-1].flow[0, :, 0].sum()
    usual = twin.records[-1].flow[0, :, 0] / twin.records[-1].flow[0, :, 0].sum()
    assert first[1] > 0.95 > usual[1]


def test_an_unknown_attribute_names_the_known_ones(model):
    for wrong in (
        lambda: model.customers[0].loyalty,
        lambda: setattr(model.customers[0], "loyalty", 1.0),
        lambda: model.customers.get("loyalty"),
        lambda: model.customers.set("loyalty", 1.0),
        lambda: model.customers.agg("loyalty", np.mean),
        lambda: model.customers.groupby("loyalty"),
        lambda: model.customers.select(lambda c: c.loyalty > 0),
    ):
        with pytest.raises(AttributeError, match=r"'loyalty'.*bond.*habit"):
            wrong()
    assert getattr(model.customers[0], "loyalty", None) is None
    assert len(model.customers) == N


def test_a_customer_can_be_copied(model):
    twin = copy.copy(model.customers[7])
    assert twin.unique_id == 7
    np.testing.assert_array_equal(twin.bond, model.customers[7].bond)


def test_a_customer_cannot_be_removed(model):
    with pytest.raises(TypeError, match="renewal"):
        model.customers[0].remove()
    assert len(model.customers) == N
    assert len(model.agents) == 5


def test_a_set_has_a_length_an_order_and_members(model):
    customers = model.customers
    assert len(customers) == N
    assert ids(customers) == list(range(N))
    assert all(isinstance(customer, Customer) for customer in customers[:3])
    assert ids(customers[10:13]) == [10, 11, 12]
    assert customers[10:13][1].unique_id == 11
    assert customers[11] in customers[10:13]
    assert customers[13] not in customers[10:13]
    assert "focal" not in customers
    with pytest.raises(IndexError):
        customers[N]


def test_a_filter_over_columns_is_the_filter_over_each(model):
    def warm(c):
        return (c.bond[0] > 0.02) & (c.segment == 1)

    picked = model.customers.select(warm)
    assert ids(picked) == [c.unique_id for c in model.customers if warm(c)]
    assert 0 < len(picked) < N
    # A selection of a selection is both conditions.
    again = picked.select(lambda c: c.rate > 0.5)
    assert ids(again) == [c.unique_id for c in model.customers if warm(c) and c.rate > 0.5]
    assert len(model.customers.select()) == N
    assert len(model.customers.select(lambda c: c.rate < 0)) == 0


@pytest.mark.parametrize(
    ("at_most", "n"),
    [(3, 3), (1, 1), (0, 0), (10**9, N), (0.25, N // 4), (1.0, N), (0.0, 0), (np.inf, N)],
)
def test_at_most_is_a_number_or_a_share_as_in_mesa(model, at_most, n):
    owner = mesa.Model()
    for _ in range(N):
        mesa.Agent(owner)  # registers itself
    theirs = owner.agents.select(at_most=at_most)
    assert len(model.customers.select(at_most=at_most)) == len(theirs) == n


def test_at_most_comes_after_the_filter(model):
    picked = model.customers.select(lambda c: c.segment == 1, at_most=5)
    assert ids(picked) == ids(model.customers.select(lambda c: c.segment == 1))[:5]


def test_get_and_agg_read_the_rows_of_the_set(model):
    some = model.customers[100:110]
    columns = model.population.columns
    np.testing.assert_array_equal(some.get("rate"), columns.rate[100:110])
    rate, bond = some.get(["rate", "bond"])
    np.testing.assert_array_equal(rate, columns.rate[100:110])
    assert bond.shape == (5, 10)
    assert some.agg("rate", np.mean) == columns.rate[100:110].mean()
    assert some.agg("bond", lambda bond: bond[0].max()) == columns.bond[0, 100:110].max()


def test_set_writes_the_rows_of_the_set_and_can_be_chained(model):
    columns = model.population.columns
    before = columns.stock.copy()
    chosen = model.customers.select(lambda c: c.segment == 2).set("stock", 0.5)
    assert isinstance(chosen, CustomerSet)
    inside = columns.segment == 2
    np.testing.assert_array_equal(columns.stock[inside], 0.5)
    np.testing.assert_array_equal(columns.stock[~inside], before[~inside])
    model.customers[:3].set("rate", [1.0, 2.0, 3.0])
    np.testing.assert_array_equal(columns.rate[:3], [1.0, 2.0, 3.0])


def test_do_calls_once_with_all_columns_and_returns_the_set(model):
    seen = []
    customers = model.customers[:20]
    returned = customers.do(
        lambda c, factor, plus: seen.append(c.rate * factor + plus), 2.0, plus=1
    )
    assert returned is customers
    [column] = seen
    np.testing.assert_allclose(column, model.population.columns.rate[:20] * 2.0 + 1)


def test_what_do_assigns_reaches_the_columns_of_the_set(model):
    """As with Mesa's agents: `customers.do(f)` where f sets an attribute."""
    before = model.population.columns.stock.copy()

    def fill(c):
        c.stock = 0.5

    model.customers[:20].do(fill)
    np.testing.assert_array_equal(model.population.columns.stock[:20], 0.5)
    np.testing.assert_array_equal(model.population.columns.stock[20:], before[20:])


def test_groupby_parts_the_set(model):
    groups = model.customers.groupby("segment")
    assert list(groups) == [0, 1, 2]
    assert sorted(row for group in groups.values() for row in ids(group)) == list(range(N))
    for segment, group in groups.items():
        assert set(group.get("segment")) == {segment}
    heavy = model.customers.groupby(lambda c: c.rate > 1.0)
    assert set(heavy) == {True, False}
    assert ids(heavy[True]) == ids(model.customers.select(lambda c: c.rate > 1.0))
