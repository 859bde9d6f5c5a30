"""A behaviour with two properties: how its prompts are drawn, and which next tokens go with which values.

*Frames* are templates and words, one set that agents see and one that they don't. `Behaviour.draw` fills two
templates, each once for every combination of the two properties' values; the result is text, so that it works with any
tokenizer that has the words as single tokens.
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
from scribe_suite.scoring.crossed_prompts import CrossedPrompts

#: Templates and lists of words, by what they are for; JSON-safe.
Frames = Mapping[str, Sequence[Any]]


class Drawn(TypedDict):
    """Two contexts as text, of other words but the same values: four prompts each.

    Attributes:
        prompts: By context, then by the value of the first and of the second property; all aligned token by token.
        options: The next token that goes with each combination, as text with the space before it.
    """

    prompts: list[list[list[str]]]
    options: list[list[str]]


#: Fills two of the frames' templates with words.
Draw = Callable[[random.Random, Frames], Drawn]


@dataclass(frozen=True)
class Property:
    """One of the two properties of a behaviour.

    Attributes:
        name: A short name, part of the names of questions.
        asks: What it is, in words, as prompts say it.
        values: What its two values are, in words.
    """

    name: str
    asks: str
    values: str


@dataclass(frozen=True)
class Behaviour:
    """The behaviour of a task.

    Attributes:
        draw: Fills two templates with words; public.
        properties: The two properties, in the order of the axes.
        public: Templates and words that agents see.
        hidden: Those of prompts that answers are scored on.
    """

    draw: Draw
    properties: tuple[Property, Property]
    public: Frames
    hidden: Frames

    def prompts(self, frames: Frames, pairs: int, seed: int, tokenizer: Any) -> CrossedPrompts:
        """Fresh prompts; the same seed gives the same ones.

        Args:
            frames: `public` or `hidden`.
            pairs: Number of pairs of contexts, each context with four prompts.
            seed: Seed of the templates and words.
            tokenizer: The model's.

        Raises:
            ConfigurationError: When the tokenizer splits the prompts such that they differ in length.
        """
        rng = random.Random(seed)
        drawn = [self.draw(rng, frames) for _ in range(pairs)]
        _check_alignment(drawn, tokenizer)
        return CrossedPrompts(*encode(drawn, tokenizer))

    def sha256(self, *more: str) -> str:
        """A hash of all inputs of the prompts, and of `more`."""
        parts = (self.public, self.hidden, inspect.getsource(self.draw), more)
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def encode(drawn: Sequence[Drawn], tokenizer: Any) -> tuple[Any, Any]:
    """Token ids of prompts, (contexts, 2, 2, length), and of the next token that goes with each, (contexts, 2, 2)."""

    def ids(text: str) -> list[int]:
        return [tokenizer.bos_token_id, *tokenizer.encode(text, add_special_tokens=False)]

    contexts = [context for one in drawn for context in one["prompts"]]
    prompts = torch.tensor([[[ids(text) for text in row] for row in context] for context in contexts])
    options = torch.tensor([[[ids(text)[1] for text in row] for row in one["options"]] for one in drawn])
    return prompts, options.repeat_interleave(2, 0)


def _check_alignment(drawn: Sequence[Drawn], tokenizer: Any) -> None:
    """Refuse a tokenizer with which prompts differ in length, or an option is more than one token.

    Raises:
        ConfigurationError: In one sentence, with an example.
    """

    def length(text: str) -> int:
        return len(tokenizer.encode(text, add_special_tokens=False))

    wanted = length(drawn[0]["prompts"][0][0][0])
    for one in drawn:
        uneven = [text for one_of in one["prompts"] for row in one_of for text in row if length(text) != wanted]
        split = [text for row in one["options"] for text in row if length(text) != 1]
        if uneven or split:
            example = f"{uneven[0]!r} is not of {wanted} tokens" if uneven else f"{split[0]!r} is not one token"
            raise ConfigurationError(
                f"The prompts of this task can't be put to the selected model, whose tokenizer does not align them "
                f"({example}): choose another model."
            )
