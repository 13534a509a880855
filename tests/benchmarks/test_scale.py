"""The scale benchmark's market: any number of brands, every mechanism at work, bytes as counted."""

from __future__ import annotations

import os

import numpy as np
import pytest

from benchmarks import scale
from benchmarks.apart import apart
from benchmarks.minimal import PARAMETERS
from sim.kernels import layout as at
from sim.model import LoyaltyModel
from sim.population import bytes_per_customer


@pytest.fixture(scope="module")
def lived():
    """Return a market that has lived the timed quarters."""
    model = LoyaltyModel(scale.market(20_000, scale.BRANDS), collect=False).burn_in()
    while model.plan_quarter < scale.FIRST + scale.TIMED:
        model.step()
    return model


@pytest.mark.parametrize("brands", [scale.BRANDS, *scale.BRAND_COUNTS])
def test_a_market_has_as_many_brands_as_are_asked_for_and_lives(brands):
    config = scale.market(1_000, brands)
    assert len({brand.name for brand in config.market.brands}) == brands
    model = LoyaltyModel(config, collect=False)
    model.step()
    assert (model.records[0].flow[-1, :, at.PURCHASES] >= 0).all()
    assert len(model.population.columns.value) == brands


def test_every_mechanism_is_at_work_in_each_timed_quarter(lived):
    for record in lived.records[-scale.TIMED :]:
        flow, club = record.flow[-1], record.club[-1]
        flows = (at.PROBLEMS, at.CONTACTS, at.EFFORT, at.POSITIVE_WEIGHT, at.NEGATIVE_WEIGHT)
        assert (flow[0, list(flows)] > 0).all()
        assert (club > 0).all(), "points, offers against leaving, spend"
        assert (record.tiers[-1][1:, 1:] > 0).any(), "members go from tier to tier"
        assert (record.warned[-1] > 0).all()
        assert record.category[-1, at.LEFT] > 0
        assert record.delivered is not None
        assert len(record.delivered.ready) == len(lived.plan.levers)
    assert lived.config.risks.register
    assert any(np.abs(brand.channels).sum() > 0 for brand in list(lived.agents)[1:])


def test_customers_buy_as_often_as_those_of_the_minimal_model(lived):
    timed = lived.records[-scale.TIMED :]
    bought = sum(record.flow[-1, :, at.PURCHASES].sum() for record in timed)
    rate = bought / (scale.TIMED * len(lived.population))
    assert rate == pytest.approx(PARAMETERS.rate_mean, rel=0.05)


def test_columns_take_the_bytes_of_the_table():
    customer, brand = bytes_per_customer()
    for brands in (2, 16):
        model = LoyaltyModel(scale.market(1_000, brands), collect=False)
        assert model.population.nbytes == 1_000 * (customer + brands * brand)


def test_a_measurement_that_dies_is_an_error_and_not_a_wait():
    with pytest.raises(RuntimeError, match="ended with 7"):
        apart(os._exit, 7)


def test_the_targets_are_judged_by_the_sizes_that_they_name():
    def row(customers, brands, threads, ns):
        return scale.Row(customers, brands, threads, ns, 2.5, 172.0, 180.0, 7 * 2**30)

    largest = scale.LARGEST
    rows = [
        row(scale.REFERENCE, scale.BRANDS, 1, 400.0),
        row(scale.REFERENCE, 16, 1, 9_000.0),
        row(scale.SHARED, scale.BRANDS, 1, 450.0),
        row(scale.SHARED, scale.BRANDS, 2, 300.0),
        row(largest, scale.BRANDS, 1, 480.0),
    ]
    reached = list(scale.targets(rows, {"ns_per_customer_quarter": 180.0}, largest).values())
    assert reached == [(1.2, True), (7.0, False), (2.5, True), (1.5, False)]
