"""Converts a transformers model to the folder that kernels read: TransformerLens' form with its default processing.

The processing is that of ``HookedTransformer.from_pretrained(name)``: weights of norms are folded into the layers that
read them; weights that write are centred where the norm is a LayerNorm (RMSNorm sees the mean, so there they are not);
the unembedding is centred, which shifts all logits of a position equally and changes no probability; value biases are
folded into the output biases. So an agent finds what it knows from `from_pretrained`, and log-probabilities are the
original's.
"""

from __future__ import annotations

import json
import tempfile
import warnings
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from transformer_lens import HookedTransformer, loading_from_pretrained
from transformer_lens.utilities import softcap_enabled
from transformer_lens.utilities.architectures import POST_NORM_ARCHITECTURES
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from scribe_suite.errors import ConfigurationError

#: Most positions of a model with rotary embedding: its tables of sines and cosines take memory in every kernel that is
#: not forked (SmolLM2 with its 8,192 positions: 126 MB), and prompts of tasks are short.
MAX_ROTARY_POSITIONS = 2048
#: Settings of the machine rather than the model, or names that would be looked up.
_LEFT_OUT = ("device", "dtype", "tokenizer_name", "n_params", "seed", "init_weights", "trust_remote_code")


def to_hooked(
    original: PreTrainedModel, tokenizer: PreTrainedTokenizerBase | None, name: str, *, known: bool
) -> HookedTransformer:
    """A `HookedTransformer` with the weights of a model, on the CPU.

    Args:
        original: In float32.
        tokenizer: Its tokenizer.
        name: TransformerLens' name for it if it has one, else any name.
        known: Whether TransformerLens knows it by that name; else its configuration gives the architecture.

    Raises:
        ConfigurationError: When TransformerLens can't convert it.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=DeprecationWarning)  # 3.9.0 announces 4.0; see planting.hooked
        try:
            if known:
                with redirect_stdout(StringIO()):  # it says so when it is done
                    return HookedTransformer.from_pretrained(
                        name, hf_model=original, tokenizer=tokenizer, device="cpu", dtype=torch.float32
                    ).eval()
            return _by_architecture(original, tokenizer, name)
        except (NotImplementedError, KeyError, AttributeError, UnboundLocalError, RuntimeError, ValueError) as error:
            kind = (original.config.architectures or [type(original).__name__])[0]
            raise ConfigurationError(
                f"TransformerLens can't convert {name} ({kind}): {type(error).__name__}: {str(error)[:200]}. Choose a "
                "model of an architecture it supports, such as GPT2LMHeadModel or LlamaForCausalLM."
            ) from error


def _by_architecture(
    original: PreTrainedModel, tokenizer: PreTrainedTokenizerBase | None, name: str
) -> HookedTransformer:
    """Do what `from_pretrained` does after looking up the name."""
    given: Any = original.config
    given.architectures = given.architectures or [type(original).__name__]
    if not hasattr(given, "n_ctx") and hasattr(given, "n_positions"):
        given.n_ctx = given.n_positions  # an older name of the same, which transformers no longer writes for GPT-2
    with tempfile.TemporaryDirectory(prefix="model-") as place:
        # it needs a path for the configuration and guesses from words in the path, so the path contains none
        original.config.save_pretrained(place)
        config = loading_from_pretrained.get_pretrained_model_config(
            place, hf_cfg=original.config.to_dict(), fold_ln=True, device="cpu", dtype=torch.float32
        )
        state = loading_from_pretrained.get_pretrained_state_dict(place, config, original, dtype=torch.float32)
    config.model_name, config.tokenizer_name = name, None
    model = HookedTransformer(config, tokenizer, move_to_device=False)
    before = config.original_architecture not in POST_NORM_ARCHITECTURES
    model.load_and_process_state_dict(
        state,
        fold_ln=before,
        center_writing_weights=before,
        center_unembed=not softcap_enabled(config.output_logits_soft_cap),
    )
    return model.eval()


def write_folder(model: HookedTransformer, tokenizer: PreTrainedTokenizerBase | None, folder: Path) -> None:
    """Write ``config.json``, ``model.safetensors`` and the files of the tokenizer, as `kernel_module` reads them."""
    (folder / "config.json").write_text(json.dumps(json_config(model), indent=1, sort_keys=True) + "\n")
    parameters = {name: value.detach().contiguous() for name, value in model.named_parameters()}
    save_file(parameters, folder / "model.safetensors")
    if tokenizer is not None:
        tokenizer.save_pretrained(folder)


def json_config(model: HookedTransformer) -> dict[str, Any]:
    """Keyword arguments of `HookedTransformerConfig` for an empty model of this shape, on the CPU."""
    plain: dict[str, Any] = {
        name: value
        for name, value in model.cfg.to_dict().items()
        if name not in _LEFT_OUT and isinstance(value, str | int | float | bool | list | None)
    }
    if plain["positional_embedding_type"] == "rotary":
        plain["n_ctx"] = min(plain["n_ctx"], MAX_ROTARY_POSITIONS)
    return {**plain, "device": "cpu", "init_weights": False}
