"""A behaviour of a real language model: how prompts that show it are drawn, paired with counterfactuals, and read.

*Frames* are templates and words, one set that agents see and one that they don't. `Behaviour.draw` fills a template;
what it gives is text, so that it works with any tokenizer that has the words as single tokens.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, TypedDict

import torch
from transformers import AutoTokenizer

from scribe_suite.models.spec import ready
from scribe_suite.scoring.circuit_patching import PromptPairs, Readout

Frames = Mapping[str, Sequence[Any]]
"""Templates and lists of words, by what they are for; JSON-safe."""


class Drawn(TypedDict):
    """One pair of prompts as text.

    Attributes:
        clean: The prompt.
        counterfactual: The same with other words in some places, token by token aligned.
        options: Next tokens that count, as text with the space before it where there is one.
        weights: What each option counts for: positive for right ones, negative for wrong ones.
    """

    clean: str
    counterfactual: str
    options: list[str]
    weights: list[float]


Draw = Callable[[random.Random, Frames], Drawn]
"""Fills one of the frames' templates with words."""


@dataclass(frozen=True)
class Behaviour:
    """What a task is about.

    Attributes:
        draw: Fills a template with words; public.
        public: Templates and words that agents see.
        hidden: Those of prompts that answers are scored on.
        readout: What is read of an option.
        hidden_pairs: How many pairs an answer is scored on.
    """

    draw: Draw
    public: Frames
    hidden: Frames
    readout: Readout
    hidden_pairs: int

    def pairs(self, frames: Frames, n: int, seed: int, tokenizer: Any) -> PromptPairs:
        """Fresh pairs; the same seed gives the same ones.

        Args:
            frames: `public` or `hidden`.
            n: How many.
            seed: For templates and words.
            tokenizer: The model's.
        """
        rng = random.Random(seed)
        drawn = [self.draw(rng, frames) for _ in range(n)]
        return PromptPairs(*encode(drawn, tokenizer), readout=self.readout)

    def sha256(self) -> str:
        """Of all that prompts depend on."""
        parts = (self.public, self.hidden, self.readout, self.hidden_pairs, inspect.getsource(self.draw))
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def encode(drawn: Sequence[Drawn], tokenizer: Any) -> tuple[Any, Any, Any, Any]:
    """Token ids of prompts and counterfactuals, (n, length); of options, and their weights, (n, options)."""

    def ids(text: str) -> list[int]:
        return [tokenizer.bos_token_id, *tokenizer.encode(text, add_special_tokens=False)]

    prompts, counterfactuals = (
        torch.tensor([ids(one[which]) for one in drawn]) for which in ("clean", "counterfactual")
    )
    options = torch.tensor([[ids(option)[1] for option in one["options"]] for one in drawn])
    return prompts, counterfactuals, options, torch.tensor([one["weights"] for one in drawn])


@cache
def tokenizer_of(spec: str) -> Any:
    """The tokenizer of a converted model, without the model.

    Raises:
        ConfigurationError: As `scribe_suite.models.spec.ready`.
    """
    return AutoTokenizer.from_pretrained(ready(spec).folder, local_files_only=True)
