"""Describes a converted model without loading its weights: its name, sizes and tokenizer."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from transformers import AutoTokenizer, PreTrainedTokenizerBase

from scribe_suite.errors import ConfigurationError
from scribe_suite.models.spec import parse, ready


@dataclass(frozen=True)
class ModelDescription:
    """The facts about a converted language model.

    Attributes:
        name: Its common name.
        n_layers: Number of blocks.
        n_heads: Attention heads per block.
        n_key_value_heads: Key-value heads per block; fewer than heads where heads share them.
        d_model: Width of the residual stream.
        d_mlp: Neurons per MLP.
        gated_mlp: Whether an MLP's neurons are gated.
        n_ctx: Number of positions.
        parameters: Number of parameters, in TransformerLens' form.
        start_token: The token at the start of every text.
    """

    name: str
    n_layers: int
    n_heads: int
    n_key_value_heads: int
    d_model: int
    d_mlp: int
    gated_mlp: bool
    n_ctx: int
    parameters: int
    start_token: str

    @property
    def tokens_per_s(self) -> int:
        """Roughly how many tokens one CPU thread processes per second, to one digit."""
        return min(_MOST_TOKENS_PER_S, int(float(f"{_PARAMETERS_PER_S / self.parameters:.1g}")))


#: 200 tokens per second at SmolLM2's 163 million parameters, measured on one thread of a server's processor.
_PARAMETERS_PER_S = 200 * 163e6
#: The limit for models so small that their weights don't determine the time.
_MOST_TOKENS_PER_S = 10_000


def describe(spec: str) -> ModelDescription:
    """Describe a converted model.

    Raises:
        ConfigurationError: As `scribe_suite.models.spec.ready`, or when the model's tokens have no text.
    """
    model = ready(spec)
    return _described(spec, model.folder, model.record.parameters)


def tokenizer_of(spec: str) -> PreTrainedTokenizerBase:
    """The tokenizer of a converted model; the same object at every call.

    Raises:
        ConfigurationError: As `scribe_suite.models.spec.ready`, or when there is no tokenizer, or none with a start
            token.
    """
    return _tokenizer(spec, ready(spec).folder)


@cache
def _described(spec: str, folder: Path, parameters: int) -> ModelDescription:
    config = json.loads((folder / "config.json").read_text())
    return ModelDescription(
        name=parse(spec).title,
        n_layers=int(config["n_layers"]),
        n_heads=int(config["n_heads"]),
        n_key_value_heads=int(config.get("n_key_value_heads") or config["n_heads"]),
        d_model=int(config["d_model"]),
        d_mlp=int(config["d_mlp"]),
        gated_mlp=bool(config["gated_mlp"]),
        n_ctx=int(config["n_ctx"]),
        parameters=parameters,
        start_token=str(_tokenizer(spec, folder).bos_token),
    )


@cache
def _tokenizer(spec: str, folder: Path) -> PreTrainedTokenizerBase:
    if not (folder / "tokenizer_config.json").is_file():
        raise ConfigurationError(f"{spec} has no tokenizer, so no text can be put to it: choose a language model.")
    tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    if tokenizer.bos_token_id is None:
        raise ConfigurationError(f"The tokenizer of {spec} has no start token: choose another model.")
    return tokenizer
