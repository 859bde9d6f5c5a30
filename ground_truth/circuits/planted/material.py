"""The public material of an instance with a planted circuit: the model, fresh prompts, names, facts for the prompt."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Int
from safetensors.torch import save
from torch import Tensor

from ground_truth.circuits.planted.public import data_code
from scribe_suite.planting.circuits.causal import CausalModel
from scribe_suite.planting.circuits.certificate import BEHAVIOUR_BAR, EFFECT_BAR, STRICT_BAR
from scribe_suite.planting.circuits.interchange import draw_pairs
from scribe_suite.planting.circuits.patchable import TransformerShape
from scribe_suite.planting.hooked import SETUP_CODE, ModelWeights, public_files
from scribe_suite.planting.symmetries import Symmetry
from scribe_suite.tasks.material import PublicMaterial

_PROMPTS = 2000
_PAIRS = 1000
#: Number of prompts shown in the task's prompt.
_SHOWN = 4


@dataclass(frozen=True)
class Names:
    """The words behind the ids of an instance.

    Attributes:
        tokens: Words by token id.
        labels: Words by label.
    """

    tokens: Sequence[str]
    labels: Sequence[str]

    def renamed(self, symmetry: Symmetry) -> Names:
        """The same words for the ids after a symmetry."""
        old_tokens, old_labels = (torch.tensor(order).argsort() for order in (symmetry.token_map, symmetry.label_map))
        return Names([self.tokens[old] for old in old_tokens], [self.labels[old] for old in old_labels])


def draw_data(causal: CausalModel, generator: torch.Generator, *, with_pairs: bool) -> dict[str, Tensor]:
    """Draw the public tensors, by their names in the notebook.

    Args:
        causal: The causal model, in the instance's names.
        generator: Draws the prompts.
        with_pairs: Whether to include labels and counterfactual pairs.
    """
    prompts = causal.sample(_PROMPTS, generator)
    if not with_pairs:
        return {"prompts": prompts}
    pairs = draw_pairs(causal, _PAIRS, generator)
    return {
        "prompts": prompts,
        "labels": right_labels(causal, prompts),
        "base": pairs.base,
        "base_labels": right_labels(causal, pairs.base),
        "source": pairs.source,
        "source_labels": right_labels(causal, pairs.source),
    }


def right_labels(causal: CausalModel, prompts: Int[Tensor, "prompt ctx"]) -> Int[Tensor, "prompt ..."]:
    """The right labels as agents get them: one per prompt where only one position has one, else one per position."""
    labels = causal.run(prompts).labels
    return labels[:, 0] if labels.shape[1] == 1 else labels


def facts_of(
    shape: TransformerShape, causal: CausalModel, data: Mapping[str, Tensor], names: Names, *, with_pairs: bool
) -> dict[str, Any]:
    """The facts for the prompt templates of all circuit tasks.

    Args:
        shape: Architecture of the model.
        causal: The causal model, in the instance's names.
        data: The result of `draw_data`.
        names: Names of the instance's tokens and labels.
        with_pairs: Whether agents get labels.
    """
    shown = data["prompts"][:_SHOWN]
    labels = causal.run(shown).labels
    return {
        "components": list(shape.nodes),
        "n_layers": shape.n_layers,
        "n_heads": shape.n_heads,
        "d_model": shape.d_model,
        "normalization": shape.normalization,
        "n_ctx": causal.n_ctx,
        "n_tokens": causal.d_vocab,
        "n_labels": causal.n_labels,
        "n_prompts": _PROMPTS,
        "n_pairs": _PAIRS,
        "labelled": list(causal.labelled),
        "behaviour_bar": BEHAVIOUR_BAR,
        "effect_bar": EFFECT_BAR,
        "strict_bar": STRICT_BAR,
        "examples": [
            {
                "prompt": " ".join(names.tokens[token] for token in prompt),
                **({"labels": [names.labels[label] for label in row]} if with_pairs else {}),
            }
            for prompt, row in zip(shown.tolist(), labels.tolist(), strict=True)
        ],
    }


def public_material(
    weights: ModelWeights,
    causal: CausalModel,
    data: Mapping[str, Tensor],
    names: Names,
    facts: Mapping[str, Any],
    *,
    with_pairs: bool,
) -> PublicMaterial:
    """The complete public material of an instance.

    Args:
        weights: The model, in the instance's names, as are all further arguments.
        causal: The causal model whose prompts the public code generates.
        data: The result of `draw_data`.
        names: Names of tokens and labels.
        facts: Facts for the prompt.
        with_pairs: Whether the public code generates counterfactual pairs too.
    """
    words = {"tokens": list(names.tokens), "labels": list(names.labels), "groups": causal.groups}
    return PublicMaterial(
        model_files=public_files(weights),
        model_code=SETUP_CODE,
        data_files={
            "data.safetensors": save({name: value.contiguous() for name, value in data.items()}),
            "names.json": json.dumps(words, indent=1).encode(),
        },
        data_code=data_code(causal, data, pairs=with_pairs),
        facts=facts,
    )
