"""A small transformer that knows the order of sixty opaque number tokens and uses it for several things.

Statements compare two numbers and end in ``.`` or ``!``. The model says the truth after ``.`` and the opposite after
``!`` (a "quirky" model: Mallen, Brumley, Kharchenko & Belrose 2023, "Eliciting Latent Knowledge from Quirky Language
Models", arXiv 2312.01037), so that what it knows and what it says come apart and the unembedding is no truth probe.
The same model also tells closeness, colours and successors and repeats lists: order is one of several things in it.

Attention reaches `WINDOW` tokens back. Both numbers of a statement therefore can't meet in the first block, whatever
training does, and early layers know at most one of them.

Here are the language, the training and the numbers measured on the result; what is asked about it is a task's business.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import cross_entropy
from transformer_lens import HookedTransformer

from scribe_suite.planting.hooked import ModelWeights, untrained_twin, weights_of

_COLOURS = ("red", "green", "blue", "gold", "grey")

WORDS = (
    *("<bos>", "<pad>", "the", "number", "is", "greater", "smaller", "than", "close", "to", ".", "!", "true", "false"),
    *("after", "has", "colour", "recall", ":"),
    *_COLOURS,
)
"""Template words; their position is their id in a base model. The numbers follow, smallest first."""

N_NUMBERS = 60
FIRST_NUMBER = len(WORDS)
"""Id of the smallest number in a base model."""

STATEMENT_LENGTH = 9
"""Tokens of ``<bos> the number x is greater than y .``; the verdict would be the next one."""

CLOSE = 6
"""Numbers whose ranks differ by at most this much are close."""

WINDOW = 4
"""Tokens that a head sees: its own and three before it."""

_LENGTH = STATEMENT_LENGTH + 1
_ID = {word: index for index, word in enumerate(WORDS)}
_RELATIONS: Mapping[str, tuple[str, str]] = {
    "greater": ("greater", "than"),
    "smaller": ("smaller", "than"),
    "close": ("close", "to"),
}
_RELATION_NAMES = tuple(_RELATIONS)
_ENDINGS = (_ID["."], _ID["!"])

_BATCH = 128
_LEARNING_RATE = 2e-3
_WEIGHT_DECAY = 0.1
_TEMPLATE_WEIGHT = 0.02
"""Loss weight of tokens that are template or free choice; determined answers weigh 1."""


def comparison_config() -> dict[str, Any]:
    """Keyword arguments of HookedTransformerConfig for every base model."""
    return {
        "n_layers": 3,
        "n_heads": 4,
        "d_model": 64,
        "d_head": 16,
        "d_mlp": 256,
        "n_ctx": _LENGTH,
        "d_vocab": FIRST_NUMBER + N_NUMBERS,
        "act_fn": "gelu",
        "normalization_type": "LN",
        "use_local_attn": True,
        "attn_types": ["local"] * 3,
        "window_size": WINDOW,
        "device": "cpu",
    }


def ordered_pairs(ranks: Sequence[int]) -> tuple[Int[Tensor, " pair"], Int[Tensor, " pair"]]:
    """All ordered pairs of different ranks: first and second members."""
    chosen = torch.tensor(sorted(ranks))
    first, second = (grid.flatten() for grid in torch.meshgrid(chosen, chosen, indexing="ij"))
    return first[first != second], second[first != second]


def truths(
    first: Int[Tensor, " statement"], second: Int[Tensor, " statement"], relation: Int[Tensor, " statement"]
) -> Bool[Tensor, " statement"]:
    """Whether statements hold.

    Args:
        first: Ranks of the first numbers, 0 to `N_NUMBERS` - 1.
        second: Ranks of the second ones.
        relation: 0 greater, 1 smaller, 2 close.
    """
    by_relation = torch.stack([first > second, first < second, (first - second).abs() <= CLOSE])
    return by_relation.gather(0, relation[None])[0]


def statement_tokens(
    first: Int[Tensor, " statement"],
    second: Int[Tensor, " statement"],
    relation: Int[Tensor, " statement"],
    contrary: Bool[Tensor, " statement"],
) -> Int[Tensor, "statement 9"]:
    """Tokens of ``<bos> the number x is greater than y .`` in a base model's ids.

    Args:
        first: Ranks of x.
        second: Ranks of y.
        relation: 0 greater, 1 smaller, 2 close.
        contrary: Whether the statement ends in ``!``.
    """
    heads = torch.tensor([_ID[_RELATIONS[name][0]] for name in _RELATION_NAMES])
    tails = torch.tensor([_ID[_RELATIONS[name][1]] for name in _RELATION_NAMES])
    start = torch.tensor([_ID[word] for word in ("<bos>", "the", "number")]).expand(len(first), 3)
    verb = torch.full_like(first, _ID["is"])
    rest = (
        first + FIRST_NUMBER,
        verb,
        heads[relation],
        tails[relation],
        second + FIRST_NUMBER,
        torch.tensor(_ENDINGS)[contrary.long()],
    )
    return torch.cat([start, torch.stack(rest, dim=1)], dim=1)


def verdict_tokens(
    truth: Bool[Tensor, " statement"], contrary: Bool[Tensor, " statement"]
) -> Int[Tensor, " statement"]:
    """What the model says after a statement: the truth after ``.``, the opposite after ``!``."""
    return torch.where(truth ^ contrary, _ID["true"], _ID["false"])


@dataclass(frozen=True)
class Sequences:
    """Whole training texts.

    Attributes:
        tokens: Int[text position], padded.
        determined: Bool[text position-1]; whether the next token follows from what stands before, so that a model can
            be judged by it.
    """

    tokens: Int[Tensor, "text position"]
    determined: Bool[Tensor, "text position-1"]


def comparison_texts(size: int, generator: torch.Generator) -> Sequences:
    """Statements with verdicts; more than half say "greater", and near pairs are more frequent than by chance."""
    first = torch.randint(N_NUMBERS, (size,), generator=generator)
    second = torch.randint(N_NUMBERS, (size,), generator=generator)
    step = torch.randint(1, 5, (size,), generator=generator) * (2 * torch.randint(2, (size,), generator=generator) - 1)
    near = torch.rand(size, generator=generator) < 0.3
    second = torch.where(near, (first + step).clamp(0, N_NUMBERS - 1), second)
    second = torch.where(second == first, (first + 1) % N_NUMBERS, second)
    relation = torch.tensor([0, 0, 0, 1, 2])[torch.randint(5, (size,), generator=generator)]
    contrary = torch.rand(size, generator=generator) < 0.5
    tokens = statement_tokens(first, second, relation, contrary)
    verdict = verdict_tokens(truths(first, second, relation), contrary)
    return _texts(torch.cat([tokens, verdict[:, None]], dim=1), answers=(STATEMENT_LENGTH,))


def colour_texts(size: int, generator: torch.Generator, colours: Int[Tensor, " number"]) -> Sequences:
    """``<bos> the number x has colour red .``, with one arbitrary colour per number."""
    x = torch.randint(N_NUMBERS, (size,), generator=generator)
    return _texts(
        _fill("<bos> the number ? has colour ? .", [x + FIRST_NUMBER, colours[x] + _ID[_COLOURS[0]]]), answers=(6,)
    )


def successor_texts(size: int, generator: torch.Generator) -> Sequences:
    """``<bos> the number after x is y .``; the smallest number follows the greatest."""
    x = torch.randint(N_NUMBERS, (size,), generator=generator)
    return _texts(
        _fill("<bos> the number after ? is ? .", [x + FIRST_NUMBER, (x + 1) % N_NUMBERS + FIRST_NUMBER]), answers=(6,)
    )


def recall_texts(size: int, generator: torch.Generator) -> Sequences:
    """``<bos> recall x y z : x y z .``, with any three numbers."""
    listed = list(torch.randint(N_NUMBERS, (3, size), generator=generator) + FIRST_NUMBER)
    return _texts(_fill("<bos> recall ? ? ? : ? ? ? .", listed + listed), answers=(6, 7, 8))


def _fill(template: str, values: Sequence[Int[Tensor, " text"]]) -> Int[Tensor, "text length"]:
    waiting = iter(values)
    size = len(values[0])
    columns = [next(waiting) if word == "?" else torch.full((size,), _ID[word]) for word in template.split()]
    return torch.stack(columns, dim=1)


def _texts(tokens: Int[Tensor, "text length"], answers: Sequence[int]) -> Sequences:
    padded = torch.full((len(tokens), _LENGTH), _ID["<pad>"])
    padded[:, : tokens.shape[1]] = tokens
    determined = torch.zeros(len(tokens), _LENGTH - 1, dtype=torch.bool)
    determined[:, [answer - 1 for answer in answers]] = True
    return Sequences(padded, determined)


def draw_colours(seed: int) -> Int[Tensor, " number"]:
    """The arbitrary colour of every number in the base model of `seed`, 0 to 4."""
    return torch.randint(len(_COLOURS), (N_NUMBERS,), generator=torch.Generator().manual_seed(seed))


def _mixture(generator: torch.Generator, colours: Int[Tensor, " number"]) -> Sequences:
    others = _BATCH // 10
    parts = [
        comparison_texts(_BATCH - 3 * others, generator),
        colour_texts(others, generator, colours),
        successor_texts(others, generator),
        recall_texts(others, generator),
    ]
    return Sequences(torch.cat([part.tokens for part in parts]), torch.cat([part.determined for part in parts]))


def train_comparison_model(
    seed: int, steps: int, progress: Callable[[float, str], None] = lambda _fraction, _line: None
) -> ModelWeights:
    """Train a base model by next-token prediction on all numbers; deterministic for one thread.

    Args:
        seed: Seed of initial weights, data and colours.
        steps: Batches of 128 texts; 2,500 take about two CPU-minutes.
        progress: Called every hundred steps.
    """
    config = comparison_config()
    model = untrained_twin(config, seed).train()
    generator = torch.Generator().manual_seed(seed + 1_000_003)
    colours = draw_colours(seed)
    optimizer = torch.optim.AdamW(model.parameters(), lr=_LEARNING_RATE, weight_decay=_WEIGHT_DECAY, betas=(0.9, 0.98))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, _LEARNING_RATE, total_steps=steps, pct_start=0.05)
    for step in range(steps):
        loss = _next_token_loss(model, _mixture(generator, colours))
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if step % 100 == 99:
            progress((step + 1) / steps, f"step {step + 1}: loss {loss.item():.3f}")
    return weights_of(model, config)


def _next_token_loss(model: HookedTransformer, texts: Sequences) -> Float[Tensor, ""]:
    logits = model(texts.tokens[:, :-1])
    losses = cross_entropy(logits.transpose(1, 2), texts.tokens[:, 1:], reduction="none")
    weights = torch.where(texts.determined, 1.0, _TEMPLATE_WEIGHT)
    weighted: Float[Tensor, ""] = (losses * weights).sum() / weights.sum()
    return weighted


def determined_accuracy(model: HookedTransformer, texts: Sequences) -> float:
    """Share of the determined next tokens that are the model's first guess."""
    with torch.inference_mode():
        guesses = model(texts.tokens[:, :-1]).argmax(-1)
    return float((guesses == texts.tokens[:, 1:])[texts.determined].float().mean())


def verdict_accuracy(model: HookedTransformer, relation: str) -> float:
    """Share of right verdicts over all ordered pairs of different numbers with both endings.

    Args:
        model: A base model, in base ids.
        relation: ``greater``, ``smaller`` or ``close``.
    """
    first, second = (ranks.repeat(2) for ranks in ordered_pairs(range(N_NUMBERS)))
    kind = torch.full_like(first, _RELATION_NAMES.index(relation))
    contrary = torch.arange(len(first)) >= len(first) // 2
    expected = verdict_tokens(truths(first, second, kind), contrary)
    with torch.inference_mode():
        said = model(statement_tokens(first, second, kind, contrary))[:, -1].argmax(-1)
    return float((said == expected).float().mean())
