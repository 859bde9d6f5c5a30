"""What prompts of programs are made of: how many words and markers there are, and how long a prompt is.

Agents are given the source of what draws them, so each format has a function of its own, with its numbers in it.
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
        words: How many tokens may stand anywhere.
        markers: How many stand in every prompt once, not at the first nor at the last two places.
        length: Tokens of a prompt.
        sample_prompts: Draws them; see `CausalModel.sample_prompts`.
    """

    words: int
    markers: int
    length: int
    sample_prompts: Callable[[int, torch.Generator, Groups], Int[Tensor, "n ctx"]]

    @property
    def tokens(self) -> int:
        """All of them; words come first."""
        return self.words + self.markers

    @property
    def last(self) -> int:
        """The last place."""
        return self.length - 1

    @property
    def groups(self) -> Groups:
        """Token ids by what they are."""
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
#: By the length of their prompts, which is what a frozen program knows of its format.
FORMATS: Mapping[int, Format] = {one.length: one for one in (SHORT, LONG, LONGEST)}
