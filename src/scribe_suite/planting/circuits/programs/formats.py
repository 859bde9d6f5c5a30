"""The formats of programs' prompts: numbers of words and markers, and the length of a prompt.

Agents get the source of the function that draws prompts, so each format has its own function, with literal numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor

from scribe_suite.planting.circuits.causal import Groups


@dataclass(frozen=True)
class Format:
    """The prompts of a program.

    Attributes:
        words: Number of tokens that may occur anywhere.
        markers: Number of tokens that occur once in every prompt, not at the first nor at the last two places.
        length: Number of tokens in a prompt.
        sample_prompts: Draws prompts; see `CausalModel.sample_prompts`.
    """

    words: int
    markers: int
    length: int
    sample_prompts: Callable[[int, torch.Generator, Groups], Int[Tensor, "n ctx"]]

    @property
    def tokens(self) -> int:
        """Number of all tokens; words come first."""
        return self.words + self.markers

    @property
    def last(self) -> int:
        """The index of the last place."""
        return self.length - 1

    @property
    def groups(self) -> Groups:
        """Token ids by kind."""
        return {"words": range(self.words), "markers": range(self.words, self.tokens)}


class _Twelve:
    @staticmethod
    def sample_prompts(n: int, generator: torch.Generator, groups: Groups) -> Int[Tensor, "n ctx"]:
        """Twelve words; markers stand in every prompt once, not at the first nor at the last two places."""
        words, markers = torch.tensor(list(groups["words"])), torch.tensor(list(groups["markers"]))
        prompts = words[torch.randint(len(words), (n, 12), generator=generator)]
        places = torch.rand(n, 9, generator=generator).argsort(1)[:, : len(markers)] + 1
        return prompts.scatter(1, places, markers.expand(n, -1))


class _Sixteen:
    @staticmethod
    def sample_prompts(n: int, generator: torch.Generator, groups: Groups) -> Int[Tensor, "n ctx"]:
        """The same with sixteen."""
        words, markers = torch.tensor(list(groups["words"])), torch.tensor(list(groups["markers"]))
        prompts = words[torch.randint(len(words), (n, 16), generator=generator)]
        places = torch.rand(n, 13, generator=generator).argsort(1)[:, : len(markers)] + 1
        return prompts.scatter(1, places, markers.expand(n, -1))


class _Twenty:
    @staticmethod
    def sample_prompts(n: int, generator: torch.Generator, groups: Groups) -> Int[Tensor, "n ctx"]:
        """The same with twenty."""
        words, markers = torch.tensor(list(groups["words"])), torch.tensor(list(groups["markers"]))
        prompts = words[torch.randint(len(words), (n, 20), generator=generator)]
        places = torch.rand(n, 17, generator=generator).argsort(1)[:, : len(markers)] + 1
        return prompts.scatter(1, places, markers.expand(n, -1))


SHORT = Format(words=18, markers=2, length=12, sample_prompts=_Twelve.sample_prompts)
LONG = Format(words=24, markers=2, length=16, sample_prompts=_Sixteen.sample_prompts)
LONGEST = Format(words=30, markers=2, length=20, sample_prompts=_Twenty.sample_prompts)
#: Formats by the length of their prompts, which is what a frozen program stores.
FORMATS: Mapping[int, Format] = {one.length: one for one in (SHORT, LONG, LONGEST)}
