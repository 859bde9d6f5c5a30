"""A behaviour of a real language model: how its prompts are drawn, paired with counterfactuals, and read.

*Frames* are templates and words, one set that agents see and one that they don't. `Behaviour.draw` fills a template;
the result is text, so that it works with any tokenizer that has the words as single tokens.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypedDict

import torch

from scribe_suite.errors import ConfigurationError
from scribe_suite.scoring.circuit_patching import PromptPairs, Readout

#: Templates and lists of words, by what they are for; JSON-safe.
Frames = Mapping[str, Sequence[Any]]


class Drawn(TypedDict):
    """One pair of prompts as text.

    Attributes:
        clean: The prompt.
        counterfactual: The same with other words in some places, token by token aligned.
        options: Next tokens that count, as text with the space before it where there is one.
        weights: The weight of each option: positive for right ones, negative for wrong ones.
    """

    clean: str
    counterfactual: str
    options: list[str]
    weights: list[float]


#: Fills one of the frames' templates with words.
Draw = Callable[[random.Random, Frames], Drawn]


@dataclass(frozen=True)
class Behaviour:
    """The behaviour of a task.

    Attributes:
        draw: Fills a template with words; public.
        public: Templates and words that agents see.
        hidden: Those of prompts that answers are scored on.
        readout: The quantity read from an option.
        hidden_pairs: Number of pairs on which an answer is scored.
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
            n: Number of pairs.
            seed: Seed of the templates and words.
            tokenizer: The model's.

        Raises:
            ConfigurationError: When the tokenizer splits the prompts such that they can't be compared token by token.
        """
        rng = random.Random(seed)
        drawn = [self.draw(rng, frames) for _ in range(n)]
        _check_alignment(drawn, tokenizer)
        return PromptPairs(*encode(drawn, tokenizer), readout=self.readout)

    def sha256(self) -> str:
        """A hash of all inputs of the prompts."""
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


def _check_alignment(drawn: Sequence[Drawn], tokenizer: Any) -> None:
    """Refuse a tokenizer with which prompts differ in length, or an option is more than one token.

    Raises:
        ConfigurationError: In one sentence, with an example.
    """

    def length(text: str) -> int:
        return len(tokenizer.encode(text, add_special_tokens=False))

    wanted = length(drawn[0]["clean"])
    for one in drawn:
        uneven = [one[side] for side in ("clean", "counterfactual") if length(one[side]) != wanted]
        split = [option for option in one["options"] if length(option) != 1]
        if uneven or split:
            example = f"{uneven[0]!r} is not of {wanted} tokens" if uneven else f"{split[0]!r} is not one token"
            raise ConfigurationError(
                f"The prompts of this task can't be put to the selected model, whose tokenizer does not align them "
                f"({example}): choose another model."
            )
