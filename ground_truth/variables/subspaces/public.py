"""The public material of ``variables/subspace``: model, prompts, and the labels' values of the variable."""

from __future__ import annotations

from typing import Any

import torch
from safetensors.torch import save

from scribe_suite.planting.circuits.patchable import TransformerShape
from scribe_suite.planting.hooked import SETUP_CODE, ModelWeights, public_files
from scribe_suite.planting.variables.certificate import most_directions
from scribe_suite.planting.variables.interchange import SITES, chances
from scribe_suite.planting.variables.plans import N_CTX, Dial, Plan, draw_prompts
from scribe_suite.tasks.material import PublicMaterial

_PROMPTS = 2000
#: Number of prompts shown in the task's prompt.
_SHOWN = 3

_DATA_CODE = '''\
data = load_file("data.safetensors")
prompts, groups = data["prompts"], data["groups"]


def generate(n, seed=0):
    """n fresh prompts, shape (n, {n_ctx})."""
    return torch.randint({n_tokens}, (n, {n_ctx}), generator=torch.Generator().manual_seed(seed))
'''


def public_material(
    weights: ModelWeights,
    dial: Dial,
    plan: Plan,
    variable: int,
    *,
    n_pairs: int,
    seed: int,
    ceiling: float | None = None,
) -> PublicMaterial:
    """The complete public material of an instance.

    Args:
        weights: The model, in the instance's names and basis.
        dial: The settings of its level.
        plan: The plan that it implements, in the instance's names.
        variable: The variable in question; the values that labels represent are public.
        n_pairs: Number of hidden pairs.
        seed: Seed of the prompts.
        ceiling: The score that counts as skill 1 where that is not the planted subspace's.
    """
    prompts = draw_prompts(_PROMPTS, dial.d_vocab, torch.Generator().manual_seed(seed))
    shape = TransformerShape.of_config(weights.config)
    interchange, isolation = chances(plan)
    labels = plan.expected(prompts[:_SHOWN]).tolist()
    facts: dict[str, Any] = {
        "n_layers": shape.n_layers,
        "n_heads": shape.n_heads,
        "d_model": shape.d_model,
        "n_ctx": N_CTX,
        "n_tokens": dial.d_vocab,
        "n_labels": plan.n_labels,
        "n_prompts": _PROMPTS,
        "n_variables": plan.n_variables,
        "n_values": plan.values,
        "n_pairs": n_pairs,
        "sites": list(SITES),
        "max_directions": most_directions(dial.dimensions),
        "chances": {"interchange": round(interchange, 4), "isolation": round(isolation, 4)},
        "examples": [
            {"prompt": " ".join(map(str, row)), "label": label}
            for row, label in zip(prompts[:_SHOWN].tolist(), labels, strict=True)
        ],
    }
    if ceiling is not None:
        facts["ceiling"] = ceiling
    return PublicMaterial(
        model_files=public_files(weights),
        model_code=SETUP_CODE,
        data_files={
            "data.safetensors": save({"prompts": prompts, "groups": torch.tensor(plan.groups(variable))}),
        },
        data_code=_DATA_CODE.format(n_tokens=dial.d_vocab, n_ctx=N_CTX),
        facts=facts,
    )
