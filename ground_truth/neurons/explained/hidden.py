"""The hidden side of an instance of ``neurons/explain``: the rules, the texts and the activations on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from transformer_lens.hook_points import HookPoint

from scribe_suite.planting.english import TaggedText, sample_text, vocabulary
from scribe_suite.planting.hooked import ModelWeights, build_model
from scribe_suite.planting.neurons.compound.drawing import judged, survey_text
from scribe_suite.planting.neurons.compound.rules import Rule
from scribe_suite.planting.neurons.compound.strata import position_weights, stratum_of
from scribe_suite.planting.neurons.compound.token_lists import Judged, best_list
from scribe_suite.planting.neurons.compound.writing import REACH
from scribe_suite.planting.neurons.correlation import weighted_correlation
from scribe_suite.planting.neurons.survey import CONTEXT
from scribe_suite.planting.symmetries import Symmetry
from scribe_suite.scoring.explanation import Truth

#: Number of texts on which theories are scored.
HIDDEN_ROWS = 500
_ROWS_AT_ONCE = 100


@dataclass(frozen=True)
class Hidden:
    """The hidden data of an instance; texts and activations are computed on first use.

    Attributes:
        rules: Neuron, in the instance's names -> its planted rule, in the base model's token ids.
        weights: The model of this instance.
        symmetry: From the base model's names to the instance's.
        text_seed: Seed of the hidden texts.
    """

    rules: Mapping[str, Rule]
    weights: ModelWeights
    symmetry: Symmetry
    text_seed: int

    @cached_property
    def text(self) -> TaggedText:
        """Held-out text, in the base model's token ids."""
        return sample_text(self.text_seed, HIDDEN_ROWS, CONTEXT)

    @property
    def rows(self) -> Sequence[Sequence[int]]:
        """The hidden texts as the input of submitted code."""
        rows: Sequence[Sequence[int]] = self.symmetry.tokens(self.text.tokens).tolist()
        return rows

    @cached_property
    def truths(self) -> Mapping[str, Truth]:
        """Neuron -> its activations on the hidden texts, and the scores of reference theories."""
        found = _activations(self.weights, self.symmetry.tokens(self.text.tokens), list(self.rules))
        return {name: self._truth(rule, found[name]) for name, rule in self.rules.items()}

    def values(self, rule: Rule) -> Float[np.ndarray, " position"]:
        """The predictions of a rule on the hidden texts."""
        return judged(rule, self.text.tokens).activations

    def _truth(self, rule: Rule, activations: Float[np.ndarray, " position"]) -> Truth:
        tokens = self.text.tokens
        strata = rule.strata(tokens, len(vocabulary()))
        weights = position_weights(strata)
        lists = best_list(judged(rule, survey_text().tokens), Judged(tokens, activations, weights), REACH)
        return Truth(
            activations=activations,
            weights=weights,
            stratum=stratum_of(strata),
            chance=max(0.0, lists),
            ceiling=weighted_correlation(self.values(rule), activations, weights),
        )

    def source(self) -> str:
        """The rules as code that an agent could have submitted."""
        renamed = torch.tensor(self.symmetry.token_map)
        sets = {condition.tokens for rule in self.rules.values() for condition in rule.conditions}
        numbers = {tokens: number for number, tokens in enumerate(sorted(sets, key=sorted))}
        listed = [_packed(sorted(renamed[list(tokens)].tolist())) for tokens in numbers]
        rules = {
            name: [
                (
                    one.strength,
                    [(numbers[each.tokens], each.places, each.least, each.negated) for each in one.conditions],
                )
                for one in rule.alternatives
            ]
            for name, rule in self.rules.items()
        }
        only = next(iter(rules))
        return _SOURCE.format(
            sets=listed,
            rules=rules,
            arguments="tokens" if len(rules) == 1 else "tokens, neuron",
            neuron=repr(only) if len(rules) == 1 else "neuron",
        )


_SOURCE = """\
SETS = {sets}
RULES = {rules}


def unpacked(text):
    bits = int(text, 36)
    return {{place for place in range(bits.bit_length()) if bits >> place & 1}}


SETS = [unpacked(text) for text in SETS]


def predict({arguments}):
    values = []
    for at in range(len(tokens)):
        total = 0.0
        for strength, conditions in RULES[{neuron}]:
            total += strength * all(
                (sum(tokens[at - place] in SETS[number] for place in places or range(at + 1) if at >= place) >= least)
                != negated
                for number, places, least, negated in conditions
            )
        values.append(total)
    return values
"""
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


def _packed(tokens: Sequence[int]) -> str:
    """A set of token ids as one number in base 36: lists of thousands would be too long."""
    bits, digits = sum(1 << token for token in tokens), []
    while bits:
        bits, digit = divmod(bits, 36)
        digits.append(_DIGITS[digit])
    return "".join(reversed(digits)) or "0"


@torch.no_grad()
def _activations(
    weights: ModelWeights, tokens: Int[Tensor, "batch pos"], neurons: Sequence[str]
) -> Mapping[str, Float[np.ndarray, " position"]]:
    """Activations of some neurons of the last layer."""
    model = build_model(weights)
    last = model.cfg.n_layers - 1
    columns = [int(name.removeprefix(f"L{last}.N")) for name in neurons]
    parts: list[Tensor] = []

    def keep(activation: Tensor, hook: HookPoint) -> None:  # noqa: ARG001 - the argument's name is TransformerLens'
        parts.append(activation[..., columns].flatten(0, 1))

    for start in range(0, len(tokens), _ROWS_AT_ONCE):
        rows = tokens[start : start + _ROWS_AT_ONCE]
        hooks = [(f"blocks.{last}.mlp.hook_post", keep)]
        model.run_with_hooks(rows, return_type=None, stop_at_layer=last + 1, fwd_hooks=hooks)
    found = torch.cat(parts).double().numpy()
    return {name: found[:, number] for number, name in enumerate(neurons)}
