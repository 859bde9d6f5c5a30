"""The public material of an instance: a model with labelled statements, or only activations."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from safetensors.torch import save
from transformer_lens import HookedTransformer

from ground_truth.probes.planted.split import Split
from scribe_suite.planting.hooked import SETUP_CODE, ModelWeights, public_files
from scribe_suite.scoring.probes import residual_at
from scribe_suite.tasks import PublicMaterial

_LABELLED_CODE = """
vocabulary = json.load(open("vocabulary.json"))  # token id -> string
data = load_file("statements.safetensors")
statements, labels = data["tokens"], data["labels"].bool()  # token ids [statement, position], truth [statement]


def text(tokens):
    return " ".join(vocabulary[token] for token in tokens.tolist())
"""

_STATEMENTS_CODE = """
vocabulary = json.load(open("vocabulary.json"))  # token id -> string
statements = load_file("statements.safetensors")["tokens"]  # token ids [statement, position]


def text(tokens):
    return " ".join(vocabulary[token] for token in tokens.tolist())
"""

_ACTIVATIONS_CODE = """\
import json
import torch
from safetensors.torch import load_file

torch.set_num_threads(1)
vocabulary = json.load(open("vocabulary.json"))  # token id -> string
data = load_file("activations.safetensors")
statements = data["tokens"]  # token ids [statement, position]
activations = data["activations"]  # residual stream at the last token of every statement [layer, statement, d_model]


def text(tokens):
    return " ".join(vocabulary[token] for token in tokens.tolist())
"""


def labelled_material(
    weights: ModelWeights, split: Split, vocabulary: Sequence[str], further_facts: Mapping[str, Any]
) -> PublicMaterial:
    """The model, the vocabulary, and public statements with their labels."""
    public = split.public
    data = {"tokens": public.tokens.contiguous(), "labels": torch.from_numpy(public.labels.astype(np.uint8))}
    further = {name: values.contiguous() for name, values in split.further.items()}
    code = "".join(f'{name} = data["{name}"]\n' for name in further)
    facts = sizes(weights.config, split, vocabulary)
    return PublicMaterial(
        model_files=public_files(weights),
        model_code=SETUP_CODE,
        data_files={
            "vocabulary.json": json.dumps(list(vocabulary)).encode(),
            "statements.safetensors": save({**data, **further}),
        },
        data_code=_LABELLED_CODE + (f"\n\n{code}" if code else ""),
        facts={**facts, "example_label": bool(public.labels[0]), **further_facts},
    )


def activations_material(
    weights: ModelWeights,
    model: HookedTransformer,
    split: Split,
    vocabulary: Sequence[str],
    further_facts: Mapping[str, Any],
) -> PublicMaterial:
    """Activations at the last token after every layer, and the statements; neither model nor labels.

    If a laboratory runs the model, it replaces the activations.
    """
    tokens, config = split.public.tokens, weights.config
    read = np.stack([residual_at(model, tokens, layer, "last") for layer in range(int(config["n_layers"]))])
    public = {"tokens": tokens.contiguous()}
    data = {**public, "activations": torch.from_numpy(read).float().contiguous()}
    words = {"vocabulary.json": json.dumps(list(vocabulary)).encode()}
    return PublicMaterial(
        data_files={**words, "activations.safetensors": save(data)},
        data_code=_ACTIVATIONS_CODE,
        lab_model_files=public_files(weights),
        lab_files={**words, "statements.safetensors": save(public)},
        lab_code=_STATEMENTS_CODE,
        facts={**sizes(config, split, vocabulary), **further_facts},
    )


def sizes(config: Mapping[str, Any], split: Split, vocabulary: Sequence[str]) -> dict[str, Any]:
    """Facts about model and statements that every prompt shows."""
    tokens = split.public.tokens
    return {
        "n_layers": int(config["n_layers"]),
        "d_model": int(config["d_model"]),
        "window": int(config["window_size"]),
        "n_statements": len(tokens),
        "statement_length": tokens.shape[1],
        "example": " ".join(vocabulary[token] for token in tokens[0].tolist()),
    }
