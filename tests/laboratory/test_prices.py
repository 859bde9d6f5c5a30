from __future__ import annotations

import pytest

from scribe_suite.laboratory import prices
from scribe_suite.laboratory.prices import Work, price_of

#: Units, patched, gradients, sites -> price.
PRICES = [
    (1, False, False, 0, 1),
    (1, False, False, 4, 1),
    (1, False, False, 5, 2),
    (1, False, False, 8, 2),
    (1, False, False, 9, 3),
    (1, True, False, 0, 2),
    (1, False, True, 1, 3),
    (1, True, True, 0, 4),
    (1, True, True, 13, 7),
    (200, False, False, 0, 200),
    (200, True, False, 5, 600),
    (4096, True, True, 4096, 4096 * (1 + 1 + 2 + 1023)),
]


@pytest.mark.parametrize(("units", "patched", "gradients", "sites", "price"), PRICES)
def test_the_price_of_a_run(units, patched, gradients, sites, price):
    assert price_of(Work(units, patched, gradients, sites)) == price


def test_prices_grow_with_everything_and_are_whole_multiples_of_the_units():
    for units in (1, 3):
        for sites in range(40):
            for patched in (False, True):
                for gradients in (False, True):
                    price = price_of(Work(units, patched, gradients, sites))
                    assert price == units * price_of(Work(1, patched, gradients, sites)) > 0
                    assert price_of(Work(units, patched, gradients, sites + 1)) >= price
                    assert price_of(Work(units, True, gradients, sites)) >= price
                    assert price_of(Work(units, patched, True, sites)) >= price


def test_splitting_the_sites_of_a_run_over_several_runs_saves_nothing():
    for sites in range(1, 60):
        for first in range(1, sites):
            together = price_of(Work(1, sites=sites))
            apart = price_of(Work(1, sites=first)) + price_of(Work(1, sites=sites - first))
            assert together <= apart


def test_the_table_says_what_is_charged():
    assert [row["per unit"] for row in prices.told()] == [row.amount for row in prices.TABLE] == [1, 1, 2, 1]
    table = prices.as_markdown().splitlines()
    assert len(table) == 2 + len(prices.TABLE) + 1
    assert all(row.what in prices.as_markdown() for row in prices.TABLE)
    assert table[-1].endswith("| free |")
