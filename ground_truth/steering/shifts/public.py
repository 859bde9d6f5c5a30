"""The public material of ``steering/shift``: model, contrast pairs, neutral prompts, and which label replaces which."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import torch
from safetensors.torch import save

from scribe_suite.planting.circuits.patchable import TransformerShape
from scribe_suite.planting.hooked import SETUP_CODE, ModelWeights, public_files
from scribe_suite.planting.steering.added import MOST_DIVERGENCE, SCALES
from scribe_suite.planting.steering.certificate import LAYERS
from scribe_suite.planting.steering.plans import CONDITION, GateDial, GatePlan, draw_contrast, draw_where
from scribe_suite.planting.variables.plans import N_CTX
from scribe_suite.scoring.steering import PAY_OFFS
from scribe_suite.tasks.material import PublicMaterial

_NEUTRAL = 400
#: Number of prompts of each kind shown in the task's prompt.
_SHOWN = 2

_DATA_CODE = '''\
data = load_file("data.safetensors")
prompts_on, prompts_off, neutral, partner = data["on"], data["off"], data["neutral"], data["partner"]


def generate(n, seed=0):
    """n random prompts, shape (n, {n_ctx})."""
    return torch.randint({n_tokens}, (n, {n_ctx}), generator=torch.Generator().manual_seed(seed))
'''


def public_material(
    weights: ModelWeights, dial: GateDial, plan: GatePlan, *, n_hidden: int, seed: int
) -> PublicMaterial:
    """The complete public material of an instance.

    Args:
        weights: The model, in the instance's names and basis.
        dial: The settings of its level.
        plan: The plan that it implements, in the instance's names.
        n_hidden: Number of hidden prompts of each kind.
        seed: Seed of the prompts.
    """
    generator = torch.Generator().manual_seed(seed)
    on, off = draw_contrast(plan, dial.pairs, dial.confounded, generator)
    neutral = draw_where(plan, _NEUTRAL, {CONDITION: 0}, generator)
    shape = TransformerShape.of_config(weights.config)
    kinds = {"on": on, "off": off, "neutral": neutral}
    facts: dict[str, Any] = {
        "n_layers": shape.n_layers,
        "n_heads": shape.n_heads,
        "d_model": shape.d_model,
        "n_ctx": N_CTX,
        "n_tokens": dial.d_vocab,
        "n_labels": shape.d_vocab_out,
        "layers": list(LAYERS),
        "n_pairs": dial.pairs,
        "n_neutral": _NEUTRAL,
        "n_hidden": n_hidden,
        "n_scales": len(SCALES),
        "smallest_scale": SCALES[0],
        "largest_scale": round(SCALES[-1], 2),
        "most_divergence": MOST_DIVERGENCE,
        "pay_offs": asdict(PAY_OFFS),
        "examples": [
            {"kind": kind, "prompt": " ".join(map(str, row)), "label": label}
            for kind, prompts in kinds.items()
            for row, label in zip(prompts[:_SHOWN].tolist(), plan.expected(prompts[:_SHOWN]).tolist(), strict=True)
        ],
    }
    data = {**kinds, "partner": torch.tensor(plan.partners)}
    return PublicMaterial(
        model_files=public_files(weights),
        model_code=SETUP_CODE,
        data_files={"data.safetensors": save({name: tensor.contiguous() for name, tensor in data.items()})},
        data_code=_DATA_CODE.format(n_tokens=dial.d_vocab, n_ctx=N_CTX),
        facts=facts,
    )
