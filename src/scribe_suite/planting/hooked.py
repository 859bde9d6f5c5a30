"""The only module that builds `HookedTransformer` objects, so that a change in TransformerLens needs one edit.

A model is kept as `ModelWeights`: a JSON-safe subset of `HookedTransformerConfig` and a state dict under
TransformerLens' own parameter names, without its buffers (masks, ``IGNORE``), which are rebuilt.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from safetensors.torch import save
from torch import Tensor
from transformer_lens import HookedTransformer, HookedTransformerConfig

#: Public code that loads a model from the files `public_files` makes; the start of every task's setup cell.
SETUP_CODE = """\
import json
import torch
from safetensors.torch import load_file
from transformer_lens import HookedTransformer, HookedTransformerConfig

torch.set_num_threads(1)
config = HookedTransformerConfig(**json.load(open("config.json")))
model = HookedTransformer(config)
model.load_state_dict(load_file("model.safetensors"), strict=False)  # all parameters; only mask buffers are not stored
model.eval()
"""

_BUFFERS = (".mask", ".IGNORE")


@dataclass(frozen=True)
class ModelWeights:
    """A transformer as data.

    Attributes:
        config: Keyword arguments of `HookedTransformerConfig`; JSON-safe.
        state: Parameter name (``blocks.0.attn.W_Q``: Float[head d_model d_head], ...) -> tensor, float32.
    """

    config: Mapping[str, Any]
    state: Mapping[str, Float[Tensor, "..."]]


def build_model(weights: ModelWeights) -> HookedTransformer:
    """A HookedTransformer in evaluation mode with exactly these parameters.

    Raises:
        ValueError: When a parameter is missing, unknown or of another shape.
    """
    model = _fresh(weights.config)
    wanted = {name for name, _ in model.named_parameters()}
    given = set(weights.state)
    if wanted != given:
        raise ValueError(
            f"the state dict does not fit its config: missing {sorted(wanted - given)[:5]}, "
            f"unknown {sorted(given - wanted)[:5]}"
        )
    try:
        model.load_state_dict(dict(weights.state), strict=False)
    except RuntimeError as error:
        raise ValueError(f"the state dict does not fit its config: {error}") from error
    model.eval()
    return model


def untrained_twin(config: Mapping[str, Any], seed: int) -> HookedTransformer:
    """A model of the same shape with random weights, the control of every learned-property claim."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = _fresh({**config, "seed": None})
    model.eval()
    return model


def weights_of(model: HookedTransformer, config: Mapping[str, Any]) -> ModelWeights:
    """The parameters of `model` as data, detached and copied."""
    state = {
        name: value.detach().clone().float().contiguous()
        for name, value in model.state_dict().items()
        if not name.endswith(_BUFFERS)
    }
    return ModelWeights(config=dict(config), state=state)


def public_files(weights: ModelWeights) -> dict[str, bytes]:
    """``config.json`` and ``model.safetensors``, as `SETUP_CODE` reads them."""
    return {
        "config.json": json.dumps(dict(weights.config), indent=1, sort_keys=True).encode(),
        "model.safetensors": save({name: tensor.contiguous() for name, tensor in sorted(weights.state.items())}),
    }


def _fresh(config: Mapping[str, Any]) -> HookedTransformer:
    with warnings.catch_warnings():
        # 3.9.0 announces that 4.0 drops this class; that is why 3.9.0 is pinned
        warnings.filterwarnings("ignore", "HookedTransformer is deprecated", DeprecationWarning)
        return HookedTransformer(HookedTransformerConfig(**dict(config)))
