"""Models of the process: built from the harness's data, or imported from a module in the working folder."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
from safetensors.torch import load
from torch import Tensor
from transformer_lens import HookedTransformer, HookedTransformerConfig
from transformer_lens.utilities.architectures import POST_NORM_ARCHITECTURES

from .refusal import RefusedError


@dataclass(frozen=True)
class ModelSizes:
    """The sizes for the grammar and checks of sites, and for the harness; a `sites.Sizes`."""

    n_layers: int
    n_heads: int
    n_key_value_heads: int
    d_model: int
    d_head: int
    d_mlp: int
    d_vocab: int
    d_vocab_out: int
    n_ctx: int

    def as_message(self) -> dict[str, int]:
        """Its fields by name."""
        return asdict(self)


@dataclass(frozen=True)
class LoadedModel:
    """A model that can be run.

    Attributes:
        model: The model in evaluation mode, with fixed parameters.
        sizes: The sizes of the same model.
    """

    model: HookedTransformer
    sizes: ModelSizes

    @property
    def device(self) -> torch.device:
        """Its device."""
        device: torch.device = next(self.model.parameters()).device
        return device


def from_weights(config: Mapping[str, Any], state: bytes, device: str) -> LoadedModel:
    """A model from its configuration and parameters.

    Args:
        config: Keyword arguments of `HookedTransformerConfig`.
        state: A safetensors file with all parameters and nothing else.
        device: The device for it.

    Raises:
        RefusedError: When the two don't fit, or such a model can't be run here.
    """
    tensors: dict[str, Tensor] = load(state)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "HookedTransformer is deprecated", DeprecationWarning)
        model = HookedTransformer(HookedTransformerConfig(**{**config, "device": "cpu"}))
    wanted = {name for name, _ in model.named_parameters()}
    if wanted != set(tensors):
        differ = sorted(wanted ^ set(tensors))[:5]
        raise RefusedError(f"The parameters are not those of the configuration; these differ: {', '.join(differ)}.")
    try:
        model.load_state_dict(tensors, strict=False)
    except RuntimeError as error:
        raise RefusedError(f"The parameters have other shapes than those of the configuration: {error}.") from error
    return _ready(model, device)


def from_module(name: str, device: str) -> LoadedModel:
    """The ``model`` of a module.

    Args:
        name: The name of a module in the working folder that loads the model when it is imported.
        device: The device for it.

    Raises:
        RefusedError: When there is none, or such a model can't be run here.
    """
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError:
        raise RefusedError(f"There is no module {name} to take a model from.") from None
    return _ready(module.model, device)


def watch(loaded: LoadedModel, done: Callable[[], None]) -> None:
    """Call a function whenever a block of a model has been computed, forwards or backwards."""

    def backwards(_gradient: Tensor) -> None:
        done()

    def forwards(_block: object, _inputs: object, output: Tensor) -> None:
        done()
        if output.requires_grad:
            output.register_hook(backwards)  # type: ignore[no-untyped-call]

    for block in loaded.model.blocks:
        block.register_forward_hook(forwards)


def _ready(model: HookedTransformer, device: str) -> LoadedModel:
    """Fix a model's parameters, and refuse a model in which sites would not have the meaning that `sites` defines."""
    config = model.cfg
    odd = {
        "attention and MLP side by side": config.parallel_attn_mlp,
        "norms behind attention or MLP": config.use_normalization_before_and_after
        or config.original_architecture in POST_NORM_ARCHITECTURES,
        "experts": bool(config.num_experts),
        "positions that only attention reads": config.positional_embedding_type == "shortformer",
        "attention in both directions": config.attention_dir != "causal",
    }
    if found := [what for what, has in odd.items() if has]:
        raise RefusedError(f"The laboratory can't run a model with {' and '.join(found)}.")
    model.requires_grad_(False)
    model.eval()
    if device != "cpu":
        model.to(device, print_details=False)
    sizes = ModelSizes(
        n_layers=config.n_layers,
        n_heads=config.n_heads,
        n_key_value_heads=config.n_key_value_heads or config.n_heads,
        d_model=config.d_model,
        d_head=config.d_head,
        d_mlp=0 if config.attn_only else config.d_mlp or 0,
        d_vocab=config.d_vocab,
        d_vocab_out=config.d_vocab_out,
        n_ctx=config.n_ctx,
    )
    return LoadedModel(model, sizes)
