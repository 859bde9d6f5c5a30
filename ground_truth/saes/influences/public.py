"""The public material of ``saes/influential``: model, autoencoder and prompts."""

from __future__ import annotations

from typing import Any

import torch
from safetensors.torch import save

from scribe_suite.planting.circuits.patchable import TransformerShape
from scribe_suite.planting.hooked import SETUP_CODE, public_files
from scribe_suite.planting.saes.autoencoder import SAE_CODE, SAE_FILE
from scribe_suite.planting.saes.network import SITE_LAYER, SparseModel
from scribe_suite.planting.saes.prompts import PROMPTS_CODE, balanced_prompts
from scribe_suite.planting.variables.plans import N_CTX
from scribe_suite.tasks.material import PublicMaterial

_PROMPTS = 1920
#: Prompts on which effects are measured.
HELD_OUT = 480

_DATA_CODE = """\
prompts = load_file("data.safetensors")["prompts"]
n_chosen = {chosen}
{sae}
{generate}"""


def public_material(model: SparseModel, chosen: int, *, seed: int) -> PublicMaterial:
    """The complete public material of an instance.

    Args:
        model: The model and its autoencoder, in the instance's names and basis.
        chosen: How many latents are asked for.
        seed: Seed of the prompts.
    """
    shape = TransformerShape.of_config(model.weights.config)
    n_latents = model.sae.n_latents
    facts: dict[str, Any] = {
        "n_layers": shape.n_layers,
        "n_heads": shape.n_heads,
        "d_model": shape.d_model,
        "n_ctx": N_CTX,
        "n_tokens": shape.d_vocab,
        "n_outputs": shape.d_vocab_out,
        "n_prompts": _PROMPTS,
        "n_held_out": HELD_OUT,
        "n_latents": n_latents,
        "max_latents": chosen,
        "layer": SITE_LAYER,
    }
    prompts = balanced_prompts(_PROMPTS, shape.d_vocab, torch.Generator().manual_seed(seed))
    codes = {
        "sae": SAE_CODE.format(n_latents=n_latents),
        "generate": PROMPTS_CODE.format(n_tokens=shape.d_vocab, n_ctx=N_CTX),
    }
    return PublicMaterial(
        model_files=public_files(model.weights),
        model_code=SETUP_CODE,
        data_files={"data.safetensors": save({"prompts": prompts}), SAE_FILE: model.sae.file()},
        data_code=_DATA_CODE.format(chosen=chosen, **codes),
        facts=facts,
    )
