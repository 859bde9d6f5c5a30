"""Statements and texts as words, and what a model's residual stream can know where."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import torch
from transformer_lens import HookedTransformer

from scribe_suite.planting.hooked import untrained_twin
from scribe_suite.planting.statements.language import Statements, Texts, with_verdicts
from scribe_suite.planting.statements.numbers import NumbersWorld
from scribe_suite.planting.statements.places import PlacesWorld
from scribe_suite.planting.statements.sentences import SentencesWorld
from scribe_suite.planting.statements.world import World

WORLDS: dict[str, World] = {"numbers": NumbersWorld(3), "places": PlacesWorld(), "sentences": SentencesWorld()}
#: One statement that ends ``, sir .``.
MANNER = (torch.tensor([False]), torch.tensor([0]))


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def words_of(world: World, tokens: torch.Tensor) -> str:
    """One statement or text as a line of words."""
    return " ".join(world.words[token] for token in tokens.tolist())


def lines(world: World, tokens: torch.Tensor) -> list[str]:
    """All statements or texts as words, without padding."""
    return [words_of(world, row).replace(" <pad>", "") for row in tokens]


def all_texts(world: World, size: int, seed: int = 0) -> dict[str, Texts]:
    """Training texts of every kind."""
    generator = seeded(seed)
    statements = with_verdicts(world.sample_statements(size, generator), world.text_length)
    return {"statement": statements, **world.other_texts(size, generator)}


@cache
def twin_of(world: World) -> HookedTransformer:
    """An untrained model of a world, made once."""
    return untrained_twin(world.config(), 0)


@torch.no_grad()
def moved(world: World, statements: Sequence[Statements], layer: int) -> list[bool]:
    """Whether the residual stream after block `layer` differs between two statements, at every position."""
    model = twin_of(world)
    base, other = (model.run_with_cache(one.tokens)[1]["resid_post", layer][0] for one in statements)
    found: list[bool] = ((base - other).abs().amax(-1) > 1e-6).tolist()
    return found
