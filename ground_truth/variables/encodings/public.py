"""The public material of ``variables/encoding``: model, prompts, and what labels say about the variables."""

from __future__ import annotations

import random
from typing import Any

import torch
from safetensors.torch import save

from scribe_suite.planting.circuits.patchable import TransformerShape
from scribe_suite.planting.hooked import SETUP_CODE, ModelWeights, public_files
from scribe_suite.planting.variables.encoded.measuring import MOST_TOUCHED, chances_of
from scribe_suite.planting.variables.encoded.network import ENCODED_LAYER
from scribe_suite.planting.variables.encoded.plans import EncodedPlan
from scribe_suite.planting.variables.plans import N_CTX, draw_prompts
from scribe_suite.scoring.encoding import LIMITS
from scribe_suite.tasks.material import PublicMaterial

_PROMPTS = 2000
#: Number of prompts shown in the task's prompt.
_SHOWN = 3

_DATA_CODE = '''\
data = load_file("data.safetensors")
prompts, groups, others = data["prompts"], data["groups"], data["others"]


def generate(n, seed=0):
    """n fresh prompts, shape (n, {n_ctx})."""
    return torch.randint({n_tokens}, (n, {n_ctx}), generator=torch.Generator().manual_seed(seed))
'''


def public_material(weights: ModelWeights, plan: EncodedPlan, *, n_pairs: int, seed: int) -> PublicMaterial:
    """The complete public material of an instance.

    Args:
        weights: The model, in the instance's names and basis.
        plan: The plan that it implements, in the instance's names.
        n_pairs: Number of hidden activations to read, and of pairs to write.
        seed: Seed of the prompts, and of the numbers of combinations.
    """
    chain = plan.plan
    n_tokens = len(chain.classes)
    prompts = draw_prompts(_PROMPTS, n_tokens, torch.Generator().manual_seed(seed))
    shape = TransformerShape.of_config(weights.config)
    decoding, interchange, isolation = chances_of(plan)
    labels = chain.expected(prompts[:_SHOWN]).tolist()
    facts: dict[str, Any] = {
        "n_layers": shape.n_layers,
        "n_heads": shape.n_heads,
        "d_model": shape.d_model,
        "n_ctx": N_CTX,
        "n_tokens": n_tokens,
        "n_labels": chain.n_labels,
        "n_prompts": _PROMPTS,
        "n_variables": chain.n_variables,
        "n_values": chain.values,
        "n_pairs": n_pairs,
        "layer": ENCODED_LAYER,
        "most_touched": MOST_TOUCHED,
        "seconds": LIMITS.time_s,
        "chances": {"decoding": decoding, "interchange": interchange, "isolation": isolation},
        "examples": [
            {"prompt": " ".join(map(str, row)), "label": label}
            for row, label in zip(prompts[:_SHOWN].tolist(), labels, strict=True)
        ],
    }
    return PublicMaterial(
        model_files=public_files(weights),
        model_code=SETUP_CODE,
        data_files={
            "data.safetensors": save(
                {"prompts": prompts, "groups": torch.tensor(chain.groups(0)), "others": _others(plan, seed)}
            ),
        },
        data_code=_DATA_CODE.format(n_tokens=n_tokens, n_ctx=N_CTX),
        facts=facts,
    )


def _others(plan: EncodedPlan, seed: int) -> torch.Tensor:
    """A number for the combination of all other variables of each label, which says nothing about single ones."""
    rests = [combination[1:] for combination in plan.plan.combinations]
    different = sorted(set(rests))
    random.Random(seed).shuffle(different)
    return torch.tensor([different.index(rest) for rest in rests])
