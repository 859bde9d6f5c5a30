"""Statements about cities: twelve cities of every country are public, the other eight held out.

Every city occurs in as many true as false statements and every country is named in as many true as false ones, on both
sides, so that no single word predicts the truth.
"""

from __future__ import annotations

import torch
from jaxtyping import Int
from torch import Tensor

from scribe_suite.planting.statements.language import Statements, draw_manner
from scribe_suite.planting.statements.places import CITIES_PER_COUNTRY, N_COUNTRIES, PlacesWorld

#: How many cities of each country occur in public statements.
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
    # one shift for each column: the wrong countries of a column contain every country once
    shifts = torch.randint(1, N_COUNTRIES, (count,), generator=generator)
    return cities.flatten(), home.flatten(), ((home + shifts) % N_COUNTRIES).flatten()


def every_city(cities: torch.Tensor, generator: torch.Generator) -> tuple[Statements, torch.Tensor]:
    """Four statements per city, two of them true; the true and the false one of an ending have the same address.

    Args:
        cities: Int[country city].
        generator: Draws wrong countries and addresses.

    Returns:
        The statements and the city of each.
    """
    city, right, wrong = balanced_countries(cities, generator)
    both = city.repeat(2)
    contrary = torch.tensor([False, True]).repeat_interleave(len(city))
    _, address = draw_manner(len(both), generator)
    world = PlacesWorld()
    true = world.statements(both, right.repeat(2), contrary, address)
    false = world.statements(both, wrong.repeat(2), contrary, address)
    return Statements.joined([true, false]), both.repeat(2)
