"""What instances of ``neurons/explain`` draw from: frozen rules and public texts, which symmetries do not change.

Drawing a rule and writing a thousand texts would take most of the time that an instance takes. The pools are made by
``python -m ground_truth.neurons.explained.pools_build``. Hidden texts are not drawn from a pool.
"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from scribe_suite.planting.english import TaggedText
from scribe_suite.planting.neurons.compound.atoms import atoms
from scribe_suite.planting.neurons.compound.rules import Alternative, Condition, Rule

_FOLDER = Path(__file__).parent / "pools"
RULES, TEXTS = _FOLDER / "rules.json", _FOLDER / "texts.safetensors"


def drawn_rule(form: str, rng: random.Random) -> Rule:
    """A random rule of a form."""
    return rule_of(rng.choice(_rules()[form]))


def drawn_texts(count: int, rng: random.Random) -> TaggedText:
    """Random texts of the pool, each at most once."""
    pool = _texts()
    rows = torch.tensor(rng.sample(range(len(pool.tokens)), count))
    return TaggedText(pool.tokens[rows].long(), pool.tags[rows].long())


def record_of(rule: Rule) -> list[Any]:
    """A rule as JSON-safe data, with the names of sets in place of the sets; see `rule_of`."""
    return [
        [one.strength, [[each.name, list(each.places), each.negated, each.least] for each in one.conditions]]
        for one in rule.alternatives
    ]


def rule_of(record: Sequence[Any]) -> Rule:
    """The inverse of `record_of`."""
    return Rule(
        tuple(
            Alternative(
                tuple(
                    Condition(name, _named()[name], tuple(places), negated, least)
                    for name, places, negated, least in conditions
                ),
                strength,
            )
            for strength, conditions in record
        )
    )


@cache
def _named() -> Mapping[str, frozenset[int]]:
    return {atom.name: atom.tokens for atom in atoms()}


@cache
def _rules() -> Mapping[str, Sequence[Any]]:
    found: Mapping[str, Sequence[Any]] = json.loads(RULES.read_text())
    return found


@cache
def _texts() -> TaggedText:
    found = load_file(TEXTS)
    return TaggedText(found["tokens"], found["tags"])
