"""The public material of ``circuits/rare_branch``: model, prompts, and the ordinary behaviour as code."""

from __future__ import annotations

import json
import math
from typing import Any

import torch
from safetensors.torch import save

from ground_truth.circuits.planted.material import Names
from scribe_suite.planting.circuits.branches.plans import N_CTX, N_LABELS, Plan, draw_prompts
from scribe_suite.planting.circuits.patchable import TransformerShape
from scribe_suite.planting.hooked import SETUP_CODE, ModelWeights, public_files
from scribe_suite.scoring.rare_branch import LIMITS, PAY_OFFS
from scribe_suite.tasks.material import PublicMaterial

_PROMPTS = 2000
#: Number of prompts shown in the task's prompt.
_SHOWN = 3

_DATA_CODE = '''\
names = json.load(open("names.json"))
token_names, label_names = names["tokens"], names["labels"]
data = load_file("data.safetensors")
prompts, classes = data["prompts"], data["classes"].tolist()


def ordinary(prompt):
    """The label that the model ordinarily predicts for a prompt, a list of token ids."""
    return classes[prompt[-{behind}]]


def generate(n, seed=0):
    """n fresh prompts, shape (n, {n_ctx})."""
    tokens = torch.randint({others}, (n, {n_ctx}), generator=torch.Generator().manual_seed(seed))
    tokens += tokens >= {start}  # every token but {start}, which is the first of every prompt and stands nowhere else
    tokens[:, 0] = {start}
    return tokens
'''


def data_code(plan: Plan, start: int) -> str:
    """The part of the first cell that loads data and defines functions."""
    return _DATA_CODE.format(behind=plan.back + 1, n_ctx=N_CTX, others=plan.d_vocab - 1, start=start)


def public_material(
    weights: ModelWeights, plan: Plan, start: int, names: Names, *, rarity: float, n_kinds: int, seed: int
) -> PublicMaterial:
    """The complete public material of an instance.

    Args:
        weights: The model, in the instance's names, as are all further arguments.
        plan: The plan that it implements; its ordinary part is public.
        start: The token that prompts start with.
        names: Names of tokens and labels.
        rarity: Upper bound on the probability of the condition.
        n_kinds: Number of kinds of hidden prompts that do not meet the condition.
        seed: Seed of the prompts.
    """
    prompts = draw_prompts(_PROMPTS, plan.d_vocab, torch.Generator().manual_seed(seed), start)
    shape = TransformerShape.of_config(weights.config)
    facts: dict[str, Any] = {
        "n_layers": shape.n_layers,
        "n_heads": shape.n_heads,
        "d_model": shape.d_model,
        "n_ctx": N_CTX,
        "n_tokens": plan.d_vocab,
        "n_labels": N_LABELS,
        "n_prompts": _PROMPTS,
        "start": names.tokens[start],
        "behind": plan.back + 1,
        "exponent": round(-math.log10(rarity)),
        "n_kinds": n_kinds,
        "seconds": LIMITS.time_s,
        "pay_offs": {
            "null_share": PAY_OFFS.null_share,
            "found": PAY_OFFS.found,
            "missed": PAY_OFFS.missed,
            "overclaim": PAY_OFFS.overclaim,
            "nothing": PAY_OFFS.nothing,
        },
        "examples": [" ".join(names.tokens[token] for token in row) for row in prompts[:_SHOWN].tolist()],
    }
    return PublicMaterial(
        model_files=public_files(weights),
        model_code=SETUP_CODE,
        data_files={
            "data.safetensors": save({"prompts": prompts, "classes": torch.tensor(plan.classes)}),
            "names.json": json.dumps({"tokens": list(names.tokens), "labels": list(names.labels)}, indent=1).encode(),
        },
        data_code=data_code(plan, start),
        facts=facts,
    )
