"""Facts about a model that are known before any run: its sizes, and the unit of its prices."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

#: A prompt through a planted model, or a token through a language model.
Unit = Literal["prompt", "token"]


class ModelShape(BaseModel):
    """Sizes of a transformer, in TransformerLens' words; a `sites.Sizes`.

    Attributes:
        n_layers: Number of blocks.
        n_heads: Number of heads per block.
        n_key_value_heads: Number of key-value heads; fewer than `n_heads` where queries share them.
        d_model: Width of the residual stream.
        d_head: Width of a head.
        d_mlp: Number of neurons per block; 0 without MLPs.
        d_vocab: Number of token ids.
        d_vocab_out: Number of labels.
        n_ctx: Length of the longest prompt.
        unit: The unit of prices.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    n_layers: int = Field(ge=1)
    n_heads: int = Field(ge=1)
    n_key_value_heads: int = Field(ge=1)
    d_model: int = Field(ge=1)
    d_head: int = Field(ge=1)
    d_mlp: int = Field(ge=0)
    d_vocab: int = Field(ge=1)
    d_vocab_out: int = Field(ge=1)
    n_ctx: int = Field(ge=1)
    unit: Unit = "prompt"

    @classmethod
    def of_sizes(cls, sizes: Mapping[str, Any], unit: Unit) -> Self:
        """Make the shape from the sizes that the model process has sent.

        Raises:
            pydantic.ValidationError: When they are not sizes.
        """
        return cls(**{**sizes, "unit": unit})
