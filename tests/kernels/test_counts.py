"""What speed and memory rest on, counted instead of timed: allocations, compilations, bytes."""

from __future__ import annotations

import numpy as np
import pytest
from numba.core.runtime import _nrt_python, rtsys
from worlds import FIVE, make_market, make_scene, random_treatment

from sim.config.market import Brand, Segment
from sim.kernels import buyers, plan, record, relationship, renewal, settle, shop, word_of_mouth
from sim.kernels.layout import BLOCK, WIDTH
from sim.kernels.quarter import create_residents, live_quarter
from sim.population import bytes_per_customer

ALONE = make_market(segments=(Segment("all", share=1.0),))
MANY = tuple(Brand(f"brand {k}", appeal=0.1 * k, awareness=0.6) for k in range(15))
IN_BLOCKS = (
    buyers.order_buyers,
    plan.plan_occasions,
    shop.shop,
    word_of_mouth.speak,
    word_of_mouth.listen,
    settle.settle,
    record.record,
    relationship.relate,
    renewal.renew,
    renewal.drift_rates,
)
"""The functions that work on a block."""


def allocations(n_customers: int) -> int:
    """Return how many arrays the kernel allocates in a quarter of so many customers."""
    scene = make_scene(n_customers, ALONE)
    offer = scene.offer()
    scene.live(offer, 0)
    _nrt_python.memsys_enable_stats()
    before = rtsys.get_allocation_stats()
    scene.live(offer, 1)
    after = rtsys.get_allocation_stats()
    _nrt_python.memsys_disable_stats()
    assert after.alloc - before.alloc == after.free - before.free
    return after.alloc - before.alloc


def test_a_quarter_allocates_as_much_for_many_customers_as_for_few():
    """One per array handed in or worked with, however many strips and blocks there are."""
    few, many = allocations(WIDTH), allocations(8 * BLOCK)
    assert 0 < few == many


@pytest.mark.parametrize("function", IN_BLOCKS, ids=lambda function: function.__name__)
def test_a_function_of_a_block_counts_no_references(function):
    """A count per access took more than half of the time; without counts nothing is allocated."""
    assert function.targetoptions["_nrt"] is False


def test_every_market_runs_on_one_compilation():
    """Other numbers of brands, segments and customers, contracts, members: all the same code."""
    scene = make_scene(500)
    scene.live(scene.offer(), 0)
    compiled = len(create_residents.signatures), len(live_quarter.signatures)
    rng = np.random.default_rng(3)
    for market in (ALONE, make_market(brands=FIVE[:2]), make_market(brands=MANY)):
        scene = make_scene(300, market)
        scene.live(scene.offer(), 1, treatment=random_treatment(rng, scene.shape[1], 900.0))
    assert (len(create_residents.signatures), len(live_quarter.signatures)) == compiled == (1, 1)


def test_customers_are_small():
    customer, customer_and_brand = bytes_per_customer()
    assert customer <= 64
    assert customer_and_brand <= 32
