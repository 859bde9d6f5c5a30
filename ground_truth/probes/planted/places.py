"""Statements about cities: twelve cities of every country are public, the other eight held out.

Every city occurs in as many true as false statements and every country is named in as many true as false ones, on both
sides, so that no single word predicts the truth.
"""

from __future__ import annotations

import torch
from jaxtyping import Int
from torch import Tensor

from scribe_suite.planting.statements.places import CITIES_PER_COUNTRY, N_COUNTRIES

#: Cities of each country that occur in public statements.
PUBLIC_PER_COUNTRY = 12


def draw_cities(generator: torch.Generator) -> tuple[Int[Tensor, "country 12"], Int[Tensor, "country 8"]]:
    """Public and held-out cities of every country."""
    drawn = torch.stack([torch.randperm(CITIES_PER_COUNTRY, generator=generator) for _ in range(N_COUNTRIES)])
    drawn += torch.arange(N_COUNTRIES)[:, None] * CITIES_PER_COUNTRY
    return drawn[:, :PUBLIC_PER_COUNTRY], drawn[:, PUBLIC_PER_COUNTRY:]


def balanced_countries(
    cities: Int[Tensor, "country city"], generator: torch.Generator
) -> tuple[Int[Tensor, " named"], Int[Tensor, " named"], Int[Tensor, " named"]]:
    """The right country of every city and a wrong one, every country as often right as wrong.

    Returns:
        Cities, right countries and wrong countries, in one order.
    """
    count = cities.shape[1]
    home = torch.arange(N_COUNTRIES)[:, None].expand(-1, count)
    # one shift for each column: the wrong countries of a column are all countries once
    shifts = torch.randint(1, N_COUNTRIES, (count,), generator=generator)
    return cities.flatten(), home.flatten(), ((home + shifts) % N_COUNTRIES).flatten()
