"""The default base models of neuron tasks: their shape, and what is planted in them.

One language model contains the planted neurons of several kinds of questions, so that the neurons of one question
mislead a careless scan for another.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scribe_suite.planting.english import vocabulary
from scribe_suite.planting.neurons.categories import CATEGORIES
from scribe_suite.planting.neurons.kinds import QuestionKind
from scribe_suite.planting.neurons.letters import LETTERS
from scribe_suite.planting.neurons.positions import FIRST_POSITION, SHAPES
from scribe_suite.planting.neurons.survey import CONTEXT
from scribe_suite.planting.neurons.words import WORDS

#: Keyword arguments of HookedTransformerConfig.
CONFIG: Mapping[str, Any] = {
    "n_layers": 3,
    "d_model": 96,
    "n_heads": 4,
    "d_head": 24,
    "d_mlp": 512,
    "n_ctx": CONTEXT,
    "d_vocab": len(vocabulary()),
    "act_fn": "gelu",
    "normalization_type": "LN",
    "seed": None,
}

#: What is planted, in the order in which questions are drawn; the plans of the frozen seeds depend on it.
KINDS: tuple[QuestionKind, ...] = (FIRST_POSITION, SHAPES, CATEGORIES, LETTERS, WORDS)
