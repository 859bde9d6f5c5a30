"""The public material of ``variables/used``: model, prompts, and the properties that labels stand for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from safetensors.torch import save

from scribe_suite.planting.circuits.patchable import TransformerShape
from scribe_suite.planting.hooked import SETUP_CODE, ModelWeights, public_files
from scribe_suite.planting.variables.plans import N_CTX, draw_prompts
from scribe_suite.planting.variables.used.network import KEPT_LAYER
from scribe_suite.planting.variables.used.plans import BASE_RATE, MOST_USED, UsedPlan
from scribe_suite.scoring.used import CHANCE
from scribe_suite.tasks.material import PublicMaterial

_PROMPTS = 2000
#: Number of prompts shown in the task's prompt.
_SHOWN = 3

_DATA_CODE = '''\
data = load_file("data.safetensors")
prompts, of_label = data["prompts"], data["of_label"]
property_names = {names}


def generate(n, seed=0):
    """n fresh prompts, shape (n, {n_ctx})."""
    return torch.randint({n_tokens}, (n, {n_ctx}), generator=torch.Generator().manual_seed(seed))
'''


def public_material(weights: ModelWeights, plan: UsedPlan, names: Sequence[str], *, seed: int) -> PublicMaterial:
    """The complete public material of an instance.

    Args:
        weights: The model, in the instance's names and basis.
        plan: The plan that it implements, in the instance's names.
        names: The name of each property of the plan.
        seed: Seed of the prompts.
    """
    chain, ordered = plan.plan, sorted(names)
    n_tokens = len(chain.classes)
    prompts = draw_prompts(_PROMPTS, n_tokens, torch.Generator().manual_seed(seed))
    shape = TransformerShape.of_config(weights.config)
    labels = chain.expected(prompts[:_SHOWN]).tolist()
    of_label = torch.tensor(chain.combinations)[:, [list(names).index(name) for name in ordered]]
    facts: dict[str, Any] = {
        "n_layers": shape.n_layers,
        "n_heads": shape.n_heads,
        "d_model": shape.d_model,
        "n_ctx": N_CTX,
        "n_tokens": n_tokens,
        "n_labels": chain.n_labels,
        "n_prompts": _PROMPTS,
        "n_values": chain.values,
        "properties": ordered,
        "most_used": MOST_USED,
        "base_rate": BASE_RATE,
        "chance": CHANCE,
        "layer": KEPT_LAYER,
        "examples": [
            {"prompt": " ".join(map(str, row)), "label": label}
            for row, label in zip(prompts[:_SHOWN].tolist(), labels, strict=True)
        ],
    }
    return PublicMaterial(
        model_files=public_files(weights),
        model_code=SETUP_CODE,
        data_files={"data.safetensors": save({"prompts": prompts, "of_label": of_label.contiguous()})},
        data_code=_DATA_CODE.format(n_tokens=n_tokens, n_ctx=N_CTX, names=ordered),
        facts=facts,
    )
