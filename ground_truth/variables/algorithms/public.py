"""The public material of ``variables/algorithm``: model, prompts, and the function that the model computes."""

from __future__ import annotations

from typing import Any

import torch
from safetensors.torch import save

from scribe_suite.planting.circuits.patchable import TransformerShape
from scribe_suite.planting.hooked import SETUP_CODE, ModelWeights, public_files
from scribe_suite.planting.variables.plans import N_CTX, draw_prompts
from scribe_suite.planting.variables.sums import SumPlan
from scribe_suite.tasks.material import PublicMaterial

_PROMPTS = 2000

_DATA_CODE = '''\
data = load_file("data.safetensors")
prompts, values, labels = data["prompts"], data["values"], data["labels"]
positions = {positions}


def function(prompts):
    """The labels of prompts, shape (prompts, {n_ctx}): what the model says at the last position."""
    terms = [values[i, prompts[:, position]] for i, position in enumerate(positions)]
    return labels[torch.stack(terms).sum(0) % {n_values}]


def generate(n, seed=0):
    """n fresh prompts, shape (n, {n_ctx})."""
    return torch.randint({n_tokens}, (n, {n_ctx}), generator=torch.Generator().manual_seed(seed))
'''


def public_material(weights: ModelWeights, plan: SumPlan, seed: int) -> PublicMaterial:
    """The complete public material of an instance.

    Args:
        weights: The model, in the instance's names and basis.
        plan: The plan that it implements, in the instance's names; its function is public.
        seed: The seed of the prompts.
    """
    shape, n_tokens = TransformerShape.of_config(weights.config), len(plan.classes)
    prompts = draw_prompts(_PROMPTS, n_tokens, torch.Generator().manual_seed(seed))
    order = sorted(plan.total, key=lambda slot: plan.slots[slot])
    positions = [plan.slots[slot] for slot in order]
    facts: dict[str, Any] = {
        "n_layers": shape.n_layers,
        "n_heads": shape.n_heads,
        "d_model": shape.d_model,
        "n_ctx": N_CTX,
        "n_tokens": n_tokens,
        "n_values": plan.values,
        "n_prompts": _PROMPTS,
        "positions": positions,
        "heads": [f"a{layer}.h{head}" for layer in range(shape.n_layers) for head in range(shape.n_heads)],
    }
    return PublicMaterial(
        model_files=public_files(weights),
        model_code=SETUP_CODE,
        data_files={
            "data.safetensors": save(
                {"prompts": prompts, "values": plan.token_values()[order].clone(), "labels": torch.tensor(plan.labels)}
            ),
        },
        data_code=_DATA_CODE.format(positions=positions, n_ctx=N_CTX, n_values=plan.values, n_tokens=n_tokens),
        facts=facts,
    )
